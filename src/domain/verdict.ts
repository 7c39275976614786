import { answerAddress, domainOf, isOwnAddress, isRobotAddress, normaliseAddress } from './address.ts'
import { autoSubmitted, bounceReasons, isByHand } from './bounce.ts'
import type { Email, EmailAttachment } from './email.ts'
import { covers } from './permission.ts'

/**
 * What kind of mail this is, and what may be done about it without a person. Everything is stored; the verdict only
 * says whether flows run, whether the assistant may draft, and whether an answer may leave by itself. No machine
 * answers a machine: RFC 3834 §2, and the headers, senders and subjects that real machines use instead of it.
 */
export type MailClass = 'person' | 'automatic' | 'bounce' | 'report' | 'list' | 'own' | 'unreadable'

export interface Verdict {
  class: MailClass
  /** Codes of `REASONS`, the deciding ones first. Empty for ordinary mail from a person. */
  reasons: string[]
  mayFlow: boolean
  mayDraft: boolean
  maySend: boolean
}

export interface VerdictFacts {
  ownAddresses: readonly string[]
  /** The Message-ID is one that we minted. */
  ownMessage: boolean
  /** Of the raw mail, in bytes. */
  size: number
  /**
   * Lists and groups that deliver to this inbox: addresses, or what their List-Id says. Our own addresses need not be named
   * again.
   */
  ownLists?: readonly string[]
  /** Who may pass mail on to this inbox and be believed: addresses and domains, as in permission.ts. */
  forwarders?: readonly string[]
  /** What authentication.ts says of the sender; `unknown` where it was not asked. */
  authentication?: 'pass' | 'fail' | 'none' | 'unknown'
  /**
   * It cites a mail of ours and its writer takes part there: whoever reads that address has read ours, so the address is proved.
   */
  answersOurs?: boolean
}

/** Each reason as the page of a mail shows it. */
export const REASONS: Record<string, string> = {
  own_message: 'We sent this mail ourselves.',
  own_address: 'This mail comes from one of your own addresses.',
  delivery_report: 'A mail server reports on the delivery of a mail.',
  mail_system: 'The sender is a mail system, not a person.',
  failed_recipients: 'A mail server lists recipients that it could not reach.',
  returned_mail: 'The text says that a mail was returned or delayed.',
  read_receipt: 'This is a read receipt.',
  abuse_report: 'A mail provider reports a complaint about a mail.',
  mail_report: 'This is a report that one mail system sends to another.',
  calendar_reply: 'This is an answer to a calendar invitation.',
  auto_submitted: 'The mail says that a machine sent it (Auto-Submitted).',
  auto_response_suppressed: 'The sender asks for no automatic answers (X-Auto-Response-Suppress).',
  precedence: 'The mail says that it is bulk or automatic mail (Precedence).',
  auto_reply_header: 'The mail carries the mark of an automatic answer.',
  null_return_path: 'The mail says that nobody is to be told about it (empty Return-Path).',
  out_of_office: 'The subject is that of an out-of-office note.',
  robot_address: 'The address is one that nobody reads.',
  list_id: 'The mail came through a mailing list or a group.',
  list_unsubscribe: 'The mail is a newsletter or another mailing that one can unsubscribe from.',
  own_list: 'The mail came through a list or group of your own; a person wrote it.',
  rewritten_sender:
    'The group put its own address in place of the writer’s. An answer would go to the Reply-To address.',
  web_form:
    'Somebody filled in a form on a web page. An answer would go to the Reply-To address, which nobody has checked.',
  forwarded_by_rule: 'A mailbox rule forwarded this mail; a person wrote it.',
  forwarded_by_trusted: 'A forwarder that you trust passed this mail on; a person wrote it.',
  sender_forged:
    'The mail server found that this mail does not come from the address it names as its sender.',
  reply_unproved:
    'The sender is proved, but an answer would go to an address of another domain, which is not.',
  sender_unproved: 'Nothing proves that this mail comes from the address it names as its sender.',
  encrypted: 'The mail is encrypted, so only its recipient can read it.',
  winmail: 'The text is inside a winmail.dat file that we do not open.',
  not_parsed: 'The mail could not be read. The original is kept.',
  no_text: 'There is no text to answer.',
  nobody_to_answer: 'The mail names no address that an answer could go to.',
}

export function verdict(email: Email, facts: VerdictFacts): Verdict {
  const own = ownReasons(email, facts)
  if (own.length > 0 && !speaksForAnother(email, own, facts)) return silent('own', own)

  // Before the automatic filter: Gmail's bounces are Auto-Submitted: auto-replied, and are news of our own mail (C13).
  const bounce = bounceReasons(email)
  if (bounce.length > 0) return silent('bounce', bounce)
  const report = reportReasons(email)
  if (report.length > 0) return silent('report', report)

  const machine = machineReasons(email)
  const through = ownListOf(email, facts)
  const list = listReasons(email, through)
  const bulk = bulkReasons(email, facts.ownAddresses, through)
  const unlisted = list.length + bulk.length === 0
  if (unlisted && forwardedByRule(email, machine)) {
    return isTrusted(email, facts)
      ? written(email, facts, ['forwarded_by_trusted'], true)
      : written(email, facts, ['forwarded_by_rule', ...machine], false)
  }
  if (machine.length > 0) {
    // "No out-of-office notes, please" is a wish that Exchange puts on what people write, when it hands it on to a group (C5).
    // "All", and a subject that stands alone, are most often a machine's. But "On vacation until Friday, please hold my parcel",
    // written in a mail program and in answer to nothing, is a customer's.
    const wished = machine.every(reason => reason === 'auto_response_suppressed') && !wantsSilence(email)
    const said = machine.every(reason => reason === 'out_of_office') && isFresh(email) && isByHand(email)
    if (unlisted && (wished || said)) return written(email, facts, machine, false)
    const guess = ['auto_response_suppressed', 'out_of_office']
    const wish = unlisted && machine.every(reason => guess.includes(reason))
    return labelled('automatic', [...machine, ...list, ...bulk], wish)
  }
  if (list.length > 0) {
    // Sales programs put List-Unsubscribe under what a salesman writes. No newsletter answers a mail of ours.
    const answer =
      facts.answersOurs === true && bulk.length === 0 && list.every(one => one === 'list_unsubscribe')
    return answer ? written(email, facts, list, false) : labelled('list', [...list, ...bulk], false)
  }
  if (bulk.length > 0) {
    const form = formMail(email, bulk, facts)
    return form === 'person'
      ? written(email, facts, ['web_form', ...bulk], false)
      : labelled('automatic', bulk, form === 'perhaps')
  }

  const reasons = through === null ? [] : ['own_list']
  if (own.length === 0) return written(email, facts, reasons, true)
  return written(email, facts, through === null ? ['web_form'] : [...reasons, 'rewritten_sender'], false)
}

function silent(kind: MailClass, reasons: string[]): Verdict {
  return { class: kind, reasons, mayFlow: false, mayDraft: false, maySend: false }
}

function labelled(kind: MailClass, reasons: string[], mayDraft: boolean): Verdict {
  return { class: kind, reasons, mayFlow: true, mayDraft, maySend: false }
}

/** A person's mail: what is wrong with it as a mail to be answered, and with the name it came under (N2, C26). */
function written(email: Email, facts: VerdictFacts, reasons: readonly string[], maySend: boolean): Verdict {
  const doubts = doubtsOf(email, facts)
  const unreadable = unreadableReasons(email)
  if (unreadable.length > 0) return labelled('unreadable', [...unreadable, ...reasons, ...doubts], true)
  const faults: string[] = []
  if (facts.size === 0 || !hasText(email)) faults.push('no_text')
  if (answerAddress(email, facts.ownAddresses) === null) faults.push('nobody_to_answer')
  return {
    class: 'person',
    reasons: [...reasons, ...doubts, ...faults],
    mayFlow: true,
    mayDraft: faults.length === 0,
    maySend: maySend && doubts.length + faults.length === 0,
  }
}

/** Only where the host was asked: an inbox whose host says nothing goes on as it did. */
function doubtsOf(email: Email, { authentication, answersOurs, ownAddresses }: VerdictFacts): string[] {
  if (authentication === 'fail') return ['sender_forged']
  if (answersOurs === true) return []
  if (authentication === 'none') return ['sender_unproved']
  const answer = answerAddress(email, ownAddresses)
  const elsewhere = answer !== null && !email.from.some(box => areKin(box.address, answer.address))
  return authentication === 'pass' && elsewhere ? ['reply_unproved'] : []
}

/** Of the same domain, or one of a domain under the other's. */
function areKin(one: string, other: string): boolean {
  const [here, there] = [domainOf(one), domainOf(other)]
  return here === there || here.endsWith(`.${there}`) || there.endsWith(`.${here}`)
}

/** It answers nothing. */
function isFresh(email: Email): boolean {
  return email.inReplyTo.length + email.references.length === 0
}

function ownReasons(email: Email, facts: VerdictFacts): string[] {
  const reasons: string[] = []
  if (facts.ownMessage) reasons.push('own_message')
  if (email.from.some(box => isOwnAddress(box.address, facts.ownAddresses))) reasons.push('own_address')
  return reasons
}

/**
 * From us and to us, with a stranger in Reply-To: a form of our own web site, or a group of ours that puts its address in place
 * of the writer's (Google Groups and Mailman do, where the writer's domain has a strict DMARC policy). Whatever else says
 * "machine" decides against it, so that no notification of our own comes back as a customer (C24), and so does a host that says
 * we did not send it.
 */
function speaksForAnother(email: Email, own: readonly string[], facts: VerdictFacts): boolean {
  const isOurs = (box: { address: string }) => isOwnAddress(box.address, facts.ownAddresses)
  const through = ownListOf(email, facts)
  return (
    own.every(reason => reason === 'own_address') &&
    facts.authentication !== 'fail' &&
    email.replyTo.length > 0 &&
    !email.replyTo.some(isOurs) &&
    email.to.length > 0 &&
    [...email.to, ...email.cc].every(isOurs) &&
    machineReasons(email).length + listReasons(email, through).length === 0 &&
    bulkReasons(email, facts.ownAddresses, through).length === 0
  )
}

/** C27: receipts, complaints and what mail systems tell each other. */
function reportReasons(email: Email): string[] {
  if (
    email.reportType === 'disposition-notification' ||
    hasPart(email, /^message\/(?:global-)?disposition-notification$/)
  ) {
    return ['read_receipt']
  }
  if (
    email.reportType === 'feedback-report' ||
    hasPart(email, /^message\/feedback-report$/) ||
    isComplaint(email)
  ) {
    return ['abuse_report']
  }
  // DMARC's aggregate reports (RFC 7489 §7.2.1.1) are plain mail but for their subject and their archive.
  if (
    email.reportType !== null ||
    isReport(email) ||
    /^\s*report domain: ?\S+ submitter: ?\S/i.test(email.subject)
  )
    return ['mail_report']
  return isCalendarReply(email) ? ['calendar_reply'] : []
}

/** What says plainly that a machine sent this mail. */
function machineReasons(email: Email): string[] {
  const reasons: string[] = []
  if (autoSubmitted(email)) reasons.push('auto_submitted')
  if (values(email, 'precedence').some(value => /^\s*auto[-_ ]?repl/i.test(value))) reasons.push('precedence')
  if (AUTO_REPLY_HEADERS.some(name => has(email, name)) || email.headers.some(isAutoReplyMark))
    reasons.push('auto_reply_header')
  if (email.returnPath === '') reasons.push('null_return_path')
  if (OUT_OF_OFFICE.test(email.subject.slice(0, 400))) reasons.push('out_of_office')
  if (values(email, 'x-auto-response-suppress').some(asksForSilence)) reasons.push('auto_response_suppressed')
  return reasons
}

/**
 * RFC 2919 and RFC 2369.
 *
 * @param through the list or group of ours that delivered it, whose own marks say nothing of the mail
 */
function listReasons(email: Email, through: string | null): string[] {
  const reasons: string[] = []
  if (through !== null) {
    const foreign = values(email, 'list-unsubscribe').some(
      value => value !== '' && !leavesList(value, through),
    )
    return foreign || has(email, 'list-unsubscribe-post') ? ['list_unsubscribe'] : []
  }
  if (has(email, 'list-id') || has(email, 'list-post') || has(email, 'mailing-list')) reasons.push('list_id')
  if (has(email, 'list-unsubscribe')) reasons.push('list_unsubscribe')
  if (reasons.length === 0 && values(email, 'precedence').some(value => /^\s*list\s*$/i.test(value)))
    reasons.push('precedence')
  return reasons
}

function bulkReasons(email: Email, own: readonly string[], through: string | null): string[] {
  const reasons: string[] = []
  // A list of ours writes `list` or `bulk` upon what it hands on, but never `junk`.
  const ofSender = through === null ? /^\s*(?:bulk|junk)\s*$/i : /^\s*junk\s*$/i
  if (values(email, 'precedence').some(value => ofSender.test(value))) reasons.push('precedence')
  const answer = answerAddress(email, own)
  if (isRobot(email) || (answer !== null && isRobotAddress(answer.address))) reasons.push('robot_address')
  return reasons
}

/**
 * The list or group that this mail came through, where it is ours: support@ itself may be a Google Group or a Mailman list that
 * delivers here. Every name that the mail gives for its list must be one of ours, or it is another's list that we are a member
 * of.
 */
function ownListOf(email: Email, { ownAddresses, ownLists = [] }: VerdictFacts): string | null {
  const ours = [...ownAddresses, ...ownLists].map(normaliseAddress)
  const named = listNames(email)
  if (named.length === 0 && has(email, 'x-google-group-id')) {
    const to = [...email.to, ...(email.sender ? [email.sender] : [])].map(box => box.address)
    const delivered = [...to, ...values(email, 'delivered-to')].map(normaliseAddress)
    return delivered.find(address => ours.includes(address)) ?? null
  }
  // A List-Id is the address with a dot for its @ (RFC 2919 §2): what is compared has neither.
  const dotted = (name: string) => name.replace('@', '.')
  const found = named.map(name => ours.find(address => dotted(address) === dotted(name)))
  return found.length > 0 && found.every(one => one !== undefined) ? found[0]! : null
}

/** `List-Id: Support <support.shop.example>`, `List-Post: <mailto:support@…>`, `Mailing-List: list support@…; contact …`. */
function listNames(email: Email): string[] {
  const ids = values(email, 'list-id').map(value => /<([^<>]*)>/.exec(value)?.[1] ?? value)
  const posts = values(email, 'list-post').flatMap(value => /<mailto:([^<>?]+)/i.exec(value)?.[1] ?? [])
  const lists = values(email, 'mailing-list').flatMap(value => /^\s*list\s+([^\s;]+)/i.exec(value)?.[1] ?? [])
  return [...ids, ...posts, ...lists, ...values(email, 'x-beenthere')].map(normaliseAddress).filter(Boolean)
}

/** Whether a List-Unsubscribe leaves this list, and not the newsletter that somebody sent to it. */
function leavesList(value: string, list: string): boolean {
  const [name, domain] = list.includes('@') ? list.split('@') : [list, list]
  return (value.match(/<[^<>]{1,2000}>/g) ?? []).some(uri => {
    const host = /^<https?:\/\/([^/:?#>]+)/i.exec(uri)?.[1]?.toLowerCase()
    if (host !== undefined)
      return [domain!, ...GROUP_HOSTS].some(zone => host === zone || host.endsWith(`.${zone}`))
    const address = normaliseAddress(/^<mailto:([^>?]+)/i.exec(uri)?.[1] ?? '')
    return (
      address.startsWith('googlegroups-manage+') ||
      (address.startsWith(name!) && address.endsWith(`@${domain}`))
    )
  })
}

const GROUP_HOSTS = ['groups.google.com', 'support.google.com', 'outlook.office.com', 'outlook.office365.com']

/**
 * A rule or redirect in Exchange marks what it passes on as `Auto-Submitted: auto-generated`, or sends it from nobody, though a
 * person wrote it and From still names that person (C3). Exchange's own out-of-office notes carry the same marks, with silence
 * asked for.
 */
function forwardedByRule(email: Email, machine: readonly string[]): boolean {
  if (machine.length === 0 || isRobot(email) || email.from.every(box => box.address === '')) return false
  const byForwarder = ['auto_submitted', 'null_return_path', 'auto_response_suppressed']
  if (!machine.every(reason => byForwarder.includes(reason))) return false
  if (wantsSilence(email)) return false
  if (
    !values(email, 'auto-submitted').every(value => /^\s*(?:auto-generated|auto-forwarded|no)\b/i.test(value))
  )
    return false
  if (email.headers.some(({ name }) => RULE_MARKS.has(name))) return true
  return (
    machine.includes('auto_submitted') && email.headers.some(({ name }) => name.startsWith('x-ms-exchange-'))
  )
}

/** Written by a rule or a redirect, and by nothing else. */
const RULE_MARKS = new Set([
  'x-ms-exchange-inbox-rules-loop',
  'x-ms-exchange-forwardingloop',
  'x-ms-exchange-generated-message-source',
  'resent-from',
  'x-sieve-redirected-from',
])

/**
 * Whether one of those who passed this mail on is trusted. Gmail adds no Auto-Submitted to what it forwards: where it was Gmail,
 * and no rule left its mark, the machine that the mail speaks of stands behind Gmail, and trust in Gmail's owner says nothing of
 * it.
 */
function isTrusted(email: Email, { ownAddresses, forwarders = [] }: VerdictFacts): boolean {
  const byGmail = has(email, 'x-forwarded-for') || /\+caf_=/.test(email.returnPath ?? '')
  if (byGmail && !email.headers.some(({ name }) => RULE_MARKS.has(name))) return false
  return passedOnBy(email, ownAddresses).some(address => forwarders.some(entry => covers(entry, address)))
}

/** Who passed a mail on: those whom its forwarding marks name, and whoever it was delivered to before us. */
function passedOnBy(email: Email, own: readonly string[]): string[] {
  const named = FORWARDED_BY.flatMap(name => values(email, name)).flatMap(value =>
    value.slice(0, 2000).split(/[\s<>,;"]+/),
  )
  const from = email.from.map(box => normaliseAddress(box.address))
  const path = envelopeOf(email.returnPath ?? '')
  return [...named, ...listNames(email), ...(email.sender ? [email.sender.address] : []), path]
    .map(normaliseAddress)
    .filter(address => address.includes('@') && !isOwnAddress(address, own) && !from.includes(address))
}

const FORWARDED_BY = [
  ...['resent-from', 'resent-sender', 'x-forwarded-for', 'x-forwarded-to', 'x-sieve-redirected-from'],
  ...['x-ms-exchange-inbox-rules-loop', 'x-ms-exchange-forwardingloop'],
  ...['delivered-to', 'x-original-to', 'envelope-to'],
]

/**
 * The address behind an envelope sender: Gmail's `user+caf_=support=shop.example@gmail.com`, BATV's
 * `prvs=1234567abc=user@example.com`. SRS (`SRS0=…@forwarder.example`, Exchange Online's `bounces+SRS=…@`) tells the forwarder's
 * domain alone, so it stays as it is.
 */
function envelopeOf(returnPath: string): string {
  return returnPath
    .slice(0, 2000)
    .replace(/\+caf_=[^@]*@/, '@')
    .replace(/^prvs=[^=@/]*[=/]/i, '')
}

/**
 * A contact form on a web page: sent by noreply@, with Reply-To naming the customer. Where that address is of another domain than
 * the sender's, a person filled it in; where not, a company may just as well name its own support. Either way a person may
 * answer.
 */
function formMail(email: Email, bulk: readonly string[], facts: VerdictFacts): 'person' | 'perhaps' | 'no' {
  const answer = answerAddress(email, facts.ownAddresses)
  if (bulk.some(reason => reason !== 'robot_address') || answer === null || !hasText(email)) return 'no'
  if (isRobotAddress(answer.address)) return 'no'
  return email.from.some(box => areKin(box.address, answer.address)) ? 'perhaps' : 'person'
}

/** E15: kept and shown, and for a person to answer. */
function unreadableReasons(email: Email): string[] {
  if (email.flags.includes('unreadable')) return ['not_parsed']
  const type = email.contentType.trim().toLowerCase()
  if (type.startsWith('multipart/encrypted') || /^-----BEGIN PGP MESSAGE-----/m.test(email.text))
    return ['encrypted']
  if (hasText(email)) return []
  if (
    /^application\/(?:x-)?pkcs7-mime/.test(type) ||
    hasPart(email, /^application\/(?:(?:x-)?pkcs7-mime|pgp-encrypted)$/)
  )
    return ['encrypted']
  const tnef = (part: EmailAttachment) =>
    /^application\/(?:ms-tnef|vnd\.ms-tnef)/i.test(part.contentType) || /^winmail\.dat$/i.test(part.filename)
  return email.attachments.some(tnef) ? ['winmail'] : []
}

/** MS-OXCMAIL §2.2.3.2.14: DR, RN and NRN are about receipts, and Outlook puts them on ordinary mail (C4). */
function asksForSilence(value: string): boolean {
  return value.split(/[\s,;]+/).some(word => /^(?:all|oof|autoreply)$/i.test(word))
}

/** As Exchange's own out-of-office notes do, and programs that send what nobody wrote. */
function wantsSilence(email: Email): boolean {
  return values(email, 'x-auto-response-suppress').some(value => /\ball\b/i.test(value))
}

function isRobot(email: Email): boolean {
  return email.from.some(box => isRobotAddress(box.address))
}

function isReport(email: Email): boolean {
  return /^\s*multipart\/report\b/i.test(email.contentType)
}

/** Feedback loops that do not use RFC 5965, Microsoft's JMRP among them. */
function isComplaint(email: Email): boolean {
  const loop = email.from.some(box => /^(?:feedback-?loop|fbl|jmrp)(?:[-+_.].*)?@/is.test(box.address.trim()))
  return (
    loop ||
    /^\s*complaint about message from [\d.:a-f]+\s*$/i.test(email.subject) ||
    /^\s*this is an? (?:e-?mail )?(?:spam|abuse) report for an e-?mail/i.test(email.text)
  )
}

/** RFC 5546 §3.2.3. The method stands in the content type, or in the calendar itself where a parser dropped it. */
function isCalendarReply(email: Email): boolean {
  const replies = /method\s*=\s*"?(?:reply|counter|refresh|declinecounter)\b/i
  if (/^\s*text\/calendar\b/i.test(email.contentType) && replies.test(email.contentType)) return true
  const says = /^METHOD:(?:REPLY|COUNTER|REFRESH|DECLINECOUNTER)\s*$/im
  if (/^\s*text\/calendar\b/i.test(email.contentType) && says.test(email.text.slice(0, 4000))) return true
  return email.attachments.some(part => {
    if (!/^(?:text\/calendar|application\/ics)\b/i.test(part.contentType)) return false
    return (
      replies.test(part.contentType) || says.test(new TextDecoder().decode(part.content?.subarray(0, 4000)))
    )
  })
}

function hasText({ text, html }: Email): boolean {
  if (READABLE.test(text.slice(0, SEEN_CHARS))) return true
  if (html === null) return false
  const visible = html
    .replaceAll(/<[^<>]*>/g, ' ')
    .replaceAll(/&(?:nbsp|zwnj|amp|lt|gt|quot|apos|#160|#8203|#xa0);/gi, ' ')
  return READABLE.test(visible)
}

/** Nobody reads on behind so much of nothing. */
const SEEN_CHARS = 64_000

/**
 * Something that can be read aloud. Mail programs fill an empty body with blanks, joiners and marks; to a row of dashes, or to one picture,
 * nobody has an answer.
 */
const READABLE = /[\p{L}\p{N}]/u

function hasPart(email: Email, type: RegExp): boolean {
  return email.attachments.some(part => type.test(part.contentType.split(';')[0]!.trim().toLowerCase()))
}

function has(email: Email, name: string): boolean {
  return values(email, name).some(value => value.trim() !== '')
}

function values(email: Email, name: string): string[] {
  return email.headers.filter(header => header.name === name).map(header => header.value)
}

function isAutoReplyMark({ name, value }: { name: string; value: string }): boolean {
  if (name === 'x-mailer') return /^\s*(?:vacation|autoresponder|auto-?reply)\b/i.test(value)
  if (name === 'delivered-to') return /^\s*autoresponder\s*$/i.test(value)
  if (name === 'x-apple-action') return /vacation/i.test(value)
  if (name === 'x-post-messageclass') return /autoresponder/i.test(value)
  return false
}

/** Set by vacation programs, answering machines and schedulers of their own; none of them is set by a person's client. */
const AUTO_REPLY_HEADERS = [
  'x-autoreply',
  'x-auto-reply',
  'x-autoreply-from',
  'x-autorespond',
  'x-autoresponder',
  'x-auto-response',
  'x-autogenerated',
  'x-auto-generated',
  'x-mail-autoreply',
  'x-vacation',
  'x-fc-machinegenerated',
  'x-cron-env',
]

/**
 * Out-of-office notes without headers (C15): the phrase opens the subject and stands alone, or is followed by what such
 * notes go on with. "Automatic reply does not work" is a customer's question, and "Re: Automatic reply" a person's answer.
 */
const OUT_OF_OFFICE = new RegExp(
  `^\\s*(?:\\[ext(?:ern|ernal|erne|erno)?\\] ?)?\\[?(?:${[
    'automatic (?:reply|response|answer)|auto[- ]?(?:reply|response|answer|responder)|autoreply|out of (?:the )?office(?: auto[- ]?reply| reply| message| notification| note)?|ooo|on vacation|vacation (?:reply|message|notice)|away from (?:my|the) (?:office|mail|desk)|i am out of (?:the )?office|i’m out of (?:the )?office',
    'abwesenheits(?:notiz|nachricht|meldung|benachrichtigung|assistent)|abwesenheit|automatische (?:antwort|rückantwort|abwesenheitsnotiz)|autom\\. antwort|ich bin (?:derzeit )?(?:nicht im büro|abwesend)',
    "réponse automatique|message automatique|absence du bureau|absent du bureau|notification d[’']absence|en congés?|absence",
    'respuesta autom[aá]tica|fuera de (?:la )?oficina|mensaje autom[aá]tico|autorrespuesta|ausencia',
    'risposta automatica|fuori (?:sede|ufficio)|assenza|messaggio automatico',
    'resposta autom[aá]tica|fora do escrit[oó]rio|aus[eê]ncia(?: tempor[aá]ria)?|ausente do escrit[oó]rio',
    'automatisch antwoord|automatische reactie|afwezig(?:heid)?|afwezigheidsbericht|niet aanwezig',
    'autosvar|automatisk(?:t)? svar|frånvaro(?:meddelande)?|fraværs?(?:besked|melding)?|ikke på kontoret|inte på kontoret',
    'automaattinen vastaus|poissaolo(?:viesti|ilmoitus)?|poissa toimistosta',
    'autoodpowied[zź]|odpowied[zź] automatyczna|automatyczna odpowied[zź]|nieobecno[sś][cć]|poza biurem',
    'automatick[áa] odpov[ěe][ďd]|mimo kancel[áa][řr]|nep[řr][íi]tomnost|automatikus v[áa]lasz|h[áa]zon k[íi]v[üu]l|r[ăa]spuns automat|otomatik (?:yan[ıi]t|cevap)|ofis d[ıi][şs][ıi]nda|αυτόματη απάντηση|εκτός γραφείου',
    'автоматическ(?:ий|ое) (?:ответ|уведомление)|автоответ(?:чик)?|вне офиса|отсутствие|автоматична відповідь|автовідповідь|поза офісом',
    'trả lời tự động|ตอบกลับอัตโนมัติ|balasan otomatis|رد تلقائي|الرد التلقائي|תשובה אוטומטית|מענה אוטומטי',
    '自動(?:返信|応答|回覆|回信|答覆)(?:通知|メール)?|不在(?:通知|連絡|のお知らせ|のため)|休暇中|自动(?:回复|答复|回信)|不在(?:辦公室|办公室)|外出(?:通知|自動回覆)|休假(?:中|通知|自動回覆|自动回复)',
    '자동 ?(?:회신|응답|답장)|부재 ?중(?: 자동 ?(?:회신|응답))?|휴가 ?중',
  ].join(
    '|',
  )})\\]?\\s*(?:$|[:：!【（(<|«„"]|[-–—] |(?:re|aw|sv|antw|rv|回复|回覆)\\s*[:：]|until\\b|till\\b|from \\d|bis\\b|vom \\d|jusqu|du \\d|hasta\\b|del \\d|fino al|dal \\d|até\\b|tot\\b|van \\d|til\\b|до \\d|в связи)`,
  'iu',
)
