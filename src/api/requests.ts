/** What a request says about itself beside its body: the key that makes it one, and the write that it wants to read. */
import type { Context } from 'hono'
import type { Db } from '../store/db.ts'
import { db } from '../store/db.ts'
import { derivedId, newId } from '../store/ids.ts'
import type { Access } from './access.ts'

/** Where D1 has a write: handed out with it, and sent back by who wants to read it (D1 Sessions API). */
export const BOOKMARK = 'x-d1-bookmark'

/** The id of what this request makes: the same for the same Idempotency-Key, so that doing it twice makes one. */
export async function idOf(c: Context<Access>, what = 'made'): Promise<string> {
  const once = c.get('once')
  return once ? derivedId(once.at, what, c.get('siteId'), once.key) : newId()
}

/** D1 as of the caller's own last write at least, from wherever it is nearest. */
export function readAfter(c: Context<Access>): Db {
  const bookmark = c.req.header(BOOKMARK)
  const from = bookmark && /^[\w-]{1,200}$/.test(bookmark) ? bookmark : 'first-unconstrained'
  // A session has all of a database that drizzle asks for.
  return db(c.env.DB.withSession(from) as unknown as D1Database)
}

export function wrote(c: Context<Access>, bookmark: string | null): void {
  if (bookmark !== null) c.header(BOOKMARK, bookmark)
}
