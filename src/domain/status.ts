/** How it stands with a conversation: open, snoozed or closed, whose it is, how urgent, and whether it was read. */
import type { ConversationEvent, ConversationState, Priority, Status, Turn } from './conversation.ts'
import { callBack, type Superfluous, unchanged, withoutDrafts } from './turn.ts'

/** What is not named stays. */
export interface ConversationChange {
  title?: string
  owner?: 'assistant' | 'person'
  autoReplyEnabled?: boolean
  status?: Status
  /** With `snoozed`: until when, ms. */
  snoozedUntil?: number
  assignee?: string | null
  priority?: Priority | null
  labels?: string[]
  read?: boolean
}

export function conversationChanged(
  before: ConversationState,
  { change, living }: Extract<ConversationEvent, { type: 'conversation_changed' }>,
  at: number,
): Turn {
  const { read, snoozedUntil, ...named } = change
  const next: ConversationState = {
    ...before,
    ...named,
    ...(change.status === undefined ? {} : { snoozedUntil: snoozedUntil ?? null }),
    ...(read === undefined ? {} : readOrNot(before, read, at)),
  }
  if (isSame(before, next)) return unchanged(before)
  const why = quietens(before, next)
  const called = why ? callBack(next, why) : unchanged(next)
  const withdrawn = why === 'closed' ? withoutDrafts(living, before.seq, 'closed', at) : []
  const wakes = next.status === 'snoozed' ? next.snoozedUntil : null
  return {
    state: { ...called.state, seq: before.seq + withdrawn.length + 1 },
    messages: withdrawn,
    effects: wakes
      ? [...called.effects, { kind: 'unsnooze', id: `unsnooze:${wakes}`, until: wakes, dueAt: wakes }]
      : called.effects,
  }
}

/** Why what the assistant has in the making is not wanted any more; null where it is. */
function quietens(before: ConversationState, next: ConversationState): Superfluous | null {
  if (next.status === 'closed' && before.status !== 'closed') return 'closed'
  if (next.owner !== before.owner) return next.owner === 'person' ? 'taken_over' : 'superseded'
  if (!next.autoReplyEnabled && before.autoReplyEnabled) return 'auto_reply_disabled'
  return null
}

function readOrNot(before: ConversationState, read: boolean, at: number) {
  if (!read) return { unread: Math.max(1, before.unread) }
  return before.unread === 0 ? {} : { unread: 0, lastReadAt: at }
}

/** What an older conversation does not have yet. */
const UNSAID = { snoozedUntil: null, assignee: null, priority: null, labels: [] }

function isSame(one: ConversationState, other: ConversationState): boolean {
  return JSON.stringify({ ...UNSAID, ...one }) === JSON.stringify({ ...UNSAID, ...one, ...other })
}

/** Nothing where it was opened, closed or snoozed anew meanwhile. */
export function snoozeOver(before: ConversationState, until: number): Turn {
  if (before.status !== 'snoozed' || before.snoozedUntil !== until) return unchanged(before)
  return { ...unchanged(before), state: { ...reopened(before), seq: before.seq + 1 } }
}

/** The contact wrote: whatever was done with it, it is open again. */
export function reopened(state: ConversationState): ConversationState {
  return state.status === 'open' ? state : { ...state, status: 'open', snoozedUntil: null }
}
