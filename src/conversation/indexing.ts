/** The words of a conversation are copied into the search, as its rows are into D1: whatever is others than they were, together. */
import type { Message } from '../domain/conversation.ts'
import { indexMessages } from '../store/search.ts'
import type { Memory } from './memory.ts'

/** Indexed together. */
const SOME = 200

/** @throws where SEARCH is away; what is not there is written the next time. */
export async function index(search: D1Database, memory: Memory): Promise<void> {
  for (;;) {
    const state = memory.state()
    const some = state ? memory.unindexed(SOME) : []
    if (!state || some.length === 0) return
    const { siteId, inboxId, id: conversationId } = state
    const messages = some.map(one => ({ id: one.id, createdAt: one.createdAt, text: textOf(one) }))
    await indexMessages(search, { siteId, inboxId, conversationId, messages })
    if (memory.state()) memory.indexed(some)
  }
}

/** Whether a message is found by other words than before; `before` null where it is new. */
export function wordsChange(before: Message | null, now: Message): boolean {
  return before === null ? textOf(now) !== '' : textOf(before) !== textOf(now)
}

function textOf({ content, details: { subject = '', attachments = [] } }: Message): string {
  return [subject, content, ...attachments.map(one => one.filename)].filter(Boolean).join('\n')
}
