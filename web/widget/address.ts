/** Where an address is written, and what is wrong with what was written, said in a sentence (`#notice` of view.ts). */
import type { Trouble } from './chat.ts'
import { h, set } from './dom.ts'

type Field = HTMLInputElement | HTMLTextAreaElement

export function addressField(label: string | null = null): HTMLInputElement {
  return h('input', {
    type: 'email',
    autocomplete: 'email',
    dir: 'ltr',
    'aria-describedby': 'notice',
    'aria-label': label,
    placeholder: label,
  })
}

/** Where it is not good, says so and goes there. */
export function isGood(field: Field, missing: Trouble, complain: (trouble: Trouble) => void): boolean {
  const trouble = !field.value.trim() ? missing : field.validity.valid ? null : 'badEmail'
  set(field, { 'aria-invalid': `${!!trouble}` })
  if (trouble) {
    complain(trouble)
    field.focus()
  }
  return !trouble
}
