import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Answer,
  afterCall,
  type Breaker,
  breakerAfter,
  deliveryOf,
  EVENT_TYPES,
  eventBody,
  type Head,
  isForsaken,
  isOpen,
  isTypeFilter,
  meaningOf,
  type Occurrence,
  type Owed,
  plan,
  retryAfterMs,
  SOUND,
  scaled,
  sentenceOf,
  WEBHOOK_RULES,
  type WebhookRules,
  watchOf,
} from '../../src/domain/webhook.ts'

const NOW = Date.UTC(2026, 10, 21, 12)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const MIDDLE = 0.5
const [DELIVERED, REJECTED, GONE] = [{ kind: 'delivered' }, { kind: 'rejected' }, { kind: 'gone' }] as const
const later = (waitMs: number | null = null) => ({ kind: 'later', waitMs }) as const

function answered(status: number, retryAfter: string | null = null): Answer {
  return { kind: 'answered', status, retryAfter, text: '' }
}

function occurrence(about: Partial<Occurrence> = {}): Occurrence {
  return {
    id: '0199a4f0-0000-7000-8000-000000000001',
    type: 'message.created',
    conversationId: '0199a4f0-0000-7000-8000-0000000000c1',
    inboxId: 'inbox-1',
    seq: 3,
    at: NOW,
    data: '{"id":"m1","sender":{"id":324816370485542537671391323877394598747},"type":"outgoing"}',
    ...about,
  }
}

describe('what an answer means', () => {
  it.each([
    [200, 'delivered'],
    [202, 'delivered'],
    [204, 'delivered'],
    [299, 'delivered'],
    [100, 'later'],
    [301, 'later'],
    [302, 'later'],
    [308, 'later'],
    [400, 'rejected'],
    [401, 'later'],
    [403, 'later'],
    [404, 'later'],
    [405, 'later'],
    [408, 'later'],
    [409, 'rejected'],
    [410, 'gone'],
    [413, 'rejected'],
    [422, 'rejected'],
    [425, 'later'],
    [429, 'later'],
    [451, 'rejected'],
    [500, 'later'],
    [503, 'later'],
    [530, 'later'],
    [600, 'later'],
  ])('WH4 %i: %s', (status, kind) => {
    expect(meaningOf(answered(status), NOW).kind).toBe(kind)
  })

  it('WH4 no answer at all is asked for again', () => {
    expect(meaningOf({ kind: 'timeout', ms: 15_000 }, NOW)).toEqual(later())
    expect(meaningOf({ kind: 'unreachable' }, NOW)).toEqual(later())
  })

  it.each([
    [answered(200), null],
    [answered(302), /redirect \(302\), which is not followed/],
    [answered(410), /no more events/],
    [answered(500), /answered 500\./],
    [{ kind: 'timeout', ms: 15_000 } as const, /within 15 s/],
    [{ kind: 'unreachable' } as const, /[Nn]o connection/],
  ])('WH4 %j in a sentence', (answer, sentence) => {
    if (sentence === null) expect(sentenceOf(answer)).toBeNull()
    else expect(sentenceOf(answer)).toMatch(sentence)
  })

  it.each([
    ['120', 120_000],
    [' 5 ', 5_000],
    ['0', 0],
    [new Date(NOW + 90_000).toUTCString(), 90_000],
    [new Date(NOW - 90_000).toUTCString(), 0],
    [null, null],
    ['', null],
    ['soon', null],
    ['-5', null],
    ['1e9', null],
    ['99999999999999', null],
  ])('WH6 Retry-After %j is %j ms', (header, ms) => {
    expect(retryAfterMs(header, NOW)).toBe(ms)
  })
})

describe('when it is called for again', () => {
  const owed = (tries = 0, rejections = 0): Owed => ({
    tries,
    rejections,
    deadline: NOW + WEBHOOK_RULES.giveUpMs,
  })

  /** The moments of all calls, in ms from the first, and what became of it. */
  function life(meaning: Parameters<typeof afterCall>[1], chance = MIDDLE, rules = WEBHOOK_RULES) {
    const calls = [0]
    let now: Owed = { tries: 0, rejections: 0, deadline: NOW + rules.giveUpMs }
    for (;;) {
      const next = afterCall(now, meaning, NOW + calls.at(-1)!, rules, chance)
      if (next.state !== 'waiting') return { calls, state: next.state }
      calls.push(next.dueAt - NOW)
      now = next.owed
    }
  }

  it('WH5 after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, and a last time after 24 h; then it is dead', () => {
    const waits = [0, 5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR]
    const sums = waits.map((_, n) => waits.slice(0, n + 1).reduce((sum, wait) => sum + wait))
    expect(life(later())).toEqual({ calls: [...sums, 24 * HOUR], state: 'dead' })
  })

  it('WH5 an event that is rejected is asked for again for half an hour', () => {
    expect(life(REJECTED)).toEqual({
      calls: [0, 5_000, 5_000 + 5 * MINUTE, 5_000 + 35 * MINUTE],
      state: 'dead',
    })
  })

  it('WH5 in whatever mixture, it ends within a day and with a call at its end', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.double({ min: 0, max: 0.999, noNaN: true }))), games => {
        let at = NOW
        let now = owed()
        for (const [isRejected, chance] of games) {
          const next = afterCall(now, isRejected ? REJECTED : later(), at, WEBHOOK_RULES, chance)
          if (next.state !== 'waiting') {
            expect(next.state).toBe('dead')
            expect(at === now.deadline || now.rejections === WEBHOOK_RULES.rejectedMs.length).toBe(true)
            return
          }
          expect(next.dueAt).toBeGreaterThan(at)
          expect(next.dueAt).toBeLessThanOrEqual(now.deadline)
          ;[at, now] = [next.dueAt, next.owed]
        }
      }),
    )
  })

  it('WH5 waits differ by a fifth, so that what failed together does not come back together', () => {
    const dueAt = (chance: number) => {
      const next = afterCall(owed(1), later(), NOW, WEBHOOK_RULES, chance)
      return next.state === 'waiting' ? (next.dueAt - NOW) / (5 * MINUTE) : 0
    }
    expect(dueAt(0)).toBeCloseTo(0.8)
    expect(dueAt(0.999_999)).toBeCloseTo(1.2)
  })

  it('WH6 no sooner than the receiver asks, and no later than what is sensible', () => {
    const due = (meaning: ReturnType<typeof later>, tries = 0) => {
      const next = afterCall(owed(tries), meaning, NOW, WEBHOOK_RULES, MIDDLE)
      return next.state === 'waiting' ? next.dueAt - NOW : null
    }
    expect(due(later(60_000))).toBe(60_000)
    expect(due(later(1_000))).toBe(5_000)
    expect(due(later(1_000), 1)).toBe(5 * MINUTE)
    expect(due(later(90 * 24 * HOUR))).toBe(WEBHOOK_RULES.holdMs)
  })

  it('WH5 delivered is delivered however late, and 410 is the end', () => {
    const past = { tries: 9, rejections: 3, deadline: NOW - 1 }
    expect(afterCall(past, DELIVERED, NOW, WEBHOOK_RULES, MIDDLE)).toEqual({ state: 'delivered' })
    expect(afterCall(owed(), GONE, NOW, WEBHOOK_RULES, MIDDLE)).toEqual({ state: 'dead' })
    expect(afterCall(past, later(), NOW, WEBHOOK_RULES, MIDDLE)).toEqual({ state: 'dead' })
  })

  it('WH5 a lab’s hour is as long as it says', () => {
    const { calls } = life(later(), MIDDLE, scaled(WEBHOOK_RULES, 0.001))
    expect(calls.at(-1)).toBe(24 * 3_600)
    expect(calls[1]).toBe(5)
  })
})

describe('the breaker', () => {
  const fail = (breaker: Breaker, at: number, waitMs: number | null = null) =>
    breakerAfter(breaker, later(waitMs), at, WEBHOOK_RULES, MIDDLE)

  it('WH7 opens after five failures in a row; then one call at a time is tried, less and less often', () => {
    let breaker = SOUND
    for (let n = 0; n < 4; n++) breaker = fail(breaker, NOW)
    expect(isOpen(breaker, WEBHOOK_RULES)).toBe(false)
    const waits: number[] = []
    for (let at = NOW; waits.length < 8; at = breaker.until) {
      breaker = fail(breaker, at)
      expect(isOpen(breaker, WEBHOOK_RULES)).toBe(true)
      waits.push((breaker.until - at) / 1000)
    }
    expect(waits).toEqual([30, 60, 120, 240, 480, 900, 900, 900])
  })

  it('WH7 what was on its way when it opened counts for nothing', () => {
    let breaker = SOUND
    for (let n = 0; n < 5; n++) breaker = fail(breaker, NOW)
    expect(fail(breaker, NOW + 1)).toEqual(breaker)
  })

  it('WH7 one delivery closes it, and so does an answer that is about the event', () => {
    const open: Breaker = { failures: 9, until: NOW + HOUR, failingSince: NOW - HOUR }
    expect(breakerAfter(open, DELIVERED, NOW, WEBHOOK_RULES, MIDDLE)).toEqual(SOUND)
    const after = breakerAfter(open, REJECTED, NOW, WEBHOOK_RULES, MIDDLE)
    expect(isOpen(after, WEBHOOK_RULES)).toBe(false)
    expect(after).toMatchObject({ until: 0, failingSince: NOW - HOUR })
  })

  it('WH6 a Retry-After holds everything back, not only the one that was refused', () => {
    const held = fail(SOUND, NOW, 60_000)
    expect(held.until).toBe(NOW + 60_000)
    const heads: Head[] = [{ n: 1, readyAt: NOW, deadline: NOW + HOUR }]
    expect(plan(heads, [], 0, held, NOW, WEBHOOK_RULES)).toEqual({
      call: [],
      expire: [],
      wakeAt: NOW + 60_000,
    })
    expect(fail(SOUND, NOW, 99 * 24 * HOUR).until).toBe(NOW + WEBHOOK_RULES.holdMs)
  })

  it('WH13 five days without one delivery are enough', () => {
    const failing = fail(SOUND, NOW)
    expect(isForsaken(failing, NOW + 5 * 24 * HOUR - 1, WEBHOOK_RULES)).toBe(false)
    expect(isForsaken(failing, NOW + 5 * 24 * HOUR, WEBHOOK_RULES)).toBe(true)
    expect(isForsaken(SOUND, NOW + 99 * 24 * HOUR, WEBHOOK_RULES)).toBe(false)
  })
})

describe('what is done now', () => {
  const head = (n: number, readyAt = NOW, deadline = NOW + HOUR): Head => ({ n, readyAt, deadline })
  const open: Breaker = { failures: 5, until: NOW - 1, failingSince: NOW - HOUR }

  it('WH3 so many at a time, those that are due first', () => {
    const heads = Array.from({ length: 8 }, (_, n) => head(n))
    expect(plan(heads, [], 0, SOUND, NOW, WEBHOOK_RULES)).toMatchObject({
      call: [0, 1, 2, 3, 4],
      wakeAt: null,
    })
    expect(plan(heads, [], 4, SOUND, NOW, WEBHOOK_RULES).call).toEqual([0])
    expect(plan(heads, [], 5, SOUND, NOW, WEBHOOK_RULES)).toMatchObject({ call: [], wakeAt: null })
    expect(plan(heads, [], 7, SOUND, NOW, WEBHOOK_RULES).call).toEqual([])
  })

  it('WH3 what is not due is waited for', () => {
    expect(plan([head(1), head(2, NOW + 5)], [], 0, SOUND, NOW, WEBHOOK_RULES)).toEqual({
      call: [1],
      expire: [],
      wakeAt: NOW + 5,
    })
    expect(plan([], [], 0, SOUND, NOW, WEBHOOK_RULES)).toEqual({ call: [], expire: [], wakeAt: null })
  })

  it('WH7 while the breaker is open one goes to see, due or not, and no second one meanwhile', () => {
    const heads = [head(1, NOW + HOUR), head(2, NOW + 2 * HOUR)]
    expect(plan(heads, [], 0, open, NOW, WEBHOOK_RULES).call).toEqual([1])
    expect(plan(heads, [], 1, open, NOW, WEBHOOK_RULES).call).toEqual([])
    expect(plan(heads, [], 0, { ...open, until: NOW + 9 }, NOW, WEBHOOK_RULES)).toMatchObject({
      call: [],
      wakeAt: NOW + 9,
    })
  })

  it('WH5 whose time is up ends without another call where the receiver is down, and with one where it is not', () => {
    const late = head(1, NOW, NOW - 1)
    expect(plan([late, head(2)], [late], 0, open, NOW, WEBHOOK_RULES)).toMatchObject({
      expire: [1],
      call: [2],
    })
    expect(plan([late], [late], 0, SOUND, NOW, WEBHOOK_RULES)).toMatchObject({ expire: [], call: [1] })
  })
})

describe('what the watchdog is told', () => {
  it.each([
    ['nothing owed, nothing told', null, null, undefined],
    ['over in a moment', null, NOW + 5_000, undefined],
    ['a retry in five minutes', null, NOW + 5 * MINUTE, NOW + 10 * MINUTE],
    ['still in time', NOW + 10 * MINUTE, NOW + 8 * MINUTE, undefined],
    ['told too late for it', NOW + 60 * MINUTE, NOW + 8 * MINUTE, NOW + 13 * MINUTE],
    ['what was told is past', NOW - 1, NOW + 8 * MINUTE, NOW + 13 * MINUTE],
    ['nothing owed any more', NOW + 8 * MINUTE, null, null],
  ])('WH16 %s', (_, told, due, expected) => {
    expect(watchOf(told, due, NOW)).toBe(expected)
  })
})

describe('who is told what', () => {
  const events = (types: string[], inboxes: string[] | null = null) =>
    ({ kind: 'events', types, inboxes }) as const

  it.each([
    [['*'], true],
    [['message.created'], true],
    [['message.*'], true],
    [['conversation.*'], false],
    [['message.updated', 'message.created'], true],
    [['message'], false],
    [['mess.*'], false],
    [[], false],
  ])('WH14 %j: %j', (types, isTold) => {
    expect(deliveryOf(events(types), occurrence()) !== null).toBe(isTold)
  })

  it('WH14 only of the inboxes it names', () => {
    expect(deliveryOf(events(['*'], ['inbox-2', 'inbox-1']), occurrence())).not.toBeNull()
    expect(deliveryOf(events(['*'], ['inbox-2']), occurrence())).toBeNull()
  })

  it('WH8 the body is the same every time, and every digit of a number is right', () => {
    const one = occurrence()
    const { id, body } = deliveryOf(events(['*']), one)!
    expect(id).toBe(one.id)
    expect(body).toBe(
      `{"type":"message.created","timestamp":"2026-11-21T12:00:00.000Z","data":${one.data},"sequence":3,"conversation":"${one.conversationId}"}`,
    )
    expect(body).toContain('324816370485542537671391323877394598747')
    expect(JSON.parse(eventBody({ ...one, conversationId: null }))).toMatchObject({ conversation: null })
  })

  it.each([
    ['delivery.sent', { type: 'outgoing' }, true],
    ['delivery.sent', { type: 'incoming' }, false],
    ['message.created', { type: 'outgoing' }, false],
    ['message.updated', { type: 'outgoing' }, false],
    ['delivery.queued', { type: 'outgoing' }, false],
    ['conversation.created', {}, false],
  ])('WH14 the reply webhook on %s %j: %j', (type, message, isTold) => {
    const data = JSON.stringify({ id: 'm1', ...message })
    const reply = { kind: 'reply', types: ['*'], inboxes: null } as const
    expect(deliveryOf(reply, occurrence({ type, data }))).toEqual(isTold ? { id: 'm1', body: data } : null)
  })

  it('WH14 what may be asked for is what there is', () => {
    for (const type of [...EVENT_TYPES, '*', 'message.*', 'handoff.*', 'delivery.*', 'conversation.*'])
      expect(isTypeFilter(type), type).toBe(true)
    for (const type of [
      '',
      'message',
      'message.',
      '*.created',
      'Message.created',
      'message.gone',
      'x.*',
      '**',
    ])
      expect(isTypeFilter(type), type).toBe(false)
  })
})

/** A receiver's mood at a time, and for an event. */
type Mood = 'good' | 'down' | 'slow' | 'busy' | 'picky' | 'gone'
interface Game {
  /** When each event comes, ms, and of which conversation. */
  events: { at: number; line: number }[]
  moods: { from: number; mood: Mood }[]
  /** The object is torn down at these moments. */
  crashes: number[]
  chances: number[]
}

const RULES: WebhookRules = scaled(WEBHOOK_RULES, 0.001)
const LEASE = 60
const moodOf = (game: Game, at: number): Mood => game.moods.findLast(one => one.from <= at)?.mood ?? 'good'

interface Row extends Owed {
  n: number
  line: number
  takenAt: number
  state: 'waiting' | 'delivered' | 'dead'
  readyAt: number
  leasedUntil: number | null
  calls: { from: number; to: number; meaning: string }[]
  settledAt: number | null
}

/** Plays a game as the object does (src/endpoint), with the time of a game; a picky receiver rejects the events of line 0. */
function play(game: Game): { rows: Row[]; most: number; off: number | null } {
  const rows: Row[] = []
  const out = new Map<number, { to: number; mood: Mood; life: number }>()
  let [breaker, off, most, life, dice]: [Breaker, number | null, number, number, number] = [
    SOUND,
    null,
    0,
    0,
    0,
  ]
  const chance = () => game.chances[dice++ % game.chances.length]!
  const crashes = [...game.crashes].sort((a, b) => a - b)
  const events = game.events.map((one, n) => ({ ...one, n })).sort((a, b) => a.at - b.at || a.n - b.n)
  const headOf = (line: number) => rows.find(row => row.line === line && row.state === 'waiting')
  const heads = () => [...new Set(rows.map(row => row.line))].flatMap(line => headOf(line) ?? [])

  const settle = (row: Row, state: 'delivered' | 'dead', at: number) => {
    row.state = state
    row.settledAt = at
    const next = headOf(row.line)
    if (next) next.readyAt = at
  }
  const act = (at: number): number | null => {
    if (off !== null) return null
    for (const row of rows) if (row.leasedUntil !== null && row.leasedUntil <= at) row.leasedUntil = null
    for (;;) {
      const free = heads()
        .filter(row => row.leasedUntil === null)
        .sort((a, b) => a.readyAt - b.readyAt || a.n - b.n)
      const expired = isOpen(breaker, RULES) ? free.filter(row => row.deadline <= at) : []
      const now = plan(
        free.slice(0, RULES.together + 1 + expired.length),
        expired,
        out.size,
        breaker,
        at,
        RULES,
      )
      for (const n of now.expire) settle(rows.find(row => row.n === n)!, 'dead', at)
      for (const n of now.call) {
        const row = rows.find(one => one.n === n)!
        const mood = moodOf(game, at)
        row.leasedUntil = at + LEASE
        out.set(n, { to: at + (mood === 'slow' ? 40 : 2), mood, life })
        row.calls.push({ from: at, to: at + (mood === 'slow' ? 40 : 2), meaning: '?' })
      }
      most = Math.max(most, out.size)
      if (now.expire.length === 0) return now.wakeAt
    }
  }
  const note = (row: Row, mood: Mood, at: number) => {
    row.leasedUntil = null
    const answer = mood === 'picky' && row.line > 0 ? 'good' : mood
    const statuses = { good: 200, slow: 200, down: 500, busy: 429, picky: 422, gone: 410 }
    const meaning = meaningOf(answered(statuses[answer], answer === 'busy' ? '1' : null), at)
    row.calls.at(-1)!.meaning = meaning.kind
    const before = breaker
    breaker = breakerAfter(breaker, meaning, at, RULES, chance())
    const next = afterCall(row, meaning, at, RULES, chance())
    if (next.state === 'waiting') Object.assign(row, next.owed, { readyAt: next.dueAt })
    else settle(row, next.state, at)
    if (isOpen(before, RULES) && !isOpen(breaker, RULES))
      for (const one of rows) one.readyAt = Math.min(one.readyAt, at)
    if (meaning.kind === 'gone' || isForsaken(breaker, at, RULES)) {
      off = at
      for (const one of rows)
        if (one.state === 'waiting') Object.assign(one, { state: 'dead', settledAt: at })
    }
  }

  let wakeAt: number | null = null
  for (let turns = 0; turns < 100_000; turns++) {
    const lease = Math.min(
      ...rows.filter(row => row.state === 'waiting').map(row => row.leasedUntil ?? Infinity),
    )
    const ends = Math.min(...[...out.values()].map(one => one.to))
    const at = Math.min(events[0]?.at ?? Infinity, crashes[0] ?? Infinity, ends, lease, wakeAt ?? Infinity)
    if (at === Infinity) return { rows, most, off }
    if (crashes[0] === at) {
      crashes.shift()
      life++
      out.clear()
    } else if (events[0]?.at === at) {
      const { n, line } = events.shift()!
      const row = { n, line, takenAt: at, deadline: at + RULES.giveUpMs, tries: 0, rejections: 0 }
      if (off === null)
        rows.push({ ...row, state: 'waiting', readyAt: at, leasedUntil: null, calls: [], settledAt: null })
    } else
      for (const [n, call] of [...out])
        if (call.to === at) {
          out.delete(n)
          note(rows.find(row => row.n === n)!, call.mood, at)
        }
    wakeAt = act(at)
    if (wakeAt !== null && wakeAt <= at) wakeAt = at + 1
  }
  throw new Error('it never ends')
}

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const moods = fc.constantFrom<Mood>('good', 'good', 'down', 'down', 'slow', 'busy', 'picky')
const moment = fc.integer({ min: 0, max: 60_000 })
const games = (mood: fc.Arbitrary<Mood>) =>
  fc.record<Game>({
    events: fc.array(fc.record({ at: moment, line: fc.integer({ min: 0, max: 7 }) }), {
      minLength: 1,
      maxLength: 60,
    }),
    moods: fc
      .array(fc.record({ from: moment, mood }), { maxLength: 8 })
      .map(list => list.toSorted((a, b) => a.from - b.from)),
    crashes: fc.array(moment, { maxLength: 4 }),
    chances: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 20 }),
  })
const all = { seed: SEED, numRuns: 400 }

describe(`random histories of receivers, SEED=${SEED}`, () => {
  it('WH2 in a conversation each waits until the one before is delivered or dead', () => {
    fc.assert(
      fc.property(games(moods), game => {
        for (const line of Map.groupBy(play(game).rows, row => row.line).values())
          for (const [n, row] of line.entries())
            for (const before of line.slice(0, n))
              for (const { from } of row.calls) expect(from).toBeGreaterThanOrEqual(before.settledAt!)
      }),
      all,
    )
  })

  it('M6 WH1 each is delivered or dead in the end, and dead only for a reason', () => {
    fc.assert(
      fc.property(games(moods), game => {
        const { rows, off } = play(game)
        for (const row of rows) {
          expect(row.state).not.toBe('waiting')
          const came = row.calls.filter(one => one.meaning === 'delivered').length
          if (row.state === 'delivered') expect(came).toBe(1)
          else
            expect(
              row.settledAt! >= row.deadline ||
                row.settledAt === off ||
                row.calls.filter(one => one.meaning === 'rejected').length > RULES.rejectedMs.length,
            ).toBe(true)
        }
      }),
      all,
    )
  })

  it('WH3 never more calls at a time than allowed', () => {
    fc.assert(
      fc.property(games(moods), game => {
        expect(play(game).most).toBeLessThanOrEqual(RULES.together)
      }),
      all,
    )
  })

  it('WH5 a receiver that is well again by noon has everything soon after', () => {
    const noon = 20_000
    fc.assert(
      fc.property(games(fc.constantFrom<Mood>('good', 'down', 'slow', 'busy')), game => {
        const well = {
          ...game,
          crashes: [],
          moods: [...game.moods.filter(one => one.from < noon), { from: noon, mood: 'good' as const }],
        }
        const early = well.events.map(one => ({ ...one, at: one.at % noon }))
        // The wait of an open breaker, the receiver's own Retry-After, or of one that failed alone as often as it could, while others were
        // taken and no breaker opened.
        const longest = Math.max(...RULES.retryMs)
        const patience = RULES.breaker.mostMs * 1.2 + 1_000 + longest * 1.2 + early.length * 50
        for (const row of play({ ...well, events: early }).rows) {
          expect(row.state).toBe('delivered')
          expect(row.settledAt!).toBeLessThan(noon + patience)
        }
      }),
      all,
    )
  })

  it('WH3 who is rejected in one conversation delays no other', () => {
    fc.assert(
      fc.property(games(fc.constant<Mood>('picky')), game => {
        const picky: Game = { ...game, crashes: [], moods: [{ from: 0, mood: 'picky' }] }
        const { rows } = play(picky)
        const others = rows.filter(row => row.line > 0)
        for (const row of others) {
          expect(row.calls).toHaveLength(1)
          expect(row.settledAt! - row.takenAt).toBeLessThan(rows.length * 3 + 10)
        }
      }),
      all,
    )
  })

  it('WH13 after 410 nothing is called any more, and what waited is dead', () => {
    fc.assert(
      fc.property(games(moods), moment, (game, end) => {
        const { rows, off } = play({
          ...game,
          moods: [...game.moods.filter(one => one.from < end), { from: end, mood: 'gone' }],
        })
        if (off === null) return
        for (const row of rows) {
          for (const { from } of row.calls) expect(from).toBeLessThanOrEqual(off)
          expect(row.state).not.toBe('waiting')
        }
      }),
      all,
    )
  })
})
