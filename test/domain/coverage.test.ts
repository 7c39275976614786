import { describe, expect, it } from 'vitest'
import type { Details, Message } from '../../src/domain/conversation.ts'
import { answeredBefore, answeredBy } from '../../src/domain/coverage.ts'
import { AT, answered, mail, Play } from '../support/play.ts'

const pat = { kind: 'person', id: 'pat', name: 'Pat' } as const
const machine = { kind: 'program', id: 'away', name: 'Away' } as const

/** A mail of ours that was seen in a mailbox. */
const seen = (details: Details = {}, createdAt = AT + 5000) => ({
  id: 'e1',
  createdAt,
  details: { by: pat, ...details },
})

const named = (id: string, mailId = '2-7-1'): Details => ({
  mail: { ...mail('e1').message.details.mail!, mailId, inReplyTo: `<${id}@mail.example>` },
})

const all = (play: Play) => [...play.messages.values()]

/** At nine, a minute later, and an hour later. */
const three = () => {
  const play = new Play()
  play.tell(mail('m1'))
  play.tell(mail('m2', { createdAt: AT + 60_000 }))
  play.tell(mail('m3', { createdAt: AT + 3_600_000 }))
  return play
}

describe('what a mail from another program answers', () => {
  const answers = (play: Play, sent: ReturnType<typeof seen>, fresh = true) =>
    answeredBy(sent, all(play), fresh, play.state.epoch + 1)

  it('B10 what had come when it was written, and nothing that came after it', () => {
    expect(answers(three(), seen({}, AT + 120_000))).toEqual(['m1', 'm2'])
    expect(answers(three(), seen({}, AT - 1))).toEqual([])
  })

  it('B10 the mail it names, and what came before that, whatever the clocks say', () => {
    expect(answers(three(), seen(named('m2'), AT - 600_000))).toEqual(['m1', 'm2'])
  })

  it('B10 not what was answered before, but what the machine is about to answer', () => {
    const play = answered()
    expect(answers(play, seen())).toEqual(['m1'])
    play.asksToLeave('a1')
    expect(answers(play, seen())).toEqual([])
  })

  it('HI1 old news answers the mail it names alone, and what a machine sent answers nothing', () => {
    const play = three()
    expect(answers(play, seen({}, AT + 7_200_000), false)).toEqual([])
    expect(answers(play, seen(named('m2'), AT + 7_200_000), false)).toEqual(['m2'])
    for (const fresh of [true, false])
      expect(answers(play, seen({ ...named('m2'), by: machine }, AT + 7_200_000), fresh)).toEqual([])
  })
})

describe('a mail that comes after the answer to it', () => {
  const m1 = mail('m1').message
  const sent = (details: Details): Message => ({
    ...seen(details),
    ...{ position: 0, seq: 1, direction: 'outgoing', epoch: 0, content: '', delivery: null },
    sender: { kind: 'person', id: 'pat', name: 'Pat' },
  })

  it('B10 is answered where a person wrote that from another program', () => {
    expect(answeredBefore(m1, [sent(named('m1'))])).toBe(true)
    expect(answeredBefore(m1, [sent(named('m9'))])).toBe(false)
    expect(answeredBefore(m1, [sent({ ...named('m1'), by: machine })])).toBe(false)
  })

  it('B7 not where that, or an answer of ours, was to another mail with the same Message-ID', () => {
    const play = answered()
    const twin = { ...m1, id: 'twin' }
    play.messages.set('e1', sent(named('m1')))
    expect(answeredBefore(twin, all(play))).toBe(false)
    expect(answeredBefore(m1, [sent(named('m1', 'e1'))])).toBe(false)
  })
})
