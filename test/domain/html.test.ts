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

/** In a language that nobody listed, without an address: only the markup tells. */
const ATTRIBUTION = 'Zu zan Ada baxa 15 Blu 2023:'
const HEAD = '<b>Qa:</b> Ada<br><b>Qe:</b> 15 Blu<br><b>Qi:</b> Bob<br><b>Qo:</b> x<br>'

it.each([
  [
    'Gmail',
    `<div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">${ATTRIBUTION}<br></div><blockquote class="gmail_quote" style="margin:0">Old.</blockquote></div>`,
  ],
  [
    'Thunderbird',
    `<div class="moz-cite-prefix">${ATTRIBUTION}</div><blockquote type="cite">Old.</blockquote>`,
  ],
  [
    'Outlook on the web',
    `<div id="appendonsend"></div><hr tabindex="-1"><div id="divRplyFwdMsg" dir="ltr">${HEAD}</div><div>Old.</div>`,
  ],
  [
    'Outlook on the desktop',
    `<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"><p class="MsoNormal">${HEAD}</p></div></div><p>Old.</p>`,
  ],
  ['Outlook for Mac', `<span id="OLK_SRC_BODY_SECTION"><div>${HEAD}</div><div>Old.</div></span>`],
  [
    'Outlook for a phone',
    `<div id="mail-editor-reference-message-container" class="ms-outlook-mobile-reference-message"><div>${HEAD}</div><p>Old.</p></div>`,
  ],
  ['Yahoo', `<div id="yahoo_quoted_12" class="yahoo_quoted"><div>${ATTRIBUTION}</div><div>Old.</div></div>`],
  [
    'Yahoo, new',
    `<div id="ydp1yahoo_quoted_12" class="ydp1yahoo_quoted"><div>${ATTRIBUTION}</div><div>Old.</div></div>`,
  ],
  [
    'Proton',
    `<div class="protonmail_quote">${ATTRIBUTION}<br><blockquote class="protonmail_quote" type="cite">Old.</blockquote></div>`,
  ],
  ['Zoho', `<div class="zmail_extra"><div>${ATTRIBUTION}</div><blockquote>Old.</blockquote></div>`],
  ['Roundcube', `<p id="reply-intro">${ATTRIBUTION}</p><blockquote type="cite">Old.</blockquote>`],
])('F8 the markup of %s says where the quote begins, whatever the language', (_, quote) => {
  const text = textOfHtml(`<div>Yes, please.</div><br>${quote}`)
  const { content, rest, onlyQuote } = newText(text)
  expect([content, onlyQuote]).toEqual(['Yes, please.', false])
  expect(rest).toMatch(/Ada[\s\S]*Old\.$/)
  expect(rest).toMatch(/^[\w>]/)
})

it('F1 F2 the markup of a quote hides neither what is passed on nor answers in it', () => {
  const forward =
    '<div class="gmail_quote"><div class="gmail_attr">---------- Zuzan zan ---------<br>Qa: Ada &lt;ada@shop.example&gt;<br>Qe: Mon, 15 Jun 2023 at 15:38<br>Qi: x<br>Qo: Bob &lt;bob@mail.example&gt;<br></div>The text.</div>'
  expect(newText(textOfHtml(`<p>See below.</p>${forward}`)).content).toMatch(/^See below\.[\s\S]*The text\.$/)
  const between = `<div class="moz-cite-prefix">${ATTRIBUTION}</div><blockquote type="cite">Which size?</blockquote><p>Large.</p><blockquote type="cite">Which colour?</blockquote><p>Red.</p>`
  expect(newText(textOfHtml(between)).content).toMatch(/Large\.[\s\S]*Red\.$/)
})

it('F4 a blockquote that no mail program made is the writer’s own', () => {
  const text = textOfHtml('<p>It prints:</p><blockquote>error 5</blockquote>')
  expect(newText(text).content).toBe('It prints:\n\n> error 5')
})

it.each([
  ['attributes', `<div class="${'gmail '.repeat(60)}">`],
  ['styles', `<div style="border-top:${'border-top: '.repeat(30)}">`],
  ['marks', '<div class="gmail_attr">x</div>'],
])('E14 1 MB of %s takes no longer than a mail should', (_, unit) => {
  const html = unit.repeat(Math.ceil(1_000_000 / unit.length))
  const began = performance.now()
  newText(textOfHtml(html))
  expect(performance.now() - began).toBeLessThan(500)
})
