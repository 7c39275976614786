import { exports } from 'cloudflare:workers'
import { expect, expectTypeOf, it } from 'vitest'
import { edgedesk } from '../../src/client.ts'
import { newId } from '../../src/store/ids.ts'
import { site } from './cast.ts'

const client = (key: string) =>
  edgedesk('http://edgedesk.test', key, {
    fetch: (input: string | URL | Request, init?: RequestInit) => exports.default.fetch(String(input), init),
  })

it('WI9 the typed client says what a route takes and what it answers', async () => {
  const { apiKey } = await site()
  const { api } = client(apiKey)
  const made = await api.v1['web-chats'].$post({ json: { name: 'Shop' } })
  if (!made.ok) throw new Error((await made.json()).error.message)
  const chat = await made.json()
  expectTypeOf(chat.name).toEqualTypeOf<string>()
  const begun = await api.v1.conversations.$post({ json: { webChat: chat.id } })
  if (begun.status !== 200) throw new Error(await begun.text())
  const { id: conversation } = await begun.json()
  const said = await api.v1.messages.$post({ json: { conversation, content: 'Hello' } })
  if (!said.ok) throw new Error(await said.text())
  const message = await said.json()
  expectTypeOf(message.type).toEqualTypeOf<'incoming' | 'outgoing'>()
  expect(message).toMatchObject({ conversation, content: 'Hello', type: 'incoming' })
  const listed = await api.v1.messages.$get({ query: { conversation } })
  if (!listed.ok) throw new Error(await listed.text())
  expect((await listed.json()).items).toMatchObject([{ id: message.id }])
})

it('WI9 the typed client asks for no query where a route has none, and refuses one while it is compiled', async () => {
  const { apiKey } = await site()
  const { me, conversations, messages } = client(apiKey).api.v1
  const mine = await me.$get()
  expect(mine.status).toBe(200)
  type Said = Parameters<typeof messages.$post>[0]
  expectTypeOf<Said>().not.toHaveProperty('query')
  expectTypeOf<Parameters<(typeof conversations)[':id']['$get']>[0]>().toEqualTypeOf<{
    param: { id: string }
  }>()
  expectTypeOf<Parameters<typeof conversations.$get>[0]>().toHaveProperty('query')
  // @ts-expect-error A route without a query.
  const typed: Said = { json: { conversation: '', content: '' }, query: { limit: '1' } }
  const refused = await messages.$post(typed)
  expect(refused.status).toBe(400)
  expect(await refused.json()).toMatchObject({ error: { code: 'unknown_field', field: 'limit' } })
})

it('WI9 the typed client knows what an error looks like', async () => {
  const { apiKey } = await site()
  const refused = await client(apiKey).api.v1.conversations[':id'].$get({ param: { id: 'nobody' } })
  if (refused.ok) throw new Error('there is one')
  const { error } = await refused.json()
  expectTypeOf(error.code).toEqualTypeOf<string>()
  expectTypeOf(error.field).toEqualTypeOf<string | undefined>()
  expect(error).toMatchObject({ code: 'not_found', message: expect.stringMatching(/\.$/) })
  const wrong = await client(apiKey).api.v1.endpoints.$post({
    json: { url: 'https://hooks.example.com', types: ['*', 'message.create'] },
  })
  if (wrong.ok) throw new Error('there is such a type')
  const { field, message } = (await wrong.json()).error
  expect(field).toBe('types.1')
  for (const part of ['"message.create" is not', ' message.*', ' message.created,', ' delivery.delayed.'])
    expect(message).toContain(part)
})

it('ER4 each route names the query parameter that it does not know, those too of which the client takes none', async () => {
  const { headers } = await site()
  interface Operation {
    parameters?: { in: string; required?: boolean }[]
    security?: []
  }
  const document = await (await exports.default.fetch('http://edgedesk.test/openapi.json')).json()
  const { paths } = document as { paths: Record<string, Record<string, Operation>> }
  // One that must be there is missed first. Health asks for nobody, and monitors add what they like.
  const asked = ({ parameters = [], security }: Operation) =>
    security === undefined && !parameters.some(one => one.in === 'query' && one.required)
  const routes = Object.entries(paths)
    .filter(([path]) => path.startsWith('/api/v1/'))
    .flatMap(([path, methods]) =>
      Object.keys(methods).flatMap(method => (asked(methods[method]!) ? [{ method, path }] : [])),
    )
  expect(routes.length).toBeGreaterThan(90)
  const codes = new Map<string, string[]>()
  for (const { method, path } of routes) {
    const place = path.replace('{n}', '0').replaceAll(/\{\w+\}/g, () => newId())
    const url = `http://edgedesk.test${place}?colour=red`
    const answer = await exports.default.fetch(url, { method: method.toUpperCase(), headers })
    const { error } = (await answer.json()) as { error: { code: string; field?: string } }
    const said = `${answer.status} ${error.code} ${error.field}`
    codes.set(said, [...(codes.get(said) ?? []), `${method} ${path}`])
  }
  const forbidden = codes.get('403 forbidden undefined') ?? []
  // What is for people only is refused to a key before anything is read.
  expect(forbidden.filter(one => !/\/me\b|reset-link$/.test(one))).toEqual([])
  expect([...codes.keys()].sort()).toEqual(['400 unknown_field colour', '403 forbidden undefined'])
})
