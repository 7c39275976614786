/** A stored mail, read: what it says, what kind it is, and under which ids it would stand if nobody claimed it before. */
import { answerAddress, isOwnAddress, normaliseAddress } from '../domain/address.ts'
import { authentication } from '../domain/authentication.ts'
import { type DeliveryReport, deliveryReport } from '../domain/bounce.ts'
import type { AttachmentRef, Details } from '../domain/conversation.ts'
import type { Email, Mailbox } from '../domain/email.ts'
import { mayAnswerAt } from '../domain/hours.ts'
import { mayBeAnswered } from '../domain/permission.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { type NewText, newText, QUOTE_BEGINS } from '../domain/quote.ts'
import { isReset } from '../domain/reset.ts'
import { idKey } from '../domain/thread.ts'
import { type Verdict, verdict } from '../domain/verdict.ts'
import { readEmail, safeName } from '../mail/email.ts'
import { authenticationHostOf } from '../mail/providers/index.ts'
import { derivedId } from '../store/ids.ts'
import { type MailboxConfig, replyRulesOf } from '../store/inboxes.ts'
import { attachmentKey, bodyKey, contentKey, rawKey, reducedKey } from './keys.ts'
import type { ReceiveTools } from './receive.ts'
import { HISTORY, type MailRow, type Remote, ROUTED } from './records.ts'

/** Longest text kept with the message itself; above it the whole goes to R2 and the message says that it is cut. */
const TEXT_CHARS = 64_000

export interface Reading {
  row: MailRow
  email: Email
  verdict: Verdict
  /** What the writer newly said, apart from what it quotes. */
  view: NewText
  contentKey: string
  /** Whether the receiving host proved the sender. */
  authentication: NonNullable<Details['authentication']>
  /** What a bounce says about a mail of ours. */
  report: DeliveryReport | null
  /** Who wrote it: From, or behind a form or a list that writes in its own name, whom answers go to. */
  writer: Mailbox
  /** A person of ours sent it from another program: to whom. */
  oursTo: Mailbox | null
  /** Fetched from before the connection because somebody asked for it. */
  imported: boolean
  /** Who the conversation is with. */
  contact: Mailbox
  /** The ids it has if nobody claimed it before; the same at every retry. */
  ids: { messageId: string; conversationId: string; contactId: string; writerId: string }
  /** From the folder of sent mail, or proved to be ours: nobody else can have written it. */
  certainlyOurs: boolean
}

export async function read(row: MailRow, tools: ReceiveTools): Promise<Reading> {
  const { config } = tools
  const raw = tools.unread.has(row.id) ? null : await rawOf(row, tools)
  const email = await emailOf(row, raw)
  const key = await contentKey(email, row.sha)
  const proved = authentication(email, hostOf(row, config)).result
  const judged = weigh(row, email, config, proved, false)
  const oursTo = tools.isSent(row) || isOwnAndProved(judged, proved) ? recipientOf(email, config) : null
  const wrote = writerOf(email, judged)
  const contact = oursTo ?? wrote
  const { siteId } = config
  const at = row.internalDate
  return {
    row,
    email,
    verdict: judged,
    view: newText(email.text),
    contentKey: key,
    authentication: proved,
    report: judged.class === 'bounce' ? deliveryReport(email) : null,
    writer: wrote,
    oursTo,
    certainlyOurs: tools.isSent(row) || proved === 'pass',
    imported: row.oldBefore === HISTORY,
    contact,
    ids: {
      messageId: await derivedId(at, 'message', siteId, key),
      conversationId: await derivedId(at, 'conversation', siteId, key),
      contactId: await derivedId(at, 'contact', siteId, contact.address),
      writerId: await derivedId(at, 'contact', siteId, wrote.address),
    },
  }
}

/** @param answersOurs it answers a mail of ours from an address that mail went to */
export function weigh(
  row: MailRow,
  email: Email,
  config: MailboxConfig,
  proved: Reading['authentication'],
  answersOurs: boolean,
): Verdict {
  return verdict(email, {
    ownAddresses: ownAddresses(config),
    // That it is one of ours by its Message-ID is known after the look-up; by its sender, now.
    ownMessage: false,
    size: row.size,
    ownLists: config.settings.ownLists,
    forwarders: config.settings.forwarders,
    authentication: proved,
    answersOurs,
  })
}

async function emailOf(row: MailRow, raw: Uint8Array | null): Promise<Email> {
  const email = await readEmail(raw ?? new TextEncoder().encode('\r\n'))
  // Nothing in R2, or a server that lists a mail and hands out nothing.
  if (!raw?.length) email.flags.push('unreadable')
  const remote = row.remote === null ? null : (JSON.parse(row.remote) as Remote)
  if (remote?.textCut) email.flags.push('text_cut')
  if (remote?.notFetched) email.flags.push('not_fetched', 'unreadable')
  else if (row.extent === 'reduced' || isCutRouted(row)) email.flags.push('too_large')
  // What was read of it ends somewhere inside an attachment: they are all in the original.
  if (isCutRouted(row)) email.attachments = email.attachments.map(one => ({ ...one, content: null }))
  for (const part of remote?.parts ?? [])
    email.attachments.push({
      filename: safeName(part.filename ?? '', part.contentType),
      contentType: part.contentType,
      disposition: part.disposition === 'inline' ? 'inline' : 'attachment',
      contentId: part.contentId?.replace(/[<>]/g, '') ?? null,
      content: null,
      size: part.size,
      part: part.part,
    })
  return email
}

/** A routed mail of which only the beginning is read. */
function isCutRouted(row: MailRow): boolean {
  return row.folderId === ROUTED && row.extent === 'large'
}

async function rawOf(row: MailRow, { env, config, justStored }: ReceiveTools): Promise<Uint8Array | null> {
  const kept = justStored.get(row.id)
  justStored.delete(row.id)
  if (kept) return kept
  const at = row.extent === 'whole' ? rawKey : reducedKey
  const object = await env.MAIL.get(at(config.siteId, config.inboxId, row.id))
  return object ? new Uint8Array(await object.arrayBuffer()) : null
}

/** Whose word on senders counts: that of the host which took the mail in. */
function hostOf(row: MailRow, { settings }: MailboxConfig): string | null {
  if (row.folderId === ROUTED) return authenticationHostOf(null)
  return settings.authenticationHost ?? authenticationHostOf(settings.imap?.host ?? '')
}

/** From one of our addresses, and nobody says that it is not: it was sent from another program, or that program's copy came back. */
function isOwnAndProved({ class: kind }: Verdict, proved: Reading['authentication']): boolean {
  return kind === 'own' && proved !== 'fail'
}

/** Whom a mail of ours was written to: the first that is not us. */
function recipientOf(email: Email, config: MailboxConfig): Mailbox | null {
  const to = [...email.to, ...email.cc].find(
    one => one.address !== '' && !isOwnAddress(one.address, ownAddresses(config)),
  )
  return to ? { name: to.name, address: normaliseAddress(to.address) } : null
}

export function ownAddresses(config: MailboxConfig): string[] {
  return [config.address, ...config.settings.aliases].map(normaliseAddress)
}

/** What stands under From only sends for somebody: else all who use a form would be one contact, and read each other's conversations. */
const SENT_FOR_ANOTHER = ['web_form', 'rewritten_sender']

function writerOf(email: Email, { reasons }: Verdict): Mailbox {
  const other = reasons.some(reason => SENT_FOR_ANOTHER.includes(reason)) ? email.replyTo[0] : undefined
  // `From: Mueller, Anna <a@b>` without quotes names two, and one of them can be written to.
  const named = email.from.find(one => one.address !== '') ?? email.from[0]
  const from = other ?? named ?? email.sender ?? { name: '', address: '' }
  return { name: from.name, address: normaliseAddress(from.address) }
}

/** All that a mail shows as taking part: who writes, who it is to, and the copies (D12). */
export function everyone(email: Email): string[] {
  return [...email.from, ...email.to, ...email.cc].map(one => normaliseAddress(one.address)).filter(Boolean)
}

/** What the message of this mail says: content and details, with long text and attachments put away. */
export async function contentOf(
  reading: Reading,
  messageId: string,
  tools: ReceiveTools,
): Promise<{ content: string; details: Details }> {
  const { row, email, view } = reading
  const { config, env } = tools
  const long = view.content.length > TEXT_CHARS || view.rest.length > TEXT_CHARS
  const key = bodyKey(config.siteId, messageId)
  if (long) await env.MAIL.put(key, email.text.replaceAll(QUOTE_BEGINS, ''))
  const unread = whyUnread(email)
  const details: Details = {
    subject: email.subject,
    mail: {
      inboxId: config.inboxId,
      mailId: row.id,
      rfcId: email.messageId,
      references: email.references.length > 0 ? email.references : email.inReplyTo.slice(0, 1),
      ...(reading.oursTo ? { inReplyTo: email.inReplyTo[0] ?? null } : {}),
      replyTo: reading.oursTo ?? answerAddress(email, ownAddresses(config)),
      ours: reading.oursTo ? reading.writer.address : addressedTo(email, config),
      partial: row.extent === 'reduced',
    },
    verdict: reading.verdict,
    attachments: await keepAttachments(reading, messageId, tools),
    ...(view.rest ? { rest: view.rest.slice(0, TEXT_CHARS) } : {}),
    ...(long ? { bodyKey: key, cut: true } : {}),
    ...(email.flags.length > 0 ? { flags: email.flags } : {}),
    ...(config.assistantId ? { assistantId: config.assistantId } : {}),
    ...(unread ? { quarantine: unread } : {}),
    ...(reading.imported ? { imported: true as const } : {}),
    ...(reading.authentication === 'unknown' ? {} : { authentication: reading.authentication }),
  }
  return { content: view.content.slice(0, TEXT_CHARS), details }
}

/** Everything that decides whether this mail is answered. */
export function replyFacts(reading: Reading, { config }: ReceiveTools) {
  const { row, email, view } = reading
  const { settings } = config
  // Times of mails are whole seconds on the wire (RFC 3501 §2.3.3, RFC 5322 §3.3).
  const later = (time: number) => time + 999 > (row.oldBefore ?? 0)
  const old = row.oldBefore !== null && !(later(row.internalDate) && later(email.date ?? 0))
  const from = reading.writer
  const answerTo = answerAddress(email, ownAddresses(config))
  return {
    facts: {
      verdict: reading.verdict,
      old,
      imported: reading.imported,
      waitedMs: Date.now() - row.internalDate,
      copied: isCopiedOnly(email, config),
      nothingSaid: view.onlyQuote || view.content.trim() === '',
      // Both who writes and whom the answer would go to: a Reply-To is no way round a list.
      permitted:
        mayBeAnswered(from.address, settings) && mayBeAnswered(answerTo?.address ?? from.address, settings),
      open: mayAnswerAt(settings.hours, settings.timeZone, Date.now()),
      reset: isReset(view.content, settings.resetCommand),
    },
    // What came in before a pause is decided as if there were none: it is looked at again when the answer is made.
    rules: replyRulesOf({ assistantId: config.assistantId, paused: false }, settings),
  }
}

/** To others, and to us in copy. A mail that shows us nowhere came by a list, an alias or in blind copy, and is for us. */
function isCopiedOnly(email: Email, config: MailboxConfig): boolean {
  const isOurs = (box: Mailbox) => isOwnAddress(box.address, ownAddresses(config))
  return email.to.some(box => box.address !== '') && !email.to.some(isOurs) && email.cc.some(isOurs)
}

/** Why a mail stands in quarantine: kept whole, shown as far as it could be read, and read again when somebody asks. */
export function whyUnread(email: Email): Problem | null {
  if (!email.flags.includes('unreadable')) return null
  if (email.flags.includes('not_fetched'))
    return problem(
      'unreadable',
      'The mail server could not hand this mail out. Only its main headers are here.',
    )
  if (email.flags.includes('too_many_parts'))
    return problem('unreadable', 'This mail has more parts than any honest mail. The original is kept.')
  return problem('unreadable')
}

/** The address of ours the mail was written to (H14): To and Cc as the writer put it, else the envelope's (B12), else the inbox's. */
function addressedTo(email: Email, config: MailboxConfig): string {
  const ours = ownAddresses(config)
  const envelope = email.headers
    .filter(header => ['delivered-to', 'x-original-to', 'envelope-to'].includes(header.name))
    .map(header => normaliseAddress(header.value.replace(/[<>]/g, '')))
  const seen = [...email.to, ...email.cc].map(one => normaliseAddress(one.address))
  return [...seen, ...envelope].find(address => ours.includes(address)) ?? normaliseAddress(config.address)
}

async function keepAttachments(
  reading: Reading,
  messageId: string,
  tools: ReceiveTools,
): Promise<AttachmentRef[]> {
  const { email, row } = reading
  return Promise.all(
    email.attachments.map(async (attachment, n) => {
      const key = attachmentKey(tools.config.siteId, messageId, n)
      const kept: AttachmentRef = {
        filename: attachment.filename,
        contentType: attachment.contentType,
        size: attachment.size,
        disposition: attachment.disposition,
        contentId: attachment.contentId,
        key: null,
        part: attachment.part,
      }
      if (attachment.content) {
        await tools.env.MAIL.put(key, attachment.content)
        return { ...kept, key }
      }
      // Of a mail above the whole-mail limit nothing more is fetched until someone asks.
      if (!attachment.part || row.extent === 'reduced') return kept
      const size = await tools.fetchPart(row, attachment.part, key)
      return size === null ? kept : { ...kept, key, size }
    }),
  )
}

/**
 * Outlook's mark of a thread, MS-OXOMSG §2.2.1.3: 22 bytes that all its mails share, and five more for each reply. Some send nothing
 * else (D15). It proposes like any id, and as little is believed of it.
 */
export function threadIndex({ email }: Reading): { id: string; isReply: boolean } | null {
  const value = email.headers.find(header => header.name === 'thread-index')?.value.replace(/\s+/g, '') ?? ''
  // 22 bytes are 29 letters and a part of the 30th, which the reply changes.
  return /^[A-Za-z0-9+/]{30,4000}={0,2}$/.test(value)
    ? { id: `thread-index:${value.slice(0, 29)}`, isReply: value.replace(/=+$/, '').length > 30 }
    : null
}

/** Ids of the mails that a bounce is about, and of those that any other mail cites. */
export function ownId({ email }: Reading): string | null {
  return email.messageId ? idKey(email.messageId) : null
}
