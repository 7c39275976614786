/** Which conversation a mail joins, and whose it is, on the servers: tags, our other inboxes, forwards, old threads, what waited. */
import { describe, expect, it } from 'vitest'
import { assistant, inbox, received, site } from './cast.ts'
import { arrives, conversationsOf, inboxOf, mail, read, sync, until } from './mail.ts'
import { member } from './staff.ts'

async function connected(settings: Record<string, unknown> = {}) {
  const { siteId, headers } = await site()
  const assistantId = await assistant(siteId)
  const config = await inbox(siteId, { assistantId, settings })
  await sync(config)
  return { siteId, headers, assistantId, config, address: config.address }
}

let count = 0
const customer = () => `jo${++count}.${Date.now()}@customer.test`
const tagged = (address: string, tag: string) => address.replace('@', `+${tag}@`)
const first = <T>(found: T[]) => (found.length > 0 ? found : null)

describe('a tag in the address', () => {
  it('D5 a reply to an address that lost its tag, or has it still, joins by the ids it cites', async () => {
    const { headers, config, address } = await connected()
    const from = customer()
    await arrives(address, [mail({ from, to: tagged(address, 'shop7') })])
    await sync(config)
    const [answer] = await until(async () => first(await inboxOf(from)))
    // Answers leave without the tag: no provider can drop what is not there.
    expect(answer!.from[0]!.address).toBe(address)
    const cites = [`In-Reply-To: ${answer!.messageId}`]
    await arrives(address, [
      mail({ from, to: address, headers: cites, text: 'How do I reset my password?' }),
      mail({ from, to: tagged(address, 'shop7'), headers: cites, text: 'Thanks!' }),
    ])
    await sync(config)
    const all = await conversationsOf(headers)
    expect(all).toHaveLength(1)
    expect(all[0]!.messages.filter(one => one.type === 'incoming')).toHaveLength(3)
  })

  it('D6 a guessed or an old tag opens nothing: a stranger’s mail is a conversation of its own', async () => {
    const { siteId, headers, config, address } = await connected({ mode: 'off' })
    const [alice, mallory] = [customer(), customer()]
    await arrives(address, [
      mail({ from: alice, to: address, messageId: `<${config.inboxId}@customer.test>` }),
    ])
    await sync(config)
    const [hers] = await conversationsOf(headers)
    const { id } = hers!.conversation
    const { messages } = await read(siteId, id)
    const tags = [id, id.replaceAll('-', ''), messages[0]!.id, `${config.inboxId}=customer.test`]
    await arrives(
      address,
      tags.map(tag => mail({ from: mallory, to: tagged(address, tag) })),
    )
    await sync(config)
    const all = await conversationsOf(headers)
    expect(all).toHaveLength(5)
    for (const { conversation, messages } of all.filter(one => one.conversation.id !== id)) {
      expect(conversation).toMatchObject({ contact: { address: mallory }, linkedTo: null })
      expect(messages).toHaveLength(1)
    }
    expect((await read(siteId, id)).messages).toHaveLength(1)
  })
})

it('D20 a reply that reaches another of our inboxes joins the conversation it answers, and is answered there', async () => {
  const { siteId, headers, assistantId, config, address } = await connected()
  const sales = await inbox(siteId, { assistantId })
  await sync(sales)
  const from = customer()
  await arrives(address, [mail({ from, to: address })])
  await sync(config)
  const [answer] = await until(async () => first(await inboxOf(from)))
  await arrives(sales.address, [
    mail({
      ...{ from, to: sales.address, text: 'And how do I reset my password?' },
      headers: [`In-Reply-To: ${answer!.messageId}`],
    }),
  ])
  await sync(sales)
  await until(async () => (await inboxOf(from)).length === 2)
  const all = await conversationsOf(headers)
  expect(all).toHaveLength(1)
  expect(all[0]!.messages.map(one => one.type)).toEqual(['incoming', 'outgoing', 'incoming', 'outgoing'])
  // It answers from where the contact wrote to last.
  expect((await inboxOf(from)).map(one => one.from[0]!.address).toSorted()).toEqual(
    [address, sales.address].toSorted(),
  )
})

describe('a mail that is passed on by hand', () => {
  it('D21 belongs to who passed it on, a member or anybody: what it quotes makes nobody a contact or a recipient', async () => {
    const { siteId, headers, config, address } = await connected()
    const [victim, anybody] = [customer(), customer()]
    const colleague = await member(siteId, 'agent')
    const forward = (from: string) =>
      mail({
        ...{ from, to: address, subject: 'Fwd: My order' },
        text: `How do I get a refund?\r\n\r\n---------- Forwarded message ---------\r\nFrom: Victor <${victim}>\r\nDate: Mon, Nov 2, 2026 at 10:00 AM\r\nSubject: My order\r\nTo: <${address}>\r\n\r\nWhere is my order 4711?`,
      })
    const writers = [anybody, `${colleague.id}@team.test`]
    await arrives(address, writers.map(forward))
    await sync(config)
    const all = await until(async () => {
      const now = await conversationsOf(headers)
      return now.length === 2 && now.every(one => one.messages.length === 2) ? now : null
    })
    expect(all.map(one => one.conversation.contact.address).toSorted()).toEqual(writers.toSorted())
    for (const { conversation, messages } of all) {
      expect(messages[0]!.content).toContain('order 4711')
      const { to } = (await read(siteId, conversation.id)).messages[1]!.details
      expect(writers).toContain(to)
    }
    expect(await inboxOf(victim)).toEqual([])
  })
})

it('D23 a reply to what was last said a year ago joins its conversation: none is ever closed', async () => {
  const { siteId, headers, config, address } = await connected({ mode: 'off' })
  const [from, messageId] = [customer(), `<year.${config.inboxId}@customer.test>`]
  const [old] = await received(config, [mail({ from, to: address, messageId })], {
    internalDate: Date.now() - 366 * 24 * 3600_000,
  })
  const [now] = await received(config, [
    mail({ from, to: address, headers: [`In-Reply-To: ${messageId}`], text: 'It broke.' }),
  ])
  expect(now!.conversationId).toBe(old!.conversationId)
  expect((await read(siteId, old!.conversationId)).state.status).toBe('open')
  expect(await conversationsOf(headers)).toHaveLength(1)
})

it('A6 what waited through a stop comes into its conversation oldest first, over more than one page', async () => {
  const { siteId, headers, config, address } = await connected({ mode: 'off' })
  const from = customer()
  const id = (n: number) => `<a6.${n}.${config.inboxId}@customer.test>`
  await arrives(
    address,
    Array.from({ length: 230 }, (_, n) =>
      mail({
        from,
        to: address,
        messageId: id(n),
        text: `${n}`,
        headers: n > 0 ? [`In-Reply-To: ${id(0)}`] : [],
      }),
    ),
  )
  await sync(config, 60_000)
  const [one] = await conversationsOf(headers)
  const { messages } = await read(siteId, one!.conversation.id)
  expect(messages.map(message => message.content)).toEqual(Array.from({ length: 230 }, (_, n) => `${n}`))
}, 90_000)
