/** The people of a site, and their tokens: a member's token does what the member may do. */
import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm'
import { readBearer, recognise } from './bearer.ts'
import { type Db, steady } from './db.ts'
import { members, sites } from './schema.ts'

export type Member = typeof members.$inferSelect
type NewMember = typeof members.$inferInsert

/** By e-mail address, from just after one. */
export async function membersAfter(db: Db, siteId: string, email: string, limit: number): Promise<Member[]> {
  return steady(() =>
    db
      .select()
      .from(members)
      .where(and(eq(members.siteId, siteId), gt(members.email, email)))
      .orderBy(members.email)
      .limit(limit),
  )
}

export async function memberById(db: Db, siteId: string, id: string): Promise<Member | undefined> {
  return steady(() => db.select().from(members).where(theOne(siteId, id)).get())
}

export async function memberWithAddress(db: Db, siteId: string, email: string): Promise<Member | undefined> {
  return steady(() =>
    db
      .select()
      .from(members)
      .where(and(eq(members.siteId, siteId), eq(members.email, email)))
      .get(),
  )
}

/** False where the address is another member's; one that is here since the same request came before is added. */
export async function addMember(db: Db, member: NewMember): Promise<boolean> {
  const { meta } = await steady(() => db.insert(members).values(member).onConflictDoNothing())
  return meta.changes > 0 || (await memberById(db, member.siteId, member.id)) !== undefined
}

/** What kept it from being written: another has the address, or the site would have no owner left; null where nothing did. */
export async function changeMember(
  db: Db,
  siteId: string,
  id: string,
  change: Pick<Member, 'name' | 'email' | 'role' | 'inboxes'>,
): Promise<'email_taken' | 'last_owner' | null> {
  let written = 0
  const free = await unlessTaken(async () => {
    const { meta } = await db
      .update(members)
      // A token was made for what its member might do then, and whoever made it may have kept it.
      .set({
        ...change,
        tokenHash: sql`CASE WHEN ${members.role} = ${change.role} THEN ${members.tokenHash} END`,
      })
      .where(and(theOne(siteId, id), change.role === 'owner' ? undefined : notTheLastOwner(siteId)))
    written = meta.changes
  })
  if (!free) return 'email_taken'
  return written > 0 ? null : 'last_owner'
}

/**
 * False where it is the last owner. Their sessions in this site and the links they made end with it, and where they are in no other site,
 * so does all that they sign in with.
 */
export async function removeMember(
  d1: D1Database,
  member: Pick<Member, 'siteId' | 'id' | 'userId'>,
): Promise<boolean> {
  const { siteId, id, userId } = member
  const gone = 'NOT EXISTS (SELECT 1 FROM members WHERE site_id = ?1 AND id = ?2)'
  const [removed] = await steady(() =>
    d1.batch([
      d1
        .prepare(
          `DELETE FROM members WHERE site_id = ?1 AND id = ?2 AND (role <> 'owner'
           OR (SELECT count(*) FROM members m WHERE m.site_id = ?1 AND m.role = 'owner') > 1)`,
        )
        .bind(siteId, id),
      d1
        .prepare(
          `DELETE FROM one_time_links WHERE site_id = ?1 AND (member_id = ?2 OR json_extract(created_by, '$.id') = ?2) AND ${gone}`,
        )
        .bind(siteId, id),
      d1
        .prepare(`DELETE FROM sessions WHERE user_id = ?3 AND site_id = ?1 AND ${gone}`)
        .bind(siteId, id, userId),
      ...FACTORS.map(({ table, column }) =>
        d1
          .prepare(
            `DELETE FROM ${table} WHERE ${column} = ?3 AND ${gone} AND NOT EXISTS (SELECT 1 FROM members WHERE user_id = ?3)`,
          )
          .bind(siteId, id, userId),
      ),
    ]),
  )
  return removed!.meta.changes > 0
}

/** Everything that somebody signs in with, and where it says whose it is. */
const FACTORS = [
  { table: 'sessions', column: 'user_id' },
  { table: 'two_factors', column: 'user_id' },
  { table: 'passkeys', column: 'user_id' },
  { table: 'verifications', column: 'value' },
  { table: 'accounts', column: 'user_id' },
  { table: 'users', column: 'id' },
]

/** Members of any site with this address, those who joined first before others. */
export async function membersByAddress(db: Db, email: string) {
  return memberships(db, eq(members.email, email))
}

/** What this person is a member of, the site they joined first before others. */
export async function membershipsOf(db: Db, userId: string) {
  return memberships(db, eq(members.userId, userId))
}

async function memberships(db: Db, which: SQL) {
  return steady(() =>
    db
      .select({ member: members, siteName: sites.name })
      .from(members)
      .innerJoin(sites, eq(sites.id, members.siteId))
      .where(which)
      .orderBy(asc(members.createdAt))
      .limit(100),
  )
}

/** @param hash of the new token; null takes it away. */
export async function setToken(db: Db, siteId: string, id: string, hash: string | null): Promise<void> {
  await steady(() => db.update(members).set({ tokenHash: hash, tokenUsedAt: null }).where(theOne(siteId, id)))
}

/** Those of these ids that are no inbox of the site. */
export async function unknownInboxes(db: Db, siteId: string, ids: readonly string[]): Promise<string[]> {
  const rows = await steady(() =>
    db.all<{ id: string }>(sql`
      SELECT asked.value AS id FROM json_each(${JSON.stringify(ids)}) asked
      WHERE NOT EXISTS (SELECT 1 FROM inboxes WHERE id = asked.value AND site_id = ${siteId})`),
  )
  return rows.map(row => row.id)
}

/** The member whose token this is, or null; `rewritten` is its hash the new way where it is kept the old way. */
export async function memberOf(
  db: Db,
  kek: string,
  text: string,
): Promise<{ member: Member; rewritten: string | null } | null> {
  const given = readBearer('em', text)
  if (!given) return null
  const row = await steady(() =>
    db
      .select({ member: members, dataKey: sites.dataKey })
      .from(members)
      .innerJoin(sites, eq(sites.id, members.siteId))
      .where(eq(members.id, given.id))
      .get(),
  )
  const kept = row && { site: { id: row.member.siteId, dataKey: row.dataKey }, hash: row.member.tokenHash }
  const { good, rewritten } = await recognise(kek, kept, given.secret)
  return good ? { member: row!.member, rewritten } : null
}

const NOTED_MS = 60 * 60_000

/** Whether a use of the token is worth a write: to the hour is enough to see one that nobody uses any more. */
export function tokenUseIsNews(member: Member, at: number): boolean {
  return at - (member.tokenUsedAt ?? 0) >= NOTED_MS
}

/** When a token was last used, and its hash the new way. */
export async function tellTokenUsed(
  db: Db,
  member: Member,
  at: number,
  rewritten: string | null = null,
): Promise<void> {
  await steady(() =>
    db
      .update(members)
      .set({ tokenUsedAt: at, ...(rewritten ? { tokenHash: rewritten } : {}) })
      // None writes over a token that was made meanwhile.
      .where(and(theOne(member.siteId, member.id), eq(members.tokenHash, member.tokenHash!))),
  )
}

/** Inbox ids a member may see; null is all of them. Only an agent's are limited. */
export function inboxesOf(member: Pick<Member, 'role' | 'inboxes'>): string[] | null {
  return member.role === 'agent' && member.inboxes !== null ? (JSON.parse(member.inboxes) as string[]) : null
}

function theOne(siteId: string, id: string) {
  return and(eq(members.siteId, siteId), eq(members.id, id))
}

/** Stands in the very statement that writes, so that two owners cannot demote each other at once. */
function notTheLastOwner(siteId: string) {
  return sql`(${members.role} <> 'owner' OR (SELECT count(*) FROM members m WHERE m.site_id = ${siteId} AND m.role = 'owner') > 1)`
}

async function unlessTaken(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await steady(write)
    return true
  } catch (error) {
    const said = error instanceof Error ? `${error.message} ${String(error.cause)}` : ''
    if (/UNIQUE constraint failed/.test(said)) return false
    throw error
  }
}
