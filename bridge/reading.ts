/** Reading mails off a connection: their structure, their parts, their octets window by window; and lists of UIDs. */
import type { FetchMessageObject, FetchQueryObject, ImapFlow } from './mailbox.ts'
import type { Structure } from './reduced.ts'

/** A larger mail or part comes in windows of this size. */
const WINDOW = 1024 * 1024
/** How many mails are asked for in one command. */
export const META_MAILS = 200

export async function structureOf(client: ImapFlow, uid: number): Promise<Structure | null> {
  const mail = await client.fetchOne(String(uid), { uid: true, bodyStructure: true }, { uid: true })
  return mail === false || mail === undefined || mail.uid !== uid ? null : (mail.bodyStructure ?? null)
}

export async function section(
  client: ImapFlow,
  uid: number,
  key: string,
  maxLength: number,
): Promise<Buffer | null> {
  const query: FetchQueryObject = { uid: true, bodyParts: [{ key, start: 0, maxLength }] }
  const mail = await client.fetchOne(String(uid), query, { uid: true })
  if (mail === false || mail === undefined || mail.uid !== uid) return null
  const found = key === 'HEADER' ? mail.headers : mail.bodyParts?.get(key.toLowerCase())
  return (found ?? Buffer.alloc(0)).subarray(0, maxLength)
}

/**
 * A section (null: the whole mail) window by window, each copied out before the next is asked for. False where the mail
 * is gone. `take` answers false when it has enough.
 */
export async function windows(
  client: ImapFlow,
  uid: number,
  key: string | null,
  take: (piece: Buffer, restarts: boolean) => Promise<boolean>,
): Promise<boolean> {
  for (let start = 0; ; ) {
    const query: FetchQueryObject =
      key === null
        ? { uid: true, source: { start, maxLength: WINDOW } }
        : { uid: true, bodyParts: [{ key, start, maxLength: WINDOW }] }
    const mail = await client.fetchOne(String(uid), query, { uid: true })
    if (mail === false || mail === undefined || mail.uid !== uid) return false
    const piece = (key === null ? mail.source : mail.bodyParts?.get(key.toLowerCase())) ?? Buffer.alloc(0)
    // Tencent's servers answer every window with the whole (as imapflow notes); the last answer is then the mail.
    const ignoresWindows = piece.length > WINDOW
    if (piece.length > 0 && (await take(piece, ignoresWindows && start > 0)) === false) return true
    if (piece.length !== WINDOW) return true
    start += WINDOW
  }
}

export function timeOf(mail: FetchMessageObject): number {
  const time = mail.internalDate === undefined ? Number.NaN : new Date(mail.internalDate).getTime()
  return Number.isFinite(time) ? time : Date.now()
}

export function ascending(uids: number[]): number[] {
  return [...new Set(uids)].sort((a, b) => a - b)
}

export function* batches<T>(list: T[], size: number): Generator<T[]> {
  for (let at = 0; at < list.length; at += size) yield list.slice(at, at + size)
}

/** 4,5,6,9 → "4:6,9" */
export function packUids(uids: number[]): string {
  const runs: string[] = []
  const sorted = ascending(uids)
  for (let at = 0; at < sorted.length; ) {
    let end = at
    while (end + 1 < sorted.length && sorted[end + 1] === sorted[end]! + 1) end += 1
    runs.push(end === at ? String(sorted[at]) : `${sorted[at]}:${sorted[end]}`)
    at = end + 1
  }
  return runs.join(',')
}
