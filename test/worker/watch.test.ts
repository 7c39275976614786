import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { inbox, site } from './cast.ts'
import { arrives, conversationsOf, mailbox, sync, until } from './mail.ts'

it('BR a watch is asked for with the sync, kept, and asked for again by an object that was torn down', async () => {
  const { siteId } = await site()
  const config = await inbox(siteId, { settings: { watch: true } })
  const first = await sync(config)
  expect(first.watchedUntil).toBeGreaterThan(Date.now() + 9 * 60_000)
  await evictDurableObject(mailbox(config))
  await runDurableObjectAlarm(mailbox(config))
  const again = await until(async () => {
    const status = await mailbox(config).status()
    return status && status.watchedUntil > first.watchedUntil && status
  })
  expect(again.state).toBe('connected')
})

it('SY news is only a hint: it makes the mailbox look at once, whatever its interval', async () => {
  const { siteId, headers } = await site()
  const config = await inbox(siteId)
  await sync(config)
  await arrives(config.address, ['From: a@customer.test\r\nTo: b@demo.test\r\nSubject: Now\r\n\r\nHello\r\n'])
  await mailbox(config).news()
  await until(async () => (await conversationsOf(headers)).length === 1)
})
