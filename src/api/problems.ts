/** The one error shape on the wire, and where it is made: `{"error": {"code", "message", "field"?, "requestId"}}`. */

import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type Problem, type ProblemCode, problem, statusOf } from '../domain/problem.ts'
import { log } from '../log.ts'

/** Thrown by handlers; `onError` makes the answer. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly problem: Problem
  constructor(code: ProblemCode, message?: string, field?: string) {
    super(code)
    this.problem = problem(code, message, field)
  }
}

/** Who asks too often is told when to ask again. @throws Refusal */
export function tooOften(c: Context, seconds: number): never {
  c.header('retry-after', String(seconds))
  throw new Refusal('rate_limited')
}

/** Thrown where what was asked for stands at another address for ever: a merged conversation. */
export class Moved extends Error {
  override name = 'Moved'
  readonly to: string
  constructor(to: string) {
    super(to)
    this.to = to
  }
}

/** Of a route that may say so. */
export const moved = {
  308: { description: 'It became part of another conversation; `Location` says which.' },
} as const

export const ProblemSchema = z
  .object({
    error: z.object({
      code: z.string().openapi({ example: 'invalid_field' }),
      message: z.string().openapi({ description: 'A sentence a customer could read.' }),
      field: z.string().optional().openapi({ description: 'The field it is about, dotted.' }),
      requestId: z.string(),
    }),
  })
  .openapi('Problem')

interface Refused {
  description: string
  content: { 'application/json': { schema: typeof ProblemSchema } }
}

/**
 * The error answers a route may give, for its OpenAPI description. For the typed client every error of every route has the one shape: any
 * of them may be told that it asks too often, or that something broke.
 */
export function refusals(...codes: ProblemCode[]) {
  const statuses = new Map<number, string[]>()
  for (const code of codes) statuses.set(statusOf(code), [...(statuses.get(statusOf(code)) ?? []), code])
  return Object.fromEntries(
    [...statuses].map(([status, names]) => [
      status,
      { description: names.join(', '), content: { 'application/json': { schema: ProblemSchema } } },
    ]),
  ) as Record<'4XX' | '5XX', Refused>
}

export function answerProblem(c: Context, why: Problem): Response {
  const requestId = c.get('requestId') as string
  return c.json({ error: { ...why, requestId } }, statusOf(why.code) as ContentfulStatusCode)
}

export function onError(error: Error, c: Context): Response {
  if (error instanceof Moved) return c.redirect(error.to, 308)
  if (error instanceof Refusal) return answerProblem(c, error.problem)
  if (error instanceof HTTPException && error.status === 400) return answerProblem(c, problem('bad_json'))
  if (error instanceof HTTPException && error.status === 415) return answerProblem(c, problem('not_json'))
  log('request_failed', { requestId: c.get('requestId'), path: c.req.routePath }, error)
  return answerProblem(c, problem('internal'))
}

/** What zod found wrong with a request, as the first thing to mend. */
export function invalid(error: z.core.$ZodError): Problem {
  const issue = error.issues[0]!
  const field = issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined)
  if (issue.code === 'unrecognized_keys')
    return problem('unknown_field', `"${issue.keys[0]}" is not a field of this request.`, issue.keys[0])
  if (issue.code === 'invalid_type' && /received undefined/.test(issue.message))
    return problem('missing_field', `"${field}" is required.`, field)
  if (field === undefined)
    return problem('invalid_field', 'The body is not of the shape that this request takes.')
  return problem('invalid_field', `"${field}": ${issue.message}.`, field)
}
