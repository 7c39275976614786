/**
 * The only place that decides whether a mail is answered. Mode, permissions and what is known of the mail go in; what to do
 * and a code that says why come out, and the code is kept on the message so that a person can ask. The built-in first flow.
 */
import type { Verdict } from './verdict.ts'

/** `hybrid`: what a flow says, and a draft where none matches. */
export const MODES = ['auto', 'draft', 'hybrid', 'off'] as const
export type Mode = (typeof MODES)[number]

export interface ReplyFacts {
  verdict: Pick<Verdict, 'class' | 'mayDraft' | 'maySend'>
  /** Who the conversation belongs to at this moment. */
  owner: 'assistant' | 'person'
  autoReplyEnabled: boolean
  /** Found by a rescan and not provably new: nothing old is ever answered. */
  old: boolean
  /** From before the inbox was connected, fetched because somebody asked for it. */
  imported?: boolean
  /** How long the mail had waited on the server when we first saw it, ms. */
  waitedMs: number
  /** A person of ours answered it before it came here, from another program. */
  answered?: boolean
  /** Written to others, with us in copy: they talk to each other, and nobody asked us (D13). */
  copied?: boolean
  /** Nothing but a quote of earlier mail, or no text at all. */
  nothingSaid: boolean
  /** The allow and block lists of the inbox let this writer be answered by a machine. */
  permitted: boolean
  /** Within the hours in which this inbox answers by itself. */
  open: boolean
  /** The text for the closed hours was said lately. */
  closedSaid: boolean
  /** Nothing but the reset command. */
  reset: boolean
}

export interface ReplyRules {
  mode: Mode
  hasAssistant: boolean
  /** What waited longer than this through a pause or an outage becomes a draft. */
  draftAfterMs: number
  /** How long an answer waits before it is made, ms. */
  delayMs: number
  /** Said once outside the reply hours; null says nothing. */
  closedText: string | null
}

/** `say`: a text that is known beforehand, no assistant is asked. */
export type ReplyDecision = { do: 'answer' | 'draft' | 'say' | 'silent'; why: ReplyReason }

/** code → the sentence the console shows. */
export const REPLY_REASONS = {
  answered: 'The assistant answers.',
  mode_off: 'Automatic answers are off for this inbox.',
  mode_hybrid: 'No flow matched, so a draft was made; a person sends it.',
  mode_draft: 'This inbox makes drafts; a person sends them.',
  no_assistant: 'No assistant is bound to this inbox.',
  person_owns: 'A person has taken over this conversation.',
  auto_reply_disabled: 'Automatic answers are off for this conversation.',
  not_permitted: 'The lists of this inbox do not let a machine answer this writer.',
  closed: 'This came outside the reply hours.',
  started_anew: 'The contact started the conversation anew.',
  not_sendable: 'Mail of this kind is never answered automatically.',
  draft_only: 'Mail of this kind may be answered by a person only; a draft was made.',
  answered_already: 'A person answered this mail from another program.',
  copied: 'This mail was written to others, with this inbox in copy only.',
  old_mail: 'This mail is older than the last sync, so it is not answered by itself.',
  imported: 'This mail is from before the inbox was connected, so nothing is answered.',
  waited_long: 'This mail waited so long that the answer is kept as a draft.',
  nothing_said: 'There is nothing new in this mail to answer.',
  assistant_silent: 'The assistant had nothing to say; a person should answer.',
} as const

export type ReplyReason = keyof typeof REPLY_REASONS

/**
 * Decided once more when the answer is made, since the inbox may have changed meanwhile, or closed: it only ever becomes less. Null where
 * it stays as it was decided.
 */
export function decideAgain(
  decided: ReplyDecision['do'],
  now: Pick<ReplyFacts, 'permitted' | 'open'> & Pick<ReplyRules, 'mode' | 'hasAssistant'>,
): ReplyDecision | null {
  if (now.mode === 'off') return { do: 'silent', why: 'mode_off' }
  if (!now.permitted) return { do: 'silent', why: 'not_permitted' }
  if (!now.hasAssistant) return { do: 'silent', why: 'no_assistant' }
  if (decided === 'draft') return null
  if (now.mode === 'draft') return { do: 'draft', why: 'mode_draft' }
  if (now.mode === 'hybrid') return { do: 'draft', why: 'mode_hybrid' }
  return now.open ? null : { do: 'silent', why: 'closed' }
}

export function decideReply(facts: ReplyFacts, rules: ReplyRules): ReplyDecision {
  const silent = (why: ReplyReason): ReplyDecision => ({ do: 'silent', why })
  if (facts.imported) return silent('imported')
  if (!facts.verdict.mayDraft) return silent('not_sendable')
  if (facts.nothingSaid && !facts.reset) return silent('nothing_said')
  if (facts.copied) return silent('copied')
  if (facts.answered) return silent('answered_already')
  if (rules.mode === 'off') return silent('mode_off')
  if (!facts.permitted) return silent('not_permitted')
  if (!rules.hasAssistant) return silent('no_assistant')
  if (facts.owner === 'person') return silent('person_owns')
  if (!facts.autoReplyEnabled) return silent('auto_reply_disabled')
  if (facts.old) return silent('old_mail')
  const automatic = facts.verdict.maySend && facts.waitedMs <= rules.draftAfterMs && rules.mode === 'auto'
  if (facts.reset) return automatic ? { do: 'say', why: 'started_anew' } : silent('started_anew')
  // Hours limit what leaves by itself; a draft waits for a person anyway.
  if (automatic && !facts.open)
    return rules.closedText !== null && !facts.closedSaid ? { do: 'say', why: 'closed' } : silent('closed')
  if (!facts.verdict.maySend) return { do: 'draft', why: 'draft_only' }
  if (facts.waitedMs > rules.draftAfterMs) return { do: 'draft', why: 'waited_long' }
  if (rules.mode === 'hybrid') return { do: 'draft', why: 'mode_hybrid' }
  if (rules.mode === 'draft') return { do: 'draft', why: 'mode_draft' }
  return { do: 'answer', why: 'answered' }
}
