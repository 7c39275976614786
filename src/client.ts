/** The API for programs in TypeScript: every route, its fields and its answers are typed by the app itself. */
import { type ClientRequestOptions, hc } from 'hono/client'
import type { App } from './app.ts'

/**
 * `edgedesk(url, key).api.v1.messages.$post({ json: { conversation, content } })`
 *
 * @param url of the deployment
 * @param key an API key or a member's token
 */
export function edgedesk(url: string, key: string, options: ClientRequestOptions = {}) {
  return hc<App>(url, { ...options, headers: { authorization: `Api-Key ${key}` } })
}
