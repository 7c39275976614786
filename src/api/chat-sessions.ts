/**
 * A visitor comes to a web chat: who they are to us from now on, as a token, and what the chat looks like. Nothing is kept of somebody who
 * only looks; a contact is made when a conversation begins. What they say their address is proves nothing, unless their page signed it.
 */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { isUuid } from '../domain/ids.ts'
import { pickLanguage } from '../domain/language.ts'
import { LANGUAGES, textsIn } from '../domain/texts.ts'
import { settings } from '../env.ts'
import { addressOf } from '../limits/attempts.ts'
import { spend } from '../limits/limits.ts'
import { type ContactToken, contactToken, readContactToken } from '../store/contact-tokens.ts'
import { changeClaim, contactById, contactWithAddress, isErased } from '../store/contacts.ts'
import { db } from '../store/db.ts'
import { derivedId, newId } from '../store/ids.ts'
import { type InboxRow, webChatSettingsOf } from '../store/inboxes.ts'
import {
  chatToVisit,
  conversationsInChat,
  conversationToGoOn,
  identitySecret,
  isSigned,
  isStillProved,
  mayStandOn,
} from '../store/visitors.ts'
import type { Access } from './access.ts'
import { availabilityOf } from './availability.ts'
import { mailAddress, ONE_LINE } from './inbox-fields.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals, tooOften } from './problems.ts'

const LASTS_MS = 90 * 24 * 60 * 60_000
/** A minute, from one network address: an office has one, and a page that is opened again is counted again. */
const VISITS = 120

const name = z.string().trim().max(100).regex(ONE_LINE, 'must be one line without control characters')

const SessionSchema = z
  .object({
    token: z.string().openapi({ description: 'For everything else that this visitor does.' }),
    expiresAt: z.string(),
    contact: z.object({
      id: z.uuid(),
      name: z.string(),
      email: z.string().nullable(),
      proved: z.boolean().openapi({ description: 'Whether the page signed that the address is theirs.' }),
    }),
    conversation: z.object({ id: z.uuid() }).nullable().openapi({ description: 'The one to go on with.' }),
    chat: z.object({
      id: z.uuid(),
      title: z.string(),
      color: z.string(),
      greeting: z.string(),
      suggestedQuestions: z.array(z.string()),
      language: z.string().nullable(),
      attachments: z.boolean(),
      continues: z.boolean().openapi({ description: 'Whether answers that were missed are mailed.' }),
    }),
    availability: z.enum(['now', 'later', 'offline']).openapi({
      description:
        '`now`: somebody answers, or the assistant; `later`: what is written is answered later; `offline`: it goes on by mail, so an address is asked for.',
    }),
  })
  .openapi('ChatSession')

const begin = createRoute({
  method: 'post',
  path: '/{id}/sessions',
  summary: 'Begin as a visitor of a web chat, or come back',
  description:
    'For browsers, from a page that the chat may stand on: the header `Origin` is looked at. Without `token` somebody new begins. docs/widget.md says how a page signs an `identity`.',
  security: [],
  request: {
    ...byId,
    body: jsonBody(
      z
        .strictObject({
          token: z.string().max(4000).optional().openapi({ description: 'The one from the last time.' }),
          email: mailAddress
            .optional()
            .openapi({ description: 'What they say theirs is. It proves nothing.' }),
          name: name.optional(),
          identity: z
            .strictObject({
              email: z.string().trim().max(254),
              name: name.optional(),
              hash: z.string().max(200).openapi({
                description:
                  'Hex HMAC-SHA-256 of the address, trimmed and in lower case, under the identity secret.',
              }),
            })
            .optional(),
          language: z.string().max(35).optional().openapi({ description: 'Of the page or the browser.' }),
        })
        .openapi('NewChatSession'),
    ),
  },
  responses: {
    200: { description: 'The session', content: { 'application/json': { schema: SessionSchema } } },
    ...refusals(
      ...(['bad_json', 'unknown_field', 'invalid_field', 'missing_field', 'unauthorized'] as const),
      ...(['not_found', 'origin_not_allowed', 'identity_refused', 'rate_limited'] as const),
    ),
  },
})

export const chatSessions = noun().openapi(begin, async c => {
  const { id } = c.req.valid('param')
  const typed = c.req.valid('json')
  mustWait(c)
  const chat = isUuid(id) ? await chatToVisit(c.env, id) : undefined
  if (!chat) throw new Refusal('not_found')
  const origin = c.req.header('origin')?.toLowerCase() ?? ''
  if (!mayStandOn(c.env, c.req.url, chat, origin)) throw new Refusal('origin_not_allowed')
  const at = Date.now()
  const { KEK } = settings(c.env)
  const before = typed.token === undefined ? null : await readContactToken(KEK, typed.token, at)
  const isGood =
    before?.webChatId === chat.id &&
    before.siteId === chat.siteId &&
    before.origin === origin &&
    isStillProved(before, chat) &&
    !(await isErased(db(c.env.DB), chat.siteId, before.contactId))
  if (typed.token !== undefined && !isGood)
    throw new Refusal('unauthorized', 'This token is not good any more. Begin without one.')
  const visitor: ContactToken = {
    ...(await whoComes(c.env, chat, typed, before, at)),
    ...{ siteId: chat.siteId, webChatId: chat.id, origin },
    language: typed.language ?? before?.language ?? null,
    expiresAt: at + LASTS_MS,
  }
  const d1 = db(c.env.DB)
  const isNew = before === null && !visitor.proved
  const [conversation, availability] = await Promise.all([
    isNew ? null : conversationToGoOn(d1, chat.siteId, chat.id, visitor.contactId),
    availabilityOf(c.env, chat, at),
  ])
  return c.json(
    {
      token: await contactToken(KEK, visitor),
      expiresAt: String(visitor.expiresAt),
      contact: { id: visitor.contactId, name: visitor.name, email: visitor.email, proved: visitor.proved },
      conversation: conversation === null ? null : { id: conversation },
      chat: shownChat(chat, visitor.language),
      availability,
    },
    200,
  )
})

type Known = Pick<ContactToken, 'contactId' | 'name' | 'email' | 'proved' | 'identityVersion'>

/** @throws Refusal where an identity is not signed */
async function whoComes(
  env: Env,
  chat: InboxRow,
  typed: z.infer<(typeof begin)['request']['body']['content']['application/json']['schema']>,
  before: ContactToken | null,
  at: number,
): Promise<Known> {
  const { siteId } = chat
  const d1 = db(env.DB)
  if (typed.identity) {
    const { email: said, hash } = typed.identity
    const email = mailAddress.safeParse(said).data
    if (email === undefined)
      throw new Refusal('invalid_field', '"identity.email" must be an e-mail address.', 'identity.email')
    const { identityVersion } = webChatSettingsOf(chat)
    const secret = await identitySecret(env, siteId, chat.id, identityVersion)
    // As it was written, and as we write it: a page knows nothing of how names of domains are kept.
    const spellings = [said.toLowerCase(), said.replaceAll(/[A-Z]/g, letter => letter.toLowerCase()), email]
    const signed = await Promise.all(spellings.map(one => secret !== null && isSigned(secret, one, hash)))
    if (!signed.includes(true)) throw new Refusal('identity_refused')
    const contact = await contactWithAddress(d1, siteId, {
      id: await derivedId(at, 'contact', siteId, email),
      name: typed.identity.name || typed.name || before?.name || '',
      address: email,
      at,
    })
    // What they said before they signed in is theirs, and only what nobody else was proved to be.
    if (before && !before.proved && before.contactId !== contact.id)
      await bring(env, chat, before, contact.id)
    return { contactId: contact.id, name: contact.name, email, proved: true, identityVersion }
  }
  if (before?.proved) return before
  const email = typed.email ?? before?.email ?? null
  const name = typed.name || before?.name || ''
  if (before && (email !== before.email || name !== before.name))
    await changeClaim(d1, siteId, before.contactId, { name, claimedAddress: email })
  return { contactId: before?.contactId ?? newId(at), name, email, proved: false, identityVersion: 0 }
}

/** The conversations that somebody had before they were known become those of the contact they are. */
async function bring(env: Env, chat: InboxRow, before: ContactToken, contactId: string): Promise<void> {
  const d1 = db(env.DB)
  const [ids, contact] = await Promise.all([
    conversationsInChat(d1, chat.siteId, chat.id, before.contactId),
    contactById(d1, chat.siteId, contactId),
  ])
  if (!contact) return
  const known = { id: contactId, name: contact.name, address: contact.address ?? '' }
  const stubs = ids.map(id => env.CONVERSATION.getByName(`${chat.siteId}/${id}`))
  await Promise.all(stubs.map(stub => stub.belongTo(before.contactId, known)))
}

function shownChat(chat: InboxRow, visitors: string | null) {
  const own = webChatSettingsOf(chat)
  const wanted = [own.language, visitors].filter(one => one !== null)
  const inLanguage = <T>(by: Record<string, T>) => by[pickLanguage(Object.keys(by), wanted) ?? '']
  return {
    id: chat.id,
    title: own.title ?? chat.name,
    color: own.color,
    greeting: inLanguage(own.greeting) ?? textsIn(pickLanguage(LANGUAGES, wanted)!).greeting,
    suggestedQuestions: inLanguage(own.suggestedQuestions) ?? [],
    language: own.language,
    attachments: own.attachments,
    continues: own.mailInboxId !== null,
  }
}

/** @throws Refusal where too many come from one network address */
function mustWait(c: Context<Access>): void {
  const background = (work: Promise<void>) => c.executionCtx.waitUntil(work)
  const { yes, resetMs } = spend(c.env, background, `visits/${addressOf(c.req.raw)}`, VISITS, Date.now())
  if (!yes) tooOften(c, Math.ceil(resetMs / 1000))
}
