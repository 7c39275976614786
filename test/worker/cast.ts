/**
 * Builders for tests in workerd: `site()`, `assistant()`, `inbox()`, `received()`, `conversation()`. Each test makes its own, so none
 * can see another's.
 */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { NEVER_SYNCED } from '../../src/domain/sync.ts'
import { mailIdAt, rawKey } from '../../src/mailbox/keys.ts'
import { Records } from '../../src/mailbox/records.ts'
import { createApiKey } from '../../src/store/api-keys.ts'
import { saveArticle } from '../../src/store/articles.ts'
import { db } from '../../src/store/db.ts'
import { newId, sha256Hex } from '../../src/store/ids.ts'
import { EmailSettings, type MailboxConfig, mailboxConfig } from '../../src/store/inboxes.ts'
import { assistants, inboxes, sites } from '../../src/store/schema.ts'
import { seal } from '../../src/store/seal.ts'
import { createSite } from '../../src/store/sites.ts'

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
  const { key: apiKey } = await createApiKey(
    db(env.DB),
    env.KEK,
    siteId,
    { name: 'test', rateLimit: 1_000_000 },
    Date.now(),
  )
  return { siteId, apiKey, headers: { authorization: `Api-Key ${apiKey}` } }
}

export async function assistant(siteId: string): Promise<string> {
  const id = newId()
  const d1 = db(env.DB)
  await d1
    .insert(assistants)
    .values({ id, siteId, name: 'Ada', kind: 'knowledge', settings: '{"v":1}', createdAt: Date.now() })
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
  await article(
    'en',
    'Refunds and returns',
    'You can return anything within 30 days and get your money back.',
  )
  await article('zh-TW', '退款與退貨', '商品送達後 30 天內皆可退貨並全額退款。')
  await article('en', 'Reset your password', 'Open the sign-in page and choose "Forgot password".')
  return id
}

export async function inbox(
  siteId: string,
  about: {
    address?: string
    assistantId?: string | null
    password?: string
    settings?: Record<string, unknown>
  } = {},
): Promise<MailboxConfig> {
  const id = newId()
  const address = about.address ?? `support-${id.slice(-8)}@demo.test`
  const d1 = db(env.DB)
  const row = await d1.select().from(sites).where(eq(sites.id, siteId)).get()
  const password = about.password ?? testMail?.password ?? 'secret'
  const sealed = (column: string) =>
    seal(env.KEK, row!.dataKey, { site: siteId, table: 'inboxes', column, row: id }, password)
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
        smtp: {
          host: testMail?.host ?? 'localhost',
          port: testMail?.smtp.submissionPort ?? 1,
          user: address,
        },
        ...about.settings,
      }),
    ),
    imapPassword: await sealed('imap_password'),
    smtpPassword: await sealed('smtp_password'),
    version: 1,
    provider: 'custom',
    verifiedAt: Date.now(),
    paused: false,
    state: 'unverified',
    stateReason: null,
    stateAt: null,
    createdAt: Date.now(),
  }
  await d1.insert(inboxes).values(values)
  return mailboxConfig(values, row!.dataKey)
}

let uid = 0

/**
 * These mails lie stored in the mailbox, as a sync leaves them, and go from there the product's own way: read, weighed, claimed, put
 * into conversations. Only IMAP is left out. Mails are one character a byte, as `mail()` writes them.
 */
export async function received(
  config: MailboxConfig,
  mails: readonly string[],
  about: { internalDate?: number; oldBefore?: number } = {},
): Promise<{ messageId: string; conversationId: string; mailId: string }[]> {
  const at = Date.now()
  const rows = await Promise.all(
    mails.map(async (text, n) => {
      const raw = Uint8Array.from(text, character => character.charCodeAt(0))
      const own = ++uid
      const id = mailIdAt(1, 7, own)
      await env.MAIL.put(rawKey(config.siteId, config.inboxId, id), raw)
      return {
        id,
        folderId: 1,
        uidValidity: 7,
        uid: own,
        size: raw.length,
        internalDate: (about.internalDate ?? at) + n,
        fetchedAt: at,
        sha: await sha256Hex(raw),
        headerKey: id,
        extent: 'whole' as const,
        remote: null,
        oldBefore: about.oldBefore ?? null,
      }
    }),
  )
  const stub = env.MAILBOX.getByName(`${config.siteId}/${config.inboxId}`)
  await runInDurableObject(stub, async (mailbox, state) => {
    const records = new Records(state.storage.sql)
    if (!records.exists()) {
      records.saveConfig(config)
      records.bornFolder('INBOX', 7, 1, at)
    }
    // No sync meanwhile: these tests have no IMAP server to ask.
    records.saveSyncState({ ...NEVER_SYNCED, dueAt: at + 3_600_000 })
    records.storeMails(records.folder('INBOX')!, rows, uid + 1)
    await mailbox.alarm()
  })
  for (const end = Date.now() + 10_000; ; await new Promise(resolve => setTimeout(resolve, 10))) {
    const found = await runInDurableObject(stub, (_, state) => {
      const records = new Records(state.storage.sql)
      return rows.map(row => records.mail(row.id))
    })
    if (found.every(row => row?.conversationId))
      return found.map(row => ({
        messageId: row!.messageId!,
        conversationId: row!.conversationId!,
        mailId: row!.id,
      }))
    if (Date.now() > end) throw new Error('the mails did not become messages in time')
  }
}

/** The object of a conversation. */
export function conversation(siteId: string, id: string) {
  return env.CONVERSATION.getByName(`${siteId}/${id}`)
}
