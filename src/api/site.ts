/** The site itself: its name, how long it keeps what was said, and its search. */
import { createRoute, z } from '@hono/zod-openapi'
import { rebuildArticleWords } from '../store/articles.ts'
import { conversationIdsAfter } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { changeSite, type Site, siteById } from '../store/retention.ts'
import { oneLine } from './inbox-fields.ts'
import { cursor, pageOf, readCursor } from './lists.ts'
import { jsonBody, noun } from './noun.ts'
import { refusals } from './problems.ts'

const fields = {
  name: oneLine(200),
  retentionDays: z.int().min(1).max(3650).nullable().openapi({
    description:
      'So many days after the last thing was said a conversation is erased everywhere; null keeps it until somebody erases it.',
    example: 90,
  }),
}
const SiteSchema = z.object({ id: z.uuid(), ...fields, createdAt: z.string() }).openapi('Site')
const shown = { 200: { description: 'The site', content: { 'application/json': { schema: SiteSchema } } } }

const show = createRoute({
  method: 'get',
  path: '/',
  summary: 'The site of this key',
  responses: { ...shown, ...refusals('unknown_field', 'unauthorized', 'forbidden') },
})

const change = createRoute({
  method: 'patch',
  path: '/',
  summary: 'Change the site’s name, or how long it keeps what was said',
  request: { body: jsonBody(z.strictObject(fields).partial().openapi('SiteChange')) },
  responses: {
    ...shown,
    ...refusals('bad_json', 'unknown_field', 'invalid_field', 'unauthorized', 'forbidden'),
  },
})

const rebuildSearch = createRoute({
  method: 'post',
  path: '/search-index',
  summary: 'Have all words indexed anew: those of articles first, then of conversations, some at a time',
  description:
    'For a SEARCH database that was lost or made new. Ask again with `next` as `cursor` until it is null; what is found is whole some seconds later.',
  request: {
    body: jsonBody(z.strictObject({ cursor }).openapi('SearchRebuild')),
  },
  responses: {
    200: {
      description: 'How many were told, and where to go on',
      content: {
        'application/json': {
          schema: z.object({ conversations: z.int(), next: z.string().nullable() }).openapi('SearchRebuilt'),
        },
      },
    },
    ...refusals('bad_json', 'unknown_field', 'invalid_field', 'unauthorized', 'forbidden'),
  },
})

/** Each is a call of its own; the platform's small plan takes 50 a request. */
const REBUILT_TOGETHER = 40

export const site = noun()
  .openapi(show, async c => c.json(siteJson(await siteById(db(c.env.DB), c.get('siteId'))), 200))
  .openapi(change, async c => {
    const wanted = c.req.valid('json')
    const d1 = db(c.env.DB)
    if (Object.keys(wanted).length > 0) await changeSite(d1, c.get('siteId'), wanted as Partial<Site>)
    return c.json(siteJson(await siteById(d1, c.get('siteId'))), 200)
  })
  .openapi(rebuildSearch, async c => {
    const siteId = c.get('siteId')
    const after = readCursor(c.req.valid('json').cursor, z.tuple([z.uuid()]))?.[0] ?? ''
    if (after === '') await rebuildArticleWords(db(c.env.DB), c.env.SEARCH, siteId)
    const ids = await conversationIdsAfter(db(c.env.DB), siteId, after, REBUILT_TOGETHER + 1)
    const { page, next } = pageOf(ids, REBUILT_TOGETHER, id => [id])
    await Promise.all(page.map(id => c.env.CONVERSATION.getByName(`${siteId}/${id}`).reindex()))
    return c.json({ conversations: page.length, next }, 200)
  })

function siteJson({ id, name, retentionDays, createdAt }: Site): z.infer<typeof SiteSchema> {
  return { id, name, retentionDays, createdAt: String(createdAt) }
}
