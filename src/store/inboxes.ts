/** Inboxes: one connected channel each. D1 owns them; a Mailbox object keeps a copy of its own so that D1 is not on its way. */

import { and, asc, eq, gt, inArray, sql } from 'drizzle-orm'
import { z } from 'zod'
import { CAPS } from '../domain/outbox.ts'
import { MODES, type ReplyRules } from '../domain/reply.ts'
import { log } from '../log.ts'
import { type Db, steady } from './db.ts'
import { inboxAddresses, inboxes, sites } from './schema.ts'
import { open, SealError, seal } from './seal.ts'

const Cap = z.object({ count: z.int().min(1), windowMs: z.int().min(1000) })

/** Shape of domain/hours.ts: answered only inside, or only outside, these windows of the week. */
const ReplyHours = z.object({
  answer: z.enum(['inside', 'outside']),
  windows: z
    .array(z.object({ days: z.array(z.int().min(1).max(7)).min(1), from: z.string(), to: z.string() }))
    .min(1),
  /** Said once in the other case; null says nothing. */
  text: z.string().nullable(),
})

const Server = z.object({ host: z.string(), port: z.int(), tls: z.boolean().default(true), user: z.string() })
export type Server = z.infer<typeof Server>

/** What an inbox of any channel says about answering. Defaults live here and nowhere else. */
const ReplySettings = z.object({
  v: z.literal(1).default(1),
  mode: z.enum(MODES).default('auto'),
  draftAfterMs: z.int().default(24 * 60 * 60_000),
  /** An answer waits this long; what the contact writes meanwhile is answered with it. */
  delayMs: z.int().min(0).default(0),
  /** Whether the assistant is told the contact's name. */
  senderNames: z.boolean().default(true),
  /** IANA name. */
  timeZone: z.string().default('UTC'),
  hours: ReplyHours.nullable().default(null),
  /** Addresses and domains; see domain/permission.ts. */
  allow: z.array(z.string()).default([]),
  block: z.array(z.string()).default([]),
  /** What a contact's message does to a closed conversation: it opens it again, or begins another one that is linked to it. */
  whenClosed: z.enum(['reopen', 'new']).default('reopen'),
})
export type ReplySettings = z.infer<typeof ReplySettings>

/** `inboxes.settings` of a web chat. */
export const WebChatSettings = ReplySettings.extend({
  /** Pages that it may stand on (domain/origins.ts); our own may always. */
  allowedOrigins: z.array(z.string()).default([]),
  /** What stands above the chat; null: the inbox's name. */
  title: z.string().nullable().default(null),
  /** `#rrggbb`. */
  color: z.string().default('#1d4ed8'),
  /** By IETF tag. */
  greeting: z.record(z.string(), z.string()).default({}),
  suggestedQuestions: z.record(z.string(), z.array(z.string())).default({}),
  /** What it speaks; null: what the visitor's browser asks for. */
  language: z.string().nullable().default(null),
  attachments: z.boolean().default(true),
  /** The e-mail inbox by which it goes on with who left; null: not at all. */
  mailInboxId: z.string().nullable().default(null),
  /** An answer that was not seen for so long is mailed. */
  continueAfterMs: z
    .int()
    .min(0)
    .default(5 * 60_000),
  /** Which secret signs who visitors are; rises when a new one is made, and 0 is none. */
  identityVersion: z.int().min(0).default(0),
})
export type WebChatSettings = z.infer<typeof WebChatSettings>

/** `inboxes.settings` of an e-mail inbox. */
export const EmailSettings = ReplySettings.extend({
  /** Null: mail comes in by Email Routing alone. */
  imap: Server.nullable(),
  /** Null: mail goes out through the deployment's `send_email` binding. */
  smtp: Server.nullable(),
  /** Other addresses that are this inbox; mail to them is answered from them. */
  aliases: z.array(z.string()).default([]),
  folders: z.array(z.string()).min(1).default(['INBOX']),
  pollMs: z.int().min(1000).default(60_000),
  /** Hold an IDLE connection, so that mail is noticed at once. Off by default: it keeps the bridge awake. */
  watch: z.boolean().default(false),
  caps: z.object({ sender: Cap, thread: Cap, inbox: Cap }).default(CAPS),
  /** A mail that says just this starts the conversation anew. */
  resetCommand: z.string().nullable().default(null),
  /** A line under automatic answers that says a machine wrote them; null text is the default one in the language of the answer. */
  aiLine: z.object({ on: z.boolean(), text: z.string().nullable() }).default({ on: true, text: null }),
  signature: z.string().default(''),
  quoteOriginal: z.boolean().default(false),
  /** The folder of the account's own sent mail is looked at too: what a person answers from another program is seen there. */
  watchSent: z.boolean().default(true),
  /** Its path; null: the one the server marks as `\Sent` (RFC 6154), or knows by its name. */
  sentFolder: z.string().nullable().default(null),
  /** Lists (List-ID or address) whose mail is written by people to us, such as a group that is this inbox's address elsewhere. */
  ownLists: z.array(z.string()).default([]),
  /** Addresses and domains whose rules forward customers' mail to us; see domain/permission.ts for how they are written. */
  forwarders: z.array(z.string()).default([]),
  /** The authserv-id (RFC 8601 §2.5) of our own receiving host, the only one whose word on a sender counts; null: its provider's. */
  authenticationHost: z.string().nullable().default(null),
})
export type EmailSettings = z.infer<typeof EmailSettings>

/** @throws where they cannot be read */
export function replySettingsOf(row: Pick<InboxRow, 'settings'>): ReplySettings {
  return ReplySettings.parse(JSON.parse(row.settings))
}

export function webChatSettingsOf(row: Pick<InboxRow, 'settings'>): WebChatSettings {
  return WebChatSettings.parse(JSON.parse(row.settings))
}

/** What decides whether something written to it is answered, and when. */
export function replyRulesOf(row: Pick<InboxRow, 'paused' | 'assistantId'>, own: ReplySettings): ReplyRules {
  return {
    mode: modeNow(row, own),
    hasAssistant: row.assistantId !== null,
    draftAfterMs: own.draftAfterMs,
    delayMs: own.delayMs,
    closedText: own.hours?.text ?? null,
  }
}

/** How it answers at this moment: a paused inbox does not. */
export function modeNow(row: Pick<InboxRow, 'paused'>, { mode }: ReplySettings): ReplySettings['mode'] {
  return row.paused ? 'off' : mode
}

/** A row of an inbox as D1 has it, passwords sealed. */
export type InboxRow = typeof inboxes.$inferSelect

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
 * whose settings cannot be read is left out, and does not hold up the others. One whose connection was never tested rests like a
 * paused one.
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

/**
 * The one inbox, of whatever site, that mail to this address goes to. No address needs a proof, so who named it first has it; and an address
 * with a plus tag is nobody's but of the site that has the one without: no site takes another's mail.
 */
export async function inboxWithAddress(db: Db, address: string): Promise<MailboxConfig | null> {
  const exact = await firstClaim(db, address)
  const untagged = address.replace(/\+[^@]*(?=@)/, '')
  if (untagged === address) return exact
  const base = await firstClaim(db, untagged)
  return exact && (!base || base.siteId === exact.siteId) ? exact : base
}

async function firstClaim(db: Db, address: string): Promise<MailboxConfig | null> {
  const row = await steady(() =>
    db
      .select({ inbox: inboxes, dataKey: sites.dataKey })
      .from(inboxAddresses)
      .innerJoin(
        inboxes,
        and(eq(inboxes.id, inboxAddresses.inboxId), eq(inboxes.siteId, inboxAddresses.siteId)),
      )
      .innerJoin(sites, eq(sites.id, inboxes.siteId))
      .where(eq(inboxAddresses.address, address))
      .orderBy(inboxAddresses.claimedAt, inboxes.createdAt)
      .limit(1)
      .get(),
  )
  return row ? mailboxConfig(row.inbox, row.dataKey) : null
}

/** @throws where `settings` is not what EmailSettings describes. */
export function mailboxConfig(inbox: InboxRow, dataKey: string): MailboxConfig {
  return {
    siteId: inbox.siteId,
    inboxId: inbox.id,
    version: inbox.version,
    dataKey,
    name: inbox.name,
    address: inbox.address,
    assistantId: inbox.assistantId,
    paused: inbox.paused || inbox.verifiedAt === null,
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
      .where(and(eq(inboxes.siteId, siteId), eq(inboxes.id, inboxId))),
  )
}

export async function inboxesById(db: Db, siteId: string, ids: string[]) {
  if (ids.length === 0) return []
  return steady(() =>
    db
      .select({
        id: inboxes.id,
        name: inboxes.name,
        channelType: inboxes.channelType,
        paused: inboxes.paused,
        settings: inboxes.settings,
      })
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

/** The same, where only a mailbox will do. */
export async function emailInboxById(db: Db, siteId: string, id: string): Promise<InboxRow | undefined> {
  const row = await inboxById(db, siteId, id)
  return row?.channelType === 'email' ? row : undefined
}

/** E-mail inboxes of a site, or its web chats, in the order they were made, from just after `after`; only these ids where they are named. */
export async function inboxesOf(
  db: Db,
  siteId: string,
  only: readonly string[] | null,
  after: string | null,
  limit: number,
  channelType: 'email' | 'web' = 'email',
): Promise<InboxRow[]> {
  return steady(() =>
    db
      .select()
      .from(inboxes)
      .where(
        and(
          eq(inboxes.siteId, siteId),
          eq(inboxes.channelType, channelType),
          after === null ? undefined : gt(inboxes.id, after),
          only === null
            ? undefined
            : sql`${inboxes.id} IN (SELECT value FROM json_each(${JSON.stringify(only)}))`,
        ),
      )
      .orderBy(asc(inboxes.id))
      .limit(limit),
  )
}

/** The site's e-mail inbox where only one is meant: the oldest. */
export async function firstEmailInbox(db: Db, siteId: string): Promise<InboxRow | undefined> {
  return steady(() =>
    db
      .select()
      .from(inboxes)
      .where(and(eq(inboxes.siteId, siteId), eq(inboxes.channelType, 'email')))
      .orderBy(asc(inboxes.id))
      .limit(1)
      .get(),
  )
}

/** The inbox that has this as its main address. */
export async function inboxOfAddress(db: Db, siteId: string, address: string): Promise<InboxRow | undefined> {
  return steady(() =>
    db
      .select()
      .from(inboxes)
      .where(and(eq(inboxes.siteId, siteId), eq(inboxes.address, address)))
      .limit(1)
      .get(),
  )
}

/** The wrapped data key of a site. @throws where there is no such site. */
export async function dataKeyOf(db: Db, siteId: string): Promise<string> {
  const row = await steady(() =>
    db.select({ dataKey: sites.dataKey }).from(sites).where(eq(sites.id, siteId)).get(),
  )
  if (!row) throw new Error('there is no such site')
  return row.dataKey
}

/** Which of these addresses another inbox of the site has. */
export async function addressesTaken(
  db: Db,
  siteId: string,
  inboxId: string,
  addresses: readonly string[],
): Promise<string[]> {
  const rows = await steady(() =>
    db
      .select({ address: inboxAddresses.address })
      .from(inboxAddresses)
      .where(
        and(
          eq(inboxAddresses.siteId, siteId),
          sql`${inboxAddresses.inboxId} <> ${inboxId}`,
          sql`${inboxAddresses.address} IN (SELECT value FROM json_each(${JSON.stringify(addresses)}))`,
        ),
      ),
  )
  return rows.map(row => row.address)
}

/** ?1 site, ?2 inbox, ?3 its addresses as JSON: whether another inbox has one of them. */
const TAKEN = `EXISTS (SELECT 1 FROM json_each(?3) mine JOIN inbox_addresses theirs
  ON theirs.site_id = ?1 AND theirs.address = mine.value AND theirs.inbox_id <> ?2)`

/**
 * A new inbox with its addresses, in one transaction; an assistant that was removed meanwhile is none. Says whether it is there: false where an address is taken, or where it was to be
 * the site's first e-mail inbox and is not. May be run again.
 */
export async function addInbox(
  d1: D1Database,
  row: InboxRow,
  addresses: readonly string[],
  onlyAsFirst: boolean,
): Promise<boolean> {
  const results = await steady(() =>
    d1.batch([
      d1
        .prepare(
          `INSERT INTO inboxes (site_id, id, assistant_id, name, channel_type, address, provider, settings, imap_password,
             smtp_password, version, state, state_reason, state_at, verified_at, paused, created_at)
           SELECT ?1, ?2, (SELECT id FROM assistants WHERE site_id = ?1 AND id = ?4), ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
             ?13, ?14, ?15, ?16, ?17, ?18
           WHERE NOT ${TAKEN}
             AND NOT (?19 AND EXISTS (SELECT 1 FROM inboxes WHERE site_id = ?1 AND channel_type = 'email'))
           ON CONFLICT (id) DO NOTHING`,
        )
        .bind(
          row.siteId,
          row.id,
          JSON.stringify(addresses),
          row.assistantId,
          row.name,
          row.channelType,
          row.address,
          row.provider,
          row.settings,
          row.imapPassword,
          row.smtpPassword,
          row.version,
          row.state,
          row.stateReason,
          row.stateAt,
          row.verifiedAt,
          row.paused ? 1 : 0,
          row.createdAt,
          onlyAsFirst ? 1 : 0,
        ),
      d1
        .prepare(
          `INSERT INTO inbox_addresses (site_id, address, inbox_id, claimed_at) SELECT ?1, value, ?2, ?4 FROM json_each(?3)
           WHERE EXISTS (SELECT 1 FROM inboxes WHERE site_id = ?1 AND id = ?2) ON CONFLICT DO NOTHING`,
        )
        .bind(row.siteId, row.id, JSON.stringify(addresses), row.createdAt),
      d1.prepare('SELECT id FROM inboxes WHERE site_id = ?1 AND id = ?2').bind(row.siteId, row.id),
    ]),
  )
  return results[2]!.results.length === 1
}

/**
 * Writes what changed, with the addresses, in one transaction, and only while the row still has the version that was read: false where
 * somebody was quicker, or an address is taken. The state is written only where it is given, since the mailbox tells its own meanwhile.
 */
export async function saveInbox(
  d1: D1Database,
  row: Omit<InboxRow, 'state'>,
  readVersion: number,
  state: string | null,
  addresses: readonly string[],
): Promise<boolean> {
  const json = JSON.stringify(addresses)
  const unchanged = `EXISTS (SELECT 1 FROM inboxes WHERE site_id = ?1 AND id = ?2 AND version = ?4) AND NOT ${TAKEN}`
  const results = await steady(() =>
    d1.batch([
      d1
        .prepare(
          `DELETE FROM inbox_addresses WHERE site_id = ?1 AND inbox_id = ?2
             AND address NOT IN (SELECT value FROM json_each(?3)) AND ${unchanged}`,
        )
        .bind(row.siteId, row.id, json, readVersion),
      d1
        .prepare(
          `INSERT INTO inbox_addresses (site_id, address, inbox_id, claimed_at) SELECT ?1, value, ?2, ?5 FROM json_each(?3)
           WHERE ${unchanged} ON CONFLICT DO NOTHING`,
        )
        .bind(row.siteId, row.id, json, readVersion, Date.now()),
      d1
        .prepare(
          `UPDATE inboxes SET assistant_id = (SELECT id FROM assistants WHERE site_id = ?1 AND id = ?5), name = ?6,
             address = ?7, provider = ?8, settings = ?9, imap_password = ?10, smtp_password = ?11, version = ?12,
             verified_at = ?13, paused = ?14, state = coalesce(?15, state),
             state_reason = iif(?15 IS NULL, state_reason, NULL), state_at = iif(?15 IS NULL, state_at, ?16)
           WHERE site_id = ?1 AND id = ?2 AND ${unchanged} RETURNING id`,
        )
        .bind(
          row.siteId,
          row.id,
          json,
          readVersion,
          row.assistantId,
          row.name,
          row.address,
          row.provider,
          row.settings,
          row.imapPassword,
          row.smtpPassword,
          row.version,
          row.verifiedAt,
          row.paused ? 1 : 0,
          state,
          Date.now(),
        ),
    ]),
  )
  return results[2]!.results.length === 1
}

/** The inbox is gone, with its addresses and the password that was handed over for it; its conversations stay. */
export async function removeInbox(d1: D1Database, siteId: string, id: string): Promise<void> {
  await steady(() =>
    d1.batch([
      d1
        .prepare(
          `DELETE FROM secure_tokens WHERE site_id = ?1 AND token_type = 'email'
           AND identifier = (SELECT address FROM inboxes WHERE site_id = ?1 AND id = ?2)`,
        )
        .bind(siteId, id),
      d1.prepare('DELETE FROM inbox_addresses WHERE site_id = ?1 AND inbox_id = ?2').bind(siteId, id),
      d1.prepare('DELETE FROM inboxes WHERE site_id = ?1 AND id = ?2').bind(siteId, id),
    ]),
  )
}

type PasswordColumn = 'imap_password' | 'smtp_password'

/** A password for its column of its row, and for no other place. */
export function sealPassword(
  kek: string,
  dataKey: string,
  place: { siteId: string; id: string; column: PasswordColumn },
  password: string,
): Promise<string> {
  return seal(
    kek,
    dataKey,
    { site: place.siteId, table: 'inboxes', column: place.column, row: place.id },
    password,
  )
}

/** A password of an inbox in plain; null where there is none, or where it cannot be opened and must be entered again. */
export async function openPassword(
  kek: string,
  dataKey: string,
  row: InboxRow,
  column: PasswordColumn,
): Promise<string | null> {
  const sealed = column === 'imap_password' ? row.imapPassword : row.smtpPassword
  if (sealed === null) return null
  try {
    return await open(kek, dataKey, { site: row.siteId, table: 'inboxes', column, row: row.id }, sealed)
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    return null
  }
}
