/** A running demo to chat with, as `npm start` gives it; with HANDLE one that runs already. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, ROOT } from '../../dev/processes.ts'

export interface RunningDesk {
  url: string
  webChatId: string
  mailInboxId: string
  /** Asks the API with the site's key. */
  api<T>(method: string, path: string, body?: object): Promise<T>
  stop(): Promise<void>
}

interface Handle {
  url: string
  apiKey: string
  webChatId: string
  mail: { inbox: { id: string } }
}

export async function startDesk(): Promise<RunningDesk> {
  const { HANDLE } = process.env
  if (HANDLE) return desk(JSON.parse(readFileSync(HANDLE, 'utf8')), async () => {})
  const dir = mkdtempSync(join(tmpdir(), 'edgedesk-browser-'))
  const child = spawn('npm', ['start'], {
    cwd: ROOT,
    env: { ...process.env, PORT: String(await freePort()), STATE_DIR: dir, NODE_EXTRA_CA_CERTS: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const gone = new Promise<void>(resolve => child.once('exit', () => resolve()))
  let printed = ''
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        printed += chunk
        if (printed.includes('Ctrl-C stops it')) resolve()
      })
    child.once('exit', () => reject(new Error(`npm start ended:\n${printed}`)))
  })
  return desk(JSON.parse(readFileSync(join(dir, 'handle.json'), 'utf8')), async () => {
    process.kill(-child.pid!, 'SIGTERM')
    await gone
    // What npm started takes a moment longer to put its files away.
    rmSync(dir, { recursive: true, force: true, maxRetries: 30, retryDelay: 100 })
  })
}

function desk({ url, apiKey, webChatId, mail }: Handle, stop: () => Promise<void>): RunningDesk {
  return {
    url,
    webChatId,
    mailInboxId: mail.inbox.id,
    stop,
    async api(method, path, body) {
      const answer = await fetch(`${url}/api/v1/${path}`, {
        method,
        headers: { authorization: `Api-Key ${apiKey}`, 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      })
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
      return answer.json()
    },
  }
}
