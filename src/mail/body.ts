/**
 * The parts of a mail → what is shown as its text, and what is a file. The standard's own way of choosing (RFC 8621 §4.1.4) with
 * four differences, each so that nothing of a customer's is lost or merged: pictures are files wherever they stand; text with a
 * file name is a file, unless it is the only text; a blank text beside HTML is none; a multipart in which no part begins is text.
 */
import type { EmailAttachment } from '../domain/email.ts'
import { textOfHtml } from '../domain/html.ts'
import { QUOTE_BEGINS } from '../domain/quote.ts'
import { bytesOf, charsOf, decodeText, encodingNamed, isAscii } from './charset.ts'
import { safeName } from './filename.ts'
import { parameterText } from './header.ts'
import { unflowed, withLineFeeds } from './lines.ts'
import type { Part } from './mime.ts'
import { unwrap } from './transfer-encoding.ts'

export interface Body {
  text: string
  html: string | null
  attachments: EmailAttachment[]
}

/** More HTML than this is no letter; its beginning says what it is. */
const HTML_CHARS = 2_000_000

/**
 * `otherwise`: the charset of eight-bit text that names none. Adds to `flags`: `bad_encoding`, `bad_charset`, `bad_content_type`,
 * `text_cut`.
 */
export function readBody(root: Part, otherwise: string, flags: Set<string>): Body {
  const reader = new Reader(otherwise, flags)
  const { text, html, files } = reader.sort(root)
  const markup = html.some(part => part.type === 'text/html')
    ? lines(html.map(part => reader.markup(part)))
    : ''
  const mayBeNamed = files.some(part => fieldOf(part, 'content-id') !== undefined)
  const references = mayBeNamed && markup.trim() !== '' ? contentIdsIn(markup) : null
  return {
    text: lines(text.map(part => reader.words(part))),
    html: markup.trim() === '' ? null : markup,
    attachments: files.map(part => reader.file(part, references)),
  }
}

/** One after the other, each beginning a line. */
function lines(pieces: readonly string[]): string {
  return pieces
    .map((piece, i) => (i === pieces.length - 1 || /^$|\n$/.test(piece) ? piece : `${piece}\n`))
    .join('')
}

interface Sorted {
  text: Part[]
  html: Part[]
  files: Part[]
}

class Reader {
  #otherwise: string
  #flags: Set<string>
  #texts = new Map<Part, string>()

  constructor(otherwise: string, flags: Set<string>) {
    this.#otherwise = otherwise
    this.#flags = flags
  }

  sort(root: Part): Sorted {
    const sorted: Sorted = { text: [], html: [], files: [] }
    this.#sort([root], 'mixed', false, sorted.text, sorted.html, sorted.files)
    if (sorted.text.length + sorted.html.length === 0) {
      const shown = sorted.files.find(isReadable)
      if (shown) {
        sorted.text.push(shown)
        sorted.html.push(shown)
        if (nameOf(shown, this.#otherwise) === null) sorted.files.splice(sorted.files.indexOf(shown), 1)
      }
    }
    return sorted
  }

  /** `parseStructure` of RFC 8621. `text` or `html` is null where an alternative in that form stands elsewhere. */
  #sort(
    parts: readonly Part[],
    multipart: string,
    inAlternative: boolean,
    text: Part[] | null,
    html: Part[] | null,
    files: Part[],
  ): void {
    const [texts, htmls] = [text?.length, html?.length]
    let [toText, toHtml] = [text, html]
    for (const part of parts) {
      if (part.parts.length > 0) {
        const kind = part.type.slice('multipart/'.length)
        this.#sort(inOrder(part), kind, inAlternative || kind === 'alternative', toText, toHtml, files)
      } else if (part.type.startsWith('multipart/')) {
        if (this.#isBlank(part)) continue
        this.#flags.add('bad_content_type')
        for (const list of [toText, toHtml]) list?.push(part)
      } else if (!this.#isBody(part, multipart, part === parts[0])) files.push(part)
      else if (multipart === 'alternative') {
        if (part.type === 'text/html') toHtml?.push(part)
        else if (!this.#isBlank(part)) toText?.push(part)
      } else {
        if (inAlternative && part.type === 'text/plain') toHtml = null
        if (inAlternative && part.type === 'text/html') toText = null
        for (const list of [toText, toHtml]) list?.push(part)
      }
    }
    if (multipart !== 'alternative' || !text || !html) return
    // In one form only, it stands for the other too.
    if (text.length === texts) text.push(...html.slice(htmls))
    else if (html.length === htmls) html.push(...text.slice(texts))
  }

  #isBody(part: Part, multipart: string, isFirst: boolean): boolean {
    if (part.disposition.value === 'attachment') return false
    if (part.type !== 'text/plain' && part.type !== 'text/html') return false
    if (multipart === 'alternative') return true
    return (multipart !== 'related' || isFirst) && nameOf(part, this.#otherwise) === null
  }

  #isBlank(part: Part): boolean {
    return this.text(part).trim() === ''
  }

  /** A text part as it was written: lines end with LF. */
  text(part: Part): string {
    let text = this.#texts.get(part)
    if (text === undefined) {
      text = this.#read(part)
      this.#texts.set(part, text)
    }
    return text
  }

  #read(part: Part): string {
    const bytes = this.#bytes(part)
    const isFlowed = part.type === 'text/plain' && /^flowed$/i.test(part.parameters.get('format')?.raw ?? '')
    const isUnnamed = part.type === 'text/html' && !isAscii(bytes)
    const label = part.parameters.get('charset')?.raw.trim() || (isUnnamed ? charsetIn(bytes) : null)
    const isWide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
    // Of UTF-16 the bytes are no lines.
    const isLines = !isWide && !(label && encodingNamed(label)?.startsWith('utf-16'))
    const even = isLines ? withLineFeeds(bytes) : bytes
    const delSp = /^yes$/i.test(part.parameters.get('delsp')?.raw ?? '')
    const { text, guessed } = decodeText(
      isFlowed && isLines ? unflowed(even, delSp) : even,
      label,
      this.#otherwise,
    )
    if (guessed) this.#flags.add('bad_charset')
    // UTF-16 and UTF-7 can write them.
    return text.includes('\0') || text.includes('\r')
      ? text.replaceAll('\0', '').replace(/\r\n?/g, '\n')
      : text
  }

  /** What a person reads of a text part. The mark that says where markup begins a quote is ours alone (html.ts). */
  words(part: Part): string {
    const text = this.text(part).replaceAll(QUOTE_BEGINS, '')
    if (part.type.startsWith('multipart/')) return text.trim()
    if (part.type !== 'text/html') return text
    if (text.length <= HTML_CHARS) return textOfHtml(text)
    this.#flags.add('text_cut')
    return textOfHtml(text.slice(0, HTML_CHARS).toWellFormed())
  }

  /** The same where it stands among HTML. */
  markup(part: Part): string {
    const text = this.text(part)
    if (part.type === 'text/html' || text.trim() === '') return text
    const named = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    return `<div>${named.trim().replaceAll('\n', '<br>')}</div>`
  }

  #bytes(part: Part): Uint8Array {
    const encoding = part.type.startsWith('multipart/') ? '' : fieldOf(part, 'content-transfer-encoding')
    const { bytes, broken } = unwrap(part.body, encoding ?? '')
    if (broken) this.#flags.add('bad_encoding')
    return bytes
  }

  file(part: Part, references: ReadonlySet<string> | null): EmailAttachment {
    const content = this.#bytes(part)
    const contentId = this.#plain(fieldOf(part, 'content-id')).replace(/[<>\s]/g, '') || null
    const method = part.type === 'text/calendar' && part.parameters.get('method')?.raw.replace(/[^\w-]/g, '')
    return {
      filename: safeName(nameOf(part, this.#otherwise) ?? this.#location(part), part.type),
      contentType: method ? `${part.type}; method=${method}` : part.type,
      disposition: isInline(part, contentId, references) ? 'inline' : 'attachment',
      contentId,
      content,
      size: content.length,
      part: null,
    }
  }

  /** RFC 2557: pictures of a page that was sent as mail have their address, and no name. */
  #location(part: Part): string {
    return this.#plain(fieldOf(part, 'content-location')).replace(/[?#].*$/s, '')
  }

  #plain(raw: string | undefined): string {
    return raw === undefined ? '' : decodeText(bytesOf(raw), null, this.#otherwise).text
  }
}

/** The root of a multipart/related is the part that `start` names, else its first (RFC 2387 §3.2). */
function inOrder(multipart: Part): readonly Part[] {
  const start =
    multipart.type === 'multipart/related' && multipart.parameters.get('start')?.raw.replace(/[<>\s]/g, '')
  const root =
    start && multipart.parts.find(part => fieldOf(part, 'content-id')?.replace(/[<>\s]/g, '') === start)
  return root ? [root, ...multipart.parts.filter(part => part !== root)] : multipart.parts
}

/**
 * What may be shown where there is no other text: text with a file name, and text of a kind that people read (RFC 2046 §4.1.4).
 */
function isReadable(part: Part): boolean {
  if (part.disposition.value === 'attachment') return false
  if (part.type === 'text/plain' || part.type === 'text/html') return true
  return /^text\/(?!calendar|csv|css|javascript|rtf|xml|directory|(?:x-)?vcard|rfc822-headers)/.test(
    part.type,
  )
}

/** The file name that a part gives: RFC 2183, or the older parameter of its type. */
function nameOf(part: Part, otherwise: string): string | null {
  const { disposition, parameters } = part
  const given =
    disposition.parameters.get('filename') ?? disposition.parameters.get('name') ?? parameters.get('name')
  return parameterText(given, otherwise)?.trim() || null
}

/**
 * Shown in the text: what the HTML names by its Content-ID (G4), whatever its disposition says, and pictures and sounds that say
 * so (G5). A part with a Content-ID that no HTML names is a file like others (G6), and so are a mail and a text inside a mail.
 */
function isInline(part: Part, contentId: string | null, references: ReadonlySet<string> | null): boolean {
  if (contentId !== null && references) return references.has(contentId)
  return part.disposition.value === 'inline' && /^(?:image|audio|video)\//.test(part.type)
}

const CIDS = 1_000

/** The Content-IDs that HTML names (RFC 2392). */
function contentIdsIn(html: string): ReadonlySet<string> {
  const found = new Set<string>()
  for (const [, id] of html.matchAll(/cid:([^"'\s<>()]{1,300})/gi)) {
    found.add(id!)
    if (id!.includes('%')) found.add(percentDecoded(id!))
    if (found.size > CIDS) break
  }
  return found
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** HTML that comes without a charset may name it itself. */
function charsetIn(html: Uint8Array): string | null {
  return /<meta[^>]{0,200}charset\s*=\s*["']?([\w.:-]{2,40})/i.exec(charsOf(html, 0, 1024))?.[1] ?? null
}

function fieldOf(part: Part, name: string): string | undefined {
  return part.fields.find(field => field.name === name)?.raw
}
