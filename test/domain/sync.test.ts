import { describe, expect, it } from 'vitest'
import { type ProblemCode, problem } from '../../src/domain/problem.ts'
import {
  afterFailedSync,
  afterGoodSync,
  type Cursor,
  isFoldersOwn,
  NEVER_SYNCED,
  type SyncRules,
  type SyncState,
  sameFolder,
  whereabouts,
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

describe('a folder looked at beside the others', () => {
  it.each(['folder_missing', 'protocol', 'mail_missing', 'storage', 'internal'] as const)(
    'SF2 %s is its own trouble',
    code => {
      expect(isFoldersOwn(code)).toBe(true)
    },
  )

  it.each([
    ...(['unreachable', 'timeout', 'refused', 'busy', 'quota', 'bridge_unavailable'] as const),
    ...(['credentials', 'certificate', 'unknown_host'] as const),
  ])('SF2 %s is the line’s, the server’s or the login’s, and so the sync’s', code => {
    expect(isFoldersOwn(code)).toBe(false)
  })

  it('SF1 INBOX is the same in any case, and no other folder is', () => {
    expect(sameFolder('INBOX', 'Inbox')).toBe(true)
    expect(sameFolder('Sent', 'Sent')).toBe(true)
    expect(sameFolder('Sent', 'SENT')).toBe(false)
    expect(sameFolder('INBOX', 'Inbox/Sent')).toBe(false)
  })
})

describe('where a mail on the server stands', () => {
  const cursor: Cursor = { uidValidity: 7, nextUid: 50, bornUid: 20 }
  const at = (uid: number, uidValidity = 7) => ({ uid, uidValidity })
  const looked = { looked: true, cursor, here: false }

  it('FI1 what we have is here, wherever it lies', () => {
    expect(whereabouts(at(30), { ...looked, here: true })).toBe('here')
    expect(whereabouts(at(3), { looked: false, cursor: null, here: true })).toBe('here')
  })

  it('FI1 a folder that is not looked at is another one, also where it once was', () => {
    expect(whereabouts(at(30), { looked: false, cursor, here: false })).toBe('other_folder')
    expect(whereabouts(at(30), { looked: false, cursor: null, here: false })).toBe('other_folder')
  })

  it.each([
    [19, 'before_connection'],
    [20, 'passed'],
    [49, 'passed'],
    [50, 'not_yet'],
    [51, 'not_yet'],
  ] as const)('FI1 born at 20 and as far as 50: UID %i is %s', (uid, where) => {
    expect(whereabouts(at(uid), looked)).toBe(where)
  })

  it('FI1 where nobody noted where the cursor was born, what is behind it is from before', () => {
    const unknown = { ...looked, cursor: { ...cursor, bornUid: null } }
    expect(whereabouts(at(49), unknown)).toBe('before_connection')
    expect(whereabouts(at(50), unknown)).toBe('not_yet')
  })

  it('FI1 a folder that is about to be looked at for the first time begins behind what is there', () => {
    expect(whereabouts(at(3), { looked: true, cursor: null, here: false })).toBe('before_connection')
  })

  it('A2 FI1 numbered anew, the folder is looked through again', () => {
    expect(whereabouts(at(3, 8), looked)).toBe('not_yet')
  })
})
