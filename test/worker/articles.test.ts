import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { words } from '../../src/domain/words.ts'
import { articlesAbout } from '../../src/store/articles.ts'
import { db } from '../../src/store/db.ts'
import { site } from './cast.ts'
import { asking } from './staff.ts'

async function desk() {
  const { siteId, headers } = await site()
  const ask = asking(headers)
  const { id } = (await ask('POST', '/assistants/', { name: 'Ada', kind: 'knowledge' })).json
  return {
    ask,
    siteId,
    assistant: id as string,
    load: async (type: string, body: string | Uint8Array, query = `?assistant=${id}`) => {
      const answer = await exports.default.fetch(`http://edgedesk.test/api/v1/articles/import${query}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': type },
        body: body as BodyInit,
      })
      return { status: answer.status, json: (await answer.json()) as Record<string, never> }
    },
    found: async (said: string, labels: string[] = []) =>
      (await articlesAbout(db(env.DB), env.SEARCH, siteId, id, words(said), 10, labels)).map(
        one => one.title,
      ),
    titles: async () =>
      ((await ask('GET', `/articles/?assistant=${id}&limit=100`)).json.items as { title: string }[]).map(
        one => one.title,
      ),
  }
}

const refusal = (message: string) => ({
  status: 422,
  json: { error: { code: 'import_refused', message: expect.stringContaining(message) } },
})

describe('articles', () => {
  it('AR1 are made, read, changed, listed by assistant and removed, and are found as they are', async () => {
    const { ask, assistant, found, titles } = await desk()
    const made = await ask('POST', '/articles/', {
      assistantId: assistant,
      title: 'Zeppelin parking',
      body: 'On the roof of the house.',
      labels: ['vip', 'vip'],
    })
    expect(made).toMatchObject({
      status: 200,
      json: {
        assistantId: assistant,
        language: 'en',
        url: null,
        labels: ['vip'],
        createdAt: expect.stringMatching(/^\d{13}$/),
      },
    })
    const { id } = made.json
    expect((await ask('GET', `/articles/${id}`)).json).toEqual(made.json)
    expect([await found('zeppelin'), await found('zeppelin', ['vip'])]).toEqual([[], ['Zeppelin parking']])
    await ask('PATCH', `/articles/${id}`, { title: 'Submarine mooring', labels: [] })
    expect((await ask('GET', `/articles/${id}`)).json).toMatchObject({
      body: 'On the roof of the house.',
      labels: [],
    })
    expect([await found('zeppelin'), await found('submarine')]).toEqual([[], ['Submarine mooring']])
    const other = (await ask('POST', '/assistants/', { name: 'Bob', kind: 'knowledge' })).json.id
    for (const title of ['one', 'two', 'three'])
      await ask('POST', '/articles/', { assistantId: other, title, body: 'x' })
    expect(await titles()).toEqual(['Submarine mooring'])
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { items: { title: string }[]; next: string | null } = (
        await ask('GET', `/articles/?limit=2&cursor=${cursor}`)
      ).json
      seen.push(...page.items.map(one => one.title))
      cursor = page.next
    }
    expect(seen).toEqual(['Submarine mooring', 'one', 'two', 'three'])
    expect((await ask('DELETE', `/articles/${id}`)).json).toEqual({ id, deleted: true })
    expect([(await ask('GET', `/articles/${id}`)).status, await found('submarine')]).toEqual([404, []])
  })

  it.each([
    [
      'no such assistant',
      { assistantId: '01900000-0000-7000-8000-000000000000' },
      'invalid_field',
      'assistantId',
    ],
    ['no title', { title: ' ' }, 'invalid_field', 'title'],
    ['no body', { body: undefined }, 'missing_field', 'body'],
    ['a url that is none', { url: 'javascript:alert(1)' }, 'invalid_field', 'url'],
    ['an unknown field', { author: 'me' }, 'unknown_field', 'author'],
  ])('AR2 %s is refused by name', async (_, about, code, field) => {
    const { ask, assistant } = await desk()
    const body = { assistantId: assistant, title: 'T', body: 'B', ...about }
    expect(await ask('POST', '/articles/', body)).toMatchObject({
      status: 400,
      json: { error: { code, field } },
    })
  })

  it('AC5 those of another site are not there, nor can an article be put among theirs', async () => {
    const [mine, theirs] = [await desk(), await desk()]
    const { id } = (
      await theirs.ask('POST', '/articles/', {
        assistantId: theirs.assistant,
        title: 'Secret',
        body: 'Secret',
      })
    ).json
    for (const [method, body] of [
      ['GET', undefined],
      ['PATCH', { title: 'x' }],
      ['DELETE', undefined],
    ] as const)
      expect((await mine.ask(method, `/articles/${id}`, body)).status).toBe(404)
    expect((await mine.ask('GET', '/articles/')).json.items).toEqual([])
    expect((await mine.ask('GET', `/articles/?assistant=${theirs.assistant}`)).json.items).toEqual([])
    expect((await mine.load('text/markdown', '# A\nb', `?assistant=${theirs.assistant}`)).status).toBe(400)
    expect(await theirs.found('secret')).toEqual(['Secret'])
  })
})

describe('importing', () => {
  it('AR3 Markdown is one article for each top-level heading; done again it changes, and doubles nothing', async () => {
    const { load, titles, found, ask, assistant } = await desk()
    const text = '# Refunds\n\nWithin 30 days.\n\n## How\n\nWrite to us.\n\n# 退款\n\n30 天內皆可退款。\n'
    expect(await load('text/markdown; charset=utf-8', text)).toMatchObject({
      status: 200,
      json: { added: 2, changed: 0 },
    })
    expect(await load('text/markdown', text.replace('30 days', '60 days'))).toMatchObject({
      json: { added: 0, changed: 2 },
    })
    expect((await titles()).toSorted()).toEqual(['Refunds', '退款'])
    const { items } = (await ask('GET', `/articles/?assistant=${assistant}`)).json
    expect(items.find((one: { title: string }) => one.title === 'Refunds').body).toBe(
      'Within 60 days.\n\n## How\n\nWrite to us.',
    )
    expect(items.find((one: { title: string }) => one.title === '退款').language).toBe('zh-TW')
    expect([await found('refunds'), await found('退款')]).toEqual([['Refunds'], ['退款']])
  })

  it('AR3 Markdown with front matter is one article', async () => {
    const { load, ask, assistant } = await desk()
    const text =
      '---\ntitle: "Opening hours"\nurl: https://shop.example/hours\nlanguage: en\nlabels: [vip, staff]\n---\n# Opening hours\n\n9 to 18.\n\n# Holidays\n\nClosed.'
    expect((await load('text/markdown', text)).json).toEqual({ added: 1, changed: 0 })
    expect((await ask('GET', `/articles/?assistant=${assistant}`)).json.items).toMatchObject([
      {
        title: 'Opening hours',
        body: '9 to 18.\n\n# Holidays\n\nClosed.',
        url: 'https://shop.example/hours',
        language: 'en',
        labels: ['vip', 'staff'],
      },
    ])
  })

  it('AR4 CSV has its columns named in the first row, in any order, with quotes, lines and semicolons', async () => {
    const { load, ask, assistant, titles } = await desk()
    const text =
      '\ufeffbody,title,labels,url\r\n"First line\nsecond, ""line""",Refunds,"vip, staff",\r\n\r\n9 to 18,Hours,,https://shop.example/h\r\n'
    expect((await load('text/csv', text)).json).toEqual({ added: 2, changed: 0 })
    expect((await ask('GET', `/articles/?assistant=${assistant}`)).json.items).toMatchObject([
      { title: 'Refunds', body: 'First line\nsecond, "line"', labels: ['vip', 'staff'], url: null },
      { title: 'Hours', body: '9 to 18', labels: [], url: 'https://shop.example/h' },
    ])
    expect((await load('text/csv', 'title;body\nHours;10 to 19, daily')).json).toEqual({
      added: 0,
      changed: 1,
    })
    const utf16 = new Uint8Array([
      0xff,
      0xfe,
      ...[...'title\tbody\n退款\t30 天'].flatMap(c => [c.charCodeAt(0) & 255, c.charCodeAt(0) >> 8]),
    ])
    expect((await load('text/csv', utf16)).json).toEqual({ added: 1, changed: 0 })
    expect(await titles()).toEqual(['Refunds', 'Hours', '退款'])
  })

  it.each([
    ['text/csv', 'title,body\nA,x\n,y\nB,\nC,z', 'Row 3: The title is missing. Row 4: The body is missing.'],
    ['text/csv', 'title,body\nA,x\nA,y', 'Row 3: The title is the same as that of row 2.'],
    ['text/csv', 'title,text\nA,x', 'Row 1: There is no column named "body"'],
    ['text/csv', 'title,body,author\nA,x,me', 'Row 1: "author" is not a column'],
    ['text/csv', 'title,body,url\nA,x,nonsense', 'Row 2: The url is not allowed'],
    ['text/csv', 'title,body\nA,x,y', 'Row 2: It has 3 values'],
    ['text/csv', 'title,body\nA,"x', 'it is not CSV'],
    ['text/csv', 'title,body\n', 'There is no article in it'],
    ['text/csv', '', 'There is no column named "title"'],
    ['text/markdown', 'Hello\n# A\nx', 'Line 1: There is text before the first heading'],
    ['text/markdown', '# A\n\n# B\nx', 'Line 1: The body is missing.'],
    ['text/markdown', '# A\nx\n#\ny', 'Line 3: The title is missing.'],
    ['text/markdown', '', 'There is no heading'],
    ['text/markdown', '---\nurl: x\n---\ny', 'The front matter has no title'],
    ['text/markdown', '---\ntitle: x\ny', 'The front matter has no end'],
    ['text/markdown', '# A\nx\n# A\ny', 'Line 3: The title is the same as that of line 1.'],
  ])('AR5 all or nothing: %s %j is refused, and its mistakes named', async (type, text, message) => {
    const { load, titles } = await desk()
    expect(await load(type, text)).toMatchObject(refusal(message))
    expect(await titles()).toEqual([])
  })

  it('AR5 what is neither, not text, too many or too large is refused', async () => {
    const { load, titles } = await desk()
    expect((await load('application/pdf', '%PDF')).json).toMatchObject({ error: { code: 'invalid_field' } })
    expect(await load('text/csv', new Uint8Array([0x74, 0xff, 0xc3, 0x28]))).toMatchObject(
      refusal('not UTF-8'),
    )
    const many = Array.from({ length: 1001 }, (_, n) => `# T${n}\nx`).join('\n')
    expect(await load('text/markdown', many)).toMatchObject(refusal('More than 1000 articles'))
    expect((await load('text/markdown', `# A\n${'x'.repeat(1024 * 1024)}`)).status).toBe(413)
    expect((await load('text/markdown', '# A\nx', '')).json).toMatchObject({
      error: { code: 'missing_field', field: 'assistant' },
    })
    expect(await titles()).toEqual([])
  })

  it('AR6 a thousand articles, and one megabyte of Chinese, come in at once and are found', async () => {
    const { load, found } = await desk()
    const many = Array.from({ length: 1000 }, (_, n) => `# Topic${n}\n\nAll about walrus${n}.`).join('\n\n')
    expect((await load('text/markdown', many)).json).toEqual({ added: 1000, changed: 0 })
    expect(await found('walrus777')).toEqual(['Topic777'])
    const chinese = Array.from(
      { length: 10 },
      (_, n) => `# 說明${n}\n\n海象${n}${'商品送達後三十天內皆可退貨'.repeat(2500)}`,
    ).join('\n')
    expect(new TextEncoder().encode(chinese).length).toBeGreaterThan(900_000)
    expect((await load('text/markdown', chinese)).json).toEqual({ added: 10, changed: 0 })
    expect((await found('海象')).length).toBe(10)
  })
})
