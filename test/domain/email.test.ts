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
