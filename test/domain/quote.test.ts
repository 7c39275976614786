import { describe, expect, it } from 'vitest'
import { newText, QUOTE_BEGINS } from '../../src/domain/quote.ts'
import { textsIn } from '../../src/domain/texts.ts'
import { answerBodies } from '../../src/mail/answer.ts'
import { hostile } from './quote-hostile.ts'
import { ourReplies, publicReplies, read } from './quote-replies.ts'

const NEW = 'Thanks, that works.\n\nOne more thing: can I get an invoice?'
const OLD = '> Hello,\n> please try again.\n>\n> Regards'

describe('quotes under an answer', () => {
  it.each([
    ['Gmail', 'On Thu, Jun 20, 2013 at 4:18 PM, Shop Support <support@shop.example> wrote:'],
    ['Gmail without a comma', 'On Thu, Jun 20, 2013 at 4:18 PM Shop Support <support@shop.example> wrote:'],
    ['Apple', 'On 28 Jan 2016, at 19:04, Shop Support <support@shop.example> wrote:'],
    ['Apple without an address', 'On 28 Jan 2016, at 19:04, Shop Support wrote:'],
    ['Thunderbird', 'On 6/15/23 15:38, Shop Support wrote:'],
    ['German Gmail', 'Am Do., 15. Juni 2023 um 15:38 Uhr schrieb Shop Support <support@shop.example>:'],
    ['German Thunderbird', 'Am 15.06.23 um 15:38 schrieb Shop Support:'],
    ['German, name first', 'Shop Support <support@shop.example> schrieb am Do., 15. Juni 2023, 15:38:'],
    ['French', 'Le jeu. 15 juin 2023 à 15:38, Shop Support <support@shop.example> a écrit :'],
    ['Spanish', 'El jue, 15 jun 2023 a las 15:38, Shop Support (<support@shop.example>) escribió:'],
    ['Italian', 'Il giorno gio 15 giu 2023 alle ore 15:38 Shop Support <support@shop.example> ha scritto:'],
    ['Dutch', 'Op do 15 jun 2023 om 15:38 schreef Shop Support <support@shop.example>:'],
    ['Portuguese', 'Em qui., 15 de jun. de 2023 às 15:38, Shop Support <support@shop.example> escreveu:'],
    ['Polish', 'czw., 15 cze 2023 o 15:38 Shop Support <support@shop.example> napisał(a):'],
    ['Polish Thunderbird', 'W dniu 15.06.2023 o 15:38, Shop Support pisze:'],
    ['Russian', 'чт, 15 июн. 2023 г. в 15:38, Shop Support <support@shop.example>:'],
    ['Russian Mail.ru', 'Четверг, 15 июня 2023, 15:38 +03:00 от Shop Support <support@shop.example>:'],
    ['Ukrainian', 'чт, 15 черв. 2023 р. о 15:38 Shop Support <support@shop.example> пише:'],
    ['Swedish', 'Den tors 15 juni 2023 kl 15:38 skrev Shop Support <support@shop.example>:'],
    ['Norwegian', 'tor. 15. juni 2023 kl. 15:38 skrev Shop Support <support@shop.example>:'],
    ['Danish', 'Den tor. 15. jun. 2023 kl. 15.38 skrev Shop Support <support@shop.example>:'],
    ['Finnish', 'to 15. kesäk. 2023 klo 15.38 Shop Support (support@shop.example) kirjoitti:'],
    ['Czech', 'čt 15. 6. 2023 v 15:38 odesílatel Shop Support <support@shop.example> napsal:'],
    ['zh-TW Gmail', 'Shop Support <support@shop.example> 於 2023年6月15日 週四 下午3:38寫道：'],
    ['zh-TW Yahoo', 'Shop Support 在 2019年7月2日星期二 下午05:48:53 [GMT+8] 寫道：'],
    ['zh-CN Gmail', 'Shop Support <support@shop.example> 于2023年6月15日周四 15:38写道：'],
    ['zh-CN Apple', '在 2016年12月12日，下午8:45，Shop Support <support@shop.example> 写道：'],
    ['Japanese', '2023年6月15日(木) 15:38 Shop Support <support@shop.example>:'],
    ['Japanese Apple', '2023/06/15 15:38、Shop Support <support@shop.example>のメール:'],
    ['Korean', '2023년 6월 15일 (목) 오후 3:38, Shop Support <support@shop.example>님이 작성:'],
    [
      'a language that nobody listed',
      'Jn 15. jūn. 2023 plkst. 15:38 Shop Support <support@shop.example> zzz:',
    ],
  ])('F7 %s', (_, line) => {
    expect(newText(`${NEW}\n\n${line}\n\n${OLD}\n`)).toEqual({
      content: NEW,
      rest: `${line}\n\n${OLD}`,
      onlyQuote: false,
    })
    expect(newText(`${NEW}\r\n\r\n> ${line}\r\n> \r\n${OLD.replaceAll('\n', '\r\n')}`).content).toBe(NEW)
  })

  it.each([
    ['before the address', 'On Thu, Jun 20, 2013 at 4:18 PM, Shop Support\n<support@shop.example> wrote:'],
    ['inside the brackets', 'On Thu, Jun 20, 2013 at 4:18 PM, Shop Support <\nsupport@shop.example> wrote:'],
    ['before the verb', 'On Thu, Jun 20, 2013 at 4:18 PM, Shop Support <support@shop.example>\nwrote:'],
    ['before the closing bracket', 'Am 21.04.2016 17:48 schrieb "Shop Support" <support@shop.example\n>:'],
    ['over three lines', 'On Thu, Jun 20, 2013\nat 4:18 PM, Shop Support\n<support@shop.example> wrote:'],
    ['after the date', 'Shop Support <support@shop.example> schrieb am Fr., 28.\nApr. 2017 um 11:53 Uhr:'],
  ])('F6 wrapped %s', (_, line) => {
    expect(newText(`${NEW}\n\n${line}\n\n${OLD}`).content).toBe(NEW)
    expect(newText(`${NEW}\n${line}\n${OLD}`).content).toBe(NEW)
  })

  it.each([
    [
      'Outlook desktop',
      'From: Shop Support <support@shop.example>\nSent: Thursday, June 15, 2023 3:38 PM\nTo: Alice\nSubject: RE: Order\n\nHello',
    ],
    [
      'new Outlook',
      '________________________________\nFrom: Shop Support\nSent: Thursday, June 15, 2023\nTo: Alice\nSubject: Order\n\nHello',
    ],
    [
      'Outlook for Mac',
      'From: Shop <support@shop.example>\nDate: Thursday, 15 June 2023 at 15:38\nTo: Alice <a@x.example>\nSubject: Order\nHello',
    ],
    [
      'Outlook in bold',
      '*From:* Shop Support\n*Sent:* 2016-01-27\n*To:* a@x.example\n*Subject:* Order\n\nHello',
    ],
    [
      'German Outlook',
      'Von: Shop <support@shop.example>\nGesendet: Donnerstag, 15. Juni 2023\nAn: Alice\nBetreff: Bestellung\n\nHallo',
    ],
    [
      'zh-TW Outlook',
      '寄件者: Shop <support@shop.example>\n寄件日期: 2023年6月15日\n收件者: Alice\n副本: Bob\n主旨: 訂單\n\n您好',
    ],
    [
      'QQ',
      '------------------ 原始邮件 ------------------\n发件人: "Shop" <support@shop.example>;\n发送时间: 2023年6月15日\n收件人: "A"\n主题: 订单\n\n您好',
    ],
    [
      'Japanese Outlook',
      '差出人: Shop <support@shop.example>\n送信日時: 2023年6月15日\n宛先: Alice\n件名: 注文\n\nこんにちは',
    ],
    [
      'Korean',
      '보낸 사람: Shop <support@shop.example>\n보낸 날짜: 2023년 6월\n받는 사람: Alice\n제목: 주문\n\n안녕',
    ],
    ['old Outlook', '-----Original Message-----\nFrom: Shop\nHello'],
    ['old German Outlook', '-----Ursprüngliche Nachricht-----\nVon: Shop\nHallo'],
    [
      'Proton',
      '------- Original Message -------\nOn Thursday, June 15th, 2023 at 15:38, Shop <support@shop.example> wrote:\n\n> Hello',
    ],
    [
      'Yahoo',
      'On Thursday, June 15, 2023 at 03:38:00 PM GMT+2, Shop <support@shop.example> wrote:\n\nHello,\nplease try again.',
    ],
    ['Zoho', '---- On Tue, 22 Dec 2015 14:17:36 +0530 Shop <support@shop.example> wrote ----\n\n Hello'],
  ])('F8 %s', (_, quote) => {
    expect(newText(`${NEW}\n\n${quote}`)).toEqual({ content: NEW, rest: quote, onlyQuote: false })
  })
})

describe('our own mails', () => {
  it.each(['en', 'zh-TW', 'zh-CN'])('AI2 what they quote in %s is hidden in the answer to them', language => {
    const { text } = answerBodies({
      text: 'It is on its way.',
      citations: [],
      language,
      aiLine: null,
      signature: 'Demo shop',
      original: { who: 'Carol', at: Date.UTC(2026, 10, 3, 14, 5), text: 'Where is it?\n\nCarol' },
    })
    expect(newText(text).content).toBe('It is on its way.')
    const quoted = `${NEW}\n\n${textsIn(language).wrote('2026-11-03 14:05 UTC', '客服')}\n${OLD}`
    expect(newText(quoted).content).toBe(NEW)
  })
})

describe('what is kept', () => {
  const ask = 'On 15 Jun 2023, at 15:38, Shop <support@shop.example> wrote:'

  it.each([
    [
      'Gmail',
      '---------- Forwarded message ---------\nFrom: Foo <foo@x.example>\nDate: Tue, Jan 1, 2019\nSubject: Order\nTo: <b@x.example>\n\nThe text.',
    ],
    [
      'Apple',
      'Begin forwarded message:\n\nFrom: Foo <foo@x.example>\nSubject: Order\nDate: 1 January 2019\nTo: b@x.example\n\nThe text.',
    ],
    [
      'Apple, marked',
      '> Begin forwarded message:\n> \n> From: Foo\n> Subject: Order\n> To: b@x.example\n> \n> The text.',
    ],
    [
      'German',
      '-------- Weitergeleitete Nachricht --------\nBetreff: x\nVon: Foo\nAn: b\nDatum: 1.1.2019\n\nDer Text.',
    ],
    [
      'Chinese',
      '---------- 轉寄的郵件 ---------\n寄件者: Foo\n日期: 2019年1月1日\n主旨: x\n收件者: b\n\n內容',
    ],
  ])('F1 %s: a forwarded mail is what the writer sends', (_, forward) => {
    expect(newText(forward)).toEqual({ content: forward, rest: '', onlyQuote: false })
    expect(newText(`Please see below.\n\n${forward}`).content).toBe(`Please see below.\n\n${forward}`)
  })

  it('F2 answers between the quoted lines are kept, with what they answer', () => {
    const text = `Hi,\n\n${ask}\n> Which size?\n\nLarge.\n\n> Which colour?\n\nRed.`
    expect(newText(text)).toEqual({ content: text, rest: '', onlyQuote: false })
    expect(newText(`${ask}\n> Which size?\nLarge.\n> Which colour?\nRed.`).content).toContain('Large.')
  })

  it('F2 an answer under the quote is kept', () => {
    const text = `${ask}\n\n> Which size?\n\nLarge, please.`
    expect(newText(text)).toEqual({ content: text, rest: '', onlyQuote: false })
    expect(newText(`> Which size?\n\nLarge, please.`).content).toContain('Large, please.')
  })

  it.each([
    'Here is the log:\n\n> npm run build\n> error TS2304: Cannot find name\n\nWhat now?',
    'Here is the log from 2024-05-01 12:00:\n> npm run build\n> error',
    'It prints\n> a\n> b',
    'Use x > y:\n> 5',
  ])('F4 %j keeps its lines that start with >', text => expect(newText(text).content).toBe(text))

  it.each([
    'Please book a flight.\n\nFrom: London\nTo: Paris\nDate: 5 May 2024\n\nThanks',
    'Name: Bob\nEmail: bob@x.example\nDate: 5 May 2024\nSubject: Refund\n\nPlease refund.',
    'My order\n\n----- Order details -----\nItem: 5\nSize: L\n\nPlease cancel it.',
    'On 5 May 2020 I wrote to bob@x.example the following:\n\nPlease cancel.',
    'I wrote on 5 May 2020 at 10:00:\n\nPlease cancel.',
    'On Monday 5 May 2024 at 10:00 I bought:\n\n2 chairs',
    'You wrote:\n\nthe door is open. It is not.',
    'First part\n\n---\n\nSecond part, which is longer than that and has much to say.\n\n***\n\nThird part?',
    'My question\n--\nOne more: can you refund order 5?',
    'Sent from my old address, can you answer to the new one?',
    'Contact me at\nbob@x.example:\nthanks',
    'The original message was:\nsomething else',
    'Van: Toyota\nDate: 5 May 2024 10:00\nSubject: hire\n\nIs it free?',
    'No: 5\nDate: 5 May 2024\nSubject: Refund\nTo: Bob\n\nPlease refund.',
  ])('%j is all new', text => expect(newText(text)).toEqual({ content: text, rest: '', onlyQuote: false }))

  it('F9 nothing but a quote says so, and is shown whole', () => {
    for (const text of [
      `${ask}\n\n${OLD}`,
      OLD,
      `Sent from my iPhone\n\n${ask}\n${OLD}`,
      `From: Shop\nSent: 1.1.2024\nTo: A\nSubject: x\n\nHello`,
      `-- \nAlice\n\n${ask}\n${OLD}`,
    ]) {
      expect(newText(text)).toEqual({ content: text, rest: '', onlyQuote: true })
    }
  })

  it('no text is no quote', () => {
    for (const text of ['', ' \n\n', '\r\n'])
      expect(newText(text)).toEqual({ content: '', rest: '', onlyQuote: false })
  })

  it.each([
    '-- \nAlice Smith\nShop Ltd',
    '--\nAlice',
    'Sent from my iPhone',
    'Sent from Yahoo Mail on Android',
    'Get Outlook for iOS<https://aka.ms/o0ukef>',
    'Von meinem iPhone gesendet',
    'Gesendet von Outlook für Android',
    'Envoyé de mon iPhone',
    'Enviado desde mi iPhone',
    'Enviado do meu iPhone',
    'Inviato da iPhone',
    'Verzonden vanaf mijn iPhone',
    'Wysłane z iPhone’a',
    'Отправлено с iPhone',
    'Skickat från min iPhone',
    'Sendt fra min iPad',
    '從我的 iPhone 傳送',
    '发自我的 iPhone',
    'iPhoneから送信',
    '나의 iPhone에서 보냄',
  ])('F10 the signature %j is hidden, with and without a quote', signature => {
    expect(newText(`${NEW}\n\n${signature}\n`)).toEqual({ content: NEW, rest: signature, onlyQuote: false })
    expect(newText(`${NEW}\n\n${signature}\n\n${ask}\n${OLD}`).content).toBe(NEW)
  })

  it('F10 a signature under the quote is no answer to it', () => {
    expect(newText(`${NEW}\n\n${ask}\n${OLD}\n\n-- \nAlice`).content).toBe(NEW)
    expect(newText(`${ask}\n${OLD}\n\n-- \nAlice`).onlyQuote).toBe(true)
  })

  it('F11 content and rest together are the text', () => {
    const text = `${NEW}\n\n-- \nAlice\n\n${ask}\n${OLD}`
    const { content, rest } = newText(text)
    expect(`${content}\n\n${rest}`).toBe(text)
  })
})

it('of mails put together at random, the view is never empty and never says what the mail does not', () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  let state = seed
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return Math.floor((state / 0x80000000) * below)
  }
  const pieces = [
    'Hello,',
    'yes: no',
    '',
    '> quoted',
    '>> deeper',
    '>',
    '-- ',
    '--',
    'On 1 Jan 2020, at 10:00, Bob <bob@x.example> wrote:',
    'On 1 Jan 2020, Bob <',
    'bob@x.example> wrote:',
    'From: Bob <bob@x.example>',
    'Sent: 1 Jan 2020',
    'To: Alice',
    'Subject: x',
    '-----Original Message-----',
    '---------- Forwarded message ---------',
    'Sent from my iPhone',
    '寫道：',
    '   ',
    '>:',
    '|',
    '15.06.2023, 15:38, "Bob" <bob@x.example>:',
    'schrieb am 15.06.2023 um 15:38:',
    'Bob <bob@x.example>',
    '| 发件人 | bob@x.example |',
    '---- 回复的原邮件 ----',
    '____________________',
    'Bob> hello',
    'mailto:bob@x.example',
    '<',
    QUOTE_BEGINS,
  ]
  for (let round = 0; round < 5000; round += 1) {
    const text = Array.from({ length: 1 + random(12) }, () => pieces[random(pieces.length)]).join('\n')
    const { content, rest, onlyQuote } = newText(text)
    const about = `SEED=${seed} round ${round}: ${JSON.stringify(text)}`
    const plain = text.replaceAll(QUOTE_BEGINS, '')
    expect(content === '', about).toBe(plain.trim() === '')
    expect(plain.includes(content) && plain.includes(rest), about).toBe(true)
    expect(onlyQuote && content !== plain.replace(/^(?:\s*\n)*/, '').trimEnd(), about).toBe(false)
    // What stands above the first sign of a quote is new, and is shown.
    expect(newText(`New words.\n\n${text}`).content, about).toMatch(/^New words\./)
  }
})

describe('time', () => {
  /** The best of three, so that a busy machine does not decide; the first that is within the bar will do. */
  const within = (bar: number, text: string) => {
    let best = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 3 && best >= bar; tries += 1) {
      const began = performance.now()
      newText(text)
      best = Math.min(best, performance.now() - began)
    }
    expect(best).toBeLessThan(bar)
  }

  it.each(Object.entries(hostile))(
    'a megabyte of %s takes at most 200 ms, and two no more than twice that',
    (_, unit) => {
      const text = unit.repeat(Math.ceil(2_000_000 / unit.length))
      newText(text.slice(0, 100_000))
      within(200, text.slice(0, 1_000_000))
      within(400, text)
    },
  )
})

describe('whole replies', () => {
  const given = publicReplies()
  const sets = { 'our own set': ourReplies, ...(given ? { 'the public set': given } : {}) }
  console.warn(
    `whole replies: ran on ${Object.keys(sets).join(' and ')}${given ? '' : '; not run: no corpus'}`,
  )

  for (const [name, replies] of Object.entries(sets)) {
    it(`${name} (${replies.length}): every word the customer wrote is shown`, () => {
      expect(read(replies).filter(one => one.lost.length > 0)).toEqual([])
    })

    it(`${name}: 55 of 64 views are free of quoted text beyond what the set expects, what is passed on aside`, () => {
      const free = read(replies).filter(one => one.leaked.length === 0 || one.reply.shown === 'passed on')
      expect(free.length / replies.length).toBeGreaterThanOrEqual(55 / 64)
    })

    it(`${name}: a quote is shown only where it is answered below, or nothing else is said, or it is passed on`, () => {
      const showing = read(replies).filter(one => one.quoted.length > 0)
      expect(showing.filter(one => one.reply.shown === undefined)).toEqual([])
      for (const { reply, view } of read(replies)) {
        expect(view.onlyQuote, reply.name).toBe(
          reply.shown === 'nothing else said' ? view.content.trim() === reply.text.trim() : false,
        )
      }
    })

    it(`${name}: content and rest are the text, but for the blank lines between them (F11)`, () => {
      const bare = (text: string) => text.replace(/\r\n?/g, '\n').trim()
      for (const { reply, view } of read(replies)) {
        const text = bare(reply.text)
        const [above, below] = [bare(view.content), bare(view.rest)]
        expect(text.startsWith(above) && text.endsWith(below), reply.name).toBe(true)
        expect(text.slice(above.length, text.length - below.length).trim(), reply.name).toBe('')
      }
    })
  }
})
