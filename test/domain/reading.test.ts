import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readEmail } from '../../src/mail/email.ts'
import { bytesOf, oddMails, type Shown, shown } from '../support/odd-mail.ts'
import {
  bothOf,
  DIFFERENCES,
  type Field,
  hasCorpora,
  mayDiffer,
  names,
  rawOf,
  readOf,
} from '../support/public-mail.ts'

console.log(
  `test/domain/reading.test.ts: ${oddMails.length} mails of ours; corpora: ${hasCorpora ? 'run' : 'not run: no corpus'}`,
)

describe('mails of ours', () => {
  it.each(oddMails)('$name', async ({ raw, says }) => {
    expect(shown(await readEmail(raw))).toMatchObject(says)
  })
})

describe.runIf(hasCorpora)('mail with its parsed tree', () => {
  const trees = [...names('malformed'), ...names('rfc')]

  it.each(trees)('RD26 %s says what its tree says, or what docs/reading.md says', async name => {
    const [theirs, ours] = await bothOf(name)
    for (const field of Object.keys(theirs) as Field[]) {
      const expectation = expect(ours[field], `${name} ${field}`)
      if (mayDiffer(name, field)) expectation.not.toEqual(theirs[field])
      else expectation.toEqual(theirs[field])
    }
  })

  it('RD26 every difference stands in docs/reading.md with its mails', () => {
    const rows = readFileSync('docs/reading.md', 'utf8').split('\n')
    for (const { why, mails } of DIFFERENCES) {
      const row = rows.find(line => line.replace(/ +\|/g, ' |').includes(`${why} |`))
      expect(row, why).toBeDefined()
      for (const name of Object.keys(mails)) expect(row).toContain(name)
    }
  })

  it('RD26 what we say where we differ', async () => {
    const says = async (name: string): Promise<Partial<Shown>> => {
      const { text, html, attachments } = await readOf(name)
      return { text, html, attachments }
    }
    expect(await says('malformed/002')).toMatchObject({ text: 'body', attachments: [] })
    expect(await says('malformed/003')).toMatchObject({ text: 'body\n', attachments: [] })
    expect(await says('malformed/006')).toMatchObject({ text: 'body\n', attachments: [] })
    expect(await says('malformed/007')).toMatchObject({ text: '', attachments: [] })
    expect(await says('malformed/008')).toMatchObject({
      text: 'body\nbody2',
      html: '<div>body</div>\nbody2\n',
    })
    expect(await says('malformed/009')).toMatchObject({ text: '1\n22\n333\n', attachments: [] })
    expect(await says('malformed/011')).toMatchObject({ text: '1\n22\n333\n', attachments: [] })
    expect((await says('malformed/012')).attachments!.map(file => file.bytes)).toEqual(
      ['1', '22', '333\n'].map(text => `Content-Type: text/plain\n\n${text}`),
    )
    expect((await says('malformed/017')).attachments).toMatchObject([
      { filename: 'image001.png', bytes: 'hello world\n' },
    ])
    expect((await says('malformed/020')).text).toBe('HTML Body')
    expect((await says('malformed/021')).text).toBe('áóúäöüß')
    expect((await says('rfc/007')).html).toBe('<div>A</div>\n<html>E</html>\n<div>K</div>')
  })
})

/** They have no text for people, or none at all: looked at one by one. */
const WITHOUT_TEXT = [
  'mixed/attachment_emails__attachment_message_rfc822_inline_image',
  'mixed/attachment_emails__attachment_only_email',
  'mixed/attachment_emails__attachment_with_quoted_filename',
  'mixed/error_emails__bad_date_header',
  'mixed/error_emails__bad_date_header2',
  'mixed/error_emails__empty_in_reply_to',
  'mixed/error_emails__missing_body',
  'mixed/error_emails__missing_content_disposition',
  'mixed/error_emails__must_supply_encoding',
  'mixed/mime_emails__raw_email_with_binary_encoded',
  'mixed/multi_charset__japanese_attachment_long_name',
  'mixed/multipart_report_emails__multipart_report_multiple_status',
]

/** A byte of a file name that its charset has not (docs/reading.md). */
const BROKEN_NAMES = [
  'mixed/attachment_emails__attachment_with_encoded_name',
  'mixed/plain_emails__raw_email8',
]

describe.runIf(hasCorpora)('mixed mail', () => {
  const mixed = names('mixed')

  it.each(mixed)('RD27 %s: subject, names, files and text', async name => {
    const raw = String.fromCharCode(...rawOf(name))
    const email = await readOf(name)
    const says = [
      email.subject,
      ...email.from,
      ...email.to,
      ...email.cc,
      ...email.attachments.map(file => file.filename!),
    ]
    for (const text of says) expect(text).not.toMatch(/=\?[^?\s]+\?[bq]\?/i)
    const written = raw.includes('\xef\xbf\xbd') || BROKEN_NAMES.includes(name)
    if (!written) expect([...says, email.text, email.html ?? ''].join()).not.toContain('\ufffd')
    if (WITHOUT_TEXT.includes(name)) expect(email.text.trim()).toBe('')
    else expect(email.text).toMatch(/\p{L}/u)
    expect(
      email.attachments.filter(file => !/^(?:attachment\..*|mail\.eml)$/.test(file.filename!)).length,
    ).toBe(namedFilesOf(raw))
  })

  it('RD27 a dozen of them, read by eye', async () => {
    const of = (name: string) => readOf(`mixed/${name}`)
    expect(await of('rfc2822__example10')).toMatchObject({
      from: ['Pete <pete@silly.test>'],
      to: ['Chris Jones <c@public.example>', ' <joe@example.org>', 'John <jdoe@one.test>'],
      cc: [],
      date: Date.UTC(1969, 1, 14, 3, 2),
    })
    expect(await of('rfc2822__example11')).toMatchObject({
      to: ['Mary Smith <mary@example.net>', ' <jdoe@test.example>'],
    })
    expect(await of('rfc2822__example13')).toMatchObject({
      from: ['John Doe <jdoe@machine.example>'],
      date: Date.UTC(1997, 10, 21, 15, 55, 6),
    })
    expect(await of('rfc2822__example14')).toMatchObject({
      subject: 'Re: TEST  テストテスト',
      text: 'Hello\n',
    })
    expect(await of('rfc6532__utf8_headers')).toMatchObject({
      subject: 'Säying Hello',
      from: ['Jöhn Doe <jdöe@mächine.example>'],
      to: ['Märy Smith <märy@exämple.net>'],
    })
    expect(await of('plain_emails__raw_email')).toMatchObject({
      subject: 'NOTE: 한국말로 하는 것',
      text: '대부분의 마찬가지로, 우리는 하나님을 믿습니다.\n\n제 이름은 Jamis입니다.',
    })
    expect(await of('plain_emails__raw_email_with_partially_quoted_subject')).toMatchObject({
      subject: 'Re: Test: "漢字" mid "漢字" tail',
    })
    expect(await of('plain_emails__raw_email_multiple_from')).toMatchObject({
      from: [' <tim@powerupdev.com>', ' <concierge@powerupdev.com>'],
    })
    expect(await of('plain_emails__raw_email6')).toMatchObject({ flags: ['bad_charset'] })
    expect((await of('plain_emails__raw_email6')).text).toContain(
      'Envoyé par le service de messagerie texte de Bell Mobilité',
    )
    expect(await of('error_emails__bad_subject')).toMatchObject({
      subject: 'MySurvey.com:  You have a survey waiting!  91123105',
      from: ['MySurvey.com & Carol Adams <carol@mysurvey.com>'],
    })
    expect(await of('error_emails__encoding_madness')).toMatchObject({
      replyTo: ['KLAUS- HÄNSCHEL <>'],
      text: 'Body Text',
    })
    expect(await of('error_emails__cant_parse_from')).toMatchObject({
      text: "From one solid piece of aluminum comes a MacBook Pro that's thin and light, beautifully streamlined, and durable.\n",
    })
    expect(await of('error_emails__empty_group_lists')).toMatchObject({ to: [] })
    expect(await of('error_emails__multiple_references_with_one_invalid')).toMatchObject({
      references: ['<foo@bar.net>', '<baz@bar.net>', '<invalid.    something@bar.net>']
        .slice(0, 2)
        .concat('<invalid. something@bar.net>'),
    })
    expect(await of('multi_charset__japanese_shift_jis')).toMatchObject({
      text: 'あいうえお\n\nこのメールはテスト用のメールです。\n\n今後ともよろしくお願い申し上げます！\n',
    })
    expect(await of('multi_charset__japanese_attachment_long_name')).toMatchObject({
      attachments: [{ filename: `${'かきくけこ'.repeat(5)}.txt`, bytes: 'this is the data\r\n' }],
    })
    expect(await of('attachment_emails__attachment_content_disposition')).toMatchObject({
      text: 'This is the first part.\n',
      attachments: [
        { filename: 'api.rb', contentType: 'text/x-ruby-script', bytes: 'puts "Hello, world!"\r\ngets\r\n' },
      ],
    })
    expect(await of('attachment_emails__attachment_message_rfc822')).toMatchObject({
      text: 'This is the first part.\n',
      attachments: [{ filename: 'ForwardedMessage.eml', contentType: 'message/rfc822' }],
    })
    expect(await of('attachment_emails__attachment_with_quoted_filename')).toMatchObject({
      subject: 'Eelanalüüsi päring',
      attachments: [{ filename: 'Eelanalüüsi päring.jpg', disposition: 'inline' }],
    })
    expect(await of('mime_emails__raw_email_with_mimepart_without_content_type')).toMatchObject({
      reportType: 'delivery-status',
      attachments: [{ contentType: 'message/delivery-status' }, { contentType: 'message/rfc822' }],
    })
  })
})

/**
 * Headers that name a file, counted in the raw lines; what stands in a nested mail is left out, and the address of a text is no
 * name.
 */
function namedFilesOf(raw: string): number {
  const blocks = raw.replace(/\r\n/g, '\n').split('\n\n')
  const nested = blocks.findIndex(block => /^content-type: *message\/rfc822/im.test(block))
  return (nested < 0 ? blocks : blocks.slice(0, nested + 1)).filter(block => {
    const fields = block.replace(/\n[ \t]+/g, ' ')
    if (/^content-(?:type|disposition):.*[\s;](?:file)?name[*\d]*=/im.test(fields)) return true
    return /^content-location:/im.test(fields) && !/^content-type: *text\/plain/im.test(fields)
  }).length
}

it('RD1 what is left of a mail that was cut anywhere is read, its header first', async () => {
  const raw = oddMails.find(mail => mail.name.startsWith('RD21 alternatives of which'))!.raw
  for (let length = 0; length <= raw.length; length++) {
    const email = await readEmail(raw.subarray(0, length))
    if (length > 110)
      expect(email).toMatchObject({ subject: 'Hi', from: [{ address: 'alice@customer.test' }] })
    if (length > 190) expect(email.text).toMatch(/^plain/)
  }
})

it('E19 a text of 3 MB is read whole', async () => {
  const line = 'Wo ist mein Paket? 包裹在哪裡？\r\n'
  const utf8 = Buffer.from(line.repeat(80_000))
  const email = await readEmail(
    new Uint8Array(Buffer.concat([Buffer.from('Content-Type: text/plain; charset=utf-8\r\n\r\n'), utf8])),
  )
  expect(utf8.length).toBeGreaterThan(3_000_000)
  expect(email.text).toBe(line.replace('\r\n', '\n').repeat(80_000))
  expect(email.flags).toEqual([])
})

it('E20 text that was made of the beginning of HTML alone says that it is cut', async () => {
  const of = (html: string) => readEmail(bytesOf(`Content-Type: text/html\r\n\r\n${html}`))
  expect((await of('<p>word</p>'.repeat(10_000))).flags).toEqual([])
  const long = await of('<p>word</p>'.repeat(200_000))
  expect(long.flags).toEqual(['text_cut'])
  expect(long.html!.length).toBe(2_200_000)
})

it('E18 a file of 25 MB is kept byte for byte', { timeout: 60_000 }, async () => {
  const file = 'QUJD'.repeat(19)
  const raw = bytesOf(
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n${`${file}\r\n`.repeat(337_000)}--b--`,
  )
  expect(raw.length).toBeGreaterThan(25 * 1024 * 1024)
  const [attachment] = (await readEmail(raw)).attachments
  expect(attachment).toMatchObject({ filename: 'a.pdf', size: 337_000 * 57 })
  expect(attachment!.content!.every((byte, i) => byte === 65 + (i % 3))).toBe(true)
})
