/** The key-encryption key is changed while the demo runs and mail comes in. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eq } from 'drizzle-orm'
import { ImapFlow } from 'imapflow'
import nodemailer from 'nodemailer'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { withDatabases } from '../../dev/cast.ts'
import { freePort, ROOT } from '../../dev/processes.ts'
import { db } from '../../src/store/db.ts'
import { inboxes, sites } from '../../src/store/schema.ts'
import { comesBack, handOut, open, SealError, seal } from '../../src/store/seal.ts'

interface Handle {
  url: string
  siteId: string
  apiKey: string
  mail: {
    imap: { host: string; port: number }
    smtp: { host: string; port: number }
    inbox: { id: string; address: string; password: string }
    customer: { address: string; password: string }
  }
}

const stateDir = mkdtempSync(join(tmpdir(), 'edgedesk-rotation-'))
const kek = () => (JSON.parse(readFileSync(join(stateDir, 'secrets.json'), 'utf8')) as { kek: string }).kek
const firstKek: string[] = []
let demo: ChildProcess
let handle: Handle
let sent = 0

beforeAll(async () => {
  demo = spawn('npm', ['start'], {
    cwd: ROOT,
    env: { ...process.env, PORT: String(await freePort()), STATE_DIR: stateDir, NODE_EXTRA_CA_CERTS: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  await said(demo, 'Ctrl-C stops it')
  handle = JSON.parse(readFileSync(join(stateDir, 'handle.json'), 'utf8')) as Handle
})
afterAll(async () => {
  await stopDemo()
  rmSync(stateDir, { recursive: true, force: true })
})

async function stopDemo(): Promise<void> {
  if (demo.exitCode !== null || demo.signalCode !== null) return
  const lock = Number(readFileSync(join(stateDir, 'lock'), 'utf8'))
  process.kill(lock, 'SIGTERM')
  for (let i = 0; i < 200; i++) {
    try {
      process.kill(lock, 0)
    } catch {
      return
    }
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** Resolves when it has printed this. */
function said(child: ChildProcess, words: string): Promise<void> {
  let printed = ''
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => {
        printed += chunk
        if (printed.includes(words)) resolve()
      })
    child.once('exit', () => reject(new Error(`it ended without saying "${words}":\n${printed}`)))
  })
}

function rotating(): ChildProcess {
  return spawn(join(ROOT, 'node_modules/.bin/node'), [join(ROOT, 'dev/keys-rotate.ts'), '--local'], {
    cwd: ROOT,
    env: { ...process.env, STATE_DIR: stateDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** To its end, with mail coming in all the while; what it printed. */
async function rotate(): Promise<string> {
  const child = rotating()
  let printed = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => {
      printed += chunk
    })
  let ended = false
  const code = new Promise<number | null>(resolve =>
    child.once('exit', status => {
      ended = true
      resolve(status)
    }),
  )
  while (!ended) {
    await send()
    await new Promise(resolve => setTimeout(resolve, 400))
  }
  expect(await code, printed).toBe(0)
  return printed
}

async function send(): Promise<void> {
  const smtp = nodemailer.createTransport({ ...handle.mail.smtp, secure: false, ignoreTLS: true })
  await smtp.sendMail({
    from: `Alice <${handle.mail.customer.address}>`,
    to: handle.mail.inbox.address,
    subject: `Refund ${++sent}`,
    text: 'How do I get a refund for my order?',
  })
  smtp.close()
}

async function answered(): Promise<string[]> {
  const { address, password } = handle.mail.customer
  const imap = new ImapFlow({
    ...handle.mail.imap,
    secure: false,
    doSTARTTLS: false,
    auth: { user: address, pass: password },
    logger: false,
  })
  await imap.connect()
  await imap.mailboxOpen('INBOX')
  const subjects = []
  for await (const mail of imap.fetch('1:*', { envelope: true })) subjects.push(mail.envelope?.subject ?? '')
  await imap.logout()
  return subjects
}

interface Listed {
  title: string
  lastMessage: { type: string; reply: { why: string } | null; delivery: { status: string } | null } | null
}

async function conversations(): Promise<Listed[]> {
  const all: Listed[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const answer = await fetch(`${handle.url}/api/v1/conversations/?limit=100&cursor=${cursor}`, {
      headers: { authorization: `Api-Key ${handle.apiKey}` },
    })
    const page = (await answer.json()) as { items: Listed[]; next: string | null }
    all.push(...page.items)
    cursor = page.next
  }
  return all
}

/**
 * Every mail has its answer, and only one. An answer that was let go just when the Worker was stopped is uncertain: nobody can know, and
 * it says so (OU4).
 */
async function allAnswered(): Promise<void> {
  const wanted = Array.from({ length: sent }, (_, n) => `Re: Refund ${n + 1}`)
  let missing: string[] = []
  for (const end = Date.now() + 75_000; Date.now() < end; ) {
    const subjects = await answered()
    expect(subjects.length, 'answered twice').toBe(new Set(subjects).size)
    const listed = await conversations()
    const state = (subject: string) => {
      const last = listed.find(one => `Re: ${one.title}` === subject)?.lastMessage
      return last ? (last.delivery?.status ?? last.reply?.why ?? last.type) : 'not there'
    }
    missing = wanted
      .filter(one => !subjects.includes(one) && state(one) !== 'uncertain')
      .map(one => `${one}: ${state(one)}`)
    if (missing.length === 0) return
    await new Promise(resolve => setTimeout(resolve, 500))
  }
  expect(missing).toEqual([])
}

const knock = async (key: string) => {
  const answer = await fetch(`${handle.url}/hooks/rewrap-keys`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await handOut(key, '*', 'rewrap', '*')}`,
      'content-type': 'application/json',
    },
    body: '{"after":""}',
  })
  return answer.status
}

it('KR1 mails before, during and after a rotation are answered, none lost and none twice', async () => {
  for (let i = 0; i < 3; i++) await send()
  await allAnswered()
  firstKek.push(kek())
  const before = sent
  expect(await rotate()).toContain('Done: the old key opens nothing any more.')
  expect(kek()).not.toBe(firstKek[0])
  expect(sent - before, 'mails while it ran').toBeGreaterThan(3)
  for (let i = 0; i < 3; i++) await send()
  await allAnswered()
  expect([await knock(firstKek[0]!), await knock(kek())]).toEqual([401, 200])
}, 240_000)

it('KR2 killed in the middle and run again it goes on, and ends as if it had not been', async () => {
  const before = kek()
  const first = rotating()
  await said(first, 'A new key is made and written down.')
  first.kill('SIGKILL')
  const half = kek()
  expect(half).not.toBe(before)
  await send()
  expect(await rotate()).toContain('Going on with a rotation that was begun.')
  expect(kek()).toBe(half)
  firstKek.push(before)
  await allAnswered()
}, 240_000)

it('KR3 afterwards an old key opens nothing of the database, and the new one what is to be opened', async () => {
  await stopDemo()
  await withDatabases(stateDir, async env => {
    const { dataKey } = (await db(env.DB).select().from(sites).where(eq(sites.id, handle.siteId)).get())!
    const inbox = (await db(env.DB).select().from(inboxes).where(eq(inboxes.id, handle.mail.inbox.id)).get())!
    const place = { site: handle.siteId, table: 'inboxes', column: 'imap_password', row: inbox.id }
    for (const old of firstKek) {
      await expect(open(old, dataKey, place, inbox.imapPassword!)).rejects.toThrow(SealError)
      await expect(seal(old, dataKey, place, 'x')).rejects.toThrow(SealError)
    }
    expect(await open(kek(), dataKey, place, inbox.imapPassword!)).toBe(handle.mail.inbox.password)
  })
})

it('KR8 on a deployment the old key is there before the new one and goes last, and neither is on a command line', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'edgedesk-secrets-'))
  const account = join(dir, 'wrangler')
  writeFileSync(
    account,
    `#!/bin/sh
stdin=$(cat)
echo "$*" >> ${dir}/log
case "$*" in
  "secret put"*) printf %s "$stdin" > ${dir}/$3 ;;
  "secret delete"*) rm -f ${dir}/$3 ;;
  "secret list"*) [ -f ${dir}/KEK_PREVIOUS ] && echo '[{"name":"KEK"},{"name":"KEK_PREVIOUS"}]' || echo '[{"name":"KEK"}]' ;;
esac
`,
  )
  chmodSync(account, 0o755)
  const secret = (name: string) =>
    existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : null
  const file = join(ROOT, 'edgedesk-secrets.json')
  expect(existsSync(file)).toBe(false)
  const old = kek()
  let lost = ['a-site']
  // A deployment that knows what its account says.
  const http = createServer((request, response) => {
    const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
    void comesBack(secret('KEK') ?? old, '*', 'rewrap', '*', token).then(good =>
      response.writeHead(good ? 200 : 401).end(
        JSON.stringify({
          rewrapped: 0,
          unopened: lost,
          next: null,
          rotating: secret('KEK_PREVIOUS') !== null,
          at: Date.now(),
          toldAt: Date.now() + 1,
        }),
      ),
    )
  })
  await new Promise<void>(done => http.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const run = async () => {
    const child = spawn(join(ROOT, 'node_modules/.bin/node'), [join(ROOT, 'dev/keys-rotate.ts')], {
      cwd: ROOT,
      env: { ...process.env, EDGEDESK_WRANGLER: account, SETTLE_SECONDS: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let printed = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        printed += chunk
      })
    return { code: await new Promise(resolve => child.once('exit', resolve)), printed }
  }
  try {
    writeFileSync(file, JSON.stringify({ KEK: old, BRIDGE_TOKEN: 'keep', PUBLIC_URL: url }))
    const kept = () => JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
    const stopped = await run()
    expect([stopped.code, secret('KEK_PREVIOUS'), kept().KEK_PREVIOUS]).toEqual([1, old, old])
    expect(stopped.printed).toContain('Neither key opens the data key of site a-site; the old key is kept.')
    lost = []
    const done = await run()
    expect(done.code, done.printed).toBe(0)
    expect(kept()).toEqual({ KEK: secret('KEK'), BRIDGE_TOKEN: 'keep', PUBLIC_URL: url })
    expect(secret('KEK')).not.toBe(old)
    expect(secret('KEK_PREVIOUS')).toBeNull()
    const orders = readFileSync(join(dir, 'log'), 'utf8')
    expect(orders.match(/secret (?:put|delete) \w+/g)).toEqual([
      ...['secret put KEK_PREVIOUS', 'secret put KEK'],
      ...['secret put KEK_PREVIOUS', 'secret put KEK'],
      ...['secret put KEK', 'secret delete KEK_PREVIOUS'],
    ])
    for (const value of [old, secret('KEK')!])
      expect(orders + done.printed + stopped.printed).not.toContain(value)
  } finally {
    rmSync(file, { force: true })
    rmSync(dir, { recursive: true })
    http.closeAllConnections()
    await new Promise(resolve => http.close(resolve))
  }
})
