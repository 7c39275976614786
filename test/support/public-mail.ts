/** The public set of mails, `mime` in the folder that CORPORA names: their parsed trees, our reading, and where the two differ by policy. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { textOfHtml } from '../../src/domain/html.ts'
import { readEmail, safeName } from '../../src/mail/email.ts'
import { shown } from './odd-mail.ts'
import { blocks, type Expected, expectedOf } from './parsed-tree.ts'

const MIME = join(process.env.CORPORA ?? '../shared/corpora', 'mime')
export const hasCorpora = existsSync(MIME)

/** Of one folder of the set: `malformed/001` … */
export function names(folder: string): string[] {
  if (!hasCorpora) return []
  return readdirSync(join(MIME, folder))
    .filter(name => name.endsWith('.eml'))
    .map(name => `${folder}/${name.slice(0, -4)}`)
    .sort()
}

export const rawOf = (name: string) => new Uint8Array(readFileSync(join(MIME, `${name}.eml`)))
export const readOf = async (name: string) => shown(await readEmail(rawOf(name)))

export type Field = keyof Expected

/** Where we differ from the trees, and why: the rows of docs/reading.md. */
export const DIFFERENCES: { why: string; mails: Record<string, Field[]> }[] = [
  {
    why: 'mail is cut on its way; what a customer wrote is shown',
    mails: {
      'malformed/003': ['text', 'attachments'],
      'malformed/006': ['text', 'attachments'],
      'malformed/008': ['text', 'html', 'attachments'],
      'malformed/009': ['text', 'attachments'],
      'malformed/011': ['text', 'attachments'],
      'malformed/016': ['text', 'attachments'],
    },
  },
  {
    why: 'RFC 2046 §5.1.2',
    mails: {
      'malformed/001': ['text', 'attachments'],
      'malformed/009': ['text', 'attachments'],
      'malformed/011': ['text', 'attachments'],
      'malformed/012': ['attachments'],
      'malformed/016': ['text', 'attachments'],
    },
  },
  {
    why: 'boundaries of which one begins like the other are common',
    mails: { 'malformed/001': ['text'], 'malformed/004': ['text', 'attachments'], 'malformed/016': ['text'] },
  },
  {
    why: 'it is what somebody wrote, under a wrong header',
    mails: { 'malformed/002': ['text', 'attachments'], 'malformed/004': ['text', 'attachments'] },
  },
  {
    why: 'there is nothing to open',
    mails: { 'malformed/001': ['attachments'], 'malformed/007': ['attachments'] },
  },
  {
    why: 'two readers of one mail see the same mail',
    mails: { 'malformed/020': ['text', 'html'], 'malformed/021': ['text', 'html'] },
  },
  { why: 'a part without a header begins with what somebody wrote', mails: { 'malformed/019': ['text'] } },
  { why: 'the mail says it', mails: { 'malformed/017': ['attachments'] } },
  { why: 'what a customer typed is no markup', mails: { 'malformed/008': ['html'], 'rfc/007': ['html'] } },
]

export const mayDiffer = (name: string, field: Field) =>
  DIFFERENCES.some(one => one.mails[name]?.includes(field))

/**
 * Their tree and our reading, as one compares them: ids without brackets, texts by their lines, files by type, name and bytes.
 */
export async function bothOf(name: string): Promise<[Expected, Expected]> {
  const raw = rawOf(name)
  const tree = expectedOf(JSON.parse(readFileSync(join(MIME, `${name}.json`), 'utf8')), raw, textOfHtml)
  const { subject, from, to, cc, replyTo, date, messageId, inReplyTo, references, text, html, attachments } =
    await readOf(name)
  const bare = (id: string) => id.replace(/[<>]/g, '')
  return [
    {
      ...tree,
      attachments: tree.attachments.map(file => ({ ...file, name: safeName(file.name, file.type) })),
    },
    {
      ...{ subject, from, to, cc, replyTo, date },
      messageId: messageId && bare(messageId),
      inReplyTo: inReplyTo.map(bare),
      references: references.map(bare),
      text: blocks([text]),
      html: blocks([html ?? '']),
      attachments: attachments.map(file => ({
        type: file.contentType!,
        name: file.filename!,
        bytes: file.bytes!,
      })),
    },
  ]
}
