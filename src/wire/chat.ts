/**
 * A conversation as its contact sees it in a chat: what was said to them and by them, and nothing of how it came about. Drafts, what is
 * held back or was not sent, robots' mail and the team's own notes are not there for them.
 */
import type { ConversationState, Message } from '../domain/conversation.ts'

export interface ChatMessage {
  id: string
  /** The id that the contact's program gave it when it was said there. */
  sentAs: string | null
  type: 'incoming' | 'outgoing'
  sender: { kind: 'contact' | 'assistant' | 'person'; id: string; name: string }
  content: string
  attachments: { n: number; filename: string; type: string; size: number }[]
  citations: { title: string; url: string | null }[]
  feedback: 'like' | 'dislike' | null
  /** Milliseconds since the epoch. */
  createdAt: string
}

export interface ChatStanding {
  id: string
  status: ConversationState['status']
  owner: ConversationState['owner']
  createdAt: string
}

export function chatStanding({ id, status, owner, createdAt }: ConversationState): ChatStanding {
  return { id, status, owner, createdAt: String(createdAt) }
}

/** What has reached them, whatever came of it afterwards. */
const REACHED = ['sent', 'uncertain', 'delayed', 'bounced']

export function isForContact({
  direction,
  delivery,
  details,
}: Pick<Message, 'direction' | 'delivery' | 'details'>): boolean {
  if (details.imported || details.continues) return false
  if (direction === 'incoming') return details.verdict?.class === 'person'
  return REACHED.includes(delivery?.status ?? '')
}

export function chatMessage(message: Message): ChatMessage {
  const { id, direction, sender, content, createdAt, details } = message
  return {
    id,
    sentAs: details.sentAs ?? null,
    type: direction,
    sender,
    content,
    attachments: (details.attachments ?? []).map(({ filename, contentType, size }, n) => ({
      ...{ n, filename, size },
      type: contentType,
    })),
    citations: (details.citations ?? []).map(({ title, url }) => ({ title, url })),
    feedback: details.feedback?.type ?? null,
    createdAt: String(createdAt),
  }
}
