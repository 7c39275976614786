/** What a conversation owes, one case per effect. What comes back is an event for the conversation, or nothing. */
import { assistantKinds } from '../assistants/index.ts'
import { domainOf, normaliseAddress, sameAddress } from '../domain/address.ts'
import type {
  Citation,
  ConversationEvent,
  ConversationState,
  Effect,
  MailRef,
  Message,
  Owes,
} from '../domain/conversation.ts'
import { askedAbout } from '../domain/coverage.ts'
import { mayAnswerAt, spokenTime } from '../domain/hours.ts'
import { languageOf } from '../domain/language.ts'
import { mayBeAnswered } from '../domain/permission.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { decideAgain, type ReplyReason } from '../domain/reply.ts'
import { textsIn } from '../domain/texts.ts'
import { replySubject } from '../domain/thread.ts'
import type { Original } from '../mail/answer.ts'
import type { OutgoingMail } from '../mailbox/outbox.ts'
import { assistantById } from '../store/assistants.ts'
import { hasBounced } from '../store/bounces.ts'
import { contactById } from '../store/contacts.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import { inboxById, modeNow, replySettingsOf } from '../store/inboxes.ts'
import { optOutUrl } from '../store/opt-outs.ts'
import { continueByMail } from './continuing.ts'

export interface Hands {
  env: Env
  state(): ConversationState
  message(id: string): Message | null
  messages(): Message[]
  /** Whether the contact has the chat open. */
  isContactHere(): boolean
  /** What has been written of an answer so far, for those who watch. */
  writes(text: string): void
  /** Resolves when D1 has the copies of everything up to now. */
  copied(): Promise<void>
  /** Gives everything to the conversation that this one became part of. */
  handOver(to: string, owes: Owes): Promise<void>
}

/** It is looked at again then. */
export interface NotYet {
  type: 'not_yet'
  dueAt: number
}

/** @throws where it should be tried again. */
export async function perform(effect: Effect, hands: Hands): Promise<ConversationEvent | NotYet | null> {
  switch (effect.kind) {
    case 'ask_assistant':
      return askAssistant(effect, hands)
    case 'say':
      return say(effect, hands)
    case 'send':
      return send(effect.messageId, hands)
    case 'withdraw':
      await mailboxOf(hands, hands.message(effect.messageId)).withdraw(effect.messageId, problem(effect.why))
      return null
    case 'unsnooze':
      return { type: 'snooze_over', until: effect.until }
    case 'continue_by_mail':
      return continueByMail(effect.afterMs, hands)
    case 'send_again':
      return sendAgain(effect.messageId, hands)
    case 'settle':
      await mailboxOf(hands, hands.message(effect.messageId)).settle(effect.messageId, effect.outcome)
      return null
    case 'hand_over':
      await hands.handOver(effect.to, effect.owes)
      return null
  }
}

async function askAssistant(
  effect: Extract<Effect, { kind: 'ask_assistant' }>,
  { env, state, message, messages, writes }: Hands,
): Promise<ConversationEvent | null> {
  const now = state()
  // Out of date before it began: a newer effect asks for all that was said.
  if (effect.epoch !== now.epoch) return null
  const all = messages()
  const { asked, before } = askedAbout(all, now.epoch, effect.draft)
  const last = asked.at(-1)
  if (!last) return null
  // Read again: it may have changed while the assistant thought.
  const missing = (
    reason: Problem | null = null,
    why: ReplyReason = 'assistant_silent',
  ): ConversationEvent => ({
    type: 'answer_missing',
    why,
    problem: reason,
    epoch: effect.epoch,
    message: message(last.id) ?? last,
  })
  const { assistantId } = last.details
  const row = assistantId && (await assistantById(db(env.DB), now.siteId, assistantId))
  const assistant = row && assistantKinds[row.kind]?.(row, env)
  if (!row || !assistant) return missing()
  const said = asked.map(m => m.content)
  const [inbox, contact] = await Promise.all([
    inboxById(db(env.DB), now.siteId, last.details.mail?.inboxId ?? now.inboxId),
    contactById(db(env.DB), now.siteId, now.contact.id),
  ])
  if (!inbox) return missing(problem('inbox_disconnected'))
  const rules = replySettingsOf(inbox)
  const { replyTo } = last.details.mail ?? {}
  // The inbox may have changed since the mail came, or closed while the answer waited.
  const again = decideAgain(effect.draft ? 'draft' : 'answer', {
    mode: modeNow(inbox, rules),
    hasAssistant: inbox.assistantId !== null,
    // Who wrote was looked at when the mail came; whom the answer goes to, and who was blocked since, are looked at now.
    permitted:
      !replyTo ||
      (mayBeAnswered(replyTo.address, rules) &&
        mayBeAnswered(now.contact.address, { allow: [], block: rules.block })),
    open: mayAnswerAt(rules.hours, rules.timeZone, Date.now()),
  })
  if (again?.do === 'silent') return missing(null, again.why)
  // To whom is not proved to be its reader, nothing of what was said before is told: a sender that was denied, or a Reply-To elsewhere.
  const writer =
    last.sender.id === now.contact.id
      ? now.contact.address
      : (await contactById(db(env.DB), now.siteId, last.sender.id))?.address
  const stranger =
    asked.some(one => one.details.authentication === 'fail') ||
    (replyTo !== undefined && !sameAddress(replyTo?.address ?? '', writer ?? ''))
  // Who waits in a chat sees the answer while it is written; a draft, and a mail, only whole.
  const streams = !last.details.mail && !effect.draft && again?.do !== 'draft'
  if (streams) writes('')
  const answer = await assistant.answer({
    channel: last.details.mail ? 'email' : 'chat',
    subject: last.details.subject ?? '',
    said,
    history: (stranger ? [] : before.filter(m => !m.details.continues)).map(m => ({
      from: m.direction === 'incoming' ? ('contact' as const) : ('us' as const),
      text: m.content,
    })),
    cited: before.flatMap(m => m.details.citations?.map(one => one.id) ?? []),
    // Where a contact gave no name, the address stands for it, and is no way to greet anybody.
    contactName:
      !rules.senderNames || now.contact.name === now.contact.address || last.details.unproved
        ? ''
        : now.contact.name,
    // What only some may read goes to the address that carries the labels, not to wherever a mail wants its answer.
    contactLabels:
      contact && !stranger && (!replyTo || sameAddress(replyTo.address, now.contact.address))
        ? (JSON.parse(contact.labels) as string[])
        : [],
    writtenTo: last.details.mail?.ours ?? '',
    localTime: spokenTime(Date.now(), rules.timeZone),
    quoted: unseen(asked, all),
    assistantName: row.name,
    language: languageOf([...said, last.details.subject ?? ''].join('\n')),
    // Out of date meanwhile, or a person has taken over: not another word.
    ...(streams ? { written: text => state().epoch === effect.epoch && writes(text) } : {}),
  })
  if (answer.text.trim() === '') return missing(answer.problem)
  return answerMade(effect, last, {
    answers: asked.map(one => one.id),
    draft: effect.draft || again?.do === 'draft',
    handsOver: answer.wantsPerson ?? false,
    sender: { kind: 'assistant', id: row.id, name: row.name },
    content: answer.text,
    citations: answer.citations,
    language: answer.language,
  })
}

/** A text that was known beforehand, as an answer to one mail. */
async function say(
  effect: Extract<Effect, { kind: 'say' }>,
  hands: Hands,
): Promise<ConversationEvent | null> {
  const now = hands.state()
  const message = hands.message(effect.messageId)
  if (effect.epoch !== now.epoch || !message) return null
  const { assistantId } = message.details
  const row = assistantId && (await assistantById(db(hands.env.DB), now.siteId, assistantId))
  if (!row) return null
  const heard = languageOf(
    [message.details.rest ?? '', message.content, message.details.subject ?? ''].join('\n'),
  )
  const language = effect.text === null ? heard : languageOf(effect.text)
  return answerMade(effect, message, {
    answers: [message.id],
    draft: false,
    handsOver: false,
    sender: { kind: 'assistant', id: row.id, name: row.name },
    content: effect.text ?? textsIn(heard).startedAnew,
    fixed: true,
    citations: [],
    language,
  })
}

interface Made {
  answers: string[]
  draft: boolean
  handsOver: boolean
  sender: Message['sender']
  content: string
  citations: Citation[]
  language: string
  fixed?: true
}

function answerMade(effect: { id: string; epoch: number }, to: Message, made: Made): ConversationEvent {
  const at = Date.now()
  const id = newId(at)
  const { mail, subject } = to.details
  return {
    type: 'answer_made',
    epoch: effect.epoch,
    ask: effect.id,
    draft: made.draft,
    handsOver: made.handsOver,
    message: {
      id,
      sender: made.sender,
      content: made.content,
      createdAt: at,
      details: {
        ...(mail ? { subject: replySubject(subject ?? '') } : {}),
        answers: made.answers,
        citations: made.citations,
        language: made.language,
        ...(made.fixed ? { fixed: made.fixed } : {}),
        ...(mail ? { to: mail.replyTo?.address, mail: mailAnswering(mail, id) } : {}),
      },
    },
  }
}

/** RFC 5322 §3.6.4: the parent's references and then the parent itself. */
function mailAnswering(mail: MailRef, id: string): MailRef {
  return {
    ...mail,
    rfcId: `<${id}@${domainOf(mail.ours)}>`,
    references: [...mail.references, ...(mail.rfcId ? [mail.rfcId] : [])],
    inReplyTo: mail.rfcId,
    mailId: id,
  }
}

/** What the contact quoted and we never received: below their first mail, or below one that names a mail we do not have. */
function unseen(asked: readonly Message[], all: readonly Message[]): string {
  const known = new Set(all.map(one => one.details.mail?.rfcId))
  return asked
    .filter(one => one.position === 0 || one.details.mail?.references.some(id => !known.has(id)))
    .map(one => one.details.rest ?? '')
    .filter(Boolean)
    .join('\n\n')
}

async function send(messageId: string, hands: Hands): Promise<ConversationEvent | null> {
  const message = hands.message(messageId)
  const { mail } = message?.details ?? {}
  if (message?.delivery?.status !== 'queued') return null
  // Said in a chat: it was only held back for a moment.
  if (!mail) return { type: 'fate_told', message, status: 'sent', problem: null }
  if (!mail.replyTo || !mail.rfcId) return null
  const { siteId } = hands.state()
  const byItself = !message.details.by || message.details.continues !== undefined
  if (byItself && (await hasBounced(hands.env.DB, siteId, normaliseAddress(mail.replyTo.address))))
    return { type: 'fate_told', message, status: 'held', problem: problem('address_bounced') }
  // Our Message-ID is known to D1 before the mail can be answered.
  await hands.copied()
  const refused = await mailboxOf(hands, message).enqueue({
    id: message.id,
    conversationId: hands.state().id,
    rfcId: mail.rfcId,
    from: mail.ours,
    to: mail.replyTo,
    subject: message.details.subject ?? '',
    inReplyTo: mail.inReplyTo ?? null,
    references: mail.references,
    text: message.content,
    citations: message.details.citations ?? [],
    language: message.details.language ?? 'und',
    createdAt: message.createdAt,
    attachments: message.details.attachments ?? [],
    automatic: automaticMark(message),
    byMachine: !message.details.by && !message.details.fixed,
    original: originalOf(message, hands),
    unsubscribe: isToUnproved(message, hands)
      ? await optOutUrl(hands.env, siteId, mail.replyTo.address)
      : null,
  })
  return refused && { type: 'fate_told', message, status: 'failed', problem: refused }
}

async function sendAgain(messageId: string, hands: Hands): Promise<ConversationEvent | null> {
  const message = hands.message(messageId)
  if (message?.delivery?.status !== 'queued') return null
  if (await mailboxOf(hands, message).sendAgain(messageId)) return null
  // The mailbox never had it, or no longer: it is made from what is here.
  return send(messageId, hands)
}

/** It goes where somebody in a chat said that they read mail. */
function isToUnproved({ details }: Message, hands: Hands): boolean {
  return (
    details.continues !== undefined ||
    (details.answers ?? []).some(id => hands.message(id)?.details.unproved === true)
  )
}

/** RFC 3834 §5: a machine's answer, a machine's own mail, or a person's, which has no mark (C21, C22). */
function automaticMark({ details }: Message): OutgoingMail['automatic'] {
  if (!details.by) return 'auto-replied'
  return details.by.kind === 'program' ? 'auto-generated' : null
}

/** The mail that an answer answers, to be quoted below it where the inbox does so. */
function originalOf(message: Message, hands: Hands): Original | null {
  const { inReplyTo } = message.details.mail ?? {}
  const answered = inReplyTo
    ? hands.messages().findLast(one => one.direction === 'incoming' && one.details.mail?.rfcId === inReplyTo)
    : undefined
  if (!answered) return null
  const { content, sender, createdAt, details } = answered
  return {
    who: sender.name,
    at: createdAt,
    text: details.rest ? `${content}\n\n${details.rest}` : content,
  }
}

/** An answer leaves through the inbox that the mail it answers came in by. */
function mailboxOf({ env, state }: Hands, message: Message | null) {
  const { siteId, inboxId } = state()
  return env.MAILBOX.getByName(`${siteId}/${message?.details.mail?.inboxId ?? inboxId}`)
}
