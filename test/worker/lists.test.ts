import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { conversationsByActivity, messagesOf } from '../../src/store/conversations.ts'
import { db } from '../../src/store/db.ts'
import type { MailboxConfig } from '../../src/store/inboxes.ts'
import { inbox, received, site } from './cast.ts'
import { mail } from './mail.ts'

const SEED = Date.now() % 2 ** 31
const DAY = Date.UTC(2026, 10, 1)

interface Page {
  items: { id: string; lastMessageCreatedAt: string; createdAt: string }[]
  next: string | null
}

async function page(path: string, headers: Record<string, string>): Promise<Page> {
  const answer = await exports.default.fetch(`http://edgedesk.test/api/v1/${path}`, { headers })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Page
}

async function all(
  path: string,
  headers: Record<string, string>,
  between?: () => Promise<unknown>,
): Promise<Page['items']> {
  const items: Page['items'] = []
  let next: string | null = null
  let pages = 0
  do {
    if (++pages > 300) throw new Error('the pages never end')
    const got: Page = await page(`${path}${next === null ? '' : `&cursor=${next}`}`, headers)
    items.push(...got.items)
    next = got.next
    await between?.()
  } while (next !== null)
  return items
}

let person = 0
/** So many people write one mail each. */
const people = (config: MailboxConfig, count: number, internalDate: number) =>
  received(
    config,
    Array.from({ length: count }, () => mail({ to: config.address, from: `p${++person}@customer.test` })),
    { internalDate },
  )

describe('pages', () => {
  it('LI1 a list is {items, next}; fifty a page where nothing is said, a hundred at most', async () => {
    const { headers, siteId } = await site()
    await people(await inbox(siteId), 101, DAY)
    const first = await page('conversations/', headers)
    expect(Object.keys(first)).toEqual(['items', 'next'])
    expect(first.items).toHaveLength(50)
    expect(first.next).toMatch(/^[\w-]+$/)
    const hundred = await page('conversations/?limit=100', headers)
    expect(hundred.items).toHaveLength(100)
    expect((await page(`conversations/?limit=100&cursor=${hundred.next}`, headers)).items).toHaveLength(1)
  })

  it('LI1 next is null exactly on the last page, also where it is full', async () => {
    const { headers, siteId } = await site()
    await people(await inbox(siteId), 4, DAY)
    expect((await page('conversations/?limit=4', headers)).next).toBeNull()
    const half = await page('conversations/?limit=2', headers)
    expect(half.next).not.toBeNull()
    expect((await page(`conversations/?limit=2&cursor=${half.next}`, headers)).next).toBeNull()
    expect(await page('conversations/?cursor=', headers)).toMatchObject({ next: null })
  })

  it('LI2 a trailing slash is optional', async () => {
    const { headers, siteId } = await site()
    const [one] = await people(await inbox(siteId), 1, DAY)
    for (const path of [
      'conversations',
      `conversations/${one!.conversationId}`,
      `messages/${one!.messageId}`,
    ]) {
      const [bare, slashed] = await Promise.all(
        [path, `${path}/`].map(p => exports.default.fetch(`http://edgedesk.test/api/v1/${p}`, { headers })),
      )
      expect([bare!.status, slashed!.status], path).toEqual([200, 200])
      expect(await slashed!.text()).toBe(await bare!.text())
    }
  })

  it('LI3 conversations come by their last activity, the latest first, equal moments by id', async () => {
    const { headers, siteId } = await site()
    const config = await inbox(siteId)
    await people(config, 6, DAY)
    for (let i = 0; i < 6; i++) await people(config, 1, DAY + 3)
    const items = await all('conversations/?limit=5', headers)
    expect(items).toHaveLength(12)
    const keys = items.map(one => `${one.lastMessageCreatedAt} ${one.id}`)
    expect(keys).toEqual([...keys].sort().reverse())
    expect(new Set(items.map(one => one.lastMessageCreatedAt)).size).toBeLessThan(12)
  })

  it('LI4 ?inbox= shows those of one inbox', async () => {
    const { headers, siteId } = await site()
    const [support, sales] = [await inbox(siteId), await inbox(siteId)]
    const [mine] = await people(support, 1, DAY)
    await people(sales, 2, DAY)
    expect((await page(`conversations/?inbox=${support.inboxId}`, headers)).items.map(one => one.id)).toEqual(
      [mine!.conversationId],
    )
    expect(await all(`conversations/?limit=1&inbox=${sales.inboxId}`, headers)).toHaveLength(2)
  })

  it('LI5 messages come in their order, the oldest first, each once', async () => {
    const { headers, siteId } = await site()
    const config = await inbox(siteId)
    const root = mail({ to: config.address, messageId: '<root@customer.test>' })
    const replies = Array.from({ length: 24 }, (_, i) =>
      mail({
        to: config.address,
        text: `This is reply ${i}.`,
        headers: ['In-Reply-To: <root@customer.test>'],
      }),
    )
    const [first] = await received(config, [root, ...replies], { internalDate: DAY })
    const items = await all(`messages/?conversation=${first!.conversationId}&limit=7`, headers)
    expect(items.map(one => one.createdAt)).toEqual(Array.from({ length: 25 }, (_, i) => String(DAY + i)))
    expect(new Set(items.map(one => one.id)).size).toBe(25)
  })
})

describe(`while others write, SEED=${SEED}`, () => {
  it('LI6 no conversation that stays as it is is skipped or comes twice', async () => {
    let state = SEED
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const { headers, siteId } = await site()
    const config = await inbox(siteId)
    // Many share a moment: the ids decide between them.
    const quiet = new Set<string>()
    for (let i = 0; i < 8; i++)
      for (const one of await people(config, 5, DAY + random(4) * 1000)) quiet.add(one.conversationId)
    // Not without end: a walk of one a page would never catch up with what is put behind it.
    let older = 60
    for (let round = 0; round < 6; round++) {
      const items = await all(`conversations/?limit=${1 + random(9)}`, headers, async () => {
        if (random(2)) await people(config, 1 + random(3), Date.now() + random(1000))
        if (random(2) && older-- > 0) await people(config, 1, DAY - 86_400_000 - random(1000))
      })
      const seen = items.map(one => one.id).filter(id => quiet.has(id))
      expect(seen.length, `SEED=${SEED} round ${round}: none twice`).toBe(new Set(seen).size)
      expect(new Set(seen), `SEED=${SEED} round ${round}: none skipped`).toEqual(quiet)
    }
  })
})

/** D1 that counts what its queries read. */
function counting(d1: D1Database) {
  const read: number[] = []
  const counted = {
    prepare: (query: string) => ({
      bind: (...values: unknown[]) => {
        const run = () => d1.prepare(query).bind(...values)
        return {
          raw: async () => {
            read.push((await run().all()).meta.rows_read)
            return run().raw()
          },
        }
      },
    }),
  }
  return { read, d1: counted as unknown as D1Database }
}

describe('what a page costs', () => {
  it('LI7 messages: a page in the middle of a long conversation reads limit + 1 rows', async () => {
    const { siteId } = await site()
    const config = await inbox(siteId)
    const root = mail({ to: config.address, messageId: '<long@customer.test>' })
    const replies = Array.from({ length: 80 }, (_, i) =>
      mail({
        to: config.address,
        text: `Reply ${i} of many.`,
        headers: ['References: <long@customer.test>'],
      }),
    )
    const [first] = await received(config, [root, ...replies], { internalDate: DAY })
    const { d1, read } = counting(env.DB)
    expect(await messagesOf(db(d1), siteId, first!.conversationId, 40, 11)).toHaveLength(11)
    expect(read[0]).toBeLessThanOrEqual(11)
  })

  it('LI7 conversations: the first page reads its rows and their contacts, whatever lies behind', async () => {
    const { siteId } = await site()
    const config = await inbox(siteId)
    await people(config, 90, DAY)
    for (const filter of [{}, { inboxId: config.inboxId }]) {
      const { d1, read } = counting(env.DB)
      expect(await conversationsByActivity(db(d1), siteId, filter, null, 11)).toHaveLength(11)
      // One row of conversations and one of contacts for each.
      expect(read[0]).toBeLessThanOrEqual(22)
    }
  })

  it('LI7 conversations: the last page costs as much as the first', async () => {
    const { siteId } = await site()
    const config = await inbox(siteId)
    await people(config, 90, DAY)
    const rows = await conversationsByActivity(db(env.DB), siteId, {}, null, 100)
    const before = rows.at(-12)!.conversation
    for (const filter of [{}, { inboxId: config.inboxId }]) {
      const { d1, read } = counting(env.DB)
      const at = { at: before.lastMessageAt, id: before.id }
      expect(await conversationsByActivity(db(d1), siteId, filter, at, 11)).toHaveLength(11)
      expect(read[0]).toBeLessThanOrEqual(24)
    }
  })
})
