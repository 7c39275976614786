/** Mails by what a person knows of them: a Message-ID, or an address. */

import { messagesById } from './conversations.ts'
import type { Db } from './db.ts'
import { steady } from './db.ts'
import type { messages } from './schema.ts'

export type MessageRow = typeof messages.$inferSelect

const MOST = 40

/** The messages whose ids a query finds, in its order. */
async function found(
  db: Db,
  d1: D1Database,
  siteId: string,
  query: string,
  ...bound: unknown[]
): Promise<MessageRow[]> {
  const { results } = await steady(() =>
    d1
      .prepare(query)
      .bind(siteId, ...bound)
      .all<{ id: string }>(),
  )
  const ids = results.map(row => row.id)
  const rows = await messagesById(db, siteId, ids)
  return rows.toSorted((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id))
}

/** The messages with this Message-ID, in the form of `idKey`; several where an id was used again. */
export async function messagesNamed(
  db: Db,
  d1: D1Database,
  siteId: string,
  rfcId: string,
): Promise<MessageRow[]> {
  const query = 'SELECT message_id AS id FROM message_ids WHERE site_id = ?1 AND rfc_id = ?2 LIMIT ?3'
  return found(db, d1, siteId, query, rfcId, MOST)
}

/** The newest messages of the conversations in which this contact was active last. */
export async function messagesWith(
  db: Db,
  d1: D1Database,
  siteId: string,
  address: string,
): Promise<MessageRow[]> {
  const query = `
    SELECT m.id FROM (
      SELECT id FROM conversations WHERE site_id = ?1
      AND contact_id = (SELECT id FROM contacts WHERE site_id = ?1 AND address = ?2) ORDER BY last_message_at DESC, id DESC LIMIT 10) c
    CROSS JOIN messages m ON m.site_id = ?1 AND m.conversation_id = c.id
    ORDER BY m.created_at DESC, m.id DESC LIMIT ?3`
  return found(db, d1, siteId, query, address, MOST)
}

/** What was written in answer to a mail, the oldest first. */
export async function answersTo(
  db: Db,
  d1: D1Database,
  siteId: string,
  mail: { id: string; conversationId: string; rfcId: string },
): Promise<MessageRow[]> {
  const query = `
    SELECT id FROM messages m WHERE site_id = ?1 AND conversation_id = ?2 AND direction = 'outgoing'
    AND (json_extract(details, '$.mail.inReplyTo') = ?3 OR EXISTS (SELECT 1 FROM json_each(m.details, '$.answers') WHERE value = ?4))
    ORDER BY position LIMIT ?5`
  return found(db, d1, siteId, query, mail.conversationId, mail.rfcId, mail.id, MOST)
}

/** Mails in quarantine, the oldest first, from just after one; `inboxes` null is all of them. */
export async function quarantined(
  db: Db,
  d1: D1Database,
  siteId: string,
  inboxes: readonly string[] | null,
  after: { at: number; id: string } | null,
  limit: number,
): Promise<MessageRow[]> {
  // As the partial index of migration 0013 has it.
  const query = `
    SELECT id FROM messages WHERE site_id = ?1 AND json_extract(details, '$.quarantine.code') IS NOT NULL
    AND (created_at, id) > (?2, ?3)
    AND (?4 IS NULL OR json_extract(details, '$.mail.inboxId') IN (SELECT value FROM json_each(?4)))
    ORDER BY created_at, id LIMIT ?5`
  const only = inboxes && JSON.stringify(inboxes)
  return found(db, d1, siteId, query, after?.at ?? 0, after?.id ?? '', only, limit)
}
