/**
 * Raw RFC 5322 bytes → Email. postal-mime lives only here. Mail is hostile: what the parser would do in more than linear time, or
 * without bound, is counted and cut before it sees it, and a mail it throws at is still an Email, with what could be read and a flag
 * that says so. Reading never fails.
 */
import PostalMime, { type Address, type Attachment } from 'postal-mime'
import type { Email, EmailAttachment, Mailbox } from '../domain/email.ts'
import { textOfHtml } from '../domain/html.ts'
import { QUOTE_BEGINS } from '../domain/quote.ts'
import { messageIdOf, messageIds } from '../domain/thread.ts'

/** Largest mail that is parsed in one piece: the parser takes about five times its size in memory. */
export const PARSED_WHOLE_BYTES = 10 * 1024 * 1024
const HEADER_BYTES = 256 * 1024
/** The parser decodes runs of encoded-words in quadratic time; an honest header block has a few dozen. */
const ENCODED_WORDS = 2_000
const PARTS = 1_000
const BOUNDARIES = 100
const NESTING = 50
/** More HTML than this is no letter; its beginning says what it is. */
const HTML_CHARS = 2_000_000

const latin1 = new TextDecoder('latin1')

export async function readEmail(raw: Uint8Array): Promise<Email> {
  const flags: string[] = []
  const headerEnd = endOfHeaders(raw)
  let bytes = raw
  if (headerEnd > HEADER_BYTES || occurrences(raw.subarray(0, headerEnd), '=?') > ENCODED_WORDS) {
    flags.push('headers_cut')
    bytes = withShortHeaders(raw, headerEnd)
  }
  if (tooManyParts(bytes) || occurrences(bytes, '=?') > ENCODED_WORDS * 10) {
    flags.push('too_many_parts', 'unreadable')
    return fallback(bytes, flags)
  }
  try {
    return await parse(bytes, flags)
  } catch {
    flags.push('unreadable')
    return fallback(bytes, flags)
  }
}

async function parse(bytes: Uint8Array, flags: string[]): Promise<Email> {
  const mail = await PostalMime.parse(bytes, {
    attachmentEncoding: 'arraybuffer',
    maxNestingDepth: NESTING,
    maxHeadersSize: HEADER_BYTES * 4,
    forceRfc822Attachments: true,
  })
  const headers = mail.headers.map(header => ({
    name: header.key,
    value: header.value.replace(/\s+/g, ' ').trim(),
  }))
  const fieldOf = (name: string) => headers.find(header => header.name === name)?.value
  const contentType = fieldOf('content-type') ?? 'text/plain'
  const date = Date.parse(mail.date ?? '')
  const returnPath = fieldOf('return-path')
  // A multipart that names no boundary has no parts: what stands there is text (RFC 2045 §5.2, E8).
  const loose = /^multipart\//i.test(contentType) && !/boundary\s*=/i.test(contentType)
  if (loose) flags.push('bad_content_type')
  const text = loose
    ? new TextDecoder().decode(bytes.subarray(endOfHeaders(bytes))).trim()
    : (mail.text ?? '')
  return {
    headers,
    messageId: messageIdOf(fieldOf('message-id') ?? ''),
    inReplyTo: messageIds(fieldOf('in-reply-to') ?? ''),
    references: messageIds(fieldOf('references') ?? ''),
    from: mailboxes(mail.from ? [mail.from] : []),
    sender: mailboxes(mail.sender ? [mail.sender] : [])[0] ?? null,
    replyTo: mailboxes(mail.replyTo),
    to: mailboxes(mail.to),
    cc: mailboxes(mail.cc),
    returnPath: returnPath === undefined ? null : returnPath.replace(/[<>\s]/g, ''),
    subject: withoutNul(mail.subject ?? ''),
    date: Number.isNaN(date) ? null : date,
    // Mail that comes as HTML only, or with an empty text beside it, is read all the same (E11).
    // The mark that says where markup begins a quote is ours alone: in text that came as text it says nothing.
    text: withoutNul(
      text.trim() === '' && mail.html
        ? textOfHtml(mail.html.slice(0, HTML_CHARS).replaceAll(QUOTE_BEGINS, ''))
        : text.replaceAll(QUOTE_BEGINS, ''),
    ),
    html: mail.html ? withoutNul(mail.html) : null,
    attachments: mail.attachments.map(attachment),
    reportType: /report-type\s*=\s*"?([\w-]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? null,
    contentType,
    flags,
  }
}

/** What can be said of a mail whose body is beyond the parser: its headers, and if not even those, nothing. */
async function fallback(bytes: Uint8Array, flags: string[]): Promise<Email> {
  const headersOnly = withShortHeaders(bytes.subarray(0, endOfHeaders(bytes)), endOfHeaders(bytes))
  try {
    const email = await parse(headersOnly, flags)
    return { ...email, text: '', html: null, attachments: [] }
  } catch {
    return parse(new TextEncoder().encode('\r\n'), [...flags, 'no_headers'])
  }
}

function attachment(part: Attachment): EmailAttachment {
  const content =
    typeof part.content === 'string' ? new TextEncoder().encode(part.content) : new Uint8Array(part.content)
  return {
    filename: safeName(part.filename ?? '', part.mimeType),
    contentType: part.mimeType,
    disposition: part.disposition === 'inline' || part.related ? 'inline' : 'attachment',
    contentId: part.contentId?.replace(/[<>]/g, '') ?? null,
    content,
    size: content.byteLength,
    part: null,
  }
}

/** A name that is only a name: no path, no control or direction characters, no more than a screen's width (G7). */
export function safeName(name: string, contentType: string): string {
  const bare = name
    .replace(/[\u0000-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .split(/[/\\]/)
    .at(-1)!
    .replace(/[<>:"|?*]/g, '_')
    .trim()
  const letters = [...bare.toWellFormed()]
  const short =
    letters.length > 120
      ? `${letters.slice(0, 100).join('')}…${letters.slice(-16).join('')}`
      : letters.join('')
  if (short !== '' && short !== '.' && short !== '..') return short
  if (contentType === 'message/rfc822') return 'mail.eml'
  return `attachment.${/^[\w-]+\/([\w.-]+)/.exec(contentType)?.[1] ?? 'bin'}`
}

function mailboxes(addresses: Address[] | undefined): Mailbox[] {
  return (addresses ?? [])
    .flatMap(one => one.group ?? [{ name: one.name, address: one.address ?? '' }])
    .map(one => ({ name: withoutNul(one.name).trim(), address: one.address.trim() }))
}

function withoutNul(text: string): string {
  return text.includes('\u0000') ? text.replaceAll('\u0000', '') : text
}

/** Where the header block ends, the empty line not counted; all of it where there is none. */
export function endOfHeaders(raw: Uint8Array): number {
  for (let i = raw.indexOf(10); i >= 0; i = raw.indexOf(10, i + 1)) {
    if (raw[i + 1] === 10) return i + 1
    if (raw[i + 1] === 13 && raw[i + 2] === 10) return i + 1
  }
  return raw.length
}

/** The raw header block as text, one character a byte. */
export function headerText(raw: Uint8Array): string {
  return latin1.decode(raw.subarray(0, Math.min(endOfHeaders(raw), HEADER_BYTES)))
}

/** Each header field cut to a length no honest one has, the whole block to its cap; what follows it stays. */
function withShortHeaders(raw: Uint8Array, headerEnd: number): Uint8Array {
  const fields = latin1
    .decode(raw.subarray(0, Math.min(headerEnd, HEADER_BYTES * 16)))
    .split(/\r?\n(?![ \t])/)
  const block = `${fields
    .map(field => field.slice(0, 8_000).replace(/\r?\n[ \t]+/g, ' '))
    .map(field => ((field.match(/=\?/g)?.length ?? 0) > 200 ? field.slice(0, 998) : field))
    .filter(field => field !== '')
    .slice(0, 1_000)
    .join('\r\n')}\r\n`
  const head = Uint8Array.from(block, char => char.charCodeAt(0))
  const rest = raw.subarray(headerEnd)
  const whole = new Uint8Array(head.length + rest.length)
  whole.set(head)
  whole.set(rest, head.length)
  return whole
}

/** Parts are counted by the lines that divide them, whatever stands in them: each costs the parser an object or two. */
function tooManyParts(bytes: Uint8Array): boolean {
  const boundaries = new Set<string>()
  for (let at = find(bytes, 'boundary=', 0); at >= 0; at = find(bytes, 'boundary=', at + 9)) {
    const value = /^"([^"\r\n]{1,200})|^([^\s;"]{1,200})/.exec(
      latin1.decode(bytes.subarray(at + 9, at + 220)),
    )
    if (value) boundaries.add((value[1] ?? value[2])!)
    if (boundaries.size > BOUNDARIES) return true
  }
  let parts = 0
  for (const boundary of boundaries) parts += occurrences(bytes, `\n--${boundary}`)
  return parts > PARTS
}

/** How often a short ASCII string stands in the bytes, letter case aside; stops counting far beyond any cap. */
function occurrences(bytes: Uint8Array, text: string): number {
  let count = 0
  for (let at = find(bytes, text, 0); at >= 0 && count <= 100_000; at = find(bytes, text, at + 1)) count++
  return count
}

/** Where an ASCII string next stands, letter case aside; -1 where it does not. */
function find(bytes: Uint8Array, text: string, from: number): number {
  const first = text.charCodeAt(0)
  const other = /[a-z]/.test(text[0]!) ? first - 32 : first
  for (let at = from; at < bytes.length; at++) {
    // Native search over long stretches where the first character has no other case.
    if (other === first) {
      at = bytes.indexOf(first, at)
      if (at < 0) return -1
    } else if (bytes[at] !== first && bytes[at] !== other) continue
    let same = 1
    while (same < text.length && ((bytes[at + same] ?? 0) | 0x20) === (text.charCodeAt(same) | 0x20)) same++
    if (same === text.length) return at
  }
  return -1
}
