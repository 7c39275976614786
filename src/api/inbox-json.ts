/** An inbox as the API shows it: its settings, and how it is doing. A password is no part of it. */
import { z } from '@hono/zod-openapi'
import { MODES } from '../domain/reply.ts'
import { EmailSettings, type InboxRow } from '../store/inboxes.ts'
import { ReplyHours } from './inbox-fields.ts'

const moment = z.string().nullable().openapi({ description: 'Milliseconds since the epoch, as a string.' })

export const InboxSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    channelType: z.string(),
    assistantId: z.uuid().nullable(),
    provider: z.string(),
    address: z.string(),
    aliases: z.array(z.string()),
    imapHost: z.string().nullable(),
    imapPort: z.int().nullable(),
    imapSsl: z.boolean().nullable(),
    smtpHost: z.string().nullable(),
    smtpPort: z.int().nullable(),
    smtpTls: z.boolean().nullable(),
    username: z.string().nullable(),
    smtpUsername: z.string().nullable().openapi({ description: 'Null where it is the same as `username`.' }),
    hasPassword: z.boolean(),
    pollingInterval: z.number(),
    resetCommand: z.string().nullable(),
    mode: z.enum(MODES),
    responseDelay: z.number(),
    folders: z.array(z.string()),
    watch: z.boolean(),
    senderNameAwareness: z.boolean(),
    timeZone: z.string(),
    replyHours: ReplyHours.nullable(),
    allow: z.array(z.string()),
    block: z.array(z.string()),
    aiLine: z.object({ on: z.boolean(), text: z.string().nullable() }),
    signature: z.string(),
    quoteOriginal: z.boolean(),
    paused: z.boolean(),
    whenClosed: z.enum(['reopen', 'new']),
    watchSent: z.boolean(),
    sentFolder: z.string().nullable().openapi({ description: 'Null is the one the server names as such.' }),
    ownLists: z.array(z.string()),
    forwarders: z.array(z.string()),
    authenticationHost: z.string().nullable(),
    state: z.enum(['unverified', 'connected', 'auth_required', 'retrying', 'paused']),
    reason: z.string().nullable().openapi({ description: 'Why, in one sentence; null while connected.' }),
    lastSyncAt: moment,
    nextSyncAt: moment,
    waiting: z.int().openapi({ description: 'Mails that are stored and not yet in their conversations.' }),
    createdAt: z.string(),
  })
  .openapi('Inbox')

type InboxState = z.infer<typeof InboxSchema>['state']

/** What the mailbox object knows of itself; only what is shown of it. */
export interface Health {
  state: string
  problem: { message: string } | null
  lastGoodAt: number | null
  dueAt: number
  owed: number
}

/** @param health null where the object was never told of its inbox */
export function inboxJson(row: InboxRow, health: Health | null): z.infer<typeof InboxSchema> {
  const saved = EmailSettings.parse(JSON.parse(row.settings))
  const { imap, smtp } = saved
  const rests = row.paused || row.verifiedAt === null
  const shown = (at: number | null | undefined) => (at ? String(at) : null)
  return {
    id: row.id,
    name: row.name,
    channelType: row.channelType,
    assistantId: row.assistantId,
    provider: row.provider,
    address: row.address,
    aliases: saved.aliases,
    imapHost: imap?.host ?? null,
    imapPort: imap?.port ?? null,
    imapSsl: imap?.tls ?? null,
    smtpHost: smtp?.host ?? null,
    smtpPort: smtp?.port ?? null,
    smtpTls: smtp?.tls ?? null,
    username: (imap ?? smtp)?.user ?? null,
    smtpUsername: imap && smtp && smtp.user !== imap.user ? smtp.user : null,
    hasPassword: row.imapPassword !== null || row.smtpPassword !== null,
    pollingInterval: saved.pollMs / 1000,
    resetCommand: saved.resetCommand,
    mode: saved.mode,
    responseDelay: saved.delayMs / 1000,
    folders: saved.folders,
    watch: saved.watch,
    senderNameAwareness: saved.senderNames,
    timeZone: saved.timeZone,
    replyHours: saved.hours,
    allow: saved.allow,
    block: saved.block,
    aiLine: saved.aiLine,
    signature: saved.signature,
    quoteOriginal: saved.quoteOriginal,
    paused: row.paused,
    whenClosed: saved.whenClosed,
    watchSent: saved.watchSent,
    sentFolder: saved.sentFolder,
    ownLists: saved.ownLists,
    forwarders: saved.forwarders,
    authenticationHost: saved.authenticationHost,
    ...stateOf(row, health),
    lastSyncAt: shown(health?.lastGoodAt),
    nextSyncAt: rests ? null : shown(health?.dueAt),
    waiting: health?.owed ?? 0,
    createdAt: String(row.createdAt),
  }
}

export function stateOf(row: InboxRow, health: Health | null): { state: InboxState; reason: string | null } {
  if (row.paused)
    return { state: 'paused', reason: 'Paused: nothing is fetched and nothing is sent until it goes on.' }
  if (row.verifiedAt === null)
    return {
      state: 'unverified',
      reason: row.stateReason
        ? `The last check failed. ${row.stateReason}`
        : 'The connection was not tested with these settings. Nothing is fetched or sent until a check passes.',
    }
  const state = health?.state ?? row.state
  // Tested, and not looked at yet: it is about to be.
  if (state === 'unverified') return { state: 'connected', reason: null }
  return {
    state: state as InboxState,
    reason: health ? (health.problem?.message ?? null) : row.stateReason,
  }
}
