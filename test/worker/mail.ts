/** Mail in tests: `mail()` writes one, `arrives()` puts it on the real server, `answersTo()` reads what came back to the customer. */
import { env, exports } from 'cloudflare:workers'
import type { ConversationState, Message } from '../../src/domain/conversation.ts'
import type { Email } from '../../src/domain/email.ts'
import { readEmail } from '../../src/mail/email.ts'
import { readFrames } from '../../src/mail/frames.ts'
import { imap } from '../../src/mail/imap.ts'
import type { MailboxConfig } from '../../src/store/inboxes.ts'
import type { Order } from '../servers/control.ts'
import { testMail } from './cast.ts'

let count = 0

export interface MailAbout {
  from?: string
  to: string
  subject?: string
  text?: string
  messageId?: string | null
  date?: string | null
  headers?: string[]
}

/** One mail as its sender's program would write it; one character a byte. */
export function mail(about: MailAbout): string {
  const id = about.messageId === undefined ? `<m${++count}.${Date.now()}@customer.test>` : about.messageId
  const date = about.date === undefined ? new Date().toUTCString() : about.date
  return [
    `From: ${about.from ?? 'Alice <alice@customer.test>'}`,
    `To: ${about.to}`,
    `Subject: ${about.subject ?? 'A question'}`,
    ...(id === null ? [] : [`Message-ID: ${id}`]),
    ...(date === null ? [] : [`Date: ${date}`]),
    ...(about.headers ?? []),
    '',
    about.text ?? 'How do I get a refund?',
    '',
  ].join('\r\n')
}

export async function control(order: Order): Promise<void> {
  const answer = await fetch(testMail.control, { method: 'POST', body: JSON.stringify(order) })
  if (!answer.ok) throw new Error(await answer.text())
}

/** Puts mails straight into a mailbox of the server. */
export async function arrives(address: string, mails: string[], internalDate?: number): Promise<void> {
  await control({ do: 'deliver', address, mails, ...(internalDate === undefined ? {} : { internalDate }) })
}

export function mailbox(config: MailboxConfig) {
  return env.MAILBOX.getByName(`${config.siteId}/${config.inboxId}`)
}

let version = Date.now()

/** The inbox as D1 would have it after a change: a newer version. */
export function changed(config: MailboxConfig, change: Partial<MailboxConfig> = {}): MailboxConfig {
  return { ...config, ...change, version: ++version }
}

/** One sync, whenever it is due, and everything that follows from it until nothing is owed any more. */
export async function sync(config: MailboxConfig, ms = 15_000) {
  const stub = mailbox(config)
  const before = (await stub.status())?.lastTryAt ?? 0
  // A newer version of the settings makes the mailbox due at once.
  await stub.tick(changed(config))
  return until(async () => {
    const status = await stub.status()
    return status && (status.lastTryAt ?? 0) > before && status.owed === 0 && !status.busy ? status : null
  }, ms)
}

export async function until<T>(look: () => Promise<T | null | undefined | false>, ms = 10_000): Promise<T> {
  for (const end = Date.now() + ms; ; ) {
    const found = await look()
    if (found) return found
    if (Date.now() > end) throw new Error('it did not happen in time')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** All mail in an address's INBOX, read without changing it. */
export async function inboxOf(address: string): Promise<(Email & { seen: boolean; raw: string })[]> {
  const stream = await imap(env).fetch({
    account: {
      host: testMail.host,
      port: testMail.imap.port,
      security: 'starttls',
      user: address,
      password: testMail.password,
    },
    folder: 'INBOX',
    uidValidity: null,
    nextUid: 1,
    maxMails: 1000,
    maxBytes: 100_000_000,
    reducedAbove: 100_000_000,
    wholeUpTo: 100_000_000,
  })
  const found = []
  for await (const { frame, body } of readFrames(stream)) {
    if (frame.kind === 'problem') throw new Error(frame.problem.message)
    if (frame.kind !== 'mail') continue
    const raw = await body()
    found.push({
      ...(await readEmail(raw)),
      seen: frame.flags.includes('\\Seen'),
      raw: new TextDecoder('latin1').decode(raw),
    })
  }
  return found
}

/** Everything in every conversation of a site, as its API shows it. */
export async function conversationsOf(headers: Record<string, string>) {
  const get = async <T>(path: string) => {
    const answer = await exports.default.fetch(`http://edgedesk.test/api/v1${path}`, { headers })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as T
  }
  type Listed = {
    id: string
    title: string
    linkedTo: string | null
    contact: { address: string; name: string }
  }
  const all: { conversation: Listed; messages: ListedMessage[] }[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { items: Listed[]; next: string | null } = await get(
      `/conversations/?limit=100&cursor=${cursor}`,
    )
    for (const conversation of page.items) {
      const messages: ListedMessage[] = []
      for (let more: string | null = ''; more !== null; ) {
        const part: { items: ListedMessage[]; next: string | null } = await get(
          `/messages/?conversation=${conversation.id}&limit=100&cursor=${more}`,
        )
        messages.push(...part.items)
        more = part.next
      }
      all.push({ conversation, messages })
    }
    cursor = page.next
  }
  return all
}

export interface ListedMessage {
  id: string
  type: 'incoming' | 'outgoing'
  content: string
  subject: string
  flags: string[]
  original: string
  attachments: { filename: string; file: string; size: number; type: string; inline: boolean }[]
  citations: { title: string }[]
  verdict: { class: string; reasons: string[]; maySend: boolean } | null
  reply: { do: string; why: string } | null
  delivery: { status: string; problem: { code: string } | null } | null
}

export async function read(
  siteId: string,
  id: string,
): Promise<{ state: ConversationState; messages: Message[] }> {
  return (await env.CONVERSATION.getByName(`${siteId}/${id}`).read())!
}
