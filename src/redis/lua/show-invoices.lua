--[[
Shows a range of the invoice ledger: writes its documents and moves the position up to which the ledger is shown. Both
change in one step, so a Redis that goes back loses them together and the range is read again.

KEYS
  1                position  string: `<next offset> <topic id> <run>`
  2i, 2i + 1       of document i: hash, entry -> JSON; set of the projects with a document in its month

ARGV
  1, 2             the position as it was read (empty: there was none), and the new one
  3i, 3i + 1, 3i + 2   of document i: its project, its entry, its JSON (empty: it was withdrawn)

Answers
  SHOWN count      how many of them Redis did not show before
  ELSEWHERE        the position is not the one that was read; nothing was written
]]
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return { 'ELSEWHERE' }
end

local added = 0
for i = 1, (#KEYS - 1) / 2 do
  local documents, projects = KEYS[2 * i], KEYS[2 * i + 1]
  local project, entry, json = ARGV[3 * i], ARGV[3 * i + 1], ARGV[3 * i + 2]
  if json == '' then
    redis.call('HDEL', documents, entry)
  else
    added = added + redis.call('HSET', documents, entry, json)
    redis.call('SADD', projects, project)
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return { 'SHOWN', added }
