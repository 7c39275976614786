/** What is erased here is gone here, and never comes back from the mail server. */
import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { imap } from '../../src/mail/imap.ts'
import { assistant, inbox, site, testMail } from './cast.ts'
import { arrives, control, conversationsOf, inboxOf, mail, sync, until } from './mail.ts'
import { member } from './staff.ts'

async function connected(settings: Record<string, unknown> = {}) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId), settings })
  await sync(config)
  return { siteId, headers, config, address: config.address }
}

const erase = (id: string, headers: Record<string, string>) =>
  exports.default.fetch(`http://edgedesk.test/api/v1/conversations/${id}`, { method: 'DELETE', headers })

let count = 0
const customer = () => `er${++count}.${Date.now()}@customer.test`

describe('ED1 a conversation is erased', () => {
  it('with its messages, its raw mail and its attachments; asked for it is 404', async () => {
    const { siteId, headers, config, address } = await connected({ mode: 'off' })
    const from = customer()
    const attached = ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="b"']
    const text = [
      '--b',
      'Content-Type: text/plain',
      '',
      'See this.',
      '--b',
      'Content-Type: image/png; name="a.png"',
      'Content-Disposition: attachment; filename="a.png"',
      '',
      'png',
      '--b--',
    ].join('\r\n')
    await arrives(address, [mail({ from, to: address, headers: attached, text })])
    await sync(config)
    const [one] = await conversationsOf(headers)
    const keys = async () => {
      const all = await Promise.all(
        ['raw', 'attachments'].map(kind => env.MAIL.list({ prefix: `${kind}/${siteId}/` })),
      )
      return all.flatMap(list => list.objects.map(object => object.key))
    }
    expect(await keys()).toHaveLength(2)
    expect((await erase(one!.conversation.id, headers)).status).toBe(204)
    expect(await keys()).toEqual([])
    expect(await conversationsOf(headers)).toEqual([])
    for (const path of [`conversations/${one!.conversation.id}`, `messages/${one!.messages[0]!.id}`])
      expect((await exports.default.fetch(`http://edgedesk.test/api/v1/${path}`, { headers })).status).toBe(
        404,
      )
    expect((await erase(one!.conversation.id, headers)).status).toBe(404)
  })

  it('A22 the mail that stays on the server is never taken in again, whatever the server makes of its numbers', async () => {
    const { headers, config, address } = await connected({ mode: 'off' })
    const raw = mail({ from: customer(), to: address })
    await arrives(address, [raw])
    await sync(config)
    const [one] = await conversationsOf(headers)
    expect((await erase(one!.conversation.id, headers)).status).toBe(204)
    await control({ do: 'uidvalidity', address })
    await sync(config)
    await sync(config)
    // The same mail, delivered once more by the relay.
    await arrives(address, [raw])
    await sync(config)
    expect(await conversationsOf(headers)).toEqual([])
  })

  it('A22 nor does our own answer, whose copy in the Sent folder is seen only now', async () => {
    const { headers, config, address } = await connected()
    await sync(config)
    const from = customer()
    await arrives(address, [mail({ from, to: address })])
    await sync(config)
    const [answer] = await until(async () => {
      const all = await inboxOf(from)
      return all.length > 0 ? all : null
    })
    const [one] = await conversationsOf(headers)
    expect((await erase(one!.conversation.id, headers)).status).toBe(204)
    await imap(env).append({
      account: {
        ...{ host: testMail.host, port: testMail.imap.port, security: 'starttls' },
        ...{ user: address, password: testMail.password },
      },
      ...{ folder: 'Sent', raw: btoa(answer!.raw), flags: [] },
    })
    await sync(config)
    expect(await conversationsOf(headers)).toEqual([])
  })

  it('ED1 what was merged is erased in both', async () => {
    const { siteId, headers, config, address } = await connected({ mode: 'off' })
    const from = customer()
    const letter = (references: string, text: string) =>
      mail({ from, to: address, headers: [`References: ${references}`], text })
    await arrives(address, [letter('<x.er@x.test>', 'one'), letter('<y.er@x.test>', 'two')])
    await sync(config)
    const ids = (await conversationsOf(headers)).map(it => it.conversation.id)
    await arrives(address, [letter('<x.er@x.test> <y.er@x.test>', 'three')])
    await sync(config)
    const [merged] = await until(async () => {
      const all = await conversationsOf(headers)
      return all.length === 1 && all[0]!.messages.length === 3 ? all : null
    })
    expect((await erase(merged!.conversation.id, headers)).status).toBe(204)
    for (const id of ids)
      await runInDurableObject(env.CONVERSATION.getByName(`${siteId}/${id}`), (_, state) => {
        const tables = state.storage.sql
          .exec(`SELECT name FROM sqlite_master WHERE name = 'messages'`)
          .toArray()
        expect(tables).toEqual([])
      })
  })

  it('ED2 an answer that has not left does not leave, and a reply to what was erased is a new conversation', async () => {
    const { headers, config, address } = await connected({ delayMs: 1000 })
    const from = customer()
    await arrives(address, [mail({ from, to: address, messageId: '<erased@customer.test>' })])
    await sync(config)
    const [one] = await conversationsOf(headers)
    expect((await erase(one!.conversation.id, headers)).status).toBe(204)
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect(await conversationsOf(headers)).toEqual([])
    await arrives(address, [
      mail({ from, to: address, headers: ['In-Reply-To: <erased@customer.test>'], text: 'Anybody there?' }),
    ])
    await sync(config)
    const [anew] = await until(async () => {
      const all = await conversationsOf(headers)
      return all.length === 1 ? all : null
    })
    expect(anew!.conversation.id).not.toBe(one!.conversation.id)
    expect(anew!.conversation.linkedTo).toBeNull()
  })

  it('ED3 an agent erases nothing, another site’s is not there', async () => {
    const { siteId, headers, config, address } = await connected({ mode: 'off' })
    await arrives(address, [mail({ from: customer(), to: address })])
    await sync(config)
    const [one] = await conversationsOf(headers)
    const agent = await member(siteId, 'agent')
    expect((await erase(one!.conversation.id, agent.headers)).status).toBe(403)
    expect((await erase(one!.conversation.id, (await site()).headers)).status).toBe(404)
    expect(await conversationsOf(headers)).toHaveLength(1)
  })
})
