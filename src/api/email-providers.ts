/** The mail providers that the form offers: their servers and ports, and what to tell whoever fills it in. */
import { createRoute, z } from '@hono/zod-openapi'
import { providerIds, providers } from '../mail/providers/index.ts'
import { noun } from './noun.ts'
import { refusals } from './problems.ts'

const ServerSchema = z
  .object({
    host: z.string().openapi({ example: 'imap.gmail.com' }),
    port: z.int().openapi({ example: 993 }),
    tls: z
      .boolean()
      .openapi({ description: 'TLS from the first byte on 993 and 465, STARTTLS on any other port.' }),
  })
  .openapi('EmailProviderServer')

const SentenceSchema = z
  .object({ en: z.string(), 'zh-TW': z.string(), 'zh-CN': z.string() })
  .openapi('EmailProviderSentence')

const variantFields = {
  name: z.string(),
  imap: ServerSchema.nullable().openapi({
    description: 'Null: mail does not come by IMAP, or the server is to be typed in.',
  }),
  smtp: ServerSchema.nullable().openapi({
    description: 'Null: mail does not leave by SMTP, or the server is to be typed in.',
  }),
  domains: z.array(z.string()).openapi({ description: 'An address of one of these is of this provider.' }),
}

export const EmailProviderSchema = z
  .object({
    id: z.enum(providerIds),
    ...variantFields,
    smtpPorts: z.array(z.int()).openapi({ description: 'May be chosen for SMTP; the first is filled in.' }),
    smtpUser: z
      .string()
      .nullable()
      .openapi({ description: 'The user name for SMTP where it is not the address.' }),
    authentication: z
      .array(z.enum(['app_password', 'password', 'oauth2', 'api_token']))
      .openapi({ description: 'Best first.' }),
    passwordHint: SentenceSchema,
    help: z.string().nullable().openapi({ description: 'The provider’s own page about it.' }),
    notes: z.array(SentenceSchema),
    variants: z.array(z.object({ id: z.string(), ...variantFields })).openapi({
      description: 'The same provider with other servers: a data centre, another of its domains.',
    }),
  })
  .openapi('EmailProvider')

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'The mail providers that are known, with their servers and what they want for a password',
  responses: {
    200: {
      description: 'The providers, in the order in which they are offered',
      content: {
        'application/json': {
          schema: z.object({ items: z.array(EmailProviderSchema) }).openapi('EmailProviders'),
        },
      },
    },
    ...refusals('unknown_field', 'unauthorized'),
  },
})

export const emailProviders = noun().openapi(list, c => {
  const items = providers.map(({ variants, ...provider }) => ({
    ...provider,
    variants: variants.map(variant => ({ ...variant, domains: [...variant.domains] })),
  }))
  return c.json({ items: items as unknown as z.infer<typeof EmailProviderSchema>[] }, 200)
})
