/**
 * Articles are what an assistant knows. D1 DB owns them; SEARCH holds their words, cut by domain/words.ts, and can be dropped and
 * rebuilt from here at any time. Who may read an article stands in its words too, so that what somebody may not read takes no place
 * among what is found for them.
 */
import { and, eq, inArray, sql } from 'drizzle-orm'
import { mayRead } from '../domain/permission.ts'
import { matchQuery, words } from '../domain/words.ts'
import { type Db, steady } from './db.ts'
import { articles } from './schema.ts'

export type Article = typeof articles.$inferSelect

export async function saveArticle(
  db: Db,
  search: D1Database,
  article: typeof articles.$inferInsert,
): Promise<void> {
  await saveArticles(db, search, [{ ...article, url: article.url ?? null, labels: article.labels ?? '[]' }])
}

/** All of them or none, whatever their number: they travel as one parameter of one statement. */
export async function saveArticles(db: Db, search: D1Database, list: readonly Article[]): Promise<void> {
  await steady(() =>
    db.run(sql`
      INSERT INTO articles (id, site_id, assistant_id, title, body, url, language, labels, created_at, updated_at)
      SELECT value ->> 'id', value ->> 'siteId', value ->> 'assistantId', value ->> 'title', value ->> 'body', value ->> 'url',
        value ->> 'language', value ->> 'labels', value ->> 'createdAt', value ->> 'updatedAt'
      FROM json_each(${JSON.stringify(list)}) WHERE true
      ON CONFLICT (id) DO UPDATE SET title = excluded.title, body = excluded.body, url = excluded.url,
        language = excluded.language, labels = excluded.labels, updated_at = excluded.updated_at
      WHERE articles.site_id = excluded.site_id`),
  )
  await indexArticles(search, list)
}

/** Bytes of words that one batch carries; D1 takes 2 MB in a parameter, and pairs of Chinese characters are twice their text. */
const BATCH_CHARS = 200_000

export async function indexArticles(search: D1Database, list: readonly Article[]): Promise<void> {
  for (let i = 0; i < list.length; ) {
    const statements: D1PreparedStatement[] = []
    for (let chars = 0; i < list.length && (chars === 0 || chars < BATCH_CHARS); i++) {
      statements.push(...indexing(search, list[i]!))
      chars += list[i]!.body.length + 1
    }
    await steady(() => search.batch(statements))
  }
}

function indexing(search: D1Database, article: Article): D1PreparedStatement[] {
  return [
    search
      .prepare(
        `INSERT INTO article_docs (article_id, site_id) VALUES (?1, ?2) ON CONFLICT (article_id) DO NOTHING`,
      )
      .bind(article.id, article.siteId),
    unindexing(search, article.siteId, article.id),
    search
      .prepare(
        `INSERT INTO article_words (rowid, scope, title, body)
         SELECT id, ?2, ?3, ?4 FROM article_docs WHERE article_id = ?1 AND site_id = ?5`,
      )
      .bind(
        article.id,
        scopesOf(article).join(' '),
        words(article.title).join(' '),
        words(article.body).join(' '),
        article.siteId,
      ),
  ]
}

function unindexing(search: D1Database, siteId: string, id: string): D1PreparedStatement {
  return search
    .prepare(
      `DELETE FROM article_words WHERE rowid = (SELECT id FROM article_docs WHERE article_id = ?1 AND site_id = ?2)`,
    )
    .bind(id, siteId)
}

/** Drops and rebuilds the words of every article of a site. Safe to repeat. */
export async function rebuildArticleWords(db: Db, search: D1Database, siteId: string): Promise<number> {
  const gone = (sql: string) => search.prepare(sql).bind(siteId)
  await steady(() =>
    search.batch([
      gone('DELETE FROM article_words WHERE rowid IN (SELECT id FROM article_docs WHERE site_id = ?1)'),
      gone('DELETE FROM article_docs WHERE site_id = ?1'),
    ]),
  )
  const all = await steady(() => db.select().from(articles).where(eq(articles.siteId, siteId)))
  await indexArticles(search, all)
  return all.length
}

/**
 * The articles of one assistant that share words with the question and that a contact with these labels may read, best first (bm25; a
 * word in the title counts threefold).
 */
export async function articlesAbout(
  db: Db,
  search: D1Database,
  siteId: string,
  assistantId: string,
  question: readonly string[],
  limit: number,
  contactLabels: readonly string[] = [],
): Promise<Article[]> {
  if (question.length === 0) return []
  const scopes = [
    scopePrefix(siteId, assistantId),
    ...contactLabels.map(label => labelScope(siteId, assistantId, label)),
  ]
  const found = await steady(() =>
    search
      .prepare(
        `SELECT d.article_id AS id FROM article_words JOIN article_docs d ON d.id = article_words.rowid
         WHERE article_words MATCH ?1 AND d.site_id = ?2 ORDER BY bm25(article_words, 0, 3, 1) LIMIT ?3`,
      )
      .bind(`scope : (${scopes.join(' OR ')}) AND {title body} : (${matchQuery(question)})`, siteId, limit)
      .all<{ id: string }>(),
  )
  const ids = found.results.map(row => row.id)
  if (ids.length === 0) return []
  const rows = await steady(() =>
    db
      .select()
      .from(articles)
      .where(
        and(
          eq(articles.siteId, siteId),
          inArray(articles.id, sql`(SELECT value FROM json_each(${JSON.stringify(ids)}))`),
        ),
      ),
  )
  // The words may be older than the article: what it is labelled now decides.
  return ids.flatMap(id => rows.filter(row => row.id === id && mayRead(labelsOf(row), contactLabels)))
}

export async function articleById(db: Db, siteId: string, id: string): Promise<Article | undefined> {
  return steady(() =>
    db
      .select()
      .from(articles)
      .where(and(eq(articles.siteId, siteId), eq(articles.id, id)))
      .get(),
  )
}

/** By assistant, then the oldest first, from just after one; of one assistant where it is named. */
export async function articlesAfter(
  db: Db,
  siteId: string,
  assistantId: string | undefined,
  after: { assistantId: string; id: string } | null,
  limit: number,
): Promise<Article[]> {
  return steady(() =>
    db
      .select()
      .from(articles)
      .where(
        and(
          eq(articles.siteId, siteId),
          assistantId === undefined ? undefined : eq(articles.assistantId, assistantId),
          after
            ? sql`(${articles.assistantId}, ${articles.id}) > (${after.assistantId}, ${after.id})`
            : undefined,
        ),
      )
      .orderBy(articles.assistantId, articles.id)
      .limit(limit),
  )
}

/** The articles of an assistant that have one of these titles. */
export async function articlesTitled(
  db: Db,
  siteId: string,
  assistantId: string,
  titles: readonly string[],
): Promise<Pick<Article, 'id' | 'title' | 'createdAt'>[]> {
  return steady(() =>
    db
      .select({ id: articles.id, title: articles.title, createdAt: articles.createdAt })
      .from(articles)
      .where(
        and(
          eq(articles.siteId, siteId),
          eq(articles.assistantId, assistantId),
          inArray(articles.title, sql`(SELECT value FROM json_each(${JSON.stringify(titles)}))`),
        ),
      )
      .orderBy(articles.id),
  )
}

/** Its words go first: an article that can be read and is not found is mended by doing it again, one found and not there by nothing. */
export async function removeArticle(db: Db, search: D1Database, siteId: string, id: string): Promise<void> {
  await steady(() => search.batch([unindexing(search, siteId, id)]))
  await steady(() => db.delete(articles).where(and(eq(articles.siteId, siteId), eq(articles.id, id))))
}

export function labelsOf(row: { labels: string }): string[] {
  return JSON.parse(row.labels) as string[]
}

/** One token that no other assistant's begins with; article_words.scope holds it alone where an article is for everyone. */
export function scopePrefix(siteId: string, assistantId: string): string {
  return `s${siteId.replaceAll('-', '')}a${assistantId.replaceAll('-', '')}`
}

/** A label is anybody's text, and a token only letters and digits: so it is written as its bytes. */
function labelScope(siteId: string, assistantId: string, label: string): string {
  const bytes = Array.from(new TextEncoder().encode(label), byte => byte.toString(16).padStart(2, '0'))
  return `${scopePrefix(siteId, assistantId)}l${bytes.join('')}`
}

function scopesOf(article: Article): string[] {
  const labels = labelsOf(article)
  return labels.length === 0
    ? [scopePrefix(article.siteId, article.assistantId)]
    : labels.map(label => labelScope(article.siteId, article.assistantId, label))
}
