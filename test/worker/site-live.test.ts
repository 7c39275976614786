/** A site live: what the Site object is told, and what those who watch hear of it. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { KEPT_ROWS } from '../../src/site/feed.ts'
import { contactToken } from '../../src/store/contact-tokens.ts'
import { newId } from '../../src/store/ids.ts'
import type { SiteChange } from '../../src/wire/site-frame.ts'
import { invited, ORIGIN } from './browser.ts'
import { call, type Json } from './call.ts'
import { site } from './cast.ts'
import { until } from './mail.ts'
import { type Frame, open } from './socket.ts'
import { member } from './staff.ts'

type Client = Awaited<ReturnType<typeof watch>>

const watch = (headers: Record<string, string>, query = '') => open(`/ws${query}`, headers, ORIGIN)

/** A client that has been told all that is there. */
async function watching(headers: Record<string, string>, query = ''): Promise<Client> {
  const client = await watch(headers, query)
  expect(client.status).toBe(101)
  await until(async () => client.of('queue').length > 0)
  return client
}

/** What a client knows after all it heard: conversations by id, where those went that are no more, and the last `seq`. */
function known(frames: readonly Frame[]) {
  const rows = new Map<string, Json>()
  const gone = new Map<string, unknown>()
  const seqs: number[] = []
  let seq = 0
  for (const frame of frames) {
    if (frame.seq !== undefined) seq = frame.seq as number
    if (frame.type === 'changed' || frame.type === 'gone') seqs.push(frame.seq as number)
    if (frame.type === 'changed')
      rows.set((frame.conversation as Json).id as string, frame.conversation as Json)
    if (frame.type !== 'gone') continue
    rows.delete(frame.conversation as string)
    gone.set(frame.conversation as string, frame.to)
  }
  expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b))
  return { rows, gone, seqs, seq }
}

const told = (client: Client) =>
  client.frames.filter(one => one.type === 'changed' || one.type === 'gone').length
const inboxId = newId()

function change(conversationId: string, seq: number, more: Partial<SiteChange> = {}): SiteChange {
  const row = JSON.stringify({ id: conversationId, title: `Turn ${seq}` })
  return { conversationId, inboxId, contactId: newId(), seq, row, waiting: null, ...more }
}

const siteObject = (siteId: string) => env.SITE.getByName(siteId)

async function keyOf(headers: Record<string, string>, scopes: string[], inboxes: string[] | null = null) {
  const made = await call('/api-keys', headers, 'POST', { name: 'k', scopes, inboxes })
  return { authorization: `Api-Key ${made.body.key}` }
}

async function webChat(headers: Record<string, string>) {
  return (await call('/web-chats', headers, 'POST', { name: 'Shop' })).body.id as string
}

describe('a site live', () => {
  it('SL1 says from where to go on, who is here and who waits, then every change, once', async () => {
    const { siteId, headers } = await site()
    const client = await watching(headers)
    expect(client.frames.map(one => one.type)).toEqual(['resync', 'resumed', 'presence', 'queue'])
    expect(client.frames.slice(2)).toEqual([
      { type: 'presence', here: [] },
      { type: 'queue', waiting: [], count: 0 },
    ])
    const [a, b] = [newId(), newId()]
    await siteObject(siteId).changed(change(a, 1))
    await siteObject(siteId).changed(change(b, 1))
    await siteObject(siteId).changed(change(a, 2))
    await until(async () => told(client) === 3)
    const { seq } = client.frames[0] as Frame & { seq: number }
    expect(client.of('changed')).toEqual([
      { type: 'changed', seq: seq + 1, conversation: { id: a, title: 'Turn 1' } },
      { type: 'changed', seq: seq + 2, conversation: { id: b, title: 'Turn 1' } },
      { type: 'changed', seq: seq + 3, conversation: { id: a, title: 'Turn 2' } },
    ])
  })

  it('SL2 M1 M2 who comes back with `since` hears of each conversation that changed once, as it is now', async () => {
    const { siteId, headers } = await site()
    const [a, b, c, d] = [newId(), newId(), newId(), newId()]
    const first = await watching(headers)
    for (const id of [a, b, c]) await siteObject(siteId).changed(change(id, 1))
    await until(async () => told(first) === 3)
    first.close()
    for (let seq = 2; seq < 30; seq++) await siteObject(siteId).changed(change(b, seq))
    await siteObject(siteId).changed(change(d, 1, { row: JSON.stringify({ id: d, status: 'open' }) }))
    await siteObject(siteId).changed(change(d, 2, { row: JSON.stringify({ id: d, status: 'closed' }) }))
    await siteObject(siteId).gone({ conversationId: c, inboxId, seq: 2, to: null })
    const second = await watching(headers, `?since=${known(first.frames).seq}`)
    expect(second.frames.map(one => one.type)).toEqual([
      ...['changed', 'changed', 'gone', 'resumed', 'presence', 'queue'],
    ])
    const { rows, gone, seq } = known(second.frames)
    expect([...rows.values()]).toEqual([
      { id: b, title: 'Turn 29' },
      { id: d, status: 'closed' },
    ])
    expect([...gone]).toEqual([[c, null]])
    const third = await watching(headers, `?since=${seq}`)
    expect(told(third)).toBe(0)
    await siteObject(siteId).changed(change(a, 2))
    await until(async () => told(third) === 1 && told(second) === 4)
    expect(known([...first.frames, ...second.frames]).rows.get(a)).toEqual({ id: a, title: 'Turn 2' })
  })

  it('SL2 M1 nothing is missed and nothing comes twice while it changes as one comes and goes', async () => {
    const { siteId, headers } = await site()
    const ids = Array.from({ length: 20 }, newId)
    const turns = new Map(ids.map(id => [id, 0]))
    let visits = 0
    const changes = (async () => {
      for (let n = 0; visits < 25 && n < 5_000; n++) {
        const id = ids[(n * 7) % ids.length]!
        const seq = turns.get(id)! + 1
        turns.set(id, seq)
        await siteObject(siteId).changed(change(id, seq))
        await new Promise(resolve => setTimeout(resolve, 1))
      }
    })()
    const heard: Frame[] = []
    let query = ''
    const visit = async () => {
      const client = await watching(headers, query)
      await new Promise(resolve => setTimeout(resolve, 5))
      client.close()
      heard.push(...client.frames)
      query = `?since=${known(heard).seq}`
      visits++
    }
    while (visits < 25) await visit()
    await changes
    await visit()
    expect([...turns.values()].reduce((a, b) => a + b)).toBeGreaterThan(25)
    // Its own check: every `seq` is higher than the one before.
    const { rows } = known(heard)
    for (const [id, seq] of turns) expect(rows.get(id)).toEqual({ id, title: `Turn ${seq}` })
    expect(heard.filter(one => one.type === 'resync')).toHaveLength(1)
  })

  it('SL3 who begins anew is told what may not be in the lists yet', async () => {
    const { siteId, headers } = await site()
    const [old, fresh] = [newId(), newId()]
    await siteObject(siteId).changed(change(old, 1))
    await runInDurableObject(siteObject(siteId), (_, state) => {
      state.storage.sql.exec('UPDATE feed SET at = at - 61000')
    })
    await siteObject(siteId).changed(change(fresh, 1))
    const client = await watching(headers)
    expect(client.frames.map(one => one.type)).toEqual(['resync', 'changed', 'resumed', 'presence', 'queue'])
    expect([...known(client.frames).rows.keys()]).toEqual([fresh])
    // A count of before the beginning is of another life.
    for (const since of [0, 1, 2]) {
      const stale = await watching(headers, `?since=${since}`)
      expect([stale.frames[0]!.type, known(stale.frames).seq]).toEqual(['resync', known(client.frames).seq])
    }
  })

  it('SL3 what was pruned, and what another life counted, is loaded anew; who missed much has it in parts', async () => {
    const { siteId, headers } = await site()
    const [first, waits] = [newId(), newId()]
    await siteObject(siteId).changed(change(first, 1))
    const early = await watching(headers)
    const before = known(early.frames).seq
    early.close()
    await siteObject(siteId).changed(change(waits, 1, { waiting: 5 }))
    await runInDurableObject(siteObject(siteId), async object => {
      for (let n = 0; n < KEPT_ROWS + 1_000; n++)
        await object.changed(
          change(newId(), 1, { row: JSON.stringify({ id: newId(), title: 'x'.repeat(100) }) }),
        )
    })
    const kept = await runInDurableObject(siteObject(siteId), (_, state) => {
      const { n } = state.storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM feed').one()
      return n
    })
    expect(kept).toBeGreaterThanOrEqual(KEPT_ROWS)
    expect(kept).toBeLessThanOrEqual(KEPT_ROWS + 1_000)
    await evictDurableObject(siteObject(siteId))
    const late = await watching(headers, `?since=${before}`)
    expect(late.frames[0]!.type).toBe('resync')
    // Who waits is kept, however old.
    expect(late.of('queue')[0]).toMatchObject({ waiting: [{ conversation: waits }], count: 1 })
    const { seq } = known(late.frames)
    expect((await watching(headers, `?since=${seq + 1}`)).frames[0]!.type).toBe('resync')
    expect((await watching(headers, `?since=12`)).frames[0]!.type).toBe('resync')
    // 15,000 rows of 200 bytes are more than one visit is told.
    const heard: Frame[] = []
    let [query, visits] = [`?since=${seq - 15_000}`, 0]
    for (; heard.at(-1)?.type !== 'queue'; visits++) {
      const client = await watch(headers, query)
      await until(async () => client.closed() !== null || client.of('queue').length > 0)
      if (client.closed()) expect(client.closed()).toEqual({ code: 4000, reason: 'resume' })
      heard.push(...client.frames)
      query = `?since=${known(heard).seq}`
    }
    expect(visits).toBeGreaterThan(2)
    expect(known(heard).seqs).toHaveLength(15_000)
  })

  it('SL4 what is told again, or comes late, is told nobody', async () => {
    const { siteId, headers } = await site()
    const client = await watching(headers)
    const [a, b] = [newId(), newId()]
    const stub = siteObject(siteId)
    await stub.changed(change(a, 5))
    for (const seq of [5, 4, 1]) await stub.changed(change(a, seq))
    for (const seq of [6, 6, 7]) await stub.gone({ conversationId: a, inboxId, seq, to: b })
    // Not even what says that it is newer brings it back.
    for (const seq of [5, 7, 9]) await stub.changed(change(a, seq, { waiting: 1 }))
    await stub.gone({ conversationId: b, inboxId, seq: 1, to: null })
    await stub.changed(change(b, 2))
    // What became of it may be erased later, when its inbox is known here only; what was never told needs no telling.
    for (const conversationId of [a, newId()]) await stub.gone({ conversationId, seq: 10, to: null })
    await until(async () => told(client) >= 4)
    await new Promise(resolve => setTimeout(resolve, 400))
    expect(client.frames.slice(4)).toEqual([
      expect.objectContaining({ type: 'changed', conversation: { id: a, title: 'Turn 5' } }),
      expect.objectContaining({ type: 'gone', conversation: a, to: b }),
      expect.objectContaining({ type: 'gone', conversation: b, to: null }),
      expect.objectContaining({ type: 'gone', conversation: a, to: null }),
    ])
    const rows = await runInDurableObject(stub, (_, state) =>
      state.storage.sql.exec('SELECT json, waiting FROM feed').toArray(),
    )
    expect(rows).toEqual(Array(2).fill({ json: null, waiting: null }))
  })

  it('SL5 sockets outlive the object: after an eviction they hear what happens, and nothing again', async () => {
    const { siteId, headers } = await site()
    const ann = await member(siteId, 'agent')
    const [key, tab] = [await watching(headers), await watching(ann.headers)]
    const [a, b] = [newId(), newId()]
    await siteObject(siteId).changed(change(a, 1, { waiting: 1000 }))
    await until(async () => tab.of('queue').length === 2 && key.of('queue').length === 2)
    const count = [key.frames.length, tab.frames.length]
    await evictDurableObject(siteObject(siteId))
    expect(await siteObject(siteId).present()).toMatchObject([{ id: ann.id }])
    await runDurableObjectAlarm(siteObject(siteId))
    await siteObject(siteId).changed(change(a, 1, { waiting: 1000 }))
    await siteObject(siteId).changed(change(b, 1))
    await until(async () => told(key) === 2 && told(tab) === 2)
    await new Promise(resolve => setTimeout(resolve, 400))
    expect([key.frames.length, tab.frames.length]).toEqual(count.map(n => n + 1))
    await siteObject(siteId).changed(change(b, 2, { waiting: 500 }))
    await until(async () => tab.of('queue').length === 3)
    expect(tab.of('queue').at(-1)).toMatchObject({ waiting: [{ conversation: b }, { conversation: a }] })
    expect([key.closed(), tab.closed()]).toEqual([null, null])
  })

  it('SL6 N6 who sees some inboxes hears of conversations in those only', async () => {
    const { siteId, headers } = await site()
    const [mine, other] = [await webChat(headers), await webChat(headers)]
    const [a, b] = [newId(), newId()]
    const agent = await member(siteId, 'agent', [mine])
    const limited = await keyOf(headers, ['conversations:read', 'messages:read'], [mine])
    const nothing = await member(siteId, 'agent', [])
    const clients = await Promise.all([agent.headers, limited].map(one => watching(one)))
    const [blind, all] = [await watching(nothing.headers), await watching(headers)]
    const stub = siteObject(siteId)
    const later = async (seq: number, waiting: number | null) => {
      await stub.changed(change(b, seq, { inboxId: other, waiting }))
      await stub.changed(change(a, seq, { inboxId: mine, waiting }))
    }
    await later(1, 1000)
    await stub.gone({ conversationId: newId(), inboxId: other, seq: 1, to: newId() })
    await until(async () => told(all) === 3 && all.of('queue').length === 2)
    expect(all.of('queue')[1]).toMatchObject({ count: 2 })
    for (const client of clients) {
      await until(async () => client.of('queue').length === 2)
      expect([...known(client.frames).rows.keys()]).toEqual([a])
      expect(client.of('queue')[1]).toEqual({
        ...{ type: 'queue', count: 1, waiting: [{ conversation: a, inbox: mine, since: '1000' }] },
      })
      expect(JSON.stringify(client.frames)).not.toContain(other)
      const again = await watching(client === clients[0] ? agent.headers : limited)
      expect(JSON.stringify(again.frames)).not.toContain(other)
      const back = await watching(agent.headers, `?since=${(client.frames[0] as Json).seq}`)
      expect([...known(back.frames).rows.keys()]).toEqual([a])
      // Also where nothing of theirs happened they know how far it went.
      expect(known(back.frames).seq).toBe(known(all.frames).seq)
    }
    await stub.changed(change(newId(), 1, { inboxId: other, waiting: 1 }))
    await until(async () => all.of('queue').length === 3)
    for (const client of clients) expect(client.of('queue')).toHaveLength(2)
    expect(blind.frames.filter(one => one.type !== 'presence').map(one => one.type)).toEqual([
      ...['resync', 'resumed', 'queue'],
    ])
  })

  it('SL6 a member may be limited to as many inboxes as there may be', async () => {
    const { siteId } = await site()
    const inboxes = Array.from({ length: 500 }, newId)
    const client = await watching((await member(siteId, 'agent', inboxes)).headers)
    await evictDurableObject(siteObject(siteId))
    const id = newId()
    await siteObject(siteId).changed(change(newId(), 1))
    await siteObject(siteId).changed(change(id, 1, { inboxId: inboxes[499]! }))
    await until(async () => told(client) === 1)
    expect([...known(client.frames).rows.keys()]).toEqual([id])
  })

  it('SL7 members are here once however many tabs they have; a key watches and is not here', async () => {
    const { siteId, headers } = await site()
    const ours = newId()
    const [ann, bob] = [await member(siteId, 'agent', [ours]), await member(siteId, 'admin')]
    expect(await siteObject(siteId).present()).toEqual([])
    const key = await watching(headers)
    const first = await watching(ann.headers)
    await until(async () => key.of('presence').length === 2)
    const second = await watching(ann.headers)
    expect(second.of('presence')).toEqual([
      { type: 'presence', here: [{ id: ann.id, name: 'A agent', status: 'here' }] },
    ])
    const other = await watching(bob.headers)
    await until(async () => key.of('presence').length === 3 && first.of('presence').length === 2)
    expect((key.of('presence').at(-1)!.here as Json[]).map(one => one.id)).toEqual(
      [ann.id, bob.id].toSorted(),
    )
    expect(await siteObject(siteId).present()).toHaveLength(2)
    expect(await siteObject(siteId).present(ours)).toHaveLength(2)
    expect(await siteObject(siteId).present(newId())).toMatchObject([{ id: bob.id }])
    first.close()
    await until(async () => (await socketsOf(siteId)) === 3)
    await runDurableObjectAlarm(siteObject(siteId))
    // Away for a moment, as by a reload, is not away.
    second.close()
    const reloaded = await watching(ann.headers)
    await until(async () => (await socketsOf(siteId)) === 3)
    await runDurableObjectAlarm(siteObject(siteId))
    // Not for the others, whatever else they are told; who asks hears how it is.
    reloaded.close()
    await until(async () => (await siteObject(siteId).present()).length === 1)
    await siteObject(siteId).changed(change(newId(), 1, { waiting: 1 }))
    await until(async () => key.of('queue').length === 2)
    expect([key.of('presence').length, other.of('presence').length]).toEqual([3, 1])
    await until(async () => key.of('presence').length === 4)
    expect(key.of('presence').at(-1)).toMatchObject({ here: [{ id: bob.id }] })
    expect(await siteObject(siteId).present()).toEqual([{ id: bob.id, name: 'A admin' }])
    // Two who leave one after another are both gone, also where no member stays to look after.
    other.close()
    await until(async () => key.of('presence').length === 5)
    expect(key.of('presence').at(-1)).toMatchObject({ here: [] })
  })

  it('SL7 where many come at once, they are told of together', async () => {
    const { siteId, headers } = await site()
    const key = await watching(headers)
    const team = await Promise.all(Array.from({ length: 20 }, () => member(siteId, 'agent')))
    const clients = await Promise.all(team.map(one => watching(one.headers)))
    for (const client of [key, ...clients]) {
      await until(async () => (client.of('presence').at(-1)!.here as Json[]).length === 20)
      expect(client.of('presence').length).toBeLessThan(6)
    }
  })

  it('SL7 M4 who sends no ping any more is not here, and is again with the next', async () => {
    const { siteId } = await site()
    const [ann, bob] = [await member(siteId, 'agent'), await member(siteId, 'admin')]
    const [dead, alive] = [await watching(ann.headers), await watching(bob.headers)]
    const dueIn = () =>
      runInDurableObject(
        siteObject(siteId),
        async (_, state) => (await state.storage.getAlarm())! - Date.now(),
      )
    expect(await dueIn()).toBeLessThan(50_000)
    // A minute ago, by all that the object can know.
    await runInDurableObject(siteObject(siteId), (_, state) => {
      for (const socket of state.getWebSockets()) {
        const about = socket.deserializeAttachment() as { openedAt: number }
        socket.serializeAttachment({ ...about, openedAt: about.openedAt - 60_000 })
      }
    })
    await evictDurableObject(siteObject(siteId))
    alive.send('ping')
    await until(async () => alive.of('pong').length === 1)
    expect(await siteObject(siteId).present()).toMatchObject([{ id: bob.id }])
    expect(await runDurableObjectAlarm(siteObject(siteId))).toBe(true)
    await until(async () => alive.of('presence').length === 2)
    expect(alive.of('presence')[1]).toMatchObject({ here: [{ id: bob.id }] })
    expect(await dueIn()).toBeLessThan(50_000)
    dead.send('ping')
    await until(async () => dead.of('pong').length === 1)
    await runDurableObjectAlarm(siteObject(siteId))
    await until(async () => (alive.of('presence').at(-1)!.here as Json[]).length === 2)
    dead.close()
    alive.close()
    // Nobody is here: soon nobody is looked after.
    const alarm = () => runInDurableObject(siteObject(siteId), (_, state) => state.storage.getAlarm())
    await until(async () => (await alarm()) === null)
    expect(await siteObject(siteId).present()).toEqual([])
  })

  it('SL8 who waits for a person is in the queue, the oldest first, told together where many begin at once', async () => {
    const { siteId, headers } = await site()
    const client = await watching(headers)
    const ids = Array.from({ length: 120 }, newId)
    const stub = siteObject(siteId)
    const begun = Date.now()
    for (const [n, id] of ids.entries()) {
      await stub.changed(change(id, 1, { waiting: 1_000_000 - n }))
      if (n % 10 === 0) await new Promise(resolve => setTimeout(resolve, 10))
    }
    await until(async () => client.of('queue').at(-1)!.count === 120)
    const { waiting } = client.of('queue').at(-1) as unknown as { waiting: Json[] }
    expect(waiting.map(one => one.conversation)).toEqual(ids.toReversed().slice(0, 100))
    expect(waiting[0]).toEqual({ conversation: ids[119], inbox: inboxId, since: '999881' })
    // The first, and at most two a second.
    expect(client.of('queue').length).toBeLessThanOrEqual(2 + (Date.now() - begun) / 500)
    // Taken, waited for anew, and gone.
    const count = client.of('queue').length
    await stub.changed(change(ids[119]!, 2))
    await stub.changed(change(ids[0]!, 2, { waiting: 1 }))
    await stub.gone({ conversationId: ids[118]!, inboxId, seq: 2, to: null })
    await until(async () => client.of('queue').at(-1)!.count === 118)
    const now = (client.of('queue').at(-1)!.waiting as Json[]).map(one => one.conversation)
    expect(now.slice(0, 2)).toEqual([ids[0], ids[117]])
    expect(client.of('queue').length).toBeGreaterThan(count)
    // What is as it was is not told.
    const before = client.of('queue').length
    await stub.changed(change(ids[5]!, 2, { waiting: 1_000_000 - 5 }))
    await stub.changed(change(ids[6]!, 2))
    await stub.changed(change(ids[6]!, 3, { waiting: 1_000_000 - 6 }))
    await new Promise(resolve => setTimeout(resolve, 600))
    expect(client.of('queue').length).toBe(before)
    const later = await watching(headers)
    expect(later.of('queue')[0]).toEqual(client.of('queue').at(-1))
  })

  it('SL9 garbage and floods are told, then let go, and nobody else is; ping is answered', async () => {
    const { siteId, headers } = await site()
    const [bad, good, flood] = [await watching(headers), await watching(headers), await watching(headers)]
    for (const frame of ['', '{', '[]', 'null', '{"type":"typing","on":true}', 'x'.repeat(20_000)])
      bad.send(frame)
    await until(async () => bad.closed() !== null)
    expect(bad.closed()).toMatchObject({ code: 4008 })
    expect(bad.of('error').map(one => one.code)).toEqual(Array(5).fill('bad_frame'))
    for (let n = 0; n < 500; n++) flood.send({ type: 'seen' })
    await until(async () => flood.closed() !== null)
    expect(flood.of('error')).toHaveLength(5)
    good.send('ping')
    await siteObject(siteId).changed(change(newId(), 1))
    await until(async () => good.of('pong').length === 1 && told(good) === 1)
    expect(good.closed()).toBeNull()
  })

  it('SL9 rights are looked at again after a quarter of an hour', async () => {
    const { siteId, headers } = await site()
    const old = await watching(headers)
    await runInDurableObject(siteObject(siteId), (_, state) => {
      const [socket] = state.getWebSockets()
      const about = socket!.deserializeAttachment() as { until: number }
      expect(about.until - Date.now()).toBeGreaterThan(14 * 60_000)
      expect(about.until - Date.now()).toBeLessThanOrEqual(15 * 60_000)
      socket!.serializeAttachment({ ...about, until: Date.now() - 1 })
    })
    await evictDurableObject(siteObject(siteId))
    await siteObject(siteId).changed(change(newId(), 1))
    await until(async () => old.closed() !== null)
    expect([old.closed(), told(old)]).toEqual([{ code: 4000, reason: 'resume' }, 0])
    expect(told(await watching(headers, `?since=${known(old.frames).seq}`))).toBe(1)
  })

  it('SL9 who is told a megabyte and sends no ping meanwhile is let go, and misses nothing', async () => {
    const { siteId, headers } = await site()
    const [reads, hangs] = [await watching(headers), await watching(headers)]
    for (let n = 0; n < 30; n++) {
      const id = newId()
      await siteObject(siteId).changed(
        change(id, 1, { row: JSON.stringify({ id, text: 'x'.repeat(50_000) }) }),
      )
      if (n % 10 > 0) continue
      reads.send('ping')
      await until(async () => reads.of('pong').length === 1 + n / 10)
    }
    await until(async () => hangs.closed() !== null && told(reads) === 30)
    expect([hangs.closed(), reads.closed()]).toEqual([{ code: 4000, reason: 'resume' }, null])
    expect(told(hangs)).toBe(20)
    const back = await watching(headers, `?since=${known(hangs.frames).seq}`)
    expect(known([...hangs.frames, ...back.frames]).rows.size).toBe(30)
  })

  it('SL10 who may not watch does not, and another site hears nothing of ours', async () => {
    const { siteId, headers, apiKey } = await site()
    expect((await watch({})).status).toBe(401)
    const visitor = {
      name: 'Eve',
      email: null,
      proved: false,
      identityVersion: 0,
      language: null,
      origin: ORIGIN,
    }
    const token = await contactToken(env.KEK, {
      ...{ siteId, webChatId: await webChat(headers), contactId: newId(), expiresAt: Date.now() + 60_000 },
      ...visitor,
    })
    expect((await watch({ authorization: `Bearer ${token}` })).status).toBe(403)
    expect((await watch(await keyOf(headers, ['conversations:read']))).status).toBe(403)
    expect((await watch(await keyOf(headers, ['messages:read']))).status).toBe(403)
    for (const query of ['?since=-1', '?since=x', '?since=1.5', '?until=1'])
      expect((await watch(headers, query)).status, query).toBe(400)
    expect((await call('/ws', headers)).body).toMatchObject({ error: { code: 'upgrade_required' } })
    const stranger = await watching((await site()).headers)
    const mine = await watching(headers)
    await siteObject(siteId).changed(change(newId(), 1, { waiting: 1 }))
    await until(async () => told(mine) === 1 && mine.of('queue').length === 2)
    expect(stranger.frames).toHaveLength(4)
    const browser = await watch({ 'sec-websocket-protocol': `edgedesk.v1, key.${apiKey}` })
    expect([browser.status, browser.headers.get('sec-websocket-protocol')]).toEqual([101, 'edgedesk.v1'])
  })

  it('SL10 a cookie opens it from a page of ours, and from no other', async () => {
    const ann = await invited(await site(), 'agent')
    const cookie = [...ann.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const elsewhere = { cookie, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    expect((await watch(elsewhere)).status).toBe(403)
    const ours = await watch({ cookie, origin: ORIGIN, 'sec-fetch-site': 'same-origin' })
    await until(async () => ours.of('presence').length === 1)
    expect(ours.of('presence')[0]).toMatchObject({ here: [{ id: ann.id, name: ann.name }] })
  })

  it('SL12 what happens in conversations is told: said, changed, taken over, merged, erased', async () => {
    const { siteId, headers } = await site()
    const shop = await webChat(headers)
    const contact = (await call('/contacts', headers, 'POST', { name: 'Ann' })).body.id
    const begun = async () =>
      (await call('/conversations', headers, 'POST', { webChat: shop, contact })).body.id as string
    const client = await watching(headers)
    const [a, b] = [await begun(), await begun()]
    const row = (id: string) => known(client.frames).rows.get(id)
    await call('/messages', headers, 'POST', { conversation: a, content: 'Hello' })
    await until(async () => (row(a)?.lastMessage as Json | null)?.content === 'Hello')
    expect(row(a)).toMatchObject({ id: a, inbox: shop, status: 'open', unreadMessagesCount: 1 })
    await call(`/conversations/${a}`, headers, 'PATCH', { owner: 'person', labels: ['vip'] })
    await until(async () => client.of('queue').at(-1)!.count === 1)
    expect(row(a)).toMatchObject({ owner: 'person', labels: ['vip'] })
    expect(client.of('queue').at(-1)!.waiting).toMatchObject([{ conversation: a, inbox: shop }])
    // Whoever writes has it, and so has who it is given to.
    await call('/messages/outgoing', headers, 'POST', { conversation: a, content: 'Here I am' })
    await until(async () => client.of('queue').at(-1)!.count === 0)
    await call(`/conversations/${a}`, headers, 'PATCH', { owner: 'assistant' })
    await call(`/conversations/${a}`, headers, 'PATCH', { owner: 'person' })
    await until(async () => client.of('queue').at(-1)!.count === 1)
    const ann = await member(siteId, 'agent')
    await call(`/conversations/${a}`, headers, 'PATCH', { assignee: ann.id })
    await until(async () => client.of('queue').at(-1)!.count === 0)
    await call(`/conversations/${b}/merge`, headers, 'POST', { with: a })
    await until(async () => known(client.frames).gone.size === 1)
    const [loser, winner] = [...known(client.frames).gone][0] as [string, string]
    expect([loser, winner].toSorted()).toEqual([a, b].toSorted())
    await call(`/conversations/${winner}`, headers, 'DELETE')
    await until(async () => known(client.frames).gone.get(winner) === null)
    const away = await watching(headers, `?since=${known(client.frames.slice(0, 2)).seq}`)
    expect([known(away.frames).rows.size, known(away.frames).gone.size]).toEqual([0, 2])
    expect(JSON.stringify(away.frames)).not.toContain('Hello')
  })

  it('SL11 a row that is too long is told by its id', async () => {
    const { siteId, headers } = await site()
    const client = await watching(headers)
    const id = newId()
    await siteObject(siteId).changed(
      change(id, 1, { row: JSON.stringify({ id, text: '字'.repeat(1_000_000) }) }),
    )
    await until(async () => told(client) === 1)
    expect(client.of('changed')[0]!.conversation).toEqual({ id, inbox: inboxId, whole: false })
  })
})

/** Sockets that the object still has. */
async function socketsOf(siteId: string): Promise<number> {
  return runInDurableObject(siteObject(siteId), (_, state) => state.getWebSockets().length)
}
