/**
 * A mail that could not be read is read again, by a newer version or with more of it at hand. It stays the message that it was, in its
 * place; what it says, who wrote it and what it answers are found anew. At most a draft comes of it.
 */
import type { DraftAnswer } from '../conversation/conversation.ts'
import { normaliseAddress } from '../domain/address.ts'
import { type Problem, problem } from '../domain/problem.ts'
import { PARSED_WHOLE_BYTES } from '../mail/email.ts'
import { claimMails } from '../store/emails.ts'
import { contentOf, read, replyFacts, whyUnread } from './reading.ts'
import { forgetObjects, type ReceiveTools, tellReport } from './receive.ts'
import type { MailRow } from './records.ts'
import { claimOf, findThreads, mergeShown } from './threading.ts'

/** @param isWhole all of its bytes are in R2 */
export async function reread(
  row: MailRow,
  place: { messageId: string; conversationId: string },
  isWhole: boolean,
  tools: ReceiveTools,
): Promise<{ problem: Problem } | { read: true }> {
  const { env, config } = tools
  // Headers were all there was, and now there is more: then what was left on the server is here too.
  const now =
    isWhole && row.size <= PARSED_WHOLE_BYTES ? { ...row, extent: 'whole' as const, remote: null } : row
  const reading = await read(now, tools)
  const still = whyUnread(reading.email)
  if (still) return { problem: still }
  const stub = env.CONVERSATION.getByName(`${config.siteId}/${place.conversationId}`)
  const before = await stub.message(place.messageId)
  if (!before) return { problem: problem('not_found') }
  const { content, details } = await contentOf(reading, place.messageId, tools)
  // Its ids and who takes part were perhaps not to be read either.
  const thread = (await findThreads([reading], config, env.DB)).get(reading)!
  const claim = claimOf(reading, { ...thread, ...place, cuts: [] }, config)
  const claimed = await claimMails(env.DB, config.siteId, [{ ...claim, messageId: place.messageId }])
  const mine = claimed.get(reading.contentKey)
  const from = reading.writer
  const said: DraftAnswer = await stub.reread(place.messageId, {
    content,
    sender: { kind: 'contact', id: mine?.contactId ?? before.sender.id, name: from.name || from.address },
    contact: {
      id: mine?.contactId ?? before.sender.id,
      name: mine?.contactName ?? from.address,
      address: normaliseAddress(from.address),
    },
    details,
    ...replyFacts(reading, tools),
  })
  if ('problem' in said) {
    if (said.problem.code === 'not_found')
      await forgetObjects({ id: place.messageId, direction: 'incoming', details }, tools)
    return said
  }
  // What it says now may tie it to others, as it would have when it came.
  const others = [thread.conversationId, ...thread.mergeWith].filter(
    id => id !== null && id !== mine?.conversationId,
  )
  const shown = new Map([[reading, { ...thread, mergeWith: thread.about ? [] : (others as string[]) }]])
  await mergeShown(shown, claimed, tools)
  if (thread.about) await tellReport(reading, thread.about, tools)
  return { read: true }
}
