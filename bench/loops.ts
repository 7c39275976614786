/**
 * `npm run lab:loops`: machines that answer mail, let loose on the product, on Dovecot and Postfix. Each robot begins with one mail and then
 * answers whatever comes into its box, at once and without end, as long as anybody answers it. What is counted is how many automatic
 * mails the product sent each of them.
 *
 *     vacation, RFC 3834        Auto-Submitted: auto-replied, an empty envelope sender
 *     vacation, no headers      a plain mail with a subject like a person's
 *     changing sender           as before, each time from another address of its domain, with Reply-To where it reads
 *     our alias in Reply-To     a plain mail whose Reply-To is an address of our own inbox
 *     second copy               another inbox of another site of this product
 *
 *     --seconds n         how long they may go on after the first answer; 20, or 8 with --short
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { ImapFlow } from 'imapflow'
import { CAPS } from '../src/domain/outbox.ts'
import type { MailServers } from '../test/servers/mail-servers.ts'
import { imapClient, sender } from './post.ts'
import { type Figure, note, table } from './report.ts'
import { atEnd, type Inbox, run, type Stack, startServers, startStack } from './stack.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string' }, short: { type: 'boolean', default: false } },
})
const lasting = Number(values.seconds ?? (values.short ? 8 : 20)) * 1000
const QUESTION = 'How do I get a refund for my order?'

interface Robot {
  name: string
  /** Of the product, where the robot writes to. */
  inbox: string
  address: string
  /** Headers of its n-th answer, and who it says it is. */
  answer(n: number): { from: string; envelope: string; headers: Record<string, string> }
  /** Most automatic mails that the product may send it. */
  most: number
}

const plain = (from: string, headers: Record<string, string> = {}) => ({ from, envelope: from, headers })

const ROBOTS: Robot[] = [
  {
    name: 'vacation responder as RFC 3834 has it',
    inbox: 'one@loops.test',
    address: 'vacation@robots.test',
    answer: () => ({
      from: 'vacation@robots.test',
      envelope: '',
      headers: { 'Auto-Submitted': 'auto-replied (vacation)', Precedence: 'bulk' },
    }),
    most: 2,
  },
  {
    name: 'vacation responder without any header',
    inbox: 'two@loops.test',
    address: 'plain@robots.test',
    answer: () => plain('plain@robots.test'),
    most: CAPS.sender.count,
  },
  {
    name: 'robot that changes its sender each time',
    inbox: 'three@loops.test',
    address: 'many@robots.test',
    answer: n => plain(`many-${n}@robots.test`, { 'Reply-To': 'many@robots.test' }),
    most: CAPS.sender.count,
  },
  {
    name: 'robot with our own alias in Reply-To',
    inbox: 'four@loops.test',
    address: 'alias@robots.test',
    answer: () => plain('alias@robots.test', { 'Reply-To': 'four-alias@loops.test' }),
    most: CAPS.sender.count,
  },
]

async function all(): Promise<number> {
  const servers = await startServers()
  const own = { watch: true, pollMs: 1_000, caps: CAPS }
  const stack = await startStack(servers, [
    ...ROBOTS.map(robot => ({
      address: robot.inbox,
      settings: {
        ...own,
        ...(robot.inbox === 'four@loops.test' ? { aliases: ['four-alias@loops.test'] } : {}),
      },
    })),
    { address: 'first@copies.test', settings: own },
    { address: 'second@copies.test', settings: own },
  ])
  const figures = await Promise.all([
    ...ROBOTS.map((robot, n) => withRobot(servers, stack, stack.inboxes[n]!, robot)),
    twoCopies(servers, stack.inboxes.at(-2)!, stack.inboxes.at(-1)!),
  ])
  console.log(table(figures))
  await stack.stop()
  return figures.every(one => one.met) ? 0 : 1
}

async function withRobot(servers: MailServers, stack: Stack, inbox: Inbox, robot: Robot): Promise<Figure> {
  const customer = sender(servers)
  atEnd(async () => customer.stop())
  const box = imapClient(servers, robot.address)
  await box.connect()
  const first = robot.answer(0)
  // It begins as a person would; only where it wants its answers is said from the start.
  const { 'Reply-To': replyTo } = first.headers
  await customer.send({
    ...plain(first.from, replyTo ? { 'Reply-To': replyTo } : {}),
    to: robot.inbox,
    subject: 'A question',
    text: QUESTION,
  })
  let came = 0
  let answered = 0
  const end = Date.now() + lasting + 10_000
  while (Date.now() < end) {
    const mails = await unseen(box, came)
    for (const mail of mails) {
      came += 1
      answered += 1
      await customer.send({
        ...withThread(robot.answer(answered), mail.messageId),
        to: robot.inbox,
        subject: `Re: ${mail.subject}`,
        text: `${QUESTION} I answer by myself, for the ${answered}. time.`,
      })
    }
    await sleep(100)
  }
  await box.logout()
  customer.stop()
  const held = await heldIn(stack, inbox)
  note(
    `${robot.name}: ${came} mails came, ${answered} answers went back, ${held} answers were held or left to a person`,
  )
  return {
    figure: robot.name,
    measured: `${came} automatic mails; ${held} held for a person`,
    bar: `≤ ${robot.most}`,
    met: came <= robot.most && came > 0,
  }
}

function withThread<Answer extends { headers: Record<string, string> }>(answer: Answer, to: string): Answer {
  return { ...answer, headers: { ...answer.headers, 'In-Reply-To': to, References: to } }
}

/** Two sites that know nothing of each other; a customer's mail is forged so that the first answers the second. */
async function twoCopies(servers: MailServers, one: Inbox, other: Inbox): Promise<Figure> {
  const customer = sender(servers)
  atEnd(async () => customer.stop())
  await customer.send({
    ...plain(other.address),
    to: one.address,
    subject: 'A question',
    text: QUESTION,
  })
  await sleep(lasting + 10_000)
  customer.stop()
  const counts = await Promise.all(
    [one, other].map(async inbox => {
      const box = imapClient(servers, inbox.address)
      await box.connect()
      const all = await box.mailboxOpen('INBOX', { readOnly: true })
      await box.logout()
      return all.exists
    }),
  )
  // The first mail to the first copy was ours.
  const automatic = counts[0]! - 1 + counts[1]!
  return {
    figure: 'a second copy of the product',
    measured: `${automatic} automatic mails between them`,
    bar: '≤ 2',
    met: automatic <= 2 && automatic > 0,
  }
}

async function heldIn(stack: Stack, inbox: Inbox): Promise<number> {
  const conversations = await stack.list<{ id: string }>(inbox, '/conversations/')
  let held = 0
  for (const { id } of conversations)
    for (const message of await stack.list<{ delivery: { status: string } | null }>(
      inbox,
      `/messages/?conversation=${id}`,
    ))
      if (['held', 'draft'].includes(message.delivery?.status ?? '')) held += 1
  return held
}

/** Mails of a box behind the first `known`, by their sequence. */
async function unseen(box: ImapFlow, known: number): Promise<{ subject: string; messageId: string }[]> {
  const { exists } = await box.mailboxOpen('INBOX', { readOnly: true })
  if (exists <= known) return []
  const found = []
  for await (const { envelope } of box.fetch(`${known + 1}:${exists}`, { envelope: true }))
    found.push({ subject: envelope?.subject ?? '', messageId: envelope?.messageId ?? '' })
  return found
}

await run(all)
