/**
 * The little markdown that assistants write, as a tree: paragraphs, headings, lists, code, bold, italic, links to the web and to addresses.
 * What is none of these stays the text it is. Every step goes forward, so that hostile text costs no more than other text.
 */

/** Named as HTML's elements are; `href` is a link's, and safe. */
export type Inline =
  | string
  | { kind: 'br' | 'code' | 'strong' | 'em' | 'a'; children: Inline[]; href?: string }

export type Block =
  | { kind: 'paragraph' | 'heading'; children: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'list'; start: number | null; items: Inline[][] }

const FENCE = /^ {0,3}(?:```|~~~)/
const HEADING = /^ {0,3}#{1,6} +/
const ITEM = /^ {0,6}(?:[-*•]|(\d{1,9})[.)]) +(?=\S)/

interface Draft {
  kind: Block['kind']
  start: number | null
  /** Of a list its items, else one. */
  texts: string[]
}

export function markdown(text: string): Block[] {
  const drafts: Draft[] = []
  let isOpen = false
  let isBlank = false
  const begin = (kind: Draft['kind'], first: string, start: number | null = null) => {
    drafts.push({ kind, start, texts: [first] })
    isOpen = kind !== 'heading'
  }
  for (const line of text.split(/\r?\n/)) {
    const now: Draft | undefined = drafts[drafts.length - 1]
    const kind: Block['kind'] | null = isOpen && now ? now.kind : null
    const more = (text: string) => now!.texts.push(`${now!.texts.pop()}\n${text}`)
    const item = ITEM.exec(line)
    const number = item?.[1] ? +item[1] : null
    const rest = item && line.slice(item[0].length)
    const isFence = FENCE.test(line)
    if (kind === 'code') {
      if (isFence) isOpen = false
      else more(line)
    } else if (isFence) begin('code', '')
    // An empty line between two items does not end a list; it ends everything else.
    else if (!line.trim()) isOpen = kind === 'list'
    else if (rest !== null) {
      if (kind === 'list' && (now!.start === null) === (number === null)) now!.texts.push(rest)
      else begin('list', rest, number)
    } else if (HEADING.test(line)) begin('heading', line.replace(HEADING, ''))
    else if (kind === 'paragraph' || (kind === 'list' && (!isBlank || line[0] === ' '))) more(line.trim())
    else begin('paragraph', line)
    isBlank = !line.trim()
  }
  return drafts.map(({ kind, start, texts }) => {
    if (kind === 'list') return { kind, start, items: texts.map(inlines) }
    return kind === 'code' ? { kind, text: texts[0]!.slice(1) } : { kind, children: inlines(texts[0]!) }
  })
}

/** A code, an escaped sign, an address, a mark, or text up to the next of these. */
const TOKEN =
  /`([^`\n]+)`|\\([\\`*_[\]()#+.!-])|(https?:\/\/[^\s<>"'`*[\]\u3000-\u303f\uff00-\uff65]+)|(\*\*|__|[*_[\]\n])|(?:(?!https?:\/\/)[^\\`*_[\]\n])+|[\s\S]/gy
const TARGET = /\(([^\s()<>]*)\)/y
const WORD = /[\p{L}\p{N}]/u

/** Bold, italic, code and links of one paragraph. */
export function inlines(text: string): Inline[] {
  const stack: { mark: string; children: Inline[] }[] = [{ mark: '', children: [] }]
  const add = (...all: Inline[]) => stack[stack.length - 1]!.children.push(...all)
  const isOpen = (mark: string) => stack.some(one => one.mark === mark)
  /** The innermost was no mark after all, but text; so all down to `mark`. */
  const undoTo = (mark: string) => {
    while (stack[stack.length - 1]!.mark !== mark) {
      const { mark, children } = stack.pop()!
      add(mark, ...children)
    }
  }
  const close = (kind: 'strong' | 'em' | 'a', href?: string) => {
    const { children } = stack.pop()!
    add({ kind, children, ...(href ? { href } : {}) })
  }
  TOKEN.lastIndex = 0
  for (let token = TOKEN.exec(text); token; token = TOKEN.exec(text)) {
    const [all, code, escaped, url, mark] = token
    const end = TOKEN.lastIndex
    if (code) add({ kind: 'code', children: [code] })
    else if (escaped) add(escaped)
    else if (url) {
      const found = withoutEnd(url)
      const href = isOpen('[') ? null : safeHref(found)
      add(href ? { kind: 'a', href, children: [found] } : found, url.slice(found.length))
    } else if (!mark) add(all)
    else if (mark === '\n') add({ kind: 'br', children: [] })
    else if (mark === '[') {
      // A link holds no other.
      if (isOpen(mark)) add(mark)
      else stack.push({ mark, children: [] })
    } else if (mark === ']') {
      TARGET.lastIndex = end
      const target = isOpen('[') ? TARGET.exec(text) : null
      const href = target && safeHref(target[1]!)
      if (href) {
        undoTo('[')
        close('a', href)
        TOKEN.lastIndex = TARGET.lastIndex
      } else add(mark)
    } else {
      const [before, behind] = [text[token.index - 1] ?? ' ', text[end] ?? ' ']
      const isInWord = mark[0] === '_' && WORD.test(before) && WORD.test(behind)
      if (isOpen(mark) && before.trim() && !isInWord) {
        undoTo(mark)
        close(mark[1] ? 'strong' : 'em')
      } else if (!isOpen(mark) && behind.trim() && !isInWord) stack.push({ mark, children: [] })
      else add(mark)
    }
  }
  undoTo('')
  return stack[0]!.children
}

/** Only these are worth a click; what else a link may say (javascript:, data:, a path of the host's) is text. */
export function safeHref(url: string): string | null {
  try {
    const { protocol, href } = new URL(url)
    return /^(?:https?|mailto):$/.test(protocol) ? href : null
  } catch {
    return null
  }
}

/** A sentence's end is not the address's; a bracket is, where one was opened in it. */
function withoutEnd(url: string): string {
  let end = url.length
  const ends = url.includes('(') ? '.,:;!?' : '.,:;!?)'
  while (ends.includes(url[end - 1]!)) end--
  return url.slice(0, end)
}
