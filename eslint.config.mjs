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
  // These ask for the date: of a month, a document, a record or a token; or speak with kafkajs in its terms.
  {
    files: [
      'src/cli/alerts.ts',
      'src/cli/catalog.ts',
      'src/cli/close.ts',
      'src/cli/dead-letters.ts',
      'src/cli/doctor.ts',
      'src/cli/invoices-preview.ts',
      'src/cli/keys.ts',
      'src/cli/projects-compare.ts',
      'src/cli/projects-set.ts',
      'src/cli/projects-show.ts',
      'src/cli/publish.ts',
      'src/cli/rebuild.ts',
      'src/cli/run-consumers.ts',
      'src/cli/serve.ts',
      'src/cli/token.ts',
      'src/cli/top.ts',
      'src/cli/totals.ts',
      'src/cli/verify.ts',
      'src/close/check-clocks.ts',
      'src/demo/demo.ts',
      'src/demo/serve-demo.ts',
      'src/recount/follower.ts',
      'src/stream/broker-time.ts',
      'src/stream/kafkajs-workarounds.ts',
      'src/totals/check-redis.ts',
      'src/totals/clock.ts',
      'src/totals/rebuilding.ts',
      'src/watch/log-position.ts',
      'src/watch/spend.ts',
      'src/web/server.ts',
      'src/web/usage-stream.ts',
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
