/**
 * The parsed trees that lie beside the mails of the corpora `mime/malformed` and `mime/rfc` (stalwartlabs/mail-parser, MIT), as
 * the fields of our `Email`: what another reader makes of the same bytes. Nothing of it is ours but the shape.
 */
export interface Expected {
  subject: string
  from: string[]
  to: string[]
  cc: string[]
  replyTo: string[]
  date: number | null
  messageId: string | null
  inReplyTo: string[]
  references: string[]
  /** The parts of the text, blank lines and line ends aside. */
  text: string[]
  html: string[]
  /** Type, name, and bytes as one character a byte. */
  attachments: { type: string; name: string; bytes: string }[]
}

interface Tree {
  text_body: number[]
  html_body: number[]
  attachments: number[]
  parts: Part[]
}

interface Part {
  headers: { name: string | { other: string }; value: 'Empty' | Record<string, unknown> }[]
  body: {
    Text?: string
    Html?: string
    Binary?: number[]
    InlineBinary?: number[]
    Message?: Tree
    Multipart?: number[]
  }
  offset_body: number
  offset_end: number
}

interface Mailbox {
  name: string | null
  address: string | null
}

/** `textOfHtml` is ours: what an HTML part says as text is no question of MIME. */
export function expectedOf(tree: Tree, raw: Uint8Array, textOfHtml: (html: string) => string): Expected {
  const root = tree.parts[0]!
  const values = (name: string) =>
    root.headers.filter(header => header.name === name).map(header => header.value)
  const first = (name: string, kind: string) => {
    const value = values(name)[0]
    return value === undefined || value === 'Empty' ? undefined : value[kind]
  }
  const ids = (name: string) => [first(name, 'Text') ?? first(name, 'TextList') ?? []].flat() as string[]
  const boxes = (name: string) =>
    ((first(name, 'Address') as { List?: Mailbox[] } | undefined)?.List ?? []).map(box =>
      boxOf(box.name ?? '', box.address ?? ''),
    )
  const part = (index: number) => tree.parts[index]!
  return {
    subject: (first('subject', 'Text') as string | undefined) ?? '',
    from: boxes('from'),
    to: boxes('to'),
    cc: boxes('cc'),
    replyTo: boxes('reply_to'),
    date: dateOf(first('date', 'DateTime') as StatedDate | undefined),
    messageId: ids('message_id')[0] ?? null,
    inReplyTo: ids('in_reply_to'),
    references: ids('references'),
    text: blocks(
      tree.text_body
        .map(index => part(index).body)
        .map(body => body.Text ?? (body.Html ? textOfHtml(body.Html) : '')),
    ),
    html: tree.html_body.some(index => part(index).body.Html !== undefined)
      ? blocks(tree.html_body.map(index => part(index).body.Html ?? part(index).body.Text ?? ''))
      : [],
    attachments: tree.attachments.map(index => ({
      type: typeOf(part(index)),
      name: nameOf(part(index)),
      bytes: bytesOf(part(index), raw),
    })),
  }
}

export function boxOf(name: string, address: string): string {
  return `${name} <${address}>`
}

/** Blank lines between parts, and whether a part ends with one, are nobody's claim. */
export function blocks(texts: readonly string[]): string[] {
  return texts
    .flatMap(text => text.replace(/\r\n/g, '\n').split(/\n+/))
    .map(line => line.trimEnd())
    .filter(line => line !== '')
}

interface StatedDate {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
  tz_before_gmt: boolean
  tz_hour: number
  tz_minute: number
}

function dateOf(date: StatedDate | undefined): number | null {
  if (!date) return null
  const offset = (date.tz_hour * 60 + date.tz_minute) * (date.tz_before_gmt ? -60_000 : 60_000)
  return Date.UTC(date.year, date.month - 1, date.day, date.hour, date.minute, date.second) - offset
}

interface Stated {
  c_type: string
  c_subtype: string | null
  attributes: { name: string; value: string }[] | null
}

function stated(part: Part, name: string): Stated | undefined {
  const value = part.headers.find(header => header.name === name)?.value
  return value === undefined || value === 'Empty' ? undefined : (value.ContentType as Stated)
}

function typeOf(part: Part): string {
  const type = stated(part, 'content_type')
  if (type) return `${type.c_type}/${type.c_subtype}`
  return part.body.Message ? 'message/rfc822' : 'text/plain'
}

function nameOf(part: Part): string {
  const attribute = (of: string, name: string) =>
    stated(part, of)?.attributes?.find(one => one.name === name)?.value
  return attribute('content_disposition', 'filename') ?? attribute('content_type', 'name') ?? ''
}

/** A nested mail is told by where it stands; what was decoded, by its bytes. */
function bytesOf(part: Part, raw: Uint8Array): string {
  const { Text, Html, Binary, InlineBinary } = part.body
  const binary = Binary ?? InlineBinary
  if (binary) return String.fromCharCode(...binary)
  const text = Text ?? Html
  if (text !== undefined) return String.fromCharCode(...new TextEncoder().encode(text))
  const body = String.fromCharCode(...raw.subarray(part.offset_body, part.offset_end))
  const encoding = part.headers.find(header => header.name === 'content_transfer_encoding')?.value
  return encoding !== undefined && encoding !== 'Empty' && encoding.Text === 'base64' ? atob(body) : body
}
