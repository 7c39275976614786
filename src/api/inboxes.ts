/** Inboxes, to be looked at: how each is doing, asked of the mailbox itself. */
import { createRoute, z } from '@hono/zod-openapi'
import { isUuid } from '../domain/ids.ts'
import { db } from '../store/db.ts'
import { inboxById } from '../store/inboxes.ts'
import { noQuery, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'

export const InboxSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    channelType: z.string(),
    address: z.string(),
    state: z.enum(['unverified', 'connected', 'auth_required', 'retrying', 'paused']),
    reason: z.string().nullable().openapi({ description: 'Why, in one sentence; null while connected.' }),
    lastSyncAt: z.string().nullable(),
    nextSyncAt: z.string().nullable(),
    waiting: z.int().openapi({ description: 'Mails that are stored and not yet in their conversations.' }),
  })
  .openapi('Inbox')

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One inbox and how it is doing',
  request: { params: z.object({ id: z.string() }), query: noQuery },
  responses: {
    200: { description: 'The inbox', content: { 'application/json': { schema: InboxSchema } } },
    ...refusals('unknown_field', 'not_found', 'unauthorized'),
  },
})

export const inboxes = noun().openapi(show, async c => {
  const { id } = c.req.valid('param')
  const siteId = c.get('siteId')
  const inbox = isUuid(id) && (await inboxById(db(c.env.DB), siteId, id))
  if (!inbox) throw new Refusal('not_found')
  const live = await c.env.MAILBOX.getByName(`${siteId}/${id}`).status()
  const moment = (at: number | null | undefined) => (at ? String(at) : null)
  return c.json(
    {
      id: inbox.id,
      name: inbox.name,
      channelType: inbox.channelType,
      address: inbox.address,
      state: (live?.state ?? inbox.state) as z.infer<typeof InboxSchema>['state'],
      reason: live ? (live.problem?.message ?? null) : inbox.stateReason,
      lastSyncAt: moment(live?.lastGoodAt),
      nextSyncAt: moment(live?.dueAt),
      waiting: live?.owed ?? 0,
    },
    200,
  )
})
