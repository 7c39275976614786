/**
 * Requests made up from the OpenAPI document, right ones and wrong ones: none of them may break anything, every answer is as documented,
 * and nothing of another site is in any. How many: REQUESTS (10,000 for the figure in the README); the seed is printed.
 */
import { env, exports } from 'cloudflare:workers'
import type { OpenAPIHono } from '@hono/zod-openapi'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { app } from '../../src/app.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { inboxes } from '../../src/store/schema.ts'
import { newWebChat } from '../../src/store/web-chats.ts'
import { assistant, inbox, received, site } from './cast.ts'
import { mail } from './mail.ts'
import { member } from './staff.ts'

interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  enum?: unknown[]
  const?: unknown
  pattern?: string
  minimum?: number
  maximum?: number
  maxLength?: number
  minLength?: number
  items?: Schema
  maxItems?: number
  minItems?: number
  properties?: Record<string, Schema>
  required?: string[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  example?: unknown
}
interface Parameter {
  name: string
  in: 'query' | 'path' | 'header'
  required?: boolean
  schema: Schema
}
interface Operation {
  responses: Record<string, unknown>
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
}
interface Page {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}
interface Sent {
  method: string
  path: string
  query: Record<string, string>
  headers: Record<string, string>
  body: unknown
}

const page = (await (await exports.default.fetch('http://edgedesk.test/openapi.json')).json()) as Page
const SECRET = 'zzq-secret-of-another-site'
/** Those call servers of elsewhere, which takes its time and is tested with servers that are there. */
const OUTSIDE = /test-connection|\/check$|\/endpoints\/\{id\}\/test$|sendEmail/
const operations = Object.entries(page.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, operation]) =>
    OUTSIDE.test(path) || !path.startsWith('/api/') ? [] : [{ path, method, operation }],
  ),
)

/** A site with something in each drawer, and ids to ask for. */
async function furnished(name: string) {
  const who = await site()
  const assistantId = await assistant(who.siteId)
  const config = await inbox(who.siteId)
  const webChat = newId()
  await db(env.DB)
    .insert(inboxes)
    .values(newWebChat({ id: webChat, siteId: who.siteId, assistantId: null, name, at: Date.now() }))
  const ask = async (path: string, body: unknown) => {
    const answer = await exports.default.fetch(`http://edgedesk.test/api/v1${path}`, {
      ...{ method: 'POST', body: JSON.stringify(body) },
      headers: { ...who.headers, 'content-type': 'application/json' },
    })
    return (await answer.json()) as { id: string; contact?: { id: string } }
  }
  const begun = await ask('/conversations', { webChat })
  const said = await ask('/messages', { conversation: begun.id, content: `Hello ${name}` })
  const written = await received(config, [mail({ to: config.address, text: `Mail ${name}` })])
  const colleague = await member(who.siteId, 'agent')
  const contact = await ask('/contacts', { name, labels: [name] })
  const hook = (await ask('/endpoints', { url: 'https://example.com/hook', types: ['*'] })) as unknown as {
    endpoint: { id: string }
  }
  const invited = await ask('/invitations', { email: `${newId()}@team.test`, role: 'agent' })
  const key = await ask('/api-keys', { name, scopes: ['messages:read'] })
  return {
    ...who,
    ids: {
      ...{ 'web-chats': [webChat], conversations: [begun.id, written[0]!.conversationId] },
      ...{ messages: [said.id, written[0]!.messageId], contacts: [begun.contact!.id, contact.id] },
      ...{ endpoints: [hook.endpoint.id], invitations: [invited.id], 'api-keys': [key.id] },
      ...{ assistants: [assistantId], inboxes: [config.inboxId, webChat], members: [colleague.id] },
    } as Record<string, string[]>,
  }
}

/** What a field that is an id is an id of. */
const NOUNS: Record<string, string> = {
  ...{ conversation: 'conversations', with: 'conversations', messages: 'messages', webChat: 'web-chats' },
  ...{ contact: 'contacts', assistantId: 'assistants', inbox: 'inboxes', inboxId: 'inboxes' },
  ...{ inboxes: 'inboxes', assignee: 'members' },
}
type Ids = (noun: string) => fc.Arbitrary<string>

const resolved = (schema: Schema): Schema =>
  schema.$ref ? page.components.schemas[schema.$ref.split('/').at(-1)!]! : schema

/** Values that fit a schema, as far as a document can say. */
function fitting(given: Schema, ids: Ids, noun: string, depth = 0): fc.Arbitrary<unknown> {
  const schema = resolved(given)
  const inner = (one: Schema) => fitting(one, ids, noun, depth + 1)
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) return fc.oneof(...choices.map(inner))
  if (schema.allOf) return fc.tuple(...schema.allOf.map(inner)).map(all => Object.assign({}, ...all))
  const types = [schema.type ?? (schema.properties ? 'object' : 'string')].flat()
  return fc.oneof(...types.map(type => ofType(type, schema, ids, noun, depth)))
}

function ofType(type: string, schema: Schema, ids: Ids, noun: string, depth: number): fc.Arbitrary<unknown> {
  const inner = (one: Schema) => fitting(one, ids, noun, depth + 1)
  switch (type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
    case 'number':
      return fc.integer({ min: schema.minimum ?? -5, max: Math.min(schema.maximum ?? 500, 1_000_000) })
    case 'array':
      if (depth > 4) return fc.constant([])
      return fc.array(inner(schema.items ?? {}), {
        minLength: Math.min(schema.minItems ?? 0, 3),
        maxLength: Math.min(schema.maxItems ?? 3, 3),
      })
    case 'object': {
      const { properties = {}, required = [] } = schema
      const fields = Object.fromEntries(
        Object.entries(properties).map(([name, one]) => [
          name,
          fitting(one, ids, NOUNS[name] ?? noun, depth + 1),
        ]),
      )
      const requiredKeys = Object.keys(fields).filter(name => required.includes(name))
      return fc.record(fields, { requiredKeys })
    }
    default:
      return text(schema, ids(noun))
  }
}

function text(schema: Schema, ids: fc.Arbitrary<string>): fc.Arbitrary<string> {
  if (schema.format === 'uuid') return ids
  if (schema.format === 'email') return fc.constantFrom('ann@customer.test', 'bo@customer.test')
  if (schema.format === 'uri') return fc.constantFrom('https://example.com/x', 'http://10.0.0.1/')
  if (typeof schema.example === 'string') return fc.oneof(fc.constant(schema.example), words)
  const maxLength = Math.min(schema.maxLength ?? 40, 200)
  return fc.oneof(ids, words, fc.string({ minLength: Math.min(schema.minLength ?? 0, maxLength), maxLength }))
}

const words = fc.constantFrom(
  'Hello',
  '退款',
  '<b>x</b>',
  "'; DROP TABLE sites; --",
  '\u0000',
  '😀'.repeat(20),
  ' ',
)
const anything = fc.oneof(fc.jsonValue({ maxDepth: 2 }), words, fc.constant('x'.repeat(5_000)))

/** As documented; and now and then not. */
function requests(ids: Ids): fc.Arbitrary<Sent> {
  return fc.constantFrom(...operations).chain(({ path, method, operation }) => {
    const noun = path.split('/')[3] ?? ''
    const parameters = operation.parameters ?? []
    const valueFor = (one: Parameter) =>
      fc.oneof(
        { weight: 6, arbitrary: fitting(one.schema, ids, NOUNS[one.name] ?? noun) },
        { weight: 1, arbitrary: anything },
      )
    const named = (where: Parameter['in']) =>
      fc.record(
        Object.fromEntries(parameters.filter(one => one.in === where).map(one => [one.name, valueFor(one)])),
        { requiredKeys: parameters.filter(one => one.in === where && one.required).map(one => one.name) },
      )
    const schema = operation.requestBody?.content['application/json']?.schema
    const body = schema
      ? fc.oneof(
          { weight: 6, arbitrary: fitting(schema, ids, noun) },
          { weight: 1, arbitrary: anything },
          { weight: 1, arbitrary: fc.record({ surprise: anything }) },
        )
      : fc.constant(undefined)
    return fc
      .tuple(named('path'), named('query'), named('header'), body)
      .map(([inPath, query, headers, sent]) => ({
        method: method.toUpperCase(),
        path: path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
          encodeURIComponent(stringsOf(inPath as object)[name] || 'x'),
        ),
        query: stringsOf(query),
        headers: Object.fromEntries(
          Object.entries(stringsOf(headers)).filter(([, value]) => /^[!-~]{1,200}$/.test(value)),
        ),
        body: sent,
      }))
  })
}

function stringsOf(values: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).toWellFormed(),
    ]),
  )
}

interface Documented {
  method: string
  path: string
  responses: Record<string, { content?: Record<string, { schema: z.ZodType }> }>
}
/** The routes with their zod schemas, as the document was made from them. */
const documented = (app as unknown as OpenAPIHono).openAPIRegistry.definitions.flatMap(one =>
  one.type === 'route' ? [one.route as unknown as Documented] : [],
)
const bare = (path: string) => path.replace(/(.)\/$/, '$1')

function routeOf({ method, path }: Sent): Documented | undefined {
  const parts = bare(path).split('/')
  const fits = (one: Documented) => {
    const pattern = bare(one.path).split('/')
    return (
      one.method === method.toLowerCase() &&
      pattern.length === parts.length &&
      pattern.every((part, n) => part.startsWith('{') || part === parts[n])
    )
  }
  const found = documented.filter(fits)
  // What stands there literally comes before what is any id.
  return found.toSorted((a, b) => a.path.split('{').length - b.path.split('{').length)[0]
}

async function sent(request: Sent, authorization: Record<string, string>) {
  const url = new URL(`http://edgedesk.test${request.path}`)
  for (const [name, value] of Object.entries(request.query)) url.searchParams.set(name, value)
  const answer = await exports.default.fetch(url.href, {
    method: request.method,
    headers: {
      ...request.headers,
      ...authorization,
      ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    redirect: 'manual',
  })
  return { status: answer.status, type: answer.headers.get('content-type') ?? '', text: await answer.text() }
}

function check(request: Sent, answer: Awaited<ReturnType<typeof sent>>): void {
  expect(answer.status, answer.text).toBeLessThan(500)
  expect(answer.text).not.toContain(SECRET)
  const route = routeOf(request)
  if (!route) return
  const said = page.paths[route.path]?.[route.method] ?? page.paths[bare(route.path)]?.[route.method]
  expect(said, `${route.method} ${route.path}`).toBeDefined()
  expect(Object.keys(said!.responses), `${answer.text.slice(0, 300)}`).toContain(String(answer.status))
  const schema = route.responses[answer.status]?.content?.['application/json']?.schema
  if (!schema || !answer.type.includes('json')) return
  const json: unknown = JSON.parse(answer.text)
  const parsed = schema.safeParse(json)
  expect(parsed.error, answer.text.slice(0, 500)).toBeUndefined()
}

const BATCH = 250

describe('random requests', () => {
  const runs = Number(env.REQUESTS)
  it(`RQ1 ${runs} requests made up from the document break nothing, are answered as documented, and tell nothing of another site`, {
    timeout: 60_000 + runs * 60,
  }, async () => {
    const seed = Number(env.SEED) || Math.floor(Math.random() * 2 ** 31)
    console.log(`random requests: seed ${seed}`)
    const seen = new Map<number, number>()
    const other = await furnished(SECRET)
    // Much is deleted on the way, so the house is furnished anew now and then.
    for (let n = 0; n < runs; n += BATCH) {
      const mine = await furnished('mine')
      await env.DB.prepare('UPDATE api_keys SET rate_limit = 1000000 WHERE site_id = ?')
        .bind(mine.siteId)
        .run()
      const ids: Ids = noun =>
        fc.oneof(
          { weight: 12, arbitrary: fc.constantFrom(...(mine.ids[noun] ?? Object.values(mine.ids).flat())) },
          { weight: 1, arbitrary: fc.constantFrom(...Object.values(other.ids).flat()) },
          { weight: 1, arbitrary: fc.oneof(fc.uuid(), fc.constantFrom('', 'x', '..', '%00')) },
        )
      await fc.assert(
        fc.asyncProperty(requests(ids), async request => {
          const answer = await sent(request, mine.headers)
          seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1)
          check(request, answer)
        }),
        { numRuns: Math.min(BATCH, runs - n), seed: seed + n, endOnFailure: true },
      )
    }
    console.log(`random requests: ${[...seen].map(([status, n]) => `${n} × ${status}`).join(', ')}`)
    // What is refused for its form alone proves little.
    expect(seen.get(200) ?? 0).toBeGreaterThan(runs / 10)
  })
})
