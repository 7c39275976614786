/**
 * `npm test`: gets ready what the tests need and a bare machine may lack (Dovecot, Postfix and OpenSSL from Debian), starts the mail
 * servers and the bridge, and runs types, lint and vitest with the test CA in the environment, where workerd reads it once at its start. Arguments
 * go to vitest, whose summary says how many passed.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ROOT, startBridge } from '../dev/processes.ts'
import { startControl } from './servers/control.ts'
import { installFromDebian } from './servers/install.ts'
import { startMailServers } from './servers/mail-servers.ts'
import { startOpenAiServer } from './servers/openai-server.ts'
import { startReceiver } from './servers/webhook-receiver.ts'

installFromDebian()
const built = spawnSync(join(ROOT, 'node_modules/.bin/node'), [join(ROOT, 'bridge/build.ts')], {
  stdio: 'inherit',
})
if (built.status !== 0) process.exit(1)

// A whole run begins with what a compiler and a linter can say.
if (process.argv.length === 2) await import('../dev/check.ts')

const dir = mkdtempSync(join(tmpdir(), 'edgedesk-test-'))
const servers = await startMailServers()
process.env.NODE_EXTRA_CA_CERTS = servers.ca
const control = await startControl(servers)
const model = await startOpenAiServer()
const receiver = await startReceiver()
const token = 'test-bridge-token-0123456789'
const bridge = await startBridge({ token, log: join(dir, 'bridge.log') })

const corpora = process.env.CORPORA ? resolve(process.env.CORPORA) : undefined
const vitest = spawn(join(ROOT, 'node_modules/.bin/vitest'), ['run', ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
  env: {
    ...process.env,
    ...(corpora ? { CORPORA: corpora } : {}),
    TEST_BRIDGE_URL: bridge.url,
    TEST_BRIDGE_TOKEN: token,
    TEST_MODEL: model.url,
    TEST_HOOKS: receiver.url,
    TEST_MAIL: JSON.stringify({
      control: control.url,
      host: servers.host,
      password: servers.password,
      imap: servers.imap,
      smtp: servers.smtp,
      ca: servers.ca,
    }),
  },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => vitest.kill(signal))
const code = await new Promise<number>(done => vitest.once('exit', status => done(status ?? 1)))
await Promise.all([bridge.stop(), control.stop(), model.stop(), receiver.stop()])
await servers.stop()
rmSync(dir, { recursive: true, force: true })
process.exit(code)
