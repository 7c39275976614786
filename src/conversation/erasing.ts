/**
 * How a conversation is erased. Its own tables go in one turn, and what else there is because of it stays on a list that names nobody; then
 * the list is worked off. Whatever comes later finds nothing here, and torn down on the way the alarm goes on with the list.
 */
import type { ConversationState, Message } from '../domain/conversation.ts'
import { keysOf } from '../mailbox/keys.ts'
import { db } from '../store/db.ts'
import { endpointNames } from '../store/endpoints.ts'
import { forgetConversation, forgetMails } from '../store/erased.ts'
import { losersOf } from '../store/merges.ts'
import { forgetWords } from '../store/search.ts'

/** What a conversation leaves behind it. */
type Left =
  /** Rows of D1, its words in the search, and what webhooks have of it. */
  | { kind: 'rows'; of: string }
  /** Mail of ours in a mailbox. */
  | { kind: 'mails'; inboxId: string; ids: string[] }
  /** Objects of R2, by key, or all whose key begins so. */
  | { kind: 'objects'; keys: string[] }
  | { kind: 'objects_below'; prefix: string }
  /** A conversation that became part of it. */
  | { kind: 'part'; id: string }

/** R2 takes a thousand keys a call. */
const SOME = 1000

/** Writes the list; call in the turn that drops the tables. Safe to repeat. */
export function leaveBehind(
  sql: SqlStorage,
  siteId: string,
  ids: readonly string[],
  state: ConversationState | null,
  messages: readonly Message[],
): void {
  sql.exec('CREATE TABLE IF NOT EXISTS left_behind (n INTEGER PRIMARY KEY, what TEXT NOT NULL)')
  for (const left of estateOf(siteId, ids, state, messages))
    sql.exec('INSERT INTO left_behind (what) VALUES (?)', JSON.stringify(left))
}

export function leftBehind(sql: SqlStorage): boolean {
  return sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'left_behind'`).toArray().length > 0
}

function estateOf(
  siteId: string,
  ids: readonly string[],
  state: ConversationState | null,
  messages: readonly Message[],
): Left[] {
  const keys = messages.flatMap(message => keysOf(siteId, message))
  const ours = messages.filter(one => one.direction === 'outgoing')
  const sent = Map.groupBy(
    ours.filter(one => one.details.mail),
    one => one.details.mail!.inboxId,
  )
  return [
    ...ids.map(of => ({ kind: 'rows' as const, of })),
    ...[...sent].map(([inboxId, some]) => ({
      kind: 'mails' as const,
      inboxId,
      ids: some.map(one => one.id),
    })),
    ...Array.from({ length: Math.ceil(keys.length / SOME) }, (_, n) => ({
      kind: 'objects' as const,
      keys: keys.slice(n * SOME, (n + 1) * SOME),
    })),
    // What was attached to a draft before it was changed again lies beside what is attached now.
    ...ours
      .filter(one => one.details.edited)
      .map(one => ({ kind: 'objects_below' as const, prefix: `attachments/${siteId}/${one.id}` })),
    ...(state?.absorbed ?? []).map(id => ({ kind: 'part' as const, id })),
  ]
}

/** Works the list off. Safe to repeat. @throws where something of it is away. */
export async function clear(sql: SqlStorage, env: Env, siteId: string, id: string): Promise<void> {
  const all = sql
    .exec<{ n: number; what: string }>('SELECT n, what FROM left_behind ORDER BY n')
    .toArray()
    .map(({ n, what }) => ({ n, left: JSON.parse(what) as Left }))
  for (const { n, left } of all) {
    await cleared(left, env, siteId)
    sql.exec('DELETE FROM left_behind WHERE n = ?', n)
  }
  // What became part of it and has not arrived, or was not even told.
  for (const part of await losersOf(env.DB, siteId, id))
    await env.CONVERSATION.getByName(`${siteId}/${part}`).vanish()
}

async function cleared(left: Left, env: Env, siteId: string): Promise<void> {
  switch (left.kind) {
    case 'rows':
      await forgetConversation(env.DB, siteId, left.of, Date.now())
      await forgetWords(env.SEARCH, siteId, left.of)
      await env.SITE.getByName(siteId).gone({
        conversationId: left.of,
        seq: Number.MAX_SAFE_INTEGER,
        to: null,
      })
      return forgetDeliveries(env, siteId, left.of)
    case 'mails':
      return env.MAILBOX.getByName(`${siteId}/${left.inboxId}`).eraseMails(left.ids)
    case 'objects':
      return env.MAIL.delete(left.keys)
    case 'objects_below':
      return removeBelow(env.MAIL, left.prefix)
    case 'part':
      return env.CONVERSATION.getByName(`${siteId}/${left.id}`).vanish()
  }
}

/** What webhooks still owe of it, and what their logs have. */
async function forgetDeliveries(
  env: Env,
  siteId: string,
  conversation: string,
  messages?: readonly string[],
): Promise<void> {
  const names = await endpointNames(db(env.DB), siteId)
  const all = messages?.map(message => ({ conversation, message })) ?? [{ conversation }]
  await Promise.all(
    names.map(async name => {
      for (const which of all) await env.ENDPOINT.getByName(name).forget(which)
    }),
  )
}

/** What there is of single messages outside of their conversation. Safe to repeat. @throws where something of it is away. */
export async function clearMessages(
  env: Env,
  siteId: string,
  conversationId: string,
  messages: readonly Message[],
): Promise<void> {
  const keys = messages.flatMap(message => keysOf(siteId, message))
  for (let n = 0; n < keys.length; n += SOME) await env.MAIL.delete(keys.slice(n, n + SOME))
  const ids = messages.map(one => one.id)
  await forgetMails(env.DB, siteId, ids, Date.now())
  await forgetDeliveries(env, siteId, conversationId, ids)
}

async function removeBelow(bucket: R2Bucket, prefix: string): Promise<void> {
  for (;;) {
    const { objects } = await bucket.list({ prefix, limit: SOME })
    if (objects.length === 0) return
    await bucket.delete(objects.map(object => object.key))
  }
}
