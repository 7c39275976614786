/**
 * The bridge as production starts it: a process of its own, spoken to over HTTP. Tests of record run the bundle, which is
 * built here once per file.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { readFrames } from '../../src/mail/frames.ts'
export const TOKEN = 'a-token-for-tests-only'
export class Refused extends Error {
  status
  problem
  constructor(status, problem) {
    super(`${status} ${problem.code}: ${problem.message}`)
    this.status = status
    this.problem = problem
  }
}
const path = name => fileURLToPath(new URL(`../../bridge/${name}`, import.meta.url))
export function buildBridge() {
  execFileSync(process.execPath, [path('build.ts')])
}
export async function startBridgeProcess(env = {}) {
  const args = env.NODE_ARGS === undefined ? [] : env.NODE_ARGS.split(' ')
  const child = spawn(process.execPath, [...args, path('dist/bridge.mjs')], {
    env: { PATH: process.env.PATH, PORT: '0', BRIDGE_TOKEN: TOKEN, DEV: '1', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const logs = []
  const exited = once(child, 'exit').then(([code]) => code)
  const lines = createInterface({ input: child.stdout })
  const port = await new Promise((resolve, reject) => {
    lines.on('line', line => {
      logs.push(line)
      const event = JSON.parse(line)
      if (event.event === 'listening') resolve(event.port)
    })
    exited.then(code => reject(new Error(`the bridge ended with ${code}`)))
  })
  const url = `http://127.0.0.1:${port}`
  const post = (to, body, token = TOKEN) =>
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
    pid: child.pid,
    logs,
    post,
    async ask(to, body) {
      const response = await post(to, body)
      if (!response.ok) throw await refusal(response)
      return await response.json()
    },
    async fetch(request) {
      const response = await post('/fetch', { ...FETCH, ...request })
      if (!response.ok) throw await refusal(response)
      return collect(response)
    },
    health: async () => (await fetch(`${url}/health`)).json(),
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
export const FETCH = {
  folder: 'INBOX',
  uidValidity: null,
  nextUid: 1,
  maxMails: 1000,
  maxBytes: 100000000,
  reducedAbove: 10000000,
  wholeUpTo: 25000000,
}
export function accountOf(servers, user, more = {}) {
  const base = { host: servers.host, port: servers.imap.tlsPort, security: 'tls' }
  return { ...base, user, password: servers.password, ...more }
}
export async function collect(response) {
  const frames = []
  const bodies = []
  try {
    for await (const { frame, body } of readFrames(response.body)) {
      bodies.push(Buffer.from(await body()))
      frames.push(frame)
    }
  } catch {
    // The line was cut; what came whole stays.
  }
  const with_ = kind =>
    frames.flatMap((frame, at) => (frame.kind === kind ? [{ ...frame, raw: bodies[at] }] : []))
  const last = frames.at(-1) ?? null
  return {
    frames,
    bodies,
    opened: frames.find(frame => frame.kind === 'opened'),
    mails: with_('mail'),
    reduced: with_('reduced'),
    last: last?.kind === 'end' || last?.kind === 'problem' ? last : null,
  }
}
async function refusal(response) {
  const { error } = await response.json()
  return new Refused(response.status, error)
}
/** A mail of about `size` octets with CRLF line ends and no byte out of the ordinary. */
export function mailOf(subject, size = 300) {
  const head = `From: a@customer.test\r\nTo: b@demo.test\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@x.test>\r\n\r\n`
  const line = `${'x'.repeat(76)}\r\n`
  const lines = Math.max(1, Math.floor((size - head.length) / line.length))
  return Buffer.from(head + line.repeat(lines))
}
