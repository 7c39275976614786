/**
 * What was said and is not yet the desk's. Kept where reloads and other tabs find it; each has an id of its own, and the desk takes an id
 * once, so saying it again is harmless.
 */
import type { ChatMessage, Uploaded } from './wire.ts'

export interface Said {
  /** UUIDv7; the message's `sentAs`. */
  id: string
  content: string
  attachments: Uploaded[]
  /** ms */
  at: number
  /** The desk's code, where it did not take it. */
  failed?: string | undefined
  /** It went by mail, from the form of who comes while nobody is there; this address is answered. */
  email?: string
}

/** Long enough for a slow network, short enough for a lost frame. */
const AGAIN_MS = 15_000
/** The desk takes 40 frames in ten seconds from a socket; a whole outbox at once would be a flood. */
const UNDER_WAY = 5

/**
 * What to say now, in the order in which it was written.
 *
 * @param saidAt when each was said on this socket last
 */
export function due(outbox: readonly Said[], saidAt: ReadonlyMap<string, number>, now: number): Said[] {
  const isUnderWay = (one: Said) => now - (saidAt.get(one.id) ?? 0) < AGAIN_MS
  const open = outbox.filter(one => !one.failed)
  const room = UNDER_WAY - open.filter(isUnderWay).length
  return open.filter(one => !isUnderWay(one)).slice(0, Math.max(0, room))
}

/** What the desk has is no longer owed. */
export function without(outbox: readonly Said[], messages: Iterable<ChatMessage>): Said[] {
  const taken = new Set([...messages].map(one => one.sentAs))
  return outbox.filter(one => !taken.has(one.id))
}

/** What went wrong with one; undefined: try again. */
export function marked(outbox: readonly Said[], id: string, failed?: string): Said[] {
  return outbox.map(one => (one.id === id ? { ...one, failed } : one))
}
