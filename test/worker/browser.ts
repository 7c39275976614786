/** People at a browser, in tests: `browser()` keeps cookies and asks as a page of ours does; `invited()` is somebody with a password. */
import { exports } from 'cloudflare:workers'
import { asking } from './staff.ts'

export const ORIGIN = 'https://edgedesk.test'

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Json = any

export interface Answer {
  status: number
  json: Json
  text: string
  headers: Headers
}

export interface Browser {
  cookies: Map<string, string>
  /** `ask('POST', '/api/auth/sign-in/email', {…})` */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** As a form sends it. */
  send(path: string, fields: Record<string, string>): Promise<Answer>
}

let addresses = 0

/** @param address where it asks from; each has its own, so that no test uses up the attempts of another */
export function browser(address = `198.51.${100 + (addresses >> 8)}.${addresses++ & 255}`): Browser {
  const cookies = new Map<string, string>()
  const go = async (
    path: string,
    init: RequestInit & { headers: Record<string, string> },
  ): Promise<Answer> => {
    const answer = await exports.default.fetch(new URL(path, ORIGIN).href, {
      redirect: 'manual',
      ...init,
      headers: {
        'cf-connecting-ip': address,
        ...(cookies.size > 0
          ? { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }
          : {}),
        ...init.headers,
      },
    })
    for (const set of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!
      if (/max-age=0/i.test(set) || value === '') cookies.delete(name!)
      else cookies.set(name!, value!)
    }
    const text = await answer.text()
    return {
      status: answer.status,
      json: /^[[{]/.test(text) ? JSON.parse(text) : null,
      text,
      headers: answer.headers,
    }
  }
  return {
    cookies,
    ask: (method, path, body, headers = {}) =>
      go(path, {
        method,
        headers: {
          ...(method === 'GET' ? {} : { origin: ORIGIN, 'sec-fetch-site': 'same-origin' }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    send: (path, fields) =>
      go(path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(fields).toString(),
      }),
  }
}

export const PASSWORD = 'correct horse battery'

let people = 0

/** Somebody who was invited by the site's key, took it up, and signed in. */
export async function invited(
  site: { headers: Record<string, string> },
  role: 'owner' | 'admin' | 'agent',
  inboxes: string[] | null = null,
): Promise<Browser & { email: string; id: string; name: string }> {
  const name = `Person ${++people}`
  const email = `person${people}-${crypto.randomUUID().slice(0, 8)}@team.test`
  const { json } = await asking(site.headers)('POST', '/invitations/', { email, role, inboxes })
  const at = browser()
  const done = await at.send(new URL(json.url).pathname, { name, password: PASSWORD, again: PASSWORD })
  if (done.status !== 200) throw new Error(`not joined: ${done.status} ${done.text}`)
  await signIn(at, email)
  const { json: me } = await at.ask('GET', '/api/v1/me')
  return { ...at, email, name, id: me.id }
}

export async function signIn(at: Browser, email: string, password = PASSWORD): Promise<Answer> {
  return at.ask('POST', '/api/auth/sign-in/email', { email, password })
}
