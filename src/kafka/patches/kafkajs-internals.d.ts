// What this folder uses of kafkajs beyond its public API. kafkajs is pinned, and has had no release
// since 2023, so these shapes do not change. Each declares only what is used here.

declare module 'kafkajs/src/protocol/decoder' {
  class Decoder {
    constructor(buffer: Buffer);
    readBoolean(): boolean;
    readInt8(): number;
    readInt16(): number;
    readInt32(): number;
    readInt64(): bigint;
    readUVarInt(): number;
    readUVarIntString(): string;
    readUVarIntArray<T>(read: (decoder: Decoder) => T): T[];
    readTaggedFields(): unknown;
    readString(): string;
    readBytes(byteLength: number): Buffer;
    readArray<T>(read: (decoder: Decoder) => T): T[];
    readArrayAsync<T>(read: (decoder: Decoder) => Promise<T>): Promise<T[]>;
  }
  export = Decoder;
}

declare module 'kafkajs/src/protocol/recordBatch/v0/decoder' {
  import type Decoder from 'kafkajs/src/protocol/decoder';
  function decode(decoder: Decoder): Promise<{ records: { readonly value: Buffer | null }[] }>;
  export = decode;
}

declare module 'kafkajs/src/protocol/requests/metadata' {
  import type Encoder from 'kafkajs/src/protocol/encoder';
  namespace metadataRequest {
    interface DecodedMetadata {
      readonly clientSideThrottleTime: number;
      readonly topicMetadata: readonly {
        readonly topic: string;
        readonly topicErrorCode: number;
        readonly partitionMetadata: readonly {
          readonly partitionErrorCode: number;
          readonly partitionId: number;
          readonly leader: number;
          readonly replicas: readonly number[];
          readonly isr: readonly number[];
        }[];
      }[];
    }
  }
  interface MetadataProtocol {
    request: {
      apiKey: number;
      apiVersion: number;
      apiName: string;
      encode(): Promise<Encoder>;
    };
    response: {
      decode(payload: Buffer): Promise<metadataRequest.DecodedMetadata>;
      parse(decoded: metadataRequest.DecodedMetadata): Promise<metadataRequest.DecodedMetadata>;
    };
  }
  const metadataRequest: {
    protocol(options: {
      version: number;
    }): (request: { topics: string[]; allowAutoTopicCreation: boolean }) => MetadataProtocol;
  };
  export = metadataRequest;
}

declare module 'kafkajs/src/protocol/requests/fetch' {
  interface FetchProtocol {
    response: { decode(payload: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> };
  }
  const fetchRequest: { protocol(options: { version: number }): (request: object) => FetchProtocol };
  export = fetchRequest;
}

declare module 'kafkajs/src/network/requestQueue' {
  interface SocketRequest {
    timeoutHandler: () => void;
  }
  class RequestQueue {
    readonly inflight: ReadonlyMap<number, SocketRequest>;
    readonly isConnected: () => boolean;
    pending: SocketRequest[];
    throttledUntil: number;
    throttleCheckTimeoutId: NodeJS.Timeout | null;
    createSocketRequest(pushed: object): SocketRequest;
    checkPendingRequests(): void;
    scheduleCheckPendingRequests(): void;
  }
  export = RequestQueue;
}

declare module 'kafkajs/src/network/requestQueue/socketRequest' {
  class SocketRequest {
    sentAt: number | null;
  }
  export = SocketRequest;
}

declare module 'kafkajs/src/cluster/brokerPool' {
  class BrokerPool {
    metadataExpireAt: number | null;
  }
  export = BrokerPool;
}

declare module 'kafkajs/src/network/socketFactory' {
  import type { ISocketFactory } from 'kafkajs';
  function createSocketFactory(): ISocketFactory;
  export = createSocketFactory;
}

declare module 'kafkajs/src/network/connection' {
  import type { ISocketFactory } from 'kafkajs';
  import type { Socket } from 'node:net';
  import type RequestQueue from 'kafkajs/src/network/requestQueue';
  class Connection {
    chunks: Buffer[];
    bytesBuffered: number;
    bytesNeeded: number;
    socket: Socket | undefined;
    requestQueue: RequestQueue;
    readonly socketFactory: ISocketFactory;
    isConnected(): boolean;
    connect(): Promise<boolean>;
    rejectRequests(error: Error): void;
  }
  export = Connection;
}

declare module 'kafkajs/src/consumer/batch' {
  class Batch {
    constructor(
      topic: string,
      fetchedOffset: string,
      partitionData: {
        partition: number;
        highWatermark: string;
        messages: object[];
        abortedTransactions: [];
      },
    );
    rawMessages: object[];
    isEmpty(): boolean;
    isEmptyDueToFiltering(): boolean;
  }
  export = Batch;
}

declare module 'kafkajs/src/consumer/consumerGroup' {
  class ConsumerGroup {
    lastRequest: number;
    readonly cluster: { removeBroker(address: { host: string; port: number }): void };
    readonly coordinator: { heartbeat(member: object): Promise<void> } | null;
    connect(): Promise<void>;
    joinAndSync(): Promise<void>;
  }
  export = ConsumerGroup;
}

declare module 'kafkajs/src/consumer/runner' {
  import type ConsumerGroup from 'kafkajs/src/consumer/consumerGroup';
  class Runner {
    readonly consumerGroup: ConsumerGroup;
    readonly running: boolean;
    stop(): Promise<void>;
  }
  export = Runner;
}

declare module 'kafkajs/src/cluster' {
  import type Encoder from 'kafkajs/src/protocol/encoder';
  import type { DecodedMetadata } from 'kafkajs/src/protocol/requests/metadata';
  namespace Cluster {
    interface FetchRequest {
      readonly maxWaitTime: number;
      readonly minBytes: number;
      readonly maxBytes: number;
      readonly isolationLevel: 0 | 1;
      readonly topics: {
        topic: string;
        partitions: { partition: number; fetchOffset: string; maxBytes: number }[];
      }[];
    }
    interface Request<D extends { clientSideThrottleTime: number }, R> {
      request: { apiKey: number; apiVersion: number; apiName: string; encode(): Promise<Encoder> };
      response: { decode(payload: Buffer): Promise<D>; parse(decoded: D): Promise<R> };
    }
    interface Broker {
      readonly versions: Readonly<Record<number, { readonly maxVersion: number }>> | null;
      readonly connectionPool: {
        send<D extends { clientSideThrottleTime: number }, R>(request: Request<D, R>): Promise<R>;
      };
      metadata: (topics: string[]) => Promise<DecodedMetadata>;
      disconnect(): Promise<void>;
      listOffsets(request: {
        readonly isolationLevel: 0 | 1;
        readonly topics: {
          topic: string;
          partitions: { partition: number; timestamp: number }[];
        }[];
      }): Promise<{
        responses: { topic: string; partitions: { partition: number; offset: string }[] }[];
      }>;
      fetch(request: FetchRequest): Promise<{
        responses: { topicName: string; partitions: { partition: number; messages: object[] }[] }[];
      }>;
    }
  }
  class Cluster {
    readonly brokerPool: {
      createBroker: (options: object) => Cluster.Broker;
      findConnectedBroker(): Promise<Cluster.Broker>;
    };
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    addTargetTopic(topic: string): Promise<void>;
    addMultipleTargetTopics(topics: string[]): Promise<void>;
    findTopicPartitionMetadata(topic: string): { partitionId: number }[];
    refreshMetadata(): Promise<void>;
    refreshMetadataIfNecessary(): Promise<void>;
    findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
    findBroker(options: { nodeId: string }): Promise<Cluster.Broker>;
  }
  export = Cluster;
}

declare module 'kafkajs/src/retry' {
  import type { RetryOptions } from 'kafkajs';
  function createRetry(
    options: RetryOptions,
  ): <T>(run: (bail: (error: unknown) => void) => Promise<T | undefined>) => Promise<T>;
  export = createRetry;
}

declare module 'kafkajs/src/protocol/encoder' {
  class Encoder {
    buffer: Buffer;
    writeInt8(value: number): this;
    writeInt16(value: number): this;
    writeInt32(value: number): this;
    writeInt64(value: number): this;
    writeString(value: string): this;
    writeBuffer(buffer: Buffer): this;
    writeUVarInt(value: number): this;
    writeUVarIntString(value: string): this;
    writeBoolean(value: boolean): this;
  }
  export = Encoder;
}
