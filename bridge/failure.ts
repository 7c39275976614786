/**
 * What went wrong with a mail server, in our words. Servers, TLS and Node each have their own vocabulary; here it is
 * read once, and nothing of it leaves the bridge: a caller gets a code and a sentence. The order of the questions is
 * the point of this file, because servers say "NO" to everything.
 */
import { CERTIFICATE_SENTENCES, type CertificateFault } from '../src/domain/certificate.ts'
import { loginRefusal } from '../src/domain/login.ts'
import type { BridgeCode } from './wire.ts'

export class BridgeFailure extends Error {
  readonly code: BridgeCode
  constructor(code: BridgeCode, message: string = SENTENCES[code]) {
    super(message)
    this.code = code
  }
}

export const SENTENCES: Record<BridgeCode, string> = {
  credentials: 'The mail server refused the user name or the password.',
  app_password_required: 'The provider wants an app password here, not the ordinary one.',
  basic_auth_retired: 'The provider no longer takes passwords for this mailbox. Connect it by OAuth.',
  imap_disabled: 'IMAP is switched off for this mailbox. Switch it on in the settings of the provider.',
  unknown_host: 'There is no mail server by this name.',
  refused: 'The mail server does not take connections on this port.',
  unreachable: 'The mail server cannot be reached, or it closed the line.',
  tls_mismatch: 'This port does not speak TLS the way it was asked to.',
  certificate: 'The certificate of the mail server cannot be trusted.',
  not_mail_server: 'What answers on this port is not an IMAP server.',
  tls: 'A secure connection to the mail server could not be made.',
  timeout: 'The mail server did not answer in time.',
  busy: 'The mail server is busy or has too many connections open.',
  quota: 'The mail provider says a limit is used up.',
  folder_missing: 'The folder does not exist in this mailbox.',
  mail_missing: 'The mail is no longer on the mail server.',
  protocol: 'The mail server answered something we do not understand.',
  host_refused: 'This host, address or port is not allowed.',
  bad_request: 'The request has a field that is not allowed.',
  unauthorized: 'The bridge token is missing or wrong.',
  stopping: 'The bridge is stopping. Try again in a moment.',
}

export const STATUS: Record<BridgeCode, number> = {
  credentials: 422,
  app_password_required: 422,
  basic_auth_retired: 422,
  imap_disabled: 422,
  unknown_host: 502,
  refused: 502,
  unreachable: 502,
  tls_mismatch: 502,
  certificate: 502,
  not_mail_server: 502,
  tls: 502,
  timeout: 504,
  busy: 503,
  quota: 503,
  folder_missing: 422,
  mail_missing: 404,
  protocol: 502,
  host_refused: 422,
  bad_request: 400,
  unauthorized: 401,
  stopping: 503,
}

/** The fields that imapflow and Node put on their errors; each may be missing. */
interface LibraryError {
  code?: unknown
  message?: unknown
  response?: unknown
  responseText?: unknown
  responseStatus?: unknown
  serverResponseCode?: unknown
  reason?: unknown
  authenticationFailed?: unknown
  tlsFailed?: unknown
}

const LOST = new Set([
  'NoConnection',
  'EConnectionClosed',
  'StateLogout',
  'ClosedAfterConnectTLS',
  'ClosedAfterConnectText',
  'ECONNRESET',
  'EPIPE',
])
const UNREACHABLE = new Set([
  ...['EAI_AGAIN', 'EAI_FAIL', 'ESERVFAIL', 'ECONNABORTED'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL'],
])
const SILENT = new Set(['CONNECT_TIMEOUT', 'GREETING_TIMEOUT', 'UPGRADE_TIMEOUT', 'ETIMEOUT', 'ETIMEDOUT'])

export function failureOf(error: unknown): BridgeFailure {
  if (error instanceof BridgeFailure) return error
  const { code, message } = meaningOf((error ?? {}) as LibraryError)
  return new BridgeFailure(code, message)
}

/** The line is gone; nothing is known about what the server thinks of the request. */
export function isLost(error: unknown): boolean {
  return LOST.has(String((error as LibraryError | null)?.code))
}

/** The server answered NO: it understood, and will not. */
export function isRefusal(error: unknown): boolean {
  return (error as LibraryError | null)?.responseStatus === 'NO'
}

/** The login itself was refused, with or without a word. */
export function isLoginRefusal(error: unknown): boolean {
  return (error as LibraryError | null)?.authenticationFailed === true
}

/** All that the server said about it. */
export function saidIn(error: unknown): string {
  const { response, responseText, reason, serverResponseCode } = (error ?? {}) as LibraryError
  return [response, responseText, reason, serverResponseCode]
    .filter(text => typeof text === 'string')
    .join(' ')
}

function meaningOf(error: LibraryError): { code: BridgeCode; message?: string } {
  const said = saidIn(error)
  const code = String(error.code ?? '')

  // Exchange says OK to the password and this to the next command, while it looks for the mailbox (edge A15).
  if (/authenticated but not connected/i.test(said)) return { code: 'busy' }
  const refusal = loginRefusal(said)
  if (refusal !== null) return refusal
  // RFC 5530 names what many servers only say in prose.
  if (/\[?(AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED)\b/.test(said)) return { code: 'credentials' }
  // Dovecot has marked it ALERT, LIMIT and UNAVAILABLE in turn, so the prose comes first.
  if (/number of connections|too many|simultaneous connections/i.test(said)) return { code: 'busy' }
  if (/OVERQUOTA|\[LIMIT\b|over ?quota|quota exceeded|bandwidth|command limit|rate limit/i.test(said))
    return { code: 'quota' }
  if (code === 'ETHROTTLE' || /throttl/i.test(said)) return { code: 'busy' }
  if (/\bUNAVAILABLE\b|\bINUSE\b|try (again )?later|try again|temporar|server busy/i.test(said))
    return { code: 'busy' }

  if (SILENT.has(code)) return { code: 'timeout' }
  if (code === 'ECONNREFUSED') return { code: 'refused' }
  const fault = certificateFaultIn(code)
  if (fault !== null) return { code: 'certificate', message: CERTIFICATE_SENTENCES[fault] }
  // imapflow's own finding before it has begun any TLS.
  if (error.tlsFailed === true && code === '') return { code: 'tls_mismatch', message: NO_STARTTLS }
  if (error.tlsFailed === true || isTlsCode(code)) return { code: 'tls' }
  if (LOST.has(code) || UNREACHABLE.has(code)) return { code: 'unreachable' }
  if (error.authenticationFailed === true)
    return { code: error.responseStatus === 'BAD' ? 'protocol' : 'credentials' }
  return { code: 'protocol' }
}

const NO_STARTTLS = 'The mail server does not offer STARTTLS, and the login is never sent in the clear.'

/** OpenSSL's names for a chain that does not hold, as Node hands them on. */
function certificateFaultIn(code: string): CertificateFault | null {
  if (code === 'CERT_HAS_EXPIRED') return 'expired'
  if (code === 'CERT_NOT_YET_VALID') return 'not yet'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') return 'name'
  return /^(CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|INVALID_CA|PATH_LENGTH)/.test(code) ? 'issuer' : null
}

function isTlsCode(code: string): boolean {
  return /^(ERR_TLS|ERR_SSL|ERR_OSSL|STARTTLS_INJECTION)/.test(code) || code === 'EPROTO'
}
