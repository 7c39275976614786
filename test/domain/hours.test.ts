import { describe, expect, it } from 'vitest'
import {
  isTimeZone,
  mayAnswerAt,
  minuteOf,
  type ReplyHours,
  spokenTime,
  wallClock,
} from '../../src/domain/hours.ts'

const office: ReplyHours = {
  answer: 'inside',
  windows: [{ days: [1, 2, 3, 4, 5], from: '09:00', to: '18:00' }],
  text: null,
}
const night: ReplyHours = {
  answer: 'inside',
  windows: [{ days: [5], from: '22:00', to: '06:00' }],
  text: null,
}
const at = (iso: string) => Date.parse(iso)

describe('reply hours', () => {
  it.each([
    ['2026-11-23T01:00:00Z', true], // Monday 09:00 in Taipei
    ['2026-11-23T00:59:59Z', false],
    ['2026-11-23T09:59:59Z', true], // 17:59:59
    ['2026-11-23T10:00:00Z', false], // the end is outside
    ['2026-11-21T04:00:00Z', false], // Saturday noon
  ])('RH2 office hours of Taipei at %s: %s', (moment, open) => {
    expect(mayAnswerAt(office, 'Asia/Taipei', at(moment))).toBe(open)
    expect(mayAnswerAt({ ...office, answer: 'outside' }, 'Asia/Taipei', at(moment))).toBe(!open)
  })

  it.each([
    ['2026-11-27T22:00:00Z', true],
    ['2026-11-28T05:59:00Z', true], // Saturday morning belongs to Friday's night
    ['2026-11-28T06:00:00Z', false],
    ['2026-11-28T22:30:00Z', false],
    ['2026-11-27T05:00:00Z', false], // Thursday's night is not in it
  ])('RH3 a window past midnight at %s: %s', (moment, open) => {
    expect(mayAnswerAt(night, 'UTC', at(moment))).toBe(open)
  })

  it('RH4 the wall clock decides on both sides of a change of daylight saving (I16)', () => {
    const nine: ReplyHours = {
      answer: 'inside',
      windows: [{ days: [7, 1], from: '09:00', to: '10:00' }],
      text: null,
    }
    // New York: 2026-03-08 02:00 → 03:00, and back on 2026-11-01.
    expect(mayAnswerAt(nine, 'America/New_York', at('2026-03-08T13:30:00Z'))).toBe(true) // 09:30 EDT
    expect(mayAnswerAt(nine, 'America/New_York', at('2026-03-02T14:30:00Z'))).toBe(true) // 09:30 EST
    expect(mayAnswerAt(nine, 'America/New_York', at('2026-11-01T14:30:00Z'))).toBe(true) // 09:30 EST
    expect(mayAnswerAt(nine, 'America/New_York', at('2026-11-01T13:30:00Z'))).toBe(false) // 08:30 EST
    expect(wallClock(at('2026-03-08T06:59:00Z'), 'America/New_York')).toEqual({ day: 7, minute: 119 })
    expect(wallClock(at('2026-03-08T07:00:00Z'), 'America/New_York')).toEqual({ day: 7, minute: 180 })
  })

  it('RH5 no hours are all hours, and 00:00 to 00:00 is a whole day', () => {
    expect(mayAnswerAt(null, 'UTC', 0)).toBe(true)
    const wednesday: ReplyHours = {
      answer: 'inside',
      windows: [{ days: [3], from: '00:00', to: '00:00' }],
      text: null,
    }
    expect(mayAnswerAt(wednesday, 'UTC', at('2026-11-25T23:59:00Z'))).toBe(true)
    expect(mayAnswerAt(wednesday, 'UTC', at('2026-11-26T00:00:00Z'))).toBe(false)
    expect(
      mayAnswerAt(
        { ...wednesday, windows: [{ days: [3], from: '00:00', to: '24:00' }] },
        'UTC',
        at('2026-11-25T23:59:00Z'),
      ),
    ).toBe(true)
  })

  it('RH6 every minute of a week agrees with a search by hand, for every kind of window', () => {
    for (const [from, to] of [
      ['09:00', '17:30'],
      ['22:15', '06:45'],
      ['00:00', '24:00'],
      ['23:59', '00:01'],
    ] as const)
      for (const days of [[1], [7], [1, 3, 5], [6, 7]]) {
        const hours: ReplyHours = { answer: 'inside', windows: [{ days, from, to }], text: null }
        const start = minuteOf(from)!
        const length = minuteOf(to)! > start ? minuteOf(to)! - start : minuteOf(to)! + 1440 - start
        const inside = new Set<number>()
        for (const day of days)
          for (let minute = 0; minute < length; minute++)
            inside.add(((day - 1) * 1440 + start + minute) % 10_080)
        const monday = at('2026-11-23T00:00:00Z')
        for (let minute = 0; minute < 10_080; minute += 7)
          if (mayAnswerAt(hours, 'UTC', monday + minute * 60_000) !== inside.has(minute))
            expect.fail(`${from}-${to} on ${days} at minute ${minute}`)
      }
  })

  it('RH7 times are HH:MM and zones IANA names', () => {
    expect(['00:00', '9:00', '24:00', '24:01', '12:60', 'noon'].map(minuteOf)).toEqual([
      0,
      null,
      1440,
      null,
      null,
      null,
    ])
    expect(['Asia/Taipei', 'UTC', 'Mars/Olympus', '+08:00', ''].map(isTimeZone)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ])
  })

  it('I16 an assistant is told the hour where the inbox is', () => {
    expect(spokenTime(at('2026-11-21T16:05:00Z'), 'Asia/Taipei')).toBe('Sunday 00:05')
  })
})
