/**
 * Saving an inbox, for both doors to it (`/api/v1/inboxes` and seed 001's settings): hosts are checked, passwords sealed, an untested
 * connection is unverified, and of two savers at once none loses what the other saved.
 */
import { and, eq, inArray } from 'drizzle-orm'
import { settings } from '../env.ts'
import { log } from '../log.ts'
import { forbidden } from '../mail/check.ts'
import { type Connection, fingerprint, fingerprints, useTest } from '../store/connection-tests.ts'
import { type Db, db, steady } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import {
  addInbox,
  addressesTaken,
  dataKeyOf,
  EmailSettings,
  emailInboxById,
  type InboxRow,
  mailboxConfig,
  openPassword,
  saveInbox,
  sealPassword,
} from '../store/inboxes.ts'
import { secureTokens } from '../store/schema.ts'
import { Refusal } from './problems.ts'

/** An inbox as it is saved; its passwords are opened only where somebody asks for the connection. */
export interface SavedInbox {
  row: InboxRow
  settings: EmailSettings
  connection(): Promise<Connection>
}

/** An inbox as it is to be. */
export interface InboxEdit {
  name: string
  assistantId: string | null
  provider: string
  paused: boolean
  /** All but the servers, which are the connection's. */
  settings: EmailSettings
  /** Null: nothing of it was touched. */
  connection: Connection | null
}

/** What speaks for the connection: a test that passed earlier, one that passed just now (its fingerprint), or nothing and it is saved anyway. */
export interface Proof {
  testId?: string | undefined
  passed?: string
  force?: boolean | undefined
}

/** So often a saver begins anew because another was quicker. */
const ATTEMPTS = 50

/** @throws Refusal not_found, where the site has no e-mail inbox of this id. */
export async function savedInbox(env: Env, siteId: string, id: string): Promise<SavedInbox> {
  const row = await emailInboxById(db(env.DB), siteId, id)
  if (!row) throw new Refusal('not_found')
  return openable(env, row)
}

export function openable(env: Env, row: InboxRow): SavedInbox {
  const saved = EmailSettings.parse(JSON.parse(row.settings))
  let opened: Promise<Connection> | null = null
  const openIt = async (): Promise<Connection> => {
    const { KEK } = settings(env)
    const dataKey = await dataKeyOf(db(env.DB), row.siteId)
    return {
      address: row.address,
      imap: saved.imap,
      smtp: saved.smtp,
      imapPassword: await openPassword(KEK, dataKey, row, 'imap_password'),
      smtpPassword: await openPassword(KEK, dataKey, row, 'smtp_password'),
    }
  }
  return {
    row,
    settings: saved,
    connection: () => {
      opened ??= openIt()
      return opened
    },
  }
}

/**
 * @param edit.id derived from the request, where it may be sent again
 * @param onlyAsFirst only where the site has no e-mail inbox yet
 * @returns null where it has one
 */
export async function createInbox(
  env: Env,
  siteId: string,
  edit: InboxEdit & { connection: Connection; id?: string },
  proof: Proof,
  onlyAsFirst = false,
): Promise<InboxRow | null> {
  const now = Date.now()
  const id = edit.id ?? newId(now)
  const { KEK } = settings(env)
  const d1 = db(env.DB)
  const connection = tidy(edit.connection)
  refuseHosts(env, connection)
  const addresses = addressesOf(connection.address, edit.settings)
  if (!onlyAsFirst) await refuseTaken(env, siteId, id, addresses)
  const verified = await isProved(env, siteId, connection, proof, new Set())
  if (!verified && !proof.force) throw new Refusal('test_required')
  const dataKey = await dataKeyOf(d1, siteId)
  const sealed = (column: 'imap_password' | 'smtp_password', password: string | null) =>
    password === null ? null : sealPassword(KEK, dataKey, { siteId, id, column }, password)
  const row: InboxRow = {
    id,
    siteId,
    assistantId: edit.assistantId,
    name: edit.name,
    channelType: 'email',
    address: connection.address,
    provider: edit.provider,
    settings: JSON.stringify({ ...edit.settings, imap: connection.imap, smtp: connection.smtp }),
    imapPassword: await sealed('imap_password', connection.imapPassword),
    smtpPassword: await sealed('smtp_password', connection.smtpPassword),
    version: now,
    state: verified ? 'connected' : 'unverified',
    stateReason: null,
    stateAt: now,
    verifiedAt: verified ? now : null,
    paused: edit.paused,
    createdAt: now,
  }
  if (!(await addInbox(env.DB, row, addresses, onlyAsFirst))) {
    if (!onlyAsFirst) await refuseTaken(env, siteId, id, addresses)
    return null
  }
  await tellMailbox(env, row, dataKey)
  return row
}

/**
 * @param edit is asked again where another saver was quicker, with what that one saved
 * @throws Refusal not_found, host_refused, address_taken, test_required, test_invalid, conflict, and whatever `edit` throws
 */
export async function changeInbox(
  env: Env,
  siteId: string,
  id: string,
  proof: Proof,
  edit: (saved: SavedInbox) => Promise<InboxEdit>,
): Promise<InboxRow> {
  const used = new Set<string>()
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const saved = await savedInbox(env, siteId, id)
    const next = await changed(env, saved, await edit(saved), proof, used)
    if (next === null) return saved.row
    const { row, state, addresses } = next
    if (next.rehoused) await forgetHanded(db(env.DB), siteId, [saved.row.address, row.address])
    if (await saveInbox(env.DB, row, saved.row.version, state, addresses)) {
      await tellMailbox(env, row, await dataKeyOf(db(env.DB), siteId))
      return row
    }
    await refuseTaken(env, siteId, id, addresses)
  }
  throw new Refusal('conflict')
}

/** The row to be written; null where nothing would change. */
async function changed(env: Env, saved: SavedInbox, edit: InboxEdit, proof: Proof, used: Set<string>) {
  const { row } = saved
  const { KEK } = settings(env)
  const kept = { connection: null as Connection | null, verifiedAt: row.verifiedAt }
  if (edit.connection || proof.testId || proof.passed) {
    const before = await saved.connection()
    const after = edit.connection ? tidy(edit.connection) : before
    const tested = await fingerprint(KEK, row.siteId, after)
    const same = tested === (await fingerprint(KEK, row.siteId, before))
    if (!same) {
      refuseHosts(env, after)
      await refuseTaken(env, row.siteId, row.id, addressesOf(after.address, edit.settings))
      kept.connection = after
    }
    if (await isProved(env, row.siteId, after, proof, used)) kept.verifiedAt = Date.now()
    else if (!same) {
      if (!proof.force) throw new Refusal('test_required')
      kept.verifiedAt = null
    }
  }
  const { connection, verifiedAt } = kept
  const address = connection?.address ?? row.address
  const servers = connection ?? saved.settings
  const next = {
    ...row,
    name: edit.name,
    assistantId: edit.assistantId,
    provider: edit.provider,
    paused: edit.paused,
    address,
    settings: JSON.stringify({ ...edit.settings, imap: servers.imap, smtp: servers.smtp }),
    ...(connection ? await resealed(env, saved, connection) : {}),
    verifiedAt,
  }
  if (JSON.stringify(next) === JSON.stringify({ ...row, settings: JSON.stringify(saved.settings) }))
    return null
  // Where the connection is another, or proved for the first time, what was known of its health is of the past.
  const state =
    !connection && (row.verifiedAt !== null || verifiedAt === null)
      ? null
      : verifiedAt
        ? 'connected'
        : 'unverified'
  return {
    row: {
      ...next,
      ...(state === null ? {} : { state, stateReason: null }),
      version: Math.max(row.version + 1, Date.now()),
    },
    state,
    addresses: addressesOf(address, edit.settings),
    rehoused:
      servers.imap?.host !== saved.settings.imap?.host || servers.smtp?.host !== saved.settings.smtp?.host,
  }
}

/** Passwords that were handed over for the server before (seed 001) are not for another one. First, so that none is left to it. */
async function forgetHanded(d1: Db, siteId: string, addresses: string[]): Promise<void> {
  const handed = and(
    eq(secureTokens.siteId, siteId),
    eq(secureTokens.tokenType, 'email'),
    inArray(secureTokens.identifier, addresses),
  )
  await steady(() => d1.delete(secureTokens).where(handed))
}

/** A password that stays as it was stays sealed as it was. */
async function resealed(env: Env, saved: SavedInbox, connection: Connection) {
  const before = await saved.connection()
  const { siteId, id, imapPassword, smtpPassword } = saved.row
  const dataKey = await dataKeyOf(db(env.DB), siteId)
  const sealed = async (column: 'imap_password' | 'smtp_password', password: string | null) =>
    password === null ? null : sealPassword(settings(env).KEK, dataKey, { siteId, id, column }, password)
  const same = (one: string | null, other: string | null) => one !== null && one === other
  return {
    imapPassword: same(connection.imapPassword, before.imapPassword)
      ? imapPassword
      : await sealed('imap_password', connection.imapPassword),
    smtpPassword: same(connection.smtpPassword, before.smtpPassword)
      ? smtpPassword
      : await sealed('smtp_password', connection.smtpPassword),
  }
}

/** @param used what this request has used up already, so that beginning anew does not ask for it twice */
async function isProved(env: Env, siteId: string, connection: Connection, proof: Proof, used: Set<string>) {
  const all = await fingerprints(settings(env).KEK, siteId, connection)
  const tested = all[0]!
  if (proof.passed === tested) return true
  if (!proof.testId) return false
  if (used.has(tested)) return true
  if (!(await useTest(db(env.DB), siteId, proof.testId, all, Date.now())))
    throw new Refusal('test_invalid', undefined, 'testId')
  used.add(tested)
  return true
}

/** A server that is not used has no password. */
function tidy(connection: Connection): Connection {
  return {
    ...connection,
    imapPassword: connection.imap && connection.imapPassword,
    smtpPassword: connection.smtp && connection.smtpPassword,
  }
}

/** @throws Refusal for a host, a port or an open line that no inbox may have, named by the field that says it. */
export function refuseHosts(env: Env, { imap, smtp }: Pick<Connection, 'imap' | 'smtp'>): void {
  const { DEV } = settings(env)
  const why =
    (imap && forbidden('imap', { ...imap, password: '' }, DEV)) ??
    (smtp && forbidden('smtp', { ...smtp, password: '' }, DEV))
  if (why) throw new Refusal(why.code, why.message, FIELDS[why.field ?? ''])
}

/** A part of a connection → the field of the API. */
const FIELDS: Record<string, string> = {
  'imap.host': 'imapHost',
  'imap.port': 'imapPort',
  'imap.tls': 'imapSsl',
  'smtp.host': 'smtpHost',
  'smtp.port': 'smtpPort',
  'smtp.tls': 'smtpTls',
}

async function refuseTaken(env: Env, siteId: string, id: string, addresses: string[]): Promise<void> {
  const taken = await addressesTaken(db(env.DB), siteId, id, addresses)
  if (taken.length === 0) return
  const field = taken.includes(addresses[0]!) ? 'address' : 'aliases'
  throw new Refusal('address_taken', undefined, field)
}

/** Every address that is this inbox, its own first. */
function addressesOf(address: string, { aliases }: EmailSettings): string[] {
  return [...new Set([address, ...aliases])]
}

/** The object learns at once what was saved. Should it not be reached, the clock tells it within a minute. */
async function tellMailbox(env: Env, row: InboxRow, dataKey: string): Promise<void> {
  try {
    await env.MAILBOX.getByName(`${row.siteId}/${row.id}`).tick(mailboxConfig(row, dataKey))
  } catch (error) {
    log('mailbox_not_told', { inbox: row.id }, error)
  }
}
