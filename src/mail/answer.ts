/** The two bodies of a mail we send: the text as it is, and the same as HTML that every mail program shows, sources linked. */
import type { Citation } from '../domain/conversation.ts'
import { withImages } from '../domain/images.ts'
import { textsIn } from '../domain/texts.ts'

export interface Bodies {
  text: string
  citations: readonly Citation[]
  /** IETF tag, or 'und'. */
  language: string
  /** Says that a machine wrote it; null where a person did. */
  aiLine: string | null
  /** Empty for none; set off by `-- `, so that mail programs know it (RFC 3676 §4.3). */
  signature: string
  /** What is answered, quoted below; null for none. */
  original: Original | null
}

export interface Original {
  /** The writer as the quote names them. */
  who: string
  at: number
  text: string
}

/** Longer originals are quoted to here: the contact has them. */
const QUOTED_CHARS = 20_000

export function answerBodies(bodies: Bodies): { text: string; html: string } {
  const { text, citations, language, aiLine, signature } = bodies
  const { sources } = textsIn(language)
  const quote = bodies.original && quoteOf(bodies.original, language)
  const listed = citations.map((one, i) => `[${i + 1}] ${one.title}${one.url ? ` ${one.url}` : ''}`)
  const plain = [
    withImages(text, alt => (alt ? `[${alt}]` : '')),
    ...(listed.length > 0 ? [`${sources}:\n${listed.join('\n')}`] : []),
    ...(aiLine ? [aiLine] : []),
    ...(signature ? [`-- \n${signature}`] : []),
    ...(quote ? [`${quote.heading}\n${quote.lines.map(line => (line ? `> ${line}` : '>')).join('\n')}`] : []),
  ]
  const items = citations.map(one =>
    one.url && /^https?:\/\//.test(one.url)
      ? `<li><a href="${escaped(one.url)}">${escaped(one.title)}</a></li>`
      : `<li>${escaped(one.title)}</li>`,
  )
  const html = [
    paragraphsOf(text),
    ...(items.length > 0 ? [`<p>${sources}</p>\n<ol>${items.join('')}</ol>`] : []),
    ...(aiLine ? [`<p><small>${withLinks(aiLine)}</small></p>`] : []),
    ...(signature ? [`<div>-- <br>\n${withLinks(signature).replaceAll('\n', '<br>\n')}</div>`] : []),
    ...(quote
      ? [
          `<div class="gmail_quote"><p>${escaped(quote.heading)}</p>\n<blockquote type="cite">${quote.lines.map(escaped).join('<br>\n')}</blockquote></div>`,
        ]
      : []),
  ]
  return {
    text: `${plain.join('\n\n')}\n`,
    html: `<!doctype html>\n<html lang="${escaped(language === 'und' ? 'en' : language)}">\n<body>\n${html.join('\n')}\n</body>\n</html>\n`,
  }
}

function quoteOf(original: Original, language: string): { heading: string; lines: string[] } {
  const when = new Date(original.at).toISOString().slice(0, 16).replace('T', ' ')
  return {
    heading: textsIn(language).wrote(`${when} UTC`, original.who),
    lines: original.text.slice(0, QUOTED_CHARS).trimEnd().split('\n'),
  }
}

function paragraphsOf(text: string): string {
  return text
    .split(/\n{2,}/)
    .map(paragraph => `<p>${withImages(paragraph, imageTag, withLinks).replaceAll('\n', '<br>\n')}</p>`)
    .join('\n')
}

function imageTag(alt: string, cid: string): string {
  return `<img src="cid:${escaped(cid)}" alt="${escaped(alt)}">`
}

function withLinks(text: string): string {
  return text
    .split(/(https?:\/\/[^\s<>"')]+)/)
    .map((piece, i) => (i % 2 === 1 ? `<a href="${escaped(piece)}">${escaped(piece)}</a>` : escaped(piece)))
    .join('')
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
