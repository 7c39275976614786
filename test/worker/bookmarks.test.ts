import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { inboxes } from '../../src/store/schema.ts'
import { newWebChat } from '../../src/store/web-chats.ts'
import { call, type Json } from './call.ts'
import { inbox, received, site } from './cast.ts'
import { mail } from './mail.ts'

/** Of an answer to a write: what reads after it. */
function reading(answer: Awaited<ReturnType<typeof call>>, headers: Record<string, string>) {
  expect(answer.status).toBeLessThan(300)
  const bookmark = answer.headers.get('x-d1-bookmark')
  expect(bookmark).toMatch(/^[\w-]+$/)
  const as = { ...headers, 'x-d1-bookmark': bookmark! }
  return async (path: string) => call(path, as)
}

async function chat() {
  const who = await site()
  await inbox(who.siteId)
  const webChat = newId()
  await db(env.DB)
    .insert(inboxes)
    .values(newWebChat({ id: webChat, siteId: who.siteId, assistantId: null, name: 'Chat', at: Date.now() }))
  const { body } = await call('/conversations/', who.headers, 'POST', { webChat })
  const conversation = body.id as string
  await call('/messages/', who.headers, 'POST', { conversation, content: 'Hello' })
  const write = (more: Json = {}) =>
    call('/messages/outgoing', who.headers, 'POST', { conversation, content: 'By card.', ...more })
  const shown = async (read: ReturnType<typeof reading>, id: unknown) =>
    ((await read(`/messages?conversation=${conversation}`)).body.items as Json[]).find(one => one.id === id)
  return { ...who, conversation, write, shown }
}

describe('a write is read by its bookmark', () => {
  it('RW1 what a person says, takes back and is told about it', async () => {
    const { headers, write, shown } = await chat()
    const held = await write({ undoSeconds: 10 })
    expect(await shown(reading(held, headers), held.body.id)).toMatchObject({
      delivery: { status: 'queued' },
    })
    const undone = await call(`/messages/${held.body.id}/undo`, headers, 'POST')
    expect(await shown(reading(undone, headers), held.body.id)).toMatchObject({
      delivery: { status: 'withdrawn' },
    })
    const said = await write()
    const liked = await call(`/messages/${said.body.id}/feedback`, headers, 'PUT', { type: 'like' })
    expect(await shown(reading(liked, headers), said.body.id)).toMatchObject({ feedback: { type: 'like' } })
  })

  it('RW1 a forward, a merge and an erasure', async () => {
    const { siteId, headers, conversation } = await chat()
    const forwarded = await call(`/conversations/${conversation}/forward`, headers, 'POST', {
      to: 'boss@team.test',
    })
    const { body } = await reading(
      forwarded,
      headers,
    )(`/messages?conversation=${forwarded.body.conversation}`)
    expect(body.items).toMatchObject([{ id: forwarded.body.id }])
    const config = await inbox(siteId)
    const [one] = await received(config, [mail({ to: config.address })])
    const [two] = await received(config, [mail({ to: config.address, subject: 'Another' })])
    const merged = await call(`/conversations/${two!.conversationId}/merge`, headers, 'POST', {
      with: one!.conversationId,
    })
    expect((await reading(merged, headers)(`/conversations/${merged.body.id}`)).body.id).toBe(merged.body.id)
    const erased = await call(`/conversations/${conversation}`, headers, 'DELETE')
    expect((await reading(erased, headers)(`/conversations/${conversation}`)).status).toBe(404)
  })

  it('RW1 contacts', async () => {
    const { headers } = await site()
    const added = await call('/contacts', headers, 'POST', { name: 'Ann', sourceId: 'C-1' })
    const path = '/contacts?sourceId=C-1'
    expect((await reading(added, headers)(path)).body.items).toMatchObject([{ name: 'Ann' }])
    const changed = await call(`/contacts/${added.body.id}`, headers, 'PATCH', { name: 'Anna' })
    expect((await reading(changed, headers)(path)).body.items).toMatchObject([{ name: 'Anna' }])
    const erased = await call(`/contacts/${added.body.id}`, headers, 'DELETE')
    expect((await reading(erased, headers)(path)).body.items).toEqual([])
  })
})
