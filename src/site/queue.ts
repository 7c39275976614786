/** Conversations that wait for a person: read from the feed once in a life of the object, and kept up with it. */
import type { SiteFrame } from '../wire/site-frame.ts'
import type { Feed, Waits } from './feed.ts'

/** What is shown; of the others only how many there are. */
const SHOWN = 100

/** The queue of somebody who sees these inboxes. */
export type QueueView = (sees: (inboxId: string) => boolean) => SiteFrame

export class Queue {
  readonly #feed: Feed
  #waiting: Map<string, Waits> | null = null
  /** In order; null where it is to be put in order anew. */
  #ordered: Waits[] | null = null
  /** As it was when it was last told, of what changed since then. */
  #before = new Map<string, Waits | null>()

  constructor(feed: Feed) {
    this.#feed = feed
  }

  /** A conversation was taken in, is waited for since another time, or waits no more. Call it after the feed has it. */
  changed(before: Waits | null, now: Waits | null): void {
    const id = (now ?? before)!.conversationId
    if (!this.#before.has(id)) this.#before.set(id, before)
    if (now) this.#waiting?.set(id, now)
    else this.#waiting?.delete(id)
    this.#ordered = null
  }

  /** Inboxes in whose queue something is not as it was told last; from here on it is told. */
  news(): Set<string> {
    const dirty = new Set<string>()
    for (const [id, before] of this.#before) {
      const now = this.#all().get(id) ?? null
      if (before?.since === now?.since && before?.inboxId === now?.inboxId) continue
      for (const one of [before, now]) if (one) dirty.add(one.inboxId)
    }
    this.#before = new Map()
    return dirty
  }

  readonly frameOf: QueueView = sees => {
    this.#ordered ??= [...this.#all().values()].toSorted(
      (a, b) => a.since - b.since || (a.conversationId < b.conversationId ? -1 : 1),
    )
    const visible = this.#ordered.filter(one => sees(one.inboxId))
    const waiting = visible.slice(0, SHOWN).map(({ conversationId, inboxId, since }) => ({
      ...{ conversation: conversationId, inbox: inboxId, since: String(since) },
    }))
    return { type: 'queue', waiting, count: visible.length }
  }

  #all(): Map<string, Waits> {
    this.#waiting ??= new Map(this.#feed.waiting().map(one => [one.conversationId, one]))
    return this.#waiting
  }
}
