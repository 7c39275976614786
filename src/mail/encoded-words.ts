/**
 * Text of header fields: encoded-words (RFC 2047) and what stands between them, raw bytes of some charset included. Fields come
 * as one character a byte, so nothing is decoded twice. Words that follow each other in one charset are put together as bytes
 * first: programs split them inside a character. One pass; never throws.
 */
import { bytesOf, decodeText, encodingNamed } from './charset.ts'
import { fromBase64, hexByte } from './transfer-encoding.ts'

export interface Words {
  text: string
  /** Some charset had to be guessed. */
  guessed: boolean
}

/** `raw`: one character a byte; `otherwise`: the charset that raw eight-bit text which is no UTF-8 is probably in. */
export function decodeWords(raw: string, otherwise: string): Words {
  let guessed = false
  const text = textRuns(raw, otherwise).map(run => {
    guessed ||= run.guessed
    return run.text
  })
  return { text: text.join(''), guessed }
}

/** A stretch of a field: what encoded-words say, or what stands between them. */
export interface Run {
  text: string
  encoded: boolean
  guessed: boolean
}

export function textRuns(raw: string, otherwise: string): Run[] {
  const done: Run[] = []
  const literal = (text: string) => {
    if (text !== '') done.push({ ...decodeText(bytesOf(text), null, otherwise), encoded: false })
  }
  let open: Word[] = []
  const close = () => {
    if (open.length > 0) done.push({ ...decodeText(bytesOfWords(open), open[0]!.charset), encoded: true })
    open = []
  }
  let at = 0
  for (const next of wordsIn(raw)) {
    const between = raw.slice(at, next.start)
    // Blanks between two encoded-words only part them (RFC 2047 §6.2).
    const joined = open.length > 0 && between.trim() === ''
    if (!joined || !sameCharset(open[0]!, next)) close()
    if (!joined) literal(between)
    open.push(next)
    at = next.end
  }
  close()
  literal(raw.slice(at))
  return done
}

interface Word {
  charset: string
  encoding: string
  payload: string
  start: number
  end: number
}

const BEGINS = /=\?([^?\s]{1,80})\?([bq])\?/gi

/**
 * The encoded-words of a field. Their text may hold blanks, which mail has though it must not; it ends at `?=`, or where the next
 * word begins without one, or with a field that was cut.
 */
function wordsIn(raw: string): Word[] {
  return [...raw.matchAll(BEGINS)].flatMap((begins, i, all) => {
    const start = begins.index
    const text = start + begins[0].length
    const rest = raw.slice(text, all[i + 1]?.index)
    const close = rest.indexOf('?=')
    if (close < 0 && i === all.length - 1 && !/^[\w+/=-]*$/.test(rest)) return []
    const payload = close < 0 ? rest.trimEnd().replace(/\?$/, '') : rest.slice(0, close)
    const end = text + (close < 0 ? rest.trimEnd().length : close + 2)
    // RFC 2231 §5: a language may follow the charset.
    return [
      { charset: begins[1]!.replace(/\*.*$/s, ''), encoding: begins[2]!.toLowerCase(), payload, start, end },
    ]
  })
}

function sameCharset(a: Word, b: Word): boolean {
  return (
    a.charset.toLowerCase() === b.charset.toLowerCase() ||
    encodingNamed(a.charset) === encodingNamed(b.charset)
  )
}

/** Base64 that ends inside a unit goes on in the next word. */
function bytesOfWords(words: readonly Word[]): Uint8Array {
  const bytes: Uint8Array[] = []
  let digits = ''
  for (const [i, word] of words.entries()) {
    if (word.encoding === 'q') bytes.push(fromQ(word.payload))
    else {
      digits += word.payload
      if (words[i + 1]?.encoding === 'b' && digits.length % 4 !== 0) continue
      bytes.push(fromBase64(bytesOf(digits)).bytes)
      digits = ''
    }
  }
  return joined(bytes)
}

/** RFC 2047 §4.2: an underline is a blank; blanks that a line was broken with inside an escape are passed over. */
function fromQ(payload: string): Uint8Array {
  const out = new Uint8Array(payload.length)
  let length = 0
  for (let i = 0; i < payload.length; i++) {
    const code = payload.charCodeAt(i)
    const value = code === 0x3d ? hexByte(payload.charCodeAt(i + 1), payload.charCodeAt(i + 2)) : -1
    if (value >= 0) i += 2
    out[length++] = value >= 0 ? value : code === 0x5f ? 0x20 : code
  }
  return out.subarray(0, length)
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
