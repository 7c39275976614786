/**
 * Odd mail of our own, each as a mail program or a gateway might send it, with what a reader has to make of it. The name begins
 * with the row of the edge cases, or the rule, that it proves. Read in Node and in workerd alike: decoders are part of the
 * runtime.
 */
import type { Email, EmailAttachment } from '../../src/domain/email.ts'

export interface OddMail {
  name: string
  raw: Uint8Array
  /** What is not said here is not looked at, but files and flags: there are none but those named. */
  says: Partial<Shown>
}

/** An `Email` as one compares it: mailboxes as `Name <address>`, bytes as one character each. */
export interface Shown
  extends Omit<Email, 'from' | 'to' | 'cc' | 'replyTo' | 'sender' | 'attachments' | 'headers'> {
  from: string[]
  to: string[]
  cc: string[]
  replyTo: string[]
  sender: string | null
  attachments: Partial<ShownFile>[]
}

interface ShownFile
  extends Pick<EmailAttachment, 'filename' | 'contentType' | 'disposition' | 'contentId' | 'size'> {
  bytes: string
}

export function shown(email: Email): Shown {
  const box = ({ name, address }: { name: string; address: string }) => `${name} <${address}>`
  const { headers: _, ...rest } = email
  return {
    ...rest,
    from: email.from.map(box),
    to: email.to.map(box),
    cc: email.cc.map(box),
    replyTo: email.replyTo.map(box),
    sender: email.sender && box(email.sender),
    attachments: email.attachments.map(
      ({ filename, contentType, disposition, contentId, content, size }) => ({
        ...{ filename, contentType, disposition, contentId, size },
        bytes: Array.from(content!, byte => String.fromCharCode(byte)).join(''),
      }),
    ),
  }
}

/** One character a byte. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, character => character.charCodeAt(0))
}

/** Text as the bytes of its UTF-8, one character each. */
function utf8(text: string): string {
  return Array.from(new TextEncoder().encode(text), byte => String.fromCharCode(byte)).join('')
}

const HEAD =
  'From: Alice <alice@customer.test>\r\nTo: support@shop.test\r\nSubject: Hi\r\nMIME-Version: 1.0\r\n'

const odd: OddMail[] = []

function add(name: string, raw: string, says: Partial<Shown>): void {
  odd.push({ name, raw: bytesOf(raw), says: { attachments: [], flags: [], ...says } })
}

/** Fields beside the ordinary ones, and a body. */
function mail(fields: string, body: string): string {
  return `${HEAD}${fields === '' ? '' : `${fields}\r\n`}\r\n${body}`
}

/** A multipart of parts that each bring their header. */
function multipart(kind: string, ...parts: string[]): string {
  return mail(`Content-Type: multipart/${kind}; boundary="b"`, nested('b', ...parts))
}

function nested(boundary: string, ...parts: string[]): string {
  return `${parts.map(part => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`
}

const PLAIN = 'Content-Type: text/plain\r\n\r\n'
const HTML = 'Content-Type: text/html\r\n\r\n'
const PICTURE = { contentType: 'image/png', bytes: 'PNG' }

// E1: bodies in the charset that they name.
for (const [charset, bytes, text] of [
  ['gb2312', '\xcd\xcb\xbf\xee\xca\xb2\xc3\xb4\xca\xb1\xba\xf2\xb5\xbd\xa3\xbf', '退款什么时候到？'],
  ['GBK', '\xc4\xe3\xba\xc3\xa3\xac\xd3\x86\x86\xce', '你好，訂單'],
  ['cp936', '\xc4\xe3\xba\xc3', '你好'],
  ['gb18030', '\xcd\xcb\xbf\xee\x954\xb25', '退款𠮷'],
  ['Big5', '\xb0h\xb4\xda\xa6\xf3\xae\xc9\xa4J\xb1b', '退款何時入帳'],
  ['x-x-big5', '\xb0h\xb4\xda', '退款'],
  ['Shift_JIS', '\x95\xd4\x8b\xe0\x82\xcd\x82\xa2\x82\xc2\x82\xc5\x82\xb7\x82\xa9', '返金はいつですか'],
  ['windows-31j', '\x95\xd4\x8b\xe0', '返金'],
  ['EUC-JP', '\xca\xd6\xb6\xe2\xa4\xcf', '返金は'],
  ['ISO-2022-JP', '\x1b$BJV6b$O$$$D$G$9$+\x1b(B', '返金はいつですか'],
  ['euc-kr', '\xc8\xaf\xba\xd2\xc0\xba \xbe\xf0\xc1\xa6', '환불은 언제'],
  ['ks_c_5601-1987', '\xc8\xaf\xba\xd2', '환불'],
  ['iso-2022-kr', '\x1b$)C\x0eH/:R@:\x0f!', '환불은!'],
  ['hz-gb-2312', '~{MK?n~} ~~', '退款 ~'],
  ['koi8-r', '\xe7\xc4\xc5 \xcd\xcf\xca \xda\xc1\xcb\xc1\xda', 'Где мой заказ'],
  ['koi8-u', '\xe4\xc5 \xcd\xcf\xa4', 'Де моє'],
  ['windows-1251', '\xc3\xe4\xe5 \xec\xee\xe9', 'Где мой'],
  ['ibm866', '\x83\xa4\xa5', 'Где'],
  ['windows-1250', 'Za\xbf\xf3\xb3\xe6 g\xea\x9cl\xb9', 'Zażółć gęślą'],
  ['iso-8859-2', 'Za\xbf\xf3\xb3\xe6 g\xea\xb6l\xb1', 'Zażółć gęślą'],
  ['windows-1253', '\xd0\xef\xfd', 'Πού'],
  ['iso-8859-9', 'Sipari\xfeim', 'Siparişim'],
  ['windows-1255', '\xe0\xe9\xf4\xe4', 'איפה'],
  ['iso-8859-8-i', '\xe0\xe9\xf4\xe4', 'איפה'],
  ['windows-1256', '\xc3\xed\xe4', 'أين'],
  ['windows-1258', '\xd0\xf5n h\xe0ng', 'Đơn hàng'],
  ['tis-620', '\xa4\xd3\xca\xd1\xe8\xa7', 'คำสั่ง'],
  ['iso-8859-15', 'Preis 5 \xa4', 'Preis 5 €'],
  ['iso-8859-1', '\x93Gr\xf6\xdfe\x94 \x96 5 \x80', '“Größe” – 5 €'],
  ['macintosh', 'Gr\x9a\xa7e', 'Größe'],
  ['cp-850', 'Gr\x94\xe1e f\x81r 5', 'Größe für 5'],
  ['IBM437', 'Gr\x94\xe1e', 'Größe'],
  ['cp852', 'Za\xbe\xa2\x88\x86', 'Zażółć'],
  ['unicode-1-1-utf-7', '+kABrPg +- +APw-!', '退款 + ü!'],
  ['utf-7', 'Where is 1 + 1? +2Dzf', 'Where is 1 + 1? \ufffd'],
] as const)
  add(
    `E1 a body in ${charset}`,
    mail(`Content-Type: text/plain; charset="${charset}"\r\nContent-Transfer-Encoding: 8bit`, bytes),
    {
      text,
      ...(text.includes('\ufffd') ? { flags: ['bad_charset'] } : {}),
    },
  )

add(
  'E1 UTF-16 in base64, its order told by its mark, its label, or its zeros',
  multipart(
    'mixed',
    ...[
      ['utf-16', `\xff\xfeH\0i\0\r\0\n\0`],
      ['utf-16be', '\0H\0i\0\n'],
      ['utf-16', '\0H\0i\0\n'],
    ].map(
      ([label, bytes]) =>
        `Content-Type: text/plain; charset=${label}\r\nContent-Transfer-Encoding: base64\r\n\r\n${btoa(bytes!)}`,
    ),
  ),
  { text: 'Hi\nHi\nHi\n' },
)

// E3: charsets that are none.
for (const [label, bytes, text, flags] of [
  ['', utf8('Größe'), 'Größe', []],
  ['', 'Gr\xf6\xdfe', 'Größe', ['bad_charset']],
  ['', 'hello', 'hello', []],
  ['utf8', utf8('Größe 退款'), 'Größe 退款', []],
  ['"UTF-8;"', utf8('Größe'), 'Größe', []],
  ['utf-8//TRANSLIT', utf8('Größe'), 'Größe', []],
  ['ansi', 'Gr\xf6\xdfe', 'Größe', ['bad_charset']],
  ['x-unknown', utf8('Größe'), 'Größe', ['bad_charset']],
  ['_autodetect', 'Gr\xf6\xdfe', 'Größe', ['bad_charset']],
  ['unknown-8bit', 'hello', 'hello', []],
  ['us-ascii', utf8('Größe'), 'Größe', ['bad_charset']],
  ['us-ascii', 'Gr\xf6\xdfe', 'Größe', ['bad_charset']],
  ['utf-8', 'Gr\xf6\xdfe', 'Größe', ['bad_charset']],
  ['iso-2022-jp', utf8('Größe'), 'Größe', ['bad_charset']],
  ['', '\xef\xbb\xbfhello', 'hello', []],
  ['', '\x1b$BJV6b\x1b(B', '返金', ['bad_charset']],
  ['iso-8859-1', utf8('ü'), 'Ã¼', []],
] as const)
  add(
    `E3 charset ${label || 'missing'}: ${JSON.stringify(text)}${flags.length > 0 ? ', guessed' : ''} of ${bytes.length} bytes`,
    mail(`Content-Type: text/plain${label === '' ? '' : `; charset=${label}`}`, bytes),
    { text, flags: [...flags] },
  )

add(
  'E3 a body without a charset is in the one that the mail names elsewhere',
  mail('Subject: =?big5?B?sGi02g==?=\r\nContent-Type: text/plain', '\xb0h\xb4\xda').replace(
    'Subject: Hi\r\n',
    '',
  ),
  { subject: '退款', text: '退款', flags: ['bad_charset'] },
)
add(
  'E3 HTML names its charset itself',
  mail(
    'Content-Type: text/html',
    '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><p>\xe7\xc4\xc5',
  ),
  { text: 'Где' },
)

add(
  'E4 NUL bytes are gone',
  mail('X: a\0b', 'he\0llo\0').replace('Hi', 'H\0i').replace('Alice', '"A\0lice"'),
  {
    subject: 'Hi',
    from: ['Alice <alice@customer.test>'],
    text: 'hello',
  },
)

add(
  'E4 NUL bytes that UTF-7 and encoded-words write are gone too',
  mail('Content-Type: text/plain; charset=utf-7', 'a+AAA-b+AA0ACg-c').replace('Hi', '=?utf-8?Q?a=00b?='),
  {
    subject: 'ab',
    text: 'ab\nc',
  },
)

for (const [what, text] of [
  ['decomposed Hangul', '환불'.normalize('NFD')],
  ['composed Hangul', '환불'],
  ['full-width letters', 'ＡＢＣ１２３　ﾊﾝｶｸ'],
  ['an umlaut in two characters', 'Gro\u0308ße'],
] as const)
  add(
    `E5 ${what} stay as they are`,
    mail('Content-Type: text/plain; charset=utf-8', utf8(text)).replace(
      'Hi',
      `=?utf-8?B?${btoa(utf8(text))}?=`,
    ),
    { subject: text, text },
  )

// E6: header fields.
for (const [what, value, text, flags] of [
  ['split inside a character', '=?utf-8?B?6YCA5g==?= =?utf-8?B?rL7igKY=?=', '退款…', []],
  [
    'split inside a character, quoted-printable',
    '=?utf-8?Q?=E9=80=80=E6?=\r\n =?utf-8?Q?=AC=BE?=',
    '退款',
    [],
  ],
  ['split inside a unit of base64', '=?utf-8?B?6YCA5?=\r\n =?utf-8?B?qy+?=', '退款', []],
  ['split inside a character of Big5', '=?big5?Q?=B0?= =?big5?Q?h=B4=DA?=', '退款', []],
  ['adjacent, blanks between them gone', '=?utf-8?Q?a?=  =?utf-8?Q?b?= c', 'ab c', []],
  ['of two charsets', '=?koi8-r?Q?=E7=C4=C5?= =?utf-8?Q?_=E9=80=80?=', 'Где 退', []],
  [
    'in ISO-2022-JP, one after the other',
    '=?ISO-2022-JP?B?GyRCSlY2YhsoQg==?= =?ISO-2022-JP?B?GyRCSlY2YhsoQg==?=',
    '返金返金',
    [],
  ],
  ['with raw eight-bit bytes inside', `=?utf-8?Q?Gr${utf8('ö')}=C3=9Fe?=`, 'Größe', []],
  ['with raw Latin bytes inside', '=?iso-8859-1?Q?Gr\xf6=DFe?=', 'Größe', []],
  ['in UTF-7', '=?utf-7?Q?+kABrPg-?=', '退款', []],
  ['in UTF-7, by its old name', '=?unicode-1-1-utf-7?Q?Gr+APYA3w-e?=', 'Größe', []],
  ['with a language', '=?utf-8*de?Q?Gr=C3=B6=C3=9Fe?=', 'Größe', []],
  ['with blanks inside', '=?utf-8?Q?Where is=3F?=', 'Where is?', []],
  ['glued to other text', 'Re:=?utf-8?Q?=C3=BC?=!', 'Re:ü!', []],
  ['in quotes', '"=?utf-8?Q?=C3=BC?="', '"ü"', []],
  ['without padding', '=?utf-8?B?R3LDtsOfZQ?=', 'Größe', []],
  ['never closed', '=?utf-8?B?R3LDtsOfZQ==', 'Größe', []],
  ['never closed before the next', '=?utf-8?Q?Gr=C3=B6 =?utf-8?Q?=C3=9Fe?=', 'Größe', []],
  ['of a charset that does not exist', '=?x-unknown?Q?Gr=F6=DFe?=', 'Größe', ['bad_charset']],
  ['that are none', '=?utf-8?X?abc?= a =? b ?=', '=?utf-8?X?abc?= a =? b ?=', []],
  ['with line ends and NULs inside', '=?utf-8?Q?a=0D=0ABcc:_b=00?=', 'a Bcc: b', []],
  ['raw UTF-8', utf8('Größe 退款 à'), 'Größe 退款 à', []],
  ['raw Latin', 'Gr\xf6\xdfe', 'Größe', ['bad_charset']],
  ['raw ISO-2022-JP', '\x1b$BJV6b\x1b(B', '返金', ['bad_charset']],
] as const)
  add(`E6 a subject ${what}`, mail('', 'hello').replace('Hi', value), {
    subject: text,
    flags: [...flags],
    text: 'hello',
  })

add(
  'E6 a raw GBK subject, in the charset of the body',
  mail('Content-Type: text/plain; charset=gbk', '\xc4\xe3').replace('Hi', '\xcd\xcb\xbf\xee'),
  { subject: '退款', text: '你', flags: ['bad_charset'] },
)

// E7: damaged encodings.
for (const [what, encoding, body, text, flags] of [
  ['base64 with other signs in it', 'base64', 'aGVsbG8g!!!d29ybGQ\r\n=', 'hello world', ['bad_encoding']],
  ['base64 cut inside a unit', 'base64', 'aGVsbG8gd29ybGQh\r\nIQ', 'hello world!!', []],
  ['base64 cut after one digit', 'base64', 'aGVsbG8gd29ybGQhI', 'hello world!', ['bad_encoding']],
  ['base64 with every line padded', 'base64', 'aGVsbG8=\r\nIHdvcmxkIQ==\r\n', 'hello world!', []],
  [
    'text that is called base64',
    'base64',
    'Where is my order? Thank you.\r\n',
    'Where is my order? Thank you.\n',
    ['bad_encoding'],
  ],
  [
    'quoted-printable that is none',
    'quoted-printable',
    'hello=ZZ world= 1=3',
    'hello=ZZ world= 1=3',
    ['bad_encoding'],
  ],
  [
    'quoted-printable cut inside an escape',
    'quoted-printable',
    'hello=C3=B',
    'helloÃ=B',
    ['bad_encoding', 'bad_charset'],
  ],
  [
    'quoted-printable in small letters, blanks at line ends',
    'Quoted Printable',
    'hell=6f=c3=bc \t\r\nworld =\r\n!',
    'helloü\nworld !',
    [],
  ],
  ['eight bits in quoted-printable', 'quoted-printable', `${utf8('ü')}=C3=BC`, 'üü', []],
  ['uuencode', 'x-uuencode', 'begin 644 a.txt\r\n%:&5L;&\\\r\n`\r\nend\r\n', 'hello', []],
  ['an encoding that does not exist', 'x-unknown', 'hello =3D', 'hello =3D', []],
  ['an encoding with a comment and a semicolon', '(x) "base64";', 'aGVsbG8=', 'hello', []],
  ['an encoding without a name', '', 'hello', 'hello', []],
] as const)
  add(
    `E7 ${what}`,
    mail(`Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ${encoding}`, body),
    {
      text,
      flags: [...flags],
    },
  )

// E8: types.
for (const [what, fields, body, says] of [
  ['no type is text', '', 'hello', { text: 'hello' }],
  [
    'a type that is none is text',
    'Content-Type: text',
    'hello',
    { text: 'hello', flags: ['bad_content_type'] },
  ],
  ['an empty type is text', 'Content-Type:', 'hello', { text: 'hello' }],
  [
    'of two types the first counts',
    'Content-Type: text/html\r\nContent-Type: text/plain',
    '<b>hello</b>',
    { html: '<b>hello</b>', text: 'hello', flags: ['bad_content_type'] },
  ],
  [
    'the same type twice is no fault',
    'Content-Type: text/plain\r\nContent-Type: text/plain; charset=utf-8',
    'hello',
    { text: 'hello' },
  ],
  [
    'a multipart that does not say of which kind',
    'Content-Type: multipart; boundary=b',
    nested('b', `${PLAIN}hello`),
    { text: 'hello' },
  ],
  [
    'a multipart without a boundary is text',
    'Content-Type: multipart/mixed',
    'hello',
    { text: 'hello', flags: ['bad_content_type'] },
  ],
  [
    'a multipart whose boundary never comes is text',
    'Content-Type: multipart/mixed; boundary=b',
    'hello',
    { text: 'hello', flags: ['bad_content_type'] },
  ],
  [
    'a semicolon missing before the boundary',
    'Content-Type: multipart/mixed\r\n\tboundary="b"',
    nested('b', `${PLAIN}hello`),
    { text: 'hello' },
  ],
  [
    'comments and capitals',
    'Content-Type: (a(b)) TEXT/Plain (c); (d) CharSet = "UTF-8" (e)',
    utf8('ü'),
    { text: 'ü' },
  ],
  ['a type of text that nobody knows is text', 'Content-Type: text/enriched', 'hello', { text: 'hello' }],
] as const)
  add(`E8 ${what}`, mail(fields, body), says as Partial<Shown>)

add(
  'E8 a file of a type that is none is any bytes',
  multipart(
    'mixed',
    `${PLAIN}x`,
    'Content-Type: text/<b>\r\nContent-Disposition: attachment; filename=x\r\n\r\ny',
  ),
  {
    text: 'x',
    attachments: [{ filename: 'x', contentType: 'application/octet-stream', bytes: 'y' }],
    flags: ['bad_content_type'],
  },
)

// E10: mail in mail.
const INNER = 'From: Eve <eve@x.test>\r\nSubject: Inner\r\nContent-Type: text/plain\r\n\r\ninner text'
for (const [what, part, filename, bytes] of [
  [
    'inline',
    `Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n${INNER}`,
    'mail.eml',
    INNER,
  ],
  ['without a disposition', `Content-Type: message/rfc822\r\n\r\n${INNER}`, 'mail.eml', INNER],
  [
    'as a file',
    `Content-Type: message/rfc822; name="Old mail.eml"\r\nContent-Disposition: attachment\r\n\r\n${INNER}`,
    'Old mail.eml',
    INNER,
  ],
  [
    'in base64',
    `Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${btoa(INNER)}`,
    'mail.eml',
    INNER,
  ],
  [
    'in mail',
    `Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\n${INNER}`,
    'mail.eml',
    `Content-Type: message/rfc822\r\n\r\n${INNER}`,
  ],
  [
    'a multipart itself',
    `Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n${nested('i', `${PLAIN}inner`)}`,
    'mail.eml',
    `Content-Type: multipart/mixed; boundary=i\r\n\r\n${nested('i', `${PLAIN}inner`)}`,
  ],
  ['that is no mail', 'Content-Type: message/rfc822\r\n\r\nsorry, no mail!', 'mail.eml', 'sorry, no mail!'],
] as const)
  add(
    `E10 a mail in a mail, ${what}, is a file`,
    multipart('mixed', `${PLAIN}outer`, part, `${PLAIN}below`),
    {
      text: 'outer\nbelow',
      attachments: [{ filename, bytes, contentType: 'message/rfc822', disposition: 'attachment' }],
    },
  )
add(
  'E10 in a digest, what has no type is a mail',
  multipart('digest', `\r\n${INNER}`, `\r\n${INNER}`, `${PLAIN}note`),
  {
    text: 'note',
    attachments: [
      { filename: 'mail.eml', bytes: INNER },
      { filename: 'mail.eml', bytes: INNER },
    ],
  },
)
add('E10 a mail that is nothing but another', `${HEAD}Content-Type: message/rfc822\r\n\r\n${INNER}`, {
  text: '',
  attachments: [{ contentType: 'message/rfc822', bytes: INNER }],
})

// Text and files.
for (const [what, header, type] of [
  ['that says so', 'Content-Type: text/plain\r\nContent-Disposition: attachment', 'text/plain'],
  ['with a name', 'Content-Type: text/plain; name=notes.txt', 'text/plain'],
  [
    'with a name, inline',
    'Content-Type: text/plain\r\nContent-Disposition: inline; filename=notes.txt',
    'text/plain',
  ],
  ['of HTML', 'Content-Type: text/html\r\nContent-Disposition: attachment; filename=page.html', 'text/html'],
  ['of CSV', 'Content-Type: text/csv', 'text/csv'],
  ['of a log', 'Content-Type: text/x-log', 'text/x-log'],
] as const)
  add(
    `RD20 a text file ${what} is a file, byte for byte`,
    multipart('mixed', `${PLAIN}See the file.`, `${header}\r\n\r\na;b\nc\rd\r\n\r\n \xff\0`),
    {
      text: 'See the file.',
      html: null,
      attachments: [{ contentType: type, bytes: 'a;b\nc\rd\r\n\r\n \xff\0' }],
    },
  )
add(
  'RD20 text in quoted-printable keeps the line ends that it has',
  multipart(
    'mixed',
    `${PLAIN}x`,
    'Content-Type: text/csv; name=a.csv\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Bb\r\nc\nd=0D',
  ),
  { text: 'x', attachments: [{ filename: 'a.csv', bytes: 'a;b\r\nc\nd\r' }] },
)
add(
  'RD21 texts between pictures are text, in their order; so is one in another multipart',
  multipart(
    'mixed',
    `${PLAIN}one`,
    'Content-Type: image/png; name=a.png\r\nContent-Disposition: inline\r\n\r\nPNG',
    'Content-Type: text/plain\r\nContent-Disposition: inline\r\n\r\ntwo',
    'Content-Type: image/png; name=b.png\r\n\r\nPNG',
    `Content-Type: multipart/mixed; boundary=i\r\n\r\n${nested('i', `${PLAIN}three`, '\r\nfour')}`,
  ),
  {
    text: 'one\ntwo\nthree\nfour',
    html: null,
    attachments: [
      { ...PICTURE, filename: 'a.png', disposition: 'inline' },
      { ...PICTURE, filename: 'b.png', disposition: 'attachment' },
    ],
  },
)
add(
  'RD21 HTML and text beside each other: both are in both, and in their order',
  multipart('mixed', `${PLAIN}one <1>\r\n`, `${HTML}<p>two</p>`, `${PLAIN}three`),
  { text: 'one <1>\ntwo\nthree', html: '<div>one &lt;1&gt;</div>\n<p>two</p>\n<div>three</div>' },
)
add(
  'RD21 of alternatives each form is taken once',
  multipart('alternative', `${PLAIN}plain`, `${HTML}<p>html</p>`),
  {
    text: 'plain',
    html: '<p>html</p>',
  },
)
add(
  'RD21 alternatives of which one is a multipart with pictures',
  multipart(
    'alternative',
    `${PLAIN}plain`,
    `Content-Type: multipart/related; boundary=i\r\n\r\n${nested('i', `${HTML}<img src="cid:p@x">`, 'Content-Type: image/png\r\nContent-ID: <p@x>\r\n\r\nPNG')}`,
  ),
  {
    text: 'plain',
    html: '<img src="cid:p@x">',
    attachments: [{ ...PICTURE, disposition: 'inline', contentId: 'p@x' }],
  },
)
add(
  'RD21 alternatives with a footer below them, which a list put there',
  multipart(
    'mixed',
    `Content-Type: multipart/alternative; boundary=i\r\n\r\n${nested('i', `${PLAIN} \r\n`, `${HTML}<p>Where is it?</p>`)}`,
    `${PLAIN}-- list`,
  ),
  { text: 'Where is it?\n-- list', html: '<p>Where is it?</p>\n<div>-- list</div>' },
)
add(
  'RD21 the root of related parts is the one that start names',
  multipart(
    'related; start="<r@x>"',
    'Content-Type: image/png\r\nContent-ID: <p@x>\r\n\r\nPNG',
    'Content-Type: text/html\r\nContent-ID: <r@x>\r\n\r\n<p>root</p>',
  ),
  {
    text: 'root',
    attachments: [{ ...PICTURE, contentId: 'p@x', disposition: 'attachment' }],
  },
)
add(
  'RD21 a text with a name is the text of a mail that has no other',
  mail('Content-Type: text/plain; name="message.txt"', 'hello'),
  {
    text: 'hello',
    attachments: [{ filename: 'message.txt', bytes: 'hello' }],
  },
)
add(
  'RD22 calendars keep their method, reports their parts',
  multipart(
    'mixed',
    `${PLAIN}x`,
    'Content-Type: text/calendar; method=REPLY; charset=utf-8\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REPLY\r\n',
  ),
  {
    text: 'x',
    attachments: [
      { contentType: 'text/calendar; method=REPLY', bytes: 'BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\n' },
    ],
  },
)
add(
  'C11 a delivery report with nothing but the headers of our mail',
  multipart(
    'report; report-type="delivery-status"',
    `${PLAIN}Undelivered.`,
    'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\nStatus: 5.1.1',
    'Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <our@shop.test>\r\n',
  ),
  {
    reportType: 'delivery-status',
    text: 'Undelivered.',
    attachments: [
      { contentType: 'message/delivery-status', bytes: 'Reporting-MTA: dns; mx.test\r\n\r\nStatus: 5.1.1' },
      { contentType: 'text/rfc822-headers', bytes: 'Message-ID: <our@shop.test>\r\n' },
    ],
  },
)

// E11, E12, E15
add('E11 HTML only', mail('Content-Type: text/html; charset=utf-8', utf8('<p>Größe?</p>')), {
  text: 'Größe?',
  html: '<p>Größe?</p>',
})
add('E11 HTML beside an empty text', multipart('alternative', `${PLAIN}\r\n \t\r\n`, `${HTML}<p>hello</p>`), {
  text: 'hello',
  html: '<p>hello</p>',
})
add('E11 an entity that is none stays', mail('Content-Type: text/html', '&toString; &nope; &#0;&amp;amp;'), {
  text: '&toString; &nope; &amp;',
})
add(
  'E11 HTML whose head never ends',
  mail('Content-Type: text/html', '<html><head><title>x</title><body>hello</html>'),
  { text: 'hello' },
)
add(
  'E12 nothing but files',
  multipart(
    'mixed',
    'Content-Type: application/pdf; name=a.pdf\r\n\r\nPDF',
    'Content-Type: image/png; name=b.png\r\n\r\nPNG',
  ),
  {
    text: '',
    html: null,
    attachments: [
      { filename: 'a.pdf', bytes: 'PDF' },
      { filename: 'b.png', bytes: 'PNG' },
    ],
  },
)
add(
  'E12 nothing but a picture',
  mail('Content-Type: image/png; name=b.png\r\nContent-Transfer-Encoding: base64', btoa('PNG')),
  {
    text: '',
    attachments: [{ ...PICTURE, filename: 'b.png' }],
  },
)
add('E12 nothing at all', '', { text: '', html: null, from: [], subject: '', messageId: null })
add('E12 only a header', HEAD, { text: '', html: null, subject: 'Hi' })
add(
  'E15 winmail.dat',
  multipart(
    'mixed',
    `${PLAIN}\r\n`,
    'Content-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+',
  ),
  {
    text: '\n',
    attachments: [{ filename: 'winmail.dat', contentType: 'application/ms-tnef', bytes: 'x\x9f>' }],
  },
)
add(
  'E15 S/MIME',
  mail(
    'Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64',
    'MIAG',
  ),
  {
    text: '',
    attachments: [{ filename: 'smime.p7m', contentType: 'application/pkcs7-mime', bytes: '0\x80\x06' }],
  },
)
add(
  'E15 PGP',
  multipart(
    'encrypted; protocol="application/pgp-encrypted"',
    'Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1',
    'Content-Type: application/octet-stream; name=encrypted.asc\r\n\r\n-----BEGIN PGP MESSAGE-----',
  ),
  {
    text: '',
    attachments: [{ contentType: 'application/pgp-encrypted' }, { filename: 'encrypted.asc' }],
  },
)

// E17: addresses.
for (const [what, value, boxes] of [
  [
    'a group',
    'Team: a@x.test, "B, b" <b@x.test>;, c@x.test',
    [' <a@x.test>', 'B, b <b@x.test>', ' <c@x.test>'],
  ],
  ['an empty group', 'undisclosed-recipients:;', []],
  ['an address literal in a group', 'Team: a@[IPv6:::1];', [' <a@[IPv6:::1]>']],
  ['a quoted local part', '"john doe"@x.test, <"a@b"@x.test>', [' <"john doe"@x.test>', ' <"a@b"@x.test>']],
  [
    'several',
    'Al <a@x.test>, b@x.test; c@x.test d@x.test',
    ['Al <a@x.test>', ' <b@x.test>', ' <c@x.test>', ' <d@x.test>'],
  ],
  ['nobody', '', []],
  ['an empty address', '<>', []],
  ['a name without an address', 'MAILER-DAEMON <>', ['MAILER-DAEMON <>']],
  ['a name alone', 'Whomever', ['Whomever <>']],
  ['SMTPUTF8', utf8('Jörg <jörg@exämple.test>'), ['Jörg <jörg@exämple.test>']],
  [
    'comments everywhere',
    'Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>',
    ['Pete <pete@silly.test>'],
  ],
  ['a comment for a name', 'bob@x.test (Bob (the) Smith)', ['Bob (the) Smith <bob@x.test>']],
  ['a comment alone', '(nobody)', ['nobody <>']],
  [
    'obsolete blanks and routes',
    'Mary <@relay.test:mary@x.test>, , jdoe@test   . example',
    ['Mary <mary@x.test>', ' <jdoe@test.example>'],
  ],
  ['an encoded name with a comma', '=?utf-8?Q?D=C3=B6e,_John?= <j@x.test>', ['Döe, John <j@x.test>']],
  ['an encoded name in quotes', '"=?utf-8?B?5L2g5aW9?=, x" <j@x.test>', ['你好, x <j@x.test>']],
  ['a name that looks like an address', '"ceo@shop.test" <eve@evil.test>', ['ceo@shop.test <eve@evil.test>']],
  ['an encoded name that looks like an address', '=?utf-8?Q?ceo=40shop.test?=', ['ceo@shop.test <>']],
  ['a mailbox encoded whole', `=?utf-8?B?${btoa('Bob <bob@x.test>')}?=`, ['Bob <bob@x.test>']],
  ['a quote never closed', '"Bob <bob@x.test>', ['Bob <bob@x.test>']],
  ['brackets never closed', 'Bob <bob@x.test, Al (x <al@x.test>', ['Bob <bob@x.test>', 'Al x <al@x.test>']],
  ['two at signs', 'a@@b.test', [' <a@@b.test>']],
  ['a line end in an encoded name', '=?utf-8?Q?a=0D=0ABcc:_b?= <a@x.test>', ['a Bcc: b <a@x.test>']],
] as const) {
  add(`E17 From: ${what}`, mail('', 'x').replace('Alice <alice@customer.test>', value), { from: [...boxes] })
  add(`E17 To: ${what}`, mail('', 'x').replace('support@shop.test', value), { to: [...boxes] })
}
add(
  'E17 of two From fields the first that names anybody counts',
  `From: \r\nFrom: a@x.test\r\nFrom: b@x.test\r\n\r\nx`,
  { from: [' <a@x.test>'] },
)
add(
  'E17 two To fields are put together',
  `To: a@x.test\r\nTo: b@x.test\r\nReply-To: "KLAUS- H\xc4NSCHEL" <>\r\n\r\nx`,
  {
    to: [' <a@x.test>', ' <b@x.test>'],
    replyTo: ['KLAUS- HÄNSCHEL <>'],
    flags: ['bad_charset'],
  },
)

add(
  'E18 70 files, one of them of no bytes',
  multipart(
    'mixed',
    ...Array.from(
      { length: 70 },
      (_, n) => `Content-Type: application/pdf; name=${n}.pdf\r\n\r\n${'x'.repeat(n)}`,
    ),
  ),
  {
    text: '',
    attachments: Array.from({ length: 70 }, (_, n) => ({
      filename: `${n}.pdf`,
      size: n,
      bytes: 'x'.repeat(n),
    })),
  },
)

// E21
for (const [what, parameters, body, text] of [
  [
    'reflowed',
    'format=flowed',
    'Where is \r\nmy order?\r\n\r\nThanks, \r\nAlice\r\n',
    'Where is my order?\n\nThanks, Alice\n',
  ],
  [
    'delsp',
    'format=Flowed; delsp=YES',
    `${utf8('退款')} \r\n${utf8('何時')} \r\n${utf8('入帳')}\r\n`,
    '退款何時入帳\n',
  ],
  [
    'a signature is not joined',
    'format=flowed',
    'Thanks \r\n-- \r\nAlice \r\nCustomer\r\n',
    'Thanks \n-- \nAlice Customer\n',
  ],
  [
    'stuffed blanks',
    'format=flowed',
    ' > no quote\r\n From here\r\n  two\r\n',
    '> no quote\nFrom here\n two\n',
  ],
  [
    'quotes of each depth by themselves',
    'format=flowed',
    '> a \r\n> b\r\n>> c \r\n>>d\r\n> e \r\nme\r\n',
    '> a b\n>> c d\n> e \nme\n',
  ],
  [
    'in quoted-printable',
    'format=flowed\r\nContent-Transfer-Encoding: quoted-printable',
    'Where=20\r\nis =\r\nit?\r\n',
    'Where is it?\n',
  ],
  ['only where it says so', 'format=fixed', 'a \r\nb\r\n', 'a \nb\n'],
] as const)
  add(`E21 flowed text: ${what}`, mail(`Content-Type: text/plain; charset=utf-8; ${parameters}`, body), {
    text,
  })

// G4, G5, G6
const CID = 'Content-Type: image/png\r\nContent-ID: <p%20q@x>\r\n'
add(
  'G4 a picture that the HTML names is shown, without a disposition and outside of related',
  multipart('mixed', `${HTML}<img src='cid:p%20q@x'>`, `${CID}\r\nPNG`),
  {
    attachments: [{ ...PICTURE, disposition: 'inline', contentId: 'p%20q@x' }],
  },
)
add(
  'G4 also where it is called an attachment',
  multipart(
    'mixed',
    `${HTML}<IMG SRC=CID:a@x>`,
    'Content-Type: image/png\r\nContent-ID: <a@x>\r\nContent-Disposition: attachment; filename=a.png\r\n\r\nPNG',
  ),
  {
    attachments: [{ ...PICTURE, filename: 'a.png', disposition: 'inline' }],
  },
)
add(
  'G5 Apple Mail: pictures between the pieces of HTML are shown',
  multipart(
    'alternative',
    `${PLAIN}See here. Thanks.`,
    `Content-Type: multipart/mixed; boundary=i\r\n\r\n${nested('i', `${HTML}<p>See here.</p>`, 'Content-Type: image/png; x-unix-mode=0644; name="IMG 1.png"\r\nContent-Disposition: inline; filename="IMG 1.png"\r\nContent-Transfer-Encoding: base64\r\n\r\nUE5H', `${HTML}<p>Thanks.</p>`)}`,
  ),
  {
    text: 'See here. Thanks.',
    html: '<p>See here.</p>\n<p>Thanks.</p>',
    attachments: [{ ...PICTURE, filename: 'IMG 1.png', disposition: 'inline', contentId: null }],
  },
)
add(
  'G5 an iPhone’s plain text with a picture that has a Content-ID',
  multipart(
    'mixed',
    `${PLAIN}Look:`,
    'Content-Type: image/png; name=a.png\r\nContent-Disposition: inline; filename=a.png\r\nContent-Id: <A-1>\r\n\r\nPNG',
  ),
  {
    text: 'Look:',
    attachments: [{ ...PICTURE, disposition: 'inline', contentId: 'A-1' }],
  },
)
add(
  'G6 a part with a Content-ID that the HTML does not name is a file',
  multipart(
    'related',
    `${HTML}<img src="cid:other@x">`,
    'Content-Type: image/png\r\nContent-Disposition: inline; filename=a.png\r\nContent-ID: <a@x>\r\n\r\nPNG',
  ),
  {
    attachments: [{ ...PICTURE, filename: 'a.png', disposition: 'attachment' }],
  },
)

// G7: names of files.
for (const [what, header, filename] of [
  ['a path', 'Content-Disposition: attachment; filename="../../etc/passwd"', 'passwd'],
  ['a path of Windows', 'Content-Disposition: attachment; filename="C:\\Users\\me\\a.txt"', 'a.txt'],
  [
    'a path of Windows without quotes',
    'Content-Disposition: attachment; filename=C:\\Users\\me\\a b.txt',
    'a b.txt',
  ],
  [
    'letters that turn the writing',
    `Content-Disposition: attachment; filename="${utf8('inv\u202efdp.exe')}"`,
    'invfdp.exe',
  ],
  [
    '300 characters',
    `Content-Disposition: attachment; filename="${'x'.repeat(300)}.pdf"`,
    `${'x'.repeat(100)}…${'x'.repeat(12)}.pdf`,
  ],
  ['a script', 'Content-Disposition: attachment; filename="<script>.html"', '_script_.html'],
  [
    'RFC 2231',
    "Content-Disposition: attachment; filename*=utf-8''%E7%99%BC%E7%A5%A8.pdf; filename=x.pdf",
    '發票.pdf',
  ],
  [
    'RFC 2231 pieces, not in their order',
    "Content-Disposition: attachment; filename*1*=%A8.pdf;\r\n filename*0*=utf-8'zh'%E7%99%BC%E7%A5",
    '發票.pdf',
  ],
  [
    'RFC 2231 pieces, some of them plain',
    'Content-Disposition: attachment; filename*0*=iso-8859-1\'\'Gr%F6; filename*1="e (1)"; filename*2=.pdf',
    'Gröe (1).pdf',
  ],
  [
    'RFC 2231 pieces without a charset',
    'Content-Disposition: attachment; filename*0="Annual "; filename*1="Report.pdf"',
    'Annual Report.pdf',
  ],
  ['an encoded-word', 'Content-Disposition: attachment; filename="=?utf-8?B?55m856WoLnBkZg==?="', '發票.pdf'],
  [
    'an encoded-word without quotes',
    'Content-Disposition: attachment; filename==?utf-8?B?55m856WoLnBkZg==?=',
    '發票.pdf',
  ],
  [
    'encoded-words, folded',
    'Content-Disposition: attachment;\r\n filename="=?gb2312?B?t6LGsQ==?=\r\n =?gb2312?Q?.pdf?="',
    '发票.pdf',
  ],
  ['raw UTF-8', `Content-Disposition: attachment; filename="${utf8('發票.pdf')}"`, '發票.pdf'],
  ['brackets, no comment', 'Content-Disposition: attachment; filename=Invoice (1).pdf', 'Invoice (1).pdf'],
  ['escaped quotes', 'Content-Disposition: attachment; filename="a \\"b\\" \\\\ c.pdf"', 'c.pdf'],
  ['a quote never closed', 'Content-Disposition: attachment; filename="a.pdf', 'a.pdf'],
  ['a semicolon missing', 'Content-Disposition: attachment filename=a.pdf', 'a.pdf'],
  ['the name of the type', 'Content-Type: application/pdf; name="a.pdf"', 'a.pdf'],
  ['its address', 'Content-Type: image/png\r\nContent-Location: http://x.test/i/a.png?size=1', 'a.png'],
  ['none', 'Content-Disposition: attachment', 'attachment.plain'],
] as const)
  add(`G7 a file name: ${what}`, multipart('mixed', `${PLAIN}x`, `${header}\r\n\r\ndata`), {
    text: 'x',
    attachments: [{ filename, bytes: 'data' }],
  })

// Line ends and header blocks.
add(
  'RD23 CR alone ends the lines, as on old Macs',
  `${HEAD}Content-Type: text/plain\r\n\r\none\r\ntwo\r\n\r\nthree`.replaceAll('\r\n', '\r'),
  {
    subject: 'Hi',
    from: ['Alice <alice@customer.test>'],
    text: 'one\ntwo\n\nthree',
  },
)
add(
  'RD23 CR alone, in a multipart',
  multipart('mixed', `${PLAIN}one`, 'Content-Type: text/csv\r\n\r\na').replaceAll('\r\n', '\r'),
  {
    text: 'one',
    attachments: [{ contentType: 'text/csv', bytes: 'a' }],
  },
)
add('RD23 CR alone in the header, LF in the text', `${HEAD.replaceAll('\r\n', '\r')}\rone\ntwo`, {
  subject: 'Hi',
  text: 'one\ntwo',
})
add('RD23 LF alone', multipart('mixed', `${PLAIN}one`, `${PLAIN}two`).replaceAll('\r\n', '\n'), {
  text: 'one\ntwo',
})
add('RD23 CR CR LF', multipart('mixed', `${PLAIN}one\r\ntwo`).replaceAll('\r\n', '\r\r\n'), {
  subject: 'Hi',
  text: 'one\ntwo',
})
add('RD23 a stray CR in the text is a line end', mail('', 'one\rtwo\r\nthree'), { text: 'one\ntwo\nthree' })
add('RD23 a stray CR in a field makes no other field', mail('X: a\rBcc: b@x.test', 'x'), {
  text: 'x',
  cc: [],
})
add('RD24 a header without an empty line ends where no field comes', `${HEAD}Hello there,\r\nwhere is it?`, {
  subject: 'Hi',
  text: 'Hello there,\nwhere is it?',
})
add(
  'RD24 a line broken inside a field goes on with it',
  `${HEAD}References: <a@x.test>\r\n<b@x.test>\r\n\r\nx`,
  { references: ['<a@x.test>', '<b@x.test>'], text: 'x' },
)
add('RD24 a part without a header is text', multipart('mixed', 'Hello there,\r\n\r\nwhere is it?'), {
  text: 'Hello there,\n\nwhere is it?',
})
add(
  'RD24 a mailbox file’s first line, a mark and empty lines before the header',
  `\xef\xbb\xbf\r\nFrom alice Mon Nov  2 10:00:00 2026\r\n${HEAD}\r\nx`.replace(
    '\r\nFrom alice',
    'From alice',
  ),
  { subject: 'Hi', text: 'x' },
)
add('RD24 empty lines before the header', `\r\n\r\n${HEAD}\r\nx`, { subject: 'Hi', text: 'x' })
add(
  'RD25 an outer boundary ends what is inside',
  mail(
    'Content-Type: multipart/mixed; boundary=out',
    `--out\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n${PLAIN}one\r\n--out\r\n${PLAIN}two\r\n--out--`,
  ),
  { text: 'one\ntwo' },
)
add(
  'RD25 a multipart that is never closed',
  mail('Content-Type: multipart/mixed; boundary=b', `--b\r\n${PLAIN}one\r\n--b\r\n${PLAIN}two`),
  { text: 'one\ntwo' },
)
add(
  'RD25 boundaries of which one begins like the other',
  mail(
    'Content-Type: multipart/mixed; boundary=b',
    `--b\r\nContent-Type: multipart/alternative; boundary=b--\r\n\r\n--b--\r\n${PLAIN}one\r\n--b----\r\n--b\r\n${PLAIN}two\r\n--b-- \t\r\n`,
  ),
  { text: 'one\ntwo' },
)
add(
  'RD25 what stands before the first part, and after the last, is no text',
  mail(
    'Content-Type: multipart/mixed; boundary=b',
    `This is a multi-part message.\r\n\r\n${nested('b', `${PLAIN}one`)}epilogue`,
  ),
  { text: 'one' },
)

// B1 to B4, RD2: what identifies a mail.
for (const [value, id] of [
  ['', null],
  ['<>', null],
  ['< a @ b >', '< a @ b >'],
  ['<a@@b>', '<a@@b>'],
  ['a.b@c', 'a.b@c'],
] as const)
  add(`B4 Message-ID: ${JSON.stringify(value)}`, mail(`Message-ID: ${value}`, 'x'), { messageId: id })
add('B1 no Message-ID', mail('', 'x'), { messageId: null })
for (const [value, at] of [
  ['Mon, 02 Nov 2026 10:00:00 +0800', Date.UTC(2026, 10, 2, 2)],
  ['2 Nov 26 10:00 EST', Date.UTC(2026, 10, 2, 15)],
  ['Mon,  2 Nov 2026 10:00:00 -0000 (UTC)', Date.UTC(2026, 10, 2, 10)],
  ['Mon, 2 Nov 2026 10:00:00', Date.UTC(2026, 10, 2, 10)],
  ['Mon Nov  2 10:00:00 2026', Date.UTC(2026, 10, 2, 10)],
  ['Mon Nov  2 10:00:00 PST 2026', Date.UTC(2026, 10, 2, 18)],
  ['2026-11-02T10:00:00+08:00', Date.UTC(2026, 10, 2, 2)],
  ['Thu, 13 Feb 1969 23:32 -0330 (Newfoundland Time)', Date.UTC(1969, 1, 14, 3, 2)],
  ['Fri, 21 Nov 1997 09(comment):   55  :  06 -0600', Date.UTC(1997, 10, 21, 15, 55, 6)],
  ['Tue, 19 Jan 2038 03:14:08 GMT', 2 ** 31 * 1000],
  ['Thu, 01 Jan 1970 00:00:00 +0000', 0],
  ['Wed, 15 Dec 2010    59:10 -0500', null],
  ['Whenever', null],
  ['', null],
] as const)
  add(`A20 Date: ${value}`, mail(`Date: ${value}`, 'x'), { date: at })
add(
  'A20 of two Dates the first that can be read',
  mail(
    'Date: Whenever\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\nDate: Tue, 03 Nov 2026 10:00:00 +0000',
    'x',
  ),
  { date: Date.UTC(2026, 10, 2, 10) },
)
add('C9 an empty Return-Path', `Return-Path: <>\r\n${mail('', 'x')}`, { returnPath: '' })

export const oddMails: readonly OddMail[] = odd
