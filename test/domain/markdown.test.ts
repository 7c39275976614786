import { describe, expect, it } from 'vitest'
import { plainText, readLabels, readMarkdown } from '../../src/domain/markdown.ts'

const titles = (text: string) => readMarkdown(text).articles.map(one => one.title)

describe('articles out of Markdown', () => {
  it('AR3 top-level headings cut, deeper ones do not', () => {
    expect(readMarkdown('# A #\n\ntext\n## B\nmore\n\n#  C\nlast')).toEqual({
      articles: [
        { title: 'A', body: 'text\n## B\nmore', url: null, language: null, labels: [], at: 1 },
        { title: 'C', body: 'last', url: null, language: null, labels: [], at: 7 },
      ],
      mistakes: [],
    })
  })

  it('AR3 a # in code, in a word or far to the right is no heading', () => {
    expect(
      titles('# A\n```sh\n# comment\n```\n~~~~\n```\n# still code\n~~~~\n#hashtag\n    # indented'),
    ).toEqual(['A'])
  })

  it('AR3 any line ends', () => {
    expect(titles('# A\r\nx\r# B\ry\n# C\nz')).toEqual(['A', 'B', 'C'])
  })

  it('AR3 front matter: comments, quotes and unknown fields are let be', () => {
    const text = "---\n# by hand\ntitle: 'A: b'\nauthor: me\nlang: fr\n---\nx"
    expect(readMarkdown(text).articles).toMatchObject([
      { title: 'A: b', language: 'fr', body: 'x', url: null },
    ])
  })

  it.each([
    ['a, b', ['a', 'b']],
    ['[ "a", b ]', ['a', 'b']],
    ['a; b|c', ['a', 'b', 'c']],
    ['', []],
    ['[]', []],
  ])('AR3 labels %j', (text, labels) => expect(readLabels(text)).toEqual(labels))

  it.each(['', '\n', '---', '---\n---', '#', '\u0000', '# \n# \n', '```\n# A'])(
    'AR5 %j is read without an error',
    text => {
      expect(() => readMarkdown(text)).not.toThrow()
    },
  )
})

describe('Markdown in a mail', () => {
  it.each([
    ['## How to claim', 'How to claim'],
    ['Open **Settings**, then *Privacy*.', 'Open Settings, then Privacy.'],
    [
      'See [the page](https://a.example/x) or <https://b.example>.',
      'See the page (https://a.example/x) or <https://b.example>.',
    ],
    ['[https://a.example](https://a.example)', 'https://a.example'],
    ['Write to [us](mailto:a@b.example).', 'Write to us (a@b.example).'],
    ['- one\n- two', '- one\n- two'],
    ['2 * 3 * 4, snake_case_name, #1 of 2, a*b*c', '2 * 3 * 4, snake_case_name, #1 of 2, a*b*c'],
    ['```js\nlet a = `b`\n```', 'let a = b'],
    ['![a chart](https://a.example/c.png)', 'a chart'],
  ])('AR8 %j is shown as %j', (markdown, shown) => {
    expect(plainText(markdown)).toBe(shown)
  })
})
