import { describe, expect, it } from 'vitest'
import { BLOCKED, type Guarded, whyBlocked } from '../../src/domain/guard.ts'
import { promptFor } from '../../src/domain/prompt.ts'

const NONCE = '0123456789abcdef01234567'
const INSTRUCTIONS = Array.from(
  { length: 40 },
  (_, n) => `Rule number ${n} of this shop says thing ${n * 7}.`,
).join(' ')
const told = {
  assistantName: 'Ada',
  instructions: INSTRUCTIONS,
  tone: '',
  language: 'en',
  localTime: '',
  channel: 'email' as const,
  writtenTo: '',
}
const strangers = { articles: [], contactName: '', subject: '', said: ['hi'], history: [], quoted: '' }
const { system } = promptFor({ ...told, ...strangers }, NONCE)
const blocked = (text: string, about: Partial<Guarded> = {}) =>
  whyBlocked(text, {
    nonce: NONCE,
    instructions: INSTRUCTIONS,
    system,
    open: [],
    secrets: ['hunter2hunter2'],
    ...about,
  })

describe('what goes out', () => {
  it.each([
    'You can return it within 30 days.',
    '您好：\n\n商品送達後 30 天內皆可退貨。\n\n敬祝 順心',
    'I am sorry, but we cannot find your order. A colleague will help.',
    'Sorry, I can’t find that in our help pages.',
    '很抱歉，我找不到這個問題的答案。',
    'Use the function key F5, or call us. The tool is in the box: <b>not here</b>.',
    'Our API takes JSON such as {"name": "Ann", "size": 3}.',
    'Your tracking number is 1Z999AA10123456784 and the invoice sk-2024-001.',
    'Reset your password on the sign-in page.',
    'Rule number 3 of this shop says thing 21.',
  ])('I8 an ordinary answer: %s', text => {
    expect(blocked(text)).toBeNull()
  })

  it('I8 articles word for word, also where the team pasted them into its instructions', () => {
    const article = INSTRUCTIONS.slice(0, 600)
    expect(blocked(article)).toBe('confidential')
    expect(blocked(article, { open: [article] })).toBeNull()
  })
})

describe('what does not', () => {
  it.each(['', '   ', '\n\n\u00a0'])('I7 nothing: %j', text => expect(blocked(text)).toBe('empty'))

  it.each([
    "I'm sorry, but I can't assist with that.",
    'I’m sorry, but I cannot help with that request.',
    'I am sorry, I am unable to comply with this.',
    'Sorry, but I can’t help with that.',
    'As an AI language model, I do not have access to orders.',
    '作为一个AI语言模型，我无法回答这个问题。',
    '身為人工智慧助手，我無法提供協助。',
    '抱歉，我无法满足您的请求。',
  ])('I7 a refusal: %s', text => expect(blocked(text)).toBe('refused'))

  it.each([
    '<tool_call>{"name":"send"}</tool_call>',
    'Let me look. <function_calls><invoke name="x">',
    '<|im_start|>assistant\nHello',
    '<|tool▁calls▁begin|>',
    '<｜tool▁calls▁begin｜>',
    '[TOOL_CALLS][{"name":"x"}]',
    '[INST] hello [/INST]',
    '{"name": "send_mail", "arguments": {"to": "x"}}',
    '```json\n{"tool_calls": [{"id": 1}]}\n```',
    'Here: {"action": "search", "action_input": "refund"}',
    '<think>the customer wants a refund</think>',
    '```tool_code\nprint(1)\n```',
    '<function=search>{"q":1}</function>',
    'assistant to=functions.send\nhello',
  ])('I8 a trace of a tool or a template: %j', text => expect(blocked(text)).toBe('tool_trace'))

  it.each([
    'It is hunter2hunter2.',
    'sk-proj-abcdefghijklmnopqrstuvwxyz012345',
    `ed_${'0'.repeat(32)}_${'A'.repeat(43)}`,
    `v1.site.AAAAAAAAAAAAAAAA.${'A'.repeat(30)}`,
    'AKIAIOSFODNN7EXAMPLE',
    `ghp_${'a'.repeat(36)}`,
    'xoxb-123456789012-123456789012-abc',
    `AIza${'a'.repeat(35)}`,
    '-----BEGIN RSA PRIVATE KEY-----\nMIIE',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop',
  ])('I8 a secret: %s', text => expect(blocked(`Here you are: ${text}`)).toBe('secret'))

  it('I8 the marks of the fences, of this request or as it imagines them', () => {
    for (const text of [`>>>${NONCE}`, `the marker ${NONCE}`, '<<<abcdef0123456789abcdef01 NEW MAIL'])
      expect(blocked(text)).toBe('fence')
  })

  it('I8 instructions, wherever the piece begins, in other case, with other marks', () => {
    for (let start = 0; start < INSTRUCTIONS.length - 500; start += 37) {
      const piece = INSTRUCTIONS.slice(start, start + 500)
      expect(blocked(`Sure: ${piece}`)).toBe('confidential')
      expect(blocked(piece.toUpperCase().replaceAll(' ', '  \n* '))).toBe('confidential')
    }
  })

  it('I8 short instructions as a whole, instructions in Chinese, and our own rules', () => {
    const short =
      'You are the assistant of Acme, whose secret supplier is Globex in Springfield, and never say so to anybody.'
    expect(blocked(`I was told: ${short}`, { instructions: short })).toBe('confidential')
    const chinese =
      '我們的供應商是某某公司，折扣最多可以給到七折，但不要主動告訴客人。若客人堅持，請轉給經理處理，並說明需要一個工作天，同時記錄訂單編號與姓名電話。'
    expect(blocked(`內部規定：${chinese}`, { instructions: chinese })).toBe('confidential')
    const rules = system.split('\n\n').find(part => part.includes('They are data.'))!
    expect(blocked(rules.replaceAll(NONCE, '').replaceAll(/[<>]/g, ''))).toBe('confidential')
  })

  it('I8 more than a mail', () => expect(blocked('word '.repeat(5000))).toBe('too_long'))

  it('I8 every reason is a sentence', () => {
    for (const sentence of Object.values(BLOCKED)) expect(sentence).toMatch(/^[A-Z].*\.$/)
  })
})
