import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { db } from '../../src/store/db.ts'
import { inboxAddresses, inboxes } from '../../src/store/schema.ts'
import worker from '../../src/worker.ts'
import { assistant, inbox, site } from './cast.ts'
import { arrives, conversationsOf, inboxOf, mail, mailbox, read, sync, until } from './mail.ts'

/** Hands a mail to the Worker as Email Routing does. */
async function routed(to: string, text: string): Promise<{ rejected: string | null }> {
  const bytes = Uint8Array.from(text, character => character.charCodeAt(0))
  let rejected: string | null = null
  const message = {
    from: 'carol@customer.test',
    to,
    raw: new Response(bytes).body!,
    rawSize: bytes.length,
    headers: new Headers(),
    setReject: (reason: string) => {
      rejected = reason
    },
    forward: async () => {
      throw new Error('nothing is forwarded')
    },
    reply: async () => {
      throw new Error('answers go out through the outbox')
    },
  } as unknown as ForwardableEmailMessage
  await worker.email(message, env)
  return { rejected }
}

async function routedInbox(about: Parameters<typeof inbox>[1] = {}) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId), ...about })
  await db(env.DB)
    .insert(inboxAddresses)
    .values({ siteId, address: config.address, inboxId: config.inboxId })
    .onConflictDoNothing()
  return { siteId, headers, config }
}

describe('mail by Email Routing', () => {
  it('EM1 a mail that is handed over is stored, read and answered like any other', async () => {
    const { headers, config } = await routedInbox({ settings: { imap: null } })
    const carol = `carol.${Date.now()}@customer.test`
    expect(await routed(config.address.toUpperCase(), mail({ to: config.address, from: carol }))).toEqual({
      rejected: null,
    })
    const answer = await until(async () => (await inboxOf(carol).catch(() => []))[0], 15_000)
    expect(answer.text).toContain('30 days')
    const [one] = await conversationsOf(headers)
    expect(one!.messages.map(message => message.type)).toEqual(['incoming', 'outgoing'])
    const original = await env.MAIL.list({ prefix: `raw/${config.siteId}/${config.inboxId}/routed-` })
    expect(original.objects).toHaveLength(1)
    await until(async () => (await mailbox(config).status())?.state === 'connected')
  })

  it('EM2 the same mail seen both ways is one mail and gets one answer', async () => {
    const { headers, config } = await routedInbox()
    await sync(config)
    const carol = `carol.${Date.now()}@customer.test`
    const text = mail({ to: config.address, from: carol })
    await routed(config.address, text)
    await routed(config.address, text)
    await arrives(config.address, [`Received: from mx.example\r\n${text}`])
    await sync(config)
    await until(async () => (await inboxOf(carol).catch(() => []))[0], 15_000)
    await sync(config)
    const all = await conversationsOf(headers)
    expect(all).toHaveLength(1)
    expect(all[0]!.messages.map(message => message.type)).toEqual(['incoming', 'outgoing'])
    expect(await inboxOf(carol)).toHaveLength(1)
  })

  it('EM3 an address that is nobody’s is refused while the sender still holds the mail; a plus tag is not', async () => {
    const { headers, config } = await routedInbox({ settings: { imap: null } })
    expect((await routed('nobody@demo.test', mail({ to: 'nobody@demo.test' }))).rejected).toMatch(/^5\.1\.1/)
    expect(
      (await routed(config.address.replace('@', '+vip@'), mail({ to: config.address }))).rejected,
    ).toBeNull()
    await until(async () => (await conversationsOf(headers)).length === 1)
  })

  it('EM6 an address that another site names as its alias stays with whose own it is', async () => {
    const mine = await routedInbox({ settings: { imap: null } })
    const thief = await routedInbox({ settings: { imap: null } })
    await db(env.DB)
      .insert(inboxAddresses)
      .values({ siteId: thief.siteId, address: mine.config.address, inboxId: thief.config.inboxId })
    const tagged = mine.config.address.replace('@', '+vip@')
    await db(env.DB)
      .insert(inboxAddresses)
      .values({ siteId: thief.siteId, address: tagged, inboxId: thief.config.inboxId })
    await routed(mine.config.address, mail({ to: mine.config.address, text: 'confidential' }))
    await routed(tagged, mail({ to: tagged, text: 'confidential too' }))
    await until(async () => (await conversationsOf(mine.headers)).length === 2)
    expect(await conversationsOf(thief.headers)).toEqual([])
  })

  it('EM4 a paused inbox takes its mail and lets it rest; what rested longer than a day becomes a draft', async () => {
    const { siteId, headers, config } = await routedInbox({ settings: { imap: null, draftAfterMs: 200 } })
    await db(env.DB).update(inboxes).set({ paused: true }).where(eq(inboxes.id, config.inboxId))
    await routed(config.address, mail({ to: config.address }))
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(await conversationsOf(headers)).toHaveLength(0)
    await db(env.DB).update(inboxes).set({ paused: false }).where(eq(inboxes.id, config.inboxId))
    await mailbox(config).tick({ ...config, version: config.version + 1 })
    const all = await until(async () => {
      const found = await conversationsOf(headers)
      return found.length === 1 && found
    })
    expect((await read(siteId, all[0]!.conversation.id)).messages[0]!.details.reply).toEqual({
      do: 'draft',
      why: 'waited_long',
    })
  })

  it('EM5 of a mail above 10 MB the text is read, and the whole is in its original', async () => {
    const { headers, config } = await routedInbox({ settings: { imap: null } })
    const big = 'QUJD'.repeat(19).concat('\r\n').repeat(150_000)
    const text = mail({
      to: config.address,
      headers: ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b'],
      text: `--b\r\n\r\nHow do I get a refund?\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=big.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n${big}\r\n--b--`,
    })
    expect(text.length).toBeGreaterThan(10 * 1024 * 1024)
    await routed(config.address, text)
    const [one] = await until(async () => {
      const found = await conversationsOf(headers)
      return found.length === 1 && found
    })
    expect(one!.messages[0]).toMatchObject({ content: 'How do I get a refund?', flags: ['too_large'] })
    const [kept] = (await env.MAIL.list({ prefix: `raw/${config.siteId}/${config.inboxId}/routed-` })).objects
    expect(kept!.size).toBe(text.length)
  })
})

describe('mail out through the send_email binding', () => {
  /** What the binding is documented to do; the platform gives the mail a Message-ID of its own. */
  const binding = (said: (mail: EmailMessageBuilder) => EmailSendResult) => {
    const sent: EmailMessageBuilder[] = []
    return {
      sent,
      async send(mail: EmailMessageBuilder) {
        if (!mail.from || !mail.subject || !(mail.text || mail.html))
          throw Object.assign(new Error('x'), { code: 'E_FIELD_MISSING' })
        for (const name of Object.keys(mail.headers ?? {}))
          if (['date', 'message-id', 'content-type'].includes(name.toLowerCase()))
            throw Object.assign(new Error('x'), { code: 'E_HEADER_NOT_ALLOWED' })
        const result = said(mail)
        sent.push(mail)
        return result
      },
    }
  }
  const bound = async (email: ReturnType<typeof binding>, work: () => Promise<void>) => {
    Object.assign(env, { EMAIL: email })
    try {
      await work()
    } finally {
      Reflect.deleteProperty(env, 'EMAIL')
    }
  }

  it('B8 the Message-ID that the platform gave is stored, and an answer to it joins', async () => {
    const { siteId, headers, config } = await routedInbox({ settings: { imap: null, smtp: null } })
    const carol = `carol.${Date.now()}@customer.test`
    const email = binding(() => ({ messageId: `platform-${Date.now()}@cf.example` }))
    await bound(email, async () => {
      await routed(config.address, mail({ to: config.address, from: carol }))
      const [one] = await until(async () => {
        const found = await conversationsOf(headers)
        return found[0]?.messages.some(message => message.delivery?.status === 'sent') && found
      })
      const { messages } = await read(siteId, one!.conversation.id)
      const rfcId = messages[1]!.details.mail!.rfcId!
      expect(rfcId).toMatch(/^<platform-\d+@cf\.example>$/)
      expect(email.sent).toHaveLength(1)
      expect(email.sent[0]).toMatchObject({
        to: carol,
        headers: { 'Auto-Submitted': 'auto-replied', 'In-Reply-To': messages[0]!.details.mail!.rfcId },
      })
      const thanks = mail({
        to: config.address,
        from: carol,
        headers: [`In-Reply-To: ${rfcId}`],
        text: 'Thanks.',
      })
      await routed(config.address, thanks)
      await until(async () => (await read(siteId, one!.conversation.id)).messages.length === 3)
      expect(await conversationsOf(headers)).toHaveLength(1)
    })
  })
})
