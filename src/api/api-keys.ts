/** API keys: what programs ask with, each with no more rights than it needs. */
import { createRoute, z } from '@hono/zod-openapi'
import { beyond, INBOX_SCOPES, SCOPES, type Scope } from '../domain/access.ts'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import {
  type ApiKey,
  apiKeyById,
  apiKeysBefore,
  changeApiKey,
  createApiKey,
  inboxesOfKey,
  removeApiKey,
  scopesOf,
  USUAL_RATE,
} from '../store/api-keys.ts'
import { db } from '../store/db.ts'
import { unknownInboxes } from '../store/members.ts'
import type { Who } from './access.ts'
import { audited, changesOf } from './audit.ts'
import { oneLine } from './inbox-fields.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf, madeAt } from './requests.ts'

const scopes = z
  .array(z.enum(SCOPES))
  .min(1)
  .max(SCOPES.length)
  .nullable()
  .openapi({
    description:
      'What the key may do; `write` does not include `read`. Null is everything, which only an owner gives away, as `members:write` and `keys:write`.',
    example: ['conversations:read', 'messages:write'],
  })
const inboxes = z
  .array(z.uuid())
  .min(1)
  .max(500)
  .nullable()
  .openapi({
    description: `The inboxes it may see; null is all of them. Where it is not, only these scopes may be given: ${INBOX_SCOPES.join(', ')}.`,
  })
const rateLimit = z
  .int()
  .min(1)
  .max(1_000_000)
  .openapi({ description: 'Requests a minute.', example: USUAL_RATE })
const expiresAt = z
  .string()
  .regex(/^\d{13}$/, 'must be milliseconds as a string')
  .nullable()
  .openapi({ description: 'From when on it is good no more; milliseconds as a string.' })

const ApiKeySchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    prefix: z
      .string()
      .openapi({ description: 'How the key begins; the rest is secret.', example: 'ed_0193…' }),
    scopes,
    inboxes,
    rateLimit,
    createdBy: z
      .object({ kind: z.enum(['key', 'member']), id: z.string(), name: z.string() })
      .nullable()
      .openapi({ description: 'Null of the first one, which the deployment made.' }),
    expiresAt,
    lastUsedAt: z.string().nullable().openapi({ description: 'To the minute; milliseconds as a string.' }),
    createdAt: z.string(),
  })
  .openapi('ApiKey')

const fields = { name: oneLine(200), scopes, inboxes, rateLimit, expiresAt }
const NewApiKey = z
  .strictObject({
    ...fields,
    inboxes: inboxes.default(null),
    rateLimit: rateLimit.default(USUAL_RATE),
    expiresAt: expiresAt.default(null),
  })
  .openapi('NewApiKey')
const ApiKeyChange = z.strictObject(fields).partial().openapi('ApiKeyChange')

const shown = {
  200: {
    description: 'The key, without its secret',
    content: { 'application/json': { schema: ApiKeySchema } },
  },
}
const asked = ['unknown_field', 'unauthorized', 'forbidden', 'rate_limited'] as const
const written = ['bad_json', 'missing_field', 'invalid_field', ...asked] as const

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List API keys, the newest first',
  request: { query: z.strictObject({ limit, cursor }) },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('ApiKeys', ApiKeySchema) } },
    },
    ...refusals('invalid_field', ...asked),
  },
})

const create = createRoute({
  method: 'post',
  path: '/',
  summary: 'Make an API key; its text is shown this once',
  request: { body: jsonBody(NewApiKey) },
  responses: {
    200: {
      description: 'The key',
      content: {
        'application/json': {
          schema: ApiKeySchema.extend({
            key: z
              .string()
              .openapi({ description: 'Send it as `Authorization: Api-Key …`.', example: 'ed_…' }),
          }).openapi('FreshApiKey'),
        },
      },
    },
    ...refusals(...written),
  },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One API key',
  request: byId,
  responses: { ...shown, ...refusals('not_found', ...asked) },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change an API key',
  description: 'What is not named stays. Nobody gives a key more than they could give a new one.',
  request: { ...byId, body: jsonBody(ApiKeyChange) },
  responses: { ...shown, ...refusals('not_found', ...written) },
})

const revoke = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Revoke an API key, at once',
  request: byId,
  responses: {
    200: {
      description: 'Revoked',
      content: { 'application/json': { schema: z.object({ id: z.uuid(), deleted: z.literal(true) }) } },
    },
    ...refusals('not_found', ...asked),
  },
})

export const apiKeys = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const before = readCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? null
    const rows = await apiKeysBefore(db(c.env.DB), c.get('siteId'), before, query.limit + 1)
    const { page, next } = pageOf(rows, query.limit, row => [row.id])
    return c.json({ items: page.map(keyJson), next }, 200)
  })
  .openapi(create, async c => {
    const wanted = c.req.valid('json')
    const siteId = c.get('siteId')
    const who = c.get('who')
    await mayBeGiven(c.env, siteId, who, wanted)
    const { key, row } = await createApiKey(
      db(c.env.DB),
      settings(c.env).KEK,
      siteId,
      {
        name: wanted.name,
        ...columnsOf(wanted),
        rateLimit: wanted.rateLimit,
        expiresAt: wanted.expiresAt === null ? null : Number(wanted.expiresAt),
        createdBy: JSON.stringify({ kind: who.kind, id: who.id, name: who.name }),
      },
      madeAt(c),
      await idOf(c),
    )
    const made = keyJson(row)
    audited(c, { targetId: row.id, changes: changesOf(NOTHING, made, TOLD) })
    return c.json({ ...made, key }, 200)
  })
  .openapi(show, async c =>
    c.json(keyJson(await found(c.env, c.get('siteId'), c.req.valid('param').id)), 200),
  )
  .openapi(change, async c => {
    const wanted = c.req.valid('json')
    const siteId = c.get('siteId')
    const key = await found(c.env, siteId, c.req.valid('param').id)
    const before = keyJson(key)
    const after = { ...before, ...wanted }
    await mayBeGiven(c.env, siteId, c.get('who'), after)
    const columns = {
      name: after.name,
      ...columnsOf(after),
      rateLimit: after.rateLimit,
      expiresAt: after.expiresAt === null ? null : Number(after.expiresAt),
    }
    if (!(await changeApiKey(db(c.env.DB), siteId, key.id, columns))) throw new Refusal('not_found')
    audited(c, { changes: changesOf(before, after, TOLD) })
    return c.json(keyJson({ ...key, ...columns }), 200)
  })
  .openapi(revoke, async c => {
    const siteId = c.get('siteId')
    const key = await found(c.env, siteId, c.req.valid('param').id)
    if (!(await removeApiKey(db(c.env.DB), siteId, key.id))) throw new Refusal('not_found')
    audited(c, { changes: changesOf(keyJson(key), NOTHING, ['name']) })
    return c.json({ id: key.id, deleted: true as const }, 200)
  })

type KeyJson = z.infer<typeof ApiKeySchema>
const TOLD = ['name', 'scopes', 'inboxes', 'rateLimit', 'expiresAt'] as const
const NOTHING = {} as KeyJson

/** Nobody gives away what they have not, and a key of some inboxes has nothing of the whole site. */
async function mayBeGiven(
  env: Env,
  siteId: string,
  who: Who,
  wanted: { scopes: Scope[] | null; inboxes: string[] | null },
): Promise<void> {
  const [tooMuch] = beyond(wanted.scopes, who)
  if (tooMuch)
    throw new Refusal(
      'forbidden',
      who.kind === 'key'
        ? `This API key has not the scope ${tooMuch} itself.`
        : `Only an owner makes keys with ${wanted.scopes === null ? 'every scope' : `the scope ${tooMuch}`}.`,
      'scopes',
    )
  if (who.inboxes !== null && !wanted.inboxes?.every(id => who.inboxes!.includes(id)))
    throw new Refusal('forbidden', 'This API key sees fewer inboxes itself.', 'inboxes')
  if (wanted.inboxes === null) return
  const wide = (wanted.scopes ?? SCOPES).find(scope => !INBOX_SCOPES.includes(scope))
  if (wide)
    throw new Refusal(
      'invalid_field',
      `"scopes": ${wide} is of the whole site; leave inboxes null.`,
      'scopes',
    )
  const [unknown] = await unknownInboxes(db(env.DB), siteId, wanted.inboxes)
  if (unknown) throw new Refusal('invalid_field', `There is no inbox with the id ${unknown}.`, 'inboxes')
}

function columnsOf(wanted: { scopes: Scope[] | null; inboxes: string[] | null }) {
  const list = (items: string[] | null) => (items === null ? null : JSON.stringify([...new Set(items)]))
  return { scopes: list(wanted.scopes), inboxes: list(wanted.inboxes) }
}

async function found(env: Env, siteId: string, id: string): Promise<ApiKey> {
  const key = isUuid(id) && (await apiKeyById(db(env.DB), siteId, id))
  if (!key) throw new Refusal('not_found')
  return key
}

function keyJson(key: ApiKey): KeyJson {
  const text = (at: number | null) => (at === null ? null : String(at))
  return {
    id: key.id,
    name: key.name,
    prefix: `ed_${key.id.replaceAll('-', '')}`,
    scopes: scopesOf(key),
    inboxes: inboxesOfKey(key),
    rateLimit: key.rateLimit ?? USUAL_RATE,
    createdBy: key.createdBy === null ? null : JSON.parse(key.createdBy),
    expiresAt: text(key.expiresAt),
    lastUsedAt: text(key.lastUsedAt),
    createdAt: String(key.createdAt),
  }
}
