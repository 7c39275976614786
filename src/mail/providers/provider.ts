/**
 * What is known of a mail provider before anybody has logged in: where its servers are, how it lets people in, and what
 * to tell who is filling in the form. One file for each; adding one is a file here and a line in index.ts.
 */
export interface MailServer {
  readonly host: string
  readonly port: number
  /** TLS from the first byte on 993 and 465, STARTTLS (a must) on any other port: domain/host.ts `securityOf`. */
  readonly tls: boolean
}

export type Authentication = 'app_password' | 'password' | 'oauth2' | 'api_token'

/** One sentence in each language of the product. */
export interface Sentence {
  readonly en: string
  readonly 'zh-TW': string
  readonly 'zh-CN': string
}

/** The same provider with other servers: another data centre, another of its domains. */
export interface Variant {
  readonly id: string
  readonly name: string
  readonly domains: readonly string[]
  readonly imap: MailServer | null
  readonly smtp: MailServer | null
  /** Where its receiving hosts write another name than the provider's. */
  readonly authenticationHost?: string
}

export interface Provider<Id extends string = string> {
  readonly id: Id
  readonly name: string
  /** Null: mail does not come by IMAP, or is to be typed in (`custom`). */
  readonly imap: MailServer | null
  readonly smtp: MailServer | null
  /** The ports that may be chosen for SMTP; the first is filled in. */
  readonly smtpPorts: readonly number[]
  /** What to put for the user name where it is not the address. */
  readonly smtpUser: string | null
  /** Best first. */
  readonly authentication: readonly Authentication[]
  /** Which password goes into the form. */
  readonly passwordHint: Sentence
  /** The provider's own page about it. */
  readonly help: string | null
  /** An address of these domains is of this provider. */
  readonly domains: readonly string[]
  readonly variants: readonly Variant[]
  readonly notes: readonly Sentence[]
  /**
   * The authserv-id (RFC 8601 §2.5) that its receiving hosts write into Authentication-Results, or the name above them all; the
   * constant of domain/authentication.ts for Microsoft, which writes none. No provider's page promises it: each was read off mail
   * that it had delivered, and those that are INFERRED off a few only, or off a sister's. null or absent where it is not known.
   */
  readonly authenticationHost?: string | null
}

/** IMAP is TLS on 993 at every provider that we know. */
export function imapAt(host: string): MailServer {
  return { host, port: 993, tls: true }
}

export function smtpAt(host: string, port: 465 | 587): MailServer {
  return { host, port, tls: true }
}
