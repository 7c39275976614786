/**
 * The contact of a chat who comes and goes: what they have seen, who they turn out to be, and the mail that goes after them with the
 * answers they missed.
 */
import type { ConversationEvent, ConversationState, Effect, Message, Turn } from './conversation.ts'
import { sentOff, unchanged } from './turn.ts'

/** Everything that was said so far was seen. Nothing where it was before. */
export function contactRead(before: ConversationState, at: number): Turn {
  if ((before.lastMessage?.at ?? 0) <= (before.contactReadAt ?? 0)) return unchanged(before)
  return { ...unchanged(before), state: { ...before, contactReadAt: at, seq: before.seq + 1 } }
}

export function contactKnown(before: ConversationState, contact: ConversationState['contact']): Turn {
  if (before.contact.id === contact.id) return unchanged(before)
  return { ...unchanged(before), state: { ...before, contact, seq: before.seq + 1 } }
}

/** Something was said in the chat: if its contact does not see it in time, it is mailed. One such look is owed at a time. */
export function lookedFor(state: ConversationState, message: Message, at: number): Effect[] {
  const { continueAfterMs: ms } = state
  const isSaid =
    message.direction === 'outgoing' && !message.details.mail && message.delivery?.status === 'sent'
  if (ms === undefined || ms === null || !isSaid) return []
  return [{ kind: 'continue_by_mail', id: 'continue', afterMs: ms, dueAt: at + ms }]
}

/** What was said to the contact in the chat, not seen there, and not mailed yet, oldest first. */
export function unseen(state: ConversationState, messages: readonly Message[]): Message[] {
  const mailed = new Set(messages.flatMap(one => one.details.continues ?? []))
  return messages.filter(
    one =>
      one.direction === 'outgoing' &&
      one.delivery?.status === 'sent' &&
      !one.details.mail &&
      !mailed.has(one.id) &&
      one.createdAt > (state.contactReadAt ?? 0),
  )
}

/** The mail that brings what was missed stands beside it, for the team to see; for the contact it says nothing new. */
export function continued(
  before: ConversationState,
  event: Extract<ConversationEvent, { type: 'continued' }>,
  at: number,
): Turn {
  // They came back while it was written.
  if ((before.contactReadAt ?? 0) >= event.since) return unchanged(before)
  const seq = before.seq + 1
  const { delivery, effects } = sentOff(event.message, at)
  const message: Message = {
    ...event.message,
    direction: 'outgoing',
    position: before.length,
    seq,
    epoch: before.epoch,
    delivery,
  }
  return { state: { ...before, length: before.length + 1, seq }, messages: [message], effects }
}
