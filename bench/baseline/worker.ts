/**
 * The least a Worker could do with the same mailbox: the same requests to the same bridge, pages of 200, 16 mails side by side; and for
 * each mail one object in R2, one row in one of two new Durable Objects per three mails, one upserted row in D1. It reads no mail,
 * knows no conversation, and does nothing again. No product; only the yardstick for one.
 */
import { DurableObject } from 'cloudflare:workers'
import type { ImapAccount } from '../../bridge/wire.ts'
import { readFrames } from '../../src/mail/frames.ts'

interface Bindings {
  DB: D1Database
  MAIL: R2Bucket
  READER: DurableObjectNamespace<Reader>
  ROOM: DurableObjectNamespace<Room>
  BRIDGE_URL: string
  BRIDGE_TOKEN: string
}

const PAGE_MAILS = 200
const PAGE_BYTES = 16 * 1024 * 1024
const GROUP_MAILS = 16
const GROUP_BYTES = 4 * 1024 * 1024

export class Room extends DurableObject<Bindings> {
  async add(uid: number, size: number): Promise<void> {
    const { sql } = this.ctx.storage
    sql.exec('CREATE TABLE IF NOT EXISTS mails (uid INTEGER PRIMARY KEY, size INTEGER NOT NULL)')
    sql.exec('INSERT INTO mails VALUES (?, ?)', uid, size)
  }
}

export class Reader extends DurableObject<Bindings> {
  /** Where the mailbox stands now; `read` goes on from there. */
  async begin(account: ImapAccount): Promise<void> {
    for await (const { frame } of readFrames(await this.#fetch(account, null, null)))
      if (frame.kind === 'opened') {
        await this.ctx.storage.put('cursor', { uidValidity: frame.uidValidity, nextUid: frame.uidNext })
      }
  }

  async read(account: ImapAccount): Promise<void> {
    this.ctx.waitUntil(this.#read(account))
  }

  async #read(account: ImapAccount): Promise<void> {
    for (let more = true; more; ) {
      const cursor = (await this.ctx.storage.get<{ uidValidity: number; nextUid: number }>('cursor'))!
      let { nextUid } = cursor
      let storing: Promise<void>[] = []
      let bytes = 0
      const close = async () => {
        await Promise.all(storing)
        storing = []
        bytes = 0
        await this.ctx.storage.put('cursor', { ...cursor, nextUid })
      }
      for await (const item of readFrames(await this.#fetch(account, cursor.uidValidity, cursor.nextUid))) {
        if (item.frame.kind === 'end') more = item.frame.more
        if (item.frame.kind !== 'mail') continue
        const body = await item.body()
        storing.push(this.#store(account.user, item.frame.uid, body))
        nextUid = item.frame.uid + 1
        bytes += body.length
        if (storing.length >= GROUP_MAILS || bytes >= GROUP_BYTES) await close()
      }
      await close()
    }
  }

  async #store(user: string, uid: number, body: Uint8Array): Promise<void> {
    await this.env.MAIL.put(`raw/${user}/${uid}`, body)
    // Of three mails the first and the second open a room, the third joins the first's.
    const three = Math.floor(uid / 3)
    await this.env.ROOM.getByName(`${user}/${three}/${(uid % 3) % 2}`).add(uid, body.length)
    await this.env.DB.prepare(
      'INSERT INTO mails (box, uid, size) VALUES (?, ?, ?) ON CONFLICT (box, uid) DO UPDATE SET size = excluded.size',
    )
      .bind(user, uid, body.length)
      .run()
  }

  async #fetch(account: ImapAccount, uidValidity: number | null, nextUid: number | null) {
    const response = await fetch(new URL('/fetch', this.env.BRIDGE_URL), {
      method: 'POST',
      headers: { authorization: `Bearer ${this.env.BRIDGE_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ account, folder: 'INBOX', uidValidity, nextUid },
        ...{ maxMails: PAGE_MAILS, maxBytes: PAGE_BYTES },
        ...{ reducedAbove: 10 * 1024 * 1024, wholeUpTo: 25 * 1024 * 1024 },
      }),
    })
    if (!response.ok) throw new Error(`the bridge answered ${response.status}`)
    return response.body!
  }
}

export default {
  async fetch(request, env): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/health') {
      await env.DB.prepare(
        'CREATE TABLE IF NOT EXISTS mails (box TEXT NOT NULL, uid INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (box, uid)) WITHOUT ROWID',
      ).run()
      return Response.json({ ok: true })
    }
    const account = await request.json<ImapAccount>()
    const reader = env.READER.getByName(account.user)
    if (pathname === '/connect') await reader.begin(account)
    else await reader.read(account)
    return Response.json({ ok: true })
  },
} satisfies ExportedHandler<Bindings>
