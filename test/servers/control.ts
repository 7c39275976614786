/** Lets tests that run inside workerd, where there are no files and no processes, handle the mail servers: a few POSTs on loopback. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type BrokenName, type BrokenServers, brokenServers } from './broken-servers.ts'
import type { MailServers } from './mail-servers.ts'

export interface Order {
  do:
    | ('deliver' | 'uidvalidity' | 'stop_dovecot' | 'start_dovecot' | 'stop_postfix' | 'start_postfix')
    /** Answers where it stands. */
    | 'broken'
    /** Answers what was said to the scripted ones. */
    | 'heard'
  name?: BrokenName
  address?: string
  /** Raw mails, one character a byte. */
  mails?: string[]
  internalDate?: number
}

export async function startControl(servers: MailServers): Promise<{ url: string; stop(): Promise<void> }> {
  const broken = brokenServers(servers)
  const http = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      obey(servers, broken, JSON.parse(Buffer.concat(chunks).toString()) as Order).then(
        answer => response.end(JSON.stringify(answer ?? {})),
        error => response.writeHead(500).end(String(error)),
      )
    })
  })
  await new Promise<void>(done => http.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    stop: async () => {
      await broken.stop()
      await new Promise<void>(done => {
        http.close(() => done())
        http.closeAllConnections()
      })
    },
  }
}

async function obey(servers: MailServers, broken: BrokenServers, order: Order): Promise<unknown> {
  switch (order.do) {
    case 'broken':
      return broken.place(order.name!)
    case 'heard':
      return broken.heard()
    case 'deliver':
      return servers.deliverFiles(
        order.address!,
        order.mails!.map(mail => Buffer.from(mail, 'latin1')),
        order.internalDate === undefined ? {} : { internalDate: new Date(order.internalDate) },
      )
    case 'uidvalidity':
      return servers.changeUidValidity(order.address!)
    case 'stop_dovecot':
      return servers.stopDovecot()
    case 'start_dovecot':
      return servers.startDovecot()
    case 'stop_postfix':
      return servers.stopPostfix()
    case 'start_postfix':
      return servers.startPostfix()
  }
}
