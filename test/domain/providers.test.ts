import { describe, expect, it } from 'vitest'
import { checkHost, checkUrl, MAIL_PORTS } from '../../src/domain/host.ts'
import {
  cleanPassword,
  presetFor,
  providerAt,
  providerIds,
  providerOf,
  providers,
} from '../../src/mail/providers/index.ts'

/** The table of providers as their own pages have it: IMAP, SMTP with its ports in the order named, kind of password. */
const KNOWN: Record<string, [imap: string, smtp: string, ports: number[], authentication: string[]]> = {
  gmail: ['imap.gmail.com:993', 'smtp.gmail.com', [465, 587], ['app_password', 'oauth2']],
  outlook: ['outlook.office365.com:993', 'smtp-mail.outlook.com', [587], ['oauth2']],
  office365: ['outlook.office365.com:993', 'smtp.office365.com', [587], ['oauth2']],
  yahoo: ['imap.mail.yahoo.com:993', 'smtp.mail.yahoo.com', [465, 587], ['app_password', 'oauth2']],
  icloud: ['imap.mail.me.com:993', 'smtp.mail.me.com', [587], ['app_password']],
  zoho: ['imap.zoho.com:993', 'smtp.zoho.com', [465, 587], ['app_password', 'password']],
  fastmail: ['imap.fastmail.com:993', 'smtp.fastmail.com', [465, 587], ['app_password']],
  qq: ['imap.qq.com:993', 'smtp.qq.com', [465, 587], ['app_password']],
  '163': ['imap.163.com:993', 'smtp.163.com', [465], ['app_password']],
}
const VARIANTS: Record<string, [imap: string, smtp: string]> = {
  'zoho com': ['imap.zoho.com:993', 'smtp.zoho.com:587'],
  'zoho com-pro': ['imappro.zoho.com:993', 'smtppro.zoho.com:587'],
  'zoho eu': ['imap.zoho.eu:993', 'smtp.zoho.eu:587'],
  'zoho eu-pro': ['imappro.zoho.eu:993', 'smtppro.zoho.eu:587'],
  'zoho in': ['imap.zoho.in:993', 'smtp.zoho.in:587'],
  'zoho in-pro': ['imappro.zoho.in:993', 'smtppro.zoho.in:587'],
  'zoho com.au': ['imap.zoho.com.au:993', 'smtp.zoho.com.au:587'],
  'zoho com.au-pro': ['imappro.zoho.com.au:993', 'smtppro.zoho.com.au:587'],
  '163 126.com': ['imap.126.com:993', 'smtp.126.com:465'],
  '163 yeah.net': ['imap.yeah.net:993', 'smtp.yeah.net:465'],
}
const at = (server: { host: string; port: number } | null) => server && `${server.host}:${server.port}`

describe('presets', () => {
  it.each(Object.entries(KNOWN))(
    'PV1 %s has the host, port and mode that its own pages name',
    (id, known) => {
      const [imap, smtp, ports, authentication] = known
      const provider = providerOf(id)
      expect(provider.id).toBe(id)
      expect(at(provider.imap)).toBe(imap)
      expect(provider.smtp?.host).toBe(smtp)
      expect([...provider.smtpPorts].sort()).toEqual(ports)
      expect(provider.authentication).toEqual(authentication)
      expect([provider.imap?.tls, provider.smtp?.tls]).toEqual([true, true])
    },
  )

  it('PV1 variants have theirs', () => {
    const found = providers.flatMap(provider =>
      provider.variants
        .filter(variant => variant.imap !== null)
        .map(variant => [`${provider.id} ${variant.id}`, [at(variant.imap), at(variant.smtp)]]),
    )
    expect(Object.fromEntries(found)).toEqual(VARIANTS)
  })

  it('PV2 SMTP is filled with 587 where the provider has it, else 465; Fastmail names 465 itself', () => {
    for (const { id, smtp, smtpPorts } of providers) {
      if (smtp === null) continue
      expect([id, smtp.port]).toEqual([id, smtpPorts[0]])
      if (id !== 'fastmail') expect([id, smtp.port]).toEqual([id, smtpPorts.includes(587) ? 587 : 465])
    }
  })

  it('PV2 Cloudflare: no IMAP; SMTP with the user api_token, or none where mail leaves through the binding', () => {
    const { imap, smtp, smtpUser, variants } = providerOf('cloudflare')
    expect([imap, at(smtp), smtpUser]).toEqual([null, 'smtp.mx.cloudflare.net:465', 'api_token'])
    expect(variants).toMatchObject([{ id: 'binding', imap: null, smtp: null }])
  })

  it('PV2 a custom provider has nothing to fill in', () => {
    expect(providerOf('custom')).toMatchObject({ imap: null, smtp: null })
    expect(providerOf('of-a-later-version').id).toBe('custom')
  })

  it('PV3 every server would pass the checks that a typed one passes', () => {
    for (const provider of providers)
      for (const { imap, smtp } of [provider, ...provider.variants]) {
        if (imap) expect(checkHost(imap.host, imap.port, MAIL_PORTS.imap, false)).toBeNull()
        if (smtp) expect(checkHost(smtp.host, smtp.port, MAIL_PORTS.smtp, false)).toBeNull()
      }
  })

  it('PV3 each is listed once, says which password, in three languages, and where to read more', () => {
    expect(providers.map(one => one.id)).toEqual([...providerIds])
    for (const { passwordHint, notes, help, id } of providers) {
      for (const sentence of [passwordHint, ...notes])
        for (const text of [sentence.en, sentence['zh-TW'], sentence['zh-CN']]) expect(text).toMatch(/[.。]$/)
      if (id !== 'custom') expect(checkUrl(help!, false)).toBeNull()
    }
  })

  it('PV6 what is offered says nothing of whose word on senders is believed; the provider itself does', () => {
    for (const one of providers)
      for (const place of [one, ...one.variants]) expect(place).not.toHaveProperty('authenticationHost')
    expect(providerOf('gmail').authenticationHost).toBe('mx.google.com')
    expect(providerAt('imap.zoho.eu')?.variants.find(one => one.id === 'eu')?.authenticationHost).toBe(
      'mx.zohomail.eu',
    )
  })

  it('PV3 no domain is of two providers', () => {
    const domains = providers.flatMap(one => one.domains)
    expect(domains.filter((domain, n) => domains.indexOf(domain) !== n)).toEqual([])
  })
})

describe('which provider an address is of', () => {
  it.each([
    ['a@gmail.com', 'gmail', 'imap.gmail.com'],
    ['a@GoogleMail.com', 'gmail', 'imap.gmail.com'],
    ['a@hotmail.com', 'outlook', 'outlook.office365.com'],
    ['a@contoso.onmicrosoft.com', 'office365', 'outlook.office365.com'],
    ['a@yahoo.com.tw', 'yahoo', 'imap.mail.yahoo.com'],
    ['a@me.com', 'icloud', 'imap.mail.me.com'],
    ['a@zohomail.eu', 'zoho', 'imap.zoho.eu'],
    ['a@fastmail.fm', 'fastmail', 'imap.fastmail.com'],
    ['a@foxmail.com', 'qq', 'imap.qq.com'],
    ['a@163.com', '163', 'imap.163.com'],
    ['a@126.com', '163', 'imap.126.com'],
    ['a@yeah.net', '163', 'imap.yeah.net'],
  ])('PV4 %s: %s', (address, id, host) => {
    const preset = presetFor(address)!
    expect([preset.provider.id, preset.imap?.host]).toEqual([id, host])
  })

  it.each([
    'a@example.com',
    'a@notgmail.com',
    'a@gmail.com.evil.example',
    'a@yahoo.co.jp',
    'gmail.com',
    '',
    'a@',
  ])('PV4 %j: nobody knows', address => expect(presetFor(address)).toBeNull())

  it('PV4 a host of the settings tells it too', () => {
    expect(providerAt('IMAP.gmail.com')?.id).toBe('gmail')
    expect(providerAt('imappro.zoho.in')?.id).toBe('zoho')
    expect(providerAt('imap.example.com')).toBeNull()
  })
})

describe('a pasted password', () => {
  it.each([
    ['gmail', 'abcd efgh ijkl mnop', 'abcdefghijklmnop'],
    ['gmail', ' abcd\u00a0efgh\u00a0ijkl\u00a0mnop\n', 'abcdefghijklmnop'],
    ['gmail', 'abcdefgh  ijklmnop', 'abcdefghijklmnop'],
    ['gmail', '\tabcdefghijklmnop ', 'abcdefghijklmnop'],
    ['yahoo', 'ABCD EFGH IJKL MNOP', 'ABCDEFGHIJKLMNOP'],
    ['zoho', 'a1b2 c3d4 e5f6 g7h8', 'a1b2c3d4e5f6g7h8'],
    ['outlook', 'abcd efgh ijkl mnop', 'abcdefghijklmnop'],
    ['office365', 'abcd efgh ijkl mnop', 'abcdefghijklmnop'],
  ])('PV5 of %s: an app password loses its blanks', (id, typed, clean) =>
    expect(cleanPassword(id, typed, [])).toBe(clean),
  )

  it('PV5 where servers are typed in, they tell the provider', () => {
    const clean = (...hosts: string[]) =>
      cleanPassword('custom', 'abcd efgh ijkl mnop', [null, ...hosts.map(host => ({ host }))])
    expect(clean('imap.gmail.com', 'smtp.gmail.com')).toBe('abcdefghijklmnop')
    expect(clean('smtp.qq.com')).toBe('abcdefghijklmnop')
    expect(clean('imap.example.com', 'smtp.mx.cloudflare.net')).toBe('abcd efgh ijkl mnop')
  })

  it.each([
    ['gmail', 'abcdefghijklmnop'],
    ['gmail', 'abcd efgh ijkl'],
    ['gmail', 'abcd efgh ijkl mnop qrst'],
    ['gmail', 'correct horse battery staple'],
    ['icloud', 'abcd-efgh-ijkl-mnop'],
    ['gmail', ' leading'],
    ['custom', 'abcd efgh ijkl mnop'],
    ['cloudflare', 'abcd efgh ijkl mnop'],
  ])('PV5 of %s: %j stays as it was typed', (id, typed) => expect(cleanPassword(id, typed, [])).toBe(typed))
})
