/** Markdown's tree as elements. */
import { h } from './dom.ts'
import { type Inline, markdown } from './markdown.ts'

export function rich(text: string): Node[] {
  return markdown(text).map(block => {
    if (block.kind === 'code') return h('pre', { tabindex: 0 }, h('code', {}, block.text))
    if (block.kind === 'list') {
      const items = block.items.map(one => h('li', {}, ...one.map(inline)))
      return block.start === null ? h('ul', {}, ...items) : h('ol', { start: block.start }, ...items)
    }
    const children = block.children.map(inline)
    return h('p', {}, ...(block.kind === 'heading' ? [h('strong', {}, ...children)] : children))
  })
}

function inline(one: Inline): Node | string {
  if (typeof one === 'string') return one
  const children = one.children.map(inline)
  return one.kind === 'a' ? link(one.href!, ...children) : h(one.kind, {}, ...children)
}

/** @param href made safe by `safeHref` */
export function link(href: string, ...children: (Node | string)[]): HTMLElement {
  return h('a', { href, target: '_blank', rel: 'noopener noreferrer' }, ...children)
}
