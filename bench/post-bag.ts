/**
 * A bag of mail for a box: sizes log-uniform between 2 and 200 KB, text, HTML and attachments mixed, every third a reply to an earlier one
 * by the same writer. Each mail has a number in its subject, by which it is counted again. The same seed makes the same bag.
 */
export interface BagMail {
  n: number
  /** The mail it answers, if any. */
  parent: number | null
  raw: Uint8Array
}

const WRITERS = 400
const WORDS =
  'order parcel refund invoice delivery label customer account password card payment tracking number yesterday please received wrong size colour return exchange store voucher address change question still waiting answer thank you regards hello dear team kindly need help broken item missing part second email again'.split(
    ' ',
  )
const CHINESE =
  '您好，我想詢問我的訂單狀態，包裹到現在還沒有收到，請問可以退款嗎？謝謝您的協助，期待您的回覆。'

export function* bag(count: number, to: string, seed: number): Generator<BagMail> {
  const random = randomFrom(seed)
  const known: { id: string; references: string[]; writer: number }[] = []
  for (let n = 0; n < count; n++) {
    const parent = n % 3 === 2 ? Math.floor(random() * n) : null
    const writer = parent === null ? Math.floor(random() * WRITERS) : known[parent]!.writer
    const references = parent === null ? [] : [...known[parent]!.references, known[parent]!.id].slice(-10)
    const id = `<${seed}.${n}@${to.replace('@', '.')}>`
    known.push({ id, references, writer })
    const size = Math.round(2_000 * 100 ** random())
    yield { n, parent, raw: Buffer.from(mail({ n, to, writer, id, references, size, random })) }
  }
}

export const markerOf = (n: number) => `[m-${n}]`
export const numberIn = (subject: string) => Number(/\[m-(\d+)\]/.exec(subject)?.[1] ?? Number.NaN)

interface Wanted {
  n: number
  to: string
  writer: number
  id: string
  references: string[]
  size: number
  random: () => number
}

function mail({ n, to, writer, id, references, size, random }: Wanted): string {
  const from = `customer${writer}@example.test`
  const reply = references.length > 0
  const quote = reply
    ? `\nOn an earlier day, Support wrote:\n> ${sentence(random)}\n> ${sentence(random)}\n`
    : ''
  // Above what people type, mail is HTML; and the largest are so by what hangs on them.
  const kind = size < 6_000 ? 'text' : size < 40_000 ? (random() < 0.3 ? 'attached' : 'html') : 'attached'
  const typed = kind === 'attached' ? 2_000 : kind === 'html' ? Math.round(size / 3) : size - 600
  const text = `${markerOf(n)} ${random() < 0.2 ? `${CHINESE}\n` : ''}${words(typed, random)}${quote}`
  const head = [
    `Return-Path: <${from}>`,
    `Delivered-To: ${to}`,
    'Received: from mx.example.test (mx.example.test [192.0.2.7])',
    '\tby mail.test (Postfix) with ESMTPS id 4XyZ; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)',
    `From: Customer ${writer} <${from}>`,
    `To: <${to}>`,
    `Subject: ${reply ? 'Re: ' : ''}Question about my order ${markerOf(n)}`,
    `Date: Sat, 21 Nov 2026 ${clock(n)} +0000`,
    `Message-ID: ${id}`,
    ...(reply ? [`In-Reply-To: ${references.at(-1)}`, `References: ${references.join('\n ')}`] : []),
    'MIME-Version: 1.0',
  ]
  const plain = `Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n${text}\n`
  if (kind === 'text') return `${head.join('\n')}\n${plain}`
  const html = `Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n${page(text, kind === 'html' ? size - typed : 3_000)}\n`
  const both = `Content-Type: multipart/alternative; boundary="alt-${n}"\n\n--alt-${n}\n${plain}--alt-${n}\n${html}--alt-${n}--\n`
  if (kind === 'html') return `${head.join('\n')}\n${both}`
  const bytes = Buffer.alloc(Math.max(500, Math.round(((size - 6_000) * 3) / 4)))
  for (let i = 0; i < bytes.length; i += 4)
    bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), Math.min(i, bytes.length - 4))
  const base64 = bytes.toString('base64').replace(/.{76}/g, '$&\n')
  const attachment = `Content-Type: image/jpeg; name="photo-${n}.jpg"\nContent-Disposition: attachment; filename="photo-${n}.jpg"\nContent-Transfer-Encoding: base64\n\n${base64}\n`
  return `${head.join('\n')}\nContent-Type: multipart/mixed; boundary="mix-${n}"\n\n--mix-${n}\n${both}--mix-${n}\n${attachment}--mix-${n}--\n`
}

function page(text: string, size: number): string {
  const paragraphs = text.split('\n').map(line => `<p style="margin:0 0 12px 0">${line}</p>`)
  const style = `<style>${'.cell { padding: 4px 8px; border: 1px solid #ddd }\n'.repeat(Math.ceil(Math.max(0, size - 2_500) / 50))}</style>`
  return `<html><head>${style}</head><body>${paragraphs.join('\n')}</body></html>`
}

function words(length: number, random: () => number): string {
  let text = ''
  while (text.length < length) text += `${sentence(random)}\n`
  return text
}

function sentence(random: () => number): string {
  const some = Array.from(
    { length: 6 + Math.floor(random() * 8) },
    () => WORDS[Math.floor(random() * WORDS.length)]!,
  )
  return `${some.join(' ')}.`
}

function clock(n: number): string {
  const two = (value: number) => String(value).padStart(2, '0')
  return `${two(Math.floor(n / 3600) % 24)}:${two(Math.floor(n / 60) % 60)}:${two(n % 60)}`
}

/** mulberry32 */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
