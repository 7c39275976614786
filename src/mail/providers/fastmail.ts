import { imapAt, type Provider, smtpAt } from './provider.ts'

/** 465 is what Fastmail itself names; that 587 works is hearsay, so it is offered and not filled in. */
export const fastmail: Provider<'fastmail'> = {
  id: 'fastmail',
  name: 'Fastmail',
  imap: imapAt('imap.fastmail.com'),
  smtp: smtpAt('smtp.fastmail.com', 465),
  smtpPorts: [465, 587],
  smtpUser: null,
  authentication: ['app_password'],
  passwordHint: {
    en: 'An app password, made under Privacy & Security; the ordinary password is refused.',
    'zh-TW': '請填在「隱私與安全」中產生的應用程式密碼；一般密碼會被拒絕。',
    'zh-CN': '请填写在“隐私与安全”中生成的应用密码；普通密码会被拒绝。',
  },
  help: 'https://www.fastmail.help/hc/en-us/articles/1500000278342',
  domains: [
    'fastmail.com',
    'fastmail.fm',
    'fastmail.net',
    'fastmail.org',
    'fastmail.co.uk',
    'sent.com',
    'messagingengine.com',
  ],
  variants: [],
  notes: [],
  /** `mx1.messagingengine.com` and its sisters. */
  authenticationHost: 'messagingengine.com',
}
