/** Fresh and derived ids: where randomness and digests come in. The format is domain/ids.ts. */
import { uuidv7 } from '../domain/ids.ts'

export function newId(at: number = Date.now()): string {
  return uuidv7(at, crypto.getRandomValues(new Uint8Array(10)))
}

/** The same parts and moment always give the same id, so that a step done twice makes one row. */
export async function derivedId(at: number, ...parts: string[]): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(parts.join('\u0000')))
  return uuidv7(at, new Uint8Array(digest))
}

export async function sha256Hex(data: Uint8Array | string): Promise<string> {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as BufferSource)))
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}
