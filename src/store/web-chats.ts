/** Web chats: inboxes whose messages come by the API. Each assistant is made with one. */
import { and, asc, eq, sql } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { type InboxRow, WebChatSettings } from './inboxes.ts'
import { inboxes } from './schema.ts'

export function newWebChat(
  about: { id: string; siteId: string; assistantId: string | null; name: string; at: number },
  settings: Partial<WebChatSettings> = {},
): typeof inboxes.$inferInsert {
  const { id, siteId, assistantId, name, at } = about
  return {
    ...{ id, siteId, assistantId, name },
    ...{ channelType: 'web', address: '', state: 'connected', verifiedAt: at, createdAt: at },
    settings: JSON.stringify(WebChatSettings.parse(settings)),
  }
}

export async function addWebChat(db: Db, row: typeof inboxes.$inferInsert): Promise<void> {
  await steady(() => db.insert(inboxes).values(row).onConflictDoNothing())
}

export async function webChatById(db: Db, siteId: string, id: string): Promise<InboxRow | undefined> {
  return steady(() => db.select().from(inboxes).where(theOne(siteId, id)).get())
}

/** A page names a chat by its id alone, which is one of a kind; its row says of which site it is. */
export async function webChatOfAnySite(db: Db, id: string): Promise<InboxRow | undefined> {
  return steady(() =>
    db
      .select()
      .from(inboxes)
      .where(and(eq(inboxes.id, id), eq(inboxes.channelType, 'web')))
      .get(),
  )
}

/** Of each of these assistants, the first web chat it answers in. */
export async function webChatsOf(
  db: Db,
  siteId: string,
  assistantIds: readonly string[],
): Promise<Map<string, string>> {
  const rows = await steady(() =>
    db
      .select({ id: inboxes.id, assistantId: inboxes.assistantId })
      .from(inboxes)
      .where(
        and(
          eq(inboxes.siteId, siteId),
          eq(inboxes.channelType, 'web'),
          sql`${inboxes.assistantId} IN (SELECT value FROM json_each(${JSON.stringify(assistantIds)}))`,
        ),
      )
      .orderBy(asc(inboxes.id)),
  )
  const first = new Map<string, string>()
  for (const { id, assistantId } of rows)
    if (assistantId && !first.has(assistantId)) first.set(assistantId, id)
  return first
}

export async function changeWebChat(
  db: Db,
  siteId: string,
  id: string,
  change: Partial<Pick<InboxRow, 'name' | 'assistantId' | 'paused' | 'settings'>>,
): Promise<void> {
  await steady(() =>
    db
      .update(inboxes)
      .set({ ...change, version: sql`${inboxes.version} + 1` })
      .where(theOne(siteId, id)),
  )
}

/** Its conversations stay. */
export async function removeWebChat(db: Db, siteId: string, id: string): Promise<void> {
  await steady(() => db.delete(inboxes).where(theOne(siteId, id)))
}

function theOne(siteId: string, id: string) {
  return and(eq(inboxes.siteId, siteId), eq(inboxes.id, id), eq(inboxes.channelType, 'web'))
}
