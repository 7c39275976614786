/**
 * Everybody who has a conversation open: the team, which sees all of it, and its contact, who sees what was said. A frame about a turn is
 * sent in that turn, and the platform holds it back until the turn is stored. What is true now and kept nowhere (who types, who is here,
 * an answer that is being written) goes to who is here now.
 */
import type { ConversationState, Message } from '../domain/conversation.ts'
import { settings } from '../env.ts'
import {
  accept,
  answerPings,
  attachedTo,
  CLOSE,
  heard,
  heardAt,
  isOpen,
  type Life,
  resume,
  send,
  sendText,
  tell,
} from '../sockets/socket.ts'
import {
  ClientFrame,
  changedFrames,
  chatFrames,
  FRAME_CHARS,
  type ServerFrame,
  type Watcher,
} from '../wire/frame.ts'

/** Widgets ping every ten seconds. */
const SILENT_MS = 45_000

/** Of one socket. */
interface Attached extends Life {
  who: Watcher
  mayWrite: boolean
}

/** An answer that is being written: as far as it was told. */
interface Writing {
  id: string
  text: string
}

export class Sockets {
  readonly #ctx: DurableObjectState
  readonly #env: Env
  #writing: Writing | null = null
  /** Who is here, as it was told last in this life of the object. */
  #presenceTold: Record<Side, string> | null = null

  constructor(ctx: DurableObjectState, env: Env) {
    this.#ctx = ctx
    this.#env = env
    answerPings(ctx)
  }

  /** @param missed what changed since the client was here last, or the first of it: then it comes back for the rest */
  accept(
    who: Watcher,
    mayWrite: boolean,
    state: ConversationState,
    { messages, upTo }: { messages: readonly Message[]; upTo: number | null },
  ): Response {
    const { theirs, ours } = accept(this.#ctx, { who, mayWrite }, Date.now())
    // Who just came has had no time to say that they keep up.
    for (const frame of this.#frames(upTo === null ? state : { ...state, seq: upTo }, messages)(who))
      sendText(ours, frame)
    if (upTo !== null) {
      resume(ours)
      return new Response(null, { status: 101, webSocket: theirs })
    }
    if (this.#writing) send(ours, { type: 'answer', at: 0, ...this.#writing } satisfies ServerFrame)
    this.presence({ fresh: ours })
    return new Response(null, { status: 101, webSocket: theirs })
  }

  /** A turn was taken. */
  changed(state: ConversationState, messages: readonly Message[]): void {
    const all = this.#ctx.getWebSockets()
    if (all.length === 0) return
    const texts = this.#frames(state, messages)
    const at = Date.now()
    for (const socket of all) {
      const about = attachedTo<Attached>(socket)
      for (const text of texts(about.who)) tell(socket, about, text, at, this.#ctx)
    }
  }

  /** What has been written of an answer so far; null: it is over. */
  writes(id: string, text: string | null): void {
    if (text === null) {
      if (this.#writing?.id === id) this.writesNoMore()
      return
    }
    const before = this.#writing?.id === id ? this.#writing.text : ''
    // What was told stays told; a text that is another one begins anew.
    const goesOn = before !== '' && text.startsWith(before)
    if (goesOn && text.length === before.length) return
    const at = goesOn ? before.length : 0
    this.#writing = { id, text }
    this.#toAll({ type: 'answer', id, at, text: text.slice(at) })
  }

  /** Whatever is being written is not wanted any more, or is there. */
  writesNoMore(): void {
    if (!this.#writing) return
    const { id } = this.#writing
    this.#writing = null
    this.#toAll({ type: 'answer', id, over: true })
  }

  /** Everybody is told, and let go. */
  end(frame: Extract<ServerFrame, { type: 'moved' | 'erased' }>): void {
    for (const socket of this.#ctx.getWebSockets()) {
      send(socket, frame)
      socket.close(CLOSE[frame.type], frame.type)
    }
  }

  /** One of them is told of some messages once more. */
  show(socket: WebSocket, state: ConversationState, messages: readonly Message[]): void {
    for (const text of this.#frames(state, messages)(attachedTo<Attached>(socket).who))
      sendText(socket, text, this.#ctx)
  }

  /** One of them goes on in another conversation. */
  lead(socket: WebSocket, to: string): void {
    send(socket, { type: 'moved', to } satisfies ServerFrame)
    socket.close(CLOSE.moved, 'moved')
  }

  /** What a client sent, where it is for the conversation itself; what goes to the others is passed on here. */
  received(
    socket: WebSocket,
    text: string | ArrayBuffer,
  ): { who: Watcher; frame: Exclude<ClientFrame, { type: 'typing' }> } | null {
    const frame = heard(socket, text, ClientFrame, Date.now(), FRAME_CHARS)
    if (!frame) return null
    const { who, mayWrite } = attachedTo<Attached>(socket)
    if (frame.type === 'typing') {
      this.#types(socket, who, frame.on)
      return null
    }
    const may = who.kind === 'contact' || (frame.type === 'read' && mayWrite)
    if (may) return { who, frame }
    this.refuse(socket, { code: 'forbidden', message: FORBIDDEN[frame.type] })
    return null
  }

  refuse(socket: WebSocket, why: Omit<Extract<ServerFrame, { type: 'error' }>, 'type'>): void {
    send(socket, { type: 'error', ...why } satisfies ServerFrame)
  }

  /**
   * Who is here, told where it is another than before, and to who is new.
   *
   * @param gone one that is closing, and still counted by the platform
   */
  presence({ gone, fresh }: { gone?: WebSocket; fresh?: WebSocket } = {}): void {
    const here = this.#here(gone)
    const texts = { team: presenceText(here, 'team'), contact: presenceText(here, 'contact') }
    const told = this.#presenceTold
    this.#toSides(
      texts,
      (socket, side) => socket === fresh || (socket !== gone && texts[side] !== told?.[side]),
    )
    this.#presenceTold = texts
  }

  /** Whether its contact has it open, and is heard of: a laptop that was closed leaves its socket behind. */
  isContactHere(): boolean {
    const since = Date.now() - SILENT_MS
    const isTheirs = (socket: WebSocket) => attachedTo<Attached>(socket).who.kind === 'contact'
    return this.#ctx
      .getWebSockets()
      .some(socket => isOpen(socket) && isTheirs(socket) && heardAt(this.#ctx, socket) >= since)
  }

  /** Contacts whose conversation it is not any more are let go. */
  keepContact(id: string): void {
    for (const socket of this.#ctx.getWebSockets()) {
      const { who } = attachedTo<Attached>(socket)
      if (who.kind === 'contact' && who.id !== id) resume(socket)
    }
  }

  #here(gone?: WebSocket): Watcher[] {
    const sockets = this.#ctx.getWebSockets().filter(one => one !== gone && isOpen(one))
    const all = sockets.map(one => attachedTo<Attached>(one).who)
    return [...new Map(all.map(who => [`${who.kind} ${who.id}`, who])).values()]
  }

  #types(from: WebSocket, who: Watcher, on: boolean): void {
    const text = (who: Watcher) => JSON.stringify({ type: 'typing', who, on } satisfies ServerFrame)
    // A program types for a person of the team; its own name is nothing for a contact.
    const outside: Watcher = who.kind === 'key' ? { kind: 'member', id: who.id, name: '' } : who
    // A contact does not see themself typing in another tab.
    this.#toSides(
      { team: text(who), contact: text(outside) },
      (socket, side) => socket !== from && !(side === 'contact' && who.kind === 'contact'),
    )
  }

  #toAll(frame: ServerFrame): void {
    const text = JSON.stringify(frame)
    this.#toSides({ team: text, contact: text }, () => true)
  }

  #toSides(texts: Record<Side, string>, isFor: (socket: WebSocket, side: Side) => boolean): void {
    const at = Date.now()
    for (const socket of this.#ctx.getWebSockets()) {
      const about = attachedTo<Attached>(socket)
      const side = sideOf(about.who)
      if (isFor(socket, side)) tell(socket, about, texts[side], at, this.#ctx)
    }
  }

  /** Made once for each of both sides, and only where somebody of it is there. */
  #frames(state: ConversationState, messages: readonly Message[]): (who: Watcher) => readonly string[] {
    let team: string[] | undefined
    let contact: string[] | undefined
    const inText = (frames: ServerFrame[]) => frames.map(frame => JSON.stringify(frame))
    return who => {
      if (who.kind === 'contact') {
        contact ??= inText(chatFrames(state, messages))
        return contact
      }
      team ??= inText(changedFrames(state, messages, settings(this.#env).PUBLIC_URL))
      return team
    }
  }
}

/** Who sees all of a conversation, and who sees what was said to them. */
type Side = 'team' | 'contact'

function sideOf({ kind }: Watcher): Side {
  return kind === 'contact' ? 'contact' : 'team'
}

/** The team sees its own and the contact; a contact sees the team. Programs are nobody's company. */
function presenceText(here: readonly Watcher[], side: Side): string {
  const shown = here.filter(({ kind }) => kind === 'member' || (kind === 'contact' && side === 'team'))
  return JSON.stringify({ type: 'presence', here: shown } satisfies ServerFrame)
}

const FORBIDDEN = {
  read: 'You may not change this conversation.',
  say: 'Only a visitor of the chat says something here; a team answers by the API.',
} as const
