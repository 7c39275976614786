/** One request to the API as a program sends it, and all that came back. */
import { exports } from 'cloudflare:workers'

export type Json = Record<string, unknown>

export async function call(path: string, headers: Record<string, string>, method = 'GET', body?: unknown) {
  const answer = await exports.default.fetch(`http://edgedesk.test/api/v1${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    redirect: 'manual',
  })
  const text = await answer.text()
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    body: (text ? JSON.parse(text) : null) as Json,
  }
}
