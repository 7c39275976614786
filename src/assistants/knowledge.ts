/**
 * The assistant that needs no key and no network: it answers with the article that holds the question's words, cites it, and where
 * no article holds enough of them says so and offers a person. What counts is the share of the question's words that an article has,
 * weighed by how rare they are, not bm25, whose scale depends on the collection; bm25 only says which articles are looked at. A contact
 * who asks for a person gets one; one who only says thanks gets no mail.
 */

import { plainText } from '../domain/markdown.ts'
import { onlyThanks, wantsPerson } from '../domain/person.ts'
import { bareSubject } from '../domain/thread.ts'
import { questionWords, words } from '../domain/words.ts'
import { type Article, articlesAbout } from '../store/articles.ts'
import type { AssistantRow } from '../store/assistants.ts'
import { db } from '../store/db.ts'
import type { Answer, Assistant, Question } from './assistant.ts'
import { phrasesFor } from './phrases.ts'

/** Below this share of the question's words found, the honest answer is "I don't know". */
const ENOUGH = 0.34
/** And so much must be found in all: one word that half of the articles have is no evidence. */
const EVIDENCE = 0.5
/** A word of the title says more about an article than one of its body. */
const IN_TITLE = 1.5
/** Two articles whose shares are this close are both about it; then the mail's language decides. */
const CLOSE = 0.2
const LOOKED_AT = 12
/** So many questions of one mail are answered, each by its article. */
const QUESTIONS = 3

export function knowledge(row: Pick<AssistantRow, 'siteId' | 'id'>, env: Env): Assistant {
  return {
    answer: question =>
      answerFrom(question, asked =>
        articlesAbout(db(env.DB), env.SEARCH, row.siteId, row.id, asked, LOOKED_AT, question.contactLabels),
      ),
  }
}

type Search = (words: readonly string[]) => Promise<Article[]>

export async function answerFrom(question: Question, articlesFor: Search): Promise<Answer> {
  const said = question.said.join('\n')
  const none = { citations: [], language: question.language }
  const say = phrasesFor(question)
  if (wantsPerson(said)) return { ...none, text: say.text(say.person), sure: true, wantsPerson: true }
  if (onlyThanks(said)) return { ...none, text: '', sure: true }
  const fresh = await articlesOn(question, articlesFor)
  // Asked once more in a chat, it is said once more; a letter that says the same again helps nobody.
  const again = fresh.length === 0 && question.channel === 'chat' && question.cited.length > 0
  const articles = again ? await articlesOn({ ...question, cited: [] }, articlesFor) : fresh
  if (articles.length === 0) return { ...none, text: say.text(say.unsure), sure: false }
  const bodies = articles.map(article => plainText(article.body).trim())
  return {
    text: again ? say.text(say.again, ...bodies, say.orPerson) : say.text(...bodies, say.more),
    citations: articles.map(({ id, title, url }) => ({ id, title, url })),
    language: articles[0]!.language,
    sure: true,
  }
}

/** The articles to answer with: of each question by itself, else of the whole mail, else of its subject. */
async function articlesOn(question: Question, articlesFor: Search): Promise<Article[]> {
  const said = question.said.join('\n')
  const subject = question.history.length === 0 ? bareSubject(question.subject) : ''
  const best = (text: string) => bestArticle(questionWords(text), question, articlesFor)
  const found: Article[] = []
  for (const sentence of questionsOf(said)) {
    const article = await best(sentence)
    if (article && !found.some(one => one.id === article.id)) found.push(article)
    if (found.length === QUESTIONS) break
  }
  if (found.length > 0) return found
  // A long mail tells a story around its question; its subject is the question in a few words.
  const article = (await best(`${subject}\n${said}`)) ?? (await best(subject))
  return article ? [article] : []
}

/** Sentences that ask, in writing that marks them. */
function questionsOf(text: string): string[] {
  return text
    .split(/(?<=[?？!！。])|(?<=\.)\s|\n/)
    .map(sentence => sentence.trim())
    .filter(sentence => /[?？]$|[嗎吗呢]$/.test(sentence))
    .slice(0, 10)
}

async function bestArticle(
  asked: readonly string[],
  question: Question,
  articlesFor: Search,
): Promise<Article | null> {
  if (asked.length === 0) return null
  const articles = (await articlesFor(asked))
    .filter(article => !question.cited.includes(article.id))
    .map(article => ({ article, title: new Set(words(article.title)), body: new Set(words(article.body)) }))
  // A word that many articles of one language have tells them apart badly; one that none has counts in full against all.
  const weight = (word: string) => {
    const counts = Map.groupBy(
      articles.filter(({ title, body }) => title.has(word) || body.has(word)),
      ({ article }) => article.language,
    )
    return 1 / Math.max(1, ...[...counts.values()].map(list => list.length))
  }
  const weights = new Map(asked.map(word => [word, weight(word)]))
  const sum = (list: readonly string[]) => list.reduce((total, word) => total + weights.get(word)!, 0)
  const ranked = articles
    .map(({ article, title, body }) => {
      const found =
        sum(asked.filter(word => title.has(word))) * IN_TITLE +
        sum(asked.filter(word => !title.has(word) && body.has(word)))
      return { article, found, share: found / sum(asked) }
    })
    .filter(({ share, found }) => share >= ENOUGH && found >= EVIDENCE)
    .toSorted((a, b) => b.share - a.share)
  const close = ranked.filter(({ share }) => share >= ranked[0]!.share - CLOSE)
  const own = close.find(({ article }) => article.language === question.language)
  return (own ?? close[0])?.article ?? null
}
