/**
 * `npm run bench:mail`: the figures of the README's table, on Dovecot and Postfix, everything on this machine. Ratios are medians of
 * interleaved pairs. Progress goes to the error channel, the table to the output.
 *
 *     --short             one small round of each, for CI
 *     --only a,b          of latency, throughput, footprint
 */
import { parseArgs } from 'node:util'
import { footprint } from './footprint.ts'
import { latency } from './latency.ts'
import { type Figure, note, table } from './report.ts'
import { run, startServers } from './stack.ts'
import { throughput } from './throughput.ts'

const parts = { latency, throughput, footprint }
const { values } = parseArgs({
  options: { short: { type: 'boolean', default: false }, only: { type: 'string' } },
})
const wanted = values.only?.split(',') ?? Object.keys(parts)

await run(async () => {
  const servers = await startServers()
  const figures: Figure[] = []
  for (const [name, measure] of Object.entries(parts)) {
    if (!wanted.includes(name)) continue
    note(`— ${name} —`)
    figures.push(...(await measure(servers, values.short)))
  }
  console.log(table(figures))
  return 0
})
