/**
 * A contact left the chat before they saw an answer: it goes after them by mail, where they said an address and the chat has an e-mail
 * inbox for it. What they answer to that mail comes back into the same conversation. An address that nobody proved gets few such mails,
 * and each says how to get no more.
 */
import { domainOf, withoutTag } from '../domain/address.ts'
import type { ConversationEvent, Message } from '../domain/conversation.ts'
import { languageOf } from '../domain/language.ts'
import { plainText } from '../domain/markdown.ts'
import { textsIn } from '../domain/texts.ts'
import { unseen } from '../domain/visit.ts'
import { limitOf } from '../limits/attempts.ts'
import { log } from '../log.ts'
import { contactById } from '../store/contacts.ts'
import { db } from '../store/db.ts'
import { derivedId } from '../store/ids.ts'
import { emailInboxById, type InboxRow, inboxById, webChatSettingsOf } from '../store/inboxes.ts'
import { hasOptedOut } from '../store/opt-outs.ts'
import type { Hands, NotYet } from './perform.ts'

/** @throws where it should be tried again. */
export async function continueByMail(
  afterMs: number,
  hands: Hands,
): Promise<ConversationEvent | NotYet | null> {
  const state = hands.state()
  const all = hands.messages()
  const missed = unseen(state, all)
  const [oldest, newest] = [missed[0], missed.at(-1)]
  if (!oldest || !newest) return null
  // What was owed a look may have been seen; what came later has its own time.
  const dueAt = oldest.createdAt + afterMs
  if (dueAt > Date.now()) return { type: 'not_yet', dueAt }
  // The page is open: a badge tells them.
  if (hands.isContactHere()) return { type: 'not_yet', dueAt: Date.now() + afterMs }
  const way = await wayTo(hands, state)
  if (!way) return null
  const { chat, inbox, to } = way
  const title = webChatSettingsOf(chat).title ?? chat.name
  const language = languageOf(missed.map(one => one.content).join('\n'))
  const say = textsIn(language)
  const id = await derivedId(newest.createdAt, 'continues', state.siteId, state.id, newest.id)
  const before = all.filter(one => one.details.continues && one.details.mail?.rfcId)
  const references = before.flatMap(one => one.details.mail!.rfcId!)
  return {
    type: 'continued',
    since: newest.createdAt,
    message: {
      id,
      sender: newest.sender,
      content: [say.missed(title), ...missed.map(said), say.goesOn].join('\n\n'),
      createdAt: Date.now(),
      details: {
        subject: say.answerOf(title),
        to: to.address,
        language,
        by: { kind: 'program', id: chat.id, name: title },
        continues: missed.map(one => one.id),
        attachments: missed.flatMap(one => one.details.attachments ?? []),
        citations: missed.flatMap(one => one.details.citations ?? []),
        mail: {
          inboxId: inbox.id,
          mailId: id,
          rfcId: `<${id}@${domainOf(inbox.address)}>`,
          references,
          inReplyTo: references.at(-1) ?? null,
          replyTo: to,
          ours: inbox.address,
          partial: false,
        },
      },
    },
  }
}

interface Way {
  chat: InboxRow
  inbox: InboxRow
  to: { name: string; address: string }
}

async function wayTo({ env }: Hands, state: ReturnType<Hands['state']>): Promise<Way | null> {
  const { siteId } = state
  const d1 = db(env.DB)
  const [chat, contact] = await Promise.all([
    inboxById(d1, siteId, state.inboxId),
    contactById(d1, siteId, state.contact.id),
  ])
  const address = contact?.address ?? contact?.claimedAddress
  const { mailInboxId = null } = chat ? webChatSettingsOf(chat) : {}
  const inbox = mailInboxId === null ? undefined : await emailInboxById(d1, siteId, mailInboxId)
  if (!chat || !contact || !address || !inbox || inbox.paused) return null
  if (await hasOptedOut(d1, siteId, address)) return null
  if (
    contact.address === null &&
    (await (await limitOf(env, 'unproved', `${siteId} ${withoutTag(address)}`)).take()) > 0
  ) {
    log('continuity_capped', { conversation: state.id })
    return null
  }
  return {
    chat,
    inbox,
    to: { name: contact.address === null || contact.name === address ? '' : contact.name, address },
  }
}

/** As the chat shows it, without the marks of Markdown. */
function said({ sender, content }: Message): string {
  const text = plainText(content).trim()
  return sender.name === '' ? text : `${sender.name}:\n${text}`
}
