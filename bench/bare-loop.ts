/**
 * What answering a mail costs without a product: IDLE on a box, fetch what came, answer it through submission. Started by latency.ts as
 * a process of its own; where everything is comes in BARE_LOOP.
 */
import { readFileSync } from 'node:fs'
import { ImapFlow } from 'imapflow'
import nodemailer from 'nodemailer'

interface Where {
  host: string
  imapPort: number
  submissionPort: number
  user: string
  password: string
  ca: string
}

const where = JSON.parse(process.env.BARE_LOOP!) as Where
const tls = { ca: readFileSync(where.ca) }
const auth = { user: where.user, pass: where.password }
const transport = nodemailer.createTransport({
  ...{ host: where.host, port: where.submissionPort, secure: false, requireTLS: true },
  ...{ auth, tls: { ...tls, servername: where.host } },
})
const client = new ImapFlow({
  ...{ host: where.host, port: where.imapPort, secure: false, doSTARTTLS: true },
  ...{ auth, tls: tls as object, logger: false, disableAutoIdle: true },
})
let news = (): void => {}
await client.connect()
const box = await client.mailboxOpen('INBOX', { readOnly: true })
let next = box.uidNext
client.on('exists', () => news())
process.stdout.write('ready\n')
process.once('SIGTERM', () => process.exit(0))

for (;;) {
  const came = new Promise<void>(resolve => {
    news = resolve
  })
  // The event comes while IDLE is still held; the next command ends it.
  client.idle().catch(() => process.exit(1))
  await came
  const mails = []
  for await (const mail of client.fetch(
    `${next}:*`,
    { uid: true, envelope: true, source: true },
    { uid: true },
  ))
    if (mail.uid >= next) mails.push(mail)
  for (const { uid, envelope } of mails) {
    next = Math.max(next, uid + 1)
    await transport.sendMail({
      from: where.user,
      to: envelope!.from![0]!.address!,
      subject: `Re: ${envelope!.subject}`,
      inReplyTo: envelope!.messageId!,
      references: envelope!.messageId!,
      text: 'Thank you for your mail.',
    })
  }
}
