import { createMimeMessage, Mailbox } from 'mimetext'
import { compose, type OutgoingEmail } from '../../src/mail/compose.ts'
import { type Broken, composeContract } from './compose.ts'

composeContract('ours', async mail => {
  const composed = await compose(mail)
  return composed.kind === 'composed' ? composed.raw : { refused: composed.problem.message }
})

/** mimetext 3.0.28 by its Node entry, the one that `import 'mimetext'` gives a Worker too. */
const BROKEN: Broken[] = [
  {
    rule: 'H7 a file name outside ASCII is written by RFC 2231',
    happens: 'raw UTF-8 between quotes',
    seen: /no filename\*=.*filename=/,
  },
  {
    rule: 'H7 a quote or a backslash in a file name does not end it',
    happens: 'a quote is not escaped and ends the name',
    seen: /another file name/,
  },
  {
    rule: 'H7 every byte is 7-bit, so no 8-bit body is ever labelled 7bit',
    happens: '8-bit bodies',
    seen: /bytes above 127/,
  },
  {
    rule: 'H7 a body says how it is encoded, and a plain short one is left readable',
    happens: 'an 8-bit body is labelled 7bit',
    seen: /labelled otherwise: "7bit"/,
  },
  {
    rule: 'H7 line ends are CRLF and nothing else',
    happens: 'the line ends of the machine, on Linux bare LF',
    seen: /a bare CR or LF/,
  },
  {
    rule: 'H7 no line is longer than 998, and header lines are folded at 78',
    happens: 'nothing is folded',
    seen: /a line too long/,
  },
  {
    rule: 'H7 encoded-words are at most 75 long and whole (RFC 2047 §2, §5)',
    happens: 'one encoded-word of any length',
    seen: /longer than 75/,
  },
  {
    rule: 'H9 a line end in a header field is refused',
    happens: 'none is refused, and a Bcc can be added through most of them',
    seen: /taken all the same: .*"in-reply-to".*"file name"/,
  },
  {
    rule: 'H9 a mail without a recipient is refused',
    happens: 'it is written with an empty To',
    seen: /taken all the same/,
  },
  {
    rule: 'D22 the same input gives the same bytes',
    happens: 'boundaries from Math.random()',
    seen: /other bytes the second time/,
  },
  { rule: 'B3 empty ids are not cited', happens: 'they are', seen: /cited/ },
  {
    rule: 'D2 a chain of 200 ids keeps its first and its last, under 900 octets',
    happens: 'one line of thousands of octets',
    seen: /too long/,
  },
  {
    rule: 'H7 an international domain is written as its A-label (RFC 5890)',
    happens: 'raw UTF-8',
    seen: /written otherwise/,
  },
]

composeContract('mimetext', async mail => withMimetext(mail), BROKEN)

/** As its README has it: headers by setHeader, texts by addMessage, files as base64. */
function withMimetext(mail: OutgoingEmail): Uint8Array | { refused: string } {
  try {
    const box = ({ name, address }: OutgoingEmail['from']) => ({ name, addr: address })
    const message = createMimeMessage()
    message.setSender(box(mail.from))
    message.setTo(mail.to.map(box))
    if (mail.cc.length > 0) message.setCc(mail.cc.map(box))
    if (mail.replyTo !== null) message.setHeader('Reply-To', new Mailbox(box(mail.replyTo)))
    message.setSubject(mail.subject)
    message.setHeader('Message-ID', mail.messageId)
    message.setHeader('Date', new Date(mail.date).toUTCString().replace('GMT', '+0000'))
    if (mail.inReplyTo !== null) message.setHeader('In-Reply-To', mail.inReplyTo)
    if (mail.references.length > 0) message.setHeader('References', mail.references.join(' '))
    if (mail.automatic !== null) {
      message.setHeader('Auto-Submitted', mail.automatic)
      message.setHeader('X-Auto-Response-Suppress', 'All')
    }
    message.addMessage({ contentType: 'text/plain', data: mail.text })
    if (mail.html !== null) message.addMessage({ contentType: 'text/html', data: mail.html })
    for (const file of mail.attachments) {
      message.addAttachment({
        filename: file.filename,
        contentType: file.contentType,
        data: Buffer.from(file.content).toString('base64'),
        ...(file.contentId === undefined ? {} : { inline: true, headers: { 'Content-ID': file.contentId } }),
      })
    }
    return new TextEncoder().encode(message.asRaw())
  } catch (error) {
    return { refused: String(error) }
  }
}
