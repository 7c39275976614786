/** Addresses that mail servers refused for good; hearing from one again clears it (store/emails.ts). */
import { steady } from './db.ts'

export interface Bounced {
  address: string
  /** RFC 3463. */
  status: string | null
  /** The message of ours that came back. */
  messageId: string
  at: number
}

export async function tellBounced(d1: D1Database, siteId: string, bounced: Bounced): Promise<void> {
  const { address, status, messageId, at } = bounced
  await steady(() =>
    d1
      .prepare(
        `INSERT INTO bounced_addresses (site_id, address, status, message_id, at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (site_id, address) DO UPDATE SET status = excluded.status, message_id = excluded.message_id, at = excluded.at`,
      )
      .bind(siteId, address, status, messageId, at)
      .run(),
  )
}

export async function hasBounced(d1: D1Database, siteId: string, address: string): Promise<boolean> {
  const row = await steady(() =>
    d1
      .prepare('SELECT 1 FROM bounced_addresses WHERE site_id = ?1 AND address = ?2')
      .bind(siteId, address)
      .first(),
  )
  return row !== null
}
