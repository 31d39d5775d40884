import { installation, kcat, needKcat } from '../../../kit/tallyman';

beforeAll(needKcat);

const time = new Date(Date.now() - 60_000).toISOString();
const month = time.slice(0, 7);

test('kcat feeds it with every codec, keys and headers', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '3');
  const codecs = ['none', 'snappy', 'lz4', 'zstd', 'gzip'];
  for (const codec of codecs) {
    const lines = Array.from({ length: 200 }, (_, number) => {
      const event = {
        specversion: '1.0',
        id: `${codec}-${number}`,
        source: '/kcat',
        type: 'usage.session.v1',
        subject: `project-${number % 4}`,
        time,
        data: { service: 'sip', durationMs: String(number * 1_000) },
      };
      return `${event.subject}|${JSON.stringify(event)}`;
    });
    const compression = codec === 'none' ? [] : ['-z', codec];
    kcat(['-t', `${tallyman.prefix}.usage.session`, '-K', '|', ...compression], lines.join('\n'));

    // Binary mode: attributes in headers, the value is the data.
    const headers = {
      ce_specversion: '1.0',
      ce_id: `${codec}-down`,
      ce_source: '/kcat',
      ce_type: 'usage.transfer.v1',
      ce_subject: 'project-0',
      ce_time: time,
    };
    const given = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}=${value}`]);
    const data = JSON.stringify({ service: 'sip', direction: 'downstream', bytes: 10_000_001 });
    kcat(
      ['-t', `${tallyman.prefix}.usage.transfer`, '-K', '|', ...compression, ...given],
      `project-0|${data}`,
    );
  }
  await tallyman.ok('consume', '--until-caught-up');

  for (let project = 0; project < 4; project += 1) {
    let minutes = 0;
    for (let number = project; number < 200; number += 4) minutes += Math.ceil(number / 60);
    const { totals } = await tallyman.json<{ totals: Record<string, string> }>(
      'totals',
      `project-${project}`,
      '--month',
      month,
    );
    expect(totals).toEqual({
      'session.sip.third_party': String(minutes * 60 * codecs.length),
      ...(project === 0 && { 'transfer.downstream': String(20_000_000 * codecs.length) }),
    });
  }
});
