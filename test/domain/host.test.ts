import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  canonicalHost,
  checkHost,
  isInsideAddress,
  isLoopbackAddress,
  MAIL_PORTS,
  securityOf,
} from '../../src/domain/host.ts'

const CORPUS = `${process.env.CORPORA ?? '../shared/corpora'}/ssrf`
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

if (!existsSync(CORPUS)) console.warn('ssrf corpus: not run: no corpus')
else
  describe('ssrf corpus', () => {
    const rows: { ip: string; verdict: string }[] = JSON.parse(
      readFileSync(`${CORPUS}/addresses.json`, 'utf8'),
    )
    const verdicts = new Map<string, Set<string>>()
    for (const { ip, verdict } of rows) verdicts.set(ip, (verdicts.get(ip) ?? new Set()).add(verdict))

    it('every address denied for what it is counts as inside, every near miss as outside', () => {
      let denied = 0
      let allowed = 0
      for (const [ip, said] of verdicts) {
        // UserConfigured rows depend on that product's own lists, and allow what would else be denied.
        if (
          [...said].some(
            v => v.startsWith('ipDeny') && v !== 'ipDenyUserConfigured' && v !== 'ipDenySelfConnection',
          )
        ) {
          expect([ip, isInsideAddress(ip)]).toEqual([ip, true])
          denied += 1
        } else if (said.has('ipAllowDefault') && !said.has('ipAllowUserConfigured')) {
          expect([ip, isInsideAddress(ip)]).toEqual([ip, false])
          allowed += 1
        }
      }
      expect(denied).toBeGreaterThan(20)
      expect(allowed).toBeGreaterThan(4)
    })

    it('no URL gets a host through that is, or spells, an inside address', () => {
      const through = new Set<string>()
      for (const line of readFileSync(`${CORPUS}/urls.txt`, 'utf8').split('\n')) {
        const authority = line.replace(/^[a-z]+:\/\//i, '').split('/')[0]!
        const candidates = new Set([line, authority, authority.replace(/:\d*$/, '')])
        if (URL.canParse(line)) candidates.add(new URL(line).hostname)
        for (const host of candidates) {
          const port = 993
          if (checkHost(host, port, MAIL_PORTS.imap, false) === null) through.add(host)
        }
      }
      for (const host of through) {
        expect(canonicalHost(host)).toMatch(/^[a-z0-9.-]+\.[a-z][a-z0-9-]*$/)
        expect(host).not.toMatch(/localhost$|internal$|169\.254|127\.0/)
      }
    })
  })
