/**
 * `npm run bench:api`: the figures of the API in the README's table, everything on this machine: 16 connections, assistant off, medians of
 * interleaved pairs, and each baseline against itself (A/A). Progress goes to the error channel, the tables to the output.
 *
 *     --short             one small round of each, for CI
 *     --only a,b          of saying, listing
 *
 * Ends with 1 where a message was lost or is there twice, or a list reads more rows than it should; times are only reported.
 */
import { parseArgs } from 'node:util'
import { makeLab } from './api-lab.ts'
import { listing } from './listing.ts'
import { type Figure, note, table } from './report.ts'
import { saying } from './saying.ts'
import { run } from './stack.ts'

const parts = { saying, listing }
const { values } = parseArgs({
  options: { short: { type: 'boolean', default: false }, only: { type: 'string' } },
})
const wanted = values.only?.split(',') ?? Object.keys(parts)

await run(async () => {
  const lab = await makeLab()
  const figures: Figure[] = []
  for (const [name, measure] of Object.entries(parts)) {
    if (!wanted.includes(name)) continue
    note(`— ${name} —`)
    figures.push(...(await measure(lab, values.short)))
  }
  console.log(table(figures))
  return figures.some(one => one.met === false && !isTime(one)) ? 1 : 0
})

/** Ratios of times move with what else the machine does; counts do not. */
function isTime({ bar }: Figure): boolean {
  return bar.includes('it is')
}
