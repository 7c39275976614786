import { expect, it } from 'vitest'
import { onlyThanks, wantsPerson } from '../../src/domain/person.ts'

it.each([
  'Yes please, I would like to talk to a person.',
  'HUMAN PLEASE. Stop sending me this.',
  'Can I speak with someone?',
  'I want a real person',
  'please connect me to an agent',
  'I need a human being, not a robot',
  '我想請真人協助。',
  '請幫我轉人工',
  '我要人工客服',
  '转人工',
  '可以由專人處理嗎',
])('PE1 asks for a person: %s', text => expect(wantsPerson(text)).toBe(true))

it.each([
  'I talked to a colleague of mine about the order.',
  'How do I get a refund?',
  'The person who delivered it was friendly.',
  'Is this made by hand or by human work?',
  '這是人工皮革嗎？',
  '我要退款',
  'The agent at the airport told me to write.',
])('PE1 does not: %s', text => expect(wantsPerson(text)).toBe(false))

it.each(['Thank you very much!', 'Thanks, that helped a lot!', '謝謝您！', '非常感谢'])(
  'PE2 only thanks: %s',
  text => expect(onlyThanks(text)).toBe(true),
)

it.each([
  'Thanks, but how long does it take?',
  'Thank you for the label. The parcel has not come yet and I have been waiting for two weeks now, please look into it.',
  'Where is my order',
])('PE2 more than thanks: %s', text => expect(onlyThanks(text)).toBe(false))
