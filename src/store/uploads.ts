/** Attachments that were uploaded, and wait for the message they belong to. */
import { and, eq, inArray, isNull, lt, or, sql } from 'drizzle-orm'
import type { AttachmentRef } from '../domain/conversation.ts'
import { settings } from '../env.ts'
import { type Db, steady } from './db.ts'
import { uploads } from './schema.ts'
import { comesBack, handOut } from './seal.ts'

export type Upload = typeof uploads.$inferSelect

export const uploadKey = (siteId: string, id: string) => `uploads/${siteId}/${id}`

/** R2's least for every part of an upload but the last, and so the most that is held of one. */
export const PART_BYTES = 5 * 1024 * 1024
const FIRST_BYTES = 64 * 1024

/**
 * Puts what is read into R2 as it comes: a small file at once, a large one part by part. What breaks off leaves nothing behind; should not
 * even that be possible any more, R2 forgets unfinished parts by itself after a week.
 *
 * @param read the next bytes, good until it is called again; null at the end
 * @returns how many bytes it has; null where that is more than `most`
 */
export async function putUpload(
  mail: Pick<R2Bucket, 'put' | 'createMultipartUpload'>,
  key: string,
  read: () => Promise<Uint8Array | null>,
  most: number,
): Promise<number | null> {
  let upload: R2MultipartUpload | null = null
  const parts: R2UploadedPart[] = []
  let held = new Uint8Array(FIRST_BYTES)
  let filled = 0
  let size = 0
  try {
    for (let bytes = await read(); bytes !== null; bytes = await read()) {
      size += bytes.length
      if (size > most) {
        await upload?.abort()
        return null
      }
      for (let rest = bytes; rest.length > 0; ) {
        if (filled === PART_BYTES) {
          upload ??= await mail.createMultipartUpload(key)
          parts.push(await upload.uploadPart(parts.length + 1, held))
          filled = 0
        }
        held = withRoom(held, filled + rest.length)
        const some = rest.subarray(0, held.length - filled)
        held.set(some, filled)
        filled += some.length
        rest = rest.subarray(some.length)
      }
    }
    const last = held.subarray(0, filled)
    if (upload === null) await mail.put(key, last)
    else await upload.complete([...parts, await upload.uploadPart(parts.length + 1, last)])
    return size
  } catch (error) {
    await upload?.abort()
    throw error
  }
}

function withRoom(held: Uint8Array<ArrayBuffer>, wanted: number): Uint8Array<ArrayBuffer> {
  if (wanted <= held.length || held.length === PART_BYTES) return held
  const larger = new Uint8Array(Math.min(PART_BYTES, Math.max(wanted, 2 * held.length)))
  larger.set(held)
  return larger
}

export async function addUpload(db: Db, upload: Omit<Upload, 'messageId'>): Promise<void> {
  await steady(() => db.insert(uploads).values(upload).onConflictDoNothing())
}

/** As the message has it that takes it. */
export function attachmentFrom({ siteId, id, filename, contentType, size }: Upload): AttachmentRef {
  const key = uploadKey(siteId, id)
  return { filename, contentType, size, disposition: 'attachment', contentId: null, key, part: null }
}

/** By what a visitor names their upload: its id, and a proof that it is theirs. */
export async function uploadHandle(env: Env, siteId: string, contactId: string, id: string): Promise<string> {
  return `${id}.${await handOut(settings(env).KEK, siteId, 'upload', `${contactId}/${id}`)}`
}

/** Which upload it is; null where it is not this visitor's. */
export async function readUploadHandle(
  env: Env,
  siteId: string,
  contactId: string,
  handle: string,
): Promise<string | null> {
  const [id = '', proof = ''] = handle.split('.')
  const isTheirs = await comesBack(settings(env).KEK, siteId, 'upload', `${contactId}/${id}`, proof)
  return isTheirs ? id : null
}

/** One that nobody's message has yet. */
export async function untakenUpload(db: Db, siteId: string, id: string): Promise<Upload | undefined> {
  return steady(() =>
    db
      .select()
      .from(uploads)
      .where(and(eq(uploads.siteId, siteId), eq(uploads.id, id), isNull(uploads.messageId)))
      .get(),
  )
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
