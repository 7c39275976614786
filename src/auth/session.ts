/**
 * Sessions of people who signed in, as the API reads them at every request: one read of D1, and without better-auth, which is loaded only
 * to sign in (src/auth/auth.ts). The cookie is better-auth's: `<token>.<HMAC-SHA-256 of the token, base64>`, so a copy of the
 * database alone signs nobody in.
 *
 * A session ends a week after it was last used, and a month after it began whatever else happens.
 */
import { settings } from '../env.ts'
import { db } from '../store/db.ts'
import { isMac } from '../store/seal.ts'
import { prolongSession, type Session, sessionWithToken } from '../store/sign-in.ts'
import { signInSecret } from '../store/sites.ts'

const HOUR_MS = 60 * 60_000
const DAY_MS = 24 * HOUR_MS
export const IDLE_MS = 7 * DAY_MS
export const ABSOLUTE_MS = 30 * DAY_MS
/** A session is prolonged so often at most: no write for every request. */
const PROLONGED_MS = HOUR_MS

/**
 * Over HTTPS the browser itself keeps them to this host (`__Host-`), over HTTP (loopback) it would not take such a name.
 * better-auth puts a dot and its own name behind it.
 */
export function cookiePrefix(publicUrl: string): string {
  return isSecure(publicUrl) ? '__Host-edgedesk' : 'edgedesk'
}

export function isSecure(publicUrl: string): boolean {
  return publicUrl.startsWith('https:')
}

export function sessionCookie(publicUrl: string): string {
  return `${cookiePrefix(publicUrl)}.session_token`
}

/** Who has this cookie; null where it is none of ours, or its session is over. `cookie` is the same one to be set again, prolonged. */
export async function readSession(env: Env, value: string, at: number) {
  const { KEK, PUBLIC_URL } = settings(env)
  const d1 = db(env.DB)
  const dot = value.lastIndexOf('.')
  const token = value.slice(0, dot)
  if (dot < 1 || !(await isSigned(token, value.slice(dot + 1), await signInSecret(d1, KEK)))) return null
  const found = await sessionWithToken(d1, token, at)
  if (!found) return null
  const prolonged = prolongation(found.session, at)
  if (prolonged === null) return { ...found, cookie: null }
  await prolongSession(d1, found.session.id, at, prolonged)
  return { ...found, cookie: cookieOf(PUBLIC_URL, value, found.session, prolonged - at) }
}

/** Until when it now lasts; null where it need not be written yet. */
function prolongation(session: Session, at: number): number | null {
  const [began, used, ends] = [session.createdAt, session.updatedAt, session.expiresAt].map(Number) as [
    number,
    number,
    number,
  ]
  if (at - used < PROLONGED_MS) return null
  // One that was to be forgotten with the browser lasts a day at a time.
  const until = Math.min(at + Math.min(ends - used, IDLE_MS), began + ABSOLUTE_MS)
  return until > ends ? until : null
}

function cookieOf(publicUrl: string, value: string, session: Session, lastsMs: number): string {
  const parts = [
    `${sessionCookie(publicUrl)}=${encodeURIComponent(value)}`,
    'Path=/',
    'HttpOnly',
    'SameSite=Lax',
  ]
  if (isSecure(publicUrl)) parts.push('Secure')
  const remembered = Number(session.expiresAt) - Number(session.updatedAt) > DAY_MS
  if (remembered) parts.push(`Max-Age=${Math.floor(lastsMs / 1000)}`)
  return parts.join('; ')
}

async function isSigned(token: string, signature: string, secret: string): Promise<boolean> {
  let mac: Uint8Array<ArrayBuffer>
  try {
    mac = Uint8Array.from(atob(signature), character => character.charCodeAt(0))
  } catch {
    return false
  }
  return isMac(secret, token, mac)
}

/**
 * Whether a request that a browser sends cookies with comes from a page of ours. Reading needs no proof: SameSite=Lax keeps the cookie out
 * of other sites' requests but for following a link. Browsers of these years all send one of the two headers with what changes something.
 */
export function isOurs(request: Request, publicUrl: string): boolean {
  // Cookies go with a WebSocket from any page, and what comes over it is the answer.
  const isSocket = request.headers.has('upgrade')
  if (!isSocket && (request.method === 'GET' || request.method === 'HEAD')) return true
  const from = request.headers.get('sec-fetch-site')
  if (from !== null) return from === 'same-origin'
  const origin = request.headers.get('origin')
  return origin !== null && [new URL(publicUrl).origin, new URL(request.url).origin].includes(origin)
}
