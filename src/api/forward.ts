/** A conversation is sent on to somebody else by mail, who answers in a conversation of their own: its contact never sees it. */
import { createRoute, z } from '@hono/zod-openapi'
import { type NewAttachment, writeEmail } from '../conversation/write.ts'
import { isUuid } from '../domain/ids.ts'
import { attachmentKey } from '../mailbox/keys.ts'
import { conversationById, copiedRow, messagesOf } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { emailInboxById, firstEmailInbox, type InboxRow } from '../store/inboxes.ts'
import { detailsOf, type MessageRow, MessageSchema, messageJson } from '../wire/message.ts'
import { seesInbox } from './access.ts'
import { mailAddress, oneLine } from './inbox-fields.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf } from './requests.ts'

const forwardRoute = createRoute({
  method: 'post',
  path: '/{id}/forward',
  summary: 'Forward a conversation by mail',
  description:
    'What was said, drafts and what never left aside, goes below a note to one address, from the inbox of the conversation or, of a web chat, from the site’s first e-mail inbox. The answer is the message, which stands in a conversation with that recipient.',
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
      ...(['inbox_disconnected', 'attachments_too_large'] as const),
    ),
  },
})

const MOST_MESSAGES = 100
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
  const last = Math.max(-1, (await lengthOf(c.env, siteId, id)) - MOST_MESSAGES - 1)
  const all = await messagesOf(d1, siteId, id, typed.messages ? -1 : last, 10_000)
  const some = all.filter(
    row =>
      (typed.messages?.includes(row.id) ?? true) &&
      !NEVER_SAID.includes(detailsOf(row).delivery?.status ?? ''),
  )
  if (some.length === 0)
    throw new Refusal('invalid_field', 'None of these messages is in the conversation.', 'messages')
  const person = { kind: 'person' as const, id: who.id, name: who.name }
  const messageId = await idOf(c)
  const written = await writeEmail(c.env, {
    ...{ siteId, inbox, id: messageId, sender: person, by: person, waitMs: WAIT_MS, apart: true },
    from: inbox.address,
    to: { name: typed.name, address: typed.to },
    subject: `Fwd: ${there.conversation.title || 'Conversation'}`.slice(0, 200),
    text: [typed.note, ...some.map(quoted)].filter(Boolean).join('\n\n'),
    attachments: typed.attachments ? await attachmentsOf(c.env, inbox, some) : [],
  })
  if (written.kind === 'refused') throw new Refusal(written.problem.code, written.problem.message)
  const message = await c.env.CONVERSATION.getByName(`${siteId}/${written.conversationId}`).message(messageId)
  return c.json(messageJson(copiedRow(siteId, written.conversationId, message!)), 200)
})

async function lengthOf(env: Env, siteId: string, id: string): Promise<number> {
  return (await env.CONVERSATION.getByName(`${siteId}/${id}`).read())?.state.length ?? 0
}

/** As mail programs write it, so that it is known as a quote. */
function quoted(row: MessageRow): string {
  const { subject } = detailsOf(row)
  return [
    '---------- Forwarded message ---------',
    `From: ${row.senderName}`,
    `Date: ${new Date(row.createdAt).toUTCString()}`,
    ...(subject ? [`Subject: ${subject}`] : []),
    '',
    row.content,
  ].join('\n')
}

/** Those whose bytes are here; what is still on the mail server stays there. */
async function attachmentsOf(
  env: Env,
  inbox: InboxRow,
  rows: readonly MessageRow[],
): Promise<NewAttachment[]> {
  const refs = rows.flatMap(row =>
    (detailsOf(row).attachments ?? []).map((one, n) => ({
      ...one,
      key: one.key ?? attachmentKey(inbox.siteId, row.id, n),
    })),
  )
  const found = await Promise.all(
    refs.map(async ({ key, filename, contentType }) => {
      const object = await env.MAIL.get(key)
      return object ? [{ filename, contentType, content: new Uint8Array(await object.arrayBuffer()) }] : []
    }),
  )
  return found.flat()
}
