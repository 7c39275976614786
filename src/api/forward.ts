/** A conversation is sent on to somebody else by mail, who answers in a conversation of their own: its contact never sees it. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Conversation } from '../conversation/conversation.ts'
import { type NewAttachment, tooLarge, writeEmail } from '../conversation/write.ts'
import type { Message } from '../domain/conversation.ts'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import { attachmentKey } from '../mailbox/keys.ts'
import { conversationById, copiedRow } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { emailInboxById, firstEmailInbox } from '../store/inboxes.ts'
import { MessageSchema, messageJson } from '../wire/message.ts'
import { seesInbox } from './access.ts'
import { mailAddress, oneLine } from './inbox-fields.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { copied, idOf } from './requests.ts'

const forwardRoute = createRoute({
  method: 'post',
  path: '/{id}/forward',
  summary: 'Forward a conversation by mail',
  description:
    'What was said, drafts and what never left aside, goes whole below a note to one address, up to 1 MB of text and 10 MB of attachments, from the inbox of the conversation or, of a web chat, from the site’s first e-mail inbox. The answer is the message, which stands in a conversation with that recipient.',
  request: {
    ...byId,
    body: jsonBody(
      z
        .strictObject({
          to: mailAddress,
          name: oneLine(200).default(''),
          note: z.string().trim().max(20_000).default(''),
          messages: z.array(z.uuid()).min(1).max(100).optional().openapi({
            description: 'Only these; all of them (the last hundred) where none are named.',
          }),
          attachments: z
            .boolean()
            .default(true)
            .openapi({ description: 'Whether their attachments go along.' }),
        })
        .openapi('Forward'),
    ),
  },
  responses: {
    200: { description: 'The message', content: { 'application/json': { schema: MessageSchema } } },
    ...refusals(
      ...([
        'bad_json',
        'missing_field',
        'unknown_field',
        'invalid_field',
        'unauthorized',
        'not_found',
      ] as const),
      ...(['inbox_disconnected', 'attachments_too_large', 'too_large'] as const),
    ),
  },
})

const MOST_MESSAGES = 100
/** Of all that is forwarded; a message of ours is kept as one row, and that takes 2 MB at most. */
const MOST_TEXT_BYTES = 1_000_000
const WAIT_MS = 5_000
const NEVER_SAID = ['draft', 'discarded', 'withdrawn', 'held', 'failed']

export const forward = noun().openapi(forwardRoute, async c => {
  const typed = c.req.valid('json')
  const siteId = c.get('siteId')
  const who = c.get('who')
  const d1 = db(c.env.DB)
  const { id } = c.req.valid('param')
  const there = isUuid(id) ? await conversationById(d1, siteId, id) : undefined
  if (!there || !seesInbox(who, there.conversation.inboxId)) throw new Refusal('not_found')
  const inbox =
    (await emailInboxById(d1, siteId, there.conversation.inboxId)) ?? (await firstEmailInbox(d1, siteId))
  if (!inbox || !seesInbox(who, inbox.id)) throw new Refusal('inbox_disconnected')
  const all = await messagesIn(c.env.CONVERSATION.getByName(`${siteId}/${id}`), typed.messages)
  const some = all.filter(one => !NEVER_SAID.includes(one.delivery?.status ?? ''))
  if (some.length === 0)
    throw new Refusal('invalid_field', 'None of these messages is in the conversation.', 'messages')
  const person = { kind: 'person' as const, id: who.id, name: who.name }
  const messageId = await idOf(c)
  const written = await writeEmail(c.env, {
    ...{ siteId, inbox, id: messageId, sender: person, by: person, waitMs: WAIT_MS, apart: true },
    from: inbox.address,
    to: { name: typed.name, address: typed.to },
    subject: `Fwd: ${there.conversation.title || 'Conversation'}`.slice(0, 200),
    text: await textOf(c.env, typed.note, some),
    attachments: typed.attachments ? await attachmentsOf(c.env, siteId, some) : [],
  })
  if (written.kind === 'refused') throw new Refusal(written.problem.code, written.problem.message)
  const stub = c.env.CONVERSATION.getByName(`${siteId}/${written.conversationId}`)
  const message = (await stub.message(messageId))!
  await copied(c, message)
  return c.json(
    messageJson(copiedRow(siteId, written.conversationId, message), settings(c.env).PUBLIC_URL),
    200,
  )
})

/** As the object has them, since D1's copies are cut: those that are named and in it, else the last hundred; in their order. */
async function messagesIn(
  stub: DurableObjectStub<Conversation>,
  named: readonly string[] | undefined,
): Promise<Message[]> {
  if (!named) return (await stub.read())?.messages.slice(-MOST_MESSAGES) ?? []
  const found = await Promise.all([...new Set(named)].map(id => stub.message(id)))
  return found.filter(one => one !== null).toSorted((a, b) => a.position - b.position)
}

/** @throws Refusal where it is more than one mail may carry */
async function textOf(env: Env, note: string, messages: readonly Message[]): Promise<string> {
  const texts = note ? [note] : []
  let room = MOST_TEXT_BYTES - bytesOf(note)
  for (const message of messages) {
    const text = await quoted(env, message, room)
    room -= text === null ? Number.POSITIVE_INFINITY : bytesOf(text)
    if (text === null || room < 0)
      throw new Refusal(
        'too_large',
        'The text of these messages is more than 1 MB together. Name fewer of them.',
        'messages',
      )
    texts.push(text)
  }
  return texts.join('\n\n')
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length
}

/** As mail programs write it, so that it is known as a quote; null where it is longer than `most` bytes. */
async function quoted(env: Env, message: Message, most: number): Promise<string | null> {
  const { subject, bodyKey } = message.details
  // Of a very long mail the object has the beginning, and R2 the whole.
  const body = bodyKey ? await env.MAIL.get(bodyKey) : null
  if (body && body.size > most) {
    await body.body.cancel()
    return null
  }
  return [
    '---------- Forwarded message ---------',
    `From: ${message.sender.name}`,
    `Date: ${new Date(message.createdAt).toUTCString()}`,
    ...(subject ? [`Subject: ${subject}`] : []),
    '',
    body ? await body.text() : message.content,
  ].join('\n')
}

/** Those whose bytes are here; what is still on the mail server stays there. @throws Refusal as soon as they are too large together */
async function attachmentsOf(
  env: Env,
  siteId: string,
  messages: readonly Message[],
): Promise<NewAttachment[]> {
  const found: NewAttachment[] = []
  for (const message of messages)
    for (const [n, { key, filename, contentType }] of (message.details.attachments ?? []).entries()) {
      const object = await env.MAIL.get(key ?? attachmentKey(siteId, message.id, n))
      if (!object) continue
      found.push({ filename, contentType, content: new Uint8Array(await object.arrayBuffer()) })
      const refused = tooLarge(found)
      if (refused) throw new Refusal(refused.code, refused.message, refused.field)
    }
  return found
}
