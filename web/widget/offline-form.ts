/** The form of who comes while nobody is there: it becomes an e-mail conversation. */
import { addressField, isGood } from './address.ts'
import type { Trouble } from './chat.ts'
import { button, form, h } from './dom.ts'
import type { Texts } from './texts.ts'

export interface TakesMail {
  begun: { contact: { email: string | null } } | null
  draft: string
  mails: readonly { email?: string }[]
  write(mail: { email: string; name: string; content: string }): Promise<boolean>
  complain(trouble: Trouble): void
}

export interface OfflineForm {
  element: HTMLElement
  update(): void
  focus(): void
}

export function offlineForm(texts: Texts, takes: TakesMail): OfflineForm {
  const email = addressField()
  const name = h('input', { autocomplete: 'name', dir: 'auto', maxlength: 100 })
  const content = h('textarea', { rows: 4, dir: 'auto', maxlength: 16_000, 'aria-describedby': 'notice' })
  const send = button('wide', null, null, texts.send)
  /** What was sent stands there, and they want to write more. */
  let isAgain = false
  content.value = takes.draft
  const submit = async () => {
    if (!isGood(email, 'noEmail', takes.complain) || !isGood(content, 'noMessage', takes.complain)) return
    send.disabled = true
    if (await takes.write({ email: email.value, name: name.value, content: content.value })) {
      content.value = takes.draft = ''
      isAgain = false
      update()
      again.focus()
    }
    send.disabled = false
  }
  const more = () => {
    isAgain = true
    update()
    content.focus()
  }
  const again = button('wide', null, more, texts.another)
  const field = (text: string, input: Node) => h('label', {}, text, input)
  const fields = [field(texts.email, email), field(texts.name, name), field(texts.write, content), send]
  const element = form('form', submit, ...fields, again)
  const update = () => {
    email.value ||= takes.begun?.contact.email ?? ''
    again.hidden = isAgain || !takes.mails[0]
    for (const one of fields) one.hidden = !again.hidden
  }
  return {
    element,
    update,
    focus: () => (again.hidden ? email : again).focus({ preventScroll: true }),
  }
}
