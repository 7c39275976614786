/**
 * How mail programs introduce what they quote, in any language: by the shape of the line. An attribution names when (a date, a time) and
 * who (an address in brackets), with a few words before, between and after, and ends in a colon; a mail's head is three or more short
 * labelled lines with an address and a date among them. Words of a language (quote-words.ts) are asked only where a person could have
 * written that shape himself. Lines are looked at only to their first few hundred characters, with patterns that cannot run away.
 */
import {
  type Label,
  labelCalled,
  OPENS_WITH_SELF,
  ORIGINAL,
  SPEAKS_OF_SELF,
  saysWrote,
} from './quote-words.ts'

/** Longer lines are paragraphs; what is cut from them cannot make an attribution of them. */
const MOST_CHARS = 600

/** A line as a reader sees it: entities of broken mails, direction marks, wide spaces and foreign digits made plain. */
export function plain(line: string): string {
  const cut = line.length > MOST_CHARS ? line.slice(0, MOST_CHARS) : line
  if (!/[^ -~]|&|\t/.test(cut)) return cut.trim()
  return cut
    .replace(/&(lt|gt|nbsp|quot|amp);/g, (_, name: string) => ENTITIES[name]!)
    .replace(/[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]/g, '')
    .replace(/[\s\u3000]+/g, ' ')
    .replace(/(?![0-9])\p{Nd}+/gu, digits => Array.from(digits, digitOf).join(''))
    .replace(/٫/g, '.')
    .trim()
}

const ENTITIES: Record<string, string> = { lt: '<', gt: '>', nbsp: ' ', quot: '"', amp: '&' }

/** Unicode puts the ten digits of a script in a row that begins at …0, or in the Indic blocks at …6. */
function digitOf(digit: string): number {
  const code = digit.codePointAt(0)!
  const low = code & 15
  return code >= 0x0966 && code < 0x0e00 ? Math.max(0, low - 6) : Math.min(9, low)
}

/** Whether a line could be the last of an attribution: nearly none is, so this is asked first, of the line as it stands. */
export function endsLikeAttribution(line: string): boolean {
  return (
    line.length <= MOST_CHARS &&
    (/[:：﹕︰፡።፦։՝៖−–—>)道-][\s*_"'”|\u200b-\u200f\u202a-\u202e\u2066-\u2069]*$/.test(line.slice(-12)) ||
      /^[\s*_]*\d{4}[-/]\d/.test(line.slice(0, 12)) ||
      /-{2,}\s*$|[.]\s*$/.test(line.slice(-5)) ||
      UNCOLONED.test(line.slice(-16)))
  )
}

const UNCOLONED = /(?:wrote|schrieb|écrit|escribió|scritto|escreveu|작성|[寫写][道到]|yazdı)\s*$/iu

interface Facts {
  words: string[]
  dated: boolean
  timed: boolean
  address: boolean
  /** Where the first of date, time and address stands, how many words before it, and which after the last. */
  first: number
  lead: number
  tail: string[]
}

/** Whether this text, one plain line or a wrapped one put together, introduces a quote. `marked` says that quoted lines follow. */
export function isAttribution(text: string, marked: boolean): boolean {
  if (text.length > 500) return false
  if (!/@|\d/.test(text)) return marked && namesWriter(text)
  const line = text.replace(/^[\s*_>|]+|[\s*_|]+$/g, '').replace(/(?<=[<(]) | (?=[>)])/g, '')
  const dashes = /^-{2,}\s.+\s-{2,}$/.test(line)
  const body = dashes ? line.replace(/^-+\s|\s-+$/g, '') : line
  const colon = /[:：﹕︰፡።፦։՝៖]["'”]?$|[−–—-]$/.test(body.slice(-3))
  const facts = factsOf(body)
  if (!facts.dated && !facts.address && !facts.timed) return false
  const wrote = saysWrote(facts.words)
  const wroteLast = wrote && saysWrote(facts.words.slice(-3))
  if (!colon) {
    if (dashes || wroteLast)
      return facts.dated && (facts.address || dashes || (facts.timed && facts.lead <= 4))
    // Old Gmail: date, name and address without a colon, or with the address lost on the way.
    if (marked && facts.dated && facts.address && /^\d/.test(body)) return body.endsWith('>')
    return /^\d{4}-\d\d-\d\d \d{1,2}:\d\d GMT[+-]\d{1,2}:\d\d(?: \p{Lu}[\p{L}.’'-]*){1,5}$/u.test(body)
  }
  const dateFirst = startsDated(body)
  if (!marked && (SPEAKS_OF_SELF.test(body) || (dateFirst && OPENS_WITH_SELF.test(body)))) return false
  const wroteBefore = wrote && saysWrote(wordsOf(body.slice(0, facts.first)))
  const begins = facts.lead <= (wroteBefore || !dateFirst ? 8 : 4)
  const ends = facts.tail.length <= 8
  if (facts.address && facts.dated) {
    return (begins && ends && (marked || facts.timed || wrote)) || (wroteLast && (marked || begins))
  }
  if (facts.address) return wrote && facts.words.length <= 12 && (wroteLast || (marked && begins))
  if (wrote && facts.dated) {
    if (facts.words.length > 16) return false
    return marked ? wroteLast || begins : facts.timed && begins && ends
  }
  if (wrote) return marked && facts.timed && wroteLast && facts.words.length <= 12
  if (marked && facts.dated && facts.timed && endsInAddress(body)) return facts.lead <= 4
  const set = facts.lead > 0 || /\d[^\d]{0,12}[,،、，]\s?\D*$/.test(body)
  return marked && facts.dated && facts.timed && facts.lead <= 2 && set && namesSomebody(facts.tail)
}

/** "Ada Lin writes:", with a first and a last name: of one word it may be a program ("Windows wrote:"). */
function namesWriter(text: string): boolean {
  const words = text.split(NO_WORD).filter(isWord)
  if (!/[:：]$/.test(text) || words.length > 5 || OPENS_WITH_SELF.test(text) || SPEAKS_OF_SELF.test(text))
    return false
  const names = words.slice(0, -1)
  return (
    names.length >= 2 &&
    names.every(word => /^\p{Lu}/u.test(word)) &&
    saysWrote(words.slice(-1).map(word => word.toLowerCase()))
  )
}

/** The date, a word or two and the bare address (Tuta): "Jun 15, 2023, 15:38 by ada@shop.example:". */
function endsInAddress(body: string): boolean {
  return /\d(?:\D{1,12})?[\s,]\p{L}{1,12}\s[^\s<>()@,;:]{1,80}@[^\s<>()@,;:]{1,80}[:：]$/u.test(body)
}

/** Two words with a capital and no more than two without, or one of a script that has no capitals: a name, and that he wrote. */
function namesSomebody(tail: readonly string[]): boolean {
  const words = tail.filter(word => word.length > 1 || /^\p{Lo}/u.test(word))
  const capital = words.filter(word => /^\p{Lu}/u.test(word)).length
  const small = words.filter(word => /^\p{Ll}/u.test(word)).length
  return words.length <= 5 && small <= 2 && (capital >= 2 || words.some(word => /^\p{Lo}/u.test(word)))
}

function startsDated(body: string): boolean {
  const date = DATE.exec(body)
  return date !== null && date.index <= (ADDRESS.exec(body)?.index ?? body.length)
}

function factsOf(body: string): Facts {
  const found = [DATE, TIME, ADDRESS].map(pattern => pattern.exec(body))
  const [date, time, bracketed] = found
  const words = wordsOf(body)
  const address = bracketed ?? (date && time && saysWrote(words) ? BARE_ADDRESS.exec(body) : null)
  const spans = [date, time, address].flatMap(one =>
    one ? [{ from: one.index, to: one.index + one[0].length }] : [],
  )
  const first = Math.min(body.length, ...spans.map(span => span.from))
  const last = Math.max(0, ...spans.map(span => span.to))
  return {
    words,
    dated: date !== null,
    timed: time !== null,
    address: address !== null,
    first,
    lead: wordsOf(body.slice(0, first)).length,
    tail: body.slice(last).split(NO_WORD).filter(isWord),
  }
}

const NO_WORD = /[\s,،、，;:：()"'“”„«»<>*/[\]]+/

function wordsOf(text: string): string[] {
  return text.toLowerCase().split(NO_WORD).filter(isWord)
}

function isWord(piece: string): boolean {
  return /\p{L}/u.test(piece)
}

const ADDRESS =
  /[<([]{1,2}["']?(?:mailto:)?[^\s<>()[\]@"]{1,80}@[^\s<>()@"]{1,120}(?:<mailto:[^\s<>]{1,120}>)?["']?[>)\]]{0,2}|<\s?mailto:[^<>]{0,80}<?[^\s<>@]{1,80}@[^\s<>@]{1,80}>{0,2}/
const BARE_ADDRESS = /[^\s<>()@,;:]{1,80}@[^\s<>()@,;:]{1,80}\.[^\s<>()@,;:]{2,20}/
const YEAR = '(?:1[34]|19|20|25)\\d\\d(?!\\d)'
const DATE = new RegExp(
  [
    '(?<!\\d)\\d{1,4}[./-] ?\\d{1,2}[./-] ?\\d{2,4}(?![\\d])',
    `(?<![\\d:.])\\d{1,2}(?!\\d|[:h.]\\d\\d(?!\\d|\\.))\\D{1,24}?(?<!\\d)${YEAR}`,
    `(?<!\\d)${YEAR}\\D{1,24}?\\d{1,2}(?!\\d|[:h]\\d)`,
    '\\d{1,2} ?[月월] ?\\d{1,2}',
  ].join('|'),
  'u',
)
const TIME =
  /(?<![\d./]|\d-)\d{1,2}(?:[:h：]| h )\d{2}(?!\d)|(?<![\d./]|\d-)\d{1,2}\.\d{2}(?![\d./-])|\d{1,2}[時点點时]/u

/** The parts of "Label: value", of a table row "| label | value |" too; null where the line has no short label. */
export function labelled(line: string): { label: Label | undefined; value: string } | null {
  if (!/^[\s*_|>&\u200b-\u206f]*\p{L}/u.test(line.slice(0, 40))) return null
  const text = plain(line.slice(0, 300)).replace(/^[\s*_|>]+/, '')
  const parts = LABELLED.exec(text)
  if (parts === null) return null
  const name = parts[1]!.replace(/[*_]/g, '').trim()
  const value = text.slice(parts[0].length).replace(/^[\s*_|]+|[\s*|]+$/g, '')
  return { label: labelCalled(name) ?? labelCalled(name.replaceAll(' ', '')), value }
}

const LABELLED = /^([\p{L}][\p{L}\p{M}'’/. -]{0,29}?)[*_]* ?(?:[:：]|\|)/u

/**
 * Where a mail's head that begins on this line ends; null where there is none. A form that a person filled in has labels too, so sender
 * and subject must be called so in some language, or addresses and a date and time stand where a head has them.
 */
export function headEnd(lines: readonly string[], start: number, ruled: boolean): number | null {
  const kinds = new Set<Label>()
  let count = 0
  let stray = 0
  let addresses = 0
  let dated = false
  let moment = false
  let from = false
  let at = start
  for (; at < lines.length && at < start + 14; at += 1) {
    const line = lines[at]!
    const found = labelled(line)
    if (found !== null) {
      count += 1
      const addressed = isAddressed(found.value)
      if (addressed) addresses += 1
      // "From: 5 May, To: 6 May" is a holiday.
      if (found.label && !(found.label === 'from' && !addressed && DATE.test(found.value)))
        kinds.add(found.label)
      from ||= found.label === 'from' && addressed
      dated ||= found.label === 'sent' ? /\d/.test(found.value) : DATE.test(found.value)
      moment ||= isMoment(found.value)
    } else if (/^[\s>|]*$/.test(line)) {
      if (count > 1 || at > start + 2) break
    } else {
      stray += 1
      if (stray > 2) break
    }
  }
  if (count < 3) return null
  const whole = kinds.has('sent') && kinds.has('to')
  const named =
    kinds.has('from') &&
    (kinds.has('subject')
      ? (kinds.has('sent') || kinds.has('to')) && (addresses > 0 || ruled || (whole && dated))
      : from && whole)
  const shaped = moment && (ruled ? addresses > 0 || count >= 4 : addresses > 1 && count >= 4)
  return named || shaped ? at : null
}

/** Whether a head could begin on this line: its label is known, or an address or a moment stands there, or a rule above. */
export function mayBeginHead(line: string, ruled = false): boolean {
  if (!/[:：|]/.test(line.slice(0, 60))) return false
  const found = labelled(line)
  return (
    found !== null &&
    (ruled || found.label !== undefined || isAddressed(found.value) || isMoment(found.value))
  )
}

function isAddressed(value: string): boolean {
  return /[^\s<>@]@[^\s<>@]/.test(value)
}

function isMoment(value: string): boolean {
  return value.length <= 70 && /\d.*\d/.test(value) && TIME.test(value) && DATE.test(value)
}

/** The words of a divider such as `-----Original Message-----`; null for any other line, a rule without words too. */
export function dividerTitle(line: string): string | null {
  if (line.length > 160) return null
  const text = plain(line)
  if (!/^(?:[*_]{0,2} ?[-_=—─]{2}|\*{3})/.test(text)) return null
  if (!/[-_=—─]{2} ?[*_]{0,2}$|\*{3}$/.test(text.slice(-5))) return null
  const title = text.replace(/[-_=—─*\s]+/g, ' ').trim()
  return title === '' || title.length > 60 ? null : title
}

export function saysOriginal(title: string): boolean {
  return ORIGINAL.test(title)
}

export function isRule(line: string): boolean {
  return line.length < 120 && /^[\s*]*[-_=*—─]{3,}[\s*]*$/.test(line)
}
