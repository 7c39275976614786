/** Sites and their API keys. */
import { eq } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { newId, sha256Hex } from './ids.ts'
import { apiKeys, sites } from './schema.ts'
import { newDataKey } from './seal.ts'

/** A new site's row, its data key wrapped. */
export async function newSite(kek: string, name: string, at: number): Promise<typeof sites.$inferInsert> {
  const id = newId(at)
  return { id, name, dataKey: await newDataKey(kek, id), createdAt: at }
}

/**
 * A new key and its row; the key cannot be shown again. Form: `ed_<id of the row, 32 hex>_<43 base64url>`; the row is found by the
 * id, and the secret compared by digest.
 */
export async function newApiKey(siteId: string, name: string, at: number) {
  const id = newId(at)
  const secret = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
  const row = {
    id,
    siteId,
    name,
    secretHash: await sha256Hex(secret),
    createdAt: at,
  } satisfies typeof apiKeys.$inferInsert
  return { key: `ed_${id.replaceAll('-', '')}_${secret}`, row }
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

const KEY = /^ed_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/

/** The site a key opens, or null. The digests are compared in constant time. */
export async function siteOfApiKey(db: Db, key: string): Promise<string | null> {
  const match = KEY.exec(key)
  if (!match) return null
  const id = match.slice(1, 6).join('-')
  const row = await steady(() => db.select().from(apiKeys).where(eq(apiKeys.id, id)).get())
  const expected = new TextEncoder().encode(row?.secretHash ?? '0'.repeat(64))
  const given = new TextEncoder().encode(await sha256Hex(match[6]!))
  return crypto.subtle.timingSafeEqual(expected, given) && row ? row.siteId : null
}
