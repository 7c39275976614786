/**
 * How often something may be done: one object per limited thing (a key, an address, an account), so none is ever hot for another's sake,
 * and D1 is written by none of it.
 *
 * Requests of keys are counted where they arrive, in the isolate's memory, which costs nothing; every twentieth part of a key's limit the
 * isolate tells the key's object in the background, and hears what all isolates have counted together. So a request never waits, a key
 * that asks seldom costs no call at all, and many isolates together pass at most a twentieth each beyond the limit before all of them know.
 *
 * Attempts to sign in are few and must be exact: there the object is asked first, and it remembers across restarts.
 */
import { DurableObject } from 'cloudflare:workers'
import { log } from '../log.ts'

/** Requests are counted in windows of the clock's minutes. */
export const WINDOW_MS = 60_000

interface Attempts {
  count: number
  /** When they are forgotten. */
  until: number
}

export class Limits extends DurableObject<Env> {
  #window = { start: 0, count: 0 }

  /** So many more requests in the window that starts then; says how many there are by now. Kept in memory: a minute is soon over. */
  async add(start: number, count: number): Promise<number> {
    if (start > this.#window.start) this.#window = { start, count: 0 }
    if (start === this.#window.start) this.#window.count += count
    return start === this.#window.start ? this.#window.count : count
  }

  /** One attempt, where there may be another; otherwise after how many ms there may. */
  async attempt(most: number, windowMs: number): Promise<{ yes: true } | { yes: false; waitMs: number }> {
    const at = Date.now()
    const kept = await this.ctx.storage.get<Attempts>('attempts')
    const now = kept && kept.until > at ? kept : { count: 0, until: at + windowMs }
    if (now.count >= most) return { yes: false, waitMs: now.until - at }
    await this.ctx.storage.put('attempts', { ...now, count: now.count + 1 })
    if (now !== kept) await this.ctx.storage.setAlarm(now.until)
    return { yes: true }
  }

  /** The attempt was a good one and counts for nothing, nor does any before it where `all`. */
  async forgive(all: boolean): Promise<void> {
    const kept = await this.ctx.storage.get<Attempts>('attempts')
    if (!kept) return
    if (all || kept.count <= 1) await this.#forget()
    else await this.ctx.storage.put('attempts', { ...kept, count: kept.count - 1 })
  }

  /** Nothing is kept of whom nobody tries any more. */
  override async alarm(): Promise<void> {
    await this.#forget()
  }

  async #forget(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
  }
}

interface Counted {
  start: number
  /** Let through here. */
  mine: number
  /** Of these, those the object knows. */
  told: number
  /** Let through elsewhere, as far as we know. */
  others: number
}

const counted = new Map<string, Counted>()
const PARTS = 20
const REMEMBERED = 10_000

export interface Allowance {
  yes: boolean
  limit: number
  remaining: number
  /** Until the window is over. */
  resetMs: number
}

/** Counts one request against a limit per minute. Waits for nothing. */
export function spend(
  env: Env,
  background: (work: Promise<void>) => void,
  name: string,
  limit: number,
  at: number,
): Allowance {
  const start = at - (at % WINDOW_MS)
  let now = counted.get(name)
  if (now?.start !== start) {
    if (counted.size >= REMEMBERED) counted.clear()
    now = { start, mine: 0, told: 0, others: 0 }
    counted.set(name, now)
  }
  const used = now.mine + now.others
  const allowance = { limit, resetMs: start + WINDOW_MS - at }
  if (used >= limit) return { ...allowance, yes: false, remaining: 0 }
  now.mine++
  if (now.mine - now.told >= Math.max(1, Math.ceil(limit / PARTS))) background(tell(env, name, now))
  return { ...allowance, yes: true, remaining: limit - used - 1 }
}

async function tell(env: Env, name: string, now: Counted): Promise<void> {
  const news = now.mine - now.told
  now.told = now.mine
  const told = now.told
  try {
    const all = await env.LIMITS.getByName(name).add(now.start, news)
    // Never less than before: an object that began anew has forgotten.
    now.others = Math.max(now.others, all - told)
  } catch (error) {
    log('limits_untold', {}, error)
  }
}
