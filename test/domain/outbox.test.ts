import { describe, expect, it } from 'vitest'
import {
  type Attempt,
  afterAttempt,
  afterRestart,
  CAPS,
  capReached,
  OUTBOX_RULES,
  type Owed,
  type Phase,
  sentAgain,
  settled,
} from '../../src/domain/outbox.ts'
import { problem } from '../../src/domain/problem.ts'

const AT = Date.UTC(2026, 10, 20, 9)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const PHASES: Phase[] = [
  'queued',
  'sending',
  'leaving',
  'sent',
  'retry',
  'failed',
  'uncertain',
  'withdrawn',
  'held',
]

/** A mail that was queued at AT. */
function owed(about: Partial<Owed> = {}): Owed {
  return { phase: 'sending', attempts: 0, queuedAt: AT, dueAt: null, problem: null, ...about }
}

const busy: Attempt = { kind: 'retry', problem: problem('busy') }

describe('after an attempt', () => {
  it.each(PHASES)('OU1 sent is sent, whatever the row said before (%s)', phase => {
    const before = owed({ phase, attempts: 2, dueAt: AT, problem: problem('busy') })
    expect(afterAttempt(before, { kind: 'sent' }, AT, OUTBOX_RULES)).toEqual({
      phase: 'sent',
      attempts: 3,
      queuedAt: AT,
      dueAt: null,
      problem: null,
    })
  })

  it.each(
    PHASES.flatMap(phase =>
      (['withdrawn', 'held', 'failed', 'uncertain'] as const).map(kind => [phase, kind] as const),
    ),
  )('OU1 from %s, %s is the end, with its reason', (phase, kind) => {
    const why = problem(kind === 'failed' ? 'recipient_refused' : 'superseded')
    const after = afterAttempt(owed({ phase }), { kind, problem: why }, AT, OUTBOX_RULES)
    expect(after).toEqual({ phase: kind, attempts: 1, queuedAt: AT, dueAt: null, problem: why })
    expect(after.dueAt).toBeNull()
  })

  it('H2 not now: after 1, 5, 15, 60 minutes and then every 4 hours', () => {
    let row = owed()
    const waits: number[] = []
    for (let i = 0; i < 7; i++) {
      row = afterAttempt(row, busy, AT, OUTBOX_RULES)
      expect(row).toMatchObject({ phase: 'retry', attempts: i + 1, problem: { code: 'busy' } })
      waits.push((row.dueAt! - AT) / MINUTE)
    }
    expect(waits).toEqual([1, 5, 15, 60, 240, 240, 240])
  })

  it('OU2 gives up when the next try would be later than 48 hours after the first, and says the last reason', () => {
    let row = owed()
    let at = AT
    let tries = 0
    while (row.phase !== 'failed' && tries < 100) {
      row = afterAttempt(row, busy, at, OUTBOX_RULES)
      at = row.dueAt ?? at
      tries++
    }
    expect(row).toMatchObject({ phase: 'failed', dueAt: null, problem: { code: 'busy' } })
    expect(at - AT).toBeGreaterThan(44 * HOUR)
    expect(at - AT).toBeLessThanOrEqual(48 * HOUR)
    expect(tries).toBe(4 + 11 + 1)
  })

  it('OU2 a try that falls on the last moment is still made, one millisecond later is not', () => {
    const late = owed({ attempts: 9 })
    const last = AT + 48 * HOUR - 240 * MINUTE
    expect(afterAttempt(late, busy, last, OUTBOX_RULES)).toMatchObject({
      phase: 'retry',
      dueAt: AT + 48 * HOUR,
    })
    expect(afterAttempt(late, busy, last + 1, OUTBOX_RULES)).toMatchObject({ phase: 'failed', dueAt: null })
  })
})

describe('after a restart', () => {
  it('OU3 what was being sent had not left: it is due at once, and the try is not counted', () => {
    expect(afterRestart(owed({ attempts: 2 }), AT + 5)).toEqual(
      owed({ phase: 'queued', attempts: 2, dueAt: AT + 5 }),
    )
  })

  it('OU4 H1 what was leaving is uncertain, and never due again', () => {
    expect(afterRestart(owed({ phase: 'leaving' }), AT + 5)).toEqual(
      owed({ phase: 'uncertain', problem: problem('uncertain') }),
    )
  })

  it.each(PHASES.filter(phase => phase !== 'sending' && phase !== 'leaving'))(
    'OU3 %s stays as it was',
    phase => {
      const row = owed({ phase, dueAt: AT + 9 })
      expect(afterRestart(row, AT + 5)).toBe(row)
    },
  )

  it('H4 uncertain comes from leaving alone', () => {
    expect(PHASES.filter(phase => afterRestart(owed({ phase }), AT).phase === 'uncertain')).toEqual([
      'leaving',
      'uncertain',
    ])
  })
})

describe('a person says', () => {
  it.each(['failed', 'held', 'uncertain'] as const)(
    'H3 RS1 send it again: %s is queued as if it were new',
    phase => {
      const over = owed({ phase, attempts: 7, problem: problem('recipient_refused') })
      expect(sentAgain(over, AT + 9)).toEqual({
        phase: 'queued',
        attempts: 0,
        queuedAt: AT + 9,
        dueAt: AT + 9,
        problem: null,
      })
    },
  )

  it.each(PHASES.filter(phase => !['failed', 'held', 'uncertain'].includes(phase)))(
    'RS1 %s is not sent again: it is on its way, called back, or there',
    phase => {
      expect(sentAgain(owed({ phase }), AT)).toBeNull()
    },
  )

  it('OU2 RS1 the forty-eight hours begin anew', () => {
    const again = sentAgain(owed({ phase: 'failed', attempts: 16 }), AT + 100 * HOUR)!
    expect(afterAttempt(again, busy, AT + 100 * HOUR, OUTBOX_RULES)).toMatchObject({
      phase: 'retry',
      attempts: 1,
    })
  })

  it('OU4 no attempt and no restart sends an uncertain mail again: only a person does', () => {
    const uncertain = owed({ phase: 'uncertain', problem: problem('uncertain') })
    expect(afterRestart(uncertain, AT)).toBe(uncertain)
    expect(sentAgain(uncertain, AT)?.phase).toBe('queued')
  })

  it('H1 RS2 it arrived, or it did not: what was uncertain is sent or failed, and not due', () => {
    const uncertain = owed({ phase: 'uncertain', attempts: 1, problem: problem('uncertain') })
    expect(settled(uncertain, 'sent')).toEqual({ ...uncertain, phase: 'sent', problem: null })
    expect(settled(uncertain, 'failed')).toMatchObject({
      phase: 'failed',
      dueAt: null,
      problem: { message: expect.stringContaining('did not arrive') },
    })
  })

  it.each(PHASES.filter(phase => phase !== 'uncertain'))('RS2 what is %s is known, and stays', phase => {
    expect(settled(owed({ phase }), 'sent')).toBeNull()
    expect(settled(owed({ phase }), 'failed')).toBeNull()
  })
})

describe('caps on automatic mail', () => {
  const times = (count: number, at = AT) => Array.from({ length: count }, () => at)
  const none: number[] = []

  it('C28 ten an hour to one sender: the eleventh is held', () => {
    expect(capReached({ sender: times(9), thread: none, inbox: none }, AT, CAPS)).toBeNull()
    expect(capReached({ sender: times(10), thread: none, inbox: none }, AT, CAPS)).toBe('sender')
  })

  it('C28 the window slides: what left an hour ago does not count, a millisecond less does', () => {
    const left = (at: number) => ({ sender: times(10, at), thread: none, inbox: none })
    expect(capReached(left(AT - HOUR), AT, CAPS)).toBeNull()
    expect(capReached(left(AT - HOUR + 1), AT, CAPS)).toBe('sender')
    const spread = {
      sender: Array.from({ length: 12 }, (_, i) => AT - i * 6 * MINUTE),
      thread: none,
      inbox: none,
    }
    expect(capReached(spread, AT, CAPS)).toBe('sender')
    expect(capReached(spread, AT + 1, CAPS)).toBe('sender')
    expect(capReached(spread, AT + 6 * MINUTE, CAPS)).toBeNull()
  })

  it('OU5 twenty a day in one thread, three hundred an hour from one inbox', () => {
    const day = 24 * HOUR
    expect(capReached({ sender: none, thread: times(19, AT - day + 1), inbox: none }, AT, CAPS)).toBeNull()
    expect(capReached({ sender: none, thread: times(20, AT - day + 1), inbox: none }, AT, CAPS)).toBe(
      'thread',
    )
    expect(capReached({ sender: none, thread: times(20, AT - day), inbox: none }, AT, CAPS)).toBeNull()
    expect(capReached({ sender: none, thread: none, inbox: times(299) }, AT, CAPS)).toBeNull()
    expect(capReached({ sender: none, thread: none, inbox: times(300) }, AT, CAPS)).toBe('inbox')
  })

  it('OU5 the nearest cap is named first', () => {
    expect(capReached({ sender: times(10), thread: times(20), inbox: times(300) }, AT, CAPS)).toBe('sender')
    expect(capReached({ sender: none, thread: times(20), inbox: times(300) }, AT, CAPS)).toBe('thread')
  })

  it('C31 answers that finish together, each counted before the next, never exceed a cap', () => {
    const left: number[] = []
    const outcomes = Array.from({ length: 15 }, () => {
      const cap = capReached({ sender: left, thread: none, inbox: none }, AT, CAPS)
      if (cap === null) left.push(AT)
      return cap
    })
    expect(outcomes.filter(cap => cap === null)).toHaveLength(10)
    expect(outcomes.slice(10)).toEqual(['sender', 'sender', 'sender', 'sender', 'sender'])
  })
})
