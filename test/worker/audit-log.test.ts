import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { app } from '../../src/app.ts'
import { RIGHTS } from '../../src/domain/access.ts'
import { addAuditEntry, auditEntriesBefore } from '../../src/store/audit.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { totp } from './authenticators.ts'
import { browser, invited, PASSWORD, signIn } from './browser.ts'
import { assistant, inbox, received, site } from './cast.ts'
import { mail } from './mail.ts'
import { asking, member } from './staff.ts'

interface Entry {
  action: string
  actor: { kind: string; id: string; name: string }
  target: { type: string; id: string }
  changes: Record<string, { from?: unknown; to?: unknown }>
  requestId: string
  createdAt: string
}

const logOf = async (headers: Record<string, string>, query = '') =>
  (await asking(headers)('GET', `/audit-log/${query}`)).json.items as Entry[]

describe('the audit log', () => {
  it('AL1 says who changed what, and from what to what where that is no secret', async () => {
    const here = await site()
    const owner = await invited(here, 'owner')
    const ask = asking(here.headers)
    const bob = (await ask('POST', '/members/', { name: 'Bob', email: 'bob@team.test', role: 'agent' })).json
    await owner.ask('PATCH', `/api/v1/members/${bob.id}`, { role: 'admin' })
    const key = (await ask('POST', '/api-keys/', { name: 'Shop', scopes: ['messages:read'] })).json
    await owner.ask('PATCH', `/api/v1/api-keys/${key.id}`, { scopes: ['messages:read', 'messages:write'] })
    const ada = await assistant(here.siteId)
    await ask('PATCH', `/assistants/${ada}`, { name: 'Adele' })
    await ask('DELETE', `/api-keys/${key.id}`)
    await ask('POST', `/members/${bob.id}/token`)
    const log = await logOf(here.headers)
    expect(log.slice(0, 7).map(one => one.action)).toEqual([
      'member.token_made',
      'api_key.revoked',
      'assistant.changed',
      'api_key.changed',
      'api_key.created',
      'member.changed',
      'member.created',
    ])
    const by = (action: string) => log.find(one => one.action === action)!
    expect(by('member.changed')).toMatchObject({
      actor: { kind: 'member', id: owner.id, name: owner.name },
      target: { type: 'member', id: bob.id },
      changes: { role: { from: 'agent', to: 'admin' } },
      requestId: expect.stringMatching(/^[\w-]{8,}$/),
      createdAt: expect.stringMatching(/^\d{13}$/),
    })
    expect(by('api_key.created')).toMatchObject({
      actor: { kind: 'key', name: 'test' },
      target: { type: 'api_key', id: key.id },
      changes: { name: { to: 'Shop' }, scopes: { to: ['messages:read'] } },
    })
    expect(by('api_key.changed').changes).toEqual({
      scopes: { from: ['messages:read'], to: ['messages:read', 'messages:write'] },
    })
    expect(by('assistant.changed')).toMatchObject({ target: { id: ada }, changes: { name: {} } })
    expect(by('assistant.changed').changes.name).toEqual({})
  })

  it('AL1 says who closed and assigned a conversation, and what was changed of a contact, without who that is', async () => {
    const here = await site()
    const config = await inbox(here.siteId)
    const [one] = await received(config, [mail({ to: config.address })])
    const agent = await member(here.siteId, 'agent')
    const ask = asking(agent.headers)
    const path = `/conversations/${one!.conversationId}`
    // Nothing changed, or only what somebody read.
    await ask('PATCH', path, { read: true })
    await ask('PATCH', path, { status: 'open' })
    await ask('PATCH', path, { status: 'closed', assignee: agent.id, title: 'Eve owes us money' })
    const { contact } = (await ask('GET', path)).json
    await asking(here.headers)('PATCH', `/contacts/${contact.id}`, { name: 'Eve Smith', vip: true })
    const log = await logOf(here.headers)
    expect(log.map(entry => entry.action)).toEqual(['contact.changed', 'conversation.changed'])
    expect(log[0]).toMatchObject({
      target: { type: 'contact', id: contact.id },
      changes: { vip: { from: false, to: true }, name: {} },
    })
    expect(log[1]).toMatchObject({
      actor: { kind: 'member', id: agent.id },
      target: { type: 'conversation', id: one!.conversationId },
      changes: { status: { from: 'open', to: 'closed' }, assignee: { from: null, to: agent.id }, title: {} },
    })
    expect(JSON.stringify(log)).not.toMatch(/Eve|owes/)
  })

  it('AL1 says which webhook was added, and whose articles came', async () => {
    const here = await site()
    const ask = asking(here.headers)
    const ada = await assistant(here.siteId)
    const hook = { url: 'https://hooks.example.com/x', types: ['*'] }
    const { endpoint } = (await ask('POST', '/endpoints', hook)).json
    await exports.default.fetch(`http://edgedesk.test/api/v1/articles/import?assistant=${ada}`, {
      ...{ method: 'POST', body: '# Hours\n\nFrom nine to five.\n' },
      headers: { ...here.headers, 'content-type': 'text/markdown' },
    })
    expect((await logOf(here.headers)).map(({ action, target }) => [action, target.id])).toEqual([
      ['article.imported', ada],
      ['endpoint.created', endpoint.id],
    ])
  })

  it('AL2 has no secret and no text of anybody, and nothing of what was refused or only read', async () => {
    const here = await site()
    const config = await inbox(here.siteId)
    const [one] = await received(config, [mail({ to: config.address, text: 'My very secret question' })])
    const ask = asking(here.headers)
    await ask('PATCH', `/inboxes/${config.inboxId}`, { name: 'Help', signature: 'Secret greetings' })
    await ask('PATCH', `/inboxes/${config.inboxId}`, { password: 'a-secret-password', force: true })
    await ask('PATCH', `/inboxes/${config.inboxId}`, { nonsense: 1 })
    await ask('POST', '/inboxes', {})
    await ask('PATCH', `/members/${newId()}`, { name: 'x' })
    await ask('GET', '/members/')
    const agent = await member(here.siteId, 'agent')
    await asking(agent.headers)('DELETE', `/inboxes/${config.inboxId}`)
    const { token } = (await ask('POST', `/members/${agent.id}/token`)).json
    const key = (await ask('POST', '/api-keys/', { name: 'x', scopes: ['keys:read'] })).json.key
    const link = (await ask('POST', '/invitations/', { email: 'eve@team.test', role: 'agent' })).json.url
    await ask('DELETE', `/conversations/${one!.conversationId}`)
    const text = JSON.stringify(await logOf(here.headers))
    for (const secret of [
      'a-secret-password',
      'Secret greetings',
      'very secret',
      token,
      key,
      link.slice(-43),
    ])
      expect(text).not.toContain(secret)
    const log = await logOf(here.headers)
    expect(log.map(entry => entry.action)).toEqual([
      'conversation.erased',
      'invitation.created',
      'api_key.created',
      'member.token_made',
      ...log.filter(entry => entry.action === 'inbox.changed').map(() => 'inbox.changed'),
    ])
    expect(log[0]!.target).toEqual({ type: 'conversation', id: one!.conversationId })
  })

  it('AL3 hears of people signing in, and of how they do', async () => {
    const here = await site()
    const ann = await invited(here, 'admin')
    await signIn(browser(), ann.email, 'wrong password')
    const { json } = await ann.ask('POST', '/api/auth/two-factor/enable', { password: PASSWORD })
    await ann.ask('POST', '/api/auth/two-factor/verify-totp', { code: await totp(json.totpURI) })
    const at = browser()
    await signIn(at, ann.email)
    const code = await totp(json.totpURI, Date.now() + 30_000)
    await at.ask('POST', '/api/auth/two-factor/verify-totp', { code })
    const change = { currentPassword: PASSWORD, newPassword: 'another horse battery' }
    await at.ask('POST', '/api/auth/change-password', change)
    await at.ask('POST', '/api/auth/two-factor/disable', { password: change.newPassword })
    const log = await logOf(here.headers, `?actor=${ann.id}`)
    expect(log.map(one => one.action)).toEqual([
      'member.two_factor_disabled',
      'member.password_changed',
      'session.began',
      'member.two_factor_enabled',
      'session.began',
      'member.joined',
    ])
    expect(JSON.stringify(log)).not.toContain('horse battery')
  })

  it('AL4 is for owners and admins, of their own site, page by page, by actor or by target', async () => {
    const [here, there] = [await site(), await site()]
    const ask = asking(here.headers)
    const made: string[] = []
    for (let n = 0; n < 5; n++)
      made.push(
        (await ask('POST', '/members/', { name: 'x', email: `m${n}@team.test`, role: 'agent' })).json.id,
      )
    const pages: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { json }: { json: { items: Entry[]; next: string | null } } = await ask(
        'GET',
        `/audit-log/?limit=2&cursor=${cursor}`,
      )
      pages.push(...json.items.map(one => one.target.id))
      cursor = json.next
    }
    expect(pages).toEqual(made.toReversed())
    expect((await logOf(here.headers, `?target=${made[2]}`)).map(one => one.target.id)).toEqual([made[2]])
    const admin = await member(here.siteId, 'admin')
    await asking(admin.headers)('PATCH', `/members/${made[0]}`, { name: 'y' })
    expect(await logOf(here.headers, `?actor=${admin.id}`)).toHaveLength(1)
    expect((await ask('GET', `/audit-log/?actor=${admin.id}&target=${made[0]}`)).status).toBe(400)
    expect(await logOf(there.headers, `?target=${made[2]}`)).toEqual([])
    expect(await logOf(there.headers)).toEqual([])
    expect((await asking((await member(here.siteId, 'agent')).headers)('GET', '/audit-log/')).status).toBe(
      403,
    )
  })

  it('LI7 a page reads its own rows and one more, whatever lies behind, and whoever it is of', async () => {
    const { siteId } = await site()
    const [actor, target] = [newId(), newId()]
    const d1 = db(env.DB)
    for (let n = 0; n < 200; n++)
      await addAuditEntry(d1, {
        id: newId(1_800_000_000_000 + n),
        siteId,
        actorKind: 'member',
        actorId: n % 4 ? newId() : actor,
        actorName: 'Ann',
        action: 'member.changed',
        targetId: n % 5 ? newId() : target,
        changes: '{}',
        requestId: newId(),
        at: n,
      })
    let read = 0
    const counted = {
      prepare: (query: string) => ({
        bind: (...values: unknown[]) => ({
          raw: async () => {
            const answer = await env.DB.prepare(query)
              .bind(...values)
              .all()
            read = answer.meta.rows_read
            return answer.results.map(row => Object.values(row))
          },
        }),
      }),
    } as unknown as D1Database
    for (const by of [null, { actor }, { target }]) {
      const rows = await auditEntriesBefore(db(counted), siteId, by, newId(1_800_000_000_150), 11)
      expect(rows).toHaveLength(11)
      // Each by its place in the index, and itself.
      expect(read, JSON.stringify(by)).toBeLessThanOrEqual(2 * 11)
    }
  })

  it('AL5 that cannot be written fails no request', async () => {
    const here = await site()
    const broken = {
      ...env,
      DB: new Proxy(env.DB, {
        get: (target, name) => {
          if (name !== 'prepare') return Reflect.get(target, name, target)
          return (query: string) => {
            if (/insert into "audit_log"/i.test(query)) throw new Error('no such table')
            return target.prepare(query)
          }
        },
      }),
    }
    const waiting = { waitUntil: () => {}, passThroughOnException: () => {}, props: {} }
    const answer = await app.request(
      'http://edgedesk.test/api/v1/members/',
      {
        method: 'POST',
        headers: { ...here.headers, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'Ann', email: 'ann@team.test', role: 'agent' }),
      },
      broken,
      waiting as unknown as ExecutionContext,
    )
    expect(answer.status).toBe(200)
    expect((await asking(here.headers)('GET', '/members/')).json.items).toHaveLength(1)
    expect(await logOf(here.headers)).toEqual([])
  })

  it('AL6 is written once for a request that was sent twice under one Idempotency-Key', async () => {
    const here = await site()
    for (let n = 0; n < 2; n++) {
      const answer = await exports.default.fetch('http://edgedesk.test/api/v1/members/', {
        method: 'POST',
        headers: { ...here.headers, 'content-type': 'application/json', 'idempotency-key': 'once' },
        body: JSON.stringify({ name: 'Ann', email: 'ann@team.test', role: 'agent' }),
      })
      expect(answer.status).toBe(200)
    }
    expect(await logOf(here.headers)).toHaveLength(1)
  })

  it('AL7 hears of every change of members, keys, inboxes, assistants, articles, webhooks and settings, and of conversations and contacts', () => {
    const silent = Object.entries(RIGHTS)
      .filter(([row, right]) => right !== 'anybody' && right.audit === null && !row.startsWith('GET '))
      .map(([row]) => row)
      .filter(row =>
        /^(?:PATCH|PUT|DELETE|POST) \/api\/(?:v1\/(?:members|invitations|api-keys|inboxes|assistants|articles|endpoints|web-chats|site|settings)|sites|secure-tokens)/.test(
          row,
        ),
      )
    for (const row of ['PATCH /api/v1/conversations/{id}', 'PATCH /api/v1/contacts/{id}'])
      expect(RIGHTS[row], row).toMatchObject({ audit: expect.stringMatching(/\.changed$/) })
    // What only looks, or tries something out.
    expect(silent.filter(row => !/\/(?:check|ask|test|test-connection|reparse)$/.test(row))).toEqual([])
  })
})
