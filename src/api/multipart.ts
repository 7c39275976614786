/**
 * Forms (multipart/form-data) read as they come, so that a file of any size goes by without being held: RFC 7578, with the delimiters of
 * RFC 2046 §5.1.1. File names are read as browsers (HTML §4.10.21.8), curl, Go and Python's requests write them. Time is linear in what
 * comes; held at once are a piece of 64 KB and what may be the beginning of a delimiter, or the head of a part.
 */

/** It is no form, or it ended in the middle. */
export class BrokenForm extends Error {
  override name = 'BrokenForm'
}

/** All of it together is more than was allowed. */
export class FormTooLarge extends Error {
  override name = 'FormTooLarge'
}

export interface FormPart {
  name: string
  /** null where it is no file but a value. */
  filename: string | null
  /** Media type without parameters; null where none was given. */
  type: string | null
  /** Bytes as they come, good until the next are asked for; null at the end of the part. */
  read(): Promise<Uint8Array | null>
}

/** The boundary that a Content-Type names: 1 to 70 characters (RFC 2046 §5.1.1). */
export function boundaryOf(contentType: string): string | null {
  const match = /;\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType)
  const boundary = match?.[1] ?? match?.[2] ?? ''
  return /^[!-~ ]{0,69}[!-~]$/.test(boundary) ? boundary : null
}

/**
 * The parts one after the other. One that nobody read, or not to its end, is passed over.
 *
 * @param most bytes of the whole form
 * @throws BrokenForm, FormTooLarge
 */
export async function* readForm(
  source: ReadableStream<Uint8Array>,
  boundary: string,
  most: number,
): AsyncGenerator<FormPart> {
  const input = new Input(source, boundary, most)
  try {
    // What stands before the first delimiter is no part.
    await input.skip()
    while (await input.hasPart()) {
      yield { ...described(await input.head()), read: () => input.piece() }
      await input.skip()
    }
  } finally {
    await input.cancel()
  }
}

const PIECE_BYTES = 64 * 1024
const MOST_HEAD = 8 * 1024
const [TAB, LF, CR, SPACE, DASH] = [9, 10, 13, 32, 45]
const LINE_END = Uint8Array.of(CR, LF)
const BLANK_LINE = Uint8Array.of(CR, LF, CR, LF)

class Input {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #delimiter: Uint8Array
  readonly #most: number
  /** Of what came, what is not in the buffer yet. */
  #chunk: Uint8Array = new Uint8Array(0)
  #came = 0
  /** The first delimiter stands at the beginning of a line, as every other, which may be the first. */
  #buffer: Uint8Array = LINE_END.slice()
  #from = 0
  #to = LINE_END.length
  #atEnd = false

  constructor(source: ReadableStream<Uint8Array>, boundary: string, most: number) {
    this.#reader = source.getReader()
    this.#delimiter = new TextEncoder().encode(`\r\n--${boundary}`)
    this.#most = most
  }

  /** What certainly stands before the next delimiter; null at the delimiter, which is then behind. */
  async piece(): Promise<Uint8Array | null> {
    while (!this.#atEnd) {
      const held = this.#held()
      const end = indexOf(held, this.#delimiter)
      if (end === 0) {
        this.#from += this.#delimiter.length
        this.#atEnd = true
        break
      }
      const sure = end > 0 ? end : held.length - begun(held, this.#delimiter)
      if (sure > 0) {
        this.#from += sure
        return held.subarray(0, sure)
      }
      await this.#mustCome()
    }
    return null
  }

  async skip(): Promise<void> {
    while ((await this.piece()) !== null);
  }

  /** Behind a delimiter: whether a part follows, whose head begins with the end of this line. */
  async hasPart(): Promise<boolean> {
    while (this.#held().length < 2) await this.#mustCome()
    if (this.#held()[0] === DASH && this.#held()[1] === DASH) return false
    for (;;) {
      while (this.#held().length < 2) await this.#mustCome()
      const [first, second] = this.#held()
      if (first === CR && second === LF) return true
      if (first !== SPACE && first !== TAB) throw new BrokenForm('a delimiter does not end its line')
      this.#from++
    }
  }

  /** The header fields of a part, and what follows is its body. */
  async head(): Promise<string> {
    for (let seen = 0; ; ) {
      const held = this.#held()
      const end = indexOf(held, BLANK_LINE, Math.max(0, seen - BLANK_LINE.length))
      if ((end === -1 ? held.length : end) > MOST_HEAD) throw new BrokenForm('the head of a part is too long')
      if (end !== -1) {
        this.#from += end + BLANK_LINE.length
        this.#atEnd = false
        return new TextDecoder().decode(held.subarray(0, end))
      }
      seen = held.length
      await this.#mustCome()
    }
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => {})
  }

  #held(): Uint8Array {
    return this.#buffer.subarray(this.#from, this.#to)
  }

  async #mustCome(): Promise<void> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#reader.read()
      if (done) throw new BrokenForm('the form ended in the middle')
      this.#chunk = value
      this.#came += value.length
      if (this.#came > this.#most) throw new FormTooLarge()
    }
    const piece = this.#chunk.subarray(0, PIECE_BYTES)
    this.#chunk = this.#chunk.subarray(piece.length)
    this.#makeRoom(piece.length)
    this.#buffer.set(piece, this.#to)
    this.#to += piece.length
  }

  /** At least half of the buffer is free afterwards, so that what is held is not moved for every byte that comes. */
  #makeRoom(length: number): void {
    if (this.#to + length <= this.#buffer.length) return
    const held = this.#held()
    const needed = 2 * (held.length + length)
    const buffer = needed > this.#buffer.length ? new Uint8Array(needed) : this.#buffer
    buffer.set(held)
    this.#buffer = buffer
    this.#from = 0
    this.#to = held.length
  }
}

/** Where `sought`, which begins with CR, stands; -1 where it does not. */
function indexOf(bytes: Uint8Array, sought: Uint8Array, from = 0): number {
  for (let at = bytes.indexOf(CR, from); at !== -1; at = bytes.indexOf(CR, at + 1))
    if (at + sought.length <= bytes.length && matches(bytes, at, sought, sought.length)) return at
  return -1
}

/** How many of the last bytes may be the beginning of a delimiter. It has one CR, its first byte, so only the last CR counts. */
function begun(bytes: Uint8Array, delimiter: Uint8Array): number {
  const at = bytes.lastIndexOf(CR)
  const length = bytes.length - at
  return at !== -1 && length < delimiter.length && matches(bytes, at, delimiter, length) ? length : 0
}

function matches(bytes: Uint8Array, at: number, sought: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[at + i] !== sought[i]) return false
  return true
}

function described(head: string): Pick<FormPart, 'name' | 'filename' | 'type'> {
  const fields = new Map(
    head
      // RFC 5322 §2.2.3: a line that begins with a blank goes on with the one before.
      .replaceAll(/\r\n[ \t]+/g, ' ')
      .split('\r\n')
      .map(line => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()] as const
      }),
  )
  const disposition = fields.get('content-disposition') ?? ''
  const parameters = parametersOf(disposition)
  const name = parameters.get('name')
  if (!/^form-data\s*;/i.test(disposition) || name === undefined)
    throw new BrokenForm('a part does not say what field it is')
  const extended = extendedValue(parameters.get('filename*') ?? '')
  return {
    name,
    filename: extended ?? parameters.get('filename') ?? null,
    type: /^[^;]*/.exec(fields.get('content-type') ?? '')![0].trim() || null,
  }
}

/** Of a header field's value, by their names in lower case. */
function parametersOf(value: string): Map<string, string> {
  const found = new Map<string, string>()
  const parameter = /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*/gy
  parameter.lastIndex = Math.max(0, value.indexOf(';'))
  for (const [, name, quoted, token = ''] of value.matchAll(parameter))
    found.set(name!.toLowerCase(), quoted === undefined ? token : unquoted(quoted))
  return found
}

/** Programs write a quote as `\"`, browsers as `%22`; no browser escapes a backslash, so before anything else it is one. */
function unquoted(text: string): string {
  return text
    .replaceAll(/\\(["\\])/g, '$1')
    .replaceAll(/%(22|0D|0A)/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** RFC 8187 §3.2. RFC 7578 §4.2 forbids it in forms, and older versions of Python's requests write it all the same. */
function extendedValue(text: string): string | null {
  const [, charset, encoded = ''] = /^(utf-8|iso-8859-1)'[^']*'(.*)$/i.exec(text) ?? []
  if (charset === undefined) return null
  if (charset.toLowerCase() !== 'utf-8')
    return encoded.replaceAll(/%([\da-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
  try {
    return decodeURIComponent(encoded)
  } catch {
    return null
  }
}
