import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { inboxes } from '../../src/store/schema.ts'
import { newWebChat } from '../../src/store/web-chats.ts'
import { call, type Json } from './call.ts'
import { conversation, inbox, received, site } from './cast.ts'
import { mail, until } from './mail.ts'
import { member } from './staff.ts'

async function chats(...names: string[]) {
  const who = await site()
  const ids: string[] = []
  for (const name of names) {
    const id = newId()
    ids.push(id)
    await db(env.DB)
      .insert(inboxes)
      .values(newWebChat({ id, siteId: who.siteId, assistantId: null, name, at: Date.now() }))
  }
  const begin = async (webChat: string, ...said: string[]) => {
    const { body } = await call('/conversations/', who.headers, 'POST', { webChat })
    for (const content of said)
      await call('/messages/', who.headers, 'POST', { conversation: body.id, content })
    return body.id as string
  }
  const listed = async (query: string, headers = who.headers) =>
    ((await call(`/conversations/?${query}`, headers)).body.items as Json[]).map(one => one.id)
  return { ...who, ids, begin, listed }
}

describe('how a conversation stands', () => {
  it('CS1 all of it changes by one request, and shows', async () => {
    const { headers, ids, begin, siteId } = await chats('Shop')
    const id = await begin(ids[0]!, 'Hello')
    const ann = await member(siteId, 'agent')
    const until = String(Date.now() + 60_000)
    const change = {
      ...{ title: 'Refund', priority: 'high', labels: ['vip', 'vip'], assignee: ann.id, read: true },
      ...{ status: 'snoozed', snoozedUntil: until },
    }
    const { status, body } = await call(`/conversations/${id}`, headers, 'PATCH', change)
    expect(status).toBe(200)
    const now = {
      ...{ title: 'Refund', priority: 'high', labels: ['vip'], assignee: ann.id, unreadMessagesCount: 0 },
      ...{ status: 'snoozed', snoozedUntil: until, lastReadAt: expect.stringMatching(/^\d{13}$/) },
    }
    expect(body).toMatchObject(now)
    expect((await call(`/conversations/${id}`, headers)).body).toMatchObject(now)
    expect((body.lastMessage as Json).content).toBe('Hello')
  })

  it('CS1 what cannot be is refused by its field', async () => {
    const { headers, ids, begin, siteId } = await chats('Shop', 'Help')
    const id = await begin(ids[0]!)
    const elsewhere = await member(siteId, 'agent', [ids[1]!])
    for (const [change, field] of [
      [{ status: 'snoozed' }, 'snoozedUntil'],
      [{ status: 'snoozed', snoozedUntil: '1' }, 'snoozedUntil'],
      [{ status: 'open', snoozedUntil: String(Date.now() + 1000) }, 'snoozedUntil'],
      [{ assignee: newId() }, 'assignee'],
      [{ assignee: elsewhere.id }, 'assignee'],
      [{ priority: 'huge' }, 'priority'],
      [{ colour: 'red' }, 'colour'],
    ] as const)
      expect(await call(`/conversations/${id}`, headers, 'PATCH', change), field).toMatchObject({
        ...{ status: 400, body: { error: { field } } },
      })
  })

  it('CS3 a snoozed one opens by itself', async () => {
    const { headers, ids, begin, siteId } = await chats('Shop')
    const id = await begin(ids[0]!)
    await call(`/conversations/${id}`, headers, 'PATCH', {
      status: 'snoozed',
      snoozedUntil: String(Date.now() + 300),
    })
    await new Promise(resolve => setTimeout(resolve, 350))
    await runDurableObjectAlarm(conversation(siteId, id))
    await until(async () => (await call(`/conversations/${id}`, headers)).body.status === 'open')
  })

  it('CS4 lists are by inbox, status, assignee and contact', async () => {
    const { headers, ids, begin, listed, siteId } = await chats('Shop', 'Help')
    const [a, b, c] = [await begin(ids[0]!), await begin(ids[0]!), await begin(ids[1]!)]
    const ann = await member(siteId, 'agent')
    await call(`/conversations/${a}`, headers, 'PATCH', { status: 'closed', assignee: ann.id })
    await call(`/conversations/${b}`, headers, 'PATCH', { assignee: ann.id })
    expect(await listed('')).toEqual([c, b, a])
    expect(await listed('status=open')).toEqual([c, b])
    expect(await listed(`status=closed&inbox=${ids[0]}`)).toEqual([a])
    expect(await listed(`inbox=${ids[1]}`)).toEqual([c])
    expect(await listed(`assignee=${ann.id}`)).toEqual([b])
    expect(await listed(`assignee=${ann.id}&status=closed`)).toEqual([a])
    const { body } = await call(`/conversations/${c}`, headers)
    expect(await listed(`contact=${(body.contact as Json).id}`)).toEqual([c])
    for (const query of [
      `contact=${newId()}&status=open`,
      `assignee=${newId()}&inbox=${ids[0]}`,
      'colour=red',
    ])
      expect((await call(`/conversations/?${query}`, headers)).status, query).toBe(400)
  })

  it('CS4 N6 who sees some inboxes lists theirs by status, and nobody else’s', async () => {
    const { headers, ids, begin, listed, siteId } = await chats('Shop', 'Help')
    const [a, b] = [await begin(ids[0]!), await begin(ids[0]!)]
    await begin(ids[1]!)
    await call(`/conversations/${a}`, headers, 'PATCH', { status: 'closed' })
    const agent = await member(siteId, 'agent', [ids[0]!])
    expect(await listed('', agent.headers)).toEqual([b, a])
    expect(await listed('status=closed', agent.headers)).toEqual([a])
    expect(await listed(`inbox=${ids[1]}`, agent.headers)).toEqual([])
    expect((await call(`/conversations/?contact=${newId()}`, agent.headers)).status).toBe(403)
  })

  it('CS4 a page reads one row more than it shows, for every filter', async () => {
    const { ids, begin, siteId } = await chats('Shop')
    for (let n = 0; n < 6; n++) await begin(ids[0]!)
    for (const where of [
      '',
      'AND inbox_id = ?2',
      `AND status = 'open' AND inbox_id = ?2`,
      `AND status = 'open'`,
    ]) {
      const sql = `SELECT id FROM conversations WHERE site_id = ?1 ${where} ORDER BY last_message_at DESC, id DESC LIMIT 3`
      const { meta } = await env.DB.prepare(sql)
        .bind(...(where.includes('?2') ? [siteId, ids[0]] : [siteId]))
        .all()
      expect(meta.rows_read, where).toBeLessThanOrEqual(3)
    }
  })

  it('SA6 a mail to a closed thread opens it again, or begins another one to which its thread goes from then on', async () => {
    for (const whenClosed of ['reopen', 'new']) {
      const { siteId, headers } = await site()
      const config = await inbox(siteId, { settings: { whenClosed } })
      const write = async (id: string, cited: string[]) => {
        const references = cited.map(one => `<${one}.${config.inboxId}@customer.test>`).join(' ')
        const [one] = await received(config, [
          mail({
            to: config.address,
            messageId: `<${id}.${config.inboxId}@customer.test>`,
            text: `This is ${id}`,
            ...(cited.length > 0 ? { headers: [`References: ${references}`] } : {}),
          }),
        ])
        return one!.conversationId
      }
      const first = await write('one', [])
      expect(await write('two', ['one'])).toBe(first)
      await call(`/conversations/${first}`, headers, 'PATCH', { status: 'closed' })
      const third = await write('three', ['one', 'two'])
      const fourth = await write('four', ['one', 'two', 'three'])
      expect(fourth).toBe(third)
      const { body } = await call(`/conversations/${third}`, headers)
      if (whenClosed === 'reopen') expect([third, body.status]).toEqual([first, 'open'])
      else {
        expect(body).toMatchObject({ linkedTo: first, status: 'open' })
        expect(third).not.toBe(first)
        expect((await call(`/conversations/${first}`, headers)).body.status).toBe('closed')
      }
    }
  })

  it('CS5 two are made one by a word', async () => {
    const { headers, ids, begin } = await chats('Shop')
    const contact = (await call('/contacts', headers, 'POST', { name: 'Ann' })).body.id
    const withAnn = async (content: string) => {
      const { body } = await call('/conversations', headers, 'POST', { webChat: ids[0], contact })
      await call('/messages', headers, 'POST', { conversation: body.id, content })
      return body.id as string
    }
    const [a, b] = [await withAnn('One'), await withAnn('Two')]
    const stranger = await begin(ids[0]!, 'Three')
    expect((await call(`/conversations/${a}/merge`, headers, 'POST', { with: stranger })).status).toBe(400)
    const merged = await call(`/conversations/${b}/merge`, headers, 'POST', { with: a })
    expect(merged.body.id).toBe(a)
    await until(
      async () => ((await call(`/messages?conversation=${a}`, headers)).body.items as Json[]).length === 2,
    )
    const moved = await call(`/conversations/${b}`, headers)
    expect([moved.status, moved.headers.get('location')]).toEqual([308, `/api/v1/conversations/${a}`])
    expect((await call(`/conversations/${a}/merge`, headers, 'POST', { with: newId() })).status).toBe(400)
  })

  it('CS5 UN1 what may still be taken back goes along in a merge, leaves at its time, and nobody waits for it', async () => {
    const { headers, ids } = await chats('Shop')
    const contact = (await call('/contacts', headers, 'POST', { name: 'Ann' })).body.id
    const begun = async () =>
      (await call('/conversations', headers, 'POST', { webChat: ids[0], contact })).body.id as string
    const [a, b] = [await begun(), await begun()]
    const write = async (content: string, undoSeconds: number) =>
      (await call('/messages/outgoing', headers, 'POST', { conversation: b, content, undoSeconds })).body.id
    const [kept, undone] = [await write('Kept', 2), await write('Taken back', 10)]
    expect((await call(`/conversations/${b}/merge`, headers, 'POST', { with: a })).status).toBe(200)
    const said = await call('/messages', headers, 'POST', { conversation: b, content: 'And one more' })
    expect([said.status, said.body.conversation]).toEqual([200, a])
    expect((await call(`/messages/${undone}/undo`, headers, 'POST')).body).toMatchObject({
      delivery: { status: 'withdrawn' },
    })
    const status = async (id: unknown) => (await call(`/messages/${id}`, headers)).body.delivery
    expect(await status(kept)).toMatchObject({ status: 'queued' })
    await until(async () => ((await status(kept)) as Json).status === 'sent')
  })
})

describe('words', () => {
  const found = async (headers: Record<string, string>, query: string) =>
    ((await call(`/messages?${query}`, headers)).body.items as Json[]).map(one => one.content)

  it('WO1 O3 messages are found by all their words, Chinese ones too, the newest first', async () => {
    const { headers, ids, begin } = await chats('Shop')
    await begin(ids[0]!, 'My order 4711 is late', 'The order came', '我想退款，謝謝')
    await until(async () => (await found(headers, 'text=%E9%80%80%E6%AC%BE')).length === 1)
    expect(await found(headers, 'text=order')).toEqual(['The order came', 'My order 4711 is late'])
    expect(await found(headers, 'text=ORDER%20late')).toEqual(['My order 4711 is late'])
    expect(await found(headers, 'text=order%20退款')).toEqual([])
    expect(await found(headers, 'text=%22%20OR%20body:*')).toEqual([])
    const sixty = 'order '.repeat(60)
    expect(await found(headers, `text=${encodeURIComponent(sixty)}`)).toHaveLength(2)
    const first = (await call('/messages?text=order&limit=1', headers)).body
    expect(await found(headers, `text=order&limit=1&cursor=${first.next}`)).toEqual(['My order 4711 is late'])
  })

  it('WO1 conversations are found by their messages, each once over all pages', async () => {
    const { headers, ids, begin } = await chats('Shop')
    const a = await begin(ids[0]!, 'refund one')
    const b = await begin(ids[0]!, 'refund two', 'refund three')
    await call('/messages/', headers, 'POST', { conversation: a, content: 'refund four' })
    await until(async () => (await found(headers, 'text=refund')).length === 4)
    const seen: unknown[] = []
    for (let cursor = ''; ; ) {
      const { body } = await call(`/conversations?text=refund&limit=1&cursor=${cursor}`, headers)
      expect(body.error).toBeUndefined()
      seen.push(...(body.items as Json[]).map(one => one.id))
      if (body.next === null) break
      cursor = body.next as string
    }
    expect(seen).toEqual([a, b])
  })

  it('WO2 nothing of another site or inbox is found, nor what was erased', async () => {
    const { headers, ids, begin, siteId } = await chats('Shop', 'Help')
    const id = await begin(ids[0]!, 'unicorn here')
    await begin(ids[1]!, 'unicorn there')
    await until(async () => (await found(headers, 'text=unicorn')).length === 2)
    expect(await found((await site()).headers, 'text=unicorn')).toEqual([])
    const agent = await member(siteId, 'agent', [ids[1]!])
    expect(await found(agent.headers, 'text=unicorn')).toEqual(['unicorn there'])
    await call(`/conversations/${id}`, headers, 'DELETE')
    expect(await found(headers, 'text=unicorn')).toEqual(['unicorn there'])
  })

  it('WO3 the index is rebuilt by the conversations themselves', async () => {
    const { headers, ids, begin, siteId } = await chats('Shop')
    await begin(ids[0]!, 'zebra one', 'zebra two')
    await until(async () => (await found(headers, 'text=zebra')).length === 2)
    await env.SEARCH.batch([
      env.SEARCH.prepare(
        'DELETE FROM message_words WHERE rowid IN (SELECT id FROM message_docs WHERE site_id = ?)',
      ).bind(siteId),
      env.SEARCH.prepare('DELETE FROM message_docs WHERE site_id = ?').bind(siteId),
    ])
    expect(await found(headers, 'text=zebra')).toEqual([])
    const rebuild = async (cursor?: string) => {
      const { status, body } = await call('/site/search-index', headers, 'POST', cursor ? { cursor } : {})
      expect(status).toBe(200)
      return body
    }
    expect(await rebuild()).toEqual({ conversations: 1, next: null })
    await until(async () => (await found(headers, 'text=zebra')).length === 2)
    expect(await found(headers, 'text=zebra')).toEqual(['zebra two', 'zebra one'])
  })

  it('WO1 one Chinese character is looked for, too, wherever it stands', async () => {
    const { headers, ids, begin } = await chats('Shop')
    await begin(ids[0]!, '我想退款', '30 天內', '密碼')
    await until(async () => (await found(headers, 'text=密碼')).length === 1)
    expect(await found(headers, `text=${encodeURIComponent('款')}`)).toEqual(['我想退款'])
    expect(await found(headers, `text=${encodeURIComponent('退')}`)).toEqual(['我想退款'])
    expect(await found(headers, `text=${encodeURIComponent('30 天')}`)).toEqual(['30 天內'])
    expect(await found(headers, `text=${encodeURIComponent('水')}`)).toEqual([])
  })

  it('WO4 a long message is found by its end, too', async () => {
    const { headers, ids, begin } = await chats('Shop')
    const long = `${'word '.repeat(4000)}quagga`
    await begin(ids[0]!, long)
    await until(async () => (await found(headers, 'text=quagga')).length === 1)
  })
})
