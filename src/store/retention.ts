/** How long a site keeps what was said, and what is older than that. */
import { and, eq, isNotNull, lt } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { conversations, sites } from './schema.ts'

export type Site = typeof sites.$inferSelect

export async function siteById(db: Db, id: string): Promise<Site> {
  return (await steady(() => db.select().from(sites).where(eq(sites.id, id)).get()))!
}

export async function changeSite(
  db: Db,
  id: string,
  change: Partial<Pick<Site, 'name' | 'retentionDays'>>,
): Promise<void> {
  await steady(() => db.update(sites).set(change).where(eq(sites.id, id)))
}

/** Every site that does not keep all for ever. */
export async function sitesThatForget(db: Db): Promise<{ id: string; retentionDays: number }[]> {
  const rows = await steady(() =>
    db
      .select({ id: sites.id, retentionDays: sites.retentionDays })
      .from(sites)
      .where(isNotNull(sites.retentionDays)),
  )
  return rows.map(row => ({ id: row.id, retentionDays: row.retentionDays! }))
}

export interface Aged {
  id: string
  contactId: string
}

/** Conversations in which nothing was said since then, the oldest first. */
export async function conversationsBefore(
  db: Db,
  siteId: string,
  before: number,
  limit: number,
): Promise<Aged[]> {
  return steady(() =>
    db
      .select({ id: conversations.id, contactId: conversations.contactId })
      .from(conversations)
      .where(and(eq(conversations.siteId, siteId), lt(conversations.lastMessageAt, before)))
      .orderBy(conversations.lastMessageAt, conversations.id)
      .limit(limit),
  )
}

/** Conversations with this contact, in no order. */
export async function conversationsWith(
  db: Db,
  siteId: string,
  contactId: string,
  limit: number,
): Promise<Aged[]> {
  return steady(() =>
    db
      .select({ id: conversations.id, contactId: conversations.contactId })
      .from(conversations)
      .where(and(eq(conversations.siteId, siteId), eq(conversations.contactId, contactId)))
      .limit(limit),
  )
}

/** Conversations with others that somebody of this address wrote into. */
export async function conversationsJoined(
  d1: D1Database,
  siteId: string,
  contact: { id: string; address: string },
  limit: number,
): Promise<string[]> {
  const { results } = await steady(() =>
    d1
      .prepare(
        `SELECT p.conversation_id AS id FROM participants p
         JOIN conversations c ON c.site_id = p.site_id AND c.id = p.conversation_id
         WHERE p.site_id = ?1 AND p.address = ?2 AND p.wrote = 1 AND c.contact_id <> ?3 LIMIT ?4`,
      )
      .bind(siteId, contact.address, contact.id, limit)
      .all<{ id: string }>(),
  )
  return results.map(row => row.id)
}

/** They did not write into it any more. */
export async function forgetJoined(
  d1: D1Database,
  siteId: string,
  conversationId: string,
  address: string,
): Promise<void> {
  await steady(() =>
    d1
      .prepare('DELETE FROM participants WHERE site_id = ?1 AND conversation_id = ?2 AND address = ?3')
      .bind(siteId, conversationId, address)
      .run(),
  )
}

/** Contacts of whom nothing is left. Those that somebody named, labelled or made a VIP stay, but where `all` is said. */
export async function forgetContacts(
  d1: D1Database,
  siteId: string,
  ids: readonly string[],
  { all = false } = {},
): Promise<void> {
  const those = `site_id = ?1 AND id IN (SELECT value FROM json_each(?2)) ${all ? '' : `AND source_id IS NULL AND vip = 0 AND labels = '[]'`}
    AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.site_id = ?1 AND c.contact_id = contacts.id)`
  const bound = (sql: string) => d1.prepare(sql).bind(siteId, JSON.stringify(ids))
  await steady(() =>
    d1.batch([
      bound(
        `DELETE FROM bounced_addresses WHERE site_id = ?1 AND address IN (SELECT address FROM contacts WHERE ${those})`,
      ),
      bound(`DELETE FROM contacts WHERE ${those}`),
    ]),
  )
}
