/**
 * Mail in, second half: a stored mail becomes a message of a conversation. A chunk of mails takes these steps together, so that D1 is
 * asked twice a chunk and not twice a mail:
 *
 *     read and weigh → find the thread → claim → merge what turns out to be one → keep attachments → deliver
 *
 * Each step is safe to repeat. A mail that cannot be read is delivered too, marked, with its original one click away; a mail whose
 * delivery fails stays owed and does not hold up the others.
 */

import { normaliseAddress } from '../domain/address.ts'
import type { Message, Opening } from '../domain/conversation.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { bareSubject } from '../domain/thread.ts'
import { log } from '../log.ts'
import { readEmail } from '../mail/email.ts'
import { tellBounced } from '../store/bounces.ts'
import { type Candidate, type Claimed, claimMails } from '../store/emails.ts'
import { erasedAmong } from '../store/erased.ts'
import { derivedId } from '../store/ids.ts'
import type { MailboxConfig } from '../store/inboxes.ts'
import { keysOf, outKey, rawKey, reducedKey } from './keys.ts'
import { contentOf, ownId, type Reading, read, replyFacts, whyUnread } from './reading.ts'
import type { MailRow } from './records.ts'
import { claimOf, findThreads, lookAgain, mergeShown, type Thread } from './threading.ts'

export interface ReceiveTools {
  env: Env
  config: MailboxConfig
  justStored: Map<string, Uint8Array>
  /** Mails that tore the object down whenever they were read: kept, marked, and not read again. */
  unread: ReadonlySet<string>
  /** Fetches one attachment that is still on the server into R2; null where it is gone. */
  fetchPart(row: MailRow, part: string, key: string): Promise<number | null>
  /** Whether it lies in the folder of the account's own sent mail. */
  isSent(row: MailRow): boolean
}

export type Received = { row: MailRow } & (
  | { ok: true; messageId: string; conversationId: string; flagged: Problem | null }
  | { ok: false; problem: Problem }
)

const DELIVERIES = 6

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
  const threads = await findThreads(readings, tools.config, DB)
  const copies = await ourCopies(threads, tools)
  for (const reading of copies.keys()) threads.delete(reading)
  const fresh = [...threads.keys()]
  const claims = fresh.map(reading => claimOf(reading, threads.get(reading)!, tools.config))
  const claimed = await claimMails(DB, siteId, claims)
  await lookAgain(threads, claimed, tools)
  const moved = await mergeShown(threads, claimed, tools)
  for (const claim of claimed.values())
    claim.conversationId = moved.get(claim.conversationId) ?? claim.conversationId
  return [...unread, ...copies.values(), ...(await deliverAll(fresh, claimed, threads, tools))]
}

async function deliverAll(
  readings: Reading[],
  claimed: Map<string, Claimed>,
  threads: Map<Reading, Thread>,
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
        results.set(reading.row.id, await deliver(reading, claim, threads.get(reading)!, tools))
      }
  }
  await Promise.all(Array.from({ length: DELIVERIES }, work))
  return readings.map(reading => results.get(reading.row.id)!)
}

async function deliver(
  reading: Reading,
  claim: Claimed | undefined,
  thread: Thread,
  tools: ReceiveTools,
): Promise<Received> {
  const { row, email } = reading
  try {
    if (!claim) throw new Error('not claimed')
    const done = { row, ok: true as const, messageId: claim.messageId, conversationId: claim.conversationId }
    // What was erased here is not taken in again, by whatever way it comes (A22).
    if (claim.erased) {
      await forgetRaw(row, tools)
      return { ...done, flagged: null }
    }
    const taken = reading.oursTo
      ? await seeElsewhere(reading, claim, thread, tools)
      : await bring(reading, claim, thread, tools)
    if (thread.about && reading.report) await tellReport(reading, thread.about, tools)
    return { ...done, ...('conversationId' in taken ? taken : {}), flagged: whyUnread(email) }
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

/** A mail for us. */
async function bring(reading: Reading, claim: Claimed, thread: Thread, tools: ReceiveTools) {
  const from = reading.writer
  const { content, details } = await contentOf(reading, claim.messageId, tools)
  const about = thread.about?.ours
  const message = {
    id: claim.messageId,
    // Also where it says it is from us: anyone can write that, so it speaks for nobody here, and is never answered.
    direction: 'incoming' as const,
    sender: {
      kind: 'contact' as const,
      id: await senderId(reading, claim, tools),
      name: from.name || from.address,
    },
    content,
    details: about ? { ...details, about } : details,
    createdAt: reading.row.internalDate,
  }
  const taken = await conversationOf(claim.conversationId, tools).receive({
    opening: openingOf(reading, claim, thread, tools),
    event: { message, ...replyFacts(reading, tools) },
  })
  if ('erased' in taken) await forgetObjects(message, tools)
  return taken
}

/** A mail that a person of ours sent from another program (B10, D19). A machine's own, and old news, call nothing back. */
async function seeElsewhere(reading: Reading, claim: Claimed, thread: Thread, tools: ReceiveTools) {
  const { config } = tools
  const from = reading.writer
  const { content, details } = await contentOf(reading, claim.messageId, tools)
  const { old } = replyFacts(reading, tools).facts
  const byMachine = reading.verdict.reasons.some(
    reason => reason !== 'own_address' && reason !== 'own_message',
  )
  const id = await derivedId(0, 'own', config.siteId, from.address)
  const name = from.name || from.address
  const message = {
    id: claim.messageId,
    sender: { kind: 'person' as const, id, name },
    content,
    details: {
      ...details,
      to: reading.oursTo!.address,
      by: { kind: byMachine ? ('program' as const) : ('person' as const), id, name },
    },
    createdAt: reading.row.internalDate,
  }
  const taken = await conversationOf(claim.conversationId, tools).seeElsewhere(
    openingOf(reading, claim, thread, tools),
    { fresh: !old && !byMachine && !reading.imported, imported: reading.imported, message },
  )
  if ('erased' in taken) await forgetObjects({ ...message, direction: 'outgoing' }, tools)
  return taken
}

/** Reports come from mail systems, whose conversation it is not. */
async function senderId(reading: Reading, claim: Claimed, { config }: ReceiveTools): Promise<string> {
  return reading.report ? derivedId(0, 'sender', config.siteId, reading.writer.address) : claim.contactId
}

function openingOf(reading: Reading, claim: Claimed, thread: Thread, { config }: ReceiveTools): Opening {
  return {
    siteId: config.siteId,
    id: claim.conversationId,
    inboxId: config.inboxId,
    contact: { id: claim.contactId, name: claim.contactName, address: reading.contact.address },
    title: bareSubject(reading.email.subject).slice(0, 200),
    linkedTo: thread.linkedTo,
    createdAt: reading.row.internalDate,
  }
}

/**
 * Those of the mails that are our own answers, come back to us: noted with the message, and claimed for nothing. What was erased, and reports
 * that bring it back, are not taken in.
 */
async function ourCopies(
  threads: Map<Reading, Thread>,
  tools: ReceiveTools,
): Promise<Map<Reading, Received>> {
  const copies = new Map<Reading, Received>()
  const { env, config } = tools
  // Only what says that it is from us can be ours; other mail need not be asked for.
  const own = [...threads.keys()].filter(
    reading => reading.oursTo !== null || reading.verdict.class === 'own',
  )
  const reports = [...threads.keys()].flatMap(({ report }) => report?.originalIds ?? [])
  const erased = await erasedAmong(env.DB, config.siteId, [
    ...own.map(ownId).filter(id => id !== null),
    ...reports,
  ])
  for (const [reading, { ours }] of threads) {
    const { row } = reading
    try {
      const about = reading.report?.originalIds.some(id => erased.has(id)) ?? false
      if (about || (own.includes(reading) && erased.has(ownId(reading) ?? ''))) {
        await forgetRaw(row, tools)
        copies.set(reading, { row, ok: true, ...reading.ids, flagged: null })
        continue
      }
      if (!ours || !(await isOurCopy(reading, ours, tools))) continue
      const { ours: messageId, conversationId } = ours
      copies.set(reading, { row, ok: true, messageId: messageId!, conversationId, flagged: null })
    } catch (error) {
      log('delivery_failed', { mail: row.id }, error)
      copies.set(reading, { row, ok: false, problem: problem('unavailable') })
    }
  }
  return copies
}

/**
 * Our own answer came back to us (Bcc, catch-all, the Sent folder): it is in its conversation already (B9). An id can be forged or used
 * again, so it is ours only where the text is that of the mail we made; otherwise it is a new mail. Where nobody knew whether it was
 * handed over, now we do (H1).
 */
async function isOurCopy({ email, row }: Reading, ours: Candidate, tools: ReceiveTools): Promise<boolean> {
  const stub = conversationOf(ours.conversationId, tools)
  const message = await stub.message(ours.ours!)
  const inboxId = message?.details.mail?.inboxId
  const made = inboxId ? await tools.env.MAIL.get(outKey(tools.config.siteId, inboxId, ours.ours!)) : null
  if (!made) return false
  const sent = await readEmail(new Uint8Array(await made.arrayBuffer()))
  const bare = (text: string) => text.replace(/\s+/g, '')
  if (bare(email.text) !== bare(sent.text)) return false
  if (message?.delivery?.status === 'uncertain') await stub.settle(ours.ours!, 'sent', null)
  await stub.copyCame(ours.ours!, { inboxId: tools.config.inboxId, mailId: row.id })
  return true
}

/** What a mail server says became of a mail of ours. Whom it could not reach for good, no machine writes to again (H16). */
export async function tellReport(reading: Reading, about: Candidate, tools: ReceiveTools): Promise<void> {
  const { siteId } = tools.config
  const stub = conversationOf(about.conversationId, tools)
  const message = await stub.message(about.ours!)
  const { to } = message?.details ?? {}
  const recipients = reading.report!.recipients
  const mine = recipients.filter(
    one => to !== undefined && [one.address, one.writtenTo].includes(normaliseAddress(to)),
  )
  const told = mine.length > 0 ? mine : recipients
  const failed = told.find(one => one.action === 'failed')
  const delayed = told.find(one => one.action === 'delayed')
  const said = failed ?? delayed
  if (!said) return
  const status = failed ? ('bounced' as const) : ('delayed' as const)
  const words = said.diagnostic ?? said.status
  const why = problem(status)
  await stub.report(
    about.ours!,
    status,
    words ? { ...why, message: `${why.message} It said: ${words}` } : why,
  )
  if (failed?.kind === 'hard' && mine.includes(failed) && to)
    await tellBounced(tools.env.DB, siteId, {
      address: normaliseAddress(to),
      status: failed.status,
      messageId: about.ours!,
      at: Date.now(),
    })
}

/** Its conversation was erased while it was read: what was kept of it for that goes, too. */
export async function forgetObjects(
  message: Pick<Message, 'id' | 'direction' | 'details'>,
  { env, config }: ReceiveTools,
): Promise<void> {
  await env.MAIL.delete(keysOf(config.siteId, message))
}

async function forgetRaw({ id }: MailRow, { env, config }: ReceiveTools): Promise<void> {
  const at = [config.siteId, config.inboxId, id] as const
  await env.MAIL.delete([rawKey(...at), reducedKey(...at)])
}

function conversationOf(id: string, { env, config }: ReceiveTools) {
  return env.CONVERSATION.getByName(`${config.siteId}/${id}`)
}
