/** Who changed what and when. */
import { createRoute, z } from '@hono/zod-openapi'
import { type AuditEntry, auditEntriesBefore } from '../store/audit.ts'
import { db } from '../store/db.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'

const EntrySchema = z
  .object({
    id: z.uuid(),
    action: z
      .string()
      .openapi({ description: 'What kind of thing, and what was done to it.', example: 'inbox.changed' }),
    actor: z.object({
      kind: z.enum(['key', 'member', 'system']),
      id: z.string(),
      name: z.string().openapi({ description: 'As it was then.' }),
    }),
    target: z.object({ type: z.string().openapi({ example: 'inbox' }), id: z.string() }),
    changes: z
      .record(z.string(), z.object({ from: z.unknown().optional(), to: z.unknown().optional() }))
      .openapi({
        description:
          'The fields that were sent or changed. Values stand there only where they are neither secret nor what somebody wrote.',
        example: { role: { from: 'agent', to: 'admin' } },
      }),
    requestId: z.string(),
    createdAt: z.string(),
  })
  .openapi('AuditEntry')

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List what was changed, the latest first',
  description:
    'Changes of members, keys, inboxes, assistants, articles, webhooks and settings, erasures, and how people sign in. Filter by `actor` or by `target`, not by both.',
  request: {
    query: z.strictObject({
      limit,
      cursor,
      actor: z.uuid().optional().openapi({ description: 'The id of a member or a key.' }),
      target: z.uuid().optional().openapi({ description: 'The id of what was changed.' }),
    }),
  },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('AuditLog', EntrySchema) } },
    },
    ...refusals('unknown_field', 'invalid_field', 'unauthorized', 'forbidden', 'rate_limited'),
  },
})

export const auditLog = noun().openapi(list, async c => {
  const { actor, target, ...query } = c.req.valid('query')
  if (actor !== undefined && target !== undefined)
    throw new Refusal('invalid_field', 'Filter by actor or by target, not by both.', 'target')
  const by = actor !== undefined ? { actor } : target !== undefined ? { target } : null
  const before = readCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? null
  const rows = await auditEntriesBefore(db(c.env.DB), c.get('siteId'), by, before, query.limit + 1)
  const { page, next } = pageOf(rows, query.limit, row => [row.id])
  return c.json({ items: page.map(entryJson), next }, 200)
})

function entryJson(entry: AuditEntry): z.infer<typeof EntrySchema> {
  return {
    id: entry.id,
    action: entry.action,
    actor: {
      kind: entry.actorKind as 'key' | 'member' | 'system',
      id: entry.actorId,
      name: entry.actorName,
    },
    target: { type: entry.action.split('.')[0]!, id: entry.targetId },
    changes: JSON.parse(entry.changes),
    requestId: entry.requestId,
    createdAt: String(entry.at),
  }
}
