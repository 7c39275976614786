/** A site live: a socket on which everything that changes in its conversations is said, and who is there, and who waits. */
import { createRoute, z } from '@hono/zod-openapi'
import { SITE_WATCHES, type SiteWatches } from '../site/site.ts'
import { PROTOCOL } from './live.ts'
import { noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'

const watch = createRoute({
  method: 'get',
  path: '/',
  summary: 'Watch the whole site live, by WebSocket',
  description:
    'Frames are JSON; docs/live.md names them. Who sees some inboxes only hears of those only. A browser, which cannot send a header, gives its key as a subprotocol: `edgedesk.v1, key.<key>`.',
  request: {
    query: z.strictObject({
      since: z.coerce.number().int().min(0).optional().openapi({
        description: 'The last `seq` that was seen: what changed after it is told, each conversation once.',
      }),
    }),
  },
  responses: {
    101: { description: 'The socket is open' },
    ...refusals('unknown_field', 'invalid_field', 'unauthorized', 'forbidden', 'upgrade_required'),
  },
})

export const siteLive = noun().openapi(watch, async c => {
  if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') throw new Refusal('upgrade_required')
  const { kind, id, name, inboxes } = c.get('who')
  if (kind === 'contact') throw new Refusal('forbidden')
  const watches: SiteWatches = { who: { kind, id, name }, inboxes, since: c.req.valid('query').since ?? null }
  const { webSocket } = await c.env.SITE.getByName(c.get('siteId')).fetch('https://site/', {
    headers: { upgrade: 'websocket', [SITE_WATCHES]: encodeURIComponent(JSON.stringify(watches)) },
  })
  const offered = c.req.header('sec-websocket-protocol')?.split(',') ?? []
  const speaksIt = offered.some(one => one.trim() === PROTOCOL)
  return new Response(null, {
    status: 101,
    webSocket,
    ...(speaksIt ? { headers: { 'sec-websocket-protocol': PROTOCOL } } : {}),
  }) as never
})
