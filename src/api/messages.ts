/** Messages, as seed 003 shows them; for mail also what the verdict was, how the delivery went, and the way to the original. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Conversation, DraftAnswer } from '../conversation/conversation.ts'
import { isUuid } from '../domain/ids.ts'
import type { Problem } from '../domain/problem.ts'
import { settings } from '../env.ts'
import { attachmentKey, outKey } from '../mailbox/keys.ts'
import { conversationById, copiedRow, messageById, messagesById, messagesOf } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { inboxById } from '../store/inboxes.ts'
import { winnerOf } from '../store/merges.ts'
import { handOut } from '../store/seal.ts'
import { findMessages } from '../store/search.ts'
import { detailsOf, FullMessageSchema, type MessageRow, MessageSchema, messageJson } from '../wire/message.ts'
import { type Access, seesInbox, type Who } from './access.ts'
import { download } from './download.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Moved, moved, Refusal, refusals } from './problems.ts'
import { copied, idOf, madeAt, readAfter, wrote } from './requests.ts'
import { GivenAttachmentSchema, takenAttachments } from './uploads.ts'

const list = createRoute({
  method: 'get',
  path: '/',
  summary:
    'The messages of a conversation, in the order they came; or those with some words, the newest first',
  request: {
    query: z.strictObject({
      conversation: z.uuid().optional(),
      text: z.string().trim().min(1).max(500).optional().openapi({
        description:
          'Words that all stand in the message, in any language. Goes with `conversation` or without.',
      }),
      limit,
      cursor,
    }),
  },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('Messages', MessageSchema) } },
    },
    ...moved,
    ...refusals('missing_field', 'invalid_field', 'not_found', 'unauthorized'),
  },
})

const say = createRoute({
  method: 'post',
  path: '/',
  summary: 'Say something as the contact',
  description:
    'For conversations that began by the API. The answer of this request is the message; what the assistant says comes by webhook.',
  request: {
    body: jsonBody(
      z
        .strictObject({
          conversation: z.string(),
          content: z.string().max(200_000),
          attachments: z.array(GivenAttachmentSchema).max(50).default([]),
        })
        .openapi('NewMessage'),
    ),
  },
  responses: {
    200: { description: 'The message', content: { 'application/json': { schema: MessageSchema } } },
    ...refusals(
      ...(['bad_json', 'missing_field', 'unknown_field', 'invalid_field', 'unauthorized'] as const),
      ...(['not_found', 'not_by_api', 'inbox_disconnected', 'too_large', 'host_refused'] as const),
      ...(['attachment_unreachable'] as const),
    ),
  },
})

const feedback = createRoute({
  method: 'put',
  path: '/{id}/feedback',
  summary: 'Say what an answer was worth; null takes it back',
  request: {
    ...byId,
    body: jsonBody(
      z.strictObject({
        type: z.enum(['like', 'dislike']).nullable(),
        suggestion: z.string().trim().min(1).max(5000).nullable().default(null),
      }),
    ),
  },
  responses: {
    200: { description: 'The message', content: { 'application/json': { schema: MessageSchema } } },
    ...refusals('bad_json', 'missing_field', 'unknown_field', 'invalid_field', 'not_found', 'unauthorized'),
  },
})

const undo = createRoute({
  method: 'post',
  path: '/{id}/undo',
  summary: 'Take back what a person wrote, as long as it has not left',
  description: 'Until the moment that `undoUntil` says.',
  request: byId,
  responses: {
    200: { description: 'The message', content: { 'application/json': { schema: MessageSchema } } },
    ...refusals('unknown_field', 'not_found', 'unauthorized', 'too_late'),
  },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One message, whole',
  request: byId,
  responses: {
    200: { description: 'The message', content: { 'application/json': { schema: FullMessageSchema } } },
    ...refusals('unknown_field', 'not_found', 'unauthorized'),
  },
})

/** What may be refused where the bytes are perhaps still on the mail server. */
const whereFetched = refusals(
  ...([
    'unknown_field',
    'invalid_field',
    'unauthorized',
    'not_found',
    'mail_missing',
    'credentials',
  ] as const),
  ...(['unreachable', 'tls', 'protocol', 'timeout', 'busy', 'quota', 'bridge_unavailable'] as const),
  ...(['app_password_required', 'basic_auth_retired', 'imap_disabled', 'unknown_host', 'refused'] as const),
  ...(['tls_mismatch', 'certificate', 'not_mail_server'] as const),
)

const original = createRoute({
  method: 'get',
  path: '/{id}/original',
  summary: 'The raw mail; fetched from the mail server first where it was too large to be fetched unasked',
  request: byId,
  responses: {
    200: { description: 'RFC 5322 bytes', content: { 'message/rfc822': { schema: z.string() } } },
    ...whereFetched,
  },
})

const deliver = createRoute({
  method: 'post',
  path: '/{id}/delivery',
  summary: 'Say what becomes of a mail that did not leave as it should',
  description:
    '`send_again` hands the same bytes over once more, for mail that is failed, held or uncertain: whoever says so answers for it. `was_sent` and `was_not_sent` settle an uncertain one without sending anything.',
  request: {
    ...byId,
    body: jsonBody(z.strictObject({ action: z.enum(['send_again', 'was_sent', 'was_not_sent']) })),
  },
  responses: {
    200: { description: 'The message', content: { 'application/json': { schema: MessageSchema } } },
    ...refusals(
      ...(['bad_json', 'missing_field', 'unknown_field', 'invalid_field'] as const),
      ...(['not_found', 'unauthorized', 'not_resendable', 'not_uncertain', 'inbox_disconnected'] as const),
    ),
  },
})

const attachment = createRoute({
  method: 'get',
  path: '/{id}/attachments/{n}',
  summary: 'The bytes of an attachment, always as a download',
  request: {
    params: z.object({ id: z.string(), n: z.string().regex(/^\d{1,9}$/, 'must be a number') }),
  },
  responses: {
    200: { description: 'The bytes', content: { 'application/octet-stream': { schema: z.string() } } },
    ...whereFetched,
  },
})

const LINK_MS = 60 * 60_000

const link = createRoute({
  method: 'get',
  path: '/{id}/attachments/{n}/link',
  summary: 'A link to an attachment that opens without a key, for an hour',
  request: attachment.request,
  responses: {
    200: {
      description: 'The link',
      content: {
        'application/json': {
          schema: z.object({ url: z.string(), expiresAt: z.string() }).openapi('AttachmentLink'),
        },
      },
    },
    ...refusals('unknown_field', 'invalid_field', 'unauthorized', 'not_found'),
  },
})

export const messages = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const d1 = readAfter(c)
    const siteId = c.get('siteId')
    const after = readCursor(query.cursor, z.tuple([z.int()]))?.[0] ?? -1
    const who = c.get('who')
    if (query.text) return c.json(await searched(c.env, siteId, who, { ...query, text: query.text }), 200)
    if (!query.conversation)
      throw new Refusal('missing_field', '"conversation" is required, or "text".', 'conversation')
    const rows = await messagesOf(d1, siteId, query.conversation, after, query.limit + 1)
    if (rows.length === 0 || who.inboxes !== null) await mustSee(c.env, siteId, who, query.conversation)
    const { page, next } = pageOf(rows, query.limit, row => [row.position])
    return c.json({ items: page.map(row => messageJson(row, settings(c.env).PUBLIC_URL)), next }, 200)
  })
  .openapi(say, async c => {
    const { conversation, content, attachments } = c.req.valid('json')
    const siteId = c.get('siteId')
    const missing = ['There is no conversation with that id.', 'conversation'] as const
    if (!isUuid(conversation)) throw new Refusal('not_found', ...missing)
    if (content.trim() === '' && attachments.length === 0)
      throw new Refusal('invalid_field', '"content" is empty, and there is no attachment.', 'content')
    const id = await idOf(c)
    const said = await c.env.CONVERSATION.getByName(`${siteId}/${conversation}`).say({
      id,
      content,
      attachments: await takenAttachments(c.env, siteId, id, attachments),
      createdAt: madeAt(c),
      inboxes: c.get('who').inboxes,
    })
    if ('problem' in said) {
      if (said.problem.code === 'not_found') throw new Refusal('not_found', ...missing)
      throw new Refusal(said.problem.code, said.problem.message)
    }
    wrote(c, said.bookmark)
    return c.json(
      messageJson(copiedRow(siteId, said.conversationId, said.message), settings(c.env).PUBLIC_URL),
      200,
    )
  })
  .openapi(feedback, async c => {
    const { type, suggestion } = c.req.valid('json')
    const row = await found(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)
    if (row.direction !== 'outgoing')
      throw new Refusal('invalid_field', 'Feedback is about an answer, and this is none.', 'id')
    return c.json(
      await about(c, row, stub => stub.giveFeedback(row.id, type && { type, suggestion, at: Date.now() })),
      200,
    )
  })
  .openapi(undo, async c => {
    const row = await found(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)
    return c.json(await about(c, row, stub => stub.undo(row.id)), 200)
  })
  .openapi(show, async c => {
    const row = await found(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)
    const stub = c.env.CONVERSATION.getByName(`${c.get('siteId')}/${row.conversationId}`)
    const live = await stub.message(row.id)
    const details = detailsOf(row)
    const body = details.bodyKey ? await c.env.MAIL.get(details.bodyKey) : null
    return c.json(
      {
        ...messageJson(row, settings(c.env).PUBLIC_URL),
        content: live?.content ?? row.content,
        rest: body ? await body.text() : (live?.details.rest ?? ''),
      },
      200,
    )
  })
  .openapi(original, async c => {
    const row = await found(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)
    const { mail } = detailsOf(row)
    if (!mail) throw new Refusal('not_found')
    const mailbox = c.env.MAILBOX.getByName(`${c.get('siteId')}/${mail.inboxId}`)
    const key =
      row.direction === 'outgoing'
        ? outKey(c.get('siteId'), mail.inboxId, row.id)
        : keyOf(await mailbox.original(mail.mailId))
    const object = await c.env.MAIL.get(key)
    if (!object) throw new Refusal('mail_missing')
    return download(object, 'message/rfc822', `${row.id}.eml`)
  })
  .openapi(deliver, async c => {
    const siteId = c.get('siteId')
    const who = c.get('who')
    const row = await found(c.env, siteId, who, c.req.valid('param').id)
    const { action } = c.req.valid('json')
    const { mail } = detailsOf(row)
    if (mail && !(await inboxById(db(c.env.DB), siteId, mail.inboxId)))
      throw new Refusal('inbox_disconnected')
    const by = { kind: 'person' as const, id: who.id, name: who.name }
    const stub = c.env.CONVERSATION.getByName(`${siteId}/${row.conversationId}`)
    const said =
      action === 'send_again'
        ? await stub.sendAgain(row.id, by)
        : await stub.settle(row.id, action === 'was_sent' ? 'sent' : 'failed', by)
    if ('problem' in said) throw new Refusal(said.problem.code, said.problem.message)
    await copied(c, said.message)
    return c.json(
      messageJson(copiedRow(siteId, row.conversationId, said.message), settings(c.env).PUBLIC_URL),
      200,
    )
  })
  .openapi(attachment, async c => {
    const { id, n } = c.req.valid('param')
    return attachmentOf(c.env, await found(c.env, c.get('siteId'), c.get('who'), id), Number(n))
  })
  .openapi(link, async c => {
    const { id, n } = c.req.valid('param')
    const row = await found(c.env, c.get('siteId'), c.get('who'), id)
    if (!detailsOf(row).attachments?.[Number(n)]) throw new Refusal('not_found')
    return c.json(await linkTo(c.env, row, Number(n)), 200)
  })

/** To an attachment that the message has. */
export async function linkTo(
  env: Env,
  row: MessageRow,
  n: number,
): Promise<{ url: string; expiresAt: string }> {
  const { KEK, PUBLIC_URL } = settings(env)
  const until = Date.now() + LINK_MS
  const place = `${row.id}/${n}`
  const token = await handOut(KEK, row.siteId, 'attachment', `${place}?${until}`)
  const url = new URL(`/files/${row.siteId}/${place}?until=${until}&token=${token}`, PUBLIC_URL)
  return { url: url.href, expiresAt: String(until) }
}

/** The bytes of an attachment; where they still are on the mail server they are fetched first. @throws Refusal */
export async function attachmentOf(env: Env, row: MessageRow, n: number): Promise<Response> {
  const details = detailsOf(row)
  const wanted = details.attachments?.[n]
  if (!wanted) throw new Refusal('not_found')
  const key = wanted.key ?? attachmentKey(row.siteId, row.id, n)
  let object = await env.MAIL.get(key)
  if (!object && wanted.part && details.mail) {
    const mailbox = env.MAILBOX.getByName(`${row.siteId}/${details.mail.inboxId}`)
    object = await env.MAIL.get(keyOf(await mailbox.attachment(details.mail.mailId, wanted.part, key)))
  }
  if (!object) throw new Refusal('mail_missing')
  return download(object, wanted.contentType, wanted.filename)
}

async function searched(
  env: Env,
  siteId: string,
  who: Who,
  {
    text,
    conversation,
    limit,
    cursor,
  }: { text: string; conversation?: string; limit: number; cursor?: string },
) {
  const before = readCursor(cursor, z.tuple([z.int()]))?.[0] ?? Number.MAX_SAFE_INTEGER
  const sought = { text, inboxes: who.inboxes, conversationId: conversation }
  const hits = await findMessages(env.SEARCH, siteId, sought, before, limit + 1)
  const { page, next } = pageOf(hits, limit, hit => [hit.place])
  const rows = await messagesById(
    db(env.DB),
    siteId,
    page.map(hit => hit.messageId),
  )
  // What was erased a moment ago may still be in the index.
  const found = page.flatMap(hit => rows.filter(row => row.id === hit.messageId))
  return { items: found.map(row => messageJson(row, settings(env).PUBLIC_URL)), next }
}

/** What came of something done to one message. @throws Refusal */
async function about(
  c: Context<Access>,
  row: MessageRow,
  doing: (stub: DurableObjectStub<Conversation>) => Promise<DraftAnswer>,
) {
  const said = await doing(c.env.CONVERSATION.getByName(`${row.siteId}/${row.conversationId}`))
  if ('problem' in said) throw new Refusal(said.problem.code, said.problem.message)
  await copied(c, said.message)
  return messageJson(copiedRow(row.siteId, row.conversationId, said.message), settings(c.env).PUBLIC_URL)
}

async function found(env: Env, siteId: string, who: Who, id: string) {
  const row = isUuid(id) && (await messageById(db(env.DB), siteId, id))
  if (!row) throw new Refusal('not_found')
  if (who.inboxes !== null) await mustSee(env, siteId, who, row.conversationId)
  return row
}

async function mustSee(env: Env, siteId: string, who: Who, conversationId: string): Promise<void> {
  const row = await conversationById(db(env.DB), siteId, conversationId)
  const winner = row ? null : await winnerOf(env.DB, siteId, conversationId)
  if (winner) throw new Moved(`/api/v1/messages/?conversation=${winner}`)
  if (!row || !seesInbox(who, row.conversation.inboxId)) throw new Refusal('not_found')
}

function keyOf(fetched: { key: string } | { problem: Problem }): string {
  if ('key' in fetched) return fetched.key
  throw new Refusal(fetched.problem.code, fetched.problem.message)
}
