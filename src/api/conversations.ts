/** Conversations, as seed 003 shows them, with what a team needs to see beside it. */
import { createRoute, z } from '@hono/zod-openapi'
import { isUuid } from '../domain/ids.ts'
import { keysOf } from '../mailbox/keys.ts'
import {
  conversationById,
  conversationsAmong,
  conversationsByActivity,
  messagesById,
} from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { forgetConversation } from '../store/erased.ts'
import { inboxesById } from '../store/inboxes.ts'
import { winnerOf } from '../store/merges.ts'
import { mustBe, seesInbox, type Who } from './access.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { MessageSchema, messageJson } from './messages.ts'
import { byId, noQuery, noun } from './noun.ts'
import { Moved, moved, Refusal, refusals } from './problems.ts'

const milliseconds = z
  .string()
  .openapi({ description: 'Milliseconds since the epoch, as a string.', example: '1732495353000' })

export const ConversationSchema = z
  .object({
    id: z.uuid(),
    contact: z.object({
      id: z.uuid(),
      name: z.string(),
      avatar: z.string().nullable(),
      address: z.string().nullable(),
      createdAt: milliseconds,
    }),
    inbox: z.object({
      id: z.uuid(),
      name: z.string(),
      channelType: z.string().openapi({ example: 'email' }),
    }),
    title: z.string(),
    status: z.string().openapi({ example: 'open' }),
    owner: z.enum(['assistant', 'person']).openapi({ description: 'Who answers.' }),
    linkedTo: z
      .uuid()
      .nullable()
      .openapi({ description: 'A conversation its first mail cited without taking part in it.' }),
    lastMessage: MessageSchema.nullable(),
    lastMessageCreatedAt: milliseconds,
    unreadMessagesCount: z.int(),
    autoReplyEnabled: z.boolean(),
    isAutoReplyNow: z.boolean().openapi({ description: 'Enabled, and the assistant owns it.' }),
    lastReadAt: milliseconds.nullable(),
    createdAt: milliseconds,
  })
  .openapi('Conversation')

type Row = Awaited<ReturnType<typeof conversationsByActivity>>[number]

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List conversations, the latest activity first',
  request: {
    query: z.strictObject({
      inbox: z.uuid().optional().openapi({ description: 'Only those of this inbox.' }),
      limit,
      cursor,
    }),
  },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('Conversations', ConversationSchema) } },
    },
    ...refusals('invalid_field', 'unauthorized'),
  },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One conversation',
  request: { params: z.object({ id: z.string() }), query: noQuery },
  responses: {
    200: { description: 'The conversation', content: { 'application/json': { schema: ConversationSchema } } },
    ...moved,
    ...refusals('unknown_field', 'not_found', 'unauthorized'),
  },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Say who answers',
  description:
    'With `person` a person has taken over: what the assistant has not yet let go is called back, and it writes no more. With `assistant` the conversation is handed back.',
  request: {
    params: z.object({ id: z.string() }),
    query: noQuery,
    body: {
      required: true,
      content: { 'application/json': { schema: z.strictObject({ owner: z.enum(['assistant', 'person']) }) } },
    },
  },
  responses: {
    200: {
      description: 'The conversation',
      content: { 'application/json': { schema: ConversationSchema } },
    },
    ...moved,
    ...refusals('bad_json', 'missing_field', 'unknown_field', 'invalid_field', 'not_found', 'unauthorized'),
  },
})

const erase = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Erase a conversation, for good',
  description:
    'Its messages, attachments and raw mail are deleted, and what has not left yet does not leave. The mail on the mail server stays where it is and is never taken in again.',
  middleware: mustBe('admin'),
  request: byId,
  responses: {
    204: { description: 'It is gone' },
    ...moved,
    ...refusals('unknown_field', 'not_found', 'unauthorized', 'forbidden'),
  },
})

export const conversations = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const after = readCursor(query.cursor, z.tuple([z.int(), z.string()]))
    const who = c.get('who')
    const before = after && { at: after[0], id: after[1] }
    const rows =
      who.inboxes === null || (query.inbox && seesInbox(who, query.inbox))
        ? await conversationsByActivity(
            db(c.env.DB),
            c.get('siteId'),
            { inboxId: query.inbox },
            before,
            query.limit + 1,
          )
        : await conversationsAmong(
            db(c.env.DB),
            c.get('siteId'),
            query.inbox ? [] : who.inboxes,
            before,
            query.limit + 1,
          )
    const { page, next } = pageOf(rows, query.limit, ({ conversation }) => [
      conversation.lastMessageAt,
      conversation.id,
    ])
    return c.json({ items: await conversationsJson(c.env, c.get('siteId'), page), next }, 200)
  })
  .openapi(show, async c =>
    c.json(await oneConversation(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id), 200),
  )
  .openapi(change, async c => {
    const { id } = c.req.valid('param')
    const siteId = c.get('siteId')
    if (!isUuid(id)) throw new Refusal('not_found')
    await oneConversation(c.env, siteId, c.get('who'), id)
    const stub = c.env.CONVERSATION.getByName(`${siteId}/${id}`)
    const there = c.req.valid('json').owner === 'person' ? await stub.takeOver() : await stub.handBack()
    if (!there) throw new Refusal('not_found')
    return c.json(await oneConversation(c.env, siteId, c.get('who'), id), 200)
  })
  .openapi(erase, async c => {
    const { id } = c.req.valid('param')
    const siteId = c.get('siteId')
    await oneConversation(c.env, siteId, c.get('who'), id)
    const erased = await c.env.CONVERSATION.getByName(`${siteId}/${id}`).erase()
    const keys = (erased?.messages ?? []).flatMap(message => keysOf(siteId, message))
    // R2 takes a thousand keys a call.
    for (let at = 0; at < keys.length; at += 1000) await c.env.MAIL.delete(keys.slice(at, at + 1000))
    await forgetConversation(c.env.DB, siteId, id, Date.now())
    return c.body(null, 204)
  })

async function oneConversation(env: Env, siteId: string, who: Who, id: string) {
  if (!isUuid(id)) throw new Refusal('not_found')
  const row = await conversationById(db(env.DB), siteId, id)
  if (!row) {
    const winner = await winnerOf(env.DB, siteId, id)
    if (winner) throw new Moved(`/api/v1/conversations/${winner}`)
  }
  if (!row || !seesInbox(who, row.conversation.inboxId)) throw new Refusal('not_found')
  return (await conversationsJson(env, siteId, [row]))[0]!
}

async function conversationsJson(env: Env, siteId: string, rows: Row[]) {
  const d1 = db(env.DB)
  const [inboxes, lastMessages] = await Promise.all([
    inboxesById(d1, siteId, [...new Set(rows.map(row => row.conversation.inboxId))]),
    messagesById(
      d1,
      siteId,
      rows.flatMap(row => row.conversation.lastMessageId ?? []),
    ),
  ])
  return rows.map(({ conversation, contact }) => {
    const inbox = inboxes.find(one => one.id === conversation.inboxId)
    const last = lastMessages.find(one => one.id === conversation.lastMessageId)
    return {
      id: conversation.id,
      contact: {
        id: contact.id,
        name: contact.name,
        avatar: contact.avatar,
        address: contact.address,
        createdAt: String(contact.createdAt),
      },
      inbox: {
        id: conversation.inboxId,
        name: inbox?.name ?? '',
        channelType: inbox?.channelType ?? 'email',
      },
      title: conversation.title,
      status: conversation.status,
      owner: conversation.owner as 'assistant' | 'person',
      linkedTo: conversation.linkedTo,
      lastMessage: last ? messageJson(last) : null,
      lastMessageCreatedAt: String(conversation.lastMessageAt),
      unreadMessagesCount: conversation.unreadCount,
      autoReplyEnabled: conversation.autoReplyEnabled,
      isAutoReplyNow:
        conversation.autoReplyEnabled && conversation.owner === 'assistant' && inbox?.paused !== true,
      lastReadAt: conversation.lastReadAt === null ? null : String(conversation.lastReadAt),
      createdAt: String(conversation.createdAt),
    }
  })
}
