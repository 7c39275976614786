/** Elements without a framework, and without a string that a browser would read as markup. */

type Props = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>
export type Child = Node | string | null | undefined | false

/** `on…` are listeners, booleans are there or not, everything else is an attribute. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  set(element, props)
  element.append(...children.filter((one): one is Node | string => !!one))
  return element
}

/** A `div` of a class. */
export function div(name: string, ...children: Child[]): HTMLDivElement {
  return h('div', { class: name }, ...children)
}

export function span(name: string, ...children: Child[]): HTMLSpanElement {
  return h('span', { class: name }, ...children)
}

/**
 * @param label what it does, for who cannot see or know its picture
 * @param onclick null: submits its form
 */
export function button(
  name: string,
  label: string | null,
  onclick: (() => void) | null,
  ...children: Child[]
): HTMLButtonElement {
  const type = onclick ? 'button' : 'submit'
  return h('button', { type, class: name, title: label, 'aria-label': label, onclick }, ...children)
}

/** A form whose mistakes we tell of ourselves. */
export function form(name: string, submit: () => void, ...children: Child[]): HTMLFormElement {
  const onsubmit = (event: Event) => {
    event.preventDefault()
    submit()
  }
  return h('form', { class: name, novalidate: true, onsubmit }, ...children)
}

export function set(element: Element, props: Props): void {
  for (const name in props) {
    const value = props[name]
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener)
    else if (value == null || value === false) element.removeAttribute(name)
    else element.setAttribute(name, value === true ? '' : `${value}`)
  }
}

/** Text is set only where it is another: a screen reader reads what changes. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** One stroke each, on a field of 24 × 24. */
export const ICON = {
  chat: 'M3 4h18v13H11l-5 4v-4H3z',
  close: 'M6 6l12 12M18 6L6 18',
  send: 'M12 19V5M6 11l6-6 6 6',
  clip: 'M19 11l-8 8a4 4 0 0 1-6-6l8-8a3 3 0 0 1 4 4l-8 8',
  like: 'M7 10v10H3V10h4l4-7c3 0 3 3 2 6h7l-2 11H7',
} as const

export function icon(path: string): SVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  const stroke = document.createElementNS(svg.namespaceURI, 'path')
  set(stroke, { d: path })
  set(svg, { viewBox: '0 0 24 24', 'aria-hidden': 'true', class: 'icon' })
  svg.append(stroke)
  return svg
}
