import { exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { endOfHeaders, headerText, readEmail, safeName } from '../../src/mail/email.ts'
import { hostileMail, hostileNames } from '../support/hostile-mail.ts'
import { oddMails, shown } from '../support/odd-mail.ts'
import { conversation, inbox, received, site } from './cast.ts'
import { mail } from './mail.ts'

const HEAD =
  'From: Alice <alice@customer.test>\r\nTo: support@shop.test\r\nSubject: Hi\r\nMessage-ID: <1@customer.test>\r\nMIME-Version: 1.0\r\n'

/** One character a byte. */
const bytesOf = (text: string) => Uint8Array.from(text, character => character.charCodeAt(0))
const read = (text: string) => readEmail(bytesOf(text))

/** Reads a mail that means harm, and says how long it took. */
async function timed(text: string) {
  const raw = bytesOf(text)
  const started = performance.now()
  const email = await readEmail(raw)
  return { email, ms: performance.now() - started }
}

describe('odd mail, in workerd as in Node', () => {
  it.each(oddMails)('$name', async ({ raw, says }) => {
    expect(shown(await readEmail(raw))).toMatchObject(says)
  })
})

describe('what is odd in a mail', () => {
  it('E4 NUL bytes are gone from subject, names and text', async () => {
    const email = await read(
      `${HEAD.replace('Subject: Hi', 'Subject: H\0i').replace('Alice', '"A\0lice"')}Content-Type: text/plain\r\n\r\nhe\0llo\0\r\n`,
    )
    expect([email.subject, email.from[0]!.name, email.text.trim()]).toEqual(['Hi', 'Alice', 'hello'])
  })

  it('E4 a mail of NUL bytes alone is read', async () => {
    expect((await read('\0'.repeat(100_000))).text).not.toContain('\0')
  })

  it.each([
    ['broken base64', 'base64', 'aGVsbG8g!!!d29ybGQ\r\n=', 'hello world'],
    ['base64 cut inside a character', 'base64', 'aGVsbG8gd29ybGQgw', 'hello world'],
    ['broken quoted-printable', 'quoted-printable', 'hello=ZZ world=', 'hello'],
    ['an encoding that does not exist', 'x-uuencode', 'hello world', 'hello world'],
  ])('E7 %s: what can be read is read', async (_, encoding, body, says) => {
    const email = await read(
      `${HEAD}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}`,
    )
    expect(email.text).toContain(says)
  })

  it.each([
    ['x-unknown', 'hello', 'hello'],
    ['_autodetect', 'hello', 'hello'],
    ['ansi', 'hello', 'hello'],
    ['gbk', '\xc4\xe3\xba\xc3', '你好'],
    ['big5', '\xb0\x68\xb4\xda', '退款'],
    ['shift_jis', '\x95\xd4\x8b\xe0', '返金'],
    ['koi8-r', '\xd0\xd2\xc9\xd7\xc5\xd4', 'привет'],
  ])('E1 E3 a body in charset %s', async (charset, body, says) => {
    const email = await read(
      `${HEAD}Content-Type: text/plain; charset=${charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${body}`,
    )
    expect(email.text.trim()).toBe(says)
  })

  it('E8 two Content-Types: the first one counts, and the body is there', async () => {
    const email = await read(`${HEAD}Content-Type: text/html\r\nContent-Type: text/plain\r\n\r\n<b>hello</b>`)
    expect(email.html).toBe('<b>hello</b>')
  })

  it('E8 no Content-Type at all is text', async () => {
    expect((await read(`${HEAD}\r\nhello`)).text.trim()).toBe('hello')
  })

  it('RD2 ids, addresses and dates as domain wants them', async () => {
    const email = await read(
      `${HEAD}Date: Mon, 02 Nov 2026 10:00:00 +0800\r\nIn-Reply-To: <a@b> <c@d>\r\nReferences: <a@b>\r\n\t<c@d>\r\nReturn-Path: <>\r\nCc: Team: bob@x.test, Eve <eve@x.test>;\r\nReply-To: <r@x.test>\r\n\r\nhello`,
    )
    expect(email).toMatchObject({
      messageId: '<1@customer.test>',
      inReplyTo: ['<a@b>', '<c@d>'],
      references: ['<a@b>', '<c@d>'],
      from: [{ name: 'Alice', address: 'alice@customer.test' }],
      cc: [{ address: 'bob@x.test' }, { name: 'Eve', address: 'eve@x.test' }],
      replyTo: [{ address: 'r@x.test' }],
      returnPath: '',
      date: Date.UTC(2026, 10, 2, 2),
      flags: [],
    })
  })

  it.each([
    '',
    '\r\n',
    '\n\n',
    '\r\n\r\n',
    ':',
    ': \r\n',
    'x',
    '\xff\xfe',
    '--',
    'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n',
  ])('RD1 what is hardly a mail is read: %j', async text => {
    const email = await read(text)
    expect(email).toMatchObject({ messageId: null, from: [], attachments: [] })
  })
})

describe('mail that means harm', () => {
  const deep = (depth: number) => {
    const parts = Array.from(
      { length: depth },
      (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
    )
    return `${HEAD}${parts.join('')}Content-Type: text/plain\r\n\r\nhello\r\n`
  }

  it.each([60, 900, 1_000, 10_000])(
    'E9 %i multiparts one in another are given up at once, flagged, and the headers are read',
    async depth => {
      const { email, ms } = await timed(deep(depth))
      expect(ms).toBeLessThan(2000)
      expect(email.flags.some(flag => flag === 'unreadable' || flag === 'too_many_parts')).toBe(true)
      expect(email).toMatchObject({
        subject: 'Hi',
        messageId: '<1@customer.test>',
        from: [{ address: 'alice@customer.test' }],
      })
    },
  )

  it('E9 forty multiparts one in another are a mail', async () => {
    expect((await read(deep(40))).text.trim()).toBe('hello')
  })

  it('E9 of 100,000 parts the first are read, flagged, their files left in the original, and the headers are read', async () => {
    const parts = '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n'.repeat(100_000)
    const { email, ms } = await timed(`${HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts}--b--`)
    expect(ms).toBeLessThan(2000)
    expect(email).toMatchObject({
      flags: ['many_parts', 'too_many_parts', 'unreadable'],
      subject: 'Hi',
      text: `${'x\n'.repeat(998)}x`,
      attachments: [],
    })
  })

  it.each([
    ['a megabyte of encoded-words', 'Subject: Hi', `Subject: ${'=?utf-8?q?a?= '.repeat(75_000)}`],
    [
      'as many as go in before the headers are too long',
      'Subject: Hi',
      `Subject: ${'=?utf-8?q?a?= '.repeat(60_000)}`,
    ],
    ['the same, folded', 'Subject: Hi', `Subject: ${'=?utf-8?q?a?=\r\n '.repeat(70_000)}`],
    ['encoded-words that never end', 'Subject: Hi', `Subject: ${'=?utf-8?b?'.repeat(100_000)}`],
    ['one header of a megabyte', 'Subject: Hi', `Subject: Hi\r\nX-Long: ${'y'.repeat(1_000_000)}`],
    ['a million header lines', 'Subject: Hi', `Subject: Hi${'\r\nX: y'.repeat(1_000_000)}`],
    ['200,000 opening brackets in To', 'To: support@shop.test', `To: ${'('.repeat(200_000)}`],
    ['100,000 opening quotes in To', 'To: support@shop.test', `To: ${'<"'.repeat(100_000)}`],
    ['References of a megabyte', 'Subject: Hi', `Subject: Hi\r\nReferences: ${'<a@b> '.repeat(170_000)}`],
    [
      'a Content-Type with 50,000 parameters',
      'Subject: Hi',
      `Subject: Hi\r\nContent-Type: text/plain${'; a=b'.repeat(50_000)}`,
    ],
  ])('E9 %s is read within two seconds', async (_, line, instead) => {
    const { email, ms } = await timed(`${HEAD.replace(line, instead)}\r\nhello`)
    expect(ms).toBeLessThan(2000)
    expect(email.from).toMatchObject([{ address: 'alice@customer.test' }])
  })

  it('E9 headers that were cut say so', async () => {
    const { email } = await timed(
      `${HEAD.replace('Subject: Hi', `Subject: Hi\r\nX-Long: ${'y'.repeat(300_000)}`)}\r\nhello`,
    )
    expect(email).toMatchObject({ flags: ['headers_cut', 'long_headers'], subject: 'Hi' })
    expect(email.text.trim()).toBe('hello')
  })
})

describe('mail that means harm, of every kind', () => {
  it.each(hostileNames)('E9 %s is read', async name => {
    const { raw } = hostileMail(name)
    const email = await readEmail(raw)
    expect(email.from).toEqual([{ name: 'Mallory', address: 'mallory@customer.test' }])
    expect(email.flags.includes('unreadable')).toBe(email.flags.some(flag => flag.startsWith('too_')))
  })
})

describe('names of files', () => {
  it.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\Windows\\evil.exe', 'evil.exe'],
    ['inv\u202efdp.exe', 'invfdp.exe'],
    ['a\u0000b\nc\rd.txt', 'abcd.txt'],
    ['<script>alert(1)</script>', 'script_'],
    ['a:b|c?.txt', 'a_b_c_.txt'],
    ['發票 2026.pdf', '發票 2026.pdf'],
    ['x'.repeat(300), `${'x'.repeat(100)}…${'x'.repeat(16)}`],
    ['', 'attachment.plain'],
    ['  ', 'attachment.plain'],
    ['..', 'attachment.plain'],
    ['a/', 'attachment.plain'],
  ])('G7 %j becomes %j', (given, name) => {
    expect(safeName(given, 'text/plain')).toBe(name)
  })

  it('G7 without a name the type gives one, and a type that is none gives bin', () => {
    expect(safeName('', 'message/rfc822')).toBe('mail.eml')
    expect(safeName('', 'image/png')).toBe('attachment.png')
    expect(safeName('', '')).toBe('attachment.bin')
    expect(safeName('', '../../x')).toBe('attachment.bin')
  })
})

describe('the header block', () => {
  it.each([
    ['A: b\r\n\r\nbody', 'A: b\r\n'],
    ['A: b\n\nbody', 'A: b\n'],
    ['A: b\r\nno end', 'A: b\r\nno end'],
    ['A: \x80\x92\xa0\xff\n\n', 'A: \x80\x92\xa0\xff\n'],
    ['', ''],
  ])('RD3 of %j ends before the empty line', (raw, head) => {
    expect(headerText(bytesOf(raw))).toBe(head)
    expect(endOfHeaders(bytesOf(raw))).toBe(head.length)
  })
})

describe('mail that cannot be read', () => {
  it('A12 is shown, marked, with its headers and its original, is not answered, and the next one comes through', async () => {
    const { siteId, headers } = await site()
    const config = await inbox(siteId)
    const nested = Array.from(
      { length: 60 },
      (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
    ).join('')
    const bad = `From: Bob <bob@customer.test>\r\nTo: ${config.address}\r\nSubject: Deep\r\nMessage-ID: <deep@x>\r\n${nested}`
    const [unread, fine] = await received(config, [bad, mail({ to: config.address })])
    const { messages } = (await conversation(siteId, unread!.conversationId).read())!
    expect(messages[0]).toMatchObject({
      sender: { name: 'Bob' },
      details: {
        subject: 'Deep',
        flags: ['too_deep', 'unreadable'],
        reply: { do: 'silent' },
        verdict: { maySend: false },
      },
    })
    const get = (path: string) =>
      exports.default.fetch(`http://edgedesk.test/api/v1/messages/${path}`, { headers })
    expect(await (await get(unread!.messageId)).json()).toMatchObject({
      flags: ['too_deep', 'unreadable'],
      content: '',
    })
    expect((await (await get(`${unread!.messageId}/original`)).arrayBuffer()).byteLength).toBe(bad.length)
    expect((await (await get(fine!.messageId)).json()) as object).toMatchObject({
      content: 'How do I get a refund?',
      flags: [],
    })
  })

  it('A12 a mail of no bytes at all becomes a message that nobody answers, and stops nothing', async () => {
    const { siteId } = await site()
    const config = await inbox(siteId)
    const [empty, fine] = await received(config, ['', mail({ to: config.address })])
    expect(empty!.conversationId).not.toBe(fine!.conversationId)
    const { messages } = (await conversation(siteId, empty!.conversationId).read())!
    expect(messages[0]!.details.reply).toMatchObject({ do: 'silent' })
  })
})
