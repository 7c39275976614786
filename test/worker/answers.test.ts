/** What is answered, and in how many mails, when more happens before the answer has left. Where NOWHERE stands no SMTP server listens. */
import { env, exports } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { knowledge } from '../../src/assistants/knowledge.ts'
import { readEmail } from '../../src/mail/email.ts'
import { outKey } from '../../src/mailbox/keys.ts'
import { saveArticle } from '../../src/store/articles.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { assistant, conversation, inbox, received, site } from './cast.ts'
import { inboxOf, mail, until } from './mail.ts'

const NOWHERE = { smtp: { host: 'localhost', port: 1, user: 'x' } }

/** A customer's first mail, its answer made and put off, since the server is away. */
async function putOff() {
  const { siteId } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId), settings: NOWHERE })
  const messageId = `<first.${config.inboxId}@customer.test>`
  const text = 'How can I return something and get my money back?'
  const [one] = await received(config, [mail({ to: config.address, messageId, text })])
  const stub = conversation(siteId, one!.conversationId)
  const answer = await until(async () =>
    (await stub.read())!.messages.find(m => m.delivery?.status === 'retry'),
  )
  const replies = (about: { text: string; headers?: string[] }) =>
    received(config, [
      mail({
        to: config.address,
        text: about.text,
        headers: [...(about.headers ?? []), `In-Reply-To: ${messageId}`],
      }),
    ])
  return { siteId, config, stub, answer, replies }
}

it('I1 the contact writes again while the answer waits: it is called back, and the next one covers both', async () => {
  const { stub, replies } = await putOff()
  await replies({ text: 'Hello? Thank you for looking.' })
  const messages = await until(async () => {
    const all = (await stub.read())!.messages
    return (
      all.filter(m => m.direction === 'outgoing').length === 2 &&
      all[1]!.delivery?.status === 'withdrawn' &&
      all
    )
  })
  expect(messages[1]!.delivery!.problem!.code).toBe('superseded')
  expect(messages.at(-1)!.content).toContain('get your money back')
})

it('CO7 after a takeover the mail that was called back says so', async () => {
  const { stub } = await putOff()
  await stub.change({ owner: 'person' }, null)
  const back = await until(async () =>
    (await stub.read())!.messages.find(m => m.delivery?.status === 'withdrawn'),
  )
  expect(back.delivery!.problem!.code).toBe('taken_over')
})

it('B9 our Message-ID over another text is a new mail, not our own coming back', async () => {
  const { siteId, config, answer } = await putOff()
  const messageId = answer.details.mail!.rfcId
  await received(config, [mail({ to: config.address, messageId, text: 'A wholly different text.' })])
  const { results } = await env.DB.prepare('SELECT content FROM messages WHERE site_id = ?')
    .bind(siteId)
    .all<{ content: string }>()
  expect(results.some(row => row.content.includes('wholly different'))).toBe(true)
})

it('RE1 an ask that is tried again covers no mail that only a person may answer', async () => {
  const { siteId } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId), settings: NOWHERE })
  const messageId = `<first.${config.inboxId}@customer.test>`
  await env.DB.prepare('ALTER TABLE assistants RENAME TO assistants_away').run()
  const [one] = await received(config, [mail({ to: config.address, messageId })])
  const stub = conversation(siteId, one!.conversationId)
  const headers = [
    'Reply-To: Team <team@customer.test>',
    'X-Auto-Response-Suppress: All',
    `In-Reply-To: ${messageId}`,
  ]
  await received(config, [mail({ to: config.address, text: 'A refund, please.', headers })])
  await env.DB.prepare('ALTER TABLE assistants_away RENAME TO assistants').run()
  const messages = await until(async () => {
    const all = (await stub.read())!.messages
    return all.some(m => m.direction === 'outgoing' && m.delivery?.status === 'retry') && all
  }, 15_000)
  for (const message of messages)
    if (message.direction === 'outgoing' && message.delivery!.status !== 'draft')
      expect(message.details.to).toBe('alice@customer.test')
}, 30_000)

it('KN8 another site cannot take an article out of the index by saving one under its id', async () => {
  const { siteId } = await site()
  const id = await assistant(siteId)
  const times = { createdAt: 0, updatedAt: 0 }
  const article = {
    id: newId(),
    siteId,
    assistantId: id,
    title: 'Gazebo rental',
    body: 'By the day.',
    url: null,
    language: 'en',
    ...times,
  }
  await saveArticle(db(env.DB), env.SEARCH, article)
  await saveArticle(db(env.DB), env.SEARCH, { ...article, siteId: newId(), body: 'x' })
  const asked = {
    subject: '',
    said: ['gazebo rental'],
    history: [],
    cited: [],
    contactName: '',
    contactLabels: [],
    channel: 'email' as const,
    writtenTo: '',
    localTime: '',
    quoted: '',
    assistantName: '',
    language: 'en',
  }
  expect((await knowledge({ siteId, id }, env).answer(asked)).sure).toBe(true)
})

it('PE1 a contact who asks for a person gets one: one mail says so, the conversation is a person’s, the assistant is quiet', async () => {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId) })
  const bob = `bob.${Date.now()}@customer.test`
  const messageId = `<person.${config.inboxId}@customer.test>`
  const text = 'I would like to talk to a person, please.'
  const [one] = await received(config, [mail({ from: bob, to: config.address, messageId, text })])
  const stub = conversation(siteId, one!.conversationId)
  await until(async () => (await stub.read())!.messages.some(m => m.delivery?.status === 'sent'))
  await received(config, [
    mail({
      from: bob,
      to: config.address,
      text: 'How do I get a refund?',
      headers: [`In-Reply-To: ${messageId}`],
    }),
  ])
  const { state, messages } = (await stub.read())!
  expect(state.owner).toBe('person')
  expect(messages.map(m => m.details.reply?.why ?? m.delivery?.status)).toEqual([
    'answered',
    'sent',
    'person_owns',
  ])
  expect(messages[1]!.content).toContain('a colleague')
  expect((await inboxOf(bob)).map(m => m.subject)).toEqual(['Re: A question'])
  const handBack = await exports.default.fetch(
    `http://edgedesk.test/api/v1/conversations/${one!.conversationId}`,
    {
      method: 'PATCH',
      headers: { ...headers, 'content-type': 'application/json' },
      body: '{"owner":"assistant"}',
    },
  )
  expect(await handBack.json()).toMatchObject({ owner: 'assistant', isAutoReplyNow: true })
})

it('I17 where the cap of a thread is reached the answer is made, held for a person and says why; a person sends it', async () => {
  const { siteId, headers } = await site()
  const wide = { count: 99, windowMs: 3_600_000 }
  const caps = { sender: wide, thread: { count: 1, windowMs: 3_600_000 }, inbox: wide }
  const config = await inbox(siteId, { assistantId: await assistant(siteId), settings: { caps } })
  const [from, messageId] = [
    `cap.${newId().slice(-8)}@customer.test`,
    `<cap.${config.inboxId}@customer.test>`,
  ]
  const [one] = await received(config, [mail({ from, to: config.address, messageId })])
  const stub = conversation(siteId, one!.conversationId)
  await until(async () => (await stub.read())!.messages.some(m => m.delivery?.status === 'sent'))
  const text = 'And how do I reset my password?'
  await received(config, [mail({ from, to: config.address, text, headers: [`In-Reply-To: ${messageId}`] })])
  const held = await until(async () => (await stub.read())!.messages.find(m => m.delivery?.status === 'held'))
  const get = (path: string, body?: unknown) =>
    exports.default.fetch(`http://edgedesk.test/api/v1/${path}`, {
      headers: { ...headers, 'content-type': 'application/json' },
      ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
    })
  const { items } = await (await get(`messages/?conversation=${one!.conversationId}`)).json<{
    items: unknown[]
  }>()
  expect(items[3]).toMatchObject({
    content: expect.stringContaining('Forgot password'),
    delivery: {
      status: 'held',
      problem: { code: 'cap_reached', message: expect.stringMatching(/for a person\.$/) },
    },
  })
  expect(await inboxOf(from)).toHaveLength(1)
  expect((await get(`messages/${held.id}/delivery`, { action: 'send_again' })).status).toBe(200)
  await until(async () => (await inboxOf(from)).length === 2)
})

it('H17 a Message-ID of ours is a UUID at the domain that the mail is from, whichever address was written to', async () => {
  const { siteId } = await site()
  const alias = `help-${newId().slice(-8)}@brand.example`
  const config = await inbox(siteId, {
    assistantId: await assistant(siteId),
    settings: { ...NOWHERE, aliases: [alias] },
  })
  for (const to of [config.address, alias]) {
    const [one] = await received(config, [mail({ to, from: `${newId().slice(-8)}@customer.test` })])
    const stub = conversation(siteId, one!.conversationId)
    const answer = await until(async () =>
      (await stub.read())!.messages.find(m => m.delivery?.status === 'retry'),
    )
    const made = await env.MAIL.get(outKey(siteId, config.inboxId, answer.id))
    const email = await readEmail(new Uint8Array(await made!.arrayBuffer()))
    expect(email.from[0]!.address).toBe(to)
    expect(email.messageId).toMatch(
      new RegExp(
        `^<[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}@${to.split('@')[1]}>$`,
      ),
    )
  }
})

it('PE2 a contact who only says thanks gets no mail, and the message says why', async () => {
  const { siteId } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId) })
  const [one] = await received(config, [
    mail({ to: config.address, subject: 'Re: Refund', text: 'Thank you very much!' }),
  ])
  const stub = conversation(siteId, one!.conversationId)
  const [message] = await until(async () => {
    const { messages } = (await stub.read())!
    return messages[0]!.details.reply?.why === 'assistant_silent' && messages
  })
  expect(message!.details.reply).toEqual({ do: 'silent', why: 'assistant_silent' })
})

it('CO7 PATCH owner takes over and hands back; what it takes and refuses', async () => {
  const { siteId, headers, stub, id } = await (async () => {
    const who = await site()
    const config = await inbox(who.siteId, { assistantId: await assistant(who.siteId), settings: NOWHERE })
    const [one] = await received(config, [mail({ to: config.address })])
    return { ...who, id: one!.conversationId, stub: conversation(who.siteId, one!.conversationId) }
  })()
  await until(async () => (await stub.read())!.messages.some(m => m.delivery?.status === 'retry'))
  const patch = (path: string, body: string, as = headers) =>
    exports.default.fetch(`http://edgedesk.test/api/v1/conversations/${path}`, {
      method: 'PATCH',
      headers: { ...as, 'content-type': 'application/json' },
      body,
    })
  const taken = await patch(id, '{"owner":"person"}')
  expect(await taken.json()).toMatchObject({ id, owner: 'person', isAutoReplyNow: false })
  await until(async () => (await stub.read())!.messages.some(m => m.delivery?.status === 'withdrawn'))
  const code = async (answer: Response) =>
    ((await answer.json()) as { error: { code: string; field?: string } }).error
  expect(await code(await patch(id, '{"owner":"robot"}'))).toMatchObject({
    code: 'invalid_field',
    field: 'owner',
  })
  expect(await code(await patch(id, '{"owner":"person","x":1}'))).toMatchObject({
    code: 'unknown_field',
    field: 'x',
  })
  // What is not named stays.
  expect(await (await patch(id, '{}')).json()).toMatchObject({ id, owner: 'person' })
  expect(await code(await patch(id, '{'))).toMatchObject({ code: 'bad_json' })
  expect(await code(await patch(newId(), '{"owner":"person"}'))).toMatchObject({ code: 'not_found' })
  const stranger = await site()
  expect(await code(await patch(id, '{"owner":"assistant"}', stranger.headers))).toMatchObject({
    code: 'not_found',
  })
  expect((await stub.read())!.state.owner).toBe('person')
  expect(siteId).not.toBe(stranger.siteId)
})
