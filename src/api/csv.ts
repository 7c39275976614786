/** Articles out of CSV (RFC 4180). The first row names the columns: title and body, and where they are there url, language, labels. */
import { type CsvError, parse } from 'csv-parse/browser/esm/sync'
import { type Mistake, type ReadArticle, readLabels } from '../domain/markdown.ts'

const COLUMNS = ['title', 'body', 'url', 'language', 'labels']

export function readCsv(text: string): { articles: ReadArticle[]; mistakes: Mistake[] } {
  let rows: { record: string[]; info: { lines: number } }[]
  try {
    rows = parse(text, {
      delimiter: delimiterOf(text),
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
    }) as unknown as typeof rows
  } catch (error) {
    const line = (error as CsvError & { lines?: number }).lines ?? 1
    return {
      articles: [],
      mistakes: [{ at: line, message: 'From this line on it is not CSV: a quote is out of place.' }],
    }
  }
  const [head, ...others] = rows.map(row => row.record)
  const columns = (head ?? []).map(name => name.trim().toLowerCase())
  const mistakes = headMistakes(columns)
  if (mistakes.length > 0) return { articles: [], mistakes }
  const articles: ReadArticle[] = []
  for (const [n, record] of others.entries()) {
    if (record.every(value => value.trim() === '')) continue
    if (record.length > columns.length)
      mistakes.push({
        at: n + 2,
        message: `It has ${record.length} values, and there are ${columns.length} columns.`,
      })
    const value = (name: string) => record[columns.indexOf(name)]?.trim() ?? ''
    articles.push({
      title: value('title'),
      body: value('body'),
      url: value('url') || null,
      language: value('language') || null,
      labels: readLabels(value('labels')),
      at: n + 2,
    })
  }
  return { articles, mistakes }
}

function headMistakes(columns: string[]): Mistake[] {
  const missing = ['title', 'body'].find(name => !columns.includes(name))
  const unknown = columns.find(name => !COLUMNS.includes(name))
  const twice = columns.find((name, n) => columns.indexOf(name) < n)
  const message =
    missing !== undefined
      ? `There is no column named "${missing}". The first row names the columns.`
      : unknown !== undefined
        ? `"${unknown}" is not a column: there are ${COLUMNS.join(', ')}.`
        : twice !== undefined
          ? `The column "${twice}" is there twice.`
          : null
  return message === null ? [] : [{ at: 1, message }]
}

/** Spreadsheets of half of Europe write semicolons. */
function delimiterOf(text: string): string {
  const head = text.split('\n', 1)[0]!
  return [',', ';', '\t'].toSorted((a, b) => head.split(b).length - head.split(a).length)[0]!
}
