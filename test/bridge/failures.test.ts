import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { BridgeCode, ImapAccount } from '../../bridge/wire.ts'
import { type MailServers, startMailServers } from '../servers/mail-servers.ts'
import { startProxy } from '../servers/proxy.ts'
import {
  accountOf,
  type BridgeProcess,
  buildBridge,
  mailOf,
  Refused,
  startBridgeProcess,
} from './bridge-process.ts'
import { type Script, type ScriptedImap, startScriptedImap } from './scripted-imap.ts'

let servers: MailServers
let bridge: BridgeProcess
const scripted: ScriptedImap[] = []

beforeAll(async () => {
  buildBridge()
  servers = await startMailServers()
  bridge = await startBridgeProcess({ NODE_EXTRA_CA_CERTS: servers.ca, SILENCE_MS: '1000' })
})
afterAll(async () => {
  await bridge?.stop()
  await servers?.stop()
})
afterEach(async () => {
  for (const server of scripted.splice(0)) await server.stop()
})

async function playing(script: Script): Promise<ImapAccount> {
  const server = await startScriptedImap(script)
  scripted.push(server)
  return { host: '127.0.0.1', port: server.port, security: 'plain', user: 'u@customer.test', password: 'p' }
}

async function codeOf(work: Promise<unknown>): Promise<BridgeCode | 'ok'> {
  try {
    await work
    return 'ok'
  } catch (error) {
    if (error instanceof Refused) return error.problem.code
    throw error
  }
}
const check = (account: ImapAccount) => codeOf(bridge.ask('/check', { account }))

describe('what a server says, in our words', () => {
  it('A29 each leg names its own cause: password, port, TLS, host', async () => {
    const good = accountOf(servers, 'a29@demo.test')
    expect(await check(good)).toBe('ok')
    expect(await check({ ...good, port: servers.imap.port, security: 'starttls' })).toBe('ok')
    expect(await check({ ...good, password: 'wrong' })).toBe('credentials')
    expect(await check({ ...good, port: 1 })).toBe('refused')
    expect(await check({ ...good, port: servers.imap.port })).toBe('tls_mismatch')
    expect(await check({ ...good, security: 'starttls' })).toBe('tls_mismatch')
    expect(await check({ ...good, port: servers.smtp.submissionPort, security: 'starttls' })).toBe(
      'not_mail_server',
    )
    expect(await check({ ...good, host: '127.0.0.2' })).not.toBe('ok')
    const { capabilities } = await bridge.ask<{ capabilities: string[] }>('/check', { account: good })
    expect(capabilities).toContain('IDLE')
  })

  it('a certificate of an unknown CA is refused', async () => {
    const stranger = await startBridgeProcess()
    const account = accountOf(servers, 'a29@demo.test')
    const work = stranger.ask('/check', { account })
    expect(await codeOf(work)).toBe('certificate')
    const starttls = stranger.ask('/check', {
      account: { ...account, port: servers.imap.port, security: 'starttls' },
    })
    expect(await codeOf(starttls)).toBe('certificate')
    await stranger.stop()
  })

  it('STARTTLS that is not offered, or not kept, ends the attempt before the password', async () => {
    const account = await playing({})
    expect(await check({ ...account, security: 'starttls' })).toBe('tls_mismatch')
    expect(scripted[0]!.commands.some(command => /LOGIN|AUTHENTICATE/.test(command))).toBe(false)
    const refusing = await playing({
      capabilities: 'IMAP4rev1 STARTTLS',
      on: [[/^STARTTLS/, ['$ NO not now']]],
    })
    expect(await check({ ...refusing, security: 'starttls' })).toBe('tls_mismatch')
    expect(scripted[1]!.commands.some(command => /LOGIN|AUTHENTICATE/.test(command))).toBe(false)
  })

  const wordings: [id: string, code: BridgeCode, Script][] = [
    [
      'A15 "authenticated but not connected"',
      'busy',
      {
        capabilities: 'IMAP4rev1 NAMESPACE',
        on: [[/^NAMESPACE/, ['$ BAD User is authenticated but not connected.']]],
      },
    ],
    [
      'A15 the same at LOGIN',
      'busy',
      { on: [[/^LOGIN/, ['$ NO User is authenticated but not connected.']]] },
    ],
    [
      'A16 Dovecot',
      'busy',
      {
        on: [
          [
            /^LOGIN/,
            [
              '$ NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)',
            ],
          ],
        ],
      },
    ],
    [
      'A16 Gmail',
      'busy',
      { on: [[/^LOGIN/, ['$ NO [ALERT] Too many simultaneous connections. (Failure)']]] },
    ],
    ['A16 at the door', 'busy', { greeting: ['* BYE Too many connections from your address'] }],
    ['A16 [INUSE]', 'busy', { on: [[/^EXAMINE/, ['$ NO [INUSE] Mailbox is locked']]] }],
    [
      'A17 Gmail',
      'quota',
      { on: [[/^LOGIN/, ['$ NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)']]] },
    ],
    ['A17 Yahoo', 'quota', { on: [[/^UID SEARCH/, ['$ NO [LIMIT] UID SEARCH Rate limit hit.']]] }],
    [
      'A17 by BYE in the middle',
      'quota',
      { on: [[/^EXAMINE/, ['* BYE Account exceeded bandwidth limits', null]]] },
    ],
    [
      'A18 revoked',
      'credentials',
      { on: [[/^LOGIN/, ['$ NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)']]] },
    ],
    [
      'A18 app password',
      'app_password_required',
      { on: [[/^LOGIN/, ['$ NO [ALERT] Application-specific password required']]] },
    ],
    ['A18 in prose', 'credentials', { on: [[/^LOGIN/, ['$ NO LOGIN failed.']]] }],
    ['folder', 'folder_missing', { on: [[/^EXAMINE/, ["$ NO Mailbox doesn't exist"]]] }],
    ['an SMTP server at the door', 'not_mail_server', { greeting: ['220 mail.customer.test ESMTP'] }],
    ['garbage at the door', 'not_mail_server', { greeting: ['SSH-2.0-OpenSSH_9.2'] }],
    [
      'IMAP switched off',
      'imap_disabled',
      { on: [[/^LOGIN/, ['$ NO [ALERT] Your account is not enabled for IMAP use.']]] },
    ],
    ['no login without TLS', 'tls_mismatch', { capabilities: 'IMAP4rev1 STARTTLS LOGINDISABLED' }],
    ['garbage', 'protocol', { on: [[/^UID SEARCH/, ['$ WHAT is this']]] }],
    ['no UIDVALIDITY', 'protocol', { on: [[/^EXAMINE/, ['* 0 EXISTS', '$ OK done']]] }],
    ['hangs up at LOGIN', 'unreachable', { on: [[/^LOGIN/, [null]]] }],
    ['hangs up at the door', 'unreachable', { greeting: [null] }],
    ['falls silent', 'timeout', { on: [[/^UID SEARCH/, 'silence']] }],
  ]
  for (const [id, code, script] of wordings) {
    it(`${id}: ${code}`, async () => {
      const account = await playing(script)
      expect(await codeOf(bridge.fetch({ account }))).toBe(code)
    })
  }

  it('A29 H11 a check ends at its limit, whatever the server does, and leaves no connection', async () => {
    const scripts: Script[] = [
      { greeting: 'silence' },
      { on: [[/^LOGIN/, 'silence']] },
      { on: [[/^EXAMINE/, 'silence']] },
      { on: [[/^STATUS/, 'silence']] },
    ]
    for (const script of scripts) {
      const account = await playing(script)
      const began = performance.now()
      expect(await codeOf(bridge.ask('/check', { account, limitMs: 600 }))).toBe('timeout')
      expect(performance.now() - began).toBeLessThan(1_500)
    }
    for (const server of scripted) await expect.poll(() => server.connections(), { timeout: 5_000 }).toBe(0)
  })

  it('A29 a check opens INBOX, and counts it where the server does', async () => {
    const account = await playing({
      on: [[/^STATUS/, ['* STATUS INBOX (MESSAGES 5 RECENT 1 UNSEEN 2)', '$ OK done']]],
    })
    expect(await bridge.ask('/check', { account })).toMatchObject({
      messages: { total: 5, recent: 1, unseen: 2 },
    })
    const counting = await playing({ on: [[/^STATUS/, ['$ NO not here']]] })
    expect(await bridge.ask('/check', { account: counting })).toMatchObject({ ok: true, messages: null })
    const unsafe = await playing({ on: [[/^EXAMINE/, ['$ NO [UNAVAILABLE] later']]] })
    expect(await check(unsafe)).toBe('busy')
  })

  it('A16 A18 refused connections are not left open', async () => {
    const account = await playing({
      on: [[/^LOGIN/, ['$ NO [UNAVAILABLE] Maximum number of connections exceeded']]],
    })
    for (let n = 0; n < 5; n++) expect(await check(account)).toBe('busy')
    await expect.poll(() => scripted[0]!.connections()).toBe(0)
  })

  it('A28 a server without IDLE, UIDPLUS, CONDSTORE, ID and UIDNEXT is still polled right', async () => {
    const mail = mailOf('plain').toString('latin1')
    const meta = `FLAGS (\\Recent) INTERNALDATE "01-Jan-2024 10:00:00 +0000" RFC822.SIZE ${mail.length}`
    const account = await playing({
      on: [
        [/^EXAMINE/, ['* 1 EXISTS', '* OK [UIDVALIDITY 9] ok', '$ OK done']],
        [/^UID SEARCH/, ['* SEARCH 41', '$ OK done']],
        [/^UID FETCH 41 .*BODY/, [`* 1 FETCH (UID 41 BODY[] {${mail.length}}`, `${mail})`, '$ OK done']],
        [/^UID FETCH 41/, [`* 1 FETCH (UID 41 ${meta})`, '$ OK done']],
        [/^APPEND/, ['$ NO no']],
      ],
    })
    const fetched = await bridge.fetch({ account, nextUid: 41 })
    expect(fetched.opened).toMatchObject({ uidValidity: 9, uidNext: 42, waiting: 1 })
    expect(fetched.mails.map(one => one.raw.toString('latin1'))).toEqual([mail])
    const none = await bridge.fetch({ account, nextUid: 42 })
    expect(none.mails).toEqual([])
    expect(scripted[0]!.commands.some(command => /IDLE|ENABLE|CHANGEDSINCE/.test(command))).toBe(false)
  })

  it('a size that lies, either way, changes nothing', async () => {
    const mails = [mailOf('large', 3_000_000), mailOf('small', 2_000)].map(mail => mail.toString('latin1'))
    const claims = [500, 5_000_000]
    const account = await playing({
      on: [
        [/^EXAMINE/, ['* 2 EXISTS', '* OK [UIDVALIDITY 9] ok', '* OK [UIDNEXT 3] ok', '$ OK done']],
        [/^UID SEARCH/, ['* SEARCH 1 2', '$ OK done']],
        [
          /^UID FETCH \d .*BODY/,
          command => {
            const [, uid, window] = /FETCH (\d) .*\[\](<\d+\.\d+>)?/.exec(command)!
            const [start, length] = window === undefined ? [0, Infinity] : window.match(/\d+/g)!.map(Number)
            const piece = mails[Number(uid) - 1]!.slice(start, start! + length!)
            const origin = window === undefined ? '' : `<${start}>`
            return [`* ${uid} FETCH (UID ${uid} BODY[]${origin} {${piece.length}}`, `${piece})`, '$ OK done']
          },
        ],
        [
          /^UID FETCH/,
          [
            ...claims.map((size, n) => `* ${n + 1} FETCH (UID ${n + 1} FLAGS () RFC822.SIZE ${size})`),
            '$ OK done',
          ],
        ],
      ],
    })
    const fetched = await bridge.fetch({ account })
    expect(fetched.mails.map(mail => mail.length)).toEqual(mails.map(mail => mail.length))
    expect(fetched.mails.map(mail => mail.raw.toString('latin1'))).toEqual(mails)
    expect(fetched.mails.map(mail => mail.size)).toEqual(claims)
  })

  it('A14 a line that fell silent ends the request', async () => {
    const proxy = await startProxy({ host: '127.0.0.1', port: servers.imap.tlsPort })
    const account = accountOf(servers, 'silent@demo.test', { port: proxy.port })
    await bridge.fetch({ account, nextUid: null })
    proxy.stall(true)
    expect(await codeOf(bridge.fetch({ account }))).toBe('timeout')
    await proxy.stop()
  })
})

describe('append and flags', () => {
  it('puts a mail into a folder with its flags and date', async () => {
    const account = accountOf(servers, 'append@demo.test')
    const raw = mailOf('sent')
    const internalDate = Date.UTC(2024, 0, 2, 3, 4, 5)
    // A folder left open for reading must not cost the flags.
    await bridge.fetch({ account, nextUid: null })
    const body = { account, folder: 'Sent', raw: raw.toString('base64'), flags: ['\\Seen'], internalDate }
    const done = await bridge.ask<{ uid: number; uidValidity: number }>('/append', body)
    expect(done.uid).toBe(1)
    const fetched = await bridge.fetch({ account, folder: 'Sent' })
    expect(fetched.opened.uidValidity).toBe(done.uidValidity)
    expect(fetched.mails[0]).toMatchObject({ internalDate })
    expect(fetched.mails[0]!.flags).toContain('\\Seen')
    expect(fetched.mails[0]!.raw.equals(raw)).toBe(true)
    expect(await codeOf(bridge.ask('/append', { ...body, folder: 'Nowhere' }))).toBe('folder_missing')
  })

  it('sets flags by UID, ignores UIDs that are gone, refuses another UIDVALIDITY', async () => {
    const account = accountOf(servers, 'flags@demo.test')
    await servers.deliverFiles('flags@demo.test', [mailOf('one'), mailOf('two')])
    const { opened } = await bridge.fetch({ account, nextUid: null })
    const body = {
      account,
      folder: 'INBOX',
      uidValidity: opened.uidValidity,
      uids: [2, 77],
      add: ['\\Answered'],
      remove: [],
    }
    await bridge.ask('/flags', body)
    const fetched = await bridge.fetch({ account })
    expect(fetched.mails.map(mail => mail.flags.includes('\\Answered'))).toEqual([false, true])
    expect(await codeOf(bridge.ask('/flags', { ...body, uidValidity: 1 }))).toBe('mail_missing')
  })
})
