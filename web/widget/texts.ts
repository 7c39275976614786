/** All that the widget itself says; a language is a file of `languages/` that says each of them. */
export interface Texts {
  chat: string
  open: string
  close: string
  unread: string
  write: string
  send: string
  attach: string
  remove: string
  download: string
  notUploaded: string
  you: string
  typing: string
  sending: string
  notSent: string
  retry: string
  now: string
  later: string
  here: string
  lost: string
  like: string
  dislike: string
  sources: string
  closed: string
  tooMany: string
  away: string
  another: string
  email: string
  name: string
  sent: string
  noEmail: string
  badEmail: string
  noMessage: string
  byMail: string
  noMail: string
  mailed: string
}
