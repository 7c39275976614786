/** Pages for people that need no script: one look, and nothing that runs or is loaded. */
import type { Context } from 'hono'
import { html, raw } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'

export type Html = HtmlEscapedString | Promise<HtmlEscapedString>

const STYLE = `
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 10vh auto; padding: 0 1rem; color: #1c1c1e; background: #fff }
h1 { font-size: 1.4rem }
label { display: block; margin: 1rem 0 }
input:not([type=hidden]) { display: block; box-sizing: border-box; width: 100%; padding: .5rem; font: inherit; border: 1px solid #8e8e93; border-radius: .4rem }
button { padding: .6rem 1.2rem; font: inherit; color: #fff; background: #0b5fff; border: 0; border-radius: .4rem }
[role=alert] { padding: .6rem .8rem; border-left: .25rem solid #c1121f; background: #fdecee }
@media (prefers-color-scheme: dark) { body { color: #f2f2f7; background: #1c1c1e } input:not([type=hidden]) { color: inherit; background: #2c2c2e } [role=alert] { background: #4a1d22 } }
`

/** Nothing is loaded, nothing runs, and of styles this one alone is taken: by its digest (CSP3 §8.2). */
async function policy(): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(STYLE)))
  const style = `'sha256-${btoa(String.fromCharCode(...digest))}'`
  return `default-src 'none'; style-src ${style}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`
}

/** The address of this page is a secret: no other site, no cache and no frame gets it. */
export async function guard(c: Context): Promise<void> {
  c.header('content-security-policy', await policy())
  c.header('cache-control', 'no-store')
  c.header('referrer-policy', 'no-referrer')
  c.header('x-robots-tag', 'noindex')
}

export function page(title: string, body: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(STYLE)}</style>
</head>
<body><main><h1>${title}</h1>
${body}
</main></body>
</html>`
}
