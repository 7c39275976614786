import { expect, it } from 'vitest'
import { textOfHtml } from '../../src/domain/html.ts'
import { newText } from '../../src/domain/quote.ts'

it('E11 an HTML-only mail is its words, a line a block', () => {
  expect(
    textOfHtml(
      '<!doctype html><html><head><title>x</title><style>p{}</style></head><body><p>How much is <b>shipping</b>?</p>\n<div>Thanks,<br>Alice</div></body></html>',
    ),
  ).toBe('How much is shipping?\n\nThanks,\nAlice')
})

it('E11 entities, comments, scripts and lists', () => {
  expect(
    textOfHtml(
      'Tom &amp; J&#233;r&#xF4;me &lt;3 &nbsp;&hellip;<!-- <p>no</p> --><script>alert("no")</script><ul><li>one<li>two</ul>',
    ),
  ).toBe('Tom & Jérôme <3  …\n\n- one\n- two')
})

it('F8 a blockquote becomes quoted lines, which the view leaves out', () => {
  const text = textOfHtml(
    '<div dir="ltr">Yes, please.</div><br><div class="gmail_quote"><div>On Mon, 2 Nov 2026 at 10:00, Ada &lt;ada@shop.example&gt; wrote:<br></div><blockquote><p>Do you want it?</p></blockquote></div>',
  )
  expect(text).toContain('> Do you want it?')
  expect(newText(text).content).toBe('Yes, please.')
})

it.each([
  ['1 MB of <', '<'.repeat(1_000_000)],
  ['1 MB of <div>', '<div>'.repeat(200_000)],
  ['1 MB of <!--', '<!--'.repeat(250_000)],
  ['1 MB of &', '&'.repeat(1_000_000)],
  ['1 MB of <blockquote>', '<blockquote>a'.repeat(77_000)],
  ['1 MB without a tag', 'a '.repeat(500_000)],
])('E14 %s takes no longer than a mail should', (_, html) => {
  const began = performance.now()
  textOfHtml(html)
  expect(performance.now() - began).toBeLessThan(500)
})

it('E11 what is no HTML stays as it is', () => {
  expect(textOfHtml('a < b and b > c')).toBe('a < b and b > c')
  expect(textOfHtml('')).toBe('')
})
