/** What the site is told of a conversation, for those who have its list open. */
import type { ConversationState, Message } from '../domain/conversation.ts'
import { copiedRow } from '../store/conversations.ts'
import { standing } from '../wire/frame.ts'
import { messageJson } from '../wire/message.ts'
import type { SiteChange, SiteGone } from '../wire/site-frame.ts'

export function siteChange(state: ConversationState, last: Message | null, publicUrl: string): SiteChange {
  const lastMessage = last && preview(messageJson(copiedRow(state.siteId, state.id, last), publicUrl))
  return {
    conversationId: state.id,
    inboxId: state.inboxId,
    contactId: state.contact.id,
    seq: state.seq,
    // As text: an id of 39 digits is raw JSON, which no call between objects carries.
    row: JSON.stringify({ ...standing(state), lastMessage }),
    waiting: waitingSince(state),
  }
}

/** A list shows how a message begins; thousands of rows are kept of it. */
function preview(message: ReturnType<typeof messageJson>) {
  const { content } = message
  return content.length <= PREVIEW_CHARS
    ? message
    : { ...message, content: content.slice(0, PREVIEW_CHARS), contentIsCut: true }
}
const PREVIEW_CHARS = 500

export function siteGone({ id, inboxId, seq }: ConversationState, to: string): SiteGone {
  return { conversationId: id, inboxId, seq, to }
}

/** A person is wanted, nobody in particular has it, and nobody has written since. */
function waitingSince({ owner, status, assignee, ...state }: ConversationState): number | null {
  const since = state.ownerSince ?? state.createdAt
  const waits = owner === 'person' && status === 'open' && !assignee && (state.writtenAt ?? 0) < since
  return waits ? since : null
}
