--[[
Shows a range of a ledger in one hash: writes its records and moves the position up to which the ledger is shown. Both
change in one step, so a Redis that goes back loses them together and the range is read again.

KEYS (in one slot)
  1  position  string: `<next offset> <topic id> <run> <fields>`
  2  view      hash: key of the ledger -> its last value

ARGV
  1          the position as it was read; empty: there was none
  2          the new position, without the number of fields
  3          `restart` to empty the view first; empty otherwise
  2i, 2i+1   from i = 2: a key and its value; an empty value withdraws the key

Answers
  SHOWN count position   how many keys the view did not hold before; the position as it is stored now
  ELSEWHERE              the position is not the one that was read; nothing was written
]]
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return { 'ELSEWHERE' }
end

if ARGV[3] == 'restart' then
  redis.call('UNLINK', KEYS[2])
end
local added = 0
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[i])
  else
    added = added + redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
local position = ARGV[2] .. ' ' .. redis.call('HLEN', KEYS[2])
redis.call('SET', KEYS[1], position)
return { 'SHOWN', added, position }
