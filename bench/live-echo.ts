/** A thread that is a WebSocket server and has one frame ready: what one socket sends, whatever it is, sends that to all the others. */
import { createHash } from 'node:crypto'
import net from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const { frame } = workerData as { frame: string }
const ready = unmasked(Buffer.from(frame))
const sockets = new Set<net.Socket>()

const server = net.createServer({ noDelay: true }, socket => {
  socket.once('data', chunk => {
    const key = /^sec-websocket-key: (\S+)/im.exec(chunk.toString('latin1'))![1]!
    const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    sockets.add(socket)
    socket.on('data', () => {
      for (const one of sockets) if (one !== socket) one.write(ready)
    })
  })
  socket.on('error', () => {})
  socket.on('close', () => sockets.delete(socket))
})
server.listen(0, '127.0.0.1', () => parentPort!.postMessage((server.address() as net.AddressInfo).port))

/** RFC 6455 §5.2, as a server sends it. */
function unmasked(payload: Buffer): Buffer {
  const head = payload.length > 125 ? Buffer.alloc(4) : Buffer.alloc(2)
  head[0] = 0x81
  head[1] = payload.length > 125 ? 126 : payload.length
  if (payload.length > 125) head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}
