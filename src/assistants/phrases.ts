/** What an assistant says of its own accord, in the languages the product speaks. */
import type { Question } from './assistant.ts'

interface Phrases {
  hello: (name: string) => string
  unsure: string
  person: string
  more: string
  bye: (assistant: string) => string
}

/** Around the article, in the languages the product speaks; another is one entry. */
const PHRASES: Record<string, Phrases> = {
  en: {
    hello: name => (name ? `Hello ${name},` : 'Hello,'),
    unsure:
      'Thank you for writing. I could not find an answer to your question, and I would rather not guess. Reply and say that you would like to talk to a person; a colleague will then answer you.',
    person:
      'I have passed your conversation on to a colleague, who will answer you here. I will not write to you again unless a colleague hands the conversation back to me.',
    more: 'If this does not answer your question, just reply to this mail, or say that you would like to talk to a person.',
    bye: assistant => `Kind regards\n${assistant} (automatic assistant)`,
  },
  'zh-TW': {
    hello: name => (name ? `${name} 您好：` : '您好：'),
    unsure:
      '感謝您的來信。我找不到這個問題的答案，也不想隨意猜測。請直接回覆這封信，說明您希望由真人協助，我們的同事將會接手。',
    person: '我已將您的對話轉給同事，將由真人在此回覆您。除非同事將對話交還給我，否則我不會再寫信給您。',
    more: '若這沒有解決您的問題，請直接回覆此信，或告訴我們您希望由真人協助。',
    bye: assistant => `敬祝 順心\n${assistant}（自動助理）`,
  },
  'zh-CN': {
    hello: name => (name ? `${name}，您好：` : '您好：'),
    unsure:
      '感谢您的来信。我没有找到这个问题的答案，也不想随意猜测。请直接回复这封邮件，说明您希望由真人协助，我们的同事会接手。',
    person: '我已将您的对话转给同事，将由人工在此回复您。除非同事将对话交还给我，否则我不会再写信给您。',
    more: '如果这没有解决您的问题，请直接回复此邮件，或告诉我们您希望由真人协助。',
    bye: assistant => `祝好\n${assistant}（自动助理）`,
  },
}

/** @param language IETF tag; English where we do not speak it */
export function phrasesIn(language: string): Phrases {
  return PHRASES[language] ?? PHRASES.en!
}

/** A letter with greeting and close around its paragraphs, in the contact's language. */
export function letterTo(question: Pick<Question, 'language' | 'contactName' | 'assistantName'>) {
  const say = phrasesIn(question.language)
  return (...paragraphs: string[]) =>
    [say.hello(question.contactName), ...paragraphs, say.bye(question.assistantName)].join('\n\n')
}
