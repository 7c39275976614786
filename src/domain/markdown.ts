/**
 * Articles out of Markdown. A text that begins with front matter (lines between `---`, with a `title`) is one article. Any other is cut at
 * its top-level headings (`# Title`, CommonMark §4.2): each is the title of the article below it. A `#` inside a code fence is none.
 */
export interface ReadArticle {
  title: string
  body: string
  url: string | null
  language: string | null
  labels: string[]
  /** Where it begins: a line of Markdown, a row of CSV; 1 is the first. */
  at: number
}

export interface Mistake {
  at: number
  message: string
}

export function readMarkdown(text: string): { articles: ReadArticle[]; mistakes: Mistake[] } {
  const lines = text.split(/\r\n|\r|\n/)
  return lines[0]?.trimEnd() === '---' ? wholeFile(lines) : byHeadings(lines)
}

function wholeFile(lines: string[]): { articles: ReadArticle[]; mistakes: Mistake[] } {
  const end = lines.findIndex((line, n) => n > 0 && /^(?:---|\.\.\.)\s*$/.test(line))
  if (end < 0) return mistake(1, 'The front matter has no end: a line of three dashes.')
  const fields = new Map<string, string>()
  for (const [n, line] of lines.slice(1, end).entries()) {
    if (/^\s*(?:#.*)?$/.test(line)) continue
    const field = /^(\w+)\s*:\s*(.*)$/.exec(line)
    if (!field) return mistake(n + 2, 'Front matter is lines of "name: value".')
    fields.set(field[1]!.toLowerCase(), unquoted(field[2]!.trim()))
  }
  const title = fields.get('title') ?? ''
  if (title === '') return mistake(1, 'The front matter has no title.')
  const body = lines.slice(end + 1).join('\n')
  // Often the title stands again above the text.
  const again = /^\s*#\s+(.+?)\s*#*\s*\n/.exec(`${body}\n`)
  return {
    articles: [
      {
        title,
        body: (again?.[1] === title ? body.slice(again[0].length) : body).trim(),
        url: fields.get('url') || null,
        language: fields.get('language') || fields.get('lang') || null,
        labels: readLabels(fields.get('labels') ?? ''),
        at: 1,
      },
    ],
    mistakes: [],
  }
}

function byHeadings(lines: string[]): { articles: ReadArticle[]; mistakes: Mistake[] } {
  const articles: ReadArticle[] = []
  const mistakes: Mistake[] = []
  let fence: string | null = null
  let body: string[] = []
  const close = () => {
    const last = articles.at(-1)
    if (last) last.body = body.join('\n').trim()
    body = []
  }
  for (const [n, line] of lines.entries()) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1]
    if (fence === null) fence = mark ?? null
    else if (mark?.startsWith(fence) && line.trim() === mark) fence = null
    const title = fence === null ? /^ {0,3}#(?:\s+(.*?))?(?:\s+#+)?\s*$/.exec(line) : null
    if (title) {
      close()
      articles.push({
        title: (title[1] ?? '').trim(),
        body: '',
        url: null,
        language: null,
        labels: [],
        at: n + 1,
      })
    } else if (articles.length > 0) body.push(line)
    else if (line.trim() !== '' && mistakes.length === 0)
      mistakes.push({ at: n + 1, message: 'There is text before the first heading (# Title).' })
  }
  close()
  if (articles.length === 0 && mistakes.length === 0)
    mistakes.push({ at: 1, message: 'There is no heading (# Title) in it.' })
  return { articles, mistakes }
}

/** `a, b` or `[a, b]`, as front matter and CSV write a list. */
export function readLabels(text: string): string[] {
  const inside = /^\[(.*)\]$/.exec(text.trim())?.[1] ?? text
  return inside
    .split(/[,;|]/)
    .map(label => unquoted(label.trim()))
    .filter(label => label !== '')
}

function unquoted(value: string): string {
  return /^"(.*)"$/.exec(value)?.[1] ?? /^'(.*)'$/.exec(value)?.[1] ?? value
}

function mistake(at: number, message: string) {
  return { articles: [], mistakes: [{ at, message }] }
}

/**
 * Markdown as a mail can show it: headings, emphasis and code lose their marks, links keep their address, lists and text stay. Only what is
 * surely a mark goes: `2 * 3`, `snake_case` and a `#1` in a sentence are left alone.
 */
export function plainText(markdown: string): string {
  return markdown
    .split('\n')
    .filter(line => !/^\s*(?:```|~~~)/.test(line))
    .map(line =>
      line
        .replace(/^ {0,3}#{1,6}\s+(.*?)\s*#*$/, '$1')
        .replace(/!\[([^\]\n]*)\]\([^)\s]+\)/g, '$1')
        .replace(/\[([^\]\n]+)\]\((https?:\/\/[^)\s]+|mailto:[^)\s]+)\)/g, (_, text: string, url: string) =>
          text === url ? url : `${text} (${url.replace(/^mailto:/, '')})`,
        )
        .replace(/(\*\*|__)(?=\S)([^\n]*?\S)\1/g, '$2')
        .replace(/(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*])\*(?![\w*])/g, '$1')
        .replace(/`([^`\n]+)`/g, '$1'),
    )
    .join('\n')
}
