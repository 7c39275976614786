/** An e-mail as the rest of the house sees it: what a parser made of RFC 5322 bytes, nothing decided yet. */
export interface Email {
  /** Header fields in the order of the mail, names lower-cased, values unfolded, encoded-words left as they came. */
  headers: Header[]
  messageId: string | null
  inReplyTo: string[]
  references: string[]
  from: Mailbox[]
  sender: Mailbox | null
  replyTo: Mailbox[]
  to: Mailbox[]
  cc: Mailbox[]
  /** Return-Path as the delivering server wrote it: '' for `<>`, null where the header is absent. */
  returnPath: string | null
  subject: string
  /** Date header in ms, null where absent or unreadable. */
  date: number | null
  text: string
  html: string | null
  attachments: EmailAttachment[]
  /** multipart/report and its kind, for bounces: `delivery-status`, `disposition-notification`, `feedback-report`. */
  reportType: string | null
  contentType: string
  /** What was odd, as codes a page can explain: `bad_charset`, `too_deep`, `text_cut` … (mail/email.ts has them all). */
  flags: string[]
}

export interface Header {
  name: string
  value: string
}

/** A mailbox of RFC 5322 §3.4: display name and addr-spec. `address` is '' where a mail named none. */
export interface Mailbox {
  name: string
  address: string
}

export interface EmailAttachment {
  /** Only a name, and never empty. */
  filename: string
  /** Without parameters, but for the method of a calendar: `text/calendar; method=REPLY`. */
  contentType: string
  /** `inline`: shown in the text, where the HTML names it or a picture says so. */
  disposition: 'attachment' | 'inline'
  /** Without the angle brackets. */
  contentId: string | null
  /** Out of its transfer encoding, otherwise byte for byte; may be a view on the mail. */
  content: Uint8Array | null
  size: number
  /** IMAP part number, where the bytes are still on the mail server. */
  part: string | null
}
