/** Webhooks against receivers that really listen (test/servers/webhook-receiver.ts), told as a conversation tells them. */
import {
  createExecutionContext,
  createScheduledController,
  runDurableObjectAlarm,
  runInDurableObject,
  waitOnExecutionContext,
} from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { and, eq, sql } from 'drizzle-orm'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import type { Occurrence } from '../../src/domain/webhook.ts'
import { call } from '../../src/endpoint/call.ts'
import type { Endpoint } from '../../src/endpoint/endpoint.ts'
import { db } from '../../src/store/db.ts'
import {
  type EndpointConfig,
  endpointConfig,
  endpointName,
  endpointsFor,
  replyEndpointId,
} from '../../src/store/endpoints.ts'
import { newId } from '../../src/store/ids.ts'
import { endpoints } from '../../src/store/schema.ts'
import worker from '../../src/worker.ts'
import type { Received, Script } from '../servers/webhook-receiver.ts'
import { assistant, inbox, site } from './cast.ts'
import { asking, member } from './staff.ts'

/** A day of retries in a second and a half. */
const QUICK = 1.5 / (24 * 3600)

let count = 0
const freshName = (what: string) => `${what}-${++count}-${newId().slice(-6)}`

async function script(given: Script): Promise<void> {
  await fetch(`${env.TEST_HOOKS}/-/script`, { method: 'POST', body: JSON.stringify(given) })
}

async function seenAt(name: string): Promise<{ seen: Received[]; most: number }> {
  return (await fetch(`${env.TEST_HOOKS}/-/seen?name=${name}`)).json()
}

const seen = async (name: string) => (await seenAt(name)).seen
const idsOf = (calls: Received[]) => calls.map(one => one.headers['webhook-id']!)

async function until<T>(what: () => Promise<T | null | undefined | false>, ms = 15_000): Promise<T> {
  for (const end = Date.now() + ms; ; await new Promise(resolve => setTimeout(resolve, 15))) {
    const found = await what()
    if (found) return found
    if (Date.now() > end) throw new Error(`not in time: ${what}`)
  }
}

type Ask = ReturnType<typeof asking>
interface Hook {
  ask: Ask
  siteId: string
  id: string
  name: string
  secret: string
  stub: DurableObjectStub<Endpoint>
}

interface About {
  scale?: number
  timeoutMs?: number
  script?: Omit<Script, 'name'>
  types?: string[]
  inboxes?: string[] | null
  at?: { siteId: string; headers: Record<string, string> }
}

/** An endpoint of a site, made by the API, whose waits are short. */
async function webhook(about: About = {}): Promise<Hook> {
  const { siteId, headers } = about.at ?? (await site())
  const name = freshName('hook')
  if (about.script) await script({ name, ...about.script })
  const ask = asking(headers)
  const made = await ask('POST', '/endpoints/', {
    url: `${env.TEST_HOOKS}/${name}`,
    types: about.types ?? ['*'],
    inboxes: about.inboxes ?? null,
  })
  expect(made.status, JSON.stringify(made.json)).toBe(200)
  const { id } = made.json.endpoint
  await hurry(siteId, id, about)
  return { ask, siteId, id, name, secret: made.json.secret, stub: stubOf(siteId, id) }
}

async function hurry(siteId: string, id: string, { scale = QUICK, timeoutMs = 15_000 }: About = {}) {
  await db(env.DB)
    .update(endpoints)
    .set({ settings: JSON.stringify({ v: 1, retryScale: scale, timeoutMs }) })
    .where(and(eq(endpoints.siteId, siteId), eq(endpoints.id, id)))
}

const stubOf = (siteId: string, id: string) => env.ENDPOINT.getByName(endpointName(siteId, id))
const configOf = async ({ siteId, id }: Hook): Promise<EndpointConfig> =>
  (await endpointConfig(env.DB, siteId, id))!

let seq = 0
function event(about: Partial<Occurrence> & { says?: unknown } = {}): Occurrence {
  const { says, ...others } = about
  return {
    id: newId(),
    type: 'message.created',
    conversationId: newId(),
    inboxId: 'any',
    seq: ++seq,
    at: Date.now(),
    data: JSON.stringify(says ?? { text: 'hello' }),
    ...others,
  }
}

/** As src/conversation/telling.ts does it. */
async function tell(
  siteId: string,
  events: Occurrence[],
  assistantId: string | null = null,
): Promise<number> {
  const all = await endpointsFor(env.DB, env, siteId, events[0]!.inboxId, assistantId)
  await Promise.all(all.map(({ name, config }) => env.ENDPOINT.getByName(name).take(config, events)))
  return all.length
}

/** As the platform does it, in the middle of whatever it is doing. */
async function tearDown(hook: Hook): Promise<void> {
  await runInDurableObject(hook.stub, (_, state) => state.abort('torn down by a test')).catch(() => {})
  hook.stub = stubOf(hook.siteId, hook.id)
}

async function settled(hook: Hook, ms = 15_000): Promise<void> {
  await until(async () => (await hook.stub.status()).waiting === 0, ms)
}

async function listed(
  hook: Hook,
  query = '',
): Promise<{ id: string; state: string; problem: string | null }[]> {
  return (await hook.ask('GET', `/endpoints/${hook.id}/deliveries?limit=100${query}`)).json.items
}

describe('a webhook', () => {
  it('WH15 is made, read, changed, listed and removed; its secret is shown once', async () => {
    const { headers } = await site()
    const ask = asking(headers)
    const made = await ask('POST', '/endpoints/', {
      url: 'https://hooks.example.com/a',
      types: ['message.*'],
    })
    expect(made).toMatchObject({
      status: 200,
      json: {
        secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
        endpoint: { url: 'https://hooks.example.com/a', types: ['message.*'], inboxes: null, active: true },
      },
    })
    const { id } = made.json.endpoint
    const read = await ask('GET', `/endpoints/${id}`)
    expect(read.json).toEqual({
      ...made.json.endpoint,
      ...{ waiting: 0, dead: 0, failingSince: null, heldUntil: null },
    })
    expect(JSON.stringify(read.json)).not.toContain('whsec_')
    const changed = await ask('PATCH', `/endpoints/${id}`, { description: 'Orders', types: ['*', '*'] })
    expect(changed.json).toMatchObject({
      description: 'Orders',
      types: ['*'],
      url: 'https://hooks.example.com/a',
    })
    await ask('POST', '/endpoints/', { url: 'https://hooks.example.com/b', types: ['*'] })
    const first = (await ask('GET', '/endpoints/?limit=1')).json
    const second = (await ask('GET', `/endpoints/?limit=1&cursor=${first.next}`)).json
    expect([...first.items, ...second.items].map((one: { url: string }) => one.url.at(-1))).toEqual([
      'a',
      'b',
    ])
    expect(second.next).toBeNull()
    expect((await ask('DELETE', `/endpoints/${id}`)).json).toEqual({ id, deleted: true })
    for (const method of ['GET', 'DELETE']) expect((await ask(method, `/endpoints/${id}`)).status).toBe(404)
  })

  it.each([
    ['no address', { types: ['*'] }, 'missing_field', 'url'],
    ['no types', { url: 'https://hooks.example.com' }, 'missing_field', 'types'],
    ['a type there is not', { types: ['message.eaten'] }, 'invalid_field', 'types.0'],
    ['an empty list of types', { types: [] }, 'invalid_field', 'types'],
    ['an empty list of inboxes', { inboxes: [] }, 'invalid_field', 'inboxes'],
    ['an inbox that is not there', { inboxes: [newId()] }, 'invalid_field', 'inboxes'],
    ['a field there is not', { secret: 'whsec_mine' }, 'unknown_field', 'secret'],
    ['a description on two lines', { description: 'a\nb' }, 'invalid_field', 'description'],
  ])('WH15 %s is refused by name', async (_, body, code, field) => {
    const ask = asking((await site()).headers)
    const others = { url: 'https://hooks.example.com', types: ['*'] }
    const given = code === 'missing_field' ? body : { ...others, ...body }
    expect(await ask('POST', '/endpoints/', given)).toMatchObject({
      status: 400,
      json: { error: { code, field } },
    })
    expect((await ask('GET', '/endpoints/')).json.items).toEqual([])
  })

  it('WH15 a site has 20 at most', async () => {
    const ask = asking((await site()).headers)
    const add = () => ask('POST', '/endpoints/', { url: 'https://hooks.example.com', types: ['*'] })
    for (let n = 0; n < 20; n++) expect((await add()).status).toBe(200)
    expect(await add()).toMatchObject({ status: 409, json: { error: { code: 'endpoint_limit' } } })
  })

  it('WH15 AC5 is for admins alone, and of its own site', async () => {
    const hook = await webhook()
    const agent = asking((await member(hook.siteId, 'agent')).headers)
    const admin = asking((await member(hook.siteId, 'admin')).headers)
    const other = asking((await site()).headers)
    const assistantId = await assistant(hook.siteId)
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PATCH', '', { active: false }],
      ['POST', '/test', undefined],
      ['POST', '/rotate', {}],
      ['GET', '/deliveries', undefined],
      ['GET', '/deliveries/x', undefined],
      ['POST', '/deliveries/x/replay', undefined],
      ['POST', '/replay', { state: 'dead' }],
      ['DELETE', '', undefined],
    ] as const) {
      const at = `/endpoints/${hook.id}${path}`
      expect((await agent(method, at, body)).status, `${method} ${path}`).toBe(403)
      expect((await other(method, at, body)).status, `${method} ${path}`).toBe(404)
      if (path === '/test' || method === 'DELETE') continue
      const reply = `/assistants/${assistantId}/reply-webhook${path}`
      expect((await agent(method, reply, body)).status, `${method} ${reply}`).toBe(403)
      expect((await other(method, reply, body)).status, `${method} ${reply}`).toBe(404)
    }
    expect((await admin('GET', `/endpoints/${hook.id}`)).status).toBe(200)
    for (const id of ['x', newId(), '%00']) expect((await admin('GET', `/endpoints/${id}`)).status).toBe(404)
  })

  it('N5 its secret is sealed at rest, and in its object', async () => {
    const hook = await webhook()
    await tell(hook.siteId, [event()])
    await settled(hook)
    const row = await db(env.DB).select().from(endpoints).where(eq(endpoints.id, hook.id)).get()
    const kept = await runInDurableObject(hook.stub, (_, state) =>
      JSON.stringify(state.storage.sql.exec('SELECT value FROM meta').toArray()),
    )
    for (const place of [JSON.stringify(row), kept]) {
      expect(place).toContain('v1.site.')
      expect(place).not.toContain(hook.secret.slice(6, 30))
    }
  })

  it('AC6 one that was never told anything has no tables and no alarm', async () => {
    const hook = await webhook({ types: ['handoff.*'] })
    await hook.ask('GET', `/endpoints/${hook.id}`)
    await listed(hook)
    await tell(hook.siteId, [event()])
    await hook.stub.wake()
    expect(await hook.stub.replay({ state: 'dead' })).toBe(0)
    await hook.stub.forget({ before: Date.now() })
    await runInDurableObject(hook.stub, async (_, state) => {
      const tables = state.storage.sql.exec(
        `SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'`,
      )
      expect(tables.toArray()).toEqual([])
      expect(await state.storage.getAlarm()).toBeNull()
    })
  })
})

describe('what is delivered', () => {
  it('WH8 M10 is called for once, signed as Standard Webhooks has it, every byte as it was', async () => {
    const hook = await webhook()
    const one = event({
      data: '{"sender":{"id":324816370485542537671391323877394598747},"content":"您好 🙂"}',
    })
    await tell(hook.siteId, [one])
    await settled(hook)
    const [call, ...more] = await seen(hook.name)
    expect(more).toEqual([])
    expect(call).toMatchObject({
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': one.id,
        'user-agent': expect.stringMatching(/^Edgedesk-Webhooks\/\d/),
      },
    })
    expect(call!.body).toContain('"id":324816370485542537671391323877394598747}')
    expect(new Webhook(hook.secret).verify(call!.body, call!.headers)).toMatchObject({
      type: 'message.created',
      timestamp: new Date(one.at).toISOString(),
      sequence: one.seq,
      conversation: one.conversationId,
      data: { content: '您好 🙂' },
    })
  })

  it('M7 an old body sent once more is refused by who verifies it, as is another body or another id', async () => {
    const hook = await webhook()
    await tell(hook.siteId, [event()])
    await settled(hook)
    const { body, headers } = (await seen(hook.name))[0]!
    const verify = (with_: Record<string, string>, text = body) =>
      new Webhook(hook.secret).verify(text, { ...headers, ...with_ })
    const old = String(Number(headers['webhook-timestamp']) - 6 * 60)
    expect(() => verify({ 'webhook-timestamp': old })).toThrow(/too old/)
    expect(() => verify({ 'webhook-id': newId() })).toThrow(/No matching/)
    expect(() => verify({}, body.replace('hello', 'hallo'))).toThrow(/No matching/)
    expect(() => new Webhook(`whsec_${btoa('x'.repeat(32))}`).verify(body, headers)).toThrow(/No matching/)
    expect(verify({})).toBeDefined()
    // The signature is of the moment of the call: the same body under a newer one does not verify.
    const newer = String(Number(headers['webhook-timestamp']) + 1)
    expect(() => verify({ 'webhook-timestamp': newer })).toThrow(/No matching/)
  })

  it('WH1 is told once, however often it is said', async () => {
    const hook = await webhook()
    const events = [event(), event()]
    await tell(hook.siteId, events)
    await tell(hook.siteId, [...events, event()])
    await settled(hook)
    await tell(hook.siteId, events)
    await settled(hook)
    const ids = idsOf(await seen(hook.name))
    expect(ids).toHaveLength(3)
    expect(new Set(ids).size).toBe(3)
  })

  it('WH3 many at once are all delivered, though one event of an object has only so many calls', async () => {
    const hook = await webhook()
    const events = Array.from({ length: 130 }, () => event())
    await tell(hook.siteId, events)
    await settled(hook)
    const { seen: calls, most } = await seenAt(hook.name)
    expect(idsOf(calls).toSorted()).toEqual(events.map(one => one.id).toSorted())
    expect(most).toBeLessThanOrEqual(5)
  })

  it('WH14 is what the endpoint asked for, of the inboxes it asked for', async () => {
    const at = await site()
    const box = await inbox(at.siteId)
    const hooks = [
      await webhook({ at, types: ['conversation.*'] }),
      await webhook({ at, inboxes: [box.inboxId] }),
      await webhook({ at }),
    ]
    await tell(at.siteId, [event({ type: 'conversation.closed' })])
    await tell(at.siteId, [
      event({ inboxId: box.inboxId }),
      event({ type: 'handoff.started', inboxId: box.inboxId }),
    ])
    for (const hook of hooks) await settled(hook)
    const types = await Promise.all(
      hooks.map(async hook => (await seen(hook.name)).map(one => JSON.parse(one.body).type).sort()),
    )
    expect(types).toEqual([
      ['conversation.closed'],
      ['handoff.started', 'message.created'],
      ['conversation.closed', 'handoff.started', 'message.created'],
    ])
  })

  it('O2 is whole where it is larger than a row may be', async () => {
    const hook = await webhook()
    const text = '很'.repeat(900_000)
    await tell(hook.siteId, [event({ says: { text } })])
    await settled(hook)
    const [call] = await seen(hook.name)
    expect(JSON.parse(call!.body).data.text).toBe(text)
    const [one] = await listed(hook)
    expect((await hook.ask('GET', `/endpoints/${hook.id}/deliveries/${one!.id}`)).json.body).toBe(call!.body)
  })

  it('WH12 is in the log, with every call and the first kilobyte of what was answered', async () => {
    const answers = [{ status: 500, body: `first ${'x'.repeat(5_000)}` }, { hangsUp: true as const }]
    const hook = await webhook({ script: { answers, always: { status: 201, body: 'at last' } } })
    const one = event()
    await tell(hook.siteId, [one])
    await settled(hook)
    const { status, json } = await hook.ask('GET', `/endpoints/${hook.id}/deliveries/${one.id}`)
    expect(status).toBe(200)
    expect(json).toMatchObject({
      id: one.id,
      type: one.type,
      conversation: one.conversationId,
      sequence: one.seq,
      state: 'delivered',
      attempts: 3,
      problem: null,
      nextAttemptAt: null,
      attemptLog: [
        { status: 500, error: 'The receiver answered 500.' },
        { status: null, answer: '', error: expect.stringContaining('hung up') },
        { status: 201, answer: 'at last', error: null },
      ],
    })
    expect(json.attemptLog[0].answer).toMatch(/^first x+$/)
    expect(json.attemptLog[0].answer.length).toBe(1024)
    expect(json.body).toBe((await seen(hook.name))[0]!.body)
  })

  it('WH12 the log is listed by state, the newest first, each once', async () => {
    const hook = await webhook({ script: { byData: true } })
    const [good, bad] = [event(), event({ says: { statuses: [422, 422, 422, 422] } })]
    const events = [good, bad, ...Array.from({ length: 7 }, () => event())]
    await tell(hook.siteId, events)
    await settled(hook)
    const pages: string[] = []
    for (let next: string | null = ''; next !== null; ) {
      const cursor: string = next && `&cursor=${next}`
      const page = (await hook.ask('GET', `/endpoints/${hook.id}/deliveries?limit=4${cursor}`)).json
      pages.push(...page.items.map((one: { id: string }) => one.id))
      next = page.next
    }
    expect(pages).toEqual(events.map(one => one.id).toReversed())
    expect((await listed(hook, '&state=dead')).map(one => one.id)).toEqual([bad.id])
    expect(await listed(hook, '&state=waiting')).toEqual([])
    expect(await listed(hook, '&state=delivered')).toHaveLength(8)
    expect((await hook.ask('GET', `/endpoints/${hook.id}/deliveries?state=lost`)).status).toBe(400)
    expect((await hook.ask('GET', `/endpoints/${hook.id}/deliveries/${newId()}`)).status).toBe(404)
  })

  it('WH4 an answer whose body never ends is an answer', async () => {
    const hook = await webhook({ script: { always: { endless: true } } })
    const from = Date.now()
    await tell(hook.siteId, [event()])
    await settled(hook)
    expect(Date.now() - from).toBeLessThan(5_000)
    expect((await listed(hook))[0]!.state).toBe('delivered')
  })
})

/** mulberry32: the same numbers for the same seed. */
function randomFrom(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const SEED = Date.now() % 2 ** 31

describe(`random receivers, seed ${SEED}`, () => {
  it('M6 WH2 each is delivered with one id, in the order of its conversation, or dead for a reason; torn down or not', async () => {
    const random = randomFrom(SEED)
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
    const hook = await webhook({ scale: 20 * QUICK, script: { byData: true } })
    const conversations = Array.from({ length: 10 }, () => newId())
    const fates = [
      [],
      [],
      [500],
      [0, 503],
      [302, 404],
      [429],
      Array<number>(12).fill(422),
      [400, 500, 200],
      [422, 200],
    ]
    const events = Array.from({ length: 120 }, () =>
      event({ conversationId: pick(conversations), says: { statuses: pick(fates) } }),
    )
    for (let n = 0; n < events.length; ) {
      const some = events.slice(n, n + 1 + Math.floor(random() * 20))
      n += some.length
      await tell(hook.siteId, some)
      if (random() < 0.3) await tearDown(hook)
      await new Promise(resolve => setTimeout(resolve, random() * 60))
    }
    // What was out when the object was torn down is called for again after its lease.
    await runInDurableObject(hook.stub, (_, state) => {
      state.storage.sql.exec('UPDATE lines SET ready_at = 0 WHERE called = 1')
    })
    await until(async () => {
      await hook.stub.wake()
      return (await hook.stub.status()).waiting === 0
    }, 25_000)
    const calls = await seen(hook.name)
    const states = new Map(
      [...(await listed(hook)), ...(await restOf(hook))].map(one => [one.id, one.state] as const),
    )
    expect(states.size).toBe(events.length)
    for (const one of events) {
      const mine = calls.filter(call => call.headers['webhook-id'] === one.id)
      expect(mine.length).toBeGreaterThan(0)
      expect(new Set(mine.map(call => call.body)).size).toBe(1)
      const { statuses } = JSON.parse(one.data) as { statuses: number[] }
      const isRefused = statuses.filter(status => status === 422).length > 3
      expect(states.get(one.id)).toBe(isRefused ? 'dead' : 'delivered')
    }
    for (const conversation of conversations) {
      const order = events.filter(one => one.conversationId === conversation).map(one => one.id)
      const called = idsOf(calls.filter(call => JSON.parse(call.body).conversation === conversation))
      const steps = called.map(id => order.indexOf(id))
      expect(steps, `seed ${SEED}`).toEqual(steps.toSorted((a, b) => a - b))
    }
  }, 60_000)

  async function restOf(hook: Hook) {
    const page = (await hook.ask('GET', `/endpoints/${hook.id}/deliveries?limit=100`)).json
    return page.next === null
      ? []
      : (await hook.ask('GET', `/endpoints/${hook.id}/deliveries?limit=100&cursor=${page.next}`)).json.items
  }
})

describe('a receiver that is down', () => {
  it('M6 gets everything later, with the ids it has, in order; one call at a time sees whether it is back', async () => {
    const hook = await webhook({ script: { always: { status: 503 } } })
    const [a, b] = [newId(), newId()]
    const events = Array.from({ length: 40 }, (_, n) => event({ conversationId: n % 2 ? a : b }))
    await tell(hook.siteId, events)
    await until(async () => (await seen(hook.name)).length >= 8)
    const down = (await hook.ask('GET', `/endpoints/${hook.id}`)).json
    expect(down.waiting).toBe(40)
    expect(Number(down.failingSince)).toBeGreaterThan(Date.now() - 15_000)
    const before = (await seen(hook.name)).length
    await script({ name: hook.name })
    await settled(hook)
    const all = await seen(hook.name)
    const came = all.filter(one => one.status === 200)
    expect(came).toHaveLength(40)
    for (const line of [a, b])
      expect(idsOf(came.filter(one => JSON.parse(one.body).conversation === line))).toEqual(
        events.filter(one => one.conversationId === line).map(one => one.id),
      )
    // Of forty that waited only the two first of their lines were tried while it was down.
    expect(new Set(idsOf(all.slice(0, before))).size).toBe(2)
    expect((await hook.ask('GET', `/endpoints/${hook.id}`)).json).toMatchObject({
      waiting: 0,
      failingSince: null,
    })
  })

  it('M6 WH11 after the last call it is in the dead letter; one, all, or all since a time are delivered again under their ids', async () => {
    const hook = await webhook({ script: { always: { status: 500 } } })
    const conversationId = newId()
    const events = Array.from({ length: 4 }, () => event({ conversationId }))
    const since = Date.now()
    await tell(hook.siteId, events)
    await settled(hook)
    const dead = await listed(hook, '&state=dead')
    expect(dead.map(one => one.id)).toEqual(events.map(one => one.id).toReversed())
    expect((await hook.ask('GET', `/endpoints/${hook.id}`)).json).toMatchObject({ dead: 4, waiting: 0 })
    const failed = await seen(hook.name)
    await script({ name: hook.name })

    const again = async (path: string, body?: unknown) => {
      const from = (await seen(hook.name)).length
      const answer = await hook.ask('POST', `/endpoints/${hook.id}${path}`, body)
      await settled(hook)
      return { ...answer, ids: idsOf((await seen(hook.name)).slice(from)) }
    }
    const one = await again(`/deliveries/${events[2]!.id}/replay`)
    expect(one).toMatchObject({ status: 200, json: { replayed: 1 }, ids: [events[2]!.id] })
    const rest = await again('/replay', { state: 'dead' })
    expect(rest).toMatchObject({
      json: { replayed: 3 },
      ids: [events[0]!.id, events[1]!.id, events[3]!.id],
    })
    const all = await again('/replay', { since: String(since) })
    expect(all).toMatchObject({ json: { replayed: 4 }, ids: events.map(event => event.id) })
    expect(await again('/replay', { since: String(Date.now() + 1000) })).toMatchObject({
      json: { replayed: 0 },
    })
    for (const call of await seen(hook.name)) {
      expect(() => new Webhook(hook.secret).verify(call.body, call.headers)).not.toThrow()
      const first = failed.find(one => one.headers['webhook-id'] === call.headers['webhook-id'])
      if (first) expect(call.body).toBe(first.body)
    }
    expect(await listed(hook, '&state=dead')).toEqual([])
  })

  it('WH11 what is replayed goes before what waits behind it, and never beside it', async () => {
    const hook = await webhook({ script: { byData: true, always: { delayMs: 30 } } })
    const conversationId = newId()
    const dead = event({ conversationId, says: { statuses: [422, 422, 422, 422] } })
    await tell(hook.siteId, [dead])
    await settled(hook)
    const later = Array.from({ length: 4 }, () => event({ conversationId }))
    await tell(hook.siteId, later)
    await hook.stub.replay({ id: dead.id })
    await settled(hook)
    const { seen: calls, most } = await seenAt(hook.name)
    expect(most).toBe(1)
    const ids = idsOf(calls.slice(4))
    expect(ids).toHaveLength(5)
    expect(ids.indexOf(dead.id)).toBeLessThanOrEqual(1)
    expect(ids.filter(id => id !== dead.id)).toEqual(later.map(one => one.id))
  })

  it.each([
    [{}, 'invalid_field'],
    [{ state: 'delivered' }, 'invalid_field'],
    [{ state: 'dead', since: '1' }, 'invalid_field'],
    [{ since: 'yesterday' }, 'invalid_field'],
  ])('WH11 a replay of %j is refused', async (body, code) => {
    const hook = await webhook()
    const answer = await hook.ask('POST', `/endpoints/${hook.id}/replay`, body)
    expect(answer).toMatchObject({ status: 400, json: { error: { code } } })
  })

  it('WH6 is left alone for as long as it asks', async () => {
    const hook = await webhook({
      script: { answers: [{ status: 429, headers: { 'retry-after': '1' } }] },
    })
    await tell(hook.siteId, [event()])
    await until(async () => (await hook.stub.status()).heldUntil)
    await tell(hook.siteId, [event(), event()])
    await settled(hook)
    const [first, ...others] = await seen(hook.name)
    expect(others).toHaveLength(3)
    for (const one of others) expect(one.at - first!.at).toBeGreaterThan(950)
  })

  it('WH16 the clock wakes what its alarm forgot, and is told when nothing is owed any more', async () => {
    const hook = await webhook({ scale: 1, script: { answers: [{ status: 500 }, { status: 500 }] } })
    const dueAt = async () =>
      (await db(env.DB).select().from(endpoints).where(eq(endpoints.id, hook.id)).get())!.nextDueAt
    await tell(hook.siteId, [event()])
    await until(async () => (await seen(hook.name)).length === 1)
    // Five seconds are nothing to tell anybody of.
    expect(await dueAt()).toBeNull()
    await runInDurableObject(hook.stub, (_, state) => {
      state.storage.sql.exec('UPDATE lines SET ready_at = 0')
    })
    await runDurableObjectAlarm(hook.stub)
    await until(async () => ((await dueAt()) ?? 0) > Date.now() + 60_000)
    await runInDurableObject(hook.stub, async (_, state) => {
      state.storage.sql.exec('UPDATE lines SET ready_at = 0')
      await state.storage.deleteAlarm()
    })
    await db(env.DB)
      .update(endpoints)
      .set({ nextDueAt: Date.now() - 5 * 60_000 })
      .where(eq(endpoints.id, hook.id))
    const context = createExecutionContext()
    await worker.scheduled(createScheduledController({ cron: '* * * * *' }), env, context)
    await waitOnExecutionContext(context).catch(() => {})
    await settled(hook)
    expect(await seen(hook.name)).toHaveLength(3)
    await until(async () => (await dueAt()) === null)
  })
})

describe('a slow receiver', () => {
  it('M9 delays neither who tells it nor anybody else, and has five calls at a time at most', async () => {
    const at = await site()
    const slow = await webhook({ at, script: { always: { delayMs: 400 } } })
    const fine = await webhook({ at })
    const events = Array.from({ length: 20 }, () => event())
    const from = Date.now()
    await tell(at.siteId, events)
    expect(Date.now() - from).toBeLessThan(1_000)
    await settled(fine)
    expect(await seen(fine.name)).toHaveLength(20)
    expect((await slow.stub.status()).waiting).toBeGreaterThan(0)
    await settled(slow)
    const { seen: calls, most } = await seenAt(slow.name)
    expect(calls).toHaveLength(20)
    expect(most).toBe(5)
  })

  it('M9 is given up after its time, and asked again', async () => {
    const hook = await webhook({ timeoutMs: 300, script: { answers: [{ delayMs: 2_000 }] } })
    await tell(hook.siteId, [event()])
    await settled(hook)
    const [one] = await listed(hook)
    const { attemptLog } = (await hook.ask('GET', `/endpoints/${hook.id}/deliveries/${one!.id}`)).json
    expect(attemptLog).toMatchObject([
      { status: null, error: 'The receiver did not answer within 0.3 s.' },
      { status: 200 },
    ])
    expect(attemptLog[0].durationMs).toBeLessThan(1_500)
  })
})

describe('a webhook that is switched off', () => {
  it('WH13 by 410: nothing more is called, what waited is dead, and it says why; switched on, it is told again', async () => {
    const hook = await webhook({ script: { always: { status: 410 } } })
    const conversationId = newId()
    const events = [event({ conversationId }), event({ conversationId })]
    await tell(hook.siteId, events)
    const shown = await until(async () => {
      const { json } = await hook.ask('GET', `/endpoints/${hook.id}`)
      return json.state === 'off' && json
    })
    expect(shown).toMatchObject({
      active: false,
      stateReason: { code: 'gone', message: expect.stringContaining('410') },
      dead: 2,
      waiting: 0,
    })
    expect(await tell(hook.siteId, [event()])).toBe(0)
    // One who read the settings before it was switched off changes nothing.
    const stale = { ...(await configOf(hook)), state: 'active' as const, version: 1 }
    await hook.stub.take(stale, [event()])
    expect(await seen(hook.name)).toHaveLength(1)
    expect(await hook.ask('POST', `/endpoints/${hook.id}/replay`, { state: 'dead' })).toMatchObject({
      status: 409,
      json: { error: { code: 'endpoint_off' } },
    })
    await script({ name: hook.name })
    const on = await hook.ask('PATCH', `/endpoints/${hook.id}`, { active: true })
    expect(on.json).toMatchObject({ active: true, state: 'active', stateReason: null })
    expect((await hook.ask('POST', `/endpoints/${hook.id}/replay`, { state: 'dead' })).json).toEqual({
      replayed: 2,
    })
    await tell(hook.siteId, [event({ conversationId })])
    await settled(hook)
    expect(idsOf((await seen(hook.name)).slice(1)).slice(0, 2)).toEqual(events.map(one => one.id))
    expect(await listed(hook, '&state=delivered')).toHaveLength(3)
  })

  it('WH13 where somebody changed it meanwhile, the change stands', async () => {
    const hook = await webhook({ script: { answers: [{ status: 410, delayMs: 300 }] } })
    await tell(hook.siteId, [event()])
    await until(async () => (await seen(hook.name)).length === 1)
    await db(env.DB)
      .update(endpoints)
      .set({ version: sql`${endpoints.version} + 5`, description: 'moved' })
      .where(eq(endpoints.id, hook.id))
    await until(async () => (await hook.stub.status()).dead === 1)
    await until(async () => {
      const config = await runInDurableObject(hook.stub, (_, state) =>
        JSON.parse(
          state.storage.sql.exec<{ value: string }>(`SELECT value FROM meta WHERE key = 'config'`).one()
            .value,
        ),
      )
      return config.state === 'active' && config.version === 6
    })
    expect((await hook.ask('GET', `/endpoints/${hook.id}`)).json).toMatchObject({
      state: 'active',
      description: 'moved',
    })
  })

  const failingSinceDays = (hook: Hook) =>
    runInDurableObject(hook.stub, (_, state) => {
      const breaker = { failures: 0, until: 0, failingSince: Date.now() - 6 * 24 * 3_600_000 }
      state.storage.sql.exec(`UPDATE meta SET value = ? WHERE key = 'breaker'`, JSON.stringify(breaker))
    })
  const reasonOf = async (hook: Hook) =>
    (await hook.ask('GET', `/endpoints/${hook.id}`)).json.stateReason?.code ?? null

  it('WH13 after days without one delivery it switches itself off', async () => {
    // As long as a day is: the first event still waits for its next call.
    const hook = await webhook({ scale: 1, script: { always: { status: 500 } } })
    await tell(hook.siteId, [event()])
    await until(async () => (await hook.stub.status()).failingSince !== null)
    await failingSinceDays(hook)
    await tell(hook.siteId, [event()])
    await until(async () => (await reasonOf(hook)) === 'failing')
  })

  it('WH13 and not where nothing was owed in those days', async () => {
    const hook = await webhook({ script: { always: { status: 500 } } })
    await tell(hook.siteId, [event()])
    await settled(hook)
    await failingSinceDays(hook)
    await tell(hook.siteId, [event()])
    await settled(hook)
    expect(await reasonOf(hook)).toBeNull()
  })

  it('WH13 paused it keeps what happens, and delivers it when it is active again', async () => {
    const hook = await webhook()
    expect((await hook.ask('PATCH', `/endpoints/${hook.id}`, { active: false })).json.state).toBe('paused')
    const conversationId = newId()
    const events = [event({ conversationId }), event({ conversationId })]
    await tell(hook.siteId, events)
    await new Promise(resolve => setTimeout(resolve, 2_000))
    expect(await seen(hook.name)).toEqual([])
    expect((await hook.ask('GET', `/endpoints/${hook.id}`)).json.waiting).toBe(2)
    await hook.ask('PATCH', `/endpoints/${hook.id}`, { active: true })
    await settled(hook)
    expect(idsOf(await seen(hook.name))).toEqual(events.map(one => one.id))
  })

  it('WH13 removed it takes nothing any more, also of who does not know yet', async () => {
    const hook = await webhook({ script: { always: { status: 500 } } })
    await tell(hook.siteId, [event()])
    const config = await configOf(hook)
    await hook.ask('DELETE', `/endpoints/${hook.id}`)
    const before = (await seen(hook.name)).length
    await hook.stub.take(config, [event()])
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(await hook.stub.status()).toMatchObject({ waiting: 0, dead: 0 })
    expect((await seen(hook.name)).length).toBeLessThanOrEqual(before + 1)
  })
})

describe('the secret', () => {
  const verifies = (secret: string, { body, headers }: Received) => {
    try {
      return new Webhook(secret).verify(body, headers) !== undefined
    } catch {
      return false
    }
  }

  it('WH9 is replaced with an overlap in which both sign', async () => {
    const hook = await webhook()
    const rotated = (await hook.ask('POST', `/endpoints/${hook.id}/rotate`)).json
    expect(rotated.secret).toMatch(/^whsec_/)
    expect(rotated.secret).not.toBe(hook.secret)
    expect(Number(rotated.oldSecretUntil)).toBeGreaterThan(Date.now() + 23.9 * 3_600_000)
    expect((await hook.ask('GET', `/endpoints/${hook.id}`)).json.oldSecretUntil).toBe(rotated.oldSecretUntil)
    await tell(hook.siteId, [event()])
    await settled(hook)
    const [call] = await seen(hook.name)
    expect(call!.headers['webhook-signature']).toMatch(/^v1,[^ ]{44} v1,[^ ]{44}$/)
    expect([hook.secret, rotated.secret].map(secret => verifies(secret, call!))).toEqual([true, true])
  })

  it('WH9 replaced by two at once, every secret that was shown signs', async () => {
    const hook = await webhook()
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => hook.ask('POST', `/endpoints/${hook.id}/rotate`, {})),
    )
    const shown = answers.filter(one => one.status === 200)
    expect(shown.length).toBeGreaterThan(0)
    for (const one of answers) expect([200, 409]).toContain(one.status)
    await tell(hook.siteId, [event()])
    await settled(hook)
    const [call] = await seen(hook.name)
    for (const one of shown) expect(verifies(one.json.secret, call!)).toBe(true)
  })

  it('WH9 that leaked ends at once, and with it every one before', async () => {
    const hook = await webhook()
    const second = (await hook.ask('POST', `/endpoints/${hook.id}/rotate`, { overlapHours: 48 })).json.secret
    const third = (await hook.ask('POST', `/endpoints/${hook.id}/rotate`, { overlapHours: 0 })).json
    expect(third.oldSecretUntil).toBeNull()
    await tell(hook.siteId, [event()])
    await settled(hook)
    const [call] = await seen(hook.name)
    expect([hook.secret, second, third.secret].map(secret => verifies(secret, call!))).toEqual([
      false,
      false,
      true,
    ])
  })

  it('WH9 the old one stops when its time is up, and what waits is signed with the new one', async () => {
    const hook = await webhook({ scale: 1, script: { answers: [{ status: 500 }] } })
    await tell(hook.siteId, [event()])
    await until(async () => (await seen(hook.name)).length === 1)
    const { secret } = (await hook.ask('POST', `/endpoints/${hook.id}/rotate`, { overlapHours: 0.0001 })).json
    await new Promise(resolve => setTimeout(resolve, 500))
    await runInDurableObject(hook.stub, (_, state) => {
      state.storage.sql.exec('UPDATE lines SET ready_at = 0')
    })
    await hook.stub.wake()
    await settled(hook)
    const [, call] = await seen(hook.name)
    expect([hook.secret, secret].map(one => verifies(one, call!))).toEqual([false, true])
    expect((await hook.ask('POST', `/endpoints/${hook.id}/rotate`, { overlapHours: -1 })).status).toBe(400)
  })

  it('KR4 that was wrapped anew meanwhile is read again, and nothing is lost', async () => {
    const hook = await webhook()
    const config = await configOf(hook)
    const [version, kek, iv, cipher] = config.dataKey.split('.')
    const unreadable = `${version}.${kek!.slice(0, -1)}${kek!.endsWith('0') ? '1' : '0'}.${iv}.${cipher}`
    await hook.stub.take({ ...config, dataKey: unreadable }, [event()])
    await settled(hook)
    expect(await seen(hook.name)).toHaveLength(1)
    const [one] = await listed(hook)
    expect(one!.state).toBe('delivered')
  })
})

describe('where it may go', () => {
  it.each([
    'http://hooks.example.com/',
    'https://10.0.0.1/',
    'https://169.254.169.254/latest/meta-data/',
    'https://[fe80::1]/',
    'https://0x0a000001/',
    'https://metadata.google.internal/',
    'https://router.local/',
    'https://127.0.0.1.nip.io/',
    'https://user:pass@hooks.example.com/',
    'https://hooks.example.com:25/',
    'ftp://hooks.example.com/',
    'https://hooks.example.com\\@10.0.0.1/',
  ])('M8 %s is refused when it is typed', async url => {
    const hook = await webhook()
    for (const [method, path, body] of [
      ['POST', '/endpoints/', { url, types: ['*'] }],
      ['PATCH', `/endpoints/${hook.id}`, { url }],
    ] as const)
      expect(await hook.ask(method, path, body)).toMatchObject({
        status: 422,
        json: { error: { code: 'host_refused', field: 'url' } },
      })
  })

  it('M8 is looked at again at each call: without the development flag nothing goes to loopback', async () => {
    const hook = await webhook()
    const config = await configOf(hook)
    const production = { ...env, DEV: '0', BRIDGE_URL: undefined } as unknown as Env
    for (const url of [config.url, 'https://192.168.1.1/', 'https://metadata.google.internal/']) {
      const { answer, error } = await call(production, { ...config, url }, { id: newId(), body: '{}' })
      expect(answer).toMatchObject({ kind: 'unsendable', problem: { code: 'host_refused' } })
      expect(error).toBeTruthy()
    }
    expect(await seen(hook.name)).toEqual([])
  })

  it('M8 a redirect is not followed, wherever it leads', async () => {
    const inside = freshName('inside')
    const check = async (status: number) => {
      const location = `${env.TEST_HOOKS}/${inside}`
      const hook = await webhook({ script: { always: { status, headers: { location } } } })
      await tell(hook.siteId, [event()])
      await settled(hook)
      expect((await listed(hook))[0]).toMatchObject({
        state: 'dead',
        problem: expect.stringContaining(`redirect (${status})`),
      })
    }
    await Promise.all([301, 302, 303, 307, 308].map(check))
    expect(await seen(inside)).toEqual([])
  })

  it('WH15 a test says what came back, and leaves no trace in the log', async () => {
    const hook = await webhook({
      script: { answers: [{ body: 'pong' }, { status: 401, body: 'who are you' }, { hangsUp: true }] },
    })
    const ping = () => hook.ask('POST', `/endpoints/${hook.id}/test`)
    expect(await ping()).toMatchObject({
      status: 200,
      json: { ok: true, status: 200, answer: 'pong', error: null, durationMs: expect.any(Number) },
    })
    expect((await ping()).json).toMatchObject({ ok: false, status: 401, answer: 'who are you' })
    expect((await ping()).json).toMatchObject({ ok: false, status: null, error: expect.any(String) })
    const [call] = await seen(hook.name)
    expect(new Webhook(hook.secret).verify(call!.body, call!.headers)).toMatchObject({
      type: 'ping',
      data: { endpoint: hook.id },
    })
    expect(await listed(hook)).toEqual([])
  })
})

describe('the reply webhook of an assistant', () => {
  const sent = (about: Partial<Occurrence> & { says: { id: string; type: string } }) =>
    event({ type: 'delivery.sent', ...about })

  it('WH14 gets each answer once, bare as the API lists it, signed', async () => {
    const { siteId, headers } = await site()
    const ask = asking(headers)
    const id = await assistant(siteId)
    const at = `/assistants/${id}/reply-webhook`
    expect((await ask('GET', at)).json).toMatchObject({ url: null, active: true, waiting: 0 })
    const name = freshName('reply')
    const url = `${env.TEST_HOOKS}/${name}`
    expect((await ask('PATCH', `/assistants/${id}`, { replyWebhookUrl: url })).json.replyWebhookUrl).toBe(url)
    const { secret } = (await ask('POST', `${at}/rotate`, { overlapHours: 0 })).json
    const messageId = newId()
    const data = `{"id":"${messageId}","conversation":"c1","sender":{"id":324816370485542537671391323877394598747},"type":"outgoing","content":"您好"}`
    const conversationId = newId()
    await tell(
      siteId,
      [
        event({ type: 'message.created', conversationId, data }),
        event({ type: 'delivery.sent', conversationId, data }),
        sent({ conversationId, says: { id: newId(), type: 'incoming' } }),
        // The same answer, told by the conversation that this one became part of.
        event({ type: 'delivery.sent', data }),
      ],
      id,
    )
    const stub = stubOf(siteId, replyEndpointId(id))
    await until(async () => (await stub.deliveries('delivered', null, 9)).length > 0)
    const calls = await seen(name)
    expect(calls).toHaveLength(1)
    expect(calls[0]!.body).toBe(data)
    expect(calls[0]!.headers['webhook-id']).toBe(messageId)
    expect(new Webhook(secret).verify(calls[0]!.body, calls[0]!.headers)).toMatchObject({ content: '您好' })
    expect((await ask('GET', `${at}/deliveries`)).json.items).toMatchObject([
      { id: messageId, state: 'delivered' },
    ])
    expect((await ask('GET', `${at}/deliveries/${messageId}`)).json).toMatchObject({
      body: data,
      attempts: 1,
    })
    expect((await ask('POST', `${at}/deliveries/${messageId}/replay`)).json).toEqual({ replayed: 1 })
    await until(async () => (await seen(name)).length === 2)
    expect(idsOf(await seen(name))).toEqual([messageId, messageId])
  })

  it('WH14 M10 tells the answer of a conversation by the API byte for byte as GET shows it, and once', async () => {
    const { siteId, headers } = await site()
    const ask = asking(headers)
    const id = await assistant(siteId)
    const [name, events] = [freshName('reply'), await webhook({ at: { siteId, headers } })]
    await ask('PATCH', `/assistants/${id}`, { replyWebhookUrl: `${env.TEST_HOOKS}/${name}` })
    const chat = (await ask('POST', '/web-chats/', { name: 'Shop', assistantId: id })).json
    const conversation = (await ask('POST', '/conversations/', { webChat: chat.id })).json
    const content = 'How do I reset my password?'
    await ask('POST', '/messages/', { conversation: conversation.id, content })
    const [call] = await until(async () => {
      const calls = await seen(name)
      return calls.length > 0 && calls
    })
    const { items } = (await ask('GET', `/messages/?conversation=${conversation.id}`)).json
    const page = await exports.default.fetch(
      `http://edgedesk.test/api/v1/messages/?conversation=${conversation.id}`,
      { headers },
    )
    expect(items.map((one: { type: string }) => one.type)).toEqual(['incoming', 'outgoing'])
    expect(JSON.parse(call!.body)).toMatchObject({ conversation: conversation.id, type: 'outgoing' })
    expect(await page.text()).toContain(call!.body)
    expect(/"sender":\{"id":\d{30,39},/.test(call!.body)).toBe(true)
    await settled(events)
    const told = (await seen(events.name)).map(one => JSON.parse(one.body))
    expect(told.map(one => one.sequence)).toEqual(told.map(one => one.sequence).toSorted((a, b) => a - b))
    const types = told.map(one => one.type)
    for (const type of ['conversation.created', 'message.created', 'delivery.sent'])
      expect(types).toContain(type)
    expect(types.filter(type => type === 'conversation.created')).toHaveLength(1)
    const created = told.filter(one => one.type === 'message.created').map(one => one.data.id)
    expect(created).toEqual(items.map((one: { id: string }) => one.id))
    expect(await seen(name)).toHaveLength(1)
  })

  it('WH14 pauses and goes on; without an address it is off, with another it goes there', async () => {
    const { siteId, headers } = await site()
    const ask = asking(headers)
    const id = await assistant(siteId)
    const at = `/assistants/${id}/reply-webhook`
    const [one, two] = [freshName('reply'), freshName('reply')]
    const answer = () => tell(siteId, [sent({ says: { id: newId(), type: 'outgoing' } })], id)
    await ask('PATCH', `/assistants/${id}`, { replyWebhookUrl: `${env.TEST_HOOKS}/${one}` })
    expect((await ask('PATCH', at, { active: false })).json).toMatchObject({ state: 'paused', active: false })
    expect(await answer()).toBe(1)
    await ask('PATCH', `/assistants/${id}`, { replyWebhookUrl: `${env.TEST_HOOKS}/${two}` })
    expect((await ask('PATCH', at, { active: true })).json).toMatchObject({ state: 'active' })
    await until(async () => (await seen(two)).length === 1)
    expect(await seen(one)).toEqual([])
    await ask('PATCH', `/assistants/${id}`, { replyWebhookUrl: null })
    expect(await answer()).toBe(0)
    expect(await ask('POST', `${at}/replay`, { state: 'dead' })).toMatchObject({
      status: 409,
      json: { error: { code: 'endpoint_off' } },
    })
    await ask('PATCH', `/assistants/${id}`, { replyWebhookUrl: `${env.TEST_HOOKS}/${two}` })
    expect(await answer()).toBe(1)
    await until(async () => (await seen(two)).length === 2)
  })

  it('WH14 goes with its assistant', async () => {
    const { siteId, headers } = await site()
    const ask = asking(headers)
    const id = await assistant(siteId)
    await ask('PATCH', `/assistants/${id}`, { replyWebhookUrl: `${env.TEST_HOOKS}/${freshName('reply')}` })
    await ask('GET', `/assistants/${id}/reply-webhook`)
    expect((await ask('DELETE', `/assistants/${id}`)).status).toBe(200)
    expect((await ask('GET', `/assistants/${id}/reply-webhook`)).status).toBe(404)
    const rows = await db(env.DB).select().from(endpoints).where(eq(endpoints.siteId, siteId))
    expect(rows).toEqual([])
  })
})

describe('what is kept', () => {
  it('ED1 what was erased leaves the log, and is not delivered any more', async () => {
    const hook = await webhook({ script: { always: { status: 500 } }, scale: 1 })
    const conversationId = newId()
    await tell(hook.siteId, [event({ conversationId }), event({ conversationId }), event()])
    await until(async () => (await listed(hook)).filter(one => one.problem).length === 2)
    await hook.stub.forget({ conversation: conversationId })
    expect(await listed(hook)).toHaveLength(1)
    await runInDurableObject(hook.stub, (_, state) => {
      for (const table of ['deliveries', 'bodies', 'lines'])
        expect(state.storage.sql.exec(`SELECT count(*) AS n FROM ${table}`).one().n, table).toBe(1)
      expect(state.storage.sql.exec('SELECT DISTINCT n FROM attempts').toArray().length).toBe(1)
    })
  })

  it('WH12 leaves after 30 days, whether or not anything happens then; and beyond 10,000', async () => {
    const hook = await webhook()
    await tell(hook.siteId, [event(), event(), event()])
    await settled(hook)
    await runInDurableObject(hook.stub, async (_, state) => {
      // When nothing else is to be done, it looks again when the oldest is due to leave.
      state.storage.sql.exec(
        'UPDATE deliveries SET taken_at = ? WHERE n <= 2',
        Date.now() - 31 * 24 * 3_600_000,
      )
    })
    await hook.stub.wake()
    expect(await listed(hook)).toHaveLength(1)
    await runInDurableObject(hook.stub, async (_, state) => {
      const kept = state.storage.sql.exec('SELECT count(*) AS n FROM bodies').one().n
      expect(kept).toBe(1)
      const insert = `INSERT INTO deliveries (id, conversation_id, seq, type, occurred_at, taken_at, state, attempts, tries, rejections, deadline, settled_at)
        SELECT 'x' || value, 'c', 1, 't', 1, ?, ?, 1, 1, 0, 1, ? FROM json_each(?)`
      const [at, over] = [Date.now(), Date.now() - 2 * 3_600_000]
      for (const kind of ['delivered', 'dead']) {
        const some = JSON.stringify(Array.from({ length: 10_200 }, (_, n) => `${kind}${n}`))
        state.storage.sql.exec(insert, at, kind, over, some)
      }
      state.storage.sql.exec(`UPDATE meta SET value = '0' WHERE key = 'pruned'`)
    })
    await hook.stub.wake()
    await hook.stub.wake()
    await runInDurableObject(hook.stub, (_, state) => {
      const counts = state.storage.sql
        .exec('SELECT state, count(*) AS n FROM deliveries GROUP BY state')
        .toArray()
      expect(counts).toEqual([
        { state: 'dead', n: 10_000 },
        // One of them only just now: whoever repeats it is still known.
        { state: 'delivered', n: 10_001 },
      ])
    })
  })
})
