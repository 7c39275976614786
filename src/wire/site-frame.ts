/**
 * What goes over the site's own socket, as JSON in text frames, and what conversations tell the site. It is told by level: each frame says
 * how a conversation stands now, so who was away needs the last of them only. `seq` is the site's own count; whoever comes back says
 * `?since=` with the last one they had. Presence and queue have none: they are true now or not at all.
 */
import { z } from '@hono/zod-openapi'
import type { NotTaken } from '../sockets/socket.ts'

/** How a conversation stands after a turn. Safe to repeat, and to come late. */
export interface SiteChange {
  conversationId: string
  inboxId: string
  contactId: string
  /** The conversation's own: what is not newer than what is known is not looked at. */
  seq: number
  /** What the frame shows, as JSON. It is kept as JSON and should be small: the last message, not all of them. */
  row: string
  /** Since when a person is wanted and nobody has it, ms; null: nobody is wanted, or somebody has it. */
  waiting: number | null
}

/** A conversation is no more, for good. Safe to repeat, and to come late. */
export interface SiteGone {
  conversationId: string
  /** Of what was erased nobody knows any more, but for the row that is told of it. */
  inboxId?: string
  seq: number
  /** The one it became part of; null where it was erased. */
  to: string | null
}

/** A member who is here, in however many tabs. */
export interface Present {
  id: string
  name: string
}

/** A conversation that waits for a person; `since` is milliseconds as a string. */
export interface Waiting {
  conversation: string
  inbox: string
  since: string
}

export type SiteFrame =
  /** Load the lists anew, and go on from there: what may not be in them yet comes right behind. */
  | { type: 'resync'; seq: number }
  /** `conversation` is the row; of one that is too long to be told it is `{id, inbox, whole: false}`. */
  | { type: 'changed'; seq: number; conversation: object }
  | { type: 'gone'; seq: number; conversation: string; to: string | null }
  /** All that was missed has been told. */
  | { type: 'resumed'; seq: number }
  | { type: 'presence'; here: (Present & { status: 'here' })[] }
  /** The oldest first, and how many there are in all. */
  | { type: 'queue'; waiting: Waiting[]; count: number }
  | NotTaken

/** What a client may send: nothing but the text `ping`. */
export const SiteClientFrame = z.never()

/** Beyond this a row is told by its id only. */
const ROW_CHARS = 65_536

/** @returns JSON */
export function rowText({ conversationId, inboxId, row }: SiteChange): string {
  return row.length <= ROW_CHARS ? row : JSON.stringify({ id: conversationId, inbox: inboxId, whole: false })
}

/** Kept rows are JSON already. */
export function changedText(seq: number, row: string): string {
  return `{"type":"changed","seq":${seq},"conversation":${row}}`
}

export function goneText(seq: number, conversation: string, to: string | null): string {
  return JSON.stringify({ type: 'gone', seq, conversation, to } satisfies SiteFrame)
}
