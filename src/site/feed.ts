/**
 * The Site object's own SQLite: one row for each conversation that changed of late, in the order of its last change. A change takes the
 * row to the end under the next `seq`, so what somebody missed is what stands behind the last `seq` they had, each conversation once. What
 * is no more stays as a row without content, so that who was away hears of it and a late change cannot bring it back.
 */
import type { SiteChange, SiteGone } from '../wire/site-frame.ts'
import { changedText, goneText, rowText } from '../wire/site-frame.ts'

const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE feed (
    seq INTEGER PRIMARY KEY, conversation_id TEXT NOT NULL UNIQUE, conversation_seq INTEGER NOT NULL, inbox_id TEXT NOT NULL,
    at INTEGER NOT NULL, json TEXT, moved_to TEXT, waiting INTEGER);
  CREATE INDEX feed_waiting ON feed (waiting) WHERE waiting IS NOT NULL;
  INSERT INTO meta VALUES ('schema', '1');
`

/** The newest rows that are kept; those that wait for a person are, however old. */
export const KEPT_ROWS = 20_000
/** Looked at every so many changes: until then there may be more. */
const PRUNE_EVERY = 1_000
/** What changed just now may not be in the lists yet, which are copies in D1: so much of it is told to who loads them. */
const FRESH_MS = 60_000
const FRESH_ROWS = 500

/** What is told of a row, and to whom. */
export interface Told {
  seq: number
  inboxId: string
  text: string
}

export interface Waits {
  conversationId: string
  inboxId: string
  /** Ms. */
  since: number
}

/** A change that was news, and since when the conversation waited before it and does now. */
export interface News extends Told {
  waitedSince: number | null
  waitsSince: number | null
}

type Row = {
  conversation_seq: number
  inbox_id: string
  json: string | null
  moved_to: string | null
  waiting: number | null
}

export class Feed {
  readonly #sql: SqlStorage
  /** The last; null where it was not looked up in this life of the object. */
  #seq: number | null = null
  #floor: number | null = null
  #there = false

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  exists(): boolean {
    this.#there ||= this.#sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'meta'`).toArray().length > 0
    return this.#there
  }

  /**
   * Safe to repeat. The count begins at the time in milliseconds: should the storage ever be lost, what was counted before lies below the
   * new beginning, and nobody goes on from a number that means something else by now.
   */
  begin(at: number): void {
    if (this.exists()) return
    this.#sql.exec(SCHEMA)
    this.#sql.exec(`INSERT INTO meta VALUES ('floor', ?)`, String(at))
    this.#there = true
  }

  /** Null where it is not newer than what is known. */
  change(change: SiteChange, at: number): News | null {
    const { conversationId, inboxId, seq: own, waiting } = change
    const before = this.#row(conversationId)
    if (before && (before.json === null || before.conversation_seq >= own)) return null
    const json = rowText(change)
    const seq = this.#put(conversationId, own, inboxId, at, json, null, waiting)
    const text = changedText(seq, json)
    return { seq, inboxId, text, waitedSince: before?.waiting ?? null, waitsSince: waiting }
  }

  /** Null where that is known. */
  gone({ conversationId, inboxId: named, seq: own, to }: SiteGone, at: number): News | null {
    const before = this.#row(conversationId)
    const inboxId = named ?? before?.inbox_id
    if (inboxId === undefined) return null
    if (before?.json === null && (before.conversation_seq >= own || before.moved_to === to)) return null
    const seq = this.#put(conversationId, own, inboxId, at, null, to, null)
    const text = goneText(seq, conversationId, to)
    return { seq, inboxId, text, waitedSince: before?.waiting ?? null, waitsSince: null }
  }

  seq(): number {
    this.#seq ??=
      this.#sql.exec<{ seq: number | null }>('SELECT max(seq) AS seq FROM feed').one().seq ?? this.#lowest()
    return this.#seq
  }

  /** Whether all that came after it is still here. */
  reaches(since: number): boolean {
    return since >= this.#lowest() && since <= this.seq()
  }

  /** From where on somebody who loads the lists now is to be told. */
  fresh(at: number): number {
    const newest = this.#sql.exec<{ seq: number; at: number }>(
      'SELECT seq, at FROM feed ORDER BY seq DESC LIMIT ?',
      FRESH_ROWS,
    )
    let from = this.seq()
    for (const row of newest) {
      if (row.at < at - FRESH_MS) break
      from = row.seq - 1
    }
    return from
  }

  /** In order; read as it is asked for. */
  *since(seq: number): Iterable<Told> {
    const rows = this.#sql.exec<{
      seq: number
      conversation_id: string
      inbox_id: string
      json: string | null
      moved_to: string | null
    }>(
      'SELECT seq, conversation_id, inbox_id, json, moved_to FROM feed WHERE seq > ? ORDER BY seq',
      Math.max(seq, this.#lowest()),
    )
    for (const { seq, conversation_id, inbox_id, json, moved_to } of rows) {
      const text = json === null ? goneText(seq, conversation_id, moved_to) : changedText(seq, json)
      yield { seq, inboxId: inbox_id, text }
    }
  }

  waiting(): Waits[] {
    if (!this.exists()) return []
    return this.#sql
      .exec<{ conversationId: string; inboxId: string; since: number }>(
        `SELECT conversation_id AS conversationId, inbox_id AS inboxId, waiting AS since FROM feed WHERE waiting IS NOT NULL`,
      )
      .toArray()
  }

  #row(conversationId: string): Row | undefined {
    return this.#sql
      .exec<Row>(
        'SELECT conversation_seq, inbox_id, json, moved_to, waiting FROM feed WHERE conversation_id = ?',
        conversationId,
      )
      .toArray()[0]
  }

  #put(
    conversationId: string,
    own: number,
    inboxId: string,
    at: number,
    json: string | null,
    movedTo: string | null,
    waiting: number | null,
  ): number {
    const seq = this.seq() + 1
    this.#sql.exec(
      'INSERT OR REPLACE INTO feed VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      ...[seq, conversationId, own, inboxId, at, json, movedTo, waiting],
    )
    this.#seq = seq
    if (seq % PRUNE_EVERY === 0) this.#prune()
    return seq
  }

  #prune(): void {
    const [oldest] = this.#sql
      .exec<{ seq: number }>('SELECT seq FROM feed ORDER BY seq DESC LIMIT 1 OFFSET ?', KEPT_ROWS)
      .toArray()
    if (!oldest || oldest.seq <= this.#lowest()) return
    this.#sql.exec('DELETE FROM feed WHERE seq <= ? AND waiting IS NULL', oldest.seq)
    this.#sql.exec(`INSERT OR REPLACE INTO meta VALUES ('floor', ?)`, String(oldest.seq))
    this.#floor = oldest.seq
  }

  /** Everything above it is here. */
  #lowest(): number {
    this.#floor ??= Number(
      this.#sql.exec<{ value: string }>(`SELECT value FROM meta WHERE key = 'floor'`).one().value,
    )
    return this.#floor
  }
}
