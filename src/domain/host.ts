import { type Problem, problem } from './problem.ts'

/**
 * Which hosts a mailbox, a webhook or a desk may name. A host comes from whoever fills in the form, so it could name
 * something inside: a metadata service, a router, a database. Names, ports and literals are decided here; what a name
 * resolves to is decided by whoever opens the socket, with `isInsideAddress`. What cannot be read counts as inside.
 */

/** 25 is left out on purpose: it is for servers among themselves, and Workers cannot open it. */
export const MAIL_PORTS = { imap: [143, 993], smtp: [465, 587, 2525] } as const

/** 465 and 993 speak TLS from the first byte (RFC 8314 §3); any other port must offer STARTTLS. Never opportunistic. */
export function securityOf(port: number, tls: boolean): 'tls' | 'starttls' | 'plain' {
  if (!tls) return 'plain'
  return port === 465 || port === 993 ? 'tls' : 'starttls'
}

/** null where the host may be connected to; else what is wrong, in a sentence for the person who typed it. */
export function checkHost(
  host: string,
  port: number,
  ports: readonly number[],
  allowLoopback: boolean,
): Problem | null {
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    return refused(`${port} is not a port number.`, 'port')
  const name = canonicalHost(host)
  if (allowLoopback && name !== null && (name === 'localhost' || isLoopbackAddress(name))) return null
  const complaint = name === null ? unreadable(host) : wrongWith(name)
  if (complaint !== null) return refused(complaint, 'host')
  if (!ports.includes(port)) {
    return refused(`Port ${port} is not allowed here. Use one of ${ports.join(', ')}.`, 'port')
  }
  return null
}

/** 8443 is where a webhook of a team of their own often stands. */
const URL_PORTS = [443, 8443]

/**
 * Whether a webhook or a model may be at this URL: https to a host that `checkHost` would allow, without user or password. With
 * `allowLoopback` also http and any port, on loopback alone. null where it may; else the reason, in a sentence.
 *
 * What parsers read differently (blanks, line ends, backslashes) is refused before it is parsed.
 */
export function checkUrl(url: string, allowLoopback: boolean): Problem | null {
  const typed = url.trim()
  if (typed === '' || /[\u0000-\u0020\u007f\\]/.test(typed) || !URL.canParse(typed)) {
    return refused('This is not a web address. Give one such as https://hooks.example.com/mail.', 'url')
  }
  const { protocol, hostname, username, password, port: given } = new URL(typed)
  if (username !== '' || password !== '' || /^[a-z]+:\/\/[^/?#]*@/i.test(typed)) {
    return refused('The web address must not have a user name or a password in it.', 'url')
  }
  const isHttp = protocol === 'http:'
  const name = canonicalHost(hostname)
  const isLoopback = name === 'localhost' || (name !== null && isLoopbackAddress(name))
  if (protocol !== 'https:' && !(isHttp && allowLoopback && isLoopback)) {
    return refused('The web address must begin with https://.', 'url')
  }
  const port = given === '' ? (isHttp ? 80 : 443) : Number(given)
  const why = checkHost(hostname, port, URL_PORTS, allowLoopback)
  return why === null ? null : refused(why.message, 'url')
}

/**
 * The host as it goes on the wire: ASCII (IDN as punycode), lower case, no trailing dot; an address literal without
 * brackets. null where it is not one host. Notations that URL parsers turn into an address (octal, hex, one big number,
 * full-width digits) come back as that address, so that they are judged as what they are.
 */
export function canonicalHost(host: string): string | null {
  const typed = host.trim()
  const bare = typed.startsWith('[') && typed.endsWith(']') ? typed.slice(1, -1) : typed
  if (bare.includes(':')) return parseV6(bare) === null ? null : bare.toLowerCase()
  // Everything RFC 3986 gives a meaning, or that a shell, a log or an SMTP line would.
  if (bare === '' || bare.length > 255 || /[\u0000-\u0020\u007f!"#$%&'()*+,/;<=>?@[\\\]^_`{|}~]/.test(bare))
    return null
  let name: string
  try {
    name = new URL(`http://${bare}`).hostname
  } catch {
    return null
  }
  name = name.endsWith('.') ? name.slice(0, -1) : name
  if (name.length > 253) return null
  const labels = name.split('.')
  return labels.every(label => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label)) ? name : null
}

/** An address that no customer's mail server can have: private, local, reserved, or another address in disguise. */
export function isInsideAddress(ip: string): boolean {
  const v4 = parseV4(ip)
  if (v4 !== null) return V4_INSIDE.some(([base, bits]) => v4 >>> (32 - bits) === base >>> (32 - bits))
  const v6 = parseV6(ip)
  if (v6 === null) return true
  return V6_INSIDE.some(([base, bits]) => v6 >> BigInt(128 - bits) === base >> BigInt(128 - bits))
}

/** 127.0.0.0/8 and ::1 in their own notations only; an address in disguise is not offered the development flag. */
export function isLoopbackAddress(ip: string): boolean {
  const v4 = parseV4(ip)
  return v4 === null ? parseV6(ip) === 1n : v4 >>> 24 === 127
}

function wrongWith(name: string): string | null {
  if (parseV4(name) !== null || name.includes(':')) {
    return `${name} is an address. Give the name of the server, as in imap.example.com.`
  }
  if (name === 'localhost' || name.endsWith('.localhost'))
    return `${name} is this machine, not a server of yours.`
  if (!name.includes('.')) return `${name} is not a full name. Give the whole name, as in imap.example.com.`
  if (METADATA.has(name)) return `${name} is the metadata service of a cloud, not a server of yours.`
  const inside = INSIDE_ZONES.find(zone => name.endsWith(`.${zone}`))
  if (inside !== undefined) return `Names under .${inside} are not reachable from outside.`
  if (ADDRESS_NAMES.some(zone => name === zone || name.endsWith(`.${zone}`))) {
    return `${name} stands for an address. Give the name of the server itself.`
  }
  return null
}

function unreadable(host: string): string {
  const typed = host.trim()
  if (typed === '') return 'The host is empty.'
  if (typed.includes('@')) return 'The host must not have a user name in it.'
  if (/[/:?#]/.test(typed)) return 'Give only the name of the server, without https://, port or path.'
  return 'This is not the name of a server.'
}

function refused(message: string, field: string): Problem {
  return problem('host_refused', message, field)
}

/** Four decimal numbers and nothing else: `010.0.0.1` is octal to some readers and decimal to others. */
function parseV4(ip: string): number | null {
  const found = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(ip)
  if (found === null) return null
  let value = 0
  for (const part of found.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return null
    value = value * 256 + Number(part)
  }
  return value
}

/** RFC 4291 §2.2, the last 32 bits also as a dotted quad; a zone (`%eth0`) is never a server on the internet. */
function parseV6(ip: string): bigint | null {
  if (ip.length > 45 || !/^[0-9a-f:.]+$/i.test(ip)) return null
  let text = ip
  const lastColon = text.lastIndexOf(':')
  if (text.includes('.')) {
    const v4 = parseV4(text.slice(lastColon + 1))
    if (v4 === null || lastColon < 0) return null
    text = `${text.slice(0, lastColon + 1)}${(v4 >>> 16).toString(16)}:${(v4 & 0xffff).toString(16)}`
  }
  const halves = text.split('::')
  if (halves.length > 2) return null
  const head = halves[0] === '' ? [] : halves[0]!.split(':')
  const tail = halves[1] === undefined || halves[1] === '' ? [] : halves[1].split(':')
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail]
  if (!groups.every(group => /^[0-9a-f]{1,4}$/i.test(group))) return null
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n)
}

function v4(range: string): [number, number] {
  const [base, bits] = range.split('/')
  return [parseV4(base!)!, Number(bits)]
}

function v6(range: string): [bigint, number] {
  const [base, bits] = range.split('/')
  return [parseV6(base!)!, Number(bits)]
}

/** IANA IPv4 Special-Purpose Address Registry, with multicast (RFC 5771) and the reserved block (RFC 1112 §4). */
const V4_INSIDE = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8',
  '100.64.0.0/10', // carrier NAT, RFC 6598
  '127.0.0.0/8',
  '169.254.0.0/16', // link-local, and where clouds keep their metadata
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24', // 6to4 relays, RFC 7526
  '192.168.0.0/16',
  '198.18.0.0/15', // benchmarking, RFC 2544
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
].map(v4)

/** IANA IPv6 Special-Purpose Address Registry. Whatever carries an IPv4 address is inside, whichever it carries. */
const V6_INSIDE = [
  '::/96', // ::, ::1 and IPv4-compatible, RFC 4291 §2.5.5.1
  '::ffff:0:0/96', // IPv4-mapped
  '::ffff:0:0:0/96', // IPv4-translated, RFC 2765
  '64:ff9b::/96', // NAT64, RFC 6052
  '64:ff9b:1::/48', // NAT64 of one's own, RFC 8215
  '100::/64', // discard, RFC 6666
  '2001::/23', // IETF protocols, Teredo (2001::/32) among them
  '2001:db8::/32',
  '2002::/16', // 6to4
  '3fff::/20', // documentation, RFC 9637
  '5f00::/16', // segment routing, RFC 9602
  'fc00::/7',
  'fe80::/10',
  'fec0::/10', // site-local, RFC 3879
  'ff00::/8',
].map(v6)

/** Zones that no public DNS serves: RFC 6761, 6762, 8375, ICANN's .internal, and what routers and clusters use. */
const INSIDE_ZONES = [
  'internal',
  'local',
  'localdomain',
  'home.arpa',
  'in-addr.arpa',
  'ip6.arpa',
  'lan',
  'home',
  'corp',
  'intranet',
  'private',
  'invalid',
  'onion',
  'svc',
  'default',
  'consul',
]

const METADATA = new Set([
  'metadata.goog',
  'metadata.azure.com',
  'metadata.tencentyun.com',
  'metadata.packet.net',
  'metadata.platformequinix.com',
])

/** Public zones whose every name stands for the address written in it, or for 127.0.0.1. */
const ADDRESS_NAMES = [
  'nip.io',
  'sslip.io',
  'xip.io',
  'localtest.me',
  'lvh.me',
  'vcap.me',
  'lacolhost.com',
  '1u.ms',
  'localdomain.pw',
]
