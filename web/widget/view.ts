/** The button and the panel: what a chat looks like at this moment. */
import type { Chat } from './chat.ts'
import { brand } from './color.ts'
import { composer } from './composer.ts'
import { personIn, stillTyping } from './conversation.ts'
import { button, div, h, ICON, icon, say, set, span } from './dom.ts'
import { followLine } from './follow-line.ts'
import { filled } from './languages.ts'
import { days, messageList } from './message-list.ts'
import { offlineForm } from './offline-form.ts'
import { rich } from './rich.ts'
import type { Texts } from './texts.ts'
import { timeline } from './timeline.ts'

/** So near to the end that what is new is wanted in sight. */
const NEAR_PX = 80

export interface View {
  element: HTMLElement
  update(): void
  focus(): void
}

export function viewOf(chat: Chat, texts: Texts, language: string): View {
  const { isPage } = chat
  const dayOf = days(language)
  const writing = composer(texts, chat)
  const form = offlineForm(texts, chat)
  const follow = followLine(texts, chat, () => focus())
  const isAway = () => chat.begun?.availability === 'offline'
  const title = () => chat.settings?.title || texts.chat
  const list = messageList(texts, language, chat, title)

  const name = h('bdi')
  const about = h('p', { class: 'about' })
  const face = span('face')
  set(face, { 'aria-hidden': 'true' })
  const close = button('tool', texts.close, () => leave(), icon(ICON.close))
  close.hidden = isPage

  // What is being written stands beside the log, not in it: it is read out once, when it is whole.
  const streaming = h('div', { class: 'bubble', dir: 'auto' })
  const typist = div('bubble')
  const underWay = div('row theirs first', streaming, typist)
  const suggestions = div('row mine suggestions')
  const scroll = h(
    'div',
    { class: 'scroll', tabindex: 0 },
    list.element,
    underWay,
    follow.element,
    suggestions,
  )
  const notice = h('div', { class: 'notice', id: 'notice', role: 'status' })

  const panel = h(
    'section',
    {
      class: 'panel',
      id: 'panel',
      role: isPage ? 'region' : 'dialog',
      tabindex: -1,
      'aria-labelledby': 'name',
      onkeydown: (event: KeyboardEvent) => event.key === 'Escape' && !event.isComposing && leave(),
      // Only where this is prevented may a file be dropped.
      ondragover: (event: DragEvent) => event.preventDefault(),
      ondrop: writing.drop,
    },
    div('head', face, div('', h('h2', { id: 'name' }, name), about), close),
    scroll,
    notice,
    writing.element,
    form.element,
  )
  const badge = span('badge')
  const sign = icon(ICON.chat)
  const launcher = button('launcher', null, () => (chat.isOpen ? leave() : chat.open()), sign, badge)
  set(launcher, { 'aria-controls': 'panel', hidden: isPage })
  const element = div(isPage ? 'all page' : 'all', panel, launcher)
  // What is typed here is no shortcut of the host's page.
  for (const event of ['keydown', 'keyup', 'keypress'])
    element.addEventListener(event, typed => typed.stopPropagation())

  const leave = () => {
    if (isPage) return
    chat.close()
    update()
    launcher.focus({ preventScroll: true })
  }

  const toEnd = () => {
    scroll.scrollTop = scroll.scrollHeight
  }

  let isShown = false
  let end = ''
  let asked = ''
  let written = ''

  const update = () => {
    const { color, on } = brand(chat.settings?.color)
    const { isOpen, unread } = chat
    element.style.setProperty('--brand', color)
    element.style.setProperty('--on-brand', on)
    element.dir = getComputedStyle(document.documentElement).direction
    element.hidden = chat.isRefused
    element.classList.toggle('open', isOpen)
    panel.hidden = !isOpen
    set(sign.firstElementChild!, { d: ICON[isOpen ? 'close' : 'chat'] })
    const news = unread ? `, ${filled(texts.unread, unread)}` : ''
    set(launcher, { 'aria-label': isOpen ? texts.chat : texts.open + news, 'aria-expanded': `${isOpen}` })
    say(badge, unread > 9 ? '9+' : `${unread}`)
    badge.hidden = !unread
    if (isOpen) {
      updateHead()
      follow.update()
      updateMessages()
      updateNotice()
      writing.element.hidden = isAway()
      form.element.hidden = !isAway()
      writing.update()
      form.update()
      if (!isShown) toEnd()
    }
    isShown = isOpen
  }

  const updateHead = () => {
    const { conversation, begun, isLive } = chat
    const isHere = isLive && conversation.here.length > 0
    // A person answers when they can, whatever the assistant could.
    const isNow = begun?.availability === 'now' && conversation.facts?.owner !== 'person'
    say(name, personIn(conversation)?.name || title())
    say(face, [...name.textContent!][0]!)
    face.classList.toggle('here', isHere)
    say(about, begun ? texts[isHere ? 'here' : isNow ? 'now' : 'later'] : '…')
  }

  const updateMessages = () => {
    const { conversation, outbox, settings, begun } = chat
    const isOffline = isAway()
    const owed = isOffline ? [...outbox, ...chat.mails] : outbox
    // A greeting that asks is not for who gets no answer.
    const greeting = isOffline ? texts.away : (settings?.greeting ?? null)
    const wasAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_PX
    const items = timeline(conversation, owed, greeting, dayOf)
    list.update(items, !conversation.synced && !isOffline)
    const typing = stillTyping(conversation, Date.now()).find(one => one.who.kind !== 'contact')?.who
    const text = conversation.answer?.text ?? ''
    if (text !== written) streaming.replaceChildren(...rich(text))
    written = text
    underWay.hidden = !text && !typing
    streaming.hidden = !text
    typist.hidden = !!text
    if (typing) say(typist, filled(texts.typing, typing.name || title()))
    const isFresh = conversation.messages.size + outbox.length === 0 && !isOffline
    suggest((isFresh && begun?.chat.suggestedQuestions) || [])
    const last = items[items.length - 1]
    const now = `${last?.key} ${text.length} ${!!typing}`
    if (now !== end && (wasAtEnd || (last?.kind === 'bubble' && last.owed))) toEnd()
    end = now
  }

  const suggest = (questions: string[]) => {
    if (asked === `${questions}`) return
    asked = `${questions}`
    const ask = (question: string) => {
      chat.say(question)
      focus()
    }
    suggestions.replaceChildren(...questions.map(one => button('', null, () => ask(one), one)))
  }

  const updateNotice = () => {
    const { isLost, notice: what, conversation } = chat
    const seconds = Math.ceil((chat.limitedUntil - Date.now()) / 1000)
    const trouble =
      seconds > 0
        ? filled(texts.tooMany, seconds)
        : isLost
          ? texts.lost
          : what && filled(texts[what.text], what.name)
    const text = trouble || (conversation.facts?.status === 'closed' ? texts.closed : '')
    // Seconds that count down are for the eyes.
    set(notice, { 'aria-live': seconds > 0 && notice.textContent ? 'off' : 'polite' })
    say(notice, text)
    notice.classList.toggle('bad', !!trouble)
    notice.hidden = !text
  }

  const focus = () => {
    // On a phone the focus would raise the keyboard over what there is to read.
    if (matchMedia('(pointer: coarse)').matches) panel.focus({ preventScroll: true })
    else if (isAway()) form.focus()
    else writing.focus()
  }

  return { element, update, focus }
}
