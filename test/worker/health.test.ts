import { exports } from 'cloudflare:workers'
import { expect, it } from 'vitest'

it('AC4 GET /health answers without a key', async () => {
  const answer = await exports.default.fetch('http://edgedesk.test/health')
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({ ok: true, clock: { lastTick: null } })
})
