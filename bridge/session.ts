import { decoderFor } from './decode.ts'
import { ConsumerGone, Delivery, type FrameSink } from './delivery.ts'
import { BridgeFailure, failureOf, isLost } from './failure.ts'
import type { Box, ImapFlow, Link } from './mailbox.ts'
import { ascending, batches, META_MAILS, packUids, structureOf, timeOf, windows } from './reading.ts'
import { findPart, sectionOf } from './reduced.ts'
import { Spool } from './spool.ts'
import type {
  AppendRequest,
  FetchRequest,
  FindRequest,
  FlagsRequest,
  Folder,
  FoundMail,
  PartRequest,
  ScannedMail,
  ScanRequest,
} from './wire.ts'

const SCAN_MAILS = 500
const MAX_UID = 0xffffffff
const DAY_MS = 24 * 60 * 60_000
const FIND_FOLDERS = 50
/** Somebody waits for the answer, and the account's other requests wait behind it. */
const FIND_MS = 45_000
/** Folders that only show again what lies in others. `\\Important` is RFC 8457. */
const VIEWS = new Set(['\\All', '\\Flagged', '\\Important'])
/** What a mail is matched and shown by. */
const MATCHED = ['Message-ID', 'From', 'Date', 'Subject']

/** What one request does with a connection. */
export class Session {
  readonly #link: Link
  /** Something was changed or handed out; trying again would do it twice. */
  committed = false

  constructor(link: Link) {
    this.#link = link
  }

  async folders(): Promise<Folder[]> {
    const listed = await this.#link.ask(client => client.list())
    return listed.map(entry => ({
      path: entry.path,
      name: entry.name,
      use: entry.specialUse || null,
      selectable: !entry.flags.has('\\Noselect') && !entry.flags.has('\\NonExistent'),
    }))
  }

  async fetch(request: FetchRequest, sink: FrameSink): Promise<void> {
    const wanted = request.uids !== undefined || request.nextUid !== null
    this.#link.quiet = request.uids === undefined
    const { box, uidNext, uids } = await this.#look(request, wanted).finally(() => {
      this.#link.quiet = false
    })

    this.committed = true
    const opened = { uidValidity: box.uidValidity, uidNext, waiting: uids.length }
    await sink.head({ kind: 'opened', length: 0, ...opened })
    try {
      const more = await new Delivery(this.#link, request, sink).run(uids)
      await sink.head({ kind: 'end', length: 0, more })
    } catch (error) {
      if (error instanceof ConsumerGone) throw error
      const failure = failureOf(this.#link.causeOf(error))
      if (!this.#link.usable) this.#link.drop()
      await sink.head({
        kind: 'problem',
        length: 0,
        problem: { code: failure.code, message: failure.message },
      })
    }
  }

  async #look(
    request: FetchRequest,
    wanted: boolean,
  ): Promise<{ box: Box; uidNext: number; uids: number[] }> {
    const glanced = wanted && request.uids === undefined ? await this.#link.glance(request.folder) : null
    if (glanced?.uidValidity === request.uidValidity && glanced.uidNext <= (request.nextUid ?? 0))
      return { box: glanced, uidNext: glanced.uidNext, uids: [] }
    // UIDNEXT is exact only right after EXAMINE, and a cursor may be born from it.
    let box = await this.#link.examine(request.folder, { afresh: !wanted })
    if (wanted && request.uidValidity !== null && box.uidValidity !== request.uidValidity) {
      box = await this.#link.examine(request.folder, { afresh: true })
    }
    const same = request.uidValidity === null || request.uidValidity === box.uidValidity
    const uids = wanted && same ? await this.#search(request.uids ?? request.nextUid ?? MAX_UID) : []
    const uidNext = await this.#uidNext(box, uids)
    this.#link.told(request.folder, uidNext)
    return { box, uidNext, uids }
  }

  async scan(request: ScanRequest): Promise<{
    opened: Box & { waiting: number }
    mails: ScannedMail[]
    more: boolean
    through: number
  }> {
    const { nextUid, untilUid, since } = request
    const box = await this.#link.examine(request.folder, { afresh: true })
    if (box.uidValidity !== request.uidValidity) {
      return { opened: { ...box, waiting: 0 }, mails: [], more: false, through: nextUid - 1 }
    }
    const uids = await this.#search(nextUid, { untilUid, since })
    const asked = uids.slice(0, SCAN_MAILS)
    const mails = await this.#matched(asked)
    const uidNext = await this.#uidNext(box, uids)
    return {
      opened: { ...box, uidNext, waiting: uids.length },
      mails: mails.filter(mail => mail.internalDate >= (since ?? 0)),
      more: uids.length > asked.length,
      through: asked.at(-1) ?? nextUid - 1,
    }
  }

  async #matched(uids: number[]): Promise<ScannedMail[]> {
    if (uids.length === 0) return []
    const query = { uid: true, size: true, internalDate: true, headers: MATCHED }
    const found = await this.#link.client().fetchAll(packUids(uids), query, { uid: true })
    const asked = new Set(uids)
    return found
      .filter(mail => asked.has(mail.uid))
      .sort((a, b) => a.uid - b.uid)
      .map(mail => ({
        uid: mail.uid,
        size: mail.size ?? 0,
        internalDate: timeOf(mail),
        headers: mail.headers?.toString('latin1') ?? '',
      }))
  }

  async find(request: FindRequest): Promise<{ found: FoundMail[]; unsearched: string[] }> {
    const { now, never } = searchOrder(await this.folders())
    const unsearched = never.map(folder => folder.path)
    const found: FoundMail[] = []
    const seen = new Set<string>()
    const until = Date.now() + FIND_MS
    for (const folder of now) {
      const mails = Date.now() < until ? await this.#findIn(folder, request) : null
      if (mails === null) unsearched.push(folder.path)
      for (const mail of mails ?? []) {
        const same = `${mail.size} ${mail.headers}`
        if (!isView(folder) || !seen.has(same)) found.push(mail)
        seen.add(same)
      }
    }
    const newestFirst = found.sort((a, b) => b.internalDate - a.internalDate || b.uid - a.uid)
    return { found: newestFirst.slice(0, request.limit), unsearched }
  }

  /** Null where the server does not let this folder be looked through. */
  async #findIn({ path, use }: Folder, { messageId, from, limit }: FindRequest): Promise<FoundMail[] | null> {
    const sought = from === undefined ? { header: { 'Message-ID': messageId! } } : { from }
    try {
      const { uidValidity } = await this.#link.examine(path)
      const uids = await this.#link.ask(client => client.search(sought, { uid: true }))
      const mails = await this.#matched(ascending(uids as number[]).slice(-limit))
      return mails.map(mail => ({ ...mail, folder: path, use, uidValidity }))
    } catch (error) {
      if (!this.#link.usable || isLost(error)) throw error
      return null
    }
  }

  /** The decoded part in a spool, which the caller closes. */
  async part(request: PartRequest): Promise<Spool> {
    await this.#examineSame(request.folder, request.uidValidity, true)
    const structure = await structureOf(this.#link.client(), request.uid)
    const leaf = structure === null ? null : findPart(structure, request.part)
    if (leaf === null)
      throw new BridgeFailure('mail_missing', 'The mail or this part of it is no longer there.')
    const decoder = decoderFor(leaf.encoding)
    const spool = await Spool.create()
    try {
      const section = sectionOf(leaf)
      const came = await windows(this.#link.client(), request.uid, section, async piece => {
        await spool.write(decoder.write(piece))
        return true
      })
      if (!came) throw new BridgeFailure('mail_missing')
      await spool.write(decoder.end())
      return spool
    } catch (error) {
      await spool.close()
      throw error
    }
  }

  async append(request: AppendRequest): Promise<{ uid: number | null; uidValidity: number | null }> {
    await this.#link.examine(request.folder, { readOnly: false })
    this.committed = true
    const date = request.internalDate === undefined ? undefined : new Date(request.internalDate)
    const raw = Buffer.from(request.raw, 'base64')
    const done = await this.#link.ask(client => client.append(request.folder, raw, request.flags, date))
    return {
      uid: done.uid ?? null,
      uidValidity: done.uidValidity === undefined ? null : Number(done.uidValidity),
    }
  }

  async flags(request: FlagsRequest): Promise<void> {
    await this.#examineSame(request.folder, request.uidValidity, false)
    const range = packUids(request.uids)
    const options = { uid: true, silent: true }
    const { add, remove } = request
    if (add.length > 0) await this.#store(client => client.messageFlagsAdd(range, add, options))
    if (remove.length > 0) await this.#store(client => client.messageFlagsRemove(range, remove, options))
  }

  /** `false` may also mean that the folder takes none of these flags, and then there is nothing to do. */
  async #store(command: (client: ImapFlow) => Promise<boolean>): Promise<void> {
    try {
      await this.#link.ask(command)
    } catch (error) {
      if (!(error instanceof BridgeFailure)) throw error
    }
  }

  async #examineSame(folder: string, uidValidity: number, readOnly: boolean): Promise<void> {
    const box = await this.#link.examine(folder, { readOnly })
    if (box.uidValidity === uidValidity) return
    if ((await this.#link.examine(folder, { readOnly, afresh: true })).uidValidity === uidValidity) return
    throw new BridgeFailure(
      'mail_missing',
      'The folder was renumbered, so this mail has another position now.',
    )
  }

  /** `n:*` includes the last mail even where its UID is below n (RFC 3501 §6.4.8), so what is below is left out (A1). */
  async #search(
    wanted: number | number[],
    { untilUid, since }: { untilUid?: number | undefined; since?: number | undefined } = {},
  ): Promise<number[]> {
    if (typeof wanted === 'number') {
      if (wanted > (untilUid ?? MAX_UID)) return []
      const query = {
        uid: `${wanted}:${untilUid ?? '*'}`,
        // SINCE compares days, in the server's own zone (RFC 3501 §6.4.4); which moments are meant is looked at afterwards.
        ...(since === undefined ? {} : { since: new Date(Math.max(0, since - DAY_MS)) }),
      }
      const found = await this.#link.ask(client => client.search(query, { uid: true }))
      return ascending(found as number[]).filter(uid => uid >= wanted && uid <= (untilUid ?? MAX_UID))
    }
    const asked = new Set(wanted)
    const found: number[] = []
    for (const some of batches(ascending(wanted), META_MAILS)) {
      const part = await this.#link.ask(client => client.search({ uid: packUids(some) }, { uid: true }))
      found.push(...(part as number[]).filter(uid => asked.has(uid)))
    }
    return ascending(found)
  }

  /** Servers of before RFC 3501 do not say UIDNEXT. */
  async #uidNext(box: Box, uids: number[]): Promise<number> {
    const last = uids.at(-1) ?? 0
    if (box.uidNext > 0) return Math.max(box.uidNext, last + 1)
    const found = await this.#link.ask(client => client.search({ uid: '*' }, { uid: true }))
    return (ascending(found as number[]).at(-1) ?? 0) + 1
  }
}

/** INBOX first, then those with a use, the others, and at last the views; where there are too many, ordinary ones are left out. */
function searchOrder(folders: Folder[]): { now: Folder[]; never: Folder[] } {
  const rank = (folder: Folder) => (folder.use === '\\Inbox' ? 0 : folder.use === null ? 2 : 1)
  const there = folders.filter(folder => folder.selectable)
  const views = there.filter(isView)
  const others = there.filter(folder => !isView(folder)).sort((a, b) => rank(a) - rank(b))
  const room = FIND_FOLDERS - views.length
  return { now: [...others.slice(0, room), ...views], never: others.slice(room) }
}

function isView(folder: Folder): boolean {
  return folder.use !== null && VIEWS.has(folder.use)
}
