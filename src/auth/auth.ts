/**
 * better-auth's one home: passwords, second factors, passkeys and the sessions they begin. It is loaded when somebody signs in and not
 * before (`import()` in api/sign-in.ts), so an API request never pays for it.
 *
 * Sites are its organizations in all but its plugin: a session carries the id of a site, and `members` says who is what there. The
 * organization plugin would bring a second door to members, roles and invitations, with rules of its own beside ours (the last owner,
 * inboxes of agents, the audit log) that each of its releases could widen, and of all it does we would keep two reads. So a member is
 * tied to who signs in by `members.user_id`, one column, and the table stays the one place that says what somebody may do.
 *
 * Invitations and resets are ours too (api/one-time-pages.ts): one kind of link, kept as a digest.
 */
import { passkey } from '@better-auth/passkey'
import { drizzleAdapter } from 'better-auth/adapters/drizzle'
import { APIError } from 'better-auth/api'
import { betterAuth } from 'better-auth/minimal'
import { twoFactor } from 'better-auth/plugins/two-factor'
import { PASSWORD_CHARACTERS } from '../domain/password.ts'
import { db } from '../store/db.ts'
import { newId } from '../store/ids.ts'
import { membershipsOf } from '../store/members.ts'
import { accounts, passkeys, sessions, twoFactors, users, verifications } from '../store/schema.ts'
import { hashPassword, isPassword } from './password.ts'
import { cookiePrefix, IDLE_MS, isSecure } from './session.ts'

export interface SignIn {
  env: Env
  publicUrl: string
  secret: string
}

/** Answers a request under `/api/auth`. Which of its paths are open at all, api/sign-in.ts says. */
export function handle({ env, publicUrl, secret }: SignIn, request: Request): Promise<Response> {
  const d1 = db(env.DB)
  const { origin, hostname } = new URL(publicUrl)
  const secure = isSecure(publicUrl)
  const auth = betterAuth({
    appName: 'Edgedesk',
    baseURL: origin,
    basePath: '/api/auth',
    secret,
    trustedOrigins: [origin, new URL(request.url).origin],
    database: drizzleAdapter(d1, {
      provider: 'sqlite',
      schema: {
        user: users,
        session: sessions,
        account: accounts,
        verification: verifications,
        twoFactor: twoFactors,
        passkey: passkeys,
      },
    }),
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: PASSWORD_CHARACTERS.least,
      maxPasswordLength: PASSWORD_CHARACTERS.most * 4,
      password: { hash: hashPassword, verify: ({ hash, password }) => isPassword(password, hash) },
    },
    session: {
      expiresIn: IDLE_MS / 1000,
      // auth/session.ts prolongs them, and ends them for good after a month.
      disableSessionRefresh: true,
      freshAge: 60 * 60,
      additionalFields: { siteId: { type: 'string', required: false, input: false } },
    },
    databaseHooks: {
      session: {
        create: {
          before: async session => {
            const [first, ...others] = await membershipsOf(d1, session.userId)
            // Whoever is a member nowhere any more is told what whoever never was is told.
            if (!first) throw new APIError('UNAUTHORIZED', NOBODY)
            const there = [first, ...others].find(one => one.member.siteId === session.siteId) ?? first
            return { data: { ...session, siteId: there.member.siteId } }
          },
        },
      },
    },
    advanced: {
      cookiePrefix: cookiePrefix(publicUrl),
      // api/sign-in.ts has looked where the request comes from; better-auth takes every program that speaks `fetch` for a browser.
      disableCSRFCheck: true,
      // The prefix says it already; better-auth's own would stand before it.
      useSecureCookies: false,
      defaultCookieAttributes: { httpOnly: true, sameSite: 'lax', path: '/', secure },
      database: { generateId: () => newId() },
      ipAddress: { ipAddressHeaders: ['cf-connecting-ip'] },
    },
    // api/sign-in.ts counts attempts, across isolates.
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
    plugins: [
      twoFactor({ issuer: 'Edgedesk' }),
      passkey({
        rpID: hostname,
        rpName: 'Edgedesk',
        origin: [origin],
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
        advanced: { webAuthnChallengeCookie: 'passkey_challenge' },
      }),
    ],
  })
  return auth.handler(request)
}

const NOBODY = { code: 'INVALID_EMAIL_OR_PASSWORD', message: 'Invalid email or password' }
