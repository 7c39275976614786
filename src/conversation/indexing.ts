/** The words of a conversation are copied into the search, as its rows are into D1: whatever is others than they were, together. */
import type { Message } from '../domain/conversation.ts'
import { log } from '../log.ts'
import { indexMessages } from '../store/search.ts'
import type { Memory } from './memory.ts'

/** Indexed together. */
const SOME = 200
/** What is said in one breath is indexed together, a question with the answer that is just made. */
const WAIT_MS = 2_000
const WAIT_MOST_MS = 60_000

/** When the words are copied. Should this life of the object end before, its alarm comes back to it. */
export class Indexing {
  running: Promise<void> | null = null
  #soon: ReturnType<typeof setTimeout> | null = null
  readonly #search: D1Database
  readonly #memory: Memory
  readonly #over: () => void

  /** @param over called when it was tried, whatever came of it */
  constructor(search: D1Database, memory: Memory, over: () => void) {
    this.#search = search
    this.#memory = memory
    this.#over = over
  }

  later(since = Date.now()): void {
    if (this.#soon || this.running || !this.isOwed()) return
    this.#soon = setTimeout(() => {
      this.#soon = null
      if (!this.isOwed()) return
      const at = Date.now()
      if (this.#isBusy(at) && at - since < WAIT_MOST_MS) return this.later(since)
      this.running = index(this.#search, this.#memory)
        .catch(error => log('indexing_failed', { conversation: this.#memory.state()?.id }, error))
        .finally(() => {
          this.running = null
          this.#over()
        })
    }, WAIT_MS)
  }

  /** What is on its way to another conversation is indexed there. */
  isOwed(): boolean {
    const state = this.#memory.state()
    return state !== null && state.movedTo === undefined && this.#memory.hasUnindexed()
  }

  #isBusy(at: number): boolean {
    return this.#memory.effects().some(owed => owed.dueAt <= at)
  }
}

/** @throws where SEARCH is away; what is not there is written the next time. */
async function index(search: D1Database, memory: Memory): Promise<void> {
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
