import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { tick } from '../../src/clock.ts'
import { db } from '../../src/store/db.ts'
import { newId } from '../../src/store/ids.ts'
import { inboxes } from '../../src/store/schema.ts'
import { uploadKey } from '../../src/store/uploads.ts'
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
    const got = await exports.default.fetch(`http://edgedesk.test${attachment!.file}`, { headers })
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
