/**
 * All the clock does, on one page. There is one cron trigger (a free account has five); each job is started on every tick it is listed
 * for, catches up by itself, and may overlap with its last run: the objects it knocks at let one in at a time.
 */
import { settings } from './env.ts'
import { tellMerges } from './mailbox/threading.ts'
import { tellTick } from './store/clock.ts'
import { conversationsOverdue } from './store/conversations.ts'
import { db } from './store/db.ts'
import { endpointsOverdue } from './store/endpoints.ts'
import { forgetOldKeys } from './store/idempotency.ts'
import { inboxesToSync } from './store/inboxes.ts'
import { mergesUntold } from './store/merges.ts'
import { conversationsBefore, forgetContacts, sitesThatForget } from './store/retention.ts'
import { sweepSignIn } from './store/sign-in.ts'
import { removeUntaken, uploadKey } from './store/uploads.ts'

type Job = (env: Env, at: number) => Promise<void>

const jobs: Record<string, Record<string, Job>> = {
  '* * * * *': {
    sync_inboxes: syncInboxes,
    wake_conversations: wakeConversations,
    finish_merges: finishMerges,
    wake_endpoints: wakeEndpoints,
    delete_untaken_uploads: deleteUntakenUploads,
    forget_old_conversations: forgetOldConversations,
    forget_old_keys: (env, at) => forgetOldKeys(db(env.DB), at),
    sweep_sign_in: (env, at) => sweepSignIn(env.DB, at),
  },
}

/** @throws after all jobs have run, where one of them failed: the platform's log shows the tick as failed. */
export async function tick(cron: string, at: number, env: Env): Promise<void> {
  settings(env)
  const due = Object.entries(jobs[cron] ?? {})
  const outcomes = await Promise.allSettled(
    due.map(async ([name, job]) => {
      await job(env, at)
      await tellTick(db(env.DB), name, at)
    }),
  )
  const failed = outcomes.filter(outcome => outcome.status === 'rejected')
  if (failed.length > 0)
    throw new AggregateError(
      failed.map(outcome => outcome.reason),
      'a job of the clock failed',
    )
}

/** Knocks at every connected mailbox; each knows for itself whether it is due. */
async function syncInboxes(env: Env): Promise<void> {
  const configs = await inboxesToSync(db(env.DB))
  const knocks = configs.map(config =>
    env.MAILBOX.getByName(`${config.siteId}/${config.inboxId}`).tick(config),
  )
  const refused = (await Promise.allSettled(knocks)).filter(knock => knock.status === 'rejected')
  if (refused.length > 0)
    throw new AggregateError(
      refused.map(knock => knock.reason),
      'a mailbox did not answer',
    )
}

const GRACE_MS = 60_000
const WOKEN = 200

/** The watchdog behind the alarms: conversations that owe something since more than a minute are woken. */
async function wakeConversations(env: Env, at: number): Promise<void> {
  const overdue = await conversationsOverdue(db(env.DB), at - GRACE_MS, WOKEN)
  await Promise.allSettled(
    overdue.map(({ siteId, id }) => env.CONVERSATION.getByName(`${siteId}/${id}`).wake()),
  )
}

const DAY_MS = 24 * 60 * 60_000
/** Of each site, in one tick. */
const FORGOTTEN = 50

/** What is older than a site keeps it, everywhere; and contacts of whom then nothing is left. */
async function forgetOldConversations(env: Env, at: number): Promise<void> {
  const d1 = db(env.DB)
  const failed: unknown[] = []
  for (const { id: siteId, retentionDays } of await sitesThatForget(d1)) {
    const before = at - retentionDays * DAY_MS
    const old = await conversationsBefore(d1, siteId, before, FORGOTTEN)
    if (old.length === 0) continue
    const erased = await Promise.allSettled(
      old.map(({ id }) => env.CONVERSATION.getByName(`${siteId}/${id}`).erase(before)),
    )
    await forgetContacts(env.DB, siteId, [...new Set(old.map(one => one.contactId))])
    failed.push(...erased.flatMap(one => (one.status === 'rejected' ? [one.reason] : [])))
  }
  if (failed.length > 0) {
    throw new AggregateError(failed, 'a conversation was not erased')
  }
}

const UPLOAD_KEPT_MS = 24 * 60 * 60_000

/** Attachments that no message took within a day. */
async function deleteUntakenUploads(env: Env, at: number): Promise<void> {
  const gone = await removeUntaken(db(env.DB), at - UPLOAD_KEPT_MS, WOKEN)
  if (gone.length > 0) await env.MAIL.delete(gone.map(one => uploadKey(one.siteId, one.id)))
}

/** The same for webhooks that still owe deliveries. */
async function wakeEndpoints(env: Env, at: number): Promise<void> {
  const overdue = await endpointsOverdue(db(env.DB), at - GRACE_MS, WOKEN)
  await Promise.allSettled(overdue.map(name => env.ENDPOINT.getByName(name).wake()))
}

/** Merges that were decided and whose loser could not be told at once. */
async function finishMerges(env: Env, at: number): Promise<void> {
  const untold = await mergesUntold(env.DB, at - GRACE_MS, WOKEN)
  await Promise.all(
    [...Map.groupBy(untold, one => one.siteId)].map(([site, some]) => tellMerges(env, site, some)),
  )
}
