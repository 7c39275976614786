/** `npm run check`: what a compiler and a linter can say, with the runtime's types made first. `npm test` begins with it too. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT, wrangler } from './processes.ts'

const CHECKS = [
  ['tsc', '-p', '.'],
  ['tsc', '-p', 'web'], // a browser's types and the Worker's are not the same
  ['biome', 'check'],
] as const

await wrangler(['types'])
for (const [tool, ...args] of CHECKS) {
  console.log(`${tool} ${args.join(' ')}`)
  const { status } = spawnSync(join(ROOT, 'node_modules/.bin', tool), args, { cwd: ROOT, stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
