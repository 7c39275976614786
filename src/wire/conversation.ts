/** A conversation as the API, webhooks and sockets show it: seed 003's fields, and what a team needs to see beside them. */
import { z } from '@hono/zod-openapi'
import { PRIORITIES, type Priority, STATUSES, type Status } from '../domain/conversation.ts'
import { mayAnswerAt } from '../domain/hours.ts'
import type { conversationsByActivity } from '../store/conversations.ts'
import { messagesById } from '../store/conversations.ts'
import type { Db } from '../store/db.ts'
import { inboxesById, replySettingsOf } from '../store/inboxes.ts'
import { type MessageRow, MessageSchema, messageJson } from './message.ts'

const milliseconds = z
  .string()
  .openapi({ description: 'Milliseconds since the epoch, as a string.', example: '1732495353000' })

export const ConversationSchema = z
  .object({
    id: z.uuid(),
    contact: z.object({
      id: z.uuid(),
      name: z.string(),
      avatar: z.string().nullable(),
      address: z.string().nullable(),
      claimedAddress: z
        .string()
        .nullable()
        .openapi({ description: 'What a visitor of a web chat says theirs is; it proves nothing.' }),
      createdAt: milliseconds,
    }),
    inbox: z.object({
      id: z.uuid(),
      name: z.string(),
      channelType: z.string().openapi({ example: 'email' }),
    }),
    title: z.string(),
    status: z.enum(STATUSES),
    snoozedUntil: milliseconds.nullable(),
    priority: z.enum(PRIORITIES).nullable(),
    labels: z.array(z.string()),
    assignee: z.uuid().nullable().openapi({ description: 'The member it is assigned to.' }),
    owner: z.enum(['assistant', 'person']).openapi({ description: 'Who answers.' }),
    linkedTo: z
      .uuid()
      .nullable()
      .openapi({ description: 'A conversation its first mail cited without taking part in it.' }),
    lastMessage: MessageSchema.nullable(),
    lastMessageCreatedAt: milliseconds,
    unreadMessagesCount: z.int(),
    autoReplyEnabled: z.boolean(),
    isAutoReplyNow: z.boolean().openapi({
      description:
        'Whether the assistant would answer at this moment: switched on, the assistant owns it, inside the reply hours, and the inbox is not paused.',
    }),
    lastReadAt: milliseconds.nullable(),
    createdAt: milliseconds,
  })
  .openapi('Conversation')

export type ConversationRow = Awaited<ReturnType<typeof conversationsByActivity>>[number]
type Inbox = Awaited<ReturnType<typeof inboxesById>>[number]

/** @param inbox undefined where it was disconnected */
export function conversationJson(
  { conversation, contact }: ConversationRow,
  inbox: Inbox | undefined,
  last: MessageRow | undefined,
  at: number,
  publicUrl: string,
): z.infer<typeof ConversationSchema> {
  return {
    id: conversation.id,
    contact: {
      id: contact.id,
      name: contact.name,
      avatar: contact.avatar,
      address: contact.address,
      claimedAddress: contact.claimedAddress,
      createdAt: String(contact.createdAt),
    },
    inbox: {
      id: conversation.inboxId,
      name: inbox?.name ?? '',
      channelType: inbox?.channelType ?? 'email',
    },
    title: conversation.title,
    status: conversation.status as Status,
    snoozedUntil: conversation.snoozedUntil === null ? null : String(conversation.snoozedUntil),
    priority: conversation.priority as Priority | null,
    labels: JSON.parse(conversation.labels) as string[],
    assignee: conversation.assigneeId,
    owner: conversation.owner as 'assistant' | 'person',
    linkedTo: conversation.linkedTo,
    lastMessage: last ? messageJson(last, publicUrl) : null,
    lastMessageCreatedAt: String(conversation.lastMessageAt),
    unreadMessagesCount: conversation.unreadCount,
    autoReplyEnabled: conversation.autoReplyEnabled,
    isAutoReplyNow:
      conversation.autoReplyEnabled && conversation.owner === 'assistant' && repliesNow(inbox, at),
    lastReadAt: conversation.lastReadAt === null ? null : String(conversation.lastReadAt),
    createdAt: String(conversation.createdAt),
  }
}

function repliesNow(inbox: Inbox | undefined, at: number): boolean {
  if (!inbox || inbox.paused) return false
  const { hours, timeZone } = replySettingsOf(inbox)
  return mayAnswerAt(hours, timeZone, at)
}

/** Rows of a list, with what stands beside them. */
export async function conversationsJson(
  d1: Db,
  siteId: string,
  rows: readonly ConversationRow[],
  publicUrl: string,
) {
  const [inboxes, lastMessages] = await Promise.all([
    inboxesById(d1, siteId, [...new Set(rows.map(row => row.conversation.inboxId))]),
    messagesById(
      d1,
      siteId,
      rows.flatMap(row => row.conversation.lastMessageId ?? []),
    ),
  ])
  const at = Date.now()
  return rows.map(row =>
    conversationJson(
      row,
      inboxes.find(one => one.id === row.conversation.inboxId),
      lastMessages.find(one => one.id === row.conversation.lastMessageId),
      at,
      publicUrl,
    ),
  )
}
