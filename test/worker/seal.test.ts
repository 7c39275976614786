import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { inboxes, sites } from '../../src/store/schema.ts'
import { comesBack, handOut, newDataKey, open, type Place, SealError, seal } from '../../src/store/seal.ts'
import { inbox, site } from './cast.ts'

const KEK = btoa('0123456789abcdef0123456789abcdef')
const OTHER_KEK = btoa('0123456789abcdef0123456789abcdeg')
const place = (about: Partial<Place> = {}): Place => ({
  site: 'a',
  table: 'inboxes',
  column: 'imap_password',
  row: '1',
  ...about,
})

/** A secret sealed at its place. */
async function sealed(secret = 'pässwörd 密碼') {
  const dataKey = await newDataKey(KEK, 'a')
  return { dataKey, secret, value: await seal(KEK, dataKey, place(), secret) }
}

describe('a sealed secret', () => {
  it.each(['', 'x', 'pässwörd 密碼 🙂', 'x'.repeat(10_000), '\u0000"\\'])(
    'SE1 opens where it was sealed, as it was: %j',
    async secret => {
      const { dataKey, value } = await sealed(secret)
      expect(await open(KEK, dataKey, place(), value)).toBe(secret)
    },
  )

  it('SE1 names its format and its key, says nothing of the secret, and is another each time', async () => {
    const { dataKey, value, secret } = await sealed()
    expect(value).toMatch(/^v1\.site\.[\w-]{16}\.[\w-]+$/)
    expect(await seal(KEK, dataKey, place(), secret)).not.toBe(value)
    const values = await Promise.all(Array.from({ length: 200 }, () => seal(KEK, dataKey, place(), secret)))
    expect(new Set(values.map(one => one.split('.')[2])).size).toBe(200)
  })

  it.each([
    ['row', { row: '2' }],
    ['column', { column: 'smtp_password' }],
    ['table', { table: 'desks' }],
    ['row and column that read the same together', { row: '', column: 'imap_password1' }],
  ])('SE2 does not open at another %s', async (_, elsewhere) => {
    const { dataKey, value } = await sealed()
    await expect(open(KEK, dataKey, place(elsewhere), value)).rejects.toThrow(SealError)
  })

  it('SE2 does not open for another site, with its own data key or with the one it was sealed under', async () => {
    const { dataKey, value } = await sealed()
    const theirs = await newDataKey(KEK, 'b')
    await expect(open(KEK, theirs, place({ site: 'b' }), value)).rejects.toThrow(SealError)
    await expect(open(KEK, dataKey, place({ site: 'b' }), value)).rejects.toThrow(SealError)
    await expect(open(KEK, theirs, place(), value)).rejects.toThrow(SealError)
  })

  it('SE3 does not open under another key-encryption key', async () => {
    const dataKey = await newDataKey(KEK, 'a')
    await expect(seal(OTHER_KEK, dataKey, place(), 'x')).rejects.toThrow(SealError)
    const value = await seal(KEK, dataKey, place(), 'x')
    expect(await open(KEK, dataKey, place(), value)).toBe('x')
  })

  it('SE4 does not open with any one byte of it changed', async () => {
    const { dataKey, value } = await sealed('secret')
    const start = 'v1.site.'.length
    for (let i = 0; i < value.length; i++) {
      if (i >= start && value[i] === '.') continue
      const letter = value[i] === 'A' ? 'B' : 'A'
      // The last letter of base64url may hold bits that no byte has.
      if (i === value.length - 1 || value[i + 1] === '.') continue
      const changed = `${value.slice(0, i)}${letter}${value.slice(i + 1)}`
      await expect(open(KEK, dataKey, place(), changed), `at ${i}`).rejects.toThrow(SealError)
    }
  })

  it.each([
    '',
    'x',
    'v1',
    'v1.site',
    'v1.site..',
    'v1.site.AAAA.AAAA',
    'v2.site.AAAAAAAAAAAAAAAA.AAAA',
    'v1.kek.AAAAAAAAAAAAAAAA.AAAA',
    'v1.site.AAAAAAAAAAAAAAAA.!',
    'plain password',
  ])('SE4 %j is no sealed value', async value => {
    const { dataKey } = await sealed()
    await expect(open(KEK, dataKey, place(), value)).rejects.toThrow(SealError)
  })

  it('SE5 N5 an inbox’s passwords in D1 are sealed, each for its own column and row', async () => {
    const { siteId } = await site()
    const [one, two] = [await inbox(siteId, { password: 'hunter2' }), await inbox(siteId)]
    const row = (await db(env.DB).select().from(inboxes).where(eq(inboxes.id, one.inboxId)).get())!
    const { dataKey } = (await db(env.DB).select().from(sites).where(eq(sites.id, siteId)).get())!
    expect(JSON.stringify(row)).not.toContain('hunter2')
    const at = (column: string, id: string) => ({ site: siteId, table: 'inboxes', column, row: id })
    expect(await open(env.KEK, dataKey, at('imap_password', one.inboxId), row.imapPassword!)).toBe('hunter2')
    expect(await open(env.KEK, dataKey, at('smtp_password', one.inboxId), row.smtpPassword!)).toBe('hunter2')
    await expect(open(env.KEK, dataKey, at('smtp_password', one.inboxId), row.imapPassword!)).rejects.toThrow(
      SealError,
    )
    await expect(open(env.KEK, dataKey, at('imap_password', two.inboxId), row.imapPassword!)).rejects.toThrow(
      SealError,
    )
  })
})

describe('a token that comes back', () => {
  it('SE6 is good for its site, its type and its identifier, and for nothing else', async () => {
    const [site, row] = [newId(), newId()]
    const token = await handOut(KEK, site, 'watch', row)
    expect(await comesBack(KEK, site, 'watch', row, token)).toBe(true)
    expect(await comesBack(KEK, site, 'unwatch', row, token)).toBe(false)
    expect(await comesBack(KEK, newId(), 'watch', row, token)).toBe(false)
    expect(await comesBack(KEK, site, 'watch', newId(), token)).toBe(false)
    expect(await comesBack(OTHER_KEK, site, 'watch', row, token)).toBe(false)
    // Parts that read the same when put together are not the same.
    expect(await comesBack(KEK, 'a', 'bc', 'd', await handOut(KEK, 'ab', 'c', 'd'))).toBe(false)
    expect(await comesBack(KEK, 'a","b', 'c', 'd', await handOut(KEK, 'a', 'b","c', 'd'))).toBe(false)
  })

  it('SE6 is the same each time, so that a renewed lease needs no memory', async () => {
    expect(await handOut(KEK, 'a', 'watch', '1')).toBe(await handOut(KEK, 'a', 'watch', '1'))
    expect(await handOut(KEK, 'a', 'watch', '1')).toMatch(/^[\w-]{43}$/)
  })

  it.each(['', 'x', 'AAAA', '=', '!!!!', 'A'.repeat(43), 'A'.repeat(5000), '密碼', 'AAAAA', ' '])(
    'SE7 %j is no token, and no error either',
    async token => {
      expect(await comesBack(KEK, 'a', 'watch', '1', token)).toBe(false)
    },
  )
})
