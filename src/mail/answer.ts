/** The two bodies of an answer: the text as it is, and the same as HTML that every mail program shows, sources linked. */
import type { Citation } from '../domain/conversation.ts'

const SOURCES: Record<string, string> = { 'zh-TW': '資料來源', 'zh-CN': '资料来源' }

export function answerBodies(
  text: string,
  citations: readonly Citation[],
  language: string,
): { text: string; html: string } {
  const heading = SOURCES[language] ?? 'Sources'
  const listed = citations.map((one, i) => `[${i + 1}] ${one.title}${one.url ? ` ${one.url}` : ''}`)
  const paragraphs = text
    .split(/\n{2,}/)
    .map(paragraph => `<p>${withLinks(paragraph).replaceAll('\n', '<br>\n')}</p>`)
    .join('\n')
  const items = citations.map(one =>
    one.url && /^https?:\/\//.test(one.url)
      ? `<li><a href="${escaped(one.url)}">${escaped(one.title)}</a></li>`
      : `<li>${escaped(one.title)}</li>`,
  )
  const sources = items.length > 0 ? `\n<p>${heading}</p>\n<ol>${items.join('')}</ol>` : ''
  return {
    text: listed.length > 0 ? `${text}\n\n${heading}:\n${listed.join('\n')}\n` : `${text}\n`,
    html: `<!doctype html>\n<html lang="${escaped(language === 'und' ? 'en' : language)}">\n<body>\n${paragraphs}${sources}\n</body>\n</html>\n`,
  }
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
