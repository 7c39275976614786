/**
 * The Mailbox object's own SQLite: cursors, one row per mail on the server that we have, the outbox, and what left lately. Nothing else
 * decides where a cursor stands. Tables are made with the first configuration, so a mailbox nobody connected writes nothing.
 */
import type { RemotePart } from '../../bridge/wire.ts'
import { normaliseAddress } from '../domain/address.ts'
import type { HistoryJob } from '../domain/history.ts'
import type { Caps, Owed, Phase } from '../domain/outbox.ts'
import type { Problem } from '../domain/problem.ts'
import { NEVER_SYNCED, type SyncState } from '../domain/sync.ts'
import { idKey } from '../domain/thread.ts'
import { EmailSettings, type MailboxConfig } from '../store/inboxes.ts'
import type { OutgoingMail } from './outbox.ts'
import { bringUp, hasSchema } from './schema.ts'

export interface Folder {
  id: number
  path: string
  uidValidity: number
  nextUid: number
  /** Where its cursor was born: what is below was there before us. Null where that was not noted (schema 1). */
  bornUid: number | null
  /** It holds what the account itself sent. */
  sent: boolean
  connectedAt: number
  syncedAt: number
  /** While a rescan after a UIDVALIDITY change runs: up to which UID, and when the last sync before it was good. */
  rescan: { to: number; goodAt: number } | null
}

/** `whole`: raw mail in R2. `large`: that, and a reduced mail for reading. `reduced`: only the reduced mail, the rest on demand. */
export type Extent = 'whole' | 'large' | 'reduced'

/** What a large mail left on the server. */
export interface Remote {
  parts: RemotePart[]
  textCut: boolean
  /** Fetching it failed again and again; only its main headers are here. */
  notFetched?: true
}

/** `oldBefore` of mail that was fetched from before the connection because somebody asked for it: never answered, whatever its date. */
export const HISTORY = Number.MAX_SAFE_INTEGER

/** The folder of mail that was handed to us and stands in none. */
export const ROUTED = 0

export interface MailRow {
  id: string
  folderId: number
  uidValidity: number
  uid: number
  size: number
  internalDate: number
  fetchedAt: number
  sha: string
  headerKey: string
  extent: Extent
  /** JSON of Remote, where something of the mail is still on the server only. */
  remote: string | null
  /** Found by a rescan: only what is later than this may be answered. */
  oldBefore: number | null
  /** Its Message-ID as `idKey` has it, and who wrote it: by these a mail is found again. Absent where nobody looked. */
  rfcId?: string | null
  writer?: string | null
}

/** A mail of ours with how it fares. */
export interface KnownMail extends MailRow {
  status: string
  attempts: number
  dueAt: number | null
  problem: Problem | null
  messageId: string | null
  conversationId: string | null
}

/** A mail as people name it: by its Message-ID (as `idKey` has it), or by whom it is from or to (as `normaliseAddress` has it). */
export type MailName = { rfcId: string } | { address: string }

export interface OutboxRow extends Owed {
  id: string
  mail: OutgoingMail
  rawKey: string
  /** The phase the conversation was last told. */
  told: Phase | null
  /** A person said that it is to be sent again: neither caps nor its age hold it. */
  again: boolean
}

type Row = Record<string, SqlStorageValue>

export class Records {
  readonly #sql: SqlStorage
  /** As last read: it is asked for at every turn, and reading it is not free. */
  #config: MailboxConfig | null | undefined

  /** An object that is there already is brought up to the schema of today; one that is not stays without a table. */
  constructor(sql: SqlStorage) {
    this.#sql = sql
    if (this.exists()) bringUp(sql)
  }

  exists(): boolean {
    return hasSchema(this.#sql)
  }

  config(): MailboxConfig | null {
    if (this.#config === undefined) {
      const saved = this.exists() ? this.#meta<MailboxConfig>('config') : null
      // What was saved before a setting was thought of has its default.
      this.#config = saved && { ...saved, settings: EmailSettings.parse(saved.settings) }
    }
    return this.#config
  }

  saveConfig(config: MailboxConfig): void {
    if (!this.exists()) bringUp(this.#sql)
    this.#setMeta('config', config)
    this.#config = undefined
  }

  /** The storage was emptied. */
  forget(): void {
    this.#config = null
  }

  syncState(): SyncState {
    return this.#meta<SyncState>('sync') ?? NEVER_SYNCED
  }

  saveSyncState(state: SyncState): void {
    this.#setMeta('sync', state)
  }

  /**
   * Written before mails are read and wiped behind them: what is still there in the next life was being read when the object was torn
   * down. Says how many times in a row it has begun with just these.
   */
  beginReading(ids: readonly string[]): number {
    const before = this.#meta<{ ids: string[]; times: number }>('reading')
    const times = before?.ids.join() === ids.join() ? before.times + 1 : 1
    this.#setMeta('reading', { ids, times })
    return times
  }

  endReading(): void {
    this.#sql.exec(`DELETE FROM meta WHERE key = 'reading'`)
  }

  wasReading(): boolean {
    return this.#meta('reading') !== null
  }

  folder(path: string): Folder | null {
    const row = this.#sql.exec<Row>('SELECT * FROM folders WHERE path = ?', path).toArray()[0]
    return row ? folderOf(row) : null
  }

  folderById(id: number): Folder | null {
    const row = this.#sql.exec<Row>('SELECT * FROM folders WHERE id = ?', id).toArray()[0]
    return row ? folderOf(row) : null
  }

  /** The cursor is born at UIDNEXT, also in an empty box: what is there already was never ours (A4, A5). */
  bornFolder(path: string, uidValidity: number, uidNext: number, at: number): void {
    this.#sql.exec(
      `INSERT INTO folders (path, uid_validity, next_uid, born_uid, connected_at, synced_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (path) DO NOTHING`,
      path,
      uidValidity,
      uidNext,
      uidNext,
      at,
      at,
    )
  }

  /** Whether what lies in it was sent by the account itself, as the settings and the server have it now. */
  markFolder(folder: Folder, sent: boolean): void {
    if (folder.sent !== sent)
      this.#sql.exec('UPDATE folders SET sent = ? WHERE id = ?', sent ? 1 : 0, folder.id)
  }

  /** The import of old mail that runs, or the last one; its list is kept in mailbox/history.ts. */
  historyJob(): HistoryJob | null {
    return this.#meta('history')
  }

  saveHistoryJob(job: HistoryJob): void {
    this.#setMeta('history', job)
  }

  /** The folder of sent mail as the server named it, and when it was asked; null where it was not, or the answer is old. */
  sentFolder(): { path: string | null; at: number } | null {
    return this.#meta('sent')
  }

  saveSentFolder(path: string | null, at: number): void {
    this.#setMeta('sent', { path, at })
  }

  forgetSentFolder(): void {
    this.#sql.exec(`DELETE FROM meta WHERE key = 'sent'`)
  }

  /**
   * UIDVALIDITY changed: begin at the first UID again, up to `to`, and remember when we last knew the folder. What is below `to` and
   * not known by then was there before us.
   */
  beginRescan(folder: Folder, uidValidity: number, to: number): void {
    this.#sql.exec(
      'UPDATE folders SET uid_validity = ?, next_uid = 1, born_uid = ?, rescan_to = ?, rescan_good_at = ? WHERE id = ?',
      uidValidity,
      to,
      to,
      folder.rescan?.goodAt ?? folder.syncedAt,
      folder.id,
    )
  }

  endRescan(folder: Folder): void {
    this.#sql.exec('UPDATE folders SET rescan_to = NULL, rescan_good_at = NULL WHERE id = ?', folder.id)
  }

  /** A fetch failed with the cursor here. Says how many times in a row now. */
  stuck(folder: Folder): number {
    this.#sql.exec(
      'UPDATE folders SET stuck_times = iif(stuck_uid IS next_uid, stuck_times + 1, 1), stuck_uid = next_uid WHERE id = ?',
      folder.id,
    )
    return this.#sql
      .exec<{ times: number }>('SELECT stuck_times AS times FROM folders WHERE id = ?', folder.id)
      .one().times
  }

  unstuck(folder: Folder): void {
    this.#sql.exec(
      'UPDATE folders SET stuck_times = 0, stuck_uid = NULL WHERE id = ? AND stuck_times > 0',
      folder.id,
    )
  }

  /** Mails and the cursor behind them, in one synchronous turn. A mail fetched again overwrites nothing that was made of it. */
  storeMails(folder: Folder, rows: readonly MailRow[], nextUid: number): void {
    for (const row of rows) this.#insertMail(row)
    this.#sql.exec('UPDATE folders SET next_uid = max(next_uid, ?) WHERE id = ?', nextUid, folder.id)
  }

  /** A mail that was handed to us, at no position of any folder. */
  storeRouted(row: MailRow): void {
    this.#insertMail(row)
  }

  /** Another account: its folders begin anew. The old ones keep their ids, which are in the ids of their mails. */
  retireFolders(): void {
    this.#sql.exec(
      `UPDATE folders SET path = char(0) || id || char(0) || path WHERE path NOT LIKE char(0) || '%'`,
    )
    this.#sql.exec(`DELETE FROM meta WHERE key IN ('sync', 'sent')`)
  }

  folderSynced(folder: Folder, at: number): void {
    this.#sql.exec('UPDATE folders SET synced_at = ? WHERE id = ?', at, folder.id)
  }

  /** A mail we have stands at a new position now. */
  moveMail(id: string, uidValidity: number, uid: number): void {
    this.#sql.exec('UPDATE mails SET uid_validity = ?, uid = ? WHERE id = ?', uidValidity, uid, id)
  }

  /** Known mails with these headers and size that are not yet at a position of the new UIDVALIDITY. */
  mailWithHeader(folder: Folder, headerKey: string): string | null {
    const row = this.#sql
      .exec<{ id: string }>(
        'SELECT id FROM mails WHERE header_key = ? AND folder_id = ? AND uid_validity <> ? ORDER BY uid LIMIT 1',
        headerKey,
        folder.id,
        folder.uidValidity,
      )
      .toArray()[0]
    return row?.id ?? null
  }

  mailAt(folder: Folder, uid: number): string | null {
    const row = this.#sql
      .exec<{ id: string }>(
        'SELECT id FROM mails WHERE folder_id = ? AND uid_validity = ? AND uid = ?',
        folder.id,
        folder.uidValidity,
        uid,
      )
      .toArray()[0]
    return row?.id ?? null
  }

  /** Whether a mail with these headers and size is here, wherever it stands. */
  hasHeader(headerKey: string): boolean {
    return this.#sql.exec('SELECT 1 FROM mails WHERE header_key = ? LIMIT 1', headerKey).toArray().length > 0
  }

  /**
   * Mails stored but not yet in their conversations, oldest position first. What was imported waits until nothing new is left, and comes
   * in the order it was written in.
   */
  mailsOwed(at: number, limit: number): (MailRow & { attempts: number })[] {
    const owed = (which: string) =>
      this.#sql
        .exec<Row>(`SELECT * FROM mails WHERE due_at <= ? AND ${which} LIMIT ?`, at, HISTORY, limit)
        .toArray()
        .map(row => ({ ...mailOf(row), attempts: row.attempts as number }))
    const live = owed('old_before IS NOT ? ORDER BY due_at, uid')
    return live.length > 0 ? live : owed('old_before IS ? ORDER BY internal_date, uid')
  }

  /** The newest mails of this name. */
  mailsNamed(name: MailName, limit: number): KnownMail[] {
    const [column, value] = 'rfcId' in name ? ['rfc_id', name.rfcId] : ['writer', name.address]
    return this.#sql
      .exec<Row>(
        `SELECT * FROM mails WHERE ${column} = ? ORDER BY internal_date DESC, uid DESC LIMIT ?`,
        value!,
        limit,
      )
      .toArray()
      .map(knownOf)
  }

  /** The mail at this position, where we have it. */
  knownAt(folder: Folder, uid: number): KnownMail | null {
    const id = this.mailAt(folder, uid)
    const row = id && this.#sql.exec<Row>('SELECT * FROM mails WHERE id = ?', id).toArray()[0]
    return row ? knownOf(row) : null
  }

  /** What was learned of a mail that was stored before anybody looked. */
  nameMail(id: string, rfcId: string | null, writer: string | null): void {
    this.#sql.exec(
      'UPDATE mails SET rfc_id = coalesce(rfc_id, ?), writer = coalesce(writer, ?) WHERE id = ?',
      rfcId,
      writer,
      id,
    )
  }

  mail(
    id: string,
  ): (MailRow & { messageId: string | null; conversationId: string | null; status: string }) | null {
    const row = this.exists() && this.#sql.exec<Row>('SELECT * FROM mails WHERE id = ?', id).toArray()[0]
    return row
      ? {
          ...mailOf(row),
          messageId: row.message_id as string | null,
          conversationId: row.conversation_id as string | null,
          status: row.status as string,
        }
      : null
  }

  mailDelivered(id: string, messageId: string, conversationId: string, why: Problem | null): void {
    this.#sql.exec(
      `UPDATE mails SET status = 'delivered', due_at = NULL, message_id = ?, conversation_id = ?, problem = ? WHERE id = ?`,
      messageId,
      conversationId,
      why && JSON.stringify(why),
      id,
    )
  }

  mailRetry(id: string, dueAt: number, why: Problem): void {
    this.#sql.exec(
      'UPDATE mails SET attempts = attempts + 1, due_at = ?, problem = ? WHERE id = ?',
      dueAt,
      JSON.stringify(why),
      id,
    )
  }

  mailIsWhole(id: string): void {
    this.#sql.exec(`UPDATE mails SET extent = 'large' WHERE id = ?`, id)
  }

  addToOutbox(row: OutboxRow): boolean {
    return (
      this.#sql.exec(
        `INSERT INTO outbox (id, mail, raw_key, phase, attempts, queued_at, due_at, problem, told, again, recipient, rfc_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
        row.id,
        JSON.stringify(row.mail),
        row.rawKey,
        row.phase,
        row.attempts,
        row.queuedAt,
        row.dueAt,
        row.told,
        row.again ? 1 : 0,
        normaliseAddress(row.mail.to.address),
        idKey(row.mail.rfcId),
      ).rowsWritten > 0
    )
  }

  outboxRow(id: string): OutboxRow | null {
    const row = this.exists() && this.#sql.exec<Row>('SELECT * FROM outbox WHERE id = ?', id).toArray()[0]
    return row ? outboxOf(row) : null
  }

  /** @param answersUntil a machine's answers that are due later than this are left out, unless a person sends them again */
  outboxDue(at: number, answersUntil = at): OutboxRow | null {
    const row = this.#sql
      .exec<Row>(
        `SELECT * FROM outbox WHERE phase IN ('queued', 'retry') AND due_at <= ?
         AND (due_at <= ? OR again = 1 OR json_extract(mail, '$.automatic') IS NOT 'auto-replied')
         ORDER BY due_at, id LIMIT 1`,
        at,
        answersUntil,
      )
      .toArray()[0]
    return row ? outboxOf(row) : null
  }

  outboxIn(...phases: Phase[]): OutboxRow[] {
    return this.#sql
      .exec<Row>(
        `SELECT * FROM outbox WHERE phase IN (SELECT value FROM json_each(?))`,
        JSON.stringify(phases),
      )
      .toArray()
      .map(outboxOf)
  }

  saveOutbox(id: string, owed: Owed): void {
    this.#sql.exec(
      'UPDATE outbox SET phase = ?, attempts = ?, due_at = ?, problem = ? WHERE id = ?',
      owed.phase,
      owed.attempts,
      owed.dueAt,
      owed.problem && JSON.stringify(owed.problem),
      id,
    )
  }

  /** A person sends it again: it waits as if it were new, and the conversation hears of every phase from here on. */
  requeue(id: string, owed: Owed): void {
    this.#sql.exec('UPDATE outbox SET queued_at = ?, told = NULL, again = 1 WHERE id = ?', owed.queuedAt, id)
    this.saveOutbox(id, owed)
  }

  /** The platform that sent it gave the mail another Message-ID. */
  renamed(id: string, rfcId: string): void {
    this.#sql.exec(
      `UPDATE outbox SET mail = json_set(mail, '$.rfcId', ?), rfc_id = ? WHERE id = ?`,
      rfcId,
      idKey(rfcId),
      id,
    )
  }

  /** Only that there was such a mail stays, under its ids, and what became of it. */
  blankOutbox({ id, mail }: OutboxRow): void {
    const blank: OutgoingMail = {
      ...{ id: mail.id, conversationId: mail.conversationId, rfcId: mail.rfcId, createdAt: mail.createdAt },
      ...{ automatic: mail.automatic, byMachine: mail.byMachine, language: 'und' },
      ...{ from: '', to: { name: '', address: '' }, subject: '', text: '', original: null },
      ...{ inReplyTo: null, references: [], citations: [], attachments: [] },
    }
    this.#sql.exec(`UPDATE outbox SET mail = ?, recipient = '' WHERE id = ?`, JSON.stringify(blank), id)
  }

  /** The newest mails out of this name. */
  outboxNamed(name: MailName, limit: number): OutboxRow[] {
    const [column, value] = 'rfcId' in name ? ['rfc_id', name.rfcId] : ['recipient', name.address]
    return this.#sql
      .exec<Row>(
        `SELECT * FROM outbox WHERE ${column} = ? ORDER BY queued_at DESC, id DESC LIMIT ?`,
        value!,
        limit,
      )
      .toArray()
      .map(outboxOf)
  }

  /** The mail out with this Message-ID (as `idKey` has it) of which nobody could say whether it was handed over. */
  uncertainNamed(rfcIdKey: string): OutboxRow | null {
    const row = this.#sql
      .exec<Row>(`SELECT * FROM outbox WHERE rfc_id = ? AND phase = 'uncertain' LIMIT 1`, rfcIdKey)
      .toArray()[0]
    return row ? outboxOf(row) : null
  }

  /** Outcomes the conversation has not been told. */
  outboxUntold(): OutboxRow[] {
    return this.#sql
      .exec<Row>(
        `SELECT * FROM outbox WHERE told IS NOT phase
         AND phase IN ('sent', 'failed', 'uncertain', 'withdrawn', 'held', 'retry') LIMIT 50`,
      )
      .toArray()
      .map(outboxOf)
  }

  outboxTold(id: string, phase: Phase): void {
    this.#sql.exec('UPDATE outbox SET told = ? WHERE id = ?', phase, id)
  }

  /** When automatic mail left lately: to this recipient, in this thread, from this inbox. */
  departures(recipient: string, thread: string, caps: Caps, at: number, apartFrom: string) {
    const since = at - Math.max(caps.sender.windowMs, caps.thread.windowMs, caps.inbox.windowMs)
    this.#sql.exec('DELETE FROM departures WHERE at <= ?', since)
    const rows = this.#sql
      .exec<{ at: number; recipient: string; thread: string }>(
        'SELECT at, recipient, thread FROM departures WHERE outbox_id <> ?',
        apartFrom,
      )
      .toArray()
    return {
      sender: rows.filter(row => row.recipient === recipient).map(row => row.at),
      thread: rows.filter(row => row.thread === thread).map(row => row.at),
      inbox: rows.map(row => row.at),
    }
  }

  depart(outboxId: string, recipient: string, thread: string, at: number): void {
    this.#sql.exec('INSERT OR REPLACE INTO departures VALUES (?, ?, ?, ?)', outboxId, at, recipient, thread)
  }

  stay(outboxId: string): void {
    this.#sql.exec('DELETE FROM departures WHERE outbox_id = ?', outboxId)
  }

  /** When a mail here is to be read again by itself. */
  nextMailDue(): number | null {
    return this.#sql
      .exec<{ due: number | null }>('SELECT min(due_at) AS due FROM mails WHERE due_at IS NOT NULL')
      .one().due
  }

  /** When a mail of ours is to be tried again. */
  nextOutDue(): number | null {
    return this.#sql
      .exec<{ due: number | null }>('SELECT min(due_at) AS due FROM outbox WHERE due_at IS NOT NULL')
      .one().due
  }

  /** Why the mail that waits longest is not in its conversation yet; null where nothing failed. */
  owedProblem(): Problem | null {
    const row = this.#sql
      .exec<{ problem: string }>(
        'SELECT problem FROM mails WHERE due_at IS NOT NULL AND problem IS NOT NULL ORDER BY due_at LIMIT 1',
      )
      .toArray()[0]
    return row ? (JSON.parse(row.problem) as Problem) : null
  }

  counts(): { mails: number; owed: number } {
    return this.#sql
      .exec<{ mails: number; owed: number }>('SELECT count(*) AS mails, count(due_at) AS owed FROM mails')
      .one()
  }

  #insertMail(row: MailRow): void {
    this.#sql.exec(
      `INSERT INTO mails (id, folder_id, uid_validity, uid, size, internal_date, fetched_at, sha, header_key, extent, remote,
         old_before, rfc_id, writer, status, attempts, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'stored', 0, ?)
       ON CONFLICT (id) DO NOTHING`,
      row.id,
      row.folderId,
      row.uidValidity,
      row.uid,
      row.size,
      row.internalDate,
      row.fetchedAt,
      row.sha,
      row.headerKey,
      row.extent,
      row.remote,
      row.oldBefore,
      row.rfcId ?? null,
      row.writer ?? null,
      row.fetchedAt,
    )
  }

  #meta<T>(key: string): T | null {
    const row = this.#sql.exec<{ value: string }>('SELECT value FROM meta WHERE key = ?', key).toArray()[0]
    return row ? (JSON.parse(row.value) as T) : null
  }

  #setMeta(key: string, value: unknown): void {
    this.#sql.exec('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)', key, JSON.stringify(value))
  }
}

function folderOf(row: Row): Folder {
  return {
    id: row.id as number,
    path: row.path as string,
    uidValidity: row.uid_validity as number,
    nextUid: row.next_uid as number,
    bornUid: row.born_uid as number | null,
    sent: row.sent === 1,
    connectedAt: row.connected_at as number,
    syncedAt: row.synced_at as number,
    rescan:
      row.rescan_to === null ? null : { to: row.rescan_to as number, goodAt: row.rescan_good_at as number },
  }
}

function mailOf(row: Row): MailRow {
  return {
    id: row.id as string,
    folderId: row.folder_id as number,
    uidValidity: row.uid_validity as number,
    uid: row.uid as number,
    size: row.size as number,
    internalDate: row.internal_date as number,
    fetchedAt: row.fetched_at as number,
    sha: row.sha as string,
    headerKey: row.header_key as string,
    extent: row.extent as Extent,
    remote: row.remote as string | null,
    oldBefore: row.old_before as number | null,
    rfcId: row.rfc_id as string | null,
    writer: row.writer as string | null,
  }
}

function knownOf(row: Row): KnownMail {
  return {
    ...mailOf(row),
    status: row.status as string,
    attempts: row.attempts as number,
    dueAt: row.due_at as number | null,
    problem: row.problem === null ? null : (JSON.parse(row.problem as string) as Problem),
    messageId: row.message_id as string | null,
    conversationId: row.conversation_id as string | null,
  }
}

function outboxOf(row: Row): OutboxRow {
  return {
    id: row.id as string,
    mail: JSON.parse(row.mail as string) as OutgoingMail,
    rawKey: row.raw_key as string,
    phase: row.phase as Phase,
    attempts: row.attempts as number,
    queuedAt: row.queued_at as number,
    dueAt: row.due_at as number | null,
    problem: row.problem === null ? null : (JSON.parse(row.problem as string) as Problem),
    told: row.told as Phase | null,
    again: row.again === 1,
  }
}
