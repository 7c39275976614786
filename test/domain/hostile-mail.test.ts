import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Email } from '../../src/domain/email.ts'
import { readEmail } from '../../src/mail/email.ts'
import { hostileMails } from '../support/hostile-mail.ts'
import { oddMails } from '../support/odd-mail.ts'

const MS_A_MEGABYTE = 25

/** What has to be said of them; the others are long, and nothing else. */
const FLAGS: [RegExp, string[]][] = [
  [/^10,000 multiparts one in another$/, ['too_deep', 'unreadable']],
  [/under one boundary/, ['too_deep', 'too_many_parts', 'unreadable']],
  [/^(?:100,000 parts|350,000 parts|a digest of|parts whose header never)/, ['too_many_parts', 'unreadable']],
  [
    /header of a million|100,000 headers|one header|never ends its header|in the subject|encoded-word|in To\b|recipients|References/,
    ['headers_cut'],
  ],
  [
    /^(?:brackets|blanks|quotes) in the Content-Type|2231 pieces|of colons|lines without a colon/,
    ['headers_cut'],
  ],
  [/^base64 of nothing|quoted-printable (?:that|soft)/, ['bad_encoding']],
  [/^UTF-8 that is broken/, ['bad_charset']],
  [/^900 parts/, ['many_parts']],
  [/^parts with 64 KB/, ['long_headers']],
]

describe('mail that means harm', () => {
  it.each(hostileMails())(
    `E9 $name: read, flagged, in ${MS_A_MEGABYTE} ms a megabyte`,
    async ({ name, raw }) => {
      const email = await readEmail(raw)
      for (const [which, flags] of FLAGS)
        if (which.test(name)) expect(email.flags).toEqual(expect.arrayContaining(flags))
      expect(email.from).toEqual([{ name: 'Mallory', address: 'mallory@customer.test' }])
      expectWhole(email)
      // The processor's own time, and the quickest run: other programs on the machine make a run slower, and none makes it quicker.
      let quickest = Number.POSITIVE_INFINITY
      for (let n = 0; n < 20 && quickest > MS_A_MEGABYTE; n++) {
        const began = process.threadCpuUsage()
        await readEmail(raw)
        const { user, system } = process.threadCpuUsage(began)
        quickest = Math.min(quickest, (user + system) / 1000 / (raw.length / 2 ** 20))
      }
      expect(quickest).toBeLessThanOrEqual(MS_A_MEGABYTE)
    },
  )
})

/** What holds of every mail that was read. */
function expectWhole(email: Email): void {
  const strings = [
    ...[email.subject, email.text, email.html ?? '', email.contentType],
    ...[...email.from, ...email.to, ...email.cc, ...email.replyTo].flatMap(box => [box.name, box.address]),
    ...email.attachments.map(file => file.filename),
  ]
  for (const text of strings) {
    expect(text.includes('\0')).toBe(false)
    expect(text.isWellFormed()).toBe(true)
  }
  for (const file of email.attachments) {
    expect(file.filename).toMatch(/^[^/\\\p{Cc}]{1,240}$/u)
    expect(file.size).toBe(file.content?.length)
  }
  for (const text of strings.slice(4)) expect(text).not.toMatch(/[\r\n]/)
  // Only what was cut is not to be answered; nothing ever throws inside.
  if (email.flags.includes('unreadable')) expect(email.flags.join()).toMatch(/too_many_parts|too_deep/)
}

const CORPORA = process.env.CORPORA ?? '../shared/corpora'
const folders = ['mime/malformed', 'mime/rfc', 'mime/mixed', 'bounces'].filter(folder =>
  existsSync(join(CORPORA, folder)),
)

function seeds(): Uint8Array[] {
  if (folders.length === 0) return oddMails.map(mail => mail.raw)
  return folders.flatMap(folder =>
    readdirSync(join(CORPORA, folder))
      .filter(name => name.endsWith('.eml'))
      .map(name => new Uint8Array(readFileSync(join(CORPORA, folder, name)))),
  )
}

/** What breaks parsers is made of these rather than of any bytes. */
const PIECES = [
  ...[
    '\r\n\r\n',
    '\n',
    '\r',
    '\0',
    '--',
    '\r\n--',
    '=?utf-8?B?',
    '?=',
    '=?gb2312?Q?=',
    'Content-Type: multipart/mixed; boundary=',
    '"',
    '(',
    '<',
  ],
  ...[
    'Content-Transfer-Encoding: base64\r\n',
    'Content-Type: message/rfc822\r\n\r\n',
    '; filename*0*=',
    "utf-8''%ff",
    '=\r\n',
    '\x1b$B',
    '\xff\xfe',
  ],
  ...[
    'charset=utf-7',
    '+',
    'charset=utf-16\r\n',
    'format=flowed; ',
    '\t',
    ': ',
    ';',
    '=',
    '\xc3',
    '&#x0;',
    '<blockquote class="gmail_quote">',
  ],
]

describe('mails changed at random', () => {
  const seed = Number(process.env.MAIL_SEED ?? Date.now() % 2 ** 31)
  const rounds = 3_000
  console.log(
    `test/domain/hostile-mail.test.ts: MAIL_SEED=${seed}, ${rounds} mails made of ${folders.length > 0 ? 'the corpora' : 'ours (corpora: not run: no corpus)'}`,
  )

  it(`RD1 ${rounds} of them are read, seed ${seed}`, async () => {
    const random = randomFrom(seed)
    const mails = seeds()
    let began = performance.now()
    for (let n = 0; n < rounds; n++) {
      const raw = changed(mails[random(mails.length)]!, mails[random(mails.length)]!, random)
      const email = await readEmail(raw)
      try {
        expectWhole(email)
        expect(await readEmail(raw)).toEqual(email)
      } catch (error) {
        throw new Error(
          `round ${n} of seed ${seed}: ${JSON.stringify(String.fromCharCode(...raw.subarray(0, 2_000)))}`,
          { cause: error },
        )
      }
      expect(performance.now() - began, `round ${n} of seed ${seed}`).toBeLessThan(1_000)
      began = performance.now()
    }
  }, 60_000)
})

/** A small generator (mulberry32): the same numbers for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Bytes changed, cut out, doubled, put in from another mail or from the list. */
function changed(mail: Uint8Array, other: Uint8Array, random: (below: number) => number): Uint8Array {
  let bytes = [...mail.subarray(0, 20_000)]
  for (let n = 1 + random(8); n > 0; n--) {
    const at = random(bytes.length + 1)
    const length = random(40)
    const kind = random(6)
    if (kind === 0) bytes[at] = random(256)
    else if (kind === 1) bytes.splice(at, length)
    else if (kind === 2) bytes.splice(at, 0, ...bytes.slice(at, at + length * 10))
    else if (kind === 3)
      bytes.splice(at, 0, ...other.subarray(random(other.length), random(other.length)).slice(0, 2_000))
    else if (kind === 4) bytes = bytes.slice(0, at)
    else bytes.splice(at, 0, ...Array.from(PIECES[random(PIECES.length)]!, sign => sign.charCodeAt(0)))
  }
  return Uint8Array.from(bytes, byte => byte ?? 0)
}

it('RD1 what cannot even be looked at is an empty mail that no machine answers', async () => {
  const email = await readEmail({ length: 1 } as Uint8Array)
  expect(email).toMatchObject({ flags: ['unreadable'], text: '', from: [], attachments: [] })
})
