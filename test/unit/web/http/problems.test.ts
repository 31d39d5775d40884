import { TallymanError } from '../../../../src/lib/errors';
import { problemDocument, problemOfError } from '../../../../src/web/http/problems';

test.each([
  ['REDIS_WENT_BACK', 'The totals have just been rebuilt. Try again.'],
  ['REBUILD_UNFINISHED', 'The totals are being rebuilt. They are shown again when the rebuild has ended.'],
  ['REDIS_UNAVAILABLE', 'Redis does not answer.'],
] as const)('%s is answered with 503 and its own text', (code, detail) => {
  const problem = problemOfError(new TallymanError(code, 'secret'));
  expect(problemDocument(problem)).toMatchObject({ status: 503, code: 'STORE_UNAVAILABLE', detail });
});
