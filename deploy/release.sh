#!/usr/bin/env bash
# Publishes the version of package.json to npm: deploy/release.sh [--dry-run]
# Run it in a CI job that may request an identity token. npm then attests from which commit and by
# which job the package was built (publishConfig.provenance); elsewhere it refuses to publish.
set -euo pipefail
cd "$(dirname "$0")/.."

refuse() { echo "not released: $1" >&2; exit 3; }
version=$(node -p 'require("./package.json").version')
[ -z "$(git status --porcelain)" ] || refuse "commit or remove what 'git status' lists"
grep -q "^## $version - [0-9]" CHANGELOG.md || refuse "date the section $version of CHANGELOG.md"
[ "$(git tag --list "v$version")" = '' ] || refuse "the tag v$version exists, so raise the version in package.json"
case " $* " in
  *' --dry-run '*) ;;
  *) has() { node -e "process.exit(require('./package.json').$1 ? 0 : 1)"; }
     has repository || refuse "set 'repository' in package.json to the repository of this CI job: npm compares them"
     has bugs?.email || refuse "set 'bugs.email' in package.json: SECURITY.md sends reports there" ;;
esac

npm ci
npm run -s check
npm test
npm run -s test:package
npm publish "$@"
case " $* " in *' --dry-run '*) ;; *) git tag --annotate "v$version" --message "Tallyman $version" ;; esac
