/** The chat widget as a visitor has it: in Chromium, on somebody else's page, against the running product. */
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ROOT } from '../../dev/processes.ts'
import type { ChatBot } from '../../web/widget/chatbot.ts'
import { type RunningDesk, startDesk } from './desk.ts'
import { type HostPage, type PageOptions, servePage } from './host-page.ts'
import { type BreakableLine, lineTo } from './line.ts'

declare global {
  interface Window {
    seen: { shifts: number; violations: string[]; ran: string[]; globals: string[]; events: unknown[] }
  }
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const GREETING = 'Hello! How can we help?'

let desk: RunningDesk
let line: BreakableLine
let deafLine: BreakableLine
let deafness: ReturnType<typeof deaf>
let browser: Browser
let host: HostPage
let stranger: HostPage
const contexts: BrowserContext[] = []
const chat = (settings: object) => desk.api('PATCH', `web-chats/${desk.webChatId}`, settings)

beforeAll(async () => {
  const executablePath = '/usr/bin/chromium'
  ;[desk, browser] = await Promise.all([
    startDesk(),
    chromium.launch({ executablePath, args: ['--no-sandbox'] }),
  ])
  ;[line, deafLine] = await Promise.all([lineTo(desk.url), lineTo(desk.url)])
  ;[host, stranger] = (await Promise.all(
    [1, 2].map(() => servePage(desk.webChatId, () => [desk.url, line.url, deafLine.url])),
  )) as [HostPage, HostPage]
  await chat({
    allowedOrigins: [host.origin],
    title: 'Acme',
    greeting: { en: GREETING },
    suggestedQuestions: { en: ['How do I get a refund?'] },
  })
  deafness = deaf()
  deafness.catch(() => {}) // its test says so
})
afterEach(async () => {
  line.mend()
  for (const context of contexts.splice(0)) await context.close()
})
afterAll(async () => {
  await browser?.close()
  await Promise.all([line?.stop(), deafLine?.stop(), host?.stop(), stranger?.stop(), desk?.stop()])
})

/** Watches what the page must never see: moved content, violations, scripts that ran. */
const watch = () => {
  window.seen = { shifts: 0, violations: [], ran: [], globals: [...Object.keys(window), 'seen'], events: [] }
  new PerformanceObserver(list => {
    // What moves within the widget has no node that a page could see.
    for (const { sources } of list.getEntries() as unknown as { sources: { node: Node | null }[] }[])
      window.seen.shifts += sources.filter(one => one.node !== null).length
  }).observe({ type: 'layout-shift', buffered: true })
  document.addEventListener('securitypolicyviolation', event =>
    window.seen.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
  )
}

/** @param ending where those stand that are closed after the test */
async function visitor(options: BrowserContextOptions = {}, ending = contexts): Promise<BrowserContext> {
  const context = await browser.newContext({
    viewport: { width: 1000, height: 760 },
    locale: 'en-US',
    reducedMotion: 'reduce',
    ...options,
  })
  context.setDefaultTimeout(15_000)
  await context.addInitScript(watch)
  ending.push(context)
  return context
}

async function onPage(context: BrowserContext, options: PageOptions = {}, on = host): Promise<Page> {
  const page = await context.newPage()
  await page.goto(on.at(options))
  await page.locator('edgedesk-chat .launcher').waitFor()
  return page
}

const parts = (page: Page) => ({
  launcher: page.locator('edgedesk-chat .launcher'),
  panel: page.locator('edgedesk-chat .panel'),
  box: page.locator('edgedesk-chat .composer textarea'),
  send: page.locator('edgedesk-chat .send'),
  mine: page.locator('edgedesk-chat .mine > .bubble'),
  theirs: page.locator('edgedesk-chat .log .theirs > .bubble'),
  notice: page.locator('edgedesk-chat .notice'),
  streaming: page.locator('edgedesk-chat .scroll > .theirs > .bubble'),
})

/** Begun, and answered by the assistant. */
async function chatting(options: PageOptions = {}, context?: BrowserContext): Promise<Page> {
  const page = await onPage(context ?? (await visitor()), options)
  const { launcher, box, theirs } = parts(page)
  await launcher.click()
  await box.fill('How do I get a refund?')
  await box.press('Enter')
  await theirs.filter({ hasText: '30 days' }).waitFor()
  return page
}

/** A text and a picture are sent. */
async function attach(page: Page): Promise<void> {
  const png =
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='
  await page.locator('edgedesk-chat .composer .tool').waitFor()
  await page.locator('edgedesk-chat input[type=file]').setInputFiles([
    { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') },
    { name: 'dot.png', mimeType: 'image/png', buffer: Buffer.from(png, 'base64') },
  ])
  const { box, send } = parts(page)
  await expect.poll(() => send.getAttribute('aria-disabled')).toBe('false')
  await box.fill('see these')
  await box.press('Enter')
}

const kept = (page: Page): Promise<{ token: string; conversation: string }> =>
  page.evaluate(id => JSON.parse(localStorage.getItem(`edgedesk ${id}`) ?? '{}'), desk.webChatId)
/** A person of the team answers. */
const answer = async (page: Page, content: string) =>
  desk.api('POST', 'messages/outgoing', { conversation: (await kept(page)).conversation, content })
const bubbles = (page: Page) =>
  page.locator('edgedesk-chat .log .bubble').evaluateAll(all => all.map(one => one.textContent))
const clean = async (page: Page) => {
  expect(await page.evaluate(() => ({ violations: window.seen.violations, ran: window.seen.ran }))).toEqual({
    violations: [],
    ran: [],
  })
  expect(host.reports).toEqual([])
}
const until = (what: () => Promise<unknown>, wanted: unknown, timeout = 10_000) =>
  expect.poll(what, { timeout, interval: 50 }).toEqual(wanted)

/** For the eyes, where SHOTS names a folder. */
const look = async (page: Page, name: string) => {
  const { SHOTS } = process.env
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`) })
}

/** What axe finds serious or critical. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(what?: unknown): Promise<{ violations: Fault[] }> } }
    interface Fault {
      id: string
      impact: string
      nodes: { html: string; failureSummary: string }[]
    }
    const { violations } = await axe.run()
    return violations
      .filter(one => one.impact === 'serious' || one.impact === 'critical')
      .flatMap(one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 120)} ${node.failureSummary}`))
  })
}

it('CW8 is at most 15 kB, gzipped, with all its languages and styles', () => {
  const bytes = gzipSync(readFileSync(join(ROOT, 'dist/assets/widget.js')), { level: 9 }).length
  console.log(`widget.js: ${bytes} bytes gzipped`)
  expect(bytes).toBeLessThanOrEqual(15_000)
})

describe('on a page of another origin, under a strict policy', () => {
  it('CW9 first run: nothing is asked before it is opened, nothing of the page moves, the answer comes', async () => {
    const page = await (await visitor()).newPage()
    const asked: string[] = []
    page.on('request', request => request.url().includes('/api/') && asked.push(request.url()))
    await page.goto(host.at())
    const boxes = () =>
      page.evaluate(() =>
        ['a', 'b', 'c'].map(id => JSON.stringify(document.getElementById(id)!.getBoundingClientRect())),
      )
    const { launcher, panel, theirs, mine } = parts(page)
    await launcher.waitFor()
    const before = await boxes()
    const height = await page.evaluate(() => document.documentElement.scrollHeight)
    expect(asked).toEqual([])
    expect(
      await page.evaluate(() => Object.keys(window).filter(name => !window.seen.globals.includes(name))),
    ).toEqual(['ChatBot'])
    await launcher.click()
    await theirs.filter({ hasText: GREETING }).waitFor()
    expect(
      await panel.evaluate(one => [
        getComputedStyle(one).fontSize,
        getComputedStyle(one).letterSpacing,
        getComputedStyle(one).textTransform,
      ]),
    ).toEqual(['15px', 'normal', 'none'])
    await page.getByRole('button', { name: 'How do I get a refund?' }).click()
    await theirs.filter({ hasText: '30 days' }).waitFor()
    expect(await mine.allTextContents()).toEqual(['How do I get a refund?'])
    expect(await page.getByRole('button', { name: 'How do I get a refund?' }).count()).toBe(0)
    expect(await page.locator('edgedesk-chat .sources a').first().getAttribute('rel')).toBe(
      'noopener noreferrer',
    )
    expect(await boxes()).toEqual(before)
    expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBe(height)
    expect(await page.evaluate(() => window.seen.shifts)).toBe(0)
    await clean(page)
  })

  it('CW9 reload: open as before, with all that was said and what was being written', async () => {
    const page = await chatting()
    const before = await bubbles(page)
    const { box, panel, launcher } = parts(page)
    await box.fill('a draft')
    await page.waitForTimeout(100)
    await page.reload()
    await until(() => bubbles(page), before)
    expect(await box.inputValue()).toBe('a draft')
    await box.press('Escape')
    await page.reload()
    await launcher.waitFor()
    expect(await panel.isVisible()).toBe(false)
    // Closed, it listens quietly, and counts what comes.
    await answer(page, 'Are you still there?')
    await page.locator('edgedesk-chat .badge', { hasText: '1' }).waitFor()
    expect(await launcher.getAttribute('aria-label')).toBe('Open chat, 1 new')
    await launcher.click()
    await page.locator('edgedesk-chat .badge').waitFor({ state: 'hidden' })
    await clean(page)
  })

  it('M1 M2 offline: what is said waits, all comes in order once the network is back, and what changed meanwhile shows', async () => {
    const context = await visitor()
    const page = await chatting({ desk: line.url }, context)
    const { box, mine, notice } = parts(page)
    await context.setOffline(true)
    line.cut()
    await notice.filter({ hasText: 'No connection' }).waitFor()
    for (const text of ['first', 'second', 'third']) {
      await box.fill(text)
      await box.press('Enter')
    }
    await page.locator('edgedesk-chat .state', { hasText: 'No connection' }).first().waitFor()
    await answer(page, 'one from Pat')
    await answer(page, 'two from Pat')
    line.mend()
    await context.setOffline(false)
    await until(() => page.locator('edgedesk-chat .owed').count(), 0)
    expect((await mine.allTextContents()).slice(1)).toEqual(['first', 'second', 'third'])
    const all = await bubbles(page)
    for (const text of ['one from Pat', 'two from Pat', 'first', 'second', 'third'])
      expect(all.filter(one => one === text)).toHaveLength(1)
    expect(all.indexOf('one from Pat')).toBeLessThan(all.indexOf('two from Pat'))
    await notice.waitFor({ state: 'hidden' })
    const listed = await desk.api<{ items: { content: string }[] }>(
      'GET',
      `messages/?conversation=${(await kept(page)).conversation}`,
    )
    for (const text of ['first', 'second', 'third'])
      expect(listed.items.filter(one => one.content === text)).toHaveLength(1)
    await clean(page)
  })

  it('M2 what was closed while the network was away is shown as closed after it', async () => {
    const page = await chatting({ desk: line.url })
    line.cut()
    await desk.api('PATCH', `conversations/${(await kept(page)).conversation}`, { status: 'closed' })
    line.mend()
    await parts(page).notice.filter({ hasText: 'This conversation is closed' }).waitFor()
  })

  it('CW9 an outbox survives a reload without a network', async () => {
    const context = await visitor()
    const page = await chatting({ desk: line.url }, context)
    line.cut()
    const { box } = parts(page)
    await box.fill('said in a tunnel')
    await box.press('Enter')
    await page.waitForTimeout(100)
    line.mend()
    await page.reload()
    await until(async () => (await bubbles(page)).filter(one => one === 'said in a tunnel').length, 1)
    await until(() => page.locator('edgedesk-chat .owed').count(), 0)
    expect((await bubbles(page)).filter(one => one === 'said in a tunnel')).toHaveLength(1)
  })

  it('M3 a phone that had the page in the background shows what came, without a reload', async () => {
    const context = await visitor()
    const page = await chatting({ desk: line.url }, context)
    const devtools = await context.newCDPSession(page)
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
    line.cut()
    await answer(page, 'while you were away').catch(() => {})
    line.mend()
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await answer(page, 'welcome back')
    await parts(page).theirs.filter({ hasText: 'welcome back' }).waitFor()
  })

  it('M5 two tabs: begun in one it appears in the other, and each message stands once in both', async () => {
    const context = await visitor()
    const one = await onPage(context)
    const two = await onPage(context)
    await parts(one).launcher.click()
    await parts(two).launcher.click()
    await parts(two).theirs.filter({ hasText: GREETING }).waitFor()
    await parts(one).box.fill('How do I get a refund?')
    await parts(one).box.press('Enter')
    for (const page of [one, two]) await parts(page).theirs.filter({ hasText: '30 days' }).waitFor()
    await parts(two).box.fill('from the second tab')
    await parts(two).box.press('Enter')
    for (const page of [one, two]) {
      await until(async () => (await bubbles(page)).filter(text => text === 'from the second tab').length, 1)
      await until(() => page.locator('edgedesk-chat .owed').count(), 0)
      expect(await parts(page).mine.allTextContents()).toEqual([
        'How do I get a refund?',
        'from the second tab',
      ])
    }
    expect((await kept(one)).conversation).toBe((await kept(two)).conversation)
  })

  it('CW10 keyboard only: opened, written, sent and closed, and the focus is where it was', async () => {
    const page = await onPage(await visitor())
    const { box, mine, panel } = parts(page)
    const focused = () =>
      page.evaluate(() => {
        let now = document.activeElement
        while (now?.shadowRoot?.activeElement) now = now.shadowRoot.activeElement
        return now?.getAttribute('aria-label') ?? now?.className ?? ''
      })
    for (let i = 0; i < 6 && (await focused()) !== 'Open chat'; i++) await page.keyboard.press('Tab')
    expect(await focused()).toBe('Open chat')
    await page.keyboard.press('Enter')
    await until(focused, 'Write a message…')
    await page.locator('edgedesk-chat .suggestions button').waitFor()
    await page.keyboard.type('line one')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('line two')
    await page.keyboard.press('Enter')
    await mine.waitFor()
    expect(await mine.textContent()).toBe('line one\nline two')
    expect(await box.inputValue()).toBe('')
    const reached = new Set<string>()
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press('Shift+Tab')
      reached.add(await focused())
    }
    for (const name of ['Attach a file', 'scroll', 'Close chat']) expect([...reached]).toContain(name)
    expect(await page.getByRole('button', { name: 'Close chat' }).count()).toBe(1)
    expect(await page.getByRole('button', { expanded: true }).getAttribute('aria-label')).toBe('Chat with us')
    await box.focus()
    await page.keyboard.press('Escape')
    await panel.waitFor({ state: 'hidden' })
    expect(await focused()).toBe('Open chat')
    await clean(page)
  })

  it('CW10 a streamed answer stands beside the log until it is whole, and a screen reader hears it once', async () => {
    const page = await onPage(await visitor())
    let told: (frame: object) => void = () => {}
    await page.routeWebSocket(/\/ws/, socket => {
      const server = socket.connectToServer()
      told = frame => socket.send(JSON.stringify(frame))
      server.onMessage(message => socket.send(message))
      socket.onMessage(message => server.send(message))
    })
    const { launcher, box, theirs, streaming } = parts(page)
    await launcher.click()
    await box.fill('How do I get a refund?')
    await box.press('Enter')
    await theirs.filter({ hasText: '30 days' }).waitFor()
    await page.evaluate(() => {
      const log = document.querySelector('edgedesk-chat')!.shadowRoot!.querySelector('[role=log]')!
      new MutationObserver(all =>
        window.seen.events.push(...all.flatMap(one => [...one.addedNodes]).map(node => node.textContent)),
      ).observe(log, { childList: true, subtree: true, characterData: true })
    })
    told({ type: 'typing', who: { kind: 'assistant', id: 'a', name: 'Ada' }, on: true })
    await page.getByText('Ada is typing…').waitFor({ state: 'attached' })
    told({ type: 'answer', id: 'x', at: 0, text: 'In **a' })
    told({ type: 'answer', id: 'x', at: 6, text: ' moment**.' })
    await streaming.filter({ hasText: 'In a moment.' }).waitFor()
    expect(await page.evaluate(() => window.seen.events)).toEqual([])
    expect(await page.locator('edgedesk-chat [role=log]').getAttribute('aria-live')).toBe('polite')
    told({ type: 'answer', id: 'x', over: true })
    await streaming.first().waitFor({ state: 'hidden' })
    await answer(page, 'In a moment.')
    await theirs.filter({ hasText: 'In a moment.' }).waitFor()
    expect((await page.evaluate(() => window.seen.events)).length).toBe(1)
  })

  it('CW3 a flood is told with a countdown, what was said is kept, and goes on by itself', async () => {
    const page = await onPage(await visitor())
    let refusals = 1
    await page.routeWebSocket(/\/ws/, socket => {
      const server = socket.connectToServer()
      server.onMessage(message => socket.send(message))
      socket.onMessage(message => {
        const frame = message === 'ping' ? null : JSON.parse(String(message))
        if (frame?.type !== 'say' || refusals-- <= 0) server.send(message)
        else
          socket.send(
            JSON.stringify({
              type: 'error',
              code: 'rate_limited',
              message: 'x',
              sentAs: frame.id,
              retryAfter: 2,
            }),
          )
      })
    })
    const { launcher, box, notice, theirs } = parts(page)
    await launcher.click()
    await box.fill('How do I get a refund?')
    await box.press('Enter')
    await notice.filter({ hasText: /Too fast. Wait [12] s./ }).waitFor()
    await theirs.filter({ hasText: '30 days' }).waitFor()
    await notice.waitFor({ state: 'hidden' })
  })

  it('CW3 what the desk refuses says so, and can be tried again', async () => {
    const page = await onPage(await visitor())
    let refusals = 1
    await page.routeWebSocket(/\/ws/, socket => {
      const server = socket.connectToServer()
      server.onMessage(message => socket.send(message))
      socket.onMessage(message => {
        const frame = message === 'ping' ? null : JSON.parse(String(message))
        if (frame?.type !== 'say' || refusals-- <= 0) server.send(message)
        else
          socket.send(
            JSON.stringify({ type: 'error', code: 'inbox_disconnected', message: 'x', sentAs: frame.id }),
          )
      })
    })
    const { launcher, box, theirs } = parts(page)
    await launcher.click()
    await box.fill('How do I get a refund?')
    await box.press('Enter')
    await page.locator('edgedesk-chat .state', { hasText: 'Not sent.' }).waitFor()
    await page.getByRole('button', { name: 'Try again' }).click()
    await theirs.filter({ hasText: '30 days' }).waitFor()
  })

  it('CW5 hostile content stays text', async () => {
    const page = await chatting()
    const bad =
      '<img src=x onerror="window.seen.ran.push(1)"> [click](javascript:window.seen.ran.push(2)) <script>window.seen.ran.push(3)</script>'
    await answer(page, bad)
    const { theirs, box, mine } = parts(page)
    const shown = theirs.filter({ hasText: 'onerror' })
    await shown.waitFor()
    expect(await shown.textContent()).toBe(bad)
    expect(await shown.locator('img, a, script').count()).toBe(0)
    await box.fill('<b onmouseover=alert(1)>**mine**</b>')
    await box.press('Enter')
    const said = mine.filter({ hasText: 'onmouseover' })
    await said.waitFor()
    expect(await said.textContent()).toBe('<b onmouseover=alert(1)>**mine**</b>')
    await clean(page)
  })

  it('CW11 files are sent, named and fetched, and nothing that the page forbids is tried', async () => {
    const page = await chatting()
    const fetched: string[] = []
    const errors: string[] = []
    page.on('console', message => message.type() === 'error' && errors.push(message.text()))
    page.on('download', one => fetched.push(one.suggestedFilename()))
    await attach(page)
    await page.getByRole('button', { name: 'Download dot.png' }).waitFor()
    await page.getByRole('button', { name: 'Download notes.txt' }).click()
    await until(async () => fetched, ['notes.txt'])
    // A picture is shown on somebody else's page, too.
    await page.locator('edgedesk-chat .log canvas').waitFor()
    await look(page, 'files')
    expect(errors).toEqual([])
    await clean(page)
  })

  it('CW11 a picture is shown', async () => {
    const page = await (await visitor()).newPage()
    await page.goto(`${desk.url}/share/${desk.webChatId}`)
    await attach(page)
    await page.locator('edgedesk-chat .log canvas').waitFor()
    expect(await page.evaluate(() => window.seen.violations)).toEqual([])
  })

  it('CW11 an answer is liked, and the desk knows', async () => {
    const page = await chatting()
    const like = page.getByRole('button', { name: 'Helpful', exact: true }).last()
    await like.click()
    await expect.poll(() => like.getAttribute('aria-pressed')).toBe('true')
    const { conversation } = await kept(page)
    await expect
      .poll(async () => JSON.stringify(await desk.api('GET', `messages/?conversation=${conversation}`)))
      .toContain('"like"')
    await page.reload()
    await expect.poll(() => like.getAttribute('aria-pressed')).toBe('true')
  })

  it('CW12 a wrong origin gets no chat: the page’s author is told, the visitor sees nothing', async () => {
    const page = await (await visitor()).newPage()
    const warnings: string[] = []
    page.on('console', message => message.type() === 'warning' && warnings.push(message.text()))
    await page.goto(stranger.at())
    const { launcher, panel } = parts(page)
    await launcher.click()
    await launcher.waitFor({ state: 'hidden' })
    expect(await panel.isVisible()).toBe(false)
    expect(warnings).toEqual([`ChatBot: add "${stranger.origin}" to allowedOrigins of this web chat`])
    expect((await kept(page)).token).toBeUndefined()
  })

  it('CW13 window.ChatBot: calls of before it was there, events, one widget for two tags', async () => {
    const context = await visitor()
    const page = await onPage(context, { stub: true, tags: 2 })
    expect(await page.locator('edgedesk-chat').count()).toBe(1)
    expect(await page.evaluate(() => [document.body.dataset.ready, document.body.dataset.told])).toEqual([
      'yes',
      'yes',
    ])
    const session = page.waitForRequest(/\/sessions$/)
    await page.evaluate(() => {
      const bot = window.ChatBot as ChatBot
      for (const name of ['open', 'close', 'message', 'unread', 'error'] as const)
        bot.on(name, about =>
          window.seen.events.push([
            name,
            typeof about === 'object' ? (about as { type?: string }).type : about,
          ]),
        )
      const off = bot.on('open', () => window.seen.events.push('never'))
      off()
      bot.toggle()
    })
    expect((await session).postDataJSON()).toMatchObject({ email: 'early@shop.test', language: 'en' })
    const { box, theirs, panel } = parts(page)
    await box.fill('How do I get a refund?')
    await box.press('Enter')
    await theirs.filter({ hasText: '30 days' }).waitFor()
    await page.evaluate(() => (window.ChatBot as ChatBot).close())
    await panel.waitFor({ state: 'hidden' })
    await answer(page, 'one more thing')
    await expect.poll(() => page.evaluate(() => window.seen.events.length)).toBe(6)
    expect(await page.evaluate(() => window.seen.events)).toEqual(
      [
        ['open', undefined],
        ['message', 'incoming'],
        ['message', 'outgoing'],
        ['close', undefined],
        ['message', 'outgoing'],
        ['unread', 1],
      ].map(([name, about]) => [name, about ?? (name === 'open' || name === 'close' ? undefined : about)]),
    )
    // What somebody began to write is theirs as well, and not the next one's.
    await page.evaluate(() => (window.ChatBot as ChatBot).open())
    await parts(page).box.fill('half-written, and private')
    await page.evaluate(() => (window.ChatBot as ChatBot).reset())
    await page.evaluate(() => (window.ChatBot as ChatBot).open())
    await theirs.filter({ hasText: GREETING }).waitFor()
    await until(() => bubbles(page), [GREETING])
    await expect.poll(() => parts(page).box.inputValue()).toBe('')
    await page.reload()
    await parts(page).box.waitFor()
    expect(await parts(page).box.inputValue()).toBe('')
  })

  it('CW13 identify: an address is proved by its HMAC, and a forged one goes on as nobody', async () => {
    const { secret } = await desk.api<{ secret: string }>(
      'POST',
      `web-chats/${desk.webChatId}/identity-secret`,
    )
    const email = 'Proved@Shop.test'
    const hash = createHmac('sha256', secret).update(email.trim().toLowerCase()).digest('hex')
    const contactOf = async (claim: { email: string; hash: string }) => {
      const page = await onPage(await visitor())
      const answers: { contact: { email: string | null; proved: boolean } }[] = []
      page.on('response', async response => {
        if (response.url().endsWith('/sessions') && response.ok() && response.request().method() === 'POST')
          answers.push(await response.json())
      })
      await page.evaluate(who => (window.ChatBot as ChatBot).identify(who), claim)
      await parts(page).launcher.click()
      await expect.poll(() => answers.length).toBe(1)
      return answers[0]!.contact
    }
    expect(await contactOf({ email, hash })).toMatchObject({ email: 'proved@shop.test', proved: true })
    expect(await contactOf({ email, hash: hash.replace(/^./, c => (c === '0' ? '1' : '0')) })).toMatchObject({
      email: null,
      proved: false,
    })
  })

  it('CW13 where nothing may be kept it works all the same, for as long as the page stands', async () => {
    const context = await visitor()
    await context.addInitScript(() => {
      for (const kind of ['localStorage', 'sessionStorage'])
        Object.defineProperty(window, kind, {
          get() {
            throw new DOMException('denied', 'SecurityError')
          },
        })
    })
    const page = await chatting({}, context)
    expect(await parts(page).mine.count()).toBe(1)
  })
})

describe('seen and heard', () => {
  it('CW14 axe finds nothing serious: closed, open, dark, on the pages of our own', async () => {
    const context = await visitor()
    const page = await onPage(context)
    expect(await faults(page)).toEqual([])
    await page.close()
    const open = await chatting({}, context)
    expect(await faults(open)).toEqual([])
    await open.emulateMedia({ colorScheme: 'dark' })
    expect(await faults(open)).toEqual([])
    for (const path of ['chat', 'share']) {
      await open.emulateMedia({ colorScheme: path === 'chat' ? 'light' : 'dark' })
      await open.goto(`${desk.url}/${path}/${desk.webChatId}`)
      await parts(open).theirs.filter({ hasText: GREETING }).waitFor()
      expect(await faults(open)).toEqual([])
    }
  })

  it('CW14 any colour of a brand can be read', async () => {
    const page = await chatting()
    try {
      for (const color of ['#ffffff', '#000000', '#808080']) {
        await chat({ color })
        await page.reload()
        await until(
          () => parts(page).panel.evaluate(one => getComputedStyle(one).getPropertyValue('--brand')),
          color,
        )
        await parts(page).mine.waitFor()
        expect(await faults(page), color).toEqual([])
      }
    } finally {
      await chat({ color: '#2456d6' })
    }
  })

  it('CW14 a narrow screen is filled, a page from right to left has it on its other side, and nothing is cut off', async () => {
    const narrow = await chatting({}, await visitor({ viewport: { width: 320, height: 568 } }))
    expect(await parts(narrow).panel.boundingBox()).toEqual({ x: 0, y: 0, width: 320, height: 568 })
    const overflow = (page: Page) =>
      page.locator('edgedesk-chat .scroll').evaluate(one => one.scrollWidth - one.clientWidth)
    await answer(
      narrow,
      `${'x'.repeat(400)}\n\nhttps://a.example/${'y'.repeat(300)}\n\n\`\`\`\n${'z'.repeat(200)}\n\`\`\``,
    )
    await parts(narrow).theirs.filter({ hasText: 'xxx' }).waitFor()
    expect(await overflow(narrow)).toBe(0)
    const turned = await chatting({ dir: 'rtl' })
    expect((await parts(turned).launcher.boundingBox())!.x).toBeLessThan(100)
    expect((await parts(turned).panel.boundingBox())!.x).toBeLessThan(100)
    expect(await overflow(turned)).toBe(0)
    expect(await turned.evaluate(() => window.seen.shifts)).toBe(0)
  })

  it.each([
    ['zh-TW', undefined, '開啟聊天', '輸入訊息…'],
    ['en-US', 'zh-CN', '打开聊天', '输入消息…'],
  ])('CW6 a browser in %s, a tag in %s: %s', async (locale, language, open, write) => {
    const page = await onPage(await visitor({ locale }), language ? { language } : {})
    const { launcher, box } = parts(page)
    expect(await launcher.getAttribute('aria-label')).toBe(open)
    await launcher.click()
    await box.waitFor()
    expect(await box.getAttribute('placeholder')).toBe(write)
  })

  it('CW6 the team’s wish counts more than the browser’s, and less than the page’s', async () => {
    await chat({ language: 'zh-TW' })
    try {
      const page = await onPage(await visitor())
      const { launcher, box } = parts(page)
      await launcher.click()
      await until(() => box.getAttribute('placeholder'), '輸入訊息…')
      expect(await box.evaluate(one => one.matches(':focus'))).toBe(true)
      const named = await onPage(await visitor(), { language: 'en' })
      await parts(named).launcher.click()
      await parts(named).theirs.first().waitFor()
      expect(await parts(named).box.getAttribute('placeholder')).toBe('Write a message…')
    } finally {
      await chat({ language: null })
    }
  })
})

describe('an address for the answers that are missed', () => {
  const asked = (page: Page) => ({
    line: page.locator('edgedesk-chat .follow'),
    email: page.locator('edgedesk-chat .follow').getByLabel('E-mail', { exact: true }),
    send: page.getByRole('button', { name: 'Get the answer by e-mail, too' }),
  })

  it('CW17 is asked for after the first message, where answers are mailed, and told back', async () => {
    await chat({ mailInboxId: desk.mailInboxId })
    try {
      const page = await onPage(await visitor())
      const { launcher, box, theirs, notice } = parts(page)
      const { line, email, send } = asked(page)
      await launcher.click()
      await theirs.first().waitFor()
      expect(await line.isVisible()).toBe(false)
      await box.fill('How do I get a refund?')
      await box.press('Enter')
      await theirs.filter({ hasText: '30 days' }).waitFor()
      await line.waitFor()
      expect(await faults(page)).toEqual([])
      await look(page, 'follow')
      await email.press('Enter')
      await notice.filter({ hasText: 'Write your e-mail address.' }).waitFor()
      // What only the desk knows to be no good is told as well.
      for (const bad of ['ann', 'ann@localhost']) {
        await email.fill(bad)
        await send.click()
        await notice.filter({ hasText: 'Check the e-mail address.' }).waitFor()
      }
      await email.fill('ann@shop.test')
      await email.press('Enter')
      await line.filter({ hasText: 'We will write to ann@shop.test if you are not here.' }).waitFor()
      expect(await email.isVisible()).toBe(false)
      await until(() => box.evaluate(one => one.matches(':focus')), true)
      await notice.waitFor({ state: 'hidden' })
      expect(await faults(page)).toEqual([])
      await look(page, 'followed')
      const { conversation } = await kept(page)
      expect(JSON.stringify(await desk.api('GET', `conversations/${conversation}`))).toContain(
        'ann@shop.test',
      )
      // It goes on as before, and asks no more.
      await box.fill('thank you')
      await box.press('Enter')
      await until(() => page.locator('edgedesk-chat .owed').count(), 0)
      await page.reload()
      await theirs.filter({ hasText: '30 days' }).waitFor()
      expect(await line.isVisible()).toBe(false)
      await clean(page)
    } finally {
      await chat({ mailInboxId: null })
    }
  })

  it('CW17 is asked for once, and not where answers are not mailed or the page knows it', async () => {
    await chat({ mailInboxId: null })
    const without = await chatting()
    expect(await asked(without).line.isVisible()).toBe(false)
    await chat({ mailInboxId: desk.mailInboxId })
    try {
      const page = await chatting()
      const { line } = asked(page)
      await line.waitFor()
      await page.getByRole('button', { name: 'No e-mail' }).click()
      await line.waitFor({ state: 'hidden' })
      await until(() => parts(page).box.evaluate(one => one.matches(':focus')), true)
      await page.reload()
      await parts(page).theirs.filter({ hasText: '30 days' }).waitFor()
      expect(await line.isVisible()).toBe(false)
      const known = await chatting({ stub: true })
      expect(await asked(known).line.isVisible()).toBe(false)
    } finally {
      await chat({ mailInboxId: null })
    }
  })
})

describe('a person', () => {
  it('CW18 answers when they can: the head says so, and names the team where a program wrote', async () => {
    const page = await chatting()
    const about = page.locator('edgedesk-chat .about')
    await until(() => about.textContent(), 'We answer right away')
    await desk.api('PATCH', `conversations/${(await kept(page)).conversation}`, { owner: 'person' })
    await answer(page, 'Somebody looks into it.')
    await parts(page).theirs.filter({ hasText: 'looks into it' }).waitFor()
    await until(() => about.textContent(), 'We answer as soon as we can')
    const row = page.locator('edgedesk-chat .row', { hasText: 'looks into it' })
    expect(await row.locator('.who').textContent()).toBe('Acme')
    expect(await row.getByRole('button').count()).toBe(0)
    expect(await page.locator('edgedesk-chat h2').textContent()).toBe('Acme')
    expect(await page.locator('edgedesk-chat .face').textContent()).toBe('A')
    await look(page, 'person')
  })
})

describe('pages of our own', () => {
  it.each(['chat', 'share'])(
    'CW15 /%s fills its window, takes ?email= and ?language=, and answers',
    async path => {
      const page = await (await visitor()).newPage()
      const session = page.waitForRequest(/\/sessions$/)
      await page.goto(`${desk.url}/${path}/${desk.webChatId}?email=somebody@mail.test&language=zh-TW`)
      expect((await session).postDataJSON()).toMatchObject({ email: 'somebody@mail.test', language: 'zh-TW' })
      const { panel, launcher, box, theirs } = parts(page)
      expect(await panel.boundingBox()).toEqual({ x: 0, y: 0, width: 1000, height: 760 })
      expect(await launcher.isVisible()).toBe(false)
      await box.fill('How do I get a refund?')
      await box.press('Enter')
      await theirs.filter({ hasText: '30 days' }).waitFor()
      expect(await page.evaluate(() => window.seen.violations)).toEqual([])
    },
  )

  it('CW16 who comes while nobody is there leaves an address and a message', async () => {
    await chat({ paused: true, mailInboxId: desk.mailInboxId })
    try {
      const page = await onPage(await visitor())
      await parts(page).launcher.click()
      const form = page.locator('edgedesk-chat .form')
      await form.waitFor()
      expect(await faults(page)).toEqual([])
      const { notice, theirs, mine } = parts(page)
      const send = form.getByRole('button', { name: 'Send' })
      const state = page.locator('edgedesk-chat .state')
      // Nobody is asked what they want by who is not there.
      expect((await theirs.allTextContents()).map(one => one.slice(0, 25))).toEqual([
        'We are away right now. Le',
      ])
      await send.click()
      await notice.filter({ hasText: 'Write your e-mail address.' }).waitFor()
      await form.getByLabel('E-mail').fill('not an address')
      await send.click()
      await notice.filter({ hasText: 'Check the e-mail address.' }).waitFor()
      expect(await form.getByLabel('E-mail').evaluate(one => one.matches(':focus'))).toBe(true)
      expect(await form.getByLabel('E-mail').getAttribute('aria-invalid')).toBe('true')
      expect(await faults(page)).toEqual([])
      await form.getByLabel('E-mail').fill('late@shop.test')
      await form.getByLabel('message').fill('  ')
      await send.click()
      await notice.filter({ hasText: 'Write a message.' }).waitFor()
      await look(page, 'offline-empty')
      await form.getByLabel('message').fill('Do you ship to Norway?')
      await send.click()
      await state.filter({ hasText: 'Sent. We will write to late@shop.test.' }).waitFor()
      expect(await mine.allTextContents()).toEqual(['Do you ship to Norway?'])
      expect(await send.isVisible()).toBe(false)
      expect(await notice.isVisible()).toBe(false)
      await look(page, 'offline-sent')
      await page.reload()
      await state.filter({ hasText: 'Sent. We will write to late@shop.test.' }).waitFor()
      expect(await faults(page)).toEqual([])
      await form.getByRole('button', { name: 'Write another message' }).click()
      await form.getByLabel('E-mail').fill('late@shop.test')
      await form.getByLabel('message').fill('And to Sweden?')
      await send.click()
      await until(() => mine.allTextContents(), ['Do you ship to Norway?', 'And to Sweden?'])
      await page.evaluate(() => (window.ChatBot as ChatBot).reset())
      await until(() => mine.count(), 0)
      await clean(page)
    } finally {
      await chat({ paused: false, mailInboxId: null })
    }
  })
})

/** One that hears nothing any more, while the other tests run: how soon it noticed, ms, and what stands there once it is mended. */
async function deaf(): Promise<{ noticed: number; said: string[] }> {
  const page = await chatting({ desk: deafLine.url }, await visitor({}, []))
  deafLine.deafen()
  const broke = Date.now()
  const { box, mine, notice } = parts(page)
  await box.fill('does anybody hear me?')
  await box.press('Enter')
  await notice.filter({ hasText: 'No connection' }).waitFor({ timeout: 40_000 })
  const noticed = Date.now() - broke
  deafLine.mend()
  await until(() => page.locator('edgedesk-chat .owed').count(), 0, 20_000)
  return { noticed, said: await mine.allTextContents() }
}

it('M4 a network that carries nothing back is noticed within 30 s, and the chat goes on by itself', async () => {
  const { noticed, said } = await deafness
  console.log(`one-way network: noticed after ${(noticed / 1000).toFixed(1)} s`)
  expect(noticed).toBeLessThan(30_000)
  expect(said).toEqual(['How do I get a refund?', 'does anybody hear me?'])
})
