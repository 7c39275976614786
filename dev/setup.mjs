/**
 * Makes a fresh machine ready: installs what package-lock.json names, if node_modules is not already that. Plain JavaScript, because it
 * runs on whatever Node the machine has (18 or newer); everything after it runs on the Node that package.json pins.
 *
 *     node dev/setup.mjs SCRIPT [ARGS…]    sets up, then runs SCRIPT on the pinned Node
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const node = join(root, 'node_modules/.bin/node')
const mark = join(root, 'node_modules/.edgedesk-lock')
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')

if (!existsSync(node) || !existsSync(mark) || readFileSync(mark, 'utf8') !== lock) {
  console.log('Installing what package-lock.json names (npm ci) …')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (npm.status !== 0) process.exit(npm.status ?? 1)
  writeFileSync(mark, lock)
}

// What the Worker serves as files. Of the page that shows the API only the library is a file; it is taken from where npm put it.
const assets = join(root, 'dist/assets/docs')
if (!existsSync(join(assets, 'swagger-ui-bundle.js'))) {
  mkdirSync(assets, { recursive: true })
  for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css', 'LICENSE'])
    copyFileSync(join(root, 'node_modules/swagger-ui-dist', name), join(assets, name))
}
const { buildWidget } = await import('./widget.mjs')
await buildWidget()

const [script, ...args] = process.argv.slice(2)
if (script) {
  const env = {
    ...process.env,
    PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}`,
    WRANGLER_SEND_METRICS: 'false',
  }
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', join(root, script), ...args], {
    cwd: root,
    stdio: 'inherit',
    env,
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)))
}
