/**
 * Drafts: answers that wait for a person. A draft is read, changed, and then approved or discarded, exactly once; what is approved goes out
 * as the person's own mail. A draft is a message too, and stays one under the same id.
 */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { DraftAnswer } from '../conversation/conversation.ts'
import { keepAttachments } from '../conversation/write.ts'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import {
  type CopiedDetails,
  conversationById,
  copiedRow,
  draftsWaiting,
  messageById,
} from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import { inboxById } from '../store/inboxes.ts'
import { MessageSchema, messageJson } from '../wire/message.ts'
import { type Access, seesInbox, type Who } from './access.ts'
import { attachmentsOf, NewAttachmentSchema } from './attachments.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { copied } from './requests.ts'

const answer = {
  200: { description: 'The draft', content: { 'application/json': { schema: MessageSchema } } },
}
const common = ['unknown_field', 'not_found', 'unauthorized'] as const

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'Drafts that wait for a person, the newest first',
  request: { query: z.strictObject({ limit, cursor }) },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('Drafts', MessageSchema) } },
    },
    ...refusals('unknown_field', 'invalid_field', 'unauthorized'),
  },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change what a draft says',
  request: {
    ...byId,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.strictObject({
            content: z.string().min(1).max(200_000).openapi({
              description: 'Plain text; `![alt](cid:…)` shows an attachment of that `contentId`.',
            }),
            attachments: z
              .array(NewAttachmentSchema)
              .max(50)
              .optional()
              .openapi({ description: 'Takes the place of those it had; left out, they stay.' }),
            version: z.int().min(1).optional().openapi({
              description: 'The version the change was made from; another than it has now is refused.',
            }),
            citations: z
              .array(z.string())
              .max(100)
              .optional()
              .openapi({ description: 'Ids of the sources to keep below the text; left out, all stay.' }),
          }),
        },
      },
    },
  },
  responses: {
    ...answer,
    ...refusals(
      ...common,
      'bad_json',
      'missing_field',
      'invalid_field',
      'draft_answered',
      'draft_changed',
      'attachments_too_large',
      'too_large',
    ),
  },
})

const approve = createRoute({
  method: 'post',
  path: '/{id}/approve',
  summary: 'Send a draft, as the one who approves it',
  description:
    'Exactly once: of two who approve at the same moment one gets `draft_answered`. Where the contact wrote again after the draft was made, it is refused as `draft_stale` until `reread` says that this was seen.',
  request: {
    ...byId,
    body: {
      required: false,
      content: {
        'application/json': {
          schema: z.strictObject({
            reread: z.boolean().default(false),
            version: z.int().min(1).optional().openapi({ description: 'The version that was read.' }),
          }),
        },
      },
    },
  },
  responses: {
    ...answer,
    ...refusals(
      ...common,
      'bad_json',
      'invalid_field',
      'draft_answered',
      'draft_stale',
      'draft_changed',
      'inbox_disconnected',
    ),
  },
})

const discard = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Discard a draft; it stays in the conversation, marked',
  request: byId,
  responses: { ...answer, ...refusals(...common, 'draft_answered') },
})

export const drafts = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const after = readCursor(query.cursor, z.tuple([z.int(), z.string()]))
    const rows = await draftsWaiting(
      db(c.env.DB),
      c.get('siteId'),
      c.get('who').inboxes,
      after && { at: after[0], id: after[1] },
      query.limit + 1,
    )
    const { page, next } = pageOf(rows, query.limit, row => [row.createdAt, row.id])
    return c.json({ items: page.map(row => messageJson(row, settings(c.env).PUBLIC_URL)), next }, 200)
  })
  .openapi(change, async c => {
    const { content, attachments, citations, version } = c.req.valid('json')
    const siteId = c.get('siteId')
    const draft = await draftOf(c.env, siteId, c.get('who'), c.req.valid('param').id)
    // A place of its own: what an earlier edit put there may be on its way out.
    const kept = attachments
      ? await keepAttachments(c.env, siteId, `${draft.id}-${newId()}`, attachmentsOf(attachments))
      : null
    return c.json(
      await answered(
        c,
        draft.conversationId,
        await draft.stub.editDraft(draft.id, {
          content,
          attachments: kept,
          citations: citations ?? null,
          version,
        }),
      ),
      200,
    )
  })
  .openapi(approve, async c => {
    const siteId = c.get('siteId')
    const draft = await draftOf(c.env, siteId, c.get('who'), c.req.valid('param').id)
    if (!(await inboxById(db(c.env.DB), siteId, draft.inboxId))) throw new Refusal('inbox_disconnected')
    const { id, name } = c.get('who')
    const { reread = false, version } = c.req.valid('json') ?? {}
    const said = await draft.stub.approveDraft(draft.id, { kind: 'person', id, name }, reread, version)
    return c.json(await answered(c, draft.conversationId, said), 200)
  })
  .openapi(discard, async c => {
    const siteId = c.get('siteId')
    const draft = await draftOf(c.env, siteId, c.get('who'), c.req.valid('param').id)
    const { id, name } = c.get('who')
    const said = await draft.stub.discardDraft(draft.id, { kind: 'person', id, name })
    return c.json(await answered(c, draft.conversationId, said), 200)
  })

async function draftOf(env: Env, siteId: string, who: Who, id: string) {
  const d1 = db(env.DB)
  const row = isUuid(id) && (await messageById(d1, siteId, id))
  const there = row && (await conversationById(d1, siteId, row.conversationId))
  if (!row || !there || !seesInbox(who, there.conversation.inboxId)) throw new Refusal('not_found')
  return {
    id,
    conversationId: row.conversationId,
    inboxId: (JSON.parse(row.details) as CopiedDetails).mail?.inboxId ?? there.conversation.inboxId,
    stub: env.CONVERSATION.getByName(`${siteId}/${row.conversationId}`),
  }
}

async function answered(c: Context<Access>, conversationId: string, said: DraftAnswer) {
  if ('problem' in said) throw new Refusal(said.problem.code, said.problem.message, said.problem.field)
  await copied(c, said.message)
  return messageJson(copiedRow(c.get('siteId'), conversationId, said.message), settings(c.env).PUBLIC_URL)
}
