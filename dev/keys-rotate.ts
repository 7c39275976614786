/**
 * `npm run keys:rotate`: a new key-encryption key (KEK) for the deployment, while it runs. With `--local`, for the demo that runs on
 * STATE_DIR (default .dev/).
 *
 *     1. a new KEK is made and written to the secrets file beside the old one, before it is used
 *     2. the deployment gets it as KEK, and the old one as KEK_PREVIOUS: the new seals, either opens
 *     3. every site's data key is wrapped anew; what the data keys sealed stays as it is
 *     4. one tick of the clock tells every mailbox
 *     5. KEK_PREVIOUS is taken away, and the old key opens nothing any more
 *
 * Every step may be done twice, and the secrets file holds the old key until the last has been done: after a crash, run it again. Only step
 * 5 cannot be taken back, and it comes when nothing is left under the old key.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { handOut } from '../src/store/seal.ts'
import { fireCron, ROOT, wrangler } from './processes.ts'

/** `previous` is there while a rotation is under way. */
interface Keys {
  current: string
  previous?: string
}

interface Place {
  url: string
  read(): Keys
  write(keys: Keys): void
  /** Gives the deployment these keys; may return before all of it has them. */
  give(keys: Keys): Promise<void>
  /** Until no copy with the old secrets answers any more, ms. */
  settleMs: number
  /** Brings on the next tick of the clock, where it can. */
  tick(): Promise<void>
}

interface Rewrapped {
  rewrapped: number
  unopened: string[]
  next: string | null
  rotating: boolean
  at: number
  toldAt: number
}

const PATIENCE_MS = 10 * 60_000

const place = orSay(() => (process.argv.includes('--local') ? demo() : deployment()))
try {
  await rotate()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error('Nothing is lost: run it again, and it goes on where it stopped.')
  process.exit(1)
}

/** What is missing is said in one line. */
function orSay<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}

async function rotate(): Promise<void> {
  let keys = place.read()
  if (keys.previous === undefined) {
    keys = { current: randomBytes(32).toString('base64'), previous: keys.current }
    place.write(keys)
    console.log('A new key is made and written down.')
  } else console.log('Going on with a rotation that was begun.')
  await place.give(keys)
  // Asking whether it has both wraps the first of them anew already.
  let early = 0
  await until('the deployment has both keys', async () => {
    const said = await rewrap('')
    early += said?.rewrapped ?? 0
    return said?.rotating === true
  })
  if (place.settleMs > 0) {
    console.log(`Waiting ${place.settleMs / 1000} seconds, until all of it has them.`)
    await pause(place.settleMs)
  }

  let count = early
  let at = 0
  for (let after: string | null = ''; after !== null; ) {
    const done: Rewrapped = await surely(after)
    if (done.unopened.length > 0)
      throw new Error(
        `Neither key opens the data key of site ${done.unopened.join(', ')}; the old key is kept.`,
      )
    count += done.rewrapped
    at = done.at
    after = done.next
  }
  console.log(`Data keys wrapped anew: ${count}.`)

  await until('every mailbox was told', async () => {
    await place.tick()
    return ((await rewrap(''))?.toldAt ?? 0) > at
  })
  // Whatever was made meanwhile by a copy with the old secrets.
  if ((await surely('')).rewrapped > 0) return rotate()

  await place.give({ current: keys.current })
  await until('the old key is gone', async () => (await rewrap(''))?.rotating === false)
  place.write({ current: keys.current })
  console.log('Done: the old key opens nothing any more.')
}

/** Null where the deployment does not answer, or does not know the new key yet. */
async function rewrap(after: string): Promise<Rewrapped | null> {
  const token = await handOut(place.read().current, '*', 'rewrap', '*')
  try {
    const answer = await fetch(new URL('/hooks/rewrap-keys', place.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ after }),
    })
    return answer.ok ? ((await answer.json()) as Rewrapped) : null
  } catch {
    return null
  }
}

async function surely(after: string): Promise<Rewrapped> {
  let done: Rewrapped | null = null
  await until('the deployment answers', async () => {
    done = await rewrap(after)
    return done !== null
  })
  return done!
}

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !(await look()); await pause(1_000))
    if (Date.now() > end) throw new Error(`Given up waiting until ${what}.`)
}

function pause(ms: number): Promise<void> {
  return new Promise(done => setTimeout(done, ms))
}

function deployment(): Place {
  const file = join(ROOT, 'edgedesk-secrets.json')
  if (!existsSync(file)) throw new Error(`Put ${file} back: the key to be replaced is in it.`)
  const kept = () => JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
  const url = process.env.PUBLIC_URL ?? kept().PUBLIC_URL
  if (!url) throw new Error('Set PUBLIC_URL to where the deployment is reached.')
  const config = existsSync(join(ROOT, 'wrangler.deploy.toml')) ? 'wrangler.deploy.toml' : 'wrangler.toml'
  const put = (name: string, value: string) =>
    wrangler(['secret', 'put', name, '--config', config], {}, value)
  return {
    url,
    read: () => {
      const { KEK, KEK_PREVIOUS } = kept()
      if (!KEK) throw new Error(`There is no KEK in ${file}.`)
      return { current: KEK, previous: KEK_PREVIOUS }
    },
    write: ({ current, previous }) => replace(file, { ...kept(), KEK: current, KEK_PREVIOUS: previous }),
    give: async ({ current, previous }) => {
      // The old key first: between the two it is there twice, and never missing.
      if (previous !== undefined) await put('KEK_PREVIOUS', previous)
      await put('KEK', current)
      if (
        previous === undefined &&
        /"KEK_PREVIOUS"/.test(await wrangler(['secret', 'list', '--config', config]))
      )
        await wrangler(['secret', 'delete', 'KEK_PREVIOUS', '--config', config], {}, 'y\n')
    },
    settleMs: Number(process.env.SETTLE_SECONDS ?? 60) * 1000,
    tick: async () => {},
  }
}

/** The demo keeps its keys in a file of its own, and takes them up when it is told to (dev/start.ts). */
function demo(): Place {
  const dir = resolve(ROOT, process.env.STATE_DIR ?? '.dev')
  const file = join(dir, 'secrets.json')
  if (!existsSync(join(dir, 'handle.json')))
    throw new Error(`No demo runs on ${dir}. Start it first: its keys are changed while it runs.`)
  const { url } = JSON.parse(readFileSync(join(dir, 'handle.json'), 'utf8')) as { url: string }
  const kept = () => JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
  const save = ({ current, previous }: Keys) =>
    replace(file, { ...kept(), kek: current, kekPrevious: previous })
  return {
    url,
    read: () => {
      const { kek, kekPrevious } = kept()
      return { current: kek!, previous: kekPrevious }
    },
    write: save,
    give: async keys => {
      save(keys)
      process.kill(Number(readFileSync(join(dir, 'lock'), 'utf8')), 'SIGUSR2')
    },
    settleMs: 0,
    tick: () => fireCron(url).catch(() => {}),
  }
}

/** Whole or not at all: a half-written secrets file would lose a key. */
function replace(file: string, content: Record<string, unknown>): void {
  writeFileSync(`${file}.new`, JSON.stringify(content, null, 2), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
