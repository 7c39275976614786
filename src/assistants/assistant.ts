/**
 * The port behind which an assistant thinks. One verb: a question in, an answer out. An assistant knows nothing of mail, of owners or
 * of recipients, and has no other power than to return a text.
 */
import type { Citation } from '../domain/conversation.ts'
import type { Problem } from '../domain/problem.ts'
import type { Channel } from '../domain/prompt.ts'

export interface Question {
  /** A mail is answered by a letter, a chat by a line or two. */
  channel: Channel
  subject: string
  /** What the contact newly said, oldest first; several where they wrote again before the answer was made. */
  said: string[]
  /** What was said before, oldest first. */
  history: { from: 'contact' | 'us'; text: string }[]
  /** Empty where the inbox does not tell names, or there is none. */
  contactName: string
  /** Labels of the contact: they limit which articles may be read (domain/permission.ts). */
  contactLabels: string[]
  /** The address of ours the contact wrote to. */
  writtenTo: string
  /** `Tuesday 14:05`: the hour where the inbox is. */
  localTime: string
  /** History that the contact quoted and that never reached us; empty where we have it ourselves. */
  quoted: string
  assistantName: string
  /** Ids of what earlier answers in this conversation cited: saying it again helps nobody. */
  cited: string[]
  /** IETF tag of the language the contact writes, or 'und'. */
  language: string
  /**
   * Told what has been written of the answer so far, whole, where somebody waits for it. What was told is good to be read; the answer may
   * still turn out to be another one.
   */
  written?: (text: string) => void
}

export interface Answer {
  /** Empty where there is nothing to answer. */
  text: string
  citations: Citation[]
  language: string
  /** False: it does not know, says so in `text`, and offers a person. */
  sure: boolean
  /** Once this text has left, a person answers. */
  wantsPerson?: boolean
  /** Why `text` is empty, where something is amiss that asking again does not mend: a person has to see it. */
  problem?: Problem
}

export interface Assistant {
  /** @throws where its source is out of reach; the caller asks again later. */
  answer(question: Question): Promise<Answer>
}
