/** The demo as a newcomer runs it: `npm start` in its own process, a mail sent with SMTP, the answer read with IMAP. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImapFlow } from 'imapflow'
import nodemailer from 'nodemailer'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freePort, ROOT } from '../../dev/processes.ts'

interface Handle {
  url: string
  siteId: string
  apiKey: string
  webChatId: string
  console: { email: string; password: string }
  mail: {
    imap: { host: string; port: number }
    smtp: { host: string; port: number }
    inbox: { id: string; address: string; password: string }
    customer: { address: string; password: string }
  }
}

const dir = mkdtempSync(join(tmpdir(), 'edgedesk-demo-'))
const running = new Set<Started>()

interface Started {
  child: ChildProcess
  stateDir: string
  handle: Handle
  printed: string
}

async function start(stateDir: string): Promise<Started> {
  const child = spawn('npm', ['start'], {
    cwd: ROOT,
    env: { ...process.env, PORT: String(await freePort()), STATE_DIR: stateDir, NODE_EXTRA_CA_CERTS: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let printed = ''
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => {
        printed += chunk
        if (printed.includes('Ctrl-C stops it')) resolve()
      })
    child.once('exit', () => reject(new Error(`npm start ended:\n${printed}`)))
  })
  const handle = JSON.parse(readFileSync(join(stateDir, 'handle.json'), 'utf8')) as Handle
  const started = { child, stateDir, printed, handle }
  running.add(started)
  return started
}

async function stop({ child, stateDir }: Started, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  for (const one of running) if (one.child === child) running.delete(one)
  const gone = new Promise(resolve => child.once('exit', resolve))
  process.kill(-child.pid!, signal)
  await gone
  // npm itself leaves at once; what it started takes a moment to stop in order.
  for (let i = 0; i < 150 && processesOf(stateDir).length > 0; i++)
    await new Promise(resolve => setTimeout(resolve, 100))
}

async function send(
  handle: Handle,
  mail: { subject: string; text: string; inReplyTo?: string },
): Promise<void> {
  const smtp = nodemailer.createTransport({ ...handle.mail.smtp, secure: false, ignoreTLS: true })
  await smtp.sendMail({
    from: `Alice <${handle.mail.customer.address}>`,
    to: handle.mail.inbox.address,
    ...mail,
  })
  smtp.close()
}

async function answers(
  handle: Handle,
  many: number,
): Promise<{ subject: string; text: string; messageId: string }[]> {
  const { address, password } = handle.mail.customer
  for (const end = Date.now() + 20_000; ; ) {
    const imap = new ImapFlow({
      ...handle.mail.imap,
      secure: false,
      doSTARTTLS: false,
      auth: { user: address, pass: password },
      logger: false,
    })
    await imap.connect()
    await imap.mailboxOpen('INBOX')
    const all = []
    for await (const mail of imap.fetch('1:*', { envelope: true, bodyParts: ['1'] }))
      all.push({
        subject: mail.envelope?.subject ?? '',
        messageId: mail.envelope?.messageId ?? '',
        text: mail.bodyParts?.get('1')?.toString() ?? '',
      })
    await imap.logout()
    if (all.length >= many) return all
    if (Date.now() > end) throw new Error(`${all.length} answers, not ${many}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

const titles = async (handle: Handle) => {
  const answer = await fetch(`${handle.url}/api/v1/conversations/`, {
    headers: { authorization: `Api-Key ${handle.apiKey}` },
  })
  const { items } = (await answer.json()) as {
    items: { title: string; lastMessage: { type: string; delivery: { status: string } } }[]
  }
  return items.map(one => one.title)
}

/** Every process whose environment names the state directory. */
function processesOf(stateDir: string): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`STATE_DIR=${stateDir}`)
      } catch {
        return false // it ended while we looked
      }
    })
}

let first: Started
let second: Started
beforeAll(async () => {
  first = await start(join(dir, 'one'))
  second = await start(join(dir, 'two'))
})
afterAll(async () => {
  for (const one of [...running]) await stop(one, 'SIGTERM')
  rmSync(dir, { recursive: true, force: true })
})

it('DE1 npm start prints the addresses and logins, and writes the handle', () => {
  const { handle, printed } = first
  for (const said of [
    handle.url,
    handle.apiKey,
    handle.mail.inbox.password,
    handle.mail.customer.password,
    handle.console.email,
    handle.console.password,
    String(handle.mail.smtp.port),
  ])
    expect(printed).toContain(said)
  expect(handle).toMatchObject({ mail: { imap: { host: '127.0.0.1' } } })
})

it('DE6 its owner signs in with what was printed, and another comes in by the link, once', async () => {
  const { handle, printed } = first
  const signIn = (body: object) =>
    fetch(`${handle.url}/api/auth/sign-in/email`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const roleOf = async (answer: Response) => {
    const cookie = answer.headers.getSetCookie()[0]!.split(';')[0]!
    const me = await fetch(`${handle.url}/api/v1/me`, { headers: { cookie } })
    return ((await me.json()) as { role: string }).role
  }
  expect(await roleOf(await signIn(handle.console))).toBe('owner')
  const link = /http\S+\/setup\/el_\S+/.exec(printed)![0]
  const mine = { email: 'me@demo.test', password: 'correct horse battery' }
  const form = new URLSearchParams({ ...mine, name: 'Me', again: mine.password })
  expect((await fetch(link)).status).toBe(200)
  const sent = () => fetch(link, { method: 'POST', body: form })
  expect((await sent()).status).toBe(200)
  expect((await sent()).status).toBe(410)
  expect(await roleOf(await signIn(mine))).toBe('owner')
})

it('DE2 a mail to the inbox is answered into the sender’s mailbox, in the language it was written in', async () => {
  await send(first.handle, { subject: 'Refund', text: 'How do I get a refund for my order?' })
  await send(first.handle, { subject: '密碼', text: '我忘記密碼了，該怎麼重設？' })
  const all = await answers(first.handle, 2)
  expect(all.map(one => one.subject).toSorted()).toEqual(['Re: Refund', 'Re: 密碼'])
})

it('DE3 two copies with their own PORT and STATE_DIR run side by side and know nothing of each other', async () => {
  await send(second.handle, { subject: 'Invoice', text: 'Can I get an invoice with my VAT number?' })
  await answers(second.handle, 1)
  expect(await titles(second.handle)).toEqual(['Invoice'])
  expect(await titles(first.handle)).not.toContain('Invoice')
})

it('DE4 stopped and started again it goes on where it stopped; no process is left behind', async () => {
  const before = await titles(first.handle)
  await stop(first, 'SIGTERM')
  expect(existsSync(join(dir, 'one/handle.json'))).toBe(false)
  expect(processesOf(join(dir, 'one'))).toEqual([])
  first = await start(join(dir, 'one'))
  expect(await titles(first.handle)).toEqual(before)
  const [answered] = await answers(first.handle, 2)
  await send(first.handle, {
    subject: 'Re: Refund',
    text: 'And how long does shipping take?',
    inReplyTo: answered!.messageId,
  })
  await answers(first.handle, 3)
  expect(await titles(first.handle)).toHaveLength(before.length)
})

it('SA1 what it prints begins a conversation by the API, and the answer is there a moment later', async () => {
  const { printed, handle } = first
  const lines = printed
    .split('\n')
    .filter(line =>
      /^ {2}(?:C=\$\(curl|curl -s).*\/api\/v1\/(?:conversations\/(?:\?limit|\$C| -H 'A.*-d)|messages)/.test(
        line,
      ),
    )
  expect(lines).toHaveLength(6)
  const [begin, say, read, newest, takeOver, answer] = lines.map(line => line.trim())
  const run = (script: string) => execFileSync('bash', ['-c', script], { encoding: 'utf8' })
  expect(begin).toContain(handle.webChatId)
  const said = run(`${begin}\n${say}`)
  expect(said).toContain('"content":"How do I get a refund?"')
  const conversation = /"conversation":"([^"]+)"/.exec(said)![1]!
  let all = ''
  for (const end = Date.now() + 10_000; Date.now() < end && !all.includes('"outgoing"'); )
    all = run(`C=${conversation}\n${read}`)
  expect(all).toContain('30 days')
  const answered = run(`${newest}\n${takeOver}\n${answer}`)
  expect(answered).toContain('"owner":"person"')
  expect(answered).toContain('"name":"Pia"')
})

it('WI7 the document of the API is valid OpenAPI 3.1, with every reference in its place', async () => {
  const { validate } = await import('@readme/openapi-parser')
  const document = await (await fetch(`${first.handle.url}/openapi.json`)).json()
  const said = await validate(document as never)
  expect(said).toMatchObject({ valid: true })
})

it('WI10 the page that shows it is there with all its files', async () => {
  const { url } = first.handle
  const page = await (await fetch(`${url}/docs`)).text()
  for (const [, file] of page.matchAll(/(?:src|href)="(\/docs[^"]+)"/g))
    expect((await fetch(`${url}${file}`)).status, file).toBe(200)
})

it('DE5 a port that is taken is said so, and nothing is left running', async () => {
  const taken = new URL(second.handle.url).port
  const child = spawn('npm', ['start'], {
    cwd: ROOT,
    env: { ...process.env, PORT: taken, STATE_DIR: join(dir, 'three') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    printed += chunk
  })
  const code = await new Promise(resolve => child.once('exit', resolve))
  expect(code).toBe(1)
  expect(printed).toContain(`Port ${taken} is in use`)
  expect(processesOf(join(dir, 'three'))).toEqual([])
})
