/** The import of mail from before an inbox was connected: begun, watched and stopped. What it brings is never answered by a machine. */
import { createRoute, z } from '@hono/zod-openapi'
import { isUuid } from '../domain/ids.ts'
import type { HistoryStatus } from '../mailbox/history.ts'
import { db } from '../store/db.ts'
import { emailInboxById } from '../store/inboxes.ts'
import { siteById } from '../store/retention.ts'
import { seesInbox, type Who } from './access.ts'
import { oneLine } from './inbox-fields.ts'
import { byId, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'

const moment = z.string().nullable().openapi({ description: 'Milliseconds since the epoch, as a string.' })

const HistorySchema = z
  .object({
    state: z.enum(['none', 'running', 'done', 'stopped', 'failed']),
    folder: z.string().nullable(),
    since: moment.openapi({ description: 'Mail that came before this is left on the server.' }),
    limit: z.int().nullable().openapi({ description: 'As many mails at most, the newest of them.' }),
    found: z.int().openapi({ description: 'Mails of those days on the server, also beyond the limit.' }),
    imported: z.int(),
    skipped: z.int().openapi({ description: 'Mails that were here already, or are gone from the server.' }),
    reason: z.string().nullable().openapi({ description: 'Why it was stopped or failed, in one sentence.' }),
    startedAt: moment,
    endedAt: moment,
  })
  .openapi('History')

const HistoryImport = z
  .strictObject({
    days: z.int().min(1).max(3650).default(30).openapi({ description: 'So many days back.' }),
    limit: z
      .int()
      .min(1)
      .max(10_000)
      .default(1000)
      .openapi({ description: 'At most so many mails, the newest.' }),
    folder: oneLine(255).optional().openapi({
      description:
        'One that the inbox looks at, its folder of sent mail included; the first of its folders where none is named.',
      example: 'INBOX',
    }),
  })
  .openapi('HistoryImport')

const status = {
  description: 'How the import stands',
  content: { 'application/json': { schema: HistorySchema } },
}
const asked = ['unknown_field', 'not_found', 'forbidden', 'unauthorized'] as const

const begin = createRoute({
  method: 'post',
  path: '/{id}/history',
  summary: 'Import mail from before the inbox was connected',
  description:
    'It goes on by itself, behind what is new, and after an interruption where it stopped. What it brings is shown in conversations, read, and never answered or drafted by a machine. One at a time: while one runs, another is refused as `conflict`.',
  request: {
    ...byId,
    body: {
      required: false,
      content: {
        'application/json': {
          schema: HistoryImport,
        },
      },
    },
  },
  responses: {
    202: status,
    ...refusals('bad_json', 'invalid_field', 'conflict', 'folder_missing', 'unavailable', ...asked),
  },
})

const show = createRoute({
  method: 'get',
  path: '/{id}/history',
  summary: 'How the import of old mail stands, or the last one ended',
  request: byId,
  responses: { 200: status, ...refusals(...asked) },
})

const stop = createRoute({
  method: 'delete',
  path: '/{id}/history',
  summary: 'Stop the import of old mail; what was imported stays',
  request: byId,
  responses: { 200: status, ...refusals(...asked) },
})

export const history = noun()
  .openapi(begin, async c => {
    // Without a body none of its defaults were filled in.
    const { days, limit, folder = null } = HistoryImport.parse(c.req.valid('json') ?? {})
    const mailbox = await mailboxOf(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)
    const { retentionDays } = await siteById(db(c.env.DB), c.get('siteId'))
    if (retentionDays !== null && days > retentionDays)
      throw new Refusal(
        'invalid_field',
        `This site erases what is older than ${retentionDays} days, so older mail cannot be imported. Ask for fewer days, or change the site's "retentionDays" first.`,
        'days',
      )
    const begun = await mailbox.importHistory({ days, limit, folder })
    if ('problem' in begun) throw new Refusal(begun.problem.code, begun.problem.message, begun.problem.field)
    return c.json(historyJson(begun), 202)
  })
  .openapi(show, async c => {
    const mailbox = await mailboxOf(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)
    return c.json(historyJson(await mailbox.history()), 200)
  })
  .openapi(stop, async c => {
    const mailbox = await mailboxOf(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)
    return c.json(historyJson(await mailbox.stopHistory()), 200)
  })

async function mailboxOf(env: Env, siteId: string, who: Who, id: string) {
  const row = isUuid(id) && seesInbox(who, id) ? await emailInboxById(db(env.DB), siteId, id) : undefined
  if (row?.channelType !== 'email') throw new Refusal('not_found')
  return env.MAILBOX.getByName(`${siteId}/${id}`)
}

function historyJson(status: HistoryStatus): z.infer<typeof HistorySchema> {
  const shown = (at: number | null) => (at === null ? null : String(at))
  const { since, startedAt, endedAt, ...rest } = status
  return { ...rest, since: shown(since), startedAt: shown(startedAt), endedAt: shown(endedAt) }
}
