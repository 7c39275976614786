/**
 * What a part's Content-Transfer-Encoding (RFC 2045 §6) hides → its bytes, in one pass. What is broken in it is passed over or
 * kept as it came, and `broken` says so: a damaged letter is still a letter.
 */

export interface Unwrapped {
  bytes: Uint8Array
  broken: boolean
}

/** `encoding` as the header has it. Bytes in 7bit, 8bit, binary and what does not exist are themselves: a view, not a copy. */
export function unwrap(body: Uint8Array, encoding: string): Unwrapped {
  const name = encoding.toLowerCase().replace(/\([^()]*\)|[^a-z0-9]/g, '')
  if (name.startsWith('base64')) return fromBase64(body)
  if (name.startsWith('quotedprintable')) return fromQuotedPrintable(body)
  if (/^x?uu(?:encode|e)?/.test(name)) return fromUuencode(body)
  return { bytes: body, broken: false }
}

/** The sextet of each base64 digit; 64 for the padding, 255 for what is none. RFC 4648 §4. */
export const BASE64 = new Uint8Array(256).fill(255)
for (const [value, digit] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=',
].entries())
  BASE64[digit.charCodeAt(0)] = value

/**
 * Padding ends a unit and another may follow, as where every line is padded, or two files were put together. More than a sixth of
 * other signs, blanks inside lines among them, and it is no base64 whatever the header says; the bytes then stay as they came.
 */
export function fromBase64(body: Uint8Array): Unwrapped {
  const out = new Uint8Array(Math.ceil(body.length / 4) * 3)
  let [length, bits, digits, foreign, lone] = [0, 0, 0, 0, 0]
  for (let i = 0; i < body.length; i++) {
    const value = BASE64[body[i]!]!
    if (value < 64) {
      bits = (bits << 6) | value
      if (++digits === 4) {
        out[length++] = bits >> 16
        out[length++] = bits >> 8
        out[length++] = bits
        bits = digits = 0
      }
    } else if (value === 64) {
      if (digits > 0) {
        length = flush(out, length, bits, digits)
        if (digits === 1) lone++
        bits = digits = 0
      }
    } else if (!isLineEnd(body, i)) foreign++
  }
  length = flush(out, length, bits, digits)
  if (digits === 1) lone++
  if (foreign * 6 > body.length) return { bytes: body, broken: true }
  return { bytes: out.subarray(0, length), broken: foreign + lone > 0 }
}

/** The bytes of a unit of fewer than four digits; one digit alone is none. */
function flush(out: Uint8Array, length: number, bits: number, digits: number): number {
  if (digits === 2) out[length++] = bits >> 4
  if (digits === 3) {
    out[length++] = bits >> 10
    out[length++] = bits >> 2
  }
  return length
}

const isBlank = (byte: number | undefined) => byte === 0x20 || byte === 0x09
const isBreak = (byte: number | undefined) => byte === 0x0a || byte === 0x0d || byte === undefined

/** A line's end, or a blank beside one or beside another: what a mail server or an editor may have put in. */
function isLineEnd(body: Uint8Array, i: number): boolean {
  const byte = body[i]
  if (isBreak(byte)) return true
  if (!isBlank(byte)) return false
  const [before, after] = [body[i - 1], body[i + 1]]
  return isBreak(before) || isBlank(before) || isBreak(after) || isBlank(after)
}

const HEX = new Int8Array(256).fill(-1)
for (const [value, digit] of [...'0123456789ABCDEF'].entries()) {
  HEX[digit.charCodeAt(0)] = value
  HEX[digit.toLowerCase().charCodeAt(0)] = value
}

/** The value of two hexadecimal digits, or -1. */
export function hexByte(high: number | undefined, low: number | undefined): number {
  const a = HEX[(high ?? 0) & 0xff]!
  const b = HEX[(low ?? 0) & 0xff]!
  return a < 0 || b < 0 ? -1 : (a << 4) | b
}

/** RFC 2045 §6.7: blanks at a line's end were put there on the way and go (rule 3); `=` there joins it with the next (rule 5). */
function fromQuotedPrintable(body: Uint8Array): Unwrapped {
  const out = new Uint8Array(body.length)
  let length = 0
  let broken = false
  /** Where the blanks begin that the output ends with. */
  let blanks = 0
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]!
    if (isBlank(byte)) {
      out[length++] = byte
      continue
    }
    if (byte === 0x0a || (byte === 0x0d && body[i + 1] === 0x0a)) length = blanks
    if (byte !== 0x3d) out[length++] = byte
    else {
      const value = hexByte(body[i + 1], body[i + 2])
      if (value >= 0) {
        out[length++] = value
        i += 2
      } else {
        const next = softBreak(body, i + 1)
        if (next < 0) {
          broken = true
          out[length++] = byte
        } else i = next
      }
    }
    blanks = length
  }
  if (isBlank(body.at(-1))) length = blanks
  return { bytes: out.subarray(0, length), broken }
}

/** The last byte of a soft line break that begins after an `=`, blanks before the line's end allowed; -1 where it is none. */
function softBreak(body: Uint8Array, from: number): number {
  let i = from
  while (isBlank(body[i])) i++
  while (body[i] === 0x0d) i++
  return i >= body.length || body[i] === 0x0a ? i : -1
}

/**
 * Between `begin 644 name` and `end`, lines of a length sign and of four signs for three bytes (POSIX uuencode). Elsewhere it is
 * text.
 */
function fromUuencode(body: Uint8Array): Unwrapped {
  const out = new Uint8Array(body.length)
  let length = 0
  let inside = false
  let line = 0
  for (let i = 0; i <= body.length; i++) {
    if (i < body.length && body[i] !== 0x0a) continue
    if (!inside) inside = startsWith(body, line, 'begin ')
    else if (startsWith(body, line, 'end')) return { bytes: out.subarray(0, length), broken: false }
    else length = uuLine(body, line, i, out, length)
    line = i + 1
  }
  return { bytes: length > 0 ? out.subarray(0, length) : body, broken: body.some(byte => byte > 0x20) }
}

function uuLine(body: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
  const sextet = (i: number) => ((i < to ? body[i]! : 32) - 32) & 63
  let length = at
  let left = from < to ? sextet(from) : 0
  for (let i = from + 1; i < to && left > 0; i += 4, left -= 3) {
    const bits = (sextet(i) << 18) | (sextet(i + 1) << 12) | (sextet(i + 2) << 6) | sextet(i + 3)
    out[length++] = bits >> 16
    if (left > 1) out[length++] = bits >> 8
    if (left > 2) out[length++] = bits
  }
  return length
}

function startsWith(body: Uint8Array, from: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (body[from + i] !== text.charCodeAt(i)) return false
  return true
}
