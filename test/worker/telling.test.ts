import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { Received } from '../servers/webhook-receiver.ts'
import { call, type Json } from './call.ts'
import { site } from './cast.ts'
import { until } from './mail.ts'

let count = 0

/** An assistant's web chat, and a receiver that is told of these types. */
async function told(types: string[] = ['*']) {
  const who = await site()
  const made = await call('/assistants', who.headers, 'POST', { name: 'Ada', kind: 'knowledge' })
  const name = `telling-${Date.now()}-${++count}`
  const url = `${env.TEST_HOOKS}/${name}`
  await call('/endpoints', who.headers, 'POST', { url, types })
  const begin = async () => {
    const { body } = await call('/conversations', who.headers, 'POST', { webChat: made.body.webChatId })
    return body.id as string
  }
  const say = (conversation: string, content: string) =>
    call('/messages', who.headers, 'POST', { conversation, content })
  const calls = async (at = name) =>
    ((await (await fetch(`${env.TEST_HOOKS}/-/seen?name=${at}`)).json()) as { seen: Received[] }).seen
  const events = async () => (await calls()).map(one => JSON.parse(one.body) as Json)
  return { ...who, assistantId: made.body.id as string, begin, say, calls, events, name }
}

describe('telling others', () => {
  it('TO1 TO2 M10 what happens in a conversation is told once each, in its order', async () => {
    const { headers, begin, say, events, calls } = await told()
    const id = await begin()
    await call(`/conversations/${id}`, headers, 'PATCH', { owner: 'person' })
    await say(id, 'Hello')
    await call('/messages/outgoing', headers, 'POST', { conversation: id, content: 'Hi' })
    await call(`/conversations/${id}`, headers, 'PATCH', { status: 'closed' })
    const expected = [
      ...['conversation.created', 'handoff.started', 'message.created'],
      ...['message.created', 'delivery.sent', 'conversation.closed'],
    ]
    const all = await until(async () => {
      const seen = await events()
      return seen.length >= expected.length && seen
    })
    expect(all.map(one => one.type)).toEqual(expected)
    expect(all.map(one => one.sequence)).toEqual(expected.map((_, n) => n + 1))
    expect(new Set((await calls()).map(one => one.headers['webhook-id'])).size).toBe(expected.length)
    expect(all.every(one => one.conversation === id)).toBe(true)
    expect(all[2]!.data).toMatchObject({ conversation: id, type: 'incoming', content: 'Hello' })
    expect(all.at(-1)!.data).toMatchObject({ id, status: 'closed', owner: 'person' })
  })

  it('TO1 a message is told with its sender’s number to the last digit', async () => {
    const { begin, say, calls } = await told(['message.created'])
    const said = await say(await begin(), 'Hello')
    const [one] = await until(async () => {
      const seen = await calls()
      return seen.length > 0 && seen
    })
    const number = /"sender":\{"id":(\d+)/
    expect(number.exec(one!.body)![1]).toBe(number.exec(said.text)![1])
  })

  it('TO1 the reply webhook gets each answer as seed 003 writes a message, and what a person took back never', async () => {
    const { headers, assistantId, begin, calls } = await told([])
    const name = `reply-${Date.now()}`
    const url = `${env.TEST_HOOKS}/${name}`
    await call(`/assistants/${assistantId}`, headers, 'PATCH', { replyWebhookUrl: url })
    const id = await begin()
    await call(`/conversations/${id}`, headers, 'PATCH', { owner: 'person' })
    const write = (content: string, undoSeconds: number) =>
      call('/messages/outgoing', headers, 'POST', { conversation: id, content, undoSeconds })
    const undone = await write('Wrong', 10)
    await call(`/messages/${undone.body.id}/undo`, headers, 'POST')
    const held = await write('Right', 1)
    const now = await write('Now', 0)
    const seen = await until(async () => {
      const all = (await calls(name)).map(one => JSON.parse(one.body) as Json)
      return all.length >= 2 && all
    })
    expect(seen.map(one => one.id).sort()).toEqual([held.body.id, now.body.id].sort())
    expect(seen.find(one => one.id === now.body.id)).toMatchObject({
      ...{ conversation: id, type: 'outgoing', content: 'Now', feedback: null },
      ...{ attachments: [], citations: [], citationNodes: [] },
    })
  })

  it('ED1 what is erased leaves the logs of the webhooks too', async () => {
    const { headers, begin, say, calls } = await told(['message.created'])
    const id = await begin()
    await say(id, 'An okapi')
    await until(async () => (await calls()).length > 0)
    const endpoint = ((await call('/endpoints', headers)).body.items as Json[])[0]!.id
    const log = async () => (await call(`/endpoints/${endpoint}/deliveries`, headers)).body.items as Json[]
    await until(async () => (await log()).length > 0)
    await call(`/conversations/${id}`, headers, 'DELETE')
    expect(await log()).toEqual([])
  })
})
