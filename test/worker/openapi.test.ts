import { exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { app } from '../../src/app.ts'

interface Operation {
  operationId?: string
  tags?: string[]
  summary?: string
  security?: unknown[]
  parameters?: { name: string; in: string; required?: boolean; schema: unknown }[]
  responses: Record<string, { description: string; content?: Record<string, { schema: unknown }> }>
}
interface Page {
  openapi: string
  info: { title: string; version: string }
  security: unknown[]
  components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> }
  paths: Record<string, Record<string, Operation>>
}

const page = (await (await exports.default.fetch('http://edgedesk.test/openapi.json')).json()) as Page
const operations = Object.entries(page.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
)
const bare = (path: string) => path.replaceAll(/:(\w+)/g, '{$1}').replace(/(.)\/$/, '$1')

describe('/openapi.json', () => {
  it('WI7 is OpenAPI 3.1 with a title, a version and the key', () => {
    expect(page.openapi).toBe('3.1.0')
    expect(page.info).toMatchObject({ title: 'Edgedesk', version: expect.stringMatching(/^\d+\.\d+\.\d+$/) })
    expect(page.components.securitySchemes).toMatchObject({
      ApiKey: { type: 'apiKey', in: 'header', name: 'Authorization' },
    })
    expect(page.security).toEqual([{ ApiKey: [] }])
  })

  it('WI7 has every route that the app has, and no other', () => {
    const routes = app.routes
      .filter(
        route =>
          route.method !== 'ALL' &&
          !/^\/(?:hooks|docs|files)\b/.test(route.path) &&
          !['/', '/openapi.json'].includes(route.path),
      )
      .map(route => `${route.method.toLowerCase()} ${bare(route.path)}`)
    const documented = operations.map(({ method, path }) => `${method} ${bare(path)}`)
    expect([...new Set(routes)].sort()).toEqual([...documented].sort())
    expect(documented.length).toBeGreaterThanOrEqual(8)
  })

  it('WI7 every reference in it leads somewhere', () => {
    const references = [...JSON.stringify(page).matchAll(/"\$ref":"([^"]+)"/g)].map(match => match[1]!)
    expect(references.length).toBeGreaterThan(0)
    for (const reference of new Set(references)) {
      const place = reference.replace('#/', '').split('/')
      const target = place.reduce<unknown>(
        (at, name) => (at as Record<string, unknown> | undefined)?.[name],
        page,
      )
      expect(target, reference).toBeDefined()
    }
  })

  it.each(operations.map(one => [`${one.method} ${one.path}`, one] as const))(
    'WI8 %s says what it is for, what it takes and what it answers',
    (_, { path, operation }) => {
      expect(operation.summary).toMatch(/^[A-Z]/)
      for (const [, name] of path.matchAll(/\{(\w+)\}/g))
        expect(operation.parameters).toContainEqual(expect.objectContaining({ name, in: 'path' }))
      for (const parameter of operation.parameters ?? []) expect(parameter.schema).toBeDefined()
      const good = Object.keys(operation.responses).filter(status => /^2|^101$/.test(status))
      expect(good.length).toBeGreaterThan(0)
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(response.description).not.toBe('')
        // A thing that is gone, or stands elsewhere, has no body.
        if (['101', '204', '308'].includes(status)) {
          expect(response.content).toBeUndefined()
          continue
        }
        const schemas = Object.values(response.content ?? {}).map(content => content.schema)
        expect(schemas).toHaveLength(1)
        // Seed 001's addresses keep the shape their users know.
        const shape = path.startsWith('/api/v1/') ? 'Problem' : 'AgentProblem'
        if (!good.includes(status)) expect(schemas[0]).toEqual({ $ref: `#/components/schemas/${shape}` })
      }
    },
  )

  it.each(
    operations
      .filter(one => one.path.startsWith('/api/v1/') && !one.path.includes('health'))
      .map(one => [one.path, one] as const),
  )('WI8 %s lists its refusals: no key, and nothing there where it has an id', (path, { operation }) => {
    expect(operation.responses['401']?.description).toContain('unauthorized')
    if (path.includes('{')) expect(operation.responses['404']?.description).toContain('not_found')
    if (operation.parameters?.some(one => one.in === 'query'))
      expect(operation.responses).toHaveProperty('400')
  })

  it('AC4 what asks for no key says so', () => {
    for (const { path, operation } of operations)
      expect(operation.security, path).toEqual(
        /health|web-chats\/\{id\}\/sessions/.test(path)
          ? []
          : path.startsWith('/api/v1/chat/')
            ? [{ Visitor: [] }]
            : undefined,
      )
  })

  it('WI10 each operation has a name of its own and a group, and a POST its Idempotency-Key', () => {
    const names = operations.map(({ operation }) => operation.operationId)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toContain('postConversationsByIdMerge')
    for (const { path, method, operation } of operations) {
      expect(operation.tags, path).toHaveLength(1)
      const keyed = operation.parameters?.some(one => one.name === 'Idempotency-Key') ?? false
      expect(keyed, `${method} ${path}`).toBe(
        method === 'post' && path.startsWith('/api/v1/') && operation.security?.length !== 0,
      )
    }
  })

  it('WI10 the page loads nothing of elsewhere', async () => {
    const answer = await exports.default.fetch('http://edgedesk.test/docs')
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'")
    const text = await answer.text()
    const loaded = [...text.matchAll(/(?:src|href)="([^"]+)"/g)]
      .map(match => match[1]!)
      .filter(one => one !== 'data:,')
    expect(loaded.length).toBeGreaterThan(2)
    for (const one of loaded) {
      expect(one).toMatch(/^\//)
      if (!/\.(?:css|bundle\.js)$|bundle/.test(one))
        expect((await exports.default.fetch(`http://edgedesk.test${one}`)).status, one).toBe(200)
    }
  })
})
