/**
 * What goes over a conversation's socket, as JSON in text frames. Durable frames carry `seq`: whoever comes back says `?since=` with the
 * last one they had, and misses and repeats nothing. Typing and presence have none: they are true now or not at all.
 */
import { z } from '@hono/zod-openapi'
import type { ConversationState, Message } from '../domain/conversation.ts'
import { copiedRow } from '../store/conversations.ts'
import { messageJson } from './message.ts'

/** Who is at the other end of a socket. */
export interface Watcher {
  kind: 'key' | 'member'
  id: string
  name: string
}

/** What a client may send. The text `ping` is answered with `pong`, and wakes nobody. */
export const ClientFrame = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('typing'), on: z.boolean() }),
  z.strictObject({ type: z.literal('read') }),
])
export type ClientFrame = z.infer<typeof ClientFrame>

export type ServerFrame =
  /** How the conversation stands, and messages that are new or changed, whole; `seq` null: more of the same comes right behind. */
  | { type: 'changed'; seq: number | null; conversation: object; messages: object[] }
  | { type: 'typing'; who: Watcher; on: boolean }
  /** Members who have it open, each once. */
  | { type: 'presence'; here: Watcher[] }
  /** It became part of another conversation: go on there, from its beginning. */
  | { type: 'moved'; to: string }
  | { type: 'erased' }
  /** A frame was not taken. */
  | { type: 'error'; code: 'bad_frame' | 'rate_limited' | 'forbidden'; message: string }

/** Messages of one frame. */
const SOME = 100

/** Never none: how it stands is told also where no message changed. */
export function changedFrames(
  state: ConversationState,
  messages: readonly Message[],
  publicUrl: string,
): ServerFrame[] {
  const conversation = standing(state)
  const shown = messages.map(message => messageJson(copiedRow(state.siteId, state.id, message), publicUrl))
  const count = Math.max(1, Math.ceil(shown.length / SOME))
  return Array.from({ length: count }, (_, n) => ({
    type: 'changed',
    seq: n === count - 1 ? state.seq : null,
    conversation,
    messages: shown.slice(n * SOME, (n + 1) * SOME),
  }))
}

function standing(state: ConversationState) {
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
    lastMessageCreatedAt: time(state.lastMessage?.at),
    createdAt: String(state.createdAt),
  }
}
