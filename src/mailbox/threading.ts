/**
 * Where the mails of a chunk belong: asked of D1 in two round trips whatever the chunk's size, decided by domain/placement.ts, claimed in
 * one transaction, and merged where a mail shows two conversations to be one.
 */
import { isOwnAddress } from '../domain/address.ts'
import { mayMerge, Placer, type Placing } from '../domain/placement.ts'
import { isReset } from '../domain/reset.ts'
import { citedIds, idKey } from '../domain/thread.ts'
import { closedAmong } from '../store/conversations.ts'
import { type Candidate, type Claim, type Claimed, cutsIn, mailsCiting, mailsNamed } from '../store/emails.ts'
import type { MailboxConfig } from '../store/inboxes.ts'
import { type Merge, mergeConversations, mergeTold, peopleOf, winnerOf } from '../store/merges.ts'
import { everyone, ownAddresses, ownId, type Reading, threadIndex, weigh } from './reading.ts'

export interface Thread {
  /** Null: it opens its own. */
  conversationId: string | null
  linkedTo: string | null
  /** The conversations that this mail cuts its writer off from: a reset command, or one to a closed conversation that is not to open again. */
  cuts: string[]
  mergeWith: string[]
  open: string[]
  /** The mail of ours that has its Message-ID. */
  ours: Candidate | null
  /** The mail of ours that it, a bounce, is about. */
  about: Candidate | null
  /** The receiving host denies its sender, and nothing else speaks for it. */
  denied: boolean
}

/** Chooses a conversation for each mail, the earlier ones of the same chunk known to the later. May make a verdict milder, and a mail that says it is ours a stranger's. */
export async function findThreads(
  readings: readonly Reading[],
  config: MailboxConfig,
  d1: D1Database,
): Promise<Map<Reading, Thread>> {
  const { siteId } = config
  const all = readings.map(reading => ({ reading, mail: placing(reading, config) }))
  const ids = unique(
    all.flatMap(({ mail }) => [
      ...(mail.id === null ? [] : [mail.id]),
      ...(mail.alsoKnownAs ?? []),
      ...mail.cited,
    ]),
  )
  const asked = unique([...ids, ...readings.flatMap(({ report }) => report?.originalIds ?? [])])
  const joining = unique(all.flatMap(({ mail }) => [mail.writer, ...mail.speaksFor]))
  const shown = unique([...all.flatMap(({ mail }) => [...mail.everyone]), ...ownAddresses(config)])
  const [named, citing, cuts] = await Promise.all([
    mailsNamed(d1, siteId, asked, joining),
    mailsCiting(d1, siteId, ids, shown, joining),
    cutsIn(d1, siteId, ids, joining),
  ])
  const placer = new Placer({
    held: mapped(named, proposal),
    citing: mapped(citing, one => ({ ...proposal(one), writer: one.writer })),
    through: (id, who) => cuts.get(`${id} ${who}`) ?? id,
    isOurs: address => isOwnAddress(address, ownAddresses(config)),
  })
  const proposed = unique([...named.values(), ...citing.values()].flat().map(one => one.conversationId))
  const closed =
    config.settings.whenClosed === 'new' ? await closedAmong(d1, siteId, proposed) : new Set<string>()
  const threads = new Map<Reading, Thread>()
  for (const { reading, mail } of all) {
    const known = (id: string) => named.get(id) ?? []
    const answersOurs = mail.cited
      .flatMap(known)
      .some(one => one.ours !== null && one.participants.includes(mail.writer))
    if (answersOurs) reading.verdict = weigh(reading.row, reading.email, config, reading.authentication, true)
    // Whoever writes a report that the receiving host denies wants something else.
    const report = reading.authentication === 'fail' ? null : reading.report
    const about = report?.originalIds.flatMap(known).find(one => one.ours !== null) ?? null
    const ours = (mail.id === null ? [] : known(mail.id)).find(one => one.ours !== null) ?? null
    // Whoever denies a sender cannot know what only those have whom we wrote to.
    const denied = reading.authentication === 'fail' && !answersOurs
    const placed = placer.place({ ...mail, denied }, reading.ids.conversationId)
    // Anyone can write our address under From. Where nothing proves it, a copy in INBOX is ours only in a thread that it knows the ids of.
    if (reading.oursTo && !reading.certainlyOurs && placed.conversationId === null) {
      reading.oursTo = null
      reading.contact = reading.writer
      reading.ids.contactId = reading.ids.writerId
    }
    const thread: Thread = { ...placed, cuts: [], ours, about, denied }
    if (about) Object.assign(thread, { conversationId: about.conversationId, linkedTo: null, mergeWith: [] })
    const anew = reading.verdict.class === 'person' && placed.conversationId !== null && !reading.imported
    const wantsAnew = anew && isReset(reading.view.content, config.settings.resetCommand)
    if (wantsAnew || (anew && closed.has(placed.conversationId!))) {
      if (!wantsAnew) thread.linkedTo = placed.conversationId
      thread.cuts = [placed.conversationId!, ...placed.mergeWith]
      thread.conversationId = null
      thread.mergeWith = []
      // Mails of the same chunk that come after the reset go where it leads.
      for (const start of [...mail.cited.flatMap(known).map(one => one.conversationId), ...thread.cuts])
        cuts.set(`${start} ${mail.writer}`, reading.ids.conversationId)
      placer.moved(mail, reading.ids.conversationId)
    }
    threads.set(reading, thread)
  }
  return threads
}

function placing(reading: Reading, config: MailboxConfig): Placing {
  const { email, oursTo } = reading
  const from = reading.writer.address
  const isOurs = (address: string) => isOwnAddress(address, ownAddresses(config))
  const cited = citedIds(email).map(idKey)
  const index = threadIndex(reading)
  return {
    id: ownId(reading),
    alsoKnownAs: index ? [index.id] : [],
    cited: cited.length === 0 && index?.isReply ? [index.id] : cited,
    // What we wrote ourselves belongs where those take part whom we wrote to.
    speaksFor: oursTo ? everyone(email).filter(one => !isOurs(one)) : [from],
    writer: from,
    everyone: new Set(everyone(email)),
  }
}

function proposal(one: { conversationId: string; participants: string[] }) {
  return { conversationId: one.conversationId, participants: new Set(one.participants) }
}

export function claimOf(reading: Reading, thread: Thread, config: MailboxConfig): Claim {
  const { email, contact, row, ids } = reading
  const from = reading.writer.address
  const byPerson = reading.verdict.class === 'person'
  const shown = everyone(email).filter(one => !isOwnAddress(one, ownAddresses(config)))
  return {
    contentKey: reading.contentKey,
    messageId: ids.messageId,
    conversationId: thread.conversationId ?? ids.conversationId,
    cuts: thread.cuts,
    open: thread.denied ? [] : thread.open,
    writer: from,
    byPerson,
    heard: byPerson && !thread.denied && !reading.imported,
    contact: {
      id: ids.contactId,
      address: contact.address,
      name: contact.name || contact.address || 'Unknown sender',
    },
    rfcIds: thread.denied ? [] : [ownId(reading), threadIndex(reading)?.id ?? null].filter(id => id !== null),
    // Nobody is brought in by a mail whose sender was denied, and by a report nobody either.
    participants: thread.about ? [] : reading.authentication === 'fail' ? [from].filter(Boolean) : shown,
    at: row.internalDate,
  }
}

/**
 * Merges what these mails show to be one conversation, and tells the objects that lost theirs. What cannot be told now, the clock tells.
 *
 * @returns where what was claimed for a loser belongs now
 */
export async function mergeShown(
  threads: Map<Reading, Thread>,
  claimed: Map<string, Claimed>,
  { env, config }: { env: Env; config: MailboxConfig },
): Promise<Map<string, string>> {
  const groups = [...threads].flatMap(([reading, { mergeWith }]) => {
    const here = claimed.get(reading.contentKey)
    return here && !here.erased && mergeWith.length > 0 ? [[here.conversationId, ...mergeWith]] : []
  })
  const moved = new Map<string, string>()
  for (const [here, ...others] of groups)
    for (const other of others) {
      // Another mailbox may have merged one of them meanwhile.
      const now = async (id: string) => {
        const known = moved.get(id) ?? id
        return (await winnerOf(env.DB, config.siteId, known)) ?? known
      }
      const pair = [await now(here!), await now(other)]
      if (pair[0] === pair[1] || !(await isOne(env.DB, config.siteId, pair))) continue
      const merges = await mergeConversations(env.DB, config.siteId, pair, Date.now())
      for (const merge of merges) {
        for (const [loser, winner] of moved) if (winner === merge.loserId) moved.set(loser, merge.winnerId)
        moved.set(merge.loserId, merge.winnerId)
      }
      await tellMerges(env, config.siteId, merges)
    }
  return moved
}

/**
 * Asked once more when the mails are claimed: two mailboxes that read mails of one thread at the same moment saw nothing of each other's
 * before, and whoever claims second sees it now.
 */
export async function lookAgain(
  threads: Map<Reading, Thread>,
  claimed: Map<string, Claimed>,
  { env, config }: { env: Env; config: MailboxConfig },
): Promise<void> {
  const joining = [...threads].filter(([, { cuts, about, denied }]) => cuts.length === 0 && !about && !denied)
  const at = (reading: Reading) => claimed.get(reading.contentKey)?.conversationId ?? null
  // What a mail would have opened, had nobody claimed it before, may be no conversation at all.
  const real = new Map([...threads.keys()].map(reading => [reading.ids.conversationId, at(reading)]))
  const readings = joining.map(([reading]) => reading)
  for (const [reading, seen] of await findThreads(readings, config, env.DB)) {
    const thread = threads.get(reading)!
    const found = [seen.conversationId, ...seen.mergeWith].map(id =>
      id !== null && real.has(id) ? real.get(id)! : id,
    )
    const others = found.filter(id => id !== null && id !== at(reading)) as string[]
    thread.mergeWith = unique([...thread.mergeWith, ...others])
  }
}

async function isOne(d1: D1Database, siteId: string, pair: readonly string[]): Promise<boolean> {
  const { people, cut } = await peopleOf(d1, siteId, pair)
  const [one, other] = pair.map(id => people.get(id)!)
  return !cut && mayMerge(one!, other!)
}

export async function tellMerges(env: Env, siteId: string, merges: readonly Merge[]): Promise<void> {
  for (const { loserId, winnerId } of merges) {
    await env.CONVERSATION.getByName(`${siteId}/${loserId}`).mergeInto(winnerId)
    await mergeTold(env.DB, siteId, loserId, Date.now())
  }
}

function mapped<A, B>(map: Map<string, A[]>, made: (one: A) => B): Map<string, B[]> {
  return new Map([...map].map(([key, list]) => [key, list.map(made)]))
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)]
}
