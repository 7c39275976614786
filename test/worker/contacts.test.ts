import { describe, expect, it } from 'vitest'
import { inbox, received, site } from './cast.ts'
import { mail } from './mail.ts'
import { asking, member } from './staff.ts'

async function withContacts(names: string[]) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId)
  for (const name of names)
    await received(config, [mail({ to: config.address, from: `${name} <${name.toLowerCase()}@x.test>` })])
  const ask = asking(headers)
  const { items } = (await ask('GET', '/contacts/')).json as { items: { id: string; name: string }[] }
  return { siteId, config, ask, items }
}

describe('contacts', () => {
  it('MB8 are listed page by page, read, and get a name and labels', async () => {
    const { ask, items } = await withContacts(['Ann', 'Bob', 'Cat'])
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { items: { name: string }[]; next: string | null } = (
        await ask('GET', `/contacts/?limit=2&cursor=${cursor}`)
      ).json
      seen.push(...page.items.map(one => one.name))
      cursor = page.next
    }
    expect(seen.toSorted()).toEqual(['Ann', 'Bob', 'Cat'])
    const id = items.find(one => one.name === 'Ann')!.id
    const changed = await ask('PATCH', `/contacts/${id}`, { labels: ['vip', 'vip', ' staff '] })
    expect(changed).toMatchObject({
      status: 200,
      json: { name: 'Ann', address: 'ann@x.test', labels: ['vip', 'staff'] },
    })
    expect((await ask('PATCH', `/contacts/${id}`, { name: 'Anna' })).json).toMatchObject({
      name: 'Anna',
      labels: ['vip', 'staff'],
    })
    expect((await ask('GET', `/contacts/${id}`)).json).toMatchObject({
      name: 'Anna',
      labels: ['vip', 'staff'],
    })
    expect((await ask('PATCH', `/contacts/${id}`, { address: 'x@evil.test' })).json.error).toMatchObject({
      code: 'unknown_field',
      field: 'address',
    })
  })

  it('AC5 those of another site are not there', async () => {
    const theirs = await withContacts(['Ann'])
    const ask = asking((await site()).headers)
    expect((await ask('GET', '/contacts/')).json.items).toEqual([])
    expect((await ask('GET', `/contacts/${theirs.items[0]!.id}`)).status).toBe(404)
    expect((await ask('PATCH', `/contacts/${theirs.items[0]!.id}`, { name: 'x' })).status).toBe(404)
  })

  it('N6 an agent whose inboxes are limited is not told who writes to the others', async () => {
    const { siteId, config, items } = await withContacts(['Ann'])
    const limited = asking((await member(siteId, 'agent', [config.inboxId])).headers)
    expect((await limited('GET', '/contacts/')).status).toBe(403)
    expect((await limited('GET', `/contacts/${items[0]!.id}`)).status).toBe(403)
    const free = asking((await member(siteId, 'agent')).headers)
    expect((await free('GET', '/contacts/')).json.items).toHaveLength(1)
  })
})
