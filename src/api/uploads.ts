/**
 * Attachments by the API: uploaded first, and named by the message they belong to. A message may also name a URL of elsewhere, which is
 * fetched through the checks that every outside host passes.
 */
import { createRoute, z } from '@hono/zod-openapi'
import type { HonoRequest } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { AttachmentRef } from '../domain/conversation.ts'
import { checkUrl } from '../domain/host.ts'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import { addUpload, takeUploads, type Upload, uploadKey } from '../store/uploads.ts'
import { fileName, MEDIA_TYPE } from './attachments.ts'
import { noQuery, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf } from './requests.ts'

export const UPLOAD_BYTES = 25 * 1024 * 1024
const FETCH_MS = 20_000

/** As seed 003 names one. */
export const GivenAttachmentSchema = z
  .strictObject({
    id: z.string().max(200).optional().openapi({ description: 'Of an upload: `POST /api/v1/attachments`.' }),
    type: z.string().max(200).optional().openapi({ description: 'Media type; of an upload it is known.' }),
    filename: fileName.optional(),
    file: z.string().max(2000).optional().openapi({
      description: 'Where it is fetched from, if `id` names no upload. Its host must be a public one.',
    }),
  })
  .openapi('GivenAttachment')

const UploadSchema = z
  .object({ id: z.uuid(), type: z.string(), filename: z.string(), file: z.string(), size: z.int() })
  .openapi('Upload')

const NO_FORM = ['Send a form (multipart/form-data) with the field "file".', 'file'] as const

const mustBeForm = createMiddleware(async (c, next) => {
  if (!/^multipart\/form-data\b/i.test(c.req.header('content-type') ?? ''))
    throw new Refusal('missing_field', ...NO_FORM)
  await next()
})

const upload = createRoute({
  method: 'post',
  path: '/',
  summary: 'Upload an attachment, and name it in a message',
  description: 'A form with the field `file`, up to 25 MB. What no message names within a day is deleted.',
  middleware: mustBeForm,
  request: {
    query: noQuery,
    body: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: z.object({ file: z.any().openapi({ type: 'string', format: 'binary' }) }),
        },
      },
    },
  },
  responses: {
    200: { description: 'The upload', content: { 'application/json': { schema: UploadSchema } } },
    ...refusals('missing_field', 'invalid_field', 'unknown_field', 'unauthorized', 'too_large'),
  },
})

export const uploads = noun().openapi(upload, async c => {
  const form = await formOf(c.req)
  const file: unknown = form?.get('file')
  if (!(file instanceof File)) throw new Refusal('missing_field', ...NO_FORM)
  const unknown = [...(form?.keys() ?? [])].find(name => name !== 'file')
  if (unknown) throw new Refusal('unknown_field', `"${unknown}" is not a field of this request.`, unknown)
  if (file.size > UPLOAD_BYTES) throw new Refusal('too_large')
  if (!fileName.safeParse(file.name).success)
    throw new Refusal('invalid_field', '"file" needs a name of one line, up to 255 characters.', 'file')
  const row = await keep(c.env, c.get('siteId'), await idOf(c), file.stream(), {
    filename: file.name,
    contentType: MEDIA_TYPE.test(file.type) ? file.type : 'application/octet-stream',
    size: file.size,
  })
  return c.json(
    {
      id: row.id,
      type: row.contentType,
      filename: row.filename,
      file: `/api/v1/attachments/${row.id}`,
      size: row.size,
    },
    200,
  )
})

/** Null where the body is no form. */
async function formOf(request: HonoRequest): Promise<FormData | null> {
  try {
    return await request.formData()
  } catch {
    return null
  }
}

async function keep(
  env: Env,
  siteId: string,
  id: string,
  bytes: ReadableStream,
  about: Pick<Upload, 'filename' | 'contentType' | 'size'>,
) {
  const row = { siteId, id, ...about, createdAt: Date.now() }
  await env.MAIL.put(uploadKey(siteId, id), bytes.pipeThrough(new FixedLengthStream(about.size)))
  await addUpload(db(env.DB), row)
  return row
}

/** Of a message's attachments those that are uploaded already, and those of elsewhere, fetched. @throws Refusal */
export async function takenAttachments(
  env: Env,
  siteId: string,
  messageId: string,
  given: readonly z.infer<typeof GivenAttachmentSchema>[],
): Promise<AttachmentRef[]> {
  if (given.length === 0) return []
  const d1 = db(env.DB)
  const named = given.flatMap(({ id }) => (id && isUuid(id) ? [id] : []))
  const taken = await takeUploads(d1, siteId, messageId, named)
  const all: Upload[] = []
  // One after the other, and together no more than one may have: what is fetched is held in memory.
  let room = UPLOAD_BYTES
  for (const [n, one] of given.entries()) {
    const upload = taken.find(({ id }) => id === one.id)
    if (upload) all.push(upload)
    else if (one.file && !one.file.startsWith('/')) {
      const fetched = await fetchFile(env, siteId, messageId, one, room, `attachments.${n}.file`)
      room -= fetched.size
      all.push(fetched)
    } else if (one.id)
      throw new Refusal(
        'invalid_field',
        'There is no upload with that id, or another message has it.',
        `attachments.${n}.id`,
      )
    else
      throw new Refusal(
        'invalid_field',
        'An attachment names an upload by "id", or a URL by "file".',
        `attachments.${n}`,
      )
  }
  return all.map(upload => ({
    filename: upload.filename,
    contentType: upload.contentType,
    size: upload.size,
    disposition: 'attachment',
    contentId: null,
    key: uploadKey(siteId, upload.id),
    part: null,
  }))
}

async function fetchFile(
  env: Env,
  siteId: string,
  messageId: string,
  { file = '', filename, type }: z.infer<typeof GivenAttachmentSchema>,
  room: number,
  field: string,
): Promise<Upload> {
  const refused = checkUrl(file, settings(env).DEV)
  if (refused) throw new Refusal(refused.code, refused.message, field)
  const unreachable = (why: string) =>
    new Refusal('attachment_unreachable', `The attachment was not fetched: ${why}.`, field)
  let answer: Response
  try {
    // Where it leads elsewhere that other host was not checked, so it is not followed.
    answer = await fetch(file, { redirect: 'manual', signal: AbortSignal.timeout(FETCH_MS) })
  } catch {
    throw unreachable('its server does not answer')
  }
  if (answer.status !== 200 || !answer.body) throw unreachable(`its server answered ${answer.status}`)
  const bytes = await atMost(answer.body, room)
  if (!bytes) throw new Refusal('too_large', 'What is fetched for a message may have 25 MB together.', field)
  const said = answer.headers.get('content-type')?.split(';')[0]?.trim() ?? ''
  const contentType = [type ?? '', said].find(one => MEDIA_TYPE.test(one)) ?? 'application/octet-stream'
  const name = filename ?? (new URL(file).pathname.split('/').at(-1) || 'attachment')
  const stream = new Response(bytes as BodyInit).body!
  const row = await keep(env, siteId, newId(), stream, {
    filename: name.slice(0, 255),
    contentType,
    size: bytes.length,
  })
  await takeUploads(db(env.DB), siteId, messageId, [row.id])
  return { ...row, messageId }
}

/** Null where there is more. */
async function atMost(stream: ReadableStream<Uint8Array>, most: number): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of stream) {
    size += part.length
    if (size > most) return null
    parts.push(part)
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
