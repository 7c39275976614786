/**
 * The room of one mail inbox: what comes in is stored, read and put into conversations; what the conversations owe goes out. The clock,
 * the alarm and the bridge's hint all end in the same `#work`, which looks at what is due, does it, and sets the alarm to what comes
 * next. Nothing waits in the alarm itself, and losing any one of the three only costs time.
 */

import { DurableObject } from 'cloudflare:workers'
import type { ImapAccount } from '../../bridge/wire.ts'
import { begun, type HistoryOrder } from '../domain/history.ts'
import { checkHost, MAIL_PORTS, securityOf } from '../domain/host.ts'
import { afterRestart, type Phase } from '../domain/outbox.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { afterFailedSync, afterGoodSync, type SyncRules, type SyncState } from '../domain/sync.ts'
import { settings } from '../env.ts'
import { log } from '../log.ts'
import { readFrames } from '../mail/frames.ts'
import { type Imap, ImapFailure, imap, problemOf } from '../mail/imap.ts'
import type { SmtpAccount } from '../mail/smtp.ts'
import { db } from '../store/db.ts'
import { type EmailSettings, type MailboxConfig, tellInboxState } from '../store/inboxes.ts'
import { handOut, open } from '../store/seal.ts'
import { type Findings, findMails, type MailToFind } from './find.ts'
import { History, type HistoryStatus, historyStatus, importPage, lookedAt } from './history.ts'
import { rawKey } from './keys.ts'
import { eraseMail, type OutgoingMail, queueMail, sendAgain, sendMail, settle } from './outbox.ts'
import { type ReceiveTools, receiveMails } from './receive.ts'
import { type MailRow, type OutboxRow, Records } from './records.ts'
import { reread } from './reread.ts'
import { syncSent } from './sent-folder.ts'
import { asProblem, pipeToBucket, type SyncTools, syncFolder } from './sync.ts'

/** Mails that become messages together. */
const CHUNK = 24
/** Larger than any mail, and what the bridge takes at most. */
const ANY_SIZE = 2 ** 40
/** So often mails are tried together, since D1 or R2 being away for a moment is nobody's fault. */
const TOGETHER_TIMES = 2
/** A mail alone that tears the object down more often than this is not read again. */
const DEADLY_TIMES = 3
const WATCH_MS = 10 * 60_000
const LONGEST_BACKOFF_MS = 15 * 60_000
const LEASE_MS = 15_000
/** Looked at so lately, the folder of sent mail has nothing new to say. */
const SENT_FRESH_MS = 1_000
/** An answer waits no longer for a look at the sent mail; and where that came to nothing, none waits for a while. */
const SENT_WAIT_MS = 10_000
const SENT_REST_MS = 60_000
const RETRY_MS = [2_000, 10_000, 60_000, 300_000, 900_000]
/** Where hints come one after another, sent mail is not looked at with each of them. */
const SENT_HINTED_MS = 10_000
/** So soon an import goes on with its next page. */
const IMPORT_PAUSE_MS = 200
/** Below this the alarm polls; above it the clock's tick is soon enough. */
const CLOCK_MS = 60_000
/** What stands where a disconnected mailbox was; ids are never used again. */
const FORGOTTEN = 'forgotten'

export interface MailboxStatus extends SyncState {
  /** Rows of mail it has. */
  mails: number
  /** Mails stored and not yet in their conversations. */
  owed: number
  /** Something is going on right now. */
  busy: boolean
  watchedUntil: number
}

const NOT_TAKEN = 'Mail is stored and waits: the database does not take it at the moment. We try again.'

type Work = 'sync' | 'receive' | 'look' | 'send' | 'tell'

export class Mailbox extends DurableObject<Env> {
  readonly #records = new Records(this.ctx.storage.sql)
  readonly #history = new History(this.ctx.storage.sql, this.#records)
  readonly #justStored = new Map<string, Uint8Array>()
  /** Single flights, by name. After a restart there are none, and the rows say where to go on. */
  readonly #running = new Map<Work, Promise<void>>()
  #again = false
  /** Settings with another account, which wait until nothing of the old one is under way. */
  #next: MailboxConfig | null = null
  /** The lease on IDLE, and in which life of the bridge it was given; forgotten with either side. */
  #watch: { until: number; life: string | null } | null = null
  #restarted = true
  /** The look at the sent mail that is under way: one at a time, whoever wants it. */
  #sentLook: { from: number; done: Promise<void> } | null = null
  /** When the last look began. */
  #sentLookedAt = 0
  /** Until when what was sent elsewhere is known and with its conversations, and when that was found out. */
  #sentKnown = { until: 0, at: 0 }
  #sentRestsUntil = 0

  /** From the clock, with the inbox as D1 has it. Answers at once; the work goes on. */
  async tick(config: MailboxConfig): Promise<void> {
    if (this.#forgotten()) return
    const known = this.#records.config()
    const same = config.version === known?.version
    const newer = !known || config.version > known.version || (same && config.paused !== known.paused)
    if (known && newer && (this.#running.has('sync') || this.#sentLook)) {
      this.#again = true
      // Something of the old account is still under way: its folders would be taken for the new one's.
      if (!sameAccount(config, known)) {
        this.#next = config
        return
      }
    }
    // A key rotation wraps the site's data key anew and leaves the version as it is.
    if (newer || (same && config.dataKey !== known.dataKey)) {
      this.ctx.storage.transactionSync(() => {
        this.#records.saveConfig(config)
        if (known && !sameAccount(config, known)) {
          this.#records.retireFolders()
          this.#history.end('stopped', 'The inbox was switched to another account.', Date.now())
        }
        if (known && config.settings.sentFolder !== known.settings.sentFolder)
          this.#records.forgetSentFolder()
        if (known && newer) this.#records.saveSyncState({ ...this.#records.syncState(), dueAt: 0 })
      })
    }
    // A mailbox due within half a tick is due now: waiting for the next tick would double its interval.
    this.#work(Math.min(config.settings.pollMs, CLOCK_MS) / 2)
  }

  /** Resolves when the first look is over, or after `waitMs`: what comes after it is new, and never counts as what lay there before. */
  async begun(waitMs: number): Promise<void> {
    const { promise: enough, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, waitMs)
    await Promise.race([this.#running.get('sync'), enough])
    clearTimeout(timer)
  }

  /** From the bridge: something happened in the mailbox. Only a hint. */
  async news(): Promise<void> {
    if (!this.#records.config()) return
    this.#again = true
    this.#work()
  }

  /** From Email Routing: a mail whose bytes are in R2 already. Safe to repeat: its id is derived from its bytes. */
  async takeRouted(config: MailboxConfig, row: MailRow): Promise<void> {
    await this.tick(config)
    if (this.#forgotten() || !this.#records.config()) throw new Error('this inbox was disconnected')
    this.#records.storeRouted(row)
    this.#work()
  }

  /**
   * The inbox is disconnected: what had not begun to leave is withdrawn, and accounts, cursors and outbox are forgotten. Conversations
   * and stored mail stay where they are.
   */
  async forget(): Promise<void> {
    const config = this.#records.config()
    if (!config) return
    for (const row of this.#records.outboxIn('queued', 'retry', 'sending'))
      this.#records.saveOutbox(row.id, {
        ...row,
        phase: 'withdrawn',
        dueAt: null,
        problem: problem('unavailable', 'The inbox was disconnected before this mail left.'),
      })
    this.#records.saveConfig({ ...config, paused: true })
    this.ctx.storage.kv.put(FORGOTTEN, true)
    // What is with the server already is waited for: its fate belongs to its conversation.
    await Promise.all([...this.#running.values(), this.#sentLook?.done.catch(() => {})])
    await this.#tell()
    if (this.#watch)
      await imap(this.env)
        .unwatch(`${config.siteId}/${config.inboxId}`)
        .catch(() => {})
    this.#watch = null
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
    this.#records.forget()
    this.ctx.storage.kv.put(FORGOTTEN, true)
  }

  /** A knock that was on its way when the inbox was disconnected must not bring it back. */
  #forgotten(): boolean {
    return this.ctx.storage.kv.get(FORGOTTEN) === true
  }

  /** From a conversation: an answer to be sent. What comes back is why it never will be. */
  async enqueue(mail: OutgoingMail): Promise<Problem | null> {
    if (this.#forgotten()) return problem('unavailable', 'The inbox was disconnected before this mail left.')
    const tools = this.#tools()
    if (!tools) throw new Error('this mailbox was never configured')
    await queueMail(mail, tools)
    this.#work()
    return null
  }

  /** From a conversation: this answer is no longer right. Says whether it could still be called back. */
  async withdraw(messageId: string, why: Problem): Promise<boolean> {
    const row = this.#records.outboxRow(messageId)
    if (!row || !['queued', 'retry', 'sending'].includes(row.phase)) return false
    this.#records.saveOutbox(row.id, { ...row, phase: 'withdrawn', dueAt: null, problem: why })
    this.#work()
    return true
  }

  /** From a conversation that is erased: what has not left does not leave, and nothing stays of what these mails say. Safe to repeat. */
  async eraseMails(messageIds: readonly string[]): Promise<void> {
    for (const id of messageIds) {
      const row = this.#records.outboxRow(id)
      if (!row) continue
      if (['queued', 'retry', 'sending'].includes(row.phase)) await this.withdraw(id, problem('not_found'))
      await eraseMail(row, { env: this.env, records: this.#records })
    }
  }

  /**
   * From a person: a mail that failed, was held, or of which nobody knows whether it left, is sent again with the same bytes.
   *
   * @returns false where there is no such mail here, or it is not one to be sent again
   */
  async sendAgain(messageId: string): Promise<boolean> {
    const tools = this.#outboxTools(messageId)
    if (!tools || !(await sendAgain(messageId, tools))) return false
    this.#work()
    return true
  }

  /**
   * What became of a mail of which nobody knew whether it left: a person, or its copy among the sent mail, says it.
   *
   * @returns false where there is no such mail here, or it was known
   */
  async settle(messageId: string, outcome: 'sent' | 'failed'): Promise<boolean> {
    const tools = this.#outboxTools(messageId)
    return tools !== null && settle(messageId, outcome, tools)
  }

  /** Null where the mail is not here. What was leaving when the object was torn down is called uncertain first. */
  #outboxTools(messageId: string) {
    const tools = this.#records.outboxRow(messageId) && !this.#forgotten() ? this.#tools() : null
    if (tools && this.#restarted) this.#takeUpAfterRestart()
    return tools
  }

  /** Where mails of a person, or the one with this Message-ID, are: with us, on the server, on their way out. */
  async find(order: MailToFind): Promise<Findings> {
    const config = this.#records.config()
    if (!config) return { mails: [], server: [], unsearched: [], out: [] }
    return findMails(order, {
      records: this.#records,
      settings: config.settings,
      imap: imap(this.env),
      account: config.settings.imap ? () => this.#imapAccount(config) : null,
    })
  }

  /** Begins an import of mail from before the connection; one at a time. */
  async importHistory(
    order: Omit<HistoryOrder, 'folder'> & { folder: string | null },
  ): Promise<HistoryStatus | { problem: Problem }> {
    const config = this.#records.config()
    if (!config || this.#forgotten()) return { problem: problem('unavailable') }
    if (!config.settings.imap)
      return {
        problem: problem(
          'folder_missing',
          'Mail comes here by Email Routing: there is no mailbox to import from.',
        ),
      }
    if (this.#history.running())
      return { problem: problem('conflict', 'An import runs already. Wait for its end, or stop it.') }
    const folder = lookedAt(order.folder ?? config.settings.folders[0]!, config.settings, this.#records)
    if (folder === null)
      return {
        problem: problem('invalid_field', `The inbox does not look at a folder "${order.folder}".`, 'folder'),
      }
    this.#history.save(begun({ ...order, folder }, Date.now()))
    this.#again = true
    this.#work()
    return historyStatus(this.#history.job())
  }

  async history(): Promise<HistoryStatus> {
    return historyStatus(this.#history.job())
  }

  /** What was imported stays. */
  async stopHistory(): Promise<HistoryStatus> {
    this.#history.end('stopped', 'It was stopped.', Date.now())
    return historyStatus(this.#history.job())
  }

  /** A mail in quarantine is read again; what is still on the server only is fetched first. */
  async reread(mailId: string): Promise<{ problem: Problem } | { read: true }> {
    const original = await this.original(mailId)
    if ('problem' in original) return original
    const row = this.#records.mail(mailId)
    if (!row?.messageId || !row.conversationId) return { problem: problem('not_found') }
    const place = { messageId: row.messageId, conversationId: row.conversationId }
    const said = await reread(row, place, row.extent !== 'reduced', this.#receiveTools(new Set()))
    if ('read' in said) this.#records.mailDelivered(row.id, place.messageId, place.conversationId, null)
    return said
  }

  /** @param unread mails that are not to be read, only to be shown */
  #receiveTools(unread: ReadonlySet<string>): ReceiveTools {
    return {
      env: this.env,
      config: this.#records.config()!,
      justStored: this.#justStored,
      unread,
      fetchPart: (row, part, key) => this.#fetchPart(row, part, key),
      isSent: row => this.#records.folderById(row.folderId)?.sent ?? false,
    }
  }

  /** The raw mail's place in R2, fetched from the server first where only its beginning is here. */
  async original(mailId: string): Promise<{ key: string } | { problem: Problem }> {
    const row = this.#records.mail(mailId)
    const config = this.#records.config()
    if (!row || !config) return { problem: problem('not_found') }
    const key = rawKey(config.siteId, config.inboxId, mailId)
    if (row.extent !== 'reduced') return { key }
    return this.#onDemand(key, () => this.#fetchWhole(row, config, key))
  }

  /** An attachment that is still on the mail server, fetched into R2 under this key. */
  async attachment(
    mailId: string,
    part: string,
    key: string,
  ): Promise<{ key: string } | { problem: Problem }> {
    const row = this.#records.mail(mailId)
    if (!row) return { problem: problem('not_found') }
    return this.#onDemand(key, async () => (await this.#fetchPart(row, part, key)) !== null)
  }

  async #onDemand(
    key: string,
    fetched: () => Promise<boolean>,
  ): Promise<{ key: string } | { problem: Problem }> {
    try {
      return (await fetched()) ? { key } : { problem: problem('mail_missing') }
    } catch (error) {
      if (error instanceof ImapFailure) return { problem: error.problem }
      throw error
    }
  }

  /** What is known of the mailbox, for its page and for tests. */
  async status(): Promise<MailboxStatus | null> {
    if (!this.#records.config()) return null
    const sync = this.#records.syncState()
    return {
      ...sync,
      // A mailbox that is read well, whose mail goes nowhere, is not well (O1).
      problem: sync.problem ?? this.#records.owedProblem(),
      ...this.#records.counts(),
      busy: this.#running.size > 0 || this.#sentLook !== null,
      watchedUntil: this.#watch?.until ?? 0,
    }
  }

  override async alarm(): Promise<void> {
    if (this.#records.config()) this.#work()
  }

  /** Starts whatever is due and not already running. */
  #work(slackMs = 0): void {
    if (this.#records.config()?.paused) return
    if (this.#restarted) this.#takeUpAfterRestart()
    const now = Date.now()
    const due = this.#records.syncState().dueAt <= now + slackMs
    if (due || this.#again) this.#start('sync', () => this.#sync(!due))
    if (this.#records.mailsOwed(now, 1).length > 0) this.#start('receive', () => this.#receive())
    if (this.#records.outboxDue(now)) this.#start('send', () => this.#send())
    if (this.#records.outboxUntold().length > 0) this.#start('tell', () => this.#tell())
    this.#arm()
  }

  #start(what: Work, work: () => Promise<void>): void {
    if (this.#running.has(what)) return
    const done = work()
      .catch(error => {
        log('work_failed', { what, inbox: this.#records.config()?.inboxId }, error)
      })
      .then(() => {
        this.#running.delete(what)
        if (what === 'sync' && this.#next) return this.#takeNext()
        if ((what === 'sync' && this.#again) || what === 'look') this.#work()
        else this.#arm()
      })
    this.#running.set(what, done)
    this.ctx.waitUntil(done)
  }

  async #takeNext(): Promise<void> {
    const next = this.#next
    if (!next || this.#running.has('sync') || this.#sentLook) return
    this.#next = null
    await this.tick(next)
  }

  /** What the object was doing when it was torn down is on its rows. */
  #takeUpAfterRestart(): void {
    this.#restarted = false
    const now = Date.now()
    for (const row of this.#records.outboxIn('sending', 'leaving'))
      this.#records.saveOutbox(row.id, afterRestart(row, now))
    // Nobody tells us of news until the watch is asked for again.
    if (this.#records.config()?.settings.watch) this.#again = true
  }

  /** @param hinted it was not due: something is said to have come */
  async #sync(hinted: boolean): Promise<void> {
    this.#again = false
    const config = this.#records.config()!
    const before = this.#records.syncState()
    let failed: Problem | null = null
    let importing = false
    // Mail comes by Email Routing: there is nothing to ask for.
    if (!config.settings.imap) {
      this.#records.saveSyncState(
        afterGoodSync(Date.now(), { pollMs: CLOCK_MS, longestMs: LONGEST_BACKOFF_MS }),
      )
      return
    }
    try {
      const account = await this.#imapAccount(config)
      const client = imap(this.env)
      await this.#keepWatch(client, config, account)
      const tools = this.#syncTools(config, client, account)
      for (const path of config.settings.folders) {
        try {
          await syncFolder(path, tools)
        } catch (error) {
          // A folder that is missing is told, and does not starve the ones after it.
          if (!(error instanceof ImapFailure) || error.problem.code !== 'folder_missing') throw error
          failed ??= error.problem
        }
      }
      if (!hinted || Date.now() - this.#sentLookedAt >= SENT_HINTED_MS)
        await this.#lookAtSent(config.settings, tools)
      if (this.#history.running()) {
        // What came before it is read first, so that it never has more to wait for than a page.
        await this.#running.get('receive')
        importing = await importPage(this.#history, config.settings, tools)
      }
      if (this.#watch && this.#watch.life !== client.life()) {
        this.#watch = null
        this.#again = true
      }
    } catch (error) {
      failed = asProblem(error)
      if (error instanceof ImapFailure) log('sync_failed', { inbox: config.inboxId, code: failed.code })
      else log('sync_failed', { inbox: config.inboxId }, error)
    }
    const rules: SyncRules = { pollMs: config.settings.pollMs, longestMs: LONGEST_BACKOFF_MS }
    const after = failed
      ? afterFailedSync(before, failed, Date.now(), rules)
      : afterGoodSync(Date.now(), rules)
    if (importing) after.dueAt = Math.min(after.dueAt, Date.now() + IMPORT_PAUSE_MS)
    this.#records.saveSyncState(after)
    if (after.state !== before.state || after.problem?.message !== before.problem?.message)
      await tellInboxState(db(this.env.DB), config.siteId, config.inboxId, {
        state: after.state,
        reason: after.problem?.message ?? null,
        at: Date.now(),
      })
  }

  #syncTools(config: MailboxConfig, client: Imap, account: ImapAccount): SyncTools {
    return {
      siteId: config.siteId,
      inboxId: config.inboxId,
      imap: client,
      account,
      records: this.#records,
      bucket: this.env.MAIL,
      justStored: this.#justStored,
      // One chunk is read while the next is fetched; fetching waits where reading falls behind.
      stored: async () => {
        this.#start('receive', () => this.#receive())
        if (this.#justStored.size > 4 * CHUNK) await this.#running.get('receive')
      },
      now: () => Date.now(),
    }
  }

  /** @throws ImapFailure */
  #lookAtSent(settings: EmailSettings, tools: SyncTools): Promise<void> {
    if (!this.#sentLook) {
      this.#sentLookedAt = Date.now()
      const done = syncSent(settings, tools).finally(() => {
        this.#sentLook = null
        this.ctx.waitUntil(this.#takeNext())
      })
      this.ctx.waitUntil(done.catch(() => {}))
      this.#sentLook = { from: this.#sentLookedAt, done }
    }
    return this.#sentLook.done
  }

  /**
   * An answer that waited its delay may have been given by a person meanwhile, from another program: that is looked for once more before
   * it leaves. That it cannot be looked for is no reason to keep it.
   */
  async #lookBeforeSending(): Promise<void> {
    const config = this.#records.config()!
    const look = async () => {
      const client = imap(this.env)
      const tools = this.#syncTools(config, client, await this.#imapAccount(config))
      const until = this.#sentLook?.from ?? Date.now()
      await this.#lookAtSent(config.settings, tools)
      await this.#running.get('receive')
      this.#sentKnown = { until, at: Date.now() }
    }
    try {
      await within(SENT_WAIT_MS, look())
    } catch (error) {
      this.#sentRestsUntil = Date.now() + SENT_REST_MS
      log('sent_folder_failed', { inbox: config.inboxId, code: asProblem(error).code })
    }
  }

  /** What leaves next. A machine's answer that waited its delay comes after a look at the sent mail, and nobody else's mail waits for that. */
  #nextOut({ settings }: MailboxConfig): OutboxRow | null {
    const now = Date.now()
    const looksFirst = settings.imap && settings.watchSent && settings.delayMs > 0
    if (!looksFirst || now < this.#sentRestsUntil) return this.#records.outboxDue(now)
    const { until, at } = this.#sentKnown
    const known = now - at < SENT_FRESH_MS ? until + SENT_FRESH_MS : 0
    const row = this.#records.outboxDue(now, known)
    if (!row && this.#records.outboxDue(now)) this.#start('look', () => this.#lookBeforeSending())
    return row
  }

  /** Renews the lease on IDLE in its second half. That it fails is no failure of the sync: polling goes on. */
  async #keepWatch(client: Imap, config: MailboxConfig, account: ImapAccount): Promise<void> {
    const now = Date.now()
    if (!config.settings.watch || (this.#watch?.until ?? 0) - now > WATCH_MS / 2) return
    const { PUBLIC_URL, KEK } = settings(this.env)
    try {
      const { until } = await client.watch({
        mailbox: `${config.siteId}/${config.inboxId}`,
        account,
        folder: config.settings.folders[0]!,
        until: now + WATCH_MS,
        notify: {
          url: new URL('/hooks/mailbox-news', PUBLIC_URL).href,
          token: await handOut(KEK, config.siteId, 'watch', config.inboxId),
        },
      })
      this.#watch = { until, life: client.life() }
    } catch (error) {
      this.#watch = null
      log('watch_failed', { inbox: config.inboxId, code: asProblem(error).code })
    }
  }

  async #receive(): Promise<void> {
    // Torn down while it read a chunk: it may have been one of its mails, so they are taken one by one (A12, E9).
    let careful = this.#records.wasReading() ? CHUNK : 0
    for (;;) {
      const owed = this.#records.mailsOwed(Date.now(), careful-- > 0 ? 1 : CHUNK)
      // What failed together again and again is taken alone: should it be one of them, the others come through.
      const rows = owed.slice(0, (owed[0]?.attempts ?? 0) >= TOGETHER_TIMES ? 1 : CHUNK)
      if (rows.length === 0) {
        // Nothing is waiting to be read, so what is still kept belongs to mails that were read before.
        this.#justStored.clear()
        return
      }
      const times = this.#records.beginReading(rows.map(row => row.id))
      const deadly = rows.length === 1 && times > DEADLY_TIMES
      const config = this.#records.config()!
      let results: Awaited<ReturnType<typeof receiveMails>>
      try {
        results = await receiveMails(rows, this.#receiveTools(new Set(deadly ? [rows[0]!.id] : [])))
      } catch (error) {
        // D1 or R2 is away: the mails stay owed, and nothing of them is lost.
        log('receive_failed', { inbox: config.inboxId }, error)
        results = rows.map(row => ({ row, ok: false, problem: problem('storage', NOT_TAKEN) }))
      }
      const attempts = new Map(rows.map(row => [row.id, row.attempts]))
      this.ctx.storage.transactionSync(() => {
        this.#records.endReading()
        for (const result of results)
          if (result.ok)
            this.#records.mailDelivered(
              result.row.id,
              result.messageId,
              result.conversationId,
              result.flagged,
            )
          else {
            const wait = RETRY_MS[Math.min(attempts.get(result.row.id) ?? 0, RETRY_MS.length - 1)]!
            this.#records.mailRetry(result.row.id, Date.now() + wait, result.problem)
          }
      })
    }
  }

  async #send(): Promise<void> {
    for (;;) {
      // Asked anew for each mail: the inbox may have been paused, or given another server, while the last one left.
      const tools = this.#tools()
      const row = tools && !tools.config.paused ? this.#nextOut(tools.config) : null
      if (!tools || !row) return
      await sendMail(row, tools)
      await this.#tell()
    }
  }

  /** Tells the conversations what became of their mail; owed until they know. */
  async #tell(): Promise<void> {
    const config = this.#records.config()!
    for (const row of this.#records.outboxUntold()) {
      const stub = this.env.CONVERSATION.getByName(`${config.siteId}/${row.mail.conversationId}`)
      await stub.fate(row.id, row.phase as Phase, row.problem, row.mail.rfcId)
      this.#records.outboxTold(row.id, row.phase)
    }
  }

  #tools() {
    const config = this.#records.config()
    if (!config) return null
    return {
      env: this.env,
      config,
      records: this.#records,
      storage: this.ctx.storage,
      account: () => this.#smtpAccount(config),
    }
  }

  async #imapAccount(config: MailboxConfig): Promise<ImapAccount> {
    if (!config.settings.imap) throw new ImapFailure(problem('mail_missing'))
    const { host, port, tls, user } = config.settings.imap
    return {
      ...this.#server(host, port, tls, MAIL_PORTS.imap),
      user,
      password: await this.#password(config, 'imap_password'),
    }
  }

  async #smtpAccount(config: MailboxConfig): Promise<SmtpAccount | null> {
    if (!config.settings.smtp) return null
    const { host, port, tls, user } = config.settings.smtp
    return {
      ...this.#server(host, port, tls, MAIL_PORTS.smtp),
      user,
      password: await this.#password(config, 'smtp_password'),
    }
  }

  /** Names, ports and literals are checked here each time; the address by whoever opens the socket. @throws ImapFailure */
  #server(host: string, port: number, tls: boolean, ports: readonly number[]) {
    const { DEV } = settings(this.env)
    const refused = checkHost(host, port, ports, DEV)
    if (refused) throw new ImapFailure(refused)
    const security = securityOf(port, tls)
    if (security === 'plain' && !DEV)
      throw new ImapFailure(problem('tls', 'An unencrypted connection is not allowed. Switch SSL/TLS on.'))
    return { host, port, security }
  }

  async #password(config: MailboxConfig, column: 'imap_password' | 'smtp_password'): Promise<string> {
    const place = { site: config.siteId, table: 'inboxes', column, row: config.inboxId }
    const sealed = column === 'imap_password' ? config.imapPassword : config.smtpPassword
    try {
      return await open(settings(this.env).KEK, config.dataKey, place, sealed)
    } catch {
      throw new ImapFailure(
        problem('credentials', 'The password of this inbox cannot be opened. Enter it again.'),
      )
    }
  }

  async #fetchPart(row: MailRow, part: string, key: string): Promise<number | null> {
    const config = this.#records.config()!
    const folder = this.#records.folderById(row.folderId)
    if (!folder) return null
    try {
      const { body, length } = await imap(this.env).part({
        account: await this.#imapAccount(config),
        folder: folder.path,
        uidValidity: row.uidValidity,
        uid: row.uid,
        part,
      })
      await this.env.MAIL.put(key, body.pipeThrough(new FixedLengthStream(length)))
      return length
    } catch (error) {
      if (error instanceof ImapFailure && error.problem.code !== 'mail_missing') throw error
      return null
    }
  }

  async #fetchWhole(row: MailRow, config: MailboxConfig, key: string): Promise<boolean> {
    const folder = this.#records.folderById(row.folderId)
    if (!folder) return false
    const stream = await imap(this.env).fetch({
      account: await this.#imapAccount(config),
      folder: folder.path,
      uidValidity: row.uidValidity,
      nextUid: row.uid,
      maxMails: 1,
      maxBytes: 1,
      reducedAbove: ANY_SIZE,
      wholeUpTo: ANY_SIZE,
      uids: [row.uid],
    })
    let stored = false
    for await (const item of readFrames(stream)) {
      if (item.frame.kind === 'problem') throw new ImapFailure(problemOf(item.frame.problem))
      if (item.frame.kind !== 'mail') continue
      await pipeToBucket(this.env.MAIL, key, item, item.frame.length)
      this.#records.mailIsWhole(row.id)
      stored = true
    }
    return stored
  }

  /** One alarm, always at the earliest of what is owed: a retry, a short poll, the renewal of a watch. */
  #arm(): void {
    const config = this.#records.config()
    if (!config) return
    const { dueAt } = this.#records.syncState()
    const times: number[] = []
    // What is at work goes on by itself.
    if (!this.#running.has('receive')) times.push(this.#records.nextMailDue() ?? Infinity)
    if (!this.#running.has('send') && !this.#running.has('look'))
      times.push(this.#records.nextOutDue() ?? Infinity)
    // Should the object be torn down at work, somebody looks after it soon.
    if (this.#running.size > 0) times.push(Date.now() + LEASE_MS)
    const soon = config.settings.pollMs < CLOCK_MS || config.settings.watch || this.#history.running()
    if (soon && !this.#running.has('sync')) times.push(dueAt)
    if (this.#records.outboxUntold().length > 0 && !this.#running.has('tell'))
      times.push(Date.now() + RETRY_MS[0]!)
    const next = Math.min(...times)
    if (Number.isFinite(next)) this.ctx.waitUntil(this.ctx.storage.setAlarm(Math.max(next, Date.now() + 50)))
  }
}

/** @throws where it takes longer; it goes on all the same */
async function within(ms: number, done: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<void>((_, reject) => {
    timer = setTimeout(() => reject(new ImapFailure(problem('timeout'))), ms)
  })
  await Promise.race([done, late]).finally(() => clearTimeout(timer))
}

/**
 * Whose mailbox it is: with another account the cursors mean nothing. A login that was only mended (its case, or the part before the @ for
 * the whole address) is the same account, whose mail waits (A18). Another host is another mailbox: UIDVALIDITY is unique within a server only.
 */
function sameAccount(one: MailboxConfig, other: MailboxConfig): boolean {
  const [a, b] = [one, other].map(config => config.settings.imap?.user.toLowerCase())
  const [here, there] = [one, other].map(config => config.settings.imap?.host.toLowerCase())
  if (here !== there) return false
  if (a === undefined || b === undefined || a === b) return a === b
  const [short, long] = a.length < b.length ? [a, b] : [b, a]
  return !short.includes('@') && long.startsWith(`${short}@`)
}
