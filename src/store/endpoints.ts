/**
 * Endpoints: where a site's webhooks go, who is told of what, and the secrets they are signed with. What is owed to one is with its object
 * (src/endpoint); here is what people set, and how it stands.
 */
import { and, asc, eq, gt, lte, ne, sql } from 'drizzle-orm'
import { z } from 'zod'
import { settings } from '../env.ts'
import { log } from '../log.ts'
import { AssistantSettings } from './assistants.ts'
import { type Db, db, steady } from './db.ts'
import { assistants, endpoints, sites } from './schema.ts'
import { open, type Place, seal } from './seal.ts'

export type EndpointRow = typeof endpoints.$inferSelect
export type EndpointState = EndpointRow['state']

/** The most that a site may have: each of them is told of every event. */
export const MOST_ENDPOINTS = 20

/** `endpoints.settings`: what nobody sets but labs, which have no day to wait. */
const EndpointSettings = z.object({
  v: z.literal(1).default(1),
  /** All waits of our own are so many times as long. */
  retryScale: z.number().positive().default(1),
  timeoutMs: z.int().positive().default(15_000),
})
export type EndpointSettings = z.infer<typeof EndpointSettings>

/** A secret as it is kept. One that was replaced still signs, beside the new one, until its time is up. */
const SealedSecret = z.object({ sealed: z.string(), createdAt: z.int(), until: z.int().nullable() })
type SealedSecret = z.infer<typeof SealedSecret>

/** All an Endpoint needs to work alone; secrets and the site's data key stay sealed in it. */
export interface EndpointConfig {
  siteId: string
  /** A UUID, or `reply-<assistant>`. */
  id: string
  kind: 'events' | 'reply'
  /** Rises with each change: an older one never replaces a newer one. */
  version: number
  state: EndpointState
  url: string
  types: string[]
  /** null is all. */
  inboxes: string[] | null
  secrets: SealedSecret[]
  dataKey: string
  settings: EndpointSettings
}

export function endpointName(siteId: string, id: string): string {
  return `${siteId}/${id}`
}

export function replyEndpointId(assistantId: string): string {
  return `reply-${assistantId}`
}

/**
 * Whom an event of this inbox is told: its site's endpoints, and where its assistant has a reply webhook, that. One query; the first time
 * an assistant's is asked for, its secret is made.
 *
 * @returns names of Endpoint objects, each with what to hand to its `take`
 */
export async function endpointsFor(
  d1: D1Database,
  env: Env,
  siteId: string,
  inboxId: string,
  assistantId: string | null,
): Promise<{ name: string; config: EndpointConfig }[]> {
  const [site, own, reply] = await steady(() => {
    const on = ne(endpoints.state, 'off')
    const here = sql`(${endpoints.inboxes} IS NULL OR EXISTS (SELECT 1 FROM json_each(${endpoints.inboxes}) WHERE value = ${inboxId}))`
    const it = db(d1)
    return it.batch([
      it.select({ dataKey: sites.dataKey }).from(sites).where(eq(sites.id, siteId)),
      it
        .select()
        .from(endpoints)
        .where(and(eq(endpoints.siteId, siteId), eq(endpoints.kind, 'events'), on, here)),
      it
        // In a batch rows come by the names of their columns, and both have one of this name.
        .select({
          settings: sql<string>`${assistants.settings}`.as('assistant_settings'),
          endpoint: endpoints,
        })
        .from(assistants)
        .leftJoin(
          endpoints,
          and(eq(endpoints.siteId, siteId), eq(endpoints.id, replyEndpointId(assistantId ?? ''))),
        )
        .where(and(eq(assistants.siteId, siteId), eq(assistants.id, assistantId ?? ''))),
    ])
  })
  const dataKey = site[0]?.dataKey
  if (!dataKey) return []
  const configs = own.flatMap(row => readable(row, dataKey))
  const url = reply[0] && replyUrl(reply[0])
  if (url && assistantId) {
    const row = reply[0]!.endpoint ?? (await replyEndpoint(env, siteId, assistantId))
    if (row && row.state !== 'off') configs.push(...readable({ ...row, url }, dataKey))
  }
  return configs.map(config => ({ name: endpointName(siteId, config.id), config }))
}

/** One whose settings cannot be read is left out, and does not hold up the others. */
function readable(row: EndpointRow, dataKey: string): EndpointConfig[] {
  try {
    return [configOf(row, dataKey)]
  } catch (error) {
    log('endpoint_settings_unreadable', { endpoint: row.id }, error)
    return []
  }
}

/** How one stands now; null where it is not there any more. */
export async function endpointConfig(
  d1: D1Database,
  siteId: string,
  id: string,
): Promise<EndpointConfig | null> {
  const row = await steady(() =>
    db(d1)
      .select({ endpoint: endpoints, dataKey: sites.dataKey, settings: assistants.settings })
      .from(endpoints)
      .innerJoin(sites, eq(sites.id, endpoints.siteId))
      .leftJoin(assistants, and(eq(assistants.siteId, siteId), eq(assistants.id, endpoints.assistantId)))
      .where(theOne(siteId, id))
      .get(),
  )
  if (!row) return null
  const { endpoint, dataKey } = row
  if (endpoint.kind === 'events') return configOf(endpoint, dataKey)
  return row.settings === null
    ? null
    : configOf({ ...endpoint, url: replyUrl({ settings: row.settings }) ?? '' }, dataKey)
}

function replyUrl(assistant: { settings: string }): string | null {
  return AssistantSettings.parse(JSON.parse(assistant.settings)).replyWebhookUrl
}

function configOf(row: EndpointRow, dataKey: string): EndpointConfig {
  return {
    siteId: row.siteId,
    id: row.id,
    kind: row.kind,
    version: row.version,
    // Where an assistant's address was taken away nothing goes out, and nothing is kept for later.
    state: row.url === '' ? 'off' : row.state,
    url: row.url,
    types: JSON.parse(row.types) as string[],
    inboxes: inboxesOf(row),
    secrets: secretsOf(row),
    dataKey,
    settings: EndpointSettings.parse(JSON.parse(row.settings)),
  }
}

export function inboxesOf(row: EndpointRow): string[] | null {
  return row.inboxes === null ? null : (JSON.parse(row.inboxes) as string[])
}

function secretsOf(row: EndpointRow): SealedSecret[] {
  return z.array(SealedSecret).parse(JSON.parse(row.secrets))
}

/** Until when the secret before the present one signs, too; null where none does. */
export function oldSecretUntil(row: EndpointRow, at: number): number | null {
  const until = secretsOf(row).map(one => one.until ?? 0)
  const last = Math.max(0, ...until)
  return last > at ? last : null
}

/** The row of an assistant's reply webhook, made with a secret where there was none; null where there is no such site. */
export async function replyEndpoint(
  env: Env,
  siteId: string,
  assistantId: string,
): Promise<EndpointRow | null> {
  const id = replyEndpointId(assistantId)
  const known = await endpointById(db(env.DB), siteId, id)
  if (known) return known
  const at = Date.now()
  const { sealed } = await freshSecret(env, siteId, id)
  await steady(() =>
    db(env.DB)
      .insert(endpoints)
      .values({
        ...{ siteId, id, kind: 'reply', assistantId, createdAt: at },
        secrets: JSON.stringify([{ sealed, createdAt: at, until: null } satisfies SealedSecret]),
      })
      .onConflictDoNothing(),
  )
  return (await endpointById(db(env.DB), siteId, id)) ?? null
}

/** A new endpoint and its secret, which cannot be shown again. */
export async function newEndpoint(
  env: Env,
  about: Pick<EndpointRow, 'siteId' | 'id' | 'description' | 'url' | 'types' | 'inboxes' | 'createdAt'>,
): Promise<{ secret: string; row: EndpointRow }> {
  const { secret, sealed } = await freshSecret(env, about.siteId, about.id)
  const secrets: SealedSecret[] = [{ sealed, createdAt: about.createdAt, until: null }]
  return {
    secret,
    row: {
      ...about,
      ...{ kind: 'events', assistantId: null, settings: '{"v":1}', version: 1, nextDueAt: null },
      ...{ state: 'active', stateReason: null, stateAt: null },
      secrets: JSON.stringify(secrets),
    },
  }
}

/** False where the site has all it may have. Done again under the same id, the secret given last is the one: nobody saw the other. */
export async function addEndpoint(d1: D1Database, row: EndpointRow): Promise<boolean> {
  // Counted in the statement that writes, so that two at once do not both find room.
  const { meta } = await steady(() =>
    d1
      .prepare(
        `INSERT INTO endpoints (site_id, id, kind, description, url, types, inboxes, secrets, created_at)
         SELECT ?1, ?2, 'events', ?3, ?4, ?5, ?6, ?7, ?8
         WHERE (SELECT count(*) FROM endpoints WHERE site_id = ?1 AND kind = 'events' AND id <> ?2) < ${MOST_ENDPOINTS}
         ON CONFLICT DO UPDATE SET secrets = excluded.secrets`,
      )
      .bind(row.siteId, row.id, row.description, row.url, row.types, row.inboxes, row.secrets, row.createdAt)
      .run(),
  )
  return meta.changes > 0
}

/** Those of the site's events, the oldest first, from just after one. */
export async function endpointsAfter(db: Db, siteId: string, after: string, limit: number) {
  return steady(() =>
    db
      .select()
      .from(endpoints)
      .where(and(eq(endpoints.siteId, siteId), gt(endpoints.id, after), eq(endpoints.kind, 'events')))
      .orderBy(asc(endpoints.id))
      .limit(limit),
  )
}

/** Every endpoint of a site, by its object's name; those of assistants too. */
export async function endpointNames(db: Db, siteId: string): Promise<string[]> {
  const rows = await steady(() =>
    db.select({ id: endpoints.id }).from(endpoints).where(eq(endpoints.siteId, siteId)),
  )
  return rows.map(row => endpointName(siteId, row.id))
}

export async function endpointById(db: Db, siteId: string, id: string): Promise<EndpointRow | undefined> {
  return steady(() => db.select().from(endpoints).where(theOne(siteId, id)).get())
}

/**
 * What is named is changed; the version rises, so that what its object was told before is old.
 *
 * @param read the version that the change was made for; false where it is another by now
 */
export async function changeEndpoint(
  db: Db,
  siteId: string,
  id: string,
  change: Partial<Pick<EndpointRow, 'description' | 'url' | 'types' | 'inboxes' | 'secrets'>> &
    Partial<Pick<EndpointRow, 'state' | 'stateReason' | 'stateAt'>>,
  read?: number,
): Promise<boolean> {
  const { meta } = await steady(() =>
    db
      .update(endpoints)
      .set({ ...change, version: sql`${endpoints.version} + 1` })
      .where(and(theOne(siteId, id), read === undefined ? undefined : eq(endpoints.version, read))),
  )
  return meta.changes > 0
}

export async function removeEndpoint(db: Db, siteId: string, id: string): Promise<void> {
  await steady(() => db.delete(endpoints).where(theOne(siteId, id)))
}

/**
 * The object switched itself off.
 *
 * @returns false where somebody changed the endpoint meanwhile: what was true of it may be true no more
 */
export async function tellSwitchedOff(
  db: Db,
  about: Pick<EndpointConfig, 'siteId' | 'id' | 'version'>,
  reason: string,
  at: number,
): Promise<boolean> {
  const { meta } = await steady(() =>
    db
      .update(endpoints)
      .set({ state: 'off', stateReason: reason, stateAt: at, version: sql`${endpoints.version} + 1` })
      .where(and(theOne(about.siteId, about.id), eq(endpoints.version, about.version))),
  )
  return meta.changes > 0
}

/** When something is due, for the watchdog; null where nothing is owed. */
export async function tellDue(db: Db, siteId: string, id: string, dueAt: number | null): Promise<void> {
  await steady(() => db.update(endpoints).set({ nextDueAt: dueAt }).where(theOne(siteId, id)))
}

/** Of all sites: those that were due and of which nothing was heard. */
export async function endpointsOverdue(db: Db, before: number, limit: number): Promise<string[]> {
  const rows = await steady(() =>
    db
      .select({ siteId: endpoints.siteId, id: endpoints.id })
      .from(endpoints)
      .where(lte(endpoints.nextDueAt, before))
      .limit(limit),
  )
  return rows.map(row => endpointName(row.siteId, row.id))
}

/** Secrets that sign together at most, a leaked one and its successors included. */
const MOST_SECRETS = 5

/**
 * A new secret in the place of the present one, which goes on signing beside it for `overlapMs`; with 0 it ends now, and with it every
 * one before.
 *
 * @returns the new secret, which cannot be shown again, and the column
 */
export async function rotated(env: Env, row: EndpointRow, overlapMs: number, at: number) {
  const { secret, sealed } = await freshSecret(env, row.siteId, row.id)
  const before = secretsOf(row)
    .map(one => ({ ...one, until: Math.min(one.until ?? Number.MAX_SAFE_INTEGER, at + overlapMs) }))
    .filter(one => one.until > at)
  const secrets: SealedSecret[] = [{ sealed, createdAt: at, until: null }, ...before].slice(0, MOST_SECRETS)
  return { secret, secrets: JSON.stringify(secrets) }
}

/** Standard Webhooks: `whsec_` and 24 to 64 random bytes in base64. */
async function freshSecret(env: Env, siteId: string, id: string) {
  const secret = `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`
  const site = await steady(() =>
    db(env.DB).select({ dataKey: sites.dataKey }).from(sites).where(eq(sites.id, siteId)).get(),
  )
  if (!site) throw new Error('there is no such site')
  return { secret, sealed: await seal(settings(env).KEK, site.dataKey, secretPlace(siteId, id), secret) }
}

/**
 * The secrets that sign at this moment, in plain, the newest first.
 *
 * @throws SealError where the data key is no longer under a KEK that is here
 */
export async function openSecrets(env: Env, config: EndpointConfig, at: number): Promise<string[]> {
  const { KEK } = settings(env)
  const place = secretPlace(config.siteId, config.id)
  const valid = config.secrets.filter(one => one.until === null || one.until > at)
  return Promise.all(valid.map(one => open(KEK, config.dataKey, place, one.sealed)))
}

function secretPlace(siteId: string, id: string): Place {
  return { site: siteId, table: 'endpoints', column: 'secrets', row: id }
}

function theOne(siteId: string, id: string) {
  return and(eq(endpoints.siteId, siteId), eq(endpoints.id, id))
}
