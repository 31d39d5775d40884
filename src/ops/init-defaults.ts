/** How `init` creates topics without options. */
export const INIT_DEFAULTS = { partitions: 12, retentionDays: 100 } as const;
