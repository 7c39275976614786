/**
 * Conversations and messages as D1 lists them: copies, written by their objects, guarded by `seq` so that an older copy never
 * overwrites a newer one.
 */
import { and, desc, eq, gt, inArray, lte, sql } from 'drizzle-orm'
import type { ConversationState, Details, Message } from '../domain/conversation.ts'
import { idKey } from '../domain/thread.ts'
import { type Db, steady } from './db.ts'
import { contacts, conversations, messages } from './schema.ts'

/** Above this many characters the copy in D1 is cut; the whole is with the object. */
export const COPY_CHARS = 8_000

export async function project(
  d1: D1Database,
  state: ConversationState,
  changed: readonly Message[],
  nextDueAt: number | null,
): Promise<void> {
  const last = state.lastMessage
  const statements = [
    d1
      .prepare(
        `INSERT INTO conversations (site_id, id, inbox_id, contact_id, title, status, owner, auto_reply_enabled, linked_to,
           unread_count, last_read_at, last_message_id, last_message_at, next_due_at, seq, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         ON CONFLICT (site_id, id) DO UPDATE SET title = excluded.title, status = excluded.status, owner = excluded.owner,
           auto_reply_enabled = excluded.auto_reply_enabled, unread_count = excluded.unread_count,
           last_read_at = excluded.last_read_at, last_message_id = excluded.last_message_id,
           last_message_at = excluded.last_message_at, next_due_at = excluded.next_due_at, seq = excluded.seq
         WHERE conversations.seq <= excluded.seq`,
      )
      .bind(
        state.siteId,
        state.id,
        state.inboxId,
        state.contact.id,
        state.title,
        state.status,
        state.owner,
        state.autoReplyEnabled ? 1 : 0,
        state.linkedTo,
        state.unread,
        state.lastReadAt,
        last?.id ?? null,
        last?.at ?? state.createdAt,
        nextDueAt,
        state.seq,
        state.createdAt,
      ),
    ...changed.map(message =>
      d1
        .prepare(
          `INSERT INTO messages (site_id, conversation_id, position, id, seq, direction, sender_kind, sender_id, sender_name,
             content, details, created_at)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
           ON CONFLICT (site_id, conversation_id, position) DO UPDATE SET seq = excluded.seq, content = excluded.content,
             details = excluded.details WHERE messages.seq < excluded.seq`,
        )
        .bind(
          state.siteId,
          state.id,
          message.position,
          message.id,
          message.seq,
          message.direction,
          message.sender.kind,
          message.sender.id,
          message.sender.name,
          message.content.slice(0, COPY_CHARS),
          JSON.stringify(copyOf(message)),
          message.createdAt,
        ),
    ),
  ]
  // The customer's reply may come before anything else does: our Message-ID and its reader are known first.
  for (const message of changed) {
    const rfcId =
      message.direction === 'outgoing' && message.sender.kind === 'assistant'
        ? message.details.mail?.rfcId
        : null
    if (!rfcId) continue
    statements.push(
      d1
        .prepare(
          `INSERT INTO message_ids (site_id, rfc_id, message_id, conversation_id, ours) VALUES (?1, ?2, ?3, ?4, 1)
           ON CONFLICT DO NOTHING`,
        )
        .bind(state.siteId, idKey(rfcId), message.id, state.id),
    )
  }
  await steady(() => d1.batch(statements))
}

/** `details` as D1 keeps it: without the long text, which the object has. */
export type CopiedDetails = Omit<Details, 'rest'> & { delivery?: Message['delivery'] }

function copyOf(message: Message): CopiedDetails {
  const { rest, ...details } = message.details
  const cut = details.cut || message.content.length > COPY_CHARS
  return { ...details, ...(cut ? { cut } : {}), ...(message.delivery ? { delivery: message.delivery } : {}) }
}

/** The newest activity first, keyset on (last message, id). A changed row may come again; an unchanged one comes once. */
export async function conversationsByActivity(
  db: Db,
  siteId: string,
  filter: { inboxId?: string },
  before: { at: number; id: string } | null,
  limit: number,
) {
  return steady(() =>
    db
      .select({ conversation: conversations, contact: contacts })
      .from(conversations)
      .innerJoin(
        contacts,
        and(eq(contacts.siteId, conversations.siteId), eq(contacts.id, conversations.contactId)),
      )
      .where(
        and(
          eq(conversations.siteId, siteId),
          filter.inboxId ? eq(conversations.inboxId, filter.inboxId) : undefined,
          // A row value, so that the index is entered at this place: as two conditions joined by OR it is read from its beginning.
          before
            ? sql`(${conversations.lastMessageAt}, ${conversations.id}) < (${before.at}, ${before.id})`
            : undefined,
        ),
      )
      .orderBy(desc(conversations.lastMessageAt), desc(conversations.id))
      .limit(limit),
  )
}

export async function conversationById(db: Db, siteId: string, id: string) {
  return steady(() =>
    db
      .select({ conversation: conversations, contact: contacts })
      .from(conversations)
      .innerJoin(
        contacts,
        and(eq(contacts.siteId, conversations.siteId), eq(contacts.id, conversations.contactId)),
      )
      .where(and(eq(conversations.siteId, siteId), eq(conversations.id, id)))
      .get(),
  )
}

/** Messages of one conversation in their order, from just after `position`. */
export async function messagesOf(
  db: Db,
  siteId: string,
  conversationId: string,
  after: number,
  limit: number,
) {
  return steady(() =>
    db
      .select()
      .from(messages)
      .where(
        and(
          eq(messages.siteId, siteId),
          eq(messages.conversationId, conversationId),
          gt(messages.position, after),
        ),
      )
      .orderBy(messages.position)
      .limit(limit),
  )
}

export async function messageById(db: Db, siteId: string, id: string) {
  return steady(() =>
    db
      .select()
      .from(messages)
      .where(and(eq(messages.siteId, siteId), eq(messages.id, id)))
      .get(),
  )
}

export async function messagesById(db: Db, siteId: string, ids: readonly string[]) {
  if (ids.length === 0) return []
  const rows = []
  // D1 takes 100 parameters a statement.
  for (let i = 0; i < ids.length; i += 90)
    rows.push(
      ...(await steady(() =>
        db
          .select()
          .from(messages)
          .where(and(eq(messages.siteId, siteId), inArray(messages.id, ids.slice(i, i + 90)))),
      )),
    )
  return rows
}

/** Conversations that should have woken by themselves and did not: for the watchdog, of all sites. */
export async function conversationsOverdue(db: Db, before: number, limit: number) {
  return steady(() =>
    db
      .select({ siteId: conversations.siteId, id: conversations.id })
      .from(conversations)
      .where(lte(conversations.nextDueAt, before))
      .limit(limit),
  )
}
