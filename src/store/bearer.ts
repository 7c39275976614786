/**
 * Secrets that open the API: `<prefix>_<id of the row, 32 hex>_<43 base64url>`. The row is found by the id, and the secret compared by
 * what is kept of it: its HMAC-SHA-256 under a key of the site (`h1.…`), so that a copy of the database tells nobody which text is a good
 * one; the first release kept its SHA-256 in hex, which is good too and is written anew when it is next used. 32 random bytes need no slow
 * hash: nobody guesses them.
 */
import { sha256Hex } from './ids.ts'
import { derivedSecret } from './seal.ts'

/** `hash` is the SHA-256: of one-time links all that is kept, of keys and tokens what `keyedHash` takes the place of. */
export async function newBearer(
  prefix: string,
  id: string,
): Promise<{ text: string; secret: string; hash: string }> {
  const secret = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
  return { text: `${prefix}_${id.replaceAll('-', '')}_${secret}`, secret, hash: await sha256Hex(secret) }
}

const FORM =
  /^([a-z]{2})_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/

/** Which row it names; null where it is none of ours. */
export function readBearer(prefix: string, text: string): { id: string; secret: string } | null {
  const match = FORM.exec(text)
  if (match?.[1] !== prefix) return null
  return { id: match.slice(2, 7).join('-'), secret: match[7]! }
}

/** A site's own key, as it stands in `sites`. */
export interface SiteKey {
  id: string
  dataKey: string
}

export async function keyedHash(kek: string, site: SiteKey, secret: string): Promise<string> {
  const mac = new Uint8Array(
    await crypto.subtle.sign('HMAC', await hashKey(kek, site), new TextEncoder().encode(secret)),
  )
  return `h1.${btoa(String.fromCharCode(...mac))}`
}

/** In constant time, and as long where there is no such row. */
export async function isBearer(secret: string, hash: string | null | undefined): Promise<boolean> {
  const expected = new TextEncoder().encode(hash ?? '0'.repeat(64))
  const given = new TextEncoder().encode(await sha256Hex(secret))
  return (
    expected.length === given.length &&
    crypto.subtle.timingSafeEqual(expected, given) &&
    typeof hash === 'string'
  )
}

/**
 * Whether this is the secret of the row. `rewritten` is what to keep of it from now on, where the row has it the old way.
 *
 * @param row undefined where there is none: it takes about as long then
 */
export async function recognise(
  kek: string,
  row: { site: SiteKey; hash: string | null } | undefined,
  secret: string,
): Promise<{ good: boolean; rewritten: string | null }> {
  if (!row?.hash?.startsWith('h1.')) {
    const good = await isBearer(secret, row?.hash)
    return { good, rewritten: good ? await keyedHash(kek, row!.site, secret) : null }
  }
  const mac = Uint8Array.from(atob(row.hash.slice(3)), character => character.charCodeAt(0))
  const key = await hashKey(kek, row.site)
  const good = await crypto.subtle.verify('HMAC', key, mac, new TextEncoder().encode(secret))
  return { good, rewritten: null }
}

async function hashKey(kek: string, site: SiteKey): Promise<CryptoKey> {
  const bytes = await derivedSecret(kek, site.dataKey, site.id, 'hashes of keys')
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
}
