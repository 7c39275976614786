/**
 * Messages found by their words. SEARCH holds the words, cut by domain/words.ts the same for index and question (so that two characters of
 * Chinese are found), and can be dropped and rebuilt from D1's copies at any time.
 */
import { and, eq, gt, or } from 'drizzle-orm'
import { matchQuery, words } from '../domain/words.ts'
import type { CopiedDetails, MessageCopy } from './conversations.ts'
import { type Db, steady } from './db.ts'
import { conversations, messages } from './schema.ts'

/** A message, and the inbox of its conversation. */
export interface Indexed {
  message: MessageCopy
  inboxId: string
}

/** Safe to repeat: the words of a message that is here already are replaced. */
export async function indexMessages(search: D1Database, list: readonly Indexed[]): Promise<void> {
  if (list.length === 0) return
  await steady(() => search.batch(list.flatMap(one => indexing(search, one))))
}

function indexing(search: D1Database, { message, inboxId }: Indexed): D1PreparedStatement[] {
  const { siteId, id, conversationId } = message
  return [
    search
      .prepare(
        `INSERT INTO message_docs (site_id, conversation_id, message_id) VALUES (?1, ?2, ?3)
         ON CONFLICT (site_id, message_id) DO UPDATE SET conversation_id = excluded.conversation_id`,
      )
      .bind(siteId, conversationId, id),
    search
      .prepare(
        'DELETE FROM message_words WHERE rowid = (SELECT id FROM message_docs WHERE site_id = ?1 AND message_id = ?2)',
      )
      .bind(siteId, id),
    search
      .prepare(
        `INSERT INTO message_words (rowid, scope, body)
         SELECT id, ?3, ?4 FROM message_docs WHERE site_id = ?1 AND message_id = ?2`,
      )
      .bind(
        siteId,
        id,
        [token('s', siteId), token('i', inboxId), token('c', conversationId)].join(' '),
        words(textOf(message)).join(' '),
      ),
  ]
}

function textOf({ content, details }: MessageCopy): string {
  const { subject = '', attachments = [] } = JSON.parse(details) as CopiedDetails
  return [subject, content, ...attachments.map(one => one.filename)].join('\n')
}

export interface Sought {
  text: string
  /** null is all of the site. */
  inboxes: readonly string[] | null
  conversationId?: string | undefined
}

export interface Hit {
  /** Rises with time. */
  place: number
  messageId: string
  conversationId: string
}

/** Messages that have all of these words, the last indexed first, from just before a place. */
export async function findMessages(
  search: D1Database,
  siteId: string,
  sought: Sought,
  before: number,
  limit: number,
): Promise<Hit[]> {
  const query = queryOf(siteId, sought)
  if (query === null) return []
  const { results } = await steady(() => finding(search, siteId, query, before, limit).all<Hit>())
  return results
}

/** Of these conversations those with such a message at this place or behind it. */
export async function foundSince(
  search: D1Database,
  siteId: string,
  sought: Sought,
  since: number,
  conversationIds: readonly string[],
): Promise<Set<string>> {
  if (conversationIds.length === 0) return new Set()
  const looks = conversationIds.flatMap(conversationId => {
    const query = queryOf(siteId, { ...sought, conversationId })
    return query === null ? [] : [finding(search, siteId, query, Number.MAX_SAFE_INTEGER, 1, since)]
  })
  const found = await steady(() => search.batch<Hit>(looks))
  return new Set(found.flatMap(one => one.results.map(hit => hit.conversationId)))
}

function finding(
  search: D1Database,
  siteId: string,
  query: string,
  before: number,
  limit: number,
  since = 0,
) {
  return search
    .prepare(
      `SELECT d.id AS place, d.message_id AS messageId, d.conversation_id AS conversationId
       FROM message_words w JOIN message_docs d ON d.id = w.rowid
       WHERE message_words MATCH ?1 AND w.rowid < ?2 AND w.rowid >= ?5 AND d.site_id = ?3
       ORDER BY w.rowid DESC LIMIT ?4`,
    )
    .bind(query, before, siteId, limit, since)
}

/** Null where there is nothing to look for. */
function queryOf(siteId: string, { text, inboxes, conversationId }: Sought): string | null {
  const sought = [...new Set(words(text))].slice(0, MOST_WORDS)
  if (sought.length === 0 || inboxes?.length === 0) return null
  const scopes = [
    token('s', siteId),
    ...(inboxes ? [`(${inboxes.map(id => token('i', id)).join(' OR ')})`] : []),
    ...(conversationId ? [token('c', conversationId)] : []),
  ]
  return `scope : (${scopes.join(' AND ')}) AND body : (${matchQuery(sought, 'AND')})`
}

/** FTS5 takes an expression of some depth only. */
const MOST_WORDS = 30

export async function forgetWords(search: D1Database, siteId: string, conversationId: string): Promise<void> {
  await steady(() =>
    search.batch([
      search
        .prepare(
          `DELETE FROM message_words WHERE rowid IN (SELECT id FROM message_docs WHERE site_id = ?1 AND conversation_id = ?2)`,
        )
        .bind(siteId, conversationId),
      search
        .prepare('DELETE FROM message_docs WHERE site_id = ?1 AND conversation_id = ?2')
        .bind(siteId, conversationId),
    ]),
  )
}

/** Some of a site's messages anew, from just after one; say where it stopped, and null at the end. */
export async function reindexMessages(
  db: Db,
  search: D1Database,
  siteId: string,
  after: { conversationId: string; position: number } | null,
  limit = 200,
): Promise<{ conversationId: string; position: number } | null> {
  const rows = await steady(() =>
    db
      .select({ message: messages, inboxId: conversations.inboxId })
      .from(messages)
      .innerJoin(
        conversations,
        and(eq(conversations.siteId, messages.siteId), eq(conversations.id, messages.conversationId)),
      )
      .where(
        and(
          eq(messages.siteId, siteId),
          after
            ? or(
                gt(messages.conversationId, after.conversationId),
                and(eq(messages.conversationId, after.conversationId), gt(messages.position, after.position)),
              )
            : undefined,
        ),
      )
      .orderBy(messages.conversationId, messages.position)
      .limit(limit),
  )
  for (let at = 0; at < rows.length; at += 25) await indexMessages(search, rows.slice(at, at + 25))
  const last = rows.at(-1)?.message
  return rows.length === limit && last
    ? { conversationId: last.conversationId, position: last.position }
    : null
}

function token(kind: 's' | 'i' | 'c', id: string): string {
  return kind + id.replaceAll('-', '')
}
