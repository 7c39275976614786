/** The people of a site, and their tokens: a member's token does what the member may do. */
import { and, eq, gt, sql } from 'drizzle-orm'
import { isBearer, readBearer } from './bearer.ts'
import { type Db, steady } from './db.ts'
import { members } from './schema.ts'

export type Member = typeof members.$inferSelect

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

/** False where the address is another member's. */
export async function addMember(db: Db, member: Member): Promise<boolean> {
  return unlessTaken(() => db.insert(members).values(member))
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
      .set(change)
      .where(and(theOne(siteId, id), change.role === 'owner' ? undefined : notTheLastOwner(siteId)))
    written = meta.changes
  })
  if (!free) return 'email_taken'
  return written > 0 ? null : 'last_owner'
}

/** False where it is the last owner. */
export async function removeMember(db: Db, siteId: string, id: string): Promise<boolean> {
  const { meta } = await steady(() =>
    db.delete(members).where(and(theOne(siteId, id), notTheLastOwner(siteId))),
  )
  return meta.changes > 0
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

/** The member whose token this is, or null. */
export async function memberOf(db: Db, text: string): Promise<Member | null> {
  const given = readBearer('em', text)
  if (!given) return null
  const row = await steady(() => db.select().from(members).where(eq(members.id, given.id)).get())
  return (await isBearer(given.secret, row?.tokenHash)) ? row! : null
}

const NOTED_MS = 60 * 60_000

/** When a token was last used, to the hour: enough to see one that nobody uses any more, and no write for every request. */
export async function tellTokenUsed(db: Db, member: Member, at: number): Promise<void> {
  if (at - (member.tokenUsedAt ?? 0) < NOTED_MS) return
  await steady(() => db.update(members).set({ tokenUsedAt: at }).where(theOne(member.siteId, member.id)))
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
