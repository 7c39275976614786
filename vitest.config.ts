import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

/**
 * Six projects, from the quickest to the most real; `npm test` runs them all, `npm test -- --project domain` one.
 *
 * - domain: pure decisions, in Node, milliseconds
 * - contracts: suites that an adapter must pass
 * - bridge: the bridge as a process, on Dovecot
 * - worker: objects, D1, R2 and API inside workerd, mail in and out of Dovecot and Postfix
 * - stories: the whole product as `wrangler dev` runs it, used from outside
 * - browser: the chat widget in Chromium, on a page of another origin
 */
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'domain', include: ['test/domain/**/*.test.ts'] } },
      {
        test: {
          name: 'contracts',
          include: ['test/contracts/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'bridge',
          include: ['test/bridge/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                PUBLIC_URL: 'https://edgedesk.test',
                KEK: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
                BRIDGE_TOKEN: process.env.TEST_BRIDGE_TOKEN ?? 'no-bridge-in-this-run',
                BRIDGE_URL: process.env.TEST_BRIDGE_URL ?? 'http://127.0.0.1:9',
                DEV: '1',
                TEST_MAIL: process.env.TEST_MAIL ?? 'null',
                CORPORA: process.env.CORPORA ?? '',
                REQUESTS: process.env.REQUESTS ?? '1000',
                SEED: process.env.SEED ?? '',
                TEST_MODEL: process.env.TEST_MODEL ?? 'http://127.0.0.1:9',
                TEST_HOOKS: process.env.TEST_HOOKS ?? 'http://127.0.0.1:9',
                TEST_DB_MIGRATIONS: await readD1Migrations('migrations/db'),
                TEST_SEARCH_MIGRATIONS: await readD1Migrations('migrations/search'),
              },
            },
          })),
        ],
        test: {
          name: 'worker',
          include: ['test/worker/**/*.test.ts'],
          setupFiles: ['test/worker/setup.ts'],
          testTimeout: 30_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'stories',
          include: ['test/stories/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
