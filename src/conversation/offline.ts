/**
 * What a visitor of a web chat wrote while nobody was there: it comes into the chat's e-mail inbox as mail would, and goes on by mail. The
 * address is what they said, so it is answered like one that nobody proved: rarely, and with a way to get no more.
 */

import { withoutTag } from '../domain/address.ts'
import type { Opening } from '../domain/conversation.ts'
import { mayAnswerAt } from '../domain/hours.ts'
import { timeOf } from '../domain/ids.ts'
import { languageOf } from '../domain/language.ts'
import { mayBeAnswered } from '../domain/permission.ts'
import { limitOf } from '../limits/attempts.ts'
import { takesPart } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { derivedId } from '../store/ids.ts'
import { type InboxRow, replyRulesOf, replySettingsOf, webChatSettingsOf } from '../store/inboxes.ts'
import { hasOptedOut } from '../store/opt-outs.ts'

export interface OfflineMessage {
  /** Of the visitor's own making. */
  id: string
  contact: { id: string; name: string; address: string }
  /** Their page signed that the address is theirs. */
  proved: boolean
  content: string
}

/** Safe to repeat under the same id. @returns the conversation's id */
export async function takeOffline(
  env: Env,
  chat: InboxRow,
  inbox: InboxRow,
  { id: given, contact, proved, content }: OfflineMessage,
): Promise<string> {
  const { siteId } = chat
  const at = Date.now()
  const made = timeOf(given)
  const [conversationId, id] = await Promise.all([
    derivedId(made, 'offline', siteId, contact.id, given),
    derivedId(made, 'offline message', siteId, contact.id, given),
  ])
  const rules = replySettingsOf(inbox)
  const maySend = proved || (await mayBeMailed(env, siteId, contact.address))
  const verdict = { class: 'person' as const, mayFlow: true, mayDraft: true, maySend }
  const subject = webChatSettingsOf(chat).title ?? chat.name
  const opening: Opening = {
    ...{ siteId, id: conversationId, inboxId: inbox.id, contact, title: subject, linkedTo: null },
    createdAt: at,
  }
  await takesPart(db(env.DB), siteId, conversationId, contact.address)
  await env.CONVERSATION.getByName(`${siteId}/${conversationId}`).receive({
    opening,
    event: {
      message: {
        id,
        direction: 'incoming',
        sender: { kind: 'contact', id: contact.id, name: contact.name },
        content,
        createdAt: at,
        details: {
          subject,
          verdict: { ...verdict, reasons: ['by_form'] },
          language: languageOf(content),
          ...(proved ? {} : { unproved: true }),
          ...(inbox.assistantId ? { assistantId: inbox.assistantId } : {}),
          mail: {
            ...{ inboxId: inbox.id, mailId: id, rfcId: null, references: [], partial: false },
            // Of whom nobody knows whether they wrote it, no word of it goes out: the name might be an advertisement.
            replyTo: { name: proved ? contact.name : '', address: contact.address },
            ours: inbox.address,
          },
        },
      },
      facts: {
        ...{ verdict, old: false, waitedMs: 0, nothingSaid: false, reset: false },
        permitted: mayBeAnswered(contact.address, rules),
        open: mayAnswerAt(rules.hours, rules.timeZone, at),
      },
      rules: replyRulesOf(inbox, rules),
    },
  })
  return conversationId
}

async function mayBeMailed(env: Env, siteId: string, address: string): Promise<boolean> {
  if (await hasOptedOut(db(env.DB), siteId, address)) return false
  return (await (await limitOf(env, 'unproved', `${siteId} ${withoutTag(address)}`)).take()) === 0
}
