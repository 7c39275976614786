/** Sites, the keys their data is sealed with, and the keys of the deployment itself. */
import { and, eq, gt, sql } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { newId } from './ids.ts'
import { deploymentKeys, sites } from './schema.ts'
import { currentOf, derivedSecret, nameOf, newDataKey, rewrapDataKey, SealError } from './seal.ts'

/** A new site's row, its data key wrapped. */
export async function newSite(kek: string, name: string, at: number): Promise<typeof sites.$inferInsert> {
  const id = newId(at)
  return { id, name, dataKey: await newDataKey(kek, id), createdAt: at }
}

export async function nameOfSite(db: Db, siteId: string): Promise<string> {
  const row = await steady(() =>
    db.select({ name: sites.name }).from(sites).where(eq(sites.id, siteId)).get(),
  )
  return row?.name ?? ''
}

export async function createSite(db: Db, kek: string, name: string, at: number): Promise<string> {
  const row = await newSite(kek, name, at)
  await db.insert(sites).values(row)
  return row.id
}

/** The name of the key that sign-in's secrets come from: cookies are signed and TOTP secrets sealed with it. */
const SIGN_IN = 'sign-in'
const known = new Map<string, string>()

/**
 * The secret of sign-in. It comes from a key of the deployment that is made once and wrapped by the KEK, so that changing the KEK neither
 * signs anybody out nor takes their second factor away.
 */
export async function signInSecret(db: Db, kek: string): Promise<string> {
  const kept = known.get(kek)
  if (kept) return kept
  const read = () =>
    steady(() => db.select().from(deploymentKeys).where(eq(deploymentKeys.name, SIGN_IN)).get())
  let row = await read()
  if (!row) {
    // Of two who make it at once, one's stands.
    const dataKey = await newDataKey(kek, SIGN_IN)
    await steady(() => db.insert(deploymentKeys).values({ name: SIGN_IN, dataKey }).onConflictDoNothing())
    row = (await read())!
  }
  const bytes = await derivedSecret(kek, row.dataKey, SIGN_IN, 'sign-in')
  const secret = btoa(String.fromCharCode(...bytes))
  known.clear()
  known.set(kek, secret)
  return secret
}

/** Those few are looked at with the first sites. */
async function rewrapDeploymentKeys(db: Db, kek: string): Promise<{ rewrapped: number; unopened: string[] }> {
  const done = { rewrapped: 0, unopened: [] as string[] }
  for (const { name, dataKey } of await steady(() => db.select().from(deploymentKeys))) {
    try {
      const fresh = await rewrapDataKey(kek, name, dataKey)
      if (fresh === null) continue
      await steady(() =>
        db
          .update(deploymentKeys)
          .set({ dataKey: fresh })
          .where(and(eq(deploymentKeys.name, name), eq(deploymentKeys.dataKey, dataKey))),
      )
      done.rewrapped++
    } catch (error) {
      if (!(error instanceof SealError)) throw error
      done.unopened.push(name)
    }
  }
  return done
}

/**
 * Puts data keys that are under another KEK under the current one, from just after a site and `limit` of them. Each is written only where
 * it still is what was read, so it may be done again and by many at once. `next` is null where none is left behind.
 *
 * @returns ids of sites whose key neither KEK opens: they stay as they are
 */
export async function rewrapDataKeys(
  db: Db,
  kek: string,
  after: string,
  limit: number,
): Promise<{ rewrapped: number; unopened: string[]; next: string | null }> {
  const current = `v1.${await nameOf(currentOf(kek))}.`
  const rows = await steady(() =>
    db
      .select({ id: sites.id, dataKey: sites.dataKey })
      .from(sites)
      .where(and(gt(sites.id, after), sql`substr(${sites.dataKey}, 1, ${current.length}) <> ${current}`))
      .orderBy(sites.id)
      .limit(limit),
  )
  const { rewrapped: first, unopened } =
    after === '' ? await rewrapDeploymentKeys(db, kek) : { rewrapped: 0, unopened: [] }
  let rewrapped = first
  for (const { id, dataKey } of rows) {
    try {
      const fresh = await rewrapDataKey(kek, id, dataKey)
      if (fresh === null) continue
      await steady(() =>
        db
          .update(sites)
          .set({ dataKey: fresh })
          .where(and(eq(sites.id, id), eq(sites.dataKey, dataKey))),
      )
      rewrapped++
    } catch (error) {
      if (!(error instanceof SealError)) throw error
      unopened.push(id)
    }
  }
  return { rewrapped, unopened, next: rows.length === limit ? rows.at(-1)!.id : null }
}
