/**
 * Mail in, second half: a stored mail becomes a message of a conversation. A chunk of mails takes these steps together, so that D1 is
 * asked twice a chunk and not twice a mail:
 *
 *     read → weigh → find the thread → claim → keep attachments → deliver
 *
 * Each step is safe to repeat. A mail that cannot be read is delivered too, marked, with its original one click away; a mail whose
 * delivery fails stays owed and does not hold up the others.
 */

import type { Arrival } from '../conversation/conversation.ts'
import { answerAddress, normaliseAddress } from '../domain/address.ts'
import type { AttachmentRef, Details } from '../domain/conversation.ts'
import type { Email } from '../domain/email.ts'
import { mayAnswerAt } from '../domain/hours.ts'
import { mayBeAnswered } from '../domain/permission.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { type NewText, newText, QUOTE_BEGINS } from '../domain/quote.ts'
import { isReset } from '../domain/reset.ts'
import { bareSubject, chooseConversation, citedIds, idKey } from '../domain/thread.ts'
import { type Verdict, verdict } from '../domain/verdict.ts'
import { log } from '../log.ts'
import { readEmail, safeName } from '../mail/email.ts'
import { type Candidate, type Claim, type Claimed, claimMails, cutsIn, mailsNamed } from '../store/emails.ts'
import { derivedId } from '../store/ids.ts'
import type { MailboxConfig } from '../store/inboxes.ts'
import { attachmentKey, bodyKey, contentKey, outKey, rawKey, reducedKey } from './keys.ts'
import { type MailRow, type Remote, ROUTED } from './records.ts'

export interface ReceiveTools {
  env: Env
  config: MailboxConfig
  justStored: Map<string, Uint8Array>
  /** Mails that tore the object down whenever they were read: kept, marked, and not read again. */
  unread: ReadonlySet<string>
  /** Fetches one attachment that is still on the server into R2; null where it is gone. */
  fetchPart(row: MailRow, part: string, key: string): Promise<number | null>
}

export type Received = { row: MailRow } & (
  | { ok: true; messageId: string; conversationId: string; flagged: Problem | null }
  | { ok: false; problem: Problem }
)

/** Longest text kept with the message itself; above it the whole goes to R2 and the message says that it is cut. */
const TEXT_CHARS = 64_000
const DELIVERIES = 6

interface Reading {
  row: MailRow
  email: Email
  verdict: Verdict
  /** What the writer newly said, apart from what it quotes. */
  view: NewText
  contentKey: string
  /** Conversation and message this mail has if nobody claimed it before; the same at every retry. */
  proposal: {
    messageId: string
    conversationId: string
    linkedTo: string | null
    contactId: string
    /** The conversation that this mail, a reset command, cuts its writer off from. */
    cuts: string | null
  }
}

export async function receiveMails(rows: readonly MailRow[], tools: ReceiveTools): Promise<Received[]> {
  const readings: Reading[] = []
  const unread: Received[] = []
  for (const row of rows) {
    try {
      readings.push(await read(row, tools))
    } catch (error) {
      // What was stored cannot be had back just now: this mail waits, the others do not.
      log('read_failed', { mail: row.id }, error)
      unread.push({
        row,
        ok: false,
        problem: problem('unavailable', 'The mail is stored but cannot be read just now. We try again.'),
      })
    }
  }
  const { DB } = tools.env
  const { siteId } = tools.config
  const cited = [...new Set(readings.flatMap(idsToLookUp))]
  const writers = [...new Set(readings.map(reading => writer(reading.email).address))]
  const [named, cuts] = await Promise.all([
    mailsNamed(DB, siteId, cited, writers),
    cutsIn(DB, siteId, cited, writers),
  ])
  findThreads(readings, named, cuts, tools.config)
  const claimed = await claimMails(
    DB,
    siteId,
    readings.map(reading => claimOf(reading, tools.config)),
  )
  return [...unread, ...(await deliverAll(readings, claimed, named, tools))]
}

async function read(row: MailRow, tools: ReceiveTools): Promise<Reading> {
  const { config } = tools
  const raw = tools.unread.has(row.id) ? null : await rawOf(row, tools)
  const email = raw ? await readEmail(raw) : await readEmail(new TextEncoder().encode('\r\n'))
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
  const key = await contentKey(email, row.sha)
  const own = [config.address, ...config.settings.aliases]
  return {
    row,
    email,
    // Whether it is one of ours by its Message-ID is known after the look-up; by its sender, now.
    verdict: verdict(email, { ownAddresses: own, ownMessage: false, size: row.size }),
    view: newText(email.text),
    contentKey: key,
    proposal: {
      messageId: await derivedId(row.internalDate, 'message', config.siteId, key),
      conversationId: await derivedId(row.internalDate, 'conversation', config.siteId, key),
      linkedTo: null,
      cuts: null,
      contactId: await derivedId(row.internalDate, 'contact', config.siteId, writer(email).address),
    },
  }
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

function idsToLookUp({ email }: Reading): string[] {
  return [...(email.messageId ? [email.messageId] : []), ...citedIds(email)].map(idKey)
}

/** Where answers to this mail belong; the contact. */
function writer(email: Email): { name: string; address: string } {
  const from = email.from[0] ?? email.sender ?? { name: '', address: '' }
  return { name: from.name, address: normaliseAddress(from.address) }
}

/**
 * Chooses a conversation for each mail, the earlier ones of the same chunk known to the later. A reset command opens a new conversation
 * and cuts its writer off from the one it would have joined.
 */
function findThreads(
  readings: Reading[],
  named: Awaited<ReturnType<typeof mailsNamed>>,
  cuts: Map<string, string>,
  config: MailboxConfig,
): void {
  const here = new Map<string, { conversationId: string; participants: Set<string> }[]>()
  for (const reading of readings) {
    const { email, proposal } = reading
    const from = writer(email).address
    const cited = citedIds(email).map(idKey)
    const candidates = cited.flatMap(rfcId => [
      ...(named.get(rfcId) ?? []).map(one => ({
        messageId: rfcId,
        conversationId: one.conversationId,
        isParticipant: one.participants.includes(from),
      })),
      ...(here.get(rfcId) ?? []).map(one => ({
        messageId: rfcId,
        conversationId: one.conversationId,
        isParticipant: one.participants.has(from),
      })),
    ])
    const choice = chooseConversation(cited, candidates)
    if (choice.kind === 'join') {
      const { conversationId } = choice
      const now = cuts.get(`${conversationId} ${from}`) ?? conversationId
      const anew =
        reading.verdict.class === 'person' && isReset(reading.view.content, config.settings.resetCommand)
      if (anew) {
        proposal.cuts = now
        // Mails of the same chunk that come after the reset go where it leads.
        for (const start of [now, conversationId]) cuts.set(`${start} ${from}`, proposal.conversationId)
      } else proposal.conversationId = now
    }
    if (choice.kind === 'linked') proposal.linkedTo = choice.to
    if (!email.messageId) continue
    const self = { conversationId: proposal.conversationId, participants: new Set(everyone(email)) }
    here.set(idKey(email.messageId), [...(here.get(idKey(email.messageId)) ?? []), self])
  }
}

/** All that a mail shows as taking part: who writes, who it is to, and the copies (D12). */
function everyone(email: Email): string[] {
  return [...email.from, ...email.to, ...email.cc].map(one => normaliseAddress(one.address)).filter(Boolean)
}

function claimOf({ row, email, contentKey, proposal }: Reading, config: MailboxConfig): Claim {
  const ours = new Set([config.address, ...config.settings.aliases].map(normaliseAddress))
  const { name, address } = writer(email)
  return {
    contentKey,
    messageId: proposal.messageId,
    conversationId: proposal.conversationId,
    cuts: proposal.cuts,
    contact: { id: proposal.contactId, address, name: name || address || 'Unknown sender' },
    rfcId: email.messageId && idKey(email.messageId),
    participants: everyone(email).filter(one => !ours.has(one)),
    at: row.internalDate,
  }
}

async function deliverAll(
  readings: Reading[],
  claimed: Map<string, Claimed>,
  named: Awaited<ReturnType<typeof mailsNamed>>,
  tools: ReceiveTools,
): Promise<Received[]> {
  // Mails of one conversation keep their order; different conversations go side by side.
  const lanes = Map.groupBy(readings, reading => claimed.get(reading.contentKey)?.conversationId ?? '')
  const results = new Map<string, Received>()
  const queue = [...lanes.values()]
  const work = async () => {
    for (let lane = queue.shift(); lane; lane = queue.shift())
      for (const reading of lane) {
        const claim = claimed.get(reading.contentKey)
        const { messageId } = reading.email
        const ours = messageId ? named.get(idKey(messageId))?.find(one => one.ours) : undefined
        results.set(reading.row.id, await deliver(reading, claim, ours, tools))
      }
  }
  await Promise.all(Array.from({ length: DELIVERIES }, work))
  return readings.map(reading => results.get(reading.row.id)!)
}

async function deliver(
  reading: Reading,
  claim: Claimed | undefined,
  ours: Candidate | undefined,
  tools: ReceiveTools,
): Promise<Received> {
  const { row, email } = reading
  try {
    if (!claim) throw new Error('not claimed')
    // Our own answer came back to us (Bcc, catch-all): it is in its conversation already (B9).
    if (ours?.ours && (await saysTheSame(email, ours, tools)))
      return { row, ok: true, messageId: ours.ours, conversationId: ours.conversationId, flagged: null }
    const arrival = await arrivalOf(reading, claim, tools)
    const stub = tools.env.CONVERSATION.getByName(`${tools.config.siteId}/${claim.conversationId}`)
    await stub.receive(arrival)
    const unreadable = email.flags.includes('unreadable')
    return {
      row,
      ok: true,
      messageId: claim.messageId,
      conversationId: claim.conversationId,
      flagged: unreadable ? problem('unreadable') : null,
    }
  } catch (error) {
    log('delivery_failed', { mail: row.id }, error)
    return {
      row,
      ok: false,
      problem: problem(
        'storage',
        'The mail is stored but could not be put into a conversation yet. We try again.',
      ),
    }
  }
}

/** An id can be forged or used again, so it is ours only where the text is that of the mail we made; otherwise it is a new mail. */
async function saysTheSame(email: Email, ours: Candidate, tools: ReceiveTools): Promise<boolean> {
  const { siteId } = tools.config
  const message = await tools.env.CONVERSATION.getByName(`${siteId}/${ours.conversationId}`).message(
    ours.ours!,
  )
  const inboxId = message?.details.mail?.inboxId
  const made = inboxId ? await tools.env.MAIL.get(outKey(siteId, inboxId, ours.ours!)) : null
  if (!made) return false
  const sent = await readEmail(new Uint8Array(await made.arrayBuffer()))
  const bare = (text: string) => text.replace(/\s+/g, '')
  return bare(email.text) === bare(sent.text)
}

async function arrivalOf(reading: Reading, claim: Claimed, tools: ReceiveTools): Promise<Arrival> {
  const { row, email, proposal, view } = reading
  const { config } = tools
  const weighed = reading.verdict
  const ours = [config.address, ...config.settings.aliases].map(normaliseAddress)
  const long = view.content.length > TEXT_CHARS || view.rest.length > TEXT_CHARS
  if (long)
    await tools.env.MAIL.put(bodyKey(config.siteId, claim.messageId), email.text.replaceAll(QUOTE_BEGINS, ''))
  const from = writer(email)
  const details: Details = {
    subject: email.subject,
    mail: {
      inboxId: config.inboxId,
      mailId: row.id,
      rfcId: email.messageId,
      references: email.references.length > 0 ? email.references : email.inReplyTo.slice(0, 1),
      replyTo: answerAddress(email, ours),
      ours: addressedTo(email, config),
      partial: row.extent === 'reduced',
    },
    verdict: weighed,
    attachments: await keepAttachments(reading, claim.messageId, tools),
    ...(view.rest ? { rest: view.rest.slice(0, TEXT_CHARS) } : {}),
    ...(long ? { bodyKey: bodyKey(config.siteId, claim.messageId), cut: true } : {}),
    ...(email.flags.length > 0 ? { flags: email.flags } : {}),
    ...(config.assistantId ? { assistantId: config.assistantId } : {}),
  }
  const old =
    row.oldBefore !== null && !(row.internalDate > row.oldBefore && (email.date ?? 0) > row.oldBefore)
  return {
    opening: {
      siteId: config.siteId,
      id: claim.conversationId,
      inboxId: config.inboxId,
      contact: { id: claim.contactId, name: claim.contactName, address: from.address },
      title: bareSubject(email.subject).slice(0, 200),
      linkedTo: proposal.linkedTo,
      createdAt: row.internalDate,
    },
    event: {
      message: {
        id: claim.messageId,
        // Also where it says it is from us: anyone can write that, so it speaks for nobody here, and is never answered.
        direction: 'incoming',
        sender: { kind: 'contact', id: claim.contactId, name: from.name || from.address },
        content: view.content.slice(0, TEXT_CHARS),
        details,
        createdAt: row.internalDate,
      },
      facts: {
        verdict: weighed,
        old,
        waitedMs: Date.now() - row.internalDate,
        nothingSaid: view.onlyQuote || view.content.trim() === '',
        // Both who writes and whom the answer would go to: a Reply-To is no way round a list.
        permitted:
          mayBeAnswered(from.address, config.settings) &&
          mayBeAnswered(details.mail?.replyTo?.address ?? from.address, config.settings),
        open: mayAnswerAt(config.settings.hours, config.settings.timeZone, Date.now()),
        reset: isReset(view.content, config.settings.resetCommand),
      },
      rules: {
        mode: config.settings.mode,
        hasAssistant: config.assistantId !== null,
        draftAfterMs: config.settings.draftAfterMs,
        delayMs: config.settings.delayMs,
        closedText: config.settings.hours?.text ?? null,
      },
    },
  }
}

/** The address of ours the mail was written to (H14): To and Cc as the writer put it, else the envelope's (B12), else the inbox's. */
function addressedTo(email: Email, config: MailboxConfig): string {
  const ours = [config.address, ...config.settings.aliases].map(normaliseAddress)
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
