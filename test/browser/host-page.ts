/** Somebody's own page, on an origin of its own, under a policy as strict as they come, with styles that would spoil everything. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HostPage {
  origin: string
  /** @param options attributes of the script tag, and what else differs */
  at(options?: PageOptions): string
  /** Violations of the policy that browsers reported. */
  reports: string[]
  stop(): Promise<void>
}

export interface PageOptions {
  /** Where the script comes from, when not from the desk itself. */
  desk?: string
  chat?: string
  language?: string
  dir?: 'rtl'
  /** Script tags. */
  tags?: number
  /** Calls before the script is there, of `/stub.js`. */
  stub?: boolean
}

const CSS = `body { margin: 24px; font: 18px serif; min-height: 1500px }
* { letter-spacing: 3px !important; text-transform: uppercase !important; color: #333 }
div, button, textarea, section, span { float: right; background: lime !important; border: 9px solid red; display: inline }
edgedesk-chat { display: block; position: static; width: 300px; height: 300px; color: red }
h1, h2, p { margin: 60px; font-size: 60px }`

const STUB = `window.ChatBot = window.ChatBot || { q: [] }
ChatBot.q.push(['setEmail', 'early@shop.test'])
ChatBot.q.push(['on', 'ready', () => document.body.dataset.ready = 'yes'])
document.addEventListener('chatbot:ready', () => document.body.dataset.told = 'yes')`

export async function servePage(chat: string, desks: () => string[]): Promise<HostPage> {
  const reports: string[] = []
  const server = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://host')
    if (pathname === '/report') {
      for await (const chunk of request) reports.push(String(chunk))
      return response.end()
    }
    if (pathname !== '/') {
      const [type, text] = pathname.endsWith('.css') ? ['text/css', CSS] : ['text/javascript', STUB]
      return response.writeHead(pathname === '/favicon.ico' ? 404 : 200, { 'content-type': type }).end(text)
    }
    const known = desks()
    const sockets = known.map(one => one.replace('http', 'ws'))
    response.writeHead(200, {
      'content-type': 'text/html; charset=iso-8859-1',
      'content-security-policy': `default-src 'self'; script-src 'self' ${known.join(' ')}; connect-src ${[...known, ...sockets].join(' ')}; style-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; require-trusted-types-for 'script'; report-uri /report`,
    })
    const { desk = known[0]!, language, dir, tags = '1', stub } = Object.fromEntries(searchParams)
    const attributes = `data-chat="${searchParams.get('chat') ?? chat}"${language ? ` data-language="${language}"` : ''}`
    const tag = `<script src="${desk}/widget.js" ${attributes} async></script>`
    response.end(`<!doctype html>
<html lang="en"${dir ? ` dir="${dir}"` : ''}>
<head><meta name="viewport" content="width=device-width, initial-scale=1"><title>A shop</title><link rel="stylesheet" href="/page.css">${stub ? '<script src="/stub.js"></script>' : ''}</head>
<body><main><h1 id="a">A shop</h1><p id="b">We sell things. <a href="#more" id="c">More</a></p></main>${tag.repeat(Number(tags))}</body></html>`)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    origin,
    reports,
    at: (options = {}) => {
      const query = Object.entries(options).map(([name, value]) => [name, String(value)])
      return `${origin}/?${new URLSearchParams(query)}`
    },
    stop: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
