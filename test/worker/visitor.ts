/** Visitors of a web chat in tests: a chat that may stand on a page, and somebody who comes to it there. */
import { env } from 'cloudflare:workers'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { changeWebChat } from '../../src/store/web-chats.ts'
import { call, type Json } from './call.ts'
import { assistant, site } from './cast.ts'
import { open } from './socket.ts'

export const PAGE = 'https://shop.example'

/** A chat that an assistant answers, on the pages of one shop. */
export async function webChat(change: Json = {}) {
  const who = await site()
  const assistantId = await assistant(who.siteId)
  const made = await call('/web-chats', who.headers, 'POST', {
    ...{ name: 'Shop', assistantId, allowedOrigins: [PAGE] },
    ...change,
  })
  return { ...who, assistantId, id: made.body.id as string, chat: made.body }
}

/** Each from an address of their own, so that none is limited for another's sake. */
const from = () => ({ 'cf-connecting-ip': newId() })

export async function comes(webChatId: string, about: Json = {}, origin = PAGE) {
  return call(`/web-chats/${webChatId}/sessions`, { origin, ...from() }, 'POST', about)
}

/** Somebody in the chat, with a conversation begun and its socket open. */
export async function visitor(webChatId: string, about: Json = {}) {
  const session = (await comes(webChatId, about)).body as Json & { token: string }
  const headers = { authorization: `Bearer ${session.token}`, origin: PAGE }
  const begun = await call('/chat/conversations', { ...headers, ...from() }, 'POST', { id: newId() })
  const conversation = begun.body.id as string
  const client = await open(`/conversations/${conversation}/ws`, socketHeaders(session.token))
  const say = (content: string, id = newId(), attachments: Json[] = []) => {
    client.send({ type: 'say', id, content, attachments })
    return id
  }
  return { session, headers, conversation, client, say }
}

export function socketHeaders(token: string, origin = PAGE) {
  return { 'sec-websocket-protocol': `edgedesk.v1, key.${token}`, origin }
}

/** As an admin's PATCH, for what the API bounds from below. */
export async function settle(siteId: string, chat: Json, settings: Json): Promise<void> {
  const row = await env.DB.prepare('SELECT settings FROM inboxes WHERE id = ?')
    .bind(chat.id)
    .first<string>('settings')
  const now = { ...(JSON.parse(row!) as Json), ...settings }
  await changeWebChat(db(env.DB), siteId, chat.id as string, { settings: JSON.stringify(now) })
}
