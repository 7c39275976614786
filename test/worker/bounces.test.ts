/** Mails that come back: tied to what we sent, hard and soft told apart, and what follows from it. */
import { exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { assistant, inbox, site } from './cast.ts'
import { arrives, conversationsOf, inboxOf, mail, read, sync, until } from './mail.ts'

async function connected() {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId) })
  await sync(config)
  return { siteId, headers, config, address: config.address }
}

let count = 0
const customer = () => `bo${++count}.${Date.now()}@customer.test`

interface Report {
  to: string
  original: string
  recipient: string
  action?: string
  status?: string
  /** Only the headers of the original come back. */
  headersOnly?: boolean
}

/** A delivery report as Postfix writes it (RFC 3464). */
function report({
  to,
  original,
  recipient,
  action = 'failed',
  status = '5.1.1',
  headersOnly = false,
}: Report): string {
  const part = headersOnly ? 'text/rfc822-headers' : 'message/rfc822'
  return [
    'Return-Path: <>',
    'From: Mail Delivery System <MAILER-DAEMON@mx.customer.test>',
    `To: ${to}`,
    'Subject: Undelivered Mail Returned to Sender',
    'Auto-Submitted: auto-replied',
    `Message-ID: <dsn.${++count}.${Date.now()}@mx.customer.test>`,
    `Date: ${new Date().toUTCString()}`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'This is the mail system. Your message could not be delivered.',
    '',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.customer.test',
    '',
    `Final-Recipient: rfc822; ${recipient}`,
    `Action: ${action}`,
    `Status: ${status}`,
    `Diagnostic-Code: smtp; 550 ${status} User unknown`,
    '',
    '--b',
    `Content-Type: ${part}`,
    '',
    original.split('\r\n\r\n', 1)[0],
    ...(headersOnly ? [] : ['', 'the text']),
    '',
    '--b--',
    '',
  ].join('\r\n')
}

/** A customer whose question was answered, and the answer as it came to them. */
async function answeredCustomer() {
  const here = await connected()
  const from = customer()
  await arrives(here.address, [mail({ from, to: here.address })])
  await sync(here.config)
  const [answer] = await until(async () => {
    const all = await inboxOf(from)
    return all.length > 0 ? all : null
  })
  return { ...here, from, original: answer!.raw }
}

const deliveryIn = (headers: Record<string, string>) =>
  until(async () => {
    const [one] = await conversationsOf(headers)
    const answer = one!.messages.find(m => m.type === 'outgoing')
    return answer && ['bounced', 'delayed'].includes(answer.delivery!.status) ? { one: one!, answer } : null
  })

describe('BO1 a report is tied to the mail it is about', () => {
  it.each([
    ['C10 with the whole mail in it', false],
    ['C11 with its headers only', true],
  ])(
    '%s: the answer has bounced, the report stands in its conversation, nobody answers it',
    async (_, headersOnly) => {
      const { headers, config, address, from, original } = await answeredCustomer()
      await arrives(address, [report({ to: address, original, recipient: from, headersOnly })])
      await sync(config)
      const { one, answer } = await deliveryIn(headers)
      expect(answer.delivery).toMatchObject({ status: 'bounced', problem: { code: 'bounced' } })
      const last = one.messages.at(-1) as (typeof one.messages)[number] & { about: string }
      expect(last).toMatchObject({ verdict: { class: 'bounce' }, reply: { do: 'silent' }, about: answer.id })
      expect(await conversationsOf(headers)).toHaveLength(1)
      expect(await inboxOf(from)).toHaveLength(1)
    },
  )

  it('C12 a delay is a delay, and the mail that follows is answered', async () => {
    const { headers, config, address, from, original } = await answeredCustomer()
    await arrives(address, [
      report({ to: address, original, recipient: from, action: 'delayed', status: '4.4.1' }),
    ])
    await sync(config)
    const { answer } = await deliveryIn(headers)
    expect(answer.delivery).toMatchObject({ status: 'delayed', problem: { code: 'delayed' } })
  })

  it('C14 C25 a report changes nothing else: not the epoch, not who answers, no note of it is sent to anybody', async () => {
    const { siteId, headers, config, address, from, original } = await answeredCustomer()
    const [before] = await conversationsOf(headers)
    const { epoch, owner } = (await read(siteId, before!.conversation.id)).state
    await arrives(address, [report({ to: address, original, recipient: from })])
    await sync(config)
    await deliveryIn(headers)
    expect((await read(siteId, before!.conversation.id)).state).toMatchObject({ epoch, owner })
    expect(await inboxOf(from)).toHaveLength(1)
  })

  it('BO2 a report of a mail that we never sent is a conversation of its own', async () => {
    const { headers, config, address } = await connected()
    const original = mail({ from: address, to: 'x@customer.test', messageId: '<never@elsewhere.test>' })
    await arrives(address, [report({ to: address, original, recipient: 'x@customer.test' })])
    await sync(config)
    const [one] = await conversationsOf(headers)
    expect(one!.messages).toMatchObject([{ verdict: { class: 'bounce' }, reply: { do: 'silent' } }])
  })
})

describe('H16 an address that bounced for good', () => {
  const follow = async (status: string) => {
    const here = await answeredCustomer()
    const { headers, config, address, from, original } = here
    await arrives(address, [report({ to: address, original, recipient: from, status })])
    await sync(config)
    await deliveryIn(headers)
    // The same person asks from another address, and wants the answer at the one that bounced.
    const other = customer()
    await arrives(address, [mail({ from: other, to: address, headers: [`Reply-To: ${from}`] })])
    await sync(config)
    const asked = await until(async () => {
      const all = (await conversationsOf(headers)).find(one => one.conversation.contact.address === other)
      const answer = all?.messages.find(m => m.type === 'outgoing')
      return answer && answer.delivery?.status !== 'queued' ? answer : null
    })
    return { ...here, other, asked }
  }

  it('H16 no machine writes there any more: the answer is held, and a person may send it', async () => {
    const { headers, asked, from } = await follow('5.1.1')
    expect(asked.delivery).toMatchObject({ status: 'held', problem: { code: 'address_bounced' } })
    expect(await inboxOf(from)).toHaveLength(1)
    const answer = await exports.default.fetch(`http://edgedesk.test/api/v1/messages/${asked.id}/delivery`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ action: 'send_again' }),
    })
    expect(answer.status).toBe(200)
    await until(async () => (await inboxOf(from)).length === 2)
  })

  it('H16 a full mailbox is no dead one', async () => {
    const { asked } = await follow('4.2.2')
    expect(asked.delivery?.status).not.toBe('held')
  })

  it('H16 hearing from it again clears it', async () => {
    const { config, address, from, headers } = await follow('5.1.1')
    await arrives(address, [mail({ from, to: address, text: 'How do I get a refund, please?' })])
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 2)
    const mine = (await conversationsOf(headers)).filter(one => one.conversation.contact.address === from)
    expect(mine.flatMap(one => one.messages).some(m => m.delivery?.status === 'sent')).toBe(true)
  })
})
