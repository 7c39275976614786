/**
 * The bridge as production starts it: a process of its own, spoken to over HTTP. Tests of record run the bundle, which is
 * built here once per file.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { BridgeProblem, FetchRequest, Frame, ImapAccount } from '../../bridge/wire.ts'
import { readFrames } from '../../src/mail/frames.ts'
import type { MailServers } from '../servers/mail-servers.ts'

export const TOKEN = 'a-token-for-tests-only'

export interface BridgeProcess {
  url: string
  pid: number
  /** Every log line so far. */
  logs: string[]
  post(path: string, body: unknown, token?: string | null): Promise<Response>
  /** The answer's JSON; throws what the bridge refused. */
  ask<T>(path: string, body: unknown): Promise<T>
  fetch(request: Partial<FetchRequest> & { account: ImapAccount }): Promise<Fetched>
  health(): Promise<{ ok: boolean; connections: number; watches: number; rss: number }>
  kill(signal: NodeJS.Signals): void
  exited: Promise<number | null>
  stop(): Promise<void>
}

export interface Fetched {
  frames: Frame[]
  bodies: Buffer[]
  opened: Extract<Frame, { kind: 'opened' }>
  mails: (Extract<Frame, { kind: 'mail' }> & { raw: Buffer })[]
  reduced: (Extract<Frame, { kind: 'reduced' }> & { raw: Buffer })[]
  /** `end`, `problem`, or null where the stream was cut. */
  last: Frame | null
}

export class Refused extends Error {
  readonly status: number
  readonly problem: BridgeProblem
  constructor(status: number, problem: BridgeProblem) {
    super(`${status} ${problem.code}: ${problem.message}`)
    this.status = status
    this.problem = problem
  }
}

const path = (name: string) => join(import.meta.dirname, '../../bridge', name)

export function buildBridge(): void {
  execFileSync(process.execPath, [path('build.ts')])
}

export async function startBridgeProcess(env: Record<string, string> = {}): Promise<BridgeProcess> {
  const args = env.NODE_ARGS === undefined ? [] : env.NODE_ARGS.split(' ')
  const child: ChildProcess = spawn(process.execPath, [...args, path('dist/bridge.mjs')], {
    env: { PATH: process.env.PATH, PORT: '0', BRIDGE_TOKEN: TOKEN, DEV: '1', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const logs: string[] = []
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  const lines = createInterface({ input: child.stdout! })
  const port = await new Promise<number>((resolve, reject) => {
    lines.on('line', line => {
      logs.push(line)
      const event = JSON.parse(line) as { event: string; port: number }
      if (event.event === 'listening') resolve(event.port)
    })
    exited.then(code => reject(new Error(`the bridge ended with ${code}`)))
  })
  const url = `http://127.0.0.1:${port}`

  const post = (to: string, body: unknown, token: string | null = TOKEN) =>
    fetch(`${url}${to}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })

  return {
    url,
    pid: child.pid!,
    logs,
    post,
    async ask<T>(to: string, body: unknown): Promise<T> {
      const response = await post(to, body)
      if (!response.ok) throw await refusal(response)
      return (await response.json()) as T
    },
    async fetch(request) {
      const response = await post('/fetch', { ...FETCH, ...request })
      if (!response.ok) throw await refusal(response)
      return collect(response)
    },
    health: async () => (await fetch(`${url}/health`)).json() as never,
    kill: signal => {
      child.kill(signal)
    },
    exited,
    async stop() {
      if (child.exitCode === null) child.kill('SIGTERM')
      await exited
    },
  }
}

/** A poll for everything, without limits that matter. */
export const FETCH: Omit<FetchRequest, 'account'> = {
  folder: 'INBOX',
  uidValidity: null,
  nextUid: 1,
  maxMails: 1000,
  maxBytes: 100_000_000,
  reducedAbove: 10_000_000,
  wholeUpTo: 25_000_000,
}

export function accountOf(servers: MailServers, user: string, more: Partial<ImapAccount> = {}): ImapAccount {
  const base = { host: servers.host, port: servers.imap.tlsPort, security: 'tls' as const }
  return { ...base, user, password: servers.password, ...more }
}

export async function collect(response: Response): Promise<Fetched> {
  const frames: Frame[] = []
  const bodies: Buffer[] = []
  try {
    for await (const { frame, body } of readFrames(response.body!)) {
      bodies.push(Buffer.from(await body()))
      frames.push(frame)
    }
  } catch {
    // The line was cut; what came whole stays.
  }
  const with_ = <K extends Frame['kind']>(kind: K) =>
    frames.flatMap((frame, at) => (frame.kind === kind ? [{ ...frame, raw: bodies[at]! }] : [])) as never
  const last = frames.at(-1) ?? null
  return {
    frames,
    bodies,
    opened: frames.find(frame => frame.kind === 'opened')!,
    mails: with_('mail'),
    reduced: with_('reduced'),
    last: last?.kind === 'end' || last?.kind === 'problem' ? last : null,
  }
}

async function refusal(response: Response): Promise<Refused> {
  const { error } = (await response.json()) as { error: BridgeProblem }
  return new Refused(response.status, error)
}

/** A mail of about `size` octets with CRLF line ends and no byte out of the ordinary. */
export function mailOf(subject: string, size = 300): Buffer {
  const head = `From: a@customer.test\r\nTo: b@demo.test\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@x.test>\r\n\r\n`
  const line = `${'x'.repeat(76)}\r\n`
  const lines = Math.max(1, Math.floor((size - head.length) / line.length))
  return Buffer.from(head + line.repeat(lines))
}
