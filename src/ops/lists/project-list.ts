import type { ProjectListItem } from '../../../schemas/types';
import type { Catalog } from '../../billing/catalog/catalog';
import { planOf } from '../../billing/invoice/build-invoice';
import { placeProjects } from '../../redis/usage/read-usage';
import { listedProject, readProjectTexts, type ListedProject } from '../../redis/views/projects';
import type { Store } from '../../redis/store';
import { placeAfter, type ProjectNames } from './project-names';

export interface ProjectFilters {
  /** The month of the usage, and whose last day decides the plan. */
  readonly month: string;
  readonly plan?: string | undefined;
  /** `active`: has usage in the month. */
  readonly status?: ProjectListItem['status'] | undefined;
  /** A part of the id or of the name, in any case. */
  readonly search?: string | undefined;
}

export interface ListPlace<P> {
  /** The place of the page before; undefined for the first page. */
  readonly after: P | undefined;
  readonly limit: number;
}

export interface ListPage<T, P> {
  /** At most `limit`, and fewer if the filters leave out most of what was looked at. */
  readonly items: readonly T[];
  /** The place to go on from; undefined at the end. */
  readonly next: P | undefined;
}

const AT_ONCE = 500;
/** A page looks at no more than this, so that a filter which matches nothing costs a second. */
const LOOKED_AT_MAX = 100_000;

/** One page of the installation's projects, ordered by their ids. */
export async function listProjects(
  {
    store,
    catalog,
    names,
  }: { readonly store: Store; readonly catalog: Catalog; readonly names: ProjectNames },
  filters: ProjectFilters,
  { after, limit }: ListPlace<string>,
): Promise<ListPage<ProjectListItem, string>> {
  const all = await names.ofMonth(filters.month);
  const begin = placeAfter(all, after);
  const items: ProjectListItem[] = [];
  for (let from = begin; from < all.length; from += AT_ONCE) {
    if (from - begin >= LOOKED_AT_MAX) return { items, next: all[from - 1] };
    for (const one of await lookAt(store, catalog, all.slice(from, from + AT_ONCE), filters)) {
      items.push(one);
      if (items.length === limit && one.project !== all.at(-1)) return { items, next: one.project };
    }
  }
  return { items, next: undefined };
}

async function lookAt(
  store: Store,
  catalog: Catalog,
  projects: readonly string[],
  { month, plan, status, search }: ProjectFilters,
): Promise<ProjectListItem[]> {
  const texts = await readProjectTexts(store, projects);
  const isSought = searchFor(search);
  const found = projects.flatMap((project, i) => {
    if (!isSought.mayBe(project, texts[i])) return [];
    const document = listedProject(project, texts[i]);
    if (!isSought.is(document)) return [];
    // If its document is damaged, its plan is not known.
    const planThen = document.isUnreadable ? null : planOf({ catalog, month, plans: document.plans });
    return plan === undefined || plan === planThen ? [{ document, plan: planThen }] : [];
  });
  const placed = await placeProjects(
    store,
    month,
    found.map(({ document }) => document.project),
  );
  return found
    .map(({ document, plan }, i): ProjectListItem => ({
      project: document.project,
      name: document.profile?.name ?? null,
      month,
      plan,
      status: placed[i]!.shards.length > 0 ? 'active' : 'idle',
      budget: document.profile?.budget ?? null,
    }))
    .filter((one) => status === undefined || one.status === status);
}

/** Most documents are left out by their text, since parsing them takes most of the time. */
function searchFor(search: string | undefined): {
  mayBe(project: string, text: string | undefined): boolean;
  is(document: ListedProject): boolean;
} {
  if (search === undefined || search === '') return { mayBe: () => true, is: () => true };
  const sought = search.toLowerCase();
  const escaped = JSON.stringify(sought).slice(1, -1);
  const isIn = (text: string | undefined): boolean => text?.toLowerCase().includes(sought) === true;
  return {
    mayBe: (project, text) => isIn(project) || text?.toLowerCase().includes(escaped) === true,
    is: ({ project, profile }) => isIn(project) || isIn(profile?.name),
  };
}
