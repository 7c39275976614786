/** Invitations: whoever has the link sets a name and a password and is a member from then on. */
import { createRoute, z } from '@hono/zod-openapi'
import { normaliseAddress } from '../domain/address.ts'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import { db } from '../store/db.ts'
import { memberWithAddress } from '../store/members.ts'
import {
  addLink,
  invitationsBefore,
  linkById,
  type OneTimeLink,
  removeLink,
  renewLink,
} from '../store/sign-in.ts'
import { nameOfSite } from '../store/sites.ts'
import { audited, changesOf } from './audit.ts'
import { oneLine } from './inbox-fields.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { inboxList, mustHandleOwners } from './members.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { freshSecret, LASTS_MS, maker, newLink } from './one-time-links.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf, madeAt } from './requests.ts'
import { sendSiteMail } from './site-mail.ts'

const role = z.enum(['owner', 'admin', 'agent'])
const InvitationSchema = z
  .object({
    id: z.uuid(),
    email: z.string(),
    name: z.string().nullable(),
    role,
    inboxes: z.array(z.uuid()).nullable(),
    invitedBy: z.object({ kind: z.enum(['key', 'member']), id: z.string(), name: z.string() }).nullable(),
    expired: z.boolean().openapi({ description: 'Send it again for another seven days.' }),
    createdAt: z.string(),
    expiresAt: z.string(),
  })
  .openapi('Invitation')
const Sent = InvitationSchema.extend({
  url: z.url().openapi({
    description:
      'The link, shown this once: whoever has it becomes the member. Hand it on where it was not mailed.',
  }),
  mailed: z
    .boolean()
    .openapi({ description: 'Whether it went out by e-mail, through the first inbox of the site.' }),
}).openapi('SentInvitation')
const NewInvitation = z
  .strictObject({
    email: z.email().max(254),
    name: oneLine(200).optional().openapi({ description: 'What the form shows; they may write another.' }),
    role,
    inboxes: z.array(z.uuid()).max(500).nullable().default(null),
  })
  .openapi('NewInvitation')

const asked = ['unknown_field', 'unauthorized', 'forbidden', 'rate_limited'] as const
const sent = {
  200: { description: 'The invitation', content: { 'application/json': { schema: Sent } } },
}

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List invitations that nobody took up yet, the newest first',
  request: { query: z.strictObject({ limit, cursor }) },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('Invitations', InvitationSchema) } },
    },
    ...refusals('invalid_field', ...asked),
  },
})

const invite = createRoute({
  method: 'post',
  path: '/',
  summary: 'Invite somebody',
  description:
    'Makes a link that is good once, for seven days, and mails it where an inbox of the site can send. Only an owner or an API key invites owners.',
  request: { body: jsonBody(NewInvitation) },
  responses: {
    ...sent,
    ...refusals('bad_json', 'missing_field', 'invalid_field', 'email_taken', 'already_invited', ...asked),
  },
})

const resend = createRoute({
  method: 'post',
  path: '/{id}/resend',
  summary: 'Send an invitation again',
  description: 'With a new link, for another seven days; the one before is good no more.',
  request: byId,
  responses: { ...sent, ...refusals('not_found', ...asked) },
})

const revoke = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Revoke an invitation',
  request: byId,
  responses: {
    200: {
      description: 'Revoked',
      content: { 'application/json': { schema: z.object({ id: z.uuid(), deleted: z.literal(true) }) } },
    },
    ...refusals('not_found', ...asked),
  },
})

export const invitations = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const before = readCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? null
    const rows = await invitationsBefore(db(c.env.DB), c.get('siteId'), before, query.limit + 1)
    const { page, next } = pageOf(rows, query.limit, row => [row.id])
    return c.json({ items: page.map(invitationJson), next }, 200)
  })
  .openapi(invite, async c => {
    const wanted = c.req.valid('json')
    const siteId = c.get('siteId')
    const who = c.get('who')
    if (wanted.role === 'owner') mustHandleOwners(who)
    const email = normaliseAddress(wanted.email)
    const d1 = db(c.env.DB)
    const inboxes = await inboxList(c.env, siteId, wanted.role, wanted.inboxes)
    if (await memberWithAddress(d1, siteId, email)) throw new Refusal('email_taken', undefined, 'email')
    const about = {
      siteId,
      kind: 'invite' as const,
      email,
      name: wanted.name ?? null,
      role: wanted.role,
      inboxes,
    }
    const made = await newLink(settings(c.env).PUBLIC_URL, about, LASTS_MS.invite, who, madeAt(c))
    const link = { ...made.row, id: await idOf(c) }
    const { url, hash } = await freshSecret(c.env, link)
    const row = { ...link, secretHash: hash }
    if (!(await addLink(d1, row))) throw new Refusal('already_invited', undefined, 'email')
    const told = invitationJson(row)
    audited(c, {
      targetId: row.id,
      changes: changesOf({} as typeof told, told, ['email', 'role', 'inboxes']),
    })
    return c.json({ ...told, url, mailed: await mail(c.env, row, url, who.name) }, 200)
  })
  .openapi(resend, async c => {
    const siteId = c.get('siteId')
    const link = await found(c.env, siteId, c.req.valid('param').id)
    if (link.role === 'owner') mustHandleOwners(c.get('who'))
    const { url, hash } = await freshSecret(c.env, link)
    // Whoever sends it again stands for it from now on.
    const fresh = { ...link, createdBy: maker(c.get('who')), expiresAt: Date.now() + LASTS_MS.invite }
    if (!(await renewLink(db(c.env.DB), { ...fresh, secretHash: hash }))) throw new Refusal('not_found')
    const mailed = await mail(c.env, fresh, url, c.get('who').name)
    return c.json({ ...invitationJson(fresh), url, mailed }, 200)
  })
  .openapi(revoke, async c => {
    const siteId = c.get('siteId')
    const link = await found(c.env, siteId, c.req.valid('param').id)
    if (link.role === 'owner') mustHandleOwners(c.get('who'))
    if (!(await removeLink(db(c.env.DB), siteId, link.id))) throw new Refusal('not_found')
    const told = invitationJson(link)
    audited(c, { changes: changesOf(told, {} as typeof told, ['email']) })
    return c.json({ id: link.id, deleted: true as const }, 200)
  })

async function found(env: Env, siteId: string, id: string): Promise<OneTimeLink> {
  const link = isUuid(id) ? await linkById(db(env.DB), siteId, id) : undefined
  if (link?.kind !== 'invite') throw new Refusal('not_found')
  return link
}

async function mail(env: Env, link: OneTimeLink, url: string, by: string): Promise<boolean> {
  const site = await nameOfSite(db(env.DB), link.siteId)
  return sendSiteMail(env, link.siteId, {
    to: { name: link.name ?? '', address: link.email! },
    makes: link.role!,
    subject: `${by} invites you to ${site}`,
    text: `${by} invites you to answer the mail of ${site} together.

Open this link to choose your name and your password. It is good once, for seven days:

${url}

If you did not expect this, leave it be: without the link nothing happens.
`,
  })
}

function invitationJson(link: OneTimeLink): z.infer<typeof InvitationSchema> {
  return {
    id: link.id,
    email: link.email!,
    name: link.name,
    role: link.role!,
    inboxes: link.inboxes === null ? null : (JSON.parse(link.inboxes) as string[]),
    invitedBy: link.createdBy === null ? null : JSON.parse(link.createdBy),
    expired: link.expiresAt <= Date.now(),
    createdAt: String(link.createdAt),
    expiresAt: String(link.expiresAt),
  }
}
