/** The people of a site: who they are, what they may do, and the token each asks the API with until there is a sign-in. */
import { createRoute, z } from '@hono/zod-openapi'
import { normaliseAddress } from '../domain/address.ts'
import { isUuid } from '../domain/ids.ts'
import { newBearer } from '../store/bearer.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
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
import { mustBe, type Who } from './access.ts'
import { oneLine } from './inbox-fields.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noQuery, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'

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

const middleware = mustBe('admin')
const answers = {
  200: { description: 'The member', content: { 'application/json': { schema: MemberSchema } } },
}
const asked = ['unknown_field', 'unauthorized', 'forbidden'] as const
const written = ['bad_json', 'missing_field', 'invalid_field', 'email_taken', ...asked] as const

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List members, by their e-mail address',
  middleware,
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
  description: 'A member asks with a token of their own: make it with `POST /api/v1/members/{id}/token`.',
  middleware,
  request: { query: noQuery, body: jsonBody(NewMember) },
  responses: { ...answers, ...refusals(...written) },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One member',
  middleware,
  request: byId,
  responses: { ...answers, ...refusals('not_found', ...asked) },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change a member',
  description:
    'What is not named stays. Only an owner or an API key changes an owner or makes one; the last owner stays one.',
  middleware,
  request: { ...byId, body: jsonBody(MemberChange) },
  responses: { ...answers, ...refusals('not_found', 'last_owner', ...written) },
})

const remove = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Remove a member, and their token with them',
  middleware,
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
  middleware,
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
  middleware,
  request: byId,
  responses: { ...answers, ...refusals('not_found', ...asked) },
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
    const at = Date.now()
    const member: Member = {
      id: newId(at),
      siteId,
      name: wanted.name,
      email: normaliseAddress(wanted.email),
      role: wanted.role,
      inboxes: await inboxList(c.env, siteId, wanted.role, wanted.inboxes),
      tokenHash: null,
      tokenUsedAt: null,
      createdAt: at,
    }
    if (!(await addMember(db(c.env.DB), member))) throw new Refusal('email_taken', undefined, 'email')
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
    return c.json(memberJson({ ...member, ...next }), 200)
  })
  .openapi(remove, async c => {
    const siteId = c.get('siteId')
    const { id } = await touchable(c.env, siteId, c.get('who'), c.req.valid('param').id)
    if (!(await removeMember(db(c.env.DB), siteId, id))) throw new Refusal('last_owner')
    return c.json({ id, deleted: true as const }, 200)
  })
  .openapi(makeToken, async c => {
    const siteId = c.get('siteId')
    const member = await touchable(c.env, siteId, c.get('who'), c.req.valid('param').id)
    const { text, hash } = await newBearer('em', member.id)
    await setToken(db(c.env.DB), siteId, member.id, hash)
    return c.json({ token: text, member: memberJson({ ...member, tokenHash: hash, tokenUsedAt: null }) }, 200)
  })
  .openapi(revokeToken, async c => {
    const siteId = c.get('siteId')
    const member = await touchable(c.env, siteId, c.get('who'), c.req.valid('param').id)
    await setToken(db(c.env.DB), siteId, member.id, null)
    return c.json(memberJson({ ...member, tokenHash: null, tokenUsedAt: null }), 200)
  })

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

/** The API key of a site is how its first owner is made. */
function mustHandleOwners(who: Who): void {
  if (who.kind !== 'key' && who.role !== 'owner')
    throw new Refusal(
      'forbidden',
      'Only an owner or an API key of the site may make, change or remove owners.',
    )
}

async function inboxList(
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
    hasToken: member.tokenHash !== null,
    tokenUsedAt: member.tokenUsedAt === null ? null : String(member.tokenUsedAt),
    createdAt: String(member.createdAt),
  }
}
