/** Web chats: where a conversation by the API begins. Seed 003's "Web Chat ID" is the id of one. */
import { createRoute, z } from '@hono/zod-openapi'
import { isUuid } from '../domain/ids.ts'
import { db } from '../store/db.ts'
import {
  emailInboxById,
  type InboxRow,
  inboxesOf,
  type WebChatSettings,
  webChatSettingsOf,
} from '../store/inboxes.ts'
import { identitySecret } from '../store/visitors.ts'
import { addWebChat, changeWebChat, newWebChat, removeWebChat, webChatById } from '../store/web-chats.ts'
import { seesInbox, type Who } from './access.ts'
import { assistantMustExist } from './assistants.ts'
import { behaviourFields } from './inbox-fields.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf } from './requests.ts'
import { appearanceFields, appearanceJson, appearanceOf } from './web-chat-fields.ts'

const {
  name,
  assistantId,
  mode,
  responseDelay,
  senderNameAwareness,
  timeZone,
  replyHours,
  paused,
  whenClosed,
} = behaviourFields
const fields = {
  ...{
    name,
    assistantId,
    mode,
    responseDelay,
    senderNameAwareness,
    timeZone,
    replyHours,
    paused,
    whenClosed,
  },
  ...appearanceFields,
}
const WebChatSchema = z
  .object({
    id: z.uuid(),
    channelType: z.literal('web'),
    ...fields,
    hasIdentitySecret: z.boolean().openapi({ description: 'Whether who visitors are can be signed.' }),
    createdAt: z.string(),
  })
  .openapi('WebChat')
const WebChatChange = z.strictObject(fields).partial().openapi('WebChatChange')
const NewWebChat = WebChatChange.required({ name: true }).openapi('NewWebChat')

const json = <T extends z.ZodType>(schema: T) => ({ 'application/json': { schema } })
const shown = { 200: { description: 'The web chat', content: json(WebChatSchema) } }
const written = [
  'bad_json',
  'missing_field',
  'unknown_field',
  'invalid_field',
  'unauthorized',
  'forbidden',
] as const

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List web chats in the order they were made',
  request: { query: z.strictObject({ limit, cursor }) },
  responses: {
    200: { description: 'A page', content: json(listOf('WebChats', WebChatSchema)) },
    ...refusals('unknown_field', 'invalid_field', 'unauthorized'),
  },
})

const add = createRoute({
  method: 'post',
  path: '/',
  summary: 'Add a web chat',
  description: 'An assistant is made with one; another is for another place, with its own hours and name.',
  request: { body: jsonBody(NewWebChat) },
  responses: { ...shown, ...refusals(...written) },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One web chat',
  request: byId,
  responses: { ...shown, ...refusals('unknown_field', 'not_found', 'unauthorized') },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change a web chat',
  description: 'What is not named stays.',
  request: { ...byId, body: jsonBody(WebChatChange) },
  responses: { ...shown, ...refusals('not_found', ...written) },
})

const makeSecret = createRoute({
  method: 'post',
  path: '/{id}/identity-secret',
  summary: 'Make the secret by which a page proves who its visitor is',
  description:
    'Shown this once; the one before is no good from now on. docs/widget.md says how a page signs with it, and that it never goes into a page.',
  request: byId,
  responses: {
    200: {
      description: 'The secret',
      content: json(z.object({ secret: z.string() }).openapi('IdentitySecret')),
    },
    ...refusals('unknown_field', 'not_found', 'unauthorized', 'forbidden'),
  },
})

const remove = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Remove a web chat; its conversations stay, and nothing new is said in them',
  request: byId,
  responses: {
    200: { description: 'Removed', content: json(z.object({ id: z.uuid(), deleted: z.literal(true) })) },
    ...refusals('unknown_field', 'not_found', 'unauthorized', 'forbidden'),
  },
})

export const webChats = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const after = readCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? null
    const { inboxes } = c.get('who')
    const rows = await inboxesOf(db(c.env.DB), c.get('siteId'), inboxes, after, query.limit + 1, 'web')
    const { page, next } = pageOf(rows, query.limit, row => [row.id])
    return c.json({ items: page.map(webChatJson), next }, 200)
  })
  .openapi(add, async c => {
    const typed = c.req.valid('json')
    const siteId = c.get('siteId')
    await assistantMustExist(c.env, siteId, typed.assistantId)
    await mailInboxMustExist(c.env, siteId, typed.mailInboxId)
    const about = {
      id: await idOf(c),
      siteId,
      assistantId: typed.assistantId ?? null,
      name: typed.name,
      at: Date.now(),
    }
    await addWebChat(db(c.env.DB), {
      ...newWebChat(about, settingsOf(typed)),
      paused: typed.paused ?? false,
    })
    return c.json(webChatJson(await found(c.env, siteId, c.get('who'), about.id)), 200)
  })
  .openapi(show, async c =>
    c.json(webChatJson(await found(c.env, c.get('siteId'), c.get('who'), c.req.valid('param').id)), 200),
  )
  .openapi(change, async c => {
    const typed = c.req.valid('json')
    const siteId = c.get('siteId')
    const row = await found(c.env, siteId, c.get('who'), c.req.valid('param').id)
    await assistantMustExist(c.env, siteId, typed.assistantId)
    await mailInboxMustExist(c.env, siteId, typed.mailInboxId)
    const { name = row.name, assistantId = row.assistantId, paused = row.paused } = typed
    const settings = JSON.stringify({ ...webChatSettingsOf(row), ...settingsOf(typed) })
    await changeWebChat(db(c.env.DB), siteId, row.id, { name, assistantId, paused, settings })
    return c.json(webChatJson({ ...row, name, assistantId, paused, settings }), 200)
  })
  .openapi(makeSecret, async c => {
    const siteId = c.get('siteId')
    const row = await found(c.env, siteId, c.get('who'), c.req.valid('param').id)
    const before = webChatSettingsOf(row)
    const identityVersion = before.identityVersion + 1
    const settings = JSON.stringify({ ...before, identityVersion })
    await changeWebChat(db(c.env.DB), siteId, row.id, { settings })
    return c.json({ secret: (await identitySecret(c.env, siteId, row.id, identityVersion))! }, 200)
  })
  .openapi(remove, async c => {
    const siteId = c.get('siteId')
    const { id } = await found(c.env, siteId, c.get('who'), c.req.valid('param').id)
    await removeWebChat(db(c.env.DB), siteId, id)
    return c.json({ id, deleted: true as const }, 200)
  })

async function found(env: Env, siteId: string, who: Who, id: string): Promise<InboxRow> {
  const row = isUuid(id) && seesInbox(who, id) && (await webChatById(db(env.DB), siteId, id))
  if (!row) throw new Refusal('not_found')
  return row
}

async function mailInboxMustExist(env: Env, siteId: string, id: string | null | undefined): Promise<void> {
  if (id && !(await emailInboxById(db(env.DB), siteId, id)))
    throw new Refusal('invalid_field', 'There is no e-mail inbox with that id.', 'mailInboxId')
}

/** Seconds here, milliseconds there. */
function settingsOf(typed: z.infer<typeof WebChatChange>): Partial<WebChatSettings> {
  const { mode, responseDelay, senderNameAwareness, timeZone, replyHours, whenClosed, ...others } = typed
  const { name: _, assistantId: __, paused: ___, ...appearance } = others
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(responseDelay === undefined ? {} : { delayMs: responseDelay * 1000 }),
    ...(senderNameAwareness === undefined ? {} : { senderNames: senderNameAwareness }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(replyHours === undefined ? {} : { hours: replyHours }),
    ...(whenClosed === undefined ? {} : { whenClosed }),
    ...appearanceOf(appearance),
  }
}

function webChatJson(row: InboxRow): z.infer<typeof WebChatSchema> {
  const own = webChatSettingsOf(row)
  return {
    id: row.id,
    channelType: 'web',
    name: row.name,
    assistantId: row.assistantId,
    mode: own.mode,
    responseDelay: own.delayMs / 1000,
    senderNameAwareness: own.senderNames,
    timeZone: own.timeZone,
    replyHours: own.hours,
    paused: row.paused,
    whenClosed: own.whenClosed,
    ...appearanceJson(own),
    createdAt: String(row.createdAt),
  }
}
