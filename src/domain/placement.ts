/**
 * Which conversation a mail belongs to, whatever order mails come in. Every id a mail names is an edge of a graph: to the mail of that
 * id, to other mails that cite it, and, where the cited mail comes late, back from it. A mail joins the conversation at the nearest edge
 * and says which others its edges show to be the same one, to be merged.
 *
 * Edges only propose (D7): one counts where the citing mail's writer takes part in what is cited. Two mails that cite a third which we
 * never saw belong together where each writer is shown by the other's mail. Subjects never decide (D8).
 */

/** A mail as threading sees it. Ids are keys of `idKey`, addresses normalised. */
export interface Placing {
  id: string | null
  /** Other ids that it may be cited by, such as Outlook's mark of a thread. */
  alsoKnownAs?: readonly string[]
  /** The nearest first, as `citedIds` gives them. */
  cited: readonly string[]
  /** Who must take part where it joins: its writer, or for mail of our own those it is written to. */
  speaksFor: readonly string[]
  /** Its writer, as remembered with what it cites. */
  writer: string
  /** Everyone it shows: writer, To and Cc. */
  everyone: ReadonlySet<string>
  /** Its sender could not be proved and was denied: it joins nothing by what it claims. */
  denied?: boolean
}

/** A conversation that holds a mail of an id, or one that cites it. */
export interface Proposal {
  conversationId: string
  participants: ReadonlySet<string>
}

export interface Known {
  /** id → conversations with a mail of that id. */
  held: ReadonlyMap<string, readonly Proposal[]>
  /** id → conversations with a mail that cites it and found nothing there. */
  citing: ReadonlyMap<string, readonly (Proposal & { writer: string })[]>
  /** Where this writer's resets lead from a conversation; the conversation itself where there was none. */
  through(conversationId: string, writer: string): string
  /** Addresses of ours, which take part nowhere by being written to. */
  isOurs(address: string): boolean
  /** Only the graph: every edge counts, whoever wrote. For the test that order does not matter. */
  everyEdge?: boolean
}

export interface Placement {
  /** Null: a new one. */
  conversationId: string | null
  /** A conversation that it cites without being entitled to join; nothing of it is disclosed in the new one. */
  linkedTo: string | null
  /** Other conversations that are shown to be the same one. */
  mergeWith: string[]
  /** Ids to be remembered: no mail of theirs is here yet. */
  open: string[]
}

/** Places mails one after the other, the earlier ones known to the later. */
export class Placer {
  readonly #known: Known
  readonly #held = new Map<string, Proposal[]>()
  readonly #citing = new Map<string, (Proposal & { writer: string })[]>()
  /** Who came to take part in the conversations of the mails placed so far. */
  readonly #joined = new Map<string, Set<string>>()

  constructor(known: Known) {
    this.#known = known
  }

  /** @param anew the id of the conversation it opens where it joins none */
  place(mail: Placing, anew: string): Placement {
    const edges = [...this.#edges(mail)]
    const through = (id: string) => this.#known.through(id, mail.writer)
    const found = [...new Set(edges.map(through))]
    const [conversationId = null, ...mergeWith] = mail.denied ? [] : found
    const stranger = mail.cited.map(id => this.#heldAt(id)[0]?.conversationId).find(Boolean) ?? null
    const open = mail.cited.filter(id => this.#heldAt(id).length === 0)
    this.#remember(mail, conversationId ?? anew, open)
    return { conversationId, linkedTo: conversationId === null ? stranger : null, mergeWith, open }
  }

  /** A conversation that the caller chose otherwise, for a mail that was placed: a reset opens its own. */
  moved(mail: Placing, to: string): void {
    this.#remember(mail, to, [])
  }

  *#edges(mail: Placing): Generator<string> {
    for (const id of mail.cited) {
      for (const one of this.#heldAt(id)) if (this.#speaks(mail, one)) yield one.conversationId
      for (const one of this.#citingAt(id))
        if (this.#shows(mail, one.writer) && this.#speaks(mail, one)) yield one.conversationId
    }
    // The same id again, with another body, is another mail: an id is an index and no identity.
    for (const one of idsOf(mail).flatMap(id => this.#citingAt(id))) {
      // What we wrote ourselves is shown by every mail to us; there the writer must be one we wrote to.
      const answered = this.#known.isOurs(one.writer)
        ? this.#speaks(mail, one)
        : this.#shows(mail, one.writer)
      if (answered) yield one.conversationId
    }
  }

  #speaks(mail: Placing, at: Proposal): boolean {
    if (this.#known.everyEdge) return true
    const joined = this.#joined.get(at.conversationId)
    return mail.speaksFor.some(one => at.participants.has(one) || joined?.has(one))
  }

  #shows(mail: Placing, writer: string): boolean {
    return this.#known.everyEdge === true || mail.everyone.has(writer)
  }

  #heldAt(id: string): Proposal[] {
    return [...(this.#known.held.get(id) ?? []), ...(this.#held.get(id) ?? [])]
  }

  #citingAt(id: string): (Proposal & { writer: string })[] {
    return [...(this.#known.citing.get(id) ?? []), ...(this.#citing.get(id) ?? [])]
  }

  #remember(mail: Placing, conversationId: string, open: readonly string[]): void {
    // Nor does anything join what a denied sender wrote.
    if (mail.denied) return
    const people = this.#joined.get(conversationId) ?? new Set<string>()
    this.#joined.set(conversationId, people)
    for (const one of mail.everyone) if (!this.#known.isOurs(one)) people.add(one)
    const here = { conversationId, participants: NOBODY }
    for (const id of idsOf(mail)) this.#held.set(id, [...(this.#held.get(id) ?? []), here])
    for (const id of open)
      this.#citing.set(id, [...(this.#citing.get(id) ?? []), { ...here, writer: mail.writer }])
  }
}

function idsOf({ id, alsoKnownAs = [] }: Placing): string[] {
  return [...(id === null ? [] : [id]), ...alsoKnownAs]
}

/** Who takes part in a conversation of this chunk is kept once for all its ids. */
const NOBODY: ReadonlySet<string> = new Set()

/** Those who take part in a conversation, and those of them who wrote in it. */
export interface People {
  all: ReadonlySet<string>
  wrote: ReadonlySet<string>
}

/** Two conversations are merged only where those who wrote in either are no strangers in the other. */
export function mayMerge(one: People, other: People): boolean {
  const among = (some: ReadonlySet<string>, all: ReadonlySet<string>) => [...some].every(who => all.has(who))
  return among(one.wrote, other.all) && among(other.wrote, one.all)
}
