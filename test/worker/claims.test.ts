/** What it costs to find the conversations of a chunk of mails. */
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { type Claim, claimMails, mailsCiting, mailsNamed } from '../../src/store/emails.ts'
import { newId } from '../../src/store/ids.ts'
import { site } from './cast.ts'

/** D1 that adds up the rows its statements read. */
function counting(): { d1: D1Database; rows(): number } {
  let rows = 0
  const noted = <T extends { meta: D1Meta }>(result: T): T => {
    rows += result.meta.rows_read
    return result
  }
  const d1 = {
    prepare: (query: string) => ({
      bind: (...values: unknown[]) => {
        const statement = env.DB.prepare(query).bind(...values)
        return { statement, all: async () => noted(await statement.all()) }
      },
    }),
    batch: async (all: { statement: D1PreparedStatement }[]) =>
      (await env.DB.batch(all.map(one => one.statement))).map(noted),
  }
  return { d1: d1 as unknown as D1Database, rows: () => rows }
}

const claim = (n: number): Claim => ({
  contentKey: `key ${n}`,
  messageId: newId(),
  conversationId: newId(),
  cuts: [],
  open: [`unseen${n}@customer.test`],
  writer: `c${n}@customer.test`,
  byPerson: true,
  heard: true,
  contact: { id: newId(), address: `c${n}@customer.test`, name: 'C' },
  rfcIds: [`m${n}@customer.test`],
  participants: [`c${n}@customer.test`, 'friend@customer.test'],
  at: Date.now(),
})

it('IN8 a chunk costs the same in a site with 20 mails and in one with 600', async () => {
  const cost = async (mails: number) => {
    const { siteId } = await site()
    for (let i = 0; i < mails; i += 20)
      await claimMails(
        env.DB,
        siteId,
        Array.from({ length: 20 }, (_, n) => claim(i + n)),
      )
    const { d1, rows } = counting()
    const chunk = Array.from({ length: 10 }, (_, n) => claim(mails + n))
    await mailsNamed(
      d1,
      siteId,
      [...chunk.flatMap(one => one.rfcIds), 'm3@customer.test'],
      ['c3@customer.test'],
    )
    await mailsCiting(d1, siteId, ['unseen3@customer.test'], ['c3@customer.test'], ['c3@customer.test'])
    expect((await claimMails(d1, siteId, chunk)).size).toBe(10)
    return rows()
  }
  const [few, many] = [await cost(20), await cost(600)]
  expect(few).toBeGreaterThan(0)
  expect(many).toBeLessThanOrEqual(few * 1.2)
})
