/** Whether the deployment lives and its clock ticks. Says nothing that a stranger may not know. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { version } from '../../package.json'
import { settings } from '../env.ts'
import { lastTicks } from '../store/clock.ts'
import { db } from '../store/db.ts'

const show = createRoute({
  method: 'get',
  path: '/',
  summary: 'Whether it runs, and when its clock last ticked',
  security: [],
  responses: {
    200: {
      description: 'It runs',
      content: {
        'application/json': {
          schema: z
            .object({
              ok: z
                .boolean()
                .openapi({ description: 'False where the clock has not ticked for five minutes.' }),
              version: z.string(),
              dev: z.boolean(),
              clock: z.object({ lastTick: z.string().nullable(), jobs: z.record(z.string(), z.string()) }),
            })
            .openapi('Health'),
        },
      },
    },
  },
})

const STOPPED_MS = 5 * 60_000

export const health = new OpenAPIHono<{ Bindings: Env }>({ strict: false }).openapi(show, async c => {
  const ticks = await lastTicks(db(c.env.DB))
  const last = Math.max(0, ...Object.values(ticks))
  return c.json(
    {
      ok: last === 0 || Date.now() - last < STOPPED_MS,
      version,
      dev: settings(c.env).DEV,
      clock: {
        lastTick: last === 0 ? null : String(last),
        jobs: Object.fromEntries(Object.entries(ticks).map(([job, at]) => [job, String(at)])),
      },
    },
    200,
  )
})
