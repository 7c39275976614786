import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { tick } from '../../src/clock.ts'
import { call, type Json } from './call.ts'
import { conversation, inbox, received, site } from './cast.ts'
import { mail, until } from './mail.ts'

const DAY = 24 * 60 * 60_000

/** Alice wrote a mail with an attachment, and said something in a chat besides. */
async function written() {
  const who = await site()
  const config = await inbox(who.siteId)
  const [one] = await received(config, [mail({ to: config.address, text: 'My pangolin is ill' })])
  const { body } = await call(`/conversations/${one!.conversationId}`, who.headers)
  const contact = body.contact as Json
  return { ...who, config, ...one!, contact }
}

/** Every place in which a site keeps anything of a conversation. */
async function traces(siteId: string, conversationId: string, messageId: string) {
  const count = async (d1: D1Database, sql: string, ...values: string[]) =>
    (await d1
      .prepare(`SELECT count(*) AS n FROM ${sql}`)
      .bind(...values)
      .first<{ n: number }>())!.n
  const { objects } = await env.MAIL.list({ include: ['customMetadata'] })
  return {
    object: (await conversation(siteId, conversationId).read()) !== null,
    conversations: await count(env.DB, 'conversations WHERE site_id = ? AND id = ?', siteId, conversationId),
    messages: await count(env.DB, 'messages WHERE site_id = ? AND id = ?', siteId, messageId),
    words: await count(env.SEARCH, 'message_docs WHERE site_id = ? AND message_id = ?', siteId, messageId),
    bytes: objects.filter(one => one.key.includes(siteId)).map(one => one.key),
  }
}

const NOTHING = { object: false, conversations: 0, messages: 0, words: 0, bytes: [] }

describe('retention', () => {
  it('RT1 what was said last before the site’s days are over is erased everywhere, and nothing else', async () => {
    const { siteId, headers, conversationId, messageId, config, contact } = await written()
    await until(async () => (await traces(siteId, conversationId, messageId)).words === 1)
    await tick('* * * * *', Date.now() + 89 * DAY, env).catch(() => {})
    expect((await traces(siteId, conversationId, messageId)).object).toBe(true)
    await tick('* * * * *', Date.now() + 91 * DAY, env).catch(() => {})
    expect(await traces(siteId, conversationId, messageId)).toEqual(NOTHING)
    expect((await call(`/contacts/${contact.id}`, headers)).status).toBe(404)
    // The mail that is still on the server is known, and does not come back.
    const [again] = await received(config, [mail({ to: config.address, text: 'My pangolin is ill' })])
    expect(again?.conversationId).not.toBe(conversationId)
  })

  it('RT1 what was said a moment ago, of which D1 has no copy yet, keeps its conversation', async () => {
    const { siteId, conversationId, messageId } = await written()
    const long = Date.now() - 100 * DAY
    await env.DB.prepare('UPDATE conversations SET last_message_at = ? WHERE id = ?')
      .bind(long, conversationId)
      .run()
    await tick('* * * * *', Date.now(), env).catch(() => {})
    expect((await traces(siteId, conversationId, messageId)).object).toBe(true)
  })

  it('RT1 mail that would be erased at once is not imported', async () => {
    const { headers, config } = await written()
    const begin = (days: number) => call(`/inboxes/${config.inboxId}/history`, headers, 'POST', { days })
    expect((await begin(91)).body).toMatchObject({ error: { code: 'invalid_field', field: 'days' } })
    expect((await begin(90)).status).toBe(202)
  })

  it('RT1 the days are the site’s own, and may be none', async () => {
    const { siteId, headers, conversationId, messageId } = await written()
    expect((await call('/site', headers)).body).toMatchObject({ id: siteId, retentionDays: 90 })
    expect((await call('/site', headers, 'PATCH', { retentionDays: null })).body.retentionDays).toBeNull()
    await tick('* * * * *', Date.now() + 900 * DAY, env).catch(() => {})
    expect((await traces(siteId, conversationId, messageId)).object).toBe(true)
    for (const retentionDays of [0, 1.5, -1, 'x'])
      expect((await call('/site', headers, 'PATCH', { retentionDays })).body).toMatchObject({
        error: { code: 'invalid_field', field: 'retentionDays' },
      })
  })

  it('RT2 a contact is exported with all that was said, and erased with all of it', async () => {
    const { siteId, headers, conversationId, messageId, contact } = await written()
    await until(async () => (await traces(siteId, conversationId, messageId)).words === 1)
    const file = await call(`/contacts/${contact.id}/export`, headers)
    expect(file.headers.get('content-disposition')).toContain('attachment')
    expect(file.body).toMatchObject({
      contact: { id: contact.id, address: 'alice@customer.test' },
      conversations: [
        { conversation: { id: conversationId }, messages: [{ content: 'My pangolin is ill' }] },
      ],
    })
    const other = await site()
    expect((await call(`/contacts/${contact.id}/export`, other.headers)).status).toBe(404)
    expect((await call(`/contacts/${contact.id}`, other.headers, 'DELETE')).status).toBe(404)
    expect((await call(`/contacts/${contact.id}`, headers, 'DELETE')).status).toBe(204)
    expect(await traces(siteId, conversationId, messageId)).toEqual(NOTHING)
    expect((await call(`/contacts/${contact.id}`, headers)).status).toBe(404)
  })

  it('RT3 what a contact wrote into somebody else’s conversation is exported and erased, and the conversation stays', async () => {
    const who = await site()
    const config = await inbox(who.siteId)
    const first = {
      ...{ to: config.address, messageId: '<first@customer.test>', text: 'Where is our llama?' },
      headers: ['Cc: Bob <bob@customer.test>'],
    }
    const [one] = await received(config, [mail(first)])
    const reply = {
      ...{ from: 'Bob <bob@customer.test>', to: config.address, text: 'My number is 4711-BOB' },
      headers: ['In-Reply-To: <first@customer.test>'],
    }
    const [two] = await received(config, [mail(reply)])
    const { conversationId } = one!
    expect(two!.conversationId).toBe(conversationId)
    const found = await call('/contacts?address=bob@customer.test', who.headers)
    const bob = (found.body.items as Json[])[0]!
    const file = await call(`/contacts/${bob.id}/export`, who.headers)
    expect(file.body).toMatchObject({
      conversations: [],
      elsewhere: [{ id: two!.messageId, content: 'My number is 4711-BOB' }],
    })
    await until(async () => (await traces(who.siteId, conversationId, two!.messageId)).words === 1)
    expect((await call(`/contacts/${bob.id}`, who.headers, 'DELETE')).status).toBe(204)
    const { items } = (await call(`/messages?conversation=${conversationId}`, who.headers)).body
    expect(items).toMatchObject([
      { content: 'Where is our llama?', sender: { name: 'Alice' } },
      { content: '', sender: { name: '' }, flags: ['erased'] },
    ])
    expect(JSON.stringify(await conversation(who.siteId, conversationId).read())).not.toMatch(/4711|bob@/)
    const { objects } = await env.MAIL.list()
    const kept = await Promise.all(
      objects
        .filter(one => one.key.includes(who.siteId))
        .map(async one => (await env.MAIL.get(one.key))!.text()),
    )
    expect(kept.join()).toContain('llama')
    expect(kept.join()).not.toContain('4711-BOB')
    const d1 = await env.DB.prepare('SELECT * FROM messages WHERE site_id = ?').bind(who.siteId).all()
    expect(JSON.stringify(d1.results)).not.toMatch(/4711|bob@/)
    await until(
      async () => ((await call('/messages?text=4711', who.headers)).body.items as Json[]).length === 0,
    )
  })
})

describe('contacts', () => {
  it('CN1 a contact is added, found by address and source, and made a VIP', async () => {
    const { headers } = await site()
    const ann = { name: 'Ann', address: 'Ann@Customer.test', sourceId: 'C-17', labels: ['gold', 'gold'] }
    const { body } = await call('/contacts', headers, 'POST', ann)
    expect(body).toMatchObject({
      name: 'Ann',
      address: 'ann@customer.test',
      sourceId: 'C-17',
      labels: ['gold'],
      vip: false,
    })
    const found = async (query: string) => (await call(`/contacts?${query}`, headers)).body.items as Json[]
    expect(await found('address=ANN@customer.test')).toMatchObject([{ id: body.id }])
    expect(await found('sourceId=C-17')).toMatchObject([{ id: body.id }])
    expect(await found('sourceId=C-18')).toEqual([])
    expect((await call(`/contacts/${body.id}`, headers, 'PATCH', { vip: true })).body).toMatchObject({
      ...{ vip: true, name: 'Ann', labels: ['gold'] },
    })
    for (const [taken, field] of [
      [{ address: 'ann@customer.test' }, 'address'],
      [{ sourceId: 'C-17' }, 'sourceId'],
    ] as const)
      expect(await call('/contacts', headers, 'POST', taken), field).toMatchObject({
        ...{ status: 409, body: { error: { code: 'contact_taken', field } } },
      })
    const other = await call('/contacts', headers, 'POST', { name: 'Bo' })
    expect((await call(`/contacts/${other.body.id}`, headers, 'PATCH', { sourceId: 'C-17' })).status).toBe(
      409,
    )
  })

  it('CN1 IK1 added twice under one key it is one', async () => {
    const { headers } = await site()
    const keyed = { ...headers, 'idempotency-key': 'k1' }
    const [one, two] = [
      await call('/contacts', keyed, 'POST', { name: 'Ann' }),
      await call('/contacts', keyed, 'POST', { name: 'Ann' }),
    ]
    expect(two.body).toEqual(one.body)
    expect((await call('/contacts', headers)).body.items).toHaveLength(1)
  })
})

describe('idempotency', () => {
  it('IK1 a secret that is shown once is shown again to the same request, and is not in the database', async () => {
    const { headers, siteId } = await site()
    const keyed = { ...headers, 'idempotency-key': 'make-key' }
    const make = () => call('/api-keys', keyed, 'POST', { name: 'CI', scopes: ['messages:read'] })
    const [one, two] = [await make(), await make()]
    expect(two.body).toEqual(one.body)
    const rows = await env.DB.prepare('SELECT * FROM idempotency WHERE site_id = ?').bind(siteId).all()
    expect(rows.results).toHaveLength(1)
    const secret = JSON.stringify(one.body).match(/ed_[0-9a-f]{32}_[\w-]{43}/)![0]
    expect(JSON.stringify(rows.results)).not.toContain(secret)
  })

  it('IK2 a key is the caller’s own, and of one route', async () => {
    const [one, other] = [await site(), await site()]
    const post = (headers: Record<string, string>, path: string, name: string) =>
      call(path, { ...headers, 'idempotency-key': 'same' }, 'POST', { name })
    const ann = await post(one.headers, '/contacts', 'Ann')
    expect((await post(other.headers, '/contacts', 'Bo')).body.name).toBe('Bo')
    expect((await post(one.headers, '/web-chats', 'Shop')).status).toBe(200)
    expect((await post(one.headers, '/contacts', 'Bo')).body).toMatchObject({ error: { code: 'key_reused' } })
    expect((await post(one.headers, '/contacts/', 'Ann')).body.id).toBe(ann.body.id)
    const bad = await call('/contacts', { ...one.headers, 'idempotency-key': 'ü'.repeat(3) }, 'POST', {
      name: 'x',
    })
    expect(bad.status).toBe(400)
  })

  it('IK2 what failed on our side is sent again, and makes nothing twice', async () => {
    const { headers } = await site()
    const keyed = { ...headers, 'idempotency-key': 'again' }
    await env.DB.prepare('ALTER TABLE contacts RENAME TO contacts_away').run()
    const failed = await call('/contacts', keyed, 'POST', { name: 'Ann' })
    await env.DB.prepare('ALTER TABLE contacts_away RENAME TO contacts').run()
    expect(failed.status).toBe(500)
    expect((await call('/contacts', keyed, 'POST', { name: 'Ann' })).status).toBe(200)
    expect((await call('/contacts', headers)).body.items).toHaveLength(1)
  })
})
