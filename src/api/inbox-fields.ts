/**
 * The fields of an inbox as the API names them, and what they are inside: seconds here, milliseconds there; host, port and user of a
 * server side by side here, together there. A password goes in and never comes out.
 */
import { z } from '@hono/zod-openapi'
import { normaliseAddress } from '../domain/address.ts'
import { canonicalHost } from '../domain/host.ts'
import { isTimeZone, minuteOf } from '../domain/hours.ts'
import { listEntry } from '../domain/permission.ts'
import { MODES } from '../domain/reply.ts'
import { settings } from '../env.ts'
import { forbidden } from '../mail/check.ts'
import { cleanPassword, type Provider, presetFor, providerIds, providerOf } from '../mail/providers/index.ts'
import { type Connection, hasOwnSmtpPassword } from '../store/connection-tests.ts'
import { EmailSettings, type Server } from '../store/inboxes.ts'
import type { InboxEdit, SavedInbox } from './inbox-saving.ts'
import { Refusal } from './problems.ts'

/** RFC 5321 §4.5.3.1.3 allows 254 characters; what could end a line or a header of a mail is no part of one. */
const SHAPE =
  /^[^\s@<>(),:;"\\\u0000-\u001f\u007f]{1,64}@[^\s@<>(),:;"\\\u0000-\u001f\u007f]+\.[^\s@<>(),:;"\\\u0000-\u001f\u007f]+$/
/** What nobody sees makes two addresses that look like one. */
const UNSEEN = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u

/** Dots are single and inside, and what is behind the `@` is the name of a host, no address of one. */
function isMailAddress(typed: string): boolean {
  const normal = normaliseAddress(typed)
  if (UNSEEN.test(typed) || !SHAPE.test(normal) || normal.length > 254) return false
  const [local = '', domain = ''] = normal.split('@')
  if (/^\.|\.\.|\.$/.test(local) || /[[\]]/.test(domain)) return false
  const host = canonicalHost(domain) ?? ''
  return host.includes('.') && !/^[\d.]+$/.test(host)
}

export const ONE_LINE = /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$/

export const mailAddress = z
  .string()
  .trim()
  .max(254)
  .refine(isMailAddress, 'must be an e-mail address')
  .transform(normaliseAddress)
  .openapi({ type: 'string', example: 'support@yourcompany.com' })

export const oneLine = (max: number) =>
  z.string().trim().min(1).max(max).regex(ONE_LINE, 'must be one line without control characters')
const host = oneLine(255).nullable()
const port = z.int().min(1).max(65535)
const secret = z
  .string()
  .min(1)
  .max(1000)
  .regex(ONE_LINE, 'must not have line ends or control characters')
  .openapi({ description: 'Goes in and never comes out.' })

/** What a connection test is about, and the provider that fills in what is left out. */
export const connectionFields = {
  provider: z.enum(providerIds).openapi({
    description: 'Its servers and ports are taken where none are given: `GET /api/v1/email-providers`.',
  }),
  address: mailAddress,
  imapHost: host.openapi({
    description: 'Null where mail comes by Email Routing.',
    example: 'imap.gmail.com',
  }),
  imapPort: port.openapi({ description: '993, or 143 with STARTTLS.', example: 993 }),
  imapSsl: z.boolean().openapi({ description: 'Off is refused but in development.' }),
  smtpHost: host.openapi({
    description: 'Null where mail leaves through the `send_email` binding.',
    example: 'smtp.gmail.com',
  }),
  smtpPort: port.openapi({ description: '587 or 2525 with STARTTLS, 465 with TLS.', example: 587 }),
  smtpTls: z.boolean().openapi({ description: 'Off is refused but in development.' }),
  username: oneLine(320).openapi({ description: 'The address where none is given.' }),
  password: secret,
  smtpUsername: oneLine(320)
    .nullable()
    .openapi({ description: 'Only where SMTP has another; null is the same as `username`.' }),
  smtpPassword: secret.nullable(),
}

const time = z
  .string()
  .refine(typed => minuteOf(typed) !== null, 'must be a time such as 09:00')
  .openapi({ example: '09:00' })
const entry = z
  .string()
  .max(254)
  .refine(typed => listEntry(typed) !== null, 'must be an e-mail address or a domain')
  .transform(typed => listEntry(typed)!)
  .openapi({ type: 'string', example: 'example.com' })
const senders = z
  .array(entry)
  .max(1000)
  .transform(unique)
  .openapi({ type: 'array', items: { type: 'string' } })

/** RFC 2919 §2: a List-ID is `label.namespace`, often in angle brackets behind a name. */
function ownList(typed: string): string | null {
  const bare = normaliseAddress(/<([^<>]*)>\s*$/.exec(typed)?.[1] ?? typed)
  if (bare.includes('@')) return isMailAddress(bare) ? bare : null
  return /^[^\s<>@.,:;"\\]+(?:\.[^\s<>@.,:;"\\]+)+$/.test(bare) && !UNSEEN.test(bare) ? bare : null
}
const list = z
  .string()
  .max(500)
  .refine(typed => ownList(typed) !== null, 'must be the address or the List-ID of a mailing list')
  .transform(typed => ownList(typed)!)
  .openapi({ type: 'string', example: 'support.lists.yourcompany.com' })

export const ReplyHours = z
  .strictObject({
    answer: z
      .enum(['inside', 'outside'])
      .openapi({ description: 'Answer only inside, or only outside, the windows.' }),
    windows: z
      .array(
        z.strictObject({
          days: z
            .array(z.int().min(1).max(7))
            .min(1)
            .max(7)
            .openapi({ description: '1 is Monday, 7 is Sunday.', example: [1, 2, 3, 4, 5] }),
          from: time,
          to: time.openapi({ description: 'At or before `from` it is of the next day.', example: '18:00' }),
        }),
      )
      .min(1)
      .max(50),
    text: z
      .string()
      .trim()
      .min(1)
      .max(5000)
      .nullable()
      .default(null)
      .openapi({ description: 'Said once in the other case; null says nothing.' }),
  })
  .openapi('ReplyHours')

const AiLine = z.strictObject({
  on: z.boolean(),
  text: oneLine(500)
    .nullable()
    .default(null)
    .openapi({ description: 'Null is ours, in the language of the answer.' }),
})

/** How an inbox behaves; none of it needs a connection test. */
export const behaviourFields = {
  name: oneLine(200),
  assistantId: z.uuid().nullable().openapi({ description: 'Null: nobody answers by machine.' }),
  aliases: z
    .array(mailAddress)
    .max(50)
    .openapi({
      type: 'array',
      items: { type: 'string', format: 'email' },
      description: 'Other addresses that are this inbox.',
    }),
  pollingInterval: z.int().min(15).max(86_400).openapi({ description: 'Seconds; 60 where none is given.' }),
  resetCommand: oneLine(100)
    .nullable()
    .openapi({ description: 'A mail that says just this starts the conversation anew.' }),
  mode: z.enum(MODES),
  responseDelay: z.int().min(0).max(86_400).openapi({ description: 'Seconds an answer waits.' }),
  folders: z
    .array(oneLine(255))
    .min(1)
    .max(20)
    .transform(unique)
    .openapi({ type: 'array', items: { type: 'string' }, example: ['INBOX'] }),
  watch: z.boolean().openapi({ description: 'Notice mail at once, by an open connection.' }),
  senderNameAwareness: z.boolean().openapi({ description: 'The assistant is told the sender’s name.' }),
  timeZone: z
    .string()
    .max(100)
    .refine(isTimeZone, 'must be an IANA time zone, such as Asia/Taipei')
    .openapi({ example: 'Asia/Taipei' }),
  replyHours: ReplyHours.nullable(),
  allow: senders.openapi({ description: 'Only these are answered; empty is everyone.' }),
  block: senders.openapi({ description: 'These are never answered.' }),
  aiLine: AiLine,
  signature: z.string().max(5000),
  quoteOriginal: z.boolean(),
  paused: z.boolean().openapi({ description: 'Nothing is fetched and nothing is sent.' }),
  whenClosed: z.enum(['reopen', 'new']).openapi({
    description:
      'What a contact’s message does to a closed conversation: opens it again, or begins another that is linked to it.',
  }),
  watchSent: z.boolean().openapi({
    description:
      'Look at the folder of sent mail too: what a person answers from another program stands in its conversation, and no machine answers after it.',
  }),
  sentFolder: oneLine(255)
    .nullable()
    .openapi({ description: 'The folder of sent mail; null is the one the server names as such.' }),
  ownLists: z
    .array(list)
    .max(100)
    .transform(unique)
    .openapi({
      type: 'array',
      items: { type: 'string' },
      description:
        'Mailing lists, by address or List-ID, through which people write to this inbox: their mail is answered, that of other lists is not.',
      example: ['support.lists.yourcompany.com'],
    }),
  forwarders: senders.openapi({
    description: 'Addresses and domains whose rules forward customers’ mail to this inbox.',
  }),
  authenticationHost: oneLine(255).nullable().openapi({
    description:
      'The name under which your receiving mail server writes Authentication-Results (RFC 8601): only its word on senders counts. Null is the provider’s.',
    example: 'mx.yourcompany.com',
  }),
}

const proofFields = {
  testId: z.string().max(100).openapi({ description: 'From `POST /api/v1/inboxes/test-connection`.' }),
  force: z.boolean().openapi({
    description: 'Save an untested connection: it rests as `unverified` until a check passes.',
  }),
}

export const InboxChange = z
  .strictObject({ ...behaviourFields, ...connectionFields, ...proofFields })
  .partial()
  .openapi('InboxChange')
export const NewInbox = z
  .strictObject({ ...behaviourFields, ...connectionFields, ...proofFields })
  .partial()
  .required({ name: true, address: true })
  .openapi('NewInbox')

type Typed = z.infer<typeof InboxChange>

/** @returns what the inbox is to be after these fields; what is not named stays, or is what its provider and our defaults say. */
export async function edited(env: Env, typed: Typed, saved: SavedInbox | null): Promise<InboxEdit> {
  const before = saved?.settings ?? EmailSettings.parse({ imap: null, smtp: null })
  const connection = await typedConnection(env, typed, saved)
  const address = connection?.address ?? saved!.row.address
  return {
    name: typed.name ?? saved?.row.name ?? address,
    assistantId: typed.assistantId === undefined ? (saved?.row.assistantId ?? null) : typed.assistantId,
    provider: chosenProvider(typed, saved, address),
    paused: typed.paused ?? saved?.row.paused ?? false,
    connection,
    settings: {
      ...before,
      aliases: unique(typed.aliases ?? before.aliases).filter(alias => alias !== address),
      folders: typed.folders ?? before.folders,
      mode: typed.mode ?? before.mode,
      pollMs: typed.pollingInterval === undefined ? before.pollMs : typed.pollingInterval * 1000,
      watch: typed.watch ?? before.watch,
      delayMs: typed.responseDelay === undefined ? before.delayMs : typed.responseDelay * 1000,
      resetCommand: typed.resetCommand === undefined ? before.resetCommand : typed.resetCommand,
      senderNames: typed.senderNameAwareness ?? before.senderNames,
      whenClosed: typed.whenClosed ?? before.whenClosed,
      timeZone: typed.timeZone ?? before.timeZone,
      hours: typed.replyHours === undefined ? before.hours : typed.replyHours,
      allow: typed.allow ?? before.allow,
      block: typed.block ?? before.block,
      aiLine: typed.aiLine ?? before.aiLine,
      signature: typed.signature ?? before.signature,
      quoteOriginal: typed.quoteOriginal ?? before.quoteOriginal,
      watchSent: typed.watchSent ?? before.watchSent,
      sentFolder: typed.sentFolder === undefined ? before.sentFolder : typed.sentFolder,
      ownLists: typed.ownLists ?? before.ownLists,
      forwarders: typed.forwarders ?? before.forwarders,
      authenticationHost:
        typed.authenticationHost === undefined ? before.authenticationHost : typed.authenticationHost,
    },
  }
}

const TOUCHING = Object.keys(connectionFields) as (keyof typeof connectionFields)[]

/** The connection that these fields describe; null where they name nothing of it. @throws Refusal missing_field, invalid_field */
export async function typedConnection(
  env: Env,
  typed: Pick<Typed, keyof typeof connectionFields>,
  saved: SavedInbox | null,
): Promise<Connection | null> {
  if (saved && TOUCHING.every(field => typed[field] === undefined)) return null
  const before = (await saved?.connection()) ?? null
  const address = typed.address ?? before?.address
  if (address === undefined) throw missing('address')
  const provider = providerOf(chosenProvider(typed, saved, address))
  // A provider fills in its servers where it is chosen, not again at every change.
  const chosen = !saved || (typed.provider !== undefined && typed.provider !== saved.row.provider)
  const preset = presetFor(address)
  const place = preset?.provider === provider ? preset : provider
  const known = (kind: 'imap' | 'smtp') =>
    (chosen ? place[kind] : null) ?? (chosen && isServerless(provider) ? null : (before?.[kind] ?? null))
  const user = typed.username ?? keptUser(before, address) ?? address
  const smtpUser =
    typed.smtpUsername ??
    (chosen ? provider.smtpUser : null) ??
    (typed.smtpUsername === null ? user : keptSmtpUser(before, user))
  const imap = server(
    { host: typed.imapHost, port: typed.imapPort, tls: typed.imapSsl },
    { known: known('imap'), port: 993, field: isServerless(provider) ? null : 'imapHost' },
    user,
  )
  const smtp = server(
    { host: typed.smtpHost, port: typed.smtpPort, tls: typed.smtpTls },
    { known: known('smtp'), port: 587, field: isServerless(provider) ? null : 'smtpHost' },
    smtpUser,
  )
  const clean = (password: string, ...at: (Server | null)[]) => cleanPassword(provider.id, password, at)
  const password =
    typed.password === undefined
      ? (before?.imapPassword ?? before?.smtpPassword ?? null)
      : clean(typed.password, imap, smtp)
  const keepsOwn =
    typed.smtpPassword === undefined && typed.smtpUsername !== null && hasOwnSmtpPassword(before)
  const smtpPassword = keepsOwn
    ? before!.smtpPassword
    : typed.smtpPassword
      ? clean(typed.smtpPassword, smtp)
      : password
  if ((imap && password === null) || (smtp && smtpPassword === null)) throw missing('password')
  const { DEV } = settings(env)
  // What is refused anyway is refused by its own name, and nothing is sent there.
  const reached = (kind: 'imap' | 'smtp', at: Server | null) =>
    at !== null && forbidden(kind, { ...at, password: '' }, DEV) === null
  if (reached('imap', imap) && typed.password === undefined)
    mustBeKnownThere(before, imap!, password!, 'password')
  if (reached('smtp', smtp) && (keepsOwn || (typed.password === undefined && !typed.smtpPassword)))
    mustBeKnownThere(before, smtp!, smtpPassword!, keepsOwn ? 'smtpPassword' : 'password')
  return { address, imap, smtp, imapPassword: imap && password, smtpPassword: smtp && smtpPassword }
}

/**
 * A saved password goes only where it is used already, host and user name: else whoever may change an inbox could have it sent to a
 * server of their own. Port and TLS of a server may change.
 *
 * @throws Refusal missing_field
 */
function mustBeKnownThere(before: Connection | null, to: Server, password: string, field: string): void {
  const { imap, smtp, imapPassword, smtpPassword } = before!
  const used = (server: Server | null, its: string | null) =>
    server?.host === to.host && server.user === to.user && its === password
  if (!used(imap, imapPassword) && !used(smtp, smtpPassword))
    throw new Refusal('missing_field', PASSWORD_AGAIN, field)
}

export const PASSWORD_AGAIN = 'Enter the password again: the saved one is not given to another server.'

/** The one that is named; for a new inbox of which no server is, the one its address belongs to. */
function chosenProvider(
  typed: Pick<Typed, keyof typeof connectionFields>,
  saved: SavedInbox | null,
  address: string,
): Provider['id'] {
  if (typed.provider) return typed.provider
  if (saved) return saved.row.provider as Provider['id']
  const named = typed.imapHost !== undefined || typed.smtpHost !== undefined
  return named ? 'custom' : (presetFor(address)?.provider.id ?? 'custom')
}

/** Mail comes in by Email Routing and may leave through a binding: no server need be named. */
function isServerless(provider: Provider): boolean {
  return provider.id === 'cloudflare'
}

function server(
  typed: { host?: string | null | undefined; port?: number | undefined; tls?: boolean | undefined },
  /** `field`: what is missing where there is no host; null where none is fine. */
  filled: {
    known: { host: string; port: number; tls?: boolean } | null
    port: number
    field: string | null
  },
  user: string,
): Server | null {
  const { known } = filled
  const named = typed.host === undefined ? (known?.host ?? null) : typed.host
  if (named === null) {
    if (filled.field) throw missing(filled.field)
    return null
  }
  return {
    host: canonicalHost(named) ?? named,
    port: typed.port ?? known?.port ?? filled.port,
    tls: typed.tls ?? known?.tls ?? true,
    user,
  }
}

/** A user name that is the address follows it to another account. */
function keptUser(before: Connection | null, address: string): string | null {
  const user = before && (before.imap?.user ?? before.smtp?.user ?? null)
  return user !== null && user === before?.address ? address : user
}

function keptSmtpUser(before: Connection | null, user: string): string {
  const { imap, smtp } = before ?? {}
  return imap && smtp && smtp.user !== imap.user ? smtp.user : user
}

function missing(field: string): Refusal {
  return new Refusal('missing_field', `"${field}" is required.`, field)
}

function unique<T>(list: readonly T[]): T[] {
  return [...new Set(list)]
}
