/**
 * Waiting mail, assistant off, until all of it stands in conversations: in turns with a Worker that only stores the same mail
 * (baseline/worker.ts). A whole run of 5,000 then shows that nothing is lost and nothing is there twice. When a mail is visible is read
 * from the D1 files themselves, for both alike, because asking the Workers would slow them; what is there is asked of the API.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, ROOT, startWorker } from '../dev/processes.ts'
import type { MailServers } from '../test/servers/mail-servers.ts'
import { inParallel } from './parallel.ts'
import { bag, numberIn } from './post-bag.ts'
import { type Figure, median, note, seconds } from './report.ts'
import { atEnd, BRIDGE_TOKEN, frozen, type Inbox, type Stack, startStack } from './stack.ts'

const BAR = 0.4
const WARM_MAILS = 100

export async function throughput(servers: MailServers, short: boolean): Promise<Figure[]> {
  const [pairs, mails, whole] = short ? [1, 300, 300] : [5, 1_000, 5_000]
  const boxes = Array.from({ length: pairs }, (_, n) => `waiting-${n}@bench.test`)
  boxes.unshift('waiting-warm@bench.test')
  if (!short) boxes.push('waiting-whole@bench.test')
  const stack = await startStack(
    servers,
    boxes.map(address => ({ address, withoutAssistant: true })),
  )
  const baseline = await startBaseline(servers, stack)
  try {
    const rates: { product: number; baseline: number }[] = []
    // Neither is measured cold; in a short run the product begins, so that cold is at its own cost.
    if (!short) {
      await baseline.read('baseline-warm@bench.test', WARM_MAILS, 999)
      await read(servers, stack, stack.inboxes[0]!, WARM_MAILS, 999)
    }
    for (let pair = 0; pair < pairs; pair++) {
      const inbox = stack.inboxes[pair + 1]!
      const seed = 1000 + pair
      const asBaseline = () => baseline.read(`baseline-${pair}@bench.test`, mails, seed)
      const asProduct = () => read(servers, stack, inbox, mails, seed)
      // Who begins changes from pair to pair.
      const productFirst = pair % 2 === 0
      const first = productFirst ? await asProduct() : await asBaseline()
      const second = productFirst ? await asBaseline() : await asProduct()
      rates.push(productFirst ? { product: first, baseline: second } : { product: second, baseline: first })
      const { product, baseline: bare } = rates.at(-1)!
      note(
        `throughput, pair ${pair + 1}, ${mails} mails: product ${product.toFixed(1)}/s, baseline ${bare.toFixed(1)}/s, ratio ${(product / bare).toFixed(2)}`,
      )
    }
    const last = stack.inboxes.at(-1)!
    let wholeRate = rates.at(-1)!.product
    let wholeBare = rates.at(-1)!.baseline
    if (!short) {
      wholeBare = await baseline.read('baseline-whole@bench.test', whole, 5000)
      wholeRate = await read(servers, stack, last, whole, 5000)
    }
    const check = await checkWhole(stack, last, whole, short ? 1000 + pairs - 1 : 5000)
    note(`throughput, ${whole} mails: ${wholeRate.toFixed(1)}/s; ${JSON.stringify(check)}`)
    const once: Figure = {
      figure: `the same, once with ${whole}`,
      measured: `${wholeRate.toFixed(0)}/s`,
      baseline: `${wholeBare.toFixed(0)}/s`,
      bar: `≥ ${BAR} ×; it is ${(wholeRate / wholeBare).toFixed(2)} ×`,
      met: wholeRate / wholeBare >= BAR,
    }
    const ratio = median(rates.map(one => one.product / one.baseline))
    return [
      {
        figure: `waiting mails → visible conversations, ${pairs} pairs of ${mails}`,
        measured: `${median(rates.map(one => one.product)).toFixed(0)}/s`,
        baseline: `${median(rates.map(one => one.baseline)).toFixed(0)}/s`,
        bar: `≥ ${BAR} ×; it is ${ratio.toFixed(2)} × (${rates.map(one => (one.product / one.baseline).toFixed(2)).join(', ')})`,
        met: ratio >= BAR,
      },
      ...(short ? [] : [once]),
      {
        figure: `${whole} waiting mails: lost, twice, in a wrong conversation`,
        measured: `${check.lost}, ${check.twice}, ${check.astray}`,
        bar: '0, 0, 0',
        met: check.lost + check.twice + check.astray === 0,
      },
    ]
  } finally {
    await baseline.stop()
    await stack.stop()
  }
}

/** Fills the box, waits until a tick may take it, ticks, and waits until all is in D1. Mails a second. */
async function read(
  servers: MailServers,
  stack: Stack,
  inbox: Inbox,
  mails: number,
  seed: number,
): Promise<number> {
  await servers.deliverFiles(inbox.address, raws(mails, inbox.address, seed))
  // A mailbox at the clock's pace is due from half a minute after its last sync on; nothing reads it before.
  const { nextSyncAt } = await stack.status(inbox)
  await sleep(Math.max(0, Number(nextSyncAt) - 29_500 - Date.now()))
  const from = performance.now()
  await stack.tick()
  // The clock goes on, as it does; one tick is enough unless something fails on the way.
  const clock = setInterval(() => void stack.tick().catch(() => {}), 60_000)
  try {
    await rows(
      stateOf(stack.dir),
      'SELECT count(*) AS n FROM messages WHERE site_id = ?',
      inbox.siteId,
      mails,
    )
  } finally {
    clearInterval(clock)
  }
  return (mails / (performance.now() - from)) * 1000
}

function* raws(mails: number, address: string, seed: number): Generator<Uint8Array> {
  for (const { raw } of bag(mails, address, seed)) yield raw
}

const stateOf = (dir: string) => join(dir, 'state')
const GIVE_UP_MS = 280_000

/** Waits until a count in one of the local D1 databases of this state directory is there. */
async function rows(stateDir: string, query: string, of: string, wanted: number): Promise<void> {
  const dir = join(stateDir, 'v3/d1/miniflare-D1DatabaseObject')
  const tables = /FROM (\w+)/.exec(query)![1]!
  const open = readdirSync(dir)
    .filter(name => name.endsWith('.sqlite') && !name.startsWith('metadata'))
    .map(name => new DatabaseSync(join(dir, name), { readOnly: true }))
  try {
    const db = open.find(one => one.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(tables))
    if (!db) throw new Error(`no local D1 database has the table ${tables}`)
    const count = db.prepare(query)
    const from = performance.now()
    const end = from + GIVE_UP_MS
    let told = 0
    for (let n = 0; ; await sleep(100)) {
      n = (count.get(of) as { n: number }).n
      if (n >= told + 1_000) {
        told = n
        note(`  ${n} of ${wanted} after ${seconds(performance.now() - from)}`)
      }
      if (n >= wanted) return
      if (performance.now() > end) throw new Error(`only ${n} of ${wanted} mails became visible`)
    }
  } finally {
    for (const one of open) one.close()
  }
}

interface Check {
  conversations: number
  messages: number
  lost: number
  twice: number
  /** In another conversation than the mail they answer, or in that of a mail they do not belong to. */
  astray: number
}

async function checkWhole(stack: Stack, inbox: Inbox, mails: number, seed: number): Promise<Check> {
  const found = new Map<number, string[]>()
  const conversations = await stack.list<{ id: string }>(inbox, '/conversations/')
  const ids = [...new Set(conversations.map(one => one.id))]
  let messages = 0
  await inParallel(6, ids, async id => {
    for (const { subject } of await stack.list<{ subject: string }>(inbox, `/messages/?conversation=${id}`)) {
      messages += 1
      const n = numberIn(subject)
      found.set(n, [...(found.get(n) ?? []), id])
    }
  })
  let lost = 0
  let twice = 0
  let astray = 0
  const roots = new Map<string, number>()
  for (const { n, parent } of bag(mails, inbox.address, seed)) {
    const where = found.get(n) ?? []
    if (where.length === 0) lost += 1
    if (where.length > 1) twice += 1
    if (parent !== null && where[0] !== found.get(parent)?.[0]) astray += 1
    if (parent === null && where[0]) {
      if (roots.has(where[0])) astray += 1
      roots.set(where[0], n)
    }
  }
  twice += conversations.length - ids.length
  return { conversations: ids.length, messages, lost, twice, astray }
}

async function startBaseline(servers: MailServers, stack: Stack) {
  const port = await freePort()
  const stateDir = join(stack.dir, 'baseline')
  const worker = await startWorker({
    port,
    stateDir,
    log: join(stack.dir, 'baseline.log'),
    vars: { BRIDGE_URL: stack.bridge.url, BRIDGE_TOKEN },
    config: await frozen(join(ROOT, 'bench/baseline/wrangler.toml'), stack.dir),
  })
  const ended = atEnd(worker.kill)
  const ask = async (path: string, user: string) => {
    const account = {
      ...{ host: servers.host, port: servers.imap.port, security: 'starttls' },
      ...{ user, password: servers.password },
    }
    const answer = await fetch(`${worker.url}${path}`, { method: 'POST', body: JSON.stringify(account) })
    if (!answer.ok) throw new Error(`the baseline answered ${answer.status}: ${await answer.text()}`)
  }
  return {
    async read(address: string, mails: number, seed: number): Promise<number> {
      await ask('/connect', address)
      await servers.deliverFiles(address, raws(mails, address, seed))
      const from = performance.now()
      await ask('/read', address)
      await rows(stateDir, 'SELECT count(*) AS n FROM mails WHERE box = ?', address, mails)
      return (mails / (performance.now() - from)) * 1000
    },
    async stop(): Promise<void> {
      await worker.stop()
      ended.never()
    },
  }
}
