import { describe, expect, it } from 'vitest'
import { CERTIFICATE_SENTENCES, certificateFault } from '../../src/domain/certificate.ts'
import { connected, NO_WAY_OUT, sentenceOf, uiLanguage } from '../../src/domain/connection.ts'
import { loginRefusal, noPasswordTaken } from '../../src/domain/login.ts'
import { causeOf, certificateIn, clientHello, Probe, type Step, speechOf } from '../../src/domain/probe.ts'
import { type ProblemCode, problem } from '../../src/domain/problem.ts'

describe('what is said', () => {
  it('CT7 success in the words of seed 000, or in English', () => {
    expect(connected('both', 'zh-TW,zh;q=0.9,en;q=0.8')).toBe('連線成功！IMAP 和 SMTP 伺服器連線測試通過')
    expect(connected('both', 'en-US')).toBe(
      'Connected. The IMAP and SMTP servers passed the connection test.',
    )
    expect(connected('both')).toBe(connected('both', 'en'))
  })

  it('CT7 what was not tested is not said to have passed', () => {
    expect(connected('imap')).toMatch(/IMAP server passed.*Sending was not tested/)
    expect(connected('smtp')).toMatch(/SMTP server passed.*Receiving was not tested/)
    expect(connected('none')).not.toMatch(/passed|Connected/)
    for (const tested of ['imap', 'smtp', 'none'] as const) {
      expect(connected(tested, 'zh-TW')).toMatch(/未經測試|沒有可測試/)
      expect(connected(tested, 'zh-TW')).not.toMatch(/IMAP 和 SMTP/)
    }
    expect(sentenceOf(problem('unavailable', NO_WAY_OUT), 'zh-TW')).toMatch(/SEND_EMAIL=1/)
  })

  it.each([
    ['zh-Hant-TW', 'zh-TW'],
    ['ZH', 'zh-TW'],
    ['zh-CN,en;q=0.5', 'zh-TW'],
    ['en;q=0.5, zh-TW', 'zh-TW'],
    ['zh;q=0.3, en;q=0.4', 'en'],
    ['de, fr;q=0.9', 'en'],
    ['zh;q=0', 'en'],
    ['zhuang', 'en'],
    [';;;,q=,zh;q=x', 'en'],
    ['', 'en'],
  ])('CT7 Accept-Language %j is answered in %s', (header, language) =>
    expect(uiLanguage(header)).toBe(language),
  )

  it('CT7 every cause of a connection test has a Chinese sentence; others keep their own', () => {
    const codes: ProblemCode[] = [
      ...(['credentials', 'app_password_required', 'basic_auth_retired', 'imap_disabled'] as const),
      ...([
        'unknown_host',
        'refused',
        'unreachable',
        'timeout',
        'tls_mismatch',
        'certificate',
        'tls',
      ] as const),
      ...(['not_mail_server', 'busy', 'quota', 'protocol', 'host_refused', 'bridge_unavailable'] as const),
    ]
    for (const code of codes) {
      expect(sentenceOf(problem(code), 'zh-TW')).toMatch(/\p{Script=Han}.*。$/u)
      expect(sentenceOf(problem(code), 'en')).toBe(problem(code).message)
    }
    const expired = problem('certificate', CERTIFICATE_SENTENCES.expired)
    expect(sentenceOf(expired, 'zh-TW')).toBe('郵件伺服器的憑證已過期。')
    expect(sentenceOf(problem('internal'), 'zh-TW')).toBe(problem('internal').message)
  })
})

describe('why a login was refused', () => {
  it.each([
    [
      'Gmail IMAP',
      '[ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)',
      'app_password_required',
    ],
    [
      'Gmail SMTP',
      '534-5.7.9 Application-specific password required. Learn more at\n534 5.7.9 https://support.google.com/mail/?p=InvalidSecondFactor',
      'app_password_required',
    ],
    [
      'Fastmail',
      '[ALERT] Sorry, you need to create an app password to use this service',
      'app_password_required',
    ],
    [
      'mail.ru',
      '535 5.7.0 NEOBHODIM parol prilozheniya / Application password is REQUIRED',
      'app_password_required',
    ],
    [
      'QQ',
      'Login fail. Please enter your authorization code to login. More information in http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=28&&no=1001256',
      'app_password_required',
    ],
    [
      'QQ, an older wording',
      'Please using authorized code to login. More information at http://service.mail.qq.com/',
      'app_password_required',
    ],
    ['QQ in UTF-8', '535 Error: 请使用授权码登录。', 'app_password_required'],
    [
      'QQ in GBK, byte by byte',
      '535 Error: \u00c7\u00eb\u00ca\u00b9\u00d3\u00c3\u00ca\u00da\u00c8\u00a8\u00c2\u00eb\u00b5\u00c7\u00c2\u00bc',
      'app_password_required',
    ],
    [
      'QQ in UTF-8, byte by byte',
      `535 ${String.fromCharCode(...new TextEncoder().encode('请使用授权码登录'))}`,
      'app_password_required',
    ],
    ['163', '550 User has no permission', 'app_password_required'],
    [
      'Gmail',
      '[ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable your account for IMAP access. (Failure)',
      'imap_disabled',
    ],
    [
      'Google Workspace',
      '[ALERT] IMAP access is disabled for your domain. Please contact your domain administrator for questions about this feature. (Failure)',
      'imap_disabled',
    ],
    [
      'Zoho',
      '[ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)',
      'imap_disabled',
    ],
    ['Yandex', '[AUTHENTICATIONFAILED] LOGIN invalid credentials or IMAP is disabled', 'credentials'],
    ['Exchange', 'LOGIN failed. [Error="AuthFailed:LogonDenied-BasicAuthBlocked"]', 'basic_auth_retired'],
    [
      'Microsoft 365',
      '535 5.7.139 Authentication unsuccessful, basic authentication is disabled.',
      'basic_auth_retired',
    ],
    [
      'Microsoft 365, from 2026',
      '550 5.7.30 Basic authentication is not supported for Client Submission.',
      'basic_auth_retired',
    ],
    [
      'a policy',
      '535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator.',
      'basic_auth_retired',
    ],
    [
      'wrong after all',
      '535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.',
      'credentials',
    ],
    [
      'Gmail wants a browser',
      '534-5.7.14 <https://accounts.google.com/signin/continue> Please log in via\n534-5.7.14 your web browser and then try again.',
      'credentials',
    ],
    ['163 at SELECT', 'SELECT Unsafe Login. Please contact kefu@188.com for help', 'credentials'],
  ])('A29 CT3 %s: %s', (_, said, code) => expect(loginRefusal(said)?.code).toBe(code))

  it('A29 CT3 Microsoft: what is switched off is named, for the organisation or for the mailbox', () => {
    const off = (what: string) =>
      loginRefusal(
        `535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the ${what}.`,
      )
    expect(off('Tenant')).toMatchObject({
      code: 'basic_auth_retired',
      message: expect.stringContaining('whole Microsoft 365 organisation'),
    })
    expect(off('Mailbox')).toMatchObject({
      code: 'basic_auth_retired',
      message: expect.stringContaining('this Microsoft 365 mailbox'),
    })
  })

  it.each([
    '[AUTHENTICATIONFAILED] Invalid credentials (Failure)',
    '[AUTHENTICATIONFAILED] Authentication failed.',
    '535 5.7.8 Username and Password not accepted. For more information, go to https://support.google.com/mail/?p=BadCredentials',
    '535 5.7.3 Authentication unsuccessful',
    '535 Error: authentication failed',
    'LOGIN failed.',
    '',
  ])('A29 CT3 %j is a plain no', said => expect(loginRefusal(said)).toBeNull())

  it('A29 CT3 Microsoft says only "LOGIN failed." to every password over IMAP', () => {
    expect(loginRefusal('LOGIN failed.', 'outlook.office365.com')?.code).toBe('basic_auth_retired')
    expect(loginRefusal('LOGIN failed.', 'imap.example.com')).toBeNull()
  })

  it('A29 CT3 LOGINDISABLED: TLS is missing, or OAuth is wanted, or IMAP is off; with AUTH=PLAIN it means nothing', () => {
    const code = (names: string, encrypted = true) =>
      noPasswordTaken(names.split(' '), encrypted)?.code ?? null
    expect(code('IMAP4rev1 LOGINDISABLED')).toBe('imap_disabled')
    expect(code('IMAP4rev1 LOGINDISABLED STARTTLS', false)).toBe('tls_mismatch')
    expect(code('IMAP4rev1 logindisabled AUTH=XOAUTH2')).toBe('basic_auth_retired')
    expect(code('IMAP4rev1 LOGINDISABLED AUTH=PLAIN')).toBeNull()
    expect(code('IMAP4rev1')).toBeNull()
  })
})

describe('certificates', () => {
  const now = Date.UTC(2026, 10, 21)
  const about = { from: now - 1, to: now + 1, namesHost: true }
  it('H10 CT3 the first fault that would have to be mended is named', () => {
    expect(certificateFault(about, now)).toBe('issuer')
    expect(certificateFault({ ...about, namesHost: false }, now)).toBe('name')
    expect(certificateFault({ ...about, namesHost: false, to: now - 1 }, now)).toBe('expired')
    expect(certificateFault({ ...about, from: now + 1 }, now)).toBe('not yet')
  })
})

describe('a look at what answers', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const probe = (way: 'door' | 'starttls' | 'inside' = 'door') =>
    new Probe({ protocol: 'smtp', host: 'smtp.example.com', way, random: new Uint8Array(32) })
  const sent = (step: Step) => (step !== 'wait' && 'send' in step ? step.send : null)
  const text = (step: Step) => new TextDecoder('latin1').decode(sent(step) ?? new Uint8Array())
  const found = (step: Step) => (step !== 'wait' && 'found' in step ? step.found : null)

  it.each([
    ['220 mail.example.com ESMTP', 'smtp'],
    ['421 4.7.0 busy', 'smtp'],
    ['* OK IMAP4 ready', 'imap'],
    ['* BYE too many', 'imap'],
    ['+OK POP3 ready', 'pop3'],
    ['HTTP/1.1 400 Bad Request', 'http'],
    ['<!DOCTYPE html>', 'http'],
    ['SSH-2.0-OpenSSH_9.2', 'other'],
  ])('CT8 who greets with %j is %s', (greeting, speech) => {
    expect(speechOf(greeting)).toBe(speech)
    expect(found(probe().heard(bytes(`${greeting}\r\n`)))).toEqual({ kind: 'words', speech })
  })

  it('CT8 a greeting in pieces is waited for', () => {
    const one = probe()
    expect(one.heard(bytes('* O'))).toBe('wait')
    expect(found(one.heard(bytes('K ready\r\n')))).toEqual({ kind: 'words', speech: 'imap' })
  })

  it('CT8 who says nothing is sent a TLS hello, and nothing of the account', () => {
    const hello = sent(probe().quiet())!
    expect([...hello.subarray(0, 3)]).toEqual([22, 3, 1])
    expect(hello.length).toBe(5 + hello[3]! * 256 + hello[4]!)
    expect(new TextDecoder('latin1').decode(hello)).toContain('smtp.example.com')
    expect([...clientHello('127.0.0.1', new Uint8Array(32))].join()).not.toContain(
      [...bytes('127.0.0.1')].join(),
    )
  })

  it('CT8 and answers in TLS, in words, or not at all', () => {
    const answering = (answer: Uint8Array | null) => {
      const one = probe()
      one.quiet()
      return found(answer === null ? one.quiet() : one.heard(answer))
    }
    expect(answering(Uint8Array.from([21, 3, 3, 0, 2, 2, 40]))).toEqual({ kind: 'tls', certificate: null })
    expect(answering(bytes('HTTP/1.1 400 Bad Request\r\n'))).toEqual({ kind: 'words', speech: 'http' })
    expect(answering(null)).toEqual({ kind: 'silence' })
    const gone = probe()
    expect(gone.ended()).toEqual({ kind: 'hung up' })
  })

  it('CT8 the certificate is found however the records are cut', () => {
    const der = Uint8Array.from({ length: 700 }, (_, n) => n % 251)
    const size = (value: number, octets: number) =>
      Array.from({ length: octets }, (_, n) => (value >> (8 * (octets - 1 - n))) & 255)
    const certificate = [
      11,
      ...size(der.length + 6, 3),
      ...size(der.length + 3, 3),
      ...size(der.length, 3),
      ...der,
    ]
    const shakes = [2, 0, 0, 2, 3, 3, ...certificate, 14, 0, 0, 0]
    for (const cut of [1, 5, 300, shakes.length - 1]) {
      const records = [shakes.slice(0, cut), shakes.slice(cut)].flatMap(part => [
        22,
        3,
        3,
        ...size(part.length, 2),
        ...part,
      ])
      expect(certificateIn(Uint8Array.from(records))).toEqual(der)
      expect(certificateIn(Uint8Array.from(records.slice(0, 400)))).toBe('incomplete')
    }
    expect(certificateIn(Uint8Array.from([22, 3, 3, 0, 4, 14, 0, 0, 0]))).toBeNull()
  })

  it('CT8 no bytes make it fail: cut, changed, or of nothing in particular', () => {
    let seed = 7
    const byte = () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31
      return seed & 255
    }
    for (let n = 0; n < 500; n++) {
      const one = probe(n % 2 ? 'starttls' : 'door')
      if (n % 3 === 0) one.quiet()
      const junk = Uint8Array.from({ length: byte() }, byte)
      if (n % 5 === 0) junk.set([22, 3, 3].slice(0, junk.length))
      one.heard(junk)
      one.heard(junk)
      one.quiet()
      expect(one.ended()).toHaveProperty('kind')
    }
  })

  it('CT8 behind STARTTLS the way leads over EHLO, and a no ends it', () => {
    const one = probe('starttls')
    expect(text(one.heard(bytes('220 hi\r\n')))).toBe('EHLO edgedesk.invalid\r\n')
    expect(one.heard(bytes('250-hi\r\n'))).toBe('wait')
    expect(text(one.heard(bytes('250 STARTTLS\r\n')))).toBe('STARTTLS\r\n')
    expect([...sent(one.heard(bytes('220 go\r\n')))!.subarray(0, 1)]).toEqual([22])
    const other = probe('starttls')
    other.heard(bytes('220 hi\r\n'))
    other.heard(bytes('250 hi\r\n'))
    expect(found(other.heard(bytes('502 no\r\n')))).toEqual({ kind: 'words', speech: 'smtp' })
  })

  it('CT8 inside TLS the silent are spoken to in words', () => {
    expect(text(probe('inside').quiet())).toBe('EHLO edgedesk.invalid\r\n\r\n')
  })

  it('CT8 what was found is a cause only where it is not what was asked for', () => {
    const words = (speech: 'imap' | 'smtp' | 'http') => ({ kind: 'words', speech }) as const
    const tls = { kind: 'tls', certificate: null } as const
    const code = (...about: Parameters<typeof causeOf>) => causeOf(...about)?.code ?? null
    expect(code(words('imap'), { protocol: 'imap', security: 'starttls' })).toBeNull()
    expect(code(words('imap'), { protocol: 'imap', security: 'tls' })).toBe('tls_mismatch')
    expect(code(words('smtp'), { protocol: 'imap', security: 'tls' })).toBe('not_mail_server')
    expect(code(tls, { protocol: 'imap', security: 'starttls' })).toBe('tls_mismatch')
    expect(code(tls, { protocol: 'imap', security: 'tls' })).toBeNull()
    expect(code({ kind: 'silence' }, { protocol: 'imap', security: 'tls' })).toBeNull()
  })
})
