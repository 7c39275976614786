/** Mail from before the connection, imported because somebody asked for it: on Dovecot, by the API. */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'
import { type Frame, frameHead, type ScannedMail } from '../../bridge/wire.ts'
import { begun } from '../../src/domain/history.ts'
import { type Imap, imap } from '../../src/mail/imap.ts'
import { History, importPage } from '../../src/mailbox/history.ts'
import { HISTORY, Records } from '../../src/mailbox/records.ts'
import type { MailboxConfig } from '../../src/store/inboxes.ts'
import { assistant, inbox, site, testMail } from './cast.ts'
import { arrives, changed, control, inboxOf, mail, mailbox, sync, until } from './mail.ts'
import { asking, member } from './staff.ts'

// Hundreds of mails go their whole way here.
vi.setConfig({ testTimeout: 120_000 })

const DAY = 24 * 60 * 60_000
let people = 0
const customer = () => `h${++people}.${Date.now()}@customer.test`

async function office(about: Parameters<typeof inbox>[1] = {}) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId, { assistantId: await assistant(siteId), ...about })
  const ask = asking(headers)
  const path = `/inboxes/${config.inboxId}/history`
  return {
    ...{ siteId, headers, config, address: config.address },
    begin: (body?: Record<string, unknown>) => ask('POST', path, body),
    show: async () => (await ask('GET', path)).json,
    stop: async () => (await ask('DELETE', path)).json,
    ended: (ms = 60_000) =>
      until(async () => {
        const { json } = await ask('GET', path)
        return json.state !== 'running' && json
      }, ms),
  }
}

/** Old mails, `count` of them, each by its number, come `days` ago. */
const old = (address: string, from: number, count: number, days: number) =>
  arrives(
    address,
    Array.from({ length: count }, (_, n) =>
      mail({
        ...{ to: address, from: `old${(from + n) % 50}@customer.test`, subject: `Old ${from + n}` },
        ...{ messageId: `<old.${from + n}.${address}>`, text: 'How do I get a refund?' },
        date: new Date(Date.now() - days * DAY).toUTCString(),
      }),
    ),
    Date.now() - days * DAY,
  )

/** The subjects of what stands in this site's conversations, and who wrote it. */
async function messages(siteId: string) {
  const { results } = await env.DB.prepare('SELECT direction, details FROM messages WHERE site_id = ?')
    .bind(siteId)
    .all<{ direction: string; details: string }>()
  return results.map(row => ({ type: row.direction, subject: JSON.parse(row.details).subject as string }))
}

const look = <T>(config: MailboxConfig, what: (sql: SqlStorage) => T) =>
  runInDurableObject(mailbox(config), (_, state) => what(state.storage.sql))
const rows = (config: MailboxConfig) =>
  look(config, sql =>
    sql
      .exec<{ uid: number; internal_date: number; old_before: number | null; rfc_id: string }>(
        'SELECT uid, internal_date, old_before, rfc_id FROM mails ORDER BY internal_date, uid',
      )
      .toArray(),
  )

describe('an import', () => {
  it('HI3 A4 3,000 old mails: of thirty days the newest thousand, each once, torn down twice on the way; no mail is sent, and new mail is answered meanwhile', async () => {
    const { siteId, config, address, begin, show, ended } = await office()
    await old(address, 0, 1800, 60)
    // In another order than their dates: a mail that somebody moved in has a high UID.
    for (const n of [3, 0, 5, 1, 4, 2]) await old(address, 1800 + n * 200, 200, 25 - 4 * n)
    await sync(config)
    const begun = await begin({ limit: 1000 })
    expect(begun.status).toBe(202)
    expect(begun.json).toMatchObject({ state: 'running', folder: 'INBOX', limit: 1000, imported: 0 })
    const progress = async (least: number) =>
      until(async () => (await show()).imported >= least && (await show()), 60_000)
    const first = await progress(200)
    expect(first.imported).toBeLessThan(1000)
    // Torn down in the middle, as a crash does it; and once more, as an update does it.
    await runInDurableObject(mailbox(config), (_, state) => state.abort()).catch(() => {})
    const alice = customer()
    await arrives(address, [mail({ from: alice, to: address, subject: 'New' })])
    await mailbox(config).news()
    expect(await progress(500)).toMatchObject({ state: 'running' })
    await evictDurableObject(mailbox(config))
    await mailbox(config).tick(config)
    const done = await ended(90_000)
    expect(done).toMatchObject({ state: 'done', found: 1200, imported: 1000, skipped: 0, reason: null })
    expect(Number(done.since)).toBeGreaterThan(Date.now() - 31 * DAY)
    await until(async () => (await mailbox(config).status())!.owed === 0, 60_000)
    await until(async () => (await inboxOf(alice)).length === 1)
    // The newest thousand: all but those of the first two hundred, 25 days ago.
    const numbers = (await messages(siteId))
      .flatMap(({ type, subject }) => (type === 'incoming' && subject.startsWith('Old') ? [subject] : []))
      .map(subject => Number(subject.split(' ')[1]))
    expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, n) => 2000 + n))
    const out = (await messages(siteId)).filter(({ type }) => type === 'outgoing')
    expect(out).toEqual([{ type: 'outgoing', subject: 'Re: New' }])
    const left = await look(config, sql => sql.exec('SELECT 1 FROM outbox').toArray().length)
    expect(left).toBe(1)
    const stored = (await rows(config)).filter(row => row.rfc_id.startsWith('old.'))
    expect(stored.every(row => row.old_before === HISTORY)).toBe(true)
    // Asked for again, all of it is here.
    await begin({ limit: 1000 })
    expect(await ended()).toMatchObject({ state: 'done', found: 1200, imported: 0, skipped: 1000 })
    expect((await messages(siteId)).length).toBe(1002)
  }, 240_000)

  it('HI2 the oldest first, whatever their positions, so that a conversation reads right', async () => {
    const { siteId, config, address, begin, ended } = await office({ assistantId: null })
    const letter = (n: number, cites?: number) =>
      mail({
        ...{ to: address, subject: `Letter ${n}`, messageId: `<l${n}.${address}>` },
        headers: cites === undefined ? [] : [`In-Reply-To: <l${cites}.${address}>`],
      })
    await arrives(address, [letter(3, 2)], Date.now() - DAY)
    await arrives(address, [letter(1)], Date.now() - 3 * DAY)
    await arrives(address, [letter(2, 1)], Date.now() - 2 * DAY)
    await sync(config)
    await begin()
    expect(await ended()).toMatchObject({ state: 'done', found: 3, imported: 3 })
    await until(async () => (await mailbox(config).status())!.owed === 0)
    const { results } = await env.DB.prepare(
      'SELECT conversation_id AS id, position, details FROM messages WHERE site_id = ? ORDER BY position',
    )
      .bind(siteId)
      .all<{ id: string; details: string }>()
    expect(new Set(results.map(one => one.id)).size).toBe(1)
    expect(results.map(one => JSON.parse(one.details).subject)).toEqual(['Letter 1', 'Letter 2', 'Letter 3'])
  })

  it('HI2 what is here already is skipped; two mails that differ only in what they say are two', async () => {
    const { config, address, begin, ended } = await office({ assistantId: null })
    await arrives(address, [mail({ to: address, subject: 'Old' })], Date.now() - DAY)
    const date = new Date(Date.now() - 2 * DAY).toUTCString()
    const twins = ['One text', 'Two text'].map(text => mail({ to: address, messageId: null, date, text }))
    await arrives(address, twins, Date.now() - 2 * DAY)
    // A copy of a mail that comes after the connection.
    const both = mail({ to: address, subject: 'Both' })
    await arrives(address, [both], Date.now() - DAY)
    await sync(config)
    await arrives(address, [both])
    await sync(config)
    await begin({ days: 10 })
    expect(await ended()).toMatchObject({ state: 'done', found: 4, imported: 3, skipped: 1 })
    expect((await rows(config)).map(row => row.uid)).toEqual([2, 3, 1, 5])
  })

  it('HI2 of the folder of sent mail too, by its name, and its mails are as sent as the new ones', async () => {
    const { siteId, config, address, begin, ended } = await office()
    const alice = customer()
    await arrives(
      address,
      [mail({ from: alice, to: address, messageId: `<q.${address}>` })],
      Date.now() - 3 * DAY,
    )
    await imap(env).append({
      account: {
        ...{ host: testMail.host, port: testMail.imap.port, security: 'starttls' },
        ...{ user: address, password: testMail.password },
      },
      folder: 'Sent',
      raw: btoa(
        mail({
          ...{ from: address, to: alice, subject: 'Re: A question', text: 'Like this.' },
          headers: [`In-Reply-To: <q.${address}>`],
        }),
      ),
      ...{ flags: [], internalDate: Date.now() - 2 * DAY },
    })
    await sync(config)
    await begin()
    expect(await ended()).toMatchObject({ state: 'done', imported: 1 })
    const { json } = await begin({ folder: 'Sent' })
    expect(json).toMatchObject({ folder: 'Sent' })
    expect(await ended()).toMatchObject({ state: 'done', found: 1, imported: 1 })
    await until(async () => (await mailbox(config).status())!.owed === 0)
    expect(await look(config, sql => sql.exec('SELECT 1 FROM outbox').toArray())).toEqual([])
    expect(await inboxOf(alice)).toEqual([])
    expect((await messages(siteId)).length).toBe(2)
  })

  it('HI4 mails numbered anew on the way end it with a sentence; begun again, nothing is here twice', async () => {
    const { siteId, config, address, begin, show, ended } = await office({ assistantId: null })
    await old(address, 0, 700, 5)
    await sync(config)
    await begin()
    await until(async () => (await show()).imported > 0)
    await control({ do: 'uidvalidity', address })
    const failed = await ended()
    expect(failed).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('Start the import again'),
    })
    expect(failed.imported).toBeLessThan(700)
    await sync(config, 30_000)
    await begin()
    expect(await ended(60_000)).toMatchObject({ state: 'done', found: 700, skipped: failed.imported })
    await until(async () => (await mailbox(config).status())!.owed === 0, 30_000)
    const subjects = (await messages(siteId)).map(one => one.subject)
    expect(subjects).toHaveLength(700)
    expect(new Set(subjects).size).toBe(700)
  })

  it('HI5 stopped, it stops; what was imported stays', async () => {
    const { siteId, config, address, begin, show, stop } = await office({ assistantId: null })
    await old(address, 0, 600, 5)
    await sync(config)
    await begin()
    await until(async () => (await show()).imported > 0)
    expect(await stop()).toMatchObject({
      state: 'stopped',
      reason: 'It was stopped.',
      endedAt: expect.any(String),
    })
    await until(async () => {
      const status = await mailbox(config).status()
      return status!.owed === 0 && !status!.busy
    })
    const { imported } = await show()
    expect(imported).toBeLessThan(600)
    expect(await messages(siteId)).toHaveLength(imported)
    expect(await stop()).toMatchObject({ state: 'stopped', imported })
  })

  it('HI5 a paused inbox rests, its import too; switched to another account, the import ends', async () => {
    const { config, address, begin, show, ended } = await office({ assistantId: null })
    await old(address, 0, 5, 5)
    await sync(config)
    await mailbox(config).tick(changed(config, { paused: true }))
    await begin()
    await new Promise(resolve => setTimeout(resolve, 500))
    expect(await show()).toMatchObject({ state: 'running', found: 0, imported: 0 })
    await mailbox(config).tick(changed(config))
    expect(await ended()).toMatchObject({ state: 'done', imported: 5 })
    await mailbox(config).tick(changed(config, { paused: true }))
    await begin()
    const server = { ...config.settings.imap!, user: `other-${address}` }
    await mailbox(config).tick(
      changed(config, { paused: true, settings: { ...config.settings, imap: server } }),
    )
    expect(await show()).toMatchObject({
      state: 'stopped',
      reason: expect.stringContaining('another account'),
    })
  })
})

describe('by the API', () => {
  it('HI6 who may, where, and with which values; without a body it is thirty days and a thousand mails', async () => {
    const { siteId, config, address, begin, show, stop } = await office({ assistantId: null })
    expect(await show()).toEqual({
      ...{ state: 'none', folder: null, since: null, limit: null, found: 0, imported: 0, skipped: 0 },
      ...{ reason: null, startedAt: null, endedAt: null },
    })
    // Its object was never told of it.
    expect(await begin()).toMatchObject({ status: 503, json: { error: { code: 'unavailable' } } })
    await old(address, 0, 2, 5)
    await sync(config)
    for (const [body, field] of [
      [{ days: 0 }, 'days'],
      [{ days: 3651 }, 'days'],
      [{ days: 1.5 }, 'days'],
      [{ limit: 0 }, 'limit'],
      [{ limit: 10_001 }, 'limit'],
      [{ folder: 'Elsewhere' }, 'folder'],
      [{ folder: 'Junk' }, 'folder'],
      [{ folder: '' }, 'folder'],
    ] as const)
      expect(await begin(body), field).toMatchObject({
        status: 400,
        json: { error: { code: 'invalid_field', field } },
      })
    expect(await begin({ hours: 3 })).toMatchObject({
      json: { error: { code: 'unknown_field', field: 'hours' } },
    })
    const path = `/inboxes/${config.inboxId}/history`
    const agent = asking((await member(siteId, 'agent')).headers)
    const stranger = asking((await site()).headers)
    for (const method of ['POST', 'GET', 'DELETE']) {
      expect((await agent(method, path)).status).toBe(403)
      expect((await stranger(method, path)).status).toBe(404)
    }
    await mailbox(config).tick(changed(config, { paused: true }))
    const { status, json } = await begin()
    expect(status).toBe(202)
    expect(json).toMatchObject({ limit: 1000, startedAt: expect.stringMatching(/^\d{13}$/) })
    expect(Number(json.startedAt) - Number(json.since)).toBe(30 * DAY)
    expect(await begin()).toMatchObject({ status: 409, json: { error: { code: 'conflict' } } })
    await stop()
    // INBOX is the same in any case.
    expect(await begin({ folder: 'inbox' })).toMatchObject({ status: 202, json: { folder: 'INBOX' } })
  })

  it('HI6 an inbox that has no mailbox on a server has nothing to import', async () => {
    const { config, begin } = await office({ settings: { imap: null } })
    await sync(config)
    expect(await begin()).toMatchObject({ status: 422, json: { error: { code: 'folder_missing' } } })
  })
})

describe('with a server that is otherwise', () => {
  const stream = (...pieces: (Frame | string)[]) =>
    new Blob([
      Uint8Array.from(pieces.map(one => (typeof one === 'string' ? one : frameHead(one))).join(''), char =>
        char.charCodeAt(0),
      ),
    ]).stream()
  const opened: Frame = { kind: 'opened', length: 0, uidValidity: 7, uidNext: 99, waiting: 1 }
  const end = (more = false): Frame => ({ kind: 'end', length: 0, more })
  const frame = (uid: number, raw: string): [Frame, string] => [
    { kind: 'mail', length: raw.length, uid, size: raw.length, internalDate: uid, flags: [] },
    raw,
  ]
  const scanned = (uid: number): ScannedMail => ({
    ...{ uid, size: 100 + uid, internalDate: uid },
    headers: `Message-ID: <m${uid}@x.test>\r\nFrom: Mallory <m@x.test>\r\n`,
  })
  const letter = (uid: number) =>
    mail({ to: 'x@demo.test', subject: `Mail ${uid}`, messageId: `<m${uid}@x.test>` })

  /** A folder that was connected at UID 90, and an import of it, a step at a time. */
  async function importing(server: Partial<Imap>, limit = 1000) {
    const { siteId } = await site()
    const config = await inbox(siteId)
    await look(config, sql => {
      const records = new Records(sql)
      records.saveConfig({ ...config, paused: true })
      records.bornFolder('INBOX', 7, 90, Date.now())
      new History(sql, records).save(begun({ days: 3650, limit, folder: 'INBOX' }, Date.now()))
      sql.exec(`UPDATE meta SET value = json_set(value, '$.since', 0) WHERE key = 'history'`)
    })
    const step = () =>
      runInDurableObject(mailbox(config), (_, { storage: { sql } }) => {
        const records = new Records(sql)
        return importPage(new History(sql, records), config.settings, {
          ...{ siteId, inboxId: config.inboxId, imap: server as Imap, records, bucket: env.MAIL },
          account: { host: 'localhost', port: 1, security: 'plain', user: '', password: '' },
          ...{ justStored: new Map(), stored: async () => {}, now: () => Date.now() },
        }).catch(error => (error as { problem: { code: string } }).problem.code)
      })
    const job = () => look(config, sql => new Records(sql).historyJob()!)
    return { config, step, job }
  }
  const list =
    (...uids: number[]): Imap['scan'] =>
    async ({ nextUid, untilUid }) => ({
      opened: { uidValidity: 7, uidNext: 99 },
      mails: uids.filter(uid => uid >= nextUid && uid <= untilUid!).map(scanned),
      ...{ more: false, through: 89 },
    })

  it('HI2 A12 a mail that breaks every fetch is passed over after three times, marked; those behind it come', async () => {
    const { config, step, job } = await importing({
      scan: list(3, 4, 5),
      fetch: async ({ uids }) =>
        uids!.includes(4)
          ? stream(opened, ...(uids!.includes(3) ? frame(3, letter(3)) : []), {
              ...{ kind: 'problem', length: 0 },
              problem: { code: 'protocol', message: '…' },
            })
          : stream(opened, ...uids!.flatMap(uid => frame(uid, letter(uid))), end()),
    })
    const said = []
    for (let n = 0; n < 7; n++) said.push(await step())
    expect(said.slice(0, 2)).toEqual([true, true])
    expect(await job()).toMatchObject({ state: 'done', found: 3, imported: 3, skipped: 0 })
    const stored = await look(config, sql =>
      sql
        .exec<{ uid: number; remote: string | null }>('SELECT uid, remote FROM mails ORDER BY uid')
        .toArray(),
    )
    expect(stored.map(row => [row.uid, row.remote?.includes('notFetched') ?? false])).toEqual([
      [3, false],
      [4, true],
      [5, false],
    ])
  })

  it('HI2 mails that are gone since they were listed are not waited for', async () => {
    const { step, job } = await importing({
      scan: list(3, 4, 5),
      fetch: async () => stream(opened, ...frame(4, letter(4)), end()),
    })
    for (let n = 0; n < 4; n++) await step()
    expect(await job()).toMatchObject({ state: 'done', imported: 1, skipped: 2 })
  })

  it('HI2 a page that the server cuts short goes on where it ended', async () => {
    const asked: number[][] = []
    const { step, job } = await importing({
      scan: list(3, 4, 5),
      fetch: async ({ uids }) => {
        asked.push(uids!)
        return stream(opened, ...frame(uids![0]!, letter(uids![0]!)), end(uids!.length > 1))
      },
    })
    for (let n = 0; n < 6; n++) await step()
    expect(await job()).toMatchObject({ state: 'done', imported: 3, skipped: 0 })
    expect(asked).toEqual([[3, 4, 5], [4, 5], [5]])
  })

  it('HI2 the newest up to the limit, and nothing of what came with or after the connection', async () => {
    const fetched: number[] = []
    const { step, job } = await importing(
      {
        scan: list(3, 4, 5, 90, 91),
        fetch: async ({ uids }) => {
          fetched.push(...uids!)
          return stream(opened, ...uids!.flatMap(uid => frame(uid, letter(uid))), end())
        },
      },
      2,
    )
    for (let n = 0; n < 4; n++) await step()
    expect(await job()).toMatchObject({ state: 'done', found: 3, imported: 2 })
    expect(fetched).toEqual([4, 5])
  })

  it('HI4 a dead line is the sync’s, and the import waits; what goes on and on ends it with its reason', async () => {
    let code = 'unreachable'
    const { ImapFailure } = await import('../../src/mail/imap.ts')
    const { problem } = await import('../../src/domain/problem.ts')
    const { step, job } = await importing({
      scan: async () => {
        throw new ImapFailure(problem(code as 'protocol'))
      },
    })
    expect(await step()).toBe(true)
    for (let n = 0; n < 8; n++) expect(await step()).toBe('unreachable')
    expect(await job()).toMatchObject({ state: 'running', failures: 0 })
    code = 'protocol'
    for (let n = 0; n < 5; n++) expect(await step()).toBe(false)
    expect(await job()).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('do not understand'),
    })
    expect(await step()).toBe(false)
  })
})
