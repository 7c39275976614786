/** The chat of this page: everything it knows and does, without a word about how it looks (view.ts) or who may ask it (chatbot.ts). */
import { after, type Conversation, interrupted, NOTHING, newIn, unseen } from './conversation.ts'
import { type Desk, deskAt, type Refused } from './desk.ts'
import { due, marked, type Said, without } from './outbox.ts'
import { type Claims, newId, sessionWith } from './session.ts'
import { socketTo } from './socket.ts'
import { store } from './storage.ts'
import type { Begun, ChatMessage, ChatSettings, Feedback, FromDesk, Uploaded } from './wire.ts'

export interface Options {
  /** https://desk.example.com */
  base: string
  webChatId: string
  /** Fills its window and is always open. */
  isPage: boolean
  email: string | undefined
  /** What the widget speaks, when asked. */
  language: () => string
}

export interface Upload {
  key: string
  file: File
  done?: Uploaded
}

export interface Events {
  ready: undefined
  open: undefined
  close: undefined
  message: Pick<ChatMessage, 'id' | 'type' | 'content'>
  unread: number
  error: { code: string; message: string }
}

/** What there is to say about something that went wrong, in the words of texts.ts. */
export interface Notice {
  text: Trouble
  /** The file's. */
  name: string
}

export type Trouble = 'notUploaded' | 'notSent' | 'noEmail' | 'badEmail' | 'noMessage'

/** The page's own, until it is another's: without `language`. */
type Who = Omit<Claims, 'language'>

export interface Chat {
  // What is known.
  readonly isPage: boolean
  readonly desk: Desk
  conversation: Conversation
  outbox: Said[]
  uploads: Upload[]
  begun: Begun | null
  isOpen: boolean
  /** A socket is there, and all that was missed has come. */
  isLive: boolean
  /** The desk wants no chat here. */
  isRefused: boolean
  notice: Notice | null
  /** The desk takes nothing before this, ms. */
  limitedUntil: number
  unread: number
  /** What stands in the composer; a reload keeps it. */
  draft: string
  readonly settings: ChatSettings | null
  readonly mayAttach: boolean
  /** What went by mail from here, the newest last. */
  readonly mails: Said[]
  /** An address would be of use, and nobody was asked for it yet. */
  readonly asksEmail: boolean
  /** What the contact gave then; null where they gave none on this page. */
  followed: string | null
  /** What is said now waits for the network: a break that is worth a word, most are over before. */
  readonly isLost: boolean

  // What happens to it.
  start(): void
  open(): void
  close(): void
  /** An address that proves nothing, or one whose owner the page vouches for. */
  claim(who: Who): void
  reset(): void
  say(content: string): void
  retry(id: string): void
  /** Somebody types in the composer, or emptied it. */
  typed(on: boolean): void
  attach(files: Iterable<File>): void
  removeUpload(key: string): void
  rate(id: string, feedback: Feedback): void
  /** The form of who comes while nobody is there. */
  write(mail: { email: string; name: string; content: string }): Promise<boolean>
  /** Answers that the contact missed go to this address; null: they want none. */
  follow(email: string | null): Promise<boolean>
  complain(text: Trouble, name?: string): void

  // Who is told.
  /** Called when something changed, once for everything that did. */
  render: () => void
  emit: <E extends keyof Events>(event: E, about?: Events[E]) => void
}

const FLOOD_S = 10
/** Of those that went by mail, the last are kept. */
const MOST_MAILS = 5
const SAY_TYPING_MS = 4000
const TYPED_MS = 6000
const NOTICED_MS = 1500

export function chatOn({ base, webChatId, isPage, email, language }: Options): Chat {
  const kept = store('localStorage')
  const tab = store('sessionStorage')
  const desk = deskAt(base)
  const session = sessionWith(desk, kept, webChatId)
  const [outboxKey, seenKey, openKey, draftKey, mailsKey, askedKey] = [
    ...['outbox', 'seen', 'open', 'draft', 'mails', 'asked'],
  ].map(name => `${session.key} ${name}`) as [string, string, string, string, string, string]

  let who: Who = email ? { email } : {}
  let conversationId: string | undefined
  /** The conversation began on this page: all in it is news. */
  let isBegunHere = false
  const saidAt = new Map<string, number>()
  let mailId: string | null = null
  let typedAt = 0
  let typing = 0
  let countdown = 0
  let isDue = false
  /** Since when attempts fail, ms; 0 while they do not. */
  let lostAt = 0

  const chat: Chat = {
    isPage,
    desk,
    conversation: NOTHING,
    outbox: kept.read(outboxKey) ?? [],
    uploads: [],
    begun: null,
    isOpen: false,
    isLive: false,
    isRefused: false,
    notice: null,
    limitedUntil: 0,
    unread: 0,
    draft: tab.read(draftKey) ?? '',
    get settings() {
      return chat.begun?.chat ?? session.kept().chat ?? null
    },
    get mayAttach() {
      return chat.settings?.attachments !== false && chat.begun?.availability !== 'offline'
    },
    get mails() {
      return kept.read<Said[]>(mailsKey) ?? []
    },
    get asksEmail() {
      const { begun, conversation, outbox } = chat
      const isSaid = conversation.messages.size + outbox.length > 0
      return isSaid && !!begun?.chat.continues && !begun.contact.email && !kept.read(askedKey)
    },
    followed: null,
    get isLost() {
      return !navigator.onLine || (lostAt > 0 && Date.now() - lostAt >= NOTICED_MS)
    },

    /** As it was before a reload; with a conversation that goes on, quietly. */
    start() {
      if (isPage || tab.read(openKey)) chat.open()
      else if (session.kept().conversation || owes()) socket.want()
    },

    open() {
      if (chat.isOpen || chat.isRefused) return
      chat.isOpen = true
      tab.write(openKey, true)
      socket.want()
      chat.emit('open')
      changed()
    },

    close() {
      if (!chat.isOpen || isPage) return
      chat.isOpen = false
      tab.write(openKey, null)
      chat.emit('close')
      changed()
    },

    claim(claims) {
      if (JSON.stringify(claims) !== JSON.stringify(who)) beginAs(claims)
    },

    reset() {
      session.forget()
      writeOutbox([])
      for (const key of [seenKey, mailsKey, askedKey]) kept.write(key, null)
      chat.followed = null
      chat.draft = ''
      chat.uploads = []
      leave()
      beginAs({})
    },

    say(content) {
      const attachments = chat.uploads.flatMap(one => one.done ?? [])
      if (!content && !attachments[0]) return
      chat.uploads = []
      chat.draft = ''
      chat.notice = null
      writeOutbox([...chat.outbox, { id: newId(), content, attachments, at: Date.now() }])
      typed(false)
      go()
    },

    retry(id) {
      writeOutbox(marked(chat.outbox, id))
      go()
    },

    typed(on) {
      typed(on)
      changed()
    },

    attach(files) {
      // So many are taken with one message.
      for (const file of files) if (chat.uploads.length < 10) void upload({ key: newId(), file })
    },

    removeUpload(key) {
      chat.uploads = chat.uploads.filter(one => one.key !== key)
      changed()
    },

    rate(id, feedback) {
      const message = chat.conversation.messages.get(id)!
      const before = message.feedback
      message.feedback = feedback
      desk.feedback(id, feedback).catch(error => {
        message.feedback = before
        failed(error)
      })
      changed()
    },

    /** The same mail is one, however often it is tried. */
    write: ({ email, name, content }) =>
      tried(async () => {
        mailId ??= newId()
        await desk.email({ id: mailId, email, name, content })
        const mail: Said = { id: mailId, content, attachments: [], at: Date.now(), email }
        kept.write(mailsKey, [...chat.mails, mail].slice(-MOST_MAILS))
        mailId = null
      }),

    follow: email =>
      tried(async () => {
        if (email) chat.begun = await session.begin({ ...who, email, language: language() })
        chat.followed = email
        kept.write(askedKey, true)
      }),

    complain(text, name = '') {
      chat.notice = { text, name }
      changed()
    },

    render() {},
    emit() {},
  }

  const beginAs = (claims: Who) => {
    const wasBegun = chat.begun
    who = claims
    chat.begun = null
    if (wasBegun) socket.restart()
    changed()
  }

  // What the desk says.

  const dial = async (failedBefore: boolean) => {
    if (!chat.begun || failedBefore) await begin()
    const { conversation } = session.kept()
    if (conversation !== conversationId) leave()
    if (!conversation && !owes()) return null
    isBegunHere ||= !conversation
    conversationId = await session.conversation()
    return desk.socket(conversationId, chat.conversation.seq)
  }

  const begin = async (): Promise<void> => {
    try {
      chat.begun = await session.begin({ ...who, language: language() })
      lostAt = 0
      changed()
    } catch (error) {
      const { code } = error as Refused
      const isOrigin = code === 'origin_not_allowed'
      if (isOrigin || code === 'not_found') {
        chat.isRefused = true
        chat.close()
        // After this failure has been taken note of: there is no next attempt.
        setTimeout(socket.rest)
      } else if (code !== 'identity_refused' && code !== 'invalid_field') throw error
      console.warn(
        `ChatBot: ${isOrigin ? `add "${location.origin}" to allowedOrigins of this web chat` : error}`,
      )
      said(error as Refused)
      if (chat.isRefused || !Object.keys(who)[0]) throw error
      // What the page said of the visitor is no good: then as nobody in particular.
      who = {}
      return begin()
    }
  }

  const socket = socketTo({
    dial,

    heard(frame) {
      const before = chat.conversation
      chat.conversation = after(before, frame, Date.now())
      if (frame.type === 'changed') took(before)
      else if (frame.type === 'moved') {
        session.keep({ conversation: frame.to })
        leave()
        socket.restart()
      } else if (frame.type === 'erased') {
        session.keep({ conversation: undefined })
        writeOutbox([])
        leave()
        socket.rest()
      } else if (frame.type === 'error') refused(frame)
      changed()
    },

    ended(isTrouble, why) {
      chat.isLive = false
      if (isTrouble && !lostAt) {
        lostAt = Date.now()
        setTimeout(changed, NOTICED_MS)
      }
      saidAt.clear()
      chat.conversation = interrupted(chat.conversation)
      if (why?.retryAfter) wait(why.retryAfter)
      changed()
    },

    looked() {
      flush()
      changed()
    },
  })

  const took = (before: Conversation) => {
    const { conversation, outbox } = chat
    const owed = without(outbox, conversation.messages.values())
    if (owed.length < outbox.length) writeOutbox(owed)
    if (conversation.synced && !chat.isLive) {
      chat.isLive = true
      lostAt = 0
      socket.settled()
    }
    flush()
    if (before.seq !== null || isBegunHere)
      for (const { id, type, content } of newIn(before, conversation))
        chat.emit('message', { id, type, content })
  }

  const refused = ({ code, message, sentAs, retryAfter }: Extract<FromDesk, { type: 'error' }>) => {
    if (sentAs) saidAt.delete(sentAs)
    if (code === 'rate_limited') wait(retryAfter || FLOOD_S)
    else if (sentAs) writeOutbox(marked(chat.outbox, sentAs, code))
    said({ code, message })
  }

  /** @returns whether it went well; where not, the contact is told */
  const tried = async (work: () => Promise<void>) => {
    chat.notice = null
    const error = await work().catch((error: Refused) => error)
    if (error) failed(error)
    changed()
    return !error
  }

  const failed = (error: Refused) => {
    if (error.code === 'rate_limited') wait(error.retryAfter || FLOOD_S)
    else chat.complain(error.code === 'invalid_field' ? 'badEmail' : 'notSent')
    said(error)
    changed()
  }

  const said = ({ code = 'unreachable', message }: { code?: string; message: string }) =>
    chat.emit('error', { code, message })

  // What is owed.

  const owes = () => chat.outbox.some(one => !one.failed)

  const go = () => {
    socket.want()
    flush()
    changed()
  }

  const flush = () => {
    const now = Date.now()
    if (!chat.isLive || now < chat.limitedUntil) return
    for (const { id, content, attachments } of due(chat.outbox, saidAt, now)) {
      socket.send({ type: 'say', id, content, attachments: attachments.map(one => ({ id: one.id })) })
      saidAt.set(id, now)
    }
  }

  const writeOutbox = (outbox: Said[]) => {
    chat.outbox = outbox
    kept.write(outboxKey, outbox[0] ? outbox : null)
  }

  /** Another tab of this browser did something. */
  const elsewhere = ({ key }: StorageEvent) => {
    if (key && !key.startsWith(session.key)) return
    const known = new Set(chat.outbox.map(one => one.id))
    chat.outbox = kept.read(outboxKey) ?? []
    // The tab in which it was written says it; we do if that tab does not.
    for (const { id } of chat.outbox) if (!known.has(id)) saidAt.set(id, Date.now())
    const before = desk.token
    session.take()
    const { conversation } = session.kept()
    const isForgotten = before && !desk.token
    if (conversation !== conversationId || isForgotten) {
      leave()
      if (isForgotten) chat.begun = null
      if (conversation || chat.isOpen) socket.restart()
      else socket.rest()
    }
    changed()
  }

  const leave = () => {
    chat.conversation = NOTHING
    chat.isLive = false
    conversationId = undefined
  }

  const upload = async (one: Upload) => {
    chat.uploads = [...chat.uploads, one]
    changed()
    try {
      const done = await desk.upload(one.file)
      chat.uploads = chat.uploads.map(other => (other === one ? { ...one, done } : other))
      changed()
    } catch {
      chat.complain('notUploaded', one.file.name)
      chat.removeUpload(one.key)
    }
  }

  const typed = (on: boolean) => {
    const now = Date.now()
    clearTimeout(typing)
    if (on) typing = window.setTimeout(typed, TYPED_MS, false)
    if (on ? now - typedAt < SAY_TYPING_MS : !typedAt) return
    typedAt = on ? now : 0
    if (chat.isLive) socket.send({ type: 'typing', on })
  }

  const wait = (seconds: number) => {
    chat.limitedUntil = Date.now() + seconds * 1000
    clearInterval(countdown)
    countdown = window.setInterval(() => {
      if (Date.now() >= chat.limitedUntil) clearInterval(countdown)
      flush()
      changed()
    }, 1000)
  }

  /** What was shown was read, and the desk is told. */
  const see = () => {
    const { count, newest } = unseen(chat.conversation, kept.read<number>(seenKey) ?? 0)
    const isSeen = chat.isOpen && !document.hidden
    if (isSeen && count && chat.isLive) {
      kept.write(seenKey, newest)
      socket.send({ type: 'read' })
    }
    const unread = isSeen ? 0 : count
    if (unread === chat.unread) return
    chat.unread = unread
    chat.emit('unread', unread)
  }

  const changed = () => {
    if (isDue) return
    isDue = true
    const now = () => {
      isDue = false
      see()
      tab.write(draftKey, chat.draft)
      chat.render()
    }
    // A page out of sight draws no frames, and yet has a badge to set.
    if (document.hidden) setTimeout(now, 50)
    else requestAnimationFrame(now)
  }

  addEventListener('storage', elsewhere)
  addEventListener('online', changed)
  addEventListener('offline', changed)
  document.addEventListener('visibilitychange', changed)
  return chat
}
