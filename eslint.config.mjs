import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '**/*.js', '**/*.mjs', 'schemas/types.ts'] },
  eslint.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' },
      ],
      // Producers' text is full of them, and the rules speak of them.
      'no-control-regex': 'off',
      // `import X = require(...)` is how CommonJS is typed.
      '@typescript-eslint/no-require-imports': ['error', { allowAsImport: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['src/**', 'consumers/**'],
    rules: {
      'max-lines-per-function': ['error', 70],
      'no-restricted-syntax': [
        'error',
        ...[
          "MemberExpression[object.name='Date'][property.name='now']",
          "NewExpression[callee.name='Date'][arguments.length=0]",
        ].map((selector) => ({
          selector,
          message:
            'The wall clock may be set: measure time by performance.now(). For a date, list the file in eslint.config.mjs.',
        })),
      ],
    },
  },
  {
    files: ['src/**', 'consumers/**'],
    ignores: ['src/lib/config.ts', 'src/dev/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Settings are read in src/lib/config.ts only.' },
      ],
    },
  },
  // These ask for the date: of a month, a document, a record or a token; or speak with kafkajs in its terms.
  {
    files: [
      'src/cli/verbs/billing/alerts.ts',
      'src/cli/verbs/billing/catalog.ts',
      'src/cli/verbs/billing/close.ts',
      'src/cli/verbs/usage/dead-letters.ts',
      'src/cli/verbs/billing/invoices/preview.ts',
      'src/cli/verbs/installation/keys.ts',
      'src/cli/verbs/billing/projects/compare.ts',
      'src/cli/verbs/billing/projects/set.ts',
      'src/cli/verbs/billing/projects/show.ts',
      'src/cli/verbs/usage/publish.ts',
      'src/ingest/run-consumers.ts',
      'src/cli/verbs/installation/serve.ts',
      'src/cli/verbs/installation/revoke-token.ts',
      'src/cli/verbs/installation/token.ts',
      'src/cli/verbs/installation/top.ts',
      'src/cli/verbs/usage/totals.ts',
      'src/cli/verbs/usage/verify.ts',
      'src/ops/doctor/check-cursors.ts',
      'src/ops/doctor/check-transactions.ts',
      'src/ops/rebuild.ts',
      'src/close/guards/check-clocks.ts',
      'src/dev/demo/livekit-demo.ts',
      'src/dev/demo/month-demo.ts',
      'src/dev/demo/serve-demo.ts',
      'src/audit/second-count/follower.ts',
      'src/kafka/checks/broker-time.ts',
      'src/kafka/patches/install.ts',
      'src/redis/checks/check-redis.ts',
      'src/redis/clock.ts',
      'src/redis/rebuilding.ts',
      'src/ingest/health/log-position.ts',
      'src/ops/spend.ts',
      'src/livekit/bridge.ts',
      'src/livekit/read-webhooks.ts',
      'src/livekit/transfer/run-transfer-meter.ts',
      'src/livekit/watch/server-api.ts',
      'src/web/gateway/run-gateway.ts',
      'src/web/http/base-app.ts',
      'src/web/api/event-stream.ts',
    ],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    files: ['test/**', 'bench/**'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      'no-console': 'off',
    },
  },
);
