/** Assistants: who answers, with which model, and what it is told beforehand; and a way to try one without any mail. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Answer } from '../assistants/assistant.ts'
import { ASSISTANT_KINDS, assistantKinds } from '../assistants/index.ts'
import { checkUrl } from '../domain/host.ts'
import { isUuid } from '../domain/ids.ts'
import { languageOf } from '../domain/language.ts'
import { settings } from '../env.ts'
import {
  type AssistantRow,
  AssistantSettings,
  addAssistant,
  apiKeyPlace,
  assistantById,
  assistantsAfter,
  changeAssistant,
  inboxesAnsweredBy,
  MOST_INSTRUCTIONS,
  removeAssistant,
  settingsOf,
} from '../store/assistants.ts'
import { db } from '../store/db.ts'
import { dataKeyOf } from '../store/inboxes.ts'
import { seal } from '../store/seal.ts'
import { newWebChat, webChatsOf } from '../store/web-chats.ts'
import { tellReplyWebhook } from './endpoints.ts'
import { oneLine } from './inbox-fields.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf } from './requests.ts'

const url = z.string().trim().max(2_000)
const fields = {
  name: oneLine(200),
  avatar: url.nullable().openapi({ description: 'A picture, by its https address.' }),
  kind: z.enum(ASSISTANT_KINDS).openapi({
    description:
      '`knowledge` answers with your articles and needs no model; the others write with a language model.',
  }),
  model: z.string().trim().max(200).openapi({
    description: 'As its server names it, e.g. `gpt-5-mini` or `@cf/meta/llama-3.3-70b-instruct-fp8-fast`.',
  }),
  baseUrl: url.nullable().openapi({
    description:
      'Of `openai-compatible`: the address up to `/chat/completions`, e.g. `https://api.openai.com/v1`.',
  }),
  instructions: z.string().max(MOST_INSTRUCTIONS),
  tone: z.string().trim().max(500),
  languages: z
    .array(z.string().regex(/^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/, 'must be a language tag such as zh-TW'))
    .max(20)
    .openapi({ description: 'Answers are in one of these; an empty list is whichever the contact writes.' }),
  replyWebhookUrl: url.nullable().openapi({
    description:
      'Each answer is delivered here as a message object, signed: `GET /api/v1/assistants/{id}/reply-webhook` says how it fares.',
  }),
}
const apiKey = z
  .string()
  .trim()
  .regex(/^[!-~]{1,500}$/, 'must be a key as it was given: printable ASCII without blanks')
  .nullable()
  .openapi({
    description: 'Of `openai-compatible`; is sealed, and never shown again. null takes it away.',
    writeOnly: true,
  })

const AssistantSchema = z
  .object({
    id: z.uuid(),
    ...fields,
    hasApiKey: z.boolean(),
    webChatId: z.uuid().nullable().openapi({ description: 'Where conversations with it begin by the API.' }),
    createdAt: z.string(),
  })
  .openapi('Assistant')
const AssistantChange = z
  .strictObject({ ...fields, apiKey })
  .partial()
  .openapi('AssistantChange')
const NewAssistant = AssistantChange.required({ name: true, kind: true }).openapi('NewAssistant')

const Asked = z
  .strictObject({
    question: z.string().min(1).max(20_000),
    channel: z.enum(['email', 'chat']).default('email').openapi({
      description: 'Where it is asked: a mail is answered by a letter, a chat by a line or two.',
    }),
    subject: z.string().max(500).default(''),
    contactName: z.string().max(200).default(''),
    contactLabels: z.array(z.string().max(64)).max(20).default([]),
    writtenTo: z.string().max(254).default(''),
    localTime: z.string().max(40).default('').openapi({ example: 'Tuesday 14:05' }),
    history: z
      .array(z.strictObject({ from: z.enum(['contact', 'us']), text: z.string().max(20_000) }))
      .max(50)
      .default([]),
  })
  .openapi('AssistantQuestion')
const Answered = z
  .object({
    text: z.string().openapi({
      description: 'Empty where it has nothing to say; `problem` says whether something is amiss.',
    }),
    citations: z.array(z.object({ id: z.string(), title: z.string(), url: z.string().nullable() })),
    language: z.string(),
    sure: z.boolean().openapi({ description: 'False where it says that it does not know.' }),
    wantsPerson: z
      .boolean()
      .openapi({ description: 'After this answer a person would own the conversation.' }),
    problem: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .openapi('AssistantAnswer')

const json = <T extends z.ZodType>(schema: T) => ({ 'application/json': { schema } })
const shown = { 200: { description: 'The assistant', content: json(AssistantSchema) } }
const written = [
  'bad_json',
  'missing_field',
  'unknown_field',
  'invalid_field',
  'unauthorized',
  'forbidden',
  'host_refused',
] as const

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List assistants, the oldest first',
  request: { query: z.strictObject({ limit, cursor }) },
  responses: {
    200: { description: 'A page', content: json(listOf('Assistants', AssistantSchema)) },
    ...refusals('unknown_field', 'invalid_field', 'unauthorized'),
  },
})

const add = createRoute({
  method: 'post',
  path: '/',
  summary: 'Add an assistant',
  request: { body: jsonBody(NewAssistant) },
  responses: { ...shown, ...refusals(...written) },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One assistant',
  request: byId,
  responses: { ...shown, ...refusals('unknown_field', 'not_found', 'unauthorized') },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change an assistant',
  description:
    'What is not named stays. Its key belongs to the server it was given for: a base URL on another host needs the key again.',
  request: { ...byId, body: jsonBody(AssistantChange) },
  responses: { ...shown, ...refusals('not_found', ...written) },
})

const remove = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Remove an assistant, and its articles with it',
  description: 'Refused while an inbox is answered by it.',
  request: byId,
  responses: {
    200: { description: 'Removed', content: json(z.object({ id: z.uuid(), deleted: z.literal(true) })) },
    ...refusals('unknown_field', 'not_found', 'assistant_in_use', 'unauthorized', 'forbidden'),
  },
})

const ask = createRoute({
  method: 'post',
  path: '/{id}/ask',
  summary: 'Ask an assistant, without any mail',
  description:
    'Nothing is stored and nothing is sent. A language model is really asked, and costs what it costs.',
  request: { ...byId, body: jsonBody(Asked) },
  responses: {
    200: { description: 'What it would answer', content: json(Answered) },
    ...refusals(
      'bad_json',
      'missing_field',
      'unknown_field',
      'invalid_field',
      'not_found',
      'unauthorized',
      'model_unavailable',
    ),
  },
})

export const assistants = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const after = readCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? ''
    const rows = await assistantsAfter(db(c.env.DB), c.get('siteId'), after, query.limit + 1)
    const { page, next } = pageOf(rows, query.limit, row => [row.id])
    const webChats = await webChatsOf(
      db(c.env.DB),
      c.get('siteId'),
      page.map(row => row.id),
    )
    return c.json({ items: page.map(row => assistantJson(row, webChats)), next }, 200)
  })
  .openapi(add, async c => {
    const { name, kind, apiKey, ...others } = c.req.valid('json')
    const at = Date.now()
    const siteId = c.get('siteId')
    const id = await idOf(c)
    const next = AssistantSettings.parse(others)
    mustFit(c.env, kind, next)
    const row: AssistantRow = {
      id,
      siteId,
      name,
      kind,
      settings: JSON.stringify(next),
      apiKey: apiKey ? await sealed(c.env, siteId, id, apiKey) : null,
      createdAt: at,
    }
    const webChatId = await idOf(c, 'web chat')
    await addAssistant(db(c.env.DB), row, newWebChat({ id: webChatId, siteId, assistantId: id, name, at }))
    return c.json(assistantJson(row, new Map([[id, webChatId]])), 200)
  })
  .openapi(show, async c =>
    c.json(await shownJson(c.env, await found(c.env, c.get('siteId'), c.req.valid('param').id)), 200),
  )
  .openapi(change, async c => {
    const { name, kind, apiKey, ...others } = c.req.valid('json')
    const row = await found(c.env, c.get('siteId'), c.req.valid('param').id)
    const before = settingsOf(row)
    const after = AssistantSettings.parse({ ...before, ...others })
    mustFit(c.env, kind ?? row.kind, after)
    // Else whoever may change an assistant could have its key sent to a server of their own.
    if (row.apiKey && apiKey === undefined && hostOf(before.baseUrl) !== hostOf(after.baseUrl))
      throw new Refusal(
        'missing_field',
        'The key belongs to the server before. Give the key of the new one, or null for none.',
        'apiKey',
      )
    const next = {
      name: name ?? row.name,
      kind: kind ?? row.kind,
      settings: JSON.stringify(after),
      apiKey: apiKey === undefined ? row.apiKey : apiKey && (await sealed(c.env, row.siteId, row.id, apiKey)),
    }
    await changeAssistant(db(c.env.DB), row.siteId, row.id, next)
    if (before.replyWebhookUrl !== after.replyWebhookUrl) await tellReplyWebhook(c.env, row.siteId, row.id)
    return c.json(await shownJson(c.env, { ...row, ...next }), 200)
  })
  .openapi(remove, async c => {
    const { id, siteId } = await found(c.env, c.get('siteId'), c.req.valid('param').id)
    if (!(await removeAssistant(c.env.DB, c.env.SEARCH, siteId, id))) {
      const names = await inboxesAnsweredBy(db(c.env.DB), siteId, id)
      throw new Refusal(
        'assistant_in_use',
        `${names.map(name => `“${name}”`).join(', ')} is answered by this assistant. Give it another one first.`,
      )
    }
    await tellReplyWebhook(c.env, siteId, id)
    return c.json({ id, deleted: true as const }, 200)
  })
  .openapi(ask, async c => {
    const row = await found(c.env, c.get('siteId'), c.req.valid('param').id)
    const { question, ...about } = c.req.valid('json')
    let answer: Answer
    try {
      answer = await assistantKinds[row.kind]!(row, c.env).answer({
        ...about,
        said: [question],
        quoted: '',
        cited: [],
        assistantName: row.name,
        language: languageOf(`${question}\n${about.subject}`),
      })
    } catch {
      throw new Refusal('model_unavailable', 'The model did not answer. Try again in a moment.')
    }
    return c.json(
      {
        text: answer.text,
        citations: answer.citations,
        language: answer.language,
        sure: answer.sure,
        wantsPerson: answer.wantsPerson ?? false,
        problem: answer.problem ? { code: answer.problem.code, message: answer.problem.message } : null,
      },
      200,
    )
  })

async function found(env: Env, siteId: string, id: string): Promise<AssistantRow> {
  const row = isUuid(id) && (await assistantById(db(env.DB), siteId, id))
  if (!row) throw new Refusal('not_found')
  return row
}

/** Of what is bound to an assistant. @throws Refusal */
export async function assistantMustExist(
  env: Env,
  siteId: string,
  assistantId: string | null | undefined,
): Promise<void> {
  if (assistantId && !(await assistantById(db(env.DB), siteId, assistantId)))
    throw new Refusal('invalid_field', `There is no assistant with the id ${assistantId}.`, 'assistantId')
}

/** What each kind needs, and where an address may lead. @throws Refusal */
function mustFit(env: Env, kind: string, next: AssistantSettings): void {
  if (kind !== 'knowledge' && next.model === '')
    throw new Refusal('missing_field', '"model" is required for an assistant of this kind.', 'model')
  if (kind === 'openai-compatible' && next.baseUrl === null)
    throw new Refusal('missing_field', '"baseUrl" is required for an assistant of this kind.', 'baseUrl')
  if (kind === 'workers-ai' && !/^@(?:cf|hf)\//.test(next.model))
    throw new Refusal('invalid_field', 'Models of Workers AI have names that begin with @cf/.', 'model')
  for (const field of ['avatar', 'baseUrl', 'replyWebhookUrl'] as const) {
    const given = next[field]
    const refused = given === null ? null : checkUrl(given, settings(env).DEV)
    if (refused) throw new Refusal(refused.code, refused.message, field)
  }
}

function hostOf(address: string | null): string {
  return address === null ? '' : new URL(address).host
}

async function sealed(env: Env, siteId: string, id: string, secret: string): Promise<string> {
  const dataKey = await dataKeyOf(db(env.DB), siteId)
  return seal(settings(env).KEK, dataKey, apiKeyPlace(siteId, id), secret)
}

async function shownJson(env: Env, row: AssistantRow) {
  return assistantJson(row, await webChatsOf(db(env.DB), row.siteId, [row.id]))
}

function assistantJson(
  row: AssistantRow,
  webChats: ReadonlyMap<string, string>,
): z.infer<typeof AssistantSchema> {
  const { v, ...own } = settingsOf(row)
  return {
    id: row.id,
    name: row.name,
    kind: row.kind as (typeof ASSISTANT_KINDS)[number],
    ...own,
    hasApiKey: row.apiKey !== null,
    webChatId: webChats.get(row.id) ?? null,
    createdAt: String(row.createdAt),
  }
}
