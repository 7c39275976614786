/**
 * `npm run deploy`: the whole of Edgedesk on the Cloudflare account that wrangler is signed in to. Safe to run again: what is there stays,
 * what is missing is made. The first run prints an API key and writes the deployment's secrets to a file for you to keep.
 *
 *     PUBLIC_URL   where it is reached; without it, its workers.dev address
 *     SITE_NAME    the name of the first site (default "My team")
 *     SEND_EMAIL   1 binds Cloudflare Email Service, for inboxes without an SMTP server
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newApiKey, newSite } from '../src/store/sites.ts'
import { ROOT, wrangler } from './processes.ts'

const DATABASES = { DB: 'edgedesk', SEARCH: 'edgedesk-search' }
const BUCKET = 'edgedesk-mail'
const SECRETS_FILE = join(ROOT, 'edgedesk-secrets.json')
/** wrangler.toml with the ids of this account, and Workers AI; made here, not committed. */
const CONFIG = 'wrangler.deploy.toml'

const cloudflare = (...args: string[]) => wrangler([...args, '--config', CONFIG])

await step('Signed in to Cloudflare', async () => {
  const who = await wrangler(['whoami'])
  if (/not authenticated/i.test(who)) throw new Error('Sign in first: npm run wrangler -- login')
})

await step('Databases and bucket', async () => {
  let toml = readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')
  for (const [binding, name] of Object.entries(DATABASES)) {
    const id = (await databaseId(name)) ?? (await createDatabase(name))
    toml = toml.replace(`binding = "${binding}"\n`, `binding = "${binding}"\ndatabase_id = "${id}"\n`)
  }
  // Not in wrangler.toml itself: nothing simulates AI, and with it `wrangler dev` wants to be signed in; and not every account sends mail.
  toml += '\n# Models of Workers AI (src/assistants/workers-ai.ts).\n[ai]\nbinding = "AI"\n'
  if (process.env.SEND_EMAIL === '1')
    toml += '\n# Mail out without an SMTP server (src/mail/send-email.ts).\n[[send_email]]\nname = "EMAIL"\n'
  writeFileSync(join(ROOT, CONFIG), toml)
  const buckets = await wrangler(['r2', 'bucket', 'list'])
  if (!new RegExp(`\\b${BUCKET}\\b`).test(buckets)) await wrangler(['r2', 'bucket', 'create', BUCKET])
})

await step('Tables', async () => {
  for (const binding of Object.keys(DATABASES))
    await cloudflare('d1', 'migrations', 'apply', binding, '--remote')
})

await step('The IMAP bridge, bundled', async () => {
  execFileSync(process.execPath, [join(ROOT, 'bridge/build.ts')])
})

// The address is known after the first deployment, and is a variable of it: so the first time it is deployed twice.
let url = process.env.PUBLIC_URL ?? ''
await step('Worker and container', async () => {
  const said = await deploy(url || 'https://edgedesk.invalid')
  const address = /https:\/\/[\w.-]+\.workers\.dev/.exec(said)?.[0]
  if (url !== '') return
  if (!address)
    throw new Error('No workers.dev address was printed. Set PUBLIC_URL to where the Worker is reached.')
  url = address
  await deploy(url)
})

await step('Secrets', async () => {
  const there = await cloudflare('secret', 'list')
  const kept: Record<string, string> = existsSync(SECRETS_FILE)
    ? JSON.parse(readFileSync(SECRETS_FILE, 'utf8'))
    : {}
  const fresh = {
    KEK: randomBytes(32).toString('base64'),
    BRIDGE_TOKEN: randomBytes(32).toString('base64url'),
  }
  for (const [name, value] of Object.entries(fresh)) {
    if (new RegExp(`"${name}"`).test(there)) continue
    kept[name] ??= value
    kept.PUBLIC_URL = url
    // Written down before it is used: a lost KEK makes every mail password unreadable.
    writeFileSync(SECRETS_FILE, JSON.stringify(kept, null, 2), { mode: 0o600 })
    await wrangler(['secret', 'put', name, '--config', CONFIG], {}, kept[name])
  }
})

await step('First site and API key', async () => {
  const counted = await cloudflare(
    'd1',
    'execute',
    'DB',
    '--remote',
    '--json',
    '--command',
    'SELECT count(*) AS sites FROM sites',
  )
  if (!/"sites":\s*0\b/.test(counted)) return
  const kek = JSON.parse(readFileSync(SECRETS_FILE, 'utf8')).KEK as string
  const at = Date.now()
  const site = await newSite(kek, process.env.SITE_NAME ?? 'My team', at)
  const { key, row } = await newApiKey(site.id, 'first', at)
  const sql = [
    `INSERT INTO sites (id, name, data_key, created_at) VALUES (${values(site.id, site.name, site.dataKey, at)})`,
    `INSERT INTO api_keys (id, site_id, name, secret_hash, created_at) VALUES (${values(row.id, row.siteId, row.name, row.secretHash, at)})`,
  ].join('; ')
  await cloudflare('d1', 'execute', 'DB', '--remote', '--yes', '--command', sql)
  console.log(`\n  site      ${site.id}\n  API key   ${key}   (shown once)\n`)
})

console.log(`
Edgedesk runs at ${url}
  curl ${url}/health`)
if (existsSync(SECRETS_FILE))
  console.log(`
Keep ${SECRETS_FILE} in a safe place and take it off this machine: without the KEK in it, saved mail passwords cannot be read.`)

async function step(name: string, work: () => Promise<void>): Promise<void> {
  process.stdout.write(`${name} … `)
  try {
    await work()
  } catch (error) {
    console.log('failed')
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
  console.log('done')
}

async function deploy(publicUrl: string): Promise<string> {
  return cloudflare('deploy', '--var', `PUBLIC_URL:${publicUrl}`)
}

async function databaseId(name: string): Promise<string | undefined> {
  const listed = await wrangler(['d1', 'list', '--json'])
  const databases = JSON.parse(listed.slice(listed.indexOf('['))) as { name: string; uuid: string }[]
  return databases.find(database => database.name === name)?.uuid
}

async function createDatabase(name: string): Promise<string> {
  const said = await wrangler(['d1', 'create', name])
  const id = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/.exec(said)?.[0]
  if (!id) throw new Error(`wrangler d1 create said no id:\n${said}`)
  return id
}

function values(...parts: (string | number)[]): string {
  return parts.map(part => (typeof part === 'number' ? part : `'${part.replaceAll("'", "''")}'`)).join(', ')
}
