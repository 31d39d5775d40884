import { nodeBytesIn } from '../../../../src/livekit/transfer/node-bytes';

const line = (direction: string, value: string, more = ''): string =>
  `livekit_packet_bytes{country="",direction="${direction}",node_id="ND_1",node_type="SERVER",transmission="initial"${more}} ${value}`;

/** The lines are those of a real livekit-server. */
const PAGE = [
  '# TYPE livekit_packet_bytes counter',
  'livekit_packet_bytes{country="",direction="incoming",node_id="ND_aef89iDNzvmb",node_type="SERVER",transmission="initial"} 5.443921e+06',
  'livekit_packet_bytes{country="",direction="outgoing",node_id="ND_aef89iDNzvmb",node_type="SERVER",transmission="initial"} 1.190819e+06',
  'livekit_packet_bytes{country="",direction="outgoing",node_id="ND_aef89iDNzvmb",node_type="SERVER",transmission="retransmit"} 81',
  'livekit_packet_total{direction="outgoing",node_id="ND_aef89iDNzvmb"} 17',
].join('\n');

test('the page of a real server: all that left it is downstream, what was sent again included', () => {
  expect(nodeBytesIn(PAGE)).toEqual({
    node: 'ND_aef89iDNzvmb',
    downstream: 1_190_900n,
    upstream: 5_443_921n,
  });
});

test('a node that has transferred nothing yet has no counters', () => {
  expect(nodeBytesIn('livekit_node_messages{node_id="ND_1"} 782\n')).toBeUndefined();
});

test.each([
  ['0', 0n],
  ['7', 7n],
  ['9.007199254740991e+15', 9_007_199_254_740_991n],
  ['1.5e+03', 1_500n],
  ['12000.0', 12_000n],
])('%s bytes', (text, bytes) => {
  expect(nodeBytesIn(line('outgoing', text))).toMatchObject({ downstream: bytes, upstream: 0n });
});

test.each(['NaN', '+Inf', '-1', '', '1e400'])('"%s" is not a number of bytes', (text) => {
  expect(() => nodeBytesIn(line('outgoing', text === '' ? '""' : text))).toThrow('must be a number of bytes');
});

test('a page of two nodes is refused: whose bytes would they be?', () => {
  const two = `${line('outgoing', '1')}\n${line('outgoing', '1').replace('ND_1', 'ND_2')}`;
  expect(() => nodeBytesIn(two)).toThrow('must name one node');
});
