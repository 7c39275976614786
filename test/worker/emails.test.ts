/** "Why did nothing come of my mail?", and mails that could not be read. */
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { imap } from '../../src/mail/imap.ts'
import { rawKey } from '../../src/mailbox/keys.ts'
import { HISTORY, type MailRow, ROUTED } from '../../src/mailbox/records.ts'
import { assistant, inbox, site, testMail } from './cast.ts'
import { arrives, changed, control, conversationsOf, inboxOf, mail, mailbox, sync, until } from './mail.ts'
import { asking, member } from './staff.ts'

async function connected(settings: Record<string, unknown> = {}) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId), settings })
  await sync(config)
  return { siteId, headers, config, address: config.address, ask: asking(headers) }
}

let count = 0
const customer = () => `em${++count}.${Date.now()}@customer.test`
const newMid = () => `<em${++count}.${Date.now()}@customer.test>`

type Ask = ReturnType<typeof asking>
const states = async (ask: Ask, query: string) => {
  const { status, json } = await ask('GET', `/emails/trace?${query}`)
  expect(status).toBe(200)
  return json.items.map((one: { state: string }) => one.state) as string[]
}
const byId = (id: string) => `messageId=${encodeURIComponent(id)}`

describe('TR1 where a mail is, in a sentence', () => {
  it('not yet synced, then answered and when; by its Message-ID with or without brackets, and by its address', async () => {
    const { config, address, ask } = await connected()
    const [from, id] = [customer(), newMid()]
    await mailbox(config).tick(changed(config, { paused: true }))
    await arrives(address, [mail({ from, to: address, messageId: id })])
    expect(await states(ask, byId(id))).toEqual(['not_synced'])
    await mailbox(config).tick(changed(config, { paused: false }))
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 1)
    const { json } = await ask('GET', `/emails/trace?${byId(id)}`)
    expect(json.items).toMatchObject([{ state: 'answered', messageId: id, subject: 'A question' }])
    expect(json.items[0].sentence).toMatch(/^It was answered by Ada at 20/)
    expect(json.unreachable).toEqual([])
    expect(await states(ask, byId(id.slice(1, -1)))).toEqual(['answered'])
    // By the address: their mail, and ours to them.
    expect((await states(ask, `address=${from}`)).toSorted()).toEqual(['answered', 'outgoing'])
  })

  it('outside the watched folders, and from before the connection', async () => {
    const { siteId, headers } = await site()
    const config = await inbox(siteId, { assistantId: null })
    const old = newMid()
    await arrives(config.address, [mail({ to: config.address, messageId: old })])
    await sync(config)
    const ask = asking(headers)
    expect(await states(ask, byId(old))).toEqual(['before_connection'])
    const elsewhere = newMid()
    await imap(env).append({
      account: {
        ...{ host: testMail.host, port: testMail.imap.port, security: 'starttls', user: config.address },
        password: testMail.password,
      },
      folder: 'Junk',
      raw: btoa(mail({ to: config.address, messageId: elsewhere })),
      flags: [],
    })
    const { json } = await ask('GET', `/emails/trace?${byId(elsewhere)}`)
    expect(json.items).toMatchObject([{ state: 'other_folder', folder: 'Junk' }])
    expect(json.items[0].sentence).toContain('Junk')
  })

  it('held by a rule, and by which; a machine’s mail says why it was left alone', async () => {
    const { config, address, ask } = await connected({ mode: 'draft' })
    const [draft, robot] = [newMid(), newMid()]
    await arrives(address, [
      mail({ from: customer(), to: address, messageId: draft }),
      mail({ from: customer(), to: address, messageId: robot, headers: ['Auto-Submitted: auto-generated'] }),
    ])
    await sync(config)
    await until(async () => (await states(ask, byId(draft)))[0] === 'drafted')
    const { json } = await ask('GET', `/emails/trace?${byId(robot)}`)
    expect(json.items[0]).toMatchObject({ state: 'silent' })
    expect(json.items[0].sentence).toContain('a machine sent it')
  })

  it('a server that cannot be asked is named, and what is here is told all the same', async () => {
    const { config, address, ask } = await connected({ mode: 'off' })
    const id = newMid()
    await arrives(address, [mail({ from: customer(), to: address, messageId: id })])
    await sync(config)
    await control({ do: 'stop_dovecot' })
    try {
      const { json } = await ask('GET', `/emails/trace?${byId(id)}`)
      expect(json.items).toMatchObject([{ state: 'silent' }])
      expect(json.unreachable).toMatchObject([{ inbox: config.inboxId }])
      expect(json.unreachable[0].sentence.length).toBeGreaterThan(10)
    } finally {
      await control({ do: 'start_dovecot' })
    }
  })

  it('nothing is known of it: an empty list; wrong questions are refused by name', async () => {
    const { ask } = await connected()
    expect(await states(ask, byId('<never@nowhere.test>'))).toEqual([])
    expect((await ask('GET', '/emails/trace')).json.error).toMatchObject({ code: 'missing_field' })
    expect((await ask('GET', '/emails/trace?address=a@b.test&messageId=x')).json.error.code).toBe(
      'invalid_field',
    )
    expect((await ask('GET', '/emails/trace?subject=x')).json.error).toMatchObject({ code: 'unknown_field' })
  })

  it('N6 an agent is told of mail in their inboxes only, another site of none', async () => {
    const { siteId, config, address } = await connected({ mode: 'off' })
    const other = await inbox(siteId)
    const id = newMid()
    await arrives(address, [mail({ from: customer(), to: address, messageId: id })])
    await sync(config)
    const asAgent = async (inboxes: string[]) =>
      states(asking((await member(siteId, 'agent', inboxes)).headers), byId(id))
    expect(await asAgent([config.inboxId])).toEqual(['silent'])
    expect(await asAgent([other.inboxId])).toEqual([])
    expect(await states(asking((await site()).headers), byId(id))).toEqual([])
  })
})

/** A mail whose bytes are not there when it is read. */
async function unreadable(config: Awaited<ReturnType<typeof connected>>['config'], raw: string) {
  const bytes = new TextEncoder().encode(raw)
  const id = `routed-${crypto.randomUUID()}`
  const row: MailRow = {
    ...{ id, folderId: ROUTED, uidValidity: 0, uid: 0, size: bytes.length, internalDate: Date.now() },
    ...{ fetchedAt: Date.now(), sha: id, headerKey: id, extent: 'whole', remote: null, oldBefore: null },
    ...{ rfcId: null, writer: null },
  }
  await mailbox(config).takeRouted(config, row)
  await until(async () => (await mailbox(config).status())?.owed === 0)
  const appears = () => env.MAIL.put(rawKey(config.siteId, config.inboxId, id), bytes)
  return { appears }
}

describe('QU1 quarantine', () => {
  it('A12 what cannot be read is listed with its reason, and read again in its place', async () => {
    const { headers, config, address, ask } = await connected()
    const from = customer()
    const { appears } = await unreadable(config, mail({ from, to: address, text: 'How do I get a refund?' }))
    const { json: list } = await ask('GET', '/emails?state=quarantined')
    expect(list.items).toMatchObject([{ quarantine: { code: 'unreadable' }, reply: { do: 'silent' } }])
    const { id } = list.items[0]
    // Nothing changed yet: it says so, and nothing is lost.
    const early = await ask('POST', `/emails/${id}/reparse`)
    expect(early).toMatchObject({ status: 422, json: { error: { code: 'unreadable' } } })
    await appears()
    const { status, json } = await ask('POST', `/emails/${id}/reparse`)
    expect(status).toBe(200)
    expect(json).toMatchObject({
      id,
      content: 'How do I get a refund?',
      quarantine: null,
      subject: 'A question',
    })
    // At most a draft comes of it.
    const [one] = await until(async () => {
      const all = await conversationsOf(headers)
      return all[0]!.messages.length === 2 ? all : null
    })
    expect(one!.messages[1]!.delivery?.status).toBe('draft')
    expect(one!.conversation.contact.address).toBe(from)
    expect((await ask('GET', '/emails?state=quarantined')).json.items).toEqual([])
    expect((await ask('POST', `/emails/${id}/reparse`)).json.error.code).toBe('not_quarantined')
    expect(await inboxOf(from)).toEqual([])
    // Mail that answers it joins.
    await arrives(address, [mail({ from, to: address, headers: [`In-Reply-To: ${json.id}`] })])
  })

  it('all at once, page by page, each with what came of it', async () => {
    const { config, address, ask } = await connected({ mode: 'off' })
    const mails = []
    for (let n = 0; n < 27; n++)
      mails.push(await unreadable(config, mail({ from: customer(), to: address, text: `number ${n}` })))
    for (const one of mails.slice(0, 26)) await one.appears()
    const first = await ask('POST', '/emails/reparse')
    expect(first.json.read.length + first.json.unread.length).toBe(25)
    const second = await ask('POST', `/emails/reparse?cursor=${first.json.next}`)
    expect(second.json.next).toBeNull()
    expect(first.json.read.length + second.json.read.length).toBe(26)
    const { json } = await ask('GET', '/emails?state=quarantined')
    expect(json.items).toHaveLength(1)
  })

  it('N6 an agent without a right to its inbox does not see it', async () => {
    const { siteId, config, address } = await connected({ mode: 'off' })
    await unreadable(config, mail({ from: customer(), to: address }))
    const other = await inbox(siteId)
    const ask = asking((await member(siteId, 'agent', [other.inboxId])).headers)
    expect((await ask('GET', '/emails?state=quarantined')).json.items).toEqual([])
    expect((await ask('POST', '/emails/reparse')).status).toBe(403)
  })

  it('HI1 the sentinel of imported mail is later than any date', () => {
    expect(HISTORY).toBeGreaterThan(8.64e15 - 1)
  })
})
