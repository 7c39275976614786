/**
 * Mail in, first half: what is new on the server goes to R2, then its rows and the cursor go to the Mailbox's own SQLite in one turn.
 * The cursor never passes a gap: a group of mails is stored in parallel, and only when all of it is stored does the cursor move behind
 * it. Whatever fails on the way leaves the cursor where it was, and the next sync fetches the same mails over the same keys.
 */
import type { Frame, ImapAccount, ScannedMail } from '../../bridge/wire.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { headerText, PARSED_WHOLE_BYTES } from '../mail/email.ts'
import { type ArrivedFrame, readFrames } from '../mail/frames.ts'
import { type Imap, ImapFailure, problemOf } from '../mail/imap.ts'
import { hex, sha256Hex } from '../store/ids.ts'
import { bytesOf, headerKey, mailIdAt, namesOf, rawKey, reducedKey } from './keys.ts'
import type { Folder, MailRow, Records, Remote } from './records.ts'

export interface SyncTools {
  siteId: string
  inboxId: string
  imap: Imap
  account: ImapAccount
  records: Records
  bucket: R2Bucket
  /** Small raw mails just stored, so that reading them need not fetch them back. */
  justStored: Map<string, Uint8Array>
  /** Called when mails have been stored, so that they are read while the next ones are fetched; resolves when there is room. */
  stored(): Promise<void>
  now(): number
}

/** So often must a fetch fail with the cursor at one place before the mail there is passed over. */
export const STUCK_TIMES = 3
export const PAGE_MAILS = 200
const PAGE_BYTES = 16 * 1024 * 1024
/** Largest mail that is fetched without being asked for. */
const WHOLE_BYTES = 25 * 1024 * 1024
/** Mails stored side by side, and moved behind together. */
const GROUP_MAILS = 16
const GROUP_BYTES = 4 * 1024 * 1024
const KEPT_BYTES = 24 * 1024 * 1024
/** Mail older than the connection by more than this was never ours, whatever a new UIDVALIDITY makes of it. */
const CLOCK_SKEW_MS = 2 * 24 * 60 * 60_000

/**
 * Brings one folder up to date.
 *
 * @param sent whether it holds what the account itself sent
 * @throws ImapFailure where the server or the bridge refused; what came before it is kept.
 */
export async function syncFolder(path: string, tools: SyncTools, { sent = false } = {}): Promise<void> {
  for (let more = true; more; ) {
    const folder = tools.records.folder(path)
    if (folder) tools.records.markFolder(folder, sent)
    more = !folder
      ? await connectFolder(path, tools)
      : folder.rescan
        ? await rescanPage(folder, folder.rescan, tools)
        : await newPage(folder, tools)
  }
  const folder = tools.records.folder(path)
  if (!folder) return
  tools.records.markFolder(folder, sent)
  tools.records.folderSynced(folder, tools.now())
}

/** Mails that are asked for by their UIDs; they do not move the cursor. */
export interface Wanted {
  uids: number[]
  /** Of their rows. */
  oldBefore: number | null
  /** Told in the turn that writes their rows. */
  placed?: (rows: readonly MailRow[]) => void
}

/** A page of what is new; where the same mail breaks it again and again while the server is well, past that mail (A12). */
async function newPage(folder: Folder, tools: SyncTools): Promise<boolean> {
  const { imap, account, records } = tools
  try {
    const more = await fetchPage(folder, tools, null)
    records.unstuck(folder)
    return more
  } catch (error) {
    if (!isStuck(error, folder, tools)) throw error
    const now = records.folder(folder.path) ?? folder
    const { uidValidity, nextUid } = now
    const page = await imap.scan({ account, folder: now.path, uidValidity, nextUid })
    const mail = page.mails[0]
    if (page.opened.uidValidity !== uidValidity || !mail) throw error
    await passOver(now, mail, tools, null)
    records.unstuck(now)
    return true
  }
}

/** The stream broke at this place for the third time in a row. Servers that cannot be reached, and a full store, are another matter. */
function isStuck(error: unknown, folder: Folder, { records }: SyncTools): boolean {
  return error instanceof BrokenStream && records.stuck(records.folder(folder.path) ?? folder) >= STUCK_TIMES
}

/** Stores the main headers of a mail, marked; the mail itself is fetched when someone asks for it. */
export async function passOver(
  folder: Folder,
  mail: ScannedMail,
  tools: SyncTools,
  wanted: Wanted | null,
): Promise<void> {
  const { siteId, inboxId, bucket, records, now } = tools
  const id = mailIdAt(folder.id, folder.uidValidity, mail.uid)
  const head = bytesOf(`${mail.headers.trimEnd()}\r\n\r\n`)
  await bucket.put(reducedKey(siteId, inboxId, id), head)
  const { rfcId, writer } = await namesOf(head)
  const row: MailRow = {
    ...{ id, folderId: folder.id, uidValidity: folder.uidValidity, uid: mail.uid, size: mail.size },
    ...{ internalDate: mail.internalDate, fetchedAt: now(), oldBefore: wanted?.oldBefore ?? null },
    ...{ sha: await sha256Hex(head), headerKey: await headerKey(mail.headers, mail.size), extent: 'reduced' },
    remote: JSON.stringify({ parts: [], textCut: false, notFetched: true } satisfies Remote),
    ...{ rfcId, writer },
  }
  records.storeMails(folder, [row], wanted ? 0 : mail.uid + 1)
  wanted?.placed?.([row])
  await tools.stored()
}

/** The server was well enough to begin, and the stream of mails broke. */
export class BrokenStream extends ImapFailure {
  override name = 'BrokenStream'
}

async function connectFolder(path: string, tools: SyncTools): Promise<boolean> {
  const stream = await tools.imap.fetch({ ...request(path, tools), uidValidity: null, nextUid: null })
  for await (const { frame } of readFrames(stream)) {
    if (frame.kind === 'problem') throw new ImapFailure(problemOf(frame.problem))
    if (frame.kind === 'opened') tools.records.bornFolder(path, frame.uidValidity, frame.uidNext, tools.now())
  }
  return false
}

/** One page of what is new (null), or of what is wanted. Says whether there is more. */
export async function fetchPage(folder: Folder, tools: SyncTools, wanted: Wanted | null): Promise<boolean> {
  const stream = await tools.imap.fetch({
    ...request(folder.path, tools),
    uidValidity: folder.uidValidity,
    nextUid: folder.nextUid,
    ...(wanted ? { uids: wanted.uids } : {}),
  })
  const group = new Group(folder, tools, wanted)
  let whole = false
  let more = false
  try {
    for await (const item of readFrames(stream)) {
      const { frame } = item
      if (frame.kind === 'problem') throw new BrokenStream(problemOf(frame.problem))
      if (frame.kind === 'opened' && frame.uidValidity !== folder.uidValidity) {
        tools.records.beginRescan(folder, frame.uidValidity, frame.uidNext)
        more = true
      }
      if (frame.kind === 'mail' || frame.kind === 'reduced') await group.add(frame, item)
      if (frame.kind === 'end') {
        whole = true
        more ||= frame.more
      }
    }
  } catch (error) {
    // What came whole is stored, the rest comes next time (A10).
    await group.close()
    throw error instanceof ImapFailure ? error : new BrokenStream(CUT)
  }
  await group.close()
  if (!whole) throw new BrokenStream(CUT)
  return more
}

const CUT = problem('unreachable', 'The connection to the mail server was lost while mail was fetched.')

/**
 * After a UIDVALIDITY change (RFC 3501 §2.3.1.1): every position is new. Known mails are recognised by headers and size and only get
 * their new position; what is not known is fetched, and remembered as found by a rescan, so that nothing old is answered (A2).
 */
async function rescanPage(
  folder: Folder,
  rescan: NonNullable<Folder['rescan']>,
  tools: SyncTools,
): Promise<boolean> {
  const page = await tools.imap.scan({
    account: tools.account,
    folder: folder.path,
    uidValidity: folder.uidValidity,
    nextUid: folder.nextUid,
  })
  if (page.opened.uidValidity !== folder.uidValidity) {
    tools.records.beginRescan(folder, page.opened.uidValidity, page.opened.uidNext)
    return true
  }
  const unknown: ScannedMail[] = []
  const last = page.through
  for (const mail of page.mails) {
    if (tools.records.mailAt(folder, mail.uid)) continue
    const known = tools.records.mailWithHeader(folder, await headerKey(mail.headers, mail.size))
    if (known) tools.records.moveMail(known, folder.uidValidity, mail.uid)
    else if (
      mail.internalDate > folder.connectedAt - CLOCK_SKEW_MS ||
      dateOf(mail.headers) > folder.connectedAt - CLOCK_SKEW_MS
    )
      unknown.push(mail)
  }
  // The server may stop a page at its byte limit; what is already here is not asked for again.
  for (let left = unknown; left.length > 0; ) {
    const asked = left.slice(0, PAGE_MAILS)
    const wanted = { uids: asked.map(mail => mail.uid), oldBefore: rescan.goodAt }
    try {
      await fetchPage(folder, tools, wanted)
    } catch (error) {
      const broken = asked.find(mail => !tools.records.mailAt(folder, mail.uid))
      if (!broken || !isStuck(error, folder, tools)) throw error
      await passOver(folder, broken, tools, wanted)
      tools.records.unstuck(folder)
    }
    const still = left.filter(mail => !tools.records.mailAt(folder, mail.uid))
    // Nothing came of a whole page: those were expunged since they were listed.
    left = still.length === left.length ? still.slice(asked.length) : still
  }
  tools.records.unstuck(folder)
  const done = !page.more || last + 1 >= rescan.to
  tools.records.storeMails(folder, [], done ? Math.max(rescan.to, last + 1) : last + 1)
  if (done) tools.records.endRescan(folder)
  return true
}

function dateOf(headers: string): number {
  const date = /^date:(.*(?:\r?\n[ \t].*)*)/im.exec(headers)?.[1]
  return Date.parse(date?.replace(/\s+/g, ' ').trim() ?? '') || 0
}

/** Mails on their way to R2 side by side; `close` waits for them and then moves the cursor behind them. */
class Group {
  readonly #folder: Folder
  readonly #tools: SyncTools
  readonly #wanted: Wanted | null
  #storing: Promise<MailRow>[] = []
  #bytes = 0
  #reduced: ({ uid: number } & Remote) | null = null

  constructor(folder: Folder, tools: SyncTools, wanted: Wanted | null) {
    this.#folder = folder
    this.#tools = tools
    this.#wanted = wanted
  }

  async add(frame: MailHead, item: ArrivedFrame): Promise<void> {
    const id = mailIdAt(this.#folder.id, this.#folder.uidValidity, frame.uid)
    const { siteId, inboxId, bucket } = this.#tools
    if (frame.kind === 'reduced') {
      const bytes = await item.body()
      await bucket.put(reducedKey(siteId, inboxId, id), bytes)
      this.#reduced = { uid: frame.uid, parts: frame.attachments, textCut: frame.textCut }
      if (!frame.whole) this.#push(this.#row(frame, await sha256Hex(bytes), bytes, 'reduced'))
    } else if (frame.length <= PARSED_WHOLE_BYTES) {
      const bytes = await item.body()
      this.#bytes += bytes.length
      this.#push(this.#storeSmall(frame, id, bytes))
    } else {
      // Too large to hold: piped through, one at a time.
      const { sha, head } = await pipeToBucket(bucket, rawKey(siteId, inboxId, id), item, frame.length)
      this.#push(this.#row(frame, sha, head, 'large'))
    }
    if (this.#storing.length >= GROUP_MAILS || this.#bytes >= GROUP_BYTES) await this.close()
  }

  async close(): Promise<void> {
    if (this.#storing.length === 0) return
    const { records } = this.#tools
    let rows: MailRow[]
    try {
      rows = await Promise.all(this.#storing)
    } catch {
      throw new ImapFailure(problem('storage'))
    } finally {
      this.#storing = []
      this.#bytes = 0
    }
    records.storeMails(this.#folder, rows, this.#wanted ? 0 : Math.max(...rows.map(row => row.uid)) + 1)
    this.#wanted?.placed?.(rows)
    await this.#tools.stored()
  }

  /** Waited for in `close`; a failure before that is not yet anybody's surprise. */
  #push(storing: Promise<MailRow>): void {
    storing.catch(() => {})
    this.#storing.push(storing)
  }

  async #storeSmall(frame: MailHead, id: string, bytes: Uint8Array): Promise<MailRow> {
    const { siteId, inboxId, bucket, justStored } = this.#tools
    await bucket.put(rawKey(siteId, inboxId, id), bytes)
    const kept = [...justStored.values()].reduce((sum, mail) => sum + mail.length, 0)
    if (kept + bytes.length < KEPT_BYTES) justStored.set(id, bytes)
    return this.#row(frame, await sha256Hex(bytes), bytes, 'whole')
  }

  async #row(frame: MailHead, sha: string, head: Uint8Array, extent: MailRow['extent']): Promise<MailRow> {
    const remote = this.#reduced?.uid === frame.uid ? this.#reduced : null
    const { rfcId, writer } = await namesOf(head)
    return {
      id: mailIdAt(this.#folder.id, this.#folder.uidValidity, frame.uid),
      folderId: this.#folder.id,
      uidValidity: this.#folder.uidValidity,
      uid: frame.uid,
      size: frame.size,
      internalDate: frame.internalDate,
      fetchedAt: this.#tools.now(),
      sha,
      headerKey: await headerKey(headerText(head), frame.size),
      extent,
      remote: remote && JSON.stringify({ parts: remote.parts, textCut: remote.textCut } satisfies Remote),
      oldBefore: this.#wanted?.oldBefore ?? null,
      rfcId,
      writer,
    }
  }
}

type MailHead = Extract<Frame, { kind: 'mail' | 'reduced' }>

const HEAD_BYTES = 256 * 1024

/** Streams exactly `length` bytes into R2 with the digest taken on the way; hands back the first bytes, for the headers. */
export async function pipeToBucket(
  bucket: R2Bucket,
  key: string,
  source: Pick<ArrivedFrame, 'stream'>,
  length: number,
): Promise<{ sha: string; head: Uint8Array }> {
  const digest = new crypto.DigestStream('SHA-256')
  const writer = digest.getWriter()
  const head: Uint8Array[] = []
  let seen = 0
  const tap = new TransformStream<Uint8Array, Uint8Array>({
    async transform(chunk, controller) {
      if (seen < HEAD_BYTES) head.push(chunk.slice())
      seen += chunk.length
      await writer.write(chunk)
      controller.enqueue(chunk)
    },
    flush: () => writer.close(),
  })
  const fixed = new FixedLengthStream(length)
  const piped = source.stream().pipeThrough(tap).pipeTo(fixed.writable)
  // Both are waited for, so that a cut line leaves neither behind unheard.
  const [stored, sent] = await Promise.allSettled([bucket.put(key, fixed.readable), piped])
  if (sent.status === 'rejected') throw sent.reason
  if (stored.status === 'rejected') throw new ImapFailure(problem('storage'))
  const joined = new Uint8Array(head.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of head) {
    joined.set(chunk, at)
    at += chunk.length
  }
  return { sha: hex(new Uint8Array(await digest.digest)), head: joined }
}

function request(path: string, { account }: SyncTools) {
  return {
    account,
    folder: path,
    maxMails: PAGE_MAILS,
    maxBytes: PAGE_BYTES,
    reducedAbove: PARSED_WHOLE_BYTES,
    wholeUpTo: WHOLE_BYTES,
  }
}

export function asProblem(error: unknown): Problem {
  return error instanceof ImapFailure ? error.problem : problem('internal')
}
