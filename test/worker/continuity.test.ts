/** Visitors who left: the answers they missed go after them by mail, through Postfix and back by Dovecot. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { newId } from '../../src/store/ids.ts'
import { call, type Json } from './call.ts'
import { assistant, conversation, inbox } from './cast.ts'
import { arrives, conversationsOf, inboxOf, mail, sync, until } from './mail.ts'
import { open } from './socket.ts'
import { comes, PAGE, settle, socketHeaders, visitor, webChat } from './visitor.ts'

let people = 0
const customer = () => `v${++people}.${Date.now()}@customer.test`

/** A chat that goes on by mail half a second after somebody left. */
async function goingOn(change: Json = {}) {
  const chat = await webChat({ title: 'The shop', ...change })
  const config = await inbox(chat.siteId, { assistantId: await assistant(chat.siteId) })
  await sync(config)
  await call(`/web-chats/${chat.id}`, chat.headers, 'PATCH', { mailInboxId: config.inboxId })
  await settle(chat.siteId, chat.chat, { continueAfterMs: 500 })
  return { ...chat, config }
}

const mailsTo = (address: string, many = 1) =>
  until(async () => {
    const all = await inboxOf(address)
    return all.length >= many ? all : null
  }, 15_000)

const header = (one: Awaited<ReturnType<typeof inboxOf>>[number], name: string) =>
  one.headers.find(each => each.name === name)?.value

describe('who left the chat', () => {
  it('CN1 gets what they missed by mail, once, and their reply goes on in the same conversation', async () => {
    const shop = await goingOn()
    const ann = customer()
    const visit = await visitor(shop.id, { email: ann, name: 'Ann' })
    visit.say('How do I get a refund?')
    visit.client.close()
    const [missed] = await mailsTo(ann)
    expect(missed!.subject).toBe('The shop: our answer to you')
    expect(missed!.text).toContain('get your money back')
    expect(missed!.text).toContain('in the chat of The shop')
    expect(header(missed!, 'auto-submitted')).toBe('auto-generated')
    expect(header(missed!, 'list-unsubscribe-post')).toBe('List-Unsubscribe=One-Click')
    // Coming back, they see it in the chat once, and nothing of the mail.
    const back = await open(`/conversations/${visit.conversation}/ws`, socketHeaders(visit.session.token))
    await until(async () => back.of('changed').length === 1)
    expect(back.of('changed')[0]!.messages).toHaveLength(2)
    back.close()
    await arrives(shop.config.address, [
      mail({
        ...{ from: `Ann <${ann}>`, to: shop.config.address, subject: `Re: ${missed!.subject}` },
        text: 'And how do I reset my password?',
        headers: [`In-Reply-To: ${missed!.messageId}`, `References: ${missed!.messageId}`],
      }),
    ])
    await sync(shop.config)
    const all = await conversationsOf(shop.headers)
    expect(all).toHaveLength(1)
    expect(all[0]!.conversation.id).toBe(visit.conversation)
    // It was asked by mail, so it is answered by mail.
    const [, second] = await mailsTo(ann, 2)
    expect(second!.text).toContain('Forgot password')
    expect(second!.references).toContain(missed!.messageId)
    // Back in the chat, they are answered in the chat, by a person too.
    const again = await open(`/conversations/${visit.conversation}/ws`, socketHeaders(visit.session.token))
    again.send({ type: 'say', id: newId(), content: 'I am back' })
    await until(async () => again.of('changed').length > 2)
    await call('/messages/outgoing', shop.headers, 'POST', {
      conversation: visit.conversation,
      content: 'Welcome back',
    })
    const said = () => again.of('changed').flatMap(one => one.messages as Json[])
    const welcome = await until(async () => said().find(one => one.content === 'Welcome back'))
    // A key has no name that is anybody's.
    expect(welcome.sender).toMatchObject({ kind: 'person', name: 'The shop' })
    expect((await inboxOf(ann)).length).toBe(2)
  })

  it('CN2 who has seen the answer, or is still there, gets no mail', async () => {
    const shop = await goingOn()
    const [read, here] = [customer(), customer()]
    const one = await visitor(shop.id, { email: read })
    one.say('How do I get a refund?')
    await until(async () => one.client.of('changed').flatMap(frame => frame.messages as Json[]).length === 2)
    one.client.send({ type: 'read' })
    await until(async () => one.client.of('changed').length > 2)
    one.client.close()
    const two = await visitor(shop.id, { email: here })
    two.say('How do I get a refund?')
    await new Promise(resolve => setTimeout(resolve, 2_500))
    await runDurableObjectAlarm(conversation(shop.siteId, one.conversation))
    await runDurableObjectAlarm(conversation(shop.siteId, two.conversation))
    expect(await inboxOf(read)).toEqual([])
    expect(await inboxOf(here)).toEqual([])
    // A laptop that was closed leaves its socket behind: nothing is heard of it for a minute.
    await runInDurableObject(conversation(shop.siteId, two.conversation), (_, state) => {
      for (const socket of state.getWebSockets()) {
        const about = socket.deserializeAttachment()
        socket.serializeAttachment({ ...about, until: about.until - 60_000 })
      }
    })
    await evictDurableObject(conversation(shop.siteId, two.conversation))
    await until(async () => {
      await runDurableObjectAlarm(conversation(shop.siteId, two.conversation))
      return (await inboxOf(here)).length === 1
    }, 15_000)
    expect(two.client.closed()).toBeNull()
  })

  it('CN3 nothing goes where no address was said, no inbox is set, or its reader wants no more', async () => {
    const shop = await goingOn()
    const ann = customer()
    const visit = await visitor(shop.id, { email: ann })
    visit.say('How do I get a refund?')
    visit.client.close()
    const [first] = await mailsTo(ann)
    const url = /<(.*)>/.exec(header(first!, 'list-unsubscribe')!)![1]!
    expect(first!.text).toContain(url)
    const look = await exports.default.fetch(url)
    expect(look.status).toBe(200)
    expect((await exports.default.fetch(`${url}x`)).status).toBe(410)
    const again = await visitor(shop.id, { email: ann })
    again.say('How do I get a refund?')
    again.client.close()
    expect(await mailsTo(ann, 2), 'looking at the page does nothing').toHaveLength(2)
    const posted = await exports.default.fetch(url, { method: 'POST', body: 'List-Unsubscribe=One-Click' })
    expect(posted.status).toBe(200)
    const third = await visitor(shop.id, { email: ann })
    const nobody = await visitor(shop.id)
    for (const one of [third, nobody]) {
      one.say('How do I get a refund?')
      one.client.close()
    }
    await new Promise(resolve => setTimeout(resolve, 2_500))
    expect(await inboxOf(ann)).toHaveLength(2)
  })

  it('CN4 an address that nobody proved gets five such mails a day, whoever says it', async () => {
    const shop = await goingOn()
    const victim = customer()
    for (let n = 0; n < 7; n++) {
      const one = await visitor(shop.id, { email: victim })
      one.say(`How do I get a refund? ${n}`)
      one.client.close()
    }
    await mailsTo(victim, 5)
    await new Promise(resolve => setTimeout(resolve, 2_000))
    expect(await inboxOf(victim)).toHaveLength(5)
  })
})

describe('nobody is there', () => {
  const always = [{ days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', to: '00:00' }]
  const closed = { replyHours: { answer: 'outside', windows: always, text: null } }

  it('CN5 what is written in the form comes as mail, is answered by mail, and shows nothing of whose address it is', async () => {
    const shop = await goingOn(closed)
    const ann = customer()
    // Somebody with that address wrote before; a stranger who says it sees nothing of that and adds nothing to it.
    await arrives(shop.config.address, [
      mail({ from: ann, to: shop.config.address, text: 'My card is 4111.' }),
    ])
    await sync(shop.config)
    const session = (await comes(shop.id)).body as Json & { token: string }
    expect(session.availability).toBe('offline')
    const headers = { authorization: `Bearer ${session.token}`, origin: PAGE }
    const form = {
      id: newId(),
      email: ann,
      name: 'WIN A PRIZE http://spam.test',
      content: 'How do I get a refund?',
    }
    expect((await call('/chat/emails', headers, 'POST', form)).body).toEqual({ ok: true })
    expect((await call('/chat/emails', headers, 'POST', form)).status).toBe(200)
    const mails = await until(async () => {
      const all = await inboxOf(ann)
      return all.find(one => one.text.includes('get your money back') && one.subject.includes('The shop'))
        ? all
        : null
    })
    const answer = mails.find(one => one.subject.includes('The shop'))!
    expect(header(answer, 'list-unsubscribe')).toContain('/stop/')
    // Of whom nobody knows whether they wrote it, no word goes out.
    expect(answer.to).toEqual([{ name: '', address: ann }])
    expect(answer.text).not.toContain('WIN A PRIZE')
    const all = await conversationsOf(shop.headers)
    expect(all).toHaveLength(2)
    const mine = all.find(one => one.conversation.title === 'The shop')!
    expect(mine.messages).toHaveLength(2)
    expect(mine.conversation.contact.address).toBeNull()
    // Whoever reads that address answers, and it is the same conversation.
    await arrives(shop.config.address, [
      mail({
        ...{
          from: ann,
          to: shop.config.address,
          subject: `Re: ${answer.subject}`,
          text: 'Thank you, and my password?',
        },
        headers: [`In-Reply-To: ${answer.messageId}`],
      }),
    ])
    await sync(shop.config)
    const after = await conversationsOf(shop.headers)
    expect(
      after.find(one => one.conversation.id === mine.conversation.id)!.messages.length,
    ).toBeGreaterThanOrEqual(3)
  })

  it('CN6 without an inbox for it the chat says "later", takes what is said, and no form', async () => {
    const chat = await webChat(closed)
    const session = (await comes(chat.id)).body as Json & { token: string }
    expect(session.availability).toBe('later')
    const headers = { authorization: `Bearer ${session.token}`, origin: PAGE }
    const refused = await call('/chat/emails', headers, 'POST', {
      id: newId(),
      email: 'a@b.example',
      content: 'Hi',
    })
    expect(refused.body.error).toMatchObject({ code: 'not_offline' })
    const visit = await visitor(chat.id)
    visit.say('Hello?')
    await until(
      async () => visit.client.of('changed').flatMap(frame => frame.messages as Json[]).length === 1,
    )
  })
})
