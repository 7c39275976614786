import { describe, expect, it } from 'vitest'
import type { Details, Message } from '../../src/domain/conversation.ts'
import { problem } from '../../src/domain/problem.ts'
import { type TraceFacts, trace } from '../../src/domain/trace.ts'

const AT = Date.UTC(2026, 10, 20, 9)
const say = (at: number) => new Date(at).toISOString().slice(11, 16)
const sender = { kind: 'assistant' as const, id: 'ada', name: 'Ada' }

const facts = (about: Partial<TraceFacts> = {}): TraceFacts => ({
  there: null,
  here: null,
  message: null,
  answers: [],
  merged: false,
  owner: 'assistant',
  inbox: { paused: false, state: 'connected', reason: null, nextSyncAt: AT },
  ...about,
})
const message = (details: Details = {}, about: Partial<Message> = {}) => ({
  direction: 'incoming' as const,
  delivery: null,
  details,
  createdAt: AT,
  sender: { kind: 'contact' as const, id: 'alice', name: 'Alice' },
  ...about,
})
const answer = (
  status: NonNullable<Message['delivery']>['status'],
  code?: Parameters<typeof problem>[0],
) => ({
  delivery: { status, problem: code ? problem(code) : null, at: AT },
  details: {},
  createdAt: AT,
  sender,
})
const told = (about: Partial<TraceFacts>) => {
  const { state, sentence } = trace(facts(about), say)
  return `${state}: ${sentence}`
}

describe('TR1 where a mail is', () => {
  it.each<[string, Partial<TraceFacts>, RegExp]>([
    [
      'waits for the next look',
      { there: { folder: 'INBOX', where: 'not_yet' } },
      /^not_synced: .*INBOX.* 09:00\.$/,
    ],
    [
      'waits while the inbox is paused',
      { there: { folder: 'INBOX', where: 'not_yet' }, inbox: { ...facts().inbox, paused: true } },
      /^not_synced: .*paused/,
    ],
    [
      'waits while the mailbox cannot be read',
      {
        there: { folder: 'INBOX', where: 'not_yet' },
        inbox: { ...facts().inbox, reason: 'The password is wrong.' },
      },
      /^not_synced: .*The password is wrong\./,
    ],
    ['lies elsewhere', { there: { folder: 'Junk', where: 'other_folder' } }, /^other_folder: .*“Junk”/],
    [
      'was there before',
      { there: { folder: 'INBOX', where: 'before_connection' } },
      /^before_connection: .*import/,
    ],
    ['was passed', { there: { folder: 'INBOX', where: 'passed' } }, /^passed: /],
    [
      'is stored and owed',
      {
        here: {
          status: 'stored',
          problem: problem('unavailable'),
          dueAt: AT,
          fetchedAt: AT,
          conversationId: null,
        },
      },
      /^stored: .*busy.*09:00/,
    ],
    [
      'was erased',
      { here: { status: 'delivered', problem: null, dueAt: null, fetchedAt: AT, conversationId: 'c' } },
      /^erased: /,
    ],
    [
      'is in quarantine',
      { message: message({ quarantine: problem('unreadable') }) },
      /^quarantined: The mail could not be read/,
    ],
    [
      'is answered',
      { message: message(), answers: [answer('sent')] },
      /^answered: It was answered by Ada at 09:00\.$/,
    ],
    [
      'came back',
      { message: message(), answers: [answer('bounced', 'bounced')] },
      /^answered: .*refused the mail/,
    ],
    ['has a draft', { message: message(), answers: [answer('draft')] }, /^drafted: .*waits for a person/],
    [
      'had a draft',
      { message: message(), answers: [answer('discarded', 'superseded')] },
      /^drafted: .*withdrawn\..*wrote again/,
    ],
    ['is held by the cap', { message: message(), answers: [answer('held', 'cap_reached')] }, /^held: .*cap/],
    [
      'is uncertain',
      { message: message(), answers: [answer('uncertain', 'uncertain')] },
      /^held: .*perhaps delivered.*Nobody can say/,
    ],
    [
      'is being answered',
      { message: message({ reply: { do: 'answer', why: 'answered' } }) },
      /^in_the_making: /,
    ],
    [
      'was left to a person who took over',
      { message: message({ reply: { do: 'answer', why: 'answered' } }), owner: 'person' },
      /^silent: .*taken over/,
    ],
    ['is on its way', { message: message(), answers: [answer('queued')] }, /^in_the_making: .*way out/],
    [
      'was left alone, and why',
      {
        message: message({
          reply: { do: 'silent', why: 'not_sendable' },
          verdict: { class: 'list', reasons: ['list_id'], mayFlow: true, mayDraft: false, maySend: false },
        }),
      },
      /^silent: .*never answered automatically\. .*mailing list/,
    ],
    [
      'is ours',
      {
        message: message(
          { to: 'a@b.test' },
          { direction: 'outgoing', delivery: answer('failed', 'recipient_refused').delivery, sender },
        ),
      },
      /^outgoing: .*to a@b\.test, by Ada\. It could not be delivered\. .*refused the recipient/,
    ],
  ])('%s', (_, about, sentence) => expect(told(about)).toMatch(sentence))

  it('a withdrawn draft does not hide the answer that was sent', () => {
    const answers = [answer('sent'), answer('discarded', 'superseded')]
    expect(told({ message: message(), answers })).toMatch(/^answered/)
  })

  it('and that its conversation was merged since', () => {
    expect(told({ message: message(), answers: [answer('sent')], merged: true })).toMatch(
      /^answered: .*merged/,
    )
  })
})
