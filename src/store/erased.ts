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
