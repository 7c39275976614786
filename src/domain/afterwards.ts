/** What becomes of a message after it was to leave: reports of mail servers, a person's word, a copy seen elsewhere. */
import type { ConversationEvent, ConversationState, Message, Turn } from './conversation.ts'
import { answeredBy, askedAbout, coversAny } from './coverage.ts'
import { problem } from './problem.ts'
import { askedAgain, callBack, changed, inserted, outdated, unchanged, withoutDrafts } from './turn.ts'

type Event<Type extends ConversationEvent['type']> = Extract<ConversationEvent, { type: Type }>

/**
 * A person of ours answered from another program: where that answers something that waited, what the assistant has in the making is called
 * back, and drafts are withdrawn but for what a person has worked on (B10, I4). What the contact wrote after it is still to be answered.
 */
export function answeredElsewhere(
  before: ConversationState,
  event: Event<'answered_elsewhere'>,
  at: number,
): Turn {
  const { fresh, present } = event
  const answers = answeredBy(event.message, present, fresh, before.epoch + 1)
  const quicker = fresh && answers.length > 0
  const called = quicker ? callBack(before, 'answered_elsewhere') : unchanged(before)
  const living = quicker ? present.filter(one => one.delivery?.status === 'draft') : []
  const withdrawn = withoutDrafts(living, before.seq, 'answered_elsewhere', at)
  // What a person worked on stays, and says that somebody else was quicker.
  const worked = living.filter(one => one.details.edited && coversAny(one, answers))
  const overtaken = outdated(worked, before.seq + withdrawn.length)
  const seq = before.seq + withdrawn.length + overtaken.length + 1
  const { message, moved } = inserted(
    {
      ...event.message,
      direction: 'outgoing',
      seq,
      epoch: called.state.epoch,
      delivery: { status: 'sent', problem: null, at: event.message.createdAt },
      details: { ...event.message.details, answers },
    },
    event.later ?? [],
    before.length,
  )
  const waits = (draft: boolean) =>
    askedAbout([...present, message], called.state.epoch, draft).asked.length > 0
  const owed = quicker ? event.owes.filter(one => waits(one.draft)) : []
  const later = before.lastMessage && before.lastMessage.at > message.createdAt
  return {
    state: {
      ...called.state,
      length: before.length + 1,
      seq,
      lastMessage: later ? before.lastMessage : { id: message.id, at: message.createdAt },
    },
    messages: [...withdrawn, ...overtaken, message, ...moved],
    effects: [...called.effects, ...askedAgain(owed, called.state.epoch, at)],
  }
}

const HANDED_OVER = ['leaving', 'sent', 'uncertain', 'delayed']

/** A mail that came back was handed over, whatever we knew of it; what came back for good does not become "delayed" by a late note. */
export function reportCame(before: ConversationState, event: Event<'report_came'>, at: number): Turn {
  const { message, status } = event
  const now = message.delivery?.status ?? ''
  if (message.direction !== 'outgoing' || !HANDED_OVER.includes(now) || now === status)
    return unchanged(before)
  const turn = changed(before, { ...message, delivery: { status, problem: event.problem, at } })
  return { ...turn, state: { ...turn.state, pending: without(before.pending, message) } }
}

const RESENDABLE = ['failed', 'held', 'uncertain']

/** The same bytes once more, and this time a person answers for them. */
export function sentAgain(before: ConversationState, event: Event<'sent_again'>, at: number): Turn {
  const { message, by } = event
  if (message.direction !== 'outgoing' || !RESENDABLE.includes(message.delivery?.status ?? ''))
    return { ...unchanged(before), refused: problem('not_resendable') }
  const turn = changed(before, {
    ...message,
    delivery: { status: 'queued', problem: null, at },
    details: { ...message.details, by },
  })
  const id = `again:${message.id}:${turn.state.seq}`
  return { ...turn, effects: [{ kind: 'send_again', id, messageId: message.id }] }
}

export function settled(before: ConversationState, event: Event<'settled'>, at: number): Turn {
  const { message, outcome, by } = event
  if (message.delivery?.status !== 'uncertain')
    return { ...unchanged(before), refused: problem('not_uncertain') }
  const turn = changed(before, {
    ...message,
    delivery: { status: outcome, problem: outcome === 'failed' ? message.delivery.problem : null, at },
    details: { ...message.details, ...(by ? { by } : {}) },
  })
  const id = `settle:${message.id}`
  return { ...turn, effects: [{ kind: 'settle', id, messageId: message.id, outcome }] }
}

/** Who wrote it takes it back; the effect that is to send it finds nothing to send. */
export function undone(before: ConversationState, { message }: Event<'undone'>, at: number): Turn {
  // Taken back once, it is: an answer may have been lost on its way.
  if (message.delivery?.status === 'withdrawn' && message.delivery.problem?.code === 'undone')
    return unchanged(before)
  if (message.delivery?.status !== 'queued' || at >= (message.details.undoUntil ?? 0))
    return { ...unchanged(before), refused: problem('too_late') }
  return changed(before, {
    ...message,
    delivery: { status: 'withdrawn', problem: problem('undone'), at },
  })
}

/** That something was said, and its place in the thread, stay; who said what does not. */
export function wordsErased(before: ConversationState, event: Event<'words_erased'>): Turn {
  if (event.messages.length === 0) return unchanged(before)
  const seq = before.seq + 1
  const messages = event.messages.map(message => {
    const { mail, verdict, reply } = message.details
    return {
      ...message,
      seq,
      sender: { ...message.sender, name: '' },
      content: '',
      details: {
        flags: [ERASED],
        ...(verdict ? { verdict } : {}),
        ...(reply ? { reply } : {}),
        ...(mail ? { mail: { ...mail, replyTo: null } } : {}),
      },
    }
  })
  return { state: { ...before, seq }, messages, effects: [] }
}

/** Among the flags of a message whose words were erased. */
export const ERASED = 'erased'

export function feedbackGiven(before: ConversationState, event: Event<'feedback_given'>): Turn {
  const { feedback: _, ...details } = event.message.details
  return changed(before, {
    ...event.message,
    details: event.feedback ? { ...details, feedback: event.feedback } : details,
  })
}

function without(pending: ConversationState['pending'], message: Message): ConversationState['pending'] {
  return pending?.messageId === message.id ? null : pending
}
