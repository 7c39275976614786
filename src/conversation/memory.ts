/**
 * The Conversation object's own SQLite: its state, its messages, what it owes. A conversation that never was has no tables, so that
 * asking for an id nobody made writes nothing.
 */
import type { ConversationState, Effect, Message } from '../domain/conversation.ts'
import type { ConversationCopy, MessageCopy } from '../store/conversations.ts'

const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE messages (position INTEGER PRIMARY KEY, id TEXT NOT NULL, seq INTEGER NOT NULL, message TEXT NOT NULL);
  CREATE TABLE effects (id TEXT PRIMARY KEY, effect TEXT NOT NULL, due_at INTEGER NOT NULL, lease_until INTEGER, attempts INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('schema', '1');
`

/** What was added since, by the number that `meta` has; older objects take it when they are opened. */
const ADDED: Record<number, string> = {
  2: `CREATE TABLE occurrences (n INTEGER PRIMARY KEY AUTOINCREMENT, occurrence TEXT NOT NULL);
      CREATE INDEX messages_by_id ON messages (id);`,
  3: 'CREATE TABLE unindexed (id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;',
}

/** Something that happened, as it looked at that moment. */
export interface Noted {
  type: string
  at: number
  /** Rows as D1 has them: of the conversation, and of the message where it is about one. */
  conversation: ConversationCopy
  message: MessageCopy | null
}

export interface OwedEffect {
  effect: Effect
  dueAt: number
  leaseUntil: number | null
  attempts: number
}

/** Told at once to who was away. */
const MISSED = 1_000

export class Memory {
  readonly #sql: SqlStorage
  #state: ConversationState | null | undefined

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  state(): ConversationState | null {
    if (this.#state === undefined) {
      if (this.#exists()) this.#bringUp()
      this.#state = this.#exists() ? this.#meta<ConversationState>('state') : null
    }
    return this.#state
  }

  /** Removes every table of its own; call inside a turn. */
  drop(): void {
    const own = ['meta', 'messages', 'effects', 'occurrences', 'unindexed']
    for (const name of own) this.#sql.exec(`DROP TABLE IF EXISTS ${name}`)
    this.#state = null
  }

  /** Creates the tables with the first state; call inside the turn that saves. */
  create(state: ConversationState): void {
    if (!this.#exists()) {
      this.#sql.exec(SCHEMA)
      this.#bringUp()
    }
    this.#state = state
  }

  #bringUp(): void {
    const now = this.#meta<number>('schema') ?? 1
    for (const [version, added] of Object.entries(ADDED))
      if (Number(version) > now) {
        this.#sql.exec(added)
        this.#setMeta('schema', Number(version))
      }
  }

  /** What those outside are to be told of this turn; call it in the turn that saves. */
  note(occurrences: readonly Noted[]): void {
    for (const one of occurrences)
      this.#sql.exec('INSERT INTO occurrences (occurrence) VALUES (?)', JSON.stringify(one))
  }

  /** The oldest after one that not all were told yet, in their order. */
  untold(after: number, limit: number): (Noted & { n: number })[] {
    return this.#sql
      .exec<{ n: number; occurrence: string }>(
        'SELECT n, occurrence FROM occurrences WHERE n > ? ORDER BY n LIMIT ?',
        after,
        limit,
      )
      .toArray()
      .map(row => ({ ...(JSON.parse(row.occurrence) as Noted), n: row.n }))
  }

  hasUntold(): boolean {
    return this.#exists() && this.#sql.exec('SELECT 1 FROM occurrences LIMIT 1').toArray().length > 0
  }

  /** All up to this one are told. */
  told(n: number): void {
    this.#sql.exec('DELETE FROM occurrences WHERE n <= ?', n)
  }

  /** One turn, written together: call without an await before `setAlarm`, so that both land or neither does. */
  save(state: ConversationState, messages: readonly Message[], effects: readonly Effect[], at: number): void {
    this.#setMeta('state', state)
    this.#state = state
    for (const message of messages)
      this.#sql.exec(
        `INSERT OR REPLACE INTO messages (position, id, seq, message) VALUES (?, ?, ?, ?)`,
        message.position,
        message.id,
        message.seq,
        JSON.stringify(message),
      )
    for (const effect of effects)
      this.#sql.exec(
        `INSERT OR IGNORE INTO effects (id, effect, due_at, lease_until, attempts) VALUES (?, ?, ?, NULL, 0)`,
        effect.id,
        JSON.stringify(effect),
        'dueAt' in effect ? (effect.dueAt ?? at) : at,
      )
  }

  messages(afterPosition = -1): Message[] {
    return this.#rows('SELECT message FROM messages WHERE position > ? ORDER BY position', afterPosition)
  }

  /** Drafts that wait for a person; found without reading all that was said. */
  drafts(): Message[] {
    return this.#rows(
      `SELECT message FROM messages WHERE message ->> '$.delivery.status' = 'draft' ORDER BY position`,
    )
  }

  saidBy(contactId: string): Message[] {
    return this.#rows(
      `SELECT message FROM messages WHERE message ->> '$.sender.id' = ? AND message ->> '$.sender.kind' = 'contact' ORDER BY position`,
      contactId,
    )
  }

  changedSince(seq: number): Message[] {
    return this.#rows('SELECT message FROM messages WHERE seq > ? ORDER BY position', seq)
  }

  /**
   * What changed since then, in the order of the changes: the first thousand, and whatever changed together with the last of them.
   *
   * @returns `upTo`: the `seq` of the last; null where that is all
   */
  missed(seq: number): { messages: Message[]; upTo: number | null } {
    const last = this.#sql
      .exec<{ seq: number }>(
        'SELECT seq FROM messages WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ?',
        seq,
        MISSED - 1,
      )
      .toArray()[0]?.seq
    const upTo = last ?? Number.MAX_SAFE_INTEGER
    const messages = this.#rows(
      'SELECT message FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq, position',
      ...[seq, upTo],
    )
    const isMore =
      last !== undefined &&
      this.#sql.exec('SELECT 1 FROM messages WHERE seq > ? LIMIT 1', last).toArray().length > 0
    return { messages, upTo: isMore ? upTo : null }
  }

  message(id: string): Message | null {
    return this.#rows('SELECT message FROM messages WHERE id = ?', id)[0] ?? null
  }

  /** The `seq` up to which D1 has its copy, as last written down; memory may know better. */
  projected(): number {
    return this.#meta<number>('projected') ?? 0
  }

  setProjected(seq: number): void {
    this.#setMeta('projected', seq)
  }

  /** Their words are new, or others than the search has; call it in the turn that saves. */
  owesWords(messages: readonly Message[]): void {
    for (const { id, seq } of messages)
      this.#sql.exec('INSERT OR REPLACE INTO unindexed (id, seq) VALUES (?, ?)', id, seq)
  }

  owesAllWords(): void {
    this.#sql.exec('INSERT OR REPLACE INTO unindexed (id, seq) SELECT id, seq FROM messages')
  }

  hasUnindexed(): boolean {
    return this.#exists() && this.#sql.exec('SELECT 1 FROM unindexed LIMIT 1').toArray().length > 0
  }

  unindexed(limit: number): Message[] {
    return this.#rows(
      'SELECT message FROM messages WHERE id IN (SELECT id FROM unindexed) ORDER BY position LIMIT ?',
      limit,
    )
  }

  /** Unless they changed again meanwhile. */
  indexed(messages: readonly Message[]): void {
    for (const { id, seq } of messages)
      this.#sql.exec('DELETE FROM unindexed WHERE id = ? AND seq <= ?', id, seq)
  }

  effects(): OwedEffect[] {
    return this.#sql
      .exec<{ effect: string; due_at: number; lease_until: number | null; attempts: number }>(
        'SELECT effect, due_at, lease_until, attempts FROM effects ORDER BY due_at',
      )
      .toArray()
      .map(row => ({
        effect: JSON.parse(row.effect) as Effect,
        dueAt: row.due_at,
        leaseUntil: row.lease_until,
        attempts: row.attempts,
      }))
  }

  lease(id: string, until: number): void {
    this.#sql.exec('UPDATE effects SET lease_until = ? WHERE id = ?', until, id)
  }

  retry(id: string, dueAt: number): void {
    this.#sql.exec(
      'UPDATE effects SET lease_until = NULL, due_at = ?, attempts = attempts + 1 WHERE id = ?',
      dueAt,
      id,
    )
  }

  done(id: string): void {
    this.#sql.exec('DELETE FROM effects WHERE id = ?', id)
  }

  #exists(): boolean {
    return this.#sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'meta'`).toArray().length > 0
  }

  #meta<T>(key: string): T | null {
    const row = this.#sql.exec<{ value: string }>('SELECT value FROM meta WHERE key = ?', key).toArray()[0]
    return row ? (JSON.parse(row.value) as T) : null
  }

  #setMeta(key: string, value: unknown): void {
    this.#sql.exec('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)', key, JSON.stringify(value))
  }

  #rows(query: string, ...bindings: (string | number)[]): Message[] {
    return this.#sql
      .exec<{ message: string }>(query, ...bindings)
      .toArray()
      .map(row => JSON.parse(row.message) as Message)
  }
}
