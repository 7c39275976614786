/**
 * The only place that decides whether a mail is answered. Mode, permissions and what is known of the mail go in; what to do
 * and a code that says why come out, and the code is kept on the message so that a person can ask. The built-in first flow.
 */
import type { Verdict } from './verdict.ts'

export type Mode = 'auto' | 'draft' | 'off'

export interface ReplyFacts {
  verdict: Pick<Verdict, 'class' | 'mayDraft' | 'maySend'>
  /** Who the conversation belongs to at this moment. */
  owner: 'assistant' | 'person'
  autoReplyEnabled: boolean
  /** Found by a rescan and not provably new: nothing old is ever answered. */
  old: boolean
  /** How long the mail had waited on the server when we first saw it, ms. */
  waitedMs: number
  /** Nothing but a quote of earlier mail, or no text at all. */
  nothingSaid: boolean
}

export interface ReplyRules {
  mode: Mode
  hasAssistant: boolean
  /** What waited longer than this through a pause or an outage becomes a draft. */
  draftAfterMs: number
}

export type ReplyDecision = { do: 'answer' | 'draft' | 'silent'; why: ReplyReason }

/** code → the sentence the console shows. */
export const REPLY_REASONS = {
  answered: 'The assistant answers.',
  mode_off: 'Automatic answers are off for this inbox.',
  mode_draft: 'This inbox makes drafts; a person sends them.',
  no_assistant: 'No assistant is bound to this inbox.',
  person_owns: 'A person has taken over this conversation.',
  auto_reply_disabled: 'Automatic answers are off for this conversation.',
  not_sendable: 'Mail of this kind is never answered automatically.',
  draft_only: 'Mail of this kind may be answered by a person only; a draft was made.',
  old_mail: 'This mail is older than the last sync, so it is not answered by itself.',
  waited_long: 'This mail waited so long that the answer is kept as a draft.',
  nothing_said: 'There is nothing new in this mail to answer.',
  assistant_silent: 'The assistant had nothing to say; a person should answer.',
} as const

export type ReplyReason = keyof typeof REPLY_REASONS

export function decideReply(facts: ReplyFacts, rules: ReplyRules): ReplyDecision {
  const silent = (why: ReplyReason): ReplyDecision => ({ do: 'silent', why })
  if (!facts.verdict.mayDraft) return silent('not_sendable')
  if (facts.nothingSaid) return silent('nothing_said')
  if (rules.mode === 'off') return silent('mode_off')
  if (!rules.hasAssistant) return silent('no_assistant')
  if (facts.owner === 'person') return silent('person_owns')
  if (!facts.autoReplyEnabled) return silent('auto_reply_disabled')
  if (facts.old) return silent('old_mail')
  if (!facts.verdict.maySend) return { do: 'draft', why: 'draft_only' }
  if (facts.waitedMs > rules.draftAfterMs) return { do: 'draft', why: 'waited_long' }
  if (rules.mode === 'draft') return { do: 'draft', why: 'mode_draft' }
  return { do: 'answer', why: 'answered' }
}
