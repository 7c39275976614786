/**
 * The whole product for benches and labs, on real mail servers: Dovecot and Postfix, the bridge, the Worker under wrangler, and as many
 * inboxes as are asked for, each a site of its own. Everything lives in one temporary directory and is gone after `stop()`.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cast, castInto, withDatabases } from '../dev/cast.ts'
import {
  fireCron,
  freePort,
  migrate,
  ROOT,
  type Running,
  startBridge,
  startWorker,
  wrangler,
} from '../dev/processes.ts'
import { type MailServers, startMailServers } from '../test/servers/mail-servers.ts'

export interface InboxWanted {
  address: string
  /** Over the defaults of this file, e.g. `pollMs`, `watch`, a proxy's port in `smtp`. */
  settings?: Record<string, unknown>
  withoutAssistant?: boolean
}

export interface Inbox extends Cast {
  address: string
  apiKey: string
}

export interface Stack {
  dir: string
  url: string
  inboxes: Inbox[]
  bridge: Running
  worker: Running
  tick(): Promise<void>
  /** One GET of the API, as the inbox's site. */
  get<T>(inbox: Inbox, path: string): Promise<T>
  /** One request with a body. */
  send<T>(inbox: Inbox, method: 'POST' | 'PATCH', path: string, body: unknown): Promise<T>
  /** Every item of a list. */
  list<T>(inbox: Inbox, path: string): Promise<T[]>
  status(inbox: Inbox): Promise<InboxStatus>
  restartWorker(): Promise<void>
  restartBridge(): Promise<void>
  stop(): Promise<void>
}

export interface InboxStatus {
  state: string
  reason: string | null
  lastSyncAt: string | null
  nextSyncAt: string | null
  waiting: number
}

export const NEVER_CAPPED = {
  sender: { count: 1_000_000, windowMs: 3_600_000 },
  thread: { count: 1_000_000, windowMs: 3_600_000 },
  inbox: { count: 1_000_000, windowMs: 3_600_000 },
}

export const BRIDGE_TOKEN = 'bench-bridge-token-0123456789'
const KEK = Buffer.from('a key of 32 bytes for the bench.').toString('base64')

/** Dovecot and Postfix; what is spawned from now on trusts their CA. */
export async function startServers(): Promise<MailServers> {
  const servers = await startMailServers()
  // wrangler would write a trace of every call into a database of its own: tens of megabytes in a run.
  process.env.X_LOCAL_OBSERVABILITY = 'false'
  process.env.NODE_EXTRA_CA_CERTS = servers.ca
  atEnd(servers.stop)
  return servers
}

/** @param bridge how it is started, where not from its sources as they are */
export async function startStack(
  servers: MailServers,
  wanted: InboxWanted[],
  bridge: { bundled?: boolean; env?: Record<string, string> } = {},
): Promise<Stack> {
  const dir = mkdtempSync(join(tmpdir(), 'edgedesk-bench-'))
  const remove = () => rmSync(dir, { recursive: true, force: true })
  const gone = atEnd(async () => remove())
  // While miniflare holds the databases open in this process, a signal ends it at once, by miniflare's own handler.
  process.once('exit', remove)
  const stateDir = join(dir, 'state')
  const [config] = await Promise.all([frozen(join(ROOT, 'wrangler.toml'), dir), migrate(stateDir)])
  const inboxes = await makeInboxes(servers, stateDir, wanted)

  const bridgePort = await freePort()
  const bridgeNow = () =>
    startBridge({
      ...{ ...bridge, token: BRIDGE_TOKEN, log: join(dir, 'bridge.log') },
      env: { ...bridge.env, PORT: String(bridgePort) },
    })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const vars = {
    PUBLIC_URL: url,
    KEK,
    BRIDGE_TOKEN,
    BRIDGE_URL: `http://127.0.0.1:${bridgePort}`,
    DEV: '1',
  }
  const workerNow = () => {
    starting = startWorker({ port, stateDir, log: join(dir, 'worker.log'), vars, config })
    return starting
  }
  let starting: Promise<Running> | null = null

  const stack: Stack = {
    dir,
    url,
    inboxes,
    bridge: await bridgeNow(),
    worker: null as unknown as Running,
    tick: () => fireCron(url),
    get: (inbox, path) => get(url, inbox, path),
    send: (inbox, method, path, body) => send(url, inbox, method, path, body),
    list: (inbox, path) => list(url, inbox, path),
    status: inbox => get<InboxStatus>(url, inbox, `/inboxes/${inbox.inboxId}`),
    restartWorker: async () => {
      stack.worker = await workerNow()
    },
    restartBridge: async () => {
      stack.bridge = await bridgeNow()
    },
    stop: async () => {
      await Promise.all([stack.worker?.stop(), stack.bridge.stop()])
      await gone.now()
    },
  }
  const ended = atEnd(async () => {
    // One that is still starting is waited for: only then is there something to kill.
    await starting?.then(worker => worker.kill()).catch(() => {})
    await stack.bridge.kill()
  })
  const stop = stack.stop
  stack.stop = async () => {
    ended.never()
    await stop()
  }
  stack.worker = await workerNow()
  await stack.tick()
  for (const inbox of inboxes) await connected(stack, inbox)
  return stack
}

/**
 * The script as it would be deployed, built once into `dir`, with a configuration that runs it: from the sources, wrangler would start
 * the Worker anew at every edit of a file, in the middle of a measurement.
 */
export async function frozen(config: string, dir: string): Promise<string> {
  const out = join(dir, `script-${builds++}`)
  mkdirSync(out, { recursive: true })
  await wrangler(['deploy', '--config', config, '--dry-run', '--containers-rollout=none', '--outdir', out])
  const script = readdirSync(out).find(name => name.endsWith('.js'))!
  const text = readFileSync(config, 'utf8')
    .replace(/^main = .*$/m, `main = ${JSON.stringify(script)}\nno_bundle = true`)
    .replace(/^minify = .*$/m, '')
    .replace(/"(\.{1,2}\/[^"]*)"/g, (_, path: string) => JSON.stringify(resolve(dirname(config), path)))
  const copy = join(out, 'wrangler.toml')
  writeFileSync(copy, text)
  return copy
}

let builds = 0

async function makeInboxes(servers: MailServers, stateDir: string, wanted: InboxWanted[]): Promise<Inbox[]> {
  return withDatabases(stateDir, async env => {
    const made: Inbox[] = []
    for (const { address, settings, withoutAssistant } of wanted) {
      const imap = { host: servers.host, port: servers.imap.port, tls: true, user: address }
      const smtp = { host: servers.host, port: servers.smtp.submissionPort, tls: true, user: address }
      const inbox = { address, password: servers.password }
      const all = { imap, smtp, caps: NEVER_CAPPED, pollMs: 60_000, ...settings }
      const cast = await castInto(
        env,
        { stateDir, kek: KEK, inbox, settings: all, ...(withoutAssistant ? { withoutAssistant } : {}) },
        null,
      )
      made.push({ ...cast, address, apiKey: cast.apiKey! })
    }
    return made
  })
}

/** Synced once, so that mail from now on is new: what lies there at the first sync is never fetched. */
export async function connected(stack: Stack, inbox: Inbox): Promise<void> {
  for (const end = Date.now() + 30_000; ; await sleep(50)) {
    const { state, reason, lastSyncAt } = await stack.status(inbox)
    // `connected` is said as soon as the connection was tested; the cursor is born by the first sync.
    if (state === 'connected' && lastSyncAt !== null) return
    if (Date.now() > end || state === 'auth_required')
      throw new Error(`${inbox.address} does not connect: ${state}, ${reason}\n${logOf(stack)}`)
  }
}

export function logOf(stack: Stack): string {
  return readFileSync(join(stack.dir, 'worker.log'), 'utf8').slice(-3000)
}

async function get<T>(url: string, inbox: Inbox, path: string): Promise<T> {
  const answer = await fetch(`${url}/api/v1${path}`, {
    headers: { authorization: `Api-Key ${inbox.apiKey}` },
  })
  if (!answer.ok) throw new Error(`GET ${path} answered ${answer.status}: ${await answer.text()}`)
  return (await answer.json()) as T
}

async function send<T>(url: string, inbox: Inbox, method: string, path: string, body: unknown): Promise<T> {
  const answer = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: { authorization: `Api-Key ${inbox.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`)
  return (await answer.json()) as T
}

async function list<T>(url: string, inbox: Inbox, path: string): Promise<T[]> {
  const items: T[] = []
  const join = path.includes('?') ? '&' : '?'
  for (let next: string | null = ''; next !== null; ) {
    const cursor: string = next === '' ? '' : `&cursor=${next}`
    const page: { items: T[]; next: string | null } = await get(
      url,
      inbox,
      `${path}${join}limit=100${cursor}`,
    )
    items.push(...page.items)
    next = page.next
  }
  return items
}

type End = () => Promise<unknown>
const ends = new Set<End>()

/** Runs when the program ends, by itself or by a signal, the last first. */
export function atEnd(end: End): { now(): Promise<void>; never(): void } {
  ends.add(end)
  return {
    now: async () => {
      if (ends.delete(end)) await end()
    },
    never: () => void ends.delete(end),
  }
}

/** The frame of a bench: whatever becomes of `work`, nothing of it stays behind. */
export async function run(work: () => Promise<number>): Promise<never> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => void finish().then(() => process.exit(130)))
  for (const surprise of ['uncaughtException', 'unhandledRejection'] as const)
    process.on(surprise, error => {
      console.error(error)
      void finish().then(() => process.exit(1))
    })
  let code = 1
  try {
    code = await work()
  } catch (error) {
    console.error(error)
  }
  await finish()
  process.exit(code)
}

let finishing: Promise<void> | null = null

/** Once, and whoever asks again waits for it: the work that was cut off ends too, with an error. */
function finish(): Promise<void> {
  finishing ??= (async () => {
    for (const end of [...ends].reverse()) await end().catch(() => {})
  })()
  return finishing
}
