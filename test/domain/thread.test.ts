import { describe, expect, it } from 'vitest'
import {
  bareSubject,
  citedIds,
  idKey,
  messageIdOf,
  messageIds,
  replySubject,
} from '../../src/domain/thread.ts'
import { email } from '../support/read.ts'

describe('ids in headers', () => {
  it.each([
    ['<a@b>', ['<a@b>']],
    ['<a@b> <c@d>', ['<a@b>', '<c@d>']],
    ['<a@b><c@d>', ['<a@b>', '<c@d>']],
    ['<a@b>,<c@d>', ['<a@b>', '<c@d>']],
    ['Your message of "Mon, 1 Jan 2024" <a@b>', ['<a@b>']],
    ['<a@b> (bob’s message of Monday)', ['<a@b>']],
    ['a@b', ['a@b']],
    ['a@b <c@d>', ['a@b', '<c@d>']],
    ['<a@b <c@d>', ['a@b', '<c@d>']],
    ['<a@b', ['a@b']],
    ['a@b>', ['a@b']],
    ['Message from Tuesday', ['Message from Tuesday']],
  ])('D1 %j names %j', (header, ids) => expect(messageIds(header)).toEqual(ids))

  it('D2 References folded with tabs are so many ids', () => {
    expect(messageIds('<a@b>\r\n\t<c@d>\t<e@f>\r\n <g@h>')).toEqual(['<a@b>', '<c@d>', '<e@f>', '<g@h>'])
  })

  it.each(['', '   ', '<>', '< >', '<<>>', '<> <>'])('B3 %j is no id', header => {
    expect(messageIds(header)).toEqual([])
    expect(messageIdOf(header)).toBeNull()
  })

  it('B4 odd ids are kept as they came, and still match', () => {
    for (const odd of ['<a@@b>', '<a b@c>', '<"a b"@c>', 'no-brackets@x', '12345', '<12345>', '<ä@ö>']) {
      expect(messageIdOf(odd)).toBe(odd)
      expect(messageIds(odd)).toEqual([odd])
      expect(citedIds(email({ inReplyTo: [odd] }))).toEqual([odd])
    }
    expect(idKey('<a@b>')).toBe(idKey(' a@b '))
  })

  it('reads hostile headers of a megabyte at once', () => {
    for (const unit of ['<', '>', '<>', '<a@b> ', 'a@b ', '\t', '<a@b']) {
      const started = performance.now()
      messageIds(unit.repeat(1_000_000 / unit.length))
      expect(performance.now() - started).toBeLessThan(400)
    }
  })
})

describe('what a mail cites', () => {
  it('D1 tries every id of In-Reply-To, then the references from the last to the first, once each', () => {
    const mail = email({ inReplyTo: ['<x@1>', '<y@1>'], references: ['<a@1>', '<b@1>', '<x@1>', '<c@1>'] })
    expect(citedIds(mail)).toEqual(['<x@1>', '<y@1>', '<c@1>', '<b@1>', '<a@1>'])
  })

  it('D2 of a thousand references the nearest 200 count', () => {
    const references = Array.from({ length: 1000 }, (_, i) => `<${i}@x>`)
    const cited = citedIds(email({ references }))
    expect(cited).toHaveLength(200)
    expect([cited[0], cited[199]]).toEqual(['<999@x>', '<800@x>'])
  })

  it('B3 empty ids are dropped', () => {
    expect(citedIds(email({ inReplyTo: ['', '<>'], references: [' ', '<a@b>'] }))).toEqual(['<a@b>'])
  })
})

describe('subjects', () => {
  it.each([
    'Re: Order',
    'RE: Order',
    're:Order',
    'Re : Order',
    'Re[2]: Order',
    'RE(3): Order',
    'Re^2: Order',
    'Re: Re: RE: Order',
    'Fwd: Order',
    'FW: Re: Order',
    'AW: Order',
    'Antw: Order',
    'Antwort: Order',
    'WG: Order',
    'SV: Order',
    'VS: Order',
    'TR : Order',
    'RÉF: Order',
    'RV: Order',
    'RES: Order',
    'ENC: Order',
    'Rif: Order',
    'R: Order',
    'Odp: Order',
    'Ответ: Order',
    'ΑΠ: Order',
    'YNT: Order',
    'İLT: Order',
    'Trả lời: Order',
    '回复: Order',
    '回复：Order',
    '回覆: Order',
    '回覆： Order',
    '答复: Order',
    '转发: Order',
    '轉寄: Order',
    '轉寄：回覆：Order',
    '返信: Order',
    '회신: Order',
    ' \t Re:\r\n Order ',
    'Re:\u00a0Order',
    '\u200eRe: Order',
  ])('D18 %j is about "Order"', subject => {
    expect(bareSubject(subject)).toBe('Order')
    expect(replySubject(subject)).toBe('Re: Order')
  })

  it.each([
    'Software: update',
    'Fire: help',
    'Order',
    'Regarding: x',
    'Refund: 12',
    'Re order 5',
    'Career: question',
    '[Ticket 5] Re: x',
    'AWS: bill',
    'SVG: broken',
    'Answer: 42',
    '退款：12',
    '12:30 meeting',
    'I: Order',
  ])('D17 %j stays as it is', subject => {
    expect(bareSubject(subject)).toBe(subject)
    expect(replySubject(subject)).toBe(`Re: ${subject}`)
  })

  it('D18 nothing but a prefix leaves nothing, and a subject cannot bring a header with it', () => {
    expect(bareSubject('Re: ')).toBe('')
    expect(replySubject('')).toBe('Re:')
    expect(replySubject('x\r\nBcc: v@x.example')).toBe('Re: x Bcc: v@x.example')
  })

  it('reads hostile subjects of a megabyte at once', () => {
    for (const unit of ['Re: ', ' ', 'Re[1]', 'Re ']) {
      const started = performance.now()
      bareSubject(unit.repeat(1_000_000 / unit.length))
      expect(performance.now() - started).toBeLessThan(400)
    }
  })
})
