import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { uuidAsInteger } from '../../src/domain/ids.ts'
import { assistant, conversation, inbox, received, site } from './cast.ts'
import { mail, until } from './mail.ts'

const DAY = Date.UTC(2026, 10, 1)

/** The names and types of seed 003, in its order; what is ours comes beside them. */
const SEED_MESSAGE = {
  id: 'string',
  conversation: 'string',
  sender: 'object',
  type: 'string',
  content: 'string',
  feedback: 'null',
  createdAt: 'string',
  attachments: 'array',
  citations: 'array',
  citationNodes: 'array',
}
const SEED_CONVERSATION = {
  id: 'string',
  contact: 'object',
  inbox: 'object',
  title: 'string',
  lastMessage: 'object',
  lastMessageCreatedAt: 'string',
  unreadMessagesCount: 'number',
  autoReplyEnabled: 'boolean',
  isAutoReplyNow: 'boolean',
  lastReadAt: 'null',
  createdAt: 'string',
}

const typeOf = (value: unknown) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)
const typesOf = (json: Record<string, unknown>, names: object) =>
  Object.fromEntries(Object.keys(names).map(name => [name, typeOf(json[name])]))

async function text(path: string, headers: Record<string, string>): Promise<string> {
  const answer = await exports.default.fetch(`http://edgedesk.test/api/v1/${path}`, { headers })
  expect(answer.status, path).toBe(200)
  return new TextDecoder().decode(await answer.arrayBuffer())
}
const json = async (path: string, headers: Record<string, string>) => JSON.parse(await text(path, headers))

/** One mail from Alice in a site of its own. */
async function oneMail(about: Partial<Parameters<typeof mail>[0]> = {}, raw?: (address: string) => string) {
  const who = await site()
  const config = await inbox(who.siteId)
  const written = raw ? raw(config.address) : mail({ to: config.address, ...about })
  const [one] = await received(config, [written], { internalDate: DAY })
  return { ...who, ...one!, config, written }
}

const withFile =
  (disposition: string, type = 'text/plain', content = 'the bytes') =>
  (to: string) =>
    mail({
      to,
      headers: ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b'],
      text: `--b\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n--b\r\nContent-Type: ${type}\r\nContent-Disposition: ${disposition}\r\nContent-Transfer-Encoding: base64\r\n\r\n${btoa(content)}\r\n--b--`,
    })

describe('seed 003 on the wire', () => {
  it('WI1 a message has every field of the seed, by name, type and format', async () => {
    const { headers, conversationId, messageId } = await oneMail({
      subject: '=?utf-8?B?6YCA5qy+?=',
      text: 'Hello.',
    })
    const { items } = await json(`messages/?conversation=${conversationId}`, headers)
    expect(items).toHaveLength(1)
    expect(typesOf(items[0], SEED_MESSAGE)).toEqual(SEED_MESSAGE)
    expect(items[0]).toMatchObject({
      id: messageId,
      conversation: conversationId,
      sender: { name: 'Alice', avatar: null },
      type: 'incoming',
      content: 'Hello.',
      feedback: null,
      createdAt: String(DAY),
      attachments: [],
      citations: [],
      citationNodes: [],
      subject: '退款',
      contentIsCut: false,
      verdict: { class: 'person', reasons: [], mayFlow: true, mayDraft: true, maySend: true },
      reply: { do: 'silent', why: 'no_assistant' },
      delivery: null,
      flags: [],
    })
  })

  it('WI2 a conversation has every field of the seed, by name, type and format', async () => {
    const { headers, conversationId, config } = await oneMail({ subject: 'Re: My order' })
    const one = await json(`conversations/${conversationId}`, headers)
    expect(typesOf(one, SEED_CONVERSATION)).toEqual(SEED_CONVERSATION)
    expect(one).toMatchObject({
      id: conversationId,
      contact: { name: 'Alice', avatar: null, address: 'alice@customer.test', createdAt: String(DAY) },
      inbox: { id: config.inboxId, name: 'Support', channelType: 'email' },
      title: 'My order',
      status: 'open',
      owner: 'assistant',
      linkedTo: null,
      lastMessageCreatedAt: String(DAY),
      unreadMessagesCount: 1,
      autoReplyEnabled: true,
      isAutoReplyNow: true,
      lastReadAt: null,
      createdAt: String(DAY),
    })
    const { items } = await json('conversations/', headers)
    expect(items).toEqual([one])
    expect(one.lastMessage).toEqual(
      (await json(`messages/?conversation=${conversationId}`, headers)).items[0],
    )
  })

  it('WI3 sender.id is the UUID as a bare number of up to 39 digits, every digit right, wherever a message is shown', async () => {
    const { headers, conversationId, messageId } = await oneMail()
    for (const path of [
      `messages/?conversation=${conversationId}`,
      `messages/${messageId}`,
      `conversations/${conversationId}`,
      'conversations/',
    ]) {
      const raw = await text(path, headers)
      const [, digits, uuid] = /"sender":\{"id":(\d+),"uuid":"([0-9a-f-]{36})"/.exec(raw) ?? []
      expect(digits, path).toBe(uuidAsInteger(uuid!))
      expect(digits!.length).toBeGreaterThan(35)
      expect(BigInt(digits!).toString(16).padStart(32, '0')).toBe(uuid!.replaceAll('-', ''))
    }
  })

  it('WI4 one message whole has the quote that stands behind its content', async () => {
    const quoted =
      'Yes please.\r\n\r\nOn Mon, 2 Nov 2026 at 10:00, Shop <s@shop.example> wrote:\r\n> Do you want it?'
    const { headers, messageId } = await oneMail({ text: quoted })
    const one = await json(`messages/${messageId}`, headers)
    expect(one.content).toBe('Yes please.')
    expect(one.rest).toContain('Do you want it?')
  })

  it('E19 a text of 200,000 characters is cut and marked in lists, and whole at the message itself', async () => {
    const long = Array.from({ length: 4000 }, (_, i) => `Sentence number ${i} of a very long story. `).join(
      '\r\n',
    )
    const { headers, messageId, conversationId } = await oneMail({ text: long })
    const { items } = await json(`messages/?conversation=${conversationId}`, headers)
    expect(items[0].contentIsCut).toBe(true)
    expect(items[0].content.length).toBeLessThanOrEqual(8000)
    const one = await json(`messages/${messageId}`, headers)
    expect(one.content + one.rest).toContain('Sentence number 3999')
  })

  it('OU9 C21 an answer is an outgoing message with its sources, its sender and how its delivery goes', async () => {
    const { siteId, headers } = await site()
    const config = await inbox(siteId, {
      assistantId: await assistant(siteId),
      settings: { smtp: { host: 'localhost', port: 1, user: 'x' } },
    })
    const [one] = await received(config, [
      mail({ to: config.address, subject: 'Refund', text: 'How do I get my money back?' }),
    ])
    const answer = await until(async () => {
      const { items } = await json(`messages/?conversation=${one!.conversationId}`, headers)
      return items.find((m: { delivery: { status: string } | null }) => m.delivery?.status === 'retry')
    })
    expect(answer).toMatchObject({
      type: 'outgoing',
      sender: { kind: 'assistant', name: 'Ada' },
      subject: 'Re: Refund',
      citations: [{ title: 'Refunds and returns', url: 'https://shop.example/en' }],
      delivery: { status: 'retry', problem: { code: 'refused' } },
      verdict: null,
    })
    expect(typesOf(answer, SEED_MESSAGE)).toEqual(SEED_MESSAGE)
    const made = await text(`messages/${answer.id}/original`, headers)
    expect(made).toMatch(/^Auto-Submitted: auto-replied\r$/m)
    expect(made).toMatch(/^To: Alice <alice@customer.test>\r$/m)
    await conversation(siteId, one!.conversationId).change({ owner: 'person' }, null)
    expect(await json(`conversations/${one!.conversationId}`, headers)).toMatchObject({
      owner: 'person',
      isAutoReplyNow: false,
    })
  })
})

describe('the original', () => {
  it('WI5 is the mail byte for byte, as a download', async () => {
    const { headers, messageId, written } = await oneMail({
      text: 'caf\xe9 \x80\x00',
      headers: ['X-Odd: \xff'],
    })
    const answer = await exports.default.fetch(`http://edgedesk.test/api/v1/messages/${messageId}/original`, {
      headers,
    })
    expect(answer.headers.get('content-type')).toBe('message/rfc822')
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename*=UTF-8''${messageId}.eml`)
    const bytes = new Uint8Array(await answer.arrayBuffer())
    expect(Array.from(bytes, byte => String.fromCharCode(byte)).join('')).toBe(written)
    expect(answer.headers.get('content-length')).toBe(String(written.length))
  })

  it('WI5 that is gone from storage is 404 mail_missing', async () => {
    const { headers, messageId, siteId, config, mailId } = await oneMail()
    await env.MAIL.delete(`raw/${siteId}/${config.inboxId}/${mailId}`)
    const answer = await exports.default.fetch(`http://edgedesk.test/api/v1/messages/${messageId}/original`, {
      headers,
    })
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ error: { code: 'mail_missing' } })
  })
})

describe('attachments', () => {
  const download = async (raw: (to: string) => string, n = 0) => {
    const { headers, messageId } = await oneMail({}, raw)
    const one = await json(`messages/${messageId}`, headers)
    const answer = await exports.default.fetch(
      `http://edgedesk.test/api/v1/messages/${messageId}/attachments/${n}`,
      { headers },
    )
    return { one, answer }
  }

  it('WI6 an attachment is listed with name, type, size and where it is, and its bytes are there', async () => {
    const { one, answer } = await download(withFile('attachment; filename=note.txt'))
    expect(one.attachments).toEqual([
      {
        id: `${one.id}.0`,
        type: 'text/plain',
        filename: 'note.txt',
        file: `https://edgedesk.test/api/v1/messages/${one.id}/attachments/0`,
        size: 9,
        inline: false,
        contentId: null,
      },
    ])
    expect(await answer.text()).toBe('the bytes')
  })

  it.each(['text/html', 'image/svg+xml', 'application/javascript', 'application/xhtml+xml'])(
    'G2 G9 %s is a download that runs nowhere',
    async type => {
      const { answer } = await download(
        withFile('attachment; filename=x.html', type, '<script>alert(1)</script>'),
      )
      expect(answer.headers.get('content-disposition')).toMatch(/^attachment;/)
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('content-security-policy')).toBe("sandbox; default-src 'none'")
    },
  )

  it.each([
    ['"../../etc/passwd"', 'passwd'],
    ['"C:\\\\\\\\x\\\\\\\\evil.exe"', 'evil.exe'],
    ["UTF-8''%E7%99%BC%E7%A5%A8.pdf", '發票.pdf', '*'],
    ["UTF-8''inv%E2%80%AEfdp.exe", 'invfdp.exe', '*'],
    [`"${'x'.repeat(300)}.pdf"`, `${'x'.repeat(100)}…${'x'.repeat(12)}.pdf`],
    ['"<script>.html"', '_script_.html'],
    ['".."', 'attachment.plain'],
  ])('G7 a file that calls itself %s is saved as %s', async (given, name, star = '') => {
    const { one, answer } = await download(withFile(`attachment; filename${star}=${given}`))
    expect(one.attachments[0].filename).toBe(name)
    expect(answer.headers.get('content-disposition')).toBe(
      `attachment; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)}`,
    )
  })

  it('WI6 a type that is no type is application/octet-stream', async () => {
    const { answer } = await download(withFile('attachment; filename=x', 'text/<b>'))
    expect(answer.headers.get('content-type')).toBe('application/octet-stream')
  })

  it('WI6 one that is not there is 404, a number that is none 400', async () => {
    const { headers, messageId } = await oneMail()
    for (const [n, status] of [
      ['0', 404],
      ['99999', 404],
      ['-1', 400],
      ['x', 400],
      ['1.5', 400],
    ] as const) {
      const answer = await exports.default.fetch(
        `http://edgedesk.test/api/v1/messages/${messageId}/attachments/${n}`,
        { headers },
      )
      expect(answer.status, n).toBe(status)
    }
  })

  it('G7 a name of 300 emoji is cut between letters, and downloads', async () => {
    const name = encodeURIComponent('x'.repeat(99) + '🙂'.repeat(300))
    const { one, answer } = await download(withFile(`attachment; filename*=UTF-8''${name}`))
    expect(one.attachments[0].filename.isWellFormed()).toBe(true)
    expect(answer.status).toBe(200)
  })

  it('G7 quotes, brackets and stars are escaped as RFC 5987 asks', async () => {
    const { answer } = await download(withFile('attachment; filename="it\'s (1).png"'))
    expect(answer.headers.get('content-disposition')).toBe(
      "attachment; filename*=UTF-8''it%27s%20%281%29.png",
    )
  })
})
