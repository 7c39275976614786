/** What a contact says by the API or in a chat, as an event for its conversation: the sender is known, and nothing has to be read. */
import type { AttachmentRef, ConversationEvent, ConversationState } from '../domain/conversation.ts'
import { mayAnswerAt } from '../domain/hours.ts'
import { languageOf } from '../domain/language.ts'
import { mayBeAnswered } from '../domain/permission.ts'
import { type InboxRow, modeNow, replySettingsOf } from '../store/inboxes.ts'

export interface Said {
  /** UUIDv7: the same id twice is one message. */
  id: string
  content: string
  attachments: AttachmentRef[]
  createdAt: number
  /** Inboxes that whoever hands it in may see; null is all of them. */
  inboxes: readonly string[] | null
}

/** A person wrote it, so it may be answered by itself. */
const SAID = { class: 'person', reasons: ['by_api'], mayFlow: true, mayDraft: true, maySend: true } as const

export function asEvent(
  said: Said,
  { contact }: ConversationState,
  inbox: InboxRow,
  at: number,
): Omit<Extract<ConversationEvent, { type: 'message_received' }>, 'type' | 'known' | 'living'> {
  const rules = replySettingsOf(inbox)
  const { id, content, attachments, createdAt } = said
  return {
    message: {
      id,
      direction: 'incoming',
      sender: { kind: 'contact', id: contact.id, name: contact.name },
      content,
      createdAt,
      details: {
        verdict: { ...SAID, reasons: [...SAID.reasons] },
        language: languageOf(content),
        ...(attachments.length > 0 ? { attachments } : {}),
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
    rules: {
      mode: modeNow(inbox, rules),
      hasAssistant: inbox.assistantId !== null,
      draftAfterMs: rules.draftAfterMs,
      delayMs: rules.delayMs,
      closedText: rules.hours?.text ?? null,
    },
  }
}
