import { answerAddress, isOwnAddress, isRobotAddress } from './address.ts'
import type { Email, EmailAttachment } from './email.ts'

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
  forwarded_by_rule: 'A mailbox rule forwarded this mail; a person wrote it.',
  encrypted: 'The mail is encrypted, so only its recipient can read it.',
  winmail: 'The text is inside a winmail.dat file that we do not open.',
  not_parsed: 'The mail could not be read. The original is kept.',
  no_text: 'There is no text to answer.',
  nobody_to_answer: 'The mail names no address that an answer could go to.',
}

export function verdict(email: Email, facts: VerdictFacts): Verdict {
  const own = ownReasons(email, facts)
  if (own.length > 0) return { class: 'own', reasons: own, mayFlow: false, mayDraft: false, maySend: false }

  // Before the automatic filter: Gmail's bounces are Auto-Submitted: auto-replied, and are news of our own mail (C13).
  const bounce = bounceReasons(email)
  if (bounce.length > 0)
    return { class: 'bounce', reasons: bounce, mayFlow: false, mayDraft: false, maySend: false }
  const report = reportReasons(email)
  if (report.length > 0)
    return { class: 'report', reasons: report, mayFlow: false, mayDraft: false, maySend: false }

  const machine = machineReasons(email)
  const list = listReasons(email)
  const bulk = bulkReasons(email, facts.ownAddresses)
  if (forwardedByRule(email, machine)) {
    return {
      class: 'person',
      reasons: ['forwarded_by_rule', ...machine],
      mayFlow: true,
      mayDraft: true,
      maySend: false,
    }
  }
  if (machine.length > 0) {
    // "Send me no automatic answers" alone is a wish, not a machine (C5), and a subject alone is a guess: "On vacation until Friday,
    // please hold my parcel". A person may still answer with a draft.
    const guess = ['auto_response_suppressed', 'out_of_office']
    const wish = machine.every(reason => guess.includes(reason)) && list.length + bulk.length === 0
    return {
      class: 'automatic',
      reasons: [...machine, ...list, ...bulk],
      mayFlow: true,
      mayDraft: wish,
      maySend: false,
    }
  }
  if (list.length > 0)
    return { class: 'list', reasons: [...list, ...bulk], mayFlow: true, mayDraft: false, maySend: false }
  if (bulk.length > 0) {
    return {
      class: 'automatic',
      reasons: bulk,
      mayFlow: true,
      mayDraft: formMail(email, bulk, facts),
      maySend: false,
    }
  }

  const unreadable = unreadableReasons(email)
  if (unreadable.length > 0) {
    return { class: 'unreadable', reasons: unreadable, mayFlow: true, mayDraft: true, maySend: false }
  }
  const reasons: string[] = []
  if (facts.size === 0 || !hasText(email)) reasons.push('no_text')
  if (answerAddress(email, facts.ownAddresses) === null) reasons.push('nobody_to_answer')
  return {
    class: 'person',
    reasons,
    mayFlow: true,
    mayDraft: reasons.length === 0,
    maySend: reasons.length === 0,
  }
}

function ownReasons(email: Email, facts: VerdictFacts): string[] {
  const reasons: string[] = []
  if (facts.ownMessage) reasons.push('own_message')
  if (email.from.some(box => isOwnAddress(box.address, facts.ownAddresses))) reasons.push('own_address')
  return reasons
}

/** RFC 3464 where servers follow it; else a mail system's name together with what it says. */
function bounceReasons(email: Email): string[] {
  const reasons: string[] = []
  // Receipts and complaints carry the headers of a mail too; what the report calls itself goes first.
  const reported =
    (email.reportType ?? 'delivery-status') === 'delivery-status' && hasPart(email, DELIVERY_STATUS)
  const daemon = isDaemon(email)
  const returned = RETURNED.test(email.subject)
  if (
    email.reportType === 'delivery-status' ||
    (reported && (daemon || isReport(email) || fromNobody(email)))
  ) {
    reasons.push('delivery_report')
  }
  if (daemon) reasons.push('mail_system')
  if (has(email, 'x-failed-recipients')) reasons.push('failed_recipients')
  if (reasons.length > 0) return reasons
  // A customer of a shop may well write "Delivery failure"; so a subject needs a second witness.
  if (
    returned &&
    (fromNobody(email) || autoSubmitted(email) || isRobot(email) || tellsOfFailure(email.text))
  ) {
    reasons.push('returned_mail')
  }
  return reasons
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

/** RFC 2919 and RFC 2369. */
function listReasons(email: Email): string[] {
  const reasons: string[] = []
  if (has(email, 'list-id') || has(email, 'list-post') || has(email, 'mailing-list')) reasons.push('list_id')
  if (has(email, 'list-unsubscribe')) reasons.push('list_unsubscribe')
  if (reasons.length === 0 && values(email, 'precedence').some(value => /^\s*list\s*$/i.test(value)))
    reasons.push('precedence')
  return reasons
}

function bulkReasons(email: Email, own: readonly string[]): string[] {
  const reasons: string[] = []
  if (values(email, 'precedence').some(value => /^\s*(?:bulk|junk)\s*$/i.test(value)))
    reasons.push('precedence')
  const answer = answerAddress(email, own)
  if (isRobot(email) || (answer !== null && isRobotAddress(answer.address))) reasons.push('robot_address')
  return reasons
}

/**
 * A rule or redirect in Exchange marks what it passes on as `Auto-Submitted: auto-generated`, though a person wrote it
 * and From still names that person (C3). Exchange's own out-of-office notes carry the same marks, with silence asked for.
 */
function forwardedByRule(email: Email, machine: readonly string[]): boolean {
  if (!machine.includes('auto_submitted') || isRobot(email) || email.from.every(box => box.address === ''))
    return false
  if (
    machine.some(
      reason => reason === 'out_of_office' || reason === 'auto_reply_header' || reason === 'precedence',
    )
  )
    return false
  if (values(email, 'x-auto-response-suppress').some(value => /\ball\b/i.test(value))) return false
  if (!values(email, 'auto-submitted').every(value => /^\s*auto-generated\b/i.test(value))) return false
  return email.headers.some(({ name }) => name.startsWith('x-ms-exchange-') || name === 'resent-from')
}

/** A contact form on a web page: sent by noreply@, with Reply-To naming the customer. A person may answer that. */
function formMail(email: Email, bulk: readonly string[], facts: VerdictFacts): boolean {
  const answer = answerAddress(email, facts.ownAddresses)
  return (
    bulk.every(reason => reason === 'robot_address') &&
    answer !== null &&
    !isRobotAddress(answer.address) &&
    hasText(email)
  )
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

/** RFC 3834 §5: anything but `no` is a machine. Comments and parameters may follow, in any case (C1, C2). */
function autoSubmitted(email: Email): boolean {
  return values(email, 'auto-submitted').some(value => {
    const keyword = /^\s*(?:\([^()]*\)\s*)?([a-z0-9-]+)/i.exec(value)?.[1]?.toLowerCase()
    return keyword !== undefined && keyword !== 'no'
  })
}

/** MS-OXCMAIL §2.2.3.2.14: DR, RN and NRN are about receipts, and Outlook puts them on ordinary mail (C4). */
function asksForSilence(value: string): boolean {
  return value.split(/[\s,;]+/).some(word => /^(?:all|oof|autoreply)$/i.test(word))
}

function isDaemon(email: Email): boolean {
  return (
    email.from.some(
      box => /^\W*mailer[-_. ]?daemon\b/i.test(box.address || box.name) || DAEMON_NAME.test(box.name),
    ) || isDaemonHeader(email)
  )
}

/** `From: MAILER-DAEMON <>` and `From: MAILER-DAEMON` name no address, and parsers may then name nobody at all. */
function isDaemonHeader(email: Email): boolean {
  return (
    email.from.every(box => box.address === '') &&
    values(email, 'from').some(value => /^\W*mailer[-_. ]?daemon\b/i.test(value))
  )
}

function isRobot(email: Email): boolean {
  return email.from.some(box => isRobotAddress(box.address))
}

function fromNobody(email: Email): boolean {
  return email.returnPath === '' || /^mailer-daemon\b/i.test(email.returnPath ?? '')
}

function isReport(email: Email): boolean {
  return /^\s*multipart\/report\b/i.test(email.contentType)
}

/** An enhanced status code of RFC 3463 and a word about recipients, in the part that a server writes. */
function tellsOfFailure(text: string): boolean {
  const head = text.slice(0, 20_000)
  return (
    /(?:^|[^\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])/.test(head) &&
    /recipient|mailbox|address|user unknown|host/i.test(head)
  )
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

function hasText(email: Email): boolean {
  if (VISIBLE.test(email.text)) return true
  if (email.html === null) return false
  const visible = email.html.replaceAll(/<[^<>]*>/g, ' ').replaceAll(/&(?:nbsp|zwnj|#160|#8203|#xa0);/gi, ' ')
  return VISIBLE.test(visible)
}

/** Letters, signs and pictures. Mail programs fill an empty body with blanks, joiners and invisible marks. */
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u

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

const DELIVERY_STATUS =
  /^(?:message\/(?:global-)?delivery-status|text\/rfc822-headers|message\/global-headers)$/

const DAEMON_NAME =
  /^\W*(?:mail delivery (?:sub)?system|mail delivery service|mail delivery notification|mailer[-_ ]?daemon|internet mail delivery|mail administrator)\W*$/i

/** How servers call their bounces; beginnings only, since a customer may write about any of it later in the line. */
const RETURNED =
  /^\s*(?:undeliver(?:able|ed)|returned mail|delivery (?:status notification|failure|failed|has failed|delayed|incomplete|notification)|mail (?:delivery|system error|failed|could not)|failure notice|delayed mail|warning: (?:could not send|message .{0,40} delayed)|message (?:delivery )?(?:delayed|failure|undeliverable)|non[- ]?delivery|failed mail|postmaster notify|unzustellbar|nicht zustellbar|unzustellbare|zustellung|non remis|échec de (?:la )?remise|message non distribué|no se puede entregar|no entregado|devolución|non recapitabile|mancato recapito|onbestelbaar|niet afgeleverd|não (?:é possível|entregue|foi possível)|falha na entrega|niedostarczal|zwrot|недоставлен|не доставлен|сообщение не доставлено|не вдалося доставити|kunde inte levereras|ikke levert|kan ikke leveres|ei voitu toimittaa|nedoručitel|系统退信|系統退信|退信|无法送达|無法送達|無法傳遞|未能投递|未傳遞|邮件投递失败|投递失败|配信不能|配達不能|送信エラー|반송|전송 실패)/i

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
