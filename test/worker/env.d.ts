/** What the tests have in their environment beside the product's own. */
declare namespace Cloudflare {
  interface Env {
    PUBLIC_URL: string
    KEK: string
    BRIDGE_TOKEN: string
    BRIDGE_URL: string
    DEV: string
    /** JSON of TestMail in test/worker/mail.ts, or null where the run has no mail servers. */
    TEST_MAIL: string
    /** Where test/servers/openai-server.ts is. */
    TEST_MODEL: string
    /** Where test/servers/webhook-receiver.ts is. */
    TEST_HOOKS: string
    REQUESTS: string
    SEED: string
    TEST_DB_MIGRATIONS: import('cloudflare:test').D1Migration[]
    TEST_SEARCH_MIGRATIONS: import('cloudflare:test').D1Migration[]
  }
}
