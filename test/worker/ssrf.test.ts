/** The corpus of inside addresses and of URLs that spell them, at every host and URL field of the API, as production has it (no DEV). */

import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import net from 'node:net'
import tls from 'node:tls'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { app } from '../../src/app.ts'
import { canonicalHost, checkHost, checkUrl, MAIL_PORTS } from '../../src/domain/host.ts'
import { assistant, site } from './cast.ts'

declare global {
  interface ImportMeta {
    /** Vite's, resolved before the test runs. */
    glob<T>(pattern: string, options: { query: string; import: string }): Record<string, () => Promise<T>>
  }
}

/** What a host must look like to be let through: a public name, spelled out. */
const PUBLIC_NAME = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*$/
const TOGETHER = 40

const corpus = await files()
const name = corpus ? 'the ssrf corpus' : 'the ssrf corpus (not run: no corpus)'

async function files(): Promise<{ addresses: string[]; urls: string[] } | null> {
  const there = import.meta.glob<string>('../../../shared/corpora/ssrf/*', {
    query: '?raw',
    import: 'default',
  })
  const read = async (file: string) => {
    const { CORPORA } = env as { CORPORA?: string }
    const text = CORPORA
      ? ((await import(/* @vite-ignore */ `${CORPORA}/ssrf/${file}?raw`)) as { default: string }).default
      : await there[`../../../shared/corpora/ssrf/${file}`]?.()
    return text ?? null
  }
  const [addresses, urls] = [await read('addresses.json'), await read('urls.txt')]
  if (addresses === null || urls === null) return null
  const rows = JSON.parse(addresses) as { ip: string }[]
  return {
    addresses: [...new Set(rows.map(row => row.ip))],
    urls: [
      ...new Set(
        urls
          .split('\n')
          .map(line => line.trimEnd())
          .filter(line => line !== ''),
      ),
    ],
  }
}

/** A row as somebody might type it into a field for a host: whole, its authority, its host. */
function hostsOf(row: string): string[] {
  const authority = row.replace(/^[a-z]+:\/\//i, '').split('/')[0]!
  const hosts = [row, authority, authority.replace(/:\d*$/, '')]
  if (URL.canParse(row)) hosts.push(new URL(row).hostname)
  return hosts
}

const touched: string[] = []
/** Whoever opens a bridge tells on it. */
const bridge = new Proxy(
  {},
  {
    get: (_, what) => {
      touched.push(`bridge ${String(what)}`)
      throw new Error('the bridge was called')
    },
  },
)
const production = { ...env, DEV: '0', BRIDGE_URL: undefined, BRIDGE: bridge } as unknown as Env

async function office() {
  const { siteId, headers } = await site()
  const assistantId = await assistant(siteId)
  const ask = async (method: string, path: string, body: unknown) => {
    const ctx = createExecutionContext()
    const answer = await app.fetch(
      new Request(`http://edgedesk.test/api${path}`, {
        method,
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
      production,
      ctx,
    )
    await waitOnExecutionContext(ctx)
    const text = await answer.text()
    return { status: answer.status, text, json: JSON.parse(text) }
  }
  const good = {
    address: 'box@shop.test',
    imapHost: 'imap.gmail.com',
    smtpHost: 'smtp.gmail.com',
    password: 'secret',
  }
  const { json } = await ask('POST', '/v1/inboxes', { name: 'X', ...good, force: true })
  expect(json.id, JSON.stringify(json)).toBeDefined()
  return { siteId, headers, assistantId, ask, good, inboxId: json.id as string }
}

type Answer = {
  status: number
  text: string
  json: { error?: { code: string; field?: string; details?: { field?: string } } }
}
type Field = [string, (typed: string) => Promise<Answer>]

/** Tries all of them at a field, a few at a time; `judge` says whether the answer is right. */
async function tryAll(
  typed: string[],
  field: Field,
  judge: (typed: string, answer: Answer) => void,
  together = TOGETHER,
) {
  for (let i = 0; i < typed.length; i += together)
    await Promise.all(
      typed.slice(i, i + together).map(async one => {
        judge(one, await field[1](one))
      }),
    )
}

describe.skipIf(corpus === null)(name, () => {
  const hosts = [...new Set([...(corpus?.addresses ?? []), ...(corpus?.urls ?? []).flatMap(hostsOf)])]
  const passes = (host: string) => checkHost(host.trim(), 993, MAIL_PORTS.imap, false) === null
  const opened = vi.spyOn(net, 'connect')
  const openedTls = vi.spyOn(tls, 'connect')
  let here: Awaited<ReturnType<typeof office>>
  beforeAll(async () => {
    here = await office()
  })

  const nothingOpened = () => {
    expect(touched).toEqual([])
    expect(opened).not.toHaveBeenCalled()
    expect(openedTls).not.toHaveBeenCalled()
  }

  it('IX18 has hosts that are refused, and hosts that are near misses', () => {
    expect(hosts.filter(host => !passes(host)).length).toBeGreaterThan(500)
    for (const host of hosts.filter(passes)) {
      expect(canonicalHost(host)).toMatch(PUBLIC_NAME)
    }
    expect(['localhost.example.com', '127.example.com', 'mylocalhost.com'].every(passes)).toBe(true)
  })

  // Saving connects to nothing, so that what is let through may be tried here too.
  const saving = (): Field[] => [
    [
      'imapHost',
      host =>
        here.ask('PATCH', `/v1/inboxes/${here.inboxId}`, {
          imapHost: host,
          imapPort: 993,
          password: 'p',
          force: true,
        }),
    ],
    [
      'smtpHost',
      host =>
        here.ask('PATCH', `/v1/inboxes/${here.inboxId}`, {
          smtpHost: host,
          smtpPort: 587,
          password: 'p',
          force: true,
        }),
    ],
    ...(['incomingServer', 'outgoingServer', 'incoming_server', 'outgoing_server'] as const).map(
      (field): Field => [
        field,
        host =>
          here.ask('PATCH', `/sites/${here.siteId}/settings`, { channels: { email: { [field]: host } } }),
      ],
    ),
  ]

  it.each([0, 1, 2, 3, 4, 5])(
    'IX18 BR12 is refused or saved at field %i of those that save, as it should be',
    async n => {
      const field = saving()[n]!
      await tryAll(
        hosts.filter(host => !passes(host)),
        field,
        (host, { status, text, json }) => {
          const says = `${field[0]}: ${JSON.stringify(host)} → ${text.slice(0, 300)}`
          expect([400, 422], says).toContain(status)
          const named = json.error?.field ?? json.error?.details?.field ?? ''
          expect(named.replace(/^channels\.email\./, '').replace('_s', 'S'), says).toBe(
            field[0].replace('_s', 'S'),
          )
        },
      )
      const allowed = (host: string, { status, text }: Answer) =>
        expect(status, `${field[0]}: ${JSON.stringify(host)} → ${text.slice(0, 300)}`).toBe(200)
      await tryAll(hosts.filter(passes), field, allowed, 1)
      nothingOpened()
    },
    120_000,
  )

  it('IX18 a new inbox with it is refused, and none is made', async () => {
    const wrong = hosts.filter(host => !passes(host))
    for (const field of ['imapHost', 'smtpHost'])
      await tryAll(
        wrong,
        [
          field,
          host =>
            here.ask('POST', '/v1/inboxes', {
              name: 'X',
              ...here.good,
              address: 'new@shop.test',
              force: true,
              [field]: host,
            }),
        ],
        (host, { status, text }) => expect([400, 422], `${field}: ${host} → ${text}`).toContain(status),
      )
    nothingOpened()
  }, 120_000)

  it('IX18 a test or a check with it calls nobody', async () => {
    const wrong = hosts.filter(host => !passes(host) && host.trim() !== '')
    const test = (host: string) =>
      here.ask('POST', '/v1/inboxes/test-connection', { ...here.good, imapHost: host, smtpHost: host })
    await tryAll(wrong, ['test', test], (host, { status, text }) => {
      if (status === 400) return
      const { ok, testId, imap, smtp } = JSON.parse(text)
      expect([ok, testId, imap.code, smtp.code], host).toEqual([false, null, 'host_refused', 'host_refused'])
    })
    for (const [incoming, outgoing] of [
      ['incomingServer', 'outgoingServer'],
      ['incoming_server', 'outgoing_server'],
    ] as const) {
      const check = (host: string) =>
        here.ask('POST', '/agents/email/check', {
          email: 'box@shop.test',
          password: 'x',
          [incoming]: host,
          [outgoing]: host,
        })
      await tryAll(wrong, ['check', check], (host, { status, text }) =>
        expect(status, `${host} → ${text}`).toBe(400),
      )
    }
    nothingOpened()
  }, 120_000)

  it('IX18 so it is with every web address of an assistant', async () => {
    const urls = [...new Set([...(corpus?.urls ?? []), ...hosts.map(host => `https://${host}/x`)])]
    for (const field of ['avatar', 'baseUrl', 'replyWebhookUrl'])
      await tryAll(
        urls,
        [field, url => here.ask('PATCH', `/v1/assistants/${here.assistantId}`, { [field]: url })],
        (url, { status, text }) => {
          const says = `${field}: ${JSON.stringify(url)} → ${text.slice(0, 300)}`
          if (checkUrl(url, false) === null) {
            expect(new URL(url).hostname, says).toMatch(PUBLIC_NAME)
            expect(status, says).toBe(200)
          } else expect([400, 422], says).toContain(status)
        },
      )
    nothingOpened()
  }, 120_000)

  it('IX18 and whoever listened would have heard a call', async () => {
    const answer = await app.request(
      '/api/v1/inboxes/test-connection',
      {
        method: 'POST',
        headers: { ...here.headers, 'content-type': 'application/json' },
        body: JSON.stringify({
          ...here.good,
          provider: 'cloudflare',
          imapHost: null,
          smtpHost: 'localhost',
          smtpPort: 1,
        }),
      },
      env,
    )
    expect(await answer.json()).toMatchObject({ ok: false, smtp: { ok: false } })
    expect(opened.mock.calls.length + openedTls.mock.calls.length).toBeGreaterThan(0)
  })
})
