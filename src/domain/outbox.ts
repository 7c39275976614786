/**
 * The life of one outgoing mail. Everything up to `leaving` may be done again with the same bytes; from `leaving` on the mail may
 * be with the server, so nothing is ever done again by itself: an answer is handed over at most once.
 *
 *     queued → sending → leaving → sent
 *        ↑        │  └→ withdrawn   ├→ failed      the server said no
 *        └─ retry ┘                 ├→ retry       the server said "not now", so it does not have it
 *                                   └→ uncertain   nobody can say; only a person sends it again, or says what became of it
 */
import type { Problem } from './problem.ts'
import { problem } from './problem.ts'

export type Phase =
  | 'queued'
  | 'sending'
  | 'leaving'
  | 'sent'
  | 'retry'
  | 'failed'
  | 'uncertain'
  | 'withdrawn'
  | 'held'

export interface Owed {
  phase: Phase
  attempts: number
  queuedAt: number
  /** When it may be tried (again); null where it is over. */
  dueAt: number | null
  problem: Problem | null
}

/** What came of one attempt; the kinds of mail/smtp.ts, and two of our own that end it before the last bytes left. */
export type Attempt =
  | { kind: 'sent' }
  | { kind: 'withdrawn'; problem: Problem }
  | { kind: 'held'; problem: Problem }
  | { kind: 'retry'; problem: Problem }
  | { kind: 'failed'; problem: Problem }
  | { kind: 'uncertain'; problem: Problem }

export interface OutboxRules {
  retryMs: readonly number[]
  /** After this the mail has failed, RFC 5321 §4.5.4.1 asks for at least 4–5 days of a relay; a person waits less. */
  giveUpMs: number
}

const MINUTE = 60_000
export const OUTBOX_RULES: OutboxRules = {
  retryMs: [1, 5, 15, 60, 240].map(minutes => minutes * MINUTE),
  giveUpMs: 48 * 60 * MINUTE,
}

export function afterAttempt(owed: Owed, attempt: Attempt, at: number, rules: OutboxRules): Owed {
  const attempts = owed.attempts + 1
  if (attempt.kind === 'sent') return { ...owed, phase: 'sent', attempts, dueAt: null, problem: null }
  if (attempt.kind !== 'retry')
    return { ...owed, phase: attempt.kind, attempts, dueAt: null, problem: attempt.problem }
  const wait = rules.retryMs[Math.min(attempts, rules.retryMs.length) - 1]!
  if (at + wait > owed.queuedAt + rules.giveUpMs)
    return { ...owed, phase: 'failed', attempts, dueAt: null, problem: attempt.problem }
  return { ...owed, phase: 'retry', attempts, dueAt: at + wait, problem: attempt.problem }
}

/** The object was torn down while it worked: what had not begun to leave is tried again, what had is uncertain. */
export function afterRestart(owed: Owed, at: number): Owed {
  if (owed.phase === 'sending') return { ...owed, phase: 'queued', dueAt: at }
  if (owed.phase === 'leaving')
    return { ...owed, phase: 'uncertain', dueAt: null, problem: problem('uncertain') }
  return owed
}

/** A person may send again what did not leave, or of what nobody knows it. */
const AGAIN: ReadonlySet<Phase> = new Set<Phase>(['failed', 'held', 'uncertain'])

/** A person says that it is to be sent again: as if it had just been queued. Null where that is not to be said of it. */
export function sentAgain(owed: Owed, at: number): Owed | null {
  if (!AGAIN.has(owed.phase)) return null
  return { phase: 'queued', attempts: 0, queuedAt: at, dueAt: at, problem: null }
}

/** A person, or the copy among the sent mail, says what became of a mail of which nobody knew. Null where it was known. */
export function settled(owed: Owed, outcome: 'sent' | 'failed'): Owed | null {
  if (owed.phase !== 'uncertain') return null
  const why =
    outcome === 'sent' ? null : problem('uncertain', 'A person found that this mail did not arrive.')
  return { ...owed, phase: outcome, dueAt: null, problem: why }
}

/** Caps on automatic mail hold even where no header says "robot": so many in a sliding window. */
export interface Cap {
  count: number
  windowMs: number
}
export interface Caps {
  sender: Cap
  thread: Cap
  inbox: Cap
}
export const CAPS: Caps = {
  sender: { count: 10, windowMs: 60 * MINUTE },
  thread: { count: 20, windowMs: 24 * 60 * MINUTE },
  inbox: { count: 300, windowMs: 60 * MINUTE },
}

/** Which cap, if any, one more automatic mail would break, given the times of those that left. */
export function capReached(
  left: { sender: readonly number[]; thread: readonly number[]; inbox: readonly number[] },
  at: number,
  caps: Caps,
): keyof Caps | null {
  for (const name of ['sender', 'thread', 'inbox'] as const) {
    const within = left[name].filter(time => time > at - caps[name].windowMs).length
    if (within >= caps[name].count) return name
  }
  return null
}
