/** Attachments as a request brings them: small enough to travel in JSON. */
import { z } from '@hono/zod-openapi'
import { type NewAttachment, tooLarge } from '../conversation/write.ts'
import { ONE_LINE } from './inbox-fields.ts'
import { Refusal } from './problems.ts'

export const MEDIA_TYPE = /^[\w.+-]+\/[\w.+-]+$/

export const fileName = z
  .string()
  .min(1)
  .max(255)
  .regex(ONE_LINE, 'must be one line without control characters')

export const NewAttachmentSchema = z
  .strictObject({
    filename: fileName,
    contentType: z
      .string()
      .regex(MEDIA_TYPE, 'must be a media type such as image/png')
      .default('application/octet-stream'),
    content: z
      .base64()
      .openapi({ description: 'The bytes in base64; all attachments together up to 10 MB.' }),
    contentId: z
      .string()
      .regex(/^[!-;=?-~]{1,200}$/, 'must be printable ASCII without blanks or angle brackets')
      .optional()
      .openapi({ description: 'Makes it an inline image: the text shows it as `![alt](cid:…)`.' }),
  })
  .openapi('NewAttachment')

/** @throws Refusal where they are too large together. */
export function attachmentsOf(given: readonly z.infer<typeof NewAttachmentSchema>[]): NewAttachment[] {
  const attachments = given.map(({ filename, contentType, content, contentId }) => ({
    filename,
    contentType,
    content: Uint8Array.from(atob(content), character => character.charCodeAt(0)),
    ...(contentId === undefined ? {} : { contentId }),
  }))
  const refused = tooLarge(attachments)
  if (refused) throw new Refusal(refused.code, refused.message, refused.field)
  return attachments
}
