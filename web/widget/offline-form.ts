/** The form of who comes while nobody is there: it becomes an e-mail conversation. */
import { h, say, set } from './dom.ts'
import { filled } from './languages.ts'
import type { Texts } from './texts.ts'

export interface TakesMail {
  email: string
  draft: string
  write(mail: { email: string; name: string; content: string }): Promise<boolean>
}

export interface OfflineForm {
  element: HTMLElement
  update(): void
  focus(): void
}

export function offlineForm(texts: Texts, takes: TakesMail): OfflineForm {
  const status = h('p', { role: 'status' }, texts.leaveMessage)
  const bad = h('span', { class: 'bad', role: 'alert' })
  const email = h('input', { type: 'email', required: true, autocomplete: 'email', dir: 'ltr' })
  const name = h('input', { autocomplete: 'name', dir: 'auto', maxlength: 100 })
  const content = h('textarea', { required: true, rows: 4, dir: 'auto', maxlength: 16_000 })
  const send = h('button', { class: 'wide' }, texts.send)
  content.value = takes.draft
  const submit = async (event: Event) => {
    event.preventDefault()
    const isGood = email.validity.valid
    say(bad, isGood ? '' : texts.badEmail)
    set(email, { 'aria-invalid': `${!isGood}` })
    if (!isGood) return email.focus()
    if (!content.value.trim()) return content.focus()
    send.disabled = true
    if (await takes.write({ email: email.value, name: name.value, content: content.value })) {
      say(status, filled(texts.thanks, { email: email.value }))
      content.value = takes.draft = ''
    }
    send.disabled = false
  }
  const field = (text: string, input: Node) => h('label', {}, text, input)
  const element = h(
    'form',
    { class: 'form', novalidate: true, onsubmit: submit },
    status,
    field(texts.email, email),
    field(texts.name, name),
    field(texts.message, content),
    bad,
    send,
  )
  return {
    element,
    update() {
      email.value ||= takes.email
    },
    focus: () => email.focus({ preventScroll: true }),
  }
}
