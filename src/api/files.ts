/** Attachments by a link that was handed out for them: whoever has it may open it until its time is up, and nothing else. */
import { Hono } from 'hono'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import { messageById } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { comesBack } from '../store/seal.ts'
import { attachmentOf } from './messages.ts'
import { Refusal } from './problems.ts'

export const files = new Hono<{ Bindings: Env }>().get('/:siteId/:messageId/:n', async c => {
  const { siteId, messageId, n } = c.req.param()
  const { until = '', token = '' } = c.req.query()
  const place = `${messageId}/${n}?${until}`
  const isGood = await comesBack(settings(c.env).KEK, siteId, 'attachment', place, token)
  if (!isGood || Number(until) < Date.now())
    throw new Refusal('unauthorized', 'This link is not good any more. Ask for a new one.')
  const row = isUuid(messageId) ? await messageById(db(c.env.DB), siteId, messageId) : undefined
  if (!row) throw new Refusal('not_found')
  const file = await attachmentOf(c.env, row, Number(n))
  // Whoever has the link may have the file, and so may a page that shows it.
  file.headers.set('access-control-allow-origin', '*')
  return file
})
