/** What a web chat looks like to its visitors, and where it may stand: fields of a web chat beside those of every inbox. */
import { z } from '@hono/zod-openapi'
import { listedOrigin } from '../domain/origins.ts'
import type { WebChatSettings } from '../store/inboxes.ts'
import { oneLine } from './inbox-fields.ts'

const language = z.string().regex(/^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$/, 'must be an IETF language tag')

const origin = z
  .string()
  .max(300)
  .refine(
    typed => listedOrigin(typed) !== null,
    'must be an origin such as https://shop.example, https://*.shop.example or *',
  )
  .transform(typed => listedOrigin(typed)!)
  .openapi({ type: 'string', example: 'https://shop.example' })

/** Of whole paragraphs; control characters but line ends have no place in what is shown. */
const paragraph = z
  .string()
  .trim()
  .min(1)
  .max(1000)
  .regex(/^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]*$/, 'must not have control characters')

export const appearanceFields = {
  allowedOrigins: z
    .array(origin)
    .max(100)
    .openapi({
      type: 'array',
      items: { type: 'string' },
      description:
        'Pages that the chat may stand on. Empty: only this deployment’s own pages (`/share/{id}`). `https://*.shop.example` is every host below it, `*` every page.',
    }),
  title: oneLine(100).nullable().openapi({ description: 'What stands above the chat; null: its name.' }),
  color: z
    .string()
    .regex(/^#[0-9a-fA-F]{6}$/, 'must be a colour such as #1d4ed8')
    .transform(typed => typed.toLowerCase())
    .openapi({ type: 'string', example: '#1d4ed8' }),
  greeting: z.record(language, paragraph).openapi({
    description: 'What is said first, by language: `{"en": "Hello!", "zh-TW": "您好！"}`.',
  }),
  suggestedQuestions: z.record(language, z.array(oneLine(200)).max(6)).openapi({
    description: 'Questions that a visitor asks with one click, by language.',
  }),
  language: language
    .nullable()
    .openapi({ description: 'Of the chat; null: what the visitor’s browser asks for.' }),
  attachments: z.boolean().openapi({ description: 'Whether visitors may send files.' }),
  mailInboxId: z.uuid().nullable().openapi({
    description:
      'The e-mail inbox by which a conversation goes on with a visitor who left and has said an address: answers they missed are mailed, and what is written while nobody is there comes as mail. Null: neither.',
  }),
  continueAfter: z.int().min(30).max(86_400).openapi({
    description: 'Seconds after which an answer that the visitor has not seen is mailed.',
  }),
}

const Appearance = z.object(appearanceFields)
type Appearance = z.infer<typeof Appearance>

export function appearanceOf(typed: Partial<Appearance>): Partial<WebChatSettings> {
  const { continueAfter, ...others } = Appearance.partial().parse(typed)
  return { ...others, ...(continueAfter === undefined ? {} : { continueAfterMs: continueAfter * 1000 }) }
}

export function appearanceJson(own: WebChatSettings): Appearance & { hasIdentitySecret: boolean } {
  const { allowedOrigins, title, color, greeting, suggestedQuestions, language, attachments, mailInboxId } =
    own
  return {
    ...{ allowedOrigins, title, color, greeting, suggestedQuestions, language, attachments, mailInboxId },
    continueAfter: own.continueAfterMs / 1000,
    hasIdentitySecret: own.identityVersion > 0,
  }
}
