/**
 * A second look at a server that an SMTP connection could not be made with. workerd says the same words for a certificate
 * that does not hold, for plain text where TLS was wanted and for a server that hangs up, so the door is knocked at once
 * more: src/domain/probe.ts says what to send and weighs what comes; here are the socket and the clock. Where TLS itself
 * is there, its handshake is begun by hand as far as the certificate, which is then looked at. Nothing of the account is
 * sent.
 */
import { X509Certificate } from 'node:crypto'
import dns from 'node:dns'
import net from 'node:net'
import tls from 'node:tls'
import { CERTIFICATE_SENTENCES, certificateFault } from '../domain/certificate.ts'
import { causeOf, type Errand, type Found, Probe, QUIET_MS, type Step } from '../domain/probe.ts'
import { type Problem, problem } from '../domain/problem.ts'

export interface Place {
  host: string
  port: number
  security: 'tls' | 'starttls' | 'plain'
}

const PROBE_MS = 3_000

export const HANGS_UP = 'The mail server takes the call and hangs up at once.'

/**
 * @param way `door`: TLS did not come about. `starttls`: it failed after STARTTLS. `inside`: it stands, or none is wanted,
 *   and no greeting comes.
 * @returns null where nothing was found that would explain it.
 */
export async function smtpCause(place: Place, way: Errand['way']): Promise<Problem | null> {
  const { host, port, security } = place
  const random = crypto.getRandomValues(new Uint8Array(32))
  const name = net.isIP(host) === 0 ? { servername: host } : {}
  const behindTls = way === 'inside' && security === 'tls'
  const socket = behindTls ? tls.connect({ host, port, ...name }) : net.connect({ host, port })
  const probe = new Probe({
    protocol: 'smtp',
    host,
    way: behindTls || way !== 'inside' ? way : 'door',
    random,
  })
  const found = await follow(socket, behindTls ? 'secureConnect' : 'connect', probe)
  if (found instanceof Error) return await whyUnreached(found, host)
  if (found === null) return null
  const tlsIsRight = security === 'tls' || way === 'starttls'
  if (found.kind === 'tls' && tlsIsRight) return behindTls ? null : ofCertificate(found.certificate, host)
  if (found.kind === 'hung up') {
    return problem('unreachable', HANGS_UP)
  }
  const cause = causeOf(found, { protocol: 'smtp', security })
  return cause === null ? null : problem(cause.code, cause.message)
}

/** A door that does not open, in the words of whoever opened it. Null where they say nothing of use. */
export function unreached(error: Error & { code?: unknown }): Problem | null {
  const said = `${String(error.code ?? '')} ${error.message}`
  if (/ENOTFOUND|EAI_|getaddrinfo|DNS/i.test(said)) return problem('unknown_host')
  if (/ECONNREFUSED|connection refused/i.test(said)) return problem('refused')
  return null
}

/** The same, and where they say nothing of use (as the edge may), DNS is asked whether there is such a name. */
export async function whyUnreached(error: Error, host: string): Promise<Problem> {
  const why = unreached(error)
  if (why !== null) return why
  return problem(
    net.isIP(host) === 0 && (await isNameless(host, dns.promises)) ? 'unknown_host' : 'unreachable',
  )
}

const DNS_MS = 1_500
/** Exists as long as there is mail on the internet; where even it is not found, it is the resolver that is away. */
const SURELY_THERE = 'gmail.com'

interface Resolver {
  resolve4(name: string): Promise<unknown>
  resolve6(name: string): Promise<unknown>
}

/** Only where the resolver works and knows no address of either kind; a slow one says nothing. */
export async function isNameless(host: string, resolver: Resolver): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<null>()
  const timer = setTimeout(() => resolve(null), DNS_MS)
  const asked = Promise.allSettled([
    resolver.resolve4(host),
    resolver.resolve6(host),
    resolver.resolve4(SURELY_THERE),
  ])
  const answers = await Promise.race([asked, late])
  clearTimeout(timer)
  if (answers === null) return false
  const missing = (answer: PromiseSettledResult<unknown>) =>
    answer.status === 'rejected' &&
    /ENOTFOUND|ENODATA/.test(String((answer.reason as { code?: unknown })?.code))
  const [v4, v6, known] = answers
  return missing(v4) && missing(v6) && known.status === 'fulfilled'
}

/** TLS came about on this line or would have; so it was the certificate, and the certificate says in which way. */
function ofCertificate(der: Uint8Array | null, host: string): Problem | null {
  if (der === null) return null
  try {
    const certificate = new X509Certificate(der)
    const named = net.isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)
    const fault = certificateFault(
      {
        from: Date.parse(certificate.validFrom),
        to: Date.parse(certificate.validTo),
        namesHost: named !== undefined,
      },
      Date.now(),
    )
    return problem('certificate', CERTIFICATE_SENTENCES[fault])
  } catch {
    return problem('certificate')
  }
}

/** What was found; the error where the door did not open; null where what is behind it took too long. */
function follow(
  socket: net.Socket,
  opened: 'connect' | 'secureConnect',
  probe: Probe,
): Promise<Found | Error | null> {
  const { promise, resolve } = Promise.withResolvers<Found | Error | null>()
  let quiet: ReturnType<typeof setTimeout> | undefined
  let open = false
  let over = false
  const end = (found: Found | Error | null) => {
    over = true
    clearTimeout(quiet)
    clearTimeout(late)
    socket.destroy()
    resolve(found)
  }
  const late = setTimeout(() => end(open ? null : new Error('no answer')), PROBE_MS)
  const take = (step: Step) => {
    if (over) return
    clearTimeout(quiet)
    if (step !== 'wait' && 'found' in step) return end(step.found)
    if (step !== 'wait') socket.write(step.send)
    quiet = setTimeout(() => take(probe.quiet()), QUIET_MS)
  }
  socket.once(opened, () => {
    open = true
    take('wait')
  })
  socket.on('data', piece => take(probe.heard(piece)))
  // Stays for the socket's whole life: an 'error' without a listener would end the isolate.
  socket.on('error', error => end(open ? probe.ended() : error))
  socket.once('close', () => end(open ? probe.ended() : new Error('closed')))
  return promise
}
