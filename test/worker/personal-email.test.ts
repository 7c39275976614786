/** Seed 001's four calls as its page shows them, on Dovecot and Postfix. */
import { env, exports } from 'cloudflare:workers'
import { and, eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { EmailSettings } from '../../src/store/inboxes.ts'
import { inboxes, secureTokens, sites } from '../../src/store/schema.ts'
import { open } from '../../src/store/seal.ts'
import { assistant, site, testMail } from './cast.ts'
import { arrives, control, conversationsOf, inboxOf, mail, until } from './mail.ts'
import { asking, member } from './staff.ts'

let count = 0
const fresh = (who = 'box') => `${who}${++count}.${Date.now()}@shop.test`

type Headers = Record<string, string>
// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
type Json = any

/** `call('POST', '/agents/email/check', {…})` under /api. */
const calling =
  (headers: Headers) =>
  async (method: string, path: string, body?: unknown): Promise<{ status: number; json: Json }> => {
    const answer = await exports.default.fetch(`http://edgedesk.test/api${path}`, {
      method,
      headers: { ...headers, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return { status: answer.status, json: await answer.json() }
  }

/** As the page of seed 001 has it, for a mailbox that is there. */
const channel = (email: string, about: Record<string, unknown> = {}) => ({
  channels: {
    email: {
      email,
      incomingServer: testMail.host,
      incomingPort: testMail.imap.port,
      outgoingServer: testMail.host,
      outgoingPort: testMail.smtp.submissionPort,
      ...about,
    },
  },
})

async function office() {
  const { siteId, headers } = await site()
  const call = calling(headers)
  return {
    siteId,
    headers,
    call,
    ask: asking(headers),
    token: (identifier: string, value = testMail.password) =>
      call('POST', '/secure-tokens/encrypt', {
        site_id: siteId,
        token_type: 'email',
        identifier,
        value,
        store_in_db: true,
      }),
    patch: (body: unknown) => call('PATCH', `/sites/${siteId}/settings`, body),
    email: async () => (await call('GET', `/sites/${siteId}/settings`)).json.data.channels.email,
    check: (about: Record<string, unknown> = {}) =>
      call('POST', '/agents/email/check', { site_id: siteId, use_saved_credentials: true, ...about }),
    send: (about: Record<string, unknown>) =>
      call('POST', '/agents/tools/sendEmail', { site_id: siteId, ...about }),
  }
}

/** An office whose mailbox is connected by the three steps of the page. */
async function connected(about: Record<string, unknown> = {}) {
  const made = await office()
  const address = fresh()
  await made.token(address)
  await made.patch(channel(address, about))
  expect((await made.check()).json.success).toBe(true)
  return { ...made, address }
}

const refused = (status: number, code: string, field?: string) => ({
  status,
  json: {
    success: false,
    error: {
      code,
      message: expect.stringMatching(/\.$/),
      ...(field ? { details: expect.objectContaining({ field }) } : {}),
    },
  },
})

describe('the page', () => {
  it('PM1 its four calls in its order: stored, set, checked, sent; and what comes in is a conversation', async () => {
    const { siteId, headers, call, token, patch, check, email } = await office()
    const assistantId = await assistant(siteId)
    await assistant(siteId)
    const address = fresh()
    const alias = fresh('alias')
    expect((await token(address)).json).toEqual({
      success: true,
      data: { encrypted_value: expect.stringMatching(/^v1\.site\./), stored_in_db: true },
    })
    expect((await patch(channel(address, { aliases: [alias] }))).json).toEqual({
      success: true,
      data: {
        site_id: siteId,
        channels: {
          email: {
            email: address,
            username: address,
            incomingServer: testMail.host,
            incomingPort: testMail.imap.port,
            outgoingServer: testMail.host,
            outgoingPort: testMail.smtp.submissionPort,
            tls: true,
            aliases: [alias],
            hasPassword: true,
            inboxId: expect.any(String),
            status: 'unverified',
            reason: expect.any(String),
            lastSyncAt: null,
          },
        },
      },
    })
    const row = await db(env.DB).select().from(inboxes).where(eq(inboxes.siteId, siteId)).get()
    expect(row!.assistantId).toBe(assistantId)
    expect(EmailSettings.parse(JSON.parse(row!.settings)).mode).toBe('draft')
    expect(await check()).toEqual({
      status: 200,
      json: {
        success: true,
        imap: { success: true, messages: { total: 0, recent: 0, unseen: 0 } },
        smtp: { success: true, skipped: false },
        config: { host: testMail.host, port: testMail.imap.port, user: address, tls: true },
      },
    })
    await until(async () => (await email()).lastSyncAt)
    expect((await email()).status).toBe('connected')

    const alice = `alice${++count}.${Date.now()}@customer.test`
    const sent = await call('POST', '/agents/tools/sendEmail', {
      site_id: siteId,
      to: alice,
      subject: 'Hello',
      content: 'Message body...',
    })
    expect(sent).toEqual({
      status: 201,
      json: {
        success: true,
        email_id: expect.any(String),
        envelope_id: expect.any(String),
        conversation_id: expect.any(String),
        recipient: alice,
        sender: address,
        subject: 'Hello',
        message_preview: 'Message body...',
        sent_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        status: 'sent',
        external_message_id: expect.stringMatching(/^<.+@shop\.test>$/),
      },
    })
    const [got] = await until(async () => {
      const all = await inboxOf(alice)
      return all.length ? all : null
    })
    expect(got).toMatchObject({ subject: 'Hello', messageId: sent.json.external_message_id })
    expect(got!.text).toContain('Message body...')
    await arrives(address, [
      mail({
        from: alice,
        to: address,
        subject: 'Re: Hello',
        headers: [`In-Reply-To: ${sent.json.external_message_id}`],
      }),
    ])
    await patch({ channels: { email: { aliases: [] } } })
    const all = await until(async () => {
      const found = await conversationsOf(headers)
      return found[0]?.messages.some(one => one.type === 'incoming') ? found : null
    })
    expect(all.map(one => one.conversation.id)).toEqual([sent.json.conversation_id])
  })

  it('PM1 the same, the settings first and the password after', async () => {
    const { token, patch, check, email } = await office()
    const address = fresh()
    await patch(channel(address))
    expect(await email()).toMatchObject({ status: 'unverified', hasPassword: false })
    expect(await check()).toMatchObject(refused(400, 'INVALID_REQUEST', 'password'))
    await token(address)
    expect(await email()).toMatchObject({ hasPassword: true })
    expect((await check()).json.success).toBe(true)
    expect((await email()).status).toBe('connected')
  })

  it('PM2 settings merge: what is not named stays, what nobody knows is ignored', async () => {
    const { patch, email } = await connected({ aliases: ['one@shop.test'] })
    const { lastSyncAt, ...before } = await email()
    await patch({ colour: 'red', channels: { whatsapp: {}, email: { signature: 'x', password: 'p' } } })
    expect(await email()).toMatchObject(before)
    await patch({})
    await patch({ channels: {} })
    await patch({ channels: { email: {} } })
    expect((await email()).status).toBe('connected')
    const aliases = [fresh('alias'), fresh('alias')]
    expect((await patch({ channels: { email: { aliases } } })).json.data.channels.email).toMatchObject({
      ...before,
      aliases,
    })
  })

  it('PM3 what is saved untested is unverified until a check passes, and syncs after it', async () => {
    const { patch, check, email } = await connected()
    await patch({ channels: { email: { incomingPort: testMail.imap.tlsPort } } })
    expect((await email()).status).toBe('unverified')
    await patch({ channels: { email: { incomingPort: String(testMail.imap.port) } } })
    expect((await email()).status).toBe('unverified')
    await check()
    expect((await email()).status).toBe('connected')
    // The same again is no change.
    await patch({
      channels: { email: { incomingServer: testMail.host, outgoing_port: testMail.smtp.submissionPort } },
    })
    expect((await email()).status).toBe('connected')
  })

  it('PM3 another address is another account: its own password, and none of the old one’s', async () => {
    const { patch, token, check, email, address } = await connected()
    const other = fresh()
    await patch({ channels: { email: { email: other } } })
    expect(await email()).toMatchObject({
      email: other,
      username: other,
      hasPassword: false,
      status: 'unverified',
    })
    await token(other)
    await check()
    expect((await email()).status).toBe('connected')
    await patch({ channels: { email: { email: address } } })
    expect(await email()).toMatchObject({ email: address, hasPassword: true, status: 'unverified' })
  })

  it.each([
    ['incomingServer', 'incomingPort', 993, testMail.imap.port],
    ['outgoing_server', 'outgoing_port', 587, testMail.smtp.submissionPort],
  ])(
    'PM8 another server has no password until one is stored again, not even one handed over before (%s)',
    async (server, port, theirs, ours) => {
      const { patch, token, check, email, address } = await connected()
      await patch({ channels: { email: { [server]: 'mail.elsewhere.example', [port]: theirs } } })
      expect(await email()).toMatchObject({ hasPassword: false, status: 'unverified' })
      expect(await check()).toMatchObject(refused(400, 'INVALID_REQUEST', 'password'))
      // Nor does it come back with the server before, nor by way of another address.
      await patch({ channels: { email: { [server]: testMail.host, [port]: ours } } })
      await patch({ channels: { email: { email: fresh() } } })
      await patch({ channels: { email: { email: address } } })
      expect(await email()).toMatchObject({ email: address, hasPassword: false })
      await token(address)
      expect(await email()).toMatchObject({ hasPassword: true })
      expect((await check()).json.success).toBe(true)
    },
  )

  it('PM8 a port and TLS change without it, and the same server in other letters is the same', async () => {
    const { patch, email } = await connected()
    for (const same of [
      { outgoingPort: 465 },
      { tls: false },
      { incomingServer: testMail.host.toUpperCase() },
    ])
      await patch({ channels: { email: same } })
    expect(await email()).toMatchObject({ outgoingPort: 465, tls: false, hasPassword: true })
  })

  it('PM3 a site without one has none, and needs an address and both servers to make one', async () => {
    const { patch, email, check, send } = await office()
    expect(await email()).toBeNull()
    expect(await check()).toMatchObject(refused(404, 'EMAIL_CONFIG_NOT_FOUND'))
    expect(await send({ to: 'a@b.test', subject: 'x', content: 'y' })).toMatchObject(
      refused(500, 'EMAIL_NOT_CONFIGURED'),
    )
    const address = fresh()
    for (const [left, field] of [
      ['email', 'email'],
      ['incomingServer', 'incomingServer'],
      ['outgoingServer', 'outgoingServer'],
    ] as const)
      expect(await patch(channel(address, { [left]: undefined }))).toMatchObject(
        refused(400, 'INVALID_REQUEST', field),
      )
    expect(await email()).toBeNull()
  })

  it('PM3 of many who make it at the same moment one does', async () => {
    const { siteId, patch } = await office()
    const address = fresh()
    const all = await Promise.all(Array.from({ length: 8 }, () => patch(channel(address))))
    expect(all.map(one => one.status)).toEqual(all.map(() => 200))
    expect(new Set(all.map(one => one.json.data.channels.email.inboxId)).size).toBe(1)
    expect(await db(env.DB).select().from(inboxes).where(eq(inboxes.siteId, siteId))).toHaveLength(1)
  })
})

describe('a secret', () => {
  it('PM4 opens for its site, type and identifier alone, and is kept once for each', async () => {
    const { siteId, call, token } = await office()
    const value = 'pässwörd 密碼'
    const first = await call('POST', '/secure-tokens/encrypt', {
      site_id: siteId,
      token_type: 'crm',
      identifier: 'a',
      value,
    })
    expect(first.json.data.stored_in_db).toBe(false)
    const { dataKey } = (await db(env.DB).select().from(sites).where(eq(sites.id, siteId)).get())!
    const opened = (column: string, row: string) =>
      open(
        env.KEK,
        dataKey,
        { site: siteId, table: 'secure_tokens', column, row },
        first.json.data.encrypted_value,
      )
    expect(await opened('crm', 'a')).toBe(value)
    await expect(opened('crm', 'b')).rejects.toThrow()
    await expect(opened('email', 'a')).rejects.toThrow()
    await token('a@shop.test')
    await token('A@Shop.test', 'another')
    await token('b@shop.test')
    const rows = await db(env.DB).select().from(secureTokens).where(eq(secureTokens.siteId, siteId))
    expect(rows.map(row => [row.tokenType, row.identifier]).sort()).toEqual([
      ['email', 'a@shop.test'],
      ['email', 'b@shop.test'],
    ])
  })

  it('PM4 stored for an inbox it becomes its password, and a wrong one is found out by the check', async () => {
    const { token, check, email, address, ask, siteId } = await connected()
    await token(address, testMail.password)
    expect((await email()).status).toBe('connected')
    await token(address, 'wrong')
    expect((await email()).status).toBe('unverified')
    expect(await check()).toMatchObject({
      status: 200,
      json: { success: false, imap: { success: false, error: expect.any(String) } },
    })
    // A password that the other door saved later is not overwritten by an older one of this door.
    const { inboxId } = await email()
    const { json } = await ask('POST', '/inboxes/test-connection', { inboxId, password: testMail.password })
    await ask('PATCH', `/inboxes/${inboxId}`, { password: testMail.password, testId: json.testId })
    expect((await check()).json.success).toBe(true)
    await ask('DELETE', `/inboxes/${inboxId}`)
    const kept = await db(env.DB)
      .select()
      .from(secureTokens)
      .where(and(eq(secureTokens.siteId, siteId), eq(secureTokens.identifier, address)))
    expect(kept).toEqual([])
  })
})

describe('a check', () => {
  it('PM5 in either spelling, with what the body names over what is saved; only what is saved is verified', async () => {
    const { patch, check, email } = await office()
    const address = fresh()
    await patch(channel(address))
    const given = { email: address, password: testMail.password }
    const bare = { use_saved_credentials: false, ...given }
    expect(
      (
        await check({
          ...bare,
          incoming_server: testMail.host,
          incoming_port: testMail.imap.port,
          outgoing_server: testMail.host,
          outgoing_port: testMail.smtp.submissionPort,
        })
      ).json.success,
    ).toBe(true)
    expect((await email()).status).toBe('unverified')
    expect(
      (
        await check({
          ...given,
          incomingServer: testMail.host,
          incomingPort: testMail.imap.port,
          skipSmtp: true,
          outgoingPort: 1,
        })
      ).json,
    ).toMatchObject({
      imap: { success: true },
      smtp: { success: true, skipped: true },
      config: { port: testMail.imap.port },
    })
    expect((await check({ ...given, outgoing_port: 1 })).json).toMatchObject({
      success: false,
      imap: { success: true },
      smtp: { success: false, skipped: false, error: expect.any(String) },
    })
    expect((await email()).status).toBe('unverified')
  })

  it('PM8 the saved password is not given to another server, an entered one is', async () => {
    const { check, email } = await connected()
    for (const other of [
      { incomingServer: 'mail.elsewhere.example' },
      { outgoing_server: 'mail.elsewhere.example' },
      { email: fresh(), incoming_server: 'mail.elsewhere.example' },
      { incomingServer: 'mail.elsewhere.example', skip_smtp: true },
    ]) {
      const answer = await check(other)
      expect(answer, JSON.stringify(other)).toMatchObject(refused(400, 'INVALID_REQUEST', 'password'))
    }
    const given = { incomingServer: 'mail.elsewhere.example', incomingPort: 993, password: 'x' }
    expect((await check(given)).json).toMatchObject({ success: false, smtp: { success: false } })
    expect((await check({ incomingServer: testMail.host.toUpperCase() })).json.success).toBe(true)
    expect((await email()).status).toBe('connected')
  })

  it('PM5 an inbox without an SMTP server does not pass where nothing else sends, but where SMTP is skipped', async () => {
    const { ask, check } = await office()
    const { imapHost, imapPort } = { imapHost: testMail.host, imapPort: testMail.imap.port }
    const made = await ask('POST', '/inboxes', {
      name: 'X',
      ...{ address: fresh(), provider: 'cloudflare', imapHost, imapPort, smtpHost: null },
      ...{ username: fresh(), password: testMail.password, force: true },
    })
    expect(made.status).toBe(200)
    expect((await check()).json).toMatchObject({
      success: false,
      imap: { success: true },
      smtp: { success: false, skipped: false, error: expect.stringContaining('SEND_EMAIL=1') },
    })
    expect((await check({ skip_smtp: true })).json).toMatchObject({
      success: true,
      smtp: { success: true, skipped: true },
    })
  })

  it('PM5 with nothing to go by it says what is missing; an inside host is refused and not called', async () => {
    const { check } = await office()
    expect(await check({ use_saved_credentials: false })).toMatchObject(
      refused(400, 'INVALID_REQUEST', 'email'),
    )
    expect(await check({ use_saved_credentials: false, email: fresh() })).toMatchObject(
      refused(400, 'INVALID_REQUEST', 'password'),
    )
    expect(await check({ email: fresh(), password: 'x', incoming_server: '169.254.169.254' })).toMatchObject(
      refused(400, 'INVALID_REQUEST', 'incomingServer'),
    )
  })
})

describe('sendEmail', () => {
  it('PM6 takes both spellings, goes on in the recipient’s conversation, and writes from an alias where that is asked', async () => {
    const alias = fresh('alias')
    const { send, address } = await connected({ aliases: [alias] })
    const bob = `bob${++count}.${Date.now()}@customer.test`
    const first = await send({ to: bob, subject: 'One', content: 'First' })
    const second = await send({
      email: bob,
      subject: 'Two',
      message: 'Second',
      from: alias.toUpperCase(),
      lead_id: 'x',
    })
    expect([first.status, second.status]).toEqual([201, 201])
    expect(second.json).toMatchObject({ sender: alias, conversation_id: first.json.conversation_id })
    const got = await until(async () => {
      const all = await inboxOf(bob)
      return all.length === 2 ? all : null
    })
    expect(got.map(one => one.from[0]!.address)).toEqual([address, alias])
  })

  it('PM6 another From, no recipient, no text, a line end in the subject, another contact’s conversation: refused', async () => {
    const { send } = await connected()
    const good = { to: 'a@customer.test', subject: 'x', content: 'y' }
    const wrong: [Record<string, unknown>, number, string, string?][] = [
      [{ from: 'ceo@shop.test' }, 400, 'INVALID_REQUEST', 'from'],
      [{ to: undefined }, 400, 'INVALID_REQUEST', 'to'],
      [{ to: 'nobody' }, 400, 'INVALID_REQUEST', 'to'],
      [{ to: 'a@b.test\r\nBcc: c@d.test' }, 400, 'INVALID_REQUEST', 'to'],
      [{ content: undefined }, 400, 'INVALID_REQUEST', 'content'],
      [{ content: '  ' }, 400, 'INVALID_REQUEST', 'content'],
      [{ subject: undefined }, 400, 'INVALID_REQUEST', 'subject'],
      [{ subject: 'x\r\nBcc: c@d.test' }, 400, 'INVALID_REQUEST', 'subject'],
      [{ agent_id: newId() }, 400, 'INVALID_REQUEST', 'agent_id'],
      [{ agent_id: 'x' }, 400, 'INVALID_REQUEST', 'agent_id'],
      [
        { attachments: [{ filename: 'a\r\nX-Y: z', content: 'eA==' }] },
        400,
        'INVALID_REQUEST',
        'attachments.0.filename',
      ],
      [{ conversation_id: newId() }, 404, 'NOT_FOUND'],
      [{ conversation_id: 'x' }, 404, 'NOT_FOUND', 'conversation_id'],
    ]
    for (const [about, status, code, field] of wrong)
      expect(await send({ ...good, ...about }), JSON.stringify(about)).toMatchObject(
        refused(status, code, field),
      )
    const one = await send({ ...good, to: fresh('bob') })
    expect(
      await send({ ...good, to: fresh('eve'), conversation_id: one.json.conversation_id }),
    ).toMatchObject(refused(404, 'NOT_FOUND'))
  })

  it('PM6 from a mailbox that was never checked, or that is paused, nothing is sent', async () => {
    const { send, token, patch, check, ask, email } = await office()
    const address = fresh()
    await token(address)
    await patch(channel(address))
    const mailTo = { to: fresh('bob'), subject: 'x', content: 'y' }
    expect(await send(mailTo)).toMatchObject(refused(500, 'EMAIL_NOT_CONFIGURED'))
    await check()
    await ask('PATCH', `/inboxes/${(await email()).inboxId}`, { paused: true })
    expect(await send(mailTo)).toMatchObject(refused(500, 'EMAIL_NOT_CONFIGURED'))
  })

  it('PM6 what the mail server has not said yes to is no "sent": queued while it is away', async () => {
    const { send } = await connected()
    await control({ do: 'stop_postfix' })
    try {
      expect(await send({ to: fresh('bob'), subject: 'x', content: 'y' })).toMatchObject({
        status: 202,
        json: { success: true, status: 'queued', sent_at: null },
      })
    } finally {
      await control({ do: 'start_postfix' })
    }
  })
})

describe('who may', () => {
  const paths = (siteId: string): [string, string, unknown][] => [
    [
      'POST',
      '/secure-tokens/encrypt',
      { site_id: siteId, token_type: 'email', identifier: 'a@b.test', value: 'x' },
    ],
    ['GET', `/sites/${siteId}/settings`, undefined],
    ['PATCH', `/sites/${siteId}/settings`, { channels: { email: { email: 'a@b.test' } } }],
    ['POST', '/agents/email/check', { site_id: siteId }],
    ['POST', '/agents/tools/sendEmail', { site_id: siteId, to: 'a@b.test', subject: 'x', content: 'y' }],
  ]

  it('PM7 no key is 401, another site is not there, an agent may not; all in the shape of these paths', async () => {
    const { siteId, call } = await office()
    const other = await site()
    const agent = calling((await member(siteId, 'agent')).headers)
    for (const [method, path, body] of paths(siteId))
      expect(await calling({})(method, path, body), path).toMatchObject(refused(401, 'UNAUTHORIZED'))
    for (const id of [other.siteId, newId(), 'x'])
      for (const [method, path, body] of paths(id))
        expect(await call(method, path, body), path).toMatchObject(refused(404, 'SITE_CONFIG_NOT_FOUND'))
    for (const [method, path, body] of paths(siteId).slice(0, 4))
      expect(await agent(method, path, body), path).toMatchObject(refused(403, 'FORBIDDEN'))
  })

  it('PM7 a body that is no JSON, or has a value that cannot be, is INVALID_REQUEST by name', async () => {
    const { siteId, call, patch } = await office()
    for (const [method, path] of paths(siteId).filter(([, , body]) => body))
      expect(await call(method, path, '{'), path).toMatchObject(refused(400, 'INVALID_REQUEST'))
    for (const [about, field] of [
      [{ email: 'x' }, 'channels.email.email'],
      [{ incomingPort: 'x' }, 'channels.email.incomingPort'],
      [{ incomingPort: true }, 'channels.email.incomingPort'],
      [{ incomingPort: [993] }, 'channels.email.incomingPort'],
      [{ incomingPort: '' }, 'channels.email.incomingPort'],
      [{ outgoing_port: '0x1d1' }, 'channels.email.outgoing_port'],
      [{ outgoing_port: 587.5 }, 'channels.email.outgoing_port'],
      [{ aliases: 'x' }, 'channels.email.aliases'],
      [{ incomingServer: '127.0.0.1.nip.io' }, 'incomingServer'],
      [{ outgoingServer: 'smtp.gmail.com', outgoingPort: 25 }, 'outgoingPort'],
    ] as const)
      expect(await patch(channel(fresh(), about)), field).toMatchObject(
        refused(400, 'INVALID_REQUEST', field),
      )
    expect(
      await call('POST', '/secure-tokens/encrypt', { site_id: siteId, token_type: 'email' }),
    ).toMatchObject(refused(400, 'INVALID_REQUEST', 'value'))
    const seal = (token_type: string, value: string) =>
      call('POST', '/secure-tokens/encrypt', { site_id: siteId, token_type, value })
    for (const [type, value] of [
      ['email', 'x'.repeat(1001)],
      ['email', 'two\nlines'],
      [' email ', 'a\u0000b'],
      ['crm', 'x'.repeat(5001)],
      ['crm', ''],
    ] as const)
      expect(await seal(type, value), type).toMatchObject(refused(400, 'INVALID_REQUEST', 'value'))
    for (const [type, value] of [
      ['email', 'x'.repeat(1000)],
      ['crm', '{\n}'.repeat(1250)],
    ] as const)
      expect((await seal(type, value)).status, type).toBe(200)
  })
})
