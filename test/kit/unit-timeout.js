// Jest takes no time-out by project. A unit test waits for nobody: one that takes longer says so
// itself.
jest.setTimeout(5_000);
