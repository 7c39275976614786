/**
 * What the writer newly said, without the mail he answers. A view only: the whole body stays stored, and the view of a
 * mail that has text is never empty. Losing a customer's words is worse than showing a quote twice, so whatever is in
 * doubt is kept: forwarded mail, answers between or under the quoted lines, `>` lines that nobody is named for.
 *
 * Quotes are known by their shape (attribution.ts), and in HTML by the marks of the mail programs (html.ts). Every line
 * is looked at a bounded number of times, and only its first few hundred characters, so that a body of a megabyte takes
 * milliseconds.
 */
import {
  dividerTitle,
  endsLikeAttribution,
  headEnd,
  isAttribution,
  isRule,
  mayBeginHead,
  plain,
  saysOriginal,
} from './attribution.ts'
import { FORWARDED, namesDevice, OPENS_WITH_SELF } from './quote-words.ts'

export interface NewText {
  content: string
  /** What the view hides: the quote, and the signature before it. */
  rest: string
  /** Nothing new was said (F9); `content` is the whole text then, and nothing in it is to be answered. */
  onlyQuote: boolean
}

/** Stands, unseen, before the first line of what the markup of an HTML mail says is a quote. */
export const QUOTE_BEGINS = '\u2063'

/** Nobody types more before a quote; past it everything is kept as it is. */
const MOST_LINES = 10_000
/** Nor as much of what looks like an attribution to its end and is none. */
const MOST_LOOKED_AT = 300_000

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

type Found = Quote | 'forward' | null

/** The first quote, or that a forwarded mail comes before any: that is what the writer sends (F1). */
function findQuote(lines: readonly string[]): Found {
  let quotedBefore = false
  let headBefore = false
  let ruledBefore = false
  let looked = 0
  const left = { chars: MOST_LOOKED_AT }
  for (let at = 0; at < lines.length && looked < MOST_LINES; at += 1) {
    const line = lines[at]!
    if (isBlank(line)) continue
    looked += 1
    const quoted = isQuoted(line) && !closesAddress(lines, at)
    if (quoted && quotedBefore) continue
    const mayHead = !quoted && mayBeginHead(line, ruledBefore)
    const found = quoted
      ? quotedBlock(lines, at)
      : (dividedAt(lines, at) ??
        attributionAt(lines, at, left) ??
        (mayHead && !headBefore ? headAt(lines, at) : null))
    if (found !== null) return found
    if (line.slice(0, 60).includes(QUOTE_BEGINS)) return { start: at, body: quoted ? at : at + 1 }
    quotedBefore = quoted
    headBefore = mayHead
    ruledBefore = isRule(line)
  }
  return null
}

/** A block of `>` lines is a quote where its own first lines say whose words it has (webmail quotes the attribution too). */
function quotedBlock(lines: readonly string[], start: number): Found {
  const block: string[] = []
  for (let at = start; at < lines.length && block.length < 20 && isQuoted(lines[at]!); at += 1)
    block.push(unquoted(lines[at]!))
  const first = block.findIndex(line => line !== '')
  if (first < 0) return null
  const quote = { start, body: start }
  for (let at = first; at < Math.min(first + 4, block.length); at += 1) {
    if (isForward(block[at]!)) return 'forward'
    if (isAttribution(block.slice(first, at + 1).join(' '), true)) return quote
    const title = dividerTitle(block[at]!)
    if (title !== null && saysOriginal(title)) return quote
    if (mayBeginHead(block[at]!) && headEnd(block, at, false) !== null) {
      return at > first && introduces(block[at - 1]! || block[at - 2]!) ? 'forward' : quote
    }
  }
  return null
}

/** "Begin forwarded message:" in a language that nobody listed: a few words and a colon above a mail's head. */
function introduces(line: string | undefined): boolean {
  return line !== undefined && line.length < 80 && /[:：]$/.test(line) && !/\d|@/.test(line)
}

/** A divider with words: a forwarded mail, or an original message, or in a language we know neither of, what follows tells. */
function dividedAt(lines: readonly string[], at: number): Found {
  const line = lines[at]!
  if (line.length > 200) return null
  if (isForward(line)) return 'forward'
  const title = dividerTitle(line)
  if (title === null) return null
  const next = nextText(lines, at + 1)
  const end = next < lines.length && mayBeginHead(lines[next]!) ? headEnd(lines, next, true) : null
  if (saysOriginal(title)) return { start: at, body: end ?? at + 1 }
  if (end === null) return null
  // Gmail and Apple put 8 to 10 dashes above what they forward, old Outlook 5 without blanks, QQ 18 above what they quote.
  return /^\s*(?:-{5}[^-\s]|-{15})/.test(line) ? { start: at, body: end } : 'forward'
}

/** Whether an attribution ends on this line. It may be wrapped over up to four lines (F6), and must begin like one. */
function attributionAt(lines: readonly string[], end: number, left: { chars: number }): Quote | null {
  if (left.chars < 0 || !endsLikeAttribution(lines[end]!)) return null
  const next = nextText(lines, end + 1)
  const marked = next < lines.length && isMarked(lines[next]!)
  let found: { start: number; text: string } | null = null
  let whole = ''
  let taken = 0
  for (let at = end; at >= 0 && taken < 4; at -= 1) {
    const line = lines[at]!
    if (isBlank(line) && /^(?:<|mailto:)/.test(whole)) continue
    if (isBlank(line) || line.length > 300 || (at < end && isQuoted(line) && !closesAddress(lines, at))) break
    const bare = plain(line)
    whole = whole === '' ? bare : `${bare} ${whole}`
    taken += 1
    left.chars -= whole.length
    if (at < end && (!/[\d@<]/.test(bare) || (found !== null && !beginsWrapped(bare, lines[at + 1]!))))
      continue
    if (!isAttribution(whole, marked) || (at < end && !DATED.test(whole))) continue
    found = { start: at, text: whole }
    // Without its date it may be the lower half of a wrapped line.
    if (DATED.test(whole)) break
  }
  if (found === null) return null
  return { start: withTitle(lines, withName(lines, found)), body: end + 1 }
}

const DATED = /\d[./-] ?\d{1,2}[./-]|(?:1[34]|19|20|25)\d\d(?!\d)|\d ?[月월]/

/**
 * Whether a line can be the upper half of an attribution whose lower half could stand alone: it breaks off, or is as long as a line gets
 * or what follows begins in the middle, and it begins with the date, after a word or three.
 */
function beginsWrapped(bare: string, below: string): boolean {
  return (
    (bare.length >= 30 || /[,<]$/.test(bare) || /^\s*[<(\p{Ll}]/u.test(below)) &&
    /\d/.test(bare.split(' ', 4).join(' ')) &&
    !OPENS_WITH_SELF.test(bare)
  )
}

/** The line with the name, where a client broke the attribution behind it: what is left begins in the middle. */
function withName(lines: readonly string[], found: { start: number; text: string }): number {
  const { start, text } = found
  if (start === 0) return start
  const above = plain(lines[start - 1]!)
  if (above === '' || above.length > 80 || isQuoted(above) || /[.!?:。！？：]$/.test(above)) return start
  const named = !text.includes('@') && /@[^\s<>]+[>)]$/.test(above) && /^(?:\p{Ll}|\(|[於于在に])/u.test(text)
  return named || (/^\(?<?[^\s<>()]+@/.test(text) && above.split(' ').length <= 8) ? start - 1 : start
}

/** A divider with words above an attribution (Proton) belongs to the quote. */
function withTitle(lines: readonly string[], start: number): number {
  let at = start - 1
  while (at > start - 3 && at >= 0 && isBlank(lines[at]!)) at -= 1
  return at >= 0 && dividerTitle(lines[at]!) !== null ? at : start
}

/** A mail's head, with the rule (`____`) above it. */
function headAt(lines: readonly string[], at: number): Quote | null {
  let above = at - 1
  while (above > at - 4 && above >= 0 && isBlank(lines[above]!)) above -= 1
  const ruled = above >= 0 && isRule(lines[above]!)
  const body = headEnd(lines, at, ruled)
  return body === null ? null : { start: ruled ? above : at, body }
}

function isForward(line: string): boolean {
  if (line.length > 160) return false
  const bare = plain(line)
  return /^[-_=*>\s]{2}|[:：]\s*[*_]*$/.test(bare) && FORWARDED.test(bare)
}

/** Text under or between the quoted lines: an answer to them (F2). Under an unmarked quote nobody can tell. */
function answered(lines: readonly string[], quote: Quote): boolean {
  const first = nextText(lines, quote.body)
  const marked = first < lines.length && isMarked(lines[first]!)
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
      !isBlank(line) &&
      !isMarked(line) &&
      !/^[\s\p{P}\p{S}]*$/u.test(line.slice(0, 200)) &&
      !isWrapped(lines, at)
    )
      return true
  }
  return false
}

/** The end of a quoted attribution that the sending client broke without marking it. */
function isWrapped(lines: readonly string[], at: number): boolean {
  const line = lines[at]!
  if (at === 0 || line.length > 80 || !isQuoted(lines[at - 1]!) || !endsLikeAttribution(line)) return false
  return isAttribution(`${unquoted(lines[at - 1]!)} ${plain(line)}`, true)
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
    if (!isBlank(line)) texts += 1
    talks ||= line.length > 100 || /[?？]\s*$/.test(line.slice(-5))
  }
  while (end > 0 && lines[end - 1]!.length <= 140 && namesDevice(lines[end - 1]!))
    end = lastText(lines, end - 1)
  return end === lastText(lines, from) ? from : end
}

function lastText(lines: readonly string[], end: number): number {
  let at = end
  while (at > 0 && isBlank(lines[at - 1]!)) at -= 1
  return at
}

function nextText(lines: readonly string[], from: number): number {
  let at = from
  while (at < lines.length && isBlank(lines[at]!)) at += 1
  return at
}

/** `>:` or `> wrote:` under lines with an open `<` is the end of a wrapped address, not a quoted line. */
function closesAddress(lines: readonly string[], at: number): boolean {
  const line = lines[at]!
  if (at === 0 || line.length > 40 || !/^>[^>]*[:：]\s*$/.test(line)) return false
  let open = 0
  for (let above = at - 1; above >= 0 && above > at - 4 && !isBlank(lines[above]!); above -= 1) {
    if (isQuoted(lines[above]!)) return false
    for (const sign of lines[above]!.slice(-200)) open += sign === '<' ? 1 : sign === '>' ? -1 : 0
    if (open > 0) return true
  }
  return false
}

/** Without blank lines around, and with the indentation of the first line. */
function joined(lines: readonly string[], from: number, to: number): string {
  const end = lastText(lines, to)
  const text = lines
    .slice(Math.min(nextText(lines, from), end), end)
    .join('\n')
    .trimEnd()
  return text.includes(QUOTE_BEGINS) ? text.replaceAll(QUOTE_BEGINS, '') : text
}

function isBlank(line: string): boolean {
  return line.length === 0 || !/[^\s\u2063]/.test(line)
}

function isQuoted(line: string): boolean {
  return /^\s{0,4}>/.test(line)
}

/** Quoted by a sign, or by the writer's name as some old programs do ("Ada> Hello"). */
function isMarked(line: string): boolean {
  return /^\s{0,8}(?:[>|]|\p{L}[\p{L}\d]{0,11}>)/u.test(line)
}

function unquoted(line: string): string {
  return plain(line.slice(0, 600).replace(/^[\s>]+/, ''))
}
