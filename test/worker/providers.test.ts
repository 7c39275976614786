import { exports } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { EmailProviderSchema } from '../../src/api/email-providers.ts'
import { site } from './cast.ts'

const get = (path: string, headers: Record<string, string> = {}) =>
  exports.default.fetch(`http://edgedesk.test/api/v1/email-providers${path}`, { headers })

it('PV6 lists the providers as documented, seed 000’s first', async () => {
  const { headers } = await site()
  const answer = await get('', headers)
  expect(answer.status).toBe(200)
  const { items } = (await answer.json()) as { items: { id: string; imap: unknown; smtp: unknown }[] }
  expect(items.map(item => item.id)).toEqual([
    ...[
      'gmail',
      'outlook',
      'office365',
      'yahoo',
      'icloud',
      'zoho',
      'fastmail',
      'qq',
      '163',
      'cloudflare',
      'custom',
    ],
  ])
  expect(items[0]).toMatchObject({
    imap: { host: 'imap.gmail.com', port: 993, tls: true },
    smtp: { host: 'smtp.gmail.com', port: 587, tls: true },
  })
  for (const item of items)
    expect(EmailProviderSchema.strict().safeParse(item).error?.issues ?? []).toEqual([])
})

it('PV6 asks for a key, and takes no query', async () => {
  const { headers } = await site()
  expect((await get('')).status).toBe(401)
  expect((await get('/', headers)).status).toBe(200)
  const refused = await get('?lang=en', headers)
  expect([refused.status, ((await refused.json()) as { error: { code: string } }).error.code]).toEqual([
    400,
    'unknown_field',
  ])
})
