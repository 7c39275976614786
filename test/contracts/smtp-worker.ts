/**
 * The Worker under test: takes a mail as JSON and sends it with the library named by its LIBRARY binding, inside
 * workerd, where sockets, timers and hung loops are the real ones. `/ping` tells whether the isolate still answers.
 */
import { createHash } from 'node:crypto'
import { WorkerMailer } from 'worker-mailer'
import { compose } from '../../src/mail/compose.ts'
import { checkSmtp, type SmtpAccount, type SmtpLimits, type Submission, submit } from '../../src/mail/smtp.ts'

export interface Order {
  account: SmtpAccount
  mail: { from: string; to: string[]; cc?: string[]; bcc?: string[]; subject?: string; text?: string }
  /** The text this many times over. */
  times?: number
  gate?: 'yes' | 'no' | 'throw' | number
  limits?: Partial<SmtpLimits>
}

export interface Report {
  submission: Submission | { kind: 'error'; message: string }
  asked: number
  ms: number
  sha: string | null
}

export default {
  async fetch(request: Request, env: { LIBRARY: 'ours' | 'worker-mailer' }): Promise<Response> {
    const path = new URL(request.url).pathname
    if (path === '/ping') return new Response('pong')
    const order = (await request.json()) as Order
    const mine = env.LIBRARY === 'ours'
    if (path === '/check') {
      return Response.json(await (mine ? checkSmtp(order.account, order.limits) : checkWorkerMailer(order)))
    }
    return Response.json(await (mine ? ours(order) : workerMailer(order)))
  },
}

async function ours({ account, mail, times = 1, gate = 'yes', limits }: Order): Promise<Report> {
  const mailbox = (address: string) => ({ name: '', address })
  const composed = await compose({
    messageId: '<contract.1@shop.example>',
    date: 1_790_000_000_000,
    from: mailbox(mail.from),
    to: mail.to.map(mailbox),
    cc: (mail.cc ?? []).map(mailbox),
    replyTo: null,
    subject: mail.subject ?? 'Order 17',
    inReplyTo: null,
    references: [],
    text: (mail.text ?? 'On its way.\n').repeat(times),
    html: null,
    automatic: null,
    attachments: [],
  })
  // An address that the writing desk refuses is tried at the back door all the same: both must hold.
  const raw =
    composed.kind === 'composed' ? composed.raw : new TextEncoder().encode('Subject: x\r\n\r\nx\r\n')
  let asked = 0
  const decide = async () => {
    asked++
    if (gate === 'throw') throw new Error('the gate fell over')
    if (typeof gate === 'number') await new Promise(resolve => setTimeout(resolve, gate))
    return gate !== 'no'
  }
  const started = Date.now()
  const envelope = { from: mail.from, to: [...mail.to, ...(mail.cc ?? []), ...(mail.bcc ?? [])] }
  const submission = await submit(account, envelope, raw, decide, limits)
  const sha = createHash('sha256').update(raw).digest('hex')
  return { submission, asked, ms: Date.now() - started, sha }
}

/** worker-mailer knows sent and Error; it has no gate to ask. */
async function workerMailer({ account, mail, times = 1, limits }: Order): Promise<Report> {
  const started = Date.now()
  const report = (submission: Report['submission']) => ({
    submission,
    asked: 0,
    ms: Date.now() - started,
    sha: null,
  })
  try {
    const mailer = await connect(account, limits)
    await mailer.send({
      from: mail.from,
      to: mail.to,
      ...(mail.cc ? { cc: mail.cc } : {}),
      ...(mail.bcc ? { bcc: mail.bcc } : {}),
      subject: mail.subject ?? 'Order 17',
      text: (mail.text ?? 'On its way.\n').repeat(times),
    })
    await mailer.close()
    return report({ kind: 'sent', response: '', refused: [] })
  } catch (error) {
    return report({ kind: 'error', message: String(error).slice(0, 200) })
  }
}

async function checkWorkerMailer({
  account,
  limits,
}: Order): Promise<{ code: string; message: string } | null> {
  try {
    await (await connect(account, limits)).close()
    return null
  } catch (error) {
    return { code: 'error', message: String(error).slice(0, 200) }
  }
}

function connect(account: SmtpAccount, limits: Order['limits']): Promise<WorkerMailer> {
  return WorkerMailer.connect({
    host: account.host,
    port: account.port,
    secure: account.security === 'tls',
    startTls: account.security === 'starttls',
    credentials: { username: account.user, password: account.password },
    authType: ['plain', 'login'],
    logLevel: 4,
    socketTimeoutMs: limits?.sessionMs ?? 10_000,
  })
}
