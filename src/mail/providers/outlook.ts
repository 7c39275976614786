import { MICROSOFT } from '../../domain/authentication.ts'
import { imapAt, type Provider, smtpAt } from './provider.ts'

/** Personal mailboxes; those of an organisation are in office365.ts. */
export const outlook: Provider<'outlook'> = {
  id: 'outlook',
  name: 'Outlook.com',
  imap: imapAt('outlook.office365.com'),
  smtp: smtpAt('smtp-mail.outlook.com', 587),
  smtpPorts: [587],
  smtpUser: null,
  authentication: ['oauth2'],
  passwordHint: {
    en: 'Outlook.com takes no password from other programs any more, not even an app password: connect by OAuth.',
    'zh-TW': 'Outlook.com 不再接受其他程式以密碼登入（應用程式密碼也不行）：請以 OAuth 連接。',
    'zh-CN': 'Outlook.com 不再接受其他程序以密码登录（应用密码也不行）：请以 OAuth 连接。',
  },
  help: 'https://support.microsoft.com/office/pop-imap-and-smtp-settings-for-outlook-com-d088b986-291d-42b8-9564-9c414e2aa040',
  domains: [
    ...['outlook.com', 'hotmail.com', 'live.com', 'msn.com', 'passport.com', 'windowslive.com'],
    ...[
      'outlook.de',
      'outlook.fr',
      'outlook.es',
      'outlook.it',
      'outlook.jp',
      'outlook.com.br',
      'outlook.com.au',
    ],
    ...['hotmail.co.uk', 'hotmail.de', 'hotmail.fr', 'hotmail.es', 'hotmail.it', 'hotmail.com.tw'],
    ...['live.co.uk', 'live.de', 'live.fr', 'live.nl', 'live.com.tw', 'live.cn'],
  ],
  variants: [],
  notes: [
    {
      en: 'IMAP is off at first: switch it on in the settings of Outlook.com under Forwarding and IMAP.',
      'zh-TW': 'IMAP 預設為關閉：請至 Outlook.com 設定的「轉寄和 IMAP」開啟。',
      'zh-CN': 'IMAP 默认关闭：请到 Outlook.com 设置的“转发和 IMAP”中开启。',
    },
  ],
  authenticationHost: MICROSOFT,
}
