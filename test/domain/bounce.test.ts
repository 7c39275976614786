import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { bounceReasons, type DeliveryReport, deliveryReport } from '../../src/domain/bounce.ts'
import type { Email } from '../../src/domain/email.ts'
import { verdict } from '../../src/domain/verdict.ts'
import { readEmail as readProduct } from '../../src/mail/email.ts'
import { email, readEmail as readSmall } from '../support/read.ts'

const CORPORA = process.env.CORPORA ?? '../shared/corpora'

const read = (raw: string) => readProduct(new TextEncoder().encode(raw.replaceAll(/\r?\n/g, '\r\n')))
const report = async (raw: string) => deliveryReport(await read(raw))

/** A bounce in words, with the headers that such servers give it. */
const notice = (text: string, headers = '') =>
  report(`Return-Path: <>\nFrom: MAILER-DAEMON@relay.example (Mail Delivery System)\nTo: support@shop.example
Subject: Undelivered Mail Returned to Sender\nMessage-ID: <bounce.1@relay.example>\n${headers}Date: Sun, 1 Nov 2026 10:00:00 +0000\n\n${text}`)

/** The mail that came back, as servers copy it. */
const RETURNED = `Return-Path: <support@shop.example>
Received: from shop.example (shop.example [192.0.2.1])
	by relay.example with ESMTPS id 4Xabc; Sun, 1 Nov 2026 09:59:00 +0000
Message-ID: <answer.7@shop.example>
Date: Sun, 1 Nov 2026 10:58:57 +0100
From: Support <support@shop.example>
To: Bob <bob@customer.example>
Subject: =?utf-8?Q?Re:_Ihre_Bestellung_=C3=BCber?= =?utf-8?B?IDUwIOKCrA==?=
In-Reply-To: <question.6@customer.example>

Dear Bob, see http://shop.example/x and write to help@shop.example.
`

/** An RFC 3464 report with these parts. */
const dsn = (
  status: string,
  returned = RETURNED,
  type = 'message/rfc822',
  statusType = 'message/delivery-status',
) =>
  report(`Return-Path: <>
From: "Mail Delivery System" <MAILER-DAEMON@relay.example>
To: support@shop.example
Subject: Undelivered Mail Returned to Sender
Message-ID: <bounce.1@relay.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

This is the mail system at host relay.example.
--b
Content-Type: ${statusType}

${status}
--b
Content-Type: ${type}

${returned}
--b--
`)

const STATUS = `Reporting-MTA: dns; relay.example
Arrival-Date: Sun, 1 Nov 2026 09:59:00 +0000

Final-Recipient: rfc822; bob@customer.example
Original-Recipient: rfc822;bob@customer.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.customer.example
Diagnostic-Code: smtp; 550 5.1.1 <bob@customer.example>: Recipient address
    rejected: User unknown in virtual mailbox table
`

it.each([
  'Delivery failed when I write to orders@',
  'Undeliverable mail to your orders address',
  'Failed mail to you',
  '退信 求助',
])('a customer who asks about a bounce is a customer: %s', subject => {
  const text = 'I tried and got this: 550 5.1.1 <orders@shop.example> User unknown. Which address is right?'
  expect(bounceReasons(email({ subject, text }))).toEqual([])
})

describe('RFC 3464', () => {
  it('C10 H16 ties the report to our mail, and says who is not reached, why, and that it is for good', async () => {
    expect(await dsn(STATUS)).toEqual({
      originalIds: ['answer.7@shop.example'],
      recipients: [
        {
          address: 'bob@customer.example',
          writtenTo: null,
          action: 'failed',
          status: '5.1.1',
          kind: 'hard',
          diagnostic:
            '550 5.1.1 <bob@customer.example>: Recipient address rejected: User unknown in virtual mailbox table',
        },
      ],
      originalTo: ['bob@customer.example'],
      originalSubject: 'Re: Ihre Bestellung über 50 €',
      originalDate: Date.UTC(2026, 10, 1, 9, 58, 57),
    })
  })

  it('C13 Gmail’s, which says it is auto-replied, is read as a report', async () => {
    const raw = `From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nTo: support@shop.example\nAuto-Submitted: auto-replied
X-Failed-Recipients: bob@customer.example\nIn-Reply-To: <answer.7@shop.example>\nReferences: <answer.7@shop.example>
Subject: Delivery Status Notification (Failure)\nContent-Type: multipart/report; boundary="b"; report-type=delivery-status

--b\nContent-Type: text/plain\n\n** Address not found **\n--b\nContent-Type: message/delivery-status\n\n${STATUS}\n--b\nContent-Type: message/rfc822\n\n${RETURNED}\n--b--\n`
    expect(
      verdict(await read(raw), { ownAddresses: ['support@shop.example'], ownMessage: false, size: 1 }).class,
    ).toBe('bounce')
    expect(await report(raw)).toMatchObject({
      originalIds: ['answer.7@shop.example'],
      recipients: [{ kind: 'hard' }],
    })
  })

  it.each(['text/rfc822-headers', 'message/global-headers', 'TEXT/RFC822-HEADERS; charset=utf-8'])(
    'C11 also with nothing but the headers (%s)',
    async type => {
      const headers = RETURNED.slice(0, RETURNED.indexOf('\n\n') + 1)
      expect(await dsn(STATUS, headers, type)).toMatchObject({ originalIds: ['answer.7@shop.example'] })
    },
  )

  it('C11 also where the header is cut, comes with blanks lost, or is a single line', async () => {
    const ids = async (returned: string) => (await dsn(STATUS, returned))?.originalIds
    expect(await ids('Message-ID: <answer.7@shop.example>')).toEqual(['answer.7@shop.example'])
    expect(await ids(RETURNED.slice(0, RETURNED.indexOf('Date:')))).toEqual(['answer.7@shop.example'])
    expect(
      await ids(RETURNED.replaceAll('\n\tby', '\nby').replace('Message-ID: <', 'Message-ID:\n <')),
    ).toEqual(['answer.7@shop.example'])
    expect(await ids('')).toEqual([])
  })

  it('C12 a delay is a delay, whatever its code', async () => {
    for (const code of ['4.4.1', '4.0.0', '5.1.1']) {
      const said = await dsn(STATUS.replace('failed', 'delayed').replace('Status: 5.1.1', `Status: ${code}`))
      expect(said?.recipients).toMatchObject([{ action: 'delayed', status: code, kind: 'soft' }])
    }
  })

  it.each(['delivered', 'relayed', 'expanded'])('%s is no failure', async action => {
    const said = await dsn(STATUS.replace('failed', action).replace('Status: 5.1.1', 'Status: 2.0.0'))
    expect(said?.recipients).toMatchObject([{ action, kind: 'none', status: '2.0.0' }])
  })

  it.each([
    ['no empty lines between the groups', STATUS.replaceAll('\n\n', '\n')],
    ['an empty line inside a group', STATUS.replace('\nStatus', '\n\nStatus')],
    ['names in upper case', STATUS.replaceAll(/^[\w-]+:/gm, name => name.toUpperCase())],
    [
      'the original first',
      STATUS.replace('Final-Recipient', 'X')
        .replace('Original-', 'Final-')
        .replace('X:', 'Original-Recipient:'),
    ],
    [
      'angle brackets and another kind',
      STATUS.replace('rfc822; bob@customer.example', 'LOCAL; <BOB@Customer.example>'),
    ],
    ['no kind of address', STATUS.replace('rfc822; ', '')],
    ['a source route', STATUS.replace('rfc822; bob', 'rfc822; @a.example,@b.example:bob')],
    ['no Action', STATUS.replace('Action: failed\n', '')],
    ['an Action of its own', STATUS.replace('Action: failed', 'Action: Failure (permanently)')],
    ['a comment behind the status', STATUS.replace('5.1.1\n', '5.1.1 (permanent failure)\n')],
  ])('with %s', async (_, status) => {
    const said = await dsn(status)
    expect(said?.recipients).toMatchObject([
      { address: 'bob@customer.example', action: 'failed', status: '5.1.1', kind: 'hard' },
    ])
  })

  it('of several recipients each has its own', async () => {
    const group = (address: string, status: string, action = 'failed') =>
      `Final-Recipient: rfc822; ${address}\nAction: ${action}\nStatus: ${status}\n`
    const said = await dsn(
      `Reporting-MTA: dns; relay.example\n\n${group('a@x.example', '5.1.1')}\n${group('b@x.example', '5.2.2')}\n${group('c@x.example', '4.4.1', 'delayed')}\nOriginal-Recipient: rfc822; d@x.example\n${group('e@x.example', '5.1.1')}\n${group('a@x.example', '5.0.0')}`,
    )
    expect(said?.recipients.map(one => [one.address, one.status, one.kind])).toEqual([
      ['a@x.example', '5.1.1', 'hard'],
      ['b@x.example', '5.2.2', 'soft'],
      ['c@x.example', '4.4.1', 'soft'],
      ['e@x.example', '5.1.1', 'hard'],
    ])
    expect(said?.recipients.map(one => one.writtenTo)).toEqual([null, null, null, 'd@x.example'])
  })

  it('where the groups are not divided, each recipient begins one', async () => {
    const group = (address: string, status: string) =>
      `Final-Recipient: rfc822; ${address}\nAction: failed\nStatus: ${status}\n`
    const said = await dsn(
      `Reporting-MTA: dns; x\n${group('a@x.example', '5.1.1')}${group('b@x.example', '5.2.2')}`,
    )
    expect(said?.recipients.map(one => [one.address, one.status])).toEqual([
      ['a@x.example', '5.1.1'],
      ['b@x.example', '5.2.2'],
    ])
  })

  it('a source route is no part of the address', async () => {
    for (const routed of [
      '@a.example,@b.example:carol@customer.example',
      '<@a.example:carol@customer.example>',
    ])
      expect(
        (await dsn(`Final-Recipient: rfc822; ${routed}\nAction: failed\nStatus: 5.1.1\n`))?.recipients,
      ).toMatchObject([{ address: 'carol@customer.example' }])
  })

  it('without a Diagnostic-Code the text says why', async () => {
    const raw = `From: MAILER-DAEMON@x.example\nTo: support@shop.example\nSubject: x\nContent-Type: multipart/report; report-type=delivery-status; boundary=b
\n--b\nContent-Type: text/plain\n\n<bob@customer.example>: host mx said: 550 5.1.1 Nobody here
\n--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; bob@customer.example\nAction: failed\nStatus: 5.1.1\n\n--b--\n`
    expect((await report(raw))?.recipients).toMatchObject([
      { diagnostic: 'host mx said: 550 5.1.1 Nobody here' },
    ])
  })

  it('of an address that was expanded, both are told', async () => {
    const said = await dsn(STATUS.replace('rfc822; bob@customer.example', 'rfc822; r@store.customer.example'))
    expect(said?.recipients).toMatchObject([
      { address: 'r@store.customer.example', writtenTo: 'bob@customer.example' },
    ])
  })

  it('with an address of RFC 6533, in letters of the world', async () => {
    const status = STATUS.replace('rfc822; bob@customer.example', 'utf-8; böb@müller.example')
    const said = await dsn(status, RETURNED, 'message/global', 'message/global-delivery-status')
    expect(said).toMatchObject({
      originalIds: ['answer.7@shop.example'],
      recipients: [{ address: 'böb@xn--mller-kva.example', writtenTo: 'bob@customer.example' }],
    })
  })

  it('where the original did not come back: Gmail’s own field, then what the report answers', async () => {
    const gmail = STATUS.replace(
      'dns; relay.example',
      'dns; relay.example\nX-Original-Message-ID: <answer.8@shop.example>',
    )
    expect((await dsn(gmail, ''))?.originalIds).toEqual(['answer.8@shop.example'])
    const answering =
      await report(`From: postmaster@outlook.example\nTo: support@shop.example\nSubject: Undeliverable: x\nAuto-Submitted: auto-replied
In-Reply-To: <answer.9@shop.example>\nReferences: <first.1@customer.example> <answer.9@shop.example>
Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n${STATUS}\n--b--\n`)
    expect(answering?.originalIds).toEqual(['answer.9@shop.example'])
  })

  it('what is returned decides before what the report answers', async () => {
    const said =
      await report(`From: MAILER-DAEMON@x.example\nTo: support@shop.example\nSubject: x\nIn-Reply-To: <other.1@x.example>
Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n${RETURNED}\n--b--\n`)
    expect(said?.originalIds).toEqual(['answer.7@shop.example', 'other.1@x.example'])
  })

  it('a bounce that bounced is about the bounce first', async () => {
    const inner = `From: MAILER-DAEMON@shop.example\nTo: eve@evil.example\nSubject: Undelivered\nMessage-ID: <inner.2@shop.example>\nContent-Type: text/plain\n\nSorry.\n\n${RETURNED}`
    expect((await dsn(STATUS, inner))?.originalIds).toEqual(['inner.2@shop.example', 'answer.7@shop.example'])
  })
})

/** Bounces in the words of servers that write no RFC 3464, each with what it says of bob@customer.example. */
const IN_WORDS: [server: string, text: string, said: Partial<DeliveryReport['recipients'][number]>][] = [
  [
    'qmail',
    `Hi. This is the qmail-send program at relay.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<bob@customer.example>:
192.0.2.25 does not like recipient.
Remote host said: 550 5.1.1 <bob@customer.example>: User unknown
Giving up on 192.0.2.25.

--- Below this line is a copy of the message.

${RETURNED}`,
    { action: 'failed', status: '5.1.1', kind: 'hard' },
  ],
  [
    'Exim',
    `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  bob@customer.example
    SMTP error from remote mail server after RCPT TO:<bob@customer.example>:
    host mx.customer.example [192.0.2.25]: 550 5.1.1 No such user here

------ This is a copy of the message, including all the headers. ------

${RETURNED}`,
    { action: 'failed', status: '5.1.1', kind: 'hard' },
  ],
  [
    'Exim, which still tries',
    `This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on relay.example.

The message identifier is:     1abcde-0001xy-2Z
The subject of the message is: Re: Ihre Bestellung
The date of the message is:    Sun, 1 Nov 2026 10:58:57 +0100

The address to which the message has not yet been delivered is:

  bob@customer.example
    Delay reason: connection timed out

No action is required on your part. Delivery attempts will continue for
some time, and this warning may be repeated at intervals if the message
remains undelivered.

${RETURNED}`,
    { action: 'delayed', status: null, kind: 'soft' },
  ],
  [
    'Postfix',
    `This is the Postfix program at host relay.example.

I'm sorry to have to inform you that your message could not be
be delivered to one or more recipients. It's attached below.

For further assistance, please send mail to <postmaster@relay.example>

<bob@customer.example>: host mx.customer.example[192.0.2.25] said: 550
    <bob@customer.example>: User unknown (in reply to RCPT TO command)

${RETURNED}`,
    { action: 'failed', status: null, kind: 'hard' },
  ],
  [
    'sendmail',
    `The original message was received at Sun, 1 Nov 2026 09:59:00 GMT
from shop.example [192.0.2.1]

   ----- The following addresses had permanent fatal errors -----
<bob@customer.example>
    (reason: 552 5.2.2 Over quota)

   ----- Transcript of session follows -----
... while talking to mx.customer.example.:
>>> MAIL From:<support@shop.example>
<<< 250 2.1.0 Ok
>>> RCPT To:<bob@customer.example>
<<< 552 5.2.2 Over quota
552 5.2.2 <bob@customer.example>... Over quota

   ----- Original message follows -----

${RETURNED}`,
    { action: 'failed', status: '5.2.2', kind: 'soft' },
  ],
  [
    'an older sendmail',
    `   ----- Transcript of session follows -----
421 Host mx.customer.example not found for mailer esmtp.
550 <bob@customer.example>... Host unknown

   ----- Unsent message follows -----
${RETURNED}`,
    { action: 'failed', status: null, kind: 'hard' },
  ],
  [
    'Gmail',
    `Delivery to the following recipient failed permanently:

     bob@customer.example

Technical details of permanent failure:
Google tried to deliver your message, but it was rejected by the server for the recipient domain customer.example by mx.customer.example. [192.0.2.25].

The error that the other server returned was:
550 5.7.1 Message rejected as spam

----- Original message -----

${RETURNED}`,
    { action: 'failed', status: '5.7.1', kind: 'soft' },
  ],
  [
    'Exchange 2003',
    `Your message

  To:      bob@customer.example
  Subject: Re: Ihre Bestellung
  Sent:    Sun, 1 Nov 2026 10:58:57 +0100

did not reach the following recipient(s):

bob@customer.example on Sun, 1 Nov 2026 11:00:12 +0100
    The e-mail account does not exist at the organization this message
was sent to.  Check the e-mail address, or contact the recipient
directly to find out the correct address.
    <mail.customer.example #5.1.1>
`,
    { action: 'failed', status: '5.1.1', kind: 'hard' },
  ],
  [
    'Exchange Online',
    `Delivery has failed to these recipients or groups:

bob@customer.example<mailto:bob@customer.example>
Your message couldn't be delivered. It appears that the address wasn't typed right.

Diagnostic information for administrators:

Generating server: AM0PR01.eurprd01.prod.outlook.com

bob@customer.example
Remote Server returned '550 5.4.1 Recipient address rejected: Access denied. [AM0.eop-EUR01.prod.protection.outlook.com]'

Original message headers:

${RETURNED}`,
    { action: 'failed', status: '5.4.1', kind: 'hard' },
  ],
  [
    'Domino',
    `Your message

  Subject: Re: Ihre Bestellung

was not delivered to:

  bob@customer.example

because:

  User bob (bob@customer.example) not listed in Domino Directory
`,
    { action: 'failed', status: null, kind: 'hard' },
  ],
  [
    'Yahoo',
    `Sorry, we were unable to deliver your message to the following address.

<bob@customer.example>:
Remote host said: 554 delivery error: dd This user doesn't have a customer.example account (bob@customer.example) [0] - mta1061.mail.ne1.yahoo.com [BODY]

--- Below this line is a copy of the message.

${RETURNED}`,
    { action: 'failed', status: null, kind: 'hard' },
  ],
  [
    'IMail',
    `Unknown user: bob@customer.example

Original message follows.

${RETURNED}`,
    { action: 'failed', status: null, kind: 'hard' },
  ],
  [
    'Microsoft SMTPSVC',
    `This is an automatically generated Delivery Status Notification.

Delivery to the following recipients failed.

       bob@customer.example

${RETURNED}`,
    { action: 'failed', status: null, kind: 'soft' },
  ],
  [
    'a gateway with a table',
    `Message undeliverable

Recipient:  <bob@customer.example>
Reason:     550 5.1.10 Recipient has a null MX

The message header follows:

> ${RETURNED.replaceAll('\n', '\n> ')}`,
    { action: 'failed', status: '5.1.10', kind: 'hard' },
  ],
  [
    'a mobile operator',
    `Each of the following recipients was rejected by a remote mail server.
The reasons given by the server are included to help you determine why each
recipient was rejected.

    Recipient: <bob@customer.example>
    Reason:    550 <bob@customer.example>: User unknown

${RETURNED}`,
    { action: 'failed', status: null, kind: 'hard' },
  ],
  [
    'a report inside a text',
    `This is a MIME-encapsulated message.

--x
Content-Type: message/delivery-status

${STATUS.replace('Status: 5.1.1', 'Status: 5.2.1')}
--x
Content-Type: message/rfc822

${RETURNED}`,
    { action: 'failed', status: '5.2.1', kind: 'hard' },
  ],
]

describe('in words', () => {
  it.each(IN_WORDS)('C10 %s', async (_, text, said) => {
    const found = await notice(text)
    expect(found?.recipients).toMatchObject([{ address: 'bob@customer.example', ...said }])
    expect(found?.recipients).toHaveLength(1)
    if (text.includes('answer.7@')) {
      expect(found).toMatchObject({
        originalIds: ['answer.7@shop.example'],
        originalTo: ['bob@customer.example'],
        originalSubject: 'Re: Ihre Bestellung über 50 €',
      })
    }
  })

  it('Exchange says which mail by its subject and date', async () => {
    const found = await notice(IN_WORDS.find(([server]) => server === 'Exchange 2003')![1])
    expect(found).toMatchObject({
      originalIds: [],
      originalTo: ['bob@customer.example'],
      originalSubject: 'Re: Ihre Bestellung',
      originalDate: Date.UTC(2026, 10, 1, 9, 58, 57),
    })
  })

  it('which mail, with empty lines between, and a date without a zone', async () => {
    vi.stubEnv('TZ', 'America/New_York')
    const found = await notice(
      'Your Message\n\nTo:      <bob@customer.example>\n\nSubject: Order\n\nDate:    Sun, 1 Nov 2026 10:58:57\n\nDid not reach the following recipient: bob@customer.example\n',
    )
    vi.unstubAllEnvs()
    expect(found).toMatchObject({
      originalTo: ['bob@customer.example'],
      originalSubject: 'Order',
      originalDate: Date.UTC(2026, 10, 1, 10, 58, 57),
      recipients: [
        {
          address: 'bob@customer.example',
          diagnostic: 'Did not reach the following recipient: bob@customer.example',
        },
      ],
    })
  })

  it('a lone To: names whom it did not reach', async () => {
    expect(
      (await notice('Your mail was refused.\n\nTo: bob@customer.example\n550 5.1.1 User unknown\n'))
        ?.recipients,
    ).toMatchObject([{ address: 'bob@customer.example', status: '5.1.1', kind: 'hard' }])
  })

  it('whom to ask for help is nobody who was not reached', async () => {
    const two = RETURNED.replace(
      'To: Bob <bob@customer.example>',
      'To: bob@customer.example, eve@customer.example',
    )
    expect(
      (await notice(`It failed. For assistance contact help@relay.example.\n\n${two}`))?.recipients,
    ).toEqual([])
  })

  it('the header that names them decides whom it is about', async () => {
    const found = await notice(
      `We could not reach them. Write to help@relay.example.\n\n${RETURNED}`,
      'X-Failed-Recipients: Bob@customer.example, eve@customer.example\n',
    )
    expect(found?.recipients.map(one => one.address)).toEqual([
      'bob@customer.example',
      'eve@customer.example',
    ])
  })

  it('each recipient has its own reason', async () => {
    const found = await notice(
      `<a@x.example>: host mx said: 550 5.1.1 User unknown\n\n<b@x.example>: host mx said: 452 4.2.2\n    Mailbox full\n\n<c@x.example>:\nconnection timed out\n\n${RETURNED}`,
    )
    expect(found?.recipients.map(one => [one.address, one.status, one.kind, one.diagnostic])).toEqual([
      ['a@x.example', '5.1.1', 'hard', 'host mx said: 550 5.1.1 User unknown'],
      ['b@x.example', '4.2.2', 'soft', 'host mx said: 452 4.2.2 Mailbox full'],
      ['c@x.example', null, 'soft', 'connection timed out'],
    ])
  })

  it('where nobody is named, it is whom the one mail was written to', async () => {
    expect((await notice(`Your mail could not be delivered.\n\n${RETURNED}`))?.recipients).toMatchObject([
      { address: 'bob@customer.example', action: 'failed', kind: 'soft' },
    ])
  })

  it('what a customer wrote further down is not the server’s', async () => {
    const found = await notice(
      `<bob@customer.example>: mailbox unavailable\n\n${RETURNED}\n\nMessage-ID: <forged@x.example>\nFrom: a@x.example\nTo: eve@evil.example\nSubject: x\n\n<eve@evil.example>: 550 5.1.1 User unknown\n`,
    )
    expect(found).toMatchObject({
      originalIds: ['answer.7@shop.example'],
      recipients: [{ address: 'bob@customer.example' }],
    })
    expect(found?.recipients).toHaveLength(1)
  })

  it('a text in HTML alone is read too', async () => {
    const found = await notice(
      '<p>Delivery failed:</p><p>bob@customer.example</p><p>550 5.1.1 unknown</p>',
      'Content-Type: text/html\n',
    )
    expect(found?.recipients).toMatchObject([
      { address: 'bob@customer.example', status: '5.1.1', kind: 'hard' },
    ])
  })
})

describe('H16 hard is what is wrong with the address', () => {
  const kind = async (status: string, diagnostic: string) =>
    (
      await dsn(
        STATUS.replace('Status: 5.1.1', `Status: ${status}`).replace(
          /Diagnostic-Code:.*\n.*\n/,
          diagnostic === '' ? '' : `Diagnostic-Code: smtp; ${diagnostic}\n`,
        ),
      )
    )?.recipients[0]?.kind

  it.each([
    '5.1.1',
    '5.1.2',
    '5.1.3',
    '5.1.4',
    '5.1.6',
    '5.1.10',
    '5.2.1',
    '5.4.4',
    '5.7.17',
    '5.7.18',
    '5.0.0',
    '5.1.0',
    '5.1.351',
  ])('%s alone is hard', async status => expect(await kind(status, '')).toBe('hard'))

  it.each([
    ...[
      '5.1.5',
      '5.1.7',
      '5.1.8',
      '5.1.9',
      '5.2.2',
      '5.2.3',
      '5.2.4',
      '5.3.1',
      '5.3.2',
      '5.3.3',
      '5.3.4',
      '5.3.5',
      '5.4.1',
      '5.4.3',
    ],
    ...[
      '5.4.6',
      '5.4.7',
      '5.5.1',
      '5.5.3',
      '5.5.4',
      '5.6.0',
      '5.6.1',
      '5.7.0',
      '5.7.1',
      '5.7.9',
      '5.7.13',
      '5.7.26',
      '5.7.27',
      '5.7.606',
    ],
    ...['5.2.0', '5.3.0', '5.4.0', '5.5.0', '5.2.121', '5.4.312', '4.1.1', '4.2.1', '4.4.7', '4.7.1'],
  ])('%s alone is soft', async status => expect(await kind(status, '')).toBe('soft'))

  it.each([
    ['5.0.0', '550 User unknown', 'hard'],
    ['5.0.0', '550 5.1.1 no such mailbox', 'hard'],
    ['5.0.0', '550 5.7.1 blocked by policy', 'soft'],
    ['5.0.0', '552 Mailbox quota exceeded', 'soft'],
    ['5.0.0', '550 Message looks like spam', 'soft'],
    ['5.0.0', '554 Sender address rejected: does not exist', 'soft'],
    ['5.0.0', '504 Command parameter not implemented', 'soft'],
    ['5.0.0', '550 Protocol violation (in reply to DATA command)', 'soft'],
    ['5.2.0', '550 Unknown user bob@customer.example', 'hard'],
    ['5.5.0', '550 Requested action not taken: mailbox unavailable', 'hard'],
    ['5.5.0', '503 Improper sequence of commands', 'soft'],
    ['5.4.310', '550 5.4.310 DNS domain customer.example does not exist', 'hard'],
    ['5.1.8', '553 5.1.8 user unknown', 'soft'],
    ['4.1.1', '450 4.1.1 User unknown', 'soft'],
    ['4.0.0', '550 5.1.1 User unknown', 'soft'],
  ])('%s with %j is %s', async (status, diagnostic, expected) =>
    expect(await kind(status, diagnostic)).toBe(expected),
  )
})

describe('what is a bounce without saying so', () => {
  it.each([
    [
      'from a plain mailbox, with the header of the mail it returns',
      { subject: 'Mail delivery failed', text: `Sorry.\n\n${RETURNED}` },
    ],
    [
      'from a plain mailbox, with what a server said',
      { subject: 'Your message could not be delivered', text: '550 5.1.1 <bob@customer.example>' },
    ],
    [
      'of Exchange 5.5, which names itself',
      {
        subject: 'Undeliverable: x',
        text: '<mx #5.1.1>',
        headers: [{ name: 'x-mailer', value: 'Internet Mail Service (5.5.2653.19)' }],
      },
    ],
    [
      'of Exchange’s own mailbox',
      {
        from: [
          {
            name: 'Microsoft Outlook',
            address: 'MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@contoso.example',
          },
        ],
      },
    ],
  ] as [string, Partial<Email>][])('C10 %s', (_, about) =>
    expect(deliveryReport(email(about))).not.toBeNull(),
  )
})

describe('what is no bounce', () => {
  it('mail of people, also about bounces, vacation notes and complaints', async () => {
    const byHand = { headers: [{ name: 'x-mailer', value: 'Apple Mail (2.3774)' }] }
    const pasted = `I got this, what is it?\n\n<bob@customer.example>: 550 5.1.1 User unknown\n\n${RETURNED}`
    expect(deliveryReport(email({ subject: 'Delivery failure', text: pasted, ...byHand }))).toBeNull()
    const version = 'My address is bob@customer.example, and the app is version 5.1.1 (host 4.2.1).'
    expect(deliveryReport(email({ subject: 'Undelivered', text: version }))).toBeNull()
    expect(
      await report(
        `From: ann@x.example\nSubject: Fwd: Undelivered Mail Returned to Sender\n\nWhat is this?\n\n> <bob@customer.example>: 550 5.1.1 User unknown\n`,
      ),
    ).toBeNull()
    expect(
      await report(
        'From: ann@x.example\nAuto-Submitted: auto-replied\nSubject: Out of office\n\nBack on Monday.\n',
      ),
    ).toBeNull()
    expect(
      await report(
        `From: fbl@x.example\nSubject: complaint\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n${RETURNED}\n--b--\n`,
      ),
    ).toBeNull()
  })
})

it('RD4 a megabyte of anything is read at once', () => {
  for (const unit of [
    'a@b.c ',
    '@',
    '<a@b.example>:\n',
    'Final-Recipient: rfc822; a@b.example\nStatus: 5.1.1\n',
    'To: a\n',
    ' ',
    '550 5.1.1 ',
    '5.',
    '> ',
    '\n',
    'message-id: <a@b>\nfrom: x\n',
    '=?utf-8?q?',
    'a: b\n ',
    '----- original message\n',
    '(',
  ]) {
    const long = unit.repeat(1_000_000 / unit.length)
    const content = new TextEncoder().encode(long)
    const attachments = ['message/delivery-status', 'message/rfc822', 'text/plain'].map(contentType => ({
      ...{ filename: '', contentType, disposition: 'attachment' as const, contentId: null },
      ...{ content, size: content.length, part: null },
    }))
    const started = performance.now()
    for (const about of [{ text: long }, { text: '', html: long }, { attachments }])
      expect(
        deliveryReport(
          email({
            ...about,
            subject: long,
            reportType: 'delivery-status',
            headers: [{ name: 'x-failed-recipients', value: long }],
          }),
        )?.recipients.length,
      ).toBeLessThanOrEqual(101)
    expect(performance.now() - started).toBeLessThan(2000)
  }
})

if (!existsSync(`${CORPORA}/bounces`)) console.warn('bounces: not run: no corpus; the tests above ran')
else {
  const files = readdirSync(`${CORPORA}/bounces`)
  const dsns = files.filter(name => !/^(?:arf|rfc3834)/.test(name))
  const bytes = (name: string) => readFileSync(`${CORPORA}/bounces/${name}`)
  /** The file as text, line ends and quoted-printable undone everywhere, without its own header. */
  const bodyOf = (name: string) => {
    const text = bytes(name).toString('latin1').replaceAll('\r\n', '\n')
    return text.slice(text.indexOf('\n\n')).replaceAll('=\n', '').replaceAll('=3D', '=')
  }
  const idsIn = (body: string) =>
    [...body.matchAll(/^[ >]*message-id:\s*<?([^\s<>]+@[^\s<>]+)>?/gim)]
      .map(found => found[1]!)
      .filter(id => !id.includes('&'))
  /** Recipients and statuses up to where the returned mail begins, by looking for their lines. */
  const groupsIn = (body: string) => {
    const first = body.search(/^final-recipient:/im)
    if (first < 0) return []
    const end = body.slice(first).search(/^content-type:\s*(?:message\/rfc822|text\/rfc822-headers)/im)
    return body
      .slice(first, end < 0 ? undefined : first + end)
      .split(/^final-recipient:/im)
      .slice(1)
      .map(group => ({
        address: /^[^;]*;\s*<?([^\s<>;]+@[^\s<>;]+)/.exec(group)?.[1]?.toLowerCase(),
        status: /^status:\s*([245]\.\d+\.\d+)/im.exec(group)?.[1],
        delayed: /^action:\s*delayed/im.test(group),
      }))
      .filter(group => group.address !== undefined)
  }
  const wholeOf = (mail: Email) =>
    [
      mail.text,
      mail.html,
      ...mail.attachments.map(part => new TextDecoder().decode(part.content ?? undefined)),
    ].join('\n')
  const CERTAIN: Record<string, string> = {
    '5.1.1': 'hard',
    '5.1.2': 'hard',
    '5.1.6': 'hard',
    '5.1.10': 'hard',
    '5.2.1': 'hard',
  }
  const kindBy = (status: string) =>
    CERTAIN[status] ?? (/^(?:4\.|5\.7\.|5\.2\.2|5\.2\.3|5\.1\.8)/.test(status) ? 'soft' : undefined)

  describe.each([
    ['as the product reads it', readProduct],
    ['as a small parser reads it', readSmall],
  ])('bounces, %s', (_, reader) => {
    it.each(dsns)('C10 C11 C12 H16 %s', async name => {
      const mail = await reader(bytes(name))
      const said = deliveryReport(mail)
      const body = bodyOf(name)
      // The small parser merges a returned mail into the text of a multipart/mixed, and its header is lost (one file).
      const ids = idsIn(body).filter(id => wholeOf(mail).includes(id))
      if (reader === readProduct) expect(ids).toEqual(idsIn(body))
      if (ids.length > 0) expect(ids).toContain(said?.originalIds[0])
      if (new Set(ids).size === 1) expect(said?.originalIds[0]).toBe(ids[0])
      const groups = groupsIn(body)
      if (groups.length > 0)
        expect(said?.recipients.map(one => [one.address, one.status])).toEqual(
          groups.map(one => [one.address, one.status]),
        )
      for (const [at, { status, delayed }] of groups.entries()) {
        const kind = delayed ? 'soft' : kindBy(status ?? '')
        expect(['hard', 'soft']).toContain(said?.recipients[at]?.kind)
        if (kind) expect([status, said?.recipients[at]?.kind]).toEqual([status, kind])
      }
      // Each of them is about at least one address.
      expect(said?.recipients.length).toBeGreaterThan(0)
      for (const { diagnostic } of said!.recipients) expect(diagnostic ?? '').toMatch(/^.{0,500}$/)
    })

    it('complaints and vacation notes are none', async () => {
      for (const name of files.filter(one => !dsns.includes(one)))
        expect(deliveryReport(await reader(bytes(name)))).toBeNull()
    })
  })

  it('C10 at least 95 of 100 reports are tied to their mail', async () => {
    const named = dsns.filter(name => idsIn(bodyOf(name)).length > 0)
    const tied = []
    for (const name of named) {
      const said = deliveryReport(await readProduct(bytes(name)))
      if (idsIn(bodyOf(name)).includes(said?.originalIds[0] ?? '')) tied.push(name)
    }
    expect(named.length).toBeGreaterThan(80)
    expect(tied.length / named.length).toBeGreaterThanOrEqual(0.95)
    console.info(
      `bounces: ${tied.length} of ${named.length} tied; ${dsns.length - named.length} name no mail`,
    )
  })

  it('RD7 none of them may be answered or drafted for', async () => {
    for (const name of files) {
      const said = verdict(await readProduct(bytes(name)), { ownAddresses: [], ownMessage: false, size: 1 })
      expect([name, said.mayDraft, said.maySend]).toEqual([name, false, false])
    }
  })
}
