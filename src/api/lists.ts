/** Lists: `{items, next}` with an opaque cursor, at most 100 a page, and no totals. */
import { z } from '@hono/zod-openapi'
import { Refusal } from './problems.ts'

export const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(100)
  .default(50)
  .openapi({ description: 'How many items, at most 100.', example: 50 })

export const cursor = z
  .string()
  .max(500)
  .optional()
  .openapi({ description: 'The `next` of the page before.' })

export function listOf<T extends z.ZodType>(name: string, item: T) {
  return z
    .object({
      items: z.array(item),
      next: z
        .string()
        .nullable()
        .openapi({ description: 'Pass it as `cursor` for the next page; null on the last.' }),
    })
    .openapi(name)
}

/** A page of `limit` out of rows that were asked for with one more, and the cursor behind it; null on the last. */
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  positionOf: (row: Row) => readonly (string | number)[],
): { page: Row[]; next: string | null } {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { page, next: rows.length > limit && last ? writeCursor(positionOf(last)) : null }
}

function writeCursor(position: readonly (string | number)[]): string {
  return btoa(JSON.stringify(position)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** @throws Refusal where the cursor is not one of ours for this list. */
export function readCursor<T>(text: string | undefined, shape: z.ZodType<T>): T | null {
  if (text === undefined || text === '') return null
  try {
    return shape.parse(JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/'))))
  } catch {
    throw new Refusal('invalid_field', 'This cursor is not one that this list gave out.', 'cursor')
  }
}
