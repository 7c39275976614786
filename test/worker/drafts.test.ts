import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { writeEmail } from '../../src/conversation/write.ts'
import { draftsWaiting } from '../../src/store/conversations.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { assistant, inbox, received, site } from './cast.ts'
import { arrives, conversationsOf, inboxOf, type ListedMessage, mail, read, sync, until } from './mail.ts'
import { member } from './staff.ts'

type Headers = Record<string, string>

async function call(method: string, path: string, headers: Headers, body?: unknown) {
  const answer = await exports.default.fetch(`http://edgedesk.test/api/v1${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return {
    status: answer.status,
    body: (await answer.json()) as never as ListedMessage & { error: { code: string } },
  }
}

/** A mailbox that drafts, with one mail of a customer in it and the draft that answers it. */
async function drafted(settings: Record<string, unknown> = {}, text?: string) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, {
    assistantId: await assistant(siteId),
    settings: { mode: 'draft', ...settings },
  })
  const customer = `carol.${newId().slice(-8)}@customer.test`
  const [one] = await received(config, [
    mail({ to: config.address, from: `Carol <${customer}>`, ...(text ? { text } : {}) }),
  ])
  const draft = await draftIn(siteId, one!.conversationId)
  return { siteId, headers, config, customer, conversationId: one!.conversationId, draft }
}

async function draftIn(siteId: string, conversationId: string, after = 0) {
  return until(async () =>
    (await read(siteId, conversationId)).messages.find(
      one => one.delivery?.status === 'draft' && one.position > after,
    ),
  )
}

describe('drafts', () => {
  it('N6 DR1 who sees some inboxes is listed the drafts in them, those of chats too, and reads no others for it', async () => {
    const { siteId, headers } = await site()
    const assistantId = await assistant(siteId)
    const chats = await Promise.all(
      ['Mine', 'Other'].map(async name => {
        const chat = await call('POST', '/web-chats', headers, { name, assistantId, mode: 'draft' })
        const begun = await call('POST', '/conversations', headers, { webChat: chat.body.id })
        const conversation = begun.body.id
        await call('POST', '/messages', headers, { conversation, content: 'How do I get a refund?' })
        return { inbox: chat.body.id, conversation, draft: await draftIn(siteId, conversation) }
      }),
    )
    const config = await inbox(siteId, { assistantId, settings: { mode: 'draft' } })
    const [mailed] = await received(config, [mail({ to: config.address })])
    const mailDraft = await draftIn(siteId, mailed!.conversationId)
    const listed = async (inboxes: string[]) => {
      const agent = await member(siteId, 'agent', inboxes)
      const { body } = await call('GET', '/drafts/', agent.headers)
      const ids = (body as unknown as { items: { id: string }[] }).items.map(one => one.id)
      // What is listed can be opened.
      for (const id of ids) expect((await call('GET', `/messages/${id}`, agent.headers)).status).toBe(200)
      return ids
    }
    const [mine, other] = chats
    // Its copy in D1 may land a moment after the object has it.
    await until(async () => (await listed([mine!.inbox])).length > 0)
    expect(await listed([mine!.inbox])).toEqual([mine!.draft.id])
    expect(await listed([other!.inbox])).toEqual([other!.draft.id])
    expect(await listed([mine!.inbox, config.inboxId])).toEqual([mailDraft.id, mine!.draft.id])

    for (let n = 0; n < 30; n++)
      await call('POST', '/messages/outgoing', headers, { conversation: mine!.conversation, content: `${n}` })
    const read: number[] = []
    const counted = {
      prepare: (query: string) => ({
        bind: (...values: unknown[]) => ({
          raw: async () => {
            const answer = await env.DB.prepare(query)
              .bind(...values)
              .all()
            read.push(answer.meta.rows_read)
            return answer.results.map(row => Object.values(row))
          },
        }),
      }),
    } as unknown as D1Database
    for (const inboxes of [null, [mine!.inbox, config.inboxId]])
      await draftsWaiting(db(counted), siteId, inboxes, null, 11)
    // Each of the three drafts by its index, with its conversation, and the two inboxes for each.
    expect(Math.max(...read)).toBeLessThanOrEqual(3 * 5)
  })

  it('DR1 a draft is listed, read, changed and approved; the mail that leaves says what the person made of it', async () => {
    const { siteId, headers, draft, customer, config, conversationId } = await drafted({
      signature: 'Demo shop\nTaipei',
    })
    const listed = await call('GET', '/drafts/', headers)
    expect(listed.body).toMatchObject({
      items: [{ id: draft.id, delivery: { status: 'draft' }, by: null }],
      next: null,
    })
    const changed = await call('PATCH', `/drafts/${draft.id}`, headers, {
      content: 'Dear Carol, see ![a chart](cid:chart@x)',
      attachments: [
        { filename: 'chart.png', contentType: 'image/png', content: btoa('\x89PNG'), contentId: 'chart@x' },
        { filename: '帳單.pdf', contentType: 'application/pdf', content: btoa('%PDF') },
      ],
    })
    expect(changed.status).toBe(200)
    expect(changed.body).toMatchObject({
      edited: true,
      content: expect.stringContaining('Dear Carol'),
      attachments: [{ inline: true }, { filename: '帳單.pdf' }],
    })
    const approved = await call('POST', `/drafts/${draft.id}/approve`, headers)
    expect(approved).toMatchObject({ status: 200, body: { by: { kind: 'person', name: 'test' } } })
    const came = await until(async () => (await inboxOf(customer).catch(() => []))[0], 20_000)
    expect(came.from[0]!.address).toBe(config.address)
    expect(came.text).toContain('Dear Carol, see [a chart]')
    expect(came.text).toContain('\n-- \nDemo shop\nTaipei')
    expect(came.html).toContain('<img src="cid:chart@x" alt="a chart">')
    expect(came.attachments.map(one => [one.filename, one.disposition, one.contentId])).toEqual([
      ['chart.png', 'inline', 'chart@x'],
      ['帳單.pdf', 'attachment', null],
    ])
    // A person sent it, so it is no automatic mail and no machine wrote it.
    expect(came.raw).not.toMatch(/auto-submitted/i)
    expect(came.text).not.toContain('AI assistant')
    await until(async () =>
      (await read(siteId, conversationId)).messages.some(one => one.delivery?.status === 'sent'),
    )
    expect((await call('GET', '/drafts/', headers)).body).toMatchObject({ items: [] })
  })

  it('H6 of ten who approve at the same moment one does, and one mail leaves', async () => {
    const { headers, draft, customer, siteId, conversationId } = await drafted()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call('POST', `/drafts/${draft.id}/approve`, headers)),
    )
    expect(answers.filter(one => one.status === 200)).toHaveLength(1)
    expect(answers.filter(one => one.body.error?.code === 'draft_answered')).toHaveLength(9)
    await until(
      async () => (await read(siteId, conversationId)).messages.find(one => one.delivery?.status === 'sent'),
      20_000,
    )
    expect(await inboxOf(customer)).toHaveLength(1)
    for (const [method, path] of [
      ['PATCH', `/drafts/${draft.id}`],
      ['DELETE', `/drafts/${draft.id}`],
    ])
      expect(
        (await call(method!, path!, headers, method === 'PATCH' ? { content: 'x' } : undefined)).body.error
          .code,
      ).toBe('draft_answered')
  })

  it('I3 a draft that the contact has overtaken is approved only by who has read on', async () => {
    const { headers, draft, customer, config, siteId, conversationId } = await drafted()
    const first = (await read(siteId, conversationId)).messages[0]!
    // Worked on, so a newer draft does not take its place.
    await call('PATCH', `/drafts/${draft.id}`, headers, { content: 'Mine.' })
    await received(config, [
      mail({
        to: config.address,
        from: customer,
        headers: [`In-Reply-To: ${first.details.mail!.rfcId}`],
        text: 'And how long does it take?',
      }),
    ])
    expect((await call('POST', `/drafts/${draft.id}/approve`, headers)).body.error.code).toBe('draft_stale')
    expect((await call('POST', `/drafts/${draft.id}/approve`, headers, { reread: true })).status).toBe(200)
  })

  it('C22 one approved as it is is the person’s mail: no mark of a machine, no line that says so, and the person beside it', async () => {
    const { headers, draft, customer, siteId, conversationId } = await drafted()
    expect((await call('POST', `/drafts/${draft.id}/approve`, headers)).status).toBe(200)
    const came = await until(async () => (await inboxOf(customer).catch(() => []))[0], 20_000)
    expect(came.text).toContain(draft.content)
    expect(came.raw).not.toMatch(/^(?:auto-submitted|x-auto-response-suppress|precedence):/im)
    expect(came.text).not.toContain('AI assistant')
    const sent = (await read(siteId, conversationId)).messages.find(one => one.id === draft.id)!
    expect(sent.details).toMatchObject({ by: { kind: 'person', name: 'test' } })
    expect(sent.details.edited).toBeUndefined()
  })

  it('I5 one that a person changed stays as it is when the contact writes again; the new text stands beside it', async () => {
    const { headers, draft, customer, config, siteId, conversationId } = await drafted()
    await call('PATCH', `/drafts/${draft.id}`, headers, { content: 'Dear Carol, I look into it myself.' })
    const [first] = (await read(siteId, conversationId)).messages
    await received(config, [
      mail({
        to: config.address,
        from: customer,
        headers: [`In-Reply-To: ${first!.details.mail!.rfcId}`],
        text: 'And how do I reset my password?',
      }),
    ])
    const beside = await draftIn(siteId, conversationId, 1)
    expect(beside.content).toContain('Forgot password')
    const kept = (await read(siteId, conversationId)).messages.find(one => one.id === draft.id)!
    expect(kept).toMatchObject({
      content: 'Dear Carol, I look into it myself.',
      delivery: { status: 'draft' },
      details: { edited: true, stale: true },
    })
    const { items } = (await call('GET', '/drafts/', headers)).body as never as { items: ListedMessage[] }
    expect(items.map(one => one.id).toSorted()).toEqual([draft.id, beside.id].toSorted())
    // The new one sent, what the person wrote is theirs to discard.
    expect((await call('POST', `/drafts/${beside.id}/approve`, headers)).status).toBe(200)
    expect((await read(siteId, conversationId)).messages.find(one => one.id === draft.id)).toMatchObject({
      content: 'Dear Carol, I look into it myself.',
      delivery: { status: 'draft' },
    })
  })

  it('DR2 a discarded draft stays in its conversation, marked, and never leaves', async () => {
    const { headers, draft, siteId, conversationId } = await drafted()
    expect((await call('DELETE', `/drafts/${draft.id}`, headers)).body).toMatchObject({
      delivery: { status: 'discarded' },
    })
    expect((await call('POST', `/drafts/${draft.id}/approve`, headers)).body.error.code).toBe(
      'draft_answered',
    )
    expect(
      (await read(siteId, conversationId)).messages.filter(one => one.direction === 'outgoing'),
    ).toHaveLength(1)
  })

  it('DR3 what is no draft, or another site’s, is not there; what is wrong is refused by name', async () => {
    const { headers, draft, siteId, conversationId } = await drafted()
    const stranger = await site()
    expect((await call('POST', `/drafts/${draft.id}/approve`, stranger.headers)).status).toBe(404)
    const incoming = (await read(siteId, conversationId)).messages[0]!
    expect((await call('POST', `/drafts/${incoming.id}/approve`, headers)).status).toBe(404)
    expect((await call('POST', `/drafts/${newId()}/approve`, headers)).status).toBe(404)
    expect((await call('PATCH', `/drafts/${draft.id}`, headers, {})).body.error).toMatchObject({
      code: 'missing_field',
      field: 'content',
    })
    expect(
      (await call('PATCH', `/drafts/${draft.id}`, headers, { content: 'x', to: 'eve@evil.test' })).body.error,
    ).toMatchObject({ code: 'unknown_field', field: 'to' })
    const big = btoa('x'.repeat(10 * 1024 * 1024 + 1))
    expect(
      await call('PATCH', `/drafts/${draft.id}`, headers, {
        content: 'x',
        attachments: [{ filename: 'a', content: big }],
      }),
    ).toMatchObject({
      status: 413,
      body: { error: { code: 'attachments_too_large' } },
    })
  })

  it('DR5 an image that is not attached is refused by name, sources are kept or left out, and no body is no mistake', async () => {
    const { headers, draft, siteId, conversationId } = await drafted()
    const broken = await call('PATCH', `/drafts/${draft.id}`, headers, { content: 'See ![x](cid:nope)' })
    expect(broken.body.error).toMatchObject({ code: 'invalid_field', field: 'content' })
    expect(draft.details.citations).toHaveLength(1)
    await call('PATCH', `/drafts/${draft.id}`, headers, { content: 'Quite another text.', citations: [] })
    expect((await read(siteId, conversationId)).messages[1]).toMatchObject({
      content: 'Quite another text.',
      details: { citations: [] },
    })
    const answer = await exports.default.fetch(`http://edgedesk.test/api/v1/drafts/${draft.id}/approve`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
    })
    expect(answer.status).toBe(200)
  })

  it('DR6 the draft of an inbox that is gone is not approved', async () => {
    const { headers, draft, config } = await drafted()
    expect((await call('DELETE', `/inboxes/${config.inboxId}`, headers)).status).toBe(200)
    expect((await call('POST', `/drafts/${draft.id}/approve`, headers)).body.error.code).toBe(
      'inbox_disconnected',
    )
  })

  it('DR4 a hybrid inbox drafts where no flow says otherwise', async () => {
    const { siteId, conversationId } = await drafted({ mode: 'hybrid' })
    expect((await read(siteId, conversationId)).messages[0]!.details.reply).toEqual({
      do: 'draft',
      why: 'mode_hybrid',
    })
  })
})

describe('what a person or a program writes', () => {
  const order = (siteId: string, config: { inboxId: string; address: string }, to: string) => ({
    siteId,
    inbox: { id: config.inboxId, name: 'Support' },
    from: config.address,
    to: { name: 'Dan', address: to },
    subject: 'Your parcel',
    text: 'It leaves today.',
    attachments: [],
    sender: { kind: 'assistant' as const, id: newId(), name: 'Ada' },
    by: { kind: 'program' as const, id: newId(), name: 'shop' },
    id: newId(),
    waitMs: 15_000,
  })

  it('WR1 C21 D19 H5 a mail opens its recipient’s conversation and is sent when the server has said so; the same id again is the same mail', async () => {
    const { siteId, headers } = await site()
    const config = await inbox(siteId, { assistantId: await assistant(siteId) })
    await sync(config)
    const dan = `dan.${newId().slice(-8)}@customer.test`
    const one = order(siteId, config, dan)
    const [first, again] = [await writeEmail(env, one), await writeEmail(env, one)]
    expect(first).toMatchObject({ kind: 'written', delivery: { status: 'sent' } })
    expect(again).toEqual(first)
    const came = await inboxOf(dan)
    expect(came).toHaveLength(1)
    expect(came[0]!.raw).toMatch(/^auto-submitted: auto-generated\r?$/im)
    // The customer's answer joins, and is answered.
    await arrives(config.address, [
      mail({
        to: config.address,
        from: dan,
        subject: 'Re: Your parcel',
        headers: [`In-Reply-To: ${came[0]!.messageId}`],
        text: 'How do I get a refund?',
      }),
    ])
    await sync(config)
    const all = await conversationsOf(headers)
    expect(all).toHaveLength(1)
    expect(all[0]!.messages.map(message => message.type)).toEqual(['outgoing', 'incoming', 'outgoing'])
  })

  it('WR2 a second mail goes on where the first stands, with its references; another contact’s conversation is refused', async () => {
    const { siteId } = await site()
    const config = await inbox(siteId)
    await sync(config)
    const dan = `dan.${newId().slice(-8)}@customer.test`
    const first = await writeEmail(env, order(siteId, config, dan))
    const second = await writeEmail(env, order(siteId, config, dan))
    if (first.kind !== 'written' || second.kind !== 'written') throw new Error('refused')
    expect(second.conversationId).toBe(first.conversationId)
    const [, came] = await inboxOf(dan)
    expect(came!.inReplyTo).toEqual([first.rfcId])
    const eve = {
      ...order(siteId, config, `eve.${newId().slice(-8)}@customer.test`),
      conversationId: first.conversationId,
    }
    expect(await writeEmail(env, eve)).toMatchObject({ kind: 'refused', problem: { code: 'not_found' } })
  })

  it('WR4 C21 a person answers a conversation: to whom the contact wants answers, from where they wrote, in the thread, unmarked', async () => {
    const { siteId, headers } = await site()
    const config = await inbox(siteId, {
      assistantId: await assistant(siteId),
      settings: { delayMs: 60_000, aliases: [] },
    })
    const [dan, desk] = [`dan.${newId().slice(-8)}@customer.test`, `desk.${newId().slice(-8)}@customer.test`]
    const [one] = await received(config, [
      mail({ to: config.address, from: dan, headers: [`Reply-To: ${desk}`] }),
    ])
    const said = await call('POST', '/messages/outgoing', headers, {
      conversation: one!.conversationId,
      content: 'We look into it.',
      attachments: [{ filename: 'a.txt', contentType: 'text/plain', content: btoa('hello') }],
    })
    expect(said).toMatchObject({
      status: 200,
      body: { type: 'outgoing', to: desk, inbox: config.inboxId, by: { kind: 'person' } },
    })
    const [came] = await until(async () => {
      const found = await inboxOf(desk).catch(() => [])
      return found.length > 0 && found
    }, 20_000)
    const first = (await read(siteId, one!.conversationId)).messages[0]!
    expect(came).toMatchObject({ subject: 'Re: A question', inReplyTo: [first.details.mail!.rfcId] })
    expect(came!.attachments.map(file => file.filename)).toEqual(['a.txt'])
    expect(came!.raw).not.toMatch(/auto-submitted/i)
    expect(came!.text).not.toContain('AI assistant')
    const stranger = await site()
    expect(
      (
        await call('POST', '/messages/outgoing', stranger.headers, {
          conversation: one!.conversationId,
          content: 'x',
        })
      ).status,
    ).toBe(404)
  })

  it('WR3 a person’s own mail calls the assistant’s answer back; a program’s does not', async () => {
    const { siteId } = await site()
    const config = await inbox(siteId, {
      assistantId: await assistant(siteId),
      settings: { delayMs: 60_000 },
    })
    const dan = `dan.${newId().slice(-8)}@customer.test`
    const [one] = await received(config, [mail({ to: config.address, from: dan })])
    const { state } = await read(siteId, one!.conversationId)
    const program = { ...order(siteId, config, dan), waitMs: 0 }
    await writeEmail(env, program)
    expect((await read(siteId, one!.conversationId)).state.epoch).toBe(state.epoch)
    await writeEmail(env, { ...program, id: newId(), by: { kind: 'person', id: newId(), name: 'Pat' } })
    expect((await read(siteId, one!.conversationId)).state.epoch).toBe(state.epoch + 1)
  })
})
