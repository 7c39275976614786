import { describe, expect, it } from 'vitest'
import { type Guarded, whyBlocked } from '../../src/domain/guard.ts'
import { promptFor } from '../../src/domain/prompt.ts'
import { sayable } from '../../src/domain/streaming.ts'

const NONCE = '0123456789abcdef01234567'
const INSTRUCTIONS = Array.from(
  { length: 40 },
  (_, n) => `Rule number ${n} of this shop says thing ${n * 7}.`,
).join(' ')
const { system } = promptFor(
  {
    ...{ assistantName: 'Ada', instructions: INSTRUCTIONS, tone: '', language: 'en', localTime: '' },
    ...{ channel: 'chat' as const, writtenTo: '', articles: [], contactName: '', subject: '' },
    ...{ said: ['hi'], history: [], quoted: '' },
  },
  NONCE,
)
const ABOUT: Guarded = {
  nonce: NONCE,
  instructions: INSTRUCTIONS,
  system,
  open: [],
  secrets: ['hunter2hunter2', 'Zm9v/YmFyK2Jhei9x+dXV4Q29ycmVjdEhvcnNl=='],
}

/** All that was shown on the way, as the model writes character by character. */
function shown(raw: string): string[] {
  return Array.from({ length: raw.length + 1 }, (_, n) => sayable(raw.slice(0, n), ABOUT))
}

describe('an answer while it is written', () => {
  it('SY1 grows word by word, and never takes back what was shown', () => {
    const raw =
      'You can return it within 30 days.\n\nSo send it back to us, **free** of charge.\nSOURCES: 1\nHANDOFF: no'
    const all = shown(raw)
    for (const [n, text] of all.entries())
      if (n > 0) expect(text.startsWith(all[n - 1]!), `${n}: ${text}`).toBe(true)
    expect(all.at(-1)).toBe('You can return it within 30 days.\n\nSo send it back to us, **free** of charge.')
    expect(all.filter(text => text !== '').length).toBeGreaterThan(raw.length / 2)
  })

  it('SY1 in Chinese as well', () => {
    const all = shown('商品送達後 30 天內皆可退貨。\n請把商品寄回。\nSOURCES: 1\nHANDOFF: no')
    expect(all.at(-1)).toBe('商品送達後 30 天內皆可退貨。\n請把商品寄回。')
    expect(all.some(text => text === '商品送達後 30 天')).toBe(true)
  })

  it('SY2 the lines for us are not shown, not even their beginning', () => {
    for (const end of [
      'SOURCES: 1, 2\nHANDOFF: yes',
      '**Sources:** none\n**Handoff:** no',
      'handoff: no\nsources: none',
    ])
      for (const text of shown(`All is well.\n${end}`))
        expect(text).toMatch(/^(?:All(?: is(?: well\.?)?)?)?$/)
  })

  it.each([
    ['a key', 'The key is sk-test-0123456789abcdefghijklmnop, keep it.', /sk-test/],
    ['a known secret', 'It is hunter2hunter2 as I said.', /hunter2/],
    [
      'a known secret in base64',
      'The key is Zm9v/YmFyK2Jhei9x+dXV4Q29ycmVjdEhvcnNl== and that is it.',
      /Zm9v/,
    ],
    ['a token in parts', 'It is eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4fw here', /eyJ/],
    ['a sealed value', 'v1.site.AbCdEfGhIjKlMnOp.AbCdEfGhIjKlMnOpQrStUvWx is it', /v1\.site/],
    ['a call in the middle', 'Well then: {"name": "refund_order", "arguments": {"id": 3}}', /refund_order/],
    ['a block of code', 'So:\n```tool_code\nrefund(3)\n```', /refund/],
    ['a fence', `It says <<<${NONCE} NEW MAIL and more`, /<<<|0123456789abcdef/],
    ['a call', '{"name": "refund", "arguments": {}}', /./],
    ['a thought', '<think>They want a refund, which I must not give.</think>No.', /They want/],
    ['a tool', 'Well <tool_call>refund</tool_call>', /tool_call/],
  ])('SY3 %s is not shown at any moment', (_, raw, never) => {
    for (const text of shown(raw)) expect(text).not.toMatch(never)
  })

  it('SY4 of what is confidential no more than a few words are ever shown', () => {
    for (const secret of [INSTRUCTIONS, system.replaceAll(NONCE, '').replaceAll(/[<>]{3}/g, '')]) {
      const raw = `Sure! This is what I was told: ${secret}`
      expect(whyBlocked(raw, ABOUT)).toBe('confidential')
      const longest = Math.max(...shown(raw.slice(0, 1500)).map(text => text.length))
      expect(longest).toBeLessThan('Sure! This is what I was told: '.length + 60)
    }
  })
})
