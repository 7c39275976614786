import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { members } from '../../src/store/schema.ts'
import { inbox, site } from './cast.ts'
import { asking, member } from './staff.ts'

const ann = { name: 'Ann', email: 'Ann@Team.Test', role: 'agent' }

describe('members', () => {
  it('MB1 are made, read, changed, listed by address and removed', async () => {
    const ask = asking((await site()).headers)
    const made = await ask('POST', '/members/', ann)
    expect(made).toMatchObject({
      status: 200,
      json: { name: 'Ann', email: 'ann@team.test', role: 'agent', inboxes: null, hasToken: false },
    })
    const { id } = made.json
    expect((await ask('GET', `/members/${id}`)).json).toEqual(made.json)
    expect((await ask('PATCH', `/members/${id}`, { name: 'Anna', role: 'admin' })).json).toMatchObject({
      name: 'Anna',
      email: 'ann@team.test',
      role: 'admin',
    })
    for (const name of ['zoe', 'bob', 'cat'])
      await ask('POST', '/members/', { ...ann, email: `${name}@team.test` })
    const first = (await ask('GET', '/members/?limit=3')).json
    const second = (await ask('GET', `/members/?limit=3&cursor=${first.next}`)).json
    expect([...first.items, ...second.items].map((one: { email: string }) => one.email)).toEqual(
      ['ann', 'bob', 'cat', 'zoe'].map(name => `${name}@team.test`),
    )
    expect(second.next).toBeNull()
    expect(await ask('DELETE', `/members/${id}`)).toMatchObject({ status: 200, json: { id, deleted: true } })
    expect((await ask('GET', `/members/${id}`)).status).toBe(404)
    expect((await ask('DELETE', `/members/${id}`)).status).toBe(404)
  })

  it('MB2 an address is one member’s of a site, in whatever case, and may be another’s elsewhere', async () => {
    const ask = asking((await site()).headers)
    await ask('POST', '/members/', ann)
    const again = await ask('POST', '/members/', { ...ann, email: 'ANN@team.test '.trim() })
    expect(again).toMatchObject({ status: 409, json: { error: { code: 'email_taken', field: 'email' } } })
    const bob = await ask('POST', '/members/', { ...ann, email: 'bob@team.test' })
    expect((await ask('PATCH', `/members/${bob.json.id}`, { email: 'ann@TEAM.test' })).status).toBe(409)
    expect((await asking((await site()).headers)('POST', '/members/', ann)).status).toBe(200)
  })

  it.each([
    ['an unknown field', { ...ann, phone: '1' }, 'unknown_field', 'phone'],
    ['no address', { name: 'Ann', role: 'agent' }, 'missing_field', 'email'],
    ['what is no address', { ...ann, email: 'ann' }, 'invalid_field', 'email'],
    ['another role', { ...ann, role: 'root' }, 'invalid_field', 'role'],
    ['an empty name', { ...ann, name: '  ' }, 'invalid_field', 'name'],
    ['an inbox that is not there', { ...ann, inboxes: [newId()] }, 'invalid_field', 'inboxes'],
    ['inboxes of an admin', { ...ann, role: 'admin', inboxes: [] }, 'invalid_field', 'inboxes'],
    ['a name on two lines', { ...ann, name: 'Ann\r\nBcc: x@y.z' }, 'invalid_field', 'name'],
    ['a name with what nobody sees', { ...ann, name: 'Ann\u0000' }, 'invalid_field', 'name'],
  ])('MB3 %s is refused by name', async (_, body, code, field) => {
    const ask = asking((await site()).headers)
    expect(await ask('POST', '/members/', body)).toMatchObject({
      status: 400,
      json: { error: { code, field } },
    })
    expect((await ask('GET', '/members/')).json.items).toEqual([])
  })

  it('MB3 the inbox of another site is not there', async () => {
    const [mine, theirs] = [await site(), await site()]
    const foreign = await inbox(theirs.siteId)
    const own = await inbox(mine.siteId)
    const ask = asking(mine.headers)
    expect((await ask('POST', '/members/', { ...ann, inboxes: [foreign.inboxId] })).status).toBe(400)
    expect((await ask('POST', '/members/', { ...ann, inboxes: [own.inboxId] })).json.inboxes).toEqual([
      own.inboxId,
    ])
  })

  it('AC5 those of another site are not there', async () => {
    const [mine, theirs] = [await site(), await site()]
    const other = await member(theirs.siteId, 'agent')
    const ask = asking(mine.headers)
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'x' }],
      ['DELETE', '', undefined],
      ['POST', '/token', undefined],
      ['DELETE', '/token', undefined],
    ] as const)
      expect((await ask(method, `/members/${other.id}${path}`, body)).status).toBe(404)
    expect((await ask('GET', '/members/')).json.items).toEqual([])
    expect((await asking(other.headers)('GET', '/conversations/')).status).toBe(200)
  })
})

describe('a member’s token', () => {
  it('MB4 is shown once, does what its member may do, and only its digest is kept', async () => {
    const { siteId, headers } = await site()
    const ask = asking(headers)
    const { id } = (await ask('POST', '/members/', { ...ann, role: 'admin' })).json
    const { token, member: shown } = (await ask('POST', `/members/${id}/token`)).json
    expect(token).toMatch(/^em_[0-9a-f]{32}_[\w-]{43}$/)
    expect(shown).toMatchObject({ id, hasToken: true, tokenUsedAt: null })
    const row = await db(env.DB).select().from(members).where(eq(members.siteId, siteId)).get()
    expect(row!.tokenHash).toMatch(/^h1\.[A-Za-z0-9+/]{43}=$/)
    expect(JSON.stringify(row)).not.toContain(token.slice(-43))
    const seen = await asking({ 'x-api-key': token })('GET', '/members/')
    expect(seen.json.items).toMatchObject([{ id }])
    expect(JSON.stringify(seen.json)).not.toContain(token.slice(-43))
    expect((await ask('GET', `/members/${id}`)).json.tokenUsedAt).toMatch(/^\d{13}$/)
  })

  it('MB4 the one before is good no more, nor one taken away, nor that of a member who was removed', async () => {
    const ask = asking((await site()).headers)
    const { id } = (await ask('POST', '/members/', ann)).json
    const make = async () => (await ask('POST', `/members/${id}/token`)).json.token as string
    const status = async (token: string) =>
      (await asking({ authorization: `Bearer ${token}` })('GET', '/conversations/')).status
    const first = await make()
    expect(await status(first)).toBe(200)
    const second = await make()
    expect([await status(first), await status(second)]).toEqual([401, 200])
    expect((await ask('DELETE', `/members/${id}/token`)).json.hasToken).toBe(false)
    expect(await status(second)).toBe(401)
    const third = await make()
    await ask('DELETE', `/members/${id}`)
    expect(await status(third)).toBe(401)
  })

  it('MB4 wrong in any way it is 401, also as a key of the other kind', async () => {
    const { siteId, apiKey } = await site()
    const [one, two] = [await member(siteId, 'agent'), await member(siteId, 'agent')]
    const [, id] = one.token.split('_')
    const secret = one.token.slice(-43)
    for (const wrong of [
      one.token.replace('em_', 'ed_'),
      apiKey.replace('ed_', 'em_'),
      `em_${two.token.split('_')[1]}_${secret}`,
      `em_${id}_${'A'.repeat(43)}`,
      `em_${newId().replaceAll('-', '')}_${secret}`,
      `${one.token}A`,
    ])
      expect((await asking({ 'x-api-key': wrong })('GET', '/conversations/')).status, wrong).toBe(401)
  })
})

describe('owners', () => {
  it('MB5 only an owner or an API key makes, changes or removes one, or makes a token for one', async () => {
    const { siteId, headers } = await site()
    const [owner, admin] = [await member(siteId, 'owner'), await member(siteId, 'admin')]
    const asAdmin = asking(admin.headers)
    for (const [method, path, body] of [
      ['POST', '/members/', { ...ann, role: 'owner' }],
      ['PATCH', `/members/${admin.id}`, { role: 'owner' }],
      ['PATCH', `/members/${owner.id}`, { name: 'x' }],
      ['PATCH', `/members/${owner.id}`, { role: 'agent' }],
      ['DELETE', `/members/${owner.id}`, undefined],
      ['POST', `/members/${owner.id}/token`, undefined],
      ['DELETE', `/members/${owner.id}/token`, undefined],
    ] as const)
      expect(await asAdmin(method, path, body), `${method} ${path}`).toMatchObject({
        status: 403,
        json: { error: { code: 'forbidden' } },
      })
    expect((await asking(owner.headers)('POST', '/members/', { ...ann, role: 'owner' })).status).toBe(200)
    expect((await asking(headers)('PATCH', `/members/${admin.id}`, { role: 'owner' })).status).toBe(200)
  })

  it('MB6 the last one stays one, also when two are demoted at once', async () => {
    const { siteId, headers } = await site()
    const [one, two] = [await member(siteId, 'owner'), await member(siteId, 'owner')]
    const ask = asking(headers)
    const both = await Promise.all(
      [one, two].map(owner => ask('PATCH', `/members/${owner.id}`, { role: 'admin' })),
    )
    expect(both.map(answer => answer.status).toSorted()).toEqual([200, 409])
    const last = both[0]!.status === 409 ? one : two
    for (const answer of [
      await ask('DELETE', `/members/${last.id}`),
      await ask('PATCH', `/members/${last.id}`, { role: 'agent' }),
    ])
      expect(answer).toMatchObject({ status: 409, json: { error: { code: 'last_owner' } } })
    expect((await ask('PATCH', `/members/${last.id}`, { name: 'Still here' })).status).toBe(200)
  })
})
