export class BridgeFailure extends Error {
  code
  constructor(code, message = SENTENCES[code]) {
    super(message)
    this.code = code
  }
}
export const SENTENCES = {
  credentials: 'The mail server refused the user name or the password.',
  unreachable: 'The mail server cannot be reached, or it closed the line.',
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
export const STATUS = {
  credentials: 422,
  unreachable: 502,
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
  ...['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'ENODATA', 'ESERVFAIL', 'ECONNREFUSED', 'ECONNABORTED'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL'],
])
const SILENT = new Set(['CONNECT_TIMEOUT', 'GREETING_TIMEOUT', 'UPGRADE_TIMEOUT', 'ETIMEOUT', 'ETIMEDOUT'])
export function failureOf(error) {
  return error instanceof BridgeFailure ? error : new BridgeFailure(codeOf(error ?? {}))
}
/** The line is gone; nothing is known about what the server thinks of the request. */
export function isLost(error) {
  return LOST.has(String(error?.code))
}
/** The server answered NO: it understood, and will not. */
export function isRefusal(error) {
  return error?.responseStatus === 'NO'
}
function codeOf(error) {
  const said = [error.response, error.responseText, error.reason, error.serverResponseCode]
    .filter(text => typeof text === 'string')
    .join(' ')
  const code = String(error.code ?? '')
  // Exchange says OK to the password and this to the next command, while it looks for the mailbox (edge A15).
  if (/authenticated but not connected/i.test(said)) return 'busy'
  // RFC 5530 names what many servers only say in prose.
  if (/\[?(AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED)\b/.test(said)) return 'credentials'
  // Dovecot has marked it ALERT, LIMIT and UNAVAILABLE in turn, so the prose comes first.
  if (/number of connections|too many|simultaneous connections/i.test(said)) return 'busy'
  if (/OVERQUOTA|\[LIMIT\b|over ?quota|quota exceeded|bandwidth|command limit|rate limit/i.test(said))
    return 'quota'
  if (code === 'ETHROTTLE' || /throttl/i.test(said)) return 'busy'
  if (/\bUNAVAILABLE\b|\bINUSE\b|try (again )?later|try again|temporar|server busy/i.test(said)) return 'busy'
  if (SILENT.has(code)) return 'timeout'
  if (error.tlsFailed === true || isTlsCode(code)) return 'tls'
  if (LOST.has(code) || UNREACHABLE.has(code)) return 'unreachable'
  if (error.authenticationFailed === true) return error.responseStatus === 'BAD' ? 'protocol' : 'credentials'
  return 'protocol'
}
function isTlsCode(code) {
  return (
    /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|STARTTLS_INJECTION)/.test(code) ||
    code === 'EPROTO' ||
    code === 'HOSTNAME_MISMATCH'
  )
}
