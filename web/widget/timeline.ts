/** What is shown, in order: days, bubbles of the desk's messages, and of what is not yet its. Each once. */
import { type Conversation, inOrder } from './conversation.ts'
import { type Said, without } from './outbox.ts'
import type { ChatFile, ChatMessage, Feedback, Person, Uploaded } from './wire.ts'

export interface Bubble {
  kind: 'bubble'
  /** The same for the optimistic copy and the message. */
  key: string
  /** The message's; none where it is not yet the desk's, and for the greeting. */
  id?: string
  isMine: boolean
  sender?: Person
  content: string
  files: (ChatFile | Uploaded)[]
  citations: ChatMessage['citations']
  feedback?: Feedback
  /** ms; 0 for the greeting */
  at: number
  owed?: Said
  /** First and last of what one sender said in a row. */
  isFirst: boolean
  isLast: boolean
}

export type Item = Bubble | { kind: 'day'; key: string; at: number }

const IN_A_ROW_MS = 5 * 60_000

export function timeline(
  conversation: Conversation,
  outbox: readonly Said[],
  greeting: string | null,
  dayOf: (at: number) => string,
): Item[] {
  const bubbles = [
    ...inOrder(conversation).map(ofMessage),
    ...without(outbox, conversation.messages.values()).map(ofSaid),
  ]
  const items: Item[] = greeting ? [bubble({ key: 'greeting', content: greeting })] : []
  let before: Bubble | null = null
  for (const one of bubbles) {
    const isNewDay = !before || dayOf(before.at) !== dayOf(one.at)
    if (isNewDay) items.push({ kind: 'day', key: `day ${dayOf(one.at)} ${one.key}`, at: one.at })
    one.isFirst = isNewDay || !goesOn(before, one)
    if (before && one.isFirst) before.isLast = true
    items.push(one)
    before = one
  }
  if (before) before.isLast = true
  return items
}

function goesOn(before: Bubble | null, one: Bubble): boolean {
  if (!before || before.isMine !== one.isMine || one.at - before.at > IN_A_ROW_MS) return false
  return one.isMine || before.sender?.id === one.sender?.id
}

function ofMessage({ sentAs, type, createdAt, attachments, ...rest }: ChatMessage): Bubble {
  return bubble({
    ...rest,
    key: sentAs ?? rest.id,
    isMine: type === 'incoming',
    files: attachments,
    at: +createdAt,
  })
}

function ofSaid(owed: Said): Bubble {
  const { id, content, attachments, at } = owed
  return bubble({ key: id, isMine: true, content, files: attachments, at, owed })
}

function bubble(known: Partial<Bubble> & Pick<Bubble, 'key' | 'content'>): Bubble {
  return {
    kind: 'bubble',
    isMine: false,
    files: [],
    citations: [],
    at: 0,
    isFirst: true,
    isLast: false,
    ...known,
  }
}
