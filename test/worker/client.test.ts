import { exports } from 'cloudflare:workers'
import { expect, expectTypeOf, it } from 'vitest'
import { edgedesk } from '../../src/client.ts'
import { site } from './cast.ts'

it('WI9 the typed client says what a route takes and what it answers', async () => {
  const { apiKey } = await site()
  const { api } = edgedesk('http://edgedesk.test', apiKey, {
    fetch: (input: string | URL | Request, init?: RequestInit) => exports.default.fetch(String(input), init),
  })
  const made = await api.v1['web-chats'].$post({ query: {}, json: { name: 'Shop' } })
  if (made.status !== 200) throw new Error(await made.text())
  const chat = await made.json()
  expectTypeOf(chat.name).toEqualTypeOf<string>()
  const begun = await api.v1.conversations.$post({ query: {}, json: { webChat: chat.id } })
  if (begun.status !== 200) throw new Error(await begun.text())
  const { id: conversation } = await begun.json()
  const said = await api.v1.messages.$post({ query: {}, json: { conversation, content: 'Hello' } })
  if (said.status !== 200) throw new Error(await said.text())
  const message = await said.json()
  expectTypeOf(message.type).toEqualTypeOf<'incoming' | 'outgoing'>()
  expect(message).toMatchObject({ conversation, content: 'Hello', type: 'incoming' })
  const refused = await api.v1.conversations[':id'].$get({ param: { id: 'nobody' }, query: {} })
  expect(refused.status).toBe(404)
})
