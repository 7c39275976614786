/**
 * What visitors of a web chat do by HTTP, each with the token of their session: begin a conversation, send files, say what an answer was
 * worth, and write while nobody is there. Everything else goes over the conversation's socket. Each handler looks whether the conversation
 * is theirs: another visitor's is not there for them.
 */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { takeOffline } from '../conversation/offline.ts'
import type { Message } from '../domain/conversation.ts'
import { isUuid, timeOf } from '../domain/ids.ts'
import { addressOf, limitOf } from '../limits/attempts.ts'
import type { ContactToken } from '../store/contact-tokens.ts'
import { isErased, visitor } from '../store/contacts.ts'
import { conversationById, messageById } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { derivedId, newId } from '../store/ids.ts'
import { emailInboxById, webChatSettingsOf } from '../store/inboxes.ts'
import { addUpload, uploadHandle, uploadKey } from '../store/uploads.ts'
import { chatKnown } from '../store/visitors.ts'
import { isForContact } from '../wire/chat.ts'
import { detailsOf, type MessageRow } from '../wire/message.ts'
import type { Access } from './access.ts'
import { mailAddress, ONE_LINE } from './inbox-fields.ts'
import { linkTo } from './messages.ts'
import { jsonBody, noun } from './noun.ts'
import { Refusal, refusals, tooOften } from './problems.ts'
import { mustBeForm, receivedFile, UploadForm } from './uploads.ts'

const json = <T extends z.ZodType>(schema: T) => ({ 'application/json': { schema } })
const written = ['bad_json', 'missing_field', 'unknown_field', 'invalid_field', 'unauthorized'] as const
const chats = ['forbidden', 'origin_not_allowed', 'rate_limited'] as const

const ownId = z.uuid().toLowerCase().openapi({
  description: 'A UUID of the visitor’s own making: the same again is the same thing, done once.',
})

const begin = createRoute({
  method: 'post',
  path: '/conversations',
  summary: 'Begin a conversation as a visitor',
  request: { body: jsonBody(z.strictObject({ id: ownId }).openapi('NewChat')) },
  responses: {
    200: {
      description: 'The conversation, under the id by which it is known from now on',
      content: json(z.object({ id: z.uuid() }).openapi('Chat')),
    },
    ...refusals(...written, ...chats, 'not_found'),
  },
})

const upload = createRoute({
  method: 'post',
  path: '/attachments',
  summary: 'Send a file, and name it in what is said next',
  description:
    'A form with the field `file`, up to 25 MB. What is named by no message within a day is deleted.',
  middleware: mustBeForm,
  request: { body: { required: true, content: { 'multipart/form-data': { schema: UploadForm } } } },
  responses: {
    200: {
      description: 'The upload',
      content: json(
        z
          .object({ id: z.string(), filename: z.string(), type: z.string(), size: z.int() })
          .openapi('ChatUpload'),
      ),
    },
    ...refusals('missing_field', 'invalid_field', 'unknown_field', 'unauthorized', 'too_large', ...chats),
  },
})

const link = createRoute({
  method: 'get',
  path: '/messages/{id}/attachments/{n}/link',
  summary: 'A link to a file of a message, for an hour',
  request: { params: z.object({ id: z.string(), n: z.string().regex(/^\d{1,9}$/, 'must be a number') }) },
  responses: {
    200: {
      description: 'The link',
      content: json(z.object({ url: z.string(), expiresAt: z.string() }).openapi('ChatAttachmentLink')),
    },
    ...refusals('unknown_field', 'invalid_field', 'unauthorized', 'not_found', ...chats),
  },
})

const feedback = createRoute({
  method: 'put',
  path: '/messages/{id}/feedback',
  summary: 'Say what an answer was worth; null takes it back',
  request: {
    params: z.object({ id: z.string() }),
    body: jsonBody(z.strictObject({ type: z.enum(['like', 'dislike']).nullable() }).openapi('ChatFeedback')),
  },
  responses: {
    204: { description: 'It is noted' },
    ...refusals(...written, ...chats, 'not_found'),
  },
})

const email = createRoute({
  method: 'post',
  path: '/emails',
  summary: 'Write while nobody is there; the answer comes by mail',
  description: 'It begins a conversation in the e-mail inbox that the chat goes on with.',
  request: {
    body: jsonBody(
      z
        .strictObject({
          id: ownId,
          email: mailAddress,
          name: z.string().trim().max(100).regex(ONE_LINE, 'must be one line').default(''),
          content: z.string().trim().min(1).max(16_000),
        })
        .openapi('ChatEmail'),
    ),
  },
  responses: {
    200: { description: 'It was taken', content: json(z.object({ ok: z.literal(true) })) },
    ...refusals(...written, ...chats, 'not_found', 'not_offline'),
  },
})

export const chat = noun()
  .openapi(begin, async c => {
    const who = visitorOf(c)
    const { siteId, webChatId, contactId, name, email, proved } = who
    const { id: given } = c.req.valid('json')
    const id = await derivedId(timeOf(given), 'chat', siteId, contactId, given)
    const stub = c.env.CONVERSATION.getByName(`${siteId}/${id}`)
    // Asked a second time, nothing is counted.
    if (await stub.read()) return c.json({ id }, 200)
    await mayBegin(c, contactId)
    const at = Date.now()
    const contact = await visitor(db(c.env.DB), {
      ...{ siteId, id: contactId, name, at },
      claimedAddress: proved ? null : email,
    })
    const begun = await stub.begin({
      ...{ siteId, id, inboxId: webChatId, title: '', linkedTo: null, createdAt: at },
      contact: { id: contactId, name: contact.name, address: contact.address ?? '' },
    })
    if (!begun) throw new Refusal('not_found', 'This conversation was erased.')
    return c.json({ id }, 200)
  })
  .openapi(upload, async c => {
    const { siteId, webChatId, contactId } = visitorOf(c)
    const chat = await chatKnown(c.env, siteId, webChatId)
    if (!chat || !webChatSettingsOf(chat).attachments)
      throw new Refusal('forbidden', 'This chat takes no files.')
    await mayGoOn(c, [limitOf(c.env, 'files', addressOf(c.req.raw))])
    const id = newId()
    const about = await receivedFile(c.req.raw, c.env.MAIL, uploadKey(siteId, id))
    await addUpload(db(c.env.DB), { siteId, id, ...about, createdAt: Date.now() })
    const { filename, contentType, size } = about
    return c.json(
      { id: await uploadHandle(c.env, siteId, contactId, id), filename, type: contentType, size },
      200,
    )
  })
  .openapi(link, async c => {
    const { id, n } = c.req.valid('param')
    const row = await messageOf(c, id)
    if (!detailsOf(row).attachments?.[Number(n)]) throw new Refusal('not_found')
    return c.json(await linkTo(c.env, row, Number(n)), 200)
  })
  .openapi(email, async c => {
    const who = visitorOf(c)
    const { siteId, webChatId, contactId, proved } = who
    const { id, email: address, name: said, content } = c.req.valid('json')
    const chat = await chatKnown(c.env, siteId, webChatId)
    const { mailInboxId = null } = chat ? webChatSettingsOf(chat) : {}
    const d1 = db(c.env.DB)
    const inbox = mailInboxId === null ? undefined : await emailInboxById(d1, siteId, mailInboxId)
    if (!chat || !inbox) throw new Refusal('not_offline')
    await mayBegin(c, contactId)
    const isProved = proved && who.email === address
    const { name } = isProved
      ? who
      : await visitor(d1, {
          siteId,
          id: contactId,
          name: said || who.name,
          claimedAddress: address,
          at: Date.now(),
        })
    const contact = { id: contactId, name, address }
    await takeOffline(c.env, chat, inbox, { id, contact, proved: isProved, content })
    return c.json({ ok: true as const }, 200)
  })
  .openapi(feedback, async c => {
    const row = await messageOf(c, c.req.valid('param').id)
    if (row.direction !== 'outgoing')
      throw new Refusal('invalid_field', 'Feedback is about an answer, and this is none.', 'id')
    const { type } = c.req.valid('json')
    const stub = c.env.CONVERSATION.getByName(`${row.siteId}/${row.conversationId}`)
    const said = await stub.giveFeedback(row.id, type && { type, suggestion: null, at: Date.now() })
    if ('problem' in said) throw new Refusal(said.problem.code, said.problem.message)
    return c.body(null, 204)
  })

/** The table lets nobody else in. */
function visitorOf(c: Context<Access>): ContactToken {
  return c.get('who').visitor!
}

/** A message of a conversation that is theirs. @throws Refusal */
async function messageOf(c: Context<Access>, id: string): Promise<MessageRow> {
  const { siteId, contactId, webChatId } = visitorOf(c)
  const d1 = db(c.env.DB)
  const row = isUuid(id) ? await messageById(d1, siteId, id) : undefined
  const there = row && (await conversationById(d1, siteId, row.conversationId))
  if (!row || there?.contact.id !== contactId || there.conversation.inboxId !== webChatId)
    throw new Refusal('not_found')
  const details = detailsOf(row)
  const { direction, delivery = null } = { ...row, ...details }
  // What was never said to them is not there for them either.
  if (!isForContact({ direction: direction as Message['direction'], delivery, details }))
    throw new Refusal('not_found')
  return row
}

/** @throws Refusal where one visitor, or one network address, begins too many */
async function mayBegin(c: Context<Access>, contactId: string): Promise<void> {
  if (await isErased(db(c.env.DB), c.get('siteId'), contactId))
    throw new Refusal('unauthorized', 'This token is not good any more. Begin without one.')
  return mayGoOn(c, [limitOf(c.env, 'chat', contactId), limitOf(c.env, 'chats', addressOf(c.req.raw))])
}

/** @throws Refusal where one of them is used up */
async function mayGoOn(c: Context<Access>, limits: ReturnType<typeof limitOf>[]): Promise<void> {
  const waits = await Promise.all(limits.map(async limit => (await limit).take()))
  const seconds = Math.max(...waits)
  if (seconds > 0) tooOften(c, seconds)
}
