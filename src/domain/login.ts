/**
 * Why a login was refused, read from what the server said. Providers refuse a right password for reasons of their own,
 * each in its own words and few with a code of their own; for the person who fills in the form they are different
 * things to do. Bridge and Worker read them here alike. Collected from providers' help pages and public bug reports.
 */

export type LoginCode = 'app_password_required' | 'basic_auth_retired' | 'imap_disabled' | 'credentials'

export interface LoginRefusal {
  code: LoginCode
  message: string
}

const APP_PASSWORD = 'The provider wants an app password here, not the ordinary one.'
const OAUTH_ONLY = 'The provider no longer takes passwords for this mailbox. Connect it by OAuth.'
const IMAP_OFF = 'IMAP is switched off for this mailbox. Switch it on in the settings of the provider.'

/** The first that fits. Null where the server only says no. */
const REASONS: [said: RegExp, code: LoginCode, message: string][] = [
  // Gmail 534 5.7.9, Fastmail, mail.ru; "authorization code" is what QQ and 163 call an app password.
  [
    /app(?:lication)?[- ]?(?:specific )?password|authori[sz](?:ation|ed) code|授权码|授權碼|REQCODE/i,
    'app_password_required',
    APP_PASSWORD,
  ],
  // The same word in GBK and in UTF-8, read byte by byte.
  [
    /\u00ca\u00da\u00c8\u00a8\u00c2\u00eb|\u00e6\u008e\u0088\u00e6\u009d\u0083\u00e7\u00a0\u0081/,
    'app_password_required',
    APP_PASSWORD,
  ],
  // QQ's help page about it, which stands in the reply whatever its language.
  [/service\.mail\.qq\.com\S*no=1001256/i, 'app_password_required', APP_PASSWORD],
  // 163 without an authorisation code: 550 User has no permission.
  [
    /user has no permission/i,
    'app_password_required',
    'The provider wants an authorisation code here, and this service switched on in its settings.',
  ],

  // Yandex says both in one breath.
  [
    /invalid credentials or imap is disabled/i,
    'credentials',
    'The mail server refused the user name or the password, or IMAP is switched off for this mailbox.',
  ],
  // Gmail "Your account is not enabled for IMAP use", Zoho "You are yet to enable IMAP for your account".
  [
    /(?:not enabled|yet to enable|please enable|disabled)[^.]{0,30}\bimap\b|\bimap\b[^.]{0,30}(?:disabled|not enabled|not allowed|turned off|switched off)/i,
    'imap_disabled',
    IMAP_OFF,
  ],

  [
    /SmtpClientAuthentication is disabled for the Tenant/i,
    'basic_auth_retired',
    'Sending with a user name (SMTP AUTH) is switched off for your whole Microsoft 365 organisation. An administrator can switch it on.',
  ],
  [
    /SmtpClientAuthentication is disabled for the Mailbox/i,
    'basic_auth_retired',
    'Sending with a user name (SMTP AUTH) is switched off for this Microsoft 365 mailbox. An administrator can switch it on.',
  ],
  [
    /basic ?auth\w*[^.]{0,20}(?:disabled|blocked|not supported)|BasicAuthBlocked|\b5\.7\.30\b/i,
    'basic_auth_retired',
    OAUTH_ONLY,
  ],
  // Microsoft uses one number for its refusals; this one is the password after all.
  [
    /5\.7\.139\b.*credentials were incorrect/is,
    'credentials',
    'The mail server refused the user name or the password.',
  ],
  [
    /5\.7\.139\b.*(?:did not meet the criteria|security defaults|conditional access)/is,
    'basic_auth_retired',
    'A security policy of your Microsoft 365 organisation refuses passwords here. Ask its administrator, or connect by OAuth.',
  ],
  [/\b5\.7\.(?:139|57)\b/, 'basic_auth_retired', OAUTH_ONLY],

  // Gmail 534 5.7.14, Outlook's "Account is blocked. Login to your account via a web browser".
  [
    /web ?browser|web login required|\bWEBALERT\b|\b5\.7\.14\b/i,
    'credentials',
    'The provider wants you to sign in once in a browser and confirm that it was you.',
  ],
  // 163, 126 and yeah.net at SELECT, and here although an ID was sent.
  [
    /unsafe login/i,
    'credentials',
    'The provider calls this sign-in unsafe. Sign in on its website, and use a fresh authorisation code.',
  ],
]

/** Exchange Online takes no password over IMAP any more, and says only "LOGIN failed." */
const IMAP_BY_OAUTH_ONLY =
  /^(?:outlook|imap-mail\.outlook|partner\.outlook)\.(?:office365\.com|office\.com|com)$/i

/** `said` is all the server said, over as many lines as it took. `host` as the account names it. */
export function loginRefusal(said: string, host = ''): LoginRefusal | null {
  for (const [pattern, code, message] of REASONS) if (pattern.test(said)) return { code, message }
  return IMAP_BY_OAUTH_ONLY.test(host) ? { code: 'basic_auth_retired', message: OAUTH_ONLY } : null
}

/** RFC 3501 §6.2.3: a server that takes no password says LOGINDISABLED, and offers no AUTH= that would carry one. */
export function noPasswordTaken(
  capabilities: Iterable<string>,
  encrypted: boolean,
): { code: LoginCode | 'tls_mismatch'; message: string } | null {
  const offered = new Set([...capabilities].map(name => name.toUpperCase()))
  if (!offered.has('LOGINDISABLED') || offered.has('AUTH=PLAIN') || offered.has('AUTH=LOGIN')) return null
  if (!encrypted)
    return {
      code: 'tls_mismatch',
      message: 'The mail server takes a login only over TLS. Switch SSL/TLS on.',
    }
  if (offered.has('AUTH=XOAUTH2') || offered.has('AUTH=OAUTHBEARER'))
    return { code: 'basic_auth_retired', message: OAUTH_ONLY }
  return {
    code: 'imap_disabled',
    message: 'The mail server takes no login by password. IMAP may be switched off for this mailbox.',
  }
}
