/**
 * Who is asking, and whether they may: an API key, a member's token, a session or Cloudflare Access names a site and a right to it. The
 * table is in domain/access.ts; every handler behind this reads the site from the context and nowhere else.
 */
import type { Context } from 'hono'
import { getCookie } from 'hono/cookie'
import { createMiddleware } from 'hono/factory'
import { matchedRoutes } from 'hono/route'
import { isOurs, readSession, sessionCookie } from '../auth/session.ts'
import { hindrance, RIGHTS, type Role, type Scope } from '../domain/access.ts'
import { settings } from '../env.ts'
import { spend } from '../limits/limits.ts'
import { log } from '../log.ts'
import {
  type ApiKey,
  apiKeyOf,
  inboxesOfKey,
  NOTED_MS,
  scopesOf,
  tellKeyUsed,
  USUAL_RATE,
} from '../store/api-keys.ts'
import { type ContactToken, isContactToken, readContactToken } from '../store/contact-tokens.ts'
import { db } from '../store/db.ts'
import {
  inboxesOf,
  type Member,
  memberOf,
  membersByAddress,
  tellTokenUsed,
  tokenUseIsNews,
} from '../store/members.ts'
import { chatKnown, isStillProved, mayStandOn } from '../store/visitors.ts'
import { type Audited, writeAudit } from './audit.ts'
import { Refusal, tooOften } from './problems.ts'

/** Whoever asks. What a key may do its scopes say; what it may see is what an admin sees. `inboxes` and `scopes` null are all of them. */
export interface Who {
  kind: 'key' | 'member' | 'contact'
  id: string
  name: string
  role: Role
  inboxes: string[] | null
  scopes: readonly Scope[] | null
  /** Of a contact: what the token of their session says. */
  visitor?: ContactToken
}

export type Access = {
  Bindings: Env
  Variables: {
    siteId: string
    requestId: string
    who: Who
    /** Of somebody who signed in; null for keys, tokens and Cloudflare Access. */
    session: { id: string; userId: string } | null
    /** The address that Cloudflare Access vouched for; null where somebody asks in another way. */
    vouchedFor: string | null
    /** Of a request with an Idempotency-Key. */
    once?: { key: string; at: number }
    /** What a handler adds to its entry in the audit log. */
    audited?: Audited
  }
}

interface Asker {
  siteId: string
  who: Who
  session: { id: string; userId: string } | null
  vouchedFor?: string
  /** Requests a minute. */
  rate: number
  /** To be done when the answer is on its way. */
  later?: () => Promise<void>
  /** A cookie to set anew. */
  cookie?: string | null
}

export const access = createMiddleware<Access>(async (c, next) => {
  const route = routeOf(c)
  // Nothing is at this address: 404, with a key and without.
  if (route === null) return next()
  const right = RIGHTS[route]
  if (right === 'anybody') return next()
  const asker = await whoAsks(c)
  if (!asker) throw new Refusal('unauthorized', right?.role === null ? NO_VISITOR : undefined)
  const { who, siteId } = asker
  count(c, asker)
  const why = hindrance(right, who)
  if (why !== null) throw new Refusal('forbidden', why)
  c.set('siteId', siteId)
  c.set('who', who)
  c.set('session', asker.session)
  c.set('vouchedFor', asker.vouchedFor ?? null)
  if (asker.later) inBackground(c, asker.later())
  await next()
  if (asker.cookie) c.header('set-cookie', asker.cookie, { append: true })
  // What is answered a second time under the same Idempotency-Key was done once.
  const again = c.res.headers.has('idempotency-replayed')
  if (right?.audit && c.res.ok && !c.error && !again) await writeAudit(c, right.audit)
})

const NO_VISITOR =
  'Send the token of a visitor: Authorization: Bearer ct_…. This one is missing or not good any more; POST /api/v1/web-chats/{id}/sessions gives one.'

/** For what the table cannot say because it hangs on the request; goes behind `access`. */
export function mustBe(role: 'admin' | 'owner') {
  return createMiddleware<Access>(async (c, next) => {
    const why = hindrance({ ...ANYBODY, role }, c.get('who'))
    if (why !== null) throw new Refusal('forbidden', why)
    await next()
  })
}

const ANYBODY = { scope: null, also: null, contact: false, keys: true, audit: null } as const

/** Whether what belongs to this inbox is there at all for whoever asks: what is not, is 404. */
export function seesInbox(who: Who, inboxId: string): boolean {
  return who.inboxes === null || who.inboxes.includes(inboxId)
}

/** The row of the table that the handler of this request has: `GET /api/v1/members/{id}`; null where there is no handler. */
export function routeOf(c: Context): string | null {
  const route = matchedRoutes(c).find(one => one.method !== 'ALL')
  return route ? rowOf(route.method, route.path) : null
}

/** As the OpenAPI document writes a path, without a slash at its end. */
export function rowOf(method: string, path: string): string {
  const bare = path.replaceAll(/:(\w+)(?:\{[^}]*\})?\??/g, '{$1}').replace(/(.)\/$/, '$1')
  return `${method.toUpperCase()} ${bare}`
}

async function whoAsks(c: Context<Access>): Promise<Asker | null> {
  const given =
    givenKey(c.req.header('authorization'), c.req.header('x-api-key')) ??
    keyInProtocol(c.req.header('sec-websocket-protocol'))
  // A key that is no good is not made good by who else might be asking.
  if (given !== null && isContactToken(given)) return ofContact(c, given)
  if (given !== null) return (await ofKey(c.env, given)) ?? (await ofToken(c.env, given))
  return (await ofCloudflareAccess(c)) ?? (await ofSession(c))
}

async function ofKey(env: Env, given: string): Promise<Asker | null> {
  const d1 = db(env.DB)
  const found = await apiKeyOf(d1, settings(env).KEK, given)
  if (!found) return null
  const { key, rewritten } = found
  const at = Date.now()
  if (key.expiresAt !== null && key.expiresAt <= at)
    throw new Refusal('unauthorized', 'This API key has expired.')
  const isNews = rewritten !== null || at - (key.lastUsedAt ?? 0) >= NOTED_MS
  return {
    siteId: key.siteId,
    who: keyWho(key),
    session: null,
    rate: key.rateLimit ?? USUAL_RATE,
    ...(isNews ? { later: () => tellKeyUsed(d1, key, at, rewritten) } : {}),
  }
}

function keyWho(key: ApiKey): Who {
  return {
    kind: 'key',
    id: key.id,
    name: key.name,
    role: 'admin',
    inboxes: inboxesOfKey(key),
    scopes: scopesOf(key),
  }
}

async function ofToken(env: Env, given: string): Promise<Asker | null> {
  const d1 = db(env.DB)
  const found = await memberOf(d1, settings(env).KEK, given)
  if (!found) return null
  const { member, rewritten } = found
  const at = Date.now()
  if (rewritten !== null || tokenUseIsNews(member, at)) await tellTokenUsed(d1, member, at, rewritten)
  return memberAsker(member)
}

/** Requests a minute of one visitor, beside what they say over the socket. */
const VISITOR_RATE = 60

/** @throws Refusal where a page asks that is not the one the token was made for, or that the chat may no longer stand on */
async function ofContact(c: Context<Access>, given: string): Promise<Asker | null> {
  const visitor = await readContactToken(settings(c.env).KEK, given, Date.now())
  if (!visitor) return null
  const { siteId, webChatId, contactId, name, origin } = visitor
  const chat = await chatKnown(c.env, siteId, webChatId)
  if (!chat || !isStillProved(visitor, chat)) return null
  const asked = c.req.header('origin') ?? origin
  if (asked !== origin || !mayStandOn(c.env, c.req.url, chat, origin)) throw new Refusal('origin_not_allowed')
  return {
    siteId,
    who: { kind: 'contact', id: contactId, name, role: 'agent', inboxes: [webChatId], scopes: [], visitor },
    session: null,
    rate: VISITOR_RATE,
  }
}

async function ofSession(c: Context<Access>): Promise<Asker | null> {
  const { PUBLIC_URL } = settings(c.env)
  const value = getCookie(c, sessionCookie(PUBLIC_URL))
  const found = value && (await readSession(c.env, value, Date.now()))
  if (!found) return null
  if (!isOurs(c.req.raw, PUBLIC_URL)) throw new Refusal('cross_site')
  const { session, member, cookie } = found
  return { ...memberAsker(member), session: { id: session.id, userId: session.userId }, cookie }
}

async function ofCloudflareAccess(c: Context<Access>): Promise<Asker | null> {
  const { ACCESS_TEAM_DOMAIN, ACCESS_AUD, PUBLIC_URL } = settings(c.env)
  const assertion = c.req.header('cf-access-jwt-assertion')
  if (!ACCESS_TEAM_DOMAIN || !ACCESS_AUD || !assertion) return null
  const { addressInAssertion } = await import('../auth/cloudflare-access.ts')
  const address = await addressInAssertion(assertion, {
    teamDomain: ACCESS_TEAM_DOMAIN,
    audience: ACCESS_AUD,
  })
  if (address === null) return null
  const all = await membersByAddress(db(c.env.DB), address)
  const wanted = c.req.header('x-site-id')?.trim().toLowerCase()
  const [one, ...others] = wanted ? all.filter(({ member }) => member.siteId === wanted) : all
  if (!one) return null
  // Access lets the browser in by a cookie of its own, so other sites could ask through it as well.
  if (!isOurs(c.req.raw, PUBLIC_URL)) throw new Refusal('cross_site')
  // Never one of them by itself: what was meant for one would be done in another.
  if (others.length > 0) {
    const named = all.map(({ member, siteName }) => `${member.siteId} (${siteName})`).join(', ')
    throw new Refusal(
      'missing_field',
      `Name one of your sites in the header X-Site-Id: ${named}.`,
      'X-Site-Id',
    )
  }
  return { ...memberAsker(one.member), vouchedFor: address }
}

function memberAsker(member: Member): Asker {
  return {
    siteId: member.siteId,
    who: {
      kind: 'member',
      id: member.id,
      name: member.name,
      role: member.role,
      inboxes: inboxesOf(member),
      scopes: null,
    },
    session: null,
    rate: USUAL_RATE,
  }
}

/** `Authorization: Api-Key …` as seed 003 writes it, `Bearer …` and `x-api-key` as others do. */
function givenKey(authorization: string | undefined, header: string | undefined): string | null {
  return /^(?:Api-Key|Bearer)\s+(\S+)\s*$/i.exec(authorization ?? '')?.[1] ?? header?.trim() ?? null
}

/** Browsers send no header with a WebSocket but the names of protocols: `edgedesk.v1, key.ed_…`. */
function keyInProtocol(protocols: string | undefined): string | null {
  return /(?:^|,)\s*key\.([^\s,]+)/.exec(protocols ?? '')?.[1] ?? null
}

/** draft-ietf-httpapi-ratelimit-headers-07, whose three fields most clients know. */
function count(c: Context<Access>, { who, rate }: Asker): void {
  const spent = spend(c.env, work => inBackground(c, work), `${who.kind}/${who.id}`, rate, Date.now())
  const seconds = Math.ceil(spent.resetMs / 1000)
  c.header('ratelimit-limit', String(spent.limit))
  c.header('ratelimit-remaining', String(spent.remaining))
  c.header('ratelimit-reset', String(seconds))
  if (!spent.yes) tooOften(c, seconds)
}

/** What nobody waits for. It does not fail the request either. */
function inBackground(c: Context<Access>, work: Promise<void>): void {
  c.executionCtx.waitUntil(
    work.catch(error => log('background_failed', { requestId: c.get('requestId') }, error)),
  )
}
