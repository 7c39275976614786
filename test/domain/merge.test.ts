import { describe, expect, it } from 'vitest'
import type { Effect, MergedPart, Message, Owes } from '../../src/domain/conversation.ts'
import { AT, answer, answered, byMail, conversation, kinds, mail, Play, randomOf } from '../support/play.ts'

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)

const living = (play: Play) => [...play.messages.values()].filter(one => one.delivery?.status === 'draft')
const inOrder = (play: Play) => [...play.messages.values()].toSorted((a, b) => a.position - b.position)

/** What the object would say that it owes. */
function owes(play: Play): Owes {
  if (play.state.owner === 'person') return []
  const drafts = living(play).filter(one => !one.details.edited)
  return [
    ...(play.state.pending ? [{ draft: false, dueAt: null }] : []),
    ...drafts.map(() => ({ draft: true, dueAt: null })),
  ]
}

/** The loser freezes, and the winner takes all of it in `parts` pieces. */
function merge(
  loser: Play,
  winner: Play,
  { parts = 1, loserOwes = owes(loser), winnerOwes = owes(winner) } = {},
) {
  const frozen = loser.tell({
    type: 'merged_into',
    winner: winner.state.id,
    living: living(loser),
    owes: loserOwes,
  })
  const messages = inOrder(loser)
  const size = Math.max(1, Math.ceil(messages.length / parts))
  const effects: Effect[] = []
  for (let at = 0; at < Math.max(1, messages.length); at += size) {
    const last = at + size >= messages.length
    const part: MergedPart = {
      from: loser.state.id,
      messages: messages.slice(at, at + size),
      after: messages[at - 1]?.id ?? null,
      rest: last ? { state: loser.state, owes: loserOwes } : null,
    }
    const event = { type: 'merged_from' as const, part, present: inOrder(winner), owes: winnerOwes }
    effects.push(...winner.tell(event).effects)
  }
  return { frozen, effects }
}

const other = (id = 'other') => new Play(conversation({ id }))

describe('two conversations become one', () => {
  it('TH5 the loser freezes: epoch up, its answer called back, its drafts withdrawn, everything handed over', () => {
    const loser = answered()
    const { epoch } = loser.state
    const turn = loser.tell({
      type: 'merged_into',
      winner: 'w',
      living: [],
      owes: [{ draft: false, dueAt: null }],
    })
    expect(turn.state).toMatchObject({ movedTo: 'w', epoch: epoch + 1, pending: null })
    expect(turn.effects).toMatchObject([
      { kind: 'withdraw', messageId: 'a1', why: 'merged' },
      { kind: 'hand_over', to: 'w', owes: [{ draft: false, dueAt: null }] },
    ])
    expect(loser.asksToLeave('a1').leave).toMatchObject({ yes: false, problem: { code: 'superseded' } })
    expect(loser.tell({ type: 'merged_into', winner: 'x', living: [], owes: [] }).effects).toEqual([])
  })

  it('TH5 the winner has all messages under their ids, in the order of their time, positions without gaps', () => {
    const [loser, winner] = [other(), other('winner')]
    loser.tell(mail('l1', { createdAt: AT + 1 }))
    loser.tell(mail('l2', { createdAt: AT + 3 }))
    winner.tell(mail('w1', { createdAt: AT }))
    winner.tell(mail('w2', { createdAt: AT + 2 }))
    const [a, b] = [loser.state.seq, winner.state.seq]
    merge(loser, winner)
    expect(inOrder(winner).map(one => one.id)).toEqual(['w1', 'l1', 'w2', 'l2'])
    expect(inOrder(winner).map(one => one.position)).toEqual([0, 1, 2, 3])
    expect(winner.state).toMatchObject({
      length: 4,
      unread: 4,
      lastMessage: { id: 'l2' },
      absorbed: ['other'],
    })
    expect(winner.state.seq).toBe(Math.max(a + 1, b) + 1)
  })

  it('TH5 what the loser was about to answer is asked for once more, together; where it owed nothing, nothing is sent', () => {
    const [quiet, winner] = [other(), answered()]
    quiet.tell(mail('q1', { mode: 'off' }))
    expect(merge(quiet, winner).effects).toEqual([])
    expect(winner.state.pending).not.toBeNull()

    const [loser, busy] = [answered(), new Play(conversation({ id: 'busy' }))]
    busy.tell(mail('b1'))
    busy.tell(answer('b2', busy.state.epoch))
    const { effects } = merge(loser, busy)
    expect(kinds(effects)).toEqual(['withdraw', 'ask_assistant'])
    expect(effects[1]).toMatchObject({ epoch: busy.state.epoch, draft: false })
  })

  it('TH5 a draft and a draft become one question for a draft', () => {
    const [loser, winner] = [other(), other('winner')]
    for (const play of [loser, winner]) {
      play.tell(mail(`m-${play.state.id}`, { mode: 'draft' }))
      play.tell(answer(`d-${play.state.id}`, play.state.epoch, true))
    }
    const { effects } = merge(loser, winner)
    expect(effects).toMatchObject([{ kind: 'ask_assistant', draft: true }])
    expect(winner.message('d-other').delivery).toMatchObject({
      status: 'discarded',
      problem: { code: 'merged' },
    })
  })

  it('TH5 where either is a person’s, it is a person’s, and no machine answers', () => {
    const [loser, winner] = [answered(), other('winner')]
    winner.tell({ type: 'conversation_changed', change: { owner: 'person' } })
    expect(merge(loser, winner).effects).toEqual([])
    expect(winner.state.owner).toBe('person')

    const [persons, machines] = [other(), answered()]
    persons.tell(mail('p1', { mode: 'off' }))
    persons.tell({ type: 'conversation_changed', change: { owner: 'person' } })
    expect(kinds(merge(persons, machines).effects)).toEqual(['withdraw'])
    expect(machines.state.owner).toBe('person')
  })

  it('TH5 what a person wrote in the loser still leaves, and its fate is known in the winner', () => {
    const [loser, winner] = [other(), other('winner')]
    const pat = { kind: 'person', id: 'pat', name: 'Pat' } as const
    loser.tell({
      type: 'message_written',
      by: pat,
      known: null,
      message: {
        id: 'p1',
        sender: { ...pat, kind: 'person' },
        content: 'Hi',
        details: byMail('p1'),
        createdAt: AT,
      },
    })
    merge(loser, winner)
    expect(winner.asksToLeave('p1').leave).toEqual({ yes: true })
    winner.learnsFate('p1', 'sent')
    expect(winner.message('p1').delivery?.status).toBe('sent')
  })

  const handOver = (from: Play, to: Play, rest = true) =>
    to.tell({
      type: 'merged_from',
      part: {
        from: from.state.id,
        messages: inOrder(from),
        after: null,
        rest: rest ? { state: from.state, owes: [] } : null,
      },
      present: inOrder(to),
      owes: owes(to),
    })

  it('TH5 who took over the loser while it was on its way has taken over the winner, whatever had arrived', () => {
    const [loser, winner] = [other(), answered()]
    loser.tell(mail('l1', { mode: 'off' }))
    merge(loser, winner)
    loser.tell({ type: 'conversation_changed', change: { owner: 'person' } })
    const turn = handOver(loser, winner)
    expect(kinds(turn.effects)).toEqual(['withdraw'])
    expect(winner.state.owner).toBe('person')
    expect(winner.asksToLeave('a1').leave).toMatchObject({ yes: false })
    expect(handOver(loser, winner).messages).toEqual([])
    // Only a part of it: its rest says so when it comes.
    const late = other('late')
    late.tell({ type: 'conversation_changed', change: { owner: 'person' } })
    const third = answered()
    expect(handOver(late, third, false).effects).toEqual([])
    expect(third.state.owner).toBe('assistant')
  })

  it('TH5 through a chain: what changed where it came from counts there, however far each has counted', () => {
    const [first, second, third] = ['first', 'second', 'third'].map(id => other(id)) as [Play, Play, Play]
    first.tell(mail('f1'))
    first.tell(answer('fa', first.state.epoch))
    first.asksToLeave('fa')
    for (let n = 0; n < 20; n++) second.tell(mail(`s${n}`, { mode: 'off' }))
    handOver(first, second)
    handOver(second, third)
    expect(third.message('fa').details.from).toMatchObject({ id: 'second', before: [{ id: 'first' }] })
    // The server's word comes to the first, which had it sent and is not through yet.
    first.learnsFate('fa', 'sent')
    expect(first.state.seq).toBeLessThan(second.state.seq)
    handOver(first, third)
    expect(third.message('fa').delivery?.status).toBe('sent')
    // An older word of the second's changes nothing, and neither does the same once more.
    handOver(second, third)
    expect(third.message('fa').delivery?.status).toBe('sent')
    expect(handOver(first, third).messages).toEqual([])
  })

  it('TH5 a count of another conversation says nothing about when it changed', () => {
    const [one, two, third] = ['one', 'two', 'third'].map(id => other(id)) as [Play, Play, Play]
    one.tell(mail('x', { mode: 'off' }))
    handOver(one, third)
    // The same message, known by another way as well, in one that has counted further.
    for (let n = 0; n < 20; n++) two.tell(mail(`t${n}`, { mode: 'off' }))
    two.tell(mail('x', { mode: 'off' }))
    two.tell({ type: 'copy_came', message: two.message('x'), at: { inboxId: 'sales', mailId: '9' } })
    const before = third.message('x').details
    handOver(two, third)
    expect(third.message('x').details).toEqual(before)
  })

  it(`TH6 any two conversations, in any number of parts, each part perhaps twice: nothing lost, nothing twice, SEED=${SEED}`, () => {
    const seen = { asks: 0, silent: 0, leaving: 0 }
    for (let game = 0; game < 2000; game++) {
      const random = randomOf(SEED + game)
      const plays = ['one', 'two'].map(name => {
        const play = other(name)
        for (let n = random(12); n > 0; n--) {
          const at = AT + random(1000)
          const known = [...play.messages.values()].filter(one =>
            ['queued', 'leaving'].includes(one.delivery?.status ?? ''),
          )
          const one = known[random(known.length || 1)]
          switch (random(5)) {
            case 0:
              play.tell(mail(`${name}-m${n}`, { createdAt: at, mode: random(3) ? 'auto' : 'draft' }), at)
              break
            case 1:
              play.tell(answer(`${name}-a${n}`, play.state.epoch, random(3) === 0), at)
              break
            case 2:
              if (one) play.asksToLeave(one.id)
              break
            case 3:
              if (one?.delivery?.status === 'leaving') play.learnsFate(one.id, 'sent')
              break
            case 4:
              if (random(6) === 0) play.tell({ type: 'conversation_changed', change: { owner: 'person' } })
          }
        }
        return play
      }) as [Play, Play]
      const [loser, winner] = plays
      const before = new Map<string, Message>([...loser.messages, ...winner.messages])
      const due = owes(loser)
      const { effects } = merge(loser, winner, { parts: 1 + random(3) })
      // Once more, as a hand-over may be cut off before it is written down.
      const again: MergedPart = {
        messages: inOrder(loser),
        from: loser.state.id,
        after: null,
        rest: { state: loser.state, owes: due },
      }
      const state = winner.state
      winner.tell({ type: 'merged_from', part: again, present: inOrder(winner), owes: [] })
      const must = (holds: boolean, what: string) => {
        if (!holds) throw new Error(`SEED=${SEED} game ${game}: ${what}`)
      }
      must(winner.state === state, 'a part taken twice changed something')
      const all = inOrder(winner)
      must(all.length === before.size && winner.state.length === all.length, 'messages were lost or doubled')
      must(
        all.every((one, n) => one.position === n),
        'positions have gaps',
      )
      must(winner.state.seq > Math.max(loser.state.seq, 0) - 1, 'seq fell')
      must(
        all.every(one => one.seq <= winner.state.seq),
        'a message is newer than its conversation',
      )
      for (const name of ['one', 'two']) {
        const ids = all.filter(one => one.id.startsWith(name)).map(one => one.id)
        const was = [...before.values()]
          .filter(one => one.id.startsWith(name))
          .toSorted((a, b) => a.position - b.position)
        must(ids.join() === was.map(one => one.id).join(), 'a conversation lost its own order')
      }
      const leaves = all.filter(
        one =>
          winner.state.owner === 'assistant' &&
          one.delivery?.status === 'queued' &&
          one.epoch === winner.state.epoch,
      )
      must(leaves.length <= 1, 'two answers may leave')
      const asks = effects.flatMap(one => (one.kind === 'ask_assistant' ? [one] : []))
      must(asks.filter(one => !one.draft).length <= 1 && asks.length <= 2, 'asked twice')
      must(asks.length === 0 || due.length > 0, 'asked for what nobody owed')
      must(
        due.length === 0 || winner.state.owner === 'person' || asks.length > 0,
        'what was owed is forgotten',
      )
      seen.asks += asks.length
      seen.silent += asks.length === 0 ? 1 : 0
      seen.leaving += all.filter(one => one.delivery?.status === 'leaving').length
    }
    for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(50)
  })
})
