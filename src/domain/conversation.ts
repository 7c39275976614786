/**
 * One conversation as a machine: it is told an event and the time, and returns its next state, what to write down and what is
 * owed to the world. No clock, no network, no ids of its own making.
 *
 * `owner` says who answers. `epoch` rises whenever an answer in the making would no longer be right: the contact wrote again, or a
 * person took over. An answer carries the epoch it was made for and is sent only while that is still the epoch; the check stands
 * here, at `leaving_asked`, the point of no return, and nowhere else. `seq` counts durable events without gaps.
 */
import {
  answeredElsewhere,
  feedbackGiven,
  reportCame,
  sentAgain,
  settled,
  undone,
  wordsErased,
} from './afterwards.ts'
import { coversAny, coversOnly } from './coverage.ts'
import { shownImages } from './images.ts'
import { mergedFrom, mergedInto } from './merge.ts'
import type { Phase } from './outbox.ts'
import type { Problem } from './problem.ts'
import { problem } from './problem.ts'
import {
  decideReply,
  type ReplyDecision,
  type ReplyFacts,
  type ReplyReason,
  type ReplyRules,
} from './reply.ts'
import { type ConversationChange, conversationChanged, reopened, snoozeOver } from './status.ts'
import {
  callBack,
  changed,
  inserted,
  outdated,
  type Superfluous,
  sentOff,
  unchanged,
  withoutDrafts,
} from './turn.ts'
import { contactKnown, contactRead, continued, lookedFor } from './visit.ts'

/** `snoozed`: done for now; it opens again at a time, or when the contact writes. */
export const STATUSES = ['open', 'snoozed', 'closed'] as const
export type Status = (typeof STATUSES)[number]

export const PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const
export type Priority = (typeof PRIORITIES)[number]

export interface ConversationState {
  v: 1
  siteId: string
  id: string
  inboxId: string
  contact: { id: string; name: string; address: string }
  title: string
  /** The conversation this one's first mail cited without being entitled to join it. */
  linkedTo: string | null
  status: Status
  /** While it is snoozed: until when, ms. */
  snoozedUntil?: number | null
  priority?: Priority | null
  labels?: string[]
  /** The member it is assigned to. */
  assignee?: string | null
  owner: 'assistant' | 'person'
  /** Since when; missing where it never changed, or changed before this was written down. */
  ownerSince?: number
  autoReplyEnabled: boolean
  /** When somebody of the team wrote last, ms. */
  writtenAt?: number
  epoch: number
  seq: number
  /** How many messages there are; the next one's position. */
  length: number
  unread: number
  lastReadAt: number | null
  /** When its contact last saw what was said to them in the chat, ms. */
  contactReadAt?: number
  /** Of a chat: what its contact has not seen for so long is mailed, ms; null: it is not. */
  continueAfterMs?: number | null
  lastMessage: { id: string; at: number } | null
  /** The answer on its way out: it can still be called back until it leaves. */
  pending: { messageId: string; epoch: number } | null
  /** What was made in the last epoch that had an answer: by which asks, and whether one of them is to leave by itself. */
  answered: { epoch: number; asks: string[]; sends: boolean } | null
  /** The answer that tells the contact a person takes over: once it has left, one does. */
  handsOver: string | null
  /** When the text for the closed hours was last said. */
  closedSaidAt?: number
  /** It turned out to be part of this other conversation, which has its messages, or gets them just now. */
  movedTo?: string
  /** Conversations that became part of this one. */
  absorbed?: string[]
  createdAt: number
}

/** Enough to open a conversation where something is the first of it. */
export type Opening = Pick<
  ConversationState,
  'siteId' | 'id' | 'inboxId' | 'contact' | 'title' | 'linkedTo' | 'createdAt'
>

export function opened(opening: Opening): ConversationState {
  return {
    v: 1,
    ...opening,
    status: 'open',
    owner: 'assistant',
    autoReplyEnabled: true,
    epoch: 1,
    seq: 0,
    length: 0,
    unread: 0,
    lastReadAt: null,
    lastMessage: null,
    pending: null,
    answered: null,
    handsOver: null,
  }
}

/** A message as the conversation keeps it; `seq` is that of its last change. */
export interface Message {
  id: string
  position: number
  seq: number
  direction: 'incoming' | 'outgoing'
  sender: { kind: 'contact' | 'assistant' | 'person'; id: string; name: string }
  /** What the writer newly said (a view), or for ours the answer. */
  content: string
  /** The conversation's epoch when an answer was made; 0 for incoming. */
  epoch: number
  delivery: Delivery | null
  details: Details
  createdAt: number
}

export interface Delivery {
  /** `bounced` and `delayed` come after `sent`, from the mail server of the recipient. */
  status: 'draft' | 'discarded' | Phase | 'bounced' | 'delayed'
  problem: Problem | null
  at: number
}

/** What is shown one click away; stored as JSON, so it only ever grows. */
export interface Details {
  subject?: string
  /** The rest of the text behind the view. */
  rest?: string
  bodyKey?: string
  cut?: boolean
  flags?: string[]
  mail?: MailRef
  /** Which assistant answers here, as the inbox said when the mail came. */
  assistantId?: string
  verdict?: { class: string; reasons: string[]; mayFlow: boolean; mayDraft: boolean; maySend: boolean }
  reply?: ReplyDecision
  /** Why the assistant could not answer, where it is more than having nothing to say. */
  unanswered?: Problem
  attachments?: AttachmentRef[]
  citations?: Citation[]
  language?: string
  /** How many more positions hold the same mail (a redelivery, another inbox of ours). */
  copies?: { inboxId: string; mailId: string }[]
  to?: string
  /** Who answers for an outgoing message that is no automatic one: who wrote it, or approved it. */
  by?: Author
  /** A text that people wrote beforehand: no machine made it up. */
  fixed?: true
  /** Of a draft: a person changed it. */
  edited?: true
  /** Of a draft: how often its text was changed; who approves says which text was read. */
  version?: number
  /** Of a draft: the contact wrote again after it was made. */
  stale?: true
  /** Why a mail could not be read, as long as it could not. */
  quarantine?: Problem
  /** Fetched from before the inbox was connected, because somebody asked for it. */
  imported?: true
  /** Whether its sender was proved, as the receiving host says (RFC 8601). */
  authentication?: 'pass' | 'fail' | 'none' | 'unknown'
  /** Of an outgoing message: the mails that it answers. */
  answers?: string[]
  /** Of a message that came with a merged conversation: which one, and its `seq` there. */
  from?: CameFrom
  /** Of a bounce: the message of ours that it is about. */
  about?: string
  /** What the contact, or a person for them, thought of an answer. */
  feedback?: Feedback
  /** Of what a contact said in a chat: the id that their program gave it. */
  sentAs?: string
  /** It was written where nobody proved that the address of its writer is theirs. */
  unproved?: true
  /** Of a mail that goes after a contact who left the chat: the answers that it brings. */
  continues?: string[]
  /** Of what a person wrote: until when it does not leave and may be taken back, ms. */
  undoUntil?: number
}

/** `before`: where it had been before that, the last of them first. */
export interface CameFrom {
  id: string
  seq: number
  before?: { id: string; seq: number }[]
}

export interface Feedback {
  type: 'like' | 'dislike'
  /** What would have been better. */
  suggestion: string | null
  at: number
}

/** A person, or a program that called the API. */
export interface Author {
  kind: 'person' | 'program'
  id: string
  name: string
}

export interface MailRef {
  inboxId: string
  mailId: string
  rfcId: string | null
  references: string[]
  /** Of an answer: the Message-ID of the mail it answers. */
  inReplyTo?: string | null
  replyTo: { name: string; address: string } | null
  /** The address of ours it was written to: answers leave from it. */
  ours: string
  /** Header and first part only are here; the rest is fetched when asked for. */
  partial: boolean
}

export interface AttachmentRef {
  filename: string
  contentType: string
  size: number
  disposition: 'attachment' | 'inline'
  contentId: string | null
  /** Where the bytes are; null while they are still on the mail server, then `part` says which. */
  key: string | null
  part: string | null
}

export interface Citation {
  id: string
  title: string
  url: string | null
}

export type ConversationEvent =
  /** It begins with nobody having said anything. */
  | { type: 'begun' }
  /** The contact says something by the API or a chat. */
  | {
      type: 'message_received'
      message: Omit<Message, 'position' | 'seq' | 'epoch' | 'delivery'>
      known: Message | null
      facts: Omit<ReplyFacts, 'owner' | 'autoReplyEnabled' | 'closedSaid'>
      rules: ReplyRules
      living?: Message[]
      /** In a chat: what the contact does not see for so long is mailed to them, ms; null: it is not. */
      continueAfterMs?: number | null
    }
  /** Its contact has seen, in the chat, what was said so far. */
  | { type: 'contact_read' }
  /** Whom it is with turned out to be somebody we know. */
  | { type: 'contact_known'; contact: ConversationState['contact'] }
  /** A mail brings its contact what they missed; `since`: when the newest of that was said, ms. */
  | {
      type: 'continued'
      since: number
      message: Omit<Message, 'position' | 'seq' | 'epoch' | 'delivery' | 'direction'>
    }
  /** A person, or a program, says how it stands with it. */
  | { type: 'conversation_changed'; change: ConversationChange; living?: Message[] }
  | { type: 'snooze_over'; until: number }
  | { type: 'feedback_given'; message: Message; feedback: Feedback | null }
  /** Who wrote it takes it back, as long as it has not left. */
  | { type: 'undone'; message: Message }
  /** What somebody said in a conversation that is not theirs goes, because all of theirs goes. */
  | { type: 'words_erased'; messages: Message[] }
  | {
      type: 'mail_arrived'
      message: Omit<Message, 'position' | 'seq' | 'epoch' | 'delivery'>
      /** A message of this id is already here: the same mail came again by another way. */
      known: Message | null
      facts: Omit<ReplyFacts, 'owner' | 'autoReplyEnabled' | 'closedSaid'>
      rules: ReplyRules
      /** Drafts that wait: what a person says makes them stale. */
      living?: Message[]
      /** Of mail from before the connection: what stands behind it by time, and moves on by one. */
      later?: Message[]
    }
  /** A mail that a person of ours sent from another program was seen in the mailbox (B10). */
  | {
      type: 'answered_elsewhere'
      known: Message | null
      /** All that is here, among it what it may be the answer to. */
      present: Message[]
      later?: Message[]
      /** False where it is old news, or a machine's: then nothing in the making is called back. */
      fresh: boolean
      owes: Owes
      message: Omit<Message, 'position' | 'seq' | 'epoch' | 'delivery' | 'direction'>
    }
  /** A mail that could not be read was read again, by a newer version or with more of it at hand. */
  | {
      type: 'mail_reread'
      message: Message
      content: string
      sender: Message['sender']
      /** Who wrote it: the contact, where nobody could tell before. */
      contact: ConversationState['contact']
      details: Details
      facts: Omit<ReplyFacts, 'owner' | 'autoReplyEnabled' | 'closedSaid'>
      rules: ReplyRules
    }
  /** A copy of a message that is here lies in a mailbox of ours, too. */
  | { type: 'copy_came'; message: Message; at: { inboxId: string; mailId: string } }
  /** A mail server reports on a mail of ours. */
  | { type: 'report_came'; message: Message; status: 'bounced' | 'delayed'; problem: Problem }
  /** A person says: send it once more. */
  | { type: 'sent_again'; message: Message; by: Author }
  /** What became of an uncertain mail: a person says so, or its copy was found. */
  | { type: 'settled'; message: Message; outcome: 'sent' | 'failed'; by: Author | null }
  /** This conversation turned out to be part of another. `owes`: what it was about to do for its contact. */
  | { type: 'merged_into'; winner: string; living: Message[]; owes: Owes }
  /** Some messages of a conversation that turned out to be part of this one; with the last of them the rest of its state. */
  | { type: 'merged_from'; part: MergedPart; present: Message[]; owes: Owes }
  | {
      type: 'answer_made'
      /** Drafts that wait, in events that may make them superfluous: one question has one draft (I3). */
      living?: Message[]
      epoch: number
      /** The id of the effect that asked for it. */
      ask: string
      draft: boolean
      /** The contact asked for a person, and this answer says that one comes. */
      handsOver: boolean
      message: Omit<Message, 'position' | 'seq' | 'epoch' | 'delivery' | 'direction'>
    }
  /** The assistant has nothing to say to this message, the last one asked about. */
  | { type: 'answer_missing'; epoch: number; message: Message; why: ReplyReason; problem: Problem | null }
  | { type: 'leaving_asked'; message: Message }
  /** `rfcId` where the platform that sent it gave the mail a Message-ID of its own. */
  | { type: 'fate_told'; message: Message; status: Phase; problem: Problem | null; rfcId?: string }
  /** A person or a program writes to the contact. */
  | {
      type: 'message_written'
      living?: Message[]
      /** How long it may be taken back before it leaves, ms. */
      holdMs?: number
      by: Author
      known: Message | null
      message: Omit<Message, 'position' | 'seq' | 'epoch' | 'delivery' | 'direction'>
    }
  | {
      type: 'draft_edited'
      draft: Message
      /** The text it was made from; another than the draft has now is refused. */
      version?: number | undefined
      content: string
      attachments: AttachmentRef[]
      citations: Citation[]
    }
  /** `reread`: the person has seen that the contact wrote again. */
  | {
      type: 'draft_approved'
      living?: Message[]
      draft: Message
      by: Author
      reread: boolean
      /** The text that was read. */
      version?: number | undefined
      newest: Message | null
    }
  | { type: 'draft_discarded'; draft: Message; by: Author }

/** Answers and drafts that a conversation is making or has waiting; `dueAt` where one waits for its time. */
export type Owes = { draft: boolean; dueAt: number | null }[]

export interface MergedPart {
  /** The conversation that they come from. */
  from: string
  messages: Message[]
  /** The last message of the part before it, which these come after whatever their time. */
  after: string | null
  /** With the last part. */
  rest: { state: ConversationState; owes: Owes } | null
}

/** What is owed. The id makes doing it twice harmless. */
export type Effect =
  /** `dueAt`: not before then; an effect whose epoch is over by that time comes to nothing. */
  | { kind: 'ask_assistant'; id: string; epoch: number; draft: boolean; dueAt?: number }
  /** A text known beforehand answers this message; null is the one for "started anew" in the contact's language. */
  | { kind: 'say'; id: string; epoch: number; messageId: string; text: string | null; dueAt?: number }
  | { kind: 'send'; id: string; messageId: string; dueAt?: number }
  | { kind: 'unsnooze'; id: string; until: number; dueAt: number }
  /** Looks whether the contact of a chat has seen what was said, and mails it to them where not. */
  | { kind: 'continue_by_mail'; id: 'continue'; afterMs: number; dueAt: number }
  | {
      kind: 'withdraw'
      id: string
      messageId: string
      why: Superfluous
    }
  | { kind: 'send_again'; id: string; messageId: string }
  | { kind: 'settle'; id: string; messageId: string; outcome: 'sent' | 'failed' }
  /** Everything here goes to the conversation that this one became part of. */
  | { kind: 'hand_over'; id: string; to: string; owes: Owes }

export interface Turn {
  state: ConversationState
  /** Messages new or changed, whole. */
  messages: Message[]
  effects: Effect[]
  /** The answer to `leaving_asked`. */
  leave?: { yes: true } | { yes: false; problem: Problem }
  /** Why nothing was done, for who asked. */
  refused?: Problem
}

/** The text for the closed hours is not said again within this time: one night, one note. */
const CLOSED_AGAIN_MS = 12 * 60 * 60_000

export function step(before: ConversationState, event: ConversationEvent, at: number): Turn {
  const turn = decided(before, event, at)
  return turn.state.owner === before.owner ? turn : { ...turn, state: { ...turn.state, ownerSince: at } }
}

function decided(before: ConversationState, event: ConversationEvent, at: number): Turn {
  switch (event.type) {
    case 'begun':
      return before.seq > 0 ? unchanged(before) : { ...unchanged(before), state: { ...before, seq: 1 } }
    case 'message_received':
      return event.known ? unchanged(before) : mailArrived(inChat(before, event, at), event, at)
    case 'contact_read':
      return contactRead(before, at)
    case 'contact_known':
      return contactKnown(before, event.contact)
    case 'continued':
      return continued(before, event, at)
    case 'conversation_changed':
      return conversationChanged(before, event, at)
    case 'snooze_over':
      return snoozeOver(before, event.until)
    case 'feedback_given':
      return feedbackGiven(before, event)
    case 'undone':
      return undone(before, event, at)
    case 'words_erased':
      return wordsErased(before, event)
    case 'mail_arrived':
      return event.known ? copyArrived(before, event.known, event.message) : mailArrived(before, event, at)
    case 'answer_made':
      return answerMade(before, event, at)
    case 'answer_missing':
      return answerMissing(before, event)
    case 'leaving_asked':
      return leavingAsked(before, event.message, at)
    case 'fate_told':
      return fateTold(before, event, at)
    case 'message_written':
      return event.known ? unchanged(before) : messageWritten(before, event, at)
    case 'answered_elsewhere':
      return event.known ? unchanged(before) : answeredElsewhere(before, event, at)
    case 'copy_came':
      return copyCame(before, event.message, event.at)
    case 'mail_reread':
      return mailReread(before, event, at)
    case 'report_came':
      return reportCame(before, event, at)
    case 'sent_again':
      return sentAgain(before, event, at)
    case 'settled':
      return settled(before, event, at)
    case 'merged_into':
      return mergedInto(before, event, at)
    case 'merged_from':
      return mergedFrom(before, event, at)
    case 'draft_edited':
      return draftEdited(before, event, at)
    case 'draft_approved':
      return draftApproved(before, event, at)
    case 'draft_discarded':
      return draftDiscarded(before, event, at)
  }
}

/** Who writes in a chat has seen what was said there. */
function inChat(
  before: ConversationState,
  { continueAfterMs, message }: Extract<ConversationEvent, { type: 'message_received' }>,
  at: number,
): ConversationState {
  // In a list it is known by what was said first.
  const title = before.title || beginningOf(message.content)
  return continueAfterMs === undefined
    ? { ...before, title }
    : { ...before, title, continueAfterMs, contactReadAt: at }
}

function beginningOf(text: string): string {
  const line = text.trim().split(/\s*\n/)[0]!
  const characters = [...line]
  return characters.length <= TITLE_CHARS ? line : `${characters.slice(0, TITLE_CHARS - 1).join('')}…`
}
const TITLE_CHARS = 80

function mailArrived(
  before: ConversationState,
  event: Omit<Extract<ConversationEvent, { type: 'mail_arrived' }>, 'type'>,
  at: number,
): Turn {
  const reply = replyTo(before, event, at)
  const { imported } = event.facts
  // Only a person's words make an answer out of date: a vacation note, a bounce and what was said long ago do not (C14).
  const fromPerson = event.facts.verdict.class === 'person' && !imported
  const called = fromPerson ? callBack(before, 'superseded') : unchanged(before)
  const stale = outdated(fromPerson ? event.living : [], before.seq)
  const seq = before.seq + stale.length + 1
  const { message, moved } = inserted(
    { ...event.message, seq, epoch: 0, delivery: null, details: { ...event.message.details, reply } },
    event.later ?? [],
    before.length,
  )
  const state: ConversationState = {
    ...(fromPerson ? reopened(called.state) : called.state),
    length: before.length + 1,
    seq,
    unread: message.direction === 'incoming' && !imported ? before.unread + 1 : before.unread,
    lastMessage:
      before.lastMessage && before.lastMessage.at > message.createdAt
        ? before.lastMessage
        : { id: message.id, at: message.createdAt },
    ...(reply.do === 'say' && reply.why === 'closed' ? { closedSaidAt: at } : {}),
  }
  return {
    state,
    messages: [...stale, message, ...moved],
    effects: [...called.effects, ...asked(reply, state.epoch, message.id, event.rules, at)],
  }
}

function replyTo(
  before: ConversationState,
  event: Pick<Extract<ConversationEvent, { type: 'mail_arrived' }>, 'facts' | 'rules'>,
  at: number,
): ReplyDecision {
  const closedSaid = at - (before.closedSaidAt ?? Number.NEGATIVE_INFINITY) < CLOSED_AGAIN_MS
  const { owner, autoReplyEnabled } = before
  return decideReply({ ...event.facts, owner, autoReplyEnabled, closedSaid }, event.rules)
}

/** What is owed for a decision. */
function asked(
  reply: ReplyDecision,
  epoch: number,
  messageId: string,
  rules: ReplyRules,
  at: number,
): Effect[] {
  if (reply.do === 'silent') return []
  if (reply.do === 'say') {
    const text = reply.why === 'closed' ? rules.closedText : null
    return [{ kind: 'say', id: `say:${epoch}:${at}`, epoch, messageId, text }]
  }
  // A draft waits for a person anyway.
  const later = reply.do === 'answer' && rules.delayMs > 0 ? { dueAt: at + rules.delayMs } : {}
  const draft = reply.do === 'draft'
  return [{ kind: 'ask_assistant', id: `ask:${epoch}:${at}`, epoch, draft, ...later }]
}

/** It stays where it was, under the same id. What a person was shown as unreadable is answered by a person: at most a draft is made. */
function mailReread(
  before: ConversationState,
  event: Extract<ConversationEvent, { type: 'mail_reread' }>,
  at: number,
): Turn {
  const reply = replyTo(before, event, at)
  const decided: ReplyDecision =
    reply.do === 'answer'
      ? { do: 'draft', why: 'waited_long' }
      : reply.do === 'say'
        ? { do: 'silent', why: reply.why }
        : reply
  const { quarantine: _, ...details } = event.details
  const turn = changed(before, {
    ...event.message,
    content: event.content,
    sender: event.sender,
    details: { ...details, reply: decided },
  })
  const state = before.contact.address === '' ? { ...turn.state, contact: event.contact } : turn.state
  return { ...turn, state, effects: asked(decided, before.epoch, event.message.id, event.rules, at) }
}

function copyArrived(
  before: ConversationState,
  known: Message,
  copy: { id: string; details: Details },
): Turn {
  return copy.details.mail ? copyCame(before, known, copy.details.mail) : unchanged(before)
}

function copyCame(before: ConversationState, known: Message, at: { inboxId: string; mailId: string }): Turn {
  const copies = known.details.copies ?? []
  const same = (ref: { inboxId: string; mailId: string }) =>
    ref.inboxId === at.inboxId && ref.mailId === at.mailId
  if ((known.details.mail && same(known.details.mail)) || copies.some(same)) return unchanged(before)
  const { inboxId, mailId } = at
  return changed(before, {
    ...known,
    details: { ...known.details, copies: [...copies, { inboxId, mailId }] },
  })
}

function answerMade(
  before: ConversationState,
  event: Extract<ConversationEvent, { type: 'answer_made' }>,
  at: number,
): Turn {
  // The contact wrote again and another answer is being made for both (I1); but what was written when a person took over is
  // kept for that person as a draft (I2).
  const takenOver = before.owner === 'person'
  if (event.epoch !== before.epoch && !takenOver) return unchanged(before)
  const draft = event.draft || takenOver
  // An effect may be run twice, and only one answer of an epoch leaves.
  const none: { asks: string[]; sends: boolean } = { asks: [], sends: false }
  const done = before.answered?.epoch === event.epoch ? before.answered : none
  if (done.asks.includes(event.ask) || (!draft && done.sends)) return unchanged(before)
  // A draft covers all that was asked since the last answer, so the draft before it is superfluous. An answer that leaves by itself may
  // cover less, and what was still being made when a person took over may be older than what is there.
  const superseded = withoutDrafts(draft && !takenOver ? event.living : [], before.seq, 'replaced', at)
  // A draft beside an answer that says some of the same would say it twice.
  const { answers } = event.message.details
  const doubled = draft ? [] : (event.living ?? []).filter(one => coversAny(one, answers))
  const stale = outdated(doubled, before.seq + superseded.length)
  const seq = before.seq + superseded.length + stale.length + 1
  const kept: Delivery = { status: 'draft', problem: takenOver ? problem('taken_over') : null, at }
  const { delivery, effects } = draft ? { delivery: kept, effects: [] } : sentOff(event.message, at)
  const message: Message = {
    ...event.message,
    direction: 'outgoing',
    position: before.length,
    seq,
    epoch: event.epoch,
    delivery,
  }
  const state: ConversationState = {
    ...before,
    length: before.length + 1,
    seq,
    lastMessage: { id: message.id, at: message.createdAt },
    pending: delivery.status === 'queued' ? { messageId: message.id, epoch: event.epoch } : before.pending,
    answered: { epoch: event.epoch, asks: [...done.asks, event.ask], sends: done.sends || !draft },
    handsOver: event.handsOver && !draft ? message.id : before.handsOver,
  }
  return {
    // What is said in a chat cannot be called back, so the person it announces is wanted at once.
    state: delivery.status === 'sent' ? handedOver(state, message.id) : state,
    messages: [...superseded, ...stale, message],
    effects: [...effects, ...lookedFor(state, message, at)],
  }
}

/** Said on the message, so that a person sees why nothing was answered (I7). */
function answerMissing(
  before: ConversationState,
  event: Extract<ConversationEvent, { type: 'answer_missing' }>,
): Turn {
  if (event.epoch !== before.epoch) return unchanged(before)
  const { message } = event
  const reply: ReplyDecision = { do: 'silent', why: event.why }
  const unanswered = event.problem ? { unanswered: event.problem } : {}
  return changed(before, { ...message, details: { ...message.details, reply, ...unanswered } })
}

/** The point of no return. Asked again for a mail that was already let go, the answer stays yes. */
function leavingAsked(before: ConversationState, message: Message, at: number): Turn {
  if (message.delivery?.status === 'leaving') return { ...unchanged(before), leave: { yes: true } }
  const waiting = message.delivery?.status === 'queued' || message.delivery?.status === 'retry'
  // What a person wrote or approved is right as long as that person does not take it back.
  const automatic = message.details.by === undefined
  const cameBack = message.details.continues !== undefined && (before.contactReadAt ?? 0) > message.createdAt
  const refused =
    automatic && before.owner === 'person'
      ? problem('taken_over')
      : !waiting || cameBack || (automatic && message.epoch !== before.epoch)
        ? problem('superseded')
        : null
  if (refused) return { ...unchanged(before), leave: { yes: false, problem: refused } }
  const seq = before.seq + 1
  return {
    state: handedOver({ ...before, seq, pending: automatic ? null : before.pending }, message.id),
    messages: [{ ...message, seq, delivery: { status: 'leaving', problem: null, at } }],
    effects: [],
    leave: { yes: true },
  }
}

function fateTold(
  before: ConversationState,
  event: Extract<ConversationEvent, { type: 'fate_told' }>,
  at: number,
): Turn {
  const { message } = event
  if (message.delivery?.status === event.status) return unchanged(before)
  const seq = before.seq + 1
  const over = event.status !== 'retry' && before.pending?.messageId === message.id
  const state = { ...before, seq, pending: over ? null : before.pending }
  const told: Message = {
    ...message,
    seq,
    delivery: { status: event.status, problem: event.problem, at },
    details:
      event.rfcId && message.details.mail
        ? { ...message.details, mail: { ...message.details.mail, rfcId: event.rfcId } }
        : message.details,
  }
  return {
    state: event.status === 'failed' || event.status === 'held' ? handedOver(state, message.id) : state,
    messages: [told],
    effects: lookedFor(state, told, at),
  }
}

function messageWritten(
  before: ConversationState,
  event: Extract<ConversationEvent, { type: 'message_written' }>,
  at: number,
): Turn {
  if (before.status === 'closed') return { ...unchanged(before), refused: problem('conversation_closed') }
  // A person's own words make the assistant's answer superfluous; a program's may be about something else.
  const person = event.by.kind === 'person'
  const called = person ? callBack(before, 'taken_over') : unchanged(before)
  const superseded = withoutDrafts(person ? event.living : [], before.seq, 'taken_over', at)
  const { answers } = event.message.details
  const worked = person ? (event.living ?? []).filter(one => one.details.edited) : []
  const stale = outdated(
    worked.filter(one => coversAny(one, answers)),
    before.seq + superseded.length,
  )
  const seq = before.seq + superseded.length + stale.length + 1
  const { holdMs = 0 } = event
  const { delivery, effects } = sentOff(event.message, at, holdMs)
  const message: Message = {
    ...event.message,
    direction: 'outgoing',
    position: before.length,
    seq,
    epoch: called.state.epoch,
    delivery,
    details: { ...event.message.details, by: event.by, ...(holdMs > 0 ? { undoUntil: at + holdMs } : {}) },
  }
  return {
    state: {
      ...called.state,
      length: before.length + 1,
      seq,
      lastMessage: { id: message.id, at: message.createdAt },
      writtenAt: at,
    },
    messages: [...superseded, ...stale, message],
    effects: [...called.effects, ...effects, ...lookedFor(before, message, at)],
  }
}

/** A draft is one until it is approved or discarded, and nothing is done to it after that (H6). */
function draftRefused(before: ConversationState, draft: Message): Turn | null {
  if (draft.delivery?.status === 'draft') return null
  if (draft.direction !== 'outgoing') return { ...unchanged(before), refused: problem('not_found') }
  return { ...unchanged(before), refused: problem('draft_answered') }
}

/** A draft begins as its first version. */
export function versionOf(draft: Message): number {
  return draft.details.version ?? 1
}

function draftEdited(
  before: ConversationState,
  event: Extract<ConversationEvent, { type: 'draft_edited' }>,
  at: number,
): Turn {
  const refused = draftRefused(before, event.draft)
  if (refused) return refused
  const { draft, content, attachments, citations } = event
  if (event.version !== undefined && event.version !== versionOf(draft))
    return { ...unchanged(before), refused: problem('draft_changed') }
  const missing = shownImages(content).find(cid => !attachments.some(one => one.contentId === cid))
  if (missing !== undefined) {
    const why = `The text shows an image "${missing}", and no attachment has that contentId.`
    return { ...unchanged(before), refused: problem('invalid_field', why, 'content') }
  }
  return changed(before, {
    ...draft,
    content,
    details: { ...draft.details, attachments, citations, edited: true, version: versionOf(draft) + 1 },
    delivery: { status: 'draft', problem: draft.delivery!.problem, at },
  })
}

/** Exactly once: the second to ask finds it no draft any more. */
function draftApproved(
  before: ConversationState,
  event: Extract<ConversationEvent, { type: 'draft_approved' }>,
  at: number,
): Turn {
  const { draft } = event
  const refused = draftRefused(before, draft)
  if (refused) return refused
  if (before.status === 'closed') return { ...unchanged(before), refused: problem('conversation_closed') }
  const stale = draft.details.stale || (event.newest !== null && event.newest.position > draft.position)
  if (stale && !event.reread) return { ...unchanged(before), refused: problem('draft_stale') }
  if (event.version !== undefined && event.version !== versionOf(draft))
    return { ...unchanged(before), refused: problem('draft_changed') }
  // It is the answer now: another one in the making would be a second.
  const called = callBack(before, 'superseded')
  // A draft that answers more than this one does is still wanted.
  const { answers } = draft.details
  const others = (event.living ?? []).filter(one => one.id !== draft.id)
  const superseded = withoutDrafts(
    others.filter(one => coversOnly(one, answers)),
    before.seq,
    'replaced',
    at,
  )
  // But some of it is answered now, so a person reads on before that one is sent.
  const gone = new Set(superseded.map(one => one.id))
  const kept = others.filter(one => !gone.has(one.id) && coversAny(one, answers))
  const overtaken = outdated(kept, before.seq + superseded.length)
  const seq = before.seq + superseded.length + overtaken.length + 1
  const { delivery, effects } = sentOff(draft, at)
  const approved: Message = { ...draft, seq, delivery, details: { ...draft.details, by: event.by } }
  return {
    state: { ...called.state, seq },
    messages: [...superseded, ...overtaken, approved],
    effects: [...called.effects, ...effects, ...lookedFor(before, approved, at)],
  }
}

function draftDiscarded(
  before: ConversationState,
  event: Extract<ConversationEvent, { type: 'draft_discarded' }>,
  at: number,
): Turn {
  const { draft, by } = event
  const refused = draftRefused(before, draft)
  if (refused) return refused
  return changed(before, {
    ...draft,
    delivery: { status: 'discarded', problem: null, at },
    details: { ...draft.details, by },
  })
}

/** The mail that announced a person is past recall, or will never leave: either way the person is wanted now. */
function handedOver(state: ConversationState, messageId: string): ConversationState {
  if (state.handsOver !== messageId) return state
  return { ...state, owner: 'person', epoch: state.epoch + 1, handsOver: null }
}
