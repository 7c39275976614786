/**
 * On which pages a web chat may stand: a list of origins (RFC 6454: scheme, host and port). `https://*.shop.example` is every host below
 * shop.example, and `*` is every page.
 */

const LISTED =
  /^(?:\*|(https?):\/\/(\*\.)?([a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::(\d{1,5}))?)$/

/** As it is kept; null where it is no origin. What browsers leave out of one is left out: a slash at the end, a usual port. */
export function listedOrigin(typed: string): string | null {
  const text = typed.trim().toLowerCase().replace(/\/$/, '')
  const [, scheme, , , port] = LISTED.exec(text) ?? []
  if (!LISTED.test(text)) return null
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return null
  const usual = scheme === 'https' ? ':443' : ':80'
  return port !== undefined && text.endsWith(usual) ? text.slice(0, -usual.length) : text
}

/**
 * @param origin as a browser sends it; `null` (a sandboxed frame, a file) is allowed by nothing but `*`
 * @param own the deployment's own, whose pages always may
 */
export function isAllowedOrigin(origin: string, allowed: readonly string[], own: string): boolean {
  return origin === own || allowed.some(one => matches(origin.toLowerCase(), one))
}

function matches(origin: string, listed: string): boolean {
  if (listed === '*' || listed === origin) return true
  const [before, after] = listed.split('*')
  if (before === undefined || after === undefined) return false
  // Below it, and not merely ending like it: the star stands for whole labels.
  return (
    origin.startsWith(before) &&
    origin.endsWith(after) &&
    /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/.test(origin.slice(before.length, origin.length - after.length))
  )
}

/** As `frame-ancestors` of a Content-Security-Policy names them (CSP3 §6.4.2). */
export function frameAncestors(allowed: readonly string[]): string {
  return ["'self'", ...allowed].join(' ')
}
