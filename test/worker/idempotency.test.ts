import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { db } from '../../src/store/db.ts'
import { claim, mayBeTriedAgain } from '../../src/store/idempotency.ts'
import { newId } from '../../src/store/ids.ts'
import { call, type Json } from './call.ts'
import { assistant, site } from './cast.ts'
import { member } from './staff.ts'

type Headers = Record<string, string>

/** The request was done, and its answer never came: as a Worker leaves it that ends in the middle. */
const forgetAnswers = (siteId: string) =>
  env.DB.prepare('UPDATE idempotency SET status = 0, answer = NULL WHERE site_id = ?').bind(siteId).run()

/** The same request twice, the first of them without an answer. */
async function twice(siteId: string, headers: Headers, path: string, body: Json) {
  const keyed = { ...headers, 'idempotency-key': newId() }
  const first = await call(path, keyed, 'POST', body)
  await forgetAnswers(siteId)
  const second = await call(path, keyed, 'POST', body)
  expect(second.headers.get('idempotency-replayed')).toBeNull()
  expect([first.status, second.status], path).toEqual([200, 200])
  return { first: first.body, second: second.body }
}

const NEW_INBOX = {
  ...{ name: 'Help', address: 'help@shop.example', username: 'help@shop.example', password: 'secret' },
  ...{
    imapHost: 'imap.example.com',
    imapPort: 993,
    smtpHost: 'smtp.example.com',
    smtpPort: 465,
    force: true,
  },
}

it('IK5 where something was erased, no answer from before is given again, and nothing is done again', async () => {
  const { headers } = await site()
  const keyed = { ...headers, 'idempotency-key': newId() }
  const { body } = await call('/contacts', keyed, 'POST', { name: 'Quentin Erased' })
  expect((await call(`/contacts/${body.id}`, headers, 'DELETE')).status).toBe(204)
  const again = await call('/contacts', keyed, 'POST', { name: 'Quentin Erased' })
  expect([again.status, again.body]).toMatchObject([410, { error: { code: 'answer_gone' } }])
  expect(JSON.stringify(again.body)).not.toContain('Quentin')
  expect((await call('/contacts', headers)).body.items).toEqual([])
  expect((await call('/contacts', keyed, 'POST', { name: 'Other' })).body).toMatchObject({
    error: { code: 'key_reused' },
  })
})

describe('a request that broke off and is sent again', () => {
  it('IK3 makes one of everything, with the same id and the same time', async () => {
    const { siteId, headers } = await site()
    const assistantId = await assistant(siteId)
    const made: [string, Json][] = [
      ['/articles', { assistantId, title: 'Hours', body: 'From nine to five.' }],
      ['/members', { name: 'Bob', email: 'bob@team.test', role: 'agent' }],
      ['/invitations', { email: 'eve@team.test', role: 'agent' }],
      ['/api-keys', { name: 'Shop', scopes: ['messages:read'] }],
      ['/inboxes', NEW_INBOX],
      ['/contacts', { name: 'Ann' }],
      ['/web-chats', { name: 'Chat' }],
      ['/assistants', { name: 'Ada', kind: 'knowledge' }],
    ]
    for (const [path, body] of made) {
      const count = async () => ((await call(`${path}?limit=100`, headers)).body.items as Json[]).length
      const before = await count()
      const { first, second } = await twice(siteId, headers, path, body)
      expect(second.id, path).toBe(first.id)
      expect(await count(), path).toBe(before + 1)
      if (!['/web-chats', '/assistants', '/inboxes'].includes(path))
        expect(second.createdAt, path).toBe(first.createdAt)
    }
  })

  it('IK3 of a secret that is shown once the last is the good one', async () => {
    const { siteId, headers } = await site()
    const keys = await twice(siteId, headers, '/api-keys', { name: 'x', scopes: ['messages:read'] })
    expect(keys.first.key).not.toBe(keys.second.key)
    const asked = async (key: unknown) => (await call('/drafts', { authorization: `Api-Key ${key}` })).status
    expect([await asked(keys.first.key), await asked(keys.second.key)]).toEqual([401, 200])

    const links = await twice(siteId, headers, '/invitations', { email: 'eve@team.test', role: 'agent' })
    const opened = async (url: unknown) => (await exports.default.fetch(url as string)).status
    expect(await opened(links.second.url)).toBe(200)
    expect(await opened(links.first.url)).not.toBe(200)
  })

  it('IK3 makes nothing that another has meanwhile, and nothing anew of what was taken up', async () => {
    const { siteId, headers } = await site()
    const post = (path: string, key: string, body: Json) =>
      call(path, { ...headers, 'idempotency-key': key }, 'POST', body)
    const bob = { name: 'Bob', email: 'bob@team.test', role: 'agent' }
    expect((await post('/members', 'one', bob)).status).toBe(200)
    expect((await post('/members', 'two', bob)).body).toMatchObject({ error: { code: 'email_taken' } })
    const eve = { email: 'eve@team.test', role: 'agent' }
    expect((await post('/invitations', 'one', eve)).status).toBe(200)
    expect((await post('/invitations', 'two', eve)).body).toMatchObject({
      error: { code: 'already_invited' },
    })
    await env.DB.prepare('UPDATE one_time_links SET used_at = 1 WHERE site_id = ?').bind(siteId).run()
    await forgetAnswers(siteId)
    expect((await post('/invitations', 'one', eve)).body).toMatchObject({
      error: { code: 'already_invited' },
    })
  })
})

describe('who does it', () => {
  const ask = (siteId: string, at: number, body = 'b') => claim(db(env.DB), { siteId, key: 'k', body }, at)
  const outcomes = async (asked: Promise<{ is: string }>[]) =>
    (await Promise.all(asked)).map(one => one.is).toSorted()
  const ten = <T>(one: () => T) => Array.from({ length: 10 }, one)
  const oneOfTen = [...Array(9).fill('at_work'), 'mine']

  it('IK4 of ten at once one does it: the first time, after a failure, and where nothing was heard for a minute', async () => {
    const siteId = newId()
    expect(await outcomes(ten(() => ask(siteId, 1_000_000)))).toEqual(oneOfTen)
    expect(await ask(siteId, 1_059_999)).toEqual({ is: 'at_work' })
    expect(await outcomes(ten(() => ask(siteId, 1_060_000)))).toEqual(oneOfTen)
    // A minute from then, not from the first.
    expect(await ask(siteId, 1_119_999)).toEqual({ is: 'at_work' })
    const again = await ask(siteId, 1_120_000)
    if (again.is !== 'mine') throw new Error(again.is)
    expect(again.mine.begunAt).toBe(1_000_000)
    await mayBeTriedAgain(db(env.DB), again.mine)
    expect(await outcomes(ten(() => ask(siteId, 1_120_001)))).toEqual(oneOfTen)
    expect(await ask(siteId, 1_120_002, 'another')).toEqual({ is: 'other' })
  })

  it('IK4 one that was given up and fails later does not let in another beside its successor', async () => {
    const siteId = newId()
    const [slow, next] = [await ask(siteId, 1_000_000), await ask(siteId, 1_060_000)]
    if (slow.is !== 'mine' || next.is !== 'mine') throw new Error('neither was let in')
    await mayBeTriedAgain(db(env.DB), slow.mine)
    expect(await ask(siteId, 1_060_001)).toEqual({ is: 'at_work' })
    await mayBeTriedAgain(db(env.DB), next.mine)
    expect(await ask(siteId, 1_060_002)).toMatchObject({ is: 'mine', mine: { begunAt: 1_000_000 } })
  })

  it('IK4 a key whose day is over is a new one', async () => {
    const siteId = newId()
    await ask(siteId, 1_000_000)
    const later = 1_000_001 + 24 * 60 * 60_000
    expect(await outcomes(ten(() => ask(siteId, later, 'another')))).toEqual([
      ...Array(9).fill('at_work'),
      'mine',
    ])
    expect(await ask(siteId, later + 60_000, 'another')).toMatchObject({
      is: 'mine',
      mine: { begunAt: later },
    })
  })

  it('IK4 ten repeats at once of what failed are told that it is at work, or its one answer', async () => {
    const { siteId, headers } = await site()
    const owner = await member(siteId, 'owner')
    const keyed = { ...headers, 'idempotency-key': 'once' }
    const make = () => call(`/members/${owner.id}/token`, keyed, 'POST')
    await make()
    await forgetAnswers(siteId)
    const answers = await Promise.all(ten(make))
    const done = answers.filter(one => one.status === 200)
    expect(new Set(done.map(one => one.body.token)).size).toBe(1)
    for (const one of answers.filter(one => one.status !== 200))
      expect(one).toMatchObject({ status: 409, body: { error: { code: 'in_progress' } } })
  })
})
