/**
 * Reply hours: the windows of a week in which an inbox answers by itself, by the wall clock of its own zone. Days are ISO (1 Monday …
 * 7 Sunday), times `HH:MM`; a window whose end is not after its start goes on into the next day, and `00:00`–`00:00` is a whole day.
 * Daylight saving needs no care: only the wall clock at one moment is asked for.
 */
export interface ReplyHours {
  answer: 'inside' | 'outside'
  windows: { days: number[]; from: string; to: string }[]
  /** Said once in the other case; null says nothing. */
  text: string | null
}

/** The wall clock at a moment: ISO day of the week, and minutes since midnight. */
export interface WallClock {
  day: number
  minute: number
}

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

export function wallClock(at: number, timeZone: string): WallClock {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(new Date(at))
  const part = (type: string) => parts.find(one => one.type === type)?.value ?? ''
  return {
    day: DAYS.indexOf(part('weekday')) + 1,
    minute: Number(part('hour')) * 60 + Number(part('minute')),
  }
}

/** `Tuesday 14:05`, as an assistant is told it. */
export function spokenTime(at: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'long',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(new Date(at))
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    // Offsets such as +08:00 pass too, but know no daylight saving.
    return /^[A-Za-z]/.test(name)
  } catch {
    return false
  }
}

/** Minutes since midnight of `HH:MM`, 00:00 to 24:00; null where it is not a time. */
export function minuteOf(time: string): number | null {
  const found = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(time)
  const minute = found ? Number(found[1]) * 60 + Number(found[2]) : Number.NaN
  return minute <= 24 * 60 ? minute : null
}

export function mayAnswerAt(hours: ReplyHours | null, timeZone: string, at: number): boolean {
  if (hours === null) return true
  const now = wallClock(at, timeZone)
  const inside = hours.windows.some(window => covers(window, now))
  return inside === (hours.answer === 'inside')
}

function covers(window: ReplyHours['windows'][number], now: WallClock): boolean {
  const from = minuteOf(window.from) ?? 0
  const to = minuteOf(window.to) ?? 0
  const yesterday = ((now.day + 5) % 7) + 1
  if (from < to) return window.days.includes(now.day) && now.minute >= from && now.minute < to
  return (
    (window.days.includes(now.day) && now.minute >= from) ||
    (window.days.includes(yesterday) && now.minute < to)
  )
}
