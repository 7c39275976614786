/** Sites and their API keys. */
import { and, eq, gt, sql } from 'drizzle-orm'
import { isBearer, newBearer, readBearer } from './bearer.ts'
import { type Db, steady } from './db.ts'
import { newId } from './ids.ts'
import { apiKeys, sites } from './schema.ts'
import { currentOf, nameOf, newDataKey, rewrapDataKey, SealError } from './seal.ts'

/** A new site's row, its data key wrapped. */
export async function newSite(kek: string, name: string, at: number): Promise<typeof sites.$inferInsert> {
  const id = newId(at)
  return { id, name, dataKey: await newDataKey(kek, id), createdAt: at }
}

/** A new key and its row; the key cannot be shown again. */
export async function newApiKey(siteId: string, name: string, at: number) {
  const id = newId(at)
  const { text, hash } = await newBearer('ed', id)
  const row = { id, siteId, name, secretHash: hash, createdAt: at } satisfies typeof apiKeys.$inferInsert
  return { key: text, row }
}

export async function createSite(db: Db, kek: string, name: string, at: number): Promise<string> {
  const row = await newSite(kek, name, at)
  await db.insert(sites).values(row)
  return row.id
}

export async function createApiKey(db: Db, siteId: string, name: string, at: number): Promise<string> {
  const { key, row } = await newApiKey(siteId, name, at)
  await db.insert(apiKeys).values(row)
  return key
}

/** The API key that this is, or null. */
export async function apiKeyOf(db: Db, text: string) {
  const given = readBearer('ed', text)
  if (!given) return null
  const row = await steady(() => db.select().from(apiKeys).where(eq(apiKeys.id, given.id)).get())
  return (await isBearer(given.secret, row?.secretHash)) ? row! : null
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
  let rewrapped = 0
  const unopened: string[] = []
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
