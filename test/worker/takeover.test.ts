/** What somebody could do to another's account, or to everybody's, without being them: lockouts, links in wrong hands, resets, floods. */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { and, eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { newLink } from '../../src/api/one-time-links.ts'
import { tick } from '../../src/clock.ts'
import { ATTEMPTS, limitOf } from '../../src/limits/attempts.ts'
import { createApiKey } from '../../src/store/api-keys.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { inboxes, oneTimeLinks, passkeys, sessions, users, verifications } from '../../src/store/schema.ts'
import { addLink } from '../../src/store/sign-in.ts'
import { passkey, totp } from './authenticators.ts'
import { type Browser, browser, invited, ORIGIN, PASSWORD, signIn } from './browser.ts'
import { inbox, site } from './cast.ts'
import { asking } from './staff.ts'

const me = async (at: Pick<Browser, 'ask'>) => (await at.ask('GET', '/api/v1/me')).status
const address = () => `${crypto.randomUUID()}@team.test`
const userOf = async (email: string) =>
  (await db(env.DB).select().from(users).where(eq(users.email, email)).get())!
const COOKIE = '__Host-edgedesk.session_token'
const NEXT = 'another horse battery'
const form = { name: 'Ann', password: PASSWORD, again: PASSWORD }

type Site = Awaited<ReturnType<typeof site>>

async function invitation(here: Pick<Site, 'headers'>, email: string, role = 'agent'): Promise<string> {
  const { json } = await asking(here.headers)('POST', '/invitations/', { email, role })
  return new URL(json.url).pathname
}

async function addPasskey(at: Browser) {
  const key = await passkey()
  const { json } = await at.ask('GET', '/api/auth/passkey/generate-register-options')
  const response = await key.register(json)
  expect((await at.ask('POST', '/api/auth/passkey/verify-registration', { response })).status).toBe(200)
  return async (from: Browser) => {
    const asked = (await from.ask('GET', '/api/auth/passkey/generate-authenticate-options')).json
    const signed = await key.sign(asked)
    return from.ask('POST', '/api/auth/passkey/verify-authentication', { response: signed })
  }
}

async function addTotp(at: Browser): Promise<string> {
  const { json } = await at.ask('POST', '/api/auth/two-factor/enable', { password: PASSWORD })
  const code = await totp(json.totpURI)
  expect((await at.ask('POST', '/api/auth/two-factor/verify-totp', { code })).status).toBe(200)
  return json.totpURI
}

describe('wrong passwords for somebody else’s address', () => {
  it('SI23 sent by strangers hold up strangers: neither a new browser of theirs, nor one that signed in before', async () => {
    const ann = await invited(await site(), 'agent')
    const stranger = browser()
    for (let n = 0; n < ATTEMPTS.account.most; n++)
      expect((await signIn(stranger, ann.email, `wrong password ${n}`)).status).toBe(401)
    expect((await signIn(stranger, ann.email)).status).toBe(429)
    expect((await signIn(browser(), ann.email)).status).toBe(200)
    expect(await me(ann)).toBe(200)
  }, 60_000)

  it('SI23 sent from everywhere they hold up no session, no passkey, and no browser that signed in before', async () => {
    const ann = await invited(await site(), 'agent')
    const byPasskey = await addPasskey(ann)
    const limit = await limitOf(env, 'everywhere', ann.email)
    for (let n = 0; n < ATTEMPTS.everywhere.most; n++) expect(await limit.take()).toBe(0)
    expect(await signIn(browser(), ann.email)).toMatchObject({ status: 429 })
    expect(await me(ann)).toBe(200)
    expect((await byPasskey(browser())).status).toBe(200)
    expect((await ann.ask('POST', '/api/auth/sign-out', {})).status).toBe(200)
    expect((await signIn(ann, ann.email)).status).toBe(200)
    // It is known for her alone, it has attempts of its own, and it is nobody's to make up.
    const bob = await invited(await site(), 'agent')
    const others = await limitOf(env, 'everywhere', bob.email)
    for (let n = 0; n < ATTEMPTS.everywhere.most; n++) await others.take()
    expect((await signIn(ann, bob.email)).status).toBe(429)
    const [name, value] = [...ann.cookies].find(([cookie]) => cookie.includes('known_browser'))!
    const forged = browser()
    forged.cookies.set(
      name,
      value.replace(/^./, first => (first === 'a' ? 'b' : 'a')),
    )
    expect((await signIn(forged, ann.email)).status).toBe(429)
    const thieves = [browser(), browser()]
    for (const thief of thieves) thief.cookies.set(name, value)
    const statuses = []
    for (let n = 0; n <= ATTEMPTS.account.most; n++)
      statuses.push((await signIn(thieves[n % 2]!, ann.email, 'wrong password')).status)
    expect(statuses.slice(-2)).toEqual([401, 429])
  }, 60_000)

  it('SI23 count for everybody together too, but not those that were right', async () => {
    const ann = await invited(await site(), 'agent')
    for (let n = 0; n < 3; n++) await signIn(browser(), ann.email, 'wrong password')
    for (let n = 0; n < 3; n++) expect((await signIn(browser(), ann.email)).status).toBe(200)
    const { sha256Hex } = await import('../../src/store/ids.ts')
    const stub = env.LIMITS.getByName(`everywhere/${await sha256Hex(`everywhere ${ann.email}`)}`)
    const kept = await runInDurableObject(stub, (_, state) =>
      state.storage.get<{ count: number }>('attempts'),
    )
    expect(kept?.count).toBe(3)
  }, 60_000)
})

describe('an invitation in the hands of whoever made it', () => {
  it('LK5 proves no address, and what was registered with it does not reach into the site that invites its owner', async () => {
    const [evil, good] = [await site(), await site()]
    const email = address()
    // The maker takes it up in the name of somebody who never heard of it.
    const eve = browser()
    await eve.send(await invitation(evil, email), form)
    expect((await userOf(email)).emailVerified).toBe(false)
    await signIn(eve, email)
    const byPasskey = await addPasskey(eve)
    const trusted = await userOf(email)
    const link = await invitation(good, email)
    expect((await browser().send(link, { ...form, password: NEXT, again: NEXT })).status).toBe(401)
    // Its owner gets hold of it by a reset, and joins.
    const about = { siteId: evil.siteId, kind: 'reset' as const }
    const memberId = (await eve.ask('GET', '/api/v1/me')).json.id as string
    const resets = await Promise.all(
      [0, 1].map(async () => {
        const { url, row } = await newLink(ORIGIN, { ...about, memberId }, 60_000, null, Date.now())
        await addLink(db(env.DB), row)
        return new URL(url).pathname
      }),
    )
    expect((await browser().send(resets[0]!, { password: NEXT, again: NEXT })).status).toBe(200)
    expect((await byPasskey(eve)).status).toBe(200)
    const again = await newLink(ORIGIN, { ...about, memberId }, 60_000, null, Date.now())
    await addLink(db(env.DB), again.row)
    expect((await browser().send(link, { password: NEXT })).status).toBe(200)
    expect(await me(eve)).toBe(401)
    expect((await byPasskey(browser())).status).toBe(401)
    expect(await db(env.DB).select().from(passkeys).where(eq(passkeys.userId, trusted.id))).toEqual([])
    expect((await browser().send(new URL(again.url).pathname, form)).status).toBe(410)
    const ann = browser()
    await signIn(ann, email, NEXT)
    expect((await ann.ask('GET', '/api/v1/me')).json.sites).toHaveLength(2)
  }, 60_000)

  it('LK5 whoever has a second factor joins with it, not with the password alone', async () => {
    const [one, two] = [await site(), await site()]
    const ann = await invited(one, 'agent')
    await addTotp(ann)
    const link = await invitation(two, ann.email, 'admin')
    const eve = await browser().send(link, { password: PASSWORD })
    expect(eve).toMatchObject({ status: 401, text: expect.stringContaining('second factor') })
    // That there is one is not told to whoever does not even know the password.
    const blind = await browser().send(link, { password: 'wrong password' })
    expect(blind.status).toBe(401)
    expect(blind.text).not.toContain('second factor')
    const bob = await invited(one, 'agent')
    expect((await bob.send(link, { password: PASSWORD })).status).toBe(401)
    expect((await ann.send(link, { password: PASSWORD })).status).toBe(200)
  }, 60_000)

  it('LK6 where it was tried too often, nothing is told of the account', async () => {
    const ann = await invited(await site(), 'agent')
    const links = [await invitation(await site(), ann.email), await invitation(await site(), address())]
    const at = browser('203.0.113.77')
    const limit = await limitOf(env, 'address', '203.0.113.77')
    for (let n = 0; n < ATTEMPTS.address.most; n++) await limit.take()
    const answers = await Promise.all(links.map(link => at.send(link, form)))
    expect(answers.map(answer => answer.status)).toEqual([429, 429])
    expect(answers[0]!.text).toBe(answers[1]!.text)
    const looks = await limitOf(env, 'asked', '203.0.113.77')
    for (let n = 0; n < ATTEMPTS.asked.most; n++) await looks.take()
    const seen = await Promise.all(links.map(link => at.ask('GET', link)))
    expect(seen.map(answer => answer.status)).toEqual([429, 429])
    expect(seen[0]!.text).toBe(seen[1]!.text)
  })
})

describe('a member of two sites', () => {
  async function ofTwo(role: 'agent' | 'admin' = 'admin') {
    const [one, two] = [await site(), await site()]
    const ann = await invited(one, role)
    expect((await browser().send(await invitation(two, ann.email), { password: PASSWORD })).status).toBe(200)
    const [here, there] = [browser(), browser()]
    for (const at of [here, there]) await signIn(at, ann.email)
    expect((await there.ask('PATCH', '/api/v1/me', { siteId: two.siteId })).status).toBe(200)
    const id = (await here.ask('GET', '/api/v1/me')).json.id as string
    return { one, two, ann, here, there, id }
  }

  it.each([
    ['removed', 'DELETE', undefined],
    ['given another role', 'PATCH', { role: 'agent' }],
  ])(
    'SI9 %s in one goes on with what they do in the other',
    async (_, method, body) => {
      const { one, here, there, id } = await ofTwo()
      expect([await me(here), await me(there)]).toEqual([200, 200])
      expect((await asking(one.headers)(method, `/members/${id}`, body)).status).toBe(200)
      expect([await me(here), await me(there)]).toEqual([401, 200])
      const moved = await there.ask('PATCH', '/api/v1/me', { siteId: one.siteId })
      expect(moved).toMatchObject(method === 'DELETE' ? { status: 400 } : { json: { role: 'agent' } })
    },
    60_000,
  )

  it('SI9 removed from both is forgotten', async () => {
    const { one, two, ann, there, id } = await ofTwo()
    const other = (await there.ask('GET', '/api/v1/me')).json.id as string
    await asking(one.headers)('DELETE', `/members/${id}`)
    const { id: userId } = await userOf(ann.email)
    await asking(two.headers)('DELETE', `/members/${other}`)
    expect(await userOf(ann.email)).toBeUndefined()
    expect(await db(env.DB).select().from(sessions).where(eq(sessions.userId, userId))).toEqual([])
  }, 60_000)
})

describe('what goes by mail through servers that a site’s keys may change', () => {
  const resetsOf = (siteId: string) =>
    db(env.DB)
      .select()
      .from(oneTimeLinks)
      .where(and(eq(oneTimeLinks.siteId, siteId), eq(oneTimeLinks.kind, 'reset')))

  it('RP6 makes nobody an admin or an owner: no reset, no invitation', async () => {
    const here = await site()
    await inbox(here.siteId)
    for (const role of ['admin', 'owner'] as const) {
      const ann = await invited(here, role)
      await browser().ask('POST', '/api/auth/request-password-reset', { email: ann.email })
      const { json } = await asking(here.headers)('POST', '/invitations/', { email: address(), role })
      expect(json, role).toMatchObject({ mailed: false, url: expect.stringContaining('/invite/') })
    }
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect(await resetsOf(here.siteId)).toEqual([])
  })

  it('RP6 by the deployment’s own binding they are sent, since no server of the site sees them', async () => {
    const here = await site()
    const config = await inbox(here.siteId)
    const settings = JSON.stringify({ ...config.settings, smtp: null })
    await db(env.DB).update(inboxes).set({ settings }).where(eq(inboxes.id, config.inboxId))
    const to: string[] = []
    const EMAIL = {
      send: async (mail: { to: unknown }) => {
        to.push(JSON.stringify(mail.to))
        return { messageId: '<x@demo.test>' }
      },
    }
    Object.assign(env, { EMAIL })
    try {
      const email = address()
      const { json } = await asking(here.headers)('POST', '/invitations/', { email, role: 'admin' })
      expect(json.mailed).toBe(true)
      expect(to.join()).toContain(email)
    } finally {
      Reflect.deleteProperty(env, 'EMAIL')
    }
  })
})

describe('what anybody may ask for without signing in', () => {
  it('SI24 writes only so much: challenges are counted before they are kept', async () => {
    const at = browser('203.0.113.88')
    const limit = await limitOf(env, 'asked', '203.0.113.88')
    for (let n = 1; n < ATTEMPTS.asked.most; n++) await limit.take()
    const ask = () => at.ask('GET', '/api/auth/passkey/generate-authenticate-options')
    expect((await ask()).status).toBe(200)
    const kept = async () => (await db(env.DB).select().from(verifications)).length
    const before = await kept()
    const said = await ask()
    expect(said).toMatchObject({ status: 429, json: { code: 'TOO_MANY_REQUESTS' } })
    expect(Number(said.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await kept()).toBe(before)
    expect((await at.ask('GET', '/api/auth/get-session')).status).toBe(200)
  })

  it('SI24 is swept by the clock when it is over: challenges, sessions, links', async () => {
    const here = await site()
    const ann = await invited(here, 'agent')
    await ann.ask('GET', '/api/auth/passkey/generate-authenticate-options')
    const past = new Date(Date.now() - 1000)
    const d1 = db(env.DB)
    const link = async (kind: 'reset' | 'invite', lastsMs: number) => {
      const about = { siteId: here.siteId, kind, memberId: ann.id, email: address() }
      const { row } = await newLink(ORIGIN, about, lastsMs, null, Date.now())
      await addLink(d1, row)
      return row.id
    }
    const [over, good, invite] = [
      await link('reset', -1000),
      await link('reset', 60_000),
      await link('invite', -1000),
    ]
    const { id: userId } = await userOf(ann.email)
    await d1.update(sessions).set({ expiresAt: past }).where(eq(sessions.userId, userId))
    await d1.update(verifications).set({ expiresAt: past })
    await tick('* * * * *', Date.now(), env).catch(() => {})
    expect(await d1.select().from(sessions).where(eq(sessions.userId, userId))).toEqual([])
    expect(await d1.select().from(verifications)).toEqual([])
    const links = await d1.select().from(oneTimeLinks).where(eq(oneTimeLinks.siteId, here.siteId))
    // An invitation that ran out is listed, to be sent again.
    expect(links.map(row => row.id).toSorted()).toEqual([good, invite].toSorted())
    expect(links.map(row => row.id)).not.toContain(over)
  })

  it('SI24 signing out is never too much', async () => {
    const ann = await invited(await site(), 'agent')
    const at = browser('203.0.113.99')
    for (const [name, value] of ann.cookies) at.cookies.set(name, value)
    const limit = await limitOf(env, 'address', '203.0.113.99')
    for (let n = 0; n < ATTEMPTS.address.most; n++) await limit.take()
    expect((await at.ask('POST', '/api/auth/sign-out', {})).status).toBe(200)
    expect(await me(ann)).toBe(401)
  })
})

it('SI25 cookies are read in one way: a second one of the same name does not use a code twice', async () => {
  const ann = await invited(await site(), 'agent')
  const code = await totp(await addTotp(ann))
  const eve = await invited(await site(), 'agent')
  const half = browser()
  await signIn(half, ann.email)
  const cookies = [
    `${COOKIE}="a\\b"`,
    `${COOKIE}=${eve.cookies.get(COOKIE)}`,
    ...[...half.cookies].map(([name, value]) => `${name}=${value}`),
  ]
  const cookie = cookies.join('; ')
  const said = await browser().ask('POST', '/api/auth/two-factor/verify-totp', { code }, { cookie })
  expect(said.text).not.toContain(ann.email)
  const [set] = said.headers.getSetCookie().filter(one => one.startsWith(COOKIE))
  expect(set?.includes('Max-Age=0') ?? true).toBe(true)
  // In quotes it is the same cookie, here and there.
  const quoted = { cookie: `x=1; ${COOKIE}="${ann.cookies.get(COOKIE)}"; y=2` }
  expect((await browser().ask('GET', '/api/v1/me', undefined, quoted)).status).toBe(200)
  const session = await browser().ask('GET', '/api/auth/get-session', undefined, quoted)
  expect(session.json?.user.email).toBe(ann.email)
}, 60_000)

describe('a link that nobody needs any more', () => {
  async function resetPath(owner: Browser, id: string) {
    return new URL((await owner.ask('POST', `/api/v1/members/${id}/reset-link`, {})).json.url).pathname
  }
  const good = async (path: string) => (await browser().ask('GET', path)).status === 200

  it('RP7 ends when another one was used, and when the password was changed', async () => {
    const here = await site()
    const [owner, ann, bob] = [
      await invited(here, 'owner'),
      await invited(here, 'agent'),
      await invited(here, 'agent'),
    ]
    const [first, second, other] = [
      await resetPath(owner, ann.id),
      await resetPath(owner, ann.id),
      await resetPath(owner, bob.id),
    ]
    expect((await browser().send(first, { password: NEXT, again: NEXT })).status).toBe(200)
    expect([await good(second), await good(other)]).toEqual([false, true])
    const body = { newPassword: NEXT, currentPassword: PASSWORD }
    expect((await bob.ask('POST', '/api/auth/change-password', body)).status).toBe(200)
    expect(await good(other)).toBe(false)
  }, 60_000)

  it('IV8 ends with whoever made it, or with their right to make it', async () => {
    const here = await site()
    const ask = asking(here.headers)
    const ann = await invited(here, 'agent')
    const maker = async (role: 'owner' | 'admin') => {
      const at = await invited(here, role)
      const invite = async (what: string) => {
        const said = await at.ask('POST', '/api/v1/invitations/', { email: address(), role: what })
        return { id: said.json.id as string, path: new URL(said.json.url).pathname }
      }
      return { ...at, invite }
    }
    await invited(here, 'owner')
    const stays = await maker('admin')
    const kept = await stays.invite('agent')
    const byKey = await invitation(here, address())

    const gone = await maker('admin')
    const [theirs, adopted] = [await gone.invite('admin'), await gone.invite('agent')]
    const again = await stays.ask('POST', `/api/v1/invitations/${adopted.id}/resend`)
    expect(again.json.invitedBy).toMatchObject({ id: stays.id })
    await ask('DELETE', `/members/${gone.id}`)
    expect([await good(theirs.path), await good(new URL(again.json.url).pathname)]).toEqual([false, true])

    const owner = await maker('owner')
    const [makesOwner, makesAgent] = [await owner.invite('owner'), await owner.invite('agent')]
    const reset = await resetPath(owner, ann.id)
    expect((await ask('PATCH', `/members/${owner.id}`, { role: 'admin' })).status).toBe(200)
    expect([await good(makesOwner.path), await good(reset), await good(makesAgent.path)]).toEqual([
      false,
      false,
      true,
    ])
    await ask('PATCH', `/members/${owner.id}`, { role: 'agent' })
    expect(await good(makesAgent.path)).toBe(false)
    expect([await good(kept.path), await good(byKey)]).toEqual([true, true])
  }, 60_000)

  it('RP7 made for an agent does not make an admin of whoever has it', async () => {
    const here = await site()
    const [owner, ann] = [await invited(here, 'owner'), await invited(here, 'agent')]
    const path = await resetPath(owner, ann.id)
    await asking(here.headers)('PATCH', `/members/${ann.id}`, { role: 'admin' })
    expect(await good(path)).toBe(false)
  }, 60_000)
})

it('AC12 what was delivered to a webhook is read with messages:read only', async () => {
  const here = await site()
  const { json } = await asking(here.headers)('POST', '/endpoints/', {
    url: 'https://hooks.example/x',
    types: ['*'],
  })
  const as = async (...scopes: string[]) => {
    const fields = { name: 'x', scopes: JSON.stringify(scopes), rateLimit: 1000 }
    const { key } = await createApiKey(db(env.DB), env.KEK, here.siteId, fields, Date.now())
    return asking({ authorization: `Api-Key ${key}` })
  }
  const path = `/endpoints/${json.endpoint.id}/deliveries`
  const lacking = await as('endpoints:read')
  expect((await lacking('GET', path)).status).toBe(200)
  expect(await lacking('GET', `${path}/${newId()}`)).toMatchObject({
    status: 403,
    json: { error: { message: 'This API key needs the scope messages:read for that.' } },
  })
  const reading = await as('endpoints:read', 'messages:read')
  expect((await reading('GET', `${path}/${newId()}`)).status).toBe(404)
})
