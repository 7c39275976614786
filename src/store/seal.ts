/**
 * Secrets at rest: AES-256-GCM under a data key of the site, which itself is wrapped by the deployment's key-encryption key
 * (KEK). What is sealed is bound (AAD) to its site, table, column and row, so a value copied into another row does not open.
 * A secret is opened only where it is used, never returned and never logged.
 *
 * Format: `v1.<key>.<iv>.<ciphertext and tag>`, the last two base64url. `<key>` names the key, so that a rotation can tell
 * what is still under the old one. IVs are random 96 bits (NIST SP 800-38D §8.2.2: fine below 2^32 values per key).
 */
export interface Place {
  site: string
  table: string
  column: string
  row: string
}

export class SealError extends Error {
  override name = 'SealError'
}

/** A new data key for a site, wrapped. */
export async function newDataKey(kek: string, siteId: string): Promise<string> {
  const raw = crypto.getRandomValues(new Uint8Array(32))
  return encrypt(await importKek(kek), 'kek', raw, dataKeyPlace(siteId))
}

/** @param dataKey the wrapped key of the site, from `sites.data_key` */
export async function seal(kek: string, dataKey: string, place: Place, secret: string): Promise<string> {
  return encrypt(await unwrap(kek, dataKey, place.site), 'site', bytesOf(secret), aad(place))
}

/** @throws SealError where the key, the place or the bytes are not the ones it was sealed with. */
export async function open(kek: string, dataKey: string, place: Place, sealed: string): Promise<string> {
  const key = await unwrap(kek, dataKey, place.site)
  return new TextDecoder().decode(await decrypt(key, 'site', sealed, aad(place)))
}

/**
 * A token that is handed out and comes back, such as the bridge's permission to say "news in this mailbox": an HMAC over its
 * site, type and identifier, good for nothing else.
 */
export async function handOut(kek: string, site: string, type: string, identifier: string): Promise<string> {
  const key = await tokenKey(kek)
  const mac = await crypto.subtle.sign('HMAC', key, bytesOf(JSON.stringify([site, type, identifier])))
  return base64url(new Uint8Array(mac))
}

/** Checks a token of `handOut` in constant time. */
export async function comesBack(kek: string, site: string, type: string, identifier: string, token: string) {
  const mac = fromBase64url(token)
  if (!mac) return false
  const key = await tokenKey(kek)
  return crypto.subtle.verify('HMAC', key, mac, bytesOf(JSON.stringify([site, type, identifier])))
}

/** The lib types `encode` wider than it is; WebCrypto wants a plain ArrayBuffer behind its bytes. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text))
}

function aad(place: Place): Uint8Array<ArrayBuffer> {
  return bytesOf(JSON.stringify([place.site, place.table, place.column, place.row]))
}

function dataKeyPlace(siteId: string): Uint8Array<ArrayBuffer> {
  return aad({ site: siteId, table: 'sites', column: 'data_key', row: siteId })
}

// Non-extractable keys, kept per isolate: unwrapping one for every mail would double the cost of a small send.
const unwrapped = new Map<string, CryptoKey>()

async function unwrap(kek: string, dataKey: string, siteId: string): Promise<CryptoKey> {
  const name = `${kek} ${siteId} ${dataKey}`
  const known = unwrapped.get(name)
  if (known) return known
  const raw = await decrypt(await importKek(kek), 'kek', dataKey, dataKeyPlace(siteId))
  const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt'])
  if (unwrapped.size > 1000) unwrapped.clear()
  unwrapped.set(name, key)
  return key
}

async function importKek(kek: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', fromBase64(kek), 'AES-GCM', false, ['encrypt', 'decrypt'])
}

async function tokenKey(kek: string): Promise<CryptoKey> {
  // A key of its own (RFC 5869), so that a token never is a statement under the encryption key.
  const base = await crypto.subtle.importKey('raw', fromBase64(kek), 'HKDF', false, ['deriveKey'])
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: bytesOf('edgedesk tokens') },
    base,
    { name: 'HMAC', hash: 'SHA-256', length: 256 },
    false,
    ['sign', 'verify'],
  )
}

async function encrypt(
  key: CryptoKey,
  name: string,
  plain: Uint8Array,
  additionalData: Uint8Array<ArrayBuffer>,
) {
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const cipher = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData },
    key,
    plain as BufferSource,
  )
  return `v1.${name}.${base64url(iv)}.${base64url(new Uint8Array(cipher))}`
}

async function decrypt(
  key: CryptoKey,
  name: string,
  sealed: string,
  additionalData: Uint8Array<ArrayBuffer>,
) {
  const [version, keyName, iv64, cipher64] = sealed.split('.')
  const iv = fromBase64url(iv64 ?? '')
  const cipher = fromBase64url(cipher64 ?? '')
  if (version !== 'v1' || keyName !== name || iv?.length !== 12 || !cipher)
    throw new SealError('not a sealed value')
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData }, key, cipher))
  } catch {
    throw new SealError('this value was sealed for another place or under another key')
  }
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')
}

function fromBase64url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), char => char.charCodeAt(0))
}
