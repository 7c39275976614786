/**
 * A client as docs/live.md wants it, that looks closely: it keeps messages by their id and the last `seq`, comes back with `since` after a
 * wait that is not the same for everybody, gives a line up when its pings are not answered, and sends what it says again, under the same
 * id, until it hears itself. What it is told that it had been told, or that goes back in time, it writes down.
 */
import { type Address, type LiveSocket, openSocket } from './live-socket.ts'

const PING_MS = 10_000
/** Who says nothing while a megabyte comes is let go. */
const READ_CHARS = 256 * 1024
/** Only a pong counts: where a line swallows what goes up, frames still come down. */
const SILENT_MS = 20_000
const LOOK_MS = 1_000
const BACK_OFF_MS = { first: 250, most: 8_000 }
const RESUME_MS = 1_000
const CLOSE = { resume: 4000, moved: 4001, erased: 4004, garbage: 4008 } as const
/** Close codes, and statuses of a handshake, after which nobody need come back. */
const FOR_GOOD: readonly number[] = [CLOSE.moved, CLOSE.erased, CLOSE.garbage, 400, 401, 403, 404]
const NO_PONG = 'no pong'

/** A message as a contact is told it, or as everybody else is; the fields that are looked at are in both. */
export interface Told {
  id: string
  type: 'incoming' | 'outgoing'
  content: string
  feedback: string | { type: string } | null
  createdAt: string
  /** Contacts only: the id they gave it. */
  sentAs?: string | null
}

interface Changed {
  type: 'changed'
  seq: number | null
  conversation: { status: string }
  messages: Told[]
}

type Frame =
  | Changed
  | { type: 'error'; code: string; message: string; sentAs?: string; retryAfter?: number }
  | { type: 'moved' | 'erased' | 'typing' | 'presence' | 'answer' }

export interface LiveClient {
  /** In the order in which they were first heard of. */
  messages(): Told[]
  status(): string | null
  seq(): number | null
  /** It has the connection, and was told how things stand. */
  isHere(): boolean
  localPort(): number | undefined
  say(id: string, content: string): void
  /** What was said and not heard yet. */
  unheard(): number
  typing(on: boolean): void
  /** How often it came in, was let go with "resume", gave a line up. */
  counts: { entered: number; resumed: number; gaveUp: number }
  /** What must not be. */
  violations: string[]
  leave(): void
}

export interface Wishes {
  address(since: number | null): Address
  random(): number
  /** The line it had is no more; `silent` where it gave it up because no pong came. */
  lost?(silent: boolean): void
}

export function liveClient({ address, random, lost }: Wishes): LiveClient {
  const held = new Map<string, { message: Told; text: string; seq: number | null }>()
  const outbox = new Map<string, string>()
  const counts = { entered: 0, resumed: 0, gaveUp: 0 }
  const violations: string[] = []
  let status: string | null = null
  let seq: number | null = null
  let socket: LiveSocket | null = null
  let isOpen = false
  let isHere = false
  let heardAt = 0
  let failed = 0
  /** Characters since the last ping. */
  let read = 0
  let waiting: NodeJS.Timeout | undefined

  function enter(): void {
    heardAt = Date.now()
    // Those of a message that came in several frames, of which the last was not heard, come again.
    for (const one of held.values()) if (one.seq === null) one.text = ''
    const mine = openSocket(address(seq), {
      opened() {
        isOpen = true
        heardAt = Date.now()
        counts.entered += 1
      },
      text(payload) {
        if (mine !== socket) return
        const text = payload.toString()
        tellsItReads(text.length)
        if (text === 'pong') heardAt = Date.now()
        else take(JSON.parse(text) as Frame)
      },
      closed(code, reason) {
        if (mine === socket) again(code, reason)
      },
    })
    socket = mine
  }

  function again(code: number, reason: string): void {
    socket = null
    isOpen = false
    isHere = false
    lost?.(reason === NO_PONG)
    if (code === CLOSE.resume) counts.resumed += 1
    if (FOR_GOOD.includes(code)) violations.push(`was let go with ${code} ${reason}`)
    const most =
      code === CLOSE.resume ? RESUME_MS : Math.min(BACK_OFF_MS.most, BACK_OFF_MS.first * 2 ** failed)
    failed += 1
    waiting = setTimeout(enter, random() * most)
  }

  function take(frame: Frame): void {
    if (frame.type === 'changed') {
      changed(frame)
      if (!isHere && frame.seq !== null) {
        isHere = true
        failed = 0
        for (const [id, content] of outbox) put(id, content)
      }
    } else if (frame.type === 'error') refused(frame)
  }

  function changed(frame: Changed): void {
    if (frame.seq !== null && seq !== null && (isHere ? frame.seq <= seq : frame.seq < seq))
      violations.push(`${frame.seq} was told ${isHere ? 'again ' : ''}after ${seq}`)
    for (const message of frame.messages) {
      const text = JSON.stringify(message)
      const before = held.get(message.id)
      if (before?.text === text)
        violations.push(`message ${message.id}, known from ${before.seq}, was told again in ${frame.seq}`)
      // In its place: a map keeps the order in which keys came.
      held.set(message.id, { message, text, seq: frame.seq })
      if (message.sentAs) outbox.delete(message.sentAs)
    }
    status = frame.conversation.status
    if (frame.seq === null) return
    seq = frame.seq
    for (const one of held.values()) one.seq ??= seq
  }

  function refused({ code, message, sentAs, retryAfter }: Extract<Frame, { type: 'error' }>): void {
    const content = sentAs === undefined ? undefined : outbox.get(sentAs)
    if (code === 'rate_limited' && content !== undefined)
      setTimeout(
        () => {
          if (isHere && outbox.has(sentAs!)) put(sentAs!, content)
        },
        (retryAfter ?? 1) * 1000,
      ).unref()
    else violations.push(`was told ${code}: ${message}`)
  }

  function put(id: string, content: string): void {
    socket?.send(JSON.stringify({ type: 'say', id, content }))
  }

  function tellsItReads(chars: number): void {
    read += chars
    if (read > READ_CHARS) ping()
  }

  function ping(): void {
    read = 0
    if (isOpen) socket?.send('ping')
  }

  const pings = setInterval(ping, PING_MS)
  const looks = setInterval(() => {
    if (socket === null || Date.now() - heardAt < SILENT_MS) return
    const dead = socket
    counts.gaveUp += 1
    // First nobody's, so that its end is not told a second time.
    again(1006, NO_PONG)
    dead.destroy()
  }, LOOK_MS)

  enter()
  return {
    messages: () => [...held.values()].map(one => one.message),
    status: () => status,
    seq: () => seq,
    isHere: () => isHere,
    localPort: () => socket?.localPort(),
    say(id, content) {
      outbox.set(id, content)
      if (isHere) put(id, content)
    },
    unheard: () => outbox.size,
    typing(on) {
      if (isHere) socket?.send(JSON.stringify({ type: 'typing', on }))
    },
    counts,
    violations,
    leave() {
      clearTimeout(waiting)
      clearInterval(pings)
      clearInterval(looks)
      const last = socket
      socket = null
      last?.destroy()
    },
  }
}
