/** Runs one piece of work at a time, in the order of the requests. */
export class Mutex {
  private last: Promise<void> = Promise.resolve();

  /**
   * Resolves when it is the caller's turn, with a function that ends the turn. Calling it twice is
   * harmless.
   */
  async take(): Promise<() => void> {
    const before = this.last;
    let end!: () => void;
    this.last = new Promise((resolve) => (end = resolve));
    await before;
    return end;
  }
}
