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
  type Message,
  step,
  type Turn,
} from '../domain/conversation.ts'
import type { Mailbox } from '../domain/email.ts'
import type { Phase } from '../domain/outbox.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { replySubject } from '../domain/thread.ts'
import { log } from '../log.ts'
import { project } from '../store/conversations.ts'
import { Memory, type OwedEffect } from './memory.ts'
import { perform } from './perform.ts'

/** Enough to open a conversation where something is the first of it. */
export type Opening = Pick<
  ConversationState,
  'siteId' | 'id' | 'inboxId' | 'contact' | 'title' | 'linkedTo' | 'createdAt'
>

/** What a Mailbox brings: a mail as an event. */
export interface Arrival {
  opening: Opening
  event: Omit<Extract<ConversationEvent, { type: 'mail_arrived' }>, 'type' | 'known'>
}

/** A message that somebody writes; what it follows in the thread is known here. */
export interface Written {
  by: Author
  message: Extract<ConversationEvent, { type: 'message_written' }>['message']
}

export type DraftAnswer = { message: Message } | { problem: Problem }

const PROJECTION_WAIT_MS = 300
/** How soon after a crash an effect is taken up again; one that is still at work in this life is left to it. */
const LEASE_MS = 15_000
const RETRY_MS = [1_000, 5_000, 30_000, 120_000, 600_000]

export class Conversation extends DurableObject<Env> {
  readonly #memory = new Memory(this.ctx.storage.sql)
  /** Up to which `seq` D1 has its copy; behind the truth after an eviction, which only makes a copy be written again. */
  #projected: number | null = null
  #projecting: Promise<void> | null = null
  /** Effects at work in this life of the object. */
  readonly #atWork = new Set<string>()
  /** Who waits to hear what became of a mail. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>()

  /** A mail for this conversation. Safe to repeat: a message already here is only noted as a copy. */
  async receive(arrival: Arrival): Promise<{ ok: true }> {
    const state = this.#memory.state() ?? opened(arrival.opening)
    const known = this.#memory.state() ? this.#memory.message(arrival.event.message.id) : null
    this.#take(state, { ...arrival.event, type: 'mail_arrived', known }, Date.now())
    await this.#settle()
    return { ok: true }
  }

  /** The point of no return for an outgoing mail; the answer is written down in the same turn. */
  async mayLeave(messageId: string): Promise<{ yes: true } | { yes: false; problem: Problem }> {
    const state = this.#memory.state()
    const message = state ? this.#memory.message(messageId) : null
    if (!state || !message) return { yes: false, problem: problem('not_found') }
    return this.#take(state, { type: 'leaving_asked', message }, Date.now()).leave!
  }

  /** What became of an outgoing mail. Safe to repeat. */
  async fate(messageId: string, status: Phase, reason: Problem | null, rfcId?: string): Promise<void> {
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
    const last = this.#memory.state()
      ? this.#memory.messages().findLast(one => one.details.mail?.replyTo)
      : undefined
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
  async write(opening: Opening, written: Written): Promise<Message> {
    const state = this.#memory.state() ?? opened(opening)
    const known = this.#memory.state() ? this.#memory.message(written.message.id) : null
    const { by, message } = written
    const event = {
      type: 'message_written' as const,
      by,
      known,
      living: this.#living(),
      message: inThread(message, this.#thread()),
    }
    this.#take(state, event, Date.now())
    await this.#settle()
    return this.#memory.message(message.id)!
  }

  /** What is null stays as it is; `citations` are ids of those to keep. */
  async editDraft(
    id: string,
    edit: { content: string; attachments: AttachmentRef[] | null; citations: string[] | null },
  ): Promise<DraftAnswer> {
    return this.#toDraft(id, draft => {
      const { attachments, citations } = draft.details
      return {
        type: 'draft_edited',
        draft,
        content: edit.content,
        attachments: edit.attachments ?? attachments ?? [],
        citations: (citations ?? []).filter(one => edit.citations?.includes(one.id) ?? true),
      }
    })
  }

  async approveDraft(id: string, by: Author, reread: boolean): Promise<DraftAnswer> {
    return this.#toDraft(id, draft => ({
      type: 'draft_approved',
      draft,
      by,
      reread,
      newest: this.#newest(),
      living: this.#living(),
    }))
  }

  async discardDraft(id: string, by: Author): Promise<DraftAnswer> {
    return this.#toDraft(id, draft => ({ type: 'draft_discarded', draft, by }))
  }

  async #toDraft(id: string, event: (draft: Message) => ConversationEvent): Promise<DraftAnswer> {
    const state = this.#memory.state()
    const draft = state && this.#memory.message(id)
    if (!state || draft?.direction !== 'outgoing') return { problem: problem('not_found') }
    const turn = this.#take(state, event(draft), Date.now())
    if (turn.refused) return { problem: turn.refused }
    await this.#settle()
    return { message: this.#memory.message(id)! }
  }

  /** Drafts that wait for a person. */
  #living(): Message[] {
    if (!this.#memory.state()) return []
    return this.#memory.messages().filter(one => one.delivery?.status === 'draft')
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

  /** A person answers from now on; what the assistant has not yet let go is called back. */
  async takeOver(): Promise<boolean> {
    return this.#tell({ type: 'person_took_over' })
  }

  async handBack(): Promise<boolean> {
    return this.#tell({ type: 'handed_back' })
  }

  /** The conversation as it is now, or null where there never was one. */
  async read(): Promise<{ state: ConversationState; messages: Message[] } | null> {
    const state = this.#memory.state()
    return state && { state, messages: this.#memory.messages() }
  }

  async message(id: string): Promise<Message | null> {
    return this.#memory.state() ? this.#memory.message(id) : null
  }

  /** From the clock: something was due and nobody came. */
  async wake(): Promise<void> {
    if (!this.#memory.state()) return
    this.#act()
    // Nothing is owed after all: the copy in D1 that says so is old.
    if (this.#nextDue() === null) await this.#projectOnce()
  }

  override async alarm(): Promise<void> {
    // Never waits and never throws: the runtime drops an alarm that keeps failing.
    if (this.#memory.state()) this.#act()
  }

  async #tell(event: ConversationEvent): Promise<boolean> {
    const state = this.#memory.state()
    if (!state) return false
    this.#take(state, event, Date.now())
    await this.#settle()
    return true
  }

  /** Decide and save, in one go: there is no await between the first write and the alarm. */
  #take(state: ConversationState, event: ConversationEvent, at: number): Turn {
    const turn = step(state, event, at)
    if (turn.state === state && this.#memory.state()) return turn
    this.ctx.storage.transactionSync(() => {
      this.#memory.create(turn.state)
      this.#memory.save(turn.state, turn.messages, turn.effects, at)
    })
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
        copied: () => this.#project(),
      })
      this.#memory.done(effect.id)
      if (event) {
        const made = event.type === 'answer_made' ? { ...event, living: this.#living() } : event
        this.#take(this.#memory.state()!, made, Date.now())
        this.ctx.waitUntil(this.#settle())
      }
    } catch (error) {
      const wait = RETRY_MS[Math.min(owed.attempts, RETRY_MS.length - 1)]!
      this.#memory.retry(effect.id, Date.now() + wait)
      log(
        'effect_failed',
        { conversation: this.#memory.state()?.id, effect: effect.id, attempts: owed.attempts },
        error,
      )
    }
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

  #behind(): boolean {
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
    await project(this.env.DB, state, this.#memory.changedSince(since), this.#nextDue())
    this.#projected = state.seq
  }

  #nextDue(): number | null {
    const times = this.#memory.effects().map(owed => owed.leaseUntil ?? owed.dueAt)
    return times.length > 0 ? Math.min(...times) : null
  }

  #arm(): void {
    const due = this.#nextDue()
    const next = this.#behind() ? Math.min(due ?? Infinity, Date.now() + LEASE_MS / 2) : due
    if (next === null) return
    // Written down so that an eviction does not begin the copies at zero.
    if (this.#projected !== null) this.#memory.setProjected(this.#projected)
    this.ctx.waitUntil(this.ctx.storage.setAlarm(Math.max(next, Date.now())))
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

function opened(opening: Opening): ConversationState {
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
