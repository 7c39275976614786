/** How people come in and back in: the first owner's link, invitations, resets; and Cloudflare Access. */
import { env, exports } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { LASTS_MS, newLink } from '../../src/api/one-time-links.ts'
import { app } from '../../src/app.ts'
import { weakness } from '../../src/domain/password.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { members, oneTimeLinks, passkeys, users } from '../../src/store/schema.ts'
import { addLink } from '../../src/store/sign-in.ts'
import { passkey, totp } from './authenticators.ts'
import { browser, invited, ORIGIN, PASSWORD, signIn } from './browser.ts'
import { inbox, site } from './cast.ts'
import { asking, member } from './staff.ts'

const form = { name: 'Ann', password: PASSWORD, again: PASSWORD }
const linkOf = (id: string) => db(env.DB).select().from(oneTimeLinks).where(eq(oneTimeLinks.id, id)).get()
const address = () => `${crypto.randomUUID()}@team.test`

async function invite(here: { headers: Record<string, string> }, about: object = {}) {
  const { status, json } = await asking(here.headers)('POST', '/invitations/', {
    email: address(),
    role: 'agent',
    ...about,
  })
  return { status, ...json, path: json.url && new URL(json.url).pathname }
}

async function setupPath(siteId: string, lastsMs = LASTS_MS.setup) {
  const about = { siteId, kind: 'setup' as const, role: 'owner' as const }
  const { url, row } = await newLink(ORIGIN, about, lastsMs, null, Date.now())
  await addLink(db(env.DB), row)
  return { path: new URL(url).pathname, id: row.id }
}

describe('the first owner', () => {
  it('LK1 comes in by a link that is good once, and is kept as a digest', async () => {
    const { siteId } = await site()
    const { path, id } = await setupPath(siteId)
    const secret = path.slice(-43)
    expect(JSON.stringify(await linkOf(id))).not.toContain(secret)
    const at = browser()
    // Looking at it, as mail scanners do, uses nothing up.
    for (let n = 0; n < 3; n++) expect((await at.ask('GET', path)).status).toBe(200)
    expect((await at.ask('HEAD', path)).status).toBe(200)
    const email = address()
    const done = await at.send(path, { ...form, email: email.toUpperCase() })
    expect(done.status).toBe(200)
    expect(done.text).toContain(email)
    for (const again of [await at.ask('GET', path), await at.send(path, { ...form, email: address() })])
      expect(again).toMatchObject({ status: 410, text: expect.stringContaining('owner-link') })
    await signIn(at, email)
    expect((await at.ask('GET', '/api/v1/me')).json).toMatchObject({ role: 'owner', site: { id: siteId } })
  })

  it('LK1 of two who use it at once is one', async () => {
    const { siteId } = await site()
    const { path } = await setupPath(siteId)
    const both = await Promise.all([0, 1, 2].map(() => browser().send(path, { ...form, email: address() })))
    expect(both.map(one => one.status).toSorted()).toEqual([200, 410, 410])
    const made = await db(env.DB).select().from(members).where(eq(members.siteId, siteId))
    expect(made).toHaveLength(1)
  })

  it('LK2 a link that ran out, of another kind, or not copied whole is none', async () => {
    const { siteId } = await site()
    const { path } = await setupPath(siteId)
    const over = await setupPath(siteId, -1)
    for (const wrong of [
      over.path,
      path.replace('/setup/', '/invite/'),
      path.replace('/setup/', '/reset/'),
      path.slice(0, -1),
      `${path}A`,
      `${path.slice(0, -43)}${'A'.repeat(43)}`,
      '/setup/x',
      `/setup/${"' OR 1=1 --"}`,
    ]) {
      expect((await browser().ask('GET', wrong)).status, wrong).toBe(410)
      expect((await browser().send(wrong, { ...form, email: address() })).status, wrong).toBe(410)
    }
    expect((await browser().ask('GET', path)).status).toBe(200)
  })

  it('LK3 the page works without a script, is kept by nobody, and takes nothing from elsewhere', async () => {
    const { siteId } = await site()
    const { path } = await setupPath(siteId)
    const page = await browser().ask('GET', path)
    expect(page.headers.get('content-type')).toMatch(/^text\/html/)
    const policy = page.headers.get('content-security-policy')!
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; frame-ancestors 'none'/,
    )
    const style = /<style>([\s\S]*)<\/style>/.exec(page.text)![1]!
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style)))
    expect(policy).toContain(btoa(String.fromCharCode(...digest)))
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    expect(page.text).not.toMatch(/<script|style=|onclick|https?:/i)
    for (const name of ['email', 'name', 'password', 'again']) expect(page.text).toContain(`name="${name}"`)
    // What was typed comes back as text.
    const typed = `<img src=x onerror=alert(1)>"'`
    const back = await browser().send(path, { ...form, email: 'a@b.test', name: typed, again: 'x' })
    expect(back.status).toBe(400)
    expect(back.text).not.toContain('<img')
    expect(back.text).toContain('&lt;img')
  })

  it.each([
    ['two passwords', { again: 'another password' }, 'not the same'],
    ['a short one', { password: 'short', again: 'short' }, 'at least 10'],
    ['one that everybody tries', { password: 'qwertyuiop', again: 'qwertyuiop' }, 'first that are tried'],
    ['no name', { name: ' ' }, 'your name'],
    ['no address', { email: 'ann' }, 'Fill in'],
    ['a name on two lines', { name: 'Ann\nBcc: x' }, 'Fill in'],
  ])('LK4 %s is said on the page, and the link stays good', async (_, wrong, said) => {
    const { siteId } = await site()
    const { path } = await setupPath(siteId)
    const answer = await browser().send(path, { ...form, email: address(), ...wrong })
    expect(answer).toMatchObject({ status: 400, text: expect.stringContaining(said) })
    expect((await browser().send(path, { ...form, email: address() })).status).toBe(200)
  })
})

it('LK4 a password is long, not among the first that are tried, and more than a name', () => {
  for (const weak of [
    'short',
    '1234567890',
    'aaaaaaaaaaaa',
    'Password123',
    'x'.repeat(129),
    'Ann.Miller12',
    'edgedesk-123',
  ])
    expect(weakness(weak, ['Ann Miller', 'ann@team.test']), weak).not.toBeNull()
  for (const good of [PASSWORD, '我的密碼是很長的一句話喔', 'annmiller likes tea', '        a b c'])
    expect(weakness(good, ['Ann Miller', 'ann@team.test']), good).toBeNull()
})

describe('an invitation', () => {
  it('IV1 gives the role and the inboxes it names, and the name one writes', async () => {
    const here = await site()
    const config = await inbox(here.siteId)
    const sent = await invite(here, { name: 'Ms Ann', inboxes: [config.inboxId] })
    expect(sent).toMatchObject({ status: 200, role: 'agent', inboxes: [config.inboxId], expired: false })
    expect(sent.url).toMatch(/^https:\/\/edgedesk\.test\/invite\/el_[0-9a-f]{32}_[\w-]{43}$/)
    const at = browser()
    const page = await at.ask('GET', sent.path)
    expect(page.text).toContain(sent.email)
    expect(page.text).toContain('Ms Ann')
    expect(page.text).not.toContain('name="email"')
    // The address is the invitation's, whatever the form says.
    expect((await at.send(sent.path, { ...form, email: 'eve@team.test' })).status).toBe(200)
    await signIn(at, sent.email)
    expect((await at.ask('GET', '/api/v1/me')).json).toMatchObject({
      name: 'Ann',
      role: 'agent',
      inboxes: [config.inboxId],
    })
    const list = await asking(here.headers)('GET', '/members/')
    expect(list.json.items).toMatchObject([{ email: sent.email, signsIn: true }])
    expect((await asking(here.headers)('GET', '/invitations/')).json.items).toEqual([])
  })

  it('IV2 is listed without its link, sent again with another, and revoked', async () => {
    const here = await site()
    const ask = asking(here.headers)
    const sent = await invite(here)
    const { json } = await ask('GET', '/invitations/')
    expect(json).toMatchObject({
      items: [{ id: sent.id, email: sent.email, invitedBy: { kind: 'key', name: 'test' } }],
      next: null,
    })
    expect(JSON.stringify(json)).not.toContain('el_')
    const again = await ask('POST', `/invitations/${sent.id}/resend`)
    expect(again.json.id).toBe(sent.id)
    expect((await browser().ask('GET', sent.path)).status).toBe(410)
    const path = new URL(again.json.url).pathname
    expect((await browser().ask('GET', path)).status).toBe(200)
    await db(env.DB)
      .update(oneTimeLinks)
      .set({ expiresAt: Date.now() - 1 })
      .where(eq(oneTimeLinks.id, sent.id))
    expect((await browser().send(path, form)).status).toBe(410)
    expect((await ask('GET', '/invitations/')).json.items).toMatchObject([{ id: sent.id, expired: true }])
    const third = await ask('POST', `/invitations/${sent.id}/resend`)
    expect((await ask('DELETE', `/invitations/${sent.id}`)).status).toBe(200)
    expect((await browser().send(new URL(third.json.url).pathname, form)).status).toBe(410)
    for (const [method, end] of [
      ['DELETE', ''],
      ['POST', '/resend'],
    ] as const)
      expect((await ask(method, `/invitations/${sent.id}${end}`)).status).toBe(404)
    const other = asking((await site()).headers)
    const mine = await invite(here)
    expect((await other('POST', `/invitations/${mine.id}/resend`)).status).toBe(404)
    expect((await other('DELETE', `/invitations/${mine.id}`)).status).toBe(404)
  })

  it('IV3 goes to nobody twice, nor to who is there; the same address elsewhere is another matter', async () => {
    const [here, there] = [await site(), await site()]
    const sent = await invite(here)
    expect(await invite(here, { email: sent.email.toUpperCase() })).toMatchObject({
      status: 409,
      error: { code: 'already_invited', field: 'email' },
    })
    expect((await invite(there, { email: sent.email })).status).toBe(200)
    await browser().send(sent.path, form)
    expect(await invite(here, { email: sent.email })).toMatchObject({
      status: 409,
      error: { code: 'email_taken', field: 'email' },
    })
  })

  it('IV4 to be an owner is an owner’s to give, and an agent invites nobody', async () => {
    const { siteId } = await site()
    const [owner, admin, agent] = [
      await member(siteId, 'owner'),
      await member(siteId, 'admin'),
      await member(siteId, 'agent'),
    ]
    expect((await invite(agent)).status).toBe(403)
    expect((await invite(admin, { role: 'owner' })).status).toBe(403)
    expect((await invite(admin, { role: 'admin' })).status).toBe(200)
    const owners = await invite(owner, { role: 'owner' })
    expect(owners.status).toBe(200)
    for (const [method, end] of [
      ['POST', '/resend'],
      ['DELETE', ''],
    ] as const)
      expect((await asking(admin.headers)(method, `/invitations/${owners.id}${end}`)).status).toBe(403)
  })

  it.each([
    ['an unknown field', { phone: '1' }, 'unknown_field', 'phone'],
    ['no address', { email: 'ann' }, 'invalid_field', 'email'],
    ['another role', { role: 'root' }, 'invalid_field', 'role'],
    ['inboxes of an admin', { role: 'admin', inboxes: [] }, 'invalid_field', 'inboxes'],
    ['an inbox that is not there', { inboxes: [newId()] }, 'invalid_field', 'inboxes'],
  ])('IV5 %s is refused by name', async (_, about, code, field) => {
    expect(await invite(await site(), about)).toMatchObject({ status: 400, error: { code, field } })
  })
})

describe('a reset', () => {
  it('RP1 by an owner’s link sets a password, ends all sessions, and leaves the second factor', async () => {
    const here = await site()
    const [owner, ann] = [await invited(here, 'owner'), await invited(here, 'agent')]
    const { json } = await ann.ask('POST', '/api/auth/two-factor/enable', { password: PASSWORD })
    await ann.ask('POST', '/api/auth/two-factor/verify-totp', { code: await totp(json.totpURI) })
    const options = await ann.ask('GET', '/api/auth/passkey/generate-register-options')
    const response = await (await passkey()).register(options.json)
    await ann.ask('POST', '/api/auth/passkey/verify-registration', { response })
    const made = await owner.ask('POST', `/api/v1/members/${ann.id}/reset-link`, {})
    expect(made.status).toBe(200)
    expect(Number(made.json.expiresAt) - Date.now()).toBeLessThanOrEqual(LASTS_MS.reset)
    const path = new URL(made.json.url).pathname
    const next = { password: 'another horse battery', again: 'another horse battery' }
    expect((await browser().send(path, next)).status).toBe(200)
    expect((await ann.ask('GET', '/api/v1/me')).status).toBe(401)
    expect((await browser().send(path, next)).status).toBe(410)
    expect((await signIn(browser(), ann.email)).status).toBe(401)
    expect((await signIn(browser(), ann.email, next.password)).json).toMatchObject({
      twoFactorRedirect: true,
    })
    // Where the phone is lost, it goes with it, and so does what it had.
    const user = await db(env.DB).select().from(users).where(eq(users.email, ann.email)).get()
    const hasPasskeys = async () =>
      (await db(env.DB).select().from(passkeys).where(eq(passkeys.userId, user!.id))).length
    expect(await hasPasskeys()).toBe(1)
    const wide = await owner.ask('POST', `/api/v1/members/${ann.id}/reset-link`, {
      removesSecondFactors: true,
    })
    await browser().send(new URL(wide.json.url).pathname, next)
    const at = browser()
    expect((await signIn(at, ann.email, next.password)).json.token).toBeTruthy()
    expect(await hasPasskeys()).toBe(0)
  })

  it('RP2 lets somebody in who had a token only', async () => {
    const here = await site()
    const owner = await invited(here, 'owner')
    const email = address()
    const made = await asking(here.headers)('POST', '/members/', { name: 'Bob', email, role: 'agent' })
    expect(made.json.signsIn).toBe(false)
    const { json } = await owner.ask('POST', `/api/v1/members/${made.json.id}/reset-link`, {})
    expect(
      (await browser().send(new URL(json.url).pathname, { password: PASSWORD, again: PASSWORD })).status,
    ).toBe(200)
    const at = browser()
    await signIn(at, email)
    expect((await at.ask('GET', '/api/v1/me')).json.id).toBe(made.json.id)
  })

  it('RP3 is made by an owner who is signed in, and by nobody else', async () => {
    const here = await site()
    const ann = await invited(here, 'agent')
    const [admin, owner] = [await invited(here, 'admin'), await invited(here, 'owner')]
    const path = `/api/v1/members/${ann.id}/reset-link`
    expect((await admin.ask('POST', path, {})).status).toBe(403)
    expect((await asking(here.headers)('POST', `/members/${ann.id}/reset-link`, {})).status).toBe(403)
    const stranger = await invited(await site(), 'owner')
    expect((await stranger.ask('POST', path, {})).status).toBe(404)
    expect((await owner.ask('POST', path, {})).status).toBe(200)
  })

  it('RP4 asked for by mail says the same of everybody, and does nothing where no inbox can send', async () => {
    const here = await site()
    const ann = await invited(here, 'agent')
    const answers = new Set<string>()
    for (const email of [ann.email, address(), 'not an address'])
      answers.add((await browser().ask('POST', '/api/auth/request-password-reset', { email })).text)
    expect(answers.size).toBe(1)
    expect([...answers][0]).toContain('"status":true')
    const links = await db(env.DB).select().from(oneTimeLinks).where(eq(oneTimeLinks.siteId, here.siteId))
    expect(links).toEqual([])
  })
})

describe('Cloudflare Access', () => {
  const TEAM = 'edgedesk-test.cloudflareaccess.com'
  const AUD = 'f'.repeat(64)
  const keys = generateKeyPair('RS256', { extractable: true })
  let fetched = 0

  /** The team's keys as Access serves them, by a server of ours. */
  async function certs() {
    const jwk = await exportJWK((await keys).publicKey)
    const real = globalThis.fetch
    vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
      const url = input instanceof Request ? input.url : String(input)
      if (url !== `https://${TEAM}/cdn-cgi/access/certs`) return real(input, init)
      fetched++
      return Response.json({ keys: [{ ...jwk, kid: 'one', alg: 'RS256', use: 'sig' }], public_certs: [] })
    })
  }
  afterEach(() => vi.unstubAllGlobals())

  interface About {
    claims?: object
    issuer?: string
    audience?: string
    expires?: number
    kid?: string
    key?: CryptoKey
  }
  const assertion = async (email: string | null, about: About = {}) =>
    new SignJWT({ type: 'app', identity_nonce: 'x', ...(email === null ? {} : { email }), ...about.claims })
      .setProtectedHeader({ alg: 'RS256', kid: about.kid ?? 'one' })
      .setIssuer(about.issuer ?? `https://${TEAM}`)
      .setAudience([about.audience ?? AUD])
      .setSubject('someone')
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + (about.expires ?? 60))
      .sign(about.key ?? (await keys).privateKey)
  const behind = { ...env, ACCESS_TEAM_DOMAIN: TEAM, ACCESS_AUD: AUD }
  const ask = (token: string, path = '/api/v1/me', init: RequestInit = {}) =>
    app.request(
      `${ORIGIN}${path}`,
      { ...init, headers: { 'cf-access-jwt-assertion': token, ...(init.headers as object) } },
      behind,
      { waitUntil: () => {}, passThroughOnException: () => {}, props: {} } as unknown as ExecutionContext,
    )

  it('CA1 lets in whoever it vouches for, as the member of that address', async () => {
    await certs()
    const here = await site()
    const email = address()
    const made = await asking(here.headers)('POST', '/members/', { name: 'Ann', email, role: 'admin' })
    const answer = await ask(await assertion(email.toUpperCase()))
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ id: made.json.id, role: 'admin', site: { id: here.siteId } })
    const before = fetched
    for (let n = 0; n < 5; n++) expect((await ask(await assertion(email))).status).toBe(200)
    expect(fetched).toBe(before)
    // Nobody of that name, and a deployment that is not behind Access.
    expect((await ask(await assertion(address()))).status).toBe(401)
    const token = await assertion(email)
    const plain = await exports.default.fetch(`${ORIGIN}/api/v1/me`, {
      headers: { 'cf-access-jwt-assertion': token },
    })
    expect(plain.status).toBe(401)
  })

  it('CA2 what is not its own word, or not for us, or over, lets nobody in', async () => {
    await certs()
    const here = await site()
    const email = address()
    await asking(here.headers)('POST', '/members/', { name: 'Ann', email, role: 'owner' })
    const other = (await generateKeyPair('RS256')).privateKey
    const good = await assertion(email)
    const [head, body, mark] = good.split('.') as [string, string, string]
    const unsigned = btoa('{"alg":"none","kid":"one"}').replaceAll('=', '')
    for (const [why, token] of [
      ['another key', await assertion(email, { key: other })],
      ['a key that is not there', await assertion(email, { kid: 'two' })],
      ['another audience', await assertion(email, { audience: 'e'.repeat(64) })],
      ['another team', await assertion(email, { issuer: 'https://evil.cloudflareaccess.com' })],
      ['over', await assertion(email, { expires: -60 })],
      ['a service token', await assertion(null, { claims: { common_name: 'ci.access' } })],
      ['a service token with an address', await assertion(email, { claims: { common_name: 'ci.access' } })],
      ['an organisation’s token', await assertion(email, { claims: { type: 'org' } })],
      ['no address', await assertion(null)],
      ['an empty one', await assertion('')],
      ['unsigned', `${unsigned}.${body}.`],
      ['no signature', `${head}.${body}.`],
      ['cut', `${head}.${body}.${mark.slice(4)}`],
      ['nonsense', 'x.y.z'],
    ] as const)
      expect((await ask(token)).status, why).toBe(401)
    expect((await ask(good)).status).toBe(200)
  })

  it('CA3 in several sites the header chooses, never we; and another site’s page changes nothing', async () => {
    await certs()
    const [one, two, three] = [await site(), await site(), await site()]
    const email = address()
    for (const here of [one, two])
      await asking(here.headers)('POST', '/members/', { name: 'Ann', email, role: 'admin' })
    const token = await assertion(email)
    const meIn = async (headers: Record<string, string>) => {
      const answer = await ask(token, '/api/v1/me', { headers })
      return { status: answer.status, json: await answer.json() }
    }
    // Without it all are named, and nothing is done in any.
    for (const headers of [{}, { 'x-site-id': ' ' }] as Record<string, string>[]) {
      const unsaid = await meIn(headers)
      expect(unsaid).toMatchObject({
        status: 400,
        json: { error: { code: 'missing_field', field: 'X-Site-Id' } },
      })
      for (const { siteId } of [one, two]) expect(JSON.stringify(unsaid.json)).toContain(siteId)
    }
    expect(await meIn({ 'x-site-id': two.siteId.toUpperCase() })).toMatchObject({
      status: 200,
      json: { site: { id: two.siteId }, sites: [{ id: one.siteId }, { id: two.siteId }] },
    })
    expect((await meIn({ 'x-site-id': three.siteId })).status).toBe(401)
    const patch = (headers: Record<string, string>) =>
      ask(token, '/api/v1/members/x', {
        method: 'PATCH',
        body: '{}',
        headers: { 'content-type': 'application/json', 'x-site-id': two.siteId, ...headers },
      })
    expect((await patch({ 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await patch({})).status).toBe(403)
    expect((await patch({ 'sec-fetch-site': 'same-origin' })).status).toBe(404)
  })

  it('CA1 a key is asked before it', async () => {
    await certs()
    const here = await site()
    const email = address()
    await asking(here.headers)('POST', '/members/', { name: 'Ann', email, role: 'agent' })
    const answer = await ask(await assertion(email), '/api/v1/me', { headers: here.headers })
    expect(await answer.json()).toMatchObject({ kind: 'key' })
  })
})
