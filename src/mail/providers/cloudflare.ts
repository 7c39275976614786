import { type Provider, smtpAt } from './provider.ts'

/** A domain on Cloudflare: mail comes in by Email Routing, to this Worker's `email()`. */
export const cloudflare: Provider<'cloudflare'> = {
  id: 'cloudflare',
  name: 'Cloudflare',
  imap: null,
  smtp: smtpAt('smtp.mx.cloudflare.net', 465),
  smtpPorts: [465],
  smtpUser: 'api_token',
  authentication: ['api_token'],
  passwordHint: {
    en: 'A Cloudflare API token that may send e-mail; none where mail leaves through the send_email binding.',
    'zh-TW': '請填可寄送郵件的 Cloudflare API 權杖；經由 send_email 繫結寄信時不需要。',
    'zh-CN': '请填写可发送邮件的 Cloudflare API 令牌；通过 send_email 绑定发信时不需要。',
  },
  help: 'https://developers.cloudflare.com/email-service/',
  domains: [],
  variants: [{ id: 'binding', name: 'Cloudflare, send_email binding', domains: [], imap: null, smtp: null }],
  notes: [
    {
      en: 'Route the address to this Worker under Email Routing. Sending needs a paid plan.',
      'zh-TW': '請在 Email Routing 中將此地址轉送到本 Worker。寄信需付費方案。',
      'zh-CN': '请在 Email Routing 中将此地址路由到本 Worker。发信需付费套餐。',
    },
  ],
  authenticationHost: 'mx.cloudflare.net',
}
