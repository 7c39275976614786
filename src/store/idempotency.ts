/** Requests that carried an Idempotency-Key, and how they were answered. */
import { and, eq, lt, sql } from 'drizzle-orm'
import { type Db, db, steady } from './db.ts'
import { dataKeyOf } from './inboxes.ts'
import { idempotency } from './schema.ts'
import { open, type Place, seal } from './seal.ts'

/** `status` of a request that failed on our side. */
const FAILED = 0
const KEPT_MS = 24 * 60 * 60_000

export interface Begun {
  isFirst: boolean
  /** False where the key was used for something else. */
  isSame: boolean
  isFailed: boolean
  /** When it was begun first. */
  at: number
  answer: { status: number; sealed: string } | null
}

export async function begunOnce(
  db: Db,
  { siteId, key, body, at }: { siteId: string; key: string; body: string; at: number },
): Promise<Begun> {
  const { meta } = await db
    .insert(idempotency)
    .values({ siteId, keyHash: key, bodyHash: body, createdAt: at })
    // One whose day is over is as good as none.
    .onConflictDoUpdate({
      target: [idempotency.siteId, idempotency.keyHash],
      set: { bodyHash: body, status: null, answer: null, createdAt: at },
      setWhere: lt(idempotency.createdAt, at - KEPT_MS),
    })
  if (meta.changes > 0) return { isFirst: true, isSame: true, isFailed: false, at, answer: null }
  const row = await steady(() => db.select().from(idempotency).where(theOne(siteId, key)).get())
  if (!row) return { isFirst: true, isSame: true, isFailed: false, at, answer: null }
  return {
    isFirst: false,
    isSame: row.bodyHash === body,
    isFailed: row.status === FAILED,
    at: row.createdAt,
    answer: row.status && row.answer !== null ? { status: row.status, sealed: row.answer } : null,
  }
}

export async function keepAnswer(
  env: Env,
  kek: string,
  siteId: string,
  key: string,
  { status, text }: { status: number; text: string },
): Promise<void> {
  const answer = await seal(kek, await dataKeyOf(db(env.DB), siteId), place(siteId, key), text)
  await steady(() => db(env.DB).update(idempotency).set({ status, answer }).where(theOne(siteId, key)))
}

export async function answerOf(
  env: Env,
  kek: string,
  siteId: string,
  key: string,
  { status, sealed }: { status: number; sealed: string },
): Promise<{ status: number; text: string }> {
  return { status, text: await open(kek, await dataKeyOf(db(env.DB), siteId), place(siteId, key), sealed) }
}

export async function mayBeTriedAgain(db: Db, siteId: string, key: string): Promise<void> {
  await steady(() => db.update(idempotency).set({ status: FAILED }).where(theOne(siteId, key)))
}

/** Of all sites: those whose day is over. */
export async function forgetOldKeys(db: Db, at: number): Promise<void> {
  await steady(() =>
    db.run(sql`DELETE FROM idempotency WHERE (site_id, key_hash) IN
      (SELECT site_id, key_hash FROM idempotency WHERE created_at < ${at - KEPT_MS} LIMIT 5000)`),
  )
}

function place(siteId: string, key: string): Place {
  return { site: siteId, table: 'idempotency', column: 'answer', row: key }
}

function theOne(siteId: string, key: string) {
  return and(eq(idempotency.siteId, siteId), eq(idempotency.keyHash, key))
}
