/** Visitors of web chats: which chat they are in, on which page it may stand, and how a page proves who they are. */
import { eq } from 'drizzle-orm'
import { isAllowedOrigin } from '../domain/origins.ts'
import { settings } from '../env.ts'
import type { ContactToken } from './contact-tokens.ts'
import { conversationsByActivity } from './conversations.ts'
import { type Db, db, steady } from './db.ts'
import { type InboxRow, webChatSettingsOf } from './inboxes.ts'
import { sites } from './schema.ts'
import { derivedSecret, isMac } from './seal.ts'
import { webChatById, webChatOfAnySite } from './web-chats.ts'

/** A chat is asked for with everything its visitors do: what D1 said a moment ago still holds. */
const FRESH_MS = 5_000
const MOST_KNOWN = 1_000
const known = new Map<string, { at: number; row: InboxRow | undefined }>()

/** As it was at most five seconds ago. */
export async function chatKnown(env: Env, siteId: string, id: string): Promise<InboxRow | undefined> {
  const kept = known.get(id)
  const at = Date.now()
  if (kept && at - kept.at < FRESH_MS) return kept.row?.siteId === siteId ? kept.row : undefined
  const row = await webChatById(db(env.DB), siteId, id)
  keep(id, { at, row })
  return row
}

/** By its id alone, which is all that a page knows of it; as it is now. */
export async function chatToVisit(env: Env, id: string): Promise<InboxRow | undefined> {
  const at = Date.now()
  const row = await webChatOfAnySite(db(env.DB), id)
  keep(id, { at, row })
  return row
}

function keep(id: string, value: { at: number; row: InboxRow | undefined }): void {
  if (known.size >= MOST_KNOWN) known.clear()
  known.set(id, value)
}

/** @param url of the request: a page that we served ourselves asks where it came from */
export function mayStandOn(env: Env, url: string, chat: InboxRow, origin: string): boolean {
  const { allowedOrigins } = webChatSettingsOf(chat)
  const own = [settings(env).PUBLIC_URL, url].map(one => new URL(one).origin)
  return own.some(one => isAllowedOrigin(origin, allowedOrigins, one))
}

/** What a secret proved that another one has taken the place of is proved no more. */
export function isStillProved({ proved, identityVersion }: ContactToken, chat: InboxRow): boolean {
  return !proved || identityVersion === webChatSettingsOf(chat).identityVersion
}

/** The conversation that somebody goes on with in this chat: the one with the latest activity. */
export async function conversationToGoOn(
  d1: Db,
  siteId: string,
  webChatId: string,
  contactId: string,
): Promise<string | null> {
  return (await conversationsInChat(d1, siteId, webChatId, contactId))[0] ?? null
}

/** The latest activity first. */
export async function conversationsInChat(
  d1: Db,
  siteId: string,
  webChatId: string,
  contactId: string,
): Promise<string[]> {
  const rows = await conversationsByActivity(d1, siteId, { contactId }, null, LOOKED_AT)
  return rows.flatMap(({ conversation }) => (conversation.inboxId === webChatId ? [conversation.id] : []))
}
/** One contact rarely has many, and those by mail are among them. */
const LOOKED_AT = 50

/**
 * With this a page signs who its visitor is. It comes from the site's data key, so it is stored nowhere, and a rotation of the KEK leaves
 * it as it is.
 *
 * @param version 0: none was made; null then, and where there is no such site
 */
export async function identitySecret(
  env: Env,
  siteId: string,
  webChatId: string,
  version: number,
): Promise<string | null> {
  if (version === 0) return null
  const site = await steady(() =>
    db(env.DB).select({ dataKey: sites.dataKey }).from(sites).where(eq(sites.id, siteId)).get(),
  )
  if (!site) return null
  const purpose = `identity ${webChatId} ${version}`
  const bytes = await derivedSecret(settings(env).KEK, site.dataKey, siteId, purpose)
  return `is_${Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')}`
}

/** Whether `hash` is the hex HMAC-SHA-256 of what is said, under the secret's text; in constant time. */
export async function isSigned(secret: string, said: string, hash: string): Promise<boolean> {
  if (!/^[0-9a-f]{64}$/i.test(hash)) return false
  return isMac(
    secret,
    said,
    Uint8Array.from(hash.match(/../g)!, pair => Number.parseInt(pair, 16)),
  )
}
