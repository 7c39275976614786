import { describe, expect, it } from 'vitest'
import { randomFrom } from '../../bench/post-bag.ts'
import { mayMerge, Placer } from '../../src/domain/placement.ts'
import {
  componentsOf,
  conversationsOf,
  orders,
  pairs,
  scripts,
  type ThreadMail,
  threadMail,
  tree,
  US,
} from '../support/threads.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
console.log(`placement: seed ${seed}`)

const alice = 'alice@customer.test'
const mallory = 'mallory@elsewhere.test'

describe('TH1 the ids alone give the same conversations in every order of arrival', () => {
  it('of a thousand threads, one by one and in chunks', () => {
    const random = randomFrom(seed)
    for (let n = 0; n < 1000; n++) {
      const mails = tree(random, 2 + Math.floor(random() * 12))
      const wanted = componentsOf(mails)
      for (const order of orders(mails, random, 12))
        for (const chunk of [1, 4, order.length || 1])
          expect(conversationsOf(order, { everyEdge: true, chunk }), `seed ${seed}, tree ${n}`).toEqual(
            wanted,
          )
    }
  })

  const given = scripts()
  it.skipIf(!given)(`of the public set${given ? '' : ' (not run: no corpus)'}`, () => {
    const random = randomFrom(seed)
    // What REFERENCES (RFC 5256) does otherwise, as policy: a loop of citations is cut there; a subject joins two there.
    const otherwise: Record<string, { extra: string[]; missing: string[] }> = {
      thread: { extra: ['1 2', '1 3'], missing: [] },
      thread3: { extra: [], missing: ['1 2'] },
      thread4: { extra: [], missing: ['1 2'] },
    }
    for (const { name, mails, expected } of given!)
      for (const order of orders(mails, random, 120)) {
        const { extra, missing } = pairs(conversationsOf(order, { everyEdge: true }), expected)
        expect({ name, extra, missing }).toEqual({ name, ...(otherwise[name] ?? { extra: [], missing: [] }) })
      }
  })

  it('of scripts of ours, which are always there', () => {
    const mail = (name: string, references = '') => threadMail({ name, id: `<${name}@x>`, references })
    const worlds: [ThreadMail[], string[][]][] = [
      [[mail('a'), mail('b', '<a@x>'), mail('c', '<b@x>')], [['a', 'b', 'c']]],
      [[mail('b', '<a@x>'), mail('c', '<a@x>')], [['b', 'c']]],
      [[mail('b', '<a@x>'), mail('d', '<c@x>'), mail('e', '<a@x> <c@x>')], [['b', 'd', 'e']]],
      [
        [mail('a'), mail('z')],
        [['a'], ['z']],
      ],
      [[mail('a', '<b@x>'), mail('b', '<a@x>')], [['a', 'b']]],
    ]
    for (const [mails, wanted] of worlds)
      for (const order of orders(mails, Math.random, 0))
        expect(conversationsOf(order, { everyEdge: true })).toEqual(wanted)
  })
})

describe('TH2 with the rule of those who take part', () => {
  it('a thread among those who take part is one, in every order', () => {
    const random = randomFrom(seed + 1)
    for (let n = 0; n < 300; n++) {
      const mails = tree(random, 2 + Math.floor(random() * 8))
      const wanted = componentsOf(mails)
      for (const order of orders(mails, random, 8))
        expect(conversationsOf(order, { everyEdge: false }), `seed ${seed}, tree ${n}`).toEqual(wanted)
    }
  })

  it('D7 a stranger who cites ids stays apart, before the thread, within it and after it', () => {
    const thread = [
      threadMail({ name: 'a', id: '<a@x>', from: alice }),
      threadMail({ name: 'b', id: '<b@x>', from: alice, references: '<a@x>' }),
    ]
    const stranger = threadMail({ name: 's', id: '<s@x>', from: mallory, references: '<a@x> <b@x>' })
    for (const order of orders([...thread, stranger], Math.random, 0))
      expect(conversationsOf(order, { everyEdge: false })).toEqual([['a', 'b'], ['s']])
  })

  it('D7 a stranger who copies the victim in, and has them answer, is not brought into their older thread', () => {
    const order = [
      threadMail({ name: 'a', id: '<a@x>', from: alice }),
      threadMail({ name: 's', id: '<s@x>', from: mallory, to: [US, alice], references: '<a@x>' }),
      threadMail({
        name: 'v',
        id: '<v@x>',
        from: alice,
        to: [US, mallory],
        references: '<a@x> <s@x>',
        inReplyTo: '<s@x>',
      }),
    ]
    expect(conversationsOf(order, { everyEdge: false })).toEqual([['a'], ['s', 'v']])
  })

  it('D7 two who cite a mail nobody saw belong together only where each shows the other', () => {
    const one = threadMail({ name: 'a', id: '<a@x>', from: alice, references: '<x@x>' })
    const shown = threadMail({
      name: 'b',
      id: '<b@x>',
      from: 'bob@customer.test',
      to: [US, alice],
      references: '<x@x>',
    })
    const both = threadMail({
      name: 'a',
      id: '<a@x>',
      from: alice,
      to: [US, 'bob@customer.test'],
      references: '<x@x>',
    })
    for (const order of orders([one, shown], Math.random, 0))
      expect(conversationsOf(order, { everyEdge: false })).toEqual([['a'], ['b']])
    for (const order of orders([both, shown], Math.random, 0))
      expect(conversationsOf(order, { everyEdge: false })).toEqual([['a', 'b']])
  })

  it('D12 a colleague in copy joins', () => {
    const mails = [
      threadMail({ name: 'a', id: '<a@x>', from: alice, to: [US, 'bob@customer.test'] }),
      threadMail({ name: 'b', id: '<b@x>', from: 'bob@customer.test', references: '<a@x>' }),
    ]
    for (const order of orders(mails, Math.random, 0))
      expect(conversationsOf(order, { everyEdge: false })).toEqual([['a', 'b']])
  })

  it('D10 the same subject, or none, is no thread: two mails without ids are two', () => {
    const mails = [threadMail({ name: 'a', id: null }), threadMail({ name: 'b', id: null })]
    expect(conversationsOf(mails, { everyEdge: false })).toEqual([['a'], ['b']])
  })

  it('nobody is brought among strangers by a merge', () => {
    const people = (all: string[], wrote = all) => ({ all: new Set(all), wrote: new Set(wrote) })
    expect(mayMerge(people(['a', 'b']), people(['b', 'a']))).toBe(true)
    expect(mayMerge(people(['a', 'b'], ['a']), people(['b', 'a'], ['b']))).toBe(true)
    expect(mayMerge(people(['a', 'b'], ['a']), people(['a', 'c'], ['a']))).toBe(true)
    expect(mayMerge(people(['a']), people(['a', 'm']))).toBe(false)
    expect(mayMerge(people(['a', 'x']), people(['a', 'm']))).toBe(false)
  })
})

describe('where a mail goes', () => {
  const at = (conversationId: string, ...participants: string[]) => ({
    conversationId,
    participants: new Set(participants),
  })
  const placer = (held: Record<string, ReturnType<typeof at>[]>, citing = {}) =>
    new Placer({
      held: new Map(Object.entries(held)),
      citing: new Map(Object.entries(citing)),
      through: (id, who) => (id === 'old' && who === alice ? 'anew' : id),
      isOurs: address => address === US,
    })

  it('D2 the nearest known id wins, and another conversation it names is merged', () => {
    const mail = threadMail({ name: 'm', id: '<m@x>', references: '<far@x> <near@x> <unknown@x>' })
    const placed = placer({ 'near@x': [at('c1', alice)], 'far@x': [at('c2', alice)] }).place(mail, 'new')
    expect(placed).toEqual({ conversationId: 'c1', linkedTo: null, mergeWith: ['c2'], open: ['unknown@x'] })
  })

  it('D14 References alone are enough', () => {
    const mail = threadMail({ name: 'm', id: '<m@x>', references: '<ours@us>' })
    expect(placer({ 'ours@us': [at('c1', alice)] }).place(mail, 'new').conversationId).toBe('c1')
  })

  it('D7 a stranger’s is new, and linked', () => {
    const mail = threadMail({ name: 'm', id: '<m@x>', from: mallory, references: '<a@x>' })
    expect(placer({ 'a@x': [at('c1', alice)] }).place(mail, 'new')).toEqual({
      conversationId: null,
      linkedTo: 'c1',
      mergeWith: [],
      open: [],
    })
  })

  it('D7 of two conversations with the same id, the one the writer takes part in', () => {
    const mail = threadMail({ name: 'm', id: '<m@x>', references: '<a@x>' })
    const held = { 'a@x': [at('theirs', mallory), at('mine', alice), at('other')] }
    expect(placer(held).place(mail, 'new')).toMatchObject({ conversationId: 'mine', mergeWith: [] })
  })

  it('N2 a denied sender joins nothing by what it claims, and is linked', () => {
    const mail = { ...threadMail({ name: 'm', id: '<m@x>', references: '<a@x>' }), denied: true }
    expect(placer({ 'a@x': [at('c1', alice)] }).place(mail, 'new')).toMatchObject({
      conversationId: null,
      linkedTo: 'c1',
    })
  })

  it('I15 what was cut by a reset goes where the reset leads', () => {
    const mail = threadMail({ name: 'm', id: '<m@x>', references: '<a@x>' })
    const placed = placer({ 'a@x': [at('old', alice)] }).place(mail, 'new')
    expect(placed).toMatchObject({ conversationId: 'anew', mergeWith: [] })
  })

  it('B10 what we wrote ourselves belongs where those take part to whom it was written', () => {
    const own = {
      ...threadMail({ name: 'm', id: '<m@x>', from: US, to: [alice], references: '<a@x>' }),
      speaksFor: [alice],
    }
    expect(placer({ 'a@x': [at('c1', alice)] }).place(own, 'new').conversationId).toBe('c1')
    const other = { ...own, speaksFor: [mallory], everyone: new Set([US, mallory]) }
    expect(placer({ 'a@x': [at('c1', alice)] }).place(other, 'new').conversationId).toBeNull()
  })

  it('B10 a late mail that we answered elsewhere joins that answer, a stranger’s of the same id does not', () => {
    const citing = { 'q@x': [{ ...at('c1', alice), writer: US }] }
    const late = (from: string) => threadMail({ name: 'q', id: '<q@x>', from })
    expect(placer({}, citing).place(late(alice), 'new').conversationId).toBe('c1')
    expect(placer({}, citing).place(late(mallory), 'new').conversationId).toBeNull()
  })
})
