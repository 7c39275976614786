/** A TCP line to the desk that breaks as networks do: cut, shut, or alive in one direction only. */
import net from 'node:net'

export interface BreakableLine {
  /** http://127.0.0.1:… */
  url: string
  /** Resets what is open, and what comes until it is mended. */
  cut(): void
  /** What the desk says is lost on the way; what is said to it arrives. New lines are good once they are `mended`. */
  deafen(): void
  mend(): void
  stop(): Promise<void>
}

export async function lineTo(target: string): Promise<BreakableLine> {
  const { hostname, port } = new URL(target)
  const open = new Set<net.Socket>()
  let isCut = false
  let isDeaf = false
  const server = net.createServer(client => {
    if (isCut) return void client.resetAndDestroy()
    const desk = net.connect(Number(port), hostname)
    // What was deafened stays so: a mended network does not bring back a line that lost bytes.
    let isLost = false
    for (const [from, to] of [
      [client, desk],
      [desk, client],
    ] as const) {
      open.add(from)
      from.on('data', bytes => {
        isLost ||= isDeaf
        if (from === client || !isLost) to.write(bytes)
      })
      from.on('error', () => to.destroy())
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const reset = () => {
    for (const socket of open) socket.resetAndDestroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    cut() {
      isCut = true
      reset()
    },
    deafen() {
      isDeaf = true
    },
    mend() {
      isCut = false
      isDeaf = false
    },
    async stop() {
      const closed = new Promise(resolve => server.close(resolve))
      reset()
      await closed
    },
  }
}
