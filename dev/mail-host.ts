/**
 * The demo's mail host: an IMAP and an SMTP server on loopback, made of npm packages only, for people who want to see the product answer
 * before they connect anything. Mail for its own domain is delivered at once; nothing ever leaves the machine. Tests of record run on
 * Dovecot and Postfix (test/servers). hoodiecrow has one set of folders a server, so each mailbox is a server of its own behind one
 * port, chosen at LOGIN. Delivered mail is kept in files, so that a second start finds it under the same UIDs.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo, Server, Socket } from 'node:net'
import { join } from 'node:path'
import hoodiecrow, { type ImapServer } from 'hoodiecrow-imap'
import login from 'hoodiecrow-imap/lib/commands/login.js'
import { SMTPServer } from 'smtp-server'

export interface DemoMailHost {
  imapPort: number
  smtpPort: number
  stop(): Promise<void>
}

export interface DemoMailbox {
  address: string
  password: string
}

export async function startMailHost(options: {
  mailboxes: DemoMailbox[]
  dir: string
  imapPort: number
  smtpPort: number
}): Promise<DemoMailHost> {
  const users = Object.fromEntries(options.mailboxes.map(one => [one.address, { password: one.password }]))
  const boxes = new Map(
    options.mailboxes.map(one => [one.address, openMailbox(join(options.dir, one.address), users)]),
  )

  const imap = hoodiecrow({
    plugins: ['ID', 'UIDPLUS', 'IDLE', 'UNSELECT', 'LITERALPLUS', 'SPECIAL-USE', 'ENABLE', 'MOVE'],
    users,
  })
  imap.setCommandHandler('LOGIN', (connection, parsed, data, callback) => {
    login(connection, parsed, data, callback)
    const box = boxes.get(parsed.attributes?.[0]?.value ?? '')
    if (!box || (connection as unknown as { state: string }).state !== 'Authenticated') return
    connection.server.removeListener('notify', connection._notificationCallback)
    connection.server = box.server
    box.server.on('notify', connection._notificationCallback)
  })
  await listening(imap.server, () => imap.listen(options.imapPort, '127.0.0.1', () => {}))

  const smtp = new SMTPServer({
    authOptional: true,
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    size: 60 * 1024 * 1024,
    disableReverseLookup: true,
    onAuth: (auth, _session, callback) =>
      users[auth.username ?? '']?.password === auth.password
        ? callback(null, { user: auth.username ?? '' })
        : callback(new Error('Authentication failed')),
    onRcptTo: ({ address }, _session, callback) =>
      boxes.has(address.toLowerCase())
        ? callback()
        : callback(Object.assign(new Error('No such mailbox in the demo'), { responseCode: 550 })),
    onData: (stream, session, callback) => {
      const chunks: Buffer[] = []
      stream.on('data', chunk => chunks.push(chunk))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        const returnPath = `Return-Path: <${mailFrom ? mailFrom.address : ''}>\r\n`
        for (const { address } of rcptTo)
          boxes.get(address.toLowerCase())!.deliver(returnPath + Buffer.concat(chunks).toString('latin1'))
        callback()
      })
    },
  })
  smtp.on('error', () => {}) // a client that hangs up is no news
  await listening(smtp.server as Server, () => smtp.listen(options.smtpPort, '127.0.0.1'))

  const sockets = new Set<Socket>()
  imap.server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  return {
    imapPort: (imap.server.address() as AddressInfo).port,
    smtpPort: (smtp.server.address() as AddressInfo).port,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await Promise.all([
        new Promise<void>(resolve => imap.server.close(() => resolve())),
        new Promise<void>(resolve => smtp.close(() => resolve())),
      ])
    },
  }
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('listening', resolve)
    server.once('error', reject)
    listen()
  })
}

function openMailbox(dir: string, users: Record<string, { password: string }>) {
  mkdirSync(dir, { recursive: true })
  const kept = readdirSync(dir)
    .filter(name => name.endsWith('.eml'))
    .sort()
    .map(name => ({
      uid: Number(name.slice(0, 8)),
      flags: [] as string[],
      internaldate: imapDate(new Date(Number(name.slice(9, -4)))),
      raw: readFileSync(join(dir, name), 'latin1'),
    }))
  const server: ImapServer = hoodiecrow({
    plugins: ['UIDPLUS', 'IDLE', 'UNSELECT', 'SPECIAL-USE', 'MOVE'],
    users,
    storage: {
      INBOX: { messages: kept, uidnext: (kept.at(-1)?.uid ?? 0) + 1, uidvalidity: 1_700_000_000 },
      '': {
        separator: '/',
        folders: { Drafts: { 'special-use': '\\Drafts' }, Sent: { 'special-use': '\\Sent' } },
      },
    },
  })
  return {
    server,
    deliver(raw: string) {
      const uid = server.folderCache.INBOX!.uidnext
      const at = Date.now()
      writeFileSync(join(dir, `${String(uid).padStart(8, '0')}-${at}.eml`), raw, 'latin1')
      server.appendMessage('INBOX', [], imapDate(new Date(at)), raw)
    },
  }
}

/** RFC 3501 date-time: `21-Nov-2026 12:59:01 +0000`. */
function imapDate(date: Date): string {
  const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) ([\d:]+)/.exec(date.toUTCString())!
  return `${day}-${month}-${year} ${time} +0000`
}
