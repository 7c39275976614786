/** Where a mail is, in a sentence: the answer to "why did nothing come of it?". Facts go in, a state and its sentence come out. */
import type { Delivery, Message } from './conversation.ts'
import type { Problem } from './problem.ts'
import { REPLY_REASONS } from './reply.ts'
import type { Whereabouts } from './sync.ts'
import { REASONS } from './verdict.ts'

export interface TraceFacts {
  /** On the mail server, where it was found there. */
  there: { folder: string; where: Whereabouts } | null
  /** In the mailbox here. */
  here: {
    status: string
    problem: Problem | null
    dueAt: number | null
    fetchedAt: number
    conversationId: string | null
  } | null
  /** As its conversation has it. */
  message: Pick<Message, 'direction' | 'delivery' | 'details' | 'createdAt' | 'sender'> | null
  /** What was said to it: messages of ours that answer it, the oldest first. */
  answers: Pick<Message, 'delivery' | 'details' | 'createdAt' | 'sender'>[]
  /** Its conversation became part of another since. */
  merged: boolean
  /** Whose its conversation is now. */
  owner: 'assistant' | 'person'
  inbox: { paused: boolean; state: string; reason: string | null; nextSyncAt: number | null }
}

export type TraceState =
  | 'not_synced'
  | 'other_folder'
  | 'before_connection'
  | 'passed'
  | 'stored'
  | 'erased'
  | 'quarantined'
  | 'outgoing'
  | 'answered'
  | 'drafted'
  | 'held'
  | 'failed'
  | 'in_the_making'
  | 'silent'

export interface Trace {
  state: TraceState
  sentence: string
  /** When it came to that; null where it is not known. */
  at: number | null
}

/** @param say a time as its reader reads it */
export function trace(facts: TraceFacts, say: (at: number) => string): Trace {
  const { message, here, there } = facts
  if (message) {
    const said = message.direction === 'outgoing' ? ofOurs(message) : ofTheirs(message, facts, say)
    return facts.merged ? { ...said, sentence: `${said.sentence} ${MERGED}` } : said
  }
  if (here) return ofStored(here, say)
  return onServer(there!, facts.inbox, say)
}

const MERGED = 'Its conversation was merged with this one.'

function onServer(
  there: NonNullable<TraceFacts['there']>,
  inbox: TraceFacts['inbox'],
  say: (at: number) => string,
): Trace {
  const folder = `“${there.folder}”`
  if (there.where === 'other_folder')
    return {
      state: 'other_folder',
      at: null,
      sentence: `It lies in the folder ${folder}, which this inbox does not watch.`,
    }
  if (there.where === 'before_connection')
    return {
      state: 'before_connection',
      at: null,
      sentence: `It lay in ${folder} before the inbox was connected, so it was not fetched. An import of the history brings it.`,
    }
  if (there.where !== 'not_yet')
    return {
      state: 'passed',
      at: null,
      sentence: `It lies in ${folder} and is not here, though the inbox has read past it. It may have been moved there later.`,
    }
  const next = inbox.nextSyncAt === null ? 'soon' : `at ${say(inbox.nextSyncAt)}`
  const why = inbox.paused
    ? 'the inbox is paused.'
    : inbox.reason !== null
      ? `the mailbox cannot be read at the moment: ${inbox.reason}`
      : `the mailbox is looked at again ${next}.`
  return { state: 'not_synced', at: null, sentence: `It lies in ${folder} and was not fetched yet: ${why}` }
}

function ofStored(here: NonNullable<TraceFacts['here']>, say: (at: number) => string): Trace {
  if (here.dueAt === null)
    return {
      state: 'erased',
      at: here.fetchedAt,
      sentence: 'It came in, and its conversation was erased. It is not taken in again.',
    }
  const why = here.problem ? `${here.problem.message} ` : ''
  return {
    state: 'stored',
    at: here.fetchedAt,
    sentence: `It is stored and not in a conversation yet. ${why}The next try is at ${say(here.dueAt)}.`,
  }
}

function ofTheirs(
  message: NonNullable<TraceFacts['message']>,
  { answers, owner }: TraceFacts,
  say: (at: number) => string,
): Trace {
  const { quarantine, reply, verdict, unanswered } = message.details
  if (quarantine)
    return {
      state: 'quarantined',
      at: message.createdAt,
      sentence: `${quarantine.message} It can be read again after an upgrade.`,
    }
  const answer = answers.findLast(one => one.delivery?.status !== 'discarded') ?? answers.at(-1)
  if (answer?.delivery) return ofAnswer(answer, answer.delivery, say)
  if (reply && reply.do !== 'silent' && owner === 'person')
    return {
      state: 'silent',
      at: message.createdAt,
      sentence: `It was not answered: ${REPLY_REASONS.person_owns}`,
    }
  if (reply && reply.do !== 'silent')
    return { state: 'in_the_making', at: message.createdAt, sentence: 'An answer is being made.' }
  const reasons = (verdict?.reasons ?? []).map(code => REASONS[code]).filter(Boolean)
  const why = reply ? (unanswered?.message ?? REPLY_REASONS[reply.why]) : 'Nothing was decided about it.'
  return {
    state: 'silent',
    at: message.createdAt,
    sentence: [`It was not answered: ${why}`, ...reasons].join(' '),
  }
}

function ofAnswer(
  answer: TraceFacts['answers'][number],
  { status, problem, at }: Delivery,
  say: (at: number) => string,
): Trace {
  const who = answer.details.by?.name ?? answer.sender.name
  const why = problem ? ` ${problem.message}` : ''
  if (status === 'sent')
    return { state: 'answered', at, sentence: `It was answered by ${who} at ${say(at)}.` }
  if (status === 'bounced' || status === 'delayed')
    return { state: 'answered', at, sentence: `It was answered by ${who}, and then:${why}` }
  if (status === 'draft')
    return { state: 'drafted', at, sentence: 'A draft of an answer waits for a person.' }
  if (status === 'discarded')
    return { state: 'drafted', at, sentence: `The draft of an answer was withdrawn.${why}` }
  if (status === 'queued' || status === 'sending' || status === 'leaving')
    return { state: 'in_the_making', at, sentence: 'An answer is on its way out.' }
  const state = status === 'failed' ? 'failed' : 'held'
  return { state, at, sentence: `An answer was made and ${STANDS[status]}.${why}` }
}

const STANDS: Record<Delivery['status'], string> = {
  queued: 'waits to leave',
  sending: 'is on its way out',
  leaving: 'is on its way out',
  sent: 'was sent',
  retry: 'waits for another try',
  failed: 'could not be delivered',
  uncertain: 'was perhaps delivered',
  withdrawn: 'was called back',
  held: 'is held for a person',
  draft: 'is a draft that waits for a person',
  discarded: 'was withdrawn',
  bounced: 'came back',
  delayed: 'is delayed',
}

function ofOurs({ delivery, details, createdAt, sender }: NonNullable<TraceFacts['message']>): Trace {
  const who = details.by?.name ?? sender.name
  const why = delivery?.problem ? ` ${delivery.problem.message}` : ''
  const status = delivery?.status ?? 'queued'
  const to = details.to ? ` to ${details.to}` : ''
  return {
    state: 'outgoing',
    at: delivery?.at ?? createdAt,
    sentence: `This is mail of ours${to}, by ${who}. It ${STANDS[status]}.${why}`,
  }
}
