/**
 * Messages found by their words. SEARCH holds the words, cut by domain/words.ts the same for index and question (so that two characters of
 * Chinese are found), and can be dropped: every conversation writes its own anew when it is told to.
 */
import { isLone, matchQuery, words } from '../domain/words.ts'
import { steady } from './db.ts'

/** Messages of one conversation by their ids, and the text that each is found by. */
export interface Indexed {
  siteId: string
  inboxId: string
  conversationId: string
  messages: readonly { id: string; text: string; createdAt: number }[]
}

/** Of a message so many characters are found. */
const TEXT_CHARS = 50_000
/** D1 takes 2 MB in a parameter: bytes, and a character may have three of them. */
const BATCH_CHARS = 400_000

/** Safe to repeat: the words of a message that is here already are replaced. */
export async function indexMessages(search: D1Database, indexed: Indexed): Promise<void> {
  let some: Worded[] = []
  let chars = 0
  for (const { id, text, createdAt } of indexed.messages) {
    const one = { id, at: createdAt, words: words(text.slice(0, TEXT_CHARS), true).join(' ') }
    if (chars > 0 && chars + one.words.length > BATCH_CHARS) {
      await writeWords(search, indexed, some)
      ;[some, chars] = [[], 0]
    }
    some.push(one)
    chars += one.words.length
  }
  if (some.length > 0) await writeWords(search, indexed, some)
}

interface Worded {
  id: string
  at: number
  words: string
}

/** Ids follow the time a message was said: behind those of its millisecond there are so many, less one. */
const PLACES = 1024

async function writeWords(
  search: D1Database,
  { siteId, inboxId, conversationId }: Indexed,
  some: readonly Worded[],
): Promise<void> {
  const list = JSON.stringify(some)
  const scope = [token('s', siteId), token('i', inboxId), token('c', conversationId)].join(' ')
  await steady(() =>
    search.batch([
      search
        .prepare(
          // SQLite takes ON CONFLICT behind a SELECT only where a WHERE stands between them.
          `INSERT INTO message_docs (id, site_id, conversation_id, message_id)
           SELECT
             coalesce((SELECT max(id) FROM message_docs WHERE id >= first AND id < first + ${PLACES}), first - 1)
               + row_number() OVER (PARTITION BY first ORDER BY key),
             ?1, ?2, message_id
           FROM (SELECT key, value ->> 'id' AS message_id, (value ->> 'at') * ${PLACES} AS first FROM json_each(?3)) WHERE true
           ON CONFLICT (site_id, message_id) DO UPDATE SET conversation_id = excluded.conversation_id`,
        )
        .bind(siteId, conversationId, list),
      search
        .prepare(
          // CROSS JOIN keeps the order: never through all messages of the site.
          `INSERT OR REPLACE INTO message_words (rowid, scope, body) SELECT d.id, ?3, j.value ->> 'words' FROM json_each(?2) j
           CROSS JOIN message_docs d ON d.site_id = ?1 AND d.message_id = j.value ->> 'id'`,
        )
        .bind(siteId, list, scope),
    ]),
  )
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
  return `scope : (${scopes.join(' AND ')}) AND body : (${matchQuery(sought, 'AND', isLone)})`
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

function token(kind: 's' | 'i' | 'c', id: string): string {
  return kind + id.replaceAll('-', '')
}
