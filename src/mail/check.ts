/**
 * The connection test: both legs side by side, each with its own cause. It is what a person waits for with a form open,
 * so it ends within ten seconds whatever the servers do, and what is forbidden is said before anything is connected to.
 */
import type { ImapAccount } from '../../bridge/wire.ts'
import { checkHost, MAIL_PORTS, securityOf } from '../domain/host.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { settings } from '../env.ts'
import { ImapFailure, imap } from './imap.ts'
import { providerAt } from './providers/index.ts'
import { checkSmtp } from './smtp.ts'

export interface ServerAccount {
  host: string
  port: number
  tls: boolean
  user: string
  password: string
}

/** A leg that is null is not used (mail by Email Routing, or out through a binding), and passes. */
export interface ConnectionSettings {
  imap: ServerAccount | null
  smtp: ServerAccount | null
}

export interface LegResult {
  ok: boolean
  problem: Problem | null
}

export interface ImapLegResult extends LegResult {
  /** Of INBOX; absent where the server does not say. */
  messages?: { total: number; recent: number; unseen: number }
}

export interface CheckResult {
  ok: boolean
  imap: ImapLegResult
  smtp: LegResult
}

/** One leg, and so the whole. Inside it the bridge and the SMTP line have limits of their own, so that they say the cause. */
const LEG_MS = 9_500
const BRIDGE_MS = 8_500
const BRIDGE_PATIENCE_MS = 9_200
const SMTP = { connectMs: 6_000, silenceMs: 6_000, sessionMs: 9_000 }

/** Never throws for what a server does. */
export async function checkConnection(env: Env, connection: ConnectionSettings): Promise<CheckResult> {
  const [imap, smtp] = await Promise.all([
    leg('imap', connection.imap, env, account => imapLeg(env, account)),
    leg('smtp', connection.smtp, env, account => smtpLeg(account)),
  ])
  return { ok: imap.ok && smtp.ok, imap, smtp }
}

type Secured = ServerAccount & { security: 'tls' | 'starttls' | 'plain' }

async function leg<Result extends LegResult>(
  kind: 'imap' | 'smtp',
  account: ServerAccount | null,
  env: Env,
  attempt: (account: Secured) => Promise<Result>,
): Promise<Result | LegResult> {
  if (account === null) return PASSED
  const refusal = forbidden(kind, account, settings(env).DEV)
  if (refusal !== null) return failed(refusal)
  const late = Promise.withResolvers<LegResult>()
  const timer = setTimeout(() => late.resolve(failed(problem('timeout'))), LEG_MS)
  try {
    return await Promise.race([
      attempt({ ...account, security: securityOf(account.port, account.tls) }),
      late.promise,
    ])
  } finally {
    clearTimeout(timer)
  }
}

const PASSED: LegResult = { ok: true, problem: null }

function failed(why: Problem): LegResult {
  return { ok: false, problem: why }
}

/** What is refused without a look at the server: null where it may be tried. */
export function forbidden(kind: 'imap' | 'smtp', account: ServerAccount, dev: boolean): Problem | null {
  const { host, port, tls } = account
  const why = checkHost(host, port, MAIL_PORTS[kind], dev)
  if (why !== null) return { ...why, field: `${kind}.${why.field}` }
  if (!tls && !dev) {
    const message = 'An unencrypted connection is not allowed. Switch SSL/TLS on.'
    return problem('host_refused', message, `${kind}.tls`)
  }
  return null
}

async function imapLeg(env: Env, account: Secured): Promise<ImapLegResult> {
  const { host, port, security, user, password } = account
  const asked: ImapAccount = { host, port, security, user, password }
  try {
    const { messages } = await imap(env).check({ account: asked, limitMs: BRIDGE_MS }, BRIDGE_PATIENCE_MS)
    return { ...PASSED, ...(messages === null ? {} : { messages }) }
  } catch (error) {
    if (error instanceof ImapFailure) return failed(hinted(error.problem, host))
    throw error
  }
}

/** Paths of the folders that can be opened; null where the server cannot be asked just now. */
export async function foldersOf(env: Env, account: ServerAccount): Promise<string[] | null> {
  if (forbidden('imap', account, settings(env).DEV) !== null) return null
  const { host, port, tls, user, password } = account
  const security = securityOf(port, tls)
  try {
    const { folders } = await imap(env).folders({ account: { host, port, security, user, password } })
    return folders.filter(folder => folder.selectable).map(folder => folder.path)
  } catch (error) {
    if (error instanceof ImapFailure) return null
    throw error
  }
}

async function smtpLeg(account: Secured): Promise<LegResult> {
  const { host, port, security, user, password } = account
  const why = await checkSmtp({ host, port, security, user, password }, SMTP)
  return why === null ? PASSED : failed(hinted(why, host))
}

/** Some providers refuse every password but an app password in the words for a wrong one. */
function hinted(why: Problem, host: string): Problem {
  const provider = why.code === 'credentials' ? providerAt(host) : null
  if (provider?.authentication[0] !== 'app_password') return why
  return {
    ...why,
    message: `${why.message} ${provider.name} takes an app password here, not the ordinary one.`,
  }
}
