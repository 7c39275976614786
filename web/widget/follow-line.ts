/** One quiet line under what was said: an address for the answers that the contact is not here to see. */
import { addressField, isGood } from './address.ts'
import type { Trouble } from './chat.ts'
import { button, div, form, h, ICON, icon, say } from './dom.ts'
import { filled } from './languages.ts'
import type { Texts } from './texts.ts'

export interface Follows {
  asksEmail: boolean
  followed: string | null
  follow(email: string | null): Promise<boolean>
  complain(trouble: Trouble): void
}

export interface FollowLine {
  element: HTMLElement
  update(): void
}

/** @param done it is over: the focus goes elsewhere */
export function followLine(texts: Texts, follows: Follows, done: () => void): FollowLine {
  const status = h('p', { role: 'status' })
  const email = addressField(texts.email)
  const give = async (address: string | null) => {
    if (await follows.follow(address)) done()
  }
  const no = button('tool', texts.noMail, () => give(null), icon(ICON.close))
  const send = button('tool', texts.byMail, null, icon(ICON.send))
  const field = div('field', email, send)
  const submit = () => {
    if (isGood(email, 'noEmail', follows.complain)) void give(email.value)
  }
  const element = form('follow', submit, status, no, field)
  return {
    element,
    update() {
      const { asksEmail, followed } = follows
      element.hidden = !asksEmail && !followed
      no.hidden = field.hidden = !!followed
      say(status, followed ? filled(texts.mailed, followed) : asksEmail ? texts.byMail : '')
    },
  }
}
