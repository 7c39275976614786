/**
 * The mailboxes of an address field (RFC 5322 §3.4 and its obsolete forms, §4.4; RFC 6532 for letters beyond ASCII), as far as
 * they can be made out. Groups are their members. What a quoted string or an encoded-word says is a name, whatever it looks like:
 * nobody becomes the sender by his name. One pass.
 *
 * Own code, since postal-mime's parser leaves comments in addresses (`pete(his account)@silly.test`), drops all but the first of
 * several senders, and splits at the commas of encoded-words.
 */
import type { Mailbox } from '../domain/email.ts'
import { textRuns } from './encoded-words.ts'

export interface Mailboxes {
  mailboxes: Mailbox[]
  /** Some charset had to be guessed. */
  guessed: boolean
}

/** `raw`: the field's value, one character a byte; `otherwise`: the charset of raw eight-bit text that is no UTF-8. */
export function readMailboxes(raw: string, otherwise: string): Mailboxes {
  let text = ''
  let guessed = false
  const encoded = new Map<number, string>()
  for (const run of textRuns(raw, otherwise)) {
    guessed ||= run.guessed
    if (run.encoded) encoded.set(text.length, run.text)
    text += run.encoded ? WORD : run.text
  }
  return { mailboxes: new Reader(text, encoded).read(), guessed }
}

/** Stands where an encoded-word stood; fields have no NUL of their own. */
const WORD = '\0'

/** Of a display name, or of an address without angle brackets. */
interface Word {
  text: string
  /** As an address has it: with its quotes. */
  raw: string
  kind: 'atom' | 'quoted' | 'encoded'
  /** Something stands between it and the word before. */
  apart: boolean
}

class Reader {
  #text: string
  /** What encoded-words say, by where they stand. */
  #encoded: ReadonlyMap<number, string>
  #at = 0
  #mailboxes: Mailbox[] = []
  #words: Word[] = []
  #comments: string[] = []
  #angle: string | null = null
  #apart = true
  #inGroup = false
  #hadGroup = false
  /** What only comments say; a name where the field has no other. */
  #remark = ''
  /** Once one was never closed, it and what follows it are read as if none began there. */
  #neverClosed = new Set<'quote' | 'comment'>()

  constructor(text: string, encoded: ReadonlyMap<number, string>) {
    this.#text = text
    this.#encoded = encoded
  }

  read(): Mailbox[] {
    while (this.#at < this.#text.length) this.#next()
    this.#end()
    if (this.#mailboxes.length === 0 && !this.#hadGroup) this.#add(this.#remark, '')
    return this.#mailboxes
  }

  #next(): void {
    const sign = this.#text[this.#at]!
    if (sign === WORD) this.#word(this.#textOf(this.#at, this.#at + 1), 'encoded', this.#at + 1)
    else if (sign === '"') this.#quoted()
    else if (sign === '(') this.#comment()
    else if (sign === '<') this.#bracketed()
    else if (sign === ',' || sign === ';') {
      this.#end()
      if (sign === ';') this.#inGroup = false
      this.#skip()
    } else if (sign === ':' && !this.#inGroup) {
      this.#words = []
      this.#comments = []
      this.#inGroup = true
      this.#hadGroup = true
      this.#skip()
    } else if (sign === ')' || sign === '>' || isBlank(sign)) this.#skip()
    else this.#atom()
  }

  #skip(): void {
    this.#at++
    this.#apart = true
  }

  #word(text: string, kind: Word['kind'], end: number, raw = text): void {
    this.#words.push({ text, raw, kind, apart: this.#apart })
    this.#apart = false
    this.#at = end
  }

  #atom(): void {
    // An IPv6 address literal has colons (RFC 5321 §4.1.3), and so may the members of a group that was never ended.
    const pattern = this.#inGroup ? /[^\s\0"(<>,;)]+/y : /(?:[^\s\0"(<>,;):[]|\[[^\s\0\]<>,;]{0,60}\]?)+/y
    pattern.lastIndex = this.#at
    const text = pattern.exec(this.#text)?.[0] ?? this.#text[this.#at]!
    this.#word(text, 'atom', this.#at + text.length)
  }

  #textOf(from: number, to: number): string {
    const text = this.#text.slice(from, to)
    return text.includes(WORD)
      ? text.replace(/\0/g, (_, at: number) => this.#encoded.get(from + at) ?? '')
      : text
  }

  /** Where the quoted string ends, or the comment with what is nested in it, that begins here; -1 where it never does. */
  #closeOf(what: 'quote' | 'comment'): number {
    if (this.#neverClosed.has(what)) return -1
    let depth = 0
    for (let i = this.#at; i < this.#text.length; i++) {
      const sign = this.#text[i]
      if (sign === '\\') i++
      else if (what === 'quote' ? sign === '"' && i > this.#at : sign === ')' && --depth === 0) return i
      else if (sign === '(') depth++
    }
    this.#neverClosed.add(what)
    return -1
  }

  #quoted(): void {
    const close = this.#closeOf('quote')
    if (close < 0) {
      this.#skip()
      return
    }
    const inside = this.#textOf(this.#at + 1, close)
    this.#word(unescaped(inside), 'quoted', close + 1, `"${inside}"`)
  }

  #comment(): void {
    const close = this.#closeOf('comment')
    if (close >= 0) {
      this.#comments.push(unescaped(this.#textOf(this.#at + 1, close)))
      this.#at = close
    }
    this.#skip()
  }

  /** `<a@b>`: without blanks and comments, and without the route that §4.4 still allows. A second `<` begins it anew. */
  #bracketed(): void {
    let address = ''
    this.#at++
    for (; this.#at < this.#text.length; this.#at++) {
      const sign = this.#text[this.#at]!
      if (sign === '>' || sign === '<') break
      if (sign === ',' && !address.startsWith('@')) break
      const close = sign === '"' ? this.#closeOf('quote') : sign === '(' ? this.#closeOf('comment') : -1
      if (close >= 0) {
        if (sign === '"') address += this.#textOf(this.#at, close + 1)
        this.#at = close
      } else if (!isBlank(sign)) address += sign === WORD ? this.#textOf(this.#at, this.#at + 1) : sign
    }
    if (this.#text[this.#at] === '>') this.#skip()
    if (this.#angle === null || this.#angle === '') this.#angle = address.replace(/^@[^:]*:/, '')
  }

  /** What was read since the last comma is a mailbox, or several where addresses follow each other without one. */
  #end(): void {
    const [words, comments, angle] = [this.#words, this.#comments, this.#angle]
    this.#words = []
    this.#comments = []
    this.#angle = null
    if (angle !== null) {
      this.#add(nameOf(words) || comments.join(' '), angle)
      return
    }
    const chunks = chunksOf(words)
    const addresses = chunks.filter(isAddress)
    if (addresses.length > 1 && addresses.length === chunks.length)
      for (const chunk of addresses) this.#add('', rawOf(chunk))
    else if (addresses.length > 0) {
      const names = words.filter(word => !addresses[0]!.includes(word))
      this.#add(nameOf(names) || comments.join(' '), rawOf(addresses[0]!))
    } else if (words.length > 0) this.#addName(words)
    else this.#remark ||= comments.join(' ')
  }

  /** Programs that encode the whole of `Name <a@b>` name somebody all the same. */
  #addName(words: readonly Word[]): void {
    const name = nameOf(words)
    if (words.every(word => word.kind === 'encoded') && /<[^<>@\s]+@[^<>\s]+>\s*$/.test(name.slice(-400)))
      this.#mailboxes.push(...new Reader(name, new Map()).read())
    else this.#add(name, '')
  }

  #add(name: string, address: string): void {
    const box = { name: oneLine(name), address: oneLine(address) }
    if (box.name === box.address) box.name = ''
    if (box.name !== '' || box.address !== '') this.#mailboxes.push(box)
  }
}

const isBlank = (sign: string) => /\s/.test(sign)

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, '$1')
}

function nameOf(words: readonly Word[]): string {
  return words.map((word, i) => (i > 0 && word.apart ? ` ${word.text}` : word.text)).join('')
}

function rawOf(words: readonly Word[]): string {
  return words.map(word => word.raw).join('')
}

/**
 * Words that belong together: nothing between them, or around a dot or an at sign, where blanks and comments are obsolete (§4.4).
 */
function chunksOf(words: readonly Word[]): Word[][] {
  const chunks: Word[][] = []
  let before: Word | undefined
  for (const word of words) {
    const dotted = before && before.kind !== 'encoded' && (/^[.@]/.test(word.raw) || /[.@]$/.test(before.raw))
    if (before && (dotted || !word.apart)) chunks.at(-1)!.push(word)
    else chunks.push([word])
    before = word
  }
  return chunks
}

/** An at sign that no quotes hide, with something on both sides. */
function isAddress(chunk: readonly Word[]): boolean {
  const raw = rawOf(chunk)
  if (raw.startsWith('@') || raw.endsWith('@') || chunk.some(word => word.kind === 'encoded')) return false
  return chunk.some(word => word.kind === 'atom' && word.text.includes('@'))
}

/** What a header says goes into other headers: encoded-words can hold line ends, NULs and escapes. */
export function oneLine(text: string): string {
  return text
    .replaceAll('\0', '')
    .replace(/[\u0001-\u001f\u007f\u0085\u2028\u2029]+/g, ' ')
    .trim()
}
