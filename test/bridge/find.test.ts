/** Where a mail lies, in whatever folder; and what lies before a cursor, by days. On Dovecot, and on a server that says what we tell it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { FoundMail, ScannedMail } from '../../bridge/wire.ts'
import { type MailServers, startMailServers } from '../servers/mail-servers.ts'
import { accountOf, type BridgeProcess, buildBridge, mailOf, startBridgeProcess } from './bridge-process.ts'
import { type ScriptedImap, startScriptedImap } from './scripted-imap.ts'

let servers: MailServers
let bridge: BridgeProcess
const scripted: ScriptedImap[] = []

beforeAll(async () => {
  buildBridge()
  servers = await startMailServers()
  bridge = await startBridgeProcess({ NODE_EXTRA_CA_CERTS: servers.ca })
})
afterAll(async () => {
  await bridge?.stop()
  await servers?.stop()
})
afterEach(async () => {
  for (const server of scripted.splice(0)) await server.stop()
})

const account = (user: string) => accountOf(servers, user)
const DAY = 24 * 60 * 60_000
/** Whole seconds, as INTERNALDATE has them. */
const now = Math.floor(Date.now() / 1000) * 1000

function letter(about: { from?: string; id?: string; subject?: string }): Buffer {
  const { from = 'a@customer.test', id = '<x@customer.test>', subject = 'S' } = about
  return Buffer.from(
    `From: ${from}\r\nTo: b@demo.test\r\nSubject: ${subject}\r\nMessage-ID: ${id}\r\n\r\nHello.\r\n`,
  )
}

const put = (user: string, folder: string, raw: Buffer, internalDate: number) =>
  bridge.ask('/append', {
    account: account(user),
    ...{ folder, raw: raw.toString('base64'), flags: [], internalDate },
  })

type Answer = { found: FoundMail[]; unsearched: string[] }
const find = (user: string, about: Record<string, unknown>) =>
  bridge.ask<Answer>('/find', { account: account(user), limit: 50, ...about })
const places = ({ found }: Answer) => found.map(mail => `${mail.folder} ${mail.uid}`)

describe('find', () => {
  const plain = (port: number) => ({
    ...{ host: '127.0.0.1', port, security: 'plain', user: 'u@x.test', password: 'p' },
  })

  it('FD1 by its Message-ID a mail is found in every folder it lies in, Junk and Trash too, the newest first', async () => {
    const user = 'fd1@demo.test'
    const sought = letter({ id: '<Sought.1@customer.test>' })
    await servers.deliverFiles(user, [letter({}), sought], { internalDate: new Date(now - 3 * DAY) })
    await put(user, 'Junk', sought, now - DAY)
    await put(user, 'Trash', sought, now - 2 * DAY)
    await put(user, 'Sent', letter({ id: '<another@demo.test>' }), now)
    const whole = await find(user, { messageId: '<Sought.1@customer.test>' })
    expect(places(whole)).toEqual(['Junk 1', 'Trash 1', 'INBOX 2'])
    expect(whole.unsearched).toEqual([])
    expect(whole.found[0]).toMatchObject({
      use: '\\Junk',
      internalDate: now - DAY,
      size: sought.length,
      headers: expect.stringContaining('Message-ID: <Sought.1@customer.test>'),
    })
    const opened = await bridge.fetch({ account: account(user), folder: 'Junk', nextUid: null })
    expect(whole.found[0]!.uidValidity).toBe(opened.opened.uidValidity)
    // Bare, and in another case.
    expect(places(await find(user, { messageId: 'sought.1@customer.test' }))).toHaveLength(3)
    expect(await find(user, { messageId: '<nobody@customer.test>' })).toEqual({ found: [], unsearched: [] })
  })

  it('FD2 by its writer, as many as asked for, the newest of each folder', async () => {
    const user = 'fd2@demo.test'
    const anna = (n: number) => letter({ from: 'Anna <anna@customer.test>', id: `<a${n}@customer.test>` })
    await servers.deliverFiles(user, [anna(1), letter({}), anna(2)], { internalDate: new Date(now - DAY) })
    await put(user, 'Junk', anna(3), now - 3 * DAY)
    await put(user, 'Drafts', anna(4), now)
    expect(places(await find(user, { from: 'anna@customer.test' }))).toEqual([
      'Drafts 1',
      'INBOX 3',
      'INBOX 1',
      'Junk 1',
    ])
    expect(places(await find(user, { from: 'ANNA@customer.test', limit: 2 }))).toEqual([
      'Drafts 1',
      'INBOX 3',
    ])
  })

  it('FD3 what is sought is data: letters of the world, quotes, backslashes and IMAP itself find what they say', async () => {
    const user = 'fd3@demo.test'
    const odd = [
      'münchen@customer.test',
      '"quoted" <q@customer.test>',
      '"a)(b" <parens@customer.test>',
      '測試 <測試@例子.test>',
      '"x\\" UID 1:* OR FROM \\"" <injected@customer.test>',
      '{7+} <literal@customer.test>',
      'NIL <nil@customer.test>',
    ]
    const ids = odd.map((from, n) => `${n}.${from.replaceAll(/[<>]/g, '')}`)
    await servers.deliverFiles(
      user,
      odd.map((from, n) => letter({ from, id: `<${ids[n]}>` })),
    )
    for (const [n, from] of odd.entries()) {
      const [, address] = /([^\s<]+@[^\s>]+)/.exec(from)!
      expect(places(await find(user, { from: address })), from).toEqual([`INBOX ${n + 1}`])
      expect(places(await find(user, { messageId: ids[n] })), from).toEqual([`INBOX ${n + 1}`])
    }
    for (const from of ['x\\" UID 1:* OR FROM "', '" ALL', '{7+}', '(ALL)', '\\Seen'])
      expect(places(await find(user, { from })).length, from).toBeLessThanOrEqual(1)
    for (const from of ['x\r\nA1 LOGOUT', 'x\u0000y'])
      await expect(find(user, { from })).rejects.toThrow('bad_request')
  })

  it('FD4 folders are left as they were: no flag is set by looking', async () => {
    const user = 'fd4@demo.test'
    await servers.deliverFiles(user, [letter({})])
    expect(places(await find(user, { from: 'a@customer.test' }))).toEqual(['INBOX 1'])
    const after = await bridge.fetch({ account: account(user) })
    expect(after.mails[0]!.flags).not.toContain('\\Seen')
  })

  it('FD5 folders that only show again what lies elsewhere come last, without what was found before', async () => {
    const head = (id: string) => `Message-ID: <${id}@x.test>\r\nFrom: a@x.test\r\n\r\n`
    const fetched = (uid: number, id: string) =>
      `* ${uid} FETCH (UID ${uid} RFC822.SIZE 100 INTERNALDATE "0${uid}-Nov-2026 10:00:00 +0000" BODY[HEADER.FIELDS (MESSAGE-ID FROM DATE SUBJECT)] {${head(id).length}}`
    const all: [number, string][] = [
      [1, 'one'],
      [2, 'archived'],
      [3, 'two'],
    ]
    let open = ''
    const server = await startScriptedImap({
      capabilities: 'IMAP4rev1 SPECIAL-USE',
      on: [
        [/^LIST "" ""/i, ['* LIST (\\Noselect) "/" ""', '$ OK done']],
        [
          /^(LIST|LSUB)/i,
          [
            '* LIST (\\All) "/" "[G]/All"',
            '* LIST () "/" INBOX',
            '* LIST () "/" Refused',
            '* LIST (\\Noselect) "/" "[G]"',
            '$ OK done',
          ],
        ],
        [/^(SELECT|EXAMINE) Refused/i, ['$ NO not today']],
        [
          /^(SELECT|EXAMINE)/i,
          command => {
            open = /All/.test(command) ? 'all' : 'inbox'
            return ['* 3 EXISTS', '* OK [UIDVALIDITY 7] ok', '* OK [UIDNEXT 9] ok', '$ OK [READ-ONLY] done']
          },
        ],
        [
          /^UID SEARCH/i,
          () => (open === 'all' ? ['* SEARCH 1 2 3', '$ OK done'] : ['* SEARCH 1 3', '$ OK done']),
        ],
        [
          /^UID FETCH/i,
          () => [
            ...all
              .filter(([uid]) => open === 'all' || uid !== 2)
              .flatMap(([uid, id]) => `${fetched(uid, id)}\r\n${head(id)})`.split('\r\n')),
            '$ OK done',
          ],
        ],
      ],
    })
    scripted.push(server)
    const { found, unsearched } = await bridge.ask<Answer>('/find', {
      account: plain(server.port),
      from: 'a@x.test',
      limit: 50,
    })
    expect(found.map(mail => `${mail.folder} ${mail.uid} ${mail.use}`)).toEqual([
      'INBOX 3 \\Inbox',
      '[G]/All 2 \\All',
      'INBOX 1 \\Inbox',
    ])
    expect(unsearched).toEqual(['Refused'])
  })

  it('FD7 of more than fifty folders those with a use come first, and what was left out is named', async () => {
    const names = Array.from({ length: 60 }, (_, n) => `F${n}`)
    const server = await startScriptedImap({
      capabilities: 'IMAP4rev1 SPECIAL-USE',
      on: [
        [/^LIST "" ""/i, ['* LIST (\\Noselect) "/" ""', '$ OK done']],
        [
          /^(LIST|LSUB)/i,
          [
            ...names.map(name => `* LIST () "/" ${name}`),
            '* LIST () "/" INBOX',
            '* LIST (\\Junk) "/" Spam',
            '$ OK done',
          ],
        ],
      ],
    })
    scripted.push(server)
    const asked = { account: plain(server.port), from: 'a@x.test', limit: 5 }
    const { unsearched } = await bridge.ask<Answer>('/find', asked)
    expect(unsearched).toHaveLength(12)
    expect(unsearched).not.toContain('INBOX')
    expect(unsearched).not.toContain('Spam')
  })

  it('FD7 a line that dies on the way is told as that, and not as folders that were refused', async () => {
    const server = await startScriptedImap({ on: [[/^UID SEARCH/i, [null]]] })
    scripted.push(server)
    const asked = { account: plain(server.port), from: 'a@x.test', limit: 5 }
    await expect(bridge.ask('/find', asked)).rejects.toThrow('unreachable')
  })

  it.each([
    ['nothing sought', {}, 'messageId'],
    ['two things sought', { messageId: '<a@b>', from: 'a@b' }, 'messageId'],
    ['an empty id', { messageId: '' }, 'messageId'],
    ['no text', { from: 7 }, 'from'],
    ['too many', { from: 'a@b', limit: 51 }, 'limit'],
    ['none', { from: 'a@b', limit: 0 }, 'limit'],
    ['an unknown field', { from: 'a@b', folder: 'INBOX' }, 'folder'],
  ])('FD6 %s is refused by name', async (_, about, field) => {
    await expect(find('fd6@demo.test', about)).rejects.toThrow(`bad_request: "${field}"`)
  })
})

describe('scan by days', () => {
  type Scanned = { mails: ScannedMail[]; more: boolean; through: number; opened: { uidValidity: number } }
  const scan = async (user: string, about: Record<string, unknown>) => {
    const born = await bridge.fetch({ account: account(user), nextUid: null })
    const { uidValidity } = born.opened
    return bridge.ask<Scanned>('/scan', {
      account: account(user),
      ...{ folder: 'INBOX', uidValidity, nextUid: 1, ...about },
    })
  }

  it('HI1 since a moment, to the second, whatever the day is elsewhere; up to a UID', async () => {
    const user = 'hi1@demo.test'
    const at = [-40 * DAY, -30 * DAY - 1000, -30 * DAY, -DAY, 0]
    for (const [n, when] of at.entries())
      await servers.deliverFiles(user, [mailOf(`n${n}`)], { internalDate: new Date(now + when) })
    const uids = (one: Scanned) => one.mails.map(mail => mail.uid)
    const days = await scan(user, { since: now - 30 * DAY })
    expect(uids(days)).toEqual([3, 4, 5])
    expect(days).toMatchObject({ more: false, through: 5 })
    const below = await scan(user, { since: now - 30 * DAY, untilUid: 4 })
    expect(uids(below)).toEqual([3, 4])
    expect(below.through).toBe(4)
    expect(uids(await scan(user, { untilUid: 2 }))).toEqual([1, 2])
    expect(await scan(user, { nextUid: 3, untilUid: 2 })).toMatchObject({
      mails: [],
      more: false,
      through: 2,
    })
    expect(uids(await scan(user, { since: now + DAY }))).toEqual([])
  })

  it('HI1 a page in which nothing is of those days still says how far it looked', async () => {
    const user = 'hi1b@demo.test'
    // Of the day before, so that the server names them, and not of the last hour.
    await servers.deliverFiles(
      user,
      Array.from({ length: 600 }, (_, n) => mailOf(`old${n}`)),
      { internalDate: new Date(now - 2 * 60 * 60_000) },
    )
    await servers.deliverFiles(user, [mailOf('new')], { internalDate: new Date(now) })
    const first = await scan(user, { since: now - 60 * 60_000 })
    expect(first).toMatchObject({ mails: [], more: true, through: 500 })
    const second = await scan(user, { since: now - 60 * 60_000, nextUid: first.through + 1 })
    expect(second.mails.map(mail => mail.uid)).toEqual([601])
    expect(second).toMatchObject({ more: false, through: 601 })
  })

  it.each([
    ['untilUid', -1],
    ['untilUid', 2 ** 32],
    ['untilUid', '7'],
    ['since', -1],
    ['since', 1.5],
  ])('HI1 %s that is %s is refused by name', async (field, value) => {
    await expect(scan('hi1@demo.test', { [field]: value })).rejects.toThrow(`bad_request: "${field}"`)
  })
})
