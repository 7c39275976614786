/** A person answers a conversation: the mail goes to whom the contact wants answers sent, in the thread, without a machine's mark. */
import { createRoute, z } from '@hono/zod-openapi'
import { keepAttachments, type NewAttachment, tooLarge, writeEmail } from '../conversation/write.ts'
import { isUuid } from '../domain/ids.ts'
import { languageOf } from '../domain/language.ts'
import { settings } from '../env.ts'
import { conversationById, copiedRow } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { inboxById, webChatSettingsOf } from '../store/inboxes.ts'
import { winnerOf } from '../store/merges.ts'
import type { ConversationRow } from '../wire/conversation.ts'
import { MessageSchema, messageJson } from '../wire/message.ts'
import { seesInbox } from './access.ts'
import { attachmentsOf, NewAttachmentSchema } from './attachments.ts'
import { oneLine } from './inbox-fields.ts'
import { noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { copied, idOf, madeAt } from './requests.ts'
import { GivenAttachmentSchema, takenAttachments } from './uploads.ts'

/** An upload, a file of elsewhere, or the bytes themselves. */
const BroughtAttachmentSchema = NewAttachmentSchema.partial()
  .extend(GivenAttachmentSchema.shape)
  .openapi('BroughtAttachment')

const answer = createRoute({
  method: 'post',
  path: '/',
  summary: 'Answer a conversation as a person',
  description:
    'What the assistant has in the making is called back. The answer of this request is the message; its `delivery` says how the mail goes.',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.strictObject({
            conversation: z.string(),
            content: z.string().trim().min(1).max(200_000).openapi({ description: 'Plain text.' }),
            attachments: z.array(BroughtAttachmentSchema).max(50).default([]),
            senderName: oneLine(100).optional().openapi({
              description:
                'In a chat: whose name the contact sees. Else it is the member’s own; of an API key, whose name is nobody’s, that of the chat.',
            }),
            undoSeconds: z.int().min(0).max(10).default(0).openapi({
              description: 'How long it may be taken back (`POST /messages/{id}/undo`) before it leaves.',
            }),
          }),
        },
      },
    },
  },
  responses: {
    200: { description: 'The message', content: { 'application/json': { schema: MessageSchema } } },
    ...refusals(
      ...([
        'unknown_field',
        'not_found',
        'unauthorized',
        'bad_json',
        'missing_field',
        'invalid_field',
      ] as const),
      ...(['host_refused', 'attachment_unreachable'] as const),
      ...(['inbox_disconnected', 'attachments_too_large', 'too_large'] as const),
      ...(['conversation_closed'] as const),
    ),
  },
})

/** So long the request waits for the mail server's word. */
const WAIT_MS = 5_000

export const outgoing = noun().openapi(answer, async c => {
  const { conversation: named, content, attachments, undoSeconds, senderName } = c.req.valid('json')
  const siteId = c.get('siteId')
  const who = c.get('who')
  const d1 = db(c.env.DB)
  // It may have become part of another one since it was read.
  const id = isUuid(named) ? ((await winnerOf(c.env.DB, siteId, named)) ?? named) : null
  const there = id ? await conversationById(d1, siteId, id) : undefined
  if (!id || !there || !seesInbox(who, there.conversation.inboxId))
    throw new Refusal('not_found', 'There is no conversation with that id.', 'conversation')
  const stub = c.env.CONVERSATION.getByName(`${siteId}/${id}`)
  const how = await stub.answering()
  const inbox = await inboxById(d1, siteId, how?.inboxId ?? there.conversation.inboxId)
  if (!inbox) throw new Refusal('inbox_disconnected')
  const person = { kind: 'person' as const, id: who.id, name: who.name }
  const messageId = await idOf(c)
  const files = await brought(c.env, siteId, messageId, attachments)
  // Where nobody wrote a mail, what is said is said here.
  if (!how) {
    const ofChat = () => webChatSettingsOf(inbox).title ?? inbox.name
    const shown = senderName ?? (who.kind === 'key' ? ofChat() : who.name)
    const said = await stub.write(openingOf(there), {
      by: person,
      holdMs: undoSeconds * 1000,
      message: {
        id: messageId,
        sender: { ...person, name: shown },
        content,
        createdAt: madeAt(c),
        details: {
          language: languageOf(content),
          attachments: await keepAttachments(c.env, siteId, messageId, files),
        },
      },
    })
    if ('problem' in said) throw new Refusal(said.problem.code, said.problem.message)
    await copied(c, said.message)
    return c.json(messageJson(copiedRow(siteId, id, said.message), settings(c.env).PUBLIC_URL), 200)
  }
  const written = await writeEmail(c.env, {
    siteId,
    inbox,
    ...how,
    answers: true,
    text: content,
    attachments: files,
    conversationId: id,
    sender: person,
    by: person,
    id: messageId,
    waitMs: WAIT_MS,
    holdMs: undoSeconds * 1000,
  })
  if (written.kind === 'refused') throw new Refusal(written.problem.code, written.problem.message)
  // Of the object itself: D1's copy may be a moment behind.
  const message = (await stub.message(written.messageId))!
  await copied(c, message)
  return c.json(messageJson(copiedRow(siteId, id, message), settings(c.env).PUBLIC_URL), 200)
})

/** In the order they were given. @throws Refusal */
async function brought(
  env: Env,
  siteId: string,
  messageId: string,
  given: readonly z.infer<typeof BroughtAttachmentSchema>[],
): Promise<NewAttachment[]> {
  const named = given.map(({ content, filename }, n) => {
    if (content !== undefined && filename === undefined)
      throw new Refusal(
        'missing_field',
        `"attachments.${n}.filename" is required.`,
        `attachments.${n}.filename`,
      )
    return content === undefined
  })
  const kept = await takenAttachments(
    env,
    siteId,
    messageId,
    given.filter((_, n) => named[n]).map(({ content: _, contentType: __, contentId: ___, ...one }) => one),
  )
  const large = tooLarge(kept.map(({ size }) => ({ content: { length: size } })))
  if (large) throw new Refusal(large.code, large.message, large.field)
  const stored = await Promise.all(
    kept.map(async ({ filename, contentType, key }) => {
      const object = await env.MAIL.get(key!)
      if (!object) throw new Refusal('not_found', `"${filename}" is not there any more.`, 'attachments')
      return { filename, contentType, content: new Uint8Array(await object.arrayBuffer()) }
    }),
  )
  const sent = attachmentsOf(
    given.flatMap(({ content, filename, contentType, contentId }, n) =>
      named[n] ? [] : [{ filename: filename!, contentType: contentType!, content: content!, contentId }],
    ),
  )
  const all = given.map((_, n) => (named[n] ? stored.shift()! : sent.shift()!))
  const refused = tooLarge(all)
  if (refused) throw new Refusal(refused.code, refused.message, refused.field)
  return all
}

/** Of a conversation that is there: only what never changes is taken from it. */
function openingOf({ conversation, contact }: ConversationRow) {
  const { siteId, id, inboxId, title, linkedTo, createdAt } = conversation
  return {
    ...{ siteId, id, inboxId, title, linkedTo, createdAt },
    contact: { id: contact.id, name: contact.name, address: contact.address ?? '' },
  }
}
