/**
 * What a route takes its schemas say, and they refuse the rest by name. A route that takes no query, or no body, has no schema to say so:
 * that is said here, for all of them.
 */
import type { OpenAPIHono } from '@hono/zod-openapi'
import { createMiddleware } from 'hono/factory'
import { type Access, routeOf, rowOf } from './access.ts'
import { Refusal } from './problems.ts'

/** Longer than any body that is sent where none is taken; what is longer is not looked at. */
const BODY_BYTES = 64 * 1024

export function unknownFields(base: OpenAPIHono<Access>) {
  // Complete once all routes are there.
  let taking: { query: ReadonlySet<string>; body: ReadonlySet<string> } | undefined
  return createMiddleware<Access>(async (c, next) => {
    const route = routeOf(c)
    // Where nobody was asked for, it is a monitor's own business what it adds.
    if (route === null || !c.get('who')) return next()
    taking ??= { query: rowsWith(base, 'query'), body: rowsWith(base, 'body') }
    const [asked] = new URL(c.req.url).searchParams.keys()
    if (asked !== undefined && !taking.query.has(route)) throw unknown(asked)
    const named = taking.body.has(route) ? undefined : await firstName(c.req.raw)
    if (named !== undefined) throw unknown(named)
    return next()
  })
}

function rowsWith(base: OpenAPIHono<Access>, what: 'query' | 'body'): Set<string> {
  return new Set(
    base.openAPIRegistry.definitions.flatMap(one =>
      one.type === 'route' && one.route.request?.[what] ? [rowOf(one.route.method, one.route.path)] : [],
    ),
  )
}

/** Of a JSON object; programs send `{}` and less where there is nothing to say. */
async function firstName(request: Request): Promise<string | undefined> {
  if (request.body === null || Number(request.headers.get('content-length') ?? BODY_BYTES) > BODY_BYTES)
    return
  try {
    const body: unknown = await request.clone().json()
    return typeof body === 'object' && body !== null ? Object.keys(body)[0] : undefined
  } catch {
    return
  }
}

function unknown(name: string): Refusal {
  return new Refusal('unknown_field', `"${name}" is not a field of this request.`, name)
}
