/**
 * A WebSocket client on a plain TCP socket (RFC 6455): hundreds of them cost one thread little, it knows its local port, so that a proxy
 * can be told whose line to cut, and it can stop reading, which no client of a browser's kind lets one do. No extensions; what the
 * server's frames may not be (masked, too long for a double) is not looked at.
 */
import { createHash, randomBytes } from 'node:crypto'
import net from 'node:net'

export interface Address {
  port: number
  path: string
  /** Subprotocols that are offered. */
  protocols?: readonly string[]
  headers?: Record<string, string>
}

export interface Heard {
  opened?(): void
  /** One whole text message; the bytes are only good until this returns. */
  text(payload: Buffer): void
  /** Once, whatever happens. 1006: without a word; below 1000 it is the HTTP status by which the server refused. */
  closed(code: number, reason: string): void
}

export interface LiveSocket {
  send(text: string): void
  /** In order: the server answers. */
  close(code: number): void
  /** As a program that dies. */
  destroy(): void
  /** Stops reading, so that TCP holds the server back. */
  pause(): void
  resume(): void
  localPort(): number | undefined
  /** Bytes of all kinds that came in. */
  bytes(): number
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const OP = { continuation: 0, text: 1, close: 8, ping: 9, pong: 10 } as const
const NOBODY = 1006

export function openSocket(at: Address, heard: Heard): LiveSocket {
  const key = randomBytes(16).toString('base64')
  const socket = net.connect({ port: at.port, host: '127.0.0.1', noDelay: true })
  const incoming = frames()
  let isOpen = false
  let told: { code: number; reason: string } | null = null
  let isOver = false

  function over(code: number, reason: string): void {
    if (isOver) return
    isOver = true
    socket.destroy()
    heard.closed(code, reason)
  }

  function write(op: number, payload: Buffer): void {
    if (!socket.destroyed) socket.write(masked(op, payload))
  }

  function take(op: number, payload: Buffer): void {
    if (op === OP.text) heard.text(payload)
    else if (op === OP.ping) write(OP.pong, payload)
    else if (op === OP.close) {
      told = {
        code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005,
        reason: payload.subarray(2).toString(),
      }
      write(OP.close, payload.subarray(0, 2))
      over(told.code, told.reason)
    }
  }

  socket.once('connect', () => socket.write(handshake(at, key)))
  socket.on('data', (chunk: Buffer) => {
    let rest = chunk
    if (!isOpen) {
      const answer = incoming.head(chunk)
      if (!answer) return
      const refusal = refused(answer.head, key)
      if (refusal) return over(refusal.status, refusal.why)
      isOpen = true
      heard.opened?.()
      rest = answer.rest
    }
    incoming.add(rest, (op, payload) => {
      if (!isOver) take(op, payload)
    })
  })
  socket.on('error', error => over(NOBODY, error.message))
  socket.on('close', () => over(told?.code ?? NOBODY, told?.reason ?? ''))

  return {
    send: text => write(OP.text, Buffer.from(text)),
    close(code) {
      const payload = Buffer.alloc(2)
      payload.writeUInt16BE(code)
      write(OP.close, payload)
    },
    destroy: () => over(NOBODY, 'given up'),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    localPort: () => socket.localPort,
    bytes: () => socket.bytesRead,
  }
}

function handshake({ port, path, protocols, headers }: Address, key: string): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
    ...(protocols ? [`Sec-WebSocket-Protocol: ${protocols.join(', ')}`] : []),
    ...Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** RFC 6455 §4.1; null: it is a WebSocket now. */
function refused(head: string, key: string): { status: number; why: string } | null {
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0)
  if (status !== 101) return { status, why: head.split('\r\n')[0]! }
  const wanted = createHash('sha1').update(`${key}${GUID}`).digest('base64')
  const accepted = /^sec-websocket-accept:\s*(\S+)/im.exec(head)?.[1]
  return accepted === wanted ? null : { status: 0, why: 'another Sec-WebSocket-Accept than was due' }
}

function masked(op: number, payload: Buffer): Buffer {
  const { length } = payload
  const long = length > 65_535 ? 8 : length > 125 ? 2 : 0
  const frame = Buffer.allocUnsafe(2 + long + 4 + length)
  frame[0] = 0x80 | op
  frame[1] = 0x80 | (long === 8 ? 127 : long === 2 ? 126 : length)
  if (long === 2) frame.writeUInt16BE(length, 2)
  if (long === 8) frame.writeBigUInt64BE(BigInt(length), 2)
  const mask = randomBytes(4)
  mask.copy(frame, 2 + long)
  for (let n = 0; n < length; n++) frame[6 + long + n] = payload[n]! ^ mask[n & 3]!
  return frame
}

/** Cuts a stream of bytes into messages; what is not whole yet waits, and is only joined once it is. */
function frames() {
  let waiting: Buffer[] = []
  let has = 0
  let needs = 0
  /** A message that comes in several frames (§5.4). */
  let begun: { op: number; parts: Buffer[] } | null = null

  function joined(chunk: Buffer): Buffer {
    if (waiting.length === 0) return chunk
    const all = Buffer.concat([...waiting, chunk])
    waiting = []
    has = 0
    return all
  }

  function keep(rest: Buffer, needed: number): void {
    if (rest.length > 0) waiting = [rest]
    has = rest.length
    needs = needed
  }

  return {
    /** The answer to the handshake, once it is there; what stands behind it is the first of the frames. */
    head(chunk: Buffer): { head: string; rest: Buffer } | null {
      const all = joined(chunk)
      const end = all.indexOf('\r\n\r\n')
      if (end >= 0) return { head: all.subarray(0, end).toString('latin1'), rest: all.subarray(end + 4) }
      keep(all, 0)
      return null
    },

    add(chunk: Buffer, told: (op: number, payload: Buffer) => void): void {
      if (has > 0 && has + chunk.length < needs) {
        waiting.push(chunk)
        has += chunk.length
        return
      }
      const all = joined(chunk)
      let from = 0
      for (;;) {
        const size = sizeOf(all, from)
        if (size === null || from + size.head + size.payload > all.length) {
          keep(all.subarray(from), size === null ? 0 : size.head + size.payload)
          return
        }
        const payload = all.subarray(from + size.head, from + size.head + size.payload)
        const isLast = (all[from]! & 0x80) !== 0
        const op = all[from]! & 0x0f
        from += size.head + size.payload
        if (op >= OP.close || (isLast && op !== OP.continuation)) told(op, payload)
        else {
          if (op !== OP.continuation) begun = { op, parts: [] }
          begun?.parts.push(Buffer.from(payload))
          if (!isLast || !begun) continue
          const whole = begun
          begun = null
          told(whole.op, Buffer.concat(whole.parts))
        }
      }
    },
  }
}

/** Of the frame that begins there; null where its head is not whole. */
function sizeOf(all: Buffer, from: number): { head: number; payload: number } | null {
  if (all.length < from + 2) return null
  const short = all[from + 1]! & 0x7f
  if (short < 126) return { head: 2, payload: short }
  if (short === 126) return all.length < from + 4 ? null : { head: 4, payload: all.readUInt16BE(from + 2) }
  return all.length < from + 10 ? null : { head: 10, payload: Number(all.readBigUInt64BE(from + 2)) }
}
