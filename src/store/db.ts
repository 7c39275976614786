/**
 * D1 as the house uses it. Cloudflare documents a background rate of failed calls ("Network connection lost", "reset",
 * "overloaded"); reads are retried by the platform, writes are not. All our writes are idempotent, so `steady` may run any of
 * them again.
 */
import { drizzle } from 'drizzle-orm/d1'
import * as schema from './schema.ts'

export type Db = ReturnType<typeof db>

export function db(d1: D1Database) {
  return drizzle(d1, { schema })
}

const PASSING =
  /Network connection lost|reset|overloaded|storage operation exceeded|memory limit|internal error/i
const ATTEMPTS = 3
const ATTEMPT_MS = 5_000

/** Runs an idempotent D1 call, again where the failure is one that passes. @throws the last failure. */
export async function steady<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await within(ATTEMPT_MS, call())
    } catch (error) {
      const passing = error instanceof Error && PASSING.test(error.message)
      if (!passing || attempt === ATTEMPTS) throw error
      await new Promise(resolve => setTimeout(resolve, 50 * 2 ** attempt * (0.5 + Math.random())))
    }
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('D1: overloaded, no answer in time')), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
