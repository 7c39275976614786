/** The audit log: who changed what and when. */
import { and, desc, eq, lt } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { auditLog } from './schema.ts'

export type AuditEntry = typeof auditLog.$inferSelect

export async function addAuditEntry(db: Db, entry: AuditEntry): Promise<void> {
  await steady(() => db.insert(auditLog).values(entry).onConflictDoNothing())
}

/** The newest first, from just before one; of one actor or one target, for which the rows read are those of the page. */
export async function auditEntriesBefore(
  db: Db,
  siteId: string,
  by: { actor: string } | { target: string } | null,
  id: string | null,
  limit: number,
): Promise<AuditEntry[]> {
  return steady(() =>
    db
      .select()
      .from(auditLog)
      .where(
        and(
          eq(auditLog.siteId, siteId),
          by === null
            ? undefined
            : 'actor' in by
              ? eq(auditLog.actorId, by.actor)
              : eq(auditLog.targetId, by.target),
          id === null ? undefined : lt(auditLog.id, id),
        ),
      )
      .orderBy(desc(auditLog.id))
      .limit(limit),
  )
}
