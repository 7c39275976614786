/** Articles: what an assistant knows. One by one, or many out of a file. */
import { createRoute, z } from '@hono/zod-openapi'
import { isUuid } from '../domain/ids.ts'
import { languageOf } from '../domain/language.ts'
import { type Mistake, type ReadArticle, readMarkdown } from '../domain/markdown.ts'
import {
  type Article,
  articleById,
  articlesAfter,
  articlesTitled,
  labelsOf,
  removeArticle,
  saveArticle,
  saveArticles,
} from '../store/articles.ts'
import { assistantById } from '../store/assistants.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import { audited } from './audit.ts'
import { readCsv } from './csv.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf, madeAt } from './requests.ts'

const language = z
  .string()
  .regex(/^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/, 'must be a language tag such as zh-TW')
  .openapi({ description: 'A language tag (IETF); guessed from the text where it is not given.' })
const labels = z.array(z.string().trim().min(1).max(64)).max(20).openapi({
  description:
    'An article with labels is read only for contacts that carry one of them; one without for everyone.',
})
const fields = {
  title: z.string().trim().min(1).max(300),
  body: z.string().trim().min(1).max(100_000),
  url: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .nullable()
    .openapi({ description: 'Where the contact can read it; stands under answers that cite it.' }),
  language,
  labels,
}
const ArticleSchema = z
  .object({
    id: z.uuid(),
    assistantId: z.uuid(),
    ...fields,
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .openapi('Article')
const NewArticle = z
  .strictObject({
    ...fields,
    assistantId: z.uuid(),
    url: fields.url.default(null),
    language: language.optional(),
    labels: labels.default([]),
  })
  .openapi('NewArticle')
const ArticleChange = z.strictObject(fields).partial().openapi('ArticleChange')
/** What must be true of an article that comes in a file. */
const Imported = z.object({ ...fields, language: language.nullable() })

const json = <T extends z.ZodType>(schema: T) => ({ 'application/json': { schema } })
const shown = { 200: { description: 'The article', content: json(ArticleSchema) } }
const asked = ['unknown_field', 'unauthorized'] as const
const written = ['bad_json', 'missing_field', 'invalid_field', 'forbidden', ...asked] as const

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List articles, by assistant and the oldest first',
  request: {
    query: z.strictObject({
      assistant: z.uuid().optional().openapi({ description: 'Only those of this assistant.' }),
      limit,
      cursor,
    }),
  },
  responses: {
    200: { description: 'A page', content: json(listOf('Articles', ArticleSchema)) },
    ...refusals('invalid_field', ...asked),
  },
})

const add = createRoute({
  method: 'post',
  path: '/',
  summary: 'Add an article',
  request: { body: { required: true, content: json(NewArticle) } },
  responses: { ...shown, ...refusals(...written) },
})

const importFile = createRoute({
  method: 'post',
  path: '/import',
  summary: 'Import articles from a file of Markdown or CSV',
  description:
    'The body is the file itself, as `text/markdown` or `text/csv`, at most 1 MB and 1,000 articles. Markdown: a file with front matter (`title`, and where you like `url`, `language`, `labels`) is one article; any other is one article for each top-level heading (`# Title`). CSV: the first row names the columns, title and body, and where you like url, language, labels (with commas between them). All of it is taken or nothing. An article whose title the assistant already has is changed, not doubled.',
  request: {
    query: z.strictObject({ assistant: z.uuid() }),
    body: {
      required: true,
      content: { 'text/markdown': { schema: z.string() }, 'text/csv': { schema: z.string() } },
    },
  },
  responses: {
    200: {
      description: 'What was made of it',
      content: json(z.object({ added: z.int(), changed: z.int() }).openapi('Imported')),
    },
    ...refusals('missing_field', 'invalid_field', 'forbidden', 'import_refused', ...asked),
  },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One article',
  request: byId,
  responses: { ...shown, ...refusals('not_found', ...asked) },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change an article',
  description: 'What is not named stays.',
  request: { ...byId, body: { required: true, content: json(ArticleChange) } },
  responses: { ...shown, ...refusals('not_found', ...written) },
})

const remove = createRoute({
  method: 'delete',
  path: '/{id}',
  summary: 'Remove an article',
  request: byId,
  responses: {
    200: { description: 'Removed', content: json(z.object({ id: z.uuid(), deleted: z.literal(true) })) },
    ...refusals('not_found', 'forbidden', ...asked),
  },
})

const MOST_IMPORTED = 1_000
const MOST_MISTAKES = 20

export const articles = noun()
  .openapi(list, async c => {
    const query = c.req.valid('query')
    const after = readCursor(query.cursor, z.tuple([z.string(), z.string()]))
    const rows = await articlesAfter(
      db(c.env.DB),
      c.get('siteId'),
      query.assistant,
      after && { assistantId: after[0], id: after[1] },
      query.limit + 1,
    )
    const { page, next } = pageOf(rows, query.limit, row => [row.assistantId, row.id])
    return c.json({ items: page.map(articleJson), next }, 200)
  })
  .openapi(add, async c => {
    const wanted = c.req.valid('json')
    const siteId = c.get('siteId')
    await mustHaveAssistant(c.env, siteId, wanted.assistantId, 'assistantId')
    const at = madeAt(c)
    const article: Article = {
      id: await idOf(c),
      siteId,
      assistantId: wanted.assistantId,
      title: wanted.title,
      body: wanted.body,
      url: wanted.url,
      language: wanted.language ?? languageOf(`${wanted.title}\n${wanted.body}`),
      labels: JSON.stringify(unique(wanted.labels)),
      createdAt: at,
      updatedAt: at,
    }
    await saveArticle(db(c.env.DB), c.env.SEARCH, article)
    return c.json(articleJson(article), 200)
  })
  .openapi(importFile, async c => {
    const { assistant } = c.req.valid('query')
    const siteId = c.get('siteId')
    await mustHaveAssistant(c.env, siteId, assistant, 'assistant')
    const list = readFile(c.req.header('content-type') ?? '', await c.req.arrayBuffer())
    const d1 = db(c.env.DB)
    const titles = list.map(article => article.title)
    const known = new Map((await articlesTitled(d1, siteId, assistant, titles)).map(row => [row.title, row]))
    const at = Date.now()
    const rows = list.map((article, n): Article => {
      const before = known.get(article.title)
      return {
        id: before?.id ?? newId(at + n),
        siteId,
        assistantId: assistant,
        title: article.title,
        body: article.body,
        url: article.url,
        language: article.language ?? languageOf(`${article.title}\n${article.body}`),
        labels: JSON.stringify(unique(article.labels)),
        createdAt: before?.createdAt ?? at,
        updatedAt: at,
      }
    })
    await saveArticles(d1, c.env.SEARCH, rows)
    audited(c, { targetId: assistant })
    return c.json({ added: rows.length - known.size, changed: known.size }, 200)
  })
  .openapi(show, async c =>
    c.json(articleJson(await found(c.env, c.get('siteId'), c.req.valid('param').id)), 200),
  )
  .openapi(change, async c => {
    const { labels: wanted, ...others } = c.req.valid('json')
    const article = await found(c.env, c.get('siteId'), c.req.valid('param').id)
    const next = {
      ...article,
      ...others,
      ...(wanted ? { labels: JSON.stringify(unique(wanted)) } : {}),
      updatedAt: Date.now(),
    }
    await saveArticle(db(c.env.DB), c.env.SEARCH, next)
    return c.json(articleJson(next), 200)
  })
  .openapi(remove, async c => {
    const { id, siteId } = await found(c.env, c.get('siteId'), c.req.valid('param').id)
    await removeArticle(db(c.env.DB), c.env.SEARCH, siteId, id)
    return c.json({ id, deleted: true as const }, 200)
  })

async function found(env: Env, siteId: string, id: string): Promise<Article> {
  const article = isUuid(id) && (await articleById(db(env.DB), siteId, id))
  if (!article) throw new Refusal('not_found')
  return article
}

async function mustHaveAssistant(env: Env, siteId: string, id: string, field: string): Promise<void> {
  if (!(await assistantById(db(env.DB), siteId, id)))
    throw new Refusal('invalid_field', 'There is no assistant with this id.', field)
}

/** @throws Refusal that names every mistake with its line or row. */
function readFile(contentType: string, bytes: ArrayBuffer): z.infer<typeof Imported>[] {
  const type = contentType.split(';')[0]!.trim().toLowerCase()
  if (type !== 'text/markdown' && type !== 'text/csv')
    throw new Refusal('invalid_field', 'Send the file as text/markdown or text/csv.', 'content-type')
  const text = decoded(bytes)
  const [read, place] = type === 'text/csv' ? [readCsv(text), 'Row'] : [readMarkdown(text), 'Line']
  const mistakes = [...read.mistakes]
  if (read.articles.length === 0 && mistakes.length === 0)
    mistakes.push({ at: 1, message: 'There is no article in it.' })
  if (read.articles.length > MOST_IMPORTED)
    mistakes.push({ at: read.articles[MOST_IMPORTED]!.at, message: `More than ${MOST_IMPORTED} articles.` })
  const list = mistakes.length > 0 ? [] : read.articles.flatMap(article => checked(article, mistakes))
  const first = new Map<string, number>()
  for (const [n, article] of list.entries()) {
    const at = read.articles[n]!.at
    const before = first.get(article.title)
    if (before !== undefined && mistakes.length === 0)
      mistakes.push({ at, message: `The title is the same as that of ${place.toLowerCase()} ${before}.` })
    first.set(article.title, before ?? at)
  }
  if (mistakes.length === 0) return list
  const named = mistakes.slice(0, MOST_MISTAKES).map(one => `${place} ${one.at}: ${one.message}`)
  const more = mistakes.length > MOST_MISTAKES ? ` And ${mistakes.length - MOST_MISTAKES} more.` : ''
  throw new Refusal('import_refused', `Nothing was imported. ${named.join(' ')}${more}`)
}

function checked(article: ReadArticle, mistakes: Mistake[]): z.infer<typeof Imported>[] {
  const result = Imported.safeParse(article)
  if (result.success) return [result.data]
  const issue = result.error.issues[0]!
  const field = String(issue.path[0])
  const empty = article[field as 'title' | 'body'] === ''
  mistakes.push({
    at: article.at,
    message: empty ? `The ${field} is missing.` : `The ${field} is not allowed: ${issue.message}.`,
  })
  return []
}

/** UTF-8; or UTF-16 with its mark, as spreadsheets like to write. @throws Refusal */
function decoded(bytes: ArrayBuffer): string {
  const [a, b] = new Uint8Array(bytes)
  const encoding = a === 0xff && b === 0xfe ? 'utf-16le' : a === 0xfe && b === 0xff ? 'utf-16be' : 'utf-8'
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    throw new Refusal(
      'import_refused',
      'Nothing was imported. The file is not UTF-8 text; save it as UTF-8 and try again.',
    )
  }
}

function unique(list: string[]): string[] {
  return [...new Set(list)]
}

function articleJson(article: Article): z.infer<typeof ArticleSchema> {
  return {
    id: article.id,
    assistantId: article.assistantId,
    title: article.title,
    body: article.body,
    url: article.url,
    language: article.language,
    labels: labelsOf(article),
    createdAt: String(article.createdAt),
    updatedAt: String(article.updatedAt),
  }
}
