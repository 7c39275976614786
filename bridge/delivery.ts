/**
 * Handing on the mails of a fetch. A FETCH whose reader stops for longer than the socket timeout kills the line, so
 * nothing is handed on while a FETCH runs.
 */
import { randomBytes } from 'node:crypto'
import type { FetchQueryObject, Link } from './mailbox.ts'
import { batches, META_MAILS, packUids, section, structureOf, timeOf, windows } from './reading.ts'
import {
  attachmentsOf,
  composeReduced,
  type FetchedText,
  MAX_HEADER,
  MAX_TEXT,
  type Structure,
  textParts,
} from './reduced.ts'
import { Spool } from './spool.ts'
import type { FetchRequest, Frame, Position } from './wire.ts'

/** Where frames go. Both resolve when there is room for more, and reject with `ConsumerGone` when nobody reads. */
export interface FrameSink {
  head(frame: Frame): Promise<void>
  write(piece: Buffer): Promise<void>
}

export class ConsumerGone extends Error {}

/** A slow reader between two commands must not let the server or our own timer end the session. */
const NUDGE_MS = 20_000
/** Mails up to here are fetched together. */
const SMALL_MAIL = 512 * 1024
const GROUP_BYTES = 2 * 1024 * 1024
const GROUP_MAILS = 100

type Meta = Position

interface Group {
  metas: Meta[]
  sources: Promise<Map<number, Buffer>>
}

/** The mails of one fetch request, in order: small ones in groups, the next being fetched while one is handed on. */
export class Delivery {
  readonly #link: Link
  readonly #request: FetchRequest
  readonly #sink: FrameSink
  #mails = 0
  #bytes = 0

  constructor(link: Link, request: FetchRequest, sink: FrameSink) {
    this.#link = link
    this.#request = request
    this.#sink = sink
  }

  /** True where mail is left. */
  async run(uids: number[]): Promise<boolean> {
    const taken = uids.slice(0, this.#request.maxMails)
    for (const some of batches(taken, META_MAILS)) {
      if (this.#full()) return true
      const whole = await this.#batch(await this.#metaOf(some))
      if (!whole) return true
    }
    return uids.length > taken.length
  }

  #full(): boolean {
    return this.#mails > 0 && (this.#mails >= this.#request.maxMails || this.#bytes >= this.#request.maxBytes)
  }

  async #metaOf(uids: number[]): Promise<Meta[]> {
    const query = { uid: true, flags: true, internalDate: true, size: true }
    const found = await this.#link.client().fetchAll(packUids(uids), query, { uid: true })
    const asked = new Set(uids)
    const byUid = new Map<number, Meta>()
    for (const mail of found) {
      // A server may tell of other mails' flags in between.
      if (!asked.has(mail.uid) || mail.size === undefined) continue
      const flags = [...(mail.flags ?? [])].map(String)
      byUid.set(mail.uid, { uid: mail.uid, size: mail.size, internalDate: timeOf(mail), flags })
    }
    return [...byUid.values()].sort((a, b) => a.uid - b.uid)
  }

  /** False where the limit was reached before the last. */
  async #batch(metas: Meta[]): Promise<boolean> {
    let ahead: Group | null = null
    for (let at = 0; at < metas.length; ) {
      if (this.#full()) {
        await ahead?.sources.catch(() => {})
        return false
      }
      const group: Group | null = ahead ?? this.#begin(this.#groupFrom(metas, at))
      ahead = null
      if (group === null) {
        await this.#large(metas[at]!)
        at += 1
        continue
      }
      const sources = await group.sources
      at += group.metas.length
      ahead = this.#begin(this.#groupFrom(metas, at, group.metas))
      for (const meta of group.metas) {
        const source = sources.get(meta.uid)
        if (source !== undefined && source.length > 0 && source.length <= SMALL_MAIL * 2) {
          await this.#mail(meta, source)
        } else {
          // RFC822.SIZE lied, or the mail went away, or the server hands it out only when asked for it alone. The line
          // must be free before it can be asked.
          await ahead?.sources.catch(() => {})
          await this.#large(meta)
        }
      }
    }
    return true
  }

  #begin(metas: Meta[]): Group | null {
    if (metas.length === 0) return null
    const sources = this.#fetchGroup(metas)
    // A failure is met when the group's turn comes; what is whole goes out first.
    sources.catch(() => {})
    return { metas, sources }
  }

  /** Small mails from here on; with `after`, as far as they may still begin when that group has gone out. */
  #groupFrom(metas: Meta[], at: number, after: Meta[] = []): Meta[] {
    const group: Meta[] = []
    let bytes = 0
    let mails = this.#mails + after.length
    let total = this.#bytes + after.reduce((sum, meta) => sum + meta.size, 0)
    for (const meta of metas.slice(at, at + GROUP_MAILS)) {
      if (meta.size > Math.min(SMALL_MAIL, this.#request.reducedAbove, this.#request.wholeUpTo)) break
      if (bytes + meta.size > GROUP_BYTES) break
      if (mails > 0 && (mails >= this.#request.maxMails || total >= this.#request.maxBytes)) break
      group.push(meta)
      bytes += meta.size
      mails += 1
      total += meta.size
    }
    return group
  }

  async #fetchGroup(group: Meta[]): Promise<Map<number, Buffer>> {
    // No window here: some servers reckon it wrong from the second mail of a FETCH on (hoodiecrow answers nothing).
    const query: FetchQueryObject = { uid: true, source: true }
    const sources = new Map<number, Buffer>()
    const range = packUids(group.map(meta => meta.uid))
    for await (const mail of this.#link.client().fetch(range, query, { uid: true })) {
      if (mail.source !== undefined) sources.set(mail.uid, mail.source)
    }
    return sources
  }

  async #mail(meta: Meta, source: Buffer): Promise<void> {
    await this.#hand(async () => {
      await this.#sink.head({ kind: 'mail', length: source.length, ...meta })
      await this.#sink.write(source)
    })
    this.#count(source.length)
  }

  async #large(meta: Meta): Promise<void> {
    const { wholeUpTo, reducedAbove } = this.#request
    const spool = meta.size > wholeUpTo ? null : await this.#spool(meta.uid, wholeUpTo)
    if (spool === 'gone') return
    try {
      const whole = spool !== null && spool.length <= wholeUpTo
      const reduces = !whole || Math.max(spool.length, meta.size) > reducedAbove
      if (reduces && !(await this.#reduced(meta, whole))) return
      if (!whole) return
      await this.#hand(async () => {
        await this.#sink.head({ kind: 'mail', length: spool.length, ...meta })
        for await (const piece of spool.pieces()) await this.#sink.write(piece)
      })
      this.#count(spool.length)
    } finally {
      await spool?.close()
    }
  }

  async #spool(uid: number, upTo: number): Promise<Spool | 'gone'> {
    const spool = await Spool.create()
    try {
      const came = await windows(this.#link.client(), uid, null, async (piece, restarts) => {
        if (restarts) await spool.clear()
        await spool.write(piece)
        return spool.length <= upTo
      })
      if (came) return spool
    } catch (error) {
      await spool.close()
      throw error
    }
    await spool.close()
    return 'gone'
  }

  /** False where the mail is gone. */
  async #reduced(meta: Meta, whole: boolean): Promise<boolean> {
    const client = this.#link.client()
    const header = await section(client, meta.uid, 'HEADER', MAX_HEADER)
    const structure = await structureOf(client, meta.uid)
    if (header === null || structure === null) return false
    const { texts, cut } = await this.#texts(meta.uid, structure)
    const small = composeReduced(header, structure, texts, `edgedesk-${randomBytes(12).toString('hex')}`)
    const attachments = attachmentsOf(structure)
    await this.#hand(async () => {
      await this.#sink.head({
        kind: 'reduced',
        length: small.length,
        whole,
        textCut: cut,
        attachments,
        ...meta,
      })
      await this.#sink.write(small)
    })
    this.#count(small.length, whole ? 0 : 1)
    return true
  }

  async #texts(
    uid: number,
    structure: Structure,
  ): Promise<{ texts: Map<string, FetchedText>; cut: boolean }> {
    const client = this.#link.client()
    const texts = new Map<string, FetchedText>()
    let left = MAX_TEXT
    let cut = false
    for (const part of textParts(structure)) {
      if (left === 0) {
        cut = true
        break
      }
      const header =
        part.headerSection === null
          ? Buffer.alloc(0)
          : await section(client, uid, part.headerSection, MAX_HEADER)
      let body = await section(client, uid, part.section, left)
      if (header === null || body === null) continue
      if (body.length >= left && part.size > left) {
        // At a line's end, where neither base64 nor quoted-printable is in the middle of something.
        body = body.subarray(0, body.lastIndexOf(10) + 1)
        cut = true
        left = 0
      } else {
        left = Math.max(0, left - body.length)
      }
      texts.set(part.section, { header, body })
    }
    return { texts, cut }
  }

  #count(bytes: number, mails = 1): void {
    this.#bytes += bytes
    this.#mails += mails
  }

  /** The reader may take its time; the session is kept awake meanwhile. */
  async #hand(writes: () => Promise<void>): Promise<void> {
    const nudge = setInterval(
      () =>
        this.#link
          .client()
          .noop()
          .catch(() => {}),
      NUDGE_MS,
    )
    try {
      await writes()
    } finally {
      clearInterval(nudge)
    }
  }
}
