/** Who is asking: an API key names a site, and every handler behind this reads the site from here and nowhere else. */
import { createMiddleware } from 'hono/factory'
import { db } from '../store/db.ts'
import { siteOfApiKey } from '../store/sites.ts'
import { Refusal } from './problems.ts'

export type Access = { Bindings: Env; Variables: { siteId: string; requestId: string } }

export const access = createMiddleware<Access>(async (c, next) => {
  const key = givenKey(c.req.header('authorization'), c.req.header('x-api-key'))
  const siteId = key === null ? null : await siteOfApiKey(db(c.env.DB), key)
  if (!siteId) throw new Refusal('unauthorized')
  c.set('siteId', siteId)
  await next()
})

/** `Authorization: Api-Key …` as seed 003 writes it, `Bearer …` and `x-api-key` as others do. */
function givenKey(authorization: string | undefined, header: string | undefined): string | null {
  return /^(?:Api-Key|Bearer)\s+(\S+)\s*$/i.exec(authorization ?? '')?.[1] ?? header?.trim() ?? null
}
