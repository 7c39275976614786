/** The people of a site in tests: `member()` makes one with a token, `asking()` asks the API as somebody. */
import { env, exports } from 'cloudflare:workers'
import { newBearer } from '../../src/store/bearer.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { addMember, type Member } from '../../src/store/members.ts'

type Headers = Record<string, string>

export async function member(
  siteId: string,
  role: Member['role'],
  inboxes: string[] | null = null,
): Promise<{ id: string; token: string; headers: Headers }> {
  const id = newId()
  const { text, hash } = await newBearer('em', id)
  await addMember(db(env.DB), {
    id,
    siteId,
    name: `A ${role}`,
    email: `${id}@team.test`,
    role,
    inboxes: inboxes && JSON.stringify(inboxes),
    tokenHash: hash,
    tokenUsedAt: null,
    createdAt: Date.now(),
  })
  return { id, token: text, headers: { authorization: `Bearer ${text}` } }
}

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Json = any

/** `ask('POST', '/members/', {…})` under /api/v1, with its status and its JSON. */
export function asking(headers: Headers) {
  return async (method: string, path: string, body?: unknown): Promise<{ status: number; json: Json }> => {
    const answer = await exports.default.fetch(`http://edgedesk.test/api/v1${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, json: text.startsWith('{') ? JSON.parse(text) : text }
  }
}
