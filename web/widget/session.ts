/** Who this browser is to the desk: a token, kept per chat and shared by tabs, and the conversation to go on with. */
import type { Desk, Refused } from './desk.ts'
import type { Store } from './storage.ts'
import type { Begun, ChatSettings, Identity } from './wire.ts'

export interface Kept {
  token?: string
  conversation?: string
  /** The id under which the first conversation is being made: another attempt makes the same. */
  begun?: string
  chat?: ChatSettings
}

export interface Claims {
  email?: string
  name?: string
  identity?: Identity
  language: string
}

export interface Session {
  key: string
  kept(): Kept
  /** What another tab may have changed meanwhile stays. */
  keep(change: Kept): void
  /** The token as it stands now. */
  take(): void
  forget(): void
  begin(claims: Claims): Promise<Begun>
  /** The conversation to go on with; makes it where there is none. */
  conversation(): Promise<string>
}

/** UUIDv7 (RFC 9562 §5.7), of hexadecimal digits alone: the desk's own way (src/domain/ids.ts) is three times as long. */
export function newId(): string {
  // Eleven digits from 2004 to 2527.
  const at = `0${Date.now().toString(16)}`
  const digit = () => (crypto.getRandomValues(new Uint8Array(1))[0]! % 16).toString(16)
  return `${at.slice(0, 8)}-${at.slice(8)}-7xxx-8xxx-xxxxxxxxxxxx`.replace(/x/g, digit)
}

export function sessionWith(desk: Desk, store: Store, webChatId: string): Session {
  const key = `edgedesk ${webChatId}`
  const kept = () => store.read<Kept>(key) ?? {}
  const take = () => {
    desk.token = kept().token
  }
  const write = (all: Kept) => {
    store.write(key, all)
    take()
  }
  const keep = (change: Kept) => write({ ...kept(), ...change })
  // The chat's looks are nobody's secret: they stay, so that the button has its colour.
  const forget = () => write({ chat: kept().chat })

  const begin = async (claims: Claims): Promise<Begun> => {
    const before = kept()
    const begun = await desk.begin(webChatId, { ...claims, token: before.token }).catch((error: Refused) => {
      if (error.code !== 'unauthorized' || !before.token) throw error
      if (kept().token === before.token) forget()
    })
    const now = kept()
    // The token is no good any more; or another tab was first, and both are to be the same contact.
    if (!begun || (now.token && !before.token)) return begin(claims)
    const known = now.conversation === before.conversation ? undefined : now.conversation
    const ours = { token: begun.token, conversation: begun.conversation?.id ?? known }
    // What another tab was told meanwhile is newer.
    keep({ ...(now.token === before.token && ours), chat: begun.chat })
    return begun
  }

  take()
  return {
    key,
    kept,
    keep,
    take,
    forget,
    begin,
    async conversation() {
      const { conversation, begun = newId() } = kept()
      if (conversation) return conversation
      keep({ begun })
      const { id } = await desk.converse(begun)
      keep({ conversation: id, begun: undefined })
      return id
    },
  }
}
