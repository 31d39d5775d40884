import { sliceFinder } from '../../../src/pdf/font-slices';
import { textRuns } from '../../../src/pdf/text-runs';

const runsOf = (line: string): string[] => textRuns(line, sliceFinder(line)).map(({ text }) => text);
const familiesOf = (text: string): (string | undefined)[] =>
  Array.from(text, (character) => sliceFinder(text)(character)?.family);

test('a line in one script is one run', () => {
  expect(runsOf('WebRTC participants')).toEqual(['WebRTC participants']);
});

test('right-to-left words stand from right to left, brackets between them turned', () => {
  expect(runsOf('a שלום (עולם) b')).toEqual([
    'a ',
    '(',
    'עולם',
    ' )'.split('').reverse().join(''),
    'שלום',
    ' b',
  ]);
});

test('a number within right-to-left words is not turned round', () => {
  expect(runsOf('שלום 123 עולם')).toEqual(['עולם', ' ', '123', ' ', 'שלום']);
});

test('kana makes Han Japanese, hangul Korean; else it is Chinese', () => {
  expect(familiesOf('東テ')).toEqual(['noto-sans-jp', 'noto-sans-jp']);
  expect(familiesOf('東한')).toEqual(['noto-sans-kr', 'noto-sans-kr']);
  expect(familiesOf('東')).toEqual(['noto-sans-sc']);
});

test('what no family holds is shown as such', () => {
  expect(runsOf('a\u{10ffff}b')).toEqual(['a\ufffdb']);
});
