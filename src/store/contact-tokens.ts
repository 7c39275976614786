/**
 * What a visitor of a web chat is known by: a token that says who they are and where, under a signature of ours, so that nothing has to be
 * kept of somebody who only looked. `ct_<payload>.<HMAC>`, both base64url; the payload is JSON. It opens what is this contact's in this one
 * chat, on pages of the origin it was made for, and nothing else.
 */
import { z } from 'zod'
import { isUuid } from '../domain/ids.ts'
import { comesBack, handOut } from './seal.ts'

const PREFIX = 'ct_'
const TYPE = 'contact'
const MOST_CHARS = 2_000

const Payload = z.strictObject({
  siteId: z.string().refine(isUuid),
  webChatId: z.string().refine(isUuid),
  contactId: z.string().refine(isUuid),
  /** Of the page that the chat stands on. */
  origin: z.string(),
  name: z.string(),
  /** What they say, or what `proved` says is so. */
  email: z.string().nullable(),
  proved: z.boolean(),
  /** Which identity secret proved it; 0 where none did. */
  identityVersion: z.int(),
  language: z.string().nullable(),
  /** Milliseconds since the epoch. */
  expiresAt: z.int(),
})
export type ContactToken = z.infer<typeof Payload>

export async function contactToken(kek: string, contact: ContactToken): Promise<string> {
  const payload = encoded(JSON.stringify(contact))
  return `${PREFIX}${payload}.${await handOut(kek, contact.siteId, TYPE, payload)}`
}

export function isContactToken(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** Null where it is not one of ours, or its time is up. */
export async function readContactToken(kek: string, text: string, at: number): Promise<ContactToken | null> {
  const [payload = '', mac = '', ...more] = text.slice(PREFIX.length).split('.')
  if (!isContactToken(text) || text.length > MOST_CHARS || more.length > 0) return null
  const said = parsed(payload)
  if (!said || !(await comesBack(kek, said.siteId, TYPE, payload, mac))) return null
  return said.expiresAt > at ? said : null
}

function parsed(payload: string): ContactToken | null {
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), char =>
      char.charCodeAt(0),
    )
    return Payload.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data ?? null
  } catch {
    return null
  }
}

function encoded(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')
}
