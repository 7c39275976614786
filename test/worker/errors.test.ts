import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { app } from '../../src/app.ts'
import { PROBLEMS, type ProblemCode, statusOf } from '../../src/domain/problem.ts'
import { newId } from '../../src/store/ids.ts'
import { site } from './cast.ts'

const ask = (path: string, init: RequestInit = {}) =>
  exports.default.fetch(`http://edgedesk.test${path}`, init)

interface Refused {
  error: { code: ProblemCode; message: string; field?: string; requestId: string }
}

/** The one shape, and its status is the code's. */
async function refusal(answer: Response): Promise<Refused['error']> {
  const body = (await answer.json()) as Refused
  expect(Object.keys(body)).toEqual(['error'])
  const { error } = body
  expect(Object.keys(error).sort()).toEqual(
    'field' in error ? ['code', 'field', 'message', 'requestId'] : ['code', 'message', 'requestId'],
  )
  expect(Object.keys(PROBLEMS)).toContain(error.code)
  expect(answer.status).toBe(statusOf(error.code))
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  expect(error.message).toMatch(/^.*[.]$/)
  expect(error.requestId).toMatch(/^[\w-]{1,64}$/)
  return error
}

describe('the one error shape', () => {
  it('ER1 every refusal has it: no key, nothing there, wrong field, no such address, too large', async () => {
    const { headers } = await site()
    const id = newId()
    const seen = [
      await refusal(await ask('/api/v1/conversations/')),
      await refusal(await ask(`/api/v1/conversations/${id}`, { headers })),
      await refusal(await ask(`/api/v1/messages/${id}`, { headers })),
      await refusal(await ask(`/api/v1/inboxes/${id}`, { headers })),
      await refusal(await ask('/api/v1/conversations/?limit=0', { headers })),
      await refusal(await ask('/nowhere')),
      await refusal(await ask('/hooks/mailbox-news', { method: 'POST', body: '{' })),
    ]
    expect(seen.map(error => error.code)).toEqual([
      'unauthorized',
      'not_found',
      'not_found',
      'not_found',
      'invalid_field',
      'not_found',
      'invalid_field',
    ])
  })

  it('ER1 codes have a status, and a sentence that can be shown', () => {
    for (const [code, [status, sentence]] of Object.entries(PROBLEMS)) {
      expect(status, code).toBeGreaterThanOrEqual(400)
      expect(status, code).toBeLessThan(600)
      expect(sentence, code).toMatch(/^[A-Z].*\.$/)
    }
  })

  it('ER2 a request has an id: its own where it brings a good one, else a new one; header and body agree', async () => {
    const own = await ask('/nowhere', { headers: { 'x-request-id': 'trace-0123_ab' } })
    expect(own.headers.get('x-request-id')).toBe('trace-0123_ab')
    expect((await refusal(own)).requestId).toBe('trace-0123_ab')
    const ids = new Set<string>()
    for (const given of ['', 'x'.repeat(65), 'a b', '"><script>', undefined]) {
      const answer = await ask('/nowhere', given === undefined ? {} : { headers: { 'x-request-id': given } })
      const { requestId } = await refusal(answer)
      expect(requestId).not.toBe(given)
      expect(answer.headers.get('x-request-id')).toBe(requestId)
      ids.add(requestId)
    }
    expect(ids.size).toBe(5)
  })

  it('ER3 a surprise is 500 without a word of what it was, and with the id that finds it', async () => {
    const { headers } = await site()
    const broken = {
      ...env,
      DB: {
        prepare: () => {
          throw new Error('no such table: secrets')
        },
      },
    } as unknown as Env
    const answer = await app.request('/api/v1/conversations/', { headers }, broken)
    const error = await refusal(answer)
    expect(error.code).toBe('internal')
    expect(error.message).not.toContain('secrets')
  })
})

describe('what a request got wrong', () => {
  it.each([
    ['/api/v1/conversations/?page=2', 'page'],
    ['/api/v1/conversations/?limit=5&site=1', 'site'],
    ['/api/v1/conversations/?INBOX=1', 'INBOX'],
    [`/api/v1/messages/?conversation=${newId()}&order=desc`, 'order'],
  ])('ER4 %s: the field that does not exist is named', async (path, field) => {
    const { headers } = await site()
    const error = await refusal(await ask(path, { headers }))
    expect(error).toMatchObject({ code: 'unknown_field', field })
    expect(error.message).toContain(`"${field}"`)
  })

  it('ER5 a missing field is named', async () => {
    const { headers } = await site()
    for (const path of ['/api/v1/messages/', '/api/v1/messages', '/api/v1/messages/?limit=5'])
      expect(await refusal(await ask(path, { headers }))).toMatchObject({
        code: 'missing_field',
        field: 'conversation',
        message: '"conversation" is required, or "text".',
      })
  })

  it.each([
    ['conversations/?limit=0', 'limit'],
    ['conversations/?limit=101', 'limit'],
    ['conversations/?limit=-1', 'limit'],
    ['conversations/?limit=1.5', 'limit'],
    ['conversations/?limit=x', 'limit'],
    ['conversations/?limit=', 'limit'],
    ['conversations/?limit=5&limit=6', 'limit'],
    ['conversations/?inbox=x', 'inbox'],
    ['conversations/?inbox=', 'inbox'],
    ['messages/?conversation=x', 'conversation'],
    ['messages/?conversation=', 'conversation'],
    [`messages/?conversation=${newId()}&limit=1000000`, 'limit'],
  ])('ER6 %s: a value that is not allowed is 400 and named', async (path, field) => {
    const { headers } = await site()
    expect(await refusal(await ask(`/api/v1/${path}`, { headers }))).toMatchObject({
      code: 'invalid_field',
      field,
    })
  })

  it.each([
    'x',
    '!!!',
    'bnVsbA',
    'W10',
    'WzFd',
    'WyJhIiwxXQ',
    'eyJhIjoxfQ',
    'x'.repeat(501),
    '%00',
    '%F0%9F%99%82',
    "' OR 1=1",
  ])('ER6 the cursor %j is none of this list', async given => {
    const { headers } = await site()
    const answer = await ask(`/api/v1/conversations/?cursor=${given}`, { headers })
    expect(await refusal(answer)).toMatchObject({ code: 'invalid_field', field: 'cursor' })
  })

  it('ER7 a body above one megabyte is 413, before anyone reads it', async () => {
    const answer = await ask('/hooks/mailbox-news', { method: 'POST', body: 'x'.repeat(1024 * 1024 + 1) })
    expect(await refusal(answer)).toMatchObject({ code: 'too_large' })
    // A draft's attachments travel in its body.
    const roomy = await ask('/api/v1/drafts/x', { method: 'PATCH', body: 'x'.repeat(2 * 1024 * 1024) })
    expect((await refusal(roomy)).code).toBe('unauthorized')
    const tooMuch = await ask('/api/v1/drafts/x', { method: 'PATCH', body: 'x'.repeat(15 * 1024 * 1024 + 1) })
    expect((await refusal(tooMuch)).code).toBe('too_large')
  })

  it('ER7 also where it does not say how long it is', async () => {
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new Uint8Array(100_000).fill(120))
        controller.close()
      },
    })
    expect(await refusal(await ask('/hooks/mailbox-news', { method: 'POST', body }))).toMatchObject({
      code: 'too_large',
    })
  })

  it('ER8 an address that does not exist is 404 in the same shape, with a key and without', async () => {
    const { headers } = await site()
    for (const path of [
      '/api/v1/',
      '/api/v1/sites',
      '/api/v2/conversations',
      '/hooks/x',
      '/favicon.ico',
      '/api/v1/conversationsx',
    ])
      for (const init of [{}, { headers }])
        expect(await refusal(await ask(path, init)), path).toMatchObject({ code: 'not_found' })
  })
})

it('ER9 no answer of ours is sniffed, framed by others, or told to them as a referrer', async () => {
  const { headers } = await site()
  for (const answer of [await ask('/nowhere'), await ask('/api/v1/conversations/', { headers })]) {
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('x-frame-options')).toBe('SAMEORIGIN')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
  }
})
