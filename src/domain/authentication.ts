/**
 * Whether the receiving host has proved that a mail comes from the domain in its From. Nothing is checked here: the host
 * did it when it took the mail in, and wrote down in Authentication-Results (RFC 8601) what it found. Anyone can write
 * such a field into a mail, so all depends on which one is believed:
 *
 * - Only a field whose authserv-id is the host's, or a name under it. What others wrote is passed over, whatever it says.
 * - Of those the topmost. Hosts write theirs on top of all that came with the mail, so a forged one stands below.
 * - Fastmail writes several, one method to a field, and begins with methods that say nothing of the sender (`bimi`, `arc`,
 *   `x-ptr`). Such a field gives way to the one right below it, if that has the same id and no other field stands between.
 * - ARC is not believed: it says what somebody else saw, and whom to trust in that nobody has told us.
 *
 * Microsoft's has no authserv-id, so its place has to vouch for it: see `microsoftField`.
 */
import { asciiDomain, domainOf } from './address.ts'
import type { Email, Header } from './email.ts'

/** Instead of a name: the host is Microsoft's, whose fields begin with their first result. */
export const MICROSOFT = 'outlook'

export interface Authentication {
  /** `none`: the host looked and found no proof. `unknown`: the host is not known, wrote nothing, or nothing that can be read. */
  result: 'pass' | 'fail' | 'none' | 'unknown'
  by: 'dmarc' | 'dkim' | 'spf' | null
  /** What was proved: the domain of From, of the signature or of the envelope. null where nothing was. */
  domain: string | null
}

/** @param host the authserv-id of the receiving host, `MICROSOFT`, or null where it is not known */
export function authentication(email: Email, host: string | null): Authentication {
  if (host === null) return { result: 'unknown', by: null, domain: null }
  const from = fromDomain(email)
  // Which of several writers would be the proved one is each program's own guess (RFC 7489 §6.6.1).
  if (from === null) return { result: 'fail', by: null, domain: null }
  const found = trustedField(email.headers, host)
  const results = found === null ? null : readResults(found)?.results
  return results ? weigh(results, from) : { result: 'unknown', by: null, domain: null }
}

function weigh(results: readonly Result[], from: string): Authentication {
  const dmarc = results.filter(({ method }) => method === 'dmarc')
  if (dmarc.some(({ word }) => word === 'fail' || word === 'permerror'))
    return { result: 'fail', by: 'dmarc', domain: null }
  const passed = dmarc.filter(
    ({ word, properties }) =>
      word === 'pass' && (properties.get('header.from') ?? []).every(value => domainIn(value) === from),
  )
  // A host writes DMARC down once. Where two say different things, one of them got in through a name or an address that the
  // host copied into its field, and nothing in that field is proof.
  const agreed = dmarc.every(({ word }) => word === dmarc[0]?.word)
  if (agreed && passed.length > 0 && passed.length === dmarc.length)
    return { result: 'pass', by: 'dmarc', domain: from }
  // No DMARC record (`none`, Yahoo's `unknown`, Microsoft's `bestguesspass`), or none that could be had just now.
  const dkim = agreed ? aligned(results, 'dkim', ['header.d', 'header.i'], from) : null
  if (dkim) return { result: 'pass', by: 'dkim', domain: dkim }
  const spf = agreed ? aligned(results, 'spf', ['smtp.mailfrom', 'smtp.mail'], from) : null
  if (spf) return { result: 'pass', by: 'spf', domain: spf }
  return { result: 'none', by: null, domain: null }
}

/**
 * The first domain that this method proved and that is aligned with From; a mail may well carry other signatures too.
 *
 * @param names the properties that name the domain, the first that is there decides
 */
function aligned(
  results: readonly Result[],
  method: string,
  names: readonly string[],
  from: string,
): string | null {
  for (const result of results) {
    if (result.method !== method || result.word !== 'pass') continue
    const named = names.find(name => result.properties.has(name))
    const domains = named === undefined ? [] : result.properties.get(named)!.map(domainIn)
    if (domains.length > 0 && domains.every(domain => isAligned(domain, from))) return domains[0]!
  }
  return null
}

/**
 * Relaxed alignment is "of the same organisational domain", which takes the Public Suffix List to tell: by its last two
 * labels, `a.co.uk` and `b.co.uk` would be one organisation. Without the list only this is safe: the same domain, or one
 * above the other and of two labels at least. That misses siblings (`mail.` and `news.example.com`), which then are
 * merely not proved.
 */
function isAligned(one: string, other: string): boolean {
  if (one === other) return true
  const [upper, lower] = one.length < other.length ? [one, other] : [other, one]
  return /^[^.]+\.[^.]/.test(upper) && lower.endsWith(`.${upper}`)
}

/** `header.from=example.com`, `=ann@example.com` (mail.ru), `=<ann@example.com>` (Zoho), `header.i=@example.com`. */
function domainIn(value: string): string {
  const bare = value.replaceAll(/[<>"]/g, '').trim().toLowerCase().replace(/\.$/, '')
  return asciiDomain(bare.slice(bare.lastIndexOf('@') + 1))
}

/** The domain of the one address in From; null where there is none, or more than one, or more than one From. */
function fromDomain(email: Email): string | null {
  const fields = email.headers.filter(header => header.name === 'from')
  // `Mueller, Anna <a@b>` without quotes is one writer, whatever the comma makes of the name.
  const named = email.from.filter(box => box.address !== '')
  if (named.length !== 1 || fields.length > 1 || fields.some(field => addressesIn(field.value) > 1))
    return null
  return domainOf(named[0]!.address) || null
}

/** How many addresses a From names. Parsers may take the first and keep quiet about the others. */
function addressesIn(value: string): number {
  // No honest From is as long as this, and what hides at its end nobody need look for.
  if (value.length > 4_000) return Number.POSITIVE_INFINITY
  const bare = withoutComments(value)?.replaceAll(/"(?:[^"\\]|\\.)*"/g, '') ?? value
  let count = 0
  for (const mailbox of bare.split(',')) {
    const angles = mailbox.match(/<[^<>]*@[^<>]*>/g)?.length ?? 0
    count += Math.max(angles, mailbox.includes('@') ? 1 : 0)
  }
  return count
}

function trustedField(headers: readonly Header[], host: string): string | null {
  if (host.toLowerCase() === MICROSOFT) return microsoftField(headers)
  let chosen: string | null = null
  let id = ''
  for (const { name, value } of headers) {
    const isField = name === 'authentication-results'
    if (!isField) {
      if (chosen !== null) return chosen
      continue
    }
    const read = readResults(value)
    const serving = read?.id ?? idOf(value)
    const ours = serving !== null && isUnder(serving, host)
    if (chosen !== null && (!ours || serving !== id)) return chosen
    if (!ours) continue
    chosen = value
    id = serving
    const others = read !== null && read.results.length > 0
    if (!others || read.results.some(({ method }) => OF_THE_SENDER.has(method))) return chosen
  }
  return chosen
}

const OF_THE_SENDER = new Set(['dmarc', 'dkim', 'spf'])

/** The id of a field that cannot be read to its end: it still is the host's, and what stands below it is not. */
function idOf(value: string): string | null {
  const start = /^\s*"?([a-z0-9._-]+)"?\s*(?:[;(\s]|$)/i.exec(withoutComments(value.slice(0, 1000)) ?? value)
  return start?.[1]?.toLowerCase() ?? null
}

function isUnder(name: string, host: string): boolean {
  const base = host.toLowerCase()
  return name === base || name.endsWith(`.${base}`)
}

/**
 * Microsoft's field stands above the Received of the server at its border, the one that took the mail from outside; what
 * is below that Received came with the mail, and the sender can have written any of it. So the topmost field without an id
 * is taken, and the search ends at the first Received that is not from Microsoft to Microsoft. A sender who calls himself
 * `x.outlook.com` in HELO moves that end down, but not above Microsoft's own field, which stays the topmost.
 */
function microsoftField(headers: readonly Header[]): string | null {
  for (const { name, value } of headers) {
    if (name === 'received' && !isMicrosoftHop(value)) return null
    if (
      name === 'authentication-results' &&
      (readResults(value) ?? { id: null }).id === null &&
      idOf(value) === null
    )
      return value
  }
  return null
}

function isMicrosoftHop(received: string): boolean {
  const bare = withoutComments(received.slice(0, 2000)) ?? ''
  const hop = /^\s*from\s+(\S+)\s+(?:[^;]{0,200}?\s)?by\s+([^\s;]+)/i.exec(bare)
  return hop !== null && isMicrosoft(hop[1]!) && isMicrosoft(hop[2]!)
}

function isMicrosoft(host: string): boolean {
  return MICROSOFT_ZONES.some(zone => isUnder(host.toLowerCase(), zone))
}

const MICROSOFT_ZONES = [
  'outlook.com',
  'office365.com',
  'exchangelabs.com',
  'office365.us',
  'partner.outlook.cn',
]

interface Result {
  method: string
  word: string
  /** `header.from` and its like, in lower case; a name may come twice. */
  properties: Map<string, string[]>
}

/**
 * Authentication-Results as RFC 8601 §2.2 has it, and as hosts write it: values with `=` and `:` in them, empty ones (QQ),
 * properties without a type (`action=none`), a forgotten `;` (Zoho), the receiving domain between the results (Microsoft).
 * null where it cannot be read: a comment or a quoted string without its end, a result without a word.
 */
function readResults(value: string): { id: string | null; results: Result[] } | null {
  const statements = readStatements(value)
  const first = statements?.[0]
  if (!statements || !first) return null
  const id = first[0]?.value === null ? first[0].key : null
  const results: Result[] = []
  for (const statement of id === null ? statements : statements.slice(1)) {
    let result: Result | null = null
    for (const { key, value: said } of statement) {
      const method = key.replace(/\/\d+$/, '')
      if (said === null) {
        // `none` says that nothing was checked; Microsoft puts the recipient's domain there.
        if (id !== null && result === null && method !== 'none') return null
      } else if (result === null || OF_THE_SENDER.has(method)) {
        if (method === '' || said === '') return null
        result = { method, word: said.toLowerCase(), properties: new Map() }
        results.push(result)
      } else result.properties.set(key, [...(result.properties.get(key) ?? []), said])
    }
  }
  return { id, results }
}

interface Word {
  /** In lower case. */
  key: string
  value: string | null
}

/** The words of each statement between the semicolons, comments left out and quoted strings opened. */
function readStatements(field: string): Word[][] | null {
  const bare = withoutComments(field)
  if (bare === null) return null
  const statements: Word[][] = [[]]
  let at = 0
  const skip = () => {
    while (bare[at] === ' ' || bare[at] === '\t' || bare[at] === '\r' || bare[at] === '\n') at += 1
  }
  /** Up to a blank, a semicolon or one of `ends`; a quoted string in it is one piece. null where its end is missing. */
  const run = (ends: string): string | null => {
    const pieces: string[] = []
    for (; at < bare.length; at += 1) {
      const char = bare[at]!
      if (
        char === ';' ||
        char === ' ' ||
        char === '\t' ||
        char === '\r' ||
        char === '\n' ||
        ends.includes(char)
      )
        break
      if (char !== '"') pieces.push(char)
      else
        for (at += 1; bare[at] !== '"'; at += 1) {
          if (at >= bare.length) return null
          if (bare[at] === '\\') at += 1
          pieces.push(bare[at] ?? '')
        }
    }
    return pieces.join('')
  }
  for (skip(); at < bare.length; skip()) {
    if (bare[at] === ';') {
      statements.push([])
      at += 1
      continue
    }
    let key = run('=')
    skip()
    // Blanks may stand around the dot: `header . from`.
    while (
      key !== null &&
      (bare[at] === '.' || (key.endsWith('.') && bare[at] !== '=' && at < bare.length))
    ) {
      const more: string | null = bare[at] === ';' ? null : run('=')
      key = more === null ? null : key + more
      skip()
    }
    if (key === null) return null
    let value: string | null = null
    if (bare[at] === '=') {
      at += 1
      skip()
      value = run('')
      if (value === null || key === '') return null
    }
    statements.at(-1)!.push({ key: key.toLowerCase(), value })
  }
  return statements
}

/**
 * A blank for each comment (RFC 5322 §3.2.2: nested, with quoted pairs; none inside a quoted string). null where one has no end.
 */
function withoutComments(text: string): string | null {
  if (!text.includes('(')) return text
  const kept: string[] = []
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!
    if (char === '\\' && (quoted || depth > 0)) {
      if (depth === 0) kept.push(char, text[at + 1] ?? '')
      at += 1
    } else if (char === '"' && depth === 0) {
      quoted = !quoted
      kept.push(char)
    } else if (char === '(' && !quoted) {
      depth += 1
      if (depth === 1) kept.push(' ')
    } else if (char === ')' && depth > 0 && !quoted) depth -= 1
    else if (depth === 0) kept.push(char)
  }
  return depth > 0 ? null : kept.join('')
}
