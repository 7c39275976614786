/**
 * The rows of the corpus `ssrf`, with what each of them says.
 *
 * addresses.json comes from another product's tests, whose verdicts are of its own configurations. An address that any row denies for what
 * it is (private, carrier NAT, not global unicast, IPv4 in disguise) is inside. The rest are rows of lists that its operator had made, or
 * of runs that let private ranges pass: they are judged here as the address they have, and stand in INSIDE where that is a private or
 * loopback one. We have no such lists, and no way to let an inside address pass but loopback under the development flag.
 *
 * urls.txt has no verdicts. A row is harmless where it is, read as plain text, a scheme, one of the ordinary public names below and
 * nothing else before its path: no user, no other port, no other notation. Everything else is refused. A public name that redirects inside
 * (r3dir.me, nicob.net) is harmless as a host: redirects are not followed, and what a name resolves to is vetted when the socket is opened.
 */
import { existsSync, readFileSync } from 'node:fs'

const CORPUS = `${process.env.CORPORA ?? '../shared/corpora'}/ssrf`

export const hasCorpus = existsSync(CORPUS)

export interface AddressRow {
  ip: string
  inside: boolean
}

const INSIDE = ['10.0.1.1', '172.16.1.1', '192.168.1.1', '192.168.1.100', '127.0.1.1']

/** Every row, in its order. */
export function addressRows(): AddressRow[] {
  const rows: { ip: string; verdict: string }[] = JSON.parse(readFileSync(`${CORPUS}/addresses.json`, 'utf8'))
  const forWhatItIs = /^ipDeny(PrivateRange|CGNAT|NotGlobalUnicast|IPv6Embedding)$/
  const denied = new Set(rows.filter(row => forWhatItIs.test(row.verdict)).map(row => row.ip))
  return rows.map(({ ip }) => ({ ip, inside: denied.has(ip) || INSIDE.includes(ip) }))
}

export function urlRows(): string[] {
  return readFileSync(`${CORPUS}/urls.txt`, 'utf8')
    .split('\n')
    .filter(row => row !== '')
}

/** As a parser reads it; null where none can. */
export function hostOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).hostname : null
}

const PUBLIC = [
  ...[
    'evil.com',
    'example.com',
    'google.com',
    'imgur.com',
    'github.com',
    'mizu.re',
    'nicob.net',
    'ssrfevil.com',
  ],
  ...[
    'raw.githubusercontent.com',
    'web.archive.org',
    'portswigger.net',
    'rancher.com',
    'vozec.fr',
    'help.redacted.com',
  ],
  ...[
    'docs.aws.amazon.com',
    'azure.microsoft.com',
    'docs.microsoft.com',
    'docs.docker.com',
    'developer.mozilla.org',
  ],
  ...[
    'developers.digitalocean.com',
    'www.googleapis.com',
    'www.w3.org',
    'www.tcpipguide.com',
    'www.blackhat.com',
  ],
  ...['www.root-me.org', '307.r3dir.me', '62epax5fhvj3zzmzigyoe5ipkbn7fysllvges3a.302.r3dir.me'],
  '4d0cf09b9b2d761a7d87be99d17507bce8b86f3b.flaws.cloud',
  // The same as example.com to every reader of host names, and judged as that.
  'ⓔⓧⓐⓜⓟⓛⓔ.ⓒⓞⓜ',
]

export function isHarmless(row: string, scheme: RegExp): boolean {
  const [, host] = /^[a-z]+:\/\/([^/?#]*)(?:[/?#].*)?$/u.exec(row) ?? []
  return scheme.test(row) && host !== undefined && PUBLIC.includes(host) && !/[\s\\]/.test(row)
}
