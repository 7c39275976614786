/**
 * Raw RFC 5322 bytes → Email. Mail is hostile and damaged: reading never fails, takes time and memory in proportion to the mail's
 * size, and a flag says what was odd. The parts come from mime.ts, what of them is text and what a file from body.ts;
 * docs/reading.md has where we differ from other readers.
 *
 * Flags: `headers_cut`, `too_many_parts`, `too_deep` (more than any honest mail has; the rest is in the original), `unreadable`
 * (no machine should answer), `bad_content_type`, `bad_encoding`, `bad_charset` (damaged or guessed), `text_cut`.
 */
import type { Email, Mailbox } from '../domain/email.ts'
import { messageIdOf, messageIds } from '../domain/thread.ts'
import { oneLine, readMailboxes } from './addresses.ts'
import { readBody } from './body.ts'
import { bytesOf, decodeText, encodingNamed } from './charset.ts'
import { dateOf } from './date.ts'
import { decodeWords } from './encoded-words.ts'
import { withLineFeeds } from './lines.ts'
import { mimeTree, type Part } from './mime.ts'

export { safeName } from './filename.ts'

/** Largest mail that is parsed in one piece. */
export const PARSED_WHOLE_BYTES = 10 * 1024 * 1024
const HEADER_BYTES = 256 * 1024
/** So many recipients, and no further field of them is read. */
const MAILBOXES = 2_000

export async function readEmail(raw: Uint8Array): Promise<Email> {
  try {
    return read(raw)
  } catch {
    // Nothing here throws that we know of; a mail that stops its mailbox would be the worst.
    return { ...read(new Uint8Array()), flags: ['unreadable'] }
  }
}

function read(raw: Uint8Array): Email {
  const { root, flags } = mimeTree(hasBareReturns(raw) ? withLineFeeds(raw) : raw)
  const otherwise = declaredCharset(root)
  const header = new Header(root, otherwise, flags)
  const body = readBody(root, otherwise, flags)
  const isCut = flags.has('too_many_parts')
  if (isCut || flags.has('too_deep')) flags.add('unreadable')
  const contentType = header.value('content-type') || 'text/plain'
  return {
    headers: header.all(),
    messageId: messageIdOf(header.value('message-id') ?? ''),
    inReplyTo: messageIds(header.values('in-reply-to').join(' ')),
    references: messageIds(header.values('references').join(' ')),
    from: header.mailboxes('from', true),
    sender: header.mailboxes('sender', true)[0] ?? null,
    replyTo: header.mailboxes('reply-to'),
    to: header.mailboxes('to'),
    cc: header.mailboxes('cc'),
    returnPath: header.value('return-path')?.replace(/[<>\s]/g, '') ?? null,
    subject: header.text('subject'),
    date:
      header
        .values('date')
        .map(dateOf)
        .find(date => date !== null) ?? null,
    ...body,
    // Thousands of files are none that anybody sent; they are in the original.
    attachments: isCut ? [] : body.attachments,
    reportType: root.parameters.get('report-type')?.raw.toLowerCase() || null,
    contentType,
    flags: [...flags],
  }
}

/** What the header of the whole mail says. */
class Header {
  #fields: { name: string; raw: string; value: string }[]
  #otherwise: string
  #flags: Set<string>

  constructor(root: Part, otherwise: string, flags: Set<string>) {
    this.#otherwise = otherwise
    this.#flags = flags
    this.#fields = root.fields.map(({ name, raw }) => {
      const { text } = decodeText(bytesOf(raw), null, otherwise)
      return { name, raw, value: text.replace(/\s+/g, ' ').trim() }
    })
  }

  /** In their order, encoded-words left as they came. */
  all(): Email['headers'] {
    return this.#fields.map(({ name, value }) => ({ name, value }))
  }

  values(name: string): string[] {
    return this.#fields.filter(field => field.name === name).map(field => field.value)
  }

  /** Of two fields that may stand once, the first counts. */
  value(name: string): string | undefined {
    return this.values(name)[0]
  }

  text(name: string): string {
    const raw = this.#fields.find(field => field.name === name)?.raw ?? ''
    const { text, guessed } = decodeWords(raw, this.#otherwise)
    if (guessed) this.#flags.add('bad_charset')
    return oneLine(text)
  }

  /** `once`: of several such fields the first that names anybody counts. */
  mailboxes(name: string, once = false): Mailbox[] {
    const boxes: Mailbox[] = []
    for (const { raw } of this.#fields.filter(field => field.name === name)) {
      const { mailboxes, guessed } = readMailboxes(raw, this.#otherwise)
      if (guessed) this.#flags.add('bad_charset')
      boxes.push(...mailboxes)
      if (once && boxes.length > 0) break
      if (boxes.length < MAILBOXES) continue
      this.#flags.add('headers_cut')
      break
    }
    return boxes
  }
}

/** What text without a charset of its own is written in: what the mail elsewhere says of itself, else Windows' Latin. */
function declaredCharset(root: Part): string {
  const parts = [root, ...root.parts, ...root.parts.flatMap(part => part.parts)]
  const labels = parts.map(part => part.parameters.get('charset')?.raw ?? '')
  const words = root.fields
    .filter(field => field.name === 'subject' || field.name === 'from')
    .map(field => /=\?([^?\s*]{1,40})[?*]/.exec(field.raw)?.[1] ?? '')
  const known = [...labels, ...words]
    .map(encodingNamed)
    .find(name => name && !/^(?:ascii|utf-.*)$/.test(name))
  return known ?? 'windows-1252'
}

/**
 * Whether lines end with CR alone, as on old Macs: the header does where it ends so before any LF comes; without any LF all of it
 * does.
 */
function hasBareReturns(raw: Uint8Array): boolean {
  const feed = raw.indexOf(10)
  const end = feed < 0 ? raw.length : feed
  const first = raw.indexOf(13)
  if (first < 0 || first >= end - 1) return false
  if (feed < 0) return true
  for (let i = first; i < end - 1; i++)
    if (raw[i] === 13 && raw[i + 1] === 13 && raw[i + 2] !== 10) return true
  return false
}

/** Where the header block ends, the empty line not counted; all of it where there is none. */
export function endOfHeaders(raw: Uint8Array): number {
  for (let i = 0; i < raw.length; i++)
    if (raw[i] === 10 && (raw[i + 1] === 10 || (raw[i + 1] === 13 && raw[i + 2] === 10))) return i + 1
  return raw.length
}

/** The raw header block as text, one character a byte. */
export function headerText(raw: Uint8Array): string {
  const block = raw.subarray(0, Math.min(endOfHeaders(raw), HEADER_BYTES))
  // Not TextDecoder's latin1, which is windows-1252.
  return new TextDecoder('utf-16le').decode(Uint16Array.from(block))
}
