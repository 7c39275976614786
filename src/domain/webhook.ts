/**
 * Webhooks: what is owed to an endpoint, what its answers mean, and when it is called again. One conversation's events are a line: the
 * first is called for until it is delivered or dead, and only then the next. Lines go side by side, so many at a time. Wire format and
 * advice are those of Standard Webhooks 1.0.0 (https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).
 */
import type { Problem } from './problem.ts'

/** Something that happened in a conversation, as its object tells it. */
export interface Occurrence {
  /** A UUID, the same for ever: it becomes the `webhook-id`. */
  id: string
  /** `message.created`, `conversation.closed` … */
  type: string
  conversationId: string
  inboxId: string
  /** Rises within a conversation; two of one turn may have the same and keep the order they are given in. */
  seq: number
  /** ms UTC */
  at: number
  /**
   * What it is about, as the API shows it, as JSON text. Text and not a value, since `sender.id` of a message is a number of 39 digits
   * (`JSON.rawJSON`), and no call between objects carries that.
   */
  data: string
}

/** What there is to be told (domain/occurrences.ts). */
export const EVENT_TYPES = [
  'message.created',
  'message.updated',
  'conversation.created',
  'conversation.updated',
  'conversation.closed',
  'conversation.reopened',
  'conversation.merged',
  'handoff.started',
  'handoff.ended',
  ...(
    ['queued', 'sending', 'leaving', 'sent', 'retry', 'failed', 'uncertain', 'withdrawn', 'held'] as const
  ).map(status => `delivery.${status}` as const),
  'delivery.discarded',
  'delivery.bounced',
  'delivery.delayed',
] as const

/** What an endpoint may name: `*`, all of a kind as in `message.*`, or a type. */
export function isTypeFilter(text: string): boolean {
  const kinds = EVENT_TYPES.map(type => `${type.split('.')[0]}.*`)
  return text === '*' || ([...EVENT_TYPES, ...kinds] as string[]).includes(text)
}

/** Whom an endpoint is for: a site's events, or the answers of one assistant. */
export interface Subscription {
  kind: 'events' | 'reply'
  types: readonly string[]
  /** null is all. */
  inboxes: readonly string[] | null
}

/** What is to be delivered, and under which id; null where this endpoint is not told of it. */
export function deliveryOf(about: Subscription, one: Occurrence): { id: string; body: string } | null {
  if (about.kind === 'reply') return replyOf(one)
  const isWanted = about.types.some(type => type === '*' || type === one.type || isUnder(one.type, type))
  if (!isWanted || !(about.inboxes?.includes(one.inboxId) ?? true)) return null
  return { id: one.id, body: eventBody(one) }
}

function isUnder(type: string, filter: string): boolean {
  return filter.endsWith('.*') && type.startsWith(filter.slice(0, -1))
}

export function eventBody(
  one: Pick<Occurrence, 'type' | 'at' | 'data' | 'seq'> & { conversationId: string | null },
) {
  const before = JSON.stringify({ type: one.type, timestamp: new Date(one.at).toISOString() })
  const after = JSON.stringify({ sequence: one.seq, conversation: one.conversationId })
  return `${before.slice(0, -1)},"data":${one.data},${after.slice(1)}`
}

/** What the reply webhook needs to know of a message; the shape is the API's. */
interface MessageShape {
  id: string
  type: string
  continues: string[] | null
}

/**
 * MaiAgent's reply webhook gets each outgoing message once, whole and bare, under the message's own id: when it has been sent. So drafts,
 * what was taken back and what was never handed over are not told, a conversation that became part of another tells nothing twice, and nor
 * does the mail that brings a visitor what they missed.
 */
function replyOf(one: Occurrence): { id: string; body: string } | null {
  if (one.type !== 'delivery.sent') return null
  const message = JSON.parse(one.data) as MessageShape
  return message.type === 'outgoing' && !message.continues ? { id: message.id, body: one.data } : null
}

/** What came of one call. */
export type Answer =
  | { kind: 'answered'; status: number; retryAfter: string | null; text: string }
  | { kind: 'timeout'; ms: number }
  | { kind: 'unreachable' }
  /** Never called: the address is not allowed, or the secret does not open. */
  | { kind: 'unsendable'; problem: Problem }

/**
 * - `later`: the receiver is away, busy or set up wrongly, whatever the event; it is asked again for as long as the rules say.
 * - `rejected`: the receiver is well and does not want this event. As everybody in the field does we ask again, for a receiver with a bug
 *   is mended and wants what it missed; but only for half an hour, since the events behind it in its conversation wait.
 * - `gone`: 410, it wants no more of anything.
 */
export type Meaning =
  | { kind: 'delivered' }
  | { kind: 'later'; waitMs: number | null }
  | { kind: 'rejected' }
  | { kind: 'gone' }

/** 4xx that say something about the address or the moment, and nothing about the event. */
const NOT_THE_EVENT = new Set([401, 402, 403, 404, 405, 407, 408, 421, 423, 425, 426, 429])

export function meaningOf(answer: Answer, at: number): Meaning {
  if (answer.kind !== 'answered') return { kind: 'later', waitMs: null }
  const { status } = answer
  if (status >= 200 && status < 300) return { kind: 'delivered' }
  if (status === 410) return { kind: 'gone' }
  if (status >= 400 && status < 500 && !NOT_THE_EVENT.has(status)) return { kind: 'rejected' }
  return { kind: 'later', waitMs: retryAfterMs(answer.retryAfter, at) }
}

/** RFC 9110 §10.2.3: seconds, or a date. null where it says nothing that could be read. */
export function retryAfterMs(header: string | null, at: number): number | null {
  const text = header?.trim() ?? ''
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? null : Math.max(0, date - at)
}

/** What a person reads in the log; null where it was delivered. */
export function sentenceOf(answer: Answer): string | null {
  switch (answer.kind) {
    case 'timeout':
      return `The receiver did not answer within ${answer.ms / 1000} s.`
    case 'unreachable':
      return 'No connection to the receiver could be made, or it hung up.'
    case 'unsendable':
      return answer.problem.message
    case 'answered': {
      const { status } = answer
      if (status >= 200 && status < 300) return null
      if (status === 410) return 'The receiver answered 410: it wants no more events.'
      if (status >= 300 && status < 400)
        return `The receiver answered with a redirect (${status}), which is not followed. Give the address it leads to.`
      return `The receiver answered ${status}.`
    }
  }
}

export interface WebhookRules {
  /** Waits after the first, second … call that failed; the last one repeats, and the very last call is at the end of `giveUpMs`. */
  retryMs: readonly number[]
  giveUpMs: number
  /** The same where the event is rejected; after the last it is dead. */
  rejectedMs: readonly number[]
  /** Each wait is longer or shorter by up to this share, so that what failed together does not come back together. */
  jitter: number
  /** Calls at a time. A Worker has six connections that wait for an answer; one is left for the database. */
  together: number
  /** After so many failures in a row only one call at a time is tried, after `firstMs`, then twice that, up to `mostMs`. */
  breaker: { after: number; firstMs: number; mostMs: number }
  /** The longest `Retry-After` that is honoured. */
  holdMs: number
  /** An endpoint that took nothing for so long is switched off. */
  failingMs: number
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** The waits are those of the specification's example, ended at a day. */
export const WEBHOOK_RULES: WebhookRules = {
  retryMs: [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR],
  giveUpMs: 24 * HOUR,
  rejectedMs: [5 * SECOND, 5 * MINUTE, 30 * MINUTE],
  jitter: 0.2,
  together: 5,
  breaker: { after: 5, firstMs: 30 * SECOND, mostMs: 15 * MINUTE },
  holdMs: 6 * HOUR,
  failingMs: 5 * 24 * HOUR,
}

/** The same rules in another measure of time; what the receiver itself asks for stays as it is. */
export function scaled(rules: WebhookRules, scale: number): WebhookRules {
  const by = (ms: number) => ms * scale
  return {
    ...rules,
    retryMs: rules.retryMs.map(by),
    giveUpMs: by(rules.giveUpMs),
    rejectedMs: rules.rejectedMs.map(by),
    breaker: { ...rules.breaker, firstMs: by(rules.breaker.firstMs), mostMs: by(rules.breaker.mostMs) },
    failingMs: by(rules.failingMs),
  }
}

/** What is known of a delivery that waits. Counts begin anew when it is replayed. */
export interface Owed {
  tries: number
  rejections: number
  /** After this a call that fails was the last. */
  deadline: number
}

export type Next =
  | { state: 'delivered' }
  | { state: 'dead' }
  | { state: 'waiting'; owed: Owed; dueAt: number }

/** @param chance in [0, 1) */
export function afterCall(
  owed: Owed,
  meaning: Meaning,
  at: number,
  rules: WebhookRules,
  chance: number,
): Next {
  if (meaning.kind === 'delivered') return { state: 'delivered' }
  if (meaning.kind === 'gone') return { state: 'dead' }
  const isRejected = meaning.kind === 'rejected'
  const next = {
    ...owed,
    tries: owed.tries + 1,
    rejections: owed.rejections + (isRejected ? 1 : 0),
  }
  if (at >= owed.deadline || next.rejections > rules.rejectedMs.length) return { state: 'dead' }
  const waits = isRejected ? rules.rejectedMs : rules.retryMs
  const nth = isRejected ? next.rejections : next.tries
  const wait = jittered(waits[Math.min(nth, waits.length) - 1]!, rules, chance)
  const asked = meaning.kind === 'later' ? Math.min(meaning.waitMs ?? 0, rules.holdMs) : 0
  return { state: 'waiting', owed: next, dueAt: Math.min(at + Math.max(wait, asked), owed.deadline) }
}

function jittered(ms: number, { jitter }: WebhookRules, chance: number): number {
  return Math.round(ms * (1 - jitter + 2 * jitter * chance))
}

/** How the receiver fares, over all that is owed to it. */
export interface Breaker {
  /** Calls in a row that said "later". */
  failures: number
  /** Nothing is called before. */
  until: number
  /** Since when nothing was delivered; null where the last call was. */
  failingSince: number | null
}

export const SOUND: Breaker = { failures: 0, until: 0, failingSince: null }

export function isOpen(breaker: Breaker, rules: WebhookRules): boolean {
  return breaker.failures >= rules.breaker.after
}

export function breakerAfter(
  breaker: Breaker,
  meaning: Meaning,
  at: number,
  rules: WebhookRules,
  chance: number,
): Breaker {
  if (meaning.kind === 'delivered') return SOUND
  const failingSince = breaker.failingSince ?? at
  // It answers, and says what it does not want.
  if (meaning.kind !== 'later') return { failures: 0, until: 0, failingSince }
  const held = Math.max(breaker.until, at + Math.min(meaning.waitMs ?? 0, rules.holdMs))
  // What was on its way when the breaker opened says nothing new.
  if (isOpen(breaker, rules) && at < breaker.until) return { ...breaker, until: held }
  const failures = breaker.failures + 1
  const { after, firstMs, mostMs } = rules.breaker
  const wait = failures < after ? 0 : Math.min(firstMs * 2 ** Math.min(failures - after, 30), mostMs)
  return { failures, until: Math.max(held, at + jittered(wait, rules, chance)), failingSince }
}

/** Nothing was delivered for so long that nobody can be listening. */
export function isForsaken(breaker: Breaker, at: number, rules: WebhookRules): boolean {
  return breaker.failingSince !== null && at - breaker.failingSince >= rules.failingMs
}

/** The first of a line: what may be called for. */
export interface Head {
  n: number
  /** Not called before, unless to see whether the receiver is back. */
  readyAt: number
  deadline: number
}

export interface Plan {
  call: number[]
  /** Over without another call: the receiver is down, and their time is up. */
  expire: number[]
  /** When to look again, if nothing happens before; null where only an answer changes anything. */
  wakeAt: number | null
}

/**
 * What to do now.
 *
 * @param heads those at no call, the first due first; of the due ones at least as many as `rules.together`, and one more
 * @param expired heads whose time is up, some or all
 * @param atWork calls that are out
 */
export function plan(
  heads: readonly Head[],
  expired: readonly Head[],
  atWork: number,
  breaker: Breaker,
  at: number,
  rules: WebhookRules,
): Plan {
  const open = isOpen(breaker, rules)
  const expire = open ? expired.filter(head => head.deadline <= at).map(head => head.n) : []
  const left = heads.filter(head => !expire.includes(head.n))
  if (left.length === 0) return { call: [], expire, wakeAt: null }
  if (at < breaker.until) return { call: [], expire, wakeAt: breaker.until }
  // One goes first, due or not, to see whether the receiver is back.
  if (open) return { call: atWork === 0 ? [left[0]!.n] : [], expire, wakeAt: null }
  const room = Math.max(0, rules.together - atWork)
  const call = left.filter(head => head.readyAt <= at).slice(0, room)
  const next = left.find(head => !call.includes(head))
  const wakeAt = next && call.length < room ? next.readyAt : null
  return { call: call.map(head => head.n), expire, wakeAt }
}

/** Why an endpoint is switched off, where it was not a person who did it. */
export const OFF_REASONS = {
  gone: 'The receiver answered 410: it wants no more events.',
  failing: 'The receiver has taken nothing for days.',
} as const
export type OffReason = keyof typeof OFF_REASONS

/** How late the watchdog may be, so that D1 is seldom written to. */
const WATCH_MS = 5 * MINUTE

/**
 * What D1 is to know of when something is due, for the watchdog behind the alarm: `undefined` where it may stay as it was told. What is
 * over in a moment is not told.
 */
export function watchOf(told: number | null, dueAt: number | null, at: number): number | null | undefined {
  if (dueAt === null) return told === null ? undefined : null
  const fresh = Math.max(dueAt, at) + WATCH_MS
  if (told === null) return dueAt > at + MINUTE / 2 ? fresh : undefined
  return told <= at || told > fresh ? fresh : undefined
}
