/** Seed 001, step 3: check the connection; where what passed is what is saved, the inbox is verified. */
import { createRoute, z } from '@hono/zod-openapi'
import { settings } from '../env.ts'
import { cleanPassword } from '../mail/providers/index.ts'
import { type Connection, fingerprint } from '../store/connection-tests.ts'
import type { InboxRow } from '../store/inboxes.ts'
import { AgentRefusal, agentNoun, agentRefusals, mustBeOwnSite } from './agent-answers.ts'
import { checkLegs } from './connection-test.ts'
import { mailAddress, PASSWORD_AGAIN } from './inbox-fields.ts'
import { changeInbox, refuseHosts } from './inbox-saving.ts'
import {
  handedPassword,
  keeping,
  namedServers,
  savedConnection,
  serverAfter,
  serverFields,
  siteInbox,
} from './site-email.ts'

const CheckOrder = z
  .object({
    site_id: z.string(),
    siteId: z.string(),
    email: mailAddress,
    password: z.string().min(1).max(1000),
    use_saved_credentials: z.boolean().openapi({ description: 'True where it is not given.' }),
    useSavedCredentials: z.boolean(),
    ...serverFields,
    skip_smtp: z.boolean(),
    skipSmtp: z.boolean(),
  })
  .partial()
  .openapi('EmailCheckOrder')

const CheckedSchema = z
  .object({
    success: z.boolean(),
    imap: z.object({
      success: z.boolean(),
      messages: z.object({ total: z.int(), recent: z.int(), unseen: z.int() }).optional(),
      error: z.string().optional(),
    }),
    smtp: z.object({ success: z.boolean(), skipped: z.boolean(), error: z.string().optional() }),
    config: z.object({
      host: z.string().nullable(),
      port: z.int().nullable(),
      user: z.string(),
      tls: z.boolean(),
    }),
  })
  .openapi('EmailCheck')

const check = createRoute({
  method: 'post',
  path: '/check',
  summary: 'Check the connection to IMAP and SMTP',
  description:
    'A failed login is still 200, with `success: false`. Where what was checked is what is saved, the inbox is verified from then on, and syncing starts. Another server than the saved one needs `password`. Spelled `camelCase` or `snake_case`.',
  request: { body: { required: true, content: { 'application/json': { schema: CheckOrder } } } },
  responses: {
    200: { description: 'How both did', content: { 'application/json': { schema: CheckedSchema } } },
    ...agentRefusals('SITE_CONFIG_NOT_FOUND', 'EMAIL_CONFIG_NOT_FOUND'),
  },
})

/** Where no server is named and none is saved, as that API's own documentation has it. */
const DEFAULTS = { imap: 'imap.gmail.com', smtp: 'smtp.gmail.com' }

export const emailCheck = agentNoun().openapi(check, async c => {
  const typed = c.req.valid('json')
  mustBeOwnSite(c, typed.site_id ?? typed.siteId)
  const siteId = c.get('siteId')
  const row = (await siteInbox(c.env, siteId)) ?? null
  const useSaved = typed.use_saved_credentials ?? typed.useSavedCredentials ?? true
  const saved = row && useSaved ? await savedConnection(c.env, row) : null
  const connection = await toCheck(c.env, siteId, typed, saved, useSaved, row?.provider)
  refuseHosts(c.env, connection)
  const skipped = typed.skip_smtp ?? typed.skipSmtp ?? false
  const result = await checkLegs(c.env, connection, skipped ? ['imap'] : ['imap', 'smtp'])
  if (row && saved && result.ok && !skipped) await verify(c.env, row, connection)
  const { imap, smtp } = result
  return c.json(
    {
      success: result.ok,
      imap: {
        success: imap.ok,
        ...(imap.messages ? { messages: imap.messages } : {}),
        ...(imap.problem ? { error: imap.problem.message } : {}),
      },
      smtp: {
        success: smtp.ok,
        skipped: skipped || (!connection.smtp && smtp.ok),
        ...(smtp.problem ? { error: smtp.problem.message } : {}),
      },
      config: {
        host: connection.imap?.host ?? null,
        port: connection.imap?.port ?? null,
        user: (connection.imap ?? connection.smtp)?.user ?? connection.address,
        tls: (connection.imap ?? connection.smtp)?.tls ?? true,
      },
    },
    200,
  )
})

/** What is to be checked: what the body names, over what is saved, over that API's defaults. */
async function toCheck(
  env: Env,
  siteId: string,
  typed: z.infer<typeof CheckOrder>,
  saved: Connection | null,
  useSaved: boolean,
  provider = 'custom',
): Promise<Connection> {
  const address = typed.email ?? saved?.address
  if (address === undefined)
    throw useSaved
      ? new AgentRefusal('EMAIL_CONFIG_NOT_FOUND', 'No e-mail settings are saved for this site.')
      : required('email')
  const own = saved?.address === address ? saved : null
  const named = namedServers(typed)
  const known =
    own ?? (saved && { ...saved, imap: relogged(saved.imap, address), smtp: relogged(saved.smtp, address) })
  const kept = own?.imapPassword ?? own?.smtpPassword ?? null
  const given =
    typed.password ?? (kept === null && useSaved ? await handedPassword(env, siteId, address) : null)
  if (given === null && kept === null)
    throw useSaved
      ? new AgentRefusal('INVALID_REQUEST', `No password is stored for ${address}.`, {
          code: 'EMAIL_CONFIG_NOT_FOUND',
          field: 'password',
        })
      : required('password')
  const fallback = (host: string, port: number) => ({ host: known ? null : host, port, user: address })
  const imap = serverAfter(named.imap, named.tls, known?.imap ?? null, fallback(DEFAULTS.imap, 993))
  const smtp = serverAfter(named.smtp, named.tls, known?.smtp ?? null, fallback(DEFAULTS.smtp, 587))
  const another = known && (imap?.host !== known.imap?.host || smtp?.host !== known.smtp?.host)
  if (another && typed.password === undefined)
    throw new AgentRefusal('INVALID_REQUEST', PASSWORD_AGAIN, { code: 'missing_field', field: 'password' })
  const password = given === null ? kept : cleanPassword(provider, given, [imap, smtp])
  return {
    address,
    imap,
    smtp,
    imapPassword: imap && password,
    smtpPassword: smtp && (typed.password === undefined ? (own?.smtpPassword ?? password) : password),
  }
}

function relogged(server: Connection['imap'], user: string): Connection['imap'] {
  return server && { ...server, user }
}

/** Where what passed is what is saved, but for a password that was handed over and not yet taken, the inbox is verified. */
async function verify(env: Env, row: InboxRow, connection: Connection): Promise<void> {
  const { KEK } = settings(env)
  const passed = await fingerprint(KEK, row.siteId, connection)
  const saved = await savedConnection(env, row)
  if ((await fingerprint(KEK, row.siteId, saved)) !== passed) return
  await changeInbox(env, row.siteId, row.id, { passed, force: true }, async now => {
    const before = await now.connection()
    const bare = before.imapPassword === null && before.smtpPassword === null
    return keeping(
      now,
      bare ? { ...before, imapPassword: saved.imapPassword, smtpPassword: saved.smtpPassword } : before,
    )
  })
}

function required(field: string): AgentRefusal {
  return new AgentRefusal('INVALID_REQUEST', `"${field}" is required.`, { field })
}
