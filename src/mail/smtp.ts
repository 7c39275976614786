/**
 * The post room's back door: hands one finished message to the customer's own mail server (RFC 5321, RFC 6409).
 *
 * Handing mail over has one moment that cannot be taken back, the final dot. So the message goes in as a stream whose
 * last bytes are held back until the `gate` says yes: before that nothing has happened and anything may be tried again
 * with the same bytes; after it, either the server answers or nobody can say (`uncertain`, RFC 1047). Everything that
 * may go wrong on the way is a value with a sentence of ours; nothing here throws because of what a server does.
 *
 * nodemailer's connection lives only in this file. It is given sockets that are already open, because its own resolver
 * asks DNS over HTTPS and connects by address, and at the edge a TLS connection made by address carries no server name.
 */
import net from 'node:net'
import { type Duplex, Readable } from 'node:stream'
import tls from 'node:tls'
import SMTPConnection, { type SentMessageInfo, type SMTPError } from 'nodemailer/lib/smtp-connection'
import { loginRefusal } from '../domain/login.ts'
import { DOUBT_MS, speechOf, wrongServer } from '../domain/probe.ts'
import { type Problem, type ProblemCode, problem } from '../domain/problem.ts'
import { HANGS_UP, smtpCause, unreached, whyUnreached } from './probe.ts'

export interface SmtpAccount {
  host: string
  port: number
  security: 'tls' | 'starttls' | 'plain'
  /** Empty where the server wants no login. */
  user: string
  password: string
}

export interface Envelope {
  from: string
  to: string[]
}

export type Submission =
  /** The server said 250. `refused` are the recipients it did not take; the others have the mail. */
  | {
      kind: 'sent'
      response: string
      refused: { address: string; problem: Problem }[]
      /** Where the platform gave the mail a Message-ID of its own. */
      messageId?: string
    }
  /** The gate said no: the server got DATA but never the final dot. Nothing was handed over. */
  | { kind: 'withdrawn' }
  /** Nothing was handed over; the same bytes may be tried again later. */
  | { kind: 'retry'; problem: Problem }
  /** The server said no for good. */
  | { kind: 'failed'; problem: Problem }
  /** The gate had opened and no answer came: nobody can say. */
  | { kind: 'uncertain'; problem: Problem }

export interface SmtpLimits {
  /**
   * Until the connection stands, is encrypted and the server has said what it can do. Where it does not come about, up to
   * 3 s more are spent on finding out why.
   */
  connectMs: number
  /** Longest time without a byte in either direction. */
  silenceMs: number
  /**
   * The whole session, whatever else happens. RFC 5321 §4.5.3.2.6 would wait ten minutes for the answer to the dot; a
   * Worker has no ten minutes, and the price is an honest `uncertain`.
   */
  sessionMs: number
}

const LIMITS: SmtpLimits = { connectMs: 20_000, silenceMs: 60_000, sessionMs: 90_000 }

/** After 250 and QUIT the server gets this long to say goodbye. Nobody waits for it. */
const GOODBYE_MS = 1_000
const CHUNK_BYTES = 64 * 1024
const HELD_BACK_BYTES = 16

/**
 * `gate` is asked at most once: when the server has accepted MAIL, RCPT and DATA and has been sent everything but the
 * last bytes. `true` lets them go, `false` withdraws the mail, a rejection leaves it to a later try. Where the line
 * breaks while the gate is being asked, the answer waits for the gate (never past the session's deadline) and its yes
 * counts for nothing.
 */
export async function submit(
  account: SmtpAccount,
  envelope: Envelope,
  raw: Uint8Array,
  gate: () => Promise<boolean>,
  limits: Partial<SmtpLimits> = {},
): Promise<Submission> {
  const refusal = refuse(envelope, raw)
  if (refusal !== null) return { kind: 'failed', problem: refusal }

  const line = new Line(account, domainOf(envelope.from), { ...LIMITS, ...limits })
  const handover = new Handover(raw, gate, line)
  try {
    await line.open()
    const info = await line.send(envelope, raw, handover.stream)
    if (!handover.released) throw trouble('EPROTOCOL', 'the server said yes before the mail was complete')
    line.hangUp('with QUIT')
    return {
      kind: 'sent',
      response: cut(discreet(info.response, account)),
      refused: refusedOf(info, account),
    }
  } catch (error) {
    return await outcome(error as SMTPError, handover, line)
  } finally {
    line.hangUp()
  }
}

/** Connects, encrypts and logs in as `submit` would, then says goodbye. Null where all of it works. */
export async function checkSmtp(
  account: SmtpAccount,
  limits: Partial<SmtpLimits> = {},
): Promise<Problem | null> {
  const line = new Line(account, domainOf(account.user), { ...LIMITS, ...limits })
  try {
    await line.open()
    line.hangUp('with QUIT')
    return null
  } catch (error) {
    return verdict(error as SMTPError, line).problem
  } finally {
    line.hangUp()
  }
}

async function outcome(error: SMTPError, handover: Handover, line: Line): Promise<Submission> {
  line.over = true
  await handover.settled()
  if (handover.decision === 'no') return { kind: 'withdrawn' }
  if (handover.decision === 'failed') {
    return {
      kind: 'retry',
      problem: problem('unavailable', 'The mail was held back because we could not decide.'),
    }
  }
  // RFC 5321 §4.2.5: a 4xx or 5xx to the dot leaves the mail with us, whatever became of the line after it.
  const answered = (error.responseCode ?? 0) >= 400
  if (handover.released && !answered) {
    return { kind: 'uncertain', problem: problem('uncertain') }
  }
  const { final, problem: why } = verdict(error, line)
  return final ? { kind: 'failed', problem: why } : { kind: 'retry', problem: why }
}

/** The message on its way, its last bytes held back until the gate opens. */
class Handover {
  released = false
  decision: 'not asked' | 'asking' | 'yes' | 'no' | 'failed' = 'not asked'
  readonly stream: Readable
  readonly #raw: Uint8Array
  readonly #gate: () => Promise<boolean>
  readonly #line: Line
  #asked: Promise<void> = Promise.resolve()
  #encoder: Duplex | null = null

  constructor(raw: Uint8Array, gate: () => Promise<boolean>, line: Line) {
    this.#raw = raw
    this.#gate = gate
    this.#line = line
    this.stream = Readable.from(this.#pour())
    const pipe = this.stream.pipe.bind(this.stream)
    this.stream.pipe = (into, options) => {
      this.#encoder = into as unknown as Duplex
      return pipe(into, options)
    }
    // The stream is destroyed with an error whenever the mail is withdrawn; unheard it would end the isolate.
    this.stream.on('error', () => {})
  }

  /** Waits for a gate that is still being asked, so that nobody is told "try again" while it writes "leaving". */
  async settled(): Promise<void> {
    await Promise.race([this.#asked, this.#line.deadline])
  }

  /** Read only after the server's 354. Throwing is what withdraws: an ordinary end would write the final dot. */
  async *#pour(): AsyncGenerator<Uint8Array> {
    const last = Math.max(0, this.#raw.length - HELD_BACK_BYTES)
    for (let at = 0; at < last; at += CHUNK_BYTES) {
      yield this.#raw.subarray(at, Math.min(at + CHUNK_BYTES, last))
    }
    await this.#line.written(this.#encoder)
    if (this.#line.over) throw new Error('the line broke before the gate was asked')
    this.#asked = this.#ask()
    await this.#asked
    if (this.decision !== 'yes' || this.#line.over) throw new Error('the mail stays here')
    this.released = true
    yield this.#raw.subarray(last)
  }

  async #ask(): Promise<void> {
    this.decision = 'asking'
    try {
      this.decision = (await this.#gate()) ? 'yes' : 'no'
    } catch {
      this.decision = 'failed'
    }
  }
}

/** One connection to the mail server, with one deadline over all of it. */
class Line {
  readonly account: SmtpAccount
  /** True from the moment nothing more may be sent. */
  over = false
  /** From the moment the password is on its way until the server has taken it. */
  loggingIn = false
  /** Resolves when the session's time is up. */
  readonly deadline: Promise<void>
  readonly #name: string
  readonly #limits: SmtpLimits
  readonly #broken = Promise.withResolvers<never>()
  readonly #clock: ReturnType<typeof setTimeout>
  #socket: net.Socket | null = null
  #smtp: SMTPConnection | null = null
  #leaving = false

  constructor(account: SmtpAccount, name: string, limits: SmtpLimits) {
    this.account = account
    this.#name = name
    this.#limits = limits
    this.#broken.promise.catch(() => {})
    const deadline = Promise.withResolvers<void>()
    this.deadline = deadline.promise
    this.#clock = setTimeout(() => {
      this.#break(this.#tooLate())
      deadline.resolve()
    }, limits.sessionMs)
  }

  async open(): Promise<void> {
    const { connectMs } = this.#limits
    const patience = setTimeout(() => this.#break(this.#tooLate()), connectMs)
    const doubt = setTimeout(() => this.#doubt(), Math.min(DOUBT_MS, connectMs / 3))
    try {
      await this.#until(this.#dial())
      await this.#until(this.#greet())
    } catch (error) {
      throw await this.#explained(error as SMTPError)
    } finally {
      clearTimeout(patience)
      clearTimeout(doubt)
    }
    await this.#until(this.#login())
  }

  /** A server that should have greeted by now may be another kind of server; it is waited for all the same. */
  async #doubt(): Promise<void> {
    const mute = () => !this.over && !this.#smtp?.lastServerResponse
    if (!mute()) return
    const why = await smtpCause(this.account, this.#smtp === null ? 'door' : 'inside')
    if (why !== null && mute()) this.#break(finding(why))
  }

  /** TLS that did not come about has many reasons and, in workerd, one text. */
  async #explained(error: SMTPError & { problem?: Problem }): Promise<Error> {
    if (error.problem !== undefined || error.responseCode !== undefined) return error
    if (error.code === 'ECONNECTION' && this.#smtp !== null && !this.#smtp.lastServerResponse) {
      return finding(problem('unreachable', HANGS_UP))
    }
    // The platform's own words for a door that does not open; nodemailer's errors have a code.
    if (error.code === undefined && this.#smtp === null) {
      const why = await this.#inTime(whyUnreached(error, this.account.host))
      return why === null ? error : finding(why)
    }
    if (error.code !== 'ETLS') return error
    const way = this.account.security === 'tls' ? 'door' : 'starttls'
    const why = await this.#inTime(smtpCause(this.account, way))
    return why === null ? error : finding(why)
  }

  /** Null once the session's time is up. */
  #inTime<T>(work: Promise<T>): Promise<T | null> {
    return Promise.race([work, this.deadline.then(() => null)])
  }

  send(envelope: Envelope, raw: Uint8Array, stream: Readable): Promise<SentMessageInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<SentMessageInfo>()
    // RFC 6152: bytes above 127 are announced where the server takes them. SIZE lets it refuse before it is sent.
    const use8BitMime = raw.some(byte => byte > 127)
    this.#connected.send(
      { from: envelope.from, to: [...envelope.to], size: raw.length, use8BitMime },
      stream,
      (error, info) => (error ? reject(error) : resolve(info)),
    )
    return this.#until(promise)
  }

  /** Waits until what is in `encoder`, which dot-stuffs into our socket, and in the socket has left this process. */
  async written(encoder: Duplex | null): Promise<void> {
    const socket = this.#connected._socket
    const pending = () =>
      (encoder ? encoder.writableLength + encoder.readableLength : 0) + (socket ? socket.writableLength : 0)
    while (!this.over && pending() > 0) await new Promise(resolve => setTimeout(resolve, 5))
  }

  /** Ends the line and returns at once: closing a socket may never finish (cloudflare/workerd#2060). */
  hangUp(manner?: 'with QUIT'): void {
    clearTimeout(this.#clock)
    this.over = true
    if (this.#leaving) return
    this.#leaving = true
    const cutOff = () => {
      this.#smtp?.close()
      this.#socket?.destroy()
    }
    if (manner === undefined || this.#smtp === null) {
      cutOff()
      return
    }
    const goodbye = setTimeout(cutOff, GOODBYE_MS)
    this.#smtp.once('end', () => {
      clearTimeout(goodbye)
      cutOff()
    })
    this.#smtp.quit()
  }

  async #dial(): Promise<void> {
    const { host, port, security } = this.account
    if (security !== 'tls') return await this.#opened(net.connect({ host, port }), 'connect')
    // RFC 6066 §3: a server name is a name, never an address.
    const servername = net.isIP(host) === 0 ? { servername: host } : {}
    try {
      await this.#opened(tls.connect({ host, port, ...servername }), 'secureConnect')
    } catch (error) {
      throw unreached(error as Error) === null ? trouble('ETLS', (error as Error).message) : error
    }
  }

  #opened(socket: net.Socket, event: 'connect' | 'secureConnect'): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#socket?.destroy()
    this.#socket = socket
    // Stays for the socket's whole life: an 'error' without a listener would end the isolate.
    socket.on('error', reject)
    socket.once('close', () => reject(trouble('ECONNECTION', 'closed while connecting')))
    socket.once(event, () => resolve())
    return promise
  }

  /** Greeting, EHLO and, where it is asked for, STARTTLS with a second EHLO. */
  #greet(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { host, port, security } = this.account
    const smtp = new SMTPConnection({
      connection: this.#socket!,
      host,
      port,
      name: this.#name,
      secure: security === 'tls',
      secured: security === 'tls',
      // Never opportunistic: STARTTLS is demanded even of a server that does not offer it, and its no ends the session.
      requireTLS: security === 'starttls',
      ignoreTLS: security === 'plain',
      connectionTimeout: this.#limits.connectMs,
      greetingTimeout: this.#limits.connectMs,
      socketTimeout: this.#limits.silenceMs,
      socketCloseTimeout: 0,
    })
    this.#smtp = smtp
    hushUpgrade(smtp)
    smtp.on('error', error => this.#break(smtp.upgrading ? trouble('ETLS', error.message) : error))
    smtp.on('end', () => this.#break(trouble('ECONNECTION', 'the server closed the connection')))
    // nodemailer listens one turn later, and a server that hangs up at once would be waited for until time is up.
    this.#socket!.once('close', () => {
      if (!smtp.lastServerResponse) this.#break(trouble('ECONNECTION', 'closed before the greeting'))
    })
    smtp.connect(error => (error ? reject(error) : resolve()))
    return promise
  }

  #login(): Promise<void> {
    const { user, password } = this.account
    if (user === '') return Promise.resolve()
    const ways = (this.#connected as unknown as { _supportedAuth?: string[] })._supportedAuth ?? []
    if (ways.length > 0 && ways.every(way => /^(XOAUTH2|OAUTHBEARER)$/.test(way))) {
      return Promise.reject(finding(problem('basic_auth_retired')))
    }
    if (!this.#connected.allowsAuth) return Promise.reject(trouble('ENOAUTH', 'no AUTH offered'))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.loggingIn = true
    this.#connected.login({ user, pass: password }, error => {
      if (error) return reject(error)
      this.loggingIn = false
      resolve()
    })
    return promise
  }

  get #connected(): SMTPConnection {
    if (this.#smtp === null) throw new Error('the line is not open yet')
    return this.#smtp
  }

  #tooLate(): SMTPError {
    const mute = this.#smtp !== null && !this.#smtp.lastServerResponse
    return Object.assign(trouble('ETIMEDOUT', 'time is up'), mute ? { timeoutType: 'GREETING_TIMEOUT' } : {})
  }

  #break(error: Error): void {
    this.over = true
    this.#broken.reject(error)
  }

  /** nodemailer tells of a lost line by event and leaves the callback of the step unanswered. */
  #until<T>(step: Promise<T>): Promise<T> {
    return Promise.race([step, this.#broken.promise])
  }
}

/** What one refusal or breakage means. `final` only where the server refused this very mail with a 5xx. */
function verdict(
  error: SMTPError & { problem?: Problem },
  { account, loggingIn }: Line,
): { final: boolean; problem: Problem } {
  if (error.problem !== undefined) return { final: false, problem: error.problem }
  const reply = error.response ?? ''
  const code = error.responseCode
  // What a server says to a password may have the password in it, in whatever disguise.
  const said = loggingIn ? '' : quoted(reply, account)
  const later = (name: ProblemCode, sentence?: string) => ({
    final: false,
    problem: problem(name, sentence === undefined ? undefined : `${sentence}${said}`),
  })

  if (code !== undefined && (error.command === 'STARTTLS' || /must issue a? ?starttls/i.test(reply))) {
    return later('tls_mismatch', noStarttls(account))
  }
  if (error.code === 'ETLS') return later('tls')
  // The greeting of another kind of server, which nodemailer does not understand.
  if (error.command === 'CONN' && reply !== '' && speechOf(reply) !== 'smtp') {
    const cause = wrongServer(speechOf(reply), 'smtp')
    return later(cause.code, cause.message)
  }
  // nodemailer's own finding, from the SIZE that EHLO announced (RFC 1870 §6.1).
  if (code === undefined && error.code === 'EMESSAGE' && error.command === 'MAIL FROM') {
    return {
      final: true,
      problem: problem('message_refused', 'The mail is larger than the mail server takes.'),
    }
  }
  if (code === undefined && reply === '') return later(...silent(error))
  if (code === undefined || code < 400) {
    return later('protocol', 'The mail server gave an answer that makes no sense here.')
  }
  if (isSenderLimit(reply))
    return later('sender_limit', 'The mail provider says the sending limit is used up.')
  if (error.code === 'EAUTH' || code === 530 || code === 534 || code === 535) {
    if (code < 500) return later('busy', 'The mail server could not check the login just now.')
    const refusal = loginRefusal(reply) ?? {
      code: 'credentials' as const,
      message: 'The mail server refused the user name or the password.',
    }
    return later(refusal.code, refusal.message)
  }
  if (code < 500) return later('busy', 'The mail server is busy and asks to try again later.')
  // No mail was begun: a 5xx to the greeting or to EHLO is about us or the hour, not about the mail.
  if (error.command === 'CONN' || error.command === 'EHLO' || error.command === 'HELO') {
    return later('unreachable', 'The mail server does not want to talk to us.')
  }
  if (error.command === 'RCPT TO') return { final: true, problem: refusedRecipient(reply, account) }
  return {
    final: true,
    problem: problem('message_refused', `The mail server refused the message.${said}`),
  }
}

/** Troubles in which the server said nothing that could be quoted. */
function silent(error: SMTPError): [ProblemCode, string?] {
  if (error.code === 'ETIMEDOUT' && error.timeoutType === 'GREETING_TIMEOUT') {
    return [
      'timeout',
      'The mail server took the call but said nothing; this port may want TLS from the start.',
    ]
  }
  if (error.code === 'ETIMEDOUT') return ['timeout']
  if (error.code === 'EAUTH') return ['credentials', 'The user name or the password is missing.']
  if (error.code === 'ENOAUTH') return ['protocol', 'The mail server offers no login on this connection.']
  if (error.code === 'EPROTOCOL') return ['protocol']
  const why = unreached(Object.assign(error, { code: error.originalCode ?? error.code }))
  if (why !== null) return [why.code, why.message]
  return ['unreachable']
}

function noStarttls(account: SmtpAccount): string {
  return account.security === 'plain'
    ? 'The mail server takes a login only over TLS. Switch TLS on.'
    : 'The mail server does not offer STARTTLS, and the login is never sent in the clear.'
}

function refusedRecipient(reply: string, account: SmtpAccount): Problem {
  return problem('recipient_refused', `The mail server refused the recipient.${quoted(reply, account)}`)
}

function refusedOf(info: SentMessageInfo, account: SmtpAccount): { address: string; problem: Problem }[] {
  return (info.rejectedErrors ?? []).map(error => ({
    address: error.recipient ?? '',
    problem:
      (error.responseCode ?? 550) < 500
        ? problem(
            'busy',
            `The mail server could not take this recipient just now.${quoted(error.response ?? '', account)}`,
          )
        : refusedRecipient(error.response ?? '', account),
  }))
}

/**
 * A used-up allowance is the hour's fault, not the mail's, though Gmail says it as 550 5.4.5 and Microsoft as
 * 550 5.1.90 or 554 with SubmissionQuotaExceeded. A 4xx in the same words means the same.
 */
function isSenderLimit(reply: string): boolean {
  return (
    /^55\d[ -]5\.(4\.5|1\.90)\b/.test(reply) ||
    /daily\b.{0,40}\b(limit|quota)|(sending|submission|message) ?(rate )?(limit|quota)|SubmissionQuotaExceeded/i.test(
      reply,
    )
  )
}

/**
 * RFC 5321 §4.1.2, narrowed: an address on the wire is printable ASCII without blanks and brackets, so that no address
 * can end a command and begin another. International domains come as A-labels; SMTPUTF8 is not asked for.
 */
function refuse(envelope: Envelope, raw: Uint8Array): Problem | null {
  const wellFormed = (address: string) =>
    /^[!-;=?-~]+@[A-Za-z0-9.:[\]-]+$/.test(address) && address.length <= 254
  if (!wellFormed(envelope.from)) return problem('message_refused', 'The sender address cannot be used.')
  if (envelope.to.length === 0) return problem('message_refused', 'The mail has no recipient.')
  if (!envelope.to.every(wellFormed)) return problem('message_refused', 'A recipient address cannot be used.')
  if (raw.length === 0) return problem('message_refused', 'The mail is empty.')
  return null
}

/** RFC 5321 §4.1.4: EHLO names the client. `127.0.0.1` and `localhost` get mail dropped without a word. */
function domainOf(address: string): string {
  const domain = address.slice(address.lastIndexOf('@') + 1)
  const named = address.includes('@') && /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/.test(domain)
  return named && net.isIP(domain) === 0 ? domain : 'edgedesk.invalid'
}

function trouble(code: string, message: string): SMTPError {
  return Object.assign(new Error(message), { code })
}

/**
 * At the end of a TLS socket workerd closes once more the plain line that STARTTLS began on, and listens to nothing of what comes of it:
 * after a failed handshake that is an unhandled rejection in the isolate. The TLS socket has closed the line by then.
 */
function hushUpgrade(smtp: SMTPConnection): void {
  const inner = smtp as unknown as {
    _upgradeConnection(callback: (error: Error | null, secured?: boolean) => void): void
    _socket: { _destroySSL?: () => void } | null
  }
  const upgrade = inner._upgradeConnection.bind(smtp)
  inner._upgradeConnection = callback => {
    upgrade(callback)
    if (inner._socket !== null) inner._socket._destroySSL = () => {}
  }
}

/** A trouble whose name is known already. */
function finding(why: Problem): SMTPError & { problem: Problem } {
  return Object.assign(trouble('EFOUND', why.message), { problem: why })
}

function quoted(reply: string, account: SmtpAccount): string {
  return reply === '' ? '' : ` It said: "${cut(discreet(reply, account))}"`
}

/**
 * A reply without the password, plain or as the commands of the login carry it: a server may say back what it heard, and what it said is
 * stored and shown. Before it is cut, so that no half of a secret is left.
 */
function discreet(reply: string, { user, password }: SmtpAccount): string {
  if (password === '') return reply
  const forms = [
    password,
    ...['', `\0${user}\0`, `${user}\0${user}\0`].map(way => base64(`${way}${password}`)),
  ]
  // A reply is read byte by byte, so that letters outside ASCII come as the bytes of UTF-8.
  const heard = forms.flatMap(form => [form, bytesOf(form)])
  const longestFirst = [...new Set(heard)].sort((one, other) => other.length - one.length)
  const pattern = longestFirst.map(form => form.replaceAll(/[^\w]/g, '\\$&')).join('|')
  return reply.replaceAll(new RegExp(pattern, 'gi'), '[…]')
}

/** The text as its bytes in UTF-8, a character each. */
function bytesOf(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text))
}

/** Without the padding, which says nothing and may be missing. */
function base64(text: string): string {
  return btoa(bytesOf(text)).replace(/=+$/, '')
}

function cut(reply: string): string {
  return reply
    .replace(/[\x00-\x1f\x7f]+/g, ' ')
    .trim()
    .slice(0, 200)
}
