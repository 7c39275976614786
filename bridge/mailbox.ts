/**
 * Mailboxes on IMAP servers: one connection per account, used by one request at a time, kept for the next one, and
 * between requests left in IDLE while a watch holds it. Only this file knows imapflow.
 *
 * What surprised us, and shapes the code: Dovecot does not look for new mail before a SEARCH, so a NOOP goes first;
 * imapflow answers `false` where a server said NO, and tells the reason only to its logger; an EXAMINE leaves an empty
 * PERMANENTFLAGS behind, with which imapflow drops all flags of a later APPEND; and a FETCH whose reader stops for longer
 * than the socket timeout kills the line, so nothing is handed on while a FETCH runs.
 */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FetchMessageObject, type FetchQueryObject, ImapFlow, type Logger } from 'imapflow'
import { decoderFor } from './decode.ts'
import { routeTo } from './dial.ts'
import { BridgeFailure, failureOf, isLost, isRefusal } from './failure.ts'
import {
  attachmentsOf,
  composeReduced,
  type FetchedText,
  findPart,
  MAX_HEADER,
  MAX_TEXT,
  type Structure,
  sectionOf,
  textParts,
} from './reduced.ts'
import { Spool } from './spool.ts'
import type {
  AppendRequest,
  FetchRequest,
  FlagsRequest,
  Folder,
  Frame,
  ImapAccount,
  PartRequest,
  Position,
  ScannedMail,
  ScanRequest,
} from './wire.ts'

export interface MailboxSettings {
  /** The development flag: loopback hosts and `plain` are allowed. */
  dev: boolean
  /** How long a server may say nothing to a command. A watch notices a dead line within twice this. */
  silenceMs: number
  /** How long an unused connection is kept. */
  reuseMs: number
}

export const MAILBOX_SETTINGS: MailboxSettings = { dev: false, silenceMs: 60_000, reuseMs: 55_000 }

/** Where frames go. Both resolve when there is room for more, and reject with `ConsumerGone` when nobody reads. */
export interface FrameSink {
  head(frame: Frame): Promise<void>
  write(piece: Buffer): Promise<void>
}

export class ConsumerGone extends Error {}

const CONNECT_MS = 10_000
/** A folder's UIDVALIDITY is learned at EXAMINE only; a connection that lives on a watch asks again this often. */
const EXAMINE_AGAIN_MS = 10 * 60_000
/** A slow reader between two commands must not let the server or our own timer end the session. */
const NUDGE_MS = 20_000
/** Mails up to here are fetched together. */
const SMALL_MAIL = 512 * 1024
const GROUP_BYTES = 2 * 1024 * 1024
const GROUP_MAILS = 100
const META_MAILS = 200
/** A larger mail or part comes in windows of this size. */
const WINDOW = 1024 * 1024
const SCAN_MAILS = 500
/** No literal we ask for is larger than a window; a server that ignores windows may send a whole mail. */
const MAX_LITERAL = 96 * 1024 * 1024
const MAX_UID = 0xffffffff

export class Mailboxes {
  readonly settings: MailboxSettings
  #links = new Map<string, Link>()
  #stopping = false

  constructor(settings: MailboxSettings) {
    this.settings = settings
  }

  connections(): number {
    return [...this.#links.values()].filter(link => link.usable).length
  }

  /** A connection of its own, so that the password is tried now and not remembered from before. */
  async check(account: ImapAccount): Promise<string[]> {
    this.#refuseWhenStopping()
    const link = new Link(account, this.settings, () => {})
    try {
      return await link.turn(async () => [...(await link.open()).capabilities.keys()])
    } finally {
      await link.close()
    }
  }

  /**
   * Runs one request on the account's connection. Where a kept connection turns out to be dead before anything was
   * changed or handed out, the request is tried once more on a fresh one.
   */
  async use<T>(account: ImapAccount, work: (session: Session) => Promise<T>): Promise<T> {
    this.#refuseWhenStopping()
    const link = this.link(account)
    return link.turn(async () => {
      const reused = link.usable
      const session = new Session(link)
      try {
        return await this.#attempt(link, session, work)
      } catch (error) {
        if (!reused || !isLost(error) || session.committed) throw asFailure(link.causeOf(error))
      }
      try {
        return await this.#attempt(link, session, work)
      } catch (error) {
        throw asFailure(link.causeOf(error))
      }
    })
  }

  async #attempt<T>(link: Link, session: Session, work: (session: Session) => Promise<T>): Promise<T> {
    try {
      await link.open()
      return await work(session)
    } catch (error) {
      if (!link.usable || isLost(error)) link.drop()
      throw error
    }
  }

  /** The account's connection; where a watch has it on another folder, one more for `folder`. */
  link(account: ImapAccount, folder: string | null = null): Link {
    const digest = digestOf(account)
    const main = this.#links.get(digest)
    const taken = folder !== null && main !== undefined && main.watched !== null && main.watched !== folder
    const key = taken ? `${digest} ${folder}` : digest
    let link = this.#links.get(key)
    if (link === undefined) {
      link = new Link(account, this.settings, () => this.#links.delete(key))
      this.#links.set(key, link)
    }
    return link
  }

  /** Lets running requests end for as long as `graceMs`, then logs out everywhere. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    const links = [...this.#links.values()]
    await Promise.race([Promise.all(links.map(link => link.settled())), sleep(graceMs)])
    await Promise.all(links.map(link => link.close()))
  }

  #refuseWhenStopping(): void {
    if (this.#stopping) throw new BridgeFailure('stopping')
  }
}

function asFailure(error: unknown): Error {
  return error instanceof ConsumerGone ? error : failureOf(error)
}

export function digestOf(account: ImapAccount): string {
  const parts = [account.host, String(account.port), account.security, account.user, account.password]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** One account's connection: opened when needed, one request at a time, closed when nobody wants it. */
export class Link {
  readonly #account: ImapAccount
  readonly #settings: MailboxSettings
  readonly #onEmpty: () => void
  #client: ImapFlow | null = null
  #tail: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #closeTimer: NodeJS.Timeout | undefined
  #selected: { folder: string; readOnly: boolean; at: number } | null = null
  /** What imapflow told its logger or its listeners since the turn or command began. */
  #lastError: unknown = null
  /** UIDNEXT of the watched folder as far as anybody was told of it. */
  #knownNext = 0

  /** Folder that a watch wants this connection to idle in. */
  watched: string | null = null
  onNews: () => void = () => {}
  onLost: () => void = () => {}
  /** While a request looks for new mail itself, what it finds is no news. */
  quiet = false

  constructor(account: ImapAccount, settings: MailboxSettings, onEmpty: () => void) {
    this.#account = account
    this.#settings = settings
    this.#onEmpty = onEmpty
  }

  get usable(): boolean {
    return this.#client?.usable === true
  }

  /** Runs after all turns before it. */
  turn<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1
    clearTimeout(this.#closeTimer)
    const result = this.#tail.then(work)
    this.#tail = result.then(
      () => this.#afterTurn(),
      () => this.#afterTurn(),
    )
    return result
  }

  async settled(): Promise<void> {
    while (this.#waiting > 0) await this.#tail
  }

  async open(): Promise<ImapFlow> {
    this.#lastError = null
    if (this.#client?.usable) return this.#client
    this.drop()
    // The first error is the cause: a silence becomes a closed line, and that a failed command.
    const client = await connect(this.#account, this.#settings, error => {
      this.#lastError ??= error
    })
    this.#client = client
    client.on('exists', (event: { path: string; count: number; prevCount: number }) => {
      if (event.count > event.prevCount && event.path === this.watched && !this.quiet) this.onNews()
    })
    client.on('close', () => {
      if (this.#client !== client) return
      this.#client = null
      this.#selected = null
      this.onLost()
    })
    return client
  }

  /** The open connection of a running turn. */
  client(): ImapFlow {
    const lost = this.#lineError()
    if (lost !== null || this.#client === null) throw lost
    return this.#client
  }

  /** What imapflow answers with `false` or `undefined` is a refusal whose reason only its logger heard. */
  async ask<T>(command: (client: ImapFlow) => Promise<T | false | undefined>): Promise<T> {
    const client = this.client()
    this.#lastError = null
    const answer = await command(client)
    if (answer !== false && answer !== undefined) return answer
    throw this.#lastError ?? this.#lineError() ?? new BridgeFailure('protocol')
  }

  /** Why a command failed: where the line was lost, what it was lost by. */
  causeOf(error: unknown): unknown {
    if (!isLost(error) || this.#lastError === null) return error
    const known = failureOf(this.#lastError).code
    return known === 'protocol' ? error : this.#lastError
  }

  #lineError(): Error | null {
    return this.usable ? null : Object.assign(new Error('the line is gone'), { code: 'NoConnection' })
  }

  async examine(folder: string, options: { readOnly?: boolean; afresh?: boolean } = {}): Promise<Box> {
    const readOnly = options.readOnly ?? true
    const selected = this.#selected
    const fresh = selected !== null && Date.now() - selected.at < EXAMINE_AGAIN_MS && options.afresh !== true
    if (
      fresh &&
      selected.folder === folder &&
      selected.readOnly === readOnly &&
      this.client().mailbox !== false
    ) {
      await this.client().noop()
      return boxOf(this.client())
    }
    this.#selected = null
    try {
      await this.client().mailboxOpen(folder, { readOnly })
    } catch (error) {
      const failure = failureOf(error)
      throw isRefusal(error) && failure.code === 'protocol' ? new BridgeFailure('folder_missing') : error
    }
    this.#selected = { folder, readOnly, at: Date.now() }
    return boxOf(this.client())
  }

  /** What a request has just seen is no news to whoever asked. */
  told(folder: string, uidNext: number): void {
    if (folder === this.watched) this.#knownNext = Math.max(this.#knownNext, uidNext)
  }

  /** Holds the connection in IDLE on a folder; connects first if it must, and then says why it cannot. */
  async watch(folder: string): Promise<void> {
    this.watched = folder
    if (this.usable) {
      if (this.#waiting === 0) this.turn(async () => {}).catch(() => {})
      return
    }
    await this.turn(async () => {
      await this.open()
      const box = await this.examine(folder)
      this.#knownNext = box.uidNext
    })
  }

  unwatch(): void {
    this.watched = null
    this.onNews = () => {}
    this.onLost = () => {}
    this.#knownNext = 0
    if (this.#waiting === 0) this.turn(async () => {}).catch(() => {})
  }

  /** Forgets the connection; the watch, if any, is not told. */
  drop(): void {
    const client = this.#client
    this.#client = null
    this.#selected = null
    client?.close()
  }

  async close(): Promise<void> {
    clearTimeout(this.#closeTimer)
    const client = this.#client
    this.#client = null
    this.#selected = null
    this.#onEmpty()
    if (client === null) return
    // A server that does not answer LOGOUT is left without a word.
    await Promise.race([client.logout().catch(() => {}), sleep(2_000, undefined, { ref: false })])
    client.close()
  }

  async #afterTurn(): Promise<void> {
    this.#waiting -= 1
    if (this.#waiting > 0) return
    if (this.watched !== null && this.usable) {
      await this.#idle(this.watched).catch(error => {
        // Nobody waits for this; the watch hears of it as of any lost line.
        const failure = failureOf(error)
        this.drop()
        if (failure.code !== 'stopping') this.onLost()
      })
    } else if (this.watched === null) {
      if (!this.usable) this.#onEmpty()
      else this.#closeTimer = setTimeout(() => this.close(), this.#settings.reuseMs)
    } else {
      this.onLost()
    }
  }

  /** imapflow waits 15 s before it idles by itself; mail would be noticed that much later. */
  async #idle(folder: string): Promise<void> {
    const here =
      this.#selected?.folder === folder && this.#selected.readOnly && this.client().mailbox !== false
    if (!here) {
      const box = await this.examine(folder)
      if (this.#knownNext > 0 && box.uidNext > this.#knownNext) this.onNews()
    }
    this.#knownNext = Math.max(this.#knownNext, boxOf(this.client()).uidNext)
    if (this.#waiting > 0) return
    const client = this.client()
    const since = Date.now()
    client.idle().then(
      () => {
        // A server may end IDLE by itself, or refuse it; not at once again, then.
        const pause = Date.now() - since < 1_000 ? 30_000 : 0
        if (this.#client === client && client.usable && this.#waiting === 0) {
          this.#closeTimer = setTimeout(() => this.turn(async () => {}).catch(() => {}), pause)
        }
      },
      () => {},
    )
  }
}

interface Box {
  uidValidity: number
  uidNext: number
}

function boxOf(client: ImapFlow): Box {
  const mailbox = client.mailbox
  if (mailbox === false || mailbox.uidValidity === undefined) {
    throw new BridgeFailure(
      'protocol',
      'The mail server names no UIDVALIDITY, so mails cannot be told apart.',
    )
  }
  return { uidValidity: Number(mailbox.uidValidity), uidNext: mailbox.uidNext ?? 0 }
}

async function connect(
  account: ImapAccount,
  settings: MailboxSettings,
  onError: (error: unknown) => void,
): Promise<ImapFlow> {
  if (account.security === 'plain' && !settings.dev) {
    throw new BridgeFailure('tls', 'A connection without TLS is not allowed.')
  }
  const route = await routeTo(account.host, account.port, settings.dev)
  const client = new ImapFlow({
    host: route.host,
    port: account.port,
    secure: account.security === 'tls',
    // Given at all, STARTTLS is a must; left out, imapflow would go on without it where it is not offered.
    ...(account.security === 'tls' ? {} : { doSTARTTLS: account.security === 'starttls' }),
    auth: { user: account.user, pass: account.password },
    tls: { lookup: route.lookup } as object,
    logger: loggerInto(onError),
    // 163, 126 and yeah.net refuse SELECT before an ID. Ours is short; imapflow's own would be 150 octets, sent twice.
    clientInfo: { name: 'Edgedesk', version: '', vendor: '', 'support-url': '' },
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: settings.silenceMs,
    maxIdleTime: Math.round(settings.silenceMs * 0.9),
    maxLiteralSize: MAX_LITERAL,
    maxResponseSize: 2 * MAX_LITERAL,
    disableAutoIdle: true,
    disableCompression: true,
    // rev2 answers SEARCH in another form and brings nothing that is used here.
    disableIMAP4rev2: true,
  })
  // Without a listener an 'error' would end the process; 'close' follows it and is what counts.
  client.on('error', onError)
  try {
    await client.connect()
    return client
  } catch (error) {
    client.close()
    throw error
  }
}

function loggerInto(onError: (error: unknown) => void): Logger {
  const listen = (entry: unknown) => {
    const error = (entry as { err?: unknown } | null)?.err
    if (error !== undefined) onError(error)
  }
  return { trace() {}, debug() {}, info() {}, warn: listen, error: listen } as unknown as Logger
}

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

  async scan(
    request: ScanRequest,
  ): Promise<{ opened: Box & { waiting: number }; mails: ScannedMail[]; more: boolean }> {
    const box = await this.#link.examine(request.folder, { afresh: true })
    if (box.uidValidity !== request.uidValidity) {
      return { opened: { ...box, waiting: 0 }, mails: [], more: false }
    }
    const uids = await this.#search(request.nextUid)
    const query = {
      uid: true,
      size: true,
      internalDate: true,
      headers: ['Message-ID', 'From', 'Date', 'Subject'],
    }
    const asked = uids.slice(0, SCAN_MAILS)
    const found =
      asked.length === 0 ? [] : await this.#link.client().fetchAll(packUids(asked), query, { uid: true })
    const mails = found
      .filter(mail => asked.includes(mail.uid))
      .sort((a, b) => a.uid - b.uid)
      .map(mail => ({
        uid: mail.uid,
        size: mail.size ?? 0,
        internalDate: timeOf(mail),
        headers: mail.headers?.toString('latin1') ?? '',
      }))
    const uidNext = await this.#uidNext(box, uids)
    return { opened: { ...box, uidNext, waiting: uids.length }, mails, more: uids.length > asked.length }
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
  async #search(wanted: number | number[]): Promise<number[]> {
    if (typeof wanted === 'number') {
      if (wanted > MAX_UID) return []
      const found = await this.#link.ask(client => client.search({ uid: `${wanted}:*` }, { uid: true }))
      return ascending(found as number[]).filter(uid => uid >= wanted)
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

type Meta = Position

interface Group {
  metas: Meta[]
  sources: Promise<Map<number, Buffer>>
}

/** The mails of one fetch request, in order: small ones in groups, the next being fetched while one is handed on. */
class Delivery {
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

async function structureOf(client: ImapFlow, uid: number): Promise<Structure | null> {
  const mail = await client.fetchOne(String(uid), { uid: true, bodyStructure: true }, { uid: true })
  return mail === false || mail === undefined || mail.uid !== uid ? null : (mail.bodyStructure ?? null)
}

async function section(
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
async function windows(
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

function timeOf(mail: FetchMessageObject): number {
  const time = mail.internalDate === undefined ? Number.NaN : new Date(mail.internalDate).getTime()
  return Number.isFinite(time) ? time : Date.now()
}

function ascending(uids: number[]): number[] {
  return [...new Set(uids)].sort((a, b) => a - b)
}

function* batches<T>(list: T[], size: number): Generator<T[]> {
  for (let at = 0; at < list.length; at += size) yield list.slice(at, at + size)
}

/** 4,5,6,9 → "4:6,9" */
function packUids(uids: number[]): string {
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
