/**
 * The IMAP bridge: HTTP on one side, IMAP on the other. Workers cannot hold an IMAP connection between two requests, nor
 * speak STARTTLS everywhere; a small Node process can. It runs in a container behind a Durable Object, or beside
 * `npm start` as a plain process, and keeps nothing: every request brings its account (see wire.ts), and what is in
 * memory is connections and leases that may vanish at any time.
 */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'
import { ConsumerGone, type FrameSink } from './delivery.ts'
import { BridgeFailure, failureOf, SENTENCES, STATUS } from './failure.ts'
import { MAILBOX_SETTINGS, Mailboxes } from './mailbox.ts'
import {
  appendRequest,
  checkRequest,
  fetchRequest,
  findRequest,
  flagsRequest,
  foldersRequest,
  partRequest,
  scanRequest,
  unwatchRequest,
  watchRequest,
} from './requests.ts'
import { Watches } from './watch.ts'
import { type BridgeCode, type Frame, frameHead, LIFE_HEADER } from './wire.ts'

export interface BridgeSettings {
  port: number
  /** 0.0.0.0 in a container, whose port nobody but its Durable Object reaches. */
  host: string
  token: string
  dev: boolean
  silenceMs: number
  reuseMs: number
}

const MAX_BODY = 1024 * 1024
const MAX_APPEND_BODY = 40 * 1024 * 1024
const BODY_MS = 60_000
const KEEP_ALIVE_MS = 120_000
const STOP_MS = 10_000

export interface Bridge {
  port: number
  stop(): Promise<void>
}

type Answer = (body: unknown, response: http.ServerResponse) => Promise<unknown>
/** The answer was written by the handler itself. */
const WRITTEN = Symbol('written')

export function settingsFrom(env: NodeJS.ProcessEnv): BridgeSettings {
  const token = env.BRIDGE_TOKEN ?? ''
  if (token.length < 16) throw new Error('BRIDGE_TOKEN is required, with at least 16 characters.')
  return {
    port: wholeNumber(env, 'PORT', 8080),
    host: env.HOST || '127.0.0.1',
    token,
    dev: env.DEV === '1',
    silenceMs: wholeNumber(env, 'SILENCE_MS', MAILBOX_SETTINGS.silenceMs),
    reuseMs: wholeNumber(env, 'REUSE_MS', MAILBOX_SETTINGS.reuseMs),
  }
}

function wholeNumber(env: NodeJS.ProcessEnv, name: string, otherwise: number): number {
  const value = env[name]
  if (value === undefined || value === '') return otherwise
  if (!/^\d{1,9}$/.test(value)) throw new Error(`${name} must be a whole number.`)
  return Number(value)
}

export async function startBridge(settings: BridgeSettings): Promise<Bridge> {
  const mailboxes = new Mailboxes(settings)
  const watches = new Watches(mailboxes, log)
  const answers = answersOf(mailboxes, watches, settings)
  let stopping = false
  let running = 0

  const life = randomUUID()
  const server = http.createServer(async (request, response) => {
    const began = performance.now()
    response.setHeader(LIFE_HEADER, life)
    running += 1
    let code: BridgeCode | 'ok' | 'gone' | 'internal' = 'ok'
    try {
      if (request.url === '/health' && request.method === 'GET') {
        const { rss } = process.memoryUsage()
        sendJson(response, 200, {
          ok: true,
          connections: mailboxes.connections(),
          watches: watches.size,
          rss,
        })
        return
      }
      if (!isBearer(request.headers.authorization, settings.token)) throw new BridgeFailure('unauthorized')
      if (stopping) throw new BridgeFailure('stopping')
      const answer = request.method === 'POST' ? answers.get(request.url ?? '') : undefined
      if (answer === undefined) throw new BridgeFailure('bad_request', 'There is no such address here.')
      const most = request.url === '/append' ? MAX_APPEND_BODY : MAX_BODY
      const result = await answer(parseJson(await readText(request, most)), response)
      if (result !== WRITTEN) sendJson(response, 200, result)
    } catch (error) {
      code = refuse(response, error)
    } finally {
      running -= 1
      if (request.url !== '/health') {
        const ms = Math.round(performance.now() - began)
        log({ event: 'request', path: pathOf(request.url, answers), code, ms })
      }
    }
  })
  server.requestTimeout = BODY_MS
  // Longer than any poll interval worth keeping a connection for: Node's own 5 s would close it just as the next request is on its way.
  server.keepAliveTimeout = KEEP_ALIVE_MS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(settings.port, settings.host, resolve)
  })

  async function stop(): Promise<void> {
    if (stopping) return
    stopping = true
    server.close()
    watches.stop()
    await mailboxes.stop(STOP_MS)
    // Answers of ended requests may still be on their way out.
    for (let waited = 0; running > 0 && waited < 1_000; waited += 20) {
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    server.closeAllConnections()
  }

  return { port: (server.address() as AddressInfo).port, stop }
}

function answersOf(mailboxes: Mailboxes, watches: Watches, { dev }: BridgeSettings): Map<string, Answer> {
  return new Map<string, Answer>([
    [
      '/check',
      async body => {
        const { account, limitMs } = checkRequest(body)
        return mailboxes.check(account, limitMs)
      },
    ],
    [
      '/folders',
      async body => {
        const { account } = foldersRequest(body)
        return { folders: await mailboxes.use(account, session => session.folders()) }
      },
    ],
    [
      '/fetch',
      async (body, response) => {
        const request = fetchRequest(body)
        await mailboxes.use(request.account, session => session.fetch(request, framesInto(response)))
        response.end()
        return WRITTEN
      },
    ],
    [
      '/scan',
      async body => {
        const request = scanRequest(body)
        return mailboxes.use(request.account, session => session.scan(request))
      },
    ],
    [
      '/find',
      async body => {
        const request = findRequest(body)
        return mailboxes.use(request.account, session => session.find(request))
      },
    ],
    [
      '/part',
      async (body, response) => {
        const request = partRequest(body)
        const spool = await mailboxes.use(request.account, session => session.part(request))
        try {
          const type = 'application/octet-stream'
          response.writeHead(200, { 'content-type': type, 'content-length': spool.length })
          for await (const piece of spool.pieces()) await writeTo(response, piece)
          response.end()
        } finally {
          await spool.close()
        }
        return WRITTEN
      },
    ],
    [
      '/append',
      async body => {
        const request = appendRequest(body)
        return mailboxes.use(request.account, session => session.append(request))
      },
    ],
    [
      '/flags',
      async body => {
        const request = flagsRequest(body)
        await mailboxes.use(request.account, session => session.flags(request))
        return { ok: true }
      },
    ],
    ['/watch', async body => ({ until: await watches.watch(watchRequest(body, dev)) })],
    [
      '/unwatch',
      async body => {
        watches.unwatch(unwatchRequest(body).mailbox)
        return { ok: true }
      },
    ],
  ])
}

/** The answer begins with the first frame, so that a failure before it is an ordinary refusal. */
function framesInto(response: http.ServerResponse): FrameSink {
  return {
    head(frame: Frame) {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/x-edgedesk-frames' })
      return writeTo(response, frameHead(frame))
    },
    write: piece => writeTo(response, piece),
  }
}

/** Waits where the reader is slower than the mail server, so that memory stays flat. */
async function writeTo(response: http.ServerResponse, piece: Buffer | string): Promise<void> {
  if (response.destroyed) throw new ConsumerGone()
  if (response.write(piece)) return
  await new Promise<void>((resolve, reject) => {
    const drained = () => {
      response.off('close', closed)
      resolve()
    }
    const closed = () => {
      response.off('drain', drained)
      reject(new ConsumerGone())
    }
    response.once('drain', drained)
    response.once('close', closed)
  })
}

function isBearer(header: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`))
}

/** Piece by piece into text: a body of 40 MB is never here twice. JSON in base64 is ASCII, so the text is as small. */
async function readText(request: http.IncomingMessage, most: number): Promise<string> {
  const tooLarge = () => new BridgeFailure('bad_request', `"body" is longer than ${most} bytes.`)
  if (Number(request.headers['content-length'] ?? 0) > most) throw tooLarge()
  const decoder = new TextDecoder()
  let text = ''
  let length = 0
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      length += piece.length
      if (length > most) throw tooLarge()
      text += decoder.decode(piece, { stream: true })
    }
  } catch (error) {
    throw error instanceof BridgeFailure ? error : new ConsumerGone()
  }
  return text + decoder.decode()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new BridgeFailure('bad_request', '"body" must be JSON.')
  }
}

function refuse(response: http.ServerResponse, error: unknown): BridgeCode | 'gone' | 'internal' {
  if (error instanceof ConsumerGone) {
    response.destroy()
    return 'gone'
  }
  const failure = error instanceof BridgeFailure ? error : failureOf(error)
  if (response.headersSent) {
    // The head promised more than came; only cutting the line says so.
    response.destroy()
    return failure.code
  }
  // An unread body would be taken for the next request.
  if (failure.code === 'bad_request' || failure.code === 'unauthorized')
    response.setHeader('connection', 'close')
  sendJson(response, STATUS[failure.code], {
    error: { code: failure.code, message: failure.message || SENTENCES[failure.code] },
  })
  return failure.code
}

function sendJson(response: http.ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

/** Whatever else was asked for is not put in the log. */
function pathOf(url: string | undefined, answers: Map<string, Answer>): string {
  return url !== undefined && answers.has(url) ? url : 'other'
}

/** Ids and codes only: never a user, a password, a host or a word of a mail. */
function log(event: { event: string; [key: string]: string | number | boolean | null }): void {
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), ...event })}\n`)
}

async function main(): Promise<void> {
  const settings = settingsFrom(process.env)
  const bridge = await startBridge(settings)
  log({ event: 'listening', port: bridge.port, dev: settings.dev })
  const stop = async () => {
    log({ event: 'stopping' })
    await bridge.stop()
    log({ event: 'stopped' })
    process.exit(0)
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch(error => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  })
}
