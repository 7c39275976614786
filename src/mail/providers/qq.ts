import { imapAt, type Provider, smtpAt } from './provider.ts'

export const qq: Provider<'qq'> = {
  id: 'qq',
  name: 'QQ Mail',
  imap: imapAt('imap.qq.com'),
  smtp: smtpAt('smtp.qq.com', 587),
  smtpPorts: [587, 465],
  smtpUser: null,
  authentication: ['app_password'],
  passwordHint: {
    en: 'The 16-character authorisation code (授权码), not the QQ password.',
    'zh-TW': '請填 16 位授權碼，不是 QQ 密碼。',
    'zh-CN': '请填写 16 位授权码，不是 QQ 密码。',
  },
  help: 'https://service.mail.qq.com/',
  domains: ['qq.com', 'vip.qq.com', 'foxmail.com'],
  variants: [],
  notes: [
    {
      en: 'Switch the IMAP/SMTP service on in the settings first. A code ends when the QQ password is changed.',
      'zh-TW': '請先在設定中開啟 IMAP/SMTP 服務。更改 QQ 密碼後授權碼即失效。',
      'zh-CN': '请先在设置中开启 IMAP/SMTP 服务。更改 QQ 密码后授权码即失效。',
    },
  ],
  /** INFERRED. */
  authenticationHost: 'mx.qq.com',
}
