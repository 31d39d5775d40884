import { lineGroups } from '../../../src/pdf/line-groups';
import { workedInvoice } from '../../kit/sample-invoices';

test('every line stands under one heading, in the order of the page', () => {
  const { lines } = workedInvoice();
  const groups = lineGroups(lines);
  expect(groups.map(({ title }) => title)).toEqual([
    'Plan',
    'Agents',
    'Realtime',
    'Telephony',
    'Recording and streaming',
    'Inference',
    'Late usage of earlier months',
    'Credits',
    'Tax',
  ]);
  const placed = groups.flatMap((group) => group.lines);
  expect(placed).toHaveLength(lines.length);
  expect(new Set(placed)).toEqual(new Set(lines));
});

test('a meter that nobody knows is shown all the same', () => {
  const line = { ...workedInvoice().lines[1]!, meter: 'a.new.meter' };
  expect(lineGroups([line])).toEqual([{ title: 'Other usage', lines: [line] }]);
});
