/**
 * `npm run bench:read`: how well mail is read, against the sets in the folder that CORPORA names and our own, which are always there.
 * So far its trimming: what of a reply is shown as new.
 */
import { newText } from '../src/domain/quote.ts'
import { hostile } from '../test/domain/quote-hostile.ts'
import { attributions, blocks, foreign, NEW, quoteUnder } from '../test/domain/quote-lines.ts'
import { ourReplies, publicReplies, type Reply, read } from '../test/domain/quote-replies.ts'
import { type Figure, ms, table } from './report.ts'

console.log(table(trimming()))

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
