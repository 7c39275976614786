import { describe, expect, it } from 'vitest'
import type { ConversationEvent, Message } from '../../src/domain/conversation.ts'
import { problem } from '../../src/domain/problem.ts'
import { AT, answer, answered, kinds, mail, Play } from '../support/play.ts'

const pat = { kind: 'person', id: 'pat', name: 'Pat' } as const

const elsewhere = (
  about: {
    known?: Message | null
    living?: Message[]
    later?: Message[]
    fresh?: boolean
    createdAt?: number
  } = {},
): ConversationEvent => ({
  type: 'answered_elsewhere',
  known: about.known ?? null,
  fresh: about.fresh ?? true,
  ...(about.living ? { living: about.living } : {}),
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
    const turn = play.tell(elsewhere())
    expect(kinds(turn.effects)).toEqual(['withdraw'])
    expect(play.message('e1')).toMatchObject({ direction: 'outgoing', delivery: { status: 'sent' } })
    expect(play.asksToLeave('a1').leave).toMatchObject({ yes: false })
    expect(play.tell(elsewhere({ known: play.message('e1') })).messages).toEqual([])
  })

  it('I4 a draft is withdrawn, one that a person worked on stays', () => {
    const play = new Play()
    play.tell(mail('m1', { mode: 'draft' }))
    play.tell(answer('d1', play.state.epoch, true))
    const edited = { ...play.message('d1'), id: 'd2', details: { edited: true as const } }
    play.tell(elsewhere({ living: [play.message('d1'), edited] }))
    expect(play.message('d1').delivery).toMatchObject({
      status: 'discarded',
      problem: { code: 'answered_elsewhere' },
    })
    expect(play.message('d2')).toMatchObject({ delivery: { status: 'draft' }, details: { stale: true } })
  })

  it('B10 what is old, or a machine’s, calls nothing back, and old mail stands where its time is', () => {
    const play = answered()
    const later = [play.message('m1'), play.message('a1')]
    const turn = play.tell(elsewhere({ fresh: false, later, createdAt: AT - 1000 }))
    expect(turn.effects).toEqual([])
    expect(play.state.pending).not.toBeNull()
    expect(['e1', 'm1', 'a1'].map(id => play.message(id).position)).toEqual([0, 1, 2])
    expect(play.state.lastMessage?.id).toBe('a1')
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
