/** Who signs in: their sessions, passwords and one-time links. better-auth (src/auth/auth.ts) keeps the same tables for what it does itself. */
import { and, desc, eq, gt, lt, ne, sql } from 'drizzle-orm'
import { isBearer, readBearer } from './bearer.ts'
import { type Db, steady } from './db.ts'
import { newId } from './ids.ts'
import type { Member } from './members.ts'
import { accounts, members, oneTimeLinks, sessions, users } from './schema.ts'

export type Session = typeof sessions.$inferSelect
export type OneTimeLink = typeof oneTimeLinks.$inferSelect

/** A live session by its token, and who it is in the site it asks for. One read. */
export async function sessionWithToken(db: Db, token: string, at: number) {
  return steady(() =>
    db
      .select({ session: sessions, member: members })
      .from(sessions)
      .innerJoin(members, and(eq(members.userId, sessions.userId), eq(members.siteId, sessions.siteId)))
      .where(and(eq(sessions.token, token), gt(sessions.expiresAt, new Date(at))))
      .get(),
  )
}

export async function prolongSession(db: Db, id: string, at: number, expiresAt: number): Promise<void> {
  await steady(() =>
    db
      .update(sessions)
      .set({ updatedAt: new Date(at), expiresAt: new Date(expiresAt) })
      .where(eq(sessions.id, id)),
  )
}

/** The newest first. */
export async function sessionsOf(db: Db, userId: string, at: number): Promise<Session[]> {
  return steady(() =>
    db
      .select()
      .from(sessions)
      .where(and(eq(sessions.userId, userId), gt(sessions.expiresAt, new Date(at))))
      .orderBy(desc(sessions.id))
      .limit(100),
  )
}

export async function moveSession(db: Db, id: string, siteId: string): Promise<void> {
  await steady(() => db.update(sessions).set({ siteId }).where(eq(sessions.id, id)))
}

/** False where there is none of that id. */
export async function endSession(db: Db, userId: string, id: string): Promise<boolean> {
  const { meta } = await steady(() =>
    db.delete(sessions).where(and(eq(sessions.userId, userId), eq(sessions.id, id))),
  )
  return meta.changes > 0
}

export async function endSessionWithToken(db: Db, token: string): Promise<void> {
  await steady(() => db.delete(sessions).where(eq(sessions.token, token)))
}

/** @param but this one goes on */
export async function endSessions(db: Db, userId: string, but: string | null = null): Promise<number> {
  const { meta } = await steady(() =>
    db
      .delete(sessions)
      .where(and(eq(sessions.userId, userId), but === null ? undefined : ne(sessions.id, but))),
  )
  return meta.changes
}

/** Those that ask for this site; what somebody does in others is none of its business. */
export async function endSessionsIn(db: Db, siteId: string, userId: string): Promise<void> {
  await steady(() => db.delete(sessions).where(and(eq(sessions.userId, userId), eq(sessions.siteId, siteId))))
}

/** In one go; what is left is swept a minute later. */
const SWEPT = 5000

/** What is over is not kept; invitations are listed, to be sent again. */
export async function sweepSignIn(d1: D1Database, at: number): Promise<void> {
  const sweep = (table: string, over: string) =>
    d1
      .prepare(`DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE ${over} LIMIT ${SWEPT})`)
      .bind(at)
  await steady(() =>
    d1.batch([
      sweep('sessions', 'expires_at < ?'),
      sweep('verifications', 'expires_at < ?'),
      sweep('one_time_links', "kind <> 'invite' AND expires_at < ?"),
    ]),
  )
}

/** Whoever signs in with this address, the hash of their password, and whether TOTP is asked for. */
export async function userWithAddress(
  db: Db,
  email: string,
): Promise<{ id: string; password: string | null; twoFactor: boolean } | undefined> {
  const row = await steady(() =>
    db
      .select({ id: users.id, password: accounts.password, twoFactor: users.twoFactorEnabled })
      .from(users)
      .leftJoin(accounts, and(eq(accounts.userId, users.id), eq(accounts.providerId, CREDENTIAL)))
      .where(eq(users.email, email))
      .get(),
  )
  return row
}

/** The address somebody signs in with. */
export async function addressOfUser(db: Db, id: string): Promise<string | null> {
  const row = await steady(() => db.select({ email: users.email }).from(users).where(eq(users.id, id)).get())
  return row?.email ?? null
}

/** What better-auth calls a password. */
const CREDENTIAL = 'credential'

/** Sites somebody is a member of. */
export async function sitesOf(db: Db, userId: string): Promise<string[]> {
  const rows = await steady(() =>
    db.select({ siteId: members.siteId }).from(members).where(eq(members.userId, userId)).limit(100),
  )
  return rows.map(row => row.siteId)
}

/** False where that address is invited already. Done again under the same id, the secret given last is the one: nobody saw the other. */
export async function addLink(db: Db, link: OneTimeLink): Promise<boolean> {
  const { secretHash, expiresAt } = link
  const { meta } = await steady(() =>
    db
      .insert(oneTimeLinks)
      .values(link)
      .onConflictDoUpdate({
        target: oneTimeLinks.id,
        set: { secretHash, expiresAt },
        setWhere: unused(link.siteId, link.id),
      })
      .onConflictDoNothing(),
  )
  return meta.changes > 0
}

/** Another secret for the same link; the one before is good no more. False where it was used or taken away. */
export async function renewLink(db: Db, link: OneTimeLink): Promise<boolean> {
  const { siteId, id, secretHash, expiresAt, createdBy } = link
  const { meta } = await steady(() =>
    db.update(oneTimeLinks).set({ secretHash, expiresAt, createdBy }).where(unused(siteId, id)),
  )
  return meta.changes > 0
}

/** Resets of somebody's password that nobody used, in whichever site they were made. */
export async function endResetLinks(db: Db, userId: string): Promise<void> {
  await steady(() =>
    db.run(sql`DELETE FROM one_time_links WHERE kind = 'reset' AND (site_id, member_id) IN
      (SELECT site_id, id FROM members WHERE user_id = ${userId})`),
  )
}

/** What a member with another role made and could make no more, and what was made for them as they were: they would be more by it. */
export async function endLinksBeyond(
  db: Db,
  { siteId, id, role }: Pick<Member, 'siteId' | 'id' | 'role'>,
): Promise<void> {
  const beyond = {
    owner: sql`0`,
    admin: sql`(role = 'owner' OR kind = 'reset')`,
    agent: sql`1`,
  }[role]
  await steady(() =>
    db.run(sql`DELETE FROM one_time_links WHERE site_id = ${siteId}
      AND (member_id = ${id} OR (json_extract(created_by, '$.id') = ${id} AND ${beyond}))`),
  )
}

export async function removeLink(db: Db, siteId: string, id: string): Promise<boolean> {
  const { meta } = await steady(() => db.delete(oneTimeLinks).where(unused(siteId, id)))
  return meta.changes > 0
}

export async function linkById(db: Db, siteId: string, id: string): Promise<OneTimeLink | undefined> {
  return steady(() => db.select().from(oneTimeLinks).where(unused(siteId, id)).get())
}

/** Invitations that nobody took up yet, the newest first, from just before one. */
export async function invitationsBefore(
  db: Db,
  siteId: string,
  id: string | null,
  limit: number,
): Promise<OneTimeLink[]> {
  return steady(() =>
    db
      .select()
      .from(oneTimeLinks)
      .where(
        and(
          eq(oneTimeLinks.siteId, siteId),
          eq(oneTimeLinks.kind, 'invite'),
          id === null ? undefined : lt(oneTimeLinks.id, id),
        ),
      )
      .orderBy(desc(oneTimeLinks.id))
      .limit(limit),
  )
}

/** The link of this kind whose text this is, or null where it is none, used or over. */
export async function linkOf(
  db: Db,
  kind: OneTimeLink['kind'],
  text: string,
  at: number,
): Promise<OneTimeLink | null> {
  const given = readBearer('el', text)
  if (!given) return null
  const row = await steady(() => db.select().from(oneTimeLinks).where(eq(oneTimeLinks.id, given.id)).get())
  const good = await isBearer(given.secret, row?.secretHash)
  return good && row!.kind === kind && row!.usedAt === null && row!.expiresAt > at ? row! : null
}

/** Somebody who takes up a link: all of it, or nothing of it. */
export interface Joining {
  link: OneTimeLink
  email: string
  name: string
  /** Who signs in with that address already, or null: then somebody new does. */
  userId: string | null
  /** The hash of the password from now on; null leaves it as it is. */
  password: string | null
  at: number
}

/**
 * Uses a link up and makes what it is for, in one batch: of two who use it at once, one does. Null where it was used, taken away or ran
 * out meanwhile. A member with that address becomes theirs and gets the role of the link; a reset changes no role.
 *
 * No link proves an address: whoever made it was shown it, and whoever has the mail server it was mailed through could read it. So an
 * account may have been made in the name of somebody who knows nothing of it, and a passkey with it. When it comes to be of another site,
 * only what was shown there and then goes along; sessions, passkeys and resets of before do not.
 */
export async function join(
  d1: D1Database,
  { link, email, name, userId, password, at }: Joining,
): Promise<{ memberId: string; userId: string } | null> {
  const user = userId ?? newId(at)
  const member = newId(at)
  // They showed that the account is theirs, and set nothing.
  const joinsAnother = userId !== null && password === null
  // Every statement looks whether the first one was ours.
  const ours = `EXISTS (SELECT 1 FROM one_time_links WHERE id = ?1 AND secret_hash = ?2 AND used_at = ?3)`
  const mine = [link.id, link.secretHash, at] as const
  const statements = [
    d1
      .prepare(
        `UPDATE one_time_links SET used_at = ?3 WHERE id = ?1 AND secret_hash = ?2 AND used_at IS NULL AND expires_at > ?3`,
      )
      .bind(...mine),
    ...(userId === null
      ? [
          d1
            .prepare(
              `INSERT INTO users (id, name, email, email_verified, created_at, updated_at) SELECT ?4, ?5, ?6, 0, ?3, ?3 WHERE ${ours}`,
            )
            .bind(...mine, user, name, email),
        ]
      : []),
    ...(password === null
      ? []
      : [
          d1
            .prepare(
              `INSERT INTO accounts (id, user_id, provider_id, account_id, password, created_at, updated_at)
               SELECT ?4, ?5, '${CREDENTIAL}', ?5, ?6, ?3, ?3 WHERE ${ours}
               ON CONFLICT (user_id, provider_id) DO UPDATE SET password = excluded.password, updated_at = excluded.updated_at`,
            )
            .bind(...mine, newId(at), user, password),
        ]),
    ...(link.kind === 'reset' || userId !== null
      ? [
          // Whoever had the old password is out.
          d1.prepare(`DELETE FROM sessions WHERE user_id = ?4 AND ${ours}`).bind(...mine, user),
          // A browser that was trusted with no second factor is not any more.
          d1.prepare(`DELETE FROM verifications WHERE value = ?4 AND ${ours}`).bind(...mine, user),
          // What one reset was for, another is for as well.
          d1
            .prepare(
              `DELETE FROM one_time_links WHERE kind = 'reset' AND id <> ?1 AND ${ours}
               AND (site_id, member_id) IN (SELECT site_id, id FROM members WHERE user_id = ?4 OR (site_id = ?5 AND id = ?6))`,
            )
            .bind(...mine, user, link.siteId, link.memberId),
          ...(link.removesFactors || joinsAnother
            ? [d1.prepare(`DELETE FROM passkeys WHERE user_id = ?4 AND ${ours}`).bind(...mine, user)]
            : []),
          // Not of somebody who signs in elsewhere, and only now becomes this member.
          ...(link.removesFactors && !joinsAnother
            ? [
                d1.prepare(`DELETE FROM two_factors WHERE user_id = ?4 AND ${ours}`).bind(...mine, user),
                d1
                  .prepare(`UPDATE users SET two_factor_enabled = 0 WHERE id = ?4 AND ${ours}`)
                  .bind(...mine, user),
              ]
            : []),
        ]
      : []),
    ...(link.kind === 'reset'
      ? [
          d1
            .prepare(`UPDATE members SET user_id = ?4 WHERE site_id = ?5 AND id = ?6 AND ${ours}`)
            .bind(...mine, user, link.siteId, link.memberId),
        ]
      : [
          d1
            .prepare(
              `INSERT INTO members (id, site_id, name, email, role, inboxes, user_id, created_at)
               SELECT ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?3 WHERE ${ours}
               ON CONFLICT (site_id, email) DO UPDATE SET user_id = excluded.user_id, role = excluded.role, inboxes = excluded.inboxes,
                 token_hash = NULL
               WHERE members.user_id IS NULL OR members.user_id = excluded.user_id`,
            )
            .bind(...mine, member, link.siteId, name, email, link.role, link.inboxes, user),
        ]),
    d1
      .prepare('DELETE FROM one_time_links WHERE id = ?1 AND secret_hash = ?2 AND used_at = ?3')
      .bind(...mine),
  ]
  const [used] = await d1.batch(statements)
  if (used!.meta.changes === 0) return null
  const row = await d1
    .prepare('SELECT id FROM members WHERE site_id = ?1 AND user_id = ?2')
    .bind(link.siteId, user)
    .first<{ id: string }>()
  return row && { memberId: row.id, userId: user }
}

/** Whether the site has an owner who can sign in. */
export async function hasOwnerWhoSignsIn(db: Db, siteId: string): Promise<boolean> {
  const row = await steady(() =>
    db
      .select({ id: members.id })
      .from(members)
      .where(and(eq(members.siteId, siteId), eq(members.role, 'owner'), sql`${members.userId} IS NOT NULL`))
      .limit(1)
      .get(),
  )
  return row !== undefined
}

function unused(siteId: string, id: string) {
  return and(eq(oneTimeLinks.siteId, siteId), eq(oneTimeLinks.id, id), sql`${oneTimeLinks.usedAt} IS NULL`)
}
