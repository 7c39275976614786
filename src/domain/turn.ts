/** What the turns of a conversation are made of. */
import type { ConversationState, Message, Turn } from './conversation.ts'
import { problem } from './problem.ts'

/** Why an answer or a draft is not wanted any more. */
export type Superfluous = 'superseded' | 'replaced' | 'taken_over' | 'merged' | 'answered_elsewhere'

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
