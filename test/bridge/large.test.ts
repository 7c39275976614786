import { readFileSync } from 'node:fs'
import PostalMime from 'postal-mime'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MailServers, startMailServers } from '../servers/mail-servers.ts'
import { accountOf, type BridgeProcess, buildBridge, mailOf, startBridgeProcess } from './bridge-process.ts'

let servers: MailServers
let bridge: BridgeProcess

beforeAll(async () => {
  buildBridge()
  servers = await startMailServers()
  // As the container starts it.
  bridge = await startBridgeProcess({
    NODE_EXTRA_CA_CERTS: servers.ca,
    NODE_ARGS: '--max-old-space-size=64 --max-semi-space-size=2',
  })
})
afterAll(async () => {
  await bridge?.stop()
  await servers?.stop()
})

const peakOf = () =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${bridge.pid}/status`, 'utf8'))![1]) / 1024
const content = Buffer.from(Array.from({ length: 3000 }, (_, n) => (n * 7919) % 256))
const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/.{76}/g, '$&\r\n')

/** multipart/mixed: an alternative with a picture in it, a forwarded mail, and a large file. */
function largeMail(fileBytes: number): Buffer {
  const file = base64(Buffer.alloc(fileBytes, 'edgedesk'))
  return Buffer.from(
    [
      'From: Ana <a@customer.test>',
      'Subject: =?utf-8?Q?gro=C3=9F?=',
      'Content-Type: multipart/mixed;',
      '\tboundary=outer',
      'Message-ID: <large@x.test>',
      'MIME-Version: 1.0',
      '',
      '--outer',
      'Content-Type: multipart/related; boundary=rel',
      '',
      '--rel',
      'Content-Type: multipart/alternative; boundary=alt',
      '',
      '--alt',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'Gr=C3=BC=C3=9Fe, plain',
      '--alt',
      'Content-Type: text/html; charset=utf-8',
      '',
      '<p>html <img src="cid:pic@x"></p>',
      '--alt--',
      '--rel',
      'Content-Type: image/png; name=pic.png',
      'Content-Transfer-Encoding: base64',
      'Content-ID: <pic@x>',
      'Content-Disposition: inline',
      '',
      base64(content),
      '--rel--',
      '--outer',
      'Content-Type: message/rfc822',
      '',
      'From: old@customer.test\r\nSubject: forwarded\r\n\r\nnot the words of the sender',
      '--outer',
      `Content-Type: application/pdf`,
      `Content-Disposition: attachment; filename*=utf-8''Entw%C3%BCrfe.pdf`,
      'Content-Transfer-Encoding: base64',
      '',
      file,
      '--outer--',
      '',
    ].join('\r\n'),
  )
}

describe('mails too large to parse', () => {
  it('come reduced to their text, as a valid mail, and then whole', async () => {
    const mail = largeMail(2_000_000)
    await servers.deliverFiles('reduced@demo.test', [mail])
    const account = accountOf(servers, 'reduced@demo.test')
    const fetched = await bridge.fetch({ account, reducedAbove: 1_000_000 })
    expect(fetched.frames.map(frame => frame.kind)).toEqual(['opened', 'reduced', 'mail', 'end'])
    const [reduced] = fetched.reduced
    expect(reduced).toMatchObject({ uid: 1, whole: true, textCut: false })
    expect(reduced!.raw.length).toBe(reduced!.length)
    expect(reduced!.raw.length).toBeLessThan(2_000)
    const parsed = await PostalMime.parse(reduced!.raw)
    expect(parsed.subject).toBe('groß')
    expect(parsed.messageId).toBe('<large@x.test>')
    expect(parsed.text?.trim()).toBe('Grüße, plain')
    expect(parsed.html?.trim()).toBe('<p>html <img src="cid:pic@x"></p>')
    expect(parsed.attachments).toEqual([])
    expect(reduced!.attachments).toMatchObject([
      {
        part: '1.2',
        contentType: 'image/png',
        contentId: 'pic@x',
        disposition: 'inline',
        filename: 'pic.png',
      },
      { part: '2', contentType: 'message/rfc822' },
      { part: '3', contentType: 'application/pdf', disposition: 'attachment', filename: 'Entwürfe.pdf' },
    ])
    expect(fetched.mails[0]!.raw.equals(mail)).toBe(true)
  })

  it('their parts come one by one, decoded, with an exact length', async () => {
    const account = accountOf(servers, 'reduced@demo.test')
    const { opened } = await bridge.fetch({ account, nextUid: null })
    const part = async (name: string) => {
      const body = { account, folder: 'INBOX', uidValidity: opened.uidValidity, uid: 1, part: name }
      const response = await bridge.post('/part', body)
      const bytes = Buffer.from(await response.arrayBuffer())
      expect(Number(response.headers.get('content-length'))).toBe(bytes.length)
      return { status: response.status, bytes }
    }
    expect((await part('1.2')).bytes.equals(content)).toBe(true)
    expect((await part('3')).bytes.equals(Buffer.alloc(2_000_000, 'edgedesk'))).toBe(true)
    expect((await part('2')).bytes.toString()).toContain('Subject: forwarded')
    expect((await part('1.1.1')).bytes.toString().trim()).toBe('Grüße, plain')
    expect((await part('9')).status).toBe(404)
  })

  it('a mail without parts: text, or nothing but a file', async () => {
    const text = Buffer.from(
      `Subject: t\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(Buffer.from('Grüße '.repeat(400_000)))}\r\n`,
    )
    const file = Buffer.from(
      `Subject: f\r\nContent-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(content)}\r\n`,
    )
    await servers.deliverFiles('single@demo.test', [text, file])
    const account = accountOf(servers, 'single@demo.test')
    const fetched = await bridge.fetch({ account, reducedAbove: 1_000, wholeUpTo: 1_000 })
    expect(fetched.mails).toEqual([])
    const [long, zip] = fetched.reduced
    expect(long).toMatchObject({ whole: false, textCut: true, attachments: [] })
    expect(long!.length).toBeLessThan(1024 * 1024 + 1_000)
    const words = (await PostalMime.parse(long!.raw)).text!
    expect(words.startsWith('Grüße Grüße ')).toBe(true)
    expect(words.length).toBeGreaterThan(500_000)
    expect(zip).toMatchObject({ textCut: false, attachments: [{ part: '1', filename: 'a.zip' }] })
    expect((await PostalMime.parse(zip!.raw)).subject).toBe('f')
    const body = { account, folder: 'INBOX', uidValidity: fetched.opened.uidValidity, uid: 2, part: '1' }
    const response = await bridge.post('/part', body)
    expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true)
  })

  it('A27 a mail of 40 MB comes as header and text only; 25 MB in four mailboxes at once need at most 192 MB', async () => {
    const huge = largeMail(29_000_000)
    expect(huge.length).toBeGreaterThan(39_000_000)
    await servers.deliverFiles('a27@demo.test', [huge, mailOf('after')])
    const fetched = await bridge.fetch({ account: accountOf(servers, 'a27@demo.test') })
    expect(fetched.frames.map(frame => frame.kind)).toEqual(['opened', 'reduced', 'mail', 'end'])
    expect(fetched.reduced[0]).toMatchObject({ whole: false, size: huge.length })
    expect(fetched.reduced[0]!.attachments.at(-1)).toMatchObject({ part: '3', filename: 'Entwürfe.pdf' })
    expect(fetched.mails[0]!.uid).toBe(2)

    const big = largeMail(18_000_000)
    expect(big.length).toBeGreaterThan(24_000_000)
    const users = [1, 2, 3, 4].map(n => `rss${n}@demo.test`)
    for (const user of users)
      await servers.deliverFiles(user, [big, ...Array.from({ length: 20 }, () => mailOf('s', 400_000))])
    await Promise.all(
      users.map(async user => {
        const one = await bridge.fetch({ account: accountOf(servers, user) })
        expect(one.mails[0]!.raw.equals(big)).toBe(true)
        expect(one.mails.length).toBe(21)
      }),
    )
    process.stdout.write(`peak RSS: ${peakOf().toFixed(0)} MB\n`)
    expect(peakOf()).toBeLessThanOrEqual(192)
  })

  it('5,000 mails of 2 to 200 kB come at more than 200 a second', async () => {
    const sizes = Array.from({ length: 5000 }, (_, n) => Math.round(2_000 * 100 ** ((n % 100) / 99)))
    await servers.deliverFiles(
      'many@demo.test',
      (function* () {
        for (const [n, size] of sizes.entries()) yield mailOf(`n${n}`, size)
      })(),
    )
    const account = accountOf(servers, 'many@demo.test')
    await bridge.fetch({ account, nextUid: null })
    const began = performance.now()
    let nextUid = 1
    let count = 0
    for (let more = true; more; ) {
      const fetched = await bridge.fetch({ account, nextUid, maxMails: 500, maxBytes: 50_000_000 })
      count += fetched.mails.length
      nextUid = fetched.mails.at(-1)!.uid + 1
      more = fetched.last?.kind === 'end' && fetched.last.more
    }
    const rate = count / ((performance.now() - began) / 1000)
    process.stdout.write(`fetch rate: ${rate.toFixed(0)} mails/s, peak RSS ${peakOf().toFixed(0)} MB\n`)
    expect(count).toBe(5000)
    expect(peakOf()).toBeLessThanOrEqual(192)
    expect(rate).toBeGreaterThan(200)
  })
})
