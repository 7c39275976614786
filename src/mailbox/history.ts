/**
 * Mail from before the connection, imported because a person asked for it (domain/history.ts). It has its own list and its own job, and
 * does not touch the cursor. Its rows are marked HISTORY, which is how the rest of the house knows that they are never answered. One
 * page goes with each sync, behind what is new.
 */
import {
  connected,
  ended,
  faltered,
  type HistoryJob,
  listed,
  nextStep,
  RENUMBERED,
  stored,
  stuckAt,
} from '../domain/history.ts'
import { isFoldersOwn, sameFolder } from '../domain/sync.ts'
import { messageIdOf } from '../domain/thread.ts'
import { log } from '../log.ts'
import type { EmailSettings } from '../store/inboxes.ts'
import { headerKey } from './keys.ts'
import { type Folder, HISTORY, type Records } from './records.ts'
import { sentPath } from './sent-folder.ts'
import {
  asProblem,
  BrokenStream,
  fetchPage,
  PAGE_MAILS,
  passOver,
  STUCK_TIMES,
  type SyncTools,
  type Wanted,
} from './sync.ts'

/** What people are told of it. */
export interface HistoryStatus {
  state: 'none' | HistoryJob['state']
  folder: string | null
  since: number | null
  limit: number | null
  found: number
  imported: number
  skipped: number
  reason: string | null
  startedAt: number | null
  endedAt: number | null
}

export function historyStatus(job: HistoryJob | null): HistoryStatus {
  const nothing = { found: 0, imported: 0, skipped: 0, reason: null }
  if (!job)
    return {
      state: 'none',
      folder: null,
      since: null,
      limit: null,
      ...nothing,
      startedAt: null,
      endedAt: null,
    }
  const { state, folder, since, limit, found, imported, skipped, reason, startedAt, endedAt } = job
  return { state, folder, since, limit, found, imported, skipped, reason, startedAt, endedAt }
}

/** The folder of this name that the inbox looks at; null where it looks at none such. */
export function lookedAt(path: string, settings: EmailSettings, records: Records): string | null {
  const sent = sentPath(settings, records)
  const looked = sent === null ? settings.folders : [...settings.folders, sent]
  return looked.find(one => sameFolder(one, path)) ?? null
}

/** Mails on the list that are not stored yet, and the job they belong to. */
export class History {
  readonly #sql: SqlStorage
  readonly #records: Records

  constructor(sql: SqlStorage, records: Records) {
    this.#sql = sql
    this.#records = records
  }

  job(): HistoryJob | null {
    return this.#records.exists() ? this.#records.historyJob() : null
  }

  running(): boolean {
    return this.job()?.state === 'running'
  }

  save(job: HistoryJob): void {
    this.#records.saveHistoryJob(job)
    if (job.state !== 'running') this.#sql.exec('DELETE FROM history')
  }

  end(state: 'done' | 'stopped' | 'failed', reason: string | null, at: number): void {
    const job = this.job()
    if (job) this.save(ended(job, state, reason, at))
  }

  /** A page of the list, of which only the newest up to the limit are kept. */
  list(
    job: HistoryJob,
    mails: readonly { uid: number; internalDate: number; headerKey: string | null }[],
  ): void {
    for (const mail of mails)
      this.#sql.exec(
        'INSERT OR REPLACE INTO history (uid, internal_date, header_key) VALUES (?, ?, ?)',
        mail.uid,
        mail.internalDate,
        mail.headerKey,
      )
    this.#sql.exec(
      `DELETE FROM history WHERE uid IN
         (SELECT uid FROM history ORDER BY internal_date DESC, uid DESC LIMIT -1 OFFSET ?)`,
      job.limit,
    )
    this.save(job)
  }

  /** The oldest that are left, without those that are here already, which are counted. */
  next(folder: Folder, limit: number): number[] {
    for (;;) {
      const oldest = this.#sql
        .exec<{ uid: number; header_key: string | null }>(
          'SELECT uid, header_key FROM history ORDER BY internal_date, uid LIMIT ?',
          limit,
        )
        .toArray()
      const here = oldest.filter(
        ({ uid, header_key }) =>
          this.#records.mailAt(folder, uid) !== null ||
          (header_key !== null && this.#records.hasHeader(header_key)),
      )
      if (here.length === 0) return oldest.map(one => one.uid)
      this.#leave(here.map(one => one.uid))
      this.save(stored(this.job()!, { skipped: here.length }))
    }
  }

  /** These are stored: in the turn that writes their rows. */
  imported(uids: readonly number[]): void {
    this.#leave(uids)
    this.save(stored(this.job()!, { imported: uids.length }))
  }

  /** These are not on the server any more. */
  gone(uids: readonly number[]): void {
    const left = this.left(uids)
    this.#leave(left)
    if (left.length > 0) this.save(stored(this.job()!, { skipped: left.length }))
  }

  left(uids: readonly number[]): number[] {
    return this.#sql
      .exec<{ uid: number }>(
        'SELECT uid FROM history WHERE uid IN (SELECT value FROM json_each(?)) ORDER BY uid',
        JSON.stringify(uids),
      )
      .toArray()
      .map(row => row.uid)
  }

  #leave(uids: readonly number[]): void {
    this.#sql.exec('DELETE FROM history WHERE uid IN (SELECT value FROM json_each(?))', JSON.stringify(uids))
  }
}

/**
 * One page of what is to be imported: of the list, or of mails.
 *
 * @returns whether there is more to be done soon
 * @throws ImapFailure where the line is dead or the server takes nobody: the job waits
 */
export async function importPage(
  history: History,
  settings: EmailSettings,
  tools: SyncTools,
): Promise<boolean> {
  const job = history.job()
  if (job?.state !== 'running') return false
  try {
    await importStep(job, history, settings, tools)
    return history.running()
  } catch (error) {
    const why = asProblem(error)
    if (!isFoldersOwn(why.code)) throw error
    log('import_failed', { inbox: tools.inboxId, code: why.code }, error)
    const now = history.job()
    if (now) history.save(faltered(now, why.message, tools.now()))
    return false
  }
}

async function importStep(
  job: HistoryJob,
  history: History,
  settings: EmailSettings,
  tools: SyncTools,
): Promise<void> {
  const path = lookedAt(job.folder, settings, tools.records)
  const folder = path === null ? null : tools.records.folder(path)
  const step = nextStep(job, folder, path !== null)
  switch (step.kind) {
    case 'end':
      return history.end(step.state, step.reason, tools.now())
    case 'connect':
      return history.save(connected(job, folder!))
    case 'list':
      return listPage(job, step.from, folder!, history, tools)
    case 'store':
      return storePage(job, folder!, history, tools)
  }
}

async function listPage(
  job: HistoryJob,
  from: number,
  folder: Folder,
  history: History,
  { imap, account, now }: SyncTools,
): Promise<void> {
  const { uidValidity } = folder
  const page =
    from > job.untilUid
      ? null
      : await imap.scan({
          ...{ account, folder: folder.path, uidValidity, nextUid: from },
          ...{ untilUid: job.untilUid, since: job.since },
        })
  if (page && page.opened.uidValidity !== uidValidity) return history.end('failed', RENUMBERED, now())
  const mails = await Promise.all(
    (page?.mails ?? []).map(async ({ uid, internalDate, headers, size }) => ({
      uid,
      internalDate,
      // Without a Message-ID two mails may have the same headers and size (B2); those are told apart by what they say.
      headerKey: hasMessageId(headers) ? await headerKey(headers, size) : null,
    })),
  )
  const current = history.job()
  if (!current || !isSame(current, job) || current.state !== 'running') return
  const through = page?.through ?? job.untilUid
  history.list(listed(current, { found: mails.length, through, more: page?.more ?? false }), mails)
}

async function storePage(job: HistoryJob, folder: Folder, history: History, tools: SyncTools): Promise<void> {
  const uids = history.next(folder, PAGE_MAILS)
  if (uids.length === 0) return history.end('done', null, tools.now())
  const wanted: Wanted = {
    uids,
    oldBefore: HISTORY,
    placed: rows => {
      if (isSame(history.job(), job)) history.imported(rows.map(row => row.uid))
    },
  }
  // Read when all of the page is here: mails come by their positions, and are to be read by their dates.
  const quiet = { ...tools, stored: async () => {} }
  try {
    const more = await fetchPage(folder, quiet, wanted)
    const same = tools.records.folderById(folder.id)?.uidValidity === folder.uidValidity
    if (!more && same && isSame(history.job(), job)) history.gone(uids)
  } catch (error) {
    if (!(error instanceof BrokenStream) || !history.running() || !isSame(history.job(), job)) throw error
    const [broken] = history.left(uids)
    if (broken === undefined) throw error
    const stuck = stuckAt(history.job()!, broken)
    history.save(stuck)
    if (stuck.stuck!.times < STUCK_TIMES) throw error
    await passBroken(folder, broken, history, quiet, wanted)
  } finally {
    await tools.stored()
  }
}

/** A mail that breaks every fetch: its headers are stored, marked, like those of a new one (A12). */
async function passBroken(
  folder: Folder,
  uid: number,
  history: History,
  tools: SyncTools,
  wanted: Wanted,
): Promise<void> {
  const page = await tools.imap.scan({
    ...{ account: tools.account, folder: folder.path, uidValidity: folder.uidValidity },
    ...{ nextUid: uid, untilUid: uid },
  })
  const mail = page.mails[0]
  if (mail) await passOver(folder, mail, tools, wanted)
  else if (page.opened.uidValidity === folder.uidValidity) history.gone([uid])
}

/** It may have been stopped, and another begun, while the server was asked; a page that was on its way then is counted all the same. */
function isSame(now: HistoryJob | null, job: HistoryJob): boolean {
  return now?.startedAt === job.startedAt
}

function hasMessageId(headers: string): boolean {
  const value = /^message-id:(.*(?:\r?\n[ \t].*)*)/im.exec(headers)?.[1]
  return value !== undefined && messageIdOf(value) !== null
}
