import { listDurableObjectIds, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { problem } from '../../src/domain/problem.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { apiKeys } from '../../src/store/schema.ts'
import { handOut } from '../../src/store/seal.ts'
import { conversation, inbox, received, site } from './cast.ts'
import { mail } from './mail.ts'

const get = (path: string, headers: Record<string, string> = {}) =>
  exports.default.fetch(`http://edgedesk.test${path}`, { headers })

describe('who is asking', () => {
  it.each([
    ['Authorization: Api-Key', (key: string) => ({ authorization: `Api-Key ${key}` })],
    ['Authorization: Bearer', (key: string) => ({ authorization: `Bearer ${key}` })],
    ['x-api-key', (key: string) => ({ 'x-api-key': key })],
    ['the scheme in any case', (key: string) => ({ authorization: `api-key  ${key} ` })],
    [
      'x-api-key beside a scheme that is none of ours',
      (key: string) => ({ authorization: 'Basic YTpi', 'x-api-key': key }),
    ],
  ])('AC1 a key opens its site: %s', async (_, headers) => {
    const { apiKey } = await site()
    expect((await get('/api/v1/conversations/', headers(apiKey))).status).toBe(200)
  })

  it('AC2 a key that is wrong in any way is 401, as is the right key in the wrong place', async () => {
    const { apiKey, siteId } = await site()
    const other = await site()
    const [, id, secret] = /^ed_([0-9a-f]{32})_(.{43})$/.exec(apiKey)!
    const [, otherId, otherSecret] = /^ed_([0-9a-f]{32})_(.{43})$/.exec(other.apiKey)!
    const flipped = secret![0] === 'A' ? `B${secret!.slice(1)}` : `A${secret!.slice(1)}`
    const wrong = [
      `ed_${id}_${flipped}`,
      `ed_${id}_${otherSecret}`,
      `ed_${otherId}_${secret}`,
      `ed_${'0'.repeat(32)}_${secret}`,
      `ed_${id}_`,
      `ed_${id}`,
      `ed_${id!.toUpperCase()}_${secret}`,
      apiKey.slice(0, -1),
      `${apiKey}x`,
      secret!,
      siteId,
      `ed_' OR 1=1 --_${secret}`,
      'x'.repeat(5000),
    ]
    for (const key of wrong) {
      expect(
        (await get('/api/v1/conversations/', { authorization: `Api-Key ${key}` })).status,
        key.slice(0, 90),
      ).toBe(401)
      expect((await get('/api/v1/conversations/', { 'x-api-key': key })).status, key.slice(0, 90)).toBe(401)
    }
    expect((await get(`/api/v1/conversations/?api_key=${apiKey}`)).status).toBe(401)
    expect((await get('/api/v1/conversations/', { cookie: `api_key=${apiKey}` })).status).toBe(401)
    expect((await get('/api/v1/conversations/', { authorization: apiKey })).status).toBe(401)
  })

  it('AC2 a key that was taken away opens nothing', async () => {
    const { siteId, headers } = await site()
    await db(env.DB).delete(apiKeys).where(eq(apiKeys.siteId, siteId))
    expect((await get('/api/v1/conversations/', headers)).status).toBe(401)
  })

  it('AC3 of the secret only its keyed digest is kept', async () => {
    const { apiKey, siteId } = await site()
    const row = await db(env.DB).select().from(apiKeys).where(eq(apiKeys.siteId, siteId)).get()
    expect(row!.secretHash).toMatch(/^h1\.[A-Za-z0-9+/]{43}=$/)
    expect(JSON.stringify(row)).not.toContain(apiKey.split('_').slice(2).join('_'))
  })

  it.each(['/health', '/api/v1/health', '/openapi.json'])('AC4 %s asks for no key', async path => {
    expect((await get(path)).status).toBe(200)
  })
})

describe('what a key does not open', () => {
  it('AC5 another site’s conversation, message, mail, attachment and inbox are not there, nor in its lists', async () => {
    const mine = await site()
    const theirs = await site()
    const config = await inbox(theirs.siteId)
    const boundary = 'Content-Type: multipart/mixed; boundary=b'
    const text =
      '--b\r\n\r\nSee the file.\r\n--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nsecret\r\n--b--'
    const [one] = await received(config, [mail({ to: config.address, headers: [boundary], text })])
    const paths = [
      `/api/v1/conversations/${one!.conversationId}`,
      `/api/v1/messages/?conversation=${one!.conversationId}`,
      `/api/v1/messages/${one!.messageId}`,
      `/api/v1/messages/${one!.messageId}/original`,
      `/api/v1/messages/${one!.messageId}/attachments/0`,
      `/api/v1/inboxes/${config.inboxId}`,
    ]
    for (const path of paths) {
      expect((await get(path, theirs.headers)).status, `${path} for its own site`).toBe(200)
      const refused = await get(path, mine.headers)
      expect(refused.status, path).toBe(404)
      expect(await refused.json()).toMatchObject({
        error: { code: 'not_found', message: 'There is nothing here with that id.' },
      })
    }
    for (const path of ['/api/v1/conversations/', `/api/v1/conversations/?inbox=${config.inboxId}`])
      expect(await (await get(path, mine.headers)).json()).toEqual({ items: [], next: null })
  })

  it('AC6 an id that was never made is 404, and asking for it writes nothing', async () => {
    const { headers, siteId } = await site()
    const id = newId()
    for (const path of [
      `conversations/${id}`,
      `messages/?conversation=${id}`,
      `messages/${id}`,
      `messages/${id}/original`,
      `messages/${id}/attachments/0`,
      `inboxes/${id}`,
    ])
      expect((await get(`/api/v1/${path}`, headers)).status, path).toBe(404)
    const made = [
      ...(await listDurableObjectIds(env.CONVERSATION)),
      ...(await listDurableObjectIds(env.MAILBOX)),
    ].map(String)
    for (const namespace of [env.CONVERSATION, env.MAILBOX])
      expect(made).not.toContain(String(namespace.idFromName(`${siteId}/${id}`)))
  })

  it('AC6 an object that is asked though it never was says so, and has no tables after that', async () => {
    const { siteId } = await site()
    const stub = conversation(siteId, newId())
    expect(await stub.read()).toBeNull()
    expect(await stub.message(newId())).toBeNull()
    expect(await stub.mayLeave(newId())).toMatchObject({ yes: false, problem: { code: 'not_found' } })
    expect(await stub.change({ owner: 'person' }, null)).toMatchObject({ problem: { code: 'not_found' } })
    expect(await stub.change({ owner: 'assistant' }, null)).toMatchObject({ problem: { code: 'not_found' } })
    await stub.fate(newId(), 'sent', null)
    await stub.wake()
    const box = env.MAILBOX.getByName(`${siteId}/${newId()}`)
    expect(await box.status()).toBeNull()
    expect(await box.original('1-1-1')).toMatchObject({ problem: { code: 'not_found' } })
    expect(await box.withdraw(newId(), problem('superseded'))).toBe(false)
    await box.news()
    for (const one of [stub, box])
      await runInDurableObject(one as DurableObjectStub, async (_, state) => {
        const tables = state.storage.sql.exec(
          `SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'`,
        )
        expect(tables.toArray()).toEqual([])
        expect(await state.storage.getAlarm()).toBeNull()
      })
  })

  it.each(['x', "' OR 1=1 --", '0'.repeat(5000), '%00', '%E0%A4%A', '%F0%9F%99%82'])(
    'AC6 what is no id at all (%s) is 404 too',
    async id => {
      const { headers } = await site()
      for (const path of ['conversations', 'messages', 'inboxes'])
        expect((await get(`/api/v1/${path}/${id}`, headers)).status, path).toBe(404)
    },
  )
})

describe('news from the bridge', () => {
  const knock = (body: unknown, token?: string) =>
    exports.default.fetch('http://edgedesk.test/hooks/mailbox-news', {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    })

  it('AC7 comes in with the token of its own mailbox, and with no other', async () => {
    const { siteId, apiKey } = await site()
    const [mine, other] = [await inbox(siteId), await inbox(siteId)]
    const token = await handOut(env.KEK, siteId, 'watch', mine.inboxId)
    const mailbox = `${siteId}/${mine.inboxId}`
    expect((await knock({ mailbox }, token)).status).toBe(200)
    expect((await knock({ mailbox: `${siteId}/${other.inboxId}` }, token)).status).toBe(401)
    expect((await knock({ mailbox: `${newId()}/${mine.inboxId}` }, token)).status).toBe(401)
    for (const wrong of [
      undefined,
      '',
      'x',
      apiKey,
      env.BRIDGE_TOKEN,
      token.slice(1),
      `${token}x`,
      await handOut(env.KEK, siteId, 'erase', mine.inboxId),
    ])
      expect((await knock({ mailbox }, wrong)).status, String(wrong)).toBe(401)
  })

  it('AC7 without saying which mailbox it is 400, and the token is not looked at', async () => {
    for (const body of [
      '',
      '{',
      'null',
      '[]',
      {},
      { mailbox: 1 },
      { mailbox: 'x' },
      { mailbox: '../../x' },
    ]) {
      const answer = await knock(body, 'x')
      expect(answer.status, JSON.stringify(body)).toBe(400)
      expect(await answer.json()).toMatchObject({ error: { code: 'invalid_field', field: 'mailbox' } })
    }
  })

  it('AC7 a token opens nothing of the API', async () => {
    const { siteId } = await site()
    const token = await handOut(env.KEK, siteId, 'watch', newId())
    expect((await get('/api/v1/conversations/', { authorization: `Bearer ${token}` })).status).toBe(401)
  })
})
