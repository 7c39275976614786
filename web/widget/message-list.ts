/** Days and bubbles. An element stays what it is while its bubble changes: a screen reader hears each message once. */
import { button, div, h, ICON, icon, say, set, span } from './dom.ts'
import { filled } from './languages.ts'
import { safeHref } from './markdown.ts'
import { preview } from './picture.ts'
import { link, rich } from './rich.ts'
import type { Texts } from './texts.ts'
import type { Bubble, Item } from './timeline.ts'
import type { Feedback } from './wire.ts'

export interface Asked {
  rate(id: string, feedback: Feedback): void
  retry(id: string): void
  desk: {
    /** To the file; opens without a key. */
    link(messageId: string, n: number): Promise<string>
  }
  isLost: boolean
}

interface Row {
  element: HTMLElement
  update?(item: Item): void
}

export interface MessageList {
  element: HTMLElement
  /** @param isOld what is there already is not read out */
  update(items: readonly Item[], isOld: boolean): void
}

/** @param title what stands for somebody without a name */
export function messageList(texts: Texts, language: string, asked: Asked, title: () => string): MessageList {
  const rows = new Map<string, Row>()
  const clock = new Intl.DateTimeFormat(language, { timeStyle: 'short' })
  const day = days(language)
  const element = div('log')
  set(element, { role: 'log', 'aria-labelledby': 'name', 'aria-relevant': 'additions' })

  const bubbleRow = (first: Bubble): Row => {
    const name = first.isMine ? texts.you : first.sender?.name || title()
    const who = div(first.isMine || !first.sender ? 'sr' : 'who', h('bdi', {}, name))
    const body = h('div', { class: 'bubble', dir: 'auto' })
    const files = div('files')
    const sources = div('sources')
    const time = h('bdi')
    const state = span('state')
    const retry = button('plain', null, () => asked.retry(first.key), texts.retry)
    const under = div('under', time, state, retry)
    const row = div('', who, body, files, sources, under)
    let thumbs: HTMLElement[] | undefined
    let shown: Bubble | undefined
    const update = (now: Bubble) => {
      row.className = [
        now.isMine ? 'row mine' : 'row theirs',
        now.isFirst && 'first',
        now.owed ? 'last owed' : now.isLast && 'last',
      ].join(' ')
      if (now.content !== shown?.content) {
        body.replaceChildren(...(now.isMine ? [now.content] : rich(now.content)))
        body.hidden = !now.content
      }
      // Only the desk's message has files that can be fetched.
      if (now.files.length !== shown?.files.length || now.id !== shown.id)
        files.replaceChildren(...now.files.map(one => file(now.id, one)))
      if (now.citations.length !== shown?.citations.length) sources.replaceChildren(...cited(now.citations))
      if (now.at && !now.owed) say(time, clock.format(now.at))
      say(state, status(now))
      retry.hidden = !now.owed?.failed
      state.classList.toggle('bad', !retry.hidden)
      if (now.id && now.sender?.kind === 'assistant') {
        const { id } = now
        const thumb = (as: (typeof LIKES)[number]) => {
          const press = () => asked.rate(id, shown?.feedback === as ? null : as)
          return under.appendChild(button('rate', texts[as], press, icon(ICON.like)))
        }
        thumbs ??= LIKES.map(thumb)
        for (const i in LIKES) set(thumbs[i]!, { 'aria-pressed': `${now.feedback === LIKES[i]}` })
      }
      shown = now
    }
    return { element: row, update: update as Row['update'] }
  }

  const status = ({ owed }: Bubble) => {
    if (owed?.email) return filled(texts.sent, owed.email)
    return !owed ? '' : owed.failed ? texts.notSent : asked.isLost ? texts.lost : texts.sending
  }

  const file = (id: string | undefined, one: Bubble['files'][number]) => {
    const name = h('bdi', { class: 'name' }, one.filename)
    if (!id || !('n' in one)) return span('file', name)
    const found = () => asked.desk.link(id, one.n)
    const open = () =>
      found().then(
        url => link(url).click(),
        () => {}, // said already
      )
    const element = button('file', filled(texts.download, one.filename), open, name)
    void preview(one, found).then(picture => picture && element.prepend(picture))
    return element
  }

  const cited = (citations: Bubble['citations']) => {
    const list = citations.map(({ title, url }) => {
      const href = url && safeHref(url)
      return h('li', { dir: 'auto' }, href ? link(href, title || href) : title)
    })
    return list[0] ? [texts.sources, h('ul', {}, ...list)] : []
  }

  const update = (items: readonly Item[], isOld: boolean) => {
    set(element, { 'aria-live': isOld ? 'off' : 'polite' })
    const keys = new Set(items.map(one => one.key))
    for (const [key, row] of rows)
      if (!keys.has(key)) {
        row.element.remove()
        rows.delete(key)
      }
    let next = element.firstElementChild
    for (const item of items) {
      const row =
        rows.get(item.key) ?? (item.kind === 'day' ? { element: div('day', day(item.at)) } : bubbleRow(item))
      rows.set(item.key, row)
      row.update?.(item)
      if (row.element === next) next = next.nextElementSibling
      else element.insertBefore(row.element, next)
    }
  }
  return { element, update }
}

const LIKES = ['like', 'dislike'] as const
const DAY_MS = 86_400_000

/** "today", "yesterday", then dates, as the language writes them. */
export function days(language: string): (at: number) => string {
  const near = new Intl.RelativeTimeFormat(language, { numeric: 'auto' })
  const far = new Intl.DateTimeFormat(language, { dateStyle: 'medium' })
  const noon = (at: number) => new Date(at).setHours(12, 0, 0, 0)
  return at => {
    const ago = Math.round((noon(Date.now()) - noon(at)) / DAY_MS)
    return ago < 2 ? near.format(-ago, 'day') : far.format(at)
  }
}
