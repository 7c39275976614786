import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { app } from '../../src/app.ts'
import { tick } from '../../src/clock.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { inboxes } from '../../src/store/schema.ts'
import { PART_BYTES, uploadKey } from '../../src/store/uploads.ts'
import { newWebChat } from '../../src/store/web-chats.ts'
import { call, type Json } from './call.ts'
import { site } from './cast.ts'

async function upload(headers: Record<string, string>, parts: Record<string, File | string>) {
  const form = new FormData()
  for (const [name, part] of Object.entries(parts)) form.set(name, part)
  const answer = await exports.default.fetch('http://edgedesk.test/api/v1/attachments/', {
    ...{ method: 'POST', headers, body: form },
  })
  return { status: answer.status, body: (await answer.json()) as Json }
}

async function chat() {
  const who = await site()
  const webChat = newId()
  await db(env.DB)
    .insert(inboxes)
    .values(newWebChat({ id: webChat, siteId: who.siteId, assistantId: null, name: 'Chat', at: Date.now() }))
  const { body } = await call('/conversations/', who.headers, 'POST', { webChat })
  const say = (attachments: Json[]) =>
    call('/messages/', who.headers, 'POST', { conversation: body.id, content: 'See', attachments })
  return { ...who, say }
}

const MB = 1024 * 1024

/** Bytes that are not the same everywhere, so that parts in another order would be seen. */
function patterned(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 12)) & 255
  return bytes
}

/** A form that comes in chunks and says no length, to a Worker whose R2 counts what it is handed. */
async function streamed(headers: Record<string, string>, pieces: Uint8Array[], chunk = 100_000) {
  const counts = { pulled: 0, stored: 0, held: 0, aborted: 0, largest: 0 }
  const hear = (value: Uint8Array) => {
    counts.held = Math.max(counts.held, counts.pulled - counts.stored)
    counts.stored += value.length
    counts.largest = Math.max(counts.largest, value.length)
  }
  const mail = {
    put: (key: string, value: Uint8Array) => {
      hear(value)
      return env.MAIL.put(key, value)
    },
    delete: (key: string) => env.MAIL.delete(key),
    createMultipartUpload: async (key: string) => {
      const upload = await env.MAIL.createMultipartUpload(key)
      return {
        uploadPart: (n: number, value: Uint8Array) => {
          hear(value)
          return upload.uploadPart(n, value)
        },
        complete: (parts: R2UploadedPart[]) => upload.complete(parts),
        abort: () => {
          counts.aborted++
          return upload.abort()
        },
      }
    },
  }
  let [n, at] = [0, 0]
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        while (n < pieces.length && at === pieces[n]!.length) [n, at] = [n + 1, 0]
        if (n === pieces.length) return controller.close()
        const some = pieces[n]!.slice(at, at + chunk)
        at += some.length
        counts.pulled += some.length
        controller.enqueue(some)
      },
    },
    { highWaterMark: 0 },
  )
  const waiting = { waitUntil: () => {}, passThroughOnException: () => {}, props: {} }
  const answer = await app.request(
    'http://edgedesk.test/api/v1/attachments',
    {
      ...{ method: 'POST', body },
      headers: { ...headers, 'content-type': 'multipart/form-data; boundary=b' },
    },
    { ...env, MAIL: mail },
    waiting as unknown as ExecutionContext,
  )
  return { ...counts, status: answer.status, body: (await answer.json()) as Json }
}

const ascii = (text: string) => new TextEncoder().encode(text)
const begins = (about = 'name="file"; filename="a.bin"') =>
  ascii(`--b\r\nContent-Disposition: form-data; ${about}\r\n\r\n`)
const ENDS = ascii('\r\n--b--\r\n')
const leftBehind = async (siteId: string) => (await env.MAIL.list({ prefix: uploadKey(siteId, '') })).objects

const PAGE = '<script>alert(1)</script>'
const file = (name = 'bill.html', type = 'text/html') => new File([PAGE], name, { type })

describe('attachments by API', () => {
  it('UP1 an upload is named in a message, and downloaded from there', async () => {
    const { headers, say } = await chat()
    const { body } = await upload(headers, { file: file() })
    expect(body).toMatchObject({ type: 'text/html', filename: 'bill.html', size: PAGE.length })
    const said = await say([{ id: body.id, type: 'text/html', filename: 'bill.html', file: body.file }])
    const [attachment] = said.body.attachments as Json[]
    expect(attachment).toMatchObject({ filename: 'bill.html', type: 'text/html', size: PAGE.length })
    const got = await exports.default.fetch(attachment!.file as string, { headers })
    expect(await got.text()).toBe(PAGE)
    expect(got.headers.get('content-disposition')).toMatch(/^attachment;/)
    expect(got.headers.get('x-content-type-options')).toBe('nosniff')
  })

  it('UP1 a link to it opens without a key for a while, and is good for nothing else', async () => {
    const { headers, say } = await chat()
    const { body } = await upload(headers, { file: file() })
    const said = await say([{ id: body.id }])
    const link = await call(`/messages/${said.body.id}/attachments/0/link`, headers)
    expect(Number(link.body.expiresAt)).toBeGreaterThan(Date.now())
    const url = new URL(link.body.url as string)
    const open = async (path: string) => (await exports.default.fetch(`http://edgedesk.test${path}`)).status
    expect(await open(url.pathname + url.search)).toBe(200)
    expect(await open(url.pathname.replace(/0$/, '1') + url.search)).toBe(401)
    const later = url.search.replace(/until=\d+/, `until=${Date.now() + 10 ** 9}`)
    expect(await open(url.pathname + later)).toBe(401)
    expect(await open(url.pathname)).toBe(401)
  })

  it('UP1 nobody names an upload of another site, nor one that is not there', async () => {
    const [one, other] = [await chat(), await chat()]
    const { body } = await upload(one.headers, { file: file() })
    for (const id of [body.id, newId()])
      expect(await other.say([{ id }])).toMatchObject({
        ...{ status: 400, body: { error: { field: 'attachments.0.id' } } },
      })
  })

  it('UP1 an upload is one message’s, and goes with no other', async () => {
    const { headers, say } = await chat()
    const { body } = await upload(headers, { file: file() })
    expect((await say([{ id: body.id }])).status).toBe(200)
    expect(await say([{ id: body.id }])).toMatchObject({
      status: 400,
      body: { error: { field: 'attachments.0.id' } },
    })
  })

  it('UP1 what no message takes within a day is deleted', async () => {
    const { headers, siteId, say } = await chat()
    const [left, taken] = [await upload(headers, { file: file() }), await upload(headers, { file: file() })]
    await say([{ id: taken.body.id }])
    await tick('* * * * *', Date.now() + 25 * 60 * 60_000, env).catch(() => {})
    const there = (id: unknown) => env.MAIL.head(uploadKey(siteId, id as string))
    expect(await there(left.body.id)).toBeNull()
    expect(await there(taken.body.id)).not.toBeNull()
  })

  it('UP1 what is wrong with an upload is said', async () => {
    const { headers } = await chat()
    expect((await upload(headers, { file: 'text' })).body).toMatchObject({ error: { field: 'file' } })
    expect((await upload(headers, { file: file(), other: 'x' })).body).toMatchObject({
      error: { field: 'other' },
    })
    const json = await call('/attachments', headers, 'POST', { file: 'x' })
    expect(json).toMatchObject({ status: 400, body: { error: { field: 'file' } } })
  })

  it.each([0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, 12 * MB])(
    'UP3 %i bytes come through whole, and no more than one part of them is held',
    async size => {
      const { headers, siteId } = await site()
      const bytes = patterned(size)
      const said = await streamed(headers, [begins(), bytes, ENDS])
      expect(said).toMatchObject({ status: 200, body: { size, filename: 'a.bin' } })
      const object = await env.MAIL.get(uploadKey(siteId, said.body.id as string))
      const digest = async (data: ArrayBuffer) =>
        [...new Uint8Array(await crypto.subtle.digest('SHA-256', data))].join()
      expect(await digest(await object!.arrayBuffer())).toBe(await digest(bytes.buffer))
      expect(said.held).toBeLessThan(PART_BYTES + MB)
      expect(said.largest).toBeLessThanOrEqual(PART_BYTES)
    },
  )

  it('UP3 of one that is too large nothing is left, and no more of it is read', async () => {
    const { headers, siteId } = await site()
    const said = await streamed(headers, [begins(), patterned(30 * MB), ENDS])
    expect(said).toMatchObject({ status: 413, body: { error: { code: 'too_large' } }, aborted: 1 })
    expect(said.pulled).toBeLessThan(25 * MB + MB)
    expect(await streamed(headers, [begins('name="other"'), patterned(30 * MB), ENDS])).toMatchObject({
      ...{ status: 413, stored: 0 },
    })
    expect((await streamed(headers, [begins(), patterned(25 * MB), ENDS])).status).toBe(200)
    expect(await leftBehind(siteId)).toHaveLength(1)
    const named = await exports.default.fetch('http://edgedesk.test/api/v1/attachments', {
      ...{ method: 'POST', body: new Uint8Array(25 * MB + 65 * 1024) },
      headers: { ...headers, 'content-type': 'multipart/form-data; boundary=b' },
    })
    expect(named.status).toBe(413)
  })

  it('UP3 of a form that is refused behind its file nothing is left', async () => {
    const { headers, siteId } = await site()
    const file = [begins(), patterned(6 * MB)]
    const another = (about: string) => [ascii('\r\n'), begins(about), ascii('x')]
    const refused = async (pieces: Uint8Array[], code: string, field: string) => {
      expect(await streamed(headers, pieces)).toMatchObject({ status: 400, body: { error: { code, field } } })
      expect(await leftBehind(siteId)).toEqual([])
    }
    await refused([...file, ...another('name="other"'), ENDS], 'unknown_field', 'other')
    await refused([...file, ...another('name="file"; filename="b"'), ENDS], 'invalid_field', 'file')
    await refused(file, 'missing_field', 'file')
    await refused([begins('name="other"; filename="b"'), ascii('x'), ENDS], 'missing_field', 'file')
    await refused([begins('name="file"; filename=""'), ENDS], 'invalid_field', 'file')
  })

  it('UP3 a file keeps the name that Python’s requests gives it', async () => {
    const { headers } = await site()
    for (const about of [`filename*=utf-8''%E5%B8%B3%E5%96%AE.pdf`, 'filename="帳單.pdf"'])
      expect(
        (await streamed(headers, [begins(`name="file"; ${about}`), ascii('%PDF'), ENDS])).body,
      ).toMatchObject({ filename: '帳單.pdf', size: 4, type: 'application/octet-stream' })
  })

  it('UP2 M8 a file of elsewhere comes from a public host only', async () => {
    const { say } = await chat()
    for (const inside of ['http://169.254.169.254/latest', 'https://10.0.0.1/x', 'ftp://a.example/x'])
      expect(await say([{ file: inside }]), inside).toMatchObject({
        ...{ status: 422, body: { error: { code: 'host_refused', field: 'attachments.0.file' } } },
      })
    expect(await say([{ filename: 'x' }])).toMatchObject({ body: { error: { field: 'attachments.0' } } })
    expect(await say([{ file: 'http://127.0.0.1:9/bill.pdf' }])).toMatchObject({
      ...{ status: 422, body: { error: { code: 'attachment_unreachable' } } },
    })
  })
})
