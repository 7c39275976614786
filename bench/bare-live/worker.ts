/**
 * The least that a message to everybody in a room could cost: an object that takes sockets and sends what it was given to all of them.
 * It asks nobody who they are, keeps nothing, and makes no frame of its own. No product; only the yardstick for one.
 */
import { DurableObject } from 'cloudflare:workers'

/** Thirteen digits that stand where the product's frame says when the Worker took the message, ms. */
const AT = '0000000000000'
const TAKEN_AT = 'x-taken-at'

interface BareEnv {
  ROOM: DurableObjectNamespace<Room>
}

export class Room extends DurableObject<BareEnv> {
  override async fetch(request: Request): Promise<Response> {
    if (request.headers.get('upgrade') === 'websocket') {
      const { 0: theirs, 1: ours } = new WebSocketPair()
      this.ctx.acceptWebSocket(ours)
      return new Response(null, { status: 101, webSocket: theirs })
    }
    const { frame } = await request.json<{ frame: string }>()
    const text = frame.replace(AT, request.headers.get(TAKEN_AT)!)
    for (const socket of this.ctx.getWebSockets()) socket.send(text)
    return Response.json({ ok: true })
  }

  override webSocketMessage(from: WebSocket, frame: string): void {
    for (const socket of this.ctx.getWebSockets()) if (socket !== from) socket.send(frame)
  }
}

export default {
  async fetch(request, env): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/health') return Response.json({ ok: true })
    const room = env.ROOM.getByName(pathname)
    if (request.method === 'GET') return room.fetch(request)
    return room.fetch(request.url, {
      method: 'POST',
      headers: { [TAKEN_AT]: String(Date.now()) },
      body: request.body,
    })
  },
} satisfies ExportedHandler<BareEnv>
