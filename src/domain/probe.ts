/**
 * Finding out what stands behind a port. When a mail server does not answer as it should, the reason is usually plain to
 * see: something else answers there, or it speaks TLS where it should not, or not where it should. Neither TLS libraries
 * nor sockets say which, so the door is knocked at once more: wait for a greeting, and where none comes, send the first
 * message of a TLS handshake. Whatever is there then shows itself: TLS answers with TLS, a web server with an error.
 *
 * The hello asks for TLS 1.2 (RFC 5246), where the server's certificate comes in the clear and can be looked at.
 *
 * Only bytes are decided here; whoever holds the socket feeds them in, and says when nothing came for a while.
 */

export type MailProtocol = 'imap' | 'smtp'
export type Speech = MailProtocol | 'pop3' | 'http' | 'other'

export type Found =
  /** It spoke first, or answered a TLS hello in words. */
  | { kind: 'words'; speech: Speech }
  /** It speaks TLS; with the certificate (DER) where it showed one. */
  | { kind: 'tls'; certificate: Uint8Array | null }
  /** It takes the call and says nothing, whatever it is told. */
  | { kind: 'silence' }
  | { kind: 'hung up' }

export type Step = { send: Uint8Array } | { found: Found } | 'wait'

export interface Errand {
  protocol: MailProtocol
  host: string
  /** `door`: on the bare line. `starttls`: there, then through STARTTLS to the certificate. `inside`: behind a TLS that stands. */
  way: 'door' | 'starttls' | 'inside'
  /** 32 bytes for the hello. */
  random: Uint8Array
}

/** A greeting that has not come by then is looked for with a probe; before it the server may just be slow. */
export const DOUBT_MS = 1_500
/** How long a probe waits for the next word. */
export const QUIET_MS = 700

const MAX_BYTES = 64 * 1024

export class Probe {
  readonly #errand: Errand
  #heard = new Uint8Array(0)
  #stage: 'greeting' | 'EHLO' | 'STARTTLS' | 'hello' | 'nonsense' = 'greeting'

  constructor(errand: Errand) {
    this.#errand = errand
  }

  heard(bytes: Uint8Array): Step {
    const all = new Uint8Array(this.#heard.length + bytes.length)
    all.set(this.#heard)
    all.set(bytes, this.#heard.length)
    this.#heard = all
    if (this.#stage === 'hello') return this.#afterHello()
    const text = latin1(all)
    if (!text.includes('\n') && all.length < 512) return 'wait'
    if (this.#stage === 'greeting' || this.#stage === 'nonsense') return this.#afterGreeting(text)
    return this.#upgrade(text)
  }

  /** Nothing came for QUIET_MS. */
  quiet(): Step {
    if (this.#heard.length > 0) return this.#stage === 'hello' ? { found: this.#tlsSoFar() } : this.#said()
    if (this.#stage !== 'greeting') return { found: { kind: 'silence' } }
    if (this.#errand.way === 'inside') {
      this.#stage = 'nonsense'
      return { send: ascii('EHLO edgedesk.invalid\r\n\r\n') }
    }
    return this.#hello()
  }

  ended(): Found {
    if (this.#stage === 'hello' && this.#heard.length > 0) return this.#tlsSoFar()
    return this.#heard.length > 0 ? this.#said().found : { kind: 'hung up' }
  }

  #said(): { found: Found } {
    return { found: { kind: 'words', speech: speechOf(latin1(this.#heard)) } }
  }

  #afterGreeting(text: string): Step {
    if (this.#errand.way !== 'starttls' || speechOf(text) !== 'smtp') return this.#said()
    return isWholeReply(text) ? this.#say('EHLO', 'EHLO edgedesk.invalid\r\n') : 'wait'
  }

  #upgrade(text: string): Step {
    if (!isWholeReply(text)) return 'wait'
    if (!text.startsWith('2')) return { found: { kind: 'words', speech: 'smtp' } }
    return this.#stage === 'EHLO' ? this.#say('STARTTLS', 'STARTTLS\r\n') : this.#hello()
  }

  #say(stage: 'EHLO' | 'STARTTLS', line: string): Step {
    this.#stage = stage
    this.#heard = new Uint8Array(0)
    return { send: ascii(line) }
  }

  #hello(): Step {
    this.#stage = 'hello'
    this.#heard = new Uint8Array(0)
    return { send: clientHello(this.#errand.host, this.#errand.random) }
  }

  #afterHello(): Step {
    const heard = this.#heard
    if (heard[0] !== HANDSHAKE && heard[0] !== ALERT) {
      return latin1(heard).includes('\n') || heard.length >= 512 ? this.#said() : 'wait'
    }
    const certificate = heard[0] === HANDSHAKE ? certificateIn(heard) : null
    const done = certificate !== 'incomplete' || heard.length > MAX_BYTES
    return done
      ? { found: { kind: 'tls', certificate: certificate === 'incomplete' ? null : certificate } }
      : 'wait'
  }

  #tlsSoFar(): Found {
    const first = this.#heard[0]
    if (first === HANDSHAKE || first === ALERT) return { kind: 'tls', certificate: null }
    return this.#said().found
  }
}

/** Who greets like this: RFC 5321 §4.2, RFC 3501 §7.1, RFC 1939 §3, RFC 9112 §4. */
export function speechOf(text: string): Speech {
  if (/^\* (OK|PREAUTH|BYE|NO|BAD)\b/i.test(text)) return 'imap'
  if (/^[245]\d\d[ -]/.test(text)) return 'smtp'
  if (/^(\+OK|-ERR)\b/.test(text)) return 'pop3'
  if (/^HTTP\/\d|^<(!doctype|html)/i.test(text)) return 'http'
  return 'other'
}

export interface Cause {
  code: 'tls_mismatch' | 'not_mail_server'
  message: string
}

/** What is wrong with a server that shows itself like this. Null where it may be right after all, or cannot be told. */
export function causeOf(
  found: Found,
  wanted: { protocol: MailProtocol; security: 'tls' | 'starttls' | 'plain' },
): Cause | null {
  const { protocol, security } = wanted
  if (found.kind === 'words' && found.speech !== protocol) return wrongServer(found.speech, protocol)
  if (found.kind === 'words')
    return security === 'tls' ? { code: 'tls_mismatch', message: clearPort(protocol) } : null
  if (found.kind === 'tls' && security !== 'tls') return { code: 'tls_mismatch', message: tlsPort(protocol) }
  return null
}

export function wrongServer(speech: Speech, protocol: MailProtocol): Cause {
  const wanted = protocol === 'imap' ? 'an IMAP server' : 'an SMTP server'
  const named = {
    imap: 'an IMAP server',
    smtp: 'an SMTP server',
    pop3: 'a POP3 server',
    http: 'a web server',
  }
  const answers = speech === 'other' ? 'something else' : named[speech]
  return { code: 'not_mail_server', message: `What answers on this port is ${answers}, not ${wanted}.` }
}

function clearPort(protocol: MailProtocol): string {
  const ports = protocol === 'imap' ? '993, or 143 with STARTTLS' : '465, or 587 with STARTTLS'
  return `This port does not speak TLS from the first byte. The usual port is ${ports}.`
}

function tlsPort(protocol: MailProtocol): string {
  const port = protocol === 'imap' ? '993' : '465'
  return `This port speaks TLS from the first byte, and not STARTTLS. The usual port for that is ${port}.`
}

/** RFC 5321 §4.2.1: the last line of a reply has a blank after its code. */
function isWholeReply(text: string): boolean {
  return /^\d{3}(?: [^\n]*)?\r?\n$/m.test(text) && text.endsWith('\n')
}

const HANDSHAKE = 22
const ALERT = 21
const CERTIFICATE = 11
const DONE = 14

/** RFC 5246 §7.4.1.2, with the extensions without which servers refuse: name, groups, points, signatures. */
export function clientHello(host: string, random: Uint8Array): Uint8Array {
  const isName = /[a-z]/i.test(host) && !host.includes(':')
  const ciphers = [
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f, 0x35, 0xff,
  ]
  const extensions = [
    ...(isName ? extension(0, vector(2, [0, ...vector(2, [...ascii(host)])])) : []),
    ...extension(10, vector(2, [29, 23, 24].flatMap(u16))),
    ...extension(11, vector(1, [0])),
    ...extension(
      13,
      vector(
        2,
        [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0603, 0x0806, 0x0601, 0x0201].flatMap(u16),
      ),
    ),
  ]
  const body = [
    ...u16(0x0303),
    ...random.slice(0, 32),
    0, // no session
    ...vector(2, ciphers.flatMap(u16)),
    ...vector(1, [0]), // no compression
    ...vector(2, extensions),
  ]
  return Uint8Array.from([HANDSHAKE, ...u16(0x0301), ...vector(2, [1, ...vector(3, body)])])
}

/** The server's own certificate, the first of its chain, out of the records so far. Null where it will not come. */
export function certificateIn(bytes: Uint8Array): Uint8Array | null | 'incomplete' {
  const shakes: number[] = []
  let at = 0
  for (; at + 5 <= bytes.length; ) {
    const length = read(bytes, at + 3, 2)
    if (bytes[at] !== HANDSHAKE) return null
    // A certificate is longer than some records, and continues in the next; half a record is good too.
    for (const byte of bytes.subarray(at + 5, at + 5 + length)) shakes.push(byte)
    at += 5 + length
  }
  const messages = Uint8Array.from(shakes)
  for (let start = 0; start + 4 <= messages.length; ) {
    const length = read(messages, start + 1, 3)
    if (messages[start] === DONE) return null
    if (start + 4 + length > messages.length) return 'incomplete'
    if (messages[start] === CERTIFICATE) {
      const first = read(messages, start + 7, 3)
      const end = start + 10 + first
      return end <= start + 4 + length ? messages.slice(start + 10, end) : null
    }
    start += 4 + length
  }
  return 'incomplete'
}

function read(bytes: Uint8Array, at: number, size: number): number {
  let value = 0
  for (let n = 0; n < size; n++) value = value * 256 + (bytes[at + n] ?? 0)
  return value
}

function u16(value: number): number[] {
  return [value >> 8, value & 255]
}

/** `bytes` with their length before them, in `size` bytes. */
function vector(size: number, bytes: number[]): number[] {
  const head = Array.from({ length: size }, (_, n) => (bytes.length >> (8 * (size - 1 - n))) & 255)
  return [...head, ...bytes]
}

function extension(kind: number, bytes: number[]): number[] {
  return [...u16(kind), ...vector(2, bytes)]
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, character => character.charCodeAt(0) & 127)
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 2_048))
}
