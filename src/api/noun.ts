/** The Hono app that every noun starts from: a request that does not fit its schema becomes the one error shape. */
import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { Access } from './access.ts'
import { invalid, Refusal } from './problems.ts'

export function noun() {
  return new OpenAPIHono<Access>({
    strict: false,
    defaultHook: result => {
      if (result.success) return
      const why = invalid(result.error)
      throw new Refusal(why.code, why.message, why.field)
    },
  })
}

/** The request for one thing by its id. */
export const byId = { params: z.object({ id: z.string() }) }

/** A JSON body that must be there. */
export function jsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { required: true as const, content: { 'application/json': { schema } } }
}
