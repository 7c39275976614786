import { describe, expect, it } from 'vitest'
import { type ConversationState, type Message, opened, step } from '../../src/domain/conversation.ts'
import { happenedIn } from '../../src/domain/occurrences.ts'
import type { ConversationChange } from '../../src/domain/status.ts'

const AT = 1_000_000

function state(about: Partial<ConversationState> = {}): ConversationState {
  const opening = {
    ...{ siteId: 's', id: 'c', inboxId: 'i', title: 'Hello', linkedTo: null, createdAt: 1 },
    contact: { id: 'p', name: 'Alice', address: '' },
  }
  return { ...opened(opening), seq: 3, ...about }
}

const changed = (before: ConversationState, change: ConversationChange, living: Message[] = []) =>
  step(before, { type: 'conversation_changed', change, living }, AT)

function draft(about: Partial<Message['details']> = {}): Message {
  return {
    ...{ id: 'd', position: 1, seq: 2, direction: 'outgoing', content: 'Hi', epoch: 1, createdAt: 2 },
    sender: { kind: 'assistant', id: 'a', name: 'Ada' },
    delivery: { status: 'draft', problem: null, at: 2 },
    details: about,
  }
}

const said = (before: ConversationState, content = 'How?') =>
  step(
    before,
    {
      type: 'message_received',
      known: null,
      message: {
        ...{ id: 'm', direction: 'incoming', content, createdAt: AT, details: {} },
        sender: { kind: 'contact', id: 'p', name: 'Alice' },
      },
      facts: {
        verdict: { class: 'person', mayDraft: true, maySend: true },
        ...{ old: false, waitedMs: 0, nothingSaid: false, permitted: true, open: true, reset: false },
      },
      rules: { mode: 'auto', hasAssistant: true, draftAfterMs: 1, delayMs: 0, closedText: null },
    },
    AT,
  )

describe('status', () => {
  it('CS1 fields change together in one turn, and what is not named stays', () => {
    const before = state({ priority: 'high' })
    const { state: after, effects } = changed(before, { title: 'Refund', labels: ['vip'], assignee: 'ann' })
    expect(after).toEqual({ ...before, title: 'Refund', labels: ['vip'], assignee: 'ann', seq: 4 })
    expect(effects).toEqual([])
  })

  it('CS1 what is as it is changes nothing, said by an older conversation too', () => {
    const before = state()
    for (const change of [
      { title: 'Hello' },
      { status: 'open' as const },
      { assignee: null, priority: null, labels: [] },
      { owner: 'assistant' as const, read: true },
    ])
      expect(changed(before, change).state, JSON.stringify(change)).toBe(before)
  })

  it('CS1 reading counts to nothing, and unread to at least one', () => {
    expect(changed(state({ unread: 3 }), { read: true }).state).toMatchObject({ unread: 0, lastReadAt: AT })
    expect(changed(state(), { read: false }).state.unread).toBe(1)
    expect(changed(state({ unread: 2 }), { read: false }).state.unread).toBe(2)
  })

  it('CS2 closing calls back the answer on its way, and the drafts nobody worked on', () => {
    const before = state({ pending: { messageId: 'x', epoch: 1 } })
    const turn = changed(before, { status: 'closed' }, [draft(), { ...draft({ edited: true }), id: 'e' }])
    expect(turn.state).toMatchObject({ status: 'closed', epoch: 2, pending: null, seq: 5 })
    expect(turn.effects).toMatchObject([{ kind: 'withdraw', messageId: 'x', why: 'closed' }])
    expect(turn.messages.map(one => [one.id, one.delivery!.status])).toEqual([['d', 'discarded']])
  })

  it('CS2 switching automatic answers off calls back what is on its way', () => {
    const before = state({ pending: { messageId: 'x', epoch: 1 } })
    const turn = changed(before, { autoReplyEnabled: false })
    expect(turn.effects).toMatchObject([{ kind: 'withdraw', why: 'auto_reply_disabled' }])
    expect(changed(turn.state, { autoReplyEnabled: true }).effects).toEqual([])
  })

  it('CS3 a snooze ends at its time, and not where another was set meanwhile', () => {
    const first = changed(state(), { status: 'snoozed', snoozedUntil: AT + 10 })
    expect(first.effects).toEqual([
      { kind: 'unsnooze', id: `unsnooze:${AT + 10}`, until: AT + 10, dueAt: AT + 10 },
    ])
    const again = changed(first.state, { status: 'snoozed', snoozedUntil: AT + 20 }).state
    expect(step(again, { type: 'snooze_over', until: AT + 10 }, AT + 10).state).toBe(again)
    expect(step(again, { type: 'snooze_over', until: AT + 20 }, AT + 20).state).toMatchObject({
      status: 'open',
      snoozedUntil: null,
    })
  })

  it('CS3 SA6 what the contact says opens it again, however it was left', () => {
    for (const status of ['closed', 'snoozed'] as const) {
      const { state: after } = said(state({ status, snoozedUntil: AT + 1 }))
      expect(after).toMatchObject({ status: 'open', snoozedUntil: null, unread: 1 })
    }
  })

  it('SA4 an answer without a mail is sent in the turn it is made, and announces a person in it', () => {
    const asked = said(state())
    const ask = asked.effects[0]!
    const made = step(
      asked.state,
      {
        type: 'answer_made',
        ...{ epoch: asked.state.epoch, ask: ask.id, draft: false, handsOver: true },
        message: {
          ...{ id: 'a', content: 'Wait', createdAt: AT, details: { answers: ['m'] } },
          sender: { kind: 'assistant', id: 'x', name: 'Ada' },
        },
      },
      AT,
    )
    expect(made.messages.at(-1)!.delivery).toEqual({ status: 'sent', problem: null, at: AT })
    expect(made.effects).toEqual([])
    expect(made.state).toMatchObject({ owner: 'person', pending: null, handsOver: null })
  })

  it('SA6 to a closed conversation nothing is written, and no draft is approved', () => {
    const before = state({ status: 'closed' })
    const by = { kind: 'person' as const, id: 'ann', name: 'Ann' }
    const message = {
      ...{ id: 'w', content: 'Hi', createdAt: AT, details: {} },
      sender: { kind: 'person' as const, id: 'ann', name: 'Ann' },
    }
    expect(step(before, { type: 'message_written', by, known: null, message }, AT).refused!.code).toBe(
      'conversation_closed',
    )
    expect(
      step(before, { type: 'draft_approved', draft: draft(), by, reread: false, newest: null }, AT).refused!
        .code,
    ).toBe('conversation_closed')
  })

  it('SA7 what a person wrote is held, and taken back until its time is up', () => {
    const by = { kind: 'person' as const, id: 'ann', name: 'Ann' }
    const message = {
      ...{ id: 'w', content: 'Hi', createdAt: AT, details: {} },
      sender: { kind: 'person' as const, id: 'ann', name: 'Ann' },
    }
    const written = step(state(), { type: 'message_written', by, known: null, message, holdMs: 10 }, AT)
    expect(written.effects).toEqual([{ kind: 'send', id: 'send:w', messageId: 'w', dueAt: AT + 10 }])
    const held = written.messages[0]!
    const undone = step(written.state, { type: 'undone', message: held }, AT + 9)
    expect(undone.messages[0]!.delivery).toMatchObject({ status: 'withdrawn', problem: { code: 'undone' } })
    expect(step(written.state, { type: 'undone', message: held }, AT + 10).refused!.code).toBe('too_late')
    // Asked again, it is as it was: the answer may have been lost on its way.
    const again = step(undone.state, { type: 'undone', message: undone.messages[0]! }, AT + 20)
    expect(again).toEqual({ state: undone.state, messages: [], effects: [] })
  })
})

describe('what happened', () => {
  const types = (before: ConversationState | null, turn: ReturnType<typeof step>, known: Message[] = []) =>
    happenedIn(before, turn, new Map(known.map(one => [one.id, one]))).map(one => one.type)

  it('TO1 M10 a conversation begins, and a message is created once', () => {
    const turn = said({ ...state(), seq: 0 })
    expect(types(null, turn)).toEqual(['conversation.created', 'message.created'])
    expect(types(state(), said(state()))).toEqual(['message.created'])
  })

  it('TO1 a message changes, and is delivered', () => {
    const now = draft()
    const sent: Message = { ...now, seq: 9, delivery: { status: 'sent', problem: null, at: AT } }
    const turn = (message: Message) => ({ state: state(), messages: [message], effects: [] })
    expect(types(state(), turn(sent), [now])).toEqual(['delivery.sent'])
    expect(types(state(), turn({ ...now, content: 'Hello' }), [now])).toEqual(['message.updated'])
    expect(types(state(), turn({ ...now, position: 8, seq: 9 }), [now])).toEqual([])
    expect(types(state(), turn(sent))).toEqual(['message.created', 'delivery.sent'])
  })

  it('TO2 what was imported is no news, and what came by a merge is not created again', () => {
    const turn = (details: Message['details']) => ({
      ...{ state: state(), effects: [] },
      messages: [draft(details)],
    })
    expect(types(state(), turn({ imported: true }))).toEqual([])
    expect(types(state(), turn({ from: { id: 'other', seq: 1 } }))).toEqual(['message.updated'])
  })

  it('TO1 status, owner and the rest each say what they are', () => {
    const now = state()
    const became = (about: Partial<ConversationState>) => ({ state: state(about), messages: [], effects: [] })
    expect(types(now, became({ status: 'closed' }))).toEqual(['conversation.closed'])
    expect(types(state({ status: 'snoozed' }), became({}))).toEqual(['conversation.reopened'])
    expect(types(now, became({ owner: 'person' }))).toEqual(['handoff.started'])
    expect(types(now, became({ labels: ['x'] }))).toEqual(['conversation.updated'])
    expect(types(now, became({ seq: 99, epoch: 7 }))).toEqual([])
  })
})
