/**
 * Who is answered by a machine, and what it may read for whom. Lists hold addresses (`ann@example.com`) and domains (`example.com`, which
 * covers its subdomains). Blocked wins over allowed; an empty allow list allows everyone. What is refused here is still stored and shown.
 */
import { asciiDomain, domainOf, normaliseAddress } from './address.ts'

export function mayBeAnswered(
  address: string,
  lists: { allow: readonly string[]; block: readonly string[] },
): boolean {
  if (lists.block.some(entry => covers(entry, address))) return false
  return lists.allow.length === 0 || lists.allow.some(entry => covers(entry, address))
}

/** An article without labels is for everyone; one with labels for contacts that carry at least one of them. */
export function mayRead(articleLabels: readonly string[], contactLabels: readonly string[]): boolean {
  return articleLabels.length === 0 || articleLabels.some(label => contactLabels.includes(label))
}

/** An entry as it is kept: an address, or a domain without `@` or `*.` in front; null where it is neither. */
export function listEntry(typed: string): string | null {
  const bare = normaliseAddress(typed).replace(/^(?:\*?@|\*\.)/, '')
  if (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(bare)) return bare
  const domain = asciiDomain(bare)
  return /^[^\s@.]+(?:\.[^\s@.]+)+$/.test(domain) ? domain : null
}

/** Whether an entry, an address or a domain, is of this address. */
export function covers(entry: string, address: string): boolean {
  if (entry.includes('@')) return normaliseAddress(address) === entry
  const domain = domainOf(address)
  return domain === entry || domain.endsWith(`.${entry}`)
}
