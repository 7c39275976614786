import { imapAt, type Provider, smtpAt } from './provider.ts'

export const icloud: Provider<'icloud'> = {
  id: 'icloud',
  name: 'iCloud Mail',
  imap: imapAt('imap.mail.me.com'),
  smtp: smtpAt('smtp.mail.me.com', 587),
  smtpPorts: [587],
  smtpUser: null,
  authentication: ['app_password'],
  passwordHint: {
    en: 'An app-specific password, not the password of the Apple Account.',
    'zh-TW': '請填 App 專用密碼，不是 Apple 帳號密碼。',
    'zh-CN': '请填写 App 专用密码，不是 Apple 账户密码。',
  },
  help: 'https://support.apple.com/102525',
  domains: ['icloud.com', 'me.com', 'mac.com'],
  variants: [],
  notes: [
    {
      en: 'If the whole address is refused for IMAP, try the part before the @ as its user name; SMTP wants the whole address.',
      'zh-TW': '若 IMAP 不接受完整地址，使用者名稱請改填 @ 之前的部分；SMTP 需填完整地址。',
      'zh-CN': '若 IMAP 不接受完整地址，用户名请改填 @ 之前的部分；SMTP 需填完整地址。',
    },
  ],
  /** It writes one field for each method, each with a name of its own; this one's is there in every mail. */
  authenticationHost: 'dmarc.icloud.com',
}
