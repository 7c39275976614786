/** What a conversation owes, one case per effect. What comes back is an event for the conversation, or nothing. */
import { assistantKinds } from '../assistants/index.ts'
import { domainOf } from '../domain/address.ts'
import {
  askedAbout,
  type ConversationEvent,
  type ConversationState,
  type Effect,
  type Message,
} from '../domain/conversation.ts'
import { languageOf } from '../domain/language.ts'
import { problem } from '../domain/problem.ts'
import { replySubject } from '../domain/thread.ts'
import { assistantById } from '../store/assistants.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'

export interface Hands {
  env: Env
  state(): ConversationState
  message(id: string): Message | null
  messages(): Message[]
  /** Resolves when D1 has the copies of everything up to now. */
  copied(): Promise<void>
}

/** @throws where it should be tried again. */
export async function perform(effect: Effect, hands: Hands): Promise<ConversationEvent | null> {
  switch (effect.kind) {
    case 'ask_assistant':
      return askAssistant(effect, hands)
    case 'send':
      return send(effect.messageId, hands)
    case 'withdraw':
      await mailboxOf(hands, hands.message(effect.messageId)).withdraw(effect.messageId, problem(effect.why))
      return null
  }
}

async function askAssistant(
  effect: Extract<Effect, { kind: 'ask_assistant' }>,
  { env, state, message, messages }: Hands,
): Promise<ConversationEvent | null> {
  const now = state()
  // Out of date before it began: a newer effect asks for all that was said.
  if (effect.epoch !== now.epoch) return null
  const { asked, before } = askedAbout(messages(), now.epoch, effect.draft)
  const last = asked.at(-1)
  if (!last) return null
  // Read again: it may have changed while the assistant thought.
  const missing = (): ConversationEvent => ({
    type: 'answer_missing',
    epoch: effect.epoch,
    message: message(last.id) ?? last,
  })
  const { assistantId } = last.details
  const row = assistantId && (await assistantById(db(env.DB), now.siteId, assistantId))
  const assistant = row && assistantKinds[row.kind]?.(row, env)
  if (!row || !assistant) return missing()
  const said = asked.map(m => m.content)
  const answer = await assistant.answer({
    subject: last.details.subject ?? '',
    said,
    history: before.map(m => ({
      from: m.direction === 'incoming' ? ('contact' as const) : ('us' as const),
      text: m.content,
    })),
    cited: before.flatMap(m => m.details.citations?.map(one => one.id) ?? []),
    contactName: now.contact.name,
    assistantName: row.name,
    language: languageOf([...said, last.details.subject ?? ''].join('\n')),
  })
  if (answer.text.trim() === '') return missing()
  const at = Date.now()
  const id = newId(at)
  const mail = last.details.mail
  return {
    type: 'answer_made',
    epoch: effect.epoch,
    ask: effect.id,
    draft: effect.draft,
    handsOver: answer.wantsPerson ?? false,
    message: {
      id,
      sender: { kind: 'assistant', id: row.id, name: row.name },
      content: answer.text,
      createdAt: at,
      details: {
        subject: replySubject(last.details.subject ?? ''),
        citations: answer.citations,
        language: answer.language,
        to: mail?.replyTo?.address,
        mail: mail && {
          ...mail,
          rfcId: `<${id}@${domainOf(mail.ours)}>`,
          // RFC 5322 §3.6.4: the parent's references and then the parent itself.
          references: [...mail.references, ...(mail.rfcId ? [mail.rfcId] : [])],
          inReplyTo: mail.rfcId,
          mailId: id,
        },
      },
    },
  }
}

async function send(messageId: string, hands: Hands): Promise<ConversationEvent | null> {
  const message = hands.message(messageId)
  const { mail } = message?.details ?? {}
  if (message?.delivery?.status !== 'queued' || !mail?.replyTo || !mail.rfcId) return null
  // Our Message-ID is known to D1 before the mail can be answered.
  await hands.copied()
  await mailboxOf(hands, message).enqueue({
    id: message.id,
    conversationId: hands.state().id,
    rfcId: mail.rfcId,
    from: mail.ours,
    to: mail.replyTo,
    subject: message.details.subject ?? '',
    inReplyTo: mail.inReplyTo ?? null,
    references: mail.references,
    text: message.content,
    citations: message.details.citations ?? [],
    language: message.details.language ?? 'und',
    createdAt: message.createdAt,
  })
  return null
}

/** An answer leaves through the inbox that the mail it answers came in by. */
function mailboxOf({ env, state }: Hands, message: Message | null) {
  const { siteId, inboxId } = state()
  return env.MAILBOX.getByName(`${siteId}/${message?.details.mail?.inboxId ?? inboxId}`)
}
