/**
 * `<script src="https://desk.example.com/widget.js" data-chat="…" async>`: puts the chat on the page that loads it (docs/widget.md).
 * The page gets one element after its body and one global, `window.ChatBot`, and nothing of it moves.
 */
import { languages } from 'widget:languages'
import { type Chat, chatOn } from './chat.ts'
import { type ChatBot, chatBot, type Waiting } from './chatbot.ts'
import { chosen } from './languages.ts'
import { type View, viewOf } from './view.ts'
import css from './widget.css'

declare global {
  interface Window {
    ChatBot?: ChatBot | Waiting
  }
}

const script = (document.currentScript ??
  document.querySelector('script[data-chat]')) as HTMLScriptElement | null
const before = window.ChatBot
const waiting = before ? 'q' in before && before.q : []
if (!script?.dataset.chat) console.warn('ChatBot: data-chat is missing')
else if (waiting) begin(script, waiting)

function begin(script: HTMLScriptElement, waiting: NonNullable<Waiting['q']>): void {
  const { chat: webChatId, mode, email, language } = script.dataset
  const spoken = () =>
    chosen([language, chat?.settings?.language, ...navigator.languages], Object.keys(languages))
  let chat: Chat | null = null
  const base = new URL(script.src).origin
  chat = chatOn({ base, webChatId: webChatId!, isPage: mode === 'page', email, language: spoken })
  const api = chatBot(chat)
  window.ChatBot = api
  for (const [name, ...args] of waiting) (api[name] as (...all: unknown[]) => unknown)?.(...args)
  const show = () => put(chat!, spoken, api)
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', show)
  else show()
}

function put(chat: Chat, spoken: () => string, api: ChatBot): void {
  // A name of its own: a host's rules for its own elements are not ours.
  const host = document.createElement('edgedesk-chat')
  const root = host.attachShadow({ mode: 'open' })
  // A sheet that is made by a script is no inline style to a content security policy.
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(css)
  root.adoptedStyleSheets = [sheet]
  let language = ''
  let view: View | null = null
  let isFocusWanted = false
  chat.render = () => {
    if (language !== spoken() || !view) {
      language = spoken()
      isFocusWanted ||= view?.element.matches(':focus-within') ?? false
      view?.element.remove()
      view = viewOf(chat, languages[language]!, language)
      view.element.lang = language
      root.append(view.element)
    }
    view.update()
    if (isFocusWanted && chat.isOpen) view.focus()
    isFocusWanted = false
  }
  chat.start()
  chat.render()
  // Beside the body, not in it: the body is the host's, its frameworks replace it and its rules count its children.
  document.documentElement.append(host)
  api.on('open', () => {
    isFocusWanted = true
  })
  chat.emit('ready')
  document.dispatchEvent(new CustomEvent('chatbot:ready', { detail: api }))
}
