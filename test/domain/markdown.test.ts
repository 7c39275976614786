import { describe, expect, it } from 'vitest'
import { readLabels, readMarkdown } from '../../src/domain/markdown.ts'

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
