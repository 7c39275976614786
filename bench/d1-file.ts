/** The file of a local D1 database, opened beside or instead of a Worker: asking the Worker would slow what is measured. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** The one of this state directory that has the table. @throws where none has it */
export function openD1(stateDir: string, table: string, readOnly = true): DatabaseSync {
  const dir = join(stateDir, 'v3/d1/miniflare-D1DatabaseObject')
  for (const name of readdirSync(dir)) {
    if (!name.endsWith('.sqlite') || name.startsWith('metadata')) continue
    const file = new DatabaseSync(join(dir, name), { readOnly })
    if (file.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(table)) return file
    file.close()
  }
  throw new Error(`no local D1 database has the table ${table}`)
}
