import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MailServers, startMailServers } from '../servers/mail-servers.ts'
import { startProxy } from '../servers/proxy.ts'
import {
  accountOf,
  type BridgeProcess,
  buildBridge,
  FETCH,
  mailOf,
  startBridgeProcess,
  TOKEN,
} from './bridge-process.ts'

let servers: MailServers
let bridge: BridgeProcess

beforeAll(async () => {
  buildBridge()
  servers = await startMailServers()
  bridge = await startBridgeProcess({ NODE_EXTRA_CA_CERTS: servers.ca })
})
afterAll(async () => {
  await bridge?.stop()
  await servers?.stop()
})

describe('the door', () => {
  it('opens for the token only; health is open to all and says nothing of anybody', async () => {
    const account = accountOf(servers, 'door@demo.test')
    for (const token of [null, 'wrong', `${TOKEN}x`]) {
      const response = await bridge.post('/check', { account }, token)
      expect(response.status).toBe(401)
      expect(await response.json()).toEqual({ error: { code: 'unauthorized', message: expect.any(String) } })
    }
    expect(Object.keys(await bridge.health()).sort()).toEqual(['connections', 'ok', 'rss', 'watches'])
  })

  it('does not start without a token', () => {
    const file = join(import.meta.dirname, '../../bridge/dist/bridge.mjs')
    const run = spawnSync(process.execPath, [file], { env: { PATH: process.env.PATH }, encoding: 'utf8' })
    expect(run.status).toBe(1)
    expect(run.stderr).toContain('BRIDGE_TOKEN')
  })

  it('names the field that is wrong', async () => {
    const account = accountOf(servers, 'door@demo.test')
    const good = { ...FETCH, account }
    const wrong: [unknown, string][] = [
      ['{', '"body"'],
      [[], '"body"'],
      [{ ...good, account: undefined }, '"account"'],
      [{ ...good, account: { ...account, security: 'ssl' } }, '"account.security"'],
      [{ ...good, account: { ...account, user: 'a\r\nb' } }, '"account.user"'],
      [{ ...good, account: { ...account, port: 70000 } }, '"account.port"'],
      [{ ...good, folder: 'IN\r\nBOX' }, '"folder"'],
      [{ ...good, nextUid: 0 }, '"nextUid"'],
      [{ ...good, nextUid: '1' }, '"nextUid"'],
      [{ ...good, uids: [] }, '"uids"'],
      [{ ...good, extra: 1 }, '"extra"'],
    ]
    for (const [body, field] of wrong) {
      const response = await bridge.post('/fetch', body)
      expect(response.status).toBe(400)
      const { error } = (await response.json()) as { error: { code: string; message: string } }
      expect(error.code).toBe('bad_request')
      expect(error.message).toContain(field)
    }
    const notify = { url: 'http://example.com/hint', token: 't' }
    const watch = { mailbox: 's/i', account, folder: 'INBOX', until: Date.now() + 1000, notify }
    expect((await bridge.post('/watch', watch)).status).toBe(400)
    expect((await bridge.post('/flags', { ...good, x: 'x'.repeat(1_100_000) })).status).toBe(400)
    expect((await bridge.post('/nothing', {})).status).toBe(400)
  })

  it('leads to no inside host without the development flag, nor to a plain one', async () => {
    const outside = await startBridgeProcess({ DEV: '', NODE_EXTRA_CA_CERTS: servers.ca })
    const account = accountOf(servers, 'door@demo.test')
    const hosts = [
      'localhost',
      '127.0.0.1',
      '[::1]',
      '10.0.0.1',
      '169.254.169.254',
      '2130706433',
      'metadata.google.internal',
    ]
    for (const host of hosts) {
      for (const port of [993, 143, account.port]) {
        const response = await outside.post('/check', { account: { ...account, host, port } })
        expect(((await response.json()) as { error: { code: string } }).error.code).toBe('host_refused')
      }
    }
    const plain = await outside.post('/check', {
      account: { ...account, host: 'imap.example.com', port: 143, security: 'plain' },
    })
    expect(((await plain.json()) as { error: { code: string } }).error.code).toBe('tls')
    await outside.stop()
    // With the flag it is loopback that opens, and nothing else inside.
    const inside = await bridge.post('/check', { account: { ...account, host: '10.0.0.1', port: 993 } })
    expect(((await inside.json()) as { error: { code: string } }).error.code).toBe('host_refused')
  })

  it('N5 keeps users, passwords and words of mails out of the log', async () => {
    const account = accountOf(servers, 'private@demo.test')
    await servers.deliverFiles('private@demo.test', [mailOf('hush')])
    await bridge.fetch({ account })
    await bridge.post('/check', { account: { ...account, password: 'wrong-secret' } })
    await bridge.post('/private@demo.test', {})
    const log = bridge.logs.join('\n')
    expect(log).toContain('"path":"/fetch"')
    for (const word of ['private', 'demo.test', servers.password, 'wrong-secret', 'hush', TOKEN])
      expect(log).not.toContain(word)
  })
})

describe('the end', () => {
  it('refuses new work, finishes what runs, logs out and leaves nothing', async () => {
    const proxy = await startProxy({ host: '127.0.0.1', port: servers.imap.tlsPort })
    const ending = await startBridgeProcess({ NODE_EXTRA_CA_CERTS: servers.ca })
    await servers.deliverFiles(
      'end@demo.test',
      Array.from({ length: 30 }, (_, n) => mailOf(`n${n}`, 400_000)),
    )
    await servers.deliverFiles('end@demo.test', [mailOf('large', 3_000_000)])
    const account = accountOf(servers, 'end@demo.test', { port: proxy.port })
    const notify = { url: 'http://127.0.0.1:1/', token: 't' }
    const watched = accountOf(servers, 'end2@demo.test', { port: proxy.port })
    const until = Date.now() + 60_000
    await ending.ask('/watch', { mailbox: 's/end', account: watched, folder: 'INBOX', until, notify })
    const idle = accountOf(servers, 'end3@demo.test', { port: proxy.port })
    await ending.fetch({ account: idle })
    await ending.fetch({ account, nextUid: null })
    const running = ending.fetch({ account })
    await expect.poll(() => proxy.bytes().down).toBeGreaterThan(1_000_000)
    ending.kill('SIGTERM')
    const fetched = await running
    expect(fetched.last).toMatchObject({ kind: 'end' })
    expect(fetched.mails.length).toBe(31)
    expect(await ending.exited).toBe(0)
    expect(ending.logs.at(-1)).toContain('"stopped"')
    await expect.poll(() => proxy.connections()).toBe(0)
    await expect(ending.health()).rejects.toThrow()
    expect(readdirSync(tmpdir()).filter(name => name.startsWith('spool-'))).toEqual([])
    await proxy.stop()
  })

  it('stops within ten seconds and a bit even where a server never answers', async () => {
    const proxy = await startProxy({ host: '127.0.0.1', port: servers.imap.tlsPort })
    const ending = await startBridgeProcess({ NODE_EXTRA_CA_CERTS: servers.ca })
    const account = accountOf(servers, 'stuck@demo.test', { port: proxy.port })
    await ending.fetch({ account })
    proxy.stall(true)
    const stuck = ending.fetch({ account }).catch(() => 'failed')
    await new Promise(resolve => setTimeout(resolve, 100))
    const began = performance.now()
    ending.kill('SIGINT')
    expect(await ending.exited).toBe(0)
    expect(performance.now() - began).toBeLessThan(14_000)
    await stuck
    await proxy.stop()
  })
})
