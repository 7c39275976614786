/** Attachments that were uploaded, and wait for the message they belong to. */
import { and, eq, inArray, lt, sql } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { uploads } from './schema.ts'

export type Upload = typeof uploads.$inferSelect

export const uploadKey = (siteId: string, id: string) => `uploads/${siteId}/${id}`

export async function addUpload(db: Db, upload: Omit<Upload, 'taken'>): Promise<void> {
  await steady(() => db.insert(uploads).values(upload).onConflictDoNothing())
}

/** Those of these ids that are there; from now on they belong to a message. */
export async function takeUploads(db: Db, siteId: string, ids: readonly string[]): Promise<Upload[]> {
  const among = sql`(SELECT value FROM json_each(${JSON.stringify(ids)}))`
  return steady(() =>
    db
      .update(uploads)
      .set({ taken: true })
      .where(and(eq(uploads.siteId, siteId), inArray(uploads.id, among)))
      .returning(),
  )
}

/** Of all sites: those that no message took. The rows go once the bytes are gone. */
export async function uploadsUntaken(db: Db, before: number, limit: number): Promise<Upload[]> {
  return steady(() =>
    db
      .select()
      .from(uploads)
      .where(and(eq(uploads.taken, false), lt(uploads.createdAt, before)))
      .limit(limit),
  )
}

export async function removeUploads(db: Db, some: readonly Upload[]): Promise<void> {
  const ids = JSON.stringify(some.map(one => [one.siteId, one.id]))
  await steady(() =>
    db.run(sql`DELETE FROM uploads WHERE taken = 0
      AND (site_id, id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(${ids}))`),
  )
}
