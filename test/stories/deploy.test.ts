/** What can be proved of a deployment without an account: the whole of it builds and binds, and its script is small. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { wrangler } from '../../dev/processes.ts'

it('DP1 wrangler deploy --dry-run passes; the script is at most 800 KiB gzipped and holds no IMAP library', async () => {
  const out = mkdtempSync(join(tmpdir(), 'edgedesk-dry-'))
  const said = await wrangler(['deploy', '--dry-run', '--containers-rollout=none', '--outdir', out])
  for (const binding of ['CONVERSATION', 'MAILBOX', 'BRIDGE', 'DB', 'SEARCH', 'MAIL'])
    expect(said).toContain(`env.${binding}`)
  const script = readFileSync(join(out, 'worker.js'))
  expect(gzipSync(script).length).toBeLessThanOrEqual(800 * 1024)
  expect(script.toString()).not.toContain('ImapFlow')
  rmSync(out, { recursive: true })
})

it('DP2 the types that wrangler makes of wrangler.toml are those the code was checked against', async () => {
  await wrangler(['types', '--check'])
})
