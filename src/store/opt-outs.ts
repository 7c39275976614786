/** Addresses that want no mail from a web chat. Kept as digests: who asked for it is nobody's to read. */
import { and, eq } from 'drizzle-orm'
import { normaliseAddress } from '../domain/address.ts'
import { settings } from '../env.ts'
import { type Db, steady } from './db.ts'
import { sha256Hex } from './ids.ts'
import { optOuts } from './schema.ts'
import { comesBack, handOut } from './seal.ts'

const TYPE = 'opt out'

export async function hasOptedOut(db: Db, siteId: string, address: string): Promise<boolean> {
  const addressHash = await hashOf(siteId, address)
  const row = await steady(() =>
    db
      .select({ at: optOuts.createdAt })
      .from(optOuts)
      .where(and(eq(optOuts.siteId, siteId), eq(optOuts.addressHash, addressHash)))
      .get(),
  )
  return row !== undefined
}

/** Safe to repeat. */
export async function optOut(db: Db, siteId: string, addressHash: string, at: number): Promise<void> {
  await steady(() => db.insert(optOuts).values({ siteId, addressHash, createdAt: at }).onConflictDoNothing())
}

/** Where whoever reads the mail says that they want no more; good for this address alone. */
export async function optOutUrl(env: Env, siteId: string, address: string): Promise<string> {
  const { KEK, PUBLIC_URL } = settings(env)
  const hash = await hashOf(siteId, address)
  const token = await handOut(KEK, siteId, TYPE, hash)
  return new URL(`/stop/${siteId}/${hash}/${token}`, PUBLIC_URL).href
}

export async function isOptOut(env: Env, siteId: string, hash: string, token: string): Promise<boolean> {
  return comesBack(settings(env).KEK, siteId, TYPE, hash, token)
}

function hashOf(siteId: string, address: string): Promise<string> {
  return sha256Hex(`${siteId} ${normaliseAddress(address)}`)
}
