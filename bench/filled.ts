/**
 * A site as after years: conversations, their contacts and last messages, written into D1's own file while no Worker runs on it. The spread
 * is that of a help desk: most are closed, few people write often and many seldom, some inboxes are busier than others.
 */
import type { DatabaseSync } from 'node:sqlite'
import { withDatabases } from '../dev/cast.ts'
import { uuidv7 } from '../src/domain/ids.ts'
import { db } from '../src/store/db.ts'
import { newId } from '../src/store/ids.ts'
import { addWebChat, newWebChat } from '../src/store/web-chats.ts'
import type { Place } from './api-lab.ts'
import { openD1 } from './d1-file.ts'
import { randomFrom } from './post-bag.ts'

const INBOXES = 20
const MEMBERS = 6
/** Conversations of one contact, on average. */
const EACH = 12
const YEAR_MS = 365 * 24 * 3_600_000

export async function fill({ stateDir, siteId }: Place, rows: number): Promise<void> {
  const inboxes = await addInboxes(stateDir, siteId)
  const file = openD1(stateDir, 'conversations', false)
  try {
    file.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -500000')
    const indexes = dropIndexes(file, ['conversations', 'contacts', 'messages'])
    file.exec('BEGIN')
    insertAll(file, siteId, inboxes, rows)
    file.exec('COMMIT')
    // Made at the end it takes a tenth of the time.
    for (const statement of indexes) file.exec(statement)
    file.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } finally {
    file.close()
  }
}

async function addInboxes(stateDir: string, siteId: string): Promise<string[]> {
  return withDatabases(stateDir, async env => {
    const ids: string[] = []
    for (let n = 0; n < INBOXES; n++) {
      const id = newId()
      await addWebChat(
        db(env.DB),
        newWebChat({ id, siteId, assistantId: null, name: `Team ${n}`, at: Date.now() }),
      )
      ids.push(id)
    }
    return ids
  })
}

/** @returns what makes them again */
function dropIndexes(file: DatabaseSync, tables: readonly string[]): string[] {
  const indexes = file
    .prepare(
      `SELECT name, sql, tbl_name AS owner FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL`,
    )
    .all() as { name: string; sql: string; owner: string }[]
  const dropped = indexes.filter(one => tables.includes(one.owner))
  for (const { name } of dropped) file.exec(`DROP INDEX ${name}`)
  return dropped.map(one => one.sql)
}

function insertAll(file: DatabaseSync, siteId: string, inboxes: readonly string[], rows: number): void {
  const random = randomFrom(rows)
  const upTo = (count: number) => Math.floor(random() * count)
  /** The first of them more often than the last. */
  const skewed = (count: number) => Math.floor(random() ** 2 * count)
  const id = (at: number) =>
    uuidv7(
      at,
      Uint8Array.from({ length: 10 }, () => upTo(256)),
    )
  const now = Date.now()
  const contacts = Array.from({ length: Math.ceil(rows / EACH) }, () => id(now - YEAR_MS))
  const members = Array.from({ length: MEMBERS }, () => id(now - YEAR_MS))

  const contact = file.prepare(
    'INSERT INTO contacts (site_id, id, address, name, created_at) VALUES (?, ?, ?, ?, ?)',
  )
  for (const [n, one] of contacts.toSorted().entries())
    contact.run(siteId, one, `customer-${n}@customer.test`, `Customer ${n}`, now - YEAR_MS)
  const conversation = file.prepare(
    `INSERT INTO conversations (site_id, id, inbox_id, contact_id, title, status, owner, auto_reply_enabled, unread_count,
       last_message_id, last_message_at, seq, created_at, assignee_id)
     VALUES (?, ?, ?, ?, ?, ?, 'assistant', 1, ?, ?, ?, 4, ?, ?)`,
  )
  const message = file.prepare(
    `INSERT INTO messages (site_id, conversation_id, position, id, seq, direction, sender_kind, sender_id, sender_name, content,
       details, created_at)
     VALUES (?, ?, 3, ?, 4, 'incoming', 'contact', ?, ?, ?, ?, ?)`,
  )
  for (let n = 0; n < rows; n++) {
    const at = now - YEAR_MS + Math.floor((n / rows) * YEAR_MS)
    const last = Math.min(now, at + Math.floor(random() ** 4 * 30 * 24 * 3_600_000))
    const [own, lastId] = [id(at), id(last)]
    const who = contacts[skewed(contacts.length)]!
    const chance = random()
    const status = chance < 0.7 ? 'closed' : chance < 0.95 ? 'open' : 'snoozed'
    const assignee = random() < 0.4 ? members[upTo(MEMBERS)]! : null
    conversation.run(
      ...[siteId, own, inboxes[skewed(INBOXES)]!, who, `Question ${n} about an order`, status],
      ...[upTo(3), lastId, last, at, assignee],
    )
    message.run(siteId, own, lastId, who, 'Customer', CONTENT.slice(upTo(200)), DETAILS, last)
  }
}

const CONTENT =
  'The parcel has not come yet, though it was to be here on Tuesday, and nobody answers the phone. '.repeat(4)
const DETAILS = JSON.stringify({
  verdict: { class: 'person', reasons: ['by_api'], mayFlow: true, mayDraft: true, maySend: true },
  language: 'en',
  reply: { do: 'silent', why: 'no_assistant' },
})
