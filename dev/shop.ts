/**
 * The demo's shop: a page of another origin with the chat on it, under a policy as strict as a careful shop has. It shows all that a page
 * has to do for the chat: one script, and two lines in its policy.
 */
import { createServer } from 'node:http'

export interface Shop {
  url: string
  stop(): Promise<void>
}

export async function startShop(port: number, desk: string, webChatId: string): Promise<Shop> {
  const origin = new URL(desk).origin
  const policy = [
    "default-src 'none'",
    `script-src ${origin}`,
    `connect-src ${origin} ${origin.replace(/^http/, 'ws')}`,
    "style-src 'self'",
    `img-src 'self' ${origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ')
  const http = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://shop').pathname
    const [type, text] = path === '/shop.css' ? ['text/css', STYLE] : ['text/html', page(desk, webChatId)]
    if (path !== '/' && path !== '/shop.css') {
      response.writeHead(204).end()
      return
    }
    response.writeHead(200, {
      'content-type': `${type}; charset=utf-8`,
      'content-security-policy': policy,
    })
    response.end(text)
  })
  await new Promise<void>(done => http.listen(port, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise(done => {
        http.close(() => done())
        http.closeAllConnections()
      }),
  }
}

const page = (desk: string, webChatId: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Demo shop</title>
<link rel="stylesheet" href="/shop.css">
</head>
<body>
<header><strong>Demo shop</strong></header>
<main>
<h1>Things that last</h1>
<p>Ask us about refunds, passwords, parcels and invoices: the chat is at the bottom of this page, and answers in English and Chinese.</p>
</main>
<script src="${desk}/widget.js" data-chat="${webChatId}" async></script>
</body>
</html>`

const STYLE = `body { font: 1.05rem/1.6 Georgia, serif; margin: 0; color: #2b2b2b; background: #faf7f2 }
header { padding: 1rem 2rem; background: #fff; border-bottom: 1px solid #e6ded2 }
main { max-width: 40rem; margin: 8vh auto; padding: 0 2rem }
h1 { font-size: 2.6rem; line-height: 1.15 }`
