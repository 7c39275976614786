import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { attachmentKey } from '../../src/mailbox/keys.ts'
import { newId } from '../../src/store/ids.ts'
import { call, type Json } from './call.ts'
import { conversation, inbox, received, site } from './cast.ts'
import { mail } from './mail.ts'
import { member } from './staff.ts'

/** A thread of these mails, and what is forwarded of it, as the object has it. */
async function thread(...texts: string[]) {
  const who = await site()
  const config = await inbox(who.siteId)
  const id = `<thread.${config.inboxId}@customer.test>`
  const mails = texts.map((text, n) =>
    mail({ to: config.address, text, ...(n ? { headers: [`In-Reply-To: ${id}`] } : { messageId: id }) }),
  )
  const came: Awaited<ReturnType<typeof received>> = []
  for (const one of mails) came.push(...(await received(config, [one])))
  const { conversationId } = came[0]!
  const forward = async (about: Json = {}, headers = who.headers) => {
    const answer = await call(`/conversations/${conversationId}/forward`, headers, 'POST', {
      to: `boss-${newId()}@team.test`,
      ...about,
    })
    const { conversation: where, id: messageId } = answer.body as { conversation: string; id: string }
    const sent = messageId ? await conversation(who.siteId, where).message(messageId) : null
    return { ...answer, where, sent }
  }
  return { ...who, config, conversationId, ids: came.map(one => one.messageId), forward }
}

const long = (words: string, chars: number) => words.repeat(Math.ceil(chars / words.length)).slice(0, chars)

describe('forwarding', () => {
  it('CS6 carries every message whole below the note, to somebody else, in a conversation of their own', async () => {
    const first = `Begin ${long('all of it, ', 20_000)} end.`
    const { forward, conversationId } = await thread(first, 'A second question?')
    const { status, sent, where } = await forward({ note: 'Please look.' })
    expect(status).toBe(200)
    expect(where).not.toBe(conversationId)
    expect(
      sent!.content.startsWith('Please look.\n\n---------- Forwarded message ---------\nFrom: Alice'),
    ).toBe(true)
    expect(sent!.content).toContain(first)
    expect(sent!.content.indexOf('A second question?')).toBeGreaterThan(sent!.content.indexOf('end.'))
    expect(sent!.details.subject).toMatch(/^Fwd: /)
  })

  it('CS6 carries the whole of a mail that is too long for the conversation itself', async () => {
    const text = `Begin ${long('very long mail, ', 150_000)} end.`
    const { forward } = await thread(text)
    const { sent } = await forward()
    expect(sent!.content.replaceAll(/\s+/g, ' ')).toContain(text.replaceAll(/\s+/g, ' '))
  })

  it('CS6 carries only what is named, in the order it was said, and refuses what is not there', async () => {
    const { forward, ids } = await thread('First.', 'Second.', 'Third.')
    const { sent } = await forward({ messages: [ids[2], ids[0], newId(), ids[0]] })
    expect(sent!.content).toMatch(/First\.[\s\S]*Third\./)
    expect(sent!.content).not.toContain('Second.')
    expect(sent!.content.match(/First\./g)).toHaveLength(1)
    const other = await thread('Elsewhere.')
    expect(await forward({ messages: [other.ids[0]] })).toMatchObject({
      ...{ status: 400, body: { error: { code: 'invalid_field', field: 'messages' } } },
    })
  })

  it('CS6 more text than one mail may carry is refused, and goes in parts', async () => {
    const { forward, ids } = await thread(...Array(4).fill(long('refund me, ', 300_000)))
    expect(await forward()).toMatchObject({
      ...{ status: 413, body: { error: { code: 'too_large', field: 'messages' } } },
    })
    expect((await forward({ messages: ids.slice(0, 2) })).status).toBe(200)
  })

  it('CS6 attachments go along as long as one mail may carry them', async () => {
    const { forward, siteId, ids, conversationId } = await thread('See.', 'And.')
    const stub = conversation(siteId, conversationId)
    for (const n of [0, 1]) await env.MAIL.put(attachmentKey(siteId, 'there', n), new Uint8Array(6_000_000))
    const message = await stub.message(ids[0]!)
    const ref = (n: number) => ({
      ...{ filename: `a${n}.bin`, contentType: 'application/octet-stream', size: 6_000_000, part: null },
      ...{ disposition: 'attachment' as const, contentId: null, key: attachmentKey(siteId, 'there', n) },
    })
    const { mail: _, ...details } = message!.details
    const write = (attachments: ReturnType<typeof ref>[]) =>
      stub.write(
        {
          ...{ siteId, id: conversationId, inboxId: '', title: '', linkedTo: null, createdAt: 0 },
          contact: { id: '', name: '', address: '' },
        },
        {
          by: { kind: 'person', id: newId(), name: 'Ann' },
          message: {
            ...{ id: newId(), sender: { kind: 'person', id: newId(), name: 'Ann' }, content: 'Here.' },
            ...{ createdAt: Date.now(), details: { ...details, attachments } },
          },
        },
      )
    const one = await write([ref(0)])
    if ('problem' in one) throw new Error(one.problem.code)
    const { sent } = await forward()
    expect(sent!.details.attachments).toMatchObject([{ filename: 'a0.bin', size: 6_000_000 }])
    await write([ref(1)])
    expect(await forward()).toMatchObject({ status: 413, body: { error: { code: 'attachments_too_large' } } })
    expect((await forward({ attachments: false })).status).toBe(200)
    expect((await forward({ messages: [one.message.id] })).status).toBe(200)
  })

  it('CS6 nobody forwards what they may not see', async () => {
    const { forward, siteId } = await thread('Secret.')
    const other = await inbox(siteId)
    const agent = await member(siteId, 'agent', [other.inboxId])
    expect((await forward({}, agent.headers)).status).toBe(404)
    expect((await forward({}, (await site()).headers)).status).toBe(404)
  })
})
