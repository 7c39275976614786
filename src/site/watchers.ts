/**
 * Everybody who watches a site. What each may see is looked at for every frame: who is limited to some inboxes hears of conversations in
 * those only, in the feed and in the queue.
 */
import { accept, attachedTo, isOpen, type Life, pingedAt, send, sendText, tell } from '../sockets/socket.ts'
import type { Watcher } from '../wire/frame.ts'
import type { Present, SiteFrame } from '../wire/site-frame.ts'
import type { Told } from './feed.ts'
import type { QueueView } from './queue.ts'

export interface Watching {
  who: Watcher
  /** Inboxes that they may see; null is all of them. */
  inboxes: readonly string[] | null
}

/** Of one socket. */
interface Attached extends Life {
  who: Watcher
  /** As 16 bytes each, since the platform keeps 16 KB; null is all of them. */
  inboxes: Uint8Array | null
  openedAt: number
}

interface Known {
  about: Attached
  sees: (inboxId: string) => boolean
  /** The same for all who see the same. */
  view: string
  /** The frame it had last; null where that is not known in this life of the object. */
  presence: string | null
}

/** Pings come every 20 seconds: one may be lost. Who is silent for longer is not here, whatever the network says of the socket. */
const SILENT_MS = 45_000
/** Who was silent may have been heard of again. */
const LOOK_AGAIN_MS = 20_000
/** Time enough to reload a page, or to come back after one was let go. */
const LEFT_MS = 5_000

export class Watchers {
  readonly #ctx: DurableObjectState
  /** By socket: what is in its attachment never changes. */
  readonly #known = new WeakMap<WebSocket, Known>()
  /** Who closed a socket a moment ago, by id. */
  readonly #left = new Map<string, { who: Watcher; until: number }>()

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx
  }

  accept({ who, inboxes }: Watching, at: number): { theirs: WebSocket; ours: WebSocket } {
    return accept(this.#ctx, { who, inboxes: inboxes && packed(inboxes), openedAt: at }, at)
  }

  /**
   * What came after the last `seq` they had. Who missed more than one socket should hold gets a part of it, is let go, and comes back for
   * the rest.
   *
   * @returns whether that was all
   */
  catchUp(socket: WebSocket, missed: Iterable<Told>): boolean {
    const { sees } = this.#of(socket)
    for (const { inboxId, text } of missed) {
      if (!isOpen(socket)) break
      if (sees(inboxId)) sendText(socket, text, this.#ctx)
    }
    return isOpen(socket)
  }

  changed({ inboxId, text }: Told, at: number): void {
    for (const socket of this.#ctx.getWebSockets()) {
      const { about, sees } = this.#of(socket)
      if (sees(inboxId)) tell(socket, about, text, at, this.#ctx)
    }
  }

  /** @param dirty inboxes in whose queue something changed */
  queue(dirty: ReadonlySet<string>, frameOf: QueueView, at: number): void {
    const texts = new Map<string, string | null>()
    for (const socket of this.#ctx.getWebSockets()) {
      const { about, sees, view } = this.#of(socket)
      let text = texts.get(view)
      if (text === undefined) {
        text = [...dirty].some(sees) ? JSON.stringify(frameOf(sees)) : null
        texts.set(view, text)
      }
      if (text !== null) tell(socket, about, text, at, this.#ctx)
    }
  }

  queueFor(socket: WebSocket, frameOf: QueueView): void {
    send(socket, frameOf(this.#of(socket).sees), this.#ctx)
  }

  presence(here: readonly Present[], only?: WebSocket): void {
    const frame: SiteFrame = { type: 'presence', here: here.map(one => ({ ...one, status: 'here' })) }
    const text = JSON.stringify(frame)
    for (const socket of only ? [only] : this.#ctx.getWebSockets()) {
      const known = this.#of(socket)
      if (known.presence !== text) sendText(socket, text, this.#ctx)
      known.presence = text
    }
  }

  /** Members, each once however many tabs they have. */
  here(at: number, inboxId?: string): Present[] {
    const sees = (socket: WebSocket) => inboxId === undefined || this.#of(socket).sees(inboxId)
    const all = this.#members().filter(socket => this.#isHeard(socket, at) && sees(socket))
    return eachOnce(all.map(socket => this.#of(socket).about.who))
  }

  /** The same as others are shown it: who reloads a page, or was let go to come back, never left. */
  shown(at: number): Present[] {
    for (const [id, { until }] of this.#left) if (until <= at) this.#left.delete(id)
    return eachOnce([...[...this.#left.values()].map(({ who }) => who), ...this.here(at)])
  }

  left(socket: WebSocket, at: number): void {
    const { who } = this.#of(socket).about
    if (who.kind === 'member' && this.#isHeard(socket, at))
      this.#left.set(who.id, { who, until: at + LEFT_MS })
  }

  /** When somebody may have fallen silent, be heard of again, or be gone for good; null where no member watches. */
  lookAt(at: number): number | null {
    const times = this.#members().map(socket => {
      const silentAt = this.#heardAt(socket) + SILENT_MS + 1
      return silentAt > at ? silentAt : at + LOOK_AGAIN_MS
    })
    for (const { until } of this.#left.values()) times.push(until)
    return times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b))
  }

  #members(): WebSocket[] {
    return this.#ctx
      .getWebSockets()
      .filter(socket => isOpen(socket) && this.#of(socket).about.who.kind === 'member')
  }

  #isHeard(socket: WebSocket, at: number): boolean {
    return this.#heardAt(socket) >= at - SILENT_MS
  }

  #heardAt(socket: WebSocket): number {
    return Math.max(this.#of(socket).about.openedAt, pingedAt(this.#ctx, socket))
  }

  #of(socket: WebSocket): Known {
    const known = this.#known.get(socket)
    if (known) return known
    const about = attachedTo<Attached>(socket)
    const inboxes = about.inboxes && unpacked(about.inboxes)
    const now: Known = {
      about,
      sees: inboxes ? inboxId => inboxes.has(inboxId) : () => true,
      view: inboxes ? [...inboxes].toSorted().join() : '*',
      presence: null,
    }
    this.#known.set(socket, now)
    return now
  }
}

function eachOnce(members: readonly Present[]): Present[] {
  const byId = new Map(members.map(({ id, name }) => [id, { id, name }]))
  return [...byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

function packed(ids: readonly string[]): Uint8Array {
  return Uint8Array.fromHex(ids.map(id => id.replaceAll('-', '')).join(''))
}

function unpacked(bytes: Uint8Array): Set<string> {
  const all = bytes.toHex()
  const ids = new Set<string>()
  for (let n = 0; n < all.length; n += 32)
    ids.add(all.slice(n, n + 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'))
  return ids
}
