import { describe, expect, it } from 'vitest'
import { frameAncestors, isAllowedOrigin, listedOrigin } from '../../src/domain/origins.ts'

describe('origins', () => {
  it.each([
    ['https://Shop.example/', 'https://shop.example'],
    ['https://shop.example:443', 'https://shop.example'],
    ['http://localhost:80', 'http://localhost'],
    ['http://localhost:8080', 'http://localhost:8080'],
    ['https://*.shop.example', 'https://*.shop.example'],
    ['https://[::1]:8443', 'https://[::1]:8443'],
    ['*', '*'],
  ])('OG1 %s is kept as %s', (typed, kept) => expect(listedOrigin(typed)).toBe(kept))

  it.each([
    ...[
      '',
      'shop.example',
      'ftp://shop.example',
      'https://',
      'https://shop.example/path',
      'https://a:b@shop.example',
    ],
    ...[
      'https://*',
      'https://shop.*',
      'https://*shop.example',
      'https://a.*.example',
      'https://shop.example:0',
    ],
    ...[
      'https://shop.example:99999',
      'https://shop.example; script-src *',
      'https://shop .example',
      'null',
      '**',
    ],
  ])('OG1 %s is none', typed => expect(listedOrigin(typed)).toBeNull())

  const own = 'https://desk.example'
  it.each([
    ['https://desk.example', [], true],
    ['https://shop.example', ['https://shop.example'], true],
    ['https://SHOP.example', ['https://shop.example'], true],
    ['https://a.shop.example', ['https://*.shop.example'], true],
    ['https://a.b.shop.example', ['https://*.shop.example'], true],
    ['https://shop.example', ['https://*.shop.example'], false],
    ['https://evilshop.example', ['https://*.shop.example'], false],
    ['https://evil.example/.shop.example', ['https://*.shop.example'], false],
    ['https://a.shop.example.evil.example', ['https://*.shop.example'], false],
    ['https://.shop.example', ['https://*.shop.example'], false],
    ['http://shop.example', ['https://shop.example'], false],
    ['https://shop.example:8443', ['https://shop.example'], false],
    ['null', ['https://shop.example'], false],
    ['null', ['*'], true],
    ['', ['https://shop.example'], false],
  ])('OG2 %s on %j: %s', (origin, allowed, is) => expect(isAllowedOrigin(origin, allowed, own)).toBe(is))

  it('OG2 frames say the same', () => {
    expect(frameAncestors(['https://shop.example', 'https://*.a.example'])).toBe(
      "'self' https://shop.example https://*.a.example",
    )
  })
})
