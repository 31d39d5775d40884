const { availableParallelism } = require('node:os');
const { dirname } = require('node:path');

/**
 * Slow fault tests run only when the command line speaks of them: `--selectProjects fault`, or a
 * path or pattern.
 */
const namesFaults = process.argv.slice(2).some((argument) => /\bfault/.test(argument));
/** The same for tests on clusters. */
const namesClusters = process.argv.slice(2).some((argument) => /\bcluster/.test(argument));
/** Tests of the chart build Helm, which takes minutes, so they have a command of their own. */
const namesDeploy = process.argv.includes('deploy');
/** Tests of rights run every verb many times, so they have a command of their own, too. */
const namesSecurity = process.argv.includes('security');

const shared = {
  rootDir: dirname(__dirname),
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};

/** @type {import('jest').Config} */
module.exports = {
  rootDir: dirname(__dirname),
  // Each worker of the server tests keeps Kafka or Redis busy as well, so leave half of the cores
  // to those.
  maxWorkers: Math.max(2, Math.floor(availableParallelism() / 2)),
  // Jest takes no time-out by project, so unit tests set theirs themselves. The others wait for
  // servers to come back.
  testTimeout: 120_000,
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['<rootDir>/test/**/*.test.ts'],
      testPathIgnorePatterns: ['\\.(redis|kafka|browser|fault|cluster|deploy|security)\\.test\\.ts$'],
      setupFilesAfterEnv: ['<rootDir>/test/kit/unit-timeout.js'],
    },
    {
      ...shared,
      displayName: 'redis',
      testMatch: ['<rootDir>/test/**/*.redis.test.ts'],
      globalSetup: '<rootDir>/test/kit/servers/start-redis.ts',
      globalTeardown: '<rootDir>/test/kit/servers/stop-services.ts',
    },
    {
      ...shared,
      displayName: 'kafka',
      testMatch: ['<rootDir>/test/**/*.kafka.test.ts'],
      globalSetup: '<rootDir>/test/kit/servers/start-kafka-and-redis.ts',
      globalTeardown: '<rootDir>/test/kit/servers/stop-services.ts',
    },
    {
      ...shared,
      displayName: 'browser',
      testMatch: ['<rootDir>/test/**/*.browser.test.ts'],
      globalSetup: '<rootDir>/test/kit/servers/start-kafka-and-redis.ts',
      globalTeardown: '<rootDir>/test/kit/servers/stop-services.ts',
    },
    {
      ...shared,
      displayName: 'fault',
      testMatch: [`<rootDir>/test/fault/**/*${namesFaults ? '' : '.quick'}.fault.test.ts`],
    },
    {
      ...shared,
      displayName: 'cluster',
      testMatch: [`<rootDir>/test/fault/**/*${namesClusters ? '' : '.quick'}.cluster.test.ts`],
    },
    ...(namesDeploy
      ? [
          {
            ...shared,
            displayName: 'deploy',
            testMatch: ['<rootDir>/test/**/*.deploy.test.ts'],
            globalSetup: '<rootDir>/test/kit/deploy/obtain-helm.ts',
          },
        ]
      : []),
    ...(namesSecurity
      ? [
          {
            ...shared,
            displayName: 'security',
            testMatch: ['<rootDir>/test/**/*.security.test.ts'],
          },
        ]
      : []),
  ],
};
