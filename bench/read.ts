/**
 * `npm run bench:read`: how well mail is read, against the sets in the folder that CORPORA names and our own, which are always there:
 * parsing, what of a reply is shown as new, who is a machine, which mail a bounce is about, and threads in every order of arrival.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deliveryReport } from '../src/domain/bounce.ts'
import { newText } from '../src/domain/quote.ts'
import { idKey } from '../src/domain/thread.ts'
import { verdict } from '../src/domain/verdict.ts'
import { readEmail } from '../src/mail/email.ts'
import { HUMAN_MAILS } from '../test/domain/human-mails.ts'
import { hostile } from '../test/domain/quote-hostile.ts'
import { attributions, blocks, foreign, NEW, quoteUnder } from '../test/domain/quote-lines.ts'
import { ourReplies, publicReplies, type Reply, read } from '../test/domain/quote-replies.ts'
import { hostileMails } from '../test/support/hostile-mail.ts'
import { bothOf, type Field, mayDiffer, names, rawOf } from '../test/support/public-mail.ts'
import {
  componentsOf,
  conversationsOf,
  orders,
  pairs,
  scripts,
  type ThreadMail,
  tree,
} from '../test/support/threads.ts'
import { randomFrom } from './post-bag.ts'
import { type Figure, ms, note, table } from './report.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
note(`seed ${seed}`)
/** A row for a set that is not on this machine. */
const absent = (figure: string, bar: string): Figure => ({
  figure,
  measured: 'not run: no corpus',
  bar,
  met: null,
})

async function parsing(): Promise<Figure[]> {
  const slowest = { name: '', msPerMb: 0 }
  const all = hostileMails()
  for (const { name, raw } of all) {
    const times: number[] = []
    // The quickest of some: whatever else the machine does makes a run slower, and nothing makes it quicker.
    for (let n = 0; n < 8; n++) {
      const began = performance.now()
      await readEmail(raw)
      times.push((performance.now() - began) / (raw.length / 2 ** 20))
    }
    const msPerMb = Math.min(...times)
    if (msPerMb > slowest.msPerMb) Object.assign(slowest, { name, msPerMb })
  }
  return [
    ...(await publicMails()),
    {
      figure: `parsing ${slowest.name}, the slowest of ${all.length} hostile mails`,
      measured: `${slowest.msPerMb.toFixed(1)} ms a MB`,
      bar: '25 ms a MB',
      met: slowest.msPerMb <= 25,
    },
  ]
}

async function publicMails(): Promise<Figure[]> {
  const trees = [...names('malformed'), ...names('rfc')]
  const mixed = names('mixed')
  if (trees.length === 0) return [absent('public mails: read without a throw', 'all')]
  let thrown = 0
  let fields = 0
  let equal = 0
  let unnamed = 0
  for (const name of trees) {
    const [theirs, ours] = await bothOf(name)
    for (const field of Object.keys(theirs) as Field[]) {
      fields += 1
      const same = JSON.stringify(theirs[field]) === JSON.stringify(ours[field])
      if (same) equal += 1
      else if (!mayDiffer(name, field)) unnamed += 1
    }
  }
  for (const name of mixed)
    await readEmail(rawOf(name)).catch(() => {
      thrown += 1
    })
  return [
    {
      figure: 'public mails: read without a throw',
      measured: `${trees.length + mixed.length - thrown} of ${trees.length + mixed.length}`,
      bar: 'all',
      met: thrown === 0,
    },
    {
      figure: 'the same: fields as the parsed tree beside them has them, or named in docs/reading.md',
      measured: `${equal} of ${fields} equal, ${fields - equal - unnamed} named, ${unnamed} neither`,
      bar: '0 neither',
      met: unnamed === 0,
    },
  ]
}

const BOUNCES = join(process.env.CORPORA ?? '', 'bounces')
const facts = { ownAddresses: ['support@shop.example', 'sales@shop.example'], ownMessage: false }

async function machines(): Promise<Figure[]> {
  let suppressed = 0
  for (const { raw, facts: known } of HUMAN_MAILS) {
    const bytes = new TextEncoder().encode(raw)
    const ownLists = ['support@lists.shop.example']
    const said = verdict(await readEmail(bytes), { ...facts, ownLists, ...known, size: bytes.length })
    if (said.class !== 'person' || !said.mayDraft) suppressed += 1
  }
  const human: Figure = {
    figure: 'human mails suppressed, rule-forwarded and list-delivered ones among them',
    measured: `${suppressed} of ${HUMAN_MAILS.length}`,
    bar: '0',
    met: suppressed === 0,
  }
  if (!existsSync(BOUNCES))
    return [absent('public bounces, reports and vacation notes auto-answered', '0'), human]
  const files = readdirSync(BOUNCES).filter(name => name.endsWith('.eml'))
  let answered = 0
  for (const file of files) {
    const raw = new Uint8Array(readFileSync(join(BOUNCES, file)))
    const said = verdict(await readEmail(raw), { ...facts, size: raw.length })
    if (said.maySend || said.mayDraft) answered += 1
  }
  return [
    {
      figure: 'public bounces, reports and vacation notes auto-answered',
      measured: `${answered} of ${files.length}`,
      bar: '0',
      met: answered === 0,
    },
    human,
  ]
}

/** Which mail a report is about is known from its raw bytes: the Message-IDs behind its own header. */
async function bounces(): Promise<Figure[]> {
  if (!existsSync(BOUNCES)) return [absent('public reports tied to the mail they are about', '95 %')]
  let reports = 0
  let tied = 0
  for (const file of readdirSync(BOUNCES).filter(name => name.endsWith('.eml'))) {
    const raw = readFileSync(join(BOUNCES, file))
    const report = deliveryReport(await readEmail(new Uint8Array(raw)))
    const body = raw.toString('latin1').replaceAll('\r\n', '\n')
    const ids = [...body.slice(body.indexOf('\n\n')).matchAll(/^[> \t]*message-id:\s*(<[^>\s]+>)/gim)].map(
      found => idKey(found[1]!),
    )
    if (!report || ids.length === 0) continue
    reports += 1
    if (ids.includes(report.originalIds[0] ?? '')) tied += 1
  }
  return [
    {
      figure: 'public reports that name a mail, tied to the mail they are about',
      measured: `${tied} of ${reports}`,
      bar: '95 %',
      met: tied / reports >= 0.95,
    },
  ]
}

/** What REFERENCES (RFC 5256) does otherwise, as policy: it cuts a loop of citations, and joins by subject (docs/decisions.md). */
const OTHERWISE = new Set(['thread 1 2', 'thread 1 3', 'thread3 1 2', 'thread4 1 2'])

function threads(): Figure[] {
  const random = randomFrom(seed)
  const worst = { precision: 1, recall: 1, orders: 0 }
  const weigh = (
    mails: ThreadMail[],
    wanted: string[][],
    everyEdge: boolean,
    policy: (pair: string) => boolean,
  ) => {
    for (const order of orders(mails, random, 24)) {
      const { extra, missing, precision, recall } = pairs(conversationsOf(order, { everyEdge }), wanted)
      worst.orders += 1
      if (extra.some(pair => !policy(pair))) worst.precision = Math.min(worst.precision, precision)
      if (missing.some(pair => !policy(pair))) worst.recall = Math.min(worst.recall, recall)
    }
  }
  const row = (figure: string): Figure => {
    const { precision, recall, orders: many } = worst
    Object.assign(worst, { precision: 1, recall: 1, orders: 0 })
    return {
      figure: `${figure}, ${many.toLocaleString('en')} orders of arrival: pair precision, recall, the worst`,
      measured: `${precision.toFixed(3)}, ${recall.toFixed(3)}`,
      bar: '1.000, 1.000',
      met: precision === 1 && recall === 1,
    }
  }
  const rows: Figure[] = []
  const given = scripts()
  for (const { name, mails, expected } of given ?? [])
    weigh(mails, expected, true, pair => OTHERWISE.has(`${name} ${pair}`))
  rows.push(
    given
      ? row('threads of the public scripts, four pairs named as policy')
      : absent('threads of the public scripts', '1.000, 1.000'),
  )
  const trees = Array.from({ length: 1000 }, () => tree(random, 2 + Math.floor(random() * 14)))
  for (const mails of trees) weigh(mails, componentsOf(mails), true, () => false)
  rows.push(row('1,000 generated threads by their ids'))
  for (const mails of trees) weigh(mails, componentsOf(mails), false, () => false)
  rows.push(row('the same among those who take part'))
  return rows
}

function trimming(): Figure[] {
  const given = publicReplies()
  return [
    ...(given
      ? replies('public replies', given)
      : [{ figure: 'public replies', measured: 'not run: no corpus', bar: '64 of 64', met: null }]),
    ...replies('our replies', ourReplies),
    ...introductions(),
    ...speed(),
  ]
}

function replies(name: string, set: readonly Reply[]): Figure[] {
  const views = read(set)
  const kept = views.filter(view => view.lost.length === 0).length
  const hideable = views.filter(view => view.reply.shown === undefined)
  const hidden = hideable.filter(view => view.quoted.length === 0).length
  // What is passed on is what the writer sends (F1), and no quote of the mail he answers.
  const clean = views.filter(view => view.leaked.length === 0 || view.reply.shown === 'passed on').length
  const cleaner = views.filter(view => view.leaked.length === 0).length
  const cleanest = views.filter(view => view.quoted.length === 0).length
  const wanted = set.length === 64 ? 55 : hideable.length
  return [
    {
      figure: `${name}: every word the customer wrote is shown`,
      measured: `${kept} of ${set.length}`,
      bar: 'all',
      met: kept === set.length,
    },
    {
      figure: `${name}: free of quoted text, where nobody answers below it and something else is said`,
      measured: `${hidden} of ${hideable.length}`,
      bar: 'all',
      met: hidden === hideable.length,
    },
    {
      figure: `${name}: free of quoted text beyond what the set expects, what is passed on aside`,
      measured: `${clean} of ${set.length}`,
      bar: `${wanted}`,
      met: clean >= wanted,
    },
    {
      figure: `${name}: the same, what is passed on counted as a quote`,
      measured: `${cleaner} of ${set.length}`,
      bar: 'reported',
      met: null,
    },
    {
      figure: `${name}: no line of anybody else's at all`,
      measured: `${cleanest} of ${set.length}`,
      bar: 'reported',
      met: null,
    },
  ]
}

function introductions(): Figure[] {
  const rows: [string, typeof attributions, (text: string) => string, number][] = [
    ['attributions over marked lines', attributions, text => `${text}\n\n${quoteUnder('> ')}`, 0.99],
    ['attributions over unmarked text', attributions, text => `${text}\n\n${quoteUnder('')}`, 0.95],
    ['heads over text', blocks, text => `${text}\n\n${quoteUnder(text.startsWith('>') ? '> ' : '')}`, 0.99],
    [
      'the same with every word made nonsense: attributions, marked',
      attributions,
      text => `${foreign(text)}\n\n${quoteUnder('> ')}`,
      0.8,
    ],
    [
      'the same with every word made nonsense: heads',
      blocks,
      text => `${foreign(text)}\n\n${quoteUnder('')}`,
      0.8,
    ],
  ]
  return rows.map(([figure, list, write, bar]) => {
    const hides = (one: (typeof list)[number]) => newText(`${NEW}\n\n${write(one.text)}`).content === NEW
    const all = list.filter(hides).length
    return {
      figure,
      measured: `${all} of ${list.length}`,
      bar: `${Math.round(bar * 100)} %`,
      met: all / list.length >= bar,
    }
  })
}

function speed(): Figure[] {
  const took = (text: string) => {
    const times = Array.from({ length: 4 }, () => {
      const began = performance.now()
      newText(text)
      return performance.now() - began
    })
    return Math.min(...times)
  }
  let slowest = { name: '', one: 0 }
  let steepest = { name: '', ratio: 0 }
  for (const [name, unit] of Object.entries(hostile)) {
    const text = unit.repeat(Math.ceil(4_000_000 / unit.length))
    const [one, four] = [took(text.slice(0, 1_000_000)), took(text.slice(0, 4_000_000))]
    if (one > slowest.one) slowest = { name, one }
    // Below ten milliseconds the memory's housekeeping decides.
    if (one > 10 && four / one > steepest.ratio) steepest = { name, ratio: four / one }
  }
  return [
    {
      figure: `trimming 1 MB of ${slowest.name}, the slowest of ${Object.keys(hostile).length} hostile texts`,
      measured: ms(slowest.one),
      bar: '200 ms',
      met: slowest.one <= 200,
    },
    {
      figure: `4 MB against 1 MB, the steepest of them: ${steepest.name}`,
      measured: `${steepest.ratio.toFixed(1)} times`,
      bar: '8 times (linear is 4, quadratic 16)',
      met: steepest.ratio <= 8,
    },
  ]
}

const figures = [
  ...(await parsing()),
  ...trimming(),
  ...(await machines()),
  ...(await bounces()),
  ...threads(),
]
console.log(table(figures))
process.exit(figures.some(one => one.met === false) ? 1 : 0)
