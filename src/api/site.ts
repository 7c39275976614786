/** The site itself: its name, and how long it keeps what was said. */
import { createRoute, z } from '@hono/zod-openapi'
import { db } from '../store/db.ts'
import { changeSite, type Site, siteById } from '../store/retention.ts'
import { oneLine } from './inbox-fields.ts'
import { jsonBody, noQuery, noun } from './noun.ts'
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
  request: { query: noQuery },
  responses: { ...shown, ...refusals('unknown_field', 'unauthorized', 'forbidden') },
})

const change = createRoute({
  method: 'patch',
  path: '/',
  summary: 'Change the site’s name, or how long it keeps what was said',
  request: { query: noQuery, body: jsonBody(z.strictObject(fields).partial().openapi('SiteChange')) },
  responses: {
    ...shown,
    ...refusals('bad_json', 'unknown_field', 'invalid_field', 'unauthorized', 'forbidden'),
  },
})

export const site = noun()
  .openapi(show, async c => c.json(siteJson(await siteById(db(c.env.DB), c.get('siteId'))), 200))
  .openapi(change, async c => {
    const wanted = c.req.valid('json')
    const d1 = db(c.env.DB)
    if (Object.keys(wanted).length > 0) await changeSite(d1, c.get('siteId'), wanted as Partial<Site>)
    return c.json(siteJson(await siteById(d1, c.get('siteId'))), 200)
  })

function siteJson({ id, name, retentionDays, createdAt }: Site): z.infer<typeof SiteSchema> {
  return { id, name, retentionDays, createdAt: String(createdAt) }
}
