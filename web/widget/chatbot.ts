/** `window.ChatBot`: what the host's page may ask of the chat, and hear of it. */
import type { Chat, Events } from './chat.ts'
import type { Identity } from './wire.ts'

export interface ChatBot {
  open(): void
  close(): void
  toggle(): void
  /** An address that the page knows and nobody has proved. */
  setEmail(email: string): void
  /** An address whose owner the page vouches for, by an HMAC of its server. */
  identify(who: Identity): void
  /** @returns call it to hear no more */
  on<E extends keyof Events>(event: E, hear: (about: Events[E]) => void): () => void
  /** Somebody else sits here now: forgets token, conversation and what was not sent. */
  reset(): void
}

/** Calls of before the script was there: `[name, ...arguments]`. */
export interface Waiting {
  q?: [keyof ChatBot, ...unknown[]][]
}

export function chatBot(chat: Chat): ChatBot {
  const ears: { [event: string]: Set<(about: never) => void> } = {}
  let isReady = false
  chat.emit = (event, about) => {
    if (event === 'ready') isReady = true
    for (const hear of [...(ears[event] ?? [])]) {
      try {
        hear(about as never)
      } catch (error) {
        console.error(error) // the page's mistake is not to end the chat
      }
    }
  }
  return {
    open: chat.open,
    close: chat.close,
    toggle: () => (chat.isOpen ? chat.close() : chat.open()),
    setEmail: email => chat.claim({ email: String(email).trim() }),
    identify: identity => chat.claim({ identity }),
    on(event, hear) {
      ears[event] ??= new Set()
      ears[event].add(hear)
      if (event === 'ready' && isReady) queueMicrotask(() => hear(undefined as never))
      return () => ears[event]?.delete(hear)
    },
    reset: chat.reset,
  }
}
