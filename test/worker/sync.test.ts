/** Syncing a folder with a bridge of the test's own, for what a real server does only on a bad day. */
import { runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { type Frame, frameHead, type ScannedMail } from '../../bridge/wire.ts'
import { problem } from '../../src/domain/problem.ts'
import { type Imap, ImapFailure } from '../../src/mail/imap.ts'
import { Records } from '../../src/mailbox/records.ts'
import { syncFolder } from '../../src/mailbox/sync.ts'
import { inbox, site } from './cast.ts'
import { conversationsOf, mail, mailbox, sync, until } from './mail.ts'

function stream(...pieces: (Frame | string)[]): ReadableStream<Uint8Array> {
  const text = pieces.map(piece => (typeof piece === 'string' ? piece : frameHead(piece))).join('')
  return new Blob([Uint8Array.from(text, char => char.charCodeAt(0))]).stream()
}

const opened: Frame = { kind: 'opened', length: 0, uidValidity: 7, uidNext: 9, waiting: 3 }
const end: Frame = { kind: 'end', length: 0, more: false }
const frame = (uid: number, raw: string): [Frame, string] => [
  { kind: 'mail', length: raw.length, uid, size: raw.length, internalDate: Date.now(), flags: [] },
  raw,
]

/** A folder whose cursor stands at UID 1, and a way to sync it with what `fetch` says. */
async function folder(imap: Partial<Imap>) {
  const { siteId, headers } = await site()
  const config = await inbox(siteId)
  await sync(config)
  const stub = mailbox(config)
  await runInDurableObject(stub, (_, state) => {
    state.storage.sql.exec('UPDATE folders SET uid_validity = 7, next_uid = 1')
  })
  const once = () =>
    runInDurableObject(stub, async (_, state) =>
      syncFolder('INBOX', {
        siteId,
        inboxId: config.inboxId,
        imap: imap as Imap,
        account: { host: 'localhost', port: 1, security: 'plain', user: '', password: '' },
        records: new Records(state.storage.sql),
        bucket: env.MAIL,
        justStored: new Map(),
        stored: async () => {},
        now: () => Date.now(),
      }).then(
        () => 'synced',
        error => (error as ImapFailure).problem.code,
      ),
    )
  const cursor = () =>
    runInDurableObject(stub, (_, state) => new Records(state.storage.sql).folder('INBOX')!.nextUid)
  return { config, headers, once, cursor }
}

it('A10 a line cut inside mail 3: what came whole is kept, and the cursor stands behind it', async () => {
  const raws = [1, 2, 3].map(n => mail({ to: 'x@demo.test', subject: `Mail ${n}` }))
  const { once, cursor } = await folder({
    fetch: async () =>
      stream(
        opened,
        ...frame(1, raws[0]!),
        ...frame(2, raws[1]!),
        frame(3, raws[2]!)[0],
        raws[2]!.slice(0, 40),
      ),
  })
  expect(await once()).toBe('unreachable')
  expect(await cursor()).toBe(3)
})

it('A10 a stream that stops after a mail, without its end, is a cut line too', async () => {
  const { once, cursor } = await folder({
    fetch: async () => stream(opened, ...frame(1, mail({ to: 'x@demo.test' }))),
  })
  expect(await once()).toBe('unreachable')
  expect(await cursor()).toBe(2)
})

it('A12 a mail that breaks every fetch is passed over after three times, marked, and the ones behind it come', async () => {
  const good = mail({ to: 'x@demo.test', subject: 'Behind' })
  const bad: ScannedMail = {
    uid: 4,
    size: 12_000_000,
    internalDate: Date.now(),
    headers: 'Subject: Broken\r\nFrom: Mallory <m@customer.test>\r\n',
  }
  const { config, headers, once, cursor } = await folder({
    fetch: async ({ nextUid }) => {
      if (nextUid! <= 4)
        return stream(opened, { kind: 'problem', length: 0, problem: { code: 'protocol', message: '…' } })
      return stream(opened, ...(nextUid === 5 ? frame(5, good) : []), end)
    },
    scan: async () => ({ opened: { uidValidity: 7, uidNext: 9 }, mails: [bad], more: false }),
  })
  expect([await once(), await once()]).toEqual(['protocol', 'protocol'])
  expect(await cursor()).toBe(1)
  expect(await once()).toBe('synced')
  expect(await cursor()).toBe(6)
  await mailbox(config).news()
  const all = await until(async () => {
    const found = await conversationsOf(headers)
    return found.length === 2 && found
  })
  const broken = all.find(one => one.conversation.title === 'Broken')!.messages[0]!
  expect(broken.flags).toEqual(['not_fetched', 'unreadable'])
  expect(broken.verdict).toMatchObject({ class: 'unreadable', maySend: false })
  // It is still on the server: asked for, it is fetched; this server has lost it.
  const original = await exports.default.fetch(`http://edgedesk.test${broken.original}`, { headers })
  expect(await original.json()).toMatchObject({ error: { code: 'mail_missing' } })
})

it('SY a server that is away altogether passes over nothing', async () => {
  const away = async () => {
    throw new ImapFailure(problem('unreachable'))
  }
  const { once, cursor } = await folder({ fetch: away, scan: away })
  for (let i = 0; i < 5; i++) expect(await once()).toBe('unreachable')
  expect(await cursor()).toBe(1)
})

it('A12b R2 refuses one write: the cursor does not pass it, and the next sync stores it', async () => {
  const raws = [1, 2].map(n => mail({ to: 'x@demo.test', subject: `Kept ${n}` }))
  const { config, headers, once, cursor } = await folder({
    fetch: async ({ nextUid }) =>
      stream(opened, ...(nextUid === 1 ? [...frame(1, raws[0]!), ...frame(2, raws[1]!)] : []), end),
  })
  const put = env.MAIL.put
  let refusals = 1
  env.MAIL.put = (async (...args: Parameters<typeof put>) => {
    if (refusals-- > 0) throw new Error('R2 is away')
    return put.apply(env.MAIL, args)
  }) as typeof put
  try {
    expect(await once()).toBe('storage')
    expect(await cursor()).toBe(1)
  } finally {
    env.MAIL.put = put
  }
  expect(await once()).toBe('synced')
  expect(await cursor()).toBe(3)
  await mailbox(config).news()
  await until(async () => (await conversationsOf(headers)).length === 2)
})

it('SY bad days long past do not count: a good sync between them begins anew, and a full store passes over nothing', async () => {
  const raw = mail({ to: 'x@demo.test', subject: 'Healthy' })
  const day = { bad: false }
  const broken: Frame = { kind: 'problem', length: 0, problem: { code: 'protocol', message: '…' } }
  const { headers, once, cursor, config } = await folder({
    fetch: async ({ nextUid }) =>
      day.bad ? stream(opened, broken) : stream(opened, ...(nextUid === 1 ? frame(1, raw) : []), end),
    scan: async () => ({ opened: { uidValidity: 7, uidNext: 9 }, mails: [], more: false }),
  })
  const put = env.MAIL.put
  env.MAIL.put = (async () => {
    throw new Error('R2 is away')
  }) as unknown as typeof put
  try {
    for (let i = 0; i < 5; i++) expect(await once()).toBe('storage')
  } finally {
    env.MAIL.put = put
  }
  day.bad = true
  expect([await once(), await once()]).toEqual(['protocol', 'protocol'])
  day.bad = false
  expect(await once()).toBe('synced')
  day.bad = true
  expect(await once()).toBe('protocol')
  expect(await cursor()).toBe(2)
  await mailbox(config).news()
  const [one] = await until(async () => {
    const found = await conversationsOf(headers)
    return found.length === 1 && found
  })
  expect(one!.messages[0]!.flags).toEqual([])
})

it('A12 in a rescan too a mail that breaks every fetch is passed over, and the ones behind it come', async () => {
  const listed = (uid: number, subject: string): ScannedMail => ({
    uid,
    size: 100 + uid,
    internalDate: Date.now(),
    headers: `Subject: ${subject}\r\nFrom: Mallory <m@customer.test>\r\n`,
  })
  const broken: Frame = { kind: 'problem', length: 0, problem: { code: 'protocol', message: '…' } }
  const { config, headers, once } = await folder({
    fetch: async ({ uids }) =>
      uids?.includes(1) || !uids
        ? stream(opened, ...(uids ? [broken] : [end]))
        : stream(
            opened,
            ...uids.flatMap(uid => frame(uid, mail({ to: 'x@demo.test', subject: `Mail ${uid}` }))),
            end,
          ),
    scan: async () => ({
      opened: { uidValidity: 7, uidNext: 3 },
      mails: [listed(1, 'Broken'), listed(2, 'Good')],
      more: false,
    }),
  })
  await runInDurableObject(mailbox(config), (_, state) => {
    state.storage.sql.exec('UPDATE folders SET rescan_to = 3, rescan_good_at = 1, next_uid = 1')
  })
  expect([await once(), await once(), await once()]).toEqual(['protocol', 'protocol', 'synced'])
  await mailbox(config).news()
  const titles = await until(async () => {
    const found = await conversationsOf(headers)
    return found.length === 2 && found.map(one => one.conversation.title).toSorted()
  })
  expect(titles).toEqual(['Broken', 'Mail 2'])
})
