/**
 * A TCP proxy whose lines go wrong one by one: they are cut, or become holes that swallow what goes one way, or both, without a word, as a
 * cable does that is pulled out somewhere in the middle. Whoever closes a line that is a hole is not heard on its other side either; there
 * it stays open for a minute more, as the server's end of a dead connection does.
 */
import net from 'node:net'

/** `up` is to the server. */
export type Hole = 'up' | 'down' | 'both'

export interface Line {
  /** Resets both sides. */
  cut(): void
  swallow(hole: Hole): void
}

export interface Lines {
  port: number
  /** The line of a client, by the port on its side. */
  of(localPort: number | undefined): Line | undefined
  stop(): Promise<void>
}

const DEAD_MS = 60_000

export async function startLines(target: number): Promise<Lines> {
  const lines = new Map<number, Line>()
  const sockets = new Set<net.Socket>()

  const server = net.createServer({ noDelay: true }, client => {
    const upstream = net.connect({ port: target, host: '127.0.0.1', noDelay: true })
    const { remotePort } = client
    const swallowed = { up: false, down: false }
    let dead: NodeJS.Timeout | undefined
    relay(client, upstream, 'up')
    relay(upstream, client, 'down')
    const line: Line = {
      cut() {
        for (const socket of [client, upstream]) socket.resetAndDestroy()
      },
      swallow(hole) {
        if (hole !== 'down') swallowed.up = true
        if (hole !== 'up') swallowed.down = true
      },
    }
    if (remotePort !== undefined) lines.set(remotePort, line)
    client.once('close', () => {
      if (remotePort !== undefined && lines.get(remotePort) === line) lines.delete(remotePort)
    })

    function relay(from: net.Socket, to: net.Socket, way: 'up' | 'down'): void {
      sockets.add(from)
      from.on('data', chunk => {
        if (!swallowed[way] && !to.write(chunk)) from.pause()
      })
      to.on('drain', () => from.resume())
      from.on('error', () => {})
      from.once('close', () => {
        sockets.delete(from)
        if (!swallowed[way]) to.destroy()
        else dead ??= setTimeout(() => to.destroy(), DEAD_MS)
        if (to.destroyed) clearTimeout(dead)
      })
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })

  return {
    port: (server.address() as net.AddressInfo).port,
    of: localPort => (localPort === undefined ? undefined : lines.get(localPort)),
    async stop() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
