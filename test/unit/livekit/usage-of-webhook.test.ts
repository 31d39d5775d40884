import fc from 'fast-check';
import { DEFAULT_PROJECT_PATTERN } from '../../../src/livekit/project-of-room';
import { rfc3339, usageOfWebhook, type MappingRules } from '../../../src/livekit/usage-of-webhook';
import { expectedUsages, recordedWebhooks } from '../../kit/usage/livekit-webhooks';

const rules: MappingRules = {
  source: '/livekit/example',
  projects: { pattern: DEFAULT_PROJECT_PATTERN, usesMetadata: false, unattributed: 'unattributed' },
  sipVariants: new Map(),
  agentsAre: 'agent',
  connectorsAre: 'connector',
  agentUsageFrom: 'participant',
};

/** A finished connection; overridden field by field. */
const left = (participant: object = {}, webhook: object = {}): Record<string, unknown> => ({
  event: 'participant_left',
  id: 'EV_1',
  createdAt: '1795000090',
  room: { sid: 'RM_1', name: 'acme.standup' },
  participant: {
    sid: 'PA_1',
    identity: 'ana',
    joinedAt: '1795000001',
    joinedAtMs: '1795000001234',
    ...participant,
  },
  ...webhook,
});
const egress = (info: object): Record<string, unknown> => ({
  event: 'egress_ended',
  createdAt: '1795000090',
  egressInfo: { egressId: 'EG_1', roomName: 'acme.x', startedAt: '1795000001500000007', ...info },
});
const usageIn = (
  webhook: Record<string, unknown>,
  own: Partial<MappingRules> = {},
): Record<string, unknown> => {
  const outcome = usageOfWebhook(webhook, { ...rules, ...own });
  if (outcome.kind !== 'usage') throw new Error(`no usage: ${JSON.stringify(outcome)}`);
  return outcome.usage as unknown as Record<string, unknown>;
};

describe('recordings of a real server', () => {
  const expected = expectedUsages();

  test.each([...recordedWebhooks()])('%s comes to its usage events, each once', (name, deliveries) => {
    const usages = new Map<string, unknown>();
    for (const { body } of deliveries) {
      const outcome = usageOfWebhook(JSON.parse(body) as Record<string, unknown>, rules);
      expect(outcome.kind).not.toBe('malformed');
      // The first counts: an end that is said twice is a duplicate.
      if (outcome.kind === 'usage' && !usages.has(outcome.usage.id))
        usages.set(outcome.usage.id, outcome.usage);
    }
    expect([...usages.values()]).toEqual(expected.get(name) ?? []);
  });
});

describe('participants', () => {
  test.each([
    ['STANDARD', { service: 'webrtc' }],
    ['CONNECTOR', { service: 'connector', variant: 'other' }],
    ['BRIDGE', { service: 'webrtc' }],
    ['SIP', { service: 'sip', variant: 'third_party' }],
  ])('a connection of kind %s is a session', (kind, data) => {
    expect(usageIn(left({ kind }))).toMatchObject({
      type: 'usage.session.v1',
      id: 'PA_1',
      subject: 'acme',
      data,
    });
  });

  test.each(['EGRESS', 'INGRESS'])('a participant of kind %s is counted by its own end', (kind) => {
    expect(usageOfWebhook(left({ kind }), rules)).toEqual({ kind: 'no_usage', why: 'counted_elsewhere' });
  });

  test('a kind that is new is left alone and named', () => {
    expect(usageOfWebhook(left({ kind: 'BRAND_NEW' }), rules)).toEqual({
      kind: 'unknown',
      field: 'participant.kind',
      value: 'BRAND_NEW',
    });
  });

  test('an agent is agent time, or WebRTC time where the rules say so', () => {
    expect(usageIn(left({ kind: 'AGENT' }))['type']).toBe('usage.agent.v1');
    expect(usageIn(left({ kind: 'AGENT' }), { agentsAre: 'webrtc' })).toMatchObject({
      type: 'usage.session.v1',
      data: { service: 'webrtc' },
    });
    const cloud = left({ kind: 'AGENT', kindDetails: ['CLOUD_AGENT'] });
    expect(usageIn(cloud, { agentsAre: 'webrtc' })['type']).toBe('usage.agent.v1');
  });

  test.each([
    ['CONNECTOR_WHATSAPP', 'whatsapp'],
    ['CONNECTOR_TWILIO', 'other'],
  ])(
    'a connector with the detail %s is of variant %s, or WebRTC time where the rules say so',
    (detail, variant) => {
      const webhook = left({ kind: 'CONNECTOR', kindDetails: [detail] });
      expect(usageIn(webhook)['data']).toMatchObject({ service: 'connector', variant });
      expect(usageIn(webhook, { connectorsAre: 'webrtc' })['data']).toMatchObject({ service: 'webrtc' });
    },
  );

  test('an agent is counted by its participant or by its job, never by both', () => {
    const job = {
      event: 'agent_job_ended',
      createdAt: '1795000186',
      job: {
        id: 'AJ_1',
        room: { name: 'acme.agent' },
        state: { startedAt: '1795000001000000000', endedAt: '1795000185250000000' },
        enableRecording: true,
      },
    };
    expect(usageOfWebhook(job, rules)).toEqual({ kind: 'no_usage', why: 'counted_elsewhere' });
    expect(usageIn(job, { agentUsageFrom: 'job' })).toMatchObject({
      id: 'AJ_1',
      subject: 'acme',
      data: { recorded: true, endedAt: '2026-11-18T11:09:45.25Z' },
    });
    expect(usageOfWebhook(left({ kind: 'AGENT' }), { ...rules, agentUsageFrom: 'job' })).toEqual({
      kind: 'no_usage',
      why: 'counted_elsewhere',
    });
  });

  test.each(['sip.trunkID', 'sip.trunkPhoneNumber'])('%s decides the variant of a call', (attribute) => {
    const call = left({ kind: 'SIP', attributes: { [attribute]: '+15550100' } });
    expect(usageIn(call, { sipVariants: new Map([['+15550100', 'us_toll_free']]) })).toMatchObject({
      data: { variant: 'us_toll_free' },
    });
  });

  test('an end before the start counts nothing: the server cuts the end to whole seconds', () => {
    const { time, data } = usageIn(left({ joinedAtMs: '1795000090800' }));
    expect(time).toBe('2026-11-18T11:08:10.8Z');
    expect(data).toMatchObject({ startedAt: time, endedAt: time });
  });

  test('seconds are the start where milliseconds are missing', () => {
    expect(usageIn(left({ joinedAtMs: undefined }))['data']).toMatchObject({
      startedAt: '2026-11-18T11:06:41Z',
    });
  });
});

describe('egress', () => {
  test.each([
    [{ track: { trackId: 'TR_1' } }, 'track'],
    [{ roomComposite: { audioOnly: true } }, 'audio_only'],
    [{ roomComposite: {} }, 'video'],
    [{ web: { audioOnly: true } }, 'audio_only'],
    [{ trackComposite: { audioTrackId: 'TR_a' } }, 'audio_only'],
    [{ trackComposite: { audioTrackId: 'TR_a', videoTrackId: 'TR_v' } }, 'video'],
    [{ egress: { template: { audioOnly: true } } }, 'audio_only'],
    [{ egress: { web: {} } }, 'video'],
    [{ egress: { media: { audio: { routes: [] } } } }, 'audio_only'],
    [{ egress: { media: { videoTrackId: 'TR_v' } } }, 'video'],
  ])('%j is %s', (request, variant) => {
    const { data } = usageIn(egress({ endedAt: '1795000071500000000', ...request }));
    expect(data).toMatchObject({ service: 'egress', variant, startedAt: '2026-11-18T11:06:41.500000007Z' });
  });

  test.each([
    ['no end', {}, '2026-11-18T11:08:10Z'],
    ['an end before its start', { endedAt: '1794000000000000000' }, '2026-11-18T11:08:10Z'],
    ["Go's zero time as its end", { endedAt: '-6795364578871345152' }, '2026-11-18T11:08:10Z'],
    ['no end but an update', { updatedAt: '1795000060000000000' }, '2026-11-18T11:07:40Z'],
  ])('%s: the next best time is the end', (_, info, time) => {
    expect(usageIn(egress(info))['time']).toBe(time);
  });

  test('one that never began counts nothing', () => {
    expect(usageOfWebhook(egress({ startedAt: undefined }), rules)).toEqual({
      kind: 'no_usage',
      why: 'never_began',
    });
  });
});

describe('what is wrong is named', () => {
  test.each([
    [{ event: 5 }, 'event', '5'],
    [left({}, { createdAt: 'soon' }), 'createdAt', '"soon"'],
    [left({}, { createdAt: undefined }), 'createdAt', 'missing'],
    [left({ sid: '' }), 'participant.sid', 'missing'],
    [left({ joinedAtMs: -1 }), 'participant.joinedAtMs', '-1'],
    [left({}, { participant: [] }), 'participant', '[]'],
    [left({ joinedAtMs: '253402300800000' }), 'participant.joinedAtMs', '"253402300800000"'],
    [left({}, { createdAt: '999999999999999999' }), 'createdAt', '"999999999999999999"'],
    [egress({ egressId: undefined }), 'egressInfo.egressId', 'missing'],
  ])('%j', (webhook, field, value) => {
    expect(usageOfWebhook(webhook, rules)).toEqual({ kind: 'malformed', field, value });
  });

  test('an event that is new is left alone and named', () => {
    expect(usageOfWebhook({ event: 'room_renamed', createdAt: '1' }, rules)).toEqual({
      kind: 'unknown',
      field: 'event',
      value: 'room_renamed',
    });
  });
});

test('times keep nanoseconds that a double would lose', () => {
  expect(rfc3339(1_795_000_001_123_456_789n)).toBe('2026-11-18T11:06:41.123456789Z');
});

test('no JSON that is signed stops the mapping', () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('9', '999999999999999999', '-1', { sid: 'PA_1' }, { toString: 5 }),
  );
  const message = fc.dictionary(
    fc.constantFrom(
      'sid',
      'kind',
      'joinedAt',
      'egressId',
      'startedAt',
      'endedAt',
      'state',
      'ingressId',
      'id',
    ),
    value,
  );
  const events = ['participant_left', 'egress_ended', 'ingress_ended', 'agent_job_ended', 'room_finished'];
  const webhook = fc.record({
    event: fc.oneof(fc.constantFrom(...events), value),
    createdAt: value,
    room: fc.oneof(message, value),
    participant: fc.oneof(message, value),
    egressInfo: fc.oneof(message, value),
    ingressInfo: fc.oneof(fc.record({ state: message }), message, value),
    job: fc.oneof(fc.record({ state: message, id: fc.constant('AJ_1') }), message, value),
  });
  fc.assert(
    fc.property(webhook, fc.constantFrom('participant' as const, 'job' as const), (given, agentUsageFrom) => {
      usageOfWebhook(given, { ...rules, agentUsageFrom });
    }),
    { numRuns: 2_000 },
  );
});
