import type { Email } from './email.ts'

/** The ids by which mails name each other, and subjects, which are bared for showing and comparing only (D8). */

/** Mails cite up to a few dozen ids; a list of thousands is an attack on the look-up. */
const MOST_CITED = 200

/** Every id a mail names, the nearest first: what it answers, then its references from the last to the first. */
export function citedIds(email: Email): string[] {
  const cited: string[] = []
  const seen = new Set<string>()
  for (const entry of nearestFirst(email)) {
    for (const id of entry.includes('<') ? messageIds(entry) : [entry.trim()]) {
      const key = idKey(id)
      if (key === '' || seen.has(key)) continue
      seen.add(key)
      cited.push(id)
      if (cited.length === MOST_CITED) return cited
    }
  }
  return cited
}

function* nearestFirst(email: Email): Generator<string> {
  yield* email.inReplyTo
  for (let i = email.references.length - 1; i >= 0; i -= 1) yield email.references[i]!
}

/**
 * The ids in the value of a Message-ID, In-Reply-To or References header, in its order and as they are written there,
 * with their angle brackets. RFC 5322 §3.6.4 wants `<id>`s and white space; mail has prose, commas, comments, ids
 * without brackets, ids with blanks in them. Nothing is ever put together from two pieces.
 */
export function messageIds(header: string): string[] {
  const ids: string[] = []
  let at = 0
  let close = -1
  while (at < header.length) {
    const open = header.indexOf('<', at)
    if (open < 0) break
    addBareIds(header.slice(at, open), ids)
    if (close < open) close = header.indexOf('>', open)
    if (close < 0) close = Number.POSITIVE_INFINITY
    const next = header.indexOf('<', open + 1)
    if (close === Number.POSITIVE_INFINITY || (next >= 0 && next < close)) {
      // The bracket was never closed: what follows it, up to the next one, is an id without its end.
      const end = next < 0 ? header.length : next
      addBareIds(header.slice(open + 1, end), ids)
      at = end
    } else {
      const id = header.slice(open, close + 1)
      if (idKey(id) !== '') ids.push(id)
      at = close + 1
    }
  }
  addBareIds(header.slice(at), ids)
  const whole = header.trim()
  return ids.length > 0 || whole.includes('<') || idKey(whole) === '' ? ids : [whole]
}

/** The one id of a Message-ID header, kept verbatim also where it is odd (B4); null where empty or `<>` (B3). */
export function messageIdOf(header: string): string | null {
  const open = header.indexOf('<')
  const close = header.indexOf('>', open)
  const id = open >= 0 && close > open ? header.slice(open, close + 1) : header.trim()
  return idKey(id) === '' ? null : id
}

/** What ids are compared and looked up by: brackets and white space are not part of an id (RFC 5322 §3.6.4). */
export function idKey(id: string): string {
  return id.replaceAll(/[<>\s\u0000]/g, '')
}

function addBareIds(prose: string, ids: string[]): void {
  for (const word of prose.split(/[\s,;"()>]+/)) {
    if (word.includes('@') && word.length > 2) ids.push(word)
  }
}

/** The subject without "Re:" and "Fwd:", as clients of many languages write them, and without doubled blanks. */
export function bareSubject(subject: string): string {
  let bare = subject
    .replaceAll(/[\s\u0000-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/g, ' ')
    .trim()
  for (;;) {
    const prefix = PREFIX.exec(bare)
    if (prefix === null) return bare
    bare = bare.slice(prefix[0].length)
  }
}

/** Exactly one `Re: `, in English as RFC 5322 §3.6.5 has it, whatever the customer's client wrote before. */
export function replySubject(subject: string): string {
  return `Re: ${bareSubject(subject)}`.trimEnd()
}

/** Whole words in front of a colon, so that "Software:" is not "…re:". Italian `I:` is left out: it is English too. */
const PREFIXES = [
  're|fwd?|fw',
  'aw|antw|antwort|wg|weitergeleitet', // German
  'sv|vs|vb|vl|vá|fs|videresendt|vidarebefordrat|vastaus', // Swedish, Danish, Norwegian, Finnish, Hungarian, Icelandic
  'antw|doorst|betr', // Dutch
  'réf|ref|rép|rep|tr', // French
  'rif|r', // Italian
  'rv|res|enc|resp|resposta|respuesta|reenv', // Spanish, Portuguese
  'odp|pd|přep|fwd', // Polish, Czech
  'ответ|отв|на|пересл|відп|відповідь|пер', // Russian, Ukrainian
  'απ|πρθ|σχετ|ynt|ilt|İLT|atb|yml|bls|trs', // Greek, Turkish, Welsh, Indonesian
  'trả lời|chuyển tiếp|ตอบ|ส่งต่อ|השב|הועבר|تابع|رد|إعادة توجيه',
  '回复|回覆|答复|答覆|回信|转发|轉寄|轉發|转寄|轉|转',
  '返信|転送|回信|회신|답장|답변|전달',
].join('|')

const PREFIX = new RegExp(
  `^(?:${PREFIXES}) ?(?:\\[\\d{1,4}\\]|\\(\\d{1,4}\\)|（\\d{1,4}）|\\^\\d{1,4}|\\*\\d{1,4})? ?[:：] ?`,
  'iu',
)
