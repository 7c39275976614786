/**
 * The parts of a mail (RFC 2045, RFC 2046), as views on its bytes: nothing is copied, nothing decoded. One pass over the lines,
 * whatever stands in them; nesting and parts are counted and cut.
 *
 * Own code, since a parser that gives text and files keeps too little of what reading promises: the bytes of a text file
 * (postal-mime 4.0 rewrites its line ends), where an encoding is broken, which charset was guessed, the parameters of a type. And
 * it takes an object or two for every line: 21 s for a megabyte of line ends, 1.2 GB for a text of 25 MB.
 * test/domain/postal-mime.test.ts has what it says.
 */
import { type Field, nameEnd, readFields, type Structured, structured } from './header.ts'

export interface Part {
  fields: Field[]
  /** `text/plain`; never anything that is no type. */
  type: string
  parameters: Structured['parameters']
  disposition: Structured
  /**
   * As it stands in the mail, still in its transfer encoding, without the line end that belongs to the boundary. Of a multipart, what
   * stands before its first part.
   */
  body: Uint8Array
  /** Of a multipart; a multipart in which no part begins has none. */
  parts: Part[]
}

export interface Tree {
  root: Part
  /** `headers_cut`, `long_headers`, `bad_content_type`, `too_deep`, `many_parts`, `too_many_parts` */
  flags: Set<string>
}

const PARTS = 1_000
/** Beyond these a mail is read like any other, and said to be odd. */
const USUAL_PARTS = 100
const USUAL_HEADER_BYTES = 32 * 1024
const NESTING = 50
const BOUNDARY_BYTES = 250

const [LF, CR, DASH] = [0x0a, 0x0d, 0x2d]

export function mimeTree(raw: Uint8Array): Tree {
  const flags = new Set<string>()
  const lines = new Lines(raw)
  const root = emptyPart()
  let part = root
  let at = rootStart(raw)
  for (let count = 1; ; count++) {
    const head = lines.headerFrom(at, part === root)
    readHeader(part, raw.subarray(at, head.end), lines.innermost()?.part, flags)
    const boundary = boundaryOf(part)
    const tooDeep = boundary !== null && lines.depth() === NESTING
    if (tooDeep) flags.add('too_deep')
    else if (boundary !== null) lines.open(part, boundary)
    let stop = lines.delimiterFrom(head.body)
    if (!tooDeep) part.body = raw.subarray(head.body, Math.max(head.body, beforeLineEnd(raw, stop)))
    // What follows a closing delimiter, up to the next part of an outer multipart, is nobody's (RFC 2046 §5.1.1).
    while (stop.closes) stop = lines.delimiterFrom(stop.next)
    const parent = lines.innermost()
    if (stop.at === raw.length || !parent) break
    if (count === USUAL_PARTS) flags.add('many_parts')
    if (count === PARTS) {
      flags.add('too_many_parts')
      break
    }
    part = emptyPart()
    parent.part.parts.push(part)
    at = stop.next
  }
  return { root, flags }
}

function emptyPart(): Part {
  const none = { value: '', parameters: new Map() }
  return {
    fields: [],
    type: 'text/plain',
    parameters: none.parameters,
    disposition: none,
    body: new Uint8Array(),
    parts: [],
  }
}

/** A byte order mark, and empty lines before a field of a mail, are no part of it. */
function rootStart(raw: Uint8Array): number {
  const mark = raw[0] === 0xef && raw[1] === 0xbb && raw[2] === 0xbf ? 3 : 0
  let at = mark
  while (raw[at] === LF || raw[at] === CR) at++
  return nameEnd(raw, at) > 0 ? at : mark
}

function readHeader(part: Part, block: Uint8Array, parent: Part | undefined, flags: Set<string>): void {
  const { fields, cut } = readFields(block)
  part.fields = fields
  if (cut) flags.add('headers_cut')
  if (block.length > USUAL_HEADER_BYTES) flags.add('long_headers')
  const given = fields.filter(field => field.name === 'content-type' && field.raw !== '')
  const types = given.map(field => structured(field.raw))
  const type = types.find(one => typeOf(one) !== null)
  if (types.some(one => typeOf(one) === null || typeOf(one) !== typeOf(types[0]!)))
    flags.add('bad_content_type')
  part.disposition = structured(fields.find(field => field.name === 'content-disposition')?.raw ?? '')
  part.type = (type && typeOf(type)) ?? otherType(part, types.length > 0, parent)
  part.parameters = (type ?? types[0])?.parameters ?? new Map()
}

/**
 * What has no type: in a digest a mail (RFC 2046 §5.1.5), else text (RFC 2045 §5.2); but a file of a type that is none is any
 * bytes.
 */
function otherType(part: Part, isBroken: boolean, parent: Part | undefined): string {
  if (isBroken) return part.disposition.value === 'attachment' ? 'application/octet-stream' : 'text/plain'
  return parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
}

/** Null for what is no type; but a multipart that does not say of which kind has parts all the same. */
function typeOf({ value }: Structured): string | null {
  return value === 'multipart'
    ? 'multipart/mixed'
    : (/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+/.exec(value)?.[0] ?? null)
}

function boundaryOf(part: Part): string | null {
  if (!part.type.startsWith('multipart/')) return null
  const boundary = part.parameters.get('boundary')?.raw.trimEnd() ?? ''
  return boundary === '' || boundary.length > BOUNDARY_BYTES ? null : boundary
}

/** The line end before a delimiter belongs to it (RFC 2046 §5.1.1). */
function beforeLineEnd(raw: Uint8Array, stop: Stop): number {
  if (stop.at === raw.length) return stop.at
  const end = raw[stop.at - 1] === LF ? stop.at - 1 : stop.at
  return raw[end - 1] === CR && end < stop.at ? end - 1 : end
}

interface Stop {
  /** Where the delimiter's line begins; the end of the mail where there is none. */
  at: number
  /** Where the line after it begins. */
  next: number
  closes: boolean
}

interface Open {
  part: Part
  boundary: Uint8Array
  hash: number
}

/** The lines of the mail, and the multiparts that are open where one reads. */
class Lines {
  #raw: Uint8Array
  #open: Open[] = []
  /** Of the boundaries of the open multiparts: a line is compared with them only where its hash is one of these. */
  #hashes = new Set<number>()
  #longest = 0

  constructor(raw: Uint8Array) {
    this.#raw = raw
  }

  depth(): number {
    return this.#open.length
  }

  innermost(): Open | undefined {
    return this.#open.at(-1)
  }

  open(part: Part, boundary: string): void {
    const bytes = Uint8Array.from(boundary, char => char.charCodeAt(0))
    this.#keep([...this.#open, { part, boundary: bytes, hash: hash(bytes, 0, bytes.length) }])
  }

  #keep(open: Open[]): void {
    this.#open = open
    this.#hashes = new Set(open.map(one => one.hash))
    this.#longest = Math.max(0, ...open.map(one => one.boundary.length))
  }

  /**
   * The header block that begins here, and where the body after it does. A block ends with an empty line or a delimiter; where
   * neither comes, with the first line that is no field. A part that begins with such a line has no header at all.
   */
  headerFrom(at: number, isRoot: boolean): { end: number; body: number } {
    const raw = this.#raw
    let firstOdd = -1
    for (let line = at; line < raw.length; line = this.#lineAfter(line)) {
      const empty = emptyLine(raw, line)
      if (empty > 0) return { end: line, body: empty }
      if (raw[line] === DASH && this.#delimiterAt(line)) return { end: line, body: line }
      if (firstOdd < 0 && raw[line] !== 0x20 && raw[line] !== 0x09 && nameEnd(raw, line) < 0) {
        // Before a mail's fields may stand one line more: the "From " of the mailbox file that it was cut out of.
        if (line === at && !(isRoot && nameEnd(raw, this.#lineAfter(line)) > 0)) return { end: at, body: at }
        if (line > at) firstOdd = line
      }
    }
    return firstOdd < 0 ? { end: raw.length, body: raw.length } : { end: firstOdd, body: firstOdd }
  }

  /**
   * The next line that divides the parts of an open multipart or ends one; that multipart, and on closing the one around it, is
   * innermost then.
   */
  delimiterFrom(from: number): Stop {
    const raw = this.#raw
    if (this.#open.length > 0) {
      let starts = true
      for (let i = from; i < raw.length; i++) {
        if (starts && raw[i] === DASH && raw[i + 1] === DASH) {
          const found = this.#delimiterAt(i)
          if (found) {
            this.#keep(this.#open.slice(0, found.closes ? found.index : found.index + 1))
            return { at: i, next: this.#lineAfter(i), closes: found.closes }
          }
        }
        starts = raw[i] === LF
      }
    }
    return { at: raw.length, next: raw.length, closes: false }
  }

  /** Which of the open multiparts the line divides or closes, the innermost first. Blanks at its end are allowed (§5.1.1). */
  #delimiterAt(line: number): { index: number; closes: boolean } | null {
    const raw = this.#raw
    if (raw[line + 1] !== DASH) return null
    const from = line + 2
    let end = from
    while (end < raw.length && raw[end] !== LF) end++
    while (end > from && (raw[end - 1] === CR || raw[end - 1] === 0x20 || raw[end - 1] === 0x09)) end--
    if (end - from > this.#longest + 2) return null
    const divides = this.#indexOf(from, end)
    if (divides >= 0) return { index: divides, closes: false }
    if (raw[end - 1] !== DASH || raw[end - 2] !== DASH || end - 2 < from) return null
    const closes = this.#indexOf(from, end - 2)
    return closes >= 0 ? { index: closes, closes: true } : null
  }

  #indexOf(from: number, end: number): number {
    if (!this.#hashes.has(hash(this.#raw, from, end))) return -1
    return this.#open.findLastIndex(
      ({ boundary }) =>
        boundary.length === end - from && boundary.every((byte, i) => byte === this.#raw[from + i]),
    )
  }

  #lineAfter(line: number): number {
    let at = line
    while (at < this.#raw.length && this.#raw[at] !== LF) at++
    return at + 1
  }
}

/** Where the line after an empty one begins: CRs and LF, or CRs at the end of all; 0 where the line is not empty. */
function emptyLine(raw: Uint8Array, line: number): number {
  let at = line
  while (raw[at] === CR) at++
  if (raw[at] === LF) return at + 1
  return at === raw.length && at > line ? at : 0
}

function hash(bytes: Uint8Array, from: number, to: number): number {
  let value = to - from
  for (let i = from; i < to; i++) value = (Math.imul(value, 31) + bytes[i]!) | 0
  return value
}
