/** Messages, as seed 003 shows them; for mail also what the verdict was, how the delivery went, and the way to the original. */
import { createRoute, z } from '@hono/zod-openapi'
import { isUuid, uuidAsInteger } from '../domain/ids.ts'
import type { Problem } from '../domain/problem.ts'
import { REPLY_REASONS } from '../domain/reply.ts'
import { attachmentKey, outKey } from '../mailbox/keys.ts'
import type { CopiedDetails } from '../store/conversations.ts'
import { conversationById, copiedRow, messageById, messagesOf } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { inboxById } from '../store/inboxes.ts'
import { winnerOf } from '../store/merges.ts'
import type { messages as table } from '../store/schema.ts'
import { seesInbox, type Who } from './access.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noQuery, noun } from './noun.ts'
import { Moved, moved, Refusal, refusals } from './problems.ts'

const AttachmentSchema = z.object({
  id: z.string(),
  type: z.string().openapi({ description: 'Media type.', example: 'image/png' }),
  filename: z.string(),
  file: z.string().openapi({ description: 'Where it is downloaded from, with an API key.' }),
  size: z.int(),
  inline: z.boolean(),
  contentId: z.string().nullable(),
})

export const MessageSchema = z
  .object({
    id: z.uuid(),
    conversation: z.uuid(),
    sender: z.object({
      id: z.number().openapi({
        description: 'The sender’s UUID as an integer of up to 39 digits; `uuid` is the same, lossless.',
      }),
      uuid: z.uuid(),
      kind: z.enum(['contact', 'assistant', 'person']),
      name: z.string(),
      avatar: z.string().nullable(),
    }),
    type: z.enum(['incoming', 'outgoing']),
    content: z
      .string()
      .openapi({ description: 'What the writer newly said; the full text is at the message itself.' }),
    contentIsCut: z.boolean(),
    subject: z.string().nullable(),
    messageId: z.string().nullable().openapi({ description: 'Of a mail: its Message-ID.' }),
    to: z.string().nullable().openapi({ description: 'Of an outgoing mail: whom it goes to.' }),
    inbox: z.uuid().nullable().openapi({ description: 'The inbox a mail came by or leaves through.' }),
    feedback: z.null(),
    createdAt: z.string().openapi({ description: 'Milliseconds since the epoch, as a string.' }),
    attachments: z.array(AttachmentSchema),
    citations: z.array(z.object({ id: z.string(), title: z.string(), url: z.string().nullable() })),
    citationNodes: z.array(z.unknown()),
    verdict: z
      .object({
        class: z.string(),
        reasons: z.array(z.string()),
        mayFlow: z.boolean(),
        mayDraft: z.boolean(),
        maySend: z.boolean(),
      })
      .nullable()
      .openapi({ description: 'What kind of mail this is, and why.' }),
    reply: z
      .object({
        do: z.enum(['answer', 'draft', 'say', 'silent']),
        why: z.string(),
        message: z.string().openapi({ description: 'The same in a sentence.' }),
      })
      .nullable()
      .openapi({ description: 'What was decided about answering it, and why.' }),
    delivery: z
      .object({
        status: z.string().openapi({ example: 'sent' }),
        problem: z.object({ code: z.string(), message: z.string() }).nullable(),
        at: z.string(),
      })
      .nullable()
      .openapi({
        description:
          'Of an outgoing message: draft, discarded, queued, sending, leaving, sent, retry, failed, uncertain, withdrawn or held; delayed or bounced where the recipient’s mail server said so later.',
      }),
    by: z
      .object({ kind: z.enum(['person', 'program']), id: z.string(), name: z.string() })
      .nullable()
      .openapi({
        description:
          'Who wrote, approved or discarded an outgoing message; null where it is an automatic one.',
      }),
    edited: z.boolean().openapi({ description: 'A person changed what the assistant had drafted.' }),
    draft: z
      .object({
        state: z.enum(['proposed', 'edited', 'approved', 'withdrawn']),
        stale: z.boolean().openapi({ description: 'The contact wrote again after it was made.' }),
        version: z.int().openapi({ description: 'Rises with each change of its text.' }),
      })
      .nullable()
      .openapi({ description: 'Of what is or was a draft; why it was withdrawn is in `delivery.problem`.' }),
    authentication: z.enum(['pass', 'fail', 'none']).nullable().openapi({
      description:
        'Of a mail: whether its sender is proved, as the receiving host says; null where it says nothing.',
    }),
    about: z.uuid().nullable().openapi({ description: 'Of a bounce: the message that came back.' }),
    quarantine: z
      .object({ code: z.string(), message: z.string() })
      .nullable()
      .openapi({ description: 'Why a mail could not be read, as long as it could not.' }),
    imported: z.boolean().openapi({ description: 'From before the inbox was connected.' }),
    flags: z
      .array(z.string())
      .openapi({ description: 'What was odd about the mail, e.g. unreadable, too_large.' }),
    original: z.string().nullable().openapi({ description: 'Where the raw mail is downloaded from.' }),
  })
  .openapi('Message')

const FullMessageSchema = MessageSchema.extend({
  rest: z.string().openapi({ description: 'Quoted history and signature: what stands behind the content.' }),
}).openapi('FullMessage')

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'The messages of a conversation, in the order they came',
  request: { query: z.strictObject({ conversation: z.uuid(), limit, cursor }) },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('Messages', MessageSchema) } },
    },
    ...moved,
    ...refusals('missing_field', 'invalid_field', 'not_found', 'unauthorized'),
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
    query: noQuery,
  },
  responses: {
    200: { description: 'The bytes', content: { 'application/octet-stream': { schema: z.string() } } },
    ...whereFetched,
  },
})

export const messages = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const d1 = db(c.env.DB)
    const siteId = c.get('siteId')
    const after = readCursor(query.cursor, z.tuple([z.int()]))?.[0] ?? -1
    const who = c.get('who')
    const rows = await messagesOf(d1, siteId, query.conversation, after, query.limit + 1)
    if (rows.length === 0 || who.inboxes !== null) await mustSee(c.env, siteId, who, query.conversation)
    const { page, next } = pageOf(rows, query.limit, row => [row.position])
    return c.json({ items: page.map(messageJson), next }, 200)
  })
  .openapi(show, async c => {
    const row = await found(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)
    const stub = c.env.CONVERSATION.getByName(`${c.get('siteId')}/${row.conversationId}`)
    const live = await stub.message(row.id)
    const details = detailsOf(row)
    const body = details.bodyKey ? await c.env.MAIL.get(details.bodyKey) : null
    return c.json(
      {
        ...messageJson(row),
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
    return c.json(messageJson(copiedRow(siteId, row.conversationId, said.message)), 200)
  })
  .openapi(attachment, async c => {
    const { id, n } = c.req.valid('param')
    const row = await found(c.env, c.get('siteId'), c.get('who'), id)
    const details = detailsOf(row)
    const wanted = details.attachments?.[Number(n)]
    if (!wanted) throw new Refusal('not_found')
    const key = wanted.key ?? attachmentKey(c.get('siteId'), row.id, Number(n))
    let object = await c.env.MAIL.get(key)
    if (!object && wanted.part && details.mail) {
      const mailbox = c.env.MAILBOX.getByName(`${c.get('siteId')}/${details.mail.inboxId}`)
      object = await c.env.MAIL.get(keyOf(await mailbox.attachment(details.mail.mailId, wanted.part, key)))
    }
    if (!object) throw new Refusal('mail_missing')
    return download(object, wanted.contentType, wanted.filename)
  })

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

/** RFC 5987 §3.2.1: what `encodeURIComponent` leaves and a parameter's value may not have. */
function extValue(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /['()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function keyOf(fetched: { key: string } | { problem: Problem }): string {
  if ('key' in fetched) return fetched.key
  throw new Refusal(fetched.problem.code, fetched.problem.message)
}

/** Mail is hostile: nothing of it is ever shown in place by this origin (G2, G9). */
function download(object: R2ObjectBody, contentType: string, filename: string) {
  return new Response(object.body, {
    headers: {
      'content-type': /^[\w.+-]+\/[\w.+-]+$/.test(contentType) ? contentType : 'application/octet-stream',
      'content-length': String(object.size),
      'content-disposition': `attachment; filename*=UTF-8''${extValue(filename)}`,
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
    },
  })
}

type Row = typeof table.$inferSelect

declare global {
  interface JSON {
    /** https://github.com/tc39/proposal-json-parse-with-source, in V8 since 11.4; TypeScript has no type for it yet. */
    rawJSON(text: string): unknown
  }
}

function detailsOf(row: Row): CopiedDetails {
  return JSON.parse(row.details) as CopiedDetails
}

export function messageJson(row: Row): z.infer<typeof MessageSchema> {
  const details = detailsOf(row)
  const base = `/api/v1/messages/${row.id}`
  return {
    id: row.id,
    conversation: row.conversationId,
    sender: {
      // A bare JSON number of 39 digits, as seed 003 has it: beyond what a double holds, so it is written as raw JSON.
      id: JSON.rawJSON(uuidAsInteger(row.senderId)) as unknown as number,
      uuid: row.senderId,
      kind: row.senderKind as 'contact' | 'assistant' | 'person',
      name: row.senderName,
      avatar: null,
    },
    type: row.direction as 'incoming' | 'outgoing',
    content: row.content,
    contentIsCut: details.cut ?? false,
    subject: details.subject ?? null,
    messageId: details.mail?.rfcId ?? null,
    to: details.to ?? null,
    inbox: details.mail?.inboxId ?? null,
    feedback: null,
    createdAt: String(row.createdAt),
    attachments: (details.attachments ?? []).map((one, n) => ({
      id: `${row.id}.${n}`,
      type: one.contentType,
      filename: one.filename,
      file: `${base}/attachments/${n}`,
      size: one.size,
      inline: one.disposition === 'inline',
      contentId: one.contentId,
    })),
    citations: details.citations ?? [],
    citationNodes: [],
    verdict: details.verdict ?? null,
    reply: details.reply
      ? { ...details.reply, message: details.unanswered?.message ?? REPLY_REASONS[details.reply.why] }
      : null,
    delivery: details.delivery
      ? {
          status: details.delivery.status,
          problem: details.delivery.problem && {
            code: details.delivery.problem.code,
            message: details.delivery.problem.message,
          },
          at: String(details.delivery.at),
        }
      : null,
    by: details.by ?? null,
    edited: details.edited ?? false,
    draft: draftJson(row, details),
    authentication: details.authentication === 'unknown' ? null : (details.authentication ?? null),
    about: details.about ?? null,
    quarantine: details.quarantine
      ? { code: details.quarantine.code, message: details.quarantine.message }
      : null,
    imported: details.imported ?? false,
    flags: details.flags ?? [],
    // A draft has no mail yet, and a discarded one never will.
    original:
      details.mail && !['draft', 'discarded'].includes(details.delivery?.status ?? '')
        ? `${base}/original`
        : null,
  }
}

/** An assistant's text that waits, or waited, for a person. */
function draftJson(row: Row, details: CopiedDetails): z.infer<typeof MessageSchema>['draft'] {
  const { status } = details.delivery ?? {}
  const wasDraft =
    status === 'draft' || status === 'discarded' || (row.senderKind === 'assistant' && details.by)
  if (row.direction !== 'outgoing' || !wasDraft) return null
  const waiting = details.edited ? 'edited' : 'proposed'
  return {
    state: status === 'draft' ? waiting : status === 'discarded' ? 'withdrawn' : 'approved',
    stale: details.stale ?? false,
    version: details.version ?? 1,
  }
}
