import { evictDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { contactToken, readContactToken } from '../../src/store/contact-tokens.ts'
import { newId } from '../../src/store/ids.ts'
import { call, type Json } from './call.ts'
import { conversation, site } from './cast.ts'
import { until } from './mail.ts'
import { open } from './socket.ts'
import { member } from './staff.ts'
import { comes, PAGE, socketHeaders, visitor, webChat } from './visitor.ts'

const KEK = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='

const messagesIn = (client: { of(type: string): Json[] }) => {
  const all = new Map<string, Json>()
  for (const frame of client.of('changed'))
    for (const one of frame.messages as Json[]) all.set(one.id as string, one)
  return [...all.values()]
}

/** Limits are of the clock's minutes, and one must not end in the middle of a test. */
async function earlyInTheMinute(): Promise<void> {
  const left = 60_000 - (Date.now() % 60_000)
  if (left < 8_000) await new Promise(resolve => setTimeout(resolve, left))
}

describe('a visitor comes', () => {
  it('WC1 on an allowed page they get a token, and what the chat looks like in their language', async () => {
    const { id } = await webChat({
      ...{ title: 'Ask us', color: '#AA2211', greeting: { en: 'Hello!', 'zh-TW': '您好！' } },
      suggestedQuestions: { en: ['Where is my order?'], 'zh-TW': ['我的訂單在哪裡？'] },
    })
    const { status, headers, body } = await comes(id, { language: 'zh-TW' })
    expect(status).toBe(200)
    expect(headers.get('access-control-allow-origin')).toBe('*')
    expect(body).toMatchObject({
      ...{ conversation: null, availability: 'now', contact: { email: null, proved: false } },
      chat: {
        id,
        title: 'Ask us',
        color: '#aa2211',
        greeting: '您好！',
        suggestedQuestions: ['我的訂單在哪裡？'],
      },
    })
    expect((await comes(id, { language: 'fr' })).body.chat).toMatchObject({ greeting: 'Hello!' })
  })

  it('WC2 on another page there is no chat: no session, no request, no socket', async () => {
    const { id, headers } = await webChat()
    for (const origin of [
      'https://evil.example',
      'https://shop.example.evil.example',
      'null',
      'http://shop.example',
      '',
    ])
      expect((await comes(id, {}, origin)).body.error, origin).toMatchObject({ code: 'origin_not_allowed' })
    const { session, conversation } = await visitor(id)
    const elsewhere = { authorization: `Bearer ${session.token}`, origin: 'https://evil.example' }
    const begun = await call('/chat/conversations', elsewhere, 'POST', { id: newId() })
    expect(begun.body.error).toMatchObject({ code: 'origin_not_allowed' })
    const path = `/conversations/${conversation}/ws`
    expect((await open(path, socketHeaders(session.token, 'https://evil.example'))).status).toBe(403)
    // Taken off the list, it is no place for a chat any more, whoever has a token.
    await call(`/web-chats/${id}`, headers, 'PATCH', { allowedOrigins: [] })
    expect((await comes(id)).status).toBe(403)
    expect((await comes(id, {}, 'https://edgedesk.test')).status, 'our own pages always may').toBe(200)
  })

  it('WC3 a token that was forged, changed, made for another chat or is too old opens nothing', async () => {
    const { id, siteId } = await webChat()
    const { session, conversation } = await visitor(id)
    const good = (await readContactToken(KEK, session.token, Date.now()))!
    const other = await webChat()
    const [payload, mac] = session.token.split('.') as [string, string]
    const tampered = btoa(JSON.stringify({ ...good, contactId: newId() })).replace(/=+$/, '')
    const another = 'ICECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
    const bad = [
      ...[
        `ct_${tampered}.${mac}`,
        `${payload}.`,
        `${payload}.${mac.slice(1)}A`,
        'ct_',
        'ct_e30.x',
        `${session.token}.x`,
      ],
      await contactToken(another, good),
      await contactToken(KEK, { ...good, expiresAt: Date.now() - 1 }),
      // Signed for a site that is not the chat's.
      await contactToken(KEK, { ...good, siteId: other.siteId }),
    ]
    for (const token of bad) {
      const headers = { authorization: `Bearer ${token}`, origin: PAGE }
      expect((await call('/chat/conversations', headers, 'POST', { id: newId() })).status, token).toBe(401)
      expect((await open(`/conversations/${conversation}/ws`, socketHeaders(token))).status, token).toBe(401)
      expect((await comes(id, { token })).status, token).toBe(401)
    }
    expect((await comes(other.id, { token: session.token })).status, 'of another chat').toBe(401)
    expect(siteId).toBe(good.siteId)
  })

  it('WC4 a token is good for what visitors do, and for nothing else', async () => {
    const { id } = await webChat()
    const { headers, conversation } = await visitor(id)
    for (const [method, path, body] of [
      ['GET', '/conversations', undefined],
      ['GET', `/conversations/${conversation}`, undefined],
      ['GET', `/messages?conversation=${conversation}`, undefined],
      ['POST', '/messages', { conversation, content: 'x' }],
      ['POST', '/messages/outgoing', { conversation, content: 'x' }],
      ['PATCH', `/conversations/${conversation}`, { owner: 'person' }],
      ['GET', '/contacts', undefined],
      ['GET', '/me', undefined],
      ['GET', '/web-chats', undefined],
    ] as const)
      expect((await call(path, headers, method, body)).status, `${method} ${path}`).toBe(403)
    expect((await open('/ws', headers)).status, 'the site’s own socket').toBe(403)
    const { headers: key } = await site()
    const asKey = await call('/chat/conversations', key, 'POST', { id: newId() })
    expect(asKey.body.error).toMatchObject({ code: 'forbidden' })
  })

  it('WC5 another visitor’s conversation, message and file are not there for them', async () => {
    const { id } = await webChat()
    const [ann, bob] = [await visitor(id), await visitor(id)]
    ann.say('Where is my order?')
    await until(async () => messagesIn(ann.client).length === 2)
    expect((await open(`/conversations/${ann.conversation}/ws`, bob.headers)).status).toBe(404)
    const answer = messagesIn(ann.client).find(one => one.type === 'outgoing')!
    const feedback = (who: typeof ann) =>
      call(`/chat/messages/${answer.id}/feedback`, who.headers, 'PUT', { type: 'like' })
    expect((await feedback(bob)).status).toBe(404)
    expect((await feedback(ann)).status).toBe(204)
    await until(async () => messagesIn(ann.client).some(one => one.feedback === 'like'))
  })

  it('WC6 who says an address proves nothing: a new contact, no history; who is signed is that contact everywhere', async () => {
    const { id, headers } = await webChat()
    const { secret } = (await call(`/web-chats/${id}/identity-secret`, headers, 'POST')).body as {
      secret: string
    }
    const email = 'ann@customer.example'
    const hash = createHmac('sha256', secret).update(email).digest('hex')
    const ann = await visitor(id, { identity: { email: ' Ann@Customer.example', hash, name: 'Ann' } })
    expect(ann.session.contact).toMatchObject({ email, proved: true, name: 'Ann' })
    ann.say('My order 12 is missing')
    await until(async () => messagesIn(ann.client).length >= 1)
    // Somebody else says that they are her.
    const claims = (await comes(id, { email })).body
    expect(claims).toMatchObject({ conversation: null, contact: { email, proved: false } })
    expect((claims.contact as Json).id).not.toBe((ann.session.contact as Json).id)
    // She is herself in another browser.
    const again = (await comes(id, { identity: { email, hash } })).body
    expect(again).toMatchObject({ conversation: { id: ann.conversation }, contact: ann.session.contact })
    for (const wrong of [
      hash.replace(/^./, hash[0] === '0' ? '1' : '0'),
      '',
      'zz',
      createHmac('sha256', 'x').update(email).digest('hex'),
    ]) {
      const refused = await comes(id, { identity: { email, hash: wrong } })
      expect(refused.body.error, wrong).toMatchObject({ code: 'identity_refused' })
    }
    // As a page writes it that knows nothing of how names of domains are kept.
    for (const said of ['hans@MÜLLER.example', 'Ärger@Example.com', 'bob@EXAMPLE.com.']) {
      const lower = said.replaceAll(/[A-Z]/g, letter => letter.toLowerCase())
      for (const written of [lower, said.toLowerCase()]) {
        const hash = createHmac('sha256', secret).update(written).digest('hex')
        expect((await comes(id, { identity: { email: said, hash } })).status, written).toBe(200)
      }
    }
    const known = ann.session.token
    // A new secret ends the one before.
    await call(`/web-chats/${id}/identity-secret`, headers, 'POST')
    expect((await comes(id, { identity: { email, hash } })).status).toBe(403)
    // And what it proved: a token that was made with it is no good either.
    expect((await comes(id, { token: known })).status).toBe(401)
    expect((await open(`/conversations/${ann.conversation}/ws`, socketHeaders(known))).status).toBe(401)
  })

  it('WC7 what somebody said before their page said who they are is theirs from then on', async () => {
    const { id, headers, siteId } = await webChat()
    const { secret } = (await call(`/web-chats/${id}/identity-secret`, headers, 'POST')).body as {
      secret: string
    }
    const ann = await visitor(id)
    ann.say('Before I signed in')
    await until(async () => messagesIn(ann.client).length >= 1)
    const email = `ann-${newId()}@customer.example`
    const identity = { email, hash: createHmac('sha256', secret).update(email).digest('hex') }
    const known = (await comes(id, { token: ann.session.token, identity })).body
    expect(known).toMatchObject({ conversation: { id: ann.conversation }, contact: { email, proved: true } })
    const shown = (await call(`/conversations/${ann.conversation}`, headers)).body
    expect(shown.contact).toMatchObject({ address: email, id: (known.contact as Json).id })
    // Whoever has the token from before is let go, and what they send is not heard.
    await until(async () => ann.client.closed() !== null)
    expect(ann.client.closed()).toMatchObject({ code: 4000 })
    // The token from before opens it no more, and the new one does.
    expect((await open(`/conversations/${ann.conversation}/ws`, ann.headers)).status).toBe(404)
    expect(
      (await open(`/conversations/${ann.conversation}/ws`, socketHeaders(known.token as string))).status,
    ).toBe(101)
    expect(siteId).toBeTruthy()
  })
})

describe('a chat', () => {
  it('WC8 M5 what is said under one id is one message, however often and in however many tabs it is said', async () => {
    const { id, headers } = await webChat()
    const ann = await visitor(id)
    const tab = await open(`/conversations/${ann.conversation}/ws`, socketHeaders(ann.session.token))
    const sentAs = ann.say('How do I get a refund?')
    tab.send({ type: 'say', id: sentAs, content: 'How do I get a refund?' })
    await until(async () => messagesIn(ann.client).length === 2 && messagesIn(tab).length === 2)
    ann.say('How do I get a refund?', sentAs)
    const count = tab.frames.length
    await until(async () => messagesIn(ann.client).length === 2 && ann.client.of('changed').length > 2)
    expect(tab.frames.length).toBe(count)
    const [asked, answered] = messagesIn(tab)
    expect(asked).toMatchObject({ sentAs, type: 'incoming', content: 'How do I get a refund?' })
    expect(answered).toMatchObject({ type: 'outgoing', sender: { kind: 'assistant', name: 'Ada' } })
    expect(answered!.content).toContain('30 days')
    const { items } = (await call(`/messages?conversation=${ann.conversation}`, headers)).body as {
      items: Json[]
    }
    expect(items).toHaveLength(2)
    // Asked once more, it is said once more.
    ann.say('How do I get a refund?')
    await until(async () => messagesIn(tab).length === 4)
    expect(messagesIn(tab)[3]!.content).toMatch(/^This is all I know about it:[\s\S]*30 days/)
    const listed = (await call(`/conversations/${ann.conversation}`, headers)).body
    expect(listed.title).toBe('How do I get a refund?')
    // Begun twice under one id, it is one conversation.
    const one = newId()
    const begin = () => call('/chat/conversations', ann.headers, 'POST', { id: one })
    expect((await begin()).body).toEqual((await begin()).body)
  })

  it('WC9 its contact sees what was said to them, and no draft, no held message, no verdict', async () => {
    const { id, headers, siteId } = await webChat({ mode: 'draft' })
    const ann = await visitor(id)
    const { headers: agent } = await member(siteId, 'agent')
    const team = await open(`/conversations/${ann.conversation}/ws`, agent)
    ann.say('How do I get a refund?')
    await until(async () => messagesIn(team).some(one => (one.delivery as Json | null)?.status === 'draft'))
    await until(async () => messagesIn(ann.client).length === 1)
    expect(Object.keys(messagesIn(ann.client)[0]!).toSorted()).toEqual([
      'attachments',
      'citations',
      'content',
      'createdAt',
      'feedback',
      'id',
      'sender',
      'sentAs',
      'type',
    ])
    const standing = ann.client.of('changed').at(-1)!.conversation as Json
    expect(Object.keys(standing).toSorted()).toEqual(['createdAt', 'id', 'owner', 'status'])
    const held = await call('/messages/outgoing', agent, 'POST', {
      conversation: ann.conversation,
      content: 'Wait …',
      undoSeconds: 10,
    })
    expect(held.status).toBe(200)
    expect(messagesIn(ann.client)).toHaveLength(1)
    expect(headers).toBeTruthy()
  })

  it('WC10 typing and presence go both ways; a program’s name does not', async () => {
    const { id, headers, siteId } = await webChat()
    const ann = await visitor(id)
    const { headers: agent } = await member(siteId, 'agent')
    const team = await open(`/conversations/${ann.conversation}/ws`, agent)
    const key = await open(`/conversations/${ann.conversation}/ws`, headers)
    await until(async () => (ann.client.of('presence').at(-1)?.here as Json[])?.length === 1)
    expect(ann.client.of('presence').at(-1)!.here).toMatchObject([{ kind: 'member', name: 'A agent' }])
    await until(async () => (team.of('presence').at(-1)?.here as Json[])?.length === 2)
    ann.client.send({ type: 'typing', on: true })
    await until(async () => team.of('typing').length === 1 && key.of('typing').length === 1)
    expect(team.of('typing')[0]).toMatchObject({ who: { kind: 'contact' }, on: true })
    team.send({ type: 'typing', on: true })
    await until(async () => ann.client.of('typing').length === 1)
    key.send({ type: 'typing', on: true })
    await until(async () => ann.client.of('typing').length === 2)
    expect(ann.client.of('typing')[1]).toMatchObject({ who: { kind: 'member', name: '' } })
  })

  it('WC11 what its contact has seen is noted once, for the team', async () => {
    const { id, siteId } = await webChat()
    const ann = await visitor(id)
    const { headers: agent } = await member(siteId, 'agent')
    const team = await open(`/conversations/${ann.conversation}/ws`, agent)
    ann.say('How do I get a refund?')
    await until(async () => messagesIn(ann.client).length === 2)
    ann.client.send({ type: 'read' })
    const readAt = () => Number((team.of('changed').at(-1)!.conversation as Json).contactReadAt ?? 0)
    await until(async () => readAt() >= Number(messagesIn(ann.client)[1]!.createdAt))
    const count = team.of('changed').length
    ann.client.send({ type: 'read' })
    ann.client.send({ type: 'typing', on: false })
    await until(async () => team.of('typing').length === 1)
    expect(team.of('changed')).toHaveLength(count)
  })

  it('WC12 a flood meets the limit with a clear frame, and closes nothing', async () => {
    const { id } = await webChat({ mode: 'off' })
    await earlyInTheMinute()
    const ann = await visitor(id)
    for (let n = 0; n < 22; n++) ann.say(`Number ${n}`)
    await until(async () => ann.client.of('error').length === 2)
    const [first] = ann.client.of('error')
    expect(first).toMatchObject({ code: 'rate_limited', message: 'These were many messages at once.' })
    expect(first!.retryAfter).toBeGreaterThan(0)
    expect(first!.sentAs).toBeTruthy()
    expect(messagesIn(ann.client)).toHaveLength(20)
    expect(ann.client.closed()).toBeNull()
  })

  it('WC13 a page of garbage closes its own socket, and neither the conversation nor another tab', async () => {
    const { id } = await webChat()
    const ann = await visitor(id)
    const tab = await open(`/conversations/${ann.conversation}/ws`, socketHeaders(ann.session.token))
    const garbage = [
      '',
      '{',
      '[]',
      'null',
      '{"type":"say"}',
      '{"type":"say","id":"x","content":"x"}',
      'x'.repeat(200_000),
    ]
    for (const frame of garbage) ann.client.send(frame)
    await until(async () => ann.client.closed() !== null)
    expect(ann.client.closed()).toMatchObject({ code: 4008 })
    tab.send({ type: 'say', id: newId(), content: 'How do I get a refund?' })
    await until(async () => messagesIn(tab).length === 2)
    expect(tab.closed()).toBeNull()
  })

  it('WC14 empty words, words that are too long and a file of somebody else are refused by name', async () => {
    const { id } = await webChat()
    const [ann, bob] = [await visitor(id), await visitor(id)]
    const empty = ann.say('   ')
    await until(async () => ann.client.of('error').length === 1)
    expect(ann.client.of('error')[0]).toMatchObject({ code: 'invalid_field', sentAs: empty })
    const form = new FormData()
    form.set('file', new File(['hello'], 'hello.txt', { type: 'text/plain' }))
    const sent = await exports.default.fetch('http://edgedesk.test/api/v1/chat/attachments', {
      ...{ method: 'POST', headers: ann.headers, body: form },
    })
    const file = (await sent.json()) as Json
    expect(file).toMatchObject({ filename: 'hello.txt', type: 'text/plain', size: 5 })
    bob.say('Look', newId(), [{ id: file.id }])
    await until(async () => bob.client.of('error').length === 1)
    ann.say('', newId(), [{ id: file.id }])
    await until(async () => messagesIn(ann.client).length >= 1)
    const message = messagesIn(ann.client)[0]!
    expect(message.attachments).toEqual([{ n: 0, filename: 'hello.txt', type: 'text/plain', size: 5 }])
    const link = await call(`/chat/messages/${message.id}/attachments/0/link`, ann.headers)
    const bytes = await exports.default.fetch(link.body.url as string)
    expect(await bytes.text()).toBe('hello')
    expect((await call(`/chat/messages/${message.id}/attachments/0/link`, bob.headers)).status).toBe(404)
  })

  it('WC15 closed, and begun anew by the next words where the chat says so: the visitor is led there', async () => {
    const { id, headers } = await webChat({ whenClosed: 'new' })
    const ann = await visitor(id)
    ann.say('How do I get a refund?')
    await until(async () => messagesIn(ann.client).length === 2)
    await call(`/conversations/${ann.conversation}`, headers, 'PATCH', { status: 'closed' })
    const sentAs = ann.say('Another question: reset my password')
    await until(async () => ann.client.closed() !== null)
    expect(ann.client.closed()).toMatchObject({ code: 4001 })
    const to = ann.client.of('moved')[0]!.to as string
    const there = await open(`/conversations/${to}/ws`, socketHeaders(ann.session.token))
    await until(async () => messagesIn(there).some(one => one.sentAs === sentAs))
    expect((await comes(id, { token: ann.session.token })).body.conversation).toEqual({ id: to })
  })

  it('WC16 two conversations made one: the visitor goes on in it by the old id, and sees both', async () => {
    const { id, headers } = await webChat()
    const ann = await visitor(id)
    ann.say('First one: refund?')
    await until(async () => messagesIn(ann.client).length === 2)
    const other = (await call('/chat/conversations', ann.headers, 'POST', { id: newId() })).body.id as string
    const second = await open(`/conversations/${other}/ws`, socketHeaders(ann.session.token))
    const sentAs = newId()
    second.send({ type: 'say', id: sentAs, content: 'Second one: password?' })
    await until(async () => messagesIn(second).length === 2)
    const merged = await call(`/conversations/${ann.conversation}/merge`, headers, 'POST', { with: other })
    expect(merged.status).toBe(200)
    await until(async () => second.closed() !== null || ann.client.closed() !== null)
    for (const one of [ann.conversation, `${other}/ws?since=2`]) {
      const path = one.includes('?') ? one : `${one}/ws`
      const client = await open(`/conversations/${path}`, socketHeaders(ann.session.token))
      await until(async () => messagesIn(client).length === 4)
      // Said once more, it is still the same message.
      client.send({ type: 'say', id: sentAs, content: 'Second one: password?' })
      client.send({ type: 'read' })
      await until(async () => client.of('changed').length > 1)
      expect(messagesIn(client)).toHaveLength(4)
    }
  })

  it('WC17 an eviction closes no visitor’s socket, and what was said is said once', async () => {
    const { id, siteId } = await webChat()
    const ann = await visitor(id)
    ann.say('How do I get a refund?')
    await until(async () => messagesIn(ann.client).length === 2)
    await evictDurableObject(conversation(siteId, ann.conversation))
    const count = ann.client.of('changed').length
    ann.say('And my password?')
    await until(async () => messagesIn(ann.client).length === 4)
    expect(ann.client.closed()).toBeNull()
    expect(
      ann.client
        .of('changed')
        .slice(count)
        .flatMap(one => one.messages as Json[]),
    ).toHaveLength(2)
  })
})

describe('limits and ends', () => {
  it('WC12 the limit is the visitor’s, in all their conversations, and an eviction does not lift it', async () => {
    const { id, siteId } = await webChat({ mode: 'off' })
    await earlyInTheMinute()
    const ann = await visitor(id)
    for (let n = 0; n < 15; n++) ann.say(`Number ${n}`)
    await until(async () => messagesIn(ann.client).length === 15)
    const other = (await call('/chat/conversations', ann.headers, 'POST', { id: newId() })).body.id as string
    const second = await open(`/conversations/${other}/ws`, socketHeaders(ann.session.token))
    for (let n = 0; n < 10; n++) second.send({ type: 'say', id: newId(), content: `More ${n}` })
    await until(async () => second.of('error').length + messagesIn(second).length === 10)
    expect(messagesIn(second).length).toBeLessThan(10)
    await evictDurableObject(conversation(siteId, other))
    second.send({ type: 'say', id: newId(), content: 'And now?' })
    const count = second.of('error').length
    await until(async () => second.of('error').length === count + 1)
  })

  it('WC14 what is no good says which of their messages it was', async () => {
    const { id } = await webChat()
    const ann = await visitor(id)
    const long = ann.say('x'.repeat(16_001))
    const many = ann.say(
      '',
      newId(),
      Array.from({ length: 11 }, () => ({ id: 'x' })),
    )
    await until(async () => ann.client.of('error').length === 2)
    expect(ann.client.of('error')).toMatchObject([
      { code: 'bad_frame', sentAs: long },
      { code: 'bad_frame', sentAs: many },
    ])
    expect(ann.client.of('error')[0]!.message).toContain('"content"')
  })

  it('WC19 a contact that was erased is not made again by what their token says', async () => {
    const { id, headers } = await webChat()
    const ann = await visitor(id, { email: 'ann@customer.example', name: 'Ann' })
    const contact = (ann.session.contact as Json).id as string
    expect((await call(`/contacts/${contact}`, headers, 'DELETE')).status).toBe(204)
    expect((await call('/chat/conversations', ann.headers, 'POST', { id: newId() })).status).toBe(401)
    expect((await comes(id, { token: ann.session.token })).status).toBe(401)
    expect((await call(`/contacts/${contact}`, headers)).status).toBe(404)
  })

  it('WC7 all that they said before comes along, not the latest alone', async () => {
    const { id, headers } = await webChat()
    const { secret } = (await call(`/web-chats/${id}/identity-secret`, headers, 'POST')).body as {
      secret: string
    }
    const ann = await visitor(id)
    ann.say('The first')
    await until(async () => messagesIn(ann.client).length >= 1)
    await call('/chat/conversations', ann.headers, 'POST', { id: newId() })
    const email = `ann-${newId()}@customer.example`
    const identity = { email, hash: createHmac('sha256', secret).update(email).digest('hex') }
    const known = (await comes(id, { token: ann.session.token, identity })).body
    const path = `/conversations/${ann.conversation}/ws`
    expect((await open(path, socketHeaders(known.token as string))).status).toBe(101)
  })
})

describe('the page of a chat', () => {
  it('WC18 it may be framed by the pages that are allowed, and by nobody else; what stands in its address stays text', async () => {
    const { id } = await webChat({ allowedOrigins: [PAGE, 'https://*.shop.example'] })
    const page = async (path: string) => {
      const answer = await exports.default.fetch(`http://edgedesk.test${path}`)
      return { status: answer.status, headers: answer.headers, text: await answer.text() }
    }
    const framed = await page(`/chat/${id}?email=${encodeURIComponent('"><script>alert(1)</script>@x.test')}`)
    expect(framed.status).toBe(200)
    expect(framed.headers.get('content-security-policy')).toContain(
      "frame-ancestors 'self' https://shop.example https://*.shop.example",
    )
    expect(framed.headers.get('x-frame-options')).toBeNull()
    expect(framed.text).not.toContain('<script>alert')
    const shared = await page(`/share/${id}`)
    expect(shared.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(shared.text).toContain(`data-chat="${id}"`)
    for (const path of [`/chat/${newId()}`, '/share/x', '/chat/%00'])
      expect((await page(path)).status).toBe(404)
  })
})

describe('an answer while it is written', () => {
  /** A chat whose assistant takes its time. */
  async function slowly() {
    const chat = await webChat()
    const change = {
      kind: 'openai-compatible',
      baseUrl: `${env.TEST_MODEL}/v1`,
      model: 'good-slowly',
      apiKey: KEY,
    }
    const changed = await call(`/assistants/${chat.assistantId}`, chat.headers, 'PATCH', change)
    expect(changed.status).toBe(200)
    return { ...chat, ann: await visitor(chat.id) }
  }
  const KEY = 'sk-test-0123456789abcdefghijklmnop'

  /** What a client has put together of it. */
  const pieced = (client: { of(type: string): Json[] }) =>
    client
      .of('answer')
      .reduce((text, one) => (one.over ? text : text.slice(0, one.at as number) + one.text), '')

  it('SY6 it comes in pieces, then as the message, and who comes in between has it as well', async () => {
    const { ann } = await slowly()
    ann.say('How do I get a refund?')
    await until(async () => pieced(ann.client).length > 20)
    const late = await open(`/conversations/${ann.conversation}/ws`, socketHeaders(ann.session.token))
    await until(async () => messagesIn(ann.client).length === 2 && messagesIn(late).length === 2)
    await until(async () => ann.client.of('answer').at(-1)!.over === true)
    const [, answer] = messagesIn(ann.client)
    for (const one of [ann.client, late])
      expect((answer!.content as string).startsWith(pieced(one))).toBe(true)
    expect(ann.client.of('answer').length).toBeGreaterThan(3)
    expect(ann.client.of('answer')[0]).toMatchObject({ at: 0, text: '' })
    const order = ann.client.frames.map(one => one.type)
    expect(order.lastIndexOf('changed')).toBeLessThan(order.lastIndexOf('answer'))
  })

  it('SY7 a person takes over: not another word, and no message', async () => {
    const { ann, headers } = await slowly()
    ann.say('How do I get a refund?')
    await until(async () => pieced(ann.client).length > 10)
    await call(`/conversations/${ann.conversation}`, headers, 'PATCH', { owner: 'person' })
    const count = ann.client.of('answer').length
    await until(async () => ann.client.of('answer').at(-1)!.over === true)
    expect(ann.client.of('answer').length).toBeLessThanOrEqual(count + 1)
    await new Promise(resolve => setTimeout(resolve, 1_500))
    expect(messagesIn(ann.client)).toHaveLength(1)
  })
})
