/**
 * Two conversations that turn out to be one. The loser freezes and hands its messages to the winner under their ids; nothing of either is
 * lost, and nothing is sent because of the merge: what either was about to answer is answered once, for both.
 */
import type {
  CameFrom,
  ConversationEvent,
  ConversationState,
  Effect,
  Message,
  Owes,
  Turn,
} from './conversation.ts'
import { reopened } from './status.ts'
import { askedAgain, callBack, sentOff, unchanged, withoutDrafts } from './turn.ts'

type Event<Type extends ConversationEvent['type']> = Extract<ConversationEvent, { type: Type }>

export function mergedInto(before: ConversationState, event: Event<'merged_into'>, at: number): Turn {
  if (before.movedTo !== undefined) return unchanged(before)
  const called = callBack(before, 'merged')
  const withdrawn = withoutDrafts(event.living, before.seq, 'merged', at)
  const { winner, owes } = event
  return {
    state: { ...called.state, movedTo: winner, seq: before.seq + withdrawn.length + 1 },
    messages: withdrawn,
    effects: [...called.effects, { kind: 'hand_over', id: 'hand_over', to: winner, owes }],
  }
}

/** Messages that are here already, from a part that came twice, take what changed about them meanwhile and nothing else. */
export function mergedFrom(before: ConversationState, event: Event<'merged_from'>, at: number): Turn {
  const { part, present } = event
  const theirs = new Map(part.messages.map(one => [one.id, one]))
  const here = present.map(one => taken(one, theirs.get(one.id), part.from))
  const known = new Set(present.map(one => one.id))
  // An answer of another count of epochs is never taken for one of ours.
  const added = part.messages.filter(one => !known.has(one.id)).map(one => brought(one, part.from))
  const settled = here.findIndex(one => one.id === part.after) + 1
  const all = [...here.slice(0, settled), ...byTime(here.slice(settled), added)]
  const { rest } = part
  const loser = rest && !before.absorbed?.includes(rest.state.id) ? rest : null
  // Somebody took it over there after its state was taken here.
  const takenOver = !loser && rest?.state.owner === 'person' && before.owner !== 'person'
  const seq = Math.max(before.seq, loser?.state.seq ?? 0) + 1
  const messages = all
    .map((one, position) => ({ ...one, position }))
    .filter(one => !same(one, present[one.position]))
    .map(one => ({ ...one, seq }))
  if (messages.length === 0 && !loser && !takenOver) return unchanged(before)
  const state = { ...before, seq, length: all.length }
  const turn = loser
    ? withRest(state, messages, loser, event.owes, at)
    : takenOver
      ? { ...callBack({ ...state, owner: 'person' }, 'taken_over'), messages }
      : { state, messages, effects: [] }
  return { ...turn, effects: [...turn.effects, ...added.flatMap(one => heldBack(one, at))] }
}

/** What its writer may still take back leaves from here, at its time. */
function heldBack(message: Message, at: number): Effect[] {
  const holdMs = (message.details.undoUntil ?? 0) - at
  return message.delivery?.status === 'queued' && holdMs > 0 ? sentOff(message, at, holdMs).effects : []
}

function withRest(
  before: ConversationState,
  messages: Message[],
  loser: NonNullable<Event<'merged_from'>['part']['rest']>,
  owes: Owes,
  at: number,
): Turn {
  const { state: other } = loser
  const owner = before.owner === 'person' || other.owner === 'person' ? 'person' : 'assistant'
  const last = [before.lastMessage, other.lastMessage].filter(one => one !== null)
  const closedSaidAt = Math.max(before.closedSaidAt ?? 0, other.closedSaidAt ?? 0)
  const state: ConversationState = {
    ...(other.status === 'open' ? reopened(before) : before),
    owner,
    assignee: before.assignee ?? other.assignee ?? null,
    priority: before.priority ?? other.priority ?? null,
    labels: [...new Set([...(before.labels ?? []), ...(other.labels ?? [])])],
    autoReplyEnabled: before.autoReplyEnabled && other.autoReplyEnabled,
    unread: before.unread + other.unread,
    lastMessage: last.toSorted((a, b) => b.at - a.at)[0] ?? null,
    linkedTo: before.linkedTo === other.id ? null : before.linkedTo,
    absorbed: [...(before.absorbed ?? []), other.id, ...(other.absorbed ?? [])],
    createdAt: Math.min(before.createdAt, other.createdAt),
    ...(closedSaidAt > 0 ? { closedSaidAt } : {}),
  }
  // Nothing more is owed than was: without a question of the loser's, the winner's own answer goes its way.
  if (loser.owes.length === 0 && owner === before.owner) return { state, messages, effects: [] }
  const called = callBack(state, owner === before.owner ? 'superseded' : 'taken_over')
  const asks = owner === 'person' ? [] : askedAgain([...owes, ...loser.owes], called.state.epoch, at)
  return { ...called, messages, effects: [...called.effects, ...asks] }
}

function brought(one: Message, from: string): Message {
  return { ...one, epoch: 0, details: detailsBy(one, wayBy(one, from)) }
}

function detailsBy({ delivery, details }: Message, [last, ...before]: Way): Message['details'] {
  const overtaken = delivery?.status === 'draft' ? { stale: true as const } : {}
  return { ...details, ...overtaken, from: before.length > 0 ? { ...last, before } : last }
}

/** The conversations that a message came through, the last first. Each counts its own `seq`. */
type Way = [{ id: string; seq: number }, ...{ id: string; seq: number }[]]

function wayOf(from: CameFrom): Way {
  const { before = [], ...last } = from
  return [last, ...before]
}

function wayBy({ seq, details }: Message, id: string): Way {
  return [{ id, seq }, ...(details.from ? wayOf(details.from) : [])]
}

/** What changed about a message where it came from, since it was brought here: its delivery and what is said about it. */
function taken(here: Message, theirs: Message | undefined, from: string): Message {
  const way = here.details.from ? wayOf(here.details.from) : []
  const at = way.findIndex(one => one.id === from)
  if (!theirs || at < 0 || theirs.seq <= way[at]!.seq) return here
  const now = [...way.slice(0, at), ...wayBy(theirs, from)] as Way
  return { ...here, delivery: theirs.delivery, details: detailsBy(theirs, now) }
}

/** Both in their own order, the earlier head first. */
function byTime(one: readonly Message[], other: readonly Message[]): Message[] {
  const all: Message[] = []
  let [i, j] = [0, 0]
  while (i < one.length || j < other.length) {
    const [a, b] = [one[i], other[j]]
    if (a && (!b || a.createdAt <= b.createdAt)) {
      all.push(a)
      i += 1
    } else {
      all.push(b!)
      j += 1
    }
  }
  return all
}

function same(one: Message, other: Message | undefined): boolean {
  return (
    other !== undefined &&
    one.id === other.id &&
    one.position === other.position &&
    one.delivery === other.delivery &&
    one.details === other.details
  )
}
