/**
 * Mail out. The bytes are made once and kept in R2, then the row says `queued`; each attempt hands the same bytes to the mail server. All of
 * a mail but its last bytes is with the server when the point of no return is asked for: caps counted here, owner and epoch by the
 * conversation, `leaving` written and known to be on disk, and only then the last bytes go. What happens between that and the server's
 * answer, nobody can undo and nobody may repeat.
 */

import { normaliseAddress } from '../domain/address.ts'
import type { AttachmentRef, Citation } from '../domain/conversation.ts'
import { type Attempt, afterAttempt, capReached, OUTBOX_RULES, sentAgain, settled } from '../domain/outbox.ts'
import { problem } from '../domain/problem.ts'
import { textsIn } from '../domain/texts.ts'
import { log } from '../log.ts'
import { answerBodies, type Original } from '../mail/answer.ts'
import { type Composed, compose, type OutgoingAttachment, type OutgoingEmail } from '../mail/compose.ts'
import { ImapFailure } from '../mail/imap.ts'
import { submitByBinding } from '../mail/send-email.ts'
import { type SmtpAccount, type Submission, submit } from '../mail/smtp.ts'
import type { MailboxConfig } from '../store/inboxes.ts'
import { outKey } from './keys.ts'
import type { OutboxRow, Records } from './records.ts'

/** An answer as the conversation hands it over; `id` is the message's, so queueing it twice is harmless. */
export interface OutgoingMail {
  id: string
  conversationId: string
  rfcId: string
  from: string
  to: { name: string; address: string }
  subject: string
  inReplyTo: string | null
  references: string[]
  text: string
  citations: Citation[]
  language: string
  createdAt: number
  attachments: AttachmentRef[]
  automatic: OutgoingEmail['automatic']
  /** A machine made the text up, and the mail says so where the inbox has it. */
  byMachine: boolean
  /** The mail it answers, quoted below where the inbox does so. */
  original: Original | null
  /** Where its reader says that they want no more; of mail to an address that nobody proved. */
  unsubscribe?: string | null
}

export interface OutboxTools {
  env: Env
  config: MailboxConfig
  records: Records
  storage: DurableObjectStorage
  /** Null: mail leaves through the deployment's `send_email` binding. */
  account(): Promise<SmtpAccount | null>
}

/** Makes the mail and owes it. Safe to repeat: the second time the bytes are the same and the row is there. */
export async function queueMail(given: OutgoingMail, tools: OutboxTools): Promise<void> {
  if (tools.records.outboxRow(given.id)) return
  const { config, records, env } = tools
  // The inbox may have another address by now than the mail was begun with.
  const ours = [config.address, ...config.settings.aliases].map(normaliseAddress)
  const mail = ours.includes(normaliseAddress(given.from)) ? given : { ...given, from: config.address }
  const composed = await made(mail, tools)
  const rawKey = outKey(config.siteId, config.inboxId, mail.id)
  const owed = { attempts: 0, queuedAt: Date.now(), told: null, id: mail.id, mail, rawKey, again: false }
  if (composed.kind === 'refused') {
    records.addToOutbox({ ...owed, phase: 'failed', dueAt: null, problem: composed.problem })
    records.saveOutbox(mail.id, { ...owed, phase: 'failed', dueAt: null, problem: composed.problem })
    return
  }
  await env.MAIL.put(rawKey, composed.raw)
  records.addToOutbox({ ...owed, phase: 'queued', dueAt: owed.queuedAt, problem: null })
}

/**
 * A person sends it again: the same bytes under the same Message-ID, so that whoever has it already can tell. Where it could not be made
 * before, it is made now.
 *
 * @returns false where there is no such mail, or it is not one to be sent again: it is on its way, called back, or sent.
 */
export async function sendAgain(id: string, tools: OutboxTools): Promise<boolean> {
  const { records, env } = tools
  const before = records.outboxRow(id)
  if (!before || !sentAgain(before, Date.now())) return false
  const composed = (await env.MAIL.head(before.rawKey)) ? null : await made(before.mail, tools)
  if (composed?.kind === 'composed') await env.MAIL.put(before.rawKey, composed.raw)
  // Of two who say so at the same moment one sends it.
  const row = records.outboxRow(id)
  const owed = row && sentAgain(row, Date.now())
  if (!owed) return false
  records.requeue(
    id,
    composed?.kind === 'refused'
      ? { ...owed, phase: 'failed', dueAt: null, problem: composed.problem }
      : owed,
  )
  return true
}

/**
 * What became of a mail of which nobody could say it.
 *
 * @returns false where there is no such mail, or it was known.
 */
export function settle(
  id: string,
  outcome: 'sent' | 'failed',
  { records }: Pick<OutboxTools, 'records'>,
): boolean {
  const row = records.outboxRow(id)
  const owed = row && settled(row, outcome)
  if (!owed) return false
  records.saveOutbox(id, owed)
  // Whoever says so is the conversation, or has told it.
  records.outboxTold(id, owed.phase)
  if (outcome === 'failed') records.stay(id)
  return true
}

/** What was erased leaves no word of itself here. Safe to repeat. */
export async function eraseMail(
  row: OutboxRow,
  { env, records }: Pick<OutboxTools, 'env' | 'records'>,
): Promise<void> {
  records.blankOutbox(row)
  await env.MAIL.delete(row.rawKey)
}

/** An attachment that is gone makes no mail, now or later. */
async function made(mail: OutgoingMail, tools: OutboxTools): Promise<Composed> {
  try {
    return await compose(await emailOf(mail, tools))
  } catch (error) {
    if (!(error instanceof AttachmentGone)) throw error
    return {
      kind: 'refused',
      problem: problem('internal', 'An attachment of this mail is not there any more.'),
    }
  }
}

class AttachmentGone extends Error {}

async function emailOf(mail: OutgoingMail, { config, env }: OutboxTools): Promise<OutgoingEmail> {
  const { aiLine, signature, quoteOriginal } = config.settings
  return {
    messageId: mail.rfcId,
    date: mail.createdAt,
    from: { name: config.name, address: mail.from },
    to: [mail.to],
    cc: [],
    replyTo: null,
    subject: mail.subject,
    inReplyTo: mail.inReplyTo,
    references: mail.references,
    ...answerBodies({
      text: mail.text,
      citations: mail.citations,
      language: mail.language,
      aiLine: mail.byMachine && aiLine.on ? (aiLine.text ?? textsIn(mail.language).aiLine) : null,
      signature: [signature, mail.unsubscribe ? textsIn(mail.language).noMore(mail.unsubscribe) : '']
        .filter(Boolean)
        .join('\n\n'),
      original: quoteOriginal ? mail.original : null,
    }),
    unsubscribe: mail.unsubscribe ?? null,
    automatic: mail.automatic,
    attachments: await Promise.all(mail.attachments.map(attachment => bytesOf(attachment, env))),
  }
}

async function bytesOf(attachment: AttachmentRef, env: Env): Promise<OutgoingAttachment> {
  const object = attachment.key ? await env.MAIL.get(attachment.key) : null
  if (!object) throw new AttachmentGone()
  return {
    filename: attachment.filename,
    contentType: attachment.contentType,
    content: new Uint8Array(await object.arrayBuffer()),
    ...(attachment.contentId ? { contentId: attachment.contentId } : {}),
  }
}

/** One attempt at one mail. Never throws for what a server does. */
export async function sendMail(row: OutboxRow, tools: OutboxTools): Promise<void> {
  const { records } = tools
  records.saveOutbox(row.id, { ...row, phase: 'sending', dueAt: null })
  const attempt = await attemptOf(row, tools).catch((error): Attempt => {
    // R2 or the objects are away: before the last bytes left this is a try like any other.
    log('send_failed', { mail: row.id }, error)
    return { kind: 'retry', problem: problem('unavailable') }
  })
  if (attempt.kind !== 'sent' && attempt.kind !== 'uncertain') records.stay(row.id)
  // Called back while it was on its way and never left: then it stays called back, whatever else went wrong.
  const calledBack = records.outboxRow(row.id)?.phase === 'withdrawn'
  if (!calledBack) records.saveOutbox(row.id, afterAttempt(row, attempt, Date.now(), OUTBOX_RULES))
}

async function attemptOf(row: OutboxRow, tools: OutboxTools): Promise<Attempt> {
  const object = await tools.env.MAIL.get(row.rawKey)
  if (!object)
    return { kind: 'failed', problem: problem('internal', 'The mail that was made is not there any more.') }
  const raw = new Uint8Array(await object.arrayBuffer())
  let account: SmtpAccount | null
  try {
    account = await tools.account()
  } catch (error) {
    return {
      kind: 'retry',
      problem:
        error instanceof ImapFailure
          ? error.problem
          : problem('credentials', 'The password of this inbox cannot be opened. Enter it again.'),
    }
  }
  let said: Attempt | null = null
  let over = false
  const gate = async () => {
    said = await leave(row, tools, () => over)
    return said === null
  }
  const envelope = { from: row.mail.from, to: [row.mail.to.address] }
  const submission: Submission = account
    ? await submit(account, envelope, raw, gate)
    : await submitByBinding(tools.env.EMAIL, await emailOf(row.mail, tools), gate)
  over = true
  if (submission.kind === 'withdrawn') return said ?? { kind: 'withdrawn', problem: problem('superseded') }
  if (submission.kind === 'sent' && submission.messageId) tools.records.renamed(row.id, submission.messageId)
  if (submission.kind === 'sent') return { kind: 'sent' }
  return submission
}

/** The point of no return: null lets the last bytes go, anything else says why not. */
async function leave(row: OutboxRow, tools: OutboxTools, tooLate: () => boolean): Promise<Attempt | null> {
  const { records, config, env } = tools
  const now = records.outboxRow(row.id)
  if (records.config()?.paused)
    return { kind: 'retry', problem: problem('unavailable', 'The inbox is paused: nothing is sent.') }
  // What caps and age hold back is for a person to decide, and for this one a person did.
  const alone = row.mail.automatic === 'auto-replied' && !row.again
  // After a pause or an outage a machine's answer is old news: a person decides.
  if (alone && Date.now() - row.queuedAt > config.settings.draftAfterMs)
    return { kind: 'held', problem: problem('waited_long') }
  if (now?.phase !== 'sending') return { kind: 'withdrawn', problem: now?.problem ?? problem('superseded') }
  const recipient = row.mail.to.address.toLowerCase()
  // Counted and taken in one turn, so that answers that finish together never break a cap together (C31).
  const left = records.departures(
    recipient,
    row.mail.conversationId,
    config.settings.caps,
    Date.now(),
    row.id,
  )
  const cap = capReached(left, Date.now(), config.settings.caps)
  if (cap && alone) return { kind: 'held', problem: problem('cap_reached') }
  records.depart(row.id, recipient, row.mail.conversationId, Date.now())
  const stub = env.CONVERSATION.getByName(`${config.siteId}/${row.mail.conversationId}`)
  const answer = await stub.mayLeave(row.id)
  // Handed over to us while its conversation was erased.
  if (!answer.yes && answer.problem.code === 'not_found') await eraseMail(row, tools)
  if (!answer.yes) return { kind: 'withdrawn', problem: answer.problem }
  // The session ended while we asked: nothing left, and the next attempt asks again and hears the same yes.
  if (tooLate()) return { kind: 'retry', problem: problem('timeout') }
  records.saveOutbox(row.id, { ...row, phase: 'leaving', dueAt: null })
  await tools.storage.sync()
  return null
}
