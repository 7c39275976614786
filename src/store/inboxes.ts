/** Inboxes: one connected channel each. D1 owns them; a Mailbox object keeps a copy of its own so that D1 is not on its way. */

import { and, eq, inArray, ne } from 'drizzle-orm'
import { z } from 'zod'
import { CAPS } from '../domain/outbox.ts'
import { log } from '../log.ts'
import { type Db, steady } from './db.ts'
import { inboxes, sites } from './schema.ts'

const Cap = z.object({ count: z.int().min(1), windowMs: z.int().min(1000) })

/** `inboxes.settings` of an e-mail inbox. Defaults live here and nowhere else. */
export const EmailSettings = z.object({
  v: z.literal(1).default(1),
  imap: z.object({ host: z.string(), port: z.int(), tls: z.boolean().default(true), user: z.string() }),
  smtp: z.object({ host: z.string(), port: z.int(), tls: z.boolean().default(true), user: z.string() }),
  /** Other addresses that are this inbox; mail to them is answered from them. */
  aliases: z.array(z.string()).default([]),
  folders: z.array(z.string()).min(1).default(['INBOX']),
  mode: z.enum(['auto', 'draft', 'off']).default('auto'),
  pollMs: z.int().min(1000).default(60_000),
  /** Hold an IDLE connection, so that mail is noticed at once. Off by default: it keeps the bridge awake. */
  watch: z.boolean().default(false),
  draftAfterMs: z.int().default(24 * 60 * 60_000),
  caps: z.object({ sender: Cap, thread: Cap, inbox: Cap }).default(CAPS),
})
export type EmailSettings = z.infer<typeof EmailSettings>

/** All a Mailbox needs to work alone; passwords and the site's data key stay sealed in it. */
export interface MailboxConfig {
  siteId: string
  inboxId: string
  version: number
  dataKey: string
  name: string
  address: string
  assistantId: string | null
  /** Nothing is fetched and nothing is sent. */
  paused: boolean
  settings: EmailSettings
  imapPassword: string
  smtpPassword: string
}

/**
 * Every e-mail inbox of all sites, paused ones too, since their objects must know: what one tick of the clock looks after. An inbox
 * whose settings cannot be read is left out, and does not hold up the others.
 */
export async function inboxesToSync(db: Db): Promise<MailboxConfig[]> {
  const rows = await steady(() =>
    db
      .select({ inbox: inboxes, dataKey: sites.dataKey })
      .from(inboxes)
      .innerJoin(sites, eq(sites.id, inboxes.siteId))
      .where(eq(inboxes.channelType, 'email')),
  )
  return rows.flatMap(({ inbox, dataKey }) => {
    try {
      return [mailboxConfig(inbox, dataKey)]
    } catch {
      log('inbox_settings_unreadable', { inbox: inbox.id })
      return []
    }
  })
}

/** @throws where `settings` is not what EmailSettings describes. */
export function mailboxConfig(inbox: typeof inboxes.$inferSelect, dataKey: string): MailboxConfig {
  return {
    siteId: inbox.siteId,
    inboxId: inbox.id,
    version: inbox.version,
    dataKey,
    name: inbox.name,
    address: inbox.address,
    assistantId: inbox.assistantId,
    paused: inbox.state === 'paused',
    settings: EmailSettings.parse(JSON.parse(inbox.settings)),
    imapPassword: inbox.imapPassword ?? '',
    smtpPassword: inbox.smtpPassword ?? '',
  }
}

/** What a person sees of an inbox's health; written when it changes, not at every poll. */
export async function tellInboxState(
  db: Db,
  siteId: string,
  inboxId: string,
  state: { state: string; reason: string | null; at: number },
): Promise<void> {
  await steady(() =>
    db
      .update(inboxes)
      .set({ state: state.state, stateReason: state.reason, stateAt: state.at })
      .where(and(eq(inboxes.siteId, siteId), eq(inboxes.id, inboxId), ne(inboxes.state, 'paused'))),
  )
}

export async function inboxesById(db: Db, siteId: string, ids: string[]) {
  if (ids.length === 0) return []
  return steady(() =>
    db
      .select({ id: inboxes.id, name: inboxes.name, channelType: inboxes.channelType, state: inboxes.state })
      .from(inboxes)
      .where(and(eq(inboxes.siteId, siteId), inArray(inboxes.id, ids))),
  )
}

export async function inboxById(db: Db, siteId: string, id: string) {
  return steady(() =>
    db
      .select()
      .from(inboxes)
      .where(and(eq(inboxes.siteId, siteId), eq(inboxes.id, id)))
      .get(),
  )
}
