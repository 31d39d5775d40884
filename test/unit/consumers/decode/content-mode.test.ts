import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { consumerNamed } from '../../../../consumers';
import { decodeEvent } from '../../../../consumers/decode/decode-event';
import { dataOf } from '../../../../consumers/decode/decode-event';
import {
  decode,
  event,
  LIMITS,
  messageOf,
  reasonOf,
  TIME,
  type Fields,
} from '../../../kit/usage/usage-events';

const data = { service: 'sip', durationMs: 61_000 };
const ceHeaders = {
  ce_specversion: '1.0',
  ce_id: 'PA_1',
  ce_source: '/sfu',
  ce_type: 'usage.session.v1',
  ce_subject: 'acme',
  ce_time: TIME,
};
const utf8 = (text: string): Buffer => Buffer.from(text);

/**
 * Which of the two readings a record with these headers is given: one value is a whole event, the
 * other only data.
 */
function modeOf(headers: Fields): string {
  const more = { headers: headers as Record<string, string> };
  const asStructured = reasonOf(decode(event({}, data), more));
  const asBinary = reasonOf(decode(data, more));
  return asStructured === 'ok' ? 'structured' : asBinary === 'ok' ? 'binary' : `${asStructured} ${asBinary}`;
}

test.each<[string, Fields, string]>([
  ['nothing', {}, 'structured'],
  ['only the content type', { 'content-type': utf8('application/cloudevents+json') }, 'structured'],
  ['only ce_ headers', ceHeaders, 'binary'],
  ['ce_ headers and the content type', { ...ceHeaders, 'content-type': 'application/cloudevents+json' }, 'structured'],
  ['as bytes', { ...ceHeaders, 'content-type': utf8('application/cloudevents+json') }, 'structured'],
  ['with parameters', { ...ceHeaders, 'content-type': 'application/cloudevents+json; charset=UTF-8; a="b;c"' }, 'structured'],
  ['with a parameter and no blank', { ...ceHeaders, 'content-type': 'application/cloudevents+json;charset=utf-8' }, 'structured'],
  ['with blanks', { ...ceHeaders, 'content-type': ' application/cloudevents+json ;x=y' }, 'structured'],
  ['in other letters', { ...ceHeaders, 'content-type': 'Application/CloudEvents+JSON' }, 'structured'],
  ["under HTTP's name", { ...ceHeaders, 'Content-Type': 'application/cloudevents+json' }, 'structured'],
  ['given twice: the last counts', { ...ceHeaders, 'content-type': [utf8('application/json'), utf8('application/cloudevents+json')] }, 'structured'],
  ['given twice: the first does not', { ...ceHeaders, 'content-type': ['application/cloudevents+json', 'application/json'] }, 'binary'],
  ['another type', { ...ceHeaders, 'content-type': 'application/json' }, 'binary'],
  ['a type that only begins so', { ...ceHeaders, 'content-type': 'application/cloudevents+jsonp' }, 'binary'],
  ['another format', { ...ceHeaders, 'content-type': 'application/cloudevents+avro' }, 'binary'],
  ['an empty one', { ...ceHeaders, 'content-type': '' }, 'binary'],
  ['one without a value', { ...ceHeaders, 'content-type': null }, 'binary'],
  ['one that is not UTF-8', { ...ceHeaders, 'content-type': Buffer.from([0xff]) }, 'binary'],
  ['another type alone', { 'content-type': 'application/json' }, 'structured'],
  ['ce_ headers without a version', { ...ceHeaders, ce_specversion: undefined }, 'structured'],
  ['a wrong version under the content type', { ce_specversion: '7', 'content-type': 'application/cloudevents+json' }, 'structured'],
])('%s', (_, headers, mode) => {
  expect(modeOf(headers)).toBe(mode);
}); // prettier-ignore

test.each([
  'application/cloudevents-batch+json',
  'application/cloudevents-batch+json; charset=utf-8',
  'APPLICATION/cloudevents-BATCH+json',
])('a batch in one record is refused by name: %s', (contentType) => {
  for (const value of [[event()], event(), data]) {
    for (const others of [{}, ceHeaders]) {
      expect(decode(value, { headers: { ...others, 'content-type': contentType } })).toMatchObject({
        reason: 'schema_violation',
        detail:
          'content-type is "application/cloudevents-batch+json" and must be of one event: publish each as a record of its own',
      });
    }
  }
  expect(reasonOf(decode('[', { headers: { 'content-type': contentType } }))).toBe('malformed_json');
});

test('the data are read in the mode that the event was', () => {
  const { value } = messageOf(event({}, data));
  const headers = { ...ceHeaders, 'content-type': 'application/cloudevents+json' };
  expect(dataOf({ value, headers })).toEqual(data);
  expect(dataOf({ value: messageOf(data).value, headers: ceHeaders })).toEqual(data);
});

test('records as other programs wrote them', () => {
  const file = join(__dirname, '../../../kit/fixtures/structured-with-ce-headers.records.json');
  const records = JSON.parse(readFileSync(file, 'utf8')) as {
    headers: Record<string, string>;
    value: Fields;
  }[];
  for (const { headers, value } of records) {
    const timestampMs = Date.parse(String(value['time']));
    const message = messageOf(value, { headers, timestampMs });
    expect(decodeEvent(consumerNamed('session'), message, LIMITS)).toMatchObject({ ok: true, id: 'c1' });
  }
});
