/**
 * Conversations and messages as D1 lists them: copies, written by their objects, guarded by `seq` so that an older copy never
 * overwrites a newer one.
 */
import { and, asc, desc, eq, gt, inArray, lte, ne, type SQL, sql } from 'drizzle-orm'
import { normaliseAddress } from '../domain/address.ts'
import type { ConversationState, Details, Message, Status } from '../domain/conversation.ts'
import { idKey } from '../domain/thread.ts'
import { type Db, steady } from './db.ts'
import { contacts, conversations, messages } from './schema.ts'

/** Above this many characters the copy in D1 is cut; the whole is with the object. */
export const COPY_CHARS = 8_000

export async function project(
  d1: Pick<D1Database, 'prepare' | 'batch'>,
  state: ConversationState,
  changed: readonly Message[],
  nextDueAt: number | null,
): Promise<void> {
  const copy = copiedConversation(state, nextDueAt)
  const statements = [
    ...(placesChange(state, changed)
      ? [
          d1
            .prepare(
              `DELETE FROM messages WHERE (site_id, id) IN (SELECT ?1, value ->> 0 FROM json_each(?2))
         AND (conversation_id, position) NOT IN (SELECT ?3, value ->> 1 FROM json_each(?2) WHERE value ->> 0 = messages.id)`,
            )
            .bind(state.siteId, JSON.stringify(changed.map(one => [one.id, one.position])), state.id),
        ]
      : []),
    d1
      .prepare(
        `INSERT INTO conversations (site_id, id, inbox_id, contact_id, title, status, owner, auto_reply_enabled, linked_to,
           unread_count, last_read_at, last_message_id, last_message_at, next_due_at, seq, created_at,
           snoozed_until, priority, assignee_id, labels)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
         ON CONFLICT (site_id, id) DO UPDATE SET contact_id = excluded.contact_id, title = excluded.title, status = excluded.status, owner = excluded.owner,
           auto_reply_enabled = excluded.auto_reply_enabled, unread_count = excluded.unread_count,
           last_read_at = excluded.last_read_at, last_message_id = excluded.last_message_id,
           last_message_at = excluded.last_message_at, next_due_at = excluded.next_due_at, seq = excluded.seq,
           snoozed_until = excluded.snoozed_until, priority = excluded.priority, assignee_id = excluded.assignee_id,
           labels = excluded.labels
         WHERE conversations.seq <= excluded.seq`,
      )
      .bind(...COLUMNS.map(column => copy[column])),
    ...inChunks(changed.map(message => copiedRow(state.siteId, state.id, message))).map(rows =>
      d1
        .prepare(
          `INSERT INTO messages (site_id, conversation_id, position, id, seq, direction, sender_kind, sender_id, sender_name,
             content, details, created_at)
           SELECT ?1, ?2, value ->> '$.position', value ->> '$.id', value ->> '$.seq', value ->> '$.direction',
             value ->> '$.senderKind', value ->> '$.senderId', value ->> '$.senderName', value ->> '$.content',
             value ->> '$.details', value ->> '$.createdAt'
           FROM json_each(?3) WHERE true
           ON CONFLICT (site_id, conversation_id, position) DO UPDATE SET seq = excluded.seq, content = excluded.content,
             details = excluded.details, sender_id = excluded.sender_id, sender_name = excluded.sender_name
           WHERE messages.seq < excluded.seq`,
        )
        .bind(state.siteId, state.id, rows),
    ),
  ]
  // The customer's reply may come before anything else does: our Message-IDs and their readers are known first.
  const ours = changed.filter(message => message.direction === 'outgoing' && message.details.mail?.rfcId)
  if (ours.length > 0) {
    const written = ours.filter(message => message.details.by)
    statements.push(
      d1
        .prepare(
          `INSERT INTO participants (site_id, conversation_id, address)
           SELECT ?1, ${NOW_AT('?2')}, value FROM json_each(?3) WHERE true ON CONFLICT DO NOTHING`,
        )
        .bind(
          state.siteId,
          state.id,
          JSON.stringify(written.map(message => normaliseAddress(message.details.to ?? ''))),
        ),
      d1
        .prepare(
          `INSERT INTO message_ids (site_id, rfc_id, message_id, conversation_id, ours)
           SELECT ?1, value ->> 0, value ->> 1, ${NOW_AT('?2')}, 1 FROM json_each(?3) WHERE true ON CONFLICT DO NOTHING`,
        )
        .bind(
          state.siteId,
          state.id,
          JSON.stringify(ours.map(message => [idKey(message.details.mail!.rfcId!), message.id])),
        ),
    )
  }
  await steady(() => d1.batch(statements))
}

/** What comes from this address and cites a mail of ours in this conversation belongs to it. Safe to repeat. */
export async function takesPart(db: Db, siteId: string, id: string, address: string): Promise<void> {
  await steady(() =>
    db.run(sql`INSERT INTO participants (site_id, conversation_id, address)
      VALUES (${siteId}, ${id}, ${normaliseAddress(address)}) ON CONFLICT DO NOTHING`),
  )
}

/** D1 takes a parameter of 2 MB, and counts statements: after a merge there may be thousands of messages. */
const CHUNK_CHARS = 400_000

function inChunks(rows: readonly (typeof messages.$inferSelect)[]): string[] {
  const chunks: (typeof messages.$inferSelect)[][] = []
  let room = 0
  for (const row of rows) {
    const chars = row.content.length + row.details.length + 500
    if (chars > room) {
      chunks.push([])
      room = CHUNK_CHARS
    }
    room -= chars
    chunks.at(-1)!.push(row)
  }
  return chunks.map(chunk => JSON.stringify(chunk))
}

/** Messages take other places where conversations are merged, and where old mail is imported before them. */
function placesChange(state: ConversationState, changed: readonly Message[]): boolean {
  return state.absorbed !== undefined || changed.some(one => one.details.imported)
}

/** A copy may be on its way while the conversation becomes part of another one. */
const NOW_AT = (id: string) =>
  `coalesce((SELECT winner_id FROM merges WHERE site_id = ?1 AND loser_id = ${id}), ${id})`

/** Of a conversation that became part of another: its messages are copied there. */
export async function removeCopy(d1: D1Database, { siteId, id }: ConversationState): Promise<void> {
  await steady(() =>
    d1.prepare('DELETE FROM conversations WHERE site_id = ?1 AND id = ?2').bind(siteId, id).run(),
  )
}

export type ConversationCopy = typeof conversations.$inferSelect
export type MessageCopy = typeof messages.$inferSelect

/** In the order of the statement that writes them. */
const COLUMNS = [
  ...(['siteId', 'id', 'inboxId', 'contactId', 'title', 'status', 'owner', 'autoReplyEnabled'] as const),
  ...([
    'linkedTo',
    'unreadCount',
    'lastReadAt',
    'lastMessageId',
    'lastMessageAt',
    'nextDueAt',
    'seq',
  ] as const),
  ...(['createdAt', 'snoozedUntil', 'priority', 'assigneeId', 'labels'] as const),
] as const satisfies (keyof ConversationCopy)[]

/** A conversation of an object as its row in D1 would be. */
export function copiedConversation(state: ConversationState, nextDueAt: number | null): ConversationCopy {
  return {
    siteId: state.siteId,
    id: state.id,
    inboxId: state.inboxId,
    contactId: state.contact.id,
    title: state.title,
    status: state.status,
    owner: state.owner,
    autoReplyEnabled: state.autoReplyEnabled,
    linkedTo: state.linkedTo,
    unreadCount: state.unread,
    lastReadAt: state.lastReadAt,
    lastMessageId: state.lastMessage?.id ?? null,
    lastMessageAt: state.lastMessage?.at ?? state.createdAt,
    nextDueAt,
    seq: state.seq,
    createdAt: state.createdAt,
    snoozedUntil: state.snoozedUntil ?? null,
    priority: state.priority ?? null,
    assigneeId: state.assignee ?? null,
    labels: JSON.stringify(state.labels ?? []),
  }
}

/** `details` as D1 keeps it: without the long text, which the object has. */
export type CopiedDetails = Omit<Details, 'rest'> & { delivery?: Message['delivery'] }

function copyOf(message: Message): CopiedDetails {
  const { rest, ...details } = message.details
  const cut = details.cut || message.content.length > COPY_CHARS
  return { ...details, ...(cut ? { cut } : {}), ...(message.delivery ? { delivery: message.delivery } : {}) }
}

/** Not through the middle of a character that takes two. */
function cutTo(text: string, chars: number): string {
  const cut = text.slice(0, chars)
  return /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut
}

/** A message of the object as its row in D1 would be. */
export function copiedRow(siteId: string, conversationId: string, message: Message): MessageCopy {
  return {
    siteId,
    conversationId,
    position: message.position,
    id: message.id,
    seq: message.seq,
    direction: message.direction,
    senderKind: message.sender.kind,
    senderId: message.sender.id,
    senderName: message.sender.name,
    content: cutTo(message.content, COPY_CHARS),
    details: JSON.stringify(copyOf(message)),
    createdAt: message.createdAt,
  }
}

/** Drafts that wait for a person, the newest first, of conversations in these inboxes; null is all of them. */
export async function draftsWaiting(
  db: Db,
  siteId: string,
  inboxes: readonly string[] | null,
  before: { at: number; id: string } | null,
  limit: number,
) {
  // As the partial index of migration 0011 has it, so that only drafts are read.
  const isDraft = sql`json_extract(${messages.details}, '$.delivery.status') = 'draft'`
  const position = before
    ? sql`(${messages.createdAt}, ${messages.id}) < (${before.at}, ${before.id})`
    : undefined
  const visible =
    inboxes === null
      ? undefined
      : sql`EXISTS (SELECT 1 FROM conversations c WHERE c.site_id = ${siteId} AND c.id = ${messages.conversationId}
          AND c.inbox_id IN (SELECT value FROM json_each(${JSON.stringify(inboxes)})))`
  return steady(() =>
    db
      .select()
      .from(messages)
      .where(and(eq(messages.siteId, siteId), isDraft, visible, position))
      .orderBy(desc(messages.createdAt), desc(messages.id))
      .limit(limit),
  )
}

/** What a list may be narrowed to; there is an index for each of them that the API lets through together. */
export interface ConversationFilter {
  inboxId?: string | undefined
  contactId?: string | undefined
  status?: Status | undefined
  /** With `status`. */
  assigneeId?: string | undefined
}

/** The newest activity first, keyset on (last message, id). A changed row may come again; an unchanged one comes once. */
export async function conversationsByActivity(
  db: Db,
  siteId: string,
  filter: ConversationFilter,
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
          filter.contactId ? eq(conversations.contactId, filter.contactId) : undefined,
          filter.assigneeId ? eq(conversations.assigneeId, filter.assigneeId) : undefined,
          filter.status ? eq(conversations.status, filter.status) : undefined,
          // A row value, so that the index is entered at this place: as two conditions joined by OR it is read from its beginning.
          before
            ? sql`(${conversations.lastMessageAt}, ${conversations.id}) <= (${before.at}, ${justBefore(before.id)})`
            : undefined,
        ),
      )
      .orderBy(desc(conversations.lastMessageAt), desc(conversations.id))
      .limit(limit),
  )
}

/** Greater than every id before this one, and no id itself: `<` enters the index at the row it excludes, and reads it once more. */
function justBefore(id: string): string {
  return `${id.slice(0, -1)}${String.fromCharCode(id.charCodeAt(id.length - 1) - 1)}~`
}

/**
 * The same list of several inboxes at once. The recursion is a merge: its queue holds the next conversation of each inbox, the latest is
 * taken, and the one behind it in the same inbox takes its place. So a page reads its own rows and one for each inbox, whatever lies in
 * them; `inbox_id IN (…)` would read and sort them all.
 */
export async function conversationsAmong(
  db: Db,
  siteId: string,
  inboxIds: readonly string[],
  status: Status | undefined,
  before: { at: number; id: string } | null,
  limit: number,
) {
  if (inboxIds.length === 0) return []
  const standing = status === undefined ? sql`` : sql`AND n.status = ${status}`
  const next = (inbox: SQL, at: SQL, id: SQL) => sql`(
    SELECT n.id FROM conversations n
    WHERE n.site_id = ${siteId} AND n.inbox_id = ${inbox} ${standing} AND (n.last_message_at, n.id) < (${at}, ${id})
    ORDER BY n.last_message_at DESC, n.id DESC LIMIT 1)`
  const start = before ?? { at: Number.MAX_SAFE_INTEGER, id: '~' }
  const found = await steady(() =>
    db.all<{ id: string }>(sql`
      WITH RECURSIVE merged (at, id, inbox) AS (
        SELECT c.last_message_at, c.id, c.inbox_id FROM json_each(${JSON.stringify(inboxIds)}) asked
        CROSS JOIN conversations c
          ON c.site_id = ${siteId} AND c.id = ${next(sql`asked.value`, sql`${start.at}`, sql`${start.id}`)}
        UNION ALL
        SELECT c.last_message_at, c.id, c.inbox_id FROM merged m
        CROSS JOIN conversations c
          ON c.site_id = ${siteId} AND c.id = ${next(sql`m.inbox`, sql`m.at`, sql`m.id`)}
        ORDER BY 1 DESC, 2 DESC LIMIT ${limit}
      ) SELECT id FROM merged`),
  )
  return conversationsById(
    db,
    siteId,
    found.map(one => one.id),
  )
}

/** In the order of the ids. */
export async function conversationsById(db: Db, siteId: string, ids: readonly string[]) {
  if (ids.length === 0) return []
  // Asked for in no order, so that each is found by its key; sorted by the database, all of the site would be read.
  const rows = await steady(() =>
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
          inArray(conversations.id, sql`(SELECT value FROM json_each(${JSON.stringify(ids)}))`),
        ),
      ),
  )
  return rows.toSorted((a, b) => ids.indexOf(a.conversation.id) - ids.indexOf(b.conversation.id))
}

/** All of a site, by id, from just after one. */
export async function conversationIdsAfter(
  db: Db,
  siteId: string,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await steady(() =>
    db
      .select({ id: conversations.id })
      .from(conversations)
      .where(and(eq(conversations.siteId, siteId), gt(conversations.id, after)))
      .orderBy(asc(conversations.id))
      .limit(limit),
  )
  return rows.map(row => row.id)
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
  // As pairs, so that each is found by its key: beside the site alone, SQLite reads all of the site's messages for two ids or more.
  return steady(() =>
    db
      .select()
      .from(messages)
      .where(
        sql`(${messages.siteId}, ${messages.id}) IN (SELECT ${siteId}, value FROM json_each(${JSON.stringify(ids)}))`,
      ),
  )
}

/** The conversation of this inbox in which this contact was active last, of those that are not closed. */
export async function latestConversationWith(db: Db, siteId: string, inboxId: string, contactId: string) {
  const row = await steady(() =>
    db
      .select({ id: conversations.id })
      .from(conversations)
      .where(
        and(
          eq(conversations.siteId, siteId),
          eq(conversations.contactId, contactId),
          eq(conversations.inboxId, inboxId),
          ne(conversations.status, 'closed'),
        ),
      )
      .orderBy(desc(conversations.lastMessageAt), desc(conversations.id))
      .limit(1)
      .get(),
  )
  return row?.id ?? null
}

export async function closedAmong(
  d1: D1Database,
  siteId: string,
  ids: readonly string[],
): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const { results } = await steady(() =>
    d1
      .prepare(
        `SELECT c.id FROM json_each(?2) asked
         CROSS JOIN conversations c ON c.site_id = ?1 AND c.id = asked.value WHERE c.status = 'closed'`,
      )
      .bind(siteId, JSON.stringify(ids))
      .all<{ id: string }>(),
  )
  return new Set(results.map(row => row.id))
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
