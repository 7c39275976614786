/** What people of ours write from other mail programs, as the mailbox shows it: in the Sent folder, or back in INBOX. */
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { imap } from '../../src/mail/imap.ts'
import { assistant, inbox, site, testMail } from './cast.ts'
import { arrives, conversationsOf, inboxOf, mail, read, sync, until } from './mail.ts'

async function connected(settings: Record<string, unknown> = {}) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId), settings })
  // The second sync finds the Sent folder with a cursor of its own.
  await sync(config)
  await sync(config)
  return { siteId, headers, config, address: config.address }
}

let count = 0
const customer = () => `el${++count}.${Date.now()}@customer.test`
const newMid = () => `<el${++count}.${Date.now()}@customer.test>`

const intoSent = (address: string, raw: string) =>
  imap(env).append({
    account: {
      ...{ host: testMail.host, port: testMail.imap.port, security: 'starttls' },
      ...{ user: address, password: testMail.password },
    },
    ...{ folder: 'Sent', raw: btoa(raw), flags: ['\\Seen'] },
  })

const letter = (about: {
  from: string
  to: string
  answers?: string
  text?: string
  messageId?: string
  headers?: string[]
}) =>
  mail({
    from: `Pat <${about.from}>`,
    to: about.to,
    text: about.text ?? 'I answer from my phone.',
    messageId: about.messageId ?? newMid(),
    headers: [...(about.answers ? [`In-Reply-To: ${about.answers}`] : []), ...(about.headers ?? [])],
  })

describe('B10 a person answers from another program', () => {
  it('seen in the Sent folder before the answer’s delay is over: the machine stays quiet', async () => {
    const { siteId, headers, config, address } = await connected({ delayMs: 2500 })
    const [from, asked] = [customer(), newMid()]
    await arrives(address, [mail({ from, to: address, messageId: asked })])
    await sync(config)
    await intoSent(address, letter({ from: address, to: from, answers: asked }))
    await sync(config)
    await new Promise(resolve => setTimeout(resolve, 3500))
    const [one] = await conversationsOf(headers)
    expect(one!.messages).toMatchObject([
      { type: 'incoming' },
      {
        type: 'outgoing',
        content: 'I answer from my phone.',
        delivery: { status: 'sent' },
        by: { kind: 'person', name: 'Pat' },
      },
    ])
    expect(await inboxOf(from)).toEqual([])
    // The customer's next mail is answered by the machine again.
    const { messages } = await read(siteId, one!.conversation.id)
    await arrives(address, [
      mail({
        from,
        to: address,
        headers: [`In-Reply-To: ${messages[1]!.details.mail!.rfcId}`],
        text: 'And how do I reset my password?',
      }),
    ])
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 1, 15_000)
    expect(await conversationsOf(headers)).toHaveLength(1)
  })

  it('I4 a draft that nobody worked on is withdrawn, and says why', async () => {
    const { headers, config, address } = await connected({ mode: 'draft' })
    const [from, asked] = [customer(), newMid()]
    await arrives(address, [mail({ from, to: address, messageId: asked })])
    await sync(config)
    await until(async () =>
      (await conversationsOf(headers))[0]!.messages.some(m => m.delivery?.status === 'draft'),
    )
    await intoSent(address, letter({ from: address, to: from, answers: asked }))
    await sync(config)
    const [one] = await conversationsOf(headers)
    expect(one!.messages[1]!.delivery).toMatchObject({
      status: 'discarded',
      problem: { code: 'answered_elsewhere' },
    })
  })

  it('D19 a mail they began themselves opens a conversation with its recipient, and the answer to it joins', async () => {
    const { headers, config, address } = await connected()
    const [to, begun] = [customer(), newMid()]
    await intoSent(address, letter({ from: address, to, messageId: begun, text: 'Your parcel is here.' }))
    await sync(config)
    await arrives(address, [mail({ from: to, to: address, headers: [`In-Reply-To: ${begun}`] })])
    await sync(config)
    const all = await until(async () => {
      const now = await conversationsOf(headers)
      return now[0]?.messages.some(m => m.delivery?.status === 'sent' && m.citations.length > 0) ? now : null
    })
    expect(all).toHaveLength(1)
    expect(all[0]!.conversation.contact.address).toBe(to)
    expect(all[0]!.messages.map(m => m.type)).toEqual(['outgoing', 'incoming', 'outgoing'])
  })

  it('seen in INBOX, as a copy to themselves, it is the same', async () => {
    const { headers, config, address } = await connected({ delayMs: 2500 })
    const [from, asked] = [customer(), newMid()]
    await arrives(address, [mail({ from, to: address, messageId: asked })])
    await sync(config)
    await arrives(address, [letter({ from: address, to: from, answers: asked })])
    await sync(config)
    await new Promise(resolve => setTimeout(resolve, 3500))
    const [one] = await conversationsOf(headers)
    expect(one!.messages.map(m => m.type)).toEqual(['incoming', 'outgoing'])
    expect(await inboxOf(from)).toEqual([])
  })

  it('both, Sent folder and copy, it is one message', async () => {
    const { headers, config, address } = await connected({ mode: 'off' })
    const [from, asked] = [customer(), newMid()]
    await arrives(address, [mail({ from, to: address, messageId: asked })])
    await sync(config)
    const raw = letter({ from: address, to: from, answers: asked })
    await intoSent(address, raw)
    await arrives(address, [raw])
    await sync(config)
    const [one] = await conversationsOf(headers)
    expect(one!.messages).toHaveLength(2)
  })

  it('N2 a copy in INBOX that the receiving host denies is a stranger’s, and stops nothing', async () => {
    const { headers, config, address } = await connected({ authenticationHost: 'mx.us.test', delayMs: 1500 })
    const [from, asked] = [customer(), newMid()]
    const [, domain] = from.split('@')
    const proved = `Authentication-Results: mx.us.test; dmarc=pass header.from=${domain}`
    await arrives(address, [mail({ from, to: address, messageId: asked, headers: [proved] })])
    await sync(config)
    const denied = `Authentication-Results: mx.us.test; dmarc=fail header.from=${address.split('@')[1]}`
    await arrives(address, [letter({ from: address, to: from, answers: asked, headers: [denied] })])
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 1)
    const all = await conversationsOf(headers)
    expect(all.flatMap(one => one.messages).filter(m => m.type === 'outgoing')).toHaveLength(1)
  })

  it('N2 a mail that merely says it is from us, and knows no thread of ours, speaks for nobody', async () => {
    const { headers, config, address } = await connected()
    await arrives(address, [
      letter({ from: address, to: customer(), text: 'Please pay into another account.' }),
    ])
    await sync(config)
    const [one] = await conversationsOf(headers)
    expect(one!.messages).toMatchObject([
      { type: 'incoming', verdict: { class: 'own' }, reply: { do: 'silent' } },
    ])
  })

  it('answered a moment before the delay is over, with no poll in between: it is looked for before the answer leaves', async () => {
    const { headers, config, address } = await connected({ delayMs: 3000, pollMs: 3_600_000 })
    const [from, asked] = [customer(), newMid()]
    await arrives(address, [mail({ from, to: address, messageId: asked })])
    await sync(config)
    await new Promise(resolve => setTimeout(resolve, 1200))
    await intoSent(address, letter({ from: address, to: from, answers: asked }))
    await new Promise(resolve => setTimeout(resolve, 5000))
    const [one] = await conversationsOf(headers)
    expect(one!.messages.filter(m => m.delivery?.status === 'sent')).toMatchObject([{ by: { name: 'Pat' } }])
    expect(await inboxOf(from)).toEqual([])
  })

  it('the answer is seen before the question: it is not answered again', async () => {
    const { headers, config, address } = await connected()
    const [from, asked] = [customer(), newMid()]
    await intoSent(address, letter({ from: address, to: from, answers: asked }))
    await sync(config)
    await arrives(address, [mail({ from, to: address, messageId: asked })])
    await sync(config)
    const [one] = await conversationsOf(headers)
    expect(one!.messages.map(m => m.reply?.why ?? null)).toEqual([null, 'answered_already'])
    expect(await inboxOf(from)).toEqual([])
  })

  it('B9 our own answers in the Sent folder are known, and stay one', async () => {
    const { headers, config, address } = await connected()
    const from = customer()
    await arrives(address, [mail({ from, to: address })])
    await sync(config)
    const [answer] = await until(async () => {
      const all = await inboxOf(from)
      return all.length > 0 ? all : null
    })
    await intoSent(address, answer!.raw)
    await sync(config)
    const [one] = await conversationsOf(headers)
    expect(one!.messages).toHaveLength(2)
  })
})

describe('N2 who wrote is what the receiving host can prove', () => {
  const host = { authenticationHost: 'mx.us.test' }
  const results = (what: string) => `Authentication-Results: mx.us.test; ${what}`

  it('N2 C26 denied: flagged, no answer leaves by itself, no history is told, and it joins nothing', async () => {
    const { headers, config, address } = await connected(host)
    const [from, first] = [customer(), newMid()]
    const proved = results('dmarc=pass header.from=customer.test')
    await arrives(address, [mail({ from, to: address, messageId: first, headers: [proved] })])
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 1)
    const forged = [results('dmarc=fail header.from=customer.test'), `In-Reply-To: ${first}`]
    await arrives(address, [mail({ from, to: address, headers: forged, text: 'What is my account number?' })])
    await sync(config)
    const all = await until(async () => {
      const now = await conversationsOf(headers)
      return now.length === 2 && now.some(one => one.messages.some(m => m.delivery?.status === 'draft'))
        ? now
        : null
    })
    const flagged = all.find(one => one.messages[0]!.content.includes('account number'))!
    expect(flagged.messages[0]).toMatchObject({
      authentication: 'fail',
      verdict: { class: 'person', maySend: false },
    })
    expect(flagged.messages[0]!.verdict!.reasons).toContain('sender_forged')
    expect(flagged.conversation.linkedTo).toBe(all.find(one => one !== flagged)!.conversation.id)
    expect(await inboxOf(from)).toHaveLength(1)
  })

  it('N2 nothing joins what a denied sender wrote, and a person’s answer does not go where they wanted it', async () => {
    const { headers, config, address } = await connected({ ...host, mode: 'off' })
    const [from, x] = [customer(), newMid()]
    const cites = `References: ${x}`
    await arrives(address, [
      mail({
        from,
        to: address,
        headers: [results('dmarc=fail header.from=customer.test'), cites],
        text: 'forged',
      }),
    ])
    await sync(config)
    const proved = results('dmarc=pass header.from=customer.test')
    await arrives(address, [mail({ from, to: address, headers: [proved, cites], text: 'genuine' })])
    await sync(config)
    expect(await conversationsOf(headers)).toHaveLength(2)
  })

  it('E17 a name with a comma and no quotes is one writer, and nobody is taken for somebody else', async () => {
    const { headers, config, address } = await connected()
    const [anna, bert] = [customer(), customer()]
    await arrives(address, [
      mail({ from: `Mueller, Anna <${anna}>`, to: address }),
      mail({ from: `Schmidt, Bert <${bert}>`, to: address }),
    ])
    await sync(config)
    await until(async () => (await inboxOf(anna)).length === 1 && (await inboxOf(bert)).length === 1)
    const all = await conversationsOf(headers)
    expect(all.map(one => one.conversation.contact.address).toSorted()).toEqual([anna, bert].toSorted())
  })

  it('C26 checked and not proved: a draft, until an answer to our own mail proves the address', async () => {
    const { headers, config, address } = await connected(host)
    const from = customer()
    await arrives(address, [
      mail({ from, to: address, headers: [results('dmarc=none; spf=none; dkim=none')] }),
    ])
    await sync(config)
    const [one] = await until(async () => {
      const now = await conversationsOf(headers)
      return now[0]?.messages.some(m => m.delivery?.status === 'draft') ? now : null
    })
    expect(one!.messages[0]!.verdict!.reasons).toContain('sender_unproved')
    const draft = one!.messages[1]!
    const { exports } = await import('cloudflare:workers')
    await exports.default.fetch(`http://edgedesk.test/api/v1/drafts/${draft.id}/approve`, {
      method: 'POST',
      headers,
    })
    const [answer] = await until(async () => {
      const all = await inboxOf(from)
      return all.length > 0 ? all : null
    })
    await arrives(address, [
      mail({
        from,
        to: address,
        text: 'And how do I reset my password?',
        headers: [results('dmarc=none; spf=none; dkim=none'), `In-Reply-To: ${answer!.messageId}`],
      }),
    ])
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 2)
  })

  it('a header that the sender brought along is nobody’s word', async () => {
    const { headers, config, address } = await connected()
    const from = customer()
    await arrives(address, [
      mail({ from, to: address, headers: [results('dmarc=fail header.from=customer.test')] }),
    ])
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 1)
    const [one] = await conversationsOf(headers)
    expect(one!.messages[0]).toMatchObject({ authentication: null })
  })
})
