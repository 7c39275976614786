/** The demo's people and things, put into the local database: one site, one key, one owner, one assistant that knows a little, one inbox. */
import { and, eq } from 'drizzle-orm'
import { getPlatformProxy } from 'wrangler'
import { LASTS_MS, newLink } from '../src/api/one-time-links.ts'
import { hashPassword } from '../src/auth/password.ts'
import { createApiKey } from '../src/store/api-keys.ts'
import { saveArticle } from '../src/store/articles.ts'
import { addAssistant } from '../src/store/assistants.ts'
import { db } from '../src/store/db.ts'
import { derivedId, newId } from '../src/store/ids.ts'
import { EmailSettings, webChatSettingsOf } from '../src/store/inboxes.ts'
import { inboxAddresses, inboxes, sites } from '../src/store/schema.ts'
import { seal } from '../src/store/seal.ts'
import { addLink, hasOwnerWhoSignsIn, join } from '../src/store/sign-in.ts'
import { createSite } from '../src/store/sites.ts'
import { changeWebChat, newWebChat, webChatById, webChatsOf } from '../src/store/web-chats.ts'
import { demoArticles, demoChat } from './articles.ts'
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
  const ada = { id: assistantId, siteId, name: 'Ada', kind: 'knowledge', settings: '{"v":1}', createdAt: at }
  const inboxId = newId(at)
  const about = { id: newId(at), siteId, assistantId, name: 'Demo shop chat', at }
  await addAssistant(d1, { ...ada, apiKey: null }, newWebChat(about, { ...demoChat, mailInboxId: inboxId }))
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
  const { key: apiKey } = await createApiKey(
    d1,
    options.kek,
    siteId,
    { name: 'demo', rateLimit: 1_000_000 },
    at,
  )
  return { siteId, assistantId, inboxId, apiKey }
}

/** The chat may stand on this page too, whose port may be another than the last time. */
export async function chatOnPage(
  env: LocalDatabases,
  siteId: string,
  webChatId: string,
  origin: string,
): Promise<void> {
  const d1 = db(env.DB)
  const row = await webChatById(d1, siteId, webChatId)
  if (!row) return
  const before = webChatSettingsOf(row)
  const allowedOrigins = [...new Set([...before.allowedOrigins, origin])]
  await changeWebChat(d1, siteId, webChatId, { settings: JSON.stringify({ ...before, allowedOrigins }) })
}

/** Where conversations with the demo's assistant begin by the API. */
export async function webChatOf(env: LocalDatabases, { siteId, assistantId }: Cast): Promise<string | null> {
  return (await webChatsOf(db(env.DB), siteId, [assistantId])).get(assistantId) ?? null
}

/**
 * Somebody who can sign in as an owner, where nobody can; and on that first run the link by which an owner of your own is made.
 *
 * @returns the link, or null where an owner was there already
 */
export async function ownerInto(
  env: LocalDatabases,
  siteId: string,
  publicUrl: string,
  owner: { email: string; password: string },
): Promise<string | null> {
  const d1 = db(env.DB)
  if (await hasOwnerWhoSignsIn(d1, siteId)) return null
  const at = Date.now()
  const setup = { siteId, kind: 'setup' as const, role: 'owner' as const }
  const [mine, yours] = [
    await newLink(publicUrl, setup, LASTS_MS.setup, null, at),
    await newLink(publicUrl, setup, LASTS_MS.setup, null, at),
  ]
  for (const { row } of [mine, yours]) await addLink(d1, row)
  await join(env.DB, {
    link: mine.row,
    email: owner.email,
    name: 'Olivia Owner',
    userId: null,
    password: await hashPassword(owner.password),
    at,
  })
  return yours.url
}
