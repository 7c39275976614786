/** Where programs of ours knock that have no API key. Each carries a token that is good for one thing only. */
import { Hono } from 'hono'
import { z } from 'zod'
import { settings } from '../env.ts'
import { comesBack } from '../store/seal.ts'
import { Refusal } from './problems.ts'

const News = z.object({ mailbox: z.string().regex(/^[0-9a-f-]{36}\/[0-9a-f-]{36}$/) })

export const hooks = new Hono<{ Bindings: Env }>()
  /** The bridge saw something happen in a mailbox it watches. Only a hint; the mailbox looks for itself. */
  .post('/mailbox-news', async c => {
    const news = News.safeParse(await c.req.json().catch(() => null))
    if (!news.success) throw new Refusal('invalid_field', 'Say which mailbox: {siteId}/{inboxId}.', 'mailbox')
    const [siteId, inboxId] = news.data.mailbox.split('/') as [string, string]
    const token = /^Bearer\s+(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? ''
    if (!(await comesBack(settings(c.env).KEK, siteId, 'watch', inboxId, token)))
      throw new Refusal('unauthorized')
    await c.env.MAILBOX.getByName(news.data.mailbox).news()
    return c.json({ ok: true })
  })
