/**
 * Where is this mail? Asked when somebody says that they wrote and got no answer: what we have of it and how it fares, where it lies on
 * the mail server in whatever folder, and what of ours is on its way to them.
 */
import type { FoundMail, ImapAccount } from '../../bridge/wire.ts'
import { normaliseAddress } from '../domain/address.ts'
import type { Phase } from '../domain/outbox.ts'
import type { Problem } from '../domain/problem.ts'
import { type Whereabouts, whereabouts } from '../domain/sync.ts'
import { idKey } from '../domain/thread.ts'
import { type Imap, ImapFailure } from '../mail/imap.ts'
import type { EmailSettings } from '../store/inboxes.ts'
import { lookedAt } from './history.ts'
import { bytesOf, namesOf } from './keys.ts'
import { HISTORY, type KnownMail, type MailName, type OutboxRow, type Records, ROUTED } from './records.ts'

/** The one mail with this Message-ID, as it is written or without its brackets; or the mails from and to this address. */
export type MailToFind = { messageId: string } | { address: string }

export interface Findings {
  /** What we have, the newest first; at most 20. */
  mails: FoundHere[]
  /** What lies on the server, the newest first; at most 50. A Problem where it could not be asked. */
  server: FoundThere[] | Problem
  /** Folders that were not looked through: the server refused, there are too many, or it took too long. */
  unsearched: string[]
  /** Our own mails of that Message-ID, or to that address, the newest first; at most 20. */
  out: FoundOut[]
}

export interface FoundHere {
  id: string
  /** Where it stood when we last saw it; null where it was handed to us by Email Routing. */
  folder: string | null
  uid: number
  internalDate: number
  fetchedAt: number
  /** `stored`, or `delivered` into a conversation. */
  status: string
  attempts: number
  dueAt: number | null
  problem: Problem | null
  messageId: string | null
  conversationId: string | null
  rfcId: string | null
  writer: string | null
  imported: boolean
}

export interface FoundThere {
  folder: string
  /** `\Inbox`, `\Sent`, `\Junk` …; null for an ordinary folder. */
  use: string | null
  uid: number
  internalDate: number
  rfcId: string | null
  writer: string | null
  subject: string
  where: Whereabouts
}

export interface FoundOut {
  id: string
  phase: Phase
  dueAt: number | null
  problem: Problem | null
  queuedAt: number
  to: string
  rfcId: string
  conversationId: string
}

export interface FindTools {
  records: Records
  settings: EmailSettings
  imap: Imap
  /** Null: there is no mailbox on a server. */
  account: (() => Promise<ImapAccount>) | null
}

const MOST_HERE = 20
const MOST_THERE = 50

export async function findMails(order: MailToFind, tools: FindTools): Promise<Findings> {
  const { records } = tools
  const name = nameOf(order)
  const there = await askServer(order, name, tools)
  const found = 'problem' in there ? [] : there.found
  const known = new Map<string, KnownMail>()
  // What was stored before anybody noted names is known by its position.
  for (const mail of [...found.flatMap(one => one.known ?? []), ...records.mailsNamed(name, MOST_HERE)])
    known.set(mail.id, mail)
  const mails = [...known.values()].sort((a, b) => b.internalDate - a.internalDate).slice(0, MOST_HERE)
  return {
    mails: mails.map(mail => foundHere(mail, records)),
    server: 'problem' in there ? there.problem : found.map(one => one.shown),
    unsearched: 'problem' in there ? [] : there.unsearched,
    out: records.outboxNamed(name, MOST_HERE).map(foundOut),
  }
}

function nameOf(order: MailToFind): MailName {
  return 'messageId' in order
    ? { rfcId: idKey(order.messageId) }
    : { address: normaliseAddress(order.address) }
}

type Asked =
  | { found: { shown: FoundThere; known: KnownMail | null }[]; unsearched: string[] }
  | { problem: Problem }

async function askServer(order: MailToFind, name: MailName, tools: FindTools): Promise<Asked> {
  // Servers compare what stands in the header, so an id is asked for as it was typed, its brackets aside.
  const sought =
    'messageId' in order
      ? { messageId: order.messageId.trim().replace(/^<|>$/g, '') }
      : { from: normaliseAddress(order.address) }
  if (!tools.account || !canStandInHeader(sought)) return { found: [], unsearched: [] }
  try {
    const { found, unsearched } = await tools.imap.find({
      account: await tools.account(),
      ...sought,
      limit: MOST_THERE,
    })
    const shown = await Promise.all(found.map(mail => judged(mail, tools)))
    // A server finds parts of words too: `ann@x.test` within `joann@x.test`.
    return {
      found: shown.filter(({ shown: one }) =>
        'rfcId' in name ? one.rfcId === name.rfcId : one.writer === name.address,
      ),
      unsearched,
    }
  } catch (error) {
    if (error instanceof ImapFailure) return { problem: error.problem }
    throw error
  }
}

/** RFC 5322 §2.1.1 for a line, RFC 3696 errata 1690 for an address; the bridge takes nothing longer. */
function canStandInHeader(sought: { messageId?: string; from?: string }): boolean {
  const text = sought.messageId ?? sought.from ?? ''
  const most = sought.from === undefined ? 998 : 320
  return text !== '' && text.length <= most && !/[\u0000-\u001f\u007f]/.test(text)
}

async function judged(mail: FoundMail, { records, settings }: FindTools) {
  const { folder, use, uid, uidValidity, internalDate } = mail
  const { rfcId, writer, subject } = await namesOf(bytesOf(`${mail.headers.trimEnd()}\r\n\r\n`))
  const looked = lookedAt(folder, settings, records)
  // A folder that was looked at once keeps its row; INBOX may be written in another case there.
  const cursor = records.folder(looked ?? folder)
  const known = cursor?.uidValidity === uidValidity ? records.knownAt(cursor, uid) : null
  if (known && (known.rfcId ?? known.writer) === null) records.nameMail(known.id, rfcId, writer)
  const where = whereabouts({ uidValidity, uid }, { looked: looked !== null, cursor, here: known !== null })
  const names = known && { ...known, rfcId: known.rfcId ?? rfcId, writer: known.writer ?? writer }
  return { shown: { folder, use, uid, internalDate, rfcId, writer, subject, where }, known: names }
}

function foundHere(mail: KnownMail, records: Records): FoundHere {
  const { id, uid, internalDate, fetchedAt, status, attempts, dueAt, problem } = mail
  const { messageId, conversationId } = mail
  const path = mail.folderId === ROUTED ? null : (records.folderById(mail.folderId)?.path ?? null)
  return {
    // Of an account the inbox had before, the path stands behind a mark.
    ...{ id, folder: path?.replace(/^\0\d+\0/, '') ?? null, uid, internalDate, fetchedAt, status, attempts },
    ...{ dueAt, problem, messageId, conversationId },
    rfcId: mail.rfcId ?? null,
    writer: mail.writer ?? null,
    imported: mail.oldBefore === HISTORY,
  }
}

function foundOut(row: OutboxRow): FoundOut {
  const { id, phase, dueAt, problem, queuedAt, mail } = row
  return {
    ...{ id, phase, dueAt, problem, queuedAt },
    to: mail.to.address,
    rfcId: mail.rfcId,
    conversationId: mail.conversationId,
  }
}
