import { describe, expect, it } from 'vitest'
import type { ConversationEvent, Message, Owes } from '../../src/domain/conversation.ts'
import { askedAbout } from '../../src/domain/coverage.ts'
import { problem } from '../../src/domain/problem.ts'
import { AT, answer, answered, kinds, mail, Play } from '../support/play.ts'

const pat = { kind: 'person', id: 'pat', name: 'Pat' } as const

const elsewhere = (
  play: Play,
  about: {
    known?: Message | null
    later?: Message[]
    fresh?: boolean
    createdAt?: number
    owes?: Owes
  } = {},
): ConversationEvent => ({
  type: 'answered_elsewhere',
  known: about.known ?? null,
  fresh: about.fresh ?? true,
  present: [...play.messages.values()],
  owes: about.owes ?? [],
  ...(about.later ? { later: about.later } : {}),
  message: {
    id: 'e1',
    sender: { kind: 'person', id: 'pat', name: 'Pat' },
    content: 'I answer from my phone.',
    details: { by: pat },
    createdAt: about.createdAt ?? AT + 5000,
  },
})

const sent = () => {
  const play = answered()
  play.asksToLeave('a1')
  play.learnsFate('a1', 'sent')
  return play
}

describe('a person answers from another program', () => {
  it('B10 the answer in the making is called back, and what they wrote stands as sent', () => {
    const play = answered()
    const turn = play.tell(elsewhere(play, { owes: [{ draft: false, dueAt: null }] }))
    expect(kinds(turn.effects)).toEqual(['withdraw'])
    expect(play.message('e1')).toMatchObject({ direction: 'outgoing', delivery: { status: 'sent' } })
    expect(play.asksToLeave('a1').leave).toMatchObject({ yes: false })
    expect(play.message('e1').details.answers).toEqual(['m1'])
    expect(play.tell(elsewhere(play, { known: play.message('e1') })).messages).toEqual([])
  })

  it('I4 a draft is withdrawn, one that a person worked on stays', () => {
    const play = new Play()
    play.tell(mail('m1', { mode: 'draft' }))
    play.tell(answer('d1', play.state.epoch, true))
    play.messages.set('d2', { ...play.message('d1'), id: 'd2', details: { edited: true as const } })
    const turn = play.tell(elsewhere(play, { owes: [{ draft: true, dueAt: null }] }))
    expect(turn.effects).toEqual([])
    expect(play.message('d1').delivery).toMatchObject({
      status: 'discarded',
      problem: { code: 'answered_elsewhere' },
    })
    expect(play.message('d2')).toMatchObject({ delivery: { status: 'draft' }, details: { stale: true } })
  })

  it('B10 what is old, or a machine’s, calls nothing back, and old mail stands where its time is', () => {
    const play = answered()
    const later = [play.message('m1'), play.message('a1')]
    const turn = play.tell(elsewhere(play, { fresh: false, later, createdAt: AT - 1000 }))
    expect(turn.effects).toEqual([])
    expect(play.state.pending).not.toBeNull()
    expect(['e1', 'm1', 'a1'].map(id => play.message(id).position)).toEqual([0, 1, 2])
    expect(play.state.lastMessage?.id).toBe('a1')
  })
})

describe('a person answered before the contact wrote again', () => {
  /** m1, then m2 a minute later; what is made for both is on its way out. Pat answered between the two. */
  const both = (mode: 'auto' | 'draft' = 'auto') => {
    const play = new Play()
    play.tell(mail('m1', { mode }))
    play.tell(mail('m2', { mode, createdAt: AT + 60_000 }))
    play.tell(answer('a1', play.state.epoch, mode === 'draft'))
    return play
  }

  it('B10 I1 the answer to both is called back, and what she did not answer is asked for again, alone', () => {
    const play = both()
    const owes = [{ draft: false, dueAt: null }]
    const turn = play.tell(elsewhere(play, { owes }))
    expect(kinds(turn.effects)).toEqual(['withdraw', 'ask_assistant'])
    expect(turn.effects[1]).toMatchObject({ epoch: play.state.epoch, draft: false })
    expect(play.message('e1').details.answers).toEqual(['m1'])
    const { asked } = askedAbout([...play.messages.values()], play.state.epoch, false)
    expect(asked.map(one => one.id)).toEqual(['m2'])
  })

  it('B10 an answer that was still to be made waits until its time', () => {
    const play = both()
    const turn = play.tell(elsewhere(play, { owes: [{ draft: false, dueAt: AT + 90_000 }] }))
    expect(turn.effects.at(-1)).toMatchObject({ kind: 'ask_assistant', dueAt: AT + 90_000 })
  })

  it('I4 so is the draft, and nothing that nobody owed', () => {
    const play = both('draft')
    const turn = play.tell(elsewhere(play, { owes: [{ draft: true, dueAt: null }] }))
    expect(turn.effects).toMatchObject([{ kind: 'ask_assistant', draft: true }])
    expect(play.message('a1').delivery?.status).toBe('discarded')
    const quiet = new Play()
    quiet.tell(mail('m1', { mode: 'off' }))
    quiet.tell(mail('m2', { mode: 'off', createdAt: AT + 60_000 }))
    expect(quiet.tell(elsewhere(quiet)).effects).toEqual([])
  })

  it('B10 where all that she could answer is answered, nothing is called back', () => {
    const play = sent()
    play.tell(mail('m2', { createdAt: AT + 60_000 }))
    play.tell(answer('a2', play.state.epoch))
    const { epoch } = play.state
    expect(play.tell(elsewhere(play, { owes: [{ draft: false, dueAt: null }] })).effects).toEqual([])
    expect(play.state).toMatchObject({ epoch, pending: { messageId: 'a2' } })
    expect(play.asksToLeave('a2').leave).toEqual({ yes: true })
  })

  it('B10 what the machine had in the making for it is not asked for again with the next mail', () => {
    const play = answered()
    play.tell(elsewhere(play))
    play.tell(mail('m2', { createdAt: AT + 60_000 }))
    const { asked } = askedAbout([...play.messages.values()], play.state.epoch, false)
    expect(asked.map(one => one.id)).toEqual(['m2'])
  })
})

describe('a mail server reports', () => {
  const report = (play: Play, status: 'bounced' | 'delayed') =>
    play.tell({ type: 'report_came', message: play.message('a1'), status, problem: problem(status) })

  it('C10 what was sent and came back is bounced, C12 what is late is delayed, and a late note changes no bounce', () => {
    const play = sent()
    report(play, 'delayed')
    expect(play.message('a1').delivery).toMatchObject({ status: 'delayed', problem: { code: 'delayed' } })
    report(play, 'bounced')
    expect(play.message('a1').delivery).toMatchObject({ status: 'bounced' })
    expect(report(play, 'delayed').messages).toEqual([])
  })

  it('H1 an uncertain mail that comes back was handed over', () => {
    const play = answered()
    play.asksToLeave('a1')
    play.learnsFate('a1', 'uncertain')
    report(play, 'bounced')
    expect(play.message('a1').delivery?.status).toBe('bounced')
  })

  it('C10 what never left did not come back', () => {
    const play = answered()
    expect(report(play, 'bounced').messages).toEqual([])
  })
})

describe('a person decides about a mail that did not leave', () => {
  it.each(['failed', 'held', 'uncertain'] as const)(
    'H3 %s: it is sent again, and the person answers for it',
    status => {
      const play = answered()
      play.asksToLeave('a1')
      play.learnsFate('a1', status)
      play.tell(mail('m2'))
      const turn = play.tell({ type: 'sent_again', message: play.message('a1'), by: pat })
      expect(turn.effects).toMatchObject([{ kind: 'send_again', messageId: 'a1' }])
      expect(play.asksToLeave('a1').leave).toEqual({ yes: true })
    },
  )

  it('H3 sent, queued and withdrawn mail is not sent again', () => {
    const play = sent()
    expect(play.tell({ type: 'sent_again', message: play.message('a1'), by: pat }).refused?.code).toBe(
      'not_resendable',
    )
    const queued = answered()
    expect(queued.tell({ type: 'sent_again', message: queued.message('a1'), by: pat }).refused?.code).toBe(
      'not_resendable',
    )
  })

  it('H1 an uncertain mail is settled once, by a person or by its copy', () => {
    const play = answered()
    play.asksToLeave('a1')
    play.learnsFate('a1', 'uncertain')
    const settle = () =>
      play.tell({ type: 'settled', message: play.message('a1'), outcome: 'sent', by: null })
    expect(settle().effects).toMatchObject([{ kind: 'settle', outcome: 'sent' }])
    expect(play.message('a1').delivery).toMatchObject({ status: 'sent', problem: null })
    expect(settle().refused?.code).toBe('not_uncertain')
  })
})

describe('mail from before the connection', () => {
  it('HI1 stands where its time is, is not unread, is not answered, and calls nothing back', () => {
    const play = answered()
    const later = [play.message('m1'), play.message('a1')]
    const turn = play.tell(mail('old', { imported: true, old: true, createdAt: AT - 1000, later }))
    expect(turn.effects).toEqual([])
    expect(play.message('old')).toMatchObject({
      position: 0,
      details: { reply: { do: 'silent', why: 'imported' } },
    })
    expect(play.state).toMatchObject({ unread: 1, length: 3, lastMessage: { id: 'a1' } })
    expect(play.state.pending).not.toBeNull()
  })
})

describe('drafts', () => {
  it('I3 what the contact has overtaken says so', () => {
    const play = new Play()
    play.tell(mail('m1', { mode: 'draft' }))
    play.tell(answer('d1', play.state.epoch, true))
    play.tell(mail('m2', { mode: 'draft', living: [play.message('d1')] }))
    expect(play.message('d1').details.stale).toBe(true)
    play.tell(mail('m3', { class: 'automatic', living: [play.message('d1')] }))
    expect(play.state.length).toBe(4)
  })

  it('DR7 a change from a text that somebody else changed meanwhile is refused, and so is its approval', () => {
    const play = new Play()
    play.tell(mail('m1', { mode: 'draft' }))
    play.tell(answer('d1', play.state.epoch, true))
    const edit = (version?: number) =>
      play.tell({
        type: 'draft_edited',
        draft: play.message('d1'),
        content: 'New',
        attachments: [],
        citations: [],
        version,
      })
    expect(edit(1).refused).toBeUndefined()
    expect(play.message('d1').details).toMatchObject({ edited: true, version: 2 })
    expect(edit(1).refused?.code).toBe('draft_changed')
    const approve = (version: number) =>
      play.tell({
        type: 'draft_approved',
        draft: play.message('d1'),
        by: pat,
        reread: false,
        newest: null,
        version,
      })
    expect(approve(1).refused?.code).toBe('draft_changed')
    expect(approve(2).effects).toMatchObject([{ kind: 'send' }])
  })
})

describe('a mail is read again', () => {
  it('QU1 what could not be read says what it says, in its place, and at most a draft is made', () => {
    const play = new Play()
    play.tell(mail('m1', { class: 'unreadable', mayDraft: false, maySend: false }))
    const { facts, rules, message } = mail('m1')
    const turn = play.tell({
      type: 'mail_reread',
      message: { ...play.message('m1'), details: { quarantine: problem('unreadable') } },
      content: 'How do I get a refund?',
      sender: message.sender,
      contact: play.state.contact,
      details: message.details,
      facts,
      rules,
    })
    expect(play.message('m1')).toMatchObject({ content: 'How do I get a refund?', position: 0 })
    expect(play.message('m1').details.quarantine).toBeUndefined()
    expect(turn.effects).toMatchObject([{ kind: 'ask_assistant', draft: true }])
  })
})
