/** Whoever asks, about themself: who they are here, which sites they are in, and where they are signed in. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { SCOPES } from '../domain/access.ts'
import { isUuid } from '../domain/ids.ts'
import { db } from '../store/db.ts'
import { membersByAddress, membershipsOf } from '../store/members.ts'
import { endSession, endSessions, moveSession, sessionsOf } from '../store/sign-in.ts'
import { nameOfSite } from '../store/sites.ts'
import type { Access } from './access.ts'
import { audited } from './audit.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'

const role = z.enum(['owner', 'admin', 'agent'])
const SiteSchema = z.object({ id: z.uuid(), name: z.string() })
const MeSchema = z
  .object({
    kind: z.enum(['key', 'member']),
    id: z.uuid(),
    name: z.string(),
    site: SiteSchema,
    role: role.nullable().openapi({ description: 'Null of an API key, which has scopes instead.' }),
    scopes: z
      .array(z.enum(SCOPES))
      .nullable()
      .openapi({ description: 'What an API key may do; null is everything.' }),
    inboxes: z
      .array(z.uuid())
      .nullable()
      .openapi({ description: 'The inboxes that may be seen; null is all of them.' }),
    sites: z.array(SiteSchema.extend({ role })).openapi({
      description:
        'All sites of whoever is signed in; choose one with `PATCH`, behind Cloudflare Access with the header `X-Site-Id`.',
    }),
  })
  .openapi('Me')
const SessionSchema = z
  .object({
    id: z.uuid(),
    current: z.boolean(),
    address: z.string().nullable().openapi({ description: 'The IP address it began from.' }),
    userAgent: z.string().nullable(),
    createdAt: z.string(),
    usedAt: z.string().openapi({ description: 'To the hour.' }),
    expiresAt: z.string(),
  })
  .openapi('Session')

const shown = {
  200: { description: 'Whoever asks', content: { 'application/json': { schema: MeSchema } } },
}
const asked = ['unknown_field', 'unauthorized', 'forbidden', 'rate_limited'] as const

const show = createRoute({
  method: 'get',
  path: '/',
  summary: 'Who asks, and what they may do',
  responses: { ...shown, ...refusals(...asked) },
})

const choose = createRoute({
  method: 'patch',
  path: '/',
  summary: 'Choose the site that this session asks for',
  request: { body: jsonBody(z.strictObject({ siteId: z.uuid() }).openapi('MeChange')) },
  responses: {
    ...shown,
    ...refusals('bad_json', 'missing_field', 'invalid_field', 'cross_site', ...asked),
  },
})

const sessions = createRoute({
  method: 'get',
  path: '/sessions',
  summary: 'List where you are signed in, the latest first',
  responses: {
    200: {
      description: 'All of them',
      content: {
        'application/json': { schema: z.object({ items: z.array(SessionSchema) }).openapi('Sessions') },
      },
    },
    ...refusals(...asked),
  },
})

const endOthers = createRoute({
  method: 'delete',
  path: '/sessions',
  summary: 'Sign out everywhere but here',
  responses: {
    200: {
      description: 'Ended',
      content: { 'application/json': { schema: z.object({ ended: z.number() }) } },
    },
    ...refusals('cross_site', ...asked),
  },
})

const end = createRoute({
  method: 'delete',
  path: '/sessions/{id}',
  summary: 'End one of your sessions',
  request: byId,
  responses: {
    200: {
      description: 'Ended',
      content: { 'application/json': { schema: z.object({ id: z.uuid(), deleted: z.literal(true) }) } },
    },
    ...refusals('not_found', 'cross_site', ...asked),
  },
})

export const me = noun()
  .openapi(show, async c => c.json(await meJson(c, c.get('siteId')), 200))
  .openapi(choose, async c => {
    const { userId, id } = signedIn(c)
    const { siteId } = c.req.valid('json')
    const d1 = db(c.env.DB)
    const there = (await membershipsOf(d1, userId)).find(one => one.member.siteId === siteId)
    if (!there) throw new Refusal('invalid_field', 'You are no member of a site with that id.', 'siteId')
    await moveSession(d1, id, siteId)
    const { member } = there
    const inboxes =
      member.role === 'agent' && member.inboxes !== null ? (JSON.parse(member.inboxes) as string[]) : null
    c.set('who', { ...c.get('who'), id: member.id, name: member.name, role: member.role, inboxes })
    return c.json(await meJson(c, siteId), 200)
  })
  .openapi(sessions, async c => {
    const { userId, id } = signedIn(c)
    const rows = await sessionsOf(db(c.env.DB), userId, Date.now())
    return c.json(
      {
        items: rows.map(row => ({
          id: row.id,
          current: row.id === id,
          address: row.ipAddress || null,
          userAgent: row.userAgent || null,
          createdAt: String(row.createdAt.getTime()),
          usedAt: String(row.updatedAt.getTime()),
          expiresAt: String(row.expiresAt.getTime()),
        })),
      },
      200,
    )
  })
  .openapi(endOthers, async c => {
    const { userId, id } = signedIn(c)
    audited(c, { targetId: c.get('who').id })
    return c.json({ ended: await endSessions(db(c.env.DB), userId, id) }, 200)
  })
  .openapi(end, async c => {
    const { userId } = signedIn(c)
    const { id } = c.req.valid('param')
    if (!isUuid(id) || !(await endSession(db(c.env.DB), userId, id))) throw new Refusal('not_found')
    return c.json({ id, deleted: true as const }, 200)
  })

function signedIn(c: Context<Access>): { id: string; userId: string } {
  const session = c.get('session')
  if (!session)
    throw new Refusal('forbidden', 'Only somebody who signed in with a password or a passkey has sessions.')
  return session
}

async function meJson(c: Context<Access>, siteId: string): Promise<z.infer<typeof MeSchema>> {
  const who = c.get('who')
  const [session, vouchedFor] = [c.get('session'), c.get('vouchedFor')]
  const d1 = db(c.env.DB)
  const all = session
    ? await membershipsOf(d1, session.userId)
    : vouchedFor === null
      ? []
      : await membersByAddress(d1, vouchedFor)
  return {
    kind: who.kind === 'key' ? 'key' : 'member',
    id: who.id,
    name: who.name,
    site: { id: siteId, name: await nameOfSite(d1, siteId) },
    role: who.kind === 'member' ? who.role : null,
    scopes: who.scopes === null ? null : [...who.scopes],
    inboxes: who.inboxes,
    sites: all.map(({ member, siteName }) => ({ id: member.siteId, name: siteName, role: member.role })),
  }
}
