/** Attachments that were uploaded, and wait for the message they belong to. */
import { and, eq, inArray, isNull, lt, or, sql } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { uploads } from './schema.ts'

export type Upload = typeof uploads.$inferSelect

export const uploadKey = (siteId: string, id: string) => `uploads/${siteId}/${id}`

export async function addUpload(db: Db, upload: Omit<Upload, 'messageId'>): Promise<void> {
  await steady(() => db.insert(uploads).values(upload).onConflictDoNothing())
}

/** Those of these ids that are there and no other message's; from now on they belong to this one. */
export async function takeUploads(
  db: Db,
  siteId: string,
  messageId: string,
  ids: readonly string[],
): Promise<Upload[]> {
  const among = sql`(SELECT value FROM json_each(${JSON.stringify(ids)}))`
  return steady(() =>
    db
      .update(uploads)
      .set({ messageId })
      .where(
        and(
          eq(uploads.siteId, siteId),
          inArray(uploads.id, among),
          or(isNull(uploads.messageId), eq(uploads.messageId, messageId)),
        ),
      )
      .returning(),
  )
}

/** Of all sites: those that no message took. Their bytes are the caller's to delete. */
export async function removeUntaken(db: Db, before: number, limit: number): Promise<Upload[]> {
  const old = await steady(() =>
    db
      .select()
      .from(uploads)
      .where(and(isNull(uploads.messageId), lt(uploads.createdAt, before)))
      .limit(limit),
  )
  if (old.length === 0) return []
  const ids = JSON.stringify(old.map(one => [one.siteId, one.id]))
  // One that a message takes at this moment stays.
  return steady(() =>
    db
      .delete(uploads)
      .where(
        and(
          isNull(uploads.messageId),
          sql`(${uploads.siteId}, ${uploads.id}) IN (SELECT value ->> 0, value ->> 1 FROM json_each(${ids}))`,
        ),
      )
      .returning(),
  )
}
