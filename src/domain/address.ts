import type { Email, Mailbox } from './email.ts'
import { canonicalHost } from './host.ts'

/**
 * Mail addresses: when two are the same person's, which ones no person reads, and whom an answer goes to. Addresses
 * are compared here and nowhere else, so that one customer is one contact.
 */

/**
 * The form in which addresses are stored and compared. Lower-case throughout: RFC 5321 §2.4 lets a server tell `Bob`
 * from `bob`, none does. Plus tags stay: `bob+shop@` may be another mailbox, and is the address he wrote from. A domain
 * in letters of the world is its A-label (RFC 5890), as servers and other programs write it.
 */
export function normaliseAddress(address: string): string {
  const bare = address.trim().replace(/^<([^<>]*)>$/, '$1')
  const normal = bare
    .trim()
    .toLowerCase()
    .replace(/(?<!\.)\.+$/, '')
  const at = normal.lastIndexOf('@') + 1
  return at === 0 ? normal : `${normal.slice(0, at)}${asciiDomain(normal.slice(at))}`
}

/** A domain in its A-labels; what is none, and what is ASCII already, stays. */
export function asciiDomain(domain: string): string {
  return /[^\x00-\x7f]/.test(domain) ? (canonicalHost(domain) ?? domain) : domain
}

export function sameAddress(one: string, other: string): boolean {
  const address = normaliseAddress(one)
  return address !== '' && address === normaliseAddress(other)
}

export function domainOf(address: string): string {
  const normal = normaliseAddress(address)
  const at = normal.lastIndexOf('@')
  return at < 0 ? '' : normal.slice(at + 1)
}

/** The last `@` divides: a quoted local part may have others (RFC 5321 §4.1.2). */
export function localPartOf(address: string): string {
  const normal = normaliseAddress(address)
  const at = normal.lastIndexOf('@')
  return at < 0 ? normal : normal.slice(0, at)
}

/** An address that says of itself that nobody reads it. Its plus tag is not asked: `ann+noreply@` is Ann. */
export function isRobotAddress(address: string): boolean {
  const local = localPartOf(address)
  const plus = local.indexOf('+')
  const base = plus < 0 ? local : local.slice(0, plus)
  return NOBODY.test(base) || BOUNCE.test(local) || EXACTLY.has(base.replaceAll(/[-_.]/g, ''))
}

/** Whether an address is one of ours, with or without the plus tag that our signed reply addresses carry. */
export function isOwnAddress(address: string, own: readonly string[]): boolean {
  const normal = normaliseAddress(address)
  if (normal === '') return false
  const base = `${localPartOf(normal).replace(/\+.*$/s, '')}@${domainOf(normal)}`
  return own.some(ours => sameAddress(ours, normal) || sameAddress(ours, base))
}

/**
 * Whom an answer to this mail goes to: one mailbox, never the Cc (C30). Reply-To where the sender gave one (RFC 5322
 * §3.6.2), unless it is ours: then the answer would come back to us (C20). null where there is nobody to answer.
 */
export function answerAddress(email: Email, own: readonly string[]): Mailbox | null {
  const answerable = (box: Mailbox) => ADDRESS.test(box.address.trim()) && !isOwnAddress(box.address, own)
  return email.replyTo.find(answerable) ?? email.from.find(answerable) ?? null
}

/** Only what a mail could be sent to; no white space or control character may reach an SMTP line. */
const ADDRESS = /^[^\s\u0000-\u001f\u007f<>]+@[^\s\u0000-\u001f\u007f<>@]+$/

/** "Do not reply" as a word of the local part: `noreply`, `calendar-no_reply`, `do-not-reply-7`, and as others say it. */
const NOBODY =
  /(?:^|[-_.=])(?:no[-_.]?reply|(?:do|please)[-_.]?not?[-_.]?reply|dont[-_.]?reply|ne[-_.]?pas[-_.]?repondre|no[-_.]?responder|no[-_.]?contestar|nao[-_.]?responder?|nao[-_.]?responda|non[-_.]?rispondere|nicht[-_.]?antworten|keine[-_.]?antwort|niet[-_.]?beantwoorden|svara[-_.]?inte|ikke[-_.]?svar)(?:$|[-_.=\d])/

/** VERP and its kin; a separator alone is not enough, `bounce-house@` rents out castles. */
const BOUNCE = /^(?:double-)?bounces?(?:$|[+=]|[-_.].*[\d=])|=bounces?[-+_=]/s

/** Local parts that are robots as a whole, without separators; as part of a longer name they may be a team of people. */
const EXACTLY = new Set([
  'mailerdaemon',
  'maildaemon',
  'postmaster',
  'notification',
  'notifications',
  'autoreply',
  'autoresponder',
  'autoresponse',
])

/** Without what stands behind a `+`, which whoever has the address may choose: `ann+shop@x` is Ann's like `ann@x`. */
export function withoutTag(address: string): string {
  return normaliseAddress(address).replace(/^([^@+]+)\+[^@]*@/, '$1@')
}
