import { describe, expect, it } from 'vitest'
import { attemptsAfter, type Line, LOOK_MS, need, waitMs } from '../../web/widget/connection.ts'

const AT = Date.UTC(2026, 10, 20, 9)
const line = (over: Partial<Line> = {}): Line => ({
  ...{ heardAt: AT, pingedAt: AT, wokeAt: null, hiddenAt: null },
  ...over,
})

/** A clock that looks as socket.ts does; answers come while `isAlive`. @returns when it was given up, ms after AT */
function given(start: Line, isAlive: (ms: number) => boolean, lasts: number): { at: number; pings: number } {
  const now = { ...start }
  let pings = 0
  for (let ms = LOOK_MS; ms <= lasts; ms += LOOK_MS) {
    const what = need(now, AT + ms)
    if (what === 'dead' || what === 'rest') return { at: ms, pings }
    if (what !== 'ping') continue
    pings++
    now.pingedAt = AT + ms
    if (isAlive(ms)) now.heardAt = AT + ms + 40
  }
  return { at: Number.POSITIVE_INFINITY, pings }
}

describe('a line', () => {
  it('M4 that takes everything and brings nothing is given up within 30 s, whenever it broke', () => {
    for (let broke = 0; broke < 60_000; broke += 700) {
      const { at } = given(line(), ms => ms < broke, 200_000)
      expect(at - broke).toBeLessThanOrEqual(30_000)
    }
  })

  it('M4 that answers is kept, and asked every ten seconds', () => {
    expect(given(line(), () => true, 600_000)).toEqual({ at: Number.POSITIVE_INFINITY, pings: 60 })
  })

  it('M3 of a machine that slept is given up at the first look, or within seconds of waking where it looks whole', () => {
    expect(need(line(), AT + 120_000)).toBe('dead')
    const woken = line({ heardAt: AT, pingedAt: AT + 8000, wokeAt: AT + 8000 })
    expect(need(woken, AT + 11_999)).toBe(null)
    expect(need(woken, AT + 12_000)).toBe('dead')
    expect(need({ ...woken, heardAt: AT + 8100 }, AT + 12_000)).toBe(null)
  })

  it('M3 of a page out of sight for five minutes is let go, and comes back when the page is seen', () => {
    const hidden = line({ heardAt: AT + 299_000, pingedAt: AT + 299_000, hiddenAt: AT })
    expect(need(hidden, AT + 299_999)).toBe(null)
    expect(need(hidden, AT + 300_000)).toBe('rest')
  })
})

describe('the wait before the next attempt', () => {
  it('CW1 is between half a second and twice as much each time, half a minute at most', () => {
    expect([0, 1, 2, 5, 9, 60].map(attempt => waitMs(attempt, 0))).toEqual(Array(6).fill(500))
    expect([0, 1, 2, 5, 9, 60].map(attempt => waitMs(attempt, 1))).toEqual([
      1000, 2000, 4000, 30_000, 30_000, 30_000,
    ])
  })

  it('CW1 is not the same for everybody', () => {
    const waits = Array.from({ length: 500 }, (_, i) => waitMs(6, i / 500))
    expect(new Set(waits).size).toBe(500)
  })

  it('CW1 after 4001 and 4004 there is none, after garbage it is long, after all else as after any failure', () => {
    expect([4001, 4004].map(code => attemptsAfter(code, 0))).toEqual([null, null])
    expect([1000, 1001, 1006, 1011, 4000].map(code => attemptsAfter(code, 2))).toEqual([3, 3, 3, 3, 3])
    expect(waitMs(attemptsAfter(4008, 0)!, 1)).toBe(30_000)
  })
})
