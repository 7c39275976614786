/** The house itself: which room may import which, and where each library lives (docs/develop.md). */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const files = globSync(['src/**/*.ts', 'bridge/*.ts'], { cwd: root }).filter(file => !file.includes('dist'))

interface Import {
  from: string
  /** A path from the root for our own files, the package's name otherwise. */
  to: string
  typeOnly: boolean
}

const imports: Import[] = files.flatMap(from => {
  const text = readFileSync(join(root, from), 'utf8')
  return [...text.matchAll(/^(?:import|export)\s(type\s)?[^'"]*?from\s'([^']+)'/gms)].map(([, type, to]) => ({
    from,
    to: to!.startsWith('.') ? relative(root, join(root, dirname(from), to!)) : to!,
    typeOnly: type !== undefined,
  }))
})

/** src/mailbox/sync.ts → mailbox; src/app.ts → app. */
const room = (path: string) =>
  path.startsWith('src/') ? path.split('/')[1]!.replace(/\.ts$/, '') : path.split('/')[0]!

/** From the front door to the inside; a room imports only what stands after it. */
const ORDER = [
  'worker',
  'app',
  'clock',
  'api',
  'auth',
  'conversation',
  'mailbox',
  'endpoint',
  'assistants',
  'mail',
  'wire',
  'limits',
  'store',
  'env',
  'log',
  'domain',
]

describe('the house', () => {
  it('HO0 is read whole: every file and its imports', () => {
    expect(files.length).toBeGreaterThan(50)
    expect(imports.length).toBeGreaterThan(150)
  })

  it('HO1 domain imports nothing outside itself', () => {
    const strays = imports.filter(one => room(one.from) === 'domain' && room(one.to) !== 'domain')
    expect(strays).toEqual([])
  })

  it('HO2 domain is told the time, ids and chance, and does no I/O', () => {
    const strays = files.filter(
      file =>
        room(file) === 'domain' &&
        /Date\.now\(|new Date\(\)|Math\.random|randomUUID|getRandomValues|\bfetch\(|\bconsole\./.test(
          readFileSync(join(root, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''),
        ),
    )
    expect(strays).toEqual([])
  })

  it('HO3 imports point one way; back only as types', () => {
    const strays = imports.filter(({ from, to, typeOnly }) => {
      const [here, there] = [ORDER.indexOf(room(from)), ORDER.indexOf(room(to))]
      return here >= 0 && there >= 0 && there < here && !typeOnly
    })
    expect(strays.map(one => `${one.from} → ${one.to}`)).toEqual([])
  })

  it('HO4 the bridge takes nothing of the Worker but pure decisions, and the Worker of the bridge only the wire', () => {
    const strays = imports.filter(
      ({ from, to }) =>
        (from.startsWith('bridge/') && to.startsWith('src/') && room(to) !== 'domain') ||
        (from.startsWith('src/') && to.startsWith('bridge/') && to !== 'bridge/wire.ts'),
    )
    expect(strays).toEqual([])
  })

  it('HO5 each library has one home', () => {
    const homes: Record<string, string[]> = {
      'nodemailer/lib/smtp-connection': ['src/mail/smtp.ts'],
      'nodemailer/lib/mail-composer': ['src/mail/compose.ts'],
      imapflow: ['bridge/mailbox.ts'],
      ai: ['src/assistants/thinking.ts'],
      '@ai-sdk/openai-compatible': ['src/assistants/openai-compatible.ts'],
      'workers-ai-provider': ['src/assistants/workers-ai.ts'],
      'csv-parse/browser/esm/sync': ['src/api/csv.ts'],
      'better-auth/minimal': ['src/auth/auth.ts'],
      '@better-auth/passkey': ['src/auth/auth.ts'],
      jose: ['src/auth/cloudflare-access.ts'],
    }
    for (const [library, expected] of Object.entries(homes))
      expect([...new Set(imports.filter(one => one.to === library).map(one => one.from))], library).toEqual(
        expected,
      )
    const outside = new Set(
      imports
        .filter(one => !/^(src|bridge)\//.test(one.to))
        .map(one => one.to.replace(/^(@[^/]+\/[^/]+|[^/]+).*/, '$1')),
    )
    for (const known of [
      '..',
      'cloudflare:workers',
      'package.json',
      ...[
        'nodemailer',
        'imapflow',
        'hono',
        'zod',
        'drizzle-orm',
        '@hono/zod-openapi',
        'esbuild',
        'ai',
        '@ai-sdk/openai-compatible',
        'workers-ai-provider',
        'csv-parse',
        'better-auth',
        '@better-auth/passkey',
        'jose',
      ],
    ])
      outside.delete(known)
    expect([...outside].filter(name => !name.startsWith('node:'))).toEqual([])
  })

  it('HO6 no room is named for nothing in particular, and no file is a barrel', () => {
    expect(
      files.filter(file =>
        /(^|\/)(utils?|helpers?|common|misc|lib|shared|manager|service|constants|types)(\/|\.ts$)/.test(file),
      ),
    ).toEqual([])
  })
})
