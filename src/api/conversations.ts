/** Conversations, as seed 003 begins and shows them: listed, changed, forwarded, merged, erased. */
import { createRoute, z } from '@hono/zod-openapi'
import { PRIORITIES, STATUSES } from '../domain/conversation.ts'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import { tellMerges } from '../mailbox/threading.ts'
import { contactById, newContact } from '../store/contacts.ts'
import {
  type ConversationCopy,
  type ConversationFilter,
  conversationById,
  conversationsAmong,
  conversationsByActivity,
  conversationsById,
  copiedConversation,
  copiedRow,
} from '../store/conversations.ts'
import { type Db, db } from '../store/db.ts'
import { forgetAnswers } from '../store/idempotency.ts'
import { inboxById, inboxesById } from '../store/inboxes.ts'
import { inboxesOf, memberById } from '../store/members.ts'
import { mergeConversations, winnerOf } from '../store/merges.ts'
import { findMessages, foundSince } from '../store/search.ts'
import { webChatById } from '../store/web-chats.ts'
import { ConversationSchema, conversationJson, conversationsJson } from '../wire/conversation.ts'
import { seesInbox, type Who } from './access.ts'
import { audited, type Changes, changesOf } from './audit.ts'
import { oneLine } from './inbox-fields.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Moved, moved, Refusal, refusals } from './problems.ts'
import { handOutIf, idOf, primary, readAfter, wrote } from './requests.ts'

const json = <T extends z.ZodType>(schema: T) => ({ 'application/json': { schema } })
const shown = { 200: { description: 'The conversation', content: json(ConversationSchema) } }
const asked = ['unknown_field', 'not_found', 'unauthorized'] as const
const written = ['bad_json', 'missing_field', 'invalid_field', ...asked] as const

const labels = z.array(oneLine(64)).max(20)

const begin = createRoute({
  method: 'post',
  path: '/',
  summary: 'Begin a conversation',
  description:
    'Its id is all that is needed to say something in it, and to know it again in a webhook. Without a contact, a new one without a name is made.',
  request: {
    body: jsonBody(
      z
        .strictObject({
          webChat: z.string().openapi({ description: 'The Web Chat ID, which stands with the assistant.' }),
          contact: z.uuid().optional().openapi({ description: 'Who it is with, where that is known.' }),
          title: oneLine(200).optional(),
        })
        .openapi('NewConversation'),
    ),
  },
  responses: { ...shown, ...refusals(...written, 'forbidden') },
})

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List conversations, the latest activity first',
  description:
    '`inbox` and `status` go together, and `assignee` goes with `status` (`open` where none is named); `contact` goes alone. Each conversation that does not change meanwhile comes once.',
  request: {
    query: z.strictObject({
      inbox: z.uuid().optional().openapi({ description: 'Only those of this inbox.' }),
      status: z.enum(STATUSES).optional(),
      assignee: z.uuid().optional().openapi({ description: 'Only those assigned to this member.' }),
      contact: z.uuid().optional().openapi({ description: 'Only those with this contact.' }),
      text: z.string().trim().min(1).max(500).optional().openapi({
        description: 'Only those with a message that has all these words, the latest such message first.',
      }),
      limit,
      cursor,
    }),
  },
  responses: {
    200: { description: 'A page', content: json(listOf('Conversations', ConversationSchema)) },
    ...refusals('unknown_field', 'invalid_field', 'unauthorized', 'forbidden'),
  },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One conversation',
  request: byId,
  responses: { ...shown, ...moved, ...refusals(...asked) },
})

const ConversationChange = z
  .strictObject({
    title: oneLine(200),
    owner: z.enum(['assistant', 'person']).openapi({
      description:
        'With `person` a person has taken over: what the assistant has not yet let go is called back, and it writes no more. With `assistant` the conversation is handed back.',
    }),
    autoReplyEnabled: z.boolean(),
    read: z.boolean().openapi({ description: 'Whether all of it was read.' }),
    status: z.enum(STATUSES).openapi({
      description: 'A closed or snoozed one is opened again by what its contact writes.',
    }),
    snoozedUntil: z
      .string()
      .regex(/^\d{1,15}$/, 'must be milliseconds since the epoch, as a string')
      .openapi({ description: 'Goes with `snoozed`: when it opens again.', example: '1732495353000' }),
    assignee: z.uuid().nullable().openapi({ description: 'A member; null is nobody.' }),
    priority: z.enum(PRIORITIES).nullable(),
    labels,
  })
  .partial()
  .openapi('ConversationChange')

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change a conversation: who answers, whether it is done, whose it is',
  description: 'What is not named stays.',
  request: { ...byId, body: jsonBody(ConversationChange) },
  responses: { ...shown, ...moved, ...refusals(...written) },
})

const merge = createRoute({
  method: 'post',
  path: '/{id}/merge',
  summary: 'Make one conversation of two',
  description:
    'The answer is the one that stays: the one a person answers, else the older. The id of the other leads to it for ever. Answers that were being made are made once, for both.',
  request: {
    ...byId,
    body: jsonBody(z.strictObject({ with: z.uuid().openapi({ description: 'The other conversation.' }) })),
  },
  responses: { ...shown, ...moved, ...refusals(...written) },
})

const erase = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Erase a conversation, for good',
  description:
    'Its messages, attachments and raw mail are deleted, and what has not left yet does not leave. The mail on the mail server stays where it is and is never taken in again.',
  request: byId,
  responses: {
    204: { description: 'It is gone' },
    ...moved,
    ...refusals(...asked, 'forbidden'),
  },
})

export const conversations = noun()
  .openapi(begin, async c => {
    const { webChat, contact: named, title = '' } = c.req.valid('json')
    const siteId = c.get('siteId')
    const d1 = db(c.env.DB)
    const inbox =
      isUuid(webChat) && seesInbox(c.get('who'), webChat) ? await webChatById(d1, siteId, webChat) : undefined
    if (!inbox) throw new Refusal('not_found', 'There is no web chat with that id.', 'webChat')
    // Contacts belong to no inbox, so who is limited to some cannot ask for one by its id.
    if (named && c.get('who').inboxes !== null)
      throw new Refusal(
        'forbidden',
        'Who sees some inboxes only begins conversations without naming a contact.',
      )
    const id = await idOf(c)
    const at = Date.now()
    const contact = named
      ? await contactById(d1, siteId, named)
      : await newContact(d1, siteId, await idOf(c, 'contact'), at)
    if (!contact) throw new Refusal('invalid_field', 'There is no contact with that id.', 'contact')
    const { name, address } = contact
    const begun = await c.env.CONVERSATION.getByName(`${siteId}/${id}`).begin({
      ...{ siteId, id, inboxId: inbox.id, title, linkedTo: null, createdAt: at },
      contact: { id: contact.id, name, address: address ?? '' },
    })
    if (!begun) throw new Refusal('not_found', 'This conversation was erased.')
    const { state, bookmark } = begun
    wrote(c, bookmark)
    const row = { conversation: copiedConversation(state, null), contact }
    return c.json(conversationJson(row, inbox, undefined, at, settings(c.env).PUBLIC_URL), 200)
  })
  .openapi(list, async c => {
    const { limit, cursor: from, text, ...query } = c.req.valid('query')
    const d1 = readAfter(c)
    const siteId = c.get('siteId')
    const who = c.get('who')
    if (text) return c.json(await searched(c.env, d1, siteId, who, { ...query, text }, from, limit), 200)
    const after = readCursor(from, z.tuple([z.int(), z.string()]))
    const before = after && { at: after[0], id: after[1] }
    const rows = await listed(d1, siteId, who, query, before, limit + 1)
    const { page, next } = pageOf(rows, limit, ({ conversation }) => [
      conversation.lastMessageAt,
      conversation.id,
    ])
    return c.json({ items: await conversationsJson(d1, siteId, page, settings(c.env).PUBLIC_URL), next }, 200)
  })
  .openapi(show, async c => {
    const d1 = readAfter(c)
    const row = await found(c.env, d1, c.get('siteId'), c.get('who'), c.req.valid('param').id)
    return c.json((await conversationsJson(d1, c.get('siteId'), [row], settings(c.env).PUBLIC_URL))[0]!, 200)
  })
  .openapi(change, async c => {
    const siteId = c.get('siteId')
    const d1 = db(c.env.DB)
    const { conversation, contact } = await found(c.env, d1, siteId, c.get('who'), c.req.valid('param').id)
    const wanted = await checked(d1, conversation, c.req.valid('json'))
    const done = await c.env.CONVERSATION.getByName(`${siteId}/${conversation.id}`).change(
      wanted,
      c.get('who').inboxes,
    )
    if ('problem' in done) throw new Refusal(done.problem.code, done.problem.message)
    wrote(c, done.bookmark)
    const { state, last } = done
    audited(c, { changes: changedIn(wanted, conversation, copiedConversation(state, null)) })
    const now = { conversation: copiedConversation(state, null), contact }
    const inbox = await inboxById(d1, siteId, state.inboxId)
    const lastRow = last ? copiedRow(siteId, state.id, last) : undefined
    return c.json(conversationJson(now, inbox, lastRow, Date.now(), settings(c.env).PUBLIC_URL), 200)
  })
  .openapi(merge, async c => {
    const siteId = c.get('siteId')
    const d1 = db(c.env.DB)
    const who = c.get('who')
    const { conversation: one } = await found(c.env, d1, siteId, who, c.req.valid('param').id)
    const named = c.req.valid('json').with
    // It may have become part of another one since it was read.
    const other = (await winnerOf(c.env.DB, siteId, named)) ?? named
    const there = await conversationById(d1, siteId, other)
    if (!there || !seesInbox(who, there.conversation.inboxId))
      throw new Refusal('invalid_field', 'There is no conversation with that id.', 'with')
    // A chat and a mailbox answer by ways of their own, and what two people said is nobody's to give to one of them.
    if (
      one.contactId !== there.conversation.contactId ||
      !(await isSameChannel(d1, siteId, one, there.conversation))
    )
      throw new Refusal(
        'invalid_field',
        'Only conversations with the same contact, both by e-mail or both in a chat, are made one.',
        'with',
      )
    if (other !== one.id)
      await tellMerges(c.env, siteId, await mergeConversations(c.env.DB, siteId, [one.id, other], Date.now()))
    const stays = (await winnerOf(c.env.DB, siteId, one.id)) ?? one.id
    const after = primary(c)
    const row = await found(c.env, db(after.d1), siteId, who, stays)
    after.handOut()
    return c.json((await conversationsJson(d1, siteId, [row], settings(c.env).PUBLIC_URL))[0]!, 200)
  })
  .openapi(erase, async c => {
    const { id } = c.req.valid('param')
    const siteId = c.get('siteId')
    await found(c.env, db(c.env.DB), siteId, c.get('who'), id)
    await c.env.CONVERSATION.getByName(`${siteId}/${id}`).erase()
    await forgetAnswers(db(c.env.DB), siteId)
    await handOutIf(c, async d1 => (await conversationById(d1, siteId, id)) === undefined)
    return c.body(null, 204)
  })

const TOLD = [
  'status',
  'snoozedUntil',
  'owner',
  'autoReplyEnabled',
  'assignee',
  'priority',
  'labels',
] as const

/** For the audit log, of what was asked for: that something was read changes nothing, and a title is what somebody wrote. */
function changedIn(wanted: object, before: ConversationCopy, after: ConversationCopy): Changes {
  const asked = (field: string) => field in wanted
  return changesOf(told(before), told(after), TOLD.filter(asked), (['title'] as const).filter(asked))
}

function told({ title, status, owner, autoReplyEnabled, priority, ...row }: ConversationCopy) {
  return {
    ...{ title, status, owner, autoReplyEnabled, priority },
    snoozedUntil: row.snoozedUntil === null ? null : String(row.snoozedUntil),
    assignee: row.assigneeId,
    labels: JSON.parse(row.labels) as string[],
  }
}

/** What stands beside each other in a list is what there is an index for. @throws Refusal */
async function listed(
  d1: Db,
  siteId: string,
  who: Who,
  {
    inbox,
    status,
    assignee,
    contact,
  }: { [K in 'inbox' | 'assignee' | 'contact']?: string } & Pick<ConversationFilter, 'status'>,
  before: { at: number; id: string } | null,
  limit: number,
) {
  if (contact && (inbox || status || assignee))
    throw new Refusal('invalid_field', '"contact" goes with no other filter.', 'contact')
  if (assignee && inbox)
    throw new Refusal('invalid_field', '"assignee" does not go with "inbox".', 'assignee')
  const sees = who.inboxes === null || (inbox !== undefined && seesInbox(who, inbox))
  if (sees)
    return conversationsByActivity(
      d1,
      siteId,
      {
        inboxId: inbox,
        contactId: contact,
        assigneeId: assignee,
        status: assignee ? (status ?? 'open') : status,
      },
      before,
      limit,
    )
  if (contact || assignee)
    throw new Refusal(
      'forbidden',
      'A member whose inboxes are limited lists conversations by inbox and status.',
    )
  return conversationsAmong(d1, siteId, inbox ? [] : (who.inboxes ?? []), status, before, limit)
}

async function isSameChannel(d1: Db, siteId: string, one: { inboxId: string }, other: { inboxId: string }) {
  const inboxes = await inboxesById(d1, siteId, [one.inboxId, other.inboxId])
  return new Set(inboxes.map(inbox => inbox.channelType)).size === 1
}

/** Each by the latest message that has the words. @throws Refusal */
async function searched(
  env: Env,
  d1: Db,
  siteId: string,
  who: Who,
  query: { text: string; inbox?: string | undefined; [other: string]: string | undefined },
  from: string | undefined,
  limit: number,
) {
  const other = ['status', 'assignee', 'contact'].find(name => query[name] !== undefined)
  if (other) throw new Refusal('invalid_field', `"text" goes with "inbox" only, not with "${other}".`, other)
  const { text, inbox } = query
  const after = readCursor(from, z.tuple([z.int()]))?.[0]
  const before = after ?? Number.MAX_SAFE_INTEGER
  const inboxes = inbox ? (seesInbox(who, inbox) ? [inbox] : []) : who.inboxes
  const sought = { text, inboxes }
  const hits = await findMessages(env.SEARCH, siteId, sought, before, limit + 1)
  const { page, next } = pageOf(hits, limit, hit => [hit.place])
  const ids = [...new Set(page.map(hit => hit.conversationId))]
  const shownBefore =
    after === undefined ? new Set<string>() : await foundSince(env.SEARCH, siteId, sought, before, ids)
  const rows = await conversationsById(
    d1,
    siteId,
    ids.filter(id => !shownBefore.has(id)),
  )
  return { items: await conversationsJson(d1, siteId, rows, settings(env).PUBLIC_URL), next }
}

/** What cannot be read off the fields alone. @throws Refusal */
async function checked(
  d1: Db,
  { siteId, inboxId }: { siteId: string; inboxId: string },
  typed: z.infer<typeof ConversationChange>,
) {
  const { snoozedUntil, ...others } = typed
  const until = snoozedUntil === undefined ? undefined : Number(snoozedUntil)
  if (typed.status === 'snoozed' && until === undefined)
    throw new Refusal('missing_field', '"snoozedUntil" goes with "snoozed".', 'snoozedUntil')
  if (
    until !== undefined &&
    (typed.status !== 'snoozed' || until <= Date.now() || until > Date.now() + LONGEST_SNOOZE_MS)
  )
    throw new Refusal(
      'invalid_field',
      '"snoozedUntil" is a time to come, and goes with the status "snoozed".',
      'snoozedUntil',
    )
  const assignee = typed.assignee ? await memberById(d1, siteId, typed.assignee) : null
  if (typed.assignee && !assignee)
    throw new Refusal('invalid_field', 'There is no member with that id.', 'assignee')
  if (assignee && !(inboxesOf(assignee)?.includes(inboxId) ?? true))
    throw new Refusal('invalid_field', 'This member may not see the inbox of this conversation.', 'assignee')
  return {
    ...others,
    ...(typed.labels ? { labels: [...new Set(typed.labels)] } : {}),
    ...(until === undefined ? {} : { snoozedUntil: until }),
  }
}

/** An alarm takes no time much later than a lifetime. */
const LONGEST_SNOOZE_MS = 10 * 366 * 24 * 60 * 60_000

async function found(env: Env, d1: Db, siteId: string, who: Who, id: string) {
  if (!isUuid(id)) throw new Refusal('not_found')
  const row = await conversationById(d1, siteId, id)
  if (!row) {
    const winner = await winnerOf(env.DB, siteId, id)
    if (winner) throw new Moved(`/api/v1/conversations/${winner}`)
  }
  if (!row || !seesInbox(who, row.conversation.inboxId)) throw new Refusal('not_found')
  return row
}
