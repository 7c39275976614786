/**
 * When to ask whether the line still lives, when to give it up, and how long to wait before the next: decisions alone, told the time and
 * chance. socket.ts does what they say.
 */

const PING_MS = 10_000
/** A line that is dead in one direction is noticed at the first look after this (M4: within 30 s). */
const DEAD_MS = 20_000
/** How often it is looked at. */
export const LOOK_MS = 2500
/** After the machine woke, or the network came back, an answer is wanted at once. */
const AWAKE_MS = 4000
/** Browsers slow the timers of a page down that was hidden this long; it comes back when it is seen. */
const HIDDEN_MS = 5 * 60_000

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000

export interface Line {
  /** When a ping was answered last, or the line opened, ms. */
  heardAt: number
  /** When a ping was sent last. */
  pingedAt: number
  /** When the machine woke or the network came back, where nothing was heard since. */
  wokeAt: number | null
  /** Since when the page is out of sight. */
  hiddenAt: number | null
}

/** What an open line needs now. */
export function need(line: Line, now: number): 'ping' | 'dead' | 'rest' | null {
  if (line.hiddenAt !== null && now - line.hiddenAt >= HIDDEN_MS) return 'rest'
  if (now - line.heardAt >= DEAD_MS) return 'dead'
  if (line.wokeAt !== null && line.heardAt < line.wokeAt && now - line.wokeAt >= AWAKE_MS) return 'dead'
  if (now - line.pingedAt >= PING_MS) return 'ping'
  return null
}

/**
 * How long to wait before the next attempt: between half a second and twice as long each time, up to half a minute, and not the same for
 * everybody ("full jitter", AWS Architecture Blog, Exponential Backoff And Jitter).
 *
 * @param attempt how many failed in a row
 * @param chance 0 ≤ chance < 1
 */
export function waitMs(attempt: number, chance: number): number {
  const most = Math.min(LONGEST_WAIT_MS, 2 * FIRST_WAIT_MS * 2 ** attempt)
  return Math.round(FIRST_WAIT_MS + chance * (most - FIRST_WAIT_MS))
}

/** The desk's own close codes; every other means: come back. */
const GARBAGE = 4008
const MOVED = 4001
const ERASED = 4004

/**
 * @param attempt how many failed in a row before
 * @returns how many count as failed now; null: do not come back to this conversation
 */
export function attemptsAfter(code: number, attempt: number): number | null {
  if (code === MOVED || code === ERASED) return null
  // What we said was no good: saying it again soon is no good either.
  return code === GARBAGE ? 10 : attempt + 1
}
