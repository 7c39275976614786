/**
 * A cookie by which a browser that somebody signed in with before is told from strangers who try their password ("device cookies" of
 * OWASP's Slow Down Online Guessing Attacks): it has attempts of its own, so that whoever sends wrong passwords from all over the world
 * holds up those who are new here, and not the person. It opens nothing: it says who may try, not who somebody is.
 *
 * `<nonce>.<HMAC-SHA-256 of the nonce and the address, base64url>`: nothing is kept of it.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { cookiePrefix, isSecure } from './session.ts'

const LASTS_S = 180 * 24 * 60 * 60

export function knownBrowserCookie(publicUrl: string): string {
  return `${cookiePrefix(publicUrl)}.known_browser`
}

/** What its attempts are counted by; null where nobody signed in with this address here. */
export function knownBrowser(secret: string, value: string | undefined, email: string): string | null {
  const [nonce = '', mark = ''] = value?.split('.') ?? []
  const [given, expected] = [Buffer.from(mark, 'base64url'), markOf(secret, nonce, email)]
  return nonce !== '' && given.length === expected.length && timingSafeEqual(given, expected) ? nonce : null
}

/** The cookie to be set after a sign-in. */
export function newKnownBrowser(publicUrl: string, secret: string, email: string): string {
  const nonce = randomBytes(16).toString('base64url')
  const value = `${nonce}.${markOf(secret, nonce, email).toString('base64url')}`
  const secure = isSecure(publicUrl) ? '; Secure' : ''
  return `${knownBrowserCookie(publicUrl)}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${LASTS_S}${secure}`
}

function markOf(secret: string, nonce: string, email: string): Buffer {
  return createHmac('sha256', secret).update(`known_browser ${nonce} ${email}`).digest()
}
