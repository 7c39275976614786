/** What a contact says by the API or in a chat, as an event for its conversation: the sender is known, and nothing has to be read. */
import type { AttachmentRef, ConversationEvent, ConversationState } from '../domain/conversation.ts'
import { mayAnswerAt } from '../domain/hours.ts'
import { timeOf } from '../domain/ids.ts'
import { languageOf } from '../domain/language.ts'
import { mayBeAnswered } from '../domain/permission.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { db } from '../store/db.ts'
import { derivedId } from '../store/ids.ts'
import { type InboxRow, replyRulesOf, webChatSettingsOf } from '../store/inboxes.ts'
import { attachmentFrom, readUploadHandle, takeUploads } from '../store/uploads.ts'
import type { SayFrame } from '../wire/frame.ts'

export interface Said {
  /** UUIDv7: the same id twice is one message. */
  id: string
  content: string
  attachments: AttachmentRef[]
  createdAt: number
  /** Inboxes that whoever hands it in may see; null is all of them. */
  inboxes: readonly string[] | null
  /** Of a visitor of a web chat: who says it, and the id that their program gave it. */
  visitor?: { contactId: string; sentAs: string }
}

/** A person wrote it, so it may be answered by itself. */
const SAID = { class: 'person', reasons: ['by_api'], mayFlow: true, mayDraft: true, maySend: true } as const

export function asEvent(
  said: Said,
  { contact }: ConversationState,
  inbox: InboxRow,
  at: number,
): Omit<Extract<ConversationEvent, { type: 'message_received' }>, 'type' | 'known' | 'living'> {
  const rules = webChatSettingsOf(inbox)
  const { id, content, attachments, createdAt } = said
  return {
    message: {
      id,
      direction: 'incoming',
      sender: { kind: 'contact', id: contact.id, name: contact.name },
      content,
      createdAt,
      details: {
        verdict: { ...SAID, reasons: [said.visitor ? 'in_chat' : 'by_api'] },
        language: languageOf(content),
        ...(attachments.length > 0 ? { attachments } : {}),
        ...(said.visitor ? { sentAs: said.visitor.sentAs } : {}),
        ...(inbox.assistantId ? { assistantId: inbox.assistantId } : {}),
      },
    },
    facts: {
      verdict: SAID,
      old: false,
      waitedMs: 0,
      nothingSaid: content.trim() === '',
      permitted: contact.address === '' || mayBeAnswered(contact.address, rules),
      open: mayAnswerAt(rules.hours, rules.timeZone, at),
      reset: false,
    },
    rules: replyRulesOf(inbox, rules),
    ...(said.visitor ? { continueAfterMs: rules.mailInboxId === null ? null : rules.continueAfterMs } : {}),
  }
}

/** What a visitor said over the socket; the same id again gives the same message. */
export async function saidInChat(
  env: Env,
  siteId: string,
  contactId: string,
  frame: SayFrame,
): Promise<Said | { problem: Problem }> {
  if (frame.content.trim() === '' && frame.attachments.length === 0)
    return { problem: problem('invalid_field', 'There is nothing in this message.') }
  // Of the contact and not of the conversation, which may become part of another one before it is said again.
  const id = await derivedId(timeOf(frame.id), 'said', siteId, contactId, frame.id)
  const named = await Promise.all(
    frame.attachments.map(one => readUploadHandle(env, siteId, contactId, one.id)),
  )
  const uploads = named.filter(one => one !== null)
  const taken = uploads.length > 0 ? await takeUploads(db(env.DB), siteId, id, uploads) : []
  if (taken.length < frame.attachments.length)
    return {
      problem: problem('invalid_field', 'A file of this message is not here any more. Send it again.'),
    }
  const inOrder = uploads.flatMap(upload => taken.filter(one => one.id === upload))
  return {
    ...{ id, content: frame.content, createdAt: Date.now(), inboxes: null },
    attachments: inOrder.map(attachmentFrom),
    visitor: { contactId, sentAs: frame.id },
  }
}
