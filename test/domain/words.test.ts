import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { matchQuery, questionWords, words } from '../../src/domain/words.ts'

describe('words of a text', () => {
  it.each([
    ['How do I reset my password?', ['how', 'do', 'i', 'reset', 'my', 'password']],
    ['退款', ['退款']],
    ['退款政策', ['退款', '款政', '政策']],
    ['款', ['款']],
    ['請看FAQ第3頁', ['請看', 'faq', '第', '3', '頁']],
    ['パスワードを忘れた', ['パス', 'スワ', 'ワー', 'ード', 'ドを', 'を忘', '忘れ', 'れた']],
    ['환불 정책', ['환불', '정책']],
    ['Ｆｕｌｌ ｗｉｄｔｈ １２', ['full', 'width', '12']],
    ['ﾊﾟｽ', ['パス']],
    ['Größe CAFÉ Ответ', ['große', 'cafe', 'ответ']],
    ["the customer’s order, the customers' order", ['the', 'customer', 'order', 'the', 'customer', 'order']],
    ["I don't and won’t", ['i', 'dont', 'and', 'wont']],
    ["l'adresse d’un ami", ['l', 'adress', 'd', 'un', 'ami']],
    [
      'deliveries boxes refunds invoices addresses ties',
      ['delivery', 'box', 'refund', 'invoic', 'address', 'tie'],
    ],
    [
      'opening opened open shipping shipped ship need thing',
      ['open', 'open', 'open', 'ship', 'ship', 'ship', 'need', 'thing'],
    ],
    ['address status this bus gas', ['address', 'status', 'this', 'bus', 'gas']],
    ['a.b@shop.example #1234-5', ['a', 'b', 'shop', 'exampl', '1234', '5']],
    ['𠮷野家', ['𠮷野', '野家']],
    ['', []],
    ['?! …', []],
  ])('%j', (text, cut) => {
    expect(words(text)).toEqual(cut)
  })

  it('cuts the same text the same way, in whatever form it came', () => {
    for (const text of ['パスワード', 'café', '각하'])
      expect(words(text.normalize('NFD'))).toEqual(words(text.normalize('NFC')))
  })

  it('takes a megabyte at once', () => {
    for (const unit of ['退', 'a', "a'", "'", 'word ', '\u0301', '𠮷']) {
      const started = performance.now()
      words(unit.repeat(1_000_000 / unit.length))
      expect(performance.now() - started).toBeLessThan(1500)
    }
  })
})

describe('words of a question', () => {
  it.each([
    ['Hello, how do I get a refund for my order? Thanks!', ['refund', 'order']],
    ['請問要怎麼申請退款？', ['申請', '請退', '退款']],
    ['你好，我忘了我的密碼', ['密碼']],
    ['请问如何开发票', ['开发', '发票']],
    ['Where is it?', []],
    ['買？', ['買']],
    ['refund refund REFUNDS', ['refund']],
  ])('%j is about %j', (text, about) => expect(questionWords(text)).toEqual(about))

  it('has at most 64', () => {
    expect(questionWords(Array.from({ length: 500 }, (_, i) => `word${i}`).join(' '))).toHaveLength(64)
  })
})

describe('in FTS5', () => {
  const db = new DatabaseSync(':memory:')
  db.exec('create virtual table docs using fts5(body)')
  const articles = [
    'How to reset a password',
    'Refund policy: refunds are paid within 14 days',
    '退款政策：七天內可以退款',
    '忘記密碼時，請按重設密碼',
    '發票會在出貨後寄出',
    'パスワードを変更する',
    '환불 정책 안내',
    'Größentabelle und Café',
  ]
  articles.forEach((body, i) => {
    db.prepare('insert into docs(rowid, body) values (?, ?)').run(i + 1, words(body).join(' '))
  })
  const find = (query: string) =>
    db
      .prepare('select rowid from docs where docs match ? order by rank')
      .all(matchQuery(questionWords(query)))
      .map(row => row.rowid)

  it.each([
    ['I forgot my passwords', 1],
    ['refund?', 2],
    ['我要退款', 3],
    ['密碼忘了', 4],
    ['請問發票什麼時候寄', 5],
    ['パスワードの変更', 6],
    ['환불', 7],
    ['cafe', 8],
  ])('%j finds the right article first', (query, id) => expect(find(query)[0]).toBe(id))

  it.each([
    '" OR body:"',
    'NEAR(a b)',
    'a AND NOT b',
    'body : x',
    '*',
    '-',
    '"',
    '',
    'x" UNION SELECT',
    '\u0000',
  ])('%j is no query of its own', text => {
    expect(() =>
      db.prepare('select rowid from docs where docs match ?').all(matchQuery(words(text))),
    ).not.toThrow()
    expect(() =>
      db.prepare('select rowid from docs where docs match ?').all(matchQuery([text])),
    ).not.toThrow()
  })

  it('no words find nothing', () => expect(find('')).toEqual([]))
})
