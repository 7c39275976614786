/**
 * The API as a document and as a page to read and to try. The document is made from the routes' own schemas; what all routes of a kind
 * share (the key of a POST, names, groups) is written into it here and nowhere else.
 */
import type { OpenAPIHono } from '@hono/zod-openapi'
import { Hono } from 'hono'
import { version } from '../../package.json'
import { type ProblemCode, statusOf } from '../domain/problem.ts'
import type { Access } from './access.ts'

const ABOUT = {
  openapi: '3.1.0',
  info: {
    title: 'Edgedesk',
    version,
    description:
      'Answers a team’s e-mail and web chat, and brings in a person when one is wanted. Times are milliseconds since the epoch, as strings. Lists are `{items, next}`; `next` goes into `cursor`. Errors are `{error: {code, message, field?, requestId}}`.',
  },
  security: [{ ApiKey: [] }],
}

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'The same key with the same body, within a day, is one request, answered as it was the first time.',
  schema: { type: 'string', maxLength: 255 },
}
const BOOKMARK = {
  name: 'x-d1-bookmark',
  in: 'header',
  required: false,
  description: 'From the answer to a write: what is read has it.',
  schema: { type: 'string', maxLength: 200 },
}
/** Lists that are read from the nearest copy. */
const BY_BOOKMARK = ['/api/v1/conversations', '/api/v1/messages', '/api/v1/contacts']

/** What any route may say, and any POST with an Idempotency-Key. */
const ALWAYS = ['unauthorized', 'forbidden', 'rate_limited'] as const
const OF_KEYS = ['invalid_field', 'in_progress', 'key_reused', 'answer_gone'] as const

interface Operation {
  operationId?: string
  tags?: string[]
  requestBody?: { content: Record<string, unknown> }
  parameters?: unknown[]
  security?: unknown[]
  responses: Record<string, { description: string }>
}

/** One more code that a route may refuse with, beside those of the same status. */
function refuses({ responses }: Operation, code: ProblemCode): void {
  const status = String(statusOf(code))
  const said = responses[status]
  if (said?.description.split(', ').includes(code)) return
  responses[status] = {
    description: said ? `${said.description}, ${code}` : code,
    ...{ content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } } },
  }
}

/** The document of an app, whole: parsed from JSON, so that it can be changed by whoever asks. */
export function documentOf(app: OpenAPIHono<Access>) {
  const document = JSON.parse(JSON.stringify(app.getOpenAPI31Document(ABOUT))) as {
    paths: Record<string, Record<string, Operation>>
  }
  for (const [path, methods] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(methods)) {
      const parts = path
        .replace(/^\/api\/(?:v1\/)?|^\//, '')
        .split('/')
        .filter(Boolean)
      operation.tags = [parts[0] ?? 'edgedesk']
      const outside = path.startsWith('/api/') ? [] : ['root']
      operation.operationId = [method, ...outside, ...parts.map(part => part.replace(/^\{(.*)\}$/, 'by-$1'))]
        .join('-')
        .replace(/[-_](\w)/g, (_, letter: string) => letter.toUpperCase())
      if (path.startsWith('/api/v1/chat/')) operation.security = [{ Visitor: [] }]
      if (!path.startsWith('/api/v1/') || operation.security?.length === 0) continue
      for (const code of ALWAYS) refuses(operation, code)
      if (operation.requestBody?.content['application/json']) {
        refuses(operation, 'not_json')
        refuses(operation, 'too_large')
      }
      if (method === 'post') {
        operation.parameters = [...(operation.parameters ?? []), IDEMPOTENCY_KEY]
        for (const code of OF_KEYS) refuses(operation, code)
      }
      if (method === 'get' && BY_BOOKMARK.some(one => path.startsWith(one)))
        operation.parameters = [...(operation.parameters ?? []), BOOKMARK]
    }
  return document
}

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Edgedesk API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="docs">The API is described at <a href="/openapi.json">/openapi.json</a>.</div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/show.js"></script>
</html>
`
const SHOW = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true, docExpansion: 'none', validatorUrl: null })
`
/** The page shows what this origin serves, and asks nobody else. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export const docs = new Hono<{ Bindings: Env }>()
  .get('/', c => c.html(PAGE, 200, { 'content-security-policy': POLICY }))
  .get('/show.js', c => c.body(SHOW, 200, { 'content-type': 'text/javascript; charset=utf-8' }))
