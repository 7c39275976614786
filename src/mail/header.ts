/**
 * The header block of a mail or of one of its parts: its fields, still as bytes (a string with one character a byte), and what
 * the structured ones among them say. RFC 5322 §2.2, RFC 2045 §5.1, RFC 2183, RFC 2231; lenient wherever mail is.
 */
import { bytesOf, charsOf, decodeText } from './charset.ts'
import { decodeWords } from './encoded-words.ts'

/** A field of a header block: the name lower-cased, the value unfolded, one character a byte, without NUL. */
export interface Field {
  name: string
  raw: string
}

/** An honest header block has a few dozen fields, an honest field a few hundred recipients. */
const FIELDS = 1_000
const FIELD_BYTES = 64 * 1024
const HEADER_BYTES = 256 * 1024
/** What is kept of each field once all of them together are too long. */
const SHORT_BYTES = 1_000

export interface Fields {
  fields: Field[]
  /** Some field was too long to be kept whole, or there were too many. */
  cut: boolean
}

/**
 * The fields of a block. A line that is neither a field nor begins with a blank goes on with the field before it: it was badly
 * broken.
 */
export function readFields(bytes: Uint8Array): Fields {
  const fields: Field[] = []
  const value = new Uint8Array(Math.min(FIELD_BYTES, bytes.length))
  let cut = false
  let kept = 0
  let length = 0
  let name: string | null = null
  const close = () => {
    if (name !== null) fields.push({ name, raw: charsOf(value, 0, length).trim() })
    name = null
  }
  for (let at = 0; at < bytes.length; ) {
    const end = lineEnd(bytes, at)
    const colon = isBlank(bytes[at]) ? -1 : nameEnd(bytes, at)
    if (colon >= 0) {
      close()
      if (fields.length === FIELDS) return { fields, cut: true }
      name = charsOf(bytes, at, colon).toLowerCase()
      length = 0
      at = bytes.indexOf(0x3a, colon) + 1
    }
    const most = kept > HEADER_BYTES ? SHORT_BYTES : value.length
    if (name !== null && end > at) {
      const apart = colon < 0 && !isBlank(bytes[at]) ? 1 : 0
      const to = Math.min(end, at + most - length - apart)
      if (to < end) cut = true
      if (apart && to > at) value[length++] = 0x20
      for (let i = at; i < to; i++) value[length++] = bytes[i]!
      kept += Math.max(0, to - at)
    }
    at = nextLine(bytes, end)
  }
  close()
  return { fields, cut }
}

const isBlank = (byte: number | undefined) => byte === 0x20 || byte === 0x09

/** Where the line's text ends: before LF, CR LF, or several CRs and LF. */
export function lineEnd(bytes: Uint8Array, at: number): number {
  let end = at
  while (end < bytes.length && bytes[end] !== 0x0a) end++
  while (end > at && bytes[end - 1] === 0x0d) end--
  return end
}

function nextLine(bytes: Uint8Array, end: number): number {
  let at = end
  while (at < bytes.length && bytes[at] !== 0x0a) at++
  return at + 1
}

/**
 * Where the name of the field ends that begins here; -1 where none does. RFC 5322 §3.6.8; blanks before the colon are obsolete
 * (§4.5).
 */
export function nameEnd(bytes: Uint8Array, at: number): number {
  let end = at
  while (end < bytes.length && bytes[end]! > 0x20 && bytes[end]! < 0x7f && bytes[end] !== 0x3a) end++
  if (end === at) return -1
  let colon = end
  while (isBlank(bytes[colon])) colon++
  return bytes[colon] === 0x3a ? end : -1
}

/** The value of a Content-Type or Content-Disposition. */
export interface Structured {
  /** What stands before the parameters, lower-cased. */
  value: string
  parameters: Map<string, Parameter>
}

export interface Parameter {
  raw: string
  /** RFC 2231: it was percent-encoded, in this charset (null: named none); undefined where it was not. */
  charset?: string | null
}

const PARAMETERS = 200

/** The first of two parameters of one name counts. A missing semicolon is put in where a name and `=` follow (mail has it). */
export function structured(raw: string): Structured {
  const parameters = new Map<string, Parameter>()
  const pieces = new Map<string, Piece[]>()
  const head = new Scanner(raw)
  const value = head.token().toLowerCase()
  for (let count = 0; !head.atEnd() && count < PARAMETERS; count++) {
    const name = head.name().toLowerCase()
    if (!head.takes('=')) {
      head.skipOne(name === '')
      continue
    }
    const given = head.value(/^(?:file)?name/.test(name))
    const star = /^([^*]+)(?:\*(\d{1,4}))?(\*)?$/.exec(name)
    if (!star) continue
    const [, base, number, encoded] = star
    if (number === undefined && encoded === undefined) {
      if (!parameters.has(name)) parameters.set(name, { raw: given })
    } else {
      const list = pieces.get(base!) ?? []
      list.push({ at: Number(number ?? 0), raw: given, encoded: encoded !== undefined })
      pieces.set(base!, list)
    }
  }
  for (const [name, list] of pieces) parameters.set(name, putTogether(list))
  return { value, parameters }
}

interface Piece {
  at: number
  raw: string
  encoded: boolean
}

/** RFC 2231 §3 and §4: pieces in the order of their numbers, the charset before the first of them. */
function putTogether(pieces: Piece[]): Parameter {
  const sorted = pieces.toSorted((a, b) => a.at - b.at)
  const prefix = sorted[0]!.encoded ? /^([^']*)'[^']*'/.exec(sorted[0]!.raw) : null
  const raw = sorted
    .map(({ raw, encoded }, i) => {
      const given = i === 0 && prefix ? raw.slice(prefix[0].length) : raw
      return encoded ? percentDecoded(given) : given
    })
    .join('')
  return sorted.some(piece => piece.encoded) ? { raw, charset: prefix?.[1] || null } : { raw }
}

function percentDecoded(raw: string): string {
  return raw.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/**
 * A parameter as text: percent-encoded, or raw eight-bit, or with encoded-words, which RFC 2047 §5 forbids there and mail is full
 * of.
 */
export function parameterText(parameter: Parameter | undefined, otherwise: string): string | null {
  if (parameter === undefined) return null
  if (parameter.charset !== undefined)
    return decodeText(bytesOf(parameter.raw), parameter.charset, otherwise).text
  return decodeWords(parameter.raw, otherwise).text
}

/** One pass over a structured value. */
class Scanner {
  #raw: string
  #at = 0
  #hasComments = true

  constructor(raw: string) {
    this.#raw = raw
  }

  atEnd(): boolean {
    this.#blanks()
    return this.#at >= this.#raw.length
  }

  /** A word: up to a blank, a semicolon, a comment. */
  token(): string {
    this.#blanks()
    return this.#while(/[^\s;,(]*/y)
  }

  name(): string {
    this.#blanks()
    return this.#while(/[^\s;=(]*/y)
  }

  takes(sign: string): boolean {
    this.#blanks()
    if (this.#raw[this.#at] !== sign) return false
    this.#at++
    return true
  }

  skipOne(stuck: boolean): void {
    if (stuck || this.#raw[this.#at] === ';') this.#at++
  }

  /** A quoted string, or all up to the semicolon. Names of files keep their brackets; elsewhere they are comments. */
  value(isName: boolean): string {
    this.#while(/\s*/y)
    if (this.#raw[this.#at] === '"') return this.#quoted()
    const given = this.#while(/[^;\s]*(?:[ \t]+(?![ \t]|[\w*-]+=)[^;\s]*)*/y)
    return (isName ? given : given.replace(/\s\(.*$/s, '')).trim()
  }

  /** Only `\"` and `\\` are escapes: Windows writes its paths in here. */
  #quoted(): string {
    const inside = this.#while(/"(?:[^"\\]|\\.)*"?/sy).slice(1)
    return (inside.endsWith('"') ? inside.slice(0, -1) : inside).replace(/\\(["\\])/g, '$1')
  }

  /**
   * Blanks, commas and comments, which nest (RFC 5322 §3.2.2); a bracket that is never closed is no comment, nor is any after it.
   */
  #blanks(): void {
    for (;;) {
      this.#while(/[\s,]*/y)
      if (this.#raw[this.#at] !== '(') return
      this.#at = this.#hasComments ? this.#commentEnd() : this.#at + 1
    }
  }

  #commentEnd(): number {
    let depth = 0
    for (let i = this.#at; i < this.#raw.length; i++) {
      const sign = this.#raw[i]
      if (sign === '\\') i++
      else if (sign === '(') depth++
      else if (sign === ')' && --depth === 0) return i + 1
    }
    this.#hasComments = false
    return this.#at + 1
  }

  #while(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#raw)?.[0] ?? ''
    this.#at += found.length
    return found
  }
}
