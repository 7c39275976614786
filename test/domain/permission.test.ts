import { describe, expect, it } from 'vitest'
import { listEntry, mayBeAnswered, mayRead } from '../../src/domain/permission.ts'
import { isReset } from '../../src/domain/reset.ts'

describe('whom a machine may answer', () => {
  it.each([
    [[], [], 'ann@shop.example', true],
    [[], ['shop.example'], 'ann@shop.example', false],
    [[], ['shop.example'], 'Ann@EU.Shop.Example', false],
    [[], ['shop.example'], 'ann@myshop.example', true],
    [[], ['ann@shop.example'], 'bob@shop.example', true],
    [['shop.example'], [], 'ann@shop.example', true],
    [['shop.example'], [], 'ann@other.example', false],
    [['shop.example'], ['ann@shop.example'], 'ann@shop.example', false],
    [['shop.example'], [], '', false],
  ])('PN1 allow %j, block %j: %s is answered: %s', (allow, block, address, answered) => {
    expect(mayBeAnswered(address, { allow, block })).toBe(answered)
  })

  it('PN2 an entry is an address or a domain, however it is typed', () => {
    expect(
      [
        '@Shop.example',
        '*.shop.example',
        '*@shop.example',
        ' Ann@Shop.Example ',
        'shop',
        '',
        'a b.example',
      ].map(listEntry),
    ).toEqual(['shop.example', 'shop.example', 'shop.example', 'ann@shop.example', null, null, null])
  })

  it('PN3 an article with labels is read only for contacts that carry one of them', () => {
    expect(mayRead([], [])).toBe(true)
    expect(mayRead(['vip'], [])).toBe(false)
    expect(mayRead(['vip', 'staff'], ['staff'])).toBe(true)
  })
})

describe('the reset command', () => {
  it.each([
    ['/reset', '/reset', true],
    ['  /RESET \n', '/reset', true],
    ['／ｒｅｓｅｔ', '/reset', true],
    ['重新開始', '重新開始', true],
    ['Straße neu', 'STRASSE NEU', true],
    ['GROẞ', 'groß', true],
    ['İPTAL', 'iptal', true],
    ['/re\u00adset\ufe0f', '/reset', true],
    ['\u200f/reset\u200e', '/reset', true],
    ['start  over', 'Start over', true],
    ['please /reset', '/reset', false],
    ['/reset please', '/reset', false],
    ['', '/reset', false],
    ['', '', false],
    ['/reset', null, false],
  ])('I15 %j with the command %j: %s', (text, command, reset) => {
    expect(isReset(text, command)).toBe(reset)
  })
})
