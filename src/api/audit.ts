/** What the audit log says of a request that changed something. Written in one place, behind `access`; a handler may add to it. */
import type { Context } from 'hono'
import { log } from '../log.ts'
import { addAuditEntry } from '../store/audit.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import type { Access } from './access.ts'

/** A field's values before and after; only of what is neither secret nor somebody's text. */
export type Changes = Record<string, { from?: unknown; to?: unknown }>

export interface Audited {
  targetId?: string
  changes?: Changes
}

/** Adds to the entry of this request. */
export function audited(c: Context<Access>, about: Audited): void {
  c.set('audited', { ...c.get('audited'), ...about })
}

/** Fields that differ. @param named of which only that they do is told */
export function changesOf<T extends object>(
  before: T,
  after: T,
  fields: readonly (keyof T & string)[],
  named: readonly (keyof T & string)[] = [],
): Changes {
  return Object.fromEntries(
    [...fields, ...named]
      .filter(field => JSON.stringify(before[field]) !== JSON.stringify(after[field]))
      .map(field => [field, named.includes(field) ? {} : { from: before[field], to: after[field] }]),
  )
}

/** Nothing, where a handler found that nothing changed. Never fails the request: what was done is done. */
export async function writeAudit(c: Context<Access>, action: string): Promise<void> {
  const who = c.get('who')
  try {
    const told = c.get('audited')
    if (told?.changes && Object.keys(told.changes).length === 0) return
    const at = Date.now()
    await addAuditEntry(db(c.env.DB), {
      id: newId(at),
      siteId: c.get('siteId'),
      actorKind: who.kind,
      actorId: who.id,
      actorName: who.name,
      action,
      targetId: told?.targetId ?? (await targetOf(c)),
      changes: JSON.stringify(told?.changes ?? (await fieldsOf(c))),
      requestId: c.get('requestId'),
      at,
    })
  } catch (error) {
    log('audit_failed', { requestId: c.get('requestId'), action }, error)
  }
}

/** The id in the path, or of what was made. */
async function targetOf(c: Context<Access>): Promise<string> {
  const { id, site_id } = c.req.param() as Record<string, string | undefined>
  if (id ?? site_id) return (id ?? site_id)!
  if (!c.res.headers.get('content-type')?.includes('json')) return ''
  const answer = (await c.res.clone().json()) as { id?: unknown } | null
  return typeof answer?.id === 'string' ? answer.id : ''
}

/** Names of the fields that were sent, without their values. */
async function fieldsOf(c: Context<Access>): Promise<Changes> {
  // What the handler has read is kept by Hono; what it has not is not looked at.
  if (!('json' in c.req.bodyCache) && !('text' in c.req.bodyCache)) return {}
  const body = (await c.req.json().catch(() => null)) as unknown
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return {}
  return Object.fromEntries(Object.keys(body).map(name => [name, {}]))
}
