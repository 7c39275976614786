/**
 * What all sockets of ours have in common. They hibernate: an object may sleep and wake between two frames, so all that is known of one
 * stands in its attachment. Rights last a quarter of an hour, who reads too slowly is let go, and garbage and floods close their own
 * socket. Whoever is let go comes back with `since` and misses nothing.
 */
import type { z } from '@hono/zod-openapi'

/** What is kept of every socket; the platform keeps 16 KB in all. */
export interface Life {
  /** Rights are looked at again when it comes back: it is closed at the first frame after this, ms. */
  until: number
  /** Frames since then. */
  since: number
  count: number
  /** Frames that were no good, or too many. */
  strikes: number
}

/** Close codes: 4000 and up are an application's own (RFC 6455 §7.4.2). */
export const CLOSE = { resume: 4000, moved: 4001, erased: 4004, garbage: 4008 } as const

/** Characters. Who was told more than this since the last ping is let go. */
const BEHIND_CHARS = 1024 * 1024
const LASTS_MS = 15 * 60_000
const WINDOW_MS = 10_000
const FRAMES_A_WINDOW = 40
const STRIKES = 5
const FRAME_CHARS = 16_384

export const WHY = {
  bad_frame: 'This frame is not one that is taken here.',
  rate_limited: 'These were too many frames at once. Wait some seconds.',
} as const

/** A frame was not taken. */
export interface NotTaken {
  type: 'error'
  code: keyof typeof WHY
  message: string
  /** The `id` that the frame had. */
  sentAs?: string
}

/** The text `ping` is answered with `pong`, and wakes nobody. */
export function answerPings(ctx: DurableObjectState): void {
  ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
}

/** @returns the client's end, and ours */
export function accept<About>(
  ctx: DurableObjectState,
  about: About,
  at: number,
): { theirs: WebSocket; ours: WebSocket } {
  const { 0: theirs, 1: ours } = new WebSocketPair()
  ctx.acceptWebSocket(ours)
  attach(ours, { ...about, until: at + LASTS_MS, since: at, count: 0, strikes: 0 })
  return { theirs, ours }
}

/** As it was last read or written in this life of the object: many sockets are told at once. */
const known = new WeakMap<WebSocket, Life>()

export function attach<About extends Life>(socket: WebSocket, about: About): void {
  known.set(socket, about)
  socket.serializeAttachment(about)
}

export function attachedTo<About extends Life>(socket: WebSocket): About {
  const kept = known.get(socket) ?? (socket.deserializeAttachment() as About)
  known.set(socket, kept)
  return kept as About
}

export function isOpen(socket: WebSocket): boolean {
  return socket.readyState === WebSocket.OPEN
}

/**
 * A frame for whoever still may have it: rights that are over close the socket instead.
 *
 * @param room see `sendText`
 */
export function tell(
  socket: WebSocket,
  about: Life,
  text: string,
  at: number,
  room?: DurableObjectState,
): void {
  if (about.until < at) resume(socket)
  else sendText(socket, text, room)
}

export function send(socket: WebSocket, frame: object, room?: DurableObjectState): void {
  sendText(socket, JSON.stringify(frame), room)
}

/** @param room the object it is a socket of: with it, whoever does not keep up is let go */
export function sendText(socket: WebSocket, text: string, room?: DurableObjectState): void {
  if (!isOpen(socket)) return
  if (room && isBehind(room, socket, text.length)) resume(socket)
  else socket.send(text)
}

/** What was told since the last ping. */
interface Told {
  chars: number
  pingedAt: number
}
const told = new WeakMap<WebSocket, Told>()

/**
 * workerd has no `bufferedAmount` (workerd issue 988), so nothing says what a socket still holds. Clients ping every 20 seconds, and again
 * after so many frames that they have read: who says nothing while a megabyte goes out does not keep up.
 */
function isBehind(room: DurableObjectState, socket: WebSocket, chars: number): boolean {
  const now = told.get(socket) ?? { chars: 0, pingedAt: pingedAt(room, socket) }
  now.chars += chars
  told.set(socket, now)
  // What is new is never too much by itself.
  if (now.chars <= BEHIND_CHARS || now.chars === chars) return false
  const at = pingedAt(room, socket)
  if (at === now.pingedAt) return true
  told.set(socket, { chars, pingedAt: at })
  return false
}

/** When somebody was heard of last: they pinged, or came. Who is silent for long may be gone without a word. */
export function heardAt(room: DurableObjectState, socket: WebSocket): number {
  return Math.max(pingedAt(room, socket), attachedTo(socket).until - LASTS_MS)
}

/** Pings are answered by the platform, which notes when; 0 where there was none. */
export function pingedAt(room: DurableObjectState, socket: WebSocket): number {
  return room.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0
}

/** It is let go, to come back with the last `seq` it had. */
export function resume(socket: WebSocket): void {
  if (isOpen(socket)) socket.close(CLOSE.resume, 'resume')
}

/** What a client sent, where it is of that schema and not too much; otherwise it is told, and null. */
export function heard<Schema extends z.ZodType>(
  socket: WebSocket,
  text: string | ArrayBuffer,
  schema: Schema,
  at: number,
  mostChars = FRAME_CHARS,
): z.infer<Schema> | null {
  const about = attachedTo(socket)
  // What was on its way when it was closed still comes: of somebody who left it is heard, of somebody who was put out it is not.
  if (about.strikes > STRIKES) return null
  if (about.until < at) {
    resume(socket)
    return null
  }
  const isNew = at - about.since > WINDOW_MS
  const now = { ...about, since: isNew ? at : about.since, count: isNew ? 1 : about.count + 1 }
  const read = now.count > FRAMES_A_WINDOW ? { wrong: null, id: undefined } : parsed(text, schema, mostChars)
  if ('frame' in read) {
    attach(socket, now)
    return read.frame
  }
  const code = read.wrong === null ? 'rate_limited' : 'bad_frame'
  const strikes = now.strikes + 1
  attach(socket, { ...now, strikes })
  if (strikes > STRIKES) socket.close(CLOSE.garbage, 'too much that was no good')
  else {
    const message = `${WHY[code]}${read.wrong ?? ''}`
    const { id } = read
    send(socket, { type: 'error', code, message, ...(id ? { sentAs: id } : {}) } satisfies NotTaken)
  }
  return null
}

function parsed<Schema extends z.ZodType>(
  text: string | ArrayBuffer,
  schema: Schema,
  mostChars: number,
): { frame: z.infer<Schema> } | { wrong: string; id?: string } {
  if (typeof text !== 'string') return { wrong: ' It is not text.' }
  if (text.length > mostChars) return { wrong: ` It is longer than ${mostChars} characters.` }
  try {
    const said: unknown = JSON.parse(text)
    const result = schema.safeParse(said)
    if (result.success) return { frame: result.data }
    const { path, message } = result.error.issues[0]!
    const wrong = path.length > 0 ? ` "${path.join('.')}": ${message}.` : ` ${message}.`
    const id = typeof said === 'object' && said !== null && 'id' in said ? said.id : null
    return { wrong, ...(typeof id === 'string' && id.length <= 100 ? { id } : {}) }
  } catch {
    return { wrong: ' It is not JSON.' }
  }
}

/** The other end closed it: so does ours. A code that nobody may send, such as 1006, closes it all the same. */
export function closeToo(socket: WebSocket, code: number, reason: string): void {
  socket.close(code >= 4000 || code === 1000 ? code : 1000, reason)
}
