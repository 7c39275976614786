/** Builders for tests in workerd: `site()`, `assistant()`, `inbox()`. Each test makes its own, so none can see another's. */
import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { saveArticle } from '../../src/store/articles.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { EmailSettings, type MailboxConfig, mailboxConfig } from '../../src/store/inboxes.ts'
import { assistants, inboxes, sites } from '../../src/store/schema.ts'
import { seal } from '../../src/store/seal.ts'
import { createApiKey, createSite } from '../../src/store/sites.ts'

export interface TestMail {
  control: string
  host: string
  password: string
  imap: { port: number; tlsPort: number }
  smtp: { port: number; submissionPort: number; smtpsPort: number }
}

export const testMail = JSON.parse(env.TEST_MAIL) as TestMail

export async function site(): Promise<{ siteId: string; apiKey: string; headers: Record<string, string> }> {
  const siteId = await createSite(db(env.DB), env.KEK, 'Test site', Date.now())
  const apiKey = await createApiKey(db(env.DB), siteId, 'test', Date.now())
  return { siteId, apiKey, headers: { authorization: `Api-Key ${apiKey}` } }
}

export async function assistant(siteId: string): Promise<string> {
  const id = newId()
  const d1 = db(env.DB)
  await d1.insert(assistants).values({ id, siteId, name: 'Ada', kind: 'knowledge', settings: '{"v":1}', createdAt: Date.now() })
  const article = (language: string, title: string, body: string) =>
    saveArticle(d1, env.SEARCH, {
      id: newId(),
      siteId,
      assistantId: id,
      title,
      body,
      url: `https://shop.example/${language}`,
      language,
      createdAt: Date.now(),
      updatedAt: Date.now(),
    })
  await article('en', 'Refunds and returns', 'You can return anything within 30 days and get your money back.')
  await article('zh-TW', '退款與退貨', '商品送達後 30 天內皆可退貨並全額退款。')
  await article('en', 'Reset your password', 'Open the sign-in page and choose "Forgot password".')
  return id
}

export async function inbox(
  siteId: string,
  about: { address?: string; assistantId?: string | null; password?: string; settings?: Record<string, unknown> } = {},
): Promise<MailboxConfig> {
  const id = newId()
  const address = about.address ?? `support-${id.slice(-8)}@demo.test`
  const d1 = db(env.DB)
  const row = await d1.select().from(sites).where(eq(sites.id, siteId)).get()
  const password = about.password ?? testMail?.password ?? 'secret'
  const sealed = (column: string) => seal(env.KEK, row!.dataKey, { site: siteId, table: 'inboxes', column, row: id }, password)
  const values = {
    id,
    siteId,
    assistantId: about.assistantId ?? null,
    name: 'Support',
    channelType: 'email',
    address,
    settings: JSON.stringify(
      EmailSettings.parse({
        imap: { host: testMail?.host ?? 'localhost', port: testMail?.imap.port ?? 1, user: address },
        smtp: { host: testMail?.host ?? 'localhost', port: testMail?.smtp.submissionPort ?? 1, user: address },
        ...about.settings,
      }),
    ),
    imapPassword: await sealed('imap_password'),
    smtpPassword: await sealed('smtp_password'),
    version: 1,
    state: 'unverified',
    stateReason: null,
    stateAt: null,
    createdAt: Date.now(),
  }
  await d1.insert(inboxes).values(values)
  return mailboxConfig(values, row!.dataKey)
}
