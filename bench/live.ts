/**
 * `npm run bench:live`: conversations on sockets, everything on this machine.
 *
 *     fanout      one frame to 500 sockets of a conversation, against an object that only sends (live-fanout.ts)
 *     slow        a reader that stops reading is let go, and comes back (live-slow.ts)
 *     faults      500 clients, lines that are cut or swallow everything, a Worker that is killed, for ten minutes (live-faults.ts)
 *     eviction    the object is put away under its sockets (live-eviction.ts)
 *
 *     --short         for CI: a pair of the first, 60 clients for 45 seconds
 *     --only a,b      of the names above
 *     --pairs n       of the first (5)
 *     --messages n    of each round of it (20)
 *     --sockets n     500
 *     --minutes n     of faults (10)
 *     --seed n        repeats what a run decided by chance
 *
 * Medians of interleaved pairs, and the baseline against itself (A/A). Progress goes to the error channel, the table to the output. Ends
 * with 1 where a client holds anything else than it should or was told something twice; times of the first part are only reported.
 */
import { parseArgs } from 'node:util'
import { makeLab } from './api-lab.ts'
import { eviction } from './live-eviction.ts'
import { fanout } from './live-fanout.ts'
import { faultsOf } from './live-faults.ts'
import { slowReader } from './live-slow.ts'
import { type Figure, note, table } from './report.ts'
import { run } from './stack.ts'

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string', default: 'fanout,slow,faults,eviction' },
    pairs: { type: 'string' },
    messages: { type: 'string', default: '20' },
    sockets: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const { short } = values
const sockets = Number(values.sockets ?? (short ? 60 : 500))
const pairs = Number(values.pairs ?? (short ? 1 : 5))
const minutes = Number(values.minutes ?? (short ? 0.75 : 10))
const SHOWN = 50
const wanted = values.only.split(',')

await run(async () => {
  note(`seed ${values.seed}`)
  const lab = await makeLab()
  const times: Figure[] = []
  const facts: Figure[] = []
  const violations: string[] = []
  if (wanted.includes('fanout')) {
    note('— fanout —')
    times.push(...(await fanout(lab, sockets, pairs, Number(values.messages))))
  }
  if (wanted.includes('slow')) {
    note('— slow —')
    facts.push(...(await slowReader(lab)))
  }
  if (wanted.includes('faults')) {
    note('— faults —')
    const options = { sockets, forMs: minutes * 60_000, seed: Number(values.seed), short }
    const found = await faultsOf(lab, options)
    facts.push(...found.figures)
    violations.push(...found.violations)
  }
  if (wanted.includes('eviction')) {
    note('— eviction —')
    facts.push(...(await eviction(lab, sockets)))
  }
  console.log(table([...times, ...facts]))
  for (const violation of violations.slice(0, SHOWN)) console.log(`violation: ${violation}`)
  if (violations.length > SHOWN) console.log(`… and ${violations.length - SHOWN} more`)
  console.log(`seed ${values.seed}`)
  return facts.some(one => one.met === false) ? 1 : 0
})
