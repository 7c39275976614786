/**
 * What the bridge connects to, without connecting: names are resolved by a stand-in for DNS that answers what the corpus has, and any
 * socket that is opened fails the test.
 */
import dns from 'node:dns'
import net from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { isNotifyUrl, routeTo } from '../../bridge/dial.ts'
import { BridgeFailure } from '../../bridge/failure.ts'
import { isLoopbackAddress } from '../../src/domain/host.ts'
import { addressRows, hasCorpus, hostOf, isHarmless, urlRows } from '../support/ssrf.ts'

const OUTSIDE = { address: '93.184.216.34', family: 4 }
let asked: string[]
let opened: ReturnType<typeof vi.spyOn>

function resolvingTo(...addresses: dns.LookupAddress[]): void {
  vi.spyOn(dns.promises, 'lookup').mockImplementation((async (name: string) => {
    asked.push(name)
    return addresses
  }) as unknown as typeof dns.promises.lookup)
}

async function dialled(host: string, dev = false, port = 993): Promise<string> {
  try {
    const route = await routeTo(host, port, dev)
    const found = Promise.withResolvers<string>()
    route.lookup(route.host, { all: true }, (error, addresses) =>
      error
        ? found.reject(error)
        : found.resolve((addresses as dns.LookupAddress[]).map(one => one.address).join()),
    )
    return await found.promise
  } catch (error) {
    if (error instanceof BridgeFailure) return error.code
    throw error
  }
}

beforeEach(() => {
  asked = []
  opened = vi.spyOn(net.Socket.prototype, 'connect').mockImplementation(() => {
    throw new Error('a socket was opened')
  })
})
afterEach(() => {
  expect(opened).not.toHaveBeenCalled()
  vi.restoreAllMocks()
})

describe('the address behind a name', () => {
  it('BR12 an outside one is connected to, and no other: the socket resolves nothing again', async () => {
    resolvingTo(OUTSIDE, { address: '2606:2800:220:1::', family: 6 })
    expect(await dialled('imap.example.com')).toBe('93.184.216.34,2606:2800:220:1::')
    expect(asked).toEqual(['imap.example.com'])
  })

  it('BR12 one inside address among outside ones refuses the name', async () => {
    resolvingTo(OUTSIDE, { address: '10.0.0.1', family: 4 })
    expect(await dialled('imap.example.com')).toBe('host_refused')
  })

  it('BR2 a name that nobody has is unknown_host; a resolver that fails is not', async () => {
    const failing = (code: string) =>
      vi.spyOn(dns.promises, 'lookup').mockRejectedValue(Object.assign(new Error(code), { code }))
    failing('ENOTFOUND')
    expect(await dialled('imap.example.com')).toBe('unknown_host')
    failing('EAI_AGAIN')
    expect(await dialled('imap.example.com')).toBe('unreachable')
  })

  it('BR12 what is refused by name is not even resolved', async () => {
    resolvingTo(OUTSIDE)
    for (const host of ['localhost', '127.0.0.1', 'db.internal', 'a@imap.example.com', '10.0.0.1.nip.io'])
      expect([host, await dialled(host)]).toEqual([host, 'host_refused'])
    expect(await dialled('imap.example.com', false, 25)).toBe('host_refused')
    expect(asked).toEqual([])
  })
})

if (!hasCorpus) console.warn('ssrf corpus: not run: no corpus')
else
  describe('ssrf corpus', () => {
    it('BR12 every address row, as what a name resolves to: refused where it is inside', async () => {
      for (const { ip, inside } of addressRows()) {
        resolvingTo({ address: ip, family: net.isIP(ip) })
        expect([ip, await dialled('imap.example.com')]).toEqual([ip, inside ? 'host_refused' : ip])
        const dev = await dialled('imap.example.com', true)
        expect([ip, dev]).toEqual([ip, inside && !isLoopbackAddress(ip) ? 'host_refused' : ip])
      }
    })

    it('BR12 every address row, typed as the host: refused', async () => {
      resolvingTo(OUTSIDE)
      for (const { ip } of addressRows())
        for (const typed of [ip, `[${ip}]`])
          expect([typed, await dialled(typed)]).toEqual([typed, 'host_refused'])
      expect(asked).toEqual([])
    })

    it('BR12 every URL row in the host field: only ordinary public names are resolved, and refused where that leads inside', async () => {
      for (const row of urlRows()) {
        for (const typed of [row, row.replace(/^[a-z]+:\/\//i, '').split('/')[0]!, hostOf(row)]) {
          if (typed === null) continue
          const harmless = isHarmless(`https://${typed}`, /^https:/) && !/[/?#]/.test(typed)
          resolvingTo(OUTSIDE)
          expect([typed, await dialled(typed)]).toEqual([typed, harmless ? OUTSIDE.address : 'host_refused'])
          resolvingTo({ address: '169.254.169.254', family: 4 })
          expect([typed, await dialled(typed)]).toEqual([typed, 'host_refused'])
        }
      }
    })

    it('BR12 every row as the address that news is sent to: https and ordinary public names alone', () => {
      for (const row of urlRows())
        expect([row, isNotifyUrl(row, false)]).toEqual([row, isHarmless(row, /^https:/)])
      for (const { ip } of addressRows()) {
        const host = ip.includes(':') ? `[${ip}]` : ip
        expect([ip, isNotifyUrl(`https://${host}/hooks/x`, false)]).toEqual([ip, false])
        expect([ip, isNotifyUrl(`http://${host}:8787/hooks/x`, true)]).toEqual([ip, isLoopbackAddress(ip)])
      }
    })
  })
