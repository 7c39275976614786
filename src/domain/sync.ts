/**
 * When a mailbox is looked at next, and what its owner is told about it. The clock, the alarm and the watch all ask here.
 */
import type { Problem, ProblemCode } from './problem.ts'

export type InboxState = 'unverified' | 'connected' | 'auth_required' | 'retrying' | 'paused'

export interface SyncState {
  state: InboxState
  /** Why, in a sentence; null while connected. */
  problem: Problem | null
  failures: number
  lastGoodAt: number | null
  lastTryAt: number | null
  dueAt: number
}

export interface SyncRules {
  pollMs: number
  /** The longest wait between tries of a mailbox that fails. */
  longestMs: number
}

export const NEVER_SYNCED: SyncState = {
  state: 'unverified',
  problem: null,
  failures: 0,
  lastGoodAt: null,
  lastTryAt: null,
  dueAt: 0,
}

export function afterGoodSync(at: number, rules: SyncRules): SyncState {
  return {
    state: 'connected',
    problem: null,
    failures: 0,
    lastGoodAt: at,
    lastTryAt: at,
    dueAt: at + rules.pollMs,
  }
}

/** Codes of a login that only the mailbox's owner can mend; trying again as it is does harm. */
const OWNERS_TURN = new Set<ProblemCode>([
  'credentials',
  'app_password_required',
  'basic_auth_retired',
  'imap_disabled',
])

/**
 * A refused password is told at once and tried rarely (A18: providers lock accounts that hammer); everything else backs off from
 * the poll interval, doubling. Nothing is lost by waiting: the cursor has not moved.
 */
export function afterFailedSync(
  before: SyncState,
  problem: Problem,
  at: number,
  rules: SyncRules,
): SyncState {
  const failures = before.failures + 1
  const credentials = OWNERS_TURN.has(problem.code)
  const first = credentials ? Math.max(rules.pollMs, 60_000) * 5 : Math.min(rules.pollMs, 30_000)
  // A folder that is not there is the owner's to mend, and the others are looked at as often as ever.
  if (problem.code === 'folder_missing')
    return {
      state: 'retrying',
      problem,
      failures,
      lastGoodAt: before.lastGoodAt,
      lastTryAt: at,
      dueAt: at + rules.pollMs,
    }
  // Never tried more often than it is polled when it is well.
  const wait = Math.min(first * 2 ** Math.min(failures - 1, 10), Math.max(rules.longestMs, rules.pollMs))
  return {
    state: credentials ? 'auth_required' : 'retrying',
    problem,
    failures,
    lastGoodAt: before.lastGoodAt,
    lastTryAt: at,
    dueAt: at + wait,
  }
}
