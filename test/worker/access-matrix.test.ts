/**
 * The access matrix: every route of the OpenAPI document × whoever may not. A route that has no row in the table of rights, or none of what
 * this file needs to ask for it, fails here.
 */
import { env, exports } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { INBOX_SCOPES, RIGHTS, type Right, SCOPES, type Scope } from '../../src/domain/access.ts'
import { createApiKey } from '../../src/store/api-keys.ts'
import { saveArticle } from '../../src/store/articles.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { assistant, inbox, received, site } from './cast.ts'
import { mail } from './mail.ts'
import { asking, member } from './staff.ts'
import { visitor, webChat } from './visitor.ts'

interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  format?: string
  default?: unknown
  example?: unknown
  examples?: unknown[]
  required?: string[]
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  minimum?: number
  minLength?: number
  minItems?: number
}
interface Operation {
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
}
interface Page {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

const page = (await (await exports.default.fetch('http://edgedesk.test/openapi.json')).json()) as Page

interface Route {
  row: string
  method: string
  path: string
  operation: Operation
  right: Right | undefined
}
const all = Object.entries(page.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => {
    const bare = path.replace(/(.)\/$/, '$1')
    return { row: `${method.toUpperCase()} ${bare}`, method: method.toUpperCase(), path: bare, operation }
  }),
)
const open = all.filter(route => RIGHTS[route.row] === 'anybody' || route.path === '/health')
const guarded: Route[] = all
  .filter(route => !open.includes(route))
  .map(route => ({ ...route, right: RIGHTS[route.row] as Right | undefined }))
/** Those that only a person has are asked by people, in sign-in.test.ts and people.test.ts. */
const keyed = guarded.filter(route => route.right?.keys !== false)
const named = (routes: Route[]) => routes.map(route => [route.row, route] as const)

type Headers = Record<string, string>

/** Asks for a route as its schema says, with these ids in its path and its query. */
async function ask(route: Route, headers: Headers, ids: Record<string, string> = {}): Promise<Response> {
  const id = (name: string) => ids[name] ?? newId()
  let path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    name === 'n' ? '0' : id(name === 'id' ? nounOf(route.path) : name),
  )
  const query = (route.operation.parameters ?? [])
    .filter(one => one.in === 'query' && one.required)
    .map(
      one => `${one.name}=${encodeURIComponent(ids[one.name] ?? String(example(one.schema, ids, one.name)))}`,
    )
  if (query.length > 0) path += `?${query.join('&')}`
  const content = route.operation.requestBody?.content ?? {}
  const json = content['application/json']
  const form = content['multipart/form-data']
  const other = Object.keys(content)[0]
  const body = json
    ? JSON.stringify(example(json.schema, ids))
    : form
      ? new FormData()
      : other
        ? 'x'
        : undefined
  if (body instanceof FormData) body.append('file', new File(['x'], 'x.txt', { type: 'text/plain' }))
  return exports.default.fetch(`http://edgedesk.test${path}`, {
    method: route.method,
    headers: {
      ...headers,
      ...(json ? { 'content-type': 'application/json' } : other && !form ? { 'content-type': other } : {}),
    },
    ...(body === undefined ? {} : { body }),
  })
}

/** `/api/v1/inboxes/{id}/check` → inboxes */
function nounOf(path: string): string {
  return /^\/api\/(?:v1\/)?([\w-]+)/.exec(path)![1]!
}

/** A value that the schema takes, with required fields only, and these ids where a field is named for a noun. */
function example(schema: Schema, ids: Record<string, string>, name = ''): unknown {
  if (schema.$ref) return example(page.components.schemas[schema.$ref.split('/').at(-1)!]!, ids, name)
  const known = ids[name] ?? ids[`${name}s`] ?? ids[`${name.replace(/Id$/, '')}s`]
  if (known && (schema.type === 'string' || schema.format === 'uuid')) return known
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return schema.enum[0]
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map(one => example(one, ids, name)))
  const some = schema.anyOf ?? schema.oneOf
  if (some) return example(some[0]!, ids, name)
  if (schema.example !== undefined) return schema.example
  if (schema.default !== undefined) return schema.default
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'object':
      return Object.fromEntries(
        (schema.required ?? []).map(field => [field, example(schema.properties![field]!, ids, field)]),
      )
    case 'array':
      return schema.minItems ? [example(schema.items!, ids, name)] : []
    case 'integer':
    case 'number':
      return schema.minimum ?? 1
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      if (schema.format === 'uuid') return newId()
      if (schema.format === 'email') return `${newId()}@team.test`
      if (schema.format === 'uri') return 'https://hooks.example/edgedesk'
      return 'x'.repeat(Math.max(1, schema.minLength ?? 1))
  }
}

async function keyWith(siteId: string, scopes: readonly Scope[], inboxes: string[] | null = null) {
  const fields = {
    name: 'scoped',
    scopes: JSON.stringify(scopes),
    inboxes: inboxes && JSON.stringify(inboxes),
    rateLimit: 1_000_000,
  }
  const { key } = await createApiKey(db(env.DB), env.KEK, siteId, fields, Date.now())
  return { authorization: `Api-Key ${key}` }
}

const refusal = async (answer: Response) => {
  const text = await answer.text()
  const { error } = (text.startsWith('{') ? JSON.parse(text) : {}) as {
    error?: { code: string; message: string }
  }
  return { status: answer.status, code: error?.code.toLowerCase(), message: error?.message }
}

let here: { siteId: string; headers: Headers }
let there: { siteId: string; headers: Headers }
/** What there is of another site, by noun. */
let ids: Record<string, string>

beforeAll(async () => {
  here = await site()
  there = await site()
  const { siteId } = there
  const config = await inbox(siteId)
  const attached =
    '--b\r\n\r\nSee the file.\r\n--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nsecret\r\n--b--'
  const [one] = await received(config, [
    mail({ to: config.address, headers: ['Content-Type: multipart/mixed; boundary=b'], text: attached }),
  ])
  const assistantId = await assistant(siteId)
  const article = newId()
  await saveArticle(db(env.DB), env.SEARCH, {
    id: article,
    siteId,
    assistantId,
    title: 'Secret',
    body: 'Secret',
    url: null,
    language: 'en',
    createdAt: 1,
    updatedAt: 1,
  })
  const as = asking(there.headers)
  const made = async (path: string, body: object) => (await as('POST', path, body)).json.id as string
  const conversation = (await as('GET', `/conversations/${one!.conversationId}`)).json
  ids = {
    inboxes: config.inboxId,
    conversations: one!.conversationId,
    messages: one!.messageId,
    emails: one!.messageId,
    drafts: newId(),
    contacts: conversation.contact.id,
    assistants: assistantId,
    articles: article,
    members: (await member(siteId, 'agent')).id,
    'api-keys': await made('/api-keys/', { name: 'x', scopes: ['keys:read'] }),
    invitations: await made('/invitations/', { email: `${newId()}@team.test`, role: 'agent' }),
    sites: siteId,
    site_id: siteId,
  }
})

describe('the table of rights', () => {
  it('AC8 has a row for every route, and no other', () => {
    const served = all.map(route => route.row).filter(row => !row.endsWith(' /health'))
    expect(served.filter(row => RIGHTS[row] === undefined)).toEqual([])
    expect(Object.keys(RIGHTS).filter(row => !served.includes(row))).toEqual([])
    expect(guarded.length).toBeGreaterThan(60)
  })

  it('AC8 knows every scope it names, and names every scope it knows', () => {
    const used = new Set(guarded.map(route => route.right!.scope).filter(scope => scope !== null))
    expect([...used].toSorted()).toEqual(SCOPES.filter(scope => used.has(scope)).toSorted())
    // Read rights without a write, and settings that other parts bring.
    expect(SCOPES.filter(scope => !used.has(scope)).filter(scope => !scope.startsWith('settings:'))).toEqual(
      [],
    )
  })
})

describe('nobody', () => {
  it.each(named(guarded))('AC2 %s without a key, or with one that is none, is 401', async (_, route) => {
    const wrong: Headers[] = [
      {},
      { authorization: `Api-Key ed_${newId().replaceAll('-', '')}_${'A'.repeat(43)}` },
      { authorization: 'Basic YTpi' },
      { 'x-api-key': 'undefined' },
      { authorization: `Bearer ct_e30.${'A'.repeat(43)}` },
      { cookie: `__Host-edgedesk.session_token=${'A'.repeat(32)}.${'A'.repeat(43)}%3D` },
      { 'cf-access-jwt-assertion': 'e30.e30.e30' },
    ]
    for (const headers of wrong)
      expect(await refusal(await ask(route, headers, ids)), JSON.stringify(headers)).toMatchObject({
        status: 401,
        code: 'unauthorized',
      })
  })
})

describe('a key', () => {
  it.each(named(guarded))('AC9 %s without the scope is 403, and with it not', async (_, route) => {
    const { scope, also, keys } = route.right!
    const lacking = await keyWith(
      here.siteId,
      SCOPES.filter(one => one !== scope),
    )
    const without = await refusal(await ask(route, lacking))
    if (!keys) return expect(without).toMatchObject({ status: 403, code: 'forbidden' })
    if (scope === null) return expect(without.status).toBeLessThan(300)
    expect(without).toMatchObject({
      status: 403,
      code: 'forbidden',
      message: `This API key needs the scope ${scope} for that.`,
    })
    if (also !== null)
      expect(await refusal(await ask(route, await keyWith(here.siteId, [scope])))).toMatchObject({
        status: 403,
        message: `This API key needs the scope ${also} for that.`,
      })
    const enough = await keyWith(here.siteId, also === null ? [scope] : [scope, also])
    const having = await refusal(await ask(route, enough))
    expect(having.status).not.toBe(401)
    // Other reasons may stand behind it: a key gives no other key more than it has itself.
    expect(having.message ?? '').not.toContain('needs the scope')
  })

  it.each(named(keyed.filter(route => /\{(id|site_id)\}/.test(route.path))))(
    'AC5 %s of another site is not there',
    async (_, route) => {
      const answer = await refusal(await ask(route, here.headers, ids))
      expect(answer.status).toBe(404)
      expect(answer.code).toMatch(/not_found/)
    },
  )

  it.each(named(keyed.filter(route => route.method === 'GET' && !route.path.includes('{'))))(
    'AC5 %s lists nothing of another site',
    async (_, route) => {
      const text = await (await ask(route, here.headers, ids)).text()
      for (const id of Object.values(ids)) expect(text).not.toContain(id)
    },
  )

  it.each(named(guarded.filter(route => route.path.includes('{id}'))))(
    'AC10 %s with a key of another inbox is 403 or 404',
    async (_, route) => {
      const other = await inbox(there.siteId)
      const headers = await keyWith(there.siteId, INBOX_SCOPES, [other.inboxId])
      expect([403, 404]).toContain((await ask(route, headers, ids)).status)
    },
  )
})

describe('a visitor of a web chat', () => {
  let chat: Awaited<ReturnType<typeof webChat>>
  beforeAll(async () => {
    chat = await webChat()
  })

  it.each(named(guarded))('AC11 %s is theirs only where the table says so', async (_, route) => {
    const { session, conversation } = await visitor(chat.id)
    const headers = { authorization: `Bearer ${session.token}` }
    const { status, code } = await refusal(await ask(route, headers, { ...ids, conversations: conversation }))
    if (!route.right!.contact) return expect({ status, code }).toEqual({ status: 403, code: 'forbidden' })
    expect(status).not.toBe(403)
    // What is another visitor's, or no visitor's at all, is not there.
    if (route.path.includes('{id}')) expect((await ask(route, headers, ids)).status).toBe(404)
  })
})

describe('a member', () => {
  it.each(named(guarded.filter(route => route.right?.role !== 'agent')))(
    'MB7 %s is not for an agent',
    async (_, route) => {
      const agent = await member(there.siteId, 'agent')
      expect(await refusal(await ask(route, agent.headers, ids))).toMatchObject({
        status: 403,
        code: 'forbidden',
      })
    },
  )

  it.each(named(guarded.filter(route => route.right?.role === 'owner')))(
    'MB7 %s is not for an admin',
    async (_, route) => {
      const admin = await member(there.siteId, 'admin')
      expect(await refusal(await ask(route, admin.headers, ids))).toMatchObject({
        status: 403,
        message: 'Only an owner may do that.',
      })
    },
  )

  const OF_AN_INBOX = ['inboxes', 'conversations', 'messages', 'drafts', 'emails', 'contacts']
  it.each(
    named(guarded.filter(route => route.path.includes('{id}') && OF_AN_INBOX.includes(nounOf(route.path)))),
  )('N6 %s without the inbox is 403 or 404', async (_, route) => {
    const agent = await member(there.siteId, 'agent', [])
    expect([403, 404]).toContain((await ask(route, agent.headers, ids)).status)
  })

  it.each(named(guarded.filter(route => route.method === 'GET' && OF_AN_INBOX.includes(nounOf(route.path)))))(
    'N6 %s shows nothing of it',
    async (_, route) => {
      const agent = await member(there.siteId, 'agent', [])
      const text = await (await ask(route, agent.headers, ids)).text()
      for (const noun of OF_AN_INBOX) expect(text).not.toContain(ids[noun])
    },
  )
})

it('AC5 nothing of the other site was changed or lost by all that', async () => {
  const as = asking(there.headers)
  for (const [noun, id] of Object.entries(ids))
    if (!['drafts', 'emails', 'sites', 'site_id'].includes(noun))
      expect((await as('GET', `/${noun}/${id}`)).status, noun).toBe(noun === 'invitations' ? 404 : 200)
  expect((await as('GET', '/invitations/')).json.items).toMatchObject([{ id: ids.invitations }])
})
