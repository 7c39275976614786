/** "I wrote to you": what we have of a mail, where it lies on the server, and what of ours is on its way. On Dovecot. */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import type { Problem } from '../../src/domain/problem.ts'
import { imap } from '../../src/mail/imap.ts'
import type { FoundThere, MailToFind } from '../../src/mailbox/find.ts'
import { db } from '../../src/store/db.ts'
import type { MailboxConfig } from '../../src/store/inboxes.ts'
import { inboxAddresses } from '../../src/store/schema.ts'
import worker from '../../src/worker.ts'
import { inbox, site, testMail } from './cast.ts'
import { arrives, changed, control, conversationsOf, mail, mailbox, sync, until } from './mail.ts'

let people = 0
const customer = () => `f${++people}.${Date.now()}@customer.test`

async function connected(settings: Record<string, unknown> = {}) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { settings })
  return { siteId, headers, config, address: config.address }
}

const put = (address: string, folder: string, raw: string) =>
  imap(env).append({
    account: {
      ...{ host: testMail.host, port: testMail.imap.port, security: 'starttls' },
      ...{ user: address, password: testMail.password },
    },
    ...{ folder, raw: btoa(raw), flags: [] },
  })

async function find(config: MailboxConfig, order: MailToFind) {
  const { mails, server, unsearched, out } = await mailbox(config).find(order)
  if ('code' in server) throw new Error(server.message)
  return {
    mails,
    server,
    unsearched,
    out,
    places: server.map(one => `${one.folder} ${one.where}`).toSorted(),
  }
}

it('FI1 here, not yet, before the connection, in another folder: each mail of a writer is told where it stands', async () => {
  const { config, address } = await connected()
  const anna = customer()
  const letter = (subject: string) => mail({ from: `Anna <${anna}>`, to: address, subject })
  await arrives(address, [letter('Before')])
  await sync(config)
  await arrives(address, [letter('Here'), mail({ to: address, subject: 'Of somebody else' })])
  await sync(config)
  await arrives(address, [letter('Not yet')])
  await put(address, 'Junk', letter('Taken for spam'))
  const { mails, server, places, unsearched } = await find(config, { address: anna.toUpperCase() })
  expect(places).toEqual(['INBOX before_connection', 'INBOX here', 'INBOX not_yet', 'Junk other_folder'])
  const told = Object.fromEntries(server.map(one => [one.subject, one]))
  expect(told['Taken for spam']).toMatchObject({ use: '\\Junk', where: 'other_folder', writer: anna })
  expect(told.Before).toMatchObject({ uid: 1, where: 'before_connection' })
  expect(unsearched).toEqual([])
  expect(mails).toHaveLength(1)
  expect(mails[0]).toMatchObject({
    ...{ folder: 'INBOX', uid: 2, status: 'delivered', attempts: 0, dueAt: null, problem: null },
    ...{ writer: anna, rfcId: told.Here!.rfcId, imported: false },
    messageId: expect.any(String),
    conversationId: expect.any(String),
  })
})

it('FI1 by its Message-ID, however it is written; a part of it is another mail', async () => {
  const { config, address } = await connected()
  await sync(config)
  const id = `Id.${Date.now()}@customer.test`
  await arrives(address, [
    mail({ to: address, messageId: `<${id}>` }),
    mail({ to: address, messageId: `<more.${id}>` }),
  ])
  await sync(config)
  for (const messageId of [`<${id}>`, id, ` ${id} `]) {
    const { mails, places } = await find(config, { messageId })
    expect(places).toEqual(['INBOX here'])
    expect(mails.map(one => one.rfcId)).toEqual([id])
  }
  expect(await find(config, { messageId: 'Id.' })).toMatchObject({ mails: [], server: [] })
})

it('FI1 what can stand in no header is the name of no mail, and no failure of a server', async () => {
  const { config, address } = await connected()
  await sync(config)
  await arrives(address, [
    mail({ to: address, messageId: `<${'x'.repeat(5000)}@customer.test>`, from: 'nobody at all' }),
  ])
  await sync(config)
  for (const order of [
    ...['', '<>', 'a\r\nb', 'x'.repeat(5000)].map(messageId => ({ messageId })),
    ...['', 'a\u0000@b.test', 'x'.repeat(400)].map(address => ({ address })),
  ])
    expect(await mailbox(config).find(order)).toEqual({ mails: [], server: [], unsearched: [], out: [] })
})

it('FI1 a mail that came since and that we do not have is called that', async () => {
  const { config, address } = await connected()
  await sync(config)
  const anna = customer()
  await arrives(address, [mail({ from: anna, to: address })])
  await sync(config)
  await runInDurableObject(mailbox(config), (_, state) => {
    state.storage.sql.exec('DELETE FROM mails')
  })
  expect(await find(config, { address: anna })).toMatchObject({ mails: [], places: ['INBOX passed'] })
})

it('FI1 A2 numbered anew, a mail is not yet, and then here again', async () => {
  const { config, address } = await connected()
  await sync(config)
  const anna = customer()
  await arrives(address, [mail({ from: anna, to: address })])
  await sync(config)
  await control({ do: 'uidvalidity', address })
  expect(await find(config, { address: anna })).toMatchObject({
    mails: [{ uid: 1 }],
    places: ['INBOX not_yet'],
  })
  await sync(config)
  expect(await find(config, { address: anna })).toMatchObject({ mails: [{ uid: 1 }], places: ['INBOX here'] })
})

it('FI2 what was stored before names were noted is found by its position, and noted', async () => {
  const { config, address } = await connected()
  await sync(config)
  const anna = customer()
  await arrives(address, [mail({ from: anna, to: address })])
  await sync(config)
  await runInDurableObject(mailbox(config), (_, state) => {
    state.storage.sql.exec('UPDATE mails SET rfc_id = NULL, writer = NULL')
  })
  const { mails, places } = await find(config, { address: anna })
  expect(places).toEqual(['INBOX here'])
  expect(mails).toMatchObject([{ writer: anna, uid: 1 }])
  await control({ do: 'stop_dovecot' })
  const away = await mailbox(config).find({ address: anna })
  await control({ do: 'start_dovecot' })
  expect(away.mails).toMatchObject([{ writer: anna }])
}, 60_000)

it('FI2 a server that cannot be asked is told as a problem, beside what we have ourselves', async () => {
  const { config, address } = await connected()
  await sync(config)
  const anna = customer()
  await arrives(address, [mail({ from: anna, to: address })])
  await sync(config)
  await control({ do: 'stop_dovecot' })
  const { mails, server } = await mailbox(config).find({ address: anna })
  await control({ do: 'start_dovecot' })
  expect(mails).toHaveLength(1)
  expect((server as Problem).code).toBe('refused')
}, 60_000)

it('FI2 mail by Email Routing is here, and there is no server to ask', async () => {
  const { siteId, headers, config } = await connected({ imap: null })
  await db(env.DB).insert(inboxAddresses).values({ siteId, address: config.address, inboxId: config.inboxId })
  const anna = customer()
  const raw = Uint8Array.from(mail({ from: anna, to: config.address }), char => char.charCodeAt(0))
  await worker.email(
    {
      ...{ from: anna, to: config.address, raw: new Response(raw).body!, rawSize: raw.length },
      ...{ headers: new Headers(), setReject: () => {} },
    } as unknown as ForwardableEmailMessage,
    env,
  )
  await until(async () => (await conversationsOf(headers)).length === 1)
  const { mails, server } = await find(config, { address: anna })
  expect(server).toEqual([])
  expect(mails).toMatchObject([{ folder: null, writer: anna, status: 'delivered' }])
})

it('FI2 another account: what we have is shown, and its folder by its name', async () => {
  const { config, address } = await connected()
  await sync(config)
  const anna = customer()
  await arrives(address, [mail({ from: anna, to: address })])
  await sync(config)
  const user = `other-${address}`
  const server = { ...config.settings.imap!, user }
  await sync(changed(config, { address: user, settings: { ...config.settings, imap: server } }))
  const { mails, server: there } = await find(config, { address: anna })
  expect(mails).toMatchObject([{ folder: 'INBOX', writer: anna }])
  expect(there satisfies FoundThere[]).toEqual([])
})

it('FI3 and our own mails to that address, or of that Message-ID, with how they fare', async () => {
  const { config } = await connected({ smtp: { host: 'localhost', port: 1, user: 'x' } })
  await sync(config)
  const anna = customer()
  const rfcId = `<out.${Date.now()}@demo.test>`
  await mailbox(config).enqueue({
    ...{ id: crypto.randomUUID(), conversationId: 'c', rfcId, from: config.address },
    ...{ to: { name: 'Anna', address: anna.toUpperCase() }, subject: 'S', inReplyTo: null, references: [] },
    ...{ text: 'T', citations: [], language: 'en', createdAt: Date.now(), attachments: [], automatic: null },
    ...{ byMachine: false, original: null },
  })
  await until(async () => (await mailbox(config).find({ address: anna })).out[0]?.phase === 'retry')
  for (const order of [{ address: anna }, { messageId: rfcId }]) {
    const { out } = await mailbox(config).find(order)
    expect(out).toMatchObject([
      { phase: 'retry', problem: { code: 'refused' }, to: anna.toUpperCase(), rfcId, conversationId: 'c' },
    ])
    expect(out[0]!.dueAt).toBeGreaterThan(out[0]!.queuedAt)
  }
  expect((await mailbox(config).find({ address: 'nobody@customer.test' })).out).toEqual([])
})
