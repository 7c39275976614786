import { chownSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MailServers, startMailServers } from '../servers/mail-servers.ts'
import { startProxy, type TcpProxy } from '../servers/proxy.ts'
import {
  accountOf,
  type BridgeProcess,
  buildBridge,
  collect,
  FETCH,
  mailOf,
  startBridgeProcess,
} from './bridge-process.ts'

let servers: MailServers
let bridge: BridgeProcess
let proxy: TcpProxy

beforeAll(async () => {
  buildBridge()
  servers = await startMailServers()
  bridge = await startBridgeProcess({ NODE_EXTRA_CA_CERTS: servers.ca })
  proxy = await startProxy({ host: '127.0.0.1', port: servers.imap.tlsPort })
})
afterAll(async () => {
  await bridge?.stop()
  await proxy?.stop()
  await servers?.stop()
})

const account = (user: string) => accountOf(servers, user)
const subjects = (mails: { raw: Buffer }[]) =>
  mails.map(mail => /^Subject: (.*)\r?$/m.exec(mail.raw.toString())?.[1])

describe('fetch', () => {
  it('A5 an empty box opens at UIDNEXT 1, and its first mail ever comes', async () => {
    const born = await bridge.fetch({ account: account('a5@demo.test'), nextUid: null })
    expect(born.frames.map(frame => frame.kind)).toEqual(['opened', 'end'])
    expect(born.opened).toMatchObject({ uidNext: 1, waiting: 0 })
    await servers.deliverFiles('a5@demo.test', [mailOf('first')])
    const next = { uidValidity: born.opened.uidValidity, nextUid: born.opened.uidNext }
    const fetched = await bridge.fetch({ account: account('a5@demo.test'), ...next })
    expect(subjects(fetched.mails)).toEqual(['first'])
    expect(fetched.opened.waiting).toBe(1)
  })

  it('A1 nothing new yields nothing, though n:* names the last mail', async () => {
    await servers.deliverFiles('a1@demo.test', [mailOf('one'), mailOf('two')])
    const all = await bridge.fetch({ account: account('a1@demo.test') })
    expect(subjects(all.mails)).toEqual(['one', 'two'])
    const none = await bridge.fetch({ account: account('a1@demo.test'), nextUid: 3 })
    expect(none.frames.map(frame => frame.kind)).toEqual(['opened', 'end'])
    expect(none.opened.waiting).toBe(0)
    const far = await bridge.fetch({ account: account('a1@demo.test'), nextUid: 4294967296 })
    expect(far.mails).toEqual([])
  })

  it('a cursor born on an open connection knows of mail that came since it was opened', async () => {
    await bridge.fetch({ account: account('born@demo.test'), nextUid: null })
    await servers.deliverFiles('born@demo.test', [mailOf('one'), mailOf('two')])
    const born = await bridge.fetch({ account: account('born@demo.test'), nextUid: null })
    expect(born.opened.uidNext).toBe(3)
  })

  it('A8 A9 mail opened elsewhere comes all the same, and no flag changes by a fetch', async () => {
    await servers.deliverFiles('a9@demo.test', [mailOf('seen'), mailOf('unseen')])
    const first = await bridge.fetch({ account: account('a9@demo.test') })
    const { uidValidity } = first.opened
    const change = { folder: 'INBOX', uidValidity, uids: [1], add: ['\\Seen'], remove: [] }
    await bridge.ask('/flags', { account: account('a9@demo.test'), ...change })
    for (let round = 0; round < 2; round++) {
      const fetched = await bridge.fetch({ account: account('a9@demo.test'), reducedAbove: 10 })
      expect(fetched.mails.map(mail => mail.flags.includes('\\Seen'))).toEqual([true, false])
      expect(fetched.reduced.length).toBe(2)
    }
    await bridge.ask('/flags', { account: account('a9@demo.test'), ...change, add: [], remove: ['\\Seen'] })
    const after = await bridge.fetch({ account: account('a9@demo.test') })
    expect(after.mails.map(mail => mail.flags.includes('\\Seen'))).toEqual([false, false])
  })

  it('bytes are the very bytes of the server, with exact lengths, in rising order', async () => {
    const mails = [0, 1, 2, 3, 4, 5].map(n =>
      mailOf(`n${n}`, [300, 700_000, 5_000, 3_000_000, 500_000, 900][n]),
    )
    mails.push(Buffer.concat([mailOf('binary'), Buffer.from([0x80, 0xff, 0xfe, 13, 10])]))
    await servers.deliverFiles('exact@demo.test', mails)
    const fetched = await bridge.fetch({ account: account('exact@demo.test') })
    expect(fetched.mails.map(mail => mail.uid)).toEqual([1, 2, 3, 4, 5, 6, 7])
    for (const [at, mail] of fetched.mails.entries()) {
      expect(mail.length).toBe(mails[at]!.length)
      expect(mail.raw.equals(mails[at]!)).toBe(true)
    }
    expect(fetched.last).toEqual({ kind: 'end', length: 0, more: false })
  })

  it('limits are kept: so many mails, and none begun after so many bytes', async () => {
    await servers.deliverFiles(
      'limit@demo.test',
      Array.from({ length: 8 }, (_, n) => mailOf(`n${n}`, 10_000)),
    )
    const few = await bridge.fetch({ account: account('limit@demo.test'), maxMails: 3 })
    expect(subjects(few.mails)).toEqual(['n0', 'n1', 'n2'])
    expect(few.last).toMatchObject({ kind: 'end', more: true })
    expect(few.opened.waiting).toBe(8)
    const light = await bridge.fetch({ account: account('limit@demo.test'), nextUid: 4, maxBytes: 15_000 })
    expect(subjects(light.mails)).toEqual(['n3', 'n4'])
    expect(light.last).toMatchObject({ more: true })
    const rest = await bridge.fetch({ account: account('limit@demo.test'), nextUid: 6 })
    expect(subjects(rest.mails)).toEqual(['n5', 'n6', 'n7'])
    expect(rest.last).toMatchObject({ more: false })
  })

  it('A2 after a UIDVALIDITY change no mail comes by the old position, and a scan finds all', async () => {
    await servers.deliverFiles('a2@demo.test', [mailOf('one'), mailOf('two')])
    const before = await bridge.fetch({ account: account('a2@demo.test') })
    const old = before.opened.uidValidity
    await servers.changeUidValidity('a2@demo.test')
    await servers.deliverFiles('a2@demo.test', [mailOf('three')])
    const after = await bridge.fetch({ account: account('a2@demo.test'), uidValidity: old, nextUid: 3 })
    expect(after.frames.map(frame => frame.kind)).toEqual(['opened', 'end'])
    expect(after.opened.uidValidity).toBeGreaterThan(old)
    expect(after.opened.uidNext).toBe(4)
    const scan = {
      account: account('a2@demo.test'),
      folder: 'INBOX',
      uidValidity: after.opened.uidValidity,
      nextUid: 1,
    }
    const scanned = await bridge.ask<{
      mails: { uid: number; size: number; headers: string }[]
      more: boolean
    }>('/scan', scan)
    expect(scanned.mails.map(mail => mail.uid)).toEqual([1, 2, 3])
    expect(scanned.mails[2]!.headers).toContain('Message-ID: <three@x.test>')
    expect(scanned.mails[0]!.size).toBe(mailOf('one').length)
  })

  it('A10 the link drops inside a mail: those before it are good, and the rest comes next time', async () => {
    const mails = Array.from({ length: 10 }, (_, n) => mailOf(`n${n}`, 400_000))
    await servers.deliverFiles('a10@demo.test', mails)
    const through = { ...account('a10@demo.test'), port: proxy.port }
    await bridge.fetch({ account: through, nextUid: null })
    // Two groups of five mails of 400 kB: the cut is inside the second.
    proxy.cutAfter(2_900_000)
    const cut = await bridge.fetch({ account: through })
    expect(cut.last).toMatchObject({ kind: 'problem', problem: { code: 'unreachable' } })
    expect(cut.mails.length).toBeGreaterThan(0)
    expect(cut.mails.length).toBeLessThan(10)
    const rest = await bridge.fetch({ account: through, nextUid: cut.mails.at(-1)!.uid + 1 })
    const all = [...cut.mails, ...rest.mails]
    expect(subjects(all)).toEqual(mails.map((_, n) => `n${n}`))
    expect(all.every((mail, n) => mail.raw.equals(mails[n]!))).toBe(true)
  })

  it('A10 a kept connection that died is replaced without a word', async () => {
    const through = { ...account('stale@demo.test'), port: proxy.port }
    await servers.deliverFiles('stale@demo.test', [mailOf('one')])
    await bridge.fetch({ account: through })
    proxy.cutAll()
    expect((await bridge.fetch({ account: through })).mails.length).toBe(1)
    await servers.stopDovecot()
    await expect(bridge.fetch({ account: through })).rejects.toThrow('unreachable')
    await servers.startDovecot()
    expect((await bridge.fetch({ account: through })).mails.length).toBe(1)
  })

  it('A13 many requests at once for one account use one connection', async () => {
    await servers.deliverFiles('a13@demo.test', [mailOf('one')])
    const through = { ...account('a13@demo.test'), port: proxy.port }
    proxy.resetCount()
    const fetched = await Promise.all(Array.from({ length: 8 }, () => bridge.fetch({ account: through })))
    expect(fetched.every(one => one.mails.length === 1)).toBe(true)
    expect(proxy.opened()).toBe(1)
  })

  it('A20 mails without a date or with a foolish one carry the INTERNALDATE', async () => {
    const dates = [
      '',
      'Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n',
      'Date: nonsense\r\nDate: Tue, 19 Jan 2038 03:14:08 +0000\r\n',
    ]
    const came = new Date('2024-02-29T12:00:00Z')
    const mails = dates.map((date, n) => Buffer.from(`${date}Subject: d${n}\r\n\r\nx\r\n`))
    await servers.deliverFiles('a20@demo.test', mails, { internalDate: came })
    const fetched = await bridge.fetch({ account: account('a20@demo.test') })
    expect(fetched.mails.map(mail => mail.internalDate)).toEqual(
      [came, came, came].map(date => date.getTime()),
    )
  })

  it('A21 mails expunged while we fetch leave the others their own bodies', async () => {
    const mails = Array.from({ length: 40 }, (_, n) => mailOf(`n${n}`, 300_000))
    await servers.deliverFiles('a21@demo.test', mails)
    const box = servers.maildir('a21@demo.test')
    const response = await bridge.post('/fetch', { ...FETCH, account: account('a21@demo.test') })
    const folder = path.join(box, readdirSync(path.join(box, 'cur')).length > 0 ? 'cur' : 'new')
    for (const [at, name] of readdirSync(folder).sort().entries())
      if (at % 3 === 1) rmSync(path.join(folder, name))
    const fetched = await collect(response)
    expect(fetched.last?.kind).toBe('end')
    for (const mail of fetched.mails) {
      if (mail.length > 0) expect(mail.raw.equals(mails[mail.uid - 1]!)).toBe(true)
    }
    const again = await bridge.fetch({ account: account('a21@demo.test') })
    expect(again.mails.map(mail => subjects([mail])[0])).toEqual(
      mails.flatMap((_, n) => (n % 3 === 1 ? [] : [`n${n}`])),
    )
  })

  it('one mail on demand, by its UID; a UID that is gone yields nothing', async () => {
    await servers.deliverFiles('uids@demo.test', [mailOf('one'), mailOf('two'), mailOf('three')])
    const fetched = await bridge.fetch({ account: account('uids@demo.test'), nextUid: null, uids: [2, 99] })
    expect(subjects(fetched.mails)).toEqual(['two'])
    expect(fetched.opened.waiting).toBe(1)
  })

  it('a reader that goes away does not hold the mailbox', async () => {
    await servers.deliverFiles(
      'gone@demo.test',
      Array.from({ length: 60 }, (_, n) => mailOf(`n${n}`, 400_000)),
    )
    const response = await bridge.post('/fetch', { ...FETCH, account: account('gone@demo.test') })
    await response.body!.cancel()
    expect((await bridge.fetch({ account: account('gone@demo.test'), maxMails: 1 })).mails.length).toBe(1)
  })

  it('a folder that is missing is told apart from everything else', async () => {
    await expect(bridge.fetch({ account: account('a1@demo.test'), folder: 'Nowhere' })).rejects.toThrow(
      'folder_missing',
    )
  })

  it('A7 an idle poll costs at most 512 bytes, the same for 20 and for 20,000 mails; a fresh one 10 KB', async () => {
    const costs: Record<string, { fresh: number; idle: number; both: number }> = {}
    for (const [user, count] of [
      ['a7few@demo.test', 20],
      ['a7many@demo.test', 20_000],
    ] as const) {
      const body = mailOf('old')
      await servers.deliverFiles(
        user,
        Array.from({ length: count }, () => body),
      )
      const through = { ...account(user), port: proxy.port }
      const born = await bridge.fetch({ account: account(user), nextUid: null })
      const poll = { account: through, uidValidity: born.opened.uidValidity, nextUid: count + 1 }
      proxy.resetCount()
      const total = () => proxy.bytes().up + proxy.bytes().down
      await bridge.fetch(poll)
      const fresh = total()
      const before = total()
      for (let n = 0; n < 5; n++) expect((await bridge.fetch(poll)).mails).toEqual([])
      const idle = (total() - before) / 5
      // The folder of sent mail is looked at beside it, and no folder is selected to and fro.
      const sent = await bridge.fetch({ account: account(user), folder: 'Sent', nextUid: null })
      const other = { account: through, folder: 'Sent', uidValidity: sent.opened.uidValidity, nextUid: 1 }
      await bridge.fetch(other)
      const from = total()
      for (let n = 0; n < 5; n++) {
        await bridge.fetch(poll)
        expect((await bridge.fetch(other)).mails).toEqual([])
      }
      costs[user] = { fresh, idle, both: (total() - from) / 5 }
    }
    const { 'a7few@demo.test': few, 'a7many@demo.test': many } = costs
    process.stdout.write(`idle poll: ${JSON.stringify(costs)}\n`)
    expect(many!.idle).toBeLessThanOrEqual(512)
    expect(many!.both).toBeLessThanOrEqual(512)
    expect(Math.abs(many!.idle - few!.idle) / few!.idle).toBeLessThan(0.05)
    expect(many!.fresh).toBeLessThanOrEqual(10_240)
  })

  it('A23 folders named in other scripts are listed and can be opened', async () => {
    const user = 'a23@demo.test'
    await servers.deliverFiles(user, [])
    for (const encoded of ['.Entw&APw-rfe', '.&XfJT0ZAB-']) {
      for (const part of ['', 'cur', 'new', 'tmp']) {
        const folder = path.join(servers.maildir(user), encoded, part)
        mkdirSync(folder)
        chownSync(folder, 65534, 65534)
      }
    }
    type Listed = { folders: { path: string; selectable: boolean; use: string | null }[] }
    const { folders } = await bridge.ask<Listed>('/folders', { account: account(user) })
    expect(folders.find(folder => folder.path === 'INBOX')).toMatchObject({ use: '\\Inbox' })
    expect(folders.find(folder => folder.path === 'Sent')).toMatchObject({ use: '\\Sent' })
    for (const name of ['Entwürfe', '已发送']) {
      expect(folders.find(folder => folder.path === name)).toMatchObject({ selectable: true })
      const opened = await bridge.fetch({ account: account(user), folder: name, nextUid: null })
      expect(opened.opened.uidNext).toBe(1)
    }
  })
})
