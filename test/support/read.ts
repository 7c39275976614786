import PostalMime, { type Address } from 'postal-mime'
import type { Email, Mailbox } from '../../src/domain/email.ts'
import { messageIdOf, messageIds } from '../../src/domain/thread.ts'

/** Raw bytes → Email for the tests of the domain: the smallest mapping that is right. The product's is mail/email.ts. */
export async function readEmail(raw: Uint8Array): Promise<Email> {
  const mail = await PostalMime.parse(raw)
  const headers = mail.headers.map(header => ({ name: header.key, value: header.value }))
  const headerOf = (name: string) => headers.find(header => header.name === name)?.value
  const contentType = headerOf('content-type') ?? 'text/plain'
  const returnPath = headerOf('return-path')
  return email({
    headers,
    messageId: messageIdOf(headerOf('message-id') ?? ''),
    inReplyTo: messageIds(headerOf('in-reply-to') ?? ''),
    references: messageIds(headerOf('references') ?? ''),
    from: mailboxes(mail.from === undefined ? [] : [mail.from]),
    sender: mailboxes(mail.sender === undefined ? [] : [mail.sender])[0] ?? null,
    replyTo: mailboxes(mail.replyTo),
    to: mailboxes(mail.to),
    cc: mailboxes(mail.cc),
    returnPath: returnPath === undefined ? null : returnPath.replaceAll(/[<>\s]/g, ''),
    subject: mail.subject ?? '',
    date: Number.isNaN(Date.parse(mail.date ?? '')) ? null : Date.parse(mail.date ?? ''),
    text: mail.text ?? '',
    html: mail.html ?? null,
    attachments: mail.attachments.map(part => {
      const content =
        typeof part.content === 'string'
          ? new TextEncoder().encode(part.content)
          : new Uint8Array(part.content)
      return {
        filename: part.filename ?? '',
        contentType: part.mimeType,
        disposition: part.disposition === 'inline' ? 'inline' : 'attachment',
        contentId: part.contentId?.replaceAll(/[<>]/g, '') ?? null,
        content,
        size: content.byteLength,
        part: null,
      }
    }),
    reportType: /report-type\s*=\s*"?([\w-]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? null,
    contentType,
  })
}

function mailboxes(addresses: Address[] | undefined): Mailbox[] {
  return (addresses ?? []).flatMap(one => one.group ?? [{ name: one.name, address: one.address ?? '' }])
}

/** An ordinary mail from Alice to our support, with what a test says about it put in. */
export function email(about: Partial<Email> = {}): Email {
  return {
    headers: [],
    messageId: '<1@mail.example>',
    inReplyTo: [],
    references: [],
    from: [{ name: 'Alice', address: 'alice@mail.example' }],
    sender: null,
    replyTo: [],
    to: [{ name: '', address: 'support@shop.example' }],
    cc: [],
    returnPath: null,
    subject: 'My order',
    date: Date.UTC(2026, 10, 1),
    text: 'Where is my order?',
    html: null,
    attachments: [],
    reportType: null,
    contentType: 'text/plain',
    flags: [],
    ...about,
  }
}
