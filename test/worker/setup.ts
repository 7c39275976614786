import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'

// Storage is isolated per file, so every file begins with empty databases.
await applyD1Migrations(env.DB, env.TEST_DB_MIGRATIONS)
await applyD1Migrations(env.SEARCH, env.TEST_SEARCH_MIGRATIONS)
