/**
 * One webhook: what is owed to a receiver, and the calls. A shell over domain/webhook.ts: what is told is stored with its line before
 * `take` returns; what is due is leased and called for; what came of a call, what is called for next and the alarm are written in one
 * turn. Each receiver has an object of its own, so that a slow or dead one delays nobody else.
 */
import { DurableObject } from 'cloudflare:workers'
import { problem } from '../domain/problem.ts'
import {
  afterCall,
  breakerAfter,
  deliveryOf,
  isForsaken,
  isOpen,
  meaningOf,
  type Occurrence,
  OFF_REASONS,
  type OffReason,
  plan,
  SOUND,
  scaled,
  sentenceOf,
  WEBHOOK_RULES,
  type WebhookRules,
  watchOf,
} from '../domain/webhook.ts'
import { log } from '../log.ts'
import { db } from '../store/db.ts'
import { type EndpointConfig, endpointConfig, tellDue, tellSwitchedOff } from '../store/endpoints.ts'
import { type Called, call } from './call.ts'
import { type Attempt, type Delivery, type DeliveryState, type Forgotten, Records } from './records.ts'

/** Beyond the timeout of a call: by then it is over, or its object was torn down. */
const LEASE_MS = 15_000
/** How long it goes by what it knows of itself before it asks D1. */
const FRESH_MS = 5 * 60_000
const UNTOLD_MS = 60_000
const DAY = 24 * 60 * 60_000
/** Of the log: content leaves after so long, and the oldest of so many. */
const KEPT_MS = 30 * DAY
const KEPT_ROWS = 10_000
const PRUNE_MS = 60 * 60_000
/** What is told twice is told within this, so its id is known for as long. */
const REPEATED_MS = 60 * 60_000
/** What expires in one turn, so that it ends. */
const ROUNDS = 50
/**
 * Calls that one event of the object (something told, an alarm) and what follows from it may make: a free account's Worker has 50 for one
 * event, D1 included. The next event goes on.
 */
const CALLS = 40
const ENDED = 'ended'

interface Budget {
  calls: number
}

export interface EndpointStatus {
  waiting: number
  dead: number
  /** Since when nothing was delivered; null where the last call was, or there was none. */
  failingSince: number | null
  /** Calls are held back until then. */
  heldUntil: number | null
}

export class Endpoint extends DurableObject<Env> {
  readonly #records = new Records(this.ctx.storage.sql)
  /** Deliveries that are called for in this life of the object. */
  readonly #atWork = new Set<number>()
  #checkedAt = 0
  #armed: number | null = null
  #telling = false

  /**
   * Stores what this endpoint is to be told, before it returns; what it has already, or is not for it, is passed over. Safe to repeat.
   * Events of one conversation come in the order of their `seq`.
   *
   * @param config as store/endpoints.ts gives it; one older than what the object knows is not looked at
   */
  async take(config: EndpointConfig, events: Occurrence[]): Promise<void> {
    if (this.#ended()) return
    const at = Date.now()
    const now = this.#newer(config)
    const wanted = now.state === 'off' ? [] : events.filter(one => deliveryOf(now, one))
    if (wanted.length === 0 && !this.#records.exists()) return
    if (now === config) this.#checkedAt = at
    this.#turn(() => {
      this.#adopt(config, at)
      // Since when nothing was delivered counts from what is still owed: quiet days are no failing ones.
      const breaker = this.#records.breaker()
      if (wanted.length > 0 && breaker.failingSince !== null && this.#records.count('waiting') === 0)
        this.#records.saveBreaker({ ...breaker, failingSince: null })
      for (const one of wanted)
        this.#records.take(
          {
            ...{ type: one.type, conversationId: one.conversationId, seq: one.seq, occurredAt: one.at },
            ...deliveryOf(now, one)!,
          },
          at,
          at + this.#rules(now).giveUpMs,
        )
    })
    this.#act(at)
  }

  /** Somebody changed it. Safe to repeat. */
  async configure(config: EndpointConfig): Promise<void> {
    if (this.#ended()) return
    this.#checkedAt = Date.now()
    this.#turn(() => this.#adopt(config, this.#checkedAt))
    this.#act()
  }

  /** Forgets everything, and takes nothing any more. */
  async erase(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
    this.#records.forget()
    this.ctx.storage.kv.put(ENDED, true)
  }

  /** Content that was erased, or is too old to be kept, leaves here too; what was not delivered yet is not delivered any more. */
  async forget(which: Forgotten): Promise<void> {
    if (!this.#records.exists()) return
    while (this.#records.remove(which, Date.now()) > 0);
    this.#act()
  }

  async status(): Promise<EndpointStatus> {
    if (!this.#records.exists()) return { waiting: 0, dead: 0, failingSince: null, heldUntil: null }
    const { failingSince, until } = this.#records.breaker()
    return {
      waiting: this.#records.count('waiting'),
      dead: this.#records.count('dead'),
      failingSince,
      heldUntil: until > Date.now() ? until : null,
    }
  }

  /** The newest first, from just before one. */
  async deliveries(state: DeliveryState | null, before: number | null, limit: number): Promise<Delivery[]> {
    return this.#records.page(state, before, limit)
  }

  async delivery(id: string): Promise<{ delivery: Delivery; attempts: Attempt[]; body: string } | null> {
    const delivery = this.#records.delivery(id)
    if (!delivery) return null
    const { n } = delivery
    return { delivery, attempts: this.#records.attempts(n), body: this.#records.body(n) }
  }

  /**
   * Delivers again what was delivered or is dead, under the same ids, each conversation in its order; what waits goes on waiting.
   *
   * @returns how many
   */
  async replay(which: { id: string } | { state: 'dead' } | { since: number }): Promise<number> {
    const config = this.#records.config()
    if (!config || config.state === 'off') return 0
    const at = Date.now()
    const count = this.#turn(() => this.#records.replay(which, at, at + this.#rules(config).giveUpMs))
    this.#act(at)
    return count
  }

  /** From the clock: something was due and nobody came. */
  async wake(): Promise<void> {
    this.#act()
  }

  override async alarm(): Promise<void> {
    // Never waits and never throws: the runtime drops an alarm that keeps failing.
    this.#armed = null
    try {
      this.#act()
    } catch (error) {
      log('endpoint_alarm_failed', { endpoint: this.ctx.id.name }, error)
      this.#arm(Date.now() + UNTOLD_MS, Date.now())
    }
  }

  /** Written together, or not at all; what is remembered of it goes too where it was not written. */
  #turn<T>(work: () => T): T {
    try {
      return this.ctx.storage.transactionSync(work)
    } catch (error) {
      this.#records.forget()
      throw error
    }
  }

  #ended(): boolean {
    return this.ctx.storage.kv.get<boolean>(ENDED) === true
  }

  #rules(config: EndpointConfig): WebhookRules {
    return scaled(WEBHOOK_RULES, config.settings.retryScale)
  }

  /** What is given, or what is known where that is newer. */
  #newer(config: EndpointConfig): EndpointConfig {
    const known = this.#records.config()
    return known && known.version > config.version ? known : config
  }

  #adopt(config: EndpointConfig, at: number): void {
    const before = this.#records.config()
    if (this.#newer(config) !== config || JSON.stringify(before) === JSON.stringify(config)) return
    this.#records.saveConfig(config)
    this.#records.setUntold(null)
    if (!before) return
    if (config.state === 'off')
      this.#records.settleAll('The endpoint was switched off before this was delivered.', at)
    // Whoever changed it has perhaps mended it.
    if (config.state !== before.state || config.url !== before.url) {
      this.#records.saveBreaker(SOUND)
      this.#records.hurry(at)
    }
    if (config.state === 'active' && before.state === 'paused')
      this.#records.putOff(at + this.#rules(config).giveUpMs)
  }

  /** Calls for all that is due, each under a lease, and sets the alarm to what comes next. */
  #act(at = Date.now(), budget: Budget = { calls: CALLS }): void {
    const config = this.#records.config()
    if (!config) return
    this.#prune(at)
    for (const { n, until } of this.#records.leases()) {
      if (until > at) continue
      if (this.#atWork.has(n)) this.#records.lease(n, this.#leaseEnd(config, at))
      else this.#records.release(n)
    }
    const wakeAt = config.state === 'active' ? this.#callForAll(config, at, budget) : null
    const lease = this.#records.leases()[0]?.until ?? Infinity
    const untold = this.#records.untold() ? at + UNTOLD_MS : Infinity
    const oldest = this.#records.oldest()
    this.#arm(Math.min(wakeAt ?? Infinity, lease, untold, oldest === null ? Infinity : oldest + KEPT_MS), at)
    if (this.#records.untold()) this.ctx.waitUntil(this.#tellOff(config))
    else if (this.#atWork.size === 0) this.#tellDue(config, wakeAt, at)
  }

  /** @returns when to look again */
  #callForAll(config: EndpointConfig, at: number, budget: Budget): number | null {
    const rules = this.#rules(config)
    for (let round = 0; round < ROUNDS; round++) {
      const breaker = this.#records.breaker()
      const expired = isOpen(breaker, rules) ? this.#records.expired(at) : []
      const heads = this.#records.heads(rules.together + 1 + expired.length)
      const now = plan(heads, expired, this.#atWork.size, breaker, at, rules)
      for (const n of now.expire) {
        const last = this.#records.owed(n)?.problem ?? ''
        this.#records.settle(n, 'dead', `${last} Its time was up before the receiver was back.`.trim(), at)
      }
      for (const n of now.call) {
        // A new event, with calls of its own, goes on at once.
        if (budget.calls === 0) return at
        budget.calls -= 1
        this.#records.lease(n, this.#leaseEnd(config, at))
        this.#atWork.add(n)
        this.ctx.waitUntil(this.#deliver(n, budget))
      }
      if (now.expire.length === 0) return now.wakeAt
    }
    return at
  }

  #leaseEnd(config: EndpointConfig, at: number): number {
    return at + config.settings.timeoutMs + LEASE_MS
  }

  async #deliver(n: number, budget: Budget): Promise<void> {
    try {
      await this.#refresh()
      const config = this.#records.config()
      const owed = config && this.#records.owed(n)
      if (!owed) return
      // Paused or switched off since it was planned.
      if (config.state !== 'active') return this.#records.release(n)
      const called = await call(this.env, config, { id: owed.id, body: this.#records.body(n) }).catch(
        (error): Called => {
          log('webhook_failed', { endpoint: config.id, delivery: owed.id }, error)
          const answer = { kind: 'unsendable' as const, problem: problem('internal') }
          return { at: Date.now(), durationMs: 0, answer, error: sentenceOf(answer) }
        },
      )
      // Its secrets may have been wrapped anew since.
      if (called.answer.kind === 'unsendable') this.#checkedAt = 0
      if (this.#records.exists()) this.#turn(() => this.#note(n, called))
    } finally {
      this.#atWork.delete(n)
      this.#act(Date.now(), budget)
    }
  }

  /** What came of a call. */
  #note(n: number, called: Called): void {
    const config = this.#records.config()
    const owed = this.#records.owed(n)
    // Erased while it was on its way.
    if (!config || !owed) return
    const at = Date.now()
    const rules = this.#rules(config)
    const meaning = meaningOf(called.answer, at)
    this.#records.addAttempt(n, called)
    if (owed.state !== 'waiting') {
      if (meaning.kind === 'delivered') this.#records.settle(n, 'delivered', null, at)
      return
    }
    const before = this.#records.breaker()
    const breaker = breakerAfter(before, meaning, at, rules, Math.random())
    if (JSON.stringify(breaker) !== JSON.stringify(before)) this.#records.saveBreaker(breaker)
    const next = afterCall(owed, meaning, at, rules, Math.random())
    if (next.state === 'waiting') {
      const { dueAt } = next
      const line = { dueAt, held: meaning.kind === 'rejected', problem: called.error }
      this.#records.retry(n, next.owed, line, at)
    } else this.#records.settle(n, next.state, called.error, at)
    if (isOpen(before, rules) && !isOpen(breaker, rules)) this.#records.hurry(at)
    if (meaning.kind === 'gone') this.#switchOff(config, 'gone', at)
    else if (isForsaken(breaker, at, rules)) this.#switchOff(config, 'failing', at)
  }

  #switchOff(config: EndpointConfig, reason: OffReason, at: number): void {
    this.#records.settleAll(OFF_REASONS[reason], at)
    this.#records.saveConfig({ ...config, state: 'off', version: config.version + 1 })
    this.#records.setUntold({ reason, at })
    log('endpoint_off', { endpoint: config.id, reason })
  }

  /** Tells D1 what `#switchOff` did, where nobody changed the endpoint meanwhile. */
  async #tellOff(config: EndpointConfig): Promise<void> {
    const untold = this.#records.untold()
    if (this.#telling || !untold) return
    this.#telling = true
    try {
      const about = { ...config, version: config.version - 1 }
      const told = await tellSwitchedOff(db(this.env.DB), about, untold.reason, untold.at)
      if (!this.#records.exists()) return
      this.#records.setUntold(null)
      if (!told) {
        this.#checkedAt = 0
        await this.#refresh()
        this.#act()
      }
    } catch (error) {
      log('endpoint_untold', { endpoint: config.id }, error)
    } finally {
      this.#telling = false
    }
  }

  /** What the watchdog goes by, written where it must be and not at every delivery. */
  #tellDue(config: EndpointConfig, wakeAt: number | null, at: number): void {
    const due = watchOf(this.#records.told(), wakeAt, at)
    if (due === undefined || this.#telling) return
    this.#telling = true
    const told = tellDue(db(this.env.DB), config.siteId, config.id, due)
      .then(() => {
        if (this.#records.exists()) this.#records.setTold(due)
      })
      .catch(error => log('endpoint_untold', { endpoint: config.id }, error))
      .finally(() => {
        this.#telling = false
      })
    this.ctx.waitUntil(told)
  }

  /** Looks from time to time whether it is still what D1 says. Where D1 is away it goes on as it is. */
  async #refresh(): Promise<void> {
    const at = Date.now()
    const config = this.#records.config()
    if (!config || at - this.#checkedAt < FRESH_MS) return
    this.#checkedAt = at
    const now = await endpointConfig(this.env.DB, config.siteId, config.id).catch(() => undefined)
    if (now === undefined || !this.#records.exists()) return
    if (now === null) await this.erase()
    else this.#turn(() => this.#adopt(now, at))
  }

  /** The log is kept for a while, and not without end. */
  #prune(at: number): void {
    const oldest = this.#records.oldest() ?? at
    if (at - this.#records.prunedAt() < PRUNE_MS && oldest > at - KEPT_MS) return
    const removed = Math.max(
      this.#records.remove({ before: at - KEPT_MS }, at),
      this.#records.thin('delivered', KEPT_ROWS, at - REPEATED_MS, at),
      this.#records.thin('dead', KEPT_ROWS, at - REPEATED_MS, at),
    )
    // There is more of it: the next turn goes on.
    this.#records.setPrunedAt(removed > 0 ? at - PRUNE_MS : at)
  }

  /** An alarm that comes too early only looks; one is written where none would come in time. */
  #arm(next: number, at: number): void {
    if (next === Infinity) return
    if (this.#armed !== null && this.#armed > at && this.#armed <= next) return
    this.#armed = Math.max(next, at)
    this.ctx.waitUntil(this.ctx.storage.setAlarm(this.#armed))
  }
}
