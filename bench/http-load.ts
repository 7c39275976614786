/** Requests by a fixed number of connections that stay open, each as soon as the one before is answered, and how long each took. */
import { Agent, request } from 'node:http'
import { inParallel } from './parallel.ts'
import { quantile } from './report.ts'

export interface Asked {
  method: 'GET' | 'POST'
  path: string
  body?: unknown
}

export interface Load {
  /** Of each request from its first byte to the last of its answer, ms. */
  took: number[]
  perSecond: number
  p50: number
  p95: number
  p99: number
}

export type Client = ReturnType<typeof client>

/** @param apiKey null: asks as nobody */
export function client(url: string, apiKey: string | null, connections: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const usual = {
    ...(apiKey === null ? {} : { authorization: `Api-Key ${apiKey}` }),
    'content-type': 'application/json',
  }

  /** @throws where the answer is not 200 */
  function ask(asked: Asked): Promise<string> {
    const { method, path } = asked
    const body = asked.body === undefined ? null : Buffer.from(JSON.stringify(asked.body))
    const headers = body ? { ...usual, 'content-length': body.length } : usual
    return new Promise((resolve, reject) => {
      const sent = request(`${url}${path}`, { agent, method, headers }, answer => {
        const pieces: Buffer[] = []
        answer.on('data', (piece: Buffer) => pieces.push(piece))
        answer.once('error', reject)
        answer.once('end', () => {
          const text = Buffer.concat(pieces).toString()
          if (answer.statusCode === 200) resolve(text)
          else reject(new Error(`${method} ${path} answered ${answer.statusCode}: ${text}`))
        })
      })
      sent.once('error', reject)
      sent.end(body ?? undefined)
    })
  }

  return {
    ask,
    json: async <T>(asked: Asked) => JSON.parse(await ask(asked)) as T,
    async load(list: readonly Asked[]): Promise<Load> {
      const took: number[] = []
      const from = performance.now()
      await inParallel(connections, list, async asked => {
        const began = performance.now()
        await ask(asked)
        took.push(performance.now() - began)
      })
      const perSecond = (list.length / (performance.now() - from)) * 1000
      const [p50, p95, p99] = [0.5, 0.95, 0.99].map(share => quantile(took, share)) as [
        number,
        number,
        number,
      ]
      return { took, perSecond, p50, p95, p99 }
    },
    close: () => agent.destroy(),
  }
}
