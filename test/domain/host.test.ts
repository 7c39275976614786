import { describe, expect, it } from 'vitest'
import {
  canonicalHost,
  checkHost,
  checkUrl,
  isInsideAddress,
  isLoopbackAddress,
  MAIL_PORTS,
  securityOf,
} from '../../src/domain/host.ts'
import { addressRows, hasCorpus, hostOf, isHarmless, urlRows } from '../support/ssrf.ts'

const refused = (host: string, port = 993, dev = false) => checkHost(host, port, MAIL_PORTS.imap, dev)

describe('addresses', () => {
  it.each([
    '0.0.0.0',
    '0.1.2.3',
    '10.0.0.1',
    '100.64.0.1',
    '100.127.255.254',
    '127.0.0.1',
    '127.255.255.255',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.0.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '0:0:0:0:0:0:0:1',
    'fe80::1',
    'febf::1',
    'fec0::1',
    'fc00::1',
    'fdff::1',
    'ff02::1',
    '2001:db8::1',
    '::ffff:10.0.0.1',
    '::ffff:8.8.8.8',
    '::FFFF:7f00:1',
    '::8.8.8.8',
    '::ffff:0:8.8.8.8',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::1',
    '2002:808:808::1',
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
    '100::1',
    '3fff::1',
  ])('%s is inside', ip => expect(isInsideAddress(ip)).toBe(true))

  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.1',
    '100.63.255.254',
    '100.128.0.1',
    '128.0.0.1',
    '169.253.0.1',
    '172.15.255.255',
    '172.32.0.1',
    '192.0.1.1',
    '192.167.1.1',
    '198.17.0.1',
    '198.20.0.1',
    '223.255.255.255',
    '2001:4860:4860::8888',
    '2606:4700:4700::1111',
    '2a00:1450:4001:81b::200e',
  ])('%s is outside', ip => expect(isInsideAddress(ip)).toBe(false))

  it.each([
    '0177.0.0.1',
    '0x7f.0.0.1',
    '0x7f000001',
    '2130706433',
    '127.1',
    '8.8.8',
    '008.8.8.8',
    '8.8.8.8.',
    ' 8.8.8.8',
    '8.8.8.256',
    '',
    'example.com',
    '1:2:3',
    ':::',
    '1::2::3',
    '12345::',
    'fe80::1%eth0',
    '::1.2.3',
    '1:2:3:4:5:6:7:8:9',
    '１.１.１.１',
  ])('the odd notation %j counts as inside', ip => expect(isInsideAddress(ip)).toBe(true))

  it('knows loopback, and not what is disguised as loopback', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', '0:0::1'].map(isLoopbackAddress)).toEqual([
      true,
      true,
      true,
      true,
    ])
    expect(['126.0.0.1', '::', '::ffff:127.0.0.1', 'localhost', '0177.0.0.1'].some(isLoopbackAddress)).toBe(
      false,
    )
  })
})

describe('hosts', () => {
  it.each([
    'imap.gmail.com',
    'IMAP.Example.COM',
    'imap.example.com.',
    'münchen.example',
    'xn--mnchen-3ya.example',
    '邮件.公司.cn',
    'localhost.example.com',
    'internal.example.com',
    'mylocalhost.com',
    '127.example.com',
    'metadata.example.com',
    'a--b.example.com',
  ])('%s may be connected to', host => expect(refused(host)).toBeNull())

  it.each([
    ['8.8.8.8', /is an address/],
    ['127.0.0.1', /is an address/],
    ['[::1]', /is an address/],
    ['::1', /is an address/],
    ['2130706433', /is an address/],
    ['0x7f000001', /is an address/],
    ['0177.0.0.1', /is an address/],
    ['127.1', /is an address/],
    ['①②⑦.⓪.⓪.①', /is an address/],
    ['127。0。0。1', /is an address/],
    ['localhost', /this machine/],
    ['LOCALHOST.', /this machine/],
    ['a.localhost', /this machine/],
    ['ｌocalhost', /this machine/],
    ['local\u00adhost', /this machine/],
    ['mail', /not a full name/],
    ['db.internal', /\.internal/],
    ['metadata.google.internal', /\.internal/],
    ['printer.local', /\.local/],
    ['metadata.goog', /metadata/],
    ['127.0.0.1.nip.io', /stands for an address/],
    ['', /empty/],
    ['   ', /empty/],
    ['user@imap.example.com', /user name/],
    ['user:pw@imap.example.com', /user name/],
    ['https://imap.example.com', /without https/],
    ['imap.example.com:993', /port or path/],
    ['imap.example.com/x', /path/],
    ['imap.example.com\r\nQUIT', /not the name/],
    ['imap example.com', /not the name/],
    ['imap..example.com', /not the name/],
    ['-a.example.com', /not the name/],
    ['im%61p.example.com', /not the name/],
    ['example.com..', /not the name/],
    [`${'a'.repeat(64)}.example.com`, /not the name/],
    ['a\u0000.example.com', /not the name/],
    ['fe80::1%eth0', /./],
    ['1.2.3.4.5', /not the name/],
  ] as [string, RegExp][])('%j is refused, and the sentence says why', (host, why) => {
    expect(refused(host)).toMatchObject({
      code: 'host_refused',
      message: expect.stringMatching(why),
      field: 'host',
    })
  })

  it('refuses ports that are not on the list, and what is no port', () => {
    expect(refused('imap.example.com', 25)).toMatchObject({ code: 'host_refused', field: 'port' })
    expect(refused('imap.example.com', 0)).toMatchObject({ field: 'port' })
    expect(refused('imap.example.com', 993.5)).toMatchObject({ field: 'port' })
    expect(refused('imap.example.com', 65536)).toMatchObject({ field: 'port' })
    expect(MAIL_PORTS.smtp.map(port => checkHost('smtp.example.com', port, MAIL_PORTS.smtp, false))).toEqual([
      null,
      null,
      null,
    ])
  })

  it('lets loopback through on any port under the development flag, and nothing else', () => {
    for (const host of ['localhost', 'localhost.', '127.0.0.1', '127.8.8.8', '::1', '[::1]']) {
      expect(refused(host, 40143, true)).toBeNull()
      expect(refused(host, 993, false)).not.toBeNull()
    }
    for (const host of [
      '10.0.0.1',
      '::ffff:127.0.0.1',
      '[::]',
      '0.0.0.0',
      '169.254.169.254',
      'a.localhost',
      'db.internal',
    ]) {
      expect(refused(host, 993, true)).not.toBeNull()
    }
    expect(refused('imap.example.com', 40143, true)).not.toBeNull()
  })

  it('gives the name as it goes on the wire', () => {
    expect(canonicalHost(' Bücher.Example. ')).toBe('xn--bcher-kva.example')
    expect(canonicalHost('[2606:4700::1]')).toBe('2606:4700::1')
  })
})

it('TLS is implicit on 465 and 993, STARTTLS is required elsewhere, and off is off', () => {
  expect([465, 993, 143, 587, 2525].map(port => securityOf(port, true))).toEqual([
    'tls',
    'tls',
    'starttls',
    'starttls',
    'starttls',
  ])
  expect(securityOf(993, false)).toBe('plain')
})

describe('web addresses of webhooks and models', () => {
  it.each([
    'https://hooks.example.com',
    'https://hooks.example.com/mail?key=1#x',
    'https://HOOKS.example.com:443/',
    'https://hooks.example.com:8443/a',
    'https://münchen.example/',
    ' https://hooks.example.com/ ',
    'https://hooks.example.com/to?url=http://169.254.169.254/',
  ])('WU1 %s may be called', url => expect(checkUrl(url, false)).toBeNull())

  it.each([
    ['http://hooks.example.com/', /begin with https/],
    ['ftp://hooks.example.com/', /begin with https/],
    ['file:///etc/passwd', /begin with https/],
    ['javascript:alert(1)', /begin with https/],
    ['https://user@hooks.example.com/', /user name/],
    ['https://user:pw@hooks.example.com/', /user name/],
    ['https://@hooks.example.com/', /user name/],
    ['https://hooks.example.com:444/', /Port 444/],
    ['https://hooks.example.com:22/', /Port 22/],
    ['https://127.0.0.1/', /is an address/],
    ['https://8.8.8.8/', /is an address/],
    ['https://0x7f.1/', /is an address/],
    ['https://[::1]/', /is an address/],
    ['https://[::ffff:169.254.169.254]/', /is an address/],
    ['https://localhost/', /this machine/],
    ['https://metadata.google.internal/', /\.internal/],
    ['https://10.0.0.1.nip.io/', /stands for an address/],
    ['https://hooks/', /not a full name/],
    ['https://evil.example\\@hooks.example.com/', /not a web address/],
    ['https://hooks.exa\tmple.com/', /not a web address/],
    ['https://hooks.example.com/\r\nX: y', /not a web address/],
    ['//hooks.example.com/', /not a web address/],
    ['hooks.example.com', /not a web address/],
    ['', /not a web address/],
  ] as [string, RegExp][])('WU1 %j is refused, and the sentence says why', (url, why) =>
    expect(checkUrl(url, false)).toMatchObject({
      code: 'host_refused',
      message: expect.stringMatching(why),
      field: 'url',
    }),
  )

  it('WU2 with the development flag loopback is allowed by http and on any port, and nothing else is', () => {
    for (const url of [
      'http://localhost:8787/hook',
      'http://127.0.0.1/',
      'https://[::1]:9999/',
      'https://localhost/',
    ])
      expect([url, checkUrl(url, true)]).toEqual([url, null])
    for (const url of [
      'http://hooks.example.com/',
      'http://10.0.0.1/',
      'http://169.254.169.254/',
      'http://0.0.0.0/',
      'http://[::ffff:127.0.0.1]/',
      'http://user@localhost/',
      'ftp://localhost/',
    ])
      expect([url, checkUrl(url, true)?.code]).toEqual([url, 'host_refused'])
  })
})

if (!hasCorpus) console.warn('ssrf corpus: not run: no corpus')
else
  describe('ssrf corpus', () => {
    it('BR12 every address row: inside or outside as what it is', () => {
      const rows = addressRows()
      for (const { ip, inside } of rows) expect([ip, isInsideAddress(ip)]).toEqual([ip, inside])
      expect(rows.filter(row => row.inside).length).toBeGreaterThan(45)
      expect(rows.filter(row => !row.inside).length).toBeGreaterThan(8)
    })

    it('BR12 no address row is a host, by whatever notation', () => {
      for (const { ip } of addressRows())
        for (const typed of [ip, `[${ip}]`, ` ${ip} `, `${ip}.`])
          expect([typed, checkHost(typed, 993, MAIL_PORTS.imap, false)?.code]).toEqual([
            typed,
            'host_refused',
          ])
    })

    it('WU1 no address row is the host of a web address', () => {
      for (const { ip } of addressRows()) {
        const host = ip.includes(':') ? `[${ip}]` : ip
        for (const url of [
          `https://${host}/`,
          `http://${host}/`,
          `https://${host}:8443/x`,
          `https://x@${host}/`,
        ])
          expect([url, checkUrl(url, false)?.code]).toEqual([url, 'host_refused'])
      }
    })

    it('WU2 with the development flag only the loopback rows are let through', () => {
      for (const { ip } of addressRows()) {
        const host = ip.includes(':') ? `[${ip}]` : ip
        const allowed = checkUrl(`http://${host}/`, true) === null
        expect([ip, allowed]).toEqual([ip, isLoopbackAddress(ip)])
        expect([ip, checkHost(ip, 993, MAIL_PORTS.imap, true) === null]).toEqual([ip, isLoopbackAddress(ip)])
      }
    })

    it('WU1 every URL row as a web address: allowed only where it is plain https to an ordinary public name', () => {
      let allowed = 0
      for (const row of urlRows()) {
        const harmless = isHarmless(row, /^https:/)
        expect([row, checkUrl(row, false) === null]).toEqual([row, harmless])
        const asHttps = row.replace(/^[a-z]+:/i, 'https:')
        expect([asHttps, checkUrl(asHttps, false) === null]).toEqual([
          asHttps,
          isHarmless(asHttps, /^https:/),
        ])
        if (harmless) allowed += 1
      }
      expect(allowed).toBe(90)
    })

    it('BR12 every URL row in a host field, whole, its authority and its host: allowed only as an ordinary public name', () => {
      let allowed = 0
      for (const row of urlRows()) {
        for (const typed of [row, row.replace(/^[a-z]+:\/\//i, '').split('/')[0]!, hostOf(row)]) {
          if (typed === null) continue
          const let_ = checkHost(typed, 993, MAIL_PORTS.imap, false) === null
          const harmless = isHarmless(`https://${typed}`, /^https:/) && !/[/?#]/.test(typed)
          expect([row, typed, let_]).toEqual([row, typed, harmless])
          if (let_) allowed += 1
        }
      }
      expect(allowed).toBeGreaterThan(150)
    })

    it('WU2 with the development flag a URL row passes only on loopback itself', () => {
      for (const row of urlRows()) {
        if (checkUrl(row, true) !== null || checkUrl(row, false) === null) continue
        expect(hostOf(row)).toMatch(/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/)
      }
    })
  })
