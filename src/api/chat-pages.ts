/**
 * A web chat as a page: `/chat/{webChatId}` for a frame on somebody's page, `/share/{webChatId}` for a link that is handed around. Both are
 * an empty page that the widget fills. Which pages may frame the first one its allowed origins say.
 */
import { type Context, Hono } from 'hono'
import { html } from 'hono/html'
import { isUuid } from '../domain/ids.ts'
import { frameAncestors } from '../domain/origins.ts'
import { webChatSettingsOf } from '../store/inboxes.ts'
import { chatToVisit } from '../store/visitors.ts'
import type { Access } from './access.ts'
import { guard, page as plainPage } from './html-page.ts'

export const chatPages = new Hono<Access>({ strict: false })
// Every method, so that none of them is a route of the API.
chatPages.all('/chat/:id', c => chatPage(c, true))
chatPages.all('/share/:id', c => chatPage(c, false))

async function chatPage(c: Context<Access>, isFramed: boolean): Promise<Response> {
  const id = c.req.param('id') ?? ''
  const chat = isUuid(id) ? await chatToVisit(c.env, id) : undefined
  const own = chat && webChatSettingsOf(chat)
  if (!chat || !own) {
    await guard(c)
    return c.html(
      plainPage('No chat here', html`<p>There is no chat at this address. Ask whoever gave it to you.</p>`),
      404,
    )
  }
  const ancestors = !isFramed ? "'none'" : frameAncestors(own.allowedOrigins)
  // Not every browser takes its own socket for 'self'.
  const socket = new URL(c.req.url).origin.replace(/^http/, 'ws')
  c.header('content-security-policy', `${POLICY}; connect-src 'self' ${socket}; frame-ancestors ${ancestors}`)
  c.header('referrer-policy', 'strict-origin')
  c.header('cache-control', 'no-store')
  const { email, language } = c.req.query()
  const title = own.title ?? chat.name
  return c.html(
    page(
      title,
      language ?? own.language ?? 'en',
      html`<script src="/widget.js" data-chat="${id}" data-mode="page" data-email="${email ?? ''}" data-language="${language ?? ''}" async></script>
<noscript><p>This chat needs JavaScript.</p></noscript>`,
    ),
  )
}

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'"

type Html = ReturnType<typeof html>

function page(title: string, language: string, body: Html): Html {
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${title}</title>
</head>
<body><main>
${body}
</main></body>
</html>`
}
