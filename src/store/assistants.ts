/** Assistants of a site. What an assistant is set to is one JSON column; the key to its model is sealed in a column of its own. */
import { and, eq, gt } from 'drizzle-orm'
import { z } from 'zod'
import { scopePrefix } from './articles.ts'
import { type Db, steady } from './db.ts'
import { assistants, inboxes } from './schema.ts'
import type { Place } from './seal.ts'

export type AssistantRow = typeof assistants.$inferSelect

/** The most that an assistant may be told beforehand, in characters. */
export const MOST_INSTRUCTIONS = 20_000

/** `assistants.settings`. Defaults live here and nowhere else. */
export const AssistantSettings = z.object({
  v: z.literal(1).default(1),
  /** Picture, an https address. */
  avatar: z.string().nullable().default(null),
  /** As the model's server names it; empty for `knowledge`, which has none. */
  model: z.string().default(''),
  /** Where an OpenAI-compatible server is reached, up to and with `/v1`. */
  baseUrl: z.string().nullable().default(null),
  instructions: z.string().default(''),
  tone: z.string().default(''),
  /** IETF tags of the languages it answers in; empty is whichever the contact writes. */
  languages: z.array(z.string()).default([]),
  /** Where its answers are delivered (store/endpoints.ts). */
  replyWebhookUrl: z.string().nullable().default(null),
})
export type AssistantSettings = z.infer<typeof AssistantSettings>

/** @throws where `settings` is not what AssistantSettings describes. */
export function settingsOf(row: Pick<AssistantRow, 'settings'>): AssistantSettings {
  return AssistantSettings.parse(JSON.parse(row.settings))
}

/** Where the key to its model is sealed. */
export function apiKeyPlace(siteId: string, id: string): Place {
  return { site: siteId, table: 'assistants', column: 'api_key', row: id }
}

export async function assistantById(db: Db, siteId: string, id: string) {
  return steady(() => db.select().from(assistants).where(theOne(siteId, id)).get())
}

/** The oldest first, from just after one. */
export async function assistantsAfter(db: Db, siteId: string, after: string, limit: number) {
  return steady(() =>
    db
      .select()
      .from(assistants)
      .where(and(eq(assistants.siteId, siteId), gt(assistants.id, after)))
      .orderBy(assistants.id)
      .limit(limit),
  )
}

/** With the web chat that it answers in. */
export async function addAssistant(
  db: Db,
  row: AssistantRow,
  webChat: typeof inboxes.$inferInsert,
): Promise<void> {
  await steady(() =>
    db.batch([
      db.insert(assistants).values(row).onConflictDoNothing(),
      db.insert(inboxes).values(webChat).onConflictDoNothing(),
    ]),
  )
}

export async function changeAssistant(
  db: Db,
  siteId: string,
  id: string,
  change: Pick<AssistantRow, 'name' | 'kind' | 'settings' | 'apiKey'>,
): Promise<void> {
  await steady(() => db.update(assistants).set(change).where(theOne(siteId, id)))
}

/** Names of the e-mail inboxes that it answers. */
export async function inboxesAnsweredBy(db: Db, siteId: string, id: string): Promise<string[]> {
  const rows = await steady(() =>
    db
      .select({ name: inboxes.name })
      .from(inboxes)
      .where(and(eq(inboxes.siteId, siteId), eq(inboxes.assistantId, id), eq(inboxes.channelType, 'email')))
      .limit(10),
  )
  return rows.map(row => row.name)
}

/** With its articles and web chats. False where an e-mail inbox is answered by it: asked in the same turn, so that none is bound meanwhile. */
export async function removeAssistant(
  d1: D1Database,
  search: D1Database,
  siteId: string,
  id: string,
): Promise<boolean> {
  const unused = `NOT EXISTS (SELECT 1 FROM inboxes WHERE site_id = ?1 AND assistant_id = ?2 AND channel_type <> 'web')`
  const [, , removed] = await steady(() =>
    d1.batch([
      d1
        .prepare(`DELETE FROM articles WHERE site_id = ?1 AND assistant_id = ?2 AND ${unused}`)
        .bind(siteId, id),
      d1
        .prepare(
          `DELETE FROM inboxes WHERE site_id = ?1 AND assistant_id = ?2 AND channel_type = 'web' AND ${unused}`,
        )
        .bind(siteId, id),
      d1.prepare(`DELETE FROM assistants WHERE site_id = ?1 AND id = ?2 AND ${unused}`).bind(siteId, id),
    ]),
  )
  if (removed!.meta.changes === 0) return false
  // Words without their article are found and then not there; left behind by a failure here they only cost a little room.
  await steady(() =>
    search
      .prepare(
        `DELETE FROM article_words WHERE rowid IN (SELECT rowid FROM article_words WHERE article_words MATCH ?1)`,
      )
      .bind(`scope : ${scopePrefix(siteId, id)}*`)
      .run(),
  )
  return true
}

function theOne(siteId: string, id: string) {
  return and(eq(assistants.siteId, siteId), eq(assistants.id, id))
}
