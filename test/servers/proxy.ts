/**
 * A TCP proxy between a client and a test server that counts bytes both ways and misbehaves when asked: cuts lines,
 * or goes silent as a half-open connection does.
 */
import net from 'node:net'

export interface TcpProxy {
  port: number
  /** As the client sees it: `up` to the server, `down` from it. TLS records included, TCP and IP headers not. */
  bytes(): { up: number; down: number }
  resetCount(): void
  /** Resets every open connection; new ones are accepted. */
  cutAll(): void
  /** Resets the connection once this many more bytes have come down; null takes it back. */
  cutAfter(down: number | null): void
  /** Holds all bytes back, both ways, and the greeting of new connections too; false lets them go on. */
  stall(on: boolean): void
  /** False: new connections are closed at once. */
  accept(on: boolean): void
  /** Open now. */
  connections(): number
  /** Ever opened since the start or resetCount(). */
  opened(): number
  stop(): Promise<void>
}

export async function startProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const pairs = new Set<[net.Socket, net.Socket]>()
  let up = 0
  let down = 0
  let opened = 0
  let stalled = false
  let accepting = true
  let left: number | null = null

  function cutAll(): void {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy()
    pairs.clear()
  }

  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, client => {
    if (!accepting) {
      client.resetAndDestroy()
      return
    }
    opened += 1
    const upstream = net.connect({ ...target, noDelay: true, allowHalfOpen: true })
    const pair: [net.Socket, net.Socket] = [client, upstream]
    pairs.add(pair)
    if (stalled) for (const socket of pair) socket.pause()
    relay(client, upstream, chunk => {
      up += chunk.length
      return chunk
    })
    relay(upstream, client, chunk => {
      let passed = chunk
      if (left !== null) {
        passed = chunk.subarray(0, left)
        left -= passed.length
      }
      down += passed.length
      return passed
    })
    function relay(from: net.Socket, to: net.Socket, count: (chunk: Buffer) => Buffer): void {
      from.on('data', chunk => {
        const passed = count(chunk)
        const flows = to.write(passed, () => {
          if (left === 0) {
            left = null
            cutAll()
          }
        })
        if (!flows) from.pause()
      })
      to.on('drain', () => {
        if (!stalled) from.resume()
      })
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })

  return {
    port: (server.address() as net.AddressInfo).port,
    bytes: () => ({ up, down }),
    resetCount() {
      up = 0
      down = 0
      opened = 0
    },
    cutAll,
    cutAfter(bytes) {
      left = bytes
    },
    stall(on) {
      stalled = on
      for (const pair of pairs) for (const socket of pair) on ? socket.pause() : socket.resume()
    },
    accept(on) {
      accepting = on
    },
    connections: () => pairs.size,
    opened: () => opened,
    async stop() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      cutAll()
      await closed
    },
  }
}
