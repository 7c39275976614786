/**
 * The import of mail from before the connection: asked for by a person, bounded in days and number, one at a time, and of a kind that can
 * never send anything. First everything of those days is listed, then the newest of it up to the limit is stored, the oldest first, so
 * that conversations read right. What is known of it stands in the job, so that a crash goes on where it stopped.
 */
import type { Cursor } from './sync.ts'

export interface HistoryOrder {
  days: number
  limit: number
  folder: string
}

export interface HistoryJob {
  state: 'running' | 'done' | 'stopped' | 'failed'
  folder: string
  /** Of the folder as it is listed; null until it was looked at for the first time. */
  uidValidity: number | null
  /** Mails with an INTERNALDATE before this are left where they are. */
  since: number
  /** As many mails at most. */
  limit: number
  /** From which UID on the list goes on; null where it is whole. */
  listFrom: number | null
  /** The last UID that lay there before the connection. */
  untilUid: number
  /** Mails of those days that lie there, also where they are more than the limit. */
  found: number
  imported: number
  /** Mails that were here already, or are gone from the server since they were listed. */
  skipped: number
  /** Why it ended before its end, in a sentence. */
  reason: string | null
  startedAt: number
  endedAt: number | null
  /** The mail at which fetching broke last, and how often in a row. */
  stuck: { uid: number; times: number } | null
  /** Steps in a row that failed for another reason than the line. */
  failures: number
}

const DAY = 24 * 60 * 60_000
/** After so many failures in a row it is told, and not tried for ever. */
const MOST_FAILURES = 5

export function begun(order: HistoryOrder, at: number): HistoryJob {
  return {
    state: 'running',
    folder: order.folder,
    uidValidity: null,
    since: at - order.days * DAY,
    limit: order.limit,
    ...{ listFrom: 1, untilUid: 0 },
    ...{ found: 0, imported: 0, skipped: 0 },
    ...{ reason: null, startedAt: at, endedAt: null, stuck: null, failures: 0 },
  }
}

export function ended(
  job: HistoryJob,
  state: 'done' | 'stopped' | 'failed',
  reason: string | null,
  at: number,
): HistoryJob {
  return job.state === 'running' ? { ...job, state, reason, endedAt: at, listFrom: null } : job
}

/** What is to be done next with the folder as it is now, or why nothing more is. */
export type HistoryStep =
  | { kind: 'connect' }
  | { kind: 'list'; from: number }
  | { kind: 'store' }
  | { kind: 'end'; state: 'stopped' | 'failed'; reason: string }

/** @param cursor null where the folder is not there to be looked at @param looked whether the inbox looks at this folder at all */
export function nextStep(job: HistoryJob, cursor: Cursor | null, looked: boolean): HistoryStep {
  if (!looked)
    return { kind: 'end', state: 'stopped', reason: 'The inbox does not look at this folder any more.' }
  if (!cursor) return { kind: 'end', state: 'failed', reason: 'The folder does not exist in this mailbox.' }
  if (job.uidValidity === null) return { kind: 'connect' }
  if (job.uidValidity !== cursor.uidValidity) return { kind: 'end', state: 'failed', reason: RENUMBERED }
  return job.listFrom === null ? { kind: 'store' } : { kind: 'list', from: job.listFrom }
}

export const RENUMBERED =
  'The mail server numbered the mails of this folder anew while they were imported. Start the import again.'

/** The folder as it is when the list begins: only what lies below its cursor's birth was there before us. */
export function connected(job: HistoryJob, cursor: Cursor): HistoryJob {
  return { ...job, uidValidity: cursor.uidValidity, untilUid: (cursor.bornUid ?? cursor.nextUid) - 1 }
}

/** A page of the list came, looked through as far as this UID. */
export function listed(job: HistoryJob, page: { found: number; through: number; more: boolean }): HistoryJob {
  const whole = !page.more || page.through >= job.untilUid
  return {
    ...job,
    found: job.found + page.found,
    listFrom: whole ? null : page.through + 1,
    failures: 0,
  }
}

export function stored(job: HistoryJob, count: { imported?: number; skipped?: number }): HistoryJob {
  return {
    ...job,
    imported: job.imported + (count.imported ?? 0),
    skipped: job.skipped + (count.skipped ?? 0),
    failures: 0,
  }
}

/** Fetching broke at this mail. */
export function stuckAt(job: HistoryJob, uid: number): HistoryJob {
  return { ...job, stuck: { uid, times: job.stuck?.uid === uid ? job.stuck.times + 1 : 1 } }
}

/** A step failed, and not because the line is dead: where that goes on, it is told. */
export function faltered(job: HistoryJob, why: string, at: number): HistoryJob {
  const failures = job.failures + 1
  return failures >= MOST_FAILURES ? ended({ ...job, failures }, 'failed', why, at) : { ...job, failures }
}
