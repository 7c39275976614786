/**
 * Attachments by the API: uploaded first, and named by the message they belong to. A message may also name a URL of elsewhere, which is
 * fetched through the checks that every outside host passes.
 */
import { createRoute, z } from '@hono/zod-openapi'
import { createMiddleware } from 'hono/factory'
import type { AttachmentRef } from '../domain/conversation.ts'
import { checkUrl } from '../domain/host.ts'
import { isUuid } from '../domain/ids.ts'
import { settings } from '../env.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import {
  addUpload,
  attachmentFrom,
  putUpload,
  takeUploads,
  type Upload,
  untakenUpload,
  uploadKey,
} from '../store/uploads.ts'
import { fileName, MEDIA_TYPE } from './attachments.ts'
import { download } from './download.ts'
import { BrokenForm, boundaryOf, type FormPart, FormTooLarge, readForm } from './multipart.ts'
import { byId, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'
import { idOf, madeAt } from './requests.ts'

const UPLOAD_BYTES = 25 * 1024 * 1024
/** A form with one file. */
const FORM_BYTES = UPLOAD_BYTES + 64 * 1024
const FETCH_MS = 20_000

/** As seed 003 names one. */
export const GivenAttachmentSchema = z
  .strictObject({
    id: z.string().max(200).optional().openapi({ description: 'Of an upload: `POST /api/v1/attachments`.' }),
    type: z.string().max(200).optional().openapi({ description: 'Media type; of an upload it is known.' }),
    filename: fileName.optional(),
    size: z
      .int()
      .min(0)
      .optional()
      .openapi({ description: 'As an upload answers it; of an upload it is known.' }),
    file: z.string().max(2000).optional().openapi({
      description: 'Where it is fetched from, if `id` names no upload. Its host must be a public one.',
    }),
  })
  .openapi('GivenAttachment')

const UploadSchema = z
  .object({ id: z.uuid(), type: z.string(), filename: z.string(), file: z.string(), size: z.int() })
  .openapi('Upload')

const NO_FORM = ['Send a form (multipart/form-data) with the field "file".', 'file'] as const

export const mustBeForm = createMiddleware(async (c, next) => {
  if (!/^multipart\/form-data\b/i.test(c.req.header('content-type') ?? ''))
    throw new Refusal('missing_field', ...NO_FORM)
  await next()
})

/** As the document has it. Were it a schema of zod, the whole form would be read into memory to be checked by it. */
export const UploadForm = {
  type: 'object',
  properties: { file: { type: 'string', format: 'binary' } },
  required: ['file'],
} as unknown as z.ZodType<{ file: File }>

const upload = createRoute({
  method: 'post',
  path: '/',
  summary: 'Upload an attachment, and name it in a message',
  description: 'A form with the field `file`, up to 25 MB. What no message names within a day is deleted.',
  middleware: mustBeForm,
  request: {
    body: {
      required: true,
      content: { 'multipart/form-data': { schema: UploadForm } },
    },
  },
  responses: {
    200: { description: 'The upload', content: { 'application/json': { schema: UploadSchema } } },
    ...refusals('missing_field', 'invalid_field', 'unknown_field', 'unauthorized', 'too_large'),
  },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'The bytes of an upload that no message has taken yet, always as a download',
  description: 'What a message has is downloaded from where the message says.',
  request: byId,
  responses: {
    200: { description: 'The bytes', content: { 'application/octet-stream': { schema: z.string() } } },
    ...refusals('unknown_field', 'unauthorized', 'not_found'),
  },
})

export const uploads = noun()
  .openapi(show, async c => {
    const siteId = c.get('siteId')
    const { id } = c.req.valid('param')
    const kept = isUuid(id) ? await untakenUpload(db(c.env.DB), siteId, id) : undefined
    const object = kept && (await c.env.MAIL.get(uploadKey(siteId, id)))
    if (!object) throw new Refusal('not_found')
    return download(object, kept.contentType, kept.filename)
  })
  .openapi(upload, async c => {
    const siteId = c.get('siteId')
    const id = await idOf(c)
    const about = await receivedFile(c.req.raw, c.env.MAIL, uploadKey(siteId, id))
    await addUpload(db(c.env.DB), { siteId, id, ...about, createdAt: madeAt(c) })
    const { filename, contentType, size } = about
    return c.json(
      {
        id,
        type: contentType,
        filename,
        file: new URL(`/api/v1/attachments/${id}`, settings(c.env).PUBLIC_URL).href,
        size,
      },
      200,
    )
  })

type About = Pick<Upload, 'filename' | 'contentType' | 'size'>

/** The one file of a form, put where it belongs while it arrives. Where the form is refused nothing is left there. @throws Refusal */
export async function receivedFile(request: Request, mail: R2Bucket, key: string): Promise<About> {
  const boundary = boundaryOf(request.headers.get('content-type') ?? '')
  if (!boundary || !request.body) throw new Refusal('missing_field', ...NO_FORM)
  if (Number(request.headers.get('content-length') ?? 0) > FORM_BYTES) throw new Refusal('too_large')
  let file: About | null = null
  let unknown: string | null = null
  try {
    for await (const part of readForm(request.body, boundary, FORM_BYTES)) {
      if (part.name !== 'file') unknown ??= part.name
      else if (file) throw new Refusal('invalid_field', 'Send one file at a time.', 'file')
      else file = await keptPart(part, mail, key)
    }
    if (!file) throw new Refusal('missing_field', ...NO_FORM)
    if (unknown !== null)
      throw new Refusal('unknown_field', `"${unknown}" is not a field of this request.`, unknown)
    return file
  } catch (error) {
    if (file) await mail.delete(key)
    if (error instanceof BrokenForm) throw new Refusal('missing_field', ...NO_FORM)
    if (error instanceof FormTooLarge) throw new Refusal('too_large')
    throw error
  }
}

async function keptPart({ filename, type, read }: FormPart, mail: R2Bucket, key: string): Promise<About> {
  if (filename === null) throw new Refusal('missing_field', ...NO_FORM)
  if (!fileName.safeParse(filename).success)
    throw new Refusal('invalid_field', '"file" needs a name of one line, up to 255 characters.', 'file')
  const size = await putUpload(mail, key, read, UPLOAD_BYTES)
  if (size === null) throw new Refusal('too_large')
  return { filename, contentType: type && MEDIA_TYPE.test(type) ? type : 'application/octet-stream', size }
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
  // Together no more than one upload may have.
  let room = UPLOAD_BYTES
  for (const [n, one] of given.entries()) {
    const upload = taken.find(({ id }) => id === one.id)
    if (upload) all.push(upload)
    else if (one.file && !isOurs(env, one.file)) {
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
  return all.map(attachmentFrom)
}

/** What an upload or a message says of itself is named by its id, and not fetched from us. */
function isOurs(env: Env, file: string): boolean {
  return file.startsWith('/') || URL.parse(file)?.origin === new URL(settings(env).PUBLIC_URL).origin
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
  const said = answer.headers.get('content-type')?.split(';')[0]?.trim() ?? ''
  const contentType = [type ?? '', said].find(one => MEDIA_TYPE.test(one)) ?? 'application/octet-stream'
  const name = filename ?? (new URL(file).pathname.split('/').at(-1) || 'attachment')
  const id = newId()
  const reader = answer.body.getReader()
  const read = async () => {
    try {
      return (await reader.read()).value ?? null
    } catch {
      throw unreachable('its server broke off')
    }
  }
  const size = await putUpload(env.MAIL, uploadKey(siteId, id), read, room).finally(() =>
    reader.cancel().catch(() => {}),
  )
  if (size === null)
    throw new Refusal('too_large', 'What is fetched for a message may have 25 MB together.', field)
  const about = { siteId, id, filename: name.slice(0, 255), contentType, size, createdAt: Date.now() }
  await addUpload(db(env.DB), about)
  await takeUploads(db(env.DB), siteId, messageId, [id])
  return { ...about, messageId }
}
