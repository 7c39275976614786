/** What a person holds in their hand, in tests: an app that shows TOTP codes (RFC 6238), and a passkey (WebAuthn level 2, ES256). */
import { ORIGIN } from './browser.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** The code that an app shows for this `otpauth:` URI at a moment. */
export async function totp(uri: string, at = Date.now()): Promise<string> {
  const secret = fromBase32(new URL(uri).searchParams.get('secret')!)
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-1' }, false, ['sign'])
  const counter = new Uint8Array(8)
  new DataView(counter.buffer).setBigUint64(0, BigInt(Math.floor(at / 30_000)))
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, counter))
  const offset = mac.at(-1)! & 15
  const number = new DataView(mac.buffer).getUint32(offset) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, '0')
}

function fromBase32(text: string): Bytes {
  const bits = [...text.replace(/=+$/, '')]
    .map(one => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(one).toString(2).padStart(5, '0'))
    .join('')
  return Uint8Array.from(bits.match(/.{8}/g)!, byte => Number.parseInt(byte, 2))
}

const bytes = (...parts: (Uint8Array | number[])[]): Bytes => {
  const all = parts.flatMap(part => [...part])
  return Uint8Array.from(all)
}
const text = (said: string): Bytes => new Uint8Array(new TextEncoder().encode(said))
const sha256 = async (data: Bytes): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', data))
const base64url = (data: Uint8Array) =>
  btoa(String.fromCharCode(...data))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

/** CBOR (RFC 8949), as much of it as a passkey needs: texts, bytes, small integers, maps. */
function cbor(value: string | number | Uint8Array | Map<unknown, unknown>): Bytes {
  const head = (major: number, n: number) =>
    n < 24 ? [(major << 5) | n] : n < 256 ? [(major << 5) | 24, n] : [(major << 5) | 25, n >> 8, n & 255]
  if (typeof value === 'number') return bytes(value < 0 ? head(1, -1 - value) : head(0, value))
  if (typeof value === 'string') return bytes(head(3, text(value).length), text(value))
  if (value instanceof Uint8Array) return bytes(head(2, value.length), value)
  const entries = [...value] as [string | number, string | number | Uint8Array][]
  return bytes(head(5, entries.length), ...entries.flatMap(([key, one]) => [cbor(key), cbor(one)]))
}

interface Options {
  challenge: string
  rp?: { id: string }
  rpId?: string
}

export interface Passkey {
  id: string
  /** The answer to registration options. */
  register(options: Options): Promise<object>
  /** The answer to authentication options. @param verifies whether it asked for a finger, a face or a PIN */
  sign(options: Options, verifies?: boolean, origin?: string): Promise<object>
}

export async function passkey(): Promise<Passkey> {
  const pair = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ])) as CryptoKeyPair
  const point = new Uint8Array((await crypto.subtle.exportKey('raw', pair.publicKey)) as ArrayBuffer)
  const credential = crypto.getRandomValues(new Uint8Array(32))
  const id = base64url(credential)
  let uses = 0
  const client = (type: string, challenge: string, origin: string) =>
    text(JSON.stringify({ type, challenge, origin, crossOrigin: false }))
  const data = async (rpId: string, flags: number, ...more: Uint8Array[]) =>
    bytes(await sha256(text(rpId)), [flags, 0, 0, 0, uses++], ...more)
  return {
    id,
    async register({ challenge, rp }) {
      const key = cbor(
        new Map<number, number | Uint8Array>([
          [1, 2],
          [3, -7],
          [-1, 1],
          [-2, point.slice(1, 33)],
          [-3, point.slice(33)],
        ]),
      )
      const attested = bytes(new Uint8Array(16), [0, credential.length], credential, key)
      const authData = await data(rp!.id, 0b0100_0101, attested)
      const attestation = cbor(
        new Map<string, string | Uint8Array | Map<unknown, unknown>>([
          ['fmt', 'none'],
          ['attStmt', new Map()],
          ['authData', authData],
        ]),
      )
      return {
        id,
        rawId: id,
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: base64url(client('webauthn.create', challenge, ORIGIN)),
          attestationObject: base64url(attestation),
          transports: ['internal'],
        },
      }
    },
    async sign({ challenge, rpId }, verifies = true, origin = ORIGIN) {
      const authenticatorData = await data(rpId!, verifies ? 0b101 : 0b001)
      const clientData = client('webauthn.get', challenge, origin)
      const signed = bytes(authenticatorData, await sha256(clientData))
      const raw = new Uint8Array(
        await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, signed),
      )
      return {
        id,
        rawId: id,
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: base64url(clientData),
          authenticatorData: base64url(authenticatorData),
          signature: base64url(der(raw)),
        },
      }
    },
  }
}

/** The two halves of a signature as ASN.1 has them (RFC 3279 §2.2.3). */
function der(raw: Uint8Array): Bytes {
  const integer = (half: Uint8Array) => {
    const bare = half.slice(half.findIndex(byte => byte !== 0))
    const positive = bare[0]! > 127 ? bytes([0], bare) : bytes(bare)
    return bytes([2, positive.length], positive)
  }
  const both = bytes(integer(raw.slice(0, 32)), integer(raw.slice(32)))
  return bytes([0x30, both.length], both)
}
