/** A message as the API, webhooks and sockets show it: seed 003's fields, and for mail what became of it. */
import { z } from '@hono/zod-openapi'
import { uuidAsInteger } from '../domain/ids.ts'
import { REPLY_REASONS } from '../domain/reply.ts'
import type { CopiedDetails } from '../store/conversations.ts'
import type { messages as table } from '../store/schema.ts'

const AttachmentSchema = z.object({
  id: z.string(),
  type: z.string().openapi({ description: 'Media type.', example: 'image/png' }),
  filename: z.string(),
  file: z.string().openapi({ description: 'Where it is downloaded from, with an API key.' }),
  size: z.int(),
  inline: z.boolean(),
  contentId: z.string().nullable(),
})

export const FeedbackSchema = z
  .object({
    type: z.enum(['like', 'dislike']),
    suggestion: z.string().nullable().openapi({ description: 'What would have been better.' }),
    createdAt: z.string(),
  })
  .openapi('Feedback')

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
    feedback: FeedbackSchema.nullable(),
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
    continues: z.array(z.uuid()).nullable().openapi({
      description: 'Of a mail that brings a visitor what they missed in the chat: those messages.',
    }),
    undoUntil: z.string().nullable().openapi({
      description: 'Of what a person wrote: it leaves at this time, and may be taken back until then.',
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

export const FullMessageSchema = MessageSchema.extend({
  rest: z.string().openapi({ description: 'Quoted history and signature: what stands behind the content.' }),
}).openapi('FullMessage')

export type MessageRow = typeof table.$inferSelect

declare global {
  interface JSON {
    /** https://github.com/tc39/proposal-json-parse-with-source, in V8 since 11.4; TypeScript has no type for it yet. */
    rawJSON(text: string): unknown
  }
}

export function detailsOf(row: MessageRow): CopiedDetails {
  return JSON.parse(row.details) as CopiedDetails
}

/** @param publicUrl of the deployment: an attachment is a URL, as seed 003 has it */
export function messageJson(row: MessageRow, publicUrl: string): z.infer<typeof MessageSchema> {
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
    feedback: details.feedback
      ? {
          type: details.feedback.type,
          suggestion: details.feedback.suggestion,
          createdAt: String(details.feedback.at),
        }
      : null,
    createdAt: String(row.createdAt),
    attachments: (details.attachments ?? []).map((one, n) => ({
      id: `${row.id}.${n}`,
      type: one.contentType,
      filename: one.filename,
      file: new URL(`${base}/attachments/${n}`, publicUrl).href,
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
    continues: details.continues ?? null,
    undoUntil: details.undoUntil === undefined ? null : String(details.undoUntil),
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
function draftJson(row: MessageRow, details: CopiedDetails): z.infer<typeof MessageSchema>['draft'] {
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
