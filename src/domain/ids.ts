/**
 * Identifiers: UUIDv7 everywhere (RFC 9562 §5.7), made from a moment and random bytes that are handed in. The same moment and
 * bytes give the same id, so an id derived from a digest is the same at every retry.
 */
export function uuidv7(at: number, random: Uint8Array): string {
  const bytes = new Uint8Array(16)
  const ms = BigInt(Math.max(0, Math.trunc(at))) & 0xffffffffffffn
  for (let i = 0; i < 6; i++) bytes[i] = Number((ms >> BigInt(8 * (5 - i))) & 0xffn)
  bytes.set(random.subarray(0, 10), 6)
  bytes[6] = 0x70 | (bytes[6]! & 0x0f)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** The moment that a UUIDv7 says it was made; of another UUID just some number. */
export function timeOf(uuid: string): number {
  return Number.parseInt(uuid.replaceAll('-', '').slice(0, 12), 16)
}

/** The 128 bits of a UUID as a decimal integer of up to 39 digits: `sender.id` of the messages API. */
export function uuidAsInteger(uuid: string): string {
  return BigInt(`0x${uuid.replaceAll('-', '')}`).toString()
}
