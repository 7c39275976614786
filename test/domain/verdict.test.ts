import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Email } from '../../src/domain/email.ts'
import { REASONS, verdict } from '../../src/domain/verdict.ts'
import { email, readEmail } from '../support/read.ts'

const CORPORA = process.env.CORPORA ?? '../shared/corpora'
const facts = { ownAddresses: ['support@shop.example', 'sales@shop.example'], ownMessage: false, size: 2000 }

/** The verdict on Alice's mail with these header lines, and with what else is said about it. */
function judge(headers: Record<string, string> = {}, about: Partial<Email> = {}) {
  return verdict(
    email({
      headers: Object.entries(headers).map(([name, value]) => ({ name: name.toLowerCase(), value })),
      ...about,
    }),
    facts,
  )
}
const from = (address: string, name = '') => ({ from: [{ name, address }] })
const part = (contentType: string, text = '', filename = '') => {
  const content = new TextEncoder().encode(text)
  return {
    filename,
    contentType,
    disposition: 'attachment' as const,
    contentId: null,
    content,
    size: content.length,
    part: null,
  }
}

describe('people', () => {
  it('an ordinary mail may be answered', () => {
    expect(judge()).toEqual({ class: 'person', reasons: [], mayFlow: true, mayDraft: true, maySend: true })
  })

  it.each(['no', 'No', ' NO ', 'no (a person)', ''])('C1 Auto-Submitted: %j is a person', value => {
    expect(judge({ 'Auto-Submitted': value })).toMatchObject({ class: 'person', maySend: true })
  })

  it.each(['DR, RN, NRN', 'DR', 'None', 'rn,nrn'])(
    'C4 X-Auto-Response-Suppress: %s allows an answer',
    value => {
      expect(
        judge({
          'X-Auto-Response-Suppress': value,
          'X-MS-Has-Attach': '',
          'X-MS-Exchange-CrossTenant-Id': 'x',
        }),
      ).toMatchObject({ class: 'person', maySend: true })
    },
  )

  it.each([
    'Automatic reply does not work',
    'Question about the automatic door',
    'How do I set up an out of office message?',
    'Out of office hours?',
    'Re: Automatic reply: My order',
    'AW: Abwesenheitsnotiz: Bestellung',
    'Delivery failure',
    'Undeliverable: my parcel',
    'Returned mail order item',
    'Auto-reply not working',
    'Absence de réponse',
    'Delivery notification missing',
    'Autosvar virker ikke',
    'ooo la la',
    '不在のお知らせの設定方法',
  ])('a customer may write about %j', subject => {
    expect(judge({}, { subject })).toMatchObject({ class: 'person', maySend: true })
  })

  it.each([
    'notifications-team@shop.example',
    'bounce-house@castles.example',
    'noel.reply@mail.example',
    'daemon@mail.example',
  ])('a person may be at %s', address => {
    expect(verdict(email(from(address)), { ...facts, ownAddresses: [] })).toMatchObject({
      class: 'person',
      maySend: true,
    })
  })

  it('a person may attach the bounce that she asks about', () => {
    const bounce = part('message/delivery-status', 'Status: 5.1.1')
    expect(
      judge({}, { contentType: 'multipart/mixed', attachments: [bounce], text: 'I got this, what is 5.1.1?' })
        .class,
    ).toBe('person')
  })

  it('an invitation from a person is a mail from a person', () => {
    expect(
      judge({}, { attachments: [part('text/calendar', 'BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n')] }),
    ).toMatchObject({ class: 'person' })
  })
})

describe('machines', () => {
  it.each([
    'auto-replied',
    'Auto-Replied (vacation); owner="x"',
    'AUTO-GENERATED',
    'auto-notified; owner-email="a@b"',
    '(a comment) auto-replied',
    'auto-something-new',
  ])('C2 Auto-Submitted: %s is a machine', value => {
    expect(judge({ 'Auto-Submitted': value })).toEqual({
      class: 'automatic',
      reasons: ['auto_submitted'],
      mayFlow: true,
      mayDraft: false,
      maySend: false,
    })
  })

  it('C3 what an Exchange rule forwards was written by a person: flows and a draft, but nothing sent', () => {
    for (const mark of [
      'X-MS-Exchange-Generated-Message-Source',
      'X-MS-Exchange-Inbox-Rules-Loop',
      'Resent-From',
    ]) {
      const said = judge({
        'Auto-Submitted': 'auto-generated',
        [mark]: 'x',
        'X-Auto-Response-Suppress': 'DR, OOF, AutoReply',
      })
      expect(said).toMatchObject({ class: 'person', mayFlow: true, mayDraft: true, maySend: false })
      expect(said.reasons[0]).toBe('forwarded_by_rule')
    }
  })

  it('C3 Exchange’s own out-of-office note is none of these', () => {
    const exchange = { 'Auto-Submitted': 'auto-generated', 'X-MS-Exchange-Inbox-Rules-Loop': 'a@b' }
    expect(judge({ ...exchange, 'X-Auto-Response-Suppress': 'All' })).toMatchObject({
      class: 'automatic',
      mayDraft: false,
    })
    expect(judge(exchange, { subject: 'Automatic reply: My order' })).toMatchObject({
      class: 'automatic',
      mayDraft: false,
    })
    expect(judge(exchange, from('noreply@x.example'))).toMatchObject({ class: 'automatic', mayDraft: false })
  })

  it.each(['All', 'OOF, AutoReply', 'oof', 'DR, AutoReply', 'all '])(
    'C5 X-Auto-Response-Suppress: %s forbids an automatic answer',
    value => {
      expect(judge({ 'X-Auto-Response-Suppress': value })).toMatchObject({
        mayFlow: true,
        mayDraft: true,
        maySend: false,
        reasons: ['auto_response_suppressed'],
      })
    },
  )

  it.each(['Bulk', 'bulk', 'LIST', 'junk', 'auto_reply', 'Auto-Reply', ' bulk '])(
    'C6 Precedence: %s forbids an automatic answer',
    value => {
      expect(judge({ Precedence: value })).toMatchObject({ maySend: false, reasons: ['precedence'] })
    },
  )

  it('C6 other precedences are a person’s', () => {
    for (const value of ['normal', 'first-class', 'special-delivery', ''])
      expect(judge({ Precedence: value }).maySend).toBe(true)
  })

  it('C7 a newsletter may be labelled, not answered and not drafted for', () => {
    const said = judge(
      { 'List-Unsubscribe': '<https://x.example/u>', Precedence: 'bulk' },
      from('noreply@news.example'),
    )
    expect(said).toMatchObject({ class: 'list', mayFlow: true, mayDraft: false, maySend: false })
    expect(said.reasons).toEqual(['list_unsubscribe', 'precedence', 'robot_address'])
  })

  it('a mail through a group is a list’s', () => {
    expect(judge({ 'List-Id': '<team.groups.example>' })).toMatchObject({
      class: 'list',
      reasons: ['list_id'],
      maySend: false,
    })
  })

  it('C9 an empty Return-Path is stored, never answered', () => {
    expect(judge({}, { returnPath: '' })).toMatchObject({
      class: 'automatic',
      reasons: ['null_return_path'],
      mayFlow: true,
      mayDraft: false,
      maySend: false,
    })
    expect(judge({}, { returnPath: 'alice@mail.example' }).maySend).toBe(true)
  })

  it('C14 an out-of-office answer to our answer is marked as automatic', () => {
    const said = judge(
      { 'Auto-Submitted': 'auto-replied', 'X-Autoreply': 'yes' },
      { inReplyTo: ['<ours@shop.example>'], subject: 'Out of Office: Re: My order' },
    )
    expect(said).toMatchObject({
      class: 'automatic',
      reasons: ['auto_submitted', 'auto_reply_header', 'out_of_office'],
      mayDraft: false,
      maySend: false,
    })
  })

  it.each([
    'Automatic reply: My order',
    'Automatic Reply',
    '[External] Automatic reply: My order',
    'Auto reply: x',
    'Autoreply: Re: x',
    'Out of Office',
    'Out of Office Re: My order',
    'Out of the office until Monday',
    'Out of Office AutoReply: x',
    'Abwesenheitsnotiz',
    'Abwesenheitsnotiz: Bestellung',
    'Automatische Antwort: x',
    'Ich bin nicht im Büro',
    'Réponse automatique : Commande',
    'Absence du bureau',
    'Respuesta automática: x',
    'Fuera de la oficina',
    'Risposta automatica: x',
    'Fuori ufficio: x',
    'Resposta automática: x',
    'Automatisch antwoord: x',
    'Afwezig: x',
    'Autosvar: x',
    'Automatiskt svar: x',
    'Automaattinen vastaus: x',
    'Autoodpowiedź: x',
    'Odpowiedź automatyczna: x',
    'Automatická odpověď: x',
    'Automatikus válasz: x',
    'Otomatik Yanıt: x',
    'Автоматический ответ: x',
    'Автоответ: x',
    'Автоматична відповідь: x',
    '自動返信',
    '自動返信：ご注文',
    '自動応答: x',
    '不在通知',
    '自动回复：订单',
    '自动回复: x',
    '自動回覆: x',
    '不在辦公室',
    '자동 회신: x',
    '부재중 자동 응답',
    'Trả lời tự động: x',
    'رد تلقائي: x',
  ])('C15 %j is an out-of-office note without any header', subject => {
    expect(judge({}, { subject })).toMatchObject({
      class: 'automatic',
      reasons: ['out_of_office'],
      maySend: false,
    })
  })

  it.each([
    'noreply',
    'no-reply',
    'no_reply',
    'donotreply',
    'do-not-reply+tag',
    'bounce+4f2a',
    'notifications',
  ])('C18 %s@ gets no answer', local => {
    expect(judge({}, from(`${local}@x.example`))).toMatchObject({
      class: 'automatic',
      reasons: ['robot_address'],
      mayDraft: false,
      maySend: false,
    })
  })

  it('C18 a Reply-To that nobody reads gets no answer either', () => {
    expect(judge({}, { replyTo: [{ name: '', address: 'no-reply@x.example' }] })).toMatchObject({
      maySend: false,
      reasons: ['robot_address'],
    })
  })

  it('C18 a web form’s mail, with the customer in Reply-To, may be drafted for', () => {
    const said = judge(
      {},
      { ...from('noreply@forms.example'), replyTo: [{ name: '', address: 'bob@mail.example' }] },
    )
    expect(said).toMatchObject({ class: 'automatic', mayDraft: true, maySend: false })
  })

  it.each([
    'X-Autoreply',
    'X-Autorespond',
    'X-Autoresponder',
    'X-Vacation',
    'X-Autogenerated',
    'X-Mail-Autoreply',
  ])('%s is the mark of a machine', name => {
    expect(judge({ [name]: 'yes' })).toMatchObject({ class: 'automatic', maySend: false })
  })
})

describe('bounces', () => {
  it('C10 a DSN is a bounce, without flow, draft or answer', () => {
    const said = judge(
      {},
      {
        reportType: 'delivery-status',
        contentType: 'multipart/report; report-type=delivery-status',
        ...from('mta@x.example'),
      },
    )
    expect(said).toEqual({
      class: 'bounce',
      reasons: ['delivery_report'],
      mayFlow: false,
      mayDraft: false,
      maySend: false,
    })
  })

  it('C11 also with nothing but the headers of the mail', () => {
    const headers = part('text/rfc822-headers; charset=us-ascii', 'Message-ID: <ours@shop.example>')
    expect(judge({}, { contentType: 'multipart/report', attachments: [headers] })).toMatchObject({
      class: 'bounce',
    })
    expect(
      judge({}, { contentType: 'multipart/mixed', returnPath: '', attachments: [headers] }),
    ).toMatchObject({ class: 'bounce' })
  })

  it('C12 also when it only says that the mail is late', () => {
    expect(judge({}, { returnPath: '', subject: 'Delayed Mail (still being retried)' })).toMatchObject({
      class: 'bounce',
      reasons: ['returned_mail'],
    })
  })

  it('C13 also with Auto-Submitted: auto-replied', () => {
    const said = judge(
      { 'Auto-Submitted': 'auto-replied', 'X-Failed-Recipients': 'a@b.example' },
      { ...from('mailer-daemon@googlemail.com'), reportType: 'delivery-status' },
    )
    expect(said).toMatchObject({
      class: 'bounce',
      reasons: ['delivery_report', 'mail_system', 'failed_recipients'],
    })
  })

  it('From: MAILER-DAEMON <> is a bounce though it has no address', () => {
    for (const value of ['MAILER-DAEMON <>', 'MAILER-DAEMON', '"Mailer-Daemon" <>', 'mailer_daemon']) {
      expect(judge({ From: value }, { from: [] })).toMatchObject({ class: 'bounce' })
      expect(judge({ From: value }, from('', value.replace(' <>', '')))).toMatchObject({ class: 'bounce' })
      expect(judge({ From: value }, from(value))).toMatchObject({ class: 'bounce' })
    }
  })

  it.each([
    'Nicht zustellbar: x',
    'Undeliverable: x',
    '系统退信',
    'Mail delivery failed: returning message to sender',
    'failure notice',
    '配信不能',
  ])('%j from nobody is a bounce', subject => {
    expect(judge({}, { subject, returnPath: '' }).class).toBe('bounce')
    expect(judge({}, { subject, text: 'bob@x.example: 550 5.1.1 recipient unknown' }).class).toBe('bounce')
  })
})

describe('reports', () => {
  it.each([
    [
      'a calendar reply',
      { attachments: [part('text/calendar', 'BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\n')] },
      'calendar_reply',
    ],
    [
      'a calendar reply whose method is in its type',
      { attachments: [part('text/calendar; method=REPLY')] },
      'calendar_reply',
    ],
    [
      'a calendar reply as the whole mail',
      { contentType: 'text/calendar; charset=utf-8; method="REPLY"' },
      'calendar_reply',
    ],
    ['a read receipt', { reportType: 'disposition-notification' }, 'read_receipt'],
    ['a complaint', { reportType: 'feedback-report' }, 'abuse_report'],
    [
      'a complaint from a plain mailbox',
      { subject: 'complaint about message from 192.0.2.222', ...from('staff@hotmail.com') },
      'abuse_report',
    ],
    ['a TLS report', { reportType: 'tlsrpt' }, 'mail_report'],
    [
      'a DMARC report',
      { subject: 'Report domain: shop.example Submitter: google.com Report-ID: 1' },
      'mail_report',
    ],
  ] as [string, Partial<Email>, string][])('C27 %s is stored and left alone', (_, about, reason) => {
    expect(judge({}, about)).toEqual({
      class: 'report',
      reasons: [reason],
      mayFlow: false,
      mayDraft: false,
      maySend: false,
    })
  })
})

describe('our own', () => {
  it('C24 mail from our own address, or with our own Message-ID, is ignored', () => {
    for (const address of ['support@shop.example', 'SUPPORT@shop.example', 'sales+c.1@shop.example']) {
      expect(judge({ 'Auto-Submitted': 'auto-generated' }, from(address))).toEqual({
        class: 'own',
        reasons: ['own_address'],
        mayFlow: false,
        mayDraft: false,
        maySend: false,
      })
    }
    expect(verdict(email(), { ...facts, ownMessage: true })).toMatchObject({
      class: 'own',
      reasons: ['own_message'],
      maySend: false,
    })
  })

  it('C24 own comes before everything else', () => {
    expect(
      judge({}, { ...from('support@shop.example'), reportType: 'delivery-status', returnPath: '' }).class,
    ).toBe('own')
  })
})

describe('nothing to answer', () => {
  it.each([
    ['wholly empty', { text: '' }],
    ['blank', { text: ' \r\n\u00a0\u200b\n' }],
    [
      'only an image',
      { text: '', html: '<div><img src="cid:1"><br>&nbsp;</div>', attachments: [part('image/png')] },
    ],
    ['only a PDF', { text: '', attachments: [part('application/pdf')] }],
  ] as [string, Partial<Email>][])('E12 %s: the assistant is not asked', (_, about) => {
    expect(judge({}, about)).toEqual({
      class: 'person',
      reasons: ['no_text'],
      mayFlow: true,
      mayDraft: false,
      maySend: false,
    })
  })

  it('E11 text in HTML alone is text', () => {
    expect(judge({}, { text: '', html: '<p>Where is my order?</p>' }).maySend).toBe(true)
  })

  it('nobody to answer', () => {
    expect(judge({}, { from: [] })).toMatchObject({ reasons: ['nobody_to_answer'], maySend: false })
  })

  it.each([
    [
      'S/MIME',
      {
        contentType: 'application/pkcs7-mime; smime-type=enveloped-data',
        text: '',
        attachments: [part('application/pkcs7-mime', 'x', 'smime.p7m')],
      },
    ],
    ['PGP/MIME', { contentType: 'multipart/encrypted; protocol="application/pgp-encrypted"', text: '' }],
    ['inline PGP', { text: '-----BEGIN PGP MESSAGE-----\nhQ\n-----END PGP MESSAGE-----' }],
    ['winmail.dat', { text: '', attachments: [part('application/ms-tnef', 'x', 'winmail.dat')] }],
    [
      'winmail.dat by its name',
      { text: '\n', attachments: [part('application/octet-stream', 'x', 'WINMAIL.DAT')] },
    ],
    ['what could not be parsed', { flags: ['unreadable'] }],
  ] as [string, Partial<Email>][])('E15 %s goes to a draft, never out by itself', (_, about) => {
    expect(judge({}, about)).toMatchObject({
      class: 'unreadable',
      mayFlow: true,
      mayDraft: true,
      maySend: false,
    })
  })

  it('E15 readable text beside a winmail.dat, or under a signature, is ordinary mail', () => {
    expect(judge({}, { attachments: [part('application/ms-tnef', 'x', 'winmail.dat')] }).maySend).toBe(true)
    expect(
      judge({}, { contentType: 'multipart/signed', attachments: [part('application/pkcs7-signature')] })
        .maySend,
    ).toBe(true)
  })
})

it('every reason has a sentence', () => {
  for (const sentence of Object.values(REASONS)) expect(sentence).toMatch(/^[A-Z].*\.$/)
})

it('judges a megabyte of anything at once', () => {
  for (const unit of ['<', 'a', ' ', '5.1.', '>', '&nbsp;', '-----BEGIN', '自動']) {
    const long = unit.repeat(1_000_000 / unit.length)
    const started = performance.now()
    judge(
      { 'Auto-Submitted': `(${long}`, From: long },
      { text: long, html: long, subject: long, returnPath: long, ...from(`${long}@x`, long) },
    )
    expect(performance.now() - started).toBeLessThan(1000)
  }
})

for (const folder of ['bounces', 'replies/emails']) {
  if (!existsSync(`${CORPORA}/${folder}`)) console.warn(`${folder} corpus: not run: no corpus`)
}

if (existsSync(`${CORPORA}/bounces`)) {
  const files = readdirSync(`${CORPORA}/bounces`).filter(name => name.endsWith('.eml'))
  it.each(files)('bounces/%s is never answered, and is what it is', async name => {
    const said = verdict(await readEmail(readFileSync(`${CORPORA}/bounces/${name}`)), facts)
    expect(said).toMatchObject({ mayDraft: false, maySend: false })
    expect(said.class).toBe(
      name.startsWith('arf') ? 'report' : name.startsWith('rfc3834') ? 'automatic' : 'bounce',
    )
    for (const reason of said.reasons) expect(REASONS).toHaveProperty(reason)
  })
}

if (existsSync(`${CORPORA}/replies/emails`)) {
  it('the 64 replies of people are people’s, whatever they quote', () => {
    for (const name of readdirSync(`${CORPORA}/replies/emails`)) {
      const text = readFileSync(`${CORPORA}/replies/emails/${name}`, 'utf8')
      expect([name, judge({}, { text, subject: 'Re: My order' }).class, judge({}, { text }).maySend]).toEqual(
        [name, 'person', true],
      )
    }
  })
}
