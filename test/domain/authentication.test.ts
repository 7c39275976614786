import { describe, expect, it } from 'vitest'
import { authentication, MICROSOFT } from '../../src/domain/authentication.ts'
import type { Email } from '../../src/domain/email.ts'
import { readEmail as readRaw } from '../../src/mail/email.ts'
import { authenticationHostOf, providers } from '../../src/mail/providers/index.ts'
import { email } from '../support/read.ts'

type Field = readonly [name: string, value: string]
const AR = 'Authentication-Results'

/** What is said of a mail from this address with these header fields, the topmost first. */
function ask(
  host: string | null,
  fields: readonly Field[],
  from = 'ann@example.com',
  about: Partial<Email> = {},
) {
  return authentication(
    email({
      headers: fields.map(([name, value]) => ({
        name: name.toLowerCase(),
        value: value.replaceAll(/\s+/g, ' '),
      })),
      from: [{ name: 'Ann', address: from }],
      ...about,
    }),
    host,
  )
}
/** With one field of the host mx.shop.example. */
const said = (results: string, from?: string) =>
  ask('mx.shop.example', [[AR, `mx.shop.example; ${results}`]], from)

const nothing = { by: null, domain: null }
const unknown = { result: 'unknown', ...nothing }
const none = { result: 'none', ...nothing }

describe('as the providers write it', () => {
  it('Gmail: pass by DMARC, none where the domain has no record and no aligned proof', () => {
    const gmail = `mx.google.com;
       dkim=pass header.i=@example.com header.s=20230601 header.b=aox1b6+y;
       spf=pass (google.com: domain of ann@example.com designates 192.0.2.84 as permitted sender) smtp.mailfrom=ann@example.com;
       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=example.com`
    const fields: Field[] = [
      ['Delivered-To', 'support@shop.example'],
      ['Received', 'by 2002:a05:6402:1 with SMTP id x1; Sun, 1 Nov 2026 08:00:00 -0800 (PST)'],
      ['ARC-Authentication-Results', 'i=1; mx.google.com; dmarc=fail header.from=example.com'],
      ['Return-Path', '<ann@example.com>'],
      [
        'Received',
        'from mail.example.com (mail.example.com. [192.0.2.84]) by mx.google.com with ESMTPS id y2',
      ],
      [AR, gmail],
    ]
    expect(ask('mx.google.com', fields)).toEqual({ result: 'pass', by: 'dmarc', domain: 'example.com' })
    const neutral = `mx.google.com;
       spf=neutral (google.com: 192.0.2.212 is neither permitted nor denied by best guess record for domain of ann@example.com) smtp.mailfrom=ann@example.com`
    expect(ask('mx.google.com', [[AR, neutral]])).toEqual(none)
  })

  it('Microsoft: without an id, with the recipient’s domain between the results, bestguesspass by DKIM or SPF', () => {
    const now = `spf=temperror (sender IP is 192.0.2.66) smtp.mailfrom=example.com; dkim=pass (signature was verified)
      header.d=example.com;dmarc=pass action=none header.from=example.com;compauth=pass reason=100`
    expect(ask(MICROSOFT, [[AR, now]])).toEqual({ result: 'pass', by: 'dmarc', domain: 'example.com' })
    const guessed = `spf=none (sender IP is 192.0.2.4) smtp.mailfrom=example.com; contoso.com; dkim=pass (signature was verified)
      header.d=outbound.example.com; contoso.com; dmarc=bestguesspass action=none header.from=example.com;`
    expect(ask(MICROSOFT, [[AR, guessed]])).toEqual({
      result: 'pass',
      by: 'dkim',
      domain: 'outbound.example.com',
    })
    const bySpf = `spf=pass (sender IP is 192.0.2.4) smtp.mailfrom=example.com; contoso.com; dkim=none (message not signed)
      header.d=none; contoso.com; dmarc=bestguesspass action=none header.from=example.com; compauth=pass reason=109`
    expect(ask(MICROSOFT, [[AR, bySpf]])).toEqual({ result: 'pass', by: 'spf', domain: 'example.com' })
    const failed = `spf=fail (sender IP is 192.0.2.1) smtp.mailfrom=example.com; dkim=none (message not signed)
      header.d=none;dmarc=fail action=quarantine header.from=example.com;compauth=fail reason=000`
    expect(ask(MICROSOFT, [[AR, failed]])).toEqual({ result: 'fail', by: 'dmarc', domain: null })
    const nobody = `spf=none (sender IP is 192.0.2.171) smtp.mailfrom=example.com; dkim=none (message not signed)
      header.d=none;dmarc=none action=none header.from=example.com;compauth=fail reason=001`
    expect(ask(MICROSOFT, [[AR, nobody]])).toEqual(none)
  })

  it('Yahoo: a name for each machine, `unknown` for no record', () => {
    const yahoo = (results: string, from?: string) =>
      ask('yahoo.com', [[AR, `atlas-production.v2-mail-prod1-gq1.omega.yahoo.com; ${results}`]], from)
    expect(
      yahoo(
        'dkim=pass header.i=@example.com header.s=2017; spf=pass smtp.mailfrom=example.com; dmarc=pass(p=NONE,sp=QUARANTINE) header.from=example.com;',
      ),
    ).toMatchObject({ result: 'pass', by: 'dmarc' })
    expect(
      yahoo(
        'dkim=unknown; spf=pass smtp.mailfrom=example.com arc_overridden_status=NOT_OVERRIDDEN; dmarc=unknown header.from=example.com;',
      ),
    ).toMatchObject({ result: 'pass', by: 'spf' })
    expect(
      yahoo('dkim=unknown; spf=none smtp.mailfrom=example.com; dmarc=unknown header.from=example.com;'),
    ).toEqual(none)
  })

  it('Fastmail: several fields, of which the first say nothing of the sender', () => {
    const mx1 = 'mx1.messagingengine.com;'
    const fields: Field[] = [
      ['Received', 'from mx1 ([10.202.2.200]) by compute3.internal (LMTPProxy)'],
      ['ARC-Authentication-Results', `i=1; ${mx1} dmarc=fail header.from=example.com`],
      [
        AR,
        `${mx1} x-csa=none; x-me-sender=none; x-ptr=pass smtp.helo=mail.example.com policy.ptr=mail.example.com`,
      ],
      [AR, `${mx1} bimi=skipped (DMARC Policy is not at enforcement)`],
      [AR, `${mx1} arc=none (no signatures found)`],
      [
        AR,
        `${mx1} dkim=pass (2048-bit rsa key sha256) header.d=example.com header.i=@example.com header.b=Y+EgdIPN header.a=rsa-sha256 header.s=a2048 x-bits=2048;
         dmarc=pass policy.published-domain-policy=reject policy.applied-disposition=none policy.evaluated-disposition=none
         (p=reject,d=none,d.eval=none) policy.policy-from=p header.from=example.com; iprev=pass smtp.remote-ip=192.0.2.146 (mail.example.com);
         spf=pass smtp.mailfrom=ann@example.com smtp.helo=mail.example.com`,
      ],
      ['Received', 'from mail.example.com by mx1.messagingengine.com (Postfix) with ESMTPS id 1'],
    ]
    expect(ask('messagingengine.com', fields)).toEqual({ result: 'pass', by: 'dmarc', domain: 'example.com' })
    // A forged one further down is not reached from them, whatever the ones above leave out.
    const forged: Field[] = [
      ...fields.slice(0, 5),
      fields[6]!,
      [AR, `${mx1} dmarc=pass header.from=example.com`],
    ]
    expect(ask('messagingengine.com', forged)).toEqual(none)
    const other: Field[] = [
      ...fields.slice(2, 4),
      [AR, 'mx2.messagingengine.com; dmarc=pass header.from=example.com'],
    ]
    expect(ask('messagingengine.com', other)).toEqual(none)
  })

  it('iCloud: one field for each method', () => {
    const fields = (dmarc: string): Field[] => [
      [AR, 'bimi.icloud.com; bimi=skipped reason="insufficient dmarc"'],
      ['X-ARC-Info', 'policy=fail; arc=none'],
      [AR, 'arc.icloud.com; arc=none'],
      [AR, `dmarc.icloud.com; ${dmarc}`],
      ['X-DMARC-Info', 'pass=pass; dmarc-policy=reject; s=r0; d=r1; pdomain=example.com'],
      [
        AR,
        'dkim-verifier.icloud.com; dkim=pass (2048-bit key) header.d=example.com header.i=@example.com header.b=XubAwo48',
      ],
      [
        AR,
        'spf.icloud.com; spf=pass (spf.icloud.com: domain of ann@example.com designates 192.0.2.84 as permitted sender) smtp.mailfrom=ann@example.com',
      ],
    ]
    const host = authenticationHostOf('imap.mail.me.com')
    expect(ask(host, fields('dmarc=pass header.from=example.com'))).toMatchObject({
      result: 'pass',
      by: 'dmarc',
    })
    expect(ask(host, fields('dmarc=fail header.from=example.com'))).toMatchObject({ result: 'fail' })
    expect(ask(host, fields('dmarc=none header.from=example.com'))).toEqual(none)
  })

  it('Zoho: no blank before a comment, no domain of the signature, at times no semicolon', () => {
    const zoho = (results: string, region = 'com') =>
      ask(authenticationHostOf(`imap.zoho.${region}`), [[AR, `mx.zohomail.${region};${results}`]])
    const passed =
      'dkim=pass; spf=pass (zohomail.eu: domain of _spf.example.com designates 192.0.2.68 as permitted sender)  smtp.mailfrom=ann@example.com; dmarc=pass(p=none dis=none)  header.from=example.com'
    expect(zoho(passed)).toMatchObject({ result: 'pass', by: 'dmarc' })
    expect(zoho(passed, 'eu')).toMatchObject({ result: 'pass', by: 'dmarc' })
    expect(ask(authenticationHostOf('imap.zoho.eu'), [[AR, `mx.zohomail.com;${passed}`]])).toEqual(unknown)
    expect(
      zoho(
        'dkim=pass spf=pass (zoho.com: domain of example.com designates 192.0.2.169) smtp.mailfrom=ann@example.com;',
      ),
    ).toMatchObject({ by: 'spf' })
    // dkim=pass of nobody knows whom is no proof.
    expect(zoho('dkim=pass; spf=none smtp.mailfrom=ann@example.com')).toEqual(none)
    // Nothing at all: it still is the host's word, and a forged one below is not.
    const forged: Field[] = [
      [AR, 'mx.zohomail.com;'],
      [AR, 'mx.zohomail.com; dmarc=pass header.from=example.com'],
    ]
    expect(ask('mx.zohomail.com', forged)).toEqual(none)
  })

  it('Cloudflare: two SPF results, an address with colons, the whole field twice', () => {
    const results = `mx.cloudflare.net; dkim=pass header.d=example.com header.s=20251104 header.b=L6CZ3OJ0;
	dmarc=pass header.from=example.com policy.dmarc=none;
	spf=none (mx.cloudflare.net: no SPF records found for postmaster@mail.example.com) smtp.helo=mail.example.com;
	spf=pass (mx.cloudflare.net: domain of ann@example.com designates 2001:db8::112d as permitted sender) smtp.mailfrom=ann@example.com;
	arc=pass smtp.remote-ip=2001:db8::112d`
    const fields: Field[] = [
      [AR, results],
      ['Received-SPF', 'pass'],
      [AR, results],
    ]
    expect(ask(authenticationHostOf(null), fields)).toMatchObject({ result: 'pass', by: 'dmarc' })
    expect(
      ask(authenticationHostOf(null), [
        [AR, results.replace('dmarc=pass header.from=example.com', 'dmarc=none')],
      ]),
    ).toMatchObject({ by: 'dkim' })
  })

  it('QQ: properties without a value', () => {
    const qq = authenticationHostOf('imap.qq.com')
    expect(
      ask(qq, [
        [AR, 'mx.qq.com; spf=none smtp.mailfrom=; dkim=none; dmarc=none(permerror) header.from=example.com'],
      ]),
    ).toEqual(none)
  })

  it('Postfix with OpenDKIM and OpenDMARC: a field each, the last milter’s on top', () => {
    const fields: Field[] = [
      ['Received', 'from mail.example.com by mx.shop.example (Postfix) with ESMTPS id 4X'],
      [AR, 'mx.shop.example; dmarc=pass (p=none dis=none) header.from=example.com'],
      [AR, 'mx.shop.example; spf=pass smtp.mailfrom=example.com'],
      [
        AR,
        'mx.shop.example; dkim=pass (2048-bit key; unprotected) header.d=example.com header.i=@example.com header.b="GjnZ7bT0"; dkim-atps=neutral',
      ],
    ]
    expect(ask('mx.shop.example', fields)).toMatchObject({ result: 'pass', by: 'dmarc' })
    expect(ask('mx.shop.example', fields.slice(3))).toEqual({
      result: 'pass',
      by: 'dkim',
      domain: 'example.com',
    })
  })

  it('each provider’s host is known by its IMAP host, and by no other', () => {
    expect(
      Object.fromEntries(
        providers.flatMap(one => (one.imap ? [[one.id, authenticationHostOf(one.imap.host)]] : [])),
      ),
    ).toEqual({
      gmail: 'mx.google.com',
      outlook: MICROSOFT,
      office365: MICROSOFT,
      yahoo: 'yahoo.com',
      icloud: 'dmarc.icloud.com',
      zoho: 'mx.zohomail.com',
      fastmail: 'messagingengine.com',
      qq: 'mx.qq.com',
      163: null,
    })
    expect(authenticationHostOf('IMAPPRO.zoho.in')).toBe('mx.zohomail.in')
    expect(authenticationHostOf(null)).toBe('mx.cloudflare.net')
    for (const host of ['', 'imap.example.com', 'imap.gmail.com.evil.example'])
      expect(authenticationHostOf(host)).toBeNull()
  })
})

describe('whose word counts', () => {
  const pass = 'dmarc=pass header.from=example.com'
  const fail = 'dmarc=fail header.from=example.com'

  it('N2 a forged field below the host’s own changes nothing, also with the host’s name', () => {
    for (const forged of ['mx.shop.example', 'MX.SHOP.EXAMPLE', 'evil.example', 'a.mx.shop.example']) {
      expect(
        ask('mx.shop.example', [
          [AR, `mx.shop.example; ${fail}`],
          [AR, `${forged}; ${pass}`],
        ]),
      ).toMatchObject({ result: 'fail' })
      expect(
        ask('mx.shop.example', [
          [AR, `mx.shop.example; ${pass}`],
          [AR, `${forged}; ${fail}`],
        ]),
      ).toMatchObject({ result: 'pass' })
    }
  })

  it('a field above of another host is passed over, whatever it says', () => {
    for (const id of [
      'evil.example',
      'mx.shop.example.evil.example',
      'notmx.shop.example',
      'shop.example',
      'x',
    ])
      expect(
        ask('mx.shop.example', [
          [AR, `${id}; ${pass}`],
          [AR, `mx.shop.example; ${fail}`],
        ]),
      ).toMatchObject({ result: 'fail' })
  })

  it('names are compared without case; a name below the host’s is the host’s', () => {
    expect(ask('MX.Shop.Example', [[AR, `mx.SHOP.example; ${pass}`]])).toMatchObject({ result: 'pass' })
    expect(ask('shop.example', [[AR, `mx7.shop.example; ${pass}`]])).toMatchObject({ result: 'pass' })
    expect(ask('mx.shop.example', [[AR, `"mx.shop.example" 1 (version one); ${pass}`]])).toMatchObject({
      result: 'pass',
    })
  })

  it('without a host, or without a field of its own, nothing is known', () => {
    expect(ask(null, [[AR, `mx.shop.example; ${fail}`]])).toEqual(unknown)
    expect(ask('mx.shop.example', [])).toEqual(unknown)
    expect(ask('mx.shop.example', [[AR, `evil.example; ${pass}`]])).toEqual(unknown)
    expect(ask('mx.shop.example', [[AR, pass]])).toEqual(unknown)
  })

  it.each([
    'ARC-Authentication-Results',
    'X-Original-Authentication-Results',
    'Authentication-Results-Original',
    'X-ME-Authentication-Results',
    'X-MS-Exchange-Authentication-Results',
  ])('N4 %s is believed from nobody', name => {
    expect(ask('mx.shop.example', [[name, `mx.shop.example; ${pass}`]])).toEqual(unknown)
    expect(ask(MICROSOFT, [[name, `spf=pass smtp.mailfrom=example.com; ${pass}`]])).toEqual(unknown)
  })

  it('Microsoft’s stands above what came from outside; below that Received nobody is believed', () => {
    const border: Field = [
      'Received',
      'from mail.example.com (192.0.2.14) by SY4AUS01FT008.mail.protection.outlook.com (10.114.156.126) with Microsoft SMTP Server (version=TLS1_2) id 15.20.3654.12 via Frontend Transport; Thu, 10 Dec 2026 23:01:46 +0000',
    ]
    const inside: Field = [
      'Received',
      'from SYXPR01CA0095.ausprd01.prod.outlook.com (2603:10c6::28) by ME1PR01MB0644.outlook.office365.com (2603:10c6::19) with HTTPS; Thu, 10 Dec 2026 23:01:48 +0000',
    ]
    const own: Field = [AR, `spf=pass (sender IP is 192.0.2.14) smtp.mailfrom=example.com; ${fail}`]
    const forged: Field = [AR, `spf=pass (sender IP is 192.0.2.14) smtp.mailfrom=example.com; ${pass}`]
    expect(ask(MICROSOFT, [inside, own, border, forged])).toMatchObject({ result: 'fail' })
    expect(ask(MICROSOFT, [inside, border, forged])).toEqual(unknown)
    expect(ask(MICROSOFT, [inside, [AR, `evil.example; ${pass}`], own, border])).toMatchObject({
      result: 'fail',
    })
    // Calling oneself Microsoft in HELO gets no further than below Microsoft's own.
    const helo: Field = ['Received', border[1].replace('mail.example.com', 'x.outlook.com')]
    expect(ask(MICROSOFT, [inside, own, helo, forged])).toMatchObject({ result: 'fail' })
    expect(
      ask(MICROSOFT, [['Received', 'from evil.example by outlook.com.evil.example with SMTP'], forged]),
    ).toEqual(unknown)
    expect(
      ask(MICROSOFT, [['Received', 'from a.outlook.com (by b.outlook.com) by mx.evil.example'], forged]),
    ).toEqual(unknown)
    expect(ask(MICROSOFT, [[AR, `outlook; ${pass}`]])).toEqual(unknown)
  })
})

describe('what the results prove', () => {
  const pass = 'dmarc=pass header.from=example.com'

  it('DMARC for the domain of From; for another it proves nothing', () => {
    expect(said(pass)).toMatchObject({ result: 'pass', by: 'dmarc', domain: 'example.com' })
    expect(said('dmarc=pass')).toMatchObject({ result: 'pass' })
    expect(said('dmarc=pass header.from=ann@example.com')).toMatchObject({ result: 'pass' })
    expect(said('DMARC=Pass Header.From=EXAMPLE.com.')).toMatchObject({ result: 'pass' })
    expect(said('dmarc=pass header.from=evil.example')).toEqual(none)
    expect(said('dmarc=pass header.from=example.com header.from=evil.example')).toEqual(none)
    expect(said('dmarc=pass header.from=xn--mller-kva.example', 'ann@müller.example')).toMatchObject({
      domain: 'xn--mller-kva.example',
    })
  })

  it.each(['fail', 'FAIL', 'fail (p=none dis=none)', 'permerror'])(
    'N2 C26 dmarc=%s is a forged sender, whatever else passed',
    word => {
      expect(
        said(
          `dkim=pass header.d=example.com; spf=pass smtp.mailfrom=example.com; dmarc=${word} header.from=example.com`,
        ),
      ).toEqual({
        result: 'fail',
        by: 'dmarc',
        domain: null,
      })
    },
  )

  it.each(['none', 'temperror', 'unknown', 'bestguesspass', 'skipped'])(
    'with dmarc=%s the signature or the envelope decides',
    word => {
      expect(said(`dkim=pass header.d=example.com; dmarc=${word}`)).toEqual({
        result: 'pass',
        by: 'dkim',
        domain: 'example.com',
      })
      expect(
        said(`dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=a@example.com; dmarc=${word}`),
      ).toMatchObject({ by: 'spf' })
      expect(
        said(`dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=evil.example; dmarc=${word}`),
      ).toEqual(none)
    },
  )

  it('one aligned signature of several is enough, one that failed is not', () => {
    expect(
      said(
        'dkim=pass header.d=list.example; dkim=pass header.i=@example.com; dkim=fail header.d=example.com',
      ),
    ).toMatchObject({ by: 'dkim' })
    expect(
      said(
        'dkim=fail header.d=example.com; dkim=pass header.d=list.example; dkim=neutral header.d=example.com',
      ),
    ).toEqual(none)
    expect(said('dkim=pass header.d=evil.example header.i=@example.com')).toEqual(none)
  })

  it.each([
    ['example.com', 'mail.example.com', true],
    ['mail.example.com', 'example.com', true],
    ['EXAMPLE.COM', 'example.com', true],
    ['mail.example.com', 'news.example.com', false],
    ['victim.co.uk', 'evil.co.uk', false],
    ['com', 'example.com', false],
    ['.com', 'example.com', false],
    ['ample.com', 'example.com', false],
    ['example.com.evil.example', 'example.com', false],
    ['', 'example.com', false],
    ['none', 'example.com', false],
  ])('a signature of %j for From %s: %s', (domain, from, aligned) => {
    expect(said(`dkim=pass header.d=${domain}`, `ann@${from}`).result).toBe(aligned ? 'pass' : 'none')
    expect(said(`spf=pass smtp.mailfrom=bounce@${domain}`, `ann@${from}`).result).toBe(
      aligned ? 'pass' : 'none',
    )
  })

  it('SPF of the HELO name, and methods of other names, prove nothing', () => {
    for (const results of [
      'spf=pass smtp.helo=example.com',
      'x-google-dkim=pass header.d=example.com',
      'dkim-atps=pass header.d=example.com',
      'iprev=pass',
      'auth=pass smtp.auth=ann@example.com',
      'bimi=pass header.d=example.com',
      'none',
    ])
      expect(said(results)).toEqual(none)
  })

  it('two DMARC results that disagree prove nothing: one of them came in with a name', () => {
    expect(said(`${pass}; dmarc=none header.from=example.com; dkim=pass header.d=example.com`)).toEqual(none)
    expect(said(`dmarc=none; ${pass}`)).toEqual(none)
    expect(said(`${pass}; dmarc=fail header.from=example.com`)).toMatchObject({ result: 'fail' })
    expect(said(`${pass}; ${pass}`)).toMatchObject({ result: 'pass' })
  })
})

describe('From is one address', () => {
  const field: Field = [AR, 'mx.shop.example; dmarc=pass']
  const from = (...values: string[]) =>
    ask('mx.shop.example', [field, ...values.map(value => ['From', value] as const)])

  it.each([
    'Ann <ann@example.com>, Eve <eve@evil.example>',
    'ann@example.com, eve@evil.example',
    'Ann <ann@example.com> <eve@evil.example>',
    'Team: ann@example.com, eve@evil.example;',
  ])('E17 %j names several, or hides one', value =>
    expect(from(value)).toEqual({ result: 'fail', ...nothing }),
  )

  it.each([
    'Ann <ann@example.com>',
    'ann@example.com',
    '"Ann, <eve@evil.example>" <ann@example.com>',
    'ann@example.com (eve@evil.example, \\) <x@y.example>)',
    'Doe, Ann <ann@example.com>',
    'Ann <3 <ann@example.com>',
    'ann@example.com <ann@example.com>',
    '=?utf-8?q?Ann=2C_eve=40evil.example?= <ann@example.com>',
    '"Ann \\" <eve@evil.example>" <ann@example.com>',
  ])('E17 %j is one', value => expect(from(value)).toMatchObject({ result: 'pass' }))

  it('E17 two From fields, two addresses, or none', () => {
    expect(from(`${'x'.repeat(4000)} <ann@example.com>`)).toMatchObject({ result: 'fail' })
    expect(from('Ann <ann@example.com>', 'Eve <eve@evil.example>')).toMatchObject({ result: 'fail' })
    const two = [
      { name: '', address: 'ann@example.com' },
      { name: '', address: 'eve@evil.example' },
    ]
    expect(ask('mx.shop.example', [field], '', { from: two })).toMatchObject({ result: 'fail' })
    expect(ask('mx.shop.example', [field], '', { from: [] })).toMatchObject({ result: 'fail' })
    expect(ask(null, [field], '', { from: two })).toMatchObject({ result: 'unknown' })
  })

  it('also as the product reads it', async () => {
    const raw = (lines: string) =>
      readRaw(
        new TextEncoder().encode(
          `Authentication-Results: mx.shop.example;\r\n dmarc=pass header.from=example.com\r\n${lines}\r\n\r\nHi\r\n`,
        ),
      )
    expect(authentication(await raw('From: Ann <ann@example.com>'), 'mx.shop.example')).toMatchObject({
      result: 'pass',
    })
    expect(
      authentication(await raw('From: Ann <ann@example.com>, <e@evil.example>'), 'mx.shop.example'),
    ).toMatchObject({ result: 'fail' })
    expect(
      authentication(await raw('From: Ann <ann@example.com>\r\nFrom: <e@evil.example>'), 'mx.shop.example'),
    ).toMatchObject({ result: 'fail' })
  })
})

describe('the syntax of RFC 8601', () => {
  it.each([
    [
      'the example of its appendix B.6',
      'mx.shop.example; dkim=pass reason="good signature" header.i=@mail-router.example.net; dkim=fail reason="bad signature" header.i=@example.com',
      'none',
    ],
    [
      'comments everywhere',
      '(a;b) mx.shop.example (c) (; dmarc=fail) ; (x) dmarc (y) = (z) pass (p=none; dis=none) header (1) . (2) from (3) = (4) example.com (5)',
      'pass',
    ],
    [
      'a comment that hides a semicolon and a result',
      'mx.shop.example; spf=none (domain of x; dmarc=pass header.from=example.com) smtp.mailfrom=evil.example',
      'none',
    ],
    [
      'nested comments',
      'mx.shop.example; spf=none (a (b (c) ; dmarc=pass) d) smtp.mailfrom=evil.example',
      'none',
    ],
    [
      'a comment with an escaped parenthesis',
      'mx.shop.example; spf=none (a \\) ; dmarc=pass header.from=example.com) x.y=z',
      'none',
    ],
    [
      'a quoted string that hides a result',
      'mx.shop.example; spf=none reason="; dmarc=pass header.from=example.com" smtp.mailfrom=evil.example',
      'none',
    ],
    [
      'an escaped quote in it',
      'mx.shop.example; spf=none reason="a\\"; dmarc=pass (" smtp.mailfrom=evil.example',
      'none',
    ],
    [
      'a quoted local part',
      'mx.shop.example; spf=pass smtp.mailfrom="x@example.com; dmarc=pass"@evil.example',
      'none',
    ],
    ['a quoted value', 'mx.shop.example; dmarc="pass" header.from="example.com"', 'pass'],
    ['versions', 'mx.shop.example 1; dmarc/1=pass header.from=example.com', 'pass'],
    [
      'an equals sign in a value',
      'mx.shop.example; spf=pass smtp.mailfrom=SRS0=x=y=evil.example=ann@example.com',
      'pass',
    ],
    ['nothing but the id', 'mx.shop.example', 'none'],
    ['no-result', 'mx.shop.example; none', 'none'],
    ['semicolons to spare', 'mx.shop.example;; dmarc=pass;;', 'pass'],
    [
      'a comment without its end',
      'mx.shop.example; spf=none (x; dmarc=pass header.from=example.com',
      'unknown',
    ],
    ['a quoted string without its end', 'mx.shop.example; spf=none reason="x; dmarc=pass', 'unknown'],
    ['a result without a word', 'mx.shop.example; dmarc=; spf=pass', 'unknown'],
    ['a word without a method', 'mx.shop.example; =pass', 'unknown'],
    ['prose', 'mx.shop.example; all is well; dmarc=pass header.from=example.com', 'unknown'],
  ])('%s', (_, value, result) => expect(ask('mx.shop.example', [[AR, value]]).result).toBe(result))

  it('a field of the host that cannot be read is not replaced by one below it', () => {
    const broken: Field = [AR, 'mx.shop.example; spf=none (x']
    expect(ask('mx.shop.example', [broken, [AR, 'mx.shop.example; dmarc=pass']])).toEqual(unknown)
    expect(
      ask(MICROSOFT, [
        [AR, 'spf=none (x'],
        [AR, 'spf=none; dmarc=pass'],
      ]),
    ).toEqual(unknown)
  })

  it('RD4 a hundred kilobytes of anything take no time, and prove nothing by being long', () => {
    for (const unit of [
      '(',
      '()',
      '"',
      '\\',
      ';',
      '=',
      'a',
      'a.',
      '. ',
      'dkim=pass header.d=evil.example; ',
      'x ',
      '<@>,',
      '(\\',
    ]) {
      const long = unit.repeat(100_000 / unit.length)
      const started = performance.now()
      const shapes = [
        `mx.shop.example; ${long}`,
        long,
        `mx.shop.example; spf=none (${long}`,
        `mx.shop.example; spf=none reason="${long}`,
      ]
      for (const shape of shapes)
        expect(
          ask('mx.shop.example', [
            [AR, shape],
            ['From', long],
          ]).result,
        ).not.toBe('pass')
      for (const shape of shapes)
        expect(
          ask(MICROSOFT, [
            ['Received', long],
            [AR, shape],
          ]).result,
        ).not.toBe('pass')
      expect(performance.now() - started).toBeLessThan(1000)
    }
    expect(
      said(`${'dkim=pass header.d=evil.example; '.repeat(3000)}dmarc=pass header.from=example.com`),
    ).toMatchObject({ result: 'pass' })
  })
})
