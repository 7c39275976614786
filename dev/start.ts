/**
 * `npm start`: a running Edgedesk on loopback. A mail host with two mailboxes, the bridge, the Worker under wrangler, the clock, and a cast
 * to try it with. State is under STATE_DIR (default .dev/), so a second start goes on where the first stopped; `handle.json` there says
 * where everything is, for people and programs. Loopback hosts are allowed in this mode.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Cast, castInto, chatOnPage, ownerInto, webChatOf, withDatabases } from './cast.ts'
import { startMailHost } from './mail-host.ts'
import { fireCron, freePort, migrate, ROOT, type Running, startBridge, startWorker } from './processes.ts'
import { startShop } from './shop.ts'

interface Kept {
  kek: string
  /** While `npm run keys:rotate -- --local` is under way. */
  kekPrevious?: string
  bridgeToken: string
  apiKey: string
  inboxPassword: string
  customerPassword: string
  /** Of the owner who signs in; of a state from before there was sign-in it is missing. */
  ownerPassword?: string
  imapPort: number
  smtpPort: number
  /** Of the page with the chat on it; of a state from before there was one it is missing. */
  shopPort?: number
  cast: Cast
}

const TICK_MS = 60_000
const HOUR_MS = 3_600_000
const DEMO_CAPS = {
  sender: { count: 500, windowMs: HOUR_MS },
  thread: { count: 200, windowMs: HOUR_MS },
  inbox: { count: 1000, windowMs: HOUR_MS },
}
const stateDir = resolve(ROOT, process.env.STATE_DIR ?? '.dev')
const port = await wantedPort('PORT', 8787)
mkdirSync(stateDir, { recursive: true, mode: 0o700 })
const lockFile = join(stateDir, 'lock')
refuseIfRunning()
writeFileSync(lockFile, String(process.pid))
const keptFile = join(stateDir, 'secrets.json')
const handleFile = join(stateDir, 'handle.json')
const kept = existsSync(keptFile) ? (JSON.parse(readFileSync(keptFile, 'utf8')) as Kept) : null
rmSync(handleFile, { force: true })

const stops: (() => Promise<void>)[] = []
let stopping = false
async function stop(code: number): Promise<void> {
  if (stopping) return
  stopping = true
  for (const end of stops.reverse()) await end().catch(() => {})
  rmSync(handleFile, { force: true })
  rmSync(lockFile, { force: true })
  console.log('Stopped.')
  process.exit(code)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0))
process.on('uncaughtException', error => {
  console.error(error.message)
  void stop(1)
})
process.on('unhandledRejection', error => {
  console.error(error instanceof Error ? error.message : error)
  void stop(1)
})

const inbox = { address: 'support@demo.test', password: kept?.inboxPassword ?? secret() }
const customer = { address: 'alice@demo.test', password: kept?.customerPassword ?? secret() }
const owner = { email: 'owner@demo.test', password: kept?.ownerPassword ?? secret() }
const kek = kept?.kek ?? randomBytes(32).toString('base64')
const bridgeToken = kept?.bridgeToken ?? secret()

console.log(kept ? 'Edgedesk demo: going on where it stopped …' : 'Edgedesk demo: first start, setting up …')
const mail = await startMailHost({
  mailboxes: [inbox, customer],
  dir: join(stateDir, 'mail'),
  imapPort: await wantedPort('DEMO_IMAP_PORT', kept?.imapPort ?? 0, true),
  smtpPort: await wantedPort('DEMO_SMTP_PORT', kept?.smtpPort ?? 0, true),
})
stops.push(mail.stop)

await migrate(stateDir)
const server = (mailPort: number) => ({ host: '127.0.0.1', port: mailPort, tls: false, user: inbox.address })
const cast = await withDatabases(stateDir, env =>
  castInto(
    env,
    {
      stateDir,
      kek,
      inbox,
      // Caps wide enough for an evening of trying.
      settings: { imap: server(mail.imapPort), smtp: server(mail.smtpPort), watch: true, caps: DEMO_CAPS },
    },
    kept?.cast ?? null,
  ),
)
const apiKey = kept?.apiKey ?? cast.apiKey ?? ''
const url = `http://127.0.0.1:${port}`
const shopPort = await wantedPort('DEMO_SHOP_PORT', kept?.shopPort ?? 0, true)
const { ownerLink, webChatId } = await withDatabases(stateDir, async env => {
  const chat = await webChatOf(env, cast)
  if (chat) await chatOnPage(env, cast.siteId, chat, `http://127.0.0.1:${shopPort}`)
  return { ownerLink: await ownerInto(env, cast.siteId, url, owner), webChatId: chat }
})
const keep: Kept = {
  kek,
  ...(kept?.kekPrevious ? { kekPrevious: kept.kekPrevious } : {}),
  bridgeToken,
  apiKey,
  inboxPassword: inbox.password,
  customerPassword: customer.password,
  ownerPassword: owner.password,
  imapPort: mail.imapPort,
  smtpPort: mail.smtpPort,
  shopPort,
  cast: { siteId: cast.siteId, assistantId: cast.assistantId, inboxId: cast.inboxId },
}
writeFileSync(keptFile, JSON.stringify(keep, null, 2), { mode: 0o600 })

const bridge = await startBridge({ token: bridgeToken, log: join(stateDir, 'bridge.log') })
stops.push(bridge.stop)
const startOnKeys = () => {
  const { kek, kekPrevious } = JSON.parse(readFileSync(keptFile, 'utf8')) as Kept
  return startWorker({
    port,
    stateDir,
    log: join(stateDir, 'worker.log'),
    vars: {
      PUBLIC_URL: url,
      KEK: kek,
      ...(kekPrevious ? { KEK_PREVIOUS: kekPrevious } : {}),
      BRIDGE_TOKEN: bridgeToken,
      BRIDGE_URL: bridge.url,
      DEV: '1',
    },
  })
}
let worker = await startOnKeys()
stops.push(() => worker.stop())
endTogether(worker, 'the Worker')
// A deployment's Worker starts anew with new secrets too.
let restarting = false
let restarts = Promise.resolve()
process.on('SIGUSR2', () => {
  restarts = restarts.then(async () => {
    restarting = true
    await worker.stop()
    if (stopping) return
    worker = await startOnKeys()
    endTogether(worker, 'the Worker')
    restarting = false
  })
})
endTogether(bridge, 'the bridge')

const shop = webChatId ? await startShop(shopPort, url, webChatId) : null
if (shop) stops.push(shop.stop)

// wrangler never fires the cron trigger by itself.
const clock = setInterval(
  () =>
    void fireCron(url).catch(error => !stopping && !restarting && console.error(`clock: ${error.message}`)),
  TICK_MS,
)
stops.push(async () => clearInterval(clock))
await fireCron(url)
await connected()

const handle = {
  url,
  siteId: cast.siteId,
  apiKey,
  webChatId,
  shop: shop?.url ?? null,
  console: owner,
  mail: {
    imap: { host: '127.0.0.1', port: mail.imapPort },
    smtp: { host: '127.0.0.1', port: mail.smtpPort },
    inbox: { id: cast.inboxId, ...inbox },
    customer,
  },
}
writeFileSync(handleFile, JSON.stringify(handle, null, 2), { mode: 0o600 })
console.log(`
Edgedesk runs at ${url}   (development: loopback mail servers are allowed)

  API key       ${apiKey}
  owner         ${owner.email}   password ${owner.password}
${ownerLink ? `  owner link    ${ownerLink}\n                opens once, within a day: for an owner of your own\n` : ''}  inbox         ${inbox.address}   password ${inbox.password}   id ${cast.inboxId}
  customer      ${customer.address}   password ${customer.password}
  web chat      ${webChatId}
${shop ? `  a shop        ${shop.url}   with the chat on it; as a page of its own: ${url}/share/${webChatId}\n` : ''}  IMAP          127.0.0.1:${mail.imapPort}   SMTP 127.0.0.1:${mail.smtpPort}   (no TLS: it is all on this machine)
  handle        ${handleFile}

Try it, in another terminal: send a mail, read the first answer (give it a second), see the conversations.

  printf "From: Alice <${customer.address}>\\nTo: ${inbox.address}\\nSubject: Refund\\nDate: $(date -R)\\nMessage-ID: <$(date +%s)@demo.test>\\n\\nHow do I get a refund for my order?\\n" | curl -s smtp://127.0.0.1:${mail.smtpPort} --mail-from ${customer.address} --mail-rcpt ${inbox.address} --crlf -T -
  curl -s 'imap://127.0.0.1:${mail.imapPort}/INBOX;MAILINDEX=1' -u '${customer.address}:${customer.password}'
  curl -s ${url}/api/v1/conversations/ -H 'Authorization: Api-Key ${apiKey}'

And without any mail: begin a conversation, say something in it, read what was said. All of the API is at ${url}/docs

  C=$(curl -s ${url}/api/v1/conversations/ -H 'Authorization: Api-Key ${apiKey}' -H 'Content-Type: application/json' -d '{"webChat": "${webChatId}"}' | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
  curl -s ${url}/api/v1/messages/ -H 'Authorization: Api-Key ${apiKey}' -H 'Content-Type: application/json' -d "{\\"conversation\\": \\"$C\\", \\"content\\": \\"How do I get a refund?\\"}"
  curl -s "${url}/api/v1/messages/?conversation=$C" -H 'Authorization: Api-Key ${apiKey}'

Ask for a person in the shop's chat, and answer as one: the newest conversation, taken over, and a line in it.

  C=$(curl -s '${url}/api/v1/conversations/?limit=1' -H 'Authorization: Api-Key ${apiKey}' | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
  curl -s -X PATCH ${url}/api/v1/conversations/$C -H 'Authorization: Api-Key ${apiKey}' -H 'Content-Type: application/json' -d '{"owner": "person"}'
  curl -s ${url}/api/v1/messages/outgoing -H 'Authorization: Api-Key ${apiKey}' -H 'Content-Type: application/json' -d "{\\"conversation\\": \\"$C\\", \\"content\\": \\"Hello, this is Pia. What can I do?\\", \\"senderName\\": \\"Pia\\"}"

Ctrl-C stops it.`)

/** The inbox has been synced once, so the first mail sent is a new one: what lies there at the first sync is never answered. */
async function connected(): Promise<void> {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    const answer = await fetch(`${url}/api/v1/inboxes/${cast.inboxId}/`, {
      headers: { authorization: `Api-Key ${apiKey}` },
    })
    type Inbox = { state?: string; reason?: string | null; lastSyncAt?: string | null }
    const { state, reason, lastSyncAt } = (await answer.json()) as Inbox
    // Connected alone says that a test passed; the cursor is born with the first sync.
    if (state === 'connected' && lastSyncAt) return
    if (state === 'auth_required') throw new Error(`the demo inbox does not connect: ${reason}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`the demo inbox did not connect; see ${join(stateDir, 'worker.log')}`)
}

function endTogether(part: Running, name: string): void {
  void part.exited.then(() => {
    if (stopping || (restarting && part === worker)) return
    console.error(`${name} ended; see the logs in ${stateDir}`)
    void stop(1)
  })
}

/** Two copies on one state directory would take each other's mailboxes apart. */
function refuseIfRunning(): void {
  if (!existsSync(lockFile)) return
  const pid = Number(readFileSync(lockFile, 'utf8'))
  try {
    if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('dev/start.ts')) return
  } catch {
    return // whoever wrote it is gone
  }
  console.error(
    `Another copy (process ${pid}) runs on ${stateDir}. Choose another place with STATE_DIR=… and PORT=….`,
  )
  process.exit(1)
}

function secret(): string {
  return randomBytes(18).toString('base64url')
}

/** A port asked for by name must be free; one only remembered may have been taken meanwhile. */
async function wantedPort(name: string, otherwise: number, anyWillDo = false): Promise<number> {
  const asked = process.env[name]
  const number = Number(asked ?? otherwise)
  if (!Number.isInteger(number) || number < 0 || number > 65535) {
    console.error(`${name} is not a port: ${asked}`)
    process.exit(1)
  }
  try {
    return await freePort(number)
  } catch {
    if (anyWillDo && asked === undefined) return freePort()
    console.error(`Port ${number} is in use. Choose another with ${name}=…`)
    process.exit(1)
  }
}
