import { QUOTE_BEGINS } from './quote.ts'

/**
 * The text of an HTML mail: what a person would read, one line a block. Mail is hostile, so this is one pass over the tags in linear
 * time, knows no document tree, and what it does not know it drops. Quotes (blockquote) become `>` lines, so that quote.ts trims them
 * like those of any other mail; where the mail program's own markup says that the quote begins, an unseen mark says so to quote.ts.
 */
export function textOfHtml(html: string): string {
  const lines: string[] = []
  let line = ''
  let quoted = 0
  let hidden: string | null = null
  let quoteBegins = false
  const end = () => {
    const text = line.trim()
    lines.push(text === '' ? '' : `${'> '.repeat(quoted)}${quoteBegins ? QUOTE_BEGINS : ''}${text}`)
    if (text !== '') quoteBegins = false
    line = ''
  }
  for (let at = 0; at < html.length; ) {
    const open = html.indexOf('<', at)
    if (hidden === null) line += html.slice(at, open < 0 ? undefined : open).replace(/\s+/g, ' ')
    if (open < 0) break
    // Not a tag: somebody wrote "a < b".
    if (!/[a-z/!?]/i.test(html[open + 1] ?? '')) {
      if (hidden === null) line += '<'
      at = open + 1
      continue
    }
    if (html.startsWith('<!--', open)) {
      const close = html.indexOf('-->', open + 4)
      at = close < 0 ? html.length : close + 3
      continue
    }
    const close = html.indexOf('>', open)
    if (close < 0) break
    at = close + 1
    const tag = /^<(\/?)([a-z][a-z0-9]*)/i.exec(html.slice(open, Math.min(close, open + 40)))
    if (!tag) continue
    const [, slash, name] = [tag[0], tag[1], tag[2]!.toLowerCase()]
    if (hidden !== null) {
      if (slash && name === hidden) hidden = null
      continue
    }
    if (
      !slash &&
      close > open + name.length + 1 &&
      QUOTED_BY.test(html.slice(open, Math.min(at, open + 400)))
    ) {
      if (!BLOCKS.has(name)) end()
      quoteBegins = true
    }
    if (!slash && HIDDEN.has(name)) hidden = name
    else if (name === 'br' || name === 'hr') end()
    else if (name === 'li' && !slash) {
      end()
      line = '- '
    } else if (name === 'td' || name === 'th') line += ' '
    else if (BLOCKS.has(name)) {
      end()
      if (name === 'p' && slash) lines.push('')
      if (name === 'blockquote') quoted = Math.min(Math.max(0, quoted + (slash ? -1 : 1)), 20)
    }
  }
  end()
  return decoded(lines.join('\n').replace(/\n{3,}/g, '\n\n')).trim()
}

/**
 * What mail programs call the element that begins with their attribution or the old mail's head: Gmail, Thunderbird, Outlook (web, Mac,
 * mobile, and by its line above the head on the desktop), Yahoo, Proton, Zoho, Roundcube, NetEase. A blockquote alone is no sign: people
 * quote with it too.
 */
const QUOTED_BY =
  /\s(?:class|id)\s*=\s*["']?(?:[^"'>]*(?:[\s_]|ydp\w{1,40}))?(?:gmail_attr|gmail_quote(?=["'\s>])|moz-cite-prefix|yahoo_quoted|protonmail_quote|zmail_extra|OutlookMessageHeader|divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|mail-editor-reference-message-container|ms-outlook-mobile-reference-message|reply-intro|isReplyContent)|\sstyle\s*=\s*["'][^"'>]*border-top:\s?solid #(?:E1E1E1|B5C4DF) 1\.0pt/i

const HIDDEN = new Set([
  'script',
  'style',
  'head',
  'title',
  'template',
  'noscript',
  'svg',
  'math',
  'object',
  'textarea',
  'select',
])
const BLOCKS = new Set(
  'p div blockquote ul ol dl dt dd table tr section article header footer main address pre h1 h2 h3 h4 h5 h6 form center'.split(
    ' ',
  ),
)

const NAMED: Record<string, string> = {
  ...{
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    apos: "'",
    nbsp: ' ',
    ensp: ' ',
    emsp: ' ',
    thinsp: ' ',
    shy: '',
    zwnj: '',
  },
  ...{
    hellip: '…',
    mdash: '—',
    ndash: '–',
    lsquo: '‘',
    rsquo: '’',
    ldquo: '“',
    rdquo: '”',
    laquo: '«',
    raquo: '»',
  },
  ...{
    euro: '€',
    pound: '£',
    yen: '¥',
    cent: '¢',
    copy: '©',
    reg: '®',
    trade: '™',
    deg: '°',
    middot: '·',
    bull: '•',
  },
  ...{
    auml: 'ä',
    ouml: 'ö',
    uuml: 'ü',
    Auml: 'Ä',
    Ouml: 'Ö',
    Uuml: 'Ü',
    szlig: 'ß',
    eacute: 'é',
    egrave: 'è',
    agrave: 'à',
  },
  ...{
    ccedil: 'ç',
    ntilde: 'ñ',
    oacute: 'ó',
    aacute: 'á',
    iacute: 'í',
    uacute: 'ú',
    ecirc: 'ê',
    ocirc: 'ô',
    aring: 'å',
    oslash: 'ø',
  },
}

function decoded(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]{2,8}));/gi, (whole, hex, dec, name) => {
    if (name) return NAMED[name] ?? whole
    const code = hex ? Number.parseInt(hex, 16) : Number(dec)
    const char =
      code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : ''
    // Our own mark is put in by us alone.
    return char === QUOTE_BEGINS ? '' : char
  })
}
