/** Where programs of ours knock that have no API key. Each carries a token that is good for one thing only. */
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { settings } from '../env.ts'
import { lastTicks } from '../store/clock.ts'
import { db } from '../store/db.ts'
import { comesBack, currentOf } from '../store/seal.ts'
import { rewrapDataKeys } from '../store/sites.ts'
import { Refusal } from './problems.ts'

const News = z.object({ mailbox: z.string().regex(/^[0-9a-f-]{36}\/[0-9a-f-]{36}$/) })
const Rewrap = z.object({ after: z.string().max(36) })
/** Sites in one knock: each is a write of its own, and an invocation has a thousand. */
const SITES = 200

export const hooks = new Hono<{ Bindings: Env }>()
  /** The bridge saw something happen in a mailbox it watches. Only a hint; the mailbox looks for itself. */
  .post('/mailbox-news', async c => {
    const news = News.safeParse(await c.req.json().catch(() => null))
    if (!news.success) throw new Refusal('invalid_field', 'Say which mailbox: {siteId}/{inboxId}.', 'mailbox')
    const [siteId, inboxId] = news.data.mailbox.split('/') as [string, string]
    if (!(await comesBack(settings(c.env).KEK, siteId, 'watch', inboxId, bearer(c))))
      throw new Refusal('unauthorized')
    await c.env.MAILBOX.getByName(news.data.mailbox).news()
    return c.json({ ok: true })
  })
  /** `npm run keys:rotate` (dev/keys-rotate.ts), which has the new KEK itself: its token is no good under the one before. */
  .post('/rewrap-keys', async c => {
    const { KEK } = settings(c.env)
    if (!(await comesBack(currentOf(KEK), '*', 'rewrap', '*', bearer(c)))) throw new Refusal('unauthorized')
    const asked = Rewrap.safeParse(await c.req.json().catch(() => null))
    if (!asked.success) throw new Refusal('invalid_field', 'Say after which site.', 'after')
    const done = await rewrapDataKeys(db(c.env.DB), KEK, asked.data.after, SITES)
    return c.json({
      ...done,
      /** Whether the KEK before is still here. */
      rotating: KEK !== currentOf(KEK),
      at: Date.now(),
      /** When all mailboxes were last told what D1 knows of them. */
      toldAt: (await lastTicks(db(c.env.DB))).sync_inboxes ?? 0,
    })
  })

function bearer(c: Context): string {
  return /^Bearer\s+(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? ''
}
