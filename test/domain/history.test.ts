import { describe, expect, it } from 'vitest'
import {
  begun,
  connected,
  ended,
  faltered,
  type HistoryJob,
  listed,
  nextStep,
  stored,
  stuckAt,
} from '../../src/domain/history.ts'
import type { Cursor } from '../../src/domain/sync.ts'

const AT = Date.UTC(2026, 10, 20, 9)
const DAY = 24 * 60 * 60_000
const cursor: Cursor = { uidValidity: 7, nextUid: 900, bornUid: 800 }
const job = begun({ days: 30, limit: 1000, folder: 'INBOX' }, AT)
const listing = connected(job, cursor)

describe('an import of old mail', () => {
  it('HI2 begins with its days and its limit, and nothing done', () => {
    expect(job).toMatchObject({ state: 'running', since: AT - 30 * DAY, limit: 1000, startedAt: AT })
    expect([job.found, job.imported, job.skipped, job.endedAt, job.reason]).toEqual([0, 0, 0, null, null])
  })

  it('HI2 looks first where the connection began: nothing behind it is old', () => {
    expect(nextStep(job, cursor, true)).toEqual({ kind: 'connect' })
    expect(listing).toMatchObject({ uidValidity: 7, untilUid: 799 })
    // Born before that was noted: what we have of it is known by its positions.
    expect(connected(job, { ...cursor, bornUid: null }).untilUid).toBe(899)
  })

  it('HI2 lists page by page to the end, then stores', () => {
    expect(nextStep(listing, cursor, true)).toEqual({ kind: 'list', from: 1 })
    const one = listed(listing, { found: 300, through: 500, more: true })
    expect(nextStep(one, cursor, true)).toEqual({ kind: 'list', from: 501 })
    const two = listed(one, { found: 12, through: 700, more: false })
    expect(nextStep(two, cursor, true)).toEqual({ kind: 'store' })
    expect(two.found).toBe(312)
  })

  it('HI2 a list that has come to where the connection began is whole, whatever the server says is behind it', () => {
    expect(listed(listing, { found: 0, through: 799, more: true }).listFrom).toBeNull()
  })

  it('HI4 mails numbered anew end it, before and after the list', () => {
    const anew = { ...cursor, uidValidity: 8 }
    for (const one of [listing, listed(listing, { found: 1, through: 9, more: false })])
      expect(nextStep(one, anew, true)).toMatchObject({
        kind: 'end',
        state: 'failed',
        reason: expect.stringContaining('Start the import again'),
      })
  })

  it('HI4 a folder that is gone, or not looked at any more, ends it', () => {
    expect(nextStep(listing, null, true)).toMatchObject({ kind: 'end', state: 'failed' })
    expect(nextStep(listing, cursor, false)).toMatchObject({ kind: 'end', state: 'stopped' })
  })

  it('HI2 what was stored and what was here already is counted', () => {
    const some = stored(stored(listing, { imported: 5 }), { skipped: 2 })
    expect(some).toMatchObject({ imported: 5, skipped: 2 })
  })

  it('HI2 ended is ended: nobody ends it again', () => {
    const stopped = ended(listing, 'stopped', 'It was stopped.', AT + 1)
    expect(stopped).toMatchObject({ state: 'stopped', endedAt: AT + 1 })
    expect(ended(stopped, 'done', null, AT + 2)).toBe(stopped)
  })

  it('A12 a mail that breaks fetching is counted as long as it is the same one', () => {
    const once = stuckAt(listing, 5)
    expect(stuckAt(once, 5).stuck).toEqual({ uid: 5, times: 2 })
    expect(stuckAt(stuckAt(once, 5), 6).stuck).toEqual({ uid: 6, times: 1 })
  })

  it('HI4 five failures in a row that are not the line’s end it, with the last reason; progress begins anew', () => {
    let now: HistoryJob = listing
    for (let i = 0; i < 4; i++) now = faltered(now, 'Not understood.', AT)
    expect(now.state).toBe('running')
    expect(stored(now, { imported: 1 }).failures).toBe(0)
    expect(faltered(now, 'Not understood.', AT)).toMatchObject({
      state: 'failed',
      reason: 'Not understood.',
      endedAt: AT,
    })
  })
})
