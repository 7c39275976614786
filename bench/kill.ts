/**
 * `npm run lab:kill`: kill -9 of the Worker and of the bridge at three points, and what is true afterwards. On Dovecot and Postfix, with a
 * submission server in between that stops a session where the lab wants (held-smtp.ts).
 *
 *     store     mail was just stored; its row, cursor, conversation or answer may be missing (a random moment up to 0.6 s later)
 *     sending   the answer stands before MAIL, RCPT or DATA; nothing was handed over
 *     leaving   the final dot came and nobody said 250; in half of the rounds Postfix has the mail, in half not
 *
 *     --short             2 rounds of each instead of 20
 *     --only a,b          of store, sending, leaving
 *     --seed n            repeats the random moments of a run
 *
 * Ends with 1 where anything was lost, stored twice or sent twice, or where "uncertain" was said too often or not often enough.
 */
import { existsSync, mkdirSync, readdirSync, watch } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { MailServers } from '../test/servers/mail-servers.ts'
import { type HeldSmtp, type Point, startHeldSmtp } from './held-smtp.ts'
import { inParallel } from './parallel.ts'
import { answersIn, type Sender, sender } from './post.ts'
import { markerOf, numberIn, randomFrom } from './post-bag.ts'
import { markdown, note } from './report.ts'
import { atEnd, logOf, run, type Stack, startServers, startStack } from './stack.ts'

const CUSTOMER = 'alice@customer.test'
const SUPPORT = 'support@kill.test'
/** A lease on something owed lasts a minute after the kill, and the watchdog looks after the next. */
const SETTLED_MS = 200_000
const STORE_MAILS = 10

type Where = 'store' | 'sending' | 'leaving'
type Victim = 'Worker' | 'bridge'

interface Mail {
  n: number
  messageId: string
  where: Where
  victim: Victim
}

interface Lab {
  servers: MailServers
  stack: Stack
  smtp: HeldSmtp
  customer: Sender
  random: () => number
  mails: Mail[]
}

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string', default: 'store,sending,leaving' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const rounds = values.short ? 2 : 20

async function all(): Promise<number> {
  note(`seed ${values.seed}`)
  const servers = await startServers()
  const smtp = await startHeldSmtp(servers)
  atEnd(smtp.stop)
  const smtpSettings = { host: servers.host, port: smtp.port, tls: true, user: SUPPORT }
  const stack = await startStack(servers, [
    { address: SUPPORT, settings: { watch: true, pollMs: 1_000, smtp: smtpSettings } },
  ])
  const customer = sender(servers)
  atEnd(async () => customer.stop())
  const lab: Lab = { servers, stack, smtp, customer, random: randomFrom(Number(values.seed)), mails: [] }
  for (const where of ['store', 'sending', 'leaving'] as const) {
    if (!values.only.split(',').includes(where)) continue
    for (const victim of ['Worker', 'bridge'] as const)
      for (let round = 0; round < rounds; round++) {
        const from = performance.now()
        await (where === 'store' ? killAtStore(lab, victim) : killAtServer(lab, where, victim, round))
        note(`${where}, ${victim}, round ${round + 1}: ${Math.round(performance.now() - from)} ms`)
      }
    await settled(lab, lab.mails)
  }
  // What would come twice would come now.
  await stack.tick()
  await sleep(3_000)
  const { rows, violations } = await findings(lab)
  console.log(markdown(HEADS, rows))
  for (const violation of violations) console.log(`violation: ${violation}`)
  console.log(
    `seed ${values.seed}: ${violations.length === 0 ? 'no violation' : `${violations.length} violations`}`,
  )
  await stack.stop()
  return violations.length === 0 ? 0 : 1
}

/** Mails come in, and a moment after the first of them reaches R2 somebody is killed. No answer leaves before that. */
async function killAtStore(lab: Lab, victim: Victim): Promise<void> {
  const { stack, smtp, random } = lab
  smtp.hold('MAIL')
  const stored = firstBlob(stack.dir)
  const sent = (async () => {
    for (let n = 0; n < STORE_MAILS; n++) {
      await post(lab, 'store', victim)
      await sleep(random() * 40)
    }
  })()
  await stored
  await sleep(random() * 600)
  await kill(lab, victim)
  await sent
}

/** One mail, whose answer stops at the mail server; then somebody is killed. */
async function killAtServer(
  lab: Lab,
  where: 'sending' | 'leaving',
  victim: Victim,
  round: number,
): Promise<void> {
  const points: Point[] =
    where === 'sending' ? ['MAIL', 'RCPT', 'DATA'] : ['dot, not handed on', 'dot, handed on']
  lab.smtp.hold(points[round % points.length]!)
  const mail = await post(lab, where, victim)
  await lab.smtp.reached(60_000)
  await sleep(lab.random() * 100)
  await kill(lab, victim)
  await settled(lab, [mail])
}

async function kill({ stack, smtp }: Lab, victim: Victim): Promise<void> {
  await (victim === 'Worker' ? stack.worker : stack.bridge).kill()
  // The held sessions end with the Worker; where it lives, they go on.
  for (let n = 0; victim === 'Worker' && smtp.sessions() > 0 && n < 200; n++) await sleep(10)
  smtp.hold(null)
  await (victim === 'Worker' ? stack.restartWorker() : stack.restartBridge())
  await stack.tick()
}

async function post({ customer, mails }: Lab, where: Where, victim: Victim): Promise<Mail> {
  const n = mails.length
  const subject = `Question ${markerOf(n)}`
  const text = `How do I get a refund for my order number ${10_000 + n}?`
  const { messageId } = await customer.send({ from: CUSTOMER, to: SUPPORT, subject, text })
  const mail = { n, messageId, where, victim }
  mails.push(mail)
  return mail
}

/** The next file in the bucket's directory. */
async function firstBlob(dir: string): Promise<void> {
  const blobs = join(dir, 'state/v3/r2/edgedesk-mail/blobs')
  if (!existsSync(blobs)) mkdirSync(blobs, { recursive: true })
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no mail was stored within a minute')), 60_000)
    const watcher = watch(blobs, () => {
      clearTimeout(late)
      watcher.close()
      resolve()
    })
  })
}

interface ListedConversation {
  id: string
  title: string
  lastMessage: { type: string; delivery: { status: string } | null } | null
}

const OVER = ['sent', 'uncertain', 'failed', 'withdrawn', 'held', 'draft']

/** Until each of these mails has a conversation whose last word is an answer that is over; the clock ticks meanwhile. */
async function settled({ stack }: Lab, mails: readonly Mail[]): Promise<void> {
  const from = Date.now()
  for (let ticked = from; ; await sleep(200)) {
    const conversations = await stack.list<ListedConversation>(stack.inboxes[0]!, '/conversations/')
    const over = new Set(
      conversations
        .filter(one => OVER.includes(one.lastMessage?.delivery?.status ?? ''))
        .map(one => numberIn(one.title)),
    )
    const open = mails.filter(mail => !over.has(mail.n))
    if (open.length === 0) return
    if (Date.now() - from > SETTLED_MS) {
      note(`not settled: ${open.map(mail => mail.n).join(', ')}\n${logOf(stack)}`)
      return
    }
    if (Date.now() - ticked > 5_000) {
      ticked = Date.now()
      await stack.tick()
    }
  }
}

const HEADS = [
  'killed',
  'at',
  'rounds',
  'mails',
  'lost',
  'stored twice',
  'answered',
  'sent twice',
  'unanswered',
  'uncertain',
  'of these expected',
]

interface ApiMessage {
  type: 'incoming' | 'outgoing'
  subject: string
  delivery: { status: string } | null
}

async function findings(lab: Lab) {
  const { stack, smtp, mails } = lab
  const inbox = stack.inboxes[0]!
  const incoming = new Map<number, number>()
  const answers = new Map<number, string[]>()
  await inParallel(6, await stack.list<ListedConversation>(inbox, '/conversations/'), async ({ id }) => {
    for (const message of await stack.list<ApiMessage>(inbox, `/messages/?conversation=${id}`)) {
      const n = numberIn(message.subject)
      if (message.type === 'incoming') incoming.set(n, (incoming.get(n) ?? 0) + 1)
      else if (message.delivery?.status !== 'withdrawn')
        answers.set(n, [...(answers.get(n) ?? []), message.delivery?.status ?? 'none'])
    }
  })
  const copies = await answersIn(lab.servers, CUSTOMER)
  const violations: string[] = []
  const stored = rawMails(stack.dir)
  if (stored !== mails.length) violations.push(`${stored} raw mails in R2 of ${mails.length} sent`)

  const rows: string[][] = []
  for (const [where, group] of Map.groupBy(mails, mail => mail.where))
    for (const [victim, some] of Map.groupBy(group, mail => mail.victim)) {
      const count = { lost: 0, twice: 0, answered: 0, sentTwice: 0, unanswered: 0, uncertain: 0, expected: 0 }
      for (const { n, messageId } of some) {
        const wrong = (what: string) => violations.push(`mail ${n} (${where}, ${victim}): ${what}`)
        const times = incoming.get(n) ?? 0
        const statuses = answers.get(n) ?? []
        const came = copies.get(messageId) ?? 0
        const handed = smtp.mails.filter(one => one.inReplyTo === messageId)
        const open = handed.some(one => !one.answered)
        if (times === 0) count.lost += 1
        if (times > 1) count.twice += 1
        if (came > 1) count.sentTwice += 1
        if (open) count.expected += 1
        if (statuses.includes('uncertain')) count.uncertain += 1
        if (statuses.includes('sent')) count.answered += 1
        if (statuses.length === 0) count.unanswered += 1
        if (times !== 1) wrong(`${times} times in conversations`)
        if (statuses.length !== 1) wrong(`${statuses.length} answers: ${statuses.join(', ')}`)
        if (handed.length > 1) wrong(`its answer was handed over ${handed.length} times`)
        const wanted = open ? 'uncertain' : 'sent'
        if (statuses.some(status => status !== wanted)) wrong(`${statuses.join(', ')} instead of ${wanted}`)
        const due = handed.some(one => one.handedOn) ? 1 : 0
        if (came !== due) wrong(`${came} answers in the customer's box instead of ${due}`)
      }
      const each = where === 'store' ? some.length / STORE_MAILS : some.length
      rows.push([victim, where, String(each), String(some.length), ...Object.values(count).map(String)])
    }
  return { rows, violations }
}

/** Raw mails in the bucket, by its own list. */
function rawMails(dir: string): number {
  const lists = join(dir, 'state/v3/r2/miniflare-R2BucketObject')
  const list = readdirSync(lists).find(name => name.endsWith('.sqlite') && !name.startsWith('metadata'))!
  const db = new DatabaseSync(join(lists, list), { readOnly: true })
  try {
    const row = db.prepare("SELECT count(*) AS n FROM _mf_objects WHERE key LIKE 'raw/%'").get()
    return (row as { n: number }).n
  } finally {
    db.close()
  }
}

await run(all)
