/**
 * `GET /api/v1/conversations` on a site with a million of them, in turns with one that has a thousand: each filter that the API has, its
 * first page and one from somewhere in the middle. Before, the store's own functions are run on the same file for what D1 counts as read.
 *
 * Rows read are counted by D1 (`meta.rows_read`). A page of n conversations looks up n contacts, each by its key (one, where it is one
 * contact's): what is left is what was read of conversations, and is at most the page and the one that tells whether there is more. What
 * stands beside a page, inboxes and last messages, is read by key too: one row each.
 */
import type { DatabaseSync } from 'node:sqlite'
import { type LocalDatabases, withDatabases } from '../dev/cast.ts'
import type { Status } from '../src/domain/conversation.ts'
import { type ConversationFilter, conversationsByActivity } from '../src/store/conversations.ts'
import { type Db, db } from '../src/store/db.ts'
import { conversationsJson } from '../src/wire/conversation.ts'
import { compared, inTurns, type Lab, makePlace, type Place, startProduct } from './api-lab.ts'
import { openD1 } from './d1-file.ts'
import { fill } from './filled.ts'
import type { Asked } from './http-load.ts'
import { randomFrom } from './post-bag.ts'
import { type Figure, markdown, ms, note, seconds } from './report.ts'

const FEW = 1_000
const P95_BAR = 1.3
/** Of a page that is timed: so few that a site with a thousand conversations has whole pages of every filter. */
const PAGE = 10
/** Of a page whose rows are counted: what the API gives unasked. */
const USUAL_PAGE = 50
const SAMPLES = 20
const WARM = 200
/** D1 counts the entry of an index, the row itself, and the id in the list that was asked for. */
const READ_BY_KEY = 3

const FILTERS = {
  'no filter': [],
  inbox: ['inbox'],
  status: ['status'],
  'inbox, status': ['inbox', 'status'],
  assignee: ['assignee'],
  'assignee, status': ['assignee', 'status'],
  contact: ['contact'],
} as const satisfies Record<string, readonly Field[]>

type Field = 'inbox' | 'status' | 'assignee' | 'contact'

/** A conversation, for what may be asked so that it is in the answer. */
interface Sample {
  id: string
  at: number
  inbox: string
  status: Status
  assignee: string | null
  contact: string
}

interface Wanted {
  name: keyof typeof FILTERS
  filter: { [F in Field]?: string }
  /** The conversation that the page begins behind; null for the first page. */
  behind: { at: number; id: string } | null
}

export async function listing(lab: Lab, short: boolean): Promise<Figure[]> {
  const [pairs, requests, many] = short ? [1, 300, 100_000] : [5, 2_000, 1_000_000]
  const [large, small] = [await filledPlace(lab, 'large', many), await filledPlace(lab, 'small', FEW)]
  const read = await rowsRead(large)
  console.log(`${rowsTable(read, many)}\n`)

  const lists = [large, small].map(place => asking(place, requests))
  const [onLarge, onSmall] = await Promise.all([startProduct(lab, large), startProduct(lab, small)])
  const [askLarge, askSmall] = [() => onLarge.load(lists[0]!), () => onSmall.load(lists[1]!)]
  await onSmall.load(lists[1]!.slice(0, WARM))
  await onLarge.load(lists[0]!.slice(0, WARM))
  const all = await inTurns(pairs, askSmall, askLarge, ({ measured, baseline, again }, n) =>
    note(
      `GET /conversations, pair ${n + 1}: p95 ${ms(measured.p95)}, of ${FEW} rows ${ms(baseline.p95)} and ${ms(again.p95)}`,
    ),
  )
  await Promise.all([onLarge.stop(), onSmall.stop()])

  const p95 = compared(all, 'p95')
  const p50 = compared(all, 'p50')
  const beside = Math.max(...read.map(one => one.beside.rowsRead / one.beside.found))
  const most = Math.max(...read.map(one => one.ofConversations - USUAL_PAGE))
  return [
    {
      figure: `GET /conversations, every filter, first and later pages, ${pairs} pairs of ${requests}: p95 with ${many} rows`,
      measured: ms(p95.measured),
      baseline: `with ${FEW} rows ${ms(p95.baseline)}; ${p95.itself}`,
      bar: `≤ ${P95_BAR} ×; it is ${p95.ratio.toFixed(2)} × (${p95.ratios})`,
      met: p95.ratio <= P95_BAR,
    },
    {
      figure: 'the same: p50',
      measured: ms(p50.measured),
      baseline: `with ${FEW} rows ${ms(p50.baseline)}; ${p50.itself}`,
      bar: `it is ${p50.ratio.toFixed(2)} × (${p50.ratios})`,
      met: null,
    },
    {
      figure: `conversations read for a page of ${USUAL_PAGE}, the most of all filters`,
      measured: `the page and ${most}`,
      bar: '≤ the page and 1',
      met: most <= 1,
    },
    {
      figure: 'rows read for each inbox and last message that stands beside a page, the most of all filters',
      measured: beside.toFixed(1),
      bar: `≤ ${READ_BY_KEY}: found by its key`,
      met: beside <= READ_BY_KEY,
    },
  ]
}

async function filledPlace(lab: Lab, name: string, rows: number): Promise<Place> {
  const place = await makePlace(lab, name)
  const from = performance.now()
  await fill(place, rows)
  note(`${rows} conversations: ${seconds(performance.now() - from)}`)
  return place
}

/** Requests for pages that are full on either site, each filter as often as every other, shuffled. */
function asking(place: Place, count: number): Asked[] {
  const file = openD1(place.stateDir, 'conversations')
  try {
    const random = randomFrom(count)
    const names = Object.keys(FILTERS) as (keyof typeof FILTERS)[]
    const pages = names.flatMap(name =>
      [false, true].flatMap(later =>
        Array.from({ length: SAMPLES }, () => pageOf(file, place.siteId, name, later, PAGE, random)),
      ),
    )
    return Array.from({ length: count }, () => ({
      method: 'GET',
      path: pathOf(pages[Math.floor(random() * pages.length)]!),
    }))
  } finally {
    file.close()
  }
}

function pathOf({ filter, behind }: Wanted): string {
  const query = new URLSearchParams({ ...filter, limit: String(PAGE) })
  if (behind) query.set('cursor', Buffer.from(JSON.stringify([behind.at, behind.id])).toString('base64url'))
  return `/api/v1/conversations?${query}`
}

/** Chosen by a conversation that is in it, so that what there is more of is asked for more often; full, where one that is full is found. */
function pageOf(
  file: DatabaseSync,
  siteId: string,
  name: keyof typeof FILTERS,
  later: boolean,
  rows: number,
  random: () => number,
): Wanted {
  const fields: readonly Field[] = FILTERS[name]
  let wanted: Wanted | null = null
  for (let n = 0; n < 200; n++) {
    const sample = anyOf(file, siteId, random)
    if (fields.includes('assignee') && sample.assignee === null) continue
    const filter = Object.fromEntries(fields.map(field => [field, sample[field]!]))
    wanted = { name, filter, behind: later ? { at: sample.at, id: sample.id } : null }
    if (isFull(file, siteId, wanted, rows)) return wanted
  }
  if (!wanted) throw new Error(`there is no page of ${name}`)
  return wanted
}

function anyOf(file: DatabaseSync, siteId: string, random: () => number): Sample {
  const bounds = file.prepare(
    'SELECT min(created_at) AS first, max(created_at) AS last FROM conversations WHERE site_id = ?',
  )
  const { first, last } = (boundsOf.get(file) ?? bounds.get(siteId)) as { first: number; last: number }
  boundsOf.set(file, { first, last })
  return file
    .prepare(
      `SELECT id, last_message_at AS at, inbox_id AS inbox, status, assignee_id AS assignee, contact_id AS contact
       FROM conversations WHERE site_id = ? AND last_message_at >= ? ORDER BY last_message_at LIMIT 1`,
    )
    .get(siteId, Math.floor(first + random() * (last - first))) as unknown as Sample
}

const boundsOf = new WeakMap<DatabaseSync, { first: number; last: number }>()

const COLUMN: Record<Field, string> = {
  inbox: 'inbox_id',
  status: 'status',
  assignee: 'assignee_id',
  contact: 'contact_id',
}

/** Whether there are so many, and one more. */
function isFull(file: DatabaseSync, siteId: string, { filter, behind }: Wanted, rows: number): boolean {
  const all = inFull(filter)
  const places = Object.keys(all).map(field => `AND ${COLUMN[field as Field]} = ?`)
  const from = behind ? 'AND (last_message_at, id) < (?, ?)' : ''
  const query = `SELECT 1 FROM conversations WHERE site_id = ? ${places.join(' ')} ${from} ORDER BY last_message_at DESC LIMIT ?`
  const after = behind ? [behind.at, behind.id] : []
  return file.prepare(query).all(siteId, ...Object.values(all), ...after, rows + 1).length > rows
}

/** As the API reads it: an assignee's open ones, where no status is named. */
function inFull(filter: Wanted['filter']): Wanted['filter'] {
  return filter.assignee && !filter.status ? { ...filter, status: 'open' } : filter
}

interface Read {
  what: string
  page: 'first' | 'later'
  shown: number
  rowsRead: number
  contacts: number
  ofConversations: number
  /** For inboxes and last messages: found, and read for it. */
  beside: { found: number; rowsRead: number }
  plan: string
}

/** What D1 reads for each filter, the worst of several pages. */
async function rowsRead(place: Place): Promise<Read[]> {
  const file = openD1(place.stateDir, 'conversations')
  const random = randomFrom(7)
  const names = Object.keys(FILTERS) as (keyof typeof FILTERS)[]
  try {
    return await withDatabases(place.stateDir, async env => {
      const all: Read[] = []
      for (const name of names)
        for (const later of [false, true]) {
          const some: Read[] = []
          for (let n = 0; n < 5; n++) {
            const wanted = pageOf(file, place.siteId, name, later, USUAL_PAGE, random)
            some.push(await readFor(env, place.siteId, wanted, file))
          }
          all.push(some.toSorted((a, b) => b.rowsRead - a.rowsRead)[0]!)
        }
      return all
    })
  } finally {
    file.close()
  }
}

async function readFor(
  env: LocalDatabases,
  siteId: string,
  wanted: Wanted,
  file: DatabaseSync,
): Promise<Read> {
  const { inbox, status, assignee, contact } = inFull(wanted.filter)
  const filter: ConversationFilter = {
    ...{ inboxId: inbox, contactId: contact, assigneeId: assignee },
    status: status as Status | undefined,
  }
  const seen = watched(env.DB)
  const rows = await conversationsByActivity(seen.db, siteId, filter, wanted.behind, USUAL_PAGE + 1)
  const [list, ...none] = seen.statements
  if (!list || none.length > 0) throw new Error('the list is not one statement any more')
  const shown = rows.slice(0, USUAL_PAGE)
  await conversationsJson(seen.db, siteId, shown, 'http://bench.test')
  const beside = seen.statements.slice(1)
  const plan = (
    file.prepare(`EXPLAIN QUERY PLAN ${list.sql}`).all(...list.bindings) as { detail: string }[]
  ).map(one => one.detail.replace(/ \(.*/, ''))
  const contacts = plan[0]?.includes('contacts') ? 1 : rows.length
  return {
    ...{ what: wanted.name, page: wanted.behind ? 'later' : 'first', shown: rows.length },
    ...{ rowsRead: list.rowsRead, contacts, ofConversations: list.rowsRead - contacts },
    beside: {
      found: beside.reduce((sum, one) => sum + one.rows, 0),
      rowsRead: beside.reduce((sum, one) => sum + one.rowsRead, 0),
    },
    plan: plan.join('; '),
  }
}

interface Statement {
  sql: string
  bindings: (string | number)[]
  rows: number
  rowsRead: number
}

/** D1, and what each statement read: rows that drizzle takes bare come without that, so they are asked for once more. */
function watched(d1: D1Database): { db: Db; statements: Statement[] } {
  const statements: Statement[] = []
  const prepare = (sql: string) => ({
    bind: (...bindings: (string | number)[]) => {
      const bound = d1.prepare(sql).bind(...bindings)
      const all = async () => {
        const answer = await bound.all()
        statements.push({ sql, bindings, rows: answer.results.length, rowsRead: answer.meta.rows_read })
        return answer
      }
      return {
        all,
        raw: async () => {
          await all()
          return bound.raw()
        },
      }
    },
  })
  return { db: db({ prepare } as unknown as D1Database), statements }
}

function rowsTable(read: readonly Read[], many: number): string {
  const heads = [
    ...['filter', 'page', 'shown and one', 'rows read', 'of these contacts', 'of these conversations'],
    ...['inboxes and last messages', 'rows read for these', 'plan'],
  ]
  const rows = read.map(one => [
    ...[one.what, one.page, String(one.shown), String(one.rowsRead), String(one.contacts)],
    ...[String(one.ofConversations), String(one.beside.found), String(one.beside.rowsRead), one.plan],
  ])
  return `Rows read by D1 among ${many} conversations, limit ${USUAL_PAGE}:\n\n${markdown(heads, rows)}`
}
