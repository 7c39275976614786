import { imapAt, type Provider, smtpAt, type Variant } from './provider.ts'

/** Zoho keeps an account in one data centre, and its servers are named after it. */
const DATA_CENTRES = [
  ['com', 'United States', ['zohomail.com', 'zoho.com']],
  ['eu', 'Europe', ['zohomail.eu', 'zoho.eu']],
  ['in', 'India', ['zohomail.in', 'zoho.in']],
  ['com.au', 'Australia', ['zohomail.com.au', 'zoho.com.au']],
] as const

/** `imap.` and `smtp.` for personal addresses; `imappro.` and `smtppro.` for those of a domain of one's own. */
const variants: Variant[] = DATA_CENTRES.flatMap(([tld, region, domains]) => [
  {
    id: tld,
    name: `Zoho Mail (${region})`,
    domains,
    imap: imapAt(`imap.zoho.${tld}`),
    smtp: smtpAt(`smtp.zoho.${tld}`, 587),
    authenticationHost: `mx.zohomail.${tld}`,
  },
  {
    id: `${tld}-pro`,
    name: `Zoho Mail with your own domain (${region})`,
    domains: [],
    imap: imapAt(`imappro.zoho.${tld}`),
    smtp: smtpAt(`smtppro.zoho.${tld}`, 587),
    authenticationHost: `mx.zohomail.${tld}`,
  },
])

export const zoho: Provider<'zoho'> = {
  id: 'zoho',
  name: 'Zoho Mail',
  imap: imapAt('imap.zoho.com'),
  smtp: smtpAt('smtp.zoho.com', 587),
  smtpPorts: [587, 465],
  smtpUser: null,
  authentication: ['app_password', 'password'],
  passwordHint: {
    en: 'With two-factor sign-in an application-specific password, else the password of the Zoho account.',
    'zh-TW': '啟用雙重驗證時請填應用程式專用密碼，否則填 Zoho 帳號密碼。',
    'zh-CN': '启用双重验证时请填写应用专用密码，否则填写 Zoho 帐号密码。',
  },
  help: 'https://www.zoho.com/mail/help/imap-access.html',
  domains: DATA_CENTRES.flatMap(([, , domains]) => domains),
  variants,
  notes: [
    {
      en: 'IMAP is off at first: switch it on in the settings of Zoho Mail. Some plans do not have it.',
      'zh-TW': 'IMAP 預設為關閉：請至 Zoho Mail 設定開啟，部分方案不提供。',
      'zh-CN': 'IMAP 默认关闭：请到 Zoho Mail 设置中开启，部分套餐不提供。',
    },
  ],
  /** Of the United States; seen for Europe and India too, INFERRED for Australia. */
  authenticationHost: 'mx.zohomail.com',
}
