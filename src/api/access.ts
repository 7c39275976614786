/** Who is asking: an API key or a member's token names a site, and every handler behind this reads the site from here and nowhere else. */
import { createMiddleware } from 'hono/factory'
import { db } from '../store/db.ts'
import { inboxesOf, memberOf, tellTokenUsed } from '../store/members.ts'
import { apiKeyOf } from '../store/sites.ts'
import { Refusal } from './problems.ts'

/** Whoever asks. A key of the site may do what an admin may; `inboxes` null is all of them. */
export interface Who {
  kind: 'key' | 'member'
  id: string
  name: string
  role: 'owner' | 'admin' | 'agent'
  inboxes: string[] | null
}

export type Access = { Bindings: Env; Variables: { siteId: string; requestId: string; who: Who } }

export const access = createMiddleware<Access>(async (c, next) => {
  const given = givenKey(c.req.header('authorization'), c.req.header('x-api-key'))
  const found = given === null ? null : await whoIs(c.env, given)
  if (!found) throw new Refusal('unauthorized')
  c.set('siteId', found.siteId)
  c.set('who', found.who)
  await next()
})

/** For a route that not every member may use; goes behind `access`. */
export function mustBe(role: 'admin' | 'owner') {
  return createMiddleware<Access>(async (c, next) => {
    if (RANK[c.get('who').role] < RANK[role])
      throw new Refusal(
        'forbidden',
        role === 'owner' ? 'Only an owner may do that.' : 'Only an owner or an admin may do that.',
      )
    await next()
  })
}

/** Whether what belongs to this inbox is there at all for whoever asks: what is not, is 404. */
export function seesInbox(who: Who, inboxId: string): boolean {
  return who.inboxes === null || who.inboxes.includes(inboxId)
}

const RANK = { agent: 0, admin: 1, owner: 2 } as const

async function whoIs(env: Env, given: string): Promise<{ siteId: string; who: Who } | null> {
  const d1 = db(env.DB)
  const key = await apiKeyOf(d1, given)
  if (key)
    return {
      siteId: key.siteId,
      who: { kind: 'key', id: key.id, name: key.name, role: 'admin', inboxes: null },
    }
  const member = await memberOf(d1, given)
  if (!member) return null
  await tellTokenUsed(d1, member, Date.now())
  return {
    siteId: member.siteId,
    who: {
      kind: 'member',
      id: member.id,
      name: member.name,
      role: member.role,
      inboxes: inboxesOf(member),
    },
  }
}

/** `Authorization: Api-Key …` as seed 003 writes it, `Bearer …` and `x-api-key` as others do. */
function givenKey(authorization: string | undefined, header: string | undefined): string | null {
  return /^(?:Api-Key|Bearer)\s+(\S+)\s*$/i.exec(authorization ?? '')?.[1] ?? header?.trim() ?? null
}
