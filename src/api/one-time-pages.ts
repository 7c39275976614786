/**
 * Where one-time links lead: `/setup/{token}`, `/invite/{token}`, `/reset/{token}`. Plain HTML forms without any script, so that a person
 * needs no more than a browser. Looking at one uses nothing up (mail scanners look); sending the form does.
 */
import { type Context, Hono } from 'hono'
import { html } from 'hono/html'
import { z } from 'zod'
import { normaliseAddress } from '../domain/address.ts'
import { PASSWORD_CHARACTERS, weakness } from '../domain/password.ts'
import { addressOf, type Limit, limitOf } from '../limits/attempts.ts'
import { log } from '../log.ts'
import { addAuditEntry } from '../store/audit.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import { memberById } from '../store/members.ts'
import { addressOfUser, join, linkOf, type OneTimeLink, sitesOf, userWithAddress } from '../store/sign-in.ts'
import { nameOfSite } from '../store/sites.ts'
import type { Access } from './access.ts'
import { guard, type Html, page } from './html-page.ts'
import { ONE_LINE } from './inbox-fields.ts'
import { forgiveAll, passwordLimits, sessionOf, takeAll } from './sign-in.ts'

type C = Context<Access>

/** What the form is about. */
interface Asked {
  link: OneTimeLink
  siteName: string
  /** Known of an invitation and a reset; of a setup the form asks for it. */
  email: string | null
  name: string | null
  /** Whether whoever has that address signs in already, and must say their password rather than set one. */
  proves: boolean
  /** Who signs in as that member now. */
  userId: string | null
}

export const oneTimePages = new Hono<Access>({ strict: false })
// Every method, so that none of them is a route of the API.
for (const kind of ['setup', 'invite', 'reset'] as const)
  oneTimePages.all(`/${kind}/:token`, async c => {
    await guard(c)
    const isSent = c.req.method === 'POST'
    if (!isSent && c.req.method !== 'GET' && c.req.method !== 'HEAD')
      return c.html(page('Not so', html`<p>Open this link in a browser.</p>`), 405)
    // Before anything is told: the form differs where somebody signs in with that address already.
    const limit = await limitOf(c.env, isSent ? 'address' : 'asked', addressOf(c.req.raw))
    const wait = await limit.take()
    if (wait) return tooMany(c, wait)
    const asked = await askedFor(c, kind)
    if (!asked) return c.html(page('This link is not good', gone(kind)), 410)
    return isSent ? taken(c, asked, limit) : c.html(form(asked))
  })

function tooMany(c: C, seconds: number): Response | Promise<Response> {
  c.header('retry-after', String(seconds))
  return c.html(page('Too many attempts', html`<p>Try again later. The link stays good.</p>`), 429)
}

async function askedFor(c: C, kind: OneTimeLink['kind']): Promise<Asked | null> {
  const d1 = db(c.env.DB)
  const link = await linkOf(d1, kind, c.req.param('token') ?? '', Date.now())
  if (!link) return null
  const siteName = await nameOfSite(d1, link.siteId)
  const asked = { link, siteName, email: link.email, name: link.name, proves: false, userId: null }
  if (kind === 'setup') return asked
  if (kind === 'invite') return withUser(c, asked, null)
  const member = await memberById(d1, link.siteId, link.memberId ?? '')
  if (!member) return null
  // They may have joined another site since the link was made: an owner here must not become somebody there.
  if (member.userId !== null && link.createdBy !== null && (await sitesOf(d1, member.userId)).length > 1)
    return null
  return withUser(c, { ...asked, email: member.email, name: member.name }, member.userId)
}

/** An address that somebody signs in with already stays theirs: no link lets another set its password. */
async function withUser(c: C, asked: Asked, ofMember: string | null): Promise<Asked> {
  const d1 = db(c.env.DB)
  // A member's address may have been changed since; one signs in with the one one joined with.
  if (ofMember !== null)
    return { ...asked, email: (await addressOfUser(d1, ofMember)) ?? asked.email, userId: ofMember }
  const user = await userWithAddress(d1, asked.email!)
  return user ? { ...asked, userId: user.id, proves: true } : asked
}

const Form = z.object({
  email: z.email().max(254).optional(),
  name: z.string().trim().max(200).regex(ONE_LINE).optional(),
  password: z.string().max(1000),
  again: z.string().max(1000).optional(),
})

async function taken(c: C, known: Asked, limit: Limit): Promise<Response> {
  const sent = Form.safeParse(await c.req.parseBody().catch(() => null))
  if (!sent.success) return c.html(form(known, 'Fill in every field.'), 400)
  let asked = known
  if (asked.email === null) {
    if (!sent.data.email) return c.html(form(known, 'Write your e-mail address.'), 400)
    asked = await withUser(c, { ...asked, email: normaliseAddress(sent.data.email) }, null)
  }
  const why = asked.proves ? await unproved(c, asked, sent.data.password) : unfit(asked, sent.data)
  if (why) {
    const status = asked.proves ? 401 : 400
    return c.html(form({ ...asked, name: sent.data.name ?? asked.name }, why), status)
  }
  const done = await accepted(c, asked, sent.data)
  if (!done) return c.html(page('This link is not good', gone(asked.link.kind)), 410)
  await limit.forgive(false)
  return c.html(
    page('Done', html`<p>You can sign in to ${asked.siteName} with <strong>${asked.email}</strong> now.</p>`),
  )
}

/**
 * Whoever signs in already shows what they sign in with: the password, and where a second factor is asked for, a session that it began.
 * The password is tried no oftener here than at the front door.
 */
async function unproved(c: C, asked: Asked, password: string): Promise<string | null> {
  const limits = await passwordLimits(c, asked.email!)
  if (await takeAll(limits)) return 'Too many attempts. Try again later.'
  const { isPassword } = await import('../auth/password.ts')
  const user = await userWithAddress(db(c.env.DB), asked.email!)
  if (!user?.password || !(await isPassword(password, user.password)))
    return 'You sign in with this address already. Write the password that you have.'
  if (user.twoFactor && (await sessionOf(c))?.session.userId !== user.id)
    return 'You have a second factor. Sign in with it in this browser first, then open this link again.'
  await forgiveAll(limits)
  return null
}

function unfit(asked: Asked, { name, password, again }: z.infer<typeof Form>): string | null {
  if (asked.link.kind !== 'reset' && !name) return 'Write your name.'
  if (password !== again) return 'The two passwords are not the same.'
  const email = asked.email!
  return weakness(password, [name ?? asked.name ?? '', email, email.split('@')[0]!, asked.siteName])
}

async function accepted(c: C, asked: Asked, sent: z.infer<typeof Form>): Promise<boolean> {
  const { hashPassword } = await import('../auth/password.ts')
  const at = Date.now()
  const name = sent.name || asked.name || asked.email!
  const done = await join(c.env.DB, {
    link: asked.link,
    email: asked.email!,
    name,
    userId: asked.userId,
    password: asked.proves ? null : await hashPassword(sent.password),
    at,
  })
  if (!done) return false
  const action = { setup: 'member.set_up', invite: 'member.joined', reset: 'member.password_reset' }
  await addAuditEntry(db(c.env.DB), {
    id: newId(at),
    siteId: asked.link.siteId,
    actorKind: 'member',
    actorId: done.memberId,
    actorName: name,
    action: action[asked.link.kind],
    targetId: done.memberId,
    changes: JSON.stringify(asked.link.role ? { role: { to: asked.link.role } } : {}),
    requestId: c.get('requestId'),
    at,
  }).catch(error => log('audit_failed', { requestId: c.get('requestId') }, error))
  return true
}

function form(asked: Asked, why?: string): Html {
  const { link, siteName, email, name, proves } = asked
  const title = {
    setup: `The first owner of ${siteName}`,
    invite: `Join ${siteName}`,
    reset: `A new password for ${siteName}`,
  }[link.kind]
  const { least, most } = PASSWORD_CHARACTERS
  return page(
    title,
    html`${why ? html`<p role="alert">${why}</p>` : ''}
      <form method="post">
        ${
          link.kind === 'setup'
            ? html`<label>E-mail address
          <input name="email" type="email" value="${email ?? ''}" autocomplete="username" required maxlength="254"></label>`
            : html`<p>You sign in with <strong>${email}</strong>.</p>
        <input type="hidden" autocomplete="username" value="${email}">`
        }
        ${
          link.kind === 'reset' || proves
            ? ''
            : html`<label>Your name
          <input name="name" value="${name ?? ''}" autocomplete="name" required maxlength="200"></label>`
        }
        ${
          proves
            ? html`<p>You have a password for this address already. Write it to join. You are signed out everywhere then, and your passkeys are taken away; add them again afterwards.</p>
        <label>Password
          <input name="password" type="password" autocomplete="current-password" required></label>`
            : html`<label>New password, at least ${least} characters
          <input name="password" type="password" autocomplete="new-password" required minlength="${least}" maxlength="${most}"></label>
        <label>The same again
          <input name="again" type="password" autocomplete="new-password" required maxlength="${most}"></label>`
        }
        ${link.removesFactors ? html`<p>Your second factor and your passkeys are taken away; set them up again afterwards.</p>` : ''}
        <button>${link.kind === 'reset' ? 'Set the password' : 'Join'}</button>
      </form>`,
  )
}

function gone(kind: OneTimeLink['kind']): Html {
  const next = {
    setup: html`<p>Whoever deployed this prints a new one with <code>npm run deploy -- owner-link</code>.</p>`,
    invite: html`<p>Ask whoever invited you to send it again.</p>`,
    reset: html`<p>Ask for another one.</p>`,
  }
  return html`<p>It was used, ran out, was taken back, or was not copied whole.</p>${next[kind]}`
}
