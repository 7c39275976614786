/**
 * Articles are what an assistant knows. D1 DB owns them; SEARCH holds their words, cut by domain/words.ts, and can be dropped and
 * rebuilt from here at any time.
 */
import { and, eq, inArray } from 'drizzle-orm'
import { matchQuery, words } from '../domain/words.ts'
import { type Db, steady } from './db.ts'
import { articles } from './schema.ts'

export type Article = typeof articles.$inferSelect

export async function saveArticle(db: Db, search: D1Database, article: Article): Promise<void> {
  await db
    .insert(articles)
    .values(article)
    .onConflictDoUpdate({
      target: articles.id,
      set: {
        title: article.title,
        body: article.body,
        url: article.url,
        language: article.language,
        updatedAt: article.updatedAt,
      },
      setWhere: eq(articles.siteId, article.siteId),
    })
  await indexArticle(search, article)
}

export async function indexArticle(search: D1Database, article: Article): Promise<void> {
  const scope = scopeOf(article.siteId, article.assistantId)
  await steady(() =>
    search.batch([
      search
        .prepare(
          `INSERT INTO article_docs (article_id, site_id) VALUES (?1, ?2) ON CONFLICT (article_id) DO NOTHING`,
        )
        .bind(article.id, article.siteId),
      search
        .prepare(
          `DELETE FROM article_words WHERE rowid = (SELECT id FROM article_docs WHERE article_id = ?1 AND site_id = ?2)`,
        )
        .bind(article.id, article.siteId),
      search
        .prepare(
          `INSERT INTO article_words (rowid, scope, title, body)
           SELECT id, ?2, ?3, ?4 FROM article_docs WHERE article_id = ?1 AND site_id = ?5`,
        )
        .bind(
          article.id,
          scope,
          words(article.title).join(' '),
          words(article.body).join(' '),
          article.siteId,
        ),
    ]),
  )
}

/** Drops and rebuilds the words of every article of every site. */
export async function rebuildArticleWords(db: Db, search: D1Database): Promise<number> {
  await search.batch([
    search.prepare('DELETE FROM article_words'),
    search.prepare('DELETE FROM article_docs'),
  ])
  const all = await db.select().from(articles)
  for (const article of all) await indexArticle(search, article)
  return all.length
}

/** The articles of one assistant that share words with the question, best first (bm25; a word in the title counts threefold). */
export async function articlesAbout(
  db: Db,
  search: D1Database,
  siteId: string,
  assistantId: string,
  question: readonly string[],
  limit: number,
): Promise<Article[]> {
  if (question.length === 0) return []
  const found = await steady(() =>
    search
      .prepare(
        `SELECT d.article_id AS id FROM article_words JOIN article_docs d ON d.id = article_words.rowid
         WHERE article_words MATCH ?1 AND d.site_id = ?2 ORDER BY bm25(article_words, 0, 3, 1) LIMIT ?3`,
      )
      .bind(
        `scope : ${scopeOf(siteId, assistantId)} AND {title body} : (${matchQuery(question)})`,
        siteId,
        limit,
      )
      .all<{ id: string }>(),
  )
  const ids = found.results.map(row => row.id)
  if (ids.length === 0) return []
  const rows = await steady(() =>
    db
      .select()
      .from(articles)
      .where(and(eq(articles.siteId, siteId), inArray(articles.id, ids))),
  )
  return ids.flatMap(id => rows.filter(row => row.id === id))
}

function scopeOf(siteId: string, assistantId: string): string {
  return `s${siteId.replaceAll('-', '')}a${assistantId.replaceAll('-', '')}`
}
