/** A WebSocket in tests, opened as a program or a browser does. */
import { exports } from 'cloudflare:workers'
import type { Json } from './call.ts'

export type Frame = Json & { type: string }

/** A client that keeps what it hears. */
export async function open(path: string, headers: Record<string, string>, base = 'http://edgedesk.test') {
  const answer = await exports.default.fetch(`${base}/api/v1${path}`, {
    headers: { ...headers, upgrade: 'websocket' },
    redirect: 'manual',
  })
  const frames: Frame[] = []
  let closed: { code: number; reason: string } | null = null
  const socket = answer.webSocket
  socket?.addEventListener('message', ({ data }) => {
    frames.push(data === 'pong' ? { type: 'pong' } : (JSON.parse(data as string) as Frame))
  })
  socket?.addEventListener('close', ({ code, reason }) => {
    closed = { code, reason }
  })
  socket?.accept()
  return {
    status: answer.status,
    headers: answer.headers,
    frames,
    closed: () => closed,
    of: (type: string) => frames.filter(one => one.type === type),
    send: (frame: unknown) => socket!.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    close: () => socket!.close(1000, 'bye'),
  }
}
