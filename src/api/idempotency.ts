/**
 * `Idempotency-Key` on a POST: the same key again is the same request, answered as it was the first time. Answers are kept for a day,
 * sealed, since some of them show a secret that is shown once. The ids of what is made are derived from the key, so that a request that
 * broke off in the middle makes nothing twice when it is sent again.
 */
import { createMiddleware } from 'hono/factory'
import { settings } from '../env.ts'
import { db } from '../store/db.ts'
import { answerOf, begunOnce, keepAnswer, mayBeTriedAgain } from '../store/idempotency.ts'
import { sha256Hex } from '../store/ids.ts'
import type { Access } from './access.ts'
import { Refusal } from './problems.ts'

const HEADER = 'idempotency-key'
/** So long a request without an answer may still be at work. */
const AT_WORK_MS = 60_000
const HASHED_BYTES = 1024 * 1024

export const idempotency = createMiddleware<Access>(async (c, next) => {
  const given = c.req.header(HEADER)
  // Where nobody was asked for, there is nothing to do but to say that there is nothing.
  if (c.req.method !== 'POST' || given === undefined || !c.get('who')) return next()
  if (!/^[!-~]{1,255}$/.test(given))
    throw new Refusal('invalid_field', 'An Idempotency-Key is 1 to 255 printable ASCII characters.', HEADER)
  const siteId = c.get('siteId')
  const key = await sha256Hex([c.get('who').id, c.req.path.replace(/\/$/, ''), given].join('\u0000'))
  const row = await begunOnce(db(c.env.DB), { siteId, key, body: await bodyOf(c.req.raw), at: Date.now() })
  if (!row.isSame) throw new Refusal('key_reused')
  if (row.answer) {
    const { KEK } = settings(c.env)
    const { status, text } = await answerOf(c.env, KEK, siteId, key, row.answer)
    return new Response(text === '' ? null : text, {
      status,
      headers: {
        ...(text === '' ? {} : { 'content-type': 'application/json' }),
        'idempotency-replayed': 'true',
      },
    })
  }
  if (!row.isFirst && !row.isFailed && Date.now() - row.at < AT_WORK_MS) throw new Refusal('in_progress')
  c.set('once', { key, at: row.at })
  await next()
  if (c.res.status >= 500) return mayBeTriedAgain(db(c.env.DB), siteId, key)
  const text = c.res.headers.get('content-type')?.includes('json') ? await c.res.clone().text() : ''
  return keepAnswer(c.env, settings(c.env).KEK, siteId, key, { status: c.res.status, text })
})

/** What tells one body from another; an upload by its size, since it is not held in memory. */
async function bodyOf(request: Request): Promise<string> {
  if (request.body === null) return ''
  const type = request.headers.get('content-type') ?? ''
  const length = Number(request.headers.get('content-length') ?? Number.POSITIVE_INFINITY)
  if (!type.includes('json') && length > HASHED_BYTES) return `${type.split(';')[0]} ${length}`
  return sha256Hex(new Uint8Array(await request.clone().arrayBuffer()))
}
