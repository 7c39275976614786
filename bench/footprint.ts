/**
 * What the parts weigh: the bridge's memory in its production start command, the bytes an idle poll costs on the line to Dovecot, the
 * Worker's script and how long it takes to start.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { ROOT, wrangler } from '../dev/processes.ts'
import { readFrames } from '../src/mail/frames.ts'
import type { MailServers } from '../test/servers/mail-servers.ts'
import { startProxy } from '../test/servers/proxy.ts'
import { bag } from './post-bag.ts'
import { type Figure, kib, median, note, worst } from './report.ts'
import { atEnd, BRIDGE_TOKEN } from './stack.ts'

const MIB = 1024 * 1024

export async function footprint(servers: MailServers, short: boolean): Promise<Figure[]> {
  return [
    await memory(servers, short),
    ...(await idlePolls(servers, short)),
    ...(await scriptSize()),
    ...(await startUp(short)),
  ]
}

interface ProductionBridge {
  pid: number
  command: string
  post(path: string, body: unknown): Promise<Response>
  stop(): Promise<void>
}

/** The bundle, started as bridge/Dockerfile says. */
async function startProductionBridge(): Promise<ProductionBridge> {
  const node = process.execPath
  await ends(spawn(node, [join(ROOT, 'bridge/build.ts')], { stdio: 'inherit' }))
  const image = readFileSync(join(ROOT, 'bridge/Dockerfile'), 'utf8')
  const imageEnv = Object.fromEntries(
    [...image.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name, value]) => [name, value]),
  )
  const cmd = /^CMD (\[.*\])$/m.exec(image)![1]!
  const [, ...args] = JSON.parse(cmd) as string[]
  const where = args.map(arg => (arg === '/bridge.mjs' ? join(ROOT, 'bridge/dist/bridge.mjs') : arg))
  const child = spawn(node, where, {
    env: { ...process.env, ...imageEnv, PORT: '0', HOST: '127.0.0.1', BRIDGE_TOKEN, DEV: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = atEnd(async () => child.kill('SIGKILL'))
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const found = /"port":\s*(\d+)/.exec(chunk.toString())
      if (found) resolve(found[1]!)
    })
    child.once('exit', () => reject(new Error('the bridge did not start')))
  })
  return {
    pid: child.pid!,
    command: ['node', ...args].join(' '),
    post: (path, body) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${BRIDGE_TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    stop: async () => {
      const gone = ends(child).catch(() => {})
      child.kill('SIGTERM')
      await gone
      ended.never()
    },
  }
}

function accountOf(servers: MailServers, user: string, port = servers.imap.port) {
  return { host: servers.host, port, security: 'starttls', user, password: servers.password }
}

interface Fetched {
  uidValidity: number
  nextUid: number
  mails: number
  bytes: number
}

/** A request as the Mailbox makes it, read to its end. */
async function fetchAll(
  bridge: ProductionBridge,
  account: object,
  from: { uidValidity: number; nextUid: number } | null,
  read: 'whole' | 'piecewise' = 'piecewise',
): Promise<Fetched> {
  const answer = await bridge.post('/fetch', {
    ...{ account, folder: 'INBOX', uidValidity: from?.uidValidity ?? null, nextUid: from?.nextUid ?? null },
    ...{ maxMails: 200, maxBytes: 16 * MIB, reducedAbove: 10 * MIB, wholeUpTo: 25 * MIB },
  })
  if (!answer.ok) throw new Error(`the bridge answered ${answer.status}: ${await answer.text()}`)
  const fetched = { uidValidity: 0, nextUid: from?.nextUid ?? 0, mails: 0, bytes: 0 }
  let more = false
  for await (const item of readFrames(answer.body!)) {
    const { frame } = item
    if (frame.kind === 'problem') throw new Error(`the bridge said ${frame.problem.code}`)
    if (frame.kind === 'opened') {
      fetched.uidValidity = frame.uidValidity
      if (from === null) fetched.nextUid = frame.uidNext
    }
    if (frame.kind === 'end') more = frame.more
    if (frame.kind !== 'mail' && frame.kind !== 'reduced') continue
    if (read === 'whole') fetched.bytes += (await item.body()).length
    else for await (const piece of item.stream()) fetched.bytes += piece.length
    if (frame.kind === 'mail') fetched.mails += 1
    fetched.nextUid = frame.uid + 1
  }
  if (!more) return fetched
  const rest = await fetchAll(bridge, account, fetched, read)
  return { ...rest, mails: rest.mails + fetched.mails, bytes: rest.bytes + fetched.bytes }
}

/** Four mailboxes watched and synced side by side, a 25 MB mail among their mail, again and again. */
async function memory(servers: MailServers, short: boolean): Promise<Figure> {
  const bridge = await startProductionBridge()
  const hints: string[] = []
  const listener = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => hints.push(chunk.toString()))
    request.on('end', () => response.end('{}'))
  })
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  const notify = {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/hooks/mailbox-news`,
    token: 'a-token-of-the-bench-0123456789',
  }
  const rounds = short ? 1 : 12
  const mails = short ? 50 : 250
  try {
    const boxes = await Promise.all(
      Array.from({ length: 4 }, async (_, n) => {
        const address = `memory-${n}@bench.test`
        const account = accountOf(servers, address)
        const born = await fetchAll(bridge, account, null)
        const until = Date.now() + 9 * 60_000
        const mailbox = `00000000-0000-7000-8000-00000000000${n}/00000000-0000-7000-8000-00000000000${n}`
        const lease = await bridge.post('/watch', { mailbox, account, folder: 'INBOX', until, notify })
        if (!lease.ok) throw new Error(`no watch: ${await lease.text()}`)
        return { address, account, cursor: born as { uidValidity: number; nextUid: number } }
      }),
    )
    const idle = peak(bridge.pid)
    let bytes = 0
    for (let round = 0; round < rounds; round++) {
      for (const [n, box] of boxes.entries()) {
        const raws = [...bag(mails, box.address, 100 * round + n)].map(mail => mail.raw)
        if (n === round % 4) raws.splice(mails / 2, 0, large(box.address, round))
        await servers.deliverFiles(box.address, raws)
      }
      await Promise.all(
        boxes.map(async box => {
          const fetched = await fetchAll(bridge, box.account, box.cursor)
          box.cursor = fetched
          bytes += fetched.bytes
        }),
      )
      note(`bridge memory, round ${round + 1}: peak ${kib(peak(bridge.pid))}, ${hints.length} hints`)
      await sleep(700)
    }
    const most = peak(bridge.pid)
    return {
      figure: `bridge, max RSS: 4 mailboxes watched and synced at once, a 25 MB mail among ${Math.round(bytes / MIB)} MiB (\`${bridge.command}\`)`,
      measured: `${(most / MIB).toFixed(0)} MiB (after connecting: ${(idle / MIB).toFixed(0)})`,
      bar: '≤ 192 MiB',
      met: most <= 192 * MIB,
    }
  } finally {
    await bridge.stop()
    listener.closeAllConnections()
    listener.close()
  }
}

/** A mail of just under 25 MiB, most of it one attachment. */
function large(to: string, n: number): Uint8Array {
  const head = [
    `From: Bob <bob@example.test>`,
    `To: <${to}>`,
    `Subject: The film ${n}`,
    `Message-ID: <large-${n}@${to}>`,
    `Date: Sat, 21 Nov 2026 10:00:00 +0000`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="large"',
    '',
    '--large',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'Here is the film of the broken thing.',
    '',
    '--large',
    'Content-Type: video/mp4; name="film.mp4"',
    'Content-Disposition: attachment; filename="film.mp4"',
    'Content-Transfer-Encoding: base64',
    '',
    '',
  ].join('\r\n')
  const line = `${'QUJD'.repeat(19)}\r\n`
  const tail = '\r\n--large--\r\n'
  const lines = Math.floor((25 * MIB - head.length - tail.length) / line.length)
  return Buffer.from(head + line.repeat(lines) + tail)
}

/** The most memory the process ever had, from the kernel. */
function peak(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

/** Octets on the line between bridge and Dovecot, both ways, TLS records counted. */
async function idlePolls(servers: MailServers, short: boolean): Promise<Figure[]> {
  const many = short ? 2_000 : 20_000
  const bridge = await startProductionBridge()
  const proxy = await startProxy({ host: '127.0.0.1', port: servers.imap.port })
  const counted = () => proxy.bytes().up + proxy.bytes().down
  try {
    const cost: Record<number, { connected: number; open: number[] }> = {}
    for (const mails of [20, many]) {
      const address = `idle-${mails}@bench.test`
      await servers.deliverFiles(address, small(mails, address))
      // Dovecot's own lists are made before anything is counted.
      await fetchAll(bridge, accountOf(servers, address), null)
      const account = accountOf(servers, address, proxy.port)
      const cursor = await fetchAll(bridge, accountOf(servers, address), null)
      proxy.resetCount()
      await fetchAll(bridge, account, cursor)
      const connected = counted()
      const open: number[] = []
      for (let n = 0; n < (short ? 3 : 10); n++) {
        await sleep(200)
        proxy.resetCount()
        await fetchAll(bridge, account, cursor)
        open.push(counted())
      }
      cost[mails] = { connected, open }
      note(`idle poll, ${mails} mails: ${connected} bytes with connect and login, then ${open.join(', ')}`)
    }
    const [few, lots] = [cost[20]!, cost[many]!]
    const most = (of: { open: number[] }) => worst(of.open)
    // Dovecot writes into its OK how long it took, so single polls differ by a few digits.
    const usual = (of: { open: number[] }) => median(of.open)
    const apart = (a: number, b: number) => Math.abs(a / b - 1)
    return [
      {
        figure: `idle poll of a box with ${many.toLocaleString('en')} mails, open connection`,
        measured: `${usual(lots)} bytes (worst ${most(lots)})`,
        baseline: `20 mails: ${usual(few)} bytes (worst ${most(few)})`,
        bar: '≤ 512 bytes, equal ± 5 %',
        met: most(lots) <= 512 && apart(usual(lots), usual(few)) <= 0.05,
      },
      {
        figure: `the same with connect, TLS and login`,
        measured: `${lots.connected} bytes`,
        baseline: `20 mails: ${few.connected} bytes`,
        bar: '≤ 10 KB, equal ± 5 %',
        met: lots.connected <= 10_000 && apart(lots.connected, few.connected) <= 0.05,
      },
    ]
  } finally {
    await proxy.stop()
    await bridge.stop()
  }
}

function* small(count: number, to: string): Generator<Uint8Array> {
  for (let n = 0; n < count; n++)
    yield Buffer.from(
      `From: <a@example.test>\nTo: <${to}>\nSubject: ${n}\nMessage-ID: <${n}@idle.test>\n\nHello ${n}\n`,
    )
}

async function scriptSize(): Promise<Figure[]> {
  const out = mkdtempSync(join(tmpdir(), 'edgedesk-bench-'))
  const ended = atEnd(async () => rmSync(out, { recursive: true, force: true }))
  try {
    await wrangler(['deploy', '--dry-run', '--containers-rollout=none', '--outdir', out])
    const scripts = readdirSync(out).filter(name => /\.(m?js|wasm)$/.test(name))
    const whole = scripts.map(name => readFileSync(join(out, name)))
    const plain = whole.reduce((sum, one) => sum + one.length, 0)
    const zipped = whole.reduce((sum, one) => sum + gzipSync(one).length, 0)
    return [
      {
        figure: 'Worker script, minified, gzip',
        measured: `${kib(zipped)} (${kib(plain)} plain)`,
        bar: '≤ 800 KiB',
        met: zipped <= 800 * 1024,
      },
    ]
  } finally {
    await ended.now()
  }
}

/**
 * What `wrangler check startup` says: the time V8 was busy while the script was evaluated once, in workerd on this machine. How
 * that compares with the platform's machines, which allow one second, nobody outside can say.
 */
async function startUp(short: boolean): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'edgedesk-bench-'))
  const ended = atEnd(async () => rmSync(dir, { recursive: true, force: true }))
  try {
    const times: number[] = []
    for (let n = 0; n < (short ? 1 : 5); n++) {
      const outfile = join(dir, 'startup.cpuprofile')
      const said = await wrangler([
        'check',
        'startup',
        '--outfile',
        outfile,
        '--args=--containers-rollout=none',
      ])
      const active = /Active: ([\d.]+) ms/.exec(said)?.[1]
      if (!active) throw new Error(`wrangler check startup says something else now:\n${said}`)
      times.push(Number(active))
    }
    return [
      {
        figure: `Worker start-up CPU (\`wrangler check startup\`, median of ${times.length})`,
        measured: `${median(times).toFixed(0)} ms (worst ${worst(times).toFixed(0)})`,
        bar: 'reported',
        met: null,
      },
    ]
  } finally {
    await ended.now()
  }
}

async function ends(child: ReturnType<typeof spawn>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const code = await new Promise<number | null>(resolve => child.once('exit', resolve))
  if (code !== 0) throw new Error(`${child.spawnfile} ended with ${code}`)
}
