/** Conversations live: a socket on which everything that changes is said, once, and from where one left off. */
import { createRoute, z } from '@hono/zod-openapi'
import { WATCHES, type Watches } from '../conversation/conversation.ts'
import { mayDo } from '../domain/access.ts'
import { isUuid } from '../domain/ids.ts'
import { conversationById } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { winnerOf } from '../store/merges.ts'
import { seesInbox } from './access.ts'
import { noun } from './noun.ts'
import { Moved, moved, Refusal, refusals } from './problems.ts'

const watch = createRoute({
  method: 'get',
  path: '/{id}/ws',
  summary: 'Watch a conversation live, by WebSocket',
  description:
    'Frames are JSON; docs/live.md names them. A browser, which cannot send a header, gives its key as a subprotocol: `edgedesk.v1, key.<key>`.',
  request: {
    params: z.object({ id: z.string() }),
    query: z.strictObject({
      since: z.coerce.number().int().min(0).optional().openapi({
        description: 'The last `seq` that was seen: what changed after it is told, and nothing twice.',
      }),
    }),
  },
  responses: {
    101: { description: 'The socket is open' },
    ...moved,
    ...refusals(
      'unknown_field',
      'invalid_field',
      'unauthorized',
      'forbidden',
      'not_found',
      'upgrade_required',
    ),
  },
})

export const PROTOCOL = 'edgedesk.v1'

export const live = noun().openapi(watch, async c => {
  const { id } = c.req.valid('param')
  const siteId = c.get('siteId')
  const { kind, id: whoId, name, inboxes, role, scopes } = c.get('who')
  if (!isUuid(id)) throw new Refusal('not_found')
  if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') {
    const there = await conversationById(db(c.env.DB), siteId, id)
    throw new Refusal(
      there && seesInbox(c.get('who'), there.conversation.inboxId) ? 'upgrade_required' : 'not_found',
    )
  }
  const winner = await winnerOf(c.env.DB, siteId, id)
  if (winner && kind !== 'contact') throw new Moved(`/api/v1/conversations/${winner}/ws`)
  const watches: Watches = {
    who: { kind, id: whoId, name },
    mayWrite: mayDo('PATCH /api/v1/conversations/{id}', { kind, role, scopes }),
    inboxes,
    since: c.req.valid('query').since ?? null,
  }
  let answer = await opened(c.env, siteId, winner ?? id, winner ? fromAnew(watches) : watches)
  if (answer.status === 308) {
    const { movedTo } = (await answer.json()) as { movedTo: string }
    // A browser follows no redirect to a socket: a visitor is led there.
    if (kind !== 'contact') throw new Moved(`/api/v1/conversations/${movedTo}/ws`)
    answer = await opened(c.env, siteId, movedTo, fromAnew(watches))
  }
  if (!answer.webSocket) throw new Refusal('not_found')
  const offered =
    c.req
      .header('sec-websocket-protocol')
      ?.split(',')
      .map(one => one.trim()) ?? []
  return new Response(null, {
    status: 101,
    webSocket: answer.webSocket,
    ...(offered.includes(PROTOCOL) ? { headers: { 'sec-websocket-protocol': PROTOCOL } } : {}),
  }) as never
})

function opened(env: Env, siteId: string, id: string, watches: Watches): Promise<Response> {
  return env.CONVERSATION.getByName(`${siteId}/${id}`).fetch('https://conversation/', {
    headers: { upgrade: 'websocket', [WATCHES]: encodeURIComponent(JSON.stringify(watches)) },
  })
}

/** Another conversation counts otherwise. */
function fromAnew(watches: Watches): Watches {
  return { ...watches, since: null }
}
