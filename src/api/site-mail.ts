/**
 * Mail of the product's own to the people of a site: an invitation, a link for a new password. It leaves by the site's first e-mail inbox,
 * but belongs to no conversation: what stands in it is for its recipient alone, and agents read conversations.
 */
import type { Role } from '../domain/access.ts'
import { domainOf } from '../domain/address.ts'
import { checkHost, MAIL_PORTS, securityOf } from '../domain/host.ts'
import { idKey } from '../domain/thread.ts'
import { settings } from '../env.ts'
import { log } from '../log.ts'
import { compose, type OutgoingEmail } from '../mail/compose.ts'
import { submitByBinding } from '../mail/send-email.ts'
import { type SmtpAccount, submit } from '../mail/smtp.ts'
import { db } from '../store/db.ts'
import { neverTakeIn } from '../store/erased.ts'
import { newId } from '../store/ids.ts'
import {
  addressesTaken,
  dataKeyOf,
  EmailSettings,
  firstEmailInbox,
  type InboxRow,
  openPassword,
} from '../store/inboxes.ts'

export interface SiteMail {
  to: { name: string; address: string }
  /** What whoever reads it can become by it. */
  makes: Role
  subject: string
  text: string
}

const LIMITS = { connectMs: 8_000, silenceMs: 8_000, sessionMs: 15_000 }

/**
 * The inbox it would leave by; null where the site has none that may send it. A key with `inboxes:write` may name the mail server it leaves
 * through, and read it there: so what makes more than an agent leaves by the deployment's own binding, or not at all.
 */
export async function mailingInbox(env: Env, siteId: string, makes: Role): Promise<InboxRow | null> {
  const inbox = await firstEmailInbox(db(env.DB), siteId)
  if (!inbox || inbox.verifiedAt === null || inbox.paused || inbox.state === 'auth_required') return null
  return makes === 'agent' || settingsOf(inbox).smtp === null ? inbox : null
}

/** Whether the mail server took it. Never throws for what a server does. */
export async function sendSiteMail(env: Env, siteId: string, mail: SiteMail): Promise<boolean> {
  const inbox = await mailingInbox(env, siteId, mail.makes)
  if (!inbox) return false
  // To an inbox of ours it would become a conversation that everybody reads.
  if ((await addressesTaken(db(env.DB), siteId, '', [mail.to.address])).length > 0) return false
  const parsed = settingsOf(inbox)
  const email: OutgoingEmail = {
    messageId: `<${newId()}@${domainOf(inbox.address)}>`,
    date: Date.now(),
    from: { name: inbox.name, address: inbox.address },
    to: [mail.to],
    cc: [],
    replyTo: null,
    subject: mail.subject,
    inReplyTo: null,
    references: [],
    text: mail.text,
    html: null,
    automatic: 'auto-generated',
    attachments: [],
  }
  const composed = await compose(email)
  if (composed.kind === 'refused') return false
  // A copy of it may come to lie among the sent mail, or in a report of a mail server.
  await neverTakeIn(env.DB, siteId, idKey(email.messageId))
  const yes = async () => true
  const envelope = { from: inbox.address, to: [mail.to.address] }
  const account = parsed.smtp && (await accountOf(env, inbox, parsed.smtp))
  if (parsed.smtp && !account) return false
  const submission = account
    ? await submit(account, envelope, composed.raw, yes, LIMITS)
    : await submitByBinding(env.EMAIL, email, yes)
  if (submission.kind === 'sent' && submission.refused.length === 0) return true
  log('site_mail_unsent', {
    inbox: inbox.id,
    kind: submission.kind,
    code: 'problem' in submission ? submission.problem.code : null,
  })
  return false
}

function settingsOf(inbox: InboxRow): EmailSettings {
  return EmailSettings.parse(JSON.parse(inbox.settings))
}

async function accountOf(
  env: Env,
  inbox: InboxRow,
  { host, port, tls, user }: NonNullable<EmailSettings['smtp']>,
): Promise<SmtpAccount | null> {
  const { KEK, DEV } = settings(env)
  const security = securityOf(port, tls)
  if (checkHost(host, port, MAIL_PORTS.smtp, DEV) || (security === 'plain' && !DEV)) return null
  const dataKey = await dataKeyOf(db(env.DB), inbox.siteId)
  const password = await openPassword(KEK, dataKey, inbox, 'smtp_password')
  return password === null ? null : { host, port, security, user, password }
}
