/** The words of a conversation are copied into the search, as its rows are into D1: whatever changed since the last time, together. */
import type { Message } from '../domain/conversation.ts'
import { indexMessages } from '../store/search.ts'
import type { Memory } from './memory.ts'

/** @throws where SEARCH is away; what is not there is written the next time. */
export async function index(search: D1Database, memory: Memory): Promise<void> {
  const { siteId, inboxId, id, seq } = memory.state()!
  const messages = memory.changedSince(memory.indexed()).map(one => ({
    ...{ id: one.id, createdAt: one.createdAt },
    text: textOf(one),
  }))
  await indexMessages(search, { siteId, inboxId, conversationId: id, messages })
  if (memory.state()) memory.setIndexed(seq)
}

function textOf({ content, details: { subject = '', attachments = [] } }: Message): string {
  return [subject, content, ...attachments.map(one => one.filename)].join('\n')
}
