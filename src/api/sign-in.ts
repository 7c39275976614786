/**
 * `/api/auth/*`: signing in and out, second factors, passkeys. better-auth answers (src/auth/auth.ts), in its own shapes, so that its
 * client library fits; here stands which of its paths are open at all, how often they may be tried, and what the audit log hears.
 */
import { type Context, Hono } from 'hono'
import { getCookie } from 'hono/cookie'
import { createMiddleware } from 'hono/factory'
import { z } from 'zod'
import { knownBrowser, knownBrowserCookie, newKnownBrowser } from '../auth/known-browser.ts'
import { cookiePrefix, isOurs, readSession, sessionCookie } from '../auth/session.ts'
import { normaliseAddress } from '../domain/address.ts'
import { weakness } from '../domain/password.ts'
import { settings } from '../env.ts'
import { addressOf, type Limit, limitOf } from '../limits/attempts.ts'
import { log } from '../log.ts'
import { addAuditEntry } from '../store/audit.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import { membershipsOf } from '../store/members.ts'
import { addLink, endResetLinks, endSessionWithToken, userWithAddress } from '../store/sign-in.ts'
import { signInSecret } from '../store/sites.ts'
import type { Access } from './access.ts'
import { LASTS_MS, newLink } from './one-time-links.ts'
import { mailingInbox, sendSiteMail } from './site-mail.ts'

/**
 * Every path that is open, and what the audit log calls it. What is not here is 404, so that a new release of the library opens no door
 * that nobody looked at; `/list-sessions` and the like are `/api/v1/me/sessions`, which does not hand out the tokens of other sessions.
 */
const OPEN: Record<string, string | null> = {
  'POST /sign-in/email': 'session.began',
  'POST /sign-out': null,
  'GET /get-session': null,
  'POST /change-password': 'member.password_changed',
  'POST /request-password-reset': null,
  'POST /two-factor/enable': null,
  'POST /two-factor/disable': 'member.two_factor_disabled',
  'POST /two-factor/get-totp-uri': null,
  'POST /two-factor/generate-backup-codes': 'member.backup_codes_made',
  'POST /two-factor/verify-totp': 'session.began',
  'POST /two-factor/verify-backup-code': 'session.began',
  'GET /passkey/generate-register-options': null,
  'POST /passkey/verify-registration': 'member.passkey_added',
  'GET /passkey/generate-authenticate-options': null,
  'POST /passkey/verify-authentication': 'session.began',
  'GET /passkey/list-user-passkeys': null,
  'POST /passkey/update-passkey': null,
  'POST /passkey/delete-passkey': 'member.passkey_removed',
}

type Body = Record<string, unknown>
type C = Context<Access>

/** As everywhere; `code` and `message` beside it are where better-auth's own clients look for them. */
const oneShape = createMiddleware<Access>(async (c, next) => {
  await next()
  if (c.res.status < 400 || !c.res.headers.get('content-type')?.includes('json')) return
  const said = (await c.res
    .clone()
    .json()
    .catch(() => null)) as { code?: string; message?: string; error?: unknown } | null
  if (!said?.code || said.error) return
  const { code, message = '' } = said
  const error = { code: code.toLowerCase(), message, requestId: c.get('requestId') }
  c.res = new Response(JSON.stringify({ error, code, message }), c.res)
})

export const signIn = new Hono<Access>({ strict: false }).use(oneShape).all('/*', async c => {
  const path = c.req.path.replace(/^\/api\/auth/, '').replace(/(.)\/$/, '$1')
  const row = `${c.req.method} ${path}`
  if (!(row in OPEN)) return refused(c, 404, 'NOT_FOUND', 'There is nothing at this address.')
  const { PUBLIC_URL } = settings(c.env)
  if (speaksAsBrowser(c.req.raw) && !isOurs(c.req.raw, PUBLIC_URL))
    return refused(c, 403, 'CROSS_SITE', 'This request came from another site’s page.')
  if (path === '/passkey/generate-authenticate-options') {
    const wait = await (await limitOf(c.env, 'asked', addressOf(c.req.raw))).take()
    if (wait) return tooMany(c, wait)
  }
  if (c.req.method === 'GET') return answered(c, path, null)
  const body = await bodyOf(c)
  if (body === null) return refused(c, 400, 'BAD_JSON', 'The body is not valid JSON.')
  switch (path) {
    case '/sign-in/email':
      return byPassword(c, path, body)
    case '/request-password-reset':
      return requestReset(c, body)
    case '/change-password':
      return changePassword(c, path, body)
    case '/sign-out':
      return answered(c, path, body)
    case '/passkey/verify-authentication':
      // A passkey stands for both factors, so it must have asked for a finger, a face or a PIN.
      if (!verifiedUser(body))
        return refused(c, 401, 'USER_NOT_VERIFIED', 'The passkey did not verify who uses it.')
      return tried(c, path, body)
    default:
      return tried(c, path, body)
  }
})

const Credentials = z.object({
  email: z.string().max(320),
  password: z.string().max(1000),
  rememberMe: z.boolean().optional(),
})

async function byPassword(c: C, path: string, body: Body): Promise<Response> {
  const given = Credentials.safeParse(body)
  if (!given.success) return refused(c, 400, 'VALIDATION_ERROR', 'Send "email" and "password".')
  const email = normaliseAddress(given.data.email)
  return tried(c, path, { ...given.data, email }, await passwordLimits(c, email))
}

/**
 * How often a password may be tried at this account: by whoever asks, and by all together who are new to it. Anybody may send wrong
 * passwords for anybody's address, so what they send holds up neither a browser that signed in before, nor a session, nor a passkey.
 */
export async function passwordLimits(c: C, email: string): Promise<Limit[]> {
  const { KEK, PUBLIC_URL } = settings(c.env)
  const secret = await signInSecret(db(c.env.DB), KEK)
  const known = knownBrowser(secret, getCookie(c, knownBrowserCookie(PUBLIC_URL)), email)
  const own = await limitOf(c.env, 'account', `${known ?? addressOf(c.req.raw)} ${email}`)
  return known === null ? [own, await limitOf(c.env, 'everywhere', email)] : [own]
}

/** The seconds to wait where one of them is used up, else 0. */
export async function takeAll(limits: readonly Limit[]): Promise<number> {
  for (const limit of limits) {
    const wait = await limit.take()
    if (wait) return wait
  }
  return 0
}

/** Whoever got in begins anew; what others tried at the same account is not forgotten for it. */
export async function forgiveAll([own, everywhere]: readonly Limit[]): Promise<void> {
  await own?.forgive(true)
  await everywhere?.forgive(false)
}

/** Answers, where it was not tried too often. Good attempts are not counted. */
async function tried(c: C, path: string, body: Body, limits: readonly Limit[] = []): Promise<Response> {
  const address = await limitOf(c.env, 'address', addressOf(c.req.raw))
  const wait = await takeAll([address, ...limits])
  if (wait) return tooMany(c, wait)
  const before = await sessionOf(c)
  const answer = await answered(c, path, body)
  if (answer.status >= 400) return answer
  const said = (await answer
    .clone()
    .json()
    .catch(() => null)) as { token?: string | null; user?: { id?: string; email?: string } } | null
  const isUsed = path === '/two-factor/verify-totp' && (await usedBefore(c.env, body, said?.user?.id))
  if (isUsed && !before) {
    await endSessionWithToken(db(c.env.DB), said?.token ?? '')
    return refused(c, 401, 'INVALID_CODE', 'This code was used already. Sign in again with the next one.')
  }
  await told(c, path, before, answer.clone())
  await address.forgive(false)
  // Half of a sign-in is none: where a second factor is still to come, the attempt counts until it came.
  if (!said?.token) return answer
  const email = said.user?.email ?? ''
  const tries = limits.length > 0 ? limits : await passwordLimits(c, email)
  await forgiveAll(tries)
  return tries.length > 1 ? remembered(c, answer, email) : answer
}

/** The same answer, and the browser is known from now on. */
async function remembered(c: C, answer: Response, email: string): Promise<Response> {
  const { KEK, PUBLIC_URL } = settings(c.env)
  const cookie = newKnownBrowser(PUBLIC_URL, await signInSecret(db(c.env.DB), KEK), email)
  const again = new Response(answer.body, answer)
  again.headers.append('set-cookie', cookie)
  return again
}

async function usedBefore(env: Env, body: Body, userId = ''): Promise<boolean> {
  const code = await limitOf(env, 'code', `${userId} ${String(body.code).trim()}`)
  return (await code.take()) > 0
}

async function changePassword(c: C, path: string, body: Body): Promise<Response> {
  const wanted = z.object({ newPassword: z.string(), currentPassword: z.string().max(1000) }).safeParse(body)
  if (!wanted.success) return refused(c, 400, 'VALIDATION_ERROR', 'Send "currentPassword" and "newPassword".')
  const session = await sessionOf(c)
  if (!session) return refused(c, 401, 'UNAUTHORIZED', 'Sign in first.')
  const { member } = session
  const weak = weakness(wanted.data.newPassword, [member.name, member.email, member.email.split('@')[0]!])
  if (weak) return refused(c, 400, 'PASSWORD_TOO_WEAK', weak)
  const userId = session.session.userId
  // Of whoever has the session, wherever they ask from.
  const limit = await limitOf(c.env, 'account', `change ${userId}`)
  // Whoever had the old password is out, whatever was asked for.
  const answer = await tried(c, path, { ...wanted.data, revokeOtherSessions: true }, [limit])
  if (answer.ok) await endResetLinks(db(c.env.DB), userId)
  return answer
}

/** Says the same at once, whoever is meant: what follows, follows in the background. */
async function requestReset(c: C, body: Body): Promise<Response> {
  const given = z.object({ email: z.string().max(320) }).safeParse(body)
  if (!given.success) return refused(c, 400, 'VALIDATION_ERROR', 'Send "email".')
  const wait = await (await limitOf(c.env, 'address', addressOf(c.req.raw))).take()
  if (wait) return tooMany(c, wait)
  const email = normaliseAddress(given.data.email)
  c.executionCtx.waitUntil(
    mailReset(c.env, email).catch(error => log('reset_unsent', { requestId: c.get('requestId') }, error)),
  )
  return c.json({
    status: true,
    message: 'If somebody signs in with this address and their site can send mail, a link is on its way.',
  })
}

async function mailReset(env: Env, email: string): Promise<void> {
  const d1 = db(env.DB)
  const user = await userWithAddress(d1, email)
  if (!user) return
  if (await (await limitOf(env, 'reset', email)).take()) return
  const [membership, ...others] = await membershipsOf(d1, user.id)
  // Whoever has the site's mail server in hand could read the link: that must not make an owner, nor somebody of another site.
  if (!membership || others.length > 0 || membership.member.role === 'owner') return
  const { member, siteName } = membership
  if (!(await mailingInbox(env, member.siteId, member.role))) return
  const about = { siteId: member.siteId, kind: 'reset' as const, memberId: member.id }
  const { PUBLIC_URL } = settings(env)
  const { url, row } = await newLink(PUBLIC_URL, about, LASTS_MS.mailedReset, null, Date.now())
  await addLink(d1, row)
  await sendSiteMail(env, member.siteId, {
    to: { name: member.name, address: email },
    makes: member.role,
    subject: `A new password for ${siteName}`,
    text: `Somebody asked for a new password for this address.

Open this link to choose one. It is good once, for an hour:

${url}

If that was not you, leave it be: nothing has changed.
`,
  })
}

/** better-auth's answer. */
async function answered(c: C, path: string, body: Body | null): Promise<Response> {
  const { KEK, PUBLIC_URL } = settings(c.env)
  const { handle } = await import('../auth/auth.ts')
  const secret = await signInSecret(db(c.env.DB), KEK)
  const answer = await handle({ env: c.env, publicUrl: PUBLIC_URL, secret }, requestOf(c, body))
  if (path === '/passkey/generate-authenticate-options' && answer.ok)
    return new Response(
      JSON.stringify({ ...((await answer.json()) as object), userVerification: 'required' }),
      answer,
    )
  return answer
}

/**
 * The same request, with the body that was looked at and the cookies as we read them: of two by one name another parser might take the
 * other, and what is checked here would be checked of somebody else.
 */
function requestOf(c: C, body: Body | null): Request {
  const request = c.req.raw
  const headers = new Headers(request.headers)
  headers.delete('content-length')
  const prefix = cookiePrefix(settings(c.env).PUBLIC_URL)
  const ours = Object.entries(getCookie(c)).filter(
    ([name]) => name.startsWith(prefix) && !name.endsWith('trust_device'),
  )
  headers.set('cookie', ours.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('; '))
  if (body === null) return new Request(request.url, { method: request.method, headers })
  headers.set('content-type', 'application/json')
  // Both factors are asked for each time: no browser is let off the second one.
  const { trustDevice: _, ...rest } = body
  return new Request(request.url, { method: request.method, headers, body: JSON.stringify(rest) })
}

type Known = Awaited<ReturnType<typeof readSession>>

/** Of the cookie that this request has. */
export async function sessionOf(c: C): Promise<Known> {
  const value = getCookie(c, sessionCookie(settings(c.env).PUBLIC_URL))
  return value ? readSession(c.env, value, Date.now()) : null
}

/** Writes it down where it is something to know later. Never fails the request. */
async function told(c: C, path: string, before: Known, answer: Response): Promise<void> {
  try {
    const action = actionOf(path, before !== null)
    if (action === null) return
    const said = (await answer.json()) as {
      token?: string | null
      user?: { id?: string }
      session?: { userId?: string }
    }
    const userId = before?.session.userId ?? said.user?.id ?? said.session?.userId
    // A second factor is still to come.
    if (!userId || (action === 'session.began' && !said.token && !said.session)) return
    const d1 = db(c.env.DB)
    for (const { member } of await membershipsOf(d1, userId)) {
      const at = Date.now()
      await addAuditEntry(d1, {
        id: newId(at),
        siteId: member.siteId,
        actorKind: 'member',
        actorId: member.id,
        actorName: member.name,
        action,
        targetId: member.id,
        changes: '{}',
        requestId: c.get('requestId'),
        at,
      })
    }
  } catch (error) {
    log('audit_failed', { requestId: c.get('requestId'), path }, error)
  }
}

/** The same path signs in with a second factor and, signed in already, sets it up. */
function actionOf(path: string, signedIn: boolean): string | null {
  const action = OPEN[`POST ${path}`] ?? null
  if (action !== 'session.began' || !signedIn) return action
  return path === '/two-factor/verify-totp' ? 'member.two_factor_enabled' : null
}

/** Programs send neither; then there is nothing another site's page could have lent them. */
function speaksAsBrowser(request: Request): boolean {
  return ['cookie', 'origin', 'sec-fetch-site'].some(name => request.headers.has(name))
}

/** WebAuthn §6.1: byte 32 of the authenticator's data, bit 2. The signature over it is checked after this. */
function verifiedUser(body: Body): boolean {
  const parsed = z
    .object({ response: z.object({ response: z.object({ authenticatorData: z.string().max(10_000) }) }) })
    .safeParse(body)
  if (!parsed.success) return false
  const data = parsed.data.response.response.authenticatorData
  try {
    return (atob(data.replaceAll('-', '+').replaceAll('_', '/')).charCodeAt(32) & 0b100) !== 0
  } catch {
    return false
  }
}

async function bodyOf(c: C): Promise<Body | null> {
  const text = await c.req.text()
  if (text === '') return {}
  try {
    const body = JSON.parse(text) as unknown
    return typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Body) : null
  } catch {
    return null
  }
}

function tooMany(c: C, seconds: number): Response {
  c.header('retry-after', String(seconds))
  return refused(c, 429, 'TOO_MANY_REQUESTS', 'Too many attempts. Try again later.')
}

function refused(c: C, status: 400 | 401 | 403 | 404 | 429, code: string, message: string): Response {
  return c.json({ code, message }, status)
}
