/** The desk's HTTP API, as far as a contact asks it. */
import type { Begun, Feedback, Uploaded } from './wire.ts'

/** The desk's own refusal; without a code the desk could not be reached. */
export interface Refused extends Error {
  code?: string
  /** Seconds, where the desk said when to come again; else 0. */
  retryAfter?: number
}

export interface Desk {
  token: string | undefined
  begin(webChatId: string, body: object): Promise<Begun>
  converse(id: string): Promise<{ id: string }>
  upload(file: File): Promise<Uploaded>
  link(messageId: string, n: number): Promise<string>
  feedback(messageId: string, type: Feedback): Promise<void>
  email(mail: { id: string; email: string; name: string; content: string }): Promise<void>
  socket(conversationId: string, since: number | null): WebSocket
}

const PATIENCE_MS = 15_000
/** An upload of 25 MB takes its time. */
const UPLOAD_MS = 300_000

/** @param base https://desk.example.com */
export function deskAt(base: string): Desk {
  const ask = async (method: string, path: string, body?: object, token = desk.token) => {
    const isForm = body instanceof FormData
    const headers: Record<string, string> = isForm ? {} : { 'content-type': 'application/json' }
    if (token) headers.authorization = `Bearer ${token}`
    const answer = await fetch(`${base}/api/v1/${path}`, {
      method,
      headers,
      body: isForm ? body : JSON.stringify(body),
      credentials: 'omit',
      signal: AbortSignal.timeout?.(isForm ? UPLOAD_MS : PATIENCE_MS),
    })
    const text = await answer.text()
    const said = text && JSON.parse(text)
    if (answer.ok) return said
    const { code, message } = said.error
    throw Object.assign(Error(message), { code, retryAfter: +answer.headers.get('retry-after')! })
  }
  const desk: Desk = {
    token: undefined,
    begin: (webChatId, body) => ask('POST', `web-chats/${webChatId}/sessions`, body, ''),
    converse: id => ask('POST', 'chat/conversations', { id }),
    upload(file) {
      const form = new FormData()
      form.append('file', file)
      return ask('POST', 'chat/attachments', form)
    },
    link: async (messageId, n) =>
      new URL((await ask('GET', `chat/messages/${messageId}/attachments/${n}/link`)).url, base).href,
    feedback: (messageId, type) => ask('PUT', `chat/messages/${messageId}/feedback`, { type }),
    email: mail => ask('POST', 'chat/emails', mail),
    socket: (conversationId, since) =>
      new WebSocket(
        `${base.replace('http', 'ws')}/api/v1/conversations/${conversationId}/ws${since === null ? '' : `?since=${since}`}`,
        ['edgedesk.v1', `key.${desk.token}`],
      ),
  }
  return desk
}
