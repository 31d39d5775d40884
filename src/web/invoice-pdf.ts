import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Invoice } from '../billing/invoice';
import type { WebDependencies } from './dependencies';
import { ProblemError } from './problems';

export function sendInvoicePdf(
  _web: WebDependencies,
  _request: FastifyRequest,
  _reply: FastifyReply,
  _id: string,
  _invoice: Invoice,
): Promise<FastifyReply> {
  throw new ProblemError('NOT_IMPLEMENTED', 'Invoices cannot be had as PDF yet: use the CSV.');
}
