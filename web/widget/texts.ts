/** All that the widget itself says; a language is a file of `languages/` that says each of them. */
export interface Texts {
  chat: string
  open: string
  close: string
  unread: string
  messages: string
  write: string
  send: string
  attach: string
  remove: string
  download: string
  notUploaded: string
  you: string
  assistant: string
  typing: string
  sending: string
  waiting: string
  notSent: string
  retry: string
  answersNow: string
  answersLater: string
  away: string
  here: string
  offline: string
  helpful: string
  notHelpful: string
  sources: string
  closed: string
  tooMany: string
  leaveMessage: string
  email: string
  name: string
  message: string
  thanks: string
  badEmail: string
}
