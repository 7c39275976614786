/**
 * The writing desk: makes the bytes of a mail we send (RFC 5322, RFC 2045 to 2047, RFC 2231).
 *
 * The bytes are made once and re-sent as they are, so the same input gives the same bytes: the Message-ID and the date
 * come in, boundaries are derived from the Message-ID, and nothing here is random or names the program. They are plain
 * 7-bit text with CRLF line ends, which every server takes and no relay has to rewrite. Input that could break out of
 * its field is refused with the name of the field, never quietly cleaned: a subject with a line end in it is a mistake
 * or an attack, and both want to be seen.
 *
 * nodemailer's composer lives only in this file. It has no Bcc to write, because an OutgoingEmail has none: who else
 * gets the mail is the envelope's affair (RFC 5322 §5 on the exposure of Bcc).
 */
import { createHash } from 'node:crypto'
import MailComposer from 'nodemailer/lib/mail-composer'
import type { Mailbox } from '../domain/email.ts'
import { type Problem, problem } from '../domain/problem.ts'

export interface OutgoingEmail {
  /** With its angle brackets: `<id@domain>`. */
  messageId: string
  /** Milliseconds. */
  date: number
  from: Mailbox
  to: Mailbox[]
  cc: Mailbox[]
  replyTo: Mailbox | null
  subject: string
  /** Ids as the other side wrote them, odd ones included. */
  inReplyTo: string | null
  references: string[]
  text: string
  html: string | null
  /** RFC 3834 §5: what a machine wrote says so; what a person wrote has none of it. */
  automatic: 'auto-replied' | 'auto-generated' | null
  /** Where its reader says that they want no more (RFC 2369 §3.2, RFC 8058). */
  unsubscribe?: string | null
  attachments: OutgoingAttachment[]
}

export interface OutgoingAttachment {
  filename: string
  contentType: string
  content: Uint8Array
  /** Without angle brackets; the HTML names it as `cid:`. */
  contentId?: string
}

export type Composed = { kind: 'composed'; raw: Uint8Array } | { kind: 'refused'; problem: Problem }

/** RFC 5322 §2.1.1: a line has at most 998 octets without its CRLF. */
const LINE_OCTETS = 998
/** Some servers refuse a long References header, so it is kept well under one line's worth. */
const REFERENCES_OCTETS = 900
const FOLD_AT = 78

export async function compose(mail: OutgoingEmail): Promise<Composed> {
  const refusal = refuse(mail)
  if (refusal !== null) return { kind: 'refused', problem: refusal }
  const text = withCrlf(mail.text)
  const html = mail.html === null ? null : withCrlf(mail.html)
  const node = new MailComposer({
    messageId: mail.messageId,
    date: new Date(mail.date),
    from: { ...mail.from },
    to: mail.to.map(mailbox => ({ ...mailbox })),
    cc: mail.cc.map(mailbox => ({ ...mailbox })),
    ...(mail.replyTo === null ? {} : { replyTo: { ...mail.replyTo } }),
    subject: mail.subject,
    text,
    ...(html === null ? {} : { html }),
    attachments: mail.attachments.map(attached),
    baseBoundary: boundaryFor(mail.messageId, `${text}${html ?? ''}`),
    newline: 'win',
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile()
  const raw = Buffer.concat([Buffer.from(ownHeaders(mail), 'latin1'), await node.build()])
  return isPlainWire(raw)
    ? { kind: 'composed', raw: new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength) }
    : {
        kind: 'refused',
        problem: problem(
          'invalid_field',
          'The mail has a word too long for a line of e-mail, or an address that is not one.',
        ),
      }
}

/**
 * What nodemailer would put right although it must stay as it came: `<a@@b>`, ids without brackets or with blanks
 * inside are what the other side's program will look for (B4).
 */
function ownHeaders(mail: OutgoingEmail): string {
  const lines: string[] = []
  const parent = citable(mail.inReplyTo === null ? [] : [mail.inReplyTo])
  if (parent.length > 0) lines.push(folded('In-Reply-To', parent))
  const chain = trimmed(citable(mail.references))
  if (chain.length > 0) lines.push(folded('References', chain))
  if (mail.automatic !== null) {
    // [MS-OXCMAIL] X-Auto-Response-Suppress: Outlook and Exchange send no out-of-office answer to it.
    lines.push(`Auto-Submitted: ${mail.automatic}`, 'X-Auto-Response-Suppress: All')
  }
  if (mail.unsubscribe)
    lines.push(
      `List-Unsubscribe:\r\n <${mail.unsubscribe}>`,
      'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
    )
  return lines.map(line => `${line}\r\n`).join('')
}

/** Empty ids name nothing (B3); 8-bit ones and ones longer than a header cannot be written down, and are left out. */
function citable(ids: string[]): string[] {
  return ids
    .map(id => id.trim())
    .filter(
      id =>
        /^[\x20-\x7e]+$/.test(id) && id.replace(/[<>\s]/g, '') !== '' && id.length < REFERENCES_OCTETS / 2,
    )
}

/** RFC 5322 §3.6.4 lets the list grow for ever. The first id names the thread and the last ones its end, so the middle goes. */
function trimmed(ids: string[]): string[] {
  const kept = [...ids]
  while (kept.length > 2 && folded('References', kept).length >= REFERENCES_OCTETS) kept.splice(1, 1)
  while (kept.length > 1 && folded('References', kept).length >= REFERENCES_OCTETS) kept.shift()
  return kept
}

/** Folds between ids, never inside one. */
function folded(name: string, ids: string[]): string {
  const lines: string[] = []
  let line = `${name}:`
  for (const id of ids) {
    if (line.length + 1 + id.length > FOLD_AT && line !== `${name}:`) {
      lines.push(line)
      line = ''
    }
    line = `${line} ${id}`
  }
  return [...lines, line].join('\r\n')
}

/**
 * RFC 2046 §5.2.1 and §5.1 forbid to encode a message or a multipart, and what is inside may be 8-bit or without line
 * ends. As a file it travels unharmed, and its name tells programs what it is.
 */
function attached(attachment: OutgoingAttachment) {
  const { buffer, byteOffset, byteLength } = attachment.content
  const plain = /^[a-z0-9][\w!#$&^.+-]*\/[a-z0-9][\w!#$&^.+-]*\s*(;.*)?$/i.test(attachment.contentType)
  const composite = /^(message|multipart)\//i.test(attachment.contentType)
  return {
    filename: attachment.filename,
    contentType: plain && !composite ? attachment.contentType : 'application/octet-stream',
    contentTransferEncoding: 'base64',
    content: Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength),
    ...(attachment.contentId === undefined ? {} : { cid: attachment.contentId }),
  }
}

/** A boundary that follows from the Message-ID and occurs in no body, were the id ever guessed (RFC 2046 §5.1.1). */
function boundaryFor(messageId: string, bodies: string): string {
  let base = digest(messageId)
  while (bodies.includes(base)) base = digest(base)
  return base
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

function refuse(mail: OutgoingEmail): Problem | null {
  const mailboxes: [string, Mailbox[]][] = [
    ['from', [mail.from]],
    ['to', mail.to],
    ['cc', mail.cc],
    ['replyTo', mail.replyTo === null ? [] : [mail.replyTo]],
  ]
  const lines: [string, string[]][] = [
    ...mailboxes.map(([field, boxes]): [string, string[]] => [field, boxes.map(box => box.name)]),
    ['subject', [mail.subject]],
    ['inReplyTo', mail.inReplyTo === null ? [] : [mail.inReplyTo]],
    ['references', mail.references],
    ['attachments.filename', mail.attachments.map(attachment => attachment.filename)],
    ['attachments.contentType', mail.attachments.map(attachment => attachment.contentType)],
  ]
  if (mail.to.length + mail.cc.length === 0)
    return problem('missing_field', 'The mail has no recipient.', 'to')
  for (const [field, boxes] of mailboxes) {
    if (!boxes.every(box => isAddress(box.address))) {
      return problem('invalid_field', 'An address of the mail cannot be written into its header.', field)
    }
  }
  for (const [field, values] of lines) {
    if (values.some(hasControls)) {
      return problem(
        'invalid_field',
        'A header of the mail would contain a line end or a control character.',
        field,
      )
    }
  }
  if (!/^<[!-;=?-~]+@[!-;=?-~]+>$/.test(mail.messageId)) {
    return problem('invalid_field', 'The Message-ID must look like <id@domain>.', 'messageId')
  }
  if (!Number.isFinite(mail.date)) return problem('invalid_field', 'The mail has no date.', 'date')
  if (mail.attachments.some(({ contentId }) => contentId !== undefined && !/^[!-;=?-~]+$/.test(contentId))) {
    return problem(
      'invalid_field',
      'The Content-ID of an attachment cannot be used.',
      'attachments.contentId',
    )
  }
  return null
}

/**
 * RFC 5322 §3.4.1, and misplaced dots as in `a..b.@docomo.ne.jp`, which are written between quotes. The part before the
 * @ is ASCII, since a header with any other would need SMTPUTF8 (RFC 6531) all the way; a domain may be international
 * and is written as its A-label.
 */
function isAddress(address: string): boolean {
  return (
    /^([!#-'*+\-./0-9=?A-Z^-~]+|"[ !#-[\]-~]*")@[^\s@<>()[\]\\,;:"]+$/.test(address) &&
    !hasControls(address) &&
    address.length <= 254
  )
}

/** C0 controls and DEL; a tab is white space that a header may have. */
function hasControls(value: string): boolean {
  return /[\x00-\x08\x0a-\x1f\x7f]/.test(value)
}

/** What was promised: 7-bit, CRLF only, no line too long. */
function isPlainWire(raw: Uint8Array): boolean {
  let lineStart = 0
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at]!
    if (byte > 127) return false
    if (byte === 10) {
      if (raw[at - 1] !== 13 || at - 1 - lineStart > LINE_OCTETS) return false
      lineStart = at + 1
    } else if (byte === 13 && raw[at + 1] !== 10) return false
  }
  return raw.length - lineStart <= LINE_OCTETS
}

function withCrlf(text: string): string {
  return text.replace(/\r\n|\r|\n/g, '\r\n')
}
