/** Connecting a mailbox by the API, on Dovecot and Postfix: tested, saved, changed, paused, switched, disconnected. */
import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { and, eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { fingerprint, fingerprints, rememberTest, useTest } from '../../src/store/connection-tests.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { connectionTests, inboxAddresses, inboxes } from '../../src/store/schema.ts'
import { assistant, inbox, site, testMail } from './cast.ts'
import { arrives, conversationsOf, inboxOf, mail, until } from './mail.ts'
import { asking, member } from './staff.ts'

let count = 0
const fresh = () => `box${++count}.${Date.now()}@shop.test`

/** The connection of a mailbox that is there, as a person types it. */
const typed = (address = fresh(), about: Record<string, unknown> = {}) => ({
  address,
  imapHost: testMail.host,
  imapPort: testMail.imap.port,
  smtpHost: testMail.host,
  smtpPort: testMail.smtp.submissionPort,
  password: testMail.password,
  ...about,
})

/** The connection of a mailbox at servers that nobody calls. */
const away = (about: Record<string, unknown> = {}) =>
  typed(fresh(), {
    ...{ imapHost: 'imap.shop.example', imapPort: 993, smtpHost: 'smtp.shop.example', smtpPort: 587 },
    ...about,
  })

async function office() {
  const { siteId, headers } = await site()
  const ask = asking(headers)
  return {
    siteId,
    headers,
    ask,
    /** A test that passed, for these settings. */
    test: async (connection: Record<string, unknown>): Promise<string> => {
      const { json } = await ask('POST', '/inboxes/test-connection', connection)
      expect(json, JSON.stringify(json)).toMatchObject({ ok: true })
      return json.testId
    },
    /** An inbox that is connected. */
    connect: async (connection = typed(), about: Record<string, unknown> = {}) => {
      const { json } = await ask('POST', '/inboxes/test-connection', connection)
      const made = await ask('POST', '/inboxes', {
        name: 'Support',
        ...connection,
        testId: json.testId,
        ...about,
      })
      expect(made.status, JSON.stringify(made.json)).toBe(200)
      return made.json
    },
    row: async (id: string) =>
      (await db(env.DB)
        .select()
        .from(inboxes)
        .where(and(eq(inboxes.siteId, siteId), eq(inboxes.id, id)))
        .get())!,
  }
}

describe('connecting', () => {
  it('IX1 fill in, test, save: the mailbox syncs, and a mail to it is answered', async () => {
    const { siteId, headers, ask } = await office()
    const connection = typed()
    const tested = await ask('POST', '/inboxes/test-connection', connection)
    expect(tested.json).toMatchObject({
      ok: true,
      message: 'Connected. The IMAP and SMTP servers passed the connection test.',
      imap: { ok: true, code: null, message: null },
      smtp: { ok: true, code: null, message: null },
      testId: expect.any(String),
    })
    const left = Number(tested.json.expiresAt) - Date.now()
    expect(left).toBeGreaterThan(14 * 60_000)
    expect(left).toBeLessThanOrEqual(15 * 60_000)
    const made = await ask('POST', '/inboxes', {
      name: 'Support',
      assistantId: await assistant(siteId),
      ...connection,
      testId: tested.json.testId,
    })
    expect(made.json).toMatchObject({
      name: 'Support',
      provider: 'custom',
      address: connection.address,
      username: connection.address,
      hasPassword: true,
      pollingInterval: 60,
      mode: 'auto',
      state: 'connected',
      reason: null,
    })
    const shown = async () => (await ask('GET', `/inboxes/${made.json.id}`)).json
    // The first look is over: what is sent from now on is new.
    expect((await shown()).lastSyncAt).not.toBeNull()
    const alice = `alice${++count}.${Date.now()}@customer.test`
    await arrives(connection.address, [mail({ from: alice, to: connection.address })])
    // Renamed, so that it is due at once.
    await ask('PATCH', `/inboxes/${made.json.id}`, { name: 'Shop' })
    const answer = await until(async () => (await inboxOf(alice))[0])
    expect(answer.from).toEqual([{ name: 'Shop', address: connection.address }])
    expect(await shown()).toMatchObject({ state: 'connected', waiting: 0, nextSyncAt: expect.any(String) })
    expect(await conversationsOf(headers)).toHaveLength(1)
  })

  it('IX2 a leg that fails is named on its own side, in the language asked for, and gives no testId', async () => {
    const { headers } = await office()
    const test = async (about: Record<string, unknown>) => {
      const answer = await exports.default.fetch('http://edgedesk.test/api/v1/inboxes/test-connection', {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', 'accept-language': 'zh-TW,en;q=0.5' },
        body: JSON.stringify(typed(fresh(), about)),
      })
      expect(answer.status).toBe(200)
      return answer.json()
    }
    expect(await test({})).toMatchObject({ message: '連線成功！IMAP 和 SMTP 伺服器連線測試通過' })
    expect(await test({ smtpPassword: 'wrong' })).toMatchObject({
      ok: false,
      message: expect.stringContaining('認證失敗'),
      imap: { ok: true },
      smtp: { ok: false, code: 'credentials' },
      testId: null,
      expiresAt: null,
    })
    expect(await test({ imapPort: 1 })).toMatchObject({
      ok: false,
      imap: { ok: false, code: 'refused' },
      smtp: { ok: true },
    })
    expect(await test({ imapHost: '10.0.0.1' })).toMatchObject({
      imap: { code: 'host_refused' },
      testId: null,
    })
  })

  it('IX3 a provider fills in its servers and ports, and what is typed wins', async () => {
    const { ask } = await office()
    const made = async (about: Record<string, unknown>) =>
      (await ask('POST', '/inboxes', { name: 'X', address: fresh(), password: 'p', force: true, ...about }))
        .json
    expect(await made({ provider: 'gmail' })).toMatchObject({
      imapHost: 'imap.gmail.com',
      imapPort: 993,
      imapSsl: true,
      smtpHost: 'smtp.gmail.com',
      smtpPort: 587,
      smtpTls: true,
    })
    expect(await made({ provider: 'gmail', smtpPort: 465 })).toMatchObject({ smtpPort: 465 })
    expect(
      await made({ provider: 'custom', imapHost: 'IMAP.Shop.example.', smtpHost: 'smtp.shop.example' }),
    ).toMatchObject({
      imapHost: 'imap.shop.example',
      imapPort: 993,
      smtpPort: 587,
    })
    expect(await made({ provider: 'zoho', address: `z${Date.now()}@zohomail.eu` })).toMatchObject({
      imapHost: 'imap.zoho.eu',
      smtpHost: 'smtp.zoho.eu',
    })
    const routed = await made({ provider: 'cloudflare', smtpHost: null, password: undefined })
    expect(routed).toMatchObject({ imapHost: null, imapPort: null, smtpHost: null, hasPassword: false })
    expect(await made({ provider: 'cloudflare' })).toMatchObject({
      imapHost: null,
      smtpUsername: null,
      username: 'api_token',
    })
    const gmail = await made({ provider: 'gmail' })
    const moved = await ask('PATCH', `/inboxes/${gmail.id}`, {
      provider: 'yahoo',
      password: 'p',
      force: true,
    })
    expect(moved.json).toMatchObject({
      provider: 'yahoo',
      imapHost: 'imap.mail.yahoo.com',
      smtpHost: 'smtp.mail.yahoo.com',
    })
  })

  it('IX2 what was not tested is not said to have passed, and without a way out nothing passes', async () => {
    const { ask } = await office()
    const asked = { ...typed(), imapHost: null, provider: 'cloudflare' }
    expect((await ask('POST', '/inboxes/test-connection', asked)).json).toMatchObject({
      ok: true,
      message: expect.stringMatching(/^Connected\. The SMTP server passed.*Receiving was not tested/),
    })
    expect(
      (await ask('POST', '/inboxes/test-connection', { ...asked, smtpHost: null, password: undefined })).json,
    ).toMatchObject({
      ok: false,
      message: expect.stringContaining('SEND_EMAIL=1'),
      imap: { ok: true },
      smtp: { ok: false, code: 'unavailable' },
      testId: null,
    })
  })

  it('IX3 blanks in a pasted app password are no part of it', async () => {
    const { ask, row } = await office()
    const { json } = await ask('POST', '/inboxes', {
      name: 'X',
      provider: 'gmail',
      address: fresh(),
      password: 'abcd efgh ijkl mnop',
      force: true,
    })
    // The same without its blanks is the same password: nothing to change.
    const before = await row(json.id)
    expect((await ask('PATCH', `/inboxes/${json.id}`, { password: 'abcdefghijklmnop' })).status).toBe(200)
    expect(await row(json.id)).toEqual(before)
  })
})

describe('a test', () => {
  it('IX4 is needed to connect an inbox, or force, which leaves it unverified: nothing is fetched until a check passes', async () => {
    const { ask } = await office()
    const connection = typed()
    expect(await ask('POST', '/inboxes', { name: 'X', ...connection })).toMatchObject({
      status: 422,
      json: { error: { code: 'test_required' } },
    })
    const { json } = await ask('POST', '/inboxes', { name: 'X', ...connection, force: true })
    expect(json).toMatchObject({
      state: 'unverified',
      reason: expect.stringMatching(/not tested/),
      nextSyncAt: null,
    })
    await arrives(connection.address, [mail({ to: connection.address })])
    await new Promise(resolve => setTimeout(resolve, 300))
    expect((await ask('GET', `/inboxes/${json.id}`)).json).toMatchObject({
      state: 'unverified',
      lastSyncAt: null,
    })
    expect((await ask('POST', `/inboxes/${json.id}/check`)).json).toMatchObject({ ok: true, testId: null })
    await until(async () => {
      const shown = (await ask('GET', `/inboxes/${json.id}`)).json
      return shown.state === 'connected' && shown.lastSyncAt
    })
  })

  it('IX4 a check that fails leaves it as it is', async () => {
    const { ask } = await office()
    const { json } = await ask('POST', '/inboxes', {
      name: 'X',
      ...typed(fresh(), { password: 'wrong' }),
      force: true,
    })
    expect((await ask('POST', `/inboxes/${json.id}/check`)).json).toMatchObject({
      ok: false,
      imap: { code: 'credentials' },
    })
    expect((await ask('GET', `/inboxes/${json.id}`)).json.state).toBe('unverified')
  })

  it('IX5 is good for the settings that were tested and no others', async () => {
    const { ask, test } = await office()
    const connection = typed()
    const testId = await test(connection)
    for (const other of [
      { address: fresh(), username: connection.address },
      { imapPort: testMail.imap.tlsPort },
      { imapHost: '127.0.0.1' },
      { smtpPort: testMail.smtp.smtpsPort },
      { imapSsl: false },
      { smtpTls: false },
      { username: 'somebody' },
      { password: 'another' },
      { smtpUsername: 'somebody' },
      { smtpPassword: 'another' },
    ])
      expect(
        await ask('POST', '/inboxes', { name: 'X', ...connection, testId, ...other }),
        JSON.stringify(other),
      ).toMatchObject({ status: 422, json: { error: { code: 'test_invalid', field: 'testId' } } })
    expect((await ask('POST', '/inboxes', { name: 'X', ...connection, testId })).status).toBe(200)
  })

  it('IX5 is good once: used it is refused, and of two at the same moment one has it', async () => {
    const { ask, connect, test } = await office()
    const connection = typed()
    const { id } = await connect(connection)
    const testId = await test({ inboxId: id })
    await ask('PATCH', `/inboxes/${id}`, { testId })
    expect(await ask('PATCH', `/inboxes/${id}`, { testId })).toMatchObject({
      status: 422,
      json: { error: { code: 'test_invalid' } },
    })
    const again = await test({ inboxId: id })
    const both = await Promise.all([1, 2].map(() => ask('PATCH', `/inboxes/${id}`, { testId: again })))
    expect(both.map(one => one.status).sort()).toEqual([200, 422])
  })

  it('IX5 is over after a quarter of an hour, and of no use to another site', async () => {
    const { ask, test, siteId } = await office()
    const other = await office()
    const connection = typed()
    const foreign = await other.test(connection)
    const old = await test(connection)
    await db(env.DB)
      .update(connectionTests)
      .set({ expiresAt: Date.now() - 1 })
      .where(eq(connectionTests.siteId, siteId))
    for (const testId of [foreign, old, newId(), 'x'])
      expect(await ask('POST', '/inboxes', { name: 'X', ...connection, testId })).toMatchObject({
        status: 422,
        json: { error: { code: 'test_invalid' } },
      })
    // The next test sweeps up what is over.
    await test(connection)
    const rows = await db(env.DB).select().from(connectionTests).where(eq(connectionTests.siteId, siteId))
    expect(rows).toHaveLength(1)
    expect(JSON.stringify(rows)).not.toContain(testMail.password)
  })

  it('IX5 is good for its quarter of an hour though the KEK is rotated meanwhile', async () => {
    const { siteId } = await office()
    const server = { host: 'imap.shop.example', port: 993, tls: true, user: 'u' }
    const connection = {
      address: 'a@b.example',
      imap: server,
      smtp: null,
      imapPassword: 'p',
      smtpPassword: null,
    }
    const [before, after] = [1, 2].map(byte => btoa(String.fromCharCode(...new Uint8Array(32).fill(byte))))
    const now = Date.now()
    const remember = async (kek: string) =>
      (await rememberTest(db(env.DB), siteId, await fingerprint(kek, siteId, connection), now)).testId
    const use = async (testId: string, kek: string) =>
      useTest(db(env.DB), siteId, testId, await fingerprints(kek, siteId, connection), now)
    expect(await use(await remember(before!), `${after} ${before}`)).toBe(true)
    expect(await use(await remember(`${after} ${before}`), after!)).toBe(true)
    expect(await use(await remember(before!), after!)).toBe(false)
  })

  it('IX6 is needed where the connection changes, and for nothing else', async () => {
    const { ask, connect, test } = await office()
    const connection = typed()
    const { id } = await connect(connection)
    const change = (body: unknown) => ask('PATCH', `/inboxes/${id}`, body)
    const another = { imapPort: testMail.imap.tlsPort, imapHost: testMail.host }
    expect((await change({ imapPort: testMail.imap.tlsPort })).json.error.code).toBe('test_required')
    expect((await change({ password: 'another' })).json.error.code).toBe('test_required')
    // What is sent and says what is saved already changes nothing.
    expect(await change({ ...connection, imapSsl: true, name: 'Same' })).toMatchObject({
      status: 200,
      json: { name: 'Same', state: 'connected' },
    })
    // The saved password is used where none is sent.
    const back = await test({ inboxId: id, smtpPort: testMail.smtp.submissionPort })
    expect(await change({ smtpPort: testMail.smtp.submissionPort, testId: back })).toMatchObject({
      status: 200,
    })
    expect((await change({ ...another, force: true })).json.state).toBe('unverified')
    const testId = await test({ inboxId: id, ...connection })
    expect(await change({ ...connection, testId })).toMatchObject({
      status: 200,
      json: { imapPort: testMail.imap.port, state: 'connected' },
    })
  })
})

describe('changing', () => {
  it('IX7 every other field is changed without a test, and stays as it was said', async () => {
    const { ask, connect, siteId } = await office()
    const { id } = await connect()
    const wanted = {
      name: '客服',
      assistantId: await assistant(siteId),
      aliases: ['sales@shop.test', 'help@shop.test'].map(alias => `${Date.now()}.${alias}`),
      pollingInterval: 300,
      resetCommand: '重新開始',
      mode: 'hybrid',
      responseDelay: 90,
      folders: ['INBOX', 'Junk'],
      watch: true,
      senderNameAwareness: false,
      timeZone: 'Asia/Taipei',
      replyHours: {
        answer: 'inside',
        windows: [{ days: [1, 2, 3, 4, 5], from: '09:00', to: '18:00' }],
        text: '我們會盡快回覆。',
      },
      allow: ['example.com', 'ann@example.org'],
      block: ['spam.example'],
      aiLine: { on: false, text: null },
      signature: 'The shop\nwww.shop.test',
      quoteOriginal: true,
    }
    const changed = await ask('PATCH', `/inboxes/${id}`, wanted)
    expect(changed).toMatchObject({ status: 200, json: { ...wanted, state: 'connected' } })
    expect((await ask('GET', `/inboxes/${id}`)).json).toMatchObject(wanted)
    for (const empty of [
      { resetCommand: null },
      { replyHours: null },
      { assistantId: null },
      { allow: [] },
      { signature: '' },
    ])
      expect((await ask('PATCH', `/inboxes/${id}`, empty)).json).toMatchObject(empty)
  })

  it('IX8 a folder that the mailbox does not have is refused by name, but where the connection is forced', async () => {
    const { ask, connect, test } = await office()
    const refusal = {
      status: 400,
      json: {
        error: { code: 'invalid_field', field: 'folders', message: expect.stringContaining('"Support"') },
      },
    }
    const { id } = await connect()
    expect(await ask('PATCH', `/inboxes/${id}`, { folders: ['INBOX', 'Support'] })).toMatchObject(refusal)
    expect((await ask('GET', `/inboxes/${id}`)).json.folders).toEqual(['INBOX'])
    const connection = typed()
    const testId = await test(connection)
    const made = (about: unknown) =>
      ask('POST', '/inboxes', { name: 'X', ...connection, folders: ['Support'], ...(about as object) })
    expect(await made({ testId })).toMatchObject(refusal)
    expect((await made({ force: true })).json).toMatchObject({ state: 'unverified', folders: ['Support'] })
  })

  it.each([
    [{ colour: 'red' }, 'unknown_field', 'colour'],
    [{ state: 'connected' }, 'unknown_field', 'state'],
    [{ aiLine: { on: true, colour: 1 } }, 'unknown_field', 'colour'],
    [{ name: '' }, 'invalid_field', 'name'],
    [{ name: 'a\r\nBcc: x@y.z' }, 'invalid_field', 'name'],
    [{ address: 'support' }, 'invalid_field', 'address'],
    [{ address: 'a@b..com' }, 'invalid_field', 'address'],
    [{ address: 'a@-.com' }, 'invalid_field', 'address'],
    [{ address: 'a@[127.0.0.1]' }, 'invalid_field', 'address'],
    [{ address: 'a@127.0.0.1' }, 'invalid_field', 'address'],
    [{ address: 'a..b@x.com' }, 'invalid_field', 'address'],
    [{ address: '.a@x.com' }, 'invalid_field', 'address'],
    [{ address: 'a\u200b@x.com' }, 'invalid_field', 'address'],
    [{ address: 'a@x\u00ad.com' }, 'invalid_field', 'address'],
    [{ aliases: ['a\u3164@x.com'] }, 'invalid_field', 'aliases.0'],
    [{ address: 'a@b.c\r\nx' }, 'invalid_field', 'address'],
    [{ aliases: ['ok@shop.test', 'not one'] }, 'invalid_field', 'aliases.1'],
    [{ provider: 'gmial' }, 'invalid_field', 'provider'],
    [{ imapHost: '10.0.0.1' }, 'host_refused', 'imapHost'],
    [{ imapHost: 'metadata.google.internal' }, 'host_refused', 'imapHost'],
    [{ imapHost: 'imap.gmail.com', imapPort: 25 }, 'host_refused', 'imapPort'],
    [{ imapHost: null }, 'missing_field', 'imapHost'],
    [{ smtpHost: 'https://smtp.gmail.com' }, 'host_refused', 'smtpHost'],
    [{ smtpHost: 'smtp.gmail.com', smtpPort: 25 }, 'host_refused', 'smtpPort'],
    [{ smtpPort: 70_000 }, 'invalid_field', 'smtpPort'],
    [{ imapSsl: 'yes' }, 'invalid_field', 'imapSsl'],
    [{ username: 'a\u0000b' }, 'invalid_field', 'username'],
    [{ password: '' }, 'invalid_field', 'password'],
    [{ password: 'a\r\nb' }, 'invalid_field', 'password'],
    [{ pollingInterval: 14 }, 'invalid_field', 'pollingInterval'],
    [{ pollingInterval: 86_401 }, 'invalid_field', 'pollingInterval'],
    [{ pollingInterval: 15.5 }, 'invalid_field', 'pollingInterval'],
    [{ responseDelay: -1 }, 'invalid_field', 'responseDelay'],
    [{ responseDelay: 86_401 }, 'invalid_field', 'responseDelay'],
    [{ resetCommand: '' }, 'invalid_field', 'resetCommand'],
    [{ mode: 'always' }, 'invalid_field', 'mode'],
    [{ folders: [] }, 'invalid_field', 'folders'],
    [{ folders: ['INBOX', ''] }, 'invalid_field', 'folders.1'],
    [{ timeZone: 'Taipei' }, 'invalid_field', 'timeZone'],
    [{ timeZone: '+08:00' }, 'invalid_field', 'timeZone'],
    [{ replyHours: { answer: 'inside', windows: [] } }, 'invalid_field', 'replyHours.windows'],
    [
      { replyHours: { answer: 'inside', windows: [{ days: [8], from: '09:00', to: '18:00' }] } },
      'invalid_field',
      'replyHours.windows.0.days.0',
    ],
    [
      { replyHours: { answer: 'inside', windows: [{ days: [1], from: '9am', to: '18:00' }] } },
      'invalid_field',
      'replyHours.windows.0.from',
    ],
    [
      { replyHours: { windows: [{ days: [1], from: '09:00', to: '18:00' }] } },
      'invalid_field',
      'replyHours.answer',
    ],
    [{ allow: ['example'] }, 'invalid_field', 'allow.0'],
    [{ block: ['a@b@c'] }, 'invalid_field', 'block.0'],
    [{ assistantId: newId() }, 'invalid_field', 'assistantId'],
    [{ signature: 'x'.repeat(5001) }, 'invalid_field', 'signature'],
    [{ paused: 1 }, 'invalid_field', 'paused'],
  ])('IX8 %j is refused by name, for a new inbox and for one that is there', async (wrong, code, field) => {
    const { ask, siteId } = await office()
    const { inboxId } = await inbox(siteId)
    const refused = [
      await ask('POST', '/inboxes', { name: 'X', ...typed(), force: true, ...wrong }),
      await ask('PATCH', `/inboxes/${inboxId}`, { force: true, ...wrong }),
    ]
    for (const { json } of refused) expect(json).toMatchObject({ error: { code, field } })
    expect((await ask('GET', '/inboxes')).json.items).toHaveLength(1)
  })

  it('IX8 what is missing is named', async () => {
    const { ask } = await office()
    for (const [left, field] of [
      [{ name: undefined }, 'name'],
      [{ address: undefined }, 'address'],
      [{ imapHost: undefined }, 'imapHost'],
      [{ smtpHost: undefined }, 'smtpHost'],
      [{ password: undefined }, 'password'],
    ] as const)
      expect(await ask('POST', '/inboxes', { name: 'X', ...typed(), force: true, ...left })).toMatchObject({
        status: 400,
        json: { error: { code: 'missing_field', field } },
      })
    expect((await ask('POST', '/inboxes/test-connection', { password: 'x' })).json.error).toMatchObject({
      code: 'missing_field',
      field: 'address',
    })
  })

  it('IX9 a password goes in and never comes out, and survives changes of other things', async () => {
    const { ask, connect, row } = await office()
    const made = await connect(typed(fresh()), {})
    const before = await row(made.id)
    expect(before.imapPassword).toMatch(/^v1\.site\./)
    expect(before.smtpPassword).not.toBe(before.imapPassword)
    const changed = await ask('PATCH', `/inboxes/${made.id}`, { name: 'New name', timeZone: 'Asia/Taipei' })
    const after = await row(made.id)
    expect([after.imapPassword, after.smtpPassword]).toEqual([before.imapPassword, before.smtpPassword])
    const said = JSON.stringify([made, changed.json, await ask('GET', '/inboxes')])
    for (const secret of [testMail.password, before.imapPassword!, before.smtpPassword!])
      expect(said).not.toContain(secret)
  })

  it.each([
    [{ imapHost: 'imap.elsewhere.example' }, 'password'],
    [{ smtpHost: 'smtp.elsewhere.example' }, 'password'],
    [{ address: 'other@shop.test' }, 'password'],
    [{ username: 'somebody' }, 'password'],
    [{ smtpUsername: 'somebody' }, 'password'],
    [{ provider: 'gmail' }, 'password'],
    [{ smtpHost: 'smtp.elsewhere.example', smtpPassword: null }, 'password'],
    [{ imapHost: 'imap.elsewhere.example', smtpPassword: 'p' }, 'password'],
  ])('IX19 the saved password is not given to another server or user: %j', async (other, field) => {
    const { ask, row } = await office()
    const { json } = await ask('POST', '/inboxes', { name: 'X', ...away(), force: true })
    const before = await row(json.id)
    const refusal = {
      status: 400,
      json: {
        error: { code: 'missing_field', field, message: expect.stringMatching(/not given to another/) },
      },
    }
    const tests = { inboxId: json.id, ...other }
    expect(await ask('POST', '/inboxes/test-connection', tests)).toMatchObject(refusal)
    const change = (body: unknown) => ask('PATCH', `/inboxes/${json.id}`, body)
    expect(await change({ ...other, force: true })).toMatchObject(refusal)
    expect(await row(json.id)).toEqual(before)
    expect(await change({ ...other, password: 'entered-again', force: true })).toMatchObject({ status: 200 })
  })

  it('IX19 port and TLS change without it, and the same host in other letters is the same', async () => {
    const { ask } = await office()
    const made = await ask('POST', '/inboxes', {
      name: 'X',
      ...away(),
      force: true,
    })
    for (const same of [
      { imapPort: 143 },
      { imapSsl: false },
      { smtpPort: 465 },
      { imapHost: 'IMAP.shop.example.' },
    ])
      expect((await ask('PATCH', `/inboxes/${made.json.id}`, { ...same, force: true })).status).toBe(200)
  })

  it('IX19 a password of SMTP’s own stays with its server, and is asked for by its name', async () => {
    const { ask } = await office()
    const own = away({ smtpUsername: 'relay', smtpPassword: 'relay-password' })
    const { json } = await ask('POST', '/inboxes', { name: 'X', ...own, force: true })
    const change = (body: unknown) => ask('PATCH', `/inboxes/${json.id}`, body)
    const moved = { smtpHost: 'smtp.elsewhere.example', password: 'new', force: true }
    expect((await change(moved)).json.error).toMatchObject({ code: 'missing_field', field: 'smtpPassword' })
    expect((await change({ ...moved, smtpPassword: 'relay-password' })).status).toBe(200)
  })

  it('IX9 where SMTP has a user and a password of its own, they stay its own', async () => {
    const { ask, row } = await office()
    const own = typed(fresh(), { smtpUsername: 'relay', smtpPassword: 'relay-password' })
    const { json } = await ask('POST', '/inboxes', { name: 'X', ...own, force: true })
    expect(json).toMatchObject({ username: own.address, smtpUsername: 'relay' })
    const before = await row(json.id)
    await ask('PATCH', `/inboxes/${json.id}`, { password: 'new-password', force: true })
    const after = await row(json.id)
    expect(after.imapPassword).not.toBe(before.imapPassword)
    expect(after.smtpPassword).toBe(before.smtpPassword)
    const shared = await ask('PATCH', `/inboxes/${json.id}`, {
      smtpUsername: null,
      smtpPassword: null,
      force: true,
    })
    expect(shared.json.smtpUsername).toBeNull()
    expect((await row(json.id)).smtpPassword).not.toBe(before.smtpPassword)
  })

  it('IX10 an address, an alias too, is one inbox’s of a site', async () => {
    const { ask, siteId } = await office()
    const other = await office()
    const [a, b, c] = [fresh(), fresh(), fresh()]
    const make = (address: string, about = {}) =>
      ask('POST', '/inboxes', { name: 'X', ...typed(address), force: true, ...about })
    const first = await make(a.toUpperCase(), { aliases: [b, a, b] })
    expect(first.json).toMatchObject({ address: a, aliases: [b] })
    const taken = (field: string) => ({ status: 409, json: { error: { code: 'address_taken', field } } })
    expect(await make(a)).toMatchObject(taken('address'))
    expect(await make(b)).toMatchObject(taken('address'))
    expect(await make(c, { aliases: [b] })).toMatchObject(taken('aliases'))
    const second = await make(c)
    expect(await ask('PATCH', `/inboxes/${second.json.id}`, { aliases: [b] })).toMatchObject(taken('aliases'))
    expect(
      await ask('PATCH', `/inboxes/${second.json.id}`, {
        address: a,
        password: 'p',
        force: true,
      }),
    ).toMatchObject(taken('address'))
    // What one lets go another may have, and another site has its own.
    expect((await ask('PATCH', `/inboxes/${first.json.id}`, { aliases: [] })).status).toBe(200)
    expect((await ask('PATCH', `/inboxes/${second.json.id}`, { aliases: [b] })).json.aliases).toEqual([b])
    expect((await other.ask('POST', '/inboxes', { name: 'X', ...typed(a), force: true })).status).toBe(200)
    expect((await ask('DELETE', `/inboxes/${first.json.id}`)).json).toEqual({
      id: first.json.id,
      deleted: true,
    })
    expect((await make(a)).status).toBe(200)
    const rows = await db(env.DB).select().from(inboxAddresses).where(eq(inboxAddresses.siteId, siteId))
    expect(rows.map(row => row.address).sort()).toEqual([a, b, c].sort())
  })

  it('IX10 an address in letters of the world is the one that mail programs write, in lists too', async () => {
    const { ask } = await office()
    const address = `a${++count}.${Date.now()}@bücher.example`
    const ascii = address.replace('bücher', 'xn--bcher-kva')
    const make = (about: unknown) =>
      ask('POST', '/inboxes', { name: 'X', ...typed(), force: true, ...(about as object) })
    const made = await make({ address, allow: ['bücher.example'], block: [address.toUpperCase()] })
    expect(made.json).toMatchObject({ address: ascii, allow: ['xn--bcher-kva.example'], block: [ascii] })
    expect((await make({ address: ascii })).json.error).toMatchObject({ code: 'address_taken' })
    const wide = ascii.replace('.example', '\uff0eｅｘａｍｐｌｅ')
    expect((await make({ address: wide.replace('xn--bcher-kva', 'bücher') })).json.error).toMatchObject({
      code: 'address_taken',
    })
  })

  it('IX10 of two who take an address at the same moment one has it', async () => {
    const { ask } = await office()
    const address = fresh()
    const both = await Promise.all(
      [1, 2, 3, 4].map(() => ask('POST', '/inboxes', { name: 'X', ...typed(address), force: true })),
    )
    expect(both.map(one => one.status).sort()).toEqual([200, 409, 409, 409])
    expect((await ask('GET', '/inboxes')).json.items).toHaveLength(1)
  })

  it('IX11 changes at the same moment lose nothing of each other, and the version rises with each', async () => {
    const { ask, connect, row } = await office()
    const { id } = await connect()
    const before = await row(id)
    const changes = [
      { name: 'A' },
      { signature: 'B' },
      { timeZone: 'Asia/Taipei' },
      { folders: ['Junk'] },
      { block: ['d.example'] },
      { responseDelay: 5 },
      { pollingInterval: 77 },
      { quoteOriginal: true },
    ]
    const all = await Promise.all(changes.map(one => ask('PATCH', `/inboxes/${id}`, one)))
    expect(all.map(one => one.status)).toEqual(changes.map(() => 200))
    expect((await ask('GET', `/inboxes/${id}`)).json).toMatchObject(Object.assign({}, ...changes))
    expect((await row(id)).version).toBeGreaterThanOrEqual(before.version + changes.length)
  })

  it('IX12 paused it rests, with what it was; going on it syncs', async () => {
    const { ask, connect } = await office()
    const { id } = await connect()
    const shown = async () => (await ask('GET', `/inboxes/${id}`)).json
    await until(async () => (await shown()).lastSyncAt)
    expect((await ask('PATCH', `/inboxes/${id}`, { paused: true })).json).toMatchObject({
      state: 'paused',
      reason: expect.stringMatching(/nothing is fetched/),
      nextSyncAt: null,
    })
    const { lastSyncAt } = await shown()
    await ask('PATCH', `/inboxes/${id}`, { paused: false })
    await until(async () => (await shown()).lastSyncAt > lastSyncAt)
    expect((await shown()).state).toBe('connected')
  })

  it('IX13 switched to another account it begins anew there: what lies in the other mailbox is not fetched', async () => {
    const { ask, connect, test, headers } = await office()
    const [one, other] = [typed(), typed()]
    await arrives(other.address, [mail({ to: other.address, subject: 'Old' })])
    const { id } = await connect(one)
    const shown = async () => (await ask('GET', `/inboxes/${id}`)).json
    const { lastSyncAt } = await until(async () => ((await shown()).lastSyncAt ? shown() : null))
    const testId = await test({ inboxId: id, address: other.address, password: testMail.password })
    const moved = await ask('PATCH', `/inboxes/${id}`, {
      address: other.address,
      password: testMail.password,
      testId,
    })
    expect(moved.json).toMatchObject({ address: other.address, username: other.address })
    await until(async () => (await shown()).lastSyncAt > lastSyncAt)
    await arrives(other.address, [mail({ to: other.address, subject: 'New' })])
    await ask('PATCH', `/inboxes/${id}`, { name: 'Moved' })
    const all = await until(async () => {
      const found = await conversationsOf(headers)
      return found.length > 0 ? found : null
    })
    expect(all.map(found => found.conversation.title)).toEqual(['New'])
  })

  it('IX14 disconnected it is gone, with its addresses, its password and what its object kept; conversations stay', async () => {
    const { ask, connect, siteId, headers } = await office()
    const connection = typed()
    const { id } = await connect(connection)
    await until(async () => (await ask('GET', `/inboxes/${id}`)).json.lastSyncAt)
    await arrives(connection.address, [mail({ to: connection.address })])
    await ask('PATCH', `/inboxes/${id}`, { name: 'Y' })
    await until(async () => (await conversationsOf(headers)).length)
    expect((await ask('DELETE', `/inboxes/${id}`)).status).toBe(200)
    expect((await ask('GET', `/inboxes/${id}`)).status).toBe(404)
    expect((await ask('DELETE', `/inboxes/${id}`)).status).toBe(404)
    expect((await ask('PATCH', `/inboxes/${id}`, { name: 'Z' })).status).toBe(404)
    expect(await conversationsOf(headers)).toHaveLength(1)
    const stub = env.MAILBOX.getByName(`${siteId}/${id}`)
    expect(await stub.status()).toBeNull()
    await runInDurableObject(stub, async (_, state) => {
      expect(await state.storage.getAlarm()).toBeNull()
    })
  })
})

describe('who sees and changes inboxes', () => {
  it('IX15 a list has the site’s own in the order they were made, page by page', async () => {
    const { ask, siteId } = await office()
    await inbox((await site()).siteId)
    const made = []
    for (let i = 0; i < 5; i++) made.push((await inbox(siteId)).inboxId)
    const seen: string[] = []
    for (let next: string | null = ''; next !== null; ) {
      const { json } = await ask('GET', `/inboxes/?limit=2&cursor=${next}`)
      seen.push(...json.items.map((one: { id: string }) => one.id))
      next = json.next
    }
    expect(seen).toEqual([...made].sort())
    expect((await ask('GET', '/inboxes/?cursor=x')).json.error).toMatchObject({ field: 'cursor' })
  })

  it('IX16 an agent sees the inboxes it has a right to, and changes, tests and removes none', async () => {
    const { siteId } = await site()
    const [mine, other] = [await inbox(siteId), await inbox(siteId)]
    const ask = asking((await member(siteId, 'agent', [mine.inboxId])).headers)
    expect((await ask('GET', '/inboxes')).json.items.map((one: { id: string }) => one.id)).toEqual([
      mine.inboxId,
    ])
    expect((await ask('GET', `/inboxes/${mine.inboxId}`)).status).toBe(200)
    expect((await ask('GET', `/inboxes/${other.inboxId}`)).status).toBe(404)
    for (const [method, path, body] of [
      ['POST', '/inboxes', { name: 'X', ...typed(), force: true }],
      ['PATCH', `/inboxes/${mine.inboxId}`, { name: 'Y' }],
      ['DELETE', `/inboxes/${mine.inboxId}`, undefined],
      ['POST', '/inboxes/test-connection', typed()],
      ['POST', `/inboxes/${mine.inboxId}/check`, undefined],
    ] as const)
      expect(await ask(method, path, body), `${method} ${path}`).toMatchObject({
        status: 403,
        json: { error: { code: 'forbidden' } },
      })
    const admin = asking((await member(siteId, 'admin')).headers)
    expect((await admin('PATCH', `/inboxes/${mine.inboxId}`, { name: 'Y' })).json.name).toBe('Y')
  })

  it('IX16 what is another site’s is not there to change, test with, check or remove', async () => {
    const { ask } = await office()
    const theirs = await inbox((await site()).siteId)
    for (const [method, path, body] of [
      ['PATCH', `/inboxes/${theirs.inboxId}`, { name: 'Y' }],
      ['DELETE', `/inboxes/${theirs.inboxId}`, undefined],
      ['POST', `/inboxes/${theirs.inboxId}/check`, undefined],
      ['POST', '/inboxes/test-connection', { inboxId: theirs.inboxId }],
    ] as const)
      expect((await ask(method, path, body)).status, path).toBe(404)
  })
})

describe('what an inbox looks at and trusts', () => {
  it('IX7 each is saved and shown, by itself, and what is not named stays', async () => {
    const { ask, row } = await office()
    const made = await ask('POST', '/inboxes', { name: 'X', ...away(), force: true })
    expect(made.json).toMatchObject({
      ...{ watchSent: true, sentFolder: null, ownLists: [], forwarders: [], authenticationHost: null },
    })
    const path = `/inboxes/${made.json.id}`
    const given = {
      watchSent: false,
      sentFolder: 'Gesendete Objekte',
      ownLists: [
        'Support@Lists.Shop.example',
        'Our support <Support.Lists.Shop.example>',
        'team.shop.example',
      ],
      forwarders: ['@Partner.example', 'ann@example.com', 'partner.example'],
      authenticationHost: 'mx.shop.example',
    }
    const shown = {
      ...given,
      ownLists: ['support@lists.shop.example', 'support.lists.shop.example', 'team.shop.example'],
      forwarders: ['partner.example', 'ann@example.com'],
    }
    for (const [field, value] of Object.entries(given)) {
      const { status, json } = await ask('PATCH', path, { [field]: value })
      expect(status, JSON.stringify(json)).toBe(200)
      expect(json[field]).toEqual(shown[field as keyof typeof shown])
    }
    expect((await ask('GET', path)).json).toMatchObject(shown)
    expect(JSON.parse((await row(made.json.id)).settings)).toMatchObject(shown)
    const back = await ask('PATCH', path, { sentFolder: null, authenticationHost: null, ownLists: [] })
    expect(back.json).toMatchObject({
      sentFolder: null,
      authenticationHost: null,
      ownLists: [],
      watchSent: false,
    })
  })

  it.each([
    ['watchSent', 'yes'],
    ['sentFolder', ''],
    ['sentFolder', 'two\nlines'],
    ['sentFolder', 7],
    ['ownLists', 'support.lists.shop.example'],
    ['ownLists.0', ['nodots']],
    ['ownLists.0', ['a b.example']],
    ['ownLists.1', ['a.example', 'x@']],
    ['ownLists', Array.from({ length: 101 }, (_, n) => `l${n}.example`)],
    ['forwarders.0', ['not a sender']],
    ['authenticationHost', ''],
    ['authenticationHost', 'two\r\nlines'],
  ])('IX8 %s that is %j is refused by name, and nothing is saved', async (field, value) => {
    const { ask } = await office()
    const name = field.split('.')[0]!
    const made = await ask('POST', '/inboxes', { name: 'X', ...away(), force: true })
    const path = `/inboxes/${made.json.id}`
    const { status, json } = await ask('PATCH', path, { name: 'Changed', [name]: value })
    expect({ status, error: json.error }).toMatchObject({
      status: 400,
      error: { code: 'invalid_field', field },
    })
    expect((await ask('GET', path)).json.name).toBe('X')
  })
})
