/**
 * What the writer newly said, without the mail he answers. A view only: the whole body stays stored, and the view of a
 * mail that has text is never empty. Losing a customer's words is worse than showing a quote twice, so whatever is in
 * doubt is kept: forwarded mail, answers between or under the quoted lines, `>` lines that nobody is named for.
 *
 * Quotes are known by their shape: a line with a date, an address and a colon; labelled lines that name sender and
 * subject; a divider that says "original message". Every line is looked at a bounded number of times, and only its
 * first few hundred characters, so that a body of a megabyte takes milliseconds.
 */
export interface NewText {
  content: string
  /** What the view hides: the quote, and the signature before it. */
  rest: string
  /** Nothing new was said (F9); `content` is the whole text then, and nothing in it is to be answered. */
  onlyQuote: boolean
}

/** Nobody types more before a quote; past it everything is kept as it is. */
const MOST_LINES = 10_000

export function newText(text: string): NewText {
  const lines = (text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text).split('\n')
  const found = findQuote(lines)
  const quote = found === 'forward' ? null : found
  const keepsAll = quote === null || answered(lines, quote)
  const end = signatureStart(lines, keepsAll ? lines.length : quote.start)
  const content = joined(lines, 0, end)
  if (content !== '' && (found === 'forward' || !onlyQuoted(lines, end))) {
    return { content, rest: joined(lines, end, lines.length), onlyQuote: false }
  }
  const whole = joined(lines, 0, lines.length)
  return { content: whole, rest: '', onlyQuote: whole !== '' && (quote === null || !keepsAll) }
}

interface Quote {
  /** The first line that belongs to the quote, its attribution or divider included. */
  start: number
  /** The first line of the quoted text itself. */
  body: number
}

/** The first quote, or that a forwarded mail comes before any: that is what the writer sends (F1). */
function findQuote(lines: readonly string[]): Quote | 'forward' | null {
  let quotedBefore = false
  let labelledBefore = false
  let looked = 0
  for (let at = 0; at < lines.length && looked < MOST_LINES; at += 1) {
    const line = lines[at]!
    if (line.length === 0) continue
    looked += 1
    const quoted = isQuoted(line) && !closesAddress(lines, at)
    if (quoted && quotedBefore) continue
    const bare = quoted ? unquoted(line) : trimmed(line)
    if (bare === '') continue
    if (isForward(bare)) return 'forward'
    const found = quoted ? quotedBlock(lines, at) : attributionAt(lines, at, bare)
    if (found !== null) return found
    const labelled = labelOf(bare) !== undefined
    if (labelled && !labelledBefore) {
      const body = headerBlock(lines, at)
      if (body !== null) return { start: withDivider(lines, at), body }
    }
    if (isDivider(lines, at, bare)) return { start: at, body: at + 1 }
    quotedBefore = quoted
    labelledBefore = labelled
  }
  return null
}

/** A block of `>` lines is a quote where its own first lines say whose words it has (webmail quotes the attribution too). */
function quotedBlock(lines: readonly string[], start: number): Quote | null {
  const block: string[] = []
  for (let at = start; at < lines.length && block.length < 8 && isQuoted(lines[at]!); at += 1)
    block.push(unquoted(lines[at]!))
  const first = block.findIndex(line => line !== '')
  if (block.some(isForward)) return null
  for (let end = first; end < Math.min(first + 4, block.length); end += 1) {
    if (isAttribution(block.slice(first, end + 1).join(' '), true)) return { start, body: start }
  }
  return headerBlock(block, first) === null ? null : { start, body: start }
}

/** Whether an attribution ends on this line. It may be wrapped over up to four lines (F6), and must begin like one. */
function attributionAt(lines: readonly string[], end: number, bare: string): Quote | null {
  if (bare.length > 300 || !(/[:：]$|[:：][*_]+$|-{2,}$|道$|>$/.test(bare) || FULL_LINE.test(bare)))
    return null
  const next = nextText(lines, end + 1)
  const before = next < lines.length && /^\s*[>|]/.test(lines[next]!)
  const whole: string[] = []
  let found: Quote | null = null
  for (let at = end; at >= 0 && at > end - 4; at -= 1) {
    const line = trimmed(lines[at]!)
    if (line === '' || line.length > 300 || (at < end && isQuoted(lines[at]!) && !closesAddress(lines, at)))
      break
    whole.unshift(line)
    const text = whole.join(' ')
    if (at < end && !startsAttribution(line)) continue
    if (!isAttribution(text, before)) continue
    found = { start: at, body: end + 1 }
    // Without its date it may be the lower half of a wrapped line.
    if (hasDate(text)) break
  }
  return found
}

function isAttribution(line: string, quoteFollows: boolean): boolean {
  if (line.length > 500) return false
  const text = line
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll(/[\u200e\u200f\u202a-\u202e]|(?<=<) | (?=>)/g, '')
  const address = /[<(["'][^\s<>@]*:?[^\s<>@]+@[^\s<>@]+>?|<\s*mailto:/.test(text)
  const dated = hasDate(text)
  if (!/(?:[:：]|-{2,}|写道|寫道)[\s*_]*$/.test(text)) {
    // Old Gmail: the date, the name and the address, and no colon; only with a quote under it.
    return quoteFollows && dated && address && /^[\d*_]/.test(text) && />[\s*_]*$/.test(text)
  }
  const verb = WROTE.test(text)
  const verbLast = WROTE_LAST.test(text)
  const timed = /\d{1,2}[:.h]\d{2}|\d時|\d点|\d點/.test(text)
  if (FIRST_PERSON.test(text) && !quoteFollows) return false
  if (address && dated) return quoteFollows || startsAttribution(text) || verbLast
  if (address && verb) return verbLast
  return (
    verb &&
    (dated || timed) &&
    (quoteFollows ? verbLast || startsAttribution(text) : verbLast && startsAttribution(text))
  )
}

/** Attributions begin with the date, after a word or two at most ("On", "W dniu"), or with the name and the address. */
function startsAttribution(line: string): boolean {
  return OPENING.test(line) || /^["'“„«*]*[^<>@:?!]{1,60}["'”“»*]*\s*<[^\s<>]+@[^\s<>]+>/.test(line)
}

function hasDate(text: string): boolean {
  return /\b\d{1,4}[./-]\d{1,2}[./-]\d{2,4}\b|\b(?:19|20)\d\d\b.*\d|\d.*\b(?:19|20)\d\d(?!\d)|\d{1,2}\s?[月월]\s?\d{1,2}/u.test(
    text,
  )
}

/** Three labelled lines or more, the sender's and the subject's among them. A form ("From: London, To: Paris") is none. */
function headerBlock(lines: readonly string[], start: number): number | null {
  const kinds = new Set<string>()
  let labelled = 0
  let stray = 0
  let address = false
  let at = start
  for (; at < lines.length && at < start + 14; at += 1) {
    const line = isQuoted(lines[at]!) ? unquoted(lines[at]!) : trimmed(lines[at]!)
    const kind = labelOf(line)
    if (kind !== undefined) {
      labelled += 1
      kinds.add(kind)
      address ||= kind === 'from' && line.includes('@')
    } else if (line === '') {
      if (labelled > 1 || at > start + 2) break
    } else if (/^[*_]{0,2}[\p{L} -]{2,25}[:：]/u.test(line)) {
      labelled += 1
    } else {
      stray += 1
      if (stray > 2) break
    }
  }
  if (labelled < 3 || !kinds.has('from') || !(kinds.has('to') || kinds.has('sent'))) return null
  return kinds.has('subject') || (address && kinds.has('sent') && kinds.has('to')) ? at : null
}

/** A rule (`____`) or a line that says "original message" above the labelled lines belongs to the quote. */
function withDivider(lines: readonly string[], start: number): number {
  for (let at = start - 1; at >= 0 && at >= start - 3; at -= 1) {
    const line = trimmed(lines[at]!)
    if (line === '') continue
    return /^[-_=*—─]{3,}$/.test(line) || (line.length < 80 && ORIGINAL.test(line)) ? at : start
  }
  return start
}

/** `-----Original Message-----`, whatever the language where it is one we know, or where sender and subject follow. */
function isDivider(lines: readonly string[], at: number, bare: string): boolean {
  if (bare.length > 120 || !/^[*_]{0,2}\s*[-_=—─]{2,}[^\n]{2,}?[-_=—─]{2,}\s*[*_]{0,2}$/.test(bare))
    return false
  const title = bare.replaceAll(/[-_=—─*]/g, ' ').trim()
  if (title === '' || title.length > 60) return false
  if (ORIGINAL.test(title)) return true
  const next = nextText(lines, at + 1)
  return (
    next < lines.length && labelOf(trimmed(lines[next]!)) !== undefined && headerBlock(lines, next) !== null
  )
}

function isForward(bare: string): boolean {
  return bare.length < 120 && FORWARDED.test(bare)
}

function labelOf(line: string): string | undefined {
  const colon = line.slice(0, 40).search(/[:：]/)
  if (colon < 1) return undefined
  return LABELS.get(
    line
      .slice(0, colon)
      .replaceAll(/[*_\s]+/g, ' ')
      .trim()
      .toLowerCase(),
  )
}

/** Text under or between the quoted lines: an answer to them (F2). Under an unmarked quote nobody can tell. */
function answered(lines: readonly string[], quote: Quote): boolean {
  const first = nextText(lines, quote.body)
  const marked = first < lines.length && /^\s*[>|]/.test(lines[first]!)
  // Nothing above, and the text below unmarked: a quote without marks, unless marked lines follow that are answered.
  const from = marked
    ? first
    : quote.start === nextText(lines, 0)
      ? nextMarked(lines, quote.body)
      : lines.length
  const end = signatureStart(lines, lines.length)
  for (let at = from; at < end; at += 1) {
    const line = lines[at]!
    if (
      line.length > 0 &&
      !/^\s*(?:$|[>|])/.test(line) &&
      !/^[\s\p{P}\p{S}]*$/u.test(line.slice(0, 200)) &&
      !isWrapped(lines, at)
    )
      return true
  }
  return false
}

/** The end of a quoted attribution that the sending client broke without marking it. */
function isWrapped(lines: readonly string[], at: number): boolean {
  return at > 0 && isQuoted(lines[at - 1]!) && lines[at]!.length < 80 && WROTE_LAST.test(lines[at]!)
}

function nextMarked(lines: readonly string[], from: number): number {
  let at = from
  while (at < lines.length && !isQuoted(lines[at]!)) at += 1
  return at
}

function onlyQuoted(lines: readonly string[], end: number): boolean {
  for (let at = 0; at < end; at += 1) {
    const line = lines[at]!
    if (line.length > 0 && !/^\s*(?:$|>)/.test(line)) return false
  }
  return true
}

/** Where the signature begins (F10): after the last `-- ` (RFC 3676 §4.3), or with what a phone adds of itself. */
function signatureStart(lines: readonly string[], from: number): number {
  let end = lastText(lines, from)
  let texts = 0
  let talks = false
  for (let at = end - 1; at >= 0 && texts <= 12; at -= 1) {
    const line = lines[at]!
    if (/^(?:--|—)\s?$/.test(line.slice(0, 8))) {
      // Without its blank it may also part two paragraphs, and those ask or run on as no signature does.
      if (line.startsWith('-- ') || (texts <= 6 && !talks)) end = lastText(lines, at)
      break
    }
    if (isQuoted(line)) break
    if (line.trim() !== '') texts += 1
    talks ||= line.length > 100 || /[?？]\s*$/.test(line.slice(-5))
  }
  while (end > 0 && lines[end - 1]!.length <= 140 && DEVICE.test(lines[end - 1]!.trim()))
    end = lastText(lines, end - 1)
  return end === lastText(lines, from) ? from : end
}

function lastText(lines: readonly string[], end: number): number {
  let at = end
  while (at > 0 && lines[at - 1]!.trim() === '') at -= 1
  return at
}

function nextText(lines: readonly string[], from: number): number {
  let at = from
  while (at < lines.length && lines[at]!.trim() === '') at += 1
  return at
}

/** `>:` or `> wrote:` under a line with an open `<` is the end of a wrapped address, not a quoted line. */
function closesAddress(lines: readonly string[], at: number): boolean {
  const line = lines[at]!
  if (at === 0 || line.length > 40 || !/^>[^>]*[:：]\s*$/.test(line)) return false
  const before = lines[at - 1]!.slice(-200)
  return !isQuoted(lines[at - 1]!) && before.lastIndexOf('<') > before.lastIndexOf('>')
}

/** Without blank lines around, and with the indentation of the first line. */
function joined(lines: readonly string[], from: number, to: number): string {
  const end = lastText(lines, to)
  return lines
    .slice(Math.min(nextText(lines, from), end), end)
    .join('\n')
    .trimEnd()
}

function isQuoted(line: string): boolean {
  return /^\s{0,4}>/.test(line)
}

function unquoted(line: string): string {
  return trimmed(line.slice(0, 600).replace(/^[\s>]+/, ''))
}

/** Longer lines are paragraphs; what is cut from them cannot make an attribution of them. */
function trimmed(line: string): string {
  return line.length > 600 ? line.slice(0, 600) : line.trim()
}

const WROTE_WORDS = [
  'wrote|writes|written|schrieb|geschrieben|a écrit|écrivait|escribió|escribio|ha escrito|ha scritto|scrive|scriveva|schreef|geschreven|heeft geschreven',
  'escreveu|napisał(?:\\(a\\))?|napisała|pisze|писал(?:\\(а\\))?|писала|написал(?:\\(а\\))?|написала|пишет|написав|написала|написав\\(ла\\)|пише|писав',
  'skrev|skrev följande|følgende|kirjoitti|napsal(?:\\(a\\))?|napísal|írta|yazdı|a scris|έγραψε|написа|đã viết|viết|menulis|kirjutas|rašė|rakstīja|je napisao|כתב|كتب|เขียน',
  '寫道|写道|写到|书写|書きました|のメール|님이 작성|작성|씀|님께서',
].join('|')
const WROTE = new RegExp(`(?:^|[^\\p{L}])(?:${WROTE_WORDS})|(?:寫道|写道|書きました|작성)`, 'iu')
const WROTE_LAST = new RegExp(
  `(?:${WROTE_WORDS})(?:\\s*\\([^()]{1,4}\\))?[\\s*_]*(?:[:：][\\s*_]*|-{2,}\\s*)?$`,
  'iu',
)
const FIRST_PERSON =
  /^(?:i|we|you|as|what|this is what|here|my|ich|wir|je|nous|yo|io|ik|eu|ja|я|jag|jeg|我)\s/iu
const OPENING =
  /^[-\s*_"']*(?:\p{L}{1,8}[.,]?\s{1,2}){0,2}(?:\p{L}{2,14}[.,]{0,2}\s(?:den\s|de\s)?)?(?:\d{1,4}[\s./,年년月-]|\p{L}{3,12}\.?\s\d{1,2},)/u
const FULL_LINE = /^\d{1,4}[./年-].*[>\p{L}]$/u

/** Labels of the lines with which mail programs put a mail's head above its quote. Lower-case. */
const LABELS = new Map<string, string>(
  Object.entries({
    from: 'from|von|de|da|van|od|от|від|från|fra|lähettäjä|mittente|remitente|expéditeur|afzender|kimden|gönderen|feladó|de la|από|寄件者|寄件人|发件人|發件人|差出人|送信者|from/寄件者|보낸 사람|보낸사람|발신|發信人|发信人|nadawca|отправитель|odesílatel|från/from|người gửi|từ|dari',
    sent: 'sent|date|gesendet|datum|envoyé|date d’envoi|enviado|enviado el|enviado em|enviada em|data|fecha|inviato|verzonden|wysłano|отправлено|дата|надіслано|skickat|sendt|dato|lähetetty|päivämäärä|päiväys|odesláno|gönderildi|tarih|elküldve|寄件日期|傳送日期|發送時間|发送时间|发送日期|日期|時間|时间|送信日時|送信日|日時|日付|보낸 날짜|날짜|보낸날짜|ngày|đã gửi',
    to: 'to|an|à|a|para|aan|do|dla|кому|til|till|vastaanottaja|komu|kime|címzett|către|προς|收件者|收件人|宛先|받는 사람|받는사람|수신|destinatario|destinataire|adresat|đến',
    subject:
      'subject|betreff|objet|asunto|assunto|oggetto|onderwerp|temat|тема|ämne|emne|aihe|předmět|konu|tárgy|subiect|θέμα|主旨|主题|主題|件名|標題|标题|제목|chủ đề|predmet',
    cc: 'cc|bcc|kopie|copie|副本|抄送|密件副本|참조|копия|kopia|kopi',
  }).flatMap(([kind, labels]) => labels.split('|').map((label): [string, string] => [label, kind])),
)

const ORIGINAL =
  /original (?:message|appointment|e-?mail)|urspr[uü]nglich|originalnachricht|original-nachricht|message d['’ ]origine|message original|mensaje original|messaggio originale|oorspronkelijk|origineel bericht|mensagem original|oryginaln|wiadomość oryginalna|исходное сообщение|оригинал|вихідне повідомлення|оригінальн|ursprungligt|originalmeddel|opprinnelig melding|oprindelig|alkuperäinen viesti|původní zpráva|eredeti üzenet|orijinal|mesajul original|thư gốc|原始邮件|原始郵件|原邮件|原郵件|原始訊息|原信|元のメッセージ|원본 ?메(?:시|세)지|원본 ?메일/iu

const FORWARDED =
  /^[-_=*>\s]*(?:(?:begin |start of )?forwarded (?:message|mail|e-?mail|by)|(?:anfang der )?weitergeleitete|(?:début du )?message (?:transféré|réexpédié)|(?:inicio del )?mensaje reenviado|(?:inizio )?messaggio inoltrato|doorgestuurd bericht|begin doorgestuurd|(?:início da )?mensagem (?:encaminhada|reencaminhada)|(?:początek )?(?:przekazan|wiadomość przekazan)|пересылаем|пересланн|начало переад|переслане|vidarebefordra|videresend|välitetty|edelleenlähetetty|přeposlan|továbbított|iletilen|mesaj redirecționat|转发的?(?:邮件|信息)|轉寄的?(?:郵件|訊息)|開始轉寄|轉寄郵件|转发邮件|開始轉寄的郵件|転送(?:された)?メッセージ|---\s*転送|전달된 메(?:시|세)지)/iu

const DEVICE =
  /^[([<*_]{0,3}(?:sent (?:from|via|with|by|using) (?:my\b|a\b|the\b|mobile|mail\b|\[mail|mailbox|outlook|yahoo|windows|proton|samsung|galaxy|gmail|airmail|iphone|ipad|android|blackberry|spark|superhuman|aol|workspace)|from my \p{L}+|get (?:\[)?outlook for|envoyé (?:de|depuis|à partir de) (?:mon|ma|mail|outlook|yahoo)|télécharger outlook|von mein(?:em|er) .{0,40}gesendet|gesendet (?:von|mit|aus)|diese nachricht wurde von mein|enviado (?:desde|do|de|a partir d[eo]) (?:mi|meu|min|mail|correo|outlook|yahoo|samsung|iphone)|inviato (?:da|dal) (?:mio|iphone|ipad|mail|outlook|yahoo|smartphone|libero)|verzonden (?:met|vanaf|via|vanuit)|verstuurd vanaf|wysłan[eo] z|отправлено (?:с|из)|надіслано з|skickat från m|skickades från|sendt fra m|lähetetty \p{L}+(?:sta|stä|lta|ltä)|odesláno z|從我的 ?.{1,30}傳送|从我的 ?.{1,30}发送|[发發]自我的|(?:iphone|ipad|android|スマートフォン).{0,10}から送信|나의 .{1,20}에서 보냄)[^?？]*$/iu
