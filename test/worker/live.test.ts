import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { newId } from '../../src/store/ids.ts'
import { call, type Json } from './call.ts'
import { conversation, inbox, received, site } from './cast.ts'
import { mail, until } from './mail.ts'
import { type Frame, open } from './socket.ts'
import { member } from './staff.ts'

/** What a client knows after all it heard: messages by id, and the last `seq`. */
function known(frames: readonly Frame[]) {
  const messages = new Map<string, Json>()
  let seq = 0
  for (const frame of frames) {
    if (frame.type !== 'changed') continue
    for (const one of frame.messages as Json[]) messages.set(one.id as string, one)
    if (frame.seq !== null) seq = frame.seq as number
  }
  return { messages, seq }
}

async function chat() {
  const who = await site()
  const webChat = (await call('/web-chats', who.headers, 'POST', { name: 'Shop' })).body.id
  const { id } = (await call('/conversations', who.headers, 'POST', { webChat })).body as { id: string }
  const say = async (content: string) =>
    (await call('/messages', who.headers, 'POST', { conversation: id, content })).body.id as string
  return { ...who, id, say }
}

describe('a conversation live', () => {
  it('LI1 what is there is told first, then everything that changes, once, in its order', async () => {
    const { headers, id, say } = await chat()
    await say('One')
    const client = await open(`/conversations/${id}/ws`, headers)
    expect(client.status).toBe(101)
    await until(async () => client.of('changed').length === 1)
    expect(client.frames[0]).toMatchObject({
      ...{ type: 'changed', conversation: { id, status: 'open', owner: 'assistant' } },
      messages: [{ content: 'One', conversation: id }],
    })
    await say('Two')
    await call(`/conversations/${id}`, headers, 'PATCH', { status: 'closed', labels: ['done'] })
    await until(async () => client.of('changed').length === 3)
    const [, two, three] = client.of('changed')
    expect(two).toMatchObject({ messages: [{ content: 'Two' }], conversation: { unreadMessagesCount: 2 } })
    expect(three).toMatchObject({ messages: [], conversation: { status: 'closed', labels: ['done'] } })
    const seqs = client.of('changed').map(one => one.seq as number)
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
  })

  it('LI2 who comes back with `since` misses nothing and hears nothing twice', async () => {
    const { headers, id, say } = await chat()
    const first = await open(`/conversations/${id}/ws`, headers)
    await say('One')
    await until(async () => known(first.frames).messages.size === 1)
    first.close()
    const { seq } = known(first.frames)
    await say('Two')
    await say('Three')
    const second = await open(`/conversations/${id}/ws?since=${seq}`, headers)
    await until(async () => second.of('changed').length === 1)
    expect(second.of('changed')[0]!.messages).toMatchObject([{ content: 'Two' }, { content: 'Three' }])
    const third = await open(`/conversations/${id}/ws?since=${known(second.frames).seq}`, headers)
    await until(async () => third.of('changed').length === 1)
    expect(third.of('changed')[0]!.messages).toEqual([])
  })

  it('LI3 sockets outlive the object: after an eviction they hear what happens, and nothing again', async () => {
    const { siteId, headers, id, say } = await chat()
    const client = await open(`/conversations/${id}/ws`, headers)
    await say('Before')
    await until(async () => known(client.frames).messages.size === 1)
    await evictDurableObject(conversation(siteId, id))
    const count = client.frames.length
    await say('After')
    await until(async () => known(client.frames).messages.size === 2)
    expect(client.of('changed').slice(-1)[0]!.messages).toMatchObject([{ content: 'After' }])
    expect(client.frames.length).toBe(count + 1)
    expect(client.closed()).toBeNull()
  })

  it('LI4 typing and presence go to the others; ping is answered', async () => {
    const { siteId, headers, id } = await chat()
    const [ann, bob] = [await member(siteId, 'agent'), await member(siteId, 'agent')]
    const one = await open(`/conversations/${id}/ws`, ann.headers)
    const two = await open(`/conversations/${id}/ws`, bob.headers)
    const key = await open(`/conversations/${id}/ws`, headers)
    await until(async () => key.of('presence').length === 1)
    expect(key.of('presence')[0]!.here).toHaveLength(2)
    one.send({ type: 'typing', on: true })
    await until(async () => two.of('typing').length === 1 && key.of('typing').length === 1)
    expect(two.of('typing')[0]).toMatchObject({ who: { kind: 'member' }, on: true })
    expect(one.of('typing')).toEqual([])
    two.close()
    await until(async () => (one.of('presence').at(-1)!.here as Json[]).length === 1)
    one.send('ping')
    await until(async () => one.of('pong').length === 1)
  })

  it('LI5 a member reads it by a frame; who may not change it is told so', async () => {
    const { siteId, headers, id, say } = await chat()
    await say('Hello')
    const { key } = (
      await call('/api-keys', headers, 'POST', { name: 'r', scopes: ['conversations:read', 'messages:read'] })
    ).body as { key: string }
    const reader = await open(`/conversations/${id}/ws`, { authorization: `Api-Key ${key}` })
    reader.send({ type: 'read' })
    await until(async () => reader.of('error').length === 1)
    expect(reader.of('error')[0]).toMatchObject({ code: 'forbidden' })
    const agent = await open(`/conversations/${id}/ws`, (await member(siteId, 'agent')).headers)
    agent.send({ type: 'read' })
    await until(async () =>
      reader.of('changed').some(one => (one.conversation as Json).unreadMessagesCount === 0),
    )
  })

  it('LI6 garbage and floods are told, then let go, and nobody else is', async () => {
    const { headers, id, say } = await chat()
    const [bad, good] = [
      await open(`/conversations/${id}/ws`, headers),
      await open(`/conversations/${id}/ws`, headers),
    ]
    for (const frame of [
      '',
      '{',
      '[]',
      '{"type":"say"}',
      `{"type":"typing","on":true,"x":1}`,
      'x'.repeat(20_000),
    ])
      bad.send(frame)
    await until(async () => bad.closed() !== null)
    expect(bad.closed()).toMatchObject({ code: 4008 })
    expect(bad.of('error').map(one => one.code)).toEqual(Array(5).fill('bad_frame'))
    const flood = await open(`/conversations/${id}/ws`, headers)
    for (let n = 0; n < 50; n++) flood.send({ type: 'typing', on: true })
    await until(async () => flood.closed() !== null)
    expect(flood.of('error')[0]).toMatchObject({ code: 'rate_limited' })
    await say('Still here?')
    await until(async () => known(good.frames).messages.size === 1)
    expect(good.closed()).toBeNull()
  })

  it('LI7 who may not see it does not; a browser gives its key as a protocol; another page’s cookie opens nothing', async () => {
    const { siteId, headers, apiKey, id } = await chat()
    const path = `/conversations/${id}/ws`
    expect((await open(path, {})).status).toBe(401)
    expect((await open(path, (await site()).headers)).status).toBe(404)
    const other = (await call('/web-chats', headers, 'POST', { name: 'Other' })).body.id as string
    expect((await open(path, (await member(siteId, 'agent', [other])).headers)).status).toBe(404)
    expect((await open('/conversations/none/ws', headers)).status).toBe(404)
    expect((await open(`${path}?since=-1`, headers)).status).toBe(400)
    expect((await call(path, headers)).body).toMatchObject({ error: { code: 'upgrade_required' } })
    const browser = await open(path, { 'sec-websocket-protocol': `edgedesk.v1, key.${apiKey}` })
    expect([browser.status, browser.headers.get('sec-websocket-protocol')]).toEqual([101, 'edgedesk.v1'])
  })

  it('LI8 where it became part of another one, or was erased, its sockets are told and closed', async () => {
    const { headers, id, say } = await chat()
    const client = await open(`/conversations/${id}/ws`, headers)
    await say('Gone soon')
    await call(`/conversations/${id}`, headers, 'DELETE')
    await until(async () => client.closed() !== null)
    expect([client.frames.at(-1)!.type, client.closed()!.code]).toEqual(['erased', 4004])
    expect((await open(`/conversations/${id}/ws`, headers)).status).toBe(404)
    const who = await site()
    const contact = (await call('/contacts', who.headers, 'POST', { name: 'Ann' })).body.id
    const webChat = (await call('/web-chats', who.headers, 'POST', { name: 'Shop' })).body.id
    const begun = async () =>
      (await call('/conversations', who.headers, 'POST', { webChat, contact })).body.id as string
    const [a, b] = [await begun(), await begun()]
    const loser = await open(`/conversations/${b}/ws`, who.headers)
    await call(`/conversations/${b}/merge`, who.headers, 'POST', { with: a })
    await until(async () => loser.closed() !== null)
    expect(loser.frames.at(-1)).toEqual({ type: 'moved', to: a })
    const again = await open(`/conversations/${b}/ws`, who.headers)
    expect([again.status, again.headers.get('location')]).toEqual([308, `/api/v1/conversations/${a}/ws`])
  })

  it('LI1 mail is live as well', async () => {
    const { siteId, headers } = await site()
    const config = await inbox(siteId)
    const first = mail({ to: config.address, messageId: '<one@customer.test>', text: 'First' })
    const [one] = await received(config, [first])
    const client = await open(`/conversations/${one!.conversationId}/ws`, headers)
    const reply = { to: config.address, text: 'Second', headers: ['In-Reply-To: <one@customer.test>'] }
    await received(config, [mail(reply)])
    await until(async () => known(client.frames).messages.size === 2)
    expect([...known(client.frames).messages.values()]).toMatchObject([
      { content: 'First' },
      { content: 'Second' },
    ])
  })
})

describe('who missed much', () => {
  it('LI9 has it in several visits, each from where the last one ended', async () => {
    const { siteId, headers, id, say } = await chat()
    const first = await say('One')
    // Some of them changed together, as they do where old mail is put before them.
    await runInDurableObject(conversation(siteId, id), (_, state) => {
      const { sql } = state.storage
      const one = JSON.parse(
        sql.exec<{ message: string }>('SELECT message FROM messages WHERE position = 0').one().message,
      )
      const seqOf = (n: number) => one.seq + (n > 900 && n < 1_200 ? 1_200 : n)
      for (let n = 1; n <= 2_500; n++)
        sql.exec(
          'INSERT INTO messages (position, id, seq, message) VALUES (?, ?, ?, ?)',
          ...[n, newId(), seqOf(n)],
          JSON.stringify({
            ...one,
            id: newId(),
            position: n,
            seq: seqOf(n),
            content: `${n} ${'x'.repeat(2_000)}`,
          }),
        )
      const kept = JSON.parse(
        sql.exec<{ value: string }>(`SELECT value FROM meta WHERE key = 'state'`).one().value,
      )
      const now = { ...kept, seq: one.seq + 2_500, length: 2_501 }
      sql.exec(`UPDATE meta SET value = ? WHERE key = 'state'`, JSON.stringify(now))
    })
    await evictDurableObject(conversation(siteId, id))
    const heard: Frame[] = []
    let visits = 0
    for (let seq = 0; known(heard).messages.size < 2_501 && visits < 10; visits++) {
      const client = await open(`/conversations/${id}/ws?since=${seq}`, headers)
      await until(
        async () =>
          client.closed() !== null ||
          known(client.frames).messages.size === 2_501 ||
          (client.of('presence').length > 0 && client.frames),
      )
      heard.push(...client.frames)
      if (client.closed()) expect(client.closed()).toMatchObject({ code: 4000 })
      seq = known(heard).seq
      client.close()
    }
    expect(known(heard).messages.has(first)).toBe(true)
    expect(known(heard).messages.size).toBe(2_501)
    expect(visits).toBeGreaterThan(1)
    const told = heard.flatMap(one => (one.type === 'changed' ? (one.messages as Json[]) : []))
    expect(told).toHaveLength(2_501)
  })
})

describe('those who watch together', () => {
  it('LI10 who reads nothing while a megabyte goes out is let go; who pings meanwhile is not', async () => {
    const { headers, id, say } = await chat()
    const [silent, reader] = [
      await open(`/conversations/${id}/ws`, headers),
      await open(`/conversations/${id}/ws`, headers),
    ]
    // A frame shows the first 8,000 letters.
    for (let n = 0; n < 130; n++) {
      await say(`${n} ${'x'.repeat(8_000)}`)
      if (n % 20 === 0) reader.send('ping')
    }
    await until(async () => silent.closed() !== null)
    expect(silent.closed()).toMatchObject({ code: 4000, reason: 'resume' })
    expect(reader.closed()).toBeNull()
    expect(known(reader.frames).messages.size).toBe(130)
  })

  it('LI11 presence is told where it is another than before, and to who is new', async () => {
    const { siteId, headers, id } = await chat()
    const ann = await member(siteId, 'agent')
    const first = await open(`/conversations/${id}/ws`, ann.headers)
    await until(async () => first.of('presence').length === 1)
    const key = await open(`/conversations/${id}/ws`, headers)
    const tab = await open(`/conversations/${id}/ws`, ann.headers)
    await until(async () => key.of('presence').length === 1 && tab.of('presence').length === 1)
    tab.close()
    const bob = await open(`/conversations/${id}/ws`, (await member(siteId, 'agent')).headers)
    await until(async () => first.of('presence').length === 2)
    expect(first.of('presence')[1]!.here).toHaveLength(2)
    bob.close()
    await until(async () => first.of('presence').length === 3)
    expect(key.of('presence')).toHaveLength(3)
  })
})
