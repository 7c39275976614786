import { describe, expect, it } from 'vitest'
import {
  answerAddress,
  domainOf,
  isOwnAddress,
  isRobotAddress,
  localPartOf,
  normaliseAddress,
  sameAddress,
} from '../../src/domain/address.ts'
import { email } from '../support/read.ts'

describe('one person, one address', () => {
  it.each([
    ['Alice@Example.COM', 'alice@example.com'],
    ['  alice@example.com. ', 'alice@example.com'],
    ['<alice@example.com>', 'alice@example.com'],
    ['alice+shop@example.com', 'alice+shop@example.com'],
    ['"A@B"@Example.com', '"a@b"@example.com'],
    ['Jürgen@MÜNCHEN.example', 'jürgen@xn--mnchen-3ya.example'],
    ['ann@Bücher.de.', 'ann@xn--bcher-kva.de'],
    ['ann@ｂücher。ｄｅ', 'ann@xn--bcher-kva.de'],
    ['ann@no such dömain', 'ann@no such dömain'],
    ['', ''],
  ])('B14 %j is stored as %j', (typed, stored) => {
    expect(normaliseAddress(typed)).toBe(stored)
    expect(normaliseAddress(stored)).toBe(stored)
  })

  it('B14 case and trailing dots do not make another contact, a plus tag does', () => {
    expect(sameAddress('Bob@Example.com.', 'bob@example.com')).toBe(true)
    expect(sameAddress('bob+a@example.com', 'bob@example.com')).toBe(false)
    expect(sameAddress('', '')).toBe(false)
  })

  it('divides at the last @', () => {
    expect([localPartOf('"a@b"@Example.com'), domainOf('"a@b"@Example.com.')]).toEqual([
      '"a@b"',
      'example.com',
    ])
    expect([localPartOf('root'), domainOf('root')]).toEqual(['root', ''])
  })

  it('takes a million dots in its stride', () => {
    const started = performance.now()
    normaliseAddress(`a@b${'.'.repeat(1_000_000)}c${'.'.repeat(1000)}`)
    isRobotAddress(`bounce-${'-'.repeat(1_000_000)}`)
    expect(performance.now() - started).toBeLessThan(200)
  })
})

describe('addresses that nobody reads', () => {
  it.each([
    'noreply',
    'no-reply',
    'no_reply',
    'no.reply',
    'NoReply',
    'donotreply',
    'do-not-reply',
    'do_not_reply+tag',
    'do-not-reply+tag',
    'noreply+abc=d',
    'noreply-7',
    'noreply2',
    'calendar-noreply',
    'shop.no-reply',
    'mailer-daemon',
    'MAILER-DAEMON',
    'postmaster',
    'bounce',
    'bounces',
    'bounce+4f2a',
    'bounce+hash',
    'bounces-1234-abcd',
    'bounce-7=x',
    'msprvs1=19xyz=bounces-2',
    'double-bounce',
    'notifications',
    'notification',
    'auto-reply',
    'ne-pas-repondre',
    'nicht-antworten',
    'nao-responda',
  ])('C18 %s@ is a robot', local => expect(isRobotAddress(`${local}@example.com`)).toBe(true))

  it.each([
    'alice',
    'notifications-team',
    'notification.desk',
    'bounce-house',
    'bounce.house',
    'bouncer',
    'noel.replyer',
    'norma.reply',
    'casino-reply',
    'reply',
    'ann+noreply',
    'postmaster-team',
    'master',
    'daemon.lee',
    'donot',
    'no',
    'replynow',
    'piano_reply',
    'autumn',
    'info',
    'support',
    'nobodyreply',
  ])('C18 %s@ may be a person', local => expect(isRobotAddress(`${local}@example.com`)).toBe(false))
})

describe('whom an answer goes to', () => {
  const own = ['support@shop.example', 'Sales@Shop.example']
  const box = (address: string, name = '') => ({ name, address })

  it('H13 Reply-To, else From', () => {
    expect(
      answerAddress(email({ from: [box('a@x.example')], replyTo: [box('b@x.example', 'B')] }), own),
    ).toEqual(box('b@x.example', 'B'))
    expect(answerAddress(email({ from: [box('a@x.example')] }), own)).toEqual(box('a@x.example'))
  })

  it('C20 a Reply-To that is ours is not used, nor one with our plus tag', () => {
    for (const ours of ['support@shop.example', 'SUPPORT@shop.example.', 'support+c.abc@shop.example']) {
      expect(answerAddress(email({ from: [box('a@x.example')], replyTo: [box(ours)] }), own)).toEqual(
        box('a@x.example'),
      )
    }
    expect(
      answerAddress(email({ from: [box('a@x.example')], replyTo: [box(own[0]!), box('c@x.example')] }), own),
    ).toEqual(box('c@x.example'))
  })

  it('C24 nobody is answered where From is ours, missing or no address', () => {
    expect(answerAddress(email({ from: [box('sales@shop.example')] }), own)).toBeNull()
    expect(answerAddress(email({ from: [] }), own)).toBeNull()
    expect(answerAddress(email({ from: [box('', 'MAILER-DAEMON')] }), own)).toBeNull()
    expect(
      answerAddress(
        email({ from: [box('a b@x.example'), box('a@x.example\r\nRCPT TO:<v@y.example>')] }),
        own,
      ),
    ).toBeNull()
  })

  it('C30 the answer goes to one mailbox, never to the Cc', () => {
    const mail = email({
      from: [box('a@x.example'), box('b@x.example')],
      cc: [box('c@x.example')],
      to: [box('d@x.example')],
    })
    expect(answerAddress(mail, own)).toEqual(box('a@x.example'))
  })

  it('knows our addresses with their plus tags', () => {
    expect(isOwnAddress('support+x+y@shop.example', own)).toBe(true)
    expect(isOwnAddress('supporter@shop.example', own)).toBe(false)
    expect(isOwnAddress('', own)).toBe(false)
  })
})
