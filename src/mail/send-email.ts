/**
 * The other way out: the deployment's `send_email` binding (Cloudflare Email Service), for domains that have no mail server of their own.
 * The platform makes Message-ID and Date itself and says which in its answer; the contact will cite that one (B8). There is one call and
 * no dialogue, so the gate is asked just before it, and an answer that never comes is `uncertain`.
 *
 * https://developers.cloudflare.com/email-service/api/send-emails/workers-api/
 */
import { type Problem, problem } from '../domain/problem.ts'
import type { OutgoingEmail } from './compose.ts'
import type { Submission } from './smtp.ts'

/** The platform takes 5 MiB, encoding and headers included. */
const MOST_BYTES = 5 * 1024 * 1024

export async function submitByBinding(
  binding: SendEmail | undefined,
  mail: OutgoingEmail,
  gate: () => Promise<boolean>,
): Promise<Submission> {
  if (!binding)
    return {
      kind: 'retry',
      problem: problem(
        'unavailable',
        'This deployment has no send_email binding. Add it, or give an SMTP server.',
      ),
    }
  const bytes = mail.attachments.reduce((sum, one) => sum + one.content.length * 1.37, 0)
  if (bytes + mail.text.length + (mail.html?.length ?? 0) > MOST_BYTES)
    return {
      kind: 'failed',
      problem: problem('attachments_too_large', 'Cloudflare sends mail of up to 5 MB.'),
    }
  let yes: boolean
  try {
    yes = await gate()
  } catch {
    return {
      kind: 'retry',
      problem: problem('unavailable', 'The mail was held back because we could not decide.'),
    }
  }
  if (!yes) return { kind: 'withdrawn' }
  try {
    const { messageId } = await binding.send(builderOf(mail))
    return { kind: 'sent', response: 'accepted', refused: [], messageId: bracketed(messageId) }
  } catch (error) {
    return refusalOf(error)
  }
}

function builderOf(mail: OutgoingEmail): EmailMessageBuilder {
  const [to] = mail.to
  const headers: Record<string, string> = {}
  if (mail.inReplyTo) headers['In-Reply-To'] = mail.inReplyTo
  if (mail.references.length > 0) headers.References = mail.references.slice(-20).join(' ')
  if (mail.automatic) headers['Auto-Submitted'] = mail.automatic
  if (mail.unsubscribe) {
    headers['List-Unsubscribe'] = `<${mail.unsubscribe}>`
    headers['List-Unsubscribe-Post'] = 'List-Unsubscribe=One-Click'
  }
  return {
    from: { name: mail.from.name, email: mail.from.address },
    to: to!.address,
    subject: mail.subject,
    text: mail.text,
    ...(mail.html === null ? {} : { html: mail.html }),
    headers,
    attachments: mail.attachments.map(({ filename, contentType, content, contentId }) => ({
      filename,
      type: contentType,
      content,
      ...(contentId ? { disposition: 'inline' as const, contentId } : { disposition: 'attachment' as const }),
    })),
  }
}

/** An error with a code of theirs is an answer: they do not have the mail. Any other break leaves it open. */
function refusalOf(error: unknown): Submission {
  const { code } = (error ?? {}) as { code?: unknown }
  if (typeof code !== 'string' || !code.startsWith('E_'))
    return { kind: 'uncertain', problem: problem('uncertain') }
  const later = (why: Problem): Submission => ({ kind: 'retry', problem: why })
  if (/LIMIT|QUOTA/.test(code))
    return later(problem('sender_limit', 'Cloudflare says the sending limit is used up.'))
  if (/INTERNAL|UNAVAILABLE|TIMEOUT/.test(code))
    return later(problem('busy', 'Cloudflare could not take the mail just now.'))
  if (/RECIPIENT/.test(code)) return { kind: 'failed', problem: problem('recipient_refused') }
  return { kind: 'failed', problem: problem('message_refused', `Cloudflare refused the message (${code}).`) }
}

function bracketed(messageId: string): string {
  const bare = messageId.trim()
  return bare.startsWith('<') ? bare : `<${bare}>`
}
