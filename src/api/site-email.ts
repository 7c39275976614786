/**
 * The site's e-mail inbox as seed 001 sees it: one per site, where `/api/v1/inboxes` has as many as one likes. Theirs is the oldest, and
 * what either door saves is the same row.
 */
import { z } from '@hono/zod-openapi'
import { canonicalHost } from '../domain/host.ts'
import { settings } from '../env.ts'
import { cleanPassword, type Provider, providers, type Variant } from '../mail/providers/index.ts'
import { assistantsAfter } from '../store/assistants.ts'
import { type Connection, hasOwnSmtpPassword } from '../store/connection-tests.ts'
import { db } from '../store/db.ts'
import { dataKeyOf, EmailSettings, firstEmailInbox, type InboxRow, type Server } from '../store/inboxes.ts'
import { openToken } from '../store/secure-tokens.ts'
import { mailAddress } from './inbox-fields.ts'
import { changeInbox, createInbox, type InboxEdit, openable, type SavedInbox } from './inbox-saving.ts'
import { Refusal } from './problems.ts'

const host = z.string().trim().min(1).max(255)
/** A number, or its digits as text. */
const port = z.preprocess(
  typed => (typeof typed === 'string' && /^\d{1,5}$/.test(typed) ? Number(typed) : typed),
  z.int().min(1).max(65535),
)

/** Both spellings are taken; the one of the documentation wins. */
export const serverFields = {
  incomingServer: host.openapi({ example: 'imap.gmail.com' }),
  incomingPort: port.openapi({ type: 'integer', example: 993 }),
  outgoingServer: host.openapi({ example: 'smtp.gmail.com' }),
  outgoingPort: port.openapi({ type: 'integer', example: 587 }),
  incoming_server: host,
  incoming_port: port.openapi({ type: 'integer' }),
  outgoing_server: host,
  outgoing_port: port.openapi({ type: 'integer' }),
  tls: z.boolean(),
}

export const SiteEmail = z
  .object({
    email: mailAddress.openapi({ description: 'The address used for login.' }),
    aliases: z
      .array(mailAddress)
      .max(50)
      .openapi({ type: 'array', items: { type: 'string', format: 'email' } }),
    ...serverFields,
  })
  .partial()
  .openapi('SiteEmail')
type SiteEmail = z.infer<typeof SiteEmail>

/** The servers a body names, whichever spelling it uses. */
export function namedServers(typed: Pick<SiteEmail, keyof typeof serverFields>) {
  return {
    imap: {
      host: typed.incomingServer ?? typed.incoming_server,
      port: typed.incomingPort ?? typed.incoming_port,
    },
    smtp: {
      host: typed.outgoingServer ?? typed.outgoing_server,
      port: typed.outgoingPort ?? typed.outgoing_port,
    },
    tls: typed.tls,
  }
}

type Named = ReturnType<typeof namedServers>

/** A server after what was named of it; null where nothing is known and nothing was named. */
export function serverAfter(
  named: Named['imap'],
  tls: boolean | undefined,
  known: Server | null,
  fallback: { host: string | null; port: number; user: string },
): Server | null {
  const at = named.host ?? known?.host ?? fallback.host
  if (at === null) return null
  return {
    host: canonicalHost(at) ?? at,
    port: named.port ?? known?.port ?? fallback.port,
    // Another server is another agreement: what was said of the old one's TLS does not follow.
    tls: tls ?? (known && sameServer(named, known) ? known.tls : true),
    user: known?.user ?? fallback.user,
  }
}

function sameServer(named: Named['imap'], known: Server): boolean {
  return (
    (named.host === undefined || (canonicalHost(named.host) ?? named.host) === known.host) &&
    (named.port ?? known.port) === known.port
  )
}

/** The site's e-mail inbox, or undefined. */
export function siteInbox(env: Env, siteId: string): Promise<InboxRow | undefined> {
  return firstEmailInbox(db(env.DB), siteId)
}

/** The password that was handed over for an address before, in plain. */
export async function handedPassword(env: Env, siteId: string, address: string): Promise<string | null> {
  const d1 = db(env.DB)
  const name = { siteId, type: 'email', identifier: address }
  return openToken(d1, settings(env).KEK, await dataKeyOf(d1, siteId), name)
}

/**
 * Merges into the site's e-mail inbox, or makes it; of two who make it at once one does. Untested, so a changed connection rests as
 * unverified until a check passes.
 */
export async function saveSiteEmail(env: Env, siteId: string, typed: SiteEmail): Promise<InboxRow> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const known = await siteInbox(env, siteId)
    try {
      if (known)
        return await changeInbox(env, siteId, known.id, { force: true }, saved => merged(env, saved, typed))
    } catch (error) {
      // Disconnected through the other door meanwhile: then it is made anew.
      if (!(error instanceof Refusal && error.problem.code === 'not_found')) throw error
      continue
    }
    const made = await createInbox(env, siteId, await fresh(env, siteId, typed), { force: true }, true)
    if (made) return made
  }
  throw new Refusal('conflict')
}

/** So often it begins anew because the inbox came or went meanwhile. */
const ATTEMPTS = 10

async function fresh(env: Env, siteId: string, typed: SiteEmail) {
  const address = typed.email
  if (address === undefined) throw missing('email')
  const named = namedServers(typed)
  const imap = serverAfter(named.imap, named.tls, null, { host: null, port: 993, user: address })
  if (imap === null) throw missing('incomingServer')
  const smtp = serverAfter(named.smtp, named.tls, null, { host: null, port: 587, user: address })
  if (smtp === null) throw missing('outgoingServer')
  const provider = providerWith(imap.host, smtp.host)
  const password = await handedPassword(env, siteId, address)
  const clean = password === null ? null : cleanPassword(provider, password, [imap, smtp])
  const [assistant] = await assistantsAfter(db(env.DB), siteId, '', 1)
  return {
    name: address,
    assistantId: assistant?.id ?? null,
    provider,
    paused: false,
    settings: EmailSettings.parse({
      imap,
      smtp,
      mode: 'draft',
      aliases: aliasesOf(typed.aliases ?? [], address),
    }),
    connection: { address, imap, smtp, imapPassword: clean, smtpPassword: clean },
  }
}

async function merged(env: Env, saved: SavedInbox, typed: SiteEmail): Promise<InboxEdit> {
  const before = await saved.connection()
  const address = typed.email ?? before.address
  const moved = address !== before.address
  const named = namedServers(typed)
  const login = (server: Server | null) => server && (moved ? { ...server, user: address } : server)
  const user = moved ? address : ((before.imap ?? before.smtp)?.user ?? address)
  const imap = serverAfter(named.imap, named.tls, login(before.imap), { host: null, port: 993, user })
  const smtp = serverAfter(named.smtp, named.tls, login(before.smtp), { host: null, port: 587, user })
  const rehoused = imap?.host !== before.imap?.host || smtp?.host !== before.smtp?.host
  const provider = rehoused ? providerWith(imap?.host, smtp?.host) : saved.row.provider
  // Another address is another account, whose password the old one is not; and no password is for another server.
  const own = moved || rehoused ? null : before
  const handed =
    rehoused || (own?.imapPassword && own.smtpPassword)
      ? null
      : await handedPassword(env, saved.row.siteId, address)
  const clean = handed === null ? null : cleanPassword(provider, handed, [imap, smtp])
  return {
    ...saved.row,
    provider,
    settings: { ...saved.settings, aliases: aliasesOf(typed.aliases ?? saved.settings.aliases, address) },
    connection: {
      address,
      imap,
      smtp,
      imapPassword: own?.imapPassword ?? own?.smtpPassword ?? clean,
      smtpPassword: own?.smtpPassword ?? own?.imapPassword ?? clean,
    },
  }
}

/** A password that was handed over for this inbox's address becomes its password; where SMTP has its own, that one stays. */
export async function givePassword(env: Env, inbox: InboxRow, password: string): Promise<void> {
  const given = changeInbox(env, inbox.siteId, inbox.id, { force: true }, async saved => {
    const before = await saved.connection()
    const clean = cleanPassword(saved.row.provider, password, [before.imap, before.smtp])
    return keeping(saved, {
      ...before,
      imapPassword: clean,
      smtpPassword: hasOwnSmtpPassword(before) ? before.smtpPassword : clean,
    })
  })
  await given.catch(error => {
    // Disconnected meanwhile: the secret is kept all the same, and nobody needs it now.
    if (!(error instanceof Refusal && error.problem.code === 'not_found')) throw error
  })
}

/** The inbox as it is, with this connection. */
export function keeping(saved: SavedInbox, connection: Connection): InboxEdit {
  return { ...saved.row, settings: saved.settings, connection }
}

/** The saved connection, with a password that was handed over for it where it has none of its own. */
export async function savedConnection(env: Env, row: InboxRow): Promise<Connection> {
  const connection = await openable(env, row).connection()
  if (connection.imapPassword !== null || connection.smtpPassword !== null) return connection
  const handed = await handedPassword(env, row.siteId, row.address)
  const clean =
    handed === null ? null : cleanPassword(row.provider, handed, [connection.imap, connection.smtp])
  return { ...connection, imapPassword: clean, smtpPassword: clean }
}

/** Whose servers these are, both of them. */
function providerWith(imapHost: string | undefined, smtpHost: string | undefined): string {
  const has = (one: Provider | Variant) => one.imap?.host === imapHost && one.smtp?.host === smtpHost
  return providers.find(one => [one, ...one.variants].some(has))?.id ?? 'custom'
}

function aliasesOf(aliases: readonly string[], address: string): string[] {
  return [...new Set(aliases)].filter(alias => alias !== address)
}

function missing(field: string): Refusal {
  return new Refusal('missing_field', `"${field}" is required.`, field)
}
