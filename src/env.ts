/**
 * The shape of the environment, parsed once per isolate; the only file that knows the names of variables. Bindings (D1, R2,
 * objects) are in wrangler.toml and typed by `wrangler types`.
 */
import { z } from 'zod'

const Key = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'must be 32 bytes in base64')

const Variables = z.object({
  /** Where this deployment is reached from outside. Alarms have no request to learn it from. */
  PUBLIC_URL: z.url(),
  /** The key-encryption key: 32 random bytes in base64. Whoever has it and the database can read the mail passwords. */
  KEK: Key,
  /** The one before, while it is being rotated (`npm run keys:rotate`): it opens what is not yet under the new one, and seals nothing. */
  KEK_PREVIOUS: Key.optional(),
  /** Shared with the IMAP bridge; every request to it carries this. */
  BRIDGE_TOKEN: z.string().min(16),
  /** Development only: a bridge that runs as a plain process on loopback, instead of the container. */
  BRIDGE_URL: z.url().optional(),
  /** Sign-in by Cloudflare Access (src/auth/cloudflare-access.ts): `team.cloudflareaccess.com`, and the application's audience tag. */
  ACCESS_TEAM_DOMAIN: z
    .string()
    .regex(/^[a-z0-9-]+\.cloudflareaccess\.com$/, 'must be <team>.cloudflareaccess.com')
    .optional(),
  ACCESS_AUD: z.string().min(1).optional(),
  /** The one flag: loopback mail servers and unencrypted logins are allowed. Never set it where strangers can connect inboxes. */
  DEV: z
    .enum(['0', '1'])
    .default('0')
    .transform(value => value === '1'),
})

/** Both keys travel as one (store/seal.ts), so that whoever opens something need not know of rotations. */
const Settings = Variables.transform(({ KEK, KEK_PREVIOUS, ...others }) => ({
  ...others,
  KEK: KEK_PREVIOUS ? `${KEK} ${KEK_PREVIOUS}` : KEK,
}))

export type Settings = z.infer<typeof Settings>

const parsed = new WeakMap<object, Settings>()

/** @throws where a variable is missing or malformed: nothing works without them, and the message names it. */
export function settings(env: Env): Settings {
  let known = parsed.get(env)
  if (!known) {
    const result = Settings.safeParse(env)
    if (!result.success)
      throw new Error(
        `environment: ${result.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`,
      )
    known = result.data
    if (known.BRIDGE_URL && !known.DEV)
      throw new Error('environment: BRIDGE_URL is for development; set DEV=1')
    parsed.set(env, known)
  }
  return known
}

declare global {
  /** Bindings that a deployment may have and the product does without; `wrangler types` makes the rest of it. */
  interface __BaseEnv_Env {
    EMAIL?: SendEmail
  }
}
