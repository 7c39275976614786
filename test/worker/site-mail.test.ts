/** Mail of the product's own, by a real server: invitations, and links for a new password. */
import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { db } from '../../src/store/db.ts'
import { inboxes } from '../../src/store/schema.ts'
import { browser, invited, PASSWORD, signIn } from './browser.ts'
import { inbox, received, site } from './cast.ts'
import { inboxOf, until } from './mail.ts'
import { asking } from './staff.ts'

const address = (name: string) => `${name}-${crypto.randomUUID().slice(0, 8)}@customer.test`
const linkIn = (text: string) => new URL(/https:\/\/edgedesk\.test\/\w+\/el_\S+/.exec(text)![0]).pathname

it('IV6 an invitation is mailed through the site’s inbox, from its address, and belongs to no conversation', async () => {
  const here = await site()
  const config = await inbox(here.siteId)
  const ask = asking(here.headers)
  const email = address('ann')
  const sent = await ask('POST', '/invitations/', { email, name: 'Ann', role: 'agent' })
  expect(sent).toMatchObject({ status: 200, json: { mailed: true } })
  const [mail] = await until(async () => {
    const all = await inboxOf(email)
    return all.length > 0 && all
  })
  expect(mail!.from.map(one => one.address)).toEqual([config.address])
  expect(mail!.subject).toBe('test invites you to Test site')
  expect(mail!.raw).toContain('Auto-Submitted: auto-generated')
  const path = linkIn(mail!.text)
  expect(path).toBe(new URL(sent.json.url).pathname)
  expect((await ask('GET', '/conversations/')).json.items).toEqual([])
  const at = browser()
  expect((await at.send(path, { name: 'Ann', password: PASSWORD, again: PASSWORD })).status).toBe(200)
  expect((await signIn(at, email)).status).toBe(200)
  // Sent again it is another link.
  const bob = address('bob')
  const { json } = await ask('POST', '/invitations/', { email: bob, role: 'agent' })
  expect((await ask('POST', `/invitations/${json.id}/resend`)).json).toMatchObject({ mailed: true })
  const both = await until(async () => {
    const all = await inboxOf(bob)
    return all.length === 2 && all
  })
  expect(new Set(both.map(one => linkIn(one.text))).size).toBe(2)
})

it('IV6 neither its copy among the sent mail nor a report about it becomes a conversation that others read', async () => {
  const here = await site()
  const config = await inbox(here.siteId)
  const email = address('ann')
  await asking(here.headers)('POST', '/invitations/', { email, role: 'agent' })
  const [mail] = await until(async () => {
    const all = await inboxOf(email)
    return all.length > 0 && all
  })
  const { raw } = mail!
  const report = [
    'From: MAILER-DAEMON@mx.customer.test',
    `To: ${config.address}`,
    'Subject: Undelivered Mail Returned to Sender',
    `Message-ID: <${crypto.randomUUID()}@mx.customer.test>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'It could not be delivered.',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.customer.test',
    '',
    `Final-Recipient: rfc822; ${email}`,
    'Action: failed',
    'Status: 5.1.1',
    '--b',
    'Content-Type: message/rfc822',
    '',
    raw.trimEnd(),
    '--b--',
    '',
  ].join('\r\n')
  await received(config, [raw, report])
  expect((await asking(here.headers)('GET', '/conversations/')).json.items).toEqual([])
  const { objects } = await env.MAIL.list({ prefix: `raw/${here.siteId}/` })
  expect(objects).toEqual([])
})

it('IV7 is not mailed to an inbox of ours, by one that is paused, or where the password is wrong; the link is there', async () => {
  const here = await site()
  const config = await inbox(here.siteId)
  const ask = asking(here.headers)
  const invite = async (email: string) =>
    (await ask('POST', '/invitations/', { email, role: 'agent' })).json as { url: string; mailed: boolean }
  await env.DB.prepare('INSERT INTO inbox_addresses (site_id, address, inbox_id) VALUES (?, ?, ?)')
    .bind(here.siteId, config.address, config.inboxId)
    .run()
  for (const set of [null, { paused: true }, { paused: false, smtpPassword: null }]) {
    if (set) await db(env.DB).update(inboxes).set(set).where(eq(inboxes.id, config.inboxId))
    const sent = await invite(set === null ? config.address : address('x'))
    expect(sent, JSON.stringify(set)).toMatchObject({
      mailed: false,
      url: expect.stringContaining('/invite/el_'),
    })
  }
})

it('RP5 a new password is asked for by mail: one link, good for an hour, and three of them in one', async () => {
  const here = await site()
  await inbox(here.siteId)
  const ask = asking(here.headers)
  const email = address('ann')
  const { json } = await ask('POST', '/invitations/', { email, role: 'agent' })
  await browser().send(new URL(json.url).pathname, { name: 'Ann', password: PASSWORD, again: PASSWORD })
  const request = () => browser().ask('POST', '/api/auth/request-password-reset', { email })
  expect((await request()).status).toBe(200)
  const mails = async () =>
    (await inboxOf(email)).filter(one => one.subject === 'A new password for Test site')
  const [mail] = await until(async () => {
    const all = await mails()
    return all.length > 0 && all
  })
  const path = linkIn(mail!.text)
  const next = 'another horse battery'
  expect((await browser().send(path, { password: next, again: next })).status).toBe(200)
  expect((await browser().send(path, { password: next, again: next })).status).toBe(410)
  expect((await signIn(browser(), email)).status).toBe(401)
  expect((await signIn(browser(), email, next)).status).toBe(200)
  for (let n = 0; n < 4; n++) expect((await request()).status).toBe(200)
  await until(async () => (await mails()).length === 3)
  await new Promise(resolve => setTimeout(resolve, 1000))
  expect(await mails()).toHaveLength(3)
})

it('RP5 asks for nothing of whoever is nobody', async () => {
  const here = await site()
  await inbox(here.siteId)
  const ann = await invited(here, 'agent')
  const email = address('nobody')
  await browser().ask('POST', '/api/auth/request-password-reset', { email })
  await new Promise(resolve => setTimeout(resolve, 1000))
  expect(await inboxOf(email).catch(() => [])).toEqual([])
  expect((await ann.ask('GET', '/api/v1/me')).status).toBe(200)
})
