/** Assistants of a site. */
import { and, eq } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { assistants } from './schema.ts'

export async function assistantById(db: Db, siteId: string, id: string) {
  return steady(() =>
    db
      .select()
      .from(assistants)
      .where(and(eq(assistants.siteId, siteId), eq(assistants.id, id)))
      .get(),
  )
}
