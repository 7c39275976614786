/** Whether somebody who writes in a web chat now is answered now. */
import { mayAnswerAt } from '../domain/hours.ts'
import { type InboxRow, modeNow, webChatSettingsOf } from '../store/inboxes.ts'

export type Availability = 'now' | 'later' | 'offline'

export async function availabilityOf(env: Env, chat: InboxRow, at: number): Promise<Availability> {
  const own = webChatSettingsOf(chat)
  const isAnswered =
    chat.assistantId !== null && modeNow(chat, own) === 'auto' && mayAnswerAt(own.hours, own.timeZone, at)
  if (isAnswered || (await isAnybodyHere(env, chat))) return 'now'
  return own.mailInboxId === null ? 'later' : 'offline'
}

/** Somebody of the team who sees this chat has the console open. */
async function isAnybodyHere(env: Env, { siteId, id }: InboxRow): Promise<boolean> {
  return (await env.SITE.getByName(siteId).present(id)).length > 0
}
