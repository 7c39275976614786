/**
 * Mail that means harm to whoever reads it: what costs a careless reader more than linear time, or memory without bound. Built
 * anew at each call, each at least a megabyte, so that a rate in milliseconds a megabyte means something.
 */

export interface HostileMail {
  name: string
  raw: Uint8Array
}

const MB = 1024 * 1024

const HEAD =
  'From: Mallory <mallory@customer.test>\r\nTo: support@shop.test\r\nSubject: Hi\r\nMIME-Version: 1.0\r\n'

/** One character a byte. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/** As often as makes a megabyte. */
const fill = (unit: string, bytes = MB) => unit.repeat(Math.ceil(bytes / unit.length))

const numbered = (count: number, unit: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => unit(n)).join('')

const body = (type: string, text: string, encoding = '8bit') =>
  `${HEAD}Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${text}`

const mixed = (text: string, boundary = 'b') =>
  `${HEAD}Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n${text}`

const mails: Record<string, () => string> = {
  // Structure
  '10,000 multiparts one in another': () =>
    HEAD +
    numbered(
      10_000,
      n =>
        `Content-Type: multipart/mixed; boundary="${'b'.repeat(60)}${n}"\r\n\r\n--${'b'.repeat(60)}${n}\r\n`,
    ),
  '10,000 multiparts one in another under one boundary': () =>
    HEAD + fill('Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n'),
  '100,000 parts': () => mixed(fill('--b\r\nContent-Type: text/plain\r\n\r\nx\r\n')),
  '350,000 parts of nothing': () => mixed(fill('--b\n')),
  '900 parts that are HTML, with pictures that are not there': () =>
    mixed(
      numbered(900, n => `--b\r\nContent-Type: text/html\r\n\r\n${'<img src="cid:x@y">'.repeat(60)}${n}\r\n`),
    ),
  'mail in mail in mail': () => HEAD + fill('Content-Type: message/rfc822\r\n\r\n'),
  'mail in base64 in mail': () => {
    let inner = 'x'.repeat(3_000)
    for (let n = 0; n < 20; n++)
      inner = `Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${btoa(inner)}`
    return HEAD + inner
  },
  'a digest of 100,000 mails': () =>
    `${HEAD}Content-Type: multipart/digest; boundary=b\r\n\r\n${fill('--b\r\n\r\nx:\r\n\r\n')}`,
  'lines that look like boundaries': () => {
    const boundary = 'x'.repeat(69)
    return mixed(fill(`--${boundary}y\r\n`), `${boundary}z`)
  },
  'short lines that look like boundaries': () => mixed(fill('--a\n'), 'ab'),
  dashes: () => mixed(fill('-')),
  'lines of two dashes': () => mixed(fill('--\n')),
  '50 open boundaries that differ in their last letter, and lines that are none of them': () => {
    const stem = 'x'.repeat(60)
    const open = numbered(
      45,
      n => `Content-Type: multipart/mixed; boundary="${stem}${n}"\r\n\r\n--${stem}${n}\r\n`,
    )
    return HEAD + open + fill(`--${stem}??\r\n`)
  },
  'a multipart that never ends its header': () => mixed(`--b\r\n${fill('X: y\r\n')}`),
  'parts whose header never ends': () => mixed(fill('--b\r\nX: y\r\nX: y\r\n')),
  'parts with 64 KB of parameters': () =>
    mixed(numbered(20, () => `--b\r\nContent-Type: text/plain${'; a=b'.repeat(12_000)}\r\n\r\nx\r\n`)),
  // Headers
  'a header of a million lines': () => `${HEAD}${fill('X: y\r\n', 6 * MB)}\r\nhello`,
  '100,000 headers': () => `${HEAD}${numbered(100_000, n => `X-${n}: value\r\n`)}\r\nhello`,
  'one header of a megabyte': () => `${HEAD}X-Long: ${fill('y')}\r\n\r\nhello`,
  'one header folded a million times': () => `${HEAD}X-Long: y${fill('\r\n y', 4 * MB)}\r\n\r\nhello`,
  'a megabyte of colons': () => `${HEAD}${fill(':')}\r\n\r\nhello`,
  'a megabyte without a colon': () => `${HEAD}${fill('y')}`,
  'lines without a colon': () => `${HEAD}${fill('y\r\n')}\r\nhello`,
  'encoded-words in the subject': () => HEAD.replace('Hi', fill('=?utf-8?q?a?= ')),
  'encoded-words of many charsets in the subject': () =>
    HEAD.replace(
      'Hi',
      numbered(30_000, n => `=?${n % 2 ? 'koi8-r' : 'big5'}?b?gQ==?= `),
    ),
  'encoded-words of charsets that do not exist': () =>
    HEAD.replace(
      'Hi',
      numbered(50_000, n => `=?x${n}?q?=ff?= `),
    ),
  'encoded-words that never end': () => HEAD.replace('Hi', fill('=?utf-8?b?')),
  'encoded-words that hardly begin': () => HEAD.replace('Hi', fill('=?')),
  'encoded-words of which only the last ends': () => HEAD.replace('Hi', `${fill('=?a?b?')}?=`),
  'an encoded-word of a megabyte': () => HEAD.replace('Hi', `=?utf-8?q?${fill('=c3=bc')}?=`),
  'opening brackets in To': () => HEAD.replace('support@shop.test', fill('(')),
  'opening angle brackets in To': () => HEAD.replace('support@shop.test', fill('<')),
  'brackets inside angle brackets in To': () => HEAD.replace('support@shop.test', `<${fill('(')}`),
  'quotes in To': () => HEAD.replace('support@shop.test', fill('<"')),
  'groups in To': () => HEAD.replace('support@shop.test', fill('a:')),
  'at signs in To': () => HEAD.replace('support@shop.test', `a${fill('@')}`),
  'blanks and at signs in To': () => HEAD.replace('support@shop.test', fill('a@b ')),
  'commas in To': () => HEAD.replace('support@shop.test', fill(',')),
  '60,000 recipients': () =>
    HEAD.replace(
      'support@shop.test',
      numbered(60_000, n => `p${n}@shop.test,\r\n `),
    ),
  '200 To fields of many recipients': () =>
    `${HEAD}${numbered(200, () => `To: ${'a@b.test,'.repeat(600)}\r\n`)}\r\nhello`,
  'References of a megabyte': () => `${HEAD}References: ${fill('<a@b> ')}\r\n\r\nhello`,
  'brackets in the Content-Type': () => `${HEAD}Content-Type: text/plain ${fill('(')}\r\n\r\nhello`,
  'blanks in the Content-Type': () => `${HEAD}Content-Type: text/plain; name=a${fill('   b')}\r\n\r\nhello`,
  'quotes in the Content-Type': () => `${HEAD}Content-Type: text/plain; name=${fill('"\\')}\r\n\r\nhello`,
  'RFC 2231 pieces': () =>
    `${HEAD}Content-Type: text/plain${numbered(60_000, n => `; name*${n}*=%41`)}\r\n\r\nhello`,
  // Bodies
  'line feeds': () => body('text/plain', fill('\n')),
  'line ends': () => body('text/plain', fill('\r\n')),
  'carriage returns': () => body('text/plain', fill('\r')),
  'carriage returns alone, in the header too': () => HEAD.replaceAll('\r\n', '\r') + fill('\r'),
  'a line of a megabyte': () => body('text/plain', fill('y')),
  'NUL bytes': () => body('text/plain', fill('\0')),
  'flowed lines': () => body('text/plain; format=flowed; delsp=yes', fill('> a \r\n')),
  'flowed line ends': () => body('text/plain; format=flowed', fill('\n')),
  'flowed quote marks': () => body('text/plain; format=flowed', fill('>')),
  'base64 of nothing': () => body('text/plain', fill('!?'), 'base64'),
  'base64 with padding everywhere': () => body('text/plain', fill('QQ==\n'), 'base64'),
  'quoted-printable escapes': () => body('text/plain; charset=utf-8', fill('=C3=BC'), 'quoted-printable'),
  'quoted-printable that is none': () => body('text/plain', fill('=ZZ='), 'quoted-printable'),
  'quoted-printable blanks': () => body('text/plain', fill(' \t'), 'quoted-printable'),
  'quoted-printable soft breaks with blanks': () =>
    body('text/plain', `=${fill(' ')}x${fill('= ')}`, 'quoted-printable'),
  'uuencoded lines': () => body('text/plain', `begin 644 x\n${fill('M\n')}`, 'x-uuencode'),
  'base64 blanks': () => body('text/plain', fill(' '), 'base64'),
  'UTF-16 carriage returns': () => body('text/plain; charset=utf-16le', fill('\r\0')),
  'UTF-7 that writes carriage returns': () => body('text/plain; charset=utf-7', fill('+AA0ADQAN-')),
  'UTF-7 that shifts at every letter': () => body('text/plain; charset=utf-7', fill('+AGE-')),
  'UTF-8 that is broken everywhere': () => body('text/plain; charset=utf-8', fill('\xc3')),
  'bytes without a charset': () => body('text/plain', fill('\xff\xfe\xfd')),
  'GB18030 letters': () => body('text/plain; charset=gb18030', fill('\xc4\xe3\xba\xc3')),
  'ISO-2022-JP escapes': () => body('text/plain; charset=iso-2022-jp', fill('\x1b$B\x1b(B')),
  'HTML tags': () => body('text/html', fill('<b>')),
  'HTML classes that almost begin a quote': () => body('text/html', fill('<a class=xgmail_attr>')),
  'HTML ids without a value': () => body('text/html', fill(`<a${' id= '.repeat(78)}>`)),
  'HTML opening brackets': () => body('text/html', fill('<')),
  'HTML entities': () => body('text/html', fill('&amp;')),
  'HTML comments that never end': () => body('text/html', fill('<!--')),
  'HTML tables': () => body('text/html', fill('<table><tr><td>')),
  'HTML quotes': () => body('text/html', fill('<blockquote>a')),
  'HTML attributes': () => body('text/html', `<a ${fill('class="x" ')}`),
  'HTML blanks': () => body('text/html', fill(' \n\t')),
  'content ids in HTML': () =>
    body(
      'text/html',
      numbered(60_000, n => `<img src="cid:${n}">`),
    ),
  'a file of 10 MB in base64': () =>
    mixed(
      `--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n${fill(`${'QUJD'.repeat(19)}\r\n`, 10 * MB)}--b--`,
    ),
  'a text of 25 MB': () =>
    body('text/plain; charset=utf-8', fill('Where is my order? Wo bleibt mein Paket?\r\n', 25 * MB)),
  'a literal of 50 MB, as far as it is handed on': () =>
    body('text/plain', fill('x', 50 * MB)).slice(0, 10 * MB),
}

/** Their names, for whoever cannot hold all of them at once. */
export const hostileNames: readonly string[] = Object.keys(mails)

export function hostileMail(name: string): HostileMail {
  return { name, raw: atLeast(mails[name]!()) }
}

export function hostileMails(): HostileMail[] {
  return hostileNames.map(hostileMail)
}

/** What is small because it multiplies when it is read is followed by text. */
function atLeast(text: string): Uint8Array {
  return bytesOf(text.length < MB ? `${text}\r\n\r\n${fill('hello ', MB - text.length)}` : text)
}
