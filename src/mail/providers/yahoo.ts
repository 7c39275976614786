import { imapAt, type Provider, smtpAt } from './provider.ts'

/** yahoo.co.jp is another company with other servers, and not here. */
export const yahoo: Provider<'yahoo'> = {
  id: 'yahoo',
  name: 'Yahoo Mail',
  imap: imapAt('imap.mail.yahoo.com'),
  smtp: smtpAt('smtp.mail.yahoo.com', 587),
  smtpPorts: [587, 465],
  smtpUser: null,
  authentication: ['app_password', 'oauth2'],
  passwordHint: {
    en: 'A 16-character app password, not the password of the Yahoo account.',
    'zh-TW': '請填 16 位數的應用程式密碼，不是 Yahoo 帳號密碼。',
    'zh-CN': '请填写 16 位应用密码，不是 Yahoo 帐号密码。',
  },
  help: 'https://help.yahoo.com/kb/SLN15241.html',
  domains: [
    ...['yahoo.com', 'ymail.com', 'rocketmail.com', 'myyahoo.com'],
    ...['yahoo.co.uk', 'yahoo.fr', 'yahoo.de', 'yahoo.it', 'yahoo.es', 'yahoo.ca', 'yahoo.in', 'yahoo.co.in'],
    ...[
      'yahoo.com.tw',
      'yahoo.com.hk',
      'yahoo.com.sg',
      'yahoo.com.au',
      'yahoo.com.br',
      'yahoo.com.mx',
      'yahoo.co.id',
    ],
  ],
  variants: [],
  notes: [
    {
      en: 'App passwords need two-step verification.',
      'zh-TW': '需先啟用兩步驟驗證才能產生應用程式密碼。',
      'zh-CN': '需先启用两步验证才能生成应用密码。',
    },
  ],
  /** `atlas-production.v2-mail-prod1-gq1.omega.yahoo.com`, `atlas206.free.mail.ne1.yahoo.com`: one for each of its machines. */
  authenticationHost: 'yahoo.com',
}
