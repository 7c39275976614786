/**
 * `npm run lab:webhooks`: 1,000 messages in 50 conversations by the API, told to receivers that are fine, down for a while, slow, gone
 * (410), that reject some events (4xx), redirect, or fail at first; and what is true afterwards. A day of retries takes half a minute.
 *
 *     --events n   messages of the run that is looked at closely (1000)
 *     --pairs n    how often the receiver that is fine is measured alone, and then among six that are fine too and six bad ones (3)
 *     --no-kill    without the last round, in which the Worker is killed (-9) in the middle
 *
 * Ends with 1 where an event was lost, came under two ids or bodies, unsigned or out of order, where the dead letter holds anything else
 * than what was refused for good, or where the receiver that is fine is delayed by those that are not.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { and, eq } from 'drizzle-orm'
import { Webhook } from 'standardwebhooks'
import { type LocalDatabases, withDatabases } from '../dev/cast.ts'
import { fireCron, freePort, migrate, ROOT, type Running, startWorker } from '../dev/processes.ts'
import { createApiKey } from '../src/store/api-keys.ts'
import { db } from '../src/store/db.ts'
import { addEndpoint, newEndpoint } from '../src/store/endpoints.ts'
import { newId } from '../src/store/ids.ts'
import { endpoints } from '../src/store/schema.ts'
import { createSite } from '../src/store/sites.ts'
import {
  type Received,
  type Receiver,
  type ScriptedAnswer,
  startReceiver,
} from '../test/servers/webhook-receiver.ts'
import { inParallel } from './parallel.ts'
import { markdown, median, ms, note, quantile, seconds } from './report.ts'
import { atEnd, frozen, run } from './stack.ts'

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '3' },
    events: { type: 'string', default: '1000' },
    kill: { type: 'boolean', default: true },
  },
  allowNegative: true,
})

const EVENTS = Number(values.events)
const CONVERSATIONS = 50
/** Messages a second: what one machine does without queueing anywhere, so that what is measured is not its load. */
const PACE = 6
/** Of the runs that are only measured. */
const MEASURED = 100
/** A day of retries in so many ms. */
const DAY_MS = 30_000
const DOWN_MS = 8_000
const SLOW_MS = 250
/** The fine receiver beside bad ones, against the same beside as many fine ones. */
const DELAYED = 1.5
const KEK = Buffer.from('a key of 32 bytes for the bench.').toString('base64')

type Mood = 'fine' | 'down' | 'slow' | 'gone' | 'rejects' | 'redirects' | 'fails first'
const BAD: Mood[] = ['down', 'slow', 'gone', 'rejects', 'redirects', 'fails first']

interface Hook {
  /** The receiver's address. */
  name: string
  mood: Mood
  id: string
  secret: string
}

/** One run: a site of its own, its endpoints, and what was said. */
interface Scene {
  what: string
  apiKey: string
  hooks: Hook[]
  began: number
}

interface Lab {
  worker: Running
  receiver: Receiver
  restart(): Promise<void>
}

/** What each mood answers to an event; the number is the message's. */
function answer(mood: Mood, call: Received, nth: number, began: number): ScriptedAnswer {
  switch (mood) {
    case 'fine':
      return {}
    case 'down':
      return call.at - began > DOWN_MS ? {} : nth % 2 ? { hangsUp: true } : { status: 503 }
    case 'slow':
      return { delayMs: SLOW_MS }
    case 'gone':
      return { status: 410 }
    case 'rejects':
      return isRejected(call.body) ? { status: 422, body: 'not this one' } : {}
    case 'redirects':
      return { status: 302, headers: { location: '/inside' } }
    case 'fails first':
      return nth === 0 ? { status: 500 } : {}
  }
}

function isRejected(body: string): boolean {
  const { data } = JSON.parse(body) as { data: { content: string } }
  return data.content.endsWith('7')
}

const moods = new Map<string, { mood: Mood; scene: Scene }>()

async function all(): Promise<number> {
  const pairs = Number(values.pairs)
  const dir = mkdtempSync(join(tmpdir(), 'edgedesk-hooks-'))
  atEnd(async () => rmSync(dir, { recursive: true, force: true }))
  const receiver = await startReceiver((call, nth) => {
    const found = moods.get(call.name)
    return found ? answer(found.mood, call, nth, found.scene.began) : {}
  })
  atEnd(receiver.stop)
  const stateDir = join(dir, 'state')
  const [config] = await Promise.all([frozen(join(ROOT, 'wrangler.toml'), dir), migrate(stateDir)])
  const rounds = await withDatabases(stateDir, env => makeRounds(env, receiver, pairs))
  const lab = await startLab(dir, stateDir, config, receiver)

  const violations: string[] = []
  const rows: string[][] = []
  const delays = new Map<string, number[]>()
  for (const { scenes, events, isKilled } of rounds) {
    const from = Date.now()
    await Promise.all(scenes.map(scene => play(lab, scene, events, PACE / scenes.length, isKilled)))
    for (const scene of scenes) {
      const fine = scene.hooks[0]!
      const late = receiver.seen(fine.name).map(call => call.at - timeOf(call))
      const p95 = quantile(late, 0.95)
      delays.set(scene.what, [...(delays.get(scene.what) ?? []), p95])
      note(
        `${scene.what}: ${seconds(Date.now() - from)}, the fine one p50 ${ms(median(late))}, p95 ${ms(p95)}`,
      )
      for (const hook of scene.hooks) {
        const { row, wrong } = await findings(lab, scene, hook)
        violations.push(...wrong.map(one => `${scene.what}, ${hook.mood}: ${one}`))
        if (isKilled || scene.what === 'all') rows.push(row)
      }
    }
  }
  console.log(markdown(HEADS, rows))
  const [alone, good, bad] = ['alone', 'among fine ones', 'among bad ones'].map(what => delays.get(what)!)
  const times = bad!.map((one, n) => one / good![n]!)
  const ratio = median(times)
  console.log(
    [
      `\np95 of the fine receiver, ${pairs} times: alone ${list(alone!, ms)}; at the same time, among six fine ones ${list(good!, ms)},`,
      `among six bad ones ${list(bad!, ms)}: ${list(times, one => `${one.toFixed(2)}×`)}, median ${ratio.toFixed(2)}× (bar ${DELAYED}×)`,
    ].join(' '),
  )
  if (!(ratio <= DELAYED)) violations.push(`the fine receiver is delayed ${ratio.toFixed(2)}×`)
  for (const violation of violations) console.log(`violation: ${violation}`)
  console.log(violations.length === 0 ? 'no violation' : `${violations.length} violations`)
  await lab.worker.stop()
  return violations.length === 0 ? 0 : 1
}

const list = (values: readonly number[], text: (value: number) => string) => values.map(text).join(', ')

/** Scenes that are played at the same time. */
interface Round {
  scenes: Scene[]
  events: number
  isKilled: boolean
}

/** Among fine ones and among bad ones at the same time, so that both have the same machine, whatever else it does. */
async function makeRounds(env: LocalDatabases, receiver: Receiver, pairs: number): Promise<Round[]> {
  const scene = (what: string, ...others: Mood[]) => makeScene(env, receiver, what, ['fine', ...others])
  const fine = BAD.map((): Mood => 'fine')
  // The first requests make what later ones find: they are nobody's.
  const rounds: Round[] = [{ scenes: [await scene('first')], events: 50, isKilled: false }]
  for (let pair = 0; pair < pairs; pair++) {
    rounds.push({ scenes: [await scene('alone')], events: MEASURED, isKilled: false })
    const both = [await scene('among fine ones', ...fine), await scene('among bad ones', ...BAD)]
    rounds.push({ scenes: both, events: MEASURED, isKilled: false })
  }
  rounds.push({ scenes: [await scene('all', ...BAD)], events: EVENTS, isKilled: false })
  if (values.kill)
    rounds.push({ scenes: [await scene('killed', 'slow', 'rejects')], events: 2 * MEASURED, isKilled: true })
  return rounds
}

async function makeScene(
  env: LocalDatabases,
  receiver: Receiver,
  what: string,
  wanted: readonly Mood[],
): Promise<Scene> {
  const d1 = db(env.DB)
  const at = Date.now()
  const siteId = await createSite(d1, KEK, what, at)
  const { key: apiKey } = await createApiKey(d1, KEK, siteId, { name: 'lab', rateLimit: 1_000_000 }, at)
  const scene: Scene = { what, apiKey, hooks: [], began: 0 }
  // As the Worker's own environment, for what seals secrets.
  const like = { ...env, PUBLIC_URL: 'http://127.0.0.1', KEK, BRIDGE_TOKEN: 'x'.repeat(16) } as unknown as Env
  for (const mood of wanted) {
    const id = newId()
    const name = `${mood.replace(' ', '-')}-${id}`
    const url = `${receiver.url}/${name}`
    const about = { siteId, id, description: mood, url, inboxes: null, createdAt: at }
    const { secret, row } = await newEndpoint(like, { ...about, types: '["message.created"]' })
    await addEndpoint(env.DB, row)
    const settings = { v: 1, retryScale: DAY_MS / (24 * 3_600_000) }
    await d1
      .update(endpoints)
      .set({ settings: JSON.stringify(settings) })
      .where(and(eq(endpoints.siteId, siteId), eq(endpoints.id, id)))
    scene.hooks.push({ name, mood, id, secret })
    moods.set(name, { mood, scene })
  }
  return scene
}

async function startLab(dir: string, stateDir: string, config: string, receiver: Receiver): Promise<Lab> {
  const port = await freePort()
  const vars = {
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    KEK,
    BRIDGE_TOKEN: 'bench-bridge-token-0123456789',
    BRIDGE_URL: 'http://127.0.0.1:9',
    DEV: '1',
  }
  const start = () => startWorker({ port, stateDir, log: join(dir, 'worker.log'), vars, config })
  const lab: Lab = {
    worker: await start(),
    receiver,
    restart: async () => {
      await lab.worker.kill()
      lab.worker = await start()
    },
  }
  atEnd(() => lab.worker.kill())
  return lab
}

/** So many messages, one after another in each conversation, until every one is delivered or dead everywhere. */
async function play(lab: Lab, scene: Scene, events: number, pace: number, isKilled: boolean): Promise<void> {
  const chat = await ask<{ id: string }>(lab, scene, 'POST', '/web-chats/', { name: 'Lab' })
  const conversations: string[] = []
  await inParallel(8, [...Array(CONVERSATIONS).keys()], async () => {
    conversations.push(
      (await ask<{ id: string }>(lab, scene, 'POST', '/conversations/', { webChat: chat.id })).id,
    )
  })
  scene.began = Date.now()
  const lines = conversations.map(() => Promise.resolve())
  for (let n = 0; n < events; n++) {
    const line = n % CONVERSATIONS
    const body = { conversation: conversations[line]!, content: `Message ${n}` }
    lines[line] = lines[line]!.then(async () => {
      await ask(lab, scene, 'POST', '/messages/', body, newId())
    })
    if (isKilled && n === Math.floor(events / 2)) await lab.restart()
    await sleep(Math.max(0, scene.began + (n * 1000) / pace - Date.now()))
  }
  await Promise.all(lines)
  for (const end = Date.now() + 5 * DAY_MS; ; await sleep(500)) {
    const states = await Promise.all(scene.hooks.map(hook => statusOf(lab, scene, hook)))
    const known = await Promise.all(scene.hooks.map(hook => knownOf(lab, scene, hook, events)))
    if (states.every(one => one.waiting === 0) && known.every(Boolean)) return
    if (Date.now() > end) return note(`not settled: ${JSON.stringify(states)}`)
    if (isKilled) await fireCron(lab.worker.url).catch(() => {})
  }
}

/** Whether all that was said has come to this endpoint; one that was switched off takes nothing more. */
async function knownOf(lab: Lab, scene: Scene, hook: Hook, events: number): Promise<boolean> {
  if ((await statusOf(lab, scene, hook)).state === 'off') return true
  return (await deliveriesOf(lab, scene, hook)).length >= events
}

const HEADS = ['run', 'receiver', 'state', 'events', 'delivered', 'dead', 'calls', 'twice', 'at once']

/** What is true of one receiver, and what is wrong. */
async function findings(lab: Lab, scene: Scene, hook: Hook): Promise<{ row: string[]; wrong: string[] }> {
  const deliveries = await deliveriesOf(lab, scene, hook)
  const calls = lab.receiver.seen(hook.name)
  const { state } = await statusOf(lab, scene, hook)
  const wrong: string[] = []
  const dead = deliveries.filter(one => one.state === 'dead')
  const delivered = deliveries.filter(one => one.state === 'delivered')
  const byId = Map.groupBy(calls, call => call.headers['webhook-id'] ?? '')
  for (const one of deliveries) {
    const mine = byId.get(one.id) ?? []
    const good = mine.filter(call => call.status === 200)
    if (one.state === 'delivered' && good.length === 0)
      wrong.push(`${one.id} is said to be delivered and was not`)
    if (one.state === 'dead' && good.length > 0 && scene.what !== 'killed')
      wrong.push(`${one.id} is dead and was delivered`)
    if (new Set(mine.map(call => call.body)).size > 1) wrong.push(`${one.id} has several bodies`)
  }
  for (const id of byId.keys())
    if (!deliveries.some(one => one.id === id)) wrong.push(`${id} is not in the log`)
  for (const call of calls)
    try {
      new Webhook(hook.secret).verify(call.body, call.headers)
    } catch {
      // Who looks at it minutes later has to say when it came.
      if (!verifiesThen(hook.secret, call)) wrong.push(`${call.headers['webhook-id']} does not verify`)
    }
  wrong.push(...outOfOrder(calls))
  wrong.push(...unfitting(hook, deliveries, calls, state))
  if (lab.receiver.seen('inside').length > 0) wrong.push('a redirect was followed')
  const twice = [...byId.values()].filter(some => some.filter(call => call.status === 200).length > 1).length
  if (twice > 0 && scene.what !== 'killed') wrong.push(`${twice} came twice though nothing was lost`)
  const counts = [
    deliveries.length,
    delivered.length,
    dead.length,
    calls.length,
    twice,
    lab.receiver.most(hook.name),
  ]
  return { row: [scene.what, hook.mood, state, ...counts.map(String)], wrong }
}

/** In each conversation the sequence of what was called for only rises. */
function outOfOrder(calls: readonly Received[]): string[] {
  const wrong: string[] = []
  for (const [conversation, some] of Map.groupBy(calls, call => bodyOf(call).conversation)) {
    const sequence = some.map(call => bodyOf(call).sequence)
    if (sequence.some((one, n) => n > 0 && one < sequence[n - 1]!))
      wrong.push(`conversation ${conversation} came out of order: ${sequence.join(' ')}`)
  }
  return wrong
}

/** What a mood is to lead to. */
function unfitting(
  hook: Hook,
  deliveries: readonly Delivery[],
  calls: readonly Received[],
  state: string,
): string[] {
  const dead = deliveries.filter(one => one.state === 'dead')
  const wrong: string[] = []
  const expected = (what: string, holds: boolean) => {
    if (!holds) wrong.push(what)
  }
  expected(
    'something still waits',
    deliveries.every(one => one.state !== 'waiting'),
  )
  switch (hook.mood) {
    case 'fine':
    case 'slow':
    case 'down':
    case 'fails first':
      expected(`${dead.length} are in the dead letter`, dead.length === 0)
      expected('it is switched off', state === 'active')
      break
    case 'rejects': {
      const refused = new Set(
        calls.filter(call => isRejected(call.body)).map(call => call.headers['webhook-id']),
      )
      expected(
        'the dead letter is not what was rejected',
        dead.length === refused.size && dead.every(one => refused.has(one.id)),
      )
      break
    }
    case 'redirects':
      expected('something was delivered', dead.length === deliveries.length)
      break
    case 'gone':
      expected('it is not switched off', state === 'off')
      expected('something was delivered', dead.length === deliveries.length && dead.length > 0)
      expected(`${calls.length} calls after "no more"`, calls.length <= 5)
  }
  return wrong
}

function verifiesThen(secret: string, call: Received): boolean {
  const now = Date.now
  Date.now = () => call.at
  try {
    return new Webhook(secret).verify(call.body, call.headers) !== undefined
  } catch {
    return false
  } finally {
    Date.now = now
  }
}

function bodyOf(call: Received): { conversation: string; sequence: number; timestamp: string } {
  return JSON.parse(call.body)
}

function timeOf(call: Received): number {
  return Date.parse(bodyOf(call).timestamp)
}

interface Delivery {
  id: string
  state: 'waiting' | 'delivered' | 'dead'
}

async function deliveriesOf(lab: Lab, scene: Scene, hook: Hook): Promise<Delivery[]> {
  const items: Delivery[] = []
  for (let next: string | null = ''; next !== null; ) {
    const cursor: string = next && `&cursor=${next}`
    const page: { items: Delivery[]; next: string | null } = await ask(
      lab,
      scene,
      'GET',
      `/endpoints/${hook.id}/deliveries?limit=100${cursor}`,
    )
    items.push(...page.items)
    next = page.next
  }
  return items
}

const statusOf = (lab: Lab, scene: Scene, hook: Hook) =>
  ask<{ waiting: number; dead: number; state: string }>(lab, scene, 'GET', `/endpoints/${hook.id}`)

/** Asked again where the Worker is away: the key makes it one request. */
async function ask<T>(
  lab: Lab,
  scene: Scene,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  once?: string,
): Promise<T> {
  for (const end = Date.now() + 90_000; ; await sleep(200)) {
    const answer = await fetch(`${lab.worker.url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Api-Key ${scene.apiKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(once === undefined ? {} : { 'idempotency-key': once }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(() => null)
    if (answer?.ok) return (await answer.json()) as T
    const said = answer ? `${answer.status} ${await answer.text()}` : 'nothing'
    const passes = !answer || answer.status >= 500 || answer.status === 409
    if (!passes || Date.now() > end) throw new Error(`${method} ${path} answered ${said}`)
  }
}

await run(all)
