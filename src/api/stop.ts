/**
 * `/stop/{site}/{address}/{token}`: whoever reads a mail that a web chat wrote says that they want no more. Looking at the page does nothing
 * (mail scanners look); sending its form does, and so does the mail program itself (RFC 8058, one click).
 */
import { Hono } from 'hono'
import { html } from 'hono/html'
import { db } from '../store/db.ts'
import { isOptOut, optOut } from '../store/opt-outs.ts'
import { nameOfSite } from '../store/sites.ts'
import type { Access } from './access.ts'
import { guard, page } from './html-page.ts'

export const stop = new Hono<Access>({ strict: false })

// Every method, so that none of them is a route of the API.
stop.all('/:siteId/:hash/:token', async c => {
  await guard(c)
  const { siteId, hash, token } = c.req.param()
  if (!(await isOptOut(c.env, siteId, hash, token)))
    return c.html(page('This link is not good', html`<p>Take it from the mail once more, whole.</p>`), 410)
  const d1 = db(c.env.DB)
  const name = await nameOfSite(d1, siteId)
  if (c.req.method === 'POST') {
    await optOut(d1, siteId, hash, Date.now())
    return c.html(page('Done', html`<p>The chat of ${name} writes no more mail to this address.</p>`))
  }
  return c.html(
    page(
      'No more of these mails?',
      html`<p>The chat of ${name} mails you answers that you have not seen there. You can still write to them as ever.</p>
        <form method="post"><button>Send me no more</button></form>`,
    ),
  )
})
