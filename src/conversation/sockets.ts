/**
 * Everybody who has a conversation open. Sockets hibernate: the object may sleep and wake between two frames, so all that is known of one
 * stands in its attachment. A frame about a turn is sent in that turn, and the platform holds it back until the turn is stored.
 */
import type { ConversationState, Message } from '../domain/conversation.ts'
import { settings } from '../env.ts'
import { ClientFrame, changedFrames, type ServerFrame, type Watcher } from '../wire/frame.ts'

/** Of one socket; the platform keeps 16 KB of it. */
interface Attached {
  who: Watcher
  mayWrite: boolean
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

const LASTS_MS = 15 * 60_000
const WINDOW_MS = 10_000
const FRAMES_A_WINDOW = 40
const STRIKES = 5
const FRAME_CHARS = 16_384
/** Who reads slower than this is let go, and comes back with `since`. */
const BEHIND_BYTES = 1024 * 1024

export class Sockets {
  readonly #ctx: DurableObjectState

  readonly #env: Env

  constructor(ctx: DurableObjectState, env: Env) {
    this.#ctx = ctx
    this.#env = env
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  }

  /** @param missed what changed since the client was here last */
  accept(who: Watcher, mayWrite: boolean, state: ConversationState, missed: readonly Message[]): Response {
    const { 0: theirs, 1: ours } = new WebSocketPair()
    const at = Date.now()
    this.#ctx.acceptWebSocket(ours)
    attach(ours, { who, mayWrite, until: at + LASTS_MS, since: at, count: 0, strikes: 0 })
    for (const frame of changedFrames(state, missed, settings(this.#env).PUBLIC_URL)) send(ours, frame)
    if (who.kind === 'member') this.presence()
    else send(ours, { type: 'presence', here: this.#here() })
    return new Response(null, { status: 101, webSocket: theirs })
  }

  /** A turn was taken. */
  changed(state: ConversationState, messages: readonly Message[]): void {
    const all = this.#ctx.getWebSockets()
    if (all.length === 0) return
    const { PUBLIC_URL } = settings(this.#env)
    const texts = changedFrames(state, messages, PUBLIC_URL).map(frame => JSON.stringify(frame))
    const at = Date.now()
    for (const socket of all) {
      if (attachedTo(socket).until < at) socket.close(CLOSE.resume, 'resume')
      else for (const text of texts) sendText(socket, text)
    }
  }

  /** Everybody is told, and let go. */
  end(frame: Extract<ServerFrame, { type: 'moved' | 'erased' }>): void {
    for (const socket of this.#ctx.getWebSockets()) {
      send(socket, frame)
      socket.close(CLOSE[frame.type], frame.type)
    }
  }

  /** What a client sent, where it is for the conversation itself; what goes to the others is passed on here. */
  received(socket: WebSocket, text: string | ArrayBuffer): 'read' | null {
    const at = Date.now()
    const about = attachedTo(socket)
    if (about.until < at) {
      socket.close(CLOSE.resume, 'resume')
      return null
    }
    const isNew = at - about.since > WINDOW_MS
    const now = { ...about, since: isNew ? at : about.since, count: isNew ? 1 : about.count + 1 }
    const frame = now.count > FRAMES_A_WINDOW ? 'rate_limited' : parsed(text)
    if (frame === 'rate_limited' || frame === 'bad_frame') {
      const strikes = now.strikes + 1
      attach(socket, { ...now, strikes })
      if (strikes > STRIKES) socket.close(CLOSE.garbage, 'too much that was no good')
      else send(socket, { type: 'error', code: frame, message: WHY[frame] })
      return null
    }
    attach(socket, now)
    if (frame.type === 'typing') {
      this.#toOthers(socket, { type: 'typing', who: now.who, on: frame.on })
      return null
    }
    if (!now.mayWrite) send(socket, { type: 'error', code: 'forbidden', message: WHY.forbidden })
    return now.mayWrite ? 'read' : null
  }

  /** @param gone one that is closing, and still counted by the platform */
  presence(gone?: WebSocket): void {
    const frame: ServerFrame = { type: 'presence', here: this.#here(gone) }
    for (const socket of this.#ctx.getWebSockets()) if (socket !== gone) send(socket, frame)
  }

  #here(gone?: WebSocket): Watcher[] {
    const sockets = this.#ctx.getWebSockets().filter(one => one !== gone && one.readyState === WebSocket.OPEN)
    const members = sockets.map(one => attachedTo(one).who).filter(who => who.kind === 'member')
    return [...new Map(members.map(who => [who.id, who])).values()]
  }

  #toOthers(from: WebSocket, frame: ServerFrame): void {
    for (const socket of this.#ctx.getWebSockets()) if (socket !== from) send(socket, frame)
  }
}

const WHY = {
  bad_frame: 'This frame is not one that a conversation takes.',
  rate_limited: 'These were too many frames at once. Wait some seconds.',
  forbidden: 'You may not change this conversation.',
} as const

function parsed(text: string | ArrayBuffer): ClientFrame | 'bad_frame' {
  if (typeof text !== 'string' || text.length > FRAME_CHARS) return 'bad_frame'
  try {
    return ClientFrame.safeParse(JSON.parse(text)).data ?? 'bad_frame'
  } catch {
    return 'bad_frame'
  }
}

function attach(socket: WebSocket, about: Attached): void {
  socket.serializeAttachment(about)
}

function attachedTo(socket: WebSocket): Attached {
  return socket.deserializeAttachment() as Attached
}

function send(socket: WebSocket, frame: ServerFrame): void {
  sendText(socket, JSON.stringify(frame))
}

function sendText(socket: WebSocket, text: string): void {
  if (socket.readyState !== WebSocket.OPEN) return
  // workerd has it; the types of the platform do not name it yet.
  const { bufferedAmount = 0 } = socket as { bufferedAmount?: number }
  if (bufferedAmount > BEHIND_BYTES) socket.close(CLOSE.resume, 'resume')
  else socket.send(text)
}
