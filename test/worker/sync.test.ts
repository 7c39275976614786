/** Syncing a folder with a bridge of the test's own, for what a real server does only on a bad day. */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { type Frame, frameHead, type ScannedMail } from '../../bridge/wire.ts'
import { problem } from '../../src/domain/problem.ts'
import { type Imap, ImapFailure } from '../../src/mail/imap.ts'
import { Records } from '../../src/mailbox/records.ts'
import { syncFolder } from '../../src/mailbox/sync.ts'
import { inbox, site } from './cast.ts'
import { conversationsOf, mail, mailbox, sync, until } from './mail.ts'

function stream(...pieces: (Frame | string)[]): ReadableStream<Uint8Array> {
  const text = pieces.map(piece => (typeof piece === 'string' ? piece : frameHead(piece))).join('')
  return new Blob([Uint8Array.from(text, char => char.charCodeAt(0))]).stream()
}

const opened: Frame = { kind: 'opened', length: 0, uidValidity: 7, uidNext: 9, waiting: 3 }
const end: Frame = { kind: 'end', length: 0, more: false }
const frame = (uid: number, raw: string): [Frame, string] => [
  { kind: 'mail', length: raw.length, uid, size: raw.length, internalDate: Date.now(), flags: [] },
  raw,
]

/** A folder whose cursor stands at UID 1, and a way to sync it with what `fetch` says. */
async function folder(imap: Partial<Imap>) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId)
  await sync(config)
  const stub = mailbox(config)
  await runInDurableObject(stub, (_, state) => {
    state.storage.sql.exec('UPDATE folders SET uid_validity = 7, next_uid = 1')
  })
  const once = () =>
    runInDurableObject(stub, async (_, state) =>
      syncFolder('INBOX', {
        siteId,
        inboxId: config.inboxId,
        imap: imap as Imap,
        account: { host: 'localhost', port: 1, security: 'plain', user: '', password: '' },
        records: new Records(state.storage.sql),
        bucket: env.MAIL,
        justStored: new Map(),
        stored: async () => {},
        now: () => Date.now(),
      }).then(
        () => 'synced',
        error => (error as ImapFailure).problem.code,
      ),
    )
  const cursor = () =>
    runInDurableObject(stub, (_, state) => new Records(state.storage.sql).folder('INBOX')!.nextUid)
  return { config, headers, once, cursor }
}

it('A10 a line cut inside mail 3: what came whole is kept, and the cursor stands behind it', async () => {
  const raws = [1, 2, 3].map(n => mail({ to: 'x@demo.test', subject: `Mail ${n}` }))
  const { once, cursor } = await folder({
    fetch: async () =>
      stream(
        opened,
        ...frame(1, raws[0]!),
        ...frame(2, raws[1]!),
        frame(3, raws[2]!)[0],
        raws[2]!.slice(0, 40),
      ),
  })
  expect(await once()).toBe('unreachable')
  expect(await cursor()).toBe(3)
})

it('A10 a stream that stops after a mail, without its end, is a cut line too', async () => {
  const { once, cursor } = await folder({
    fetch: async () => stream(opened, ...frame(1, mail({ to: 'x@demo.test' }))),
  })
  expect(await once()).toBe('unreachable')
  expect(await cursor()).toBe(2)
})

it('A12 a mail that breaks every fetch is passed over after three times, marked, and the ones behind it come', async () => {
  const good = mail({ to: 'x@demo.test', subject: 'Behind' })
  const bad: ScannedMail = {
    uid: 4,
    size: 12_000_000,
    internalDate: Date.now(),
    headers: 'Subject: Broken\r\nFrom: Mallory <m@customer.test>\r\n',
  }
  const { config, headers, once, cursor } = await folder({
    fetch: async ({ nextUid }) => {
      if (nextUid! <= 4)
        return stream(opened, { kind: 'problem', length: 0, problem: { code: 'protocol', message: '…' } })
      return stream(opened, ...(nextUid === 5 ? frame(5, good) : []), end)
    },
    scan: async () => ({ opened: { uidValidity: 7, uidNext: 9 }, mails: [bad], more: false, through: 4 }),
  })
  expect([await once(), await once()]).toEqual(['protocol', 'protocol'])
  expect(await cursor()).toBe(1)
  expect(await once()).toBe('synced')
  expect(await cursor()).toBe(6)
  await mailbox(config).news()
  const all = await until(async () => {
    const found = await conversationsOf(headers)
    return found.length === 2 && found
  })
  const broken = all.find(one => one.conversation.title === 'Broken')!.messages[0]!
  expect(broken.flags).toEqual(['not_fetched', 'unreadable'])
  expect(broken.verdict).toMatchObject({ class: 'unreadable', maySend: false })
  // It is still on the server: asked for, it is fetched; this server has lost it.
  const original = await exports.default.fetch(`http://edgedesk.test${broken.original}`, { headers })
  expect(await original.json()).toMatchObject({ error: { code: 'mail_missing' } })
})

it('SY a server that is away altogether passes over nothing', async () => {
  const away = async () => {
    throw new ImapFailure(problem('unreachable'))
  }
  const { once, cursor } = await folder({ fetch: away, scan: away })
  for (let i = 0; i < 5; i++) expect(await once()).toBe('unreachable')
  expect(await cursor()).toBe(1)
})

it('A12b R2 refuses one write: the cursor does not pass it, and the next sync stores it', async () => {
  const raws = [1, 2].map(n => mail({ to: 'x@demo.test', subject: `Kept ${n}` }))
  const { config, headers, once, cursor } = await folder({
    fetch: async ({ nextUid }) =>
      stream(opened, ...(nextUid === 1 ? [...frame(1, raws[0]!), ...frame(2, raws[1]!)] : []), end),
  })
  const put = env.MAIL.put
  let refusals = 1
  env.MAIL.put = (async (...args: Parameters<typeof put>) => {
    if (refusals-- > 0) throw new Error('R2 is away')
    return put.apply(env.MAIL, args)
  }) as typeof put
  try {
    expect(await once()).toBe('storage')
    expect(await cursor()).toBe(1)
  } finally {
    env.MAIL.put = put
  }
  expect(await once()).toBe('synced')
  expect(await cursor()).toBe(3)
  await mailbox(config).news()
  await until(async () => (await conversationsOf(headers)).length === 2)
})

it('SY bad days long past do not count: a good sync between them begins anew, and a full store passes over nothing', async () => {
  const raw = mail({ to: 'x@demo.test', subject: 'Healthy' })
  const day = { bad: false }
  const broken: Frame = { kind: 'problem', length: 0, problem: { code: 'protocol', message: '…' } }
  const { headers, once, cursor, config } = await folder({
    fetch: async ({ nextUid }) =>
      day.bad ? stream(opened, broken) : stream(opened, ...(nextUid === 1 ? frame(1, raw) : []), end),
    scan: async () => ({ opened: { uidValidity: 7, uidNext: 9 }, mails: [], more: false, through: 0 }),
  })
  const put = env.MAIL.put
  env.MAIL.put = (async () => {
    throw new Error('R2 is away')
  }) as unknown as typeof put
  try {
    for (let i = 0; i < 5; i++) expect(await once()).toBe('storage')
  } finally {
    env.MAIL.put = put
  }
  day.bad = true
  expect([await once(), await once()]).toEqual(['protocol', 'protocol'])
  day.bad = false
  expect(await once()).toBe('synced')
  day.bad = true
  expect(await once()).toBe('protocol')
  expect(await cursor()).toBe(2)
  await mailbox(config).news()
  const [one] = await until(async () => {
    const found = await conversationsOf(headers)
    return found.length === 1 && found
  })
  expect(one!.messages[0]!.flags).toEqual([])
})

it('A12 in a rescan too a mail that breaks every fetch is passed over, and the ones behind it come', async () => {
  const listed = (uid: number, subject: string): ScannedMail => ({
    uid,
    size: 100 + uid,
    internalDate: Date.now(),
    headers: `Subject: ${subject}\r\nFrom: Mallory <m@customer.test>\r\n`,
  })
  const broken: Frame = { kind: 'problem', length: 0, problem: { code: 'protocol', message: '…' } }
  const { config, headers, once } = await folder({
    fetch: async ({ uids }) =>
      uids?.includes(1) || !uids
        ? stream(opened, ...(uids ? [broken] : [end]))
        : stream(
            opened,
            ...uids.flatMap(uid => frame(uid, mail({ to: 'x@demo.test', subject: `Mail ${uid}` }))),
            end,
          ),
    scan: async () => ({
      opened: { uidValidity: 7, uidNext: 3 },
      mails: [listed(1, 'Broken'), listed(2, 'Good')],
      more: false,
      through: 2,
    }),
  })
  await runInDurableObject(mailbox(config), (_, state) => {
    state.storage.sql.exec('UPDATE folders SET rescan_to = 3, rescan_good_at = 1, next_uid = 1')
  })
  expect([await once(), await once(), await once()]).toEqual(['protocol', 'protocol', 'synced'])
  await mailbox(config).news()
  const titles = await until(async () => {
    const found = await conversationsOf(headers)
    return found.length === 2 && found.map(one => one.conversation.title).toSorted()
  })
  expect(titles).toEqual(['Broken', 'Mail 2'])
})

/** The schema as it was before it had a second number. */
const FIRST_SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE folders (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, uid_validity INTEGER NOT NULL, next_uid INTEGER NOT NULL,
    connected_at INTEGER NOT NULL, synced_at INTEGER NOT NULL, rescan_to INTEGER, rescan_good_at INTEGER,
    stuck_uid INTEGER, stuck_times INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE mails (
    id TEXT PRIMARY KEY, folder_id INTEGER NOT NULL, uid_validity INTEGER NOT NULL, uid INTEGER NOT NULL, size INTEGER NOT NULL,
    internal_date INTEGER NOT NULL, fetched_at INTEGER NOT NULL, sha TEXT NOT NULL, header_key TEXT NOT NULL,
    extent TEXT NOT NULL, remote TEXT, old_before INTEGER, status TEXT NOT NULL, attempts INTEGER NOT NULL, due_at INTEGER,
    message_id TEXT, conversation_id TEXT, problem TEXT
  ) WITHOUT ROWID;
  CREATE INDEX mails_owed ON mails (due_at, uid) WHERE due_at IS NOT NULL;
  CREATE INDEX mails_by_header ON mails (header_key);
  CREATE TABLE outbox (
    id TEXT PRIMARY KEY, mail TEXT NOT NULL, raw_key TEXT NOT NULL, phase TEXT NOT NULL, attempts INTEGER NOT NULL,
    queued_at INTEGER NOT NULL, due_at INTEGER, problem TEXT, told TEXT
  ) WITHOUT ROWID;
  CREATE INDEX outbox_owed ON outbox (due_at) WHERE due_at IS NOT NULL;
  CREATE TABLE departures (outbox_id TEXT PRIMARY KEY, at INTEGER NOT NULL, recipient TEXT NOT NULL, thread TEXT NOT NULL) WITHOUT ROWID;
  CREATE INDEX departures_at ON departures (at);
  INSERT INTO meta VALUES ('schema', '1');
`

it('SY4 an object of the first schema is brought up when it is next used, and goes on where it stood', async () => {
  const { siteId, headers } = await site()
  const config = await inbox(siteId)
  const stub = mailbox(config)
  const out = {
    to: { name: '', address: 'Bob@Customer.test' },
    rfcId: '<out.1@demo.test>',
    conversationId: 'c',
  }
  await runInDurableObject(stub, (_, { storage: { sql } }) => {
    sql.exec(FIRST_SCHEMA)
    // Settings of that time did not know of sent mail.
    const { watchSent: _sent, ownLists: _lists, ...settings } = config.settings
    sql.exec(`INSERT INTO meta VALUES ('config', ?)`, JSON.stringify({ ...config, settings, paused: true }))
    sql.exec(
      `INSERT INTO folders (path, uid_validity, next_uid, connected_at, synced_at) VALUES ('INBOX', 1, 5, 9, 9)`,
    )
    sql.exec(
      `INSERT INTO mails VALUES ('1-1-4', 1, 1, 4, 100, 9, 9, '', 'h', 'whole', NULL, NULL, 'delivered', 0, NULL, 'm', 'c', NULL)`,
    )
    sql.exec(
      `INSERT INTO outbox VALUES ('o', ?, 'k', 'uncertain', 1, 9, NULL, NULL, 'uncertain')`,
      JSON.stringify(out),
    )
  })
  await evictDurableObject(stub)
  expect(await stub.status()).toMatchObject({ mails: 1, owed: 0 })
  const seen = await runInDurableObject(stub, (_, { storage: { sql } }) => {
    const records = new Records(sql)
    return {
      schema: sql.exec<{ value: string }>(`SELECT value FROM meta WHERE key = 'schema'`).one().value,
      settings: records.config()!.settings,
      folder: records.folder('INBOX'),
      mail: records.mail('1-1-4'),
      named: records.uncertainNamed('out.1@demo.test')?.id,
      to: records.outboxNamed({ address: 'bob@customer.test' }, 5).map(row => [row.id, row.again]),
    }
  })
  expect(seen).toMatchObject({
    schema: '2',
    settings: { watchSent: true, ownLists: [] },
    folder: { nextUid: 5, sent: false, bornUid: null },
    mail: { rfcId: null, writer: null, status: 'delivered', conversationId: 'c' },
    named: 'o',
    to: [['o', false]],
  })
  // Brought up once: the next life finds nothing to do, and the mailbox works.
  await evictDurableObject(stub)
  await sync(config)
  expect(await conversationsOf(headers)).toEqual([])
})

it('SY4 AC6 an object that nobody connected has no tables, also when it is looked at', async () => {
  const stub = env.MAILBOX.getByName('no-site/no-inbox')
  expect(await stub.status()).toBeNull()
  expect(await stub.history()).toMatchObject({ state: 'none', found: 0 })
  expect(await stub.find({ address: 'a@x.test' })).toEqual({ mails: [], server: [], unsearched: [], out: [] })
  expect([await stub.sendAgain('x'), await stub.settle('x', 'sent')]).toEqual([false, false])
  const tables = await runInDurableObject(stub, (_, state) =>
    state.storage.sql
      .exec(`SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'`)
      .toArray(),
  )
  expect(tables).toEqual([])
})

it('SY5 a mail is stored with its Message-ID and its writer, also where only its headers came', async () => {
  const raw = mail({
    to: 'x@demo.test',
    from: '=?UTF-8?B?QW5uYQ==?= <Anna@Customer.Test>',
    messageId: '<a b@customer.test>',
  })
  const bad: ScannedMail = {
    ...{ uid: 4, size: 12_000_000, internalDate: Date.now() },
    headers: 'Message-ID:\r\n <bad@customer.test>\r\nFrom: "Mallory, m@other.test" <M@customer.test>\r\n',
  }
  const broken: Frame = { kind: 'problem', length: 0, problem: { code: 'protocol', message: '…' } }
  const { config, once } = await folder({
    fetch: async ({ nextUid }) =>
      nextUid! < 2
        ? stream(opened, ...frame(1, raw), end)
        : nextUid! <= 4
          ? stream(opened, broken)
          : stream(opened, end),
    scan: async () => ({ opened: { uidValidity: 7, uidNext: 9 }, mails: [bad], more: false, through: 4 }),
  })
  for (let i = 0; i < 4; i++) await once()
  const names = await runInDurableObject(mailbox(config), (_, state) =>
    state.storage.sql.exec('SELECT uid, rfc_id, writer FROM mails ORDER BY uid').toArray(),
  )
  expect(names).toEqual([
    { uid: 1, rfc_id: 'ab@customer.test', writer: 'anna@customer.test' },
    { uid: 4, rfc_id: 'bad@customer.test', writer: 'm@customer.test' },
  ])
})
