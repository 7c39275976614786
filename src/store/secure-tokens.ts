/**
 * Secrets that are handed over before what they belong to (seed 001): one per site, type and identifier, sealed so that it opens for these
 * three alone.
 */
import { and, eq } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { secureTokens } from './schema.ts'
import { open, type Place, SealError, seal } from './seal.ts'

export interface TokenName {
  siteId: string
  type: string
  identifier: string
}

/** The secret as it may be handed back to its caller and stored: another text each time, and good for nothing without our keys. */
export function sealToken(kek: string, dataKey: string, name: TokenName, value: string): Promise<string> {
  return seal(kek, dataKey, placeOf(name), value)
}

export async function keepToken(db: Db, name: TokenName, sealed: string, at: number): Promise<void> {
  await steady(() =>
    db
      .insert(secureTokens)
      .values({
        siteId: name.siteId,
        tokenType: name.type,
        identifier: name.identifier,
        sealed,
        updatedAt: at,
      })
      .onConflictDoUpdate({
        target: [secureTokens.siteId, secureTokens.tokenType, secureTokens.identifier],
        set: { sealed, updatedAt: at },
      }),
  )
}

/** The secret in plain; null where none is kept, or where it cannot be opened and must be handed over again. */
export async function openToken(
  db: Db,
  kek: string,
  dataKey: string,
  name: TokenName,
): Promise<string | null> {
  const row = await steady(() =>
    db
      .select({ sealed: secureTokens.sealed })
      .from(secureTokens)
      .where(
        and(
          eq(secureTokens.siteId, name.siteId),
          eq(secureTokens.tokenType, name.type),
          eq(secureTokens.identifier, name.identifier),
        ),
      )
      .get(),
  )
  if (!row) return null
  try {
    return await open(kek, dataKey, placeOf(name), row.sealed)
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    return null
  }
}

function placeOf(name: TokenName): Place {
  return { site: name.siteId, table: 'secure_tokens', column: name.type, row: name.identifier }
}
