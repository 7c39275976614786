/**
 * Webhooks: where a site is told of what happens in its conversations, what was delivered and what was not, and delivering it again. The
 * reply webhook of an assistant is one too: its address is set with the assistant, and what else there is to it is below the assistant.
 */
import { createRoute, z } from '@hono/zod-openapi'
import { checkUrl } from '../domain/host.ts'
import { isUuid } from '../domain/ids.ts'
import {
  type Answer,
  EVENT_TYPES,
  eventBody,
  isTypeFilter,
  OFF_REASONS,
  type OffReason,
} from '../domain/webhook.ts'
import { call } from '../endpoint/call.ts'
import type { Delivery } from '../endpoint/records.ts'
import { settings } from '../env.ts'
import { assistantById, settingsOf } from '../store/assistants.ts'
import { db } from '../store/db.ts'
import {
  addEndpoint,
  changeEndpoint,
  type EndpointRow,
  endpointById,
  endpointConfig,
  endpointName,
  endpointsAfter,
  inboxesOf,
  newEndpoint,
  oldSecretUntil,
  removeEndpoint,
  replyEndpoint,
  replyEndpointId,
  rotated,
} from '../store/endpoints.ts'
import { newId } from '../store/ids.ts'
import { unknownInboxes } from '../store/members.ts'
import { audited } from './audit.ts'
import { ONE_LINE } from './inbox-fields.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf, madeAt } from './requests.ts'

const time = z.string().openapi({ description: 'Milliseconds since the epoch, as a string.' })
const secret = z.string().openapi({
  description: 'Signs what is delivered, as Standard Webhooks has it. Shown this once.',
  example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
})

const how = {
  active: z.boolean().openapi({
    description:
      'false is paused: what happens meanwhile is kept and delivered when it is active again. One that is `off` took nothing since.',
  }),
  state: z.enum(['active', 'paused', 'off']),
  stateReason: z
    .object({ code: z.string(), message: z.string() })
    .nullable()
    .openapi({ description: 'Why it was switched off, where nobody did it.' }),
  stateAt: time.nullable(),
  oldSecretUntil: time.nullable().openapi({
    description: 'Until when the secret before the present one signs, too.',
  }),
}
const counts = {
  waiting: z.int().openapi({ description: 'Deliveries that are still owed.' }),
  dead: z.int().openapi({ description: 'Deliveries that were given up: the dead letter.' }),
  failingSince: time.nullable().openapi({
    description: 'Since when nothing was delivered; null where the last call was.',
  }),
  heldUntil: time
    .nullable()
    .openapi({ description: 'The receiver is down or asked for it: nothing is called before.' }),
}

const EndpointSchema = z
  .object({
    id: z.uuid(),
    description: z.string(),
    url: z.string(),
    types: z.array(z.string()),
    inboxes: z.array(z.uuid()).nullable(),
    ...how,
    createdAt: time,
  })
  .openapi('Endpoint')
const FullEndpointSchema = EndpointSchema.extend(counts).openapi('FullEndpoint')
const ReplyWebhookSchema = z
  .object({
    url: z.string().nullable().openapi({ description: 'Set as `replyWebhookUrl` of the assistant.' }),
    ...how,
    ...counts,
  })
  .openapi('ReplyWebhook')

/** The value itself, as far as somebody may have typed it, and what there is. */
function noType(typed: string): string {
  const known = EVENT_TYPES.join(', ')
  return `${JSON.stringify(typed.slice(0, 60))} is not a type of event; there are * for all, all of a kind as in message.*, and ${known}`
}

const fields = {
  description: z.string().trim().max(200).regex(ONE_LINE, 'must be one line without control characters'),
  url: z.string().trim().max(2_000).openapi({ example: 'https://hooks.example.com/edgedesk' }),
  types: z
    .array(z.string().refine(isTypeFilter, { error: ({ input }) => noType(String(input)) }))
    .min(1)
    .max(50)
    .openapi({
      description: `Which events: \`*\` for all, all of a kind as in \`message.*\`, or one of ${EVENT_TYPES.join(', ')}.`,
      example: ['message.created', 'conversation.*'],
    }),
  inboxes: z
    .array(z.uuid())
    .min(1)
    .max(500)
    .nullable()
    .openapi({ description: 'Of which inboxes; null is all of them.' }),
}
const NewEndpoint = z
  .strictObject({
    ...fields,
    description: fields.description.default(''),
    inboxes: fields.inboxes.default(null),
  })
  .openapi('NewEndpoint')
const EndpointChange = z
  .strictObject({ ...fields, active: how.active })
  .partial()
  .openapi('EndpointChange')

const DeliverySchema = z
  .object({
    id: z.string().openapi({ description: 'The `webhook-id`: the same on every call.' }),
    type: z.string(),
    conversation: z.uuid(),
    sequence: z.int(),
    state: z.enum(['waiting', 'delivered', 'dead']),
    attempts: z.int(),
    problem: z
      .string()
      .nullable()
      .openapi({ description: 'What came of the last call, or why it was given up.' }),
    nextAttemptAt: time.nullable().openapi({
      description: 'null where it is over, or waits for an earlier event of its conversation.',
    }),
    settledAt: time.nullable(),
    createdAt: time,
  })
  .openapi('Delivery')
const FullDeliverySchema = DeliverySchema.extend({
  attemptLog: z.array(
    z.object({
      at: time,
      durationMs: z.int(),
      status: z.int().nullable().openapi({ description: 'null where nothing was answered.' }),
      answer: z.string().openapi({ description: 'The first kilobyte of what was answered.' }),
      error: z.string().nullable(),
    }),
  ),
  body: z.string().openapi({ description: 'What is sent, byte for byte the same on every call.' }),
}).openapi('FullDelivery')

const Tested = z
  .object({
    ok: z.boolean(),
    status: z.int().nullable(),
    durationMs: z.int(),
    answer: z.string(),
    error: z.string().nullable(),
  })
  .openapi('EndpointTest')

const json = <T extends z.ZodType>(description: string, schema: T) => ({
  200: { description, content: { 'application/json': { schema } } },
})
const replayed = json('How many are owed again', z.object({ replayed: z.int() }))
const asked = ['unknown_field', 'unauthorized', 'forbidden'] as const
const found = ['not_found', ...asked] as const
const written = ['bad_json', 'missing_field', 'invalid_field', 'host_refused', ...asked] as const
const withBody = ['bad_json', 'missing_field', 'invalid_field', ...found] as const

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List webhooks, the oldest first',
  request: { query: z.strictObject({ limit, cursor }) },
  responses: {
    ...json('A page', listOf('Endpoints', EndpointSchema)),
    ...refusals('invalid_field', ...asked),
  },
})

const add = createRoute({
  method: 'post',
  path: '/',
  summary: 'Add a webhook; its secret is shown this once',
  description:
    'It is called with `POST` for each event from now on, in the order of each conversation, until it answers 2xx. See docs/webhooks.md for how to verify what comes.',
  request: { body: jsonBody(NewEndpoint) },
  responses: {
    ...json('The webhook and its secret', z.object({ secret, endpoint: EndpointSchema })),
    ...refusals('endpoint_limit', ...written),
  },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One webhook, and how its receiver fares',
  request: byId,
  responses: { ...json('The webhook', FullEndpointSchema), ...refusals(...found) },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change a webhook; pause it, or switch it on again',
  description: 'What is not named stays. What is owed already goes to the new address.',
  request: { ...byId, body: jsonBody(EndpointChange) },
  responses: { ...json('The webhook', EndpointSchema), ...refusals('not_found', ...written) },
})

const remove = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Remove a webhook, with its log and with what it is still owed',
  request: byId,
  responses: {
    ...json('Removed', z.object({ id: z.uuid(), deleted: z.literal(true) })),
    ...refusals(...found),
  },
})

const test = createRoute({
  method: 'post',
  path: '/{id}/test',
  summary: 'Send a ping, and say what came back',
  description: 'One signed call of the type `ping`, now, whether it is paused or not. It is not in the log.',
  request: byId,
  responses: { ...json('What came back', Tested), ...refusals(...found) },
})

const showReply = createRoute({
  method: 'get',
  path: '/{id}/reply-webhook',
  summary: 'How the reply webhook of an assistant fares',
  request: byId,
  responses: { ...json('The reply webhook', ReplyWebhookSchema), ...refusals(...found) },
})

const changeReply = createRoute({
  method: 'patch',
  path: '/{id}/reply-webhook',
  summary: 'Pause the reply webhook of an assistant, or switch it on again',
  request: { ...byId, body: jsonBody(z.strictObject({ active: how.active })) },
  responses: { ...json('The reply webhook', ReplyWebhookSchema), ...refusals(...withBody) },
})

/** What every webhook has below its address: its secret, its log, and replays. */
function belongings<Base extends string>(
  base: Base,
  find: (env: Env, siteId: string, id: string) => Promise<EndpointRow>,
) {
  const oneDelivery = {
    params: z.object({ id: z.string(), deliveryId: z.string() }),
  }
  const rotate = createRoute({
    method: 'post',
    path: `${base}/rotate` as `${Base}/rotate`,
    summary: 'Replace the secret; the new one is shown this once',
    description:
      'Both sign for as long as `overlapHours` says, so that a receiver can be changed in between.',
    request: {
      ...byId,
      body: {
        required: false as const,
        content: {
          'application/json': {
            schema: z
              .strictObject({
                overlapHours: z.number().min(0).max(168).optional().openapi({
                  description: 'With 0 the secrets before are good no more: for one that leaked.',
                  default: 24,
                }),
              })
              .openapi('Rotation'),
          },
        },
      },
    },
    responses: {
      ...json('The new secret', z.object({ secret, oldSecretUntil: time.nullable() })),
      ...refusals('bad_json', 'invalid_field', 'conflict', ...found),
    },
  })
  const deliveries = createRoute({
    method: 'get',
    path: `${base}/deliveries` as `${Base}/deliveries`,
    summary: 'What was delivered, waits or is dead, the newest first',
    description: 'The log goes back 30 days and 10,000 deliveries of each kind.',
    request: {
      params: byId.params,
      query: z.strictObject({
        state: z.enum(['waiting', 'delivered', 'dead']).optional(),
        limit,
        cursor,
      }),
    },
    responses: {
      ...json('A page', listOf('Deliveries', DeliverySchema)),
      ...refusals('invalid_field', ...found),
    },
  })
  const delivery = createRoute({
    method: 'get',
    path: `${base}/deliveries/{deliveryId}` as `${Base}/deliveries/{deliveryId}`,
    summary: 'One delivery, with its body and every call for it',
    request: oneDelivery,
    responses: { ...json('The delivery', FullDeliverySchema), ...refusals(...found) },
  })
  const replayOne = createRoute({
    method: 'post',
    path: `${base}/deliveries/{deliveryId}/replay` as `${Base}/deliveries/{deliveryId}/replay`,
    summary: 'Deliver one again, under the same id',
    description: 'One that still waits goes on waiting: `replayed` is 0 then.',
    request: oneDelivery,
    responses: { ...replayed, ...refusals('endpoint_off', ...found) },
  })
  const replay = createRoute({
    method: 'post',
    path: `${base}/replay` as `${Base}/replay`,
    summary: 'Deliver again all that is dead, or everything since a time',
    description: 'Under the same ids, and each conversation in its order.',
    request: {
      ...byId,
      body: jsonBody(
        z
          .union([
            z.strictObject({ state: z.literal('dead') }),
            z.strictObject({
              since: z.string().regex(/^\d{1,15}$/, 'must be milliseconds since the epoch, as a string'),
            }),
          ])
          .openapi('Replay'),
      ),
    },
    responses: { ...replayed, ...refusals('endpoint_off', ...withBody) },
  })

  return noun()
    .openapi(rotate, async c => {
      const row = await find(c.env, c.get('siteId'), c.req.valid('param').id)
      const { overlapHours = 24 } = c.req.valid('json') ?? {}
      const at = Date.now()
      const fresh = await rotated(c.env, row, overlapHours * 3_600_000, at)
      // Of two who replace it at once, one is told so: the secret they were shown would be nobody's.
      if (!(await changeEndpoint(db(c.env.DB), row.siteId, row.id, { secrets: fresh.secrets }, row.version)))
        throw new Refusal('conflict')
      await tell(c.env, row.siteId, row.id)
      const until = oldSecretUntil({ ...row, secrets: fresh.secrets }, at)
      return c.json({ secret: fresh.secret, oldSecretUntil: until === null ? null : String(until) }, 200)
    })
    .openapi(deliveries, async c => {
      const query = c.req.valid('query')
      const row = await find(c.env, c.get('siteId'), c.req.valid('param').id)
      const before = readCursor(query.cursor, z.tuple([z.int()]))?.[0] ?? null
      const rows = await objectOf(c.env, row).deliveries(query.state ?? null, before, query.limit + 1)
      const { page, next } = pageOf(rows, query.limit, one => [one.n])
      return c.json({ items: page.map(deliveryJson), next }, 200)
    })
    .openapi(delivery, async c => {
      const row = await find(c.env, c.get('siteId'), c.req.valid('param').id)
      const one = await objectOf(c.env, row).delivery(c.req.valid('param').deliveryId)
      if (!one) throw new Refusal('not_found')
      const attemptLog = one.attempts.map(({ at, ...attempt }) => ({ at: String(at), ...attempt }))
      return c.json({ ...deliveryJson(one.delivery), attemptLog, body: one.body }, 200)
    })
    .openapi(replayOne, async c => {
      const row = await find(c.env, c.get('siteId'), c.req.valid('param').id)
      const { deliveryId } = c.req.valid('param')
      if (!(await objectOf(c.env, row).delivery(deliveryId))) throw new Refusal('not_found')
      return c.json({ replayed: await again(c.env, row, { id: deliveryId }) }, 200)
    })
    .openapi(replay, async c => {
      const row = await find(c.env, c.get('siteId'), c.req.valid('param').id)
      const which = c.req.valid('json')
      return c.json(
        { replayed: await again(c.env, row, 'since' in which ? { since: Number(which.since) } : which) },
        200,
      )
    })
}

export const endpoints = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const after = readCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? ''
    const rows = await endpointsAfter(db(c.env.DB), c.get('siteId'), after, query.limit + 1)
    const { page, next } = pageOf(rows, query.limit, row => [row.id])
    return c.json({ items: page.map(endpointJson), next }, 200)
  })
  .openapi(add, async c => {
    const wanted = c.req.valid('json')
    const siteId = c.get('siteId')
    mustBeReachable(c.env, wanted.url)
    const at = madeAt(c)
    const { secret: plain, row } = await newEndpoint(c.env, {
      ...{ siteId, id: await idOf(c), description: wanted.description, url: wanted.url, createdAt: at },
      types: JSON.stringify([...new Set(wanted.types)]),
      inboxes: await inboxList(c.env, siteId, wanted.inboxes),
    })
    if (!(await addEndpoint(c.env.DB, row))) throw new Refusal('endpoint_limit')
    audited(c, { targetId: row.id })
    return c.json({ secret: plain, endpoint: endpointJson(row) }, 200)
  })
  .openapi(show, async c => {
    const row = await ownEndpoint(c.env, c.get('siteId'), c.req.valid('param').id)
    return c.json({ ...endpointJson(row), ...(await countsOf(c.env, row)) }, 200)
  })
  .openapi(change, async c => {
    const wanted = c.req.valid('json')
    const row = await ownEndpoint(c.env, c.get('siteId'), c.req.valid('param').id)
    if (wanted.url !== undefined) mustBeReachable(c.env, wanted.url)
    const { description, url, types, inboxes } = wanted
    await changeEndpoint(db(c.env.DB), row.siteId, row.id, {
      ...(description === undefined ? {} : { description }),
      ...(url === undefined ? {} : { url }),
      ...(types === undefined ? {} : { types: JSON.stringify([...new Set(types)]) }),
      ...(inboxes === undefined ? {} : { inboxes: await inboxList(c.env, row.siteId, inboxes) }),
      ...stateFor(row, wanted.active),
    })
    await tell(c.env, row.siteId, row.id)
    return c.json(endpointJson(await ownEndpoint(c.env, row.siteId, row.id)), 200)
  })
  .openapi(remove, async c => {
    const row = await ownEndpoint(c.env, c.get('siteId'), c.req.valid('param').id)
    await removeEndpoint(db(c.env.DB), row.siteId, row.id)
    await objectOf(c.env, row).erase()
    return c.json({ id: row.id, deleted: true as const }, 200)
  })
  .openapi(test, async c => {
    const row = await ownEndpoint(c.env, c.get('siteId'), c.req.valid('param').id)
    const config = await endpointConfig(c.env.DB, row.siteId, row.id)
    if (!config) throw new Refusal('not_found')
    const at = Date.now()
    const ping = {
      type: 'ping',
      at,
      data: JSON.stringify({ endpoint: row.id }),
      seq: 0,
      conversationId: null,
    }
    const { answer, durationMs, error } = await call(c.env, config, { id: newId(at), body: eventBody(ping) })
    return c.json({ ok: error === null, ...shownOf(answer), durationMs, error }, 200)
  })
  .route('/', belongings('/{id}', ownEndpoint))

export const replyWebhooks = noun()
  .openapi(showReply, async c => {
    const row = await replyRow(c.env, c.get('siteId'), c.req.valid('param').id)
    return c.json(await replyJson(c.env, row), 200)
  })
  .openapi(changeReply, async c => {
    const row = await replyRow(c.env, c.get('siteId'), c.req.valid('param').id)
    await changeEndpoint(db(c.env.DB), row.siteId, row.id, stateFor(row, c.req.valid('json').active))
    await tell(c.env, row.siteId, row.id)
    return c.json(await replyJson(c.env, await replyRow(c.env, row.siteId, row.assistantId!)), 200)
  })
  .route('/', belongings('/{id}/reply-webhook', replyRow))

/** An assistant was changed or removed, and with it perhaps where its answers go. */
export async function tellReplyWebhook(env: Env, siteId: string, assistantId: string): Promise<void> {
  const row = await endpointById(db(env.DB), siteId, replyEndpointId(assistantId))
  if (!row) return
  if (await assistantById(db(env.DB), siteId, assistantId)) {
    await changeEndpoint(db(env.DB), siteId, row.id, {})
    await tell(env, siteId, row.id)
  } else {
    await removeEndpoint(db(env.DB), siteId, row.id)
    await objectOf(env, row).erase()
  }
}

async function ownEndpoint(env: Env, siteId: string, id: string): Promise<EndpointRow> {
  const row = isUuid(id) && (await endpointById(db(env.DB), siteId, id))
  if (!row) throw new Refusal('not_found')
  return row
}

async function replyRow(env: Env, siteId: string, id: string): Promise<EndpointRow> {
  const assistant = isUuid(id) && (await assistantById(db(env.DB), siteId, id))
  const row = assistant && (await replyEndpoint(env, siteId, assistant.id))
  if (!row) throw new Refusal('not_found')
  return row
}

function objectOf(env: Env, { siteId, id }: Pick<EndpointRow, 'siteId' | 'id'>) {
  return env.ENDPOINT.getByName(endpointName(siteId, id))
}

/** The object goes by what it knows until it is told. */
async function tell(env: Env, siteId: string, id: string): Promise<void> {
  const config = await endpointConfig(env.DB, siteId, id)
  if (config) await objectOf(env, config).configure(config)
}

async function again(
  env: Env,
  row: EndpointRow,
  which: { id: string } | { state: 'dead' } | { since: number },
): Promise<number> {
  const config = await endpointConfig(env.DB, row.siteId, row.id)
  if (config?.state === 'off') throw new Refusal('endpoint_off')
  return objectOf(env, row).replay(which)
}

function stateFor(row: EndpointRow, active: boolean | undefined): Partial<EndpointRow> {
  if (active === undefined || active === (row.state === 'active')) return {}
  return { state: active ? 'active' : 'paused', stateReason: null, stateAt: Date.now() }
}

/** @throws Refusal */
function mustBeReachable(env: Env, url: string): void {
  const refused = checkUrl(url, settings(env).DEV)
  if (refused) throw new Refusal(refused.code, refused.message, 'url')
}

async function inboxList(env: Env, siteId: string, ids: string[] | null): Promise<string | null> {
  if (ids === null) return null
  const [unknown] = await unknownInboxes(db(env.DB), siteId, ids)
  if (unknown) throw new Refusal('invalid_field', `There is no inbox with the id ${unknown}.`, 'inboxes')
  return JSON.stringify([...new Set(ids)])
}

async function countsOf(env: Env, row: EndpointRow) {
  const { waiting, dead, failingSince, heldUntil } = await objectOf(env, row).status()
  return { waiting, dead, failingSince: text(failingSince), heldUntil: text(heldUntil) }
}

function endpointJson(row: EndpointRow): z.infer<typeof EndpointSchema> {
  return {
    id: row.id,
    description: row.description,
    url: row.url,
    types: JSON.parse(row.types) as string[],
    inboxes: inboxesOf(row),
    ...howOf(row),
    createdAt: String(row.createdAt),
  }
}

async function replyJson(env: Env, row: EndpointRow): Promise<z.infer<typeof ReplyWebhookSchema>> {
  const assistant = await assistantById(db(env.DB), row.siteId, row.assistantId!)
  const url = assistant ? settingsOf(assistant).replyWebhookUrl : null
  return { url, ...howOf(row), ...(await countsOf(env, row)) }
}

function howOf(row: EndpointRow) {
  return {
    active: row.state === 'active',
    state: row.state,
    stateReason:
      row.stateReason === null
        ? null
        : { code: row.stateReason, message: OFF_REASONS[row.stateReason as OffReason] },
    stateAt: text(row.stateAt),
    oldSecretUntil: text(oldSecretUntil(row, Date.now())),
  }
}

function deliveryJson(one: Delivery): z.infer<typeof DeliverySchema> {
  return {
    id: one.id,
    type: one.type,
    conversation: one.conversationId,
    sequence: one.seq,
    state: one.state,
    attempts: one.attempts,
    problem: one.problem,
    nextAttemptAt: text(one.nextAt),
    settledAt: text(one.settledAt),
    createdAt: String(one.takenAt),
  }
}

function shownOf(answer: Answer): { status: number | null; answer: string } {
  return answer.kind === 'answered'
    ? { status: answer.status, answer: answer.text }
    : { status: null, answer: '' }
}

function text(at: number | null): string | null {
  return at === null ? null : String(at)
}
