/** Where a mailbox keeps things in R2, and by what a mail is recognised. */
import type { Email } from '../domain/email.ts'
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
