import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Email } from '../../src/domain/email.ts'
import { REASONS, type VerdictFacts, verdict } from '../../src/domain/verdict.ts'
import { readEmail as readProduct } from '../../src/mail/email.ts'
import { email, readEmail } from '../support/read.ts'
import { HUMAN_MAILS } from './human-mails.ts'

const CORPORA = process.env.CORPORA ?? '../shared/corpora'
const facts = { ownAddresses: ['support@shop.example', 'sales@shop.example'], ownMessage: false, size: 2000 }

/** The verdict on Alice's mail with these header lines, and with what else is said about it. */
function judge(
  headers: Record<string, string> = {},
  about: Partial<Email> = {},
  known: Partial<VerdictFacts> = {},
) {
  return verdict(
    email({
      headers: Object.entries(headers).map(([name, value]) => ({ name: name.toLowerCase(), value })),
      ...about,
    }),
    { ...facts, ...known },
  )
}
const from = (address: string, name = '') => ({ from: [{ name, address }] })
const replyTo = (address: string) => ({ replyTo: [{ name: '', address }] })
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

  it('C18 a web form’s mail, with the customer in Reply-To, is a person’s, for a draft', () => {
    const said = judge({}, { ...from('noreply@forms.example'), ...replyTo('bob@mail.example') })
    expect(said).toEqual({
      class: 'person',
      reasons: ['web_form', 'robot_address'],
      mayFlow: true,
      mayDraft: true,
      maySend: false,
    })
  })

  it('C18 a robot that names its own company in Reply-To stays a robot; a draft may be made', () => {
    for (const address of ['help@vendor.example', 'help@mail.vendor.example'])
      expect(judge({}, { ...from('noreply@vendor.example'), ...replyTo(address) })).toEqual({
        class: 'automatic',
        reasons: ['robot_address'],
        mayFlow: true,
        mayDraft: true,
        maySend: false,
      })
    const bulk = judge(
      { Precedence: 'bulk' },
      { ...from('noreply@forms.example'), ...replyTo('bob@mail.example') },
    )
    expect(bulk).toMatchObject({ class: 'automatic', mayDraft: false })
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

describe('C3 who passed it on', () => {
  const forwarded = {
    'Auto-Submitted': 'auto-generated',
    'X-MS-Exchange-Generated-Message-Source': 'Mailbox Rules Agent',
  }
  const trust = (headers: Record<string, string>, forwarders: string[], about: Partial<Email> = {}) =>
    judge({ ...forwarded, ...headers }, about, { forwarders })
  const trusted = {
    class: 'person',
    reasons: ['forwarded_by_trusted'],
    mayFlow: true,
    mayDraft: true,
    maySend: true,
  }
  const untrusted = {
    class: 'person',
    reasons: ['forwarded_by_rule', 'auto_submitted'],
    maySend: false,
    mayDraft: true,
  }

  it.each([
    ['Resent-From', { 'Resent-From': 'Office <Office@Partner.example>' }, {}],
    ['an Exchange rule', { 'X-MS-Exchange-Inbox-Rules-Loop': 'office@partner.example' }, {}],
    ['an Exchange mailbox', { 'X-MS-Exchange-ForwardingLoop': 'office@partner.example;44d81603-6a98' }, {}],
    [
      'Gmail, behind an Exchange rule',
      { 'X-Forwarded-For': 'office@partner.example support@shop.example' },
      {},
    ],
    ['Sieve', { 'X-Sieve-Redirected-From': 'office@partner.example' }, {}],
    ['an earlier delivery', { 'Delivered-To': 'office@partner.example' }, {}],
    ['an earlier recipient', { 'X-Original-To': 'office@partner.example' }, {}],
    ['the envelope', {}, { returnPath: 'office@partner.example' }],
    ['the envelope under BATV', {}, { returnPath: 'prvs=1234567abc=office@partner.example' }],
    ['the envelope of Gmail', {}, { returnPath: 'office+caf_=support=shop.example@partner.example' }],
    ['a sender', {}, { sender: { name: '', address: 'office@partner.example' } }],
  ] as [string, Record<string, string>, Partial<Email>][])(
    '%s that is trusted, as an address or a domain',
    (_, headers, about) => {
      expect(trust(headers, ['office@partner.example'], about)).toEqual(trusted)
      expect(trust(headers, ['partner.example'], about)).toEqual(trusted)
      expect(
        trust(headers, ['other@partner.example', 'artner.example', 'example'.slice(1)], about),
      ).toMatchObject(untrusted)
    },
  )

  it.each([
    'SRS0=Z8Bj=5h=mail.example=alice@partner.example',
    'SRS1=abc=x.example==HHH=TT=y=z@partner.example',
    'bounces+SRS=44ldt=IX@partner.example',
  ])('a rewritten envelope (%s) tells the domain', returnPath => {
    expect(trust({}, ['partner.example'], { returnPath })).toEqual(trusted)
    expect(trust({}, ['mail.example'], { returnPath })).toMatchObject(untrusted)
  })

  it('nobody is trusted by default, and neither we nor the writer count as forwarders', () => {
    expect(trust({ 'Resent-From': 'office@partner.example' }, [])).toMatchObject(untrusted)
    expect(
      trust({ 'Delivered-To': 'support@shop.example', 'X-Forwarded-To': 'support@shop.example' }, [
        'shop.example',
      ]),
    ).toMatchObject(untrusted)
    expect(trust({}, ['mail.example'], { returnPath: 'alice@mail.example' })).toMatchObject(untrusted)
  })

  it('what a machine wrote, and a trusted Gmail forwarded, is answered by nobody', () => {
    const monitor = {
      'Auto-Submitted': 'auto-generated',
      'X-MS-Exchange-CrossTenant-Id': 'x',
      'X-Forwarded-For': 'office@partner.example support@shop.example',
    }
    expect(judge(monitor, {}, { forwarders: ['partner.example'] })).toMatchObject({ maySend: false })
    const plain = { 'Auto-Submitted': 'auto-generated', 'Resent-Sender': 'office@partner.example' }
    expect(judge(plain, {}, { forwarders: ['partner.example'] })).toMatchObject({
      class: 'automatic',
      mayDraft: false,
    })
  })

  it('a trusted forwarder’s own notes, newsletters, robots and bounces are what they are', () => {
    const rule = { ...forwarded, 'Resent-From': 'office@partner.example' }
    const known = { forwarders: ['partner.example'] }
    expect(judge({ ...rule, 'X-Auto-Response-Suppress': 'All' }, {}, known)).toMatchObject({
      class: 'automatic',
      mayDraft: false,
    })
    expect(judge(rule, { subject: 'Automatic reply: x' }, known)).toMatchObject({
      class: 'automatic',
      mayDraft: false,
    })
    expect(judge({ ...rule, 'List-Unsubscribe': '<https://x.example>' }, {}, known)).toMatchObject({
      class: 'automatic',
      mayDraft: false,
    })
    expect(judge({ ...rule, Precedence: 'bulk' }, {}, known)).toMatchObject({
      class: 'automatic',
      mayDraft: false,
    })
    expect(judge(rule, from('noreply@x.example'), known)).toMatchObject({
      class: 'automatic',
      mayDraft: false,
    })
    expect(judge(rule, { reportType: 'delivery-status' }, known)).toMatchObject({
      class: 'bounce',
      mayDraft: false,
    })
    expect(judge(rule, { text: '-----BEGIN PGP MESSAGE-----\nhQ' }, known)).toMatchObject({
      class: 'unreadable',
      maySend: false,
    })
    expect(judge(rule, { text: '' }, known)).toMatchObject({
      reasons: ['forwarded_by_trusted', 'no_text'],
      mayDraft: false,
    })
  })

  it('a rule that forwards from nobody, or only asks for silence, is a rule too', () => {
    const mark = { 'X-MS-Exchange-Inbox-Rules-Loop': 'office@partner.example' }
    expect(judge(mark, { returnPath: '' })).toMatchObject({
      class: 'person',
      reasons: ['forwarded_by_rule', 'null_return_path'],
      maySend: false,
    })
    expect(judge(mark, { returnPath: '' }, { forwarders: ['partner.example'] })).toEqual(trusted)
    expect(judge({ 'X-MS-Exchange-CrossTenant-Id': 'x' }, { returnPath: '' })).toMatchObject({
      class: 'automatic',
      mayDraft: false,
    })
  })
})

describe('lists and groups of our own', () => {
  const own = { class: 'person', reasons: ['own_list'], mayFlow: true, mayDraft: true, maySend: true }
  const group = { 'List-ID': '<support.shop.example>', Precedence: 'list', 'X-Google-Group-Id': '1' }

  it.each([
    ['its List-Id', { 'List-Id': 'Support <support.shop.example>' }, {}],
    ['its List-Id in capitals', { 'List-Id': '<Support.Shop.Example>' }, {}],
    [
      'its List-Post',
      { 'List-Post': '<https://groups.google.com/x>, <mailto:support@shop.example?subject=x>' },
      {},
    ],
    [
      'its Mailing-List',
      { 'Mailing-list': 'list support@shop.example; contact support+owners@shop.example' },
      {},
    ],
    ['its X-BeenThere', { 'X-BeenThere': 'support@shop.example', 'List-Id': '<support.shop.example>' }, {}],
    [
      'a Google Group to our address',
      {
        'X-Google-Group-Id': '1',
        'List-Unsubscribe': '<mailto:googlegroups-manage+1+unsubscribe@googlegroups.com>',
      },
      {},
    ],
    [
      'a Google Group delivered to our address',
      { 'X-Google-Group-Id': '1', 'Delivered-To': 'support@shop.example' },
      { to: [] },
    ],
    [
      'a Google Group that sends as our address',
      { 'X-Google-Group-Id': '1' },
      { to: [], sender: { name: '', address: 'support@shop.example' } },
    ],
  ] as [string, Record<string, string>, Partial<Email>][])(
    'known by %s: a person’s mail',
    (_, headers, about) => {
      expect(judge({ Precedence: 'list', ...headers }, about)).toEqual(own)
      expect(judge({ Precedence: 'bulk', ...headers }, about)).toEqual(own)
      expect(
        judge({ Precedence: 'list', ...headers }, about, { ownAddresses: ['other@shop.example'] }),
      ).toMatchObject({ maySend: false, mayDraft: false })
    },
  )

  it('also those that the inbox names, by address or by List-Id', () => {
    const mailman = {
      'List-Id': 'Help <help.lists.shop.example>',
      'List-Post': '<mailto:help@lists.shop.example>',
      Precedence: 'list',
    }
    expect(judge(mailman)).toMatchObject({ class: 'list' })
    for (const name of ['help@lists.shop.example', 'HELP.lists.shop.example', '<help@lists.shop.example>'])
      expect(judge(mailman, {}, { ownLists: [name] })).toEqual(own)
    expect(judge(mailman, {}, { ownLists: ['lists.shop.example', 'help@lists.shop', ''] })).toMatchObject({
      class: 'list',
    })
  })

  it('another’s list that we are a member of stays a list', () => {
    const foreign = {
      'List-Id': '<chat.googlegroups.com>',
      'List-Post': '<mailto:chat@googlegroups.com>',
      'X-Google-Group-Id': '1',
      'Delivered-To': 'support@shop.example',
    }
    expect(judge(foreign)).toMatchObject({ class: 'list', mayDraft: false })
    expect(judge({ ...foreign, 'Mailing-List': 'list support@shop.example; contact x' })).toMatchObject({
      class: 'list',
      mayDraft: false,
    })
    expect(
      judge({ 'X-Google-Group-Id': '1', 'List-Unsubscribe': '<mailto:x@y.example>' }, { to: [] }),
    ).toMatchObject({ class: 'list' })
  })

  it('C7 a newsletter to our group is a newsletter', () => {
    for (const unsubscribe of [
      '<https://news.example/u>',
      '<mailto:leave@news.example>',
      '<https://shop.example.evil.example>',
      'https://groups.google.com',
    ])
      expect(judge({ ...group, 'List-Unsubscribe': unsubscribe })).toMatchObject({
        class: 'list',
        mayDraft: false,
        maySend: false,
      })
    const replaced = {
      ...group,
      'List-Unsubscribe': '<mailto:googlegroups-manage+1+unsubscribe@googlegroups.com>',
    }
    expect(judge(replaced)).toEqual(own)
    expect(judge({ ...replaced, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' })).toMatchObject({
      class: 'list',
    })
  })

  it.each([
    ['an old vacation note', { 'List-Id': '<support.shop.example>', Precedence: 'junk' }, {}, 'automatic'],
    ['a vacation note', { 'Auto-Submitted': 'auto-replied' }, {}, 'automatic'],
    ['a robot', {}, from('noreply@x.example'), 'automatic'],
    ['an out-of-office subject', {}, { subject: 'Out of Office' }, 'automatic'],
    ['mail from nobody', {}, { returnPath: '' }, 'automatic'],
    ['a bounce', {}, from('mailer-daemon@x.example'), 'bounce'],
    ['a read receipt', {}, { reportType: 'disposition-notification' }, 'report'],
  ] as [string, Record<string, string>, Partial<Email>, string][])(
    '%s through our group is still one',
    (_, headers, about, kind) => {
      expect(judge({ ...group, ...headers }, about)).toMatchObject({
        class: kind,
        mayDraft: about.subject === 'Out of Office',
        maySend: false,
      })
    },
  )

  it('a group that puts its address in place of the writer’s is no mail of ours, and nothing leaves by itself', () => {
    const via = { ...from('support@shop.example', "'Rita' via Support"), ...replyTo('rita@yahoo.example') }
    expect(judge(group, via)).toEqual({
      class: 'person',
      reasons: ['own_list', 'rewritten_sender'],
      mayFlow: true,
      mayDraft: true,
      maySend: false,
    })
    expect(judge({}, via)).toEqual({
      class: 'person',
      reasons: ['web_form'],
      mayFlow: true,
      mayDraft: true,
      maySend: false,
    })
  })

  it.each([
    ['without a Reply-To', {}, { replyTo: [] }, {}],
    ['with ours in Reply-To', {}, replyTo('sales+c.1@shop.example'), {}],
    ['to nobody', {}, { to: [] }, {}],
    ['to a customer', {}, { to: [{ name: '', address: 'bob@mail.example' }] }, {}],
    ['with a customer in Cc', {}, { cc: [{ name: '', address: 'bob@mail.example' }] }, {}],
    ['that says it is automatic', { 'Auto-Submitted': 'auto-generated' }, {}, {}],
    ['that is bulk', { Precedence: 'bulk' }, {}, {}],
    ['that names nobody to answer', {}, replyTo('noreply@x.example'), {}],
    ['that our host did not send', {}, {}, { authentication: 'fail' }],
    ['that we sent ourselves', {}, {}, { ownMessage: true }],
  ] as [string, Record<string, string>, Partial<Email>, Partial<VerdictFacts>][])(
    'C24 mail from us %s is our own',
    (_, headers, about, known) => {
      expect(
        judge(
          headers,
          { ...from('support@shop.example'), ...replyTo('rita@yahoo.example'), ...about },
          known,
        ),
      ).toMatchObject({ class: 'own', mayFlow: false, mayDraft: false, maySend: false })
    },
  )
})

describe('whether the sender is proved', () => {
  const known = (
    authentication: VerdictFacts['authentication'],
    more: Partial<VerdictFacts> = {},
    about: Partial<Email> = {},
  ) => judge({}, about, { authentication, ...more })

  it('N2 C26 a forged sender is flagged: a draft, and nothing sent, whoever he says he is', () => {
    const forged = {
      class: 'person',
      reasons: ['sender_forged'],
      mayFlow: true,
      mayDraft: true,
      maySend: false,
    }
    expect(known('fail')).toEqual(forged)
    expect(known('fail', { answersOurs: true })).toEqual(forged)
  })

  it('C26 a sender whom nothing proves gets no automatic mail, but for one who answers ours', () => {
    expect(known('none')).toEqual({
      class: 'person',
      reasons: ['sender_unproved'],
      mayFlow: true,
      mayDraft: true,
      maySend: false,
    })
    expect(known('none', { answersOurs: true })).toEqual({
      class: 'person',
      reasons: [],
      mayFlow: true,
      mayDraft: true,
      maySend: true,
    })
  })

  it('C26 where the host is not asked, or proves him, all is as it was', () => {
    for (const authentication of ['pass', 'unknown', undefined] as const)
      expect(known(authentication)).toMatchObject({ reasons: [], maySend: true })
  })

  it('C26 a Reply-To of another domain is as good as unproved', () => {
    const victim = replyTo('victim@bank.example')
    expect(known('pass', {}, victim)).toMatchObject({
      class: 'person',
      reasons: ['reply_unproved'],
      mayDraft: true,
      maySend: false,
    })
    expect(known('pass', { answersOurs: true }, victim)).toMatchObject({ reasons: [], maySend: true })
    expect(known('unknown', {}, victim)).toMatchObject({ reasons: [], maySend: true })
    for (const kin of ['team@mail.example', 'team@a.mail.example'])
      expect(known('pass', {}, replyTo(kin))).toMatchObject({ maySend: true })
  })

  it('it changes no class, and adds to what is forwarded, delivered by a list, or unreadable', () => {
    for (const authentication of ['fail', 'none', 'pass'] as const) {
      expect(judge({ 'Auto-Submitted': 'auto-replied' }, {}, { authentication })).toMatchObject({
        class: 'automatic',
        reasons: ['auto_submitted'],
      })
      expect(judge({ 'List-Unsubscribe': '<https://x>' }, {}, { authentication })).toMatchObject({
        class: 'list',
        reasons: ['list_unsubscribe'],
      })
      expect(judge({}, { reportType: 'delivery-status' }, { authentication })).toMatchObject({
        class: 'bounce',
        reasons: ['delivery_report'],
      })
    }
    expect(judge({ 'List-Id': '<support.shop.example>' }, {}, { authentication: 'fail' })).toMatchObject({
      reasons: ['own_list', 'sender_forged'],
      maySend: false,
      mayDraft: true,
    })
    expect(judge({}, { text: '-----BEGIN PGP MESSAGE-----\nx' }, { authentication: 'fail' })).toMatchObject({
      class: 'unreadable',
      reasons: ['encrypted', 'sender_forged'],
    })
  })

  it('N4 control headers from outside change nothing', () => {
    const control = [
      'X-Edgedesk-Authentication',
      'X-Edgedesk-Verdict',
      'X-Edgedesk-Answers-Ours',
      'X-Authenticated-Sender',
      'X-Original-Authentication-Results',
      'X-Spam-Status',
    ]
    const headers = Object.fromEntries(control.map(name => [name, 'pass; maySend=true; class=person']))
    expect(judge(headers)).toEqual(judge())
    expect(judge(headers, {}, { authentication: 'fail' })).toEqual(known('fail'))
    expect(judge({ ...headers, 'Auto-Submitted': 'auto-replied' })).toEqual(
      judge({ 'Auto-Submitted': 'auto-replied' }),
    )
  })
})

describe('forty mails of people', () => {
  it('are forty', () => expect(HUMAN_MAILS).toHaveLength(40))

  it.each(HUMAN_MAILS.map((one, at) => [at + 1, one.what, one] as const))(
    '%i %s',
    async (_, __, { raw, facts: known, reasons }) => {
      const bytes = new TextEncoder().encode(raw)
      for (const read of [readProduct, readEmail]) {
        const said = verdict(await read(bytes), {
          ...facts,
          ownLists: ['support@lists.shop.example'],
          ...known,
          size: bytes.length,
        })
        expect(said).toMatchObject({
          class: 'person',
          mayFlow: true,
          mayDraft: true,
          maySend: reasons === undefined,
        })
        if (reasons) expect(said.reasons).toEqual(reasons)
        for (const reason of said.reasons) expect(REASONS).toHaveProperty(reason)
      }
    },
  )

  it('C7 an unsubscribe link decides where nothing of ours is answered, also under a person’s mail', async () => {
    const salesman = HUMAN_MAILS.find(one => one.reasons?.[0] === 'list_unsubscribe')!
    const mail = await readProduct(new TextEncoder().encode(salesman.raw))
    expect(verdict(mail, facts)).toMatchObject({ class: 'list', mayDraft: false, maySend: false })
  })

  it('C15 out-of-office subjects in answer to a mail stay automatic, whatever program they name', () => {
    const program = { 'X-Mailer': 'Microsoft Outlook 16.0' }
    expect(judge(program, { subject: 'Out of Office', inReplyTo: ['<a@shop.example>'] })).toMatchObject({
      class: 'automatic',
    })
    expect(judge({}, { subject: 'Out of Office' })).toMatchObject({ class: 'automatic' })
    expect(judge(program, { subject: 'Out of Office' })).toMatchObject({
      class: 'person',
      reasons: ['out_of_office'],
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
    ['a row of dashes', { text: '-- -- --' }],
    ['one picture', { text: '👍' }],
    ['HTML signs', { text: '', html: '<p>&lt;&lt;&lt; &amp;</p>' }],
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
  const names = [
    'List-Id',
    'List-Post',
    'Mailing-List',
    'X-BeenThere',
    'List-Unsubscribe',
    'X-Google-Group-Id',
    'Delivered-To',
  ]
  const marks = ['Resent-From', 'X-Forwarded-For', 'X-MS-Exchange-Inbox-Rules-Loop', 'X-Mailer']
  for (const unit of ['<mailto:', '+caf_=', '@', 'prvs=', '.', 'list ', '<https://', ',']) {
    const long = unit.repeat(1_000_000 / unit.length)
    const every = (...some: string[]) => Object.fromEntries(some.map(name => [name, long]))
    const started = performance.now()
    judge({ ...every(...names), Precedence: 'list' })
    judge({ ...every('List-Unsubscribe'), 'List-Id': '<support.shop.example>' })
    judge(
      { ...every(...marks), 'Auto-Submitted': 'auto-generated' },
      { returnPath: long, sender: { name: '', address: long } },
      { forwarders: ['x.example'] },
    )
    judge({}, { ...from('noreply@x.example'), ...replyTo(`${long}@x.example`) }, { authentication: 'pass' })
    expect(performance.now() - started).toBeLessThan(1000)
  }
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
