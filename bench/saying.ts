/**
 * `POST /api/v1/messages`, assistant off, in turns with a Worker that does one insert (bare-api/worker.ts). Between the turns everything
 * that a message leads to is waited for, so that none of it is at the cost of the other. Then all of it is read by the API.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { compared, inTurns, type Lab, makePlace, startBare, startProduct } from './api-lab.ts'
import { openD1 } from './d1-file.ts'
import type { Asked, Client } from './http-load.ts'
import { inParallel } from './parallel.ts'
import { randomFrom } from './post-bag.ts'
import { type Figure, note } from './report.ts'

const CONVERSATIONS = 50
const RATE_BAR = 0.35
const P50_BAR = 3
const PATH = '/api/v1/messages'

export async function saying(lab: Lab, short: boolean): Promise<Figure[]> {
  const [pairs, messages, warm] = short ? [1, 300, 50] : [5, 2_000, 300]
  const place = await makePlace(lab, 'saying')
  const [product, bare] = await Promise.all([startProduct(lab, place), startBare(lab)])
  const conversations = await makeConversations(product)
  const said: string[] = []
  const round = (name: string, count: number): Asked[] =>
    Array.from({ length: count }, (_, n) => ({
      ...{ method: 'POST', path: PATH },
      body: { conversation: conversations[n % CONVERSATIONS]!, content: contentOf(`${name} ${n}`, n) },
    }))
  const asBare = (list: Asked[]) => bare.load(list)
  const asProduct = async (list: Asked[]) => {
    said.push(...list.map(one => (one.body as { content: string }).content))
    const load = await product.load(list)
    await allTold(place.stateDir, said.length)
    return load
  }

  const alike =
    fieldsOf(await product.json(probe(conversations[0]!, said))) === fieldsOf(await bare.json(probe('x', [])))
  await asBare(round('bare warm', warm))
  await asProduct(round('warm', warm))
  const all = await inTurns(
    pairs,
    n => asBare(round(`bare ${n}`, messages)),
    n => asProduct(round(`pair ${n}`, messages)),
    ({ measured, baseline, again }, n) =>
      note(
        `POST /messages, pair ${n + 1}: ${measured.perSecond.toFixed(0)}/s, bare ${baseline.perSecond.toFixed(0)}/s and ${again.perSecond.toFixed(0)}/s; p50 ${tenths(measured.p50)} to ${tenths(baseline.p50)}`,
      ),
  )
  const found = await readBack(product, conversations, said)
  await Promise.all([product.stop(), bare.stop()])

  const [rate, p50, p99] = [compared(all, 'perSecond'), compared(all, 'p50'), compared(all, 'p99')]
  const what = `POST /messages, ${pairs} pairs of ${messages}`
  return [
    {
      figure: `${what}: throughput`,
      measured: `${rate.measured.toFixed(0)}/s`,
      baseline: `bare ${rate.baseline.toFixed(0)}/s; ${rate.itself}`,
      bar: `≥ ${RATE_BAR} ×; it is ${rate.ratio.toFixed(2)} × (${rate.ratios})`,
      met: rate.ratio >= RATE_BAR,
    },
    {
      figure: 'the same: p50',
      measured: tenths(p50.measured),
      baseline: `bare ${tenths(p50.baseline)}; ${p50.itself}`,
      bar: `≤ ${P50_BAR} ×; it is ${p50.ratio.toFixed(2)} × (${p50.ratios})`,
      met: p50.ratio <= P50_BAR,
    },
    {
      figure: 'the same: p99',
      measured: tenths(p99.measured),
      baseline: `bare ${tenths(p99.baseline)} and ${tenths(p99.again)}; ${p99.itself}`,
      bar: `it is ${p99.ratio.toFixed(2)} × (${p99.ratios})`,
      met: null,
    },
    {
      figure: `${said.length} messages: not 200, lost, twice, in another conversation; fields other than the bare Worker's`,
      measured: `0, ${found.lost}, ${found.twice}, ${found.astray}; ${alike ? 'none' : 'some'}`,
      bar: '0, 0, 0, 0; none',
      met: found.lost + found.twice + found.astray === 0 && alike,
    },
  ]
}

async function makeConversations(product: Client): Promise<string[]> {
  const add = (path: string, body: unknown) => product.json<{ id: string }>({ method: 'POST', path, body })
  const chat = await add('/api/v1/web-chats', { name: 'Bench' })
  const conversations: string[] = []
  await inParallel(8, [...Array(CONVERSATIONS).keys()], async () => {
    conversations.push((await add('/api/v1/conversations', { webChat: chat.id })).id)
  })
  return conversations
}

function probe(conversation: string, said: string[]): Asked {
  const content = contentOf('probe', 0)
  said.push(content)
  return { method: 'POST', path: PATH, body: { conversation, content } }
}

const WORDS =
  'I have a question about my order it has not come yet and nobody answers the phone please help'.split(' ')

/** A few lines, as people write them. */
function contentOf(name: string, n: number): string {
  const random = randomFrom(n + 1)
  const words = Array.from(
    { length: 10 + Math.floor(random() * 50) },
    () => WORDS[Math.floor(random() * WORDS.length)],
  )
  return `${name}: ${words.join(' ')}`
}

/** Names of all fields, at every depth, in their order. */
function fieldsOf(value: unknown): string {
  if (Array.isArray(value) || value === null || typeof value !== 'object') return ''
  return Object.entries(value)
    .map(([name, one]) => `${name}{${fieldsOf(one)}}`)
    .join()
}

const GIVE_UP_MS = 120_000

/** Until the words of every message are in the index, which is the last that is done with it. */
async function allTold(stateDir: string, count: number): Promise<void> {
  const search = openD1(stateDir, 'message_docs')
  try {
    const indexed = search.prepare('SELECT count(*) AS n FROM message_docs')
    for (const end = Date.now() + GIVE_UP_MS; ; await sleep(100)) {
      const { n } = indexed.get() as { n: number }
      if (n >= count) return
      if (Date.now() > end) throw new Error(`the words of ${n} messages of ${count} are in the index`)
    }
  } finally {
    search.close()
  }
}

async function readBack(product: Client, conversations: readonly string[], said: readonly string[]) {
  const times = new Map<string, number>()
  let astray = 0
  for (const conversation of conversations)
    for (let next: string | null = ''; next !== null; ) {
      const cursor: string = next && `&cursor=${next}`
      const path = `${PATH}?conversation=${conversation}&limit=100${cursor}`
      const page = await product.json<Page>({ method: 'GET', path })
      for (const { content, conversation: its } of page.items) {
        times.set(content, (times.get(content) ?? 0) + 1)
        if (its !== conversation || conversations.indexOf(its) !== placeOf(content)) astray += 1
      }
      next = page.next
    }
  const lost = said.filter(content => !times.has(content)).length
  const twice = [...times.values()].filter(count => count > 1).length
  return { lost, twice, astray }
}

interface Page {
  items: { content: string; conversation: string }[]
  next: string | null
}

/** Which conversation it was said in. */
function placeOf(content: string): number {
  return Number(/(\d+)?:/.exec(content)?.[1] ?? 0) % CONVERSATIONS
}

function tenths(ms: number): string {
  return `${ms.toFixed(1)} ms`
}
