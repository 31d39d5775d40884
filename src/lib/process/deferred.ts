/** A promise with its `resolve` and `reject`, for results that are decided elsewhere. */
export function deferred<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => undefined); // Code that awaits the promise sees the error. If nobody does, it is not an unhandled rejection.
  return { promise, resolve, reject };
}
