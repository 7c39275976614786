/** When each job of the clock last ran. */
import { type Db, steady } from './db.ts'
import { clock } from './schema.ts'

export async function tellTick(db: Db, job: string, at: number): Promise<void> {
  await steady(() =>
    db
      .insert(clock)
      .values({ job, lastTickAt: at })
      .onConflictDoUpdate({ target: clock.job, set: { lastTickAt: at } }),
  )
}

export async function lastTicks(db: Db): Promise<Record<string, number>> {
  const rows = await steady(() => db.select().from(clock))
  return Object.fromEntries(rows.map(row => [row.job, row.lastTickAt]))
}
