/** Key rotation as the database and the hook see it; the whole of it, while the product runs, is in test/stories/rotation.test.ts. */
import { env, exports } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { beforeEach, describe, expect, it } from 'vitest'
import { settings } from '../../src/env.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { sites } from '../../src/store/schema.ts'
import { comesBack, handOut, newDataKey, open, rewrapDataKey, SealError, seal } from '../../src/store/seal.ts'
import { createSite, rewrapDataKeys } from '../../src/store/sites.ts'

const OLD = btoa('0123456789abcdef0123456789abcdef')
const NEW = btoa('fedcba9876543210fedcba9876543210')
const OTHER = btoa('another key of thirty-two bytes!')
const BOTH = `${NEW} ${OLD}`
const place = (site: string) => ({ site, table: 'inboxes', column: 'imap_password', row: '1' })
const d1 = db(env.DB)

const dataKeyAt = async (id: string) => (await d1.select().from(sites).where(eq(sites.id, id)).get())!.dataKey

beforeEach(async () => {
  await d1.delete(sites)
})

describe('two keys at once', () => {
  it('KR4 either opens, the new one wraps; what is sealed stays as it is', async () => {
    const dataKey = await newDataKey(OLD, 'a')
    const sealed = await seal(OLD, dataKey, place('a'), 'secret')
    expect(await open(BOTH, dataKey, place('a'), sealed)).toBe('secret')
    const fresh = (await rewrapDataKey(BOTH, 'a', dataKey))!
    for (const kek of [NEW, BOTH]) expect(await open(kek, fresh, place('a'), sealed)).toBe('secret')
    await expect(open(OLD, fresh, place('a'), sealed)).rejects.toThrow(SealError)
    await expect(open(NEW, dataKey, place('a'), sealed)).rejects.toThrow(SealError)
    expect(await rewrapDataKey(BOTH, 'a', fresh)).toBeNull()
    expect((await newDataKey(BOTH, 'b')).split('.')[1]).toBe(fresh.split('.')[1])
  })

  it('KR4 a wrapped key names the key it is under, and gives nothing of it away', async () => {
    const [one, two] = [await newDataKey(OLD, 'a'), await newDataKey(NEW, 'a')]
    expect(one).toMatch(/^v1\.kek-[0-9a-f]{16}\.[\w-]{16}\.[\w-]{64}$/)
    expect(one.split('.')[1]).not.toBe(two.split('.')[1])
    for (const kek of [OLD, NEW]) expect(one + two).not.toContain(kek.slice(0, 12))
  })

  it('KR4 one that the first release wrapped, and that names no key, opens and is wrapped anew', async () => {
    const dataKey = await newDataKey(OLD, 'a')
    const unnamed = dataKey.replace(/^v1\.kek-\w+\./, 'v1.kek.')
    const sealed = await seal(OLD, unnamed, place('a'), 'secret')
    for (const kek of [OLD, BOTH]) expect(await open(kek, unnamed, place('a'), sealed)).toBe('secret')
    await expect(open(NEW, unnamed, place('a'), sealed)).rejects.toThrow(SealError)
    expect(await rewrapDataKey(BOTH, 'a', unnamed)).toMatch(/^v1\.kek-/)
  })

  it('KR4 under a key that is not here, of another site, or renamed, it does not open', async () => {
    const dataKey = await newDataKey(OTHER, 'a')
    await expect(seal(BOTH, dataKey, place('a'), 'x')).rejects.toThrow(SealError)
    await expect(rewrapDataKey(BOTH, 'a', dataKey)).rejects.toThrow(SealError)
    const own = await newDataKey(OLD, 'a')
    await expect(rewrapDataKey(BOTH, 'b', own)).rejects.toThrow(SealError)
    const renamed = [
      own.split('.')[0],
      (await newDataKey(NEW, 'a')).split('.')[1],
      ...own.split('.').slice(2),
    ]
    await expect(seal(BOTH, renamed.join('.'), place('a'), 'x')).rejects.toThrow(SealError)
  })

  it('KR5 a token handed out under the old key is good while that is here', async () => {
    const token = await handOut(OLD, 'a', 'watch', '1')
    expect(await comesBack(BOTH, 'a', 'watch', '1', token)).toBe(true)
    expect(await comesBack(NEW, 'a', 'watch', '1', token)).toBe(false)
    expect(await handOut(BOTH, 'a', 'watch', '1')).toBe(await handOut(NEW, 'a', 'watch', '1'))
  })

  it('KR4 the environment hands both on as one, and refuses what is no key', () => {
    const with_ = (about: object) => settings({ ...env, ...about } as Env).KEK
    expect(with_({ KEK: NEW, KEK_PREVIOUS: OLD })).toBe(BOTH)
    expect(with_({ KEK: NEW })).toBe(NEW)
    expect(() => with_({ KEK: NEW, KEK_PREVIOUS: 'x' })).toThrow('KEK_PREVIOUS: must be 32 bytes in base64')
  })
})

describe('wrapping all anew', () => {
  it('KR6 page by page, and what is done is not done again', async () => {
    const ids = []
    for (let i = 0; i < 5; i++) ids.push(await createSite(d1, OLD, 'x', Date.now() + i))
    ids.push(await createSite(d1, NEW, 'new', Date.now() + 9))
    const first = await rewrapDataKeys(d1, BOTH, '', 2)
    expect(first).toEqual({ rewrapped: 2, unopened: [], next: ids[1] })
    const second = await rewrapDataKeys(d1, BOTH, first.next!, 2)
    const third = await rewrapDataKeys(d1, BOTH, second.next!, 2)
    expect([second.rewrapped, third.rewrapped, third.next]).toEqual([2, 1, null])
    for (const id of ids) {
      await expect(seal(OLD, await dataKeyAt(id), place(id), 'x')).rejects.toThrow(SealError)
      expect(await seal(NEW, await dataKeyAt(id), place(id), 'x')).toMatch(/^v1\.site/)
    }
    expect(await rewrapDataKeys(d1, BOTH, '', 2)).toEqual({ rewrapped: 0, unopened: [], next: null })
  })

  it('KR6 by many at once: each key is wrapped whole, and opens what it sealed', async () => {
    const sealed = new Map<string, string>()
    for (let i = 0; i < 10; i++) {
      const id = await createSite(d1, OLD, 'x', Date.now() + i)
      sealed.set(id, await seal(OLD, await dataKeyAt(id), place(id), `secret of ${id}`))
    }
    await Promise.all([1, 2, 3, 4].map(() => rewrapDataKeys(d1, BOTH, '', 100)))
    for (const [id, value] of sealed)
      expect(await open(NEW, await dataKeyAt(id), place(id), value)).toBe(`secret of ${id}`)
  })

  it('KR6 one that no key opens is named and left as it is, and stops no other', async () => {
    const lost = await createSite(d1, OTHER, 'x', 1)
    const before = await dataKeyAt(lost)
    const fine = await createSite(d1, OLD, 'x', 2)
    expect(await rewrapDataKeys(d1, BOTH, '', 100)).toEqual({ rewrapped: 1, unopened: [lost], next: null })
    expect(await dataKeyAt(lost)).toBe(before)
    expect(await dataKeyAt(fine)).toMatch(/^v1\.kek-/)
  })
})

describe('the hook of the command', () => {
  const knock = (token: string, body: unknown = { after: '' }) =>
    exports.default.fetch('http://edgedesk.test/hooks/rewrap-keys', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })

  it('KR7 opens to who has the key itself, and to no other token of it', async () => {
    const answer = await knock(await handOut(env.KEK, '*', 'rewrap', '*'))
    expect(await answer.json()).toMatchObject({
      rewrapped: 0,
      unopened: [],
      next: null,
      rotating: false,
      toldAt: 0,
    })
    const id = newId()
    for (const token of [
      '',
      await handOut(OLD, '*', 'rewrap', '*'),
      await handOut(env.KEK, id, 'rewrap', '*'),
      await handOut(env.KEK, '*', 'watch', '*'),
      env.BRIDGE_TOKEN,
    ])
      expect((await knock(token)).status).toBe(401)
    expect((await knock(await handOut(env.KEK, '*', 'rewrap', '*'), {})).status).toBe(400)
  })
})
