/** Seed 001, usage: a program sends a mail from the site's inbox with the standard tool. */
import { createRoute, z } from '@hono/zod-openapi'
import { writeEmail } from '../conversation/write.ts'
import { isUuid } from '../domain/ids.ts'
import { type Problem, statusOf } from '../domain/problem.ts'
import { assistantById } from '../store/assistants.ts'
import { conversationById } from '../store/conversations.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import { EmailSettings, type InboxRow, inboxById } from '../store/inboxes.ts'
import { seesInbox, type Who } from './access.ts'
import { AgentRefusal, agentNoun, agentRefusals, mustBeOwnSite } from './agent-answers.ts'
import { attachmentsOf, NewAttachmentSchema } from './attachments.ts'
import { mailAddress, ONE_LINE } from './inbox-fields.ts'
import { siteInbox } from './site-email.ts'

const oneLine = z.string().regex(ONE_LINE, 'must be one line')

const SendOrder = z
  .object({
    site_id: z.string(),
    siteId: z.string(),
    to: mailAddress,
    email: mailAddress,
    subject: oneLine.trim().min(1).max(900),
    content: z.string().openapi({ description: 'Plain text.' }),
    message: z.string(),
    from: mailAddress.openapi({ description: 'The inbox’s address or one of its aliases.' }),
    agent_id: z.string().max(100),
    conversation_id: z.string(),
    attachments: z.array(NewAttachmentSchema).max(50),
  })
  .partial()
  .required({ subject: true })
  .openapi('EmailToSend')

const SentSchema = z
  .object({
    success: z.literal(true),
    email_id: z.uuid(),
    envelope_id: z.uuid(),
    conversation_id: z.uuid(),
    recipient: z.string(),
    sender: z.string(),
    subject: z.string(),
    message_preview: z.string(),
    sent_at: z.string().nullable().openapi({ description: 'ISO 8601; null where it has not left.' }),
    status: z.string().openapi({ example: 'sent' }),
    external_message_id: z.string().openapi({ description: 'The Message-ID of the mail.' }),
  })
  .openapi('SentEmail')

const send = createRoute({
  method: 'post',
  path: '/sendEmail',
  summary: 'Send a mail from the site’s inbox',
  description:
    'To `to` (or `email`) with `content` (or `message`). It opens the recipient’s conversation or goes on with it. `sent` is said after the mail server’s 250; what is not known within 20 seconds is 202.',
  request: { body: { required: true, content: { 'application/json': { schema: SendOrder } } } },
  responses: {
    201: { description: 'Sent', content: { 'application/json': { schema: SentSchema } } },
    202: {
      description:
        'Not known yet (`queued`), or never to be known (`uncertain`: do not send it again by program)',
      content: { 'application/json': { schema: SentSchema } },
    },
    ...agentRefusals('SITE_CONFIG_NOT_FOUND', 'NOT_FOUND', 'EMAIL_NOT_CONFIGURED', 'EMAIL_SEND_FAILED'),
  },
})

const WAIT_MS = 20_000
const PREVIEW_CHARS = 100
const TEXT_CHARS = 200_000
export const sendEmail = agentNoun().openapi(send, async c => {
  const typed = c.req.valid('json')
  mustBeOwnSite(c, typed.site_id ?? typed.siteId)
  const siteId = c.get('siteId')
  const to = typed.to ?? typed.email
  const text = typed.content ?? typed.message
  if (to === undefined) throw required('to')
  if (text === undefined || text.trim() === '') throw required('content')
  if (text.length > TEXT_CHARS)
    throw new AgentRefusal('INVALID_REQUEST', `"content" may have ${TEXT_CHARS} characters at most.`, {
      field: 'content',
    })
  const inbox = await sendingInbox(c.env, siteId, c.get('who'), typed.conversation_id)
  const from = typed.from ?? inbox.address
  if (![inbox.address, ...EmailSettings.parse(JSON.parse(inbox.settings)).aliases].includes(from))
    throw new AgentRefusal('INVALID_REQUEST', `${from} is not an address of this inbox.`, { field: 'from' })
  if (typed.agent_id !== undefined && !(await assistantNamed(c.env, siteId, typed.agent_id)))
    throw new AgentRefusal('INVALID_REQUEST', `There is no assistant with the id ${typed.agent_id}.`, {
      field: 'agent_id',
    })
  const who = c.get('who')
  const written = await writeEmail(c.env, {
    siteId,
    inbox,
    from,
    to: { name: '', address: to },
    subject: typed.subject,
    text,
    attachments: attachmentsOf(typed.attachments ?? []),
    ...(typed.conversation_id ? { conversationId: typed.conversation_id } : {}),
    sender: await senderOf(c.env, siteId, who, typed.agent_id ?? inbox.assistantId),
    by: { kind: who.kind === 'member' ? 'person' : 'program', id: who.id, name: who.name },
    id: newId(),
    waitMs: WAIT_MS,
  })
  if (written.kind === 'refused') throw notWritten(written.problem)
  const { status, problem } = written.delivery
  const answer = {
    success: true as const,
    email_id: written.messageId,
    envelope_id: written.messageId,
    conversation_id: written.conversationId,
    recipient: to,
    sender: from,
    subject: typed.subject,
    message_preview: text.slice(0, PREVIEW_CHARS),
    external_message_id: written.rfcId,
  }
  if (status === 'sent')
    return c.json({ ...answer, sent_at: new Date(written.delivery.at).toISOString(), status }, 201)
  if (['queued', 'sending', 'leaving', 'retry'].includes(status))
    return c.json({ ...answer, sent_at: null, status: 'queued' }, 202)
  // An error would make programs send it again, and it may have arrived.
  if (status === 'uncertain') return c.json({ ...answer, sent_at: null, status }, 202)
  throw new AgentRefusal('EMAIL_SEND_FAILED', problem?.message ?? 'The mail was not sent.', {
    status,
    email_id: written.messageId,
    ...(problem ? { code: problem.code } : {}),
  })
})

/** The inbox of the conversation that is named, else the site's. */
async function sendingInbox(env: Env, siteId: string, who: Who, conversationId?: string): Promise<InboxRow> {
  const inbox =
    conversationId === undefined
      ? await siteInbox(env, siteId)
      : await inboxOfConversation(env, siteId, who, conversationId)
  if (!inbox) throw new AgentRefusal('EMAIL_NOT_CONFIGURED', 'No e-mail inbox is connected to this site.')
  if (!seesInbox(who, inbox.id))
    throw new AgentRefusal('FORBIDDEN', 'You have no right to the inbox that this would be sent from.')
  if (inbox.verifiedAt === null)
    throw new AgentRefusal(
      'EMAIL_NOT_CONFIGURED',
      'The connection was not tested yet: POST /api/agents/email/check first.',
    )
  if (inbox.paused)
    throw new AgentRefusal('EMAIL_NOT_CONFIGURED', 'This inbox is paused: nothing is sent from it.')
  return inbox
}

async function inboxOfConversation(env: Env, siteId: string, who: Who, id: string) {
  const d1 = db(env.DB)
  const there = isUuid(id) ? await conversationById(d1, siteId, id) : undefined
  if (!there || !seesInbox(who, there.conversation.inboxId))
    throw new AgentRefusal('NOT_FOUND', 'There is no conversation with that id.', {
      field: 'conversation_id',
    })
  const inbox = await inboxById(d1, siteId, there.conversation.inboxId)
  if (!inbox)
    throw new AgentRefusal('EMAIL_NOT_CONFIGURED', 'The inbox of this conversation was disconnected.')
  return inbox
}

async function assistantNamed(env: Env, siteId: string, id: string) {
  return isUuid(id) ? assistantById(db(env.DB), siteId, id) : undefined
}

/** A program speaks as the assistant, a member as themself. */
async function senderOf(env: Env, siteId: string, who: Who, assistantId: string | null) {
  const assistant =
    who.kind === 'key' && assistantId !== null ? await assistantNamed(env, siteId, assistantId) : undefined
  return assistant
    ? { kind: 'assistant' as const, id: assistant.id, name: assistant.name }
    : { kind: 'person' as const, id: who.id, name: who.name }
}

function notWritten(why: Problem): AgentRefusal {
  const status = statusOf(why.code)
  return new AgentRefusal(
    status === 404 ? 'NOT_FOUND' : status < 500 ? 'INVALID_REQUEST' : 'EMAIL_SEND_FAILED',
    why.message,
    { code: why.code },
  )
}

function required(field: string): AgentRefusal {
  return new AgentRefusal('INVALID_REQUEST', `"${field}" is required.`, { field })
}
