/**
 * The Date of a mail (RFC 5322 §3.3 and its obsolete forms, §4.3) in ms; null where it is none. The weekday is not looked at,
 * comments are passed over, a zone that nobody knows is UTC, and so is none: the engine's own parser would take the zone of the
 * machine.
 */
export function dateOf(value: string): number | null {
  const text = withoutComments(value.slice(0, 200)).replace(/\s+/g, ' ').replace(/ ?: ?/g, ':')
  const found = DAY_FIRST.exec(text) ?? MONTH_FIRST.exec(text)
  if (!found) return isoDate(text)
  const { day, month, year, hour, minute, second, zone } = found.groups!
  const at = Date.UTC(
    yearOf(year!),
    MONTHS.indexOf(month!.toLowerCase()),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second ?? 0),
  )
  const fits =
    Number(day) >= 1 &&
    Number(day) <= 31 &&
    Number(hour) <= 24 &&
    Number(minute) <= 59 &&
    Number(second ?? 0) <= 60
  return fits && Number.isFinite(at) ? at - offsetOf(zone ?? '') : null
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const MONTH = `(?<month>${MONTHS.join('|')})[a-z]{0,6}\\.?`
const TIME = '(?<hour>\\d{1,2})[:.](?<minute>\\d{2})(?:[:.](?<second>\\d{2})(?:\\.\\d{1,9})?)?'
const ZONE = '(?<zone>[+-]\\d{2}:?\\d{2}|[a-z]{1,5}(?![a-z]))?'

/** Tue, 7 Apr 2026 10:00:01 +0800 */
const DAY_FIRST = new RegExp(
  `(?<!\\d)(?<day>\\d{1,2})[ \\t-]{1,9}${MONTH}[ \\t,-]{1,9}(?<year>\\d{2,4})[ \\t,]{1,9}${TIME}\\s{0,9}${ZONE}`,
  'i',
)
/** Tue Apr  7 10:00:01 2026, as ctime writes it */
const MONTH_FIRST = new RegExp(
  `${MONTH}[ \\t]{1,9}(?<day>\\d{1,2}),?[ \\t]{1,9}${TIME}[ \\t]{1,9}(?:${ZONE}[ \\t]{1,9})?(?<year>\\d{4})`,
  'i',
)

function isoDate(text: string): number | null {
  const found = /\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?/i.exec(
    text,
  )
  if (!found) return null
  const at = Date.parse(
    found[1] || found[0].length === 10 ? found[0].replace(' ', 'T') : `${found[0].replace(' ', 'T')}Z`,
  )
  return Number.isNaN(at) ? null : at
}

/** RFC 5322 §4.3: two digits up to 49 are of this century, three count from 1900. */
function yearOf(digits: string): number {
  const year = Number(digits)
  if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year
  return digits.length === 3 ? 1900 + year : year
}

/** Hours from UTC of the zones that RFC 5322 §4.3 names; the military ones say nothing. */
const ZONES: Record<string, number> = {
  edt: -4,
  est: -5,
  cdt: -5,
  cst: -6,
  mdt: -6,
  mst: -7,
  pdt: -7,
  pst: -8,
}

function offsetOf(zone: string): number {
  const digits = /^([+-])(\d{2}):?(\d{2})$/.exec(zone)
  const minutes = digits
    ? (digits[1] === '-' ? -1 : 1) * (Number(digits[2]) * 60 + Number(digits[3]))
    : (ZONES[zone.toLowerCase()] ?? 0) * 60
  return minutes * 60_000
}

function withoutComments(value: string): string {
  let text = ''
  let depth = 0
  for (const sign of value) {
    if (sign === '(') depth++
    else if (sign === ')') depth = Math.max(0, depth - 1)
    else if (depth === 0) text += sign
  }
  return text
}
