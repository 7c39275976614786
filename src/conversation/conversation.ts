/**
 * The room of one live conversation. The object is a shell: every event loads the state, lets domain/conversation.ts decide, saves
 * state, messages, what is owed and the alarm together, and only then acts. Results of acting come back as events of their own.
 * Whatever fails stays owed, and the alarm (or the clock's watchdog, should the alarm be lost) takes it up again.
 */

import { DurableObject } from 'cloudflare:workers'
import {
  type AttachmentRef,
  type Author,
  type ConversationEvent,
  type ConversationState,
  type Delivery,
  type Feedback,
  type MergedPart,
  type Message,
  type Opening,
  type Owes,
  opened,
  step,
  type Turn,
} from '../domain/conversation.ts'
import { answeredBefore, unanswered } from '../domain/coverage.ts'
import type { Mailbox } from '../domain/email.ts'
import { happenedIn } from '../domain/occurrences.ts'
import type { Phase } from '../domain/outbox.ts'
import { type Problem, problem } from '../domain/problem.ts'
import type { ConversationChange } from '../domain/status.ts'
import { replySubject } from '../domain/thread.ts'
import { settings } from '../env.ts'
import { spend } from '../limits/limits.ts'
import { log } from '../log.ts'
import { closeToo } from '../sockets/socket.ts'
import { project, removeCopy } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { derivedId } from '../store/ids.ts'
import { type InboxRow, inboxById, replySettingsOf } from '../store/inboxes.ts'
import { winnerOf } from '../store/merges.ts'
import type { SayFrame, Watcher } from '../wire/frame.ts'
import { clear, clearMessages, leaveBehind, leftBehind } from './erasing.ts'
import { asEvent, type Said, saidInChat } from './incoming.ts'
import { Indexing, wordsChange } from './indexing.ts'
import { Memory, type OwedEffect } from './memory.ts'
import { perform } from './perform.ts'
import { siteChange, siteGone } from './site-row.ts'
import { Sockets } from './sockets.ts'
import { noted, tell } from './telling.ts'

/** Where a mail went; nowhere, where its conversation was erased. */
export type Taken = { conversationId: string } | { erased: true }

/** What a Mailbox brings: a mail as an event. */
export interface Arrival {
  opening: Opening
  event: Omit<Extract<ConversationEvent, { type: 'mail_arrived' }>, 'type' | 'known' | 'living' | 'later'>
}

/** A message that somebody writes; what it follows in the thread is known here. */
export interface Written {
  by: Author
  /** How long it may be taken back before it leaves, ms. */
  holdMs?: number
  message: Extract<ConversationEvent, { type: 'message_written' }>['message']
}

/** A mail that a person of ours sent from another program. */
export interface SeenElsewhere {
  fresh: boolean
  imported: boolean
  message: Extract<ConversationEvent, { type: 'answered_elsewhere' }>['message']
}

export type DraftAnswer = { message: Message } | { problem: Problem }

/** `bookmark`: the copy in D1 has it from there on; null where it does not have it yet. */
export type SaidAnswer =
  | { message: Message; conversationId: string; bookmark: string | null }
  | { problem: Problem }
export interface Changed {
  state: ConversationState
  last: Message | null
  bookmark: string | null
}

/** The header in which the API says who opens a socket. */
export const WATCHES = 'x-watches'
export interface Watches {
  who: Watcher
  mayWrite: boolean
  /** Inboxes that they may see; null is all of them. */
  inboxes: readonly string[] | null
  /** The last `seq` they had; null: they begin with the newest messages. */
  since: number | null
}
/** So many messages are shown to who begins. */
const NEWEST = 50

const INBOX_FRESH_MS = 5_000
/** By one contact, in all their conversations and tabs together. */
const SAID_A_MINUTE = 20

/** Of one hand-over; the platform takes 32 MB a call. */
const PART_CHARS = 4_000_000
/** What stands where a conversation was that never had a mail, or that was erased. */
const ENDED = 'ended'
type Ended = { movedTo: string } | { erased: true }

const PROJECTION_WAIT_MS = 300
const TELL_AGAIN_MS = 5_000
/** What of an erased conversation could not be removed is tried again after this. */
const CLEAR_AGAIN_MS = 60_000
/** How soon after a crash an effect is taken up again; one that is still at work in this life is left to it. */
const LEASE_MS = 15_000
const RETRY_MS = [1_000, 5_000, 30_000, 120_000, 600_000]

export class Conversation extends DurableObject<Env> {
  readonly #memory = new Memory(this.ctx.storage.sql)
  readonly #sockets = new Sockets(this.ctx, this.env)
  /** Up to which `seq` D1 and the site have their copies; behind the truth after an eviction, which only makes a copy be written again. */
  #projected: number | null = null
  #projecting: Promise<void> | null = null
  /** Of D1, where the last copy landed. */
  #landed: string | null = null
  #telling: Promise<void> | null = null
  readonly #indexing = new Indexing(this.env.SEARCH, this.#memory, () => this.#arm())
  /** As far as this life of the object knows. */
  #alarmAt: number | null = null
  #clearing: Promise<void> | null = null
  #tellAgainAt = 0
  #inboxRead: { at: number; row: InboxRow | undefined } | null = null
  /** Effects at work in this life of the object. */
  readonly #atWork = new Set<string>()
  /** Who waits to hear what became of a mail. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>()

  /** A conversation begins with nobody having said anything. Safe to repeat; null where one of this id was erased. */
  async begin(opening: Opening): Promise<{ state: ConversationState; bookmark: string | null } | null> {
    if (this.#erased()) return null
    this.#take(this.#memory.state() ?? this.#opened(opening), { type: 'begun' }, Date.now())
    await this.#settle()
    return { state: this.#memory.state()!, bookmark: this.#bookmark }
  }

  /** The contact says something, by the API or in a chat. Safe to repeat under the same id. */
  async say(said: Said): Promise<SaidAnswer> {
    const winner = await this.#whereItWent()
    if (winner) return winner.say(said)
    const before = this.#memory.state()
    if (!before || (said.inboxes && !said.inboxes.includes(before.inboxId)))
      return { problem: problem('not_found') }
    if (said.visitor && said.visitor.contactId !== before.contact.id) return { problem: problem('not_found') }
    // What becomes of a closed one hangs on a setting alone.
    const inbox = await this.#inbox(before, before.status === 'closed' ? 0 : INBOX_FRESH_MS)
    // It may have become part of another one meanwhile, or may be no more.
    const state = this.#memory.state()
    if (!state || state.movedTo !== undefined) return this.say(said)
    if (!inbox) return { problem: problem('inbox_disconnected') }
    if (inbox.channelType !== 'web') return { problem: problem('not_by_api') }
    const known = this.#memory.message(said.id)
    if (!known && state.status === 'closed' && replySettingsOf(inbox).whenClosed === 'new')
      return (await this.#next(state)).say(said)
    const at = Date.now()
    const event = asEvent(said, state, inbox, at)
    this.#take(state, { ...event, type: 'message_received', known, living: this.#living() }, at)
    await this.#settle()
    return {
      message: this.#memory.message(said.id)!,
      conversationId: state.id,
      bookmark: this.#bookmark,
    }
  }

  /** Its contact is somebody we know: what they said before they were known is theirs. Safe to repeat. */
  async belongTo(from: string, contact: ConversationState['contact']): Promise<void> {
    const winner = await this.#whereItWent()
    if (winner) return winner.belongTo(from, contact)
    const state = this.#memory.state()
    if (state?.contact.id !== from) return
    this.#take(state, { type: 'contact_known', contact }, Date.now())
    this.#sockets.keepContact(contact.id)
    await this.#settle()
  }

  /** What the contact says after this one was closed is said in another one, which is linked to it. */
  async #next(state: ConversationState): Promise<DurableObjectStub<Conversation>> {
    for (let n = 1; ; n++) {
      const id = await derivedId(state.createdAt, 'next', state.siteId, state.id, String(n))
      const next = this.env.CONVERSATION.getByName(`${state.siteId}/${id}`)
      const { createdAt: _, ...opening } = openingOf(state, id)
      // One that was erased is not begun again.
      if (await next.begin({ ...opening, linkedTo: state.id, createdAt: Date.now() })) return next
    }
  }

  /** The inbox as it is in D1, or was a moment ago: what is decided by it is looked at again when the answer is made. */
  async #inbox({ siteId, inboxId }: ConversationState, freshMs: number): Promise<InboxRow | undefined> {
    if (!this.#inboxRead || Date.now() - this.#inboxRead.at >= freshMs)
      this.#inboxRead = { at: Date.now(), row: await inboxById(db(this.env.DB), siteId, inboxId) }
    return this.#inboxRead.row
  }

  /**
   * How it stands, whose it is, how urgent.
   *
   * @param inboxes that whoever says so may see; null is all of them
   */
  async change(
    change: ConversationChange,
    inboxes: readonly string[] | null,
  ): Promise<Changed | { problem: Problem }> {
    const winner = this.#winner()
    if (winner) return winner.change(change, inboxes)
    const state = this.#memory.state()
    if (!state || (inboxes && !inboxes.includes(state.inboxId))) return { problem: problem('not_found') }
    this.#take(state, { type: 'conversation_changed', change, living: this.#living() }, Date.now())
    await this.#settle()
    // A person takes over at once, also where everything here is on its way: it is said here, and to where it goes.
    const there = await this.#onItsWay()?.change(change, inboxes)
    if (there) return there
    const now = this.#memory.state()!
    const last = now.lastMessage && this.#memory.message(now.lastMessage.id)
    return { state: now, last, bookmark: this.#bookmark }
  }

  async giveFeedback(messageId: string, feedback: Feedback | null): Promise<DraftAnswer> {
    return this.#about(
      messageId,
      winner => winner.giveFeedback(messageId, feedback),
      message => ({ type: 'feedback_given', message, feedback }),
    )
  }

  /** Who wrote it takes it back. */
  async undo(messageId: string): Promise<DraftAnswer> {
    return this.#about(
      messageId,
      winner => winner.undo(messageId),
      message => ({ type: 'undone', message }),
    )
  }

  /** A mail for this conversation. Safe to repeat: a message already here is only noted as a copy. */
  async receive(arrival: Arrival): Promise<Taken> {
    const winner = await this.#whereItWent()
    if (winner) return winner.receive(arrival)
    if (this.#erased()) return { erased: true }
    const state = this.#memory.state() ?? this.#opened(arrival.opening)
    const { message, facts } = arrival.event
    const known = this.#memory.state() ? this.#memory.message(message.id) : null
    const later = facts.imported ? this.#later(message.createdAt) : []
    const event = { ...arrival.event, facts: { ...facts, answered: this.#isAnswered(message) } }
    this.#take(state, { ...event, type: 'mail_arrived', known, later, living: this.#living() }, Date.now())
    await this.#settle()
    return { conversationId: state.id }
  }

  /** A mail that a person of ours sent from another program (B10). Safe to repeat. */
  async seeElsewhere(opening: Opening, seen: SeenElsewhere): Promise<Taken> {
    const winner = await this.#whereItWent()
    if (winner) return winner.seeElsewhere(opening, seen)
    if (this.#erased()) return { erased: true }
    const state = this.#memory.state() ?? this.#opened(opening)
    const known = this.#memory.state() ? this.#memory.message(seen.message.id) : null
    const { fresh, imported } = seen
    const { mail } = seen.message.details
    if (known && mail) {
      await this.copyCame(known.id, mail)
      return { conversationId: state.id }
    }
    const { message } = seen
    const later = imported ? this.#later(message.createdAt) : []
    const present = this.#memory.state() ? this.#memory.messages() : []
    const event = { type: 'answered_elsewhere' as const, known, present, later, fresh, message }
    this.#take(state, { ...event, owes: this.#owes() }, Date.now())
    await this.#settle()
    return { conversationId: state.id }
  }

  /** A mail server reports on a message of ours. */
  async report(messageId: string, status: 'bounced' | 'delayed', why: Problem): Promise<void> {
    await this.#about(
      messageId,
      async winner => winner.report(messageId, status, why),
      message => ({
        type: 'report_came',
        message,
        status,
        problem: why,
      }),
    )
  }

  /** A person says: send it once more. */
  async sendAgain(messageId: string, by: Author): Promise<DraftAnswer> {
    return this.#about(
      messageId,
      winner => winner.sendAgain(messageId, by),
      message => ({
        type: 'sent_again',
        message,
        by,
      }),
    )
  }

  /** What became of an uncertain mail; `by` null: its copy was found. */
  async settle(messageId: string, outcome: 'sent' | 'failed', by: Author | null): Promise<DraftAnswer> {
    return this.#about(
      messageId,
      winner => winner.settle(messageId, outcome, by),
      message => ({
        type: 'settled',
        message,
        outcome,
        by,
      }),
    )
  }

  /** A mail that could not be read was read again. */
  async reread(
    messageId: string,
    now: Omit<Extract<ConversationEvent, { type: 'mail_reread' }>, 'type' | 'message'>,
  ): Promise<DraftAnswer> {
    return this.#about(
      messageId,
      winner => winner.reread(messageId, now),
      message => ({
        type: 'mail_reread',
        message,
        ...now,
      }),
    )
  }

  /** One event for one message, here or where it went. */
  async #about(
    messageId: string,
    elsewhere: (winner: DurableObjectStub<Conversation>) => Promise<unknown>,
    event: (message: Message) => ConversationEvent,
  ): Promise<DraftAnswer> {
    const winner = this.#winner()
    if (winner) return (await elsewhere(winner)) as DraftAnswer
    const state = this.#memory.state()
    const message = state && this.#memory.message(messageId)
    if (!state || !message) return { problem: problem('not_found') }
    const turn = this.#take(state, event(message), Date.now())
    if (turn.refused) return { problem: turn.refused }
    await this.#settle()
    return { message: this.#memory.message(messageId)! }
  }

  /** This conversation turned out to be part of another one. Safe to repeat. */
  async mergeInto(winnerId: string): Promise<void> {
    const state = this.#memory.state()
    // Nothing came here yet; what is on its way goes there.
    if (!state) {
      if (!this.#erased()) this.ctx.storage.kv.put(ENDED, { movedTo: winnerId } satisfies Ended)
      return
    }
    this.#take(
      state,
      { type: 'merged_into', winner: winnerId, living: this.#living(), owes: this.#owes() },
      Date.now(),
    )
  }

  /** Part of a conversation that turned out to be part of this one. Safe to repeat. */
  async absorb(opening: Opening, part: MergedPart): Promise<Taken> {
    const winner = await this.#whereItWent()
    if (winner) return winner.absorb(opening, part)
    if (this.#erased()) return { erased: true }
    const state = this.#memory.state() ?? this.#opened(opening)
    const present = this.#memory.state() ? this.#memory.messages() : []
    this.#take(state, { type: 'merged_from', part, present, owes: this.#owes() }, Date.now())
    await this.#settle()
    return { conversationId: state.id }
  }

  /** Gives everything to the winner, part by part, until nothing changed while it was on its way. */
  async #handOver(to: string, owes: Owes): Promise<void> {
    // What is still to be done for a mail of ours is done here, where it is known; then it goes. One that its writer may still take back
    // goes with its message.
    const mine = ['send', 'send_again', 'settle']
    const owed = this.#memory.effects().filter(({ effect }) => mine.includes(effect.kind))
    if (owed.some(one => one.dueAt <= Date.now())) throw new Error('mail is still owed')
    // Its copies in D1 are the winner's from now on; none of ours may still be on the way.
    await this.#projecting?.catch(() => {})
    await this.#indexing.running
    const { siteId } = this.#memory.state()!
    const winner = this.env.CONVERSATION.getByName(`${siteId}/${to}`)
    for (;;) {
      const state = this.#memory.state()!
      const parts = inParts(this.#memory.messages())
      for (const [n, messages] of parts.entries()) {
        const taken = await winner.absorb(openingOf(state, to), {
          from: state.id,
          messages,
          after: parts[n - 1]?.at(-1)?.id ?? null,
          rest: n === parts.length - 1 ? { state, owes } : null,
        })
        // What it is part of was erased before it arrived.
        if ('erased' in taken) return this.vanish()
      }
      if (this.#memory.state()!.seq !== state.seq) continue
      for (const { effect } of owed) this.#memory.done(effect.id)
      this.ctx.storage.kv.put(ENDED, { movedTo: to } satisfies Ended)
      this.#sockets.end({ type: 'moved', to })
      return
    }
  }

  /** A copy of a message that is here lies in a mailbox of ours, too. */
  async copyCame(messageId: string, at: { inboxId: string; mailId: string }): Promise<void> {
    await this.#about(
      messageId,
      winner => winner.copyCame(messageId, at),
      message => ({ type: 'copy_came', message, at }),
    )
  }

  /** The same, for what is new: nothing new begins here while everything is on its way. */
  async #whereItWent(): Promise<DurableObjectStub<Conversation> | null> {
    const state = this.#memory.state()
    if (!this.#winner() && state?.movedTo !== undefined) {
      const owed = this.#memory.effects().find(({ effect }) => effect.kind === 'hand_over')?.effect
      await this.#handOver(state.movedTo, owed?.kind === 'hand_over' ? owed.owes : [])
    }
    return this.#winner()
  }

  /** Where everything here is on its way to: part of it may have arrived, so it is told as well. */
  #onItsWay(): DurableObjectStub<Conversation> | null {
    const state = this.#memory.state()
    if (state?.movedTo === undefined) return null
    return this.env.CONVERSATION.getByName(`${state.siteId}/${state.movedTo}`)
  }

  /** Where everything here went; null while it is still here. */
  #winner(): DurableObjectStub<Conversation> | null {
    const ended = this.ctx.storage.kv.get<Ended>(ENDED)
    if (!ended || !('movedTo' in ended)) return null
    const [siteId] = (this.ctx.id.name ?? '').split('/')
    return this.env.CONVERSATION.getByName(`${siteId}/${ended.movedTo}`)
  }

  #erased(): boolean {
    const ended = this.ctx.storage.kv.get<Ended>(ENDED)
    return ended !== undefined && 'erased' in ended
  }

  /**
   * Erases everything that was said here, and in all that is one conversation with it, for good: in this object, D1, R2 and the mailboxes.
   * The mails' keys stay in D1, so that the same mail never comes back. Safe to repeat.
   *
   * @param before only where nothing was said since then, ms
   */
  async erase(before?: number): Promise<void> {
    const whole = await this.#whole()
    if (whole) return whole.erase(before)
    const { lastMessage, createdAt } = this.#memory.state() ?? {}
    // D1, which was asked which are old, may not have heard of what was said just now.
    if (before !== undefined && (lastMessage?.at ?? createdAt ?? 0) >= before) return
    await this.vanish()
    // It became part of another one just before it was gone: that is what is to be erased.
    await (await this.#whole())?.erase(before)
  }

  /** What somebody said here, whosever conversation it is. */
  async saidBy(contactId: string): Promise<{ conversationId: string; messages: Message[] }> {
    const winner = this.#winner()
    if (winner) return winner.saidBy(contactId)
    return { conversationId: this.#name()[1], messages: this.#wordsOf(contactId) }
  }

  /** Their words go, and what was answered to them stays. Safe to repeat. */
  async eraseSaidBy(contactId: string): Promise<void> {
    const winner = await this.#whereItWent()
    if (winner) return winner.eraseSaidBy(contactId)
    const [siteId, id] = this.#name()
    await clearMessages(this.env, siteId, id, this.#wordsOf(contactId))
    const state = this.#memory.state()
    if (!state) return
    this.#take(state, { type: 'words_erased', messages: this.#wordsOf(contactId) }, Date.now())
    await this.#settle()
  }

  #wordsOf(contactId: string): Message[] {
    return this.#memory.state() ? this.#memory.saidBy(contactId) : []
  }

  /** Nothing of what is here stays anywhere; it, or what it is part of, is erased. Safe to repeat. */
  async vanish(): Promise<void> {
    const [siteId, id] = this.#name()
    const movedTo = this.#movedTo()
    this.ctx.storage.transactionSync(() => {
      const state = this.#memory.state()
      // What D1 has said to be the winner's was this one's.
      const ids = movedTo === null ? [id] : [id, movedTo]
      leaveBehind(this.ctx.storage.sql, siteId, ids, state, state ? this.#memory.messages() : [])
      this.#memory.drop()
      const ended: Ended = movedTo === null ? { erased: true } : { movedTo }
      this.ctx.storage.kv.put(ENDED, ended)
    })
    this.#sockets.end({ type: 'erased' })
    this.ctx.waitUntil(this.ctx.storage.setAlarm(Date.now() + LEASE_MS))
    await this.#clear()
  }

  #clear(): Promise<void> {
    this.#clearing ??= this.#clearAll().finally(() => {
      this.#clearing = null
    })
    return this.#clearing
  }

  async #clearAll(): Promise<void> {
    const [siteId, id] = this.#name()
    // No copy may land in D1 after its rows are gone.
    await this.#projecting?.catch(() => {})
    // Nor anything that others are just being told.
    await this.#telling
    await this.#indexing.running
    await clear(this.ctx.storage.sql, this.env, siteId, id)
    if (this.#memory.state()) return
    const ended = this.ctx.storage.kv.get<Ended>(ENDED)!
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
    this.ctx.storage.kv.put(ENDED, ended)
  }

  #name(): [siteId: string, id: string] {
    const [siteId = '', id = ''] = (this.ctx.id.name ?? '').split('/')
    return [siteId, id]
  }

  /** Where everything here went, or is on its way to. */
  #movedTo(): string | null {
    const ended = this.ctx.storage.kv.get<Ended>(ENDED)
    if (ended) return 'movedTo' in ended ? ended.movedTo : null
    return this.#memory.state()?.movedTo ?? null
  }

  /** What this one is part of; D1 knows first. */
  async #whole(): Promise<DurableObjectStub<Conversation> | null> {
    const [siteId, id] = this.#name()
    const whole = (await winnerOf(this.env.DB, siteId, id)) ?? this.#movedTo()
    return whole === null ? null : this.env.CONVERSATION.getByName(`${siteId}/${whole}`)
  }

  /** What it is about to do for its contact, or has waiting. */
  #owes(): Owes {
    const state = this.#memory.state()
    if (!state || state.owner === 'person') return []
    const asks = this.#memory
      .effects()
      .flatMap(({ effect }) =>
        effect.kind === 'ask_assistant' && effect.epoch === state.epoch
          ? [{ draft: effect.draft, dueAt: effect.dueAt ?? null }]
          : [],
      )
    const drafts = this.#living().filter(one => !one.details.edited)
    return [
      ...asks,
      ...(state.pending ? [{ draft: false, dueAt: null }] : []),
      ...drafts.map(() => ({ draft: true, dueAt: null })),
    ]
  }

  /** What was sent on from a conversation that became part of this one opens this one, under its own id. */
  #opened(opening: Opening): ConversationState {
    return opened({ ...opening, id: this.ctx.id.name?.split('/')[1] ?? opening.id })
  }

  /** What stands behind a mail of this time, from the first that is later. */
  #later(time: number): Message[] {
    if (!this.#memory.state()) return []
    const all = this.#memory.messages()
    const first = all.findIndex(one => one.createdAt > time)
    return first < 0 ? [] : all.slice(first)
  }

  /** The point of no return for an outgoing mail; the answer is written down in the same turn. */
  async mayLeave(messageId: string): Promise<{ yes: true } | { yes: false; problem: Problem }> {
    const winner = this.#winner()
    if (winner) return winner.mayLeave(messageId)
    const state = this.#memory.state()
    const message = state ? this.#memory.message(messageId) : null
    if (!state || !message) return { yes: false, problem: problem('not_found') }
    return this.#take(state, { type: 'leaving_asked', message }, Date.now()).leave!
  }

  /** What became of an outgoing mail. Safe to repeat. */
  async fate(messageId: string, status: Phase, reason: Problem | null, rfcId?: string): Promise<void> {
    const winner = this.#winner()
    if (winner) return winner.fate(messageId, status, reason, rfcId)
    const state = this.#memory.state()
    const message = state ? this.#memory.message(messageId) : null
    if (!state || !message) return
    const told = { type: 'fate_told' as const, message, status, problem: reason }
    this.#take(state, rfcId === undefined ? told : { ...told, rfcId }, Date.now())
    this.#waiting.get(messageId)?.resolve()
    await this.#settle()
  }

  /** How a mail's delivery stands once its mailbox has told of it, or after `waitMs`. */
  async delivery(messageId: string, waitMs: number): Promise<Delivery | null> {
    const winner = this.#winner()
    if (winner) return winner.delivery(messageId, waitMs)
    const now = () => (this.#memory.state() ? (this.#memory.message(messageId)?.delivery ?? null) : null)
    if (!['queued', 'leaving'].includes(now()?.status ?? '')) return now()
    const told = this.#waiting.get(messageId) ?? Promise.withResolvers<void>()
    this.#waiting.set(messageId, told)
    await atMost(waitMs, told.promise)
    this.#waiting.delete(messageId)
    return now()
  }

  /** How an answer to this conversation goes out: to whom, from which address and inbox of ours, under which subject. */
  async answering(): Promise<{ to: Mailbox; from: string; subject: string; inboxId: string } | null> {
    const winner = this.#winner()
    if (winner) return winner.answering()
    const all = this.#memory.state() ? this.#memory.messages() : []
    // Whoever said the last thing in a chat is answered there, also where something went by mail before.
    const newest = all.findLast(one => one.details.verdict?.class === 'person')
    if (newest && !newest.details.mail) return null
    const named = all.filter(one => one.details.mail?.replyTo && !one.details.continues)
    // A sender that was denied may have written any Reply-To.
    const last = named.findLast(one => one.details.authentication !== 'fail') ?? named.at(-1)
    const mail = last?.details.mail
    return mail?.replyTo
      ? {
          to: mail.replyTo,
          from: mail.ours,
          subject: replySubject(last!.details.subject ?? ''),
          inboxId: mail.inboxId,
        }
      : null
  }

  /** A mail that a person or a program writes. Safe to repeat: a message already here stays as it is. */
  async write(opening: Opening, written: Written): Promise<DraftAnswer> {
    const winner = await this.#whereItWent()
    if (winner) return winner.write(opening, written)
    if (this.#erased()) return { problem: problem('not_found', 'There is no such conversation any more.') }
    const state = this.#memory.state() ?? this.#opened(opening)
    const known = this.#memory.state() ? this.#memory.message(written.message.id) : null
    const { by, message, holdMs = 0 } = written
    const event = {
      type: 'message_written' as const,
      by,
      known,
      holdMs,
      living: this.#living(),
      message: this.#answering(inThread(message, this.#thread()), by),
    }
    const turn = this.#take(state, event, Date.now())
    if (turn.refused) return { problem: turn.refused }
    await this.#settle()
    return { message: this.#memory.message(message.id)! }
  }

  /** What is null stays as it is; `citations` are ids of those to keep. */
  async editDraft(
    id: string,
    edit: {
      content: string
      attachments: AttachmentRef[] | null
      citations: string[] | null
      version?: number | undefined
    },
  ): Promise<DraftAnswer> {
    return this.#about(
      id,
      winner => winner.editDraft(id, edit),
      draft => {
        const { attachments, citations } = draft.details
        return {
          type: 'draft_edited',
          draft,
          version: edit.version,
          content: edit.content,
          attachments: edit.attachments ?? attachments ?? [],
          citations: (citations ?? []).filter(one => edit.citations?.includes(one.id) ?? true),
        }
      },
    )
  }

  /** @param read the version that was read; another one than the draft has now is refused */
  async approveDraft(id: string, by: Author, reread: boolean, read?: number): Promise<DraftAnswer> {
    return this.#about(
      id,
      winner => winner.approveDraft(id, by, reread, read),
      draft => ({
        type: 'draft_approved',
        draft,
        by,
        reread,
        version: read,
        newest: this.#newest(),
        living: this.#living(),
      }),
    )
  }

  async discardDraft(id: string, by: Author): Promise<DraftAnswer> {
    return this.#about(
      id,
      winner => winner.discardDraft(id, by),
      draft => ({ type: 'draft_discarded', draft, by }),
    )
  }

  /** A person of ours answered it from another program before it came here itself. */
  #isAnswered(message: { id: string; details: Message['details'] }): boolean {
    return this.#memory.state() !== null && answeredBefore(message, this.#memory.messages())
  }

  /** What a person or a program writes now answers all that nothing answers yet; a person's words also what they call back (CO23). */
  #answering(message: Written['message'], by: Author): Written['message'] {
    const state = this.#memory.state()
    const epoch = (state?.epoch ?? 0) + (by.kind === 'person' ? 1 : 0)
    const answers = state ? unanswered(this.#memory.messages(), epoch) : []
    return { ...message, details: { ...message.details, answers } }
  }

  /** Drafts that wait for a person. */
  #living(): Message[] {
    return this.#memory.state() ? this.#memory.drafts() : []
  }

  /** The last thing a person on the other side said. */
  #newest(): Message | null {
    return this.#memory.messages().findLast(one => one.details.verdict?.class === 'person') ?? null
  }

  /** The last mail of the thread, ours or theirs, that a new one would follow. */
  #thread(): Message | null {
    if (!this.#memory.state()) return null
    const stands = (one: Message) =>
      one.direction === 'incoming' || ['sent', 'uncertain'].includes(one.delivery?.status ?? '')
    return this.#memory.messages().findLast(one => one.details.mail?.rfcId && stands(one)) ?? null
  }

  /** The conversation as it is now, or null where there never was one. */
  async read(): Promise<{ state: ConversationState; messages: Message[] } | null> {
    const winner = this.#winner()
    if (winner) return winner.read()
    const state = this.#memory.state()
    return state && { state, messages: this.#memory.messages() }
  }

  async message(id: string): Promise<Message | null> {
    const winner = this.#winner()
    if (winner) return winner.message(id)
    return this.#memory.state() ? this.#memory.message(id) : null
  }

  /** A socket is opened. Who asks was looked at by the API; here it is only whether this conversation is there for them. */
  override async fetch(request: Request): Promise<Response> {
    const asked = JSON.parse(decodeURIComponent(request.headers.get(WATCHES)!)) as Watches
    const movedTo = this.#movedTo()
    if (movedTo !== null) return Response.json({ movedTo }, { status: 308 })
    const state = this.#memory.state()
    if (!state || (asked.inboxes && !asked.inboxes.includes(state.inboxId)))
      return new Response(null, { status: 404 })
    if (asked.who.kind === 'contact' && asked.who.id !== state.contact.id)
      return new Response(null, { status: 404 })
    const missed =
      asked.since === null
        ? { messages: this.#memory.messages(state.length - NEWEST - 1), upTo: null }
        : this.#memory.missed(asked.since)
    return this.#sockets.accept(asked.who, asked.mayWrite, state, missed)
  }

  override async webSocketMessage(socket: WebSocket, text: string | ArrayBuffer): Promise<void> {
    const heard = this.#sockets.received(socket, text)
    const state = this.#memory.state()
    if (!heard || !state) return
    const { who, frame } = heard
    // What was on its way when it became another contact's.
    if (who.kind === 'contact' && who.id !== state.contact.id) return
    if (frame.type === 'say') return this.#hear(socket, who, frame, state)
    if (state.movedTo !== undefined) return
    if (who.kind === 'contact') this.#take(state, { type: 'contact_read' }, Date.now())
    else this.#take(state, { type: 'conversation_changed', change: { read: true } }, Date.now())
  }

  /** What a visitor said, who hears of what came of it by the frame about it, or why it was not taken. */
  async #hear(socket: WebSocket, who: Watcher, frame: SayFrame, state: ConversationState): Promise<void> {
    const refuse = (why: Pick<Problem, 'code' | 'message'>, retryAfter?: number) =>
      this.#sockets.refuse(socket, {
        ...{ code: why.code, message: why.message, sentAs: frame.id },
        ...(retryAfter === undefined ? {} : { retryAfter }),
      })
    const background = (work: Promise<void>) => this.ctx.waitUntil(work)
    const { yes, resetMs } = spend(this.env, background, `says/${who.id}`, SAID_A_MINUTE, Date.now())
    if (!yes)
      return refuse(problem('rate_limited', 'These were many messages at once.'), Math.ceil(resetMs / 1000))
    try {
      const said = await saidInChat(this.env, state.siteId, who.id, frame)
      const known = 'problem' in said ? null : this.#memory.message(said.id)
      const answer = 'problem' in said ? said : await this.say(said)
      if ('problem' in answer) return refuse(answer.problem)
      // Said once more because its answer was lost: here it is.
      if (known) this.#sockets.show(socket, this.#memory.state() ?? state, [known])
      // It was closed, and goes on in another one.
      if (answer.conversationId !== state.id) this.#sockets.lead(socket, answer.conversationId)
    } catch (error) {
      log('say_failed', { conversation: state.id }, error)
      refuse(problem('unavailable'))
    }
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    closeToo(socket, code, reason)
    this.#sockets.presence({ gone: socket })
  }

  override webSocketError(socket: WebSocket): void {
    this.#sockets.presence({ gone: socket })
  }

  /** From the clock: something was due and nobody came. */
  async wake(): Promise<void> {
    if (!this.#memory.state()) return
    this.#act()
    // Nothing is owed after all: the copy in D1 that says so is old.
    if (this.#nextDue() === null) await this.#projectOnce()
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null
    // Never waits and never throws: the runtime drops an alarm that keeps failing.
    if (this.#memory.state()) this.#act()
    else if (leftBehind(this.ctx.storage.sql))
      this.ctx.waitUntil(
        this.#clear().catch(error => {
          log('erase_failed', { conversation: this.#name()[1] }, error)
          return this.ctx.storage.setAlarm(Date.now() + CLEAR_AGAIN_MS)
        }),
      )
  }

  /** Decide and save, in one go: there is no await between the first write and the alarm. */
  #take(state: ConversationState, event: ConversationEvent, at: number): Turn {
    const turn = step(state, event, at)
    const before = this.#memory.state()
    if (turn.state === state && before) return turn
    const known = new Map<string, Message>()
    for (const { id } of before ? turn.messages : []) {
      const message = this.#memory.message(id)
      if (message) known.set(id, message)
    }
    const happened = happenedIn(before, turn, known)
    this.ctx.storage.transactionSync(() => {
      this.#memory.create(turn.state)
      this.#memory.save(turn.state, turn.messages, turn.effects, at)
      this.#memory.note(noted(turn.state, happened, at))
      this.#memory.owesWords(turn.messages.filter(one => wordsChange(known.get(one.id) ?? null, one)))
    })
    this.#sockets.changed(turn.state, turn.messages)
    if (before && turn.state.epoch !== before.epoch) this.#sockets.writesNoMore()
    if (happened.length > 0) this.#tellOthers()
    this.#indexing.later()
    if (turn.effects.length > 0) this.#act(at)
    return turn
  }

  /** Starts everything that is due under a lease, and sets the alarm to what comes next. */
  #act(at = Date.now()): void {
    for (const owed of this.#memory.effects()) {
      if ((owed.leaseUntil ?? owed.dueAt) > at) continue
      const { id } = owed.effect
      this.#memory.lease(id, at + LEASE_MS)
      if (this.#atWork.has(id)) continue
      this.#atWork.add(id)
      this.ctx.waitUntil(this.#perform(owed).finally(() => this.#atWork.delete(id)))
    }
    if (this.#behind()) this.ctx.waitUntil(this.#project().catch(() => this.#arm()))
    if (at >= this.#tellAgainAt) this.#tellOthers()
    this.#indexing.later()
    this.#arm()
  }

  async #perform(owed: OwedEffect): Promise<void> {
    const { effect } = owed
    try {
      const event = await perform(effect, {
        env: this.env,
        state: () => this.#memory.state()!,
        message: id => this.#memory.message(id),
        messages: () => this.#memory.messages(),
        isContactHere: () => this.#sockets.isContactHere(),
        writes: text => this.#sockets.writes(effect.id, text),
        copied: () => this.#project(),
        handOver: (to, owes) => this.#handOver(to, owes),
      })
      // Erased while it was at work: nothing is left to say it to.
      if (!this.#memory.state()) return
      if (event?.type === 'not_yet') return this.#memory.retry(effect.id, event.dueAt)
      this.#memory.done(effect.id)
      if (event) {
        const made = event.type === 'answer_made' ? { ...event, living: this.#living() } : event
        this.#take(this.#memory.state()!, made, Date.now())
        this.ctx.waitUntil(this.#settle())
      }
    } catch (error) {
      if (!this.#memory.state()) return
      const wait = RETRY_MS[Math.min(owed.attempts, RETRY_MS.length - 1)]!
      this.#memory.retry(effect.id, Date.now() + wait)
      log(
        'effect_failed',
        { conversation: this.#memory.state()?.id, effect: effect.id, attempts: owed.attempts },
        error,
      )
    } finally {
      this.#sockets.writes(effect.id, null)
      this.#arm()
    }
  }

  /** One at a time, so that what happened first is told first. */
  #tellOthers(): void {
    if (this.#telling || !this.#memory.hasUntold()) return
    this.#telling = tell(this.env, this.#memory)
      .catch(error => {
        // Erased while it was told.
        if (!this.#memory.state()) return
        this.#tellAgainAt = Date.now() + TELL_AGAIN_MS
        log('telling_failed', { conversation: this.#memory.state()?.id }, error)
      })
      .finally(() => {
        this.#telling = null
        if (this.#memory.state()) this.#arm()
      })
    this.ctx.waitUntil(this.#telling)
  }

  /** Its words are written anew. */
  async reindex(): Promise<void> {
    if (!this.#memory.state()) return
    this.#memory.owesAllWords()
    this.#indexing.later()
    this.#arm()
  }

  /** Waits a moment for the copy in D1, so that who wrote can read it; where D1 is slow or away, it stays owed. */
  async #settle(): Promise<void> {
    if (!this.#behind()) return
    const copied = this.#project().catch(() => this.#arm())
    this.ctx.waitUntil(copied)
    await atMost(PROJECTION_WAIT_MS, copied)
    if (this.#behind()) this.#arm()
  }

  get #bookmark(): string | null {
    return this.#behind() ? null : this.#landed
  }

  #behind(): boolean {
    if (!this.#memory.state()) return false
    return (this.#projected ?? this.#memory.projected()) < (this.#memory.state()?.seq ?? 0)
  }

  /** One copy at a time; a turn taken meanwhile is copied by the next round. @throws where D1 refused. */
  async #project(): Promise<void> {
    while (this.#behind()) {
      this.#projecting ??= this.#projectOnce().finally(() => {
        this.#projecting = null
      })
      await this.#projecting
    }
  }

  async #projectOnce(): Promise<void> {
    const state = this.#memory.state()!
    const since = this.#projected ?? this.#memory.projected()
    // What is here on its way to another conversation is copied there.
    const site = this.env.SITE.getByName(state.siteId)
    if (state.movedTo !== undefined)
      await Promise.all([removeCopy(this.env.DB, state), site.gone(siteGone(state, state.movedTo))])
    else {
      const session = this.env.DB.withSession('first-primary')
      const last = state.lastMessage && this.#memory.message(state.lastMessage.id)
      await Promise.all([
        project(session, state, this.#memory.changedSince(since), this.#nextDue()),
        site.changed(siteChange(state, last, settings(this.env).PUBLIC_URL)),
      ])
      this.#landed = session.getBookmark()
    }
    this.#projected = state.seq
  }

  #nextDue(): number | null {
    const times = this.#memory.effects().map(owed => owed.leaseUntil ?? owed.dueAt)
    if (this.#memory.hasUntold()) times.push(Math.max(this.#tellAgainAt, Date.now() + LEASE_MS))
    return times.length > 0 ? Math.min(...times) : null
  }

  #arm(): void {
    if (!this.#memory.state()) return
    const next = Math.min(
      this.#nextDue() ?? Infinity,
      this.#behind() ? Date.now() + LEASE_MS / 2 : Infinity,
      this.#indexing.isOwed() ? Date.now() + LEASE_MS : Infinity,
    )
    const now = Date.now()
    // One that comes earlier finds nothing to do and sets the next.
    if (next === Infinity || (this.#alarmAt !== null && this.#alarmAt > now && this.#alarmAt <= next)) return
    // Written down so that an eviction does not begin the copies at zero.
    if (this.#projected !== null) this.#memory.setProjected(this.#projected)
    this.#alarmAt = Math.max(next, now)
    this.ctx.waitUntil(this.ctx.storage.setAlarm(this.#alarmAt))
  }
}

/** Waits for what may take longer than anybody wants to wait. */
async function atMost(ms: number, done: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const enough = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([done, enough])
  clearTimeout(timer)
}

/** RFC 5322 §3.6.4: a mail names its parent and the parent's own references. */
function inThread(message: Written['message'], parent: Message | null): Written['message'] {
  const { mail } = message.details
  const above = parent?.details.mail
  if (!mail || !above?.rfcId) return message
  return {
    ...message,
    details: {
      ...message.details,
      mail: { ...mail, inReplyTo: above.rfcId, references: [...above.references, above.rfcId] },
    },
  }
}

function openingOf(state: ConversationState, id: string): Opening {
  const { siteId, inboxId, contact, title, linkedTo, createdAt } = state
  return { siteId, id, inboxId, contact, title, linkedTo, createdAt }
}

/** Never none, so that the state goes with the last. */
function inParts(messages: readonly Message[]): Message[][] {
  const parts: Message[][] = [[]]
  let chars = 0
  for (const message of messages) {
    chars += message.content.length + (message.details.rest?.length ?? 0) + 2_000
    if (chars > PART_CHARS) {
      parts.push([])
      chars = 0
    }
    parts.at(-1)!.push(message)
  }
  return parts
}
