import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { brand, luminance } from '../../web/widget/color.ts'
import { chosen, filled } from '../../web/widget/languages.ts'
import { type Block, type Inline, inlines, markdown, safeHref } from '../../web/widget/markdown.ts'

/** The tree as a compact text: what is bold between ‹b…›, and so on. */
const shown = (all: Inline[]): string =>
  all
    .map(one =>
      typeof one === 'string'
        ? one
        : one.kind === 'br'
          ? '⏎'
          : `‹${one.kind}${one.href ? ` ${one.href}` : ''}:${shown(one.children)}›`,
    )
    .join('')
const blocks = (text: string) =>
  markdown(text).map((one: Block) => {
    if (one.kind === 'list') return `${one.start ?? '•'} ${one.items.map(shown).join(' | ')}`
    return `${one.kind}: ${one.kind === 'code' ? one.text : shown(one.children)}`
  })
const textOf = (all: Inline[]): string =>
  all.map(one => (typeof one === 'string' ? one : one.kind === 'br' ? '\n' : textOf(one.children))).join('')

describe('markdown', () => {
  it.each([
    [
      '**bold** and *italic* and _italic_ and __bold__',
      '‹strong:bold› and ‹em:italic› and ‹em:italic› and ‹strong:bold›',
    ],
    ['**bold with *both* in it**', '‹strong:bold with ‹em:both› in it›'],
    ['2 * 3 * 4 and a_b_c and **', '2 * 3 * 4 and a_b_c and **'],
    ['**never closed', '**never closed'],
    ['*a **b* c**', '‹em:a **b› c**'],
    ['`a * b` and ``', '‹code:a * b› and ``'],
    ['\\*not\\* bold', '*not* bold'],
    ['一**粗體**字', '一‹strong:粗體›字'],
    ['line one\nline two', 'line one⏎line two'],
  ])('CW5 %j', (text, tree) => expect(shown(inlines(text))).toBe(tree))

  it.each([
    ['[our page](https://a.example/x)', '‹a https://a.example/x:our page›'],
    ['[write](mailto:a@b.example)', '‹a mailto:a@b.example:write›'],
    ['see https://a.example/x_y_z(1).', 'see ‹a https://a.example/x_y_z(1):https://a.example/x_y_z(1)›.'],
    ['(https://a.example)', '(‹a https://a.example/:https://a.example›)'],
    [
      '請見https://a.example/退款。謝謝',
      '請見‹a https://a.example/%E9%80%80%E6%AC%BE:https://a.example/退款›。謝謝',
    ],
    ['[**bold** link](https://a.example)', '‹a https://a.example/:‹strong:bold› link›'],
    ['[https://a.example](https://b.example)', '‹a https://b.example/:https://a.example›'],
  ])('CW5 a link: %j', (text, tree) => expect(shown(inlines(text))).toBe(tree))

  it.each([
    '[x](javascript:alert(1))',
    '[x](JaVaScRiPt:alert)',
    '[x](data:text/html,<script>)',
    '[x](//evil.example)',
    '[x](/path)',
    '[x](vbscript:x)',
    '[x](\tjavascript:x)',
    '<img src=x onerror=alert(1)>',
    '<a href=javascript:alert(1)>',
    '![x](y)',
    '[x] (https)',
  ])('CW5 no link and no markup: %j stays the text it is', text => {
    expect(shown(inlines(text))).toBe(text)
  })

  it.each([
    ['one\n\ntwo', ['paragraph: one', 'paragraph: two']],
    ['# Title\ntext', ['heading: Title', 'paragraph: text']],
    ['intro\n- a\n- b\n\n- c\nmore', ['paragraph: intro', '• a | b | c⏎more']],
    ['3. a\n4. **b**', ['3 a | ‹strong:b›']],
    ['1. a\n\n   indented\n\nover', ['1 a⏎indented', 'paragraph: over']],
    ['- a\n1. b', ['• a', '1 b']],
    ['```js\nlet a = **1**\n\n- x\n```\nafter', ['code: let a = **1**\n\n- x', 'paragraph: after']],
    ['```\nnever closed', ['code: never closed']],
    ['a\r\nb', ['paragraph: a⏎b']],
    ['', []],
    ['-5 degrees and 3.14', ['paragraph: -5 degrees and 3.14']],
  ])('CW5 blocks of %j', (text, tree) => expect(blocks(text)).toEqual(tree))

  it('CW5 whatever the text, its words are there, and no link leads elsewhere than to the web or an address', () => {
    const part = fc.constantFrom(
      '**',
      '*',
      '_',
      '__',
      '[',
      ']',
      '](',
      ')',
      '`',
      '\\',
      '\n',
      'a',
      ' ',
      'https://a.example/',
      'javascript:',
      '(',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), parts => {
        const tree = inlines(parts.join(''))
        const words = parts.filter(one => one === 'a').length
        expect((textOf(tree).match(/a/g) ?? []).length).toBeGreaterThanOrEqual(words)
        for (const [, href] of JSON.stringify(tree).matchAll(/"href":"([^"]*)"/g))
          expect(safeHref(href!)).not.toBe(null)
      }),
    )
  })

  it('CW5 hostile text costs no more than other text', () => {
    const many = (text: string) => text.repeat(Math.ceil(60_000 / text.length))
    for (const text of [
      '*',
      '**',
      '_a',
      '[',
      '](',
      '[](',
      '`',
      '`a',
      '``',
      '\\',
      'https://',
      'https://a.',
      '(',
      ')',
      '- ',
      '1. ',
      '#',
      '# ',
      '\n',
      '```\n',
      '*a _b **c __d [e ',
    ].map(many)) {
      const before = performance.now()
      markdown(text)
      expect(performance.now() - before, text.slice(0, 20)).toBeLessThan(400)
    }
  })
})

describe('languages', () => {
  const files = globSync('web/widget/languages/*.ts', { cwd: join(import.meta.dirname, '../..') })
  const ours = files.map(path => basename(path, '.ts'))

  it('CW6 each says everything, with the same blanks, and differs from English', async () => {
    const load = async (path: string) =>
      (await import(join(import.meta.dirname, '../..', path))).default as Record<string, string>
    const english = await load('web/widget/languages/en.ts')
    expect(ours.sort()).toEqual(['en', 'zh-CN', 'zh-TW'])
    const blanks = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort()
    for (const path of files) {
      const texts = await load(path)
      expect(Object.keys(texts)).toEqual(Object.keys(english))
      for (const [key, text] of Object.entries(texts)) {
        expect(text.trim(), key).not.toBe('')
        expect(blanks(text), key).toEqual(blanks(english[key]!))
        expect(blanks(text).length, key).toBeLessThan(2)
        if (!path.endsWith('en.ts')) expect(text, key).not.toBe(english[key])
      }
    }
  })

  it.each([
    [['zh-TW'], 'zh-TW'],
    [['zh-HK'], 'zh-TW'],
    [['zh-Hant'], 'zh-TW'],
    [['zh-MO'], 'zh-TW'],
    [['zh'], 'zh-CN'],
    [['zh-Hans'], 'zh-CN'],
    [['zh-SG'], 'zh-CN'],
    [['zh-Hans-HK'], 'zh-CN'],
    [['en-GB'], 'en'],
    [['ja', 'zh-HK', 'en'], 'zh-TW'],
    [[undefined, null, 'zh'], 'zh-CN'],
    [['', 'not a tag', 'zh-TW'], 'zh-TW'],
    [['ja', 'de'], 'en'],
    [[], 'en'],
  ])('CW6 %j is shown in %s', (wishes, language) => expect(chosen(wishes, ours)).toBe(language))

  it('CW6 a blank is filled, and what fills it is text', () => {
    expect(filled('{n} new', 3)).toBe('3 new')
    expect(filled('Remove {name}.', '{n} $& <b>')).toBe('Remove {n} $& <b>.')
    expect(filled('Send', 'x')).toBe('Send')
  })
})

describe('the colour of a brand', () => {
  it('CW7 has black or white on it, whichever reads better: always at least 4.5 : 1', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffff }), number => {
        const { color, on } = brand(`#${number.toString(16).padStart(6, '0')}`)
        const [a, b] = [luminance(color), on === '#fff' ? 1 : 0].sort((x, y) => y - x) as [number, number]
        expect((a + 0.05) / (b + 0.05)).toBeGreaterThan(4.5)
      }),
      { numRuns: 2000 },
    )
  })

  it.each([undefined, ''])('CW7 where there is none yet, ours is taken (%j)', color => {
    expect(brand(color).color).toBe('#2456d6')
  })
})
