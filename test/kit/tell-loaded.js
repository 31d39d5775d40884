// node -r <this file> program.js: tells on stderr, in the end, which packages the program has
// loaded.
process.on('exit', () => {
  const packages = Object.keys(require.cache).flatMap(
    (file) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [],
  );
  process.stderr.write(JSON.stringify([...new Set(packages)]));
});
