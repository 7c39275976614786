/** The demo's people and things, put into the local database: one site, one key, one assistant that knows a little, one inbox. */
import { and, eq } from 'drizzle-orm'
import { getPlatformProxy } from 'wrangler'
import { saveArticle } from '../src/store/articles.ts'
import { db } from '../src/store/db.ts'
import { derivedId, newId } from '../src/store/ids.ts'
import { EmailSettings } from '../src/store/inboxes.ts'
import { assistants, inboxAddresses, inboxes, sites } from '../src/store/schema.ts'
import { seal } from '../src/store/seal.ts'
import { createApiKey, createSite } from '../src/store/sites.ts'
import { demoArticles } from './articles.ts'
import { ROOT } from './processes.ts'

export interface CastOptions {
  stateDir: string
  kek: string
  inbox: { address: string; password: string }
  settings: unknown
  withoutAssistant?: boolean
}

export interface Cast {
  siteId: string
  assistantId: string
  inboxId: string
}

export interface LocalDatabases {
  DB: D1Database
  SEARCH: D1Database
}

/** Opens the local databases of a state directory while no Worker runs on them. */
export async function withDatabases<T>(
  stateDir: string,
  work: (env: LocalDatabases) => Promise<T>,
): Promise<T> {
  const proxy = await getPlatformProxy<LocalDatabases>({
    configPath: `${ROOT}/dev/databases.toml`,
    persist: { path: `${stateDir}/v3` },
    envFiles: [],
  })
  try {
    return await work(proxy.env)
  } finally {
    await proxy.dispose()
  }
}

/** Makes the cast, or on a later start brings the inbox's servers up to date and leaves everything else as it is. */
export async function castInto(
  env: LocalDatabases,
  options: CastOptions,
  known: Cast | null,
): Promise<Cast & { apiKey: string | null }> {
  const d1 = db(env.DB)
  const at = Date.now()
  const settings = JSON.stringify(EmailSettings.parse(options.settings))
  if (known) {
    await d1
      .update(inboxes)
      .set({ settings, version: at })
      .where(and(eq(inboxes.id, known.inboxId), eq(inboxes.siteId, known.siteId)))
    return { ...known, apiKey: null }
  }
  const siteId = await createSite(d1, options.kek, 'Demo shop', at)
  const site = await d1.select().from(sites).where(eq(sites.id, siteId)).get()
  const assistantId = newId(at)
  await d1
    .insert(assistants)
    .values({ id: assistantId, siteId, name: 'Ada', kind: 'knowledge', settings: '{"v":1}', createdAt: at })
  for (const article of demoArticles)
    await saveArticle(d1, env.SEARCH, {
      id: await derivedId(at, siteId, article.key, article.language),
      siteId,
      assistantId,
      title: article.title,
      body: article.body,
      url: `https://shop.example/help/${article.language.toLowerCase()}/${article.key}`,
      language: article.language,
      createdAt: at,
      updatedAt: at,
    })
  const inboxId = newId(at)
  const sealed = (column: string) =>
    seal(
      options.kek,
      site!.dataKey,
      { site: siteId, table: 'inboxes', column, row: inboxId },
      options.inbox.password,
    )
  await d1.insert(inboxes).values({
    id: inboxId,
    siteId,
    assistantId: options.withoutAssistant ? null : assistantId,
    name: 'Demo shop support',
    channelType: 'email',
    address: options.inbox.address,
    settings,
    imapPassword: await sealed('imap_password'),
    smtpPassword: await sealed('smtp_password'),
    version: at,
    state: 'unverified',
    verifiedAt: at,
    createdAt: at,
  })
  await d1.insert(inboxAddresses).values({ siteId, address: options.inbox.address, inboxId })
  return { siteId, assistantId, inboxId, apiKey: await createApiKey(d1, siteId, 'demo', at) }
}
