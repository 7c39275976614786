/**
 * Every error code Edgedesk says, with its HTTP status and the sentence that goes with it. A code means the same
 * thing on the wire, on a row and in a log line. Expected failures are values of this shape; surprises are thrown.
 */
export interface Problem {
  code: ProblemCode
  message: string
  /** The field of the request it is about, dotted: `limit`, `settings.delay`. */
  field?: string
}

/** code → [status, default sentence]. The status is derived from the code and stands nowhere else. */
export const PROBLEMS = {
  // requests
  missing_field: [400, 'A required field is missing.'],
  invalid_field: [400, 'A field has a value that is not allowed.'],
  unknown_field: [400, 'This field does not exist here.'],
  bad_json: [400, 'The body is not valid JSON.'],
  unauthorized: [
    401,
    'Send an API key or a member’s token: Authorization: Api-Key <key>. This one is missing or not good.',
  ],
  forbidden: [403, 'This key may not do that.'],
  cross_site: [
    403,
    'A session is good for requests from this product’s own pages only. Programs send an API key, or name this site in the header Origin.',
  ],
  origin_not_allowed: [
    403,
    'This chat is not allowed on this page. Its team adds the page’s origin to the allowed origins of the web chat.',
  ],
  identity_refused: [403, 'Who this visitor is was not signed with the identity secret of this web chat.'],
  rate_limited: [429, 'Too many requests. Try again after the seconds that Retry-After says.'],
  not_found: [404, 'There is nothing here with that id.'],
  conflict: [409, 'This was changed by someone else meanwhile. Read it again.'],
  address_taken: [409, 'Another inbox of this site has this address already.'],
  email_taken: [409, 'Another member of this site has this e-mail address already.'],
  already_invited: [409, 'This address was invited already. Send that invitation again, or revoke it.'],
  elsewhere_too: [
    409,
    'This person is a member of another site as well, so only they change how they sign in.',
  ],
  contact_taken: [409, 'Another contact has this already.'],
  last_owner: [409, 'This is the last owner. Make somebody else an owner first.'],
  assistant_in_use: [409, 'An inbox is answered by this assistant. Give it another one first.'],
  import_refused: [422, 'Nothing was imported: the file has mistakes.'],
  test_required: [422, 'Test the connection first, and send the testId it gives you.'],
  test_invalid: [422, 'This testId is not good for these settings: test the connection again.'],
  too_large: [413, 'The body is too large.'],
  attachments_too_large: [413, 'The attachments are larger than 10 MB together.'],
  attachment_unreachable: [422, 'An attachment could not be fetched from where its URL says.'],
  inbox_disconnected: [409, 'The inbox of this conversation was disconnected.'],
  draft_answered: [409, 'This draft was already approved or discarded.'],
  draft_stale: [
    409,
    'The contact wrote again, or was answered, after this draft was made. Read it again, then approve it with "reread": true.',
  ],
  draft_changed: [409, 'Somebody changed this draft meanwhile. Read it again.'],
  not_resendable: [409, 'This mail is neither failed, held nor uncertain, so it is not sent again.'],
  not_uncertain: [409, 'What became of this mail is known already.'],
  not_quarantined: [409, 'This mail was read already.'],
  endpoint_limit: [409, 'This site has 20 webhooks, which is the most. Remove one first.'],
  endpoint_off: [409, 'This webhook is switched off. Switch it on first.'],
  not_offline: [422, 'This chat takes no messages by e-mail. Write in the chat itself.'],
  conversation_closed: [422, 'This conversation is closed. Open it again first.'],
  not_by_api: [422, 'Messages of this inbox come by e-mail, and not by the API.'],
  too_late: [409, 'This has left already, so it cannot be taken back.'],
  key_reused: [422, 'This Idempotency-Key was used before with another request. Take a new one.'],
  answer_gone: [
    410,
    'This request was done before. Its answer is kept no more, because something was erased since then.',
  ],
  in_progress: [409, 'A request with this Idempotency-Key is still at work. Ask again in a moment.'],
  not_json: [415, 'Send the body as JSON, with the header Content-Type: application/json.'],
  upgrade_required: [426, 'This address is a WebSocket.'],
  unavailable: [503, 'A part of the system is busy. Try again in a moment.'],
  internal: [500, 'Something went wrong on our side. The request id finds it in the log.'],
  // mail in
  credentials: [422, 'The mail server refused the user name or the password.'],
  app_password_required: [422, 'The provider wants an app password here, not the ordinary one.'],
  basic_auth_retired: [422, 'The provider no longer takes passwords for this mailbox. Connect it by OAuth.'],
  imap_disabled: [
    422,
    'IMAP is switched off for this mailbox. Switch it on in the settings of the provider.',
  ],
  unknown_host: [502, 'There is no mail server by this name.'],
  refused: [502, 'The mail server does not take connections on this port.'],
  tls_mismatch: [502, 'This port does not speak TLS the way it was asked to.'],
  certificate: [502, 'The certificate of the mail server is not valid for its name.'],
  not_mail_server: [502, 'What answers there is not a mail server of this kind.'],
  unreachable: [502, 'The mail server cannot be reached.'],
  tls: [502, 'A secure connection to the mail server could not be made.'],
  timeout: [504, 'The mail server did not answer in time.'],
  busy: [503, 'The mail server is busy or has too many connections open. We try again.'],
  quota: [503, 'The mail provider says a limit is used up. We try again later.'],
  folder_missing: [422, 'The folder does not exist in this mailbox.'],
  mail_missing: [404, 'The mail is no longer on the mail server.'],
  protocol: [502, 'The mail server answered something we do not understand.'],
  host_refused: [422, 'This host, address or port is not allowed.'],
  bridge_unavailable: [503, 'The IMAP bridge is not running.'],
  storage: [503, 'The mail could not be stored. It stays on the server and is fetched again.'],
  unreadable: [422, 'The mail could not be read. The original is kept.'],
  // mail out
  recipient_refused: [422, 'The mail server refused the recipient.'],
  message_refused: [422, 'The mail server refused the message.'],
  sender_limit: [429, 'The provider says the daily sending limit is used up.'],
  uncertain: [409, 'The line was lost after the mail was handed over. Nobody can say whether it arrived.'],
  cap_reached: [429, 'The cap on automatic mail is reached. The answer is kept for a person.'],
  waited_long: [409, 'This answer waited too long to be sent by itself. It is kept for a person.'],
  taken_over: [409, 'A person took over, so the answer was not sent.'],
  superseded: [409, 'The contact wrote again, so this answer was not sent.'],
  replaced: [409, 'Another answer to the same mail took its place.'],
  merged: [409, 'The conversation was merged with another one, so this was not sent.'],
  closed: [409, 'The conversation was closed, so this was not sent.'],
  auto_reply_disabled: [409, 'Automatic answers were switched off here, so this was not sent.'],
  undone: [409, 'Whoever wrote this took it back before it left.'],
  answered_elsewhere: [409, 'Somebody answered from another mail program, so this was not sent.'],
  bounced: [422, 'The recipient’s mail server refused the mail.'],
  delayed: [503, 'The recipient’s mail server has not taken the mail yet and goes on trying.'],
  address_bounced: [422, 'Mail to this address came back before, so nothing is sent to it by itself.'],
  // assistants
  no_answer: [422, 'The assistant had nothing to say.'],
  answer_blocked: [422, 'What the assistant wrote was not fit to be sent.'],
  model_key_refused: [422, 'The model’s server refused the key of this assistant. Enter it again.'],
  model_missing: [422, 'The model’s server does not know this model, or not this address.'],
  model_refused: [422, 'The model’s server does not take what this assistant asks of it.'],
  model_unavailable: [503, 'The model did not answer. It is asked again later.'],
} as const satisfies Record<string, readonly [number, string]>

export type ProblemCode = keyof typeof PROBLEMS

export function problem(code: ProblemCode, message?: string, field?: string): Problem {
  return { code, message: message ?? PROBLEMS[code][1], ...(field === undefined ? {} : { field }) }
}

export function statusOf(code: ProblemCode): number {
  return PROBLEMS[code][0]
}
