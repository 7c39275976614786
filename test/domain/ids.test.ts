import { describe, expect, it } from 'vitest'
import { isUuid, uuidAsInteger, uuidv7 } from '../../src/domain/ids.ts'

const AT = Date.UTC(2026, 10, 20, 9)
const bytes = (value: number) => new Uint8Array(10).fill(value)

describe('ids', () => {
  it('ID1 RFC 9562 appendix A.6: the example of the standard', () => {
    const random = Uint8Array.from([0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f])
    expect(uuidv7(0x017f22e279b0, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f')
  })

  it.each([0x00, 0xff])('ID1 version and variant stand, whatever the random bytes (%i)', value => {
    expect(uuidv7(AT, bytes(value))).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
  })

  it('ID1 sorts by time', () => {
    const times = [0, 1, 255, 256, AT, AT + 1, 2 ** 48 - 1]
    const ids = times.map(at => uuidv7(at, bytes(0x80)))
    expect([...ids].sort()).toEqual(ids)
  })

  it('ID2 the same moment and bytes give the same id, others another; bytes beyond the tenth do not matter', () => {
    const random = Uint8Array.from({ length: 32 }, (_, i) => i)
    expect(uuidv7(AT, random)).toBe(uuidv7(AT, random.slice(0, 10)))
    expect(uuidv7(AT, random)).not.toBe(uuidv7(AT, bytes(1)))
    expect(uuidv7(AT, random)).not.toBe(uuidv7(AT + 1, random))
  })

  it.each([-1, -(10 ** 15), 0.7])(
    'ID2 a moment of %d, before time or between two, still makes an id of the epoch',
    at => {
      expect(uuidv7(at, bytes(0))).toBe('00000000-0000-7000-8000-000000000000')
    },
  )

  it.each([
    '',
    'x',
    '017F22E2-79B0-7CC3-98C4-DC0C0C07398F',
    '017f22e2-79b0-7cc3-98c4-dc0c0c07398',
    '017f22e2-79b0-7cc3-98c4-dc0c0c07398f ',
    '017f22e2-79b0-7cc3-98c4-dc0c0c07398f\n',
    '017f22e279b07cc398c4dc0c0c07398f',
    '../017f22e2-79b0-7cc3-98c4-dc0c0c0739',
  ])('ID3 %j is no id', text => {
    expect(isUuid(text)).toBe(false)
  })

  it('ID3 an id of ours is one', () => expect(isUuid(uuidv7(AT, bytes(3)))).toBe(true))
})

describe('an id as a number', () => {
  it('WI3 is the 128 bits of the UUID, every digit of it', () => {
    // The sender of seed 003's example, whose number is written there.
    const id = 324816370485542537671391323877394598747n
    const hex = id.toString(16).padStart(32, '0')
    const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    expect(uuidAsInteger(uuid)).toBe('324816370485542537671391323877394598747')
  })

  it.each([
    ['00000000-0000-0000-0000-000000000000', '0'],
    ['00000000-0000-0000-0000-00000000000a', '10'],
    ['ffffffff-ffff-ffff-ffff-ffffffffffff', '340282366920938463463374607431768211455'],
  ])('WI3 %s is %s', (uuid, integer) => {
    expect(uuidAsInteger(uuid)).toBe(integer)
  })
})
