/**
 * The object in front of the IMAP bridge's container. It starts the container when someone asks, hands requests through, and lets it
 * sleep when nobody has for a while. The Container API of the object itself is used, not the `Container` class, which owns the one
 * alarm. Where there is no container (development, tests) BRIDGE_URL is set and nobody asks here.
 */
import { DurableObject } from 'cloudflare:workers'
import { settings } from '../env.ts'

const PORT = 8080
/** Longer than the poll interval, so that polling does not pay a cold start each time. */
const SLEEP_AFTER_MS = 10 * 60_000
const START_MS = 20_000

export class ImapBridge extends DurableObject<Env> {
  override async fetch(request: Request): Promise<Response> {
    const container = this.ctx.container
    if (!container) return refused()
    if (!container.running)
      container.start({
        enableInternet: true, // IMAP goes to ports that are otherwise closed
        env: { PORT: String(PORT), HOST: '0.0.0.0', BRIDGE_TOKEN: settings(this.env).BRIDGE_TOKEN },
      })
    await container.setInactivityTimeout(SLEEP_AFTER_MS)
    const port = container.getTcpPort(PORT)
    if (!(await this.#answers(port))) return refused()
    return port.fetch(request)
  }

  /** A container needs a second or a few from start to listening; a body may be sent only once, so ask for health first. */
  async #answers(port: Fetcher): Promise<boolean> {
    for (const end = Date.now() + START_MS; Date.now() < end; ) {
      const health = await port.fetch('http://bridge/health').catch(() => null)
      await health?.body?.cancel()
      if (health?.ok) return true
      await new Promise(resolve => setTimeout(resolve, 250))
    }
    return false
  }
}

function refused(): Response {
  return Response.json(
    { error: { code: 'unreachable', message: 'The IMAP bridge is not running.' } },
    { status: 503 },
  )
}
