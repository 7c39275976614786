import {
  createExecutionContext,
  createScheduledController,
  evictDurableObject,
  runInDurableObject,
  waitOnExecutionContext,
} from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { beforeEach, describe, expect, it } from 'vitest'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { clock, inboxes } from '../../src/store/schema.ts'
import worker from '../../src/worker.ts'
import { assistant, conversation, inbox, received, site } from './cast.ts'
import { mail, until } from './mail.ts'

const EVERY_MINUTE = '* * * * *'

async function tick(at = Date.now(), cron = EVERY_MINUTE, environment: Env = env): Promise<void> {
  const ctx = createExecutionContext()
  worker.scheduled(createScheduledController({ cron, scheduledTime: at }), environment, ctx)
  await waitOnExecutionContext(ctx)
}

interface Health {
  ok: boolean
  version: string
  clock: { lastTick: string | null; jobs: Record<string, string> }
}
const health = async () =>
  (await (await exports.default.fetch('http://edgedesk.test/health')).json()) as Health

beforeEach(async () => {
  await db(env.DB).delete(inboxes)
  await db(env.DB).delete(clock)
})

describe('a tick', () => {
  it('CL1 runs every job of its trigger, and /health says when each ran', async () => {
    expect(await health()).toMatchObject({ ok: true, clock: { lastTick: null, jobs: {} } })
    const at = Date.now() - 1000
    await tick(at)
    expect(await health()).toMatchObject({
      ok: true,
      clock: { lastTick: String(at), jobs: { sync_inboxes: String(at), wake_conversations: String(at) } },
    })
  })

  it('CL1 of a trigger that has no jobs does nothing', async () => {
    await tick(Date.now(), '0 0 1 1 *')
    expect((await health()).clock.lastTick).toBeNull()
  })

  it('CL2 a clock that stood still for five minutes is not ok, and one that ticks again is', async () => {
    await tick(Date.now() - 5 * 60_000)
    expect((await health()).ok).toBe(false)
    await tick(Date.now() - 4 * 60_000)
    expect((await health()).ok).toBe(true)
  })

  it('CL3 knocks at every mailbox, whatever the site; one that is paused does not stir', async () => {
    const configs = [
      await inbox((await site()).siteId),
      await inbox((await site()).siteId),
      await inbox((await site()).siteId),
    ]
    await db(env.DB).update(inboxes).set({ paused: true }).where(eq(inboxes.id, configs[2]!.inboxId))
    await tick()
    const [one, two, paused] = configs.map(config =>
      env.MAILBOX.getByName(`${config.siteId}/${config.inboxId}`),
    )
    for (const box of [one!, two!]) await until(async () => ((await box.status())?.lastTryAt ?? 0) > 0)
    expect(await paused!.status()).toMatchObject({ lastTryAt: null })
  })

  it('CL3 one inbox whose settings cannot be read does not stop the others', async () => {
    const { siteId } = await site()
    const [broken, unparsable, good] = [await inbox(siteId), await inbox(siteId), await inbox(siteId)]
    await db(env.DB).update(inboxes).set({ settings: '{"v":9}' }).where(eq(inboxes.id, broken.inboxId))
    await db(env.DB).update(inboxes).set({ settings: '{' }).where(eq(inboxes.id, unparsable.inboxId))
    await tick().catch(() => {})
    const box = env.MAILBOX.getByName(`${siteId}/${good.inboxId}`)
    await until(async () => ((await box.status())?.lastTryAt ?? 0) > 0)
  })

  it('CL4 a job that fails does not stop the others, and the tick is shown as failed', async () => {
    await env.DB.prepare('ALTER TABLE inboxes RENAME TO inboxes_away').run()
    try {
      await expect(tick(Date.now())).rejects.toThrow('a job of the clock failed')
    } finally {
      await env.DB.prepare('ALTER TABLE inboxes_away RENAME TO inboxes').run()
    }
    const { jobs } = (await health()).clock
    expect(Object.keys(jobs).toSorted()).toEqual([
      ...['delete_untaken_uploads', 'finish_merges', 'forget_old_conversations', 'forget_old_keys'],
      ...['sweep_sign_in', 'wake_conversations', 'wake_endpoints'],
    ])
  })

  it('CL5 without its settings nothing is done, and the missing one is named', async () => {
    await expect(tick(Date.now(), EVERY_MINUTE, { ...env, KEK: 'short' } as Env)).rejects.toThrow(/KEK/)
    await expect(tick(Date.now(), EVERY_MINUTE, { ...env, PUBLIC_URL: '' } as Env)).rejects.toThrow(
      /PUBLIC_URL/,
    )
    await expect(
      tick(Date.now(), EVERY_MINUTE, { ...env, DEV: '0', BRIDGE_URL: 'http://127.0.0.1:9' } as Env),
    ).rejects.toThrow(/BRIDGE_URL/)
    expect((await health()).clock.lastTick).toBeNull()
  })
})

describe('the watchdog', () => {
  /** A conversation whose answer is owed and whose alarm was lost. */
  async function forgotten() {
    const { siteId } = await site()
    const config = await inbox(siteId, {
      assistantId: await assistant(siteId),
      settings: { smtp: { host: 'localhost', port: 1, user: 'x' } },
    })
    await env.DB.prepare('ALTER TABLE assistants RENAME TO assistants_away').run()
    try {
      const [one] = await received(config, [mail({ to: config.address })])
      const stub = conversation(siteId, one!.conversationId)
      await until(() =>
        runInDurableObject(
          stub,
          (_, state) =>
            // Its words are indexed, so that nothing but the effect is left to bring the alarm back.
            state.storage.sql
              .exec(
                'SELECT 1 FROM effects WHERE lease_until IS NULL AND NOT EXISTS (SELECT 1 FROM unindexed)',
              )
              .toArray().length > 0,
        ),
      )
      await runInDurableObject(stub, async (_, state) => {
        await state.storage.deleteAlarm()
        state.storage.sql.exec('UPDATE effects SET due_at = 0')
      })
      await evictDurableObject(stub)
      return { stub, id: one!.conversationId }
    } finally {
      await env.DB.prepare('ALTER TABLE assistants_away RENAME TO assistants').run()
    }
  }
  const overdueSince = (id: string, at: number) =>
    env.DB.prepare('UPDATE conversations SET next_due_at = ? WHERE id = ?').bind(at, id).run()
  const answers = async (stub: ReturnType<typeof conversation>) =>
    (await stub.read())!.messages.filter(message => message.direction === 'outgoing')

  it('CL6 wakes a conversation that owes something since more than a minute, and it does it', async () => {
    const { stub, id } = await forgotten()
    await overdueSince(id, Date.now() - 60_001)
    await tick()
    await until(async () => (await answers(stub)).length === 1)
  })

  it('CL6 leaves alone what its own alarm may still do', async () => {
    const { stub, id } = await forgotten()
    await overdueSince(id, Date.now() - 30_000)
    await tick()
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(await answers(stub)).toEqual([])
  })

  it('CL7 a due time in D1 that is old is put right by the first waking', async () => {
    const { siteId } = await site()
    const config = await inbox(siteId)
    const [one] = await received(config, [mail({ to: config.address })])
    await overdueSince(one!.conversationId, 1)
    await tick()
    const due = () =>
      env.DB.prepare('SELECT next_due_at AS due FROM conversations WHERE id = ?')
        .bind(one!.conversationId)
        .first<{ due: number | null }>()
    await until(async () => (await due())!.due === null)
  })

  it('CL6 a row in D1 without its object wakes nobody and stops nobody', async () => {
    const { stub, id } = await forgotten()
    await overdueSince(id, Date.now() - 60_001)
    await env.DB.prepare(
      `INSERT INTO conversations (site_id, id, inbox_id, contact_id, title, status, owner, auto_reply_enabled, linked_to,
       unread_count, last_read_at, last_message_id, last_message_at, next_due_at, seq, created_at) SELECT site_id, ?2, inbox_id, contact_id, title, status, owner, auto_reply_enabled, linked_to,
       unread_count, last_read_at, last_message_id, last_message_at, 1, seq, created_at FROM conversations WHERE id = ?1`,
    )
      .bind(id, newId())
      .run()
    await tick()
    await until(async () => (await answers(stub)).length === 1)
  })
})
