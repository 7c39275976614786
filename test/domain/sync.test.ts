import { describe, expect, it } from 'vitest'
import { type ProblemCode, problem } from '../../src/domain/problem.ts'
import {
  afterFailedSync,
  afterGoodSync,
  NEVER_SYNCED,
  type SyncRules,
  type SyncState,
} from '../../src/domain/sync.ts'

const AT = Date.UTC(2026, 10, 20, 9)
const MINUTE = 60_000
const rules: SyncRules = { pollMs: MINUTE, longestMs: 15 * MINUTE }

/** The waits in seconds between `tries` failures in a row. */
function waits(code: ProblemCode, tries: number, how = rules): number[] {
  let state: SyncState = afterGoodSync(AT, how)
  let at = state.dueAt
  return Array.from({ length: tries }, () => {
    state = afterFailedSync(state, problem(code), at, how)
    const wait = (state.dueAt - at) / 1000
    at = state.dueAt
    return wait
  })
}

describe('a mailbox that works', () => {
  it('SY1 is looked at again after its interval, and everything bad is forgotten', () => {
    const broken = afterFailedSync(NEVER_SYNCED, problem('busy'), AT - 1, rules)
    expect(broken.failures).toBe(1)
    expect(afterGoodSync(AT, rules)).toEqual({
      state: 'connected',
      problem: null,
      failures: 0,
      lastGoodAt: AT,
      lastTryAt: AT,
      dueAt: AT + MINUTE,
    })
  })

  it('SY1 never synced is due at once', () => {
    expect(NEVER_SYNCED).toMatchObject({ state: 'unverified', dueAt: 0, lastGoodAt: null })
  })
})

describe('a mailbox that fails', () => {
  it.each([
    ['A15 authenticated but not connected', 'busy'],
    ['A16 too many connections', 'busy'],
    ['A17 a used-up quota', 'quota'],
    ['SY2 a server out of reach', 'unreachable'],
    ['SY2 a bridge that does not run', 'bridge_unavailable'],
  ] as const)('%s is told, tried again, and is no wrong password', (_, code) => {
    const after = afterFailedSync(afterGoodSync(AT, rules), problem(code), AT + MINUTE, rules)
    expect(after).toMatchObject({
      state: 'retrying',
      problem: { code },
      failures: 1,
      lastGoodAt: AT,
      lastTryAt: AT + MINUTE,
      dueAt: AT + MINUTE + 30_000,
    })
  })

  it('A16 A17 backs off: half a minute, doubling, to a quarter of an hour', () => {
    expect(waits('busy', 8)).toEqual([30, 60, 120, 240, 480, 900, 900, 900])
    expect(waits('quota', 3)).toEqual([30, 60, 120])
  })

  it('SY3 with a short interval it begins at the interval', () => {
    expect(waits('unreachable', 4, { pollMs: 2000, longestMs: 15 * MINUTE })).toEqual([2, 4, 8, 16])
  })

  it('SY3 after ten thousand failures the wait is still the longest one', () => {
    const state = { ...NEVER_SYNCED, failures: 10_000 }
    expect(afterFailedSync(state, problem('busy'), AT, rules).dueAt).toBe(AT + 15 * MINUTE)
  })

  it('A18 a revoked password is told at the first try, and tried after 5, 10, 15 minutes', () => {
    const after = afterFailedSync(afterGoodSync(AT, rules), problem('credentials'), AT + MINUTE, rules)
    expect(after).toMatchObject({ state: 'auth_required', problem: { code: 'credentials' }, lastGoodAt: AT })
    expect(waits('credentials', 4)).toEqual([300, 600, 900, 900])
  })

  it.each(['app_password_required', 'basic_auth_retired', 'imap_disabled'] as const)(
    'A18 SY2 %s is the owner’s turn like a refused password, and no more often tried',
    code => {
      const after = afterFailedSync(afterGoodSync(AT, rules), problem(code), AT + MINUTE, rules)
      expect(after).toMatchObject({ state: 'auth_required', problem: { code } })
      expect(waits(code, 4)).toEqual([300, 600, 900, 900])
    },
  )

  it.each(['unknown_host', 'refused', 'tls_mismatch', 'certificate', 'not_mail_server'] as const)(
    'SY2 %s may pass by itself, and is tried again',
    code => {
      const after = afterFailedSync(afterGoodSync(AT, rules), problem(code), AT + MINUTE, rules)
      expect(after).toMatchObject({ state: 'retrying', dueAt: AT + MINUTE + 30_000 })
    },
  )

  it('A18 an interval of two seconds does not hammer an account with a wrong password', () => {
    expect(waits('credentials', 3, { pollMs: 2000, longestMs: 15 * MINUTE })).toEqual([300, 600, 900])
  })

  it('A18 repaired, it is connected at once and the next failure begins at the beginning', () => {
    let state: SyncState = NEVER_SYNCED
    for (let i = 0; i < 5; i++) state = afterFailedSync(state, problem('credentials'), AT, rules)
    state = afterGoodSync(AT, rules)
    expect(state).toMatchObject({ state: 'connected', problem: null, failures: 0 })
    expect(afterFailedSync(state, problem('busy'), AT, rules).dueAt).toBe(AT + 30_000)
  })
})
