/** What the parts of `npm run bench:api` stand on: a Worker without mail, its site and its key, and runs in turns. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalDatabases, withDatabases } from '../dev/cast.ts'
import { freePort, migrate, ROOT, type Running, startWorker } from '../dev/processes.ts'
import { createApiKey } from '../src/store/api-keys.ts'
import { db } from '../src/store/db.ts'
import { createSite } from '../src/store/sites.ts'
import { client, type Load } from './http-load.ts'
import { median } from './report.ts'
import { atEnd, frozen } from './stack.ts'

export const CONNECTIONS = 16
const KEK = Buffer.from('a key of 32 bytes for the bench.').toString('base64')

export interface Place {
  stateDir: string
  siteId: string
  apiKey: string
}

export interface Lab {
  dir: string
  /** The product's script, built once. */
  config: string
  /** Databases without a row, to be copied. */
  empty: string
}

export async function makeLab(): Promise<Lab> {
  const dir = mkdtempSync(join(tmpdir(), 'edgedesk-api-'))
  const remove = () => rmSync(dir, { recursive: true, force: true })
  atEnd(async () => remove())
  process.once('exit', remove)
  const empty = join(dir, 'empty')
  const [config] = await Promise.all([frozen(join(ROOT, 'wrangler.toml'), dir), migrate(empty)])
  return { dir, config, empty }
}

/** Fresh databases with one site and its key. */
export async function makePlace({ dir, empty }: Lab, name: string): Promise<Place> {
  const stateDir = join(dir, name)
  cpSync(empty, stateDir, { recursive: true })
  return withDatabases(stateDir, async (env: LocalDatabases) => {
    const at = Date.now()
    const siteId = await createSite(db(env.DB), KEK, name, at)
    const { key } = await createApiKey(db(env.DB), KEK, siteId, { name, rateLimit: 10_000_000 }, at)
    return { stateDir, siteId, apiKey: key }
  })
}

/** The product on this place, and a client that asks with its key. */
export async function startProduct({ config }: Lab, { stateDir, apiKey }: Place) {
  return started(stateDir, config, apiKey)
}

export async function startBare({ dir }: Lab) {
  const config = await frozen(join(ROOT, 'bench/bare-api/wrangler.toml'), dir)
  return started(join(dir, 'bare'), config, null)
}

async function started(stateDir: string, config: string, apiKey: string | null) {
  const port = await freePort()
  const vars = {
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    KEK,
    BRIDGE_TOKEN: 'bench-bridge-token-0123456789',
    BRIDGE_URL: 'http://127.0.0.1:9',
    DEV: '1',
  }
  const worker: Running = await startWorker({ port, stateDir, log: `${stateDir}.log`, vars, config })
  const ended = atEnd(worker.kill)
  const asking = client(worker.url, apiKey, CONNECTIONS)
  return {
    ...asking,
    async stop(): Promise<void> {
      asking.close()
      await worker.stop()
      ended.never()
    },
  }
}

export interface Pair {
  baseline: Load
  measured: Load
  /** The baseline a second time. */
  again: Load
}

/** The two baselines of a pair stand around what is measured; which is the second changes, so that a drift speaks for nobody. */
export async function inTurns(
  pairs: number,
  baseline: (pair: number) => Promise<Load>,
  measure: (pair: number) => Promise<Load>,
  told: (pair: Pair, n: number) => void,
): Promise<Pair[]> {
  const all: Pair[] = []
  for (let n = 0; n < pairs; n++) {
    const before = await baseline(n)
    const measured = await measure(n)
    const after = await baseline(n)
    const pair =
      n % 2 === 0
        ? { baseline: before, measured, again: after }
        : { baseline: after, measured, again: before }
    told(pair, n)
    all.push(pair)
  }
  return all
}

type Value = 'perSecond' | 'p50' | 'p95' | 'p99'

/** One figure of a run: what was measured against the baseline, and the baseline against itself. */
export function compared(pairs: readonly Pair[], value: Value) {
  const ratios = pairs.map(({ measured, baseline }) => measured[value] / baseline[value])
  const itself = pairs.map(({ again, baseline }) => again[value] / baseline[value])
  return {
    measured: median(pairs.map(one => one.measured[value])),
    baseline: median(pairs.map(one => one.baseline[value])),
    again: median(pairs.map(one => one.again[value])),
    ratio: median(ratios),
    ratios: each(ratios),
    itself: `A/A ${median(itself).toFixed(2)} × (${each(itself)})`,
  }
}

function each(ratios: readonly number[]): string {
  return ratios.map(ratio => ratio.toFixed(2)).join(', ')
}
