/** Contacts as the API changes them; mail makes them (store/emails.ts). */
import { and, eq, gt } from 'drizzle-orm'
import { type Db, steady } from './db.ts'
import { contacts } from './schema.ts'

export type Contact = typeof contacts.$inferSelect

/** The oldest first, from just after one. */
export async function contactsAfter(
  db: Db,
  siteId: string,
  after: string,
  limit: number,
): Promise<Contact[]> {
  return steady(() =>
    db
      .select()
      .from(contacts)
      .where(and(eq(contacts.siteId, siteId), gt(contacts.id, after)))
      .orderBy(contacts.id)
      .limit(limit),
  )
}

export async function contactById(db: Db, siteId: string, id: string): Promise<Contact | undefined> {
  return steady(() => db.select().from(contacts).where(theOne(siteId, id)).get())
}

export async function changeContact(
  db: Db,
  siteId: string,
  id: string,
  change: Pick<Contact, 'name' | 'labels'>,
): Promise<void> {
  await steady(() => db.update(contacts).set(change).where(theOne(siteId, id)))
}

/** The contact with this address, made where there is none; whoever was first keeps the name. */
export async function contactWithAddress(
  db: Db,
  siteId: string,
  contact: { id: string; name: string; address: string; at: number },
): Promise<Pick<Contact, 'id' | 'name'>> {
  const { id, address, at } = contact
  await steady(() =>
    db
      .insert(contacts)
      .values({ siteId, id, address, name: contact.name || address, createdAt: at })
      .onConflictDoNothing(),
  )
  const row = await steady(() =>
    db
      .select({ id: contacts.id, name: contacts.name })
      .from(contacts)
      .where(and(eq(contacts.siteId, siteId), eq(contacts.address, address)))
      .get(),
  )
  return row!
}

function theOne(siteId: string, id: string) {
  return and(eq(contacts.siteId, siteId), eq(contacts.id, id))
}
