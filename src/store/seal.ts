/**
 * Secrets at rest: AES-256-GCM under a data key of the site, which itself is wrapped by the deployment's key-encryption key
 * (KEK). What is sealed is bound (AAD) to its site, table, column and row, so a value copied into another row does not open.
 * A secret is opened only where it is used, never returned and never logged.
 *
 * Format: `v1.<key>.<iv>.<ciphertext and tag>`, the last two base64url. `<key>` is `site` for what a data key sealed, and for a data key
 * `kek-` and the fingerprint of the KEK that wrapped it, so that a rotation can tell what is still under the old one and nothing is
 * opened by trying (`kek` alone, as the first release wrote it, is). IVs are random 96 bits (NIST SP 800-38D §8.2.2: fine below 2^32
 * values per key).
 *
 * Where a function takes a `kek`, that is one key in base64, or two with a blank between them while the second is rotated out: only the
 * first wraps, either unwraps.
 */
import { sha256Hex } from './ids.ts'

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
  return wrap(currentOf(kek), siteId, crypto.getRandomValues(new Uint8Array(32)))
}

/**
 * The same data key under the current KEK; null where it is already.
 *
 * @throws SealError where neither KEK opens it.
 */
export async function rewrapDataKey(kek: string, siteId: string, dataKey: string): Promise<string | null> {
  if (dataKey.split('.')[1] === (await nameOf(currentOf(kek)))) return null
  return wrap(currentOf(kek), siteId, await rawDataKey(kek, siteId, dataKey))
}

async function wrap(kek: string, siteId: string, raw: Uint8Array): Promise<string> {
  return encrypt(await importKek(kek), await nameOf(kek), raw, dataKeyPlace(siteId))
}

async function rawDataKey(kek: string, siteId: string, dataKey: string) {
  const name = dataKey.split('.')[1] ?? ''
  for (const one of keysOf(kek)) {
    if (name === (await nameOf(one)))
      return decrypt(await importKek(one), name, dataKey, dataKeyPlace(siteId))
    if (name !== 'kek') continue
    try {
      return await decrypt(await importKek(one), name, dataKey, dataKeyPlace(siteId))
    } catch {} // perhaps under the one before
  }
  throw new SealError('this data key is under a KEK that is not here')
}

function keysOf(kek: string): string[] {
  return kek.split(' ')
}

export function currentOf(kek: string): string {
  return keysOf(kek)[0]!
}

/** What a data key under this KEK names in its second part. Of 32 random bytes a digest gives nothing away. */
export async function nameOf(kek: string): Promise<string> {
  return `kek-${(await sha256Hex(`edgedesk kek ${kek}`)).slice(0, 16)}`
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
  const key = await tokenKey(currentOf(kek))
  const mac = await crypto.subtle.sign('HMAC', key, bytesOf(JSON.stringify([site, type, identifier])))
  return base64url(new Uint8Array(mac))
}

/** Checks a token of `handOut` in constant time; one that was handed out under the KEK before is good while that is here. */
export async function comesBack(kek: string, site: string, type: string, identifier: string, token: string) {
  const mac = fromBase64url(token)
  if (!mac) return false
  const said = bytesOf(JSON.stringify([site, type, identifier]))
  for (const one of keysOf(kek))
    if (await crypto.subtle.verify('HMAC', await tokenKey(one), mac, said)) return true
  return false
}

/** Whether that is the HMAC-SHA-256 of a text under a secret that is a text; in constant time. */
export async function isMac(secret: string, said: string, mac: Uint8Array<ArrayBuffer>): Promise<boolean> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', bytesOf(secret), algorithm, false, ['verify'])
  return crypto.subtle.verify('HMAC', key, mac, bytesOf(said))
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
  const raw = await rawDataKey(kek, siteId, dataKey)
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

const derived = new Map<string, Uint8Array<ArrayBuffer>>()

/**
 * 32 bytes that only we can make, for what is recognised and not opened: keyed hashes, signatures of cookies. They come from a data key
 * (RFC 5869), so a rotation of the KEK leaves them as they are.
 *
 * @param purpose another one gives other bytes
 */
export async function derivedSecret(
  kek: string,
  dataKey: string,
  siteId: string,
  purpose: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const name = `${kek} ${siteId} ${dataKey} ${purpose}`
  const known = derived.get(name)
  if (known) return known
  const base = await crypto.subtle.importKey('raw', await rawDataKey(kek, siteId, dataKey), 'HKDF', false, [
    'deriveBits',
  ])
  const params = {
    name: 'HKDF',
    hash: 'SHA-256',
    salt: new Uint8Array(),
    info: bytesOf(`edgedesk ${purpose}`),
  }
  const bytes = new Uint8Array(await crypto.subtle.deriveBits(params, base, 256))
  if (derived.size > 1000) derived.clear()
  derived.set(name, bytes)
  return bytes
}
