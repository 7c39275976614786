/** Contacts: who writes to us, and the labels that say what may be read for them. */
import { createRoute, z } from '@hono/zod-openapi'
import { isUuid } from '../domain/ids.ts'
import { labelsOf } from '../store/articles.ts'
import { type Contact, changeContact, contactById, contactsAfter } from '../store/contacts.ts'
import { db } from '../store/db.ts'
import { mustBe, type Who } from './access.ts'
import { cursor, limit, listOf, pageOf, readCursor } from './lists.ts'
import { byId, jsonBody, noun } from './noun.ts'
import { Refusal, refusals } from './problems.ts'

const labels = z
  .array(z.string().trim().min(1).max(64))
  .max(20)
  .openapi({ description: 'An article with labels is read only for contacts that carry one of them.' })
const ContactSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    avatar: z.string().nullable(),
    address: z.string().nullable(),
    labels,
    createdAt: z.string(),
  })
  .openapi('Contact')
const ContactChange = z
  .strictObject({ name: z.string().trim().max(200), labels })
  .partial()
  .openapi('ContactChange')

const shown = {
  200: { description: 'The contact', content: { 'application/json': { schema: ContactSchema } } },
}
const asked = ['unknown_field', 'unauthorized', 'forbidden'] as const
const onlyOfAll = 'A member whose inboxes are limited sees contacts in their conversations only.'

const list = createRoute({
  method: 'get',
  path: '/',
  summary: 'List contacts, the oldest first',
  description: onlyOfAll,
  request: { query: z.strictObject({ limit, cursor }) },
  responses: {
    200: {
      description: 'A page',
      content: { 'application/json': { schema: listOf('Contacts', ContactSchema) } },
    },
    ...refusals('invalid_field', ...asked),
  },
})

const show = createRoute({
  method: 'get',
  path: '/{id}',
  summary: 'One contact',
  description: onlyOfAll,
  request: byId,
  responses: { ...shown, ...refusals('not_found', ...asked) },
})

const change = createRoute({
  method: 'patch',
  path: '/{id}',
  summary: 'Change a contact’s name or labels',
  description: 'What is not named stays.',
  middleware: mustBe('admin'),
  request: { ...byId, body: jsonBody(ContactChange) },
  responses: { ...shown, ...refusals('not_found', 'bad_json', 'invalid_field', ...asked) },
})

export const contacts = noun()
  .openapi(list, async c => {
    mustSeeAll(c.get('who'))
    const query = c.req.valid('query')
    const after = readCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? ''
    const rows = await contactsAfter(db(c.env.DB), c.get('siteId'), after, query.limit + 1)
    const { page, next } = pageOf(rows, query.limit, row => [row.id])
    return c.json({ items: page.map(contactJson), next }, 200)
  })
  .openapi(show, async c => {
    mustSeeAll(c.get('who'))
    return c.json(contactJson(await found(c.env, c.get('siteId'), c.req.valid('param').id)), 200)
  })
  .openapi(change, async c => {
    const wanted = c.req.valid('json')
    const contact = await found(c.env, c.get('siteId'), c.req.valid('param').id)
    const next = {
      name: wanted.name ?? contact.name,
      labels: wanted.labels ? JSON.stringify([...new Set(wanted.labels)]) : contact.labels,
    }
    await changeContact(db(c.env.DB), contact.siteId, contact.id, next)
    return c.json(contactJson({ ...contact, ...next }), 200)
  })

/** A contact belongs to no inbox, so their list would tell an agent who writes to the others (N6). */
function mustSeeAll(who: Who): void {
  if (who.inboxes !== null) throw new Refusal('forbidden', onlyOfAll)
}

async function found(env: Env, siteId: string, id: string): Promise<Contact> {
  const contact = isUuid(id) && (await contactById(db(env.DB), siteId, id))
  if (!contact) throw new Refusal('not_found')
  return contact
}

function contactJson(contact: Contact): z.infer<typeof ContactSchema> {
  return {
    id: contact.id,
    name: contact.name,
    avatar: contact.avatar,
    address: contact.address,
    labels: labelsOf(contact),
    createdAt: String(contact.createdAt),
  }
}
