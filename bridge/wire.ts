/**
 * What the Worker and the IMAP bridge say to each other: JSON bodies of POST requests, and for mail a stream
 * of frames. The bridge holds no state that matters and keeps no password; every request brings its account.
 *
 * This file has types and two small functions only, and both sides import it.
 */

/**
 * An IMAP account. `tls` is TLS from the first byte, `starttls` must be offered or the connection is refused (never
 * opportunistic), `plain` is refused unless the bridge runs with the development flag.
 */
export interface ImapAccount {
  host: string
  port: number
  security: 'tls' | 'starttls' | 'plain'
  user: string
  password: string
}

/** The shape of every refusal: a code of ours and a sentence a customer could read; never a library's text. */
export interface BridgeProblem {
  code: BridgeCode
  message: string
}

export type BridgeCode =
  | 'credentials' // the server refused the user name or the password
  | 'app_password_required' // an ordinary password where the provider wants one made for us
  | 'basic_auth_retired' // the provider takes no password any more
  | 'imap_disabled' // the mailbox is there, IMAP is switched off for it
  | 'unknown_host' // no such name
  | 'refused' // nothing listens on this port
  | 'unreachable' // no way there, or the line was cut
  | 'tls_mismatch' // TLS where there is none, none where there is, or no STARTTLS where it is required
  | 'certificate' // expired, for another name, or of an unknown issuer; the sentence says which
  | 'not_mail_server' // something else answers there
  | 'tls' // TLS failed for another reason
  | 'timeout' // the server fell silent
  | 'busy' // too many connections, "authenticated but not connected", server says try later
  | 'quota' // bandwidth or size limit at the provider
  | 'folder_missing'
  | 'mail_missing' // expunged since it was listed
  | 'protocol' // the server said something that is not IMAP
  | 'host_refused' // an inside address, a refused port or name
  | 'bad_request'
  | 'unauthorized'
  | 'stopping'

/**
 * `POST /check` → `Checked` or a problem: logs in on a connection of its own and opens INBOX, which some providers
 * refuse only there. Answers within `limitMs` (9 s where it is left out), whatever the server does.
 */
export interface CheckRequest {
  account: ImapAccount
  limitMs?: number
}
export interface Checked {
  ok: true
  capabilities: string[]
  /** Of INBOX, as STATUS counts them; null where the server does not say. */
  messages: { total: number; recent: number; unseen: number } | null
}

/** `POST /folders` → `{ folders: Folder[] }`. Paths are decoded (modified UTF-7 and UTF8=ACCEPT). */
export interface FoldersRequest {
  account: ImapAccount
}
export interface Folder {
  path: string
  name: string
  /** `\Inbox`, `\Sent`, `\Drafts` …, from SPECIAL-USE or well-known names; null when ordinary. */
  use: string | null
  selectable: boolean
}

/**
 * `POST /fetch` → a stream of frames (`application/x-edgedesk-frames`): first `opened`, then one `mail` (or
 * `reduced` then `mail`) per message in rising UID order, then exactly one `end`; or a `problem` frame where the
 * server failed midway (a failure before `opened` is an ordinary answer with `{"error"}`). A stream that ends without `end` was cut, and what came whole before the cut is good.
 *
 * `nextUid` null asks for no mail, only for the folder's `opened` frame: this is how a cursor is born at UIDNEXT.
 * If the folder's UIDVALIDITY is not `uidValidity` (and that is not null), no mail is sent: `opened`, `end`.
 * Nothing on the server is changed: BODY.PEEK only, EXAMINE, no flags.
 */
export interface FetchRequest {
  account: ImapAccount
  folder: string
  uidValidity: number | null
  nextUid: number | null
  /** At most this many messages, and stop beginning new ones after this many bytes. */
  maxMails: number
  maxBytes: number
  /** Above this many octets a `reduced` frame is sent before the mail. */
  reducedAbove: number
  /** Above this many octets only the `reduced` frame is sent. */
  wholeUpTo: number
  /** Only these UIDs (a rescan, or one mail on demand), instead of everything from nextUid. */
  uids?: number[]
}

/**
 * `POST /scan` → `{ opened: { uidValidity, uidNext, waiting }, mails: ScannedMail[], more: boolean, through: number }`: positions and a
 * few headers, no bodies; to match known mail after a UIDVALIDITY change, and to list what lies before a cursor. At most 500 a call,
 * rising UID from `nextUid`. `through` is the last UID that was looked at (`nextUid` - 1 where none was): what is behind it is for the
 * next call. No mails where UIDVALIDITY differs.
 */
export interface ScanRequest {
  account: ImapAccount
  folder: string
  uidValidity: number
  nextUid: number
  /** The last UID to look at. */
  untilUid?: number
  /** Only mails with an INTERNALDATE of this moment or later, ms since the epoch. */
  since?: number
}
export interface ScannedMail {
  uid: number
  size: number
  internalDate: number
  /** The raw lines of Message-ID, From, Date and Subject, as the server gives them, unfolded by nobody. */
  headers: string
}

/**
 * `POST /find` → `{ found: FoundMail[], unsearched: string[] }`: where a mail lies, in whatever folder, or the mails of a writer; the
 * newest first, at most `limit`. All folders that can be opened are looked through, at most 50 of them, Junk, Trash and Archive as well;
 * those that only show again what lies elsewhere (`\All`, `\Flagged`) come last, and what was found before them is left out of them.
 * Exactly one of `messageId` and `from` says what is sought, as IMAP's SEARCH compares it: without regard to letter case, also where it
 * is only a part of the field. `unsearched` names the folders that the server refused, that are too many, or that 45 s did not do for.
 */
export interface FindRequest {
  account: ImapAccount
  /** Without its brackets it is found too. */
  messageId?: string
  /** An address, or a part of what stands in From. */
  from?: string
  /** At most 50. */
  limit: number
}
export interface FoundMail extends ScannedMail {
  folder: string
  /** As `Folder.use`. */
  use: string | null
  uidValidity: number
}

/**
 * `POST /part` → the decoded bytes of one body part with an exact Content-Length, or a problem. Where a mail was
 * too large to parse whole, its attachments are fetched one by one. `part` is `RemotePart.part`.
 */
export interface PartRequest {
  account: ImapAccount
  folder: string
  uidValidity: number
  uid: number
  part: string
}

/** `POST /append` with the raw mail in base64 → `{ uid: number | null, uidValidity: number | null }`. */
export interface AppendRequest {
  account: ImapAccount
  folder: string
  raw: string
  flags: string[]
  internalDate?: number
}

/** `POST /flags` → `{ ok: true }`. UIDs that are gone are ignored, as IMAP does. */
export interface FlagsRequest {
  account: ImapAccount
  folder: string
  uidValidity: number
  uids: number[]
  add: string[]
  remove: string[]
}

/**
 * `POST /watch` → `{ until }`: a lease on IDLE, ms since the epoch, at most 10 minutes ahead; asking again renews it and
 * replaces the notify token. On news the bridge POSTs `{ mailbox }` to `notify.url` with `Authorization: Bearer <token>`.
 * It is only a hint: losing it loses nothing. `POST /unwatch` `{ mailbox }` ends it.
 */
export interface WatchRequest {
  /** `{siteId}/{inboxId}` */
  mailbox: string
  account: ImapAccount
  folder: string
  until: number
  notify: { url: string; token: string }
}

/** The head of a frame: one line of JSON ended by LF, followed by exactly `length` bytes. */
export type Frame =
  | {
      kind: 'opened'
      length: 0
      uidValidity: number
      /** Exact where `nextUid` is null; else not below any UID seen, which is all that a poll can know cheaply. */
      uidNext: number
      /** How many messages of this request's range wait on the server, those of this stream included. */
      waiting: number
    }
  /** Length 0: the server lists the mail and yet hands out nothing of it, even when asked for it alone. */
  | ({ kind: 'mail'; length: number } & Position)
  /**
   * A mail too large to parse in one piece: its own header block (Content-Type and Content-Transfer-Encoding of the
   * top replaced by multipart/mixed) and its text parts, as a small valid mail; and what was left out.
   * `whole` says that a `mail` frame with the full octets follows; `textCut` that there was more text than 1 MB.
   */
  | ({
      kind: 'reduced'
      length: number
      whole: boolean
      textCut: boolean
      attachments: RemotePart[]
    } & Position)
  | { kind: 'problem'; length: 0; problem: BridgeProblem }
  | { kind: 'end'; length: 0; more: boolean }

export interface Position {
  uid: number
  /** RFC822.SIZE, the size of the whole mail as the server states it. */
  size: number
  /** INTERNALDATE, ms since the epoch. */
  internalDate: number
  flags: string[]
}

export interface RemotePart {
  part: string
  filename: string | null
  contentType: string
  contentId: string | null
  disposition: string | null
  /** Octets as transferred (encoded). */
  size: number
}

/** On every answer: one value for as long as this bridge lives, since its watches end with it. */
export const LIFE_HEADER = 'x-bridge-life'

/** No head of a frame is longer than this; a longer one is a broken stream. */
export const MAX_FRAME_HEAD = 256 * 1024

export function frameHead(frame: Frame): string {
  return `${JSON.stringify(frame)}\n`
}
