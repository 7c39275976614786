import { imapAt, type Provider, smtpAt, type Variant } from './provider.ts'

/** NetEase. Its servers refuse SELECT until the client has named itself with ID; the bridge does. */
const variant = (domain: string): Variant => ({
  id: domain,
  name: domain,
  domains: [domain],
  imap: imapAt(`imap.${domain}`),
  smtp: smtpAt(`smtp.${domain}`, 465),
})

export const netease163: Provider<'163'> = {
  id: '163',
  name: '163 Mail (NetEase)',
  imap: imapAt('imap.163.com'),
  smtp: smtpAt('smtp.163.com', 465),
  smtpPorts: [465],
  smtpUser: null,
  authentication: ['app_password'],
  passwordHint: {
    en: 'The authorisation code (授权码) for IMAP/SMTP, not the password of the mailbox.',
    'zh-TW': '請填 IMAP/SMTP 的授權碼，不是信箱密碼。',
    'zh-CN': '请填写 IMAP/SMTP 的授权码，不是邮箱密码。',
  },
  help: 'https://help.mail.163.com/',
  domains: ['163.com', '126.com', 'yeah.net'],
  variants: [variant('126.com'), variant('yeah.net')],
  notes: [
    {
      en: 'Switch the IMAP/SMTP service on in the settings first; the code is shown there once.',
      'zh-TW': '請先在設定中開啟 IMAP/SMTP 服務；授權碼只在該處顯示一次。',
      'zh-CN': '请先在设置中开启 IMAP/SMTP 服务；授权码只在该处显示一次。',
    },
  ],
  /** It writes the short name of the machine, which is nobody's in particular. */
  authenticationHost: null,
}
