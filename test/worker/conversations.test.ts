import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { project } from '../../src/store/conversations.ts'
import { assistant, conversation, inbox, received, site } from './cast.ts'
import { mail, until } from './mail.ts'

const NOBODY_LISTENS = { smtp: { host: 'localhost', port: 1, user: 'x' } }

async function shown(path: string, headers: Record<string, string>) {
  const answer = await exports.default.fetch(`http://edgedesk.test/api/v1/${path}`, { headers })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

/** Alice wrote to an inbox without an assistant. */
async function written(about: Partial<Parameters<typeof mail>[0]> = {}) {
  const who = await site()
  const config = await inbox(who.siteId)
  const [one] = await received(config, [
    mail({ to: config.address, messageId: `<first.${config.inboxId}@customer.test>`, ...about }),
  ])
  const stub = conversation(who.siteId, one!.conversationId)
  const more = (text: string, headers: string[] = []) =>
    received(config, [
      mail({
        ...{ to: config.address, text },
        headers: [`In-Reply-To: <first.${config.inboxId}@customer.test>`, ...headers],
      }),
    ])
  return { ...who, ...one!, config, stub, more }
}

/** Alice wrote, and the answer waits for a mail server that does not answer. */
async function answered() {
  const who = await site()
  const config = await inbox(who.siteId, {
    assistantId: await assistant(who.siteId),
    settings: NOBODY_LISTENS,
  })
  const [one] = await received(config, [
    mail({ to: config.address, messageId: `<first.${config.inboxId}@customer.test>` }),
  ])
  const stub = conversation(who.siteId, one!.conversationId)
  const answer = await until(async () =>
    (await stub.read())!.messages.find(message => message.delivery?.status === 'retry'),
  )
  return { ...who, ...one!, config, stub, answer }
}

/** While this table is away, no copy reaches D1. */
async function withoutTable<T>(name: string, run: () => Promise<T>): Promise<T> {
  await env.DB.prepare(`ALTER TABLE ${name} RENAME TO ${name}_away`).run()
  try {
    return await run()
  } finally {
    await env.DB.prepare(`ALTER TABLE ${name}_away RENAME TO ${name}`).run()
  }
}

const alarmOf = (stub: ReturnType<typeof conversation>) =>
  runInDurableObject(stub, (_, state) => state.storage.getAlarm())

describe('D1 is away', () => {
  it('CO17 a mail is kept and taken by its conversation all the same, and shown when the alarm comes', async () => {
    const { stub, more, conversationId, headers } = await written()
    await withoutTable('conversations', async () => {
      const started = Date.now()
      await more('A second thought.')
      expect(Date.now() - started).toBeLessThan(5000)
      const { state, messages } = (await stub.read())!
      expect(messages.map(message => message.content)).toEqual([
        'How do I get a refund?',
        'A second thought.',
      ])
      expect(state).toMatchObject({ seq: 2, length: 2, unread: 2 })
      expect(await alarmOf(stub)).not.toBeNull()
    })
    expect((await shown(`messages/?conversation=${conversationId}`, headers)).body.items).toHaveLength(1)
    expect(await runDurableObjectAlarm(stub)).toBe(true)
    await until(
      async () =>
        ((await shown(`messages/?conversation=${conversationId}`, headers)).body.items as unknown[])
          .length === 2,
    )
    expect((await shown(`conversations/${conversationId}`, headers)).body).toMatchObject({
      unreadMessagesCount: 2,
    })
  })

  it('CO17 the alarm finds D1 still away: it comes again, and an eviction in between loses nothing', async () => {
    const { stub, conversationId, headers } = await written()
    await withoutTable('conversations', async () => {
      await stub.change({ owner: 'person' }, null)
      for (let i = 0; i < 3; i++) {
        expect(await runDurableObjectAlarm(stub)).toBe(true)
        await until(async () => (await alarmOf(stub)) !== null)
        await evictDurableObject(stub)
      }
    })
    await runDurableObjectAlarm(stub)
    await until(async () => (await shown(`conversations/${conversationId}`, headers)).body.owner === 'person')
  })
})

describe('copies in D1', () => {
  it('CO18 an older copy that comes late overwrites nothing', async () => {
    const { stub, more, conversationId, headers } = await written()
    const old = (await stub.read())!
    await more('A second thought.')
    await stub.change({ owner: 'person' }, null)
    await project(env.DB, old.state, old.messages, null)
    expect((await shown(`conversations/${conversationId}`, headers)).body).toMatchObject({
      owner: 'person',
      unreadMessagesCount: 2,
    })
  })

  it('CO18 a long one is cut between two characters, never inside of one', async () => {
    const { stub, more, conversationId, headers } = await written()
    const text = `${'x'.repeat(7_999)}\u00f0\u009f\u0098\u0080 and more`
    await more(text, ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit'])
    expect((await stub.read())!.messages.at(-1)!.content).toContain('x😀 and more')
    const { body } = await shown(`messages/?conversation=${conversationId}`, headers)
    const shortened = (body.items as { content: string }[]).at(-1)!.content
    expect([shortened.length, shortened.isWellFormed(), shortened.at(-1)]).toEqual([7_999, true, 'x'])
  })

  it('CO18 the same copy twice is the same', async () => {
    const { stub, conversationId, headers } = await written()
    const before = await shown(`messages/?conversation=${conversationId}`, headers)
    const { state, messages } = (await stub.read())!
    await project(env.DB, state, messages, null)
    await project(env.DB, state, messages, null)
    expect(await shown(`messages/?conversation=${conversationId}`, headers)).toEqual(before)
  })

  it('CO18 are those of the object, message for message', async () => {
    const { stub, more, conversationId, headers } = await written()
    await more('Two.')
    await more('Three.')
    const { state, messages } = (await stub.read())!
    const { body } = await shown(`messages/?conversation=${conversationId}`, headers)
    expect(
      (body.items as { id: string; content: string }[]).map(({ id, content }) => ({ id, content })),
    ).toEqual(messages.map(({ id, content }) => ({ id, content })))
    expect((await shown(`conversations/${conversationId}`, headers)).body).toMatchObject({
      lastMessageCreatedAt: String(state.lastMessage!.at),
      unreadMessagesCount: 3,
    })
  })
})

describe('the object is torn down between turns', () => {
  it('CO19 it goes on where it stopped: state, messages, positions, seq', async () => {
    const { stub, more, conversationId, headers } = await written()
    const before = (await stub.read())!
    await evictDurableObject(stub)
    expect(await stub.read()).toEqual(before)
    await more('After the night.')
    await evictDurableObject(stub)
    expect(await stub.change({ owner: 'person' }, null)).toMatchObject({ state: { owner: 'person' } })
    const { state, messages } = (await stub.read())!
    expect(state).toMatchObject({ seq: 3, length: 2, owner: 'person' })
    expect(messages.map(({ position, seq }) => [position, seq])).toEqual([
      [0, 1],
      [1, 2],
    ])
    expect((await shown(`conversations/${conversationId}`, headers)).body).toMatchObject({ owner: 'person' })
  })
})

describe('the point of no return', () => {
  it('CO7 after a takeover the answer may not leave, and it says why', async () => {
    const { stub, answer } = await answered()
    await stub.change({ owner: 'person' }, null)
    expect(await stub.mayLeave(answer.id)).toMatchObject({ yes: false, problem: { code: 'taken_over' } })
    expect((await stub.message(answer.id))!.delivery!.status).not.toBe('leaving')
  })

  it('CO7 nor after an eviction, nor when handed back', async () => {
    const { stub, answer } = await answered()
    await stub.change({ owner: 'person' }, null)
    await evictDurableObject(stub)
    expect(await stub.mayLeave(answer.id)).toMatchObject({ yes: false })
    await stub.change({ owner: 'assistant' }, null)
    expect(await stub.mayLeave(answer.id)).toMatchObject({ yes: false, problem: { code: 'superseded' } })
  })

  it('CO11 the contact wrote again: the answer from before may not leave', async () => {
    const { stub, answer, config } = await answered()
    await received(config, [
      mail({
        to: config.address,
        text: 'Forget it.',
        headers: [`In-Reply-To: <first.${config.inboxId}@customer.test>`],
      }),
    ])
    expect(await stub.mayLeave(answer.id)).toMatchObject({ yes: false, problem: { code: 'superseded' } })
  })

  it('C14 a vacation note in between keeps nothing from leaving', async () => {
    const { stub, answer, config } = await answered()
    const [note] = await received(config, [
      mail({
        to: config.address,
        headers: [`In-Reply-To: <first.${config.inboxId}@customer.test>`, 'Auto-Submitted: auto-replied'],
      }),
    ])
    const { messages } = (await stub.read())!
    expect(messages.find(message => message.id === note!.messageId)?.details).toMatchObject({
      verdict: { class: 'automatic' },
      reply: { do: 'silent', why: 'not_sendable' },
    })
    expect(await stub.mayLeave(answer.id)).toEqual({ yes: true })
  })

  it('CO10 the yes is on disk: torn down and asked again, it is the same yes', async () => {
    const { stub, answer } = await answered()
    expect(await stub.mayLeave(answer.id)).toEqual({ yes: true })
    await evictDurableObject(stub)
    expect((await stub.message(answer.id))!.delivery).toMatchObject({ status: 'leaving' })
    await stub.change({ owner: 'person' }, null)
    expect(await stub.mayLeave(answer.id)).toEqual({ yes: true })
  })

  it('CO9 of a message that the conversation does not have: no', async () => {
    const { stub } = await written()
    const other = await answered()
    expect(await stub.mayLeave(other.answer.id)).toMatchObject({ yes: false, problem: { code: 'not_found' } })
  })
})

describe('one mail by two ways', () => {
  it('B5 to two inboxes of ours: one conversation, one message, one answer', async () => {
    const { siteId } = await site()
    const assistantId = await assistant(siteId)
    const [support, sales] = [
      await inbox(siteId, { assistantId, settings: NOBODY_LISTENS }),
      await inbox(siteId, { assistantId, settings: NOBODY_LISTENS }),
    ]
    const both = mail({ to: `${support.address}, ${sales.address}` })
    const [first] = await received(support, [both])
    const [second] = await received(sales, [both])
    expect(second).toMatchObject({ messageId: first!.messageId, conversationId: first!.conversationId })
    const stub = conversation(siteId, first!.conversationId)
    await until(async () =>
      (await stub.read())!.messages.some(message => message.delivery?.status === 'retry'),
    )
    const { messages } = (await stub.read())!
    expect(messages.map(message => message.direction)).toEqual(['incoming', 'outgoing'])
    expect(messages[0]!.details.copies).toEqual([{ inboxId: sales.inboxId, mailId: second!.mailId }])
  })

  it('B5 the same mail to two sites is two, that know nothing of each other', async () => {
    const [one, two] = [await site(), await site()]
    const configs = [await inbox(one.siteId), await inbox(two.siteId)]
    const both = mail({ to: configs.map(config => config.address).join(', ') })
    const [[mine], [theirs]] = [await received(configs[0]!, [both]), await received(configs[1]!, [both])]
    expect(theirs!.conversationId).not.toBe(mine!.conversationId)
    expect((await shown(`conversations/${theirs!.conversationId}`, one.headers)).status).toBe(404)
  })

  it('D7 a stranger who cites a mail gets a conversation of his own, linked, and sees nothing', async () => {
    const { siteId, headers, config, conversationId, stub } = await written()
    const [stranger] = await received(config, [
      mail({
        from: 'Eve <eve@evil.example>',
        to: config.address,
        headers: [`In-Reply-To: <first.${config.inboxId}@customer.test>`],
      }),
    ])
    expect(stranger!.conversationId).not.toBe(conversationId)
    expect((await stub.read())!.messages).toHaveLength(1)
    const { body } = await shown(`conversations/${stranger!.conversationId}`, headers)
    expect(body).toMatchObject({ linkedTo: conversationId, contact: { address: 'eve@evil.example' } })
    expect((await conversation(siteId, stranger!.conversationId).read())!.messages).toHaveLength(1)
  })
})
