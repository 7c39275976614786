/**
 * `Idempotency-Key` on a POST: the same key again is the same request, answered as it was the first time. Answers are kept for a day,
 * sealed, since some of them show a secret that is shown once. The ids of what is made are derived from the key, so that a request that
 * broke off in the middle makes nothing twice when it is sent again.
 */
import { createMiddleware } from 'hono/factory'
import { settings } from '../env.ts'
import { db } from '../store/db.ts'
import { answerOf, claim, keepAnswer, mayBeTriedAgain } from '../store/idempotency.ts'
import { sha256Hex } from '../store/ids.ts'
import type { Access } from './access.ts'
import { Refusal } from './problems.ts'

const HEADER = 'idempotency-key'
const HASHED_BYTES = 1024 * 1024

export const idempotency = createMiddleware<Access>(async (c, next) => {
  const given = c.req.header(HEADER)
  // Where nobody was asked for, there is nothing to do but to say that there is nothing.
  if (c.req.method !== 'POST' || given === undefined || !c.get('who')) return next()
  if (!/^[!-~]{1,255}$/.test(given))
    throw new Refusal('invalid_field', 'An Idempotency-Key is 1 to 255 printable ASCII characters.', HEADER)
  const siteId = c.get('siteId')
  const key = await sha256Hex([c.get('who').id, c.req.path.replace(/\/$/, ''), given].join('\u0000'))
  const request = { siteId, key, body: await bodyOf(c.req.raw) }
  const begun = await claim(db(c.env.DB), request, Date.now())
  if (begun.is === 'other') throw new Refusal('key_reused')
  if (begun.is === 'gone') throw new Refusal('answer_gone')
  if (begun.is === 'at_work') throw new Refusal('in_progress')
  if (begun.is === 'answered') {
    const { KEK } = settings(c.env)
    const { status, text } = await answerOf(c.env, KEK, siteId, key, begun.answer)
    return new Response(text === '' ? null : text, {
      status,
      headers: {
        ...(text === '' ? {} : { 'content-type': 'application/json' }),
        'idempotency-replayed': 'true',
      },
    })
  }
  const { mine } = begun
  c.set('once', { key, at: mine.begunAt })
  await next()
  if (c.res.status >= 500) return mayBeTriedAgain(db(c.env.DB), mine)
  const text = c.res.headers.get('content-type')?.includes('json') ? await c.res.clone().text() : ''
  return keepAnswer(c.env, settings(c.env).KEK, mine, { status: c.res.status, text })
})

/** What tells one body from another; an upload by its size, since it is not held in memory. */
async function bodyOf(request: Request): Promise<string> {
  if (request.body === null) return ''
  const type = request.headers.get('content-type') ?? ''
  // A length that is said beside chunks counts for nothing (RFC 9112 §6.3).
  const said = request.headers.has('transfer-encoding') ? null : request.headers.get('content-length')
  const length = Number(said ?? Number.POSITIVE_INFINITY)
  if (!type.includes('json') && length > HASHED_BYTES) return `${type.split(';')[0]} ${length}`
  return sha256Hex(new Uint8Array(await request.clone().arrayBuffer()))
}
