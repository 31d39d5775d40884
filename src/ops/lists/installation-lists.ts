import type { InvoiceListItem, ProjectListItem } from '../../../schemas/types';
import { readWhole } from '../../redis/rebuilding';
import { listInvoices, type InvoiceFilters, type InvoicePlace, type InvoiceSources } from './invoice-list';
import { listProjects, type ListPage, type ListPlace, type ProjectFilters } from './project-list';
import { createProjectNames } from './project-names';

/** Projects and invoices of the whole installation, page by page. */
export interface InstallationLists {
  projects(filters: ProjectFilters, place: ListPlace<string>): Promise<ListPage<ProjectListItem, string>>;
  invoices(
    filters: InvoiceFilters,
    place: ListPlace<InvoicePlace>,
  ): Promise<ListPage<InvoiceListItem, InvoicePlace>>;
}

export function createInstallationLists(sources: Omit<InvoiceSources, 'names'>): InstallationLists {
  const own = { ...sources, names: createProjectNames(sources.store) };
  return {
    projects: (filters, place) => readWhole(own.store, () => listProjects(own, filters, place)),
    invoices: (filters, place) => readWhole(own.store, () => listInvoices(own, filters, place)),
  };
}
