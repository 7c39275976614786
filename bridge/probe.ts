/**
 * A second look at a server that does not answer as an IMAP server should: knocks once more and sees what is there. What
 * it says is weighed in src/domain/probe.ts; here are the socket and the clock. It goes to the addresses that were
 * vetted for the first connection, and sends nothing of the account.
 */
import { randomBytes } from 'node:crypto'
import net from 'node:net'
import tls from 'node:tls'
import { causeOf, type Errand, type Found, Probe, QUIET_MS, type Step } from '../src/domain/probe.ts'
import type { Route } from './dial.ts'
import { BridgeFailure } from './failure.ts'
import type { ImapAccount } from './wire.ts'

const PROBE_MS = 3_000

/** Null where nothing was found that would explain it. */
export async function causeBehind(
  route: Route,
  account: ImapAccount,
  way: 'door' | 'inside',
): Promise<BridgeFailure | null> {
  const errand: Errand = { protocol: 'imap', host: route.host, way, random: randomBytes(32) }
  const to = { host: route.host, port: account.port, lookup: route.lookup }
  const name = net.isIP(route.host) === 0 ? { servername: route.host } : {}
  const socket = way === 'inside' ? tls.connect({ ...to, ...name }) : net.connect(to)
  const found = await follow(socket, new Probe(errand))
  const cause = found === null ? null : causeOf(found, { protocol: 'imap', security: account.security })
  return cause === null ? null : new BridgeFailure(cause.code, cause.message)
}

function follow(socket: net.Socket, probe: Probe): Promise<Found | null> {
  const { promise, resolve } = Promise.withResolvers<Found | null>()
  let quiet: NodeJS.Timeout | undefined
  let open = false
  const end = (found: Found | null) => {
    clearTimeout(quiet)
    clearTimeout(late)
    socket.destroy()
    resolve(found)
  }
  const late = setTimeout(() => end(null), PROBE_MS)
  const take = (step: Step) => {
    clearTimeout(quiet)
    if (step !== 'wait' && 'found' in step) return end(step.found)
    if (step !== 'wait') socket.write(step.send)
    quiet = setTimeout(() => take(probe.quiet()), QUIET_MS)
  }
  socket.once(socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect', () => {
    open = true
    take('wait')
  })
  socket.on('data', piece => take(probe.heard(piece)))
  socket.once('error', () => end(open ? probe.ended() : null))
  socket.once('close', () => end(open ? probe.ended() : null))
  return promise
}
