import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  after,
  type Conversation,
  inOrder,
  interrupted,
  NOTHING,
  newIn,
  personIn,
  stillTyping,
  unseen,
} from '../../web/widget/conversation.ts'
import { due, marked, type Said, without } from '../../web/widget/outbox.ts'
import { timeline } from '../../web/widget/timeline.ts'
import type { ChatMessage, ConversationFacts, FromDesk } from '../../web/widget/wire.ts'

const AT = Date.UTC(2026, 10, 20, 9)
const facts: ConversationFacts = { id: 'c1', status: 'open', owner: 'assistant', createdAt: String(AT) }
const contact = { kind: 'contact', id: 'k1', name: 'Alice' } as const
const assistant = { kind: 'assistant', id: 'a1', name: 'Ada' } as const
const pat = { kind: 'person', id: 'p1', name: 'Pat' } as const

const message = (id: string, over: Partial<ChatMessage> = {}): ChatMessage => ({
  ...{ id, sentAs: null, type: 'outgoing', sender: assistant, content: id, attachments: [], citations: [] },
  ...{ feedback: null, createdAt: String(AT) },
  ...over,
})
const mine = (id: string, sentAs: string, at = AT) =>
  message(id, { sentAs, type: 'incoming', sender: contact, createdAt: String(at) })
const changed = (
  seq: number | null,
  messages: ChatMessage[],
  over: Partial<ConversationFacts> = {},
): FromDesk => ({ type: 'changed', seq, conversation: { ...facts, ...over }, messages })
const told = (frames: FromDesk[], known: Conversation = NOTHING) =>
  frames.reduce((now, frame) => after(now, frame, AT), known)
const said = (id: string, at = AT): Said => ({ id, content: id, attachments: [], at })
const dayOf = (at: number) => new Date(at).toISOString().slice(0, 10)
const shown = (conversation: Conversation, outbox: Said[] = [], greeting: string | null = null) =>
  timeline(conversation, outbox, greeting, dayOf).map(one => (one.kind === 'day' ? '—' : one.content))

describe('what a conversation says', () => {
  it('M1 after ten minutes away all that was missed is there, in order, once, whatever was cut or said twice', () => {
    const all = Array.from({ length: 30 }, (_, i) =>
      message(`m${String(i).padStart(2, '0')}`, { createdAt: String(AT + i * 20_000) }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(30), fc.nat(5)), { maxLength: 12 }), breaks => {
        let known = NOTHING
        // Each time the line lives for some events, then comes back with the seq that it has.
        for (const [lives, again] of [...breaks, [30, 0] as const]) {
          known = interrupted(known)
          const from = known.seq ?? 0
          // The desk may say again what we know already: its own since is not ours.
          for (let seq = Math.max(0, from - again); seq < Math.min(all.length, from + lives); seq++)
            known = after(known, changed(seq + 1, [all[seq]!]), AT)
        }
        expect(inOrder(known).map(one => one.id)).toEqual(all.slice(0, known.seq ?? 0).map(one => one.id))
        expect(known.seq).toBe(30)
      }),
    )
  })

  it('M1 a snapshot that comes in parts is whole at the first frame with a seq', () => {
    const first = told([changed(null, [message('a')])])
    expect(first).toMatchObject({ seq: null, synced: false })
    expect(told([changed(7, [message('b')])], first)).toMatchObject({ seq: 7, synced: true })
    expect(told([changed(null, [message('c')])], { ...first, seq: 5, synced: true }).seq).toBe(5)
  })

  it('M2 what was closed, taken over or changed meanwhile is so right after the resume', () => {
    const before = told([changed(3, [message('a')])])
    const now = told(
      [
        changed(5, [message('a', { content: 'edited', feedback: 'like' })], {
          status: 'closed',
          owner: 'person',
        }),
      ],
      interrupted(before),
    )
    expect(now.facts).toMatchObject({ status: 'closed', owner: 'person' })
    expect(inOrder(now)).toMatchObject([{ content: 'edited', feedback: 'like' }])
    expect(newIn(before, now)).toEqual([])
  })

  it('M2 who typed, was there or wrote when the line broke is no longer known', () => {
    const known = told([
      changed(1, []),
      { type: 'typing', who: pat, on: true },
      { type: 'presence', here: [{ ...pat, kind: 'member' }] },
      { type: 'answer', id: 'x', at: 0, text: 'Hel' },
    ])
    expect(interrupted(known)).toMatchObject({ typing: [], here: [], answer: null, synced: false, seq: 1 })
  })

  it('CW2 an answer that is being written grows; a piece may come twice or anew, one without its beginning is not shown', () => {
    const piece = (at: number, text: string, id = 'x'): FromDesk => ({ type: 'answer', id, at, text })
    expect(told([piece(0, 'Hel'), piece(3, 'lo'), piece(3, 'lo')]).answer?.text).toBe('Hello')
    expect(told([piece(0, 'Hello'), piece(0, 'Bye')]).answer?.text).toBe('Bye')
    expect(told([piece(4, 'late')]).answer).toBe(null)
    expect(told([piece(0, 'one'), piece(3, ' more', 'y')]).answer).toEqual({ id: 'x', text: 'one' })
    expect(told([piece(0, '👋'), piece(2, '!')]).answer?.text).toBe('👋!')
    expect(told([piece(0, 'Hel'), { type: 'answer', id: 'x', over: true }]).answer).toBe(null)
  })

  it('CW2 the message takes the place of the answer in the same step', () => {
    const known = told([changed(1, []), { type: 'answer', id: 'x', at: 0, text: 'Hel' }])
    expect(told([changed(2, [message('x')])], known)).toMatchObject({ answer: null })
    expect(told([changed(2, [mine('y', 's')])], known).answer).not.toBe(null)
  })

  it('CW2 who types stops by saying so, by having said it, or after a while', () => {
    const typing = told([
      { type: 'typing', who: assistant, on: true },
      { type: 'typing', who: pat, on: true },
    ])
    expect(stillTyping(typing, AT + 1).map(one => one.who.name)).toEqual(['Ada', 'Pat'])
    expect(stillTyping(told([changed(1, [message('m')])], typing), AT + 1).map(one => one.who.name)).toEqual([
      'Pat',
    ])
    expect(told([{ type: 'typing', who: pat, on: false }], typing).typing).toHaveLength(1)
    expect(stillTyping(typing, AT + 60_000)).toEqual([])
  })

  it('CW2 a person is named where one has it open, or answers it', () => {
    const wrote = [message('a', { sender: pat }), message('b')]
    expect(personIn(told([changed(1, wrote)]))).toBe(null)
    expect(personIn(told([changed(1, wrote, { owner: 'person' })]))?.name).toBe('Pat')
    const here = { kind: 'member', id: 'q', name: 'Quinn' } as const
    expect(personIn(told([changed(1, wrote), { type: 'presence', here: [here] }]))?.name).toBe('Quinn')
  })

  it('CW2 a program that writes for the team has no name, and hides nobody’s', () => {
    const program = message('b', { sender: { ...pat, id: 'key', name: '' }, createdAt: String(AT + 1) })
    const owned = { owner: 'person' } as const
    expect(personIn(told([changed(1, [program], owned)]))).toBe(null)
    expect(personIn(told([changed(1, [message('a', { sender: pat }), program], owned)]))?.name).toBe('Pat')
  })

  it('CW2 what is moved or erased leaves nothing behind', () => {
    const known = told([changed(9, [message('a')])])
    expect(told([{ type: 'moved', to: 'c2' }], known)).toEqual(NOTHING)
    expect(told([{ type: 'erased' }], known)).toEqual(NOTHING)
  })

  it('CW2 unread is what came after what was seen, and never what the contact wrote', () => {
    const at = (ms: number) => ({ createdAt: String(AT + ms) })
    const known = told([changed(1, [message('a', at(1)), message('b', at(2)), mine('c', 's', AT + 3)])])
    expect(unseen(known, 0)).toEqual({ count: 2, newest: AT + 2 })
    expect(unseen(known, AT + 1)).toEqual({ count: 1, newest: AT + 2 })
    expect(unseen(known, AT + 9)).toEqual({ count: 0, newest: AT + 9 })
  })
})

describe('what was said and is not yet there', () => {
  it('M5 is shown once at every moment, in every order in which the desk, this tab and another hear of it', () => {
    const steps = ['outbox', 'desk', 'desk again', 'outbox of a tab that is behind', 'emptied'] as const
    fc.assert(
      fc.property(fc.shuffledSubarray([...steps], { minLength: 1 }), order => {
        let outbox: Said[] = []
        let known = told([changed(1, [])])
        for (const step of order) {
          if (step.startsWith('outbox')) outbox = [said('s1')]
          else if (step.startsWith('desk')) known = told([changed(2, [mine('m1', 's1')])], known)
          else outbox = without(outbox, known.messages.values())
          const bubbles = shown(known, outbox).filter(one => one !== '—')
          expect(bubbles.length).toBe(known.messages.size || outbox.length)
        }
      }),
    )
  })

  it('M5 keeps its place on the screen when the desk has it', () => {
    const keys = (known: Conversation, outbox: Said[]) =>
      timeline(known, outbox, null, dayOf).map(one => one.key)
    const before = keys(told([changed(1, [message('a')])]), [said('s1', AT + 1)])
    const then = keys(told([changed(2, [message('a'), mine('m1', 's1', AT + 1)])]), [said('s1', AT + 1)])
    expect(then).toEqual(before)
  })

  it('M1 is said in the order in which it was written, five at a time, and again where nothing is heard of it', () => {
    const outbox = Array.from({ length: 8 }, (_, i) => said(`s${i}`))
    const ids = (now: number, at: [string, number][]) => due(outbox, new Map(at), now).map(one => one.id)
    expect(ids(AT, [])).toEqual(['s0', 's1', 's2', 's3', 's4'])
    const five = outbox.slice(0, 5).map(one => [one.id, AT] as [string, number])
    expect(ids(AT + 1, five)).toEqual([])
    expect(ids(AT + 1, five.slice(1))).toEqual(['s0'])
    expect(ids(AT + 15_000, five)).toEqual(['s0', 's1', 's2', 's3', 's4'])
  })

  it('CW3 what the desk refused waits for the contact, and holds up nothing', () => {
    const outbox = marked([said('a'), said('b')], 'a', 'too_large')
    expect(outbox[0]).toMatchObject({ id: 'a', failed: 'too_large' })
    expect(due(outbox, new Map(), AT).map(one => one.id)).toEqual(['b'])
    expect(due(marked(outbox, 'a'), new Map(), AT).map(one => one.id)).toEqual(['a', 'b'])
  })
})

describe('what is shown', () => {
  it('CW4 greeting, days, messages by their time, then what is owed', () => {
    const later = (id: string, days: number) => message(id, { createdAt: String(AT + days * 86_400_000) })
    const known = told([changed(1, [later('c', 2), later('a', 0), later('b', 0)])])
    expect(shown(known, [said('d', AT + 2 * 86_400_000 + 1)], 'Hi')).toEqual([
      'Hi',
      '—',
      'a',
      'b',
      '—',
      'c',
      'd',
    ])
    expect(shown(NOTHING)).toEqual([])
  })

  it('CW16 what went by mail stands last, as what one said, with the address that is answered', () => {
    const mail = { ...said('m', AT + 5), email: 'late@shop.test' }
    const items = timeline(told([changed(1, [message('a')])]), [mail], 'We are away', dayOf)
    expect(items.at(-1)).toMatchObject({ isMine: true, content: 'm', owed: { email: 'late@shop.test' } })
  })

  it('CW4 what one says in a row is together: named once, dated once', () => {
    const at = (id: string, seconds: number, over: Partial<ChatMessage> = {}) =>
      message(id, { createdAt: String(AT + seconds * 1000), ...over })
    const known = told([
      changed(1, [at('a', 0), at('b', 10), at('c', 20, { sender: pat }), at('d', 800, { sender: pat })]),
    ])
    const rows = timeline(known, [], null, dayOf).flatMap(one => (one.kind === 'day' ? [] : [one]))
    expect(rows.map(one => [one.content, one.isFirst, one.isLast])).toEqual([
      ['a', true, false],
      ['b', false, true],
      ['c', true, true],
      ['d', true, true],
    ])
  })
})
