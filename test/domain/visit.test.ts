import { describe, expect, it } from 'vitest'
import {
  type ConversationEvent,
  type ConversationState,
  type Message,
  opened,
  step,
} from '../../src/domain/conversation.ts'
import { unseen } from '../../src/domain/visit.ts'

const AT = 1_000_000
const AFTER = 60_000

/** A chat with one who asked and got an answer `ms` later. */
function asked(goesOn: number | null | 'by the API' = AFTER) {
  const continueAfterMs = goesOn === 'by the API' ? undefined : goesOn
  const messages = new Map<string, Message>()
  let state: ConversationState = opened({
    ...{ siteId: 's', id: 'c', inboxId: 'w', title: '', linkedTo: null, createdAt: AT },
    contact: { id: 'ann', name: 'Ann', address: '' },
  })
  const tell = (event: ConversationEvent, at: number) => {
    const turn = step(state, event, at)
    state = turn.state
    for (const one of turn.messages) messages.set(one.id, one)
    return turn
  }
  const verdict = { class: 'person' as const, mayDraft: true, maySend: true }
  const say = (id: string, at: number) =>
    tell(
      {
        ...{ type: 'message_received', known: null },
        ...(continueAfterMs === undefined ? {} : { continueAfterMs }),
        message: {
          ...{ id, direction: 'incoming', content: 'Hi', createdAt: at },
          sender: { kind: 'contact', id: 'ann', name: 'Ann' },
          details: { verdict: { ...verdict, reasons: [], mayFlow: true } },
        },
        facts: {
          ...{ verdict, old: false, waitedMs: 0, nothingSaid: false, permitted: true, open: true },
          reset: false,
        },
        rules: { mode: 'auto', hasAssistant: true, draftAfterMs: 1, delayMs: 0, closedText: null },
      },
      at,
    )
  const answer = (id: string, at: number) =>
    tell(
      {
        ...{ type: 'answer_made', epoch: state.epoch, ask: `ask:${id}`, draft: false, handsOver: false },
        message: {
          id,
          content: 'Yes',
          createdAt: at,
          sender: { kind: 'assistant', id: 'a', name: 'Ada' },
          details: {},
        },
      },
      at,
    )
  const write = (id: string, at: number) =>
    tell(
      {
        ...{ type: 'message_written', by: { kind: 'person', id: 'p', name: 'Pia' }, known: null },
        message: {
          id,
          content: 'So',
          createdAt: at,
          sender: { kind: 'person', id: 'p', name: 'Pia' },
          details: {},
        },
      },
      at,
    )
  const all = () => [...messages.values()]
  return { say, answer, write, tell, all, state: () => state }
}

describe('the contact of a chat who comes and goes', () => {
  it('CN7 each answer in a chat, a person’s too, owes one look, under one name', () => {
    const chat = asked()
    chat.say('q1', AT)
    const look = { kind: 'continue_by_mail', id: 'continue', afterMs: AFTER, dueAt: AT + 5 + AFTER }
    expect(chat.answer('a1', AT + 5).effects).toEqual([look])
    expect(chat.write('p1', AT + 9).effects).toContainEqual({ ...look, dueAt: AT + 9 + AFTER })
  })

  it('CN7 where the chat does not go on by mail, or its contact came by the API, none is owed', () => {
    for (const off of [null, 'by the API'] as const) {
      const chat = asked(off)
      chat.say('q1', AT)
      expect(chat.answer('a1', AT + 5).effects).toEqual([])
    }
  })

  it('CN2 what was seen, or was answered by the contact, is not missed', () => {
    const chat = asked()
    chat.say('q1', AT)
    chat.answer('a1', AT + 5)
    expect(unseen(chat.state(), chat.all()).map(one => one.id)).toEqual(['a1'])
    chat.say('q2', AT + 10)
    expect(unseen(chat.state(), chat.all())).toEqual([])
    chat.answer('a2', AT + 20)
    chat.tell({ type: 'contact_read' }, AT + 30)
    expect(unseen(chat.state(), chat.all())).toEqual([])
    expect(chat.tell({ type: 'contact_read' }, AT + 40).state.seq).toBe(chat.state().seq)
  })

  it('CN7 what was mailed is not missed any more; who comes back before it leaves gets none', () => {
    const chat = asked()
    chat.say('q1', AT)
    chat.answer('a1', AT + 5)
    const mail = {
      ...{ inboxId: 'm', mailId: 'x', rfcId: '<x@shop>', references: [], partial: false, ours: 'us@shop' },
      replyTo: { name: '', address: 'ann@customer' },
    }
    const event: ConversationEvent = {
      ...{ type: 'continued', since: AT + 5 },
      message: {
        ...{
          id: 'x',
          content: 'You missed',
          createdAt: AT + 100,
          sender: { kind: 'assistant', id: 'a', name: 'Ada' },
        },
        details: { mail, continues: ['a1'], by: { kind: 'program', id: 'w', name: 'Shop' } },
      },
    }
    const turn = chat.tell(event, AT + 100)
    expect(turn.effects).toEqual([{ kind: 'send', id: 'send:x', messageId: 'x' }])
    expect(turn.state.lastMessage?.id, 'nothing new was said').toBe('a1')
    expect(unseen(chat.state(), chat.all())).toEqual([])
    const still = chat.all().find(one => one.id === 'x')!
    expect(step(chat.state(), { type: 'leaving_asked', message: still }, AT + 150).leave).toMatchObject({
      yes: true,
    })
    chat.tell({ type: 'contact_read' }, AT + 200)
    const x = chat.all().find(one => one.id === 'x')!
    expect(chat.tell({ type: 'leaving_asked', message: x }, AT + 201).leave).toMatchObject({ yes: false })
    expect(chat.tell(event, AT + 330).messages, 'nor is it made').toEqual([])
  })

  it('WC7 whom it is with may turn out to be somebody we know, once', () => {
    const chat = asked()
    chat.say('q1', AT)
    const bob = { id: 'bob', name: 'Bob', address: 'bob@customer' }
    const seq = chat.state().seq
    expect(chat.tell({ type: 'contact_known', contact: bob }, AT + 1).state).toMatchObject({
      contact: bob,
      seq: seq + 1,
    })
    expect(chat.tell({ type: 'contact_known', contact: bob }, AT + 2).state.seq).toBe(seq + 1)
  })
})
