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

/** What is wrong with one folder or one mail in it, while the server and the line to it are well. */
const FOLDERS_OWN = new Set<ProblemCode>([
  'folder_missing',
  'mail_missing',
  'protocol',
  'storage',
  'internal',
])

/**
 * Whether a failure in a folder that is looked at beside the others (sent mail, an import) leaves the sync a good one. A line that is
 * dead, a server that is busy and a login that is refused would stop the others just so.
 */
export function isFoldersOwn(code: ProblemCode): boolean {
  return FOLDERS_OWN.has(code)
}

/** RFC 3501 §5.1: INBOX alone is the same in any case. */
export function sameFolder(one: string, other: string): boolean {
  return one === other || (one.toUpperCase() === 'INBOX' && other.toUpperCase() === 'INBOX')
}

/** How far a folder has been looked at. */
export interface Cursor {
  uidValidity: number
  nextUid: number
  /** Where the cursor was born; null where that was not noted. */
  bornUid: number | null
}

/**
 * Where a mail on the server stands for us: `here`, we have it; `not_yet`, the next sync brings it; `other_folder`, we do not look there;
 * `before_connection`, it was there before us, and only an import brings it; `passed`, it came since and we do not have it, which should
 * not be.
 */
export type Whereabouts = 'here' | 'not_yet' | 'other_folder' | 'before_connection' | 'passed'

/** @param looked at its folder; a cursor is born with the first look, behind everything that is there */
export function whereabouts(
  at: { uidValidity: number; uid: number },
  folder: { looked: boolean; cursor: Cursor | null; here: boolean },
): Whereabouts {
  const { looked, cursor, here } = folder
  if (here) return 'here'
  if (!looked) return 'other_folder'
  if (!cursor) return 'before_connection'
  // After a UIDVALIDITY change the folder is looked through from its first mail on.
  if (cursor.uidValidity !== at.uidValidity || at.uid >= cursor.nextUid) return 'not_yet'
  return cursor.bornUid === null || at.uid < cursor.bornUid ? 'before_connection' : 'passed'
}
