/**
 * Threading without a database: mails come one after the other, or in chunks as a mailbox reads them, and what is known between them is
 * kept as D1 keeps it. What comes out is which mails stand together.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mayMerge, Placer, type Placing, type Proposal } from '../../src/domain/placement.ts'
import { citedIds, idKey, messageIdOf, messageIds } from '../../src/domain/thread.ts'
import { email } from './read.ts'

export interface ThreadMail extends Placing {
  name: string
}

export interface MailLike {
  name: string
  id: string | null
  inReplyTo?: string
  references?: string
  from?: string
  to?: string[]
}

export const US = 'support@us.test'

export function threadMail(about: MailLike): ThreadMail {
  const from = about.from ?? 'alice@customer.test'
  const cited = citedIds(
    email({ inReplyTo: messageIds(about.inReplyTo ?? ''), references: messageIds(about.references ?? '') }),
  )
  return {
    name: about.name,
    id: about.id === null ? null : idKey(about.id),
    cited: cited.map(idKey),
    writer: from,
    speaksFor: [from],
    everyone: new Set([from, ...(about.to ?? [US])]),
  }
}

/** @returns groups of names, each sorted, in the order of their first */
export function conversationsOf(
  mails: readonly ThreadMail[],
  { everyEdge, chunk = 1 }: { everyEdge: boolean; chunk?: number },
): string[][] {
  const world = new World(everyEdge)
  for (let at = 0; at < mails.length; at += chunk) world.take(mails.slice(at, at + chunk))
  return world.conversations()
}

class World {
  readonly #everyEdge: boolean
  readonly #held = new Map<string, Set<string>>()
  readonly #citing = new Map<string, Set<string>>()
  readonly #people = new Map<string, { all: Set<string>; wrote: Set<string> }>()
  readonly #places = new Map<string, string>()

  constructor(everyEdge: boolean) {
    this.#everyEdge = everyEdge
  }

  take(mails: readonly ThreadMail[]): void {
    const proposal = (conversationId: string): Proposal => ({
      conversationId,
      participants: this.#people.get(conversationId)!.all,
    })
    const placer = new Placer({
      held: new Map([...this.#held].map(([id, all]) => [id, [...all].map(proposal)])),
      citing: new Map(
        [...this.#citing].map(([id, all]) => [
          id,
          [...all].map(key => {
            const [conversationId, writer] = key.split(' ') as [string, string]
            return { ...proposal(conversationId), writer }
          }),
        ]),
      ),
      through: id => id,
      isOurs: address => address === US,
      everyEdge: this.#everyEdge,
    })
    const placed = mails.map(mail => ({
      mail,
      anew: `c-${mail.name}`,
      ...placer.place(mail, `c-${mail.name}`),
    }))
    for (const { mail, anew, conversationId, open } of placed) {
      const at = conversationId ?? anew
      this.#places.set(mail.name, at)
      const people = this.#people.get(at) ?? { all: new Set(), wrote: new Set() }
      this.#people.set(at, people)
      for (const one of mail.everyone) if (one !== US) people.all.add(one)
      people.wrote.add(mail.writer)
      if (mail.id !== null) add(this.#held, mail.id, at)
      for (const id of open) add(this.#citing, id, `${at} ${mail.writer}`)
    }
    for (const { mail, mergeWith } of placed)
      for (const other of mergeWith) this.#merge(this.#places.get(mail.name)!, other)
  }

  conversations(): string[][] {
    const groups = Map.groupBy([...this.#places], ([, at]) => at)
    return [...groups.values()]
      .map(group => group.map(([name]) => name).toSorted())
      .toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1))
  }

  #merge(winner: string, loser: string): void {
    const here = this.#merged.get(winner) ?? winner
    const there = this.#merged.get(loser) ?? loser
    if (here === there) return
    const [one, other] = [this.#people.get(here)!, this.#people.get(there)!]
    if (!this.#everyEdge && !mayMerge(one, other)) return
    for (const who of other.all) one.all.add(who)
    for (const who of other.wrote) one.wrote.add(who)
    for (const [name, at] of this.#places) if (at === there) this.#places.set(name, here)
    for (const all of this.#held.values()) if (all.delete(there)) all.add(here)
    for (const all of this.#citing.values())
      for (const key of [...all])
        if (key.startsWith(`${there} `) && all.delete(key)) all.add(`${here} ${key.slice(there.length + 1)}`)
    this.#people.delete(there)
    for (const [from, to] of this.#merged) if (to === there) this.#merged.set(from, here)
    this.#merged.set(there, here)
  }

  readonly #merged = new Map<string, string>()
}

function add(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key) ?? new Set()
  map.set(key, set.add(value))
}

/** What is one conversation by the ids alone: mails that cite each other, or cite the same mail. Found without our code. */
export function componentsOf(mails: readonly ThreadMail[]): string[][] {
  const groups: { names: string[]; ids: Set<string>; own: Set<string> }[] = []
  for (const mail of mails) {
    const own = mail.id === null ? [] : [mail.id]
    // Two mails of one id are together where a third cites it, not because they share it.
    const touches = groups.filter(
      group =>
        mail.cited.some(id => group.ids.has(id) || group.own.has(id)) || own.some(id => group.ids.has(id)),
    )
    const merged = {
      names: [mail.name, ...touches.flatMap(group => group.names)],
      ids: new Set([...mail.cited, ...touches.flatMap(group => [...group.ids])]),
      own: new Set([...own, ...touches.flatMap(group => [...group.own])]),
    }
    groups.splice(0, groups.length, ...groups.filter(group => !touches.includes(group)), merged)
  }
  return groups.map(group => group.names.toSorted()).toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1))
}

/** All orders of up to five, and so many random ones of more. */
export function orders<T>(list: readonly T[], random: () => number, many: number): T[][] {
  if (list.length <= 5) return permutations(list)
  return Array.from({ length: many }, () => shuffled(list, random))
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length <= 1) return [[...list]]
  return list.flatMap((one, n) => permutations(list.filter((_, i) => i !== n)).map(rest => [one, ...rest]))
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const all = [...list]
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
  return all
}

/**
 * A thread as mail programs write it: each reply names its parent, most of its ancestors or only some of them, now and then none, as
 * programs do that cut References; some mails never came to us, and other threads lie between.
 */
export function tree(random: () => number, size: number): ThreadMail[] {
  const people = ['alice@customer.test', 'bob@customer.test', 'carol@customer.test'].slice(
    0,
    1 + Math.floor(random() * 3),
  )
  const made: { id: string; references: string[]; root: number; from: string }[] = []
  for (let n = 0; n < size; n++) {
    const parent = n === 0 || random() < 0.15 ? null : made[Math.floor(random() * made.length)]!
    const line = parent ? [...parent.references, parent.id] : []
    const kept = random() < 0.3 ? line.slice(-2) : line
    made.push({
      id: `<${n}.${Math.floor(random() * 1e9)}@t>`,
      references: kept,
      root: parent ? parent.root : n,
      from: people[Math.floor(random() * people.length)]!,
    })
  }
  return made
    .map((one, n) =>
      threadMail({
        name: `m${String(n).padStart(3, '0')}`,
        id: one.id,
        from: one.from,
        to: [US, ...people.filter(who => who !== one.from)],
        ...(random() < 0.5 ? { references: one.references.join(' ') } : {}),
        ...(one.references.length > 0 && random() < 0.9 ? { inReplyTo: one.references.at(-1)! } : {}),
      }),
    )
    .filter(() => random() > 0.1)
}

export interface Script {
  name: string
  mails: ThreadMail[]
  /** Mails by their number, as the first `* THREAD` line of the script groups them. */
  expected: string[][]
}

/** The REFERENCES scripts of the public set; null without it. */
export function scripts(): Script[] | null {
  const { CORPORA } = process.env
  if (!CORPORA) return null
  return ['thread', 'thread2', 'thread3', 'thread4', 'thread5', 'thread6', 'thread7', 'thread8'].map(name => {
    const script = readFileSync(join(CORPORA, 'threads', name), 'utf8')
    const box = readFileSync(join(CORPORA, 'threads', `${name}.mbox`), 'utf8')
    const line = /^\* thread (.*)$/im.exec(script)![1]!
    const expected = topGroups(line)
    const count = Math.max(...expected.flat().map(Number))
    const mails = box
      .split(/^From .*\n/m)
      .slice(1, count + 1)
      .map((text, n) => {
        const field = (header: string) => new RegExp(`^${header}:(.*)$`, 'im').exec(text)?.[1]?.trim() ?? ''
        return threadMail({
          name: String(n + 1),
          id: messageIdOf(field('message-id')),
          references: field('references'),
          inReplyTo: field('in-reply-to'),
        })
      })
    return { name, mails, expected }
  })
}

/** `(1 (2 4)(3))(5)` → [[1, 2, 3, 4], [5]] */
function topGroups(line: string): string[][] {
  const groups: string[][] = []
  let depth = 0
  for (const token of line.match(/[()]|\d+/g) ?? []) {
    if (token === '(' && depth++ === 0) groups.push([])
    else if (token === ')') depth -= 1
    else if (token !== '(') groups.at(-1)!.push(token)
  }
  return groups.map(group => group.toSorted())
}

/** Of the pairs that should stand together, how many do, and the other way round. */
export function pairs(found: readonly string[][], wanted: readonly string[][]) {
  const pairsOf = (groups: readonly string[][]) =>
    new Set(
      groups.flatMap(group =>
        group.flatMap((a, i) => group.slice(i + 1).map(b => [a, b].toSorted().join(' '))),
      ),
    )
  const [have, want] = [pairsOf(found), pairsOf(wanted)]
  const both = [...have].filter(pair => want.has(pair)).length
  return {
    precision: have.size === 0 ? 1 : both / have.size,
    recall: want.size === 0 ? 1 : both / want.size,
    extra: [...have].filter(pair => !want.has(pair)),
    missing: [...want].filter(pair => !have.has(pair)),
  }
}
