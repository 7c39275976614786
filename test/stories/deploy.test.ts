/** What can be proved of a deployment without an account: the whole of it builds and binds, and its script is small. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { ROOT, wrangler } from '../../dev/processes.ts'

it('DP1 wrangler deploy --dry-run passes; the script is at most 800 KiB gzipped and holds no IMAP library', async () => {
  const out = mkdtempSync(join(tmpdir(), 'edgedesk-dry-'))
  const said = await wrangler(['deploy', '--dry-run', '--containers-rollout=none', '--outdir', out])
  for (const binding of ['CONVERSATION', 'MAILBOX', 'LIMITS', 'BRIDGE', 'DB', 'SEARCH', 'MAIL'])
    expect(said).toContain(`env.${binding}`)
  const script = readFileSync(join(out, 'worker.js'))
  expect(gzipSync(script).length).toBeLessThanOrEqual(800 * 1024)
  expect(script.toString()).not.toContain('ImapFlow')
  rmSync(out, { recursive: true })
})

it('DP2 the types that wrangler makes of wrangler.toml are those the code was checked against', async () => {
  await wrangler(['types', '--check'])
})

it('DP3 npm run deploy makes what is missing, in order, and puts no secret on a command line; run again it keeps what is there', () => {
  const dir = mkdtempSync(join(tmpdir(), 'edgedesk-deploy-'))
  const log = join(dir, 'log')
  // An account as wrangler shows one: what was made is there the next time.
  const account = join(dir, 'wrangler')
  writeFileSync(
    account,
    `#!/bin/sh
stdin=$(cat)
echo "$* < $(printf %s "$stdin" | wc -c)" >> ${log}
case "$*" in
  whoami*) echo "You are logged in" ;;
  "d1 list"*) if [ -f ${dir}/db ]; then echo '[{"name":"edgedesk","uuid":"00000000-0000-4000-8000-000000000001"},{"name":"edgedesk-search","uuid":"00000000-0000-4000-8000-000000000002"}]'; else echo '[]'; fi ;;
  "d1 create edgedesk-search"*) touch ${dir}/db; echo 'database_id = "00000000-0000-4000-8000-000000000002"' ;;
  "d1 create"*) echo 'database_id = "00000000-0000-4000-8000-000000000001"' ;;
  "r2 bucket list"*) [ -f ${dir}/bucket ] && echo 'name: edgedesk-mail' ;;
  "r2 bucket create"*) touch ${dir}/bucket ;;
  deploy*) echo 'https://edgedesk.team.workers.dev' ;;
  "secret list"*) [ -f ${dir}/secrets ] && echo '[{"name":"KEK"},{"name":"BRIDGE_TOKEN"}]' || echo '[]' ;;
  "secret put BRIDGE_TOKEN"*) touch ${dir}/secrets ;;
  *"SELECT count"*) [ -f ${dir}/site ] && echo '[{"results":[{"sites":1}]}]' || echo '[{"results":[{"sites":0}]}]' ;;
  *"INSERT INTO sites"*) touch ${dir}/site ;;
esac
exit 0
`,
  )
  chmodSync(account, 0o755)
  const secrets = join(ROOT, 'edgedesk-secrets.json')
  expect(existsSync(secrets)).toBe(false)
  const run = () => {
    rmSync(log, { force: true })
    const ended = spawnSync(process.execPath, [join(ROOT, 'dev/deploy.ts')], {
      env: { ...process.env, EDGEDESK_WRANGLER: account, SITE_NAME: "O'Hara's" },
      encoding: 'utf8',
    })
    expect(ended.stderr).toBe('')
    expect(ended.status).toBe(0)
    return { said: ended.stdout, orders: readFileSync(log, 'utf8') }
  }
  try {
    const first = run()
    const { KEK, BRIDGE_TOKEN } = JSON.parse(readFileSync(secrets, 'utf8')) as {
      KEK: string
      BRIDGE_TOKEN: string
    }
    expect(first.orders).not.toContain(KEK)
    expect(first.orders).not.toContain(BRIDGE_TOKEN)
    expect(first.orders).toMatch(/secret put KEK .*< 44\n/)
    expect(first.said).toMatch(/API key {3}ed_[0-9a-f]{32}_[\w-]{43}/)
    const link = /https:\/\/edgedesk\.team\.workers\.dev\/setup\/(el_[0-9a-f]{32}_[\w-]{43})/.exec(first.said)
    expect(first.orders).toContain('INSERT INTO one_time_links')
    expect(first.orders).not.toContain(link![1]!.slice(-43))
    expect(first.orders).toContain("'O''Hara''s'")
    expect(first.orders).toContain('deploy --var PUBLIC_URL:https://edgedesk.team.workers.dev')
    expect(readFileSync(join(ROOT, 'wrangler.deploy.toml'), 'utf8')).toContain(
      'database_id = "00000000-0000-4000-8000-000000000002"',
    )
    const second = run()
    expect(second.orders).not.toMatch(/d1 create|bucket create|secret put|INSERT/)
    expect(second.said).not.toContain('ed_')
  } finally {
    rmSync(secrets, { force: true })
    rmSync(join(ROOT, 'wrangler.deploy.toml'), { force: true })
    rmSync(dir, { recursive: true })
  }
})

it('DP4 npm run deploy -- owner-link prints a link where nobody signs in as an owner, or for the owner who is named', () => {
  const dir = mkdtempSync(join(tmpdir(), 'edgedesk-owner-'))
  const log = join(dir, 'log')
  const account = join(dir, 'wrangler')
  const id = '01a20066-d0bd-76f6-b3f7-e84668f06b7c'
  writeFileSync(
    account,
    `#!/bin/sh
echo "$*" >> ${log}
case "$*" in
  *"m.email = 'ann@team.test'"*) echo '[{"results":[{"site":"${id}","name":"Team","member":"${id}"}],"success":true}]' ;;
  *"m.email = "*) echo '[{"results":[],"success":true}]' ;;
  *"SELECT id AS site"*) echo '[{"results":[{"site":"${id}","name":"Team","member":null}],"success":true,"meta":{}}]' ;;
esac
exit 0
`,
  )
  chmodSync(account, 0o755)
  const run = (...args: string[]) => {
    rmSync(log, { force: true })
    const ended = spawnSync(process.execPath, [join(ROOT, 'dev/deploy.ts'), 'owner-link', ...args], {
      env: { ...process.env, EDGEDESK_WRANGLER: account, PUBLIC_URL: 'https://desk.example' },
      encoding: 'utf8',
    })
    return { status: ended.status, said: ended.stdout + ended.stderr, orders: readFileSync(log, 'utf8') }
  }
  try {
    const fresh = run()
    expect(fresh).toMatchObject({
      status: 0,
      said: expect.stringMatching(/https:\/\/desk\.example\/setup\/el_/),
    })
    expect(fresh.orders).toMatch(/DELETE FROM one_time_links .*kind = 'setup'; INSERT INTO one_time_links/)
    expect(fresh.orders).not.toMatch(/^(?:deploy|secret)/m)
    const lost = run('Ann@team.test')
    expect(lost).toMatchObject({
      status: 0,
      said: expect.stringMatching(/https:\/\/desk\.example\/reset\/el_/),
    })
    expect(lost.orders).toMatch(/'reset', .*, 1, \d{13}/)
    expect(run("eve@team.test' OR '1'='1")).toMatchObject({
      status: 1,
      said: expect.stringContaining('No owner'),
    })
  } finally {
    rmSync(dir, { recursive: true })
  }
})
