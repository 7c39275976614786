/**
 * What postal-mime 4.0.0 makes of mail that we read with code of our own. Each row is recorded as it is, so that the departure
 * stays proved; where one fails, postal-mime has mended, and it may be time to give that part back.
 */
import PostalMime, { type Email as Parsed } from 'postal-mime'
import { describe, expect, it } from 'vitest'
import type { Email } from '../../src/domain/email.ts'
import { readEmail } from '../../src/mail/email.ts'
import { bytesOf } from '../support/odd-mail.ts'

interface Gap {
  what: string
  raw: string
  right: unknown
  ours: (email: Email) => unknown
  theirs: (parsed: Parsed) => unknown
}

const text = {
  ours: (email: Email) => email.text.trim(),
  theirs: (parsed: Parsed) => (parsed.text ?? '').trim(),
}
const subject = { ours: (email: Email) => email.subject, theirs: (parsed: Parsed) => parsed.subject }
const firstFile = {
  ours: (email: Email) => latin1(email.attachments[0]?.content),
  theirs: (parsed: Parsed) => latin1(parsed.attachments[0]?.content),
}
const from = {
  ours: (email: Email) => email.from.map(box => box.address),
  theirs: (parsed: Parsed) =>
    [parsed.from]
      .flatMap(one => (one?.address === undefined ? (one?.group ?? []) : [one]))
      .map(box => box.address),
}

function latin1(content: ArrayBuffer | Uint8Array | string | null | undefined): string {
  return Buffer.from(content as Uint8Array).toString('latin1')
}

const MIXED = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nouter\r\n--b\r\n'

const gaps: Gap[] = [
  {
    what: 'the bytes of a text file',
    raw: `${MIXED}Content-Type: text/csv; name=a.csv\r\n\r\na;b\r\nc;d\r\n--b--`,
    right: 'a;b\r\nc;d',
    ...firstFile,
  },
  {
    what: 'text with a file name',
    raw: `${MIXED}Content-Type: text/plain; name=a.log\r\n\r\nlog\r\n--b--`,
    right: 'outer',
    ...text,
  },
  {
    what: 'a nested mail without the option that we set',
    raw: `${MIXED}Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninner\r\n--b--`,
    right: 'outer',
    ...text,
  },
  { what: 'UTF-7', raw: 'Content-Type: text/plain; charset=utf-7\r\n\r\n+kABrPg-', right: '退款', ...text },
  { what: 'UTF-7 in a header', raw: 'Subject: =?utf-7?Q?+kABrPg-?=\r\n\r\n', right: '退款', ...subject },
  {
    what: 'ISO-2022-KR',
    raw: 'Content-Type: text/plain; charset=iso-2022-kr\r\n\r\n\x1b$)C\x0eH/:R\x0f',
    right: '환불',
    ...text,
  },
  {
    what: 'a code page of DOS',
    raw: 'Content-Type: text/plain; charset=cp850\r\n\r\nGr\x94\xe1e',
    right: 'Größe',
    ...text,
  },
  {
    what: 'no charset, and no UTF-8',
    raw: 'Content-Type: text/plain\r\n\r\nGr\xf6\xdfe',
    right: 'Größe',
    ...text,
  },
  { what: 'a raw Latin header', raw: 'Subject: Gr\xf6\xdfe\r\n\r\n', right: 'Größe', ...subject },
  {
    what: 'raw bytes in an encoded-word',
    raw: 'Subject: =?iso-8859-1?Q?Gr\xf6=DFe?=\r\n\r\n',
    right: 'Größe',
    ...subject,
  },
  { what: 'CR alone', raw: 'Subject: Hi\r\rhello\rthere', right: 'hello\nthere', ...text },
  {
    what: 'a multipart whose boundary never comes',
    raw: 'Content-Type: multipart/mixed; boundary=b\r\n\r\nhello',
    right: 'hello',
    ...text,
  },
  {
    what: 'a semicolon missing',
    raw: 'Content-Type: multipart/mixed\r\n boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b--',
    right: 'hello',
    ...text,
  },
  {
    what: 'a part without a header',
    raw: `${MIXED.replace('\r\nouter', 'outer\r\n\r\nmore')}--b--`,
    right: 'outer\n\nmore',
    ...text,
  },
  {
    what: 'quotes in flowed text',
    raw: 'Content-Type: text/plain; format=flowed\r\n\r\n> a \r\nme',
    right: '> a \nme',
    ...text,
  },
  {
    what: 'text that is called base64',
    raw: 'Content-Transfer-Encoding: base64\r\n\r\nWhere is my order?',
    right: 'Where is my order?',
    ...text,
  },
  {
    what: 'several senders',
    raw: 'From: a@x.test, b@x.test\r\n\r\n',
    right: ['a@x.test', 'b@x.test'],
    ...from,
  },
  {
    what: 'comments in an address',
    raw: 'From: Pete <pete(his)@x.test(its)>\r\n\r\n',
    right: ['pete@x.test'],
    ...from,
  },
  {
    what: 'a comma in an encoded name',
    raw: 'From: =?utf-8?Q?D,_J?= <j@x.test>\r\n\r\n',
    right: ['j@x.test'],
    ...from,
  },
  {
    what: 'a route before an address',
    raw: 'From: <@r.test:j@x.test>\r\n\r\n',
    right: ['j@x.test'],
    ...from,
  },
]

describe('postal-mime 4.0.0, why not', () => {
  it.each(gaps)('RD28 $what: right here, and not there', async ({ raw, right, ours, theirs }) => {
    expect(ours(await readEmail(bytesOf(raw)))).toEqual(right)
    expect(theirs(await PostalMime.parse(bytesOf(raw), { attachmentEncoding: 'arraybuffer' }))).not.toEqual(
      right,
    )
  })

  it('RD28 50,000 empty lines: at least fifty times as long there', async () => {
    const raw = bytesOf(`Content-Type: text/plain\r\n\r\n${'\n'.repeat(50_000)}`)
    const took = async (read: () => Promise<unknown>) => {
      const times = []
      for (let n = 0; n < 3; n++) {
        const began = performance.now()
        await read()
        times.push(performance.now() - began)
      }
      return Math.min(...times)
    }
    const ours = await took(() => readEmail(raw))
    expect(await took(() => PostalMime.parse(raw))).toBeGreaterThan(ours * 50)
  })
})
