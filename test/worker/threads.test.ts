/** Threads whose mails come in any order, on the real servers: late parents, conversations that turn out to be one, strangers. */
import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { assistant, inbox, site } from './cast.ts'
import { arrives, conversationsOf, inboxOf, mail, read, sync, until } from './mail.ts'

async function connected(settings: Record<string, unknown> = {}) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId), settings })
  await sync(config)
  return { siteId, headers, config, address: config.address }
}

let count = 0
const customer = () => `t${++count}.${Date.now()}@customer.test`
const id = (name: string) => `<${name}.${++count}.${Date.now()}@customer.test>`

/** Until so many answers have left, and nothing is pending. */
const settledWith = (headers: Record<string, string>, answers: number) =>
  until(async () => {
    const all = await conversationsOf(headers)
    const sent = all.flatMap(one => one.messages).filter(one => one.delivery?.status === 'sent')
    return sent.length >= answers ? all : null
  }, 15_000)

describe('TH3 conversations that turn out to be one', () => {
  it('a late mail shows it: one conversation with all mails in the order of their time, each answered once', async () => {
    const { siteId, headers, config, address } = await connected()
    const from = customer()
    const [x, y, a, b, late] = ['x', 'y', 'a', 'b', 'late'].map(id)
    const letter = (messageId: string, references: string, text: string) =>
      mail({ from, to: address, messageId, headers: [`References: ${references}`], text })
    await arrives(address, [letter(a!, x!, 'How do I get a refund?')], Date.now() - 60_000)
    await arrives(address, [letter(b!, y!, 'How do I reset my password?')], Date.now() - 30_000)
    await sync(config)
    const before = await settledWith(headers, 2)
    expect(before).toHaveLength(2)
    await arrives(address, [letter(late!, `${x} ${y}`, 'Thanks!')], Date.now() - 90_000)
    await sync(config)
    const all = await until(async () => {
      const now = await conversationsOf(headers)
      return now.length === 1 && now[0]!.messages.length === 5 ? now : null
    })
    // The late mail is shown where it came, the merged ones by their time.
    const incoming = all[0]!.messages.filter(one => one.type === 'incoming').map(one => one.content)
    expect(incoming.slice(0, 2)).toEqual(['How do I get a refund?', 'How do I reset my password?'])
    expect(incoming).toContain('Thanks!')
    const { state, messages } = await read(siteId, all[0]!.conversation.id)
    expect(messages.map(one => one.position)).toEqual([0, 1, 2, 3, 4])
    expect(state.length).toBe(5)
    expect(Math.max(...messages.map(one => one.seq))).toBeLessThanOrEqual(state.seq)
    // Nothing was sent for the merge.
    expect(await inboxOf(from)).toHaveLength(2)
    // The loser's id leads to the winner for ever, by object and by API.
    const loser = before.map(one => one.conversation.id).find(one => one !== all[0]!.conversation.id)!
    expect((await read(siteId, loser)).state.id).toBe(all[0]!.conversation.id)
    const shown = await exports.default.fetch(`http://edgedesk.test/api/v1/conversations/${loser}`, {
      headers,
      redirect: 'manual',
    })
    expect(shown.status).toBe(308)
    expect(shown.headers.get('location')).toBe(`/api/v1/conversations/${all[0]!.conversation.id}`)
    // And who asks where a mail of the loser's is, is told so.
    const moved = loser === before[0]!.conversation.id ? before[0]! : before[1]!
    const asked = moved.messages[0]!.content.includes('refund') ? a! : b!
    const trace = await exports.default.fetch(
      `http://edgedesk.test/api/v1/emails/trace?messageId=${encodeURIComponent(asked)}`,
      { headers },
    )
    const { items } = (await trace.json()) as { items: { state: string; sentence: string }[] }
    expect(items).toMatchObject([{ state: 'answered' }])
    expect(items[0]!.sentence).toContain('merged')
    // Mail to what was the loser's goes to the winner.
    await arrives(address, [
      letter(id('next'), loser === before[0]!.conversation.id ? a! : b!, 'One more thing'),
    ])
    await sync(config)
    await until(async () => {
      const now = await conversationsOf(headers)
      return now.length === 1 && now[0]!.messages.some(one => one.content === 'One more thing')
    })
  })

  it('what both were about to answer is answered once, for both', async () => {
    const { headers, config, address } = await connected({ delayMs: 1500 })
    const from = customer()
    const [x, y] = [id('x'), id('y')]
    const letter = (references: string, text: string) =>
      mail({ from, to: address, messageId: id('m'), headers: [`References: ${references}`], text })
    await arrives(address, [letter(x, 'How do I get a refund?'), letter(y, 'How do I reset my password?')])
    await sync(config)
    await arrives(address, [letter(`${x} ${y}`, 'Please answer both.')])
    await sync(config)
    await settledWith(headers, 1)
    await new Promise(resolve => setTimeout(resolve, 3_000))
    const all = await conversationsOf(headers)
    expect(all).toHaveLength(1)
    expect(all[0]!.messages.filter(one => one.delivery?.status === 'sent')).toHaveLength(1)
    expect(await inboxOf(from)).toHaveLength(1)
  })

  it('by a machine’s mail, the answer still waits its delay, and a question that a person did not answer is answered', async () => {
    const { headers, config, address } = await connected({ delayMs: 4000 })
    const from = customer()
    const [x, y] = [id('x'), id('y')]
    const letter = (references: string, text: string, more: string[] = []) =>
      mail({ from, to: address, messageId: id('m'), headers: [`References: ${references}`, ...more], text })
    await arrives(address, [letter(x, 'How do I reset my password?'), letter(y, 'Something else entirely.')])
    await sync(config)
    const two = await conversationsOf(headers)
    const other = two.find(one => one.messages[0]!.content.includes('else'))!.conversation.id
    const said = await exports.default.fetch('http://edgedesk.test/api/v1/messages/outgoing', {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ conversation: other, content: 'I look after that.' }),
    })
    expect(said.status).toBe(200)
    await arrives(address, [letter(`${x} ${y}`, 'I am away.', ['Auto-Submitted: auto-replied'])])
    await sync(config)
    const texts = async () => (await inboxOf(from)).map(one => one.text)
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect(await texts()).toHaveLength(1)
    await until(async () => (await texts()).some(text => text.includes('Forgot password')), 15_000)
    expect(await texts()).toHaveLength(2)
  })

  it('R1 a reset cuts off what cites the same mail that nobody saw', async () => {
    const { headers, config, address } = await connected({ mode: 'off', resetCommand: '/new' })
    const from = customer()
    const [x, one] = [id('x'), id('one')]
    const send = async (text: string, cites: string, messageId = id('m')) => {
      await arrives(address, [
        mail({ from, to: address, messageId, headers: [`References: ${cites}`], text }),
      ])
      await sync(config)
    }
    await send('one', x, one)
    await send('/new', one)
    await send('three', x)
    const all = (await conversationsOf(headers)).map(it => it.messages.map(m => m.content)).toSorted()
    expect(all).toEqual([['/new', 'three'], ['one']])
  })

  it('two mailboxes that read one thread at the same moment make one conversation of it', async () => {
    const { siteId, headers } = await site()
    const [a, b] = [await inbox(siteId), await inbox(siteId)]
    await Promise.all([sync(a), sync(b)])
    const from = customer()
    for (let round = 0; round < 4; round++) {
      const [q, f] = [id('q'), id('f')]
      await Promise.all([
        arrives(a.address, [mail({ from, to: a.address, messageId: q, text: `question ${round}` })]),
        arrives(b.address, [
          mail({
            from,
            to: b.address,
            messageId: f,
            headers: [`In-Reply-To: ${q}`],
            text: `follow-up ${round}`,
          }),
        ]),
      ])
      await Promise.all([sync(a), sync(b)])
    }
    const all = await until(async () => {
      const now = await conversationsOf(headers)
      return now.length === 4 ? now : null
    })
    for (const one of all) expect(one.messages).toHaveLength(2)
  })

  it('a person’s conversation wins, and what comes in from the other is left to the person', async () => {
    const { headers, config, address } = await connected({ mode: 'draft' })
    const from = customer()
    const [x, y] = [id('x'), id('y')]
    const letter = (references: string, text: string) =>
      mail({ from, to: address, messageId: id('m'), headers: [`References: ${references}`], text })
    await arrives(address, [letter(x, 'How do I get a refund?')], Date.now() - 60_000)
    await arrives(address, [letter(y, 'How do I reset my password?')])
    await sync(config)
    const two = await until(async () => {
      const now = await conversationsOf(headers)
      return now.length === 2 && now.every(one => one.messages.some(m => m.delivery?.status === 'draft'))
        ? now
        : null
    })
    const taken = two.find(one => one.messages.some(m => m.content.includes('password')))!.conversation.id
    const answer = await exports.default.fetch(`http://edgedesk.test/api/v1/conversations/${taken}`, {
      method: 'PATCH',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ owner: 'person' }),
    })
    expect(answer.status).toBe(200)
    await arrives(address, [letter(`${x} ${y}`, 'Both, please.')])
    await sync(config)
    const one = await until(async () => {
      const now = await conversationsOf(headers)
      return now.length === 1 ? now : null
    })
    expect(one[0]!.conversation).toMatchObject({ id: taken, owner: 'person' })
    expect(one[0]!.messages.filter(m => m.type === 'incoming')).toHaveLength(3)
  })

  const conv = (siteId: string, id: string) => env.CONVERSATION.getByName(`${siteId}/${id}`)

  it('TH5 in a chain, where the next is on its way itself, what was owed is answered once, at the end of it', async () => {
    const { siteId, headers, config, address } = await connected({ delayMs: 2000, pollMs: 3_600_000 })
    const off = { ...config, settings: { ...config.settings, mode: 'off' as const } }
    const from = customer()
    await arrives(address, [mail({ from, to: address, text: 'c' }), mail({ from, to: address, text: 'b' })])
    await sync(off)
    await arrives(address, [mail({ from, to: address, text: 'How do I get a refund?' })])
    await sync(config)
    const all = await conversationsOf(headers)
    const [a, b, c] = ['refund', 'b', 'c'].map(
      text => all.find(one => one.messages[0]!.content.includes(text))!.conversation.id,
    ) as [string, string, string]
    const effects = (what: string, ...bindings: string[]) =>
      runInDurableObject(conv(siteId, b), (_, { storage }) => storage.sql.exec(what, ...bindings).toArray())
    const effect = JSON.stringify({ kind: 'send', id: 'send:x', messageId: 'x' })
    await effects(`INSERT INTO effects VALUES ('send:x', ?, 4000000000000, NULL, 0)`, effect)
    await conv(siteId, b).mergeInto(c)
    await conv(siteId, a).mergeInto(b)
    await new Promise(resolve => setTimeout(resolve, 500))
    await effects(`DELETE FROM effects WHERE id = 'send:x'`)
    await until(async () => (await inboxOf(from)).length === 1, 20_000)
    const whole = await read(siteId, a)
    expect(whole.state).toMatchObject({ id: c, length: 4 })
    expect(whole.messages.map(one => one.content).slice(0, 3)).toEqual(['c', 'b', 'How do I get a refund?'])
    expect(whole.messages[3]!.details.answers).toEqual([whole.messages[2]!.id])
  }, 40_000)

  it('I3 TH5 the answer that one owed makes the draft stale that is made for both', async () => {
    const { siteId, headers, config, address } = await connected({ pollMs: 3_600_000 })
    const drafts = { ...config, settings: { ...config.settings, mode: 'draft' as const } }
    const slow = { ...config, settings: { ...config.settings, delayMs: 2500 } }
    const from = customer()
    await arrives(address, [mail({ from, to: address, text: 'How do I reset my password?' })])
    await sync(drafts)
    const [winner] = await until(async () => {
      const all = await conversationsOf(headers)
      return all[0]?.messages.some(m => m.delivery?.status === 'draft') ? all : null
    })
    await arrives(address, [mail({ from, to: address, text: 'How do I get a refund?' })])
    await sync(slow)
    const { id: winnerId } = winner!.conversation
    const loser = (await conversationsOf(headers)).find(one => one.conversation.id !== winnerId)!
    await conv(siteId, loser.conversation.id).mergeInto(winnerId)
    await until(async () => (await inboxOf(from)).length === 1, 20_000)
    const { messages } = await read(siteId, winnerId)
    const draft = messages.find(one => one.delivery?.status === 'draft')!
    const by = { kind: 'person' as const, id: 'pat', name: 'Pat' }
    expect(await conv(siteId, winnerId).approveDraft(draft.id, by, false)).toMatchObject({
      problem: { code: 'draft_stale' },
    })
  }, 40_000)

  it('CL8 a merge that could not be told is told by the clock', async () => {
    const { siteId, headers, config, address } = await connected()
    const from = customer()
    const letter = (references: string, text: string) =>
      mail({ from, to: address, messageId: id('m'), headers: [`References: ${references}`], text })
    await arrives(address, [
      letter(id('x'), 'How do I get a refund?'),
      letter(id('y'), 'How do I reset my password?'),
    ])
    await sync(config)
    const two = await settledWith(headers, 2)
    const { mergeConversations } = await import('../../src/store/merges.ts')
    const ids = two.map(one => one.conversation.id)
    await mergeConversations(env.DB, siteId, ids, Date.now() - 120_000)
    const { tick } = await import('../../src/clock.ts')
    await tick('* * * * *', Date.now(), env)
    const one = await until(async () => {
      const now = await conversationsOf(headers)
      return now.length === 1 && now[0]!.messages.length === 4 ? now : null
    })
    expect(ids.toSorted()[0]).toBe(one[0]!.conversation.id)
  })
})

describe('TH4 mails that come before the mail they answer', () => {
  it('TH4 a reply that came first is joined by its parent', async () => {
    const { headers, config, address } = await connected({ mode: 'off' })
    const from = customer()
    const parent = id('parent')
    const reply = mail({
      from,
      to: address,
      messageId: id('reply'),
      headers: [`In-Reply-To: ${parent}`],
      text: 'second',
    })
    const first = mail({ from, to: address, messageId: parent, text: 'first' })
    await arrives(address, [reply])
    await sync(config)
    await arrives(address, [first])
    await sync(config)
    const all = await conversationsOf(headers)
    expect(all).toHaveLength(1)
    expect(all[0]!.messages).toHaveLength(2)
  })

  it('D7 a stranger’s mail that cites ids, before and after, stays apart and is linked', async () => {
    const { headers, config, address } = await connected({ mode: 'off' })
    const [alice, mallory] = [customer(), customer()]
    const parent = id('parent')
    const cites = [`References: ${parent}`]
    await arrives(address, [mail({ from: mallory, to: address, headers: cites, text: 'before' })])
    await sync(config)
    await arrives(address, [mail({ from: alice, to: address, messageId: parent, text: 'mine' })])
    await sync(config)
    await arrives(address, [mail({ from: mallory, to: address, headers: cites, text: 'after' })])
    await sync(config)
    const all = await conversationsOf(headers)
    const mine = all.find(one => one.messages.some(m => m.content === 'mine'))!
    expect(mine.messages).toHaveLength(1)
    const after = all.find(one => one.messages.some(m => m.content === 'after'))!
    expect(after.messages.map(m => m.content)).toEqual(['before', 'after'])
  })

  it('D15 Outlook’s Thread-Index alone is enough where its writer takes part', async () => {
    const { headers, config, address } = await connected({ mode: 'off' })
    const [alice, mallory] = [customer(), customer()]
    // MS-OXOMSG: 22 bytes, and five for each reply.
    const root = crypto.getRandomValues(new Uint8Array(22))
    const index = (bytes: Uint8Array) => `Thread-Index: ${btoa(String.fromCharCode(...bytes))}`
    const reply = (n: number) => index(new Uint8Array([...root, n, 2, 3, 4, 5]))
    await arrives(address, [mail({ from: alice, to: address, headers: [index(root)], text: 'first' })])
    await sync(config)
    await arrives(address, [
      mail({ from: alice, to: address, headers: [reply(1)], text: 'second' }),
      mail({ from: mallory, to: address, headers: [reply(2)], text: 'stranger' }),
    ])
    await sync(config)
    const all = (await conversationsOf(headers)).map(one => one.messages.map(m => m.content)).toSorted()
    expect(all).toEqual([['first', 'second'], ['stranger']])
  })

  it('D8 D11 a number in the subject joins nobody, and the same writer and subject without ids are two', async () => {
    const { headers, config, address } = await connected({ mode: 'off' })
    const [alice, bob] = [customer(), customer()]
    const letter = (from: string, text: string) =>
      mail({ from, to: address, subject: 'Re: [Ticket #4711] Order', messageId: null, text })
    await arrives(address, [letter(alice, 'one'), letter(bob, 'two'), letter(alice, 'three')])
    await sync(config)
    expect(await conversationsOf(headers)).toHaveLength(3)
  })

  it('D13 customers who write to each other, with us in copy, are left alone; asked, we answer', async () => {
    const { headers, config, address } = await connected()
    const [alice, bob] = [customer(), customer()]
    const cc = [`Cc: ${address}`]
    await arrives(address, [mail({ from: alice, to: bob, headers: cc, text: 'Bob, how do I get a refund?' })])
    await sync(config)
    const [quiet] = await conversationsOf(headers)
    expect(quiet!.messages[0]!.reply).toMatchObject({ do: 'silent', why: 'copied' })
    await arrives(address, [mail({ from: alice, to: `${address}, ${bob}`, text: 'How do I get a refund?' })])
    await sync(config)
    await settledWith(headers, 1)
    expect(await inboxOf(bob)).toHaveLength(0)
  })

  it('B12 written to another address and delivered here, it is for this inbox', async () => {
    const { headers, config, address } = await connected()
    const alice = customer()
    await arrives(address, [
      mail({ from: alice, to: 'undisclosed-recipients:;', headers: [`Delivered-To: ${address}`] }),
    ])
    await sync(config)
    const [answered] = await settledWith(headers, 1)
    expect(answered!.messages).toHaveLength(2)
    expect((await inboxOf(alice))[0]!.from[0]!.address).toBe(address)
  })
})
