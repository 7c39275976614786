import { describe, expect, it } from 'vitest'
import type { Citation } from '../../src/domain/conversation.ts'
import { answerBodies as bodiesOf } from '../../src/mail/answer.ts'

const answerBodies = (text: string, citations: Citation[], language: string) =>
  bodiesOf({ text, citations, language, aiLine: null, signature: '', original: null })

const refunds = { id: '1', title: 'Refunds and returns', url: 'https://shop.example/refunds?a=1&b=2' }
const note = { id: '2', title: 'An <internal> note', url: null }

describe('the two bodies of an answer', () => {
  it('OU6 the text is the answer as it is, and ends with a line end', () => {
    expect(answerBodies('Hello,\n\n1 < 2 & "so".', [], 'en').text).toBe('Hello,\n\n1 < 2 & "so".\n')
  })

  it('OU6 the HTML says the same: paragraphs, line breaks, everything escaped', () => {
    const { html } = answerBodies('Hello <b>Alice</b> & "all",\nline two\n\nBye', [], 'en')
    expect(html).toContain(
      '<p>Hello &lt;b&gt;Alice&lt;/b&gt; &amp; &quot;all&quot;,<br>\nline two</p>\n<p>Bye</p>',
    )
    expect(html).not.toContain('<b>')
  })

  it('OU7 sources are numbered in the text and linked in the HTML', () => {
    const { text, html } = answerBodies('30 days.', [refunds, note], 'en')
    expect(text).toBe(
      '30 days.\n\nSources:\n[1] Refunds and returns https://shop.example/refunds?a=1&b=2\n[2] An <internal> note\n',
    )
    expect(html).toContain(
      '<p>Sources</p>\n<ol><li><a href="https://shop.example/refunds?a=1&amp;b=2">Refunds and returns</a></li><li>An &lt;internal&gt; note</li></ol>',
    )
  })

  it('OU7 without sources there is no heading for them', () => {
    const { text, html } = answerBodies('30 days.', [], 'en')
    expect(text + html).not.toContain('Sources')
  })

  it.each([
    ['zh-TW', '資料來源'],
    ['zh-CN', '资料来源'],
    ['en', 'Sources'],
    ['de', 'Sources'],
    ['und', 'Sources'],
  ])('OU7 the heading in %s is %s', (language, heading) => {
    const { text, html } = answerBodies('x', [refunds], language)
    expect(text).toContain(`${heading}:\n[1]`)
    expect(html).toContain(`<p>${heading}</p>`)
  })

  it.each([
    'javascript:alert(1)',
    'data:text/html,<script>',
    ' https://a.example',
    'JAVASCRIPT://x/%0aalert(1)',
    'file:///etc/passwd',
  ])('OU8 a source at %s is named and not linked', url => {
    const { html } = answerBodies('x', [{ id: '1', title: 'Click', url }], 'en')
    expect(html).toContain('<li>Click</li>')
    expect(html).not.toContain('<a ')
  })

  it('OU8 a link in the text is a link, and what follows it is not', () => {
    const { html } = answerBodies(
      'See https://a.example/?x=1&y="2" or http://b.example, <https://c.example/>.',
      [],
      'en',
    )
    expect(html).toContain(
      '<a href="https://a.example/?x=1&amp;y=">https://a.example/?x=1&amp;y=</a>&quot;2&quot;',
    )
    expect(html).toContain('&lt;<a href="https://c.example/">https://c.example/</a>&gt;.')
    expect(html.match(/<a /g)).toHaveLength(3)
  })

  it('OU8 no title, address or text gets out of its place in the HTML', () => {
    const evil = '"><img src=x onerror=alert(1)>'
    const { html } = answerBodies(
      `https://a.example/${evil}`,
      [{ id: '1', title: evil, url: `https://a.example/${evil}` }],
      evil,
    )
    expect(html).not.toContain('<img')
    expect(html.match(/<[a-z]+/g)?.sort()).toEqual(['<a', '<a', '<body', '<html', '<li', '<ol', '<p', '<p'])
  })

  it('OU6 the language is written on the page, and an unknown one is English', () => {
    expect(answerBodies('x', [], 'zh-TW').html).toContain('<html lang="zh-TW">')
    expect(answerBodies('x', [], 'und').html).toContain('<html lang="en">')
  })
})
