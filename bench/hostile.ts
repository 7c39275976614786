/**
 * `npm run lab:hostile`: mail that means harm in the middle of good mail, on Dovecot and Postfix and the whole product. A box gets 1,000
 * plain questions with every hostile mail we know of shuffled among them, all at once; then the clock ticks, and goes on every 5 s.
 *
 *     good      each has an answer that was sent, within two minutes of the tick, and comes to its customer once
 *     hostile   each is in a conversation, with all its bytes in R2 (above 25 MB: fetched when its original is asked for), and what was odd
 *               about it stands on it; one without a readable text has no answer
 *     mailbox   connected, nothing waiting
 *
 * Before that another box gets good mails alone, which says what of the time is the hostile mails' doing.
 *
 *     --short             100 good mails, 20 hostile ones without that of 50 MB
 *     --seed n            repeats the order, and the choice of a short run
 *     --only words        of the hostile mails those with these words in their names
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ROOT } from '../dev/processes.ts'
import type { MailServers } from '../test/servers/mail-servers.ts'
import { hostileMails } from '../test/support/hostile-mail.ts'
import { inParallel } from './parallel.ts'
import { answersIn } from './post.ts'
import { markerOf, numberIn, randomFrom } from './post-bag.ts'
import { type Figure, markdown, note, seconds, table } from './report.ts'
import { type Inbox, logOf, run, type Stack, startServers, startStack } from './stack.ts'

const MB = 1024 * 1024
/** Above this a mail's bytes come when somebody asks for them. */
const WHOLE_BYTES = 25 * MB
const BAR_MS = 120_000
const GIVE_UP_MS = 420_000
const CLOCK_MS = 5_000
const WARM_MAILS = 20
const CUSTOMERS = 20

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', default: '' },
  },
})
const goods = values.short ? 100 : 1_000
const fewest = values.short ? 20 : Number.POSITIVE_INFINITY

interface Hostile {
  name: string
  raw: Uint8Array
  /** Nothing in it that anybody could answer. */
  mute?: true
  /** A plain mail for who reads it: nothing need stand on it. */
  plain?: true
  /** The RFC822.SIZE that the server states. */
  claimedSize?: number
}

/** One file in the box; its place in the list is its UID less one. */
interface Delivered {
  /** Of a good mail. */
  n: number | null
  name: string
  /** As the server hands it out. */
  size: number
  sha: string
  /** The larger of its size and what the server says of it. */
  seen: number
  mute: boolean
  plain: boolean
}

interface Lab {
  servers: MailServers
  stack: Stack
  random: () => number
}

async function all(): Promise<number> {
  note(`seed ${values.seed}`)
  const servers = await startServers()
  // As in its image, and weighed so.
  spawnSync(process.execPath, [join(ROOT, 'bridge/build.ts')], { stdio: 'inherit' })
  const boxes = ['warm', 'alone', 'among'].map(name => ({ address: `${name}@hostile.test` }))
  const stack = await startStack(servers, boxes, { bundled: true, env: imageEnv() })
  const lab: Lab = { servers, stack, random: randomFrom(Number(values.seed)) }
  const [warm, alone, among] = stack.inboxes as [Inbox, Inbox, Inbox]
  const memory: number[] = []
  const weigh = () => memory.push(peak(stack.bridge.pid))
  await round(lab, warm, WARM_MAILS, [])
  weigh()
  const quiet = await round(lab, alone, goods, [])
  weigh()
  const loud = await round(lab, among, goods, chosen(lab.random))
  const { state, waiting } = await stack.status(among)
  const judged = await judge(lab, among, loud)
  weigh()
  const figures: Figure[] = [
    ...answering(loud, quiet),
    ...kept(loud, judged),
    await inBoxes(lab, among),
    {
      figure: 'the mailbox, and mails that wait',
      measured: `${state}, ${waiting}`,
      bar: 'connected, 0',
      met: state === 'connected' && waiting === 0,
    },
    {
      figure: 'bridge, max RSS',
      measured: mib(memory[2]!),
      baseline: `first mails: ${mib(memory[0]!)}; good mails alone: ${mib(memory[1]!)}`,
      bar: 'reported',
      met: null,
    },
  ]
  console.log(table(figures))
  console.log(`\n${markdown(['hostile mail', 'bytes', 'what is said of it', 'answer'], judged.rows)}\n`)
  for (const violation of judged.violations) console.log(`violation: ${violation}`)
  note(`in the Worker's log: ${events(stack)}`)
  const missed = figures.filter(one => one.met === false).length
  console.log(`seed ${values.seed}: ${missed === 0 ? 'every bar met' : `${missed} bars missed`}`)
  await stack.stop()
  return missed === 0 ? 0 : 1
}

function answering(loud: Round, quiet: Round): Figure[] {
  const hostile = loud.delivered.length - goods
  const said = ({ answered, answeredMs }: Round) => `${answered} of ${goods} in ${seconds(answeredMs)}`
  return [
    {
      figure: `good mails answered, ${hostile} hostile mails among them`,
      measured: said(loud),
      baseline: `alone: ${said(quiet)}; ${(loud.answeredMs / quiet.answeredMs).toFixed(2)} ×`,
      bar: `${goods} within ${seconds(BAR_MS)}`,
      met: loud.answered === goods && loud.answeredMs <= BAR_MS,
    },
    {
      figure: 'the same until they stand in conversations',
      measured: seconds(loud.placedMs),
      baseline: `alone: ${seconds(quiet.placedMs)}`,
      bar: 'reported',
      met: null,
    },
  ]
}

function kept({ delivered, allPlacedMs }: Round, judged: Judged): Figure[] {
  const hostile = delivered.length - goods
  return [
    {
      figure: 'hostile mails in conversations',
      measured: `${hostile - judged.lost.length} of ${hostile} in ${seconds(allPlacedMs)}`,
      bar: 'all',
      met: judged.lost.length === 0,
    },
    {
      figure: `bytes of all mails in R2, or of ${judged.onDemand} above 25 MB when asked for, as they were delivered`,
      measured: `${delivered.length - judged.notRaw.length} of ${delivered.length}`,
      bar: 'all',
      met: judged.notRaw.length === 0,
    },
    {
      figure: 'hostile mails on which stands what was odd',
      measured: `${hostile - judged.unsaid.length} of ${hostile}`,
      bar: 'all',
      met: judged.unsaid.length === 0,
    },
    {
      figure: 'answers to what has no readable text',
      measured: String(judged.answeredMute.length),
      bar: '0',
      met: judged.answeredMute.length === 0,
    },
  ]
}

/** The last answers are still on their way to the boxes of their customers. */
async function inBoxes({ servers }: Lab, inbox: Inbox): Promise<Figure> {
  for (const end = Date.now() + 20_000; ; await sleep(1_000)) {
    const boxes = await Promise.all(customersOf(inbox.address).map(address => answersIn(servers, address)))
    const counts = boxes.flatMap(box => [...box.values()])
    const [missing, twice] = [goods - counts.length, counts.filter(times => times > 1).length]
    if (missing > 0 && Date.now() < end) continue
    return {
      figure: 'answers in the boxes of the customers: missing, twice',
      measured: `${missing}, ${twice}`,
      bar: '0, 0',
      met: missing === 0 && twice === 0,
    }
  }
}

/** What the Dockerfile says, for a bridge that is started as a bundle. */
function imageEnv(): Record<string, string> {
  const image = readFileSync(join(ROOT, 'bridge/Dockerfile'), 'utf8')
  const args = JSON.parse(/^CMD (\[.*\])$/m.exec(image)![1]!) as string[]
  return {
    MALLOC_ARENA_MAX: /^ENV MALLOC_ARENA_MAX=(\S+)$/m.exec(image)![1]!,
    NODE_OPTIONS: args.filter(arg => arg.startsWith('--')).join(' '),
  }
}

interface Round {
  delivered: Delivered[]
  answered: number
  /** From the first tick until the last good mail stands in its conversation, is answered; until every mail stands in one. */
  placedMs: number
  answeredMs: number
  allPlacedMs: number
}

async function round(lab: Lab, inbox: Inbox, good: number, hostile: readonly Hostile[]): Promise<Round> {
  const { stack, servers, random } = lab
  const delivered = await fill(servers, inbox, good, hostile, random)
  const whole = delivered.reduce((sum, mail) => sum + mail.size, 0) / MB
  note(
    `${inbox.address}: ${delivered.length} mails, ${whole.toFixed(0)} MB; load ${loadavg()[0]!.toFixed(1)}`,
  )
  const from = performance.now()
  const tick = () => stack.tick().catch(error => note(`a tick failed: ${error}`))
  const clock = setInterval(tick, CLOCK_MS)
  const db = messagesDb(stack.dir)
  const since = () => performance.now() - from
  const result: Round = { delivered, answered: 0, placedMs: 0, answeredMs: 0, allPlacedMs: 0 }
  try {
    // Any change of an inbox makes it look at its box with the next tick; else it might not be due for half a minute.
    await stack.send(inbox, 'PATCH', `/inboxes/${inbox.inboxId}`, { name: 'Support' })
    await tick()
    for (let told = since(); since() < GIVE_UP_MS; await sleep(200)) {
      const { answered, placed, messages } = progress(db, inbox)
      result.answered = answered
      if (placed >= good) result.placedMs ||= since()
      if (answered >= good) result.answeredMs ||= since()
      if (messages >= delivered.length) result.allPlacedMs ||= since()
      if (since() - told > 10_000) {
        told = since()
        note(
          `  after ${seconds(told)}: ${messages} mails in conversations, ${placed} good ones, ${answered} of them answered`,
        )
      }
      if (result.answeredMs && result.allPlacedMs) break
    }
    for (const time of ['placedMs', 'answeredMs', 'allPlacedMs'] as const) result[time] ||= since()
    // What the last mails owe is done: an answer to a hostile one, the last word on a sync.
    await quietDown(stack, inbox)
  } finally {
    clearInterval(clock)
    db.close()
  }
  note(
    `${inbox.address}: ${result.answered} of ${good} answered in ${seconds(result.answeredMs)}; load ${loadavg()[0]!.toFixed(1)}`,
  )
  if (result.answered < good) note(logOf(stack))
  return result
}

async function fill(
  servers: MailServers,
  inbox: Inbox,
  good: number,
  hostile: readonly Hostile[],
  random: () => number,
): Promise<Delivered[]> {
  const mails: (Hostile & { n: number | null })[] = [
    ...Array.from({ length: good }, (_, n) => ({ n, name: `good ${n}`, raw: question(inbox.address, n) })),
    ...hostile.map(mail => ({ ...mail, n: null })),
  ]
  for (let at = mails.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    ;[mails[at], mails[other]] = [mails[other]!, mails[at]!]
  }
  const delivered: Delivered[] = []
  for (const { n, name, raw, claimedSize, mute = false, plain = false } of mails) {
    await servers.deliverFiles(inbox.address, [raw], claimedSize === undefined ? {} : { claimedSize })
    const wire = onTheWire(raw)
    const seen = Math.max(wire.length, claimedSize ?? 0)
    delivered.push({ n, name, size: wire.length, sha: sha256(wire), seen, mute, plain })
  }
  return delivered
}

const QUESTIONS = [
  'How do I get a refund for my order?',
  'I forgot my password. How can I sign in?',
  'What does shipping cost and how long does it take?',
  '如何申請退款？我想退貨。',
]

const customersOf = (address: string) =>
  Array.from({ length: CUSTOMERS }, (_, n) => `${address.split('@')[0]}-${n}@customer.test`)

function question(to: string, n: number): Uint8Array {
  const from = customersOf(to)[n % CUSTOMERS]!
  return Buffer.from(
    [
      `Return-Path: <${from}>`,
      `From: Customer ${n % CUSTOMERS} <${from}>`,
      `To: <${to}>`,
      `Subject: Question ${markerOf(n)}`,
      `Message-ID: <good-${n}.${to}>`,
      `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 8bit',
      '',
      `${QUESTIONS[n % QUESTIONS.length]} My order number is ${10_000 + n}.`,
      '',
    ].join('\n'),
  )
}

/** All of them, or for a short run as many as it takes, without the largest. */
function chosen(random: () => number): Hostile[] {
  const every = [...hostileMails(), ...files()].filter(({ name }) => name.includes(values.only))
  if (every.length <= fewest) return every
  return every
    .filter(({ raw }) => raw.length < 50 * MB)
    .map(mail => ({ mail, at: random() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, fewest)
    .map(({ mail }) => mail)
}

const HEAD =
  'From: Mallory <mallory@customer.test>\r\nTo: among@hostile.test\r\nSubject: Hi\r\nMIME-Version: 1.0\r\n'
const LINE = 'Where is my order? Wo bleibt mein Paket?\r\n'
const BASE64_LINE = `${'QUJD'.repeat(19)}\r\n`

/** What is hostile by its size, or is hardly a mail. */
function files(): Hostile[] {
  const text = (body: string) => `${HEAD}Content-Type: text/plain; charset=utf-8\r\n\r\n${body}`
  const lines = (bytes: number, line: string) => line.repeat(Math.ceil(bytes / line.length))
  const attached = (bytes: number) =>
    `${HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHere is the film of the broken thing.\r\n--b\r\n` +
    `Content-Type: video/mp4; name=film.mp4\r\nContent-Disposition: attachment; filename=film.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n${lines(bytes, BASE64_LINE)}--b--\r\n`
  const random = randomFrom(7)
  const garbage = (length: number, from = 0) =>
    Buffer.from(Uint8Array.from({ length }, () => from + Math.floor(random() * (256 - from))))
  const header = (bytes: number) =>
    Buffer.concat(
      Array.from({ length: Math.ceil(bytes / 90) }, () =>
        Buffer.concat([Buffer.from('X-'), garbage(80, 128), Buffer.from(': a\r\n')]),
      ),
    )
  return [
    { name: 'a text of 50 MB', raw: Buffer.from(text(lines(50 * MB, LINE))) },
    { name: 'a line of 30 MB', raw: Buffer.from(text('y'.repeat(30 * MB))) },
    { name: 'an attachment of 30 MB', raw: Buffer.from(attached(30 * MB)) },
    {
      name: 'a header block of 30 MB',
      raw: Buffer.from(`${HEAD}${lines(30 * MB, `X-Y: ${'z'.repeat(70)}\r\n`)}\r\nhello`),
    },
    {
      name: 'a size that lies, 40 MB instead of 3 KB',
      raw: Buffer.from(text(lines(3_000, LINE))),
      claimedSize: 40 * MB,
    },
    {
      name: 'a size that lies, 100 KB instead of 3 KB',
      raw: Buffer.from(text(lines(3_001, LINE.replace('order', 'parcel')))),
      claimedSize: 100_000,
      plain: true,
    },
    { name: 'an empty file', raw: new Uint8Array(), mute: true },
    { name: 'a megabyte of NUL', raw: new Uint8Array(MB), mute: true },
    { name: 'a megabyte of random bytes', raw: garbage(MB), mute: true },
    // No field has such a name, so the header ends there and the garbage is the text, with a letter here and there.
    { name: 'a header of 8-bit garbage', raw: Buffer.concat([Buffer.from(HEAD), header(MB)]) },
    {
      name: 'a body that begins without an empty line',
      raw: Buffer.from(`${HEAD}${lines(MB, LINE.replace(':', ''))}`),
    },
    { name: 'a line feed and nothing else', raw: Buffer.from('\n'), mute: true },
  ]
}

/** RFC 3501: lines end with CRLF, and a literal has no NUL, for which Dovecot writes 0x80. */
function onTheWire(raw: Uint8Array): Uint8Array {
  let bare = 0
  for (let at = raw.indexOf(10); at !== -1; at = raw.indexOf(10, at + 1)) if (raw[at - 1] !== 13) bare += 1
  const wire = new Uint8Array(raw.length + bare)
  let to = 0
  for (let at = 0; at < raw.length; at++) {
    if (raw[at] === 10 && raw[at - 1] !== 13) wire[to++] = 13
    wire[to++] = raw[at] === 0 ? 0x80 : raw[at]!
  }
  return wire
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** The local D1 database, read from its file: asking the Worker would slow it. */
function messagesDb(dir: string): DatabaseSync {
  const from = join(dir, 'state/v3/d1/miniflare-D1DatabaseObject')
  for (const name of readdirSync(from)) {
    if (!name.endsWith('.sqlite') || name.startsWith('metadata')) continue
    const db = new DatabaseSync(join(from, name), { readOnly: true })
    if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'messages'").get()) return db
    db.close()
  }
  throw new Error('no local D1 database has the table messages')
}

/** How far a box is: good mails in conversations, those answered, and all mails. */
function progress(db: DatabaseSync, inbox: Inbox) {
  const subjects = (where: string) =>
    new Set(
      db
        .prepare(
          `SELECT json_extract(details, '$.subject') AS subject FROM messages WHERE site_id = ? AND ${where}`,
        )
        .all(inbox.siteId)
        .map(row => numberIn(String(row.subject ?? '')))
        .filter(n => !Number.isNaN(n)),
    ).size
  const count = db.prepare(`SELECT count(*) AS n FROM messages WHERE site_id = ? AND direction = 'incoming'`)
  return {
    answered: subjects(`direction = 'outgoing' AND json_extract(details, '$.delivery.status') = 'sent'`),
    placed: subjects(`direction = 'incoming'`),
    messages: (count.get(inbox.siteId) as { n: number }).n,
  }
}

const OPEN = ['queued', 'sending', 'leaving', 'retry']

/** Until nothing waits and nothing is on its way out, or for a minute. */
async function quietDown(stack: Stack, inbox: Inbox): Promise<void> {
  const db = messagesDb(stack.dir)
  const open = db.prepare(
    `SELECT count(*) AS n FROM messages WHERE site_id = ? AND json_extract(details, '$.delivery.status') IN (${OPEN.map(one => `'${one}'`)})`,
  )
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(500)) {
    const { state, waiting } = await stack.status(inbox)
    if (state === 'connected' && waiting === 0 && (open.get(inbox.siteId) as { n: number }).n === 0) break
  }
  db.close()
}

interface ApiMessage {
  content: string
  contentIsCut: boolean
  flags: string[]
  quarantine: { code: string } | null
  verdict: { class: string; reasons: string[] } | null
  reply: { do: string; why: string } | null
  attachments: unknown[]
}

interface Judged {
  lost: string[]
  notRaw: string[]
  unsaid: string[]
  answeredMute: string[]
  onDemand: number
  rows: string[][]
  violations: string[]
}

async function judge({ stack }: Lab, inbox: Inbox, { delivered }: Round): Promise<Judged> {
  const judged: Judged = {
    ...{ lost: [], notRaw: [], unsaid: [], answeredMute: [], onDemand: 0, rows: [], violations: [] },
  }
  const raws = rawMails(stack.dir, inbox)
  const renumbered = new Map(
    [...raws].filter(([uid]) => uid > delivered.length).map(([uid, { sha }]) => [sha, uid]),
  )
  const messages = messagesByUid(stack.dir, inbox)
  await inParallel(2, [...delivered.entries()], async ([at, mail]) => {
    const wrong = (list: string[], what: string) => {
      list.push(mail.name)
      judged.violations.push(`${mail.name}: ${what}`)
    }
    const uid = messages.has(at + 1) ? at + 1 : (renumbered.get(mail.sha) ?? at + 1)
    const message = messages.get(uid)
    const raw = raws.get(uid)
    if (raw && raw.sha !== mail.sha) wrong(judged.notRaw, 'other bytes in R2 than were delivered')
    if (!raw && mail.seen <= WHOLE_BYTES) wrong(judged.notRaw, 'its bytes are not in R2')
    if (!raw && mail.seen > WHOLE_BYTES && message) {
      const asked = await original(stack, inbox, message.id, mail)
      judged.onDemand += 1
      if (asked !== SAME) wrong(judged.notRaw, `its original: ${asked}`)
    }
    if (mail.n !== null) return
    if (!message) {
      wrong(judged.lost, 'in no conversation')
      return
    }
    const shown = await stack.get<ApiMessage>(inbox, `/messages/${message.id}`)
    const said = saidOf(shown)
    const left = message.answers.filter(status => !STAYED.includes(status))
    if (said.length === 0 && !mail.plain)
      wrong(judged.unsaid, 'read like any other mail, and nothing is said of it')
    if (!isReadable(mail, shown) && left.length > 0)
      wrong(judged.answeredMute, `has no readable text, and an answer that is ${left}`)
    judged.rows.push([
      mail.name,
      mail.size.toLocaleString('en'),
      said.join(', ') || '–',
      message.answers.join(', ') || (shown.reply?.why ?? '–'),
    ])
  })
  judged.rows.sort((a, b) => a[0]!.localeCompare(b[0]!))
  return judged
}

const STAYED = ['draft', 'held', 'withdrawn', 'discarded']

/** Somewhere in what is shown of it a letter or a digit. */
function isReadable({ mute }: Delivered, { content, quarantine }: ApiMessage): boolean {
  return !mute && quarantine === null && /[\p{L}\p{N}]/u.test(content)
}

/** What stands on a message about itself that no plain mail has. */
function saidOf({ flags, quarantine, verdict, reply, contentIsCut }: ApiMessage): string[] {
  return [
    ...flags,
    ...(quarantine ? [`quarantine (${quarantine.code})`] : []),
    ...(contentIsCut ? ['text shown in part'] : []),
    ...(verdict && verdict.class !== 'person' ? [`verdict ${verdict.class}`] : []),
    ...(verdict?.reasons ?? []),
    ...(reply?.do === 'silent' ? [reply.why] : []),
  ]
}

const SAME = 'the same bytes'

/** Asks for the bytes of a mail that were left on the server. */
async function original(stack: Stack, inbox: Inbox, id: string, mail: Delivered): Promise<string> {
  const answer = await fetch(`${stack.url}/api/v1/messages/${id}/original`, {
    headers: { authorization: `Api-Key ${inbox.apiKey}` },
  })
  if (answer.ok) {
    const bytes = new Uint8Array(await answer.arrayBuffer())
    return sha256(bytes) === mail.sha ? SAME : `${bytes.length} bytes instead of ${mail.size}, or other ones`
  }
  // Dovecot gives a mail another UID when it finds that its size was wrong; under that it comes anew.
  const refusal = `${answer.status} ${await answer.text()}`
  for (let n = 0; n < 20; n++) {
    await stack.send(inbox, 'PATCH', `/inboxes/${inbox.inboxId}`, { name: `Support ${n}` })
    await sleep(1_000)
    if ([...rawMails(stack.dir, inbox).values()].some(({ sha }) => sha === mail.sha)) return SAME
  }
  return refusal
}

/** Raw mails in the bucket, by UID. */
function rawMails(dir: string, { siteId, inboxId }: Inbox): Map<number, { sha: string }> {
  const lists = join(dir, 'state/v3/r2/miniflare-R2BucketObject')
  const found = new Map<number, { sha: string }>()
  for (const name of readdirSync(lists)) {
    if (!name.endsWith('.sqlite') || name.startsWith('metadata')) continue
    const db = new DatabaseSync(join(lists, name), { readOnly: true })
    const rows = db
      .prepare('SELECT key, blob_id FROM _mf_objects WHERE key LIKE ?')
      .all(`raw/${siteId}/${inboxId}/%`)
    for (const { key, blob_id: blob } of rows) {
      const file = join(dir, 'state/v3/r2/edgedesk-mail/blobs', String(blob))
      if (existsSync(file)) found.set(uidOf(String(key)), { sha: sha256(readFileSync(file)) })
    }
    db.close()
  }
  return found
}

const uidOf = (mailId: string) => Number(mailId.slice(mailId.lastIndexOf('-') + 1))

/** Messages by the UID of their mail, with what became of answers in the same conversation. */
function messagesByUid(dir: string, { siteId }: Inbox): Map<number, { id: string; answers: string[] }> {
  const db = messagesDb(dir)
  const rows = db
    .prepare(
      `SELECT id, conversation_id AS conversation, direction, json_extract(details, '$.mail.mailId') AS mail,
         json_extract(details, '$.delivery.status') AS status FROM messages WHERE site_id = ?`,
    )
    .all(siteId) as {
    id: string
    conversation: string
    direction: string
    mail: string
    status: string | null
  }[]
  db.close()
  const answers = Map.groupBy(
    rows.filter(row => row.direction === 'outgoing'),
    row => row.conversation,
  )
  return new Map(
    rows
      .filter(row => row.direction === 'incoming')
      .map(({ id, mail, conversation }) => {
        const statuses = (answers.get(conversation) ?? []).map(one => one.status ?? 'none')
        return [uidOf(mail), { id, answers: statuses }]
      }),
  )
}

/** The most memory the process ever had, from the kernel. */
function peak(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

const mib = (bytes: number) => `${(bytes / MB).toFixed(0)} MiB`

/** How often the Worker said what. */
function events(stack: Stack): string {
  const log = readFileSync(join(stack.dir, 'worker.log'), 'utf8')
  const counts = Map.groupBy(log.matchAll(/"event":"(\w+)"/g), match => match[1]!)
  return [...counts].map(([event, all]) => `${all.length} × ${event}`).join(', ') || 'nothing'
}

await run(all)
