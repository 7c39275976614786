/**
 * Conversations that turned out to be one. D1 picks the winner and repoints every id in one transaction; the objects follow. A merge that
 * its loser was not told yet stays on the list of the clock.
 */
import type { People } from '../domain/placement.ts'
import { steady } from './db.ts'

export interface Merge {
  loserId: string
  winnerId: string
}

/** Who takes part in each of these conversations, and whether one was cut off from another by a reset. */
export async function peopleOf(
  d1: D1Database,
  siteId: string,
  conversationIds: readonly string[],
): Promise<{ people: Map<string, People>; cut: boolean }> {
  const ids = JSON.stringify(conversationIds)
  const [rows, cuts] = await steady(() =>
    d1.batch<{ id: string; address: string; wrote: number }>([
      d1
        .prepare(
          `SELECT asked.value AS id, p.address, p.wrote FROM json_each(?2) asked
           CROSS JOIN participants p ON p.site_id = ?1 AND p.conversation_id = asked.value`,
        )
        .bind(siteId, ids),
      d1
        .prepare(
          `WITH RECURSIVE chain (at, depth) AS (
             SELECT value, 0 FROM json_each(?2)
             UNION
             SELECT cuts.to_conversation_id, depth + 1 FROM chain
             CROSS JOIN cuts ON cuts.site_id = ?1 AND cuts.conversation_id = chain.at WHERE depth < 100)
           SELECT at AS id FROM chain WHERE depth > 0 AND at IN (SELECT value FROM json_each(?2)) LIMIT 1`,
        )
        .bind(siteId, ids),
    ]),
  )
  const people = new Map(
    conversationIds.map(id => {
      const here = rows!.results.filter(row => row.id === id)
      const wrote = here.filter(row => row.wrote).map(row => row.address)
      return [id, { all: new Set(here.map(row => row.address)), wrote: new Set(wrote) }]
    }),
  )
  return { people, cut: cuts!.results.length > 0 }
}

/** Of every table that names a conversation beside a key of its own. */
const REPOINTED = ['emails', 'message_ids'] as const
const UNTOLD = 'SELECT loser_id FROM merges WHERE site_id = ?1 AND told_at IS NULL'
const WINNER = (column: string) =>
  `(SELECT m.winner_id FROM merges m WHERE m.site_id = ?1 AND m.loser_id = ${column})`

/**
 * Makes one conversation of several. A person's conversation wins, then the oldest, then the lowest id (ids begin with their time). Safe
 * to repeat, and to overlap with others: what was merged before is taken for what it became.
 *
 * @returns all merges of this site that their losers do not know of yet
 */
export async function mergeConversations(
  d1: D1Database,
  siteId: string,
  conversationIds: readonly string[],
  at: number,
): Promise<Merge[]> {
  const bound = (sql: string) => d1.prepare(sql).bind(siteId)
  const results = await steady(() =>
    d1.batch<Merge>([
      d1
        .prepare(
          `WITH roots AS (
             SELECT DISTINCT coalesce(m.winner_id, asked.value) AS id FROM json_each(?2) asked
             LEFT JOIN merges m ON m.site_id = ?1 AND m.loser_id = asked.value),
           ranked AS (
             SELECT roots.id, row_number() OVER (ORDER BY coalesce(c.owner = 'person', 0) DESC, roots.id) AS place
             FROM roots LEFT JOIN conversations c ON c.site_id = ?1 AND c.id = roots.id)
           INSERT INTO merges (site_id, loser_id, winner_id, at)
           SELECT ?1, loser.id, winner.id, ?3 FROM ranked loser CROSS JOIN ranked winner
           WHERE winner.place = 1 AND loser.place > 1 ON CONFLICT DO NOTHING`,
        )
        .bind(siteId, JSON.stringify(conversationIds), at),
      // What once lost to a loser of now has lost to the winner of now.
      bound(
        `UPDATE merges SET winner_id = ${WINNER('merges.winner_id')} WHERE site_id = ?1 AND winner_id IN (${UNTOLD})`,
      ),
      ...REPOINTED.map(table =>
        bound(
          `UPDATE ${table} SET conversation_id = ${WINNER(`${table}.conversation_id`)}
           WHERE site_id = ?1 AND conversation_id IN (${UNTOLD})`,
        ),
      ),
      bound(
        `INSERT INTO participants (site_id, conversation_id, address, wrote)
         SELECT ?1, m.winner_id, p.address, p.wrote FROM merges m
         CROSS JOIN participants p ON p.site_id = ?1 AND p.conversation_id = m.loser_id
         WHERE m.site_id = ?1 AND m.told_at IS NULL
         ON CONFLICT (site_id, conversation_id, address) DO UPDATE SET wrote = max(wrote, excluded.wrote)`,
      ),
      bound(
        `INSERT INTO cited_ids (site_id, rfc_id, writer, conversation_id)
         SELECT ?1, c.rfc_id, c.writer, m.winner_id FROM merges m
         CROSS JOIN cited_ids c ON c.site_id = ?1 AND c.conversation_id = m.loser_id
         WHERE m.site_id = ?1 AND m.told_at IS NULL ON CONFLICT DO NOTHING`,
      ),
      bound(
        `UPDATE OR IGNORE cuts SET conversation_id = ${WINNER('cuts.conversation_id')}
         WHERE site_id = ?1 AND conversation_id IN (${UNTOLD})`,
      ),
      bound(
        `UPDATE cuts SET to_conversation_id = ${WINNER('cuts.to_conversation_id')}
         WHERE site_id = ?1 AND to_conversation_id IN (${UNTOLD})`,
      ),
      // What a person makes one again is not cut off from itself.
      bound('DELETE FROM cuts WHERE site_id = ?1 AND conversation_id = to_conversation_id'),
      ...['participants', 'cited_ids', 'cuts'].map(table =>
        bound(`DELETE FROM ${table} WHERE site_id = ?1 AND conversation_id IN (${UNTOLD})`),
      ),
      bound(
        `SELECT loser_id AS loserId, winner_id AS winnerId FROM merges WHERE site_id = ?1 AND told_at IS NULL ORDER BY at`,
      ),
    ]),
  )
  return results.at(-1)!.results
}

/** The loser's object knows. */
export async function mergeTold(d1: D1Database, siteId: string, loserId: string, at: number): Promise<void> {
  await steady(() =>
    d1
      .prepare('UPDATE merges SET told_at = ?3 WHERE site_id = ?1 AND loser_id = ?2')
      .bind(siteId, loserId, at)
      .run(),
  )
}

/** Merges of all sites that were to be told before this time. */
export async function mergesUntold(
  d1: D1Database,
  before: number,
  limit: number,
): Promise<(Merge & { siteId: string })[]> {
  const { results } = await steady(() =>
    d1
      .prepare(
        `SELECT site_id AS siteId, loser_id AS loserId, winner_id AS winnerId FROM merges
         WHERE told_at IS NULL AND at <= ?1 LIMIT ?2`,
      )
      .bind(before, limit)
      .all<Merge & { siteId: string }>(),
  )
  return results
}

/** The conversations that became part of this one, told or not. */
export async function losersOf(d1: D1Database, siteId: string, winnerId: string): Promise<string[]> {
  const { results } = await steady(() =>
    d1
      .prepare('SELECT loser_id AS id FROM merges WHERE site_id = ?1 AND winner_id = ?2')
      .bind(siteId, winnerId)
      .all<{ id: string }>(),
  )
  return results.map(row => row.id)
}

/** The conversation that this one became part of. */
export async function winnerOf(
  d1: D1Database,
  siteId: string,
  conversationId: string,
): Promise<string | null> {
  const row = await steady(() =>
    d1
      .prepare('SELECT winner_id AS winnerId FROM merges WHERE site_id = ?1 AND loser_id = ?2')
      .bind(siteId, conversationId)
      .first<{ winnerId: string }>(),
  )
  return row?.winnerId ?? null
}
