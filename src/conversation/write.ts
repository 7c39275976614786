/**
 * A mail that somebody writes through the API, a person or a program: it goes into the conversation of its recipient, the one that is
 * named, else the latest of this inbox with them, else a new one, and from there out like any other.
 */
import { domainOf, normaliseAddress } from '../domain/address.ts'
import type { AttachmentRef, Author, Delivery } from '../domain/conversation.ts'
import { languageOf } from '../domain/language.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { bareSubject } from '../domain/thread.ts'
import { attachmentKey } from '../mailbox/keys.ts'
import { contactWithAddress } from '../store/contacts.ts'
import { conversationById, latestConversationWith } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { derivedId } from '../store/ids.ts'

export interface EmailOrder {
  siteId: string
  inbox: { id: string; name: string }
  /** The inbox's address or one of its aliases; the caller has checked it. */
  from: string
  to: { name: string; address: string }
  subject: string
  text: string
  attachments: NewAttachment[]
  /** Else the latest conversation of this inbox with that contact, else a new one. */
  conversationId?: string
  /** It is about something else than what is spoken of with them: it begins a conversation of its own. */
  apart?: true
  /** Recipient and sender come from that conversation itself, so its contact need not have that address. */
  answers?: true
  sender: { kind: 'assistant' | 'person'; id: string; name: string }
  by: Author
  /** The message's id, UUIDv7: the same id twice is one mail. */
  id: string
  /** How long to wait for the mail server's word, ms. */
  waitMs: number
  /** How long it may be taken back before it leaves, ms. */
  holdMs?: number
}

export interface NewAttachment {
  filename: string
  contentType: string
  content: Uint8Array
  /** Without angle brackets; the text shows it as `![alt](cid:…)`. */
  contentId?: string
}

export type WrittenEmail =
  | { kind: 'refused'; problem: Problem }
  | { kind: 'written'; messageId: string; conversationId: string; rfcId: string; delivery: Delivery }

/** Together, before encoding: most servers take 25 MB of base64, some 10. */
const ATTACHMENT_BYTES = 10 * 1024 * 1024

export async function writeEmail(env: Env, order: EmailOrder): Promise<WrittenEmail> {
  const { siteId, inbox } = order
  const refused = tooLarge(order.attachments)
  if (refused) return { kind: 'refused', problem: refused }
  const d1 = db(env.DB)
  const at = Date.now()
  const to = { name: order.to.name, address: normaliseAddress(order.to.address) }
  const contact = await contactWithAddress(d1, siteId, {
    id: await derivedId(at, 'contact', siteId, to.address),
    ...to,
    at,
  })
  const named = order.conversationId ? await conversationById(d1, siteId, order.conversationId) : null
  // Another contact's conversation is not this recipient's to read on in.
  if (order.conversationId && !order.answers && named?.contact.id !== contact.id)
    return {
      kind: 'refused',
      problem: problem('not_found', 'There is no conversation of that id with this recipient.'),
    }
  const conversationId =
    named?.conversation.id ??
    (order.apart ? null : await latestConversationWith(d1, siteId, inbox.id, contact.id)) ??
    (await derivedId(at, 'conversation', siteId, order.id))
  const rfcId = `<${order.id}@${domainOf(order.from)}>`
  const stub = env.CONVERSATION.getByName(`${siteId}/${conversationId}`)
  const said = await stub.write(
    {
      siteId,
      id: conversationId,
      inboxId: inbox.id,
      contact: { id: contact.id, name: contact.name, address: to.address },
      title: bareSubject(order.subject).slice(0, 200),
      linkedTo: null,
      createdAt: at,
    },
    {
      by: order.by,
      holdMs: order.holdMs ?? 0,
      message: {
        id: order.id,
        sender: order.sender,
        content: order.text,
        createdAt: at,
        details: {
          subject: order.subject,
          to: to.address,
          language: languageOf(order.text),
          attachments: await keepAttachments(env, siteId, order.id, order.attachments),
          mail: {
            inboxId: inbox.id,
            mailId: order.id,
            rfcId,
            references: [],
            inReplyTo: null,
            replyTo: to,
            ours: order.from,
            partial: false,
          },
        },
      },
    },
  )
  if ('problem' in said) return { kind: 'refused', problem: said.problem }
  const delivery = (!order.holdMs && (await stub.delivery(order.id, order.waitMs))) || said.message.delivery!
  return { kind: 'written', messageId: order.id, conversationId, rfcId, delivery }
}

export function tooLarge(attachments: readonly { content: { length: number } }[]): Problem | null {
  const bytes = attachments.reduce((sum, one) => sum + one.content.length, 0)
  return bytes > ATTACHMENT_BYTES ? problem('attachments_too_large', undefined, 'attachments') : null
}

/** Puts what goes out with a message where its mail is made from. Safe to repeat under the same `place`. */
export async function keepAttachments(
  env: Env,
  siteId: string,
  place: string,
  attachments: readonly NewAttachment[],
): Promise<AttachmentRef[]> {
  return Promise.all(
    attachments.map(async (one, n) => {
      const key = attachmentKey(siteId, place, n)
      await env.MAIL.put(key, one.content)
      return {
        filename: one.filename,
        contentType: one.contentType,
        size: one.content.length,
        disposition: one.contentId ? ('inline' as const) : ('attachment' as const),
        contentId: one.contentId ?? null,
        key,
        part: null,
      }
    }),
  )
}
