/** API keys: what a program asks with. A key belongs to the site, not to who made it. */
import { and, desc, eq, lt, or, sql } from 'drizzle-orm'
import type { Scope } from '../domain/access.ts'
import { keyedHash, newBearer, readBearer, recognise } from './bearer.ts'
import { type Db, steady } from './db.ts'
import { newId } from './ids.ts'
import { apiKeys, sites } from './schema.ts'

export type ApiKey = typeof apiKeys.$inferSelect

/** Requests a minute where a key has no number of its own. */
export const USUAL_RATE = 3000

export type KeyFields = Pick<ApiKey, 'name'> &
  Partial<Pick<ApiKey, 'scopes' | 'inboxes' | 'rateLimit' | 'createdBy' | 'expiresAt'>>

/** A new key and its row; the key cannot be shown again. @param site its row, for the key its hash is made with */
export async function newApiKey(
  kek: string,
  site: { id: string; dataKey: string },
  fields: KeyFields,
  at: number,
  id = newId(at),
): Promise<{ key: string; row: ApiKey }> {
  const { text, secret } = await newBearer('ed', id)
  const row: ApiKey = {
    scopes: null,
    inboxes: null,
    rateLimit: null,
    createdBy: null,
    expiresAt: null,
    ...fields,
    id,
    siteId: site.id,
    secretHash: await keyedHash(kek, site, secret),
    lastUsedAt: null,
    createdAt: at,
  }
  return { key: text, row }
}

/** Done again under the same id, the secret given last is the one: nobody saw the other. */
export async function createApiKey(
  db: Db,
  kek: string,
  siteId: string,
  fields: KeyFields,
  at: number,
  id?: string,
): Promise<{ key: string; row: ApiKey }> {
  const site = await steady(() => db.select().from(sites).where(eq(sites.id, siteId)).get())
  const made = await newApiKey(kek, site!, fields, at, id)
  const { secretHash } = made.row
  await steady(() =>
    db
      .insert(apiKeys)
      .values(made.row)
      .onConflictDoUpdate({ target: apiKeys.id, set: { secretHash }, setWhere: eq(apiKeys.siteId, siteId) }),
  )
  return made
}

/**
 * So long an isolate knows a key that it has seen, and asks nobody: what is changed about it, or that it was revoked, holds at once where
 * it was done and everywhere after this time.
 */
const KNOWN_MS = 5_000
/** By the whole text of the key, so that half a key finds nothing. */
const known = new Map<string, { key: ApiKey; until: number }>()
const MOST_KNOWN = 1_000

function forget(id: string): void {
  for (const [text, { key }] of known) if (key.id === id) known.delete(text)
}

/** The API key that this is, or null. One read; `rewritten` is its hash the new way where it is kept the old way. */
export async function apiKeyOf(
  db: Db,
  kek: string,
  text: string,
): Promise<{ key: ApiKey; rewritten: string | null } | null> {
  const given = readBearer('ed', text)
  if (!given) return null
  const at = Date.now()
  const seen = known.get(text)
  if (seen && at < seen.until) return { key: seen.key, rewritten: null }
  const row = await steady(() =>
    db
      .select({ key: apiKeys, dataKey: sites.dataKey })
      .from(apiKeys)
      .innerJoin(sites, eq(sites.id, apiKeys.siteId))
      .where(eq(apiKeys.id, given.id))
      .get(),
  )
  const kept = row && { site: { id: row.key.siteId, dataKey: row.dataKey }, hash: row.key.secretHash }
  const { good, rewritten } = await recognise(kek, kept, given.secret)
  if (!good) return null
  if (known.size >= MOST_KNOWN) known.clear()
  // That it is used now is noted once, by who asked first.
  known.set(text, { key: { ...row!.key, lastUsedAt: at }, until: at + KNOWN_MS })
  return { key: row!.key, rewritten }
}

/** A use is noted so often at most. */
export const NOTED_MS = 60_000

/** When a key was last used, to the minute, and its hash the new way. Nobody waits for it. */
export async function tellKeyUsed(
  db: Db,
  key: ApiKey,
  at: number,
  rewritten: string | null = null,
): Promise<void> {
  await steady(() =>
    db
      .update(apiKeys)
      .set({ lastUsedAt: at, ...(rewritten ? { secretHash: rewritten } : {}) })
      .where(
        and(
          theOne(key.siteId, key.id),
          // Of many at once one writes, and none writes over a hash it did not read.
          rewritten
            ? eq(apiKeys.secretHash, key.secretHash)
            : or(sql`${apiKeys.lastUsedAt} IS NULL`, lt(apiKeys.lastUsedAt, at - NOTED_MS + 1)),
        ),
      ),
  )
}

/** The newest first, from just before one. */
export async function apiKeysBefore(
  db: Db,
  siteId: string,
  id: string | null,
  limit: number,
): Promise<ApiKey[]> {
  return steady(() =>
    db
      .select()
      .from(apiKeys)
      .where(and(eq(apiKeys.siteId, siteId), id === null ? undefined : lt(apiKeys.id, id)))
      .orderBy(desc(apiKeys.id))
      .limit(limit),
  )
}

export async function apiKeyById(db: Db, siteId: string, id: string): Promise<ApiKey | undefined> {
  return steady(() => db.select().from(apiKeys).where(theOne(siteId, id)).get())
}

export async function changeApiKey(
  db: Db,
  siteId: string,
  id: string,
  change: Pick<ApiKey, 'name' | 'scopes' | 'inboxes' | 'rateLimit' | 'expiresAt'>,
): Promise<boolean> {
  const { meta } = await steady(() => db.update(apiKeys).set(change).where(theOne(siteId, id)))
  forget(id)
  return meta.changes > 0
}

export async function removeApiKey(db: Db, siteId: string, id: string): Promise<boolean> {
  const { meta } = await steady(() => db.delete(apiKeys).where(theOne(siteId, id)))
  forget(id)
  return meta.changes > 0
}

/** Scopes of a key; null is all of them. */
export function scopesOf(key: Pick<ApiKey, 'scopes'>): Scope[] | null {
  return key.scopes === null ? null : (JSON.parse(key.scopes) as Scope[])
}

/** Inbox ids a key may see; null is all of them. */
export function inboxesOfKey(key: Pick<ApiKey, 'inboxes'>): string[] | null {
  return key.inboxes === null ? null : (JSON.parse(key.inboxes) as string[])
}

function theOne(siteId: string, id: string) {
  return and(eq(apiKeys.siteId, siteId), eq(apiKeys.id, id))
}
