/**
 * The rules that find the project of a webhook. They are checked in this order, and the first that
 * names a project decides.
 */
export interface ProjectRules {
  /** One project for all rooms, for a deployment with one tenant. */
  readonly fixed?: string;
  /** For room names that do not contain the project: name -> project. */
  readonly names?: ReadonlyMap<string, string>;
  /** Its first group is the project. */
  readonly pattern: RegExp;
  /**
   * Whether `{"project": ...}` in a room's metadata counts. Track, egress and ingress webhooks
   * carry no metadata.
   */
  readonly usesMetadata: boolean;
  /** The project of usage that no rule claims, so that unbilled usage is visible. */
  readonly unattributed: string;
}

/** `acme.standup`, `acme:standup` and `acme/standup` belong to `acme`. */
export const DEFAULT_PROJECT_PATTERN = /^([A-Za-z0-9_-]+)[.:/]/;
const PROJECT = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/;

/**
 * The project of a room; `rules.unattributed` if no rule names one, as for a web egress, which has
 * no room.
 */
export function projectOfRoom(
  rules: ProjectRules,
  roomName: string | undefined,
  roomMetadata: string | undefined,
): string {
  const found =
    rules.fixed ??
    (roomName === undefined ? undefined : rules.names?.get(roomName)) ??
    (roomName === undefined ? undefined : rules.pattern.exec(roomName)?.[1]) ??
    (rules.usesMetadata ? projectInMetadata(roomMetadata) : undefined);
  return found !== undefined && PROJECT.test(found) ? found : rules.unattributed;
}

function projectInMetadata(metadata: string | undefined): string | undefined {
  if (!metadata) return undefined;
  try {
    const value: unknown = JSON.parse(metadata);
    if (typeof value !== 'object' || value === null || !('project' in value)) return undefined;
    return typeof value.project === 'string' ? value.project : undefined;
  } catch {
    return undefined; // Metadata is any text of the tenant, so it need not be JSON.
  }
}
