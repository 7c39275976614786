import { env, exports } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { inboxes } from '../../src/store/schema.ts'
import { newWebChat } from '../../src/store/web-chats.ts'
import { call, type Json } from './call.ts'
import { assistant, inbox, received, site } from './cast.ts'
import { mail, until } from './mail.ts'

/** A site with a web chat, answered by an assistant or by nobody. */
async function chat(about: { answered?: boolean; settings?: Parameters<typeof newWebChat>[1] } = {}) {
  const who = await site()
  const assistantId = about.answered === false ? null : await assistant(who.siteId)
  const webChat = newId()
  await db(env.DB)
    .insert(inboxes)
    .values(
      newWebChat(
        { id: webChat, siteId: who.siteId, assistantId, name: 'Chat', at: Date.now() },
        about.settings,
      ),
    )
  const { body } = await call('/conversations/', who.headers, 'POST', { webChat })
  const conversation = body.id as string
  const say = (content: string, more: Json = {}, headers: Record<string, string> = {}) =>
    call('/messages/', { ...who.headers, ...headers }, 'POST', { conversation, content, ...more })
  const messages = async () =>
    (await call(`/messages/?conversation=${conversation}`, who.headers)).body.items as Json[]
  return { ...who, webChat, assistantId, conversation, begun: body, say, messages }
}

describe('saying by API', () => {
  it('SA1 a conversation begins with every field of seed 003', async () => {
    const { begun, webChat } = await chat()
    expect(begun).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      contact: {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        name: '',
        avatar: null,
        createdAt: expect.stringMatching(/^\d{13}$/),
      },
      inbox: { id: webChat, name: 'Chat', channelType: 'web' },
      title: '',
      lastMessage: null,
      lastMessageCreatedAt: expect.stringMatching(/^\d{13}$/),
      unreadMessagesCount: 0,
      autoReplyEnabled: true,
      isAutoReplyNow: true,
      lastReadAt: null,
      createdAt: expect.stringMatching(/^\d{13}$/),
    })
  })

  it('SA1 SA4 a message is said with every field of seed 003, and the assistant answers by itself', async () => {
    const { say, messages, conversation, begun } = await chat()
    const { status, body, text } = await say('How do I get a refund?')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      conversation,
      sender: { name: '', avatar: null, uuid: (begun.contact as Json).id },
      ...{ type: 'incoming', content: 'How do I get a refund?', feedback: null },
      createdAt: expect.stringMatching(/^\d{13}$/),
      ...{ attachments: [], citations: [], citationNodes: [] },
    })
    // The UUID as an integer, to the last digit.
    const uuid = (body.sender as Json).uuid as string
    expect(/"id":(\d{30,39})/.exec(text)![1]).toBe(BigInt(`0x${uuid.replaceAll('-', '')}`).toString())
    const answer = await until(async () => (await messages())[1])
    expect(answer).toMatchObject({
      type: 'outgoing',
      delivery: { status: 'sent' },
      sender: { kind: 'assistant' },
    })
    expect(answer.content).toContain('30 days')
    expect((answer.citations as Json[])[0]).toMatchObject({ title: 'Refunds and returns' })
  })

  it('SA2 an assistant is made with a web chat, and keeps it until it goes', async () => {
    const { headers } = await site()
    const made = await call('/assistants/', headers, 'POST', { name: 'Bo', kind: 'knowledge' })
    const webChatId = made.body.webChatId as string
    expect((await call(`/web-chats/${webChatId}`, headers)).body).toMatchObject({
      ...{ id: webChatId, name: 'Bo', assistantId: made.body.id, mode: 'auto', paused: false },
    })
    expect((await call('/inboxes/', headers)).body.items).toEqual([])
    expect((await call('/conversations', headers, 'POST', { webChat: webChatId })).status).toBe(200)
    const changed = await call(`/web-chats/${webChatId}`, headers, 'PATCH', {
      whenClosed: 'new',
      responseDelay: 3,
    })
    expect(changed.body).toMatchObject({ whenClosed: 'new', responseDelay: 3, name: 'Bo' })
    const more = await call('/web-chats', headers, 'POST', { name: 'Shop', assistantId: made.body.id })
    expect((await call('/web-chats/', headers)).body.items).toHaveLength(2)
    expect((await call(`/web-chats/${more.body.id}`, headers, 'DELETE')).status).toBe(200)
    expect((await call(`/assistants/${made.body.id}`, headers, 'DELETE')).status).toBe(200)
    expect((await call(`/web-chats/${webChatId}`, headers)).status).toBe(404)
  })

  it('SA2 no web chat of another site begins a conversation, and no mailbox does', async () => {
    const [one, other] = [await chat(), await site()]
    const refused = await call('/conversations/', other.headers, 'POST', { webChat: one.webChat })
    expect(refused).toMatchObject({ status: 404, body: { error: { code: 'not_found', field: 'webChat' } } })
    const config = await inbox(other.siteId)
    expect((await call('/conversations/', other.headers, 'POST', { webChat: config.inboxId })).status).toBe(
      404,
    )
    const said = await call('/messages/', other.headers, 'POST', {
      conversation: one.conversation,
      content: 'x',
    })
    expect(said).toMatchObject({ status: 404, body: { error: { field: 'conversation' } } })
  })

  it('SA3 what comes by mail is not said by the API', async () => {
    const { siteId, headers } = await site()
    const config = await inbox(siteId)
    const [one] = await received(config, [mail({ to: config.address })])
    const refused = await call('/messages/', headers, 'POST', {
      conversation: one!.conversationId,
      content: 'x',
    })
    expect(refused).toMatchObject({ status: 422, body: { error: { code: 'not_by_api' } } })
  })

  it('SA3 IK1 the same Idempotency-Key says one thing, and with another body none', async () => {
    const { say, messages } = await chat({ answered: false })
    const key = { 'idempotency-key': 'order-1' }
    const first = await say('Hello', {}, key)
    const again = await say('Hello', {}, key)
    expect(again.text).toBe(first.text)
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(await say('Bye', {}, key)).toMatchObject({ status: 422, body: { error: { code: 'key_reused' } } })
    expect(await messages()).toHaveLength(1)
  })

  it('SA5 isAutoReplyNow is what would happen now', async () => {
    const { headers, conversation, webChat } = await chat()
    const now = async () => (await call(`/conversations/${conversation}`, headers)).body.isAutoReplyNow
    const chatIs = (change: Json) => call(`/web-chats/${webChat}`, headers, 'PATCH', change)
    const itIs = (change: Json) => call(`/conversations/${conversation}`, headers, 'PATCH', change)
    expect(await now()).toBe(true)
    await itIs({ autoReplyEnabled: false })
    expect(await now()).toBe(false)
    await itIs({ autoReplyEnabled: true, owner: 'person' })
    expect(await now()).toBe(false)
    await itIs({ owner: 'assistant' })
    await chatIs({ paused: true })
    expect(await now()).toBe(false)
    const never = [{ days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', to: '00:00' }]
    await chatIs({ paused: false, replyHours: { answer: 'outside', windows: never } })
    expect(await now()).toBe(false)
    await chatIs({ replyHours: { answer: 'inside', windows: never } })
    expect(await now()).toBe(true)
  })

  it('SA6 to a closed conversation nothing goes out, and what its contact says opens it', async () => {
    const { headers, conversation, say } = await chat({ answered: false })
    await call(`/conversations/${conversation}`, headers, 'PATCH', { status: 'closed' })
    const out = await call('/messages/outgoing', headers, 'POST', { conversation, content: 'Hi' })
    expect(out).toMatchObject({ status: 422, body: { error: { code: 'conversation_closed' } } })
    await say('Hello again')
    expect((await call(`/conversations/${conversation}`, headers)).body.status).toBe('open')
  })

  it('SA6 or begins another one, the same for all that is said after it', async () => {
    const { headers, conversation, say } = await chat({ answered: false, settings: { whenClosed: 'new' } })
    await call(`/conversations/${conversation}`, headers, 'PATCH', { status: 'closed' })
    const [one, two] = [await say('Hello again'), await say('Anybody?')]
    expect(one.body.conversation).not.toBe(conversation)
    expect(two.body.conversation).toBe(one.body.conversation)
    expect((await call(`/conversations/${one.body.conversation}`, headers)).body).toMatchObject({
      ...{ linkedTo: conversation, status: 'open', unreadMessagesCount: 2 },
    })
    expect((await call(`/conversations/${conversation}`, headers)).body.status).toBe('closed')
  })

  it('SA7 a person answers in a chat, and takes it back in time', async () => {
    const { headers, conversation, say, messages } = await chat()
    await call(`/conversations/${conversation}`, headers, 'PATCH', { owner: 'person' })
    await say('How do I get a refund?')
    const written = (more: Json) =>
      call('/messages/outgoing', headers, 'POST', { conversation, content: 'By card.', ...more })
    expect((await written({})).body).toMatchObject({
      type: 'outgoing',
      delivery: { status: 'sent' },
      undoUntil: null,
    })
    const held = (await written({ undoSeconds: 10 })).body
    expect(held).toMatchObject({
      delivery: { status: 'queued' },
      undoUntil: expect.stringMatching(/^\d{13}$/),
    })
    const undone = await call(`/messages/${held.id}/undo`, headers, 'POST')
    expect(undone.body).toMatchObject({ delivery: { status: 'withdrawn', problem: { code: 'undone' } } })
    // The answer may have been lost on its way.
    expect((await call(`/messages/${held.id}/undo`, headers, 'POST')).body).toEqual(undone.body)
    const soon = (await written({ undoSeconds: 1 })).body
    await until(async () =>
      (await messages()).find(one => one.id === soon.id && (one.delivery as Json).status === 'sent'),
    )
    expect((await call(`/messages/${soon.id}/undo`, headers, 'POST')).body).toMatchObject({
      error: { code: 'too_late' },
    })
  })

  it('SA8 a pause stops what is in the making', async () => {
    const { headers, webChat, say, messages } = await chat({ settings: { delayMs: 1_000 } })
    const { body } = await say('How do I get a refund?')
    expect(body.reply).toMatchObject({ do: 'answer' })
    await call(`/web-chats/${webChat}`, headers, 'PATCH', { paused: true })
    await until(
      async () => (await messages())[0]!.reply && ((await messages())[0]!.reply as Json).do === 'silent',
    )
    expect(await messages()).toMatchObject([{ reply: { do: 'silent', why: 'mode_off' } }])
  })

  it('SA7 a person’s answer has uploads, and bytes of its own, in the order they were named', async () => {
    const { headers, conversation } = await chat()
    const form = new FormData()
    form.set('file', new File(['up'], 'up.txt', { type: 'text/plain' }))
    const sent = { method: 'POST', headers, body: form }
    const upload = (await (
      await exports.default.fetch('http://edgedesk.test/api/v1/attachments', sent)
    ).json()) as Json
    const read = () => exports.default.fetch(upload.file as string, { headers })
    expect(await (await read()).text()).toBe('up')
    const attachments = [{ filename: 'own.txt', contentType: 'text/plain', content: btoa('own') }, upload]
    const answer = await call('/messages/outgoing', headers, 'POST', {
      conversation,
      content: 'See',
      attachments,
    })
    expect(answer.body.attachments).toMatchObject([{ filename: 'own.txt' }, { filename: 'up.txt', size: 2 }])
    const files = (answer.body.attachments as Json[]).map(async ({ file }) =>
      (await exports.default.fetch(file as string, { headers })).text(),
    )
    expect(await Promise.all(files)).toEqual(['own', 'up'])
    // It is the message's now.
    expect((await read()).status).toBe(404)
    const nameless = { conversation, content: 'See', attachments: [{ content: btoa('x') }] }
    expect((await call('/messages/outgoing', headers, 'POST', nameless)).body).toMatchObject({
      error: { code: 'missing_field', field: 'attachments.0.filename' },
    })
  })

  it('RQ2 a body that does not say that it is JSON is told so', async () => {
    const { headers } = await site()
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      const answer = await exports.default.fetch('http://edgedesk.test/api/v1/contacts', {
        ...{ method: 'POST', body: '{"name":"Ann"}', headers: { ...headers, 'content-type': type } },
      })
      expect([answer.status, ((await answer.json()) as { error: Json }).error.code]).toEqual([
        415,
        'not_json',
      ])
    }
  })

  it('RQ3 what a route without a body is given is refused by name, and nothing is done', async () => {
    const { headers, conversation } = await chat()
    await call(`/conversations/${conversation}`, headers, 'PATCH', { owner: 'person' })
    const written = { conversation, content: 'Wait', undoSeconds: 10 }
    const { id } = (await call('/messages/outgoing', headers, 'POST', written)).body
    const undo = (body?: unknown) => call(`/messages/${id}/undo`, headers, 'POST', body)
    expect((await undo({ zzz: 1 })).body).toMatchObject({ error: { code: 'unknown_field', field: 'zzz' } })
    expect((await undo({})).body).toMatchObject({ delivery: { status: 'withdrawn' } })
    expect((await call('/contacts', headers, 'POST', [])).body).toMatchObject({
      error: { code: 'invalid_field', message: 'The body is not of the shape that this request takes.' },
    })
  })

  it('what is wrong with a message is said by its field', async () => {
    const { say, headers } = await chat({ answered: false })
    expect(await say('  ')).toMatchObject({ status: 400, body: { error: { field: 'content' } } })
    expect(await say('x', { attachments: [{ id: newId() }] })).toMatchObject({ status: 400 })
    expect(await say('x', { sender: 'me' })).toMatchObject({
      body: { error: { code: 'unknown_field', field: 'sender' } },
    })
    expect(await call('/messages', headers, 'POST', { content: 'x' })).toMatchObject({
      ...{ status: 400, body: { error: { code: 'missing_field', field: 'conversation' } } },
    })
  })

  it('feedback stands on an answer, and is taken back', async () => {
    const { headers, say, messages } = await chat()
    await say('How do I get a refund?')
    const answer = await until(async () => (await messages())[1])
    const rate = (id: unknown, body: Json) => call(`/messages/${id}/feedback`, headers, 'PUT', body)
    expect((await rate(answer.id, { type: 'dislike', suggestion: 'Shorter.' })).body.feedback).toMatchObject({
      ...{ type: 'dislike', suggestion: 'Shorter.', createdAt: expect.stringMatching(/^\d{13}$/) },
    })
    expect((await messages())[1]!.feedback).toMatchObject({ type: 'dislike' })
    expect((await rate(answer.id, { type: null })).body.feedback).toBeNull()
    expect((await rate((await messages())[0]!.id, { type: 'like' })).status).toBe(400)
  })

  it('a write is read by its bookmark', async () => {
    const { say, headers, conversation } = await chat({ answered: false })
    const said = await say('Hello')
    const bookmark = said.headers.get('x-d1-bookmark')!
    expect(bookmark).toMatch(/^[\w-]+$/)
    const read = await call(`/messages?conversation=${conversation}`, {
      ...headers,
      'x-d1-bookmark': bookmark,
    })
    expect(read.body.items).toHaveLength(1)
    const nonsense = await call('/conversations', { ...headers, 'x-d1-bookmark': "'; DROP" })
    expect(nonsense.status).toBe(200)
  })

  it('a paused chat takes what is said and answers nothing', async () => {
    const { siteId, webChat, say } = await chat()
    await db(env.DB).update(inboxes).set({ paused: true }).where(eq(inboxes.id, webChat))
    const { body } = await say('How do I get a refund?')
    expect(body.reply).toMatchObject({ do: 'silent', why: 'mode_off' })
    expect(siteId).toBeTruthy()
  })
})
