import { QUOTE_BEGINS } from './quote.ts'

/**
 * The text of an HTML mail: what a person would read, one line a block. Mail is hostile, so this is one pass over the tags in
 * linear time, knows no document tree, and what it does not know it drops. Quotes (blockquote) become `>` lines, so that quote.ts
 * trims them like those of any other mail; where the mail program's own markup says that the quote begins, an unseen mark says so
 * to quote.ts.
 */
export function textOfHtml(html: string): string {
  let out = ''
  let isBlank = true
  let line = ''
  let quoted = 0
  let marks = ''
  let hidden: string | null = null
  let quoteBegins = false
  /** One empty line between two that are not is enough. */
  const blank = () => {
    if (!isBlank) out += '\n'
    isBlank = true
  }
  const end = () => {
    const text = line.trim()
    line = ''
    if (text === '') {
      blank()
      return
    }
    const begin = quoteBegins ? marks + QUOTE_BEGINS : marks
    out += `${begin === '' ? text : begin + text}\n`
    quoteBegins = false
    isBlank = false
  }
  for (let at = 0; at < html.length; ) {
    const open = nextTag(html, at)
    if (hidden === null && open !== at) line += withSingleBlanks(html.slice(at, open < 0 ? undefined : open))
    if (open < 0) break
    const sign = html.charCodeAt(open + 1)
    if (sign === EXCLAMATION && html.startsWith('--', open + 2)) {
      const close = html.indexOf('-->', open + 4)
      at = close < 0 ? html.length : close + 3
      continue
    }
    const close = html.indexOf('>', open)
    if (close < 0) break
    at = close + 1
    const slash = sign === SLASH
    const name = tagName(html, slash ? open + 2 : open + 1)
    if (name === '') continue
    if (hidden !== null) {
      if (slash && name === hidden) hidden = null
      continue
    }
    if (!slash && close > open + name.length + 1 && beginsQuote(html.slice(open, Math.min(at, open + 400)))) {
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
      if (name === 'p' && slash) blank()
      if (name === 'blockquote') {
        quoted = Math.min(Math.max(0, quoted + (slash ? -1 : 1)), 20)
        marks = '> '.repeat(quoted)
      }
    }
  }
  end()
  return decoded(out).trim()
}

const BLANKS = /\s+/g

/** A short word without a blank is looked at faster than a pattern is started. */
function withSingleBlanks(text: string): string {
  if (text.length > 12) return text.replace(BLANKS, ' ')
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code > 0x7f) return text.replace(BLANKS, ' ')
  }
  return text
}

const [EXCLAMATION, SLASH, QUESTION] = [0x21, 0x2f, 0x3f]

const isLetter = (code: number) => (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a
const isDigit = (code: number) => code >= 0x30 && code <= 0x39

/** Where the next tag, comment or declaration begins, -1 where none does; somebody may have written "a < b". */
function nextTag(html: string, from: number): number {
  for (let at = html.indexOf('<', from); at >= 0; at = html.indexOf('<', at + 1)) {
    const sign = html.charCodeAt(at + 1)
    if (isLetter(sign) || sign === SLASH || sign === EXCLAMATION || sign === QUESTION) return at
  }
  return -1
}

/** The name of the tag that begins here, lower-cased; '' where none does. */
function tagName(html: string, from: number): string {
  if (!isLetter(html.charCodeAt(from))) return ''
  let end = from + 1
  let isLower = html.charCodeAt(from) > 0x60
  for (; end < from + 40; end++) {
    const code = html.charCodeAt(end)
    if (!isLetter(code) && !isDigit(code)) break
    if (code < 0x61) isLower = false
  }
  const name = html.slice(from, end)
  return isLower ? name : name.toLowerCase()
}

/**
 * What mail programs call the element that begins with their attribution or the old mail's head: Gmail, Thunderbird, Outlook
 * (web, Mac, mobile, and by its line above the head on the desktop), Yahoo, Proton, Zoho, Roundcube, NetEase. A blockquote alone
 * is no sign: people quote with it too.
 */
const QUOTED_BY =
  /gmail_attr|gmail_quote(?=["'\s>])|moz-cite-prefix|yahoo_quoted|protonmail_quote|zmail_extra|OutlookMessageHeader|divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|mail-editor-reference-message-container|ms-outlook-mobile-reference-message|reply-intro|isReplyContent|border-top:\s?solid #(?:E1E1E1|B5C4DF) 1\.0pt/gi

/** No program writes more of them into one tag. */
const LOOKED_AT = 5

function beginsQuote(tag: string): boolean {
  QUOTED_BY.lastIndex = 0
  for (let n = 0; n < LOOKED_AT; n++) {
    const found = QUOTED_BY.exec(tag)
    if (!found) return false
    if (isValueOf(tag, found.index, /^border/i.test(found[0]))) return true
  }
  return false
}

/**
 * Whether what stands there is of a style; or opens a class or an id, or follows in it a blank, `_`, or the letters Yahoo puts
 * before.
 */
function isValueOf(tag: string, at: number, isStyle: boolean): boolean {
  if (
    !isStyle &&
    !/[\s_="']/.test(tag[at - 1] ?? '') &&
    !/ydp\w{1,40}$/i.test(tag.slice(Math.max(0, at - 43), at))
  )
    return false
  const equals = tag.lastIndexOf('=', at)
  const name = /\s(class|id|style)\s{0,9}$/i.exec(
    tag.slice(Math.max(0, equals - 16), Math.max(0, equals)),
  )?.[1]
  const value = tag.slice(equals + 1, at).replace(/^\s*/, '')
  const before = value.replace(/^["']/, '')
  return (
    name !== undefined &&
    !/["'>]/.test(before) &&
    isStyle === /^s/i.test(name) &&
    (!isStyle || before !== value)
  )
}

/**
 * What is between these tags is not shown. A head has no text but in these, and where it is never closed the body begins in it.
 */
const HIDDEN = new Set([
  'script',
  'style',
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
  let out = ''
  let at = 0
  for (let amp = text.indexOf('&'); amp >= 0; amp = text.indexOf('&', amp + 1)) {
    let semicolon = amp + 1
    while (semicolon < amp + 10 && isOfEntity(text.charCodeAt(semicolon))) semicolon++
    if (text.charCodeAt(semicolon) !== SEMICOLON) continue
    const char = entity(text.slice(amp + 1, semicolon))
    if (char === undefined) continue
    out += text.slice(at, amp) + char
    at = semicolon + 1
  }
  return out + text.slice(at)
}

const [NUMBER, SEMICOLON] = [0x23, 0x3b]

const isOfEntity = (code: number) => isLetter(code) || isDigit(code) || code === NUMBER

/** What an entity's name or number stands for; undefined where it stands for nothing. */
function entity(name: string): string | undefined {
  if (name.charCodeAt(0) !== NUMBER) return Object.hasOwn(NAMED, name) ? NAMED[name] : undefined
  const number = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name)
  if (!number) return undefined
  const code = number[1] ? Number.parseInt(number[1], 16) : Number(number[2])
  const isCharacter = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
  const char = isCharacter ? String.fromCodePoint(code) : ''
  // Our own mark is put in by us alone.
  return char === QUOTE_BEGINS ? '' : char
}
