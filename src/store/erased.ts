/** What D1 keeps of an erased conversation: its mails' keys, by which the same mail is known again and not taken in. */
import { steady } from './db.ts'

/** Safe to repeat. */
export async function forgetConversation(
  d1: D1Database,
  siteId: string,
  id: string,
  at: number,
): Promise<void> {
  const gone = (table: string, column = 'conversation_id') =>
    d1.prepare(`DELETE FROM ${table} WHERE site_id = ?1 AND ${column} = ?2`).bind(siteId, id)
  await steady(() =>
    d1.batch([
      d1
        .prepare(
          'UPDATE emails SET erased_at = ?3 WHERE site_id = ?1 AND conversation_id = ?2 AND erased_at IS NULL',
        )
        .bind(siteId, id, at),
      d1
        .prepare(
          `INSERT INTO erased_ids (site_id, rfc_id) SELECT site_id, rfc_id FROM message_ids
           WHERE site_id = ?1 AND conversation_id = ?2 AND ours = 1 ON CONFLICT DO NOTHING`,
        )
        .bind(siteId, id),
      gone('message_ids'),
      gone('cited_ids'),
      gone('participants'),
      gone('cuts'),
      gone('cuts', 'to_conversation_id'),
      gone('messages'),
      gone('conversations', 'id'),
    ]),
  )
}

/** Mails whose words were erased, but not their conversation: they never come back either. Safe to repeat. */
export async function forgetMails(
  d1: D1Database,
  siteId: string,
  messageIds: readonly string[],
  at: number,
): Promise<void> {
  await steady(() =>
    d1
      .prepare(
        'UPDATE emails SET erased_at = ?3 WHERE site_id = ?1 AND message_id IN (SELECT value FROM json_each(?2)) AND erased_at IS NULL',
      )
      .bind(siteId, JSON.stringify(messageIds), at)
      .run(),
  )
}

/** A mail of ours that is nobody's to read but its recipient's: its copy in the folder of sent mail is not taken in either. */
export async function neverTakeIn(d1: D1Database, siteId: string, rfcId: string): Promise<void> {
  await steady(() =>
    d1
      .prepare('INSERT INTO erased_ids (site_id, rfc_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING')
      .bind(siteId, rfcId)
      .run(),
  )
}

/** Which of these Message-IDs are those of our own mail in conversations that were erased. */
export async function erasedAmong(
  d1: D1Database,
  siteId: string,
  rfcIds: readonly string[],
): Promise<Set<string>> {
  if (rfcIds.length === 0) return new Set()
  const { results } = await steady(() =>
    d1
      .prepare(
        `SELECT e.rfc_id AS rfcId FROM json_each(?2) asked
         CROSS JOIN erased_ids e ON e.site_id = ?1 AND e.rfc_id = asked.value`,
      )
      .bind(siteId, JSON.stringify(rfcIds))
      .all<{ rfcId: string }>(),
  )
  return new Set(results.map(row => row.rfcId))
}
