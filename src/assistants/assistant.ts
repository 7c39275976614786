/**
 * The port behind which an assistant thinks. One verb: a question in, an answer out. An assistant knows nothing of mail, of owners or
 * of recipients, and has no other power than to return a text.
 */
import type { Citation } from '../domain/conversation.ts'

export interface Question {
  subject: string
  /** What the contact newly said, oldest first; several where they wrote again before the answer was made. */
  said: string[]
  /** What was said before, oldest first. */
  history: { from: 'contact' | 'us'; text: string }[]
  contactName: string
  assistantName: string
  /** Ids of what earlier answers in this conversation cited: saying it again helps nobody. */
  cited: string[]
  /** IETF tag of the language the contact writes, or 'und'. */
  language: string
}

export type Answer =
  /** `sure` false: it does not know, says so in `text`, and offers a person. */
  /** An empty `text` says that there is nothing to answer. `wantsPerson`: once this text has left, a person answers. */
  { text: string; citations: Citation[]; language: string; sure: boolean; wantsPerson?: boolean }

export interface Assistant {
  /** @throws where its source is out of reach; the caller asks again later. */
  answer(question: Question): Promise<Answer>
}
