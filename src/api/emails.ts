/** E-mails as mails: where one is and why nothing came of it, and those that could not be read. */
import { createRoute, z } from '@hono/zod-openapi'
import { normaliseAddress } from '../domain/address.ts'
import type { Message } from '../domain/conversation.ts'
import { isUuid } from '../domain/ids.ts'
import { problem } from '../domain/problem.ts'
import { idKey } from '../domain/thread.ts'
import { type TraceFacts, trace } from '../domain/trace.ts'
import { settings } from '../env.ts'
import type { Findings, FoundHere, FoundThere, MailToFind } from '../mailbox/find.ts'
import { type CopiedDetails, conversationById, messageById, messagesById } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { type InboxRow, inboxById, inboxesOf } from '../store/inboxes.ts'
import { answersTo, type MessageRow, messagesNamed, messagesWith, quarantined } from '../store/traces.ts'
import { MessageSchema, messageJson } from '../wire/message.ts'
import { seesInbox, type Who } from './access.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'

/** So many inboxes are asked at once; a site has a handful. */
const MOST_INBOXES = 50
/** Tried in one request; the next takes the rest. */
const REREAD_TOGETHER = 25

const moment = z.string().nullable().openapi({ description: 'Milliseconds since the epoch, as a string.' })

const TraceSchema = z
  .object({
    state: z.enum([
      ...([
        'not_synced',
        'other_folder',
        'before_connection',
        'passed',
        'stored',
        'erased',
        'quarantined',
      ] as const),
      ...(['outgoing', 'answered', 'drafted', 'held', 'failed', 'in_the_making', 'silent'] as const),
    ]),
    sentence: z.string().openapi({ description: 'Where it is and why, to be read.' }),
    at: moment,
    inbox: z.object({ id: z.uuid(), name: z.string() }),
    folder: z.string().nullable(),
    receivedAt: moment,
    messageId: z.string().nullable().openapi({ description: 'The Message-ID of the mail.' }),
    subject: z.string().nullable(),
    from: z.string().nullable(),
    message: z.uuid().nullable(),
    conversation: z.uuid().nullable(),
  })
  .openapi('Trace')

const traceRoute = createRoute({
  method: 'get',
  path: '/trace',
  summary: 'Where a mail is, in a sentence',
  description:
    'By its Message-ID, or all the latest of an address: not yet synced, outside the watched folders, from before the connection, held and by which rule, in quarantine, in which conversation, answered and when. The mail servers are looked through too; one that cannot be asked is named in `unreachable`.',
  request: {
    query: z.strictObject({
      address: z.string().trim().min(3).max(320).optional().openapi({ example: 'alice@example.com' }),
      messageId: z.string().trim().min(1).max(998).optional().openapi({ example: '<1@mail.example>' }),
    }),
  },
  responses: {
    200: {
      description: 'What is known of it, the newest first',
      content: {
        'application/json': {
          schema: z
            .object({
              items: z.array(TraceSchema).openapi({ description: 'At most some forty.' }),
              sentence: z.string().nullable().openapi({ description: 'Where nothing is known of it.' }),
              unreachable: z.array(z.object({ inbox: z.uuid(), name: z.string(), sentence: z.string() })),
            })
            .openapi('Traces'),
        },
      },
    },
    ...refusals('missing_field', 'invalid_field', 'unknown_field', 'unauthorized'),
  },
})

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'Mails that could not be read, the oldest first',
  request: { query: z.strictObject({ state: z.literal('quarantined'), limit, cursor }) },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('QuarantinedEmails', MessageSchema) } },
    },
    ...refusals('missing_field', 'invalid_field', 'unknown_field', 'unauthorized'),
  },
})

const reparse = createRoute({
  method: 'post',
  path: '/{id}/reparse',
  summary: 'Read a mail in quarantine again',
  description:
    'What it says takes its place in its conversation; at most a draft is made of it, nothing is sent.',
  request: byId,
  responses: {
    200: { description: 'The message', content: { 'application/json': { schema: MessageSchema } } },
    ...refusals(
      ...(['unknown_field', 'not_found', 'unauthorized', 'not_quarantined', 'unreadable'] as const),
      ...([
        'mail_missing',
        'inbox_disconnected',
        'credentials',
        'unreachable',
        'timeout',
        'busy',
        'bridge_unavailable',
      ] as const),
    ),
  },
})

const reparseAll = createRoute({
  method: 'post',
  path: '/reparse',
  summary: 'Read all mails in quarantine again, after an upgrade',
  description: `At most ${REREAD_TOGETHER} a request; with \`next\` the rest.`,
  request: { query: z.strictObject({ cursor }) },
  responses: {
    200: {
      description: 'How it went',
      content: {
        'application/json': {
          schema: z
            .object({
              read: z.array(z.uuid()),
              unread: z.array(z.object({ id: z.uuid(), code: z.string(), message: z.string() })),
              next: z.string().nullable(),
            })
            .openapi('Reparsed'),
        },
      },
    },
    ...refusals('invalid_field', 'unknown_field', 'unauthorized', 'forbidden'),
  },
})

export const emails = noun()
  .openapi(traceRoute, async c => {
    const { address, messageId } = c.req.valid('query')
    if (address !== undefined && messageId !== undefined)
      throw new Refusal('invalid_field', 'Give "address" or "messageId", not both.', 'messageId')
    if (address === undefined && messageId === undefined)
      throw new Refusal('missing_field', 'Give either "address" or "messageId".', 'address')
    const order = messageId === undefined ? { address: address! } : { messageId }
    return c.json(await traced(c.env, c.get('siteId'), c.get('who'), order), 200)
  })
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const { page, next } = await quarantinePage(
      c.env,
      c.get('siteId'),
      c.get('who'),
      query.cursor,
      query.limit,
    )
    return c.json({ items: page.map(row => messageJson(row, settings(c.env).PUBLIC_URL)), next }, 200)
  })
  .openapi(reparseAll, async c => {
    const siteId = c.get('siteId')
    const { page, next } = await quarantinePage(
      c.env,
      siteId,
      c.get('who'),
      c.req.valid('query').cursor,
      REREAD_TOGETHER,
    )
    const read: string[] = []
    const unread: { id: string; code: string; message: string }[] = []
    for (const row of page) {
      const why = await rereadOne(c.env, siteId, row)
      if (why) unread.push({ id: row.id, code: why.code, message: why.message })
      else read.push(row.id)
    }
    return c.json({ read, unread, next }, 200)
  })
  .openapi(reparse, async c => {
    const { id } = c.req.valid('param')
    const siteId = c.get('siteId')
    const d1 = db(c.env.DB)
    const row = isUuid(id) && (await messageById(d1, siteId, id))
    if (!row || !(await isVisible(c.env, siteId, c.get('who'), row))) throw new Refusal('not_found')
    const why = await rereadOne(c.env, siteId, row)
    if (why) throw new Refusal(why.code, why.message)
    return c.json(messageJson((await messageById(d1, siteId, id)) ?? row, settings(c.env).PUBLIC_URL), 200)
  })

async function quarantinePage(env: Env, siteId: string, who: Who, from: string | undefined, many: number) {
  const after = readCursor(from, z.tuple([z.int(), z.string()]))
  const position = after && { at: after[0], id: after[1] }
  const rows = await quarantined(db(env.DB), env.DB, siteId, who.inboxes, position, many + 1)
  return pageOf(rows, many, row => [row.createdAt, row.id])
}

/** @returns why it still cannot be read */
async function rereadOne(env: Env, siteId: string, row: MessageRow) {
  const { mail, quarantine } = detailsOf(row)
  if (!mail || !quarantine) return problem('not_quarantined')
  if (!(await inboxById(db(env.DB), siteId, mail.inboxId))) return problem('inbox_disconnected')
  const said = await env.MAILBOX.getByName(`${siteId}/${mail.inboxId}`).reread(mail.mailId)
  return 'problem' in said ? said.problem : null
}

async function traced(
  env: Env,
  siteId: string,
  who: Who,
  asked: { address: string } | { messageId: string },
) {
  const d1 = db(env.DB)
  const order: MailToFind =
    'address' in asked ? { address: normaliseAddress(asked.address) } : { messageId: asked.messageId }
  const inboxes = await inboxesOf(d1, siteId, who.inboxes, null, MOST_INBOXES)
  const [findings, named] = await Promise.all([
    Promise.all(inboxes.map(inbox => findIn(env, siteId, inbox, order))),
    'address' in order
      ? messagesWith(d1, env.DB, siteId, order.address)
      : messagesNamed(d1, env.DB, siteId, idKey(order.messageId)),
  ])
  const mentioned = findings.flatMap(({ mails, out }) => [
    ...mails.flatMap(mail => mail.messageId ?? []),
    ...out.map(mail => mail.id),
  ])
  const known = new Set(named.map(row => row.id))
  const rows = [
    ...named,
    ...(await messagesById(
      d1,
      siteId,
      [...new Set(mentioned)].filter(id => !known.has(id)),
    )),
  ]
  // Where the mailbox put it, which is not where it is now if conversations were merged meanwhile.
  const first = new Map(
    findings.flatMap(({ mails }) => mails.map(mail => [mail.messageId, mail.conversationId] as const)),
  )
  const items = await Promise.all([
    ...rows.map(row => ofMessage(env, siteId, who, row, inboxes, first.get(row.id) ?? null)),
    ...inboxes.map((inbox, n) => ofFindings(inbox, findings[n]!, new Set(rows.map(row => row.id)), who)),
  ])
  const all = items.flat()
  return {
    items: all.toSorted((a, b) => Number(b.receivedAt ?? 0) - Number(a.receivedAt ?? 0)),
    sentence: all.length > 0 ? null : NOTHING,
    unreachable: findings.flatMap(({ server }, n) =>
      'code' in server ? [{ inbox: inboxes[n]!.id, name: inboxes[n]!.name, sentence: server.message }] : [],
    ),
  }
}

const NOTHING =
  'Nothing is known of it: no inbox of yours has it, and it is in no folder of a mail server that could be asked.'

type Item = z.infer<typeof TraceSchema>

async function ofMessage(
  env: Env,
  siteId: string,
  who: Who,
  row: MessageRow,
  inboxes: InboxRow[],
  placedIn: string | null,
): Promise<Item[]> {
  const details = detailsOf(row)
  const inbox = inboxes.find(one => one.id === details.mail?.inboxId)
  if (!inbox || !(await isVisible(env, siteId, who, row))) return []
  const { rfcId = null } = details.mail ?? {}
  const answers = await answersTo(db(env.DB), env.DB, siteId, { ...row, rfcId: rfcId ?? '' })
  const there = await conversationById(db(env.DB), siteId, row.conversationId)
  const facts: TraceFacts = {
    there: null,
    here: null,
    message: asMessage(row),
    answers: answers.map(asMessage),
    merged: placedIn !== null && placedIn !== row.conversationId,
    owner: there?.conversation.owner === 'person' ? 'person' : 'assistant',
    inbox: factsOf(inbox, null),
  }
  return [
    {
      ...said(facts),
      inbox: { id: inbox.id, name: inbox.name },
      folder: null,
      receivedAt: String(row.createdAt),
      messageId: rfcId,
      subject: details.subject ?? null,
      from: row.direction === 'incoming' ? row.senderName : (details.mail?.ours ?? null),
      message: row.id,
      conversation: row.conversationId,
    },
  ]
}

/** What is stored and not yet a message, and what lies on the server only. */
function ofFindings(
  inbox: InboxRow,
  { mails, server, status }: Found,
  known: ReadonlySet<string>,
  who: Who,
): Item[] {
  const here = mails.filter(mail => mail.messageId === null || !known.has(mail.messageId))
  // What lies in folders that the inbox does not watch is the mailbox owner's, and for those who may change the inbox.
  const mayKnow = (mail: FoundThere) =>
    mail.where !== 'here' && (who.role !== 'agent' || mail.where !== 'other_folder')
  const there = 'code' in server ? [] : server.filter(mayKnow)
  const item = (facts: TraceFacts, mail: FoundHere | FoundThere): Item => ({
    ...said(facts),
    inbox: { id: inbox.id, name: inbox.name },
    folder: mail.folder,
    receivedAt: String(mail.internalDate),
    messageId: mail.rfcId && `<${mail.rfcId}>`,
    subject: 'subject' in mail ? mail.subject : null,
    from: mail.writer,
    message: null,
    conversation: null,
  })
  const facts = (about: Partial<TraceFacts>): TraceFacts => ({
    ...{
      there: null,
      here: null,
      message: null,
      answers: [],
      merged: false,
      owner: 'assistant',
      inbox: factsOf(inbox, status),
    },
    ...about,
  })
  return [
    ...here.map(mail => item(facts({ here: mail }), mail)),
    ...there.map(mail => item(facts({ there: mail }), mail)),
  ]
}

interface Found extends Findings {
  status: { dueAt: number } | null
}

async function findIn(env: Env, siteId: string, inbox: InboxRow, order: MailToFind): Promise<Found> {
  const stub = env.MAILBOX.getByName(`${siteId}/${inbox.id}`)
  const [found, status] = await Promise.all([stub.find(order), stub.status()])
  return { ...found, status }
}

function factsOf(inbox: InboxRow, status: Found['status']): TraceFacts['inbox'] {
  const { paused, state, stateReason } = inbox
  return { paused, state, reason: stateReason, nextSyncAt: status?.dueAt ?? null }
}

function said(facts: TraceFacts): Pick<Item, 'state' | 'sentence' | 'at'> {
  const { state, sentence, at } = trace(facts, time => new Date(time).toISOString())
  return { state, sentence, at: at === null ? null : String(at) }
}

function asMessage(
  row: MessageRow,
): Pick<Message, 'direction' | 'delivery' | 'details' | 'createdAt' | 'sender'> {
  const details = detailsOf(row)
  return {
    direction: row.direction as Message['direction'],
    delivery: details.delivery ?? null,
    details,
    createdAt: row.createdAt,
    sender: { kind: row.senderKind as Message['sender']['kind'], id: row.senderId, name: row.senderName },
  }
}

function detailsOf(row: MessageRow): CopiedDetails {
  return JSON.parse(row.details) as CopiedDetails
}

async function isVisible(env: Env, siteId: string, who: Who, row: MessageRow): Promise<boolean> {
  if (who.inboxes === null) return true
  const there = await conversationById(db(env.DB), siteId, row.conversationId)
  return there !== undefined && seesInbox(who, there.conversation.inboxId)
}
