/**
 * The room of a whole site, where those who have its list open hear of every conversation, of each other, and of who waits for a person.
 * Conversations tell it how they stand after each turn, as often as they like; each state is told to those who watch once. It owns
 * nothing of theirs: what it keeps is what somebody who was away has missed.
 */
import { DurableObject } from 'cloudflare:workers'
import { answerPings, closeToo, heard, send } from '../sockets/socket.ts'
import {
  type Present,
  type SiteChange,
  SiteClientFrame,
  type SiteFrame,
  type SiteGone,
} from '../wire/site-frame.ts'
import { Feed, type News, type Waits } from './feed.ts'
import { Queue } from './queue.ts'
import { Watchers, type Watching } from './watchers.ts'

/** The header in which the API says who opens a socket. */
export const SITE_WATCHES = 'x-watches'
export interface SiteWatches extends Watching {
  /** The last `seq` they had; null: they begin with the lists. */
  since: number | null
}

/** Who is here and who waits is told so often at most: after a deployment everybody comes back at once. */
const EVERY_MS = 500
/** Who is here, as it was told last. */
const TOLD = 'told'

export class Site extends DurableObject<Env> {
  readonly #feed = new Feed(this.ctx.storage.sql)
  readonly #queue = new Queue(this.#feed)
  readonly #watchers = new Watchers(this.ctx)
  #soon = false
  /** As far as this life of the object knows. */
  #alarmAt: number | null = null
  #told: string | null = null

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    answerPings(ctx)
  }

  /** A conversation says how it stands. Safe to repeat, and to come late: what is not newer is passed over. */
  async changed(change: SiteChange): Promise<void> {
    const at = Date.now()
    this.#feed.begin(at)
    this.#tell(change.conversationId, this.#feed.change(change, at), at)
  }

  /** A conversation is no more, and never will be again. Safe to repeat. */
  async gone(gone: SiteGone): Promise<void> {
    const at = Date.now()
    this.#feed.begin(at)
    this.#tell(gone.conversationId, this.#feed.gone(gone, at), at)
  }

  /** Members who have it open, each once; of those who see one inbox, where it is named. */
  async present(inboxId?: string): Promise<Present[]> {
    return this.#watchers.here(Date.now(), inboxId)
  }

  /** A socket is opened. Who asks, and whether they may, was looked at by the API. */
  override async fetch(request: Request): Promise<Response> {
    const asked = JSON.parse(decodeURIComponent(request.headers.get(SITE_WATCHES)!)) as SiteWatches
    const at = Date.now()
    this.#feed.begin(at)
    const { theirs, ours } = this.#watchers.accept(asked, at)
    if (this.#catchUp(ours, asked.since, at)) {
      this.#watchers.presence(this.#watchers.shown(at), ours)
      this.#watchers.queueFor(ours, this.#queue.frameOf)
      if (asked.who.kind === 'member') this.#tellSoon()
      this.#lookAgain(at)
    }
    return new Response(null, { status: 101, webSocket: theirs })
  }

  override webSocketMessage(socket: WebSocket, text: string | ArrayBuffer): void {
    heard(socket, text, SiteClientFrame, Date.now())
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    closeToo(socket, code, reason)
    this.#left(socket)
  }

  override webSocketError(socket: WebSocket): void {
    this.#left(socket)
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null
    const at = Date.now()
    this.#presence(at)
    this.#lookAgain(at)
  }

  /** @returns whether that was all, and they are still there */
  #catchUp(socket: WebSocket, since: number | null, at: number): boolean {
    const goesOn = since !== null && this.#feed.reaches(since)
    const from = goesOn ? since : this.#feed.fresh(at)
    if (!goesOn) send(socket, { type: 'resync', seq: from } satisfies SiteFrame)
    if (!this.#watchers.catchUp(socket, this.#feed.since(from))) return false
    send(socket, { type: 'resumed', seq: this.#feed.seq() } satisfies SiteFrame)
    return true
  }

  #tell(conversationId: string, news: News | null, at: number): void {
    if (!news) return
    this.#watchers.changed(news, at)
    const { inboxId, waitedSince, waitsSince } = news
    if (waitedSince === waitsSince) return
    const waits = (since: number | null): Waits | null =>
      since === null ? null : { conversationId, inboxId, since }
    this.#queue.changed(waits(waitedSince), waits(waitsSince))
    this.#tellSoon()
  }

  /** What follows upon each other is told together. Should the object be gone before, the alarm tells who is here. */
  #tellSoon(): void {
    if (this.#soon) return
    this.#soon = true
    setTimeout(() => {
      this.#soon = false
      const at = Date.now()
      this.#presence(at)
      const dirty = this.#queue.news()
      if (dirty.size > 0) this.#watchers.queue(dirty, this.#queue.frameOf, at)
    }, EVERY_MS)
  }

  #left(socket: WebSocket): void {
    const at = Date.now()
    this.#watchers.left(socket, at)
    this.#lookAgain(at)
  }

  /** Everybody is told who is here, where it is news. */
  #presence(at: number): void {
    const here = this.#watchers.shown(at)
    const text = JSON.stringify(here)
    this.#told ??= this.ctx.storage.kv.get<string>(TOLD) ?? '[]'
    if (text === this.#told) return
    this.#told = text
    this.ctx.storage.kv.put(TOLD, text)
    this.#watchers.presence(here)
  }

  #lookAgain(at: number): void {
    const next = this.#watchers.lookAt(at)
    if (next !== null) this.#wakeAt(next)
  }

  #wakeAt(due: number): void {
    if (this.#alarmAt !== null && this.#alarmAt <= due) return
    this.#alarmAt = due
    this.ctx.waitUntil(this.ctx.storage.setAlarm(due))
  }
}
