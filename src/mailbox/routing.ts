/**
 * Mail that Cloudflare's Email Routing hands to the Worker: the same ingest as mail fetched by IMAP, begun at the other end. The raw bytes
 * are in R2 before anything is said to the sender; a failure here is thrown, so that the sending server keeps the mail and tries again.
 * A mail that comes this way and by IMAP too is one mail, by its content key.
 */
import { normaliseAddress } from '../domain/address.ts'
import { headerText, PARSED_WHOLE_BYTES } from '../mail/email.ts'
import { db } from '../store/db.ts'
import { sha256Hex } from '../store/ids.ts'
import { inboxWithAddress } from '../store/inboxes.ts'
import { headerKey, namesOf, rawKey, reducedKey } from './keys.ts'
import { type MailRow, ROUTED } from './records.ts'

/** So much of a mail too large to be parsed whole is read: text comes first in almost every mail. */
const READ_OF_LARGE = 2 * 1024 * 1024

export async function takeRoutedMail(message: ForwardableEmailMessage, env: Env): Promise<void> {
  const config = await inboxWithAddress(db(env.DB), normaliseAddress(message.to))
  if (!config) {
    // RFC 3463 §3.2: no such mailbox.
    message.setReject('5.1.1 There is no mailbox of this name here.')
    return
  }
  const raw = new Uint8Array(await new Response(message.raw).arrayBuffer())
  const sha = await sha256Hex(raw)
  const at = Date.now()
  const beginning = raw.subarray(0, 64 * 1024)
  const { rfcId, writer } = await namesOf(beginning)
  const row: MailRow = {
    id: `routed-${sha.slice(0, 32)}`,
    folderId: ROUTED,
    uidValidity: 0,
    uid: 0,
    size: raw.length,
    internalDate: at,
    fetchedAt: at,
    sha,
    headerKey: await headerKey(headerText(raw), raw.length),
    extent: raw.length > PARSED_WHOLE_BYTES ? 'large' : 'whole',
    remote: null,
    oldBefore: null,
    rfcId,
    writer,
  }
  await env.MAIL.put(rawKey(config.siteId, config.inboxId, row.id), raw)
  if (row.extent === 'large')
    await env.MAIL.put(reducedKey(config.siteId, config.inboxId, row.id), raw.subarray(0, READ_OF_LARGE))
  await env.MAILBOX.getByName(`${config.siteId}/${config.inboxId}`).takeRouted(config, row)
}
