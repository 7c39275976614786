/** What the turns of a conversation are made of. */
import type { ConversationState, Delivery, Effect, Message, Owes, Turn } from './conversation.ts'
import { problem } from './problem.ts'

/** Why an answer or a draft is not wanted any more. */
export type Superfluous =
  | 'superseded'
  | 'replaced'
  | 'taken_over'
  | 'merged'
  | 'answered_elsewhere'
  | 'closed'
  | 'auto_reply_disabled'

export function unchanged(state: ConversationState): Turn {
  return { state, messages: [], effects: [] }
}

/** One message is another than it was, and nothing is owed for it. */
export function changed(before: ConversationState, message: Message): Turn {
  const seq = before.seq + 1
  return { state: { ...before, seq }, messages: [{ ...message, seq }], effects: [] }
}

/** Ends whatever answer is in the making, and asks the mailbox for the one that is queued. */
export function callBack(state: ConversationState, why: Superfluous): Turn {
  return {
    state: { ...state, epoch: state.epoch + 1, pending: null },
    messages: [],
    effects: state.pending
      ? [
          {
            kind: 'withdraw',
            id: `withdraw:${state.pending.messageId}`,
            messageId: state.pending.messageId,
            why,
          },
        ]
      : [],
  }
}

/** Drafts that another answer has made superfluous are discarded, but for what a person has worked on (I5). */
export function withoutDrafts(
  living: readonly Message[] | undefined,
  seq: number,
  why: Superfluous,
  at: number,
): Message[] {
  return (living ?? [])
    .filter(one => !one.details.edited)
    .map((one, n) => ({
      ...one,
      seq: seq + n + 1,
      delivery: { status: 'discarded', problem: problem(why), at },
    }))
}

/** Drafts that something was said beside: a person reads on before one of them is sent (I3). */
export function outdated(drafts: readonly Message[] | undefined, seq: number): Message[] {
  return (drafts ?? [])
    .filter(one => !one.details.stale)
    .map((one, n) => ({ ...one, seq: seq + n + 1, details: { ...one.details, stale: true as const } }))
}

/** One answer for all that was to be answered, one draft for all that was to be drafted, at the time of the latest of them. */
export function askedAgain(owes: Owes, epoch: number, at: number): Effect[] {
  return [false, true].flatMap((draft): Effect[] => {
    const some = owes.filter(one => one.draft === draft)
    if (some.length === 0) return []
    const dueAt = Math.max(...some.map(one => one.dueAt ?? 0))
    const id = `ask:${epoch}:${at}${draft ? ':draft' : ''}`
    return [{ kind: 'ask_assistant', id, epoch, draft, ...(dueAt > at ? { dueAt } : {}) }]
  })
}

/** A message that belongs before others by its time takes their place, and they move on by one. */
export function inserted(
  message: Omit<Message, 'position'>,
  later: readonly Message[],
  length: number,
): { message: Message; moved: Message[] } {
  const position = later[0]?.position ?? length
  const moved = later.map(one => ({ ...one, seq: message.seq, position: one.position + 1 }))
  return { message: { ...message, position }, moved }
}

/** Something for the contact goes on its way: a mail by its mailbox; what is said in a chat is there at once, or after `holdMs`. */
export function sentOff(
  { id, details }: Pick<Message, 'id' | 'details'>,
  at: number,
  holdMs = 0,
): { delivery: Delivery; effects: Effect[] } {
  if (!details.mail && holdMs === 0) return { delivery: { status: 'sent', problem: null, at }, effects: [] }
  const later = holdMs > 0 ? { dueAt: at + holdMs } : {}
  return {
    delivery: { status: 'queued', problem: null, at },
    effects: [{ kind: 'send', id: `send:${id}`, messageId: id, ...later }],
  }
}
