/**
 * Secrets that open the API: `<prefix>_<id of the row, 32 hex>_<43 base64url>`. The row is found by the id, and the secret compared by its
 * SHA-256, which is all that is kept. 32 random bytes need no slow hash: nobody guesses them.
 */
import { sha256Hex } from './ids.ts'

export async function newBearer(prefix: string, id: string): Promise<{ text: string; hash: string }> {
  const secret = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
  return { text: `${prefix}_${id.replaceAll('-', '')}_${secret}`, hash: await sha256Hex(secret) }
}

const FORM =
  /^([a-z]{2})_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/

/** Which row it names; null where it is none of ours. */
export function readBearer(prefix: string, text: string): { id: string; secret: string } | null {
  const match = FORM.exec(text)
  if (match?.[1] !== prefix) return null
  return { id: match.slice(2, 7).join('-'), secret: match[7]! }
}

/** In constant time, and as long where there is no such row. */
export async function isBearer(secret: string, hash: string | null | undefined): Promise<boolean> {
  const expected = new TextEncoder().encode(hash ?? '0'.repeat(64))
  const given = new TextEncoder().encode(await sha256Hex(secret))
  return crypto.subtle.timingSafeEqual(expected, given) && typeof hash === 'string'
}
