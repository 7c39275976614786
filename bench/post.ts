/** Mail as customers send and see it, timed: handed to Postfix, and found in a Dovecot box by a NOOP loop. */
import { readFileSync } from 'node:fs'
import { ImapFlow } from 'imapflow'
import nodemailer from 'nodemailer'
import type { MailServers } from '../test/servers/mail-servers.ts'

export interface Sent {
  messageId: string
  /** When Postfix said 250 to the dot. */
  acceptedAt: number
}

export interface Letter {
  from: string
  to: string
  subject: string
  text: string
  messageId?: string
  headers?: Record<string, string>
  /** The envelope's sender, where it is another than From; '' is nobody. */
  envelope?: string
}

export interface Sender {
  send(mail: Letter): Promise<Sent>
  stop(): void
}

let count = 0

export function newMessageId(): string {
  count += 1
  return `<bench-${process.pid}-${Date.now()}-${count}@customer.test>`
}

/** One open connection to the port that takes mail from strangers. */
export function sender(servers: MailServers): Sender {
  const transport = nodemailer.createTransport({
    ...{ host: '127.0.0.1', port: servers.smtp.port, secure: false, ignoreTLS: true },
    ...{ pool: true, maxConnections: 1, maxMessages: Number.MAX_SAFE_INTEGER },
  })
  return {
    async send({ from, to, subject, text, messageId = newMessageId(), headers = {}, envelope = from }) {
      const raw = [
        `From: Alice Example <${from}>`,
        `To: <${to}>`,
        `Subject: ${subject}`,
        `Message-ID: ${messageId}`,
        `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
        ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
        'MIME-Version: 1.0',
        'Content-Type: text/plain; charset=utf-8',
        '',
        text,
        '',
      ].join('\r\n')
      await transport.sendMail({ envelope: { from: envelope, to: [to] }, raw })
      return { messageId, acceptedAt: performance.now() }
    },
    stop: () => transport.close(),
  }
}

export function imapClient(servers: MailServers, user: string): ImapFlow {
  return new ImapFlow({
    ...{ host: servers.host, port: servers.imap.port, secure: false, doSTARTTLS: true },
    auth: { user, pass: servers.password },
    tls: { ca: readFileSync(servers.ca) } as object,
    ...{ logger: false, disableAutoIdle: true },
  })
}

/** How many answers to each mail, by its Message-ID, lie in a customer's box. */
export async function answersIn(servers: MailServers, address: string): Promise<Map<string, number>> {
  const client = imapClient(servers, address)
  await client.connect()
  const answers = new Map<string, number>()
  const box = await client.mailboxOpen('INBOX', { readOnly: true })
  if (box.exists > 0)
    for await (const { envelope } of client.fetch('1:*', { envelope: true })) {
      const to = envelope?.inReplyTo ?? ''
      answers.set(to, (answers.get(to) ?? 0) + 1)
    }
  await client.logout()
  return answers
}

export interface Watcher {
  /** When the answer to this Message-ID was first seen. */
  answerTo(messageId: string, withinMs: number): Promise<number>
  stop(): Promise<void>
}

const NOOP_MS = 10

/** An open connection to a customer's box that asks every 10 ms whether something came. */
export async function watchBox(servers: MailServers, address: string): Promise<Watcher> {
  const client = imapClient(servers, address)
  await client.connect()
  const box = await client.mailboxOpen('INBOX', { readOnly: true })
  let exists = box.exists
  let told = exists
  client.on('exists', (event: { count: number }) => {
    told = event.count
  })
  const seen = new Map<string, number>()
  const waiting = new Map<string, (at: number) => void>()
  let stopping = false
  const loop = (async () => {
    while (!stopping) {
      await client.noop()
      if (told > exists) {
        const at = performance.now()
        const range = `${exists + 1}:${told}`
        exists = told
        for await (const mail of client.fetch(range, { envelope: true })) {
          const answers = mail.envelope?.inReplyTo
          if (!answers || seen.has(answers)) continue
          seen.set(answers, at)
          waiting.get(answers)?.(at)
        }
      }
      await new Promise(resolve => setTimeout(resolve, NOOP_MS))
    }
  })()
  return {
    answerTo(messageId, withinMs) {
      const at = seen.get(messageId)
      if (at !== undefined) return Promise.resolve(at)
      return new Promise((resolve, reject) => {
        const late = setTimeout(
          () => reject(new Error(`no answer to ${messageId} within ${withinMs} ms`)),
          withinMs,
        )
        waiting.set(messageId, found => {
          clearTimeout(late)
          resolve(found)
        })
      })
    },
    async stop() {
      stopping = true
      await loop
      await client.logout().catch(() => client.close())
    },
  }
}
