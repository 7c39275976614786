/**
 * Those outside are told what happened, by the endpoints that their site has, one call after another in the order it happened. What was
 * noted stays until every endpoint has it in its own store; from there on its delivery is the endpoint's.
 */
import type { ConversationState } from '../domain/conversation.ts'
import type { Happened } from '../domain/occurrences.ts'
import { settings } from '../env.ts'
import { contactById } from '../store/contacts.ts'
import { copiedConversation, copiedRow } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { endpointsFor } from '../store/endpoints.ts'
import { derivedId } from '../store/ids.ts'
import { type InboxRow, inboxById } from '../store/inboxes.ts'
import { conversationJson } from '../wire/conversation.ts'
import { messageJson } from '../wire/message.ts'
import type { Memory, Noted } from './memory.ts'

/** Told together. */
const SOME = 50

export function noted(state: ConversationState, happened: readonly Happened[], at: number): Noted[] {
  const conversation = copiedConversation(state, null)
  return happened.map(({ type, message }) => ({
    ...{ type, at, conversation },
    message: message && copiedRow(state.siteId, state.id, message),
  }))
}

/** @throws where an endpoint could not be told; all are told again then, and know what they have. The others are told at once. */
export async function tell(env: Env, memory: Memory): Promise<void> {
  const failed = new Map<string, unknown>()
  for (let after = 0; ; ) {
    const some = memory.untold(after, SOME)
    const last = some.at(-1)
    if (!last) break
    await tellThese(env, some, failed)
    if (failed.size === 0) memory.told(last.n)
    after = last.n
  }
  if (failed.size > 0) throw new AggregateError(failed.values(), 'an endpoint could not be told')
}

/** @param failed endpoints that missed something before this, by name: they are told nothing that came after it */
async function tellThese(
  env: Env,
  some: readonly (Noted & { n: number })[],
  failed: Map<string, unknown>,
): Promise<void> {
  const { siteId, inboxId, contactId } = some[0]!.conversation
  const d1 = db(env.DB)
  const { inbox, endpoints } = await listeners(env, siteId, inboxId)
  if (endpoints.length === 0) return
  const contact = await contactById(d1, siteId, contactId)
  // Erased meanwhile: there is nothing to tell of anybody.
  if (!contact) return
  const { PUBLIC_URL } = settings(env)
  const occurrences = await Promise.all(
    some.map(async ({ n, type, at, conversation, message }) => ({
      id: await derivedId(at, 'occurrence', siteId, conversation.id, String(n)),
      ...{ type, at, inboxId, seq: n, conversationId: conversation.id },
      data: JSON.stringify(
        message
          ? messageJson(message, PUBLIC_URL)
          : conversationJson({ conversation, contact }, inbox, undefined, at, PUBLIC_URL),
      ),
    })),
  )
  await Promise.all(
    endpoints
      .filter(({ name }) => !failed.has(name))
      .map(async ({ name, config }) => {
        try {
          await env.ENDPOINT.getByName(name).take(config, occurrences)
        } catch (error) {
          failed.set(name, error)
        }
      }),
  )
}

interface Listeners {
  inbox: InboxRow | undefined
  endpoints: Awaited<ReturnType<typeof endpointsFor>>
}

/** Where mails come by the hundred, D1 is not asked for each of them who listens: what it said a moment ago still holds. */
const FRESH_MS = 1_000
const heard = new Map<string, { at: number; said: Listeners }>()

async function listeners(env: Env, siteId: string, inboxId: string): Promise<Listeners> {
  const key = `${siteId}/${inboxId}`
  const known = heard.get(key)
  if (known && Date.now() - known.at < FRESH_MS) return known.said
  for (const [name, { at }] of heard) if (Date.now() - at >= FRESH_MS) heard.delete(name)
  const at = Date.now()
  const inbox = await inboxById(db(env.DB), siteId, inboxId)
  const endpoints = await endpointsFor(env.DB, env, siteId, inboxId, inbox?.assistantId ?? null)
  // What was said, and not the asking of it: no object may wait for what another one asks.
  heard.set(key, { at, said: { inbox, endpoints } })
  return { inbox, endpoints }
}
