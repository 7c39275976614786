/**
 * A submission server between the product and Postfix that stops where the lab wants: before it answers a command, or after the final
 * dot, with or without having handed the mail on. It knows of each mail whether the dot came and whether 250 was said.
 */
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import nodemailer from 'nodemailer'
import type { MailServers } from '../test/servers/mail-servers.ts'

/** Where a session stops: before the answer to a command, or at the final dot, before or after Postfix got the mail. */
export type Point = 'MAIL' | 'RCPT' | 'DATA' | 'dot, not handed on' | 'dot, handed on'

/** Where one session fails: the line drops there, or the server says "not now" (4yz). */
export type FailPoint = Point | 'connect' | 'EHLO' | 'AUTH' | 'body'
export type Failure = 'drops' | 'not now'

export interface HeldMail {
  inReplyTo: string
  handedOn: boolean
  answered: boolean
}

export interface HeldSmtp {
  port: number
  /** Stops every session at this point from now on; null lets them go. */
  hold(point: Point | null): void
  /** Resolves when a session stands at the point. */
  reached(withinMs: number): Promise<void>
  /** The next session that comes to this point fails there, and only that one. */
  failNext(point: FailPoint, how: Failure): void
  /** Sessions open now. */
  sessions(): number
  /** Every mail whose dot came, in order. */
  mails: HeldMail[]
  stop(): Promise<void>
}

export async function startHeldSmtp(servers: MailServers): Promise<HeldSmtp> {
  const secureContext = tls.createSecureContext({
    cert: readFileSync(join(servers.dir, 'leaf.pem')),
    key: readFileSync(join(servers.dir, 'leaf.key')),
  })
  const onward = nodemailer.createTransport({
    ...{ host: '127.0.0.1', port: servers.smtp.port, secure: false, ignoreTLS: true },
  })
  const mails: HeldMail[] = []
  const sockets = new Set<net.Socket>()
  let point: Point | null = null
  let go = (): void => {}
  let released = Promise.resolve()
  let arrived = (): void => {}
  let arrival = Promise.resolve()

  const at = async (here: Point): Promise<void> => {
    if (point !== here) return
    arrived()
    await released
  }

  let failure: { point: FailPoint; how: Failure } | null = null
  const failureAt = (here: FailPoint): Failure | null => {
    if (failure?.point !== here) return null
    const { how } = failure
    failure = null
    return how
  }

  function serve(plain: net.Socket): void {
    let socket: net.Socket = plain
    let input = ''
    let body: string | null = null
    let from = ''
    let to: string[] = []
    let busy: Promise<unknown> = Promise.resolve()
    let loggingIn = 0
    const say = (line: string) => {
      if (!socket.destroyed) socket.write(`${line}\r\n`)
    }
    /** True where the session fails here, and has heard so. */
    const fails = (here: FailPoint): boolean => {
      const how = failureAt(here)
      if (how === 'drops') socket.destroy()
      else if (how === 'not now') say('451 4.3.0 try again later')
      return how !== null
    }
    const track = (one: net.Socket) => {
      sockets.add(one)
      one.on('close', () => sockets.delete(one))
      one.on('error', () => one.destroy())
      one.on('data', chunk => {
        input += chunk.toString('latin1')
        busy = busy.then(take).catch(() => one.destroy())
      })
    }
    const take = async (): Promise<void> => {
      for (;;) {
        if (body !== null) {
          if (failure?.point === 'body' && input.length > 0 && fails('body')) return
          const whole = input.startsWith('.\r\n') ? 0 : input.indexOf('\r\n.\r\n')
          if (whole === -1) return
          body = input.slice(0, whole)
          input = input.slice(input.indexOf('.\r\n', whole) + 3)
          await dotCame(body)
          body = null
          continue
        }
        const end = input.indexOf('\r\n')
        if (end === -1) return
        const line = input.slice(0, end)
        input = input.slice(end + 2)
        if (await command(line)) return
      }
    }
    /** True where the socket has become another. */
    const command = async (line: string): Promise<boolean> => {
      const verb = line.slice(0, 4).toUpperCase()
      if (loggingIn > 0) {
        loggingIn -= 1
        say(loggingIn > 0 ? '334 UGFzc3dvcmQ6' : '235 2.7.0 ok')
      } else if (verb === 'EHLO') {
        if (socket !== plain && fails('EHLO')) return false
        const more = socket === plain ? 'STARTTLS' : 'AUTH PLAIN LOGIN'
        say(`250-held.test\r\n250-8BITMIME\r\n250-SIZE 62914560\r\n250 ${more}`)
      } else if (verb === 'STAR') {
        say('220 2.0.0 go ahead')
        plain.removeAllListeners('data')
        socket = new tls.TLSSocket(plain, { isServer: true, secureContext })
        track(socket)
        return true
      } else if (verb === 'AUTH') {
        if (fails('AUTH')) return false
        const [, kind, initial] = line.split(' ')
        loggingIn = kind!.toUpperCase() === 'PLAIN' ? (initial ? 0 : 1) : initial ? 1 : 2
        say(loggingIn === 0 ? '235 2.7.0 ok' : loggingIn === 2 ? '334 VXNlcm5hbWU6' : '334 ')
      } else if (verb === 'MAIL') {
        from = /<([^>]*)>/.exec(line)![1]!
        to = []
        await at('MAIL')
        if (fails('MAIL')) return false
        say('250 2.1.0 ok')
      } else if (verb === 'RCPT') {
        to.push(/<([^>]*)>/.exec(line)![1]!)
        await at('RCPT')
        if (fails('RCPT')) return false
        say('250 2.1.5 ok')
      } else if (verb === 'DATA') {
        await at('DATA')
        if (fails('DATA')) return false
        body = ''
        say('354 go on')
      } else if (verb === 'QUIT') {
        say('221 2.0.0 bye')
        socket.end()
      } else say(verb === 'RSET' || verb === 'NOOP' ? '250 2.0.0 ok' : '502 5.5.2 not here')
      return false
    }
    const dotCame = async (mail: string): Promise<void> => {
      const inReplyTo = /^in-reply-to:\s*(<[^>]+>)/im.exec(mail)?.[1] ?? ''
      const one: HeldMail = { inReplyTo, handedOn: false, answered: false }
      mails.push(one)
      await at('dot, not handed on')
      const refused = failureAt('dot, not handed on')
      if (refused === 'not now') {
        one.answered = true
        mails.splice(mails.indexOf(one), 1)
        say('451 4.3.0 try again later')
        return
      }
      if (refused === 'drops') socket.destroy()
      // Held at this point, the client is gone when it goes on: then the mail was never taken.
      if (socket.destroyed || !socket.writable) return
      const raw = Buffer.from(`${mail.replace(/^\.\./gm, '.')}\r\n`, 'latin1')
      await onward.sendMail({ envelope: { from, to }, raw })
      one.handedOn = true
      await at('dot, handed on')
      if (failureAt('dot, handed on')) socket.destroy()
      if (socket.destroyed || !socket.writable) return
      one.answered = true
      say('250 2.0.0 taken')
    }
    track(plain)
    const greeting = failureAt('connect')
    if (greeting === 'drops') plain.destroy()
    else say(greeting === 'not now' ? '421 4.3.2 try again later' : '220 held.test ESMTP')
  }

  const server = net.createServer({ noDelay: true }, serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as net.AddressInfo).port,
    mails,
    sessions: () => sockets.size,
    failNext(wanted, how) {
      failure = { point: wanted, how }
    },
    hold(wanted) {
      go()
      point = wanted
      released = wanted === null ? Promise.resolve() : new Promise(resolve => (go = resolve))
      arrival = new Promise(resolve => (arrived = resolve))
    },
    async reached(withinMs) {
      const late = new Promise<never>((_, reject) =>
        setTimeout(
          () => reject(new Error(`nobody came to "${point}" within ${withinMs} ms`)),
          withinMs,
        ).unref(),
      )
      await Promise.race([arrival, late])
    },
    async stop() {
      go()
      for (const socket of sockets) socket.destroy()
      onward.close()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
