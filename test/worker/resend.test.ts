/** A person sends again what did not leave, or says what became of it. Through Postfix. */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { idKey } from '../../src/domain/thread.ts'
import { Records } from '../../src/mailbox/records.ts'
import { newId } from '../../src/store/ids.ts'
import type { MailboxConfig } from '../../src/store/inboxes.ts'
import { assistant, conversation, inbox, received, site } from './cast.ts'
import { changed, inboxOf, mail, mailbox, until } from './mail.ts'

const NOWHERE = { host: 'localhost', port: 1, user: 'x' }
const by = { kind: 'person' as const, id: 'p', name: 'Pat' }

let people = 0

/** An inbox with these settings, and a customer who wrote to it. */
async function asked(
  settings: Record<string, unknown> = {},
  from = `r${++people}.${Date.now()}@customer.test`,
) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId), settings })
  const [one] = await received(config, [mail({ from: `Rita <${from}>`, to: config.address })])
  const stub = conversation(siteId, one!.conversationId)
  /** Our mail in that conversation, once it fares so. */
  const fares = (status: string) =>
    until(async () =>
      (await stub.read())!.messages.find(m => m.direction === 'outgoing' && m.delivery?.status === status),
    )
  return { siteId, headers, config, from, stub, fares, conversationId: one!.conversationId }
}

const row = (config: MailboxConfig, id: string) =>
  runInDurableObject(mailbox(config), (_, state) => new Records(state.storage.sql).outboxRow(id)!)
const sql = (config: MailboxConfig, query: string, ...values: (string | number)[]) =>
  runInDurableObject(mailbox(config), (_, state) => {
    state.storage.sql.exec(query, ...values)
  })

/** As the crash of an object leaves it that was handing this mail over. */
async function torn(config: MailboxConfig, id: string) {
  await sql(config, `UPDATE outbox SET phase = 'leaving', due_at = NULL WHERE id = ?`, id)
  await evictDurableObject(mailbox(config))
}

it('RS1 H12 what a cap held a person sends all the same, and it is counted', async () => {
  const cap = { count: 1, windowMs: 3600_000 }
  const wide = { count: 99, windowMs: 3600_000 }
  const { config, from, fares } = await asked({ caps: { sender: cap, thread: wide, inbox: wide } })
  await fares('sent')
  const [two] = await received(config, [
    mail({ from, to: config.address, subject: 'A second', text: 'How do I get a refund?' }),
  ])
  const stub = conversation(config.siteId, two!.conversationId)
  const held = await until(async () => (await stub.read())!.messages.find(m => m.delivery?.status === 'held'))
  expect(held.delivery!.problem!.code).toBe('cap_reached')
  await stub.sendAgain(held.id, by)
  await until(async () => (await stub.message(held.id))!.delivery?.status === 'sent')
  expect((await inboxOf(from)).map(one => one.subject).toSorted()).toEqual(['Re: A question', 'Re: A second'])
  expect(await row(config, held.id)).toMatchObject({ phase: 'sent', again: true, attempts: 1, told: 'sent' })
  const left = await runInDurableObject(mailbox(config), (_, state) =>
    state.storage.sql.exec('SELECT * FROM departures').toArray(),
  )
  expect(left).toHaveLength(2)
})

it('RS1 WL1 what waited too long a person sends all the same', async () => {
  const { config, from, stub, fares } = await asked({ smtp: NOWHERE })
  const answer = await fares('retry')
  const { smtp } = (await inbox(config.siteId)).settings
  // Its server is back, and the answer is older than the inbox lets a machine's answer be.
  await mailbox(config).tick(
    changed(config, {
      settings: { ...config.settings, draftAfterMs: 1, smtp: { ...smtp!, user: config.address } },
    }),
  )
  await sql(config, 'UPDATE outbox SET due_at = 0')
  await mailbox(config).news()
  expect((await fares('held')).delivery!.problem!.code).toBe('waited_long')
  await stub.sendAgain(answer.id, by)
  await fares('sent')
  expect(await inboxOf(from)).toHaveLength(1)
})

it('RS1 H3 a recipient refused again has failed again, and the conversation hears of it', async () => {
  const { config, stub, fares } = await asked({}, 'rita@nowhere.invalid')
  const failed = await fares('failed')
  await new Promise(resolve => setTimeout(resolve, 5))
  await stub.sendAgain(failed.id, by)
  const again = await until(async () => {
    const now = await stub.message(failed.id)
    return now?.delivery?.status === 'failed' && now.delivery.at > failed.delivery!.at && now
  })
  expect(again.delivery!.problem!.code).toBe('recipient_refused')
  expect(await row(config, failed.id)).toMatchObject({ phase: 'failed', attempts: 1, again: true })
})

it('RS1 a mail that could not be made is made now', async () => {
  const { config, headers, from, stub, fares, conversationId } = await asked()
  await fares('sent')
  const get = env.MAIL.get
  env.MAIL.get = (async (key: string) =>
    key.startsWith('attachments/') ? null : get.call(env.MAIL, key)) as typeof get
  const post = async () => {
    const answer = await exports.default.fetch('http://edgedesk.test/api/v1/messages/outgoing', {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({
        conversation: conversationId,
        content: 'Here is the form.',
        attachments: [{ filename: 'form.txt', contentType: 'text/plain', content: btoa('name:') }],
      }),
    })
    return (await answer.json()) as { id: string }
  }
  let id: string
  try {
    id = (await post()).id
    await until(async () => (await stub.message(id))!.delivery?.status === 'failed')
    expect(await env.MAIL.head((await row(config, id)).rawKey)).toBeNull()
    const before = (await stub.message(id))!.delivery!.at
    // Still gone: it fails again, and says so again.
    await stub.sendAgain(id, by)
    await until(async () => {
      const now = (await stub.message(id))!.delivery!
      return now.status === 'failed' && now.at > before
    })
  } finally {
    env.MAIL.get = get
  }
  await stub.sendAgain(id, by)
  await until(async () => (await stub.message(id))!.delivery?.status === 'sent')
  const sent = (await inboxOf(from)).find(one => one.text.includes('Here is the form.'))
  expect(sent!.attachments.map(one => one.filename)).toEqual(['form.txt'])
})

it('RS1 H1 OU4 what was leaving when the object was torn down waits for a person, and goes with the same bytes', async () => {
  const { config, from, stub, fares } = await asked({ smtp: NOWHERE })
  const answer = await fares('retry')
  const { rawKey } = await row(config, answer.id)
  const made = await (await env.MAIL.get(rawKey))!.text()
  await torn(config, answer.id)
  const { smtp } = (await inbox(config.siteId)).settings
  await mailbox(config).tick(
    changed(config, { settings: { ...config.settings, smtp: { ...smtp!, user: config.address } } }),
  )
  await fares('uncertain')
  await mailbox(config).news()
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(await inboxOf(from)).toEqual([])
  await stub.sendAgain(answer.id, by)
  await fares('sent')
  const [one] = await inboxOf(from)
  expect(one!.messageId).toBe(answer.details.mail!.rfcId)
  expect(one!.raw.replaceAll('\r\n', '\n')).toContain(
    made.split('\r\n\r\n').slice(1).join('\n\n').replaceAll('\r\n', '\n').trim(),
  )
})

it('RS1 H6 two who say so at the same moment: one mail', async () => {
  const { config, from, stub, fares } = await asked({ smtp: NOWHERE })
  const answer = await fares('retry')
  const { smtp } = (await inbox(config.siteId)).settings
  await mailbox(config).tick(
    changed(config, { settings: { ...config.settings, smtp: { ...smtp!, user: config.address } } }),
  )
  await torn(config, answer.id)
  await mailbox(config).news()
  await fares('uncertain')
  await stub.sendAgain(answer.id, by)
  const said = await Promise.all([
    mailbox(config).sendAgain(answer.id),
    mailbox(config).sendAgain(answer.id),
    mailbox(config).sendAgain(answer.id),
  ])
  await fares('sent')
  expect(said.filter(Boolean).length).toBeLessThanOrEqual(1)
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(await inboxOf(from)).toHaveLength(1)
})

it('RS1 what is on its way, called back, sent or not here is not sent again', async () => {
  const { config, from, fares } = await asked()
  const sent = await fares('sent')
  expect(await mailbox(config).sendAgain(sent.id)).toBe(false)
  expect(await mailbox(config).sendAgain(newId())).toBe(false)
  for (const phase of ['queued', 'retry', 'withdrawn', 'sent']) {
    await sql(config, 'UPDATE outbox SET phase = ?, due_at = NULL', phase)
    expect(await mailbox(config).sendAgain(sent.id), phase).toBe(false)
  }
  expect(await inboxOf(from)).toHaveLength(1)
})

it.each([
  ['sent', null],
  ['failed', 'uncertain'],
] as const)('RS2 H1 a person says that it is %s, and it stays so', async (outcome, code) => {
  const { config, from, stub, fares } = await asked({ smtp: NOWHERE })
  const answer = await fares('retry')
  expect(await mailbox(config).settle(answer.id, outcome)).toBe(false)
  await torn(config, answer.id)
  // Also as the first word to the new life, which finds it leaving.
  expect(await mailbox(config).settle(answer.id, outcome)).toBe(true)
  expect(await row(config, answer.id)).toMatchObject({
    ...{ phase: outcome, told: outcome, dueAt: null },
    problem: code && { code },
  })
  expect(await mailbox(config).settle(answer.id, outcome)).toBe(false)
  expect(await mailbox(config).settle(newId(), outcome)).toBe(false)
  await mailbox(config).news()
  await new Promise(resolve => setTimeout(resolve, 300))
  // Whoever says so has told the conversation: nothing is told twice.
  expect((await stub.message(answer.id))!.delivery!.status).toBe('retry')
  expect(await inboxOf(from).catch(() => [])).toEqual([])
})

it('RS2 an uncertain mail is found by its Message-ID, and only while it is uncertain', async () => {
  const { config, fares } = await asked({ smtp: NOWHERE })
  const answer = await fares('retry')
  const key = idKey(answer.details.mail!.rfcId!)
  const named = () =>
    runInDurableObject(mailbox(config), (_, state) => new Records(state.storage.sql).uncertainNamed(key)?.id)
  expect(await named()).toBeUndefined()
  await torn(config, answer.id)
  await mailbox(config).news()
  await fares('uncertain')
  expect(await named()).toBe(answer.id)
  await mailbox(config).settle(answer.id, 'sent')
  expect(await named()).toBeUndefined()
})
