/**
 * Mail servers that are not well, one for every cause that the connection test names. Where a fault is one of the line
 * (port, TLS, certificate) the real Dovecot or Postfix stands behind it; what a provider says in its own words, and
 * Dovecot would not, is said by a script.
 *
 * Which TLS is spoken follows from the port (993 and 465 from the first byte, STARTTLS elsewhere), so these servers stand
 * on those very ports, each on a loopback address of its own that no other run has.
 */
import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { type Script as ImapScript, startScriptedImap } from '../bridge/scripted-imap.ts'
import { goodServer, type Script as SmtpScript, scriptedServer } from '../contracts/smtp-servers.ts'
import type { MailServers } from './mail-servers.ts'

/** Where a broken server stands, and the switch in the form that goes with it. */
export interface Place {
  host: string
  port: number
  tls: boolean
  /** The user and password it would take, where that is not the fault. */
  user?: string
  password?: string
}

export interface BrokenServers {
  /** Starts it at the first call. */
  place(name: BrokenName): Promise<Place>
  /** What was said to the scripted servers, one command a line. */
  heard(): string[]
  stop(): Promise<void>
}

type Pair = { key: string; cert: string }
type Fault = 'none' | 'expired' | 'other name' | 'unknown issuer'

export type BrokenName = keyof typeof SERVERS

export function brokenServers(real: MailServers): BrokenServers {
  const yard = new Yard(real)
  const places = new Map<BrokenName, Promise<Place>>()
  return {
    place(name) {
      const place = places.get(name) ?? SERVERS[name](yard)
      places.set(name, place)
      return place
    },
    heard: () => yard.scripts.flatMap(script => script()),
    stop: () => yard.stop(),
  }
}

/** Addresses, certificates and listeners, and their end. */
class Yard {
  readonly real: MailServers
  readonly scripts: (() => string[])[] = []
  readonly #net = `127.${randomInt(1, 255)}.${randomInt(1, 255)}`
  #used = 0
  #ends: (() => Promise<unknown> | unknown)[] = []

  constructor(real: MailServers) {
    this.real = real
  }

  address(): string {
    this.#used += 1
    return `${this.#net}.${this.#used}`
  }

  async stop(): Promise<void> {
    await Promise.all(this.#ends.splice(0).map(end => end()))
  }

  atTheEnd(end: () => Promise<unknown> | unknown): void {
    this.#ends.push(end)
  }

  /** Anything that listens, on an address of its own. */
  async at(port: number, server: net.Server | http.Server): Promise<string> {
    const host = this.address()
    const sockets = new Set<net.Socket>()
    server.on('connection', (socket: net.Socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
    this.atTheEnd(() => {
      for (const socket of sockets) socket.destroy()
      return new Promise(resolve => server.close(resolve))
    })
    return host
  }

  /** The line to a server, as it is, on another port. */
  forward(port: number, to: number): Promise<string> {
    return this.at(
      port,
      net.createServer(socket => joined(socket, net.connect({ host: '127.0.0.1', port: to }))),
    )
  }

  /** TLS with a certificate of our choice before a server that speaks plain text. */
  async behindTls(port: number, to: number, fault: Fault = 'none'): Promise<string> {
    const host = this.address()
    const server = tls.createServer(this.certificate(host, fault), socket =>
      joined(socket, net.connect({ host: '127.0.0.1', port: to })),
    )
    server.on('tlsClientError', () => {})
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
    this.atTheEnd(() => server.close())
    return host
  }

  async imap(script: ImapScript): Promise<number> {
    const server = await startScriptedImap(script)
    this.scripts.push(() => server.commands)
    this.atTheEnd(() => server.stop())
    return server.port
  }

  async smtp(script: SmtpScript): Promise<number> {
    const server = await scriptedServer(script)
    this.scripts.push(() => server.lines)
    this.atTheEnd(() => server[Symbol.asyncDispose]())
    return server.port
  }

  certificate(host: string, fault: Fault): Pair {
    const { dir } = this.real
    const name = `broken-${host}-${fault.replace(' ', '-')}`
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`]
    const names =
      fault === 'other name' ? 'DNS:mail.other.example' : `DNS:localhost,IP:${host},IP:127.0.0.1,IP:::1`
    if (fault === 'unknown issuer') {
      const own = [
        '-addext',
        `subjectAltName=${names}`,
        '-addext',
        'basicConstraints=critical,CA:FALSE',
        '-days',
        '2',
      ]
      openssl('req', '-x509', ...key, '-out', `${name}.pem`, '-subj', '/CN=mail.test', ...own)
    } else {
      openssl('req', ...key, '-out', `${name}.csr`, '-subj', '/CN=mail.test')
      writeFileSync(join(dir, `${name}.ext`), `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`)
      const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', String(randomInt(2 ** 40))]
      const from = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extfile', `${name}.ext`]
      openssl('x509', '-req', ...from, ...by, '-days', fault === 'expired' ? '-1' : '2')
    }
    return {
      key: readFileSync(join(dir, `${name}.key`), 'utf8'),
      cert: readFileSync(join(dir, `${name}.pem`), 'utf8'),
    }
  }
}

function joined(one: net.Socket, other: net.Socket): void {
  one.on('error', () => other.destroy())
  other.on('error', () => one.destroy())
  one.on('close', () => other.destroy())
  other.on('close', () => one.destroy())
  one.pipe(other)
  other.pipe(one)
}

/** Nobody listens there any more, and as nobody else has this address, nobody will. */
async function closed(yard: Yard, port: number): Promise<Place> {
  return { host: yard.address(), port, tls: true }
}

const silent = () => net.createServer(() => {})
const hangsUp = () => net.createServer(socket => socket.destroy())
const web = () => http.createServer((_request, response) => response.end('<html>Welcome</html>'))

/** A scripted IMAP server that offers STARTTLS and keeps it, with a certificate of our choice. */
async function imapStarttls(yard: Yard, fault: Fault): Promise<Place> {
  const host = yard.address()
  const pair = yard.certificate(host, fault)
  const server = net.createServer(socket => {
    socket.on('error', () => {})
    socket.write('* OK ready\r\n')
    socket.on('data', data => {
      const [tag = '', command = ''] = data.toString('latin1').trim().split(' ')
      if (/^CAPABILITY/i.test(command))
        socket.write(`* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n${tag} OK done\r\n`)
      if (!/^STARTTLS/i.test(command)) return
      socket.removeAllListeners('data')
      socket.write(`${tag} OK begin\r\n`)
      new tls.TLSSocket(socket, { isServer: true, ...pair }).on('error', () => {})
    })
  })
  server.on('error', () => {})
  await new Promise<void>(resolve => server.listen(143, host, resolve))
  yard.atTheEnd(() => server.close())
  return { host, port: 143, tls: true }
}

async function smtpStarttls(yard: Yard, fault: Fault): Promise<Place> {
  const host = yard.address()
  const server = await goodServer('starttls', yard.certificate(host, fault), { host, port: 587 })
  yard.atTheEnd(() => server[Symbol.asyncDispose]())
  return { host, port: 587, tls: true }
}

/** An IMAP server that says this to LOGIN, in plain text (the development flag lets that pass). */
async function imapSaying(yard: Yard, script: ImapScript): Promise<Place> {
  return { host: '127.0.0.1', port: await yard.imap(script), tls: false, user: 'u@demo.test', password: 'p' }
}

async function smtpSaying(yard: Yard, script: SmtpScript): Promise<Place> {
  return { host: '127.0.0.1', port: await yard.smtp(script), tls: false, user: 'u@demo.test', password: 'p' }
}

const atLogin =
  (...lines: string[]) =>
  (yard: Yard) =>
    imapSaying(yard, { on: [[/^LOGIN/, lines]] })
const atAuth = (reply: string) => (yard: Yard) => smtpSaying(yard, { AUTH: reply })

const on = (host: string, port: number): Place => ({ host, port, tls: true })

/** 163: SELECT is refused until an ID came; `when` says which ID counts. */
const unsafe = (when: 'any' | 'after login' | 'never') => (yard: Yard) => {
  let loggedIn = false
  let named = false
  return imapSaying(yard, {
    capabilities: 'IMAP4rev1 ID',
    on: [
      [
        /^LOGIN/,
        () => {
          loggedIn = true
          return ['$ OK LOGIN completed']
        },
      ],
      [
        /^ID /,
        () => {
          named ||= when === 'any' || (when === 'after login' && loggedIn)
          return ['* ID ("name" "Coremail Imap" "vendor" "Mailtech")', '$ OK ID completed']
        },
      ],
      [
        /^(SELECT|EXAMINE)/,
        () =>
          named
            ? ['* 3 EXISTS', '* OK [UIDVALIDITY 1] ok', '* OK [UIDNEXT 4] ok', '$ OK [READ-ONLY] done']
            : ['$ NO SELECT Unsafe Login. Please contact kefu@188.com for help'],
      ],
    ],
  })
}

const SERVERS = {
  // the IMAP leg
  imap_closed: (yard: Yard) => closed(yard, 993),
  imap_closed_143: (yard: Yard) => closed(yard, 143),
  imap_silent: async (yard: Yard) => on(await yard.at(993, silent()), 993),
  imap_silent_143: async (yard: Yard) => on(await yard.at(143, silent()), 143),
  imap_hangs_up: async (yard: Yard) => on(await yard.at(993, hangsUp()), 993),
  imap_hangs_up_143: async (yard: Yard) => on(await yard.at(143, hangsUp()), 143),
  imap_plain_on_tls_port: async (yard: Yard) => on(await yard.forward(993, yard.real.imap.port), 993),
  imap_tls_on_plain_port: async (yard: Yard) => on(await yard.forward(143, yard.real.imap.tlsPort), 143),
  imap_no_starttls: async (yard: Yard) => on(await yard.forward(143, await yard.imap({})), 143),
  imap_expired: async (yard: Yard) => on(await yard.behindTls(993, await yard.imap({}), 'expired'), 993),
  imap_other_name: async (yard: Yard) =>
    on(await yard.behindTls(993, await yard.imap({}), 'other name'), 993),
  imap_unknown_issuer: async (yard: Yard) =>
    on(await yard.behindTls(993, await yard.imap({}), 'unknown issuer'), 993),
  imap_starttls_expired: (yard: Yard) => imapStarttls(yard, 'expired'),
  imap_starttls_other_name: (yard: Yard) => imapStarttls(yard, 'other name'),
  imap_starttls_unknown_issuer: (yard: Yard) => imapStarttls(yard, 'unknown issuer'),
  imap_is_http: async (yard: Yard) => on(await yard.at(993, web()), 993),
  imap_is_http_143: async (yard: Yard) => on(await yard.at(143, web()), 143),
  imap_is_https: async (yard: Yard) => {
    const host = yard.address()
    const server = https.createServer(yard.certificate(host, 'none'), (_request, response) => response.end())
    await new Promise<void>(resolve => server.listen(993, host, resolve))
    yard.atTheEnd(() => {
      server.close()
      server.closeAllConnections()
    })
    return on(host, 993)
  },
  imap_is_smtp: async (yard: Yard) => on(await yard.forward(143, yard.real.smtp.submissionPort), 143),
  imap_is_smtps: async (yard: Yard) => on(await yard.behindTls(993, await yard.smtp({})), 993),
  imap_login_disabled: async (yard: Yard) =>
    on(await yard.behindTls(993, await yard.imap({ capabilities: 'IMAP4rev1 LOGINDISABLED' })), 993),
  imap_oauth_only: async (yard: Yard) =>
    on(
      await yard.behindTls(993, await yard.imap({ capabilities: 'IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2' })),
      993,
    ),
  imap_unavailable: atLogin('$ NO [UNAVAILABLE] Temporary authentication failure.'),
  imap_not_connected: atLogin('$ NO User is authenticated but not connected.'),
  imap_app_password: atLogin(
    '$ NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)',
  ),
  imap_qq_code: atLogin(
    '$ NO Login fail. Please enter your authorization code to login. More information in http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=28&&no=1001256',
  ),
  imap_not_enabled: atLogin(
    '$ NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable your account for IMAP access. (Failure)',
  ),
  imap_zoho_not_enabled: atLogin(
    '$ NO [ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)',
  ),
  imap_basic_auth_blocked: atLogin(
    '$ NO LOGIN failed. [Error="AuthFailed:LogonDenied-BasicAuthBlocked" AuthResultFromPopImapEnd=0]',
  ),
  imap_browser: atLogin(
    '$ NO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)',
  ),
  imap_163: unsafe('any'),
  imap_163_late_id: unsafe('after login'),
  imap_163_unsafe: unsafe('never'),

  // the SMTP leg
  smtp_closed: (yard: Yard) => closed(yard, 465),
  smtp_closed_587: (yard: Yard) => closed(yard, 587),
  smtp_silent: async (yard: Yard) => on(await yard.at(465, silent()), 465),
  smtp_silent_587: async (yard: Yard) => on(await yard.at(587, silent()), 587),
  smtp_hangs_up: async (yard: Yard) => on(await yard.at(465, hangsUp()), 465),
  smtp_hangs_up_587: async (yard: Yard) => on(await yard.at(587, hangsUp()), 587),
  smtp_plain_on_tls_port: async (yard: Yard) =>
    on(await yard.forward(465, yard.real.smtp.submissionPort), 465),
  smtp_tls_on_plain_port: async (yard: Yard) => on(await yard.forward(587, yard.real.smtp.smtpsPort), 587),
  smtp_no_starttls: async (yard: Yard) => on(await yard.forward(587, await yard.smtp({})), 587),
  smtp_expired: async (yard: Yard) => on(await yard.behindTls(465, await yard.smtp({}), 'expired'), 465),
  smtp_other_name: async (yard: Yard) =>
    on(await yard.behindTls(465, await yard.smtp({}), 'other name'), 465),
  smtp_unknown_issuer: async (yard: Yard) =>
    on(await yard.behindTls(465, await yard.smtp({}), 'unknown issuer'), 465),
  smtp_starttls_expired: (yard: Yard) => smtpStarttls(yard, 'expired'),
  smtp_starttls_other_name: (yard: Yard) => smtpStarttls(yard, 'other name'),
  smtp_starttls_unknown_issuer: (yard: Yard) => smtpStarttls(yard, 'unknown issuer'),
  smtp_is_http: async (yard: Yard) => on(await yard.at(465, web()), 465),
  smtp_is_http_587: async (yard: Yard) => on(await yard.at(587, web()), 587),
  smtp_is_https: async (yard: Yard) => {
    const host = yard.address()
    const server = https.createServer(yard.certificate(host, 'none'), (_request, response) => response.end())
    await new Promise<void>(resolve => server.listen(465, host, resolve))
    yard.atTheEnd(() => {
      server.close()
      server.closeAllConnections()
    })
    return on(host, 465)
  },
  smtp_is_imap: async (yard: Yard) => on(await yard.forward(587, yard.real.imap.port), 587),
  smtp_is_imaps: async (yard: Yard) => on(await yard.behindTls(465, await yard.imap({})), 465),
  smtp_oauth_only: async (yard: Yard) =>
    on(
      await yard.behindTls(
        465,
        await yard.smtp({ EHLO: '250-scripted.test\r\n250-AUTH XOAUTH2\r\n250 SIZE 1000' }),
      ),
      465,
    ),
  smtp_busy: atAuth('454 4.7.0 Temporary authentication failure'),
  smtp_app_password: atAuth(
    '534-5.7.9 Application-specific password required. For more information, go to\r\n534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor - gsmtp',
  ),
  smtp_qq_code: atAuth(
    '535 Error: 请使用授权码登录。详情请看: http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=28&&no=1001256',
  ),
  smtp_basic_auth_disabled: atAuth(
    '535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [AM0PR01CA0001.eurprd01.prod.exchangelabs.com]',
  ),
  smtp_basic_auth_retired: atAuth('550 5.7.30 Basic authentication is not supported for Client Submission.'),
  smtp_auth_off_for_tenant: atAuth(
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.',
  ),
  smtp_auth_off_for_mailbox: atAuth(
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information.',
  ),
  smtp_wrong_after_all: atAuth(
    '535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [AM0PR01CA0001.eurprd01.prod.exchangelabs.com]',
  ),
} satisfies Record<string, (yard: Yard) => Promise<Place>>
