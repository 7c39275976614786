declare module 'hoodiecrow-imap' {
  import type { EventEmitter } from 'node:events'
  import type { Server } from 'node:net'

  export interface StoredMessage {
    raw: string
    uid?: number
    flags?: string[]
    internaldate?: string
  }
  export interface Connection extends EventEmitter {
    server: ImapServer
    _notificationCallback: (...args: unknown[]) => void
  }
  export type Handler = (
    connection: Connection,
    parsed: { attributes?: { value: string }[] },
    data: string,
    callback: () => void,
  ) => void

  export interface ImapServer extends EventEmitter {
    listen(port: number, host: string, callback: () => void): void
    close(callback: () => void): void
    server: Server
    users: Record<string, { password: string }>
    folderCache: Record<string, { uidnext: number; uidvalidity: number; messages: StoredMessage[] }>
    setCommandHandler(command: string, handler: Handler): void
    appendMessage(mailbox: string, flags: string[], internaldate: string | Date, raw: string): void
  }
  export default function hoodiecrow(options: {
    plugins?: string[]
    users?: Record<string, { password: string }>
    storage?: Record<string, unknown>
  }): ImapServer
}

declare module 'hoodiecrow-imap/lib/commands/login.js' {
  import type { Handler } from 'hoodiecrow-imap'

  const login: Handler
  export default login
}
