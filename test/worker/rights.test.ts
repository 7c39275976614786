/** What a member may see and do, by role and by inbox. */
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { conversationsAmong } from '../../src/store/conversations.ts'
import { db } from '../../src/store/db.ts'
import { inbox, received, site } from './cast.ts'
import { mail } from './mail.ts'
import { asking, member } from './staff.ts'

const boundary = 'Content-Type: multipart/mixed; boundary=b'
const withFile =
  '--b\r\n\r\nSee the file.\r\n--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nsecret\r\n--b--'

describe('an agent', () => {
  it('N6 without a right to an inbox sees, lists and downloads nothing of it, and takes nothing over', async () => {
    const { siteId } = await site()
    const [mine, other] = [await inbox(siteId), await inbox(siteId)]
    const agent = await member(siteId, 'agent', [mine.inboxId])
    const [own] = await received(mine, [
      mail({ to: mine.address, from: 'a@x.test', headers: [boundary], text: withFile }),
    ])
    const [foreign] = await received(other, [
      mail({ to: other.address, from: 'b@x.test', headers: [boundary], text: withFile }),
    ])
    const ask = asking(agent.headers)
    const paths = (one: typeof own) => [
      `/conversations/${one!.conversationId}`,
      `/messages/?conversation=${one!.conversationId}`,
      `/messages/${one!.messageId}`,
      `/messages/${one!.messageId}/original`,
      `/messages/${one!.messageId}/attachments/0`,
    ]
    for (const path of paths(own)) expect((await ask('GET', path)).status, path).toBe(200)
    for (const path of paths(foreign)) expect((await ask('GET', path)).status, path).toBe(404)
    expect(
      (await ask('PATCH', `/conversations/${foreign!.conversationId}`, { owner: 'person' })).status,
    ).toBe(404)
    expect(
      (await ask('PATCH', `/conversations/${own!.conversationId}`, { owner: 'person' })).json.owner,
    ).toBe('person')
    const ids = async (query: string) =>
      (await ask('GET', `/conversations/${query}`)).json.items.map((one: { id: string }) => one.id)
    expect(await ids('')).toEqual([own!.conversationId])
    expect(await ids(`?inbox=${mine.inboxId}`)).toEqual([own!.conversationId])
    expect(await ids(`?inbox=${other.inboxId}`)).toEqual([])
  })

  it('N6 with a right to none sees nothing, with a right to all sees all', async () => {
    const { siteId } = await site()
    const config = await inbox(siteId)
    await received(config, [mail({ to: config.address })])
    const count = async (inboxes: string[] | null) =>
      (await asking((await member(siteId, 'agent', inboxes)).headers)('GET', '/conversations/')).json.items
        .length
    expect([await count([]), await count(null)]).toEqual([0, 1])
  })

  it('N6 pages through several inboxes come in order, each conversation once', async () => {
    const { siteId, headers } = await site()
    const boxes = await Promise.all([0, 1, 2, 3, 4, 5, 6].map(() => inbox(siteId)))
    const at = Date.now() - 1_000_000
    for (const [n, box] of boxes.entries())
      await received(
        box,
        [0, 1, 2].map(i => mail({ to: box.address, from: `p${n}-${i}@x.test`, messageId: null })),
        { internalDate: at + n * 10_000 * (n % 2 ? 1 : -1) },
      )
    const agent = await member(
      siteId,
      'agent',
      boxes.slice(1).map(box => box.inboxId),
    )
    const ask = asking(agent.headers)
    const paged: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { json }: { json: { items: { id: string }[]; next: string | null } } = await ask(
        'GET',
        `/conversations/?limit=4&cursor=${cursor}`,
      )
      paged.push(...json.items.map(one => one.id))
      cursor = json.next
    }
    const all = (await asking(headers)('GET', '/conversations/?limit=100')).json.items as {
      id: string
      inbox: { id: string }
    }[]
    expect(paged).toEqual(all.filter(one => one.inbox.id !== boxes[0]!.inboxId).map(one => one.id))
    expect(paged).toHaveLength(18)
  })

  it('LI7 a page of many inboxes reads its rows and one of each, whatever lies behind', async () => {
    const { siteId } = await site()
    const boxes = await Promise.all([0, 1, 2].map(() => inbox(siteId)))
    for (const box of boxes)
      await received(
        box,
        Array.from({ length: 40 }, (_, i) => mail({ to: box.address, from: `c${i}@${box.inboxId}.test` })),
      )
    let read = 0
    const counted = {
      prepare: (query: string) => ({
        bind: (...values: unknown[]) => {
          const all = async () => {
            const answer = await env.DB.prepare(query)
              .bind(...values)
              .all()
            read += answer.meta.rows_read
            return answer
          }
          return { all, raw: async () => (await all()).results.map(row => Object.values(row)) }
        },
      }),
    } as unknown as D1Database
    const rows = await conversationsAmong(
      db(counted),
      siteId,
      boxes.map(box => box.inboxId),
      undefined,
      null,
      11,
    )
    expect(rows).toHaveLength(11)
    // For each row: its place in the index, itself twice, its contact, and its way through the merge.
    expect(read).toBeLessThanOrEqual(11 * 8 + 3 * 3)
  })

  it.each([
    ['GET', '/members/', undefined],
    ['POST', '/members/', { name: 'Eve', email: 'eve@team.test', role: 'admin' }],
    ['GET', '/members/x', undefined],
    ['PATCH', '/members/x', { role: 'owner' }],
    ['DELETE', '/members/x', undefined],
    ['POST', '/members/x/token', undefined],
    ['DELETE', '/members/x/token', undefined],
    ['POST', '/assistants/', { name: 'Ada', kind: 'knowledge' }],
    ['PATCH', '/assistants/x', { name: 'Eve' }],
    ['DELETE', '/assistants/x', undefined],
    ['POST', '/articles/', { assistantId: 'x', title: 'x', body: 'x' }],
    ['POST', '/articles/import', undefined],
    ['PATCH', '/articles/x', { title: 'x' }],
    ['DELETE', '/articles/x', undefined],
    ['PATCH', '/contacts/x', { labels: ['vip'] }],
  ])('MB7 may not %s %s', async (method, path, body) => {
    const { siteId } = await site()
    const agent = await member(siteId, 'agent')
    expect(await asking(agent.headers)(method, path, body)).toMatchObject({
      status: 403,
      json: { error: { code: 'forbidden', message: 'Only an owner or an admin may do that.' } },
    })
  })

  it.each(['/assistants/', '/articles/', '/contacts/'])('MB7 may read %s', async path => {
    const { siteId } = await site()
    const agent = await member(siteId, 'agent')
    expect((await asking(agent.headers)('GET', path)).status).toBe(200)
  })
})
