import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { newText } from '../../src/domain/quote.ts'
import { readEmail } from '../../src/mail/email.ts'
import { outKey } from '../../src/mailbox/keys.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { inboxes } from '../../src/store/schema.ts'
import { assistant, conversation, inbox, received, site, testMail } from './cast.ts'
import { arrives, changed, inboxOf, mail, mailbox, read, sync, until } from './mail.ts'

/** UTF-8, one character a byte, as `mail()` wants it. */
const bytes = (text: string) => String.fromCharCode(...new TextEncoder().encode(text))

/** An inbox with these settings, its customer, and a way to let the customer write. */
async function shop(settings: Record<string, unknown> = {}) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId), settings })
  const customer = `carol.${newId().slice(-8)}@customer.test`
  const writes = async (
    text: string,
    about: { answers?: string | null; from?: string; subject?: string; replyTo?: string } = {},
  ) => {
    const [one] = await received(config, [
      mail({
        to: config.address,
        from: about.from ?? `Carol <${customer}>`,
        text: bytes(text),
        ...(about.subject ? { subject: about.subject } : {}),
        headers: [
          'Content-Type: text/plain; charset=utf-8',
          ...(about.replyTo ? [`Reply-To: ${about.replyTo}`] : []),
          ...(about.answers ? [`In-Reply-To: ${about.answers}`, `References: ${about.answers}`] : []),
        ],
      }),
    ])
    const { messages } = await read(siteId, one!.conversationId)
    return { ...one!, message: messages.find(message => message.id === one!.messageId)! }
  }
  /** The mail that was made for the first message from us in a conversation that fits. */
  const answered = async (conversationId: string, n = 0) => {
    const message = await until(async () => {
      const ours = (await read(siteId, conversationId)).messages.filter(one => one.direction === 'outgoing')
      return ours[n]
    })
    const raw = await until(() => env.MAIL.get(outKey(siteId, config.inboxId, message.id)))
    return { message, email: await readEmail(new Uint8Array(await raw.arrayBuffer())) }
  }
  return { siteId, headers, config, customer, writes, answered }
}

const never = {
  answer: 'inside' as const,
  windows: [{ days: [1], from: '00:00', to: '00:01' }],
  text: null as string | null,
}
/** Closed whenever the test runs, but for one minute of the week. */
const closed = (text: string | null) =>
  new Date().getUTCDay() === 1
    ? { ...never, windows: [{ days: [4], from: '00:00', to: '00:01' }], text }
    : { ...never, text }

describe('when an inbox answers', () => {
  it('RH1 outside its hours it says its text once and asks no assistant', async () => {
    const { siteId, writes, answered } = await shop({ hours: closed('We open on Monday at nine.') })
    const first = await writes('How do I get a refund?')
    expect(first.message.details.reply).toEqual({ do: 'say', why: 'closed' })
    const { message, email } = await answered(first.conversationId)
    expect(message.content).toBe('We open on Monday at nine.')
    expect(email.text.trim()).toBe('We open on Monday at nine.')
    expect(email.headers.find(one => one.name === 'auto-submitted')?.value).toBe('auto-replied')
    const again = await writes('Hello?', { answers: first.message.details.mail!.rfcId })
    expect(again.conversationId).toBe(first.conversationId)
    expect(again.message.details.reply).toEqual({ do: 'silent', why: 'closed' })
    expect(
      (await read(siteId, first.conversationId)).messages.filter(one => one.direction === 'outgoing'),
    ).toHaveLength(1)
  })

  it('RH1 outside its hours without a text it is silent; “only outside” is the other way round', async () => {
    const silent = await shop({ hours: closed(null) })
    expect((await silent.writes('How do I get a refund?')).message.details.reply).toEqual({
      do: 'silent',
      why: 'closed',
    })
    const outside = await shop({ hours: { ...closed(null), answer: 'outside' } })
    expect((await outside.writes('How do I get a refund?')).message.details.reply).toEqual({
      do: 'answer',
      why: 'answered',
    })
  })

  it('PN1 whom the lists do not let a machine answer is stored and not answered', async () => {
    const { writes } = await shop({ block: ['spam.test'], allow: ['customer.test', 'spam.test'] })
    expect((await writes('How do I get a refund?', { from: 'x@spam.test' })).message.details.reply?.why).toBe(
      'not_permitted',
    )
    expect(
      (await writes('How do I get a refund?', { from: 'x@other.test' })).message.details.reply?.why,
    ).toBe('not_permitted')
    expect((await writes('How do I get a refund?')).message.details.reply?.why).toBe('answered')
  })

  it('I18 an answer waits its delay, and what the contact writes meanwhile is answered with it, once', async () => {
    const { siteId, writes, answered } = await shop({ delayMs: 1500 })
    const at = Date.now()
    const first = await writes('How do I get a refund?')
    const second = await writes('Never mind the refund: how do I reset my password?', {
      answers: first.message.details.mail!.rfcId,
    })
    expect((await read(siteId, first.conversationId)).messages).toHaveLength(2)
    const { message } = await answered(first.conversationId)
    expect(message.createdAt - at).toBeGreaterThanOrEqual(1500)
    expect(message.content).toContain('Forgot password')
    expect(second.conversationId).toBe(first.conversationId)
    await new Promise(resolve => setTimeout(resolve, 500))
    expect(
      (await read(siteId, first.conversationId)).messages.filter(one => one.direction === 'outgoing'),
    ).toHaveLength(1)
  })
})

describe('what is decided again', () => {
  it.each([
    ['off', { mode: 'off' }, 'silent', 'mode_off'],
    ['blocked', { block: ['customer.test'] }, 'silent', 'not_permitted'],
    ['closed', { hours: closed(null) }, 'silent', 'closed'],
    ['draft', { mode: 'draft' }, 'draft', null],
  ] as const)('RE5 while an answer waits the inbox becomes %s', async (_, change, what, why) => {
    const { siteId, config, writes } = await shop({ delayMs: 1000 })
    const first = await writes('How do I get a refund?')
    const settings = JSON.stringify({ ...config.settings, ...change })
    await db(env.DB).update(inboxes).set({ settings }).where(eq(inboxes.id, config.inboxId))
    const { messages } = await until(async () => {
      const now = await read(siteId, first.conversationId)
      return (now.messages.length > 1 || now.messages[0]!.details.reply?.do === 'silent') && now
    })
    if (what === 'draft') expect(messages[1]!.delivery?.status).toBe('draft')
    else expect(messages).toMatchObject([{ details: { reply: { do: what, why } } }])
  })

  it('PN1 a Reply-To is no way round the lists, nor to what labels keep', async () => {
    const { writes } = await shop({ block: ['evil.test'] })
    const asked = await writes('How do I get a refund?', { replyTo: 'spam@evil.test' })
    expect(asked.message.details.reply?.why).toBe('not_permitted')
  })

  it('WL1 an answer that waited out a pause of more than a day is kept for a person', async () => {
    const { siteId, config, writes } = await shop({
      draftAfterMs: 700,
      smtp: { host: 'localhost', port: 9, tls: false, user: '' },
    })
    const first = await writes('How do I get a refund?')
    await until(async () =>
      (await read(siteId, first.conversationId)).messages.find(one => one.delivery?.status === 'retry'),
    )
    await new Promise(resolve => setTimeout(resolve, 800))
    const smtp = {
      ...config.settings.smtp!,
      host: testMail.host,
      port: testMail.smtp.submissionPort,
      tls: true,
      user: config.address,
    }
    await mailbox(config).tick(changed(config, { settings: { ...config.settings, smtp } }))
    await runInDurableObject(mailbox(config), (object, state) => {
      state.storage.sql.exec("UPDATE outbox SET due_at = 0 WHERE phase = 'retry'")
      return object.alarm()
    })
    const held = await until(async () =>
      (await read(siteId, first.conversationId)).messages.find(one => one.delivery?.status === 'held'),
    )
    expect(held.delivery?.problem?.code).toBe('waited_long')
  })

  it('PA1 a pause stops what has not begun to leave', async () => {
    const { siteId, config, writes } = await shop({ delayMs: 300 })
    const first = await writes('How do I get a refund?')
    await mailbox(config).tick(changed(config, { paused: true }))
    await until(async () => (await read(siteId, first.conversationId)).messages.length === 2)
    await new Promise(resolve => setTimeout(resolve, 300))
    expect((await read(siteId, first.conversationId)).messages[1]!.delivery?.status).toBe('queued')
    await mailbox(config).tick(changed(config))
    await until(
      async () => (await read(siteId, first.conversationId)).messages[1]!.delivery?.status === 'sent',
    )
  })
})

describe('how an answer looks', () => {
  it('AI1 an automatic answer says that a machine wrote it, in its own language; a text of one’s own takes its place; it may be off', async () => {
    const english = await shop()
    expect(
      (await english.answered((await english.writes('How do I get a refund?')).conversationId)).email.text,
    ).toContain('written by an AI assistant')
    const chinese = await shop()
    expect(
      (await chinese.answered((await chinese.writes('請問如何退款？')).conversationId)).email.text,
    ).toContain('此回覆由 AI 助理撰寫')
    const own = await shop({ aiLine: { on: true, text: 'Ada is a robot.' } })
    const { email } = await own.answered((await own.writes('How do I get a refund?')).conversationId)
    expect(email.text).toContain('Ada is a robot.')
    expect(email.html).toContain('Ada is a robot.')
    const off = await shop({ aiLine: { on: false, text: null } })
    expect(
      (await off.answered((await off.writes('How do I get a refund?')).conversationId)).email.text,
    ).not.toContain('AI assistant')
  })

  it('AI2 signature and quoted original are there where the inbox wants them, and our own trimming takes them off again', async () => {
    const { writes, answered } = await shop({ signature: 'Demo shop\nTaipei', quoteOriginal: true })
    const first = await writes('How do I get a refund?\n\nIt is <b>urgent</b>.')
    const { email } = await answered(first.conversationId)
    expect(email.text.trimEnd()).toMatch(
      /\n-- \nDemo shop\nTaipei\n\nOn [^\n]*, Carol wrote:\n> How do I get a refund\?\n>\n> It is <b>urgent<\/b>\.$/,
    )
    expect(email.html).toContain('It is &lt;b&gt;urgent&lt;/b&gt;.')
    expect(newText(email.text).content).not.toMatch(/Carol wrote|Demo shop/)
  })

  it('AI3 the assistant is told the contact’s name only where the inbox says so', async () => {
    const told = await shop()
    expect(
      (await told.answered((await told.writes('How do I get a refund?')).conversationId)).email.text,
    ).toContain('Hello Carol,')
    const untold = await shop({ senderNames: false })
    expect(
      (await untold.answered((await untold.writes('How do I get a refund?')).conversationId)).email.text,
    ).toMatch(/^Hello,/)
  })

  it('B9 an answer with all of this that comes back to us is known again', async () => {
    const { siteId, config, writes, answered } = await shop({ signature: 'Demo shop', quoteOriginal: true })
    const first = await writes('How do I get a refund?')
    const { message } = await answered(first.conversationId)
    const raw = await env.MAIL.get(outKey(siteId, config.inboxId, message.id))
    const bytes = new Uint8Array(await raw!.arrayBuffer())
    const [back] = await received(config, [`Received: from relay\r\n${String.fromCharCode(...bytes)}`])
    expect(back).toMatchObject({ conversationId: first.conversationId, messageId: message.id })
  })
})

describe('the reset command', () => {
  it('I15 starts a new conversation, says so, and later mail of that thread from that contact goes there', async () => {
    const { siteId, writes, answered } = await shop({ resetCommand: '/reset' })
    const first = await writes('How do I get a refund?')
    const { message: old } = await answered(first.conversationId)
    const oldId = old.details.mail!.rfcId
    const reset = await writes(
      '／RESET\n\nOn Mon, Nov 16, 2026 at 9:00 AM Support <support@demo.test> wrote:\n> Hello Carol',
      {
        answers: oldId,
        subject: 'Re: A question',
      },
    )
    expect(reset.conversationId).not.toBe(first.conversationId)
    expect(reset.message.details.reply).toEqual({ do: 'say', why: 'started_anew' })
    expect((await answered(reset.conversationId)).message.content).toContain('We have started over')
    // Still a reply to the old answer: it belongs behind the cut.
    const later = await writes('How do I reset my password?', { answers: oldId })
    expect(later.conversationId).toBe(reset.conversationId)
    expect((await answered(reset.conversationId, 1)).message.content).toContain('Forgot password')
    expect((await read(siteId, first.conversationId)).messages).toHaveLength(2)
    // A second reset cuts again, wherever the mail hangs.
    const again = await writes('/reset', { answers: oldId })
    expect(again.conversationId).not.toBe(reset.conversationId)
    const last = await writes('Hello again', { answers: oldId })
    expect(last.conversationId).toBe(again.conversationId)
    expect((await writes('And here?', { answers: reset.message.details.mail!.rfcId })).conversationId).toBe(
      again.conversationId,
    )
  })

  it('I15 only for who wrote it: a colleague in copy stays where they were', async () => {
    const { config, siteId, writes } = await shop({ resetCommand: '/reset' })
    const colleague = `dave.${newId().slice(-8)}@customer.test`
    const [one] = await received(config, [
      mail({ to: config.address, from: 'carol@customer.test', headers: [`Cc: ${colleague}`] }),
    ])
    const id = (await read(siteId, one!.conversationId)).messages[0]!.details.mail!.rfcId
    const reset = await writes('/reset', { answers: id, from: 'carol@customer.test' })
    expect(reset.conversationId).not.toBe(one!.conversationId)
    expect((await writes('I am still here', { answers: id, from: colleague })).conversationId).toBe(
      one!.conversationId,
    )
  })

  it('I15 a machine’s mail, or the command as part of a sentence, resets nothing', async () => {
    const { writes, answered } = await shop({ resetCommand: '/reset' })
    const first = await writes('How do I get a refund?')
    const { message } = await answered(first.conversationId)
    const id = message.details.mail!.rfcId
    expect((await writes('Please /reset my password', { answers: id })).conversationId).toBe(
      first.conversationId,
    )
  })
})

describe('an inbox that changes', () => {
  it('AN1 another account begins with its own newest mail, and answers nothing that lies there', async () => {
    const { siteId } = await site()
    const assistantId = await assistant(siteId)
    const config = await inbox(siteId, { assistantId })
    const other = await inbox((await site()).siteId, {})
    await sync(config)
    await arrives(other.address, [mail({ to: other.address, text: 'Old: how do I get a refund?' })])
    const imap = { ...config.settings.imap!, user: other.address }
    const moved = { ...config, settings: { ...config.settings, imap } }
    await sync(moved)
    expect((await mailbox(config).status())!.mails).toBe(0)
    await arrives(other.address, [
      mail({ to: config.address, from: 'erin@customer.test', text: 'New: how do I get a refund?' }),
    ])
    await sync(moved)
    expect((await mailbox(config).status())!.mails).toBe(1)
    expect(await until(async () => (await inboxOf('erin@customer.test').catch(() => []))[0])).toBeTruthy()
  })

  it('AN2 a disconnected mailbox forgets its account and cursors; what was waiting to leave is withdrawn', async () => {
    const { siteId, config, writes } = await shop({
      smtp: { host: 'localhost', port: 9, tls: false, user: '' },
    })
    const first = await writes('How do I get a refund?')
    await until(async () =>
      (await read(siteId, first.conversationId)).messages.find(one => one.delivery?.status === 'retry'),
    )
    await mailbox(config).forget()
    expect(await mailbox(config).status()).toBeNull()
    expect((await read(siteId, first.conversationId)).messages[1]!.delivery).toMatchObject({
      status: 'withdrawn',
    })
    // Knocked at again by a clock that has not heard of it, it does not come back.
    await mailbox(config).news()
    await mailbox(config).tick({ ...config, version: config.version + 1 })
    expect(await mailbox(config).status()).toBeNull()
    // An answer that is still owed to it fails with a reason.
    await conversation(siteId, first.conversationId).write(
      {
        siteId,
        id: first.conversationId,
        inboxId: config.inboxId,
        contact: { id: newId(), name: '', address: '' },
        title: '',
        linkedTo: null,
        createdAt: 0,
      },
      {
        by: { kind: 'person', id: newId(), name: 'Pat' },
        message: {
          id: newId(),
          sender: { kind: 'person', id: newId(), name: 'Pat' },
          content: 'x',
          createdAt: Date.now(),
          details: { ...first.message.details, to: 'carol@customer.test' },
        },
      },
    )
    const last = await until(async () =>
      (await read(siteId, first.conversationId)).messages.find(one => one.delivery?.status === 'failed'),
    )
    expect(last.delivery!.problem!.message).toContain('disconnected')
  })
})
