/** The people of a site: who they are, what they may do, and the token each may ask the API with besides signing in. */
import { createRoute, z } from '@hono/zod-openapi'
import { normaliseAddress } from '../domain/address.ts'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import { keyedHash, newBearer } from '../store/bearer.ts'
import { db } from '../store/db.ts'
import { dataKeyOf } from '../store/inboxes.ts'
import {
  addMember,
  changeMember,
  inboxesOf,
  type Member,
  memberById,
  membersAfter,
  removeMember,
  setToken,
  unknownInboxes,
} from '../store/members.ts'
import { addLink, endLinksBeyond, endSessions, endSessionsIn, sitesOf } from '../store/sign-in.ts'
import type { Who } from './access.ts'
import { audited, changesOf } from './audit.ts'
import { oneLine } from './inbox-fields.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { freshSecret, LASTS_MS, newLink } from './one-time-links.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf, madeAt } from './requests.ts'

const role = z.enum(['owner', 'admin', 'agent']).openapi({
  description:
    'An agent reads and answers; an admin also changes inboxes, assistants, articles and members; an owner also makes owners.',
})
const MemberSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    email: z.string(),
    role,
    inboxes: z
      .array(z.uuid())
      .nullable()
      .openapi({ description: 'The inboxes an agent may see; null is all of them.' }),
    signsIn: z
      .boolean()
      .openapi({ description: 'Whether they have taken up an invitation and can sign in.' }),
    hasToken: z.boolean(),
    tokenUsedAt: z
      .string()
      .nullable()
      .openapi({ description: 'When the token was last used, to the hour; milliseconds as a string.' }),
    createdAt: z.string(),
  })
  .openapi('Member')

const fields = {
  name: oneLine(200),
  email: z.email().max(254),
  role,
  inboxes: z.array(z.uuid()).max(500).nullable(),
}
const NewMember = z.strictObject({ ...fields, inboxes: fields.inboxes.default(null) }).openapi('NewMember')
const MemberChange = z.strictObject(fields).partial().openapi('MemberChange')

const answers = {
  200: { description: 'The member', content: { 'application/json': { schema: MemberSchema } } },
}
const asked = ['unknown_field', 'unauthorized', 'forbidden', 'rate_limited'] as const
const written = ['bad_json', 'missing_field', 'invalid_field', 'email_taken', ...asked] as const

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List members, by their e-mail address',
  request: { query: z.strictObject({ limit, cursor }) },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('Members', MemberSchema) } },
    },
    ...refusals('invalid_field', ...asked),
  },
})

const add = createRoute({
  method: 'post',
  path: '/',
  summary: 'Add a member',
  description:
    'Without a way to sign in: such a member asks with a token, `POST /api/v1/members/{id}/token`. Invite people with `POST /api/v1/invitations` instead.',
  request: { body: jsonBody(NewMember) },
  responses: { ...answers, ...refusals(...written) },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One member',
  request: byId,
  responses: { ...answers, ...refusals('not_found', ...asked) },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change a member',
  description:
    'What is not named stays. Only an owner or an API key changes an owner or makes one; the last owner stays one. Another role ends their sessions in this site.',
  request: { ...byId, body: jsonBody(MemberChange) },
  responses: { ...answers, ...refusals('not_found', 'last_owner', ...written) },
})

const remove = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Remove a member, at once, with their sessions in this site and their token',
  request: byId,
  responses: {
    200: {
      description: 'Removed',
      content: { 'application/json': { schema: z.object({ id: z.uuid(), deleted: z.literal(true) }) } },
    },
    ...refusals('not_found', 'last_owner', ...asked),
  },
})

const makeToken = createRoute({
  method: 'post',
  path: '/{id}/token',
  summary: 'Make the token of a member, shown once; the one before is good no more',
  description: 'Send it as an API key is sent: `Authorization: Bearer em_…`.',
  request: byId,
  responses: {
    200: {
      description: 'The token',
      content: {
        'application/json': {
          schema: z.object({ token: z.string().openapi({ example: 'em_…' }), member: MemberSchema }),
        },
      },
    },
    ...refusals('not_found', ...asked),
  },
})

const revokeToken = createRoute({
  method: 'delete',
  path: '/{id}/token',
  summary: 'Take the token of a member away',
  request: byId,
  responses: { ...answers, ...refusals('not_found', ...asked) },
})

const signOut = createRoute({
  method: 'delete',
  path: '/{id}/sessions',
  summary: 'End all sessions of a member',
  description: 'In whichever site they are: each session may choose this one.',
  request: byId,
  responses: {
    200: {
      description: 'Ended',
      content: { 'application/json': { schema: z.object({ ended: z.number() }) } },
    },
    ...refusals('not_found', ...asked),
  },
})

const resetLink = createRoute({
  method: 'post',
  path: '/{id}/reset-link',
  summary: 'Make a link by which a member sets a new password',
  description:
    'For a member who cannot have it mailed; also for one who had no way to sign in. Good once, for a day. Only an owner who is signed in makes one, and not for somebody who is a member of another site too.',
  request: {
    ...byId,
    body: jsonBody(
      z
        .strictObject({
          removesSecondFactors: z
            .boolean()
            .default(false)
            .openapi({ description: 'Takes away TOTP and passkeys too: for a lost phone.' }),
        })
        .openapi('ResetLinkWanted'),
    ),
  },
  responses: {
    200: {
      description: 'The link, shown this once',
      content: {
        'application/json': {
          schema: z.object({ url: z.url(), expiresAt: z.string() }).openapi('OneTimeLink'),
        },
      },
    },
    ...refusals('not_found', 'elsewhere_too', ...written),
  },
})

export const members = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const after = readCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? ''
    const rows = await membersAfter(db(c.env.DB), c.get('siteId'), after, query.limit + 1)
    const { page, next } = pageOf(rows, query.limit, row => [row.email])
    return c.json({ items: page.map(memberJson), next }, 200)
  })
  .openapi(add, async c => {
    const wanted = c.req.valid('json')
    const siteId = c.get('siteId')
    if (wanted.role === 'owner') mustHandleOwners(c.get('who'))
    const member: Member = {
      id: await idOf(c),
      siteId,
      name: wanted.name,
      email: normaliseAddress(wanted.email),
      role: wanted.role,
      inboxes: await inboxList(c.env, siteId, wanted.role, wanted.inboxes),
      tokenHash: null,
      tokenUsedAt: null,
      userId: null,
      createdAt: madeAt(c),
    }
    if (!(await addMember(db(c.env.DB), member))) throw new Refusal('email_taken', undefined, 'email')
    audited(c, { targetId: member.id, changes: changesOf(NOBODY, memberJson(member), TOLD) })
    return c.json(memberJson(member), 200)
  })
  .openapi(show, async c =>
    c.json(memberJson(await found(c.env, c.get('siteId'), c.req.valid('param').id)), 200),
  )
  .openapi(change, async c => {
    const wanted = c.req.valid('json')
    const siteId = c.get('siteId')
    const member = await found(c.env, siteId, c.req.valid('param').id)
    if (member.role === 'owner' || wanted.role === 'owner') mustHandleOwners(c.get('who'))
    const nextRole = wanted.role ?? member.role
    // An agent who becomes an admin sees all; the list would come back into force unseen.
    const kept =
      nextRole === 'agent' && member.inboxes !== null ? (JSON.parse(member.inboxes) as string[]) : null
    const next = {
      name: wanted.name ?? member.name,
      email: wanted.email === undefined ? member.email : normaliseAddress(wanted.email),
      role: nextRole,
      inboxes:
        wanted.inboxes === undefined
          ? kept && JSON.stringify(kept)
          : await inboxList(c.env, siteId, nextRole, wanted.inboxes),
    }
    const hindrance = await changeMember(db(c.env.DB), siteId, member.id, next)
    if (hindrance) throw new Refusal(hindrance, undefined, hindrance === 'email_taken' ? 'email' : 'role')
    // Who may do more or less from now on signs in anew.
    if (nextRole !== member.role) {
      await endLinksBeyond(db(c.env.DB), { ...member, role: nextRole })
      if (member.userId !== null) await endSessionsIn(db(c.env.DB), siteId, member.userId)
    }
    const after = memberJson({ ...member, ...next })
    audited(c, { changes: changesOf(memberJson(member), after, TOLD) })
    return c.json(after, 200)
  })
  .openapi(remove, async c => {
    const siteId = c.get('siteId')
    const member = await touchable(c.env, siteId, c.get('who'), c.req.valid('param').id)
    if (!(await removeMember(c.env.DB, member))) throw new Refusal('last_owner')
    audited(c, { changes: changesOf(memberJson(member), NOBODY, TOLD) })
    return c.json({ id: member.id, deleted: true as const }, 200)
  })
  .openapi(makeToken, async c => {
    const siteId = c.get('siteId')
    const member = await touchable(c.env, siteId, c.get('who'), c.req.valid('param').id)
    const { text, secret } = await newBearer('em', member.id)
    const dataKey = await dataKeyOf(db(c.env.DB), siteId)
    const hash = await keyedHash(settings(c.env).KEK, { id: siteId, dataKey }, secret)
    await setToken(db(c.env.DB), siteId, member.id, hash)
    return c.json({ token: text, member: memberJson({ ...member, tokenHash: hash, tokenUsedAt: null }) }, 200)
  })
  .openapi(revokeToken, async c => {
    const siteId = c.get('siteId')
    const member = await touchable(c.env, siteId, c.get('who'), c.req.valid('param').id)
    await setToken(db(c.env.DB), siteId, member.id, null)
    return c.json(memberJson({ ...member, tokenHash: null, tokenUsedAt: null }), 200)
  })
  .openapi(signOut, async c => {
    const member = await touchable(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)
    const ended = member.userId === null ? 0 : await endSessions(db(c.env.DB), member.userId)
    return c.json({ ended }, 200)
  })
  .openapi(resetLink, async c => {
    const siteId = c.get('siteId')
    const member = await found(c.env, siteId, c.req.valid('param').id)
    const d1 = db(c.env.DB)
    // An owner here must not become somebody there.
    if (member.userId !== null && (await sitesOf(d1, member.userId)).some(site => site !== siteId))
      throw new Refusal('elsewhere_too')
    const about = {
      siteId,
      kind: 'reset' as const,
      memberId: member.id,
      removesFactors: c.req.valid('json').removesSecondFactors,
    }
    const { PUBLIC_URL } = settings(c.env)
    const { row } = await newLink(PUBLIC_URL, about, LASTS_MS.reset, c.get('who'), madeAt(c))
    const link = { ...row, id: await idOf(c) }
    const { url, hash } = await freshSecret(c.env, link)
    await addLink(d1, { ...link, secretHash: hash })
    return c.json({ url, expiresAt: String(link.expiresAt) }, 200)
  })

const TOLD = ['name', 'email', 'role', 'inboxes'] as const
const NOBODY = {} as z.infer<typeof MemberSchema>

async function found(env: Env, siteId: string, id: string): Promise<Member> {
  const member = isUuid(id) && (await memberById(db(env.DB), siteId, id))
  if (!member) throw new Refusal('not_found')
  return member
}

/** Whoever could make a token of an owner would be one. */
async function touchable(env: Env, siteId: string, who: Who, id: string): Promise<Member> {
  const member = await found(env, siteId, id)
  if (member.role === 'owner') mustHandleOwners(who)
  return member
}

/** A key with `members:write` was given by an owner. */
export function mustHandleOwners(who: Who): void {
  if (who.kind !== 'key' && who.role !== 'owner')
    throw new Refusal(
      'forbidden',
      'Only an owner or an API key of the site may make, change or remove owners.',
    )
}

/** As it is kept; what is limited must be there, and only an agent's is. */
export async function inboxList(
  env: Env,
  siteId: string,
  memberRole: Member['role'],
  ids: string[] | null,
): Promise<string | null> {
  if (ids === null) return null
  if (memberRole !== 'agent')
    throw new Refusal(
      'invalid_field',
      'Only an agent’s inboxes are limited; leave it null for others.',
      'inboxes',
    )
  const [unknown] = await unknownInboxes(db(env.DB), siteId, ids)
  if (unknown) throw new Refusal('invalid_field', `There is no inbox with the id ${unknown}.`, 'inboxes')
  return JSON.stringify([...new Set(ids)])
}

function memberJson(member: Member): z.infer<typeof MemberSchema> {
  return {
    id: member.id,
    name: member.name,
    email: member.email,
    role: member.role,
    inboxes: inboxesOf(member),
    signsIn: member.userId !== null,
    hasToken: member.tokenHash !== null,
    tokenUsedAt: member.tokenUsedAt === null ? null : String(member.tokenUsedAt),
    createdAt: String(member.createdAt),
  }
}
