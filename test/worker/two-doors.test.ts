/** The two doors to one inbox, opened and shut a thousand times: seed 001's paths and /api/v1/inboxes. */
import { listDurableObjectIds, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { and, eq } from 'drizzle-orm'
import { expect, it, vi } from 'vitest'
import { db } from '../../src/store/db.ts'
import { inboxAddresses, inboxes } from '../../src/store/schema.ts'
import { assistant, site, testMail } from './cast.ts'
import { arrives, inboxOf, mail, until } from './mail.ts'

const EDITS = 1_000
const SEED = Number(Date.now() % 2 ** 31)

/** mulberry32: the same numbers for the same seed. */
function chance(seed: number) {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    below: (n: number) => Math.floor(next() * n),
    one: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!,
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the test is about
type Json = any

/** Every word that was answered or logged, to be searched. */
function listening(headers: Record<string, string>) {
  const heard: string[] = []
  const spies = (['log', 'info', 'warn', 'error', 'debug'] as const).map(way =>
    vi.spyOn(console, way).mockImplementation((...said) => {
      heard.push(said.map(one => (one instanceof Error ? `${one.stack}` : String(one))).join(' '))
    }),
  )
  return {
    heard,
    call: async (method: string, path: string, body?: unknown): Promise<{ status: number; json: Json }> => {
      const answer = await exports.default.fetch(`http://edgedesk.test/api${path}`, {
        method,
        headers: { ...headers, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await answer.text()
      heard.push(text, ...[...answer.headers].map(pair => pair.join(': ')))
      return { status: answer.status, json: JSON.parse(text) }
    },
    end: () => {
      for (const spy of spies) spy.mockRestore()
    },
  }
}

/** Every text in every place where something is kept: all tables of both databases, R2, the storage of all objects. */
async function everythingKept(): Promise<string[]> {
  const found: string[] = []
  const keep = (value: unknown) => {
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value))
      found.push(new TextDecoder('latin1').decode(value))
    else found.push(typeof value === 'string' ? value : JSON.stringify(value))
  }
  for (const d1 of [env.DB, env.SEARCH]) {
    const { results } = await d1
      .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`)
      .all<{ name: string }>()
    for (const { name } of results) {
      const rows = await d1.prepare(`SELECT * FROM "${name}"`).all()
      for (const row of rows.results) for (const value of Object.values(row)) keep(value)
    }
  }
  for (let cursor: string | undefined; ; ) {
    const page = await env.MAIL.list(cursor === undefined ? {} : { cursor })
    for (const { key } of page.objects) found.push(key, (await (await env.MAIL.get(key))?.text()) ?? '')
    if (!page.truncated) break
    cursor = page.cursor
  }
  for (const namespace of [env.MAILBOX, env.CONVERSATION] as unknown as DurableObjectNamespace[])
    for (const id of await listDurableObjectIds(namespace))
      await runInDurableObject(namespace.get(id), async (_, state) => {
        for (const [key, value] of await state.storage.list()) keep([key, value])
        const tables = state.storage.sql
          .exec<{ name: string }>(
            `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`,
          )
          .toArray()
        for (const { name } of tables)
          for (const row of state.storage.sql.exec(`SELECT * FROM "${name}"`))
            for (const value of Object.values(row)) keep(value)
      })
  return found
}

it(`IX17 N5 after ${EDITS} edits through both doors (seed ${SEED}) there is one row, both tell the same, and the password is nowhere`, async () => {
  const { siteId, headers } = await site()
  await assistant(siteId)
  const random = chance(SEED)
  const canary = `canary-${SEED.toString(36)}-${crypto.randomUUID()}`
  const { call, heard, end } = listening(headers)
  const address = `doors.${Date.now()}@shop.test`
  const addresses = [address, `other.${address}`]
  const aliases = ['a', 'b', 'c'].map(name => `${name}.${address}`)
  // One is the real password, so that checks pass, mail is fetched and verified inboxes are among those changed.
  const passwords = [canary, `${canary}-2`, testMail.password]

  try {
    const first = await call('PATCH', `/sites/${siteId}/settings`, {
      channels: {
        email: {
          email: address,
          incomingServer: testMail.host,
          incomingPort: testMail.imap.port,
          outgoingServer: testMail.host,
          outgoingPort: testMail.smtp.submissionPort,
        },
      },
    })
    const { inboxId } = first.json.data.channels.email
    const settings = (email: unknown) => () =>
      call('PATCH', `/sites/${siteId}/settings`, { channels: { email } })
    const change = (body: Record<string, unknown>) => () => call('PATCH', `/v1/inboxes/${inboxId}`, body)

    const some = <T>(list: readonly T[]) => list.filter(() => random.below(2) === 0)
    const edit = (): (() => Promise<{ status: number; json: Json }>) => {
      const host = random.one([testMail.host, '127.0.0.1'])
      const password = random.one(passwords)
      // A check with a wrong password takes the mail server two seconds, so most are left out.
      const what = random.below(20)
      switch ([16, 17].includes(what) && random.below(4) > 0 ? 0 : what) {
        case 0:
        case 1:
          return settings({ aliases: some(aliases) })
        case 2:
          return settings({ incomingServer: host })
        case 3:
          return settings({ outgoing_server: host, outgoing_port: testMail.smtp.submissionPort })
        case 4:
          return settings({ email: random.one(addresses) })
        case 5:
          return settings({ incomingPort: random.one([testMail.imap.port, testMail.imap.tlsPort]) })
        case 6:
          return settings(
            random.one<unknown>([
              { email: canary },
              { incomingServer: '10.0.0.1' },
              { aliases: [password] },
              {},
            ]),
          )
        case 7:
        case 8:
          return () =>
            call('POST', '/secure-tokens/encrypt', {
              site_id: siteId,
              token_type: 'email',
              identifier: random.one(addresses),
              value: password,
              store_in_db: random.below(4) > 0,
            })
        case 9:
          return change({ aliases: some(aliases), name: random.one(['Shop', '客服']) })
        case 10:
          return change({ imapHost: host, password, force: true })
        case 11:
          return change({ address: random.one(addresses), password, force: random.below(2) === 0 })
        case 12:
          return change({
            smtpUsername: random.one([null, 'relay']),
            smtpPassword: random.one([null, password]),
            ...random.one([{}, { password }]),
            force: true,
          })
        case 13:
          return change({
            timeZone: random.one(['UTC', 'Asia/Taipei']),
            pollingInterval: random.one([60, 300]),
            mode: random.one(['auto', 'draft', 'off']),
          })
        case 14:
          return change({ paused: random.below(2) === 0 })
        case 15:
          return change(
            random.one<Record<string, unknown>>([
              { password: `${password}\n` },
              { testId: password, password },
              { username: `${password}\u0000` },
              // The saved password goes to no other server and no other user.
              { smtpHost: host, imapHost: 'imap.shop.example', imapPort: 993, force: true },
              { username: 'somebody', force: true },
            ]),
          )
        case 16:
          return async () => {
            const body = { inboxId, ...(random.below(2) ? { password } : {}) }
            const tested = await call('POST', '/v1/inboxes/test-connection', body)
            const testId = tested.json.testId ?? undefined
            return change({ ...(body.password ? { password } : {}), ...(testId ? { testId } : {}) })()
          }
        case 17:
          return random.one([
            () => call('POST', '/agents/email/check', { site_id: siteId }),
            () => call('POST', '/agents/email/check', { site_id: siteId, password }),
            () => call('POST', `/v1/inboxes/${inboxId}/check`),
          ])
        case 18:
          return () =>
            call('POST', '/v1/inboxes', { name: 'Second', address, imapHost: host, smtpHost: host, password })
        default:
          return () =>
            call(
              'POST',
              '/secure-tokens/encrypt',
              random.one<unknown>([
                '{',
                password,
                { site_id: siteId, value: password },
                { site_id: password, token_type: 'email', value: password },
              ]),
            )
      }
    }

    for (let done = 0; done < EDITS; ) {
      // Mostly one after the other; every now and then a handful at the same moment.
      const together = random.below(10) === 0 ? 2 + random.below(4) : 1
      const answers = await Promise.all(Array.from({ length: together }, () => edit()()))
      for (const { status, json } of answers)
        expect(
          status === 200 || [400, 404, 409, 422].includes(status),
          `${status} ${JSON.stringify(json)}`,
        ).toBe(true)
      done += together

      const rows = await db(env.DB).select().from(inboxes).where(eq(inboxes.siteId, siteId))
      expect(rows.map(row => row.id)).toEqual([inboxId])
      const [one, other] = await Promise.all([
        call('GET', `/v1/inboxes/${inboxId}`),
        call('GET', `/sites/${siteId}/settings`),
      ])
      const email = other.json.data.channels.email
      expect({
        id: email.inboxId,
        address: email.email,
        username: email.username,
        imapHost: email.incomingServer,
        imapPort: email.incomingPort,
        smtpHost: email.outgoingServer,
        smtpPort: email.outgoingPort,
        aliases: email.aliases,
        hasPassword: email.hasPassword,
      }).toEqual({
        id: one.json.id,
        address: one.json.address,
        username: one.json.username,
        imapHost: one.json.imapHost,
        imapPort: one.json.imapPort,
        smtpHost: one.json.smtpHost,
        smtpPort: one.json.smtpPort,
        aliases: one.json.aliases,
        hasPassword: one.json.hasPassword,
      })
      const owned = await db(env.DB)
        .select({ address: inboxAddresses.address })
        .from(inboxAddresses)
        .where(and(eq(inboxAddresses.siteId, siteId), eq(inboxAddresses.inboxId, inboxId)))
      expect(owned.map(row => row.address).sort()).toEqual(
        [...new Set([one.json.address, ...one.json.aliases])].sort(),
      )
    }

    // And it still works: the real password, a check, a mail sent and one that comes in.
    await call('PATCH', `/v1/inboxes/${inboxId}`, {
      address,
      username: address,
      imapHost: testMail.host,
      imapPort: testMail.imap.port,
      smtpHost: testMail.host,
      smtpPort: testMail.smtp.submissionPort,
      smtpUsername: null,
      smtpPassword: null,
      password: testMail.password,
      paused: false,
      force: true,
    })
    expect((await call('POST', '/agents/email/check', { site_id: siteId })).json.success).toBe(true)
    const bob = `bob.${Date.now()}@customer.test`
    const sent = await call('POST', '/agents/tools/sendEmail', {
      site_id: siteId,
      to: bob,
      subject: 'Hello',
      content: 'Here.',
    })
    expect(sent.json.status).toBe('sent')
    await until(async () => (await inboxOf(bob))[0])
    const { lastSyncAt } = (await call('GET', `/v1/inboxes/${inboxId}`)).json
    let name = 0
    // A change makes it due at once.
    const later = async (done: () => Promise<unknown>) =>
      until(async () => {
        await call('PATCH', `/v1/inboxes/${inboxId}`, { name: `Shop ${++name}` })
        await new Promise(resolve => setTimeout(resolve, 250))
        return done()
      })
    await later(async () => (await call('GET', `/v1/inboxes/${inboxId}`)).json.lastSyncAt > lastSyncAt)
    await arrives(address, [mail({ from: bob, to: address })])
    const unread = (one: Json) => one.unreadMessagesCount > 0
    await later(async () => (await call('GET', '/v1/conversations/')).json.items.some(unread))
  } finally {
    end()
  }
  const kept = await everythingKept()
  expect(heard.length).toBeGreaterThan(2 * EDITS)
  expect(kept.length).toBeGreaterThan(100)
  // What is no secret is found in each of these places, so the search is one.
  expect(heard.some(text => text.includes(address))).toBe(true)
  for (const there of [address, 'v1.site.', 'raw/', 'How do I get a refund?', 'get your money back'])
    expect(kept.filter(text => text.includes(there)).length, there).toBeGreaterThan(0)
  const secrets = [
    canary,
    testMail.password,
    ...[canary, testMail.password].map(secret => btoa(secret).slice(0, 20)),
  ]
  for (const secret of secrets) {
    expect(heard.filter(text => text.includes(secret))).toEqual([])
    expect(kept.filter(text => text.includes(secret))).toEqual([])
  }
}, 300_000)
