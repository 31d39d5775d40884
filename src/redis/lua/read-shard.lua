--[[
Reads the totals of some projects together with the shard's cursors and freezes, at one point of the log, however busy
the consumers are.

KEYS
  1    cursor    hash: topic -> next offset to apply
  2    closed    hash: frozen month -> JSON of topic -> next offset at the freeze
  3    projects  set of the projects with totals in the month
  4    left      hash: closed month that has left -> where the ledger holds it
  5    writes    hash that also notes which months have left, as left:<month>
  6..  hashes    totals and daily sums, any number of them

ARGV
  1    month
  2..  projects whose membership in KEYS[3] is returned

Answers { cursors, closed, memberships (1 or 0), whether the month has left, hash, hash ... }, each hash as a flat list. For a key that is not a hash,
the list is an empty field and the error, so that one such key does not hide the other projects.
]]
local answer = { redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]), {} }
for i = 2, #ARGV do
  answer[3][i - 1] = redis.call('SISMEMBER', KEYS[3], ARGV[i])
end
answer[4] = math.max(redis.call('HEXISTS', KEYS[4], ARGV[1]), redis.call('HEXISTS', KEYS[5], 'left:' .. ARGV[1]))
for i = 6, #KEYS do
  local hash = redis.pcall('HGETALL', KEYS[i])
  answer[i - 1] = hash.err and { '', hash.err } or hash
end
return answer
