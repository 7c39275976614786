/** What a request says about itself beside its body: the key that makes it one, and the write that it wants to read. */
import type { Context } from 'hono'
import type { Message } from '../domain/conversation.ts'
import { log } from '../log.ts'
import { messageById } from '../store/conversations.ts'
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

/** When it was asked for, which is the same for the same Idempotency-Key, too. */
export function madeAt(c: Context<Access>): number {
  return c.get('once')?.at ?? Date.now()
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

/** D1 itself, none of its copies: `handOut` tells the caller to read from where it was when it was last asked. */
export function primary(c: Context<Access>): { d1: D1Database; handOut: () => void } {
  const session = c.env.DB.withSession('first-primary')
  return {
    d1: session as unknown as D1Database,
    handOut: () => wrote(c, session.getBookmark()),
  }
}

/** For what an object did: the caller is told where to read it, if its copy has `landed` in D1 by now. */
export async function handOutIf(c: Context<Access>, landed: (d1: Db) => Promise<boolean>): Promise<void> {
  const { d1, handOut } = primary(c)
  try {
    if (await landed(db(d1))) handOut()
  } catch (error) {
    // It is done, whether D1 can be asked just now or not.
    log('bookmark_unknown', { requestId: c.get('requestId') }, error)
  }
}

/** The same, of a message that an object changed. */
export async function copied(c: Context<Access>, message: Message): Promise<void> {
  await handOutIf(c, async d1 => {
    const copy = await messageById(d1, c.get('siteId'), message.id)
    return copy !== undefined && copy.seq >= message.seq
  })
}
