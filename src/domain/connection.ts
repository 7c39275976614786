/**
 * What a connection test says to the person who pressed the button, in English or Chinese: the sentence of seed 000 where
 * it passes, and the cause in one sentence where it does not.
 */
import { CERTIFICATE_SENTENCES } from './certificate.ts'
import type { Problem, ProblemCode } from './problem.ts'

export type UiLanguage = 'en' | 'zh-TW'

/** Which servers there were to test; the one that is not is Cloudflare's own, and is known to work only once there is mail. */
export type Tested = 'both' | 'imap' | 'smtp' | 'none'

const CONNECTED: Record<Tested, Record<UiLanguage, string>> = {
  both: {
    en: 'Connected. The IMAP and SMTP servers passed the connection test.',
    'zh-TW': '連線成功！IMAP 和 SMTP 伺服器連線測試通過',
  },
  imap: {
    en: 'Connected. The IMAP server passed the connection test. Sending was not tested: mail leaves through Cloudflare.',
    'zh-TW': '連線成功！IMAP 伺服器連線測試通過。寄信未經測試：郵件由 Cloudflare 寄出。',
  },
  smtp: {
    en: 'Connected. The SMTP server passed the connection test. Receiving was not tested: mail comes in by Email Routing.',
    'zh-TW': '連線成功！SMTP 伺服器連線測試通過。收信未經測試：郵件由 Email Routing 轉入。',
  },
  none: {
    en: 'There was no server to test: mail comes in by Email Routing and leaves through Cloudflare. Write a mail to the address to see that it arrives.',
    'zh-TW':
      '沒有可測試的伺服器：郵件由 Email Routing 轉入，並由 Cloudflare 寄出。請寄一封信到此地址，確認能收到。',
  },
}

/** @param accept an Accept-Language header, if there is one. */
export function connected(tested: Tested, accept?: string): string {
  return CONNECTED[tested][uiLanguage(accept)]
}

/** Of an inbox without an SMTP server, where nothing else sends. */
export const NO_WAY_OUT =
  'This inbox has no SMTP server, and this deployment cannot send without one. Deploy it with SEND_EMAIL=1, or give an SMTP server.'

/** The problem's own sentence, or the Chinese one of its code. */
export function sentenceOf(problem: Problem, accept?: string): string {
  if (uiLanguage(accept) === 'en') return problem.message
  return CHINESE_SENTENCES[problem.message] ?? CHINESE[problem.code] ?? problem.message
}

/** RFC 9110 §12.5.4: the language wanted most that we have; the first of equals; English where none is ours. */
export function uiLanguage(accept = ''): UiLanguage {
  let best: UiLanguage = 'en'
  let weight = 0
  for (const range of accept.split(',')) {
    const [tag = '', ...parameters] = range.split(';').map(part => part.trim().toLowerCase())
    const given = parameters.find(part => part.startsWith('q='))?.slice(2)
    const q = given === undefined ? 1 : Number(given)
    const ours = /^zh(-|$)/.test(tag) ? 'zh-TW' : /^en(-|$)/.test(tag) ? 'en' : null
    if (ours !== null && q > weight) {
      best = ours
      weight = q
    }
  }
  return best
}

const CHINESE: Partial<Record<ProblemCode, string>> = {
  credentials: '認證失敗：郵件伺服器不接受使用者名稱或密碼。',
  app_password_required: '認證失敗：此服務商需使用應用程式專用密碼（授權碼），不能使用一般密碼。',
  basic_auth_retired: '此信箱的服務商已不再接受密碼登入，請以 OAuth 連接，或請系統管理員開啟。',
  imap_disabled: '此信箱未啟用 IMAP，請先至服務商的設定開啟。',
  unknown_host: '找不到這個郵件伺服器，請檢查伺服器位址。',
  refused: '郵件伺服器在這個連接埠不接受連線，請檢查連接埠號。',
  unreachable: '郵件伺服器無法連線。',
  timeout: '郵件伺服器沒有在時限內回應。',
  tls_mismatch: 'SSL/TLS 設定與這個連接埠不符，請檢查連接埠號與加密設定。',
  certificate: '郵件伺服器的憑證無效。',
  tls: '無法與郵件伺服器建立安全連線。',
  not_mail_server: '這個位址與連接埠上的不是這一種郵件伺服器。',
  busy: '郵件伺服器忙碌中或連線數過多，請稍後再試。',
  quota: '服務商表示用量已達上限，請稍後再試。',
  protocol: '郵件伺服器的回應無法辨識。',
  folder_missing: '這個信箱沒有收件匣（INBOX）。',
  host_refused: '不允許使用這個伺服器位址或連接埠。',
  bridge_unavailable: 'IMAP 橋接服務暫時無法使用，請稍後再試。',
}

const CHINESE_SENTENCES: Record<string, string> = {
  [NO_WAY_OUT]:
    '此信箱沒有 SMTP 伺服器，而此部署無法以其他方式寄信。請以 SEND_EMAIL=1 部署，或填寫 SMTP 伺服器。',
  [CERTIFICATE_SENTENCES.expired]: '郵件伺服器的憑證已過期。',
  [CERTIFICATE_SENTENCES['not yet']]: '郵件伺服器的憑證尚未生效。',
  [CERTIFICATE_SENTENCES.name]: '郵件伺服器的憑證屬於另一個名稱，請填憑證上的伺服器名稱。',
  [CERTIFICATE_SENTENCES.issuer]: '郵件伺服器的憑證不是由受信任的機構簽發。',
}
