/**
 * Mailboxes on IMAP servers: one connection per account, used by one request at a time, kept for the next one, and
 * between requests left in IDLE while a watch holds it. Only this file knows imapflow; what a request does on the
 * connection is in session.ts, handing mails on in delivery.ts, reading them in reading.ts.
 *
 * What surprised us, and shapes the code: Dovecot does not look for new mail before a SEARCH, so a NOOP goes first;
 * imapflow answers `false` where a server said NO, and tells the reason only to its logger; and an EXAMINE leaves an
 * empty PERMANENTFLAGS behind, with which imapflow drops all flags of a later APPEND.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ImapFlow, type Logger } from 'imapflow'
import { loginRefusal, noPasswordTaken } from '../src/domain/login.ts'
import { DOUBT_MS } from '../src/domain/probe.ts'
import { ConsumerGone } from './delivery.ts'
import { type Route, routeTo } from './dial.ts'
import { BridgeFailure, failureOf, isLoginRefusal, isLost, isRefusal, saidIn } from './failure.ts'
import { causeBehind } from './probe.ts'
import { Session } from './session.ts'
import type { Checked, ImapAccount } from './wire.ts'

/** imapflow's types for those who work with its connection; the library itself is at home here alone. */
export type { FetchMessageObject, FetchQueryObject, ImapFlow } from 'imapflow'

export interface MailboxSettings {
  /** The development flag: loopback hosts and `plain` are allowed. */
  dev: boolean
  /** How long a server may say nothing to a command. A watch notices a dead line within twice this. */
  silenceMs: number
  /** How long an unused connection is kept. */
  reuseMs: number
}

export const MAILBOX_SETTINGS: MailboxSettings = { dev: false, silenceMs: 60_000, reuseMs: 55_000 }

const CONNECT_MS = 10_000
const CHECK_MS = 9_000
/** A folder's UIDVALIDITY is learned at EXAMINE only; a connection that lives on a watch asks again this often. */
const EXAMINE_AGAIN_MS = 10 * 60_000
/** No literal we ask for is larger than a window; a server that ignores windows may send a whole mail. */
const MAX_LITERAL = 96 * 1024 * 1024

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
  async check(account: ImapAccount, limitMs = CHECK_MS): Promise<Checked> {
    this.#refuseWhenStopping()
    const link = new Link(account, this.settings, () => {})
    const late = Promise.withResolvers<never>()
    const over = new AbortController()
    const timer = setTimeout(() => {
      over.abort()
      late.reject(new BridgeFailure('timeout'))
    }, limitMs)
    const work = link.turn(async () => {
      const { capabilities } = await link.open(over.signal)
      await link.examine('INBOX')
      return {
        ok: true as const,
        capabilities: [...capabilities.keys()],
        messages: await link.counts('INBOX'),
      }
    })
    work.catch(() => {})
    try {
      const checked = await Promise.race([work, late.promise])
      // Nobody waits for the goodbye.
      link.close().catch(() => {})
      return checked
    } catch (error) {
      link.drop()
      throw asFailure(link.causeOf(error))
    } finally {
      clearTimeout(timer)
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

  async open(over?: AbortSignal): Promise<ImapFlow> {
    this.#lastError = null
    if (this.#client?.usable) return this.#client
    this.drop()
    // The first error is the cause: a silence becomes a closed line, and that a failed command.
    const onError = (error: unknown) => {
      this.#lastError ??= error
    }
    const client = await connect(this.#account, this.#settings, onError, over)
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
      await this.#select(folder, readOnly)
    } catch (error) {
      const failure = failureOf(error)
      throw isRefusal(error) && failure.code === 'protocol' ? new BridgeFailure('folder_missing') : error
    }
    this.#selected = { folder, readOnly, at: Date.now() }
    return boxOf(this.client())
  }

  /** 163, 126 and yeah.net want the ID between login and SELECT, though they took one before the login. */
  async #select(folder: string, readOnly: boolean): Promise<void> {
    try {
      await this.client().mailboxOpen(folder, { readOnly })
    } catch (error) {
      if (!isRefusal(error) || !/unsafe login/i.test(saidIn(error))) throw error
      await identify(this.client())
      await this.client().mailboxOpen(folder, { readOnly })
    }
  }

  /** How many mails a folder has; null where the server does not say. */
  async counts(folder: string): Promise<Checked['messages']> {
    const wanted = { messages: true, recent: true, unseen: true }
    const counted = await this.client()
      .status(folder, wanted)
      .catch(() => false as const)
    if (counted === false || counted.messages === undefined) return null
    return { total: counted.messages, recent: counted.recent ?? 0, unseen: counted.unseen ?? 0 }
  }

  /**
   * How a folder stands that is not the selected one, without selecting it (RFC 3501 §6.3.10): selecting to and fro would cost a thousand
   * bytes a poll. Null where it is selected, or the server does not say; then it is selected and asked.
   */
  async glance(folder: string): Promise<Box | null> {
    if (this.#selected?.folder === folder) return null
    const stands = await this.client()
      .status(folder, { uidNext: true, uidValidity: true })
      .catch(() => false as const)
    if (stands === false || stands.uidNext === undefined || stands.uidValidity === undefined) return null
    return { uidNext: stands.uidNext, uidValidity: Number(stands.uidValidity) }
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

export interface Box {
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

/** @param over ends the attempt at once. */
async function connect(
  account: ImapAccount,
  settings: MailboxSettings,
  onError: (error: unknown) => void,
  over?: AbortSignal,
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
    clientInfo: CLIENT_INFO,
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
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  const end = () => ended.reject(new BridgeFailure('timeout'))
  over?.addEventListener('abort', end, { once: true })
  if (over?.aborted) end()
  // A server that should have greeted by now may be another kind of server; it is waited for all the same.
  const doubt = setTimeout(async () => {
    if (client.greeting) return
    const cause = await causeBehind(route, account, isSecured(client) ? 'inside' : 'door')
    if (cause !== null && !client.greeting) ended.reject(cause)
  }, DOUBT_MS)
  const connected = client.connect()
  connected.catch(() => {})
  try {
    await Promise.race([connected, ended.promise])
    return client
  } catch (error) {
    client.close()
    throw await explained(error, client, route, account)
  } finally {
    clearTimeout(doubt)
    over?.removeEventListener('abort', end)
  }
}

/** 163, 126 and yeah.net refuse SELECT before an ID. Ours is short; imapflow's own would be 150 octets, sent twice. */
const CLIENT_INFO = { name: 'Edgedesk', version: '', vendor: '', 'support-url': '' }

async function identify(client: ImapFlow): Promise<void> {
  await (client as unknown as { run(command: 'ID', info: object): Promise<unknown> }).run('ID', CLIENT_INFO)
}

/** imapflow notes the cipher once TLS stands. */
function isSecured(client: ImapFlow): boolean {
  return Boolean((client as unknown as { tls?: unknown }).tls)
}

/** What the error alone does not say: what else is there where TLS failed, and whether any password would do. */
async function explained(
  error: unknown,
  client: ImapFlow,
  route: Route,
  account: ImapAccount,
): Promise<unknown> {
  if (error instanceof BridgeFailure) return error
  const { code } = failureOf(error)
  const mute = code === 'timeout' && !client.greeting
  if (mute || (code === 'tls' && account.security === 'tls')) {
    return (await causeBehind(route, account, isSecured(client) ? 'inside' : 'door')) ?? error
  }
  if (!isLoginRefusal(error) || code !== 'credentials') return error
  const closed = noPasswordTaken(client.capabilities.keys(), account.security !== 'plain')
  const why = closed ?? loginRefusal(saidIn(error), route.host)
  return why === null ? error : new BridgeFailure(why.code, why.message)
}

function loggerInto(onError: (error: unknown) => void): Logger {
  const listen = (entry: unknown) => {
    const error = (entry as { err?: unknown } | null)?.err
    if (error !== undefined) onError(error)
  }
  return { trace() {}, debug() {}, info() {}, warn: listen, error: listen } as unknown as Logger
}
