import type { Provider } from './provider.ts'

export const custom: Provider<'custom'> = {
  id: 'custom',
  name: 'Custom',
  imap: null,
  smtp: null,
  smtpPorts: [587, 465, 2525],
  smtpUser: null,
  authentication: ['password', 'app_password'],
  passwordHint: {
    en: 'The password of the mailbox, or an app password where the provider has them.',
    'zh-TW': '請填信箱密碼；服務商提供應用程式密碼時，請填應用程式密碼。',
    'zh-CN': '请填写邮箱密码；服务商提供应用密码时，请填写应用密码。',
  },
  help: null,
  domains: [],
  variants: [],
  notes: [],
  authenticationHost: null,
}
