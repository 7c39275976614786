/**
 * From "250" at Postfix to the answer in the customer's INBOX. With a watch, in turns with a bare loop (IDLE, fetch, SMTP; no product)
 * on a box of its own; and without: by the mailbox's own alarm, and by the clock's tick alone.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT } from '../dev/processes.ts'
import type { MailServers } from '../test/servers/mail-servers.ts'
import { type Sender, sender, type Watcher, watchBox } from './post.ts'
import { type Figure, median, ms, note, quantile, worst } from './report.ts'
import { atEnd, type Stack, startStack } from './stack.ts'

const WATCHED = 'support-watched@bench.test'
const POLLED = 'support-polled@bench.test'
const CLOCKED = 'support-clocked@bench.test'
const BARE = 'support-bare@bench.test'
const CUSTOMER = 'alice@customer.test'

const POLL_MS = 5_000
/** A mailbox at the clock's own pace takes a tick from half a minute after its last sync on, so this is the quickest clock it follows. */
const TICK_MS = 31_000
const QUESTIONS = [
  'How do I get a refund for my order?',
  'I forgot my password. How can I sign in?',
  'What does shipping cost and how long does it take?',
  '如何申請退款？我想退貨。',
]

export async function latency(servers: MailServers, short: boolean): Promise<Figure[]> {
  const stack = await startStack(servers, [
    { address: WATCHED, settings: { watch: true } },
    { address: POLLED, settings: { pollMs: POLL_MS } },
    { address: CLOCKED },
  ])
  const bare = await startBareLoop(servers)
  const customer = sender(servers)
  const box = await watchBox(servers, CUSTOMER)
  const ended = atEnd(async () => bare.kill('SIGKILL'))
  try {
    const [rounds, mails] = short ? [1, 5] : [5, 10]
    for (const to of [WATCHED, BARE]) await answered(customer, box, to, 3)
    const product: number[][] = []
    const loop: number[][] = []
    for (let round = 0; round < rounds; round++) {
      product.push(await answered(customer, box, WATCHED, mails))
      loop.push(await answered(customer, box, BARE, mails))
      note(`latency, watch, pair ${round + 1}: ${said(product.at(-1)!)}; bare loop: ${said(loop.at(-1)!)}`)
    }
    const clocked = await byClock(customer, box, stack, short)
    return [
      watchFigure(product, loop),
      {
        figure: `mail accepted → reply in INBOX, polling only (${POLL_MS / 1000} s), worst of ${clocked.polled.length}`,
        measured: `${ms(worst(clocked.polled))} (p50 ${ms(median(clocked.polled))})`,
        bar: `≤ ${ms(POLL_MS + 1000)}`,
        met: worst(clocked.polled) <= POLL_MS + 1000,
      },
      {
        figure: `mail accepted → reply in INBOX, cron only (tick ${TICK_MS / 1000} s), worst of ${clocked.clocked.length}`,
        measured: `${ms(worst(clocked.clocked))} (p50 ${ms(median(clocked.clocked))}; after the tick: worst ${ms(worst(clocked.sinceTick))})`,
        bar: `≤ ${ms(TICK_MS + 2000)}`,
        met: worst(clocked.clocked) <= TICK_MS + 2000 && worst(clocked.sinceTick) <= 2000,
      },
    ]
  } finally {
    customer.stop()
    await box.stop().catch(() => {})
    await ended.now()
    await stack.stop()
  }
}

function watchFigure(product: number[][], loop: number[][]): Figure {
  const p95 = quantile(product.flat(), 0.95)
  const bareP95 = quantile(loop.flat(), 0.95)
  const between = median(product.map((round, n) => median(round) - median(loop[n]!)))
  return {
    figure: `mail accepted → reply in INBOX, watch on, p95 of ${product.flat().length} in ${product.length} pairs`,
    measured: `${ms(p95)} (p50 ${ms(median(product.flat()))})`,
    baseline: `bare loop ${ms(bareP95)} (p50 ${ms(median(loop.flat()))})`,
    bar: `≤ ${ms(bareP95 + 500)}; it is + ${ms(p95 - bareP95)} (medians: + ${ms(between)})`,
    met: p95 <= bareP95 + 500,
  }
}

/** One mail after the other; the time each took. */
async function answered(customer: Sender, box: Watcher, to: string, mails: number): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < mails; n++) {
    const sent = await customer.send(question(to, n))
    times.push((await box.answerTo(sent.messageId, 20_000)) - sent.acceptedAt)
    // Not in step with anybody's timer.
    await sleep(50 + Math.random() * 200)
  }
  return times
}

/** Both without a watch at once: mails at all moments of the interval, one of each kind just before a tick. */
async function byClock(customer: Sender, box: Watcher, stack: Stack, short: boolean) {
  const ticks = short ? 1 : 4
  const perTick = short ? 3 : 8
  const polled: Promise<number>[] = []
  const clocked: Promise<{ whole: number; sinceTick: number }>[] = []
  const tickedAt: number[] = []
  const nextTick = (at: number) => tickedAt.find(tick => tick >= at)
  const send = async (n: number) => {
    const one = await customer.send(question(POLLED, n))
    polled.push(box.answerTo(one.messageId, POLL_MS + 30_000).then(at => at - one.acceptedAt))
    const other = await customer.send(question(CLOCKED, n))
    clocked.push(
      box.answerTo(other.messageId, 2 * TICK_MS + 30_000).then(at => ({
        whole: at - other.acceptedAt,
        sinceTick: at - nextTick(other.acceptedAt)!,
      })),
    )
  }
  // Since the tick that connected the inbox some of the first interval has gone by.
  const { lastSyncAt } = await stack.status(stack.inboxes[2]!)
  let end = performance.now() - (Date.now() - Number(lastSyncAt))
  for (let round = 0; round < ticks; round++) {
    end = Math.max(end + TICK_MS, performance.now() + 5_000)
    const begin = performance.now()
    // The last of each round comes half a second before the tick, the others at any time before it.
    const moments = Array.from({ length: perTick - 1 }, () => Math.random() * (end - begin - 2_000))
    moments.push(end - begin - 500)
    moments.sort((a, b) => a - b)
    for (const [n, moment] of moments.entries()) {
      await sleep(Math.max(0, begin + moment - performance.now()))
      await send(n)
    }
    await sleep(Math.max(0, end - performance.now()))
    tickedAt.push(performance.now())
    await stack.tick()
    note(`latency without a watch, tick ${round + 1} of ${ticks}`)
  }
  const all = await Promise.all(clocked)
  return {
    polled: await Promise.all(polled),
    clocked: all.map(one => one.whole),
    sinceTick: all.map(one => one.sinceTick),
  }
}

function question(to: string, n: number) {
  return { from: CUSTOMER, to, subject: `Question ${n}`, text: QUESTIONS[n % QUESTIONS.length]! }
}

const said = (times: number[]) => `p50 ${ms(median(times))}, worst ${ms(worst(times))}`

async function startBareLoop(servers: MailServers): Promise<ChildProcess> {
  const where = {
    ...{ host: servers.host, imapPort: servers.imap.port, submissionPort: servers.smtp.submissionPort },
    ...{ user: BARE, password: servers.password, ca: servers.ca },
  }
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(ROOT, 'bench/bare-loop.ts')],
    {
      env: { ...process.env, BARE_LOOP: JSON.stringify(where) },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve())
    child.once('exit', () => reject(new Error('the bare loop did not start')))
  })
  return child
}
