/**
 * Mail servers to send to: good ones (smtp-server from npm, with certificates made on the spot) and bad ones, which
 * follow a script line by line and write down everything they were told.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SMTPServer } from 'smtp-server'

export interface Certificates {
  /** File with the authority's certificate, for NODE_EXTRA_CA_CERTS. */
  authority: string
  trusted: { key: string; cert: string }
  /** Signed by the same authority for another host. */
  otherName: { key: string; cert: string }
  /** Signed by nobody. */
  stranger: { key: string; cert: string }
  remove(): void
}

/** The leaf is not a CA certificate: workerd refuses one that is both. */
export function certificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'edgedesk-ca-'))
  const file = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=Contract CA',
  )
  const leaf = (name: string, host: string) => {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${host}`)
    writeFileSync(file(`${name}.ext`), `subjectAltName=DNS:${host}\nbasicConstraints=CA:FALSE\n`)
    const by = [
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-extfile',
      `${name}.ext`,
      '-days',
      '2',
    ]
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...by)
    return { key: readFileSync(file(`${name}.key`), 'utf8'), cert: readFileSync(file(`${name}.pem`), 'utf8') }
  }
  const san = ['-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    's.key',
    '-out',
    's.pem',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    ...san,
  )
  return {
    authority: file('ca.pem'),
    trusted: leaf('trusted', 'localhost'),
    otherName: leaf('other', 'mail.other.example'),
    stranger: { key: readFileSync(file('s.key'), 'utf8'), cert: readFileSync(file('s.pem'), 'utf8') },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export interface Delivered {
  ehlo: string
  secure: boolean
  from: string
  to: string[]
  /** What came with MAIL and RCPT: SIZE, BODY, NOTIFY … */
  parameters: string
  raw: Buffer
  sha: string
}

export interface GoodServer extends AsyncDisposable {
  port: number
  mails: Delivered[]
}

/** A server that takes everything, after a login with `user` and `password` or `pässword`. */
export async function goodServer(
  security: 'plain' | 'starttls' | 'tls',
  pair: { key: string; cert: string },
  at: { host: string; port: number } = { host: '127.0.0.1', port: 0 },
): Promise<GoodServer> {
  const mails: Delivered[] = []
  const server = new SMTPServer({
    ...pair,
    secure: security === 'tls',
    hideSTARTTLS: security !== 'starttls',
    allowInsecureAuth: security === 'plain',
    hideDSN: false,
    size: 64 * 1024 * 1024,
    disableReverseLookup: true,
    onAuth: (auth, _session, done) =>
      auth.username === 'user' && ['password', 'pässword'].includes(auth.password ?? '')
        ? done(null, { user: 'user' })
        : done(new Error('Username and Password not accepted')),
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const raw = Buffer.concat(chunks)
        const { mailFrom, rcptTo } = session.envelope
        mails.push({
          ehlo: session.hostNameAppearsAs || '',
          secure: session.secure,
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(recipient => recipient.address),
          parameters: JSON.stringify([mailFrom, rcptTo, session.envelope]),
          raw,
          sha: createHash('sha256').update(raw).digest('hex'),
        })
        done(null)
      })
    },
  })
  server.on('error', () => {})
  await new Promise<void>(resolve => server.listen(at.port, at.host, () => resolve()))
  const { port } = server.server.address() as net.AddressInfo
  return {
    port,
    mails,
    [Symbol.asyncDispose]: () => new Promise(resolve => server.close(() => resolve())),
  }
}

/** What a scripted server does at one step: say something, fall silent, hang up, or say something and hang up. */
export type Move = string | 'silence' | 'hang up' | { lastWords: string }

export interface Script {
  greeting?: Move
  EHLO?: Move
  STARTTLS?: Move
  AUTH?: Move
  MAIL?: Move
  /** One move for each recipient, the last one repeated. */
  RCPT?: Move[]
  DATA?: Move
  /** When this many bytes of the message have come. */
  middle?: { after: number; move: Move }
  dot?: Move
  QUIT?: Move
}

export interface ScriptedServer extends AsyncDisposable {
  port: number
  connections: number
  /** Every command, in order. */
  lines: string[]
  /** What came after 354, as it came. */
  data: string
  sawDot: boolean
  /** Resolves when the client has gone. */
  left: Promise<void>
}

const GOOD: Required<Omit<Script, 'middle'>> = {
  greeting: '220 scripted.test ESMTP',
  EHLO: '250-scripted.test\r\n250-AUTH PLAIN LOGIN\r\n250 DSN',
  STARTTLS: '502 5.5.1 Command not implemented',
  AUTH: '235 2.7.0 Accepted',
  MAIL: '250 2.1.0 Ok',
  RCPT: ['250 2.1.5 Ok'],
  DATA: '354 End data with <CR><LF>.<CR><LF>',
  dot: '250 2.0.0 Ok: queued as 17',
  QUIT: '221 2.0.0 Bye',
}

export async function scriptedServer(script: Script): Promise<ScriptedServer> {
  const plan = { ...GOOD, ...script }
  const sockets = new Set<net.Socket>()
  const left = Promise.withResolvers<void>()
  const seen: Omit<ScriptedServer, keyof AsyncDisposable> = {
    port: 0,
    connections: 0,
    lines: [],
    data: '',
    sawDot: false,
    left: left.promise,
  }
  // Half-open on purpose: this server never closes because the client did.
  const server = net.createServer({ allowHalfOpen: true }, socket => {
    seen.connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => left.resolve())
    socket.on('end', () => left.resolve())
    converse(socket, plan, seen)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  seen.port = (server.address() as net.AddressInfo).port
  return Object.assign(seen, {
    [Symbol.asyncDispose]: () =>
      new Promise<void>(resolve => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  })
}

function converse(
  socket: net.Socket,
  plan: typeof GOOD & Script,
  seen: Pick<ScriptedServer, 'lines' | 'data' | 'sawDot'>,
): void {
  let pending = ''
  let inData = false
  let recipients = 0
  let middleDone = false
  const make = (move: Move) => {
    if (move === 'silence') return
    if (move === 'hang up') return socket.destroy()
    if (typeof move === 'string') return socket.write(`${move}\r\n`)
    return socket.write(`${move.lastWords}\r\n`, () => socket.destroy())
  }
  const message = () => {
    seen.data += pending
    pending = ''
    if (plan.middle && !middleDone && seen.data.length >= plan.middle.after) {
      middleDone = true
      make(plan.middle.move)
    }
    const end = seen.data.startsWith('.\r\n') ? 0 : seen.data.indexOf('\r\n.\r\n')
    if (end < 0) return
    seen.sawDot = true
    inData = false
    make(plan.dot)
  }
  const command = (line: string) => {
    seen.lines.push(line)
    const verb = line.split(' ')[0]!.toUpperCase()
    if (verb === 'RCPT') return make(plan.RCPT[Math.min(recipients++, plan.RCPT.length - 1)]!)
    if (verb === 'DATA') inData = typeof plan.DATA === 'string' && plan.DATA.startsWith('354')
    const move = plan[verb as 'EHLO' | 'STARTTLS' | 'AUTH' | 'MAIL' | 'DATA' | 'QUIT'] as Move | undefined
    return make(move ?? '250 Ok')
  }
  socket.on('data', chunk => {
    pending += chunk.toString('latin1')
    while (!inData && pending.includes('\r\n')) {
      const end = pending.indexOf('\r\n')
      const line = pending.slice(0, end)
      pending = pending.slice(end + 2)
      command(line)
    }
    if (inData) message()
  })
  make(plan.greeting)
}
