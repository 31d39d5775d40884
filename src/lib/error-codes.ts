/** How a command ends that meets an error; 0 is success. */
export const EXIT = { failed: 1, usage: 2, refused: 3 } as const;

interface CodeEntry {
  readonly exit: (typeof EXIT)[keyof typeof EXIT];
  /** What happened, in one plain sentence. */
  readonly meaning: string;
  /** What to do about it, with the command to type. */
  readonly remedy: string;
}

const failed = (meaning: string, remedy: string): CodeEntry => ({ exit: EXIT.failed, meaning, remedy });
const usage = (meaning: string, remedy: string): CodeEntry => ({ exit: EXIT.usage, meaning, remedy });
const refused = (meaning: string, remedy: string): CodeEntry => ({ exit: EXIT.refused, meaning, remedy });

/**
 * Every code that a command can end with. `docs/errors.md` is made of this table (`npm run
 * docs:errors`). Scripts and alerts rely on the codes, so a code never changes its meaning.
 */
export const ERRORS = {
  // The command line, the environment and files
  AUTH_SECRET_MISSING: usage(
    'TALLYMAN_AUTH_SECRET is not set.',
    'Set it to 32 random bytes or more, e.g. from `openssl rand -hex 32`.',
  ),
  BAD_ARGUMENTS: usage(
    'The arguments do not name what to show, or contradict each other.',
    'Name a project, or write `--all`. Use `--json` or `--output`, not both.',
  ),
  BAD_CATALOG: usage(
    'The catalog is not valid. The message lists every problem.',
    'Correct the file that TALLYMAN_CATALOG names, then run `tallyman catalog check FILE`.',
  ),
  BAD_CONFIG: usage(
    'The environment is not valid. The message lists every problem.',
    'Correct the variables that the message names.',
  ),
  BAD_EVENTS: failed(
    '`tallyman publish --check` found events that the consumers would refuse. Nothing was published.',
    'Correct the lines that the message names.',
  ),
  BAD_LINE: failed(
    'A line of the input is not a usage event of a known type.',
    'Correct the line that the message names, and publish from it on.',
  ),
  BAD_LIVEKIT_MAPPING: usage(
    'The LiveKit mapping is not valid. The message lists every problem.',
    'Correct the file that TALLYMAN_LIVEKIT_MAPPING names.',
  ),
  BAD_PREFIX: usage('The prefix contains braces.', 'Set TALLYMAN_PREFIX to a name without braces.'),
  BAD_PROJECT: failed('The project is not valid.', 'Correct the values that the message names.'),
  BAD_PROJECTS: failed(
    'The file of projects is not valid. Nothing was imported.',
    'Correct the lines that the message names, then run `tallyman projects import FILE` again.',
  ),
  BAD_SELLER: usage(
    'The file of the seller is not valid. The message lists every problem.',
    'Correct the file that TALLYMAN_SELLER names.',
  ),
  BAD_SPOOL: usage(
    'The folder that TALLYMAN_SPOOL names cannot be used: it cannot be written, or holds webhooks for another topic.',
    'Name a folder that the bridge may write to. Give each installation a folder of its own.',
  ),
  BAD_TOKEN: usage(
    'The role of the token is missing or does not go with its projects, or there is no such token to revoke.',
    'Name no project for the role `ops`, and at least one for the role `admin` or `member`.',
  ),
  FILE_UNUSABLE: failed(
    'A file cannot be read or written.',
    'Check its path, its permissions and the free space.',
  ),
  FONT_MISSING: failed(
    'A PDF needs a font that is not installed.',
    'Run the `npm install` that the message names, or install Tallyman without `--omit=optional`.',
  ),
  HEALTH_PORT_TAKEN: usage(
    'Tallyman cannot listen on the port of the health checks.',
    'Set TALLYMAN_HEALTH_PORT to a free port.',
  ),
  MONTH_WITH_FOLLOW: usage(
    '`tallyman verify --follow` compares all months, and the command names one.',
    'Leave the month out.',
  ),
  NEEDS_FOLLOW: usage('`--once` was given without `--follow`.', 'Run `tallyman verify --follow --once`.'),
  NOT_HEALTHY: failed(
    'The process that `tallyman healthcheck` asked does not work, or is not ready.',
    'Read its log. The message names the address that was asked and what it answered.',
  ),
  NO_FILE: usage('A file cannot be read.', 'Check its path and its permissions.'),
  NO_LIVEKIT_KEYS: usage(
    'The key that LiveKit signs its webhooks with is not set.',
    'Set LIVEKIT_API_KEY and LIVEKIT_API_SECRET.',
  ),
  NO_PLAN: usage(
    'The catalog has no such plan on that day.',
    'Run `tallyman catalog show` to see the plans that are in force.',
  ),
  NO_SCRATCH_SPACE: usage(
    'A recount cannot create its directory for scratch files.',
    'Set TMPDIR to a directory that can be written.',
  ),
  NO_USAGE_LINE: usage(
    'The invoice has no such line, or there are no events behind it.',
    'Run `tallyman invoices show INVOICE` to see its lines.',
  ),
  PORT_TAKEN: failed('Tallyman cannot listen on the port.', 'Set TALLYMAN_PORT to a free port.'),
  STATE_TAKEN: usage(
    'Another process uses this state directory.',
    'Give each `tallyman verify --follow` its own directory with `--state`.',
  ),
  STATE_UNUSABLE: usage(
    'The state directory cannot be used.',
    'Name a directory that can be written with `--state`.',
  ),
  WHICH_INVOICE: usage(
    'The command names neither an invoice nor a month.',
    'Name an invoice, or all invoices of a month with `--month`.',
  ),

  // What is asked for does not exist
  NO_DEAD_LETTER: failed(
    'There is no dead letter at that place.',
    'Run `tallyman dead-letters list` to see the places.',
  ),
  NO_INVOICE: failed('There is no such invoice.', 'Run `tallyman invoices list` to see the invoices.'),
  NO_PROJECT: failed(
    'The project was never set. Its usage is billed on the default plan.',
    'Run `tallyman projects set PROJECT --plan PLAN` to give it a plan.',
  ),

  // Closing a month
  CANNOT_RECOUNT: refused(
    'Retention has removed a part of the month, so the close cannot recount it.',
    'Keep usage topics for longer. To close this month without a recount, run `tallyman close` without `--verify`.',
  ),
  CLOCK_SKEW: refused(
    'The clocks of this machine, Kafka and Redis differ. Nothing was closed.',
    'Set the wrong clock (NTP), then run `tallyman close` again.',
  ),
  CLOSED_MONTH_EDIT: refused(
    'The change would alter a closed month. Nothing was changed.',
    'Date the change into an open month with `--from`.',
  ),
  CLOSE_FENCED: failed(
    'Another close has taken over. This one issues nothing more.',
    'Wait until the other close has ended, then run `tallyman close` to issue what is left.',
  ),
  EARLIER_MONTH_OPEN: refused(
    'An earlier month is still open.',
    'Close the earlier month first: `tallyman close` without a month closes every month that is due.',
  ),
  FROZEN_TOO_EARLY: refused(
    'A month that is not over is frozen in Redis.',
    'Stop the consumers, then run `tallyman rebuild --empty`.',
  ),
  LATER_MONTH_FROZEN: refused(
    'A later month is frozen already, and months are frozen in order.',
    'Close the later month. This usage is billed as late usage.',
  ),
  LEDGER_REFUSED: failed(
    'Kafka does not accept records for a ledger. Nothing was frozen.',
    "Run `tallyman close` again. If that fails too, check the brokers and this user's rights to write.",
  ),
  MONTH_NOT_OVER: refused(
    'The month or its grace period is not over.',
    'Close it later. `tallyman close --now ISO` uses another clock; with `--dry-run` it issues nothing.',
  ),
  MONTH_PASSED: refused(
    'The month is before the latest closed month.',
    'Nothing is to be done: its usage is billed as late usage of an open month.',
  ),
  MONTH_UNFINISHED: refused(
    'The close of an earlier month was interrupted.',
    'Run `tallyman close` with the month that the message names. It continues where it stopped.',
  ),
  BAD_AMOUNT: failed(
    'A credit has more digits than the currency.',
    'Correct the credit with `tallyman projects import`, then close again.',
  ),
  CURRENCY_MISMATCH: failed(
    'The currency of the project, or of its last invoice, is not that of the catalog.',
    'Correct the project with `tallyman projects import`, or name the right file in TALLYMAN_CATALOG. Another currency ' +
      'needs another installation (TALLYMAN_PREFIX).',
  ),
  DAILY_MISMATCH: failed(
    'The days of a month do not add up to its total.',
    'Run `tallyman verify`, stop the consumers, run `tallyman rebuild --empty`, then close again.',
  ),
  LATE_FIELD: failed(
    'The totals of a month contain late usage of a month that cannot be late there.',
    'Run `tallyman verify MONTH`, stop the consumers, run `tallyman rebuild --empty`, then close again.',
  ),
  UNKNOWN_PLAN: failed(
    'The catalog has no such plan on a day that is to be priced.',
    'Add the plan to the catalog from that day or earlier, or correct the project with `tallyman projects import`.',
  ),

  // This installation
  FEWER_SHARDS: failed(
    'The usage topics have fewer partitions than Redis has shards.',
    'Set KAFKA_BROKERS to the Kafka that was counted, or restore its topics.',
  ),
  NOT_CO_PARTITIONED: failed(
    'The usage topics do not have the same number of partitions.',
    'Run the `tallyman grow` that the message names. It adds the partitions that are missing.',
  ),
  ONE_COPY: refused(
    'Topics would be created with one copy, although Kafka has three brokers or more.',
    'Run `tallyman init --replication 3`. To keep one copy all the same, add `--allow-one-copy`.',
  ),
  OTHER_SETTINGS: refused(
    'The environment differs from the settings that this installation counts by.',
    'Restore the environment. Other settings need an installation of their own (TALLYMAN_PREFIX).',
  ),
  PARTITIONS_ADDED: failed(
    'The usage topics have more partitions than this installation counts. Nothing that was published since is counted.',
    'Run the `tallyman grow` that the message names.',
  ),
  PARTITIONS_MISFIT: refused(
    'With this number of partitions, projects would move to other shards, which do not know what was counted of them.',
    'Name a multiple of the number of shards.',
  ),
  SETTINGS_MISSING: refused(
    'The ledger billing.settings holds no settings. Its topic was deleted or emptied, or `init` has not run yet.',
    'Run `tallyman init` for a new installation. Otherwise restore the topic. If it is lost, set the old values and run `tallyman init --record-settings`.',
  ),
  SHARDS_STALE: failed('Redis has lost its number of shards.', 'Run `tallyman init`.'),
  TOO_FEW_BROKERS: failed(
    'Kafka has fewer running brokers than the number of copies that each topic should have.',
    'Start the brokers that are down, or give `tallyman init --replication` a smaller number.',
  ),
  TOPICS_MISSING: failed(
    'Kafka does not have a topic of this installation.',
    'Run `tallyman init` for a new installation. If the topic was deleted, restore it with its offsets.',
  ),
  TOPIC_REPLACED: failed(
    'A topic was deleted and created again, or this is another Kafka.',
    'Set KAFKA_BROKERS to the right Kafka, or restore the topic with its offsets.',
  ),
  TOPIC_AUTO_CREATED: failed(
    'A usage topic existed before `tallyman init`, with other settings than Tallyman needs. Nothing was created.',
    'Run the commands that the message lists. They keep the events that are there. Then run `tallyman init` again.',
  ),
  TOPIC_TOO_NARROW: failed(
    'A topic accepts only messages that are too small.',
    "Raise the topic's `max.message.bytes` to the value that the message names.",
  ),
  CONSUMERS_RUNNING: refused(
    'Redis is to be emptied, and consumers still count into it. Nothing was deleted.',
    'Stop the consumers, then run `tallyman rebuild --empty` again.',
  ),
  UNINITIALISED: failed(
    'Redis does not have a cursor that is needed.',
    'If Redis was emptied, run `tallyman rebuild`. Run `tallyman init` for a new installation.',
  ),

  // Counting
  APPLY_REJECTED: failed(
    'Redis refused a chunk of events, and wrote nothing of it.',
    'Run `tallyman doctor`, then `tallyman verify`.',
  ),
  BAD_ANSWER: failed(
    'Redis answered in a way that its scripts never do.',
    'Run `tallyman doctor`. This is a fault of Tallyman: please report it.',
  ),
  BAD_DECISION: failed(
    'A consumer could not decide where to continue.',
    'Start `tallyman consume` again. This is a fault of Tallyman: please report it.',
  ),
  CURSOR_PAST_LOG_END: failed(
    'The log ends before the next offset to be applied.',
    'Restore the topic with its offsets; the operations guide describes the other ways.',
  ),
  EVENTS_GONE: failed(
    'Events were deleted from Kafka before they were read.',
    'Restore the topic with its offsets; the operations guide describes the other ways.',
  ),
  IDS_UNSETTLED: failed(
    'The ids in Redis change while they are read, or their number and their list differ.',
    'Wait if Redis is being restored. If `tallyman doctor` finds a shard that was written in part, stop the consumers, ' +
      'then run `tallyman rebuild --empty`.',
  ),
  INTERRUPTED: failed(
    'A rebuild was stopped before its end.',
    'Run `tallyman rebuild` again. It continues where it stopped.',
  ),
  LOG_DIVERGED: failed(
    'A log has lost events that were counted, or a ledger has lost records that were read, and others have their offsets: its ' +
      'leader was elected uncleanly.',
    'Restore the topic with its offsets. Otherwise run `tallyman doctor`, which shows how to go on; the operations guide ' +
      'describes what each way bills.',
  ),
  LOG_STALLED: failed(
    'A partition shows nothing before its end: a transaction may be open.',
    'Run `tallyman doctor`, which names the transaction and the command that ends it.',
  ),
  LOG_TOO_SHORT: refused(
    'The log no longer contains all that a rebuild needs.',
    'Restore Redis from its append-only file or a replica, or the topic from a copy.',
  ),
  LOOP_STOPPED: failed('A consumer has stopped reading.', 'Start `tallyman consume` again.'),
  NOT_CAUGHT_UP: failed(
    'No cursor moves, although events are left to apply.',
    'Start `tallyman consume`, or read its log.',
  ),
  OTHER_FREEZE: failed(
    'A month was counted up to other offsets than it is frozen at.',
    'Start `tallyman verify --follow` again with an empty `--state` directory.',
  ),
  SEEK_IGNORED: failed(
    'A consumer keeps reading at another offset than it was sent to.',
    'Start `tallyman consume` again.',
  ),
  TOTALS_WENT_BACK: failed(
    'Redis has lost its latest writes, and the consumers are applying them again.',
    'Wait until the consumers have caught up, then run `tallyman verify` again.',
  ),
  TRANSACTION_OPEN: failed(
    'An open transaction holds back the events behind it.',
    'Let its producer end it, or run the command that the message names.',
  ),
  CODEC_MISSING: failed(
    'A record batch is compressed with snappy, and the package that reads it is not installed.',
    'Run `npm install` without `--omit=optional`, then start it again. Nothing was skipped.',
  ),
  UNDECODABLE_BATCH: failed(
    'A record batch in Kafka cannot be decoded.',
    'Follow the operations guide, which describes how to go past it.',
  ),

  // What was published or stored
  CHANGE_NOT_SHOWN: failed(
    'The change is in the ledger, and Redis does not show it yet.',
    'Nothing is lost: the next command that reads projects shows it.',
  ),
  CHANGE_UNKNOWN: failed(
    'Kafka did not confirm a change, so it may or may not be in the ledger.',
    'Run the command again. It changes nothing twice.',
  ),
  DOCUMENT_DAMAGED: failed(
    'A document that Tallyman stored in Redis cannot be read.',
    'Stop the consumers, then run `tallyman rebuild --empty`.',
  ),
  LEDGER_DAMAGED: failed(
    'A ledger or the topic of dead letters contains a record that Tallyman cannot have written.',
    'Publish the right record under the same key, or delete the key with a tombstone. Then stop the program that wrote it.',
  ),

  // Freezes and damage of Redis
  BEHIND_FREEZE: failed(
    'A shard has counted less than it had when the month was frozen.',
    'Let the consumers catch up, then run `tallyman close` again.',
  ),
  FREEZE_CONFLICT: failed(
    'The freeze of a month in Redis contradicts the one in Kafka.',
    'Stop the consumers, run `tallyman rebuild --empty`, then close again.',
  ),
  FREEZE_LOST: failed(
    'Redis has lost the freeze of a month, and has counted on.',
    'Stop the consumers, then run `tallyman rebuild --empty`.',
  ),
  LEDGER_MOVED: failed(
    'A closed month has left Redis, and `billing.totals` does not hold it where it did then, or Redis has lost where.',
    'If the topic was restored, or Redis has lost it, run `tallyman rebuild`, which searches for the month. Otherwise restore the topic from a copy.',
  ),
  MONTH_DIFFERS: failed(
    'A closed month stays in Redis, because Redis and `billing.totals` do not hold the same of it. Nothing was deleted that differs.',
    'Run `tallyman verify MONTH`. If Redis is wrong, stop the consumers, then run `tallyman rebuild --empty`. If the topic lost records, restore it from a copy.',
  ),
  REBUILD_UNFINISHED: failed(
    'This Redis is being rebuilt, so it does not contain all usage yet.',
    'Wait for the rebuild. If it was stopped, run `tallyman rebuild` again.',
  ),
  SHARD_TORN: failed(
    'A shard of Redis was written in part, so usage may be counted twice.',
    'Stop the consumers, then run `tallyman rebuild --empty`.',
  ),
  UNFROZEN: failed('Redis has lost the freeze of a month.', 'Run `tallyman close` again.'),

  // Redis
  REDIS_ACCESS: failed(
    'Redis refuses the user, the password or a command.',
    'Correct the user and the password in REDIS_URL, or extend the rights of the user (ACL SETUSER).',
  ),
  REDIS_BUSY: failed(
    'Redis is busy with a script.',
    'Wait until it has ended. `redis-cli -u "$REDIS_URL" SCRIPT KILL` ends a script that has written nothing.',
  ),
  REDIS_CANNOT_PERSIST: failed(
    'Redis cannot write to its disk.',
    'Check the free space of its disk and its log. `tallyman doctor` shows which write failed.',
  ),
  REDIS_CLUSTER_DOWN: failed(
    'The Redis cluster is down.',
    'Run `redis-cli --cluster check HOST:PORT` with the address of one of its nodes.',
  ),
  REDIS_EMPTIED: failed('Redis was emptied.', 'Run `tallyman rebuild`.'),
  REDIS_EVICTED: failed(
    'Redis has evicted keys, so usage is missing.',
    'Run `redis-cli -u "$REDIS_URL" CONFIG SET maxmemory-policy noeviction` and set it in redis.conf, give Redis more memory, stop the ' +
      'consumers, then run `tallyman rebuild --empty`.',
  ),
  REDIS_FILE_NOT_REWRITTEN: failed(
    'Redis has restarted and cannot rewrite its append-only file.',
    "Check Redis's log, the free space of its disk and vm.overcommit_memory, then try again.",
  ),
  REDIS_IS_A_CLUSTER: failed(
    'Redis is a node of a cluster, and REDIS_URL does not say so.',
    'Set REDIS_URL to redis+cluster://HOST:PORT.',
  ),
  REDIS_IS_A_SENTINEL: failed(
    'REDIS_URL names a Redis Sentinel, which is not supported.',
    'Set REDIS_URL to the primary or an address that moves with it, or use Redis Cluster.',
  ),
  REDIS_LOADING: failed('Redis is still loading its data.', 'Wait, then run the command again.'),
  REDIS_MASTER_DOWN: failed('Redis is a replica without its primary.', 'Set REDIS_URL to the primary.'),
  REDIS_MAY_EVICT: failed(
    'A full Redis would evict totals.',
    'Run `redis-cli -u "$REDIS_URL" CONFIG SET maxmemory-policy noeviction`, and set it in redis.conf.',
  ),
  REDIS_NO_REPLICAS: failed('Redis has fewer replicas than min-replicas-to-write.', 'Start its replicas.'),
  REDIS_OUT_OF_MEMORY: failed(
    'Redis is out of memory.',
    'Raise maxmemory, or run `tallyman close`: closing months that are due frees memory.',
  ),
  REDIS_READ_ONLY: failed('Redis is a replica, which accepts no writes.', 'Set REDIS_URL to the primary.'),
  REDIS_REFUSED: failed('Redis refused a command.', 'Run `tallyman doctor`, which checks its settings.'),
  REDIS_SLOT_MOVES: failed(
    'A Redis Cluster is moving the slot of these keys to another node.',
    'Wait until it has moved, then run the command again. `redis-cli --cluster fix NODE` ends a move that was broken off.',
  ),
  REDIS_UNAVAILABLE: failed('Redis does not answer.', 'Check REDIS_URL and that Redis runs.'),
  REDIS_WENT_BACK: failed(
    'Redis has lost its latest writes, or was rebuilt, while it was read.',
    'Wait until the consumers have caught up, then run the command again.',
  ),

  // Kafka
  BAD_OFFSET: failed('Kafka returned an offset that is not a number.', 'Check the version of the brokers.'),
  KAFKAJS_CHANGED: failed(
    'The installed kafkajs is not the version that Tallyman is made for.',
    'Run `npm ci`.',
  ),
  KAFKA_ACCESS: failed(
    'Kafka refuses the user, the password or an operation.',
    'Correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, or grant the user what docs/operating/security.md lists for the verb.',
  ),
  KAFKA_UNAVAILABLE: failed(
    'Kafka does not answer, or did not do what it was asked to do.',
    'Check that the brokers of KAFKA_BROKERS run, then run the command again.',
  ),
  NO_PARTITION: failed(
    'A topic does not have a partition that was there before.',
    'Run `tallyman doctor`; the topic may have been created again.',
  ),
  TOPIC_UNREADABLE: failed(
    'Kafka does not describe a topic.',
    'Grant the user what docs/operating/security.md lists for the verb.',
  ),

  // The demo and the services of this machine
  JAVA_MISSING: failed(
    'There is no Java to run Kafka with.',
    'Install Java and Maven, start Docker, or set KAFKA_BROKERS.',
  ),
  KAFKA_NOT_FETCHED: failed(
    'Maven could not download Kafka.',
    'Check the network and the lines that Maven printed.',
  ),
  MAVEN_MISSING: failed('There is no Maven.', 'Install Maven, start Docker, or set KAFKA_BROKERS.'),
  REDIS_MISSING: failed(
    'There is no Redis server.',
    'Install redis-server 7 or newer, start Docker, or set REDIS_URL.',
  ),
  SERVICE_NOT_STARTED: failed(
    'Kafka or Redis did not start on this machine.',
    "Read the end of the server's log, which the message shows.",
  ),

  UNEXPECTED: failed(
    'Something happened that Tallyman does not expect. This is a fault of Tallyman.',
    'Set LOG_LEVEL=debug to see where it happened, and report it.',
  ),
} satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof ERRORS;

/**
 * Why a close holds a project, besides the codes above. The close prints what to do, and bills the
 * others.
 */
export const HOLDS = {
  DAYS_DIFFER: 'The days of the month do not add up to its totals.',
  NOT_PRICED: 'Its usage cannot be priced. The detail gives the reason.',
  NO_PRICE: 'The catalog has no price for a meter that the project used. Its invoice stays a draft.',
  PRICES_CHANGED: 'The catalog prices a month with late usage differently than the invoice of that month.',
  PRICING_FAILED: 'An unexpected error occurred while the invoice was priced. Its invoice stays a draft.',
  PROJECT_UNLISTED: "Redis has its totals, and the month's set of projects lacks it.",
  RECOUNT_DIFFERS: 'A recount of the log does not match the totals in Redis.',
  UNREADABLE: 'What Redis contains of its month cannot be read.',
} as const;

export type HoldCode = ErrorCode | keyof typeof HOLDS;
