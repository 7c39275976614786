import { describe, expect, it } from 'vitest'
import {
  type Author,
  type ConversationEvent,
  type Effect,
  type Message,
  step,
  type Turn,
} from '../../src/domain/conversation.ts'
import { askedAbout } from '../../src/domain/coverage.ts'
import type { Phase } from '../../src/domain/outbox.ts'
import { problem } from '../../src/domain/problem.ts'
import {
  AT,
  answer,
  answered,
  byMail,
  conversation,
  kinds,
  type MailAbout,
  mail,
  Play,
  randomOf,
} from '../support/play.ts'

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

describe('a mail arrives', () => {
  it('CO1 is written down at the next position, counted, and answered for the new epoch', () => {
    const { state, messages, effects } = step(conversation(), mail('m1'), AT)
    expect(state).toMatchObject({ seq: 1, epoch: 2, length: 1, unread: 1, lastMessage: { id: 'm1', at: AT } })
    expect(messages).toMatchObject([
      {
        id: 'm1',
        position: 0,
        seq: 1,
        delivery: null,
        details: { reply: { do: 'answer', why: 'answered' } },
      },
    ])
    expect(effects).toEqual([{ kind: 'ask_assistant', id: `ask:2:${AT}`, epoch: 2, draft: false }])
  })

  it('CO1 a second takes the next position and the next seq', () => {
    const play = new Play()
    play.tell(mail('m1'))
    play.tell(mail('m2'))
    expect(play.message('m2')).toMatchObject({ position: 1, seq: 2 })
    expect(play.state).toMatchObject({ length: 2, unread: 2, seq: 2, epoch: 3 })
  })

  it('CO2 the reason for answering or not stays with the message', () => {
    const play = new Play()
    play.tell(mail('m1', { mode: 'off' }))
    play.tell(mail('m2', { mode: 'draft' }))
    play.tell(mail('m3', { class: 'bounce' }))
    expect(play.message('m1').details.reply).toEqual({ do: 'silent', why: 'mode_off' })
    expect(play.message('m2').details.reply).toEqual({ do: 'draft', why: 'mode_draft' })
    expect(play.message('m3').details.reply).toEqual({ do: 'silent', why: 'not_sendable' })
  })

  it('CO2 what is to be a draft is asked for as a draft, what is silent is not asked for', () => {
    expect(step(conversation(), mail('m1', { mode: 'draft' }), AT).effects).toMatchObject([{ draft: true }])
    expect(step(conversation(), mail('m1', { mode: 'off' }), AT).effects).toEqual([])
    expect(step(conversation({ owner: 'person' }), mail('m1'), AT).effects).toEqual([])
    expect(step(conversation({ autoReplyEnabled: false }), mail('m1'), AT).effects).toEqual([])
  })

  it('CO3 an older mail that comes late does not become the last message', () => {
    const play = new Play()
    play.tell(mail('m2', { createdAt: AT + 5000 }))
    play.tell(mail('m1', { createdAt: AT }))
    expect(play.state.lastMessage).toEqual({ id: 'm2', at: AT + 5000 })
    expect(play.message('m1').position).toBe(1)
  })

  it('I1 the contact writes again: the answer on its way is called back and one is asked for that covers both', () => {
    const play = answered()
    const { effects } = play.tell(mail('m2'))
    expect(kinds(effects)).toEqual(['withdraw', 'ask_assistant'])
    expect(effects).toMatchObject([{ messageId: 'a1' }, { epoch: play.state.epoch }])
    expect(play.state.pending).toBeNull()
  })

  it('I1 the contact writes again while an answer is made: that answer goes nowhere', () => {
    const play = new Play()
    play.tell(mail('m1'))
    const epoch = play.state.epoch
    play.tell(mail('m2'))
    const before = play.state
    const turn = play.tell(answer('a1', epoch))
    expect(turn).toEqual({ state: before, messages: [], effects: [] })
  })

  it.each(['automatic', 'bounce', 'report', 'list', 'own', 'unreadable'] as const)(
    'C14 mail of class %s is written down, is no word of the contact, and calls nothing back',
    kind => {
      const play = answered()
      const { epoch, pending } = play.state
      const { effects } = play.tell(mail('m2', { class: kind }))
      expect(effects).toEqual([])
      expect(play.state).toMatchObject({ epoch, pending, length: 3 })
      expect(play.asksToLeave('a1').leave).toEqual({ yes: true })
    },
  )

  it('C3 a mail that a person wrote but that only a person may answer makes a draft and does call back', () => {
    const play = answered()
    const { effects } = play.tell(mail('m2', { maySend: false }))
    expect(effects).toMatchObject([{ kind: 'withdraw' }, { kind: 'ask_assistant', draft: true }])
  })
})

describe('copies of one mail', () => {
  const elsewhere = { inboxId: 'sales', mailId: '1-3-9' }

  it('B5 the same mail in another inbox of ours is noted with the message, and answered once', () => {
    const play = answered()
    const { epoch, length, unread, pending } = play.state
    const turn = play.tell(mail('m1', { known: play.message('m1'), at: elsewhere }))
    expect(turn.effects).toEqual([])
    expect(play.message('m1')).toMatchObject({ position: 0, seq: 3, details: { copies: [elsewhere] } })
    expect(play.state).toMatchObject({ epoch, length, unread, pending, seq: 3 })
  })

  it('B7 redelivered at another position it is one more copy; delivered to us twice it is nothing', () => {
    const play = answered()
    play.tell(mail('m1', { known: play.message('m1'), at: elsewhere }))
    play.tell(mail('m1', { known: play.message('m1'), at: { inboxId: 'inbox', mailId: '1-7-900' } }))
    expect(play.message('m1').details.copies).toEqual([elsewhere, { inboxId: 'inbox', mailId: '1-7-900' }])
    const settled = play.state
    for (const at of [
      elsewhere,
      { inboxId: 'inbox', mailId: '1-7-900' },
      { inboxId: 'inbox', mailId: '1-7-m1' },
    ])
      expect(play.tell(mail('m1', { known: play.message('m1'), at }))).toEqual({
        state: settled,
        messages: [],
        effects: [],
      })
  })
})

describe('an answer is made', () => {
  it('CO4 for the epoch that still is: queued, pending, and owed to the mailbox', () => {
    const play = answered()
    expect(play.last.effects).toEqual([{ kind: 'send', id: 'send:a1', messageId: 'a1' }])
    expect(play.message('a1')).toMatchObject({
      direction: 'outgoing',
      position: 1,
      seq: 2,
      epoch: 2,
      delivery: { status: 'queued', problem: null, at: AT },
    })
    expect(play.state).toMatchObject({
      length: 2,
      unread: 1,
      pending: { messageId: 'a1', epoch: 2 },
      lastMessage: { id: 'a1' },
    })
  })

  it('CO5 as a draft: kept, and nothing is owed', () => {
    const play = new Play()
    play.tell(mail('m1', { mode: 'draft' }))
    const { effects } = play.tell(answer('a1', play.state.epoch, true))
    expect(effects).toEqual([])
    expect(play.message('a1').delivery).toMatchObject({ status: 'draft', problem: null })
    expect(play.state.pending).toBeNull()
  })

  it('I2 a person took over meanwhile: the text is kept as a draft that says why, and nothing is sent', () => {
    const play = new Play()
    play.tell(mail('m1'))
    const epoch = play.state.epoch
    play.tell({ type: 'conversation_changed', change: { owner: 'person' } })
    const { effects } = play.tell(answer('a1', epoch))
    expect(effects).toEqual([])
    expect(play.message('a1').delivery).toMatchObject({ status: 'draft', problem: { code: 'taken_over' } })
    expect(play.state.pending).toBeNull()
  })

  it('K23 taken over and handed back meanwhile: the answer from before is not sent', () => {
    const play = new Play()
    play.tell(mail('m1'))
    const epoch = play.state.epoch
    play.tell({ type: 'conversation_changed', change: { owner: 'person' } })
    play.tell({ type: 'conversation_changed', change: { owner: 'assistant' } })
    expect(play.tell(answer('a1', epoch))).toMatchObject({ messages: [], effects: [] })
  })
})

describe('the assistant has nothing to say', () => {
  it('I7 that stands on the message it was asked about, and nothing is sent', () => {
    const play = new Play()
    play.tell(mail('m1'))
    const { epoch } = play.state
    const turn = play.tell({
      type: 'answer_missing',
      epoch,
      message: play.message('m1'),
      why: 'assistant_silent',
      problem: null,
    })
    expect(turn.effects).toEqual([])
    expect(turn.messages).toMatchObject([
      { id: 'm1', position: 0, seq: 2, details: { reply: { do: 'silent', why: 'assistant_silent' } } },
    ])
    expect(play.state).toMatchObject({ epoch, seq: 2, length: 1, pending: null })
  })

  it('I7 of an epoch that is over it is nothing', () => {
    const play = new Play()
    play.tell(mail('m1'))
    const { epoch } = play.state
    play.tell(mail('m2'))
    const { state } = play
    expect(
      play.tell({
        type: 'answer_missing',
        epoch,
        message: play.message('m1'),
        why: 'assistant_silent',
        problem: null,
      }),
    ).toEqual({
      state,
      messages: [],
      effects: [],
    })
  })
})

describe('a person takes over', () => {
  it('CO6 the owner changes, the epoch and seq rise by one, and once is enough', () => {
    const before = conversation({ seq: 5, epoch: 3 })
    const taken = step(before, { type: 'conversation_changed', change: { owner: 'person' } }, AT)
    expect(taken.state).toEqual({ ...before, owner: 'person', ownerSince: AT, epoch: 4, seq: 6 })
    expect(step(taken.state, { type: 'conversation_changed', change: { owner: 'person' } }, AT)).toEqual({
      state: taken.state,
      messages: [],
      effects: [],
    })
  })

  it('CO6 and hands back the same way', () => {
    const before = conversation({ owner: 'person', seq: 5, epoch: 3 })
    const back = step(before, { type: 'conversation_changed', change: { owner: 'assistant' } }, AT)
    expect(back.state).toEqual({ ...before, owner: 'assistant', ownerSince: AT, epoch: 4, seq: 6 })
    expect(step(back.state, { type: 'conversation_changed', change: { owner: 'assistant' } }, AT).state).toBe(
      back.state,
    )
  })

  it('CO7 before the point of no return: the mail is called back, and asked later it may not leave', () => {
    const play = answered()
    expect(play.tell({ type: 'conversation_changed', change: { owner: 'person' } }).effects).toEqual([
      { kind: 'withdraw', id: 'withdraw:a1', messageId: 'a1', why: 'taken_over' },
    ])
    expect(play.asksToLeave('a1').leave).toMatchObject({ yes: false, problem: { code: 'taken_over' } })
    expect(play.message('a1').delivery?.status).toBe('queued')
    play.learnsFate('a1', 'withdrawn')
    expect(play.message('a1').delivery?.status).toBe('withdrawn')
  })

  it('CO8 after the point of no return: nothing is called back, and the mail is shown as leaving', () => {
    const play = answered()
    play.asksToLeave('a1')
    expect(play.tell({ type: 'conversation_changed', change: { owner: 'person' } }).effects).toEqual([])
    expect(play.message('a1').delivery?.status).toBe('leaving')
    play.learnsFate('a1', 'sent')
    expect(play.message('a1').delivery?.status).toBe('sent')
  })

  it('CO8 a mail let go once and refused by the server for now does not leave after a takeover', () => {
    const play = answered()
    play.asksToLeave('a1')
    play.learnsFate('a1', 'retry')
    play.tell({ type: 'conversation_changed', change: { owner: 'person' } })
    expect(play.asksToLeave('a1').leave).toMatchObject({ yes: false, problem: { code: 'taken_over' } })
  })
})

describe('the point of no return', () => {
  it('CO9 yes is written down in the same turn: leaving, a new seq, nothing pending any more', () => {
    const play = answered()
    const turn = play.asksToLeave('a1')
    expect(turn).toMatchObject({ leave: { yes: true }, effects: [] })
    expect(turn.messages).toMatchObject([{ id: 'a1', seq: 3, delivery: { status: 'leaving' } }])
    expect(play.state).toMatchObject({ seq: 3, pending: null })
  })

  it('CO10 asked again for what was let go, it is the same yes, and nothing is written', () => {
    const play = answered()
    play.asksToLeave('a1')
    const { state } = play
    expect(play.asksToLeave('a1')).toEqual({ state, messages: [], effects: [], leave: { yes: true } })
    play.tell({ type: 'conversation_changed', change: { owner: 'person' } })
    expect(play.asksToLeave('a1').leave).toEqual({ yes: true })
  })

  it('CO11 an answer of an earlier epoch does not leave', () => {
    const play = answered()
    play.tell(mail('m2'))
    const { state } = play
    expect(play.asksToLeave('a1')).toMatchObject({
      state,
      messages: [],
      leave: { yes: false, problem: { code: 'superseded' } },
    })
  })

  it('CO11 where a person owns it that is the reason said, whatever the epoch', () => {
    const play = answered()
    play.tell(mail('m2'))
    play.tell({ type: 'conversation_changed', change: { owner: 'person' } })
    expect(play.asksToLeave('a1').leave).toMatchObject({ yes: false, problem: { code: 'taken_over' } })
  })
})

describe('the fate of an answer', () => {
  it.each(PHASES)('CO12 %s is written down once; told again it is nothing', status => {
    const play = new Play()
    play.tell(mail('m1'))
    play.tell(answer('a1', play.state.epoch))
    const why = status === 'failed' ? problem('message_refused') : null
    const fate = (): ConversationEvent => ({
      type: 'fate_told',
      message: play.message('a1'),
      status,
      problem: why,
    })
    const first = play.tell(fate(), AT + 7)
    if (status === 'queued') expect(first.messages).toEqual([])
    else expect(first.messages).toMatchObject([{ seq: 3, delivery: { status, problem: why, at: AT + 7 } }])
    expect(play.tell(fate())).toEqual({ state: first.state, messages: [], effects: [] })
  })

  it('CO13 an answer that waits for another try is still pending, so it can be called back', () => {
    const play = answered()
    play.learnsFate('a1', 'retry')
    expect(play.state.pending).toEqual({ messageId: 'a1', epoch: 2 })
    expect(kinds(play.tell({ type: 'conversation_changed', change: { owner: 'person' } }).effects)).toEqual([
      'withdraw',
    ])
  })

  it.each(['sent', 'failed', 'uncertain', 'withdrawn', 'held'] as const)(
    'CO13 %s ends it: nothing is pending',
    status => {
      const play = answered()
      play.learnsFate('a1', status)
      expect(play.state.pending).toBeNull()
      expect(play.tell({ type: 'conversation_changed', change: { owner: 'person' } }).effects).toEqual([])
    },
  )

  it('CO13 the fate of one answer leaves another that is pending alone', () => {
    const play = answered()
    play.tell(mail('m2'))
    play.tell(answer('a2', play.state.epoch))
    play.learnsFate('a1', 'withdrawn')
    expect(play.state.pending?.messageId).toBe('a2')
  })
})

// The model: a mailbox that may forget, repeat and be late, an assistant, a person and a contact, in any order.
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31)

// How often each happens, among the others.
const MOVES = [
  'mail',
  'mail',
  'robot',
  'copy',
  'answer',
  'answer',
  'answer',
  'answer',
  'leave',
  'leave',
  'leave',
  'leave',
  'fate',
  'fate',
  'over',
  'back',
  'back',
] as const

describe(`any order of events, SEED=${SEED}`, () => {
  it('CO14 CO15 CO16 holds its promises in 4,000 conversations of 40 events', () => {
    const seen = { yes: 0, no: 0, sent: 0, withdraws: 0, drafts: 0, copies: 0 }
    for (let game = 0; game < 4000; game++) {
      const random = randomOf(SEED + game)
      const story: string[] = []
      const play = new Play()
      const asked: Extract<Effect, { kind: 'ask_assistant' }>[] = []
      const wordsAfter = new Map<string, boolean>()
      const letGo = new Set<string>()
      const yesses = new Map<string, number>()
      const sent = new Map<string, number>()
      let made = 0
      const must = (holds: boolean, what: string) => {
        if (!holds) throw new Error(`SEED=${SEED} game ${game}: ${what}\n${story.join('\n')}`)
      }
      const anyOf = <T>(all: T[]): T | undefined => all[random(all.length || 1)]

      for (let move = 0; move < 40; move++) {
        const before = play.state
        const owed = [...play.messages.values()].filter(
          one => one.delivery && ['queued', 'retry', 'leaving'].includes(one.delivery.status),
        )
        let turn: Turn | null = null
        let subject: Message | undefined
        switch (MOVES[random(MOVES.length)]!) {
          case 'mail': {
            story.push('the contact writes')
            for (const id of play.messages.keys()) wordsAfter.set(id, true)
            turn = play.tell(mail(`m${made++}`, { maySend: random(4) > 0 }), AT + move)
            break
          }
          case 'robot':
            story.push('a robot writes')
            turn = play.tell(
              mail(`m${made++}`, { class: anyOf(['automatic', 'bounce', 'list'] as const) }),
              AT + move,
            )
            break
          case 'copy': {
            const known = anyOf([...play.messages.values()].filter(one => one.direction === 'incoming'))
            if (!known) break
            story.push(`a copy of ${known.id}`)
            const at = { inboxId: 'sales', mailId: `2-2-${random(3)}` }
            turn = play.tell(mail(known.id, { known, at }), AT + move)
            seen.copies += turn.messages.length
            must(turn.effects.length === 0, 'a copy must owe nothing')
            break
          }
          case 'answer': {
            const request = asked.length > 0 ? asked.splice(random(asked.length), 1)[0] : undefined
            if (!request) break
            const about = anyOf([...play.messages.values()].filter(one => one.direction === 'incoming'))
            if (about && random(6) === 0) {
              story.push(`nothing to say in epoch ${request.epoch}`)
              turn = play.tell(
                {
                  type: 'answer_missing',
                  epoch: request.epoch,
                  message: about,
                  why: 'assistant_silent',
                  problem: null,
                },
                AT + move,
              )
              break
            }
            story.push(`an answer for epoch ${request.epoch}`)
            turn = play.tell(answer(`a${made++}`, request.epoch, request.draft), AT + move)
            seen.drafts += turn.messages.filter(one => one.delivery?.status === 'draft').length
            break
          }
          case 'leave': {
            subject = anyOf(owed)
            if (!subject) break
            story.push(`${subject.id} (${subject.delivery?.status}) asks to leave, owner ${before.owner}`)
            turn = play.asksToLeave(subject.id)
            if (turn.leave?.yes) {
              seen.yes++
              const again = subject.delivery?.status === 'leaving'
              if (!again) {
                yesses.set(subject.id, (yesses.get(subject.id) ?? 0) + 1)
                must(before.owner === 'assistant', 'let go while a person owns')
                must(!wordsAfter.get(subject.id), 'let go after the contact wrote again')
              }
              letGo.add(subject.id)
              must(play.message(subject.id).delivery?.status === 'leaving', 'yes is not written down')
            } else {
              seen.no++
              must(turn.messages.length === 0, 'a no must change nothing')
            }
            break
          }
          case 'fate': {
            subject = anyOf(owed)
            if (!subject) break
            // What a mailbox can say: of what left, anything; of what did not, that it did not.
            const left = subject.delivery?.status === 'leaving'
            const status = anyOf<Phase>(
              left
                ? ['sent', 'sent', 'sent', 'retry', 'failed', 'uncertain']
                : ['retry', 'retry', 'failed', 'withdrawn', 'held'],
            )!
            story.push(`${subject.id} is ${status}`)
            turn = play.learnsFate(subject.id, status)
            if (status === 'sent') sent.set(subject.id, (sent.get(subject.id) ?? 0) + 1)
            seen.sent += status === 'sent' ? 1 : 0
            if (random(3) === 0)
              must(
                play.learnsFate(subject.id, status).messages.length === 0,
                'a fate told twice changed something',
              )
            break
          }
          case 'over':
            story.push('a person takes over')
            turn = play.tell({ type: 'conversation_changed', change: { owner: 'person' } }, AT + move)
            break
          case 'back':
            story.push('handed back')
            turn = play.tell({ type: 'conversation_changed', change: { owner: 'assistant' } }, AT + move)
        }
        if (!turn) continue
        for (const effect of turn.effects) {
          if (effect.kind === 'ask_assistant') asked.push(effect)
          if (effect.kind === 'withdraw') {
            seen.withdraws++
            must(
              !letGo.has(effect.messageId) || play.message(effect.messageId).delivery?.status !== 'leaving',
              'called back what is leaving',
            )
          }
        }

        const changed = turn.messages.length > 0 || turn.state !== before
        must(
          turn.state.seq === before.seq + (changed ? 1 : 0),
          `seq went from ${before.seq} to ${turn.state.seq}`,
        )
        must(turn.messages.length <= 1, 'one event changes one message at most')
        for (const message of turn.messages)
          must(message.seq === turn.state.seq, 'a changed message without the new seq')
        must(turn.state.epoch >= before.epoch, 'the epoch fell')
        must(turn.state.length === play.messages.size, 'length is not the number of messages')
        const positions = [...play.messages.values()].map(one => one.position).sort((a, b) => a - b)
        must(
          positions.every((position, i) => position === i),
          'positions have gaps',
        )
        const mayStillLeave = [...play.messages.values()].filter(
          one =>
            one.delivery?.status === 'queued' &&
            one.epoch === turn.state.epoch &&
            turn.state.owner === 'assistant',
        )
        must(mayStillLeave.length <= 1, 'two answers may leave')
        const { pending } = turn.state
        if (pending) {
          must(pending.epoch === turn.state.epoch, 'pending from an earlier epoch')
          must(
            ['queued', 'retry'].includes(play.message(pending.messageId).delivery!.status),
            'pending, but over',
          )
        }
      }
      for (const [id, times] of sent) must(times === 1 && letGo.has(id), `${id} was sent ${times} times`)
      for (const [id, times] of yesses) {
        const retried = story.filter(line => line === `${id} is retry`).length
        must(times <= 1 + retried, `${id} was let go ${times} times`)
      }
    }
    // A walk that never gets anywhere proves nothing.
    for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(200)
  })
})

describe('one answer an epoch', () => {
  it('CO20 made twice, as an effect may be run twice, an answer is one', () => {
    const play = answered()
    expect(play.tell(answer('a1', play.state.epoch)).messages).toEqual([])
    const { messages, effects } = play.tell(answer('a2', play.state.epoch))
    expect([messages, effects]).toEqual([[], []])
  })

  it('CO20 a draft made before it does not stand in the way of the answer, nor the other way round two', () => {
    const play = new Play()
    play.tell(mail('m1'))
    play.tell(answer('d1', play.state.epoch, true))
    expect(kinds(play.tell(answer('a1', play.state.epoch)).effects)).toEqual(['send'])
    expect(play.tell(answer('d1', play.state.epoch, true)).messages).toEqual([])
    // Another mail of the epoch that only a person may answer has its own draft.
    expect(play.tell(answer('d2', play.state.epoch, true)).messages).toHaveLength(1)
  })

  it.each(['draft', 'sent', 'failed', 'uncertain', 'withdrawn', 'held'] as const)(
    'CO21 a mail that is %s is not let go, whoever asks',
    status => {
      const play = answered()
      const message: Message = { ...play.message('a1'), delivery: { status, problem: null, at: AT } }
      expect(play.tell({ type: 'leaving_asked', message }).leave).toMatchObject({ yes: false })
    },
  )
})

describe('what an assistant is asked about', () => {
  const ids = (play: Play, draft = false) =>
    askedAbout([...play.messages.values()], play.state.epoch, draft).asked.map(one => one.id)

  it('I1 everything since the last answer that has left; what was called back has answered nothing', () => {
    const play = answered()
    play.tell(mail('m2'))
    play.learnsFate('a1', 'withdrawn')
    expect(ids(play)).toEqual(['m1', 'm2'])
    play.tell(answer('a2', play.state.epoch))
    play.asksToLeave('a2')
    play.learnsFate('a2', 'sent')
    play.tell(mail('m3'))
    expect(ids(play)).toEqual(['m3'])
  })

  it.each(['failed', 'held', 'retry'] as const)(
    'I1 an answer that is %s and out of date has answered nothing',
    status => {
      const play = answered()
      play.learnsFate('a1', status)
      play.tell(mail('m2'))
      expect(ids(play)).toEqual(['m1', 'm2'])
    },
  )

  it('RE2 an answer that leaves by itself covers no mail that only a person may answer', () => {
    const play = new Play()
    play.tell(mail('m1'))
    play.tell(mail('m2', { class: 'automatic', mayDraft: true, maySend: false }))
    expect(ids(play)).toEqual(['m1'])
    expect(ids(play, true)).toEqual(['m1', 'm2'])
  })
})

describe('the contact asks for a person', () => {
  const asked = () => {
    const play = new Play()
    play.tell(mail('m1'))
    play.tell({ ...answer('a1', play.state.epoch), handsOver: true } as ConversationEvent)
    return play
  }

  it('CO22 the answer that says so still leaves, and from then on a person owns the conversation', () => {
    const play = asked()
    expect(play.state.owner).toBe('assistant')
    expect(play.asksToLeave('a1').leave).toEqual({ yes: true })
    expect(play.state.owner).toBe('person')
    play.learnsFate('a1', 'sent')
    expect(kinds(play.tell(mail('m2')).effects)).toEqual([])
  })

  it.each(['failed', 'held'] as const)('CO22 also where that answer is %s', status => {
    const play = asked()
    play.learnsFate('a1', status)
    expect(play.state.owner).toBe('person')
  })

  it('CO22 called back, because the contact wrote again, it hands over nothing', () => {
    const play = asked()
    play.tell(mail('m2'))
    play.learnsFate('a1', 'withdrawn')
    expect(play.state.owner).toBe('assistant')
  })
})

describe('what people and programs do', () => {
  const pat = { kind: 'person', id: 'pat', name: 'Pat' } as const
  const shop = { kind: 'program', id: 'shop', name: 'shop' } as const
  const written = (id: string, by: Author = pat, known: Message | null = null): ConversationEvent => ({
    type: 'message_written',
    by,
    known,
    message: {
      id,
      sender: { kind: 'person', id: 'pat', name: 'Pat' },
      content: 'Hello',
      details: byMail(id),
      createdAt: AT,
    },
  })
  const drafted = () => {
    const play = new Play()
    play.tell(mail('m1', { mode: 'draft' }))
    play.tell(answer('d1', play.state.epoch, true))
    return play
  }
  const approved = (play: Play, reread = false) =>
    play.tell({
      type: 'draft_approved',
      draft: play.message('d1'),
      by: pat,
      reread,
      newest: play.message('m1'),
    })

  it('CO23 a person’s mail leaves whoever owns the conversation and whatever the contact writes meanwhile', () => {
    const play = answered()
    expect(kinds(play.tell(written('p1')).effects)).toEqual(['withdraw', 'send'])
    play.tell(mail('m2'))
    play.tell({ type: 'conversation_changed', change: { owner: 'person' } })
    expect(play.asksToLeave('p1').leave).toEqual({ yes: true })
    expect(play.asksToLeave('a1').leave).toMatchObject({ yes: false })
  })

  it('CO23 a program’s mail leaves the assistant’s answer as it is, and both leave', () => {
    const play = answered()
    expect(kinds(play.tell(written('p1', shop)).effects)).toEqual(['send'])
    expect(play.asksToLeave('p1').leave).toEqual({ yes: true })
    expect(play.state.pending?.messageId).toBe('a1')
    expect(play.asksToLeave('a1').leave).toEqual({ yes: true })
  })

  it('CO24 written twice under one id, it is one', () => {
    const play = new Play()
    play.tell(written('p1'))
    expect(play.tell(written('p1', pat, play.message('p1')))).toMatchObject({ messages: [], effects: [] })
  })

  it('H6 a draft is approved once, and nothing is done to it after that', () => {
    const play = drafted()
    expect(kinds(approved(play).effects)).toEqual(['send'])
    expect(approved(play).refused).toMatchObject({ code: 'draft_answered' })
    for (const event of [
      { type: 'draft_edited', draft: play.message('d1'), content: 'x', attachments: [], citations: [] },
      { type: 'draft_discarded', draft: play.message('d1'), by: pat },
    ] satisfies ConversationEvent[])
      expect(play.tell(event)).toMatchObject({
        refused: { code: 'draft_answered' },
        messages: [],
        effects: [],
      })
  })

  it('I3 what the contact has overtaken is stale until it was read again', () => {
    const play = drafted()
    play.tell(mail('m2', { mode: 'draft' }))
    const event = {
      type: 'draft_approved',
      draft: play.message('d1'),
      by: pat,
      newest: play.message('m2'),
    } as const
    expect(play.tell({ ...event, reread: false })).toMatchObject({
      refused: { code: 'draft_stale' },
      effects: [],
    })
    expect(kinds(play.tell({ ...event, reread: true }).effects)).toEqual(['send'])
  })

  it('H6 an approved draft is the answer: the one in the making is not sent beside it, and it answers what was asked', () => {
    const play = answered()
    play.tell(answer('d1', play.state.epoch, true))
    expect(kinds(approved(play).effects)).toEqual(['withdraw', 'send'])
    play.learnsFate('a1', 'withdrawn')
    play.tell(mail('m2'))
    expect(askedAbout([...play.messages.values()], play.state.epoch, false).asked.map(one => one.id)).toEqual(
      ['m2'],
    )
    expect(play.asksToLeave('d1').leave).toEqual({ yes: true })
  })

  it('DL1 an answer is asked for after its delay, a draft at once', () => {
    const due = (about: MailAbout) => {
      const [effect] = new Play().tell(mail('m1', { delayMs: 60_000, ...about })).effects
      return effect && 'dueAt' in effect ? effect.dueAt : undefined
    }
    expect(due({})).toBe(AT + 60_000)
    expect(due({ mode: 'draft' })).toBeUndefined()
  })

  it('RH1 the text for the closed hours is said once a night', () => {
    const play = new Play()
    const closed = { open: false, closedText: 'At nine.' }
    expect(kinds(play.tell(mail('m1', closed)).effects)).toEqual(['say'])
    expect(kinds(play.tell(mail('m2', closed), AT + 3_600_000).effects)).toEqual([])
    expect(kinds(play.tell(mail('m3', closed), AT + 13 * 3_600_000).effects)).toEqual(['say'])
  })

  it('I3 one question has one draft: a newer one takes the place of the one that nobody has worked on', () => {
    const play = drafted()
    const living = () => [...play.messages.values()].filter(one => one.delivery?.status === 'draft')
    play.tell(mail('m2', { mode: 'draft' }))
    play.tell({ ...answer('d2', play.state.epoch, true), living: living() } as ConversationEvent)
    expect(living().map(one => one.id)).toEqual(['d2'])
    play.tell({
      type: 'draft_edited',
      draft: play.message('d2'),
      content: 'mine',
      attachments: [],
      citations: [],
    })
    play.tell(mail('m3', { mode: 'draft' }))
    play.tell({ ...answer('d3', play.state.epoch, true), living: living() } as ConversationEvent)
    expect(living().map(one => one.id)).toEqual(['d2', 'd3'])
    expect(new Set([...play.messages.values()].map(one => one.seq)).size).toBe(play.messages.size)
  })

  const about = (event: ConversationEvent, answers: string[], living: Message[]): ConversationEvent => {
    if (event.type !== 'answer_made') throw new Error('not an answer')
    return { ...event, living, message: { ...event.message, details: { ...event.message.details, answers } } }
  }
  const drafts = (play: Play) =>
    [...play.messages.values()].filter(one => one.delivery?.status === 'draft').map(one => one.id)

  it('I3 an answer that says some of what a draft says makes it stale, and leaves any other as it is', () => {
    const play = new Play()
    play.tell(mail('m1', { mode: 'draft' }))
    play.tell(mail('m2'))
    const { epoch } = play.state
    play.tell(about(answer('d1', epoch, true), ['m1', 'm2'], []))
    play.tell(about(answer('d2', epoch, true), ['m1'], []))
    const living = [play.message('d1'), play.message('d2')]
    expect(kinds(play.tell(about(answer('a1', epoch), ['m2'], living)).effects)).toEqual(['send'])
    expect(['d1', 'd2'].map(id => play.message(id).details.stale)).toEqual([true, undefined])
    expect(approved(play).refused?.code).toBe('draft_stale')
    expect(new Set([...play.messages.values()].map(one => one.seq)).size).toBe(play.messages.size)
  })

  it('I3 an approved draft makes one stale that answers more than it does, and one that a person worked on', () => {
    const play = new Play()
    play.tell(mail('m1', { mode: 'draft' }))
    play.tell(mail('m2', { mode: 'draft' }))
    const { epoch } = play.state
    for (const [id, answers] of [
      ['d1', ['m1']],
      ['wider', ['m1', 'm2']],
      ['other', ['m2']],
      ['worked', ['m1']],
      ['same', ['m1']],
    ] as const)
      play.tell(about(answer(id, epoch, true), [...answers], []))
    play.tell({
      ...{ type: 'draft_edited', draft: play.message('worked'), content: 'Mine.' },
      ...{ attachments: [], citations: [] },
    })
    const living = drafts(play).map(id => play.message(id))
    play.tell({
      type: 'draft_approved',
      draft: play.message('d1'),
      by: pat,
      reread: false,
      newest: null,
      living,
    })
    expect(drafts(play)).toEqual(['wider', 'other', 'worked'])
    expect(drafts(play).map(id => play.message(id).details.stale)).toEqual([true, undefined, true])
  })

  it('I5 a person’s own answer makes the draft stale that somebody worked on', () => {
    const play = drafted()
    play.tell({
      ...{ type: 'draft_edited', draft: play.message('d1'), content: 'Mine.' },
      ...{ attachments: [], citations: [] },
    })
    play.tell({ ...written('p1'), living: [play.message('d1')] } as ConversationEvent)
    expect(play.message('d1')).toMatchObject({ delivery: { status: 'draft' }, details: { stale: true } })
  })

  it('I4 a person’s own answer discards the draft', () => {
    const play = drafted()
    play.tell({ ...written('p1'), living: [play.message('d1')] } as ConversationEvent)
    expect(play.message('d1').delivery).toMatchObject({
      status: 'discarded',
      problem: { code: 'taken_over' },
    })
    expect(approved(play).refused).toMatchObject({ code: 'draft_answered' })
  })

  it('I7 why an assistant cannot answer stands on the mail, for a person to see', () => {
    const play = new Play()
    play.tell(mail('m1'))
    const refused = problem('credentials', 'The model refused the key.')
    play.tell({
      type: 'answer_missing',
      epoch: play.state.epoch,
      message: play.message('m1'),
      why: 'assistant_silent',
      problem: refused,
    })
    expect(play.message('m1').details).toMatchObject({
      reply: { why: 'assistant_silent' },
      unanswered: refused,
    })
  })

  it('B8 the Message-ID that the platform gave takes the place of ours', () => {
    const play = new Play()
    play.tell({
      ...written('p1'),
      message: { ...(written('p1') as { message: object }).message, details: mail('x').message.details },
    } as ConversationEvent)
    play.tell({
      type: 'fate_told',
      message: play.message('p1'),
      status: 'sent',
      problem: null,
      rfcId: '<cf@x>',
    })
    expect(play.message('p1').details.mail?.rfcId).toBe('<cf@x>')
  })
})
