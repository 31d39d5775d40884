'use strict';
/**
 * Makes a clone ready to run: installs dependencies when they differ from package-lock.json, builds
 * when a source is newer than the last build. It runs before node_modules exists, so it is
 * JavaScript without dependencies. The Node may be too old, so it uses old syntax only.
 *
 * node src/dev/prepare.js [--no-build] [--quiet]
 */
const { spawnSync } = require('child_process');
const { createHash } = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');

const SOURCES = ['src', 'consumers', 'schemas', 'bench', 'package.json', 'package-lock.json'];
const SOURCE_PATTERN = /^tsconfig.*\.json$/;
/** An empty file. Its time is when the last successful build began. */
const STAMP = path.join('dist', '.built');
/**
 * How many lines of a failed step are shown. Both npm and tsc name the cause first, and may print
 * pages after it.
 */
const SHOWN_LINES = 30;
/** A claim older than this is left from a run that was killed, even if its pid is in use again. */
const CLAIM_MAX_AGE_MS = 20 * 60 * 1000;

/** @returns true when `version` (`20.1.0`) is below the `>=a.b` that package.json asks for. */
function nodeIsTooOld(version, engines) {
  const have = version.split('.').map(Number);
  const need = engines.replace('>=', '').split('.').map(Number);
  return have[0] < need[0] || (have[0] === need[0] && have[1] < (need[1] || 0));
}

/**
 * Compares package-lock.json with npm's record of its last install
 * (node_modules/.package-lock.json). npm writes that record last, so it is missing after an
 * interrupted install. npm may leave out optional packages.
 */
function installIsStale(lock, installed) {
  if (!lock || !installed) return true;
  const wanted = lock.packages;
  const found = installed.packages;
  const same = (name) => wanted[name] && wanted[name].integrity === found[name].integrity;
  const mayMiss = (entry) => entry.optional || entry.devOptional;
  return (
    !Object.keys(found).every(same) ||
    !Object.keys(wanted).every((name) => name === '' || found[name] || mayMiss(wanted[name]))
  );
}

/**
 * The newest modification time among the sources. Folders count, because a deleted file changes
 * only its folder.
 */
function newestSourceMs(root) {
  const newestUnder = (file) => {
    const stat = fs.statSync(file);
    if (!stat.isDirectory()) return stat.mtimeMs;
    return Math.max(stat.mtimeMs, ...fs.readdirSync(file).map((name) => newestUnder(path.join(file, name))));
  };
  const names = fs.readdirSync(root).filter((name) => SOURCES.includes(name) || SOURCE_PATTERN.test(name));
  return Math.max(0, ...names.map((name) => newestUnder(path.join(root, name))));
}

function buildIsStale(root) {
  const stamp = path.join(root, STAMP);
  return !fs.existsSync(stamp) || newestSourceMs(root) > fs.statSync(stamp).mtimeMs;
}

/**
 * Runs `work` while no other run does. Each claimant puts a file with its pid into one folder, and
 * has the lock if it then sees no other living claimant. The later of two always sees the earlier,
 * so at most one proceeds. Files of killed runs are ignored.
 */
function withLock(folder, onWait, work) {
  const mine = String(process.pid);
  const claim = path.join(folder, mine);
  let toldWaiting = false;
  for (;;) {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(claim, '');
    const others = fs.readdirSync(folder).filter((pid) => pid !== mine && isLiveClaim(folder, pid));
    if (others.length === 0) break;
    fs.rmSync(claim, { force: true });
    if (!toldWaiting) onWait(others[0]);
    toldWaiting = true;
    sleep(100 + Math.random() * 200);
  }
  try {
    return work();
  } finally {
    fs.rmSync(claim, { force: true });
  }
}

function isLiveClaim(folder, pid) {
  try {
    process.kill(Number(pid), 0);
    return Date.now() - fs.statSync(path.join(folder, pid)).mtimeMs < CLAIM_MAX_AGE_MS;
  } catch (error) {
    // EPERM: it lives and belongs to another user. Otherwise the process, or its claim, is gone.
    return error.code === 'EPERM';
  }
}

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const readJson = (file) => (fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : undefined);

function prepare(root, { build, say }) {
  const lockFile = path.join(root, 'package-lock.json');
  const installed = path.join(root, 'node_modules', '.package-lock.json');
  const mustInstall = () => installIsStale(readJson(lockFile), readJson(installed));
  const mustBuild = () => build && buildIsStale(root);
  if (!mustInstall() && !mustBuild()) return;

  // Outside the project: node_modules is emptied by npm ci, and nothing else here is sure to be
  // ignored by git.
  const lock = path.join(
    os.tmpdir(),
    `tallyman-prepare-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`,
  );
  withLock(
    lock,
    (pid) => say(`waiting for process ${pid}, which is preparing this folder\n`),
    () => {
      if (mustInstall()) {
        // Building needs the development packages, whatever NODE_ENV says.
        run(root, 'installing dependencies', ['ci', '--include=dev'], say);
      }
      if (mustBuild()) {
        const startedAt = new Date();
        run(root, 'building', ['run', '-s', 'build'], say);
        const stamp = path.join(root, STAMP);
        fs.writeFileSync(stamp, '');
        // The time when the build began, so that a file that was edited during the build is newer.
        fs.utimesSync(stamp, startedAt, startedAt);
      }
    },
  );
}

function run(root, what, npmArguments, say) {
  const startedAt = Date.now();
  say(`${what} (npm ${npmArguments.join(' ')}) ... `);
  const { status, error, stdout, stderr } = spawnSync('npm', npmArguments, { cwd: root, encoding: 'utf8' });
  if (status !== 0) {
    const output = error ? error.message : stdout + stderr;
    throw new Error(`${what} failed:\n${output.trimEnd().split('\n').slice(0, SHOWN_LINES).join('\n')}`);
  }
  say(`${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`);
}

function main() {
  const root = path.resolve(__dirname, '..', '..');
  const flags = process.argv.slice(2);
  const engines = readJson(path.join(root, 'package.json')).engines.node;
  try {
    if (nodeIsTooOld(process.versions.node, engines)) {
      throw new Error(`This is Node ${process.versions.node}; Tallyman needs ${engines}.`);
    }
    prepare(root, {
      build: !flags.includes('--no-build'),
      // stdout belongs to the command that runs next.
      say: (text) => void (flags.includes('--quiet') || process.stderr.write(text)),
    });
  } catch (error) {
    process.stderr.write(`\n${error.message}\n`);
    process.exitCode = 1;
  }
}

module.exports = { nodeIsTooOld, installIsStale, buildIsStale, withLock };
if (require.main === module) main();
