/** The product's own processes as development, tests and benches start them: the Worker under wrangler, the bridge under Node. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const BIN = join(ROOT, 'node_modules/.bin')

export interface Running {
  url: string
  pid: number
  /** Ends it in order; resolves when nothing of it is left. */
  stop(): Promise<void>
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>
  exited: Promise<void>
}

export async function freePort(wanted = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

export async function startBridge(options: {
  token: string
  log: string
  env?: NodeJS.ProcessEnv
  bundled?: boolean
}): Promise<Running> {
  const script = options.bundled ? 'bridge/dist/bridge.mjs' : 'bridge/server.ts'
  const child = spawn(join(BIN, 'node'), ['--disable-warning=ExperimentalWarning', join(ROOT, script)], {
    env: {
      ...process.env,
      PORT: '0',
      HOST: '127.0.0.1',
      BRIDGE_TOKEN: options.token,
      DEV: '1',
      ...options.env,
    },
    stdio: ['ignore', 'pipe', openSync(options.log, 'a')],
    detached: true,
  })
  const log = createWriteStream(options.log, { flags: 'a' })
  const port = await new Promise<number>((resolve, reject) => {
    let seen = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      log.write(chunk)
      if (seen === 'found') return
      seen += chunk
      const found = /"port":\s*(\d+)/.exec(seen)
      if (found) {
        seen = 'found'
        resolve(Number(found[1]))
      }
    })
    child.once('exit', () => reject(new Error(`the bridge did not start; see ${options.log}`)))
  })
  return running(child, `http://127.0.0.1:${port}`)
}

export interface WorkerOptions {
  port: number
  /** Where D1, R2 and the objects keep their state. */
  stateDir: string
  log: string
  /** Variables and secrets; they go in a file only the owner reads, not on the command line. */
  vars: Record<string, string>
  config?: string
}

export async function startWorker(options: WorkerOptions): Promise<Running> {
  mkdirSync(options.stateDir, { recursive: true })
  const envFile = join(options.stateDir, 'worker.env')
  writeFileSync(
    envFile,
    Object.entries(options.vars)
      .map(([name, value]) => `${name}=${value}`)
      .join('\n'),
    { mode: 0o600 },
  )
  const out = openSync(options.log, 'a')
  const child = spawn(
    join(BIN, 'wrangler'),
    [
      'dev',
      ...(options.config ? ['--config', options.config] : []),
      ...['--ip', '127.0.0.1', '--port', String(options.port), '--inspector-port', String(await freePort())],
      ...[
        '--persist-to',
        options.stateDir,
        '--env-file',
        envFile,
        '--show-interactive-dev-session=false',
        '--log-level',
        'warn',
      ],
    ],
    { cwd: ROOT, env: wranglerEnv(), stdio: ['ignore', out, out], detached: true },
  )
  const url = `http://127.0.0.1:${options.port}`
  const worker = running(child, url)
  let gone = false
  void worker.exited.then(() => {
    gone = true
  })
  for (const end = Date.now() + 60_000; ; ) {
    const health = await fetch(`${url}/health`).catch(() => null)
    if (health?.ok) return worker
    if (gone || Date.now() > end) {
      await worker.kill()
      throw new Error(`the Worker did not start:\n${readFileSync(options.log, 'utf8').slice(-3000)}`)
    }
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** One tick of the cron trigger, which wrangler never fires by itself. */
export async function fireCron(url: string): Promise<void> {
  const answer = await fetch(`${url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent('* * * * *')}`)
  if (!answer.ok) throw new Error(`the clock's tick failed: ${answer.status} ${await answer.text()}`)
}

export async function migrate(stateDir: string): Promise<void> {
  for (const database of ['DB', 'SEARCH'])
    await wrangler(['d1', 'migrations', 'apply', database, '--local', '--persist-to', stateDir])
}

/** Runs wrangler to its end and hands back all it said. `input` is for values that belong on no command line. @throws where it failed. */
export async function wrangler(args: string[], env: NodeJS.ProcessEnv = {}, input?: string): Promise<string> {
  const command = process.env.EDGEDESK_WRANGLER ?? join(BIN, 'wrangler')
  const child = spawn(command, args, { cwd: ROOT, env: { ...wranglerEnv(), ...env }, stdio: 'pipe' })
  child.stdin.end(input)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk
    })
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  if (code !== 0) throw new Error(`wrangler ${args.slice(0, 3).join(' ')} ended with ${code}:\n${output}`)
  return output
}

function wranglerEnv(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PATH: `${BIN}:${process.env.PATH}`,
    WRANGLER_SEND_METRICS: 'false',
    CI: 'true',
    FORCE_COLOR: '0',
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    // Otherwise it writes a trace of every call into the state directory, tens of megabytes in a day of a demo.
    X_LOCAL_OBSERVABILITY: 'false',
  }
}

/** Ends the group of a process when we are gone, even killed: a shell that waits for the end of its input. */
function guard(group: number): ChildProcess {
  const shell = spawn('sh', ['-c', `read _; kill -9 -${group}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  shell.unref()
  return shell
}

function running(child: ChildProcess, url: string): Running {
  const watcher = guard(child.pid!)
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-child.pid!, name) // the whole group: wrangler's workerd too
    } catch {}
  }
  const gone = async () => {
    for (let i = 0; i < 500; i++) {
      try {
        process.kill(-child.pid!, 0)
      } catch {
        return
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
  const kill = async () => {
    signal('SIGKILL')
    await exited
    await gone()
    watcher.kill('SIGKILL') // its number may be another's soon
  }
  return {
    url,
    pid: child.pid!,
    exited,
    kill,
    stop: async () => {
      signal('SIGTERM')
      await Promise.race([exited, new Promise(resolve => setTimeout(resolve, 12_000))])
      await kill()
    },
  }
}
