import { MONTH_PATTERN } from '../../rating/month';

/** What the descriptions of several routes share. The OpenAPI document is made of them. */

export const text = (description: string, more: object = {}): object => ({
  type: 'string',
  description,
  ...more,
});
export const month = text('YYYY-MM in the billing zone; the current month by default.', {
  pattern: MONTH_PATTERN,
});
export const projectParams = {
  type: 'object',
  required: ['project'],
  properties: { project: text('Project id.', { maxLength: 128 }) },
};
export const invoiceParams = {
  type: 'object',
  required: ['project', 'id'],
  properties: {
    ...projectParams.properties,
    id: text('`<project>-<YYYY-MM>`, or `<project>-<YYYY-MM>-CN` for a credit note', { maxLength: 139 }),
  },
};
export const monthQuery = { type: 'object', properties: { month } };

export const json = (description: string, component: string): object => ({
  description,
  content: { 'application/json': { schema: { $ref: `${component}#` } } },
});
export const file = (description: string, mediaType: string): object => ({
  description,
  content: { [mediaType]: { schema: { type: 'string' } } },
});
const problem = (description: string): object => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
});
export const problems = {
  400: problem('A parameter is not valid.'),
  401: problem('The token is missing or not valid.'),
  404: problem('There is no such project, or this token may not see it.'),
  414: problem('The address is longer than 8 KiB.'),
  429: problem('Too many requests. `Retry-After` says when to try again.'),
  431: problem('Address and headers are larger than 16 KiB.'),
  503: problem(
    'Redis or Kafka does not answer, or a month cannot be read. `Retry-After` says when to try again.',
  ),
};
export const forAdmins = {
  ...problems,
  403: problem('This token is for a member, and the resource is for admins.'),
};
export const unchanged = { 304: { description: 'Not modified since the given `ETag`.', type: 'null' } };
