/** The Hono app: who is asking, one `.route()` per noun, and the one place where errors become answers. */
import { OpenAPIHono } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { version } from '../package.json'
import { type Access, access } from './api/access.ts'
import { conversations } from './api/conversations.ts'
import { health } from './api/health.ts'
import { hooks } from './api/hooks.ts'
import { inboxes } from './api/inboxes.ts'
import { messages } from './api/messages.ts'
import { answerProblem, onError, Refusal } from './api/problems.ts'
import { problem } from './domain/problem.ts'

const BODY_BYTES = 1024 * 1024

const base = new OpenAPIHono<Access>({ strict: false })
base.use(requestId({ headerName: 'x-request-id', limitLength: 64 }))
base.use(secureHeaders())
base.use(
  bodyLimit({
    maxSize: BODY_BYTES,
    onError: () => {
      throw new Refusal('too_large')
    },
  }),
)
base.use('/api/v1/conversations/*', access)
base.use('/api/v1/inboxes/*', access)
base.use('/api/v1/messages/*', access)
base.onError(onError)
base.notFound(c => answerProblem(c, problem('not_found', 'There is nothing at this address.')))
base.openAPIRegistry.registerComponent('securitySchemes', 'ApiKey', {
  type: 'apiKey',
  in: 'header',
  name: 'Authorization',
  description: '`Authorization: Api-Key <key>`; `Bearer <key>` and the header `x-api-key` are taken too.',
})
base.doc31('/openapi.json', {
  openapi: '3.1.0',
  info: {
    title: 'Edgedesk',
    version,
    description: 'Answers a team’s e-mail and web chat, and brings in a person when one is wanted.',
  },
  security: [{ ApiKey: [] }],
})

export const app = base
  .get('/', c =>
    c.text('Edgedesk runs.\n\nThe API is described at /openapi.json, its health is at /health.\n'),
  )
  .route('/api/v1/health', health)
  .route('/health', health)
  .route('/api/v1/conversations', conversations)
  .route('/api/v1/inboxes', inboxes)
  .route('/api/v1/messages', messages)
  .route('/hooks', hooks)

export type App = typeof app
