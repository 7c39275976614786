/**
 * The Endpoint object's own SQLite: what is owed, what came of each call, and the breaker. An endpoint that was never told anything has
 * no tables. `lines` has one row for each conversation that something is owed for: the first of its deliveries, which alone is called
 * for. So what a turn reads does not grow with what waits.
 */
import type { Breaker, Head, Owed } from '../domain/webhook.ts'
import { SOUND } from '../domain/webhook.ts'
import type { EndpointConfig } from '../store/endpoints.ts'
import type { Called } from './call.ts'

const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE deliveries (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, conversation_id TEXT NOT NULL, seq INTEGER NOT NULL,
    type TEXT NOT NULL, occurred_at INTEGER NOT NULL, taken_at INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
    tries INTEGER NOT NULL, rejections INTEGER NOT NULL, deadline INTEGER NOT NULL, settled_at INTEGER, problem TEXT);
  CREATE INDEX deliveries_by_conversation ON deliveries (conversation_id, state, seq, n);
  CREATE INDEX deliveries_by_state ON deliveries (state, n);
  CREATE INDEX deliveries_by_time ON deliveries (taken_at);
  CREATE TABLE bodies (n INTEGER NOT NULL, piece INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (n, piece)) WITHOUT ROWID;
  CREATE TABLE lines (
    conversation_id TEXT PRIMARY KEY, n INTEGER NOT NULL, called INTEGER NOT NULL, ready_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL, held INTEGER NOT NULL) WITHOUT ROWID;
  CREATE UNIQUE INDEX lines_by_delivery ON lines (n);
  CREATE INDEX lines_ready ON lines (called, ready_at);
  CREATE INDEX lines_deadline ON lines (deadline);
  CREATE TABLE attempts (
    n INTEGER NOT NULL, at INTEGER NOT NULL, duration_ms INTEGER NOT NULL, status INTEGER, answer TEXT NOT NULL, error TEXT);
  CREATE INDEX attempts_by_delivery ON attempts (n, at);
  INSERT INTO meta VALUES ('schema', '1');
`

export type DeliveryState = 'waiting' | 'delivered' | 'dead'

export interface Delivery {
  /** Rises in the order they were taken. */
  n: number
  /** The `webhook-id`. */
  id: string
  type: string
  conversationId: string
  seq: number
  occurredAt: number
  takenAt: number
  state: DeliveryState
  attempts: number
  settledAt: number | null
  /** Why it is dead, or what came of the last call. */
  problem: string | null
  /** When it is called for next; null where it is over, or waits for one before it. */
  nextAt: number | null
}

export interface OwedDelivery extends Owed {
  id: string
  state: DeliveryState
  problem: string | null
}

export interface Attempt {
  at: number
  durationMs: number
  status: number | null
  answer: string
  error: string | null
}

/** All of a conversation, or of one message in it; or what was taken before a time, ms. */
export type Forgotten = { conversation: string; message?: string } | { before: number }

export interface Taken {
  id: string
  type: string
  conversationId: string
  seq: number
  occurredAt: number
  body: string
}

/** SQLite in an object takes 2 MB a value; a character is up to three bytes. */
const PIECE_CHARS = 500_000
/** What is taken away in one turn at most. */
const AT_ONCE = 500

type Binding = string | number | null

export class Records {
  readonly #sql: SqlStorage
  #there = false
  #config: EndpointConfig | null = null

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  exists(): boolean {
    this.#there ||= this.#sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'meta'`).toArray().length > 0
    return this.#there
  }

  /** The storage was emptied. */
  forget(): void {
    this.#there = false
    this.#config = null
  }

  config(): EndpointConfig | null {
    this.#config ??= this.exists() ? this.#meta<EndpointConfig>('config') : null
    return this.#config
  }

  saveConfig(config: EndpointConfig): void {
    if (!this.exists()) this.#sql.exec(SCHEMA)
    this.#setMeta('config', config)
    this.#config = config
  }

  breaker(): Breaker {
    return this.#meta<Breaker>('breaker') ?? SOUND
  }

  saveBreaker(breaker: Breaker): void {
    this.#setMeta('breaker', breaker)
  }

  /** What D1 knows of when something is due. */
  told(): number | null {
    return this.#meta<number>('told')
  }

  setTold(dueAt: number | null): void {
    this.#setMeta('told', dueAt)
  }

  prunedAt(): number {
    return this.#meta<number>('pruned') ?? 0
  }

  setPrunedAt(at: number): void {
    this.#setMeta('pruned', at)
  }

  /** That the endpoint is switched off, which D1 does not know yet. */
  untold(): { reason: string; at: number } | null {
    return this.#meta('untold')
  }

  setUntold(why: { reason: string; at: number } | null): void {
    this.#setMeta('untold', why)
  }

  /** False where it is here already. */
  take(given: Taken, at: number, deadline: number): boolean {
    const { id, type, conversationId, seq, occurredAt } = given
    const rows = this.#all<{ n: number }>(
      `INSERT INTO deliveries (id, conversation_id, seq, type, occurred_at, taken_at, state, attempts, tries, rejections, deadline)
       VALUES (?, ?, ?, ?, ?, ?, 'waiting', 0, 0, 0, ?) ON CONFLICT DO NOTHING RETURNING n`,
      ...[id, conversationId, seq, type, occurredAt, at, deadline],
    )
    const n = rows[0]?.n
    if (n === undefined) return false
    for (let piece = 0; piece === 0 || piece * PIECE_CHARS < given.body.length; piece++)
      this.#sql.exec(
        'INSERT INTO bodies (n, piece, text) VALUES (?, ?, ?)',
        ...[n, piece, given.body.slice(piece * PIECE_CHARS, (piece + 1) * PIECE_CHARS)],
      )
    this.#lineUp(conversationId, at)
    return true
  }

  body(n: number): string {
    return this.#all<{ text: string }>('SELECT text FROM bodies WHERE n = ? ORDER BY piece', n)
      .map(row => row.text)
      .join('')
  }

  /** Those that nobody calls for, the first due first. */
  heads(limit: number): Head[] {
    return this.#heads('WHERE called = 0 ORDER BY ready_at LIMIT ?', limit)
  }

  /** Those whose time is up. */
  expired(at: number): Head[] {
    return this.#heads('WHERE called = 0 AND deadline <= ? ORDER BY deadline LIMIT ?', at, AT_ONCE)
  }

  #heads(which: string, ...bindings: Binding[]): Head[] {
    return this.#all<{ n: number; ready_at: number; deadline: number }>(
      `SELECT n, ready_at, deadline FROM lines ${which}`,
      ...bindings,
    ).map(row => ({ n: row.n, readyAt: row.ready_at, deadline: row.deadline }))
  }

  /** It is being called for; should the object be torn down, it is called for again then. */
  lease(n: number, until: number): void {
    this.#sql.exec('UPDATE lines SET called = 1, ready_at = ? WHERE n = ?', until, n)
  }

  /** The ends of leases, the first first. */
  leases(): { n: number; until: number }[] {
    return this.#all('SELECT n, ready_at AS until FROM lines WHERE called = 1 ORDER BY ready_at')
  }

  /** Whoever called is no more. */
  release(n: number): void {
    this.#sql.exec('UPDATE lines SET called = 0 WHERE n = ?', n)
  }

  /** The receiver is back: who waited for that waits no longer. Those being called for, or rejected, stay as they are. */
  hurry(at: number): void {
    this.#sql.exec('UPDATE lines SET ready_at = ?1 WHERE called = 0 AND ready_at > ?1 AND held = 0', at)
  }

  owed(n: number): OwedDelivery | null {
    const query = 'SELECT id, state, problem, tries, rejections, deadline FROM deliveries WHERE n = ?'
    return this.#all<OwedDelivery>(query, n)[0] ?? null
  }

  addAttempt(n: number, { at, durationMs, answer, error }: Called): void {
    const status = answer.kind === 'answered' ? answer.status : null
    const text = answer.kind === 'answered' ? answer.text : ''
    this.#sql.exec(
      'INSERT INTO attempts (n, at, duration_ms, status, answer, error) VALUES (?, ?, ?, ?, ?, ?)',
      ...[n, at, durationMs, status, text, error],
    )
    this.#sql.exec('UPDATE deliveries SET attempts = attempts + 1 WHERE n = ?', n)
  }

  /** @param next `held`: it stays where it is when the receiver is back */
  retry(
    n: number,
    { tries, rejections }: Owed,
    next: { dueAt: number; held: boolean; problem: string | null },
    at: number,
  ): void {
    const line = this.#all<{ conversation_id: string }>(
      'UPDATE deliveries SET tries = ?, rejections = ?, problem = ? WHERE n = ? RETURNING conversation_id',
      ...[tries, rejections, next.problem, n],
    )[0]
    this.#sql.exec(
      'UPDATE lines SET called = 0, ready_at = ?, held = ? WHERE n = ?',
      ...[next.dueAt, next.held ? 1 : 0, n],
    )
    // One that belongs before it may have come while it was called for.
    if (line) this.#lineUp(line.conversation_id, at)
  }

  /** It is over, and the next of its conversation is called for. */
  settle(n: number, state: 'delivered' | 'dead', problem: string | null, at: number): void {
    const line = this.#all<{ conversation_id: string }>(
      'UPDATE deliveries SET state = ?, problem = ?, settled_at = ? WHERE n = ? RETURNING conversation_id',
      ...[state, problem, at, n],
    )[0]
    this.release(n)
    if (line) this.#lineUp(line.conversation_id, at)
  }

  /** All that waits is over. */
  settleAll(problem: string, at: number): void {
    this.#sql.exec(
      `UPDATE deliveries SET state = 'dead', problem = ?, settled_at = ? WHERE state = 'waiting'`,
      problem,
      at,
    )
    this.#sql.exec('DELETE FROM lines')
  }

  /** What waits has its whole time again. */
  putOff(deadline: number): void {
    this.#sql.exec(`UPDATE deliveries SET deadline = ? WHERE state = 'waiting'`, deadline)
    this.#sql.exec('UPDATE lines SET deadline = ?', deadline)
  }

  /**
   * Owes what is over once more, each in the line of its conversation.
   *
   * @param which the one of this id, all that are dead, or all that were taken since
   * @returns how many
   */
  replay(
    which: { id: string } | { state: 'dead' } | { since: number },
    at: number,
    deadline: number,
  ): number {
    if (!this.exists()) return 0
    const [where, value] =
      'id' in which
        ? ['id = ?', which.id]
        : 'since' in which
          ? ['taken_at >= ?', which.since]
          : ['state = ?', which.state]
    const rows = this.#all<{ conversation_id: string }>(
      `UPDATE deliveries SET state = 'waiting', tries = 0, rejections = 0, deadline = ?, settled_at = NULL, problem = NULL
       WHERE state <> 'waiting' AND ${where} RETURNING conversation_id`,
      deadline,
      value!,
    )
    for (const conversationId of new Set(rows.map(row => row.conversation_id)))
      this.#lineUp(conversationId, at)
    return rows.length
  }

  /** The first of a conversation stands at the head of its line, but for one that is being called for: that comes back first. */
  #lineUp(conversationId: string, at: number): void {
    const first = this.#all<{ n: number; deadline: number }>(
      `SELECT n, deadline FROM deliveries WHERE conversation_id = ? AND state = 'waiting' ORDER BY seq, n LIMIT 1`,
      conversationId,
    )[0]
    if (!first) this.#sql.exec('DELETE FROM lines WHERE conversation_id = ?', conversationId)
    else
      this.#sql.exec(
        `INSERT INTO lines (conversation_id, n, called, ready_at, deadline, held) VALUES (?, ?, 0, ?, ?, 0)
         ON CONFLICT DO UPDATE SET n = excluded.n, ready_at = excluded.ready_at, deadline = excluded.deadline, held = 0
         WHERE lines.n <> excluded.n AND lines.called = 0`,
        ...[conversationId, first.n, at, first.deadline],
      )
  }

  /** Takes away what was said in these conversations, and what was taken before; what waits too. */
  remove(which: Forgotten, at: number): number {
    const [those, ...bindings] =
      'before' in which
        ? (['taken_at < ?', which.before] as const)
        : which.message === undefined
          ? (['conversation_id = ?', which.conversation] as const)
          : ([
              // A body names its message before anything that has no bound.
              'conversation_id = ? AND n IN (SELECT n FROM bodies WHERE piece = 0 AND instr(text, ?) > 0)',
              ...[which.conversation, which.message],
            ] as const)
    const rows = this.#all<{ n: number; conversation_id: string }>(
      `SELECT n, conversation_id FROM deliveries WHERE ${those} LIMIT ?`,
      ...bindings,
      AT_ONCE,
    )
    return this.#remove(rows, at)
  }

  /** Takes away what is over, but for the newest so many of each kind and what was over only just now. */
  thin(state: 'delivered' | 'dead', keep: number, settledBefore: number, at: number): number {
    const last = this.#all<{ n: number }>(
      'SELECT n FROM deliveries WHERE state = ? ORDER BY n DESC LIMIT 1 OFFSET ?',
      state,
      keep,
    )[0]
    if (!last) return 0
    return this.#remove(
      this.#all<{ n: number; conversation_id: string }>(
        'SELECT n, conversation_id FROM deliveries WHERE state = ? AND n <= ? AND settled_at < ? ORDER BY n LIMIT ?',
        ...[state, last.n, settledBefore, AT_ONCE],
      ),
      at,
    )
  }

  #remove(rows: readonly { n: number; conversation_id: string }[], at: number): number {
    const ns = JSON.stringify(rows.map(row => row.n))
    for (const table of ['deliveries', 'bodies', 'attempts', 'lines'])
      this.#sql.exec(`DELETE FROM ${table} WHERE n IN (SELECT value FROM json_each(?))`, ns)
    for (const conversationId of new Set(rows.map(row => row.conversation_id)))
      this.#lineUp(conversationId, at)
    return rows.length
  }

  oldest(): number | null {
    const row = this.#all<{ at: number | null }>('SELECT min(taken_at) AS at FROM deliveries')[0]
    return row?.at ?? null
  }

  /** The newest first, from just before one. */
  page(state: DeliveryState | null, before: number | null, limit: number): Delivery[] {
    if (!this.exists()) return []
    return this.#deliveries(
      `${state === null ? '' : 'd.state = ? AND'} d.n < ? ORDER BY d.n DESC LIMIT ?`,
      ...[...(state === null ? [] : [state]), before ?? Number.MAX_SAFE_INTEGER, limit],
    )
  }

  delivery(id: string): Delivery | null {
    return this.exists() ? (this.#deliveries('d.id = ?', id)[0] ?? null) : null
  }

  #deliveries(which: string, ...bindings: Binding[]): Delivery[] {
    return this.#all<Delivery & Record<string, SqlStorageValue>>(
      `SELECT d.n, d.id, d.type, d.conversation_id AS conversationId, d.seq, d.occurred_at AS occurredAt, d.taken_at AS takenAt, d.state,
         d.attempts, d.settled_at AS settledAt, d.problem, l.ready_at AS nextAt
       FROM deliveries d LEFT JOIN lines l ON l.conversation_id = d.conversation_id AND l.n = d.n WHERE ${which}`,
      ...bindings,
    )
  }

  attempts(n: number): Attempt[] {
    return this.#all<Attempt & Record<string, SqlStorageValue>>(
      'SELECT at, duration_ms AS durationMs, status, answer, error FROM attempts WHERE n = ? ORDER BY at, rowid',
      n,
    )
  }

  count(state: DeliveryState): number {
    return this.#all<{ count: number }>('SELECT count(*) AS count FROM deliveries WHERE state = ?', state)[0]!
      .count
  }

  #meta<T>(key: string): T | null {
    const row = this.#all<{ value: string }>('SELECT value FROM meta WHERE key = ?', key)[0]
    return row ? (JSON.parse(row.value) as T) : null
  }

  #setMeta(key: string, value: unknown): void {
    this.#sql.exec('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)', key, JSON.stringify(value))
  }

  #all<T>(query: string, ...bindings: Binding[]): T[] {
    return this.#sql.exec(query, ...bindings).toArray() as T[]
  }
}
