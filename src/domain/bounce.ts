/**
 * What a bounce says: which mail of ours it is about, which addresses it did not reach, and whether to write there again.
 * Servers that follow RFC 3464 write that into parts of their own; the others write it for people to read, each in its own
 * words, and there it is found by its shape: lines of a mail's header, lines that begin with an address, SMTP replies and
 * the codes of RFC 3463. Anyone can write a bounce, so all of it is a claim: believe it of a mail that is ours, and of
 * addresses that this mail went to.
 *
 * Every line is looked at a bounded number of times, and no more of a mail than a server's report has.
 */
import { isRobotAddress, normaliseAddress } from './address.ts'
import type { Email } from './email.ts'
import { textOfHtml } from './html.ts'
import { idKey, messageIdOf } from './thread.ts'

export interface DeliveryReport {
  /** Of the mails it is about, as `idKey` gives them, the surest first. */
  originalIds: string[]
  recipients: ReportedRecipient[]
  /** Whom the mail was written to, by its own header. */
  originalTo: string[]
  originalSubject: string | null
  /** Its Date, in ms. */
  originalDate: number | null
}

export interface ReportedRecipient {
  /** Normalised; where an address was expanded to others, the one that failed. */
  address: string
  /** As the mail had it (Original-Recipient), where the server says so and it is another. */
  writtenTo: string | null
  action: 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'
  /** RFC 3463, as in `5.1.1`. */
  status: string | null
  /** `hard`: no later mail to this address will arrive either. `none`: nothing went wrong. */
  kind: 'hard' | 'soft' | 'none'
  /** What the server said, in one line of at most 500 characters. */
  diagnostic: string | null
}

const MOST_RECIPIENTS = 100
const MOST_IDS = 10
const MOST_CHARS = 200_000
const MOST_LINES = 4_000
const LINE_CHARS = 1_000
const FIELD_CHARS = 4_000
const DIAGNOSTIC_CHARS = 500

/** null where the mail is no bounce. */
export function deliveryReport(email: Email): DeliveryReport | null {
  if (bounceReasons(email).length === 0) return null
  const notice = linesOf(noticeText(email))
  const inPart = readStatus(partsOf(email, STATUS_PART).flatMap(linesOf))
  const status = inPart.recipients.length > 0 ? inPart : readStatus(notice)
  const returned = partsOf(email, RETURNED_PART).flatMap(returnedHeads)
  const inText = headsIn(notice)
  const original = originalOf(returned) ?? originalOf(inText) ?? pseudoHead(notice) ?? inText[0]
  // Reports wrapped around the mail, not what the mail itself has below its header.
  const heads = original?.returned ? returned : inText.filter(head => head.start <= (original?.start ?? 0))
  const said = readNotice(email, ownWords(notice), original)
  return {
    originalIds: originalIds(email, original, heads, status, notice),
    recipients: status.recipients.length > 0 ? fromStatus(status.recipients, said, notice) : said,
    originalTo: addressesIn(original?.fields.get('to') ?? '').slice(0, MOST_RECIPIENTS),
    originalSubject: decoded(original?.fields.get('subject') ?? '').trim() || null,
    originalDate: dateOf(original?.fields.get('date') ?? original?.fields.get('sent') ?? ''),
  }
}

/**
 * Why a mail is a bounce, as codes of `REASONS`; empty where it is none. RFC 3464 where servers follow it; else a mail
 * system's name together with what it says.
 */
export function bounceReasons(email: Email): string[] {
  const reasons: string[] = []
  // Receipts and complaints carry the headers of a mail too; what the report calls itself goes first.
  const reported =
    (email.reportType ?? 'delivery-status') === 'delivery-status' &&
    email.attachments.some(part => REPORTING_PART.test(typeOf(part.contentType)))
  const daemon = isDaemon(email)
  const asReport = /^\s*(?:multipart\/report|message\/(?:global-)?delivery-status)\b/i.test(email.contentType)
  if (email.reportType === 'delivery-status' || (reported && (daemon || asReport || fromNobody(email))))
    reasons.push('delivery_report')
  if (daemon) reasons.push('mail_system')
  if (values(email, 'x-failed-recipients').some(Boolean)) reasons.push('failed_recipients')
  if (reasons.length > 0) return reasons
  // A customer of a shop may well write "Delivery failure"; so a subject needs a second witness.
  if (!RETURNED.test(email.subject)) return []
  const byMachine =
    fromNobody(email) || autoSubmitted(email) || email.from.some(box => isRobotAddress(box.address))
  return byMachine || (!isByHand(email) && tellsOfFailure(email.text)) ? ['returned_mail'] : []
}

/** RFC 3834 §5: anything but `no` is a machine. Comments and parameters may follow, in any case (C1, C2). */
export function autoSubmitted(email: Email): boolean {
  return values(email, 'auto-submitted').some(value => {
    const keyword = /^\s*(?:\([^()]*\)\s*)?([a-z0-9-]+)/i.exec(value)?.[1]?.toLowerCase()
    return keyword !== undefined && keyword !== 'no'
  })
}

function isDaemon(email: Email): boolean {
  const named = (box: { name: string; address: string }) =>
    /^\W*mailer[-_. ]?daemon\b/i.test(box.address || box.name) ||
    DAEMON_NAME.test(box.name) ||
    // Exchange's own mailbox for its reports: the same 32 digits in every organisation.
    /^microsoftexchange[0-9a-f]{32}@/i.test(box.address.trim())
  if (email.from.some(named)) return true
  // `From: MAILER-DAEMON <>` and `From: MAILER-DAEMON` name no address, and parsers may then name nobody at all.
  return (
    email.from.every(box => box.address === '') &&
    values(email, 'from').some(value => /^\W*mailer[-_. ]?daemon\b/i.test(value))
  )
}

function fromNobody(email: Email): boolean {
  return email.returnPath === '' || /^mailer-daemon\b/i.test(email.returnPath ?? '')
}

/** Mail programs name themselves, and servers that return a mail do not, but for Exchange 5.5 and a few of its time. */
export function isByHand(email: Email): boolean {
  const program = [...values(email, 'user-agent'), ...values(email, 'x-mailer')].join(' ').trim()
  return program !== '' && !/internet mail service|imail|mercury|mdaemon|merak|kerio|domino/i.test(program)
}

/** Servers tell, they do not ask: a question in the first lines is a customer's, who quotes what a server told them. */
function asksSomething(text: string): boolean {
  return /[?？؟]/.test(text.slice(0, 2_000).replace(/https?:\S+/g, ''))
}

/** What a server says of a mail: an SMTP reply with its code, a code marked as one, or the header of the mail it returns. */
function tellsOfFailure(text: string): boolean {
  const head = text.slice(0, 20_000)
  const coded =
    /(?<!\d)[45]\d\d[ -]#?[45]\.\d{1,3}\.\d{1,3}(?!\.?\d)|(?:#|\bstatus(?: code)?:? |\bdsn )[45]\.\d{1,3}\.\d{1,3}(?!\.?\d)/i
  return (
    (coded.test(head) && !asksSomething(head)) ||
    headsIn(linesOf(head)).some(({ fields }) => fields.has('received') && isId(fields.get('message-id')))
  )
}

function values(email: Email, name: string): string[] {
  return email.headers.filter(header => header.name === name).map(header => header.value.trim())
}

function typeOf(contentType: string): string {
  return contentType.split(';')[0]!.trim().toLowerCase()
}

const REPORTING_PART =
  /^(?:message\/(?:global-)?delivery-status|text\/rfc822-headers|message\/global-headers)$/
const STATUS_PART = /^message\/(?:global-)?delivery-status$/
const RETURNED_PART = /^(?:message\/(?:rfc822|global|global-headers)|text\/rfc822-headers)$/

const DAEMON_NAME =
  /^\W*(?:mail delivery (?:sub)?system|mail delivery service|mail delivery notification|mailer[-_ ]?daemon|internet mail delivery|mail administrator)\W*$/i

/** How servers call their bounces; beginnings only, since a customer may write about any of it later in the line. */
const RETURNED =
  /^\s*(?:undeliver(?:able|ed)|returned mail|delivery (?:status notification|failure|failed|has failed|delayed|incomplete|notification)|mail (?:delivery|system error|failed|failure|could not)|failure notice|delayed mail|warning: (?:could not send|message .{0,40} delayed)|message (?:delivery )?(?:delayed|failure|undeliverable)|(?:sorry, )?(?:your |the )?(?:message|e-?mail)(?: to \S{1,80})? (?:could not be|was not|cannot be|can['’]t be|has not been) delivered|(?:permanent |e-?mail )delivery failure|notice: mail delivery|\[(?:bounce|postmaster)\]|non[- ]?delivery|failed mail|postmaster notify|unzustellbar|nicht zustellbar|unzustellbare|zustellung|non remis|échec de (?:la )?remise|message non distribué|no se puede entregar|no entregado|devolución|non recapitabile|mancato recapito|onbestelbaar|niet afgeleverd|não (?:é possível|entregue|foi possível)|falha na entrega|niedostarczal|zwrot|недоставлен|не доставлен|сообщение не доставлено|не вдалося доставити|kunde inte levereras|ikke levert|kan ikke leveres|ei voitu toimittaa|nedoručitel|系统退信|系統退信|退信|无法送达|無法送達|無法傳遞|未能投递|未傳遞|邮件投递失败|投递失败|配信不能|配達不能|送信エラー|반송|전송 실패)/i

// The parts and lines of the report

function noticeText(email: Email): string {
  const text =
    email.text.trim() === '' && email.html ? textOfHtml(email.html.slice(0, MOST_CHARS)) : email.text
  // Gateways that know no delivery-status pass it on as a text file.
  const files = partsOf(email, /^text\/plain$/)
  return [text.slice(0, MOST_CHARS), ...files].join('\n\n')
}

/** Their text, as far as it came with the mail. */
function partsOf(email: Email, type: RegExp): string[] {
  return email.attachments
    .filter(part => part.content !== null && type.test(typeOf(part.contentType)))
    .slice(0, 10)
    .map(part => new TextDecoder().decode(part.content!.subarray(0, MOST_CHARS)))
}

function linesOf(text: string): string[] {
  return text
    .slice(0, MOST_CHARS)
    .split(/\r\n|\r|\n/)
    .slice(0, MOST_LINES)
    .map(line =>
      line
        .slice(0, LINE_CHARS)
        .replace(/^(?:> ?)+/, '')
        .trimEnd(),
    )
}

/** What came back as a part is the mail, also where it was a bounce itself; in text, bounces may be wrapped around it. */
function originalOf(heads: readonly Head[]): Head | undefined {
  const sent = heads.filter(head => head.returned || !isReportHead(head))
  return sent.find(({ fields }) => isId(fields.get('message-id'))) ?? sent[0]
}

interface Head {
  /** The first of each name, in lower case. */
  fields: Map<string, string>
  start: number
  end: number
  /** It heads a part, not lines of a text. */
  returned?: boolean
}

/** The header of the mail that came back, and where that is a report itself, also of those inside it. */
function returnedHeads(text: string): Head[] {
  const lines = linesOf(text.trimStart())
  const end = lines.indexOf('')
  // Up to the empty line all is header; where folded lines have lost their blanks, they are folded still.
  const whole = lines
    .slice(0, end < 0 ? undefined : end)
    .map((line, at) => (at === 0 || FIELD.test(line) || /^\s/.test(line) ? line : ` ${line}`))
  const first = runs(whole)[0]
  if (!first || ![...first.fields.keys()].some(name => TELLING.has(name))) return []
  first.returned = true
  const inside = isReportHead(first) ? headsIn(lines.slice(whole.length)) : []
  return [first, ...inside.map(head => ({ ...head, returned: true }))]
}

/** Headers of mails between the lines of a text. Three telling fields make one, or two of which one is its id. */
function headsIn(lines: readonly string[]): Head[] {
  return runs(lines).filter(({ fields }) => {
    const telling = [...fields.keys()].filter(name => TELLING.has(name)).length
    return telling >= (isId(fields.get('message-id')) ? 2 : 3)
  })
}

const TELLING = new Set([
  ...['message-id', 'received', 'return-path', 'from', 'to', 'subject', 'date', 'sent', 'mime-version'],
])

/** Its indentation, name and value. */
const FIELD = /^(\s{0,8})([a-z][a-z0-9-]{0,60})\s?:(?!\/\/)\s*(.*)$/i

/** Runs of lines that are header fields with their folded lines; servers may indent the whole. */
function runs(lines: readonly string[]): Head[] {
  const found: Head[] = []
  let run: Head | null = null
  let name = ''
  let indent = 0
  for (const [at, line] of lines.entries()) {
    const field = FIELD.exec(line)
    const depth = field?.[1]?.length ?? 0
    if (field && (run === null || depth <= indent)) {
      if (run === null) {
        run = { fields: new Map(), start: at, end: at }
        found.push(run)
        indent = depth
      }
      name = field[2]!.toLowerCase()
      // Of two fields of a name the first stands; what is folded under the second is not the first's.
      if (run.fields.has(name)) name = ''
      else run.fields.set(name, field[3]!)
    } else if (run !== null && /^\s+\S/.test(line)) {
      const before = run.fields.get(name)
      if (before !== undefined && before.length < FIELD_CHARS)
        run.fields.set(name, `${before} ${line.trim()}`)
    } else {
      run = null
      continue
    }
    run.end = at
  }
  return found
}

const PSEUDO_FIELD = /^\s*(to|subject|sent|date)\s*:\s+(\S.*)$/i

/** `To:`, `Subject:` and `Date:` with empty lines between them, as Exchange and others tell which mail they mean. */
function pseudoHead(lines: readonly string[]): Head | undefined {
  const fields = new Map<string, string>()
  for (const line of lines) {
    const field = PSEUDO_FIELD.exec(line)
    if (field && !fields.has(field[1]!.toLowerCase())) fields.set(field[1]!.toLowerCase(), field[2]!)
  }
  return fields.size < 2 ? undefined : { fields, start: lines.length, end: lines.length }
}

/** The header of a bounce, inside another: of a relay that passed it on, or of a bounce that bounced. */
function isReportHead({ fields }: Head): boolean {
  return (
    /mailer-daemon|mail delivery (?:sub)?system|^\W*postmaster@/i.test(fields.get('from') ?? '') ||
    /multipart\/report|delivery-status/i.test(fields.get('content-type') ?? '') ||
    fields.has('x-failed-recipients')
  )
}

const NAMES_ID = /^\W{0,10}(?:original[- ])?message[- ]?id\W{1,10}([^\s<>&]+@[^\s<>&=]+)/i

function isId(value: string | undefined): value is string {
  return value !== undefined && /[^\s<>]@[^\s<>]/.test(value)
}

/**
 * First what the returned header says; then what Gmail adds to its status (X-Original-Message-ID); then what the bounce
 * answers, which a server may have from the mail or make up; last, reports inside the report, and a line of the text.
 */
function originalIds(
  email: Email,
  original: Head | undefined,
  heads: readonly Head[],
  status: Status,
  notice: readonly string[],
): string[] {
  const told = [
    original?.fields.get('message-id'),
    status.about.get('x-original-message-id') ?? status.about.get('original-message-id'),
    email.inReplyTo[0],
    email.references.at(-1),
    ...heads.map(head => head.fields.get('message-id')),
  ].filter(isId)
  const ids = told.length > 0 ? told : notice.flatMap(line => NAMES_ID.exec(line)?.[1] ?? [])
  const keys = ids.map(value => idKey(messageIdOf(value) ?? ''))
  return [...new Set(keys)].filter(Boolean).slice(0, MOST_IDS)
}

// RFC 3464

interface Status {
  /** Fields about the whole mail. */
  about: Map<string, string>
  recipients: Map<string, string>[]
}

/**
 * The fields of a delivery-status, wherever they stand. The groups of RFC 3464 §2.1 are divided by empty lines, but servers
 * leave those out or put more in; what begins a recipient is a field that names one.
 */
function readStatus(lines: readonly string[]): Status {
  const status: Status = { about: new Map(), recipients: [] }
  let fields: Map<string, string> | null = null
  let name = ''
  let ended = true
  for (const line of lines) {
    const field = /^([a-z][a-z0-9-]{0,60})\s?:\s*(.*)$/i.exec(line)
    if (!field) {
      const before = fields?.get(name)
      if (/^\s+\S/.test(line) && before !== undefined) fields!.set(name, `${before} ${line.trim()}`)
      else {
        ended = true
        name = ''
      }
      continue
    }
    name = field[1]!.toLowerCase()
    const inGroup: Map<string, string> | undefined = status.recipients.at(-1)
    if (RECIPIENT_FIELDS.includes(name) && (!inGroup || ended || inGroup.has(name))) {
      fields = new Map()
      status.recipients.push(fields)
      ended = false
    } else if (inGroup && GROUP_FIELDS.includes(name)) fields = inGroup
    else fields = inGroup ? null : status.about
    if (fields === null || fields.has(name)) name = ''
    else fields.set(name, field[2]!)
    if (status.recipients.length > MOST_RECIPIENTS) break
  }
  return status
}

const RECIPIENT_FIELDS = ['final-recipient', 'original-recipient']
const GROUP_FIELDS = [...RECIPIENT_FIELDS, 'x-actual-recipient', 'action', 'status', 'diagnostic-code']

function fromStatus(
  groups: readonly Map<string, string>[],
  said: readonly ReportedRecipient[],
  notice: readonly string[],
): ReportedRecipient[] {
  const found = new Map<string, ReportedRecipient>()
  for (const group of groups.slice(0, MOST_RECIPIENTS)) {
    const writtenTo = addressOf(group.get('original-recipient'))
    const final = addressOf(group.get('final-recipient')) ?? addressOf(group.get('x-actual-recipient'))
    // Only a host, where even that was wrong: the text may say more.
    const address = final ?? writtenTo ?? (groups.length === 1 ? (said[0]?.address ?? null) : null)
    if (address === null || found.has(address)) continue
    const told = said.find(one => one.address === address || one.address === writtenTo)
    const diagnostic = oneLine((group.get('diagnostic-code') ?? '').replace(/^[a-z0-9-]{1,20}\s*;/i, ''))
    const status = /^\s*([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)/.exec(group.get('status') ?? '')?.[1] ?? null
    found.set(
      address,
      judged({
        address,
        writtenTo: writtenTo === address ? null : writtenTo,
        action: actionOf(group.get('action') ?? '') ?? actionBy(status, notice),
        status,
        diagnostic: diagnostic ?? told?.diagnostic ?? null,
      }),
    )
  }
  return [...found.values()]
}

function actionOf(said: string): ReportedRecipient['action'] | null {
  const word = said.trim().toLowerCase()
  if (/^(?:fail|error)/.test(word)) return 'failed'
  if (/^(?:delay|defer)/.test(word)) return 'delayed'
  if (word.startsWith('deliver')) return 'delivered'
  if (word.startsWith('relay')) return 'relayed'
  return word.startsWith('expand') ? 'expanded' : null
}

/** Where no Action says it, or the text has none: a notice of delay says that it is one. */
function actionBy(status: string | null, notice: readonly string[]): ReportedRecipient['action'] {
  if (status?.startsWith('2')) return 'delivered'
  const text = notice.slice(0, 100).join(' ')
  return status?.startsWith('5') !== true && DELAYED.test(text) && !GIVEN_UP.test(text) ? 'delayed' : 'failed'
}

const DELAYED =
  /warning message only|(?:do not|don['’]t|no) need to re-?send|will (?:be retried|retry|continue to (?:try|be|retry)|keep (?:on )?trying|try again|re-?attempt)|still (?:being retried|trying)|not yet been delivered|has not been delivered yet|remains? (?:on|in) the (?:mail )?queue|delivery (?:has been |is |was )?delayed|delayed mail|could not be delivered for more than/i
const GIVEN_UP =
  /giv(?:en|ing) up|permanent|failed after|has been returned|is being returned|could not be delivered to one or more/i

/** `rfc822; <ann@example.com>`; what stands before the semicolon is the kind of address. */
function addressOf(field: string | undefined): string | null {
  const value = field?.slice(field.indexOf(';') + 1).trim() ?? ''
  // A source route (RFC 5321 appendix C) goes before the address.
  const bare = /^<?(?:@[^:<>\s]{1,500}:)?([^<>\s,]+)/.exec(value)?.[1] ?? ''
  return bare.indexOf('@') > 0 ? normaliseAddress(bare) : null
}

// Text for people

interface Hit {
  address: string
  line: number
  /** What stands behind the address. */
  rest: string
  /** The line is about this address: it begins with it, or names it as a recipient. */
  sure: boolean
}

/** Recipients and reasons out of what a server wrote for people. */
function readNotice(email: Email, lines: readonly string[], original: Head | undefined): ReportedRecipient[] {
  const ours = new Set([...email.to, ...email.cc].map(box => normaliseAddress(box.address)))
  const hits = lines.flatMap(hitsIn)
  const named = values(email, 'x-failed-recipients').flatMap(addressesIn)
  const wanted = ['to', 'cc'].flatMap(name => addressesIn(original?.fields.get(name) ?? ''))
  const failed = new Set(named.length > 0 ? named : addressesAbout(hits, ours, wanted))
  return [...failed].slice(0, MOST_RECIPIENTS).map(address => {
    const about = hits.filter(hit => hit.address === address)
    const diagnostic = reasonFor(about.find(hit => hit.sure) ?? about[0], lines, hits, failed.size === 1)
    const status = CODE.exec(diagnostic ?? '')?.[0] ?? null
    return judged({ address, writtenTo: null, action: actionBy(status, lines), status, diagnostic })
  })
}

/** The lines in which the server itself speaks: without the mail that it returns, and without headers. */
function ownWords(lines: readonly string[]): string[] {
  const heads = headsIn(lines)
  const copies = heads.filter(({ fields }) => fields.has('received') || isId(fields.get('message-id')))
  const marked = lines.findIndex(line => /^\W*-{3,}/.test(line) && COPY_FOLLOWS.test(line))
  const end = Math.min(...[marked, ...copies.map(head => head.start)].filter(at => at >= 0), lines.length)
  const isPseudo = pseudoHead(lines) !== undefined
  const inHead = (at: number) => heads.some(head => at >= head.start && at <= head.end)
  return lines
    .slice(0, end)
    .map((line, at) => (inHead(at) || (isPseudo && PSEUDO_FIELD.test(line)) ? '' : line))
}

const COPY_FOLLOWS =
  /original message|unsent message|copy of (?:the|your) (?:message|mail)|message (?:text |headers? )?follows|original headers/i

function hitsIn(line: string, at: number): Hit[] {
  if (/^\s*(?:from|sender|reply-to|return-path|mail from|>>> mail from|in: mail)\b/i.test(line)) return []
  const spans = spansIn(line)
  if (spans.length === 0 || ADVICE.test(line)) return []
  return spans.map(({ address, start, end }) => {
    const before = line.slice(Math.max(0, start - 100), start)
    const sure = (start < 100 && /^[^\p{L}\p{N}]*$/u.test(before)) || NAMES_RECIPIENT.test(before)
    const rest = line.slice(end).replace(/^[>"'\])]*(?:<mailto:[^<>]*>)?[\s>"')\]:;.,…]*/, '')
    return { address, line: at, rest, sure }
  })
}

/** "For further assistance, please send mail to postmaster." */
const ADVICE = /\b(?:contact|assistance|please (?:e-?mail|send|write|forward)|questions|support)\b/i
const NAMES_RECIPIENT =
  /(?:\brcpt to:\s*<?|\b[45]\d\d[ -][^@]*|\b(?:recipients?|address(?:es|ee)?|users?|mailbox|account|to)\b\W*)$/i

/** Which of the addresses in a notice are those that were not reached. */
function addressesAbout(
  hits: readonly Hit[],
  ours: ReadonlySet<string>,
  wanted: readonly string[],
): string[] {
  const others = hits.filter(({ address }) => !ours.has(address) && !isRobotAddress(address))
  const sure = others.filter(hit => hit.sure).map(hit => hit.address)
  const all = [...new Set(others.map(hit => hit.address))]
  const known = (sure.length > 0 ? sure : all).filter(address => wanted.includes(address))
  if (known.length > 0) return known
  if (sure.length > 0) return sure
  if (all.length === 1) return all
  if (wanted.length === 1) return [...wanted]
  // Written to oneself.
  return hits.filter(hit => hit.sure && ours.has(hit.address)).map(hit => hit.address)
}

/** What is said behind the address and in the lines under it; else the first line with a code; else the next paragraph. */
function reasonFor(
  hit: Hit | undefined,
  lines: readonly string[],
  hits: readonly Hit[],
  only: boolean,
): string | null {
  const stop = hits.find(other => hit && other.sure && other.line > hit.line && other.address !== hit.address)
  const own = hit ? oneLine([hit.rest, ...paragraph(lines, hit.line + 1, stop?.line)].join(' ')) : null
  if (own !== null && (CODE.test(own) || REPLY.test(own))) return own
  const coded = codedLine(lines, hit?.line ?? 0)
  if (coded >= 0 && (only || own === null)) return oneLine(paragraph(lines, coded).join(' '))
  if (own !== null || !hit) return own
  const line = oneLine(lines[hit.line]!)!
  // "Unknown user: bob@…": the reason stands before the address.
  if (/\p{L}.*[\s:]/u.test(line.slice(0, line.indexOf('@')))) return line
  const first = lines.findIndex((next, at) => at > hit.line && /\p{L}/u.test(next))
  const next = first < 0 ? [] : paragraph(lines, first)
  // "because:", an empty line, and then why.
  const why = next.at(-1)?.endsWith(':') ? paragraph(lines, first + next.length + 1) : []
  return oneLine([...next, ...why].join(' ')) ?? line
}

/** The first line from here on, else of all, with an SMTP reply, or at least with a code; -1 where there is none. */
function codedLine(lines: readonly string[], from: number): number {
  const both = (line: string) => REPLY.test(line) && CODE.test(line)
  for (const coded of [both, (line: string) => REPLY.test(line), (line: string) => CODE.test(line)]) {
    const behind = lines.findIndex((line, at) => at >= from && coded(line))
    if (behind >= 0) return behind
    const before = lines.findIndex(coded)
    if (before >= 0) return before
  }
  return -1
}

function paragraph(lines: readonly string[], from: number, to = lines.length): string[] {
  const some = lines.slice(from, Math.min(to, from + 12))
  const end = some.findIndex(line => line.trim() === '')
  return end < 0 ? some : some.slice(0, end)
}

function addressesIn(text: string): string[] {
  return [...new Set(spansIn(text.slice(0, 20_000)).map(span => span.address))]
}

/** Addresses and where they stand: what is around each `@`, up to what no address has unquoted. */
function spansIn(text: string): { address: string; start: number; end: number }[] {
  const spans = []
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at
    let end = at + 1
    while (start > 0 && at - start < 64 && !OUTSIDE.test(text[start - 1]!)) start -= 1
    while (end < text.length && end - at < 256 && !OUTSIDE.test(text[end]!)) end += 1
    while (end > at + 1 && /[.\-_]/.test(text[end - 1]!)) end -= 1
    if (start < at && text.slice(at + 1, end).includes('.'))
      spans.push({ address: normaliseAddress(text.slice(start, end)), start, end })
  }
  return spans
}

const OUTSIDE = /[\s<>()[\]{},;:"'`|=\\/@!?*。、，；：（）「」]/

function oneLine(text: string): string | null {
  const line = text.replaceAll(/\s+/g, ' ').trim().slice(0, DIAGNOSTIC_CHARS)
  return line === '' ? null : line
}

/** RFC 2047, each word by itself: good enough to compare with what we sent. */
function decoded(value: string): string {
  return value.slice(0, 2_000).replaceAll(/=\?[^?\s]{1,40}\?[bq]\?[^?\s]*\?=(?:\s+(?==\?))?/gi, word => {
    const [, charset, encoding, text] = /^=\?([^?*]+)[^?]*\?([bq])\?([^?]*)/i.exec(word)!
    try {
      const bytes = encoding!.toLowerCase() === 'b' ? atob(text!) : unquoted(text!)
      return new TextDecoder(charset).decode(Uint8Array.from(bytes, char => char.charCodeAt(0)))
    } catch {
      return word
    }
  })
}

function unquoted(text: string): string {
  return text
    .replaceAll('_', ' ')
    .replaceAll(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function dateOf(value: string): number | null {
  const bare = value
    .slice(0, 100)
    .replaceAll(/\([^()]*\)/g, '')
    .trim()
  if (bare === '') return null
  // Without a zone the machine's own would be taken.
  const zoned = /(?:[+-]\d{2}:?\d{2}|\b[A-Z]{1,4})$/.test(bare) ? bare : `${bare} +0000`
  const date = Date.parse(zoned)
  return Number.isNaN(date) ? null : date
}

// Hard or soft

function judged(told: Omit<ReportedRecipient, 'kind'>): ReportedRecipient {
  return { ...told, kind: kindOf(told) }
}

/** In text only codes of failure count: in the record of a session, 2.x.x stands behind each step that went well. */
const CODE = /(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?!\.?\d)/
const REPLY = /(?:^|[\s'"(<:>])([45][0-5]\d)(?=[\s\-:.#']|$)/

/**
 * Whether mail to this address will fail again. The server calls it permanent (5.x.x) for that mail; for the address it is so
 * only where the address is what is wrong. Read from RFC 3463 §3 and the registry that IANA keeps of later codes:
 *
 *     1  addressing: the recipient's address is hard; 1.5 is a success, 1.7 and 1.8 are about the sender's, 1.9 about a relay
 *     2  mailbox: 2.1, disabled, is hard; full (2.2), too long for it (2.3), its list not expanded (2.4) are of the moment
 *     3  the system, 5 the protocol, 6 the content: of the server or the mail, never of the address
 *     4  the network: 4.4, no route to the domain, is hard, it is what servers say where the name does not exist; the rest passes
 *     7  policy: spam, relaying, authentication, rates; but 7.17 and 7.18 say that the address is somebody else's by now
 *
 * x.y.0 and codes that are not registered (Microsoft's 5.1.351) only say where the trouble is. Then the reply behind the
 * status decides, and what it says; bare 5.0.0 is taken at its word, and so is 5.1.n.
 */
function kindOf({ action, status, diagnostic }: Omit<ReportedRecipient, 'kind'>): ReportedRecipient['kind'] {
  if (action === 'delayed') return 'soft'
  if (action !== 'failed') return 'none'
  const said = diagnostic ?? ''
  const inside = CODE.exec(said)?.[0] ?? null
  const code = status === null || (isVague(status) && inside !== null) ? inside : status
  if (status?.startsWith('4') || code?.startsWith('4')) return 'soft'
  if (code !== null && !isVague(code))
    return HARD.has(code.slice(2)) || refusesAddress(code, said) ? 'hard' : 'soft'
  const reply = REPLY.exec(said)?.[1] ?? ''
  if (reply.startsWith('4') && code === null) return 'soft'
  if (SENDER_WORDS.test(said)) return 'soft'
  if (ADDRESS_WORDS.test(said)) return 'hard'
  if (MOMENT_WORDS.test(said)) return 'soft'
  if (HARD_REPLIES.has(reply)) return 'hard'
  return code !== null && /^5\.[01]\./.test(code) && !SOFT_REPLIES.has(reply) ? 'hard' : 'soft'
}

/** Says the subject and no more. */
function isVague(code: string): boolean {
  const [, subject, detail] = code.split('.').map(Number)
  if (subject === 7 || subject === 6) return false
  return detail === 0 || detail! > (REGISTERED[subject!] ?? -1)
}

/** The last registered detail of each subject (IANA, SMTP Enhanced Status Codes). */
const REGISTERED: Record<number, number> = { 0: 0, 1: 10, 2: 4, 3: 6, 4: 8, 5: 6 }

const HARD = new Set(['1.1', '1.2', '1.3', '1.4', '1.6', '1.10', '2.1', '4.4', '7.17', '7.18'])

/** Exchange Online says 5.4.1 "Recipient address rejected: Access denied" where the organisation has no such address. */
function refusesAddress(code: string, said: string): boolean {
  return code === '5.4.1' && /recipient address rejected/i.test(said)
}

/** RFC 5321 §4.2.3: no such mailbox; RFC 7504: no mail is taken there. 554 says nothing of what failed. */
const HARD_REPLIES = new Set(['521', '550', '551', '553', '556'])
/** Commands and their order, authentication, storage, parameters: between the two servers, or of the moment. */
const SOFT_REPLIES = new Set(['500', '501', '502', '503', '504', '530', '534', '535', '538', '552', '555'])

const SENDER_WORDS = /\bsender|\bmail from\b|\bspf\b|\bdkim\b|\bdmarc\b|not allowed to send|unauthenticated/i
const ADDRESS_WORDS =
  /(?:user|recipient|mailbox|address|account|addressee)(?: name| address)? (?:is )?(?:unknown|not (?:found|known|recogni[sz]ed|listed|exist)|invalid|disabled|frozen|suspended|inactive|unavailable)|(?:unknown|invalid|no such|bad|inactive|disabled|undeliverable|nonexistent) (?:local )?(?:user|recipient|mailbox|address|account|addressee|person|host|domain)|(?:does|do|did)(?: not|n['’]t) (?:exist|have an? .{0,30}account)|no mailbox here|host (?:unknown|not found)|unknown host|domain name not found|nxdomain|not listed in|wasn['’]t found|couldn['’]t be found|unrouteable|is not a registered/i
const MOMENT_WORDS =
  /quota|\bfull\b|exceed|too (?:large|big|long|many)|spam|virus|block(?:ed|list)|black ?list|\brbl\b|dnsbl|reputation|policy|relay|grey ?list|rate limit|denied|not accept|timed? ?out|connect|try again|socket|unavailable|loop|content|not verified|in reply to (?!rcpt)/i
