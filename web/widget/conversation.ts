/** The conversation as this page knows it, and what a frame of the desk does to it. Nothing is missed or repeated: messages are a map. */
import type { ChatMessage, ConversationFacts, FromDesk, Person } from './wire.ts'

export interface Conversation {
  facts: ConversationFacts | null
  messages: ReadonlyMap<string, ChatMessage>
  /** From where to go on after a break. */
  seq: number | null
  /** All that was there has come. */
  synced: boolean
  typing: readonly { who: Person; until: number }[]
  /** Members who have it open. */
  here: readonly Person[]
  /** An answer that is being written. */
  answer: { id: string; text: string } | null
}

export const NOTHING: Conversation = {
  facts: null,
  messages: new Map(),
  seq: null,
  synced: false,
  typing: [],
  here: [],
  answer: null,
}

/** Who said "typing" and went away no longer types. */
const TYPING_MS = 12_000

/** The line broke: what is kept nowhere is no longer known. */
export function interrupted(known: Conversation): Conversation {
  return { ...known, synced: false, typing: [], here: [], answer: null }
}

export function after(known: Conversation, frame: FromDesk, now: number): Conversation {
  switch (frame.type) {
    case 'changed':
      return changed(known, frame)
    case 'typing': {
      const others = stillTyping(known, now).filter(one => one.who.id !== frame.who.id)
      const typing = frame.on ? [...others, { who: frame.who, until: now + TYPING_MS }] : others
      return { ...known, typing }
    }
    case 'presence':
      return { ...known, here: frame.here }
    case 'answer':
      return { ...known, answer: 'over' in frame ? null : longer(known.answer, frame) }
    case 'moved':
    case 'erased':
      return NOTHING
    case 'error':
      return known
  }
}

export function stillTyping(known: Conversation, now: number): Conversation['typing'] {
  return known.typing.filter(one => one.until > now)
}

function changed(known: Conversation, frame: Extract<FromDesk, { type: 'changed' }>): Conversation {
  const messages = new Map(known.messages)
  const fresh = frame.messages.filter(one => !messages.has(one.id))
  for (const one of frame.messages) messages.set(one.id, one)
  const said = new Set(fresh.map(one => one.sender.id))
  return {
    ...known,
    facts: frame.conversation,
    messages,
    seq: frame.seq ?? known.seq,
    synced: known.synced || frame.seq !== null,
    typing: known.typing.filter(one => !said.has(one.who.id)),
    // The answer itself is there: shown once, though its end is announced only in the next frame.
    answer: fresh.some(one => one.sender.kind === 'assistant') ? null : known.answer,
  }
}

/** A piece may come twice; a piece whose beginning we never saw is not shown. */
function longer(
  answer: Conversation['answer'],
  piece: { id: string; at: number; text: string },
): Conversation['answer'] {
  const before = answer?.id === piece.id ? answer.text : ''
  if (piece.at > before.length) return answer
  return { id: piece.id, text: before.slice(0, piece.at) + piece.text }
}

/** Messages that came in this step, oldest first. */
export function newIn(before: Conversation, now: Conversation): ChatMessage[] {
  return inOrder(now).filter(one => !before.messages.has(one.id))
}

export function inOrder({ messages }: Conversation): ChatMessage[] {
  return [...messages.values()].sort((a, b) => +a.createdAt - +b.createdAt || (a.id < b.id ? -1 : 1))
}

/** What the contact was told after `seenAt`: how many messages, and when the newest was written (`seenAt` where there is none), ms. */
export function unseen({ messages }: Conversation, seenAt: number): { count: number; newest: number } {
  const times = [...messages.values()].map(one => (one.type === 'outgoing' ? +one.createdAt : 0))
  const news = times.filter(at => at > seenAt)
  return { count: news.length, newest: Math.max(seenAt, ...news) }
}

/** The person who answers, where one does: who has it open, or who wrote last. A program that writes for the team has no name. */
export function personIn(known: Conversation): Person | null {
  const wrote = inOrder(known).filter(({ sender }) => sender.kind === 'person' && sender.name)
  return known.here[0] || (known.facts?.owner === 'person' && wrote.pop()?.sender) || null
}
