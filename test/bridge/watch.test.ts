import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ImapAccount } from '../../bridge/wire.ts'
import { type MailServers, startMailServers } from '../servers/mail-servers.ts'
import { startProxy, type TcpProxy } from '../servers/proxy.ts'
import { accountOf, type BridgeProcess, buildBridge, mailOf, startBridgeProcess } from './bridge-process.ts'

let servers: MailServers
let bridge: BridgeProcess
let proxy: TcpProxy
let notices: { mailbox: string; token: string; at: number }[] = []
let status = 204
const listener = http.createServer((request, response) => {
  let body = ''
  request.on('data', piece => {
    body += piece
  })
  request.on('end', () => {
    const { mailbox } = JSON.parse(body) as { mailbox: string }
    notices.push({ mailbox, token: request.headers.authorization ?? '', at: performance.now() })
    response.writeHead(status, { location: '/elsewhere' }).end()
  })
})

beforeAll(async () => {
  buildBridge()
  servers = await startMailServers()
  bridge = await startBridgeProcess({ NODE_EXTRA_CA_CERTS: servers.ca, SILENCE_MS: '3000' })
  proxy = await startProxy({ host: '127.0.0.1', port: servers.imap.tlsPort })
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  await bridge?.stop()
  await proxy?.stop()
  await servers?.stop()
  listener.close()
})
beforeEach(() => {
  notices = []
  status = 204
})

function request(mailbox: string, account: ImapAccount, ms = 60_000, token = 'hint-token') {
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/hint`
  return { mailbox, account, folder: 'INBOX', until: Date.now() + ms, notify: { url, token } }
}
const noticesFor = (mailbox: string) => notices.filter(notice => notice.mailbox === mailbox)

describe('a watch', () => {
  it('tells of new mail within a second, with its token, and again after each fetch', async () => {
    const account = accountOf(servers, 'w1@demo.test')
    const { until } = await bridge.ask<{ until: number }>('/watch', request('s1/w1', account))
    expect(until).toBeGreaterThan(Date.now() + 55_000)
    let nextUid = (await bridge.fetch({ account, nextUid: null })).opened.uidNext
    const delays: number[] = []
    for (let n = 0; n < 5; n++) {
      const before = noticesFor('s1/w1').length
      await sleep(50)
      const delivered = performance.now()
      await servers.deliverFiles('w1@demo.test', [mailOf(`n${n}`)])
      await expect.poll(() => noticesFor('s1/w1').length, { interval: 10, timeout: 3_000 }).toBe(before + 1)
      delays.push(noticesFor('s1/w1').at(-1)!.at - delivered)
      const fetched = await bridge.fetch({ account, nextUid })
      expect(fetched.mails.length).toBe(1)
      nextUid += 1
    }
    process.stdout.write(`watch: noticed after ${delays.map(delay => delay.toFixed(0)).join(', ')} ms\n`)
    expect(Math.max(...delays)).toBeLessThan(1_000)
    expect(notices.every(notice => notice.token === 'Bearer hint-token')).toBe(true)
    // What a fetch has found by itself is no news.
    await sleep(300)
    expect(noticesFor('s1/w1').length).toBe(5)
  })

  it('hears of mail that comes while another folder is in use', async () => {
    const account = accountOf(servers, 'w2@demo.test')
    await bridge.ask('/watch', request('s1/w2', account))
    await bridge.fetch({ account, nextUid: null })
    const sent = mailOf('sent').toString('base64')
    await Promise.all([
      bridge.ask('/append', { account, folder: 'Sent', raw: sent, flags: ['\\Seen'] }),
      servers.deliverFiles('w2@demo.test', [mailOf('one')]),
    ])
    await expect.poll(() => noticesFor('s1/w2').length, { interval: 10, timeout: 3_000 }).toBeGreaterThan(0)
  })

  it('A13 uses the one connection that requests use, renewed with a new token', async () => {
    const account = { ...accountOf(servers, 'w3@demo.test'), port: proxy.port }
    proxy.resetCount()
    await bridge.ask('/watch', request('s1/w3', account))
    await bridge.fetch({ account })
    await bridge.ask('/watch', request('s1/w3', account, 60_000, 'second-token'))
    expect(proxy.opened()).toBe(1)
    await servers.deliverFiles('w3@demo.test', [mailOf('one')])
    await expect
      .poll(() => noticesFor('s1/w3').map(notice => notice.token), { timeout: 3_000 })
      .toEqual(['Bearer second-token'])
  })

  it('ends when its time is over, or when told', async () => {
    for (const [mailbox, user, end] of [
      ['s1/w4', 'w4@demo.test', () => sleep(900)],
      ['s1/w5', 'w5@demo.test', () => bridge.ask('/unwatch', { mailbox: 's1/w5' })],
    ] as const) {
      const account = accountOf(servers, user)
      const before = (await bridge.health()).watches
      await bridge.ask('/watch', request(mailbox, account, mailbox === 's1/w4' ? 600 : 60_000))
      expect((await bridge.health()).watches).toBe(before + 1)
      await end()
      expect((await bridge.health()).watches).toBe(before)
      await servers.deliverFiles(user, [mailOf('late')])
      await sleep(1_000)
      expect(noticesFor(mailbox)).toEqual([])
    }
  })

  it('lasts ten minutes at most, and none begins in the past', async () => {
    const account = accountOf(servers, 'w6@demo.test')
    const { until } = await bridge.ask<{ until: number }>('/watch', request('s1/w6', account, 3_600_000))
    expect(until).toBeLessThanOrEqual(Date.now() + 600_000)
    await expect(bridge.ask('/watch', request('s1/w6', account, -1))).rejects.toThrow('bad_request')
    await bridge.ask('/unwatch', { mailbox: 's1/w6' })
  })

  it('A18 that cannot begin says why, and nothing stays', async () => {
    const before = await bridge.health()
    const account = { ...accountOf(servers, 'w7@demo.test'), password: 'wrong' }
    await expect(bridge.ask('/watch', request('s1/w7', account))).rejects.toThrow('credentials')
    expect((await bridge.health()).watches).toBe(before.watches)
  })

  it('A14 on a line that is cut or fell silent is made anew, with a hint', async () => {
    const account = { ...accountOf(servers, 'w8@demo.test'), port: proxy.port }
    await bridge.ask('/watch', request('s1/w8', account))
    proxy.cutAll()
    await expect.poll(() => noticesFor('s1/w8').length, { timeout: 4_000 }).toBe(1)
    proxy.stall(true)
    const stalled = performance.now()
    await expect
      .poll(() => bridge.logs.filter(line => line.includes('watch_lost') && line.includes('s1/w8')).length, {
        timeout: 9_000,
      })
      .toBe(2)
    // 60 s stand for the 3 s of this test: twice that is the promise.
    expect(performance.now() - stalled).toBeLessThan(6_500)
    proxy.stall(false)
    await expect.poll(() => noticesFor('s1/w8').length, { timeout: 9_000 }).toBeGreaterThan(1)
    const before = noticesFor('s1/w8').length
    await servers.deliverFiles('w8@demo.test', [mailOf('one')])
    await expect.poll(() => noticesFor('s1/w8').length, { timeout: 3_000 }).toBeGreaterThan(before)
    await bridge.ask('/unwatch', { mailbox: 's1/w8' })
  })

  it('tries a hint once more, and follows no redirect', async () => {
    status = 307
    const account = accountOf(servers, 'w9@demo.test')
    await bridge.ask('/watch', request('s1/w9', account))
    await servers.deliverFiles('w9@demo.test', [mailOf('one')])
    await expect.poll(() => noticesFor('s1/w9').length, { timeout: 4_000 }).toBe(2)
    await sleep(1_300)
    expect(noticesFor('s1/w9').length).toBe(2)
    await bridge.ask('/unwatch', { mailbox: 's1/w9' })
  })
})
