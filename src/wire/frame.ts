/**
 * What goes over a conversation's socket, as JSON in text frames. Durable frames carry `seq`: whoever comes back says `?since=` with the
 * last one they had, and misses and repeats nothing. Typing, presence and an answer that is being written have none: they are true now or
 * not at all. The team sees everything (`wire/message.ts`), a contact what was said to them (`wire/chat.ts`).
 */
import { z } from '@hono/zod-openapi'
import type { ConversationState, Message } from '../domain/conversation.ts'
import { copiedRow } from '../store/conversations.ts'
import { chatMessage, chatStanding, isForContact } from './chat.ts'
import { messageJson } from './message.ts'

/** Who is at the other end of a socket. */
export interface Watcher {
  kind: 'key' | 'member' | 'contact'
  id: string
  name: string
}

const SAID_CHARS = 16_000
/** Of a frame as it comes: what is said may be written with an escape for each character. */
export const FRAME_CHARS = 6 * SAID_CHARS + 8_000

/** What a client may send. The text `ping` is answered with `pong`, and wakes nobody. */
export const ClientFrame = z.discriminatedUnion('type', [
  /** A contact says something; `id` is of their own making, and the same again is the same message. */
  z.strictObject({
    type: z.literal('say'),
    id: z.uuid().toLowerCase(),
    content: z.string().max(SAID_CHARS),
    attachments: z
      .array(z.strictObject({ id: z.string().max(200) }))
      .max(10)
      .default([]),
  }),
  z.strictObject({ type: z.literal('typing'), on: z.boolean() }),
  z.strictObject({ type: z.literal('read') }),
])
export type ClientFrame = z.infer<typeof ClientFrame>
export type SayFrame = Extract<ClientFrame, { type: 'say' }>

export type ServerFrame =
  /** How the conversation stands, and messages that are new or changed, whole; `seq` null: more of the same comes right behind. */
  | { type: 'changed'; seq: number | null; conversation: object; messages: object[] }
  | { type: 'typing'; who: Watcher; on: boolean }
  /** Who has it open, each once. */
  | { type: 'presence'; here: Watcher[] }
  /** A piece of an answer that is being written, `at` so many UTF-16 units into it. */
  | { type: 'answer'; id: string; at: number; text: string }
  /** It is written: the message came just before, or there is none. */
  | { type: 'answer'; id: string; over: true }
  /** It became part of another conversation: go on there, from its beginning. */
  | { type: 'moved'; to: string }
  | { type: 'erased' }
  /** A frame was not taken; `sentAs` says which message it was. */
  | { type: 'error'; code: string; message: string; sentAs?: string; retryAfter?: number }

/** Messages of one frame. */
const SOME = 100

/** For the team. Never none: how it stands is told also where no message changed. */
export function changedFrames(
  state: ConversationState,
  messages: readonly Message[],
  publicUrl: string,
): ServerFrame[] {
  const shown = (message: Message) => messageJson(copiedRow(state.siteId, state.id, message), publicUrl)
  return inFrames(state.seq, standing(state), messages, shown)
}

/** The same for its contact. */
export function chatFrames(state: ConversationState, messages: readonly Message[]): ServerFrame[] {
  return inFrames(state.seq, chatStanding(state), messages.filter(isForContact), chatMessage)
}

/** In the order in which they were said, whatever changed of them since. */
function inFrames(
  seq: number,
  conversation: object,
  messages: readonly Message[],
  shown: (message: Message) => object,
): ServerFrame[] {
  const inOrder = messages.toSorted((a, b) => a.position - b.position).map(shown)
  const count = Math.max(1, Math.ceil(inOrder.length / SOME))
  return Array.from({ length: count }, (_, n) => ({
    type: 'changed',
    seq: n === count - 1 ? seq : null,
    conversation,
    messages: inOrder.slice(n * SOME, (n + 1) * SOME),
  }))
}

/** How it stands, as the team sees it live. */
export function standing(state: ConversationState) {
  const { id, title, status, owner, autoReplyEnabled, contact, linkedTo } = state
  const time = (at: number | null | undefined) => (at === null || at === undefined ? null : String(at))
  return {
    ...{ id, title, status, owner, autoReplyEnabled, contact, linkedTo },
    inbox: state.inboxId,
    snoozedUntil: time(state.snoozedUntil),
    priority: state.priority ?? null,
    labels: state.labels ?? [],
    assignee: state.assignee ?? null,
    unreadMessagesCount: state.unread,
    lastReadAt: time(state.lastReadAt),
    contactReadAt: time(state.contactReadAt),
    lastMessageCreatedAt: time(state.lastMessage?.at),
    createdAt: String(state.createdAt),
  }
}
