/**
 * What a way of handing mail to a server has to keep, as a list of rules. Ours runs it and keeps them all; worker-mailer
 * runs it with the list of those it breaks, so that the reasons for not using it stay true or are taken back.
 *
 * Every rule runs inside workerd against servers of its own. A rule that leaves the isolate spinning is reported as
 * `endless loop`, and the isolate is killed and started anew.
 */
import { join } from 'node:path'
import { build } from 'esbuild'
import type { Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Problem } from '../../src/domain/problem.ts'
import { type Certificates, goodServer, type Move, type Script, scriptedServer } from './smtp-servers.ts'
import type { Order, Report } from './smtp-worker.ts'

/** A rule that is known to be broken, what is seen instead, and a pattern of the failure it gives. */
export interface Broken {
  /** A rule's name, or a pattern where one fault breaks many. */
  rule: string | RegExp
  happens: string
  seen: RegExp
}

interface Bench {
  certificates: Certificates
  send(order: Order): Promise<Report>
  check(account: Order['account']): Promise<Problem | null>
  /** Throws `endless loop` where the isolate answers nobody any more. */
  alive(): Promise<void>
}

type Rule = [name: string, keep: (bench: Bench) => Promise<void>]

export function smtpContract(
  library: 'ours' | 'worker-mailer',
  shop: Certificates,
  broken: Broken[] = [],
): void {
  describe(`SMTP by ${library}`, () => {
    const isolate = new Isolate(library, shop)
    beforeAll(() => isolate.start(), 60_000)
    afterAll(() => isolate.stop())
    for (const [name, keep] of RULES) {
      const known = broken.find(({ rule }) => matches(rule, name))
      if (known === undefined) it(name, () => isolate.run(keep))
      else {
        it(`${name} (known to break: ${known.happens})`, async () => {
          await expect(isolate.run(keep)).rejects.toThrow(known.seen)
        })
      }
    }
    it('the list of broken rules names rules that exist', () => {
      const known = ({ rule }: Broken) => RULES.some(([name]) => matches(rule, name))
      expect(broken.filter(entry => !known(entry))).toEqual([])
    })
  })
}

function matches(rule: string | RegExp, name: string): boolean {
  return typeof rule === 'string' ? rule === name : rule.test(name)
}

/** One library in one workerd. */
class Isolate {
  readonly #library: string
  readonly #certificates: Certificates
  #miniflare: Miniflare | null = null
  #script = ''

  constructor(library: string, shop: Certificates) {
    this.#library = library
    this.#certificates = shop
  }

  async start(): Promise<void> {
    // Read by Miniflare when it is imported, and only then; hence the late import below.
    process.env.NODE_EXTRA_CA_CERTS = this.#certificates.authority
    const bundle = await build({
      entryPoints: [join(import.meta.dirname, 'smtp-worker.ts')],
      bundle: true,
      format: 'esm',
      platform: 'neutral',
      mainFields: ['module', 'main'],
      conditions: ['workerd', 'worker', 'import'],
      external: ['node:*', 'cloudflare:*'],
      write: false,
      logLevel: 'error',
    })
    this.#script = bundle.outputFiles[0]!.text
    await this.#begin()
  }

  async stop(): Promise<void> {
    await this.#end()
  }

  async run(keep: (bench: Bench) => Promise<void>): Promise<void> {
    try {
      await keep({
        certificates: this.#certificates,
        send: order => this.#ask<Report>('/submit', order),
        check: account => this.#ask('/check', { account, limits: CHECK }),
        alive: () => this.#alive(),
      })
      await this.#alive()
    } catch (error) {
      // Whatever the rule left behind, the next one starts with a fresh isolate.
      await this.#end()
      await this.#begin()
      throw error
    }
  }

  async #ask<T>(path: string, order: unknown): Promise<T> {
    const answer = this.#miniflare!.dispatchFetch(`http://worker${path}`, {
      method: 'POST',
      body: JSON.stringify(order),
    })
    const response = await inTime(answer, 2_500, async () => {
      await this.#alive()
      return await inTime(answer, 10_000, () => {
        throw new Error('no answer in 12 s')
      })
    })
    if (!response.ok) throw new Error(`the worker threw: ${(await response.text()).slice(0, 300)}`)
    return (await response.json()) as T
  }

  async #alive(): Promise<void> {
    const ping = this.#miniflare!.dispatchFetch('http://worker/ping').then(response => response.text())
    await inTime(ping, 3_000, () => {
      throw new Error('endless loop: the isolate answers nobody')
    })
  }

  async #begin(): Promise<void> {
    const { convertV4MiniflareOptions, Miniflare } = await import('miniflare')
    const options = convertV4MiniflareOptions({
      modules: true,
      script: this.#script,
      compatibilityDate: '2026-11-01',
      compatibilityFlags: ['nodejs_compat'],
      bindings: { LIBRARY: this.#library },
    })
    this.#miniflare = new Miniflare(options)
    await this.#miniflare.ready
  }

  /** Miniflare ends workerd with SIGKILL, which also ends a loop. */
  async #end(): Promise<void> {
    await this.#miniflare?.dispose()
    this.#miniflare = null
  }
}

async function inTime<T>(answer: Promise<T>, ms: number, late: () => T | Promise<T>): Promise<T> {
  answer.catch(() => {})
  const timer = Promise.withResolvers<'late'>()
  const clock = setTimeout(() => timer.resolve('late'), ms)
  try {
    const first = await Promise.race([answer, timer.promise])
    return first === 'late' ? await late() : (first as T)
  } finally {
    clearTimeout(clock)
  }
}

const MAIL = { from: 'support@shop.example', to: ['alice@example.org'] }
const LIMITS = { connectMs: 6_000, sessionMs: 8_000 }
const SHORT = { connectMs: 1_000, sessionMs: 2_000 }
/** Long enough to find out why. */
const CHECK = { connectMs: 3_000, sessionMs: 5_000 }

function account(port: number, security: Order['account']['security'] = 'plain', password = 'password') {
  return { host: 'localhost', port, security, user: 'user', password }
}

function must(kept: boolean, broken: string, seen?: unknown): void {
  if (!kept) throw new Error(seen === undefined ? broken : `${broken}: ${JSON.stringify(seen)}`)
}

/** `kind` or `kind code`, as `retry busy`. */
function mustBe(report: Report, wanted: string): void {
  const { submission } = report
  const code = 'problem' in submission ? ` ${submission.problem.code}` : ''
  must(`${submission.kind}${code}` === wanted, `not ${wanted}`, submission)
}

/** Sends one ordinary mail to a server that follows the script. */
async function against(bench: Bench, script: Script, more: Partial<Order> = {}) {
  await using server = await scriptedServer(script)
  const report = await bench.send({ account: account(server.port), mail: MAIL, limits: LIMITS, ...more })
  return { report, server }
}

function delivers(security: 'plain' | 'starttls' | 'tls'): Rule {
  return [
    `delivers over ${security}`,
    async bench => {
      await using server = await goodServer(security, bench.certificates.trusted)
      const report = await bench.send({ account: account(server.port, security), mail: MAIL })
      mustBe(report, 'sent')
      must(server.mails.length === 1, 'not delivered once', server.mails.length)
      const [mail] = server.mails
      must(mail!.secure === (security !== 'plain'), 'not encrypted as asked')
      must(mail!.raw.toString().includes('On its way.'), 'not the mail')
    },
  ]
}

function distrusts(security: 'starttls' | 'tls', whose: 'stranger' | 'otherName'): Rule {
  return [
    `H10 a certificate of ${whose === 'stranger' ? 'an unknown authority' : 'another host'} is refused over ${security}`,
    async bench => {
      await using server = await goodServer(security, bench.certificates[whose])
      const report = await bench.send({ account: account(server.port, security), mail: MAIL, limits: LIMITS })
      must(server.mails.length === 0, 'delivered all the same')
      mustBe(report, 'retry certificate')
    },
  ]
}

function hangsUp(when: string, script: Script, wanted: string, more: Partial<Order> = {}): Rule {
  return [
    `H11 the server hangs up ${when}: ${wanted}`,
    async bench => {
      // Many times over, because when the end is noticed differs by a turn of the event loop.
      for (let round = 0; round < (more.times === undefined ? 20 : 1); round++) {
        const { report } = await against(bench, script, more)
        await bench.alive()
        mustBe(report, wanted)
        must(report.ms < 3_000, 'took too long', report.ms)
      }
    },
  ]
}

function silent(when: string, script: Script, wanted: string): Rule {
  return [
    `H11 the server falls silent ${when}: ${wanted} at the deadline`,
    async bench => {
      const { report } = await against(bench, script, { limits: SHORT })
      await bench.alive()
      mustBe(report, wanted)
      must(report.ms >= 900 && report.ms < 4_000, 'not at the deadline', report.ms)
    },
  ]
}

function answers(name: string, script: Script, wanted: string): Rule {
  return [
    `${name}: ${wanted}`,
    async bench => {
      const { report, server } = await against(bench, script)
      mustBe(report, wanted)
      must(script.dot !== undefined || report.asked === 0, 'the gate was asked before DATA was accepted')
      // A server that takes DATA with no recipient gets an empty message, so that the session can end well.
      must(script.dot !== undefined || ['', '.\r\n'].includes(server.data), 'the mail was handed over')
    },
  ]
}

const DAILY = '550 5.4.5 Daily user sending limit exceeded. For more information visit a page'
const PIPELINED = '250-scripted.test\r\n250-PIPELINING\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 35882577'
const BUSY: Move = '451 4.7.1 Greylisted, try again in five minutes'

const RULES: Rule[] = [
  delivers('plain'),
  delivers('starttls'),
  delivers('tls'),
  distrusts('starttls', 'stranger'),
  distrusts('starttls', 'otherName'),
  distrusts('tls', 'stranger'),
  distrusts('tls', 'otherName'),
  [
    'H10 STARTTLS wanted and not offered: retry tls_mismatch, and the server sees neither login nor mail',
    async bench => {
      await using server = await scriptedServer({})
      const report = await bench.send({
        account: account(server.port, 'starttls'),
        mail: MAIL,
        limits: LIMITS,
      })
      must(
        !server.lines.some(line => /^(AUTH|MAIL|RCPT|DATA)/i.test(line)),
        'went on in the clear',
        server.lines,
      )
      mustBe(report, 'retry tls_mismatch')
    },
  ],
  hangsUp('before the greeting', { greeting: 'hang up' }, 'retry unreachable'),
  hangsUp('after EHLO', { EHLO: 'hang up' }, 'retry unreachable'),
  hangsUp('at the login', { AUTH: 'hang up' }, 'retry unreachable'),
  hangsUp('after MAIL', { MAIL: 'hang up' }, 'retry unreachable'),
  hangsUp('after RCPT', { RCPT: ['hang up'] }, 'retry unreachable'),
  hangsUp(
    'after DATA, while the gate is being asked',
    { DATA: { lastWords: '354 Go on' } },
    'retry unreachable',
    { gate: 300 },
  ),
  hangsUp('in the middle of the mail', { middle: { after: 50_000, move: 'hang up' } }, 'retry unreachable', {
    times: 500_000,
  }),
  [
    'H1 the link is lost after the final dot: uncertain',
    async bench => {
      const { report, server } = await against(bench, { dot: 'hang up' })
      await bench.alive()
      must(server.sawDot, 'the dot never came')
      mustBe(report, 'uncertain uncertain')
      must(report.ms < 3_000, 'took too long', report.ms)
    },
  ],
  silent('before the greeting', { greeting: 'silence' }, 'retry timeout'),
  silent('after EHLO', { EHLO: 'silence' }, 'retry timeout'),
  silent('after MAIL', { MAIL: 'silence' }, 'retry timeout'),
  silent('after the dot', { dot: 'silence' }, 'uncertain uncertain'),
  [
    'H11 the server never answers QUIT and never closes: sent all the same, at once',
    async bench => {
      const { report } = await against(bench, { QUIT: 'silence' }, { limits: SHORT })
      mustBe(report, 'sent')
      must(report.ms < 1_500, 'waited for the goodbye', report.ms)
    },
  ],
  [
    'H11 nobody listens: retry refused',
    async bench => {
      const gone = await scriptedServer({})
      await gone[Symbol.asyncDispose]()
      mustBe(await bench.send({ account: account(gone.port), mail: MAIL, limits: LIMITS }), 'retry refused')
    },
  ],
  answers('H2 4xx to MAIL', { MAIL: BUSY }, 'retry busy'),
  answers('H2 4xx to RCPT', { RCPT: [BUSY] }, 'retry busy'),
  answers(
    'H2 4xx to RCPT of a pipelining server',
    { EHLO: PIPELINED, RCPT: [BUSY], DATA: '503 no' },
    'retry busy',
  ),
  answers('H2 4xx to DATA', { DATA: BUSY }, 'retry busy'),
  answers('H2 4xx to the dot', { dot: BUSY }, 'retry busy'),
  answers('H3 5xx to MAIL', { MAIL: '550 5.7.1 Sender not allowed' }, 'failed message_refused'),
  answers('H3 5xx to RCPT', { RCPT: ['550 5.1.1 No such user here'] }, 'failed recipient_refused'),
  answers(
    'H3 5xx to RCPT of a pipelining server that takes DATA',
    { EHLO: PIPELINED, RCPT: ['550 5.1.1 No such user here'] },
    'failed recipient_refused',
  ),
  answers('H3 5xx to the dot', { dot: '554 5.6.0 Looks like spam' }, 'failed message_refused'),
  answers('H12 535', { AUTH: '535 5.7.8 Username and Password not accepted' }, 'retry credentials'),
  answers(
    'H12 534',
    { AUTH: '534 5.7.9 Application-specific password required' },
    'retry app_password_required',
  ),
  answers(
    'H12 535 5.7.139',
    { AUTH: '535 5.7.139 Authentication unsuccessful, basic authentication is disabled.' },
    'retry basic_auth_retired',
  ),
  answers('H12 454 at the login', { AUTH: '454 4.7.0 Temporary authentication failure' }, 'retry busy'),
  answers('H12 530 to MAIL', { MAIL: '530 5.7.0 Authentication required' }, 'retry credentials'),
  answers('H12 421 for a greeting', { greeting: '421 4.7.0 Too many connections' }, 'retry busy'),
  answers('H12 421 to MAIL', { MAIL: { lastWords: '421 4.7.0 Closing' } }, 'retry busy'),
  answers('H12 554 for a greeting', { greeting: '554 5.7.1 No service for you' }, 'retry unreachable'),
  answers('H12 550 5.4.5 to MAIL', { MAIL: DAILY }, 'retry sender_limit'),
  answers('H12 550 5.4.5 to RCPT', { RCPT: [DAILY] }, 'retry sender_limit'),
  answers('H12 550 5.4.5 to the dot', { dot: DAILY }, 'retry sender_limit'),
  [
    'H12 a password outside ASCII works (RFC 4616: UTF-8)',
    async bench => {
      await using server = await goodServer('plain', bench.certificates.trusted)
      mustBe(await bench.send({ account: account(server.port, 'plain', 'pässword'), mail: MAIL }), 'sent')
    },
  ],
  ...(['AUTH', 'MAIL', 'RCPT', 'DATA', 'dot'] as const).map(
    (step): Rule => [
      `IX9 a server that says the password back to ${step} is not quoted with it`,
      async bench => {
        const password = 'Päss/word+(canary)'
        const told = ['', '\0user\0'].map(way => Buffer.from(`${way}${password}`).toString('base64'))
        const echo = `535 5.7.8 no: ${[password, ...told].join(' ')}`
        const script = { [step]: step === 'RCPT' ? [echo] : echo } as Script
        const about = { account: account(0, 'plain', password) }
        await using server = await scriptedServer(script)
        const at = { ...about.account, port: server.port }
        const { submission } = await bench.send({ account: at, mail: MAIL, limits: LIMITS })
        must('problem' in submission, 'no problem', submission)
        const said = JSON.stringify([submission, step === 'AUTH' ? await bench.check(at) : null])
        must(
          step === 'AUTH' ? !said.includes('It said') : said.includes('[…]'),
          'quoted otherwise',
          submission,
        )
        for (const secret of ['canary', ...told.map(text => text.slice(0, 12))])
          must(!said.includes(secret), 'the password was said', submission)
      },
    ],
  ),
  [
    'H3 what the server says is quoted, cut and on one line',
    async bench => {
      const long = `550-5.1.1 No such user\r\n550 5.1.1 ${'x'.repeat(500)}`
      const { submission } = (await against(bench, { RCPT: [long] })).report
      const sentence = 'problem' in submission ? submission.problem.message : ''
      must(sentence.includes('5.1.1 No such user'), 'not quoted', submission)
      must(sentence.length < 300 && !/[\r\n]/.test(sentence), 'not cut', sentence)
    },
  ],
  [
    'H3 one recipient of two is refused: sent, and the refused one is named',
    async bench => {
      const script = { RCPT: ['550 5.1.1 No such user here', '250 2.1.5 Ok'] }
      const mail = { ...MAIL, to: ['nobody@example.org', 'bob@example.org'] }
      const { submission } = (await against(bench, script, { mail })).report
      must(submission.kind === 'sent', 'not sent', submission)
      const refused = submission.kind === 'sent' ? submission.refused : []
      must(refused.length === 1 && refused[0]!.address === 'nobody@example.org', 'not named', refused)
      must(refused[0]!.problem.code === 'recipient_refused', 'not refused for that', refused)
    },
  ],
  [
    'the gate is asked once, after DATA, and its no leaves nothing behind',
    async bench => {
      await using server = await scriptedServer({})
      const order: Order = {
        account: account(server.port),
        mail: MAIL,
        gate: 'no',
        limits: LIMITS,
        times: 1_000,
      }
      const report = await bench.send(order)
      await server.left
      must(!server.sawDot, 'handed over all the same')
      mustBe(report, 'withdrawn')
      must(report.asked === 1 && server.lines.includes('DATA'), 'asked at the wrong time', server.lines)
      must(server.data.length > 11_000, 'the mail had not been written yet', server.data.length)
    },
  ],
  [
    'the gate falls over: retry unavailable, and nothing is handed over',
    async bench => {
      await using server = await scriptedServer({})
      const report = await bench.send({
        account: account(server.port),
        mail: MAIL,
        gate: 'throw',
        limits: LIMITS,
      })
      await server.left
      mustBe(report, 'retry unavailable')
      must(!server.sawDot, 'handed over all the same')
    },
  ],
  [
    'the gate takes its time: the mail waits for it',
    async bench => {
      const { report, server } = await against(bench, {}, { gate: 700 })
      mustBe(report, 'sent')
      must(report.ms >= 700 && server.sawDot && report.asked === 1, 'did not wait', report)
    },
  ],
  [
    'H11 the gate outlives the session: retry timeout, and its late yes releases nothing',
    async bench => {
      await using server = await scriptedServer({})
      const order: Order = { account: account(server.port), mail: MAIL, gate: 4_500, limits: SHORT }
      const report = await bench.send(order)
      await server.left
      mustBe(report, 'retry timeout')
      must(report.ms < 4_000, 'waited for the gate', report.ms)
      must(!server.sawDot, 'handed over')
    },
  ],
  [
    'a yes before the dot is no yes: retry protocol',
    async bench => {
      const early = { after: 10, move: '250 2.0.0 Ok: queued already' }
      const { report, server } = await against(bench, { middle: early }, { gate: 400 })
      must(!server.sawDot, 'handed over')
      mustBe(report, 'retry protocol')
    },
  ],
  [
    'H1 an answer to the dot that is none: uncertain',
    async bench => {
      for (const dot of ['354 More?', 'what?']) {
        const { report } = await against(bench, { dot })
        mustBe(report, 'uncertain uncertain')
      }
    },
  ],
  [
    'H3 a no before the dot is a no: failed, and nothing is handed over',
    async bench => {
      const early = { after: 10, move: '552 5.3.4 Too much mail' }
      const { report, server } = await against(bench, { middle: early }, { gate: 400 })
      must(!server.sawDot, 'handed over')
      mustBe(report, 'failed message_refused')
    },
  ],
  [
    'H3 larger than the server says it takes: failed, before anything is sent',
    async bench => {
      const EHLO = '250-scripted.test\r\n250-AUTH PLAIN\r\n250 SIZE 1000'
      const { report, server } = await against(bench, { EHLO }, { times: 1_000 })
      mustBe(report, 'failed message_refused')
      must(!server.lines.some(line => line.startsWith('MAIL')), 'sent all the same', server.lines)
    },
  ],
  [
    'H9 a line end in an address is refused, and no server hears of it',
    async bench => {
      for (const address of [
        'a@example.org>\r\nRCPT TO:<eve@evil.example',
        'a@example.org\nDATA',
        'ä@example.org',
        'a b@c.de',
        '<a@b.c>',
      ]) {
        const { report, server } = await against(bench, {}, { mail: { ...MAIL, to: [address] } })
        must(!server.lines.some(line => /RCPT/i.test(line)), 'reached the server', server.lines)
        mustBe(report, 'failed message_refused')
      }
    },
  ],
  [
    'H13 Bcc gets the mail and is not in it',
    async bench => {
      await using server = await goodServer('plain', bench.certificates.trusted)
      const mail = { ...MAIL, cc: ['carol@example.org'], bcc: ['boss@shop.example'] }
      mustBe(await bench.send({ account: account(server.port), mail }), 'sent')
      must(server.mails[0]!.to.includes('boss@shop.example'), 'Bcc did not get it', server.mails[0]!.to)
      must(!/boss@|^bcc:/im.test(server.mails[0]!.raw.toString()), 'Bcc is written into the message')
    },
  ],
  [
    'H7 dots at the start of lines arrive as they were',
    async bench => {
      await using server = await goodServer('plain', bench.certificates.trusted)
      const text = '.\n..\n.dot\n\n.\nend\n.'
      mustBe(await bench.send({ account: account(server.port), mail: { ...MAIL, text } }), 'sent')
      must(server.mails.length === 1, 'a dot ended the mail', server.mails.length)
      must(
        server.mails[0]!.raw.toString().includes('\r\n.\r\n..\r\n.dot\r\n\r\n.\r\nend\r\n.'),
        'dots changed',
      )
    },
  ],
  [
    'H7 the bytes arrive as they were composed',
    async bench => {
      await using server = await goodServer('tls', bench.certificates.trusted)
      const mail = { ...MAIL, text: 'Grüße aus 東京\n' }
      const report = await bench.send({ account: account(server.port, 'tls'), mail })
      mustBe(report, 'sent')
      must(report.sha === server.mails[0]!.sha, 'other bytes arrived')
    },
  ],
  [
    'a mail of 10 MB arrives within 10 s, byte for byte',
    async bench => {
      await using server = await goodServer('starttls', bench.certificates.trusted)
      const text = 'A line of sixty characters, so that ten megabytes come of it.\n'
      const mail = { ...MAIL, text }
      const report = await bench.send({ account: account(server.port, 'starttls'), mail, times: 165_000 })
      mustBe(report, 'sent')
      const size = server.mails[0]!.raw.length
      must(size > 10_000_000, 'too small', size)
      must(report.ms < 10_000, 'too slow', report.ms)
      must(report.sha === null || report.sha === server.mails[0]!.sha, 'other bytes arrived')
    },
  ],
  [
    'no bounce is forbidden: RCPT never says NOTIFY=NEVER',
    async bench => {
      const { report, server } = await against(bench, {})
      mustBe(report, 'sent')
      must(!server.lines.some(line => /NOTIFY/i.test(line)), 'forbids bounces', server.lines)
    },
  ],
  [
    'EHLO says the domain of the sender',
    async bench => {
      const { server } = await against(bench, {})
      must(server.lines[0] === 'EHLO shop.example', 'says another name', server.lines[0])
    },
  ],
  [
    'MAIL has no blank before its address (RFC 5321 §3.3)',
    async bench => {
      const { server } = await against(bench, {})
      must(
        server.lines.some(line => line.startsWith('MAIL FROM:<support@shop.example>')),
        'blank',
        server.lines,
      )
    },
  ],
  [
    'A29 a connection that works has no cause of trouble',
    async bench => {
      await using server = await goodServer('starttls', bench.certificates.trusted)
      const cause = await bench.check(account(server.port, 'starttls'))
      must(cause === null && server.mails.length === 0, 'trouble', cause)
    },
  ],
  [
    'A29 each cause of trouble has its own name',
    async bench => {
      await using tlsServer = await goodServer('tls', bench.certificates.trusted)
      await using startServer = await goodServer('starttls', bench.certificates.trusted)
      await using stranger = await goodServer('tls', bench.certificates.stranger)
      await using otherName = await goodServer('starttls', bench.certificates.otherName)
      const gone = await scriptedServer({})
      await gone[Symbol.asyncDispose]()
      await using appPassword = await scriptedServer({
        AUTH: '534-5.7.9 Application-specific password required.\r\n534 5.7.9 See a page',
      })
      await using noLogin = await scriptedServer({ EHLO: '250 scripted.test' })
      const named = async (at: Order['account']) => {
        const cause = await bench.check(at)
        return cause === null ? 'works' : `${cause.code}: ${cause.message}`
      }
      const causes = {
        wrongPassword: await named(account(startServer.port, 'starttls', 'wrong')),
        wrongPort: await named(account(gone.port)),
        wrongPortWithTls: await named(account(gone.port, 'tls')),
        tlsToStarttls: await named(account(startServer.port, 'tls')),
        starttlsToTls: await named(account(tlsServer.port, 'starttls')),
        strangersCertificate: await named(account(stranger.port, 'tls')),
        certificateOfAnother: await named(account(otherName.port, 'starttls')),
        unknownHost: await named({ ...account(25), host: 'mail.nowhere.invalid' }),
        appPassword: await named(account(appPassword.port)),
        noLogin: await named(account(noLogin.port)),
      }
      const wanted = {
        wrongPassword: /^credentials: /,
        wrongPort: /^refused: /,
        wrongPortWithTls: /^refused: /,
        tlsToStarttls: /^tls_mismatch: /,
        starttlsToTls: /^tls_mismatch: /,
        strangersCertificate: /^certificate: .*authority/,
        certificateOfAnother: /^certificate: .*another name/,
        unknownHost: /^unknown_host: /,
        appPassword: /^app_password_required: .*app password/,
        noLogin: /^protocol: .*no login/,
      }
      for (const [name, pattern] of Object.entries(wanted)) {
        must(pattern.test(causes[name as keyof typeof causes]), `${name} is badly named`, causes)
      }
    },
  ],
]
