/**
 * The connection test in workerd, against Dovecot, Postfix and the servers of test/servers/broken-servers.ts. In each row
 * one leg is broken and the other is the real server: the cause has to be named on its own leg, and nowhere else. With
 * `--reporter=verbose` the run is a table of cause, code and milliseconds.
 */
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { type ProblemCode, problem } from '../../src/domain/problem.ts'
import { type ConnectionSettings, checkConnection, type ServerAccount } from '../../src/mail/check.ts'
import type { BrokenName, Place } from '../servers/broken-servers.ts'
import type { Order } from '../servers/control.ts'
import { testMail } from './cast.ts'
import { arrives, mail } from './mail.ts'

const ADDRESS = 'check@demo.test'
const { host, password } = testMail
const goodImap: ServerAccount = { host, port: testMail.imap.port, tls: true, user: ADDRESS, password }
const goodSmtp: ServerAccount = { ...goodImap, port: testMail.smtp.submissionPort }

async function ask<T>(order: Order): Promise<T> {
  const answer = await fetch(testMail.control, { method: 'POST', body: JSON.stringify(order) })
  if (!answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as T
}

async function account(name: BrokenName): Promise<ServerAccount> {
  const place = await ask<Place>({ do: 'broken', name })
  return { user: ADDRESS, password, ...place }
}

/** The broken leg's code and sentence; the other leg must be well. */
async function tried(broken: 'imap' | 'smtp', about: ServerAccount) {
  const settings: ConnectionSettings = { imap: goodImap, smtp: goodSmtp, [broken]: about }
  const began = Date.now()
  const result = await checkConnection(env, settings)
  const ms = Date.now() - began
  const other = broken === 'imap' ? result.smtp : result.imap
  expect(other).toMatchObject({ ok: true, problem: null })
  expect(ms).toBeLessThan(10_000)
  const leg = result[broken]
  const code = leg.problem?.code ?? 'ok'
  expect(result.ok).toBe(leg.ok)
  return { code, message: leg.problem?.message ?? '' }
}

type Row = [name: BrokenName, code: ProblemCode | 'ok', sentence: RegExp]

const IMAP: Row[] = [
  ['imap_closed', 'refused', /connections on this port/],
  ['imap_closed_143', 'refused', /connections on this port/],
  ['imap_hangs_up', 'unreachable', /closed the line|hangs up/],
  ['imap_hangs_up_143', 'unreachable', /closed the line|hangs up/],
  ['imap_plain_on_tls_port', 'tls_mismatch', /does not speak TLS from the first byte/],
  ['imap_tls_on_plain_port', 'tls_mismatch', /speaks TLS from the first byte/],
  ['imap_no_starttls', 'tls_mismatch', /does not offer STARTTLS/],
  ['imap_expired', 'certificate', /has expired/],
  ['imap_other_name', 'certificate', /for another name/],
  ['imap_unknown_issuer', 'certificate', /not signed by an authority/],
  ['imap_starttls_expired', 'certificate', /has expired/],
  ['imap_starttls_other_name', 'certificate', /for another name/],
  ['imap_starttls_unknown_issuer', 'certificate', /not signed by an authority/],
  ['imap_is_http', 'not_mail_server', /a web server, not an IMAP server/],
  ['imap_is_http_143', 'not_mail_server', /a web server, not an IMAP server/],
  ['imap_is_https', 'not_mail_server', /a web server, not an IMAP server/],
  ['imap_is_smtp', 'not_mail_server', /an SMTP server, not an IMAP server/],
  ['imap_is_smtps', 'not_mail_server', /an SMTP server, not an IMAP server/],
  ['imap_login_disabled', 'imap_disabled', /takes no login by password/],
  ['imap_oauth_only', 'basic_auth_retired', /OAuth/],
  ['imap_unavailable', 'busy', /busy/],
  ['imap_not_connected', 'busy', /busy/],
  ['imap_app_password', 'app_password_required', /app password/],
  ['imap_qq_code', 'app_password_required', /app password/],
  ['imap_not_enabled', 'imap_disabled', /IMAP is switched off/],
  ['imap_zoho_not_enabled', 'imap_disabled', /IMAP is switched off/],
  ['imap_basic_auth_blocked', 'basic_auth_retired', /OAuth/],
  ['imap_browser', 'credentials', /in a browser/],
  ['imap_163', 'ok', /^$/],
  ['imap_163_late_id', 'ok', /^$/],
  ['imap_163_unsafe', 'credentials', /calls this sign-in unsafe/],
]

const SMTP: Row[] = [
  ['smtp_closed', 'refused', /connections on this port/],
  ['smtp_closed_587', 'refused', /connections on this port/],
  ['smtp_hangs_up', 'unreachable', /hangs up/],
  ['smtp_hangs_up_587', 'unreachable', /hangs up/],
  ['smtp_plain_on_tls_port', 'tls_mismatch', /does not speak TLS from the first byte/],
  ['smtp_tls_on_plain_port', 'tls_mismatch', /speaks TLS from the first byte/],
  ['smtp_no_starttls', 'tls_mismatch', /does not offer STARTTLS/],
  ['smtp_expired', 'certificate', /has expired/],
  ['smtp_other_name', 'certificate', /for another name/],
  ['smtp_unknown_issuer', 'certificate', /not signed by an authority/],
  ['smtp_starttls_expired', 'certificate', /has expired/],
  ['smtp_starttls_other_name', 'certificate', /for another name/],
  ['smtp_starttls_unknown_issuer', 'certificate', /not signed by an authority/],
  ['smtp_is_http', 'not_mail_server', /a web server, not an SMTP server/],
  ['smtp_is_http_587', 'not_mail_server', /a web server, not an SMTP server/],
  ['smtp_is_https', 'not_mail_server', /a web server, not an SMTP server/],
  ['smtp_is_imap', 'not_mail_server', /an IMAP server, not an SMTP server/],
  ['smtp_is_imaps', 'not_mail_server', /an IMAP server, not an SMTP server/],
  ['smtp_oauth_only', 'basic_auth_retired', /OAuth/],
  ['smtp_busy', 'busy', /just now/],
  ['smtp_app_password', 'app_password_required', /app password/],
  ['smtp_qq_code', 'app_password_required', /app password/],
  ['smtp_basic_auth_disabled', 'basic_auth_retired', /OAuth/],
  ['smtp_basic_auth_retired', 'basic_auth_retired', /OAuth/],
  ['smtp_auth_off_for_tenant', 'basic_auth_retired', /SMTP AUTH.*whole Microsoft 365 organisation/],
  ['smtp_auth_off_for_mailbox', 'basic_auth_retired', /SMTP AUTH.*this Microsoft 365 mailbox/],
  ['smtp_wrong_after_all', 'credentials', /user name or the password/],
]

describe('a connection that works', () => {
  it('CT1 passes on both legs, with the counts of INBOX', async () => {
    await arrives(ADDRESS, [mail({ to: ADDRESS }), mail({ to: ADDRESS })])
    const result = await checkConnection(env, { imap: goodImap, smtp: goodSmtp })
    expect(result).toEqual({
      ok: true,
      imap: { ok: true, problem: null, messages: { total: 2, recent: 2, unseen: 2 } },
      smtp: { ok: true, problem: null },
    })
  })

  it('CT1 leaves no mark: the mails are as new as before', async () => {
    const { imap } = await checkConnection(env, { imap: goodImap, smtp: null })
    expect(imap).toMatchObject({ messages: { total: 2, recent: 2, unseen: 2 } })
  })

  it('CT2 a leg that is not used passes without a connection', async () => {
    expect(await checkConnection(env, { imap: null, smtp: null })).toEqual({
      ok: true,
      imap: { ok: true, problem: null },
      smtp: { ok: true, problem: null },
    })
  })
})

describe('each cause on its own leg', () => {
  it('A29 CT3 wrong password over IMAP: credentials', async () => {
    const { code, message } = await tried('imap', { ...goodImap, password: 'wrong' })
    expect(code).toBe('credentials')
    expect(message).toMatch(/user name or the password/)
  })

  it('A29 CT3 wrong password over SMTP: credentials', async () => {
    const { code, message } = await tried('smtp', { ...goodSmtp, password: 'wrong' })
    expect(code).toBe('credentials')
    expect(message).toMatch(/user name or the password/)
  })

  it.each(['imap', 'smtp'] as const)('A29 CT3 a name that nobody has, over %s: unknown_host', async kind => {
    const about = { ...goodImap, host: 'mail.nowhere-at-all.example', port: kind === 'imap' ? 993 : 465 }
    expect((await tried(kind, about)).code).toBe('unknown_host')
  })

  it.each(IMAP)('A29 CT3 %s: %s', async (name, code, sentence) => {
    const seen = await tried('imap', await account(name))
    expect([seen.code, seen.message]).toEqual([code, expect.stringMatching(sentence)])
  })

  it.each(SMTP)('A29 CT3 %s: %s', async (name, code, sentence) => {
    const seen = await tried('smtp', await account(name))
    expect([seen.code, seen.message]).toEqual([code, expect.stringMatching(sentence)])
  })

  it('A29 H11 CT4 silent servers, on one leg or on both: timeout, and all of it ends within 10 s', async () => {
    const [tlsImap, imap, tlsSmtp, smtp] = await Promise.all([
      account('imap_silent'),
      account('imap_silent_143'),
      account('smtp_silent'),
      account('smtp_silent_587'),
    ])
    const began = Date.now()
    // Side by side, since each waits as long as it may.
    const [one, two, three, four, both] = await Promise.all([
      tried('imap', tlsImap!),
      tried('imap', imap!),
      tried('smtp', tlsSmtp!),
      tried('smtp', smtp!),
      checkConnection(env, { imap: tlsImap!, smtp: smtp! }),
    ])
    expect([one, two, three, four].map(seen => seen!.code)).toEqual(Array(4).fill('timeout'))
    expect([both!.imap.problem?.code, both!.smtp.problem?.code]).toEqual(['timeout', 'timeout'])
    expect(Date.now() - began).toBeLessThan(10_000)
  })

  it('CT3 A29 a bridge that is not there: bridge_unavailable, and SMTP is tested all the same', async () => {
    const alone = { ...env, BRIDGE_URL: 'http://127.0.0.1:9' } as Env
    const result = await checkConnection(alone, { imap: goodImap, smtp: goodSmtp })
    expect(result).toMatchObject({
      ok: false,
      imap: { problem: { code: 'bridge_unavailable' } },
      smtp: { ok: true },
    })
  })

  it('CT5 no password was sent where TLS was wanted and did not come about', async () => {
    const heard = await ask<string[]>({ do: 'heard' })
    expect(heard.length).toBeGreaterThan(20)
    const sent = [password, btoa(`\0${ADDRESS}\0${password}`), btoa(password)]
    expect(heard.filter(line => sent.some(secret => line.includes(secret)))).toEqual([])
  })
})

describe('what is refused unseen', () => {
  const strict = { ...env, DEV: '0', BRIDGE_URL: undefined } as unknown as Env
  const named: ServerAccount = { host: 'imap.example.com', port: 993, tls: true, user: 'u', password: 'p' }

  it.each([
    ['an inside address', { host: '10.0.0.1' }, 'host'],
    ['loopback without the development flag', { host: 'localhost' }, 'host'],
    ['a metadata service', { host: 'metadata.google.internal' }, 'host'],
    ['a port that is not one of mail', { port: 22 }, 'port'],
    ['port 25', { port: 25 }, 'port'],
    ['no TLS', { tls: false }, 'tls'],
  ])('CT6 %s is host_refused, with its field, on either leg', async (_, change, field) => {
    const began = Date.now()
    const imap = { ...named, ...change }
    const smtp = { ...named, port: 465, ...change }
    const result = await checkConnection(strict, { imap, smtp })
    expect(result.imap.problem).toMatchObject({ code: 'host_refused', field: `imap.${field}` })
    expect(result.smtp.problem).toMatchObject({ code: 'host_refused', field: `smtp.${field}` })
    expect(result.imap.problem?.message).not.toBe(problem('host_refused').message)
    expect(Date.now() - began).toBeLessThan(100)
  })
})
