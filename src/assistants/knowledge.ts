/**
 * The assistant that needs no key and no network: it answers with the article that holds the question's words, cites it, and where
 * no article holds enough of them says so and offers a person. What counts is the share of the question's words that an article has,
 * not bm25, whose scale depends on the collection; bm25 only orders what the share let through.
 */

import { bareSubject } from '../domain/thread.ts'
import { questionWords, shareFound, words } from '../domain/words.ts'
import { type Article, articlesAbout } from '../store/articles.ts'
import { db } from '../store/db.ts'
import type { Answer, Assistant, Question } from './assistant.ts'
import type { AssistantRow } from './index.ts'

/** Below this share of the question's words found, the honest answer is "I don't know". */
const ENOUGH = 0.34
/** Two articles whose shares are this close are both about it; then the mail's language decides. */
const CLOSE = 0.15
const LOOKED_AT = 12

export function knowledge(row: AssistantRow, env: Env): Assistant {
  return {
    answer: question =>
      answerFrom(question, asked =>
        articlesAbout(db(env.DB), env.SEARCH, row.siteId, row.id, asked, LOOKED_AT),
      ),
  }
}

export async function answerFrom(
  question: Question,
  articlesFor: (words: readonly string[]) => Promise<Article[]>,
): Promise<Answer> {
  const subject = bareSubject(question.subject)
  const text = [subject, ...question.said].join('\n')
  const best = await bestArticle(questionWords(text), question.language, articlesFor)
  // A long mail tells a story around its question; its subject is the question in a few words.
  const article = best ?? (await bestArticle(questionWords(subject), question.language, articlesFor))
  const say =
    phrases[article && question.language === 'und' ? article.language : question.language] ?? phrases.en!
  const hello = say.hello(question.contactName)
  if (!article)
    return {
      text: [hello, say.unsure, say.bye(question.assistantName)].join('\n\n'),
      citations: [],
      language: question.language,
      sure: false,
    }
  return {
    text: [hello, article.body.trim(), say.more, say.bye(question.assistantName)].join('\n\n'),
    citations: [{ id: article.id, title: article.title, url: article.url }],
    language: article.language,
    sure: true,
  }
}

async function bestArticle(
  asked: readonly string[],
  language: string,
  articlesFor: (words: readonly string[]) => Promise<Article[]>,
): Promise<Article | null> {
  if (asked.length === 0) return null
  const ranked = (await articlesFor(asked))
    .map(article => ({
      article,
      share: shareFound(asked, new Set([...words(article.title), ...words(article.body)])),
    }))
    .filter(({ share }) => share >= ENOUGH)
  const top = Math.max(...ranked.map(({ share }) => share))
  const close = ranked.filter(({ share }) => share >= top - CLOSE)
  const own = close.find(({ article }) => article.language === language)
  return (own ?? close[0])?.article ?? null
}

interface Phrases {
  hello: (name: string) => string
  unsure: string
  more: string
  bye: (assistant: string) => string
}

/** Around the article, in the languages the product speaks; another is one entry. */
const phrases: Record<string, Phrases> = {
  en: {
    hello: name => (name ? `Hello ${name},` : 'Hello,'),
    unsure:
      'Thank you for writing. I could not find an answer to your question, and I would rather not guess. Reply to this mail and say that you would like to talk to a person; a colleague will then take over.',
    more: 'If this does not answer your question, just reply to this mail; a person can take over at any time.',
    bye: assistant => `Kind regards\n${assistant} (automatic assistant)`,
  },
  'zh-TW': {
    hello: name => (name ? `${name} 您好：` : '您好：'),
    unsure:
      '感謝您的來信。我找不到這個問題的答案，也不想隨意猜測。請直接回覆這封信，說明您希望由真人協助，我們的同事將會接手。',
    more: '若這沒有解決您的問題，請直接回覆此信；我們隨時可以改由真人為您服務。',
    bye: assistant => `敬祝 順心\n${assistant}（自動助理）`,
  },
  'zh-CN': {
    hello: name => (name ? `${name}，您好：` : '您好：'),
    unsure:
      '感谢您的来信。我没有找到这个问题的答案，也不想随意猜测。请直接回复这封邮件，说明您希望由人工协助，我们的同事会接手。',
    more: '如果这没有解决您的问题，请直接回复此邮件；我们随时可以改由人工为您服务。',
    bye: assistant => `祝好\n${assistant}（自动助理）`,
  },
}
