/**
 * Connection tests that passed: each is good once, for a quarter of an hour, and only for what was tested. That is kept as a keyed hash,
 * since a plain one of a password could be guessed by trying (the password is among what is tested).
 */
import { and, eq, gt, inArray, lte } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { newId } from './ids.ts'
import type { Server } from './inboxes.ts'
import { connectionTests } from './schema.ts'
import { currentOf, handOut } from './seal.ts'

export const TEST_LIVES_MS = 15 * 60_000

/** All that a connection test is about, passwords in plain: only ever in the memory of one request. */
export interface Connection {
  address: string
  imap: Server | null
  smtp: Server | null
  imapPassword: string | null
  smtpPassword: string | null
}

/** SMTP has a password that IMAP does not have. */
export function hasOwnSmtpPassword(connection: Connection | null): boolean {
  const { imapPassword = null, smtpPassword = null } = connection ?? {}
  return imapPassword !== null && smtpPassword !== null && imapPassword !== smtpPassword
}

/** All that a test of this connection may be kept as: one made before the KEK was rotated is under the one before. */
export function fingerprints(kek: string, siteId: string, connection: Connection): Promise<string[]> {
  return Promise.all(kek.split(' ').map(one => fingerprint(one, siteId, connection)))
}

/** The same for the same connection of the same site, and for no other. */
export function fingerprint(kek: string, siteId: string, connection: Connection): Promise<string> {
  const leg = (server: Server | null, password: string | null) =>
    server && [server.host, server.port, server.tls, server.user, password]
  return handOut(
    currentOf(kek),
    siteId,
    'connection_test',
    JSON.stringify([
      connection.address,
      leg(connection.imap, connection.imapPassword),
      leg(connection.smtp, connection.smtpPassword),
    ]),
  )
}

/** Remembers that a test passed, and forgets those that are over. */
export async function rememberTest(
  db: Db,
  siteId: string,
  tested: string,
  now: number,
): Promise<{ testId: string; expiresAt: number }> {
  const row = { id: newId(now), siteId, fingerprint: tested, expiresAt: now + TEST_LIVES_MS }
  await steady(() =>
    db.batch([
      db.delete(connectionTests).where(lte(connectionTests.expiresAt, now)),
      db.insert(connectionTests).values(row).onConflictDoNothing(),
    ]),
  )
  return { testId: row.id, expiresAt: row.expiresAt }
}

/** Uses a test up; false where it is unknown, over, used, of another site or of other settings. Of two at once one gets it. */
export async function useTest(
  db: Db,
  siteId: string,
  testId: string,
  tested: readonly string[],
  now: number,
): Promise<boolean> {
  // Not `steady`: run again after an answer that was lost, it would say that the test was used, which is true and no help.
  const used = await db
    .delete(connectionTests)
    .where(
      and(
        eq(connectionTests.id, testId),
        eq(connectionTests.siteId, siteId),
        inArray(connectionTests.fingerprint, [...tested]),
        gt(connectionTests.expiresAt, now),
      ),
    )
    .returning({ id: connectionTests.id })
  return used.length === 1
}
