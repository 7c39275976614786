/**
 * What a way of writing mail has to keep, as a list of rules over the bytes it makes. Ours keeps them all; mimetext runs
 * the same list with those it breaks, so that the reasons for not using it stay true or are taken back.
 */
import PostalMime from 'postal-mime'
import { describe, expect, it } from 'vitest'
import type { OutgoingEmail } from '../../src/mail/compose.ts'

/** Makes the bytes, or refuses and says which field. */
export type Compose = (mail: OutgoingEmail) => Promise<Uint8Array | { refused: string }>

export interface Broken {
  rule: string
  happens: string
  seen: RegExp
}

type Rule = [name: string, keep: (compose: Compose) => Promise<void>]

export function composeContract(library: string, compose: Compose, broken: Broken[] = []): void {
  describe(`MIME by ${library}`, () => {
    for (const [name, keep] of RULES) {
      const known = broken.find(({ rule }) => rule === name)
      if (known === undefined) it(name, () => keep(compose))
      else {
        it(`${name} (known to break: ${known.happens})`, async () => {
          await expect(keep(compose)).rejects.toThrow(known.seen)
        })
      }
    }
    it('the list of broken rules names rules that exist', () => {
      const names = RULES.map(([name]) => name)
      expect(broken.map(({ rule }) => rule).filter(rule => !names.includes(rule))).toEqual([])
    })
  })
}

export function outgoing(more: Partial<OutgoingEmail> = {}): OutgoingEmail {
  return {
    messageId: '<0198.reply@shop.example>',
    date: 1_790_000_000_000,
    from: { name: 'Shop', address: 'support@shop.example' },
    to: [{ name: 'Alice', address: 'alice@example.org' }],
    cc: [],
    replyTo: null,
    subject: 'Re: Order 17',
    inReplyTo: null,
    references: [],
    text: 'It is on its way.\n',
    html: null,
    automatic: null,
    attachments: [],
    ...more,
  }
}

function must(kept: boolean, broken: string, seen?: unknown): void {
  if (!kept) throw new Error(seen === undefined ? broken : `${broken}: ${JSON.stringify(seen)}`)
}

async function written(compose: Compose, more: Partial<OutgoingEmail> = {}): Promise<Buffer> {
  const raw = await compose(outgoing(more))
  if (!(raw instanceof Uint8Array)) throw new Error(`refused: ${raw.refused}`)
  return Buffer.from(raw)
}

/** The header of the whole mail, and its lines as they stand. */
function headOf(raw: Buffer): string {
  return raw.toString('latin1').split(/\r?\n\r?\n/, 1)[0]!
}

/** One header field, unfolded; null where there is none. */
function field(raw: Buffer, name: string): string | null {
  const unfolded = headOf(raw).replace(/\r?\n(?=[ \t])/g, '')
  const lines = unfolded
    .split(/\r?\n/)
    .filter(line => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
  must(lines.length < 2, `${name} occurs more than once`, lines)
  return lines.length === 0 ? null : lines[0]!.slice(name.length + 1).trim()
}

const attachment = (
  filename: string,
  contentType = 'application/pdf',
  content = Uint8Array.of(0, 255, 13, 10),
) => ({
  filename,
  contentType,
  content,
})

/** One mail with all that is hard in it. */
const HARD: Partial<OutgoingEmail> = {
  from: { name: 'Zoë aus dem Kundendienst für alle Länder 客服中心', address: 'support@shop.example' },
  to: [
    { name: 'Müller, "Jürgen"', address: 'j.m+shop@example.org' },
    { name: '', address: 'bob@example.org' },
  ],
  cc: [{ name: "O'Hara, Scarlett", address: 'scarlett@example.org' }],
  replyTo: { name: 'Tickets 客服', address: 'r+abc@shop.example' },
  subject: `退款 für Bestellung 1234567890: ${'Straße nach Überlingen und 漢字 '.repeat(8)}`.trim(),
  text: 'Grüße aus 東京\n\n.\n.. dots\nFrom here\n trailing blank \n=3D\n\u{1F600}\n',
  html: '<p>Grüße aus 東京 <img src="cid:logo"></p>\n',
  attachments: [
    attachment('Rechnung für März 発票.pdf'),
    { ...attachment('logo.png', 'image/png'), contentId: 'logo' },
  ],
}

const LONG: Partial<OutgoingEmail> = {
  subject: 'word '.repeat(300).trim(),
  text: `${'x'.repeat(5_000)}\n`,
  html: `<p>${'y'.repeat(5_000)}</p>`,
  to: Array.from({ length: 80 }, (_, i) => ({
    name: `Customer Number ${i}`,
    address: `customer.${i}@example.org`,
  })),
}

const RULES: Rule[] = [
  [
    'H7 names, subject and bodies outside ASCII come back as they were',
    async compose => {
      const mail = outgoing(HARD)
      const seen = await PostalMime.parse(await written(compose, HARD))
      const same = (name: string, got: unknown, want: unknown) =>
        must(got === want, `${name} came back changed`, got)
      same('from', seen.from?.name, mail.from.name)
      same('to', seen.to?.[0]?.name, mail.to[0]!.name)
      same('reply-to', seen.replyTo?.[0]?.name, mail.replyTo!.name)
      same('subject', seen.subject, mail.subject)
      same('text', seen.text?.replace(/\r\n/g, '\n').trimEnd(), mail.text.trimEnd())
      same('html', seen.html?.replace(/\r\n/g, '\n').trimEnd(), mail.html!.trimEnd())
    },
  ],
  [
    'H7 a comma or a quote in a name makes no second recipient',
    async compose => {
      const seen = await PostalMime.parse(await written(compose, HARD))
      must(seen.to?.length === 2 && seen.cc?.length === 1, 'other recipients', [seen.to, seen.cc])
      must(seen.cc![0]!.name === "O'Hara, Scarlett", 'another name', seen.cc)
    },
  ],
  [
    'H7 files come back byte for byte, with their names',
    async compose => {
      const seen = await PostalMime.parse(await written(compose, HARD))
      const file = seen.attachments.find(({ mimeType }) => mimeType === 'application/pdf')
      must(file?.filename === 'Rechnung für März 発票.pdf', 'another file name', file?.filename)
      must(Buffer.from(file!.content as ArrayBuffer).equals(Buffer.of(0, 255, 13, 10)), 'other bytes')
    },
  ],
  [
    'H7 a file name outside ASCII is written by RFC 2231',
    async compose => {
      const raw = (await written(compose, HARD)).toString('latin1')
      const disposition = /Content-Disposition: attachment;[\s\S]*?\r?\n(?![ \t])/i.exec(raw)?.[0] ?? ''
      must(/filename\*(0\*)?=utf-8''/i.test(disposition), 'no filename*=', disposition)
    },
  ],
  [
    'H7 a quote or a backslash in a file name does not end it',
    async compose => {
      for (const name of ['a"b.pdf', 'a\\b.pdf', 'a; x=y.pdf', "it's.pdf"]) {
        const seen = await PostalMime.parse(await written(compose, { attachments: [attachment(name)] }))
        must(seen.attachments[0]?.filename === name, 'another file name', [
          name,
          seen.attachments[0]?.filename,
        ])
      }
    },
  ],
  [
    'H7 a picture of the HTML stands beside it under its Content-ID',
    async compose => {
      const raw = await written(compose, HARD)
      const seen = await PostalMime.parse(raw)
      const picture = seen.attachments.find(({ contentId }) => contentId === '<logo>')
      must(picture?.disposition === 'inline' && picture.related === true, 'not related', picture?.disposition)
    },
  ],
  [
    'H7 every byte is 7-bit, so no 8-bit body is ever labelled 7bit',
    async compose => {
      const mail = { text: 'Grüße aus 東京\n', html: null, attachments: [] }
      for (const raw of [await written(compose, HARD), await written(compose, mail)]) {
        must(
          !raw.some(byte => byte > 127),
          'bytes above 127',
          raw.toString('utf8').match(/[^\n]*[^\x00-\x7f][^\n]*/)?.[0],
        )
      }
    },
  ],
  [
    'H7 a body says how it is encoded, and a plain short one is left readable',
    async compose => {
      const plain = await written(compose)
      must(
        field(plain, 'Content-Transfer-Encoding') === '7bit',
        'not 7bit',
        field(plain, 'Content-Transfer-Encoding'),
      )
      must(plain.toString().includes('It is on its way.'), 'not readable')
      const other = field(await written(compose, { text: 'Grüße\n' }), 'Content-Transfer-Encoding') ?? ''
      must(/^(quoted-printable|base64)$/.test(other), 'labelled otherwise', other)
    },
  ],
  [
    'H7 line ends are CRLF and nothing else',
    async compose => {
      for (const text of ['a\nb\n', 'a\r\nb\r\n', 'a\rb\r', 'a\n\r\n\rb']) {
        const raw = (await written(compose, { text, html: '<p>\n</p>\r<p>' })).toString('latin1')
        must(!/(^|[^\r])\n|\r(?!\n)/.test(raw), 'a bare CR or LF', raw.slice(0, 120))
      }
    },
  ],
  [
    'H7 no line is longer than 998, and header lines are folded at 78',
    async compose => {
      for (const more of [HARD, LONG]) {
        const raw = await written(compose, more)
        const longest = Math.max(
          ...raw
            .toString('latin1')
            .split('\r\n')
            .map(line => line.length),
        )
        must(longest <= 998, 'a line too long', longest)
        const widest = headOf(raw)
          .split(/\r?\n/)
          .filter(line => line.length > 78)
        must(widest.length === 0, 'a header line not folded', widest)
      }
    },
  ],
  [
    'H7 encoded-words are at most 75 long and whole (RFC 2047 §2, §5)',
    async compose => {
      const head = headOf(await written(compose, HARD))
      const words = head.match(/=\?[^\s]*\?=/g) ?? []
      must(words.length > 3, 'no encoded-words', head)
      must(
        words.every(word => word.length <= 75),
        'longer than 75',
        words.find(word => word.length > 75),
      )
      for (const word of words) {
        const [, charset, encoding, text] = /^=\?([^?]+)\?([bq])\?([^?]*)\?=$/i.exec(word) ?? []
        must(charset !== undefined, 'not an encoded-word', word)
        const hex = text!
          .replace(/_/g, '=20')
          .replace(/[^=]|=([0-9A-F]{2})/g, (all, code) =>
            code ? code : all.charCodeAt(0).toString(16).padStart(2, '0'),
          )
        const bytes = encoding!.toLowerCase() === 'b' ? Buffer.from(text!, 'base64') : Buffer.from(hex, 'hex')
        must(!bytes.toString('utf8').includes('\ufffd'), 'a character cut in two', word)
      }
    },
  ],
  [
    'H9 a line end in a header field is refused',
    async compose => {
      const evil = 'x\r\nBcc: eve@evil.example'
      const person = (name: string, address = 'a@example.org') => ({ name, address })
      const tries: [string, Partial<OutgoingEmail>][] = [
        ['subject', { subject: evil }],
        ['subject with LF', { subject: 'x\nBcc: eve@evil.example' }],
        ['subject with CR', { subject: 'x\rBcc: eve@evil.example' }],
        ['subject with NUL', { subject: 'x\0' }],
        ['from name', { from: person(evil) }],
        ['to name', { to: [person(evil)] }],
        ['cc name', { cc: [person(evil)] }],
        ['reply-to name', { replyTo: person(evil) }],
        ['address', { to: [person('', 'a@example.org\r\nBcc: eve@evil.example')] }],
        ['address with brackets', { to: [person('', 'a@example.org>, <eve@evil.example')] }],
        ['address with a comma', { to: [person('', 'a@example.org, eve@evil.example')] }],
        ['message id', { messageId: `<a@b>\r\nBcc: eve@evil.example` }],
        ['in-reply-to', { inReplyTo: `<a@b>\r\nBcc: eve@evil.example` }],
        ['references', { references: [`<a@b>\r\n\r\nbody`] }],
        ['file name', { attachments: [attachment('a\r\nBcc: eve@evil.example')] }],
        ['content type', { attachments: [attachment('a', 'text/plain\r\nBcc: eve@evil.example')] }],
        ['content id', { attachments: [{ ...attachment('a'), contentId: 'a>\r\nBcc: eve@evil.example' }] }],
      ]
      const taken: string[] = []
      for (const [name, more] of tries) {
        if ((await compose(outgoing(more))) instanceof Uint8Array) taken.push(name)
      }
      must(taken.length === 0, 'taken all the same', taken)
    },
  ],
  [
    'H9 a mail without a recipient is refused',
    async compose => {
      must(!((await compose(outgoing({ to: [] }))) instanceof Uint8Array), 'taken all the same')
    },
  ],
  [
    'H9 an address is never parsed as more than one',
    async compose => {
      const seen = await PostalMime.parse(
        await written(compose, {
          to: [{ name: 'eve@evil.example, Bob <bob@example.org>', address: 'a@example.org' }],
        }),
      )
      must(seen.to?.length === 1 && seen.to[0]!.address === 'a@example.org', 'other recipients', seen.to)
    },
  ],
  [
    'H13 there is no Bcc header, and none by another name',
    async compose => {
      const head = headOf(await written(compose, HARD))
      must(!/^(x-)?(resent-)?bcc:/im.test(head), 'a Bcc header')
    },
  ],
  [
    'D22 the same input gives the same bytes',
    async compose => {
      const [first, second] = [await written(compose, HARD), await written(compose, HARD)]
      must(first.equals(second), 'other bytes the second time')
    },
  ],
  [
    'D22 nothing names the program that wrote it',
    async compose => {
      must(!/^(x-mailer|user-agent):/im.test(headOf(await written(compose, HARD))), 'names itself')
    },
  ],
  [
    'D22 a boundary that stands in the body is not used',
    async compose => {
      const first = (await written(compose, HARD)).toString('latin1')
      const boundaries = [...first.matchAll(/boundary="?([^"\r\n;]+)/g)].map(match => match[1]!)
      const text = `${boundaries.map(boundary => `--${boundary}--`).join('\n')}\nthe end\n`
      const seen = await PostalMime.parse(await written(compose, { ...HARD, text }))
      must(
        seen.text?.includes('the end') === true && seen.attachments.length === 2,
        'cut at the boundary',
        seen.text,
      )
    },
  ],
  [
    'H17 Message-ID, Date and MIME-Version are as given',
    async compose => {
      const raw = await written(compose)
      must(field(raw, 'Message-ID') === '<0198.reply@shop.example>', 'another id', field(raw, 'Message-ID'))
      must(field(raw, 'Date') === 'Mon, 21 Sep 2026 14:13:20 +0000', 'another date', field(raw, 'Date'))
      must(field(raw, 'MIME-Version') === '1.0', 'no MIME-Version')
    },
  ],
  [
    'B4 odd ids are cited as they came',
    async compose => {
      for (const id of ['<a@@b>', 'no-brackets@example.org', '<a b@example.org>', '<[x]@y>']) {
        const raw = await written(compose, { inReplyTo: id, references: ['<first@example.org>', id] })
        must(field(raw, 'In-Reply-To') === id, 'another id', field(raw, 'In-Reply-To'))
        must(field(raw, 'References') === `<first@example.org> ${id}`, 'other ids', field(raw, 'References'))
      }
    },
  ],
  [
    'B3 empty ids are not cited',
    async compose => {
      const raw = await written(compose, { inReplyTo: '<>', references: ['', '<>', ' '] })
      must(field(raw, 'In-Reply-To') === null && field(raw, 'References') === null, 'cited', headOf(raw))
    },
  ],
  [
    'D2 a chain of 200 ids keeps its first and its last, under 900 octets',
    async compose => {
      const references = Array.from({ length: 200 }, (_, i) => `<message-number-${i}@mail.example.org>`)
      const value = field(await written(compose, { references }), 'References') ?? ''
      must(value.length < 900, 'too long', value.length)
      must(
        value.startsWith('<message-number-0@') && value.endsWith('-199@mail.example.org>'),
        'lost an end',
        value,
      )
      must(value.split(' ').length > 10, 'dropped too many', value)
    },
  ],
  [
    'C21 what a machine wrote says so, what a person wrote does not',
    async compose => {
      const said = async (automatic: OutgoingEmail['automatic']) => {
        const raw = await written(compose, { automatic })
        return [field(raw, 'Auto-Submitted'), field(raw, 'X-Auto-Response-Suppress')].join(' ')
      }
      must((await said('auto-replied')) === 'auto-replied All', 'not marked', await said('auto-replied'))
      must(
        (await said('auto-generated')) === 'auto-generated All',
        'not marked',
        await said('auto-generated'),
      )
      must((await said(null)) === ' ', 'marked', await said(null))
    },
  ],
  [
    'H7 an attached mail travels unharmed whatever is in it (RFC 2046 §5.2.1)',
    async compose => {
      const inner = Buffer.from('Subject: Grüße\n\nbare line ends, 8-bit äöü\n')
      const raw = await written(compose, { attachments: [attachment('mail.eml', 'message/rfc822', inner)] })
      const seen = await PostalMime.parse(raw, { forceRfc822Attachments: true })
      const file = seen.attachments[0]
      must(file?.filename === 'mail.eml', 'no file', seen.attachments.length)
      must(Buffer.from(file!.content as ArrayBuffer).equals(inner), 'other bytes')
    },
  ],
  [
    'E17 an address with misplaced dots, or in quotes, can be written to',
    async compose => {
      for (const address of ['a..b.@docomo.example', '"a b"@example.org']) {
        const seen = await PostalMime.parse(await written(compose, { to: [{ name: 'Taro', address }] }))
        const bare = (value: string | undefined) => value?.replaceAll('"', '')
        must(seen.to?.length === 1 && bare(seen.to[0]!.address) === bare(address), 'another address', seen.to)
      }
    },
  ],
  [
    'H7 an international domain is written as its A-label (RFC 5890)',
    async compose => {
      const raw = await written(compose, { to: [{ name: '', address: 'info@bücher.example' }] })
      must(
        field(raw, 'To')?.includes('info@xn--bcher-kva.example') === true,
        'written otherwise',
        field(raw, 'To'),
      )
    },
  ],
]
