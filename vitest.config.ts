import { defineConfig } from 'vitest/config'

/** Four projects, from the quickest to the most real; `npm test` runs them all, `npx vitest --project domain` one. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'domain', include: ['test/domain/**/*.test.ts'] } },
      { test: { name: 'contracts', include: ['test/contracts/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 } },
      { test: { name: 'bridge', include: ['test/bridge/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 120_000 } },
    ],
  },
})
