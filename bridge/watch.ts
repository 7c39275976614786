/**
 * Watches: leases on IDLE, in memory only, and only a hint. A lease ends by itself; losing one loses nothing, because
 * every mailbox is also asked on a timer. So everything here errs on the side of one hint too many: after a line was
 * lost and made again there is one, since nobody knows what came meanwhile.
 */
import { BridgeFailure, failureOf } from './failure.ts'
import { digestOf, type Link, type Mailboxes } from './mailbox.ts'
import type { BridgeCode, WatchRequest } from './wire.ts'

export type WatchEvent =
  | { event: 'watch_lost'; mailbox: string; retryMs: number }
  | { event: 'watch_failed'; mailbox: string; code: BridgeCode; retryMs: number | null }
  | { event: 'watch_ended'; mailbox: string }
  | { event: 'notify_failed'; mailbox: string; status: number | null }

export const MAX_LEASE_MS = 10 * 60_000
const RETRY_FIRST_MS = 1_000
const RETRY_MAX_MS = 60_000
/** Hints closer together than this become one. */
const GATHER_MS = 100
const NOTIFY_MS = 5_000
const NOTIFY_RETRY_MS = 1_000
/** A refused login is not tried again (A18): the mailbox asks by itself, and sees the reason there. */
const FINAL = new Set<BridgeCode>([
  ...(['credentials', 'app_password_required', 'basic_auth_retired', 'imap_disabled'] as const),
  ...(['host_refused', 'folder_missing'] as const),
])

interface Lease {
  request: WatchRequest
  account: string
  until: number
  link: Link
  endTimer: NodeJS.Timeout | undefined
  retryTimer: NodeJS.Timeout | undefined
  retryMs: number
  hintTimer: NodeJS.Timeout | undefined
  hintedAt: number
}

export class Watches {
  readonly #mailboxes: Mailboxes
  readonly #log: (event: WatchEvent) => void
  #leases = new Map<string, Lease>()

  constructor(mailboxes: Mailboxes, log: (event: WatchEvent) => void) {
    this.#mailboxes = mailboxes
    this.#log = log
  }

  get size(): number {
    return this.#leases.size
  }

  /** Starts a lease or renews it. A start that cannot connect is refused with the reason; nothing stays behind. */
  async watch(request: WatchRequest): Promise<number> {
    const now = Date.now()
    const until = Math.min(request.until, now + MAX_LEASE_MS)
    if (until <= now) throw new BridgeFailure('bad_request', '"until" has passed.')
    const account = digestOf(request.account)
    const known = this.#leases.get(request.mailbox)
    if (known !== undefined && known.account === account && known.request.folder === request.folder) {
      known.request = request
      this.#extend(known, until)
      return until
    }
    if (known !== undefined) this.#end(known)

    const link = this.#mailboxes.link(request.account, request.folder)
    const lease: Lease = {
      ...{ request, account, until, link, retryMs: RETRY_FIRST_MS, hintedAt: 0 },
      ...{ endTimer: undefined, retryTimer: undefined, hintTimer: undefined },
    }
    this.#leases.set(request.mailbox, lease)
    try {
      await this.#hold(lease)
    } catch (error) {
      if (this.#leases.get(request.mailbox) === lease) this.#end(lease)
      throw failureOf(error)
    }
    if (this.#leases.get(request.mailbox) === lease) this.#extend(lease, until)
    return until
  }

  unwatch(mailbox: string): void {
    const lease = this.#leases.get(mailbox)
    if (lease !== undefined) this.#end(lease)
  }

  stop(): void {
    for (const lease of this.#leases.values()) this.#end(lease)
  }

  #extend(lease: Lease, until: number): void {
    lease.until = until
    clearTimeout(lease.endTimer)
    lease.endTimer = setTimeout(() => {
      this.#end(lease)
      this.#log({ event: 'watch_ended', mailbox: lease.request.mailbox })
    }, until - Date.now())
  }

  async #hold(lease: Lease): Promise<void> {
    const { link } = lease
    // Two inboxes may be the same account and folder: news and losses go to each lease on the line.
    link.onNews = () => this.#each(link, other => this.#hint(other))
    link.onLost = () => this.#each(link, other => this.#lost(other))
    await link.watch(lease.request.folder)
  }

  #each(link: Link, tell: (lease: Lease) => void): void {
    for (const lease of this.#leases.values()) if (lease.link === link) tell(lease)
  }

  #lost(lease: Lease): void {
    if (lease.endTimer === undefined || lease.retryTimer !== undefined) return
    this.#log({ event: 'watch_lost', mailbox: lease.request.mailbox, retryMs: lease.retryMs })
    this.#retry(lease)
  }

  #retry(lease: Lease): void {
    lease.retryTimer = setTimeout(async () => {
      try {
        await this.#hold(lease)
        lease.retryTimer = undefined
        lease.retryMs = RETRY_FIRST_MS
        this.#hint(lease)
      } catch (error) {
        if (this.#leases.get(lease.request.mailbox) !== lease) return
        this.#failed(lease, failureOf(error).code)
      }
    }, lease.retryMs)
    lease.retryMs = Math.min(lease.retryMs * 2, RETRY_MAX_MS)
  }

  #failed(lease: Lease, code: BridgeCode): void {
    const final = FINAL.has(code)
    const { mailbox } = lease.request
    this.#log({ event: 'watch_failed', mailbox, code, retryMs: final ? null : lease.retryMs })
    if (final) {
      this.#send(lease)
      this.#end(lease)
    } else {
      this.#retry(lease)
    }
  }

  #end(lease: Lease): void {
    clearTimeout(lease.endTimer)
    clearTimeout(lease.retryTimer)
    clearTimeout(lease.hintTimer)
    lease.endTimer = undefined
    this.#leases.delete(lease.request.mailbox)
    if (![...this.#leases.values()].some(other => other.link === lease.link)) lease.link.unwatch()
  }

  #hint(lease: Lease): void {
    if (lease.hintTimer !== undefined) return
    const wait = Math.max(0, lease.hintedAt + GATHER_MS - Date.now())
    lease.hintTimer = setTimeout(() => {
      lease.hintTimer = undefined
      lease.hintedAt = Date.now()
      this.#send(lease)
    }, wait)
  }

  #send(lease: Lease, retried = false): void {
    const { mailbox, notify } = lease.request
    post(notify, mailbox).then(status => {
      if (status !== null && status >= 200 && status < 300) return
      this.#log({ event: 'notify_failed', mailbox, status })
      if (retried || this.#leases.get(mailbox) !== lease) return
      setTimeout(
        () => this.#leases.get(mailbox) === lease && this.#send(lease, true),
        NOTIFY_RETRY_MS,
      ).unref()
    })
  }
}

/** The status, or null where there was none. A redirect is an answer like any other and is not followed. */
async function post(notify: WatchRequest['notify'], mailbox: string): Promise<number | null> {
  try {
    const response = await fetch(notify.url, {
      method: 'POST',
      redirect: 'manual',
      headers: { authorization: `Bearer ${notify.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ mailbox }),
      signal: AbortSignal.timeout(NOTIFY_MS),
    })
    await response.body?.cancel()
    return response.status
  } catch {
    return null
  }
}
