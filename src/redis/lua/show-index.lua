--[[
Notes in an index which documents of the invoice ledger Redis shows, and moves the index's position. Both change in one
step, so a node that goes back loses them together, and the range is read again.

KEYS
  1  index   hash: project -> `<entry>@<offset>`, separated by blanks; its position under the empty name

ARGV
  1          the position as it was read; empty: there was none
  2          the new position
  3          `restart` to empty the index first; empty otherwise
  3i + 1, 3i + 2, 3i + 3   of document i: its project, its entry, its offset (empty: it was withdrawn)

Answers
  SHOWN      the documents are noted
  ELSEWHERE  the position is not the one that was read; nothing was written
]]
if (redis.call('HGET', KEYS[1], '') or '') ~= ARGV[1] then
  return { 'ELSEWHERE' }
end

if ARGV[3] == 'restart' then
  redis.call('UNLINK', KEYS[1])
end
for i = 4, #ARGV, 3 do
  local project, entry, offset = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local noted = {}
  for one in string.gmatch(redis.call('HGET', KEYS[1], project) or '', '%S+') do
    if string.match(one, '^[^@]+') ~= entry then
      noted[#noted + 1] = one
    end
  end
  if offset ~= '' then
    noted[#noted + 1] = entry .. '@' .. offset
  end
  if #noted == 0 then
    redis.call('HDEL', KEYS[1], project)
  else
    redis.call('HSET', KEYS[1], project, table.concat(noted, ' '))
  end
end
redis.call('HSET', KEYS[1], '', ARGV[2])
return { 'SHOWN' }
