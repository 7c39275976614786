/** Which mails of the contact an answer covers, and which wait for one. */
import type { Message } from './conversation.ts'

/**
 * What an assistant is asked about: mails that no answer covers which has left, or for this epoch still may. An answer that was called
 * back has answered nothing, so the next one covers its question too (I1). An answer that is to leave by itself covers only mails that
 * may be answered so.
 */
export function askedAbout(
  messages: readonly Message[],
  epoch: number,
  draft: boolean,
): { asked: Message[]; before: Message[] } {
  const standing = messages.filter(message => stands(message, epoch))
  const asked = uncovered(messages, standing).filter(
    one => one.details.reply?.do === 'answer' || (draft && one.details.reply?.do === 'draft'),
  )
  const last = asked.at(-1)?.position ?? Number.POSITIVE_INFINITY
  const earlier = (one: Message) =>
    one.direction === 'incoming' && one.position < last && !asked.includes(one)
  return { asked, before: messages.filter(one => standing.includes(one) || earlier(one)) }
}

/** Mails of the contact that nothing answers yet, which leaves in this epoch: what a person writes now is the answer to them. */
export function unanswered(messages: readonly Message[], epoch: number): string[] {
  const standing = messages.filter(message => stands(message, epoch))
  return uncovered(messages, standing).map(one => one.id)
}

/**
 * What a mail answers that was sent from another program: all that waited when it was written, and the mail it names whatever the clocks
 * say. Old news answers no more than the mail it names; what a machine sent (an absence note) answers nothing.
 *
 * @param epoch the one that begins with it
 */
export function answeredBy(
  sent: Pick<Message, 'details' | 'createdAt'>,
  messages: readonly Message[],
  fresh: boolean,
  epoch: number,
): string[] {
  const { by, mail } = sent.details
  if (by?.kind !== 'person') return []
  const named = incomingNamed(messages, mail?.inReplyTo)
  const parent = named.findLast(one => one.createdAt <= sent.createdAt) ?? named[0]
  if (!fresh) return parent ? [parent.id] : []
  const until = Math.max(sent.createdAt, parent?.createdAt ?? 0)
  const waiting = new Set(unanswered(messages, epoch))
  return messages.filter(one => waiting.has(one.id) && one.createdAt <= until).map(one => one.id)
}

/**
 * Whether a person of ours answered this mail from another program before it came here itself. Not where that answer was to a mail of the
 * same Message-ID that is here: with another text it is another mail (B3).
 */
export function answeredBefore(
  arriving: Pick<Message, 'id' | 'details'>,
  messages: readonly Message[],
): boolean {
  const { rfcId } = arriving.details.mail ?? {}
  if (!rfcId || incomingNamed(messages, rfcId).some(one => one.id !== arriving.id)) return false
  return messages.some(one => {
    const { by, mail } = one.details
    // What was written here goes out under its own id; what was seen came from a mailbox.
    const seen = one.direction === 'outgoing' && mail?.mailId !== one.id
    return seen && by?.kind === 'person' && mail?.inReplyTo === rfcId
  })
}

/** Whether a draft says something to these mails; one that does not say to which, may. */
export function coversAny(draft: Message, mails: readonly string[] | undefined): boolean {
  const { answers } = draft.details
  return answers === undefined || mails === undefined || answers.some(id => mails.includes(id))
}

/** Whether a draft says nothing to any mail but these. */
export function coversOnly(draft: Message, mails: readonly string[] | undefined): boolean {
  return mails === undefined || (draft.details.answers ?? []).every(id => mails.includes(id))
}

function incomingNamed(messages: readonly Message[], rfcId: string | null | undefined): Message[] {
  if (!rfcId) return []
  return messages.filter(one => one.direction === 'incoming' && one.details.mail?.rfcId === rfcId)
}

/** An answer covers the mails it was made for; one that does not say which, all before it. */
function uncovered(messages: readonly Message[], standing: readonly Message[]): Message[] {
  const covers = (answer: Message, mail: Message) =>
    answer.details.answers ? answer.details.answers.includes(mail.id) : answer.position > mail.position
  return messages.filter(one => one.direction === 'incoming' && !standing.some(answer => covers(answer, one)))
}

const HANDED_OVER = ['leaving', 'sent', 'uncertain', 'delayed', 'bounced']

function stands(message: Message, epoch: number): boolean {
  if (message.direction !== 'outgoing') return false
  const status = message.delivery?.status ?? ''
  // What a person wrote or approved leaves whatever the epoch.
  const leaves = message.epoch === epoch || message.details.by !== undefined
  return HANDED_OVER.includes(status) || (leaves && ['queued', 'retry'].includes(status))
}
