/** Seed 001, step 1: a secret is handed over before what it belongs to, and comes back sealed. */
import { createRoute, z } from '@hono/zod-openapi'
import { normaliseAddress } from '../domain/address.ts'
import { settings } from '../env.ts'
import { db } from '../store/db.ts'
import { dataKeyOf, inboxOfAddress } from '../store/inboxes.ts'
import { keepToken, sealToken, type TokenName } from '../store/secure-tokens.ts'
import { agentNoun, agentRefusals, mustBeOwnSite } from './agent-answers.ts'
import { ONE_LINE } from './inbox-fields.ts'
import { givePassword } from './site-email.ts'

const encrypt = createRoute({
  method: 'post',
  path: '/encrypt',
  summary: 'Seal a secret, and keep it',
  description:
    'What comes back opens for this site, type and identifier alone. Kept as type `email`, it is the password of the inbox whose address the identifier is, now or once it is set.',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z
            .object({
              site_id: z.string(),
              token_type: z.string().trim().min(1).max(100).openapi({ example: 'email' }),
              identifier: z.string().trim().max(320).default('').openapi({ example: 'user@example.com' }),
              value: z
                .string()
                .min(1)
                .max(5000)
                .openapi({ description: 'Of type `email` at most 1,000 characters on one line.' }),
              store_in_db: z.boolean().default(false),
            })
            .refine(({ token_type, value }) => token_type !== 'email' || isPassword(value), {
              path: ['value'],
              message: 'must be a password: one line of at most 1,000 characters',
            })
            .openapi('SecretToSeal'),
        },
      },
    },
  },
  responses: {
    200: {
      description: 'Sealed',
      content: {
        'application/json': {
          schema: z
            .object({
              success: z.literal(true),
              data: z.object({ encrypted_value: z.string(), stored_in_db: z.boolean() }),
            })
            .openapi('SealedSecret'),
        },
      },
    },
    ...agentRefusals('SITE_CONFIG_NOT_FOUND'),
  },
})

/** As `/api/v1/inboxes` takes them. */
function isPassword(value: string): boolean {
  return value.length <= 1000 && ONE_LINE.test(value)
}

export const secureTokens = agentNoun().openapi(encrypt, async c => {
  const { site_id, token_type, identifier, value, store_in_db } = c.req.valid('json')
  mustBeOwnSite(c, site_id)
  const siteId = c.get('siteId')
  const d1 = db(c.env.DB)
  const isMail = token_type === 'email'
  const name: TokenName = {
    siteId,
    type: token_type,
    identifier: isMail ? normaliseAddress(identifier) : identifier,
  }
  const sealed = await sealToken(settings(c.env).KEK, await dataKeyOf(d1, siteId), name, value)
  if (store_in_db) {
    await keepToken(d1, name, sealed, Date.now())
    const inbox = isMail && (await inboxOfAddress(d1, siteId, name.identifier))
    if (inbox) await givePassword(c.env, inbox, value)
  }
  return c.json({ success: true as const, data: { encrypted_value: sealed, stored_in_db: store_in_db } }, 200)
})
