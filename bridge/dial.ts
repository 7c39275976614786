/**
 * Which addresses the bridge connects to. A host name comes from whoever fills in the form, and could lead to the inside
 * of the network the bridge stands in. So the name is resolved here, every address it has must be an outside one, and
 * the socket goes to exactly those addresses: resolving a second time could give another answer. The name itself goes
 * into TLS, as SNI and for the check of the certificate.
 */
import dns from 'node:dns'
import net from 'node:net'
import {
  canonicalHost,
  checkHost,
  checkUrl,
  isInsideAddress,
  isLoopbackAddress,
  MAIL_PORTS,
} from '../src/domain/host.ts'
import { BridgeFailure } from './failure.ts'

export interface Route {
  /** The name, for TLS. */
  host: string
  /** For net.connect and tls.connect: knows only the vetted addresses. */
  lookup: net.LookupFunction
}

const RESOLVE_MS = 10_000

export async function routeTo(host: string, port: number, allowLoopback: boolean): Promise<Route> {
  const refusal = checkHost(host, port, MAIL_PORTS.imap, allowLoopback)
  if (refusal !== null) throw new BridgeFailure('host_refused', refusal.message)
  const name = canonicalHost(host)
  if (name === null) throw new BridgeFailure('host_refused')

  const addresses = await resolve(name)
  const allowed = (address: string) =>
    !isInsideAddress(address) || (allowLoopback && isLoopbackAddress(address))
  // One inside address among outside ones is not a misfortune to work around.
  if (!addresses.every(entry => allowed(entry.address))) {
    throw new BridgeFailure('host_refused', 'The name of the mail server leads to an inside address.')
  }
  return { host: name, lookup: lookupAmong(addresses) }
}

/** The hint goes to our own Worker; still, an URL from a request is an URL from a request. */
export function isNotifyUrl(text: string, allowLoopback: boolean): boolean {
  return checkUrl(text, allowLoopback) === null
}

async function resolve(name: string): Promise<dns.LookupAddress[]> {
  const family = net.isIP(name)
  if (family !== 0) return [{ address: name, family }]
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new BridgeFailure('timeout')), RESOLVE_MS)
  try {
    return await Promise.race([dns.promises.lookup(name, { all: true }), late])
  } catch (error) {
    if (error instanceof BridgeFailure) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTFOUND' || code === 'ENODATA') throw new BridgeFailure('unknown_host')
    throw new BridgeFailure('unreachable', 'The name of the mail server could not be looked up just now.')
  } finally {
    clearTimeout(timer)
  }
}

/** Node asks for all addresses when it may try one family after the other, and for one otherwise. */
function lookupAmong(addresses: dns.LookupAddress[]): net.LookupFunction {
  return (_name, options, callback) => {
    const first = addresses[0]
    if (first === undefined) callback(new Error('no address'), '', 4)
    else if (options.all) callback(null, addresses)
    else callback(null, first.address, first.family)
  }
}
