import { env, exports } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { describe, expect, it, vi } from 'vitest'
import { type Limits, spend, WINDOW_MS } from '../../src/limits/limits.ts'
import { newBearer } from '../../src/store/bearer.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { apiKeys, members } from '../../src/store/schema.ts'
import { inbox, site } from './cast.ts'
import { asking, member } from './staff.ts'

const KEYED = /^h1\.[A-Za-z0-9+/]{43}=$/
const wanted = { name: 'Shop', scopes: ['conversations:read', 'messages:read'] }
const rowOf = async (id: string) => (await db(env.DB).select().from(apiKeys).where(eq(apiKeys.id, id)).get())!
const withKey = (key: string) => asking({ authorization: `Api-Key ${key}` })

describe('API keys', () => {
  it('AK1 are made, shown once, listed, changed and revoked', async () => {
    const { siteId, headers } = await site()
    const ask = asking(headers)
    const made = await ask('POST', '/api-keys/', wanted)
    expect(made).toMatchObject({
      status: 200,
      json: { ...wanted, inboxes: null, rateLimit: 3000, expiresAt: null, lastUsedAt: null },
    })
    const { id, key, prefix, createdBy } = made.json
    expect(key).toMatch(/^ed_[0-9a-f]{32}_[\w-]{43}$/)
    expect(key.startsWith(prefix)).toBe(true)
    expect(createdBy).toMatchObject({ kind: 'key', name: 'test' })
    const secret = key.split('_').slice(2).join('_')
    const row = await rowOf(id)
    expect(row.secretHash).toMatch(KEYED)
    expect(JSON.stringify(row)).not.toContain(secret)
    for (const path of ['/api-keys/', `/api-keys/${id}`]) {
      const seen = await ask('GET', path)
      expect(seen.status).toBe(200)
      expect(JSON.stringify(seen.json)).not.toContain(secret)
      expect(JSON.stringify(seen.json)).not.toContain(row.secretHash)
    }
    expect((await ask('GET', '/api-keys/?limit=1')).json).toMatchObject({ items: [{ id }] })
    expect((await withKey(key)('GET', '/conversations/')).status).toBe(200)
    expect((await withKey(key)('GET', '/contacts/')).status).toBe(403)
    const changed = await ask('PATCH', `/api-keys/${id}`, { scopes: ['contacts:read'] })
    expect(changed.json).toMatchObject({ name: 'Shop', scopes: ['contacts:read'] })
    expect((await withKey(key)('GET', '/conversations/')).status).toBe(403)
    expect((await withKey(key)('GET', '/contacts/')).status).toBe(200)
    expect((await ask('DELETE', `/api-keys/${id}`)).json).toEqual({ id, deleted: true })
    expect((await withKey(key)('GET', '/contacts/')).status).toBe(401)
    expect((await ask('GET', `/api-keys/${id}`)).status).toBe(404)
    expect(await db(env.DB).select().from(apiKeys).where(eq(apiKeys.siteId, siteId))).toHaveLength(1)
  })

  it.each([
    ['no scopes', { name: 'x' }, 'missing_field', 'scopes'],
    ['none of them', { name: 'x', scopes: [] }, 'invalid_field', 'scopes'],
    ['one that is none', { name: 'x', scopes: ['root'] }, 'invalid_field', 'scopes.0'],
    ['no name', { scopes: ['keys:read'] }, 'missing_field', 'name'],
    ['an unknown field', { ...wanted, secret: 'mine' }, 'unknown_field', 'secret'],
    ['a rate of nothing', { ...wanted, rateLimit: 0 }, 'invalid_field', 'rateLimit'],
    ['an end that is no moment', { ...wanted, expiresAt: 'soon' }, 'invalid_field', 'expiresAt'],
    ['an inbox that is not there', { ...wanted, inboxes: [newId()] }, 'invalid_field', 'inboxes'],
  ])('AK2 %s is refused by name', async (_, body, code, field) => {
    const ask = asking((await site()).headers)
    expect(await ask('POST', '/api-keys/', body)).toMatchObject({
      status: 400,
      json: { error: { code, field } },
    })
  })

  it('AK3 give nobody more than whoever makes them has', async () => {
    const { siteId, headers } = await site()
    const [owner, admin, agent] = [
      asking((await member(siteId, 'owner')).headers),
      asking((await member(siteId, 'admin')).headers),
      asking((await member(siteId, 'agent')).headers),
    ]
    const all = { name: 'all', scopes: null }
    const powerful = { name: 'x', scopes: ['members:write'] }
    expect((await agent('POST', '/api-keys/', wanted)).status).toBe(403)
    expect((await agent('GET', '/api-keys/')).status).toBe(403)
    for (const body of [all, powerful, { name: 'x', scopes: ['keys:read', 'keys:write'] }])
      expect(await admin('POST', '/api-keys/', body)).toMatchObject({
        status: 403,
        json: { error: { code: 'forbidden', field: 'scopes' } },
      })
    const { json: plain } = await admin('POST', '/api-keys/', wanted)
    expect((await admin('PATCH', `/api-keys/${plain.id}`, { scopes: null })).status).toBe(403)
    for (const body of [all, powerful]) expect((await owner('POST', '/api-keys/', body)).status).toBe(200)
    // Nor does an admin touch a key that has more, and so make it theirs.
    const { json: strong } = await owner('POST', '/api-keys/', powerful)
    expect((await admin('PATCH', `/api-keys/${strong.id}`, { rateLimit: 5 })).status).toBe(403)
    expect((await admin('DELETE', `/api-keys/${strong.id}`)).status).toBe(200)
    // A key that makes keys makes none that has more.
    const maker = (
      await asking(headers)('POST', '/api-keys/', { name: 'm', scopes: ['keys:write', 'keys:read'] })
    ).json
    const asMaker = withKey(maker.key)
    expect((await asMaker('POST', '/api-keys/', { name: 'x', scopes: ['keys:read'] })).status).toBe(200)
    for (const scopes of [null, ['members:read'], ['keys:read', 'messages:read']])
      expect((await asMaker('POST', '/api-keys/', { name: 'x', scopes })).status).toBe(403)
    expect((await asMaker('PATCH', `/api-keys/${maker.id}`, { scopes: null })).status).toBe(403)
  })

  it('AK4 of some inboxes see these and nothing of the whole site', async () => {
    const { siteId, headers } = await site()
    const [mine, other] = [await inbox(siteId), await inbox(siteId)]
    const ask = asking(headers)
    const limited = { name: 'one', scopes: ['conversations:read', 'inboxes:read'], inboxes: [mine.inboxId] }
    const { key } = (await ask('POST', '/api-keys/', limited)).json
    const seen = await withKey(key)('GET', '/inboxes')
    expect(seen.json.items.map((one: { id: string }) => one.id)).toEqual([mine.inboxId])
    expect((await withKey(key)('GET', `/inboxes/${other.inboxId}`)).status).toBe(404)
    for (const scopes of [null, ['contacts:read'], ['conversations:read', 'inboxes:write']])
      expect((await ask('POST', '/api-keys/', { ...limited, scopes })).status, String(scopes)).toBe(400)
    const foreign = await inbox((await site()).siteId)
    expect((await ask('POST', '/api-keys/', { ...limited, inboxes: [foreign.inboxId] })).status).toBe(400)
  })

  it('AK5 are good until they expire', async () => {
    const ask = asking((await site()).headers)
    const at = Date.now()
    const [past, soon] = await Promise.all(
      [at - 1000, at + 60_000].map(
        async when => (await ask('POST', '/api-keys/', { ...wanted, expiresAt: String(when) })).json,
      ),
    )
    expect(await withKey(past.key)('GET', '/conversations/')).toMatchObject({
      status: 401,
      json: { error: { message: 'This API key has expired.' } },
    })
    expect((await withKey(soon.key)('GET', '/conversations/')).status).toBe(200)
  })

  it('AK6 say when they were last used, and are written for it once a minute', async () => {
    const ask = asking((await site()).headers)
    const { id, key } = (await ask('POST', '/api-keys/', wanted)).json
    const used = async () => {
      await withKey(key)('GET', '/conversations/')
      await new Promise(resolve => setTimeout(resolve, 50))
      return (await rowOf(id)).lastUsedAt
    }
    const first = await used()
    expect(Date.now() - first!).toBeLessThan(5_000)
    expect(await used()).toBe(first)
    const later = Date.now() + 61_000
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => later)
    try {
      expect(await used()).toBe(later)
    } finally {
      clock.mockRestore()
    }
  })
})

describe('what is kept of a key', () => {
  it('AK7 the plain digests of the first release are good, and become keyed ones when they are used', async () => {
    const { siteId } = await site()
    const at = Date.now()
    const [keyId, memberId] = [newId(at), newId(at)]
    const [key, token] = [await newBearer('ed', keyId), await newBearer('em', memberId)]
    const d1 = db(env.DB)
    await d1.insert(apiKeys).values({ id: keyId, siteId, name: 'old', secretHash: key.hash, createdAt: at })
    await d1.insert(members).values({
      id: memberId,
      siteId,
      name: 'Old',
      email: 'old@team.test',
      role: 'admin',
      tokenHash: token.hash,
      createdAt: at,
    })
    const hashes = async () => [
      (await rowOf(keyId)).secretHash,
      (await d1.select().from(members).where(eq(members.id, memberId)).get())!.tokenHash,
    ]
    for (const before of [/^[0-9a-f]{64}$/, KEYED]) {
      for (const hash of await hashes()) expect(hash).toMatch(before)
      for (const { text } of [key, token]) {
        expect((await withKey(text)('GET', '/members/')).status).toBe(200)
        expect((await withKey(`${text.slice(0, -2)}AA`)('GET', '/members/')).status).toBe(401)
      }
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    for (const hash of await hashes()) expect(hash).toMatch(KEYED)
  })

  it('AK8 a keyed digest is good for its own site only', async () => {
    const [mine, theirs] = [await site(), await site()]
    const d1 = db(env.DB)
    const { id, key } = (await asking(mine.headers)('POST', '/api-keys/', wanted)).json
    await d1.update(apiKeys).set({ siteId: theirs.siteId }).where(eq(apiKeys.id, id))
    expect((await withKey(key)('GET', '/conversations/')).status).toBe(401)
    await d1.update(apiKeys).set({ siteId: mine.siteId }).where(eq(apiKeys.id, id))
    expect((await withKey(key)('GET', '/conversations/')).status).toBe(200)
  })

  it('AK10 what another isolate did to a key holds here within five seconds, what was done here at once', async () => {
    const mine = await site()
    const ask = asking(mine.headers)
    const { id, key } = (await ask('POST', '/api-keys/', wanted)).json
    const status = async () => (await withKey(key)('GET', '/conversations/')).status
    expect(await status()).toBe(200)
    await env.DB.prepare('UPDATE api_keys SET expires_at = 1 WHERE id = ?').bind(id).run()
    const now = Date.now()
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now + 5_001)
    try {
      expect(await status()).toBe(401)
    } finally {
      clock.mockRestore()
    }
    const other = (await ask('POST', '/api-keys/', wanted)).json
    expect((await withKey(other.key)('GET', '/conversations/')).status).toBe(200)
    await ask('DELETE', `/api-keys/${other.id}`)
    expect((await withKey(other.key)('GET', '/conversations/')).status).toBe(401)
  })
})

describe('how often', () => {
  const ask = (key: string) =>
    exports.default.fetch('http://edgedesk.test/api/v1/email-providers/', {
      headers: { authorization: `Api-Key ${key}` },
    })

  it('AK9 a key that asks more often than it may is told to wait, and no other key is', async () => {
    const as = asking((await site()).headers)
    const make = async (rateLimit: number) =>
      (await as('POST', '/api-keys/', { ...wanted, rateLimit })).json.key as string
    const [slow, other] = [await make(5), await make(5)]
    // All within one window.
    const left = WINDOW_MS - (Date.now() % WINDOW_MS)
    if (left < 5_000) await new Promise(resolve => setTimeout(resolve, left))
    for (let n = 4; n >= 0; n--) {
      const answer = await ask(slow)
      expect(answer.status).toBe(200)
      expect(answer.headers.get('ratelimit-limit')).toBe('5')
      expect(answer.headers.get('ratelimit-remaining')).toBe(String(n))
    }
    const refused = await ask(slow)
    expect(refused.status).toBe(429)
    expect(await refused.json()).toMatchObject({ error: { code: 'rate_limited' } })
    const wait = Number(refused.headers.get('retry-after'))
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(60)
    expect((await ask(other)).status).toBe(200)
  }, 40_000)

  it('AK9 what others let through counts here as well, in the next request, and the next minute begins anew', async () => {
    const name = `key/${newId()}`
    const at = 1_800_000_000_000
    const start = at - (at % WINDOW_MS)
    const work: Promise<void>[] = []
    const one = (when = at) => spend(env, done => void work.push(done), name, 40, when)
    const elsewhere = env.LIMITS.getByName(name) as DurableObjectStub<Limits>
    await elsewhere.add(start, 35)
    expect([one(), one()].map(said => said.yes)).toEqual([true, true])
    await Promise.all(work)
    const next = [one(), one(), one(), one()]
    expect(next.map(said => said.yes)).toEqual([true, true, true, false])
    expect(next[3]).toMatchObject({ limit: 40, remaining: 0, resetMs: start + WINDOW_MS - at })
    expect(one(at + WINDOW_MS).yes).toBe(true)
  })

  it('AK9 a request waits for none of it, and a key far from its limit asks no object', async () => {
    const work: Promise<void>[] = []
    const began = performance.now()
    for (let n = 0; n < 100; n++) spend(env, done => void work.push(done), 'key/rare', 3000, Date.now())
    expect(performance.now() - began).toBeLessThan(50)
    expect(work).toHaveLength(0)
  })
})
