import { imapAt, type Provider, smtpAt } from './provider.ts'

export const gmail: Provider<'gmail'> = {
  id: 'gmail',
  name: 'Gmail',
  imap: imapAt('imap.gmail.com'),
  smtp: smtpAt('smtp.gmail.com', 587),
  smtpPorts: [587, 465],
  smtpUser: null,
  authentication: ['app_password', 'oauth2'],
  passwordHint: {
    en: 'A 16-character app password, not the password of the Google account.',
    'zh-TW': '請填 16 位數的應用程式專用密碼，不是 Google 帳號密碼。',
    'zh-CN': '请填写 16 位应用专用密码，不是 Google 帐号密码。',
  },
  help: 'https://support.google.com/accounts/answer/185833',
  domains: ['gmail.com', 'googlemail.com'],
  variants: [],
  notes: [
    {
      en: 'App passwords need 2-Step Verification. An address of your own at Google Workspace uses the same servers.',
      'zh-TW':
        '需先啟用兩步驟驗證才能產生應用程式專用密碼。Google Workspace 的自有網域信箱使用相同的伺服器。',
      'zh-CN': '需先启用两步验证才能生成应用专用密码。Google Workspace 的自有域名邮箱使用相同的服务器。',
    },
  ],
  authenticationHost: 'mx.google.com',
}
