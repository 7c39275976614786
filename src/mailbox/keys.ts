/** Where a mailbox keeps things in R2, and by what a mail is recognised. */

import { normaliseAddress } from '../domain/address.ts'
import type { Message } from '../domain/conversation.ts'
import type { Email } from '../domain/email.ts'
import { idKey } from '../domain/thread.ts'
import { endOfHeaders, readEmail } from '../mail/email.ts'
import { sha256Hex } from '../store/ids.ts'

/** Derived from the position, so that fetching a mail again overwrites itself. */
export function mailIdAt(folderId: number, uidValidity: number, uid: number): string {
  return `${folderId}-${uidValidity}-${uid}`
}

export const rawKey = (site: string, inbox: string, mailId: string) => `raw/${site}/${inbox}/${mailId}`
export const reducedKey = (site: string, inbox: string, mailId: string) =>
  `reduced/${site}/${inbox}/${mailId}`
export const outKey = (site: string, inbox: string, messageId: string) => `out/${site}/${inbox}/${messageId}`
export const bodyKey = (site: string, messageId: string) => `body/${site}/${messageId}`
export const attachmentKey = (site: string, messageId: string, n: number) =>
  `attachments/${site}/${messageId}/${n}`

/** Everything that lies in R2 because of a message. */
export function keysOf(
  site: string,
  { id, direction, details }: Pick<Message, 'id' | 'direction' | 'details'>,
): string[] {
  const { mail, copies, attachments, bodyKey: body } = details
  const mails = direction === 'incoming' && mail ? [mail, ...(copies ?? [])] : (copies ?? [])
  return [
    ...mails.flatMap(({ inboxId, mailId }) => [
      rawKey(site, inboxId, mailId),
      reducedKey(site, inboxId, mailId),
    ]),
    // A person's own mail from elsewhere came in, though it is an outgoing message.
    ...(direction === 'outgoing' && mail
      ? [
          outKey(site, mail.inboxId, id),
          rawKey(site, mail.inboxId, mail.mailId),
          reducedKey(site, mail.inboxId, mail.mailId),
        ]
      : []),
    ...(body ? [body] : []),
    ...(attachments ?? []).flatMap((one, n) => [one.key ?? attachmentKey(site, id, n)]),
  ]
}

const RECOGNISED_BY = ['message-id', 'from', 'date', 'subject']

/**
 * Headers and size: by these a mail is known again after a UIDVALIDITY change. Takes a header block, whole or only these fields.
 */
export async function headerKey(headers: string, size: number): Promise<string> {
  const fields = headers
    .split(/\r?\n(?![ \t])/)
    .map(
      field =>
        [
          field.slice(0, field.indexOf(':')).trim().toLowerCase(),
          field.slice(field.indexOf(':') + 1),
        ] as const,
    )
  const values = RECOGNISED_BY.map(
    name =>
      fields
        .find(([field]) => field === name)?.[1]
        .replace(/\s+/g, ' ')
        .trim() ?? '',
  )
  return (await sha256Hex(JSON.stringify([...values, size]))).slice(0, 32)
}

/** By what copies of one mail are one: Message-ID with From, Date, Subject and body; without a Message-ID the raw bytes. */
export async function contentKey(email: Email, sha: string): Promise<string> {
  if (!email.messageId) return `raw:${sha}`
  const from = email.from.map(one => one.address)
  return `mid:${await sha256Hex(JSON.stringify([email.messageId, from, email.date, email.subject, email.text, email.html]))}`
}

/** By what people name a mail when they look for it. */
export interface Names {
  /** Its Message-ID as `idKey` has it; null where it has none. */
  rfcId: string | null
  /** The first address of From as it is compared; null where it has none. */
  writer: string | null
}

/** Longer than a line no name is (RFC 5322 §2.1.1), and nobody types it. */
const NAME_CHARS = 998

/** @param raw a mail, or its header block alone */
export async function namesOf(raw: Uint8Array): Promise<Names & { subject: string }> {
  const { messageId, from, sender, subject } = await readEmail(raw.subarray(0, endOfHeaders(raw)))
  const name = (text: string) => (text === '' || text.length > NAME_CHARS ? null : text)
  return {
    rfcId: name(idKey(messageId ?? '')),
    writer: name(normaliseAddress((from[0] ?? sender)?.address ?? '')),
    subject,
  }
}

/** Text with one character a byte, as its bytes. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, char => char.charCodeAt(0))
}
