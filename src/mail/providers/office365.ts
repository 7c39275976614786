import { MICROSOFT } from '../../domain/authentication.ts'
import { imapAt, type Provider, smtpAt } from './provider.ts'

export const office365: Provider<'office365'> = {
  id: 'office365',
  name: 'Microsoft 365',
  imap: imapAt('outlook.office365.com'),
  smtp: smtpAt('smtp.office365.com', 587),
  smtpPorts: [587],
  smtpUser: null,
  authentication: ['oauth2'],
  passwordHint: {
    en: 'Microsoft 365 takes no password over IMAP: connect by OAuth.',
    'zh-TW': 'Microsoft 365 的 IMAP 不接受密碼：請以 OAuth 連接。',
    'zh-CN': 'Microsoft 365 的 IMAP 不接受密码：请以 OAuth 连接。',
  },
  help: 'https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/authenticated-client-smtp-submission',
  domains: ['onmicrosoft.com'],
  variants: [],
  notes: [
    {
      en: 'For sending, an administrator may have to switch on "Authenticated SMTP" for this mailbox.',
      'zh-TW': '寄信前，系統管理員可能需要為此信箱開啟「已驗證的 SMTP」。',
      'zh-CN': '发信前，管理员可能需要为此邮箱开启“经过身份验证的 SMTP”。',
    },
  ],
  authenticationHost: MICROSOFT,
}
