/** Where the contact writes: text, files picked, pasted or dropped. */
import { button, div, form, h, ICON, icon, set, span } from './dom.ts'
import { filled } from './languages.ts'
import type { Texts } from './texts.ts'

const MOST_CHARS = 16_000

export interface Writes {
  draft: string
  uploads: readonly { key: string; file: File; done?: unknown }[]
  mayAttach: boolean
  say(content: string): void
  typed(on: boolean): void
  attach(files: Iterable<File>): void
  removeUpload(key: string): void
}

export interface Composer {
  element: HTMLElement
  update(): void
  focus(): void
  drop(event: DragEvent): void
}

export function composer(texts: Texts, writes: Writes): Composer {
  const input = h('textarea', {
    rows: 1,
    dir: 'auto',
    maxlength: MOST_CHARS,
    placeholder: texts.write,
    'aria-label': texts.write,
    enterkeyhint: 'send',
    oninput: () => typed(),
    onkeydown(event: KeyboardEvent) {
      // While an input method composes, Enter chooses a word (229 is what Safari says then).
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
        event.preventDefault()
        submit()
      }
    },
    onpaste: (event: ClipboardEvent) => take(event, event.clipboardData),
  })
  input.value = writes.draft
  const picker = h('input', {
    type: 'file',
    multiple: true,
    hidden: true,
    onchange() {
      writes.attach([...picker.files!])
      picker.value = ''
    },
  })
  const clip = button('tool', texts.attach, () => picker.click(), icon(ICON.clip))
  const send = button('send', texts.send, null, icon(ICON.send))
  const files = div('uploads')
  let shown: unknown
  let isReady = false

  const update = () => {
    const { uploads, mayAttach, draft } = writes
    if (input.value !== draft) input.value = draft
    clip.hidden = !mayAttach
    if (shown !== uploads) files.replaceChildren(...uploads.map(upload))
    shown = uploads
    isReady = uploads.every(one => one.done) && (uploads.length > 0 || !!input.value.trim())
    set(send, { 'aria-disabled': `${!isReady}` })
  }

  const upload = ({ key, file, done }: Writes['uploads'][number]) =>
    span(
      'file',
      h('bdi', { class: 'name' }, file.name),
      !done && '…',
      button('plain', filled(texts.remove, file.name), () => writes.removeUpload(key), icon(ICON.close)),
    )

  /** Files that come with a paste or a drop. */
  const take = (event: Event, data: DataTransfer | null) => {
    if (!data?.files.length || clip.hidden) return
    event.preventDefault()
    writes.attach([...data.files])
  }

  const submit = () => {
    if (!isReady) return
    writes.say(input.value.trim())
    update()
    grow()
    input.focus()
  }

  const typed = () => {
    writes.draft = input.value
    writes.typed(!!input.value)
    grow()
    update()
  }

  const grow = () => {
    input.style.height = 'auto'
    input.style.height = `${input.scrollHeight}px`
  }

  const element = form('composer', submit, files, div('field', clip, picker, input, send))
  return {
    element,
    update,
    focus() {
      grow()
      input.focus({ preventScroll: true })
    },
    drop(event) {
      // Or the browser shows the file in the page's place.
      event.preventDefault()
      take(event, event.dataTransfer)
    },
  }
}
