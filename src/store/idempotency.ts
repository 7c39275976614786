/** Requests that carried an Idempotency-Key, and how they were answered. */
import { and, eq, isNotNull, sql } from 'drizzle-orm'
import { type Db, db, steady } from './db.ts'
import { dataKeyOf } from './inboxes.ts'
import { idempotency } from './schema.ts'
import { open, type Place, seal } from './seal.ts'

/**
 * `status`: null where the request is at work since it was begun; below zero where it is at work again, since so many ms after it was
 * begun; FAILED; or that of its answer.
 */
const FAILED = 0
/** It was done, and its answer is kept no more. */
const GONE = 410
const KEPT_MS = 24 * 60 * 60_000
/** So long a request without an answer may still be at work. */
const AT_WORK_MS = 60_000

/** A request that whoever has this is to do; what becomes of one that was claimed by another meanwhile is the other's to say. */
export interface Claim {
  siteId: string
  key: string
  /** When it was begun first. */
  begunAt: number
  status: number | null
}

export type Begun =
  | { is: 'mine'; mine: Claim }
  | { is: 'answered'; answer: { status: number; sealed: string } }
  | { is: 'gone' }
  | { is: 'at_work' }
  /** The key was used for something else. */
  | { is: 'other' }

/** Of those who ask at once one gets it: the first, or where that one failed or has not been heard of, one of those after it. */
export async function claim(
  db: Db,
  { siteId, key, body }: { siteId: string; key: string; body: string },
  at: number,
): Promise<Begun> {
  // One whose day is over is as good as none.
  const isOver = sql`${idempotency.createdAt} < ${at - KEPT_MS}`
  const isFree = sql`${idempotency.bodyHash} = ${body} AND ${idempotency.answer} IS NULL
    AND (${idempotency.status} = ${FAILED} OR ${idempotency.createdAt} - min(coalesce(${idempotency.status}, 0), 0) <= ${at - AT_WORK_MS})`
  const [mine] = await db
    .insert(idempotency)
    .values({ siteId, keyHash: key, bodyHash: body, createdAt: at })
    .onConflictDoUpdate({
      target: [idempotency.siteId, idempotency.keyHash],
      set: {
        bodyHash: body,
        status: sql`iif(${isOver}, NULL, min(${idempotency.createdAt} - ${at}, -1))`,
        answer: null,
        createdAt: sql`iif(${isOver}, ${at}, ${idempotency.createdAt})`,
      },
      setWhere: sql`${isOver} OR (${isFree})`,
    })
    .returning({ begunAt: idempotency.createdAt, status: idempotency.status })
  if (mine) return { is: 'mine', mine: { siteId, key, ...mine } }
  const row = await steady(() =>
    db
      .select()
      .from(idempotency)
      .where(and(eq(idempotency.siteId, siteId), eq(idempotency.keyHash, key)))
      .get(),
  )
  if (!row) return { is: 'at_work' }
  if (row.bodyHash !== body) return { is: 'other' }
  if (row.status === GONE) return { is: 'gone' }
  if (row.status === null || row.answer === null) return { is: 'at_work' }
  return { is: 'answered', answer: { status: row.status, sealed: row.answer } }
}

export async function keepAnswer(
  env: Env,
  kek: string,
  mine: Claim,
  { status, text }: { status: number; text: string },
): Promise<void> {
  const { siteId, key } = mine
  const answer = await seal(kek, await dataKeyOf(db(env.DB), siteId), place(siteId, key), text)
  await steady(() => db(env.DB).update(idempotency).set({ status, answer }).where(still(mine)))
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

export async function mayBeTriedAgain(db: Db, mine: Claim): Promise<void> {
  await steady(() => db.update(idempotency).set({ status: FAILED }).where(still(mine)))
}

/** Something of a site was erased: answers may speak of it, and are not given again. That the requests were done stays known. */
export async function forgetAnswers(db: Db, siteId: string): Promise<void> {
  await steady(() =>
    db
      .update(idempotency)
      .set({ status: GONE, answer: '' })
      .where(and(eq(idempotency.siteId, siteId), isNotNull(idempotency.answer))),
  )
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

function still({ siteId, key, begunAt, status }: Claim) {
  return and(
    eq(idempotency.siteId, siteId),
    eq(idempotency.keyHash, key),
    eq(idempotency.createdAt, begunAt),
    sql`${idempotency.status} IS ${status}`,
  )
}
