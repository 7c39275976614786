/**
 * What the platform does not have without end: size of a database, of a row, of a statement, time on the CPU, lives of an
 * object, connections. On Dovecot and Postfix; a limit that is not there locally is made by the test (a full D1, six connections).
 */
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { saveArticle } from '../../src/store/articles.ts'
import { messagesById } from '../../src/store/conversations.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import type { MailboxConfig } from '../../src/store/inboxes.ts'
import { assistant, conversation, inbox, received, site } from './cast.ts'
import { arrives, changed, conversationsOf, inboxOf, mail, mailbox, read, sync, until } from './mail.ts'

async function connected(settings: Record<string, unknown> = {}) {
  const { siteId, headers } = await site()
  const assistantId = await assistant(siteId)
  const config = await inbox(siteId, { assistantId, settings })
  await sync(config)
  return { siteId, headers, assistantId, config, address: config.address }
}

let count = 0
const customer = () => `pl${++count}.${Date.now()}@customer.test`
const moments = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

async function shown(path: string, headers: Record<string, string>) {
  const answer = await exports.default.fetch(`http://edgedesk.test/api/v1/${path}`, { headers })
  expect(answer.status, path).toBe(200)
  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests are about
  return (await answer.json()) as any
}

/** What failed and waits is due now; otherwise it would wait out its back-off. */
async function dueNow(config: MailboxConfig) {
  await runInDurableObject(mailbox(config), (_, state) => {
    state.storage.sql.exec('UPDATE mails SET due_at = 0 WHERE due_at IS NOT NULL')
  })
  await mailbox(config).news()
}

/** What is done to D1 here is done to its sessions too. */
function sessionsToo(): void {
  Object.assign(env.DB, {
    withSession: () => ({
      prepare: (query: string) => env.DB.prepare(query),
      batch: (all: D1PreparedStatement[]) => env.DB.batch(all),
      getBookmark: () => null,
    }),
  })
}

const WRITES = /^\s*(?:INSERT|UPDATE|REPLACE|WITH[\s\S]*\bINSERT\b)/i

/** D1 at its largest size (https://developers.cloudflare.com/d1/platform/limits/): every write is refused, reading goes on. */
async function whileFull<T>(run: () => Promise<T>): Promise<T> {
  const { prepare, batch, withSession } = env.DB
  sessionsToo()
  const refusing = new WeakSet<D1PreparedStatement>()
  const full = async () => {
    throw new Error('D1_ERROR: Exceeded maximum DB size')
  }
  const refused = (statement: D1PreparedStatement): D1PreparedStatement => {
    refusing.add(statement)
    const bind = statement.bind.bind(statement)
    statement.bind = (...values: unknown[]) => refused(bind(...values))
    Object.assign(statement, { run: full, all: full, first: full, raw: full })
    return statement
  }
  env.DB.prepare = (query: string) => {
    const statement = prepare.call(env.DB, query)
    return WRITES.test(query) ? refused(statement) : statement
  }
  env.DB.batch = (async (statements: D1PreparedStatement[]) =>
    statements.some(one => refusing.has(one)) ? full() : batch.call(env.DB, statements)) as typeof batch
  try {
    return await run()
  } finally {
    Object.assign(env.DB, { prepare, batch, withSession })
  }
}

describe('a full database', () => {
  it('O1 the inbox itself says that its mail waits, and why', async () => {
    const { config, address } = await connected()
    await whileFull(async () => {
      await arrives(address, [mail({ to: address })])
      await mailbox(config).tick(changed(config))
      const status = await until(async () => {
        const now = await mailbox(config).status()
        return now?.owed === 1 && !now.busy && now
      })
      expect(status.problem).toMatchObject({ code: 'storage' })
    })
  })

  it('O1 mail that comes meanwhile is stored, owed and traced with its reason; with room again it is answered, once', async () => {
    const { siteId, headers, config, address } = await connected()
    const people = [customer(), customer()]
    const ids = people.map((_, n) => `<full${n}.${config.inboxId}@customer.test>`)
    await whileFull(async () => {
      await arrives(
        address,
        people.map((from, n) => mail({ from, to: address, messageId: ids[n]! })),
      )
      await mailbox(config).tick(changed(config))
      const status = await until(async () => {
        const now = await mailbox(config).status()
        return now?.owed === 2 && !now.busy && now
      })
      expect(status).toMatchObject({ mails: 2, owed: 2 })
      expect(await conversationsOf(headers)).toEqual([])
      expect((await env.MAIL.list({ prefix: `raw/${siteId}/` })).objects).toHaveLength(2)
      for (const id of ids) {
        const { items } = await shown(`emails/trace?messageId=${encodeURIComponent(id)}`, headers)
        expect(items).toMatchObject([{ state: 'stored' }])
        expect(items[0].sentence).toMatch(
          /^It is stored and not in a conversation yet\. .+ The next try is at /,
        )
      }
      // However often it is tried: nothing is given up.
      for (let times = 0; times < 4; times++) {
        await dueNow(config)
        await until(async () => !(await mailbox(config).status())!.busy)
      }
      expect(await mailbox(config).status()).toMatchObject({ mails: 2, owed: 2 })
    })
    await dueNow(config)
    for (const from of people) await until(async () => (await inboxOf(from)).length === 1, 15_000)
    await sync(config)
    const all = await conversationsOf(headers)
    expect(all.map(one => one.messages.length)).toEqual([2, 2])
    for (const from of people) expect(await inboxOf(from)).toHaveLength(1)
  })

  it('O1 an answer that was to leave waits, and leaves once when there is room', async () => {
    const { config, siteId, address } = await connected({ delayMs: 500 })
    const from = customer()
    const [one] = await received(config, [mail({ from, to: address })])
    const stub = conversation(siteId, one!.conversationId)
    await whileFull(async () => {
      await until(async () => (await stub.read())!.messages.length === 2)
      await runDurableObjectAlarm(stub)
      await moments(500)
      expect((await stub.read())!.messages[1]!.delivery?.status).toBe('queued')
      expect(await inboxOf(from)).toEqual([])
    })
    await until(async () => {
      await runDurableObjectAlarm(stub)
      return (await stub.read())!.messages[1]!.delivery?.status === 'sent'
    }, 20_000)
    expect(await inboxOf(from)).toHaveLength(1)
  })
})

describe('rows and statements', () => {
  /** Of what D1 lists of a site, in bytes; and of what the object itself has. */
  const longestCopy = async (siteId: string) => {
    const row = await env.DB.prepare(
      'SELECT max(length(CAST(content AS BLOB)) + length(CAST(details AS BLOB))) AS bytes FROM messages WHERE site_id = ?',
    )
      .bind(siteId)
      .first<{ bytes: number }>()
    return row!.bytes
  }
  const longestMessage = (siteId: string, id: string) =>
    runInDurableObject(conversation(siteId, id), (_, state) => {
      const rows = state.storage.sql.exec<{ bytes: number }>(
        'SELECT max(length(CAST(message AS BLOB))) AS bytes FROM messages',
      )
      return rows.one().bytes
    })
  const ROW_LIMIT = 2_000_000

  it('O2 a text of 3 MB is whole in R2, its rows are small, and it is shown whole', async () => {
    const { siteId, headers, config, address } = await connected({ mode: 'off' })
    const line = 'Wo ist mein Paket? \xe5\x8c\x85\xe8\xa3\xb9.\r\n'
    const [one] = await received(config, [
      mail({
        to: address,
        headers: ['MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8'],
        text: `${line.repeat(115_000)}The very last line.`,
      }),
    ])
    expect(await longestMessage(siteId, one!.conversationId)).toBeLessThan(400_000)
    expect(await longestCopy(siteId)).toBeLessThan(60_000)
    const whole = await shown(`messages/${one!.messageId}`, headers)
    expect(whole).toMatchObject({ contentIsCut: true })
    expect(whole.rest.length).toBeGreaterThan(2_500_000)
    expect(whole.rest).toContain('The very last line.')
    const { items } = await shown(`messages/?conversation=${one!.conversationId}`, headers)
    expect(items[0].content.length).toBeLessThanOrEqual(8_000)
  })

  it('O2 the worst mail that is still read, every field of it long and escaped, fits its rows', async () => {
    const { siteId, headers, config, address } = await connected({ mode: 'off' })
    // Written as JSON a control character is six letters; a name of a file is cut at a hundred and some.
    const odd = '\x01'.repeat(400_000)
    const ids = Array.from({ length: 1_000 }, (_, n) => `<${n}.${'r'.repeat(40)}@customer.test>`).join(
      '\r\n ',
    )
    const crowd = Array.from({ length: 1_500 }, (_, n) => `"${'\x01'.repeat(20)}" <c${n}@customer.test>`)
    const file = (n: number) =>
      `--b\r\nContent-Type: application/${'x'.repeat(100)}\r\nContent-Disposition: attachment; filename="${n}${'\x02'.repeat(200)}"\r\n\r\nx\r\n`
    const [one] = await received(config, [
      mail({
        to: address,
        subject: '\x01'.repeat(60_000),
        headers: [
          'MIME-Version: 1.0',
          `References: ${ids}`,
          `Cc: ${crowd.join(',\r\n ')}`,
          'Content-Type: multipart/mixed; boundary=b',
        ],
        text: `--b\r\nContent-Type: text/plain\r\n\r\n${odd}\r\n\r\nOn Mon, 2 Nov 2026 at 10:00, Shop <s@shop.example> wrote:\r\n> ${odd}\r\n${Array.from({ length: 900 }, (_, n) => file(n)).join('')}--b--`,
      }),
    ])
    const [kept, copied] = [await longestMessage(siteId, one!.conversationId), await longestCopy(siteId)]
    expect([kept > 1_000_000, copied > 300_000]).toEqual([true, true])
    expect(Math.max(kept, copied)).toBeLessThan(ROW_LIMIT)
    const whole = await shown(`messages/${one!.messageId}`, headers)
    expect(whole.attachments).toHaveLength(900)
    expect(whole.contentIsCut).toBe(true)
  }, 60_000)

  it('O3 a mail that cites 150 known ids joins their thread; 150 messages are asked for at once', async () => {
    // The limit that this is about holds here too: a hundred parameters a statement.
    const many = Array.from({ length: 150 }, (_, n) => n)
    const bound = env.DB.prepare(`SELECT ${many.map(n => `?${n + 1}`).join()}`)
    await expect(Promise.resolve().then(() => bound.bind(...many).all())).rejects.toThrow(
      /between \?1 and \?100/,
    )
    const { siteId, headers, config, address } = await connected({ mode: 'off' })
    const from = customer()
    const id = (n: number) => `<o3.${n}.${config.inboxId}@customer.test>`
    const earlier = await received(
      config,
      many.map(n =>
        mail({ from, to: address, messageId: id(n), headers: n > 0 ? [`In-Reply-To: ${id(0)}`] : [] }),
      ),
    )
    const [last] = await received(config, [
      mail({ from, to: address, headers: [`References: ${many.map(id).join('\r\n ')}`], text: 'And now?' }),
    ])
    expect(last!.conversationId).toBe(earlier[0]!.conversationId)
    expect(await conversationsOf(headers)).toHaveLength(1)
    const wanted = earlier.map(one => one.messageId)
    const rows = await messagesById(db(env.DB), siteId, wanted)
    expect(rows.map(row => row.id).toSorted()).toEqual(wanted.toSorted())
  }, 60_000)

  it('O3 mails that cite more together than a parameter may hold are refused together, and come one by one', async () => {
    const { headers, config, address } = await connected({ mode: 'off' })
    const long = (name: string, n: number) =>
      `${name}: ${Array.from({ length: 65 }, (_, i) => `<${name}${n}.${i}.${'x'.repeat(900)}@customer.test>`).join('\r\n ')}`
    // Not there locally: no string of D1 is longer than two megabytes (https://developers.cloudflare.com/d1/platform/limits/).
    let refused = 0
    const { prepare } = env.DB
    env.DB.prepare = (query: string) => {
      const statement = prepare.call(env.DB, query)
      const bind = statement.bind.bind(statement)
      statement.bind = (...values: unknown[]) => {
        const tooLong = values.some(value => typeof value === 'string' && value.length > ROW_LIMIT)
        if (tooLong) refused++
        if (tooLong) throw new Error('D1_ERROR: string or blob too big: SQLITE_TOOBIG')
        return bind(...values)
      }
      return statement
    }
    try {
      const coming = received(
        config,
        Array.from({ length: 24 }, (_, n) =>
          mail({ from: customer(), to: address, headers: [long('References', n), long('In-Reply-To', n)] }),
        ),
      )
      await until(async () => {
        const { mails, owed, busy } = (await mailbox(config).status())!
        if (!busy && owed > 0) await dueNow(config)
        return mails === 24 && owed === 0
      }, 30_000)
      await coming
    } finally {
      env.DB.prepare = prepare
    }
    expect(refused).toBeGreaterThan(1)
    expect(await conversationsOf(headers)).toHaveLength(24)
  }, 60_000)

  it.each([
    [
      'one word of 79 letters',
      'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft',
    ],
    ['60 bytes and more without a blank', '請問如何申請退還已經付款但是尚未收到的週年紀念特別版商品的款項'],
    ['what LIKE would read', '100%_off_%_or_%_a_voucher_%_for_%_the_%_gazebo_%_rental_%_and_more'],
  ])('O3 a search for %s finds its article', async (_, words) => {
    const like = env.DB.prepare('SELECT 1 WHERE ?1 LIKE ?2').bind('x', `%${'x'.repeat(60)}%`)
    await expect(like.all()).rejects.toThrow(/too complex/)
    const { siteId, assistantId } = await connected()
    const id = newId()
    await saveArticle(db(env.DB), env.SEARCH, {
      ...{ id, siteId, assistantId, title: 'The one', body: `About ${words}.`, url: null, language: 'en' },
      ...{ createdAt: 0, updatedAt: 0 },
    })
    const { knowledge } = await import('../../src/assistants/knowledge.ts')
    const said = await knowledge({ siteId, id: assistantId }, env).answer({
      ...{
        subject: '',
        said: [words],
        history: [],
        cited: [],
        contactName: '',
        contactLabels: [],
        channel: 'email' as const,
        writtenTo: '',
      },
      ...{ localTime: '', quoted: '', assistantName: '', language: 'en' },
    })
    expect(said.citations.map(one => one.id)).toContain(id)
  })

  it('O4 every column of a time is an integer, in the schema and in the rows, and counts milliseconds', async () => {
    const { config, siteId, headers, address } = await connected()
    const from = customer()
    await arrives(address, [mail({ from, to: address }), mail({ from, to: address, date: null })])
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 2)
    await sync(config)
    const [one] = await conversationsOf(headers)
    const isTime = (column: string) => /(?:^|_)(?:at|date|until|before)$/.test(column)
    const inThisYear = (value: unknown) => Number(value) > Date.UTC(2020) && Number(value) < Date.UTC(2100)
    let values = 0
    const look = async (ask: (query: string) => Promise<Record<string, unknown>[]>) => {
      const tables =
        await ask(`SELECT name FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL AND name NOT GLOB '_cf*'
        AND name NOT GLOB 'sqlite*' AND name NOT GLOB '*migrations' AND name NOT GLOB 'article_words*'`)
      for (const { name } of tables) {
        const columns = (await ask(`SELECT name, type FROM pragma_table_info('${name}')`)).filter(column =>
          isTime(String(column.name)),
        )
        for (const column of columns) {
          const place = `${name}.${column.name}`
          expect(column.type, place).toBe('INTEGER')
          const rows = await ask(
            `SELECT "${column.name}" AS value, typeof("${column.name}") AS type FROM "${name}" WHERE "${column.name}" IS NOT NULL LIMIT 50`,
          )
          for (const { value, type } of rows) {
            expect(type, place).toBe('integer')
            expect(inThisYear(value) || value === 0, `${place} ${value}`).toBe(true)
            values += inThisYear(value) ? 1 : 0
          }
        }
      }
    }
    const d1 = (database: D1Database) => async (query: string) =>
      (await database.prepare(query).all<Record<string, unknown>>()).results
    await look(d1(env.DB))
    await look(d1(env.SEARCH))
    for (const stub of [mailbox(config), conversation(siteId, one!.conversation.id)])
      await look(query =>
        runInDurableObject(stub, (_, state) =>
          state.storage.sql.exec<Record<string, SqlStorageValue>>(query).toArray(),
        ),
      )
    expect(values).toBeGreaterThan(30)
  })
})

describe('lives and time', () => {
  it('O5 reading is split: torn down in the middle of a chunk, it is taken up one by one, and each mail comes once', async () => {
    const { config, headers, address } = await connected({ mode: 'off' })
    // As a life leaves it that was ended while it read the first chunk: the runtime does so where a turn takes too much time.
    await runInDurableObject(mailbox(config), (_, state) => {
      state.storage.sql.exec(`INSERT INTO meta VALUES ('reading', '{"ids":[],"times":1}')`)
    })
    const claimed: number[] = []
    const { batch } = env.DB
    env.DB.batch = (async (statements: D1PreparedStatement[]) => {
      const results = await batch.call(env.DB, statements)
      const last = results.at(-1)?.results as { contentKey?: string }[] | undefined
      if (last?.[0]?.contentKey) claimed.push(last.length)
      return results
    }) as typeof batch
    try {
      await received(
        config,
        Array.from({ length: 80 }, (_, n) => mail({ to: address, subject: `Split ${n}` })),
      )
    } finally {
      env.DB.batch = batch
    }
    const titles = (await conversationsOf(headers)).map(one => one.conversation.title)
    expect(titles.toSorted()).toEqual(Array.from({ length: 80 }, (_, n) => `Split ${n}`).toSorted())
    // First alone, since one of them may be what takes too long; then together, never more than a chunk.
    expect(claimed).toEqual([...Array.from({ length: 24 }, () => 1), 24, 24, 8])
  }, 60_000)

  /** What a step asks of D1 or R2, where it is held for good: the object is at that step when it is torn down. */
  type Asked = { does: 'put' | 'get'; key: string } | { does: 'batch'; sql: string }
  const is = (does: Asked['does'], what: string) => (asked: Asked) =>
    asked.does === does && ('key' in asked ? asked.key.startsWith(what) : asked.sql.includes(what))

  /** Holds the first call of this kind, before it is made or when it is done, and says when one is held. */
  function holding(kind: (asked: Asked) => boolean, when: 'before' | 'after') {
    const { put, get } = env.MAIL
    const { prepare, batch, withSession } = env.DB
    sessionsToo()
    const queries = new WeakMap<D1PreparedStatement, string>()
    const seen = { held: false }
    const held = async <T>(asked: Asked, call: () => Promise<T>): Promise<T> => {
      const first = !seen.held && kind(asked)
      if (first && when === 'before') seen.held = true
      const done = seen.held && first ? null : await call()
      if (first) seen.held = true
      return first ? new Promise<T>(() => {}) : (done as T)
    }
    const noted = (statement: D1PreparedStatement, query: string): D1PreparedStatement => {
      const bind = statement.bind.bind(statement)
      statement.bind = (...values: unknown[]) => noted(bind(...values), query)
      queries.set(statement, query)
      return statement
    }
    Object.assign(env.MAIL, {
      put: (...given: Parameters<typeof put>) =>
        held({ does: 'put', key: given[0] }, () => put.apply(env.MAIL, given)),
      get: (key: string) => held({ does: 'get', key }, () => get.call(env.MAIL, key)),
    })
    Object.assign(env.DB, {
      prepare: (query: string) => noted(prepare.call(env.DB, query), query),
      batch: (all: D1PreparedStatement[]) =>
        held({ does: 'batch', sql: all.map(one => queries.get(one)).join(';') }, () =>
          batch.call(env.DB, all),
        ),
    })
    return {
      isHeld: () => seen.held,
      letGo: () => {
        Object.assign(env.MAIL, { put, get })
        Object.assign(env.DB, { prepare, batch, withSession })
      },
    }
  }

  it.each([
    ['the mail is being stored', is('put', 'raw/'), 'before'],
    ['the mail is stored, and the cursor not behind it', is('put', 'raw/'), 'after'],
    ['its place was not claimed yet', is('batch', 'INSERT INTO emails'), 'before'],
    ['its place is claimed, and its conversation not told', is('batch', 'INSERT INTO emails'), 'after'],
    ['its conversation has it, and D1 no copy', is('batch', 'INSERT INTO conversations'), 'before'],
    ['the answer is made, and its mail not', is('put', 'out/'), 'before'],
    ['its mail is made, and not queued', is('put', 'out/'), 'after'],
    ['it is about to be handed over', is('get', 'out/'), 'before'],
  ] as const)('O6 torn down while %s: not lost and not twice', async (_, kind, when) => {
    const { siteId, config, headers, address } = await connected()
    const from = customer()
    const step = holding(kind, when)
    try {
      await arrives(address, [mail({ from, to: address })])
      await mailbox(config).tick(changed(config))
      await until(async () => step.isHeld())
      expect(await inboxOf(from).catch(() => [])).toEqual([])
      await abortAllDurableObjects()
    } finally {
      step.letGo()
    }
    await sync(config)
    const one = await until(async () => (await conversationsOf(headers))[0])
    const stub = conversation(siteId, one.conversation.id)
    // As when the fifteen seconds of a lease are over.
    await runInDurableObject(stub, (_, state) => {
      state.storage.sql.exec('UPDATE effects SET lease_until = 1')
    })
    await until(async () => {
      await runDurableObjectAlarm(stub)
      return (await read(siteId, one.conversation.id)).messages[1]?.delivery?.status === 'sent'
    }, 20_000)
    await sync(config)
    expect((await conversationsOf(headers)).map(({ messages }) => messages.length)).toEqual([2])
    expect(await inboxOf(from)).toHaveLength(1)
  })

  it('H4 a crash after the server’s 250 and before we wrote it down: uncertain, and not sent again by itself', async () => {
    const { siteId, config, headers, address } = await connected()
    const from = customer()
    await arrives(address, [mail({ from, to: address })])
    await sync(config)
    await until(async () => (await inboxOf(from)).length === 1)
    const [one] = await conversationsOf(headers)
    const { id } = one!.messages[1]!
    // What is on disk where the object ends between the 250 and the row.
    await runInDurableObject(mailbox(config), (_, state) => {
      state.storage.sql.exec(
        `UPDATE outbox SET phase = 'leaving', told = NULL, due_at = NULL WHERE id = ?`,
        id,
      )
    })
    await runInDurableObject(conversation(siteId, one!.conversation.id), (_, state) => {
      const row = state.storage.sql
        .exec<{ message: string }>('SELECT message FROM messages WHERE id = ?', id)
        .one()
      const message = JSON.parse(row.message)
      message.delivery = { status: 'leaving', problem: null, at: message.delivery.at }
      state.storage.sql.exec('UPDATE messages SET message = ? WHERE id = ?', JSON.stringify(message), id)
    })
    await abortAllDurableObjects()
    for (let times = 0; times < 3; times++) await sync(config)
    await until(
      async () => (await read(siteId, one!.conversation.id)).messages[1]!.delivery!.status === 'uncertain',
    )
    expect(await inboxOf(from)).toHaveLength(1)
  })
})

/** Six at once, as the platform has it for a request, here for all objects together: a seventh waits until one has its answer. */
async function withSixConnections(run: () => Promise<void>): Promise<{ most: number; waited: number }> {
  const waiting: (() => void)[] = []
  const seen = { most: 0, waited: 0 }
  let open = 0
  const inTurn = async <T>(call: () => Promise<T>): Promise<T> => {
    if (open >= 6) {
      seen.waited++
      await new Promise<void>(resolve => waiting.push(resolve))
    }
    open++
    seen.most = Math.max(seen.most, open)
    try {
      return await call()
    } finally {
      open--
      waiting.shift()?.()
    }
  }
  const bucket = env.MAIL
  const real = {
    get: bucket.get,
    put: bucket.put,
    head: bucket.head,
    list: bucket.list,
    delete: bucket.delete,
  }
  const limited = Object.entries(real).map(([name, method]) => [
    name,
    (...given: unknown[]) =>
      inTurn(() => (method as (...given: unknown[]) => Promise<unknown>).apply(bucket, given)),
  ])
  const { fetch } = globalThis
  Object.assign(bucket, Object.fromEntries(limited))
  globalThis.fetch = ((...given: Parameters<typeof fetch>) =>
    String(given[0]).startsWith(env.BRIDGE_URL)
      ? inTurn(() => fetch(...given))
      : fetch(...given)) as typeof fetch
  try {
    await run()
  } finally {
    Object.assign(bucket, real)
    globalThis.fetch = fetch
  }
  return seen
}

describe('connections', () => {
  const line = `${'QUJD'.repeat(19)}\r\n`
  const withFiles = (to: string, subject: string, files: number, bytes: number) =>
    mail({
      ...{ to, subject, headers: ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b'] },
      text: `--b\r\nContent-Type: text/plain\r\n\r\nSee the files.\r\n${Array.from(
        { length: files },
        (_, n) =>
          `--b\r\nContent-Type: application/pdf; name=${n}.pdf\r\nContent-Disposition: attachment; filename=${n}.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n${line.repeat(Math.ceil(bytes / line.length))}`,
      ).join('')}--b--`,
    })

  it('O7 with six of them a chunk of mails with files comes through whole, and so do two whose files come one by one', async () => {
    const { headers, config, address } = await connected({ mode: 'off' })
    await arrives(address, [
      ...Array.from({ length: 24 }, (_, n) => withFiles(address, `Small ${n}`, 5, 2_000)),
      // Above ten megabytes the text comes first, and the files one by one through the bridge.
      ...[1, 2].map(n => withFiles(address, `Large ${n}`, 9, 1_250_000)),
    ])
    const { most, waited } = await withSixConnections(async () => {
      await sync(config, 60_000)
    })
    expect(most).toBe(6)
    expect(waited).toBeGreaterThan(20)
    const all = await conversationsOf(headers)
    expect(all).toHaveLength(26)
    for (const { messages } of all) {
      const [message] = messages
      expect(message!.content).toContain('See the files.')
      expect(message!.flags).toEqual([])
      for (const file of message!.attachments) {
        const answer = await exports.default.fetch(file.file, { headers })
        expect((await answer.arrayBuffer()).byteLength).toBe(file.size)
        expect(file.size).toBeGreaterThan(1_000)
      }
    }
    expect(all.flatMap(one => one.messages[0]!.attachments)).toHaveLength(24 * 5 + 2 * 9)
  }, 120_000)
})
