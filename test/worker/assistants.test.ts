import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { apiKeyPlace } from '../../src/store/assistants.ts'
import { db } from '../../src/store/db.ts'
import { dataKeyOf } from '../../src/store/inboxes.ts'
import { articles, assistants } from '../../src/store/schema.ts'
import { open } from '../../src/store/seal.ts'
import { assistant, inbox, site } from './cast.ts'
import { asking, member } from './staff.ts'

const CANARY = 'sk-test-canary-0123456789abcdef'
const thinker = {
  name: 'Grace',
  kind: 'openai-compatible',
  model: 'gpt-5-mini',
  baseUrl: 'https://api.openai.com/v1',
  apiKey: CANARY,
}

describe('assistants', () => {
  it('AS8 are made with defaults, read, changed where they are to be, listed and removed', async () => {
    const ask = asking((await site()).headers)
    const made = await ask('POST', '/assistants/', { name: 'Ada', kind: 'knowledge' })
    expect(made).toMatchObject({
      status: 200,
      json: {
        name: 'Ada',
        kind: 'knowledge',
        avatar: null,
        model: '',
        baseUrl: null,
        instructions: '',
        tone: '',
        languages: [],
        replyWebhookUrl: null,
        hasApiKey: false,
      },
    })
    const { id } = made.json
    expect((await ask('GET', `/assistants/${id}`)).json).toEqual(made.json)
    const about = {
      instructions: 'We sell bicycles.',
      tone: 'Cheerful',
      languages: ['en', 'zh-TW'],
      avatar: 'https://shop.example/ada.png',
      replyWebhookUrl: 'https://shop.example/hook',
    }
    expect((await ask('PATCH', `/assistants/${id}`, about)).json).toEqual({ ...made.json, ...about })
    expect((await ask('PATCH', `/assistants/${id}`, { tone: '' })).json).toEqual({
      ...made.json,
      ...about,
      tone: '',
    })
    for (const name of ['B', 'C']) await ask('POST', '/assistants/', { name, kind: 'knowledge' })
    const first = (await ask('GET', '/assistants/?limit=2')).json
    const second = (await ask('GET', `/assistants/?limit=2&cursor=${first.next}`)).json
    expect([...first.items, ...second.items].map((one: { name: string }) => one.name)).toEqual([
      'Ada',
      'B',
      'C',
    ])
    expect(second.next).toBeNull()
    expect((await ask('DELETE', `/assistants/${id}`)).json).toEqual({ id, deleted: true })
    expect((await ask('GET', `/assistants/${id}`)).status).toBe(404)
  })

  it('AS9 N5 the key to the model is sealed and never shown', async () => {
    const { siteId, headers } = await site()
    const ask = asking(headers)
    const made = await ask('POST', '/assistants/', thinker)
    const { id } = made.json
    expect(made.json.hasApiKey).toBe(true)
    const row = (await db(env.DB).select().from(assistants).where(eq(assistants.id, id)).get())!
    expect(
      await open(env.KEK, await dataKeyOf(db(env.DB), siteId), apiKeyPlace(siteId, id), row.apiKey!),
    ).toBe(CANARY)
    const answers = [
      made,
      await ask('GET', `/assistants/${id}`),
      await ask('GET', '/assistants/'),
      await ask('PATCH', `/assistants/${id}`, { name: 'G' }),
      await ask('PATCH', `/assistants/${id}`, { apiKey: 17 }),
      await ask('PATCH', `/assistants/${id}`, { apiKey: CANARY, nope: CANARY }),
    ]
    expect(JSON.stringify([answers, row])).not.toContain(CANARY)
    expect((await ask('PATCH', `/assistants/${id}`, { apiKey: null })).json.hasApiKey).toBe(false)
  })

  it('AS10 the key does not follow to another server', async () => {
    const ask = asking((await site()).headers)
    const { id } = (await ask('POST', '/assistants/', thinker)).json
    expect(await ask('PATCH', `/assistants/${id}`, { baseUrl: 'https://evil.example/v1' })).toMatchObject({
      status: 400,
      json: { error: { code: 'missing_field', field: 'apiKey' } },
    })
    expect((await ask('PATCH', `/assistants/${id}`, { baseUrl: null, kind: 'knowledge' })).status).toBe(400)
    expect((await ask('GET', `/assistants/${id}`)).json.baseUrl).toBe(thinker.baseUrl)
    expect((await ask('PATCH', `/assistants/${id}`, { baseUrl: 'https://api.openai.com/v2' })).status).toBe(
      200,
    )
    const moved = await ask('PATCH', `/assistants/${id}`, {
      baseUrl: 'https://evil.example/v1',
      apiKey: null,
    })
    expect(moved.json.hasApiKey).toBe(false)
  })

  it.each([
    ['another kind', { name: 'A', kind: 'psychic' }, 'invalid_field', 'kind'],
    ['a name on two lines', { ...thinker, name: 'A\r\nBcc: x@y.z' }, 'invalid_field', 'name'],
    ['a name with a control character', { ...thinker, name: 'A\u0007' }, 'invalid_field', 'name'],
    ['no kind', { name: 'A' }, 'missing_field', 'kind'],
    ['an unknown field', { name: 'A', kind: 'knowledge', temperature: 1 }, 'unknown_field', 'temperature'],
    ['no model', { ...thinker, model: '' }, 'missing_field', 'model'],
    ['no address', { ...thinker, baseUrl: null }, 'missing_field', 'baseUrl'],
    [
      'a model that is none of Cloudflare’s',
      { name: 'A', kind: 'workers-ai', model: 'gpt-5' },
      'invalid_field',
      'model',
    ],
    [
      'no language',
      { name: 'A', kind: 'knowledge', languages: ['English, please'] },
      'invalid_field',
      'languages.0',
    ],
    [
      'instructions too long',
      { name: 'A', kind: 'knowledge', instructions: 'x'.repeat(20_001) },
      'invalid_field',
      'instructions',
    ],
  ])('AS11 %s is refused by name', async (_, body, code, field) => {
    const ask = asking((await site()).headers)
    expect(await ask('POST', '/assistants/', body)).toMatchObject({
      status: 400,
      json: { error: { code, field } },
    })
    expect((await ask('GET', '/assistants/')).json.items).toEqual([])
  })

  it.each(['avatar', 'baseUrl', 'replyWebhookUrl'])(
    'AS11 an inside address, or one that is not https, is refused as %s',
    async field => {
      const ask = asking((await site()).headers)
      for (const url of [
        'http://api.example.com/v1',
        'https://169.254.169.254/latest',
        'https://10.0.0.1/',
        'https://metadata.google.internal/',
        'https://user:pass@api.example.com/',
        'javascript:alert(1)',
        'nonsense',
      ])
        expect(await ask('POST', '/assistants/', { ...thinker, [field]: url }), url).toMatchObject({
          status: 422,
          json: { error: { code: 'host_refused', field } },
        })
    },
  )

  it('AS12 one that answers an inbox is not removed; the refusal names the inbox', async () => {
    const { siteId, headers } = await site()
    const ask = asking(headers)
    const id = await assistant(siteId)
    await inbox(siteId, { assistantId: id })
    expect(await ask('DELETE', `/assistants/${id}`)).toMatchObject({
      status: 409,
      json: { error: { code: 'assistant_in_use', message: expect.stringContaining('“Support”') } },
    })
    expect(await db(env.DB).select().from(articles).where(eq(articles.assistantId, id))).toHaveLength(3)
  })

  it('AS12 with one go its articles and their words', async () => {
    const { siteId, headers } = await site()
    const [id, other] = [await assistant(siteId), await assistant(siteId)]
    await env.DB.prepare('UPDATE articles SET labels = ?1 WHERE assistant_id = ?2').bind('["vip"]', id).run()
    await asking(headers)('DELETE', `/assistants/${id}`)
    expect(await db(env.DB).select().from(articles).where(eq(articles.assistantId, id))).toEqual([])
    const words = await env.SEARCH.prepare(
      'SELECT scope FROM article_words WHERE rowid IN (SELECT id FROM article_docs WHERE site_id = ?1)',
    )
      .bind(siteId)
      .all<{ scope: string }>()
    expect(words.results).toHaveLength(3)
    expect(words.results.every(row => row.scope.endsWith(other.replaceAll('-', '')))).toBe(true)
  })

  it('AC5 those of another site are not there', async () => {
    const [mine, theirs] = [await site(), await site()]
    const id = await assistant(theirs.siteId)
    const ask = asking(mine.headers)
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'x' }],
      ['DELETE', '', undefined],
      ['POST', '/ask', { question: 'refund' }],
    ] as const)
      expect((await ask(method, `/assistants/${id}${path}`, body)).status).toBe(404)
    expect((await ask('GET', '/assistants/')).json.items).toEqual([])
  })
})

describe('asking one without any mail', () => {
  it('AS13 says what it would answer, and an agent may', async () => {
    const { siteId } = await site()
    const id = await assistant(siteId)
    const ask = asking((await member(siteId, 'agent')).headers)
    expect(
      (await ask('POST', `/assistants/${id}/ask`, { question: 'How do I get my money back?' })).json,
    ).toMatchObject({
      citations: [{ title: 'Refunds and returns' }],
      language: 'en',
      sure: true,
      wantsPerson: false,
      problem: null,
    })
    expect((await ask('POST', `/assistants/${id}/ask`, { question: '請問可以退款嗎？' })).json).toMatchObject(
      {
        language: 'zh-TW',
      },
    )
    expect((await ask('POST', `/assistants/${id}/ask`, { question: '' })).status).toBe(400)
    expect(
      (await ask('POST', `/assistants/${id}/ask`, { question: 'x', to: 'x@evil.example' })).json.error,
    ).toMatchObject({
      code: 'unknown_field',
    })
  })

  it('AS13 tells what is amiss with its model, and is 503 while that is away', async () => {
    const ask = asking((await site()).headers)
    const made = (model: string) =>
      ask('POST', '/assistants/', {
        ...thinker,
        model,
        baseUrl: `${env.TEST_MODEL}/v1`,
        apiKey: 'sk-test-0123456789abcdefghijklmnop',
      })
    const good = (await made('good')).json.id
    expect((await ask('POST', `/assistants/${good}/ask`, { question: 'refund?' })).json.problem).toBeNull()
    const missing = (await made('missing-model')).json.id
    expect((await ask('POST', `/assistants/${missing}/ask`, { question: 'refund?' })).json).toMatchObject({
      text: '',
      problem: { code: 'model_missing' },
    })
    const away = (await made('status-429')).json.id
    expect(await ask('POST', `/assistants/${away}/ask`, { question: 'refund?' })).toMatchObject({
      status: 503,
      json: { error: { code: 'model_unavailable' } },
    })
  })
})
