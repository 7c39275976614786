/**
 * A receiver of webhooks, plain HTTP on loopback: each name is an address of its own (`/orders`), answers what it is told to, and
 * remembers what came. Tests in workerd, which have no servers, handle it by `POST /-/script` and `GET /-/seen`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ScriptedAnswer {
  /** 200 where it is not said. */
  status?: number
  headers?: Record<string, string>
  body?: string
  /** Before anything is answered. */
  delayMs?: number
  /** Closes the connection without a word. */
  hangsUp?: true
  /** The body begins and never ends. */
  endless?: true
}

export interface Script {
  name: string
  /** One for each call, in order. */
  answers?: ScriptedAnswer[]
  /** One for each call of the same `webhook-id`, as `data.statuses` of the body says; for others as below. */
  byData?: true
  /** When those are used up; 200 where it is not said. */
  always?: ScriptedAnswer
}

export interface Received {
  name: string
  /** ms; when it came and when it was answered. */
  at: number
  answeredAt: number | null
  method: string
  headers: Record<string, string>
  body: string
  /** 0 where it was hung up. */
  status: number | null
}

export interface Receiver {
  url: string
  script(script: Script): void
  /** Everything that came to this address, oldest first. */
  seen(name: string): Received[]
  /** How many were at work at once, at most. */
  most(name: string): number
  stop(): Promise<void>
}

/** @param decide for who runs in this process: what is answered where nothing is scripted, to the nth call (from 0) of one `webhook-id` */
export async function startReceiver(
  decide: (call: Received, nth: number) => ScriptedAnswer = () => ({}),
): Promise<Receiver> {
  const scripts = new Map<string, Script & { used: number }>()
  const received = new Map<string, Received[]>()
  const calls = new Map<string, number>()
  const working = new Map<string, { now: number; most: number }>()

  const script = (given: Script) => void scripts.set(given.name, { ...given, used: 0 })
  const seen = (name: string) => received.get(name) ?? []
  const most = (name: string) => working.get(name)?.most ?? 0

  function answerTo(name: string, request: Received): ScriptedAnswer {
    const call = `${name} ${request.headers['webhook-id']}`
    const nth = calls.get(call) ?? 0
    calls.set(call, nth + 1)
    const script = scripts.get(name)
    if (!script) return decide(request, nth)
    if (script.byData) {
      const statuses = (JSON.parse(request.body) as { data?: { statuses?: number[] } }).data?.statuses
      const status = statuses?.[nth]
      if (status !== undefined) return status === 0 ? { hangsUp: true } : { status }
    }
    return script.answers?.[script.used++] ?? script.always ?? {}
  }

  async function take(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://receiver')
    const name = path.pathname.slice(1)
    if (name === '-/script') {
      script(JSON.parse(body) as Script)
      return void response.end('{}')
    }
    if (name === '-/seen') {
      const wanted = path.searchParams.get('name') ?? ''
      return void response.end(JSON.stringify({ seen: seen(wanted), most: most(wanted) }))
    }
    const one: Received = {
      ...{ name, at: Date.now(), answeredAt: null, method: request.method ?? '', body, status: null },
      headers: Object.fromEntries(
        Object.entries(request.headers).map(([key, value]) => [key, String(value)]),
      ),
    }
    if (!received.has(name)) received.set(name, [])
    received.get(name)!.push(one)
    const count = working.get(name) ?? { now: 0, most: 0 }
    working.set(name, count)
    count.now += 1
    count.most = Math.max(count.most, count.now)
    const answer = answerTo(name, one)
    try {
      if (answer.delayMs) await sleep(answer.delayMs)
      one.status = answer.hangsUp ? 0 : (answer.status ?? 200)
      if (answer.hangsUp) return void request.socket.destroy()
      response.writeHead(one.status, { 'content-type': 'text/plain', ...answer.headers })
      if (answer.endless) return void response.write('and so on '.repeat(10))
      response.end(answer.body ?? 'thank you')
    } finally {
      one.answeredAt = Date.now()
      count.now -= 1
    }
  }

  const http = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('error', () => {})
    request.on('end', () => void take(request, response, Buffer.concat(chunks).toString()))
  })
  await new Promise<void>(done => http.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    script,
    seen,
    most,
    stop: () =>
      new Promise(done => {
        http.close(() => done())
        http.closeAllConnections()
      }),
  }
}
