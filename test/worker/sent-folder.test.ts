/** The folder of the account's own sent mail, on Dovecot; and with a bridge of the test's own, for servers that are otherwise. */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { Folder } from '../../bridge/wire.ts'
import { frameHead } from '../../bridge/wire.ts'
import { problem } from '../../src/domain/problem.ts'
import { type Imap, ImapFailure, imap } from '../../src/mail/imap.ts'
import { Records } from '../../src/mailbox/records.ts'
import { sentPath, syncSent } from '../../src/mailbox/sent-folder.ts'
import { EmailSettings, type MailboxConfig } from '../../src/store/inboxes.ts'
import { inbox, site, testMail } from './cast.ts'
import { changed, mail, mailbox, sync, until } from './mail.ts'

const accountOf = (address: string) => ({
  ...{ host: testMail.host, port: testMail.imap.port, security: 'starttls' as const },
  ...{ user: address, password: testMail.password },
})

/** A person writes from another program, which keeps a copy in this folder. */
const kept = (address: string, subject: string, folder = 'Sent') =>
  imap(env).append({
    account: accountOf(address),
    folder,
    raw: btoa(mail({ from: address, to: 'alice@customer.test', subject })),
    flags: ['\\Seen'],
  })

async function box(settings: Record<string, unknown> = {}) {
  const { siteId } = await site()
  return inbox(siteId, { settings })
}

const look = <T>(config: MailboxConfig, what: (records: Records, sql: SqlStorage) => T) =>
  runInDurableObject(mailbox(config), (_, state) => what(new Records(state.storage.sql), state.storage.sql))

const folders = (config: MailboxConfig) =>
  look(config, (_, sql) =>
    sql
      .exec<{ path: string; sent: number; synced_at: number }>('SELECT * FROM folders ORDER BY id')
      .toArray(),
  )
const stored = (config: MailboxConfig) =>
  look(config, (_, sql) =>
    sql
      .exec<{ path: string; sent: number; rfc_id: string; writer: string }>(
        'SELECT path, sent, rfc_id, writer FROM mails JOIN folders ON folders.id = folder_id',
      )
      .toArray(),
  )

describe('sent mail', () => {
  it('SF1 B10 what the account sends is fetched from the folder the server names; what lay there before is not', async () => {
    const config = await box()
    await kept(config.address, 'Before the connection')
    await sync(config)
    expect((await folders(config)).map(({ path, sent }) => ({ path, sent }))).toEqual([
      { path: 'INBOX', sent: 0 },
      { path: 'Sent', sent: 1 },
    ])
    expect(await stored(config)).toEqual([])
    await kept(config.address, 'From a phone')
    await sync(config)
    expect(await stored(config)).toMatchObject([{ path: 'Sent', sent: 1, writer: config.address }])
    await sync(config)
    expect(await stored(config)).toHaveLength(1)
  })

  it('SF1 another folder where the settings name one; and none where they say so', async () => {
    const config = await box({ sentFolder: 'Drafts' })
    await sync(config)
    await kept(config.address, 'There', 'Drafts')
    await kept(config.address, 'Not there')
    await sync(config)
    expect(await stored(config)).toMatchObject([{ path: 'Drafts', sent: 1 }])
    const off = changed(config, { settings: { ...config.settings, watchSent: false } })
    await kept(config.address, 'Unseen', 'Drafts')
    await sync(off)
    expect(await stored(config)).toHaveLength(1)
    // Back to the one the server names: its cursor begins behind what is there.
    await sync(changed(config, { settings: { ...config.settings, sentFolder: null } }))
    expect((await folders(config)).map(one => one.path)).toEqual(['INBOX', 'Drafts', 'Sent'])
    expect(await stored(config)).toHaveLength(1)
  })

  it('SF1 a folder that is the inbox itself is not sent mail, and becomes it only with the settings', async () => {
    const config = await box({ folders: ['INBOX', 'Sent'] })
    await sync(config)
    expect((await folders(config)).map(one => one.sent)).toEqual([0, 0])
    await sync(changed(config, { settings: { ...config.settings, folders: ['INBOX'] } }))
    expect((await folders(config)).map(one => one.sent)).toEqual([0, 1])
    await sync(changed(config))
    expect((await folders(config)).map(one => one.sent)).toEqual([0, 0])
  })

  it('SF2 no such folder is no failure, and nobody is told', async () => {
    const config = await box({ sentFolder: 'Nowhere' })
    expect(await sync(config)).toMatchObject({ state: 'connected', problem: null })
    expect((await folders(config)).map(one => one.path)).toEqual(['INBOX'])
  })

  it('SF3 hints one after another do not look at it each time; a poll does', async () => {
    const config = await box()
    await sync(config)
    const times = async () => (await folders(config)).map(one => one.synced_at)
    const [inboxAt, sentAt] = await times()
    await new Promise(resolve => setTimeout(resolve, 5))
    await mailbox(config).news()
    await until(async () => (await times())[0]! > inboxAt! && !(await mailbox(config).status())!.busy)
    expect((await times())[1]).toBe(sentAt)
    await sync(config)
    expect((await times())[1]).toBeGreaterThan(sentAt!)
  })

  it('SF1 another account has another folder, and its cursor begins behind what lies there', async () => {
    const config = await box()
    await sync(config)
    const address = `other-${config.address}`
    await kept(address, 'Old, of the other account')
    const { imap: server } = config.settings
    await sync(
      changed(config, { address, settings: { ...config.settings, imap: { ...server!, user: address } } }),
    )
    const all = await folders(config)
    expect(all.filter(one => !one.path.startsWith('\0')).map(one => [one.path, one.sent])).toEqual([
      ['INBOX', 0],
      ['Sent', 1],
    ])
    expect(await stored(config)).toEqual([])
  })
})

describe('with a server that is otherwise', () => {
  const listed = (path: string, use: string | null = '\\Sent', selectable = true): Folder => ({
    ...{ path, name: path, use, selectable },
  })
  const born = () =>
    new Blob([
      frameHead({ kind: 'opened', length: 0, uidValidity: 7, uidNext: 5, waiting: 0 }),
      frameHead({ kind: 'end', length: 0, more: false }),
    ]).stream()
  const away = (code: Parameters<typeof problem>[0]) => async () => {
    throw new ImapFailure(problem(code))
  }

  /** A mailbox that was configured and never synced, and a way to look at its sent mail with what this server says. */
  async function server(settings: Partial<EmailSettings> = {}) {
    const config = await box()
    const all = EmailSettings.parse({ ...config.settings, ...settings })
    const asked: string[] = []
    const says: Partial<Imap> = {}
    let now = Date.now()
    const heard = {
      folders: async (request: Parameters<Imap['folders']>[0]) => {
        asked.push('folders')
        return says.folders!(request)
      },
      fetch: async (request: Parameters<Imap['fetch']>[0]) => {
        asked.push(request.folder)
        return says.fetch ? says.fetch(request) : born()
      },
    }
    await look(config, records => records.saveConfig({ ...config, paused: true }))
    const once = () =>
      runInDurableObject(mailbox(config), (_, state) =>
        syncSent(all, {
          ...{ siteId: config.siteId, inboxId: config.inboxId, imap: heard as unknown as Imap },
          account: accountOf(config.address),
          records: new Records(state.storage.sql),
          bucket: env.MAIL,
          ...{ justStored: new Map(), stored: async () => {}, now: () => now },
        }).then(
          () => 'well',
          error => (error as ImapFailure).problem.code,
        ),
      )
    const later = (ms: number) => {
      now += ms
    }
    return { config, all, says, asked, once, later }
  }

  it('SF1 it is asked for once; a folder that cannot be opened is none', async () => {
    const { says, asked, once } = await server()
    says.folders = async () => ({ folders: [listed('[G]', '\\Sent', false), listed('Gesendet')] })
    expect([await once(), await once()]).toEqual(['well', 'well'])
    expect(asked).toEqual(['folders', 'Gesendet', 'Gesendet'])
  })

  it('SF2 where there is none it is asked for again, but not at each sync', async () => {
    const { says, asked, once, later } = await server()
    says.folders = async () => ({ folders: [listed('INBOX', '\\Inbox')] })
    await once()
    await once()
    expect(asked).toEqual(['folders'])
    later(10 * 60_000)
    says.folders = async () => ({ folders: [listed('Sent Items')] })
    await once()
    expect(asked).toEqual(['folders', 'folders', 'Sent Items'])
  })

  it('SF1 renamed, it is found again', async () => {
    const { says, asked, once } = await server()
    says.folders = async () => ({ folders: [listed('Sent')] })
    await once()
    says.fetch = away('folder_missing')
    expect(await once()).toBe('well')
    delete says.fetch
    says.folders = async () => ({ folders: [listed('Envoyés')] })
    await once()
    expect(asked).toEqual(['folders', 'Sent', 'Sent', 'folders', 'Envoyés'])
  })

  it.each(['protocol', 'storage'] as const)(
    'SF2 %s there is its own trouble, and the sync is good',
    async code => {
      const { says, once } = await server()
      says.folders = async () => ({ folders: [listed('Sent')] })
      says.fetch = away(code)
      expect(await once()).toBe('well')
    },
  )

  it('SF2 a server that cannot list its folders is not asked at each sync', async () => {
    const { says, asked, once } = await server()
    says.folders = away('protocol')
    expect([await once(), await once()]).toEqual(['well', 'well'])
    expect(asked).toEqual(['folders'])
  })

  it.each(['unreachable', 'busy', 'credentials'] as const)('SF2 %s is the sync’s: it fails', async code => {
    const { says, once } = await server()
    says.folders = away(code)
    expect(await once()).toBe(code)
  })

  it('SF1 it is known without asking: by the settings first, and not where it is off or the inbox itself', async () => {
    const { config, all, says, once } = await server()
    says.folders = async () => ({ folders: [listed('Sent')] })
    await once()
    const path = (about: Partial<EmailSettings>) =>
      look(config, records => sentPath({ ...all, ...about }, records))
    expect(await path({})).toBe('Sent')
    expect(await path({ sentFolder: 'Mine' })).toBe('Mine')
    expect(await path({ watchSent: false })).toBeNull()
    expect(await path({ folders: ['INBOX', 'Sent'] })).toBeNull()
    expect(await path({ sentFolder: 'inbox' })).toBeNull()
  })
})
