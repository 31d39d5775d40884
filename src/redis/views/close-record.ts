/** The record of a close, in `billing.closes` under its month: all that a repeat needs to end the same. */
export interface CloseRecord {
  readonly month: string;
  /** When the month was first closed, ISO 8601 in UTC. Invoices of its first run carry it as `issuedAt`, so that a repeat gives the same bytes. */
  readonly closedAt: string;
  /** shard -> topic -> the offset after the last event that counts as in time. */
  readonly cursors: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** topic -> the id of the topic that these offsets belong to; where the cluster has ids. */
  readonly topicIds?: Readonly<Record<string, string>>;
  /**
   * A run came to its end: whoever could be invoiced is, and what is left are drafts and held projects. They are dated when
   * they are issued. Absent while the first run is not through, and once nothing is left.
   */
  readonly issued?: true;
  /** All its invoices are issued: none was a draft, and the close was not killed before its end. Absent until then. */
  readonly completed?: true;
}
