/** Signing in: passwords, second factors, passkeys, sessions, and how often one may try. */
import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import { hashPassword, isPassword } from '../../src/auth/password.ts'
import { IDLE_MS } from '../../src/auth/session.ts'
import { ATTEMPTS, addressOf, limitOf } from '../../src/limits/attempts.ts'
import { apiKeyOf } from '../../src/store/api-keys.ts'
import { db } from '../../src/store/db.ts'
import { accounts, sessions, twoFactors, users } from '../../src/store/schema.ts'
import { rewrapDataKeys, signInSecret } from '../../src/store/sites.ts'
import { passkey, totp } from './authenticators.ts'
import { browser, invited, ORIGIN, PASSWORD, signIn } from './browser.ts'
import { site } from './cast.ts'
import { asking, member } from './staff.ts'

const COOKIE = '__Host-edgedesk.session_token'
const me = async (at: { ask: ReturnType<typeof browser>['ask'] }) =>
  (await at.ask('GET', '/api/v1/me')).status
const userOf = async (email: string) =>
  (await db(env.DB).select().from(users).where(eq(users.email, email)).get())!
const sessionsOf = async (email: string) =>
  db(env.DB)
    .select()
    .from(sessions)
    .where(eq(sessions.userId, (await userOf(email)).id))

describe('a password', () => {
  it('SI1 is kept as scrypt under a salt of its own, and is good in whatever way it is typed', async () => {
    const [one, two] = [await hashPassword('Passwört 1234'), await hashPassword('Passwört 1234')]
    expect(one).toMatch(/^s1\.15\.8\.3\.[\w-]{22}\.[\w-]{43}$/)
    expect(one).not.toBe(two)
    expect(await isPassword('Passwo\u0308rt 1234', one)).toBe(true)
    for (const [wrong, kept] of [
      ['Passwört 1235', one],
      ['', one],
      ['Passwört 1234', ''],
      ['Passwört 1234', one.replace('s1.15', 's1.14')],
      ['Passwört 1234', 'Passwört 1234'],
    ] as const)
      expect(await isPassword(wrong, kept)).toBe(false)
  })

  it('SI2 signs in, in whatever case the address is typed, and out again', async () => {
    const here = await site()
    const ann = await invited(here, 'admin')
    expect((await ann.ask('GET', '/api/v1/me')).json).toMatchObject({
      kind: 'member',
      id: ann.id,
      name: ann.name,
      role: 'admin',
      site: { id: here.siteId, name: 'Test site' },
      sites: [{ id: here.siteId, role: 'admin' }],
    })
    const other = browser()
    const said = await signIn(other, ` ${ann.email.toUpperCase()} `)
    expect(said.status).toBe(200)
    const set = said.headers.getSetCookie().find(one => one.startsWith(COOKIE))!
    for (const part of ['HttpOnly', 'Secure', 'SameSite=Lax', 'Path=/', `Max-Age=${IDLE_MS / 1000}`])
      expect(set).toContain(part)
    expect(set).not.toContain('Domain')
    expect(await me(other)).toBe(200)
    const kept = other.cookies.get(COOKIE)!
    expect((await other.ask('POST', '/api/auth/sign-out', {})).status).toBe(200)
    other.cookies.set(COOKIE, kept)
    expect(await me(other)).toBe(401)
    expect(await me(ann)).toBe(200)
    const [row] = await db(env.DB)
      .select()
      .from(accounts)
      .where(eq(accounts.userId, (await userOf(ann.email)).id))
    expect(row!.password).toMatch(/^s1\./)
  })

  it('SI3 that is wrong, and an address that nobody has, are told the same and take as long', async () => {
    const ann = await invited(await site(), 'agent')
    const took = { known: [] as number[], unknown: [] as number[] }
    const answers = new Set<string>()
    for (let n = 0; n < 5; n++)
      for (const kind of ['known', 'unknown'] as const) {
        const began = performance.now()
        const email = kind === 'known' ? ann.email : `nobody${n}@team.test`
        const said = await signIn(browser(), email, 'not this one at all')
        took[kind].push(performance.now() - began)
        answers.add(`${said.status} ${said.text.replace(/"requestId":"[^"]*"/, '')}`)
      }
    expect([...answers]).toEqual([
      '401 {"error":{"code":"invalid_email_or_password","message":"Invalid email or password",},"code":"INVALID_EMAIL_OR_PASSWORD","message":"Invalid email or password"}',
    ])
    const median = (times: number[]) => times.toSorted((a, b) => a - b)[2]!
    expect(median(took.unknown)).toBeGreaterThan(median(took.known) / 2)
    expect(median(took.known)).toBeGreaterThan(median(took.unknown) / 2)
  })

  it('SI4 changed, ends all other sessions, and must be a good one', async () => {
    const ann = await invited(await site(), 'agent')
    const elsewhere = browser()
    await signIn(elsewhere, ann.email)
    const change = (newPassword: string, currentPassword = PASSWORD) =>
      ann.ask('POST', '/api/auth/change-password', { newPassword, currentPassword })
    for (const weak of ['short', '1234567890', 'passwordpassword'.slice(0, 9), ann.email, `${ann.name}123`])
      expect(await change(weak), weak).toMatchObject({ status: 400, json: { code: 'PASSWORD_TOO_WEAK' } })
    expect((await change('another horse battery', 'wrong password')).status).toBe(400)
    expect(await me(elsewhere)).toBe(200)
    expect((await change('another horse battery')).status).toBe(200)
    expect([await me(ann), await me(elsewhere)]).toEqual([200, 401])
    expect((await signIn(browser(), ann.email)).status).toBe(401)
    expect((await signIn(browser(), ann.email, 'another horse battery')).status).toBe(200)
  })
})

describe('what is open', () => {
  let owner: ReturnType<typeof invited>
  beforeAll(async () => {
    owner = invited(await site(), 'owner')
    await owner
  })
  it.each([
    ['POST', '/api/auth/sign-up/email'],
    ['POST', '/api/auth/reset-password'],
    ['POST', '/api/auth/update-user'],
    ['POST', '/api/auth/change-email'],
    ['POST', '/api/auth/delete-user'],
    ['POST', '/api/auth/set-password'],
    ['GET', '/api/auth/list-sessions'],
    ['POST', '/api/auth/revoke-session'],
    ['POST', '/api/auth/organization/create'],
    ['POST', '/api/auth/sign-in/social'],
    ['GET', '/api/auth/ok'],
    ['GET', '/api/auth/error'],
    ['GET', '/api/auth'],
    ['GET', '/api/auth/sign-in/email'],
    ['POST', '/api/auth/two-factor/../sign-up/email'],
    ['POST', '/api/auth//sign-up/email'],
  ])('SI5 %s %s is not', async (method, path) => {
    const ann = await owner
    const body = { email: 'eve@team.test', password: PASSWORD, name: 'Eve', newPassword: PASSWORD }
    expect((await ann.ask(method, path, method === 'POST' ? body : undefined)).status).toBe(404)
    expect(await userOf('eve@team.test')).toBeUndefined()
  })
})

describe('another site’s page', () => {
  it('SI6 changes nothing with somebody’s session; their own pages do, and following a link is reading', async () => {
    const ann = await invited(await site(), 'admin')
    const patch = (headers: Record<string, string>) =>
      exports.default.fetch(`${ORIGIN}/api/v1/members/x`, {
        method: 'PATCH',
        headers: {
          'content-type': 'application/json',
          cookie: `${COOKIE}=${ann.cookies.get(COOKIE)}`,
          ...headers,
        },
        body: '{}',
      })
    for (const headers of [
      {},
      { origin: 'https://evil.test' },
      { origin: 'null' },
      { origin: `${ORIGIN}.evil.test` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      // What the page says does not outweigh what the browser says.
      { 'sec-fetch-site': 'cross-site', origin: ORIGIN },
    ] as Record<string, string>[]) {
      const answer = await patch(headers)
      expect(answer.status, JSON.stringify(headers)).toBe(403)
      expect(await answer.json()).toMatchObject({ error: { code: 'cross_site' } })
    }
    for (const headers of [{ origin: ORIGIN }, { 'sec-fetch-site': 'same-origin' }] as Record<
      string,
      string
    >[])
      expect((await patch(headers)).status).toBe(404)
    const read = await ann.ask('GET', '/api/v1/members/', undefined, { 'sec-fetch-site': 'cross-site' })
    expect(read.status).toBe(200)
    // Nor does it sign anybody in or out.
    for (const path of ['sign-in/email', 'sign-out', 'change-password', 'two-factor/disable']) {
      const headers = { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' }
      const body = { email: ann.email, password: PASSWORD }
      expect((await ann.ask('POST', `/api/auth/${path}`, body, headers)).status, path).toBe(403)
    }
    expect(await me(ann)).toBe(200)
  })

  it('SI6 a key beside a cookie is asked, and a cookie does not mend a bad key', async () => {
    const here = await site()
    const ann = await invited(here, 'agent')
    expect((await ann.ask('GET', '/api/v1/me', undefined, here.headers)).json.kind).toBe('key')
    expect((await ann.ask('GET', '/api/v1/me', undefined, { authorization: 'Bearer x' })).status).toBe(401)
  })
})

describe('a session', () => {
  it('SI7 is signed: neither a token alone nor another signature is one', async () => {
    const [ann, bob] = [await invited(await site(), 'agent'), await invited(await site(), 'agent')]
    const [token, signature] = decodeURIComponent(ann.cookies.get(COOKIE)!).split('.') as [string, string]
    const [, others] = decodeURIComponent(bob.cookies.get(COOKIE)!).split('.') as [string, string]
    const at = browser()
    for (const wrong of [
      token,
      `${token}.`,
      `.${signature}`,
      `${token}.${others}`,
      `${token}x.${signature}`,
      `${token}.${signature.slice(0, -4)}AAA=`,
      `${token}.***`,
      '%',
    ]) {
      at.cookies.set(COOKIE, encodeURIComponent(wrong))
      expect(await me(at), wrong).toBe(401)
    }
    at.cookies.set(COOKIE, encodeURIComponent(`${token}.${signature}`))
    expect(await me(at)).toBe(200)
  })

  it('SI8 is listed without its token; one, or all others, can be ended', async () => {
    const ann = await invited(await site(), 'agent')
    const [two, three] = [browser(), browser()]
    for (const at of [two, three]) await signIn(at, ann.email)
    const list = async () => (await ann.ask('GET', '/api/v1/me/sessions')).json.items
    const all = await list()
    expect(all).toHaveLength(3)
    expect(all.filter((one: { current: boolean }) => one.current)).toHaveLength(1)
    expect(all[2]).toMatchObject({ current: true, address: expect.stringMatching(/^198\.51\./) })
    for (const row of await sessionsOf(ann.email)) expect(JSON.stringify(all)).not.toContain(row.token)
    expect((await ann.ask('DELETE', `/api/v1/me/sessions/${all[0].id}`)).status).toBe(200)
    expect([await me(two), await me(three)]).toEqual([200, 401])
    const bob = await invited(await site(), 'owner')
    expect((await bob.ask('DELETE', `/api/v1/me/sessions/${all[1].id}`)).status).toBe(404)
    expect((await ann.ask('DELETE', '/api/v1/me/sessions')).json).toEqual({ ended: 1 })
    expect([await me(ann), await me(two), await me(bob)]).toEqual([200, 401, 200])
  })

  it('SI9 ends at once with another role, with the member, and when an admin says so', async () => {
    const here = await site()
    const ask = asking(here.headers)
    await invited(here, 'owner')
    for (const end of [
      (id: string) => ask('PATCH', `/members/${id}`, { role: 'agent' }),
      (id: string) => ask('DELETE', `/members/${id}`),
      (id: string) => ask('DELETE', `/members/${id}/sessions`),
    ]) {
      const ann = await invited(here, 'admin')
      expect(await me(ann)).toBe(200)
      expect((await ask('PATCH', `/members/${ann.id}`, { name: 'Anna' })).status).toBe(200)
      expect(await me(ann)).toBe(200)
      expect((await end(ann.id)).status).toBe(200)
      expect(await me(ann)).toBe(401)
      expect(await sessionsOf(ann.email).catch(() => [])).toEqual([])
    }
  })

  it('SI9 whoever is a member nowhere any more is forgotten, with all they signed in with', async () => {
    const here = await site()
    const ann = await invited(here, 'agent')
    const { id } = await userOf(ann.email)
    await asking(here.headers)('DELETE', `/members/${ann.id}`)
    expect(await userOf(ann.email)).toBeUndefined()
    for (const table of [sessions, accounts, twoFactors])
      expect(await db(env.DB).select().from(table).where(eq(table.userId, id))).toEqual([])
    expect((await signIn(browser(), ann.email)).status).toBe(401)
  })

  it('SI10 lasts a week from its last use, and a month from its beginning whatever happens', async () => {
    const ann = await invited(await site(), 'agent')
    const DAY = 24 * 60 * 60_000
    const put = (createdAgo: number, usedAgo: number, lasts = IDLE_MS) =>
      db(env.DB)
        .update(sessions)
        .set({
          createdAt: new Date(Date.now() - createdAgo),
          updatedAt: new Date(Date.now() - usedAgo),
          expiresAt: new Date(Date.now() - usedAgo + lasts),
        })
        .where(eq(sessions.id, id))
    const { id } = (await sessionsOf(ann.email))[0]!
    const ends = async () => (await sessionsOf(ann.email))[0]!.expiresAt.getTime() - Date.now()
    await put(2 * DAY, 60_000)
    const said = await ann.ask('GET', '/api/v1/me')
    expect(said.headers.getSetCookie()).toEqual([])
    await put(2 * DAY, 2 * DAY)
    const prolonged = await ann.ask('GET', '/api/v1/me')
    expect(prolonged.status).toBe(200)
    expect(prolonged.headers.getSetCookie()[0]).toMatch(
      /^__Host-edgedesk\.session_token=.*Max-Age=60[0-9]{4}/,
    )
    expect(Math.abs((await ends()) - IDLE_MS)).toBeLessThan(10_000)
    expect(await me(ann)).toBe(200)
    await put(28 * DAY, 2 * DAY)
    expect(await me(ann)).toBe(200)
    expect(Math.abs((await ends()) - 5 * DAY)).toBeLessThan(10_000)
    await put(29.5 * DAY, 2 * DAY, 2.5 * DAY)
    expect(await me(ann)).toBe(200)
    expect(await ends()).toBeLessThan(0.6 * DAY)
    await put(5 * DAY, IDLE_MS + 1000)
    expect(await me(ann)).toBe(401)
  })

  it('SI10 that was to be forgotten with the browser lasts a day at a time', async () => {
    const ann = await invited(await site(), 'agent')
    const at = browser()
    const said = await at.ask('POST', '/api/auth/sign-in/email', {
      email: ann.email,
      password: PASSWORD,
      rememberMe: false,
    })
    const set = said.headers.getSetCookie().find(one => one.startsWith(COOKIE))!
    expect(set).not.toContain('Max-Age')
    const rows = await sessionsOf(ann.email)
    expect(Math.min(...rows.map(row => row.expiresAt.getTime() - Date.now()))).toBeLessThan(25 * 60 * 60_000)
  })
})

describe('who tries too often', () => {
  it('SI11 at one account waits; the right password is no exception, and others sign in from there', async () => {
    const here = await site()
    const [ann, bob] = [await invited(here, 'agent'), await invited(here, 'agent')]
    const at = browser()
    for (let n = 0; n < ATTEMPTS.account.most; n++)
      expect((await signIn(at, ann.email, `wrong password ${n}`)).status).toBe(401)
    for (const password of ['wrong password', PASSWORD]) {
      const said = await signIn(at, ann.email, password)
      expect(said).toMatchObject({ status: 429, json: { code: 'TOO_MANY_REQUESTS' } })
      expect(Number(said.headers.get('retry-after'))).toBeGreaterThan(60)
    }
    expect((await signIn(at, bob.email)).status).toBe(200)
    expect(await me(ann)).toBe(200)
    // Whoever there is nobody of waits just the same.
    const nobody = `${crypto.randomUUID()}@team.test`
    for (let n = 0; n < ATTEMPTS.account.most; n++) await signIn(at, nobody, 'wrong password')
    expect((await signIn(at, nobody, 'wrong password')).status).toBe(429)
  }, 60_000)

  it('SI11 and gets it right in between begins anew', async () => {
    const ann = await invited(await site(), 'agent')
    const at = browser()
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < ATTEMPTS.account.most - 1; n++) await signIn(at, ann.email, 'wrong password')
      expect((await signIn(at, ann.email)).status).toBe(200)
    }
  }, 60_000)

  it('SI12 from one address waits, whoever they try; who signs in counts for nothing', async () => {
    const ann = await invited(await site(), 'agent')
    const at = browser('2001:db8:1:2::1')
    for (let n = 0; n < 5; n++) expect((await signIn(at, ann.email)).status).toBe(200)
    at.cookies.clear()
    const limit = await limitOf(env, 'address', '2001:db8:1:2')
    for (let n = 0; n < ATTEMPTS.address.most; n++) expect(await limit.take()).toBe(0)
    for (const path of ['sign-in/email', 'two-factor/verify-totp', 'request-password-reset'])
      expect(
        (await at.ask('POST', `/api/auth/${path}`, { email: ann.email, password: PASSWORD })).status,
      ).toBe(429)
    // One machine has all addresses of its network.
    expect((await signIn(browser('2001:db8:1:2:ffff::9'), ann.email)).status).toBe(429)
    expect((await signIn(browser('2001:db8:1:3::1'), ann.email)).status).toBe(200)
  })

  it.each([
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8::ffff:0:0:9', '2001:db8:0:0'],
    ['2001:0db8:0000:0000:1:2:3:4', '2001:db8:0:0'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['::1', '0:0:0:0'],
    ['fe80::', 'fe80:0:0:0'],
    ['203.0.113.7', '203.0.113.7'],
  ])('SI12 %s is of the network %s', (ip, network) => {
    expect(addressOf(new Request(ORIGIN, { headers: { 'cf-connecting-ip': ip } }))).toBe(network)
  })

  it('SI12 is forgotten when the time is over, and nothing is kept of them', async () => {
    const stub = env.LIMITS.getByName(`account/${crypto.randomUUID()}`)
    expect(await stub.attempt(1, 300)).toEqual({ yes: true })
    expect(await stub.attempt(1, 300)).toMatchObject({ yes: false })
    await new Promise(resolve => setTimeout(resolve, 700))
    await runInDurableObject(stub, async (_, state) => {
      expect([...(await state.storage.list()).keys()]).toEqual([])
    })
    expect(await stub.attempt(1, 300)).toEqual({ yes: true })
  })
})

describe('a second factor', () => {
  async function withTotp() {
    const ann = await invited(await site(), 'agent')
    const enabled = await ann.ask('POST', '/api/auth/two-factor/enable', { password: PASSWORD })
    const { totpURI, backupCodes } = enabled.json as { totpURI: string; backupCodes: string[] }
    const verified = await ann.ask('POST', '/api/auth/two-factor/verify-totp', { code: await totp(totpURI) })
    expect(verified.status).toBe(200)
    return { ann, totpURI, backupCodes }
  }

  it('SI13 SI26 TOTP is set up with the password and a code, and asked for from then on', async () => {
    const ann = await invited(await site(), 'agent')
    expect(
      (await ann.ask('POST', '/api/auth/two-factor/enable', { password: 'wrong password' })).status,
    ).toBe(400)
    const { json } = await ann.ask('POST', '/api/auth/two-factor/enable', { password: PASSWORD })
    expect(json.totpURI).toMatch(/^otpauth:\/\/totp\/Edgedesk/)
    expect(json.backupCodes).toHaveLength(10)
    // Not before a code showed that the app has it.
    expect((await signIn(browser(), ann.email)).json.token).toBeTruthy()
    expect((await ann.ask('POST', '/api/auth/two-factor/verify-totp', { code: '000000' })).status).toBe(401)
    const code = await totp(json.totpURI)
    expect((await ann.ask('POST', '/api/auth/two-factor/verify-totp', { code })).status).toBe(200)
    expect(await me(ann)).toBe(200)
    const [row] = await db(env.DB)
      .select()
      .from(twoFactors)
      .where(eq(twoFactors.userId, (await userOf(ann.email)).id))
    const secret = new URL(json.totpURI).searchParams.get('secret')!
    expect(JSON.stringify(row)).not.toContain(secret)
    for (const one of json.backupCodes) expect(JSON.stringify(row)).not.toContain(one)

    const at = browser()
    const half = await signIn(at, ann.email)
    expect(half.json).toMatchObject({ twoFactorRedirect: true, twoFactorMethods: ['totp'] })
    expect(await me(at)).toBe(401)
    expect((await at.ask('POST', '/api/auth/two-factor/verify-totp', { code: '123456' })).status).toBe(401)
    expect(await me(at)).toBe(401)
    // The one that set it up was used (RFC 6238 §5.2).
    expect((await at.ask('POST', '/api/auth/two-factor/verify-totp', { code })).status).toBe(401)
    expect(await me(at)).toBe(401)
    await signIn(at, ann.email)
    const next = await totp(json.totpURI, Date.now() + 30_000)
    const trusted = { code: next, trustDevice: true }
    expect((await at.ask('POST', '/api/auth/two-factor/verify-totp', trusted)).status).toBe(200)
    expect(await me(at)).toBe(200)
    // Nor is this browser let off it the next time.
    expect((await signIn(at, ann.email)).json).toMatchObject({ twoFactorRedirect: true })
  })

  it('SI14 a backup code is good once', async () => {
    const { ann, backupCodes } = await withTotp()
    const by = async (code: string) => {
      const at = browser()
      await signIn(at, ann.email)
      await at.ask('POST', '/api/auth/two-factor/verify-backup-code', { code })
      return me(at)
    }
    expect(await by('AAAAA-AAAAA')).toBe(401)
    expect(await by(backupCodes[0]!)).toBe(200)
    expect(await by(backupCodes[0]!)).toBe(401)
    expect(await by(backupCodes[1]!)).toBe(200)
  })

  it('SI15 codes cannot be tried out, not even by whoever knows the password', async () => {
    const { ann, totpURI } = await withTotp()
    const statuses: number[] = []
    for (let n = 0; n < 12; n++) {
      const at = browser()
      await signIn(at, ann.email)
      const said = await at.ask('POST', '/api/auth/two-factor/verify-totp', { code: `00000${n % 10}` })
      statuses.push(said.status)
    }
    expect(new Set(statuses)).not.toContain(200)
    const at = browser()
    await signIn(at, ann.email)
    await at.ask('POST', '/api/auth/two-factor/verify-totp', { code: await totp(totpURI) })
    expect(await me(at)).toBe(401)
  }, 60_000)

  it('SI16 is taken away with the password only', async () => {
    const { ann } = await withTotp()
    const off = (password: string) => ann.ask('POST', '/api/auth/two-factor/disable', { password })
    expect((await off('wrong password')).status).toBe(400)
    expect((await off(PASSWORD)).status).toBe(200)
    const at = browser()
    await signIn(at, ann.email)
    expect(await me(at)).toBe(200)
  })
})

describe('a passkey', () => {
  async function withPasskey() {
    const ann = await invited(await site(), 'agent')
    const key = await passkey()
    const { json: options } = await ann.ask('GET', '/api/auth/passkey/generate-register-options')
    const response = await key.register(options)
    const added = await ann.ask('POST', '/api/auth/passkey/verify-registration', { response, name: 'Laptop' })
    return { ann, key, options, added }
  }
  const challenge = async (at: ReturnType<typeof browser>) =>
    (await at.ask('GET', '/api/auth/passkey/generate-authenticate-options')).json

  it('SI17 is added by whoever is signed in, and signs in without a password', async () => {
    expect((await browser().ask('GET', '/api/auth/passkey/generate-register-options')).status).toBe(401)
    const { ann, key, options, added } = await withPasskey()
    expect(options).toMatchObject({
      rp: { id: 'edgedesk.test', name: 'Edgedesk' },
      authenticatorSelection: { userVerification: 'required' },
    })
    expect(added.status).toBe(200)
    expect((await ann.ask('GET', '/api/auth/passkey/list-user-passkeys')).json).toMatchObject([
      { name: 'Laptop', credentialID: key.id },
    ])
    const at = browser()
    const asked = await challenge(at)
    expect(asked).toMatchObject({ rpId: 'edgedesk.test', userVerification: 'required' })
    const said = await at.ask('POST', '/api/auth/passkey/verify-authentication', {
      response: await key.sign(asked),
    })
    expect(said.status).toBe(200)
    expect((await at.ask('GET', '/api/v1/me')).json).toMatchObject({ id: ann.id })
  })

  it('SI18 of somebody else, for another page, unverified, or used a second time signs nobody in', async () => {
    const { key } = await withPasskey()
    const stranger = await passkey()
    const tries: ((asked: { challenge: string; rpId: string }) => Promise<object>)[] = [
      asked => stranger.sign(asked),
      asked => key.sign(asked, true, 'https://evil.test'),
      asked => key.sign({ ...asked, rpId: 'evil.test' }),
      asked => key.sign({ ...asked, challenge: 'AAAA' }),
      asked => key.sign(asked, false),
      async asked => ({ ...(await stranger.sign(asked)), id: key.id, rawId: key.id }),
      async () => ({}),
    ]
    for (const attempt of tries) {
      const at = browser()
      const response = await attempt(await challenge(at))
      const said = await at.ask('POST', '/api/auth/passkey/verify-authentication', { response })
      expect(said.status).toBeGreaterThanOrEqual(400)
      expect(said.status).toBeLessThan(500)
      expect(await me(at)).toBe(401)
    }
    const at = browser()
    const response = await key.sign(await challenge(at))
    const cookies = [...at.cookies]
    expect((await at.ask('POST', '/api/auth/passkey/verify-authentication', { response })).status).toBe(200)
    const replay = browser()
    for (const [name, value] of cookies) replay.cookies.set(name, value)
    await replay.ask('POST', '/api/auth/passkey/verify-authentication', { response })
    expect(await me(replay)).toBe(401)
  })

  it('SI17 taken away it signs in no more', async () => {
    const { ann, key } = await withPasskey()
    const [{ id }] = (await ann.ask('GET', '/api/auth/passkey/list-user-passkeys')).json
    const bob = await invited(await site(), 'owner')
    expect((await bob.ask('POST', '/api/auth/passkey/delete-passkey', { id })).status).toBeGreaterThanOrEqual(
      400,
    )
    expect((await ann.ask('POST', '/api/auth/passkey/delete-passkey', { id })).status).toBe(200)
    const at = browser()
    const response = await key.sign(await challenge(at))
    await at.ask('POST', '/api/auth/passkey/verify-authentication', { response })
    expect(await me(at)).toBe(401)
  })
})

describe('somebody in several sites', () => {
  it('SI19 chooses one, and is in each what they are there', async () => {
    const [one, two, three] = [await site(), await site(), await site()]
    const ann = await invited(one, 'agent')
    const { json } = await asking(two.headers)('POST', '/invitations/', { email: ann.email, role: 'admin' })
    const path = new URL(json.url).pathname
    // Nobody sets the password of somebody who has one.
    const eve = browser()
    const taken = await eve.send(path, {
      name: 'Eve',
      password: 'eves own password',
      again: 'eves own password',
    })
    expect(taken.status).toBe(401)
    expect((await eve.send(path, { password: PASSWORD })).status).toBe(200)
    await signIn(ann, ann.email)
    expect((await ann.ask('GET', '/api/v1/me')).json).toMatchObject({
      site: { id: one.siteId },
      role: 'agent',
      sites: [
        { id: one.siteId, role: 'agent' },
        { id: two.siteId, role: 'admin' },
      ],
    })
    expect((await ann.ask('GET', '/api/v1/members/')).status).toBe(403)
    const chosen = await ann.ask('PATCH', '/api/v1/me', { siteId: two.siteId })
    expect(chosen.json).toMatchObject({ site: { id: two.siteId }, role: 'admin' })
    expect((await ann.ask('GET', '/api/v1/members/')).json.items).toHaveLength(1)
    expect((await ann.ask('PATCH', '/api/v1/me', { siteId: three.siteId })).status).toBe(400)
    // Removed there they are still here, and sign in to what is left.
    const there = (await ann.ask('GET', '/api/v1/me')).json.id
    expect((await asking(two.headers)('DELETE', `/members/${there}`)).status).toBe(200)
    expect(await me(ann)).toBe(401)
    await signIn(ann, ann.email)
    expect((await ann.ask('GET', '/api/v1/me')).json).toMatchObject({ site: { id: one.siteId } })
  })

  it('SI20 is not taken over by an owner of one of them', async () => {
    const [one, two] = [await site(), await site()]
    const ann = await invited(one, 'agent')
    const { json } = await asking(two.headers)('POST', '/invitations/', { email: ann.email, role: 'agent' })
    await browser().send(new URL(json.url).pathname, { password: PASSWORD })
    const owner = await invited(two, 'owner')
    const { json: list } = await owner.ask('GET', '/api/v1/members/')
    const { id } = list.items.find((each: { email: string }) => each.email === ann.email)
    expect(await owner.ask('POST', `/api/v1/members/${id}/reset-link`, {})).toMatchObject({
      status: 409,
      json: { error: { code: 'elsewhere_too' } },
    })
    // Nor by making a member of their address, who has not signed in there.
    const three = await site()
    const boss = await invited(three, 'owner')
    const made = await boss.ask('POST', '/api/v1/members/', { name: 'Ann', email: ann.email, role: 'agent' })
    const link = await boss.ask('POST', `/api/v1/members/${made.json.id}/reset-link`, {})
    const path = new URL(link.json.url).pathname
    expect(
      (await browser().send(path, { password: 'eves own password', again: 'eves own password' })).status,
    ).toBe(401)
    expect((await signIn(browser(), ann.email)).status).toBe(200)
  })

  it('SI21 tokens and keys have no sessions to see or to end', async () => {
    const here = await site()
    const agent = await member(here.siteId, 'agent')
    for (const headers of [agent.headers, here.headers])
      for (const [method, path] of [
        ['GET', '/me/sessions'],
        ['DELETE', '/me/sessions'],
      ] as const)
        expect((await asking(headers)(method, path)).status).toBe(403)
  })
})

it('SI22 another key-encryption key signs nobody out, and API keys stay good', async () => {
  const here = await site()
  const d1 = db(env.DB)
  await invited(here, 'agent')
  const next = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))
  const key = here.headers.authorization!.split(' ')[1]!
  const unseen = (await site()).headers.authorization!.split(' ')[1]!
  const before = await signInSecret(d1, env.KEK)
  try {
    expect((await rewrapDataKeys(d1, `${next} ${env.KEK}`, '', 1000)).unopened).toEqual([])
    expect(await signInSecret(d1, next)).toBe(before)
    expect((await apiKeyOf(d1, next, key))?.key.siteId).toBe(here.siteId)
    await expect(apiKeyOf(d1, btoa('x'.repeat(32)), unseen)).rejects.toThrow('KEK')
  } finally {
    await rewrapDataKeys(d1, `${env.KEK} ${next}`, '', 1000)
  }
  expect(before).toHaveLength(44)
})
