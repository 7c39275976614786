/** What people of ours write from other mail programs, as the mailbox shows it: in the Sent folder, or back in INBOX. */
import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { imap } from '../../src/mail/imap.ts'
import { Records } from '../../src/mailbox/records.ts'
import { assistant, inbox, site, testMail } from './cast.ts'
import { arrives, changed, conversationsOf, inboxOf, mail, mailbox, read, sync, until } from './mail.ts'

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

const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
const first = <T>(found: T[]) => (found.length > 0 ? found : null)

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

  it('B10 she answered the first mail before the contact wrote again, and all is seen at once: the second is answered, alone', async () => {
    const { siteId, headers, config, address } = await connected({ delayMs: 2500, pollMs: 3_600_000 })
    const [from, asked] = [customer(), newMid()]
    await arrives(address, [mail({ from, to: address, messageId: asked })])
    await sync(config)
    await intoSent(address, letter({ from: address, to: from, answers: asked }))
    // The server's clock has seconds.
    await wait(1500)
    const text = 'Thanks! And how do I reset my password?'
    await arrives(address, [mail({ from, to: address, headers: [`In-Reply-To: ${asked}`], text })])
    await sync(config)
    const [answer] = await until(async () => first(await inboxOf(from)), 15_000)
    expect(answer!.text).toContain('Forgot password')
    expect(answer!.text).not.toContain('money back')
    const [one] = await conversationsOf(headers)
    const { messages } = await read(siteId, one!.conversation.id)
    const [m1, m2] = messages.filter(it => it.direction === 'incoming')
    const ours = messages.filter(it => it.direction === 'outgoing')
    expect(ours.map(it => it.details.answers)).toEqual([[m1!.id], [m2!.id]])
  }, 40_000)

  it('HI1 an old mail of ours that an import brings into the thread answers nothing of now', async () => {
    const { siteId, headers } = await site()
    const config = await inbox(siteId, { assistantId: await assistant(siteId), settings: { delayMs: 3000 } })
    const { address } = config
    const [from, old] = [customer(), newMid()]
    await intoSent(address, letter({ from: address, to: from, messageId: old, text: 'A year ago' }))
    await sync(config)
    await sync(config)
    await arrives(address, [mail({ from, to: address, headers: [`In-Reply-To: ${old}`] })])
    await sync(config)
    expect(await mailbox(config).importHistory({ days: 3, limit: 10, folder: 'Sent' })).toMatchObject({
      state: 'running',
    })
    await until(async () => (await conversationsOf(headers))[0]?.messages.length === 2)
    await until(async () => (await inboxOf(from)).length === 1, 15_000)
    const [one] = await conversationsOf(headers)
    const { messages } = await read(siteId, one!.conversation.id)
    const asked = messages.find(it => it.direction === 'incoming')!
    const answers = messages.filter(it => it.direction === 'outgoing').map(it => it.details.answers)
    expect(answers).toEqual([[], [asked.id]])
  }, 40_000)

  it('B7 a mail with the Message-ID of one that was answered, and another text, is answered too', async () => {
    const { headers, config, address } = await connected()
    const [from, asked] = [customer(), newMid()]
    await arrives(address, [mail({ from, to: address, messageId: asked })])
    await sync(config)
    const [answer] = await until(async () => first(await inboxOf(from)))
    const again = { from, to: address, messageId: asked, text: 'And how do I reset my password?' }
    await arrives(address, [mail({ ...again, headers: [`In-Reply-To: ${answer!.messageId}`] })])
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 2, 15_000)
    expect(await conversationsOf(headers)).toHaveLength(1)
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

describe('SF4 the look at the sent mail before an answer leaves', () => {
  /** While this runs the bridge keeps whoever asks for the folder of sent mail waiting, until it is let go. */
  async function withSentHeld(what: (letGo: () => void) => Promise<void>) {
    const { fetch } = globalThis
    const held = Promise.withResolvers<void>()
    globalThis.fetch = (async (...given: Parameters<typeof fetch>) => {
      const body = typeof given[1]?.body === 'string' ? given[1].body : ''
      if (String(given[0]).startsWith(env.BRIDGE_URL) && body.includes('"folder":"Sent"')) await held.promise
      return fetch(...given)
    }) as typeof fetch
    try {
      await what(held.resolve)
    } finally {
      held.resolve()
      globalThis.fetch = fetch
    }
  }

  const asked = async (config: Awaited<ReturnType<typeof connected>>['config'], ...writers: string[]) => {
    await arrives(
      config.address,
      writers.map(from => mail({ from, to: config.address })),
    )
    await sync(config)
  }

  it('B10 is one with the look that is under way: what that brings is known before the answer leaves', async () => {
    const { headers, config, address } = await connected({ delayMs: 2500, pollMs: 3_600_000 })
    const [from, mid] = [customer(), newMid()]
    await arrives(address, [mail({ from, to: address, messageId: mid })])
    await sync(config)
    await intoSent(address, letter({ from: address, to: from, answers: mid }))
    await withSentHeld(async letGo => {
      await wait(2000)
      await mailbox(config).tick(changed(config))
      await wait(1500)
      expect(await inboxOf(from)).toEqual([])
      letGo()
      await until(async () => (await conversationsOf(headers))[0]?.messages.some(m => m.type === 'outgoing'))
    })
    await wait(2000)
    const [one] = await conversationsOf(headers)
    expect(one!.messages.filter(m => m.delivery?.status === 'sent')).toMatchObject([{ by: { name: 'Pat' } }])
    expect(await inboxOf(from)).toEqual([])
  }, 40_000)

  it('keeps nobody’s own mail waiting, and an answer for ten seconds at most', async () => {
    const { headers, config } = await connected({ delayMs: 1000, pollMs: 3_600_000 })
    const [waits, written] = [customer(), customer()]
    await asked(config, waits, written)
    await withSentHeld(async () => {
      const queued = async () => {
        const all = (await conversationsOf(headers)).flatMap(one => one.messages)
        return all.filter(m => m.delivery?.status === 'queued').length === 2
      }
      await until(queued)
      const began = Date.now()
      const two = await conversationsOf(headers)
      const conversation = two.find(one => one.conversation.contact.address === written)!.conversation.id
      const said = await exports.default.fetch('http://edgedesk.test/api/v1/messages/outgoing', {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ conversation, content: 'I look after that.' }),
      })
      expect(said.status).toBe(200)
      await until(async () => (await inboxOf(written)).length === 1)
      expect(Date.now() - began).toBeLessThan(6000)
      expect(await inboxOf(waits)).toEqual([])
      await until(async () => (await inboxOf(waits)).length === 1, 20_000)
      expect(Date.now() - began).toBeGreaterThan(7000)
    })
    expect((await inboxOf(written)).map(one => one.text.includes('look after'))).toEqual([true])
  }, 60_000)

  it('AN1 is over before the mailbox is switched to another account', async () => {
    const { config } = await connected({ delayMs: 500, pollMs: 3_600_000 })
    await asked(config, customer())
    const user = () =>
      runInDurableObject(
        mailbox(config),
        (_, state) => new Records(state.storage.sql).config()!.settings.imap!.user,
      )
    const { imap: server } = config.settings
    const next = { ...config.settings, imap: { ...server!, user: `next-${config.address}` } }
    await withSentHeld(async letGo => {
      await wait(2000)
      await mailbox(config).tick(changed(config, { settings: next }))
      expect(await user()).toBe(config.address)
      letGo()
      await until(async () => (await user()) === next.imap.user)
    })
  }, 40_000)
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
