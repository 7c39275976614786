/**
 * Hundreds of clients on conversations that go on, while lines are cut, become holes in one direction or both, and the Worker is killed
 * (-9) and started again. In each conversation two of five are tabs of its contact, who says things there, the others programs with a
 * key; more is said by the API, conversations are closed and labelled, the assistant answers, answers are liked. Then all of it stops,
 * and what each client holds must be what the API says: the same messages in the same order, in every field that it is shown, and the
 * same status.
 *
 * Of whoever is told anything twice, or out of its order, that is written down on the way (live-client.ts). A line that is a hole is said
 * to be detected when its client gives it up; where it ends otherwise before, by a kill that is heard through it, it counts apart.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '../src/store/ids.ts'
import { type Lab, makePlace } from './api-lab.ts'
import { type LiveClient, liveClient, type Told } from './live-client.ts'
import { type Started, socketAddress, startProduct } from './live-lab.ts'
import { type Hole, type Lines, startLines } from './live-lines.ts'
import { inParallel } from './parallel.ts'
import { randomFrom } from './post-bag.ts'
import { type Figure, note, quantile, seconds, worst } from './report.ts'
import { atEnd } from './stack.ts'

/** Of a conversation; two of five are tabs of its contact, who may come in so often a minute and no oftener. */
const SOCKETS_EACH = 25
const PROXIES = 4
const TICK_MS = 100
/** How often it happens to one client, in the middle. */
const CUT_EVERY_MS = 60_000
const HOLE_EVERY_MS = 120_000
const RESTART_EVERY_MS = { from: 45_000, spread: 45_000 }
const RESTART_EVERY_SHORT_MS = { from: 12_000, spread: 3_000 }
const POST_EVERY_MS = 400
/** Contacts may say 20 messages a minute. */
const SAY_EVERY_MS = 5_000
const CHANGE_EVERY_MS = 1_500
const TYPE_EVERY_MS = 700
const TRY_AGAIN_MS = 250
const ANSWERED_WITHIN_MS = 90_000
/** For whoever sits in a hole when it all stops, and for answers that were at work when the Worker was killed. */
const SETTLED_WITHIN_MS = 150_000
const DETECTED_WITHIN_MS = 30_000
const ORIGIN = 'https://shop.example'

interface Client {
  client: LiveClient
  conversation: string
  isContact: boolean
  lines: Lines
  hole: { at: number; way: Hole } | null
}

interface Faults {
  cuts: number
  holes: Record<Hole, number>
  /** From when the line became a hole to when its client gave it up, ms. */
  detected: number[]
  /** Ended by something else before. */
  otherwise: number
  restarts: number
}

interface Live {
  product: Started
  apiKey: string
  conversations: string[]
  clients: Client[]
  random: () => number
  faults: Faults
  /** What somebody was told is taken, by what it says. */
  said: Set<string>
  isOver: boolean
}

export async function faultsOf(
  lab: Lab,
  options: { sockets: number; forMs: number; seed: number; short: boolean },
): Promise<{ figures: Figure[]; violations: string[] }> {
  const place = await makePlace(lab, 'faults')
  const product = await startProduct(lab, place)
  const lines = await Promise.all(Array.from({ length: PROXIES }, () => startLines(product.port)))
  for (const one of lines) atEnd(one.stop)
  const live: Live = {
    ...{ product, apiKey: place.apiKey, conversations: [], clients: [], isOver: false, said: new Set() },
    random: randomFrom(options.seed),
    faults: { cuts: 0, holes: { up: 0, down: 0, both: 0 }, detected: [], otherwise: 0, restarts: 0 },
  }
  await settle(live, lines, options.sockets)
  await until(() => live.clients.every(one => one.client.isHere()), ANSWERED_WITHIN_MS)
  note(`${live.clients.length} clients in ${live.conversations.length} conversations`)

  const end = Date.now() + options.forMs
  const every = options.short ? RESTART_EVERY_SHORT_MS : RESTART_EVERY_MS
  const working = [talking(live), visiting(live), changing(live), typing(live), striking(live)]
  await Promise.all([restarting(live, every, end), reporting(live, end)])
  live.isOver = true
  await Promise.all(working)
  const from = Date.now()
  const unequal = await settled(live)
  note(`all of it stopped: ${unequal.length} clients unequal after ${seconds(Date.now() - from)}`)
  const result = await findings(live, unequal)
  for (const { client } of live.clients) client.leave()
  await product.stop()
  return result
}

/** A chat with an assistant that knows one thing, its conversations, and who has them open. */
async function settle(live: Live, lines: Lines[], count: number): Promise<void> {
  const { product, random } = live
  const add = (path: string, body: unknown) => product.json<{ id: string }>({ method: 'POST', path, body })
  const assistant = await add('/api/v1/assistants', { name: 'Ada', kind: 'knowledge' })
  const article = {
    title: 'Refunds',
    body: 'A refund takes five working days, from the day on which we have the parcel.',
  }
  await add('/api/v1/articles', { ...article, assistantId: assistant.id, language: 'en' })
  const chat = await add('/api/v1/web-chats', {
    ...{ name: 'Bench', assistantId: assistant.id, allowedOrigins: [ORIGIN] },
  })
  const rooms = Math.max(2, Math.ceil(count / SOCKETS_EACH))
  await inParallel(4, [...Array(rooms).keys()], async n => {
    const visitor = await visit(live, chat.id)
    live.conversations.push(visitor.conversation)
    const [from, to] = [n, n + 1].map(one => Math.floor((one * count) / rooms)) as [number, number]
    for (let k = from; k < to; k++) enter(live, visitor, lines[k % lines.length]!, k % 5 < 2, random)
  })
}

interface Visitor {
  conversation: string
  token: string
}

async function visit({ product }: Live, chat: string): Promise<Visitor> {
  const session = await fetch(`${product.url}/api/v1/web-chats/${chat}/sessions`, {
    method: 'POST',
    headers: { origin: ORIGIN, 'content-type': 'application/json' },
    body: '{}',
  })
  const { token } = await must<{ token: string }>(session)
  const begun = await fetch(`${product.url}/api/v1/chat/conversations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, origin: ORIGIN, 'content-type': 'application/json' },
    body: JSON.stringify({ id: newId() }),
  })
  return { conversation: (await must<{ id: string }>(begun)).id, token }
}

async function must<T>(answer: Response): Promise<T> {
  if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}: ${await answer.text()}`)
  return (await answer.json()) as T
}

function enter(live: Live, visitor: Visitor, lines: Lines, isContact: boolean, random: () => number): void {
  const { conversation, token } = visitor
  const headers: Record<string, string> = isContact ? { origin: ORIGIN } : {}
  const key = isContact ? token : live.apiKey
  const client = liveClient({
    address: since => socketAddress({ port: lines.port, conversation, key, since, headers }),
    random,
    lost(silent) {
      const { hole } = one
      if (!hole) return
      one.hole = null
      if (silent) live.faults.detected.push(Date.now() - hole.at)
      else live.faults.otherwise += 1
    },
  })
  const one: Client = { client, conversation, isContact, lines, hole: null }
  live.clients.push(one)
}

/** By the API, as the contact; until it is answered, under one key. */
async function talking(live: Live): Promise<void> {
  for (let n = 0; !live.isOver; n++) {
    const asks = n % 5 === 0
    const content = `By the API, ${n}: ${asks ? 'how long does a refund take?' : 'one more thing.'}`
    await insist(live, 'POST', '/messages', { conversation: oneOf(live, live.conversations), content })
    live.said.add(content)
    await sleep(POST_EVERY_MS * 2 * live.random())
  }
}

/** By the sockets of contacts; who is cut off says it again when it comes back. */
async function visiting(live: Live): Promise<void> {
  const visitors = [
    ...Map.groupBy(
      live.clients.filter(one => one.isContact),
      one => one.conversation,
    ).values(),
  ]
  for (let n = 0; !live.isOver; n++) {
    const content = `By a socket, ${n}: is anybody there?`
    oneOf(live, oneOf(live, visitors)).client.say(newId(), content)
    live.said.add(content)
    await sleep((SAY_EVERY_MS / visitors.length) * 2 * live.random())
  }
}

async function changing(live: Live): Promise<void> {
  const liked = new Set<string>()
  for (let n = 0; !live.isOver; n++) {
    const id = oneOf(live, live.conversations)
    const kind = n % 3
    if (kind === 0) await insist(live, 'PATCH', `/conversations/${id}`, { status: 'closed' })
    else if (kind === 1) await insist(live, 'PATCH', `/conversations/${id}`, { labels: [`n${n}`] })
    else {
      const answers = oneOf(live, live.clients)
        .client.messages()
        .filter(one => one.type === 'outgoing')
      // Each once: what comes again as it was would be a repeat.
      const answer = answers.findLast(one => !liked.has(one.id))
      if (answer) {
        liked.add(answer.id)
        await insist(live, 'PUT', `/messages/${answer.id}/feedback`, { type: 'like' })
      }
    }
    await sleep(CHANGE_EVERY_MS * 2 * live.random())
  }
}

async function typing(live: Live): Promise<void> {
  for (let n = 0; !live.isOver; n++) {
    oneOf(live, live.clients).client.typing(n % 2 === 0)
    await sleep(TYPE_EVERY_MS)
  }
}

/** Lines go, one by one. */
async function striking(live: Live): Promise<void> {
  const { faults, random } = live
  while (!live.isOver) {
    for (const one of live.clients) {
      const line = one.lines.of(one.client.localPort())
      if (!line || !one.client.isHere() || one.hole) continue
      if (random() < TICK_MS / CUT_EVERY_MS) {
        faults.cuts += 1
        line.cut()
      } else if (random() < TICK_MS / HOLE_EVERY_MS) {
        const way = oneOf(live, ['up', 'down', 'both'] as const)
        faults.holes[way] += 1
        one.hole = { at: Date.now(), way }
        line.swallow(way)
      }
    }
    await sleep(TICK_MS)
  }
}

async function restarting(
  { product, random, faults }: Live,
  { from, spread }: { from: number; spread: number },
  end: number,
): Promise<void> {
  for (;;) {
    const wait = from + random() * spread
    // The last of it is without one, so that the end is not only about coming back.
    if (Date.now() + wait > end - from / 4) return sleep(Math.max(0, end - Date.now()))
    await sleep(wait)
    await product.kill()
    await sleep(random() * 500)
    await product.again()
    faults.restarts += 1
  }
}

const REPORT_MS = 30_000

async function reporting(live: Live, end: number): Promise<void> {
  while (Date.now() + REPORT_MS < end) {
    await sleep(REPORT_MS)
    const { faults, clients, said } = live
    const here = clients.filter(one => one.client.isHere()).length
    const holes = clients.filter(one => one.hole).length
    const wrong = clients.reduce((sum, one) => sum + one.client.violations.length, 0)
    note(
      `${said.size} said, ${here} of ${clients.length} connected, ${holes} in holes; ${faults.cuts} cuts, ${faults.restarts} restarts, ${faults.detected.length} holes detected; ${wrong} violations`,
    )
  }
}

/** One request until it is answered, whoever is killed meanwhile: under the same key it is one. */
async function insist(live: Live, method: string, path: string, body: unknown): Promise<void> {
  const headers = {
    authorization: `Api-Key ${live.apiKey}`,
    'content-type': 'application/json',
    'idempotency-key': newId(),
  }
  for (const end = Date.now() + ANSWERED_WITHIN_MS; ; await sleep(TRY_AGAIN_MS)) {
    const sent = fetch(`${live.product.url}/api/v1${path}`, { method, headers, body: JSON.stringify(body) })
    const answer = await sent.catch(() => null)
    if (answer?.ok) return void (await answer.text().catch(() => ''))
    // 409: the first one is still at work, or was when it was killed.
    const isFinal = answer && answer.status < 500 && answer.status !== 409
    if (isFinal || Date.now() > end)
      throw new Error(`${method} ${path} was answered ${answer?.status}: ${await answer?.text()}`)
  }
}

interface Truth {
  status: string
  messages: Shown[]
}
interface Shown extends Told {
  type: 'incoming' | 'outgoing'
  delivery: { status: string } | null
  feedback: { type: string } | null
  createdAt: string
}

async function truthOf({ product }: Live, id: string): Promise<Truth> {
  const { status } = await product.json<{ status: string }>({
    method: 'GET',
    path: `/api/v1/conversations/${id}`,
  })
  const messages: Shown[] = []
  for (let next: string | null = ''; next !== null; ) {
    const path: string = `/api/v1/messages?conversation=${id}&limit=100${next && `&cursor=${next}`}`
    const page = await product.json<{ items: Shown[]; next: string | null }>({ method: 'GET', path })
    messages.push(...page.items)
    next = page.next
  }
  return { status, messages }
}

/** Who does not have what the API says, and in what; looked at until nobody is left, and nobody sits in a hole, or it has taken too long. */
async function settled(live: Live): Promise<string[]> {
  for (const end = Date.now() + SETTLED_WITHIN_MS; ; await sleep(1_000)) {
    const truths = new Map<string, Truth>()
    await inParallel(4, live.conversations, async id => void truths.set(id, await truthOf(live, id)))
    const unequal = live.clients.flatMap((one, n) => {
      const why = difference(one, truths.get(one.conversation)!)
      return why === null ? [] : [`client ${n} (${one.isContact ? 'contact' : 'key'}): ${why}`]
    })
    const open = live.clients.filter(one => one.hole || !one.client.isHere() || one.client.unheard() > 0)
    if (unequal.length === 0 && open.length === 0) return []
    if (Date.now() > end)
      return unequal.length > 0 ? unequal : [`${open.length} clients did not come back, or hear themselves`]
  }
}

function difference({ client, isContact }: Client, truth: Truth): string | null {
  if (client.status() !== truth.status) return `it is ${client.status()} instead of ${truth.status}`
  const mine = client.messages()
  if (mine.length !== truth.messages.length)
    return `${mine.length} messages instead of ${truth.messages.length}`
  for (const [n, message] of truth.messages.entries()) {
    const [has, due] = isContact ? [visible(mine[n]!), visible(message)] : [mine[n], message]
    if (JSON.stringify(has) !== JSON.stringify(due))
      return `message ${n} is ${JSON.stringify(has)} instead of ${JSON.stringify(due)}`
  }
  return null
}

/** What a contact is shown of a message, too. */
function visible({ id, type, content, createdAt, feedback }: Told) {
  const kind = typeof feedback === 'string' ? feedback : (feedback?.type ?? null)
  return { id, type, content, createdAt, feedback: kind }
}

async function findings(live: Live, unequal: string[]): Promise<{ figures: Figure[]; violations: string[] }> {
  const { clients, conversations, faults, said } = live
  const times = new Map<string, number>()
  let messages = 0
  for (const id of conversations)
    for (const { content } of (await truthOf(live, id)).messages) {
      messages += 1
      times.set(content, (times.get(content) ?? 0) + 1)
    }
  const lost = [...said].filter(content => !times.has(content))
  const twice = [...said].filter(content => (times.get(content) ?? 0) > 1)
  const repeated = clients.flatMap((one, n) => one.client.violations.map(what => `client ${n}: it ${what}`))
  const late = faults.detected.filter(took => took > DETECTED_WITHIN_MS)
  const sum = (of: (one: Client) => number) => clients.reduce((total, one) => total + of(one), 0)
  const holes = faults.holes.up + faults.holes.down + faults.holes.both
  const contacts = clients.filter(one => one.isContact).length
  const figures: Figure[] = [
    {
      figure: `${clients.length} clients (${contacts} contacts, ${clients.length - contacts} keys) of ${conversations.length} conversations, ${faults.cuts} lines cut, ${holes} holes, ${faults.restarts} kills of the Worker; connected ${sum(one => one.client.counts.entered)} times: end with another state than the API's`,
      measured: String(unequal.length),
      bar: '0',
      met: unequal.length === 0,
    },
    {
      figure: `of ${messages} messages, ${said.size} of them said by us: lost, there twice; told to a client a second time, or out of order`,
      measured: `${lost.length}, ${twice.length}; ${repeated.length}`,
      bar: '0, 0; 0',
      met: lost.length + twice.length + repeated.length === 0,
    },
    {
      figure: `${holes} lines that swallow all that goes up (${faults.holes.up}), down (${faults.holes.down}) or both ways (${faults.holes.both}): given up after`,
      measured:
        faults.detected.length === 0
          ? '–'
          : `${seconds(quantile(faults.detected, 0.5))}, worst of ${faults.detected.length} ${seconds(worst(faults.detected))}`,
      baseline: `${faults.otherwise} ended otherwise before`,
      bar: `≤ ${DETECTED_WITHIN_MS / 1000} s`,
      met: late.length === 0 && faults.detected.length + faults.otherwise === holes,
    },
  ]
  const violations = [
    ...unequal,
    ...repeated,
    ...lost.map(content => `lost: ${content}`),
    ...twice.map(content => `twice: ${content}`),
    ...late.map(took => `a hole was detected after ${seconds(took)}`),
  ]
  return { figures, violations }
}

function oneOf<T>({ random }: { random: () => number }, all: readonly T[]): T {
  return all[Math.floor(random() * all.length)]!
}

async function until(is: () => boolean, withinMs: number): Promise<void> {
  for (const end = Date.now() + withinMs; !is(); await sleep(100))
    if (Date.now() > end) throw new Error('not all clients came in')
}
