/** Conversations played in tests of the domain: told events, remembering what is there after the last. */
import {
  type ConversationEvent,
  type ConversationState,
  type Details,
  type Effect,
  type Message,
  opened,
  step,
  type Turn,
} from '../../src/domain/conversation.ts'
import type { Phase } from '../../src/domain/outbox.ts'
import type { MailClass } from '../../src/domain/verdict.ts'

export const AT = Date.UTC(2026, 10, 20, 9)

/** A conversation that was just opened, with what a test says about it put in. */
export function conversation(about: Partial<ConversationState> = {}): ConversationState {
  const opening = {
    ...{
      siteId: 'site',
      id: 'conversation',
      inboxId: 'inbox',
      title: 'My order',
      linkedTo: null,
      createdAt: AT,
    },
    contact: { id: 'alice', name: 'Alice', address: 'alice@mail.example' },
  }
  return { ...opened(opening), ...about }
}

export type MailArrived = Extract<ConversationEvent, { type: 'mail_arrived' }>

export interface MailAbout {
  class?: MailClass
  mayDraft?: boolean
  maySend?: boolean
  old?: boolean
  imported?: boolean
  later?: Message[]
  living?: Message[]
  mode?: 'auto' | 'draft' | 'hybrid' | 'off'
  open?: boolean
  reset?: boolean
  delayMs?: number
  closedText?: string | null
  known?: Message | null
  createdAt?: number
  /** Where this copy of the mail lies. */
  at?: { inboxId: string; mailId: string }
}

/** A mail from Alice, as the mailbox brings it. */
export function mail(id: string, about: MailAbout = {}): MailArrived {
  const person = (about.class ?? 'person') === 'person'
  return {
    type: 'mail_arrived',
    known: about.known ?? null,
    ...(about.later ? { later: about.later } : {}),
    ...(about.living ? { living: about.living } : {}),
    message: {
      id,
      direction: 'incoming',
      sender: { kind: 'contact', id: 'alice', name: 'Alice' },
      content: `what ${id} says`,
      details: {
        subject: 'My order',
        mail: {
          ...(about.at ?? { inboxId: 'inbox', mailId: `1-7-${id}` }),
          rfcId: `<${id}@mail.example>`,
          references: [],
          replyTo: { name: 'Alice', address: 'alice@mail.example' },
          ours: 'support@shop.example',
          partial: false,
        },
      },
      createdAt: about.createdAt ?? AT,
    },
    facts: {
      verdict: {
        class: about.class ?? 'person',
        mayDraft: about.mayDraft ?? person,
        maySend: about.maySend ?? person,
      },
      old: about.old ?? false,
      imported: about.imported ?? false,
      waitedMs: 0,
      nothingSaid: false,
      permitted: true,
      open: about.open ?? true,
      reset: about.reset ?? false,
    },
    rules: {
      mode: about.mode ?? 'auto',
      hasAssistant: true,
      draftAfterMs: 86_400_000,
      delayMs: about.delayMs ?? 0,
      closedText: about.closedText ?? null,
    },
  }
}

/** What goes out as a mail says which; what is said in a chat has none. */
export function byMail(id: string): Details {
  const { mail: theirs } = mail('m').message.details
  return { mail: { ...theirs!, mailId: id, rfcId: `<${id}@shop.example>` } }
}

export function answer(id: string, epoch: number, draft = false): ConversationEvent {
  return {
    type: 'answer_made',
    epoch,
    ask: `ask for ${id}`,
    draft,
    handsOver: false,
    message: {
      id,
      sender: { kind: 'assistant', id: 'ada', name: 'Ada' },
      content: 'Within 30 days.',
      details: byMail(id),
      createdAt: AT + 1000,
    },
  }
}

/** A conversation played from its start; the state and the messages are those after the last event. */
export class Play {
  state: ConversationState
  readonly messages = new Map<string, Message>()
  last!: Turn

  constructor(state = conversation()) {
    this.state = state
  }

  tell(event: ConversationEvent, at = AT): Turn {
    this.last = step(this.state, event, at)
    this.state = this.last.state
    for (const message of this.last.messages) this.messages.set(message.id, message)
    return this.last
  }

  message(id: string): Message {
    return this.messages.get(id)!
  }

  asksToLeave(id: string): Turn {
    return this.tell({ type: 'leaving_asked', message: this.message(id) })
  }

  learnsFate(id: string, status: Phase): Turn {
    return this.tell({ type: 'fate_told', message: this.message(id), status, problem: null })
  }
}

/** Alice wrote, and the answer to her is on its way out. */
export function answered(): Play {
  const play = new Play()
  play.tell(mail('m1'))
  play.tell(answer('a1', play.state.epoch))
  return play
}

export const kinds = (effects: Effect[]) => effects.map(effect => effect.kind)

export function randomOf(seed: number) {
  let state = seed >>> 0
  return (below: number) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}
