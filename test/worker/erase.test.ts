/** What is erased here is gone here, and never comes back from the mail server. */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { imap } from '../../src/mail/imap.ts'
import { mergeConversations } from '../../src/store/merges.ts'
import { assistant, inbox, received, site, testMail } from './cast.ts'
import { arrives, control, conversationsOf, inboxOf, mail, mailbox, sync, until } from './mail.ts'
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

  const conv = (siteId: string, id: string) => env.CONVERSATION.getByName(`${siteId}/${id}`)

  /** Two conversations of one customer; the one that would win is the one of the lower id. */
  async function two() {
    const { siteId, headers, config, address } = await connected({ mode: 'off' })
    const from = customer()
    for (const text of ['one secret', 'another secret']) {
      await arrives(address, [mail({ from, to: address, text })])
      await sync(config)
    }
    const [winner, loser] = (await conversationsOf(headers)).map(one => one.conversation.id).toSorted()
    return { siteId, headers, config, winner: winner!, loser: loser! }
  }

  /** Something that is still to be done for a mail keeps it where it is. */
  const kept = (siteId: string, id: string) =>
    runInDurableObject(conv(siteId, id), (_, state) => {
      const effect = JSON.stringify({ kind: 'send', id: 'send:x', messageId: 'x' })
      const due = Date.now() + 3_600_000
      state.storage.sql.exec(`INSERT INTO effects VALUES ('send:x', ?, ?, NULL, 0)`, effect, due)
    })

  /** Everything that can still be read of a site's conversations. */
  async function readable(siteId: string, ...ids: string[]) {
    const objects = await env.MAIL.list()
    const rows = await env.DB.prepare(
      'SELECT content AS text FROM messages WHERE site_id = ?1 UNION ALL SELECT title FROM conversations WHERE site_id = ?1',
    )
      .bind(siteId)
      .all<{ text: string }>()
    const tables = await Promise.all(
      ids.map(id =>
        runInDurableObject(conv(siteId, id), (_, state) =>
          state.storage.sql.exec(`SELECT name FROM sqlite_master WHERE name = 'messages'`).toArray(),
        ),
      ),
    )
    return [
      ...objects.objects.map(object => object.key).filter(key => key.includes(siteId)),
      ...rows.results.map(row => row.text),
      ...tables.flat().map(table => table.name),
    ]
  }

  it.each(['told', 'untold'] as const)(
    'ED1 so is what turned out to be part of it and has not arrived, %s of it',
    async told => {
      const { siteId, headers, winner, loser } = await two()
      expect(await mergeConversations(env.DB, siteId, [winner, loser], Date.now())).toEqual([
        { loserId: loser, winnerId: winner },
      ])
      if (told === 'told') {
        await kept(siteId, loser)
        await conv(siteId, loser).mergeInto(winner)
      }
      expect((await erase(winner, headers)).status).toBe(204)
      // What the clock would do.
      await conv(siteId, loser).mergeInto(winner)
      expect(await readable(siteId, winner, loser)).toEqual([])
      expect(await conv(siteId, loser).read()).toBeNull()
    },
  )

  it('ED1 so is what comes after it was erased', async () => {
    const { siteId, headers, winner, loser } = await two()
    expect((await erase(winner, headers)).status).toBe(204)
    await mergeConversations(env.DB, siteId, [winner, loser], Date.now())
    await conv(siteId, loser).mergeInto(winner)
    await until(async () => (await readable(siteId, winner, loser)).length === 0)
    const left = await env.DB.prepare(
      'SELECT count(*) AS n FROM emails WHERE site_id = ?1 AND erased_at IS NULL',
    )
      .bind(siteId)
      .first<{ n: number }>()
    expect(left!.n).toBe(0)
  })

  it('ED1 erased under the id of a part that is on its way, the whole is erased, and shown nowhere', async () => {
    const { siteId, headers, winner, loser } = await two()
    await mergeConversations(env.DB, siteId, [winner, loser], Date.now())
    await kept(siteId, loser)
    await conv(siteId, loser).mergeInto(winner)
    await conv(siteId, loser).erase()
    expect(await readable(siteId, winner, loser)).toEqual([])
    expect(await conversationsOf(headers)).toEqual([])
  })

  it('ED1 torn down on the way, the alarm goes on with it', async () => {
    const { siteId, winner, loser } = await two()
    const { messages } = (await conv(siteId, loser).read())!
    await env.DB.prepare('ALTER TABLE message_ids RENAME TO away').run()
    try {
      const ended = await runInDurableObject(conv(siteId, winner), object =>
        object.erase().then(
          () => 'well',
          () => 'badly',
        ),
      )
      expect(ended).toBe('badly')
      // Nothing is read there from the first moment on.
      expect(await conv(siteId, winner).read()).toBeNull()
      expect((await readable(siteId)).length).toBeGreaterThan(3)
    } finally {
      await env.DB.prepare('ALTER TABLE away RENAME TO message_ids').run()
    }
    expect(await runDurableObjectAlarm(conv(siteId, winner))).toBe(true)
    const left = await until(async () => {
      const all = await readable(siteId, winner)
      return all.length === 3 ? all : null
    })
    // The other one's mail, words and title.
    expect(left.slice(1)).toEqual([messages[0]!.content, 'A question'])
    expect((await conv(siteId, loser).read())!.messages).toEqual(messages)
  })

  it('ED1 a mail that was on its way into it leaves nothing either', async () => {
    const { siteId, headers, config, winner } = await two()
    const { messages } = (await conv(siteId, winner).read())!
    expect((await erase(winner, headers)).status).toBe(204)
    // As it was when that mail found its conversation: before D1 forgot it.
    const { mail: named } = messages[0]!.details
    await env.DB.prepare(
      'INSERT INTO message_ids (site_id, rfc_id, message_id, conversation_id, ours) VALUES (?1, ?2, ?3, ?4, 0)',
    )
      .bind(siteId, named!.rfcId!.replace(/[<>]/g, ''), messages[0]!.id, winner)
      .run()
    await env.DB.prepare(
      'INSERT INTO participants (site_id, conversation_id, address, wrote) VALUES (?1, ?2, ?3, 1)',
    )
      .bind(siteId, winner, named!.replyTo!.address)
      .run()
    const before = await readable(siteId)
    const parts = [
      '--b',
      'Content-Type: text/plain',
      '',
      'See this.',
      '--b',
      'Content-Disposition: attachment; filename="a"',
      '',
      'a',
      '--b--',
    ]
    const [late] = await received(config, [
      mail({
        ...{ from: named!.replyTo!.address, to: config.address, text: parts.join('\r\n') },
        headers: [
          `In-Reply-To: ${named!.rfcId}`,
          ...['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="b"'],
        ],
      }),
    ])
    expect(late!.conversationId).toBe(winner)
    expect(await readable(siteId)).toEqual(before)
  })

  it('ED1 its mailbox keeps no word of what was sent, and nobody’s address', async () => {
    const { siteId, headers, config, address } = await connected({ quoteOriginal: true })
    const from = customer()
    await arrives(address, [mail({ from, to: address, text: 'My secret: how do I get a refund?' })])
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 1)
    const [one] = await until(async () => {
      const all = await conversationsOf(headers)
      return all[0]?.messages.some(m => m.delivery?.status === 'sent') ? all : null
    })
    const outbox = () =>
      runInDurableObject(mailbox(config), (_, state) =>
        state.storage.sql
          .exec<{ id: string; phase: string; rfc_id: string }>('SELECT * FROM outbox')
          .toArray(),
      )
    const [before] = await outbox()
    for (const word of ['My secret', 'money back', from]) expect(JSON.stringify(before)).toContain(word)
    expect((await erase(one!.conversation.id, headers)).status).toBe(204)
    const [after] = await outbox()
    expect(after).toMatchObject({ id: before!.id, phase: 'sent', rfc_id: before!.rfc_id })
    for (const word of ['secret', 'money', from]) expect(JSON.stringify(after)).not.toContain(word)
    expect(await readable(siteId, one!.conversation.id)).toEqual([])
  })

  it('ED2 a mail that waits in the outbox is withdrawn, and says nothing any more', async () => {
    const { headers, config, address } = await connected({
      smtp: { host: testMail.host, port: 1, user: 'nobody' },
    })
    await arrives(address, [mail({ from: customer(), to: address })])
    await sync(config)
    const outbox = () =>
      runInDurableObject(mailbox(config), (_, state) =>
        state.storage.sql.exec<{ phase: string; mail: string }>('SELECT phase, mail FROM outbox').toArray(),
      )
    await until(async () => (await outbox())[0]?.phase === 'retry')
    const [one] = await conversationsOf(headers)
    expect((await erase(one!.conversation.id, headers)).status).toBe(204)
    const [row] = await outbox()
    expect(row!.phase).toBe('withdrawn')
    expect(row!.mail).not.toContain('money')
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
