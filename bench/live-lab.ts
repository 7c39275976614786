/** What the parts of `npm run bench:live` stand on: a Worker that may be killed and started again, a chat, and its clients. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { freePort, ROOT, type Running, startWorker } from '../dev/processes.ts'
import type { Lab, Place } from './api-lab.ts'
import { type Client, client } from './http-load.ts'
import type { Address } from './live-socket.ts'
import { atEnd, frozen } from './stack.ts'

const PROTOCOL = 'edgedesk.v1'
const CONNECTIONS = 8

export interface Started extends Client {
  url: string
  port: number
  /** The group of its processes. */
  pid(): number
  /** kill -9 of all of it; and again on what it had stored. */
  kill(): Promise<void>
  again(): Promise<void>
  stop(): Promise<void>
}

export function startProduct(lab: Lab, { stateDir, apiKey }: Place): Promise<Started> {
  return started(stateDir, withOwnFiles(lab.config), apiKey)
}

/** Served from a copy: wrangler starts the Worker anew, and cuts all sockets, where one of these files is made again. */
function withOwnFiles(config: string): string {
  const files = join(dirname(config), 'assets')
  const text = readFileSync(config, 'utf8').replace(/^directory = (".*")$/m, (_, served: string) => {
    cpSync(JSON.parse(served) as string, files, { recursive: true })
    return `directory = ${JSON.stringify(files)}`
  })
  const copy = join(dirname(config), 'wrangler-own-files.toml')
  writeFileSync(copy, text)
  return copy
}

export async function startBare({ dir }: Lab): Promise<Started> {
  const config = await frozen(join(ROOT, 'bench/bare-live/wrangler.toml'), dir)
  return started(join(dir, 'bare'), config, null)
}

async function started(stateDir: string, config: string, apiKey: string | null): Promise<Started> {
  const port = await freePort()
  const vars = {
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    KEK: Buffer.from('a key of 32 bytes for the bench.').toString('base64'),
    BRIDGE_TOKEN: 'bench-bridge-token-0123456789',
    BRIDGE_URL: 'http://127.0.0.1:9',
    DEV: '1',
  }
  const options = { port, stateDir, log: `${stateDir}.log`, vars, config }
  let starting: Promise<Running> = startWorker(options)
  const ended = atEnd(async () => (await starting).kill())
  let worker = await starting
  const asking = client(worker.url, apiKey, CONNECTIONS)
  return {
    ...asking,
    url: worker.url,
    port,
    pid: () => worker.pid,
    kill: () => worker.kill(),
    async again() {
      starting = startWorker(options)
      worker = await starting
    },
    async stop() {
      asking.close()
      await worker.stop()
      ended.never()
    },
  }
}

/** Nobody answers in it. */
export async function makeChat(product: Client): Promise<string> {
  const path = '/api/v1/web-chats'
  return (await product.json<{ id: string }>({ method: 'POST', path, body: { name: 'Bench' } })).id
}

export async function makeConversation(product: Client, webChat: string): Promise<string> {
  const path = '/api/v1/conversations'
  return (await product.json<{ id: string }>({ method: 'POST', path, body: { webChat } })).id
}

/** @param key of the API, or a contact's token */
export function socketAddress(of: {
  port: number
  conversation: string
  key: string
  since?: number | null
  headers?: Record<string, string>
}): Address {
  const { port, conversation, key, since, headers = {} } = of
  const path = `/api/v1/conversations/${conversation}/ws${typeof since === 'number' ? `?since=${since}` : ''}`
  return { port, path, headers, protocols: [PROTOCOL, `key.${key}`] }
}
