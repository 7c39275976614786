/**
 * `npm run deploy`: the whole of Edgedesk on the Cloudflare account that wrangler is signed in to. Safe to run again: what is there stays,
 * what is missing is made. The first run prints an API key and a link for the first owner, and writes the deployment's secrets to a file
 * for you to keep.
 *
 *     PUBLIC_URL   where it is reached; without it, its workers.dev address
 *     SITE_NAME    the name of the first site (default "My team")
 *     SEND_EMAIL   1 binds Cloudflare Email Service, for inboxes without an SMTP server
 *
 *     npm run deploy -- owner-link               only prints a new link for the first owner, while no owner can sign in
 *     npm run deploy -- owner-link ann@team.com  only prints a link for an owner who lost password or phone
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LASTS_MS, newLink } from '../src/api/one-time-links.ts'
import { newApiKey } from '../src/store/api-keys.ts'
import type { OneTimeLink } from '../src/store/sign-in.ts'
import { newSite } from '../src/store/sites.ts'
import { ROOT, wrangler } from './processes.ts'

const DATABASES = { DB: 'edgedesk', SEARCH: 'edgedesk-search' }
const BUCKET = 'edgedesk-mail'
const SECRETS_FILE = join(ROOT, 'edgedesk-secrets.json')
/** wrangler.toml with the ids of this account, and Workers AI; made here, not committed. */
const CONFIG = 'wrangler.deploy.toml'

const cloudflare = (...args: string[]) => wrangler([...args, '--config', CONFIG])

if (process.argv[2] === 'owner-link') {
  await step('Link for an owner', () => ownerLinks(knownUrl(), process.argv[3]))
  process.exit(0)
}

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
  const { key, row } = await newApiKey(kek, site, { name: 'first' }, at)
  const setup = { siteId: site.id, kind: 'setup' as const, role: 'owner' as const }
  const link = await newLink(url, setup, LASTS_MS.setup, null, at)
  const sql = [
    `INSERT INTO sites (id, name, data_key, created_at) VALUES (${values(site.id, site.name, site.dataKey, at)})`,
    `INSERT INTO api_keys (id, site_id, name, secret_hash, created_at) VALUES (${values(row.id, row.siteId, row.name, row.secretHash, at)})`,
    linkSql(link.row),
  ].join('; ')
  await cloudflare('d1', 'execute', 'DB', '--remote', '--yes', '--command', sql)
  console.log(`\n  site      ${site.id}\n  API key   ${key}   (shown once)`)
  console.log(
    `  owner     ${link.url}\n            opens once, within a day: whoever opens it is the first owner\n`,
  )
})

// A team that signs in by Cloudflare Access alone has an owner without a password.
await step('An owner', () => ownerLinks(url, undefined, ''))

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

/** Prints a link for every site without an owner who can sign in by password, or of another kind; with an address, for that owner. */
async function ownerLinks(
  publicUrl: string,
  address?: string,
  kind = 'AND m.user_id IS NOT NULL',
): Promise<void> {
  const where =
    address === undefined
      ? `SELECT id AS site, name, NULL AS member FROM sites s WHERE NOT EXISTS (SELECT 1 FROM one_time_links l WHERE l.site_id = s.id
         AND l.kind = 'setup' AND l.created_at > ${Date.now() - 60_000}) AND NOT EXISTS (SELECT 1 FROM members m
         WHERE m.site_id = s.id AND m.role = 'owner' ${kind})`
      : `SELECT m.site_id AS site, s.name AS name, m.id AS member FROM members m JOIN sites s ON s.id = m.site_id
         WHERE m.role = 'owner' AND m.email = ${values(address.trim().toLowerCase())}`
  const said = await cloudflare('d1', 'execute', 'DB', '--remote', '--json', '--command', where)
  const found = /"results":\s*(\[[\s\S]*?\])\s*,\s*"success"/.exec(said)?.[1]
  const sites = JSON.parse(found ?? '[]') as { site: string; name: string; member: string | null }[]
  if (address !== undefined && sites.length === 0) throw new Error(`No owner has the address ${address}.`)
  for (const { site, name, member } of sites) {
    const at = Date.now()
    const about =
      member === null
        ? { siteId: site, kind: 'setup' as const, role: 'owner' as const }
        : { siteId: site, kind: 'reset' as const, memberId: member, removesFactors: true }
    const link = await newLink(publicUrl, about, LASTS_MS.setup, null, at)
    const before =
      member === null ? `DELETE FROM one_time_links WHERE site_id = ${values(site)} AND kind = 'setup'; ` : ''
    await cloudflare('d1', 'execute', 'DB', '--remote', '--yes', '--command', `${before}${linkSql(link.row)}`)
    console.log(`\n  ${name}: ${link.url}\n  opens once, within a day`)
  }
}

function linkSql(link: OneTimeLink): string {
  const { id, siteId, kind, secretHash, role, memberId, removesFactors, createdAt, expiresAt } = link
  return `INSERT INTO one_time_links (id, site_id, kind, secret_hash, role, member_id, removes_factors, created_at, expires_at) VALUES (${values(id, siteId, kind, secretHash, role, memberId, removesFactors ? 1 : 0, createdAt, expiresAt)})`
}

function knownUrl(): string {
  const kept = existsSync(SECRETS_FILE)
    ? JSON.parse(readFileSync(SECRETS_FILE, 'utf8')).PUBLIC_URL
    : undefined
  const known = process.env.PUBLIC_URL ?? kept
  if (!known) throw new Error('Set PUBLIC_URL to where the deployment is reached.')
  return known
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

function values(...parts: (string | number | null)[]): string {
  return parts
    .map(part =>
      part === null ? 'NULL' : typeof part === 'number' ? part : `'${part.replaceAll("'", "''")}'`,
    )
    .join(', ')
}
