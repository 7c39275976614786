/**
 * Which conversation a mail belongs to, as D1 knows it: Message-IDs, participants, contacts, and one row per distinct mail. A chunk
 * of mails is looked up and claimed in two round trips, whatever its size; lists travel as one JSON parameter (D1 takes 100).
 *
 * CROSS JOIN keeps SQLite to the order written: the few asked for outside, the site's rows by their key inside. Left to itself it
 * scans the whole site once for every chunk (https://sqlite.org/optoverview.html#crossjoin).
 */
import { steady } from './db.ts'

export interface Candidate {
  rfcId: string
  conversationId: string
  /** Which of the asked addresses take part in that conversation. */
  participants: string[]
  /** The message of ours that has this id, where it is one we minted. */
  ours: string | null
}

/** The mails that carry one of these Message-IDs, with those of `addresses` that take part in their conversations. */
export async function mailsNamed(
  d1: D1Database,
  siteId: string,
  rfcIds: readonly string[],
  addresses: readonly string[],
): Promise<Map<string, Candidate[]>> {
  const found = new Map<string, Candidate[]>()
  if (rfcIds.length === 0) return found
  const { results } = await steady(() =>
    d1
      .prepare(
        `SELECT m.rfc_id AS rfcId, m.conversation_id AS conversationId, max(iif(m.ours, m.message_id, NULL)) AS ours,
                json_group_array(DISTINCT p.address) AS participants
         FROM json_each(?2) asked
         CROSS JOIN message_ids m ON m.site_id = ?1 AND m.rfc_id = asked.value
         LEFT JOIN participants p ON p.site_id = ?1 AND p.conversation_id = m.conversation_id
              AND p.address IN (SELECT value FROM json_each(?3))
         GROUP BY m.rfc_id, m.conversation_id`,
      )
      .bind(siteId, JSON.stringify(rfcIds), JSON.stringify(addresses))
      .all<{ rfcId: string; conversationId: string; ours: string | null; participants: string }>(),
  )
  for (const row of results) {
    const candidate = {
      rfcId: row.rfcId,
      conversationId: row.conversationId,
      ours: row.ours,
      participants: (JSON.parse(row.participants) as (string | null)[]).filter(address => address !== null),
    }
    found.set(row.rfcId, [...(found.get(row.rfcId) ?? []), candidate])
  }
  return found
}

/**
 * Where the writers' resets lead, in the conversations of the mails that carry one of these Message-IDs: `conversation address` → the
 * conversation that mail of theirs goes to instead.
 */
export async function cutsIn(
  d1: D1Database,
  siteId: string,
  rfcIds: readonly string[],
  addresses: readonly string[],
): Promise<Map<string, string>> {
  if (rfcIds.length === 0) return new Map()
  // A conversation that was begun by a reset may be cut again, so the chain is followed to its end.
  const { results } = await steady(() =>
    d1
      .prepare(
        `WITH RECURSIVE proposed (id) AS (
           SELECT m.conversation_id FROM json_each(?2) asked CROSS JOIN message_ids m ON m.site_id = ?1 AND m.rfc_id = asked.value
           UNION
           SELECT c.conversation_id FROM json_each(?2) asked CROSS JOIN cited_ids c ON c.site_id = ?1 AND c.rfc_id = asked.value
           LIMIT 5000),
         chain (start, address, at, depth) AS (
           SELECT DISTINCT cuts.conversation_id, cuts.address, cuts.to_conversation_id, 1
           FROM proposed CROSS JOIN json_each(?3) who
           CROSS JOIN cuts ON cuts.site_id = ?1 AND cuts.conversation_id = proposed.id AND cuts.address = who.value
           UNION ALL
           SELECT chain.start, chain.address, cuts.to_conversation_id, depth + 1
           FROM chain CROSS JOIN cuts ON cuts.site_id = ?1 AND cuts.conversation_id = chain.at AND cuts.address = chain.address
           WHERE depth < 100
         )
         SELECT start, address, at, max(depth) AS depth FROM chain GROUP BY start, address`,
      )
      .bind(siteId, JSON.stringify(rfcIds), JSON.stringify(addresses))
      .all<{ start: string; address: string; at: string }>(),
  )
  return new Map(results.map(row => [`${row.start} ${row.address}`, row.at]))
}

export interface Citing {
  conversationId: string
  writer: string
  /** Which of the asked addresses take part in that conversation. */
  participants: string[]
}

/** So many conversations are looked at that cite an id nobody has; one that more cite is no thread but an attack. */
const MOST_CITING = 5_000

/**
 * The conversations whose mails cite one of these ids and found nothing there, by those writers that are among `shown`. The unary plus
 * keeps SQLite from looking up every writer for every id.
 */
export async function mailsCiting(
  d1: D1Database,
  siteId: string,
  rfcIds: readonly string[],
  shown: readonly string[],
  addresses: readonly string[],
): Promise<Map<string, Citing[]>> {
  if (rfcIds.length === 0) return new Map()
  const { results } = await steady(() =>
    d1
      .prepare(
        `WITH found AS (
           SELECT c.rfc_id, c.conversation_id, c.writer FROM json_each(?2) asked
           CROSS JOIN cited_ids c ON c.site_id = ?1 AND c.rfc_id = asked.value
           WHERE +c.writer IN (SELECT value FROM json_each(?3)) LIMIT ?5)
         SELECT f.rfc_id AS rfcId, f.conversation_id AS conversationId, f.writer, json_group_array(DISTINCT p.address) AS participants
         FROM found f LEFT JOIN participants p ON p.site_id = ?1 AND p.conversation_id = f.conversation_id
              AND p.address IN (SELECT value FROM json_each(?4))
         GROUP BY f.rfc_id, f.conversation_id, f.writer`,
      )
      .bind(siteId, JSON.stringify(rfcIds), JSON.stringify(shown), JSON.stringify(addresses), MOST_CITING)
      .all<{ rfcId: string; conversationId: string; writer: string; participants: string }>(),
  )
  const rows = results.map(row => ({
    ...row,
    participants: (JSON.parse(row.participants) as (string | null)[]).filter(address => address !== null),
  }))
  return Map.groupBy(rows, row => row.rfcId)
}

export interface Claim {
  contentKey: string
  messageId: string
  conversationId: string
  /** Ids it cites that no mail here has. */
  open: string[]
  /** Who wrote it, as what it cites is remembered under. */
  writer: string
  /** A person wrote it to us. */
  byPerson: boolean
  /** It shows that its writer reads that address now. */
  heard: boolean
  /** The conversations that this mail, a reset command, cuts its writer off from. */
  cuts: string[]
  contact: { id: string; address: string; name: string }
  /** Its Message-ID, and other ids by which it may be cited. */
  rfcIds: string[]
  participants: string[]
  at: number
}

export interface Claimed {
  messageId: string
  conversationId: string
  contactId: string
  contactName: string
  /** Its conversation was erased: it is not taken in again. */
  erased: boolean
}

/**
 * Claims mails for conversations, in one transaction. Whoever was first keeps the mail: the answer says, for each content key,
 * which message, conversation and contact it has now. Safe to repeat.
 */
export async function claimMails(d1: D1Database, siteId: string, claims: readonly Claim[]) {
  const json = JSON.stringify(claims)
  const results = await steady(() =>
    d1.batch<{ contentKey: string } & Claimed>([
      d1
        .prepare(
          `INSERT INTO contacts (site_id, id, address, name, created_at)
           SELECT ?1, value ->> '$.contact.id', value ->> '$.contact.address', value ->> '$.contact.name', value ->> '$.at'
           FROM json_each(?2) WHERE true ON CONFLICT DO NOTHING`,
        )
        .bind(siteId, json),
      d1
        .prepare(
          `INSERT INTO emails (site_id, content_key, message_id, conversation_id, contact_id, created_at)
           SELECT ?1, value ->> '$.contentKey', value ->> '$.messageId', coalesce(m.winner_id, value ->> '$.conversationId'),
                  c.id, value ->> '$.at'
           FROM json_each(?2) CROSS JOIN contacts c ON c.site_id = ?1 AND c.address = value ->> '$.contact.address'
           LEFT JOIN merges m ON m.site_id = ?1 AND m.loser_id = value ->> '$.conversationId'
           WHERE true ON CONFLICT DO NOTHING`,
        )
        .bind(siteId, json),
      d1
        .prepare(
          `DELETE FROM bounced_addresses WHERE site_id = ?1
           AND address IN (SELECT value ->> '$.writer' FROM json_each(?2) WHERE value ->> '$.heard')`,
        )
        .bind(siteId, json),
      // What follows is said of the mail as it was claimed, by us or by whoever came first.
      d1
        .prepare(
          `INSERT INTO message_ids (site_id, rfc_id, message_id, conversation_id, ours)
           SELECT ?1, id.value, e.message_id, e.conversation_id, 0
           FROM json_each(?2) claim CROSS JOIN json_each(claim.value, '$.rfcIds') id
           CROSS JOIN emails e ON e.site_id = ?1 AND e.content_key = claim.value ->> '$.contentKey'
           WHERE e.erased_at IS NULL ON CONFLICT DO NOTHING`,
        )
        .bind(siteId, json),
      d1
        .prepare(
          `INSERT INTO cited_ids (site_id, rfc_id, writer, conversation_id)
           SELECT ?1, id.value, claim.value ->> '$.writer', e.conversation_id
           FROM json_each(?2) claim CROSS JOIN json_each(claim.value, '$.open') id
           CROSS JOIN emails e ON e.site_id = ?1 AND e.content_key = claim.value ->> '$.contentKey'
           WHERE e.erased_at IS NULL ON CONFLICT DO NOTHING`,
        )
        .bind(siteId, json),
      d1
        .prepare(
          `INSERT INTO participants (site_id, conversation_id, address, wrote)
           SELECT ?1, e.conversation_id, p.value, p.value = claim.value ->> '$.writer' AND claim.value ->> '$.byPerson'
           FROM json_each(?2) claim CROSS JOIN json_each(claim.value, '$.participants') p
           CROSS JOIN emails e ON e.site_id = ?1 AND e.content_key = claim.value ->> '$.contentKey'
           WHERE e.erased_at IS NULL
           ON CONFLICT (site_id, conversation_id, address) DO UPDATE SET wrote = max(wrote, excluded.wrote)`,
        )
        .bind(siteId, json),
      d1
        .prepare(
          `INSERT INTO cuts (site_id, conversation_id, address, to_conversation_id, at)
           SELECT ?1, cut.value, claim.value ->> '$.contact.address', e.conversation_id, claim.value ->> '$.at'
           FROM json_each(?2) claim CROSS JOIN json_each(claim.value, '$.cuts') cut
           CROSS JOIN emails e ON e.site_id = ?1 AND e.content_key = claim.value ->> '$.contentKey'
           WHERE cut.value <> e.conversation_id ON CONFLICT DO NOTHING`,
        )
        .bind(siteId, json),
      d1
        .prepare(
          `SELECT e.content_key AS contentKey, e.message_id AS messageId, e.conversation_id AS conversationId,
                  e.contact_id AS contactId, c.name AS contactName, e.erased_at IS NOT NULL AS erased
           FROM json_each(?2) CROSS JOIN emails e ON e.site_id = ?1 AND e.content_key = value ->> '$.contentKey'
           CROSS JOIN contacts c ON c.site_id = ?1 AND c.id = e.contact_id`,
        )
        .bind(siteId, json),
    ]),
  )
  return new Map<string, Claimed>(
    results.at(-1)!.results.map(row => [row.contentKey, { ...row, erased: Boolean(row.erased) }]),
  )
}
