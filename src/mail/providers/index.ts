/** The providers, in the order in which they are offered. */
import { cloudflare } from './cloudflare.ts'
import { custom } from './custom.ts'
import { fastmail } from './fastmail.ts'
import { gmail } from './gmail.ts'
import { icloud } from './icloud.ts'
import { netease163 } from './netease163.ts'
import { office365 } from './office365.ts'
import { outlook } from './outlook.ts'
import type { MailServer, Provider, Variant } from './provider.ts'
import { qq } from './qq.ts'
import { yahoo } from './yahoo.ts'
import { zoho } from './zoho.ts'

export type { MailServer, Provider, Variant } from './provider.ts'

const all = [
  ...([gmail, outlook, office365, yahoo, icloud, zoho, fastmail, qq] as const),
  ...([netease163, cloudflare, custom] as const),
] as const

const known: readonly Provider[] = all

/** As they are offered: whoever fills in the form, or asks the API for them, has no use for `authenticationHost`. */
export const providers: readonly Provider[] = known.map(
  ({ authenticationHost: _, variants, ...provider }) => ({
    ...provider,
    variants: variants.map(({ authenticationHost: _, ...variant }) => variant),
  }),
)

export type ProviderId = (typeof all)[number]['id']

export const providerIds = [
  ...(['gmail', 'outlook', 'office365', 'yahoo', 'icloud', 'zoho', 'fastmail', 'qq'] as const),
  ...(['163', 'cloudflare', 'custom'] as const),
] as const satisfies readonly ProviderId[]

/** What is not known is custom: a row may be older than a provider, or younger. */
export function providerOf(id: string): Provider {
  return known.find(provider => provider.id === id) ?? custom
}

export interface Preset {
  provider: Provider
  variant: Variant | null
  imap: MailServer | null
  smtp: MailServer | null
}

/** The provider of an address, by its domain or the domain above it (`sales.onmicrosoft.com`). Null where it is not known. */
export function presetFor(address: string): Preset | null {
  const domain = address
    .slice(address.lastIndexOf('@') + 1)
    .trim()
    .toLowerCase()
  const isOf = (one: { domains: readonly string[] }) => one.domains.includes(domain)
  const provider =
    known.find(isOf) ??
    (domain.endsWith('.onmicrosoft.com') ? known.find(one => one.id === 'office365') : undefined)
  if (provider === undefined || !address.includes('@')) return null
  const variant = provider.variants.find(isOf) ?? null
  const { imap, smtp } = variant ?? provider
  return { provider, variant, imap, smtp }
}

/**
 * Google, Yahoo and others show an app password in groups, and paste it with its blanks, which they then refuse. Any other password is
 * left as it was typed: a blank may be part of it.
 *
 * @param servers where it is used; they tell the provider of one that was typed in (`custom`)
 */
export function cleanPassword(
  providerId: string,
  typed: string,
  servers: readonly ({ host: string } | null)[],
): string {
  const named = providerOf(providerId)
  const takesAppPasswords =
    named.id === 'custom' ? servers.some(one => one && providerAt(one.host)?.imap) : named.imap !== null
  // \s has the no-break space, which is what Google's page gives.
  const bare = typed.replaceAll(/\s/g, '')
  return takesAppPasswords && /^[a-z0-9]{16}$/i.test(bare) ? bare : typed
}

/** The provider behind a host of the settings, for what to say where it refuses. */
export function providerAt(host: string): Provider | null {
  const is = (server: MailServer | null) => server?.host === host.toLowerCase()
  return known.find(one => [one, ...one.variants].some(place => is(place.imap) || is(place.smtp))) ?? null
}

/**
 * Whose Authentication-Results are believed in mail that was fetched from this IMAP host: what domain/authentication.ts asks for.
 * null where the host is nobody's that we know.
 *
 * @param imapHost null for mail that Email Routing handed over
 */
export function authenticationHostOf(imapHost: string | null): string | null {
  if (imapHost === null) return cloudflare.authenticationHost ?? null
  const host = imapHost.trim().toLowerCase()
  for (const provider of known) {
    const place = [...provider.variants, provider].find(one => one.imap?.host === host)
    if (place) return place.authenticationHost ?? provider.authenticationHost ?? null
  }
  return null
}
