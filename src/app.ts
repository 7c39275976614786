/** The Hono app: who is asking, one `.route()` per noun, and the one place where errors become answers. */
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { type Access, access } from './api/access.ts'
import { apiKeys } from './api/api-keys.ts'
import { articles } from './api/articles.ts'
import { assistants } from './api/assistants.ts'
import { auditLog } from './api/audit-log.ts'
import { chat } from './api/chat.ts'
import { chatPages } from './api/chat-pages.ts'
import { chatSessions } from './api/chat-sessions.ts'
import { contacts } from './api/contacts.ts'
import { conversations } from './api/conversations.ts'
import { docs, documentOf } from './api/docs.ts'
import { drafts } from './api/drafts.ts'
import { emailCheck } from './api/email-check.ts'
import { emailProviders } from './api/email-providers.ts'
import { emails } from './api/emails.ts'
import { endpoints, replyWebhooks } from './api/endpoints.ts'
import { files } from './api/files.ts'
import { forward } from './api/forward.ts'
import { health } from './api/health.ts'
import { history } from './api/history.ts'
import { hooks } from './api/hooks.ts'
import { idempotency } from './api/idempotency.ts'
import { inboxes } from './api/inboxes.ts'
import { invitations } from './api/invitations.ts'
import { live } from './api/live.ts'
import { me } from './api/me.ts'
import { members } from './api/members.ts'
import { messages } from './api/messages.ts'
import { oneTimePages } from './api/one-time-pages.ts'
import { outgoing } from './api/outgoing.ts'
import { answerProblem, onError, Refusal } from './api/problems.ts'
import { secureTokens } from './api/secure-tokens.ts'
import { sendEmail } from './api/send-email.ts'
import { signIn } from './api/sign-in.ts'
import { site } from './api/site.ts'
import { siteLive } from './api/site-live.ts'
import { siteSettings } from './api/site-settings.ts'
import { stop } from './api/stop.ts'
import { unknownFields } from './api/unknown-fields.ts'
import { uploads } from './api/uploads.ts'
import { webChats } from './api/web-chats.ts'
import { problem } from './domain/problem.ts'

const BODY_BYTES = 1024 * 1024
/** Where attachments travel in JSON: 10 MB of them in base64, and the text. */
const WITH_ATTACHMENTS = /^\/api\/(?:v1\/drafts|v1\/messages\/outgoing|agents\/tools\/sendEmail)\b/i
const ATTACHMENT_BODY_BYTES = 15 * 1024 * 1024
/** A form of these is counted while it is read (api/uploads.ts): here one without a length would be held in memory first. */
const UPLOADS = /^\/api\/v1\/(?:chat\/)?attachments\/?$/i
const isForm = (c: Context) => /^multipart\/form-data\b/i.test(c.req.header('content-type') ?? '')

const base = new OpenAPIHono<Access>({ strict: false })
base.use(requestId({ headerName: 'x-request-id', limitLength: 64 }))
// The chat's page stands in frames of other pages, and says itself in which (api/chat-pages.ts).
const [secure, framed] = [
  secureHeaders(),
  secureHeaders({ xFrameOptions: false, crossOriginResourcePolicy: 'cross-origin' }),
]
base.use((c, next) => (c.req.path.startsWith('/chat/') ? framed : secure)(c, next))
const limited = (maxSize: number) =>
  bodyLimit({
    maxSize,
    onError: () => {
      throw new Refusal('too_large')
    },
  })
const [ordinary, large] = [limited(BODY_BYTES), limited(ATTACHMENT_BODY_BYTES)]
// Programs name a type for the body they do not send; a body that is not there is no JSON and no mistake.
base.use((c, next) => {
  if (c.req.raw.body === null && c.req.header('content-type')) {
    const headers = new Headers(c.req.raw.headers)
    headers.delete('content-type')
    c.req.raw = new Request(c.req.raw, { headers })
  }
  return next()
})
base.use((c, next) => {
  if (UPLOADS.test(c.req.path) && isForm(c)) return next()
  return (WITH_ATTACHMENTS.test(c.req.path) ? large : ordinary)(c, next)
})
// What a widget asks comes from other origins. No cookie goes along, and on which pages a chat may stand is looked at behind this.
const fromAnywhere = cors({
  origin: '*',
  allowHeaders: ['authorization', 'content-type'],
  allowMethods: ['GET', 'POST', 'PUT'],
  exposeHeaders: ['retry-after', 'x-request-id'],
  maxAge: 7200,
})
base.use('/api/v1/chat/*', fromAnywhere)
base.use('/api/v1/web-chats/:id/sessions', fromAnywhere)
base.use('/api/v1/*', access)
base.use('/api/v1/*', idempotency)
base.use('/api/v1/*', unknownFields(base))
base.onError(onError)
base.notFound(c => answerProblem(c, problem('not_found', 'There is nothing at this address.')))
base.openAPIRegistry.registerComponent('securitySchemes', 'ApiKey', {
  type: 'apiKey',
  in: 'header',
  name: 'Authorization',
  description: '`Authorization: Api-Key <key>`; `Bearer <key>` and the header `x-api-key` are taken too.',
})
base.openAPIRegistry.registerComponent('securitySchemes', 'Visitor', {
  type: 'http',
  scheme: 'bearer',
  description:
    'The token of a visitor of a web chat, `ct_…`: `POST /api/v1/web-chats/{id}/sessions` gives it.',
})
base.get('/openapi.json', c => c.json(documentOf(base)))

export const app = base
  .get('/', c => c.text('Edgedesk runs.\n\nThe API is described at /docs, its health is at /health.\n'))
  .route('/api/v1/health', health)
  .route('/health', health)
  .route('/api/v1/conversations', conversations)
  .route('/api/v1/conversations', forward)
  .route('/api/v1/conversations', live)
  .route('/api/v1/email-providers', emailProviders)
  .route('/api/v1/emails', emails)
  .route('/api/v1/inboxes', inboxes)
  .route('/api/v1/inboxes', history)
  .route('/api/v1/messages/outgoing', outgoing)
  .route('/api/v1/messages', messages)
  .route('/api/v1/attachments', uploads)
  .route('/api/v1/web-chats', webChats)
  .route('/api/v1/web-chats', chatSessions)
  .route('/api/v1/chat', chat)
  .route('/api/v1/drafts', drafts)
  .route('/api/v1/me', me)
  .route('/api/v1/members', members)
  .route('/api/v1/invitations', invitations)
  .route('/api/v1/api-keys', apiKeys)
  .route('/api/v1/audit-log', auditLog)
  .route('/api/v1/assistants', assistants)
  .route('/api/v1/assistants', replyWebhooks)
  .route('/api/v1/articles', articles)
  .route('/api/v1/endpoints', endpoints)
  .route('/api/v1/site', site)
  .route('/api/v1/ws', siteLive)
  .route('/api/v1/contacts', contacts)
  .route('/api/secure-tokens', secureTokens)
  .route('/api/sites', siteSettings)
  .route('/api/agents/email', emailCheck)
  .route('/api/agents/tools', sendEmail)
  .route('/api/auth', signIn)
  .route('/', oneTimePages)
  .route('/', chatPages)
  .route('/stop', stop)
  .route('/docs', docs)
  .route('/files', files)
  .route('/hooks', hooks)

export type App = typeof app
