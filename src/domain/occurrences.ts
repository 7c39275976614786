/** What happened in a turn of a conversation, for those outside who asked to be told. */
import type { ConversationState, Message, Turn } from './conversation.ts'

export interface Happened {
  /** `message.created`, `delivery.sent`, `conversation.closed` … */
  type: string
  /** Null where it is about the conversation itself. */
  message: Message | null
}

/**
 * @param before null where the conversation began with this turn
 * @param known the turn's messages as they were before it
 */
export function happenedIn(
  before: ConversationState | null,
  turn: Turn,
  known: ReadonlyMap<string, Message>,
): Happened[] {
  const about = (type: string): Happened => ({ type, message: null })
  const began = before === null || before.seq === 0
  return [
    ...(began ? [about('conversation.created')] : []),
    ...turn.messages.flatMap(message => ofMessage(message, known.get(message.id) ?? null)),
    ...(began ? [] : ofState(titled(before, turn), turn.state).map(about)),
  ]
}

/** That a conversation is called by its first words is no news beside them. */
function titled(before: ConversationState, { state, messages }: Turn): ConversationState {
  const isNamed = before.title === '' && messages.some(one => one.direction === 'incoming')
  return isNamed ? { ...before, title: state.title } : before
}

function ofMessage(now: Message, before: Message | null): Happened[] {
  // What was fetched from long ago is no news to anybody.
  if (now.details.imported) return []
  const happened = (type: string): Happened => ({ type, message: now })
  const status = now.delivery?.status
  const moved = status !== undefined && status !== 'draft' && status !== before?.delivery?.status
  const delivery = moved ? [happened(`delivery.${status}`)] : []
  // It came with a conversation that became part of this one, where it was told of before.
  if (before === null && now.details.from) return [happened('message.updated')]
  if (before === null) return [happened('message.created'), ...delivery]
  return [...(isChanged(before, now) ? [happened('message.updated')] : []), ...delivery]
}

/** Its place and its delivery are told otherwise. */
function isChanged(before: Message, now: Message): boolean {
  const told = ({ content, details, sender }: Message) => JSON.stringify([content, sender, details])
  return told(before) !== told(now)
}

function ofState(before: ConversationState, now: ConversationState): string[] {
  const types: string[] = []
  if (now.movedTo !== before.movedTo) types.push('conversation.merged')
  if (now.status !== before.status)
    types.push(
      now.status === 'closed'
        ? 'conversation.closed'
        : now.status === 'open'
          ? 'conversation.reopened'
          : 'conversation.updated',
    )
  if (now.owner !== before.owner) types.push(now.owner === 'person' ? 'handoff.started' : 'handoff.ended')
  if (types.length === 0 && told(now) !== told(before)) types.push('conversation.updated')
  return types
}

const told = ({
  title,
  autoReplyEnabled,
  priority,
  labels,
  assignee,
  lastReadAt,
  contact,
  snoozedUntil,
}: ConversationState) =>
  JSON.stringify([
    title,
    autoReplyEnabled,
    priority ?? null,
    labels ?? [],
    assignee ?? null,
    lastReadAt,
    contact,
    snoozedUntil ?? null,
  ])
