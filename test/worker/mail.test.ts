/** Mail in and out of Dovecot and Postfix, with TLS under the test CA, through the objects in workerd. */
import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { Mailbox } from '../../src/mailbox/mailbox.ts'
import { assistant, inbox, site } from './cast.ts'
import {
  arrives,
  changed,
  control,
  conversationsOf,
  inboxOf,
  mail,
  mailbox,
  read,
  sync,
  until,
} from './mail.ts'

async function connected(about: Parameters<typeof inbox>[1] = {}) {
  const { siteId, headers } = await site()
  const assistantId = about?.assistantId === null ? null : await assistant(siteId)
  const config = await inbox(siteId, { assistantId, ...about })
  await sync(config)
  return { siteId, headers, config, address: config.address }
}

let people = 0
/** A customer nobody else has, with a mailbox on the server. */
const customer = () => `c${++people}.${Date.now()}@customer.test`

const answers = (address: string, many = 1) =>
  until(async () => {
    const all = await inboxOf(address)
    return all.length >= many ? all : null
  })

describe('a mail is answered', () => {
  it('OU1 the answer reaches the sender: one Re:, threading headers, Auto-Submitted, text and HTML, the source', async () => {
    const { config, address } = await connected()
    const alice = customer()
    await arrives(address, [
      mail({
        from: `Alice <${alice}>`,
        to: address,
        subject: 'RE: AW: Refund',
        messageId: '<q1@customer.test>',
        headers: ['References: <q0@customer.test>'],
      }),
    ])
    await sync(config)
    const [answer] = await answers(alice)
    expect(answer!.subject).toBe('Re: Refund')
    expect(answer!.inReplyTo).toEqual(['<q1@customer.test>'])
    expect(answer!.references).toEqual(['<q0@customer.test>', '<q1@customer.test>'])
    expect(answer!.from).toEqual([{ name: 'Support', address }])
    expect(answer!.to).toEqual([{ name: 'Alice', address: alice }])
    expect(answer!.headers.find(one => one.name === 'auto-submitted')?.value).toBe('auto-replied')
    expect(answer!.text).toContain('get your money back')
    expect(answer!.text).toContain('https://shop.example/en')
    expect(answer!.html).toContain('<a href="https://shop.example/en">')
  })

  it('KN1 a Chinese question gets the Chinese article', async () => {
    const { config, address } = await connected()
    const lin = customer()
    const subject = '=?UTF-8?B?6YCA5qy+?=' // 退款
    const text = unescape(encodeURIComponent('請問要怎麼申請退款？'))
    await arrives(address, [
      mail({
        from: lin,
        to: address,
        subject,
        text,
        headers: [
          'MIME-Version: 1.0',
          'Content-Type: text/plain; charset=utf-8',
          'Content-Transfer-Encoding: 8bit',
        ],
      }),
    ])
    await sync(config)
    const [answer] = await answers(lin)
    expect(answer!.subject).toBe('Re: 退款')
    expect(answer!.text).toContain('全額退款')
  })

  it('KN3 what it does not know it does not make up: it offers a person', async () => {
    const { config, headers, address } = await connected()
    const bob = customer()
    await arrives(address, [
      mail({ from: bob, to: address, subject: 'Elephants', text: 'Which elephants live in Kenya?' }),
    ])
    await sync(config)
    const [answer] = await answers(bob)
    expect(answer!.text).toContain('talk to a person')
    const [one] = await conversationsOf(headers)
    expect(one!.messages[1]!.citations).toEqual([])
  })

  it('a customer’s answer to our answer joins the conversation and is answered in it', async () => {
    const { config, headers, address } = await connected()
    const eve = customer()
    await arrives(address, [mail({ from: eve, to: address })])
    await sync(config)
    const [first] = await answers(eve)
    await arrives(address, [
      mail({
        from: eve,
        to: address,
        subject: 'Re: A question',
        text: 'And my password?',
        headers: [`In-Reply-To: ${first!.messageId}`],
      }),
    ])
    await sync(config)
    await answers(eve, 2)
    const all = await until(async () => {
      const found = await conversationsOf(headers)
      return (
        found[0]?.messages.every(
          message => message.type === 'incoming' || message.delivery?.status === 'sent',
        ) && found
      )
    })
    expect(all).toHaveLength(1)
    expect(all[0]!.messages.map(message => message.type)).toEqual([
      'incoming',
      'outgoing',
      'incoming',
      'outgoing',
    ])
  })

  it('C17 two installs that answer each other stop at once: an answer is never answered', async () => {
    const one = await connected()
    const other = await connected()
    await arrives(one.address, [mail({ from: other.address, to: one.address })])
    await sync(one.config)
    await answers(other.address)
    await sync(other.config)
    const [conversation] = await conversationsOf(other.headers)
    expect(conversation!.messages[0]).toMatchObject({
      verdict: { class: 'automatic' },
      reply: { do: 'silent' },
    })
    await sync(one.config)
    expect(await inboxOf(one.address)).toHaveLength(1)
  })

  it('C28 the eleventh automatic mail to one sender within an hour is held for a person', async () => {
    const { config, headers, address } = await connected({
      settings: {
        caps: {
          sender: { count: 2, windowMs: 3600_000 },
          thread: { count: 9, windowMs: 3600_000 },
          inbox: { count: 99, windowMs: 3600_000 },
        },
      },
    })
    const loop = customer()
    await arrives(
      address,
      [1, 2, 3].map(n => mail({ from: loop, to: address, subject: `Refund ${n}` })),
    )
    await sync(config)
    const all = await until(async () => {
      const deliveries = (await conversationsOf(headers)).flatMap(one =>
        one.messages.flatMap(message => message.delivery?.status ?? []),
      )
      return (
        deliveries.length === 3 &&
        deliveries.every(status => status === 'sent' || status === 'held') &&
        deliveries
      )
    })
    expect(all.toSorted()).toEqual(['held', 'sent', 'sent'])
    expect(await inboxOf(loop)).toHaveLength(2)
  })
})

describe('cursor', () => {
  it('A4 connecting a box with old mail answers and stores nothing', async () => {
    const { siteId, headers } = await site()
    const config = await inbox(siteId, { assistantId: await assistant(siteId) })
    const alice = customer()
    await arrives(
      config.address,
      Array.from({ length: 50 }, (_, n) => mail({ from: alice, to: config.address, subject: `Old ${n}` })),
    )
    await sync(config)
    await sync(config)
    expect(await conversationsOf(headers)).toEqual([])
    expect(await inboxOf(alice)).toEqual([])
  })

  it('A5 the first mail ever in a box connected empty is ingested', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    await arrives(address, [mail({ to: address, subject: 'The first ever' })])
    await sync(config)
    expect((await conversationsOf(headers)).map(one => one.conversation.title)).toEqual(['The first ever'])
  })

  it('A2 A UIDVALIDITY change: known mail is not taken twice, new mail once, nothing old is answered', async () => {
    const { config, headers, address } = await connected()
    const alice = customer()
    await arrives(
      address,
      [1, 2, 3].map(n => mail({ from: alice, to: address, subject: `Refund before ${n}` })),
    )
    await sync(config)
    await answers(alice, 3)
    // INTERNALDATE counts whole seconds: what cannot be proved to be later than the last sync is not answered.
    await new Promise(resolve => setTimeout(resolve, 1_100))
    await arrives(address, [mail({ from: alice, to: address, subject: 'Refund after' })])
    // An old mail somebody moves in along with the change: stored, never answered.
    await arrives(address, [
      mail({
        from: alice,
        to: address,
        subject: 'Refund old',
        date: new Date(Date.now() - 3600_000).toUTCString(),
      }),
    ])
    await control({ do: 'uidvalidity', address })
    await sync(config)
    await sync(config)
    const titles = (await conversationsOf(headers)).map(one => one.conversation.title).toSorted()
    expect(titles).toEqual([
      'Refund after',
      'Refund before 1',
      'Refund before 2',
      'Refund before 3',
      'Refund old',
    ])
    const replied = (await answers(alice, 4)).map(one => one.subject).toSorted()
    expect(replied).toEqual([
      'Re: Refund after',
      'Re: Refund before 1',
      'Re: Refund before 2',
      'Re: Refund before 3',
    ])
  })

  it('A6 more mail than any page waits after a stop: all of it once, oldest first', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    await arrives(
      address,
      Array.from({ length: 450 }, (_, n) =>
        mail({ to: address, subject: `Waiting ${n}`, from: `w${n % 7}@customer.test` }),
      ),
    )
    await sync(config, 60_000)
    const titles = (await conversationsOf(headers)).map(one => Number(one.conversation.title.split(' ')[1]))
    expect(titles.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 450 }, (_, n) => n))
  }, 90_000)

  it('A8 A9 a mail read on a phone first is ingested, and our reading leaves no trace', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    await arrives(address, [mail({ to: address, subject: 'Unread' })])
    await sync(config)
    expect(await conversationsOf(headers)).toHaveLength(1)
    expect((await inboxOf(address)).map(one => one.seen)).toEqual([false])
  })

  it('A11 a crash after the store and before the cursor: the next sync makes no second copy', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    await arrives(address, [mail({ to: address, subject: 'Once' }), mail({ to: address, subject: 'Twice' })])
    await sync(config)
    await runInDurableObject(mailbox(config), (_: Mailbox, state) => {
      state.storage.sql.exec('UPDATE folders SET next_uid = 1')
    })
    await sync(config)
    const all = await conversationsOf(headers)
    expect(all.map(one => one.messages.length)).toEqual([1, 1])
  })

  it('A12 a mail that cannot be parsed is kept, marked, and holds up nobody', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    const deep = Array.from(
      { length: 300 },
      (_, n) => `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n`,
    ).join('')
    await arrives(address, [
      `From: Mallory <mallory@customer.test>\r\nTo: ${address}\r\nSubject: Deep\r\nMIME-Version: 1.0\r\n${deep}`,
      mail({ to: address, subject: 'Behind it' }),
    ])
    await sync(config)
    const all = await conversationsOf(headers)
    expect(all.map(one => one.conversation.title).toSorted()).toEqual(['Behind it', 'Deep'])
    const deepOne = all.find(one => one.conversation.title === 'Deep')!.messages[0]!
    expect(deepOne.flags).toContain('unreadable')
    expect(deepOne.verdict?.maySend).toBe(false)
    const original = await exports.default.fetch(`http://edgedesk.test${deepOne.original}`, { headers })
    expect(await original.text()).toContain('boundary=b299')
  })

  it('E9 a mail that tears the object down whenever it is read is kept unread, and the ones behind it come', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    await arrives(address, [mail({ to: address, subject: 'Before' })])
    await sync(config)
    // As a life that ended while it read the next mail alone for the third time leaves it.
    await runInDurableObject(mailbox(config), (_: Mailbox, state) => {
      const { id } = state.storage.sql.exec<{ id: string }>('SELECT id FROM mails').one()
      const next = id.replace(/\d+$/, uid => String(Number(uid) + 1))
      const reading = JSON.stringify({ ids: [next], times: 3 })
      state.storage.sql.exec("INSERT INTO meta VALUES ('reading', ?)", reading)
    })
    await arrives(
      address,
      ['Deadly', 'Behind it'].map(subject => mail({ to: address, subject })),
    )
    await sync(config)
    const all = await conversationsOf(headers)
    expect(all.map(one => one.conversation.title).toSorted()).toEqual(['', 'Before', 'Behind it'])
    const deadly = all.find(one => one.conversation.title === '')!.messages[0]!
    expect(deadly.flags).toContain('unreadable')
    const original = await exports.default.fetch(`http://edgedesk.test${deadly.original}`, { headers })
    expect(await original.text()).toContain('Subject: Deadly')
  })

  it('SY2 a folder that is missing is told, and does not starve the ones after it', async () => {
    const { config, headers, address } = await connected({
      assistantId: null,
      settings: { folders: ['Nowhere', 'INBOX'] },
    })
    await arrives(address, [mail({ to: address, subject: 'In the second' })])
    expect(await sync(config)).toMatchObject({ state: 'retrying', problem: { code: 'folder_missing' } })
    expect((await conversationsOf(headers)).map(one => one.conversation.title)).toEqual(['In the second'])
  })

  it('SY a paused inbox fetches nothing, whatever wakes it; going on, it brings what waited', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    await mailbox(config).tick(changed(config, { paused: true }))
    await arrives(address, [mail({ to: address, subject: 'Waits' })])
    await mailbox(config).news()
    await new Promise(resolve => setTimeout(resolve, 500))
    expect(await conversationsOf(headers)).toEqual([])
    await sync(config)
    expect(await conversationsOf(headers)).toHaveLength(1)
  })

  it('A12b one stored mail that cannot be read back waits alone; the others of its chunk come', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    // A life before fetched them; in this one they are read back from R2, and one of them refuses.
    await runInDurableObject(mailbox(config), (_: Mailbox, state) => {
      state.storage.sql.exec('INSERT INTO meta VALUES (\'reading\', \'{"ids":[],"times":1}\')')
    })
    const get = env.MAIL.get
    const put = env.MAIL.put
    const stored: string[] = []
    env.MAIL.put = (async (...args: Parameters<typeof put>) => {
      stored.push(args[0])
      return put.apply(env.MAIL, args)
    }) as typeof put
    env.MAIL.get = (async (key: string) => {
      if (key === stored[0]) throw new Error('R2 is away')
      return get.call(env.MAIL, key)
    }) as typeof get
    try {
      const subjects = ['One', 'Two', 'Three']
      await arrives(
        address,
        subjects.map(subject => mail({ to: address, subject })),
      )
      await mailbox(config).news()
      await until(async () => (await conversationsOf(headers)).length >= 2)
    } finally {
      env.MAIL.get = get
      env.MAIL.put = put
    }
  })

  it('A12b a mail that D1 refuses each time is taken alone at the third, and the others of its chunk come', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    const prepare = env.DB.prepare
    env.DB.prepare = ((query: string) => {
      const statement = prepare.call(env.DB, query)
      const bind = statement.bind.bind(statement)
      statement.bind = (...values: unknown[]) => {
        if (values.some(value => typeof value === 'string' && value.includes('poison@')))
          throw new Error('D1 refuses this')
        return bind(...values)
      }
      return statement
    }) as typeof prepare
    try {
      const from = ['a@customer.test', 'poison@customer.test', 'b@customer.test']
      await arrives(
        address,
        from.map(one => mail({ from: one, to: address })),
      )
      await mailbox(config).news()
      const attempts = () =>
        runInDurableObject(mailbox(config), (_: Mailbox, state) =>
          state.storage.sql.exec<{ n: number | null }>('SELECT max(attempts) AS n FROM mails').one(),
        )
      for (let times = 1; times <= 2; times++) {
        await until(async () => ((await attempts()).n ?? 0) >= times)
        await runInDurableObject(mailbox(config), (_: Mailbox, state) => {
          state.storage.sql.exec('UPDATE mails SET due_at = 0 WHERE due_at IS NOT NULL')
        })
        await mailbox(config).news()
      }
      await until(async () => (await conversationsOf(headers)).length === 2)
    } finally {
      env.DB.prepare = prepare
    }
  })

  it('A18 a revoked password is named within one poll and tried rarely; repaired, nothing was lost', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    const broken = await inbox(config.siteId, { address, password: 'wrong' })
    await arrives(address, [mail({ to: address, subject: 'Waiting for the password' })])
    const status = await sync({
      ...config,
      imapPassword: broken.imapPassword,
      dataKey: broken.dataKey,
      inboxId: config.inboxId,
    }).catch(error => error)
    // Sealed for another row, it does not even open; either way the owner is asked for the password.
    expect(status).toMatchObject({ state: 'auth_required', problem: { code: 'credentials' } })
    expect(status.dueAt - status.lastTryAt).toBeGreaterThanOrEqual(5 * 60_000)
    await sync(config)
    expect((await conversationsOf(headers)).map(one => one.conversation.title)).toEqual([
      'Waiting for the password',
    ])
  })

  it('A18 a password the server refuses', async () => {
    const { siteId } = await site()
    const config = await inbox(siteId, { password: 'wrong' })
    expect(await sync(config)).toMatchObject({ state: 'auth_required', problem: { code: 'credentials' } })
  })

  it('A10 the server goes away and comes back: retried with a reason, then all is there', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    await arrives(address, [mail({ to: address, subject: 'Later' })])
    await control({ do: 'stop_dovecot' })
    const away = await sync(config)
    await control({ do: 'start_dovecot' })
    expect(away).toMatchObject({ state: 'retrying', problem: { code: 'refused' } })
    expect(await sync(config)).toMatchObject({ state: 'connected', problem: null })
    expect((await conversationsOf(headers)).map(one => one.conversation.title)).toEqual(['Later'])
  }, 60_000)

  it('A20 no Date, Date 1970, Date 2038, two Date headers: ingested', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    await arrives(address, [
      mail({ to: address, subject: 'None', date: null }),
      mail({ to: address, subject: 'Old', date: 'Thu, 01 Jan 1970 00:00:00 +0000' }),
      mail({ to: address, subject: 'Far', date: 'Tue, 19 Jan 2038 03:14:08 +0000' }),
      mail({ to: address, subject: 'Two', headers: ['Date: Thu, 01 Jan 1970 00:00:00 +0000'] }),
    ])
    await sync(config)
    expect(await conversationsOf(headers)).toHaveLength(4)
  })

  it('A27 a 12 MB and a 30 MB mail: text and list of attachments; the large one’s rest on demand', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    const withFile = (subject: string, mb: number) => {
      const line = `${'QUJD'.repeat(19)}\r\n`
      const body = line.repeat(Math.floor((mb * 1024 * 1024) / line.length))
      return mail({
        to: address,
        subject,
        headers: ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=xyz'],
        text: `--xyz\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n--xyz\r\nContent-Type: application/pdf; name=big.pdf\r\nContent-Disposition: attachment; filename=big.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n${body}--xyz--`,
      })
    }
    await arrives(address, [
      withFile('Twelve', 12),
      withFile('Thirty', 30),
      mail({ to: address, subject: 'Behind' }),
    ])
    await sync(config, 60_000)
    const all = await conversationsOf(headers)
    const message = (title: string) => all.find(one => one.conversation.title === title)!.messages[0]!
    expect(all).toHaveLength(3)
    for (const title of ['Twelve', 'Thirty']) {
      expect(message(title).content).toContain('See the file.')
      expect(message(title).attachments.map(one => one.filename)).toEqual(['big.pdf'])
    }
    expect(message('Twelve').flags).not.toContain('too_large')
    expect(message('Thirty').flags).toContain('too_large')
    const get = (path: string) => exports.default.fetch(`http://edgedesk.test${path}`, { headers })
    const file = await get(new URL(message('Thirty').attachments[0]!.file).pathname)
    expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(20 * 1024 * 1024)
    const original = await get(message('Thirty').original)
    expect(original.status).toBe(200)
    expect((await original.arrayBuffer()).byteLength).toBeGreaterThan(30 * 1024 * 1024)
  }, 120_000)
})

describe('identity and duplicates', () => {
  it('B1 B3 no Message-ID, an empty one: ingested once and answered', async () => {
    const { config, headers, address } = await connected()
    const [a, b] = [customer(), customer()]
    await arrives(address, [
      mail({ from: a, to: address, messageId: null }),
      mail({ from: b, to: address, messageId: '<>' }),
    ])
    await sync(config)
    await answers(a)
    await answers(b)
    expect(await conversationsOf(headers)).toHaveLength(2)
  })

  it('B2 two mails without Message-ID, same sender, subject and second, other text: two', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    const date = new Date().toUTCString()
    await arrives(
      address,
      ['One text', 'Another text'].map(text => mail({ to: address, messageId: null, date, text })),
    )
    await sync(config)
    expect(await conversationsOf(headers)).toHaveLength(2)
  })

  it('B5 one mail to two inboxes of ours: one conversation, one answer, seen from both', async () => {
    const { siteId, headers } = await site()
    const assistantId = await assistant(siteId)
    const one = await inbox(siteId, { assistantId })
    const two = await inbox(siteId, { assistantId })
    await Promise.all([sync(one), sync(two)])
    const alice = customer()
    const same = mail({ from: alice, to: `${one.address}, ${two.address}` })
    await arrives(one.address, [`Delivered-To: ${one.address}\r\n${same}`])
    await arrives(two.address, [`Delivered-To: ${two.address}\r\n${same}`])
    await Promise.all([sync(one), sync(two)])
    await answers(alice)
    await Promise.all([sync(one), sync(two)])
    const all = await conversationsOf(headers)
    expect(all).toHaveLength(1)
    expect(await inboxOf(alice)).toHaveLength(1)
    const { messages } = await read(siteId, all[0]!.conversation.id)
    expect(messages[0]!.details.copies).toHaveLength(1)
  })

  it('B7 the same mail redelivered: one copy, one answer', async () => {
    const { config, headers, address } = await connected()
    const alice = customer()
    const same = mail({ from: alice, to: address })
    await arrives(address, [same])
    await sync(config)
    await answers(alice)
    await arrives(address, [`Received: by relay.test\r\n${same}`])
    await sync(config)
    await sync(config)
    expect(await inboxOf(alice)).toHaveLength(1)
    expect((await conversationsOf(headers)).map(one => one.messages.length)).toEqual([2])
  })

  it('B7 the same Message-ID with another body is a new mail', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    await arrives(
      address,
      ['one', 'two'].map(text => mail({ to: address, messageId: '<reused@customer.test>', text })),
    )
    await sync(config)
    expect((await conversationsOf(headers)).flatMap(one => one.messages)).toHaveLength(2)
  })

  it('B9 our own answer that comes back into the inbox is recognised and not answered', async () => {
    const { config, headers, address } = await connected()
    const alice = customer()
    await arrives(address, [mail({ from: alice, to: address })])
    await sync(config)
    const [answer] = await answers(alice)
    await arrives(address, [answer!.raw])
    await sync(config)
    await sync(config)
    expect(await inboxOf(alice)).toHaveLength(1)
    expect((await conversationsOf(headers)).map(one => one.messages.length)).toEqual([2])
  })

  it('D7 a stranger who cites a customer’s Message-ID gets a conversation of his own, linked', async () => {
    const { config, headers, address } = await connected({ assistantId: null })
    await arrives(address, [
      mail({ from: 'alice@customer.test', to: address, messageId: '<private@customer.test>' }),
    ])
    await sync(config)
    await arrives(address, [
      mail({ from: 'mallory@customer.test', to: address, headers: ['In-Reply-To: <private@customer.test>'] }),
    ])
    await sync(config)
    const all = await conversationsOf(headers)
    expect(all).toHaveLength(2)
    const [stranger, alice] = ['mallory', 'alice'].map(
      who => all.find(one => one.conversation.contact.address.startsWith(who))!,
    )
    expect(stranger!.conversation.linkedTo).toBe(alice!.conversation.id)
  })
})

describe('mail out', () => {
  it('H2 a server that is away: retried later with the same Message-ID, and sent once', async () => {
    const { config, headers, siteId, address } = await connected()
    const alice = customer()
    await control({ do: 'stop_postfix' })
    await arrives(address, [mail({ from: alice, to: address })])
    await sync(config)
    const message = await until(async () => {
      const [one] = await conversationsOf(headers)
      return one?.messages[1]?.delivery?.status === 'retry' && one.messages[1]
    })
    expect(message.delivery?.problem?.code).toBe('refused')
    await control({ do: 'start_postfix' })
    await runInDurableObject(mailbox(config), (_: Mailbox, state) => {
      state.storage.sql.exec('UPDATE outbox SET due_at = 0')
    })
    await sync(config)
    const [answer] = await answers(alice)
    expect(answer!.messageId).toBe(`<${message.id}@demo.test>`)
    await until(async () => {
      const [one] = await conversationsOf(headers)
      return one?.messages[1]?.delivery?.status === 'sent'
    })
    expect(siteId).toBeTruthy()
  }, 60_000)

  it('H2 R2 is away when a mail is to be sent: a try like any other, and it is sent the next time', async () => {
    const { config, headers, address } = await connected()
    const alice = customer()
    const get = env.MAIL.get
    env.MAIL.get = (async (key: string) => {
      if (key.startsWith('out/')) throw new Error('R2 is away')
      return get.call(env.MAIL, key)
    }) as typeof get
    try {
      await arrives(address, [mail({ from: alice, to: address })])
      await sync(config)
      await until(async () => {
        const [one] = await conversationsOf(headers)
        return one?.messages[1]?.delivery?.status === 'retry'
      })
    } finally {
      env.MAIL.get = get
    }
    await runInDurableObject(mailbox(config), (_: Mailbox, state) => {
      state.storage.sql.exec('UPDATE outbox SET due_at = 0')
    })
    await sync(config)
    await answers(alice)
  })

  it('H3 a recipient the server refuses: failed, with a reason', async () => {
    const { config, headers, address } = await connected()
    await arrives(address, [mail({ from: 'alice@nowhere.invalid', to: address })])
    await sync(config)
    const failed = await until(async () => {
      const [one] = await conversationsOf(headers)
      return one?.messages[1]?.delivery?.status === 'failed' && one.messages[1]
    })
    expect(failed.delivery?.problem?.code).toBe('recipient_refused')
  })

  it('H14 the answer leaves from the alias the customer wrote to', async () => {
    const alias = `sales-${Date.now()}@demo.test`
    const { config, address } = await connected({ settings: { aliases: [alias] } })
    const alice = customer()
    await arrives(address, [mail({ from: alice, to: alias })])
    await sync(config)
    const [answer] = await answers(alice)
    expect(answer!.from[0]!.address).toBe(alias)
  })

  it('CO a person takes over: what has not left is called back, and the machine stays quiet', async () => {
    const { config, siteId, headers, address } = await connected()
    const alice = customer()
    await control({ do: 'stop_postfix' })
    await arrives(address, [mail({ from: alice, to: address })])
    await sync(config)
    const id = await until(async () => {
      const [one] = await conversationsOf(headers)
      return one?.messages[1]?.delivery?.status === 'retry' && one.conversation.id
    })
    await env.CONVERSATION.getByName(`${siteId}/${id}`).change({ owner: 'person' }, null)
    await control({ do: 'start_postfix' })
    await arrives(address, [mail({ from: alice, to: address, subject: 'Re: A question', text: 'Hello?' })])
    await sync(config)
    await until(async () =>
      (await conversationsOf(headers))
        .flatMap(one => one.messages)
        .some(one => one.delivery?.status === 'withdrawn'),
    )
    const subjects = (await answers(alice)).map(one => one.subject)
    expect(subjects).toEqual(['Re: A question'])
    const { messages } = await read(siteId, id)
    expect(messages[1]!.delivery).toMatchObject({ status: 'withdrawn' })
  }, 60_000)
})
