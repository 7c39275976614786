import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { verdict } from '../../src/domain/verdict.ts'
import { readEmail } from '../../src/mail/email.ts'

const CORPORA = process.env.CORPORA ?? '../shared/corpora'
const facts = { ownAddresses: ['support@shop.example'], ownMessage: false, size: 2000 }

/** Every mail below a folder of the corpora. */
function mails(folder: string): string[] {
  const root = join(CORPORA, folder)
  if (!existsSync(root)) return []
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.eml'))
    .map(name => join(folder, name))
    .sort()
}

const all = [...mails('mime'), ...mails('bounces')]
if (all.length === 0) console.log('test/domain/email.test.ts: the corpora: not run: no corpus')

describe.runIf(all.length > 0)('public collections of odd mail', () => {
  it.each(all)('A12 %s is read, and what came out is whole', async name => {
    const raw = new Uint8Array(readFileSync(join(CORPORA, name)))
    const started = performance.now()
    const email = await readEmail(raw)
    expect(performance.now() - started).toBeLessThan(2000)
    expect(email.flags.filter(flag => flag === 'unreadable' || flag === 'no_headers')).toEqual([])
    for (const text of [email.subject, email.text, email.html ?? '', ...email.from.map(one => one.name)])
      expect(text).not.toContain('\u0000')
    for (const one of [...email.from, ...email.to, ...email.cc, ...email.replyTo]) {
      expect(typeof one.address).toBe('string')
      expect(typeof one.name).toBe('string')
    }
    expect(email.date === null || Number.isFinite(email.date)).toBe(true)
    for (const attachment of email.attachments) {
      expect(attachment.filename).toMatch(/^[^/\\\u0000-\u001f]{1,121}$/)
      expect(attachment.size).toBe(attachment.content?.byteLength)
    }
  })

  it('A12 no verdict on any of them throws', async () => {
    for (const name of all) {
      const email = await readEmail(new Uint8Array(readFileSync(join(CORPORA, name))))
      expect(verdict(email, facts).reasons, name).toBeInstanceOf(Array)
    }
  })

  it('RD1 cut off at any of a hundred places, a mail is still read', async () => {
    for (const name of all.filter((_, i) => i % 25 === 0)) {
      const raw = new Uint8Array(readFileSync(join(CORPORA, name)))
      for (let i = 0; i < 100; i++) {
        const email = await readEmail(raw.subarray(0, Math.floor((raw.length * i) / 100)))
        expect(email.flags, `${name} at ${i} %`).not.toContain('no_headers')
      }
    }
  })
})

it('E9 100,000 bare parts, without a header of their own, are counted and cut', async () => {
  const head =
    'From: a@b.c\r\nSubject: Many\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
  const began = performance.now()
  const email = await readEmail(new TextEncoder().encode(head + '--b\r\n\r\nx\r\n'.repeat(100_000)))
  expect(email.flags).toContain('too_many_parts')
  expect(email.subject).toBe('Many')
  expect(performance.now() - began).toBeLessThan(1_000)
})

it('E8 a multipart that names no boundary is text', async () => {
  const email = await readEmail(
    new TextEncoder().encode('From: a@b.c\r\nContent-Type: multipart/mixed\r\n\r\nWhere is my order?\r\n'),
  )
  expect(email.text).toBe('Where is my order?')
  expect(email.flags).toContain('bad_content_type')
})

it('E10 a mail inside a mail is kept as one, not merged into the text', async () => {
  const email = await readEmail(
    new TextEncoder().encode(
      'From: a@b.c\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nouter\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--b--',
    ),
  )
  expect(email.text.trim()).toBe('outer')
  expect(email.attachments.map(one => one.contentType)).toEqual(['message/rfc822'])
})

it('E9 a header of 900 KB does not hide the ones behind it', async () => {
  const to = Array.from({ length: 30_000 }, (_, n) => `person${n}@customer.test`).join(',\r\n ')
  const email = await readEmail(
    new TextEncoder().encode(`To: ${to}\r\nSubject: Still here\r\nMessage-ID: <x@y>\r\n\r\nHello\r\n`),
  )
  expect(email).toMatchObject({
    subject: 'Still here',
    messageId: '<x@y>',
    flags: ['headers_cut', 'long_headers'],
  })
})
