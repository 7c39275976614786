/** What an assistant says of its own accord, in the languages the product speaks. */
import type { Question } from './assistant.ts'

interface Phrases {
  hello: (name: string) => string
  unsure: string
  person: string
  more: string
  /** In front of what was said before, and behind it. */
  again: string
  orPerson: string
  bye: (assistant: string) => string
  /** The same, where nobody writes letters. */
  inChat: { unsure: string; person: string; more: string }
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
    again: 'This is all I know about it:',
    orPerson:
      'If that is not it, say that you would like to talk to a person, and a colleague will answer you.',
    bye: assistant => `Kind regards\n${assistant} (automatic assistant)`,
    inChat: {
      unsure:
        'I could not find an answer to that, and I would rather not guess. Say that you would like to talk to a person, and a colleague will answer you here.',
      person: 'I have passed this on to a colleague, who will answer you here.',
      more: 'Does that help? If not, ask in other words, or say that you would like to talk to a person.',
    },
  },
  'zh-TW': {
    hello: name => (name ? `${name} 您好：` : '您好：'),
    unsure:
      '感謝您的來信。我找不到這個問題的答案，也不想隨意猜測。請直接回覆這封信，說明您希望由真人協助，我們的同事將會接手。',
    person: '我已將您的對話轉給同事，將由真人在此回覆您。除非同事將對話交還給我，否則我不會再寫信給您。',
    more: '若這沒有解決您的問題，請直接回覆此信，或告訴我們您希望由真人協助。',
    again: '關於這個問題，我所知道的是：',
    orPerson: '若這不是您要的答案，請告訴我您希望由真人協助，同事將會回覆您。',
    bye: assistant => `敬祝 順心\n${assistant}（自動助理）`,
    inChat: {
      unsure: '我找不到這個問題的答案，也不想隨意猜測。若您希望由真人協助，請告訴我，同事將在此回覆您。',
      person: '我已將您的對話轉給同事，將由真人在此回覆您。',
      more: '這有解決您的問題嗎？若沒有，請換個方式再問我，或告訴我您希望由真人協助。',
    },
  },
  'zh-CN': {
    hello: name => (name ? `${name}，您好：` : '您好：'),
    unsure:
      '感谢您的来信。我没有找到这个问题的答案，也不想随意猜测。请直接回复这封邮件，说明您希望由真人协助，我们的同事会接手。',
    person: '我已将您的对话转给同事，将由人工在此回复您。除非同事将对话交还给我，否则我不会再写信给您。',
    more: '如果这没有解决您的问题，请直接回复此邮件，或告诉我们您希望由真人协助。',
    again: '关于这个问题，我所知道的是：',
    orPerson: '如果这不是您要的答案，请告诉我您希望由真人协助，同事会回复您。',
    bye: assistant => `祝好\n${assistant}（自动助理）`,
    inChat: {
      unsure: '我没有找到这个问题的答案，也不想随意猜测。如果您希望由真人协助，请告诉我，同事会在此回复您。',
      person: '我已将您的对话转给同事，将由人工在此回复您。',
      more: '这解决您的问题了吗？如果没有，请换个方式再问我，或告诉我您希望由真人协助。',
    },
  },
}

type Asked = Pick<Question, 'channel' | 'language' | 'contactName' | 'assistantName'>

/** What an assistant says around an answer, in the contact's language: a letter with greeting and close, or a line in a chat. */
export function phrasesFor({ channel, language, contactName, assistantName }: Asked) {
  const { hello, bye, inChat, ...inMail } = PHRASES[language] ?? PHRASES.en!
  if (channel === 'chat')
    return { ...inMail, ...inChat, text: (...paragraphs: string[]) => paragraphs.join('\n\n') }
  return {
    ...inMail,
    text: (...paragraphs: string[]) => [hello(contactName), ...paragraphs, bye(assistantName)].join('\n\n'),
  }
}
