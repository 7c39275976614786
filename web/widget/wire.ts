/** What goes between the widget and the desk (docs/widget.md, docs/live.md). Times are milliseconds, written as strings. */

export interface Person {
  kind: 'contact' | 'assistant' | 'person' | 'member'
  id: string
  name: string
}

export interface ChatFile {
  n: number
  filename: string
  type: string
  /** Bytes. */
  size: number
}

export interface ChatMessage {
  id: string
  /** The id that whoever said it gave it: an optimistic copy with this id is the same message. */
  sentAs: string | null
  type: 'incoming' | 'outgoing'
  sender: Person
  content: string
  attachments: ChatFile[]
  citations: { title: string; url: string | null }[]
  feedback: Feedback
  createdAt: string
}

export type Feedback = 'like' | 'dislike' | null

export interface ConversationFacts {
  id: string
  status: 'open' | 'snoozed' | 'closed'
  owner: 'assistant' | 'person'
  createdAt: string
}

export type FromDesk =
  | { type: 'changed'; seq: number | null; conversation: ConversationFacts; messages: ChatMessage[] }
  | { type: 'typing'; who: Person; on: boolean }
  | { type: 'presence'; here: Person[] }
  | { type: 'answer'; id: string; at: number; text: string }
  | { type: 'answer'; id: string; over: true }
  | { type: 'moved'; to: string }
  | { type: 'erased' }
  | { type: 'error'; code: string; message: string; sentAs?: string; retryAfter?: number }

export type ToDesk =
  | { type: 'say'; id: string; content: string; attachments?: { id: string }[] }
  | { type: 'typing'; on: boolean }
  | { type: 'read' }

/** What the team set for this chat. */
export interface ChatSettings {
  id: string
  title: string
  color: string
  greeting: string | null
  suggestedQuestions: string[]
  language: string | null
  attachments: boolean
  /** Answers that were missed are mailed, where an address is known. */
  continues?: boolean
}

export interface Identity {
  email: string
  name?: string
  hash: string
}

/** The answer to `POST /api/v1/web-chats/{id}/sessions`. */
export interface Begun {
  token: string
  contact: { id: string; name: string; email: string | null; proved: boolean }
  conversation: { id: string } | null
  chat: ChatSettings
  availability: 'now' | 'later' | 'offline'
}

export interface Uploaded {
  id: string
  filename: string
  type: string
  size: number
}
