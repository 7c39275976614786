/**
 * How seed 001's paths answer: `{success, …}`, errors as `{success: false, error: {code, message, details?}}` with that API's own codes,
 * and fields that nobody knows are ignored. Everything behind them is the same as under `/api/v1`.
 */
import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type ProblemCode, problem, statusOf } from '../domain/problem.ts'
import { log } from '../log.ts'
import { type Access, access } from './access.ts'
import { invalid, Refusal } from './problems.ts'

/** code → HTTP status. */
const CODES = {
  INVALID_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  SITE_CONFIG_NOT_FOUND: 404,
  EMAIL_CONFIG_NOT_FOUND: 404,
  CONFLICT: 409,
  EMAIL_NOT_CONFIGURED: 500,
  EMAIL_SEND_FAILED: 500,
  SYSTEM_ERROR: 500,
} as const
type AgentCode = keyof typeof CODES

/** Thrown by handlers behind these paths. */
export class AgentRefusal extends Error {
  override name = 'AgentRefusal'
  readonly code: AgentCode
  readonly said: string
  readonly details: Record<string, string> | undefined
  constructor(code: AgentCode, said: string, details?: Record<string, string>) {
    super(code)
    this.code = code
    this.said = said
    this.details = details
  }
}

export const AgentProblemSchema = z
  .object({
    success: z.literal(false),
    error: z.object({
      code: z.string().openapi({ example: 'INVALID_REQUEST' }),
      message: z.string(),
      details: z
        .record(z.string(), z.string())
        .optional()
        .openapi({ description: 'The field it is about, and our own code where there is one.' }),
    }),
  })
  .openapi('AgentProblem')

/** The error answers of a route, for its OpenAPI description; no key and a role that may not are always among them. */
export function agentRefusals(...codes: AgentCode[]) {
  const statuses = new Map<number, string[]>()
  for (const code of [...codes, 'INVALID_REQUEST', 'UNAUTHORIZED', 'FORBIDDEN', 'SYSTEM_ERROR'] as const)
    statuses.set(CODES[code], [...new Set([...(statuses.get(CODES[code]) ?? []), code])])
  return Object.fromEntries(
    [...statuses].map(([status, names]) => [
      status,
      { description: names.join(', '), content: { 'application/json': { schema: AgentProblemSchema } } },
    ]),
  )
}

/** The app that each of these paths starts from: the same keys, another way to answer. */
export function agentNoun() {
  const app = new OpenAPIHono<Access>({
    strict: false,
    defaultHook: result => {
      if (result.success) return
      const why = invalid(result.error)
      throw new Refusal(why.code, why.message, why.field)
    },
  })
  app.onError(onAgentError)
  app.use(access)
  return app
}

function onAgentError(error: Error, c: Context): Response {
  const { code, said, details } = asAgentRefusal(error, c)
  return c.json(
    { success: false, error: { code, message: said, ...(details ? { details } : {}) } },
    CODES[code] as ContentfulStatusCode,
  )
}

function asAgentRefusal(error: Error, c: Context): AgentRefusal {
  if (error instanceof AgentRefusal) return error
  if (error instanceof Refusal) {
    const { code, message, field } = error.problem
    return new AgentRefusal(agentCode(code), message, {
      code,
      ...(field ? { field: FIELDS[field] ?? field } : {}),
    })
  }
  if (error instanceof HTTPException && error.status === 400)
    return new AgentRefusal('INVALID_REQUEST', problem('bad_json').message, { code: 'bad_json' })
  log('request_failed', { requestId: c.get('requestId'), path: c.req.routePath }, error)
  return new AgentRefusal('SYSTEM_ERROR', problem('internal').message, { requestId: c.get('requestId') })
}

function agentCode(code: ProblemCode): AgentCode {
  const status = statusOf(code)
  if (status === 401) return 'UNAUTHORIZED'
  if (status === 403) return 'FORBIDDEN'
  if (status === 404) return 'NOT_FOUND'
  if (status === 409) return 'CONFLICT'
  return status < 500 ? 'INVALID_REQUEST' : 'SYSTEM_ERROR'
}

/** Fields of an inbox as these paths call them. */
const FIELDS: Record<string, string> = {
  address: 'email',
  imapHost: 'incomingServer',
  imapPort: 'incomingPort',
  imapSsl: 'tls',
  smtpHost: 'outgoingServer',
  smtpPort: 'outgoingPort',
  smtpTls: 'tls',
}

/** A site that is not the key's own is not there. */
export function mustBeOwnSite(c: Context<Access>, siteId: string | undefined): void {
  if (siteId !== undefined && siteId.trim().toLowerCase() !== c.get('siteId'))
    throw new AgentRefusal('SITE_CONFIG_NOT_FOUND', 'There is no site with that id.', { field: 'site_id' })
}
